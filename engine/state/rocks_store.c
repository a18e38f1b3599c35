// SPDX-License-Identifier: Apache-2.0
//
// The store contract on RocksDB: one instance per process, every task a range of keys.
//
//   'R' task 0 space entity          -> row
//   'T' task 0 space due entity      -> nothing (due: big-endian, sign bit turned)
//   'M' task 0                       -> meta
//
// Writes go through the write-ahead log without a sync: atomic, survive kill -9; after a power
// loss RocksDB comes back to an older prefix, which is all that is needed.
// Not here: when to write, and what rows mean.
#include <errno.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/buf.h"
#include "state/store.h"

#define RESERVE_BYTES (UINT64_C(8) << 20)

struct rocks {
	struct store store;
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_column_family_handle_t *family;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write;
	char dir[4200];
	uint64_t reserve_bytes; /* left free on the disk: for the memtables and other writers */
};

struct rocks_task {
	struct store_task task;
	struct rocks *rocks;
	struct buf name; /* with its closing NUL */
	/* Used by the worker's thread; the flusher builds its keys in its own. */
	struct buf key, end;
};

static enum status rocks_error(struct error *e, const char *what, char *err)
{
	error_set(e, ERR_RETRIABLE, 0, "state store: %s: %s", what, err);
	rocksdb_free(err);
	return ST_ERR;
}

/* Debian's RocksDB aborts the process when its log meets a full disk, so it must not get there. */
static enum status room_check(const struct rocks *r, uint64_t bytes, struct error *e)
{
	struct statvfs v;
	if (statvfs(r->dir, &v))
		return ST_OK; /* then the write itself tells */
	uint64_t left = (uint64_t)v.f_bavail * v.f_frsize, need = bytes + r->reserve_bytes;
	if (left >= need)
		return ST_OK;
	return error_set(e, ERR_FATAL, ENOSPC,
		"no space left for the state in %s: %llu MB free, %llu MB needed; make room and "
		"start the node again, nothing is lost",
		r->dir, (unsigned long long)(left >> 20), (unsigned long long)(need >> 20));
}

static void key_start(struct buf *b, const struct rocks_task *t, char kind)
{
	b->len = 0;
	buf_byte(b, (uint8_t)kind);
	buf_slice(b, buf_view(&t->name));
}

static void key_row(struct buf *b, const struct rocks_task *t, struct store_key k)
{
	key_start(b, t, 'R');
	buf_slice(b, k.space);
	buf_slice(b, k.entity);
}

static void key_timer(struct buf *b, const struct rocks_task *t, struct slice space, int64_t due,
	struct slice entity)
{
	key_start(b, t, 'T');
	buf_slice(b, space);
	buf_be64(b, (uint64_t)due ^ (UINT64_C(1) << 63));
	buf_slice(b, entity);
}

/* The first key after all that begin with b. */
static void key_successor(struct buf *b)
{
	while (b->len && b->p[b->len - 1] == 0xff)
		b->len--;
	INVARIANT(b->len);
	b->p[b->len - 1]++;
}

static enum status rocks_task_open(struct store *s, const char *name, struct store_task **out,
	struct error *e)
{
	(void)e;
	struct rocks_task *t = xcalloc(1, sizeof *t);
	t->task.ops = s->ops;
	t->rocks = (struct rocks *)s;
	buf_add(&t->name, name, strlen(name) + 1);
	*out = &t->task;
	return ST_OK;
}

static void rocks_task_close(struct store_task *st)
{
	if (!st)
		return;
	struct rocks_task *t = (struct rocks_task *)st;
	buf_release(&t->name);
	buf_release(&t->key);
	buf_release(&t->end);
	free(t);
}

static enum status rocks_meta(struct store_task *st, struct slice *out, struct arena *a,
	struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	char *err = NULL;
	size_t len = 0;
	key_start(&t->key, t, 'M');
	char *v = rocksdb_get(t->rocks->db, t->rocks->read, (char *)t->key.p, t->key.len, &len,
		&err);
	if (err)
		return rocks_error(e, "reading a task's position", err);
	*out = v ? arena_slice(a, (struct slice){(uint8_t *)v, (uint32_t)len})
		 : (struct slice){NULL, 0};
	rocksdb_free(v);
	return ST_OK;
}

static enum status rocks_get(struct store_task *st, const struct store_key *keys, uint32_t n,
	struct slice *values, struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	const char **k = arena_alloc(a, n * sizeof *k);
	size_t *len = arena_alloc(a, n * sizeof *len);
	rocksdb_pinnableslice_t **found = arena_calloc(a, n, sizeof *found);
	char **errs = arena_calloc(a, n, sizeof *errs);
	for (uint32_t i = 0; i < n; i++) {
		key_row(&t->key, t, keys[i]);
		struct slice s = arena_slice(a, buf_view(&t->key));
		k[i] = (const char *)s.p;
		len[i] = s.len;
	}
	rocksdb_batched_multi_get_cf(t->rocks->db, t->rocks->read, t->rocks->family, n, k, len,
		found, errs, true);
	char *failed = NULL;
	for (uint32_t i = 0; i < n; i++) {
		size_t vlen = 0;
		const char *v = found[i] ? rocksdb_pinnableslice_value(found[i], &vlen) : NULL;
		values[i] = v ? arena_slice(a, (struct slice){(const uint8_t *)v, (uint32_t)vlen})
			      : (struct slice){NULL, 0};
		if (found[i])
			rocksdb_pinnableslice_destroy(found[i]);
		if (errs[i] && failed)
			rocksdb_free(errs[i]);
		else if (errs[i])
			failed = errs[i];
	}
	return failed ? rocks_error(e, "reading rows", failed) : ST_OK;
}

static void batch_row(rocksdb_writebatch_t *b, struct buf *key, const struct rocks_task *t,
	const struct store_write *w)
{
	key_row(key, t, w->key);
	if (w->value.p)
		rocksdb_writebatch_put(b, (char *)key->p, key->len, (const char *)w->value.p,
			w->value.len);
	else
		rocksdb_writebatch_delete(b, (char *)key->p, key->len);
}

struct timer_write {
	const struct store_write *w;
	int64_t due;
	bool put;
};

static int timer_write_cmp(const void *pa, const void *pb)
{
	const struct timer_write *a = pa, *b = pb;
	int c = slice_cmp(a->w->key.space, b->w->key.space);
	if (c)
		return c;
	if (a->due != b->due)
		return a->due < b->due ? -1 : 1;
	return slice_cmp(a->w->key.entity, b->w->key.entity);
}

static void batch_timers(rocksdb_writebatch_t *b, struct buf *key, const struct rocks_task *t,
	const struct store_write *writes, uint32_t n)
{
	struct timer_write *timers = xmalloc(2 * (uint64_t)n * sizeof *timers);
	uint32_t m = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct store_write *w = &writes[i];
		if (w->due == w->old_due)
			continue;
		if (w->old_due != STORE_NO_DUE)
			timers[m++] = (struct timer_write){w, w->old_due, false};
		if (w->due != STORE_NO_DUE)
			timers[m++] = (struct timer_write){w, w->due, true};
	}
	qsort(timers, m, sizeof *timers, timer_write_cmp);
	for (uint32_t i = 0; i < m; i++) {
		key_timer(key, t, timers[i].w->key.space, timers[i].due, timers[i].w->key.entity);
		if (timers[i].put)
			rocksdb_writebatch_put(b, (char *)key->p, key->len, "", 0);
		else
			rocksdb_writebatch_delete(b, (char *)key->p, key->len);
	}
	free(timers);
}

/* In key order, rows before timers: neighbours in the batch are neighbours in the memtable,
 * where inserting next to the last place is cheap. */
static enum status rocks_write(struct store_task *st, const struct store_write *writes,
	uint32_t n, struct slice meta, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	struct buf key = {0};
	for (uint32_t i = 0; i < n; i++)
		batch_row(b, &key, t, &writes[i]);
	batch_timers(b, &key, t, writes, n);
	key_start(&key, t, 'M');
	rocksdb_writebatch_put(b, (char *)key.p, key.len, (const char *)meta.p, meta.len);
	char *err = NULL;
	size_t bytes = 0;
	(void)rocksdb_writebatch_data(b, &bytes);
	enum status room = room_check(t->rocks, bytes, e);
	if (!room)
		rocksdb_write(t->rocks->db, t->rocks->write, b, &err);
	rocksdb_writebatch_destroy(b);
	buf_release(&key);
	if (room)
		return room;
	return err ? rocks_error(e, "writing rows", err) : ST_OK;
}

static enum status iterator_end(rocksdb_iterator_t *it, struct error *e)
{
	char *err = NULL;
	rocksdb_iter_get_error(it, &err);
	rocksdb_iter_destroy(it);
	return err ? rocks_error(e, "scanning", err) : ST_OK;
}

static bool has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

static struct slice iterator_key(rocksdb_iterator_t *it)
{
	size_t len = 0;
	const char *k = rocksdb_iter_key(it, &len);
	return (struct slice){(const uint8_t *)k, (uint32_t)len};
}

static enum status rocks_timers(struct store_task *st, struct slice space, int64_t after_due,
	struct slice after_entity, int64_t upto, struct store_timer *out, uint32_t max,
	uint32_t *n, struct arena *a, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	key_start(&t->end, t, 'T');
	buf_slice(&t->end, space);
	struct slice prefix = buf_view(&t->end);
	key_timer(&t->key, t, space, after_due, after_entity);
	rocksdb_iterator_t *it = rocksdb_create_iterator(t->rocks->db, t->rocks->read);
	rocksdb_iter_seek(it, (char *)t->key.p, t->key.len);
	*n = 0;
	for (; *n < max && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct slice k = iterator_key(it);
		if (!has_prefix(k, prefix))
			break;
		if (slice_eq(k, buf_view(&t->key)))
			continue;
		struct reader r = reader_of(
			(struct slice){k.p + prefix.len, k.len - prefix.len});
		int64_t due = (int64_t)(reader_be64(&r) ^ (UINT64_C(1) << 63));
		if (due > upto)
			break;
		struct slice entity = {r.p, (uint32_t)(r.end - r.p)};
		out[(*n)++] = (struct store_timer){due, arena_slice(a, entity)};
	}
	return iterator_end(it, e);
}

static enum status rocks_scan(struct store_task *st, struct slice space, struct slice after,
	struct slice *entities, struct slice *values, uint32_t max, uint32_t *n, struct arena *a,
	struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	key_row(&t->end, t, (struct store_key){space, {NULL, 0}});
	struct slice prefix = buf_view(&t->end);
	key_row(&t->key, t, (struct store_key){space, after});
	rocksdb_iterator_t *it = rocksdb_create_iterator(t->rocks->db, t->rocks->read);
	rocksdb_iter_seek(it, (char *)t->key.p, t->key.len);
	*n = 0;
	for (; *n < max && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct slice k = iterator_key(it);
		if (!has_prefix(k, prefix))
			break;
		if (after.len && slice_eq(k, buf_view(&t->key)))
			continue;
		size_t vlen = 0;
		const char *v = rocksdb_iter_value(it, &vlen);
		entities[*n] = arena_slice(a,
			(struct slice){k.p + prefix.len, k.len - prefix.len});
		values[(*n)++] = arena_slice(a,
			(struct slice){(const uint8_t *)v, (uint32_t)vlen});
	}
	return iterator_end(it, e);
}

static enum status rocks_wipe(struct store_task *st, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	for (const char *kind = "RTM"; *kind; kind++) {
		key_start(&t->key, t, *kind);
		key_start(&t->end, t, *kind);
		key_successor(&t->end);
		rocksdb_writebatch_delete_range(b, (char *)t->key.p, t->key.len, (char *)t->end.p,
			t->end.len);
	}
	char *err = NULL;
	rocksdb_write(t->rocks->db, t->rocks->write, b, &err);
	rocksdb_writebatch_destroy(b);
	return err ? rocks_error(e, "wiping a task's state", err) : ST_OK;
}

static void rocks_stats(struct store *s, struct store_stats *out)
{
	struct rocks *r = (struct rocks *)s;
	uint64_t v = 0;
	*out = (struct store_stats){0};
	if (!rocksdb_property_int(r->db, "rocksdb.total-sst-files-size", &v))
		out->bytes_on_disk = v;
	if (!rocksdb_property_int(r->db, "rocksdb.cur-size-all-mem-tables", &v))
		out->memtable_bytes = v;
	out->cache_bytes = rocksdb_cache_get_usage(r->cache);
}

static void rocks_close(struct store *s)
{
	if (!s)
		return;
	struct rocks *r = (struct rocks *)s;
	if (r->family)
		rocksdb_column_family_handle_destroy(r->family);
	if (r->db)
		rocksdb_close(r->db);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_writeoptions_destroy(r->write);
	rocksdb_options_destroy(r->options);
	rocksdb_block_based_options_destroy(r->table);
	rocksdb_cache_destroy(r->cache);
	free(r);
}

static const struct store_ops rocks_ops = {
	.name = "rocksdb",
	.close = rocks_close,
	.task_open = rocks_task_open,
	.task_close = rocks_task_close,
	.meta = rocks_meta,
	.get = rocks_get,
	.write = rocks_write,
	.timers = rocks_timers,
	.scan = rocks_scan,
	.wipe = rocks_wipe,
	.stats = rocks_stats,
};

/* Half for blocks, half for memtables. */
static void rocks_configure(struct rocks *r, uint64_t memory_bytes)
{
	r->cache = rocksdb_cache_create_lru(memory_bytes / 2);
	r->table = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(r->table, 1);
	rocksdb_block_based_options_set_filter_policy(r->table,
		rocksdb_filterpolicy_create_bloom_full(10));
	r->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(r->options, 1);
	rocksdb_options_set_block_based_table_factory(r->options, r->table);
	rocksdb_options_set_db_write_buffer_size(r->options, memory_bytes / 2);
	rocksdb_options_set_write_buffer_size(r->options, memory_bytes / 4);
	rocksdb_options_set_max_background_jobs(r->options, 2);
	rocksdb_options_set_compression(r->options, rocksdb_lz4_compression);
	rocksdb_options_set_max_open_files(r->options, 256);
	rocksdb_options_set_keep_log_file_num(r->options, 2);
	rocksdb_options_set_max_log_file_size(r->options, 1 << 20);
	r->read = rocksdb_readoptions_create();
	r->write = rocksdb_writeoptions_create();
}

enum status rocks_store_open(const char *dir, uint64_t memory_bytes, struct store **out,
	struct error *e)
{
	if (mkdir(dir, 0750) && errno != EEXIST)
		return error_set(e, ERR_FATAL, errno, "cannot create the state directory %s: %s",
			dir, strerror(errno));
	struct rocks *r = xcalloc(1, sizeof *r);
	r->store.ops = &rocks_ops;
	snprintf(r->dir, sizeof r->dir, "%s", dir);
	r->reserve_bytes = memory_bytes / 2 + RESERVE_BYTES;
	rocks_configure(r, memory_bytes);
	char *err = NULL;
	const char *family = "default";
	const rocksdb_options_t *options = r->options;
	r->db = rocksdb_open_column_families(r->options, dir, 1, &family, &options, &r->family,
		&err);
	if (!err) {
		*out = &r->store;
		return ST_OK;
	}
	error_set(e, ERR_FATAL, 0, "cannot open the state in %s: %s", dir, err);
	rocksdb_free(err);
	rocks_close(&r->store);
	return ST_ERR;
}
