// SPDX-License-Identifier: Apache-2.0
//
// The join writes a temporary file; queries per feature compare its two columns. Not here: the
// join itself (train/), which decides what "as of" means, and when two values are the same
// (skew_sql.c).
#include "connectors/parquet/skew.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/parquet/duck.h"
#include "connectors/parquet/skew_sql.h"

struct skew {
	const struct skew_conf *conf;
	struct skew_result *out;
	struct duck duck;
	struct skew_sql *asked; /* per pair */
	uint32_t cells_cap;
	char dir[1000], file[1100], manifest[1200], spill[1100];
};

static enum status folder_make(struct skew *s, struct error *e)
{
	snprintf(s->dir, sizeof s->dir, "%s/weir-skew-XXXXXX", s->conf->folder);
	if (!mkdtemp(s->dir))
		return error_set(e, ERR_FATAL, errno, "cannot make a folder in %s: %s",
		        s->conf->folder, strerror(errno));
	snprintf(s->file, sizeof s->file, "%s/joined.parquet", s->dir);
	snprintf(s->manifest, sizeof s->manifest, "%s%s", s->file, TRAIN_MANIFEST);
	snprintf(s->spill, sizeof s->spill, "%s/spill", s->dir);
	return ST_OK;
}

static void folder_remove(struct skew *s)
{
	unlink(s->file);
	unlink(s->manifest);
	rmdir(s->spill);
	rmdir(s->dir);
}

static enum status join(struct skew *s, struct error *e)
{
	struct train_conf conf = s->conf->train;
	struct train_result r;
	const char **features = arena_alloc(&s->out->arena, s->conf->npairs * sizeof *features);
	for (uint32_t i = 0; i < s->conf->npairs; i++)
		features[i] = s->conf->pairs[i].feature;
	conf.features = features;
	conf.nfeatures = s->conf->npairs;
	conf.out = s->file;
	conf.explain = -1;
	enum status st = train_run(&conf, &r, e);
	s->out->rows = r.rows;
	train_result_release(&r);
	return st;
}

/* The joined file's column: view__feature, without the view's version. */
static const char *engine_name(struct skew *s, const char *feature)
{
	const char *colon = strchr(feature, ':'), *dot = strstr(feature, ".v");
	size_t view = (size_t)((dot && dot < colon ? dot : colon) - feature);
	return arena_printf(&s->out->arena, "%.*s__%s", (int)view, feature, colon + 1);
}

static const char *text_at(struct skew *s, duckdb_result *r, idx_t col, idx_t row)
{
	if (duckdb_value_is_null(r, col, row))
		return NULL;
	char *text = duckdb_value_varchar(r, col, row);
	const char *kept = arena_strdup(&s->out->arena, text ? text : "");
	duckdb_free(text);
	return kept;
}

static void cell_add(struct skew *s, const struct skew_cell *c)
{
	struct skew_result *o = s->out;
	if (o->ncells == s->cells_cap) {
		s->cells_cap = s->cells_cap ? 2 * s->cells_cap : 64;
		o->cells = xrealloc(o->cells, s->cells_cap * sizeof *o->cells);
	}
	o->cells[o->ncells++] = *c;
}

/* Of all rows, whatever the number of segments. */
static enum status total_ask(struct skew *s, uint32_t pair, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	skew_sql_rows(&s->asked[pair], &b);
	buf_str(&b, "SELECT count(*), count(*) FILTER (differs) FROM d");
	enum status st = duck_query(&s->duck, buf_cstr(&b), "comparing", &r, e);
	if (!st)
		s->out->totals[pair] =
		        (struct skew_total){.rows = (uint64_t)duckdb_value_int64(&r, 0, 0),
		                .differ = (uint64_t)duckdb_value_int64(&r, 1, 0)};
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st;
}

static enum status cells_ask(struct skew *s, uint32_t pair, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	skew_sql_rows(&s->asked[pair], &b);
	buf_printf(&b,
	        "SELECT seg, count(*), count(*) FILTER (differs), %s FROM d GROUP BY seg "
	        "ORDER BY count(*) FILTER (differs) / count(*) DESC, seg LIMIT %d",
	        skew_sql_numbers(&s->asked[pair])
	                ? "median(a::DOUBLE / b::DOUBLE) FILTER (differs AND b <> 0)"
	                : "NULL::DOUBLE",
	        SKEW_SEGMENTS_MAX);
	enum status st = duck_query(&s->duck, buf_cstr(&b), "comparing", &r, e);
	for (idx_t i = 0; !st && i < duckdb_row_count(&r); i++) {
		struct skew_cell c = {.pair = pair,
		        .segment = text_at(s, &r, 0, i),
		        .rows = (uint64_t)duckdb_value_int64(&r, 1, i),
		        .differ = (uint64_t)duckdb_value_int64(&r, 2, i),
		        .ratio = duckdb_value_is_null(&r, 3, i)
		                         ? NAN
		                         : duckdb_value_double(&r, 3, i)};
		cell_add(s, &c);
	}
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st;
}

static enum status examples_ask(struct skew *s, uint32_t pair, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	skew_sql_rows(&s->asked[pair], &b);
	buf_printf(&b, "SELECT n, seg, s, x FROM d WHERE differs ORDER BY n LIMIT %d",
	        SKEW_EXAMPLES);
	enum status st = duck_query(&s->duck, buf_cstr(&b), "comparing", &r, e);
	for (idx_t i = 0; !st && i < duckdb_row_count(&r); i++)
		s->out->examples[s->out->nexamples++] = (struct skew_example){.pair = pair,
		        .row = (uint64_t)duckdb_value_int64(&r, 0, i),
		        .segment = text_at(s, &r, 1, i),
		        .served = text_at(s, &r, 2, i),
		        .engine = text_at(s, &r, 3, i)};
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st;
}

/* *type is the column's, unless type is NULL. */
static enum status column_check(
        struct skew *s, const char *name, const char **type, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	buf_str(&b, "DESCRIBE SELECT ");
	duck_name(&b, name);
	buf_str(&b, " FROM read_parquet(");
	duck_text(&b, s->file);
	buf_byte(&b, ')');
	enum status st = duck_query(&s->duck, buf_cstr(&b), "comparing", &r, e);
	if (!st && type)
		*type = text_at(s, &r, 1, 0);
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st ? error_set(e, ERR_USER, 0, "the predictions have no column '%s'", name)
	          : ST_OK;
}

static enum status columns_check(struct skew *s, struct error *e)
{
	const struct skew_conf *c = s->conf;
	s->asked = arena_calloc(&s->out->arena, c->npairs, sizeof *s->asked);
	for (uint32_t i = 0; i < c->npairs; i++) {
		struct skew_sql *q = &s->asked[i];
		*q = (struct skew_sql){.file = s->file,
		        .served = c->pairs[i].served,
		        .engine = engine_name(s, c->pairs[i].feature),
		        .by = c->by,
		        .nby = c->nby,
		        .tolerance = c->tolerance};
		if (column_check(s, q->served, &q->served_type, e) ||
		        column_check(s, q->engine, &q->engine_type, e))
			return ST_ERR;
	}
	for (uint32_t i = 0; i < c->nby; i++)
		if (column_check(s, c->by[i], NULL, e))
			return ST_ERR;
	return ST_OK;
}

static enum status compare(struct skew *s, struct error *e)
{
	const struct train_conf *t = &s->conf->train;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t threads = t->threads ? t->threads : cores > 0 ? (uint32_t)cores : 1;
	if (duck_open(&s->duck, t->memory_bytes, threads, s->spill, e))
		return ST_ERR;
	s->out->examples = arena_calloc(&s->out->arena, (size_t)s->conf->npairs * SKEW_EXAMPLES,
	        sizeof *s->out->examples);
	s->out->totals =
	        arena_calloc(&s->out->arena, s->conf->npairs, sizeof *s->out->totals);
	enum status st = duck_run(&s->duck, "SET TimeZone = 'UTC'", "opening DuckDB", e);
	if (!st)
		st = columns_check(s, e);
	for (uint32_t i = 0; i < s->conf->npairs && !st; i++) {
		st = total_ask(s, i, e);
		if (!st)
			st = cells_ask(s, i, e);
		if (!st)
			st = examples_ask(s, i, e);
	}
	duck_close(&s->duck);
	return st;
}

enum status skew_run(const struct skew_conf *conf, struct skew_result *out, struct error *e)
{
	struct skew s = {.conf = conf, .out = out};
	*out = (struct skew_result){0};
	if (folder_make(&s, e))
		return ST_ERR;
	enum status st = join(&s, e);
	if (!st)
		st = compare(&s, e);
	folder_remove(&s);
	return st;
}

void skew_result_release(struct skew_result *r)
{
	free(r->cells);
	arena_release(&r->arena);
}
