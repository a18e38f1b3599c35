// SPDX-License-Identifier: Apache-2.0
//
// Where things lie in a view's state row.
// Not here: how they change (row.c), which rows come out (window.c).
#include "operators/window/layout.h"

#include <string.h>

/* Of a ring: whole words, which pack best. */
#define HANDLE_BYTES 16
#define HANDLE_PLAIN_BYTES 8

static uint32_t feed_find(struct layout *l, const struct agg_call *c)
{
	uint32_t i = 0;
	while (i < l->nfeeds && (l->feeds[i].arg != c->arg || l->feeds[i].where != c->where))
		i++;
	if (i == l->nfeeds)
		l->feeds[l->nfeeds++] = (struct feed){c->arg, c->where};
	return i;
}

static void ring_start(struct ring *r, const struct view *v, int64_t hop_ms, struct arena *a)
{
	*r = (struct ring){.hop_ms = hop_ms,
	        .tile_bytes = TILE_HEAD,
	        .windows = arena_calloc(a, v->nwindows, sizeof *r->windows),
	        .accs = arena_calloc(a, v->ncalls, sizeof *r->accs)};
}

/* The ring of a window, made in its place if it is not there. */
static struct ring *ring_take(struct layout *l, const struct window *w, struct arena *a)
{
	uint32_t at = 0;
	if (w->kind == WINDOW_LIFETIME)
		return &l->lifetime;
	while (at < l->nrings && l->rings[at].hop_ms > w->hop_ms)
		at++;
	if (at < l->nrings && l->rings[at].hop_ms == w->hop_ms)
		return &l->rings[at];
	memmove(&l->rings[at + 1], &l->rings[at], (l->nrings - at) * sizeof *l->rings);
	l->nrings++;
	ring_start(&l->rings[at], l->view, w->hop_ms, a);
	return &l->rings[at];
}

static void rings_find(struct layout *l, struct arena *a)
{
	const struct view *v = l->view;
	l->rings = arena_calloc(a, v->nwindows + 1, sizeof *l->rings);
	ring_start(&l->lifetime, v, 0, a);
	for (uint32_t w = 0; w < v->nwindows; w++) {
		struct ring *r = ring_take(l, &v->windows[w], a);
		r->windows[r->nwindows++] = w;
	}
}

static struct acc *acc_find(const struct ring *r, uint32_t call)
{
	for (uint32_t i = 0; i < r->naccs; i++)
		if (r->accs[i].call == call)
			return &r->accs[i];
	return NULL;
}

static uint32_t ring_window(const struct ring *r, uint32_t window)
{
	uint32_t i = 0;
	while (r->windows[i] != window)
		i++;
	return i;
}

/* The accumulators of a ring: first those with kernels, then the others. */
static void ring_accs(struct layout *l, struct ring *r, bool kernels, struct arena *a)
{
	const struct view *v = l->view;
	for (uint32_t c = 0; c < v->ncalls; c++) {
		uint32_t at, holder = view_call_holder(v, c, &at);
		const struct agg_spec *s = &v->calls[holder].spec;
		if ((s->kernel != AGG_NO_KERNEL) != kernels ||
		        ring_take(l, &v->windows[v->calls[c].window], a) != r ||
		        acc_find(r, holder))
			continue;
		r->accs[r->naccs++] = (struct acc){.spec = s,
		        .kernel = s->kernel,
		        .feed = feed_find(l, &v->calls[holder]),
		        .call = holder,
		        .tile = r->tile_bytes,
		        .running = arena_calloc(a, r->nwindows, sizeof(uint32_t))};
		r->nkernels += kernels;
		r->tile_bytes += s->acc_bytes;
		r->has_blobs |= s->nblobs != 0;
	}
}

static void ring_place(struct layout *l, struct ring *r, struct arena *a)
{
	const struct view *v = l->view;
	ring_accs(l, r, true, a);
	ring_accs(l, r, false, a);
	l->plain &= !r->has_blobs;
	r->tile_new = arena_calloc(a, 1, r->tile_bytes);
	for (uint32_t i = 0; i < r->naccs; i++)
		r->accs[i].spec->agg->init(r->accs[i].spec, r->tile_new + r->accs[i].tile);
	for (uint32_t c = 0; c < v->ncalls; c++) {
		if (ring_take(l, &v->windows[v->calls[c].window], a) != r)
			continue;
		uint32_t at, holder = view_call_holder(v, c, &at);
		struct acc *acc = acc_find(r, holder);
		uint32_t *running = &acc->running[ring_window(r, v->calls[c].window)];
		if (!*running) {
			*running = l->fixed_bytes;
			l->fixed_bytes += acc->spec->acc_bytes;
		}
		const struct agg_spec *s = &v->calls[c].spec;
		l->calls[c] = (struct call_place){s,
		        kernel_has_result(s->kernel) ? s->kernel : AGG_NO_KERNEL,
		        *running + at};
	}
}

static void ring_row_new(struct layout *l, const struct ring *r)
{
	for (uint32_t i = 0; i < r->naccs; i++)
		for (uint32_t w = 0; w < r->nwindows; w++)
			if (r->accs[i].running[w])
				r->accs[i].spec->agg->init(
				        r->accs[i].spec, l->row_new + r->accs[i].running[w]);
}

static void row_new_make(struct layout *l, struct arena *a)
{
	l->row_new = arena_calloc(a, 1, l->fixed_bytes);
	struct view_row *row = (struct view_row *)l->row_new;
	row->head.format = ROW_FORMAT;
	row->head.due = row->leaves = WINDOW_NEVER;
	row->clock = row->known_at = INT64_MIN;
	ring_row_new(l, &l->lifetime);
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_row_new(l, &l->rings[i]);
}

void layout_init(struct layout *l, const struct view *v, int64_t lateness_ms, struct arena *a)
{
	*l = (struct layout){.view = v, .fixed_bytes = sizeof(struct view_row), .plain = true};
	l->calls = arena_calloc(a, v->ncalls, sizeof *l->calls);
	l->feeds = arena_calloc(a, v->ncalls, sizeof *l->feeds);
	rings_find(l, a);
	ring_place(l, &l->lifetime, a);
	for (uint32_t i = 0; i < l->nrings; i++)
		ring_place(l, &l->rings[i], a);
	for (uint32_t i = 0; i < l->nrings; i++) {
		l->rings[i].handle = l->fixed_bytes;
		l->fixed_bytes += l->plain ? HANDLE_PLAIN_BYTES : HANDLE_BYTES;
	}
	row_new_make(l, a);
	bool lifetime = l->lifetime.nwindows;
	l->keep_ms = lateness_ms + (lifetime ? v->forget_ms : 0);
	l->keeps_for_ever = lifetime && !v->forget_ms;
}
