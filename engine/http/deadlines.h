/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that take too long to send a request are cut. The HTTP library's own time-out is
 * for silence only, so that a byte every few seconds would hold a connection for ever.
 */
#ifndef WEIR_HTTP_DEADLINES_H
#define WEIR_HTTP_DEADLINES_H

#include <stdint.h>

#include "base/metrics.h"

struct deadlines;
struct deadline; /* of one connection */

/* cut: counts those that were cut. */
struct deadlines *deadlines_new(int64_t request_ms, struct metric *cut);
void deadlines_free(struct deadlines *d); /* every deadline must have ended */

/* A connection's first request is due from now. NULL when there are too many. */
struct deadline *deadline_begin(struct deadlines *d, int fd);
/* A request arrived whole: nothing is due. */
void deadline_clear(struct deadlines *d, struct deadline *one);
/* The answer is out: the next request is due, with idle_ms on top for the silence between. */
void deadline_again(struct deadlines *d, struct deadline *one, int64_t idle_ms);
/* Before the socket is closed. */
void deadline_end(struct deadlines *d, struct deadline *one);

#endif
