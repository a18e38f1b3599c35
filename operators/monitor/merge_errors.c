// SPDX-License-Identifier: Apache-2.0
//
// Scores with labels, of all shards of the join: each shard's newest part of a window counts.
// The window's record comes when the joins' watermark passes its end and is restated as labels
// arrive; when the wait for labels is over it is given out for the last time, and that time it
// takes its turn among the windows that alerts are made of.
// Not here: who is joined (join.c), tests and records (verdict.c).
#include <stdlib.h>

#include "data/drift/errors.h"
#include "operators/monitor/inputs.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/verdict.h"

struct op {
	struct op_conf conf;
	const struct monitor *m;
	struct inputs inputs;
	struct verdicts verdicts;
	int64_t watermark;
	struct op_counts counts, committed;
	struct buf name, row;
};

static const struct stage *stage_of_ids(const struct plan *p)
{
	for (uint32_t i = 0; i < p->nstages; i++)
		if (p->stages[i].in == p->ids)
			return &p->stages[i];
	INVARIANT(!"a monitor with labels has a join");
	return NULL;
}

static enum status errors_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->m = &conf->plan->job->monitors[conf->step->monitor];
	op->inputs = (struct inputs){
	        .conf = &op->conf, .norigins = 1, .origins = {stage_of_ids(conf->plan)}};
	verdicts_init(&op->verdicts, &op->conf);
	*out = op;
	return ST_OK;
}

static void errors_close(struct op *op)
{
	if (!op)
		return;
	verdicts_release(&op->verdicts);
	buf_release(&op->name);
	buf_release(&op->row);
	free(op);
}

static void errors_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

static enum status window_load(struct op *op, struct entry *en, struct errors *all,
        uint64_t *scores, struct arena *a, struct error *e)
{
	struct slice body;
	uint32_t at = 0;
	const struct heap *h = entry_read(en, a);
	*all = (struct errors){0};
	*scores = 0;
	while (gathered_next(h, &at, &body)) {
		struct reader r = reader_of(body);
		struct errors one = {0};
		*scores += (uint64_t)reader_varint(&r);
		if (!errors_unpack(&one, &r) || r.failed)
			return error_set(e, ERR_FATAL, 0,
			        "monitor %s: a window's labels cannot be read: were they "
			        "written by "
			        "a newer weir?",
			        op->m->name);
		errors_merge(all, &one);
	}
	return ST_OK;
}

static enum status window_tell(
        struct op *op, struct entry *en, bool last, struct arena *a, struct error *e)
{
	struct errors now;
	uint64_t scores;
	struct slice name = entry_entity(en);
	const struct baseline_segment *base = segment_baseline(op->m, row_segment(name), a);
	if (window_load(op, en, &now, &scores, a, e))
		return ST_ERR;
	struct drift_pair pair = {
	        .errors_base = base->has_errors ? &base->errors : NULL, .errors_now = &now};
	struct verdict *v = arena_calloc(a, 1, sizeof *v);
	*v = (struct verdict){.column = op->m->ncolumns,
	        .segment = row_segment(name),
	        .window = row_window(name),
	        .rows = scores,
	        .nulls = scores - now.absolute.n,
	        .reference_rows = base->has_errors ? base->errors.absolute.n : 0};
	verdict_measure(op->m, &pair, now.absolute.n, v);
	verdict_bins(&pair, v, a);
	op->counts.rows++;
	if (verdict_record(&op->verdicts, v, a, e))
		return ST_ERR;
	return last ? verdict_alerts(&op->verdicts, v, a, e) : ST_OK;
}

static enum status window_due(struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	int64_t end = labels_end(op->m, row_window(entry_entity(en)));
	bool last = op->watermark >= end;
	/* The last ones in the order of their ends, however far the watermark has come at once.
	 */
	bool later = last && entry_due(en) < end;
	if (!later && window_tell(op, en, last, a, e))
		return ST_ERR;
	if (last && !later) {
		entry_drop(op->conf.table, en);
		return ST_OK;
	}
	((struct row_head *)entry_write(op->conf.table, en)->base)->due = end;
	entry_due_changed(op->conf.table, en);
	return ST_OK;
}

static enum status due_do(struct op *op, struct arena *a, struct error *e)
{
	if (op->watermark == INPUTS_NO_TIME)
		return ST_END;
	for (uint32_t i = 0; i < EXPIRE_CHUNK; i++) {
		struct entry *en;
		enum status st =
		        table_due(op->conf.table, op->conf.space, op->watermark, &en, a, e);
		if (st)
			return st;
		if (window_due(op, en, a, e))
			return ST_ERR;
	}
	return ST_OK;
}

/* The part's watermark has not passed everywhere yet: it is told with the next note. */
static enum status part_put(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	int64_t end = p->window + op->m->window_ms, due = op->watermark + 1;
	if (op->watermark >= labels_end(op->m, p->window)) {
		op->counts.forgotten++; /* of a shard that waited for idle partitions */
		return ST_OK;
	}
	row_name(&op->name, 'e', p->window, p->segment);
	if (row_resolve(&op->conf, buf_view(&op->name), &en, a, e))
		return ST_ERR;
	gathered_put(entry_read(en, a), p->partition, p->body, true, &op->row);
	((struct gathered_row *)op->row.p)->head.due =
	        op->watermark == INPUTS_NO_TIME || due < end ? end : due;
	row_set(entry_write(op->conf.table, en), op->row.p, (uint32_t)op->row.len);
	entry_due_changed(op->conf.table, en);
	return ST_OK;
}

static enum status errors_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	if (p->kind == PART_ERRORS)
		return part_put(op, p, a, e);
	if (p->kind != PART_NOTE && p->kind != PART_IDLE)
		return ST_OK; /* merge.c's */
	enum status st = inputs_note(&op->inputs, p, &op->watermark, a, e);
	return st ? st : due_do(op, a, e);
}

static enum status errors_batch(struct op *op, const struct batch *b,
        const int64_t *stream_time, struct arena *a, struct error *e)
{
	(void)stream_time;
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < b->n; i++) {
		struct part p;
		if (part_read(op->m, b, i, &p) && errors_part(op, &p, a, e) < 0)
			return ST_ERR;
	}
	return ST_OK;
}

static enum status errors_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	(void)stream_time;
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	return due_do(op, a, e);
}

static void errors_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *errors_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_merge_errors = {
        .name = "monitor_merge_errors",
        .open = errors_open,
        .close = errors_close,
        .pack = row_pack_none,
        .table_set = errors_table_set,
        .batch = errors_batch,
        .expire = errors_expire,
        .epoch_end = errors_epoch_end,
        .counts = errors_counts,
};
