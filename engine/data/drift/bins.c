// SPDX-License-Identifier: Apache-2.0
//
// The two histograms that PSI, Jensen-Shannon and chi-square compare, by mode.
//
//   weir       a number's reference deciles (10 bins; fewer when deciles are equal; one more
//              below when the lowest decile is the minimum), a category each
//   evidently  0.7 (legacy/calculations/stattests/utils.py, get_binned_data): a number of more
//              than 20 reference values in equal-width bins over both sides by Sturges' rule,
//              in numpy's arithmetic; others a bin per value
//   nannyml    0.13 (drift/univariate/methods.py): a number in equal-width bins over the
//              reference by Doane's rule, what lies outside in one more; a category each, new
//              ones together in one more; no PSI, so weir's
//
// Without raw values a bin whose edge falls between two grid points is filled in proportion.
#include <math.h>
#include <stdlib.h>

#include "data/drift/tests_inside.h"

#define EVIDENTLY_DISTINCT_MAX 20 // reference values up to which a number has a bin per value

static void bins_add(struct bins *b, double base, double now)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->base = xrealloc(b->base, b->cap * sizeof *b->base);
		b->now = xrealloc(b->now, b->cap * sizeof *b->now);
	}
	b->base[b->n] = base;
	b->now[b->n++] = now;
}

void bins_release(struct bins *b)
{
	free(b->base);
	free(b->now);
	*b = (struct bins){0};
}

bool cells_of(struct cells *c, const struct drift_pair *pair)
{
	const struct baseline_column *base = pair->base;
	*c = (struct cells){.grid = base->grid, .n = base->ngrid, .now = pair->now->cells};
	c->base_total = (double)base->moments.n;
	c->now_total = (double)pair->now->moments.n;
	if (!base->moments.n || !pair->now->moments.n)
		return false;
	c->base_buf = xcalloc(2 * (size_t)c->n + 1, sizeof *c->base_buf);
	for (uint32_t i = 0; i < c->n; i++) {
		uint64_t before = i ? base->upto[i - 1] : 0;
		c->base_buf[2 * i] = base->upto[i] - base->at[i] - before;
		c->base_buf[2 * i + 1] = base->at[i];
	}
	c->base = c->base_buf;
	return true;
}

void cells_release(struct cells *c)
{
	free(c->base_buf);
	*c = (struct cells){0};
}

// -- weir --

// Cells [from, to) as one bin.
static void bin_of_cells(struct bins *b, const struct cells *c, uint32_t from, uint32_t to)
{
	double base = 0, now = 0;
	for (uint32_t i = from; i < to; i++) {
		base += (double)c->base[i];
		now += (double)c->now[i];
	}
	bins_add(b, base, now);
}

static void deciles(struct bins *b, const struct drift_pair *pair, const struct cells *c)
{
	uint32_t from = 0;
	if (pair->base->cut_at[0] == 0) {
		bin_of_cells(b, c, 0, 1); // below the minimum
		from = 1;
	}
	for (uint32_t i = 0; i < pair->base->ncuts; i++) {
		uint32_t to = 2 * pair->base->cut_at[i] + 2;
		bin_of_cells(b, c, from, to);
		from = to;
	}
	bin_of_cells(b, c, from, 2 * c->n + 1);
}

static void listed(struct bins *b, const struct drift_pair *pair)
{
	const struct baseline_column *base = pair->base;
	const struct profile *now = pair->now;
	for (uint32_t i = 0; i < base->ncategories; i++)
		bins_add(b, (double)base->categories[i].count, (double)now->counts[i]);
}

// Those the baseline lists, the new ones by name, and the rest of both.
static bool categories(struct bins *b, const struct drift_pair *pair)
{
	const struct baseline_column *base = pair->base;
	const struct profile *now = pair->now;
	b->base_total = (double)(base->rows - base->nulls);
	b->now_total = (double)(now->rows - now->nulls);
	listed(b, pair);
	for (uint32_t i = 0; i < now->nfresh; i++)
		bins_add(b, 0, (double)now->fresh[i].count);
	if (base->other || now->other)
		bins_add(b, (double)base->other, (double)now->other);
	return b->base_total > 0 && b->now_total > 0;
}

static bool weir_bins(struct bins *b, const struct drift_pair *pair)
{
	struct cells c = {0};
	if (pair->base->kind == DRIFT_CATEGORY)
		return categories(b, pair);
	bool ok = cells_of(&c, pair);
	if (ok)
		deciles(b, pair, &c);
	b->base_total = c.base_total;
	b->now_total = c.now_total;
	cells_release(&c);
	return ok;
}

// -- raw values, each a bin --

static int key_cmp(const struct sample *a, size_t i, const struct sample *b, size_t j)
{
	if (i == a->n || j == b->n)
		return i == a->n ? 1 : -1;
	if (a->kind == DRIFT_CATEGORY)
		return slice_cmp(a->categories[i].value, b->categories[j].value);
	return (a->values[i] > b->values[j]) - (a->values[i] < b->values[j]);
}

static double count_at(const struct sample *s, size_t i)
{
	return (double)(s->kind == DRIFT_CATEGORY ? s->categories[i].count : s->counts[i]);
}

static bool values(struct bins *b, const struct sample *base, const struct sample *now)
{
	size_t i = 0, j = 0;
	b->base_total = (double)base->total;
	b->now_total = (double)now->total;
	while (i < base->n || j < now->n) {
		int c = key_cmp(base, i, now, j);
		bins_add(b, c <= 0 ? count_at(base, i) : 0, c >= 0 ? count_at(now, j) : 0);
		i += c <= 0;
		j += c >= 0;
	}
	return base->total && now->total;
}

// -- equal-width bins --

struct edges {
	double first, last;
	uint32_t n;
};

// numpy's linspace.
static double edge_at(const struct edges *e, uint32_t i)
{
	return i == e->n ? e->last : e->first + i * ((e->last - e->first) / e->n);
}

// numpy's histogram_bin_edges(…, bins="sturges").
static struct edges sturges(double first, double last, double count, bool integer)
{
	struct edges e = {first, last, 1};
	double width = (last - first) / (log2(count) + 1);
	if (width > 0) {
		width = integer && width < 1 ? 1 : width;
		e.n = (uint32_t)ceil((last - first) / width);
	}
	if (first == last) {
		e.first -= 0.5;
		e.last += 0.5;
	}
	return e;
}

// Values below x, or at most x.
static double raw_rank(const struct sample *s, const uint64_t *upto, double x, bool at)
{
	size_t low = 0, high = s->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (s->values[mid] < x || (at && s->values[mid] == x))
			low = mid + 1;
		else
			high = mid;
	}
	return low ? (double)upto[low - 1] : 0;
}

static uint64_t *ranks(const struct sample *s)
{
	uint64_t *upto = xmalloc((s->n + 1) * sizeof *upto), sum = 0;
	for (size_t i = 0; i < s->n; i++)
		upto[i] = sum += s->counts[i];
	return upto;
}

static void raw_equal(struct bins *b, const struct drift_pair *pair, const struct edges *e)
{
	uint64_t *base = ranks(pair->raw_base), *now = ranks(pair->raw_now);
	double base_was = raw_rank(pair->raw_base, base, e->first, false);
	double now_was = raw_rank(pair->raw_now, now, e->first, false);
	for (uint32_t i = 1; i <= e->n; i++) {
		double x = edge_at(e, i);
		double base_is = raw_rank(pair->raw_base, base, x, i == e->n);
		double now_is = raw_rank(pair->raw_now, now, x, i == e->n);
		bins_add(b, base_is - base_was, now_is - now_was);
		base_was = base_is;
		now_was = now_is;
	}
	free(base);
	free(now);
}

// Values below x by cells, in proportion within one.
static double cell_rank(
        const struct cells *c, const uint64_t *cells, double min, double max, double x)
{
	double rank = 0;
	uint32_t k = 0;
	for (; k < c->n && c->grid[k] < x; k++)
		rank += (double)(cells[2 * k] + cells[2 * k + 1]);
	double low = k ? c->grid[k - 1] : min, high = k < c->n ? c->grid[k] : max;
	if (cells[2 * k] && high > low)
		rank += (double)cells[2 * k] * fmin(fmax((x - low) / (high - low), 0), 1);
	return rank;
}

static void cells_equal(struct bins *b, const struct drift_pair *pair, const struct cells *c,
        const struct edges *e)
{
	const struct moments *base = &pair->base->moments, *now = &pair->now->moments;
	double base_was = 0, now_was = 0;
	for (uint32_t i = 1; i <= e->n; i++) {
		bool last = i == e->n;
		double x = edge_at(e, i);
		double base_is =
		        last ? c->base_total : cell_rank(c, c->base, base->min, base->max, x);
		double now_is =
		        last ? c->now_total : cell_rank(c, c->now, now->min, now->max, x);
		bins_add(b, base_is - base_was, now_is - now_was);
		base_was = base_is;
		now_was = now_is;
	}
}

// -- evidently --

static bool evidently_cells(struct bins *b, const struct drift_pair *pair)
{
	const struct moments *base = &pair->base->moments, *now = &pair->now->moments;
	struct cells c;
	bool ok = cells_of(&c, pair);
	b->base_total = c.base_total;
	b->now_total = c.now_total;
	if (ok && pair->base->distinct <= EVIDENTLY_DISTINCT_MAX) {
		for (uint32_t i = 0; i < 2 * c.n + 1; i++)
			bins_add(b, (double)c.base[i], (double)c.now[i]);
	} else if (ok) {
		struct edges e = sturges(fmin(base->min, now->min), fmax(base->max, now->max),
		        c.base_total + c.now_total, pair->base->integer);
		ok = isfinite(e.last - e.first);
		if (ok)
			cells_equal(b, pair, &c, &e);
	}
	cells_release(&c);
	return ok;
}

static bool evidently_raw(struct bins *b, const struct drift_pair *pair)
{
	const struct sample *base = pair->raw_base, *now = pair->raw_now;
	if (base->kind == DRIFT_CATEGORY || base->n <= EVIDENTLY_DISTINCT_MAX)
		return values(b, base, now);
	if (!base->total || !now->total)
		return false;
	b->base_total = (double)base->total;
	b->now_total = (double)now->total;
	// pandas has whole numbers as such only when none is missing.
	bool integer = base->integer && now->integer && !base->nulls && !now->nulls;
	struct edges e = sturges(fmin(base->values[0], now->values[0]),
	        fmax(base->values[base->n - 1], now->values[now->n - 1]),
	        b->base_total + b->now_total, integer);
	if (!isfinite(e.last - e.first))
		return false;
	raw_equal(b, pair, &e);
	return true;
}

static bool evidently_bins(struct bins *b, const struct drift_pair *pair)
{
	if (pair->raw_base)
		return evidently_raw(b, pair);
	return pair->base->kind == DRIFT_CATEGORY ? categories(b, pair)
	                                          : evidently_cells(b, pair);
}

// -- nannyml --

// The reference's bins, and one for what they do not hold.
static bool nannyml_bins(struct bins *b, const struct drift_pair *pair)
{
	const struct baseline_column *base = pair->base;
	const struct profile *now = pair->now;
	double inside = 0;
	if (base->kind == DRIFT_CATEGORY) {
		b->base_total = (double)(base->rows - base->nulls);
		b->now_total = (double)(now->rows - now->nulls);
		listed(b, pair);
	} else {
		b->base_total = (double)base->moments.n;
		b->now_total = (double)now->moments.n;
		for (uint32_t i = 0; i < base->nwidth; i++)
			bins_add(b, (double)base->width[i], (double)now->width[i]);
	}
	for (uint32_t i = 0; i < b->n; i++)
		inside += b->now[i];
	if (b->now_total > inside || base->other)
		bins_add(b, (double)base->other, b->now_total - inside);
	return b->n && b->base_total > 0 && b->now_total > 0;
}

bool bins_for_psi(struct bins *b, const struct drift_pair *pair, enum drift_mode mode)
{
	*b = (struct bins){0};
	return mode == MODE_EVIDENTLY ? evidently_bins(b, pair) : weir_bins(b, pair);
}

bool bins_for_js(struct bins *b, const struct drift_pair *pair, enum drift_mode mode)
{
	*b = (struct bins){0};
	if (mode == MODE_NANNYML)
		return nannyml_bins(b, pair);
	return mode == MODE_EVIDENTLY ? evidently_bins(b, pair) : weir_bins(b, pair);
}

bool bins_for_chi2(struct bins *b, const struct drift_pair *pair, enum drift_mode mode)
{
	*b = (struct bins){0};
	if (mode != MODE_WEIR && pair->raw_base)
		return values(b, pair->raw_base, pair->raw_now);
	return categories(b, pair);
}
