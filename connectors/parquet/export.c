// SPDX-License-Identifier: Apache-2.0
//
// An export's run: the folder, then partition after partition, batch after batch, up to the end
// of the topic as of the start. What survives a kill is manifest.c's business.
//
// The memory budget: an eighth for the reader's queue, five eighths for DuckDB, of which a
// batch's table is meant to take the smaller half (sorting needs as much again; beyond that
// DuckDB spills to DIR/VIEW/vN/_spill), the rest for keys, decoded columns and buffers.
#include "connectors/parquet/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "connectors/parquet/collect.h"
#include "connectors/parquet/files.h"

#define POLL_MS 100
#define THREADS_MAX 16
#define THREAD_BYTES ((uint64_t)64 << 20) /* of DuckDB's memory, to sort and to write */

struct export
{
	const struct export_conf *conf;
	struct export_counts *counts;
	char topic[300];
	char dir[FILES_PATH_MAX];
	int lock; /* the folder, locked */
	struct manifest manifest;
	struct duck duck;
	int64_t *begins, *ends; /* per partition */
	struct collect collect;
};

static void written_step(void *arg)
{
	struct export *x = arg;
	if (x->conf->step)
		x->conf->step(x->conf->arg, EXPORT_WRITTEN);
}

static void commit_step(void *arg, int number)
{
	static const enum export_step steps[] = {
	        [2] = EXPORT_PLANNED, [3] = EXPORT_RENAMED, [4] = EXPORT_DONE};
	struct export *x = arg;
	if (x->conf->step)
		x->conf->step(x->conf->arg, steps[number]);
}

// ---- partitions ----

/* Writes the rows collected, and notes that everything before next is done. */
static enum status batch_end(struct export *x, int64_t next, struct error *e)
{
	struct manifest *m = &x->manifest;
	int32_t p = x->collect.partition;
	uint64_t rows = 0, bytes = 0;
	if (collect_write(&x->collect, m, written_step, x, e))
		return ST_ERR;
	uint32_t files = m->npending;
	for (uint32_t i = 0; i < files; i++) {
		rows += m->pending[i].rows;
		bytes += m->pending[i].bytes;
	}
	if (!files && next == m->partitions[p].next)
		return ST_OK;
	if (manifest_commit(m, p, next, commit_step, x, e))
		return ST_ERR;
	x->counts->rows += rows;
	x->counts->bytes += bytes;
	x->counts->files += files;
	return ST_OK;
}

static enum status records_add(
        struct export *x, const struct log_record *records, uint32_t n, struct error *e)
{
	while (n > 0) {
		uint32_t taken;
		if (collect_add(&x->collect, records, n, &taken, e))
			return ST_ERR;
		records += taken;
		n -= taken;
		if (n > 0 && batch_end(x, records[0].offset, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status stalled(struct export *x, int64_t at, struct error *e)
{
	if (e->class == ERR_RETRIABLE) /* the last poll's */
		return ST_ERR;
	return error_set(e, ERR_RETRIABLE, 0,
	        "%s[%" PRId32 "] gives nothing from offset %" PRId64 " on, its end is %" PRId64
	        ": a transaction is open for longer than %d s, or the broker hangs",
	        x->topic, x->collect.partition, at, x->ends[x->collect.partition],
	        EXPORT_STALL_MS / 1000);
}

/* Records before the partition's end, into records; *n is 0 at the end. */
static enum status next_records(struct export *x, struct log_reader *r,
        struct log_record *records, uint32_t *n, struct error *e)
{
	const struct log_ops *log = x->conf->log;
	int64_t end = x->ends[x->collect.partition], since = clock_mono_ns(x->conf->clock);
	for (;;) {
		int64_t before = log->reader_position(r);
		*n = 0;
		if (before >= end)
			return ST_OK;
		e->class = ERR_NONE;
		enum status st = log->reader_poll(r, POLL_MS, records, BATCH_ROWS_MAX, n, e);
		if (st && e->class != ERR_RETRIABLE)
			return ST_ERR;
		while (*n > 0 && records[*n - 1].offset >= end)
			--*n;
		if (*n > 0)
			return ST_OK;
		int64_t now = clock_mono_ns(x->conf->clock);
		if (log->reader_position(r) != before)
			since = now;
		if (now - since > INT64_C(1000000) * EXPORT_STALL_MS)
			return stalled(x, before, e);
	}
}

static enum status partition_read(struct export *x, struct log_reader *r, struct error *e)
{
	struct log_record records[BATCH_ROWS_MAX];
	int32_t p = x->collect.partition;
	int64_t last = x->manifest.partitions[p].next;
	if (last < x->begins[p])
		last = x->begins[p];
	for (uint32_t n;;) {
		if (next_records(x, r, records, &n, e))
			return ST_ERR;
		if (n == 0)
			return batch_end(x, x->ends[p], e);
		if (records_add(x, records, n, e))
			return ST_ERR;
		x->counts->done += records[n - 1].offset + 1 - last;
		last = records[n - 1].offset + 1;
		if (x->conf->progress)
			x->conf->progress(x->conf->arg, x->counts);
	}
}

static enum status partition_export(struct export *x, int32_t p, struct error *e)
{
	const struct log_ops *log = x->conf->log;
	struct log_reader *r;
	int64_t from = x->manifest.partitions[p].next;
	if (from < x->begins[p])
		from = x->begins[p];
	if (from >= x->ends[p])
		return ST_OK;
	x->collect.partition = p;
	int64_t before = x->counts->done;
	if (log->reader_open(
	            x->conf->broker, x->topic, p, from, x->conf->memory_bytes / 8, &r, e))
		return ST_ERR;
	enum status st = partition_read(x, r, e);
	log->reader_close(r);
	if (st == ST_OK)
		x->counts->done = before + x->ends[p] - from;
	return st;
}

// ---- the start ----

static bool is_view_name(const char *s)
{
	size_t n =
	        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && !s[n];
}

static enum status topic_find(struct export *x, struct log_topic_info *info, struct error *e)
{
	const struct export_conf *c = x->conf;
	if (!is_view_name(c->view))
		return error_set(e, ERR_USER, 0, "\"%s\" is no name of a view", c->view);
	int n = snprintf(
	        x->topic, sizeof x->topic, "%s.%s.v%" PRIu32, c->prefix, c->view, c->version);
	if (n < 0 || (size_t)n >= sizeof x->topic)
		return error_set(e, ERR_USER, 0, "the topic's name is too long");
	if (c->log->topic_info(c->broker, x->topic, info, e))
		return ST_ERR;
	if (!info->partitions)
		return error_set(e, ERR_USER, 0, "there is no topic %s", x->topic);
	return ST_OK;
}

static enum status folder_lock(struct export *x, struct error *e)
{
	x->lock = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->lock < 0)
		return files_error(e, "opening", x->dir);
	if (flock(x->lock, LOCK_EX | LOCK_NB) == 0)
		return ST_OK;
	if (errno == EWOULDBLOCK)
		return error_set(e, ERR_USER, 0, "another export is writing to %s", x->dir);
	return files_error(e, "locking", x->dir);
}

static enum status manifest_check(struct export *x, const char *id, struct error *e)
{
	struct manifest *m = &x->manifest;
	if (m->loaded && strcmp(m->topic, x->topic) != 0)
		return error_set(e, ERR_USER, 0, "%s is an export of topic %s, not %s", x->dir,
		        m->topic, x->topic);
	if (m->loaded && strcmp(m->topic_id, id) != 0)
		return error_set(e, ERR_USER, 0,
		        "topic %s was deleted and made again since %s was exported: its "
		        "offsets mean "
		        "other rows. Take another folder",
		        x->topic, x->dir);
	m->topic = x->topic;
	m->view = x->conf->view;
	m->version = x->conf->version;
	strcpy(m->topic_id, id);
	return ST_OK;
}

/* Of a view that is not deployed (any more) what an earlier run knew stays. */
static enum status about_take(struct export *x, struct error *e)
{
	const struct export_conf *c = x->conf;
	struct manifest_about *a = &x->manifest.about, now = {true, c->ttl_ms, c->source};
	if (!c->defined)
		return ST_OK;
	bool same = a->known && a->ttl_ms == now.ttl_ms && a->source && c->source &&
	            !strcmp(a->source, c->source);
	*a = now;
	return same || !x->manifest.loaded ? ST_OK : manifest_save(&x->manifest, e);
}

static enum status folder_open(
        struct export *x, const struct log_topic_info *info, struct error *e)
{
	const struct export_conf *c = x->conf;
	struct manifest *m = &x->manifest;
	char id[2 * sizeof info->id + 1];
	for (size_t i = 0; i < sizeof info->id; i++)
		snprintf(id + 2 * i, 3, "%02x", info->id[i]);
	if (files_path(x->dir, e, "%s/%s/v%" PRIu32, c->dir, c->view, c->version) ||
	        files_mkdirs(x->dir, e) || folder_lock(x, e))
		return ST_ERR;
	if (manifest_load(m, e) || manifest_check(x, id, e) || manifest_recover(m, e))
		return ST_ERR;
	manifest_partitions_set(m, info->partitions);
	if (m->npartitions > info->partitions)
		return error_set(e, ERR_USER, 0,
		        "%s has offsets of %d partitions, topic %s has %d", x->dir,
		        (int)m->npartitions, x->topic, (int)info->partitions);
	return about_take(x, e);
}

static enum status gap_check(struct export *x, int32_t p, struct error *e)
{
	const struct manifest_partition *m = &x->manifest.partitions[p];
	if (!x->manifest.loaded || !m->next)
		return ST_OK; /* nothing of it was exported: it begins where it begins */
	if (x->begins[p] > m->next)
		return error_set(e, ERR_FATAL, 0,
		        "%s[%" PRId32 "] begins at offset %" PRId64
		        ", but %s ends before %" PRId64
		        ": the rows between are gone (retention), and the export would have a "
		        "gap. "
		        "Export into another folder",
		        x->topic, p, x->begins[p], x->dir, m->next);
	if (x->ends[p] < m->next)
		return error_set(e, ERR_FATAL, 0,
		        "%s[%" PRId32 "] ends at offset %" PRId64
		        ", but %s has rows up to %" PRId64 ": the topic was truncated",
		        x->topic, p, x->ends[p], x->dir, m->next - 1);
	return ST_OK;
}

static enum status bounds_take(struct export *x, int32_t n, struct error *e)
{
	const struct log_ops *log = x->conf->log;
	x->begins = xcalloc((size_t)n, sizeof *x->begins);
	x->ends = xcalloc((size_t)n, sizeof *x->ends);
	for (int32_t p = 0; p < n; p++) {
		if (log->bounds(x->conf->broker, x->topic, p, &x->begins[p], &x->ends[p], e) ||
		        gap_check(x, p, e))
			return ST_ERR;
		int64_t from = x->manifest.partitions[p].next;
		if (from < x->begins[p])
			from = x->begins[p];
		x->counts->total += x->ends[p] - from;
	}
	x->counts->partitions = n;
	return ST_OK;
}

static enum status duck_start(struct export *x, struct error *e)
{
	char spill[FILES_PATH_MAX];
	uint64_t memory = x->conf->memory_bytes / 8 * 5;
	long threads =
	        x->conf->threads ? (long)x->conf->threads : sysconf(_SC_NPROCESSORS_ONLN);
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if ((uint64_t)threads > memory / THREAD_BYTES)
		threads = (long)(memory / THREAD_BYTES);
	if (files_path(spill, e, "%s/_spill", x->dir))
		return ST_ERR;
	return duck_open(&x->duck, memory, threads < 1 ? 1 : (uint32_t)threads, spill, e);
}

static enum status run(struct export *x, struct error *e)
{
	struct log_topic_info info;
	if (topic_find(x, &info, e) || folder_open(x, &info, e) ||
	        bounds_take(x, info.partitions, e))
		return ST_ERR;
	if (!x->counts->total)
		return ST_OK;
	if (duck_start(x, e))
		return ST_ERR;
	for (int32_t p = 0; p < info.partitions; p++)
		if (partition_export(x, p, e))
			return ST_ERR;
	return ST_OK;
}

enum status export_run(
        const struct export_conf *conf, struct export_counts *counts, struct error *e)
{
	struct export *x = xcalloc(1, sizeof *x);
	struct error here = {0};
	*counts = (struct export_counts){0};
	x->conf = conf;
	x->counts = counts;
	x->lock = -1;
	manifest_init(&x->manifest, x->dir);
	x->collect = (struct collect){.conf = conf,
	        .counts = counts,
	        .duck = &x->duck,
	        .topic = x->topic,
	        .rows_max = conf->batch_rows ? conf->batch_rows : EXPORT_BATCH_ROWS_MAX,
	        .bytes_max = conf->memory_bytes / 4};
	arena_init(&x->collect.arena);
	enum status st = run(x, e ? e : &here);
	collect_release(&x->collect);
	duck_close(&x->duck);
	manifest_release(&x->manifest);
	if (x->lock >= 0)
		close(x->lock);
	free(x->begins);
	free(x->ends);
	free(x);
	return st;
}
