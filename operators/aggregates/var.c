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

struct spread {
	int64_t count;
	double mean, squares;
	uint64_t origin[2]; /* a value of the form; only its bytes are there */
};

static enum status spread_resolve(
        const char *name, struct agg_spec *s, const struct type *arg, struct error *e)
{
	if (spec_need_number(name, arg, e))
		return ST_ERR;
	uint32_t bytes = offsetof(struct spread, origin) + form_bytes(type_form(arg));
	spec_begin(s, arg, (uint16_t)bytes);
	s->result = (struct type){.kind = KIND_DOUBLE};
	return ST_OK;
}

static void spread_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static double difference_decimal(const struct agg_spec *s, __int128 a, __int128 b)
{
	__int128 d;
	double scale = pow10_f64(s->arg_type.scale);
	if (__builtin_sub_overflow(a, b, &d))
		return (double)a / scale - (double)b / scale;
	return (double)d / scale;
}

/* a - b as a double, rounded once; both as form_store leaves them. */
static double difference(const struct agg_spec *s, const void *a, const void *b)
{
	if (s->form == FORM_F64) {
		double x, y;
		memcpy(&x, a, sizeof x);
		memcpy(&y, b, sizeof y);
		return x - y;
	}
	if (s->form == FORM_I64) {
		int64_t x, y, d;
		memcpy(&x, a, sizeof x);
		memcpy(&y, b, sizeof y);
		if (__builtin_sub_overflow(x, y, &d))
			return (double)((__int128)x - y);
		return (double)d;
	}
	__int128 x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return difference_decimal(s, x, y);
}

static void spread_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	struct spread *acc = heap_at(h, off);
	if (acc->count++ == 0) {
		form_store(s->form, acc->origin, &ev->value);
		return;
	}
	double x = difference(s, &ev->value.i128, acc->origin);
	double delta = x - acc->mean;
	acc->mean += delta / (double)acc->count;
	acc->squares += delta * (x - acc->mean);
}

static void spread_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	struct spread *to = heap_at(h, dst);
	const struct spread *from = heap_at(h, src);
	if (from->count == 0)
		return;
	if (to->count == 0) {
		memcpy(to, from, s->acc_bytes);
		return;
	}
	double delta = (from->mean - to->mean) + difference(s, from->origin, to->origin);
	double nt = (double)to->count, nf = (double)from->count;
	to->squares += from->squares + delta * delta * (nt / (nt + nf)) * nf;
	to->mean += delta * (nf / (nt + nf));
	to->count += from->count;
}

static void spread_result(const struct heap *h, uint32_t off, int64_t below, bool root,
        struct value *out, struct agg_counts *n)
{
	const struct spread *acc = heap_at(h, off);
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
