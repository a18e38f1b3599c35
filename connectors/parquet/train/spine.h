/* SPDX-License-Identifier: Apache-2.0
 *
 * The spine, read once, in its order. A chunk's columns are those of the file (columns), then T
 * in microseconds, then per view its entity's values as the view's files have them.
 */
#ifndef WEIR_PARQUET_TRAIN_SPINE_H
#define WEIR_PARQUET_TRAIN_SPINE_H

#include "connectors/parquet/train/plan.h"

struct spine {
	const struct plan *plan;
	struct duck_stream stream;
	uint32_t columns;                    /* of the file; the column after them is T */
	uint32_t entity_at[TRAIN_VIEWS_MAX]; /* the view's first key column */
	uint64_t rows;                       /* given out */
};

/* The columns of the file, for the plan. */
enum status spine_describe(struct plan *p, struct duck *d, struct error *e);
/* Which column is the time; its type must be one. */
enum status spine_time(struct plan *p, struct error *e);
enum status spine_open(struct spine *s, const struct plan *p, struct duck *d, struct error *e);
/* ST_END: no more. ERR_USER: a time is missing or none. */
enum status spine_next(struct spine *s, duckdb_data_chunk *out, struct error *e);
void spine_close(struct spine *s);

#endif
