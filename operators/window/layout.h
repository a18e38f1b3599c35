/* SPDX-License-Identifier: Apache-2.0
 *
 * A view's state row: what is where in an entity's heap, and how events and time change it. All
 * aggregates of the view lie side by side in one row, so one lookup serves them all.
 *
 *   head      due, next leaving instant, clock, known_at, arrivals
 *   running   one accumulator per aggregate call: its value at the entity's clock
 *   rings     per distinct tile width one blob: tiles in ascending order, each a tile number and
 *             one accumulator per distinct (aggregate, argument, condition) of that ring
 *
 * A running value is merged forward event by event, and recomputed from the tiles when one leaves
 * its window; it is never subtracted from. Windows of one tile width share a ring and its tiles.
 */
#ifndef WEIR_OPERATORS_WINDOW_LAYOUT_H
#define WEIR_OPERATORS_WINDOW_LAYOUT_H

#include "base/arena.h"
#include "lang/job.h"
#include "state/table.h"

struct view_row {
	struct row_head head;
	int64_t leaves;   /* next instant a tile leaves a window; WINDOW_NEVER */
	int64_t clock;    /* the entity's: INT64_MIN before its first event */
	int64_t known_at; /* of its last row */
	uint64_t arrivals;
};

struct ring_acc {
	uint32_t call; /* one of the calls that share it */
	uint32_t off;  /* inside the tile */
};

struct ring {
	int64_t hop_ms;
	uint32_t handle; /* offset of the row's struct blob for it */
	uint32_t tile_bytes;
	const uint32_t *windows;
	uint32_t nwindows;
	struct ring_acc *accs;
	uint32_t naccs;
	bool has_blobs; /* some accumulator of a tile does */
};

struct layout {
	const struct view *view;
	uint32_t fixed_bytes;
	uint32_t *running;    /* per call: offset in the row */
	int32_t *call_ring;   /* per call: its ring; -1: lifetime */
	uint32_t *call_tile;  /* per call: offset of its accumulator in a tile */
	uint32_t **window_calls;
	uint32_t *nwindow_calls;
	struct ring *rings;
	uint32_t nrings;
	bool keeps_for_ever;  /* lifetime features and no forget */
	struct heap *scratch; /* row_pack's, the owner's; its base is kept */
	int64_t keep_ms;      /* entity is dropped when stream time > clock + keep_ms */
};

/* The tile number comes first in a tile. */
#define TILE_HEAD sizeof(int64_t)

struct row_event {
	int64_t event_time;
	const struct agg_event *calls; /* per call */
	const uint8_t *takes;          /* per call: its condition holds and its value is there */
};

void layout_init(struct layout *l, const struct view *v, int64_t lateness_ms, struct arena *a);

/* A new entity's row in an empty heap. */
void row_init(const struct layout *l, struct heap *h);
/* Moves the entity's clock to t, if that is later: tiles leave, running values are recomputed. */
void row_advance(const struct layout *l, struct heap *h, int64_t t, struct agg_counts *n);
/* Advances to the event's time and takes the event in. */
void row_add(const struct layout *l, struct heap *h, const struct row_event *ev,
	struct agg_counts *n);
/* Sets head.due and leaves after changes. */
void row_schedule(const struct layout *l, struct heap *h);
/* The value of a call at the entity's clock. */
void row_result(const struct layout *l, const struct heap *h, uint32_t call, struct arena *a,
	struct value *out, struct agg_counts *n);
/* No garbage, no slack: the same bytes for the same state. */
void row_pack(const struct layout *l, struct heap *h);

static inline struct view_row *row_of(const struct heap *h)
{
	return (struct view_row *)h->base;
}

#endif
