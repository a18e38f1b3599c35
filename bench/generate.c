// SPDX-License-Identifier: Apache-2.0
//
// Puts the stream W (stream.c) into a topic, or prints the part of it that answers are checked
// by.
//
//   bench_generate [OPTION]... N
//
//   --topic T          makes the topic and produces N events into it (WEIR_BROKERS); without
//   it:
//                      prints "partition<TAB>event" of some users, or items, as JSON
//   --partitions P     of the topic (4)
//   --avro             bare Avro records of w.avsc instead of JSON
//   --users U          how many users there are (1,000,000)
//   --hot PERCENT      of the events are of one user
//   --each FROM        event i is of user FROM + i, instead of zipf's law
//   --first-each       the first U events are of one user each
//   --items            the sample is of items
//
// The sample is the three most frequent users, 52 of the next 5,000, one of 5,003 of the
// others; one item of 997.
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "connectors/kafka/kafka.h"
#include "stream.h"

#define PER_TXN 50000

struct args {
	struct stream_conf conf;
	const char *topic;
	int32_t partitions;
	uint64_t n;
	bool items;
};

static struct slice key_of(const struct stream_event *ev)
{
	return (struct slice){(const uint8_t *)ev->key, ev->key_len};
}

static int64_t time_of(uint64_t i, uint64_t n)
{
	return STREAM_START_MS + (int64_t)((double)i * (double)STREAM_SPAN_MS / (double)n);
}

static bool sampled(const struct args *a, const struct stream_event *ev)
{
	if (a->items)
		return ev->item % 997 == 7;
	/* By rank where there are ranks, so that the same users are of the first part too. */
	if (a->conf.each || a->conf.first_each)
		return ev->user % 5003 == 7;
	return ev->rank < 3 || (ev->rank < 5000 && ev->rank % 97 == 50) || ev->rank % 5003 == 7;
}

static void print(const struct args *a)
{
	struct stream s;
	struct stream_event ev = {0};
	stream_init(&s, &a->conf);
	for (uint64_t i = 0; i < a->n; i++) {
		stream_next(&s, i, time_of(i, a->n), &ev);
		if (sampled(a, &ev))
			printf("%d\t%.*s\n", (int)log_partition_of(key_of(&ev), a->partitions),
			        (int)ev.value.len, (const char *)ev.value.p);
	}
	buf_release(&ev.value);
}

/* -- into Kafka, in transactions -- */

static const struct log_ops *const k = &kafka_log;

static void must(enum status st, const struct error *e)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "bench_generate: %s\n", e->msg);
	exit(3);
}

static void assigned(void *arg, const struct log_position *parts, uint32_t n)
{
	(void)arg, (void)parts, (void)n;
}

static void revoked(void *arg, const struct log_position *parts, uint32_t n, bool lost)
{
	(void)arg, (void)parts, (void)n, (void)lost;
}

static void produce(struct log_session *session, const struct args *a)
{
	struct stream s;
	struct stream_event ev = {0};
	struct error e = {0};
	uint32_t topic = k->topic(session, a->topic);
	stream_init(&s, &a->conf);
	for (uint64_t i = 0; i < a->n;) {
		must(k->begin(session, &e), &e);
		for (uint64_t end = i + PER_TXN; i < a->n && i < end; i++) {
			stream_next(&s, i, time_of(i, a->n), &ev);
			struct slice v = buf_view(&ev.value), key = key_of(&ev);
			must(k->append(session, topic, log_partition_of(key, a->partitions),
			             key, &v, NULL, 0, 0, &e),
			        &e);
		}
		must(k->flush(session, &e), &e);
		must(k->commit(session, &e), &e);
	}
	buf_release(&ev.value);
}

/* A topic that was just made has no leaders yet. */
static void await_leaders(struct log_broker *b, const char *topic, int32_t partitions)
{
	struct error e = {0};
	int64_t begin, end;
	for (int32_t p = 0; p < partitions; p++) {
		enum status st = ST_ERR;
		for (int i = 0; st && i < 100; i++) {
			st = k->bounds(b, topic, p, &begin, &end, &e);
			if (st)
				usleep(100000);
		}
		must(st, &e);
	}
}

static void fill_topic(const struct args *a)
{
	struct error e = {0};
	struct kafka_conf conf = {.brokers = getenv("WEIR_BROKERS"), .client_id = "bench"};
	struct log_broker *b;
	struct log_session *s;
	log_level_set(LOG_LVL_WARN);
	must(kafka_open(&conf, &b, &e), &e);
	struct log_topic_conf t = {.name = a->topic, .partitions = a->partitions};
	must(k->topics_ensure(b, &t, 1, &e), &e);
	await_leaders(b, a->topic, a->partitions);
	const char *subscribe[] = {a->topic, NULL};
	struct log_session_conf sc = {.group = "bench-generate",
	        .transactional_id = "bench-generate",
	        .client_id = "bench",
	        .subscribe = subscribe,
	        .memory_bytes = 64 << 20,
	        .events = {NULL, assigned, revoked}};
	must(k->session_open(b, &sc, &s, &e), &e);
	must(k->producer_init(s, &e), &e);
	produce(s, a);
	k->session_close(s);
	k->close(b);
}

static bool read_option(int c, struct args *a)
{
	switch (c) {
	case 't':
		a->topic = optarg;
		return true;
	case 'p':
		a->partitions = (int32_t)strtol(optarg, NULL, 10);
		return a->partitions > 0;
	case 'a':
		a->conf.avro = true;
		return true;
	case 'u':
		a->conf.users = strtoull(optarg, NULL, 10);
		return a->conf.users > 0;
	case 'h':
		a->conf.hot_percent = (uint32_t)strtoul(optarg, NULL, 10);
		return true;
	case 'e':
		a->conf.each = true;
		a->conf.each_from = strtoull(optarg, NULL, 10);
		return true;
	case 'f':
		a->conf.first_each = true;
		return true;
	case 'i':
		a->items = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"topic", required_argument, NULL, 't'},
	        {"partitions", required_argument, NULL, 'p'}, {"avro", no_argument, NULL, 'a'},
	        {"users", required_argument, NULL, 'u'}, {"hot", required_argument, NULL, 'h'},
	        {"each", required_argument, NULL, 'e'}, {"first-each", no_argument, NULL, 'f'},
	        {"items", no_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
	struct args a = {.conf = {.users = STREAM_USERS}, .partitions = 4};
	bool right = true;
	for (int c; right && (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		right = read_option(c, &a);
	if (right && optind == argc - 1)
		a.n = strtoull(argv[optind], NULL, 10);
	if (!right || !a.n) {
		fprintf(stderr, "usage: bench_generate [--topic T] [--partitions P] [--avro] "
		                "[--users U]"
		                " [--hot PERCENT] [--each FROM] [--first-each] [--items] N\n");
		return 2;
	}
	if (!a.topic) {
		a.conf.avro = false;
		print(&a);
		return 0;
	}
	fill_topic(&a);
	return 0;
}
