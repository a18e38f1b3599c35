// SPDX-License-Identifier: Apache-2.0
//
// Rows are collected in DuckDB's own chunks and put in order by number (order.c); then a COPY
// per day pulls that day's rows out of the chunks. Nothing goes through a table, which would be
// compressed and counted for nothing, and a file costs little beside its rows. DuckDB does what
// is hard here: encoding, compressing, statistics. Rows of a file stand in the order of the
// point-in-time join, so the last of an entity's rows up to T is the answer at T.
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
#include "connectors/parquet/order.h"
#include "data/window.h"
#include "lang/civil.h"

#define DAY_MS INT64_C(86400000)
/* Rows per row group: what a reader can skip by min and max. Fewer would cost compression. */
#define ROW_GROUP_ROWS 122880
/* The usual 3 takes half as long again, for a tenth of the bytes. */
#define ZSTD_LEVEL 1
/* Different values of a row group's column above which they are written as they are. DuckDB's own
 * bound, a fifth of the rows, has it look up nearly every double of a feature in vain. */
#define DICTIONARY_VALUES_MAX 2000
#define EXTRA_COLUMNS 3 /* _offset, _day, _gone */

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

// ---- types ----

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

/* DuckDB's own types for the fields, then _offset and _day, and _gone. */
static enum status types_make(struct row_table *t, struct error *e)
{
	struct buf b = {0};
	duckdb_prepared_statement q = NULL;
	size_t n = t->schema->nfields + EXTRA_COLUMNS;
	buf_str(&b, "SELECT ");
	for (size_t i = 0; i < t->schema->nfields; i++) {
		buf_str(&b, "CAST(NULL AS ");
		type_sql(&b, &t->schema->fields[i].type);
		buf_str(&b, "),");
	}
	buf_str(&b, "CAST(NULL AS BIGINT),CAST(NULL AS BIGINT),CAST(NULL AS BOOLEAN)");
	enum status st = ST_OK;
	if (duckdb_prepare(t->duck->conn, buf_cstr(&b), &q) == DuckDBError)
		st = error_set(e, ERR_FATAL, 0, "DuckDB refuses the view's types: %s",
		        duckdb_prepare_error(q));
	t->types = xcalloc(n, sizeof *t->types);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		t->types[i] = duckdb_prepared_statement_column_logical_type(q, i);
	duckdb_destroy_prepare(&q);
	buf_release(&b);
	return st;
}

// ---- filling ----

enum status table_open(
        struct row_table *t, struct duck *d, const struct schema *s, struct error *e)
{
	t->duck = d;
	t->schema = s;
	t->nentity = (uint32_t)table_entity_columns(s);
	return types_make(t, e);
}

void table_close(struct row_table *t)
{
	for (uint32_t i = 0; i < t->nchunks; i++)
		duckdb_destroy_data_chunk(&t->chunks[i].data);
	for (size_t i = 0; t->types && i < t->schema->nfields + EXTRA_COLUMNS; i++)
		if (t->types[i])
			duckdb_destroy_logical_type(&t->types[i]);
	for (size_t i = 0; t->columns && i < t->schema->nfields + EXTRA_COLUMNS; i++)
		free(t->columns[i].parts);
	free(t->columns);
	free(t->order);
	free(t->types);
	free(t->chunks);
	free(t->days);
	*t = (struct row_table){0};
}

static struct row_chunk *chunk_add(struct row_table *t)
{
	if (t->nchunks == t->cap_chunks) {
		t->cap_chunks = t->cap_chunks ? 2 * t->cap_chunks : 16;
		t->chunks = xrealloc(t->chunks, t->cap_chunks * sizeof *t->chunks);
	}
	struct row_chunk *c = &t->chunks[t->nchunks++];
	size_t nf = t->schema->nfields;
	*c = (struct row_chunk){.data = duckdb_create_data_chunk(t->types, nf + EXTRA_COLUMNS)};
	c->offsets = duckdb_vector_get_data(duckdb_data_chunk_get_vector(c->data, nf));
	c->days = duckdb_vector_get_data(duckdb_data_chunk_get_vector(c->data, nf + 1));
	c->gone = duckdb_vector_get_data(duckdb_data_chunk_get_vector(c->data, nf + 2));
	return c;
}

static enum status chunk_fill(struct row_table *t, struct row_chunk *c,
        const struct column *cols, const int64_t *offsets, uint32_t from, uint32_t n,
        uint32_t *bad, struct error *e)
{
	for (size_t i = 0; i < t->schema->nfields; i++)
		if (vector_fill(duckdb_data_chunk_get_vector(c->data, i), c->n,
		            &t->schema->fields[i], &cols[i], from, n, &t->nulled, bad, e))
			return ST_ERR;
	const int64_t *time = cols[t->nentity].i64 + from;
	for (uint32_t i = 0; i < n; i++) {
		c->offsets[c->n + i] = offsets[from + i];
		c->days[c->n + i] = floor_div(time[i], DAY_MS);
		c->gone[c->n + i] = false;
	}
	c->n += n;
	duckdb_data_chunk_set_size(c->data, c->n);
	return ST_OK;
}

enum status table_add(struct row_table *t, const struct column *cols, const int64_t *offsets,
        uint32_t n, uint32_t *bad, struct error *e)
{
	*bad = 0;
	for (uint32_t from = 0, some; from < n; from += some) {
		struct row_chunk *c = t->nchunks ? &t->chunks[t->nchunks - 1] : NULL;
		if (!c || c->n == VECTOR_ROWS)
			c = chunk_add(t);
		some = VECTOR_ROWS - c->n < n - from ? VECTOR_ROWS - c->n : n - from;
		if (chunk_fill(t, c, cols, offsets, from, some, bad, e))
			return ST_ERR;
	}
	return ST_OK;
}

/* Offsets rise, from chunk to chunk and inside one. */
void table_drop(struct row_table *t, int64_t offset)
{
	uint32_t low = 0, high = t->nchunks;
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;
		if (t->chunks[mid].offsets[0] <= offset)
			low = mid;
		else
			high = mid;
	}
	struct row_chunk *c = &t->chunks[low];
	uint32_t i = 0, end = c->n;
	while (i < end) {
		uint32_t mid = i + (end - i) / 2;
		if (c->offsets[mid] < offset)
			i = mid + 1;
		else
			end = mid;
	}
	INVARIANT(i < c->n && c->offsets[i] == offset);
	c->gone[i] = true;
}

bool table_drop_row(struct row_table *t, uint32_t row)
{
	struct row_chunk *c = &t->chunks[row / VECTOR_ROWS];
	bool was = c->gone[row % VECTOR_ROWS];
	c->gone[row % VECTOR_ROWS] = true;
	return !was;
}

uint32_t table_drop_block(struct row_table *t, uint32_t first)
{
	uint32_t dropped = 0, end = (t->nchunks - 1) * VECTOR_ROWS + t->chunks[t->nchunks - 1].n;
	int64_t offset = t->chunks[first / VECTOR_ROWS].offsets[first % VECTOR_ROWS];
	for (uint32_t i = first; i < end; i++) {
		if (t->chunks[i / VECTOR_ROWS].offsets[i % VECTOR_ROWS] != offset)
			break;
		dropped += table_drop_row(t, i);
	}
	return dropped;
}

// ---- days ----

static int day_cmp(const void *a, const void *b)
{
	int64_t x = ((const struct row_day *)a)->day, y = ((const struct row_day *)b)->day;
	return x < y ? -1 : x > y;
}

/* The place of a day in the list, which is in the order of first sight. Rows of a day follow
 * each other, more or less: the last one found is looked at first, then backwards. */
static struct row_day *day_of(struct row_table *t, int64_t day)
{
	if (t->ndays && t->days[t->last_day].day == day)
		return &t->days[t->last_day];
	for (uint32_t i = t->ndays; i-- > 0;)
		if (t->days[i].day == day) {
			t->last_day = i;
			return &t->days[i];
		}
	if (t->ndays == t->cap_days) {
		t->cap_days = t->cap_days ? 2 * t->cap_days : 64;
		t->days = xrealloc(t->days, t->cap_days * sizeof *t->days);
	}
	t->last_day = t->ndays++;
	t->days[t->last_day] = (struct row_day){.day = day, .first = INT64_MAX};
	return &t->days[t->last_day];
}

static void days_list(struct row_table *t)
{
	for (uint32_t k = 0; k < t->nchunks; k++)
		for (uint32_t i = 0; i < t->chunks[k].n; i++) {
			const struct row_chunk *c = &t->chunks[k];
			if (c->gone[i])
				continue;
			struct row_day *d = day_of(t, c->days[i]);
			d->rows++;
			d->first = c->offsets[i] < d->first ? c->offsets[i] : d->first;
			d->last = c->offsets[i] > d->last ? c->offsets[i] : d->last;
		}
	if (t->ndays)
		qsort(t->days, t->ndays, sizeof *t->days, day_cmp);
}

// ---- what DuckDB pulls: a day's rows ----

static void day_bind(duckdb_bind_info info)
{
	const struct row_table *t = duckdb_bind_get_extra_info(info);
	for (size_t i = 0; i < t->schema->nfields; i++)
		duckdb_bind_add_result_column(info, t->schema->fields[i].name, t->types[i]);
}

static void single_init(duckdb_init_info info)
{
	duckdb_init_set_max_threads(info, 1);
}

static void day_rows(duckdb_function_info info, duckdb_data_chunk out)
{
	struct row_table *t = duckdb_function_get_extra_info(info);
	uint32_t n = t->end - t->at < VECTOR_ROWS ? t->end - t->at : VECTOR_ROWS;
	for (size_t i = 0; n && i < t->schema->nfields; i++)
		vector_gather(duckdb_data_chunk_get_vector(out, i), &t->columns[i],
		        t->order + t->at, n);
	duckdb_data_chunk_set_size(out, n);
	t->at += n;
}

enum status table_register(struct row_table *t, struct duck *d, struct error *e)
{
	INVARIANT(duckdb_vector_size() == VECTOR_ROWS);
	duckdb_table_function f = duckdb_create_table_function();
	duckdb_table_function_set_name(f, "weir_day");
	duckdb_table_function_set_extra_info(f, t, NULL);
	duckdb_table_function_set_bind(f, day_bind);
	duckdb_table_function_set_init(f, single_init);
	duckdb_table_function_set_function(f, day_rows);
	duckdb_state st = duckdb_register_table_function(d->conn, f);
	duckdb_destroy_table_function(&f);
	return st == DuckDBError ? error_set(e, ERR_FATAL, 0, "DuckDB takes no table function")
	                         : ST_OK;
}

// ---- writing ----

static void columns_make(struct row_table *t)
{
	size_t nf = t->schema->nfields;
	t->columns = xcalloc(nf + EXTRA_COLUMNS, sizeof *t->columns);
	for (size_t i = 0; i < nf + EXTRA_COLUMNS; i++) {
		struct vector_column *c = &t->columns[i];
		c->form = i < nf        ? vector_form(&t->schema->fields[i].type)
		          : i == nf + 2 ? VECTOR_I8
		                        : VECTOR_I64;
		c->parts = xmalloc((t->nchunks + 1) * sizeof *c->parts);
		for (uint32_t k = 0; k < t->nchunks; k++)
			c->parts[k] =
			        vector_part(duckdb_data_chunk_get_vector(t->chunks[k].data, i));
	}
}

static void order(struct row_table *t)
{
	size_t nf = t->schema->nfields;
	columns_make(t);
	struct order_rows r = {.columns = t->columns,
	        .nentity = t->nentity,
	        .n = (t->nchunks - 1) * VECTOR_ROWS + t->chunks[t->nchunks - 1].n,
	        .days = &t->columns[nf + 1],
	        .gone = &t->columns[nf + 2]};
	uint32_t n;
	t->order = order_make(&r, &n);
	t->at = t->end = 0;
}

static void copy_sql(const char *path, struct buf *b)
{
	buf_str(b, "COPY (FROM weir_day()) TO ");
	duck_text(b, path);
	buf_printf(b,
	        " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL %d, ROW_GROUP_SIZE %d,"
	        " WRITE_BLOOM_FILTER false, DICTIONARY_SIZE_LIMIT %d, USE_TMP_FILE false)",
	        ZSTD_LEVEL, ROW_GROUP_ROWS, DICTIONARY_VALUES_MAX);
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

static enum status write_day(
        struct duck *d, const char *dir, struct manifest_file *f, struct error *e)
{
	char temp[FILES_PATH_MAX];
	struct buf b = {0};
	if (manifest_temp(dir, f->path, temp, e))
		return ST_ERR;
	char *slash = strrchr(temp, '/');
	*slash = 0;
	enum status st = files_mkdirs(temp, e);
	*slash = '/';
	copy_sql(temp, &b);
	if (st == ST_OK)
		st = duck_run(d, buf_cstr(&b), "writing Parquet", e);
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

enum status table_write(struct row_table *t, const struct table_out *out, struct error *e)
{
	enum status st = ST_OK;
	days_list(t);
	if (t->ndays)
		order(t);
	for (uint32_t i = 0; st == ST_OK && i < t->ndays; i++) {
		char path[128];
		const struct row_day *d = &t->days[i];
		struct manifest_file f = {.rows = d->rows, .first = d->first, .last = d->last};
		path_of(d->day, out->partition, &f, path);
		t->at = t->end;
		t->end += (uint32_t)d->rows;
		st = write_day(t->duck, out->dir, &f, e);
		if (st == ST_OK)
			out->file(out->arg, &f);
	}
	return st;
}
