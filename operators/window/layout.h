/* SPDX-License-Identifier: Apache-2.0
 *
 * A view's state row: what is where in an entity's heap, and how events and time change it. All
 * aggregates of the view lie side by side in one row, so one lookup serves them all.
 *
 *   head      due, next leaving instant, clock, known_at, arrivals
 *   running   per window its accumulators: their values at the entity's clock
 *   handles   per ring a struct blob; of a plain row the length of its tiles alone
 *   rings     per distinct tile width: tiles in ascending order, each a tile number and the ring's
 *             accumulators; wide tiles first, so that those that come and go most lie last
 *   blobs     of accumulators that have some
 *
 * A running value is merged forward event by event, and recomputed from the tiles when one leaves
 * its window; it is never subtracted from. Windows of one tile width share a ring and its tiles,
 * aggregate calls share accumulators (view_call_holder). A row without blobs but for its rings is
 * plain: its rings are kept side by side, without slack or garbage, and never need packing.
 */
#ifndef WEIR_OPERATORS_WINDOW_LAYOUT_H
#define WEIR_OPERATORS_WINDOW_LAYOUT_H

#include "base/arena.h"
#include "data/aggregate_kernels.h"
#include "lang/job.h"
#include "state/table.h"

struct view_row {
	struct row_head head;
	int64_t leaves;   /* next instant a tile leaves a window; WINDOW_NEVER */
	int64_t clock;    /* the entity's: INT64_MIN before its first event */
	int64_t known_at; /* of its last row */
	uint64_t arrivals;
};

/* What is taken from an event for one argument and condition. */
struct feed {
	int arg, where; /* as of struct agg_call */
};

/* An accumulator of a ring's tiles, and of its windows. */
struct acc {
	const struct agg_spec *spec;
	enum agg_kernel kernel;
	uint32_t feed;
	uint32_t call;     /* whose it is */
	uint32_t tile;     /* offset in a tile */
	uint32_t *running; /* per window of the ring: offset in the row; 0: has no use for it */
};

struct ring {
	int64_t hop_ms;      /* 0: lifetime, without tiles */
	uint32_t handle;     /* offset in the row */
	uint32_t tile_bytes;
	uint8_t *tile_new;   /* an empty tile */
	uint32_t *windows;
	uint32_t nwindows;
	struct acc *accs;    /* those with kernels first */
	uint32_t naccs, nkernels;
	bool has_blobs;      /* some accumulator of a tile does */
};

/* Where a call's result is read. */
struct call_place {
	const struct agg_spec *spec;
	enum agg_kernel kernel; /* AGG_NO_KERNEL: by the contract's function */
	uint32_t off;           /* in the row */
};

struct layout {
	const struct view *view;
	uint32_t fixed_bytes;     /* head, running, handles */
	uint8_t *row_new;         /* those of an entity without events */
	struct call_place *calls; /* per call */
	struct feed *feeds;
	uint32_t nfeeds;
	struct ring *rings;       /* by tile width, descending */
	uint32_t nrings;
	struct ring lifetime;
	bool plain;           /* no blobs but the rings */
	bool keeps_for_ever;  /* lifetime features and no forget */
	struct heap *scratch; /* row_pack's, the owner's; its base is kept */
	int64_t keep_ms;      /* entity is dropped when stream time > clock + keep_ms */
};

/* The tile number comes first in a tile. */
#define TILE_HEAD sizeof(int64_t)

/* What a batch brings for a feed, by row. */
struct feed_rows {
	const uint8_t *takes;      /* the condition holds and the value is there; NULL: always */
	const struct column *col;  /* NULL: takes no value */
};

struct row_event {
	int64_t event_time;
	const struct feed_rows *feeds; /* per feed */
	uint32_t i;                    /* row of the batch */
};

void layout_init(struct layout *l, const struct view *v, int64_t lateness_ms, struct arena *a);

/* A new entity's row in an empty heap. */
void row_init(const struct layout *l, struct heap *h);
/* Moves the entity's clock to t, if that is later: tiles leave, running values are recomputed.
 * True: some did, and row_schedule is to be called. */
bool row_advance(const struct layout *l, struct heap *h, int64_t t, struct agg_counts *n);
/* Advances to the event's time, takes the event in, keeps head.due and leaves right. */
void row_add(const struct layout *l, struct heap *h, const struct row_event *ev,
	struct agg_counts *n);
/* Sets head.due and leaves after row_advance. */
void row_schedule(const struct layout *l, struct heap *h);
/* When the entity is to be forgotten, if no event comes. head.due may be earlier, so that not
 * every event has to move it; it is never later. */
int64_t row_end(const struct layout *l, const struct heap *h);
/* No garbage, no slack: the same bytes for the same state. */
void row_pack(const struct layout *l, struct heap *h);

/* The event into the tile at offset tile in h (0: none) and the windows [from, to) of the ring. */
void accs_add(const struct ring *r, struct heap *h, uint32_t tile, uint32_t from, uint32_t to,
	const struct row_event *ev, struct agg_counts *n);
/* A window's running values anew, from the ring's tiles from offset first on. */
void accs_merge(const struct layout *l, const struct ring *r, struct heap *h, uint32_t window,
	uint32_t first, struct agg_counts *n);

static inline struct view_row *row_of(const struct heap *h)
{
	return (struct view_row *)h->base;
}

static inline struct blob *ring_blob(const struct ring *r, const struct heap *h)
{
	return (struct blob *)(h->base + r->handle);
}

/* Of a plain row: the bytes of the ring's tiles, all that its handle holds. */
static inline uint64_t *ring_span(const struct ring *r, const struct heap *h)
{
	return (uint64_t *)(h->base + r->handle);
}

/* Where the ring's tiles begin and end. */
static inline uint32_t ring_first(
	const struct layout *l, const struct ring *r, const struct heap *h)
{
	uint32_t off = l->fixed_bytes;
	if (!l->plain)
		return ring_blob(r, h)->off;
	for (const struct ring *before = l->rings; before < r; before++)
		off += (uint32_t)*ring_span(before, h);
	return off;
}

static inline uint32_t ring_bytes(
	const struct layout *l, const struct ring *r, const struct heap *h)
{
	return l->plain ? (uint32_t)*ring_span(r, h) : ring_blob(r, h)->len;
}

static inline uint32_t ring_end(
	const struct layout *l, const struct ring *r, const struct heap *h)
{
	return ring_first(l, r, h) + ring_bytes(l, r, h);
}

#endif
