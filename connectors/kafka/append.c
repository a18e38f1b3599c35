// SPDX-License-Identifier: Apache-2.0
//
// Chunks of encoded records, each of one partition, in message format v2
// (https://kafka.apache.org/documentation/#record): sizes and numbers are zigzag varints,
// offsets and timestamps relative to the batch's first. librdkafka writes the batch's header.
//
// A chunk is open (taking records), lent (librdkafka's, until its delivery report) or free. A
// partition has at most one open; what is open together is bounded by open_max, what is lent by
// librdkafka's queue.buffering.max.kbytes, what is kept free by kept_max.
//
// A transaction with a record that was refused can only be aborted: what comes after it is
// dropped here, and the flush says why.
#include "append.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "limits.h"

#define CHUNK_BYTES_MIN 16384
#define RECORD_HEAD_MAX 32 /* its varints: 5 + 1 + 10 + 5 + 5 + 5, rounded up */
#define HEADER_HEAD_MAX 10 /* a header's two */
#define BATCH_HEAD 128     /* librdkafka counts it towards message.max.bytes */
#define ROOM_WAIT_MS 10    /* one wait for room in a full queue */

struct chunk {
	struct chunk *next, **link; /* in one of the lists below */
	struct part *part;
	uint8_t *data;
	uint32_t len, cap, n;
	int64_t now, base, max; /* ms: when it was begun; of its records */
};

struct append {
	struct chunk *open, *lent, *free;
	uint64_t open_bytes, all_bytes; /* len of those open; cap of all */
	uint64_t chunk_max, open_max, kept_max;
};

// ---- chunks ----

static void list_add(struct chunk **list, struct chunk *c)
{
	c->next = *list;
	c->link = list;
	if (c->next)
		c->next->link = &c->next;
	*list = c;
}

static void list_remove(struct chunk *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
}

static struct append *append_of(struct log_session *s)
{
	if (s->append)
		return s->append;
	struct append *a = s->append = xcalloc(1, sizeof *a);
	a->chunk_max = limits_batch(s->batch_bytes_max);
	a->open_max = s->memory_bytes / 8;
	a->kept_max = s->memory_bytes / 2;
	return a;
}

static struct chunk *chunk_open(struct log_session *s, struct part *p)
{
	struct append *a = append_of(s);
	struct chunk *c = a->free;
	if (c) {
		list_remove(c);
	} else {
		c = xcalloc(1, sizeof *c);
		c->data = xmalloc(CHUNK_BYTES_MIN);
		a->all_bytes += c->cap = CHUNK_BYTES_MIN;
	}
	c->part = p;
	c->len = c->n = 0;
	c->now = clock_wall_ms(&clock_system);
	list_add(&a->open, c);
	return p->chunk = c;
}

/* It is in no list. */
static void chunk_free(struct append *a, struct chunk *c)
{
	if (a->all_bytes <= a->kept_max) {
		list_add(&a->free, c);
		return;
	}
	a->all_bytes -= c->cap;
	free(c->data);
	free(c);
}

static void chunk_close(struct append *a, struct chunk *c)
{
	a->open_bytes -= c->len;
	c->part->chunk = NULL;
	list_remove(c);
}

static void chunk_reserve(struct append *a, struct chunk *c, uint64_t bytes)
{
	uint64_t cap = c->cap;
	while (c->len + bytes > cap)
		cap *= 2;
	if (cap == c->cap)
		return;
	c->data = xrealloc(c->data, cap);
	a->all_bytes += cap - c->cap;
	c->cap = (uint32_t)cap;
}

// ---- encoding ----

static uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static uint32_t varint_size(int64_t v)
{
	return (uint32_t)(70 - __builtin_clzll(zigzag(v) | 1)) / 7;
}

static uint8_t *put_varint(uint8_t *to, int64_t v)
{
	uint64_t u = zigzag(v);
	for (; u >= 0x80; u >>= 7)
		*to++ = (uint8_t)(u | 0x80);
	*to++ = (uint8_t)u;
	return to;
}

/* -1 for absent. */
static uint8_t *put_bytes(uint8_t *to, const void *p, uint32_t len)
{
	to = put_varint(to, p ? (int64_t)len : -1);
	if (p && len)
		memcpy(to, p, len);
	return to + (p ? len : 0);
}

static uint32_t bytes_size(const void *p, uint32_t len)
{
	return p ? varint_size(len) + len : 1;
}

static uint64_t headers_size(const struct log_header *h, uint32_t n)
{
	uint64_t size = varint_size(n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t name = (uint32_t)strlen(h[i].name);
		size += bytes_size(h[i].name, name) + bytes_size(h[i].value.p, h[i].value.len);
	}
	return size;
}

static void chunk_add(struct append *a, struct chunk *c, struct slice key, struct slice value,
        const struct log_header *headers, uint32_t nheaders, int64_t timestamp)
{
	int64_t ts = timestamp ? timestamp : c->now;
	if (c->n == 0)
		c->base = c->max = ts;
	if (ts > c->max)
		c->max = ts;
	uint64_t body = 1 + varint_size(ts - c->base) + varint_size(c->n) +
	                bytes_size(key.p, key.len) + bytes_size(value.p, value.len) +
	                headers_size(headers, nheaders);
	uint8_t *from = c->data + c->len, *to = put_varint(from, (int64_t)body);
	*to++ = 0; /* attributes: none are defined */
	to = put_varint(to, ts - c->base);
	to = put_varint(to, c->n);
	to = put_bytes(to, key.p, key.len);
	to = put_bytes(to, value.p, value.len);
	to = put_varint(to, nheaders);
	for (uint32_t i = 0; i < nheaders; i++) {
		to = put_bytes(to, headers[i].name, (uint32_t)strlen(headers[i].name));
		to = put_bytes(to, headers[i].value.p, headers[i].value.len);
	}
	c->n++;
	c->len += (uint32_t)(to - from);
	a->open_bytes += (uint64_t)(to - from);
}

// ---- handing over ----

static rd_kafka_topic_t *produced(struct log_session *s, struct topic *t)
{
	if (!t->produced)
		t->produced = rd_kafka_topic_new(s->producer.rk, t->name, NULL);
	return t->produced;
}

/* A partition made since the producer last asked about the topic; it asks again by itself only
 * after minutes. */
static bool learned(struct log_session *s, struct part *p, rd_kafka_resp_err_t err)
{
	const struct rd_kafka_metadata *md;
	if (err != RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	        rd_kafka_metadata(s->producer.rk, 0, produced(s, p->topic), &md, KAFKA_ASK_MS))
		return false;
	rd_kafka_metadata_destroy(md);
	return true;
}

static rd_kafka_resp_err_t offer(struct log_session *s, struct chunk *c)
{
	rd_kafka_topic_t *t = produced(s, c->part->topic);
	return t ? rd_kafka_produce_records(t, c->part->partition, c->data, c->len,
	                   (int32_t)c->n, c->base, c->max, c)
	         : rd_kafka_last_error();
}

/* A queue full for a transaction's whole life means that nothing is acknowledged. */
static rd_kafka_resp_err_t offer_waiting(struct log_session *s, struct chunk *c)
{
	bool asked = false;
	for (int waited = 0;; waited += ROOM_WAIT_MS) {
		rd_kafka_resp_err_t err = offer(s, c);
		if (!asked && learned(s, c->part, err)) {
			asked = true;
			continue;
		}
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL || waited >= TXN_TIMEOUT_MS)
			return err;
		rd_kafka_poll(s->producer.rk, ROOM_WAIT_MS);
	}
}

static void hand_over(struct log_session *s, struct chunk *c)
{
	struct append *a = s->append;
	chunk_close(a, c);
	bool dropped = s->nfailed > 0;
	rd_kafka_resp_err_t err = dropped ? RD_KAFKA_RESP_ERR_NO_ERROR : offer_waiting(s, c);
	if (err)
		session_unwritten(s, c->part, err, c->n);
	if (dropped || err)
		chunk_free(a, c);
	else
		list_add(&a->lent, c);
	rd_kafka_poll(s->producer.rk, 0);
}

// ---- the transaction's side ----

rd_kafka_resp_err_t append_record(struct log_session *s, struct part *p, struct slice key,
        const struct slice *value, const struct log_header *headers, uint32_t nheaders,
        int64_t timestamp)
{
	struct slice v = value ? *value : (struct slice){0};
	if (value && !v.p)
		v.p = (const uint8_t *)"";
	struct append *a = append_of(s);
	uint64_t bytes = RECORD_HEAD_MAX + (uint64_t)key.len + v.len;
	for (uint32_t i = 0; i < nheaders; i++)
		bytes += HEADER_HEAD_MAX + strlen(headers[i].name) + headers[i].value.len;
	if (bytes > KAFKA_PRODUCE_BYTES_MAX - BATCH_HEAD)
		return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
	if (p->chunk && p->chunk->len + bytes > a->chunk_max)
		hand_over(s, p->chunk);
	if (a->open_bytes + bytes > a->open_max)
		append_flush(s);
	struct chunk *c = p->chunk ? p->chunk : chunk_open(s, p);
	chunk_reserve(a, c, bytes);
	chunk_add(a, c, key, v, headers, nheaders, timestamp);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void append_flush(struct log_session *s)
{
	while (s->append && s->append->open)
		hand_over(s, s->append->open);
}

void append_drop(struct log_session *s)
{
	struct append *a = s->append;
	while (a && a->open) {
		struct chunk *c = a->open;
		chunk_close(a, c);
		chunk_free(a, c);
	}
}

struct part *append_reported(struct log_session *s, void *opaque, uint32_t *records)
{
	struct chunk *c = opaque;
	struct part *p = c->part;
	*records = c->n;
	list_remove(c);
	chunk_free(s->append, c);
	return p;
}

void append_returned(struct log_session *s)
{
	uint32_t n;
	while (s->append && s->append->lent)
		append_reported(s, s->append->lent, &n);
}

void append_release(struct log_session *s)
{
	struct append *a = s->append;
	if (!a)
		return;
	append_drop(s);
	append_returned(s);
	while (a->free) {
		struct chunk *c = a->free;
		list_remove(c);
		free(c->data);
		free(c);
	}
	free(a);
	s->append = NULL;
}
