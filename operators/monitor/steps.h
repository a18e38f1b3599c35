/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of monitors, for the table of operators.
 */
#ifndef WEIR_OPERATORS_MONITOR_STEPS_H
#define WEIR_OPERATORS_MONITOR_STEPS_H

#include "run/operator.h"

extern const struct operator operator_monitor_profile, operator_monitor_scores,
        operator_monitor_labels, operator_monitor_join, operator_monitor_merge,
        operator_monitor_merge_errors, operator_monitor_served, operator_monitor_values,
        operator_monitor_pass, operator_monitor_skew;

#endif
