// SPDX-License-Identifier: Apache-2.0
//
// Entities to text and back.
#include "data/entity.h"

#include "base/num.h"
#include "data/avro.h"

static bool needs_escape(uint8_t c)
{
	return c == '%' || c == ':' || c == '|';
}

static void write_escaped(struct buf *b, struct slice s)
{
	uint32_t from = 0;
	for (uint32_t i = 0; i < s.len; i++) {
		if (!needs_escape(s.p[i]))
			continue;
		buf_add(b, s.p + from, i - from);
		buf_printf(b, "%%%02X", s.p[i]);
		from = i + 1;
	}
	buf_add(b, s.p + from, s.len - from);
}

void entity_write(struct buf *b, const struct type *const *types, const struct value *values,
	uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf_byte(b, ':');
		if (type_is_text(types[i]))
			write_escaped(b, values[i].bytes);
		else
			value_text(b, types[i], &values[i]);
	}
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unescape(struct slice s, struct slice *out, struct arena *a)
{
	if (!memchr(s.p, '%', s.len)) {
		*out = s;
		return true;
	}
	uint8_t *p = arena_alloc(a, s.len);
	uint32_t n = 0;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] != '%') {
			p[n++] = s.p[i];
			continue;
		}
		if (i + 2 >= s.len || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
			return false;
		p[n++] = (uint8_t)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
		i += 2;
	}
	*out = (struct slice){p, n};
	return true;
}

static bool read_decimal(struct slice s, uint8_t scale, __int128 *out)
{
	__int128 v = 0;
	int after = -1;
	uint32_t i = s.len && s.p[0] == '-';
	if (i == s.len)
		return false;
	for (; i < s.len; i++) {
		if (s.p[i] == '.' && after < 0) {
			after = 0;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
		after += after >= 0;
	}
	for (after = after < 0 ? 0 : after; after < scale; after++)
		v *= 10;
	*out = s.p[0] == '-' ? -v : v;
	return true;
}

static bool read_base64(struct slice s, struct slice *out, struct arena *a)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t *p = arena_alloc(a, s.len);
	uint32_t n = 0, bits = 0, held = 0;
	for (uint32_t i = 0; i < s.len && s.p[i] != '='; i++) {
		const char *at = s.p[i] ? strchr(digits, s.p[i]) : NULL;
		if (!at)
			return false;
		bits = bits << 6 | (uint32_t)(at - digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			p[n++] = (uint8_t)(bits >> held);
		}
	}
	*out = (struct slice){p, n};
	return true;
}

static bool read_value(struct slice s, const struct type *t, struct value *out, struct arena *a)
{
	out->null = false;
	switch (type_form(t)) {
	case FORM_I64:
		return num_parse_int((const char *)s.p, s.len, &out->i64);
	case FORM_F64:
		return num_parse_double((const char *)s.p, s.len, &out->f64);
	case FORM_I128:
		return read_decimal(s, t->scale, &out->i128);
	case FORM_BYTES:
		return type_is_text(t) ? unescape(s, &out->bytes, a) : read_base64(s, &out->bytes, a);
	}
	return false;
}

bool entity_read(struct slice text, const struct type *const *types, uint32_t n,
	struct value *out, struct arena *a)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *colon = i + 1 < n ? memchr(text.p, ':', text.len) : NULL;
		if (i + 1 < n && !colon)
			return false;
		struct slice part = text;
		if (colon) {
			part.len = (uint32_t)(colon - text.p);
			text.p += part.len + 1;
			text.len -= part.len + 1;
		}
		if (!read_value(part, types[i], &out[i], a))
			return false;
	}
	return true;
}
