// SPDX-License-Identifier: Apache-2.0
//
// How NannyML 0.13 (drift/univariate/methods.py) estimates Kolmogorov-Smirnov and Wasserstein
// for references of at least 10,000 values: by histograms of 10,000 equal-width bins over the
// reference. Followed to the letter, so that its numbers come out; the "+ 1" in the shares of
// what lies outside is its own.
#include <math.h>
#include <stdlib.h>

#include "data/drift/tests_inside.h"

struct range {
	double first, last, step;
};

static double edge_at(const struct range *r, uint32_t i)
{
	return i == NANNYML_BINS ? r->last : r->first + i * r->step;
}

// Values below edge 1, 2, … and, of the last, at most it. Values below the first edge too.
static double *cumulative(const struct sample *s, const struct range *r)
{
	double *out = xmalloc(NANNYML_BINS * sizeof *out);
	uint64_t below = 0;
	size_t i = 0;
	for (uint32_t k = 1; k <= NANNYML_BINS; k++) {
		double x = edge_at(r, k);
		bool last = k == NANNYML_BINS;
		while (i < s->n && (s->values[i] < x || (last && s->values[i] == x)))
			below += s->counts[i++];
		out[k - 1] = (double)below;
	}
	return out;
}

double nannyml_ks(const struct sample *base, const struct sample *now)
{
	struct range r = {base->values[0], base->values[base->n - 1], 0};
	r.step = (r.last - r.first) / NANNYML_BINS;
	double *a = cumulative(base, &r), *b = cumulative(now, &r), d = 0;
	for (uint32_t k = 0; k < NANNYML_BINS; k++)
		d = fmax(d, fabs(a[k] / (double)base->total - b[k] / (double)now->total));
	free(a);
	free(b);
	return d;
}

// The sum over the values below the range of their own distribution function times the distance
// to the next; n counts them.
static double term_below(const struct sample *s, double first, uint64_t *n)
{
	double sum = 0;
	uint64_t seen = 0;
	size_t end = 0;
	*n = 0;
	while (end < s->n && s->values[end] < first)
		*n += s->counts[end++];
	for (size_t i = 0; i < end; i++) {
		double next = i + 1 < end ? s->values[i + 1] : first;
		seen += s->counts[i];
		sum += (double)seen / (double)(*n + 1) * (next - s->values[i]);
	}
	return sum;
}

static double term_above(const struct sample *s, double last, uint64_t *n)
{
	double sum = 0, was = last;
	uint64_t seen = 1; // the end of the range itself
	size_t from = s->n;
	*n = 0;
	while (from && s->values[from - 1] > last)
		*n += s->counts[--from];
	for (size_t i = from; i < s->n; i++) {
		sum += (1 - (double)seen / (double)(*n + 1)) * (s->values[i] - was);
		seen += s->counts[i];
		was = s->values[i];
	}
	return sum;
}

double nannyml_wasserstein(const struct sample *base, const struct sample *now)
{
	struct range r = {base->values[0], base->values[base->n - 1], 0};
	if (r.first == r.last) { // as numpy widens it
		r.first -= 0.5;
		r.last += 0.5;
	}
	r.step = (r.last - r.first) / NANNYML_BINS;
	double total = (double)now->total, sum = 0;
	uint64_t nbelow, nabove;
	double below = term_below(now, r.first, &nbelow),
	       above = term_above(now, r.last, &nabove);
	double share_below = nbelow ? (double)(nbelow + 1) / total : 0;
	double share_above = nabove ? (double)(nabove + 1) / total : 0;
	double *a = cumulative(base, &r), *b = cumulative(now, &r);
	double width = edge_at(&r, 1) - edge_at(&r, 0);
	for (uint32_t k = 0; k < NANNYML_BINS; k++)
		sum += fabs(a[k] / (double)base->total -
		               ((b[k] - (double)nbelow) / total + share_below)) *
		       width;
	free(a);
	free(b);
	return sum + below * share_below + above * share_above;
}
