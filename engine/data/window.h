/* SPDX-License-Identifier: Apache-2.0
 *
 * Window arithmetic, as docs/ and DESIGN define it: hopping windows out of tiles. All times are
 * milliseconds since the epoch; floors are toward minus infinity.
 */
#ifndef WEIR_DATA_WINDOW_H
#define WEIR_DATA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum window_kind { WINDOW_LIFETIME, WINDOW_HOP, WINDOW_TUMBLING };

struct window {
	enum window_kind kind;
	int64_t size_ms; /* W, or D of a tumbling one */
	int64_t hop_ms;  /* h: the tile; equals size_ms for a tumbling window */
};

/* The functions below are for hopping and tumbling windows: a lifetime has no tiles. */

#define WINDOW_NEVER INT64_MAX

static inline int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return q - (a % b != 0 && (a < 0) != (b < 0));
}

/* The default hop: 1 day from 12 days, 1 hour from 12 hours, 5 minutes from 1 hour, else W/12
 * and at least 1 second. */
int64_t window_hop_default(int64_t size_ms);

/* The tile that ts falls into. */
static inline int64_t window_tile(const struct window *w, int64_t ts)
{
	return floor_div(ts, w->hop_ms);
}

/* First tile covered at time t. A hopping window covers tiles from floor((t-W)/h) on; a tumbling
 * one only the current tile. */
static inline int64_t window_first_tile(const struct window *w, int64_t t)
{
	if (w->kind == WINDOW_TUMBLING)
		return floor_div(t, w->size_ms);
	return floor_div(t - w->size_ms, w->hop_ms);
}

/* The instant at which tile k leaves the window. */
static inline int64_t window_leaves(const struct window *w, int64_t k)
{
	if (w->kind == WINDOW_TUMBLING)
		return (k + 1) * w->size_ms;
	return (k + 1) * w->hop_ms + w->size_ms;
}

#endif
