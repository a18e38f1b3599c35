// SPDX-License-Identifier: Apache-2.0
//
// How events and time change a state row. Offsets, not pointers, are kept across anything that
// may grow a blob, since that may move the heap.
#include <string.h>

#include "operators/window/layout.h"

#define GARBAGE_BYTES_MAX (64u << 10)

void row_init(const struct layout *l, struct heap *h)
{
	h->len = h->garbage = 0;
	heap_open(h, 0, l->fixed_bytes);
	memcpy(h->base, l->row_new, l->fixed_bytes);
}

/* -- tiles, by their offset in the heap -- */

static int64_t tile_number(const struct heap *h, uint32_t tile)
{
	int64_t k;
	memcpy(&k, h->base + tile, sizeof k);
	return k;
}

/* The first tile with number >= k; the ring's end if there is none. */
static uint32_t tile_lower(
	const struct layout *l, const struct ring *r, const struct heap *h, int64_t k)
{
	uint32_t first = ring_first(l, r, h), end = ring_end(l, r, h), bytes = r->tile_bytes;
	if (first == end || tile_number(h, end - bytes) < k)
		return end;
	uint32_t lo = 0, hi = (end - first) / bytes - 1;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (tile_number(h, first + mid * bytes) < k)
			lo = mid + 1;
		else
			hi = mid;
	}
	return first + lo * bytes;
}

/* Room for a tile at offset tile, unset; its offset now. */
static uint32_t tile_open(
	const struct layout *l, struct heap *h, const struct ring *r, uint32_t tile)
{
	uint32_t bytes = r->tile_bytes;
	if (l->plain) {
		heap_open(h, tile, bytes);
		*ring_span(r, h) += bytes;
		return tile;
	}
	uint32_t at = tile - ring_blob(r, h)->off, len = ring_blob(r, h)->len;
	heap_blob_resize(h, r->handle, len + bytes);
	tile = ring_blob(r, h)->off + at;
	memmove(h->base + tile + bytes, h->base + tile, len - at);
	return tile;
}

/* The tile for number k, made if it is not there; its offset. */
static uint32_t tile_take(
	const struct layout *l, struct heap *h, const struct ring *r, int64_t k, bool *made)
{
	uint32_t tile = tile_lower(l, r, h, k);
	if (tile < ring_end(l, r, h) && tile_number(h, tile) == k)
		return tile;
	tile = tile_open(l, h, r, tile);
	memcpy(h->base + tile, r->tile_new, r->tile_bytes);
	memcpy(h->base + tile, &k, sizeof k);
	*made = true;
	return tile;
}

/* -- time -- */

static int64_t ring_oldest(const struct layout *l, const struct ring *r, int64_t clock)
{
	int64_t oldest = INT64_MAX;
	for (uint32_t i = 0; i < r->nwindows; i++) {
		int64_t first = window_first_tile(&l->view->windows[r->windows[i]], clock);
		oldest = first < oldest ? first : oldest;
	}
	return oldest;
}

static void tile_blobs_free(const struct ring *r, struct heap *h, uint32_t tile)
{
	for (uint32_t i = r->nkernels; i < r->naccs; i++)
		for (uint32_t b = 0; b < r->accs[i].spec->nblobs; b++)
			heap_blob_free(h, tile + r->accs[i].tile + r->accs[i].spec->blob_at[b]);
}

/* Tiles that have left every window of the ring. */
static void ring_trim(const struct layout *l, struct heap *h, const struct ring *r, int64_t first)
{
	uint32_t from = ring_first(l, r, h), to = tile_lower(l, r, h, first);
	if (from == to)
		return;
	if (l->plain) {
		heap_close(h, from, to - from);
		*ring_span(r, h) -= to - from;
		return;
	}
	for (uint32_t tile = from; r->has_blobs && tile < to; tile += r->tile_bytes)
		tile_blobs_free(r, h, tile);
	uint32_t left = ring_end(l, r, h) - to;
	memmove(h->base + from, h->base + to, left);
	heap_blob_resize(h, r->handle, left);
}

/* Whether the ring's first tile, and so every tile, is in the window at t. */
static bool first_stays(const struct window *w, const struct heap *h, uint32_t first, int64_t t)
{
	return window_leaves(w, tile_number(h, first)) > t;
}

static void ring_advance(const struct layout *l, struct heap *h, const struct ring *r,
	int64_t from, int64_t to, struct agg_counts *n)
{
	bool all_left = true;
	int64_t oldest = INT64_MAX;
	uint32_t first = ring_first(l, r, h);
	if (first == ring_end(l, r, h))
		return;
	for (uint32_t i = 0; i < r->nwindows; i++) {
		const struct window *w = &l->view->windows[r->windows[i]];
		if (first_stays(w, h, first, to)) {
			all_left = false;
			continue;
		}
		int64_t before = window_first_tile(w, from), after = window_first_tile(w, to);
		if (after < oldest)
			oldest = after;
		uint32_t gone = tile_lower(l, r, h, before);
		if (gone < ring_end(l, r, h) && tile_number(h, gone) < after)
			accs_merge(l, r, h, i, tile_lower(l, r, h, after), n);
	}
	if (all_left)
		ring_trim(l, h, r, oldest);
}

bool row_advance(const struct layout *l, struct heap *h, int64_t t, struct agg_counts *n)
{
	int64_t from = row_of(h)->clock;
	if (t <= from)
		return false;
	row_of(h)->clock = t;
	if (t < row_of(h)->leaves)
		return false;
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_advance(l, h, &l->rings[i], from, t, n);
	/* Each recomputation leaves the old blobs behind; a long epoch must not pile them up. */
	if (h->garbage > GARBAGE_BYTES_MAX && h->garbage > h->len / 2)
		row_pack(l, h);
	return true;
}

/* -- what comes next -- */

/* The next and the last instant at which a tile of the ring leaves a window. */
static void ring_instants(const struct layout *l, const struct ring *r, const struct heap *h,
	int64_t *next, int64_t *last)
{
	int64_t clock = row_of(h)->clock;
	uint32_t first = ring_first(l, r, h), end = ring_end(l, r, h);
	for (uint32_t i = 0; i < r->nwindows && first < end; i++) {
		const struct window *w = &l->view->windows[r->windows[i]];
		uint32_t tile = first;
		if (!first_stays(w, h, first, clock))
			tile = tile_lower(l, r, h, window_first_tile(w, clock));
		if (tile == end)
			continue;
		int64_t of_first = window_leaves(w, tile_number(h, tile));
		int64_t of_last = window_leaves(w, tile_number(h, end - r->tile_bytes));
		*next = of_first < *next ? of_first : *next;
		*last = of_last > *last ? of_last : *last;
	}
}

int64_t row_end(const struct layout *l, const struct heap *h)
{
	int64_t next = WINDOW_NEVER, last = INT64_MIN, keep = row_of(h)->clock + l->keep_ms + 1;
	if (l->keeps_for_ever)
		return WINDOW_NEVER;
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_instants(l, &l->rings[i], h, &next, &last);
	return last > keep ? last : keep;
}

/* leaves is right. An entity's end moves with every event, and due need not follow: it is looked
 * at again when it comes (fire() in window.c). */
static void due_follow(const struct layout *l, struct heap *h)
{
	struct view_row *r = row_of(h);
	if (l->view->expiry && r->leaves != WINDOW_NEVER)
		r->head.due = r->leaves;
	else if (r->head.due == WINDOW_NEVER || r->head.due <= r->clock)
		r->head.due = row_end(l, h);
}

void row_schedule(const struct layout *l, struct heap *h)
{
	int64_t next = WINDOW_NEVER, last = INT64_MIN;
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_instants(l, &l->rings[i], h, &next, &last);
	row_of(h)->leaves = next;
	due_follow(l, h);
}

/* A tile was made: it may be the first to leave. */
static void leaves_lower(const struct layout *l, struct heap *h, const struct ring *r, int64_t k)
{
	struct view_row *row = row_of(h);
	for (uint32_t i = 0; i < r->nwindows; i++) {
		const struct window *w = &l->view->windows[r->windows[i]];
		int64_t leaves = window_leaves(w, k);
		if (leaves > row->clock && leaves < row->leaves)
			row->leaves = leaves;
	}
}

/* -- events -- */

static bool window_covers(const struct window *w, int64_t event_time, int64_t clock)
{
	return w->kind == WINDOW_LIFETIME ||
	       window_tile(w, event_time) >= window_first_tile(w, clock);
}

/* Into the tile and the windows that cover it. */
static void ring_take(const struct layout *l, struct heap *h, const struct ring *r, uint32_t tile,
	const struct row_event *ev, struct agg_counts *n)
{
	int64_t clock = row_of(h)->clock;
	if (ev->event_time == clock) {
		accs_add(r, h, tile, 0, r->nwindows, ev, n);
		return;
	}
	if (tile)
		accs_add(r, h, tile, 0, 0, ev, n);
	for (uint32_t i = 0; i < r->nwindows; i++)
		if (window_covers(&l->view->windows[r->windows[i]], ev->event_time, clock))
			accs_add(r, h, 0, i, i + 1, ev, n);
}

static void ring_add(const struct layout *l, struct heap *h, const struct ring *r,
	const struct row_event *ev, struct agg_counts *n)
{
	int64_t t = ev->event_time, clock = row_of(h)->clock;
	uint32_t tile = ring_end(l, r, h) - r->tile_bytes; /* mostly it is the last */
	if (!ring_bytes(l, r, h) ||
		(uint64_t)t - (uint64_t)(tile_number(h, tile) * r->hop_ms) >= (uint64_t)r->hop_ms) {
		int64_t k = floor_div(t, r->hop_ms);
		bool made = false;
		if (t < clock && k < ring_oldest(l, r, clock))
			return; /* out of order, and out of every window already */
		tile = tile_take(l, h, r, k, &made);
		if (made)
			leaves_lower(l, h, r, k);
	}
	ring_take(l, h, r, tile, ev, n);
}

void row_add(const struct layout *l, struct heap *h, const struct row_event *ev,
	struct agg_counts *n)
{
	bool left = row_advance(l, h, ev->event_time, n);
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_add(l, h, &l->rings[i], ev, n);
	if (l->lifetime.naccs)
		ring_take(l, h, &l->lifetime, 0, ev, n);
	row_of(h)->arrivals++;
	if (left)
		row_schedule(l, h);
	else
		due_follow(l, h);
}
