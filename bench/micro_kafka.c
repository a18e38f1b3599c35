// SPDX-License-Identifier: Apache-2.0
//
// What the Kafka log costs by itself: CPU and wall time per record produced in transactions,
// per record consumed, and the length of a transaction, step by step. CPU is this process's,
// all threads; the broker's is not in it.
//
//   micro_kafka [RECORDS [BYTES]]     WEIR_BROKERS; default 1,000,000 records of 200 bytes
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "connectors/kafka/kafka.h"

#define PARTITIONS 4
#define PER_TXN 20000 /* what 100 ms of the whole job are */
#define TXNS 300
#define VALUES 64 /* different ones */

static const struct log_ops *const k = &kafka_log;

struct mark {
	double wall, cpu, self; /* seconds: all threads' CPU, this thread's */
};

static double seconds(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct mark now(void)
{
	return (struct mark){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID),
	        seconds(CLOCK_THREAD_CPUTIME_ID)};
}

static double resident_mb(void)
{
	long pages = 0, ignored;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%ld %ld", &ignored, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void report(const char *what, struct mark from, uint64_t n)
{
	struct mark to = now();
	printf("%-28s %9.0f ns wall  %7.0f ns CPU  %7.0f ns on the worker  %4.0f MB\n", what,
	        (to.wall - from.wall) * 1e9 / (double)n, (to.cpu - from.cpu) * 1e9 / (double)n,
	        (to.self - from.self) * 1e9 / (double)n, resident_mb());
}

static void must(enum status st, const char *what, const struct error *e)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "micro_kafka: %s: %s\n", what, e->msg);
	exit(3);
}

struct rig {
	struct log_broker *b;
	struct log_session *s;
	uint32_t topic, owned;
};

static void assigned(void *arg, const struct log_position *parts, uint32_t n)
{
	(void)parts;
	((struct rig *)arg)->owned += n;
}

static void revoked(void *arg, const struct log_position *parts, uint32_t n, bool lost)
{
	(void)arg, (void)parts, (void)n, (void)lost;
}

static void open_rig(struct rig *r, char *name, size_t size)
{
	struct error e = {0};
	struct kafka_conf conf = {.brokers = getenv("WEIR_BROKERS"), .client_id = "bench"};
	if (!conf.brokers) {
		fprintf(stderr, "micro_kafka: WEIR_BROKERS is not set\n");
		exit(2);
	}
	must(kafka_open(&conf, &r->b, &e), "open", &e);
	snprintf(name, size, "bench.%d.%lld", (int)getpid(), (long long)time(NULL));
	struct log_topic_conf t = {.name = name, .partitions = PARTITIONS};
	must(k->topics_ensure(r->b, &t, 1, &e), "topic", &e);
	const char *subscribe[] = {name, NULL};
	struct log_session_conf sc = {.group = name,
	        .transactional_id = name,
	        .client_id = "bench",
	        .subscribe = subscribe,
	        .memory_bytes = 64 << 20,
	        .events = {r, assigned, revoked}};
	must(k->session_open(r->b, &sc, &r->s, &e), "session", &e);
	r->topic = k->topic(r->s, name);
	must(k->producer_init(r->s, &e), "init", &e);
}

/* Text that shrinks to about a third, as JSON does. */
static void fill(uint8_t *p, uint32_t bytes, uint64_t seed)
{
	for (uint32_t i = 0; i + 8 <= bytes; i += 8) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t word = i % 24 ? 0x3a22656d616e2c22
		                       : (seed >> 16 & 0x0f0f0f0f0f0f0f0f) + 0x3030303030303030;
		memcpy(p + i, &word, 8);
	}
}

/* The bench's transactions carry no input offsets but in the last part. */
static void produce(struct rig *r, uint64_t records, uint32_t bytes)
{
	struct error e = {0};
	uint8_t *values = calloc(VALUES, bytes + 8);
	for (uint64_t i = 0; i < VALUES; i++)
		fill(values + i * bytes, bytes, i);
	struct mark from = now();
	for (uint64_t i = 0; i < records;) {
		must(k->begin(r->s, &e), "begin", &e);
		for (uint64_t end = i + PER_TXN; i < end && i < records; i++) {
			struct slice key = {(const uint8_t *)&i, 8};
			struct slice v = {values + i % VALUES * bytes, bytes};
			must(k->append(r->s, r->topic, (int32_t)(i % PARTITIONS), key, &v, NULL,
			             0, 0, &e),
			        "append", &e);
		}
		must(k->flush(r->s, &e), "flush", &e);
		must(k->commit(r->s, &e), "commit", &e);
	}
	report("produce", from, records);
	free(values);
}

static void consume(struct rig *r, uint64_t records)
{
	static struct log_record rec[1000];
	struct error e = {0};
	uint32_t n;
	while (r->owned < PARTITIONS)
		must(k->poll(r->s, 100, rec, 1000, &n, &e), "poll", &e);
	struct mark from = now();
	for (int32_t p = 0; p < PARTITIONS; p++)
		must(k->fetch(r->s, (struct log_position){r->topic, p, 0}, &e), "fetch", &e);
	uint64_t got = 0, polls = 0;
	for (; got < records; got += n, polls++)
		must(k->poll(r->s, 1000, rec, 1000, &n, &e), "poll", &e);
	report("consume", from, got);
	printf("%-28s %9.1f\n", "records a poll", (double)got / (double)polls);
}

static void replay(struct rig *r, const char *name)
{
	static struct log_record rec[1000];
	struct error e = {0};
	struct log_reader *reader;
	uint32_t n;
	uint64_t got = 0;
	int64_t begin, end;
	must(k->bounds(r->b, name, 0, &begin, &end, &e), "bounds", &e);
	struct mark from = now();
	must(k->reader_open(r->b, name, 0, begin, 32 << 20, &reader, &e), "reader", &e);
	for (; k->reader_position(reader) < end; got += n)
		must(k->reader_poll(reader, 100, rec, 1000, &n, &e), "reader", &e);
	report("read one partition", from, got);
	k->reader_close(reader);
}

static void transactions(struct rig *r)
{
	struct error e = {0};
	struct slice v = slice_of("v");
	struct log_position next = {r->topic, 0, 1};
	double flush = 0, offsets = 0, commit = 0, worst = 0;
	struct mark from = now();
	for (int i = 0; i < TXNS; i++) {
		double t0 = now().wall;
		must(k->begin(r->s, &e), "begin", &e);
		for (int32_t j = 0; j < 100; j++)
			must(k->append(r->s, r->topic, j % PARTITIONS, v, &v, NULL, 0, 0, &e),
			        "append", &e);
		must(k->flush(r->s, &e), "flush", &e);
		double t1 = now().wall;
		must(k->send_offsets(r->s, &next, 1, &e), "offsets", &e);
		double t2 = now().wall;
		must(k->commit(r->s, &e), "commit", &e);
		double t3 = now().wall;
		flush += t1 - t0, offsets += t2 - t1, commit += t3 - t2;
		worst = t3 - t0 > worst ? t3 - t0 : worst;
	}
	struct mark to = now();
	printf("%-28s %9.2f ms (append and flush %.2f, offsets %.2f, commit %.2f; longest "
	       "%.1f), %.3f ms CPU\n",
	        "transaction of 100 records", (to.wall - from.wall) * 1e3 / TXNS,
	        flush * 1e3 / TXNS, offsets * 1e3 / TXNS, commit * 1e3 / TXNS, worst * 1e3,
	        (to.cpu - from.cpu) * 1e3 / TXNS);
}

int main(int argc, char **argv)
{
	uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint32_t bytes = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200;
	char name[100];
	struct rig r = {0};
	log_level_set(LOG_LVL_WARN);
	open_rig(&r, name, sizeof name);
	printf("%llu records of %u bytes, %d partitions\n", (unsigned long long)records, bytes,
	        PARTITIONS);
	produce(&r, records, bytes);
	consume(&r, records);
	replay(&r, name);
	transactions(&r);
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("%-28s %9.1f MB\n", "peak memory", (double)u.ru_maxrss / 1024);
	k->session_close(r.s);
	k->close(r.b);
	return 0;
}
