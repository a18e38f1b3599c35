// SPDX-License-Identifier: Apache-2.0
//
// How long an event takes from being produced to being seen: in the online store, and by a
// read-committed consumer of the offline topic. It produces the stream W in real time and at a
// fixed rate, with probes among it: events of a user each, looked for on both ways out.
//
//   bench_latency --topic T --rows TOPIC --online KEY-PREFIX --rate R [--seconds S] [--look MS]
//
//   --topic T           what the engine reads; it exists (WEIR_BROKERS)
//   --rows TOPIC        what the engine writes
//   --online PREFIX     of the rows' keys in the online store (WEIR_REDIS)
//   --rate R            events a second
//   --seconds S         for so long, after five that are not counted (30)
//   --look MS           how often the online store is asked (2): what the answer is exact to
//
// Prints one line for rows and one for online: probes, those never seen, p50, p99 and the
// longest in ms; and the rate that was reached. A rate that is not reached is reported, not
// caught up with: it never runs longer than asked for. Producing is plain and idempotent: a
// transaction here would be waited for by every reader.
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run/log.h"
#include "stream.h"

#define PROBES_A_SECOND 100
#define PROBES_MAX 100000
#define UNCOUNTED_S 5
#define REST_S 30 /* that the last probes are waited for */
#define BATCH 1000
/* A request per partition and millisecond is more than a broker on half a machine has time for;
 * what is waited here is part of the answer. */
#define LINGER_MS "5"
#define TURN_US 1000   /* between two looks at what is due */
#define QUIT_TURN 4096 /* events between two looks at the clock while behind */

struct probe {
	_Atomic int64_t sent, row, online; /* us; 0: not yet */
};

struct args {
	const char *topic, *rows, *online;
	uint32_t rate, seconds, look_ms;
};

struct bench {
	struct args args;
	rd_kafka_t *producer, *consumer;
	redisContext *store;
	int32_t partitions;
	_Atomic uint32_t nprobes; /* sent so far */
	_Atomic bool ending;
	struct probe probes[PROBES_MAX];
};

static int64_t now_us(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_latency: %s: %s\n", what, why);
	exit(3);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *const *settings)
{
	char why[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (; *settings; settings += 2)
		if (rd_kafka_conf_set(conf, settings[0], settings[1], why, sizeof why))
			die(settings[0], why);
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		die("Kafka", why);
	return rk;
}

/* ---- rows: what a consumer of committed rows sees ---- */

static void consumer_open(struct bench *b, const char *brokers)
{
	const char *settings[] = {"bootstrap.servers", brokers, "group.id", "bench-latency",
	        "enable.auto.commit", "false", "isolation.level", "read_committed",
	        "fetch.wait.max.ms", "100", "auto.offset.reset", "latest", NULL};
	b->consumer = client_new(RD_KAFKA_CONSUMER, settings);
	rd_kafka_poll_set_consumer(b->consumer);
	rd_kafka_topic_partition_list_t *parts =
	        rd_kafka_topic_partition_list_new(b->partitions);
	for (int32_t p = 0; p < b->partitions; p++)
		rd_kafka_topic_partition_list_add(parts, b->args.rows, p)->offset =
		        RD_KAFKA_OFFSET_END;
	rd_kafka_resp_err_t err = rd_kafka_assign(b->consumer, parts);
	if (err)
		die(b->args.rows, rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(parts);
}

/* The probe that a key is of, NULL when it is none's: p000123, whatever follows. */
static struct probe *probe_of(struct bench *b, const char *key, size_t len)
{
	if (len < 7 || key[0] != 'p')
		return NULL;
	uint32_t i = 0;
	for (int d = 1; d < 7; d++) {
		if (key[d] < '0' || key[d] > '9')
			return NULL;
		i = i * 10 + (uint32_t)(key[d] - '0');
	}
	return i < PROBES_MAX ? &b->probes[i] : NULL;
}

static void *read_rows(void *arg)
{
	struct bench *b = arg;
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(b->consumer);
	rd_kafka_message_t *m[BATCH];
	while (!b->ending) {
		ssize_t n = rd_kafka_consume_batch_queue(queue, 20, m, BATCH);
		int64_t now = now_us(CLOCK_MONOTONIC);
		for (ssize_t i = 0; i < n; i++) {
			struct probe *p =
			        m[i]->err ? NULL : probe_of(b, m[i]->key, m[i]->key_len);
			if (p && !p->row)
				p->row = now;
			rd_kafka_message_destroy(m[i]);
		}
	}
	rd_kafka_queue_destroy(queue);
	return NULL;
}

/* ---- online: what the store answers ---- */

static void store_open(struct bench *b, const char *address)
{
	char host[128];
	const char *colon = strrchr(address, ':');
	if (!colon || (size_t)(colon - address) >= sizeof host)
		die("WEIR_REDIS", "not HOST:PORT");
	snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
	b->store = redisConnect(host, (int)strtol(colon + 1, NULL, 10));
	if (!b->store || b->store->err)
		die("Redis", b->store ? b->store->errstr : "no memory");
}

/* Asks for the probes [from, to) that are not seen yet, in one pipeline. */
static void ask(struct bench *b, uint32_t from, uint32_t to)
{
	uint32_t asked[BATCH], n = 0;
	for (uint32_t i = from; i < to && n < BATCH; i++) {
		if (b->probes[i].online)
			continue;
		redisAppendCommand(b->store, "EXISTS %sp%06u", b->args.online, i);
		asked[n++] = i;
	}
	for (uint32_t i = 0; i < n; i++) {
		redisReply *reply;
		if (redisGetReply(b->store, (void **)&reply))
			die("Redis", b->store->errstr);
		if (reply->integer == 1)
			b->probes[asked[i]].online = now_us(CLOCK_MONOTONIC);
		freeReplyObject(reply);
	}
}

static void *read_online(void *arg)
{
	struct bench *b = arg;
	for (uint32_t from = 0; !b->ending;) {
		uint32_t to = b->nprobes;
		while (from < to && b->probes[from].online)
			from++;
		ask(b, from, to);
		usleep(b->args.look_ms * 1000);
	}
	return NULL;
}

/* ---- producing, in real time ---- */

static void produce_one(struct bench *b, struct slice key, struct slice value)
{
	for (;;) {
		rd_kafka_resp_err_t err =
		        rd_kafka_producev(b->producer, RD_KAFKA_V_TOPIC(b->args.topic),
		                RD_KAFKA_V_PARTITION(log_partition_of(key, b->partitions)),
		                RD_KAFKA_V_KEY(key.p, key.len),
		                RD_KAFKA_V_VALUE((void *)value.p, value.len),
		                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (!err)
			return;
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("producing", rd_kafka_err2str(err));
		rd_kafka_poll(b->producer, 1);
	}
}

static void produce_probe(struct bench *b, struct buf *text)
{
	uint32_t i = b->nprobes;
	char key[16];
	if (i == PROBES_MAX)
		return;
	int len = snprintf(key, sizeof key, "p%06u", i);
	text->len = 0;
	buf_printf(text,
	        "{\"event_id\":\"x%06u\",\"user_id\":\"%s\",\"item_id\":\"i00000\",\"type\":"
	        "\"view\","
	        "\"amount\":1.5,\"ts\":%lld,\"country\":\"DE\",\"session\":\"0-0\"}",
	        i, key, (long long)(now_us(CLOCK_REALTIME) / 1000));
	b->probes[i].sent = now_us(CLOCK_MONOTONIC);
	b->nprobes = i + 1;
	produce_one(b, (struct slice){(const uint8_t *)key, (uint32_t)len}, buf_view(text));
}

/* The rate that was reached, events a second. */
static double produce(struct bench *b)
{
	static struct stream s;
	struct stream_event ev = {0};
	struct buf text = {0};
	stream_init(&s, &(struct stream_conf){.users = STREAM_USERS});
	int64_t start = now_us(CLOCK_MONOTONIC), at = start;
	int64_t end = start + (int64_t)(b->args.seconds + UNCOUNTED_S) * 1000000;
	uint64_t sent = 0, probes = 0;
	for (; at < end; at = now_us(CLOCK_MONOTONIC)) {
		uint64_t due = (uint64_t)(at - start) * b->args.rate / 1000000;
		int64_t ts = now_us(CLOCK_REALTIME) / 1000;
		for (uint32_t n = 0; sent < due && n < QUIT_TURN; sent++, n++) {
			stream_next(&s, sent, ts, &ev);
			produce_one(b, (struct slice){(const uint8_t *)ev.key, ev.key_len},
			        buf_view(&ev.value));
		}
		if ((uint64_t)(at - start) * PROBES_A_SECOND / 1000000 > probes) {
			produce_probe(b, &text);
			probes++;
		}
		rd_kafka_poll(b->producer, 0);
		if (sent == due)
			usleep(TURN_US);
	}
	rd_kafka_flush(b->producer, 10000);
	buf_release(&ev.value);
	buf_release(&text);
	return (double)sent * 1e6 / (double)(at - start);
}

/* ---- the answer ---- */

static bool all_seen(const struct bench *b)
{
	for (uint32_t i = 0; i < b->nprobes; i++)
		if (!b->probes[i].row || !b->probes[i].online)
			return false;
	return true;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void report(const struct bench *b, const char *what, bool online)
{
	static int64_t took[PROBES_MAX];
	uint32_t n = 0, missing = 0;
	for (uint32_t i = UNCOUNTED_S * PROBES_A_SECOND; i < b->nprobes; i++) {
		int64_t seen = online ? b->probes[i].online : b->probes[i].row;
		if (seen)
			took[n++] = seen - b->probes[i].sent;
		else
			missing++;
	}
	qsort(took, n, sizeof *took, compare);
	if (!n)
		die(what, "no probe was seen");
	printf("%s %u %u %.1f %.1f %.1f\n", what, n + missing, missing,
	        (double)took[n / 2] / 1e3, (double)took[n * 99 / 100] / 1e3,
	        (double)took[n - 1] / 1e3);
}

static bool read_args(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {{"topic", required_argument, NULL, 't'},
	        {"rows", required_argument, NULL, 'r'},
	        {"online", required_argument, NULL, 'o'},
	        {"rate", required_argument, NULL, 'e'},
	        {"seconds", required_argument, NULL, 's'},
	        {"look", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 't':
			a->topic = optarg;
			break;
		case 'r':
			a->rows = optarg;
			break;
		case 'o':
			a->online = optarg;
			break;
		case 'e':
			a->rate = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			a->seconds = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			a->look_ms = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return optind == argc && a->topic && a->rows && a->online && a->rate && a->look_ms;
}

int main(int argc, char **argv)
{
	static struct bench b = {.args = {.seconds = 30, .look_ms = 2}, .partitions = 4};
	const char *brokers = getenv("WEIR_BROKERS"), *redis = getenv("WEIR_REDIS");
	if (!read_args(argc, argv, &b.args) || !brokers || !redis) {
		fprintf(stderr,
		        "usage: bench_latency --topic T --rows TOPIC --online KEY-PREFIX "
		        "--rate R [--seconds S] [--look MS]\n");
		return 2;
	}
	const char *settings[] = {"bootstrap.servers", brokers, "enable.idempotence", "true",
	        "linger.ms", LINGER_MS, NULL};
	b.producer = client_new(RD_KAFKA_PRODUCER, settings);
	consumer_open(&b, brokers);
	store_open(&b, redis);
	pthread_t rows, online;
	pthread_create(&rows, NULL, read_rows, &b);
	pthread_create(&online, NULL, read_online, &b);
	double rate = produce(&b);
	for (int i = 0; i < REST_S * 10 && !all_seen(&b); i++)
		usleep(100000);
	b.ending = true;
	pthread_join(rows, NULL);
	pthread_join(online, NULL);
	report(&b, "rows", false);
	report(&b, "online", true);
	printf("rate %.0f\n", rate);
	redisFree(b.store);
	rd_kafka_destroy(b.consumer);
	rd_kafka_destroy(b.producer);
	return 0;
}
