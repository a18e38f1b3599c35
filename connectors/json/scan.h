/* SPDX-License-Identifier: Apache-2.0
 *
 * One JSON text, token by token: strict about the grammar (RFC 8259), whoever looks at the
 * values.
 */
#ifndef WEIR_CONNECTORS_JSON_SCAN_H
#define WEIR_CONNECTORS_JSON_SCAN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "connectors/json/tokens.h"

#define JSON_DEPTH_MAX 64 /* objects and arrays inside each other */

struct scan {
	const uint8_t *p;   /* the text */
	const uint32_t *at; /* token offsets, one more than ntokens: the end */
	uint32_t ntokens;
	uint32_t next; /* token to read */
	uint32_t depth;
	bool escapes;      /* a backslash is somewhere in the text */
	const char *error; /* set by the first fault */
};

/* Points s at text. False: s->error says why. */
bool scan_init(struct scan *s, struct tokens *t, struct slice text);

/* The next token's first byte, 0 behind the last. */
static inline uint8_t scan_peek(const struct scan *s)
{
	return s->next < s->ntokens ? s->p[s->at[s->next]] : 0;
}

/* The next token's bytes, blanks behind it cut. */
static inline struct slice scan_token(const struct scan *s)
{
	const uint8_t *from = s->p + s->at[s->next], *end = s->p + s->at[s->next + 1];
	while (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t')
		end--;
	return (struct slice){from, (uint32_t)(end - from)};
}

bool scan_string_slow(struct scan *s, struct arena *a, struct slice *out);

/* A string token's content, its escapes resolved in a (may be NULL: only checked). */
static inline bool scan_string(struct scan *s, struct arena *a, struct slice *out)
{
	struct slice t = scan_token(s);
	if (s->escapes || t.len < 2 || t.p[0] != '"' || t.p[t.len - 1] != '"')
		return scan_string_slow(s, a, out);
	s->next++;
	*out = (struct slice){t.p + 1, t.len - 2};
	return true;
}

/* A number as written. */
struct number {
	struct slice text;
	uint64_t mantissa; /* its digits without the point; wrong when exact is false */
	int32_t exponent;  /* power of ten that the mantissa is multiplied by, clamped */
	bool exact, negative;
};
bool scan_number(struct scan *s, struct number *out);

/* Passes over the next value whatever it is, checking it. */
bool scan_skip(struct scan *s);

/* Resolves the escapes of a string's inside. False: a bad escape. */
bool scan_unescape(struct slice raw, struct arena *a, struct slice *out);

bool scan_fail(struct scan *s, const char *error);

#endif
