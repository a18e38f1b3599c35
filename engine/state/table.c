// SPDX-License-Identifier: Apache-2.0
//
// The write-back table: entities by hash, live and committed rows, eviction. Due entities are
// in due.c, the background flush in flush.c; both work on struct table of table_inside.h.
//
// Invariants: an entry with a live row is on the changed list; a dirty or frozen entry is never
// evicted; for an entry that is not in memory, the store's row and timer are exact.
// Not here: what rows mean, and when epochs begin or end.
#include "state/table.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "state/table_inside.h"

#define SLOTS_MIN 64
#define ROW_PREFETCH_BYTES 512
#define NEW_ROW_BYTES 200 /* room for changes, beside a quarter of the row */

uint64_t entity_hash(struct slice entity)
{
	return XXH3_64bits(entity.p, entity.len);
}

/* A store without a meta record has no rows. */
static bool store_is_empty(struct store_task *store)
{
	struct arena a;
	struct slice meta;
	struct error e;
	if (!store)
		return true;
	arena_init(&a);
	bool empty = store->ops->meta(store, &meta, &a, &e) == ST_OK && !meta.len;
	arena_release(&a);
	return empty;
}

struct table *table_new(const struct table_conf *conf)
{
	struct table *t = xcalloc(1, sizeof *t);
	t->conf = *conf;
	t->spaces = xcalloc(conf->nspaces, sizeof *t->spaces);
	for (uint32_t i = 0; i < conf->nspaces; i++) {
		struct space *s = &t->spaces[i];
		s->conf = conf->spaces[i];
		s->mask = SLOTS_MIN - 1;
		s->slots = xcalloc(SLOTS_MIN, sizeof *s->slots);
		s->cold_next = conf->store ? INT64_MIN : STORE_NO_DUE;
		s->cold_from_due = INT64_MIN;
	}
	t->last_flush_ns = clock_mono_ns(conf->clock);
	t->whole = store_is_empty(conf->store);
	return t;
}

static uint64_t entry_bytes(const struct entry *en)
{
	return sizeof *en + en->key_len + sizeof(struct slot) * 3 / 2 + 2 * sizeof(void *);
}

static void entry_free(struct table *t, struct entry *en)
{
	t->bytes -= entry_bytes(en) + en->row_len;
	free(en->row);
	free(en);
}

/* -- buffers of live rows -- */

static uint8_t *spare_take(struct table *t, uint32_t need, uint32_t *cap)
{
	uint32_t class = 0;
	while (class < SPARE_CLASSES && SPARE_BYTES_MIN << class < need)
		class++;
	*cap = class < SPARE_CLASSES ? SPARE_BYTES_MIN << class : need;
	if (class == SPARE_CLASSES || !t->spare[class])
		return xmalloc(*cap);
	uint8_t *p = t->spare[class];
	memcpy(&t->spare[class], p, sizeof p);
	t->spare_bytes -= *cap;
	return p;
}

static void spare_give(struct table *t, struct heap *h)
{
	uint32_t class = SPARE_CLASSES;
	while (class && SPARE_BYTES_MIN << (class - 1) > h->cap)
		class--;
	uint8_t *p = h->base;
	*h = (struct heap){0};
	uint32_t cap = class ? SPARE_BYTES_MIN << (class - 1) : 0;
	if (!class || t->spare_bytes + cap > SPARE_BYTES_MAX) {
		free(p);
		return;
	}
	memcpy(p, &t->spare[class - 1], sizeof p);
	t->spare[class - 1] = p;
	t->spare_bytes += cap;
}

static void spares_free(struct table *t)
{
	for (uint32_t i = 0; i < SPARE_CLASSES; i++)
		while (t->spare[i]) {
			uint8_t *p = t->spare[i];
			memcpy(&t->spare[i], p, sizeof p);
			free(p);
		}
}

void table_free(struct table *t)
{
	if (!t)
		return;
	flush_collect(t, true, NULL);
	table_abort(t);
	for (uint32_t i = 0; i < t->conf.nspaces; i++) {
		struct space *s = &t->spaces[i];
		for (uint64_t k = 0; k <= s->mask; k++)
			if (s->slots[k].en)
				entry_free(t, s->slots[k].en);
		free(s->slots);
		free(s->due);
		buf_release(&s->cold_from_entity);
	}
	spares_free(t);
	free(t->spaces);
	free(t->changed);
	buf_release(&t->meta);
	free(t);
}

static void slots_grow(struct space *s)
{
	struct slot *old = s->slots;
	uint64_t n = s->mask + 1;
	s->mask = 2 * n - 1;
	s->slots = xcalloc(2 * n, sizeof *s->slots);
	for (uint64_t i = 0; i < n; i++) {
		if (!old[i].en)
			continue;
		uint64_t k = old[i].hash & s->mask;
		while (s->slots[k].en)
			k = (k + 1) & s->mask;
		s->slots[k] = old[i];
	}
	free(old);
}

struct entry *space_find(struct space *s, struct slice entity, uint64_t hash)
{
	for (uint64_t k = hash & s->mask; s->slots[k].en; k = (k + 1) & s->mask) {
		struct entry *en = s->slots[k].en;
		if (s->slots[k].hash == hash && slice_eq(entry_entity(en), entity))
			return en;
	}
	return NULL;
}

struct entry *space_add(struct table *t, uint32_t space, struct slice entity, uint64_t hash)
{
	struct space *s = &t->spaces[space];
	if ((s->count + 1) * 10 > (s->mask + 1) * 7)
		slots_grow(s);
	struct entry *en = xcalloc(1, sizeof *en + entity.len);
	en->hash = hash;
	en->space = space;
	en->key_len = entity.len;
	en->due = en->stored_due = STORE_NO_DUE;
	en->due_pos = DUE_NONE;
	memcpy(en->key, entity.p, entity.len);
	uint64_t k = hash & s->mask;
	while (s->slots[k].en)
		k = (k + 1) & s->mask;
	s->slots[k] = (struct slot){hash, en};
	s->count++;
	t->bytes += entry_bytes(en);
	return en;
}

/* Takes the slot out and closes the gap by moving later members of the probe run back. */
static void slot_remove(struct space *s, uint64_t k)
{
	uint64_t hole = k;
	for (uint64_t i = (k + 1) & s->mask; s->slots[i].en; i = (i + 1) & s->mask) {
		uint64_t home = s->slots[i].hash & s->mask;
		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole].en = NULL;
	s->count--;
}

/* Forgets a clean entry: from now on the store's row and timer stand for it. */
static void space_evict(struct table *t, struct space *s, uint64_t k)
{
	struct entry *en = s->slots[k].en;
	due_remove(s, en);
	if (en->due < s->cold_next)
		s->cold_next = en->due;
	if (en->due != STORE_NO_DUE && en->due <= s->cold_from_due) {
		s->cold_from_due = en->due - 1;
		s->cold_from_entity.len = 0;
	}
	slot_remove(s, k);
	t->whole &= !en->row;
	entry_free(t, en);
}

void table_prefetch(const struct table *t, uint32_t space, uint64_t hash)
{
	const struct space *s = &t->spaces[space];
	__builtin_prefetch(&s->slots[hash & s->mask]);
}

/* Rows are allocated in steps, so that one that grows a little stays where it is. */
static uint32_t row_room(uint32_t len)
{
	return (len + 63) & ~63u;
}

void entry_row_set(struct table *t, struct entry *en, const uint8_t *row, uint32_t len)
{
	t->bytes -= en->row_len;
	free(en->row);
	en->row = NULL;
	en->row_len = 0;
	if (row) {
		en->row = xmalloc(row_room(len));
		memcpy(en->row, row, len);
		en->row_len = len;
		t->bytes += len;
	}
	due_set(&t->spaces[en->space], en, entry_row_due(en));
}

static int missing_cmp(const void *pa, const void *pb)
{
	struct entry *const *a = pa, *const *b = pb;
	return slice_cmp(entry_entity(*a), entry_entity(*b));
}

enum status entries_load(struct table *t, struct entry **missing, uint32_t n, struct arena *a,
	struct error *e)
{
	if (!n)
		return ST_OK;
	qsort(missing, n, sizeof *missing, missing_cmp);
	struct store_key *keys = arena_alloc(a, n * sizeof *keys);
	struct slice *values = arena_alloc(a, n * sizeof *values);
	uint32_t distinct = 0;
	for (uint32_t i = 0; i < n; i++)
		if (!distinct || missing[i] != missing[distinct - 1])
			missing[distinct++] = missing[i];
	n = distinct;
	for (uint32_t i = 0; i < n; i++)
		keys[i] = (struct store_key){t->spaces[missing[i]->space].conf.name,
			entry_entity(missing[i])};
	if (t->conf.store->ops->get(t->conf.store, keys, n, values, a, e))
		return ST_ERR;
	t->stats.loads += n;
	for (uint32_t i = 0; i < n; i++) {
		missing[i]->loading = false;
		if (!values[i].p)
			continue;
		t->stats.load_hits++;
		entry_row_set(t, missing[i], values[i].p, values[i].len);
		missing[i]->stored_due = missing[i]->due;
	}
	return ST_OK;
}

static void entry_prefetch(const struct entry *en)
{
	__builtin_prefetch(en);
	__builtin_prefetch((const uint8_t *)en + 64);
}

static void row_prefetch(const struct entry *en)
{
	const uint8_t *row = en->changed ? en->live.base : en->row;
	uint32_t len = en->changed ? en->live.len : en->row_len;
	for (uint32_t at = 0; at < len && at < ROW_PREFETCH_BYTES; at += 64)
		__builtin_prefetch(row + at);
}

enum status table_resolve(struct table *t, uint32_t space, const struct slice *entities,
	const uint64_t *hashes, uint32_t n, struct entry **out, struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	struct entry **missing = NULL;
	uint32_t nmissing = 0;
	t->stats.lookups += n;
	/* Slots, then entries, then rows: each step's cache misses run side by side. */
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&s->slots[hashes[i] & s->mask]);
	for (uint32_t i = 0; i < n; i++)
		entry_prefetch(s->slots[hashes[i] & s->mask].en);
	for (uint32_t i = 0; i < n; i++) {
		out[i] = space_find(s, entities[i], hashes[i]);
		if (!out[i]) {
			out[i] = space_add(t, space, entities[i], hashes[i]);
			out[i]->loading = !t->whole;
		}
		/* Left over from a read that failed: it is still to be read. */
		if (out[i]->loading) {
			if (!missing)
				missing = arena_alloc(a, n * sizeof *missing);
			missing[nmissing++] = out[i];
		}
		out[i]->used = t->epoch;
		row_prefetch(out[i]);
	}
	return entries_load(t, missing, nmissing, a, e);
}

struct slice entry_entity(const struct entry *en)
{
	return (struct slice){en->key, en->key_len};
}

static struct heap row_view(const struct entry *en)
{
	return (struct heap){en->row, en->row_len, en->row_len, 0};
}

const struct heap *entry_read(const struct entry *en)
{
	static _Thread_local struct heap view;
	if (en->changed)
		return en->dropped ? NULL : &en->live;
	if (!en->row)
		return NULL;
	view = row_view(en);
	return &view;
}

static void changed_add(struct table *t, struct entry *en)
{
	if (t->nchanged == t->changed_cap) {
		t->changed_cap = t->changed_cap ? 2 * t->changed_cap : 256;
		t->changed = xrealloc(t->changed, t->changed_cap * sizeof(struct entry *));
	}
	t->changed[t->nchanged++] = en;
	en->changed = true;
	en->dropped = false;
	en->note = NULL;
	en->live = (struct heap){0};
}

struct heap *entry_write(struct table *t, struct entry *en)
{
	if (en->changed) {
		en->dropped = false;
		return &en->live;
	}
	changed_add(t, en);
	uint32_t cap = 0;
	uint8_t *p = spare_take(t, en->row_len + en->row_len / 4 + NEW_ROW_BYTES, &cap);
	en->live = (struct heap){p, en->row_len, cap, 0};
	if (en->row)
		memcpy(p, en->row, en->row_len);
	return &en->live;
}

void entry_drop(struct table *t, struct entry *en)
{
	if (!en->changed)
		changed_add(t, en);
	en->dropped = true;
	en->live.len = en->live.garbage = 0;
	due_set(&t->spaces[en->space], en, STORE_NO_DUE);
}

void entry_due_changed(struct table *t, struct entry *en)
{
	const struct row_head *head = (const struct row_head *)en->live.base;
	due_set(&t->spaces[en->space], en, head->due);
}

void **entry_note(struct entry *en)
{
	return &en->note;
}

enum status table_changes(struct table *t,
	enum status (*fn)(void *arg, uint32_t space, struct entry *en, const struct heap *row,
		struct error *e),
	void *arg, struct error *e)
{
	for (uint32_t i = 0; i < t->nchanged; i++) {
		struct entry *en = t->changed[i];
		const struct table_space *conf = &t->spaces[en->space].conf;
		if (!en->dropped)
			conf->pack(conf->arg, &en->live);
		if (fn(arg, en->space, en, en->dropped ? NULL : &en->live, e))
			return ST_ERR;
	}
	return ST_OK;
}

enum status table_changes_read(struct table *t,
	enum status (*fn)(void *arg, uint32_t space, struct entry *en, struct error *e),
	void *arg, struct error *e)
{
	for (uint32_t i = 0; i < t->nchanged; i++)
		if (fn(arg, t->changed[i]->space, t->changed[i], e))
			return ST_ERR;
	return ST_OK;
}

uint32_t table_changed(const struct table *t)
{
	return t->nchanged;
}

uint64_t table_live_bytes(const struct table *t)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < t->nchanged; i++)
		sum += t->changed[i]->live.cap;
	return sum;
}

/* The committed row becomes a copy of the live one; len 0: none. */
static void row_replace(struct table *t, struct entry *en, const uint8_t *from, uint32_t len)
{
	t->bytes += (uint64_t)len - en->row_len;
	bool stays = en->row && !en->frozen && len && row_room(len) == row_room(en->row_len);
	if (!stays) {
		if (en->frozen)
			flush_disown(t, en);
		else
			free(en->row);
		en->row = len ? xmalloc(row_room(len)) : NULL;
	}
	if (len)
		memcpy(en->row, from, len);
	en->row_len = len;
}

static void entry_commit(struct table *t, struct entry *en)
{
	uint32_t len = en->dropped ? 0 : en->live.len;
	if (!en->dirty && t->conf.store) {
		en->dirty = true;
		t->ndirty++;
	} else if (t->conf.store) {
		t->dirty_bytes -= en->row_len;
	}
	if (t->conf.store)
		t->dirty_bytes += len;
	row_replace(t, en, en->live.base, len);
	spare_give(t, &en->live);
	en->changed = en->dropped = false;
	en->note = NULL;
}

void table_commit(struct table *t, struct slice meta)
{
	for (uint32_t i = 0; i < t->nchanged; i++)
		entry_commit(t, t->changed[i]);
	t->nchanged = 0;
	t->epoch++;
	t->meta.len = 0;
	buf_slice(&t->meta, meta);
	t->meta_dirty = true;
}

void table_abort(struct table *t)
{
	for (uint32_t i = 0; i < t->nchanged; i++) {
		struct entry *en = t->changed[i];
		spare_give(t, &en->live);
		en->changed = en->dropped = false;
		en->note = NULL;
		due_set(&t->spaces[en->space], en, entry_row_due(en));
	}
	t->nchanged = 0;
	t->epoch++;
}

void table_restore(struct table *t, uint32_t space, struct slice entity, struct slice row)
{
	uint64_t hash = entity_hash(entity);
	struct entry *en = space_find(&t->spaces[space], entity, hash);
	if (!en)
		en = space_add(t, space, entity, hash);
	struct heap *h = entry_write(t, en);
	if (!row.p) {
		entry_drop(t, en);
		return;
	}
	if (h->cap < row.len) {
		h->base = xrealloc(h->base, row.len);
		h->cap = row.len;
	}
	memcpy(h->base, row.p, row.len);
	h->len = row.len;
	h->garbage = 0;
	entry_due_changed(t, en);
}

/* One round of the clock hand over a space: entries not used in this epoch or the last. */
static void space_sweep(struct table *t, struct space *s, uint64_t limit)
{
	uint64_t steps = s->mask + 1;
	for (; steps && t->bytes > limit; steps--) {
		s->hand = (s->hand + 1) & s->mask;
		struct entry *en = s->slots[s->hand].en;
		if (!en || en->dirty || en->frozen || en->changed)
			continue;
		if (t->epoch - en->used <= 1 && t->bytes <= t->conf.memory_bytes)
			continue;
		space_evict(t, s, s->hand);
		s->hand = (s->hand - 1) & s->mask; /* a later one may have moved in */
	}
}

/* Evicts to a tenth below the budget, so that it is not done for every batch. */
static void table_evict(struct table *t)
{
	if (t->bytes <= t->conf.memory_bytes)
		return;
	uint64_t before = 0, after = 0;
	for (uint32_t i = 0; i < t->conf.nspaces; i++)
		before += t->spaces[i].count;
	for (uint32_t i = 0; i < t->conf.nspaces; i++)
		space_sweep(t, &t->spaces[i], t->conf.memory_bytes / 10 * 9);
	for (uint32_t i = 0; i < t->conf.nspaces; i++)
		after += t->spaces[i].count;
	t->stats.evicted += before - after;
}

enum status table_tidy(struct table *t, bool force, struct error *e)
{
	if (!t->conf.store)
		return ST_OK;
	if (flush_collect(t, false, e))
		return ST_ERR;
	if (!t->flush && flush_is_due(t, force) && flush_start(t, e))
		return ST_ERR;
	table_evict(t);
	/* All that is left is dirty or being written: wait for the disk, at most twice. */
	for (int i = 0; i < 2 && t->bytes > t->conf.memory_bytes && t->ndirty + t->nfrozen; i++) {
		if (!t->flush && t->ndirty && flush_start(t, e))
			return ST_ERR;
		if (flush_collect(t, true, e))
			return ST_ERR;
		table_evict(t);
	}
	return ST_OK;
}

enum status table_flush(struct table *t, struct error *e)
{
	if (!t->conf.store)
		return ST_OK;
	if (flush_collect(t, true, e))
		return ST_ERR;
	if ((t->ndirty || t->meta_dirty) && flush_start(t, e))
		return ST_ERR;
	return flush_collect(t, true, e);
}

void table_budget_set(struct table *t, uint64_t memory_bytes)
{
	t->conf.memory_bytes = memory_bytes;
}

struct scan_item {
	struct slice entity, row;
};

static int scan_item_cmp(const void *pa, const void *pb)
{
	const struct scan_item *a = pa, *b = pb;
	return slice_cmp(a->entity, b->entity);
}

/* Without a store everything is in memory: one page. */
static enum status scan_memory(struct table *t, struct space *s,
	enum status (*fn)(void *, struct slice, struct slice, struct error *), void *arg,
	struct arena *a, struct error *e)
{
	(void)t;
	struct scan_item *items = arena_alloc(a, (s->count + 1) * sizeof *items);
	uint64_t n = 0;
	for (uint64_t k = 0; k <= s->mask; k++) {
		struct entry *en = s->slots[k].en;
		if (en && en->row)
			items[n++] = (struct scan_item){entry_entity(en), {en->row, en->row_len}};
	}
	qsort(items, n, sizeof *items, scan_item_cmp);
	for (uint64_t i = 0; i < n; i++)
		if (fn(arg, items[i].entity, items[i].row, e))
			return ST_ERR;
	return ST_END;
}

#define SCAN_PAGE 1024

enum status table_scan(struct table *t, uint32_t space, struct buf *cursor,
	enum status (*fn)(void *arg, struct slice entity, struct slice row, struct error *e),
	void *arg, struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	if (!t->conf.store)
		return scan_memory(t, s, fn, arg, a, e);
	if (!cursor->len && table_flush(t, e))
		return ST_ERR;
	struct slice *entities = arena_alloc(a, SCAN_PAGE * sizeof *entities);
	struct slice *rows = arena_alloc(a, SCAN_PAGE * sizeof *rows);
	uint32_t n = 0;
	if (t->conf.store->ops->scan(t->conf.store, s->conf.name, buf_view(cursor), entities,
		    rows, SCAN_PAGE, &n, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n; i++) {
		struct entry *en = space_find(s, entities[i], entity_hash(entities[i]));
		bool known = en && !en->loading;
		struct slice row = known ? (struct slice){en->row, en->row_len} : rows[i];
		if (row.p && fn(arg, entities[i], row, e))
			return ST_ERR;
	}
	if (n) {
		cursor->len = 0;
		buf_slice(cursor, entities[n - 1]);
	}
	return n < SCAN_PAGE ? ST_END : ST_OK;
}

void table_stats(const struct table *t, struct table_stats *out)
{
	*out = t->stats;
	out->bytes = t->bytes;
	out->dirty_bytes = t->dirty_bytes;
	out->entities_in_memory = 0;
	for (uint32_t i = 0; i < t->conf.nspaces; i++)
		out->entities_in_memory += t->spaces[i].count;
}
