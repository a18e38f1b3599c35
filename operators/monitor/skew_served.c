// SPDX-License-Identifier: Apache-2.0
//
// Served values on their way to the view's: every prediction goes to the channel by the entity
// that it was made for.
// Not here: what they meet (skew_join.c), the view's side (skew_values.c).
#include <stdlib.h>

#include "data/avro.h"
#include "data/entity.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/skew.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/ticker.h"

struct op {
	struct op_conf conf;
	const struct monitor *m;
	const struct view *view;
	int64_t lateness_ms;
	bool silent; /* the view is computed here: its step, which is later, tells for both */
	struct sender sender;
	struct op_counts counts, committed;
	struct buf id, segment, body;
};

static enum status served_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	const struct job *job = conf->plan->job;
	op->conf = *conf;
	op->m = &job->monitors[conf->step->monitor];
	op->view = &job->views[op->m->skew->view];
	op->lateness_ms = job->sources[op->m->source].lateness_ms;
	for (uint32_t i = 0; i < conf->stage->nviews; i++)
		op->silent |= conf->stage->views[i] == op->m->skew->view;
	sender_init(&op->sender, &op->conf, conf->plan->skew);
	*out = op;
	return ST_OK;
}

static void served_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->id);
	buf_release(&op->segment);
	buf_release(&op->body);
	free(op);
}

static void served_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

/* The entity as the view names it. */
static void id_write(struct op *op, const struct batch *b, uint32_t i)
{
	op->id.len = 0;
	for (uint32_t k = 0; k < op->view->nentity; k++) {
		const struct column *c = &b->cols[op->m->skew->entity[k]];
		struct value v = column_get(c, i);
		if (v.null) {
			op->counts.null_entity++;
			op->id.len = 0;
			buf_str(&op->id, SKEW_NO_ENTITY);
			return;
		}
		if (k)
			buf_byte(&op->id, ':');
		entity_write(&op->id, &c->type, &v, 1);
	}
}

static void body_write(struct op *op, const struct batch *b, uint32_t i)
{
	op->body.len = 0;
	for (uint32_t k = 0; k < op->m->ncolumns; k++) {
		const struct column *c = &b->cols[op->m->columns[k]];
		struct value v = column_get(c, i);
		avro_write(&op->body, c->type, true, &v);
	}
}

static enum status served_batch(struct op *op, const struct batch *b,
        const int64_t *stream_time, struct arena *a, struct error *e)
{
	for (uint32_t i = 0; i < b->n; i++) {
		id_write(op, b, i);
		body_write(op, b, i);
		op->segment.len = 0;
		segment_write(op->m, b, i, &op->segment);
		struct part p = {.kind = PART_SERVED,
		        .event_time = b->event_time[i],
		        .window = window_start(op->m, b->event_time[i]),
		        .segment = buf_view(&op->segment),
		        .id = buf_view(&op->id),
		        .body = buf_view(&op->body)};
		op->counts.rows++;
		if (part_send(&op->sender, &p, e))
			return ST_ERR;
	}
	if (op->silent)
		return ST_OK;
	return ticker_batch(&op->sender, stream_time[b->n - 1] - op->lateness_ms, a, e);
}

static enum status served_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	return op->silent ? ST_END
	                  : ticker_idle(&op->sender, stream_time, op->lateness_ms, a, e);
}

static void served_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *served_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_served = {
        .name = "monitor_served",
        .open = served_open,
        .close = served_close,
        .pack = row_pack_none,
        .table_set = served_table_set,
        .batch = served_batch,
        .expire = served_expire,
        .epoch_end = served_epoch_end,
        .counts = served_counts,
};
