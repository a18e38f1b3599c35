/* SPDX-License-Identifier: Apache-2.0
 *
 * What table.c, due.c and flush.c share. Nobody else includes it.
 */
#ifndef WEIR_STATE_TABLE_INSIDE_H
#define WEIR_STATE_TABLE_INSIDE_H

#include "state/table.h"

#define DUE_NONE UINT32_MAX

struct entry {
	uint64_t hash;
	uint8_t *row; /* committed; NULL: no state */
	struct heap live;
	int64_t due;        /* of the live row if changed, else of the committed one */
	int64_t stored_due; /* of the timer in the store */
	void *note;
	uint64_t used; /* epoch of last use */
	uint32_t row_len;
	uint32_t due_pos; /* place in the space's due heap */
	uint32_t space;
	uint32_t frozen; /* 1 + index into the running flush's items */
	bool changed;    /* has a live row in this epoch */
	bool dropped;    /* … and it says: forgotten */
	bool dirty;      /* committed but not in the store */
	bool loading;    /* to be read from the store */
	uint32_t key_len;
	uint8_t key[];
};

struct slot {
	uint64_t hash;
	struct entry *en;
};

struct due_item {
	int64_t due; /* the entry's */
	struct entry *en;
};

struct space {
	struct table_space conf;
	struct slot *slots;
	uint64_t mask, count, hand;
	struct due_item *due; /* binary heap by (due, entity) */
	uint32_t ndue, due_cap;
	/* Timers in the store: those up to and including cold_from are in memory; the next one
	 * after it is at cold_next or later. */
	int64_t cold_next, cold_from_due;
	struct buf cold_from_entity;
};

struct flush_item {
	struct entry *en;
	uint8_t *row; /* frozen bytes; NULL: delete */
	uint32_t len;
	bool owned; /* the entry has a newer row: free this one afterwards */
	int64_t due, old_due;
};

struct flush;

/* Buffers of live rows, kept between epochs by size: SPARE_BYTES_MIN << class at least. Linked
 * through their first bytes. */
#define SPARE_BYTES_MIN 256u
#define SPARE_CLASSES 8
#define SPARE_BYTES_MAX (4u << 20) /* of a table */

struct table {
	struct table_conf conf;
	struct space *spaces;
	struct entry **changed;
	uint32_t nchanged, changed_cap;
	uint64_t epoch;
	uint64_t bytes, dirty_bytes, ndirty, nfrozen;
	struct buf meta; /* of the last commit */
	bool meta_dirty; /* the store's is older */
	bool whole;      /* every row of the store is in memory: a miss needs no read */
	uint8_t *spare[SPARE_CLASSES];
	uint32_t spare_bytes;
	struct flush *flush;
	int64_t last_flush_ns;
	struct table_stats stats;
};

static inline int64_t entry_row_due(const struct entry *en)
{
	return en->row ? ((const struct row_head *)en->row)->due : STORE_NO_DUE;
}

struct entry *space_find(struct space *s, struct slice entity, uint64_t hash);
struct entry *space_add(struct table *t, uint32_t space, struct slice entity, uint64_t hash);
void entry_row_set(struct table *t, struct entry *en, const uint8_t *row, uint32_t len);
enum status entries_load(struct table *t, struct entry **missing, uint32_t n, struct arena *a,
	struct error *e);

void due_set(struct space *s, struct entry *en, int64_t due);
void due_remove(struct space *s, struct entry *en);

bool flush_is_due(const struct table *t, bool force);
enum status flush_start(struct table *t, struct error *e);
/* Collects a finished flush; wait: until it is finished. */
enum status flush_collect(struct table *t, bool wait, struct error *e);
/* The entry's frozen row is about to be replaced: the flush frees it. */
void flush_disown(struct table *t, struct entry *en);

#endif
