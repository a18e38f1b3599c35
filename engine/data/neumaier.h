/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of doubles with their rounding error carried beside them (Neumaier 1974): the order in
 * which tiles are merged then shows at most in the last digit or so. What it does not do: come
 * back from an infinity; a window that overflowed is null until the tile that did it leaves.
 */
#ifndef WEIR_DATA_NEUMAIER_H
#define WEIR_DATA_NEUMAIER_H

#include <math.h>

struct neumaier {
	double sum, lost;
};

static inline void neumaier_add(struct neumaier *s, double v)
{
	double t = s->sum + v;
	s->lost += fabs(s->sum) >= fabs(v) ? (s->sum - t) + v : (v - t) + s->sum;
	s->sum = t;
}

static inline void neumaier_merge(struct neumaier *dst, const struct neumaier *src)
{
	neumaier_add(dst, src->sum);
	dst->lost += src->lost;
}

static inline double neumaier_total(const struct neumaier *s)
{
	return s->sum + s->lost;
}

/* The total divided by a count, rounded about once: a constant's mean is the constant. */
static inline double neumaier_mean(const struct neumaier *s, double count)
{
	double mean = s->sum / count;
	return mean + (fma(-mean, count, s->sum) + s->lost) / count;
}

#endif
