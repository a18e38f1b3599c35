// SPDX-License-Identifier: Apache-2.0
//
// first and last by (event time, arrival), so that merging tiles in any order finds the same
// event as adding in any order. Any type, arrays and maps too: the value is only carried.
#include "operators/aggregates/functions.h"

#include <stddef.h>

#include "operators/aggregates/accumulator.h"

/* A struct acc_edge whose value has more than 8 bytes. */
struct edge_wide {
	struct acc_edge edge; /* its value is not used */
	uint64_t rest;
};

#define EDGE_VALUE ((uint32_t)offsetof(struct acc_edge, value))

static enum status edge_resolve(const char *name, struct agg_spec *s, const struct type *arg,
        enum agg_kernel kernel, struct error *e)
{
	if (spec_need_value(name, arg, e))
		return ST_ERR;
	bool wide = type_form(arg) == FORM_BYTES || type_form(arg) == FORM_I128;
	spec_begin(s, arg, wide ? sizeof(struct edge_wide) : sizeof(struct acc_edge));
	if (!wide)
		s->kernel = kernel;
	if (s->form == FORM_BYTES)
		spec_blob(s, (uint16_t)EDGE_VALUE);
	return ST_OK;
}

static void edge_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
	((struct acc_edge *)acc)->event_time = ACC_EDGE_NONE;
}

static void edge_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, bool last)
{
	struct acc_edge *acc = heap_at(h, off);
	if (s->kernel) {
		kernel_acc_add(s, h, off, ev);
		return;
	}
	if (!acc_edge_wins(acc, ev->event_time, ev->arrival, last))
		return;
	acc->event_time = ev->event_time;
	acc->arrival = ev->arrival;
	if (s->form == FORM_BYTES)
		heap_blob_set(h, off + EDGE_VALUE, ev->value.bytes);
	else
		memcpy(heap_at(h, off + EDGE_VALUE), &ev->value.i128, sizeof(__int128));
}

static void edge_merge(
        const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src, bool last)
{
	struct acc_edge *to = heap_at(h, dst);
	const struct acc_edge *from = heap_at(h, src);
	if (s->kernel) {
		kernel_acc_merge(s, h, dst, src);
		return;
	}
	if (from->event_time == ACC_EDGE_NONE ||
	        !acc_edge_wins(to, from->event_time, from->arrival, last))
		return;
	to->event_time = from->event_time;
	to->arrival = from->arrival;
	if (s->form == FORM_BYTES)
		blob_copy(h, dst + EDGE_VALUE, src + EDGE_VALUE);
	else
		memcpy(heap_at(h, dst + EDGE_VALUE), heap_at(h, src + EDGE_VALUE),
		        sizeof(__int128));
}

static void edge_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a;
	const struct acc_edge *acc = heap_at(h, off);
	if (s->kernel) {
		kernel_acc_result(s, h, off, out, n);
		return;
	}
	if (s->form == FORM_BYTES)
		*out = (struct value){.bytes = blob_view(h, off + EDGE_VALUE)};
	else
		*out = form_load(s->form, heap_at(h, off + EDGE_VALUE));
	out->null = acc->event_time == ACC_EDGE_NONE;
}

static enum status first_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return edge_resolve("first", s, arg, AGG_FIRST, e);
}

static enum status last_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return edge_resolve("last", s, arg, AGG_LAST, e);
}

static void first_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	edge_add(s, h, off, ev, false);
}

static void last_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	edge_add(s, h, off, ev, true);
}

static void first_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	edge_merge(s, h, dst, src, false);
}

static void last_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	edge_merge(s, h, dst, src, true);
}

const struct aggregate aggregate_first = {
        .name = "first",
        .signature = "first(x)",
        .summary =
                "Earliest value by event time, among equal times the one that arrived first; "
                "null when empty.",
        .error = "exact",
        .nvalues = 1,
        .resolve = first_resolve,
        .init = edge_init,
        .add = first_add,
        .merge = first_merge,
        .result = edge_result,
};

const struct aggregate aggregate_last = {
        .name = "last",
        .signature = "last(x)",
        .summary =
                "Latest value by event time, among equal times the one that arrived last; null "
                "when empty.",
        .error = "exact",
        .nvalues = 1,
        .resolve = last_resolve,
        .init = edge_init,
        .add = last_add,
        .merge = last_merge,
        .result = edge_result,
};
