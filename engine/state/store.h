/* SPDX-License-Identifier: Apache-2.0
 *
 * The local store contract: a materialised prefix of each task's changelog. Rows, timers and the
 * task's meta record (changelog position and marker) are written in one atomic batch, so the
 * store always is the fold of exactly the prefix its meta names (I2). It is never read per event:
 * misses come as one sorted multi-get per batch, cold timers in key order.
 *
 * Implementations: RocksDB (rocks_store.c), and none (NULL store): state then lives in the
 * in-memory table alone and a restart restores everything from the changelog.
 */
#ifndef WEIR_STATE_STORE_H
#define WEIR_STATE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct store;      /* one per process; used by any thread */
struct store_task; /* one task's part of it; used by its worker and its flusher */

/* Keys are (space, entity): a space is a view and version, as bytes that no other space's bytes
 * begin with. */
struct store_key {
	struct slice space, entity;
};

struct store_write {
	struct store_key key;
	struct slice value;     /* the row; p NULL: delete it */
	int64_t due, old_due;   /* the row's next instant, now and as last written; STORE_NO_DUE */
};
#define STORE_NO_DUE INT64_MAX

struct store_timer {
	int64_t due;
	struct slice entity;
};

struct store_stats {
	uint64_t bytes_on_disk, cache_bytes, memtable_bytes;
};

struct store_ops {
	const char *name;
	void (*close)(struct store *s);
	/* name: "<job>/<stage>/<partition>". */
	enum status (*task_open)(struct store *s, const char *name, struct store_task **out,
		struct error *e);
	void (*task_close)(struct store_task *t);
	/* The meta record as last written; empty when there is none. In a. */
	enum status (*meta)(struct store_task *t, struct slice *out, struct arena *a,
		struct error *e);
	/* keys sorted; values[i].p is NULL when there is no such row. Values in a. */
	enum status (*get)(struct store_task *t, const struct store_key *keys, uint32_t n,
		struct slice *values, struct arena *a, struct error *e);
	/* All or nothing, meta included. writes sorted by key. Not synced: a crash of the machine
	 * may bring an older prefix back, never a torn one. */
	enum status (*write)(struct store_task *t, const struct store_write *writes, uint32_t n,
		struct slice meta, struct error *e);
	/* Timers with due <= upto, after (after_due, after_entity), in (due, entity) order, at
	 * most max. Entities in a. */
	enum status (*timers)(struct store_task *t, struct slice space, int64_t after_due,
		struct slice after_entity, int64_t upto, struct store_timer *out, uint32_t max,
		uint32_t *n, struct arena *a, struct error *e);
	/* Rows of a space in key order, starting after the entity given (empty: from the first),
	 * at most max. Keys and values in a. */
	enum status (*scan)(struct store_task *t, struct slice space, struct slice after,
		struct slice *entities, struct slice *values, uint32_t max, uint32_t *n,
		struct arena *a, struct error *e);
	/* Deletes everything of the task. */
	enum status (*wipe)(struct store_task *t, struct error *e);
	void (*stats)(struct store *s, struct store_stats *out);
};

/* Opens (creates) the RocksDB store in dir. memory_bytes covers block cache and memtables. */
enum status rocks_store_open(const char *dir, uint64_t memory_bytes, struct store **out,
	struct error *e);

/* Every implementation's struct store and struct store_task begin with this. */
struct store {
	const struct store_ops *ops;
};
struct store_task {
	const struct store_ops *ops;
};

#endif
