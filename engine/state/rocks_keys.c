// SPDX-License-Identifier: Apache-2.0
//
// The keys of the RocksDB store (layout 2; rocks_store.c keeps the number in the database):
//
//   task 0 'M'                      -> meta
//   task 0 'R' space entity         -> row
//   task 0 'T' space due entity     -> nothing (due: big-endian, sign bit turned)
//   0 "layout"                      -> the layout's number
//
// The task comes first, so two tasks' files never overlap. Not here: reading and writing.
#include <string.h>

#include "state/rocks_inside.h"

#define SIGN (UINT64_C(1) << 63)

void rocks_key(
        struct buf *b, const struct rocks_task *t, enum rocks_kind kind, struct slice space)
{
	b->len = 0;
	buf_slice(b, buf_view(&t->name));
	buf_byte(b, (uint8_t)kind);
	buf_slice(b, space);
}

void rocks_key_row(struct buf *b, const struct rocks_task *t, struct store_key k)
{
	rocks_key(b, t, KIND_ROW, k.space);
	buf_slice(b, k.entity);
}

bool rocks_key_is_row(struct slice key)
{
	const uint8_t *end = key.len ? memchr(key.p, 0, key.len) : NULL; /* of the task's name */
	return end && end + 1 < key.p + key.len && end[1] == KIND_ROW;
}

void rocks_key_timer(struct buf *b, const struct rocks_task *t, struct slice space, int64_t due,
        struct slice entity)
{
	rocks_key(b, t, KIND_TIMER, space);
	buf_be64(b, (uint64_t)due ^ SIGN);
	buf_slice(b, entity);
}

int64_t rocks_key_due(struct slice key, uint32_t prefix, struct slice *entity)
{
	struct reader r = reader_of((struct slice){key.p + prefix, key.len - prefix});
	int64_t due = (int64_t)(reader_be64(&r) ^ SIGN);
	*entity = (struct slice){r.p, (uint32_t)(r.end - r.p)};
	return due;
}

void rocks_key_range(struct buf *b, struct buf *end, const struct rocks_task *t)
{
	b->len = end->len = 0;
	buf_slice(b, buf_view(&t->name));
	buf_slice(end, buf_view(&t->name));
	end->p[end->len - 1] = 1; /* the name's closing NUL */
}
