// SPDX-License-Identifier: Apache-2.0
//
// Events lines. A scanner over the top object only: a value is skipped by its brackets and
// quotes, so that its own text reaches the decoder as it was written.
#include "run/event_line.h"

#include "base/num.h"

struct scan {
	const uint8_t *p, *end;
	struct arena *a;
};

static void blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
		s->p++;
}

static bool take(struct scan *s, uint8_t c)
{
	blanks(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* The raw text of a string, quotes left out. */
static bool string_raw(struct scan *s, struct slice *out)
{
	if (!take(s, '"'))
		return false;
	const uint8_t *from = s->p;
	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
	if (s->p >= s->end)
		return false;
	*out = (struct slice){from, (uint32_t)(s->p - from)};
	s->p++;
	return true;
}

static bool value_raw(struct scan *s, struct slice *out)
{
	blanks(s);
	const uint8_t *from = s->p;
	struct slice skip;
	int64_t depth = 0;
	while (s->p < s->end) {
		uint8_t c = *s->p;
		if (c == '"') {
			if (!string_raw(s, &skip))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			break;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		s->p++;
		if (depth == 0 && (c == '}' || c == ']'))
			break;
	}
	const uint8_t *to = s->p;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	*out = (struct slice){from, (uint32_t)(to - from)};
	return depth == 0 && to > from;
}

static uint32_t hex4(const uint8_t *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		uint8_t c = p[i];
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return v;
}

static uint32_t utf8_put(uint8_t *out, uint32_t c)
{
	if (c < 0x80)
		return out[0] = (uint8_t)c, 1;
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	uint32_t n = c < 0x10000 ? 3 : 4;
	out[0] = (uint8_t)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
	for (uint32_t i = 1; i < n; i++)
		out[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 63));
	return n;
}

static struct slice unescape(struct slice raw, struct arena *a)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	uint8_t *out = arena_alloc(a, raw.len + 1);
	uint32_t n = 0;
	for (uint32_t i = 0; i < raw.len; i++) {
		if (raw.p[i] != '\\' || i + 1 == raw.len) {
			out[n++] = raw.p[i];
			continue;
		}
		uint8_t c = raw.p[++i];
		const char *at = strchr(from, c);
		if (c == 'u' && i + 4 < raw.len) {
			uint32_t code = hex4(raw.p + i + 1);
			i += 4;
			if (code >= 0xd800 && code < 0xdc00 && i + 6 < raw.len) {
				code = 0x10000 + ((code - 0xd800) << 10) +
				       (hex4(raw.p + i + 3) - 0xdc00);
				i += 6;
			}
			n += utf8_put(out + n, code & 0x1fffff);
		} else {
			out[n++] = at && c ? (uint8_t)to[at - from] : c;
		}
	}
	return (struct slice){out, n};
}

static bool is_null(struct slice raw)
{
	return slice_eq(raw, slice_of("null"));
}

/* A text's content, or the JSON text itself. */
static bool bytes_of(struct scan *s, struct slice raw, struct slice *out)
{
	if (is_null(raw))
		return false;
	*out = raw.p[0] == '"' && raw.len >= 2
		       ? unescape((struct slice){raw.p + 1, raw.len - 2}, s->a)
		       : raw;
	return true;
}

static enum status number_of(struct slice raw, const char *name, bool *has, int64_t *out,
	struct error *e)
{
	*has = !is_null(raw);
	if (*has && !num_parse_int((const char *)raw.p, raw.len, out))
		return error_set(e, ERR_USER, 0, "%s must be an integer", name);
	return ST_OK;
}

static enum status member(struct scan *s, struct slice name, struct slice raw,
	struct event_line *out, struct error *e)
{
	if (slice_eq(name, slice_of("source"))) {
		bytes_of(s, raw, &out->source);
		return ST_OK;
	}
	if (slice_eq(name, slice_of("partition")))
		return number_of(raw, "partition", &out->has_partition, &out->partition, e);
	if (slice_eq(name, slice_of("offset")))
		return number_of(raw, "offset", &out->has_offset, &out->offset, e);
	if (slice_eq(name, slice_of("timestamp")))
		return number_of(raw, "timestamp", &out->has_timestamp, &out->timestamp, e);
	if (slice_eq(name, slice_of("key"))) {
		out->has_key = bytes_of(s, raw, &out->key);
		return ST_OK;
	}
	if (slice_eq(name, slice_of("value"))) {
		out->has_value = bytes_of(s, raw, &out->value);
		return ST_OK;
	}
	return error_set(e, ERR_USER, 0,
		"unknown member \"%.*s\": source, partition, offset, timestamp, key and value "
		"make an event", (int)name.len, name.p);
}

enum status event_line_parse(struct slice line, struct event_line *out, struct arena *a,
	struct error *e)
{
	struct scan s = {line.p, line.p + line.len, a};
	struct slice name, raw;
	*out = (struct event_line){0};
	if (!take(&s, '{'))
		return error_set(e, ERR_USER, 0, "an event is a JSON object on one line");
	do {
		if (!string_raw(&s, &name) || !take(&s, ':') || !value_raw(&s, &raw))
			return error_set(e, ERR_USER, 0, "not a JSON object");
		if (member(&s, name, raw, out, e))
			return ST_ERR;
	} while (take(&s, ','));
	if (!take(&s, '}'))
		return error_set(e, ERR_USER, 0, "not a JSON object: '}' expected");
	blanks(&s);
	if (s.p != s.end)
		return error_set(e, ERR_USER, 0, "text after the event's closing brace");
	return ST_OK;
}
