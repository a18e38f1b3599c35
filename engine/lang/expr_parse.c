// SPDX-License-Identifier: Apache-2.0
//
// Recursive descent over the tokens of lex.c. One error per expression: after the first, every
// function returns NULL and nothing more is reported, since what follows would be guesses.
// Depth is bounded by EXPR_DEPTH_MAX, so hostile nesting is an error and not a stack overflow.
//
// Keywords are lower case. Words of windows (over, every, tumbling, where) mean something only
// behind a call, so columns may have such names. A keyword in other letters is a name too, until
// what stands behind it shows that it was meant as the keyword.
#include "lang/expr.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "lang/duration.h"
#include "lang/habits.h"
#include "lang/lex.h"
#include "lang/suggest.h"
#include "lang/yaml.h"

const char *const expr_keywords[] = {"and", "or", "not", "is", "null", "true", "false", "in",
        "between", "case", "when", "then", "else", "end", "cast", "as", NULL};

static const char *const follow_words[] = {
        "and", "or", "is", "in", "not", "between", "over", "where", "every", NULL};

struct parser {
	struct arena *arena;
	struct slice text;
	const struct place *place;
	struct token token;
	uint32_t end; /* of the last token taken */
	uint32_t depth;
	bool failed;
};

static struct expr *either(struct parser *p);
static struct expr *added(struct parser *p);

static struct slice token_text(const struct parser *p)
{
	return (struct slice){p->text.p + p->token.off, p->token.len};
}

static void *fail(
        struct parser *p, uint32_t off, uint32_t len, const char *suggestion, const char *msg)
{
	if (!p->failed)
		place_error(p->place, off, len, suggestion, "%s", msg);
	p->failed = true;
	return NULL;
}

static bool is_word(const struct parser *p, const char *word)
{
	return (p->token.kind == TOKEN_NAME || p->token.kind == TOKEN_SYMBOL) &&
	       slice_eq(token_text(p), slice_of(word));
}

static void next(struct parser *p)
{
	p->end = p->token.off + p->token.len;
	p->token = lex(p->text, p->end);
}

static bool take(struct parser *p, const char *word)
{
	if (p->failed || !is_word(p, word))
		return false;
	next(p);
	return true;
}

static void describe(const struct parser *p, char out[80])
{
	if (p->token.kind == TOKEN_END)
		snprintf(out, 80, "the end");
	else
		snprintf(out, 80, "'%.*s'", p->token.len > 40 ? 40 : (int)p->token.len,
		        (const char *)token_text(p).p);
}

static const char *wrong_operator(const struct parser *p)
{
	static const char *const pairs[][2] = {{"<>", "!="}, {"==", "="}, {"&&", "and"},
	        {"||", "or"}, {"!", "not"}, {"&", "and"}, {"|", "or"}, {";", NULL}};
	const char *at = (const char *)p->text.p + p->token.off;
	uint32_t left = p->text.len - p->token.off;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		size_t n = strlen(pairs[i][0]);
		if (left >= n && memcmp(at, pairs[i][0], n) == 0)
			return pairs[i][1];
	}
	return NULL;
}

/* What the wrong token was probably meant to be; never the token as it is. */
static const char *suggest_word(const struct parser *p, const char *const *words)
{
	if (p->token.kind != TOKEN_NAME)
		return wrong_operator(p);
	struct suggest s = suggest_for(token_text(p));
	for (; *words; words++)
		suggest_offer(&s, *words);
	if (!s.best)
		return habit_keyword(s.wrong);
	return slice_eq(s.wrong, slice_of(s.best)) ? NULL : s.best;
}

static void *unexpected(struct parser *p, const char *expected, const char *suggestion)
{
	char found[80], msg[200];
	if (p->token.kind == TOKEN_BAD && p->text.p[p->token.off] == '\'')
		return fail(p, p->token.off, p->token.len, NULL,
		        p->place->node && p->place->node->style == YAML_PLAIN
		                ? "this text has no closing quote; " YAML_QUOTE_HINT
		                : "this text has no closing quote");
	if (p->token.kind == TOKEN_BAD && p->text.p[p->token.off] == '"')
		return fail(p, p->token.off, 1, NULL, "texts stand in single quotes");
	describe(p, found);
	snprintf(msg, sizeof msg, "%s expected, not %s", expected, found);
	return fail(p, p->token.off, p->token.len ? p->token.len : 1, suggestion, msg);
}

/* A token behind an operand, where words would go on from it. */
static void *unexpected_word(struct parser *p, const char *expected, const char *const *words)
{
	static const char *const misplaced[][2] = {
	        {"over", "`over WINDOW` stands right behind the aggregate, before its `where`: "
	                 "`sum(x) over 24h where ...`"},
	        {"where", "`where` stands once, right behind the aggregate or its window: "
	                  "`sum(x) over 24h where ...`"},
	        {"every", "`every` stands once, right behind the window's size: "
	                  "`sum(x) over 24h every 1h`"}};
	for (size_t i = 0; i < sizeof misplaced / sizeof *misplaced; i++)
		if (is_word(p, misplaced[i][0]))
			return fail(p, p->token.off, p->token.len, NULL, misplaced[i][1]);
	return unexpected(p, expected, suggest_word(p, words));
}

static bool need(struct parser *p, const char *word)
{
	if (p->failed)
		return false;
	if (take(p, word))
		return true;
	char expected[32];
	snprintf(expected, sizeof expected, "'%s'", word);
	const char *const words[] = {word, NULL};
	unexpected_word(p, expected, words);
	return false;
}

static struct expr *node(struct parser *p, enum expr_kind kind, uint32_t off)
{
	if (p->failed)
		return NULL;
	struct expr *e = arena_calloc(p->arena, 1, sizeof *e);
	e->kind = kind;
	e->off = off;
	e->len = p->end > off ? p->end - off : 1;
	return e;
}

static struct expr *node_args(struct parser *p, enum expr_kind kind, uint32_t off, uint32_t n,
        struct expr *a, struct expr *b, struct expr *c)
{
	struct expr *e = node(p, kind, off);
	if (!e)
		return NULL;
	e->args = arena_alloc(p->arena, 3 * sizeof *e->args);
	e->args[0] = a;
	e->args[1] = b;
	e->args[2] = c;
	e->nargs = n;
	return e;
}

/* ---- leaves */

static struct expr *number(struct parser *p)
{
	struct token t = p->token;
	struct slice text = token_text(p);
	next(p);
	struct expr *e = node(p, t.kind == TOKEN_INT ? EXPR_INT : EXPR_DECIMAL, t.off);
	e->text = text;
	if (t.kind == TOKEN_INT && num_parse_int((const char *)text.p, text.len, &e->i64)) {
		e->f64 = (double)e->i64;
		return e;
	}
	if (t.kind == TOKEN_INT)
		return fail(p, t.off, t.len, NULL, "this integer does not fit in a long");
	const char *at = (const char *)text.p;
	if (!num_parse_double(at, text.len, &e->f64))
		return fail(p, t.off, t.len, NULL, "this number does not fit in a double");
	return e;
}

static struct expr *text(struct parser *p)
{
	struct token t = p->token;
	next(p);
	struct expr *e = node(p, EXPR_TEXT, t.off);
	uint8_t *out = arena_alloc(p->arena, t.len);
	uint32_t n = 0;
	for (uint32_t i = t.off + 1; i < t.off + t.len - 1; i++) {
		out[n++] = p->text.p[i];
		i += p->text.p[i] == '\''; /* '' is one quote */
	}
	e->text = (struct slice){out, n};
	return e;
}

static bool is_keyword(struct slice word)
{
	for (const char *const *k = expr_keywords; *k; k++)
		if (slice_eq(word, slice_of(*k)))
			return true;
	return false;
}

/* ---- lists */

struct list {
	struct expr **items;
	uint32_t n, cap;
};

static bool list_add(struct parser *p, struct list *l, struct expr *e)
{
	if (!e)
		return false;
	if (l->n == EXPR_ARGS_MAX) {
		fail(p, e->off, e->len, NULL, "too many values here");
		return false;
	}
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? 2 * l->cap : 4;
		struct expr **items = arena_alloc(p->arena, cap * sizeof *items);
		if (l->n)
			memcpy(items, l->items, l->n * sizeof *items);
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = e;
	return true;
}

/* "(a, b)", the parenthesis not yet taken. */
static bool arguments(struct parser *p, struct list *l)
{
	if (!need(p, "("))
		return false;
	if (take(p, ")"))
		return true;
	do {
		if (!list_add(p, l, either(p)))
			return false;
	} while (take(p, ","));
	if (p->failed || take(p, ")"))
		return !p->failed;
	unexpected_word(p, "',' or ')'", follow_words);
	return false;
}

/* ---- calls and their windows */

static bool duration(struct parser *p, int64_t *ms, uint32_t *off, uint32_t *len)
{
	char suggestion[DURATION_TEXT_MAX];
	struct token t = p->token;
	*off = t.off;
	*len = t.len;
	struct slice s = token_text(p);
	if (t.kind != TOKEN_DURATION && t.kind != TOKEN_INT) {
		static const char *const words[] = {"tumbling", "session", "last", NULL};
		unexpected(p, "a duration like 5m, 24h or 7d", suggest_word(p, words));
		return false;
	}
	if (t.kind == TOKEN_INT) { /* "7 days": show what to write */
		struct token unit = lex(p->text, t.off + t.len);
		if (unit.kind == TOKEN_NAME)
			s.len = *len = unit.off + unit.len - t.off;
	}
	if (!duration_parse(s, ms)) {
		fail(p, t.off, *len, duration_suggest(s, suggestion),
		        "not a duration: a whole number and one of ms, s, m, h, d, a hundred "
		        "years at most");
		return false;
	}
	next(p);
	return true;
}

static bool window(struct parser *p, struct expr_over *o)
{
	if (is_word(p, "session") || is_word(p, "last")) {
		fail(p, p->token.off, p->token.len, NULL,
		        is_word(p, "last") ? "`last N` windows are not supported yet"
		                           : "`session` windows are not supported yet");
		return false;
	}
	o->kind = take(p, "tumbling") ? OVER_TUMBLING : OVER_HOP;
	if (!duration(p, &o->size_ms, &o->off, &o->len))
		return false;
	uint32_t every_at = p->token.off;
	if (!take(p, "every"))
		return true;
	if (o->kind == OVER_TUMBLING) {
		fail(p, every_at, 5, NULL, "a tumbling window has no `every`");
		return false;
	}
	return duration(p, &o->every_ms, &o->every_off, &o->every_len);
}

/* [over WINDOW] [where COND] */
static bool over(struct parser *p, struct expr *call)
{
	if (!is_word(p, "over") && !is_word(p, "where"))
		return !p->failed;
	struct expr_over *o = arena_calloc(p->arena, 1, sizeof *o);
	o->word_off = p->token.off;
	o->word_len = p->token.len;
	o->kind = OVER_LIFETIME;
	if (take(p, "over") && !window(p, o))
		return false;
	if (take(p, "where") && !(o->where = either(p)))
		return false;
	call->over = o;
	call->len = p->end - call->off;
	return !p->failed;
}

static bool token_is(const struct parser *p, struct token t, const char *word)
{
	return t.len == strlen(word) &&
	       strncasecmp((const char *)p->text.p + t.off, word, t.len) == 0;
}

/* "(*)" and "(distinct x": SQL that is written otherwise here. The parenthesis is the token. */
static bool foreign_arguments(struct parser *p, bool count)
{
	struct token first = lex(p->text, p->token.off + p->token.len),
	             second = lex(p->text, first.off + first.len);
	bool name = second.kind == TOKEN_NAME, parens = token_is(p, second, "(");
	if (token_is(p, first, "*")) {
		fail(p, first.off, 1, count ? "count()" : NULL,
		        count ? "count() without arguments counts all events"
		              : "there is no `*` for all columns: a value is expected");
		return true;
	}
	if (!token_is(p, first, "distinct") || !(name || (parens && count)))
		return false;
	for (const char *const *k = follow_words; *k; k++)
		if (token_is(p, second, *k)) /* a column named distinct */
			return false;
	struct token third = lex(p->text, second.off + second.len);
	const char *meant = name && token_is(p, third, ")")
	                            ? arena_printf(p->arena, "distinct(%.*s)", (int)second.len,
	                                      (const char *)p->text.p + second.off)
	                            : "distinct(x)";
	fail(p, first.off, first.len, count ? meant : NULL,
	        "distinct is an aggregate of its own");
	return true;
}

static struct expr *call(struct parser *p, struct token name, struct slice word)
{
	struct list l = {0};
	if (foreign_arguments(p, token_is(p, name, "count")) || !arguments(p, &l))
		return NULL;
	struct expr *e = node(p, EXPR_CALL, name.off);
	e->text = word;
	e->name_off = name.off;
	e->name_len = name.len;
	e->args = l.items;
	e->nargs = l.n;
	return over(p, e) ? e : NULL;
}

static struct expr *cast(struct parser *p, uint32_t off)
{
	if (!need(p, "("))
		return NULL;
	struct expr *inner = either(p);
	if (!inner || !need(p, "as"))
		return NULL;
	/* Type names have hyphens and parentheses: read up to the parenthesis that closes. */
	uint32_t from = p->token.off, to = from, open = 0;
	while (p->token.kind != TOKEN_END && !(open == 0 && is_word(p, ")"))) {
		open += is_word(p, "(");
		open -= is_word(p, ")");
		next(p);
		to = p->end;
	}
	if (to == from)
		return unexpected(p, "a type", NULL);
	if (!need(p, ")"))
		return NULL;
	struct expr *e = node_args(p, EXPR_CAST, off, 1, inner, NULL, NULL);
	e->text = (struct slice){p->text.p + from, to - from};
	e->name_off = from;
	e->name_len = to - from;
	return e;
}

static struct expr *case_of(struct parser *p, uint32_t off)
{
	struct list l = {0};
	bool has_else = false;
	if (!is_word(p, "when"))
		return unexpected(p, "'when'", NULL);
	while (take(p, "when")) {
		if (!list_add(p, &l, either(p)) || !need(p, "then") ||
		        !list_add(p, &l, either(p)))
			return NULL;
	}
	if (take(p, "else")) {
		has_else = true;
		if (!list_add(p, &l, either(p)))
			return NULL;
	}
	if (!p->failed && !is_word(p, "end")) {
		static const char *const words[] = {
		        "when", "else", "end", "and", "or", "is", "in", "between", NULL};
		return unexpected_word(p, "'when', 'else' or 'end'", words);
	}
	if (!need(p, "end"))
		return NULL;
	struct expr *e = node(p, EXPR_CASE, off);
	e->flag = has_else;
	e->args = l.items;
	e->nargs = l.n;
	return e;
}

/* The token cannot go on from an operand: what is before it was no name. */
static bool starts_value(const struct parser *p)
{
	static const char *const on[] = {"then", "else", "end", "when", "as", NULL};
	if (p->token.kind == TOKEN_INT || p->token.kind == TOKEN_DECIMAL ||
	        p->token.kind == TOKEN_TEXT)
		return true;
	if (p->token.kind != TOKEN_NAME)
		return false;
	for (const char *const *k = follow_words; *k; k++)
		if (token_is(p, p->token, *k))
			return false;
	for (const char *const *k = on; *k; k++)
		if (is_word(p, *k))
			return false;
	return true;
}

static struct expr *word(struct parser *p)
{
	struct token t = p->token;
	struct slice w = token_text(p);
	if (take(p, "true") || take(p, "false")) {
		struct expr *e = node(p, EXPR_BOOL, t.off);
		e->flag = w.p[0] == 't';
		return e;
	}
	if (take(p, "null"))
		return node(p, EXPR_NULL, t.off);
	if (take(p, "case"))
		return case_of(p, t.off);
	if (take(p, "cast"))
		return cast(p, t.off);
	if (is_keyword(w))
		return unexpected(p, "a value", NULL);
	next(p);
	const char *keyword = habit_keyword(w);
	if (keyword && (is_word(p, "(") || starts_value(p)))
		return fail(p, t.off, t.len, keyword, "keywords are lower case");
	if (is_word(p, "("))
		return call(p, t, w);
	struct expr *e = node(p, EXPR_NAME, t.off);
	e->text = w;
	return e;
}

static struct expr *primary(struct parser *p)
{
	if (p->failed)
		return NULL;
	uint32_t off = p->token.off;
	switch (p->token.kind) {
	case TOKEN_INT:
	case TOKEN_DECIMAL:
		return number(p);
	case TOKEN_TEXT:
		return text(p);
	case TOKEN_NAME:
		return word(p);
	case TOKEN_DURATION:
		return fail(p, off, p->token.len, NULL,
		        "a duration can only stand behind over, every or tumbling");
	default:
		break;
	}
	if (!take(p, "("))
		return unexpected(p, "a value", wrong_operator(p));
	struct expr *e = either(p);
	if (!e)
		return NULL;
	if (!is_word(p, ")"))
		return unexpected_word(p, "')'", follow_words);
	next(p);
	return e;
}

/* ---- operators, tightest first */

static bool deeper(struct parser *p)
{
	if (p->failed)
		return false;
	if (++p->depth <= EXPR_DEPTH_MAX)
		return true;
	fail(p, p->token.off, 1, NULL, "this expression is nested too deeply");
	return false;
}

static struct expr *signed_value(struct parser *p)
{
	uint32_t off = p->token.off;
	if (!deeper(p))
		return NULL;
	struct expr *e;
	if (take(p, "-")) {
		e = signed_value(p);
		e = e ? node_args(p, EXPR_NEG, off, 1, e, NULL, NULL) : NULL;
	} else if (take(p, "+")) {
		e = signed_value(p);
	} else {
		e = primary(p);
	}
	p->depth--;
	return e;
}

/* A chain of operators out of set, from left to right; how deep it gets is bounded too, since
 * those who walk the tree recurse. */
static struct expr *chain(
        struct parser *p, const char *set, struct expr *(*operand)(struct parser *))
{
	struct expr *e = operand(p);
	for (uint32_t links = 0; e && p->token.kind == TOKEN_SYMBOL && p->token.len == 1;
	        links++) {
		char op = (char)p->text.p[p->token.off];
		if (!strchr(set, op))
			break;
		if (links == EXPR_ARGS_MAX)
			return fail(p, p->token.off, 1, NULL, "this expression is too long");
		next(p);
		struct expr *right = operand(p);
		e = right ? node_args(p, EXPR_ARITH, e->off, 2, e, right, NULL) : NULL;
		if (e)
			e->op = op;
	}
	return e;
}

static struct expr *multiplied(struct parser *p)
{
	return chain(p, "*/%", signed_value);
}

static struct expr *added(struct parser *p)
{
	return chain(p, "+-", multiplied);
}

/* What == and <> were meant to be between left and what follows. */
static const char *meant_by_doubled(const struct parser *p, struct token after, struct expr *left)
{
	bool negated = p->text.p[p->token.off] == '<';
	if (token_is(p, lex(p->text, after.off + after.len), "null"))
		return expr_null_test(p->arena, left, negated);
	if (left->kind == EXPR_NULL)
		return negated ? "x is not null" : "x is null";
	return wrong_operator(p);
}

static int comparison(struct parser *p, struct expr *left)
{
	static const struct {
		const char *text;
		enum compare op;
	} ops[] = {{"=", CMP_EQ}, {"!=", CMP_NE}, {"<=", CMP_LE}, {">=", CMP_GE}, {"<", CMP_LT},
	        {">", CMP_GT}};
	struct token after = lex(p->text, p->token.off + p->token.len);
	bool doubled = after.kind == TOKEN_SYMBOL && after.off == p->token.off + p->token.len &&
	               (p->text.p[after.off] == '=' || p->text.p[after.off] == '>');
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (!is_word(p, ops[i].text))
			continue;
		if (doubled && p->token.len == 1) { /* == and <> */
			fail(p, p->token.off, 2, meant_by_doubled(p, after, left),
			        "there is no such operator");
			return -1;
		}
		next(p);
		return (int)ops[i].op;
	}
	return -1;
}

static struct expr *membership(struct parser *p, struct expr *e, bool negated)
{
	if (take(p, "between")) {
		struct expr *low = added(p);
		if (!low || !need(p, "and"))
			return NULL;
		struct expr *high = added(p);
		struct expr *b =
		        high ? node_args(p, EXPR_BETWEEN, e->off, 3, e, low, high) : NULL;
		if (b)
			b->flag = negated;
		return b;
	}
	if (!need(p, "in"))
		return NULL;
	struct list l = {0};
	uint32_t open = p->token.off;
	if (!list_add(p, &l, e) || !arguments(p, &l))
		return NULL;
	if (l.n == 1)
		return fail(p, open, p->end - open, NULL, "`in` needs at least one value");
	struct expr *in = node(p, EXPR_IN, e->off);
	in->flag = negated;
	in->args = l.items;
	in->nargs = l.n;
	return in;
}

static struct expr *compared(struct parser *p)
{
	struct expr *e = added(p);
	for (uint32_t links = 0; e; links++) {
		if (links == EXPR_DEPTH_MAX)
			return fail(p, p->token.off, 1, NULL, "this expression is too long");
		int op = comparison(p, e);
		if (p->failed)
			return NULL;
		if (op >= 0) {
			struct expr *right = added(p);
			e = right ? node_args(p, EXPR_COMPARE, e->off, 2, e, right, NULL)
			          : NULL;
			if (e)
				e->op = op;
		} else if (take(p, "is")) {
			bool negated = take(p, "not");
			if (!need(p, "null"))
				return NULL;
			e = node_args(p, EXPR_IS_NULL, e->off, 1, e, NULL, NULL);
			e->flag = negated;
		} else if (is_word(p, "in") || is_word(p, "between")) {
			e = membership(p, e, false);
		} else if (take(p, "not")) {
			e = membership(p, e, true);
		} else {
			return e;
		}
	}
	return NULL;
}

static struct expr *negated(struct parser *p)
{
	uint32_t off = p->token.off;
	if (!deeper(p))
		return NULL;
	struct expr *e;
	if (take(p, "not")) {
		e = negated(p);
		e = e ? node_args(p, EXPR_NOT, off, 1, e, NULL, NULL) : NULL;
	} else {
		e = compared(p);
	}
	p->depth--;
	return e;
}

static struct expr *joined(struct parser *p, const char *word, enum expr_kind kind,
        struct expr *(*operand)(struct parser *))
{
	struct expr *e = operand(p);
	for (uint32_t links = 0; e && take(p, word); links++) {
		if (links == EXPR_ARGS_MAX)
			return fail(p, p->token.off, 1, NULL, "this expression is too long");
		struct expr *right = operand(p);
		e = right ? node_args(p, kind, e->off, 2, e, right, NULL) : NULL;
	}
	return p->failed ? NULL : e;
}

static struct expr *both(struct parser *p)
{
	return joined(p, "and", EXPR_AND, negated);
}

static struct expr *either(struct parser *p)
{
	if (!deeper(p))
		return NULL;
	struct expr *e = joined(p, "or", EXPR_OR, both);
	p->depth--;
	return e;
}

const struct expr *expr_parse(struct arena *a, struct slice text, const struct place *place)
{
	struct parser p = {.arena = a, .text = text, .place = place};
	if (text.len > EXPR_BYTES_MAX)
		return fail(&p, 0, 1, NULL, "this expression is too long");
	p.token = lex(text, 0);
	if (p.token.kind == TOKEN_END)
		return fail(&p, 0, 1, NULL, "an expression is expected here");
	struct expr *e = either(&p);
	if (!e)
		return NULL;
	if (p.token.kind != TOKEN_END)
		return unexpected_word(&p, "an operator or the end", follow_words);
	return e;
}
