// SPDX-License-Identifier: Apache-2.0
//
// The view's rows on their way to served values, and how far the view is: all of its rows up to
// a note's time are there. Behind a repartition topic that is known from notes that come
// through the topic, behind the records that they speak of (ROLE_PASS, here too); a note waits
// until what has expired by then is out. Not here: the other side (skew_served.c), where they
// meet (skew_join.c).
#include <stdlib.h>

#include "data/avro.h"
#include "operators/monitor/inputs.h"
#include "operators/monitor/skew.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/ticker.h"

struct op {
	struct op_conf conf;
	const struct monitor *m;
	const struct view *view;
	const struct view_plan *plan;
	int64_t lateness_ms;
	bool pass;
	uint32_t nfeatures; /* up to the last that is compared */
	struct inputs inputs;
	struct sender sender;
	int64_t newest;         /* stream time by records */
	struct slice *features; /* encoded, of the row in hand */
	struct op_counts counts, committed;
	struct buf body;
};

struct since_row {
	struct row_head head;
	int64_t since;
};

static enum status values_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	const struct job *job = conf->plan->job;
	op->conf = *conf;
	op->m = &job->monitors[conf->step->monitor];
	op->view = &job->views[op->m->skew->view];
	op->plan = &conf->plan->views[op->m->skew->view];
	op->lateness_ms = job->sources[op->view->source].lateness_ms;
	op->pass = conf->step->role == ROLE_PASS;
	op->newest = INT64_MIN;
	for (uint32_t i = 0; i < op->m->ncolumns; i++)
		if (op->m->skew->features[i] >= op->nfeatures)
			op->nfeatures = op->m->skew->features[i] + 1;
	op->features = xcalloc(op->nfeatures, sizeof *op->features);
	op->inputs = (struct inputs){.conf = &op->conf,
	        .norigins = 1,
	        .origins = {stage_of_source(conf->plan, op->view->source)}};
	sender_init(&op->sender, &op->conf, op->pass ? conf->repartition : conf->plan->skew);
	*out = op;
	return ST_OK;
}

static void values_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->body);
	free(op->features);
	free(op);
}

static void values_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

/* Stream time as records moved it, not `idle`. */
static int64_t records_time(const struct op *op)
{
	int64_t committed = op->conf.marker->inputs[0].stream_time;
	return committed > op->newest ? committed : op->newest;
}

/* From which instant on all rows of the view were seen here: INT64_MIN, or what time it was
 * when the step came to a view that was there already. */
static enum status since_set(struct op *op, int64_t now, struct arena *a, struct error *e)
{
	struct entry *en;
	if (op->pass || row_resolve(&op->conf, slice_of("s"), &en, a, e))
		return op->pass ? ST_OK : ST_ERR;
	const struct heap *h = entry_read(en, a);
	if (!h || !h->len) {
		bool fresh = op->conf.marker->inputs[0].stream_time == MARKER_NO_TIME;
		struct since_row r = {
		        {ROW_FORMAT, ROW_SINCE, STORE_NO_DUE}, fresh ? INT64_MIN : now};
		row_set(entry_write(op->conf.table, en), &r, sizeof r);
		entry_due_changed(op->conf.table, en);
		op->sender.since = r.since;
		return ST_OK;
	}
	op->sender.since = ((const struct since_row *)h->base)->since;
	return ST_OK;
}

/* Behind the frame: the entity's columns, the head, the features. */
static bool row_read(struct op *op, struct slice value, int64_t *event_time, int64_t *known_at)
{
	static const struct type t_long = {.kind = KIND_LONG};
	uint32_t frame = op->conf.schema_id ? AVRO_REGISTRY_BYTES : AVRO_SINGLE_OBJECT_BYTES;
	struct reader r = reader_of((struct slice){value.p + frame, value.len - frame});
	struct value v, head[ROW_HEAD];
	for (uint32_t i = 0; i < op->view->nentity; i++)
		avro_read(&r, op->plan->entity_types[i], false, &v);
	for (uint32_t i = 0; i < ROW_HEAD; i++)
		avro_read(&r, &t_long, i >= 2, &head[i]);
	for (uint32_t i = 0; i < op->nfeatures; i++) {
		const uint8_t *from = r.p;
		const struct field *f = &op->plan->features[i];
		avro_read(&r, &f->type, f->nullable, &v);
		op->features[i] = (struct slice){from, (uint32_t)(r.p - from)};
	}
	*event_time = head[0].i64;
	*known_at = head[1].i64;
	return !r.failed;
}

/* Until when the entity's row stands if no event comes. A later row of the entity may be in its
 * state already: then it is later, and that row says so itself. */
static enum status row_lasts(
        struct op *op, struct slice entity, int64_t *out, struct arena *a, struct error *e)
{
	struct entry *en;
	uint64_t hash = entity_hash(entity);
	if (table_resolve(op->conf.table, op->conf.beside_space, &entity, &hash, 1, &en, a, e))
		return ST_ERR;
	*out = op->conf.beside->lasts(op->conf.beside_op, en, a);
	return ST_OK;
}

static enum status values_row(struct op *op, uint32_t view, struct slice key,
        struct slice value, struct arena *a, struct error *e)
{
	int64_t event_time, known_at, lasts;
	if (view != op->m->skew->view || op->pass)
		return ST_OK;
	const uint8_t *bar = memchr(key.p, '|', key.len);
	bool ok = bar && row_read(op, value, &event_time, &known_at);
	INVARIANT(ok); /* the view beside has just written it */
	struct slice entity = {key.p, (uint32_t)(bar - key.p)};
	if (row_lasts(op, entity, &lasts, a, e))
		return ST_ERR;
	op->body.len = 0;
	buf_varint(&op->body, known_at);
	buf_varint(&op->body, lasts);
	for (uint32_t i = 0; i < op->m->ncolumns; i++)
		buf_slice(&op->body, op->features[op->m->skew->features[i]]);
	struct part p = {.kind = PART_VALUE,
	        .event_time = event_time,
	        .id = entity,
	        .body = buf_view(&op->body)};
	op->counts.rows++;
	return part_send(&op->sender, &p, e);
}

/* Sends a note unless the view still owes rows: what is due by the watermark, and can be (a
 * repartitioned view may be behind its sources). ST_END: none. */
static enum status note(struct op *op, int64_t watermark, int64_t stream_time, bool idle,
        struct arena *a, struct error *e)
{
	struct entry *en;
	int64_t upto = watermark < stream_time ? watermark : stream_time;
	enum status st = ST_END;
	bool due;
	if (ticker_due(&op->sender, watermark, &due, a, e))
		return ST_ERR;
	if (due && !op->pass && upto != INT64_MIN)
		st = table_due(op->conf.table, op->conf.beside_space, upto, &en, a, e);
	if (st != ST_END)
		return st < 0 ? ST_ERR : ST_END;
	return ticker_note(&op->sender, watermark, idle, a, e);
}

/* Behind a repartition topic. */
static enum status notes_take(
        struct op *op, const struct batch *b, int64_t now, struct arena *a, struct error *e)
{
	int64_t watermark;
	bool idle;
	for (uint32_t i = 0; i < b->nnotes; i++) {
		struct part p = {.kind = b->notes[i].idle ? PART_IDLE : PART_NOTE,
		        .origin = slice_of(op->inputs.origins[0]->name),
		        .partition = b->notes[i].partition,
		        .event_time = b->notes[i].time};
		if (inputs_note(&op->inputs, &p, &watermark, a, e) < 0)
			return ST_ERR;
	}
	if (inputs_watermark(&op->inputs, &watermark, a, e) ||
	        inputs_idle(&op->inputs, &idle, a, e))
		return ST_ERR;
	if (watermark == INPUTS_NO_TIME && !idle)
		return ST_OK;
	return note(op, watermark, now, idle, a, e) < 0 ? ST_ERR : ST_OK;
}

static enum status values_batch(struct op *op, const struct batch *b,
        const int64_t *stream_time, struct arena *a, struct error *e)
{
	if (b->n)
		op->newest = stream_time[b->n - 1];
	int64_t now = records_time(op);
	if (since_set(op, now, a, e))
		return ST_ERR;
	if (op->conf.stage->in)
		return notes_take(op, b, now, a, e);
	if (op->pass)
		*op->conf.src_offset = b->src_offset[b->n - 1];
	return note(op, now - op->lateness_ms, now, false, a, e) < 0 ? ST_ERR : ST_OK;
}

static enum status values_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	struct entry *en;
	bool due, none = stream_time == INT64_MIN;
	int64_t watermark = none ? INT64_MIN : stream_time - op->lateness_ms;
	if (op->conf.stage->in) {
		struct batch nothing = {0};
		return notes_take(op, &nothing, stream_time, a, e) ? ST_ERR : ST_END;
	}
	if (ticker_due(&op->sender, watermark, &due, a, e))
		return ST_ERR;
	if (!due && !none)
		return ST_END;
	if (since_set(op, records_time(op), a, e))
		return ST_ERR;
	/* Nobody waits for a silent view that will give out nothing more by itself. */
	bool idle = none || stream_time > records_time(op);
	enum status st = ST_END;
	if (idle && !op->pass)
		st = table_due(
		        op->conf.table, op->conf.beside_space, STORE_NO_DUE - 1, &en, a, e);
	if (st < 0)
		return ST_ERR;
	idle &= st == ST_END;
	return note(op, watermark, stream_time, idle, a, e) < 0 ? ST_ERR : ST_END;
}

static void values_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
	if (!committed)
		op->newest = INT64_MIN; /* of records that are read again */
}

static const struct op_counts *values_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_values = {
        .name = "monitor_values",
        .open = values_open,
        .close = values_close,
        .pack = row_pack_none,
        .table_set = values_table_set,
        .batch = values_batch,
        .expire = values_expire,
        .row = values_row,
        .epoch_end = values_epoch_end,
        .counts = values_counts,
};

const struct operator operator_monitor_pass = {
        .name = "monitor_pass",
        .open = values_open,
        .close = values_close,
        .pack = row_pack_none,
        .table_set = values_table_set,
        .batch = values_batch,
        .expire = values_expire,
        .epoch_end = values_epoch_end,
        .counts = values_counts,
};
