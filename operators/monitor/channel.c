// SPDX-License-Identifier: Apache-2.0
//
// Parts in, notes of time, and what is due by them: the same for every step behind a channel.
// Not here: what a part means (join.c, merge.c, merge_errors.c, skew_join.c).
#include "operators/monitor/channel.h"

static struct channel *channel_of(struct op *op)
{
	return (struct channel *)(void *)op; /* it is the first member */
}

void channel_init(struct channel *c, const struct op_conf *conf)
{
	c->conf = *conf;
	c->m = &conf->plan->job->monitors[conf->step->monitor];
	c->inputs = (struct inputs){.conf = &c->conf};
	c->watermark = INPUTS_NO_TIME;
}

void channel_release(struct channel *c)
{
	buf_release(&c->name);
	buf_release(&c->row);
}

void channel_origin(struct channel *c, const struct stage *st)
{
	for (uint32_t i = 0; i < c->inputs.norigins; i++)
		if (c->inputs.origins[i] == st)
			return;
	INVARIANT(c->inputs.norigins < INPUT_ORIGINS_MAX);
	c->inputs.origins[c->inputs.norigins++] = st;
}

void channel_table_set(struct op *op, struct table *t)
{
	channel_of(op)->conf.table = t;
}

/* At most EXPIRE_CHUNK entries; further than that it goes on with the next record. ST_END:
 * nothing more is due. */
static enum status due_do(struct op *op, struct arena *a, struct error *e)
{
	struct channel *c = channel_of(op);
	if (c->watermark == INPUTS_NO_TIME)
		return ST_END;
	for (uint32_t i = 0; i < EXPIRE_CHUNK; i++) {
		struct entry *en;
		enum status st =
		        table_due(c->conf.table, c->conf.space, c->watermark, &en, a, e);
		if (st)
			return st;
		if (c->due(op, en, a, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status advance(struct op *op, struct arena *a, struct error *e)
{
	struct channel *c = channel_of(op);
	enum status st = due_do(op, a, e);
	c->behind = st == ST_OK;
	if (st != ST_END || !c->told || c->watermark == INPUTS_NO_TIME)
		return st;
	return c->told(op, a, e);
}

static enum status part_take(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct channel *c = channel_of(op);
	if (p->kind != PART_NOTE && p->kind != PART_IDLE)
		return c->part(op, p, a, e);
	if (c->note && c->note(op, p, a, e))
		return ST_ERR;
	enum status st = inputs_note(&c->inputs, p, &c->watermark, a, e);
	return st ? st : advance(op, a, e);
}

enum status channel_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
        struct arena *a, struct error *e)
{
	struct channel *c = channel_of(op);
	(void)stream_time; /* its time is its inputs' notes */
	if (inputs_watermark(&c->inputs, &c->watermark, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < b->n; i++) {
		struct part p;
		if (part_read(c->m, b, i, &p) && part_take(op, &p, a, e) < 0)
			return ST_ERR;
	}
	return ST_OK;
}

enum status channel_expire(struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	struct channel *c = channel_of(op);
	(void)stream_time;
	if (inputs_watermark(&c->inputs, &c->watermark, a, e))
		return ST_ERR;
	return advance(op, a, e);
}

void channel_epoch_end(struct op *op, bool committed)
{
	struct channel *c = channel_of(op);
	if (committed)
		c->committed = c->counts;
	else
		c->counts = c->committed;
}

const struct op_counts *channel_counts(struct op *op)
{
	return &channel_of(op)->counts;
}
