// SPDX-License-Identifier: Apache-2.0
//
// The table of aggregate functions. Adding one: its file under aggregates/, its line in
// aggregates/functions.h, its row here.
#include "operators/aggregates.h"

#include "operators/aggregates/functions.h"

const struct aggregate *const aggregates[] = {
        &aggregate_count,
        &aggregate_sum,
        &aggregate_avg,
        &aggregate_min,
        &aggregate_max,
        &aggregate_var,
        &aggregate_stddev,
        &aggregate_var_pop,
        &aggregate_stddev_pop,
        &aggregate_first,
        &aggregate_last,
        &aggregate_distinct,
        &aggregate_approx_distinct,
        &aggregate_quantile,
        &aggregate_median,
        &aggregate_top,
        NULL,
};
