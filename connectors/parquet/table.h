/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch of rows in DuckDB's chunks, and its files: one per day, sorted.
 */
#ifndef WEIR_PARQUET_TABLE_H
#define WEIR_PARQUET_TABLE_H

#include "connectors/parquet/duck.h"
#include "connectors/parquet/manifest.h"
#include "connectors/parquet/vectors.h"
#include "data/batch.h"
#include "data/schema.h"

struct row_chunk {
	duckdb_data_chunk data; /* the schema's fields, _offset, _day, _gone */
	int64_t *offsets, *days;
	bool *gone;
	uint32_t n;
};

struct row_day {
	int64_t day, first, last; /* offsets */
	uint64_t rows;
};

struct row_table {
	struct duck *duck;
	const struct schema *schema; /* the rows' */
	uint32_t nentity;            /* its first fields */
	duckdb_logical_type *types;
	struct row_chunk *chunks;
	uint32_t nchunks, cap_chunks;
	struct row_day *days;
	uint32_t ndays, cap_days, last_day;
	uint64_t nulled; /* as vector_fill says */
	/* While it is written. */
	struct vector_column *columns; /* over all chunks */
	uint32_t *order;               /* numbers of rows */
	uint32_t at, end;              /* of the day's that DuckDB has not pulled yet */
};

/* Where files go, and who is told of each (under its temporary name). */
struct table_out {
	const char *dir; /* DIR/VIEW/vN */
	int32_t partition;
	void *arg;
	void (*file)(void *arg, const struct manifest_file *f);
};

/* The number of entity columns of an offline row's schema, which stand before its head; -1:
 * this is no such schema. */
int table_entity_columns(const struct schema *s);

/* Once per database: t stays where it is. */
enum status table_register(struct row_table *t, struct duck *d, struct error *e);
enum status table_open(
        struct row_table *t, struct duck *d, const struct schema *s, struct error *e);
void table_close(struct row_table *t);
/* cols is indexed by the schema's fields. Offsets rise, but for rows of one block, which share
 * theirs. *bad is the row that failed. */
enum status table_add(struct row_table *t, const struct column *cols, const int64_t *offsets,
        uint32_t n, uint32_t *bad, struct error *e);
/* The row with this offset, which is in it, is not to be written. */
void table_drop(struct row_table *t, int64_t offset);
/* The same of the row with this number, counted from 0 as they were added; whether it was to be. */
bool table_drop_row(struct row_table *t, uint32_t row);
/* The same of it and those behind it with its offset; how many were to be. */
uint32_t table_drop_block(struct row_table *t, uint32_t first);
/* Writes what there is under temporary names. The table is then done with. */
enum status table_write(struct row_table *t, const struct table_out *out, struct error *e);

#endif
