// SPDX-License-Identifier: Apache-2.0
//
// Single values as Avro binary, and as text. The binary has one shape only: an array or map is
// one block (count, elements) and an end mark, whatever blocks its writer used, a decimal is
// the shortest two's complement: equal values are equal bytes. Recursion follows the type,
// whose depth the schema bounds.
#include "data/avro.h"

#include "base/error.h"
#include "data/window.h"

void avro_frame_single_object(struct buf *b, uint64_t fingerprint)
{
	buf_byte(b, 0xc3);
	buf_byte(b, 0x01);
	for (int i = 0; i < 8; i++)
		buf_byte(b, (uint8_t)(fingerprint >> (8 * i)));
}

void avro_frame_registry(struct buf *b, uint32_t id)
{
	buf_byte(b, 0);
	buf_be32(b, id);
}

static void write_float(struct buf *b, double v)
{
	float f = (float)v;
	uint32_t bits;
	memcpy(&bits, &f, 4);
	for (int i = 0; i < 4; i++)
		buf_byte(b, (uint8_t)(bits >> (8 * i)));
}

static void write_decimal(struct buf *b, __int128 v)
{
	uint8_t be[16];
	for (int i = 0; i < 16; i++)
		be[i] = (uint8_t)((unsigned __int128)v >> (8 * (15 - i)));
	int from = 0;
	while (from < 15 && ((be[from] == 0 && be[from + 1] < 0x80) ||
	                            (be[from] == 0xff && be[from + 1] >= 0x80)))
		from++;
	buf_bytes(b, (struct slice){be + from, (uint32_t)(16 - from)});
}

static void write_enum(struct buf *b, const struct type *t, struct slice text)
{
	int64_t i = 0;
	while (t->symbols[i] && !slice_eq(slice_of(t->symbols[i]), text))
		i++;
	INVARIANT(t->symbols[i]);
	buf_varint(b, i);
}

void avro_write(struct buf *b, const struct type *t, bool nullable, const struct value *v)
{
	INVARIANT(nullable || !v->null);
	if (nullable)
		buf_varint(b, !v->null);
	if (v->null)
		return;
	switch (t->kind) {
	case KIND_BOOLEAN:
		buf_byte(b, v->i64 != 0);
		break;
	case KIND_FLOAT:
		write_float(b, v->f64);
		break;
	case KIND_DOUBLE:
		buf_double(b, v->f64);
		break;
	case KIND_DECIMAL:
		write_decimal(b, v->i128);
		break;
	case KIND_STRING:
	case KIND_BYTES:
		buf_bytes(b, v->bytes);
		break;
	case KIND_ENUM:
		write_enum(b, t, v->bytes);
		break;
	case KIND_ARRAY:
	case KIND_MAP:
		buf_slice(b, v->bytes);
		break;
	default:
		buf_varint(b, v->i64);
	}
}

static double read_float(struct reader *r)
{
	struct slice s = reader_take(r, 4);
	uint32_t bits = 0;
	for (uint32_t i = 0; i < s.len; i++)
		bits |= (uint32_t)s.p[i] << (8 * i);
	float f;
	memcpy(&f, &bits, 4);
	return f;
}

bool avro_decimal(struct slice s, __int128 *out)
{
	uint8_t sign = s.len && s.p[0] >= 0x80 ? 0xff : 0;
	while (s.len > 16) {
		if (s.p[0] != sign)
			return false;
		s = (struct slice){s.p + 1, s.len - 1};
	}
	if (s.len == 16 && (s.p[0] >= 0x80) != (sign == 0xff))
		return false;
	unsigned __int128 v = sign ? ~(unsigned __int128)0 : 0;
	for (uint32_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	*out = (__int128)v;
	return true;
}

static int64_t read_bounded(struct reader *r, int64_t min, int64_t max)
{
	int64_t v = reader_varint(r);
	if (v < min || v > max)
		r->failed = true;
	return v;
}

/* Starts a block; 0 at the end. An element takes at least one byte, so a count beyond the rest
 * of the input is malformed: no loop runs away. */
int64_t avro_block(struct reader *r)
{
	int64_t n = reader_varint(r);
	if (n < 0) {
		int64_t bytes = reader_varint(r);
		if (n == INT64_MIN || bytes < 0 || bytes > r->end - r->p)
			r->failed = true;
		else
			n = -n;
	}
	if (n > r->end - r->p)
		r->failed = true;
	return r->failed ? 0 : n;
}

static void skip_blocks(struct reader *r, const struct type *t)
{
	struct value ignored;
	if (!t->element) {
		r->failed = true; /* of records: only a decoder knows its end */
		return;
	}
	for (int64_t n; (n = avro_block(r)) > 0;) {
		for (; n > 0 && !r->failed; n--) {
			if (t->kind == KIND_MAP)
				reader_bytes(r);
			avro_read(r, t->element, t->element_nullable, &ignored);
		}
	}
}

static struct slice read_enum(struct reader *r, const struct type *t)
{
	int64_t i = reader_varint(r);
	for (int64_t k = 0; t->symbols[k] && i >= 0; k++)
		if (k == i)
			return slice_of(t->symbols[k]);
	r->failed = true;
	return (struct slice){NULL, 0};
}

static void read_i64(struct reader *r, const struct type *t, struct value *out)
{
	bool narrow =
	        t->kind == KIND_INT || t->kind == KIND_DATE || t->kind == KIND_TIME_MILLIS;
	out->i64 = narrow ? read_bounded(r, INT32_MIN, INT32_MAX) : reader_varint(r);
}

void avro_read(struct reader *r, const struct type *t, bool nullable, struct value *out)
{
	*out = (struct value){.null = nullable && read_bounded(r, 0, 1) == 0};
	if (out->null)
		return;
	const uint8_t *from = r->p;
	switch (t->kind) {
	case KIND_BOOLEAN:
		out->i64 = reader_byte(r);
		r->failed |= out->i64 > 1;
		break;
	case KIND_FLOAT:
		out->f64 = read_float(r);
		break;
	case KIND_DOUBLE:
		out->f64 = reader_double(r);
		break;
	case KIND_DECIMAL:
		if (!avro_decimal(reader_bytes(r), &out->i128))
			r->failed = true;
		break;
	case KIND_STRING:
	case KIND_BYTES:
		out->bytes = reader_bytes(r);
		break;
	case KIND_ENUM:
		out->bytes = read_enum(r, t);
		break;
	case KIND_ARRAY:
	case KIND_MAP:
		skip_blocks(r, t);
		out->bytes = (struct slice){from, (uint32_t)(r->p - from)};
		break;
	default:
		read_i64(r, t, out);
	}
	if (r->failed)
		*out = (struct value){.null = true};
}

static void text_decimal(struct buf *b, const struct type *t, __int128 v)
{
	char digits[48];
	int n = 0;
	unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	for (; u || n <= t->scale; u /= 10)
		digits[n++] = (char)('0' + (int)(u % 10));
	if (v < 0)
		buf_byte(b, '-');
	while (n > 0) {
		if (n == t->scale)
			buf_byte(b, '.');
		buf_byte(b, (uint8_t)digits[--n]);
	}
}

static int64_t time_ms(const struct type *t, int64_t v)
{
	return t->kind == KIND_TIMESTAMP_MICROS ? floor_div(v, 1000) : v;
}

static void json_key(struct buf *b, struct reader *r)
{
	buf_json(b, reader_bytes(r));
	buf_byte(b, ':');
}

static void json_blocks(struct buf *b, const struct type *t, struct slice bytes)
{
	struct reader r = reader_of(bytes);
	bool map = t->kind == KIND_MAP, first = true;
	struct value v;
	buf_byte(b, map ? '{' : '[');
	for (int64_t n; (n = avro_block(&r)) > 0;) {
		for (; n > 0; n--, first = false) {
			if (!first)
				buf_byte(b, ',');
			if (map)
				json_key(b, &r);
			avro_read(&r, t->element, t->element_nullable, &v);
			value_json(b, t->element, &v);
		}
	}
	buf_byte(b, map ? '}' : ']');
}

static void json_bytes(struct buf *b, struct slice s)
{
	buf_byte(b, '"');
	buf_base64(b, s);
	buf_byte(b, '"');
}

void value_text(struct buf *b, const struct type *t, const struct value *v)
{
	if (v->null)
		return;
	if (t->kind == KIND_BOOLEAN)
		buf_byte(b, v->i64 ? '1' : '0');
	else if (t->kind == KIND_BYTES)
		buf_base64(b, v->bytes);
	else if (type_is_text(t))
		buf_slice(b, v->bytes);
	else if (type_form(t) == FORM_F64)
		buf_num(b, v->f64);
	else
		value_json(b, t, v);
}

void value_json(struct buf *b, const struct type *t, const struct value *v)
{
	if (v->null || (type_form(t) == FORM_F64 && !__builtin_isfinite(v->f64))) {
		buf_str(b, "null");
		return;
	}
	switch (t->kind) {
	case KIND_BOOLEAN:
		buf_str(b, v->i64 ? "true" : "false");
		break;
	case KIND_FLOAT:
	case KIND_DOUBLE:
		buf_num(b, v->f64);
		break;
	case KIND_DECIMAL:
		text_decimal(b, t, v->i128);
		break;
	case KIND_STRING:
	case KIND_ENUM:
		buf_json(b, v->bytes);
		break;
	case KIND_BYTES:
		json_bytes(b, v->bytes);
		break;
	case KIND_ARRAY:
	case KIND_MAP:
		if (t->element)
			json_blocks(b, t, v->bytes);
		else
			json_bytes(b, v->bytes);
		break;
	default:
		buf_int(b, time_ms(t, v->i64));
	}
}
