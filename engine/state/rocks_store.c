// SPDX-License-Identifier: Apache-2.0
//
// The store contract on RocksDB: one instance per process, every task a range of keys
// (rocks_keys.c). Here: opening, options, sizes. Writing is rocks_write.c, reading
// rocks_read.c.
//
// A database of another layout is not converted, and a damaged one not mended: the changelog
// has everything, so it is removed and restored. Damage that is met while running is noted
// beside the files, as a merge of them would meet it too: the tasks stop, and the next start
// begins anew. Why the options are as they are: docs/decisions/state-store.md.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "state/rocks_inside.h"

#define RESERVE_BYTES (UINT64_C(8) << 20)
#define LAYOUT_KEY "\0layout"
#define LAYOUT_KEY_LEN 7
#define LAYOUT "2"
#define MEMTABLE_BYTES_MAX (UINT64_C(4) << 20)
#define FILTER_BITS 10
#define BLOCK_BYTES 8192
#define INDEX_RESTART 16 /* entries of an index between two whole keys */
#define TABLE_FORMAT 5
#define CHECKSUM_XXH3 4 /* of the library's enum, which its C header leaves out */
#define OPEN_FILES 256
#define BACKGROUND_JOBS 2
#define READAHEAD_BYTES (64 << 10) /* of each file being merged */
/* Sorted files beside each other: writes slow down from here, and wait from there. */
#define FILES_SLOW 96
#define FILES_MAX 128

/* Merging costs more than writing. Each file that is there costs a read something: while all
 * state is in memory they only cost space. A file is one task's, and a read looks into its own
 * task's alone, so as many of each task's are let come together. */
static const struct {
	uint32_t files_merge;   /* so many files of each task are merged into one */
	uint32_t space_percent; /* newer files beside the oldest, before all become one */
} modes[] = {[ROCKS_READ] = {8, 200}, [ROCKS_UNREAD] = {24, 400}};
#define FILES_MERGE_MAX 48 /* of all tasks */

/* Looked at after so many rows written; keys read per row written that change the mode. */
#define MODE_ROWS 50000
#define MODE_READ_FROM 4    /* one key in so many rows */
#define MODE_UNREAD_FROM 16 /* less than one key in so many rows */

#define DAMAGED "damaged" /* a file in the database's folder: it must not be used again */

static bool is_damage(const char *err)
{
	return strncmp(err, "Corruption", strlen("Corruption")) == 0;
}

static void damaged_path(const struct rocks *r, char out[ROCKS_DIR_MAX + 20])
{
	snprintf(out, ROCKS_DIR_MAX + 20, "%s/%s", r->dir, DAMAGED);
}

static void damage_note(const struct rocks *r)
{
	char path[ROCKS_DIR_MAX + 20];
	damaged_path(r, path);
	FILE *f = fopen(path, "w");
	if (f)
		fclose(f);
}

enum status rocks_error(const struct rocks *r, struct error *e, const char *what, char *err)
{
	if (is_damage(err)) {
		damage_note(r);
		error_set(e, ERR_FATAL, 0,
		        "the state in %s is damaged: %s: %s; start the node again: it drops "
		        "this "
		        "copy and restores it from the changelogs, nothing is lost",
		        r->dir, what, err);
	} else {
		error_set(e, ERR_RETRIABLE, 0, "state store: %s: %s", what, err);
	}
	rocksdb_free(err);
	return ST_ERR;
}

static uint32_t files_merge(enum rocks_mode mode, uint32_t tasks)
{
	uint64_t files = (uint64_t)modes[mode].files_merge * (tasks ? tasks : 1);
	return files < FILES_MERGE_MAX ? (uint32_t)files : FILES_MERGE_MAX;
}

static char *merging_set(struct rocks *r)
{
	char files[16], space[64], *err = NULL;
	const char *const names[] = {
	        "level0_file_num_compaction_trigger", "compaction_options_universal"};
	const char *const values[] = {files, space};
	snprintf(files, sizeof files, "%u", r->files_merge);
	snprintf(space, sizeof space, "{max_size_amplification_percent=%u;}",
	        modes[r->mode].space_percent);
	rocksdb_set_options(r->db, 2, names, values, &err);
	return err;
}

char *rocks_mode_adapt(struct rocks *r, uint32_t rows)
{
	char *err = NULL;
	pthread_mutex_lock(&r->mode_lock);
	r->mode_rows += rows;
	if (r->mode_rows >= MODE_ROWS) {
		uint64_t reads = atomic_exchange(&r->keys_read, 0);
		enum rocks_mode mode = r->mode;
		if (reads >= r->mode_rows / MODE_READ_FROM)
			mode = ROCKS_READ;
		else if (reads < r->mode_rows / MODE_UNREAD_FROM)
			mode = ROCKS_UNREAD;
		uint32_t files = files_merge(mode, atomic_load(&r->tasks));
		bool same = mode == r->mode && files == r->files_merge;
		r->mode = mode;
		r->files_merge = files;
		r->mode_rows = 0;
		if (!same)
			err = merging_set(r);
	}
	pthread_mutex_unlock(&r->mode_lock);
	return err;
}

static enum status rocks_task_open(
        struct store *s, const char *name, struct store_task **out, struct error *e)
{
	(void)e;
	struct rocks_task *t = xcalloc(1, sizeof *t);
	t->task.ops = s->ops;
	t->rocks = (struct rocks *)s;
	atomic_fetch_add(&t->rocks->tasks, 1);
	buf_add(&t->name, name, strlen(name) + 1);
	*out = &t->task;
	return ST_OK;
}

static void rocks_task_close(struct store_task *st)
{
	if (!st)
		return;
	struct rocks_task *t = (struct rocks_task *)st;
	atomic_fetch_sub(&t->rocks->tasks, 1);
	buf_release(&t->name);
	buf_release(&t->key);
	buf_release(&t->end);
	free(t);
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

static void rocks_shut(struct rocks *r)
{
	if (r->family)
		rocksdb_column_family_handle_destroy(r->family);
	if (r->db)
		rocksdb_close(r->db);
	r->family = NULL;
	r->db = NULL;
}

static void rocks_close(struct store *s)
{
	if (!s)
		return;
	struct rocks *r = (struct rocks *)s;
	rocks_shut(r);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_readoptions_destroy(r->iterate);
	rocksdb_readoptions_destroy(r->pass);
	rocksdb_writeoptions_destroy(r->write);
	rocksdb_writeoptions_destroy(r->write_synced);
	rocksdb_envoptions_destroy(r->file);
	rocksdb_ingestexternalfileoptions_destroy(r->ingest);
	rocksdb_options_destroy(r->options);
	rocksdb_block_based_options_destroy(r->table);
	rocksdb_cache_destroy(r->cache);
	pthread_mutex_destroy(&r->mode_lock);
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

static void configure_table(struct rocks *r, uint64_t cache_bytes)
{
	/* One shard: a file's filter is one block, and must fit into one. */
	rocksdb_lru_cache_options_t *lru = rocksdb_lru_cache_options_create();
	rocksdb_lru_cache_options_set_capacity(lru, cache_bytes);
	rocksdb_lru_cache_options_set_num_shard_bits(lru, 0);
	r->cache = rocksdb_cache_create_lru_opts(lru);
	rocksdb_lru_cache_options_destroy(lru);
	r->table = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_block_size(r->table, BLOCK_BYTES);
	rocksdb_block_based_options_set_format_version(r->table, TABLE_FORMAT);
	rocksdb_block_based_options_set_checksum(r->table, CHECKSUM_XXH3);
	rocksdb_block_based_options_set_index_block_restart_interval(r->table, INDEX_RESTART);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(r->table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(
	        r->table, 1);
}

static void nothing(void *state)
{
	(void)state;
}

static const char *rows_name(void *state)
{
	(void)state;
	return "weir.rows";
}

static unsigned char is_row(void *state, const char *key, size_t len)
{
	(void)state;
	return rocks_key_is_row((struct slice){(const uint8_t *)key, (uint32_t)len});
}

static char *whole_key(void *state, const char *key, size_t len, size_t *whole)
{
	(void)state;
	*whole = len;
	return (char *)key;
}

/* Filters hold what is asked for by its key: the rows. Timers are as many, and read in order. To
 * the library a row's key is a "prefix" that is all of the key. */
static void configure_filters(struct rocks *r)
{
	rocksdb_block_based_options_set_filter_policy(
	        r->table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
	rocksdb_block_based_options_set_whole_key_filtering(r->table, 0);
	rocksdb_options_set_prefix_extractor(r->options,
	        rocksdb_slicetransform_create(
	                NULL, nothing, whole_key, is_row, is_row, rows_name));
}

static void configure_merging(struct rocks *r)
{
	r->files_merge = files_merge(ROCKS_READ, 1);
	rocksdb_options_t *o = r->options;
	rocksdb_universal_compaction_options_t *u =
	        rocksdb_universal_compaction_options_create();
	rocksdb_universal_compaction_options_set_max_size_amplification_percent(
	        u, (int)modes[ROCKS_READ].space_percent);
	rocksdb_options_set_universal_compaction_options(o, u);
	rocksdb_universal_compaction_options_destroy(u);
	rocksdb_options_set_compaction_style(o, rocksdb_universal_compaction);
	rocksdb_options_set_level0_file_num_compaction_trigger(
	        o, (int)r->files_merge);
	rocksdb_options_set_level0_slowdown_writes_trigger(o, FILES_SLOW);
	rocksdb_options_set_level0_stop_writes_trigger(o, FILES_MAX);
}

/* Memtables are small, since many rows do not go through them: the rest is for the cache. */
static void rocks_configure(struct rocks *r, uint64_t memory_bytes)
{
	uint64_t memtable =
	        memory_bytes / 8 < MEMTABLE_BYTES_MAX ? memory_bytes / 8 : MEMTABLE_BYTES_MAX;
	r->reserve_bytes = 2 * memtable + RESERVE_BYTES;
	configure_table(r, memory_bytes - 2 * memtable);
	rocksdb_options_t *o = r->options = rocksdb_options_create();
	configure_filters(r);
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_block_based_table_factory(o, r->table);
	rocksdb_options_set_write_buffer_size(o, memtable);
	rocksdb_options_set_db_write_buffer_size(o, 2 * memtable);
	rocksdb_options_set_compression(o, rocksdb_no_compression);
	rocksdb_options_set_max_background_jobs(o, BACKGROUND_JOBS);
	rocksdb_options_set_max_open_files(o, OPEN_FILES);
	rocksdb_options_set_keep_log_file_num(o, 2);
	rocksdb_options_set_max_log_file_size(o, 1 << 20);
	rocksdb_options_compaction_readahead_size(o, READAHEAD_BYTES);
	configure_merging(r);
	r->read = rocksdb_readoptions_create();
	r->iterate = rocksdb_readoptions_create();
	r->pass = rocksdb_readoptions_create();
	/* The cache is for filters and indexes, which each key read needs. A row that was read is in
	 * the table from then on, and its neighbours are not more likely to be wanted than others. */
	rocksdb_readoptions_set_fill_cache(r->read, 0);
	rocksdb_readoptions_set_fill_cache(r->pass, 0);
	/* In the order of keys, whatever the filters hold. */
	rocksdb_readoptions_set_total_order_seek(r->iterate, 1);
	rocksdb_readoptions_set_total_order_seek(r->pass, 1);
	r->write = rocksdb_writeoptions_create();
	r->write_synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->write_synced, 1);
	r->file = rocksdb_envoptions_create();
	r->ingest = rocksdb_ingestexternalfileoptions_create();
	rocksdb_ingestexternalfileoptions_set_move_files(r->ingest, 1);
}

static char *rocks_start(struct rocks *r)
{
	char *err = NULL;
	const char *family = "default";
	const rocksdb_options_t *options = r->options;
	r->db = rocksdb_open_column_families(
	        r->options, r->dir, 1, &family, &options, &r->family, &err);
	return err;
}

/* Files of rows that a kill caught before the database had them. */
static void leftovers_remove(const char *dir)
{
	DIR *d = opendir(dir);
	char path[ROCKS_DIR_MAX + 300];
	for (struct dirent *f; d && (f = readdir(d));) {
		size_t len = strlen(f->d_name), tail = strlen(ROCKS_FILE_SUFFIX);
		if (strncmp(f->d_name, ROCKS_FILE_PREFIX, strlen(ROCKS_FILE_PREFIX)) ||
		        len < tail || strcmp(f->d_name + len - tail, ROCKS_FILE_SUFFIX))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, f->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

static bool rocks_is_empty(struct rocks *r)
{
	rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->iterate);
	rocksdb_iter_seek_to_first(it);
	bool empty = !rocksdb_iter_valid(it);
	rocksdb_iter_destroy(it);
	return empty;
}

/* Whether it is of this layout; *err when it cannot be told. */
static bool layout_is_ours(struct rocks *r, char **err)
{
	size_t len = 0;
	char *v = rocksdb_get(r->db, r->read, LAYOUT_KEY, LAYOUT_KEY_LEN, &len, err);
	bool ours = v && len == strlen(LAYOUT) && !memcmp(v, LAYOUT, len);
	if (!v && !*err && rocks_is_empty(r)) {
		rocksdb_put(r->db, r->write_synced, LAYOUT_KEY, LAYOUT_KEY_LEN, LAYOUT,
		        strlen(LAYOUT), err);
		ours = true;
	}
	rocksdb_free(v);
	return ours;
}

static char *rocks_start_over(struct rocks *r, const char *why)
{
	char *err = NULL, path[ROCKS_DIR_MAX + 20];
	LOG_WARN("state", "%s %s: removing it, the state comes back from the changelogs",
	        r->dir, why);
	rocks_shut(r);
	damaged_path(r, path);
	unlink(path);
	rocksdb_destroy_db(r->options, r->dir, &err);
	if (!err)
		err = rocks_start(r);
	if (!err && !layout_is_ours(r, &err) && !err)
		err = strdup("it is not empty after it was removed");
	return err;
}

enum status rocks_store_open(
        const char *dir, uint64_t memory_bytes, struct store **out, struct error *e)
{
	if (mkdir(dir, 0750) && errno != EEXIST)
		return error_set(e, ERR_FATAL, errno,
		        "cannot create the state directory %s: %s", dir, strerror(errno));
	struct rocks *r = xcalloc(1, sizeof *r);
	r->store.ops = &rocks_ops;
	pthread_mutex_init(&r->mode_lock, NULL);
	snprintf(r->dir, sizeof r->dir, "%s", dir);
	leftovers_remove(dir);
	rocks_configure(r, memory_bytes);
	char path[ROCKS_DIR_MAX + 20], *err = NULL;
	damaged_path(r, path);
	bool damaged = access(path, F_OK) == 0;
	if (!damaged)
		err = rocks_start(r);
	if (!damaged && !err && !layout_is_ours(r, &err) && !err)
		err = rocks_start_over(r, "is of another layout");
	if (damaged || (err && is_damage(err))) {
		rocksdb_free(err);
		err = rocks_start_over(r, "is damaged");
	}
	if (!err) {
		*out = &r->store;
		return ST_OK;
	}
	error_set(e, ERR_FATAL, 0, "cannot open the state in %s: %s", dir, err);
	rocksdb_free(err);
	rocks_close(&r->store);
	return ST_ERR;
}
