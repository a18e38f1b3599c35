// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a training set as JSON. Files of the export are not listed by name: a later
// compaction gives them others. What counts is which rows there were: per partition all before
// an offset, and how many. Not here: comparing the bytes that came out (train.c).
#include "connectors/parquet/train/record.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connectors/parquet/files.h"

#define CHANGES_MAX 64

// ---- writing ----

static void text_put(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, "\"%s\":", key);
	if (text)
		buf_json(b, slice_of(text));
	else
		buf_str(b, "null");
}

static void partitions_put(struct buf *b, const struct plan_view *v)
{
	buf_str(b, ",\"partitions\":[");
	for (int32_t i = 0; i < v->manifest.npartitions; i++) {
		const struct manifest_partition *at = &v->manifest.partitions[i];
		uint64_t rows = 0;
		for (uint32_t k = 0; k < at->nfiles; k++)
			rows += at->files[k].rows;
		buf_printf(b, "%s{\"partition\":%d,\"next\":%" PRId64 ",\"rows\":%" PRIu64 "}",
		        i ? "," : "", (int)i, at->next, rows);
	}
	buf_byte(b, ']');
}

static void view_put(
        struct buf *b, const struct plan_view *v, const struct train_view_counts *n)
{
	buf_str(b, "{");
	text_put(b, "view", v->name);
	buf_printf(
	        b, ",\"version\":%" PRIu32 ",\"ttl_ms\":%" PRId64 ",", v->version, v->ttl_ms);
	text_put(b, "topic", v->manifest.topic);
	buf_byte(b, ',');
	text_put(b, "topic_id", v->manifest.topic_id);
	buf_str(b, ",\n  \"entity\":{");
	for (uint32_t i = 0; i < v->nentity; i++) {
		buf_str(b, i ? "," : "");
		buf_json(b, slice_of(v->columns[i].name));
		buf_byte(b, ':');
		buf_json(b, slice_of(v->keys[i]));
	}
	buf_str(b, "},\n  \"features\":[");
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		buf_str(b, i ? "," : "");
		buf_json(b, slice_of(v->features[i].name));
	}
	buf_str(b, "]");
	buf_printf(b,
	        ",\n  \"found\":%" PRIu64 ",\"none\":%" PRIu64 ",\"expired\":%" PRIu64
	        ",\"no_entity\":%" PRIu64 ",\"known_after\":%" PRIu64
	        ",\"known_after_ms_max\":%" PRId64 ",\"age_ms_max\":%" PRId64,
	        n->found, n->none, n->expired, n->no_key, n->after, n->after_ms_max,
	        n->age_ms_max);
	buf_str(b, "\n  ");
	partitions_put(b, v);
	buf_byte(b, '}');
}

static void suspects_put(struct buf *b, const struct train_result *r)
{
	static const char *const names[] = {[TRAIN_AUC] = "auc",
	        [TRAIN_CORRELATION] = "correlation",
	        [TRAIN_IS_LABEL] = "equal",
	        [TRAIN_NAMED] = "named"};
	buf_printf(b, ",\n\"judged_rows\":%" PRIu64 ",\"suspects\":[", r->judged_rows);
	for (uint32_t i = 0; i < r->nsuspects; i++) {
		buf_str(b, i ? ",\n {" : "\n {");
		text_put(b, "column", r->suspects[i].column);
		buf_printf(b, ",\"test\":\"%s\",\"value\":", names[r->suspects[i].what]);
		buf_num(b, r->suspects[i].value);
		buf_byte(b, '}');
	}
	buf_byte(b, ']');
}

static void record_put(struct buf *b, const struct plan *p, const struct train_result *r)
{
	const struct train_conf *c = p->conf;
	buf_printf(b, "{\"format\":%d,", TRAIN_FORMAT);
	text_put(b, "weir", c->weir);
	buf_str(b, ",\n\"spine\":{");
	text_put(b, "path", c->spine);
	buf_byte(b, ',');
	text_put(b, "hash", r->spine_hash);
	buf_byte(b, ',');
	text_put(b, "time", p->spine[p->time].name);
	buf_byte(b, ',');
	text_put(b, "label", c->label);
	buf_str(b, "},\n\"out\":{");
	text_put(b, "path", c->out);
	buf_byte(b, ',');
	text_put(b, "hash", r->out_hash);
	buf_printf(b, ",\"rows\":%" PRIu64 ",\"columns\":%" PRIu32 ",\"bytes\":%" PRIu64 "},\n",
	        r->rows, r->columns, r->bytes);
	text_put(b, "data", c->data);
	buf_printf(b, ",\"exclusive\":%s,\"known_at\":%s,\n\"views\":[",
	        c->exclusive ? "true" : "false", c->known ? "true" : "false");
	for (uint32_t i = 0; i < p->nviews; i++) {
		buf_str(b, i ? ",\n " : "\n ");
		view_put(b, &p->views[i], &r->views[i]);
	}
	buf_byte(b, ']');
	suspects_put(b, r);
	buf_str(b, "}\n");
}

enum status record_write(const struct plan *p, const struct train_result *r, struct error *e)
{
	char dir[FILES_PATH_MAX], name[FILES_PATH_MAX];
	const char *out = p->conf->out, *slash = strrchr(out, '/');
	struct buf b = {0};
	if (files_path(dir, e, "%.*s", slash ? (int)(slash - out + 1) : 1, slash ? out : ".") ||
	        files_path(name, e, "%s" TRAIN_MANIFEST, slash ? slash + 1 : out))
		return ST_ERR;
	record_put(&b, p, r);
	enum status st = files_replace(dir, name, buf_view(&b), e);
	buf_release(&b);
	return st;
}

// ---- reading ----

static const char *text_get(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* One view's part as the options that ask for it. */
static bool view_get(const json_t *v, struct arena *a, struct train_conf *c)
{
	const char *name = text_get(v, "view"), *key, **features = (const char **)c->features,
	           **entities = (const char **)c->entities, **ttls = (const char **)c->ttls;
	json_int_t version = json_integer_value(json_object_get(v, "version")),
	           ttl = json_integer_value(json_object_get(v, "ttl_ms"));
	const json_t *list = json_object_get(v, "features");
	json_t *value;
	if (!name || version < 1 || !json_is_array(list) ||
	        !json_is_array(json_object_get(v, "partitions")))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *f = json_string_value(json_array_get(list, i));
		if (!f || c->nfeatures == TRAIN_COLUMNS_MAX)
			return false;
		features[c->nfeatures++] =
		        arena_printf(a, "%s.v%lld:%s", name, (long long)version, f);
	}
	json_object_foreach(json_object_get(v, "entity"), key, value)
	{
		if (!json_is_string(value) || c->nentities == TRAIN_VIEWS_MAX * PLAN_ENTITY_MAX)
			return false;
		entities[c->nentities++] =
		        arena_printf(a, "%s:%s=%s", name, key, json_string_value(value));
	}
	if (ttl > 0)
		ttls[c->nttls++] = arena_printf(a, "%s=%lldms", name, (long long)ttl);
	else
		ttls[c->nttls++] = arena_printf(a, "%s=none", name);
	return true;
}

static bool conf_get(const json_t *o, struct arena *a, struct record *r)
{
	const json_t *spine = json_object_get(o, "spine"), *out = json_object_get(o, "out"),
	             *views = json_object_get(o, "views");
	const char *label = text_get(spine, "label"), *time = text_get(spine, "time");
	struct train_conf *c = &r->conf;
	if (!text_get(spine, "path") || !text_get(spine, "hash") || !time ||
	        !text_get(out, "path") || !text_get(out, "hash") || !text_get(o, "data") ||
	        !json_is_array(views) || json_array_size(views) > TRAIN_VIEWS_MAX)
		return false;
	*c = (struct train_conf){.spine = arena_strdup(a, text_get(spine, "path")),
	        .data = arena_strdup(a, text_get(o, "data")),
	        .out = arena_strdup(a, text_get(out, "path")),
	        .time = arena_strdup(a, time),
	        .label = label ? arena_strdup(a, label) : NULL,
	        .exclusive = json_is_true(json_object_get(o, "exclusive")),
	        .known = json_is_true(json_object_get(o, "known_at")),
	        .explain = -1,
	        .features = arena_calloc(a, TRAIN_COLUMNS_MAX, sizeof(char *)),
	        .entities = arena_calloc(a, TRAIN_VIEWS_MAX * PLAN_ENTITY_MAX, sizeof(char *)),
	        .ttls = arena_calloc(a, TRAIN_VIEWS_MAX, sizeof(char *))};
	r->spine_hash = arena_strdup(a, text_get(spine, "hash"));
	r->out_hash = arena_strdup(a, text_get(out, "hash"));
	r->weir = arena_strdup(a, text_get(o, "weir") ? text_get(o, "weir") : "?");
	for (size_t i = 0; i < json_array_size(views); i++)
		if (!view_get(json_array_get(views, i), a, c))
			return false;
	return true;
}

enum status record_read(const char *path, struct arena *a, struct record *out, struct error *e)
{
	json_error_t why;
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	*out = (struct record){.json = o};
	if (!o)
		return error_set(
		        e, ERR_USER, 0, "%s is no training set's manifest: %s", path, why.text);
	if (json_integer_value(json_object_get(o, "format")) > TRAIN_FORMAT)
		return error_set(e, ERR_USER, 0,
		        "%s was written by a newer weir: its format is %lld, this one knows %d",
		        path, (long long)json_integer_value(json_object_get(o, "format")),
		        TRAIN_FORMAT);
	if (json_integer_value(json_object_get(o, "format")) < 1 || !conf_get(o, a, out))
		return error_set(e, ERR_USER, 0, "%s is no training set's manifest", path);
	return ST_OK;
}

void record_release(struct record *r)
{
	if (r->json)
		json_decref(r->json);
	r->json = NULL;
}

// ---- the same rows again ----

void record_change(struct train_result *r, const char *fmt, ...)
{
	char text[1000];
	va_list ap;
	if (r->nchanges == CHANGES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (!r->changes)
		r->changes = arena_calloc(&r->arena, CHANGES_MAX, sizeof *r->changes);
	r->changes[r->nchanges++] = arena_strdup(&r->arena, text);
}

static void partition_restrict(
        struct plan_view *v, int32_t i, const json_t *before, struct train_result *r)
{
	struct manifest_partition *at = &v->manifest.partitions[i];
	json_int_t next = json_integer_value(json_object_get(before, "next")),
	           want = json_integer_value(json_object_get(before, "rows"));
	uint64_t rows = 0;
	uint32_t n = 0;
	for (uint32_t k = 0; k < at->nfiles; k++) {
		if (at->files[k].last >= next)
			continue;
		rows += at->files[k].rows;
		at->files[n++] = at->files[k];
	}
	at->nfiles = n;
	if (at->next < next)
		record_change(r,
		        "%s v%" PRIu32 ": %s has partition %d up to offset %" PRId64
		        " only, it had it up to %lld",
		        v->name, v->version, v->dir, (int)i, at->next, (long long)next);
	else if (rows != (uint64_t)want)
		record_change(r,
		        "%s v%" PRIu32
		        ": of the rows before offset %lld of partition %d, %" PRIu64
		        " stand in files of their own, there were %lld%s",
		        v->name, v->version, (long long)next, (int)i, rows, (long long)want,
		        rows < (uint64_t)want
		                ? ": files were merged with newer rows, or deleted"
		                : "");
	at->next = next;
}

void record_restrict(const struct record *r, struct plan *p, struct train_result *result)
{
	const json_t *views = json_object_get(r->json, "views");
	for (uint32_t i = 0; i < p->nviews; i++) {
		struct plan_view *v = &p->views[i];
		const json_t *before = json_array_get(views, i),
		             *list = json_object_get(before, "partitions");
		const char *id = text_get(before, "topic_id");
		if (!id || strcmp(id, v->manifest.topic_id) != 0)
			record_change(result,
			        "%s v%" PRIu32
			        ": %s is now the export of another topic: %s was "
			        "deleted and made again",
			        v->name, v->version, v->dir, v->manifest.topic);
		for (int32_t k = 0; k < v->manifest.npartitions; k++)
			partition_restrict(v, k, json_array_get(list, (size_t)k), result);
	}
}
