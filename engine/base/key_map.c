// SPDX-License-Identifier: Apache-2.0
//
// Open addressing, linear probing, at most half full.
#include "base/key_map.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "base/arena.h"
#include "base/error.h"

#define SLOTS_MIN 256
#define HUGE_BYTES ((size_t)2 << 20)

struct key_map_slot {
	struct key_hash hash;
	int64_t number; /* KEY_NONE: free */
};

void key_map_release(struct key_map *m)
{
	free(m->slots);
	*m = (struct key_map){0};
}

void key_map_clear(struct key_map *m)
{
	for (uint32_t i = 0; i < m->cap; i++)
		m->slots[i].number = KEY_NONE;
	m->n = 0;
}

struct key_hash key_hash_of(struct slice key, uint64_t kind)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(key.p, key.len, kind);
	return (struct key_hash){h.low64, h.high64};
}

static struct key_map_slot *slot_of(const struct key_map *m, struct key_hash h)
{
	uint32_t i = (uint32_t)h.low & (m->cap - 1);
	while (m->slots[i].number != KEY_NONE &&
	        (m->slots[i].hash.low != h.low || m->slots[i].hash.high != h.high))
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

/* A look at a key is a look anywhere in tens of megabytes: with pages of 4 KB most of its time
 * went by in finding the page. */
static struct key_map_slot *slots_new(uint32_t cap)
{
	size_t bytes = (size_t)cap * sizeof(struct key_map_slot);
	void *p;
	if (bytes < 2 * HUGE_BYTES)
		return xmalloc(bytes);
	if (posix_memalign(&p, HUGE_BYTES, bytes))
		return xmalloc(bytes);
	madvise(p, bytes, MADV_HUGEPAGE); /* a hint: it may be refused */
	return p;
}

static void grow(struct key_map *m, uint32_t cap)
{
	struct key_map old = *m;
	*m = (struct key_map){.slots = slots_new(cap), .cap = cap};
	key_map_clear(m);
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].number != KEY_NONE)
			*slot_of(m, old.slots[i].hash) = old.slots[i];
	m->n = old.n;
	free(old.slots);
}

void key_map_reserve(struct key_map *m, uint32_t n)
{
	INVARIANT(n <= KEY_MAP_MAX - m->n);
	uint32_t cap = m->cap ? m->cap : SLOTS_MIN;
	while (cap < 2 * (m->n + n))
		cap *= 2;
	if (cap > m->cap)
		grow(m, cap);
}

void key_map_fetch(const struct key_map *m, struct key_hash h)
{
	__builtin_prefetch(&m->slots[(uint32_t)h.low & (m->cap - 1)]);
}

int64_t key_map_get(const struct key_map *m, struct key_hash h)
{
	return m->n ? slot_of(m, h)->number : KEY_NONE;
}

int64_t key_map_put(struct key_map *m, struct key_hash h, int64_t number)
{
	key_map_reserve(m, 1);
	struct key_map_slot *s = slot_of(m, h);
	int64_t before = s->number;
	m->n += before == KEY_NONE;
	*s = (struct key_map_slot){h, number};
	return before;
}
