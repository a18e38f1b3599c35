// SPDX-License-Identifier: Apache-2.0
//
// An export from memory to files: rows per second of CPU time and of wall time, peak memory.
//   micro_parquet [rows=1000000] [days=5] [threads=1] [memory_mb=512]
// 10 features, 5,000 entities, event time rising, as a year of flights has them.
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "connectors/avro/decode.h"
#include "connectors/parquet/export.h"
#include "data/avro.h"
#include "run/memory_log.h"
#include "run/schemas.h"

#define FEATURES 10
#define ENTITIES 5000
#define T0 INT64_C(1356998400000)

static const struct field fields[5 + FEATURES] = {
        {.name = "tailnum", .type = {.kind = KIND_STRING}},
        {.name = "event_time", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
        {.name = "known_at", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
        {.name = "source_partition", .type = {.kind = KIND_INT}, .nullable = true},
        {.name = "source_offset", .type = {.kind = KIND_LONG}, .nullable = true},
        {.name = "flights_24h", .type = {.kind = KIND_LONG}},
        {.name = "flights_30d", .type = {.kind = KIND_LONG}},
        {.name = "mean_delay_24h", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "mean_delay_30d", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "p90_delay_30d", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "late_30d", .type = {.kind = KIND_LONG}},
        {.name = "late_share_30d", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "airports_30d", .type = {.kind = KIND_LONG}},
        {.name = "last_dest", .type = {.kind = KIND_STRING}, .nullable = true},
        {.name = "last_arrived_at", .type = {.kind = KIND_TIMESTAMP_MILLIS}, .nullable = true},
};

static void row_write(
        struct buf *b, struct buf *key, const struct schema *s, int64_t i, int64_t event_time)
{
	static const char *const airports[] = {"JFK", "LAX", "ORD", "ATL", "SFO", "BOS"};
	uint64_t r = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) >> 20;
	char tail[16];
	snprintf(tail, sizeof tail, "N%05u", (unsigned)(r % ENTITIES));
	struct value v[5 + FEATURES] = {{.bytes = slice_of(tail)}, {.i64 = event_time},
	        {.i64 = event_time + 900}, {.i64 = 0}, {.i64 = i}, {.i64 = (int64_t)(r % 8)},
	        {.i64 = (int64_t)(r % 200)}, {.f64 = (double)(r % 9973) / 7},
	        {.f64 = (double)(r % 99991) / 13},
	        {.null = r % 50 == 0, .f64 = (double)(r % 997)}, {.i64 = (int64_t)(r % 40)},
	        {.f64 = (double)(r % 101) / 101}, {.i64 = (int64_t)(r % 30)},
	        {.bytes = slice_of(airports[r % 6])}, {.i64 = event_time}};
	b->len = key->len = 0;
	avro_frame_single_object(b, s->fingerprint);
	for (size_t k = 0; k < 5 + FEATURES; k++)
		avro_write(b, &fields[k].type, fields[k].nullable, &v[k]);
	buf_printf(key, "%s|%" PRId64 "|0:%" PRId64, tail, event_time, i);
}

static void fill(struct log_broker *broker, const struct schema *s, int64_t rows, int64_t days)
{
	struct buf b = {0}, key = {0};
	for (int64_t i = 0; i < rows; i++) {
		row_write(&b, &key, s, i, T0 + i * days * 86400000 / rows);
		struct slice k = buf_view(&key), v = buf_view(&b);
		memory_log_produce(broker, "b.v.v1", 0, &k, &v, 0);
	}
	printf("%" PRId64 " rows, %zu bytes each\n", rows, b.len + key.len);
	buf_release(&b);
	buf_release(&key);
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double peak_mb(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss / 1024;
}

static int entry_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static int measure(struct export_conf *conf)
{
	struct export_counts n;
	struct error e = {0};
	double cpu = cpu_seconds(), before = peak_mb();
	int64_t wall = clock_mono_ns(&clock_system);
	if (export_run(conf, &n, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	cpu = cpu_seconds() - cpu;
	double seconds = (double)(clock_mono_ns(&clock_system) - wall) / 1e9;
	printf("%" PRIu64 " rows in %" PRIu64 " files, %.1f bytes each\n"
	       "%.2f M rows/s of wall time, %.2f M rows/s of CPU time\n"
	       "%.0f MB of memory above the topic's own\n",
	        n.rows, n.files, (double)n.bytes / (double)n.rows,
	        (double)n.rows / seconds / 1e6, (double)n.rows / cpu / 1e6, peak_mb() - before);
	return 0;
}

static int64_t arg(int argc, char **argv, int i, int64_t fallback)
{
	return argc > i ? strtoll(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
	struct arena a;
	struct schema *s;
	struct error e;
	char dir[] = "/tmp/micro-parquet-XXXXXX";
	struct log_topic_conf t = {.name = "b.v.v1", .partitions = 1};
	struct log_broker *broker = memory_log_new();
	arena_init(&a);
	if (!mkdtemp(dir) || memory_log.topics_ensure(broker, &t, 1, &e) ||
	        schema_build(&a, "weir.v.v1", fields, 5 + FEATURES, &s, &e))
		return 1;
	const struct schema *list = s;
	schemas_publish(&memory_log, broker, "b", &list, 1, &e);
	struct schemas *schemas = schemas_open(&memory_log, broker, "b", &clock_system);
	fill(broker, s, arg(argc, argv, 1, 1000000), arg(argc, argv, 2, 5));
	struct export_conf conf = {.log = &memory_log,
	        .broker = broker,
	        .prefix = "b",
	        .view = "v",
	        .version = 1,
	        .dir = dir,
	        .threads = (uint32_t)arg(argc, argv, 3, 1),
	        .memory_bytes = (uint64_t)arg(argc, argv, 4, 512) << 20,
	        .schemas = schemas_source(schemas),
	        .avro = &format_avro,
	        .clock = &clock_system};
	int rc = measure(&conf);
	nftw(dir, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
	schemas_close(schemas);
	memory_log.close(broker);
	arena_release(&a);
	return rc;
}
