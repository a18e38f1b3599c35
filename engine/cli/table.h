/* SPDX-License-Identifier: Apache-2.0
 *
 * Aligned columns of text for people. Rows may have fewer cells than the widest one.
 */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16

struct text_table {
	struct arena arena;
	const char *(*rows)[TABLE_COLUMNS_MAX];
	uint32_t n, cap, columns;
	uint32_t right; /* bit per column: aligned to the right */
};

/* heads: NULL-terminated; a leading '>' aligns the column to the right. */
void text_table_init(struct text_table *t, const char *const *heads);
void text_table_release(struct text_table *t);
/* The next row; its cells are set by text_table_cell, one after the other. */
void text_table_row(struct text_table *t);
void text_table_cell(struct text_table *t, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
void text_table_print(const struct text_table *t, struct buf *out);

#endif
