// SPDX-License-Identifier: Apache-2.0
//
// The window operator: a view. Takes batches of records, keeps each entity's windows in the
// task's table, and appends a row after every event and at every instant at which a window's
// content changes because time passed.
//
// Order: an entity's due rows come before its next event; other entities' due rows follow in
// (instant, entity) order, at most EXPIRE_PER_RECORD after each record, or FORGET_PER_RECORD where
// none go out. What an entity's rows hold does not depend on those limits.
// Not here: lateness (decided at the source), the state row (row.c), encoding (rows.c).
#include <math.h>
#include <stdlib.h>

#include "data/entity.h"
#include "operators/operators.h"
#include "operators/window/rows.h"

struct op {
	struct op_conf conf;
	const struct view *view;
	struct layout layout;
	struct rows rows;
	struct op_counts counts, committed;
	struct arena arena; /* layout */
	struct heap scratch; /* of packing */
	struct value *entity; /* columns of one record's */
	const struct type **entity_types;
	struct buf name;
};

static enum status window_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->view = &conf->plan->job->views[conf->view];
	op->counts.newest_event_time = op->counts.newest_known_at = INT64_MIN;
	op->committed = op->counts;
	layout_init(&op->layout, op->view,
		conf->plan->job->sources[op->view->source].lateness_ms, &op->arena);
	op->layout.scratch = &op->scratch;
	op->entity = arena_calloc(&op->arena, op->view->nentity, sizeof *op->entity);
	op->entity_types = arena_calloc(&op->arena, op->view->nentity, sizeof *op->entity_types);
	rows_init(&op->rows, &op->conf, &op->layout, &op->counts);
	*out = op;
	return ST_OK;
}

static void window_close(struct op *op)
{
	if (!op)
		return;
	rows_release(&op->rows);
	arena_release(&op->arena);
	buf_release(&op->name);
	free(op->scratch.base);
	free(op);
}

static void window_pack(void *arg, struct heap *h)
{
	row_pack(&((struct op *)arg)->layout, h);
}

static void window_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
}

static void known_at_raise(struct heap *h, int64_t known_at)
{
	if (row_of(h)->known_at < known_at)
		row_of(h)->known_at = known_at;
}

static enum status row_out(struct op *op, struct entry *en, const struct heap *h,
	int32_t src_partition, int64_t src_offset, struct error *e)
{
	const struct view_row *r = row_of(h);
	struct row_cause cause = {r->clock, r->known_at, src_partition, src_offset};
	if (src_partition < 0)
		op->counts.expiry_rows++;
	else
		op->counts.rows++;
	if (r->clock > op->counts.newest_event_time)
		op->counts.newest_event_time = r->clock;
	if (r->known_at > op->counts.newest_known_at)
		op->counts.newest_known_at = r->known_at;
	return rows_add(&op->rows, en, h, &cause, e);
}

/* What is due first for the entity: an instant at which tiles leave, or its end. */
static enum status fire(struct op *op, struct entry *en, struct error *e)
{
	struct heap *h = entry_write(op->conf.table, en);
	int64_t instant = row_of(h)->leaves;
	if (!op->view->expiry || instant == WINDOW_NEVER) {
		int64_t end = row_end(&op->layout, h);
		if (end <= row_of(h)->head.due) {
			entry_drop(op->conf.table, en);
			op->counts.forgotten++;
			return ST_OK;
		}
		row_of(h)->head.due = end; /* events came since it was set */
		entry_due_changed(op->conf.table, en);
		return ST_OK;
	}
	row_advance(&op->layout, h, instant, &op->counts.agg);
	known_at_raise(h, instant);
	row_schedule(&op->layout, h);
	entry_due_changed(op->conf.table, en);
	return row_out(op, en, h, -1, -1, e);
}

static enum status fire_entity(struct op *op, struct entry *en, int64_t upto, struct error *e)
{
	while (entry_due(en) <= upto)
		if (fire(op, en, e))
			return ST_ERR;
	return ST_OK;
}

/* Others that are due, at most limit. ST_END: nothing more is due. */
static enum status fire_others(struct op *op, int64_t upto, uint32_t limit, struct arena *a,
	struct error *e)
{
	for (uint32_t i = 0; i < limit; i++) {
		struct entry *en;
		enum status st = table_due(op->conf.table, op->conf.space, upto, &en, a, e);
		if (st)
			return st;
		if (fire(op, en, e))
			return ST_ERR;
	}
	return ST_OK;
}

/* A batch's inputs: program outputs, and which rows go where. */
struct work {
	const struct batch *b;
	const int64_t *stream_time;
	struct column *in;       /* outputs of the view's input program */
	struct feed_rows *feeds; /* per feed of the layout */
	struct slice *entities;  /* per taken row */
	uint64_t *hashes;
	struct entry **entries;
	uint32_t *rows;          /* taken rows, ascending */
	uint32_t n;
};

static bool truth(const struct column *c, uint32_t i)
{
	return !c->null[i] && c->i64[i];
}

/* NaN and infinities count as null; on a copy, since the column may be the batch's own. */
static void column_clean(struct op *op, struct column *col, uint32_t n, struct arena *a)
{
	bool copied = false;
	for (uint32_t i = 0; i < n; i++) {
		if (col->null[i] || isfinite(col->f64[i]))
			continue;
		if (!copied)
			col->null = memcpy(arena_alloc(a, n), col->null, n);
		copied = true;
		col->null[i] = 1;
		op->counts.not_finite++;
	}
}

static void arguments_clean(struct op *op, struct work *w, struct arena *a)
{
	for (uint32_t i = 0; i < op->layout.nfeeds; i++) {
		int arg = op->layout.feeds[i].arg;
		if (arg >= 0 && type_form(w->in[arg].type) == FORM_F64)
			column_clean(op, &w->in[arg], w->b->n, a);
	}
}

static bool entity_of(struct op *op, const struct batch *b, uint32_t i)
{
	for (uint32_t k = 0; k < op->view->nentity; k++) {
		const struct column *c = &b->cols[op->view->entity[k]];
		op->entity[k] = column_get(c, i);
		op->entity_types[k] = c->type;
		if (op->entity[k].null)
			return false;
	}
	return true;
}

static bool name_is_plain(struct slice s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (s.p[i] == '%' || s.p[i] == ':' || s.p[i] == '|')
			return false;
	return true;
}

/* The entity of row i as text; false: it has none. A single text mostly is its own name. */
static bool entity_name(struct op *op, const struct batch *b, uint32_t i, struct slice *out,
	struct arena *a)
{
	const struct column *c = &b->cols[op->view->entity[0]];
	if (op->view->nentity == 1 && type_is_text(c->type)) {
		*out = c->bytes[i];
		if (c->null[i] || name_is_plain(*out))
			return !c->null[i];
	}
	if (!entity_of(op, b, i))
		return false;
	op->name.len = 0;
	entity_write(&op->name, op->entity_types, op->entity, op->view->nentity);
	*out = arena_slice(a, buf_view(&op->name));
	return true;
}

static void rows_take(struct op *op, struct work *w, struct arena *a)
{
	uint32_t n = w->b->n;
	w->entities = arena_alloc(a, n * sizeof *w->entities);
	w->hashes = arena_alloc(a, n * sizeof *w->hashes);
	w->entries = arena_alloc(a, n * sizeof *w->entries);
	w->rows = arena_alloc(a, n * sizeof *w->rows);
	for (uint32_t i = 0; i < n; i++) {
		if (op->view->where >= 0 && !truth(&w->in[op->view->where], i))
			continue;
		if (!entity_name(op, w->b, i, &w->entities[w->n], a)) {
			op->counts.null_entity++;
			continue;
		}
		w->hashes[w->n] = entity_hash(w->entities[w->n]);
		w->rows[w->n++] = i;
	}
}

/* Which rows a feed takes; NULL: all. */
static const uint8_t *feed_takes(const struct work *w, const struct feed *f, struct arena *a)
{
	const struct column *arg = f->arg >= 0 ? &w->in[f->arg] : NULL;
	const struct column *where = f->where >= 0 ? &w->in[f->where] : NULL;
	bool nulls = arg && memchr(arg->null, 1, w->b->n);
	if (!nulls && !where)
		return NULL;
	uint8_t *takes = arena_alloc(a, w->b->n);
	for (uint32_t i = 0; i < w->b->n; i++)
		takes[i] = !(nulls && arg->null[i]) && (!where || truth(where, i));
	return takes;
}

static void feeds_fill(struct op *op, struct work *w, struct arena *a)
{
	const struct layout *l = &op->layout;
	w->feeds = arena_calloc(a, l->nfeeds, sizeof *w->feeds);
	for (uint32_t i = 0; i < l->nfeeds; i++) {
		int arg = l->feeds[i].arg;
		w->feeds[i].col = arg >= 0 ? &w->in[arg] : NULL;
		w->feeds[i].takes = feed_takes(w, &l->feeds[i], a);
	}
}

static enum status take(struct op *op, const struct work *w, uint32_t k, struct error *e)
{
	uint32_t i = w->rows[k];
	struct entry *en = w->entries[k];
	if (fire_entity(op, en, w->stream_time[i], e))
		return ST_ERR;
	struct heap *h = entry_write(op->conf.table, en);
	if (!h->len) {
		row_init(&op->layout, h);
		if (op->conf.keys && key_sample_new(op->conf.keys, op->conf.view, w->hashes[k],
					     op->conf.partition))
			op->counts.misplaced++;
	}
	struct row_event ev = {w->b->event_time[i], w->feeds, i};
	int64_t due = row_of(h)->head.due;
	row_add(&op->layout, h, &ev, &op->counts.agg);
	known_at_raise(h, w->b->known_at[i]);
	if (row_of(h)->head.due != due)
		entry_due_changed(op->conf.table, en);
	if (row_out(op, en, h, w->b->src_partition[i], w->b->src_offset[i], e))
		return ST_ERR;
	return fire_entity(op, en, w->stream_time[i], e);
}

/* What is to be read when row k + AHEAD_ROWS is taken, and before that, what says where it is. */
static void rows_fetch(const struct work *w, uint32_t k)
{
	if (k + 3 * AHEAD_ROWS < w->n)
		entry_fetch(w->entries[k + 3 * AHEAD_ROWS]);
	if (k + 2 * AHEAD_ROWS < w->n)
		entry_fetch_change(w->entries[k + 2 * AHEAD_ROWS]);
	if (k + AHEAD_ROWS < w->n)
		entry_fetch_row(w->entries[k + AHEAD_ROWS]);
}

static enum status window_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
	struct arena *a, struct error *e)
{
	struct work w = {.b = b, .stream_time = stream_time};
	if (op->view->input) {
		w.in = arena_alloc(a, program_outputs(op->view->input) * sizeof *w.in);
		program_run(op->view->input, b->cols, b->n, w.in, a, &op->counts.program);
		arguments_clean(op, &w, a);
	}
	uint32_t others = op->view->expiry ? EXPIRE_PER_RECORD : FORGET_PER_RECORD;
	feeds_fill(op, &w, a);
	rows_take(op, &w, a);
	if (table_resolve(op->conf.table, op->conf.space, w.entities, w.hashes, w.n, w.entries,
		    a, e))
		return ST_ERR;
	for (uint32_t i = 0, k = 0; i < b->n; i++) {
		if (k < w.n && w.rows[k] == i) {
			rows_fetch(&w, k);
			if (take(op, &w, k++, e))
				return ST_ERR;
		}
		if (fire_others(op, stream_time[i], others, a, e) < 0)
			return ST_ERR;
	}
	return rows_send(&op->rows, e);
}

static enum status window_expire(struct op *op, int64_t stream_time, struct arena *a,
	struct error *e)
{
	enum status st = fire_others(op, stream_time, EXPIRE_CHUNK, a, e);
	if (st < 0 || rows_send(&op->rows, e))
		return ST_ERR;
	return st;
}

static bool window_online(struct op *op, struct entry *en, struct online_row *out)
{
	(void)op;
	const struct last_row *last = *entry_note(en);
	if (!last)
		return false;
	*out = (struct online_row){.entity = entry_entity(en), .event_time = last->event_time,
		.known_at = last->known_at, .features = {last->features, last->len}};
	return true;
}

static bool window_online_from_state(struct op *op, struct slice entity, struct slice row,
	struct online_row *out, struct arena *a)
{
	uint8_t *copy = arena_alloc(a, row.len);
	memcpy(copy, row.p, row.len);
	struct heap h = {copy, row.len, row.len, 0};
	*out = (struct online_row){.entity = entity, .event_time = row_of(&h)->clock,
		.known_at = row_of(&h)->known_at, .features = rows_features(&op->rows, &h, a)};
	return true;
}

static int64_t window_lasts(struct op *op, const struct entry *en, struct arena *a)
{
	const struct heap *h = entry_read(en, a);
	return op->view->expiry && h && h->len ? row_of(h)->leaves : WINDOW_NEVER;
}

static enum status window_epoch_flush(struct op *op, struct error *e)
{
	return rows_flush(&op->rows, e);
}

static void window_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
	rows_epoch_end(&op->rows);
}

static const struct op_counts *window_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_window = {
	.name = "window",
	.open = window_open,
	.close = window_close,
	.pack = window_pack,
	.table_set = window_table_set,
	.batch = window_batch,
	.expire = window_expire,
	.online = window_online,
	.online_from_state = window_online_from_state,
	.lasts = window_lasts,
	.epoch_flush = window_epoch_flush,
	.epoch_end = window_epoch_end,
	.counts = window_counts,
};
