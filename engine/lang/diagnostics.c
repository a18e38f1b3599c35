// SPDX-License-Identifier: Apache-2.0
//
// Keeps and shows errors of a job file. Columns count characters, not bytes; a tab is one.
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "lang/place.h"
#include "lang/yaml.h"

#define LINE_BYTES_MAX 4096 /* of a source line that is kept */
#define LINE_SHOWN_MAX 120  /* characters of it that are printed */

void diagnostics_init(struct diagnostics *d)
{
	*d = (struct diagnostics){0};
	arena_init(&d->arena);
}

void diagnostics_release(struct diagnostics *d)
{
	if (!d)
		return;
	arena_release(&d->arena);
	*d = (struct diagnostics){0};
}

bool diagnostics_full(const struct diagnostics *d)
{
	return d->n > DIAGNOSTICS_MAX;
}

static void append(struct diagnostics *d, const struct diagnostic *one)
{
	if (d->n == d->cap) {
		uint32_t cap = d->cap ? 2 * d->cap : 16;
		struct diagnostic *items = arena_alloc(&d->arena, cap * sizeof *items);
		if (d->n)
			memcpy(items, d->items, d->n * sizeof *items);
		d->items = items;
		d->cap = cap;
	}
	d->items[d->n++] = *one;
}

void diagnostics_add(struct diagnostics *d, const struct diagnostic *one)
{
	if (diagnostics_full(d))
		return;
	if (d->n == DIAGNOSTICS_MAX) {
		append(d, &(struct diagnostic){.file = d->items[0].file,
		                  .message = "too many errors: the rest is not shown"});
		return;
	}
	struct diagnostic copy = *one;
	copy.file = one->file ? arena_strdup(&d->arena, one->file) : "job";
	copy.message = arena_strdup(&d->arena, one->message);
	copy.suggestion = one->suggestion ? arena_strdup(&d->arena, one->suggestion) : NULL;
	copy.source_line = one->source_line ? arena_strdup(&d->arena, one->source_line) : NULL;
	append(d, &copy);
}

static uint32_t characters(const uint8_t *from, const uint8_t *to)
{
	uint32_t n = 0;
	for (; from < to; from++)
		n += (*from & 0xC0) != 0x80;
	return n;
}

/* Fills line, column, width and source_line for bytes [start, end) of text. */
static void point_at(struct diagnostic *one, struct slice text, uint32_t start, uint32_t end,
        struct arena *a)
{
	if (start > text.len)
		start = text.len;
	const struct yaml_doc doc = {.text = text};
	const uint8_t *at = text.p + start, *from = at, *stop = at, *last = text.p + text.len;
	while (from > text.p && from[-1] != '\n')
		from--;
	while (stop < last && *stop != '\n' && *stop != '\r')
		stop++;
	const uint8_t *until = text.p + end < stop ? text.p + end : stop;
	one->line = yaml_line(&doc, start);
	one->column = (int)characters(from, at) + 1;
	one->width = until > at ? characters(at, until) : 1;
	size_t len = (size_t)(stop - from);
	one->source_line = arena_strndup(
	        a, (const char *)from, len > LINE_BYTES_MAX ? LINE_BYTES_MAX : len);
}

void place_error(const struct place *p, uint32_t off, uint32_t len, const char *suggestion,
        const char *fmt, ...)
{
	if (diagnostics_full(p->d))
		return;
	char msg[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	struct diagnostic one = {
	        .message = msg, .suggestion = suggestion, .file = "expression"};
	struct slice text = p->text;
	uint32_t start = off, end = off + len;
	if (p->doc) {
		text = p->doc->text;
		one.file = p->doc->path;
		start = yaml_locate(p->doc, p->node, p->skip + off);
		end = len ? yaml_locate(p->doc, p->node, p->skip + off + len - 1) + 1
		          : start + 1;
	}
	point_at(&one, text, start, end, &p->d->arena);
	diagnostics_add(p->d, &one);
}

/* The part of the line around the caret, and the caret below it. */
static void print_line(struct buf *out, const struct diagnostic *one)
{
	const uint8_t *p = (const uint8_t *)one->source_line,
	              *end = p + strlen(one->source_line);
	uint32_t skip = one->column > LINE_SHOWN_MAX - 20
	                        ? (uint32_t)one->column - LINE_SHOWN_MAX / 2
	                        : 0;
	uint32_t at = 0, shown = 0, caret = (uint32_t)one->column - 1;
	struct buf under;
	buf_init(&under);
	buf_str(out, skip ? "  ..." : "  ");
	buf_str(&under, skip ? "     " : "  ");
	for (; p < end && shown < LINE_SHOWN_MAX; at++) {
		const uint8_t *next = p + 1;
		while (next < end && (*next & 0xC0) == 0x80)
			next++;
		if (at >= skip) {
			buf_add(out, p, (size_t)(next - p));
			if (at < caret)
				buf_byte(&under, *p == '\t' ? '\t' : ' ');
			shown++;
		}
		p = next;
	}
	uint32_t width = one->width ? one->width : 1,
	         room = skip + LINE_SHOWN_MAX > caret ? skip + LINE_SHOWN_MAX - caret : 1;
	for (uint32_t i = 0; i < width && i < room; i++)
		buf_byte(&under, i ? '~' : '^');
	buf_str(out, p < end ? "...\n" : "\n");
	buf_slice(out, buf_view(&under));
	buf_byte(out, '\n');
	buf_release(&under);
}

void diagnostics_print(const struct diagnostics *d, struct buf *out)
{
	for (uint32_t i = 0; i < d->n; i++) {
		const struct diagnostic *one = &d->items[i];
		if (one->line)
			buf_printf(out, "%s:%d:%d: error: %s\n", one->file, one->line,
			        one->column, one->message);
		else
			buf_printf(out, "%s: error: %s\n", one->file, one->message);
		if (one->line && one->source_line)
			print_line(out, one);
		if (one->suggestion)
			buf_printf(out, "  did you mean %s?\n", one->suggestion);
	}
}

static void json_text(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	if (value)
		buf_json(out, slice_of(value));
	else
		buf_str(out, "null");
}

void diagnostics_json(const struct diagnostics *d, struct buf *out)
{
	buf_byte(out, '[');
	for (uint32_t i = 0; i < d->n; i++) {
		const struct diagnostic *one = &d->items[i];
		buf_str(out, i ? ",{\"file\":" : "{\"file\":");
		buf_json(out, slice_of(one->file));
		buf_printf(out, ",\"line\":%d,\"column\":%d,\"width\":%u", one->line,
		        one->column, one->width);
		json_text(out, "message", one->message);
		json_text(out, "suggestion", one->suggestion);
		json_text(out, "source_line", one->source_line);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}
