// SPDX-License-Identifier: Apache-2.0
//
// Where things lie in a view's state row.
// Not here: how they change (row.c), which rows come out (window.c).
#include "operators/window/layout.h"

#include <stdio.h>

static bool same_acc(const struct agg_call *a, const struct agg_call *b)
{
	return a->spec.agg == b->spec.agg && a->arg == b->arg && a->where == b->where &&
	       a->spec.k == b->spec.k && a->spec.acc_bytes == b->spec.acc_bytes;
}

static struct ring *ring_find(struct layout *l, int64_t hop_ms)
{
	for (uint32_t i = 0; i < l->nrings; i++)
		if (l->rings[i].hop_ms == hop_ms)
			return &l->rings[i];
	return NULL;
}

static void rings_find(struct layout *l, struct arena *a)
{
	const struct view *v = l->view;
	l->rings = arena_calloc(a, v->nwindows, sizeof *l->rings);
	for (uint32_t w = 0; w < v->nwindows; w++) {
		if (v->windows[w].kind == WINDOW_LIFETIME)
			continue;
		struct ring *r = ring_find(l, v->windows[w].hop_ms);
		if (!r) {
			r = &l->rings[l->nrings++];
			r->hop_ms = v->windows[w].hop_ms;
			r->windows = arena_calloc(a, v->nwindows, sizeof(uint32_t));
			r->accs = arena_calloc(a, v->ncalls, sizeof *r->accs);
			r->tile_bytes = TILE_HEAD;
		}
		((uint32_t *)r->windows)[r->nwindows++] = w;
	}
}

static uint32_t ring_acc_place(struct layout *l, struct ring *r, uint32_t call)
{
	const struct agg_call *calls = l->view->calls;
	for (uint32_t i = 0; i < r->naccs; i++)
		if (same_acc(&calls[r->accs[i].call], &calls[call]))
			return r->accs[i].off;
	uint32_t off = r->tile_bytes;
	r->accs[r->naccs++] = (struct ring_acc){call, off};
	r->has_blobs |= calls[call].spec.nblobs != 0;
	r->tile_bytes += calls[call].spec.acc_bytes;
	return off;
}

static void calls_place(struct layout *l, struct arena *a)
{
	const struct view *v = l->view;
	l->running = arena_calloc(a, v->ncalls, sizeof *l->running);
	l->call_ring = arena_calloc(a, v->ncalls, sizeof *l->call_ring);
	l->call_tile = arena_calloc(a, v->ncalls, sizeof *l->call_tile);
	l->window_calls = arena_calloc(a, v->nwindows, sizeof *l->window_calls);
	l->nwindow_calls = arena_calloc(a, v->nwindows, sizeof *l->nwindow_calls);
	for (uint32_t w = 0; w < v->nwindows; w++)
		l->window_calls[w] = arena_calloc(a, v->ncalls, sizeof(uint32_t));
	for (uint32_t c = 0; c < v->ncalls; c++) {
		const struct window *w = &v->windows[v->calls[c].window];
		struct ring *r = w->kind == WINDOW_LIFETIME ? NULL : ring_find(l, w->hop_ms);
		l->call_ring[c] = r ? (int32_t)(r - l->rings) : -1;
		l->call_tile[c] = r ? ring_acc_place(l, r, c) : 0;
		l->running[c] = l->fixed_bytes;
		l->fixed_bytes += v->calls[c].spec.acc_bytes;
		uint32_t at = v->calls[c].window;
		l->window_calls[at][l->nwindow_calls[at]++] = c;
	}
}

void layout_init(struct layout *l, const struct view *v, int64_t lateness_ms, struct arena *a)
{
	*l = (struct layout){.view = v, .fixed_bytes = sizeof(struct view_row)};
	rings_find(l, a);
	calls_place(l, a);
	for (uint32_t i = 0; i < l->nrings; i++) {
		l->rings[i].handle = l->fixed_bytes;
		l->fixed_bytes += sizeof(struct blob);
	}
	l->fixed_bytes = (l->fixed_bytes + 7) & ~7u;
	bool lifetime = false;
	for (uint32_t w = 0; w < v->nwindows; w++)
		lifetime |= v->windows[w].kind == WINDOW_LIFETIME;
	l->keep_ms = lateness_ms + (lifetime ? v->forget_ms : 0);
	l->keeps_for_ever = lifetime && !v->forget_ms;
}
