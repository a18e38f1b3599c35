// SPDX-License-Identifier: Apache-2.0
//
// count() and count(x): events, or those where x is there. Nulls never reach add, so both add
// one. A long holds more events than any log.
#include "operators/aggregates/functions.h"

#include "operators/aggregates/accumulator.h"

static enum status count_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a, (void)e;
	spec_begin(s, arg, sizeof(int64_t));
	s->kernel = AGG_COUNT;
	s->result = (struct type){.kind = KIND_LONG};
	s->result_nullable = false;
	return ST_OK;
}

static void count_init(const struct agg_spec *s, void *acc)
{
	(void)s;
	*(int64_t *)acc = 0;
}

static void count_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	kernel_acc_add(s, h, off, ev);
}

static void count_retract(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)s, (void)ev, (void)n;
	--*(int64_t *)heap_at(h, off);
}

static void count_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	kernel_acc_merge(s, h, dst, src);
}

static void count_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	kernel_acc_result(s, h, off, out, n);
}

const struct aggregate aggregate_count = {
        .name = "count",
        .signature = "count([x])",
        .summary = "Number of events, or of those where x is not null.",
        .error = "exact",
        .nvalues = 1,
        .value_optional = true,
        .resolve = count_resolve,
        .init = count_init,
        .add = count_add,
        .merge = count_merge,
        .result = count_result,
        .retract = count_retract,
};
