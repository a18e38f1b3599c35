/* SPDX-License-Identifier: Apache-2.0
 *
 * Longs and doubles, which most features are, are read and written in place, in room made once a
 * row. All others go through struct value and the text that value_text gives.
 *
 * Features come from the engine itself: malformed ones are a bug, not input, but nothing is read
 * beyond their end.
 */
#include "connectors/redis/row.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "data/avro.h"

#define INTEGRAL_MAX 1e15 /* doubles below it without a fraction are text without a point */
#define NAME_STEP 16      /* names are copied so many bytes at a time */
#define NUMBER_ROOM 48    /* of a number's entry: NUM_MAX and what is around it */

enum how { HOW_LONG, HOW_DOUBLE, HOW_OTHER };

struct row_field {
	const uint8_t *name; /* its entry, padded to whole steps */
	uint32_t name_len;
	enum how how;
	bool nullable;
};

static uint32_t padded(uint32_t len)
{
	return (len + NAME_STEP - 1) / NAME_STEP * NAME_STEP;
}

static enum how how_of(const struct type *t)
{
	return t->kind == KIND_LONG ? HOW_LONG : t->kind == KIND_DOUBLE ? HOW_DOUBLE : HOW_OTHER;
}

void row_plan_init(
	struct row_plan *p, const struct field *features, uint32_t n, struct arena *a)
{
	struct row_field *fields = arena_calloc(a, n, sizeof *fields);
	struct buf b;
	buf_init(&b);
	*p = (struct row_plan){.features = features, .fields = fields, .n = n};
	for (uint32_t i = 0; i < n; i++) {
		b.len = 0;
		dump_entry(&b, slice_of(features[i].name));
		uint8_t *name = arena_calloc(a, 1, padded((uint32_t)b.len));
		memcpy(name, b.p, b.len);
		fields[i] = (struct row_field){name, (uint32_t)b.len,
			how_of(&features[i].type), features[i].nullable};
		p->room += padded((uint32_t)b.len) + NUMBER_ROOM;
	}
	buf_release(&b);
}

// ---- reading ----

/* Whether the next value is null. */
static bool null_take(struct reader *r)
{
	if (r->p < r->end && (*r->p == 0 || *r->p == 2))
		return *r->p++ == 0;
	r->failed = true;
	return true;
}

static int64_t long_take(struct reader *r)
{
	if (r->p < r->end && *r->p < 0x80) {
		uint8_t z = *r->p++;
		return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
	}
	return reader_varint(r);
}

static double double_take(struct reader *r)
{
	uint64_t bits = 0;
	double v;
	if (r->end - r->p < 8) {
		r->failed = true;
		return 0;
	}
	memcpy(&bits, r->p, 8);
	r->p += 8;
	bits = le64toh(bits);
	memcpy(&v, &bits, 8);
	return v;
}

// ---- writing ----

static uint8_t *name_put(uint8_t *p, const struct row_field *f)
{
	for (uint32_t i = 0; i < f->name_len; i += NAME_STEP)
		memcpy(p + i, f->name + i, NAME_STEP);
	return p + f->name_len;
}

static bool is_integral(double v)
{
	return fabs(v) < INTEGRAL_MAX && (double)(int64_t)v == v && !(v == 0 && signbit(v));
}

/* The digits that value_text gives, but whole numbers are kept as such. */
static uint8_t *double_put(uint8_t *p, double v, struct row_memo *m)
{
	uint64_t bits;
	if (is_integral(v))
		return dump_put_int(p, (int64_t)v);
	memcpy(&bits, &v, 8);
	uint32_t at = (uint32_t)(bits * 0x9e3779b97f4a7c15u >> 32) % ROW_MEMO;
	if (!m->len[at] || m->bits[at] != bits) {
		uint8_t *end = dump_put_short(p, num_format_double((char *)p + 1, v));
		if ((size_t)(end - p) <= sizeof m->entry[at]) {
			m->bits[at] = bits;
			m->len[at] = (uint8_t)(end - p);
			memcpy(m->entry[at], p, sizeof m->entry[at]);
		}
		return end;
	}
	memcpy(p, m->entry[at], sizeof m->entry[at]);
	return p + m->len[at];
}

static void other_put(struct reader *r, const struct field *f, const struct row_field *rf,
	struct buf *text, struct dump *out)
{
	struct value v;
	avro_read(r, &f->type, f->nullable, &v);
	if (v.null)
		return;
	out->b.len = (size_t)(name_put(out->b.p + out->b.len, rf) - out->b.p);
	out->n++;
	if (f->type.kind == KIND_INT) {
		dump_int(out, v.i64);
		return;
	}
	text->len = 0;
	value_text(text, &f->type, &v);
	dump_text(out, buf_view(text));
}

void row_features(const struct row_plan *plan, struct slice bytes, struct row_memo *memo,
	struct buf *text, struct dump *out)
{
	struct reader r = reader_of(bytes);
	buf_reserve(&out->b, plan->room);
	uint8_t *p = out->b.p + out->b.len;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct row_field *f = &plan->fields[i];
		if (f->how == HOW_OTHER) {
			out->b.len = (size_t)(p - out->b.p);
			other_put(&r, &plan->features[i], f, text, out);
			buf_reserve(&out->b, plan->room);
			p = out->b.p + out->b.len;
			continue;
		}
		if (f->nullable && null_take(&r))
			continue;
		p = name_put(p, f);
		p = f->how == HOW_LONG ? dump_put_int(p, long_take(&r))
				       : double_put(p, double_take(&r), memo);
		out->n += 2;
	}
	out->b.len = (size_t)(p - out->b.p);
	INVARIANT(!r.failed && r.p == r.end);
}
