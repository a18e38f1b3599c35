// SPDX-License-Identifier: Apache-2.0
//
// Days with many small files become days with few. DuckDB merges and sorts (spilling if need
// be); types stay as they are, which takes a cast for times: DuckDB reads UTC milliseconds as
// microseconds. Not here: when to compact, and the lock (export.c).
#include "connectors/parquet/compact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "connectors/parquet/compact_merge.h"
#include "connectors/parquet/files.h"

#define DAY_NAME 64 /* "dt=2013-01-01" */

/* DIR/VIEW/.vN.compact for DIR/VIEW/vN. */
static enum status staging(
        const struct manifest *m, const char *below, char *out, struct error *e)
{
	const char *slash = strrchr(m->dir, '/');
	int n = slash ? (int)(slash - m->dir + 1) : 0;
	return files_path(
	        out, e, "%.*s.%s.compact%s%s", n, m->dir, m->dir + n, *below ? "/" : "", below);
}

// ---- folders ----

static enum status folder_delete(const char *dir, int depth, struct error *e)
{
	char path[FILES_PATH_MAX];
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? ST_OK : files_error(e, "reading the folder", dir);
	enum status st = ST_OK;
	for (const struct dirent *f; st == ST_OK && (f = readdir(d));) {
		if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, ".."))
			continue;
		st = files_path(path, e, "%s/%s", dir, f->d_name);
		if (st == ST_OK && unlink(path) != 0) {
			if (depth > 0 && (errno == EISDIR || errno == EPERM))
				st = folder_delete(path, depth - 1, e);
			else
				st = files_error(e, "deleting", path);
		}
	}
	closedir(d);
	if (st == ST_OK && rmdir(dir) != 0)
		st = files_error(e, "deleting", dir);
	return st;
}

static enum status staging_delete(const struct manifest *m, struct error *e)
{
	char dir[FILES_PATH_MAX];
	return staging(m, "", dir, e) ? ST_ERR : folder_delete(dir, 2, e);
}

static bool is_there(const char *dir, const struct manifest_file *f)
{
	char path[FILES_PATH_MAX];
	struct error ignored;
	struct stat st;
	return files_path(path, &ignored, "%s/%s", dir, f->path) == ST_OK &&
	       stat(path, &st) == 0 && (uint64_t)st.st_size == f->bytes;
}

/* Of a merged file's day; nothing is done when it has been. */
static enum status day_exchange(
        const struct manifest *m, const struct manifest_file *f, struct error *e)
{
	char from[FILES_PATH_MAX], to[FILES_PATH_MAX], day[DAY_NAME];
	snprintf(day, sizeof day, "%.*s", (int)(strchr(f->path, '/') - f->path), f->path);
	if (is_there(m->dir, f))
		return ST_OK;
	if (staging(m, day, from, e) || files_path(to, e, "%s/%s", m->dir, day))
		return ST_ERR;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0)
		return ST_OK;
	if (errno == EINVAL || errno == ENOSYS)
		return error_set(e, ERR_FATAL, errno,
		        "the file system of %s cannot exchange two folders: it cannot be "
		        "compacted",
		        m->dir);
	return files_error(e, "exchanging", to);
}

/* Steps 3 and 4. */
static enum status finish(struct manifest *m, void (*step)(void *), void *arg, struct error *e)
{
	for (uint32_t i = 0; i < m->nmerges; i++) {
		if (day_exchange(m, &m->merges[i].file, e))
			return ST_ERR;
		if (step)
			step(arg);
	}
	if (files_sync_all(m->dir, e))
		return ST_ERR;
	manifest_merges_apply(m);
	if (manifest_save(m, e))
		return ST_ERR;
	if (step)
		step(arg);
	return staging_delete(m, e);
}

/* A decided compaction is whole: it was synced before. */
enum status compact_recover(struct manifest *m, struct error *e)
{
	char dir[FILES_PATH_MAX];
	if (!m->loaded || !m->nmerges)
		return m->loaded ? staging_delete(m, e) : ST_OK;
	if (staging(m, "", dir, e))
		return ST_ERR;
	for (uint32_t i = 0; i < m->nmerges; i++)
		if (!is_there(m->dir, &m->merges[i].file) && !is_there(dir, &m->merges[i].file))
			return error_set(e, ERR_FATAL, 0,
			        "%s was being compacted, and %s/%s is gone: delete the folder "
			        "and "
			        "export anew",
			        m->dir, dir, m->merges[i].file.path);
	return finish(m, NULL, NULL, e);
}

// ---- what to merge ----

struct entry {
	const char *day; /* path; up to its slash */
	size_t nday;
	int32_t partition;
	const struct manifest_file *file;
};

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strncmp(x->day, y->day, x->nday > y->nday ? x->nday : y->nday);
	if (c)
		return c;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return x->file->first < y->file->first ? -1 : x->file->first > y->file->first;
}

static struct entry *entries(const struct manifest *m, uint32_t *n)
{
	uint32_t total = 0;
	for (int32_t p = 0; p < m->npartitions; p++)
		total += m->partitions[p].nfiles;
	struct entry *list = xcalloc(total + 1, sizeof *list);
	*n = 0;
	for (int32_t p = 0; p < m->npartitions; p++)
		for (uint32_t i = 0; i < m->partitions[p].nfiles; i++) {
			const struct manifest_file *f = &m->partitions[p].files[i];
			list[(*n)++] = (struct entry){
			        f->path, (size_t)(strchr(f->path, '/') - f->path), p, f};
		}
	qsort(list, *n, sizeof *list, entry_cmp);
	return list;
}

static bool same_day(const struct entry *a, const struct entry *b)
{
	return a->nday == b->nday && strncmp(a->day, b->day, a->nday) == 0;
}

/* Files of one day and partition: where the run that begins at i ends. */
static uint32_t run_end(const struct entry *list, uint32_t i, uint32_t n)
{
	uint32_t end = i + 1;
	while (end < n && same_day(&list[i], &list[end]) &&
	        list[end].partition == list[i].partition)
		end++;
	return end;
}

static enum status keep(const struct manifest *m, const struct entry *x, struct error *e)
{
	char from[FILES_PATH_MAX], to[FILES_PATH_MAX];
	if (files_path(from, e, "%s/%s", m->dir, x->file->path) ||
	        staging(m, x->file->path, to, e))
		return ST_ERR;
	return link(from, to) ? files_error(e, "linking", to) : ST_OK;
}

static enum status merge(struct manifest *m, struct duck *d, const struct entry *list,
        uint32_t n, struct error *e)
{
	char path[256], to[FILES_PATH_MAX];
	struct manifest_merge x = {.partition = list[0].partition,
	        .file = {.path = path,
	                .first = list[0].file->first,
	                .last = list[n - 1].file->last}};
	const struct manifest_file **files = xcalloc(n, sizeof *files);
	for (uint32_t i = 0; i < n; i++) {
		files[i] = list[i].file;
		x.file.rows += list[i].file->rows;
	}
	snprintf(path, sizeof path, "%.*s/part-%" PRId32 "-%" PRId64 "-%" PRId64 ".parquet",
	        (int)list[0].nday, list[0].day, x.partition, x.file.first, x.file.last);
	enum status st = staging(m, path, to, e);
	if (st == ST_OK)
		st = compact_merge(d, m->dir, files, n, to, &x.file.bytes, e);
	if (st == ST_OK)
		manifest_merge(m, &x);
	free(files);
	return st;
}

/* One day's new folder: *merged of its files are new, 0: nothing was made. */
static enum status day_stage(struct manifest *m, struct duck *d, const struct entry *list,
        uint32_t n, struct export_compacted *c, struct error *e)
{
	char dir[FILES_PATH_MAX], day[DAY_NAME];
	bool any = false;
	for (uint32_t i = 0; i < n; i = run_end(list, i, n))
		any |= run_end(list, i, n) > i + 1;
	if (!any)
		return ST_OK;
	snprintf(day, sizeof day, "%.*s", (int)list[0].nday, list[0].day);
	if (staging(m, day, dir, e) || files_mkdirs(dir, e))
		return ST_ERR;
	c->days++;
	for (uint32_t i = 0, end; i < n; i = end) {
		end = run_end(list, i, n);
		if (end == i + 1 ? keep(m, &list[i], e) : merge(m, d, &list[i], end - i, e))
			return ST_ERR;
		if (end > i + 1) {
			c->before += end - i;
			c->after++;
		}
	}
	return ST_OK;
}

static enum status decide(struct manifest *m, void (*step)(void *), void *arg, struct error *e)
{
	if (!m->nmerges)
		return ST_OK;
	if (step)
		step(arg);
	if (files_sync_all(m->dir, e) || manifest_save(m, e))
		return ST_ERR;
	if (step)
		step(arg);
	return finish(m, step, arg, e);
}

enum status compact_days(struct manifest *m, struct duck *d, struct export_compacted *c,
        void (*step)(void *), void *arg, struct error *e)
{
	uint32_t n, ndays = 0;
	struct entry *list = entries(m, &n);
	enum status st = staging_delete(m, e);
	for (uint32_t i = 0, end; st == ST_OK && i < n; i = end) {
		uint64_t before = c->days;
		for (end = i + 1; end < n && same_day(&list[i], &list[end]);)
			end++;
		st = day_stage(m, d, &list[i], end - i, c, e);
		ndays += c->days > before;
		if (st == ST_OK && ndays == COMPACT_DAYS_MAX) {
			/* The list points into the manifest, which changes. */
			st = decide(m, step, arg, e);
			free(list);
			list = entries(m, &n);
			end = ndays = 0;
		}
	}
	if (st == ST_OK)
		st = decide(m, step, arg, e);
	free(list);
	return st;
}
