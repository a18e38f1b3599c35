/* SPDX-License-Identifier: Apache-2.0
 *
 * The aggregate functions a job file can name: data/aggregate.h is the contract, one file per
 * function or tight family under operators/aggregates/.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_H
#define WEIR_OPERATORS_AGGREGATES_H

#include "data/aggregate.h"

/* NULL-terminated, in the order of the reference. */
extern const struct aggregate *const aggregates[];

#endif
