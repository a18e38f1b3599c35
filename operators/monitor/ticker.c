// SPDX-License-Identifier: Apache-2.0
//
// The last note sent is a row of the step's own state: it belongs to the epoch like the note.
#include "operators/monitor/ticker.h"

struct noted_row {
	struct row_head head;
	int64_t noted; /* INT64_MIN: none, or of an input that was always empty */
	int64_t idle;  /* 0, 1; -1: no note yet */
};

static int64_t boundary(const struct monitor *m, int64_t watermark)
{
	return watermark == INT64_MIN ? watermark : window_start(m, watermark);
}

static struct noted_row noted_read(const struct entry *en, struct arena *a)
{
	const struct heap *h = entry_read(en, a);
	if (h && h->len)
		return *(const struct noted_row *)h->base;
	return (struct noted_row){{ROW_FORMAT, ROW_NOTED, STORE_NO_DUE}, INT64_MIN, -1};
}

enum status ticker_due(
        struct sender *s, int64_t watermark, bool *due, struct arena *a, struct error *e)
{
	struct entry *en;
	if (row_resolve(s->conf, slice_of("n"), &en, a, e))
		return ST_ERR;
	*due = boundary(s->m, watermark) > noted_read(en, a).noted;
	return ST_OK;
}

enum status ticker_note(
        struct sender *s, int64_t watermark, bool idle, struct arena *a, struct error *e)
{
	struct entry *en;
	int64_t at = boundary(s->m, watermark);
	if (row_resolve(s->conf, slice_of("n"), &en, a, e))
		return ST_ERR;
	struct noted_row r = noted_read(en, a);
	if (at <= r.noted && r.idle == idle)
		return ST_END;
	if (idle && r.idle == 1) /* as long as it is idle one note is enough */
		return ST_END;
	if (at > r.noted)
		r.noted = at;
	r.idle = idle;
	struct heap *h = entry_write(s->conf->table, en);
	row_set(h, &r, sizeof r);
	entry_due_changed(s->conf->table, en);
	struct part p = {.kind = idle ? PART_IDLE : PART_NOTE,
	        .event_time = r.noted,
	        .window = s->since};
	return part_send(s, &p, e);
}

enum status ticker_batch(struct sender *s, int64_t watermark, struct arena *a, struct error *e)
{
	return ticker_note(s, watermark, false, a, e) < 0 ? ST_ERR : ST_OK;
}

enum status ticker_idle(struct sender *s, int64_t stream_time, int64_t lateness_ms,
        struct arena *a, struct error *e)
{
	bool due, none = stream_time == INT64_MIN;
	int64_t watermark = none ? INT64_MIN : stream_time - lateness_ms;
	if (ticker_due(s, watermark, &due, a, e))
		return ST_ERR;
	if (!due && !none)
		return ST_END;
	return ticker_note(s, watermark, true, a, e) < 0 ? ST_ERR : ST_END;
}
