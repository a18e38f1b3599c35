// SPDX-License-Identifier: Apache-2.0
//
// The table of monitors' steps, by role.
#include "operators/monitor/steps.h"
#include "operators/operators.h"

const struct operator* const monitor_operators[MONITOR_ROLES] = {
        [ROLE_PROFILE] = &operator_monitor_profile,
        [ROLE_SCORES] = &operator_monitor_scores,
        [ROLE_LABELS] = &operator_monitor_labels,
        [ROLE_JOIN] = &operator_monitor_join,
        [ROLE_MERGE] = &operator_monitor_merge,
        [ROLE_MERGE_ERRORS] = &operator_monitor_merge_errors,
        [ROLE_SERVED] = &operator_monitor_served,
        [ROLE_VALUES] = &operator_monitor_values,
        [ROLE_PASS] = &operator_monitor_pass,
        [ROLE_SKEW] = &operator_monitor_skew,
};
