// SPDX-License-Identifier: Apache-2.0
//
// distinct(x [, cap]): the number of different values, exact, or null. An accumulator keeps at
// most cap values; when a window has more it cannot be exact, so it forgets them all and its
// result is null, and that is counted. A union with a full set is full; once the tile that did
// it has left, the window is exact again. What it does not do: estimate; approx_distinct does.
#include "operators/aggregates/functions.h"

#include "operators/aggregates/set.h"

#define CAP_DEFAULT 1000
#define CAP_MAX 65536

static enum status distinct_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)a;
	if (spec_need_ordered("distinct", arg, e))
		return ST_ERR;
	if (nconsts && (!consts[0].is_int || consts[0].i64 < 1 || consts[0].i64 > CAP_MAX))
		return error_set(e, ERR_USER, 0,
		        "distinct's cap must be a whole number between 1 and %d, not %g: "
		        "approx_distinct has no cap",
		        CAP_MAX, consts[0].f64);
	spec_begin(s, arg, set_head_bytes(type_form(arg)));
	set_spec(s);
	s->k = nconsts ? consts[0].i64 : CAP_DEFAULT;
	s->result = (struct type){.kind = KIND_LONG};
	return ST_OK;
}

static void distinct_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static void give_up(struct set *t, struct agg_counts *n)
{
	set_clear(t);
	set_head(t)->full = 1;
	n->capped++;
}

static void distinct_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	struct set t = set_of(s, h, off, false);
	uint32_t pos;
	if (set_head(&t)->full)
		n->capped++;
	else if (set_find(&t, &ev->value, &pos))
		return;
	else if (set_has_room(&t, &ev->value, (uint32_t)s->k))
		set_insert(&t, pos, &ev->value);
	else
		give_up(&t, n);
}

static void distinct_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	struct set to = set_of(s, h, dst, false), from = set_of(s, h, src, false);
	if (set_head(&to)->full)
		return;
	if (set_head(&from)->full || !set_merge(&to, &from, (uint32_t)s->k))
		give_up(&to, n);
}

static void distinct_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a, (void)n;
	struct heap readable = *h; /* a set may change its heap; this one is not changed */
	struct set t = set_of(s, &readable, off, false);
	*out = (struct value){.null = set_head(&t)->full, .i64 = set_len(&t)};
}

const struct aggregate aggregate_distinct = {
        .name = "distinct",
        .signature = "distinct(x [, cap])",
        .summary = "Number of different values; null beyond cap (1000 unless given, at most "
                   "65536) "
                   "or 1 MiB of text in the window.",
        .error = "exact up to cap, then null and counted",
        .nvalues = 1,
        .nconst_max = 1,
        .resolve = distinct_resolve,
        .init = distinct_init,
        .add = distinct_add,
        .merge = distinct_merge,
        .result = distinct_result,
};
