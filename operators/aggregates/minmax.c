// SPDX-License-Identifier: Apache-2.0
//
// min and max of anything with an order. "Nothing yet" is kept without a byte of its own where
// the form has a value that cannot arrive: NaN for reals, the lowest 128-bit integer for
// decimals (they have 38 digits). Among equal values none is preferred; zero has one sign.
#include "operators/aggregates/functions.h"

#include "operators/aggregates/accumulator.h"

#define I128_NONE ((__int128)((unsigned __int128)1 << 127))

enum { MIN = -1, MAX = 1 };

struct best_bytes {
	struct blob text;
	uint32_t has;
};

static enum status best_resolve(
        const char *name, struct agg_spec *s, const struct type *arg, int sign, struct error *e)
{
	static const uint16_t bytes[] = {
	        [FORM_I64] = sizeof(struct acc_best_i64),
	        [FORM_F64] = sizeof(double),
	        [FORM_I128] = sizeof(__int128),
	        [FORM_BYTES] = sizeof(struct best_bytes),
	};
	if (spec_need_ordered(name, arg, e))
		return ST_ERR;
	spec_begin(s, arg, bytes[type_form(arg)]);
	if (s->form == FORM_BYTES)
		spec_blob(s, 0);
	else if (s->form == FORM_F64)
		s->kernel = sign == MIN ? AGG_MIN_F64 : AGG_MAX_F64;
	else if (s->form == FORM_I64)
		s->kernel = sign == MIN ? AGG_MIN_I64 : AGG_MAX_I64;
	return ST_OK;
}

static void best_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
	if (s->form == FORM_F64)
		form_store(s->form, acc, &(struct value){.f64 = NAN});
	else if (s->form == FORM_I128)
		form_store(s->form, acc, &(struct value){.i128 = I128_NONE});
}

/* Texts and wide decimals; false: nothing yet. */
static bool best_get(
        const struct agg_spec *s, const struct heap *h, uint32_t off, struct value *out)
{
	if (s->form == FORM_BYTES) {
		const struct best_bytes *acc = heap_at(h, off);
		*out = (struct value){.bytes = blob_view(h, off)};
		return acc->has;
	}
	*out = form_load(s->form, heap_at(h, off));
	return out->i128 != I128_NONE;
}

/* Whether v takes the place of what is there. */
static bool best_loses(const struct agg_spec *s, const struct heap *h, uint32_t off,
        const struct value *v, int sign)
{
	struct value have;
	return !best_get(s, h, off, &have) || form_cmp(s->form, v, &have) == sign;
}

static void best_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, int sign)
{
	if (s->kernel) {
		kernel_acc_add(s, h, off, ev);
		return;
	}
	if (!best_loses(s, h, off, &ev->value, sign))
		return;
	if (s->form != FORM_BYTES) {
		form_store(s->form, heap_at(h, off), &ev->value);
		return;
	}
	heap_blob_set(h, off, ev->value.bytes);
	((struct best_bytes *)heap_at(h, off))->has = 1;
}

static void best_merge(
        const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src, int sign)
{
	struct value v;
	if (s->kernel) {
		kernel_acc_merge(s, h, dst, src);
		return;
	}
	if (!best_get(s, h, src, &v) || !best_loses(s, h, dst, &v, sign))
		return;
	if (s->form != FORM_BYTES) {
		form_store(s->form, heap_at(h, dst), &v);
		return;
	}
	blob_copy(h, dst, src);
	((struct best_bytes *)heap_at(h, dst))->has = 1;
}

static void best_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	if (s->kernel)
		kernel_acc_result(s, h, off, out, n);
	else
		out->null = !best_get(s, h, off, out);
}

static enum status min_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return best_resolve("min", s, arg, MIN, e);
}

static enum status max_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return best_resolve("max", s, arg, MAX, e);
}

static void min_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	best_add(s, h, off, ev, MIN);
}

static void max_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	best_add(s, h, off, ev, MAX);
}

static void min_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	best_merge(s, h, dst, src, MIN);
}

static void max_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	best_merge(s, h, dst, src, MAX);
}

const struct aggregate aggregate_min = {
        .name = "min",
        .signature = "min(x)",
        .summary =
                "Smallest value, of x's type: numbers, times, texts (bytewise), booleans; null "
                "when empty.",
        .error = "exact",
        .nvalues = 1,
        .resolve = min_resolve,
        .init = best_init,
        .add = min_add,
        .merge = min_merge,
        .result = best_result,
};

const struct aggregate aggregate_max = {
        .name = "max",
        .signature = "max(x)",
        .summary =
                "Largest value, of x's type: numbers, times, texts (bytewise), booleans; null "
                "when empty.",
        .error = "exact",
        .nvalues = 1,
        .resolve = max_resolve,
        .init = best_init,
        .add = max_add,
        .merge = max_merge,
        .result = best_result,
};
