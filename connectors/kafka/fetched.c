// SPDX-License-Identifier: Apache-2.0
//
// Copies messages into one poll's records. Which of them count is not decided here.
#include "fetched.h"

#include <string.h>

void fetched_init(struct fetched *b, size_t bytes_max)
{
	memset(b, 0, sizeof *b);
	arena_init(&b->arena);
	b->bytes_max = bytes_max;
}

void fetched_release(struct fetched *b)
{
	arena_release(&b->arena);
}

void fetched_begin(struct fetched *b, struct log_record *out, uint32_t max)
{
	arena_reset(&b->arena);
	b->out = out;
	b->n = 0;
	b->max = max;
	b->bytes = 0;
}

static void headers_add(struct fetched *b, struct log_record *r, const rd_kafka_message_t *m)
{
	rd_kafka_headers_t *all;
	if (rd_kafka_message_headers(m, &all) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	size_t n = rd_kafka_header_cnt(all);
	n = n > LOG_HEADERS_MAX ? LOG_HEADERS_MAX : n;
	struct log_header *h = arena_calloc(&b->arena, n + 1, sizeof *h);
	for (size_t i = 0; i < n; i++) {
		const char *name;
		const void *value;
		size_t size;
		if (rd_kafka_header_get_all(all, i, &name, &value, &size))
			break;
		struct slice s = {value, value ? (uint32_t)size : 0};
		h[r->nheaders++] = (struct log_header){
		        arena_strdup(&b->arena, name), arena_slice(&b->arena, s)};
	}
	r->headers = h;
}

bool fetched_add(struct fetched *b, uint32_t topic, const rd_kafka_message_t *m)
{
	INVARIANT(b->n < b->max);
	size_t size = m->key_len + m->len;
	uint8_t *p = arena_alloc(&b->arena, size ? size : 1);
	if (m->key_len)
		memcpy(p, m->key, m->key_len);
	if (m->len)
		memcpy(p + m->key_len, m->payload, m->len);
	b->out[b->n++] = (struct log_record){
	        .topic = topic,
	        .partition = m->partition,
	        .offset = m->offset,
	        .timestamp = rd_kafka_message_timestamp(m, NULL),
	        .has_key = m->key != NULL,
	        .has_value = m->payload != NULL,
	        .key = {p, (uint32_t)m->key_len},
	        .value = {p + m->key_len, (uint32_t)m->len},
	};
	if (b->headers)
		headers_add(b, &b->out[b->n - 1], m);
	b->bytes += size;
	return b->n == b->max || b->bytes >= b->bytes_max;
}
