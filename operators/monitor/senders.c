// SPDX-License-Identifier: Apache-2.0
//
// Scores and labels on their way to each other: every record goes to the channel by its
// prediction id. Two operators that differ in what they send.
// Not here: waiting for the other one (join.c).
#include <math.h>
#include <stdlib.h>

#include "data/entity.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/ticker.h"

struct op {
	struct op_conf conf;
	const struct monitor *m;
	uint32_t id, number; /* fields of the source */
	int64_t lateness_ms;
	bool silent; /* the labels are of the same source: their step, which is later, tells */
	struct sender sender;
	struct op_counts counts, committed;
	struct buf id_text, segment;
};

static enum status senders_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	const struct job *job = conf->plan->job;
	op->conf = *conf;
	op->m = &job->monitors[conf->step->monitor];
	bool scores = conf->step->role == ROLE_SCORES;
	op->silent = scores && op->m->labels->source == op->m->source;
	op->id = scores ? (uint32_t)op->m->id : op->m->labels->id;
	op->number = scores ? (uint32_t)op->m->score : op->m->labels->value;
	op->lateness_ms =
	        job->sources[scores ? op->m->source : op->m->labels->source].lateness_ms;
	sender_init(&op->sender, &op->conf, conf->plan->ids);
	*out = op;
	return ST_OK;
}

static void senders_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->id_text);
	buf_release(&op->segment);
	free(op);
}

static void senders_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

static double number_of(const struct column *c, uint32_t i)
{
	switch (type_form(c->type)) {
	case FORM_I64:
		return (double)c->i64[i];
	case FORM_F64:
		return c->f64[i];
	case FORM_I128:
		return (double)c->i128[i] / pow(10, c->type->scale);
	default:
		return NAN;
	}
}

/* An id or a number that is not there can never meet its other half. */
static enum status row_send(struct op *op, const struct batch *b, uint32_t i, struct error *e)
{
	const struct column *id = &b->cols[op->id], *number = &b->cols[op->number];
	if (id->null[i] || number->null[i]) {
		op->counts.null_entity++;
		return ST_OK;
	}
	struct value v = column_get(id, i);
	bool score = op->conf.step->role == ROLE_SCORES;
	op->id_text.len = op->segment.len = 0;
	entity_write(&op->id_text, &id->type, &v, 1);
	if (score)
		segment_write(op->m, b, i, &op->segment);
	struct part p = {.kind = score ? PART_SCORE : PART_LABEL,
	        .event_time = b->event_time[i],
	        .window = score ? window_start(op->m, b->event_time[i]) : 0,
	        .segment = buf_view(&op->segment),
	        .id = buf_view(&op->id_text),
	        .number = number_of(number, i)};
	op->counts.rows++;
	return part_send(&op->sender, &p, e);
}

static enum status senders_batch(struct op *op, const struct batch *b,
        const int64_t *stream_time, struct arena *a, struct error *e)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (row_send(op, b, i, e))
			return ST_ERR;
	if (op->silent)
		return ST_OK;
	return ticker_batch(&op->sender, stream_time[b->n - 1] - op->lateness_ms, a, e);
}

static enum status senders_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	return op->silent ? ST_END
	                  : ticker_idle(&op->sender, stream_time, op->lateness_ms, a, e);
}

static void senders_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *senders_counts(struct op *op)
{
	return &op->counts;
}

#define SENDER(operator_name)                                                                  \
	{                                                                                      \
		.name = operator_name, .open = senders_open, .close = senders_close,           \
		.pack = row_pack_none, .table_set = senders_table_set, .batch = senders_batch, \
		.expire = senders_expire, .epoch_end = senders_epoch_end,                      \
		.counts = senders_counts                                                       \
	}
const struct operator operator_monitor_scores = SENDER("monitor_scores");
const struct operator operator_monitor_labels = SENDER("monitor_labels");
