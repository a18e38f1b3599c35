// SPDX-License-Identifier: Apache-2.0
//
// Values with counts, sorted, and what is made of them. Everything is computed in ascending
// order of the values, so that neither the order of rows nor of files shows in a baseline.
#include "data/drift/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "data/drift/baseline_inside.h"

void sample_init(struct sample *s, enum drift_kind kind)
{
	*s = (struct sample){.kind = kind};
	arena_init(&s->text);
}

void sample_release(struct sample *s)
{
	free(s->values);
	free(s->counts);
	free(s->categories);
	arena_release(&s->text);
	*s = (struct sample){0};
}

static void room(struct sample *s)
{
	if (s->n < s->cap)
		return;
	s->cap = s->cap ? 2 * s->cap : 64;
	if (s->kind == DRIFT_CATEGORY) {
		s->categories = xrealloc(s->categories, s->cap * sizeof *s->categories);
		return;
	}
	s->values = xrealloc(s->values, s->cap * sizeof *s->values);
	s->counts = xrealloc(s->counts, s->cap * sizeof *s->counts);
}

void sample_add_null(struct sample *s, uint64_t times)
{
	s->rows += times;
	s->nulls += times;
}

void sample_add_number(struct sample *s, double v, uint64_t times)
{
	s->rows += times;
	if (!isfinite(v)) {
		s->non_finite += times;
		return;
	}
	room(s);
	s->values[s->n] = v == 0 ? 0 : v; // one zero
	s->counts[s->n++] = times;
	s->total += times;
}

void sample_add_category(struct sample *s, struct slice value, uint64_t times)
{
	s->rows += times;
	room(s);
	s->categories[s->n++] = (struct baseline_category){
	        .value = arena_slice(&s->text, value), .count = times};
	s->total += times;
}

void sample_add_value(struct sample *s, const struct type *t, const struct value *v)
{
	char digits[32];
	if (v->null)
		sample_add_null(s, 1);
	else if (s->kind == DRIFT_NUMBER)
		sample_add_number(s, drift_number(t, v), 1);
	else
		sample_add_category(s, drift_category(t, v, digits), 1);
}

void sample_add_sample(struct sample *s, const struct sample *other)
{
	s->rows += other->nulls + other->non_finite;
	s->nulls += other->nulls;
	s->non_finite += other->non_finite;
	for (size_t i = 0; i < other->n; i++)
		if (s->kind == DRIFT_NUMBER)
			sample_add_number(s, other->values[i], other->counts[i]);
		else
			sample_add_category(
			        s, other->categories[i].value, other->categories[i].count);
}

size_t sample_bytes(const struct sample *s)
{
	size_t each = s->kind == DRIFT_NUMBER ? sizeof *s->values + sizeof *s->counts
	                                      : sizeof *s->categories;
	return s->cap * each + s->text.held_bytes;
}

double drift_number(const struct type *t, const struct value *v)
{
	switch (t->kind) {
	case KIND_FLOAT:
	case KIND_DOUBLE:
		return v->f64;
	case KIND_DECIMAL:
		return (double)v->i128 / pow(10, t->scale);
	case KIND_TIME_MICROS:
	case KIND_TIMESTAMP_MICROS:
		return (double)v->i64 / 1000;
	default:
		return (double)v->i64;
	}
}

struct slice drift_category(const struct type *t, const struct value *v, char digits[32])
{
	if (type_form(t) == FORM_BYTES)
		return v->bytes;
	if (t->kind == KIND_BOOLEAN)
		return slice_of(v->i64 ? "true" : "false");
	return (struct slice){(uint8_t *)digits, (uint32_t)num_format_int(digits, v->i64)};
}

struct number {
	double value;
	uint64_t count;
};

static int number_cmp(const void *a, const void *b)
{
	double x = ((const struct number *)a)->value, y = ((const struct number *)b)->value;
	return (x > y) - (x < y);
}

static bool ascending(const struct sample *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (!(s->values[i - 1] < s->values[i]))
			return false;
	return true;
}

static void finish_numbers(struct sample *s)
{
	if (ascending(s)) // as a database's ORDER BY gives it
		return;
	struct number *all = xmalloc(s->n * sizeof *all);
	for (size_t i = 0; i < s->n; i++)
		all[i] = (struct number){s->values[i], s->counts[i]};
	qsort(all, s->n, sizeof *all, number_cmp);
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (n && s->values[n - 1] == all[i].value) {
			s->counts[n - 1] += all[i].count;
			continue;
		}
		s->values[n] = all[i].value;
		s->counts[n++] = all[i].count;
	}
	s->n = n;
	free(all);
}

static int category_cmp(const void *a, const void *b)
{
	return slice_cmp(((const struct baseline_category *)a)->value,
	        ((const struct baseline_category *)b)->value);
}

static void finish_categories(struct sample *s)
{
	size_t n = 0;
	if (s->n)
		qsort(s->categories, s->n, sizeof *s->categories, category_cmp);
	for (size_t i = 0; i < s->n; i++) {
		if (n && slice_eq(s->categories[n - 1].value, s->categories[i].value))
			s->categories[n - 1].count += s->categories[i].count;
		else
			s->categories[n++] = s->categories[i];
	}
	s->n = n;
}

void sample_finish(struct sample *s)
{
	if (s->kind == DRIFT_NUMBER)
		finish_numbers(s);
	else
		finish_categories(s);
}

static void quantiles(const struct sample *s, struct baseline_column *c)
{
	size_t i = 0;
	uint64_t upto = s->counts[0];
	for (uint64_t k = 0; k < BASELINE_QUANTILES; k++) {
		unsigned __int128 rank = (unsigned __int128)k * s->total; // of parts * upto
		while ((unsigned __int128)upto * (BASELINE_QUANTILES - 1) < rank)
			upto += s->counts[++i];
		c->quantiles[k] = s->values[i];
	}
}

// All distinct values, or the distinct quantiles.
static void grid(const struct sample *s, struct arena *a, struct baseline_column *c)
{
	c->grid = arena_alloc(a, GRID_MAX * sizeof *c->grid);
	c->at = arena_alloc(a, GRID_MAX * sizeof *c->at);
	c->upto = arena_alloc(a, GRID_MAX * sizeof *c->upto);
	bool all = s->n <= GRID_MAX;
	uint64_t upto = 0;
	for (size_t i = 0, k = 0; i < s->n; i++) {
		upto += s->counts[i];
		while (!all && k < BASELINE_QUANTILES && c->quantiles[k] < s->values[i])
			k++;
		if (!all && (k == BASELINE_QUANTILES || c->quantiles[k] != s->values[i]))
			continue;
		c->grid[c->ngrid] = s->values[i];
		c->at[c->ngrid] = s->counts[i];
		c->upto[c->ngrid++] = upto;
	}
}

// Doane (1976, "Aesthetic frequency classifications"), as numpy's histogram has it.
static uint32_t doane(const struct sample *s, const struct moments *m)
{
	double n = (double)m->n, range = m->max - m->min, sigma = sqrt(m->m2 / n), cubes = 0;
	if (!isfinite(range))
		return 0;
	if (m->n <= 2 || !(sigma > 0))
		return 1;
	for (size_t i = 0; i < s->n; i++)
		cubes += (double)s->counts[i] *
		         pow(((s->values[i] - m->origin) - m->offset) / sigma, 3);
	double sg1 = sqrt(6 * (n - 2) / ((n + 1) * (n + 3)));
	double width = range / (1 + log2(n) + log2(1 + fabs(cubes / n) / sg1));
	return width > 0 ? (uint32_t)ceil(range / width) : 1;
}

static void widths(const struct sample *s, struct arena *a, struct baseline_column *c)
{
	c->nwidth = doane(s, &c->moments);
	c->width = arena_calloc(a, c->nwidth + 1, sizeof *c->width);
	uint32_t bin = 0;
	for (size_t i = 0; c->nwidth && i < s->n; i++) {
		while (bin + 1 < c->nwidth && s->values[i] >= baseline_width_edge(c, bin + 1))
			bin++;
		c->width[bin] += s->counts[i];
	}
}

static void numbers(const struct sample *s, struct arena *a, struct baseline_column *c)
{
	c->distinct = s->n > GRID_MAX ? GRID_MAX + 1 : (uint32_t)s->n;
	for (size_t i = 0; i < s->n; i++)
		moments_add_many(&c->moments, s->values[i], s->counts[i]);
	if (!s->n)
		return;
	quantiles(s, c);
	grid(s, a, c);
	widths(s, a, c);
}

static int commoner(const void *a, const void *b)
{
	const struct baseline_category *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return slice_cmp(x->value, y->value);
}

// Whether a baseline file can name it: JSON readers take no NUL in a key.
static bool nameable(struct slice v)
{
	return v.len <= BASELINE_CATEGORY_BYTES_MAX && !memchr(v.p, 0, v.len);
}

static void categories(const struct sample *s, struct arena *a, struct baseline_column *c)
{
	struct baseline_category *all = xmalloc((s->n + 1) * sizeof *all);
	size_t n = 0, keep;
	for (size_t i = 0; i < s->n; i++) {
		if (nameable(s->categories[i].value))
			all[n++] = s->categories[i];
		else
			c->other += s->categories[i].count;
	}
	qsort(all, n, sizeof *all, commoner);
	keep = n < BASELINE_CATEGORIES_MAX ? n : BASELINE_CATEGORIES_MAX;
	for (size_t i = keep; i < n; i++)
		c->other += all[i].count;
	qsort(all, keep, sizeof *all, category_cmp);
	c->categories = arena_alloc(a, (keep + 1) * sizeof *c->categories);
	for (size_t i = 0; i < keep; i++)
		c->categories[i] =
		        (struct baseline_category){arena_slice(a, all[i].value), all[i].count};
	c->ncategories = (uint32_t)keep;
	free(all);
}

void sample_baseline(
        const struct sample *s, const char *name, struct arena *a, struct baseline_column *out)
{
	*out = (struct baseline_column){.name = arena_strdup(a, name),
	        .kind = s->kind,
	        .rows = s->rows,
	        .nulls = s->nulls,
	        .non_finite = s->non_finite,
	        .integer = s->integer && !s->nulls};
	if (s->kind == DRIFT_NUMBER)
		numbers(s, a, out);
	else
		categories(s, a, out);
	baseline_column_index(out, a);
}

void sample_profile(const struct sample *s, struct profile *p)
{
	p->rows += s->nulls + s->non_finite;
	p->nulls += s->nulls;
	p->non_finite += s->non_finite;
	for (size_t i = 0; i < s->n; i++) {
		if (s->kind == DRIFT_NUMBER)
			profile_add_numbers(p, s->values[i], s->counts[i]);
		else
			profile_add_categories(
			        p, s->categories[i].value, s->categories[i].count);
	}
}
