// SPDX-License-Identifier: Apache-2.0
//
// The write-back table: entities by hash, misses, eviction, the memory budget. Their rows are
// in rows.c, due entities in due.c, the background flush in flush.c, reading in order in
// scan.c; all work on struct table of table_inside.h.
//
// Invariants: an entry that is changed in this epoch, dirty or frozen is never evicted; for an
// entry that is not in memory, the store's row and timer are exact.
// Not here: what rows mean, and when epochs begin or end.
#include "state/table.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "state/table_inside.h"

#define SLOTS_MIN 64
#define FETCH_GROUP 256u
#define HAND_LINE 8 /* slots, of a line of the processor's cache */

uint64_t entity_hash(struct slice entity)
{
	return XXH3_64bits(entity.p, entity.len);
}

/* A store without a meta record has no rows. */
static bool store_is_empty(struct table *t)
{
	struct store_task *store = t->conf.store;
	struct arena a;
	struct slice meta;
	struct error e;
	if (!store)
		return true;
	arena_init(&a);
	bool read = store->ops->meta(store, &meta, &a, &e) == ST_OK;
	if (read)
		buf_slice(&t->flushed_meta, meta);
	arena_release(&a);
	return read && !t->flushed_meta.len;
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
		s->slots = xcalloc(SLOTS_MIN, sizeof(slot));
		s->cold_next = conf->store ? INT64_MIN : STORE_NO_DUE;
		s->cold_from_due = INT64_MIN;
	}
	t->last_flush_ns = clock_mono_ns(conf->clock);
	t->whole = store_is_empty(t);
	return t;
}

/* With its share of the slots, which are half full, and of the due heap, which nearly is. */
uint64_t entry_bytes(const struct entry *en)
{
	return ((sizeof *en + en->key_len + 15) & ~UINT64_C(15)) + 2 * sizeof(slot) +
	       5 * sizeof(struct due_item) / 4;
}

static void entry_free(struct table *t, struct entry *en)
{
	t->bytes -= entry_bytes(en) + row_bytes(en->row_len);
	free(en->row);
	free(en);
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
			if (s->slots[k])
				entry_free(t, slot_entry(s->slots[k]));
		free(s->slots);
		free(s->due);
		buf_release(&s->cold_from_entity);
	}
	rows_free(t);
	free(t->spaces);
	buf_release(&t->meta);
	buf_release(&t->flushed_meta);
	free(t);
}

static slot slot_make(const struct entry *en, uint64_t hash)
{
	return (hash & ~((UINT64_C(1) << 48) - 1)) | (uint64_t)(uintptr_t)en;
}

static uint64_t slot_home(const struct space *s, slot sl)
{
	return entity_hash(entry_entity(slot_entry(sl))) & s->mask;
}

static void slot_put(struct space *s, slot sl, uint64_t home)
{
	uint64_t k = home;
	while (s->slots[k])
		k = (k + 1) & s->mask;
	s->slots[k] = sl;
}

static void slots_grow(struct space *s)
{
	slot *old = s->slots;
	uint64_t n = s->mask + 1;
	s->mask = 2 * n - 1;
	s->slots = xcalloc(2 * n, sizeof *s->slots);
	for (uint64_t i = 0; i < n; i++)
		if (old[i])
			slot_put(s, old[i], slot_home(s, old[i]));
	free(old);
}

struct entry *space_find(struct space *s, struct slice entity, uint64_t hash)
{
	for (uint64_t k = hash & s->mask; s->slots[k]; k = (k + 1) & s->mask) {
		struct entry *en = slot_entry(s->slots[k]);
		if ((s->slots[k] ^ hash) >> 48 == 0 && slice_eq(entry_entity(en), entity))
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
	INVARIANT((uintptr_t)en >> 48 == 0);
	en->space = (uint16_t)space;
	en->key_len = entity.len;
	en->due_pos = DUE_NONE;
	memcpy(en->key, entity.p, entity.len);
	slot_put(s, slot_make(en, hash), hash & s->mask);
	s->count++;
	t->bytes += entry_bytes(en);
	return en;
}

/* Takes the slot out and closes the gap by moving later members of the probe run back. */
static void slot_remove(struct space *s, uint64_t k)
{
	uint64_t hole = k;
	for (uint64_t i = (k + 1) & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
		uint64_t home = slot_home(s, s->slots[i]);
		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole] = 0;
	s->count--;
}

/* Forgets a clean entry: from now on the store's row and timer stand for it. */
static void space_evict(struct table *t, struct space *s, uint64_t k)
{
	struct entry *en = slot_entry(s->slots[k]);
	int64_t due = due_of(s, en);
	due_remove(s, en);
	if (due < s->cold_next)
		s->cold_next = due;
	if (due != STORE_NO_DUE && due <= s->cold_from_due) {
		s->cold_from_due = due - 1;
		s->cold_from_entity.len = 0;
	}
	slot_remove(s, k);
	t->whole &= !en->row;
	entry_free(t, en);
}

static int missing_cmp(const void *pa, const void *pb)
{
	struct entry *const *a = pa, *const *b = pb;
	return slice_cmp(entry_entity(*a), entry_entity(*b));
}

enum status entries_load(
        struct table *t, struct entry **missing, uint32_t n, struct arena *a, struct error *e)
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
		keys[i] = (struct store_key){
		        t->spaces[missing[i]->space].conf.name, entry_entity(missing[i])};
	if (t->conf.store->ops->get(t->conf.store, keys, n, values, a, e))
		return ST_ERR;
	t->stats.loads += n;
	for (uint32_t i = 0; i < n; i++) {
		missing[i]->loading = false;
		if (!values[i].p)
			continue;
		if (!pack_check(values[i]))
			return row_damaged(e);
		t->stats.load_hits++;
		row_replace(t, missing[i], values[i]);
		due_set(&t->spaces[missing[i]->space], missing[i], entry_row_due(missing[i]));
	}
	return ST_OK;
}

/* Slots, then entries: the cache misses of each step run side by side. */
static void group_fetch(const struct space *s, const uint64_t *hashes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&s->slots[hashes[i] & s->mask]);
	for (uint32_t i = 0; i < n; i++)
		entry_fetch(slot_entry(s->slots[hashes[i] & s->mask]));
}

enum status table_resolve(struct table *t, uint32_t space, const struct slice *entities,
        const uint64_t *hashes, uint32_t n, struct entry **out, struct arena *a,
        struct error *e)
{
	struct space *s = &t->spaces[space];
	struct entry **missing = NULL;
	uint32_t nmissing = 0;
	t->stats.lookups += n;
	for (uint32_t i = 0; i < n; i++) {
		if (i % FETCH_GROUP == 0)
			group_fetch(s, hashes + i, n - i < FETCH_GROUP ? n - i : FETCH_GROUP);
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
		out[i]->used = (uint32_t)t->epoch;
	}
	return entries_load(t, missing, nmissing, a, e);
}

struct slice entry_entity(const struct entry *en)
{
	return (struct slice){en->key, en->key_len};
}

/* The clock hand goes over lines of slots in steps of the golden section of them, which is over
 * each once. In their order it would leave the slots behind it empty and those before it, which
 * have filled since it was there, twice as full as all are on average: above a half that is one run
 * of hundreds of thousands of slots, and taking one out of a run costs its length. */
static uint64_t hand_step(uint64_t lines)
{
	return (uint64_t)((double)lines * 0.6180339887498949) | 1;
}

/* Where the slots of the hand's line begin, after so many more lines. */
static uint64_t sweep_line(const struct space *s, uint64_t step, uint64_t lines, uint64_t more)
{
	return ((s->hand / HAND_LINE + more) * step & (lines - 1)) * HAND_LINE;
}

/* The hand is at the first slot of a line: asks for the slots of a later line, the entries of one
 * before that, the places in the due heap of one before that. Every one lies somewhere else. */
static void sweep_fetch(const struct space *s, uint64_t step, uint64_t lines)
{
	const slot *entries = &s->slots[sweep_line(s, step, lines, 2)];
	const slot *dues = &s->slots[sweep_line(s, step, lines, 1)];
	__builtin_prefetch(&s->slots[sweep_line(s, step, lines, 3)]);
	for (uint32_t i = 0; i < HAND_LINE; i++) {
		entry_fetch(slot_entry(entries[i]));
		const struct entry *en = slot_entry(dues[i]);
		if (en && en->due_pos != DUE_NONE)
			__builtin_prefetch(&s->due[en->due_pos]);
	}
}

/* One round of the clock hand over a space: entries not used in this epoch or the last. */
static void space_sweep(struct table *t, struct space *s, uint64_t limit)
{
	uint64_t lines = (s->mask + 1) / HAND_LINE, step = hand_step(lines);
	for (uint64_t left = s->mask + 1; left && t->bytes > limit; left--) {
		if (s->hand % HAND_LINE == 0)
			sweep_fetch(s, step, lines);
		uint64_t k = sweep_line(s, step, lines, 0) + s->hand % HAND_LINE;
		struct entry *en = slot_entry(s->slots[k]);
		bool stays = !en || en->dirty || en->frozen || en->change ||
			     ((uint32_t)t->epoch - en->used <= 1 &&
			             t->bytes <= t->conf.memory_bytes);
		if (stays)
			s->hand = (s->hand + 1) & s->mask;
		else
			space_evict(t, s, k); /* a later one may have moved in: once more */
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

enum status table_tidy(struct table *t, bool force, bool may_flush, struct error *e)
{
	if (!t->conf.store)
		return ST_OK;
	if (flush_collect(t, false, e))
		return ST_ERR;
	if (!t->flush && may_flush && flush_is_due(t, force) && flush_start(t, e))
		return ST_ERR;
	table_evict(t);
	/* All that is left is dirty or being written: wait for the disk, at most twice. */
	for (int i = 0; i < 2 && t->bytes > t->conf.memory_bytes && t->ndirty + t->nfrozen;
	        i++) {
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

void table_stats(const struct table *t, struct table_stats *out)
{
	*out = t->stats;
	out->bytes = t->bytes;
	out->dirty_bytes = t->dirty_bytes;
	out->dirty_rows = t->ndirty;
	out->flushing_rows = t->nfrozen;
	out->entities_in_memory = 0;
	for (uint32_t i = 0; i < t->conf.nspaces; i++)
		out->entities_in_memory += t->spaces[i].count;
}
