// SPDX-License-Identifier: Apache-2.0
//
// Open addressing over entities, counting sort by entity, then by T within one. Not here: which
// rows are offered, and the TTL, which does not change who wins.
#include "connectors/parquet/train/index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS_MIN 1024

void index_init(struct train_index *x)
{
	*x = (struct train_index){0};
	arena_init(&x->arena);
}

void index_release(struct train_index *x)
{
	arena_release(&x->arena);
	free(x->keys);
	free(x->slots);
	free(x->ids);
	free(x->start);
	free(x->row);
	free(x->t);
	free(x->best);
	*x = (struct train_index){0};
}

// ---- entities ----

uint32_t index_hash(struct slice key)
{
	return (uint32_t)XXH3_64bits(key.p, key.len);
}

void index_prefetch(const struct train_index *x, uint32_t hash)
{
	__builtin_prefetch(&x->slots[hash & (x->nslots - 1)]);
}

static struct index_slot *slot_of(const struct train_index *x, struct slice key, uint32_t hash)
{
	uint32_t i = hash & (x->nslots - 1);
	for (;; i = (i + 1) & (x->nslots - 1)) {
		struct index_slot *s = &x->slots[i];
		if (s->id == INDEX_NONE)
			return s;
		struct slice k = x->keys[s->id];
		if (s->hash == hash && k.len == key.len &&
		        (!key.len || memcmp(k.p, key.p, key.len) == 0))
			return s;
	}
}

uint32_t index_find(const struct train_index *x, struct slice key, uint32_t hash)
{
	return x->nslots ? slot_of(x, key, hash)->id : INDEX_NONE;
}

static void slots_grow(struct train_index *x)
{
	struct index_slot *old = x->slots;
	uint32_t n = x->nslots;
	x->nslots = n ? 2 * n : SLOTS_MIN;
	x->slots = xmalloc(x->nslots * sizeof *x->slots);
	memset(x->slots, 0xff, x->nslots * sizeof *x->slots);
	for (uint32_t i = 0; i < n; i++)
		if (old[i].id != INDEX_NONE)
			*slot_of(x, x->keys[old[i].id], old[i].hash) = old[i];
	free(old);
}

static uint32_t entity_add(struct train_index *x, struct slice key)
{
	uint32_t hash = index_hash(key);
	if (2 * (x->nkeys + 1) > x->nslots)
		slots_grow(x);
	struct index_slot *s = slot_of(x, key, hash);
	if (s->id != INDEX_NONE)
		return s->id;
	if (x->nkeys == x->cap_keys) {
		x->cap_keys = x->cap_keys ? 2 * x->cap_keys : 256;
		x->keys = xrealloc(x->keys, x->cap_keys * sizeof *x->keys);
	}
	x->keys[x->nkeys] = arena_slice(&x->arena, key);
	*s = (struct index_slot){hash, x->nkeys};
	return x->nkeys++;
}

void index_add(struct train_index *x, struct slice key, bool has)
{
	if (x->nrows == x->cap_rows) {
		x->cap_rows = x->cap_rows ? 2 * x->cap_rows : 4096;
		x->ids = xrealloc(x->ids, x->cap_rows * sizeof *x->ids);
	}
	x->ids[x->nrows++] = has ? entity_add(x, key) : INDEX_NONE;
}

// ---- places ----

struct place {
	int64_t t;
	uint32_t row;
};

static int place_cmp(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->t != y->t)
		return x->t < y->t ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static bool is_sorted(const struct train_index *x, uint32_t from, uint32_t to)
{
	for (uint32_t i = from + 1; i < to; i++)
		if (x->t[i] < x->t[i - 1])
			return false;
	return true;
}

/* One entity's places by T. Spines are often sorted by time already. */
static void run_sort(struct train_index *x, uint32_t from, uint32_t to)
{
	if (is_sorted(x, from, to))
		return;
	struct place *p = xmalloc((to - from) * sizeof *p);
	for (uint32_t i = from; i < to; i++)
		p[i - from] = (struct place){x->t[i], x->row[i]};
	qsort(p, to - from, sizeof *p, place_cmp);
	for (uint32_t i = from; i < to; i++) {
		x->t[i] = p[i - from].t;
		x->row[i] = p[i - from].row;
	}
	free(p);
}

void index_sort(struct train_index *x, const int64_t *t)
{
	x->start = xcalloc((size_t)x->nkeys + 2, sizeof *x->start);
	for (uint32_t i = 0; i < x->nrows; i++)
		if (x->ids[i] != INDEX_NONE)
			x->start[x->ids[i] + 2]++;
	for (uint32_t id = 2; id < x->nkeys + 2; id++)
		x->start[id] += x->start[id - 1];
	x->nplaces = x->start[x->nkeys + 1];
	x->row = xmalloc((x->nplaces + 1) * sizeof *x->row);
	x->t = xmalloc((x->nplaces + 1) * sizeof *x->t);
	x->best = xmalloc((x->nplaces + 1) * sizeof *x->best);
	for (uint32_t i = 0; i < x->nrows; i++) { /* start[id + 1] runs on to the next one's */
		if (x->ids[i] == INDEX_NONE)
			continue;
		uint32_t at = x->start[x->ids[i] + 1]++;
		x->row[at] = i;
		x->t[at] = t[i];
		x->best[at].row = -1;
	}
	for (uint32_t id = 0; id < x->nkeys; id++)
		run_sort(x, x->start[id], x->start[id + 1]);
}

// ---- candidates ----

static bool is_better(const struct candidate *a, const struct candidate *b)
{
	if (b->row < 0)
		return true;
	if (a->event_us != b->event_us)
		return a->event_us > b->event_us;
	if (a->known_us != b->known_us)
		return a->known_us > b->known_us;
	if (a->offset != b->offset)
		return a->offset > b->offset;
	if (a->partition != b->partition)
		return a->partition > b->partition;
	/* The same row written twice: always the same copy of it. */
	return a->file != b->file ? a->file < b->file : a->row < b->row;
}

void index_offer(
        struct train_index *x, uint32_t id, int64_t least_us, const struct candidate *c)
{
	uint32_t low = x->start[id], end = x->start[id + 1], high = end;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (x->t[mid] < least_us)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == end)
		return;
	bool *lock = &x->locks[low & (INDEX_LOCKS - 1)];
	while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE))
		;
	if (is_better(c, &x->best[low]))
		x->best[low] = *c;
	__atomic_clear(lock, __ATOMIC_RELEASE);
}

void index_settle(struct train_index *x)
{
	for (uint32_t id = 0; id < x->nkeys; id++)
		for (uint32_t i = x->start[id] + 1; i < x->start[id + 1]; i++)
			if (x->best[i - 1].row >= 0 && is_better(&x->best[i - 1], &x->best[i]))
				x->best[i] = x->best[i - 1];
}
