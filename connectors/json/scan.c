// SPDX-License-Identifier: Apache-2.0
//
// The grammar over simdjson's token offsets. A token ends where the next begins, so a string
// that holds no backslash needs no search for its end, and most records hold none. Depth is a
// counter and the kinds of the open brackets are bits of one word: nothing recurses.
#include "connectors/json/scan.h"

bool scan_fail(struct scan *s, const char *error)
{
	if (!s->error)
		s->error = error;
	return false;
}

bool scan_init(struct scan *s, struct tokens *t, struct slice text)
{
	*s = (struct scan){.p = text.p, .error = tokens_find(t, text)};
	if (s->error)
		return false;
	s->at = t->at;
	s->ntokens = t->n;
	s->escapes = memchr(text.p, '\\', text.len) != NULL;
	return true;
}

/* ---- strings ---- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p; -1 if they are not. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
	int32_t v = 0;
	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (uint8_t)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (uint8_t)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*to++ = (uint8_t)(0xe0 | c >> 12);
		*to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	} else {
		*to++ = (uint8_t)(0xf0 | c >> 18);
		*to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		*to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (uint8_t)(0x80 | (c & 0x3f));
	return to;
}

/* \uXXXX, p behind the u; a high surrogate takes its low one. NULL: malformed or lone. */
static const uint8_t *take_unicode(const uint8_t *p, const uint8_t *end, uint32_t *c)
{
	int32_t high = hex4(p, end), low;
	if (high < 0 || (high >= 0xdc00 && high < 0xe000))
		return NULL;
	*c = (uint32_t)high;
	p += 4;
	if (high < 0xd800 || high >= 0xe000)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	low = hex4(p + 2, end);
	if (low < 0xdc00 || low >= 0xe000)
		return NULL;
	*c = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
	return p + 6;
}

/* One escape, p behind the backslash; to is where it goes (advanced). NULL: a bad escape. */
static const uint8_t *take_escape(const uint8_t *p, const uint8_t *end, uint8_t **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	if (p == end)
		return NULL;
	if (*p == 'u') {
		uint32_t c;
		p = take_unicode(p + 1, end, &c);
		if (p)
			*to = put_utf8(*to, c);
		return p;
	}
	const char *known = *p ? strchr(from, *p) : NULL;
	if (!known)
		return NULL;
	*(*to)++ = (uint8_t)into[known - from];
	return p + 1;
}

/* What an escape yields is never longer than the escape, so raw.len bytes are room enough. */
bool scan_unescape(struct slice raw, struct arena *a, struct slice *out)
{
	uint8_t sink[8], *text = a ? arena_alloc(a, raw.len) : NULL, *to = text;
	const uint8_t *p = raw.p, *end = raw.p + raw.len;
	while (p < end) {
		const uint8_t *back = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((back ? back : end) - p);
		if (text) {
			memcpy(to, p, plain);
			to += plain;
		} else {
			to = sink;
		}
		if (!back)
			break;
		p = take_escape(back + 1, end, &to);
		if (!p)
			return false;
	}
	*out = (struct slice){text, text ? (uint32_t)(to - text) : 0};
	return true;
}

bool scan_string_slow(struct scan *s, struct arena *a, struct slice *out)
{
	struct slice t = scan_token(s);
	if (t.p[0] != '"')
		return scan_fail(s, "a text was expected");
	if (t.len < 2 || t.p[t.len - 1] != '"')
		return scan_fail(s, "a string does not end");
	s->next++;
	*out = (struct slice){t.p + 1, t.len - 2};
	if (!s->escapes || !memchr(out->p, '\\', out->len))
		return true;
	return scan_unescape(*out, a, out) || scan_fail(s, "a bad escape in a string");
}

/* ---- numbers ---- */

#define EXPONENT_LIMIT 100000 /* far beyond any double or decimal */

static bool is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && (unsigned)(*p - '0') < 10;
}

static const uint8_t *take_digits(
        const uint8_t *p, const uint8_t *end, uint64_t *mantissa, uint32_t *significant)
{
	for (; is_digit(p, end); p++) {
		*mantissa = *mantissa * 10 + (uint64_t)(*p - '0');
		*significant += *mantissa != 0;
	}
	return p;
}

static const uint8_t *take_exponent(const uint8_t *p, const uint8_t *end, int32_t *out)
{
	bool negative = p < end && *p == '-';
	int32_t v = 0;
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (!is_digit(p, end))
		return NULL;
	for (; is_digit(p, end); p++)
		v = v < EXPONENT_LIMIT ? v * 10 + (*p - '0') : EXPONENT_LIMIT;
	*out = negative ? -v : v;
	return p;
}

/* RFC 8259's number, the whole of text. */
static bool number_of(struct slice text, struct number *out)
{
	const uint8_t *p = text.p, *end = p + text.len, *from;
	uint64_t mantissa = 0;
	uint32_t significant = 0;
	int32_t exponent = 0;
	bool negative = *p == '-';
	p += negative;
	from = p;
	p = take_digits(p, end, &mantissa, &significant);
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	if (p < end && *p == '.') {
		from = ++p;
		p = take_digits(p, end, &mantissa, &significant);
		if (p == from)
			return false;
		exponent = -(int32_t)(p - from);
	}
	if (p < end && (*p | 0x20) == 'e') {
		int32_t written;
		p = take_exponent(p + 1, end, &written);
		if (!p)
			return false;
		exponent += written;
	}
	/* 19 digits always fit in 64 bits. */
	*out = (struct number){text, mantissa, exponent, significant <= 19, negative};
	return p == end;
}

bool scan_number(struct scan *s, struct number *out)
{
	struct slice t = scan_token(s);
	if (!number_of(t, out))
		return scan_fail(s, "not a JSON value");
	s->next++;
	return true;
}

/* ---- skipping ---- */

static bool skip_word(struct scan *s, const char *word)
{
	if (!slice_eq(scan_token(s), slice_of(word)))
		return scan_fail(s, "not a JSON value");
	s->next++;
	return true;
}

static bool skip_scalar(struct scan *s, uint8_t c)
{
	struct slice ignored;
	struct number number;
	switch (c) {
	case '"':
		return scan_string(s, NULL, &ignored);
	case 't':
		return skip_word(s, "true");
	case 'f':
		return skip_word(s, "false");
	case 'n':
		return skip_word(s, "null");
	case 0:
		return scan_fail(s, "the text ends too early");
	default:
		return scan_number(s, &number);
	}
}

static bool skip_key(struct scan *s)
{
	struct slice ignored;
	if (scan_peek(s) != '"')
		return scan_fail(s, "a name was expected");
	if (!scan_string(s, NULL, &ignored))
		return false;
	if (scan_peek(s) != ':')
		return scan_fail(s, "a colon was expected");
	s->next++;
	return true;
}

/* Behind a value: closes what ends here. True when another value follows, with its name passed;
 * false at the end (*open 0) or at a fault. */
static bool skip_ends(struct scan *s, uint64_t *kinds, uint32_t *open)
{
	while (*open) {
		bool object = *kinds & 1;
		uint8_t c = scan_peek(s);
		if (c == ',') {
			s->next++;
			return !object || skip_key(s);
		}
		if (c != (object ? '}' : ']'))
			return scan_fail(s, "a comma or an end was expected");
		s->next++;
		*kinds >>= 1;
		--*open;
	}
	return false;
}

/* Opens an object or array; *empty when it ends at once. */
static bool skip_opens(struct scan *s, uint64_t *kinds, uint32_t *open, bool *empty)
{
	bool object = scan_peek(s) == '{';
	if (s->depth + *open >= JSON_DEPTH_MAX)
		return scan_fail(s, "nested too deeply");
	s->next++;
	*empty = scan_peek(s) == (object ? '}' : ']');
	if (*empty) {
		s->next++;
		return true;
	}
	*kinds = *kinds << 1 | object;
	++*open;
	return !object || skip_key(s);
}

bool scan_skip(struct scan *s)
{
	uint64_t kinds =
	        0; /* of the open brackets, 1 an object; the innermost is the lowest bit */
	uint32_t open = 0;
	do {
		bool empty = false;
		while (!empty && (scan_peek(s) == '{' || scan_peek(s) == '['))
			if (!skip_opens(s, &kinds, &open, &empty))
				return false;
		if (!empty && !skip_scalar(s, scan_peek(s)))
			return false;
	} while (skip_ends(s, &kinds, &open));
	return !s->error;
}
