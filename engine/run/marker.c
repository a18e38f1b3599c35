// SPDX-License-Identifier: Apache-2.0
//
// Markers as bytes: varints in the order of the struct. Formats 1 and 2 were of changelogs with a
// record per row, which are not read any more.
#include "run/marker.h"

#include <string.h>

#define MARKER_FORMAT 3

static void snapshot_write(const struct marker_snapshot *s, struct buf *b)
{
	buf_varint(b, s->floor);
	buf_varint(b, (int64_t)s->log_bytes);
	buf_varint(b, (int64_t)s->tail_bytes);
	buf_varint(b, (int64_t)s->state_bytes);
	buf_varint(b, (int64_t)s->done_bytes);
	buf_varint(b, s->space);
	buf_bytes(b, (struct slice){s->cursor, s->cursor_len});
}

static void snapshot_read(struct reader *r, struct marker_snapshot *s)
{
	s->floor = reader_varint(r);
	s->log_bytes = (uint64_t)reader_varint(r);
	s->tail_bytes = (uint64_t)reader_varint(r);
	s->state_bytes = (uint64_t)reader_varint(r);
	s->done_bytes = (uint64_t)reader_varint(r);
	s->space = (uint32_t)reader_varint(r);
	struct slice cursor = reader_bytes(r);
	if (cursor.len > sizeof s->cursor)
		r->failed = true;
	if (r->failed)
		return;
	s->cursor_len = cursor.len;
	memcpy(s->cursor, cursor.p, cursor.len);
}

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
	snapshot_write(&m->snapshot, b);
	buf_bytes(b, slice_of(m->transactional_id));
}

static void input_read(struct reader *r, struct marker_input *in)
{
	in->next_offset = reader_varint(r);
	in->stream_time = reader_varint(r);
	in->idle_time = reader_varint(r);
	in->last_timestamp = reader_varint(r);
	struct slice id = reader_take(r, sizeof in->topic_id);
	if (id.p)
		memcpy(in->topic_id, id.p, id.len);
	in->partitions = (int32_t)reader_varint(r);
}

static bool marker_read_from(struct reader *r, struct marker *m)
{
	*m = (struct marker){0};
	if (reader_byte(r) != MARKER_FORMAT)
		return false;
	m->incarnation_ms = reader_varint(r);
	m->epoch = reader_varint(r);
	m->plan_hash = reader_be64(r);
	int64_t n = reader_varint(r);
	if (r->failed || n < 0 || n > MARKER_INPUTS_MAX)
		return false;
	m->ninputs = (uint32_t)n;
	for (uint32_t i = 0; i < m->ninputs; i++)
		input_read(r, &m->inputs[i]);
	snapshot_read(r, &m->snapshot);
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

void store_meta_write(int64_t changelog_next, const struct marker *m, struct buf *b)
{
	buf_varint(b, changelog_next);
	marker_write(m, b);
}

bool store_meta_read(struct slice s, int64_t *changelog_next, struct marker *m)
{
	struct reader r = reader_of(s);
	*changelog_next = reader_varint(&r);
	return marker_read_from(&r, m);
}
