/* SPDX-License-Identifier: Apache-2.0
 *
 * Notices entities that turn up in two partitions of a source that names its key: their features
 * would be computed twice, each over half of the events. One entity in KEY_SAMPLE_EVERY is
 * remembered, when it is first seen, in a table of fixed size; so this finds a wrong producer
 * soon, not every misplaced key. One per worker: it sees the partitions the worker has.
 */
#ifndef WEIR_RUN_KEY_SAMPLE_H
#define WEIR_RUN_KEY_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define KEY_SAMPLE_EVERY 16
#define KEY_SAMPLE_SLOTS 65536 /* an older entity of the same slot is forgotten */

struct key_sample {
	struct {
		uint64_t hash; /* of the entity, mixed with the view; 0: free */
		int32_t partition;
	} slots[KEY_SAMPLE_SLOTS];
};

/* An entity of a view is new in a partition. True: it was new in another one before. */
static inline bool key_sample_new(struct key_sample *k, uint32_t view, uint64_t hash,
	int32_t partition)
{
	uint64_t mixed = (hash ^ view) * UINT64_C(0x9e3779b97f4a7c15);
	if (mixed % KEY_SAMPLE_EVERY || !mixed)
		return false;
	uint64_t at = mixed >> 48 & (KEY_SAMPLE_SLOTS - 1);
	bool elsewhere = k->slots[at].hash == mixed && k->slots[at].partition != partition;
	k->slots[at].hash = mixed;
	k->slots[at].partition = partition;
	return elsewhere;
}

#endif
