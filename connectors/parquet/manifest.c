// SPDX-License-Identifier: Apache-2.0
//
// The manifest and the protocol of its header. Not here: the lock that keeps a second export
// out (export.c), writing the files.
#include "connectors/parquet/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "connectors/parquet/files.h"

void manifest_init(struct manifest *m, const char *dir)
{
	*m = (struct manifest){.dir = dir, .pending_partition = -1};
	arena_init(&m->arena);
}

void manifest_release(struct manifest *m)
{
	for (int32_t p = 0; p < m->npartitions; p++)
		free(m->partitions[p].files);
	free(m->partitions);
	free(m->pending);
	free(m->merges);
	arena_release(&m->arena);
}

void manifest_partitions_set(struct manifest *m, int32_t n)
{
	if (n <= m->npartitions)
		return;
	m->partitions = xrealloc(m->partitions, (size_t)n * sizeof *m->partitions);
	memset(m->partitions + m->npartitions, 0,
	        (size_t)(n - m->npartitions) * sizeof *m->partitions);
	m->npartitions = n;
}

static void file_add(
        struct manifest_file **files, uint32_t *n, uint32_t *cap, const struct manifest_file *f)
{
	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 16;
		*files = xrealloc(*files, *cap * sizeof **files);
	}
	(*files)[(*n)++] = *f;
}

void manifest_plan(struct manifest *m, const struct manifest_file *f)
{
	struct manifest_file copy = *f;
	copy.path = arena_strdup(&m->arena, f->path);
	file_add(&m->pending, &m->npending, &m->cap_pending, &copy);
}

// ---- compaction ----

void manifest_merge(struct manifest *m, const struct manifest_merge *x)
{
	if (m->nmerges == m->cap_merges) {
		m->cap_merges = m->cap_merges ? 2 * m->cap_merges : 16;
		m->merges = xrealloc(m->merges, m->cap_merges * sizeof *m->merges);
	}
	m->merges[m->nmerges] = *x;
	m->merges[m->nmerges++].file.path = arena_strdup(&m->arena, x->file.path);
}

static bool same_day(const char *a, const char *b)
{
	size_t n = (size_t)(strchr(a, '/') - a) + 1;
	return strncmp(a, b, n) == 0;
}

void manifest_merges_apply(struct manifest *m)
{
	for (uint32_t i = 0; i < m->nmerges; i++) {
		const struct manifest_file *f = &m->merges[i].file;
		struct manifest_partition *p = &m->partitions[m->merges[i].partition];
		uint32_t n = 0;
		for (uint32_t k = 0; k < p->nfiles; k++)
			if (!same_day(p->files[k].path, f->path))
				p->files[n++] = p->files[k];
		p->nfiles = n;
		file_add(&p->files, &p->nfiles, &p->cap, f);
	}
	m->nmerges = 0;
}

// ---- the protocol ----

enum status manifest_temp(const char *dir, const char *path, char *out, struct error *e)
{
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path + 1) : 0;
	return files_path(out, e, "%s/%.*s.%s.tmp", dir, n, path, path + n);
}

static enum status full_path(
        const struct manifest *m, const char *path, char *out, struct error *e)
{
	return files_path(out, e, "%s/%s", m->dir, path);
}

static enum status rename_pending(
        struct manifest *m, void (*step)(void *, int), void *arg, struct error *e)
{
	char temp[FILES_PATH_MAX], path[FILES_PATH_MAX];
	for (uint32_t i = 0; i < m->npending; i++) {
		const char *name = m->pending[i].path;
		if (manifest_temp(m->dir, name, temp, e) || full_path(m, name, path, e))
			return ST_ERR;
		/* Not there: an earlier start has renamed it (pending_whole has looked). */
		if (rename(temp, path) != 0 && errno != ENOENT)
			return files_error(e, "renaming", temp);
		if (step)
			step(arg, 3);
	}
	return files_sync_all(m->dir, e);
}

static enum status pending_finish(struct manifest *m, struct error *e)
{
	struct manifest_partition *p = &m->partitions[m->pending_partition];
	for (uint32_t i = 0; i < m->npending; i++)
		file_add(&p->files, &p->nfiles, &p->cap, &m->pending[i]);
	p->next = m->pending_next;
	m->pending_partition = -1;
	m->npending = 0;
	return manifest_save(m, e);
}

enum status manifest_commit(struct manifest *m, int32_t partition, int64_t next,
        void (*step)(void *arg, int number), void *arg, struct error *e)
{
	m->pending_partition = partition;
	m->pending_next = next;
	if (m->npending) {
		if (files_sync_all(m->dir, e) || manifest_save(m, e))
			return ST_ERR;
		if (step)
			step(arg, 2);
		if (rename_pending(m, step, arg, e))
			return ST_ERR;
	}
	if (pending_finish(m, e))
		return ST_ERR;
	if (step)
		step(arg, 4);
	return ST_OK;
}

// ---- at a start ----

static bool is_file(const char *path, uint64_t bytes)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes;
}

/* Every file of the pending batch is there, under one name or the other. */
static enum status pending_whole(struct manifest *m, bool *whole, struct error *e)
{
	char temp[FILES_PATH_MAX], path[FILES_PATH_MAX];
	*whole = true;
	for (uint32_t i = 0; i < m->npending; i++) {
		const struct manifest_file *f = &m->pending[i];
		if (manifest_temp(m->dir, f->path, temp, e) || full_path(m, f->path, path, e))
			return ST_ERR;
		*whole &= is_file(temp, f->bytes) || is_file(path, f->bytes);
	}
	return ST_OK;
}

/* Somebody deleted a temporary file: the batch's offsets are read again. */
static enum status pending_give_up(struct manifest *m, struct error *e)
{
	char path[FILES_PATH_MAX];
	LOG_WARN("export", "%s: a file of the last batch is gone: it is written again", m->dir);
	for (uint32_t i = 0; i < m->npending; i++) {
		if (full_path(m, m->pending[i].path, path, e))
			return ST_ERR;
		if (unlink(path) != 0 && errno != ENOENT)
			return files_error(e, "deleting", path);
	}
	m->pending_partition = -1;
	m->npending = 0;
	return manifest_save(m, e);
}

static bool is_temp(const char *name)
{
	size_t n = strlen(name);
	return strncmp(name, ".part-", 6) == 0 && n > 12 &&
	       strcmp(name + n - 12, ".parquet.tmp") == 0;
}

static bool is_part(const char *name)
{
	size_t n = strlen(name);
	return strncmp(name, "part-", 5) == 0 && n > 8 && strcmp(name + n - 8, ".parquet") == 0;
}

/* Deletes temporary files; *parts counts those with their names. */
static enum status clean_day(const char *dir, uint64_t *parts, struct error *e)
{
	char path[FILES_PATH_MAX];
	DIR *d = opendir(dir);
	if (!d)
		return files_error(e, "reading the folder", dir);
	enum status st = ST_OK;
	for (const struct dirent *f; st == ST_OK && (f = readdir(d));) {
		*parts += is_part(f->d_name);
		if (!is_temp(f->d_name))
			continue;
		st = files_path(path, e, "%s/%s", dir, f->d_name);
		if (st == ST_OK && unlink(path) != 0 && errno != ENOENT)
			st = files_error(e, "deleting", path);
	}
	closedir(d);
	rmdir(dir); /* only when nothing is left in it */
	return st;
}

/* What DuckDB spilled there before it was killed. */
static void clean_spill(const char *dir)
{
	char path[FILES_PATH_MAX];
	struct error ignored;
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (const struct dirent *f; (f = readdir(d));)
		if (f->d_name[0] != '.' &&
		        files_path(path, &ignored, "%s/%s", dir, f->d_name) == ST_OK)
			unlink(path);
	closedir(d);
	rmdir(dir);
}

static enum status clean(struct manifest *m, uint64_t *parts, struct error *e)
{
	char path[FILES_PATH_MAX];
	DIR *d = opendir(m->dir);
	if (!d)
		return files_error(e, "reading the folder", m->dir);
	enum status st = ST_OK;
	for (const struct dirent *f; st == ST_OK && (f = readdir(d));) {
		st = files_path(path, e, "%s/%s", m->dir, f->d_name);
		if (st)
			break;
		if (strcmp(f->d_name, MANIFEST_NAME ".tmp") == 0)
			unlink(path);
		else if (strncmp(f->d_name, "_spill", 6) == 0)
			clean_spill(path);
		else if (strncmp(f->d_name, "dt=", 3) == 0)
			st = clean_day(path, parts, e);
	}
	closedir(d);
	return st;
}

enum status manifest_recover(struct manifest *m, struct error *e)
{
	uint64_t parts = 0;
	if (m->pending_partition >= 0) {
		bool whole;
		if (pending_whole(m, &whole, e))
			return ST_ERR;
		enum status st =
		        whole ? rename_pending(m, NULL, NULL, e) : pending_give_up(m, e);
		if (st == ST_OK && whole)
			st = pending_finish(m, e);
		if (st)
			return ST_ERR;
	}
	if (clean(m, &parts, e))
		return ST_ERR;
	if (!m->loaded && parts)
		return error_set(e, ERR_USER, 0,
		        "%s has %llu part files but no %s: their offsets would be exported "
		        "twice. "
		        "Take another folder, or delete them",
		        m->dir, (unsigned long long)parts, MANIFEST_NAME);
	return ST_OK;
}
