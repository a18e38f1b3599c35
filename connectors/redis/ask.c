/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to Redis on a connection of their own, one at a time: records, live versions, rows,
 * the removal of a view. Each is bounded in time, and refused at once while the writer knows
 * that Redis is away, so that a worker that asks does not stand still for long.
 */
#include "connectors/redis/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"

#define RECORD_WAIT_MS 200 /* for the task's own calls to be answered */
#define PAUSE_MS 1000      /* after a question that failed */
#define SCANS_MAX 8        /* per call of view_delete */
#define SCAN_COUNT "1000"

static int64_t now_ns(void)
{
	return clock_mono_ns(&clock_system);
}

/* The writer's first attempt decides what is known of the link. Under the lock. */
static enum status link_known(struct online *o, struct error *e)
{
	int64_t until = now_ns() + (int64_t)(o->connect_ms + 2 * o->command_ms) * 1000000;
	while (o->link == LINK_UNKNOWN && online_wait(o, until))
		;
	if (o->link >= LINK_OPEN)
		return ST_OK;
	if (o->link == LINK_DOWN)
		return error_set(e, ERR_RETRIABLE, 0, "%s", o->stats.last_error);
	return error_set(e, ERR_RETRIABLE, 0, "redis %s: no connection yet", o->address.shown);
}

/* A connection that was idle may have been closed by the server: one more attempt then. */
static redisReply *command(
        struct online *o, const struct slice *words, uint32_t n, struct error *e)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		bool fresh = !o->ask.c;
		int64_t begin = now_ns();
		if (fresh && wire_open(&o->ask, e) != ST_OK)
			return NULL;
		redisReply *r = wire_command(&o->ask, words, n, e);
		if (r || fresh || now_ns() - begin > (int64_t)o->command_ms * 500000)
			return r;
	}
	return NULL;
}

/* NULL: ERR_RETRIABLE. Under the ask lock. */
static redisReply *ask(struct online *o, const struct slice *words, uint32_t n, struct error *e)
{
	pthread_mutex_lock(&o->lock);
	enum status st = link_known(o, e);
	pthread_mutex_unlock(&o->lock);
	if (st != ST_OK)
		return NULL;
	if (now_ns() < o->ask_pause_ns) {
		error_set(e, ERR_RETRIABLE, 0, "redis %s: did not answer a moment ago",
		        o->address.shown);
		return NULL;
	}
	redisReply *r = command(o, words, n, e);
	if (!r)
		o->ask_pause_ns = now_ns() + (int64_t)PAUSE_MS * 1000000;
	if (r && r->type == REDIS_REPLY_ERROR) {
		error_set(e, ERR_RETRIABLE, 0, "redis %s: %s", o->address.shown, r->str);
		freeReplyObject(r);
		r = NULL;
	}
	return r;
}

static redisReply *ask_locked(
        struct online *o, const struct slice *words, uint32_t n, struct error *e)
{
	pthread_mutex_lock(&o->ask_lock);
	redisReply *r = ask(o, words, n, e);
	pthread_mutex_unlock(&o->ask_lock);
	return r;
}

/* -- records -- */

static enum status task_settled(struct online *o, struct online_task *t, struct error *e)
{
	int64_t until = now_ns() + (int64_t)RECORD_WAIT_MS * 1000000;
	uint64_t seq = t->queued_seq;
	while (t->done_seq < seq && online_wait_call(o, seq, until))
		;
	if (t->done_seq >= seq)
		return ST_OK;
	return error_set(e, ERR_RETRIABLE, 0, "redis %s: the task's rows are still queued",
	        o->address.shown);
}

static bool text_copy(char *out, size_t room, const redisReply *r)
{
	if (r->type != REDIS_REPLY_STRING || (size_t)r->len >= room)
		return false;
	memcpy(out, r->str, (size_t)r->len);
	out[r->len] = 0;
	return true;
}

static enum status record_read(const redisReply *r, struct online_record *out, struct error *e)
{
	memset(out, 0, sizeof(*out));
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2)
		return error_set(e, ERR_RETRIABLE, 0, "redis: the task's record is no hash");
	if (r->element[0]->type == REDIS_REPLY_NIL)
		return ST_END;
	if (!text_copy(out->version, sizeof(out->version), r->element[0]) ||
	        strlen(out->version) != ONLINE_VERSION_BYTES ||
	        !text_copy(out->offsets, sizeof(out->offsets), r->element[1]))
		return error_set(e, ERR_FATAL, 0,
		        "redis: the task's record was not written by this version of weir");
	return ST_OK;
}

enum status ask_record_get(
        struct online *o, const char *task, struct online_record *out, struct error *e)
{
	pthread_mutex_lock(&o->lock);
	struct online_task *t = online_tasks_get(&o->tasks, task);
	enum status st = link_known(o, e);
	if (st == ST_OK)
		st = task_settled(o, t, e);
	pthread_mutex_unlock(&o->lock);
	if (st != ST_OK)
		return st;
	struct buf key;
	buf_init(&key);
	buf_printf(&key, "%s:_task:%s", o->prefix, task);
	struct slice words[] = {
	        slice_of("HMGET"), buf_view(&key), slice_of("v"), slice_of("o")};
	redisReply *r = ask_locked(o, words, 4, e);
	buf_release(&key);
	if (!r)
		return ST_ERR;
	st = record_read(r, out, e);
	freeReplyObject(r);
	if (st == ST_ERR)
		return st;
	pthread_mutex_lock(&o->lock);
	online_task_read(t, st == ST_OK ? out->version : NULL);
	pthread_mutex_unlock(&o->lock);
	return st;
}

/* -- live versions -- */

enum status ask_live_set(struct online *o, const char *view, uint32_t version, struct error *e)
{
	struct buf key, number;
	buf_init(&key);
	buf_init(&number);
	buf_printf(&key, "%s:%s", o->prefix, view);
	buf_int(&number, version);
	struct slice words[] = {slice_of("SET"), buf_view(&key), buf_view(&number)};
	redisReply *r = ask_locked(o, words, 3, e);
	buf_release(&key);
	buf_release(&number);
	if (!r)
		return ST_ERR;
	freeReplyObject(r);
	return ST_OK;
}

enum status ask_live_get(struct online *o, const char *view, uint32_t *version, struct error *e)
{
	struct buf key;
	buf_init(&key);
	buf_printf(&key, "%s:%s", o->prefix, view);
	struct slice words[] = {slice_of("GET"), buf_view(&key)};
	redisReply *r = ask_locked(o, words, 2, e);
	buf_release(&key);
	if (!r)
		return ST_ERR;
	enum status st = ST_END;
	int64_t n;
	if (r->type == REDIS_REPLY_STRING) {
		bool ok =
		        num_parse_int(r->str, (size_t)r->len, &n) && n >= 0 && n <= UINT32_MAX;
		st = ok ? ST_OK
		        : error_set(e, ERR_FATAL, 0,
		                  "redis: the live version of %s is no number", view);
		if (ok)
			*version = (uint32_t)n;
	}
	freeReplyObject(r);
	return st;
}

/* -- rows -- */

enum status ask_get(struct online *o, const char *view, uint32_t version, struct slice entity,
        struct buf *out, struct error *e)
{
	struct buf key;
	buf_init(&key);
	buf_printf(&key, "%s:%s:%u:", o->prefix, view, version);
	buf_slice(&key, entity);
	struct slice words[] = {slice_of("HGETALL"), buf_view(&key)};
	redisReply *r = ask_locked(o, words, 2, e);
	buf_release(&key);
	if (!r)
		return ST_ERR;
	enum status st = r->type == REDIS_REPLY_ARRAY && r->elements ? ST_OK : ST_END;
	for (size_t i = 0; i < r->elements; i++) {
		buf_add(out, r->element[i]->str, (size_t)r->element[i]->len);
		buf_byte(out, 0);
	}
	freeReplyObject(r);
	return st;
}

/* -- removal -- */

static void glob_escape(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("*?[]^\\-", *s))
			buf_byte(b, '\\');
		buf_byte(b, (uint8_t)*s);
	}
}

static enum status unlink_keys(struct online *o, const redisReply *keys, struct error *e)
{
	if (!keys->elements)
		return ST_OK;
	struct slice *words = xcalloc(keys->elements + 1, sizeof(*words));
	words[0] = slice_of("UNLINK");
	for (size_t i = 0; i < keys->elements; i++)
		words[i + 1] = (struct slice){(const uint8_t *)keys->element[i]->str,
		        (uint32_t)keys->element[i]->len};
	redisReply *r = ask(o, words, (uint32_t)keys->elements + 1, e);
	free(words);
	if (!r)
		return ST_ERR;
	freeReplyObject(r);
	return ST_OK;
}

/* One SCAN from the cursor; ST_END: the last one. Under the ask lock. */
static enum status scan(struct online *o, struct error *e)
{
	struct slice words[] = {slice_of("SCAN"), slice_of(o->delete_cursor), slice_of("MATCH"),
	        slice_of(o->delete_key), slice_of("COUNT"), slice_of(SCAN_COUNT)};
	redisReply *r = ask(o, words, 6, e);
	if (!r)
		return ST_ERR;
	char next[sizeof(o->delete_cursor)];
	enum status st = ST_ERR;
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	        text_copy(next, sizeof(next), r->element[0]))
		st = unlink_keys(o, r->element[1], e);
	else
		error_set(e, ERR_RETRIABLE, 0, "redis: SCAN gave an unexpected answer");
	if (st == ST_OK) {
		memcpy(o->delete_cursor, next, sizeof(next));
		st = strcmp(next, "0") == 0 ? ST_END : ST_OK;
	}
	freeReplyObject(r);
	return st;
}

enum status ask_view_delete(
        struct online *o, const char *view, uint32_t version, struct error *e)
{
	struct buf key;
	buf_init(&key);
	glob_escape(&key, o->prefix);
	buf_byte(&key, ':');
	glob_escape(&key, view);
	buf_printf(&key, ":%u:*", version);
	enum status st = ST_OK;
	pthread_mutex_lock(&o->ask_lock);
	if (key.len >= sizeof(o->delete_key)) {
		st = error_set(e, ERR_USER, 0, "redis: prefix and view name are too long");
	} else if (strcmp(o->delete_key, buf_cstr(&key)) != 0) {
		memcpy(o->delete_key, buf_cstr(&key), key.len + 1);
		strcpy(o->delete_cursor, "0");
	}
	for (int i = 0; i < SCANS_MAX && st == ST_OK; i++)
		st = scan(o, e);
	if (st == ST_END)
		o->delete_key[0] = 0;
	pthread_mutex_unlock(&o->ask_lock);
	buf_release(&key);
	return st;
}
