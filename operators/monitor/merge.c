// SPDX-License-Identifier: Apache-2.0
//
// The last step of a monitor, one task for all partitions of its predictions: parts of a window
// are kept as they came, by partition, and put together in that order when the watermark of all
// partitions passes the window's end; so it does not show which partition was read first.
//
// A closed window is kept for one window more: a part of a partition that was idle restates its
// records, and says no alert. What comes later still is counted and left out.
// Not here: tests and records (verdict.c), runs of windows (alerts.c), labels (merge_errors.c).
#include <stdlib.h>

#include "operators/monitor/groups.h"
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
	struct profile *profiles; /* of the window in hand */
	struct buf name, row, body;
};

static enum status merge_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->m = &conf->plan->job->monitors[conf->step->monitor];
	op->inputs = (struct inputs){.conf = &op->conf,
	        .norigins = 1,
	        .origins = {stage_of_source(conf->plan, op->m->source)}};
	op->profiles = xcalloc(op->m->ncolumns, sizeof *op->profiles);
	verdicts_init(&op->verdicts, &op->conf);
	*out = op;
	return ST_OK;
}

static void merge_close(struct op *op)
{
	if (!op)
		return;
	verdicts_release(&op->verdicts);
	free(op->profiles);
	buf_release(&op->name);
	buf_release(&op->row);
	buf_release(&op->body);
	free(op);
}

static void merge_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

static enum status column_tell(struct op *op, struct slice name, uint32_t column, bool alerts,
        struct arena *a, struct error *e)
{
	const struct profile *p = &op->profiles[column];
	struct drift_pair pair = {.base = p->base, .now = p};
	struct verdict *v = arena_calloc(a, 1, sizeof *v);
	*v = (struct verdict){.column = column,
	        .segment = row_segment(name),
	        .window = row_window(name),
	        .rows = p->rows,
	        .nulls = p->nulls,
	        .reference_rows = p->base->rows};
	verdict_measure(op->m, &pair, p->rows, v);
	verdict_bins(&pair, v, a);
	if (verdict_record(&op->verdicts, v, a, e))
		return ST_ERR;
	return alerts ? verdict_alerts(&op->verdicts, v, a, e) : ST_OK;
}

static enum status window_damaged(struct op *op, struct error *e)
{
	return error_set(e, ERR_FATAL, 0,
	        "monitor %s: a window's part cannot be read: was it written by a newer weir?",
	        op->m->name);
}

static enum status window_load(struct op *op, struct entry *en,
        const struct baseline_column *base, struct arena *a, struct error *e)
{
	struct slice body;
	uint32_t at = 0;
	const struct heap *h = entry_read(en, a);
	while (gathered_next(h, &at, &body))
		if (!body_merge(body, op->profiles, base, op->m))
			return window_damaged(op, e);
	return ST_OK;
}

/* Its parts become one. */
static void window_set(struct op *op, struct entry *en)
{
	op->body.len = 0;
	body_write(op->profiles, op->m, &op->body);
	gathered_put(NULL, 0, buf_view(&op->body), false, &op->row);
	struct gathered_row *r = (struct gathered_row *)op->row.p;
	r->closed = 1;
	r->head.due = row_window(entry_entity(en)) + 2 * op->m->window_ms;
	row_set(entry_write(op->conf.table, en), op->row.p, (uint32_t)op->row.len);
	entry_due_changed(op->conf.table, en);
}

/* Gives out its records. alerts: its turn in the row of windows. */
static enum status window_close(
        struct op *op, struct entry *en, bool alerts, struct arena *a, struct error *e)
{
	struct slice name = entry_entity(en);
	const struct baseline_column *base =
	        segment_baseline(op->m, row_segment(name), a)->columns;
	profiles_open(op->profiles, base, op->m);
	enum status st = window_load(op, en, base, a, e);
	for (uint32_t i = 0; !st && i < op->m->ncolumns; i++)
		st = column_tell(op, name, i, alerts, a, e);
	if (!st)
		window_set(op, en);
	profiles_close(op->profiles, op->m);
	op->counts.rows++;
	return st;
}

static enum status part_put(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	int64_t end = p->window + op->m->window_ms;
	row_name(&op->name, 'w', p->window, p->segment);
	if (row_resolve(&op->conf, buf_view(&op->name), &en, a, e))
		return ST_ERR;
	bool closed = end <= op->watermark;
	if (closed && end + op->m->window_ms <= op->watermark) {
		op->counts.forgotten++;
		return ST_OK;
	}
	gathered_put(entry_read(en, a), p->partition, p->body, false, &op->row);
	((struct gathered_row *)op->row.p)->head.due = closed ? end + op->m->window_ms : end;
	row_set(entry_write(op->conf.table, en), op->row.p, (uint32_t)op->row.len);
	entry_due_changed(op->conf.table, en);
	return closed ? window_close(op, en, false, a, e) : ST_OK;
}

/* What the watermark has passed, at most EXPIRE_CHUNK. ST_END: nothing more. */
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
		if (((const struct gathered_row *)entry_read(en, a)->base)->closed)
			entry_drop(op->conf.table, en);
		else if (window_close(op, en, true, a, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status merge_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	if (p->kind == PART_PROFILE)
		return part_put(op, p, a, e);
	if (p->kind != PART_NOTE && p->kind != PART_IDLE)
		return ST_OK; /* merge_errors.c's */
	enum status st = inputs_note(&op->inputs, p, &op->watermark, a, e);
	return st ? st : due_do(op, a, e);
}

static enum status merge_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
        struct arena *a, struct error *e)
{
	(void)stream_time;
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < b->n; i++) {
		struct part p;
		if (part_read(op->m, b, i, &p) && merge_part(op, &p, a, e) < 0)
			return ST_ERR;
	}
	return ST_OK;
}

static enum status merge_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	(void)stream_time; /* its time is its inputs' notes */
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	return due_do(op, a, e);
}

static void merge_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *merge_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_merge = {
        .name = "monitor_merge",
        .open = merge_open,
        .close = merge_close,
        .pack = row_pack_none,
        .table_set = merge_table_set,
        .batch = merge_batch,
        .expire = merge_expire,
        .epoch_end = merge_epoch_end,
        .counts = merge_counts,
};
