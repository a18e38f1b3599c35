// SPDX-License-Identifier: Apache-2.0
//
// The last step of a monitor, one task for all partitions of its predictions: parts of a window
// are kept as they came, by partition, and put together in that order when the watermark of all
// partitions passes the window's end; so it does not show which partition was read first.
//
// A closed window is kept for one window more: a part of a partition that was idle restates its
// records, and says no alert. What comes later still is counted and left out.
// Not here: what a window's parts are (merge_profiles.c, merge_skew.c), tests and records
// (verdict.c), runs of windows (alerts.c), labels (merge_errors.c).
#include "operators/monitor/merge.h"

#include <stdlib.h>

#include "operators/monitor/skew.h"
#include "operators/monitor/steps.h"

struct op {
	struct merge merge;
	const struct merge_kind *kind;
};

static const struct stage *stage_of_skew(const struct plan *p)
{
	for (uint32_t i = 0; i < p->nstages; i++)
		if (p->stages[i].in == p->skew)
			return &p->stages[i];
	INVARIANT(!"a monitor of skew has a stage where values meet");
	return NULL;
}

static enum status merge_due(struct op *op, struct entry *en, struct arena *a, struct error *e);
static enum status merge_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e);

static enum status merge_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	struct merge *g = &op->merge;
	struct channel *c = &g->channel;
	channel_init(c, conf);
	c->part = merge_part;
	c->due = merge_due;
	verdicts_init(&g->verdicts, &c->conf);
	if (c->m->skew) {
		op->kind = &merge_skew;
		channel_origin(c, stage_of_skew(conf->plan));
		g->skew = skew_window_new(c->m);
	} else {
		op->kind = &merge_profiles;
		channel_origin(c, stage_of_source(conf->plan, c->m->source));
		g->profiles = xcalloc(c->m->ncolumns, sizeof *g->profiles);
	}
	*out = op;
	return ST_OK;
}

static void merge_close(struct op *op)
{
	if (!op)
		return;
	verdicts_release(&op->merge.verdicts);
	free(op->merge.profiles);
	free(op->merge.skew);
	buf_release(&op->merge.body);
	channel_release(&op->merge.channel);
	free(op);
}

enum status merge_damaged(const struct merge *g, struct error *e)
{
	return error_set(e, ERR_FATAL, 0,
	        "monitor %s: a window's part cannot be read: was it written by a newer weir?",
	        g->channel.m->name);
}

enum status merge_tell(struct merge *g, const struct drift_pair *pair, uint64_t rows,
        struct verdict *v, bool alerts, struct arena *a, struct error *e)
{
	verdict_measure(g->channel.m, pair, rows, v);
	if (verdict_record(&g->verdicts, v, a, e))
		return ST_ERR;
	return alerts ? verdict_alerts(&g->verdicts, v, a, e) : ST_OK;
}

/* Gives out its records; its parts become one. alerts: its turn in the row of windows. */
static enum status window_close(
        struct op *op, struct entry *en, bool alerts, struct arena *a, struct error *e)
{
	struct merge *g = &op->merge;
	struct channel *c = &g->channel;
	g->body.len = 0;
	if (op->kind->close(g, en, alerts, a, e))
		return ST_ERR;
	gathered_put(NULL, 0, buf_view(&g->body), false, &c->row);
	struct gathered_row *r = (struct gathered_row *)c->row.p;
	r->closed = 1;
	r->head.due = row_window(entry_entity(en)) + 2 * c->m->window_ms;
	row_set(entry_write(c->conf.table, en), c->row.p, (uint32_t)c->row.len);
	entry_due_changed(c->conf.table, en);
	c->counts.rows++;
	return ST_OK;
}

static enum status merge_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct channel *c = &op->merge.channel;
	struct entry *en;
	int64_t end = p->window + c->m->window_ms;
	if (p->kind != op->kind->part)
		return ST_OK; /* merge_errors.c's */
	row_name(&c->name, 'w', p->window, p->segment);
	if (row_resolve(&c->conf, buf_view(&c->name), &en, a, e))
		return ST_ERR;
	bool closed = end <= c->watermark;
	if (closed && end + c->m->window_ms <= c->watermark) {
		c->counts.forgotten++;
		return ST_OK;
	}
	gathered_put(entry_read(en, a), p->partition, p->body, false, &c->row);
	((struct gathered_row *)c->row.p)->head.due = closed ? end + c->m->window_ms : end;
	row_set(entry_write(c->conf.table, en), c->row.p, (uint32_t)c->row.len);
	entry_due_changed(c->conf.table, en);
	return closed ? window_close(op, en, false, a, e) : ST_OK;
}

static enum status merge_due(struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	if (!((const struct gathered_row *)entry_read(en, a)->base)->closed)
		return window_close(op, en, true, a, e);
	entry_drop(op->merge.channel.conf.table, en);
	return ST_OK;
}

const struct operator operator_monitor_merge = {
        .name = "monitor_merge", .open = merge_open, .close = merge_close, CHANNEL_STEP};
