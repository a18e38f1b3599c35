// SPDX-License-Identifier: Apache-2.0
//
// Reading a YAML tree: look-up, the way back from decoded text to the file, and JSON.
#include "lang/yaml.h"

#include "base/num.h"

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->n; i++)
		if (slice_eq(map->keys[i]->text, slice_of(key)))
			return map->items[i];
	return NULL;
}

static bool plain_is(const struct yaml_node *n, const char *word)
{
	return n->style == YAML_PLAIN && slice_eq(n->text, slice_of(word));
}

bool yaml_is_null(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR &&
	       (plain_is(n, "") || plain_is(n, "null") || plain_is(n, "~") ||
	               plain_is(n, "Null") || plain_is(n, "NULL"));
}

struct place yaml_place(
        const struct yaml_doc *doc, const struct yaml_node *n, struct diagnostics *d)
{
	return (struct place){.d = d, .doc = doc, .node = n};
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes of the escape at p, at least 1. */
static uint32_t escape_bytes(const uint8_t *p, const uint8_t *end)
{
	uint32_t n = end - p < 2 ? 1 : p[1] == 'x' ? 4 : p[1] == 'u' ? 6 : p[1] == 'U' ? 10 : 2;
	return n > (size_t)(end - p) ? (uint32_t)(end - p) : n;
}

/* Decodes in step: for every byte of the text, the byte it came from. Folded lines make one
 * blank of many; an escape makes up to four bytes of one. */
uint32_t yaml_locate(const struct yaml_doc *doc, const struct yaml_node *n, uint32_t off)
{
	if (n->kind != YAML_SCALAR || !n->text.len)
		return n->start + off < n->end ? n->start + off : n->start;
	const uint8_t *raw = doc->text.p + n->start, *end = doc->text.p + n->end, *from = raw;
	for (uint32_t i = 0; i <= off && raw < end; i++) {
		uint8_t c = i < n->text.len ? n->text.p[i] : 0;
		if (!is_blank(c) || n->style == YAML_DOUBLE)
			while (raw < end && is_blank(*raw) && *raw != c)
				raw++;
		if (c == ' ') /* a folded line end: its blanks, then the indentation of the next
		               */
			while (raw < end && is_blank(*raw) && raw[0] != ' ')
				raw++;
		from = raw;
		if (raw == end)
			break;
		if (n->style == YAML_DOUBLE && *raw == '\\') {
			raw += escape_bytes(raw, end);
			while (i + 1 < n->text.len && (n->text.p[i + 1] & 0xC0) == 0x80 &&
			        i < off)
				i++;
		} else {
			raw += n->style == YAML_SINGLE && *raw == '\'' && raw + 1 < end &&
			                       raw[1] == '\''
			               ? 2
			               : 1;
		}
	}
	if (off >= n->text.len && from < end) /* behind the last character */
		from = raw < end ? raw : end;
	return (uint32_t)(from - doc->text.p);
}

int yaml_line(const struct yaml_doc *doc, uint32_t at)
{
	int line = 1;
	const uint8_t *p = doc->text.p,
	              *end = doc->text.p + (at < doc->text.len ? at : doc->text.len);
	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		line++;
		p++;
	}
	return line;
}

static bool is_json_number(struct slice s)
{
	double v;
	if (!s.len || !((s.p[0] >= '0' && s.p[0] <= '9') || (s.p[0] == '-' && s.len > 1)))
		return false;
	for (uint32_t i = 0; i < s.len; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || memchr("+-.eE", s.p[i], 5)))
			return false;
	uint32_t at = s.p[0] == '-';
	bool leading_zero =
	        s.len > at + 1 && s.p[at] == '0' && s.p[at + 1] >= '0' && s.p[at + 1] <= '9';
	bool point_end = s.p[s.len - 1] == '.';
	return !leading_zero && !point_end && num_parse_double((const char *)s.p, s.len, &v);
}

static void scalar_json(struct buf *out, const struct yaml_node *n)
{
	if (yaml_is_null(n))
		buf_str(out, "null");
	else if (plain_is(n, "true") || plain_is(n, "false") ||
	         (n->style == YAML_PLAIN && is_json_number(n->text)))
		buf_slice(out, n->text);
	else
		buf_json(out, n->text);
}

/* Depth is at most YAML_DEPTH_MAX. */
void yaml_json(struct buf *out, const struct yaml_node *n)
{
	if (n->kind == YAML_SCALAR) {
		scalar_json(out, n);
		return;
	}
	buf_byte(out, n->kind == YAML_MAP ? '{' : '[');
	for (uint32_t i = 0; i < n->n; i++) {
		if (i)
			buf_byte(out, ',');
		if (n->kind == YAML_MAP) {
			buf_json(out, n->keys[i]->text);
			buf_byte(out, ':');
		}
		yaml_json(out, n->items[i]);
	}
	buf_byte(out, n->kind == YAML_MAP ? '}' : ']');
}
