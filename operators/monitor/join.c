// SPDX-License-Identifier: Apache-2.0
//
// Scores meet their labels, by prediction id. A score waits until `wait` after its window's
// end, by the watermark of all partitions of both sources; a label that came first waits as
// long. The errors of a window and segment are kept added up, and sent on, whole, whenever the
// watermark passes a window's end and something has changed: what is sent replaces what was.
//
// The first score of an id counts, and its first label. Whether a label is in time depends on
// event times alone, so the order in which the two topics are read does not show.
#include <stdlib.h>

#include "data/drift/errors.h"
#include "operators/monitor/channel.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/ticker.h"

struct id_row {
	struct row_head head;
	int64_t window, label_time;
	double score, label;
	uint32_t has_score, has_label;
	uint64_t segment; /* bytes that follow */
};

struct errors_row {
	struct row_head head;
	int64_t dirty;
	uint64_t scores; /* labelled or not */
	struct errors_sums errors;
};

struct op {
	struct channel channel;
	struct sender sender;
	struct buf body;
};

static enum status join_told(struct op *op, struct arena *a, struct error *e)
{
	return ticker_note(&op->sender, op->channel.watermark, false, a, e);
}

static enum status join_due(struct op *op, struct entry *en, struct arena *a, struct error *e);
static enum status join_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e);

static enum status join_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	struct channel *c = &op->channel;
	channel_init(c, conf);
	c->part = join_part;
	c->due = join_due;
	c->told = join_told;
	channel_origin(c, stage_of_source(conf->plan, c->m->source));
	/* One source may tell both: then its notes stand for both. */
	channel_origin(c, stage_of_source(conf->plan, c->m->labels->source));
	sender_init(&op->sender, &c->conf, conf->plan->parts);
	*out = op;
	return ST_OK;
}

static void join_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->body);
	channel_release(&op->channel);
	free(op);
}

/* The window's row, changed: it is sent when the watermark next passes a window's end. */
static enum status errors_open(struct op *op, int64_t window, struct slice segment,
        struct errors_row **out, struct entry **en, struct arena *a, struct error *e)
{
	row_name(&op->channel.name, 'e', window, segment);
	if (row_resolve(&op->channel.conf, buf_view(&op->channel.name), en, a, e))
		return ST_ERR;
	struct heap *h = entry_write(op->channel.conf.table, *en);
	if (!h->len) {
		struct errors_row fresh = {.head = {ROW_FORMAT, ROW_ERRORS, STORE_NO_DUE}};
		row_set(h, &fresh, sizeof fresh);
	}
	struct errors_row *r = *out = (struct errors_row *)h->base;
	if (!r->dirty) {
		int64_t from = op->channel.watermark > window ? op->channel.watermark : window;
		r->dirty = 1;
		r->head.due = window_start(op->channel.m, from) + op->channel.m->window_ms;
		entry_due_changed(op->channel.conf.table, *en);
	}
	return ST_OK;
}

static enum status meet(struct op *op, const struct id_row *id, struct slice segment,
        struct arena *a, struct error *e)
{
	struct errors_row *r;
	struct entry *en;
	if (errors_open(op, id->window, segment, &r, &en, a, e))
		return ST_ERR;
	errors_add(&r->errors, id->score, id->label);
	op->channel.counts.rows++;
	return ST_OK;
}

static void id_write(
        struct op *op, struct entry *en, const struct id_row *id, struct slice segment)
{
	op->channel.row.len = 0;
	buf_add(&op->channel.row, id, sizeof *id);
	buf_slice(&op->channel.row, segment);
	while (op->channel.row.len % 8)
		buf_byte(&op->channel.row, 0);
	row_set(entry_write(op->channel.conf.table, en), op->channel.row.p,
	        (uint32_t)op->channel.row.len);
	entry_due_changed(op->channel.conf.table, en);
}

static struct id_row id_read(const struct entry *en, struct slice *segment, struct arena *a)
{
	const struct heap *h = entry_read(en, a);
	struct id_row id = {.head = {ROW_FORMAT, ROW_ID, STORE_NO_DUE}};
	*segment = slice_of("");
	if (h && h->len) {
		id = *(const struct id_row *)h->base;
		*segment = arena_slice(
		        a, (struct slice){h->base + sizeof id, (uint32_t)id.segment});
	}
	return id;
}

/* The second half holds for all but labels that were there long before the score; beyond it
 * their row may be gone, or not. */
static bool in_time(const struct op *op, const struct id_row *id)
{
	int64_t wait_ms = op->channel.m->labels->wait_ms;
	return id->label_time <= id->window + op->channel.m->window_ms + wait_ms &&
	       id->window <= id->label_time + wait_ms;
}

static enum status score_take(
        struct op *op, const struct part *p, struct entry *en, struct arena *a, struct error *e)
{
	struct slice segment;
	struct errors_row *r;
	struct entry *window;
	struct id_row id = id_read(en, &segment, a);
	if (id.has_score || labels_end(op->channel.m, p->window) <= op->channel.watermark)
		return ST_OK; /* a second one, or of a window that is over */
	id.has_score = 1;
	id.score = p->number;
	id.window = p->window;
	id.segment = p->segment.len;
	id.head.due = labels_end(op->channel.m, p->window);
	id_write(op, en, &id, p->segment);
	if (errors_open(op, p->window, p->segment, &r, &window, a, e))
		return ST_ERR;
	r->scores++;
	return id.has_label && in_time(op, &id) ? meet(op, &id, p->segment, a, e) : ST_OK;
}

static enum status label_take(
        struct op *op, const struct part *p, struct entry *en, struct arena *a, struct error *e)
{
	struct slice segment;
	struct id_row id = id_read(en, &segment, a);
	if (id.has_label)
		return ST_OK;
	id.has_label = 1;
	id.label = p->number;
	id.label_time = p->event_time;
	if (!id.has_score)
		id.head.due = p->event_time + op->channel.m->window_ms +
		              op->channel.m->labels->wait_ms;
	else if (!in_time(op, &id))
		return ST_OK;
	id_write(op, en, &id, segment);
	return id.has_score ? meet(op, &id, segment, a, e) : ST_OK;
}

static enum status errors_send(struct op *op, struct entry *en, struct error *e)
{
	struct slice name = entry_entity(en);
	struct part p = {
	        .kind = PART_ERRORS, .segment = row_segment(name), .window = row_window(name)};
	struct errors_row *r =
	        (struct errors_row *)entry_write(op->channel.conf.table, en)->base;
	int64_t end = labels_end(op->channel.m, p.window);
	if (r->dirty) {
		op->body.len = 0;
		buf_varint(&op->body, (int64_t)r->scores);
		errors_pack(&r->errors, &op->body);
		p.body = buf_view(&op->body);
		p.event_time = r->head.due;
		if (part_send(&op->sender, &p, e))
			return ST_ERR;
		r->dirty = 0;
	}
	if (op->channel.watermark >= end) {
		entry_drop(op->channel.conf.table, en);
		return ST_OK;
	}
	r->head.due = end;
	entry_due_changed(op->channel.conf.table, en);
	return ST_OK;
}

static enum status join_due(struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	(void)a;
	if (entry_entity(en).p[0] == 'e')
		return errors_send(op, en, e);
	entry_drop(op->channel.conf.table, en);
	op->channel.counts.forgotten++;
	return ST_OK;
}

static enum status join_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct channel *c = &op->channel;
	struct entry *en;
	c->name.len = 0;
	buf_byte(&c->name, 'i');
	buf_slice(&c->name, p->id);
	if (row_resolve(&c->conf, buf_view(&c->name), &en, a, e))
		return ST_ERR;
	return p->kind == PART_SCORE ? score_take(op, p, en, a, e)
	                             : label_take(op, p, en, a, e);
}

const struct operator operator_monitor_join = {
        .name = "monitor_join", .open = join_open, .close = join_close, CHANNEL_STEP};
