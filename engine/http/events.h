/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's stream of server-sent events: one "snapshot" event for every snapshot published,
 * its data the JSON of snapshot_json_event. A slow client skips snapshots, it never queues
 * them.
 */
#ifndef WEIR_HTTP_EVENTS_H
#define WEIR_HTTP_EVENTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "run/snapshot.h"

struct event_stream;
/* stop: set when the server ends; job: "" for none. Both borrowed but job, which is copied. */
struct event_stream *event_stream_new(
        struct snapshot_cell *cell, const char *job, const atomic_bool *stop);
void event_stream_free(struct event_stream *e);
/* The next bytes, at least one; waits for them. -1: the stream has ended. */
ssize_t event_stream_read(struct event_stream *e, char *out, size_t size);

#endif
