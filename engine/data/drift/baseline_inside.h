/* SPDX-License-Identifier: Apache-2.0
 *
 * For what makes a baseline column: sample.c and baseline_json.c.
 */
#ifndef WEIR_DATA_DRIFT_BASELINE_INSIDE_H
#define WEIR_DATA_DRIFT_BASELINE_INSIDE_H

#include "data/drift/baseline.h"

/* Fills what is made when a column is read, from the rest. */
void baseline_column_index(struct baseline_column *c, struct arena *a);

#endif
