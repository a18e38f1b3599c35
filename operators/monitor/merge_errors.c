// SPDX-License-Identifier: Apache-2.0
//
// Scores with labels, of all shards of the join: each shard's newest part of a window counts.
// The window's record comes when the joins' watermark passes its end and is restated as labels
// arrive; when the wait for labels is over it is given out for the last time, and that time it
// takes its turn among the windows that alerts are made of.
// Not here: who is joined (join.c), tests and records (verdict.c).
#include <stdlib.h>

#include "data/drift/errors.h"
#include "operators/monitor/channel.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/verdict.h"

struct op {
	struct channel channel;
	struct verdicts verdicts;
};

static const struct stage *stage_of_ids(const struct plan *p)
{
	for (uint32_t i = 0; i < p->nstages; i++)
		if (p->stages[i].in == p->ids)
			return &p->stages[i];
	INVARIANT(!"a monitor with labels has a join");
	return NULL;
}

static enum status window_due(
        struct op *op, struct entry *en, struct arena *a, struct error *e);
static enum status part_put(
        struct op *op, const struct part *p, struct arena *a, struct error *e);

static enum status errors_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	channel_init(&op->channel, conf);
	op->channel.part = part_put;
	op->channel.due = window_due;
	channel_origin(&op->channel, stage_of_ids(conf->plan));
	verdicts_init(&op->verdicts, &op->channel.conf);
	*out = op;
	return ST_OK;
}

static void errors_close(struct op *op)
{
	if (!op)
		return;
	verdicts_release(&op->verdicts);
	channel_release(&op->channel);
	free(op);
}

static enum status window_load(struct op *op, struct entry *en, struct errors_sums *all,
        uint64_t *scores, struct arena *a, struct error *e)
{
	struct slice body;
	uint32_t at = 0;
	const struct heap *h = entry_read(en, a);
	*all = (struct errors_sums){0};
	*scores = 0;
	while (gathered_next(h, &at, &body)) {
		struct reader r = reader_of(body);
		struct errors_sums one;
		*scores += (uint64_t)reader_varint(&r);
		if (!errors_unpack(&one, &r) || r.failed)
			return error_set(e, ERR_FATAL, 0,
			        "monitor %s: a window's labels cannot be read: were they "
			        "written by "
			        "a newer weir?",
			        op->channel.m->name);
		errors_merge(all, &one);
	}
	return ST_OK;
}

static enum status window_tell(
        struct op *op, struct entry *en, bool last, struct arena *a, struct error *e)
{
	struct errors_sums sums;
	uint64_t scores;
	struct slice name = entry_entity(en);
	const struct baseline_segment *base =
	        segment_baseline(op->channel.m, row_segment(name), a);
	if (window_load(op, en, &sums, &scores, a, e))
		return ST_ERR;
	struct errors now = errors_total(&sums);
	struct drift_pair pair = {
	        .errors_base = base->has_errors ? &base->errors : NULL, .errors_now = &now};
	struct verdict *v = arena_calloc(a, 1, sizeof *v);
	*v = (struct verdict){.column = op->channel.m->ncolumns,
	        .segment = row_segment(name),
	        .window = row_window(name),
	        .rows = scores,
	        .nulls = scores - now.absolute.n,
	        .reference_rows = base->has_errors ? base->errors.absolute.n : 0};
	verdict_measure(op->channel.m, &pair, now.absolute.n, v);
	verdict_bins(&pair, v, a);
	op->channel.counts.rows++;
	if (verdict_record(&op->verdicts, v, a, e))
		return ST_ERR;
	return last ? verdict_alerts(&op->verdicts, v, a, e) : ST_OK;
}

static enum status window_due(struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	int64_t end = labels_end(op->channel.m, row_window(entry_entity(en)));
	bool last = op->channel.watermark >= end;
	/* The last ones in the order of their ends, however far the watermark has come at once.
	 */
	bool later = last && entry_due(en) < end;
	if (!later && window_tell(op, en, last, a, e))
		return ST_ERR;
	if (last && !later) {
		entry_drop(op->channel.conf.table, en);
		return ST_OK;
	}
	((struct row_head *)entry_write(op->channel.conf.table, en)->base)->due = end;
	entry_due_changed(op->channel.conf.table, en);
	return ST_OK;
}

/* The part's watermark has not passed everywhere yet: it is told with the next note. */
static enum status part_put(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	int64_t end = p->window + op->channel.m->window_ms, due = op->channel.watermark + 1;
	if (p->kind != PART_ERRORS)
		return ST_OK; /* merge.c's */
	if (op->channel.watermark >= labels_end(op->channel.m, p->window)) {
		op->channel.counts.forgotten++; /* of a shard that waited for idle partitions */
		return ST_OK;
	}
	row_name(&op->channel.name, 'e', p->window, p->segment);
	if (row_resolve(&op->channel.conf, buf_view(&op->channel.name), &en, a, e))
		return ST_ERR;
	gathered_put(entry_read(en, a), p->partition, p->body, true, &op->channel.row);
	((struct gathered_row *)op->channel.row.p)->head.due =
	        op->channel.watermark == INPUTS_NO_TIME || due < end ? end : due;
	row_set(entry_write(op->channel.conf.table, en), op->channel.row.p,
	        (uint32_t)op->channel.row.len);
	entry_due_changed(op->channel.conf.table, en);
	return ST_OK;
}

const struct operator operator_monitor_merge_errors = {.name = "monitor_merge_errors",
        .open = errors_open,
        .close = errors_close,
        CHANNEL_STEP};
