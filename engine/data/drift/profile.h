/* SPDX-License-Identifier: Apache-2.0
 *
 * One column over one window, counted against a baseline: what a monitor keeps as window state.
 * Mergeable, bounded (at most PROFILE_BYTES_MAX packed, some 1 to 4 KB in practice) and a
 * function of the values in their order. It holds a pointer to its baseline column, which
 * outlives it.
 *
 * A number column has a count per cell of the baseline's grid g0 < g1 < ...: (-inf, g0), {g0},
 * (g0, g1), {g1}, ... (g_last, inf), 2 ngrid + 1 in all. The distribution function is so exact
 * at every grid point, from both sides.
 */
#ifndef WEIR_DATA_DRIFT_PROFILE_H
#define WEIR_DATA_DRIFT_PROFILE_H

#include "data/batch.h"
#include "data/drift/baseline.h"

#define PROFILE_VERSION 1
#define PROFILE_NEW_MAX                                                                        \
	64 /* categories that the baseline does not list, by name; then other                  \
	    */
#define PROFILE_BYTES_MAX (64u << 10)

struct profile_new {
	struct buf value;
	uint64_t count;
};

struct profile {
	const struct baseline_column *base;
	uint64_t rows, nulls, non_finite;
	/* number */
	struct moments moments;
	double below,
	        above;   /* sums of (grid[0] - v) and (v - grid[last]) over what lies outside */
	uint64_t *cells; /* 2 ngrid + 1 */
	uint64_t *width; /* base->nwidth: within [min, max] of the reference */
	/* category */
	uint64_t *counts; /* base->ncategories */
	struct profile_new *fresh;
	uint32_t nfresh;
	uint64_t other; /* not listed, and no room among fresh */
};

void profile_init(struct profile *p, const struct baseline_column *base);
void profile_release(struct profile *p);
void profile_reset(struct profile *p); /* as after init, memory kept */

/* The n rows of a column whose numbers are in rows, or rows 0 to n - 1 when that is NULL. The
 * column's type must be one that profile_takes() accepts. Adding rows in two calls or in one
 * makes no difference. */
bool profile_takes(const struct baseline_column *base, const struct type *t);
void profile_add(struct profile *p, const struct column *c, const uint32_t *rows, uint32_t n);
/* One value. */
void profile_add_value(struct profile *p, const struct type *t, const struct value *v);
void profile_add_null(struct profile *p);
void profile_add_number(struct profile *p, double v);
void profile_add_category(struct profile *p, struct slice value);
/* One value that came so often. */
void profile_add_numbers(struct profile *p, double v, uint64_t times);
void profile_add_categories(struct profile *p, struct slice value, uint64_t times);

/* Both of the same baseline column. */
void profile_merge(struct profile *p, const struct profile *other);

/* Format version, then the rest, counts sparse. Unpack (into an initialised profile) is false
 * for another version, damage, or a profile of another baseline. */
void profile_pack(const struct profile *p, struct buf *out);
bool profile_unpack(struct profile *p, struct reader *r);

#endif
