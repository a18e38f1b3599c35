/* SPDX-License-Identifier: Apache-2.0
 *
 * Where one spine row's values come from.
 */
#ifndef WEIR_PARQUET_TRAIN_EXPLAIN_H
#define WEIR_PARQUET_TRAIN_EXPLAIN_H

#include "connectors/parquet/train/pass.h"

/* Adds the view's origin to the result if the pass has the row to be explained. */
enum status explain_view(
        struct pass *p, uint32_t view, const struct train_index *x, struct error *e);

#endif
