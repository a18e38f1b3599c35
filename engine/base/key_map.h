/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and a number for each, where only the number is asked for and never the key: keys are held
 * as 128-bit hashes, so that two of KEY_MAP_MAX meet with a probability below 2^-68, of 2^22 below
 * 2^-84. A set is a map whose numbers nobody looks at.
 *
 * Does not give keys back, nor in any order, forget a single one, or keep to less memory than 48
 * to 96 bytes a key: how many keys there may be is for its user to bound. Running out of memory
 * aborts, as in arena.h.
 */
#ifndef WEIR_BASE_KEY_MAP_H
#define WEIR_BASE_KEY_MAP_H

#include <stdint.h>

#include "base/slice.h"

#define KEY_MAP_MAX (1u << 30) /* keys */
#define KEY_NONE (-1)          /* the number of a key that is not there */

struct key_hash {
	uint64_t low, high;
};

struct key_map {
	struct key_map_slot *slots;
	uint32_t n, cap; /* cap: a power of two, or 0 */
};

void key_map_release(struct key_map *m);
/* Empties it. What is held stays. */
void key_map_clear(struct key_map *m);

/* What tells apart equal keys of several kinds goes into kind. */
struct key_hash key_hash_of(struct slice key, uint64_t kind);
/* KEY_NONE: it is not there. */
int64_t key_map_get(const struct key_map *m, struct key_hash h);
/* Sets its number, which is not KEY_NONE, and returns the one before. */
int64_t key_map_put(struct key_map *m, struct key_hash h, int64_t number);

/* For many keys at once: room for n more, so that their places do not move, then the place of
 * each into the cache, and only then each put. */
void key_map_reserve(struct key_map *m, uint32_t n);
void key_map_fetch(const struct key_map *m, struct key_hash h);

#endif
