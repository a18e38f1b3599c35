// SPDX-License-Identifier: Apache-2.0
//
// Growable buffers and bounds-checked readers.
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/num.h"

void buf_init(struct buf *b)
{
	*b = (struct buf){0};
}

void buf_release(struct buf *b)
{
	if (!b)
		return;
	free(b->p);
	buf_init(b);
}

void buf_reserve(struct buf *b, size_t more)
{
	if (b->cap - b->len >= more)
		return;
	size_t cap = b->cap ? b->cap * 2 : 64;
	if (cap < b->len + more)
		cap = b->len + more;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	buf_reserve(b, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

void buf_byte(struct buf *b, uint8_t c)
{
	buf_reserve(b, 1);
	b->p[b->len++] = c;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.len);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	buf_reserve(b, (size_t)n + 1);
	vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, again);
	va_end(again);
	b->len += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
	buf_reserve(b, 1);
	b->p[b->len] = 0;
	return (const char *)b->p;
}

static void buf_be(struct buf *b, uint64_t v, int bytes)
{
	buf_reserve(b, 8);
	for (int i = bytes - 1; i >= 0; i--)
		b->p[b->len++] = (uint8_t)(v >> (8 * i));
}

void buf_be16(struct buf *b, uint16_t v)
{
	buf_be(b, v, 2);
}

void buf_be32(struct buf *b, uint32_t v)
{
	buf_be(b, v, 4);
}

void buf_be64(struct buf *b, uint64_t v)
{
	buf_be(b, v, 8);
}

void buf_varint(struct buf *b, int64_t v)
{
	uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
	buf_reserve(b, 10);
	uint8_t *p = b->p + b->len;
	while (z >= 0x80) {
		*p++ = (uint8_t)(z | 0x80);
		z >>= 7;
	}
	*p++ = (uint8_t)z;
	b->len = (size_t)(p - b->p);
}

void buf_bytes(struct buf *b, struct slice s)
{
	buf_varint(b, s.len);
	buf_slice(b, s);
}

void buf_double(struct buf *b, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, 8);
	uint8_t le[8];
	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(bits >> (8 * i));
	buf_add(b, le, 8);
}

void buf_num(struct buf *b, double v)
{
	buf_reserve(b, NUM_MAX);
	b->len += num_format_double((char *)b->p + b->len, v);
}

void buf_int(struct buf *b, int64_t v)
{
	buf_reserve(b, NUM_MAX);
	b->len += num_format_int((char *)b->p + b->len, v);
}

static void buf_json_escape(struct buf *b, uint8_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = c ? strchr(from, c) : NULL;
	if (at) {
		buf_byte(b, '\\');
		buf_byte(b, (uint8_t)to[at - from]);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

void buf_json(struct buf *b, struct slice s)
{
	buf_byte(b, '"');
	uint32_t from = 0;
	for (uint32_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s.p + from, i - from);
		buf_json_escape(b, c);
		from = i + 1;
	}
	buf_add(b, s.p + from, s.len - from);
	buf_byte(b, '"');
}

void buf_base64(struct buf *b, struct slice s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (uint32_t i = 0; i < s.len; i += 3) {
		uint32_t left = s.len - i;
		uint32_t v = (uint32_t)s.p[i] << 16;
		v |= left > 1 ? (uint32_t)s.p[i + 1] << 8 : 0;
		v |= left > 2 ? s.p[i + 2] : 0;
		buf_byte(b, (uint8_t)digits[v >> 18]);
		buf_byte(b, (uint8_t)digits[v >> 12 & 63]);
		buf_byte(b, left > 1 ? (uint8_t)digits[v >> 6 & 63] : '=');
		buf_byte(b, left > 2 ? (uint8_t)digits[v & 63] : '=');
	}
}

struct reader reader_of(struct slice s)
{
	return (struct reader){s.p, s.p + s.len, false};
}

struct slice reader_take(struct reader *r, size_t n)
{
	if (r->failed || (size_t)(r->end - r->p) < n) {
		r->failed = true;
		return (struct slice){NULL, 0};
	}
	struct slice s = {r->p, (uint32_t)n};
	r->p += n;
	return s;
}

static uint64_t reader_be(struct reader *r, size_t bytes)
{
	struct slice s = reader_take(r, bytes);
	uint64_t v = 0;
	for (uint32_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	return v;
}

uint8_t reader_byte(struct reader *r)
{
	return (uint8_t)reader_be(r, 1);
}

uint64_t reader_be64(struct reader *r)
{
	return reader_be(r, 8);
}

int64_t reader_varint(struct reader *r)
{
	uint64_t z = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t c = reader_byte(r);
		if (shift == 63 && c > 1)
			break;
		z |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
	}
	r->failed = true;
	return 0;
}

double reader_double(struct reader *r)
{
	struct slice s = reader_take(r, 8);
	uint64_t bits = 0;
	for (uint32_t i = 0; i < s.len; i++)
		bits |= (uint64_t)s.p[i] << (8 * i);
	double v;
	memcpy(&v, &bits, 8);
	return v;
}

struct slice reader_bytes(struct reader *r)
{
	int64_t n = reader_varint(r);
	if (n < 0 || n > r->end - r->p) {
		r->failed = true;
		return (struct slice){NULL, 0};
	}
	return reader_take(r, (size_t)n);
}
