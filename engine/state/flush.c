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
#define FLUSH_DIRTY_ROWS 200000
#define FLUSH_DIRTY_SHARE 4 /* early, when a quarter of the budget is dirty */

struct flush {
	pthread_t thread;
	struct store_task *store;
	struct flush_item *items;
	struct store_write *writes; /* in the order of items until it runs */
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
	return clock_mono_ns(t->conf.clock) - t->last_flush_ns >= FLUSH_INTERVAL_NS;
}

static int write_cmp(const void *pa, const void *pb)
{
	const struct store_write *a = pa, *b = pb;
	int c = slice_cmp(a->key.space, b->key.space);
	return c ? c : slice_cmp(a->key.entity, b->key.entity);
}

static void *flush_run(void *arg)
{
	struct flush *f = arg;
	for (uint32_t i = 0; i < f->n; i++)
		f->writes[i].due = f->items[i].row ? pack_due(f->items[i].row) : STORE_NO_DUE;
	qsort(f->writes, f->n, sizeof *f->writes, write_cmp);
	f->status = failpoint(FP_FLUSH_WRITE, &f->error);
	if (!f->status)
		f->status = f->store->ops->write(
		        f->store, f->writes, f->n, buf_view(&f->meta), &f->error);
	failpoint_at(FP_FLUSH_WRITTEN);
	atomic_store_explicit(&f->done, true, memory_order_release);
	return NULL;
}

static void freeze(struct table *t, struct flush *f, struct entry *en)
{
	f->items[f->n] = (struct flush_item){.en = en, .row = en->row, .len = en->row_len};
	f->writes[f->n] =
	        (struct store_write){.key = {t->spaces[en->space].conf.name, entry_entity(en)},
	                .value = {en->row, en->row_len},
	                .old_due = en->stored_due};
	en->dirty = false;
	en->frozen = ++f->n;
}

static void freeze_all(struct table *t, struct flush *f)
{
	f->items = xmalloc(t->ndirty * sizeof *f->items);
	f->writes = xmalloc(t->ndirty * sizeof *f->writes);
	for (uint32_t i = 0; i < t->ndirty; i++)
		freeze(t, f, t->dirty[i]);
	t->nfrozen = f->n;
	t->ndirty = 0;
	t->dirty_bytes = 0;
}

enum status flush_start(struct table *t, struct error *e)
{
	INVARIANT(!t->flush && !t->nchanges);
	struct flush *f = xcalloc(1, sizeof *f);
	f->store = t->conf.store;
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

/* A failed write leaves the store as it was: its rows are dirty again. */
static void thaw_failed(struct table *t, const struct flush *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct entry *en = f->items[i].en;
		if (en->dirty)
			continue;
		dirty_add(t, en);
		t->dirty_bytes += en->row_len;
	}
	t->meta_dirty = true;
}

static void thaw_written(struct table *t, const struct flush *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		f->items[i].en->stored_due =
		        f->items[i].row ? pack_due(f->items[i].row) : STORE_NO_DUE;
	t->flushed_meta.len = 0;
	buf_slice(&t->flushed_meta, buf_view(&f->meta));
	t->stats.flushes++;
	t->stats.flushed_rows += f->n;
}

static void thaw(const struct flush *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		if (f->items[i].disowned)
			free(f->items[i].row);
		else
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
