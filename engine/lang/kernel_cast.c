// SPDX-License-Identifier: Apache-2.0
//
// Conversions, implicit and by cast. What does not fit or cannot be read is null and counted as
// failed.
#include <math.h>

#include "base/num.h"
#include "data/window.h"
#include "lang/civil.h"
#include "lang/decimal.h"
#include "lang/kernel.h"

#define CONVERT(name, from, ctype, body)                                                       \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const ctype *a = op_arg(op, f, 0)->from;                                       \
		for (uint32_t i = 0; i < f->n; i++) {                                          \
			if (c->null[i])                                                        \
				continue;                                                      \
			bool ok = true;                                                        \
			body;                                                                  \
			c->null[i] = !ok;                                                      \
			f->counts->failed_cast += !ok;                                         \
		}                                                                              \
	}

/* Rounded half away from zero; false when it does not fit. */
static bool to_i64(double v, int64_t *out)
{
	double r = round(v);
	if (!(r >= -0x1p63 && r < 0x1p63))
		return false;
	*out = (int64_t)r;
	return true;
}

CONVERT(kernel_i64_f64, i64, int64_t, c->f64[i] = (double)a[i])
CONVERT(kernel_i64_f32, i64, int64_t, c->f64[i] = (double)(float)a[i])
CONVERT(kernel_f64_f32, f64, double, c->f64[i] = (double)(float)a[i];
        ok = isfinite(c->f64[i]) != 0)
CONVERT(kernel_f64_i64, f64, double, ok = to_i64(a[i], &c->i64[i]))
CONVERT(kernel_i64_int, i64, int64_t, c->i64[i] = a[i]; ok = a[i] == (int32_t)a[i])
CONVERT(kernel_i64_bool, i64, int64_t, c->i64[i] = a[i] != 0)
CONVERT(kernel_f64_bool, f64, double, c->i64[i] = a[i] != 0)
CONVERT(kernel_floor_i64, i64, int64_t, c->i64[i] = floor_div(a[i], op->imm))
CONVERT(kernel_scale_i64, i64, int64_t, ok = !__builtin_mul_overflow(a[i], op->imm, &c->i64[i]))

/* The scale is the result type's; more digits than its precision fail. */
static bool to_decimal(const struct type *t, __int128 v, uint32_t scale, __int128 *out)
{
	return decimal_rescale(v, scale, t->scale, out) && decimal_fits(*out, t->precision);
}

CONVERT(kernel_i64_dec, i64, int64_t, ok = to_decimal(op->type, a[i], 0, &c->i128[i]))
CONVERT(kernel_f64_dec, f64, double,
        ok = decimal_of_double(a[i], op->type->scale, &c->i128[i]) &&
             decimal_fits(c->i128[i], op->type->precision))
CONVERT(kernel_dec_dec, i128, __int128,
        ok = to_decimal(op->type, a[i], op_arg(op, f, 0)->type->scale, &c->i128[i]))
CONVERT(kernel_dec_f64, i128, __int128,
        c->f64[i] = decimal_double(a[i], op_arg(op, f, 0)->type->scale))

static bool decimal_i64(__int128 v, uint32_t scale, int64_t *out)
{
	v = decimal_cut(v, scale, ROUND_HALF_AWAY);
	*out = (int64_t)v;
	return *out == v;
}

CONVERT(kernel_dec_i64, i128, __int128,
        ok = decimal_i64(a[i], op_arg(op, f, 0)->type->scale, &c->i64[i]))

static struct slice trim(struct slice s)
{
	while (s.len && s.p[0] <= ' ')
		s = (struct slice){s.p + 1, s.len - 1};
	while (s.len && s.p[s.len - 1] <= ' ')
		s.len--;
	return s;
}

static bool text_i64(struct slice s, const struct type *t, int64_t *out)
{
	s = trim(s);
	return num_parse_int((const char *)s.p, s.len, out) &&
	       (t->kind != KIND_INT || *out == (int32_t)*out);
}

static bool text_f64(struct slice s, const struct type *t, double *out)
{
	s = trim(s);
	if (!num_parse_double((const char *)s.p, s.len, out))
		return false;
	if (t->kind == KIND_FLOAT)
		*out = (double)(float)*out;
	return isfinite(*out) != 0;
}

static bool text_bool(struct slice s, int64_t *out)
{
	s = trim(s);
	*out = slice_eq(s, slice_of("true"));
	return *out || slice_eq(s, slice_of("false"));
}

static bool text_time(struct slice s, const struct type *t, int64_t *out)
{
	int64_t micros;
	if (!civil_parse(trim(s), &micros))
		return false;
	*out = t->kind == KIND_TIMESTAMP_MICROS ? micros
	       : t->kind == KIND_DATE           ? floor_div(micros, DAY_MS * 1000)
	                                        : floor_div(micros, 1000);
	return true;
}

static bool text_dec(struct slice s, const struct type *t, __int128 *out)
{
	return decimal_parse(trim(s), t->scale, out) && decimal_fits(*out, t->precision);
}

static bool is_symbol(const struct type *t, struct slice s)
{
	for (const char *const *p = t->symbols; p && *p; p++)
		if (slice_eq(s, slice_of(*p)))
			return true;
	return false;
}

CONVERT(kernel_text_i64, bytes, struct slice, ok = text_i64(a[i], op->type, &c->i64[i]))
CONVERT(kernel_text_f64, bytes, struct slice, ok = text_f64(a[i], op->type, &c->f64[i]))
CONVERT(kernel_text_bool, bytes, struct slice, ok = text_bool(a[i], &c->i64[i]))
CONVERT(kernel_text_time, bytes, struct slice, ok = text_time(a[i], op->type, &c->i64[i]))
CONVERT(kernel_text_dec, bytes, struct slice, ok = text_dec(a[i], op->type, &c->i128[i]))
CONVERT(kernel_text_enum, bytes, struct slice, c->bytes[i] = a[i];
        ok = is_symbol(op->type, a[i]))

static uint32_t time_text(char *out, enum kind kind, int64_t v)
{
	if (kind == KIND_DATE)
		return civil_format_date(out, v);
	if (kind == KIND_TIMESTAMP_MICROS)
		return civil_format_time(out, v, 6);
	int64_t micros;
	if (__builtin_mul_overflow(v, (int64_t)1000, &micros))
		return (uint32_t)num_format_int(out, v);
	return civil_format_time(out, micros, 3);
}

static uint32_t value_as_text(char *out, const struct type *t, const struct value *v)
{
	switch (t->kind) {
	case KIND_BOOLEAN:
		memcpy(out, v->i64 ? "true" : "false", 5);
		return v->i64 ? 4 : 5;
	case KIND_FLOAT:
	case KIND_DOUBLE:
		return (uint32_t)num_format_double(out, v->f64);
	case KIND_DECIMAL:
		return decimal_format(out, v->i128, t->scale);
	case KIND_DATE:
	case KIND_TIMESTAMP_MILLIS:
	case KIND_TIMESTAMP_MICROS:
		return time_text(out, t->kind, v->i64);
	default:
		return (uint32_t)num_format_int(out, v->i64);
	}
}

void kernel_to_text(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0);
	char text[DECIMAL_TEXT_MAX + CIVIL_TEXT_MAX];
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		struct value v = column_get(a, i);
		uint32_t len = value_as_text(text, a->type, &v);
		c->bytes[i] = arena_slice(f->a, (struct slice){(const uint8_t *)text, len});
	}
}
