// SPDX-License-Identifier: Apache-2.0
//
// Records of the jobs topic, and reading it. What may replace what is control_deploy.c's.
#include "run/control.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READ_BATCH 64
#define NEW_TOPIC_TRIES 60
#define NEW_TOPIC_PAUSE_NS 50000000
#define READ_MEMORY_BYTES ((uint64_t)8 << 20)

const char *control_topic(const char *prefix, char out[256])
{
	snprintf(out, 256, "%s.jobs", prefix);
	return out;
}

/* -- the record -- */

void control_encode(const struct control_job *j, struct buf *out)
{
	buf_printf(out, "{\"format\":%d,\"job\":", CONTROL_FORMAT);
	buf_json(out, slice_of(j->name));
	buf_printf(out,
	        ",\"paused\":%s,\"updated_ms\":%lld,\"yaml\":", j->paused ? "true" : "false",
	        (long long)j->updated_ms);
	buf_json(out, slice_of(j->yaml));
	buf_str(out, ",\"views\":[");
	for (uint32_t i = 0; i < j->nviews; i++) {
		const struct control_view *v = &j->views[i];
		buf_printf(out, "%s{\"name\":", i ? "," : "");
		buf_json(out, slice_of(v->name));
		buf_printf(out, ",\"version\":%u,\"live\":%s,\"plan\":", v->version,
		        v->live ? "true" : "false");
		buf_json(out, slice_of(v->plan));
		buf_byte(out, '}');
	}
	buf_str(out, "]}");
}

static const char *text_of(const json_t *o, const char *key, struct arena *a)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? arena_strdup(a, s) : NULL;
}

static bool views_decode(const json_t *views, struct arena *a, struct control_job *out)
{
	size_t n = json_array_size(views);
	if (!json_is_array(views) || n > 2 * CONTROL_VERSIONS_MAX)
		return false;
	out->views = arena_calloc(a, n + 1, sizeof *out->views);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(views, i);
		struct control_view *to = &out->views[out->nviews++];
		to->name = text_of(v, "name", a);
		to->version = (uint32_t)json_integer_value(json_object_get(v, "version"));
		to->live = json_is_true(json_object_get(v, "live"));
		to->plan = text_of(v, "plan", a);
		if (!to->name || !to->plan)
			return false;
	}
	return true;
}

static enum status record_decode(
        const json_t *o, struct arena *a, struct control_job *out, struct error *e)
{
	json_int_t format = json_integer_value(json_object_get(o, "format"));
	if (format > CONTROL_FORMAT)
		return error_set(e, ERR_USER, 0,
		        "the job's record has format %lld, which a newer weir wrote; this one "
		        "knows %d",
		        (long long)format, CONTROL_FORMAT);
	out->name = text_of(o, "job", a);
	out->yaml = text_of(o, "yaml", a);
	out->paused = json_is_true(json_object_get(o, "paused"));
	out->updated_ms = json_integer_value(json_object_get(o, "updated_ms"));
	if (format < 1 || !out->name || !out->yaml ||
	        !views_decode(json_object_get(o, "views"), a, out))
		return error_set(e, ERR_USER, 0, "the job's record is malformed");
	return ST_OK;
}

enum status control_decode(
        struct slice value, struct arena *a, struct control_job *out, struct error *e)
{
	json_error_t why;
	*out = (struct control_job){0};
	json_t *o = json_loadb((const char *)value.p, value.len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(o)) {
		json_decref(o);
		return error_set(e, ERR_USER, 0, "the job's record is not a JSON object");
	}
	enum status st = record_decode(o, a, out, e);
	json_decref(o);
	return st;
}

/* -- following -- */

struct control_reader {
	const struct log_ops *log;
	struct log_reader *reader;
	struct arena arena; /* of the change given out last */
	struct log_record records[READ_BATCH];
	uint32_t n, at;
	int64_t end; /* as of control_open */
};

static enum status topic_create(const struct control *c, const char *topic, struct error *e)
{
	static const char *const conf[] = {"cleanup.policy", "compact",
	        "message.timestamp.type", "LogAppendTime", "max.message.bytes", "8388608",
	        NULL};
	struct log_topic_conf t = {.name = topic, .partitions = 1, .conf = conf};
	return c->log->topics_ensure(c->broker, &t, 1, e);
}

/* A topic that was made a moment ago is not known to every client and broker at once. */
static enum status bounds_wait(const struct control *c, const char *topic, int64_t *begin,
        int64_t *end, struct error *e)
{
	for (int i = 0; i < NEW_TOPIC_TRIES; i++) {
		if (!c->log->bounds(c->broker, topic, 0, begin, end, e))
			return ST_OK;
		if (e && e->class == ERR_RETRIABLE)
			return ST_ERR; /* it waited long enough for an answer */
		nanosleep(&(struct timespec){.tv_nsec = NEW_TOPIC_PAUSE_NS}, NULL);
	}
	return ST_ERR;
}

enum status control_open(
        const struct control *c, bool create, struct control_reader **out, struct error *e)
{
	char topic[256];
	struct log_topic_info info;
	int64_t begin, end;
	control_topic(c->prefix, topic);
	if (c->log->topic_info(c->broker, topic, &info, e))
		return ST_ERR;
	if (!info.partitions && !create)
		return ST_END;
	if (!info.partitions && topic_create(c, topic, e))
		return ST_ERR;
	if (info.partitions > 1)
		return error_set(e, ERR_USER, 0,
		        "topic %s has %d partitions; the jobs topic has one", topic,
		        (int)info.partitions);
	if (bounds_wait(c, topic, &begin, &end, e))
		return ST_ERR;
	struct control_reader *r = xcalloc(1, sizeof *r);
	r->log = c->log;
	r->end = end;
	arena_init(&r->arena);
	if (c->log->reader_open(c->broker, topic, 0, begin, READ_MEMORY_BYTES, &r->reader, e)) {
		control_close(r);
		return ST_ERR;
	}
	*out = r;
	return ST_OK;
}

void control_close(struct control_reader *r)
{
	if (!r)
		return;
	if (r->reader)
		r->log->reader_close(r->reader);
	arena_release(&r->arena);
	free(r);
}

bool control_caught_up(const struct control_reader *r)
{
	return r->at == r->n && r->log->reader_position(r->reader) >= r->end;
}

static void change_of(
        struct control_reader *r, const struct log_record *rec, struct control_change *out)
{
	struct error e = {0};
	*out = (struct control_change){0};
	out->name = arena_strndup(&r->arena, (const char *)rec->key.p, rec->key.len);
	out->removed = !rec->has_value;
	if (out->removed)
		return;
	if (control_decode(rec->value, &r->arena, &out->job, &e))
		out->problem = arena_strdup(&r->arena, e.msg);
	else if (strcmp(out->job.name, out->name))
		out->problem = "the job's record stands under another job's name";
	out->job.offset = rec->offset;
}

enum status control_next(
        struct control_reader *r, int timeout_ms, struct control_change *out, struct error *e)
{
	arena_reset(&r->arena);
	if (r->at == r->n) {
		r->at = r->n = 0;
		if (r->log->reader_poll(
		            r->reader, timeout_ms, r->records, READ_BATCH, &r->n, e))
			return ST_ERR;
	}
	if (r->at == r->n)
		return ST_END;
	change_of(r, &r->records[r->at++], out);
	return ST_OK;
}

/* -- all of it -- */

static struct control_view *views_copy(struct arena *a, const struct control_job *j)
{
	struct control_view *v = arena_calloc(a, j->nviews + 1, sizeof *v);
	for (uint32_t i = 0; i < j->nviews; i++) {
		v[i] = j->views[i];
		v[i].name = arena_strdup(a, v[i].name);
		v[i].plan = arena_strdup(a, v[i].plan);
	}
	return v;
}

/* By name, so that the list is in order whatever the topic's. */
static uint32_t place_of(const struct control_jobs *jobs, const char *name, bool *there)
{
	uint32_t i = 0;
	while (i < jobs->n && strcmp(jobs->items[i].name, name) < 0)
		i++;
	*there = i < jobs->n && !strcmp(jobs->items[i].name, name);
	return i;
}

static enum status change_take(
        struct control_jobs *jobs, const struct control_change *ch, struct error *e)
{
	bool there;
	uint32_t i = place_of(jobs, ch->name, &there);
	struct control_job *at = &jobs->items[i];
	if (ch->removed) {
		if (there)
			memmove(at, at + 1, (--jobs->n - i) * sizeof *at);
		return ST_OK;
	}
	if (ch->problem)
		return error_set(e, ERR_FATAL, 0, "job %s: %s", ch->name, ch->problem);
	if (!there && jobs->n == CONTROL_JOBS_MAX)
		return error_set(
		        e, ERR_FATAL, 0, "more than %d jobs are deployed", CONTROL_JOBS_MAX);
	if (!there)
		memmove(at + 1, at, (jobs->n++ - i) * sizeof *at);
	*at = ch->job;
	at->name = arena_strdup(&jobs->arena, ch->job.name);
	at->yaml = arena_strdup(&jobs->arena, ch->job.yaml);
	at->views = views_copy(&jobs->arena, &ch->job);
	return ST_OK;
}

static enum status read_all(const struct control *c, struct control_reader *r,
        struct control_jobs *out, struct error *e)
{
	int64_t until = clock_mono_ns(c->clock) + (int64_t)CONTROL_READ_MS * 1000000;
	while (!control_caught_up(r)) {
		struct control_change ch;
		enum status st = control_next(r, 200, &ch, e);
		if (st == ST_OK)
			st = change_take(out, &ch, e);
		if (st == ST_ERR)
			return ST_ERR;
		if (clock_mono_ns(c->clock) > until)
			return error_set(e, ERR_RETRIABLE, 0,
			        "the jobs topic could not be read to its end in %d s",
			        CONTROL_READ_MS / 1000);
	}
	return ST_OK;
}

enum status control_list(const struct control *c, struct control_jobs *out, struct error *e)
{
	struct control_reader *r;
	*out = (struct control_jobs){0};
	arena_init(&out->arena);
	out->items = arena_calloc(&out->arena, CONTROL_JOBS_MAX, sizeof *out->items);
	enum status st = control_open(c, false, &r, e);
	if (st == ST_END)
		return ST_OK;
	if (st == ST_OK) {
		st = read_all(c, r, out, e);
		control_close(r);
	}
	if (st)
		control_jobs_release(out);
	return st;
}

void control_jobs_release(struct control_jobs *jobs)
{
	arena_release(&jobs->arena);
	*jobs = (struct control_jobs){0};
	arena_init(&jobs->arena);
}

const struct control_job *control_find(const struct control_jobs *jobs, const char *name)
{
	bool there;
	uint32_t i = place_of(jobs, name, &there);
	return there ? &jobs->items[i] : NULL;
}

const struct control_job *control_find_view(
        const struct control_jobs *jobs, const char *view, uint32_t *version)
{
	for (uint32_t i = 0; i < jobs->n; i++) {
		const struct control_job *j = &jobs->items[i];
		for (uint32_t k = 0; k < j->nviews; k++) {
			if (!j->views[k].live || strcmp(j->views[k].name, view))
				continue;
			if (version)
				*version = j->views[k].version;
			return j;
		}
	}
	return NULL;
}
