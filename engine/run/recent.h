/* SPDX-License-Identifier: Apache-2.0
 *
 * The last warnings and errors that were logged, for the status page: a ring of fixed size
 * behind the log's tap. Any thread may add; a snapshot copies.
 */
#ifndef WEIR_RUN_RECENT_H
#define WEIR_RUN_RECENT_H

#include "base/clock.h"
#include "base/log.h"
#include "run/snapshot.h"

#define RECENT_LINES 200
#define RECENT_TEXT_BYTES 400 /* longer lines are cut */

struct recent;
struct recent *recent_new(struct clock *clock);
void recent_free(struct recent *r); /* unset the tap first */
/* The signature of log_tap_set; arg is the struct recent. Equal lines in a row are one. */
void recent_tap(void *arg, enum log_level level, const char *component, const char *line);
/* Newest first, at most max, copied into a. component: only lines whose component is it or
 * begins with it and a '/'; NULL: all. Returns how many. */
uint32_t recent_copy(struct recent *r, const char *component, struct arena *a,
        struct snapshot_recent **out, uint32_t max);

#endif
