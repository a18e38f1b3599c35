// SPDX-License-Identifier: Apache-2.0
//
// The manifest as JSON, a line per file so that people can read it and diff it.
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "connectors/parquet/files.h"
#include "connectors/parquet/manifest.h"

static void files_write(struct buf *b, const struct manifest_file *f, uint32_t n)
{
	buf_byte(b, '[');
	for (uint32_t i = 0; i < n; i++) {
		buf_str(b, i ? ",\n  {\"path\":" : "\n  {\"path\":");
		buf_json(b, slice_of(f[i].path));
		buf_printf(b, ",\"first\":%lld,\"last\":%lld,\"rows\":%llu,\"bytes\":%llu}",
		        (long long)f[i].first, (long long)f[i].last,
		        (unsigned long long)f[i].rows, (unsigned long long)f[i].bytes);
	}
	buf_byte(b, ']');
}

static void about_write(struct buf *b, const struct manifest_about *a)
{
	if (!a->known)
		return;
	if (a->ttl_ms)
		buf_printf(b, ",\"ttl_ms\":%lld", (long long)a->ttl_ms);
	else
		buf_str(b, ",\"ttl_ms\":null");
	if (a->source) {
		buf_str(b, ",\"source_topic\":");
		buf_json(b, slice_of(a->source));
	}
}

static void merges_write(struct buf *b, const struct manifest *m)
{
	if (!m->nmerges)
		return;
	buf_str(b, "\"compacting\":[");
	for (uint32_t i = 0; i < m->nmerges; i++) {
		buf_printf(b, "%s{\"partition\":%d,\"files\":", i ? "," : "",
		        (int)m->merges[i].partition);
		files_write(b, &m->merges[i].file, 1);
		buf_byte(b, '}');
	}
	buf_str(b, "],\n");
}

static void write_json(const struct manifest *m, struct buf *b)
{
	buf_printf(b, "{\"format\":%d,\"view\":", MANIFEST_FORMAT);
	buf_json(b, slice_of(m->view));
	buf_printf(b, ",\"version\":%u,\"topic\":", m->version);
	buf_json(b, slice_of(m->topic));
	buf_printf(b, ",\"topic_id\":\"%s\"", m->topic_id);
	about_write(b, &m->about);
	buf_str(b, ",\n\"partitions\":[");
	for (int32_t p = 0; p < m->npartitions; p++) {
		const struct manifest_partition *at = &m->partitions[p];
		buf_printf(b, "%s\n {\"partition\":%d,\"next\":%lld,\"files\":", p ? "," : "",
		        (int)p, (long long)at->next);
		files_write(b, at->files, at->nfiles);
		buf_byte(b, '}');
	}
	buf_str(b, "],\n");
	merges_write(b, m);
	buf_str(b, "\"pending\":");
	if (m->pending_partition < 0) {
		buf_str(b, "null}\n");
		return;
	}
	buf_printf(b, "{\"partition\":%d,\"next\":%lld,\"files\":", (int)m->pending_partition,
	        (long long)m->pending_next);
	files_write(b, m->pending, m->npending);
	buf_str(b, "}}\n");
}

enum status manifest_save(struct manifest *m, struct error *e)
{
	struct buf b = {0};
	write_json(m, &b);
	enum status st = files_replace(m->dir, MANIFEST_NAME, buf_view(&b), e);
	buf_release(&b);
	return st;
}

// ---- reading ----

static bool number(const json_t *o, const char *key, int64_t *out)
{
	const json_t *v = json_object_get(o, key);
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0;
}

/* A path that could lead out of the folder is none of ours. */
static bool is_own_path(const char *path)
{
	const char *slash = path ? strchr(path, '/') : NULL;
	return slash && strncmp(path, "dt=", 3) == 0 && !strchr(slash + 1, '/') &&
	       strncmp(slash + 1, "part-", 5) == 0;
}

static bool file_read(const json_t *o, struct manifest *m, struct manifest_file *f)
{
	int64_t rows, bytes;
	const char *path = json_string_value(json_object_get(o, "path"));
	if (!is_own_path(path) || !number(o, "first", &f->first) ||
	        !number(o, "last", &f->last) || !number(o, "rows", &rows) ||
	        !number(o, "bytes", &bytes))
		return false;
	f->path = arena_strdup(&m->arena, path);
	f->rows = (uint64_t)rows;
	f->bytes = (uint64_t)bytes;
	return true;
}

static bool files_read(const json_t *list, struct manifest *m, struct manifest_file **out,
        uint32_t *n, uint32_t *cap)
{
	if (!json_is_array(list) || json_array_size(list) > UINT32_MAX / 2)
		return false;
	*cap = (uint32_t)json_array_size(list) + 1;
	*out = xcalloc(*cap, sizeof **out);
	for (*n = 0; *n + 1 < *cap; ++*n)
		if (!file_read(json_array_get(list, *n), m, &(*out)[*n]))
			return false;
	return true;
}

static bool partitions_read(const json_t *list, struct manifest *m)
{
	if (!json_is_array(list) || json_array_size(list) > INT32_MAX / 2)
		return false;
	manifest_partitions_set(m, (int32_t)json_array_size(list));
	for (int32_t p = 0; p < m->npartitions; p++) {
		const json_t *o = json_array_get(list, (size_t)p);
		struct manifest_partition *at = &m->partitions[p];
		int64_t partition;
		if (!number(o, "partition", &partition) || partition != p ||
		        !number(o, "next", &at->next) ||
		        !files_read(json_object_get(o, "files"), m, &at->files, &at->nfiles,
		                &at->cap))
			return false;
	}
	return true;
}

static bool pending_read(const json_t *o, struct manifest *m)
{
	int64_t partition;
	if (!o || json_is_null(o))
		return true;
	if (!number(o, "partition", &partition) || partition >= m->npartitions ||
	        !number(o, "next", &m->pending_next) ||
	        !files_read(json_object_get(o, "files"), m, &m->pending, &m->npending,
	                &m->cap_pending))
		return false;
	m->pending_partition = (int32_t)partition;
	return true;
}

/* Manifests of before they said so have none of it. */
static bool about_read(const json_t *o, struct manifest *m)
{
	const json_t *ttl = json_object_get(o, "ttl_ms");
	const char *source = json_string_value(json_object_get(o, "source_topic"));
	if (!ttl)
		return true;
	m->about.known = true;
	m->about.source = source ? arena_strdup(&m->arena, source) : NULL;
	return json_is_null(ttl) || number(o, "ttl_ms", &m->about.ttl_ms);
}

static bool merges_read(const json_t *list, struct manifest *m)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		struct manifest_merge x;
		int64_t partition;
		if (!number(o, "partition", &partition) || partition >= m->npartitions ||
		        !file_read(json_array_get(json_object_get(o, "files"), 0), m, &x.file))
			return false;
		x.partition = (int32_t)partition;
		manifest_merge(m, &x);
	}
	return true;
}

static bool head_read(const json_t *o, struct manifest *m)
{
	int64_t version;
	const char *view = json_string_value(json_object_get(o, "view")),
	           *topic = json_string_value(json_object_get(o, "topic")),
	           *id = json_string_value(json_object_get(o, "topic_id"));
	if (!view || !topic || !id || strlen(id) != 32 || !number(o, "version", &version) ||
	        version > UINT32_MAX)
		return false;
	m->view = arena_strdup(&m->arena, view);
	m->topic = arena_strdup(&m->arena, topic);
	m->version = (uint32_t)version;
	strcpy(m->topic_id, id);
	return true;
}

static enum status read_json(
        struct manifest *m, const json_t *o, const char *path, struct error *e)
{
	json_int_t format = json_integer_value(json_object_get(o, "format"));
	if (format > MANIFEST_FORMAT)
		return error_set(e, ERR_USER, 0,
		        "%s has format %lld, which a newer weir wrote; this one knows %d", path,
		        (long long)format, MANIFEST_FORMAT);
	if (format < 1 || !head_read(o, m) || !about_read(o, m) ||
	        !partitions_read(json_object_get(o, "partitions"), m) ||
	        !pending_read(json_object_get(o, "pending"), m) ||
	        !merges_read(json_object_get(o, "compacting"), m))
		return error_set(e, ERR_USER, 0, "%s is not an export's manifest", path);
	m->loaded = true;
	return ST_OK;
}

enum status manifest_load(struct manifest *m, struct error *e)
{
	char path[FILES_PATH_MAX];
	json_error_t why;
	if (files_path(path, e, "%s/%s", m->dir, MANIFEST_NAME))
		return ST_ERR;
	FILE *f = fopen(path, "re");
	if (!f && errno == ENOENT)
		return ST_OK;
	if (!f)
		return files_error(e, "reading", path);
	json_t *o = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
	fclose(f);
	if (!o)
		return error_set(e, ERR_USER, 0, "%s is not an export's manifest: line %d: %s",
		        path, why.line, why.text);
	enum status st = read_json(m, o, path, e);
	json_decref(o);
	return st;
}
