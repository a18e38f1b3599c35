/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the RocksDB store share: rocks_store.c (opening, options), rocks_keys.c,
 * rocks_write.c, rocks_read.c. Nobody else includes it.
 */
#ifndef WEIR_STATE_ROCKS_INSIDE_H
#define WEIR_STATE_ROCKS_INSIDE_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "state/store.h"

#define ROCKS_DIR_MAX 4200
/* A file of rows on its way into the database: dir/rows-<number>.new. */
#define ROCKS_FILE_PREFIX "rows-"
#define ROCKS_FILE_SUFFIX ".new"

/* Whether rows are read back while others are written: says when files are merged. */
enum rocks_mode { ROCKS_READ, ROCKS_UNREAD };

struct rocks {
	struct store store;
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_column_family_handle_t *family;
	rocksdb_readoptions_t *read, *iterate;
	rocksdb_readoptions_t *pass; /* over many rows, each once: kept out of the cache */
	rocksdb_writeoptions_t *write, *write_synced;
	rocksdb_envoptions_t *file;
	rocksdb_ingestexternalfileoptions_t *ingest;
	char dir[ROCKS_DIR_MAX];
	uint64_t reserve_bytes; /* left free on the disk: for the memtables and other writers */
	atomic_ullong files;    /* numbers the files of rows of this process */
	atomic_ullong keys_read;   /* since the mode was looked at last */
	atomic_uint tasks;         /* open ones */
	pthread_mutex_t mode_lock; /* of what follows */
	enum rocks_mode mode;
	uint32_t files_merge; /* how many files come together, as set last */
	uint64_t mode_rows;   /* written since then */
};

struct rocks_task {
	struct store_task task;
	struct rocks *rocks;
	struct buf name; /* with its closing NUL */
	/* Used by the worker's thread; the flusher builds its keys in its own. */
	struct buf key, end;
};

/* Takes err over. A database that is damaged is remembered as such, and replaced when it is
 * opened again. */
enum status rocks_error(
        const struct rocks *r, struct error *e, const char *what, char *err);

/* After rows were written: may change how eagerly files are merged. The error as the library's.
 */
char *rocks_mode_adapt(struct rocks *r, uint32_t rows);

/* Kinds of keys, in the order they lie in. */
enum rocks_kind { KIND_META = 'M', KIND_ROW = 'R', KIND_TIMER = 'T' };

void rocks_key(
        struct buf *b, const struct rocks_task *t, enum rocks_kind kind, struct slice space);
void rocks_key_row(struct buf *b, const struct rocks_task *t, struct store_key k);
void rocks_key_timer(struct buf *b, const struct rocks_task *t, struct slice space, int64_t due,
        struct slice entity);
bool rocks_key_is_row(struct slice key);
/* The due of a timer's key after its first prefix bytes, and what follows: the entity. */
int64_t rocks_key_due(struct slice key, uint32_t prefix, struct slice *entity);
/* The range [b, end) of everything of the task. */
void rocks_key_range(struct buf *b, struct buf *end, const struct rocks_task *t);

enum status rocks_write(struct store_task *st, const struct store_write *writes, uint32_t n,
        struct slice meta, struct error *e);
enum status rocks_wipe(struct store_task *st, struct error *e);

enum status rocks_meta(
        struct store_task *st, struct slice *out, struct arena *a, struct error *e);
enum status rocks_get(struct store_task *st, const struct store_key *keys, uint32_t n,
        struct slice *values, struct arena *a, struct error *e);
enum status rocks_timers(struct store_task *st, struct slice space, int64_t after_due,
        struct slice after_entity, int64_t upto, struct store_timer *out, uint32_t max,
        uint32_t *n, struct arena *a, struct error *e);
enum status rocks_scan(struct store_task *st, struct slice space, struct slice after,
        struct slice *entities, struct slice *values, uint32_t max, uint32_t *n,
        struct arena *a, struct error *e);

#endif
