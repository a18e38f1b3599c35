/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of the expression language.
 */
#ifndef WEIR_LANG_LEX_H
#define WEIR_LANG_LEX_H

#include "base/slice.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NAME, /* also keywords; dots included */
	TOKEN_INT,
	TOKEN_DECIMAL,
	TOKEN_DURATION, /* a number with letters behind it, right or wrong */
	TOKEN_TEXT,     /* with its quotes */
	TOKEN_SYMBOL,   /* ( ) , + - * / % = != < <= > >= */
	TOKEN_BAD,      /* a byte that starts nothing, or a text without its end */
};

struct token {
	enum token_kind kind;
	uint32_t off, len;
};

/* The token at or behind off. */
struct token lex(struct slice text, uint32_t off);

#endif
