// SPDX-License-Identifier: Apache-2.0
//
// Samples out of files, by DuckDB: it groups by segment and value and sorts, here runs of equal
// segments become samples. Results are streamed, so that only DuckDB's own work, which spills,
// and one sample are in memory.
#include "connectors/parquet/columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/parquet/duck.h"

struct field {
	char *name;
	duckdb_type type;
};

struct columns {
	struct duck duck;
	struct buf from; /* read_parquet('…') */
	struct field *fields;
	uint32_t n;
	char spill[300];
};

static bool ends(const char *path, const char *with)
{
	size_t n = strlen(path), m = strlen(with);
	return n >= m && !strcmp(path + n - m, with);
}

static bool is_csv(const char *path)
{
	static const char *const names[] = {".csv", ".tsv", ".csv.gz", ".tsv.gz", NULL};
	for (int i = 0; names[i]; i++)
		if (ends(path, names[i]))
			return true;
	return false;
}

static void source(struct columns *c, const char *path, bool folder)
{
	struct buf whole = {0};
	buf_str(&whole, path);
	if (folder)
		buf_str(&whole, "/**/*.parquet");
	buf_str(&c->from, is_csv(path) ? "read_csv(" : "read_parquet(");
	duck_text(&c->from, buf_cstr(&whole));
	buf_str(&c->from, is_csv(path) ? ", header=true)" : ", union_by_name=true)");
	buf_release(&whole);
}

static enum status describe(struct columns *c, const char *path, struct error *e)
{
	duckdb_result r = {0};
	struct buf sql = {0};
	buf_str(&sql, "SELECT * FROM ");
	buf_slice(&sql, buf_view(&c->from));
	buf_str(&sql, " LIMIT 0");
	enum status st = duck_query(&c->duck, buf_cstr(&sql), path, &r, e);
	buf_release(&sql);
	if (st == ST_OK) {
		c->n = (uint32_t)duckdb_column_count(&r);
		c->fields = xcalloc(c->n, sizeof *c->fields);
		for (uint32_t i = 0; i < c->n; i++)
			c->fields[i] = (struct field){
			        xstrdup(duckdb_column_name(&r, i)), duckdb_column_type(&r, i)};
	} else if (e) {
		e->class = ERR_USER;
	}
	duckdb_destroy_result(&r);
	return st;
}

static enum status spill_folder(struct columns *c, struct error *e)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(c->spill, sizeof c->spill, "%.200s/weir-drift-XXXXXX", tmp ? tmp : "/tmp");
	if (mkdtemp(c->spill))
		return ST_OK;
	enum status st = error_set(e, ERR_FATAL, errno, "cannot make the folder %s: %s",
	        c->spill, strerror(errno));
	c->spill[0] = 0;
	return st;
}

enum status columns_open(const struct columns_conf *conf, struct columns **out, struct error *e)
{
	struct stat file;
	if (stat(conf->path, &file))
		return error_set(
		        e, ERR_USER, errno, "cannot read %s: %s", conf->path, strerror(errno));
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t threads = conf->threads ? conf->threads : cores > 0 ? (uint32_t)cores : 1;
	struct columns *c = xcalloc(1, sizeof *c);
	source(c, conf->path, S_ISDIR(file.st_mode));
	if (spill_folder(c, e) ||
	        duck_open(&c->duck, conf->memory_bytes, threads, c->spill, e) ||
	        describe(c, conf->path, e)) {
		columns_close(c);
		return ST_ERR;
	}
	*out = c;
	return ST_OK;
}

void columns_close(struct columns *c)
{
	if (!c)
		return;
	duck_close(&c->duck);
	if (c->spill[0])
		rmdir(c->spill); // DuckDB removes what it put there
	for (uint32_t i = 0; i < c->n; i++)
		free(c->fields[i].name);
	free(c->fields);
	buf_release(&c->from);
	free(c);
}

uint32_t columns_count(const struct columns *c)
{
	return c->n;
}

const char *columns_name(const struct columns *c, uint32_t i)
{
	return c->fields[i].name;
}

int32_t columns_find(const struct columns *c, const char *name)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (!strcmp(c->fields[i].name, name))
			return (int32_t)i;
	return -1;
}

/* -- types -- */

/* How a type's values are asked for; %s is the column. */
static const struct watched {
	duckdb_type type;
	enum drift_kind kind;
	bool integer;
	const char *name, *sql;
} watched[] = {
        {DUCKDB_TYPE_BOOLEAN, DRIFT_CATEGORY, false, "boolean",
                "CASE WHEN %s THEN 'true' WHEN NOT %s THEN 'false' END"},
        {DUCKDB_TYPE_TINYINT, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_SMALLINT, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_INTEGER, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_BIGINT, DRIFT_NUMBER, true, "long", "%s::DOUBLE"},
        {DUCKDB_TYPE_HUGEINT, DRIFT_NUMBER, true, "long", "%s::DOUBLE"},
        {DUCKDB_TYPE_UTINYINT, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_USMALLINT, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_UINTEGER, DRIFT_NUMBER, true, "int", "%s::DOUBLE"},
        {DUCKDB_TYPE_UBIGINT, DRIFT_NUMBER, true, "long", "%s::DOUBLE"},
        {DUCKDB_TYPE_UHUGEINT, DRIFT_NUMBER, true, "long", "%s::DOUBLE"},
        {DUCKDB_TYPE_FLOAT, DRIFT_NUMBER, false, "float", "%s::DOUBLE"},
        {DUCKDB_TYPE_DOUBLE, DRIFT_NUMBER, false, "double", "%s::DOUBLE"},
        {DUCKDB_TYPE_DECIMAL, DRIFT_NUMBER, false, "decimal", "%s::DOUBLE"},
        {DUCKDB_TYPE_DATE, DRIFT_NUMBER, false, "date",
                "date_diff('day', DATE '1970-01-01', %s)::DOUBLE"},
        {DUCKDB_TYPE_TIME, DRIFT_NUMBER, false, "time", "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_TIMESTAMP, DRIFT_NUMBER, false, "timestamp",
                "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_TIMESTAMP_S, DRIFT_NUMBER, false, "timestamp",
                "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_TIMESTAMP_MS, DRIFT_NUMBER, false, "timestamp",
                "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_TIMESTAMP_NS, DRIFT_NUMBER, false, "timestamp",
                "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_TIMESTAMP_TZ, DRIFT_NUMBER, false, "timestamp",
                "epoch_us(%s) / 1000.0::DOUBLE"},
        {DUCKDB_TYPE_VARCHAR, DRIFT_CATEGORY, false, "string", "%s::VARCHAR"},
        {DUCKDB_TYPE_ENUM, DRIFT_CATEGORY, false, "enum", "%s::VARCHAR"},
        {DUCKDB_TYPE_UUID, DRIFT_CATEGORY, false, "string", "%s::VARCHAR"},
};

static const struct watched *watched_of(const struct columns *c, uint32_t i)
{
	for (size_t k = 0; k < sizeof watched / sizeof *watched; k++)
		if (watched[k].type == c->fields[i].type)
			return &watched[k];
	return NULL;
}

bool columns_kind(const struct columns *c, uint32_t i, enum drift_kind *out, bool *integer)
{
	const struct watched *w = watched_of(c, i);
	if (!w)
		return false;
	*out = w->kind;
	*integer = w->integer;
	return true;
}

const char *columns_type(const struct columns *c, uint32_t i)
{
	const struct watched *w = watched_of(c, i);
	return w ? w->name : "a list, a map, bytes or a record";
}

/* -- queries -- */

static void expression(
        struct buf *sql, const struct columns *c, uint32_t i, const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (p[0] == '%' && p[1] == 's') {
			duck_name(sql, c->fields[i].name);
			p++;
		} else {
			buf_byte(sql, (uint8_t)*p);
		}
	}
}

/* SELECT segment columns, value columns, count(*), in the order of all but the last. */
static void grouped(struct buf *sql, const struct columns *c, const struct columns_by *by,
        const uint32_t *values, const char *const *patterns, uint32_t n)
{
	buf_str(sql, "SELECT ");
	for (uint32_t i = 0; i < by->n; i++) {
		expression(sql, c, by->at[i], "%s::VARCHAR");
		buf_str(sql, ", ");
	}
	for (uint32_t i = 0; i < n; i++) {
		expression(sql, c, values[i], patterns[i]);
		buf_str(sql, ", ");
	}
	buf_str(sql, "count(*) FROM ");
	buf_slice(sql, buf_view(&c->from));
	buf_str(sql, " GROUP BY");
	for (uint32_t i = 0; i < by->n + n; i++)
		buf_printf(sql, "%s %u", i ? "," : "", i + 1);
	buf_str(sql, " ORDER BY");
	for (uint32_t i = 0; i < by->n + n; i++)
		buf_printf(sql, "%s %u NULLS FIRST", i ? "," : "", i + 1);
}

struct stream {
	duckdb_prepared_statement statement;
	duckdb_pending_result pending;
	duckdb_result result;
	duckdb_data_chunk chunk;
	idx_t rows;
};

static void stream_close(struct stream *s)
{
	if (s->chunk)
		duckdb_destroy_data_chunk(&s->chunk);
	duckdb_destroy_result(&s->result);
	duckdb_destroy_pending(&s->pending);
	duckdb_destroy_prepare(&s->statement);
}

static enum status failed(const char *why, struct error *e)
{
	return error_set(
	        e, ERR_FATAL, 0, "reading the columns: %s", why ? why : "DuckDB failed");
}

static enum status stream_open(
        struct stream *s, struct columns *c, const char *sql, struct error *e)
{
	*s = (struct stream){0};
	if (duckdb_prepare(c->duck.conn, sql, &s->statement) == DuckDBError)
		return failed(duckdb_prepare_error(s->statement), e);
	if (duckdb_pending_prepared_streaming(s->statement, &s->pending) == DuckDBError)
		return failed(duckdb_pending_error(s->pending), e);
	if (duckdb_execute_pending(s->pending, &s->result) == DuckDBError)
		return failed(duckdb_result_error(&s->result), e);
	return ST_OK;
}

/* ST_END: no more. */
static enum status stream_next(struct stream *s, struct error *e)
{
	if (s->chunk)
		duckdb_destroy_data_chunk(&s->chunk);
	s->chunk = duckdb_fetch_chunk(s->result);
	const char *why = duckdb_result_error(&s->result);
	if (why)
		return failed(why, e);
	s->rows = s->chunk ? duckdb_data_chunk_get_size(s->chunk) : 0;
	return s->rows ? ST_OK : ST_END;
}

static bool cell_null(const struct stream *s, uint32_t column, idx_t row)
{
	uint64_t *valid =
	        duckdb_vector_get_validity(duckdb_data_chunk_get_vector(s->chunk, column));
	return valid && !duckdb_validity_row_is_valid(valid, row);
}

static void *cells(const struct stream *s, uint32_t column)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(s->chunk, column));
}

static struct slice cell_text(const struct stream *s, uint32_t column, idx_t row)
{
	duckdb_string_t *t = (duckdb_string_t *)cells(s, column) + row;
	return (struct slice){
	        (const uint8_t *)duckdb_string_t_data(t), duckdb_string_t_length(*t)};
}

static double cell_number(const struct stream *s, uint32_t column, idx_t row)
{
	return cell_null(s, column, row) ? __builtin_nan("")
	                                 : ((double *)cells(s, column))[row];
}

static uint64_t cell_count(const struct stream *s, uint32_t column, idx_t row)
{
	return (uint64_t)((int64_t *)cells(s, column))[row];
}

/* -- segments -- */

/* The segment that rows go to now. */
struct segment {
	const char *values[COLUMNS_BY_MAX];
	uint32_t n;
	bool open;
	struct arena arena;
};

static bool segment_is(const struct segment *g, const struct stream *s, idx_t row)
{
	for (uint32_t i = 0; i < g->n; i++) {
		bool null = cell_null(s, i, row);
		if (null != !g->values[i])
			return false;
		if (!null && !slice_eq(slice_of(g->values[i]), cell_text(s, i, row)))
			return false;
	}
	return true;
}

static void segment_begin(struct segment *g, const struct stream *s, idx_t row)
{
	arena_reset(&g->arena);
	g->open = true;
	for (uint32_t i = 0; i < g->n; i++) {
		struct slice t =
		        cell_null(s, i, row) ? (struct slice){0} : cell_text(s, i, row);
		g->values[i] = cell_null(s, i, row)
		                       ? NULL
		                       : arena_strndup(&g->arena, (const char *)t.p, t.len);
	}
}

/* Rows of a query in turn, with a call before each other segment and after the last. */
struct walk {
	void (*row)(void *arg, const struct stream *s, idx_t row, uint32_t first);
	enum status (*end)(void *arg, const char *const *values, struct error *e);
	void *arg;
};

static enum status walk(
        struct columns *c, const char *sql, uint32_t nby, const struct walk *w, struct error *e)
{
	struct stream s;
	struct segment g = {.n = nby};
	enum status st = stream_open(&s, c, sql, e);
	arena_init(&g.arena);
	while (st == ST_OK && (st = stream_next(&s, e)) == ST_OK)
		for (idx_t row = 0; st == ST_OK && row < s.rows; row++) {
			if (g.open && !segment_is(&g, &s, row)) {
				st = w->end(w->arg, g.values, e);
				g.open = false;
			}
			if (!g.open)
				segment_begin(&g, &s, row);
			w->row(w->arg, &s, row, nby);
		}
	if (st == ST_END)
		st = g.open || !nby ? w->end(w->arg, g.values, e) : ST_OK;
	arena_release(&g.arena);
	stream_close(&s);
	return st;
}

struct sampling {
	struct sample sample;
	enum drift_kind kind;
	bool integer;
	enum status (*each)(
	        void *arg, const char *const *values, struct sample *s, struct error *e);
	void *arg;
};

static void sampling_row(void *arg, const struct stream *s, idx_t row, uint32_t first)
{
	struct sampling *x = arg;
	uint64_t times = cell_count(s, first + 1, row);
	if (cell_null(s, first, row))
		sample_add_null(&x->sample, times);
	else if (x->kind == DRIFT_NUMBER)
		sample_add_number(&x->sample, cell_number(s, first, row), times);
	else
		sample_add_category(&x->sample, cell_text(s, first, row), times);
}

static enum status sampling_end(void *arg, const char *const *values, struct error *e)
{
	struct sampling *x = arg;
	sample_finish(&x->sample);
	enum status st = x->each(x->arg, values, &x->sample, e);
	sample_release(&x->sample);
	sample_init(&x->sample, x->kind);
	x->sample.integer = x->integer;
	return st;
}

enum status columns_samples(struct columns *c, uint32_t column, enum drift_kind as,
        const struct columns_by *by,
        enum status (*each)(
                void *arg, const char *const *values, struct sample *s, struct error *e),
        void *arg, struct error *e)
{
	const struct watched *w = watched_of(c, column);
	INVARIANT(w && (w->kind == as || (w->integer && as == DRIFT_CATEGORY)));
	const char *pattern = w->kind == as ? w->sql : "%s::VARCHAR";
	struct sampling x = {.kind = as,
	        .integer = w->integer && as == DRIFT_NUMBER,
	        .each = each,
	        .arg = arg};
	struct buf sql = {0};
	sample_init(&x.sample, as);
	x.sample.integer = x.integer;
	grouped(&sql, c, by, &column, &pattern, 1);
	enum status st = walk(
	        c, buf_cstr(&sql), by->n, &(struct walk){sampling_row, sampling_end, &x}, e);
	sample_release(&x.sample);
	buf_release(&sql);
	return st;
}

struct judging {
	struct errors_sums sums;
	enum status (*each)(
	        void *arg, const char *const *values, const struct errors *x, struct error *e);
	void *arg;
};

static void judging_row(void *arg, const struct stream *s, idx_t row, uint32_t first)
{
	struct judging *x = arg;
	uint64_t times = cell_count(s, first + 2, row);
	for (uint64_t i = 0; i < times; i++)
		errors_add(&x->sums, cell_number(s, first, row), cell_number(s, first + 1, row));
}

static enum status judging_end(void *arg, const char *const *values, struct error *e)
{
	struct judging *x = arg;
	struct errors errors = errors_total(&x->sums);
	x->sums = (struct errors_sums){0};
	return x->each(x->arg, values, &errors, e);
}

enum status columns_errors(struct columns *c, uint32_t score, uint32_t label,
        const struct columns_by *by,
        enum status (*each)(
                void *arg, const char *const *values, const struct errors *x, struct error *e),
        void *arg, struct error *e)
{
	const uint32_t columns[] = {score, label};
	const char *const patterns[] = {"%s::DOUBLE", "%s::DOUBLE"}; /* a boolean is 0 or 1 */
	struct judging x = {.each = each, .arg = arg};
	struct buf sql = {0};
	grouped(&sql, c, by, columns, patterns, 2);
	enum status st =
	        walk(c, buf_cstr(&sql), by->n, &(struct walk){judging_row, judging_end, &x}, e);
	buf_release(&sql);
	return st;
}
