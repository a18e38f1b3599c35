// SPDX-License-Identifier: Apache-2.0
//
// quantile and median over a DDSketch (ddsketch.h), of any number, as a double.
#include "operators/aggregates/functions.h"

#include "operators/aggregates/accumulator.h"
#include "operators/aggregates/ddsketch.h"

#define SKETCH_ERROR                                                                           \
	"exact up to 32 values, then the value within 1 %; beyond 2048 buckets (magnitudes "   \
	"over a factor of 1e17) low quantiles are too high"

static enum status sketch_resolve(
        const char *name, struct agg_spec *s, const struct type *arg, double q, struct error *e)
{
	if (spec_need_number(name, arg, e))
		return ST_ERR;
	spec_begin(s, arg, sizeof(struct ddsketch));
	spec_blob(s, 0);
	s->q = q;
	s->result = (struct type){.kind = KIND_DOUBLE};
	return ST_OK;
}

static enum status quantile_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)nconsts, (void)a;
	double q = consts[0].f64;
	if (q >= 0 && q <= 1)
		return sketch_resolve("quantile", s, arg, q, e);
	if (q > 1 && q <= 100)
		return error_set(e, ERR_USER, 0,
		        "quantile's rank must be between 0 and 1, not %g: write %g", q,
		        q / 100);
	return error_set(e, ERR_USER, 0, "quantile's rank must be between 0 and 1, not %g", q);
}

static enum status median_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return sketch_resolve("median", s, arg, 0.5, e);
}

static void sketch_init(const struct agg_spec *s, void *acc)
{
	(void)s;
	memset(acc, 0, sizeof(struct ddsketch));
}

static void sketch_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	ddsketch_add(h, off, number_f64(s, &ev->value));
}

static void sketch_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)s, (void)n;
	ddsketch_merge(h, dst, src);
}

static void sketch_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a, (void)n;
	*out = (struct value){0};
	out->null = !ddsketch_quantile(h, off, s->q, &out->f64);
}

const struct aggregate aggregate_quantile = {
        .name = "quantile",
        .signature = "quantile(x, q)",
        .summary = "The value below which a share q (0 to 1) of the values lies, by DDSketch: "
                   "that "
                   "of rank floor(q * (n - 1)), as a double; null when empty.",
        .error = SKETCH_ERROR,
        .nvalues = 1,
        .nconst_min = 1,
        .nconst_max = 1,
        .resolve = quantile_resolve,
        .init = sketch_init,
        .add = sketch_add,
        .merge = sketch_merge,
        .result = sketch_result,
};

const struct aggregate aggregate_median = {
        .name = "median",
        .signature = "median(x)",
        .summary = "quantile(x, 0.5): the middle value, the lower one of two.",
        .error = SKETCH_ERROR,
        .nvalues = 1,
        .resolve = median_resolve,
        .init = sketch_init,
        .add = sketch_add,
        .merge = sketch_merge,
        .result = sketch_result,
};
