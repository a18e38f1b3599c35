// SPDX-License-Identifier: Apache-2.0
//
// Writer schemas in a topic. A reader keeps what it has read and its position, and opens the
// topic only while it reads: between two misses it holds no client.
// A record that is no schema, or whose key is not its fingerprint, is passed over with a
// warning: it cannot be asked for. Not here: a schema registry (connectors/registry), deciding
// what is published.
#include "run/schemas.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define READ_BATCH 64
#define READ_POLL_MS 100
#define READ_MEMORY_BYTES ((uint64_t)8 << 20)
#define KEY_BYTES 16

struct schemas {
	const struct log_ops *log;
	struct log_broker *broker;
	struct clock *clock;
	char topic[256];
	struct schema_source source;
	pthread_mutex_t lock; /* everything below */
	struct arena arena;
	const struct schema **list; /* in the order of the topic: the last of equals counts */
	uint32_t n, cap;
	int64_t position;
	int64_t looked_ns; /* when the topic was last read to its end; 0: never */
};

const char *schemas_topic(const char *prefix, char out[256])
{
	snprintf(out, 256, "%s.schemas", prefix);
	return out;
}

static const struct schema *find(const struct schemas *s, uint64_t fingerprint)
{
	for (uint32_t i = s->n; i > 0; i--)
		if (s->list[i - 1]->fingerprint == fingerprint)
			return s->list[i - 1];
	return NULL;
}

static void key_of(uint64_t fingerprint, char out[KEY_BYTES + 1])
{
	snprintf(out, KEY_BYTES + 1, "%016" PRIx64, fingerprint);
}

static enum status take(struct schemas *s, const struct log_record *r, struct error *e)
{
	struct schema *schema;
	struct error why = {0};
	char key[KEY_BYTES + 1];
	if (!r->has_value)
		return ST_OK;
	if (schema_parse(&s->arena, arena_slice(&s->arena, r->value), &schema, &why)) {
		LOG_WARN("schemas", "%s[0]@%" PRId64 ": passed over: %s", s->topic, r->offset,
		        why.msg);
		return ST_OK;
	}
	key_of(schema->fingerprint, key);
	if (!slice_eq(r->key, slice_of(key))) {
		LOG_WARN("schemas", "%s[0]@%" PRId64 ": passed over: its key is not %s",
		        s->topic, r->offset, key);
		return ST_OK;
	}
	if (s->n == SCHEMAS_MAX)
		return error_set(e, ERR_FATAL, 0, "topic %s has more than %d schemas", s->topic,
		        SCHEMAS_MAX);
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->list = xrealloc(s->list, s->cap * sizeof *s->list);
	}
	s->list[s->n++] = schema;
	return ST_OK;
}

static enum status drain(struct schemas *s, struct log_reader *r, int64_t end, struct error *e)
{
	struct log_record records[READ_BATCH];
	for (int waits = 0; s->log->reader_position(r) < end;) {
		uint32_t n = 0;
		if (s->log->reader_poll(r, READ_POLL_MS, records, READ_BATCH, &n, e))
			return ST_ERR;
		for (uint32_t i = 0; i < n; i++)
			if (take(s, &records[i], e))
				return ST_ERR;
		s->position = s->log->reader_position(r);
		if (n == 0 && ++waits > SCHEMAS_READ_MS / READ_POLL_MS)
			return error_set(e, ERR_RETRIABLE, 0,
			        "topic %s could not be read to its end in %d s", s->topic,
			        SCHEMAS_READ_MS / 1000);
	}
	return ST_OK;
}

/* From where the last reading ended to the end as of now. */
static enum status read_on(struct schemas *s, struct error *e)
{
	struct log_topic_info info;
	struct log_reader *r;
	int64_t begin, end;
	if (s->log->topic_info(s->broker, s->topic, &info, e))
		return ST_ERR;
	if (!info.partitions)
		return ST_OK;
	if (s->log->bounds(s->broker, s->topic, 0, &begin, &end, e))
		return ST_ERR;
	if (s->position > end) /* recreated: what is known stays known */
		s->position = begin;
	if (s->position < begin)
		s->position = begin;
	if (s->position >= end)
		return ST_OK;
	if (s->log->reader_open(s->broker, s->topic, 0, s->position, READ_MEMORY_BYTES, &r, e))
		return ST_ERR;
	enum status st = drain(s, r, end, e);
	s->log->reader_close(r);
	return st;
}

static enum status look(
        struct schemas *s, uint64_t fingerprint, const struct schema **out, struct error *e)
{
	*out = find(s, fingerprint);
	if (*out)
		return ST_OK;
	int64_t now = clock_mono_ns(s->clock);
	if (s->looked_ns && now - s->looked_ns < INT64_C(1000000) * SCHEMAS_AGAIN_MS)
		return ST_END;
	if (read_on(s, e))
		return ST_ERR;
	s->looked_ns = now ? now : 1;
	*out = find(s, fingerprint);
	return *out ? ST_OK : ST_END;
}

static enum status by_fingerprint(
        void *arg, uint64_t fingerprint, const struct schema **out, struct error *e)
{
	struct schemas *s = arg;
	pthread_mutex_lock(&s->lock);
	enum status st = look(s, fingerprint, out, e);
	pthread_mutex_unlock(&s->lock);
	return st;
}

struct schemas *schemas_open(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, struct clock *clock)
{
	struct schemas *s = xcalloc(1, sizeof *s);
	s->log = log;
	s->broker = broker;
	s->clock = clock;
	schemas_topic(prefix, s->topic);
	s->source = (struct schema_source){.arg = s, .by_fingerprint = by_fingerprint};
	pthread_mutex_init(&s->lock, NULL);
	arena_init(&s->arena);
	return s;
}

void schemas_close(struct schemas *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	arena_release(&s->arena);
	free(s->list);
	free(s);
}

const struct schema_source *schemas_source(struct schemas *s)
{
	return &s->source;
}

static enum status topic_create(struct schemas *s, struct error *e)
{
	static const char *const conf[] = {"cleanup.policy", "compact",
	        "message.timestamp.type", "LogAppendTime", "max.message.bytes", "2097152",
	        NULL};
	struct log_topic_conf t = {.name = s->topic, .partitions = 1, .conf = conf};
	return s->log->topics_ensure(s->broker, &t, 1, e);
}

static enum status publish(
        struct schemas *s, const struct schema *const *list, uint32_t n, struct error *e)
{
	if (topic_create(s, e) || read_on(s, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n; i++) {
		char key[KEY_BYTES + 1];
		const struct schema *there = find(s, list[i]->fingerprint);
		struct slice text = slice_of(list[i]->json);
		if (there && slice_eq(slice_of(there->json), text))
			continue;
		key_of(list[i]->fingerprint, key);
		if (s->log->put(s->broker, s->topic, 0, slice_of(key), &text, NULL, e))
			return error_context(e, "schema %s", list[i]->name);
	}
	return ST_OK;
}

enum status schemas_publish(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, const struct schema *const *list, uint32_t n, struct error *e)
{
	struct schemas *s = schemas_open(log, broker, prefix, &clock_system);
	enum status st = publish(s, list, n, e);
	schemas_close(s);
	return st;
}
