// SPDX-License-Identifier: Apache-2.0
//
// top(x, k): the k commonest values, as an array. Exact while the window has at most
// COUNTERS_MAX different values (and 1 MiB of text). Beyond, it is the summary of Misra and
// Gries (1982), which is Space-Saving's with the smallest counter subtracted (Agarwal et al.
// 2012, "Mergeable Summaries"): every count is low by at most `missed`, and missed <= n / 1001
// over any adds and merges. Chosen over Space-Saving itself because its merge has that proof
// and an add costs O(1) amortised instead of a search for the smallest counter.
//
// Invariant: a value that is not kept occurred at most `missed` times. Deterministic, but
// beyond COUNTERS_MAX the summary, as any such, depends on what was merged with what.
#include "operators/aggregates/functions.h"

#include <stdlib.h>

#include "base/buf.h"
#include "data/avro.h"
#include "operators/aggregates/set.h"

#define COUNTERS_MAX 1000
#define TOP_MAX 100
#define VARINT_MAX 10

static const struct type string_type = {.kind = KIND_STRING};

/* The result's element: what arrives, but an enum's symbols as the texts they are. */
static const struct type *element_of(const struct type *arg, struct arena *a)
{
	if (arg->kind == KIND_ENUM)
		return &string_type;
	struct type *t = arena_alloc(a, sizeof *t);
	*t = *arg;
	return t;
}

static enum status top_resolve(struct agg_spec *s, const struct type *arg,
        const struct agg_const *consts, uint32_t nconsts, struct arena *a, struct error *e)
{
	(void)nconsts;
	if (spec_need_ordered("top", arg, e))
		return ST_ERR;
	if (!consts[0].is_int || consts[0].i64 < 1 || consts[0].i64 > TOP_MAX)
		return error_set(e, ERR_USER, 0,
		        "top's k must be a whole number between 1 and %d, not %g", TOP_MAX,
		        consts[0].f64);
	spec_begin(s, arg, (uint16_t)(set_head_bytes(type_form(arg)) + sizeof(uint64_t)));
	set_spec(s);
	s->k = consts[0].i64;
	s->result = (struct type){.kind = KIND_ARRAY, .element = element_of(arg, a)};
	s->result_nullable = false;
	return ST_OK;
}

static void top_init(const struct agg_spec *s, void *acc)
{
	memset(acc, 0, s->acc_bytes);
}

static uint64_t *missed_of(const struct agg_spec *s, const struct set *t)
{
	return heap_at(t->h, t->off + set_head_bytes(s->form));
}

static void lower(const struct agg_spec *s, struct set *t, uint64_t by)
{
	*missed_of(s, t) += by;
	set_lower(t, by);
}

static void top_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev, struct agg_counts *n)
{
	struct set t = set_of(s, h, off, true);
	uint32_t pos;
	if (set_find(&t, &ev->value, &pos)) {
		set_count_put(&t, pos, set_count(&t, pos) + 1);
	} else if (set_has_room(&t, &ev->value, COUNTERS_MAX)) {
		set_insert(&t, pos, &ev->value);
		set_count_put(&t, pos, 1);
	} else {
		lower(s, &t, 1);
		n->capped++;
	}
}

static int descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x < y) - (x > y);
}

/* The largest count that must go so that COUNTERS_MAX stay; 0 when they do anyway. */
static uint64_t surplus(const struct set *t)
{
	uint64_t counts[2 * COUNTERS_MAX];
	uint32_t len = set_len(t);
	INVARIANT(len <= 2 * COUNTERS_MAX);
	if (len <= COUNTERS_MAX)
		return 0;
	for (uint32_t i = 0; i < len; i++)
		counts[i] = set_count(t, i);
	qsort(counts, len, sizeof *counts, descending);
	return counts[COUNTERS_MAX];
}

static uint64_t smallest(const struct set *t)
{
	uint64_t least = UINT64_MAX;
	for (uint32_t i = 0; i < set_len(t); i++) {
		uint64_t count = set_count(t, i);
		least = count < least ? count : least;
	}
	return least;
}

static void top_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
        struct agg_counts *n)
{
	(void)n;
	struct set to = set_of(s, h, dst, true), from = set_of(s, h, src, true);
	*missed_of(s, &to) += *missed_of(s, &from);
	set_merge(&to, &from, 0);
	uint64_t by = surplus(&to);
	if (by)
		lower(s, &to, by);
	while (set_text_bytes(&to) > SET_TEXT_BYTES_MAX) /* each round drops a value */
		lower(s, &to, smallest(&to));
}

/* Entries of the k largest counts, best first; equal ones in the order of values. */
static uint32_t best(const struct set *t, uint32_t k, uint32_t *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < set_len(t); i++) {
		uint64_t count = set_count(t, i);
		if (n == k && set_count(t, out[n - 1]) >= count)
			continue;
		uint32_t at = n < k ? n++ : n - 1;
		for (; at > 0 && set_count(t, out[at - 1]) < count; at--)
			out[at] = out[at - 1];
		out[at] = i;
	}
	return n;
}

static size_t encoded_bytes_max(const struct set *t, const uint32_t *pick, uint32_t n)
{
	size_t bytes = 2 * VARINT_MAX;
	for (uint32_t i = 0; i < n; i++) {
		bytes += 2 * VARINT_MAX + sizeof(__int128);
		bytes += t->form == FORM_BYTES ? set_value(t, pick[i]).bytes.len : 0;
	}
	return bytes;
}

static void top_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct arena *a, struct value *out, struct agg_counts *n)
{
	(void)n;
	struct heap readable = *h; /* a set may change its heap; this one is not changed */
	struct set t = set_of(s, &readable, off, true);
	uint32_t pick[TOP_MAX];
	uint32_t found = best(&t, (uint32_t)s->k, pick);
	/* Large enough never to grow, so that its memory stays the arena's. */
	size_t cap = encoded_bytes_max(&t, pick, found);
	struct buf b = {.p = arena_alloc(a, cap), .cap = cap};
	if (found)
		buf_varint(&b, found);
	for (uint32_t i = 0; i < found; i++) {
		struct value v = set_value(&t, pick[i]);
		avro_write(&b, s->result.element, false, &v);
	}
	buf_byte(&b, 0);
	INVARIANT(b.cap == cap);
	*out = (struct value){.bytes = buf_view(&b)};
}

const struct aggregate aggregate_top = {
        .name = "top",
        .signature = "top(x, k)",
        .summary = "The k (1 to 100) commonest values as an array, commonest first, equally "
                   "common "
                   "ones in ascending order; an empty array when empty.",
        .error = "exact up to 1000 different values in the window, beyond them each count is "
                 "low "
                 "by at most 1/1001 of the events",
        .nvalues = 1,
        .nconst_min = 1,
        .nconst_max = 1,
        .resolve = top_resolve,
        .init = top_init,
        .add = top_add,
        .merge = top_merge,
        .result = top_result,
};
