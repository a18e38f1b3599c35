/* SPDX-License-Identifier: Apache-2.0
 *
 * The operators, by name, for main.c to hand to the engine.
 */
#ifndef WEIR_OPERATORS_H
#define WEIR_OPERATORS_H

#include "run/operator.h"

extern const struct operator operator_window, operator_key_by;
extern const struct operator *const monitor_operators[MONITOR_ROLES];

#endif
