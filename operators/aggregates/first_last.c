// SPDX-License-Identifier: Apache-2.0
//
// first and last by (event time, arrival), so that merging tiles in any order finds the same
// event as adding in any order. Any type, arrays and maps too: the value is only carried.
#include "operators/aggregates/functions.h"

#include <stddef.h>

#include "operators/aggregates/accumulator.h"

#define TIME_NONE INT64_MIN /* no event has this time */

enum { FIRST = -1, LAST = 1 };

struct edge {
	int64_t event_time; /* TIME_NONE: empty */
	uint64_t arrival;
	union {
		uint64_t fixed[2]; /* as many as the form needs */
		struct blob text;
	};
};

#define EDGE_VALUE ((uint32_t)offsetof(struct edge, fixed))

static enum status edge_resolve(
        const char *name, struct agg_spec *s, const struct type *arg, struct error *e)
{
	if (spec_need_value(name, arg, e))
		return ST_ERR;
	enum form f = type_form(arg);
	uint32_t value = f == FORM_BYTES ? 16 : form_bytes(f);
	spec_begin(s, arg, (uint16_t)(EDGE_VALUE + value));
	if (f == FORM_BYTES)
		spec_blob(s, (uint16_t)EDGE_VALUE);
	return ST_OK;
}

static void edge_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
	((struct edge *)acc)->event_time = TIME_NONE;
}

/* Whether an event at (event_time, arrival) takes the place of the one held. */
static bool edge_wins(const struct edge *have, int64_t event_time, uint64_t arrival, int sign)
{
	if (have->event_time == TIME_NONE)
		return true;
	int cmp = event_time != have->event_time ? (event_time > have->event_time ? 1 : -1)
	          : arrival != have->arrival     ? (arrival > have->arrival ? 1 : -1)
	                                         : 0;
	return cmp == sign;
}

static void edge_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, int sign)
{
	struct edge *acc = heap_at(h, off);
	if (!edge_wins(acc, ev->event_time, ev->arrival, sign))
		return;
	acc->event_time = ev->event_time;
	acc->arrival = ev->arrival;
	if (s->form == FORM_BYTES)
		heap_blob_set(h, off + EDGE_VALUE, ev->value.bytes);
	else
		memcpy(acc->fixed, &ev->value.i128, form_bytes(s->form));
}

static void edge_merge(
        const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src, int sign)
{
	struct edge *to = heap_at(h, dst);
	const struct edge *from = heap_at(h, src);
	if (from->event_time == TIME_NONE ||
	        !edge_wins(to, from->event_time, from->arrival, sign))
		return;
	to->event_time = from->event_time;
	to->arrival = from->arrival;
	if (s->form == FORM_BYTES)
		blob_copy(h, dst + EDGE_VALUE, src + EDGE_VALUE);
	else
		memcpy(to->fixed, from->fixed, form_bytes(s->form));
}

static void edge_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)a, (void)n;
	const struct edge *acc = heap_at(h, off);
	if (s->form == FORM_BYTES)
		*out = (struct value){.bytes = blob_view(h, off + EDGE_VALUE)};
	else
		*out = form_load(s->form, acc->fixed);
	out->null = acc->event_time == TIME_NONE;
}

static enum status first_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return edge_resolve("first", s, arg, e);
}

static enum status last_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)consts, (void)nconsts, (void)a;
	return edge_resolve("last", s, arg, e);
}

static void first_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	edge_add(s, h, off, ev, FIRST);
}

static void last_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	(void)n;
	edge_add(s, h, off, ev, LAST);
}

static void first_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	edge_merge(s, h, dst, src, FIRST);
}

static void last_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	edge_merge(s, h, dst, src, LAST);
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
