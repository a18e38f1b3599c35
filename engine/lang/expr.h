/* SPDX-License-Identifier: Apache-2.0
 *
 * The expression language: text to tree and back. A tree knows for every node which bytes of
 * the text it came from, so that an error can point there. Trees live in an arena and are
 * immutable.
 */
#ifndef WEIR_LANG_EXPR_H
#define WEIR_LANG_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "lang/place.h"

#define EXPR_BYTES_MAX (16 << 10) /* also bounds how deep a tree can be */
#define EXPR_DEPTH_MAX 64
#define EXPR_ARGS_MAX 1024 /* of one call, `in` list or case */

enum expr_kind {
	EXPR_NULL,
	EXPR_BOOL,    /* flag */
	EXPR_INT,     /* i64 */
	EXPR_DECIMAL, /* text, f64 */
	EXPR_TEXT,    /* text, unquoted */
	EXPR_NAME,    /* text */
	EXPR_CALL,    /* text, args, over */
	EXPR_NEG,
	EXPR_NOT,
	EXPR_AND,
	EXPR_OR,
	EXPR_ARITH,   /* op: + - * / % */
	EXPR_COMPARE, /* op: enum compare */
	EXPR_IS_NULL, /* flag: is not null */
	EXPR_IN,      /* args[0] in args[1..]; flag: not */
	EXPR_BETWEEN, /* args[0] between args[1] and args[2]; flag: not */
	EXPR_CASE,    /* when, then, when, then, …, else when flag */
	EXPR_CAST,    /* args[0] as text */
};

enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

/* What stands behind an aggregate call. */
struct expr_over {
	enum { OVER_LIFETIME, OVER_HOP, OVER_TUMBLING } kind;
	int64_t size_ms, every_ms; /* every_ms 0: the default hop */
	uint32_t off, len;         /* of the size */
	uint32_t every_off, every_len;
	uint32_t word_off, word_len; /* of the first word behind the call */
	const struct expr *where;    /* or NULL */
};

struct expr {
	enum expr_kind kind;
	int op;
	bool flag;
	uint32_t off, len;           /* bytes of the text */
	uint32_t name_off, name_len; /* of a call's or cast's name */
	struct slice text;
	int64_t i64;
	double f64;
	struct expr **args;
	uint32_t nargs;
	const struct expr_over *over; /* NULL: nothing behind the call */
};

/* Parses text; NULL after one error reported to place, whose offsets are into text. */
const struct expr *expr_parse(struct arena *a, struct slice text, const struct place *place);

/* The canonical text: one blank around operators, no parentheses that are not needed, durations
 * in their largest whole unit. Two expressions that mean the same by construction print the
 * same. */
void expr_print(struct buf *out, const struct expr *e);
const char *expr_text(struct arena *a, const struct expr *e); /* the same, in a */
/* "e is null" or "e is not null", for suggestions. */
const char *expr_null_test(struct arena *a, struct expr *e, bool negated);
/* " over 7d every 1h where …", leaving out a hop that is the default. */
void expr_print_over(struct buf *out, const struct expr_over *over);

/* The words that cannot be names, and the words of windows; NULL-terminated. */
extern const char *const expr_keywords[];

/* One operator of the language, for the reference. */
struct operator_doc {
	const char *syntax, *types, *summary;
};
extern const struct operator_doc operator_docs[]; /* ends with syntax NULL; loosest first */

#endif
