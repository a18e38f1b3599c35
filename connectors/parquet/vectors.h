/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns into DuckDB's vectors, column by column. The vectors have the types of the table that
 * they go to (table.c).
 */
#ifndef WEIR_PARQUET_VECTORS_H
#define WEIR_PARQUET_VECTORS_H

#include <duckdb.h>

#include "base/error.h"
#include "data/batch.h"
#include "data/schema.h"

/* Rows from..from+n-1 of c into v's rows at.. on. ERR_FATAL: a decimal has more digits than its
 * type; *row is its row. */
enum status vector_fill(duckdb_vector v, uint32_t at, const struct field *f,
        const struct column *c, uint32_t from, uint32_t n, uint32_t *row, struct error *e);

/* About how many bytes a row of s takes in a DuckDB table, without texts longer than 12 bytes.
 */
uint32_t vector_row_bytes(const struct schema *s);

#endif
