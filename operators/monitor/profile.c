// SPDX-License-Identifier: Apache-2.0
//
// The first step of a monitor, in every partition of its predictions: counts each record into
// the profiles of its window and segment. When the partition's watermark passes a window's end
// its profiles go to the channel, and a note says that nothing more will come for it.
//
// What a window holds does not depend on batches: records that are on time are never behind a
// window that has closed. Behind an `idle` move they may be; they then make a second part.
// Not here: putting partitions together (merge.c).
#include <stdlib.h>

#include "operators/monitor/groups.h"
#include "operators/monitor/steps.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/ticker.h"

struct op {
	struct op_conf conf;
	const struct monitor *m;
	int64_t lateness_ms;
	struct sender sender;
	struct groups *groups;
	struct op_counts counts, committed;
	struct buf name, body;
};

static enum status profile_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->m = &conf->plan->job->monitors[conf->step->monitor];
	op->lateness_ms = conf->plan->job->sources[op->m->source].lateness_ms;
	sender_init(&op->sender, &op->conf, conf->plan->parts);
	op->groups = groups_new(&op->conf);
	*out = op;
	return ST_OK;
}

static void profile_close(struct op *op)
{
	if (!op)
		return;
	groups_free(op->groups);
	sender_release(&op->sender);
	buf_release(&op->name);
	buf_release(&op->body);
	free(op);
}

static void profile_pack_row(void *op, struct heap *h)
{
	groups_pack(((struct op *)op)->groups, h);
}

static void profile_table_set(struct op *op, struct table *t)
{
	op->conf.table = t;
	groups_epoch_end(op->groups, false); /* they were of another table */
}

/* A batch's windows and segments, few of them as a rule. */
struct cut {
	struct slice *names; /* of their rows */
	uint64_t *hashes;
	int64_t *windows;
	uint32_t *count, *start;
	uint32_t n;
	uint32_t *of;   /* per row */
	uint32_t *rows; /* by group, in order */
	uint32_t *slots, nslots;
};

static uint32_t cut_find(struct cut *c, struct slice name, int64_t window, struct arena *a)
{
	uint64_t hash = entity_hash(name);
	uint32_t at = (uint32_t)hash & (c->nslots - 1);
	for (; c->slots[at]; at = (at + 1) & (c->nslots - 1)) {
		uint32_t k = c->slots[at] - 1;
		if (c->hashes[k] == hash && slice_eq(c->names[k], name))
			return k;
	}
	c->names[c->n] = arena_slice(a, name);
	c->hashes[c->n] = hash;
	c->windows[c->n] = window;
	c->slots[at] = c->n + 1;
	return c->n++;
}

static void cut_init(struct cut *c, uint32_t n, struct arena *a)
{
	*c = (struct cut){.names = arena_alloc(a, n * sizeof *c->names),
	        .hashes = arena_alloc(a, n * sizeof *c->hashes),
	        .windows = arena_alloc(a, n * sizeof *c->windows),
	        .count = arena_calloc(a, n, sizeof *c->count),
	        .start = arena_calloc(a, n + 1, sizeof *c->start),
	        .of = arena_alloc(a, n * sizeof *c->of),
	        .rows = arena_alloc(a, n * sizeof *c->rows),
	        .nslots = 2};
	while (c->nslots < 2 * n)
		c->nslots *= 2;
	c->slots = arena_calloc(a, c->nslots, sizeof *c->slots);
}

static void cut_fill(struct cut *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		c->count[c->of[i]]++;
	for (uint32_t k = 0; k < c->n; k++)
		c->start[k + 1] = c->start[k] + c->count[k];
	for (uint32_t k = 0; k < c->n; k++)
		c->count[k] = 0;
	for (uint32_t i = 0; i < n; i++)
		c->rows[c->start[c->of[i]] + c->count[c->of[i]]++] = i;
}

static void cut_make(struct op *op, const struct batch *b, struct cut *c, struct arena *a)
{
	struct buf segment = {0};
	cut_init(c, b->n, a);
	for (uint32_t i = 0; i < b->n; i++) {
		int64_t window = window_start(op->m, b->event_time[i]);
		segment.len = 0;
		segment_write(op->m, b, i, &segment);
		if (!op->m->nby && i && window == c->windows[c->of[i - 1]]) {
			c->of[i] = c->of[i - 1];
			continue;
		}
		row_name(&op->name, 'w', window, buf_view(&segment));
		c->of[i] = cut_find(c, buf_view(&op->name), window, a);
	}
	cut_fill(c, b->n);
	buf_release(&segment);
}

static enum status batch_take(
        struct op *op, const struct batch *b, struct arena *a, struct error *e)
{
	struct cut c;
	cut_make(op, b, &c, a);
	struct entry **entries = arena_alloc(a, c.n * sizeof *entries);
	if (table_resolve(
	            op->conf.table, op->conf.space, c.names, c.hashes, c.n, entries, a, e))
		return ST_ERR;
	for (uint32_t k = 0; k < c.n; k++) {
		struct group *g;
		if (groups_open(op->groups, entries[k], c.windows[k], row_segment(c.names[k]),
		            &g, a, e))
			return ST_ERR;
		group_add(op->groups, g, b, c.rows + c.start[k], c.count[k]);
		groups_trim(op->groups);
	}
	op->counts.rows += b->n;
	return ST_OK;
}

static enum status window_ship(
        struct op *op, struct entry *en, struct arena *a, struct error *e)
{
	struct slice name = entry_entity(en);
	int64_t end = entry_due(en);
	struct part p = {.kind = PART_PROFILE,
	        .event_time = end,
	        .window = end - op->m->window_ms,
	        .segment = row_segment(name)};
	op->body.len = 0;
	groups_body(op->groups, en, &op->body, a);
	p.body = buf_view(&op->body);
	groups_forget(op->groups, en);
	if (part_send(&op->sender, &p, e))
		return ST_ERR;
	entry_drop(op->conf.table, en);
	return ST_OK;
}

/* Windows that end by the watermark, at most EXPIRE_CHUNK. ST_END: no more are due. */
static enum status windows_ship(
        struct op *op, int64_t watermark, struct arena *a, struct error *e)
{
	for (uint32_t i = 0; i < EXPIRE_CHUNK; i++) {
		struct entry *en;
		enum status st =
		        table_due(op->conf.table, op->conf.space, watermark, &en, a, e);
		if (st)
			return st;
		if (window_ship(op, en, a, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status profile_batch(struct op *op, const struct batch *b,
        const int64_t *stream_time, struct arena *a, struct error *e)
{
	bool due;
	int64_t watermark = stream_time[b->n - 1] - op->lateness_ms;
	if (batch_take(op, b, a, e) || ticker_due(&op->sender, watermark, &due, a, e))
		return ST_ERR;
	if (due) {
		enum status st = windows_ship(op, watermark, a, e);
		if (st <= 0) /* what is left goes with the next batch, and the note too */
			return st;
	}
	return ticker_note(&op->sender, watermark, false, a, e) < 0 ? ST_ERR : ST_OK;
}

static enum status profile_expire(
        struct op *op, int64_t stream_time, struct arena *a, struct error *e)
{
	struct entry *en;
	bool due, none = stream_time == INT64_MIN;
	int64_t watermark = none ? INT64_MIN : stream_time - op->lateness_ms;
	if (ticker_due(&op->sender, watermark, &due, a, e))
		return ST_ERR;
	if (!due && !none)
		return ST_END;
	enum status st = none ? ST_END : windows_ship(op, watermark, a, e);
	if (st <= 0)
		return st;
	st = table_due(op->conf.table, op->conf.space, STORE_NO_DUE - 1, &en, a, e);
	if (st < 0)
		return ST_ERR;
	/* Only `idle` brings time forward without records. */
	return ticker_note(&op->sender, watermark, st == ST_END, a, e) < 0 ? ST_ERR : ST_END;
}

static void profile_epoch_end(struct op *op, bool committed)
{
	groups_epoch_end(op->groups, committed);
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *profile_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_monitor_profile = {
        .name = "monitor_profile",
        .open = profile_open,
        .close = profile_close,
        .pack = profile_pack_row,
        .table_set = profile_table_set,
        .batch = profile_batch,
        .expire = profile_expire,
        .epoch_end = profile_epoch_end,
        .counts = profile_counts,
};
