// SPDX-License-Identifier: Apache-2.0
//
// Packing a state row whose accumulators have blobs: all blobs in the order of the layout,
// without what was left behind. A plain row has nothing to pack.
#include <string.h>

#include "operators/window/layout.h"

/* A walk over every blob of a row, tiles' included, in one order. h may change under it, but
 * not where its tiles are. */
struct walk {
	const struct layout *l;
	struct heap *h;
	bool (*blob)(void *arg, struct heap *h, uint32_t off); /* false: stop */
	void *arg;
};

static bool acc_walk(const struct walk *w, const struct agg_spec *s, uint32_t off)
{
	for (uint32_t i = 0; i < s->nblobs; i++)
		if (!w->blob(w->arg, w->h, off + s->blob_at[i]))
			return false;
	return true;
}

static bool running_walk(const struct walk *w, const struct ring *r)
{
	for (uint32_t i = r->nkernels; i < r->naccs; i++)
		for (uint32_t k = 0; k < r->nwindows; k++)
			if (r->accs[i].running[k] &&
			        !acc_walk(w, r->accs[i].spec, r->accs[i].running[k]))
				return false;
	return true;
}

static bool ring_walk(const struct walk *w, const struct ring *r)
{
	if (!w->blob(w->arg, w->h, r->handle))
		return false;
	uint32_t from = ring_blob(r, w->h)->off, to = from + ring_blob(r, w->h)->len;
	for (uint32_t tile = from; r->has_blobs && tile < to; tile += r->tile_bytes)
		for (uint32_t i = r->nkernels; i < r->naccs; i++)
			if (!acc_walk(w, r->accs[i].spec, tile + r->accs[i].tile))
				return false;
	return true;
}

static bool row_walk(const struct walk *w)
{
	if (!running_walk(w, &w->l->lifetime))
		return false;
	for (uint32_t i = 0; i < w->l->nrings; i++)
		if (!running_walk(w, &w->l->rings[i]))
			return false;
	for (uint32_t i = 0; i < w->l->nrings; i++)
		if (!ring_walk(w, &w->l->rings[i]))
			return false;
	return true;
}

static uint32_t round8(uint32_t n)
{
	return (n + 7) & ~7u;
}

/* arg: where a packed row has the next blob. Clears the rounding behind it. */
static bool blob_is_packed(void *arg, struct heap *h, uint32_t off)
{
	const struct blob *b = heap_at(h, off);
	uint32_t *at = arg;
	if (!b->len)
		return !b->cap && !b->off;
	if (b->off != *at || b->cap != round8(b->len))
		return false;
	memset(h->base + b->off + b->len, 0, b->cap - b->len);
	*at += b->cap;
	return true;
}

static bool blob_measure(void *arg, struct heap *h, uint32_t off)
{
	*(uint32_t *)arg += round8(((const struct blob *)heap_at(h, off))->len);
	return true;
}

/* arg: the row as it was, with the blob that b names still. h has the room. */
static bool blob_move(void *arg, struct heap *h, uint32_t off)
{
	const struct heap *src = arg;
	struct blob *b = heap_at(h, off);
	if (!b->len) {
		*b = (struct blob){0};
		return true;
	}
	uint32_t from = b->off;
	b->off = h->len;
	b->cap = round8(b->len);
	memcpy(h->base + h->len, src->base + from, b->len);
	memset(h->base + h->len + b->len, 0, b->cap - b->len);
	h->len += b->cap;
	return true;
}

void row_pack(const struct layout *l, struct heap *h)
{
	uint32_t at = l->fixed_bytes, bytes = l->fixed_bytes;
	if (l->plain)
		return;
	struct walk is_packed = {l, h, blob_is_packed, &at};
	if (!row_walk(&is_packed) || at != h->len) {
		struct walk measure = {l, h, blob_measure, &bytes};
		row_walk(&measure);
		struct heap *to = l->scratch;
		to->len = 0;
		heap_open(to, 0, bytes);
		memcpy(to->base, h->base, l->fixed_bytes);
		to->len = l->fixed_bytes;
		struct walk move = {l, to, blob_move, h};
		row_walk(&move);
		h->len = 0;
		heap_open(h, 0, bytes);
		memcpy(h->base, to->base, bytes);
	}
	h->garbage = 0;
}
