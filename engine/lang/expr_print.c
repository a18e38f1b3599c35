// SPDX-License-Identifier: Apache-2.0
//
// Expressions back to text, in one spelling. Sharing of aggregate calls and the comparison of
// plans rest on it: what prints the same is the same.
#include "data/window.h"
#include "lang/duration.h"
#include "lang/expr.h"

enum level {
	LEVEL_OR,
	LEVEL_AND,
	LEVEL_NOT,
	LEVEL_COMPARE,
	LEVEL_ADD,
	LEVEL_MUL,
	LEVEL_SIGN,
	LEVEL_LEAF
};

const struct operator_doc operator_docs[] = {
        {"a or b", "boolean", "True when one is; null when it could still be."},
        {"a and b", "boolean", "False when one is; null when it could still be true."},
        {"not a", "boolean", "Null stays null."},
        {"a = b, a != b, a < b, a <= b, a > b, a >= b", "two of a kind",
                "Null when a side is null; a literal null is an error, as `is null` is meant. "
                "Texts compare bytewise, enums by their text, timestamps "
                "and dates also with ISO-8601 texts such as '2013-01-01T00:00:00Z'."},
        {"a is null, a is not null", "any", "Never null."},
        {"a in (b, c), a not in (b, c)", "one kind",
                "Null when a is null, or when it is not found and the list has a null."},
        {"a between b and c, a not between b and c", "one kind", "b <= a and a <= c."},
        {"a + b, a - b", "numbers",
                "Integers give long, decimals decimal (exact), everything else double. "
                "Overflow is "
                "null and counted."},
        {"a * b", "numbers", "As +; decimals add their scales."},
        {"a / b", "numbers", "Always double. Division by zero is null."},
        {"a % b", "numbers", "The remainder, with the sign of a. Null when b is zero."},
        {"-a", "number", "Integers give long."},
        {"case when a then b ... else c end", "boolean, then one kind",
                "The first b whose a is true; null without an else. Every branch is computed, "
                "so "
                "an overflow in one that is not taken is counted too."},
        {"cast(a as type)", "see Casts", "Null and counted when it cannot be done."},
        {NULL, NULL, NULL},
};

static void print(struct buf *out, const struct expr *e, enum level around);

static enum level level_of(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_OR:
		return LEVEL_OR;
	case EXPR_AND:
		return LEVEL_AND;
	case EXPR_NOT:
		return LEVEL_NOT;
	case EXPR_COMPARE:
	case EXPR_IS_NULL:
	case EXPR_IN:
	case EXPR_BETWEEN:
		return LEVEL_COMPARE;
	case EXPR_ARITH:
		return e->op == '+' || e->op == '-' ? LEVEL_ADD : LEVEL_MUL;
	case EXPR_NEG:
		return LEVEL_SIGN;
	case EXPR_CALL: /* a where takes all that follows */
		return e->over && e->over->where ? LEVEL_OR : LEVEL_LEAF;
	default:
		return LEVEL_LEAF;
	}
}

static void print_text(struct buf *out, struct slice s)
{
	buf_byte(out, '\'');
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\'')
			buf_byte(out, '\'');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '\'');
}

static void print_list(struct buf *out, struct expr *const *args, uint32_t n)
{
	buf_byte(out, '(');
	for (uint32_t i = 0; i < n; i++) {
		buf_str(out, i ? ", " : "");
		print(out, args[i], LEVEL_OR);
	}
	buf_byte(out, ')');
}

void expr_print_over(struct buf *out, const struct expr_over *o)
{
	if (!o)
		return;
	if (o->kind != OVER_LIFETIME) {
		buf_str(out, o->kind == OVER_TUMBLING ? " over tumbling " : " over ");
		duration_print(out, o->size_ms);
	}
	if (o->kind == OVER_HOP && o->every_ms &&
	        o->every_ms != window_hop_default(o->size_ms)) {
		buf_str(out, " every ");
		duration_print(out, o->every_ms);
	}
	if (o->where) {
		buf_str(out, " where ");
		print(out, o->where, LEVEL_OR);
	}
}

static void print_case(struct buf *out, const struct expr *e)
{
	buf_str(out, "case");
	uint32_t pairs = e->nargs / 2;
	for (uint32_t i = 0; i < pairs; i++) {
		buf_str(out, " when ");
		print(out, e->args[2 * i], LEVEL_OR);
		buf_str(out, " then ");
		print(out, e->args[2 * i + 1], LEVEL_OR);
	}
	if (e->flag) {
		buf_str(out, " else ");
		print(out, e->args[e->nargs - 1], LEVEL_OR);
	}
	buf_str(out, " end");
}

static void print_binary(
        struct buf *out, const struct expr *e, const char *op, enum level level)
{
	print(out, e->args[0], level);
	buf_printf(out, " %s ", op);
	print(out, e->args[1], level + 1);
}

static void print_compared(struct buf *out, const struct expr *e)
{
	static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">="};
	const char *not_text = e->flag ? " not" : "";
	if (e->kind == EXPR_COMPARE) {
		print_binary(out, e, ops[e->op], LEVEL_COMPARE);
		return;
	}
	print(out, e->args[0], LEVEL_COMPARE);
	if (e->kind == EXPR_IS_NULL) {
		buf_printf(out, " is%s null", not_text);
	} else if (e->kind == EXPR_IN) {
		buf_printf(out, "%s in ", not_text);
		print_list(out, e->args + 1, e->nargs - 1);
	} else {
		buf_printf(out, "%s between ", not_text);
		print(out, e->args[1], LEVEL_ADD);
		buf_str(out, " and ");
		print(out, e->args[2], LEVEL_ADD);
	}
}

static void print_leaf(struct buf *out, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_NULL:
		buf_str(out, "null");
		break;
	case EXPR_BOOL:
		buf_str(out, e->flag ? "true" : "false");
		break;
	case EXPR_INT:
		buf_int(out, e->i64);
		break;
	case EXPR_TEXT:
		print_text(out, e->text);
		break;
	case EXPR_CAST:
		buf_str(out, "cast(");
		print(out, e->args[0], LEVEL_OR);
		buf_str(out, " as ");
		for (uint32_t i = 0; i < e->text.len; i++)
			if (e->text.p[i] > ' ')
				buf_byte(out, e->text.p[i]);
		buf_byte(out, ')');
		break;
	case EXPR_CASE:
		print_case(out, e);
		break;
	case EXPR_CALL:
		buf_slice(out, e->text);
		print_list(out, e->args, e->nargs);
		expr_print_over(out, e->over);
		break;
	default: /* names, and decimals as they were written: their digits are their type */
		buf_slice(out, e->text);
	}
}

static void print(struct buf *out, const struct expr *e, enum level around)
{
	bool parens = level_of(e) < around;
	buf_str(out, parens ? "(" : "");
	switch (e->kind) {
	case EXPR_OR:
		print_binary(out, e, "or", LEVEL_OR);
		break;
	case EXPR_AND:
		print_binary(out, e, "and", LEVEL_AND);
		break;
	case EXPR_NOT:
		buf_str(out, "not ");
		print(out, e->args[0], LEVEL_NOT);
		break;
	case EXPR_COMPARE:
	case EXPR_IS_NULL:
	case EXPR_IN:
	case EXPR_BETWEEN:
		print_compared(out, e);
		break;
	case EXPR_ARITH:
		print_binary(out, e, (char[2]){(char)e->op, 0}, level_of(e));
		break;
	case EXPR_NEG:
		buf_str(out, "-");
		print(out, e->args[0], LEVEL_LEAF);
		break;
	default:
		print_leaf(out, e);
	}
	buf_str(out, parens ? ")" : "");
}

void expr_print(struct buf *out, const struct expr *e)
{
	print(out, e, LEVEL_OR);
}

const char *expr_text(struct arena *a, const struct expr *e)
{
	struct buf b;
	buf_init(&b);
	expr_print(&b, e);
	const char *text = arena_strndup(a, (const char *)b.p, b.len);
	buf_release(&b);
	return text;
}

const char *expr_null_test(struct arena *a, struct expr *e, bool negated)
{
	return expr_text(a, &(struct expr){.kind = EXPR_IS_NULL,
	                            .flag = negated,
	                            .args = &e,
	                            .nargs = 1});
}
