// SPDX-License-Identifier: Apache-2.0
//
// Open addressing, linear probing, at most half full.
#include "cli/offline_keys.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/arena.h"

#define KEYS_MIN 256

struct offline_key_slot {
	struct offline_key key;
	int64_t offset; /* -1: free */
};

void offline_keys_release(struct offline_keys *k)
{
	free(k->slots);
	*k = (struct offline_keys){0};
}

struct offline_key offline_key_of(int32_t partition, struct slice key)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(key.p, key.len, (uint64_t)partition);
	return (struct offline_key){h.low64, h.high64};
}

static struct offline_key_slot *slot_of(
        const struct offline_keys *k, const struct offline_key *key)
{
	uint32_t i = (uint32_t)key->low & (k->cap - 1);
	while (k->slots[i].offset != -1 &&
	        (k->slots[i].key.low != key->low || k->slots[i].key.high != key->high))
		i = (i + 1) & (k->cap - 1);
	return &k->slots[i];
}

static void grow(struct offline_keys *k)
{
	struct offline_keys old = *k;
	k->cap = old.cap ? 2 * old.cap : KEYS_MIN;
	k->slots = xmalloc(k->cap * sizeof *k->slots);
	for (uint32_t i = 0; i < k->cap; i++)
		k->slots[i].offset = -1;
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].offset != -1)
			*slot_of(k, &old.slots[i].key) = old.slots[i];
	free(old.slots);
}

bool offline_keys_note(struct offline_keys *k, const struct offline_key *key, int64_t offset)
{
	if (2 * (k->n + 1) > k->cap && k->n < OFFLINE_KEYS_MAX)
		grow(k);
	struct offline_key_slot *s = slot_of(k, key);
	if (s->offset == -1 && k->n == OFFLINE_KEYS_MAX)
		return false;
	k->n += s->offset == -1;
	if (offset > s->offset)
		*s = (struct offline_key_slot){*key, offset};
	return true;
}

int64_t offline_keys_last(const struct offline_keys *k, const struct offline_key *key)
{
	return k->n ? slot_of(k, key)->offset : -1;
}
