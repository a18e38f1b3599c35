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
#include "operators/monitor/inputs.h"
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
	struct errors errors;
};

struct op {
	struct op_conf conf;
	const struct monitor *m;
	struct inputs inputs;
	struct sender sender;
	int64_t watermark; /* as of the record in hand */
	struct op_counts counts, committed;
	struct buf name, row, body;
};

static enum status join_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->m = &conf->plan->job->monitors[conf->step->monitor];
	op->inputs = (struct inputs){.conf = &op->conf,
	        .norigins = 1,
	        .origins = {stage_of_source(conf->plan, op->m->source)}};
	/* One source may tell both: then its notes stand for both. */
	if (op->m->labels->source != op->m->source)
		op->inputs.origins[op->inputs.norigins++] =
		        stage_of_source(conf->plan, op->m->labels->source);
	sender_init(&op->sender, &op->conf, conf->plan->parts);
	*out = op;
	return ST_OK;
}

static void join_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->name);
	buf_release(&op->row);
	buf_release(&op->body);
	free(op);
}

static void join_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

/* The window's row, changed: it is sent when the watermark next passes a window's end. */
static enum status errors_open(struct op *op, int64_t window, struct slice segment,
        struct errors_row **out, struct entry **en, struct arena *a, struct error *e)
{
	row_name(&op->name, 'e', window, segment);
	if (row_resolve(&op->conf, buf_view(&op->name), en, a, e))
		return ST_ERR;
	struct heap *h = entry_write(op->conf.table, *en);
	if (!h->len) {
		struct errors_row fresh = {.head = {ROW_FORMAT, ROW_ERRORS, STORE_NO_DUE}};
		row_set(h, &fresh, sizeof fresh);
	}
	struct errors_row *r = (struct errors_row *)h->base;
	if (!r->dirty) {
		int64_t from = op->watermark > window ? op->watermark : window;
		r->dirty = 1;
		r->head.due = window_start(op->m, from) + op->m->window_ms;
		entry_due_changed(op->conf.table, *en);
	}
	*out = r;
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
	op->counts.rows++;
	return ST_OK;
}

static void id_write(
        struct op *op, struct entry *en, const struct id_row *id, struct slice segment)
{
	op->row.len = 0;
	buf_add(&op->row, id, sizeof *id);
	buf_slice(&op->row, segment);
	while (op->row.len % 8)
		buf_byte(&op->row, 0);
	row_set(entry_write(op->conf.table, en), op->row.p, (uint32_t)op->row.len);
	entry_due_changed(op->conf.table, en);
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
	int64_t wait_ms = op->m->labels->wait_ms;
	return id->label_time <= id->window + op->m->window_ms + wait_ms &&
	       id->window <= id->label_time + wait_ms;
}

static enum status score_take(
        struct op *op, const struct part *p, struct entry *en, struct arena *a, struct error *e)
{
	struct slice segment;
	struct errors_row *r;
	struct entry *window;
	struct id_row id = id_read(en, &segment, a);
	if (id.has_score || labels_end(op->m, p->window) <= op->watermark)
		return ST_OK; /* a second one, or of a window that is over */
	id.has_score = 1;
	id.score = p->number;
	id.window = p->window;
	id.segment = p->segment.len;
	id.head.due = labels_end(op->m, p->window);
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
		id.head.due = p->event_time + op->m->window_ms + op->m->labels->wait_ms;
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
	struct errors_row *r = (struct errors_row *)entry_write(op->conf.table, en)->base;
	int64_t end = labels_end(op->m, p.window);
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
	if (op->watermark >= end) {
		entry_drop(op->conf.table, en);
		return ST_OK;
	}
	r->head.due = end;
	entry_due_changed(op->conf.table, en);
	return ST_OK;
}

/* What is due by the watermark, at most EXPIRE_CHUNK. ST_END: nothing more. */
static enum status due_do(struct op *op, struct arena *a, struct error *e)
{
	for (uint32_t i = 0; i < EXPIRE_CHUNK; i++) {
		struct entry *en;
		enum status st =
		        table_due(op->conf.table, op->conf.space, op->watermark, &en, a, e);
		if (st)
			return st;
		if (entry_entity(en).p[0] == 'e') {
			if (errors_send(op, en, e))
				return ST_ERR;
			continue;
		}
		entry_drop(op->conf.table, en);
		op->counts.forgotten++;
	}
	return ST_OK;
}

/* Further than EXPIRE_CHUNK it goes on with the next record. */
static enum status advance(struct op *op, struct arena *a, struct error *e)
{
	if (op->watermark == INPUTS_NO_TIME)
		return ST_END;
	enum status st = due_do(op, a, e);
	if (st != ST_END)
		return st;
	return ticker_note(&op->sender, op->watermark, false, a, e);
}

static enum status part_take(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	if (p->kind == PART_NOTE || p->kind == PART_IDLE) {
		enum status st = inputs_note(&op->inputs, p, &op->watermark, a, e);
		if (st)
			return st;
		return advance(op, a, e);
	}
	op->name.len = 0;
	buf_byte(&op->name, 'i');
	buf_slice(&op->name, p->id);
	if (row_resolve(&op->conf, buf_view(&op->name), &en, a, e))
		return ST_ERR;
	return p->kind == PART_SCORE ? score_take(op, p, en, a, e)
	                             : label_take(op, p, en, a, e);
}

static enum status join_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
        struct arena *a, struct error *e)
{
	(void)stream_time;
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < b->n; i++) {
		struct part p;
		if (part_read(op->m, b, i, &p) && part_take(op, &p, a, e) < 0)
			return ST_ERR;
	}
	return ST_OK;
}

static enum status join_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	(void)stream_time; /* its time is its inputs' notes */
	if (inputs_watermark(&op->inputs, &op->watermark, a, e))
		return ST_ERR;
	return advance(op, a, e);
}

static void join_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *join_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_join = {
        .name = "monitor_join",
        .open = join_open,
        .close = join_close,
        .pack = row_pack_none,
        .table_set = join_table_set,
        .batch = join_batch,
        .expire = join_expire,
        .epoch_end = join_epoch_end,
        .counts = join_counts,
};
