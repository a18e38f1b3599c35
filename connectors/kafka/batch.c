// SPDX-License-Identifier: Apache-2.0
//
// Copies messages into one poll's records. Which of them count is not decided here.
#include "batch.h"

#include <string.h>

void batch_init(struct batch *b, size_t bytes_max)
{
	memset(b, 0, sizeof *b);
	arena_init(&b->arena);
	b->bytes_max = bytes_max;
}

void batch_release(struct batch *b)
{
	arena_release(&b->arena);
}

void batch_begin(struct batch *b, struct log_record *out, uint32_t max)
{
	arena_reset(&b->arena);
	b->out = out;
	b->n = 0;
	b->max = max;
	b->bytes = 0;
}

bool batch_add(struct batch *b, uint32_t topic, const rd_kafka_message_t *m)
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
	b->bytes += size;
	return b->n == b->max || b->bytes >= b->bytes_max;
}
