// SPDX-License-Identifier: Apache-2.0
//
// How events and time change a state row. Offsets, not pointers, are kept across anything that
// may grow a blob, since that may move the heap.
#include <stdlib.h>
#include <string.h>

#include "operators/window/layout.h"

#define GARBAGE_BYTES_MAX (64u << 10)

static const struct agg_spec *spec_of(const struct layout *l, uint32_t call)
{
	return &l->view->calls[call].spec;
}

void row_init(const struct layout *l, struct heap *h)
{
	if (h->cap < l->fixed_bytes) {
		uint32_t cap = l->fixed_bytes + 256;
		h->base = xrealloc(h->base, cap);
		h->cap = cap;
	}
	h->len = l->fixed_bytes;
	h->garbage = 0;
	memset(h->base, 0, h->len);
	struct view_row *r = row_of(h);
	r->head.format = ROW_FORMAT;
	r->head.due = r->leaves = WINDOW_NEVER;
	r->clock = r->known_at = INT64_MIN;
	for (uint32_t c = 0; c < l->view->ncalls; c++)
		spec_of(l, c)->agg->init(spec_of(l, c), heap_at(h, l->running[c]));
}

static uint32_t ring_len(const struct ring *r, const struct heap *h)
{
	return heap_blob_len(h, r->handle) / r->tile_bytes;
}

/* Offset in the heap of tile number i (place, not time) of a ring. */
static uint32_t tile_off(const struct ring *r, const struct heap *h, uint32_t i)
{
	return ((struct blob *)heap_at(h, r->handle))->off + i * r->tile_bytes;
}

static int64_t tile_number(const struct ring *r, const struct heap *h, uint32_t i)
{
	return *(int64_t *)heap_at(h, tile_off(r, h, i));
}

/* Place of the first tile with number >= k. */
static uint32_t tile_lower(const struct ring *r, const struct heap *h, int64_t k)
{
	uint32_t lo = 0, hi = ring_len(r, h);
	if (hi && tile_number(r, h, hi - 1) < k)
		return hi;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (tile_number(r, h, mid) < k)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void acc_reset(const struct layout *l, struct heap *h, uint32_t call, uint32_t off)
{
	const struct agg_spec *s = spec_of(l, call);
	for (uint32_t i = 0; i < s->nblobs; i++)
		heap_blob_free(h, off + s->blob_at[i]);
	memset(heap_at(h, off), 0, s->acc_bytes);
	s->agg->init(s, heap_at(h, off));
}

static void window_recompute(const struct layout *l, struct heap *h, const struct ring *r,
	uint32_t window, int64_t first, struct agg_counts *n)
{
	uint32_t from = tile_lower(r, h, first), tiles = ring_len(r, h);
	for (uint32_t i = 0; i < l->nwindow_calls[window]; i++) {
		uint32_t c = l->window_calls[window][i];
		acc_reset(l, h, c, l->running[c]);
		for (uint32_t k = from; k < tiles; k++)
			spec_of(l, c)->agg->merge(spec_of(l, c), h, l->running[c],
				tile_off(r, h, k) + l->call_tile[c], n);
	}
}

/* Tiles that have left every window of the ring. */
static void ring_trim(const struct layout *l, struct heap *h, const struct ring *r, int64_t first)
{
	uint32_t gone = tile_lower(r, h, first), tiles = ring_len(r, h);
	if (!gone)
		return;
	for (uint32_t k = 0; k < gone; k++)
		for (uint32_t i = 0; i < r->naccs; i++) {
			const struct agg_spec *s = spec_of(l, r->accs[i].call);
			for (uint32_t b = 0; b < s->nblobs; b++)
				heap_blob_free(h,
					tile_off(r, h, k) + r->accs[i].off + s->blob_at[b]);
		}
	uint8_t *p = heap_blob(h, r->handle);
	memmove(p, p + gone * r->tile_bytes, (tiles - gone) * r->tile_bytes);
	heap_blob_resize(h, r->handle, (tiles - gone) * r->tile_bytes);
}

static void ring_advance(const struct layout *l, struct heap *h, const struct ring *r,
	int64_t from, int64_t to, struct agg_counts *n)
{
	int64_t oldest = INT64_MAX;
	for (uint32_t i = 0; i < r->nwindows; i++) {
		const struct window *w = &l->view->windows[r->windows[i]];
		int64_t before = window_first_tile(w, from), after = window_first_tile(w, to);
		if (after < oldest)
			oldest = after;
		uint32_t at = tile_lower(r, h, before);
		if (after > before && at < ring_len(r, h) && tile_number(r, h, at) < after)
			window_recompute(l, h, r, r->windows[i], after, n);
	}
	ring_trim(l, h, r, oldest);
}

void row_advance(const struct layout *l, struct heap *h, int64_t t, struct agg_counts *n)
{
	int64_t from = row_of(h)->clock;
	if (t <= from)
		return;
	row_of(h)->clock = t;
	if (t < row_of(h)->leaves)
		return;
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_advance(l, h, &l->rings[i], from, t, n);
	/* Each recomputation leaves the old blobs behind; a long epoch must not pile them up. */
	if (h->garbage > GARBAGE_BYTES_MAX && h->garbage > h->len / 2)
		row_pack(l, h);
}

/* The tile for number k, made if it is not there; its offset. */
static uint32_t tile_take(const struct layout *l, struct heap *h, const struct ring *r, int64_t k,
	bool *made)
{
	uint32_t at = tile_lower(r, h, k), tiles = ring_len(r, h);
	if (at < tiles && tile_number(r, h, at) == k)
		return tile_off(r, h, at);
	heap_blob_resize(h, r->handle, (tiles + 1) * r->tile_bytes);
	uint8_t *p = heap_at(h, tile_off(r, h, at));
	memmove(p + r->tile_bytes, p, (tiles - at) * r->tile_bytes);
	memset(p, 0, r->tile_bytes);
	memcpy(p, &k, sizeof k);
	for (uint32_t i = 0; i < r->naccs; i++)
		spec_of(l, r->accs[i].call)->agg->init(spec_of(l, r->accs[i].call),
			p + r->accs[i].off);
	*made = true;
	return tile_off(r, h, at);
}

static int64_t ring_oldest(const struct layout *l, const struct ring *r, int64_t clock)
{
	int64_t oldest = INT64_MAX;
	for (uint32_t i = 0; i < r->nwindows; i++) {
		int64_t first = window_first_tile(&l->view->windows[r->windows[i]], clock);
		oldest = first < oldest ? first : oldest;
	}
	return oldest;
}

/* Into the tile. Returns whether a tile was made. */
static bool ring_add(const struct layout *l, struct heap *h, const struct ring *r,
	const struct row_event *ev, struct agg_counts *n)
{
	int64_t k = floor_div(ev->event_time, r->hop_ms);
	if (ev->event_time < row_of(h)->clock && k < ring_oldest(l, r, row_of(h)->clock))
		return false; /* out of order, and out of every window already */
	bool made = false;
	uint32_t off = tile_take(l, h, r, k, &made);
	uint32_t place = (off - tile_off(r, h, 0)) / r->tile_bytes;
	for (uint32_t i = 0; i < r->naccs; i++) {
		uint32_t c = r->accs[i].call;
		if (ev->takes[c])
			spec_of(l, c)->agg->add(spec_of(l, c), h,
				tile_off(r, h, place) + r->accs[i].off, &ev->calls[c], n);
	}
	return made;
}

static bool window_covers(const struct window *w, int64_t event_time, int64_t clock)
{
	return w->kind == WINDOW_LIFETIME || event_time == clock ||
	       window_tile(w, event_time) >= window_first_tile(w, clock);
}

void row_add(const struct layout *l, struct heap *h, const struct row_event *ev,
	struct agg_counts *n)
{
	row_advance(l, h, ev->event_time, n);
	bool made = false;
	for (uint32_t i = 0; i < l->nrings; i++)
		made |= ring_add(l, h, &l->rings[i], ev, n);
	int64_t clock = row_of(h)->clock;
	for (uint32_t w = 0; w < l->view->nwindows; w++) {
		if (!window_covers(&l->view->windows[w], ev->event_time, clock))
			continue;
		for (uint32_t i = 0; i < l->nwindow_calls[w]; i++) {
			uint32_t c = l->window_calls[w][i];
			if (ev->takes[c])
				spec_of(l, c)->agg->add(spec_of(l, c), h, l->running[c],
					&ev->calls[c], n);
		}
	}
	row_of(h)->arrivals++;
	if (made || clock >= row_of(h)->leaves || row_of(h)->leaves == WINDOW_NEVER ||
		!l->view->expiry)
		row_schedule(l, h);
}

/* The next and the last instant at which a tile of the ring leaves a window. */
static void ring_instants(const struct layout *l, const struct ring *r, const struct heap *h,
	int64_t *next, int64_t *last)
{
	uint32_t tiles = ring_len(r, h);
	for (uint32_t i = 0; i < r->nwindows; i++) {
		const struct window *w = &l->view->windows[r->windows[i]];
		uint32_t at = tile_lower(r, h, window_first_tile(w, row_of(h)->clock));
		if (at == tiles)
			continue;
		int64_t first = window_leaves(w, tile_number(r, h, at));
		int64_t end = window_leaves(w, tile_number(r, h, tiles - 1));
		*next = first < *next ? first : *next;
		*last = end > *last ? end : *last;
	}
}

void row_schedule(const struct layout *l, struct heap *h)
{
	int64_t next = WINDOW_NEVER, last = INT64_MIN;
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_instants(l, &l->rings[i], h, &next, &last);
	struct view_row *r = row_of(h);
	r->leaves = next;
	if (l->view->expiry && next != WINDOW_NEVER) {
		r->head.due = next;
		return;
	}
	int64_t keep = r->clock + l->keep_ms + 1;
	r->head.due = l->keeps_for_ever ? WINDOW_NEVER : last > keep ? last : keep;
}

void row_result(const struct layout *l, const struct heap *h, uint32_t call, struct arena *a,
	struct value *out, struct agg_counts *n)
{
	const struct agg_spec *s = spec_of(l, call);
	s->agg->result(s, h, l->running[call], a, out, n);
}

/* Copies the blob whose struct blob is at off in dst (already a copy of the one in src). */
static void blob_copy(struct heap *dst, const struct heap *src, uint32_t off)
{
	struct blob *b = heap_at(dst, off);
	if (!b->len) {
		*b = (struct blob){0};
		return;
	}
	uint32_t from = b->off;
	b->off = dst->len;
	b->cap = (b->len + 7) & ~7u;
	memcpy(dst->base + dst->len, src->base + from, b->len);
	memset(dst->base + dst->len + b->len, 0, b->cap - b->len);
	dst->len += b->cap;
}

static void acc_copy(const struct layout *l, struct heap *dst, const struct heap *src,
	uint32_t call, uint32_t off)
{
	const struct agg_spec *s = spec_of(l, call);
	for (uint32_t i = 0; i < s->nblobs; i++)
		blob_copy(dst, src, off + s->blob_at[i]);
}

static bool blob_is_packed(struct heap *h, uint32_t off, uint32_t *at)
{
	const struct blob *b = heap_at(h, off);
	if (!b->len)
		return !b->cap && !b->off;
	if (b->off != *at || b->cap != ((b->len + 7) & ~7u))
		return false;
	memset(h->base + b->off + b->len, 0, b->cap - b->len);
	*at += b->cap;
	return true;
}

static bool acc_is_packed(const struct layout *l, struct heap *h, uint32_t call, uint32_t off,
	uint32_t *at)
{
	const struct agg_spec *s = spec_of(l, call);
	for (uint32_t i = 0; i < s->nblobs; i++)
		if (!blob_is_packed(h, off + s->blob_at[i], at))
			return false;
	return true;
}

static bool ring_is_packed(const struct layout *l, struct heap *h, const struct ring *r,
	uint32_t *at)
{
	if (!blob_is_packed(h, r->handle, at))
		return false;
	for (uint32_t k = 0; r->has_blobs && k < ring_len(r, h); k++)
		for (uint32_t j = 0; j < r->naccs; j++)
			if (!acc_is_packed(l, h, r->accs[j].call,
				    tile_off(r, h, k) + r->accs[j].off, at))
				return false;
	return true;
}

/* Whether row_pack would give the same bytes. */
static bool row_is_packed(const struct layout *l, struct heap *h)
{
	uint32_t at = l->fixed_bytes;
	for (uint32_t c = 0; c < l->view->ncalls; c++)
		if (!acc_is_packed(l, h, c, l->running[c], &at))
			return false;
	for (uint32_t i = 0; i < l->nrings; i++)
		if (!ring_is_packed(l, h, &l->rings[i], &at))
			return false;
	return at == h->len;
}

static void ring_copy(const struct layout *l, struct heap *dst, const struct heap *src,
	const struct ring *r)
{
	blob_copy(dst, src, r->handle);
	for (uint32_t k = 0; r->has_blobs && k < ring_len(r, dst); k++)
		for (uint32_t j = 0; j < r->naccs; j++)
			acc_copy(l, dst, src, r->accs[j].call,
				tile_off(r, dst, k) + r->accs[j].off);
}

static void heap_reserve(struct heap *h, uint32_t bytes)
{
	if (h->cap >= bytes)
		return;
	h->base = xrealloc(h->base, bytes);
	h->cap = bytes;
}

void row_pack(const struct layout *l, struct heap *h)
{
	if (row_is_packed(l, h)) {
		h->garbage = 0;
		return;
	}
	/* Rounding each blob up by at most 7 is all a packed row has beyond what src holds. */
	uint32_t bound = h->len + 8 * (l->view->ncalls * AGG_BLOBS_MAX + l->nrings);
	for (uint32_t i = 0; i < l->nrings; i++)
		if (l->rings[i].has_blobs)
			bound += 8 * AGG_BLOBS_MAX * l->rings[i].naccs * ring_len(&l->rings[i], h);
	struct heap *to = l->scratch;
	heap_reserve(to, bound);
	memcpy(to->base, h->base, l->fixed_bytes);
	to->len = l->fixed_bytes;
	for (uint32_t c = 0; c < l->view->ncalls; c++)
		acc_copy(l, to, h, c, l->running[c]);
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_copy(l, to, h, &l->rings[i]);
	heap_reserve(h, to->len);
	memcpy(h->base, to->base, to->len);
	h->len = to->len;
	h->garbage = 0;
}
