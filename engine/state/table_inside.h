/* SPDX-License-Identifier: Apache-2.0
 *
 * What table.c, rows.c, due.c, flush.c and scan.c share. Nobody else includes it.
 */
#ifndef WEIR_STATE_TABLE_INSIDE_H
#define WEIR_STATE_TABLE_INSIDE_H

#include "state/pack.h"
#include "state/table.h"

#define DUE_NONE UINT32_MAX

struct change;

/* An entity in memory. Kept small: there may be tens of millions. */
struct entry {
	uint8_t *row;          /* committed, packed; NULL: no state */
	struct change *change; /* of this epoch; NULL: none */
	uint32_t row_len;
	uint32_t due_pos; /* place in the space's due heap */
	uint32_t used;    /* epoch of last use, modulo 2^32 */
	uint32_t frozen;  /* 1 + index into the running flush's items */
	uint32_t key_len;
	uint16_t space;
	bool dirty;   /* committed but not in the store */
	bool loading; /* to be read from the store */
	uint8_t key[];
};

/* What an epoch has done to an entity so far. */
struct change {
	struct entry *en;
	struct heap live; /* empty when restored or dropped */
	void *note;
	size_t packed_at; /* in the table's buffer of packed rows … */
	uint32_t packed_len;
	bool packed;  /* … once it is there */
	bool dropped; /* forgotten */
};

/* An entry's address, and above it 16 bits of the entity's hash; 0: free. So a miss touches no
 * entry, nearly always; where the whole hash is wanted it is made from the entity again. */
typedef uint64_t slot;

static inline struct entry *slot_entry(slot s)
{
	return (struct entry *)(uintptr_t)(s & ((UINT64_C(1) << 48) - 1));
}

struct due_item {
	int64_t due;
	struct entry *en;
};

struct space {
	struct table_space conf;
	slot *slots;
	uint64_t mask, count, hand;
	struct due_item *due; /* binary heap by (due, entity) */
	uint32_t ndue, due_cap;
	/* Timers in the store: those up to and including cold_from are in memory; the next one
	 * after it is at cold_next or later. */
	int64_t cold_next, cold_from_due;
	struct buf cold_from_entity;
};

/* A row that is not in the store as it stands. While it is clean, its timer there is its own. */
struct dirty {
	struct entry *en;
	int64_t stored_due; /* of its timer in the store */
};

struct flush_item {
	struct entry *en;
	uint8_t *row; /* frozen bytes; NULL: delete */
	int64_t old_due; /* of its timer in the store */
	uint32_t len;
	bool disowned; /* the entry has a newer row: free this one afterwards */
};

struct flush;

/* Buffers of live rows, kept between epochs by size: 256 bytes, and from there four sizes to each
 * doubling, as the allocator has them, up to 32 kB. Linked through their first bytes. */
#define SPARE_LOG_MIN 8u
#define SPARE_CLASSES 29u
#define SPARE_BYTES_MAX (1u << 20) /* of a table */

/* Changes lie in chunks, which do not move. */
#define CHANGE_CHUNK 256u

struct table {
	struct table_conf conf;
	struct space *spaces;
	struct change **changes; /* chunks */
	uint32_t nchanges, nchunks;
	struct buf packed;   /* rows of this epoch that are packed already */
	uint64_t live_bytes; /* as last counted, with live_counted changes */
	uint32_t live_counted, live_asked;
	uint64_t epoch;
	uint64_t bytes, dirty_bytes, nfrozen;
	struct dirty *dirty;
	uint32_t ndirty, dirty_cap;
	struct buf meta;         /* of the last commit */
	bool meta_dirty;         /* the store's is older */
	struct buf flushed_meta; /* the store's */
	bool whole;              /* every row of the store is in memory: a miss needs no read */
	uint8_t *spare[SPARE_CLASSES];
	uint32_t spare_bytes;
	struct flush *flush;
	int64_t last_flush_ns;
	struct table_stats stats;
};

static inline struct change *change_at(const struct table *t, uint32_t i)
{
	return &t->changes[i / CHANGE_CHUNK][i % CHANGE_CHUNK];
}

static inline int64_t entry_row_due(const struct entry *en)
{
	return en->row ? pack_due(en->row) : STORE_NO_DUE;
}

struct entry *space_find(struct space *s, struct slice entity, uint64_t hash);
struct entry *space_add(struct table *t, uint32_t space, struct slice entity, uint64_t hash);
enum status entries_load(
        struct table *t, struct entry **missing, uint32_t n, struct arena *a, struct error *e);

/* The committed row becomes a copy of these packed bytes; p NULL: none. */
void row_replace(struct table *t, struct entry *en, struct slice packed);
void dirty_add(struct table *t, struct entry *en, int64_t stored_due);
enum status row_damaged(struct error *e);
/* An entry and a row of len as counted against the budget. */
uint64_t entry_bytes(const struct entry *en);
uint64_t row_bytes(uint32_t len);
void rows_free(struct table *t);

int64_t due_of(const struct space *s, const struct entry *en);
void due_set(struct space *s, struct entry *en, int64_t due);
void due_remove(struct space *s, struct entry *en);

bool flush_is_due(const struct table *t, bool force);
enum status flush_start(struct table *t, struct error *e);
/* Collects a finished flush; wait: until it is finished. */
enum status flush_collect(struct table *t, bool wait, struct error *e);
/* The entry's frozen row is about to be replaced: the flush frees it. */
void flush_disown(struct table *t, struct entry *en);

#endif
