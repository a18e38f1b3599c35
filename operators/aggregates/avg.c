// SPDX-License-Identifier: Apache-2.0
//
// avg: an exact sum (compensated for doubles) over a count, as a double; null when empty.
#include "operators/aggregates/functions.h"

#include <stddef.h>

#include "operators/aggregates/accumulator.h"
#include "operators/aggregates/limbs.h"

static uint32_t avg_limbs(const struct agg_spec *s)
{
	return (s->acc_bytes - (uint32_t)offsetof(struct acc_avg, limbs)) / 8;
}

static enum status avg_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	if (spec_need_number("avg", arg, e))
		return ST_ERR;
	uint32_t limbs = type_form(arg) == FORM_F64 ? 2 : limbs_for(arg);
	spec_begin(s, arg, (uint16_t)(offsetof(struct acc_avg, limbs) + limbs * 8));
	if (s->form != FORM_I128)
		s->kernel = s->form == FORM_F64 ? AGG_AVG_F64 : AGG_AVG_I64;
	s->result = (struct type){.kind = KIND_DOUBLE};
	return ST_OK;
}

static void avg_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static void avg_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	if (s->kernel) {
		kernel_acc_add(s, h, off, ev);
		return;
	}
	struct acc_avg *acc = heap_at(h, off);
	acc->count++;
	limbs_add(acc->limbs, avg_limbs(s), ev->value.i128);
}

static void avg_retract(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	struct acc_avg *acc = heap_at(h, off);
	acc->count--;
	if (s->form == FORM_F64)
		neumaier_add(&acc->real, -ev->value.f64);
	else
		limbs_add(acc->limbs, avg_limbs(s), -limbs_value(s, &ev->value));
}

static void avg_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	if (s->kernel) {
		kernel_acc_merge(s, h, dst, src);
		return;
	}
	struct acc_avg *to = heap_at(h, dst);
	const struct acc_avg *from = heap_at(h, src);
	to->count += from->count;
	limbs_add_limbs(to->limbs, avg_limbs(s), from->limbs);
}

static void avg_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	const struct acc_avg *acc = heap_at(h, off);
	if (s->kernel)
		kernel_acc_result(s, h, off, out, n);
	else if (acc->count == 0)
		*out = (struct value){.null = true};
	else
		result_f64(limbs_mean(acc->limbs, avg_limbs(s), acc->count) /
		                   pow10_f64(s->arg_type.scale),
		        out, n);
}

static const struct agg_part parts[] = {
        {&aggregate_count, offsetof(struct acc_avg, count)},
        {&aggregate_sum, offsetof(struct acc_avg, limbs)},
        {NULL, 0},
};

const struct aggregate aggregate_avg = {
        .name = "avg",
        .signature = "avg(x)",
        .summary = "Mean of a number, as a double; null when empty.",
        .error = "the exact sum divided once; doubles compensated, to the last digit or so",
        .nvalues = 1,
        .parts = parts,
        .resolve = avg_resolve,
        .init = avg_init,
        .add = avg_add,
        .merge = avg_merge,
        .result = avg_result,
        .retract = avg_retract,
};
