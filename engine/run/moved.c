// SPDX-License-Identifier: Apache-2.0
//
// Records on their way to a repartition topic, one after the other in one buffer. Between
// rounds it is empty: nothing is held over an epoch's end.
#include "run/moved.h"

#include <stdlib.h>

#include "base/arena.h"
#include "run/worker.h"

#define KEEP_BYTES ((size_t)1 << 20)

struct moved_record {
	int64_t src_offset;
	size_t at; /* in bytes: the key, then the value */
	int32_t partition;
	uint32_t key_len, value_len;
};

enum status moved_append(void *arg, uint32_t topic, int32_t partition, struct slice key,
        const struct slice *value, struct error *e)
{
	struct moved *m = arg;
	if (!m->held)
		return worker_append(m->worker, topic, partition, key, value, NULL, 0, e);
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 256;
		m->records = xrealloc(m->records, m->cap * sizeof *m->records);
	}
	m->topic = topic;
	m->records[m->n++] = (struct moved_record){
	        m->src_offset, m->bytes.len, partition, key.len, value->len};
	buf_slice(&m->bytes, key);
	buf_slice(&m->bytes, *value);
	return ST_OK;
}

enum status moved_emit(struct moved *m, int64_t upto, struct error *e)
{
	for (; m->next < m->n && m->records[m->next].src_offset <= upto; m->next++) {
		const struct moved_record *r = &m->records[m->next];
		struct slice key = {m->bytes.p + r->at, r->key_len};
		struct slice value = {key.p + r->key_len, r->value_len};
		if (worker_append(m->worker, m->topic, r->partition, key, &value, NULL, 0, e))
			return ST_ERR;
	}
	return ST_OK;
}

void moved_clear(struct moved *m)
{
	m->n = m->next = 0;
	m->bytes.len = 0;
	if (m->bytes.cap > KEEP_BYTES)
		moved_release(m);
}

void moved_release(struct moved *m)
{
	buf_release(&m->bytes);
	free(m->records);
	m->records = NULL;
	m->cap = 0;
}
