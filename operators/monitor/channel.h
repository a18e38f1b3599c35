/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps behind a channel have in common: they take parts, keep how far their inputs
 * are, and do what is due by that watermark. A step's struct op begins with a struct channel.
 */
#ifndef WEIR_OPERATORS_MONITOR_CHANNEL_H
#define WEIR_OPERATORS_MONITOR_CHANNEL_H

#include "operators/monitor/inputs.h"

struct channel {
	struct op_conf conf;
	const struct monitor *m;
	struct inputs inputs;
	int64_t watermark; /* as of the record in hand; INPUTS_NO_TIME: none yet */
	bool behind;       /* what is due by the watermark has not all been done */
	struct op_counts counts, committed;
	struct buf name, row; /* for row_name and a row in the making */
	/* A part that is no note. */
	enum status (*part)(
	        struct op *op, const struct part *p, struct arena *a, struct error *e);
	/* A note, before its time counts; may be NULL. */
	enum status (*note)(
	        struct op *op, const struct part *p, struct arena *a, struct error *e);
	/* An entry that is due: it is dropped, or due later, when this returns. */
	enum status (*due)(struct op *op, struct entry *en, struct arena *a, struct error *e);
	/* Nothing more is due; may be NULL. ST_END: it changed nothing. */
	enum status (*told)(struct op *op, struct arena *a, struct error *e);
};

void channel_init(struct channel *c, const struct op_conf *conf);
void channel_release(struct channel *c);
/* Notes of a stage count. */
void channel_origin(struct channel *c, const struct stage *st);

void channel_table_set(struct op *op, struct table *t);
enum status channel_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
        struct arena *a, struct error *e);
enum status channel_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e);
void channel_epoch_end(struct op *op, bool committed);
const struct op_counts *channel_counts(struct op *op);

/* The members of an operator's table that are the same for all. */
#define CHANNEL_STEP                                                                           \
	.pack = row_pack_none, .table_set = channel_table_set, .batch = channel_batch,         \
	.expire = channel_expire, .epoch_end = channel_epoch_end, .counts = channel_counts

#endif
