// SPDX-License-Identifier: Apache-2.0
//
// Live events. It holds at most one event's text per client; while that is being sent, newer
// snapshots replace each other in the cell.
#include "http/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"
#include "run/snapshot_json.h"

#define EVENT_WAIT_MS 200 /* how long the end of the server may go unnoticed */

struct event_stream {
	struct snapshot_cell *cell;
	const atomic_bool *stop;
	uint64_t seen;
	char job[HTTP_JOB_NAME_MAX + 1];
	struct buf text; /* being sent */
	size_t sent;
};

struct event_stream *event_stream_new(
        struct snapshot_cell *cell, const char *job, const atomic_bool *stop)
{
	struct event_stream *e = xcalloc(1, sizeof *e);
	e->cell = cell;
	e->stop = stop;
	snprintf(e->job, sizeof e->job, "%s", job);
	/* Tells the browser how soon to come back, and opens the stream before any snapshot. */
	buf_str(&e->text, "retry: 2000\n\n");
	return e;
}

void event_stream_free(struct event_stream *e)
{
	if (!e)
		return;
	buf_release(&e->text);
	free(e);
}

/* JSON has no raw line ends, so one data line holds it. */
static void event_write(struct event_stream *e, const struct snapshot *s)
{
	const struct snapshot_job *j = *e->job ? snapshot_job_find(s, e->job) : NULL;
	buf_str(&e->text, "event: snapshot\ndata: ");
	snapshot_json_event(s, j, &e->text);
	buf_str(&e->text, "\n\n");
}

static bool event_next(struct event_stream *e)
{
	e->text.len = e->sent = 0;
	for (int waited = 0; !atomic_load(e->stop); waited += EVENT_WAIT_MS) {
		struct snapshot *s = snapshot_wait(e->cell, &e->seen, EVENT_WAIT_MS);
		if (s) {
			event_write(e, s);
			snapshot_unref(s);
			return true;
		}
		if (waited >= HTTP_KEEPALIVE_MS) {
			buf_str(&e->text, ": alive\n\n");
			return true;
		}
	}
	return false;
}

ssize_t event_stream_read(struct event_stream *e, char *out, size_t size)
{
	if (e->sent == e->text.len && !event_next(e))
		return -1;
	size_t n = e->text.len - e->sent;
	n = n < size ? n : size;
	memcpy(out, e->text.p + e->sent, n);
	e->sent += n;
	return (ssize_t)n;
}
