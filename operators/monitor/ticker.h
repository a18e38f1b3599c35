/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling the steps behind how far this one is: a note whenever its watermark passes the end of
 * a window, and when it falls idle or awakes. Between them nothing is written, so that an idle
 * engine appends nothing.
 */
#ifndef WEIR_OPERATORS_MONITOR_TICKER_H
#define WEIR_OPERATORS_MONITOR_TICKER_H

#include "operators/monitor/part.h"

/* Whether a note would be sent. */
enum status ticker_due(
        struct sender *s, int64_t watermark, bool *due, struct arena *a, struct error *e);
/* Sends one if it is time. ST_END: it was not. watermark INT64_MIN: none yet. */
enum status ticker_note(
        struct sender *s, int64_t watermark, bool idle, struct arena *a, struct error *e);

/* For the steps of a source: after a batch, and when there is none (an operator's expire). */
enum status ticker_batch(struct sender *s, int64_t watermark, struct arena *a, struct error *e);
enum status ticker_idle(struct sender *s, int64_t stream_time, int64_t lateness_ms,
        struct arena *a, struct error *e);

#endif
