/* SPDX-License-Identifier: Apache-2.0
 *
 * A view's rows on their way out: encoded once and appended to the offline topic. Where there are
 * features made of features, rows are collected as columns first, so that those are computed a batch at
 * a time. Each entity's last row of the epoch is remembered for the online store.
 */
#ifndef WEIR_OPERATORS_WINDOW_ROWS_H
#define WEIR_OPERATORS_WINDOW_ROWS_H

#include "data/avro.h"
#include "data/block.h"
#include "operators/window/layout.h"
#include "run/operator.h"

#define ROWS_MAX BATCH_ROWS_MAX
#define AHEAD_ROWS 8 /* fetched that many before their turn: entry_fetch() */

/* The last row of an entity in this epoch; hangs on its entry. */
struct last_row {
	int64_t event_time, known_at;
	uint32_t len, cap;
	uint8_t features[];
};

/* How a feature is written: most without a call of its own. */
enum field_how { FIELD_LONG, FIELD_DOUBLE, FIELD_OTHER };
struct row_field {
	enum field_how how;
	bool nullable;
	const struct call_place *place; /* NULL: made of features */
};

struct row_cause {
	int64_t event_time, known_at;
	int32_t src_partition; /* -1: time passed */
	int64_t src_offset;
};

struct rows {
	const struct op_conf *conf;
	const struct layout *layout;
	const struct view_plan *plan;
	struct column *calls; /* per call: of the rows collected, or of the one being written */
	struct row_field *fields; /* per feature */
	struct value *entity;     /* one entity's columns */
	uint8_t frame[AVRO_SINGLE_OBJECT_BYTES]; /* of the rows being sent */
	uint32_t frame_len;      /* 0: to be made again */
	struct row_cause *causes; /* of the rows collected */
	struct entry **entries;
	uint32_t n;               /* rows collected, or sent, since arena was emptied */
	struct arena arena;       /* texts of results, programs' columns */
	struct arena epoch;       /* last rows */
	struct arena fixed;       /* the columns above */
	struct buf key, value;
	bool blocks; /* of the view: rows are held in block, until it is full or the epoch ends */
	struct block block;
	uint32_t nblocks; /* of the epoch */
	struct op_counts *counts;
};

void rows_init(struct rows *r, const struct op_conf *conf, const struct layout *l,
	struct op_counts *counts);
void rows_release(struct rows *r);
/* The entity's values as they stand: sent, or collected and sent when there are many. */
enum status rows_add(struct rows *r, struct entry *en, const struct heap *h,
	const struct row_cause *cause, struct error *e);
/* At a batch's end: computes, encodes and appends what was collected, or puts it into the epoch's
 * block. */
enum status rows_send(struct rows *r, struct error *e);
/* Appends what the epoch still holds in a block. */
enum status rows_flush(struct rows *r, struct error *e);
/* The epoch is over; what it held is gone. */
void rows_epoch_end(struct rows *r);
/* Avro bytes of the features of a state row, into a. */
struct slice rows_features(struct rows *r, const struct heap *h, struct arena *a);

#endif
