// SPDX-License-Identifier: Apache-2.0
//
// Text tables. Widths count UTF-8 characters, not their columns on the screen: names and
// numbers are what is shown.
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void text_table_init(struct text_table *t, const char *const *heads)
{
	*t = (struct text_table){0};
	arena_init(&t->arena);
	text_table_row(t);
	for (uint32_t i = 0; heads[i]; i++) {
		bool right = heads[i][0] == '>';
		t->right |= right ? 1u << i : 0;
		text_table_cell(t, "%s", heads[i] + right);
	}
}

void text_table_release(struct text_table *t)
{
	arena_release(&t->arena);
	free(t->rows);
}

void text_table_row(struct text_table *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->rows = xrealloc(t->rows, t->cap * sizeof *t->rows);
	}
	memset(t->rows[t->n++], 0, sizeof *t->rows);
	t->columns = 0;
}

void text_table_cell(struct text_table *t, const char *fmt, ...)
{
	INVARIANT(t->n && t->columns < TABLE_COLUMNS_MAX);
	char text[2000];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	t->rows[t->n - 1][t->columns++] = arena_strdup(&t->arena, text);
}

static int width(const char *s)
{
	int n = 0;
	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

void text_table_print(const struct text_table *t, struct buf *out)
{
	int widths[TABLE_COLUMNS_MAX] = {0};
	for (uint32_t r = 0; r < t->n; r++)
		for (uint32_t i = 0; i < TABLE_COLUMNS_MAX && t->rows[r][i]; i++)
			if (width(t->rows[r][i]) > widths[i])
				widths[i] = width(t->rows[r][i]);
	for (uint32_t r = 0; r < t->n; r++) {
		for (uint32_t i = 0; i < TABLE_COLUMNS_MAX && t->rows[r][i]; i++) {
			const char *cell = t->rows[r][i];
			bool last = i + 1 == TABLE_COLUMNS_MAX || !t->rows[r][i + 1];
			int pad = widths[i] - width(cell);
			if (t->right & 1u << i)
				buf_printf(out, "%*s%s", pad, "", cell);
			else
				buf_printf(out, "%s%*s", cell, last ? 0 : pad, "");
			buf_str(out, last ? "\n" : "  ");
		}
	}
}
