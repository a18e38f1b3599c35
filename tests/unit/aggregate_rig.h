/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap with accumulators in it, for the tests of aggregate functions. With tight set, the
 * heap is moved to a block of exactly its length before every call, so that growth always moves
 * it and a stale pointer is found by the address sanitizer.
 */
#ifndef WEIR_TESTS_AGGREGATE_RIG_H
#define WEIR_TESTS_AGGREGATE_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "data/avro.h"
#include "operators/aggregates.h"

#define RIG_CALLS_MAX 64

struct rig {
	struct agg_spec spec;
	struct arena arena;
	struct heap heap;
	struct agg_counts counts;
	bool tight;
};

static inline const struct aggregate *rig_find(const char *name)
{
	for (int i = 0; aggregates[i]; i++)
		if (strcmp(aggregates[i]->name, name) == 0)
			return aggregates[i];
	ck_abort_msg("no aggregate %s", name);
	return NULL;
}

/* call: "quantile(0.95)" or "sum". Fails like resolve. */
static inline enum status rig_open(
        struct rig *r, const char *call, const struct type *arg, struct error *e)
{
	char name[RIG_CALLS_MAX];
	struct agg_const c = {0};
	uint32_t nconsts = 0;
	*r = (struct rig){0};
	arena_init(&r->arena);
	snprintf(name, sizeof name, "%s", call);
	char *open = strchr(name, '(');
	if (open) {
		char *end;
		*open = 0;
		c.f64 = strtod(open + 1, &end);
		c.is_int = !memchr(open + 1, '.', (size_t)(end - open - 1));
		c.i64 = c.is_int ? (int64_t)c.f64 : 0;
		nconsts = 1;
	}
	r->spec.agg = rig_find(name);
	return r->spec.agg->resolve(&r->spec, arg, &c, nconsts, &r->arena, e);
}

static inline void rig_must_open(struct rig *r, const char *call, const struct type *arg)
{
	struct error e = {0};
	ck_assert_msg(rig_open(r, call, arg, &e) == ST_OK, "%s: %s", call, e.msg);
}

static inline void rig_close(struct rig *r)
{
	free(r->heap.base);
	arena_release(&r->arena);
}

static inline void rig_tighten(struct rig *r)
{
	if (!r->tight)
		return;
	uint8_t *p = xmalloc(r->heap.len);
	memcpy(p, r->heap.base, r->heap.len);
	free(r->heap.base);
	r->heap.base = p;
	r->heap.cap = r->heap.len;
}

/* Offset of a new, empty accumulator. */
static inline uint32_t rig_new(struct rig *r)
{
	struct heap *h = &r->heap;
	uint32_t off = (h->len + 7) & ~7u;
	h->cap = off + r->spec.acc_bytes;
	h->base = xrealloc(h->base, h->cap);
	memset(h->base + h->len, 0, h->cap - h->len);
	h->len = h->cap;
	r->spec.agg->init(&r->spec, heap_at(h, off));
	return off;
}

/* Empties an accumulator, as the window operator does before it merges tiles again. */
static inline void rig_reset(struct rig *r, uint32_t off)
{
	for (uint32_t i = 0; i < r->spec.nblobs; i++)
		heap_blob_free(&r->heap, off + r->spec.blob_at[i]);
	memset(heap_at(&r->heap, off), 0, r->spec.acc_bytes);
	r->spec.agg->init(&r->spec, heap_at(&r->heap, off));
}

static inline void rig_add(struct rig *r, uint32_t off, const struct agg_event *ev)
{
	rig_tighten(r);
	r->spec.agg->add(&r->spec, &r->heap, off, ev, &r->counts);
}

static inline void rig_merge(struct rig *r, uint32_t dst, uint32_t src)
{
	rig_tighten(r);
	r->spec.agg->merge(&r->spec, &r->heap, dst, src, &r->counts);
}

static inline struct value rig_result(struct rig *r, uint32_t off)
{
	struct value v = {0};
	rig_tighten(r);
	r->spec.agg->result(&r->spec, &r->heap, off, &r->arena, &v, &r->counts);
	return v;
}

/* The result as text, "null" for null; in the rig's arena. */
static inline const char *rig_text(struct rig *r, uint32_t off)
{
	struct buf b = {0};
	struct value v = rig_result(r, off);
	if (v.null)
		buf_str(&b, "null");
	else
		value_text(&b, &r->spec.result, &v);
	char *text = arena_strdup(&r->arena, buf_cstr(&b));
	buf_release(&b);
	return text;
}

/* All that an accumulator is: its bytes but for where its blobs lie, and the blobs. */
static inline struct slice rig_state(struct rig *r, uint32_t off)
{
	struct buf b = {0};
	buf_add(&b, heap_at(&r->heap, off), r->spec.acc_bytes);
	for (uint32_t i = 0; i < r->spec.nblobs; i++) {
		uint32_t at = r->spec.blob_at[i];
		memset(b.p + at, 0, sizeof(struct blob));
		buf_add(&b, heap_blob(&r->heap, off + at), heap_blob_len(&r->heap, off + at));
	}
	struct slice s = arena_slice(&r->arena, buf_view(&b));
	buf_release(&b);
	return s;
}

/* splitmix64 */
static inline uint64_t rig_random(uint64_t *seed)
{
	uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline double rig_uniform(uint64_t *seed)
{
	return ((double)(rig_random(seed) >> 11) + 0.5) * 0x1p-53;
}

#endif
