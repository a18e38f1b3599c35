// SPDX-License-Identifier: Apache-2.0
//
// Segments to bytes and back.
#include "operators/monitor/segment.h"

#include "data/entity.h"

#define SEGMENT_NULL "%n" /* no escape: those are two hexadecimal digits */

static void value_write(struct buf *out, const struct column *c, uint32_t i)
{
	struct value v = column_get(c, i);
	if (v.null)
		buf_str(out, SEGMENT_NULL);
	else if (c->type->kind == KIND_BOOLEAN)
		buf_str(out, v.i64 ? "true" : "false");
	else
		entity_write(out, &c->type, &v, 1);
}

void segment_write(const struct monitor *m, const struct batch *b, uint32_t i, struct buf *out)
{
	for (uint32_t k = 0; k < m->nby; k++) {
		if (k)
			buf_byte(out, ':');
		value_write(out, &b->cols[m->by[k]], i);
	}
}

static const char *text_of(struct slice s, struct arena *a)
{
	static const struct type t_text = {.kind = KIND_STRING};
	static const struct type *const types[] = {&t_text};
	struct value v;
	if (slice_eq(s, slice_of(SEGMENT_NULL)))
		return NULL;
	if (!s.len)
		return "";
	bool ok = entity_read(s, types, 1, &v, a);
	INVARIANT(ok);
	return arena_strndup(a, (const char *)v.bytes.p, v.bytes.len);
}

const char **segment_values(const struct monitor *m, struct slice segment, struct arena *a)
{
	const char **out = arena_calloc(a, m->nby + 1, sizeof *out);
	const uint8_t *p = segment.p, *end = segment.p + segment.len;
	for (uint32_t k = 0; k < m->nby; k++) {
		const uint8_t *colon = p ? memchr(p, ':', (size_t)(end - p)) : NULL;
		const uint8_t *to = colon ? colon : end;
		out[k] = text_of((struct slice){p, (uint32_t)(to - p)}, a);
		p = colon ? colon + 1 : end;
	}
	return out;
}

const struct baseline_segment *segment_baseline(
        const struct monitor *m, struct slice segment, struct arena *a)
{
	if (!m->by_baseline)
		return &m->baseline->segments[0];
	const char **values = segment_values(m, segment, a);
	for (uint32_t k = 0; k < m->nby; k++)
		if (!values[k])
			return &m->baseline->segments[0];
	return baseline_segment(m->baseline, values, m->nby);
}
