// SPDX-License-Identifier: Apache-2.0
//
// Open addressing, linear probing, at most half full.
#include "connectors/parquet/keys.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "base/arena.h"

#define KEYS_MIN 1024
#define HUGE_BYTES ((size_t)2 << 20)

void keys_release(struct keys *k)
{
	free(k->slots);
	*k = (struct keys){0};
}

void keys_clear(struct keys *k)
{
	for (uint32_t i = 0; i < k->cap; i++)
		k->slots[i].offset = -1;
	k->n = 0;
}

static struct key_slot *slot_of(const struct keys *k, uint64_t low, uint64_t high)
{
	uint32_t i = (uint32_t)low & (k->cap - 1);
	while (k->slots[i].offset != -1 && (k->slots[i].low != low || k->slots[i].high != high))
		i = (i + 1) & (k->cap - 1);
	return &k->slots[i];
}

/* A look at a key is a look anywhere in tens of megabytes: with pages of 4 KB most of its time
 * went by in finding the page. */
static struct key_slot *slots_new(uint32_t cap)
{
	size_t bytes = (size_t)cap * sizeof(struct key_slot);
	void *p;
	if (bytes < 2 * HUGE_BYTES)
		return xmalloc(bytes);
	if (posix_memalign(&p, HUGE_BYTES, bytes))
		return xmalloc(bytes);
	madvise(p, bytes, MADV_HUGEPAGE); /* a hint: it may be refused */
	return p;
}

static void grow(struct keys *k, uint32_t cap)
{
	struct keys old = *k;
	k->cap = cap;
	k->slots = slots_new(k->cap);
	keys_clear(k);
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].offset != -1)
			*slot_of(k, old.slots[i].low, old.slots[i].high) = old.slots[i];
	k->n = old.n;
	free(old.slots);
}

void keys_reserve(struct keys *k, uint32_t n)
{
	uint32_t cap = k->cap ? k->cap : KEYS_MIN;
	while (cap < 2 * (k->n + n))
		cap *= 2;
	if (cap > k->cap)
		grow(k, cap);
}

struct key_hash keys_hash(const struct keys *k, struct slice key)
{
	XXH128_hash_t h = XXH3_128bits(key.p, key.len);
	__builtin_prefetch(&k->slots[(uint32_t)h.low64 & (k->cap - 1)]);
	return (struct key_hash){h.low64, h.high64};
}

int64_t keys_note(struct keys *k, struct key_hash h, int64_t offset)
{
	struct key_slot *s = slot_of(k, h.low, h.high);
	int64_t before = s->offset;
	k->n += before == -1;
	*s = (struct key_slot){h.low, h.high, offset};
	return before;
}
