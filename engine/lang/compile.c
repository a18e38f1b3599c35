// SPDX-License-Identifier: Apache-2.0
//
// Walks a tree, finds types and emits instructions. Operands are compiled first, all of them,
// so that every wrong one gets its error; a node with a bad operand is silently bad.
//
// Pointers to registers die with the next emit: take them again.
#include "lang/compile.h"

#include <stdarg.h>
#include <stdio.h>

#include "lang/decimal.h"
#include "lang/habits.h"

int compile_error(
        struct compiler *c, const struct expr *e, const char *suggestion, const char *fmt, ...)
{
	char msg[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	place_error(c->place, e->off, e->len, suggestion, "%s", msg);
	return REG_BAD;
}

static const struct type *type_of(struct compiler *c, int reg)
{
	return builder_reg(c->b, reg)->type;
}

static int boolean(struct compiler *c, const struct expr *e, const char *what)
{
	int r = compile(c, e);
	char name[TYPE_NAME_MAX];
	if (r < 0)
		return REG_BAD;
	if (type_of(c, r)->kind == KIND_NULL)
		return compile_cast(c, r, &type_boolean);
	if (type_of(c, r)->kind == KIND_BOOLEAN)
		return r;
	return compile_error(c, e, NULL, "%s needs a condition, not %s", what,
	        type_name(type_of(c, r), name));
}

int compile_condition(struct compiler *c, const struct expr *e, const char *what)
{
	return boolean(c, e, what);
}

static int literal(struct compiler *c, const struct expr *e)
{
	struct value v = {0};
	switch (e->kind) {
	case EXPR_NULL:
		v.null = true;
		return builder_const(c->b, &type_null, &v);
	case EXPR_BOOL:
		v.i64 = e->flag;
		return builder_const(c->b, &type_boolean, &v);
	case EXPR_INT:
		v.i64 = e->i64;
		return builder_const(c->b, &type_long, &v);
	case EXPR_TEXT:
		v.bytes = e->text;
		return builder_const(c->b, &type_string, &v);
	default:
		v.f64 = e->f64;
		return builder_decimal(c->b, v.f64,
		        memchr(e->text.p, 'e', e->text.len) ||
		                        memchr(e->text.p, 'E', e->text.len)
		                ? (struct slice){0}
		                : e->text);
	}
}

static int logic(struct compiler *c, const struct expr *e)
{
	const char *word = e->kind == EXPR_AND ? "and" : "or";
	int a = boolean(c, e->args[0], word), b = boolean(c, e->args[1], word);
	if (a < 0 || b < 0)
		return REG_BAD;
	bool nullable = builder_reg(c->b, a)->nullable || builder_reg(c->b, b)->nullable;
	return builder_emit(
	        c->b, &(struct call){.run = e->kind == EXPR_AND ? kernel_and : kernel_or,
	                      .type = type_boolean,
	                      .nullable = nullable,
	                      .args = {a, b},
	                      .nargs = 2});
}

static int negation(struct compiler *c, int reg)
{
	if (reg < 0)
		return REG_BAD;
	return builder_emit(c->b, &(struct call){.run = kernel_not,
	                                  .type = type_boolean,
	                                  .nullable = builder_reg(c->b, reg)->nullable,
	                                  .args = {reg},
	                                  .nargs = 1});
}

/* ---- arithmetic */

struct arith {
	char op;
	kernel *i64, *f64, *dec;
};

static const struct arith ariths[] = {
        {'+', kernel_add_i64, kernel_add_f64, kernel_add_dec},
        {'-', kernel_sub_i64, kernel_sub_f64, kernel_sub_dec},
        {'*', kernel_mul_i64, kernel_mul_f64, kernel_mul_dec},
        {'/', NULL, kernel_div_f64, NULL},
        {'%', kernel_mod_i64, kernel_mod_f64, kernel_mod_dec},
};

static bool check_number(struct compiler *c, int reg, const struct expr *e, const char *op)
{
	const struct type *t = type_of(c, reg);
	char name[TYPE_NAME_MAX];
	if (type_is_number(t) || t->kind == KIND_NULL)
		return true;
	const char *hint = NULL;
	if (type_is_text(t) && op[0] == '+')
		hint = "concat(a, b)";
	else if ((type_is_time(t) || t->kind == KIND_DATE) && op[0] == '-')
		hint = "date_diff('second', from, to)";
	compile_error(c, e, hint, "%s needs a number, not %s", op, type_name(t, name));
	return false;
}

/* The type in which an operation on a and b is done. */
static struct type arith_type(struct compiler *c, char op, int a, int b)
{
	struct type t = type_double;
	if (op == '/')
		return t;
	compile_unify(c, a, b, &t);
	if (t.kind == KIND_NULL)
		t = type_long;
	if (t.kind == KIND_INT)
		t.kind = KIND_LONG;
	if (t.kind == KIND_FLOAT)
		t.kind = KIND_DOUBLE;
	if (t.kind == KIND_DECIMAL && (op == '+' || op == '-') &&
	        t.precision < DECIMAL_DIGITS_MAX)
		t.precision++;
	return t;
}

/* Decimal product: no common scale is needed, the scales add up. */
static int multiply_decimals(struct compiler *c, int a, int b, const struct expr *e)
{
	const struct type *x = type_of(c, a), *y = type_of(c, b);
	int scale = x->scale + y->scale, precision = x->precision + y->precision;
	char nx[TYPE_NAME_MAX], ny[TYPE_NAME_MAX];
	if (scale > DECIMAL_DIGITS_MAX)
		return compile_error(c, e, NULL,
		        "%s * %s has more than 38 digits behind the point; cast one",
		        type_name(x, nx), type_name(y, ny));
	struct type t = {.kind = KIND_DECIMAL, .scale = (uint8_t)scale};
	t.precision =
	        (uint8_t)(precision > DECIMAL_DIGITS_MAX ? DECIMAL_DIGITS_MAX : precision);
	return builder_emit(c->b, &(struct call){.run = kernel_mul_dec,
	                                  .type = t,
	                                  .nullable = true,
	                                  .args = {a, b},
	                                  .nargs = 2});
}

/* Integers and literals beside a decimal, as decimals of their own. */
static int own_decimal(struct compiler *c, int reg, const struct expr *at)
{
	struct type t = compile_decimal_type(builder_reg(c->b, reg));
	return compile_coerce(c, reg, &t, at);
}

static int arith_emit(struct compiler *c, const struct arith *k, struct type t, int a, int b)
{
	if (a < 0 || b < 0)
		return REG_BAD;
	kernel *run = type_form(&t) == FORM_I64   ? k->i64
	              : type_form(&t) == FORM_F64 ? k->f64
	                                          : k->dec;
	return builder_emit(c->b,
	        &(struct call){
	                .run = run, .type = t, .nullable = true, .args = {a, b}, .nargs = 2});
}

static int arithmetic(struct compiler *c, const struct expr *e)
{
	const struct arith *k = ariths;
	while (k->op != e->op)
		k++;
	const char op[2] = {k->op, 0};
	int a = compile(c, e->args[0]), b = compile(c, e->args[1]);
	bool good = a >= 0 && check_number(c, a, e->args[0], op);
	good = b >= 0 && check_number(c, b, e->args[1], op) && good;
	if (!good)
		return REG_BAD;
	struct type t = arith_type(c, k->op, a, b);
	if (t.kind == KIND_DECIMAL && k->op == '*') {
		a = own_decimal(c, a, e->args[0]);
		b = own_decimal(c, b, e->args[1]);
		return a < 0 || b < 0 ? REG_BAD : multiply_decimals(c, a, b, e);
	}
	a = compile_coerce(c, a, &t, e->args[0]);
	b = compile_coerce(c, b, &t, e->args[1]);
	return arith_emit(c, k, t, a, b);
}

static int minus(struct compiler *c, const struct expr *e)
{
	int r = compile(c, e->args[0]);
	if (r < 0 || !check_number(c, r, e->args[0], "-"))
		return REG_BAD;
	struct type t = *type_of(c, r);
	if (builder_reg(c->b, r)->digits.len) { /* stays a literal */
		struct slice digits = builder_reg(c->b, r)->digits;
		const char *text = arena_printf(
		        c->arena, "-%.*s", (int)digits.len, (const char *)digits.p);
		if (digits.p[0] != '-')
			return builder_decimal(
			        c->b, -builder_reg(c->b, r)->value.f64, slice_of(text));
	}
	if (type_form(&t) == FORM_I64)
		t = type_long;
	r = compile_coerce(c, r, &t, e->args[0]);
	if (r < 0)
		return REG_BAD;
	kernel *run = type_form(&t) == FORM_I64   ? kernel_neg_i64
	              : type_form(&t) == FORM_F64 ? kernel_neg_f64
	                                          : kernel_neg_dec;
	return builder_emit(c->b,
	        &(struct call){.run = run,
	                .type = t,
	                .nullable = type_form(&t) == FORM_I64 || builder_reg(c->b, r)->nullable,
	                .args = {r},
	                .nargs = 1});
}

/* ---- comparison */

static int is_null(struct compiler *c, const struct expr *e)
{
	int r = compile(c, e->args[0]);
	if (r < 0)
		return REG_BAD;
	return builder_emit(
	        c->b, &(struct call){.run = e->flag ? kernel_is_not_null : kernel_is_null,
	                      .type = type_boolean,
	                      .args = {r},
	                      .nargs = 1});
}

/* `x = null` is null for every x: SQL allows it, nobody means it. */
static int compared_with_null(struct compiler *c, const struct expr *e, struct expr *other)
{
	bool test = e->op == CMP_EQ || e->op == CMP_NE;
	const char *meant = test ? expr_null_test(c->arena, other, e->op == CMP_NE) : NULL;
	return compile_error(c, e, meant, "comparing with null gives null, always");
}

static int comparison(struct compiler *c, const struct expr *e)
{
	struct expr *x = e->args[0], *y = e->args[1];
	int a = compile(c, x), b = compile(c, y);
	if (a >= 0 && b >= 0 && (x->kind == EXPR_NULL || y->kind == EXPR_NULL))
		return compared_with_null(c, e, x->kind == EXPR_NULL ? y : x);
	return compile_compare(c, (enum compare)e->op, a, b, x, y, e);
}

static int between(struct compiler *c, const struct expr *e)
{
	int x = compile(c, e->args[0]), low = compile(c, e->args[1]),
	    high = compile(c, e->args[2]);
	int above = compile_compare(c, CMP_GE, x, low, e->args[0], e->args[1], e);
	int below = compile_compare(c, CMP_LE, x, high, e->args[0], e->args[2], e);
	if (above < 0 || below < 0)
		return REG_BAD;
	bool nullable =
	        builder_reg(c->b, above)->nullable || builder_reg(c->b, below)->nullable;
	int both = builder_emit(c->b, &(struct call){.run = kernel_and,
	                                      .type = type_boolean,
	                                      .nullable = nullable,
	                                      .args = {above, below},
	                                      .nargs = 2});
	return e->flag ? negation(c, both) : both;
}

static void sort_values(struct value *v, uint32_t n, const struct type *t)
{
	for (uint32_t gap = n / 2; gap; gap /= 2) /* a short list, once */
		for (uint32_t i = gap; i < n; i++)
			for (uint32_t j = i; j >= gap && value_cmp(t, &v[j - gap], &v[j]) > 0;
			        j -= gap) {
				struct value swap = v[j];
				v[j] = v[j - gap];
				v[j - gap] = swap;
			}
}

/* All values are constants of x's type: one search a row. REG_NONE when they are not. */
static int in_constants(struct compiler *c, int x, const int *regs, const struct expr *e)
{
	struct in_list *list = arena_calloc(c->arena, 1, sizeof *list);
	if (type_of(c, x)->kind == KIND_ENUM) /* its symbols were checked */
		x = compile_cast(c, x, &type_string);
	list->sorted = arena_alloc(c->arena, e->nargs * sizeof *list->sorted);
	for (uint32_t i = 1; i < e->nargs; i++) {
		const struct reg *r = builder_reg(c->b, regs[i]);
		struct type t;
		if (!r->constant || !compile_unify(c, x, regs[i], &t) ||
		        !type_equal(&t, type_of(c, x)))
			return REG_NONE;
		int same = compile_coerce(c, regs[i], &t, e->args[i]);
		if (same < 0)
			return REG_BAD;
		const struct value *v = &builder_reg(c->b, same)->value;
		if (v->null)
			list->has_null = true;
		else
			list->sorted[list->n++] = *v;
	}
	sort_values(list->sorted, list->n, type_of(c, x));
	return builder_emit(
	        c->b, &(struct call){.run = kernel_in,
	                      .type = type_boolean,
	                      .nullable = list->has_null || builder_reg(c->b, x)->nullable,
	                      .args = {x},
	                      .nargs = 1,
	                      .data = list});
}

static int in_list(struct compiler *c, const struct expr *e)
{
	int *regs = arena_alloc(c->arena, e->nargs * sizeof *regs), found = REG_NONE;
	bool good = true;
	for (uint32_t i = 0; i < e->nargs; i++)
		good = (regs[i] = compile(c, e->args[i])) >= 0 && good;
	if (!good)
		return REG_BAD;
	if (type_of(c, regs[0])->kind == KIND_INT)
		regs[0] = compile_cast(c, regs[0], &type_long);
	/* Each value is compared as by =, for its errors; in_constants may then do it at once.
	 */
	for (uint32_t i = 1; i < e->nargs; i++) {
		int one = compile_compare(
		        c, CMP_EQ, regs[0], regs[i], e->args[0], e->args[i], e->args[i]);
		good = one >= 0 && good;
		if (!good || i == 1) {
			found = one;
			continue;
		}
		bool nullable =
		        builder_reg(c->b, found)->nullable || builder_reg(c->b, one)->nullable;
		found = builder_emit(c->b, &(struct call){.run = kernel_or,
		                                   .type = type_boolean,
		                                   .nullable = nullable,
		                                   .args = {found, one},
		                                   .nargs = 2});
		good = found >= 0;
	}
	if (!good)
		return REG_BAD;
	int quick = e->nargs > 2 ? in_constants(c, regs[0], regs, e) : REG_NONE;
	found = quick == REG_NONE ? found : quick;
	return e->flag ? negation(c, found) : found;
}

/* ---- case, cast, calls */

static bool branches(struct compiler *c, const struct expr *e, int *regs)
{
	bool good = true;
	for (uint32_t i = 0; i < e->nargs; i++) {
		bool condition = i % 2 == 0 && !(e->flag && i == e->nargs - 1);
		regs[i] = condition ? boolean(c, e->args[i], "when") : compile(c, e->args[i]);
		good = regs[i] >= 0 && good;
	}
	return good;
}

static int case_of(struct compiler *c, const struct expr *e)
{
	int *regs = arena_alloc(c->arena, (e->nargs + 1) * sizeof *regs);
	uint32_t pairs = e->nargs / 2;
	char na[TYPE_NAME_MAX], nb[TYPE_NAME_MAX];
	if (!branches(c, e, regs))
		return REG_BAD;
	int out = e->flag ? regs[e->nargs - 1]
	                  : builder_const(c->b, &type_null, &(struct value){.null = true});
	for (uint32_t i = pairs; i-- > 0;) {
		int value = regs[2 * i + 1];
		struct type t;
		if (value < 0 || out < 0)
			return REG_BAD;
		if (!compile_unify(c, value, out, &t))
			return compile_error(c, e->args[2 * i + 1], NULL,
			        "the branches of a case are %s and %s",
			        type_name(type_of(c, value), na),
			        type_name(type_of(c, out), nb));
		value = compile_coerce(c, value, &t, e->args[2 * i + 1]);
		out = compile_coerce(c, out, &t, e);
		if (value < 0 || out < 0)
			return REG_BAD;
		bool nullable =
		        builder_reg(c->b, value)->nullable || builder_reg(c->b, out)->nullable;
		out = builder_emit(c->b, &(struct call){.run = kernel_select,
		                                 .type = t,
		                                 .nullable = nullable,
		                                 .args = {regs[2 * i], value, out},
		                                 .nargs = 3});
	}
	return out;
}

static int cast(struct compiler *c, const struct expr *e)
{
	struct type to;
	char from[TYPE_NAME_MAX], name[TYPE_NAME_MAX];
	int r = compile(c, e->args[0]);
	if (!type_parse(e->text, &to)) {
		struct suggest s = suggest_for(e->text);
		for (const struct type_doc *t = type_docs; t->name; t++)
			suggest_offer(&s, t->castable ? t->name : NULL);
		place_error(c->place, e->name_off, e->name_len, s.best,
		        "there is no type '%.*s'", e->text.len > 40 ? 40 : (int)e->text.len,
		        (const char *)e->text.p);
		return REG_BAD;
	}
	if (r < 0)
		return REG_BAD;
	int out = compile_cast(c, r, &to);
	if (out != REG_NONE)
		return out;
	return compile_error(c, e, NULL, "%s cannot be cast to %s",
	        type_name(type_of(c, r), from), type_name(&to, name));
}

static int unknown_function(struct compiler *c, const struct expr *e)
{
	if (diagnostics_full(c->place->d))
		return REG_BAD;
	const char *habit = habit_function(e->text);
	bool clock = habit_clock(e->text);
	struct suggest s = suggest_for(habit ? slice_of(habit) : e->text);
	for (const struct function *f = functions; f->name; f++)
		suggest_offer(&s, f->name);
	if (c->scope->offer)
		c->scope->offer(c->scope->arg, &s);
	if (clock || (habit && s.distance)) /* the habit's word is not to be had here */
		s.best = NULL;
	place_error(c->place, e->name_off, e->name_len, s.best, "there is no function '%.*s'%s",
	        e->text.len > 40 ? 40 : (int)e->text.len, (const char *)e->text.p,
	        clock ? "; " NO_CLOCK : "");
	return REG_BAD;
}

static int call_function(struct compiler *c, const struct expr *e, const struct function *f)
{
	int *regs = arena_alloc(c->arena, (e->nargs + 1) * sizeof *regs);
	bool good = true;
	for (uint32_t i = 0; i < e->nargs; i++)
		good = (regs[i] = compile(c, e->args[i])) >= 0 && good;
	if (e->over)
		place_error(c->place, e->over->word_off, e->over->word_len, NULL,
		        "'%s' is not an aggregate: it takes no window and no where", f->name);
	if (e->nargs < f->nargs_min || e->nargs > f->nargs_max)
		return compile_error(
		        c, e, f->signature, "wrong number of arguments for %s", f->name);
	return good && !e->over ? f->compile(c, e, regs) : REG_BAD;
}

static int call(struct compiler *c, const struct expr *e)
{
	int r = c->scope->call ? c->scope->call(c->scope->arg, c, e) : REG_NONE;
	if (r != REG_NONE)
		return r;
	for (const struct function *f = functions; f->name; f++)
		if (slice_eq(e->text, slice_of(f->name)))
			return call_function(c, e, f);
	return unknown_function(c, e);
}

int compile(struct compiler *c, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_NAME:
		return c->scope->name(c->scope->arg, c, e);
	case EXPR_CALL:
		return call(c, e);
	case EXPR_NEG:
		return minus(c, e);
	case EXPR_NOT:
		return negation(c, boolean(c, e->args[0], "not"));
	case EXPR_AND:
	case EXPR_OR:
		return logic(c, e);
	case EXPR_ARITH:
		return arithmetic(c, e);
	case EXPR_COMPARE:
		return comparison(c, e);
	case EXPR_IS_NULL:
		return is_null(c, e);
	case EXPR_IN:
		return in_list(c, e);
	case EXPR_BETWEEN:
		return between(c, e);
	case EXPR_CASE:
		return case_of(c, e);
	case EXPR_CAST:
		return cast(c, e);
	default:
		return literal(c, e);
	}
}
