// SPDX-License-Identifier: Apache-2.0
//
// One query over the spine's file. Times become microseconds UTC, entity columns the types that
// the views' files have, so that keys are equal when their bytes are. Not here: what is done
// with a row.
#include "connectors/parquet/train/spine.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lang/suggest.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && strcasecmp(s + n - m, end) == 0;
}

static bool is_among(const char *type, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(type, *list) == 0)
			return true;
	return false;
}

static bool is_integer(const char *type)
{
	static const char *const list[] = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT",
	        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", NULL};
	return is_among(type, list);
}

static bool is_time(const char *type)
{
	static const char *const list[] = {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP",
	        "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE", NULL};
	return is_among(type, list);
}

// ---- the file ----

static void text_column(struct buf *b, const char *name, bool *any)
{
	buf_str(b, *any ? ", " : ", types = {");
	duck_text(b, name);
	buf_str(b, ": 'VARCHAR'");
	*any = true;
}

/* A CSV's columns are guessed by their values, which is wrong for keys like 007. */
static void csv_types(const struct plan *p, struct buf *b)
{
	bool any = false, *done = arena_calloc(p->arena, p->nspine, sizeof *done);
	if (p->time >= 0 && !is_integer(p->spine[p->time].type)) {
		text_column(b, p->spine[p->time].name, &any);
		done[p->time] = true;
	}
	for (uint32_t i = 0; i < p->nviews; i++)
		for (uint32_t k = 0; k < p->views[i].nentity; k++) {
			const struct plan_view *v = &p->views[i];
			int at = plan_column_find(p->spine, p->nspine, v->keys[k]);
			if (at < 0 || done[at] || strcmp(v->columns[k].type, "VARCHAR") != 0)
				continue;
			done[at] = true;
			text_column(b, p->spine[at].name, &any);
		}
	if (any)
		buf_byte(b, '}');
}

static void file_sql(const struct plan *p, struct buf *b)
{
	buf_str(b, p->csv ? "read_csv(" : "read_parquet(");
	duck_text(b, p->conf->spine);
	if (!p->csv) {
		buf_str(b, ", hive_partitioning = false)");
		return;
	}
	buf_str(b, ", header = true, hive_partitioning = false");
	if (p->spine)
		csv_types(p, b);
	buf_byte(b, ')');
}

enum status spine_describe(struct plan *p, struct duck *d, struct error *e)
{
	struct buf b = {0};
	p->csv = ends_with(p->conf->spine, ".csv");
	if (!p->csv && !ends_with(p->conf->spine, ".parquet"))
		return error_set(e, ERR_USER, 0,
		        "--spine %s: a spine is a .parquet or a .csv file", p->conf->spine);
	if (access(p->conf->spine, R_OK) != 0)
		return error_set(e, ERR_USER, errno, "--spine %s cannot be read: %s",
		        p->conf->spine, strerror(errno));
	if (!p->spine)
		p->time = -1;
	buf_str(&b, "FROM ");
	file_sql(p, &b);
	enum status st = plan_describe(
	        p, d, buf_cstr(&b), "reading the spine", &p->spine, &p->nspine, e);
	buf_release(&b);
	if (st)
		e->class = ERR_USER;
	return st;
}

// ---- the time ----

static enum status no_time(struct plan *p, const char *wanted, struct error *e)
{
	struct suggest s = suggest_for(slice_of(wanted));
	for (uint32_t i = 0; i < p->nspine; i++)
		suggest_offer(&s, p->spine[i].name);
	return error_set(e, ERR_USER, 0, "the spine has no column %s%s%s%s", wanted,
	        s.best ? "; did you mean " : "", s.best ? s.best : "", s.best ? "?" : "");
}

/* event_time, timestamp, or the only column that is a time. */
static enum status time_guess(struct plan *p, struct error *e)
{
	static const char *const usual[] = {"event_time", "timestamp"};
	uint32_t n = 0;
	for (int i = 0; i < 2 && p->time < 0; i++)
		p->time = plan_column_find(p->spine, p->nspine, usual[i]);
	if (p->time >= 0)
		return ST_OK;
	for (uint32_t i = 0; i < p->nspine; i++)
		if (is_time(p->spine[i].type)) {
			p->time = (int)i;
			n++;
		}
	if (n == 1)
		return ST_OK;
	p->time = -1;
	return error_set(e, ERR_USER, 0,
	        "which column of the spine is the time of each row? There is no event_time, no "
	        "timestamp, and %s; name it with --time COLUMN",
	        n ? "more than one column of times" : "no column of times");
}

enum status spine_time(struct plan *p, struct error *e)
{
	if (p->conf->time) {
		p->time = plan_column_find(p->spine, p->nspine, p->conf->time);
		if (p->time < 0)
			return no_time(p, p->conf->time, e);
	} else if (time_guess(p, e)) {
		return ST_ERR;
	}
	const struct plan_column *c = &p->spine[p->time];
	if (is_time(c->type) || is_integer(c->type) || strcmp(c->type, "VARCHAR") == 0)
		return ST_OK;
	return error_set(e, ERR_USER, 0,
	        "column %s of the spine is %s: a time is a timestamp, a date, an integer "
	        "(milliseconds since 1970, UTC) or text in ISO-8601",
	        c->name, c->type);
}

/* In microseconds; null where the text is no time. */
static void time_sql(const struct plan *p, struct buf *b)
{
	const struct plan_column *c = &p->spine[p->time];
	if (is_integer(c->type)) {
		buf_str(b, "CAST(");
		duck_name(b, c->name);
		buf_str(b, " AS BIGINT) * 1000");
		return;
	}
	bool zoned = strcmp(c->type, "TIMESTAMP WITH TIME ZONE") == 0;
	buf_str(b, strcmp(c->type, "VARCHAR") == 0 ? "epoch_us(TRY_CAST(" : "epoch_us(CAST(");
	duck_name(b, c->name);
	buf_str(b, zoned || strcmp(c->type, "VARCHAR") == 0 ? " AS TIMESTAMPTZ))"
	                                                    : " AS TIMESTAMP))");
}

// ---- the keys ----

/* The spine's column as the view's type; null where it can be equal to none. */
static enum status key_sql(const struct plan *p, const struct plan_view *v, uint32_t i,
        struct buf *b, struct error *e)
{
	const struct plan_column *c =
	        &p->spine[plan_column_find(p->spine, p->nspine, v->keys[i])];
	const char *want = v->columns[i].type;
	bool real = strcmp(c->type, "DOUBLE") == 0 || strcmp(c->type, "FLOAT") == 0;
	bool text = strcmp(c->type, "VARCHAR") == 0 && p->csv;
	if (strcmp(c->type, want) == 0) {
		duck_name(b, c->name);
		return ST_OK;
	}
	if (!(is_integer(c->type) && (is_integer(want) || !strcmp(want, "VARCHAR"))) &&
	        !(real && is_integer(want)) && !text && !(is_time(c->type) && is_time(want)))
		return error_set(e, ERR_USER, 0,
		        "column %s of the spine is %s, but %s of view %s is %s: cast it in the "
		        "spine",
		        c->name, c->type, v->columns[i].name, v->name, want);
	struct buf cast = {0};
	buf_str(&cast, "TRY_CAST(");
	duck_name(&cast, c->name);
	buf_printf(&cast, " AS %s)", want);
	if (real) { /* pandas makes doubles of integers with nulls */
		buf_printf(b, "CASE WHEN %s = ", buf_cstr(&cast));
		duck_name(b, c->name);
		buf_printf(b, " THEN %s END", buf_cstr(&cast));
	} else {
		buf_str(b, buf_cstr(&cast));
	}
	buf_release(&cast);
	return ST_OK;
}

// ---- rows ----

static void columns_sql(const struct plan *p, struct buf *b)
{
	for (uint32_t i = 0; i < p->nspine; i++) {
		bool parsed = p->csv && (int)i == p->time && !is_integer(p->spine[i].type);
		if (parsed)
			buf_str(b, "TRY_CAST(");
		duck_name(b, p->spine[i].name);
		if (parsed) {
			buf_str(b, " AS TIMESTAMPTZ) AS ");
			duck_name(b, p->spine[i].name);
		}
		buf_byte(b, ',');
	}
}

enum status spine_open(struct spine *s, const struct plan *p, struct duck *d, struct error *e)
{
	struct buf b = {0};
	enum status st = ST_OK;
	*s = (struct spine){.plan = p, .columns = p->nspine};
	buf_str(&b, "SELECT ");
	columns_sql(p, &b);
	time_sql(p, &b);
	uint32_t at = p->nspine + 1;
	for (uint32_t i = 0; st == ST_OK && i < p->nviews; i++) {
		s->entity_at[i] = at;
		for (uint32_t k = 0; st == ST_OK && k < p->views[i].nentity; k++, at++) {
			buf_byte(&b, ',');
			st = key_sql(p, &p->views[i], k, &b, e);
		}
	}
	buf_str(&b, " FROM ");
	file_sql(p, &b);
	if (st == ST_OK)
		st = duck_stream_open(d, buf_cstr(&b), "reading the spine", &s->stream, e);
	buf_release(&b);
	return st;
}

static enum status bad_time(const struct spine *s, uint64_t row, struct error *e)
{
	const struct plan_column *c = &s->plan->spine[s->plan->time];
	if (strcmp(c->type, "VARCHAR") != 0)
		return error_set(e, ERR_USER, 0,
		        "row %" PRIu64
		        " of the spine (from 0) has no %s: every row needs a time",
		        row, c->name);
	return error_set(e, ERR_USER, 0,
	        "row %" PRIu64 " of the spine (from 0): its %s is missing or no time such as "
	        "2013-01-31T05:20:07Z",
	        row, c->name);
}

enum status spine_next(struct spine *s, duckdb_data_chunk *out, struct error *e)
{
	enum status st = duck_stream_next(&s->stream, out, e);
	if (st == ST_ERR)
		e->class = ERR_USER; /* a CSV's value that is not of its column's type */
	if (st)
		return st;
	idx_t n = duckdb_data_chunk_get_size(*out);
	uint64_t *valid =
	        duckdb_vector_get_validity(duckdb_data_chunk_get_vector(*out, s->columns));
	for (idx_t i = 0; valid && i < n; i++)
		if (!duckdb_validity_row_is_valid(valid, i)) {
			duckdb_destroy_data_chunk(out);
			return bad_time(s, s->rows + i, e);
		}
	s->rows += n;
	return ST_OK;
}

void spine_close(struct spine *s)
{
	duck_stream_close(&s->stream);
}
