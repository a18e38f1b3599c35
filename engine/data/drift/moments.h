/* SPDX-License-Identifier: Apache-2.0
 *
 * Count, mean, spread and range of a stream of doubles without cancellation: Welford's updates
 * (1962) and the merge of Chan, Golub and LeVeque (1979), over differences from the first
 * value, so that the rounding of a large mean does not go into every square. A function of the
 * values and their order, never of how they were batched. All zero is empty.
 */
#ifndef WEIR_DATA_DRIFT_MOMENTS_H
#define WEIR_DATA_DRIFT_MOMENTS_H

#include <stdint.h>

#include "base/buf.h"

struct moments {
	uint64_t n;
	double origin; /* the first value */
	double offset; /* the mean - origin */
	double m2;     /* sum of squares of (v - mean) */
	double min, max;
};

void moments_add(struct moments *m, double v); /* v finite */
/* n values in turn; one value so many times. */
void moments_add_all(struct moments *m, const double *v, uint32_t n);
void moments_add_many(struct moments *m, double v, uint64_t times);
void moments_merge(struct moments *m, const struct moments *other);
double moments_mean(const struct moments *m); /* NaN when empty */
double moments_var(const struct moments *m);  /* of the sample, n - 1; NaN below two values */
double moments_var_pop(const struct moments *m); /* NaN when empty */
/* The mean of b less the mean of a. */
double moments_difference(const struct moments *a, const struct moments *b);

void moments_pack(const struct moments *m, struct buf *out);
void moments_unpack(struct moments *m, struct reader *r);

#endif
