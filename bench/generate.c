// SPDX-License-Identifier: Apache-2.0
//
// The stream W of the benchmarks: events of 1,000,000 users, how often each comes by a zipf law
// of 0.99, over 26 hours of event time, out of order by up to 2 s, as JSON of about 200 bytes
// keyed by user. The same N gives the same bytes, always.
//
//   bench_generate N TOPIC [PARTITIONS]   makes the topic and produces it   (WEIR_BROKERS)
//   bench_generate N TOPIC PARTITIONS each [FROM]   the same, but event i is of user FROM + i
//   bench_generate N                      prints "partition<TAB>event" of some users, for checks
//
// The sample is the three most frequent users, 52 of the next 5,000, one of 5,003 of the others.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "connectors/kafka/kafka.h"

#define USERS 1000000
#define ITEMS 50000
#define ZIPF 0.99
#define SPAN_MS (INT64_C(26) * 3600 * 1000)
#define START_MS INT64_C(1735689600000) /* 2025-01-01 */
#define DISORDER_MS 2000
#define PER_TXN 50000

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* splitmix64 */
static uint64_t rnd(void)
{
	uint64_t z = (random_state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static double rnd_unit(void)
{
	return (double)(rnd() >> 11) * 0x1p-53;
}

/* Gray et al., Quickly generating billion-record synthetic databases, 1994. */
struct zipf {
	double zeta, eta, alpha, half;
	bool each; /* not at all zipf: user from + i */
	uint64_t from;
};

static struct zipf zipf_make(void)
{
	struct zipf z = {.alpha = 1 / (1 - ZIPF), .half = 1 + pow(0.5, ZIPF)};
	for (int i = 1; i <= USERS; i++)
		z.zeta += pow(i, -ZIPF);
	z.eta = (1 - pow(2.0 / USERS, 1 - ZIPF)) / (1 - z.half / z.zeta);
	return z;
}

static uint32_t zipf_rank(const struct zipf *z)
{
	double u = rnd_unit(), uz = u * z->zeta;
	if (uz < 1)
		return 0;
	if (uz < z->half)
		return 1;
	uint32_t rank = (uint32_t)(USERS * pow(z->eta * u - z->eta + 1, z->alpha));
	return rank < USERS ? rank : USERS - 1;
}

struct event {
	uint32_t rank;
	char key[16];
	uint32_t key_len;
	struct buf value;
};

static void event_make(struct event *ev, const struct zipf *z, uint64_t i, uint64_t n)
{
	static const char *const types[] = {"view", "view", "view", "cart", "buy", "search"};
	static const char *const countries[] = {"DE", "FR", "US", "GB", "IN", "BR", "JP", "PL"};
	ev->rank = z->each ? 0 : zipf_rank(z);
	uint64_t bits = rnd(), session = rnd();
	uint64_t user = ev->rank * UINT64_C(2654435761) % USERS; /* a bijection */
	user = z->each ? z->from + i : user;
	int64_t ts = START_MS + (int64_t)((double)i * (double)SPAN_MS / (double)n) -
	             (int64_t)(bits % DISORDER_MS);
	ev->key_len = (uint32_t)snprintf(ev->key, sizeof ev->key, "u%06llu",
	        (unsigned long long)user);
	ev->value.len = 0;
	buf_printf(&ev->value,
	        "{\"event_id\":\"e%012llu\",\"user_id\":\"%s\",\"item_id\":\"i%05u\","
	        "\"type\":\"%s\",\"amount\":%u.%02u,\"ts\":%lld,\"country\":\"%s\","
	        "\"session\":\"%016llx-%016llx\"}",
	        (unsigned long long)i, ev->key, (unsigned)(bits >> 12 & 0xffff) % ITEMS,
	        types[(bits >> 28) % 6], (unsigned)(bits >> 32 & 0x3ff),
	        (unsigned)(bits >> 42 & 0x7f) % 100, (long long)ts, countries[bits >> 61],
	        (unsigned long long)session,
	        (unsigned long long)(session * 0xc2b2ae3d27d4eb4f));
}

static struct slice event_key(const struct event *ev)
{
	return (struct slice){(const uint8_t *)ev->key, ev->key_len};
}

static bool sampled(uint32_t rank)
{
	return rank < 3 || (rank < 5000 && rank % 97 == 50) || rank % 5003 == 7;
}

static void print(uint64_t n, int32_t partitions)
{
	struct zipf z = zipf_make();
	struct event ev = {0};
	for (uint64_t i = 0; i < n; i++) {
		event_make(&ev, &z, i, n);
		if (!sampled(ev.rank))
			continue;
		printf("%d\t%.*s\n", (int)log_partition_of(event_key(&ev), partitions),
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

static void produce(struct log_session *s, uint32_t topic, uint64_t n, int32_t partitions,
        bool each, uint64_t from)
{
	struct zipf z = each ? (struct zipf){.each = true, .from = from} : zipf_make();
	struct event ev = {0};
	struct error e = {0};
	for (uint64_t i = 0; i < n;) {
		must(k->begin(s, &e), &e);
		for (uint64_t end = i + PER_TXN; i < n && i < end; i++) {
			event_make(&ev, &z, i, n);
			struct slice v = buf_view(&ev.value), key = event_key(&ev);
			must(k->append(s, topic, log_partition_of(key, partitions), key, &v,
			             NULL, 0, 0, &e),
			        &e);
		}
		must(k->flush(s, &e), &e);
		must(k->commit(s, &e), &e);
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

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	int32_t partitions = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 4;
	struct error e = {0};
	if (!n || partitions < 1) {
		fprintf(stderr, "usage: bench_generate N [TOPIC [PARTITIONS [each [FROM]]]]\n");
		return 2;
	}
	if (argc < 3) {
		print(n, partitions);
		return 0;
	}
	log_level_set(LOG_LVL_WARN);
	struct kafka_conf conf = {.brokers = getenv("WEIR_BROKERS"), .client_id = "bench"};
	struct log_broker *b;
	struct log_session *s;
	must(kafka_open(&conf, &b, &e), &e);
	struct log_topic_conf t = {.name = argv[2], .partitions = partitions};
	must(k->topics_ensure(b, &t, 1, &e), &e);
	await_leaders(b, argv[2], partitions);
	const char *subscribe[] = {argv[2], NULL};
	struct log_session_conf sc = {.group = "bench-generate",
	        .transactional_id = "bench-generate",
	        .client_id = "bench",
	        .subscribe = subscribe,
	        .memory_bytes = 64 << 20,
	        .events = {NULL, assigned, revoked}};
	must(k->session_open(b, &sc, &s, &e), &e);
	must(k->producer_init(s, &e), &e);
	bool each = argc > 4 && !strcmp(argv[4], "each");
	produce(s, k->topic(s, argv[2]), n, partitions, each,
	        argc > 5 ? strtoull(argv[5], NULL, 10) : 0);
	k->session_close(s);
	k->close(b);
	return 0;
}
