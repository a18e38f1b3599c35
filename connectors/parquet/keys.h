/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a batch's rows and where each was seen last: a key that comes again, as
 * compaction would have it, replaces the row before it. Keys are held as 128-bit hashes: two of
 * a batch's at most 2^22 keys meet with a probability below 2^-84.
 */
#ifndef WEIR_PARQUET_KEYS_H
#define WEIR_PARQUET_KEYS_H

#include <stdint.h>

#include "base/slice.h"

struct key_slot {
	uint64_t low, high;
	int64_t offset; /* -1: free */
};

struct keys {
	struct key_slot *slots;
	uint32_t n, cap; /* cap: a power of two */
};

void keys_release(struct keys *k);
void keys_clear(struct keys *k);
struct key_hash {
	uint64_t low, high;
};

/* Room for n more keys, so that their places do not move. */
void keys_reserve(struct keys *k, uint32_t n);
/* Also fetches the key's place into the cache: hash all of a run's keys, then note them. */
struct key_hash keys_hash(const struct keys *k, struct slice key);
/* Notes the offset and returns the one noted before, -1 if there was none. A tombstone notes
 * KEYS_GONE; -1 or KEYS_GONE returned: there is no row to drop. There must be room. */
#define KEYS_GONE (-2)
int64_t keys_note(struct keys *k, struct key_hash h, int64_t offset);

#endif
