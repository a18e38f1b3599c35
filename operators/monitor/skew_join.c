// SPDX-License-Identifier: Apache-2.0
//
// Served values meet the view's, by entity. A prediction waits until its window is over by the
// watermark of its own source and of the view: then every row of the view as of its time is
// here, and none will come. What is right as of T is the row with the largest event time <= T,
// the last one given out among equals, null when it is older than the view's ttl; with known_at
// only rows that were known at T; with `within` every row that was the right one at some time
// since T - within.
//
// Of an entity's rows those are kept that a prediction may still ask for: from the one that is
// right at the watermark on. An entity of which nothing is kept has no value, as long as all of
// the view's rows were seen here; else nobody can tell, and that is what is counted.
// Not here: when two values are the same (skew.c), putting shards together (merge_skew.c).
#include <stdlib.h>

#include "data/avro.h"
#include "operators/monitor/channel.h"
#include "operators/monitor/skew.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/ticker.h"

#define WAITING_BYTES_MAX (1u << 20)   /* predictions of an entity in a window */
#define VERSIONS_BYTES_MAX (64u << 10) /* rows of an entity */

/* Predictions of an entity in a window, as they came: waiting_item, segment, served values,
 * each filled up to 8 bytes. */
struct waiting_row {
	struct row_head head;
	uint64_t n;
};
struct waiting_item {
	int64_t time;
	uint32_t segment, body;
};

/* An entity's rows, in the order in which they were given out: both times never fall. */
struct versions_row {
	struct row_head head;
	uint64_t n;
	uint64_t last; /* where the newest one is */
	uint64_t cut;  /* rows that may be asked for were dropped */
};
struct version {
	int64_t event_time, known_at;
	int64_t lasts; /* when time alone changes it; INT64_MAX: it does not */
	uint64_t len;  /* of the values behind it, filled up to 8 bytes */
};

struct since_row {
	struct row_head head;
	int64_t since;
};

struct history {
	const struct version **all; /* their values are behind them */
	uint32_t n;
	bool cut;
};

struct op {
	struct channel channel;
	const struct view *view;
	const struct view_plan *plan;
	const struct monitor_skew *skew;
	struct sender sender;
	int64_t since; /* all rows of the view from then on were seen; INT64_MIN: all */
	struct buf body;
};

static const struct stage *view_stage(const struct plan *p, uint32_t view)
{
	return &p->stages[p->views[view].stage];
}

static enum status skew_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e);
static enum status skew_note(
        struct op *op, const struct part *p, struct arena *a, struct error *e);
static enum status skew_due(struct op *op, struct entry *en, struct arena *a, struct error *e);

static enum status skew_told(struct op *op, struct arena *a, struct error *e)
{
	return ticker_note(&op->sender, op->channel.watermark, false, a, e);
}

static enum status skew_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	struct channel *c = &op->channel;
	channel_init(c, conf);
	c->part = skew_part;
	c->note = skew_note;
	c->due = skew_due;
	c->told = skew_told;
	op->skew = c->m->skew;
	op->view = &conf->plan->job->views[op->skew->view];
	op->plan = &conf->plan->views[op->skew->view];
	channel_origin(c, stage_of_source(conf->plan, c->m->source));
	channel_origin(c, view_stage(conf->plan, op->skew->view));
	sender_init(&op->sender, &c->conf, conf->plan->parts);
	*out = op;
	return ST_OK;
}

static void skew_close(struct op *op)
{
	if (!op)
		return;
	sender_release(&op->sender);
	buf_release(&op->body);
	channel_release(&op->channel);
	free(op);
}

/* -- rows -- */

static enum status named(struct op *op, char letter, int64_t window, struct slice rest,
        struct entry **en, struct arena *a, struct error *e)
{
	struct channel *c = &op->channel;
	row_name(&c->name, letter, window, rest);
	return row_resolve(&c->conf, buf_view(&c->name), en, a, e);
}

/* len bytes more, zeroes. */
static uint8_t *heap_more(struct heap *h, uint32_t len)
{
	if (h->cap - h->len < len) {
		h->cap = h->cap > len ? 2 * h->cap : h->cap + len;
		h->base = xrealloc(h->base, h->cap);
	}
	memset(h->base + h->len, 0, len);
	h->len += len;
	return h->base + h->len - len;
}

static uint32_t filled(uint32_t n)
{
	return (n + 7) & ~7u;
}

static enum status since_get(struct op *op, struct arena *a, struct error *e)
{
	struct entry *en;
	if (row_resolve(&op->channel.conf, slice_of("s"), &en, a, e))
		return ST_ERR;
	const struct heap *h = entry_read(en, a);
	op->since = h && h->len ? ((const struct since_row *)h->base)->since : INT64_MIN;
	return ST_OK;
}

/* The view's stages say with each note since when they tell. */
static enum status skew_note(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	if (since_get(op, a, e))
		return ST_ERR;
	if (p->window <= op->since)
		return ST_OK;
	struct since_row r = {{ROW_FORMAT, ROW_SINCE, STORE_NO_DUE}, p->window};
	if (row_resolve(&op->channel.conf, slice_of("s"), &en, a, e))
		return ST_ERR;
	row_set(entry_write(op->channel.conf.table, en), &r, sizeof r);
	entry_due_changed(op->channel.conf.table, en);
	op->since = p->window;
	return ST_OK;
}

/* -- windows -- */

static enum status window_open(struct op *op, int64_t window, struct slice segment,
        struct skew_window **out, struct arena *a, struct error *e)
{
	struct entry *en;
	const struct monitor *m = op->channel.m;
	if (named(op, 'w', window, segment, &en, a, e))
		return ST_ERR;
	struct heap *h = entry_write(op->channel.conf.table, en);
	if (!h->len) {
		heap_more(h, skew_window_bytes(m));
		struct skew_window *w = (struct skew_window *)h->base;
		skew_window_clear(w, m);
		w->head.due = window + m->window_ms;
		entry_due_changed(op->channel.conf.table, en);
	}
	*out = (struct skew_window *)h->base;
	return ST_OK;
}

static enum status window_ship(
        struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	struct slice name = entry_entity(en);
	const struct heap *h = entry_read(en, a);
	op->body.len = 0;
	skew_window_write((const struct skew_window *)h->base, op->channel.m, &op->body);
	struct part p = {.kind = PART_SKEW,
	        .event_time = entry_due(en),
	        .window = row_window(name),
	        .segment = row_segment(name),
	        .body = buf_view(&op->body)};
	if (part_send(&op->sender, &p, e))
		return ST_ERR;
	entry_drop(op->channel.conf.table, en);
	return ST_OK;
}

static enum status unknown_add(
        struct op *op, int64_t window, struct slice segment, struct arena *a, struct error *e)
{
	struct skew_window *w;
	if (window_open(op, window, segment, &w, a, e))
		return ST_ERR;
	w->rows++;
	w->unknown++;
	return ST_OK;
}

/* -- what comes -- */

static enum status served_take(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	const struct waiting_row fresh = {
	        .head = {ROW_FORMAT, ROW_WAITING, p->window + op->channel.m->window_ms}};
	uint32_t bytes =
	        (uint32_t)sizeof(struct waiting_item) + filled(p->segment.len + p->body.len);
	if (slice_eq(p->id, slice_of(SKEW_NO_ENTITY)))
		return unknown_add(op, p->window, p->segment, a, e);
	if (named(op, 'p', p->window, p->id, &en, a, e))
		return ST_ERR;
	const struct heap *was = entry_read(en, a);
	if (was && was->len + bytes > WAITING_BYTES_MAX)
		return unknown_add(op, p->window, p->segment, a, e);
	struct heap *h = entry_write(op->channel.conf.table, en);
	if (!h->len) {
		row_set(h, &fresh, sizeof fresh);
		entry_due_changed(op->channel.conf.table, en);
	}
	const struct waiting_item item = {p->event_time, p->segment.len, p->body.len};
	uint8_t *at = heap_more(h, bytes);
	memcpy(at, &item, sizeof item);
	at += sizeof item;
	if (p->segment.len)
		memcpy(at, p->segment.p, p->segment.len);
	memcpy(at + p->segment.len, p->body.p, p->body.len);
	((struct waiting_row *)h->base)->n++;
	return ST_OK;
}

static uint32_t version_bytes(const struct heap *h, uint32_t at)
{
	return (uint32_t)sizeof(struct version) +
	       filled((uint32_t)((const struct version *)(h->base + at))->len);
}

static void oldest_drop(struct heap *h)
{
	uint32_t at = sizeof(struct versions_row), bytes = version_bytes(h, at);
	memmove(h->base + at, h->base + at + bytes, h->len - at - bytes);
	h->len -= bytes;
	((struct versions_row *)h->base)->n--;
	((struct versions_row *)h->base)->last -= bytes;
}

/* Whether the row at `at` is there for a prediction at t, as far as time goes. */
static bool is_asked(const struct op *op, const struct version *v, int64_t t)
{
	return v->event_time <= t && (!op->skew->known_at || v->known_at <= t);
}

/* The first row is not asked for any more when the second is right at the watermark already. */
static void versions_prune(struct op *op, struct heap *h)
{
	struct versions_row *r = (struct versions_row *)h->base;
	int64_t low = op->channel.watermark;
	if (low == INPUTS_NO_TIME || op->channel.behind)
		return;
	low -= op->skew->within_ms;
	while (r->n > 1) {
		uint32_t second = sizeof *r + version_bytes(h, sizeof *r);
		if (!is_asked(op, (const struct version *)(h->base + second), low))
			return;
		oldest_drop(h);
	}
}

static bool same_as_last(const struct heap *h, struct slice values)
{
	const struct versions_row *r = (const struct versions_row *)h->base;
	const struct version *v = (const struct version *)(h->base + r->last);
	return r->n &&
	       slice_eq((struct slice){(const uint8_t *)(v + 1), (uint32_t)v->len}, values);
}

/* An entity is forgotten when its last row is older than the ttl for every prediction. */
static int64_t versions_due(const struct op *op, int64_t event_time)
{
	if (!op->view->ttl_ms)
		return STORE_NO_DUE;
	return event_time + op->view->ttl_ms + op->skew->within_ms + op->channel.m->window_ms +
	       1;
}

static enum status value_take(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	struct entry *en;
	struct reader in = reader_of(p->body);
	struct version v = {.event_time = p->event_time};
	v.known_at = reader_varint(&in);
	v.lasts = reader_varint(&in);
	struct slice values = {in.p, (uint32_t)(in.end - in.p)};
	const struct versions_row fresh = {.head = {ROW_FORMAT, ROW_VERSIONS, STORE_NO_DUE}};
	if (named(op, 'v', 0, p->id, &en, a, e))
		return ST_ERR;
	struct heap *h = entry_write(op->channel.conf.table, en);
	if (!h->len)
		row_set(h, &fresh, sizeof fresh);
	versions_prune(op, h);
	/* Without a ttl it does not show which of two equal rows is the right one. */
	if (!op->view->ttl_ms && same_as_last(h, values)) {
		((struct version *)(h->base + ((struct versions_row *)h->base)->last))->lasts =
		        v.lasts;
		return ST_OK;
	}
	while (h->len > VERSIONS_BYTES_MAX && ((struct versions_row *)h->base)->n > 1) {
		oldest_drop(h);
		((struct versions_row *)h->base)->cut = 1;
	}
	v.len = values.len;
	uint8_t *at = heap_more(h, (uint32_t)sizeof v + filled(values.len));
	memcpy(at, &v, sizeof v);
	if (values.len)
		memcpy(at + sizeof v, values.p, values.len);
	struct versions_row *r = (struct versions_row *)h->base;
	r->n++;
	r->last = (uint64_t)(at - h->base);
	r->head.due = versions_due(op, p->event_time);
	entry_due_changed(op->channel.conf.table, en);
	return ST_OK;
}

static enum status skew_part(
        struct op *op, const struct part *p, struct arena *a, struct error *e)
{
	return p->kind == PART_SERVED ? served_take(op, p, a, e) : value_take(op, p, a, e);
}

/* -- what was right -- */

static enum status history_load(struct op *op, struct slice entity, struct history *out,
        struct arena *a, struct error *e)
{
	struct entry *en;
	*out = (struct history){0};
	if (named(op, 'v', 0, entity, &en, a, e))
		return ST_ERR;
	const struct heap *h = entry_read(en, a);
	if (!h || !h->len)
		return ST_OK;
	const struct versions_row *r = (const struct versions_row *)h->base;
	out->cut = r->cut;
	out->n = (uint32_t)r->n;
	out->all = arena_alloc(a, (out->n + 1) * sizeof(void *));
	for (uint32_t i = 0, at = sizeof *r; i < out->n; i++) {
		out->all[i] = (const struct version *)(h->base + at);
		at += version_bytes(h, at);
	}
	return ST_OK;
}

/* The row that is right at t; -1: none. */
static int right_at(const struct op *op, const struct history *h, int64_t t)
{
	uint32_t lo = 0, hi = h->n;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (is_asked(op, h->all[mid], t))
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int)lo - 1;
}

/* What a served value at a time may be: rows from..to, all of them null from their ttl on. */
struct right {
	int from, to;
	bool to_null;  /* the last one is too old by then: null is right */
	bool null_too; /* null was right for some of the time */
	bool unknown;
};

static bool too_old(const struct op *op, const struct version *v, int64_t t)
{
	return op->view->ttl_ms && t - v->event_time > op->view->ttl_ms;
}

static void right_find(const struct op *op, const struct history *h, int64_t t, struct right *r)
{
	int64_t first = t - op->skew->within_ms, ttl = op->view->ttl_ms;
	*r = (struct right){.from = right_at(op, h, first), .to = right_at(op, h, t)};
	bool all_seen = op->since == INT64_MIN || (ttl && first - ttl > op->since);
	r->unknown = r->to < 0 && (h->cut || !all_seen);
	/* The row that takes its place is not out yet: a repartitioned view goes by the largest
	 * event time in its own partition, which may be behind its source. */
	r->unknown |= r->to >= 0 && r->to + 1 == (int)h->n && h->all[r->to]->lasts <= t;
	r->null_too = r->from < 0;
	for (int i = r->from < 0 ? 0 : r->from; i <= r->to; i++)
		r->null_too |=
		        too_old(op, h->all[i], i < r->to ? h->all[i + 1]->event_time - 1 : t);
	r->to_null = r->to < 0 || too_old(op, h->all[r->to], t);
	/* Rows that were too old all the time are no more right than null is. */
	while (r->from >= 0 && r->from <= r->to && too_old(op, h->all[r->from], first))
		r->from++;
	if (r->from < 0)
		r->from = 0;
}

/* The values of a row, NULL in h: none, all null. */
static void values_read(const struct op *op, const struct version *v, struct value *out)
{
	const struct monitor *m = op->channel.m;
	struct reader in = {0};
	if (v)
		in = reader_of((struct slice){(const uint8_t *)(v + 1), (uint32_t)v->len});
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		const struct field *f = &op->plan->features[op->skew->features[i]];
		out[i] = (struct value){.null = true};
		if (v)
			avro_read(&in, &f->type, f->nullable, &out[i]);
	}
}

struct comparing {
	struct op *op;
	struct slice entity;
	struct history history;
	struct value *served, *right, *other; /* a column each */
	uint8_t *kinds;                       /* of the row in hand */
	struct arena *a;
};

static void kinds_lower(struct comparing *x, const struct value *made)
{
	const struct monitor *m = x->op->channel.m;
	const struct source *s = &x->op->channel.conf.plan->job->sources[m->source];
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		const struct field *f = &x->op->plan->features[x->op->skew->features[i]];
		if (x->kinds[i] != SKEW_EQUAL)
			x->kinds[i] = (uint8_t)skew_compare(
			        &s->schema->fields[m->columns[i]].type, &x->served[i], &f->type,
			        &made[i], x->op->skew->tolerance);
	}
}

static void example_add(
        struct comparing *x, uint32_t i, const struct waiting_item *item, struct skew_column *c)
{
	const struct monitor *m = x->op->channel.m;
	const struct source *s = &x->op->channel.conf.plan->job->sources[m->source];
	const struct field *f = &x->op->plan->features[x->op->skew->features[i]];
	struct skew_example ex = {.time = item->time};
	if (c->nexamples == SKEW_EXAMPLES_MAX &&
	        item->time > c->examples[SKEW_EXAMPLES_MAX - 1].time)
		return;
	skew_cut(ex.entity, sizeof ex.entity, x->entity);
	skew_text(&s->schema->fields[m->columns[i]].type, &x->served[i], ex.served,
	        &ex.served_null);
	skew_text(&f->type, &x->right[i], ex.computed, &ex.computed_null);
	skew_example_add(c, &ex);
}

/* Says in kinds how the served values are. The right ones are those of the prediction's own
 * time; what was right before is compared only where these differ. */
static void row_compare(struct comparing *x, const struct right *r)
{
	const struct monitor *m = x->op->channel.m;
	memset(x->kinds, SKEW_OTHER, m->ncolumns);
	for (int i = r->from; i <= r->to; i++) {
		values_read(x->op, x->history.all[i], x->other);
		kinds_lower(x, x->other);
	}
	if (r->null_too) {
		values_read(x->op, NULL, x->other);
		kinds_lower(x, x->other);
	}
	values_read(x->op, r->to_null ? NULL : x->history.all[r->to], x->right);
	kinds_lower(x, x->right);
}

static enum status item_compare(struct comparing *x, const struct waiting_item *item,
        struct slice segment, struct slice body, int64_t window, struct error *e)
{
	struct op *op = x->op;
	const struct monitor *m = op->channel.m;
	const struct source *s = &op->channel.conf.plan->job->sources[m->source];
	struct reader in = reader_of(body);
	struct skew_window *w;
	struct right r;
	for (uint32_t i = 0; i < m->ncolumns; i++)
		avro_read(&in, &s->schema->fields[m->columns[i]].type, true, &x->served[i]);
	if (window_open(op, window, segment, &w, x->a, e))
		return ST_ERR;
	right_find(op, &x->history, item->time, &r);
	w->rows++;
	w->unknown += r.unknown;
	op->channel.counts.rows++;
	if (r.unknown)
		return ST_OK;
	row_compare(x, &r);
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		w->columns[i].kinds[x->kinds[i]]++;
		if (x->kinds[i] != SKEW_EQUAL)
			example_add(x, i, item, &w->columns[i]);
	}
	return ST_OK;
}

/* A window's predictions of an entity: all that they ask for is here. */
static enum status waiting_compare(
        struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	uint32_t n = op->channel.m->ncolumns;
	struct slice name = entry_entity(en);
	const struct heap *h = entry_read(en, a);
	struct comparing x = {.op = op,
	        .entity = row_segment(name),
	        .served = arena_alloc(a, n * sizeof *x.served),
	        .right = arena_alloc(a, n * sizeof *x.right),
	        .other = arena_alloc(a, n * sizeof *x.other),
	        .kinds = arena_alloc(a, n),
	        .a = a};
	if (history_load(op, x.entity, &x.history, a, e) || since_get(op, a, e))
		return ST_ERR;
	const uint8_t *at = h->base + sizeof(struct waiting_row);
	for (uint64_t i = ((const struct waiting_row *)h->base)->n; i > 0; i--) {
		const struct waiting_item *item = (const struct waiting_item *)at;
		struct slice segment = {at + sizeof *item, item->segment};
		struct slice body = {segment.p + segment.len, item->body};
		if (item_compare(&x, item, segment, body, row_window(name), e))
			return ST_ERR;
		at += sizeof *item + filled(item->segment + item->body);
	}
	entry_drop(op->channel.conf.table, en);
	return ST_OK;
}

/* By (instant, name): an entity's predictions come before its rows are forgotten (which is due
 * later), and a window ('w') after all predictions ('p') in it. */
static enum status skew_due(struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	switch (entry_entity(en).p[0]) {
	case 'p':
		return waiting_compare(op, en, a, e);
	case 'w':
		return window_ship(op, en, a, e);
	default:
		entry_drop(op->channel.conf.table, en);
		op->channel.counts.forgotten++;
		return ST_OK;
	}
}

const struct operator operator_monitor_skew = {
        .name = "monitor_skew", .open = skew_open, .close = skew_close, CHANNEL_STEP};
