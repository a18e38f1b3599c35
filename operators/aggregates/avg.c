// SPDX-License-Identifier: Apache-2.0
//
// avg: an exact sum (compensated for doubles) over a count, as a double; null when empty.
#include "operators/aggregates/functions.h"

#include <stddef.h>

#include "operators/aggregates/accumulator.h"
#include "operators/aggregates/limbs.h"
#include "operators/aggregates/neumaier.h"

struct avg {
	int64_t count;
	union {
		struct neumaier real;
		uint64_t limbs[LIMBS_MAX]; /* as many as acc_bytes has room for */
	};
};

static uint32_t avg_limbs(const struct agg_spec *s)
{
	return (s->acc_bytes - (uint32_t)offsetof(struct avg, limbs)) / 8;
}

static enum status avg_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	if (spec_need_number("avg", arg, e))
		return ST_ERR;
	uint32_t limbs = type_form(arg) == FORM_F64 ? 2 : limbs_for(arg);
	spec_begin(s, arg, (uint16_t)(offsetof(struct avg, limbs) + limbs * 8));
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
	struct avg *acc = heap_at(h, off);
	acc->count++;
	if (s->form == FORM_F64)
		neumaier_add(&acc->real, ev->value.f64);
	else
		limbs_add(acc->limbs, avg_limbs(s), limbs_value(s, &ev->value));
}

static void avg_retract(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	struct avg *acc = heap_at(h, off);
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
	struct avg *to = heap_at(h, dst);
	const struct avg *from = heap_at(h, src);
	to->count += from->count;
	if (s->form == FORM_F64)
		neumaier_merge(&to->real, &from->real);
	else
		limbs_add_limbs(to->limbs, avg_limbs(s), from->limbs);
}

static void avg_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	const struct avg *acc = heap_at(h, off);
	if (acc->count == 0) {
		*out = (struct value){.null = true};
		return;
	}
	if (s->form == FORM_F64) {
		result_f64(neumaier_mean(&acc->real, (double)acc->count), out, n);
		return;
	}
	double mean = limbs_mean(acc->limbs, avg_limbs(s), acc->count);
	if (s->form == FORM_I128)
		mean /= pow10_f64(s->arg_type.scale);
	result_f64(mean, out, n);
}

const struct aggregate aggregate_avg = {
        .name = "avg",
        .signature = "avg(x)",
        .summary = "Mean of a number, as a double; null when empty.",
        .error = "the exact sum divided once; doubles compensated, to the last digit or so",
        .nvalues = 1,
        .resolve = avg_resolve,
        .init = avg_init,
        .add = avg_add,
        .merge = avg_merge,
        .result = avg_result,
        .retract = avg_retract,
};
