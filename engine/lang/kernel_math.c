// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic kernels. A result that does not fit (a long, 38 digits, a finite double) is null
// and counted as overflow; one that does not exist (sqrt of -1) is null and counted as failed;
// division by zero is null and not counted, since the language says so.
//
// The plain loops are written for the vectoriser: restricted pointers, no early exit, and O3
// where the build has O2.
#pragma GCC optimize("O3")
#include <float.h>
#include <math.h>

#include "lang/decimal.h"
#include "lang/kernel.h"

static size_t width_of(const struct type *t)
{
	enum form form = type_form(t);
	return form == FORM_I64 || form == FORM_F64 ? 8 : 16;
}

struct column *op_result(const struct insn *op, struct frame *f)
{
	struct column *c = &f->r[op->dst];
	c->type = op->type;
	c->data = arena_alloc(f->a, f->n * width_of(op->type));
	c->null = arena_alloc(f->a, f->n);
	if (!op->nargs) {
		memset(c->null, 0, f->n);
		return c;
	}
	uint8_t *restrict null = c->null;
	memcpy(null, op_arg(op, f, 0)->null, f->n);
	for (uint32_t k = 1; k < op->nargs; k++) {
		const uint8_t *restrict other = op_arg(op, f, k)->null;
		for (uint32_t i = 0; i < f->n; i++)
			null[i] |= other[i];
	}
	return c;
}

void kernel_alias(const struct insn *op, struct frame *f)
{
	f->r[op->dst] = *op_arg(op, f, 0);
	f->r[op->dst].type = op->type;
}

/* bad may read garbage where the row is null: it is masked. */
static inline void mark(struct column *c, uint32_t i, bool bad, uint64_t *counter)
{
	bool fresh = bad && !c->null[i];
	*counter += fresh;
	c->null[i] |= (uint8_t)fresh;
}

#define BINARY_OVERFLOW(name, field, ctype, failing)                                           \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const ctype *a = op_arg(op, f, 0)->field, *b = op_arg(op, f, 1)->field;        \
		for (uint32_t i = 0; i < f->n; i++)                                            \
			mark(c, i, failing(a[i], b[i], &c->field[i]), &f->counts->overflow);   \
	}

#define NOT_DECIMAL_ADD(a, b, out) (!decimal_add(a, b, out))
#define NOT_DECIMAL_SUB(a, b, out) (!decimal_add(a, -(b), out))
#define NOT_DECIMAL_MUL(a, b, out) (!decimal_mul(a, b, out))

BINARY_OVERFLOW(kernel_add_i64, i64, int64_t, __builtin_add_overflow)
BINARY_OVERFLOW(kernel_sub_i64, i64, int64_t, __builtin_sub_overflow)
BINARY_OVERFLOW(kernel_mul_i64, i64, int64_t, __builtin_mul_overflow)

/* Null rows may hold anything, so decimal kernels skip them: -(b) of garbage could overflow. */
#define BINARY_DECIMAL(name, failing)                                                          \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const __int128 *a = op_arg(op, f, 0)->i128, *b = op_arg(op, f, 1)->i128;       \
		for (uint32_t i = 0; i < f->n; i++)                                            \
			if (!c->null[i])                                                       \
				mark(c, i, failing(a[i], b[i], &c->i128[i]),                   \
				        &f->counts->overflow);                                 \
	}

BINARY_DECIMAL(kernel_add_dec, NOT_DECIMAL_ADD)
BINARY_DECIMAL(kernel_sub_dec, NOT_DECIMAL_SUB)
BINARY_DECIMAL(kernel_mul_dec, NOT_DECIMAL_MUL)

void kernel_mod_i64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64, *b = op_arg(op, f, 1)->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		c->null[i] = b[i] == 0;
		c->i64[i] = b[i] == 0 || b[i] == -1 ? 0 : a[i] % b[i]; /* min % -1 traps */
	}
}

void kernel_mod_dec(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const __int128 *a = op_arg(op, f, 0)->i128, *b = op_arg(op, f, 1)->i128;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		c->null[i] = b[i] == 0;
		c->i128[i] = b[i] == 0 ? 0 : a[i] % b[i];
	}
}

void kernel_neg_i64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64;
	for (uint32_t i = 0; i < f->n; i++)
		mark(c, i, __builtin_sub_overflow((int64_t)0, a[i], &c->i64[i]),
		        &f->counts->overflow);
}

void kernel_abs_i64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		bool bad = false;
		c->i64[i] = a[i];
		if (a[i] < 0)
			bad = __builtin_sub_overflow((int64_t)0, a[i], &c->i64[i]);
		mark(c, i, bad, &f->counts->overflow);
	}
}

void kernel_round_i64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		__int128 v = a[i];
		if (op->imm < 0) {
			uint32_t digits = op->imm < -DECIMAL_DIGITS_MAX ? DECIMAL_DIGITS_MAX
			                                                : (uint32_t)-op->imm;
			v = decimal_cut(v, digits, ROUND_HALF_AWAY) * decimal_pow10(digits);
		}
		c->i64[i] = (int64_t)v;
		mark(c, i, v != c->i64[i], &f->counts->overflow);
	}
}

/* ---- doubles */

/* Nulls what is not finite, and counts it. */
static void mark_infinite(struct column *c, uint32_t n, uint64_t *counter)
{
	uint8_t *restrict null = c->null;
	const double *restrict v = c->f64;
	uint64_t count = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t bad = !(fabs(v[i]) <= DBL_MAX) & !null[i];
		count += bad;
		null[i] |= bad;
	}
	*counter += count;
}

#define BINARY_F64(name, value)                                                                \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const double *restrict a = op_arg(op, f, 0)->f64;                              \
		const double *restrict b = op_arg(op, f, 1)->f64;                              \
		double *restrict out = c->f64;                                                 \
		for (uint32_t i = 0; i < f->n; i++) {                                          \
			double x = a[i], y = b[i];                                             \
			out[i] = (value);                                                      \
		}                                                                              \
		mark_infinite(c, f->n, &f->counts->overflow);                                  \
	}

BINARY_F64(kernel_add_f64, x + y)
BINARY_F64(kernel_sub_f64, x - y)
BINARY_F64(kernel_mul_f64, x *y)

void kernel_div_f64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const double *restrict a = op_arg(op, f, 0)->f64, *restrict b = op_arg(op, f, 1)->f64;
	double *restrict out = c->f64;
	uint8_t *restrict null = c->null;
	for (uint32_t i = 0; i < f->n; i++) {
		bool zero = b[i] == 0;
		null[i] |= zero;
		out[i] = a[i] / (zero ? 1 : b[i]);
	}
	mark_infinite(c, f->n, &f->counts->overflow);
}

void kernel_mod_f64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const double *a = op_arg(op, f, 0)->f64, *b = op_arg(op, f, 1)->f64;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		c->null[i] |= b[i] == 0;
		c->f64[i] = b[i] == 0 ? 0 : fmod(a[i], b[i]);
		mark(c, i, !isfinite(c->f64[i]), &f->counts->overflow);
	}
}

/* failed: the counter of results that are not finite. */
#define UNARY_F64(name, value, failed)                                                         \
	void name(const struct insn *op, struct frame *f)                                      \
	{                                                                                      \
		struct column *c = op_result(op, f);                                           \
		const double *a = op_arg(op, f, 0)->f64;                                       \
		for (uint32_t i = 0; i < f->n; i++) {                                          \
			double x = a[i];                                                       \
			c->f64[i] = (value);                                                   \
			mark(c, i, !isfinite(c->f64[i]), &f->counts->failed);                  \
		}                                                                              \
	}

UNARY_F64(kernel_neg_f64, -x, overflow)
UNARY_F64(kernel_abs_f64, fabs(x), overflow)
UNARY_F64(kernel_ceil_f64, ceil(x), overflow)
UNARY_F64(kernel_floor_f64, floor(x), overflow)
UNARY_F64(kernel_exp_f64, exp(x), overflow)
UNARY_F64(kernel_sqrt_f64, sqrt(x), failed_cast)
UNARY_F64(kernel_ln_f64, x > 0 ? log(x) : NAN, failed_cast)

void kernel_pow_f64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const double *a = op_arg(op, f, 0)->f64, *b = op_arg(op, f, 1)->f64;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		c->f64[i] = pow(a[i], b[i]);
		bool exists = !isnan(c->f64[i]) && !(a[i] == 0 && b[i] < 0);
		mark(c, i, !isfinite(c->f64[i]),
		        exists ? &f->counts->overflow : &f->counts->failed_cast);
	}
}

static double round_digits(double x, int64_t digits)
{
	if (digits == 0)
		return round(x);
	double unit = pow(10, (double)digits), size = fabs(x) * unit;
	if (!isfinite(size) || unit == 0)
		return unit == 0 ? 0 : x; /* no such digits: nothing to round */
	double whole = floor(size);
	whole += size - whole >= 0.5;
	return copysign(whole / unit, x);
}

/* imm: digits after the point */
void kernel_round_f64(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const double *a = op_arg(op, f, 0)->f64;
	for (uint32_t i = 0; i < f->n; i++) {
		c->f64[i] = round_digits(a[i], op->imm);
		mark(c, i, !isfinite(c->f64[i]), &f->counts->overflow);
	}
}

/* ---- decimals */

void kernel_neg_dec(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const __int128 *a = op_arg(op, f, 0)->i128;
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i128[i] = -a[i];
}

void kernel_abs_dec(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const __int128 *a = op_arg(op, f, 0)->i128;
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i128[i] = a[i] < 0 ? -a[i] : a[i];
}

/* imm: digits of the scale to clear */
static void round_dec(const struct insn *op, struct frame *f, enum rounding how)
{
	struct column *c = op_result(op, f);
	const __int128 *a = op_arg(op, f, 0)->i128;
	uint32_t cut = op->imm < 0                    ? 0
	               : op->imm > DECIMAL_DIGITS_MAX ? DECIMAL_DIGITS_MAX
	                                              : (uint32_t)op->imm;
	__int128 unit = decimal_pow10(cut);
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			mark(c, i, !decimal_mul(decimal_cut(a[i], cut, how), unit, &c->i128[i]),
			        &f->counts->overflow);
}

void kernel_round_dec(const struct insn *op, struct frame *f)
{
	round_dec(op, f, ROUND_HALF_AWAY);
}

void kernel_ceil_dec(const struct insn *op, struct frame *f)
{
	round_dec(op, f, ROUND_CEIL);
}

void kernel_floor_dec(const struct insn *op, struct frame *f)
{
	round_dec(op, f, ROUND_FLOOR);
}
