/* SPDX-License-Identifier: Apache-2.0
 *
 * From records to a batch: decoded by their writer's schema, a key that comes again replacing
 * what stood before it. All rows of a batch have one writer's schema. A block (data/block.h) is
 * many rows, which have the keys that they would have as records.
 */
#ifndef WEIR_PARQUET_COLLECT_H
#define WEIR_PARQUET_COLLECT_H

#include "base/key_map.h"
#include "connectors/parquet/export.h"
#include "connectors/parquet/table.h"

struct writer {
	bool by_id;
	uint64_t key; /* registry id or fingerprint */
};

struct collect {
	const struct export_conf *conf;
	uint64_t superseded, tombstones; /* counted up */
	uint64_t nulled;                 /* the same, when a batch ends */
	struct duck *duck;               /* table is registered */
	const char *topic;
	int32_t partition;
	uint32_t rows_max;
	uint64_t bytes_max;
	/* The batch. */
	bool open; /* table and decoder are there */
	bool blocks; /* its records are blocks of rows */
	struct writer writer;
	const struct schema *schema; /* of the rows */
	struct arena schema_arena;   /* where that is a block's */
	struct row_table table;
	struct decoder *decoder;
	struct column *cols;
	uint32_t row_bytes;
	struct key_map keys; /* where the batch's rows have each last, or KEYS_GONE */
	struct buf key;     /* of a row in a block */
	struct arena arena; /* of one decoding */
	uint32_t rows;
	uint64_t bytes;
};

void collect_release(struct collect *c);
/* Takes records into the batch: *taken of them. Fewer than n: write the batch first. n is at
 * most BATCH_ROWS_MAX. */
enum status collect_add(struct collect *c, const struct log_record *records, uint32_t n,
        uint32_t *taken, struct error *e);
/* Writes the batch's files under temporary names; the batch is empty after it, also after an
 * error. */
enum status collect_write(struct collect *c, const struct table_out *out, struct error *e);

#endif
