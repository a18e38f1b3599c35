// SPDX-License-Identifier: Apache-2.0
//
// The join writes a temporary file; one query per feature compares its two columns. Numbers
// agree within the tolerance, everything else (and null) when it is the same. Not here: the
// join itself (train/), which decides what "as of" means.
#include "connectors/parquet/skew.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "connectors/parquet/duck.h"

struct skew {
	const struct skew_conf *conf;
	struct skew_result *out;
	struct duck duck;
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
static void engine_name(struct buf *b, const char *feature)
{
	struct buf name = {0};
	const char *colon = strchr(feature, ':'), *dot = strstr(feature, ".v");
	size_t view = (size_t)((dot && dot < colon ? dot : colon) - feature);
	buf_printf(&name, "%.*s__%s", (int)view, feature, colon + 1);
	duck_name(b, buf_cstr(&name));
	buf_release(&name);
}

/* SELECT of the rows with served, engine, their numbers, the segment and whether they differ.
 */
static void rows_sql(const struct skew *s, const struct skew_pair *p, struct buf *b)
{
	char tolerance[NUM_MAX + 1];
	tolerance[num_format_double(tolerance, s->conf->tolerance)] = 0;
	buf_str(b, "WITH r AS (SELECT file_row_number AS n, ");
	duck_name(b, p->served);
	buf_str(b, "::VARCHAR AS s, ");
	engine_name(b, p->feature);
	buf_str(b, "::VARCHAR AS x, TRY_CAST(s AS DOUBLE) AS a, TRY_CAST(x AS DOUBLE) AS b, "
	           "concat(''");
	for (uint32_t i = 0; i < s->conf->nby; i++) {
		struct buf label = {0};
		buf_printf(&label, "%s%s=", i ? ", " : "", s->conf->by[i]);
		buf_str(b, ", ");
		duck_text(b, buf_cstr(&label));
		buf_str(b, ", coalesce(");
		duck_name(b, s->conf->by[i]);
		buf_str(b, "::VARCHAR, 'null')");
		buf_release(&label);
	}
	buf_str(b, ") AS seg FROM read_parquet(");
	duck_text(b, s->file);
	buf_printf(b,
	        ", file_row_number = true)), d AS (SELECT *, CASE WHEN a IS NOT NULL AND b IS "
	        "NOT NULL THEN a <> b AND abs(a - b) > %s * greatest(abs(a), abs(b)) ELSE s IS "
	        "DISTINCT FROM x END AS differs FROM r) ",
	        tolerance);
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
	struct skew_cell *all = arena_alloc(&o->arena, (o->ncells + 1) * sizeof *all);
	if (o->ncells)
		memcpy(all, o->cells, o->ncells * sizeof *all);
	all[o->ncells++] = *c;
	o->cells = all;
}

static enum status cells_ask(struct skew *s, uint32_t pair, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	rows_sql(s, &s->conf->pairs[pair], &b);
	buf_str(&b, "SELECT seg, count(*), count(*) FILTER (differs), median(a / b) FILTER "
	            "(differs AND "
	            "b <> 0) FROM d GROUP BY seg ORDER BY count(*) FILTER (differs) / count(*) "
	            "DESC, seg "
	            "LIMIT 10000");
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
	rows_sql(s, &s->conf->pairs[pair], &b);
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

static enum status column_check(struct skew *s, const char *name, struct error *e)
{
	struct buf b = {0};
	duckdb_result r;
	buf_str(&b, "SELECT ");
	duck_name(&b, name);
	buf_str(&b, " FROM read_parquet(");
	duck_text(&b, s->file);
	buf_str(&b, ") LIMIT 0");
	enum status st = duck_query(&s->duck, buf_cstr(&b), "comparing", &r, e);
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st ? error_set(e, ERR_USER, 0, "the predictions have no column '%s'", name)
	          : ST_OK;
}

static enum status columns_check(struct skew *s, struct error *e)
{
	for (uint32_t i = 0; i < s->conf->npairs; i++)
		if (column_check(s, s->conf->pairs[i].served, e))
			return ST_ERR;
	for (uint32_t i = 0; i < s->conf->nby; i++)
		if (column_check(s, s->conf->by[i], e))
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
	enum status st = columns_check(s, e);
	for (uint32_t i = 0; i < s->conf->npairs && !st; i++) {
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
	arena_release(&r->arena);
}
