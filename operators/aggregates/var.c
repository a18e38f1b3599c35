// SPDX-License-Identifier: Apache-2.0
//
// var, stddev and their population forms: Welford's updates and the merge of Chan, Golub and
// LeVeque (1979), both over differences from the first value seen. The difference is taken
// exactly (128-bit for integers and decimals), so that values far from zero, such as large ids
// or amounts, lose nothing before the squaring; plain Welford would carry the rounding of a
// large mean into every term.
//
// Invariant: mean and squares are about origin; both are 0 while count is 0.
#include "operators/aggregates/functions.h"

#include <stddef.h>

#include "operators/aggregates/accumulator.h"

/* A struct acc_spread of decimals. */
struct spread_wide {
	struct acc_spread spread; /* its origin is not used */
	uint64_t rest;
};

#define ORIGIN ((uint32_t)offsetof(struct acc_spread, origin))

static enum status spread_resolve(
        const char *name, struct agg_spec *s, const struct type *arg, struct error *e)
{
	if (spec_need_number(name, arg, e))
		return ST_ERR;
	bool wide = type_form(arg) == FORM_I128;
	spec_begin(s, arg, wide ? sizeof(struct spread_wide) : sizeof(struct acc_spread));
	if (!wide)
		s->kernel = s->form == FORM_F64 ? AGG_SPREAD_F64 : AGG_SPREAD_I64;
	s->result = (struct type){.kind = KIND_DOUBLE};
	return ST_OK;
}

static void spread_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static __int128 origin_get(const struct heap *h, uint32_t off)
{
	return form_load(FORM_I128, heap_at(h, off + ORIGIN)).i128;
}

/* a - b of decimals as a double, rounded once. */
static double difference(const struct agg_spec *s, __int128 a, __int128 b)
{
	__int128 d;
	double scale = pow10_f64(s->arg_type.scale);
	if (__builtin_sub_overflow(a, b, &d))
		return (double)a / scale - (double)b / scale;
	return (double)d / scale;
}

static void spread_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	struct acc_spread *acc = heap_at(h, off);
	if (s->kernel)
		kernel_acc_add(s, h, off, ev);
	else if (acc->count++ == 0)
		form_store(s->form, heap_at(h, off + ORIGIN), &ev->value);
	else
		acc_spread_step(acc, difference(s, ev->value.i128, origin_get(h, off)));
}

static void spread_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	struct acc_spread *to = heap_at(h, dst);
	const struct acc_spread *from = heap_at(h, src);
	if (s->kernel)
		kernel_acc_merge(s, h, dst, src);
	else if (from->count && to->count == 0)
		memcpy(heap_at(h, dst), heap_at(h, src), s->acc_bytes);
	else if (from->count)
		acc_spread_join(
		        to, from, difference(s, origin_get(h, src), origin_get(h, dst)));
}

static void spread_result(const struct heap *h, uint32_t off, int64_t below, bool root,
        struct value *out, struct agg_counts *n)
{
	const struct acc_spread *acc = heap_at(h, off);
	if (acc->count <= below) {
		*out = (struct value){.null = true};
		return;
	}
	double v = acc->squares / (double)(acc->count - below);
	result_f64(root ? sqrt(v) : v, out, n);
}

/* Four functions that differ in the divisor and the root. */
#define SPREAD(fn, below, root, text)                                                          \
	static enum status fn##_resolve(struct agg_spec *s, const struct type *arg,            \
	        const struct agg_const *consts, uint32_t nconsts, struct arena *a,             \
	        struct error *e)                                                               \
	{                                                                                      \
		(void)consts, (void)nconsts, (void)a;                                          \
		return spread_resolve(#fn, s, arg, e);                                         \
	}                                                                                      \
	static void fn##_result(const struct agg_spec *s, const struct heap *h, uint32_t off,  \
	        struct arena *a, struct value *out, struct agg_counts *n)                      \
	{                                                                                      \
		(void)s, (void)a;                                                              \
		spread_result(h, off, below, root, out, n);                                    \
	}                                                                                      \
	const struct aggregate aggregate_##fn = {                                              \
	        .name = #fn,                                                                   \
	        .signature = #fn "(x)",                                                        \
	        .summary = text,                                                               \
	        .error = "to about 1e-12 of the value, however far from zero the mean is",     \
	        .nvalues = 1,                                                                  \
	        .resolve = fn##_resolve,                                                       \
	        .init = spread_init,                                                           \
	        .add = spread_add,                                                             \
	        .merge = spread_merge,                                                         \
	        .result = fn##_result,                                                         \
	}

SPREAD(var, 1, false, "Sample variance (n - 1), as a double; null below two values.");
SPREAD(stddev, 1, true,
        "Sample standard deviation (n - 1), as a double; null below two values.");
SPREAD(var_pop, 0, false, "Population variance (n), as a double; null when empty.");
SPREAD(stddev_pop, 0, true, "Population standard deviation (n), as a double; null when empty.");
