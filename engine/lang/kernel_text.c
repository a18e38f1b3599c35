// SPDX-License-Identifier: Apache-2.0
//
// Texts. Positions and lengths are in characters (Unicode code points). lower and upper change
// ASCII letters only: the rest of Unicode's case tables change with the C library's version,
// and a result must not. hash is XXH64 with seed 0 over the value's bytes (integers, times and
// booleans as 8 bytes little-endian, doubles as their bits with -0 as 0, decimals as 16 bytes);
// with several arguments each hash is the next one's seed.
#include <xxhash.h>

#include "lang/kernel.h"

static void map_ascii(const struct insn *op, struct frame *f, uint8_t from, int shift)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		uint8_t *p = arena_alloc(f->a, a[i].len);
		for (uint32_t k = 0; k < a[i].len; k++) {
			uint8_t ch = a[i].p[k];
			p[k] = (uint8_t)(ch >= from && ch < from + 26 ? ch + shift : ch);
		}
		c->bytes[i] = (struct slice){p, a[i].len};
	}
}

void kernel_lower(const struct insn *op, struct frame *f)
{
	map_ascii(op, f, 'A', 32);
}

void kernel_upper(const struct insn *op, struct frame *f)
{
	map_ascii(op, f, 'a', -32);
}

static bool continues(uint8_t c)
{
	return (c & 0xC0) == 0x80;
}

void kernel_length(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		int64_t n = 0;
		for (uint32_t k = 0; k < a[i].len; k++)
			n += !continues(a[i].p[k]);
		c->i64[i] = n;
	}
}

void kernel_length_bytes(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes;
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i64[i] = a[i].len;
}

/* Characters [from, to) of s. */
static struct slice characters(struct slice s, int64_t from, int64_t to)
{
	uint32_t k = 0, start = s.len, end = s.len;
	for (int64_t at = 0; k < s.len; at++) {
		if (at == from)
			start = k;
		if (at == to)
			end = k;
		if (at >= to)
			break;
		for (k++; k < s.len && continues(s.p[k]); k++)
			;
	}
	if (start >= end)
		return (struct slice){s.p, 0};
	return (struct slice){s.p + start, end - start};
}

/* text, start from 1, optional length; positions before the text count towards the length */
void kernel_substr(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes;
	const int64_t *start = op_arg(op, f, 1)->i64;
	const int64_t *length = op->nargs > 2 ? op_arg(op, f, 2)->i64 : NULL;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		int64_t from, to = INT64_MAX;
		if (__builtin_sub_overflow(start[i], (int64_t)1, &from))
			from = INT64_MIN;
		if (length && __builtin_add_overflow(from, length[i], &to))
			to = length[i] > 0 ? INT64_MAX : INT64_MIN;
		c->bytes[i] = characters(a[i], from < 0 ? 0 : from, to < 0 ? 0 : to);
	}
}

/* Nulls are left out, as in PostgreSQL; the result is never null. */
void kernel_concat(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	memset(c->null, 0, f->n);
	for (uint32_t i = 0; i < f->n; i++) {
		uint64_t len = 0;
		for (uint32_t k = 0; k < op->nargs; k++)
			len += op_arg(op, f, k)->null[i] ? 0 : op_arg(op, f, k)->bytes[i].len;
		if (len > UINT32_MAX) {
			c->null[i] = 1;
			f->counts->overflow++;
			continue;
		}
		uint8_t *p = arena_alloc(f->a, len), *at = p;
		for (uint32_t k = 0; k < op->nargs; k++) {
			const struct column *a = op_arg(op, f, k);
			if (a->null[i] || !a->bytes[i].len)
				continue;
			memcpy(at, a->bytes[i].p, a->bytes[i].len);
			at += a->bytes[i].len;
		}
		c->bytes[i] = (struct slice){p, (uint32_t)len};
	}
}

static struct slice part_of(struct slice s, struct slice mark, int64_t wanted)
{
	const uint8_t *p = s.p, *end = s.p + s.len;
	for (int64_t part = 1;; part++) {
		const uint8_t *hit = memmem(p, (size_t)(end - p), mark.p, mark.len);
		if (part == wanted)
			return (struct slice){p, (uint32_t)((hit ? hit : end) - p)};
		if (!hit)
			return (struct slice){end, 0};
		p = hit + mark.len;
	}
}

/* text, mark, part from 1; '' when there is no such part; an empty mark fails */
void kernel_split_part(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes, *mark = op_arg(op, f, 1)->bytes;
	const int64_t *part = op_arg(op, f, 2)->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		if (!mark[i].len) {
			c->null[i] = 1;
			f->counts->failed_cast++;
		} else if (part[i] < 1 || !a[i].len) {
			c->bytes[i] = (struct slice){a[i].p, 0};
		} else {
			c->bytes[i] = part_of(a[i], mark[i], part[i]);
		}
	}
}

void kernel_starts_with(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes, *b = op_arg(op, f, 1)->bytes;
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i64[i] = a[i].len >= b[i].len &&
			            slice_eq((struct slice){a[i].p, b[i].len}, b[i]);
}

static uint64_t hash_value(const struct column *c, uint32_t i, uint64_t seed)
{
	uint8_t le[16];
	uint64_t low, high = 0;
	uint32_t n = 8;
	if (type_form(c->type) == FORM_BYTES)
		return XXH64(c->bytes[i].p, c->bytes[i].len, seed);
	if (type_form(c->type) == FORM_F64) {
		double v = c->f64[i] == 0 ? 0 : c->f64[i];
		memcpy(&low, &v, 8);
	} else if (type_form(c->type) == FORM_I128) {
		low = (uint64_t)c->i128[i];
		high = (uint64_t)((unsigned __int128)c->i128[i] >> 64);
		n = 16;
	} else {
		low = (uint64_t)c->i64[i];
	}
	for (uint32_t k = 0; k < 8; k++) {
		le[k] = (uint8_t)(low >> (8 * k));
		le[8 + k] = (uint8_t)(high >> (8 * k));
	}
	return XXH64(le, n, seed);
}

void kernel_hash(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		uint64_t h = 0;
		for (uint32_t k = 0; k < op->nargs; k++)
			h = hash_value(op_arg(op, f, k), i, h);
		c->i64[i] = (int64_t)h;
	}
}
