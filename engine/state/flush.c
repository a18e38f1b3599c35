// SPDX-License-Identifier: Apache-2.0
//
// The background flush: freezes the dirty rows of a table at an epoch's end and writes them,
// sorted, with the meta record of that epoch in one atomic batch, on a thread of its own. A
// frozen row is never changed: the next epoch that touches its entity writes a copy, and the
// flush frees the old bytes when it is done. One flush at a time per table.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "state/table_inside.h"

/* What a restart after a kill has to replay, at most: seconds, and rows. The rows bound how
 * long freezing takes, too. */
#define FLUSH_INTERVAL_NS INT64_C(10000000000)
#define FLUSH_INTERVAL_TEST_NS INT64_C(1000000000)
#define FLUSH_DIRTY_ROWS 200000
#define FLUSH_DIRTY_SHARE 4 /* early, when a quarter of the budget is dirty */

/* Rows and their entries lie anywhere in memory: each is asked for so many before its turn. */
#define AHEAD_ROWS 16

struct flush {
	pthread_t thread;
	struct store_task *store;
	struct flush_item *items;
	struct store_write *writes; /* made by the thread */
	const struct space *spaces; /* their names */
	uint32_t nspaces;
	uint32_t n;
	struct buf meta;
	atomic_bool done;
	enum status status;
	struct error error;
	int64_t started_ns;
};

bool flush_is_due(const struct table *t, bool force)
{
	if (!t->ndirty && !t->meta_dirty)
		return false;
	if (force || t->ndirty >= FLUSH_DIRTY_ROWS ||
	        t->dirty_bytes > t->conf.memory_bytes / FLUSH_DIRTY_SHARE)
		return true;
	int64_t interval =
	        rule_kept(FP_RULE_FLUSH_INTERVAL) ? FLUSH_INTERVAL_NS : FLUSH_INTERVAL_TEST_NS;
	return clock_mono_ns(t->conf.clock) - t->last_flush_ns >= interval;
}

/* What rows are sorted by: the space, eight bytes of the entity behind what all begin with, and
 * where those are the same, the entity. */
struct flush_key {
	uint64_t eight;
	uint32_t index; /* of items */
	uint32_t space; /* in the order of names */
};

static int key_cmp(const void *pa, const void *pb, void *items)
{
	const struct flush_key *a = pa, *b = pb;
	const struct flush_item *all = items;
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	if (a->eight != b->eight)
		return a->eight < b->eight ? -1 : 1;
	return slice_cmp(entry_entity(all[a->index].en), entry_entity(all[b->index].en));
}

static uint32_t common_bytes(struct slice a, struct slice b, uint32_t most)
{
	uint32_t n = 0;
	while (n < most && n < a.len && n < b.len && a.p[n] == b.p[n])
		n++;
	return n;
}

/* Shorter ones as if zeros followed: the whole entity decides then. */
static uint64_t eight_bytes(struct slice s, uint32_t from)
{
	uint64_t v = 0;
	for (uint32_t i = from; i < from + 8; i++)
		v = v << 8 | (i < s.len ? s.p[i] : 0);
	return v;
}

/* A space's place among the names. */
static uint32_t space_rank(const struct flush *f, uint32_t space)
{
	uint32_t rank = 0;
	for (uint32_t i = 0; i < f->nspaces; i++)
		rank += slice_cmp(f->spaces[i].conf.name, f->spaces[space].conf.name) < 0;
	return rank;
}

static void entry_ahead(const struct flush *f, uint32_t i)
{
	if (i + AHEAD_ROWS < f->n)
		entry_fetch(f->items[i + AHEAD_ROWS].en);
}

/* What is read of an item in the order of keys: the item, then its entry and its row. */
static void sorted_ahead(const struct flush *f, const struct flush_key *keys, uint32_t i)
{
	if (i + 2 * AHEAD_ROWS < f->n)
		__builtin_prefetch(&f->items[keys[i + 2 * AHEAD_ROWS].index]);
	if (i + AHEAD_ROWS >= f->n)
		return;
	const struct flush_item *it = &f->items[keys[i + AHEAD_ROWS].index];
	entry_fetch(it->en);
	__builtin_prefetch(it->row);
}

/* f->writes, in key order, from the frozen rows. */
static void writes_sort(struct flush *f)
{
	uint32_t *ranks = xcalloc(f->nspaces + 1, sizeof *ranks);
	struct flush_key *keys = xmalloc((f->n + 1) * sizeof *keys);
	uint32_t common = f->n ? f->items[0].en->key_len : 0;
	for (uint32_t i = 0; i < f->nspaces; i++)
		ranks[i] = space_rank(f, i);
	for (uint32_t i = 1; i < f->n; i++) {
		entry_ahead(f, i);
		common = common_bytes(entry_entity(f->items[0].en), entry_entity(f->items[i].en),
		        common);
	}
	for (uint32_t i = 0; i < f->n; i++) {
		entry_ahead(f, i);
		keys[i] = (struct flush_key){
		        eight_bytes(entry_entity(f->items[i].en), common), i,
		        ranks[f->items[i].en->space]};
	}
	qsort_r(keys, f->n, sizeof *keys, key_cmp, f->items);
	f->writes = xmalloc((f->n + 1) * sizeof *f->writes);
	for (uint32_t i = 0; i < f->n; i++) {
		sorted_ahead(f, keys, i);
		const struct flush_item *it = &f->items[keys[i].index];
		f->writes[i] = (struct store_write){
		        .key = {f->spaces[it->en->space].conf.name,
		                entry_entity(it->en)},
		        .value = {it->row, it->len},
		        .due = it->row ? pack_due(it->row) : STORE_NO_DUE,
		        .old_due = it->old_due};
	}
	free(keys);
	free(ranks);
}

static void *flush_run(void *arg)
{
	struct flush *f = arg;
	writes_sort(f);
	if (!rule_kept(FP_RULE_ONE_WRITE))
		f->store->ops->write(f->store, NULL, 0, buf_view(&f->meta), &f->error);
	f->status = failpoint(FP_FLUSH_WRITE, &f->error);
	if (!f->status)
		f->status = f->store->ops->write(
		        f->store, f->writes, f->n, buf_view(&f->meta), &f->error);
	failpoint_at(FP_FLUSH_WRITTEN);
	atomic_store_explicit(&f->done, true, memory_order_release);
	return NULL;
}

static void freeze(struct flush *f, const struct dirty *d)
{
	struct entry *en = d->en;
	f->items[f->n] = (struct flush_item){
	        .en = en, .row = en->row, .len = en->row_len, .old_due = d->stored_due};
	en->dirty = false;
	en->frozen = ++f->n;
}

static void freeze_all(struct table *t, struct flush *f)
{
	f->items = xmalloc(t->ndirty * sizeof *f->items);
	for (uint32_t i = 0; i < t->ndirty; i++) {
		if (i + AHEAD_ROWS < t->ndirty)
			entry_fetch(t->dirty[i + AHEAD_ROWS].en);
		freeze(f, &t->dirty[i]);
	}
	t->nfrozen = f->n;
	t->ndirty = 0;
	t->dirty_bytes = 0;
}

enum status flush_start(struct table *t, struct error *e)
{
	INVARIANT(!t->flush && !t->nchanges);
	struct flush *f = xcalloc(1, sizeof *f);
	f->store = t->conf.store;
	f->spaces = t->spaces;
	f->nspaces = t->conf.nspaces;
	f->started_ns = clock_mono_ns(t->conf.clock);
	freeze_all(t, f);
	failpoint_at(FP_FLUSH_FROZEN);
	buf_slice(&f->meta, buf_view(&t->meta));
	t->meta_dirty = false;
	t->last_flush_ns = f->started_ns;
	t->flush = f;
	int rc = pthread_create(&f->thread, NULL, flush_run, f);
	if (rc) {
		/* No thread to be had: do it here rather than lose it. */
		flush_run(f);
		f->thread = pthread_self();
	}
	(void)e;
	return ST_OK;
}

void flush_disown(struct table *t, struct entry *en)
{
	t->flush->items[en->frozen - 1].disowned = true;
	en->frozen = 0;
}

/* A failed write leaves the store as it was: its rows are dirty again. Those that have changed
 * since are so already, as if their timers had been written. */
static void thaw_failed(struct table *t, const struct flush *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		f->items[i].en->frozen = i + 1;
	for (uint32_t i = 0; i < t->ndirty; i++)
		if (t->dirty[i].en->frozen)
			t->dirty[i].stored_due =
			        f->items[t->dirty[i].en->frozen - 1].old_due;
	for (uint32_t i = 0; i < f->n; i++) {
		struct entry *en = f->items[i].en;
		if (en->dirty)
			continue;
		dirty_add(t, en, f->items[i].old_due);
		t->dirty_bytes += en->row_len;
	}
	t->meta_dirty = true;
}

static void thaw_written(struct table *t, const struct flush *f)
{
	t->flushed_meta.len = 0;
	buf_slice(&t->flushed_meta, buf_view(&f->meta));
	t->stats.flushes++;
	t->stats.flushed_rows += f->n;
}

static void thaw(const struct flush *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		entry_ahead(f, i);
		if (f->items[i].disowned)
			free(f->items[i].row);
		f->items[i].en->frozen = 0;
	}
}

enum status flush_collect(struct table *t, bool wait, struct error *e)
{
	struct flush *f = t->flush;
	if (!f || (!wait && !atomic_load_explicit(&f->done, memory_order_acquire)))
		return ST_OK;
	if (!pthread_equal(f->thread, pthread_self()))
		pthread_join(f->thread, NULL);
	enum status st = f->status;
	if (st) {
		thaw_failed(t, f);
		if (e)
			*e = f->error;
	} else {
		failpoint_at(FP_FLUSH_COLLECTED);
		thaw_written(t, f);
	}
	thaw(f);
	int64_t took = clock_mono_ns(t->conf.clock) - f->started_ns;
	t->stats.flush_ns_last = took;
	if (took > t->stats.flush_ns_max)
		t->stats.flush_ns_max = took;
	t->flush = NULL;
	t->nfrozen = 0;
	free(f->items);
	free(f->writes);
	buf_release(&f->meta);
	free(f);
	return st;
}
