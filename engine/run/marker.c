// SPDX-License-Identifier: Apache-2.0
//
// Markers as bytes. Format 2: varints in the order of the struct. Format 1 had no last_timestamp.
#include "run/marker.h"

#include <string.h>

#define MARKER_FORMAT 2

void marker_write(const struct marker *m, struct buf *b)
{
	buf_byte(b, MARKER_FORMAT);
	buf_varint(b, m->incarnation_ms);
	buf_varint(b, m->epoch);
	buf_be64(b, m->plan_hash);
	buf_varint(b, m->ninputs);
	for (uint32_t i = 0; i < m->ninputs; i++) {
		const struct marker_input *in = &m->inputs[i];
		buf_varint(b, in->next_offset);
		buf_varint(b, in->stream_time);
		buf_varint(b, in->idle_time);
		buf_varint(b, in->last_timestamp);
		buf_add(b, in->topic_id, sizeof in->topic_id);
		buf_varint(b, in->partitions);
	}
	buf_bytes(b, slice_of(m->transactional_id));
}

static void input_read(struct reader *r, uint8_t format, struct marker_input *in)
{
	in->next_offset = reader_varint(r);
	in->stream_time = reader_varint(r);
	in->idle_time = reader_varint(r);
	in->last_timestamp = format > 1 ? reader_varint(r) : MARKER_NO_TIME;
	struct slice id = reader_take(r, sizeof in->topic_id);
	if (id.p)
		memcpy(in->topic_id, id.p, id.len);
	in->partitions = (int32_t)reader_varint(r);
}

static bool marker_read_from(struct reader *r, struct marker *m)
{
	*m = (struct marker){0};
	uint8_t format = reader_byte(r);
	if (format < 1 || format > MARKER_FORMAT)
		return false;
	m->incarnation_ms = reader_varint(r);
	m->epoch = reader_varint(r);
	m->plan_hash = reader_be64(r);
	int64_t n = reader_varint(r);
	if (r->failed || n < 0 || n > MARKER_INPUTS_MAX)
		return false;
	m->ninputs = (uint32_t)n;
	for (uint32_t i = 0; i < m->ninputs; i++)
		input_read(r, format, &m->inputs[i]);
	struct slice id = reader_bytes(r);
	if (r->failed || id.len >= sizeof m->transactional_id)
		return false;
	memcpy(m->transactional_id, id.p, id.len);
	return true;
}

bool marker_read(struct slice s, struct marker *m)
{
	struct reader r = reader_of(s);
	return marker_read_from(&r, m);
}

void store_meta_write(int64_t changelog_next, const struct marker *m, int64_t wall_ms,
	struct buf *b)
{
	buf_varint(b, changelog_next);
	marker_write(m, b);
	buf_varint(b, wall_ms);
}

bool store_meta_read(struct slice s, int64_t *changelog_next, struct marker *m,
	int64_t *wall_ms)
{
	struct reader r = reader_of(s);
	*changelog_next = reader_varint(&r);
	if (!marker_read_from(&r, m))
		return false;
	*wall_ms = reader_varint(&r);
	if (r.failed)
		*wall_ms = 0; /* written before this was kept */
	return true;
}
