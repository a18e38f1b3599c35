/* SPDX-License-Identifier: Apache-2.0
 *
 * Survival functions that the tests' p-values need. special.c and kolmogorov.c say where each
 * formula is from.
 */
#ifndef WEIR_DATA_DRIFT_SPECIAL_H
#define WEIR_DATA_DRIFT_SPECIAL_H

#include <stdint.h>

/* P(X >= x) for chi-square with df > 0 degrees of freedom. */
double special_chi2_sf(double x, double df);

/* P(D >= d) for the two-sided one-sample Kolmogorov-Smirnov statistic of n values. */
double special_ks_sf(uint64_t n, double d);

/* P(D >= d) for the two-sample statistic of n1 and n2 values: by special_ks_sf with
 * n1 n2 / (n1 + n2) rounded to a whole number, as scipy's ks_2samp(method="asymp") has it. */
double special_ks2_sf(uint64_t n1, uint64_t n2, double d);

/* The same, exactly, by counting lattice paths; at most KS2_EXACT_MAX values a side. Its cost
 * is n1 * n2 * d. */
#define KS2_EXACT_MAX 10000
double special_ks2_exact(uint32_t n1, uint32_t n2, double d);

#endif
