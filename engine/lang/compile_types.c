// SPDX-License-Identifier: Apache-2.0
//
// Types meeting: what two of them have in common, implicit widening, casts and comparison.
// Widening never loses anything, with two exceptions that SQL makes too: a long or a decimal
// beside a double becomes double.
#include "lang/compile.h"

#include "lang/civil.h"
#include "lang/decimal.h"

#define LONG_DIGITS 19
#define INT_DIGITS 10

const struct type_doc type_docs[] = {
        {"boolean", "true, false", true},
        {"int", "32 bits", true},
        {"long", "64 bits", true},
        {"float", "IEEE 754, 32 bits", true},
        {"double", "IEEE 754, 64 bits; never NaN or infinite", true},
        {"decimal(10,2)", "up to 38 digits, exact; digits in all, digits behind the point",
                true},
        {"string", "UTF-8 text", true},
        {"date", "days", true},
        {"time-millis", "ms since midnight", true},
        {"time-micros", "us since midnight", true},
        {"timestamp-millis", "ms since the epoch, UTC", true},
        {"timestamp-micros", "us since the epoch, UTC", true},
        {"bytes", "bytes; also Avro's fixed", false},
        {"enum", "a text out of the schema's symbols", false},
        {"array", "of one type; can be passed through, not computed with", false},
        {"map", "of text to one type; can be passed through, not computed with", false},
        {NULL, NULL, false},
};

const struct cast_doc cast_docs[] = {
        {"any number", "int, long", "Rounded half away from zero."},
        {"any number", "float, double", "The nearest; a float beyond its range fails."},
        {"any number", "decimal(p,s)",
                "Rounded half away from zero at s digits; more than p digits fail."},
        {"number", "boolean", "Zero is false."},
        {"boolean", "int, long", "false is 0, true is 1."},
        {"string, enum", "any number",
                "The whole text must be a number; blanks around it are left out."},
        {"string, enum", "boolean", "'true' or 'false'."},
        {"string, enum", "date, timestamp-millis, timestamp-micros",
                "ISO-8601; UTC without an offset."},
        {"any of these and times", "string",
                "Shortest round-trip doubles; times as ISO-8601 in UTC."},
        {"date, timestamps", "date, timestamps",
                "A date is its midnight in UTC; rounded down."},
        {"int, long", "date, times, timestamps",
                "The count of days, ms or us since the epoch (or midnight)."},
        {"date, times, timestamps", "int, long", "The same count back."},
        {NULL, NULL, NULL},
};

static bool is_temporal(const struct type *t)
{
	return t->kind == KIND_DATE || type_is_time(t);
}

static bool is_text_constant(const struct reg *r)
{
	return r->constant && r->type->kind == KIND_STRING;
}

/* The digits of "012.50" before and behind the point. */
static struct type digits_type(struct slice digits)
{
	uint32_t whole = 0, scale = 0;
	bool point = false;
	for (uint32_t i = 0; i < digits.len; i++) {
		point = point || digits.p[i] == '.';
		if (digits.p[i] >= '0' && digits.p[i] <= '9')
			point ? scale++ : whole++;
	}
	uint32_t precision = whole + scale;
	if (scale > DECIMAL_DIGITS_MAX || precision > DECIMAL_DIGITS_MAX)
		return (struct type){.kind = KIND_DOUBLE};
	return (struct type){.kind = KIND_DECIMAL,
	        .precision = (uint8_t)(precision ? precision : 1),
	        .scale = (uint8_t)scale};
}

struct type compile_decimal_type(const struct reg *r)
{
	switch (r->type->kind) {
	case KIND_DECIMAL:
		return *r->type;
	case KIND_INT:
		return (struct type){.kind = KIND_DECIMAL, .precision = INT_DIGITS};
	case KIND_LONG:
		return (struct type){.kind = KIND_DECIMAL, .precision = LONG_DIGITS};
	default:
		return r->digits.len ? digits_type(r->digits) : type_double;
	}
}

static void unify_numbers(const struct reg *a, const struct reg *b, struct type *out)
{
	bool decimal = a->type->kind == KIND_DECIMAL || b->type->kind == KIND_DECIMAL;
	struct type x = compile_decimal_type(a), y = compile_decimal_type(b);
	if (decimal && x.kind == KIND_DECIMAL && y.kind == KIND_DECIMAL) {
		int scale = x.scale > y.scale ? x.scale : y.scale;
		int xw = x.precision - x.scale, yw = y.precision - y.scale;
		int precision = (xw > yw ? xw : yw) + scale;
		*out = (struct type){.kind = KIND_DECIMAL,
		        .precision =
		                (uint8_t)(precision > DECIMAL_DIGITS_MAX ? DECIMAL_DIGITS_MAX
		                                                         : precision),
		        .scale = (uint8_t)scale};
	} else if (type_is_integer(a->type) && type_is_integer(b->type)) {
		*out = type_long;
	} else if (a->type->kind == b->type->kind) {
		*out = *a->type;
	} else {
		*out = type_double;
	}
}

static bool unify_temporal(const struct type *a, const struct type *b, struct type *out)
{
	if (!is_temporal(a) || !is_temporal(b))
		return false;
	bool micros = a->kind == KIND_TIMESTAMP_MICROS || b->kind == KIND_TIMESTAMP_MICROS;
	*out = (struct type){.kind = micros ? KIND_TIMESTAMP_MICROS : KIND_TIMESTAMP_MILLIS};
	return true;
}

bool compile_unify(struct compiler *c, int ra, int rb, struct type *out)
{
	const struct reg *a = builder_reg(c->b, ra), *b = builder_reg(c->b, rb);
	if (type_equal(a->type, b->type) || b->type->kind == KIND_NULL) {
		*out = *a->type;
		return true;
	}
	if (a->type->kind == KIND_NULL) {
		*out = *b->type;
		return true;
	}
	if (type_is_number(a->type) && type_is_number(b->type)) {
		unify_numbers(a, b, out);
		return true;
	}
	if (type_is_text(a->type) && type_is_text(b->type)) {
		*out = type_string;
		return true;
	}
	if (is_text_constant(a) && is_temporal(b->type)) {
		*out = *b->type;
		return true;
	}
	if (is_text_constant(b) && is_temporal(a->type)) {
		*out = *a->type;
		return true;
	}
	return unify_temporal(a->type, b->type, out);
}

static int convert(struct compiler *c, kernel *run, int reg, const struct type *to,
        bool may_fail, int64_t imm)
{
	const struct reg *r = builder_reg(c->b, reg);
	return builder_emit(c->b, &(struct call){.run = run,
	                                  .type = *to,
	                                  .nullable = r->nullable || may_fail,
	                                  .args = {reg},
	                                  .nargs = 1,
	                                  .imm = imm});
}

/* The unit of a temporal kind in microseconds. */
static int64_t unit_us(const struct type *t)
{
	return t->kind == KIND_DATE               ? DAY_MS * 1000
	       : t->kind == KIND_TIMESTAMP_MILLIS ? 1000
	                                          : 1;
}

static int convert_temporal(struct compiler *c, int reg, const struct type *to)
{
	int64_t from_us = unit_us(builder_reg(c->b, reg)->type), to_us = unit_us(to);
	if (from_us == to_us)
		return convert(c, kernel_alias, reg, to, false, 0);
	if (from_us > to_us)
		return convert(c, kernel_scale_i64, reg, to, true, from_us / to_us);
	return convert(c, kernel_floor_i64, reg, to, false, to_us / from_us);
}

/* The conversion kernel between numbers. */
static int convert_number(struct compiler *c, int reg, const struct type *to)
{
	const struct type *from = builder_reg(c->b, reg)->type;
	enum form a = type_form(from), b = type_form(to);
	if (a == FORM_I64 && b == FORM_I64)
		return convert(c,
		        to->kind == KIND_INT && from->kind == KIND_LONG ? kernel_i64_int
		                                                        : kernel_alias,
		        reg, to, to->kind == KIND_INT && from->kind == KIND_LONG, 0);
	if (a == FORM_I64 && b == FORM_F64)
		return convert(c, to->kind == KIND_FLOAT ? kernel_i64_f32 : kernel_i64_f64, reg,
		        to, false, 0);
	if (a == FORM_I64)
		return convert(c, kernel_i64_dec, reg, to, true, 0);
	if (a == FORM_F64 && b == FORM_F64)
		return to->kind == KIND_FLOAT ? convert(c, kernel_f64_f32, reg, to, true, 0)
		                              : convert(c, kernel_alias, reg, to, false, 0);
	if (a == FORM_F64 && b == FORM_I128)
		return convert(c, kernel_f64_dec, reg, to, true, 0);
	if (a == FORM_I128 && b == FORM_I128)
		return convert(c, kernel_dec_dec, reg, to, true, 0);
	int wide = convert(c,
	        a == FORM_F64   ? kernel_f64_i64
	        : b == FORM_F64 ? kernel_dec_f64
	                        : kernel_dec_i64,
	        reg, b == FORM_F64 ? to : &type_long, b == FORM_I64, 0);
	if (wide < 0 || (b == FORM_I64 && to->kind == KIND_LONG) || to->kind == KIND_DOUBLE)
		return wide;
	return convert(
	        c, to->kind == KIND_FLOAT ? kernel_f64_f32 : kernel_i64_int, wide, to, true, 0);
}

static int text_to(struct compiler *c, int reg, const struct type *to)
{
	kernel *run = to->kind == KIND_BOOLEAN   ? kernel_text_bool
	              : is_temporal(to)          ? kernel_text_time
	              : type_is_integer(to)      ? kernel_text_i64
	              : to->kind == KIND_DECIMAL ? kernel_text_dec
	              : type_is_number(to)       ? kernel_text_f64
	                                         : NULL;
	return run ? convert(c, run, reg, to, true, 0) : REG_NONE;
}

static bool is_count(const struct type *t)
{
	return is_temporal(t) || t->kind == KIND_TIME_MILLIS || t->kind == KIND_TIME_MICROS;
}

int compile_cast(struct compiler *c, int reg, const struct type *to)
{
	const struct reg *r = builder_reg(c->b, reg);
	const struct type *from = r->type;
	if (type_equal(from, to))
		return reg;
	if (from->kind == KIND_NULL)
		return builder_const(c->b, to, &(struct value){.null = true});
	if (to->kind == KIND_DECIMAL && r->digits.len) { /* exactly as written */
		struct value v = {.bytes = r->digits};
		return text_to(c, builder_const(c->b, &type_string, &v), to);
	}
	if (type_is_number(from) && type_is_number(to))
		return convert_number(c, reg, to);
	if (type_is_text(from))
		return to->kind == KIND_STRING ? convert(c, kernel_alias, reg, to, false, 0)
		                               : text_to(c, reg, to);
	if (is_temporal(from) && is_temporal(to))
		return convert_temporal(c, reg, to);
	if (from->kind == KIND_BOOLEAN && type_is_integer(to))
		return convert(c, kernel_alias, reg, to, false, 0);
	if (to->kind == KIND_BOOLEAN && type_is_number(from)) {
		int number = type_form(from) == FORM_I64 ? reg
		                                         : convert_number(c, reg, &type_double);
		return convert(c,
		        type_form(from) == FORM_I64 ? kernel_i64_bool : kernel_f64_bool, number,
		        to, false, 0);
	}
	if (to->kind == KIND_STRING && type_form(from) != FORM_BYTES)
		return convert(c, kernel_to_text, reg, to, false, 0);
	if (is_count(from) && type_is_integer(to))
		return convert(c, to->kind == KIND_INT ? kernel_i64_int : kernel_alias, reg, to,
		        to->kind == KIND_INT, 0);
	if (is_count(to) && type_is_integer(from))
		return convert(c, kernel_alias, reg, to, false, 0);
	return REG_NONE;
}

int compile_coerce(struct compiler *c, int reg, const struct type *to, const struct expr *at)
{
	if (reg < 0)
		return REG_BAD;
	const struct reg *r = builder_reg(c->b, reg);
	if (is_text_constant(r) && is_temporal(to)) {
		int out = text_to(c, reg, to);
		if (out >= 0 && builder_reg(c->b, out)->value.null && !r->value.null)
			return compile_error(c, at, "'2013-01-31T05:20:00Z'",
			        "this text is compared with a time, and is no ISO-8601 time");
		return out;
	}
	int out = compile_cast(c, reg, to);
	return out == REG_NONE ? REG_BAD : out;
}

int compile_compare_same(struct compiler *c, enum compare op, int a, int b)
{
	const struct reg *x = builder_reg(c->b, a), *y = builder_reg(c->b, b);
	static kernel *const kernels[] = {
	        [FORM_I64] = kernel_cmp_i64,
	        [FORM_F64] = kernel_cmp_f64,
	        [FORM_I128] = kernel_cmp_dec,
	        [FORM_BYTES] = kernel_cmp_bytes,
	};
	return builder_emit(c->b, &(struct call){.run = kernels[type_form(x->type)],
	                                  .type = type_boolean,
	                                  .nullable = x->nullable || y->nullable,
	                                  .args = {a, b},
	                                  .nargs = 2,
	                                  .imm = op});
}

/* An enum can only equal its symbols. */
static bool check_symbol(struct compiler *c, int column, int literal, const struct expr *at)
{
	const struct reg *col = builder_reg(c->b, column), *lit = builder_reg(c->b, literal);
	if (col->type->kind != KIND_ENUM || !is_text_constant(lit) || lit->value.null ||
	        !col->type->symbols)
		return true;
	struct suggest s = suggest_for(lit->value.bytes);
	for (const char *const *p = col->type->symbols; *p; p++) {
		if (slice_eq(lit->value.bytes, slice_of(*p)))
			return true;
		suggest_offer(&s, *p);
	}
	const char *quoted = s.best ? arena_printf(c->arena, "'%s'", s.best) : NULL;
	compile_error(c, at, quoted, "'%.*s' is not a symbol of this enum",
	        (int)lit->value.bytes.len, (const char *)lit->value.bytes.p);
	return false;
}

int compile_compare(struct compiler *c, enum compare op, int a, int b, const struct expr *ea,
        const struct expr *eb, const struct expr *whole)
{
	if (a < 0 || b < 0)
		return REG_BAD;
	const struct reg *x = builder_reg(c->b, a), *y = builder_reg(c->b, b);
	char nx[TYPE_NAME_MAX], ny[TYPE_NAME_MAX];
	struct type t;
	if (!compile_unify(c, a, b, &t))
		return compile_error(c, whole, NULL, "cannot compare %s with %s",
		        type_name(x->type, nx), type_name(y->type, ny));
	if (t.kind == KIND_ARRAY || t.kind == KIND_MAP)
		return compile_error(c, whole, NULL, "cannot compare %s", type_name(&t, nx));
	if (!check_symbol(c, a, b, eb) || !check_symbol(c, b, a, ea))
		return REG_BAD;
	/* Decimals are compared exactly, each with its own scale. */
	bool decimal = t.kind == KIND_DECIMAL;
	struct type ta = decimal && x->type->kind != KIND_NULL ? compile_decimal_type(x) : t;
	struct type tb = decimal && y->type->kind != KIND_NULL ? compile_decimal_type(y) : t;
	a = compile_coerce(c, a, &ta, ea);
	b = compile_coerce(c, b, &tb, eb);
	return a < 0 || b < 0 ? REG_BAD : compile_compare_same(c, op, a, b);
}
