/* SPDX-License-Identifier: Apache-2.0
 *
 * DDSketch (Masson, Rim, Lee 2019): quantiles of doubles with a bound on the relative error of
 * the value. The accumulator is a struct ddsketch in a heap; all zero is empty.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_DDSKETCH_H
#define WEIR_OPERATORS_AGGREGATES_DDSKETCH_H

#include "data/heap.h"

#define DDSKETCH_EXACT_MAX 32     /* up to so many values they are kept as they are */
#define DDSKETCH_BUCKETS_MAX 2048 /* then at most so many buckets */

struct ddsketch {
	struct blob data;
	uint32_t has_buckets;
};

void ddsketch_add(struct heap *h, uint32_t off, double v); /* v finite */
void ddsketch_merge(struct heap *h, uint32_t dst, uint32_t src);
/* The value of rank floor(q (n - 1)), counted from 0; false when empty. */
bool ddsketch_quantile(const struct heap *h, uint32_t off, double q, double *out);

#endif
