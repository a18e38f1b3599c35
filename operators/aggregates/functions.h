/* SPDX-License-Identifier: Apache-2.0
 *
 * Every aggregate function, for the table in operators/aggregates.c.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_FUNCTIONS_H
#define WEIR_OPERATORS_AGGREGATES_FUNCTIONS_H

#include "data/aggregate.h"

extern const struct aggregate aggregate_count;
extern const struct aggregate aggregate_sum;
extern const struct aggregate aggregate_avg;
extern const struct aggregate aggregate_min;
extern const struct aggregate aggregate_max;
extern const struct aggregate aggregate_var;
extern const struct aggregate aggregate_stddev;
extern const struct aggregate aggregate_var_pop;
extern const struct aggregate aggregate_stddev_pop;
extern const struct aggregate aggregate_first;
extern const struct aggregate aggregate_last;
extern const struct aggregate aggregate_distinct;
extern const struct aggregate aggregate_approx_distinct;
extern const struct aggregate aggregate_quantile;
extern const struct aggregate aggregate_median;
extern const struct aggregate aggregate_top;

#endif
