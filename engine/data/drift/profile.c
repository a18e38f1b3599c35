// SPDX-License-Identifier: Apache-2.0
//
// Counting a window's values against a baseline column. Numbers are taken in blocks: the search
// in the grid has no branch that depends on the data, so that the processor works on several
// values at once; the moments go value by value, so that blocks do not show in the result.
//
// Invariant: the cells' sum is moments.n. rows = nulls + non_finite + moments.n, or nulls + the
// sum of all category counts.
#include "data/drift/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/drift/sample.h"

#define LANES 8 // values searched for at once

static uint32_t ncells(const struct baseline_column *c)
{
	return c->kind == DRIFT_NUMBER ? 2 * c->ngrid + 1 : 0;
}

void profile_init(struct profile *p, const struct baseline_column *base)
{
	*p = (struct profile){.base = base};
	if (base->kind == DRIFT_NUMBER) {
		p->cells = xcalloc(ncells(base) + base->nwidth, sizeof *p->cells);
		p->width = p->cells + ncells(base);
	} else {
		p->counts = xcalloc(base->ncategories + 1, sizeof *p->counts);
	}
}

void profile_release(struct profile *p)
{
	for (uint32_t i = 0; p->fresh && i < PROFILE_NEW_MAX; i++)
		buf_release(&p->fresh[i].value);
	free(p->fresh);
	free(p->cells);
	free(p->counts);
	*p = (struct profile){0};
}

void profile_reset(struct profile *p)
{
	const struct baseline_column *base = p->base;
	p->rows = p->nulls = p->non_finite = p->other = 0;
	p->moments = (struct moments){0};
	p->below = p->above = 0;
	p->nfresh = 0;
	if (p->cells)
		memset(p->cells, 0, (ncells(base) + base->nwidth) * sizeof *p->cells);
	if (p->counts)
		memset(p->counts, 0, base->ncategories * sizeof *p->counts);
}

// Points below each of LANES values. The halving has as many steps for every value and no
// branch, so that the processor searches for all of them at once.
static void points_below(const double *grid, uint32_t n, const double *v, uint32_t *at)
{
	for (int k = 0; k < LANES; k++)
		at[k] = 0;
	for (; n > 1; n -= n / 2)
		for (int k = 0; k < LANES; k++)
			at[k] += (grid[at[k] + n / 2 - 1] < v[k]) * (n / 2);
	for (int k = 0; k < LANES; k++)
		at[k] += grid[at[k]] < v[k];
}

static void cells_count(struct profile *p, const double *v, uint32_t n, uint64_t times)
{
	const struct baseline_column *c = p->base;
	uint32_t points = c->ngrid, at[LANES];
	if (!points) {
		p->cells[0] += n * times;
		return;
	}
	for (uint32_t i = 0; i < n; i += LANES) {
		double some[LANES] = {0};
		uint32_t here = n - i < LANES ? n - i : LANES;
		memcpy(some, v + i, here * sizeof *v);
		points_below(c->grid, points, some, at);
		for (uint32_t k = 0; k < here; k++) {
			bool same = at[k] < points && c->grid[at[k]] == some[k];
			p->cells[2 * at[k] + same] += times;
		}
	}
}

// Edges as baseline_width_edge has them; the division only guesses.
static void width_counts(struct profile *p, const double *v, uint32_t n, uint64_t times)
{
	const struct baseline_column *c = p->base;
	double first = baseline_width_edge(c, 0), last = baseline_width_edge(c, c->nwidth);
	double step = (last - first) / c->nwidth, scale = c->nwidth / (last - first);
	for (uint32_t k = 0; k < n; k++) {
		if (!(v[k] >= first && v[k] <= last))
			continue;
		uint32_t i = (uint32_t)((v[k] - first) * scale);
		i = i >= c->nwidth ? c->nwidth - 1 : i;
		if (v[k] < first + i * step)
			i--;
		else if (i + 1 < c->nwidth && v[k] >= first + (i + 1) * step)
			i++;
		p->width[i] += times;
	}
}

// All finite.
static void add_numbers(struct profile *p, const double *v, uint32_t n)
{
	const struct baseline_column *c = p->base;
	cells_count(p, v, n, 1);
	if (c->ngrid) {
		double low = c->grid[0], high = c->grid[c->ngrid - 1];
		for (uint32_t i = 0; i < n; i++) {
			p->below += v[i] < low ? low - v[i] : 0;
			p->above += v[i] > high ? v[i] - high : 0;
		}
	}
	if (c->nwidth)
		width_counts(p, v, n, 1);
	moments_add_all(&p->moments, v, n);
}

static void fresh_add(struct profile *p, struct slice value, uint64_t times)
{
	for (uint32_t i = 0; i < p->nfresh; i++) {
		if (!slice_eq(buf_view(&p->fresh[i].value), value))
			continue;
		p->fresh[i].count += times;
		return;
	}
	if (p->nfresh == PROFILE_NEW_MAX || value.len > BASELINE_CATEGORY_BYTES_MAX) {
		p->other += times;
		return;
	}
	if (!p->fresh)
		p->fresh = xcalloc(PROFILE_NEW_MAX, sizeof *p->fresh);
	struct profile_new *f = &p->fresh[p->nfresh++];
	f->value.len = 0;
	buf_slice(&f->value, value);
	f->count = times;
}

static void category_add(struct profile *p, struct slice value, uint64_t times)
{
	int32_t at = baseline_category(p->base, value);
	if (at >= 0)
		p->counts[at] += times;
	else
		fresh_add(p, value, times);
}

void profile_add_null(struct profile *p)
{
	p->rows++;
	p->nulls++;
}

void profile_add_number(struct profile *p, double v)
{
	p->rows++;
	if (isfinite(v))
		add_numbers(p, &v, 1);
	else
		p->non_finite++;
}

void profile_add_numbers(struct profile *p, double v, uint64_t times)
{
	const struct baseline_column *c = p->base;
	p->rows += times;
	if (!isfinite(v)) {
		p->non_finite += times;
		return;
	}
	cells_count(p, &v, 1, times);
	if (c->ngrid) {
		double low = c->grid[0], high = c->grid[c->ngrid - 1];
		p->below += v < low ? (low - v) * (double)times : 0;
		p->above += v > high ? (v - high) * (double)times : 0;
	}
	if (c->nwidth)
		width_counts(p, &v, 1, times);
	moments_add_many(&p->moments, v, times);
}

void profile_add_categories(struct profile *p, struct slice value, uint64_t times)
{
	p->rows += times;
	category_add(p, value, times);
}

void profile_add_category(struct profile *p, struct slice value)
{
	p->rows++;
	category_add(p, value, 1);
}

bool profile_takes(const struct baseline_column *base, const struct type *t)
{
	enum drift_kind kind;
	if (!drift_kind_of(t, &kind))
		return false;
	return kind == base->kind || (base->kind == DRIFT_CATEGORY && type_is_integer(t));
}

void profile_add_value(struct profile *p, const struct type *t, const struct value *v)
{
	char digits[32];
	if (v->null)
		profile_add_null(p);
	else if (p->base->kind == DRIFT_NUMBER)
		profile_add_number(p, drift_number(t, v));
	else
		profile_add_category(p, drift_category(t, v, digits));
}

static void add_number_column(
        struct profile *p, const struct column *c, const uint32_t *rows, uint32_t n)
{
	double block[256];
	uint32_t held = 0;
	bool plain = type_form(c->type) == FORM_F64;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t row = rows ? rows[i] : i;
		if (c->null[row]) {
			p->nulls++;
			continue;
		}
		struct value v =
		        plain ? (struct value){.f64 = c->f64[row]} : column_get(c, row);
		double x = plain ? v.f64 : drift_number(c->type, &v);
		if (!isfinite(x)) {
			p->non_finite++;
			continue;
		}
		block[held++] = x;
		if (held == sizeof block / sizeof *block) {
			add_numbers(p, block, held);
			held = 0;
		}
	}
	add_numbers(p, block, held);
	p->rows += n;
}

void profile_add(struct profile *p, const struct column *c, const uint32_t *rows, uint32_t n)
{
	if (p->base->kind == DRIFT_NUMBER) {
		add_number_column(p, c, rows, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct value v = column_get(c, rows ? rows[i] : i);
		profile_add_value(p, c->type, &v);
	}
}

void profile_merge(struct profile *p, const struct profile *other)
{
	const struct baseline_column *c = p->base;
	INVARIANT(c->id == other->base->id);
	p->rows += other->rows;
	p->nulls += other->nulls;
	p->non_finite += other->non_finite;
	p->other += other->other;
	moments_merge(&p->moments, &other->moments);
	p->below += other->below;
	p->above += other->above;
	for (uint32_t i = 0; p->cells && i < ncells(c) + c->nwidth; i++)
		p->cells[i] += other->cells[i];
	for (uint32_t i = 0; p->counts && i < c->ncategories; i++)
		p->counts[i] += other->counts[i];
	for (uint32_t i = 0; i < other->nfresh; i++)
		fresh_add(p, buf_view(&other->fresh[i].value), other->fresh[i].count);
}
