/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of the export: a view's offline topic in memory, rows written as the engine
 * does, and the files read back by DuckDB's SQL.
 */
#ifndef WEIR_TESTS_PARQUET_RIG_H
#define WEIR_TESTS_PARQUET_RIG_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/avro/decode.h"
#include "connectors/parquet/duck.h"
#include "connectors/parquet/export.h"
#include "data/avro.h"
#include "run/memory_log.h"
#include "run/schemas.h"

#define RIG_TOPIC "t.v.v1"
#define RIG_FEATURES_MAX 16

struct rig {
	struct arena arena;
	struct log_broker *broker;
	struct schemas *schemas;
	char dir[64];
	const struct schema *schema; /* of the rows */
	struct export_conf conf;
	struct export_counts counts;
	struct error e;
};

static inline const struct schema *rig_schema(
        struct rig *r, const struct field *features, uint32_t n)
{
	static const struct field head[] = {
	        {.name = "tailnum", .type = {.kind = KIND_STRING}},
	        {.name = "event_time", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	        {.name = "known_at", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	        {.name = "source_partition", .type = {.kind = KIND_INT}, .nullable = true},
	        {.name = "source_offset", .type = {.kind = KIND_LONG}, .nullable = true},
	};
	struct field f[5 + RIG_FEATURES_MAX];
	struct schema *s;
	memcpy(f, head, sizeof head);
	memcpy(f + 5, features, n * sizeof *features);
	ck_assert_int_eq(schema_build(&r->arena, "weir.v.v1", f, 5 + n, &s, &r->e), ST_OK);
	return s;
}

static inline void rig_open(
        struct rig *r, int32_t partitions, const struct field *features, uint32_t n)
{
	*r = (struct rig){.broker = memory_log_new()};
	arena_init(&r->arena);
	struct log_topic_conf t = {.name = RIG_TOPIC, .partitions = partitions};
	memory_log.topics_ensure(r->broker, &t, 1, &r->e);
	r->schema = rig_schema(r, features, n);
	ck_assert_int_eq(
	        schemas_publish(&memory_log, r->broker, "t", &r->schema, 1, &r->e), ST_OK);
	r->schemas = schemas_open(&memory_log, r->broker, "t", &clock_system);
	strcpy(r->dir, "/tmp/weir-export-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	r->conf = (struct export_conf){.log = &memory_log,
	        .broker = r->broker,
	        .prefix = "t",
	        .view = "v",
	        .version = 1,
	        .dir = r->dir,
	        .memory_bytes = 128 << 20,
	        .threads = 1,
	        .schemas = schemas_source(r->schemas),
	        .avro = &format_avro,
	        .clock = &clock_system};
}

static inline int rig_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static inline void rig_close(struct rig *r)
{
	nftw(r->dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
	schemas_close(r->schemas);
	memory_log.close(r->broker);
	arena_release(&r->arena);
}

/* A row as operators/window writes it. offset < 0: an expiry row. */
static inline int64_t rig_row(struct rig *r, int32_t partition, const char *tailnum,
        int64_t event_time, int64_t src_offset, const struct value *features)
{
	struct buf key = {0}, b = {0};
	uint32_t n = (uint32_t)r->schema->nfields;
	struct value v[5] = {{.bytes = slice_of(tailnum)}, {.i64 = event_time},
	        {.i64 = event_time + 5}, {.i64 = 3, .null = src_offset < 0},
	        {.i64 = src_offset, .null = src_offset < 0}};
	avro_frame_single_object(&b, r->schema->fingerprint);
	for (uint32_t i = 0; i < n; i++)
		avro_write(&b, &r->schema->fields[i].type, r->schema->fields[i].nullable,
		        i < 5 ? &v[i] : &features[i - 5]);
	buf_printf(&key, src_offset < 0 ? "%s|%" PRId64 "|x" : "%s|%" PRId64 "|3:%" PRId64,
	        tailnum, event_time, src_offset);
	struct slice k = buf_view(&key), value = buf_view(&b);
	int64_t at = memory_log_produce(r->broker, RIG_TOPIC, partition, &k, &value, 0);
	buf_release(&key);
	buf_release(&b);
	return at;
}

static inline void rig_export(struct rig *r)
{
	enum status st = export_run(&r->conf, &r->counts, &r->e);
	ck_assert_msg(st == ST_OK, "%s", r->e.msg);
}

/* The answer as lines of cells parted by '|', rows by newlines; FILES stands for the export's.
 */
static inline const char *rig_sql(struct rig *r, const char *sql)
{
	struct duck d;
	struct buf b = {0};
	duckdb_result res = {0};
	ck_assert_msg(duck_open(&d, 256 << 20, 1, "/tmp", &r->e) == ST_OK, "%s", r->e.msg);
	const char *at = strstr(sql, "FILES");
	if (at)
		buf_printf(&b, "%.*s'%s/v/v1/*/*.parquet'%s", (int)(at - sql), sql, r->dir,
		        at + 5);
	else
		buf_str(&b, sql);
	ck_assert_msg(
	        duck_query(&d, buf_cstr(&b), "reading", &res, &r->e) == ST_OK, "%s", r->e.msg);
	b.len = 0;
	for (idx_t i = 0; i < duckdb_row_count(&res); i++) {
		for (idx_t c = 0; c < duckdb_column_count(&res); c++) {
			char *text = duckdb_value_varchar(&res, c, i);
			buf_printf(&b, "%s%s", c ? "|" : i ? "\n" : "", text ? text : "null");
			duckdb_free(text);
		}
	}
	const char *out = arena_strdup(&r->arena, buf_cstr(&b));
	buf_release(&b);
	duckdb_destroy_result(&res);
	duck_close(&d);
	return out;
}

static inline int rig_name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline void rig_list(
        struct rig *r, const char *dir, const char *below, char **names, uint32_t *n)
{
	DIR *d = opendir(dir);
	ck_assert_ptr_nonnull(d);
	for (const struct dirent *f; (f = readdir(d));) {
		if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, ".."))
			continue;
		const char *path = arena_printf(&r->arena, "%s/%s", dir, f->d_name);
		struct stat st;
		ck_assert_int_eq(stat(path, &st), 0);
		if (S_ISDIR(st.st_mode))
			rig_list(r, path, arena_printf(&r->arena, "%s%s/", below, f->d_name),
			        names, n);
		else
			names[(*n)++] = arena_printf(&r->arena, "%s%s", below, f->d_name);
		ck_assert_uint_lt(*n, 1000);
	}
	closedir(d);
}

/* Every file below the version's folder, hidden ones too, a line each, in order. */
static inline const char *rig_files(struct rig *r)
{
	char *names[1000];
	uint32_t n = 0;
	struct buf b = {0};
	rig_list(r, arena_printf(&r->arena, "%s/v/v1", r->dir), "", names, &n);
	qsort(names, n, sizeof *names, rig_name_cmp);
	for (uint32_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? "\n" : "", names[i]);
	const char *out = arena_strdup(&r->arena, buf_cstr(&b));
	buf_release(&b);
	return out;
}

static inline char *rig_read(struct rig *r, const char *name, size_t *n)
{
	FILE *f = fopen(arena_printf(&r->arena, "%s/v/v1/%s", r->dir, name), "re");
	ck_assert_ptr_nonnull(f);
	char *p = arena_alloc(&r->arena, 1 << 20);
	*n = fread(p, 1, (1 << 20) - 1, f);
	p[*n] = 0;
	fclose(f);
	return p;
}

#endif
