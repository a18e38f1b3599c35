// SPDX-License-Identifier: Apache-2.0
//
// Takes batches apart into one poll's records. A record is (message format v2,
// https://kafka.apache.org/documentation/#record): its length, attributes, timestamp and offset as
// differences, key, value, headers; numbers are zigzag varints. Which partitions count is not
// decided here.
#include "fetched.h"

#include <string.h>

#define KEPT_BYTES_MAX ((size_t)1 << 20) /* room kept for the rest of a batch */

void fetched_init(struct fetched *b, size_t bytes_max)
{
	memset(b, 0, sizeof *b);
	arena_init(&b->arena);
	buf_init(&b->kept[0]);
	buf_init(&b->kept[1]);
	b->bytes_max = bytes_max;
}

void fetched_release(struct fetched *b)
{
	arena_release(&b->arena);
	buf_release(&b->kept[0]);
	buf_release(&b->kept[1]);
}

void fetched_begin(struct fetched *b, struct log_record *out, uint32_t max)
{
	arena_reset(&b->arena);
	for (uint32_t i = 0; i < 2; i++)
		if (b->kept[i].cap > KEPT_BYTES_MAX && !(b->rest.at && b->kept_in == i))
			buf_release(&b->kept[i]);
	b->out = out;
	b->n = 0;
	b->max = max;
	b->bytes = 0;
}

// ---- one record ----

struct input {
	const uint8_t *at, *end;
	bool failed;
};

static int64_t varint_long(struct input *in)
{
	uint64_t v = 0;
	for (uint32_t shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t c = *in->at++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
	}
	in->failed = true;
	return 0;
}

static inline int64_t varint(struct input *in)
{
	if (in->at < in->end && *in->at < 0x80) {
		uint8_t c = *in->at++;
		return (c >> 1) ^ -(c & 1);
	}
	return varint_long(in);
}

/* Bytes behind their length; *has: false for a length of -1. */
static inline struct slice bytes(struct input *in, bool *has)
{
	int64_t len = varint(in);
	*has = len >= 0;
	if (len > in->end - in->at || len < -1)
		in->failed = true;
	if (in->failed || len < 0)
		return (struct slice){NULL, 0};
	struct slice s = {in->at, (uint32_t)len};
	in->at += len;
	return s;
}

static void headers_read(struct fetched *b, struct log_record *r, struct input *in)
{
	int64_t n = varint(in);
	if (n <= 0)
		return;
	int64_t room = n > LOG_HEADERS_MAX ? LOG_HEADERS_MAX : n;
	struct log_header *h = arena_calloc(&b->arena, (size_t)room, sizeof *h);
	for (int64_t i = 0; i < n && !in->failed; i++) {
		bool has;
		struct slice name = bytes(in, &has), value = bytes(in, &has);
		if (in->failed || i >= room)
			continue;
		h[r->nheaders++] = (struct log_header){
		        arena_printf(&b->arena, "%.*s", (int)name.len, (const char *)name.p),
		        arena_slice(&b->arena, value)};
	}
	r->headers = h;
}

/* The record at the batch's place; its bytes stay the batch's. False: malformed. */
static inline bool record_read(struct fetched *b, struct fetched_batch *t, struct log_record *r)
{
	struct input in = {t->at, t->end, false};
	int64_t len = varint(&in);
	if (in.failed || len < 1 || len > in.end - in.at)
		return false;
	t->at = in.end = in.at + len;
	in.at++; /* attributes: none are defined */
	*r = (struct log_record){.topic = t->topic, .partition = t->partition};
	if (__builtin_add_overflow(t->base_timestamp, varint(&in), &r->timestamp) ||
	        __builtin_add_overflow(t->base_offset, varint(&in), &r->offset) ||
	        r->offset < t->base_offset || r->offset >= t->next_offset)
		return false;
	if (t->append_timestamp >= 0)
		r->timestamp = t->append_timestamp;
	r->key = bytes(&in, &r->has_key);
	r->value = bytes(&in, &r->has_value);
	if (b->headers)
		headers_read(b, r, &in);
	return !in.failed;
}

// ---- batches ----

static bool is_full(const struct fetched *b)
{
	return b->n == b->max || b->bytes >= b->bytes_max;
}

static void record_copy(struct fetched *b, struct log_record *r)
{
	size_t size = (size_t)r->key.len + r->value.len;
	uint8_t *p = arena_alloc(&b->arena, size ? size : 1);
	if (r->key.len)
		memcpy(p, r->key.p, r->key.len);
	if (r->value.len)
		memcpy(p + r->key.len, r->value.p, r->value.len);
	r->key.p = p;
	r->value.p = p + r->key.len;
}

/* copy: the batch's bytes do not outlive this call. */
static enum fetched_end records_add(
        struct fetched *b, struct fetched_batch *t, bool copy, int64_t *floor)
{
	while (t->at < t->end && !is_full(b)) {
		struct log_record *r = &b->out[b->n];
		if (!record_read(b, t, r)) {
			t->at = NULL;
			return FETCHED_BAD;
		}
		if (r->offset < *floor)
			continue;
		if (copy)
			record_copy(b, r);
		*floor = r->offset + 1;
		b->bytes += (size_t)r->key.len + r->value.len;
		b->n++;
	}
	if (t->at == t->end) {
		t->at = NULL;
		if (*floor < t->next_offset)
			*floor = t->next_offset;
	}
	return is_full(b) ? FETCHED_FULL : FETCHED_MORE;
}

/* What librdkafka did not hand over as a batch: of before message format v2. */
static enum fetched_end message_add(
        struct fetched *b, uint32_t topic, const rd_kafka_message_t *m, int64_t *floor)
{
	INVARIANT(b->n < b->max && !b->rest.at);
	if (m->offset < *floor)
		return FETCHED_MORE;
	struct log_record *r = &b->out[b->n++];
	*r = (struct log_record){.topic = topic,
	        .partition = m->partition,
	        .offset = m->offset,
	        .timestamp = rd_kafka_message_timestamp(m, NULL),
	        .has_key = m->key != NULL,
	        .has_value = m->payload != NULL,
	        .key = {m->key, (uint32_t)m->key_len},
	        .value = {m->payload, (uint32_t)m->len}};
	record_copy(b, r);
	*floor = m->offset + 1;
	b->bytes += m->key_len + m->len;
	return is_full(b) ? FETCHED_FULL : FETCHED_MORE;
}

enum fetched_end fetched_add_batch(struct fetched *b, struct fetched_batch t, int64_t *floor)
{
	INVARIANT(b->n < b->max && !b->rest.at);
	enum fetched_end end = records_add(b, &t, true, floor);
	if (!t.at)
		return end;
	struct buf *kept = &b->kept[b->kept_in ^= 1];
	kept->len = 0;
	buf_add(kept, t.at, (size_t)(t.end - t.at));
	t.at = kept->p;
	t.end = kept->p + kept->len;
	b->rest = t;
	return end;
}

enum fetched_end fetched_add(
        struct fetched *b, uint32_t topic, const rd_kafka_message_t *m, int64_t *floor)
{
	struct fetched_batch t = {.topic = topic,
	        .partition = m->partition,
	        .next_offset = m->offset + 1,
	        .at = m->payload,
	        .end = (const uint8_t *)m->payload + m->len};
	if (rd_kafka_message_records(m, &t.base_offset, &t.base_timestamp, &t.append_timestamp))
		return fetched_add_batch(b, t, floor);
	return message_add(b, topic, m, floor);
}

bool fetched_has_rest(const struct fetched *b, uint32_t topic, int32_t partition)
{
	return b->rest.at && b->rest.topic == topic && b->rest.partition == partition;
}

enum fetched_end fetched_add_rest(struct fetched *b, int64_t *floor)
{
	return records_add(b, &b->rest, false, floor);
}

void fetched_drop_rest(struct fetched *b)
{
	b->rest.at = NULL;
}
