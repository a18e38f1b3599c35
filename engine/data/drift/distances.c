// SPDX-License-Identifier: Apache-2.0
//
// Kolmogorov-Smirnov and Wasserstein: distances between two distribution functions, from raw
// values or from the cells of the baseline's grid.
//
// From cells both functions are exact at every grid point, from the left and from the right.
// Between two points less than 0.1 % of the reference lies, so KS is right to 0.001, and
// exactly so for a column of at most GRID_MAX distinct values. The Wasserstein distance takes
// both functions as linear there; beyond the reference's range it is exact.
#include <math.h>

#include "data/drift/special.h"
#include "data/drift/tests_inside.h"

#define EVIDENTLY_STD_MIN 0.001 // of the reference, by which Evidently divides

static double raw_ks(const struct sample *a, const struct sample *b)
{
	double na = (double)a->total, nb = (double)b->total, d = 0;
	uint64_t upto_a = 0, upto_b = 0;
	for (size_t i = 0, j = 0; i < a->n || j < b->n;) {
		bool take_a = i < a->n && (j == b->n || a->values[i] <= b->values[j]);
		bool take_b = j < b->n && (i == a->n || b->values[j] <= a->values[i]);
		upto_a += take_a ? a->counts[i++] : 0;
		upto_b += take_b ? b->counts[j++] : 0;
		d = fmax(d, fabs((double)upto_a / na - (double)upto_b / nb));
	}
	return d;
}

static double raw_wasserstein(const struct sample *a, const struct sample *b)
{
	double na = (double)a->total, nb = (double)b->total, sum = 0, lost = 0, was = 0;
	uint64_t upto_a = 0, upto_b = 0;
	for (size_t i = 0, j = 0; i < a->n || j < b->n;) {
		double x = i == a->n   ? b->values[j]
		           : j == b->n ? a->values[i]
		                       : fmin(a->values[i], b->values[j]);
		if (i || j) { // Kahan's sum
			double gap = fabs((double)upto_a / na - (double)upto_b / nb);
			double step = gap * (x - was) - lost, next = sum + step;
			lost = (next - sum) - step;
			sum = next;
		}
		upto_a += i < a->n && a->values[i] == x ? a->counts[i++] : 0;
		upto_b += j < b->n && b->values[j] == x ? b->counts[j++] : 0;
		was = x;
	}
	return sum;
}

static double cells_ks(const struct cells *c)
{
	double base = 0, now = 0, d = 0;
	for (uint32_t i = 0; i < 2 * c->n + 1; i++) {
		base += (double)c->base[i];
		now += (double)c->now[i];
		d = fmax(d, fabs(base / c->base_total - now / c->now_total));
	}
	return d;
}

// The integral of |f| over a stretch of the given length, f linear from a to b.
static double linear(double a, double b, double length)
{
	if ((a >= 0) == (b >= 0))
		return length * fabs(a + b) / 2;
	return length * (a * a + b * b) / (2 * (fabs(a) + fabs(b)));
}

static double cells_wasserstein(const struct cells *c, const struct profile *now_profile)
{
	double base = 0, now = 0, sum = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		double left = base / c->base_total - now / c->now_total;
		base += (double)c->base[2 * i];
		now += (double)c->now[2 * i];
		if (i)
			sum += linear(left, base / c->base_total - now / c->now_total,
			        c->grid[i] - c->grid[i - 1]);
		base += (double)c->base[2 * i + 1];
		now += (double)c->now[2 * i + 1];
	}
	return sum + (now_profile->below + now_profile->above) / c->now_total;
}

double distance_ks(const struct drift_pair *pair, enum drift_mode mode)
{
	struct cells c;
	if (pair->raw_base && mode == MODE_NANNYML && pair->raw_base->total >= NANNYML_ROWS_MIN)
		return nannyml_ks(pair->raw_base, pair->raw_now);
	if (pair->raw_base)
		return raw_ks(pair->raw_base, pair->raw_now);
	double d = cells_of(&c, pair) ? cells_ks(&c) : NAN;
	cells_release(&c);
	return d;
}

// Evidently and NannyML ask scipy's ks_2samp, which is exact up to 10,000 values a side.
double distance_ks_p(const struct drift_pair *pair, enum drift_mode mode, double d)
{
	uint64_t n1 = pair->base->moments.n, n2 = pair->now->moments.n;
	if (mode != MODE_WEIR && n1 <= KS2_EXACT_MAX && n2 <= KS2_EXACT_MAX)
		return special_ks2_exact((uint32_t)n1, (uint32_t)n2, d);
	return special_ks2_sf(n1, n2, d);
}

static double wasserstein(const struct drift_pair *pair, enum drift_mode mode)
{
	struct cells c;
	if (pair->raw_base && mode == MODE_NANNYML && pair->raw_base->total >= NANNYML_ROWS_MIN)
		return nannyml_wasserstein(pair->raw_base, pair->raw_now);
	if (pair->raw_base)
		return raw_wasserstein(pair->raw_base, pair->raw_now);
	double d = cells_of(&c, pair) ? cells_wasserstein(&c, pair->now) : NAN;
	cells_release(&c);
	return d;
}

double distance_wasserstein(const struct drift_pair *pair, enum drift_mode mode)
{
	double d = wasserstein(pair, mode);
	if (mode != MODE_EVIDENTLY)
		return d;
	return d / fmax(sqrt(moments_var_pop(&pair->base->moments)), EVIDENTLY_STD_MIN);
}
