// SPDX-License-Identifier: Apache-2.0
//
// Rows go into DuckDB by chunks of columns, never by SQL; SQL sorts and writes. DuckDB does
// what is hard here: sorting more than fits in memory, encoding, compressing, statistics. Rows
// of a file stand in the order of the point-in-time join: by entity, event_time, known_at, and
// the source's position with expiry rows (which have none) first. So the last of an entity's
// rows up to T is the answer at T.
#include "connectors/parquet/table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/parquet/files.h"
#include "connectors/parquet/footer.h"
#include "connectors/parquet/vectors.h"
#include "data/window.h"
#include "lang/civil.h"

#define DAY_MS INT64_C(86400000)
/* Rows per row group: what a reader can skip by min and max. Fewer would cost compression. */
#define ROW_GROUP_ROWS 122880

static const char *const head[] = {
        "event_time", "known_at", "source_partition", "source_offset"};

int table_entity_columns(const struct schema *s)
{
	static const enum kind kinds[] = {
	        KIND_TIMESTAMP_MILLIS, KIND_TIMESTAMP_MILLIS, KIND_INT, KIND_LONG};
	int at = schema_find(s, slice_of(head[0]));
	if (at < 1 || (size_t)at + 4 > s->nfields)
		return -1;
	for (int i = 0; i < 4; i++)
		if (strcmp(s->fields[at + i].name, head[i]) != 0 ||
		        s->fields[at + i].type.kind != kinds[i])
			return -1;
	return at;
}

// ---- filling ----

static enum status appender_failed(duckdb_appender a, struct error *e)
{
	const char *why = a ? duckdb_appender_error(a) : NULL;
	return error_set(e, ERR_FATAL, 0, "collecting rows: %s", why ? why : "DuckDB failed");
}

static void type_sql(struct buf *b, const struct type *t)
{
	static const char *const names[] = {
	        [KIND_NULL] = "INTEGER",
	        [KIND_BOOLEAN] = "BOOLEAN",
	        [KIND_INT] = "INTEGER",
	        [KIND_LONG] = "BIGINT",
	        [KIND_FLOAT] = "FLOAT",
	        [KIND_DOUBLE] = "DOUBLE",
	        [KIND_STRING] = "VARCHAR",
	        [KIND_BYTES] = "BLOB",
	        [KIND_ENUM] = "VARCHAR",
	        [KIND_DATE] = "DATE",
	        [KIND_TIME_MILLIS] = "TIME",
	        [KIND_TIME_MICROS] = "TIME",
	        [KIND_TIMESTAMP_MILLIS] = "TIMESTAMP_MS",
	        [KIND_TIMESTAMP_MICROS] = "TIMESTAMP",
	        [KIND_ARRAY] = "BLOB",
	        [KIND_MAP] = "BLOB",
	};
	if (t->kind == KIND_DECIMAL) {
		buf_printf(b, "DECIMAL(%u,%u)", t->precision, t->scale);
	} else if (!t->element) {
		buf_str(b, names[t->kind]);
	} else if (t->kind == KIND_ARRAY) {
		type_sql(b, t->element);
		buf_str(b, "[]");
	} else {
		buf_str(b, "MAP(VARCHAR,");
		type_sql(b, t->element);
		buf_byte(b, ')');
	}
}

static enum status create(struct row_table *t, struct error *e)
{
	struct buf b = {0};
	buf_str(&b,
	        "CREATE OR REPLACE TABLE gone(_offset BIGINT);CREATE OR REPLACE TABLE batch(");
	for (size_t i = 0; i < t->schema->nfields; i++) {
		duck_name(&b, t->schema->fields[i].name);
		buf_byte(&b, ' ');
		type_sql(&b, &t->schema->fields[i].type);
		buf_byte(&b, ',');
	}
	buf_str(&b, "_offset BIGINT,_day BIGINT)");
	enum status st = duck_run(t->duck, buf_cstr(&b), "making the batch's table", e);
	buf_release(&b);
	return st;
}

enum status table_open(
        struct row_table *t, struct duck *d, const struct schema *s, struct error *e)
{
	*t = (struct row_table){
	        .duck = d, .schema = s, .nentity = (uint32_t)table_entity_columns(s)};
	t->types = xcalloc(s->nfields + 2, sizeof *t->types);
	if (create(t, e))
		return ST_ERR;
	if (duckdb_appender_create(d->conn, NULL, "batch", &t->rows) == DuckDBError)
		return appender_failed(t->rows, e);
	if (duckdb_appender_create(d->conn, NULL, "gone", &t->gone) == DuckDBError)
		return appender_failed(t->gone, e);
	for (size_t i = 0; i < s->nfields + 2; i++)
		t->types[i] = duckdb_appender_column_type(t->rows, i);
	t->chunk = duckdb_create_data_chunk(t->types, s->nfields + 2);
	t->gone_chunk = duckdb_create_data_chunk(&t->types[s->nfields], 1);
	return ST_OK;
}

void table_close(struct row_table *t)
{
	if (!t->types)
		return;
	if (t->rows)
		duckdb_appender_destroy(&t->rows);
	if (t->gone)
		duckdb_appender_destroy(&t->gone);
	if (t->chunk)
		duckdb_destroy_data_chunk(&t->chunk);
	if (t->gone_chunk)
		duckdb_destroy_data_chunk(&t->gone_chunk);
	for (size_t i = 0; i < t->schema->nfields + 2; i++)
		if (t->types[i])
			duckdb_destroy_logical_type(&t->types[i]);
	free(t->types);
	struct error ignored;
	duck_run(t->duck, "DROP TABLE IF EXISTS batch; DROP TABLE IF EXISTS gone",
	        "dropping the batch's table", &ignored);
	*t = (struct row_table){0};
}

enum status table_add(struct row_table *t, const struct column *cols, const int64_t *offsets,
        uint32_t n, uint32_t *bad, struct error *e)
{
	size_t nf = t->schema->nfields;
	INVARIANT(n <= duckdb_vector_size());
	*bad = 0;
	duckdb_data_chunk_reset(t->chunk);
	for (size_t i = 0; i < nf; i++)
		if (vector_fill(duckdb_data_chunk_get_vector(t->chunk, i),
		            &t->schema->fields[i], &cols[i], n, bad, e))
			return ST_ERR;
	memcpy(duckdb_vector_get_data(duckdb_data_chunk_get_vector(t->chunk, nf)), offsets,
	        n * sizeof *offsets);
	int64_t *day = duckdb_vector_get_data(duckdb_data_chunk_get_vector(t->chunk, nf + 1));
	const struct column *time = &cols[t->nentity];
	for (uint32_t i = 0; i < n; i++)
		day[i] = floor_div(time->i64[i], DAY_MS);
	duckdb_data_chunk_set_size(t->chunk, n);
	if (duckdb_append_data_chunk(t->rows, t->chunk) == DuckDBError)
		return appender_failed(t->rows, e);
	return ST_OK;
}

static enum status gone_flush(struct row_table *t, struct error *e)
{
	if (!t->ngone)
		return ST_OK;
	duckdb_data_chunk_set_size(t->gone_chunk, t->ngone);
	if (duckdb_append_data_chunk(t->gone, t->gone_chunk) == DuckDBError)
		return appender_failed(t->gone, e);
	duckdb_data_chunk_reset(t->gone_chunk);
	t->gone_total += t->ngone;
	t->ngone = 0;
	return ST_OK;
}

enum status table_drop(struct row_table *t, int64_t offset, struct error *e)
{
	int64_t *data = duckdb_vector_get_data(duckdb_data_chunk_get_vector(t->gone_chunk, 0));
	data[t->ngone++] = offset;
	return t->ngone == duckdb_vector_size() ? gone_flush(t, e) : ST_OK;
}

// ---- writing ----

static enum status settle(struct row_table *t, struct error *e)
{
	if (gone_flush(t, e))
		return ST_ERR;
	if (duckdb_appender_close(t->rows) == DuckDBError)
		return appender_failed(t->rows, e);
	if (duckdb_appender_close(t->gone) == DuckDBError)
		return appender_failed(t->gone, e);
	if (!t->gone_total)
		return ST_OK;
	return duck_run(t->duck,
	        "DELETE FROM batch USING gone WHERE batch._offset = gone._offset",
	        "leaving out superseded rows", e);
}

static void copy_sql(const struct row_table *t, int64_t day, const char *path, struct buf *b)
{
	buf_str(b, "COPY (SELECT * EXCLUDE (_offset, _day) FROM batch ");
	buf_printf(b, "WHERE _day = %" PRId64 " ORDER BY ", day);
	for (uint32_t i = 0; i < t->nentity; i++) {
		duck_name(b, t->schema->fields[i].name);
		buf_byte(b, ',');
	}
	buf_str(b, "event_time, known_at, source_offset NULLS FIRST, source_partition, "
	           "_offset) TO ");
	duck_text(b, path);
	buf_printf(b,
	        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, USE_TMP_FILE false)",
	        ROW_GROUP_ROWS);
}

/* Makes the file what it is to be; the batch's commit makes it durable. */
static enum status finish(const char *path, uint64_t *bytes, struct error *e)
{
	struct stat info;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return files_error(e, "opening", path);
	enum status st = footer_times_utc(fd, e);
	if (st)
		error_context(e, "%s", path);
	else if (fstat(fd, &info))
		st = files_error(e, "reading", path);
	else
		*bytes = (uint64_t)info.st_size;
	close(fd);
	return st;
}

static enum status write_day(struct row_table *t, struct manifest *m, int64_t day,
        struct manifest_file *f, struct error *e)
{
	char temp[FILES_PATH_MAX];
	struct buf b = {0};
	if (manifest_temp(m, f->path, temp, e))
		return ST_ERR;
	char *slash = strrchr(temp, '/');
	*slash = 0;
	enum status st = files_mkdirs(temp, e);
	*slash = '/';
	copy_sql(t, day, temp, &b);
	if (st == ST_OK)
		st = duck_run(t->duck, buf_cstr(&b), "writing Parquet", e);
	buf_release(&b);
	if (st == ST_OK)
		st = finish(temp, &f->bytes, e);
	return st;
}

static void path_of(int64_t day, int32_t partition, struct manifest_file *f, char out[128])
{
	char date[CIVIL_TEXT_MAX];
	uint32_t n = civil_format_date(date, day);
	snprintf(out, 128, "dt=%.*s/part-%" PRId32 "-%" PRId64 "-%" PRId64 ".parquet", (int)n,
	        date, partition, f->first, f->last);
	f->path = out;
}

enum status table_write(struct row_table *t, struct manifest *m, int32_t partition,
        void (*step)(void *arg), void *arg, struct error *e)
{
	duckdb_result days = {0};
	if (settle(t, e))
		return ST_ERR;
	enum status st = duck_query(t->duck,
	        "SELECT _day, count(*), min(_offset), max(_offset) FROM batch GROUP BY 1 "
	        "ORDER BY 1",
	        "listing days", &days, e);
	for (idx_t i = 0; st == ST_OK && i < duckdb_row_count(&days); i++) {
		char path[128];
		int64_t day = duckdb_value_int64(&days, 0, i);
		struct manifest_file f = {.rows = (uint64_t)duckdb_value_int64(&days, 1, i),
		        .first = duckdb_value_int64(&days, 2, i),
		        .last = duckdb_value_int64(&days, 3, i)};
		path_of(day, partition, &f, path);
		st = write_day(t, m, day, &f, e);
		if (st == ST_OK) {
			manifest_plan(m, &f);
			if (step)
				step(arg);
		}
	}
	duckdb_destroy_result(&days);
	return st;
}
