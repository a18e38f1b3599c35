// SPDX-License-Identifier: Apache-2.0
//
// Rows go straight into the block's buffer: nothing is copied but a row that turns out not to
// fit, and a row's bytes by one place when its size does not take the two bytes kept for it.
// Not here: when a block is sent (operators/window/rows.c), decoding rows.
#include "data/block.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "data/avro.h"

#define ONE_ITEM 0x01 /* the count -1: one item, and its size in bytes follows */
#define SIZE_ROOM 2   /* of a row of 64 to 8191 bytes */
#define SIZE_NONE UINT32_MAX
#define FIELD "rows"

// ---- schemas ----

enum status block_schema(
        struct arena *a, const struct schema *row, struct schema **out, struct error *e)
{
	struct buf b = {0};
	buf_printf(&b,
	        "{\"type\":\"record\",\"name\":\"%sBlock\",\"fields\":[{\"name\":\"" FIELD
	        "\",\"type\":{\"type\":\"array\",\"items\":%s}}]}",
	        row->name, row->json);
	enum status st = schema_parse(a, buf_view(&b), out, e);
	buf_release(&b);
	return st;
}

static bool is_block(const struct schema *s)
{
	const struct schema_node *top = s->root;
	if (top->nchildren != 1 || strcmp(top->children[0].name, FIELD) != 0 ||
	        top->children[0].kind != NODE_ARRAY)
		return false;
	return top->children[0].children[0].kind == NODE_RECORD;
}

enum status block_row_schema(
        struct arena *a, const struct schema *block, struct schema **out, struct error *e)
{
	if (!is_block(block))
		return ST_END;
	json_t *json = json_loads(block->json, JSON_ALLOW_NUL, NULL);
	json_t *field = json_array_get(json_object_get(json, "fields"), 0);
	json_t *row = json_object_get(json_object_get(field, "type"), "items");
	char *text = json_is_object(row) ? json_dumps(row, JSON_COMPACT) : NULL;
	enum status st = text ? schema_parse(a, slice_of(text), out, e) : ST_END;
	free(text);
	json_decref(json);
	return st;
}

// ---- writing ----

void block_release(struct block *b)
{
	buf_release(&b->buf);
}

void block_clear(struct block *b)
{
	if (b->buf.cap > 2 * BLOCK_BYTES_MAX) /* after a large row */
		buf_release(&b->buf);
	b->buf.len = 0;
	b->rows = 0;
}

void block_row_begin(struct block *b, const uint8_t *frame, uint32_t frame_len)
{
	static const uint8_t head[1 + SIZE_ROOM] = {ONE_ITEM};
	if (!b->rows) {
		b->buf.len = 0;
		b->frame_len = frame_len;
		b->first.partition = -1;
		buf_add(&b->buf, frame, frame_len);
	} else if (b->first.partition < 0) {
		b->first = b->last;
	}
	b->row = b->buf.len;
	buf_add(&b->buf, head, sizeof head);
}

/* Into the room kept for it; where that is too much or too little, the row moves. */
static void size_write(struct block *b)
{
	uint8_t size[AVRO_LONG_BYTES];
	size_t at = b->row + 1, row = b->buf.len - at - SIZE_ROOM;
	size_t n = (size_t)(avro_put_long(size, (int64_t)row) - size);
	if (n != SIZE_ROOM) {
		buf_reserve(&b->buf, sizeof size);
		memmove(b->buf.p + at + n, b->buf.p + at + SIZE_ROOM, row);
		b->buf.len = at + n + row;
	}
	memcpy(b->buf.p + at, size, n);
}

void block_row_end(struct block *b, int32_t partition, int64_t offset)
{
	size_write(b);
	b->rows++;
	b->last = (struct block_source){partition, offset};
}

bool block_is_full(const struct block *b)
{
	return b->rows == BLOCK_ROWS_MAX || (b->rows && b->buf.len >= BLOCK_BYTES_MAX);
}

static bool leaves_one_out(const struct block *b)
{
	return b->rows > 1 && b->buf.len > BLOCK_BYTES_MAX;
}

struct slice block_value(struct block *b)
{
	size_t end = leaves_one_out(b) ? b->row : b->buf.len;
	buf_reserve(&b->buf, 1);
	b->buf.p[end] = 0; /* of the array; over a row that is left out, until block_sent */
	return (struct slice){b->buf.p, (uint32_t)end + 1};
}

void block_sent(struct block *b)
{
	if (!leaves_one_out(b)) {
		block_clear(b);
		return;
	}
	b->buf.p[b->row] = ONE_ITEM;
	memmove(b->buf.p + b->frame_len, b->buf.p + b->row, b->buf.len - b->row);
	b->buf.len -= b->row - b->frame_len;
	b->row = b->frame_len;
	b->rows = 1;
	b->first.partition = -1;
}

void block_key(const struct block *b, int64_t incarnation_ms, int64_t epoch, uint32_t n,
        struct buf *key)
{
	const struct block_source *s = &b->first;
	if (s->partition < 0 && !leaves_one_out(b))
		s = &b->last;
	key->len = 0;
	if (s->partition < 0)
		buf_byte(key, 'x');
	else
		buf_printf(key, "%" PRId32 ":%" PRId64, s->partition, s->offset);
	buf_printf(key, "|%" PRId64 ".%" PRId64 ".%" PRIu32, incarnation_ms, epoch, n);
}

// ---- reading ----

/* A row's key has two bars: an entity's own are escaped. */
bool block_key_is(struct slice key)
{
	const uint8_t *bar = key.len ? memchr(key.p, '|', key.len) : NULL;
	return bar && !memchr(bar + 1, '|', (size_t)(key.p + key.len - bar - 1));
}

struct slice block_unframe(struct slice value)
{
	uint32_t n = value.len && value.p[0] == 0xc3 ? AVRO_SINGLE_OBJECT_BYTES
	                                             : AVRO_REGISTRY_BYTES;
	n = n > value.len ? value.len : n;
	return (struct slice){value.p + n, value.len - n};
}

void block_read(struct block_reader *r, struct slice body, const struct schema *row)
{
	*r = (struct block_reader){.in = reader_of(body), .row = row, .size = SIZE_NONE};
}

/* The next array block that has items. */
static enum status items_next(struct block_reader *r)
{
	int64_t n = reader_varint(&r->in), size = -1;
	if (n < 0) {
		size = reader_varint(&r->in);
		if (n == INT64_MIN || size < 0 || size > r->in.end - r->in.p)
			return ST_ERR;
		n = -n;
	}
	/* An item takes a byte at least. */
	if (r->in.failed || n > r->in.end - r->in.p)
		return ST_ERR;
	if (!n)
		return r->in.p == r->in.end ? ST_END : ST_ERR;
	r->left = n;
	r->size = n == 1 && size >= 0 ? (uint32_t)size : SIZE_NONE;
	return ST_OK;
}

/* Rows are flat, and hold no records in arrays: their fields' types say how long they are. */
static bool fields_skip(struct block_reader *r)
{
	struct value ignored;
	for (size_t i = 0; r->row && i < r->row->nfields; i++)
		avro_read(&r->in, &r->row->fields[i].type, r->row->fields[i].nullable,
		        &ignored);
	return r->row && !r->in.failed;
}

enum status block_next(struct block_reader *r, struct slice *row)
{
	if (!r->left) {
		enum status st = items_next(r);
		if (st)
			return st;
	}
	r->left--;
	if (r->size != SIZE_NONE) {
		*row = reader_take(&r->in, r->size);
		return ST_OK;
	}
	const uint8_t *from = r->in.p;
	if (!fields_skip(r))
		return ST_ERR;
	*row = (struct slice){from, (uint32_t)(r->in.p - from)};
	return ST_OK;
}
