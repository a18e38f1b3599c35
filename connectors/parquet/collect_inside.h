/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by collect.c and collect_blocks.c.
 */
#ifndef WEIR_PARQUET_COLLECT_INSIDE_H
#define WEIR_PARQUET_COLLECT_INSIDE_H

#include "connectors/parquet/collect.h"

/* In keys, for a row or block that has a tombstone behind it or has no rows. */
#define KEYS_GONE (-2)

bool collect_is_full(const struct collect *c);
/* Decodes n rows, at most BATCH_ROWS_MAX, into the batch. */
enum status collect_rows(struct collect *c, const struct slice *values, const int64_t *offsets,
        uint32_t n, struct error *e);
/* The error: the record there is no row, or block of rows. detail may be NULL. */
enum status collect_bad(const struct collect *c, int64_t offset, const char *why,
        const char *detail, struct error *e);

/* Takes *taken of n blocks, whole ones. */
enum status collect_blocks(struct collect *c, const struct log_record *records, uint32_t n,
        uint32_t *taken, struct error *e);
/* A tombstone. */
void collect_block_gone(struct collect *c, const struct log_record *r);

#endif
