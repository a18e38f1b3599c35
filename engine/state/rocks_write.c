// SPDX-License-Identifier: Apache-2.0
//
// Writing to the RocksDB store. Rows, timers and meta go in key order into one of two sinks:
//
//   few rows    a batch through the write-ahead log, not synced
//   many rows   a sorted file of their own that the database takes in as it is: no log, no
//               memtable; synced, by the calling thread
//
// Both are atomic, and in the order of the calls, because every write of a task has its meta
// key: the database flushes a memtable that holds an older one before it takes a file in. After
// a power loss RocksDB comes back to an older prefix, which is all that is needed. Not here:
// when to write, and what rows mean.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "state/rocks_inside.h"

/* From here on a file costs less than a batch (docs/decisions/state-store.md). */
#define FILE_ROWS_MIN 1000
#define ENTRY_BYTES 16 /* of a key beside its parts; of an entry beside key and value */
#define PREFETCH_ROWS 8
#define PREFETCH_ROW_BYTES 192

struct sink {
	rocksdb_writebatch_t *batch; /* one of the two */
	rocksdb_sstfilewriter_t *file;
	char *err;
	struct buf key;
};

static void sink_put(struct sink *s, struct slice v)
{
	const char *k = (const char *)s->key.p, *p = v.p ? (const char *)v.p : "";
	if (s->file)
		rocksdb_sstfilewriter_put(s->file, k, s->key.len, p, v.len, &s->err);
	else
		rocksdb_writebatch_put(s->batch, k, s->key.len, p, v.len);
}

static void sink_delete(struct sink *s)
{
	const char *k = (const char *)s->key.p;
	if (s->file)
		rocksdb_sstfilewriter_delete(s->file, k, s->key.len, &s->err);
	else
		rocksdb_writebatch_delete(s->batch, k, s->key.len);
}

/* Rows lie anywhere in memory: ask for them early. */
static void prefetch(const struct store_write *w)
{
	__builtin_prefetch(w->key.entity.p);
	for (uint32_t at = 0; at < w->value.len && at < PREFETCH_ROW_BYTES; at += 64)
		__builtin_prefetch(w->value.p + at);
}

static void sink_rows(struct sink *s, const struct rocks_task *t,
        const struct store_write *writes, uint32_t n)
{
	for (uint32_t i = 0; i < n && !s->err; i++) {
		if (i + PREFETCH_ROWS < n)
			prefetch(&writes[i + PREFETCH_ROWS]);
		rocks_key_row(&s->key, t, writes[i].key);
		if (writes[i].value.p)
			sink_put(s, writes[i].value);
		else
			sink_delete(s);
	}
}

struct timer_write {
	uint64_t due; /* sign bit turned */
	uint32_t row;
	bool put;
};

/* By due, least byte first: equal dues stay in the order of their rows, which is their
 * entities'. */
static struct timer_write *timers_sort(struct timer_write *a, struct timer_write *b, uint32_t n)
{
	for (uint32_t shift = 0; shift < 64; shift += 8) {
		uint32_t at[257] = {0};
		for (uint32_t i = 0; i < n; i++)
			at[(a[i].due >> shift & 255) + 1]++;
		if (at[(a[0].due >> shift & 255) + 1] == n)
			continue; /* the same byte in all */
		for (uint32_t i = 0; i < 256; i++)
			at[i + 1] += at[i];
		for (uint32_t i = 0; i < n; i++)
			b[at[a[i].due >> shift & 255]++] = a[i];
		struct timer_write *other = a;
		a = b;
		b = other;
	}
	return a;
}

static uint64_t due_unsigned(int64_t due)
{
	return (uint64_t)due ^ (UINT64_C(1) << 63);
}

/* The timers of rows that are all of one space. */
static void sink_timers(struct sink *s, const struct rocks_task *t,
        const struct store_write *writes, uint32_t n)
{
	struct timer_write *all = xmalloc(4 * (uint64_t)n * sizeof *all);
	uint32_t m = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct store_write *w = &writes[i];
		if (w->due == w->old_due)
			continue;
		if (w->old_due != STORE_NO_DUE)
			all[m++] = (struct timer_write){due_unsigned(w->old_due), i, false};
		if (w->due != STORE_NO_DUE)
			all[m++] = (struct timer_write){due_unsigned(w->due), i, true};
	}
	const struct timer_write *sorted = m ? timers_sort(all, all + 2 * (uint64_t)n, m) : all;
	for (uint32_t i = 0; i < m && !s->err; i++) {
		if (i + PREFETCH_ROWS < m)
			__builtin_prefetch(writes[sorted[i + PREFETCH_ROWS].row].key.entity.p);
		const struct store_write *w = &writes[sorted[i].row];
		rocks_key_timer(&s->key, t, w->key.space, sorted[i].put ? w->due : w->old_due,
		        w->key.entity);
		if (sorted[i].put)
			sink_put(s, (struct slice){NULL, 0});
		else
			sink_delete(s);
	}
	free(all);
}

/* Everything of a write in key order. */
static void sink_all(struct sink *s, const struct rocks_task *t,
        const struct store_write *writes, uint32_t n, struct slice meta)
{
	rocks_key(&s->key, t, KIND_META, (struct slice){NULL, 0});
	sink_put(s, meta);
	sink_rows(s, t, writes, n);
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n; end++)
			if (!slice_eq(writes[end].key.space, writes[i].key.space))
				break;
		sink_timers(s, t, writes + i, end - i);
	}
	buf_release(&s->key);
}

/* Debian's RocksDB aborts the process when its log meets a full disk, so it must not get there.
 */
static enum status room_check(const struct rocks *r, uint64_t bytes, struct error *e)
{
	struct statvfs v;
	if (statvfs(r->dir, &v))
		return ST_OK; /* then the write itself tells */
	uint64_t left = (uint64_t)v.f_bavail * v.f_frsize, need = bytes + r->reserve_bytes;
	if (left >= need)
		return ST_OK;
	return error_set(e, ERR_FATAL, ENOSPC,
	        "no space left for the state in %s: %llu MB free, %llu MB needed; make room "
	        "and "
	        "start the node again, nothing is lost",
	        r->dir, (unsigned long long)(left >> 20), (unsigned long long)(need >> 20));
}

/* At most: a row, a timer put and a timer taken out for each write. */
static uint64_t bytes_at_most(
        const struct rocks_task *t, const struct store_write *writes, uint32_t n)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += writes[i].value.len +
		       3 * (t->name.len + writes[i].key.space.len + writes[i].key.entity.len +
		                   2 * ENTRY_BYTES);
	return sum;
}

static enum status batch_write(struct rocks_task *t, const struct store_write *writes,
        uint32_t n, struct slice meta, struct error *e)
{
	struct sink s = {.batch = rocksdb_writebatch_create()};
	sink_all(&s, t, writes, n, meta);
	rocksdb_write(t->rocks->db, t->rocks->write, s.batch, &s.err);
	rocksdb_writebatch_destroy(s.batch);
	return s.err ? rocks_error(t->rocks, e, "writing rows", s.err) : ST_OK;
}

static char *file_make(const struct rocks_task *t, const char *path,
        const struct store_write *writes, uint32_t n, struct slice meta)
{
	const struct rocks *r = t->rocks;
	struct sink s = {.file = rocksdb_sstfilewriter_create(r->file, r->options)};
	rocksdb_sstfilewriter_open(s.file, path, &s.err);
	if (!s.err)
		sink_all(&s, t, writes, n, meta);
	if (!s.err)
		rocksdb_sstfilewriter_finish(s.file, &s.err);
	rocksdb_sstfilewriter_destroy(s.file);
	return s.err;
}

/* An empty batch waits while the database has more files than it wants (FILES_MAX): taking
 * files in would not. */
static char *wait_for_compaction(struct rocks *r)
{
	char *err = NULL;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	rocksdb_write(r->db, r->write, b, &err);
	rocksdb_writebatch_destroy(b);
	return err;
}

static enum status file_write(struct rocks_task *t, const struct store_write *writes,
        uint32_t n, struct slice meta, struct error *e)
{
	struct rocks *r = t->rocks;
	char path[ROCKS_DIR_MAX + 64];
	snprintf(path, sizeof path, "%s/" ROCKS_FILE_PREFIX "%llu" ROCKS_FILE_SUFFIX, r->dir,
	        (unsigned long long)atomic_fetch_add(&r->files, 1));
	const char *list = path;
	char *err = rocks_mode_adapt(r, n);
	if (!err)
		err = wait_for_compaction(r);
	if (!err)
		err = file_make(t, path, writes, n, meta);
	if (!err)
		rocksdb_ingest_external_file(r->db, &list, 1, r->ingest, &err);
	unlink(path); /* gone already, if all went well */
	return err ? rocks_error(t->rocks, e, "writing a file of rows", err) : ST_OK;
}

enum status rocks_write(struct store_task *st, const struct store_write *writes, uint32_t n,
        struct slice meta, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	if (room_check(t->rocks, bytes_at_most(t, writes, n) + meta.len, e))
		return ST_ERR;
	return n < FILE_ROWS_MIN ? batch_write(t, writes, n, meta, e)
	                         : file_write(t, writes, n, meta, e);
}

/* One range of the log, synced; then the files that hold nothing else go at once. */
enum status rocks_wipe(struct store_task *st, struct error *e)
{
	struct rocks_task *t = (struct rocks_task *)st;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	rocks_key_range(&t->key, &t->end, t);
	const char *from = (char *)t->key.p, *to = (char *)t->end.p;
	rocksdb_writebatch_delete_range(b, from, t->key.len, to, t->end.len);
	char *err = NULL;
	rocksdb_write(t->rocks->db, t->rocks->write_synced, b, &err);
	rocksdb_writebatch_destroy(b);
	if (!err)
		rocksdb_delete_file_in_range(
		        t->rocks->db, from, t->key.len, to, t->end.len, &err);
	return err ? rocks_error(t->rocks, e, "wiping a task's state", err) : ST_OK;
}
