/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a batch's rows in its files: by day, entity, event_time, known_at, and the
 * source's position with expiry rows (which have none) first.
 */
#ifndef WEIR_PARQUET_ORDER_H
#define WEIR_PARQUET_ORDER_H

#include <stdint.h>

#include "connectors/parquet/vectors.h"

/* What is sorted: n rows in columns, numbered as they came; those that are gone are left out.
 * columns: the entity's, then event_time, known_at, source_partition and source_offset. */
struct order_rows {
	const struct vector_column *columns;
	uint32_t nentity;
	uint32_t n;
	const struct vector_column *days, *gone; /* int64, bool */
};

/* The numbers of the rows that are not gone, in order; *n of them. The caller frees. */
uint32_t *order_make(const struct order_rows *r, uint32_t *n);

#endif
