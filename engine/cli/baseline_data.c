// SPDX-License-Identifier: Apache-2.0
//
// A file's columns into a baseline, one after the other: first over all rows, then by segment.
// A column's segments come in the same order as every other's, since each has the same rows.
#include "cli/baseline_data.h"

#include <stdlib.h>
#include <string.h>

struct making {
	const struct baseline_data *d;
	struct baseline *b;
	uint32_t column;                   /* being made */
	uint32_t segment;                  /* next */
	struct baseline_segment *segments; /* a growing list */
	uint32_t cap;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static const char **copy_values(struct making *m, const char *const *values)
{
	struct arena *a = &m->b->arena;
	const char **out = arena_calloc(a, m->b->nby + 1, sizeof *out);
	for (uint32_t i = 0; i < m->b->nby; i++)
		out[i] = values[i] ? arena_strdup(a, values[i]) : NULL;
	return out;
}

static enum status segment_open(struct making *m, const char *const *values, struct error *e)
{
	if (m->segment < m->b->nsegments)
		return ST_OK;
	if (m->b->nsegments == BASELINE_SEGMENTS_MAX)
		return error_set(e, ERR_USER, 0,
		        "%s has more than %d segments: --by fewer columns", m->d->path,
		        BASELINE_SEGMENTS_MAX);
	if (m->b->nsegments == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 16;
		m->segments = xrealloc(m->segments, m->cap * sizeof *m->segments);
	}
	m->segments[m->b->nsegments++] =
	        (struct baseline_segment){.values = m->segment ? copy_values(m, values) : NULL,
	                .columns = arena_calloc(&m->b->arena, m->b->ncolumns + 1,
	                        sizeof(struct baseline_column))};
	return ST_OK;
}

static enum status sampled(
        void *arg, const char *const *values, struct sample *s, struct error *e)
{
	struct making *m = arg;
	if (segment_open(m, values, e))
		return ST_ERR;
	struct baseline_segment *g = &m->segments[m->segment++];
	g->rows = s->rows;
	sample_baseline(s, m->d->columns.v[m->column], &m->b->arena, &g->columns[m->column]);
	return ST_OK;
}

static enum status judged(
        void *arg, const char *const *values, const struct errors *x, struct error *e)
{
	struct making *m = arg;
	if (segment_open(m, values, e))
		return ST_ERR;
	struct baseline_segment *g = &m->segments[m->segment++];
	g->has_errors = true;
	g->errors = *x;
	return ST_OK;
}

/* Over all rows, then by segment. */
static enum status column(struct making *m, const struct columns_by *by, struct error *e)
{
	static const struct columns_by none = {0};
	enum drift_kind kind;
	uint32_t at;
	m->segment = 0;
	if (columns_need(m->d->file, m->d->columns.v[m->column], m->d->path, &at, e) ||
	        columns_need_kind(m->d->file, at, m->d->path, &m->d->categories, &kind, e) ||
	        columns_samples(m->d->file, at, kind, &none, sampled, m, e))
		return ST_ERR;
	return by->n ? columns_samples(m->d->file, at, kind, by, sampled, m, e) : ST_OK;
}

static enum status errors(struct making *m, const struct columns_by *by, struct error *e)
{
	static const struct columns_by none = {0};
	const struct baseline_data *d = m->d;
	uint32_t score, label;
	m->segment = 0;
	if (!d->label)
		return ST_OK;
	if (columns_need(d->file, d->score, d->path, &score, e) ||
	        columns_need(d->file, d->label, d->path, &label, e) ||
	        columns_errors(d->file, score, label, &none, judged, m, e))
		return ST_ERR;
	return by->n ? columns_errors(d->file, score, label, by, judged, m, e) : ST_OK;
}

static enum status fill(struct making *m, struct error *e)
{
	struct columns_by by;
	if (columns_need_by(m->d->file, &m->d->by, m->d->path, &by, e))
		return ST_ERR;
	for (m->column = 0; m->column < m->b->ncolumns; m->column++) {
		if (column(m, &by, e))
			return ST_ERR;
		if (m->d->progress)
			m->d->progress(m->d->arg, m->column + 1, m->b->ncolumns);
	}
	return errors(m, &by, e);
}

static void pick_all(struct baseline_data *d)
{
	enum drift_kind kind;
	bool integer;
	for (uint32_t i = 0; i < columns_count(d->file) && d->columns.n < NAMES_MAX; i++) {
		const char *name = columns_name(d->file, i);
		if (columns_kind(d->file, i, &kind, &integer) && !names_have(&d->by, name) &&
		        (!d->label || strcmp(name, d->label)))
			d->columns.v[d->columns.n++] = name;
	}
}

enum status baseline_from_data(
        const struct baseline_data *given, struct baseline **out, struct error *e)
{
	struct baseline_data d = *given;
	struct baseline *b = xcalloc(1, sizeof *b);
	struct making m = {.d = &d, .b = b};
	arena_init(&b->arena);
	if (!d.columns.n)
		pick_all(&d);
	b->ncolumns = d.columns.n;
	b->nby = d.by.n;
	b->by = arena_calloc(&b->arena, d.by.n + 1, sizeof *b->by);
	for (uint32_t i = 0; i < d.by.n; i++)
		b->by[i] = arena_strdup(&b->arena, d.by.v[i]);
	b->origin.data = arena_strdup(&b->arena, base_name(d.path));
	b->score = d.label ? arena_strdup(&b->arena, d.score) : NULL;
	b->label = d.label ? arena_strdup(&b->arena, d.label) : NULL;
	enum status st = b->ncolumns ? fill(&m, e)
	                             : error_set(e, ERR_USER, 0,
	                                       "%s has no column that can be watched", d.path);
	if (st == ST_OK) {
		b->segments = arena_alloc(&b->arena, b->nsegments * sizeof *b->segments);
		memcpy(b->segments, m.segments, b->nsegments * sizeof *b->segments);
		*out = b;
	} else {
		baseline_free(b);
	}
	free(m.segments);
	return st;
}
