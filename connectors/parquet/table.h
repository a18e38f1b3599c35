/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch of rows in a DuckDB table, and its files: one per day, sorted.
 */
#ifndef WEIR_PARQUET_TABLE_H
#define WEIR_PARQUET_TABLE_H

#include "connectors/parquet/duck.h"
#include "connectors/parquet/manifest.h"
#include "data/batch.h"
#include "data/schema.h"

struct row_table {
	struct duck *duck;
	const struct schema *schema; /* the rows' */
	uint32_t nentity;            /* its first fields */
	duckdb_logical_type *types;  /* the schema's, then _offset and _day */
	duckdb_appender rows, gone;
	duckdb_data_chunk chunk, gone_chunk;
	uint32_t ngone; /* in the chunk */
	uint64_t gone_total;
};

/* The number of entity columns of an offline row's schema, which stand before its head; -1:
 * this is no such schema. */
int table_entity_columns(const struct schema *s);

enum status table_open(
        struct row_table *t, struct duck *d, const struct schema *s, struct error *e);
void table_close(struct row_table *t);
/* cols is indexed by the schema's fields; at most BATCH_ROWS_MAX. *bad is the row that failed.
 */
enum status table_add(struct row_table *t, const struct column *cols, const int64_t *offsets,
        uint32_t n, uint32_t *bad, struct error *e);
/* The row with this offset is not to be written. */
enum status table_drop(struct row_table *t, int64_t offset, struct error *e);
/* Writes what there is under temporary names, synced, and plans it in the manifest; step (may
 * be NULL) after each file. The table is then done with. */
enum status table_write(struct row_table *t, struct manifest *m, int32_t partition,
        void (*step)(void *arg), void *arg, struct error *e);

#endif
