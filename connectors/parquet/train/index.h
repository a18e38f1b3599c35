/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer to a point-in-time join, by offering it every offline row in any order.
 *
 * Spine rows stand sorted by entity and T. An offline row is usable for a suffix of its
 * entity's rows: those with T >= its time. It is noted only at the first of them, the best one
 * that was offered there staying; at the end a walk carries the best along. So an offline row
 * costs one lookup and one binary search, nothing of it is kept, and no order of the files is
 * relied on.
 */
#ifndef WEIR_PARQUET_TRAIN_INDEX_H
#define WEIR_PARQUET_TRAIN_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

#define INDEX_NONE UINT32_MAX
#define INDEX_LOCKS 1024 /* a power of two */

/* An offline row: what decides among rows, and where it is. */
struct candidate {
	int64_t event_us, known_us;
	int64_t offset;    /* of its source; -1: none, time caused it */
	int64_t row;       /* in its file; -1: no candidate */
	int32_t partition; /* -1 as offset */
	uint32_t file;
};

struct index_slot {
	uint32_t hash, id; /* id INDEX_NONE: free */
};

struct train_index {
	struct arena arena; /* keys */
	struct slice *keys; /* by id */
	uint32_t nkeys, cap_keys;
	struct index_slot *slots;
	uint32_t nslots; /* a power of two */
	uint32_t *ids;   /* per spine row; INDEX_NONE: no entity */
	uint32_t nrows, cap_rows;
	uint32_t *start; /* per id and one more: places */
	uint32_t *row;   /* per place: the spine row */
	int64_t *t;      /* per place, µs */
	struct candidate *best;
	uint32_t nplaces;
	bool locks[INDEX_LOCKS]; /* by place; held for a comparison */
};

#define INDEX_ROW_BYTES 64 /* about, per spine row */

void index_init(struct train_index *x);
void index_release(struct train_index *x);
/* The next spine row's entity; has false: it has none. */
void index_add(struct train_index *x, struct slice key, bool has);
/* After the last row; t is by spine row. */
void index_sort(struct train_index *x, const int64_t *t);

uint32_t index_hash(struct slice key);
void index_prefetch(const struct train_index *x, uint32_t hash);
/* INDEX_NONE: no spine row has this entity. */
uint32_t index_find(const struct train_index *x, struct slice key, uint32_t hash);
/* least_us: the least T that may see it. Threads may offer at the same time. */
void index_offer(
        struct train_index *x, uint32_t id, int64_t least_us, const struct candidate *c);
/* Carries the best along each entity's rows. */
void index_settle(struct train_index *x);

#endif
