/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns and batches: what decoders fill, programs compute and operators see. A batch's memory
 * is one arena; columns that the plan does not need have no data.
 */
#ifndef WEIR_DATA_BATCH_H
#define WEIR_DATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "data/type.h"

/* Rows in one batch: small enough for its columns to stay in the cache, large enough to spread
 * the cost per batch. */
#define BATCH_ROWS_MAX 1024

/* null[i] is 1 when row i is null; its data is then unspecified. null is never NULL when data is
 * there. The union member is chosen by type_form(type). */
struct column {
	const struct type *type;
	uint8_t *null;
	union {
		void *data; /* NULL: column not loaded */
		int64_t *i64;
		double *f64;
		__int128 *i128;
		struct slice *bytes;
	};
};

/* One value, outside a column. */
struct value {
	bool null;
	union {
		int64_t i64;
		double f64;
		__int128 i128;
		struct slice bytes;
	};
};

/* A change's kind: append-only topics only insert. */
enum change { OP_INSERT, OP_UPDATE_BEFORE, OP_UPDATE_AFTER, OP_DELETE };

/* How far a partition of the source is, told through a repartition topic. */
struct batch_note {
	int32_t partition;
	int64_t time; /* its watermark, INT64_MIN: it is empty */
	bool idle;
};

struct batch {
	uint32_t n;
	uint8_t *op;             /* enum change */
	int64_t *event_time;     /* ms since the epoch */
	int64_t *known_at;       /* Kafka timestamp of the source record, ms */
	int32_t *src_partition;  /* of the source topic, also behind a repartition */
	int64_t *src_offset;
	int64_t *src_stream_time; /* the source partition's stream time after this record, ms */
	struct column *cols;     /* indexed by the source schema's field number */
	uint32_t ncols;
	const struct batch_note *notes; /* all rows before them are in this batch or an earlier one */
	uint32_t nnotes;
};

/* Allocates a column of n rows, nothing null. */
void column_init(struct column *c, const struct type *t, uint32_t n, struct arena *a);
struct value column_get(const struct column *c, uint32_t i);
/* Bytes are stored as given (borrowed). */
void column_set(struct column *c, uint32_t i, const struct value *v);

/* A batch with room for n rows and ncols columns, none of them loaded. */
void batch_init(struct batch *b, uint32_t n, uint32_t ncols, struct arena *a);

/* Keeps the rows with keep[i] != 0, in order, in every loaded column. */
void batch_filter(struct batch *b, const uint8_t *keep);

/* -1, 0, 1; nulls not allowed; both of type t. Text and bytes bytewise. */
int value_cmp(const struct type *t, const struct value *a, const struct value *b);

#endif
