// SPDX-License-Identifier: Apache-2.0
//
// Arrays and maps, the cold part: passing over them, and rewriting them into the one layout
// that columns have. Recursion follows the schema, whose depth is bounded.
#include "connectors/avro/run.h"
#include "data/avro.h"

bool run_block(struct run *x, int64_t *n)
{
	int64_t bytes;
	if (!run_long(x, n))
		return false;
	if (*n < 0) {
		/* The block's size in bytes is not used: elements are walked, to check them. */
		if (*n == INT64_MIN || !run_long(x, &bytes))
			return run_bad(x, BAD_SYNTAX, NULL, "a block's count out of range");
		*n = -*n;
	}
	/* Each element takes a byte at least. */
	return *n <= x->end - x->p ||
	       run_bad(x, BAD_SYNTAX, NULL, "a block of more elements than bytes are left");
}

static bool skip_blocks(struct run *x, const struct schema_node *w)
{
	int64_t n;
	struct slice name;
	while (run_block(x, &n)) {
		if (n == 0)
			return true;
		for (; n > 0; n--)
			if ((w->kind == NODE_MAP && !run_bytes(x, &name)) ||
			        !run_skip(x, &w->children[0]))
				return false;
	}
	return false;
}

static bool skip_leaf(struct run *x, const struct schema_node *w)
{
	struct value ignored;
	struct step s = {.field = -1};
	uint32_t n = 0;
	switch (w->avro) {
	case KIND_BOOLEAN:
		s.op = STEP_BOOLEAN;
		break;
	case KIND_INT:
		s.op = STEP_INT;
		break;
	case KIND_LONG:
		s.op = STEP_LONG;
		break;
	case KIND_FLOAT:
		s.op = STEP_FLOAT;
		break;
	case KIND_DOUBLE:
		s.op = STEP_DOUBLE;
		break;
	case KIND_ENUM:
		while (w->type.symbols[n])
			n++;
		return run_long(x, &ignored.i64) &&
		       ((ignored.i64 >= 0 && ignored.i64 < n) ||
		               run_bad(x, BAD_SYNTAX, NULL,
		                       "an enum's number beyond its symbols"));
	default:
		s.op = w->kind == NODE_FIXED ? STEP_FIXED : STEP_BYTES;
		s.n = w->fixed_bytes;
	}
	return run_leaf(x, &s, &ignored);
}

bool run_skip(struct run *x, const struct schema_node *w)
{
	int64_t branch;
	switch (w->kind) {
	case NODE_UNION:
		if (!run_long(x, &branch))
			return false;
		if (branch != 0 && branch != 1)
			return run_bad(
			        x, BAD_SYNTAX, NULL, "a union's branch that does not exist");
		return branch == w->null_branch || run_skip(x, &w->children[branch]);
	case NODE_RECORD:
		for (size_t i = 0; i < w->nchildren; i++)
			if (!run_skip(x, &w->children[i]))
				return false;
		return true;
	case NODE_ARRAY:
	case NODE_MAP:
		return skip_blocks(x, w);
	default:
		return skip_leaf(x, w);
	}
}

/* ---- rewriting ---- */

/* Puts the count, known only now, before the elements written since at, and the end behind. */
static void close_block(struct buf *b, size_t at, uint32_t count)
{
	uint8_t digits[10];
	struct buf front = {digits, 0, sizeof digits};
	if (count)
		buf_varint(&front, count);
	buf_reserve(b, front.len + 1);
	memmove(b->p + at + front.len, b->p + at, b->len - at);
	memcpy(b->p + at, digits, front.len);
	b->len += front.len;
	buf_byte(b, 0);
}

static bool copy_entry(struct run *x, const struct copy *c, struct buf *out)
{
	struct slice name;
	if (c->kind == NODE_MAP) {
		if (!run_bytes(x, &name))
			return false;
		buf_bytes(out, name);
	}
	return run_copy(x, &c->children[0], out);
}

static bool copy_blocks(struct run *x, const struct copy *c, struct buf *out)
{
	size_t at = out->len;
	uint32_t count = 0;
	int64_t n;
	while (run_block(x, &n)) {
		if (n == 0) {
			close_block(out, at, count);
			return true;
		}
		for (; n > 0; n--, count++)
			if (!copy_entry(x, c, out))
				return false;
	}
	return false;
}

/* The writer's fields are passed over once to know where each begins; then the reader's are
 * taken in their own order. */
static bool copy_record(struct run *x, const struct copy *c, struct buf *out)
{
	const uint8_t **at = arena_alloc(x->a, c->writer->nchildren * sizeof *at);
	for (size_t i = 0; i < c->writer->nchildren; i++) {
		at[i] = x->p;
		if (!run_skip(x, &c->writer->children[i]))
			return false;
	}
	const uint8_t *end = x->p;
	for (uint32_t i = 0; i < c->nchildren; i++) {
		if (c->from[i] < 0) {
			buf_slice(out, c->absent[i]);
			continue;
		}
		x->p = at[c->from[i]];
		if (!run_copy(x, &c->children[i], out))
			return false;
	}
	x->p = end;
	return true;
}

static bool copy_leaf(struct run *x, const struct copy *c, struct buf *out)
{
	struct value v;
	if (!run_leaf(x, &c->leaf, &v))
		return false;
	avro_write(out, c->type, false, &v);
	return true;
}

bool run_copy(struct run *x, const struct copy *c, struct buf *out)
{
	int64_t branch = -1;
	if (c->writer_null >= 0) {
		if (!run_long(x, &branch))
			return false;
		if (branch != 0 && branch != 1)
			return run_bad(
			        x, BAD_SYNTAX, NULL, "a union's branch that does not exist");
	}
	bool null = c->writer_null >= 0 && branch == c->writer_null;
	if (null && !c->reader_nullable)
		return run_bad(x, BAD_MISSING, NULL, "holds a null");
	if (c->reader_nullable)
		buf_varint(out, !null);
	if (null)
		return true;
	if (c->kind == NODE_LEAF)
		return copy_leaf(x, c, out);
	return c->kind == NODE_RECORD ? copy_record(x, c, out) : copy_blocks(x, c, out);
}
