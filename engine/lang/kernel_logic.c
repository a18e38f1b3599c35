// SPDX-License-Identifier: Apache-2.0
//
// Comparisons, three-valued logic and the functions that treat nulls as values.
//
// The plain loops are written for the vectoriser, as in kernel_math.c.
#pragma GCC optimize("O3")
#include "lang/kernel.h"

#include "lang/decimal.h"
#include "lang/expr.h"

#define COMPARE_LOOP(test)                                                                     \
	for (uint32_t i = 0; i < f->n; i++)                                                    \
		out[i] = (test);                                                               \
	break

#define COMPARE_SWITCH                                                                         \
	switch (op->imm) {                                                                     \
	case CMP_EQ:                                                                           \
		COMPARE_LOOP(a[i] == b[i]);                                                    \
	case CMP_NE:                                                                           \
		COMPARE_LOOP(a[i] != b[i]);                                                    \
	case CMP_LT:                                                                           \
		COMPARE_LOOP(a[i] < b[i]);                                                     \
	case CMP_LE:                                                                           \
		COMPARE_LOOP(a[i] <= b[i]);                                                    \
	case CMP_GT:                                                                           \
		COMPARE_LOOP(a[i] > b[i]);                                                     \
	default:                                                                               \
		COMPARE_LOOP(a[i] >= b[i]);                                                    \
	}

void kernel_cmp_i64(const struct insn *op, struct frame *f)
{
	int64_t *restrict out = op_result(op, f)->i64;
	const int64_t *restrict a = op_arg(op, f, 0)->i64, *restrict b = op_arg(op, f, 1)->i64;
	COMPARE_SWITCH
}

void kernel_cmp_f64(const struct insn *op, struct frame *f)
{
	int64_t *restrict out = op_result(op, f)->i64;
	const double *restrict a = op_arg(op, f, 0)->f64, *restrict b = op_arg(op, f, 1)->f64;
	COMPARE_SWITCH
}

static bool holds(int64_t op, int c)
{
	switch (op) {
	case CMP_EQ:
		return c == 0;
	case CMP_NE:
		return c != 0;
	case CMP_LT:
		return c < 0;
	case CMP_LE:
		return c <= 0;
	case CMP_GT:
		return c > 0;
	default:
		return c >= 0;
	}
}

/* Scales may differ: nothing is lost by a comparison. */
void kernel_cmp_dec(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0), *b = op_arg(op, f, 1);
	for (uint32_t i = 0; i < f->n; i++)
		if (!c->null[i])
			c->i64[i] = holds(op->imm, decimal_cmp(a->i128[i], a->type->scale,
			                                   b->i128[i], b->type->scale));
}

void kernel_cmp_bytes(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct slice *a = op_arg(op, f, 0)->bytes, *b = op_arg(op, f, 1)->bytes;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		if (op->imm == CMP_EQ || op->imm == CMP_NE)
			c->i64[i] = slice_eq(a[i], b[i]) == (op->imm == CMP_EQ);
		else
			c->i64[i] = holds(op->imm, slice_cmp(a[i], b[i]));
	}
}

static bool listed(const struct in_list *list, const struct type *t, const struct value *v)
{
	uint32_t low = 0, high = list->n;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		int c = value_cmp(t, &list->sorted[mid], v);
		if (c == 0)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

void kernel_in(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0);
	const struct in_list *list = op->data;
	for (uint32_t i = 0; i < f->n; i++) {
		if (c->null[i])
			continue;
		struct value v = column_get(a, i);
		c->i64[i] = listed(list, a->type, &v);
		c->null[i] = !c->i64[i] && list->has_null;
	}
}

/* False decides an `and`, true an `or`, whatever the other side is. */
static void junction(const struct insn *op, struct frame *f, bool decides)
{
	struct column *c = op_result(op, f);
	const uint8_t *restrict an = op_arg(op, f, 0)->null, *restrict bn =
	                                                             op_arg(op, f, 1)->null;
	const int64_t *restrict av = op_arg(op, f, 0)->i64, *restrict bv =
	                                                            op_arg(op, f, 1)->i64;
	uint8_t *restrict null = c->null;
	int64_t *restrict out = c->i64;
	for (uint32_t i = 0; i < f->n; i++) {
		bool x = !an[i] & ((av[i] != 0) == decides);
		bool y = !bn[i] & ((bv[i] != 0) == decides);
		out[i] = (x | y) == decides;
		null[i] &= !(x | y);
	}
}

void kernel_and(const struct insn *op, struct frame *f)
{
	junction(op, f, false);
}

void kernel_or(const struct insn *op, struct frame *f)
{
	junction(op, f, true);
}

void kernel_not(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const int64_t *a = op_arg(op, f, 0)->i64;
	for (uint32_t i = 0; i < f->n; i++)
		c->i64[i] = !a[i];
}

static void null_test(const struct insn *op, struct frame *f, bool wanted)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0);
	for (uint32_t i = 0; i < f->n; i++)
		c->i64[i] = (a->null[i] != 0) == wanted;
	memset(c->null, 0, f->n);
}

void kernel_is_null(const struct insn *op, struct frame *f)
{
	null_test(op, f, true);
}

void kernel_is_not_null(const struct insn *op, struct frame *f)
{
	null_test(op, f, false);
}

/* Row i of c becomes row i of from. */
static inline void copy_row(
        struct column *c, const struct column *from, uint32_t i, enum form form)
{
	c->null[i] = from->null[i];
	if (from->null[i])
		return;
	switch (form) {
	case FORM_I64:
		c->i64[i] = from->i64[i];
		break;
	case FORM_F64:
		c->f64[i] = from->f64[i];
		break;
	case FORM_I128:
		c->i128[i] = from->i128[i];
		break;
	case FORM_BYTES:
		c->bytes[i] = from->bytes[i];
		break;
	}
}

void kernel_select(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct column *when = op_arg(op, f, 0), *yes = op_arg(op, f, 1),
	                    *no = op_arg(op, f, 2);
	enum form form = type_form(op->type);
	for (uint32_t i = 0; i < f->n; i++)
		copy_row(c, !when->null[i] && when->i64[i] ? yes : no, i, form);
}

void kernel_coalesce(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	enum form form = type_form(op->type);
	for (uint32_t i = 0; i < f->n; i++)
		copy_row(c, op_arg(op, f, op_arg(op, f, 0)->null[i] ? 1 : 0), i, form);
}

void kernel_nullif(const struct insn *op, struct frame *f)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0), *same = op_arg(op, f, 1);
	enum form form = type_form(op->type);
	for (uint32_t i = 0; i < f->n; i++) {
		copy_row(c, a, i, form);
		c->null[i] |= !same->null[i] && same->i64[i];
	}
}

/* sign: -1 keeps the smaller one, 1 the larger one. */
static void extreme(const struct insn *op, struct frame *f, int sign)
{
	struct column *c = op_result(op, f);
	const struct column *a = op_arg(op, f, 0), *b = op_arg(op, f, 1);
	enum form form = type_form(op->type);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct column *best = a->null[i] ? b : a;
		if (!a->null[i] && !b->null[i]) {
			struct value x = column_get(a, i), y = column_get(b, i);
			best = value_cmp(op->type, &y, &x) == sign ? b : a;
		}
		copy_row(c, best, i, form);
	}
}

void kernel_least(const struct insn *op, struct frame *f)
{
	extreme(op, f, -1);
}

void kernel_greatest(const struct insn *op, struct frame *f)
{
	extreme(op, f, 1);
}
