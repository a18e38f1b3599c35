// SPDX-License-Identifier: Apache-2.0
//
// An export's run: the folder, then its partitions, batch after batch, up to the end of the
// topic as of the start. What survives a kill is manifest.c's business.
//
// Each thread is a worker that takes the next partition, with a reader, a batch and a DuckDB of
// its own; a batch's files become visible under the lock, one batch at a time. DuckDB's own
// threads are not used: writing a file is one thread's work, and there are many files.
//
// The memory budget, shared by the workers: an eighth for the reader's queue, a quarter for the
// batch, three eighths for DuckDB to write it (beyond that it spills to DIR/VIEW/vN/_spill),
// the rest for keys, the rows' order, decoded columns and buffers.
#include "connectors/parquet/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "connectors/parquet/collect.h"
#include "connectors/parquet/compact.h"
#include "connectors/parquet/files.h"

#define POLL_MS 100
#define THREADS_MAX 16
#define DUCK_BYTES_MIN ((uint64_t)48 << 20)
#define WORKER_BYTES ((uint64_t)128 << 20) /* of memory, for a worker more */

struct export
{
	const struct export_conf *conf;
	struct export_counts *counts;
	char topic[300];
	char dir[FILES_PATH_MAX];
	int lock; /* the folder, locked */
	struct manifest manifest;
	int64_t *begins, *ends; /* per partition */
	/* What workers share is touched under the mutex. */
	pthread_mutex_t mutex;
	int32_t next; /* partition to take */
	bool failed;
	uint32_t nworkers;
};

struct worker {
	struct export *x;
	uint32_t number;
	struct export_conf conf;      /* a share of the memory */
	struct schema_source schemas; /* one at a time */
	struct duck duck;
	struct collect collect;
	struct arena arena; /* of the batch's files */
	struct manifest_file *files;
	uint32_t nfiles, cap_files;
	pthread_t thread;
	bool runs;
	enum status status;
	struct error e;
};

static void lock(struct export *x)
{
	pthread_mutex_lock(&x->mutex);
}

static void unlock(struct export *x)
{
	pthread_mutex_unlock(&x->mutex);
}

static void commit_step(void *arg, int number)
{
	static const enum export_step steps[] = {
	        [2] = EXPORT_PLANNED, [3] = EXPORT_RENAMED, [4] = EXPORT_DONE};
	struct export *x = arg;
	if (x->conf->step)
		x->conf->step(x->conf->arg, steps[number]);
}

/* A file of the batch is there under its temporary name. */
static void file_note(void *arg, const struct manifest_file *f)
{
	struct worker *w = arg;
	struct export *x = w->x;
	if (w->nfiles == w->cap_files) {
		w->cap_files = w->cap_files ? 2 * w->cap_files : 16;
		w->files = xrealloc(w->files, w->cap_files * sizeof *w->files);
	}
	w->files[w->nfiles] = *f;
	w->files[w->nfiles++].path = arena_strdup(&w->arena, f->path);
	lock(x);
	if (x->conf->step)
		x->conf->step(x->conf->arg, EXPORT_WRITTEN);
	unlock(x);
}

// ---- partitions ----

static enum status files_commit(struct worker *w, int64_t next, struct error *e)
{
	struct export *x = w->x;
	int32_t p = w->collect.partition;
	if (!w->nfiles && next == x->manifest.partitions[p].next)
		return ST_OK;
	for (uint32_t i = 0; i < w->nfiles; i++)
		manifest_plan(&x->manifest, &w->files[i]);
	if (manifest_commit(&x->manifest, p, next, commit_step, x, e))
		return ST_ERR;
	for (uint32_t i = 0; i < w->nfiles; i++) {
		x->counts->rows += w->files[i].rows;
		x->counts->bytes += w->files[i].bytes;
		x->counts->files++;
	}
	return ST_OK;
}

/* Writes the rows collected, and notes that everything before next is done. A batch that could
 * not be decided stays in the manifest as pending: nothing else may be decided then. */
static enum status batch_end(struct worker *w, int64_t next, struct error *e)
{
	struct export *x = w->x;
	struct table_out out = {
	        .dir = x->dir, .partition = w->collect.partition, .arg = w, .file = file_note};
	w->nfiles = 0;
	arena_reset(&w->arena);
	if (collect_write(&w->collect, &out, e))
		return ST_ERR;
	lock(x);
	enum status st = x->failed ? error_set(e, ERR_ABORT, 0, "another partition failed")
	                           : files_commit(w, next, e);
	x->failed |= st != ST_OK;
	x->counts->nulled += w->collect.nulled;
	x->counts->superseded += w->collect.superseded;
	x->counts->tombstones += w->collect.tombstones;
	w->collect.superseded = w->collect.tombstones = w->collect.nulled = 0;
	unlock(x);
	return st;
}

static enum status records_add(
        struct worker *w, const struct log_record *records, uint32_t n, struct error *e)
{
	while (n > 0) {
		uint32_t taken;
		if (collect_add(&w->collect, records, n, &taken, e))
			return ST_ERR;
		records += taken;
		n -= taken;
		if (n > 0 && batch_end(w, records[0].offset, e))
			return ST_ERR;
	}
	return ST_OK;
}

static int64_t stall_ms(const struct export *x)
{
	return x->conf->again ? EXPORT_AGAIN_STALL_MS : LOG_SILENT_MS_MAX;
}

static enum status stalled(
        const struct export *x, int32_t partition, int64_t at, struct error *e)
{
	if (e->class == ERR_RETRIABLE) /* the last poll's */
		return ST_ERR;
	return error_set(e, ERR_RETRIABLE, 0,
	        "%s[%" PRId32 "] gives nothing from offset %" PRId64 " on, its end is %" PRId64
	        ": a transaction is open for longer than %d s, or the broker hangs",
	        x->topic, partition, at, x->ends[partition], (int)(stall_ms(x) / 1000));
}

/* What failed is left to the next run, and keeps nothing else from being done in this one. */
static bool comes_again(const struct export *x, const struct error *e)
{
	return x->conf->again && e->class == ERR_RETRIABLE;
}

static bool stops(const struct export *x)
{
	return x->conf->stop && x->conf->stop(x->conf->arg);
}

/* Records before the partition's end, into records; *n is 0 at the end, and when it is to stop.
 */
static enum status next_records(struct worker *w, struct log_reader *r,
        struct log_record *records, uint32_t *n, struct error *e)
{
	const struct export *x = w->x;
	const struct log_ops *log = x->conf->log;
	int64_t end = x->ends[w->collect.partition], since = clock_mono_ns(x->conf->clock);
	for (;;) {
		int64_t before = log->reader_position(r);
		*n = 0;
		if (before >= end || stops(x))
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
		if (now - since > INT64_C(1000000) * stall_ms(x))
			return stalled(x, w->collect.partition, before, e);
	}
}

static void progress(struct export *x, int64_t done)
{
	lock(x);
	x->counts->done += done;
	if (x->conf->progress)
		x->conf->progress(x->conf->arg, x->counts);
	unlock(x);
}

/* A run that comes again writes what it read before the silence: while that lasts, no run would
 * get further. */
static enum status silence_end(struct worker *w, int64_t next, struct error *e)
{
	struct error writing = {0};
	if (!comes_again(w->x, e) || batch_end(w, next, &writing) == ST_OK)
		return ST_ERR;
	*e = writing;
	return ST_ERR;
}

static enum status partition_read(
        struct worker *w, struct log_reader *r, int64_t from, struct error *e)
{
	struct log_record records[BATCH_ROWS_MAX];
	int64_t end = w->x->ends[w->collect.partition], last = from;
	for (uint32_t n;;) {
		if (next_records(w, r, records, &n, e))
			return silence_end(w, last, e);
		if (stops(w->x)) /* what was polled now is read again */
			return batch_end(w, last, e);
		if (n == 0 && batch_end(w, end, e))
			return ST_ERR;
		if (n > 0 && records_add(w, records, n, e))
			return ST_ERR;
		int64_t now = n ? records[n - 1].offset + 1 : end;
		progress(w->x, now - last);
		last = now;
		if (n == 0)
			return ST_OK;
	}
}

static enum status partition_export(struct worker *w, int32_t p, struct error *e)
{
	struct export *x = w->x;
	const struct log_ops *log = x->conf->log;
	struct log_reader *r;
	int64_t from = x->manifest.partitions[p].next;
	if (from < x->begins[p])
		from = x->begins[p];
	if (from >= x->ends[p])
		return ST_OK;
	w->collect.partition = p;
	if (log->reader_open(
	            x->conf->broker, x->topic, p, from, w->conf.memory_bytes / 8, &r, e))
		return ST_ERR;
	enum status st = partition_read(w, r, from, e);
	log->reader_close(r);
	return st;
}

// ---- workers ----

static enum status worker_by_id(
        void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	struct worker *w = arg;
	const struct schema_source *s = w->x->conf->schemas;
	lock(w->x);
	enum status st = s->by_id(s->arg, id, out, e);
	unlock(w->x);
	return st;
}

static enum status worker_by_fingerprint(
        void *arg, uint64_t fp, const struct schema **out, struct error *e)
{
	struct worker *w = arg;
	const struct schema_source *s = w->x->conf->schemas;
	lock(w->x);
	enum status st = s->by_fingerprint(s->arg, fp, out, e);
	unlock(w->x);
	return st;
}

static enum status worker_open(struct worker *w, struct error *e)
{
	char spill[FILES_PATH_MAX];
	uint64_t memory = w->conf.memory_bytes / 8 * 3;
	if (memory < DUCK_BYTES_MIN)
		memory = DUCK_BYTES_MIN;
	if (files_path(spill, e, "%s/_spill%u", w->x->dir, w->number) ||
	        duck_open(&w->duck, memory, 1, spill, e))
		return ST_ERR;
	return table_register(&w->collect.table, &w->duck, e);
}

static enum status worker_work(struct worker *w, struct error *e)
{
	struct export *x = w->x;
	struct error here;
	enum status st = ST_OK;
	for (;;) {
		lock(x);
		int32_t p = x->failed || stops(x) ? x->counts->partitions : x->next++;
		unlock(x);
		if (p >= x->counts->partitions)
			return st;
		if (partition_export(w, p, &here) == ST_OK)
			continue;
		st = ST_ERR;
		*e = here;
		if (!comes_again(x, e))
			return ST_ERR;
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct export *x = w->x;
	w->status = worker_open(w, &w->e) ? ST_ERR : worker_work(w, &w->e);
	lock(x);
	x->failed |= w->status != ST_OK && !comes_again(x, &w->e);
	unlock(x);
	return NULL;
}

static void worker_init(struct worker *w, struct export *x, uint32_t number)
{
	const struct export_conf *c = x->conf;
	*w = (struct worker){.x = x, .number = number, .conf = *c};
	arena_init(&w->arena);
	w->schemas = (struct schema_source){w, c->schemas->by_id ? worker_by_id : NULL,
	        c->schemas->by_fingerprint ? worker_by_fingerprint : NULL};
	w->conf.schemas = &w->schemas;
	w->conf.memory_bytes = c->memory_bytes / x->nworkers;
	w->collect = (struct collect){.conf = &w->conf,
	        .duck = &w->duck,
	        .topic = x->topic,
	        .rows_max = c->batch_rows ? c->batch_rows : EXPORT_BATCH_ROWS_MAX,
	        .bytes_max = w->conf.memory_bytes / 4};
	arena_init(&w->collect.arena);
}

static void worker_release(struct worker *w)
{
	collect_release(&w->collect);
	duck_close(&w->duck);
	arena_release(&w->arena);
	free(w->files);
}

/* The first error that says more than that there was another. */
static enum status error_pick(const struct worker *w, uint32_t n, struct error *e)
{
	enum status st = ST_OK;
	for (uint32_t i = 0; i < n; i++) {
		if (w[i].status == ST_OK || (st && w[i].e.class == ERR_ABORT))
			continue;
		*e = w[i].e;
		st = ST_ERR;
		if (e->class != ERR_ABORT)
			return st;
	}
	return st;
}

/* As many as there are partitions with something new, cores, and memory for. */
static uint32_t workers_count(const struct export *x)
{
	long n = x->conf->threads ? (long)x->conf->threads : sysconf(_SC_NPROCESSORS_ONLN);
	long busy = 0, memory = (long)(x->conf->memory_bytes / WORKER_BYTES);
	for (int32_t p = 0; p < x->counts->partitions; p++)
		busy += x->ends[p] > x->begins[p] &&
		        x->ends[p] > x->manifest.partitions[p].next;
	n = n > THREADS_MAX ? THREADS_MAX : n;
	n = n > busy ? busy : n;
	n = n > memory ? memory : n;
	return n < 1 ? 1 : (uint32_t)n;
}

static enum status partitions_export(struct export *x, struct error *e)
{
	x->nworkers = workers_count(x);
	struct worker *w = xcalloc(x->nworkers, sizeof *w);
	for (uint32_t i = 0; i < x->nworkers; i++)
		worker_init(&w[i], x, i);
	for (uint32_t i = 1; i < x->nworkers; i++)
		w[i].runs = pthread_create(&w[i].thread, NULL, worker_run, &w[i]) == 0;
	worker_run(&w[0]); /* those without a thread leave their share to the others */
	for (uint32_t i = 1; i < x->nworkers; i++)
		if (w[i].runs)
			pthread_join(w[i].thread, NULL);
	enum status st = error_pick(w, x->nworkers, e);
	for (uint32_t i = 0; i < x->nworkers; i++)
		worker_release(&w[i]);
	free(w);
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
		return error_set(e, c->again ? ERR_RETRIABLE : ERR_USER, 0,
		        "there is no topic %s%s", x->topic, c->again ? " yet" : "");
	return ST_OK;
}

static enum status folder_lock(struct export *x, struct error *e)
{
	x->lock = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->lock < 0)
		return files_error(e, "opening", x->dir);
	if (flock(x->lock, x->conf->wait ? LOCK_EX : LOCK_EX | LOCK_NB) == 0)
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
	if (manifest_load(m, e) || manifest_check(x, id, e) || compact_recover(m, e) ||
	        manifest_recover(m, e))
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

static enum status run(struct export *x, struct error *e)
{
	struct log_topic_info info;
	if (topic_find(x, &info, e) || folder_open(x, &info, e) ||
	        bounds_take(x, info.partitions, e))
		return ST_ERR;
	return x->counts->total ? partitions_export(x, e) : ST_OK;
}

static struct export *new (const struct export_conf *conf)
{
	struct export *x = xcalloc(1, sizeof *x);
	x->conf = conf;
	x->lock = -1;
	pthread_mutex_init(&x->mutex, NULL);
	manifest_init(&x->manifest, x->dir);
	return x;
}

static void release(struct export *x)
{
	manifest_release(&x->manifest);
	pthread_mutex_destroy(&x->mutex);
	if (x->lock >= 0)
		close(x->lock);
	free(x->begins);
	free(x->ends);
	free(x);
}

enum status export_run(
        const struct export_conf *conf, struct export_counts *counts, struct error *e)
{
	struct export *x = new (conf);
	struct error here = {0};
	*counts = (struct export_counts){0};
	x->counts = counts;
	enum status st = run(x, e ? e : &here);
	release(x);
	return st;
}

// ---- compaction ----

static void compact_step(void *arg)
{
	struct export *x = arg;
	if (x->conf->step)
		x->conf->step(x->conf->arg, EXPORT_COMPACT);
}

static enum status compact(struct export *x, struct export_compacted *out, struct error *e)
{
	const struct export_conf *c = x->conf;
	char spill[FILES_PATH_MAX];
	struct duck d;
	long threads = c->threads ? (long)c->threads : sysconf(_SC_NPROCESSORS_ONLN);
	if (files_path(x->dir, e, "%s/%s/v%" PRIu32, c->dir, c->view, c->version) ||
	        folder_lock(x, e) || manifest_load(&x->manifest, e))
		return ST_ERR;
	if (!x->manifest.loaded)
		return error_set(
		        e, ERR_USER, 0, "%s is no export: it has no " MANIFEST_NAME, x->dir);
	if (compact_recover(&x->manifest, e) || manifest_recover(&x->manifest, e) ||
	        files_path(spill, e, "%s/_spill", x->dir) ||
	        duck_open(&d, c->memory_bytes / 8 * 5, threads < 1 ? 1 : (uint32_t)threads,
	                spill, e))
		return ST_ERR;
	enum status st = duck_run(&d, "SET TimeZone = 'UTC'", "opening DuckDB", e);
	if (st == ST_OK)
		st = compact_days(&x->manifest, &d, out, compact_step, x, e);
	duck_close(&d);
	return st;
}

enum status export_compact(
        const struct export_conf *conf, struct export_compacted *out, struct error *e)
{
	struct export *x = new (conf);
	*out = (struct export_compacted){0};
	enum status st = compact(x, out, e);
	release(x);
	return st;
}
