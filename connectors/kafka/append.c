// SPDX-License-Identifier: Apache-2.0
//
// Groups of records, each of one partition. A partition's records reach librdkafka in the order
// they were taken: one that does not go into a group (large, or with headers) goes after the
// group that is there.
//
// A transaction with a record that was refused can only be aborted: what comes after it is
// dropped here, and the flush says why.
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define GROUPS 16         /* partitions written to in turns; a session's memory for them */
#define GROUP_RECORDS 128 /* is GROUPS times 32 KB and 9 KB */
#define GROUP_BYTES 32768
#define GROUP_RECORD_BYTES_MAX 8192 /* a larger one goes by itself */
#define ROOM_WAIT_MS 10             /* one wait for room in a full queue */

struct group {
	struct part *part; /* NULL: free */
	uint32_t n, bytes;
	rd_kafka_message_t m[GROUP_RECORDS];
	uint8_t data[GROUP_BYTES];
};

struct append {
	uint32_t next; /* the group to be given to another partition */
	struct group groups[GROUPS];
};

static rd_kafka_topic_t *produced(struct log_session *s, struct topic *t)
{
	if (!t->produced)
		t->produced = rd_kafka_topic_new(s->producer.rk, t->name, NULL);
	return t->produced;
}

static void *bytes_of(struct slice s)
{
	return s.len ? (void *)(uintptr_t)s.p : (void *)""; /* NULL would be absent */
}

/* A partition made since the producer last asked about the topic; it asks again by itself only
 * after minutes. */
static bool learned(struct log_session *s, struct part *p, rd_kafka_resp_err_t err)
{
	const struct rd_kafka_metadata *md;
	if (err != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	        rd_kafka_metadata(
	                s->producer.rk, 0, produced(s, p->topic), &md, KAFKA_ASK_MS))
		return false;
	rd_kafka_metadata_destroy(md);
	return true;
}

// ---- one record ----

static rd_kafka_resp_err_t enqueue(struct log_session *s, struct part *p, struct slice key,
        const struct slice *value, const struct log_header *headers, uint32_t nheaders,
        int64_t timestamp)
{
	rd_kafka_topic_t *t = produced(s, p->topic);
	if (!t)
		return rd_kafka_last_error();
	rd_kafka_vu_t vus[7 + APPEND_HEADERS_MAX] = {
	        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = t},
	        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = p->partition},
	        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = p},
	        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp},
	        {.vtype = RD_KAFKA_VTYPE_KEY,
	                .u.mem = {.ptr = key.p ? bytes_of(key) : NULL, .size = key.len}},
	        {.vtype = RD_KAFKA_VTYPE_VALUE,
	                .u.mem = {.ptr = value ? bytes_of(*value) : NULL,
	                        .size = value ? value->len : 0}},
	};
	size_t n = 7;
	for (uint32_t i = 0; i < nheaders; i++)
		vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADER,
		        .u.header = {.name = headers[i].name,
		                .val = headers[i].value.p,
		                .size = (ssize_t)headers[i].value.len}};
	rd_kafka_error_t *error = rd_kafka_produceva(s->producer.rk, vus, n);
	if (!error)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	return err;
}

/* Waits for room while reports are served. librdkafka would let what is queued linger. */
static void make_room(struct log_session *s)
{
	rd_kafka_flush(s->producer.rk, ROOM_WAIT_MS);
}

/* A queue full for a transaction's whole life means that nothing is acknowledged. */
static rd_kafka_resp_err_t enqueue_waiting(struct log_session *s, struct part *p,
        struct slice key, const struct slice *value, const struct log_header *headers,
        uint32_t nheaders, int64_t timestamp)
{
	bool asked = false;
	for (int waited = 0;; waited += ROOM_WAIT_MS) {
		rd_kafka_resp_err_t err =
		        enqueue(s, p, key, value, headers, nheaders, timestamp);
		if (!asked && learned(s, p, err)) {
			asked = true;
			continue;
		}
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || waited >= TXN_TIMEOUT_MS)
			return err;
		make_room(s);
	}
}

// ---- groups ----

/* How many of the group's records from at on librdkafka took; *err: why not the next one. */
static uint32_t offer(
        struct log_session *s, struct group *g, uint32_t at, rd_kafka_resp_err_t *err)
{
	rd_kafka_topic_t *t = produced(s, g->part->topic);
	*err = t ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error();
	if (!t)
		return 0;
	rd_kafka_produce_batch(
	        t, g->part->partition, RD_KAFKA_MSG_F_COPY, g->m + at, (int)(g->n - at));
	uint32_t i = at;
	while (i < g->n && !g->m[i].err)
		i++;
	if (i < g->n)
		*err = g->m[i].err;
	return i - at;
}

static void hand_over(struct log_session *s, struct group *g)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	uint32_t at = 0;
	bool asked = false;
	/* Those behind one refused for want of room were all refused. */
	for (int waited = 0; at < g->n && !s->nfailed; waited += ROOM_WAIT_MS) {
		at += offer(s, g, at, &err);
		if (!asked && learned(s, g->part, err))
			asked = true;
		else if (err && (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || waited >= TXN_TIMEOUT_MS))
			session_unwritten(s, g->part, err);
		else if (err)
			make_room(s);
	}
	rd_kafka_poll(s->producer.rk, 0);
	g->n = g->bytes = 0;
}

static struct group *group_of(struct log_session *s, struct part *p)
{
	if (p->group)
		return p->group;
	if (!s->append)
		s->append = xcalloc(1, sizeof *s->append);
	struct group *g = &s->append->groups[s->append->next++ % GROUPS];
	if (g->part) {
		hand_over(s, g);
		g->part->group = NULL;
	}
	g->part = p;
	return p->group = g;
}

static void *keep(struct group *g, struct slice s)
{
	void *to = g->data + g->bytes;
	memcpy(to, s.p, s.len);
	g->bytes += s.len;
	return to;
}

static void group_add(
        struct log_session *s, struct part *p, struct slice key, const struct slice *value)
{
	struct group *g = group_of(s, p);
	if (g->n == GROUP_RECORDS ||
	        g->bytes + key.len + (value ? value->len : 0) > GROUP_BYTES)
		hand_over(s, g);
	rd_kafka_message_t *m = &g->m[g->n++];
	m->key = key.p ? key.len ? keep(g, key) : bytes_of(key) : NULL;
	m->key_len = key.len;
	m->payload = value ? value->len ? keep(g, *value) : bytes_of(*value) : NULL;
	m->len = value ? value->len : 0;
	m->_private = p;
}

// ---- the transaction's side ----

rd_kafka_resp_err_t append_record(struct log_session *s, struct part *p, struct slice key,
        const struct slice *value, const struct log_header *headers, uint32_t nheaders,
        int64_t timestamp)
{
	uint64_t bytes = (uint64_t)key.len + (value ? value->len : 0);
	if (nheaders == 0 && timestamp == 0 && bytes <= GROUP_RECORD_BYTES_MAX) {
		group_add(s, p, key, value);
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	if (p->group)
		hand_over(s, p->group);
	rd_kafka_poll(s->producer.rk, 0);
	return enqueue_waiting(s, p, key, value, headers, nheaders, timestamp);
}

void append_flush(struct log_session *s)
{
	for (uint32_t i = 0; s->append && i < GROUPS; i++)
		if (s->append->groups[i].n)
			hand_over(s, &s->append->groups[i]);
}

void append_drop(struct log_session *s)
{
	for (uint32_t i = 0; s->append && i < GROUPS; i++)
		s->append->groups[i].n = s->append->groups[i].bytes = 0;
}

void append_release(struct log_session *s)
{
	free(s->append);
	s->append = NULL;
}
