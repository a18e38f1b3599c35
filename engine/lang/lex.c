// SPDX-License-Identifier: Apache-2.0
//
// The lexer: one token at a time, no state, no allocation. It never fails; what it cannot read
// is a TOKEN_BAD, and the parser says what was expected.
#include "lang/lex.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static uint8_t at(struct slice t, uint32_t i)
{
	return i < t.len ? t.p[i] : 0;
}

static uint32_t skip_digits(struct slice t, uint32_t i)
{
	while (is_digit(at(t, i)))
		i++;
	return i;
}

static struct token lex_name(struct slice t, uint32_t off)
{
	uint32_t i = off;
	while (is_letter(at(t, i)) || is_digit(at(t, i)) ||
	        (at(t, i) == '.' && is_letter(at(t, i + 1))))
		i++;
	return (struct token){TOKEN_NAME, off, i - off};
}

/* 12, 1.5, 1e-3, 7d. */
static struct token lex_number(struct slice t, uint32_t off)
{
	enum token_kind kind = TOKEN_INT;
	uint32_t i = skip_digits(t, off);
	if (at(t, i) == '.' && is_digit(at(t, i + 1))) {
		kind = TOKEN_DECIMAL;
		i = skip_digits(t, i + 1);
	}
	if (at(t, i) == 'e' || at(t, i) == 'E') {
		uint32_t sign = at(t, i + 1) == '+' || at(t, i + 1) == '-';
		if (is_digit(at(t, i + 1 + sign))) {
			kind = TOKEN_DECIMAL;
			i = skip_digits(t, i + 1 + sign);
		}
	}
	if (is_letter(at(t, i))) {
		kind = TOKEN_DURATION;
		while (is_letter(at(t, i)) || is_digit(at(t, i)))
			i++;
	}
	return (struct token){kind, off, i - off};
}

/* 'it''s'. */
static struct token lex_text(struct slice t, uint32_t off)
{
	for (uint32_t i = off + 1; i < t.len; i++) {
		if (t.p[i] != '\'')
			continue;
		if (at(t, i + 1) != '\'')
			return (struct token){TOKEN_TEXT, off, i + 1 - off};
		i++;
	}
	return (struct token){TOKEN_BAD, off, t.len - off};
}

static struct token lex_symbol(struct slice t, uint32_t off)
{
	uint8_t c = t.p[off], next = at(t, off + 1);
	if ((c == '!' || c == '<' || c == '>') && next == '=')
		return (struct token){TOKEN_SYMBOL, off, 2};
	if (memchr("(),+-*/%=<>", c, 11))
		return (struct token){TOKEN_SYMBOL, off, 1};
	uint32_t len = 1; /* a whole UTF-8 character */
	while (c >= 0x80 && (at(t, off + len) & 0xC0) == 0x80)
		len++;
	return (struct token){TOKEN_BAD, off, len};
}

struct token lex(struct slice t, uint32_t off)
{
	while (off < t.len &&
	        (t.p[off] == ' ' || t.p[off] == '\t' || t.p[off] == '\n' || t.p[off] == '\r'))
		off++;
	if (off >= t.len)
		return (struct token){TOKEN_END, t.len, 0};
	if (is_letter(t.p[off]))
		return lex_name(t, off);
	if (is_digit(t.p[off]) || (t.p[off] == '.' && is_digit(at(t, off + 1))))
		return lex_number(t, off);
	if (t.p[off] == '\'')
		return lex_text(t, off);
	return lex_symbol(t, off);
}
