// SPDX-License-Identifier: Apache-2.0
//
// Scalars. A number is taken by its value: 6.0 and 6e0 are the int 6, 6.5 is not an int; a text
// is never a number, but for decimals, where texts are common because JSON libraries make
// doubles of numbers. Times are numbers in the column's unit or ISO-8601 texts with a zone;
// bytes are base64, as Kafka Connect and most producers write them (Avro's own JSON form, a
// character per byte, cannot be told from it and is not accepted).
#include "connectors/json/leaf.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "lang/civil.h"

#define EXCERPT_BYTES_MAX 40

/* ---- what is wrong ---- */

static uint32_t excerpt_len(struct slice s)
{
	if (s.len <= EXCERPT_BYTES_MAX)
		return s.len;
	uint32_t n = EXCERPT_BYTES_MAX;
	while (n > 0 && (s.p[n] & 0xc0) == 0x80) /* not inside a character */
		n--;
	return n;
}

bool walk_bad(struct walk *w, enum bad bad, struct slice excerpt, const char *why)
{
	if (w->bad->bad != BAD_NONE)
		return false;
	uint32_t n = excerpt_len(excerpt);
	w->bad->bad = bad;
	w->bad->detail = arena_printf(w->a, "%s%s%.*s%s%s%s", w->column ? w->column : "",
	        w->column ? ": " : "", (int)n, (const char *)excerpt.p,
	        n < excerpt.len ? "..." : "", n ? " " : "", why);
	return false;
}

bool walk_syntax(struct walk *w)
{
	struct scan *s = &w->scan;
	struct slice at = s->at && scan_peek(s) ? scan_token(s) : (struct slice){0};
	if (slice_eq(at, slice_of("NaN")) || slice_eq(at, slice_of("Infinity")) ||
	        slice_eq(at, slice_of("-Infinity")))
		return walk_bad(w, BAD_SYNTAX, at, "is not JSON");
	return walk_bad(w, BAD_SYNTAX, (struct slice){0}, s->error ? s->error : "not JSON");
}

bool walk_wrong(struct walk *w, const char *why)
{
	/* Is it JSON at all? Then the type is what is wrong. */
	struct slice token = scan_token(&w->scan);
	if (token.p[0] == '{' || token.p[0] == '[')
		token.len = 1;
	uint32_t at = w->scan.next;
	if (!scan_skip(&w->scan)) {
		w->scan.next = at;
		return walk_syntax(w);
	}
	return walk_bad(w, BAD_TYPE, token, why);
}

/* ---- numbers ---- */

static bool is_number_token(const struct walk *w)
{
	uint8_t c = scan_peek(&w->scan);
	return c == '-' || (unsigned)(c - '0') < 10;
}

/* Appends a digit to v < limit, a power of ten. False: it would reach the limit. */
static bool push_digit(unsigned __int128 *v, unsigned __int128 limit, unsigned digit)
{
	if (*v >= limit / 10)
		return false;
	*v = *v * 10 + digit;
	return true;
}

/* The number's exact value in units of 10^-scale, if it has at most precision digits. 1 ok, 0
 * too many digits behind the point, -1 too large. */
static int number_decimal(
        const struct number *n, uint32_t precision, uint32_t scale, __int128 *out)
{
	unsigned __int128 v = 0, limit = 1;
	int32_t e = n->exponent + (int32_t)scale,
	        zeros = 0; /* zeros may fall away at the end */
	for (uint32_t i = 0; i < precision; i++)
		limit *= 10;
	const uint8_t *p = n->text.p, *end = p + n->text.len;
	for (; p < end && (*p | 0x20) != 'e'; p++) {
		if (*p == '-' || *p == '.')
			continue;
		if (*p == '0') {
			zeros++;
			continue;
		}
		for (; zeros > 0 && v; zeros--)
			if (!push_digit(&v, limit, 0))
				return e < 0 ? 0 : -1;
		zeros = 0;
		if (!push_digit(&v, limit, (unsigned)(*p - '0')))
			return e < 0 ? 0 : -1;
	}
	for (e += zeros; v && e > 0; e--)
		if (!push_digit(&v, limit, 0))
			return -1;
	*out = n->negative ? -(__int128)v : (__int128)v;
	return !v || e >= 0;
}

/* The number's exact integral value: 1 it is one, 0 it has a fraction, -1 beyond 64 bits. */
static int number_integer(const struct number *n, int64_t *out)
{
	if (n->exact && n->exponent == 0 && n->mantissa <= (uint64_t)INT64_MAX) {
		*out = n->negative ? -(int64_t)n->mantissa : (int64_t)n->mantissa;
		return 1;
	}
	__int128 wide;
	int kind = number_decimal(n, DECIMAL_PRECISION_MAX, 0, &wide);
	if (kind <= 0)
		return kind;
	*out = (int64_t)wide;
	return *out == wide ? 1 : -1;
}

/* The usual case: up to 18 digits, no sign, no blanks behind. Takes nothing. */
static bool plain_integer(const struct scan *s, int64_t *out)
{
	const uint8_t *p = s->p + s->at[s->next];
	uint32_t len = s->at[s->next + 1] - s->at[s->next];
	int64_t v = 0;
	if (len == 0 || len > 18 || (*p == '0' && len > 1))
		return false;
	for (uint32_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)p[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

static bool read_integer(
        struct walk *w, struct value *out, int64_t min, int64_t max, const char *type_wrong)
{
	struct number n;
	if (plain_integer(&w->scan, &out->i64) && out->i64 >= min && out->i64 <= max) {
		w->scan.next++;
		return true;
	}
	if (!is_number_token(w))
		return walk_wrong(w, type_wrong);
	if (!scan_number(&w->scan, &n))
		return walk_syntax(w);
	int kind = number_integer(&n, &out->i64);
	if (kind == 0)
		return walk_bad(w, BAD_TYPE, n.text, type_wrong);
	if (kind < 0 || out->i64 < min || out->i64 > max)
		return walk_bad(w, BAD_RANGE, n.text, "is out of range");
	return true;
}

static bool read_int(struct walk *w, const struct leaf *l, struct value *out)
{
	(void)l;
	return read_integer(w, out, INT32_MIN, INT32_MAX, "is not an int");
}

static bool read_long(struct walk *w, const struct leaf *l, struct value *out)
{
	(void)l;
	return read_integer(w, out, INT64_MIN, INT64_MAX, "is not a long");
}

/* Clinger's fast path: both the mantissa and the power are exact doubles, so one operation
 * rounds correctly. */
static bool number_fast(const struct number *n, double *out)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	        1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	if (!n->exact || n->mantissa > (uint64_t)1 << 53 || n->exponent < -22 ||
	        n->exponent > 22)
		return false;
	double m = (double)n->mantissa;
	m = n->exponent < 0 ? m / powers[-n->exponent] : m * powers[n->exponent];
	*out = n->negative ? -m : m;
	return true;
}

/* False: too large for a double. */
static bool number_double(const struct number *n, struct arena *a, double *out)
{
	if (number_fast(n, out) || num_parse_double((const char *)n->text.p, n->text.len, out))
		return true;
	/* Out of range of from_chars, which refuses what rounds to zero as well. */
	*out = strtod(arena_strndup(a, (const char *)n->text.p, n->text.len), NULL);
	return isfinite(*out);
}

static bool read_double(struct walk *w, const struct leaf *l, struct value *out)
{
	struct number n;
	if (!is_number_token(w))
		return walk_wrong(w, "is not a number");
	if (!scan_number(&w->scan, &n))
		return walk_syntax(w);
	if (!number_double(&n, w->a, &out->f64))
		return walk_bad(w, BAD_RANGE, n.text, "is out of range");
	if (l->type.kind != KIND_FLOAT)
		return true;
	float narrow = (float)out->f64;
	out->f64 = narrow;
	return isfinite(narrow) ||
	       walk_bad(w, BAD_RANGE, n.text, "is out of range for a float");
}

/* A text that is a number; its bytes become a scan of their own. */
static bool number_text(struct walk *w, struct number *n)
{
	struct slice text;
	if (!scan_string(&w->scan, w->a, &text))
		return walk_syntax(w);
	const uint32_t at[2] = {0, text.len};
	struct scan inner = {.p = text.p, .at = at, .ntokens = 1};
	uint8_t last = text.len ? text.p[text.len - 1] : 0;
	if (last < '0' || last > '9' || !scan_number(&inner, n))
		return walk_bad(w, BAD_TYPE, text, "is not a decimal");
	return true;
}

static bool read_decimal(struct walk *w, const struct leaf *l, struct value *out)
{
	struct number n;
	if (scan_peek(&w->scan) == '"') {
		if (!number_text(w, &n))
			return false;
	} else if (!is_number_token(w)) {
		return walk_wrong(w, "is not a decimal");
	} else if (!scan_number(&w->scan, &n)) {
		return walk_syntax(w);
	}
	int kind = number_decimal(&n, l->type.precision, l->type.scale, &out->i128);
	if (kind > 0)
		return true;
	return walk_bad(w, BAD_RANGE, n.text,
	        kind < 0 ? "has more digits than the decimal's precision"
	                 : "has more digits behind the point than the decimal's scale");
}

/* ---- texts ---- */

static bool read_string(struct walk *w, const struct leaf *l, struct value *out)
{
	(void)l;
	if (scan_peek(&w->scan) != '"')
		return walk_wrong(w, "is not a string");
	return scan_string(&w->scan, w->a, &out->bytes) || walk_syntax(w);
}

static bool read_enum(struct walk *w, const struct leaf *l, struct value *out)
{
	if (!read_string(w, l, out))
		return false;
	for (uint32_t i = 0; i < l->nsymbols; i++) {
		if (!slice_eq(out->bytes, l->symbols[i]))
			continue;
		out->bytes = l->symbols[i];
		return true;
	}
	return walk_bad(w, BAD_RANGE, out->bytes, "is not a symbol of the enum");
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 with its padding. */
static bool base64(struct slice text, struct arena *a, struct slice *out)
{
	if (text.len % 4)
		return false;
	uint32_t pad = 0;
	while (pad < 2 && text.len && text.p[text.len - 1 - pad] == '=')
		pad++;
	uint8_t *to = arena_alloc(a, text.len / 4 * 3);
	uint32_t n = 0;
	for (uint32_t i = 0; i < text.len; i += 4) {
		uint32_t v = 0, digits = i + 4 == text.len ? 4 - pad : 4;
		for (uint32_t k = 0; k < digits; k++) {
			int d = base64_digit(text.p[i + k]);
			if (d < 0)
				return false;
			v |= (uint32_t)d << (18 - 6 * k);
		}
		for (uint32_t k = 0; k + 1 < digits; k++)
			to[n++] = (uint8_t)(v >> (16 - 8 * k));
	}
	*out = (struct slice){to, n};
	return true;
}

static bool read_bytes(struct walk *w, const struct leaf *l, struct value *out)
{
	struct slice text;
	if (scan_peek(&w->scan) != '"')
		return walk_wrong(w, "is not bytes");
	if (!scan_string(&w->scan, w->a, &text))
		return walk_syntax(w);
	if (!base64(text, w->a, &out->bytes))
		return walk_bad(w, BAD_TYPE, text, "is not base64");
	if (l->fixed_bytes && out->bytes.len != l->fixed_bytes)
		return walk_bad(w, BAD_RANGE, text, "has not the length of the fixed");
	return true;
}

static bool read_boolean(struct walk *w, const struct leaf *l, struct value *out)
{
	(void)l;
	struct slice token = scan_token(&w->scan);
	bool yes = slice_eq(token, slice_of("true"));
	if (!yes && !slice_eq(token, slice_of("false")))
		return walk_wrong(w, "is not a boolean");
	w->scan.next++;
	out->i64 = yes;
	return true;
}

/* ---- times ---- */

static bool has_zone(struct slice s)
{
	if (s.len && (s.p[s.len - 1] | 0x20) == 'z')
		return true;
	for (uint32_t i = 11; i < s.len; i++)
		if (s.p[i] == '+' || s.p[i] == '-')
			return true;
	return false;
}

static bool bad_time(struct walk *w, struct slice text, const char *why)
{
	return walk_bad(w, BAD_TIME, text, why);
}

static bool read_timestamp(struct walk *w, const struct leaf *l, struct value *out)
{
	struct slice text;
	int64_t us;
	if (scan_peek(&w->scan) != '"')
		return read_integer(w, out, INT64_MIN, INT64_MAX, "is not a timestamp");
	if (!scan_string(&w->scan, w->a, &text))
		return walk_syntax(w);
	if (!has_zone(text) || !civil_parse(text, &us))
		return bad_time(w, text, "is not an ISO-8601 time with a zone");
	bool ms = l->type.kind == KIND_TIMESTAMP_MILLIS;
	out->i64 = ms ? (us >= 0 ? us / 1000 : -((-us + 999) / 1000)) : us;
	return true;
}

static bool read_date(struct walk *w, const struct leaf *l, struct value *out)
{
	(void)l;
	struct slice text;
	int64_t us;
	if (scan_peek(&w->scan) != '"')
		return read_integer(w, out, INT32_MIN, INT32_MAX, "is not a date");
	if (!scan_string(&w->scan, w->a, &text))
		return walk_syntax(w);
	if (text.len != strlen("YYYY-MM-DD") || !civil_parse(text, &us))
		return bad_time(w, text, "is not a date (YYYY-MM-DD)");
	out->i64 = us / 1000 / DAY_MS;
	return true;
}

/* "05:20:07.123": read as a time of 1970-01-01. */
static bool read_time(struct walk *w, const struct leaf *l, struct value *out)
{
	bool ms = l->type.kind == KIND_TIME_MILLIS;
	int64_t end = ms ? DAY_MS : DAY_MS * 1000, us;
	struct slice text;
	char full[64] = "1970-01-01T";
	if (scan_peek(&w->scan) != '"')
		return read_integer(w, out, 0, end - 1, "is not a time of day");
	if (!scan_string(&w->scan, w->a, &text))
		return walk_syntax(w);
	if (text.len > 32 || memchr(text.p, 'Z', text.len) || memchr(text.p, '+', text.len) ||
	        memchr(text.p, '-', text.len))
		return bad_time(w, text, "is not a time of day");
	memcpy(full + 11, text.p, text.len);
	if (!civil_parse((struct slice){(uint8_t *)full, 11 + text.len}, &us))
		return bad_time(w, text, "is not a time of day");
	out->i64 = ms ? us / 1000 : us;
	return true;
}

/* ---- compiling ---- */

static bool (*const readers[])(struct walk *, const struct leaf *, struct value *) = {
        [KIND_BOOLEAN] = read_boolean,
        [KIND_INT] = read_int,
        [KIND_LONG] = read_long,
        [KIND_FLOAT] = read_double,
        [KIND_DOUBLE] = read_double,
        [KIND_DECIMAL] = read_decimal,
        [KIND_STRING] = read_string,
        [KIND_BYTES] = read_bytes,
        [KIND_ENUM] = read_enum,
        [KIND_DATE] = read_date,
        [KIND_TIME_MILLIS] = read_time,
        [KIND_TIME_MICROS] = read_time,
        [KIND_TIMESTAMP_MILLIS] = read_timestamp,
        [KIND_TIMESTAMP_MICROS] = read_timestamp,
};

void leaf_init(struct leaf *l, struct arena *a)
{
	l->read = readers[l->type.kind];
	l->form = type_form(&l->type);
	if (l->type.kind != KIND_ENUM)
		return;
	while (l->type.symbols[l->nsymbols])
		l->nsymbols++;
	l->symbols = arena_alloc(a, l->nsymbols * sizeof *l->symbols);
	for (uint32_t i = 0; i < l->nsymbols; i++)
		l->symbols[i] = slice_of(l->type.symbols[i]);
}
