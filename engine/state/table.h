/* SPDX-License-Identifier: Apache-2.0
 *
 * A task's state in memory: a bounded write-back table over the store.
 *
 * Each entity has a committed row, packed (pack.h), and, while an epoch changes it, a live copy
 * that is not (the overlay). A commit makes the live rows the committed ones; an abort drops
 * them. A flush writes committed rows that the store does not have yet, sorted, with the meta
 * record of the commit they are the state of, in the background; only clean rows are evicted.
 * None of this shows in a result.
 *
 * Live rows are heaps (data/heap.h) that begin with struct row_head; the rest is the
 * operator's. Their packed form is what the changelog and the store hold. Single-threaded but
 * for the flusher, which reads frozen rows only.
 */
#ifndef WEIR_STATE_TABLE_H
#define WEIR_STATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "data/heap.h"
#include "state/store.h"

#define ROW_FORMAT 1

/* First bytes of every row. */
struct row_head {
	uint32_t format; /* ROW_FORMAT: every persisted form says its version */
	uint32_t reserved;
	int64_t due; /* next instant at which something happens by itself; STORE_NO_DUE */
};

struct entry;
struct table;

/* What the table must know of an operator's rows. */
struct table_space {
	struct slice name; /* bytes that start the keys: view and version; borrowed for life */
	/* Rewrites a live heap without garbage or slack; arg is the operator. */
	void (*pack)(void *arg, struct heap *h);
	void *arg;
};

struct table_conf {
	struct clock *clock;      /* paces flushes */
	struct store_task *store; /* NULL: memory only */
	const struct table_space *spaces;
	uint32_t nspaces;
	uint64_t memory_bytes; /* of entries and rows, committed and live */
};

struct table *table_new(const struct table_conf *conf);
void table_free(struct table *t);

/* Finds or makes the entries of n entities of a space, loading missing rows from the store in
 * one sorted read. Entries stay valid until the epoch ends. hashes: entity_hash() of each. */
enum status table_resolve(struct table *t, uint32_t space, const struct slice *entities,
        const uint64_t *hashes, uint32_t n, struct entry **out, struct arena *a,
        struct error *e);
uint64_t entity_hash(struct slice entity);

/* For whoever works through many: the entry (NULL: none), then what this epoch has changed of it,
 * then its row come into the processor's cache, each some turns before it is read. */
void entry_fetch(const struct entry *en);
void entry_fetch_change(const struct entry *en);
void entry_fetch_row(const struct entry *en);

struct slice entry_entity(const struct entry *en);
/* When the row as it stands in this epoch is due; STORE_NO_DUE: never, or there is none. */
int64_t entry_due(const struct entry *en);
/* The row as it stands in this epoch; NULL: the entity has no state. Unpacked into a, if it is
 * not live. */
const struct heap *entry_read(const struct entry *en, struct arena *a);
/* The live row for changing; a new entity's heap has len 0. */
struct heap *entry_write(struct table *t, struct entry *en);
/* Forgets the entity in this epoch. */
void entry_drop(struct table *t, struct entry *en);
/* To be called after a row's due changed (with the live row's head already set). */
void entry_due_changed(struct table *t, struct entry *en);
/* A pointer the operator may hang on an entry that is changed in this epoch; cleared at its
 * end. */
void **entry_note(struct entry *en);

/* The entry with the smallest (due, entity) of the space with due <= upto. ST_END: none. */
enum status table_due(struct table *t, uint32_t space, int64_t upto, struct entry **out,
        struct arena *a, struct error *e);

/* The entries changed in this epoch, in the order of first change. row: packed; p NULL:
 * forgotten. */
enum status table_changes(struct table *t,
        enum status (*fn)(
                void *arg, uint32_t space, struct entry *en, struct slice row, struct error *e),
        void *arg, struct error *e);
/* The same for reading alone, before the commit. */
enum status table_changes_read(struct table *t,
        enum status (*fn)(void *arg, uint32_t space, struct entry *en, struct error *e),
        void *arg, struct error *e);
uint32_t table_changed(const struct table *t);
/* Bytes of the live rows, nearly. */
uint64_t table_live_bytes(struct table *t);

/* Ends the epoch. meta: what the store must hold beside these rows (copied). */
void table_commit(struct table *t, struct slice meta);
void table_abort(struct table *t);

/* Restoring: a packed row from the changelog (row.p NULL: forgotten), checked by pack_check;
 * outside an epoch. It counts from the next commit on. First _ahead for a group of rows, so that
 * their places in the table are fetched side by side, then each in turn. */
struct table_restored {
	struct slice entity, row;
	uint64_t hash; /* made by _ahead */
	uint32_t space;
};
void table_restore_ahead(struct table *t, struct table_restored *r);
void table_restore(struct table *t, const struct table_restored *r);

/* Between epochs: starts a flush if it is time (or force) and it may, collects a finished one,
 * evicts clean rows above the budget. Waits for the flusher only when the budget cannot be kept
 * otherwise. Flushes that run side by side cost memory at the same time: see may_flush to it.
 */
enum status table_tidy(struct table *t, bool force, bool may_flush, struct error *e);
/* Waits until everything committed is in the store. */
enum status table_flush(struct table *t, struct error *e);

/* Committed rows of a space in pages, from memory and store, for rewriting the online store:
 * *cursor starts empty and is advanced. Each entity once. ST_END after the last page. Rows are
 * unpacked. */
enum status table_scan(struct table *t, uint32_t space, struct buf *cursor,
        enum status (*fn)(void *arg, struct slice entity, struct slice row, struct error *e),
        void *arg, struct arena *a, struct error *e);

/* For the changelog's rolling snapshot: at most max committed rows of a space, packed, in the
 * store's order, from *cursor on, which is advanced. Rows that the store does not have as they
 * stand are left out: the changelog has them, after the position in table_flushed_meta().
 * ST_END after the last one. */
enum status table_snapshot(struct table *t, uint32_t space, struct buf *cursor, uint32_t max,
        enum status (*fn)(void *arg, struct slice entity, struct slice row, struct error *e),
        void *arg, struct arena *a, struct error *e);
/* The meta record that the store has; empty: none, or there is no store. */
struct slice table_flushed_meta(const struct table *t);

/* Changes the memory budget; takes effect at the next tidy. */
void table_budget_set(struct table *t, uint64_t memory_bytes);

struct table_stats {
	uint64_t entities_in_memory, bytes, dirty_bytes, flushes, flushed_rows, evicted,
	        lookups, loads, load_hits;
	uint64_t dirty_rows, flushing_rows; /* to be flushed, and being flushed */
	int64_t flush_ns_max, flush_ns_last;
};
void table_stats(const struct table *t, struct table_stats *out);

#endif
