// SPDX-License-Identifier: Apache-2.0
//
// Arrays and maps. Recursion follows the schema, whose depth is bounded. A block begins with
// its count, which is known only at its end: elements are written first and the count is put in
// front of them.
#include "connectors/json/collect.h"

#include <stdlib.h>

#include "data/avro.h"
#include "connectors/json/decode.h"

static bool put_member(struct walk *w, struct buf *b, const struct member *m);

static void insert_count(struct buf *b, size_t at, uint32_t count)
{
	uint8_t digits[10];
	struct buf front = {digits, 0, sizeof digits};
	if (count)
		buf_varint(&front, count);
	buf_reserve(b, front.len);
	memmove(b->p + at + front.len, b->p + at, b->len - at);
	memcpy(b->p + at, digits, front.len);
	b->len += front.len;
	buf_byte(b, 0);
}

static bool put_array(struct walk *w, struct buf *b, const struct member *m)
{
	size_t at = b->len;
	uint32_t count = 0;
	int more = 1;
	if (scan_peek(&w->scan) != '[')
		return walk_wrong(w, "is not an array");
	if (!walk_open(w))
		return false;
	if (scan_peek(&w->scan) == ']') {
		w->scan.next++;
		more = 0;
	}
	while (more > 0) {
		if (!put_member(w, b, m->element))
			return false;
		count++;
		more = walk_more(w, ']');
	}
	w->scan.depth--;
	insert_count(b, at, count);
	return more == 0;
}

/* ---- maps ---- */

struct names {
	struct slice *p;
	uint32_t n, cap;
};

static void names_add(struct names *names, struct slice name, struct arena *a)
{
	if (names->n == names->cap) {
		uint32_t cap = names->cap ? names->cap * 2 : 8;
		struct slice *p = arena_alloc(a, cap * sizeof *p);
		if (names->n)
			memcpy(p, names->p, names->n * sizeof *p);
		names->p = p;
		names->cap = cap;
	}
	names->p[names->n++] = name;
}

static int name_order(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static bool names_differ(struct walk *w, struct names *names)
{
	if (names->n > 1)
		qsort(names->p, names->n, sizeof *names->p, name_order);
	for (uint32_t i = 1; i < names->n; i++)
		if (slice_eq(names->p[i - 1], names->p[i]))
			return walk_bad(w, BAD_DUPLICATE, names->p[i], "appears twice");
	return true;
}

static bool put_entries(
        struct walk *w, struct buf *b, const struct member *m, struct names *names)
{
	int more;
	do {
		struct slice name;
		if (!walk_name(w, &name))
			return false;
		names_add(names, name, w->a);
		buf_bytes(b, name);
		if (!put_member(w, b, m->element))
			return false;
		more = walk_more(w, '}');
	} while (more > 0);
	return more == 0;
}

static bool put_map(struct walk *w, struct buf *b, const struct member *m)
{
	size_t at = b->len;
	struct names names = {0};
	if (scan_peek(&w->scan) != '{')
		return walk_wrong(w, "is not a map");
	if (!walk_open(w))
		return false;
	if (scan_peek(&w->scan) == '}')
		w->scan.next++;
	else if (!put_entries(w, b, m, &names))
		return false;
	w->scan.depth--;
	insert_count(b, at, names.n);
	return names_differ(w, &names);
}

/* ---- records inside arrays and maps ---- */

/* First where each member's value is (token number, 0: absent), then the members in order. */
static bool find_members(struct walk *w, const struct object *o, uint32_t *at)
{
	uint32_t hint = 0;
	int more;
	do {
		struct slice name;
		if (!walk_name(w, &name))
			return false;
		const struct member *m = object_find(o, name, &hint);
		if (m && at[m - o->members])
			return walk_bad(w, BAD_DUPLICATE, name, "appears twice");
		if (m)
			at[m - o->members] = w->scan.next;
		if (!scan_skip(&w->scan))
			return walk_syntax(w);
		more = walk_more(w, '}');
	} while (more > 0);
	return more == 0;
}

static bool put_object(struct walk *w, struct buf *b, const struct object *o)
{
	if (scan_peek(&w->scan) != '{')
		return walk_wrong(w, "is not a record");
	if (!walk_open(w))
		return false;
	uint32_t *at = arena_calloc(w->a, o->nmembers, sizeof *at);
	if (scan_peek(&w->scan) == '}')
		w->scan.next++;
	else if (!find_members(w, o, at))
		return false;
	uint32_t end = w->scan.next;
	for (uint32_t i = 0; i < o->nmembers; i++) {
		const struct member *m = &o->members[i];
		w->scan.next = at[i];
		if (at[i] && !put_member(w, b, m))
			return false;
		if (!at[i] && !m->absent_avro.p)
			return walk_bad(w, BAD_MISSING, m->name, "is missing");
		if (!at[i])
			buf_slice(b, m->absent_avro);
	}
	w->scan.next = end;
	w->scan.depth--;
	return true;
}

static bool put_leaf(struct walk *w, struct buf *b, const struct member *m)
{
	struct value v;
	if (!leaf_read(w, &m->leaf, &v))
		return false;
	avro_write(b, &m->leaf.type, false, &v);
	return true;
}

static bool put_member(struct walk *w, struct buf *b, const struct member *m)
{
	int null = walk_null(w);
	if (null < 0)
		return false;
	if (null && !m->nullable)
		return walk_bad(w, BAD_MISSING, (struct slice){0}, "holds a null");
	if (!null && !scan_peek(&w->scan))
		return scan_fail(&w->scan, "the text ends too early"), walk_syntax(w);
	if (m->nullable)
		buf_varint(b, !null);
	if (null)
		return true;
	switch (m->kind) {
	case MEMBER_ARRAY:
		return put_array(w, b, m);
	case MEMBER_MAP:
		return put_map(w, b, m);
	case MEMBER_OBJECT:
		return put_object(w, b, m->object);
	default:
		return put_leaf(w, b, m);
	}
}

bool collect(struct walk *w, const struct member *m, struct slice *out)
{
	struct buf *b = &w->d->scratch;
	b->len = 0;
	bool ok = m->kind == MEMBER_ARRAY ? put_array(w, b, m) : put_map(w, b, m);
	if (ok)
		*out = arena_slice(w->a, buf_view(b));
	return ok;
}
