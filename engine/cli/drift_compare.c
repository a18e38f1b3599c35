// SPDX-License-Identifier: Apache-2.0
//
// The comparison behind weir drift. A reference file becomes, column by column, the baseline
// that weir baseline would write of it, so that a file and its baseline give the same numbers;
// its raw values are kept beside it for the statistics that a baseline only approximates.
//
// A segment that the reference lacks is compared with the reference as a whole, as monitors do.
#include "cli/drift_compare.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX BASELINE_SEGMENTS_MAX

/* A column of one segment of the reference. */
struct reference {
	const char **values; /* NULL: all rows */
	struct sample sample;
	struct baseline_column column;
	struct errors errors;
};

struct comparing {
	struct drift_compare *d;
	const char *column;
	struct arena arena;     /* of one column's references */
	struct reference *refs; /* [0] is all rows */
	uint32_t nrefs, cap;
	int32_t at; /* in the baseline */
};

static bool same_values(
        const struct drift_compare *d, const char *const *a, const char *const *b)
{
	for (uint32_t i = 0; i < d->by.n; i++)
		if (!a[i] != !b[i] || (a[i] && strcmp(a[i], b[i])))
			return false;
	return true;
}

static const char **copy_values(
        const struct drift_compare *d, const char *const *values, struct arena *a)
{
	if (!d->by.n)
		return NULL;
	const char **out = arena_calloc(a, d->by.n, sizeof *out);
	for (uint32_t i = 0; i < d->by.n; i++)
		out[i] = values[i] ? arena_strdup(a, values[i]) : NULL;
	return out;
}

static struct reference *reference_add(
        struct comparing *x, const char *const *values, struct error *e)
{
	if (x->nrefs > SEGMENTS_MAX) {
		error_set(e, ERR_USER, 0, "%s has more than %d segments: --by fewer columns",
		        x->d->base_path, SEGMENTS_MAX);
		return NULL;
	}
	if (x->nrefs == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 16;
		x->refs = xrealloc(x->refs, x->cap * sizeof *x->refs);
	}
	struct reference *r = &x->refs[x->nrefs++];
	*r = (struct reference){0};
	r->values = x->nrefs > 1 ? copy_values(x->d, values, &x->arena) : NULL;
	return r;
}

static const struct reference *reference_of(
        const struct comparing *x, const char *const *values)
{
	for (uint32_t i = 1; i < x->nrefs; i++)
		if (same_values(x->d, x->refs[i].values, values))
			return &x->refs[i];
	return &x->refs[0];
}

static void references_release(struct comparing *x)
{
	for (uint32_t i = 0; i < x->nrefs; i++)
		sample_release(&x->refs[i].sample);
	free(x->refs);
	x->refs = NULL;
	x->nrefs = x->cap = 0;
	arena_release(&x->arena);
}

/* -- rows of the answer -- */

static struct drift_row *row_add(struct drift_compare *d, const char *const *values)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->rows = xrealloc(d->rows, d->cap * sizeof *d->rows);
	}
	struct drift_row *r = d->rows[d->n++] = arena_calloc(d->arena, 1, sizeof *r);
	r->segment = copy_values(d, values, d->arena);
	return r;
}

static void measure(struct drift_compare *d, const struct drift_pair *pair, struct drift_row *r)
{
	for (uint32_t i = 0; i < d->ask.n; i++) {
		const struct drift_asked *ask = &d->ask.tests[i];
		bool fits = r->errors ? drift_tests[ask->test].errors
		                      : drift_test_for(ask->test, pair->base->kind);
		if (!fits)
			continue;
		struct drift_found *f = &r->tests[r->n++];
		*f = (struct drift_found){.test = ask->test, .threshold = ask->threshold};
		drift_measure(pair, d->ask.mode, ask->test, &f->value);
		f->breached = drift_breached(ask->test, d->ask.mode, &f->value, f->threshold);
		r->drifted |= f->breached;
	}
}

/* -- columns -- */

static enum status refer(
        void *arg, const char *const *values, struct sample *s, struct error *e)
{
	struct comparing *x = arg;
	struct reference *r = reference_add(x, values, e);
	if (!r)
		return ST_ERR;
	sample_baseline(s, x->column, &x->arena, &r->column);
	r->sample = *s; /* its values are ours now */
	*s = (struct sample){0};
	return ST_OK;
}

static enum status compare(
        void *arg, const char *const *values, struct sample *s, struct error *e)
{
	struct comparing *x = arg;
	struct drift_compare *d = x->d;
	struct drift_pair pair = {0};
	struct profile now;
	(void)e;
	if (d->baseline) {
		pair.base = &baseline_segment(d->baseline, values, d->by.n)->columns[x->at];
	} else {
		const struct reference *ref = reference_of(x, values);
		pair.base = &ref->column;
		pair.raw_base = &ref->sample;
		pair.raw_now = s;
	}
	profile_init(&now, pair.base);
	sample_profile(s, &now);
	pair.now = &now;
	struct drift_row *r = row_add(d, values);
	r->column = x->column;
	r->rows = s->rows;
	r->nulls = s->nulls;
	r->reference_rows = pair.base->rows;
	measure(d, &pair, r);
	profile_release(&now);
	return ST_OK;
}

static enum status kinds_differ(
        const struct comparing *x, enum drift_kind base, enum drift_kind now, struct error *e)
{
	static const char *const names[] = {"numbers", "categories"};
	return error_set(e, ERR_USER, 0,
	        "column %s is %s in %s and %s in %s; leave it out with --columns, or make "
	        "whole "
	        "numbers categories with --categories",
	        x->column, names[base], x->d->base_path, names[now], x->d->now_path);
}

static enum status read_reference(struct comparing *x, enum drift_kind *kind, struct error *e)
{
	static const struct columns_by none = {0};
	struct drift_compare *d = x->d;
	struct columns_by by;
	uint32_t at;
	if (columns_need(d->base, x->column, d->base_path, &at, e) ||
	        columns_need_by(d->base, &d->by, d->base_path, &by, e) ||
	        columns_need_kind(d->base, at, d->base_path, &d->categories, kind, e) ||
	        columns_samples(d->base, at, *kind, &none, refer, x, e))
		return ST_ERR;
	return by.n ? columns_samples(d->base, at, *kind, &by, refer, x, e) : ST_OK;
}

static enum status find_reference(struct comparing *x, enum drift_kind *kind, struct error *e)
{
	x->at = baseline_column(x->d->baseline, x->column);
	if (x->at < 0)
		return error_set(
		        e, ERR_USER, 0, "%s has no column %s", x->d->base_path, x->column);
	*kind = x->d->baseline->segments[0].columns[x->at].kind;
	return ST_OK;
}

static enum status column(struct comparing *x, struct error *e)
{
	struct drift_compare *d = x->d;
	enum drift_kind base, now;
	struct columns_by by;
	bool integer;
	uint32_t at;
	if (d->baseline ? find_reference(x, &base, e) : read_reference(x, &base, e))
		return ST_ERR;
	if (columns_need(d->now, x->column, d->now_path, &at, e) ||
	        columns_need_by(d->now, &d->by, d->now_path, &by, e) ||
	        columns_need_kind(d->now, at, d->now_path, &d->categories, &now, e))
		return ST_ERR;
	columns_kind(d->now, at, &now, &integer);
	if (base != now && !(base == DRIFT_CATEGORY && integer))
		return kinds_differ(x, base, now, e);
	return columns_samples(d->now, at, base, &by, compare, x, e);
}

/* -- errors -- */

static enum status refer_errors(
        void *arg, const char *const *values, const struct errors *errors, struct error *e)
{
	struct reference *r = reference_add(arg, values, e);
	if (!r)
		return ST_ERR;
	r->errors = *errors;
	return ST_OK;
}

static enum status compare_errors(
        void *arg, const char *const *values, const struct errors *errors, struct error *e)
{
	struct comparing *x = arg;
	struct drift_compare *d = x->d;
	struct drift_pair pair = {.errors_now = errors};
	(void)e;
	if (d->baseline) {
		const struct baseline_segment *s =
		        baseline_segment(d->baseline, values, d->by.n);
		pair.errors_base = s->has_errors ? &s->errors : NULL;
	} else {
		pair.errors_base = &reference_of(x, values)->errors;
	}
	struct drift_row *r = row_add(d, values);
	r->column = d->score;
	r->errors = true;
	r->nulls = errors->skipped;
	r->rows = errors->skipped + errors->absolute.n;
	if (pair.errors_base)
		r->reference_rows = pair.errors_base->skipped + pair.errors_base->absolute.n;
	measure(d, &pair, r);
	return ST_OK;
}

static enum status errors_of(struct comparing *x, struct columns *file, const char *path,
        const struct columns_by *by,
        enum status (*each)(void *, const char *const *, const struct errors *, struct error *),
        struct error *e)
{
	uint32_t score, label;
	if (columns_need(file, x->d->score, path, &score, e) ||
	        columns_need(file, x->d->label, path, &label, e))
		return ST_ERR;
	return columns_errors(file, score, label, by, each, x, e);
}

static enum status errors(struct comparing *x, struct error *e)
{
	static const struct columns_by none = {0};
	struct drift_compare *d = x->d;
	struct columns_by by;
	if (!d->baseline) {
		if (errors_of(x, d->base, d->base_path, &none, refer_errors, e) ||
		        columns_need_by(d->base, &d->by, d->base_path, &by, e))
			return ST_ERR;
		if (by.n && errors_of(x, d->base, d->base_path, &by, refer_errors, e))
			return ST_ERR;
	}
	if (columns_need_by(d->now, &d->by, d->now_path, &by, e))
		return ST_ERR;
	return errors_of(x, d->now, d->now_path, &by, compare_errors, e);
}

/* -- which -- */

static bool wanted(const struct drift_compare *d, const char *name)
{
	return !names_have(&d->by, name) && (!d->label || strcmp(name, d->label)) &&
	       columns_find(d->now, name) >= 0 && d->columns.n < NAMES_MAX;
}

static void pick_common(struct drift_compare *d)
{
	enum drift_kind kind;
	bool integer;
	const struct baseline *b = d->baseline;
	for (uint32_t i = 0; b && i < b->ncolumns; i++)
		if (wanted(d, b->segments[0].columns[i].name))
			d->columns.v[d->columns.n++] = b->segments[0].columns[i].name;
	for (uint32_t i = 0; !b && i < columns_count(d->base); i++)
		if (columns_kind(d->base, i, &kind, &integer) &&
		        wanted(d, columns_name(d->base, i)))
			d->columns.v[d->columns.n++] = columns_name(d->base, i);
}

enum status drift_compare_run(struct drift_compare *d, struct error *e)
{
	enum status st = ST_OK;
	if (!d->columns.n)
		pick_common(d);
	if (!d->columns.n)
		return error_set(e, ERR_USER, 0,
		        "%s and %s have no column in common that is watched", d->base_path,
		        d->now_path);
	for (uint32_t i = 0; st == ST_OK && i < d->columns.n; i++) {
		struct comparing x = {.d = d, .column = d->columns.v[i]};
		arena_init(&x.arena);
		st = column(&x, e);
		references_release(&x);
		if (d->progress)
			d->progress(d->arg, i + 1, d->columns.n);
	}
	if (st == ST_OK && d->label) {
		struct comparing x = {.d = d, .column = d->score};
		arena_init(&x.arena);
		st = errors(&x, e);
		references_release(&x);
	}
	return st;
}
