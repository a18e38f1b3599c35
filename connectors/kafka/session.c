// SPDX-License-Identifier: Apache-2.0
//
// A session's life and its table of topics and partitions. Membership is in consume.c, the
// transaction in producer.c.
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define BATCH_BYTES_MIN ((size_t)256 << 10)
#define BATCH_BYTES_MAX ((size_t)2 << 20) /* what an arena keeps */

static struct topic *topic_new(struct log_session *s, const char *name)
{
	INVARIANT(s->ntopics < SESSION_TOPICS_MAX);
	struct topic *t = xcalloc(1, sizeof *t);
	t->name = xstrdup(name);
	t->number = s->ntopics;
	s->topics = xrealloc(s->topics, (s->ntopics + 1) * sizeof(struct topic *));
	s->topics[s->ntopics++] = t;
	return t;
}

static void topic_free(struct topic *t)
{
	for (int32_t i = 0; i < t->nparts; i++)
		free(t->parts[i]);
	free(t->parts);
	free(t->name);
	free(t);
}

uint32_t session_topic_number(struct log_session *s, const char *name)
{
	for (uint32_t i = 0; i < s->ntopics; i++)
		if (strcmp(s->topics[i]->name, name) == 0)
			return i;
	return topic_new(s, name)->number;
}

struct topic *session_topic(struct log_session *s, uint32_t number)
{
	INVARIANT(number < s->ntopics);
	return s->topics[number];
}

static struct part *part_new(struct topic *t, int32_t partition)
{
	INVARIANT(partition >= 0 && partition < SESSION_PARTITIONS_MAX);
	if (partition >= t->nparts) {
		int32_t n = partition + 16;
		t->parts = xrealloc(t->parts, (size_t)n * sizeof(struct part *));
		for (int32_t i = t->nparts; i < n; i++)
			t->parts[i] = NULL;
		t->nparts = n;
	}
	struct part *p = xcalloc(1, sizeof *p);
	p->topic = t;
	p->partition = partition;
	p->delivered = -1;
	return t->parts[partition] = p;
}

struct part *session_part(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct topic *t = session_topic(s, topic);
	if (partition >= 0 && partition < t->nparts && t->parts[partition])
		return t->parts[partition];
	return part_new(t, partition);
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

enum status session_open(struct log_broker *b, const struct log_session_conf *conf,
        struct log_session **out, struct error *e)
{
	struct log_session *s = xcalloc(1, sizeof *s);
	s->broker = b;
	s->group = xstrdup(conf->group);
	s->transactional_id = xstrdup(conf->transactional_id);
	s->client_id = copy(conf->client_id);
	s->instance_id = copy(conf->instance_id);
	s->memory_bytes = conf->memory_bytes;
	s->batch_bytes_max = conf->batch_bytes_max;
	s->events = conf->events;
	client_init(&s->consumer, b, s, "%s", s->transactional_id);
	client_init(&s->producer, b, s, "%s", s->transactional_id);
	size_t bytes = s->memory_bytes / 8;
	if (bytes < BATCH_BYTES_MIN)
		bytes = BATCH_BYTES_MIN;
	fetched_init(&s->batch, bytes > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : bytes);
	if (consume_open(s, conf->subscribe, e) != ST_OK) {
		session_close(s);
		return error_context(e, "group %s", conf->group);
	}
	*out = s;
	return ST_OK;
}

void session_close(struct log_session *s)
{
	if (!s)
		return;
	consume_close(s); /* revoked() may still use the producer */
	producer_drop(s);
	client_close(&s->producer);
	append_release(s);
	fetched_release(&s->batch);
	for (uint32_t i = 0; i < s->ntopics; i++)
		topic_free(s->topics[i]);
	free(s->topics);
	free(s->group);
	free(s->transactional_id);
	free(s->client_id);
	free(s->instance_id);
	free(s);
}

void kafka_session_stats(struct log_session *s, struct kafka_stats *out)
{
	*out = (struct kafka_stats){
	        .records = atomic_load(&s->records),
	        .bytes = atomic_load(&s->bytes),
	        .stale = atomic_load(&s->stale),
	        .appended = atomic_load(&s->appended),
	        .rebalances = atomic_load(&s->rebalances),
	        .lost = atomic_load(&s->losses),
	        .producers = atomic_load(&s->producers),
	        .errors = atomic_load(&s->consumer.errors) + atomic_load(&s->producer.errors),
	};
	struct client *both[] = {&s->consumer, &s->producer};
	for (int i = 0; i < 2; i++) {
		pthread_mutex_lock(&both[i]->lock);
		if (both[i]->last_error[0])
			memcpy(out->last_error, both[i]->last_error, sizeof out->last_error);
		pthread_mutex_unlock(&both[i]->lock);
	}
}
