// SPDX-License-Identifier: Apache-2.0
//
// sum: of integers a long, exact inside and null while it does not fit; of decimals its own
// type likewise; of float and double compensated (neumaier.h).
#include "operators/aggregates/functions.h"

#include "operators/aggregates/accumulator.h"
#include "operators/aggregates/limbs.h"

static enum status sum_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	if (spec_need_number("sum", arg, e))
		return ST_ERR;
	bool real = type_form(arg) == FORM_F64;
	spec_begin(s, arg, real ? sizeof(struct neumaier) : (uint16_t)(limbs_for(arg) * 8));
	if (s->form != FORM_I128)
		s->kernel = real ? AGG_SUM_F64 : AGG_SUM_I64;
	if (type_is_integer(arg))
		s->result = (struct type){.kind = KIND_LONG};
	return ST_OK;
}

static void sum_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static void sum_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	if (s->kernel)
		kernel_acc_add(s, h, off, ev);
	else
		limbs_add(heap_at(h, off), s->acc_bytes / 8, ev->value.i128);
}

/* Exact for integers and decimals; of doubles as near as the sum itself. */
static void sum_retract(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	if (s->form == FORM_F64)
		neumaier_add(heap_at(h, off), -ev->value.f64);
	else
		limbs_add(heap_at(h, off), s->acc_bytes / 8, -limbs_value(s, &ev->value));
}

static void sum_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	if (s->kernel)
		kernel_acc_merge(s, h, dst, src);
	else
		limbs_add_limbs(heap_at(h, dst), s->acc_bytes / 8, heap_at(h, src));
}

static void sum_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	if (s->kernel) {
		kernel_acc_result(s, h, off, out, n);
		return;
	}
	__int128 v, end = pow10_i128(s->result.precision);
	bool fits = limbs_i128(heap_at(h, off), s->acc_bytes / 8, &v) && v < end && v > -end;
	*out = (struct value){.null = !fits, .i128 = v};
	n->overflow += !fits;
}

const struct aggregate aggregate_sum = {
        .name = "sum",
        .signature = "sum(x)",
        .summary = "Sum of a number; long for integers, else x's type; 0 when empty.",
        .error = "exact for integers and decimals (null when too large for the type); doubles "
                 "compensated, to the last digit or so",
        .nvalues = 1,
        .resolve = sum_resolve,
        .init = sum_init,
        .add = sum_add,
        .merge = sum_merge,
        .result = sum_result,
        .retract = sum_retract,
};
