// SPDX-License-Identifier: Apache-2.0
//
// The functions of the language: one row each in the table at the end, from which the compiler,
// the suggestions and the reference are made. Unless a row says otherwise, null in gives null
// out.
#include "lang/compile.h"

#include <math.h>

#include "lang/civil.h"
#include "lang/decimal.h"

static const struct type *type_of(struct compiler *c, int reg)
{
	return builder_reg(c->b, reg)->type;
}

static bool any_nullable(struct compiler *c, const int *args, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (builder_reg(c->b, args[i])->nullable)
			return true;
	return false;
}

static int emit(struct compiler *c, kernel *run, const struct type *t, bool may_fail,
        const int *args, uint32_t n, int64_t imm)
{
	for (uint32_t i = 0; i < n; i++)
		if (args[i] < 0)
			return REG_BAD;
	return builder_emit(c->b, &(struct call){.run = run,
	                                  .type = *t,
	                                  .nullable = may_fail || any_nullable(c, args, n),
	                                  .many = args,
	                                  .nargs = n,
	                                  .imm = imm});
}

static int wrong_type(struct compiler *c, const struct expr *e, uint32_t i, int arg,
        const char *what, const char *hint)
{
	char name[TYPE_NAME_MAX];
	return compile_error(c, e->args[i], hint, "%.*s needs %s, not %s", (int)e->text.len,
	        (const char *)e->text.p, what, type_name(type_of(c, arg), name));
}

static bool is_null_literal(struct compiler *c, int arg)
{
	return type_of(c, arg)->kind == KIND_NULL;
}

/* Argument i as a double, a long, a text, or milliseconds; REG_BAD after an error. */
static int as_double(struct compiler *c, const struct expr *e, uint32_t i, int arg)
{
	if (!type_is_number(type_of(c, arg)) && !is_null_literal(c, arg))
		return wrong_type(c, e, i, arg, "a number", NULL);
	return compile_coerce(c, arg, &type_double, e->args[i]);
}

static int as_long(struct compiler *c, const struct expr *e, uint32_t i, int arg)
{
	if (!type_is_integer(type_of(c, arg)) && !is_null_literal(c, arg))
		return wrong_type(c, e, i, arg, "an integer", NULL);
	return compile_coerce(c, arg, &type_long, e->args[i]);
}

static int as_text(struct compiler *c, const struct expr *e, uint32_t i, int arg)
{
	if (!type_is_text(type_of(c, arg)) && !is_null_literal(c, arg))
		return wrong_type(c, e, i, arg, "a text", NULL);
	return compile_coerce(c, arg, &type_string, e->args[i]);
}

static int as_millis(struct compiler *c, const struct expr *e, uint32_t i, int arg)
{
	static const struct type millis = {.kind = KIND_TIMESTAMP_MILLIS};
	const struct type *t = type_of(c, arg);
	bool literal = builder_reg(c->b, arg)->constant && t->kind == KIND_STRING;
	if (!type_is_time(t) && t->kind != KIND_DATE && !literal && !is_null_literal(c, arg))
		return wrong_type(c, e, i, arg, "a timestamp or a date",
		        type_is_text(t) ? "cast(... as timestamp-millis)" : NULL);
	return compile_coerce(c, arg, &millis, e->args[i]);
}

static int constant_long(
        struct compiler *c, const struct expr *e, uint32_t i, int arg, int64_t *out)
{
	const struct reg *r = builder_reg(c->b, arg);
	if (!r->constant || !type_is_integer(r->type) || r->value.null)
		return wrong_type(c, e, i, arg, "a constant integer here", NULL);
	*out = r->value.i64;
	return arg;
}

/* ---- numbers */

struct by_form {
	kernel *i64, *f64, *dec;
	bool may_fail;
};

/* A number function that keeps integers long and decimals decimal. */
static int keeps_kind(struct compiler *c, const struct expr *e, const int *args,
        const struct by_form *k, int64_t imm)
{
	struct type t = *type_of(c, args[0]);
	if (t.kind == KIND_NULL)
		t = type_double;
	if (!type_is_number(&t))
		return wrong_type(c, e, 0, args[0], "a number", NULL);
	enum form form = type_form(&t);
	t = form == FORM_I64 ? type_long : form == FORM_F64 ? type_double : t;
	int arg = compile_coerce(c, args[0], &t, e->args[0]);
	kernel *run = form == FORM_I64 ? k->i64 : form == FORM_F64 ? k->f64 : k->dec;
	if (form == FORM_I128)
		imm = (int64_t)t.scale - imm; /* digits to clear */
	return run ? emit(c, run, &t, k->may_fail, &arg, 1, imm) : arg;
}

static int f_abs(struct compiler *c, const struct expr *e, const int *args)
{
	return keeps_kind(c, e, args,
	        &(struct by_form){kernel_abs_i64, kernel_abs_f64, kernel_abs_dec, true}, 0);
}

static int f_ceil(struct compiler *c, const struct expr *e, const int *args)
{
	return keeps_kind(
	        c, e, args, &(struct by_form){NULL, kernel_ceil_f64, kernel_ceil_dec, true}, 0);
}

static int f_floor(struct compiler *c, const struct expr *e, const int *args)
{
	return keeps_kind(c, e, args,
	        &(struct by_form){NULL, kernel_floor_f64, kernel_floor_dec, true}, 0);
}

static int f_round(struct compiler *c, const struct expr *e, const int *args)
{
	int64_t digits = 0;
	if (e->nargs > 1 && constant_long(c, e, 1, args[1], &digits) < 0)
		return REG_BAD;
	if (digits < -DECIMAL_DIGITS_MAX || digits > 300)
		return compile_error(c, e->args[1], NULL, "round keeps -38 to 300 digits");
	return keeps_kind(c, e, args,
	        &(struct by_form){kernel_round_i64, kernel_round_f64, kernel_round_dec, true},
	        digits);
}

static int doubles(struct compiler *c, const struct expr *e, const int *args, kernel *run)
{
	int regs[2] = {REG_BAD, REG_BAD};
	for (uint32_t i = 0; i < e->nargs && i < 2; i++)
		regs[i] = as_double(c, e, i, args[i]);
	return emit(c, run, &type_double, true, regs, e->nargs, 0);
}

static int f_sqrt(struct compiler *c, const struct expr *e, const int *args)
{
	return doubles(c, e, args, kernel_sqrt_f64);
}

static int f_ln(struct compiler *c, const struct expr *e, const int *args)
{
	return doubles(c, e, args, kernel_ln_f64);
}

static int f_exp(struct compiler *c, const struct expr *e, const int *args)
{
	return doubles(c, e, args, kernel_exp_f64);
}

static int f_pow(struct compiler *c, const struct expr *e, const int *args)
{
	return doubles(c, e, args, kernel_pow_f64);
}

/* ---- choices among values of one type */

/* The type that all arguments share; false after an error. */
static bool common_type(
        struct compiler *c, const struct expr *e, const int *args, struct type *t)
{
	char na[TYPE_NAME_MAX], nb[TYPE_NAME_MAX];
	int so_far = args[0];
	*t = *type_of(c, args[0]);
	for (uint32_t i = 1; i < e->nargs; i++) {
		if (so_far < 0 || !compile_unify(c, so_far, args[i], t)) {
			compile_error(c, e->args[i], NULL,
			        "%.*s of %s and %s: they have no type in common",
			        (int)e->text.len, (const char *)e->text.p,
			        type_name(type_of(c, so_far < 0 ? args[0] : so_far), na),
			        type_name(type_of(c, args[i]), nb));
			return false;
		}
		so_far = compile_coerce(c, so_far, t, e->args[i - 1]);
	}
	return so_far >= 0;
}

/* Pairs from the left (or from the right): f(f(a, b), c). */
static int fold_pairs(struct compiler *c, const struct expr *e, const int *args, kernel *run)
{
	struct type t;
	if (!common_type(c, e, args, &t))
		return REG_BAD;
	int out = compile_coerce(c, args[0], &t, e->args[0]);
	for (uint32_t i = 1; i < e->nargs && out >= 0; i++) {
		int next = compile_coerce(c, args[i], &t, e->args[i]);
		if (next < 0)
			return REG_BAD;
		/* null only when both are */
		bool nullable =
		        builder_reg(c->b, out)->nullable && builder_reg(c->b, next)->nullable;
		out = builder_emit(c->b, &(struct call){.run = run,
		                                 .type = t,
		                                 .nullable = nullable,
		                                 .args = {out, next},
		                                 .nargs = 2});
	}
	return out;
}

static int ordered(struct compiler *c, const struct expr *e, const int *args, kernel *run)
{
	for (uint32_t i = 0; i < e->nargs; i++)
		if (type_of(c, args[i])->kind == KIND_ARRAY ||
		        type_of(c, args[i])->kind == KIND_MAP)
			return wrong_type(c, e, i, args[i], "something with an order", NULL);
	return fold_pairs(c, e, args, run);
}

static int f_least(struct compiler *c, const struct expr *e, const int *args)
{
	return ordered(c, e, args, kernel_least);
}

static int f_greatest(struct compiler *c, const struct expr *e, const int *args)
{
	return ordered(c, e, args, kernel_greatest);
}

static int f_coalesce(struct compiler *c, const struct expr *e, const int *args)
{
	return fold_pairs(c, e, args, kernel_coalesce);
}

static int f_nullif(struct compiler *c, const struct expr *e, const int *args)
{
	int same = compile_compare(c, CMP_EQ, args[0], args[1], e->args[0], e->args[1], e);
	if (same < 0)
		return REG_BAD;
	struct type t = *type_of(c, args[0]);
	return emit(c, kernel_nullif, &t, true, (const int[]){args[0], same}, 2, 0);
}

/* ---- texts */

static int text_to_text(struct compiler *c, const struct expr *e, const int *args, kernel *run)
{
	int arg = as_text(c, e, 0, args[0]);
	return emit(c, run, &type_string, false, &arg, 1, 0);
}

static int f_lower(struct compiler *c, const struct expr *e, const int *args)
{
	return text_to_text(c, e, args, kernel_lower);
}

static int f_upper(struct compiler *c, const struct expr *e, const int *args)
{
	return text_to_text(c, e, args, kernel_upper);
}

static int f_length(struct compiler *c, const struct expr *e, const int *args)
{
	if (type_of(c, args[0])->kind == KIND_BYTES)
		return emit(c, kernel_length_bytes, &type_long, false, args, 1, 0);
	int arg = as_text(c, e, 0, args[0]);
	return emit(c, kernel_length, &type_long, false, &arg, 1, 0);
}

static int f_substr(struct compiler *c, const struct expr *e, const int *args)
{
	int regs[3] = {as_text(c, e, 0, args[0]), as_long(c, e, 1, args[1]), 0};
	if (e->nargs > 2)
		regs[2] = as_long(c, e, 2, args[2]);
	return emit(c, kernel_substr, &type_string, false, regs, e->nargs, 0);
}

static int f_concat(struct compiler *c, const struct expr *e, const int *args)
{
	int *regs = arena_alloc(c->arena, e->nargs * sizeof *regs);
	for (uint32_t i = 0; i < e->nargs; i++) {
		regs[i] = compile_cast(c, args[i], &type_string);
		if (regs[i] == REG_NONE)
			return wrong_type(
			        c, e, i, args[i], "texts, numbers, booleans or times", NULL);
		if (regs[i] < 0)
			return REG_BAD;
	}
	return builder_emit(c->b, &(struct call){.run = kernel_concat,
	                                  .type = type_string,
	                                  .many = regs,
	                                  .nargs = e->nargs});
}

static int f_split_part(struct compiler *c, const struct expr *e, const int *args)
{
	int regs[] = {as_text(c, e, 0, args[0]), as_text(c, e, 1, args[1]),
	        as_long(c, e, 2, args[2])};
	return emit(c, kernel_split_part, &type_string, true, regs, 3, 0);
}

static int f_starts_with(struct compiler *c, const struct expr *e, const int *args)
{
	int regs[] = {as_text(c, e, 0, args[0]), as_text(c, e, 1, args[1])};
	return emit(c, kernel_starts_with, &type_boolean, false, regs, 2, 0);
}

static int f_hash(struct compiler *c, const struct expr *e, const int *args)
{
	for (uint32_t i = 0; i < e->nargs; i++)
		if (type_of(c, args[i])->kind == KIND_MAP ||
		        type_of(c, args[i])->kind == KIND_ARRAY)
			return wrong_type(c, e, i, args[i], "scalar values", NULL);
	return emit(c, kernel_hash, &type_long, false, args, e->nargs, 0);
}

/* ---- times */

static int part(struct compiler *c, const struct expr *e, const int *args, kernel *run)
{
	int arg = as_millis(c, e, 0, args[0]);
	return emit(c, run, &type_long, false, &arg, 1, 0);
}

static int f_year(struct compiler *c, const struct expr *e, const int *args)
{
	return part(c, e, args, kernel_year);
}

static int f_month(struct compiler *c, const struct expr *e, const int *args)
{
	return part(c, e, args, kernel_month);
}

static int f_day(struct compiler *c, const struct expr *e, const int *args)
{
	return part(c, e, args, kernel_day);
}

static int f_hour(struct compiler *c, const struct expr *e, const int *args)
{
	return part(c, e, args, kernel_hour);
}

static int f_dow(struct compiler *c, const struct expr *e, const int *args)
{
	return part(c, e, args, kernel_dow);
}

static const struct date_unit {
	const char *name;
	int64_t ms, months;
} date_units[] = {
        {"millisecond", 1, 0},
        {"second", 1000, 0},
        {"minute", 60000, 0},
        {"hour", 3600000, 0},
        {"day", DAY_MS, 0},
        {"week", 7 * DAY_MS, 0},
        {"month", 0, 1},
        {"year", 0, 12},
};
#define DATE_UNITS (sizeof date_units / sizeof *date_units)

static const struct date_unit *unit_of(struct compiler *c, const struct expr *e)
{
	if (e->kind != EXPR_TEXT) {
		compile_error(c, e, "'day'", "date_diff needs its unit as a text first");
		return NULL;
	}
	struct suggest s = suggest_for(e->text);
	for (size_t i = 0; i < DATE_UNITS; i++) {
		if (slice_eq(e->text, slice_of(date_units[i].name)))
			return &date_units[i];
		suggest_offer(&s, date_units[i].name);
	}
	compile_error(c, e, s.best ? arena_printf(c->arena, "'%s'", s.best) : NULL,
	        "date_diff knows no such unit; it knows millisecond, second, minute, hour, "
	        "day, week, "
	        "month, year");
	return NULL;
}

static int f_date_diff(struct compiler *c, const struct expr *e, const int *args)
{
	const struct date_unit *unit = unit_of(c, e->args[0]);
	int regs[] = {as_millis(c, e, 1, args[1]), as_millis(c, e, 2, args[2])};
	if (!unit)
		return REG_BAD;
	return unit->months ? emit(c, kernel_date_diff_calendar, &type_long, false, regs, 2,
	                              unit->months)
	                    : emit(c, kernel_date_diff, &type_long, true, regs, 2, unit->ms);
}

#define MANY 255

const struct function functions[] = {
        {"abs", "abs(x)", "number -> long, double or decimal", "The magnitude.", 1, 1, f_abs},
        {"ceil", "ceil(x)", "number -> long, double or decimal", "The next whole number above.",
                1, 1, f_ceil},
        {"floor", "floor(x)", "number -> long, double or decimal",
                "The next whole number below.", 1, 1, f_floor},
        {"round", "round(x, digits)", "number, constant integer -> long, double or decimal",
                "Half away from zero; digits behind the point, 0 when left out, negative "
                "before it.",
                1, 2, f_round},
        {"sqrt", "sqrt(x)", "number -> double", "Null and counted below zero.", 1, 1, f_sqrt},
        {"ln", "ln(x)", "number -> double",
                "The natural logarithm; null and counted at and below zero.", 1, 1, f_ln},
        {"exp", "exp(x)", "number -> double", "e to the power of x.", 1, 1, f_exp},
        {"pow", "pow(x, y)", "numbers -> double",
                "x to the power of y; null and counted when there is no real answer.", 2, 2,
                f_pow},
        {"least", "least(a, b, ...)", "one kind -> the same",
                "The smallest; nulls are left out.", 1, MANY, f_least},
        {"greatest", "greatest(a, b, ...)", "one kind -> the same",
                "The largest; nulls are left out.", 1, MANY, f_greatest},
        {"coalesce", "coalesce(a, b, ...)", "one kind -> the same",
                "The first that is not null.", 1, MANY, f_coalesce},
        {"nullif", "nullif(a, b)", "one kind -> the type of a", "Null when a = b, else a.", 2,
                2, f_nullif},
        {"lower", "lower(s)", "text -> string",
                "ASCII letters in lower case; other letters stay as they are.", 1, 1, f_lower},
        {"upper", "upper(s)", "text -> string",
                "ASCII letters in upper case; other letters stay as they are.", 1, 1, f_upper},
        {"length", "length(s)", "text or bytes -> long",
                "Characters (Unicode code points) of a text, bytes of bytes.", 1, 1, f_length},
        {"substr", "substr(s, start, length)", "text, integers -> string",
                "From character start (the first is 1), to the end without a length. Positions "
                "before the text "
                "count towards the length.",
                2, 3, f_substr},
        {"concat", "concat(a, b, ...)", "scalars -> string",
                "One behind the other as texts; nulls are left out.", 1, MANY, f_concat},
        {"split_part", "split_part(s, mark, n)", "text, text, integer -> string",
                "The n-th part (the first is 1) between marks; '' when there is none. An empty "
                "mark is null and "
                "counted.",
                3, 3, f_split_part},
        {"starts_with", "starts_with(s, prefix)", "texts -> boolean", "Bytewise.", 2, 2,
                f_starts_with},
        {"hash", "hash(a, ...)", "scalars -> long",
                "XXH64 with seed 0, the same on every machine and in every version: of a "
                "text's or bytes' bytes, of 8 "
                "little-endian bytes of an integer, boolean, time or double, of 16 of a "
                "decimal's digits; each hash "
                "seeds the next argument's.",
                1, MANY, f_hash},
        {"year", "year(t)", "timestamp or date -> long", "In UTC, as all parts.", 1, 1, f_year},
        {"month", "month(t)", "timestamp or date -> long", "1 to 12.", 1, 1, f_month},
        {"day", "day(t)", "timestamp or date -> long", "Of the month, 1 to 31.", 1, 1, f_day},
        {"hour", "hour(t)", "timestamp or date -> long", "0 to 23.", 1, 1, f_hour},
        {"dow", "dow(t)", "timestamp or date -> long",
                "Day of the week: 0 is Sunday, 6 Saturday.", 1, 1, f_dow},
        {"date_diff", "date_diff('unit', from, to)", "text, two timestamps or dates -> long",
                "Whole milliseconds, seconds, minutes, hours, days or weeks from the one to "
                "the other, towards zero; "
                "for 'month' and 'year' the turns of the calendar in UTC between them.",
                3, 3, f_date_diff},
        {NULL, NULL, NULL, NULL, 0, 0, NULL},
};
