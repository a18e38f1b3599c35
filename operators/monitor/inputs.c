// SPDX-License-Identifier: Apache-2.0
//
// Notes of inputs, in one row: sorted by origin and partition, so that equal histories give
// equal bytes.
#include "operators/monitor/inputs.h"

#include <string.h>

struct input {
	uint32_t origin;
	int32_t partition;
	int64_t time;
	uint64_t idle;
};

struct inputs_row {
	struct row_head head;
	int64_t watermark;
	uint64_t n;
	struct input inputs[];
};

const struct stage *stage_of_source(const struct plan *p, uint32_t source)
{
	for (uint32_t i = 0; i < p->nstages; i++)
		if (!p->stages[i].in && p->stages[i].source == source)
			return &p->stages[i];
	INVARIANT(!"a source that a monitor reads has a stage");
	return NULL;
}

static int origin_of(const struct inputs *in, const struct part *p)
{
	for (uint32_t i = 0; i < in->norigins; i++)
		if (slice_eq(p->origin, slice_of(in->origins[i]->name)) &&
		        p->partition < in->origins[i]->partitions)
			return (int)i;
	return -1; /* of a source that was read before a redeployment */
}

static uint32_t expected(const struct inputs *in)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < in->norigins; i++)
		n += (uint32_t)in->origins[i]->partitions;
	return n;
}

static int64_t smallest(const struct inputs *in, const struct inputs_row *r)
{
	int64_t active = INT64_MAX, idle = INPUTS_NO_TIME;
	if (r->n < expected(in))
		return INPUTS_NO_TIME;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct input *k = &r->inputs[i];
		if (k->idle)
			idle = k->time > idle ? k->time : idle;
		else
			active = k->time < active ? k->time : active;
	}
	return active == INT64_MAX ? idle : active;
}

/* The input's place in the row; makes room when it is new. */
static struct input *input_at(struct heap *h, uint32_t origin, int32_t partition)
{
	struct inputs_row *r = (struct inputs_row *)h->base;
	uint64_t at = 0;
	while (at < r->n &&
	        (r->inputs[at].origin < origin || (r->inputs[at].origin == origin &&
	                                                  r->inputs[at].partition < partition)))
		at++;
	if (at < r->n && r->inputs[at].origin == origin && r->inputs[at].partition == partition)
		return &r->inputs[at];
	uint32_t len = (uint32_t)(sizeof *r + (r->n + 1) * sizeof r->inputs[0]);
	if (h->cap < len) {
		h->base = xrealloc(h->base, len);
		h->cap = len;
		r = (struct inputs_row *)h->base;
	}
	memmove(&r->inputs[at + 1], &r->inputs[at], (r->n - at) * sizeof r->inputs[0]);
	r->inputs[at] = (struct input){origin, partition, INPUTS_NO_TIME, 0};
	r->n++;
	h->len = len;
	return &r->inputs[at];
}

static enum status row_open(
        struct inputs *in, struct entry **en, struct arena *a, struct error *e)
{
	return row_resolve(in->conf, slice_of("c"), en, a, e);
}

enum status inputs_watermark(
        struct inputs *in, int64_t *watermark, struct arena *a, struct error *e)
{
	struct entry *en;
	*watermark = INPUTS_NO_TIME;
	if (row_open(in, &en, a, e))
		return ST_ERR;
	const struct heap *h = entry_read(en, a);
	if (h)
		*watermark = ((const struct inputs_row *)h->base)->watermark;
	return ST_OK;
}

enum status inputs_idle(struct inputs *in, bool *idle, struct arena *a, struct error *e)
{
	struct entry *en;
	*idle = false;
	if (row_open(in, &en, a, e))
		return ST_ERR;
	const struct heap *h = entry_read(en, a);
	if (!h)
		return ST_OK;
	const struct inputs_row *r = (const struct inputs_row *)h->base;
	*idle = r->n == expected(in);
	for (uint32_t i = 0; i < r->n; i++)
		*idle &= r->inputs[i].idle;
	return ST_OK;
}

enum status inputs_note(struct inputs *in, const struct part *p, int64_t *watermark,
        struct arena *a, struct error *e)
{
	struct entry *en;
	int origin = origin_of(in, p);
	if (origin < 0)
		return ST_END;
	if (row_open(in, &en, a, e))
		return ST_ERR;
	struct heap *h = entry_write(in->conf->table, en);
	if (!h->len) {
		struct inputs_row fresh = {.head = {ROW_FORMAT, ROW_INPUTS, STORE_NO_DUE},
		        .watermark = INPUTS_NO_TIME};
		row_set(h, &fresh, sizeof fresh);
	}
	struct input *k = input_at(h, (uint32_t)origin, p->partition);
	if (p->event_time > k->time)
		k->time = p->event_time;
	k->idle = p->kind == PART_IDLE;
	struct inputs_row *r = (struct inputs_row *)h->base;
	int64_t now = smallest(in, r);
	entry_due_changed(in->conf->table, en);
	if (now <= r->watermark)
		return ST_END;
	*watermark = r->watermark = now;
	return ST_OK;
}
