/* SPDX-License-Identifier: Apache-2.0
 *
 * For the files that measure: bins.c makes the two histograms that a mode compares, distances.c
 * compares distribution functions, tests.c is the table over both.
 */
#ifndef WEIR_DATA_DRIFT_TESTS_INSIDE_H
#define WEIR_DATA_DRIFT_TESTS_INSIDE_H

#include "data/drift/sample.h"
#include "data/drift/tests.h"

/* Counts side by side; totals are of all values, whether or not a bin has them. */
struct bins {
	double *base, *now;
	uint32_t n, cap;
	double base_total, now_total;
};

/* False: there is nothing to compare (a side is empty, or has no such bins). Release it in
 * every case. */
bool bins_for_psi(struct bins *b, const struct drift_pair *pair, enum drift_mode mode);
bool bins_for_js(struct bins *b, const struct drift_pair *pair, enum drift_mode mode);
bool bins_for_chi2(struct bins *b, const struct drift_pair *pair, enum drift_mode mode);
void bins_release(struct bins *b);

/* A number column's two sides, as cells of the baseline's grid. */
struct cells {
	const double *grid;
	uint32_t n;                 /* points */
	const uint64_t *base, *now; /* 2 n + 1 each */
	uint64_t *base_buf;
	double base_total, now_total;
};

/* False: a side has no finite value. Release it in every case. */
bool cells_of(struct cells *c, const struct drift_pair *pair);
void cells_release(struct cells *c);

/* Both sides have values. Raw ones when the pair has them. */
double distance_ks(const struct drift_pair *pair, enum drift_mode mode);
double distance_ks_p(const struct drift_pair *pair, enum drift_mode mode, double d);
double distance_wasserstein(const struct drift_pair *pair, enum drift_mode mode);

/* NannyML compares histograms of as many equal bins from so many reference values on. */
#define NANNYML_ROWS_MIN 10000
#define NANNYML_BINS 10000
double nannyml_ks(const struct sample *base, const struct sample *now);
double nannyml_wasserstein(const struct sample *base, const struct sample *now);

#endif
