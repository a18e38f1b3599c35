/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of an offline topic and where each came last, held as 128-bit hashes: two of
 * OFFLINE_KEYS_MAX meet with a probability below 2^-86.
 */
#ifndef WEIR_CLI_OFFLINE_KEYS_H
#define WEIR_CLI_OFFLINE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define OFFLINE_KEYS_MAX (1u << 21) /* 100 MB */

struct offline_key {
	uint64_t low, high;
};

struct offline_keys {
	struct offline_key_slot *slots;
	uint32_t n, cap; /* cap: a power of two */
};

void offline_keys_release(struct offline_keys *k);
struct offline_key offline_key_of(int32_t partition, struct slice key);
/* An offset below the one noted changes nothing. False: there are OFFLINE_KEYS_MAX others. */
bool offline_keys_note(struct offline_keys *k, const struct offline_key *key, int64_t offset);
/* -1: the key was not noted. */
int64_t offline_keys_last(const struct offline_keys *k, const struct offline_key *key);

#endif
