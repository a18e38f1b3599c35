// SPDX-License-Identifier: Apache-2.0
//
// What operators/monitor/join.c does for a stream, for a topic that is read once: scores by
// prediction id, then labels. A null id or number meets nothing.
#include "cli/baseline_labels.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "data/entity.h"

struct scored {
	struct slice id; // in texts
	double score, label;
	int64_t window_end;
	uint32_t group;
	uint8_t state; // 0: no label yet, 1: labelled, 2: its first one came too late
};

struct baseline_ids {
	const struct monitor *m;
	struct arena texts;
	uint64_t text_bytes;
	struct scored *all;
	uint32_t n, cap;
	uint32_t *slots, nslots; // number + 1
	struct buf text;
};

struct baseline_ids *baseline_ids_new(const struct monitor *m)
{
	struct baseline_ids *ids = xcalloc(1, sizeof *ids);
	ids->m = m;
	arena_init(&ids->texts);
	return ids;
}

void baseline_ids_free(struct baseline_ids *ids)
{
	if (!ids)
		return;
	arena_release(&ids->texts);
	buf_release(&ids->text);
	free(ids->all);
	free(ids->slots);
	free(ids);
}

uint64_t baseline_ids_bytes(const struct baseline_ids *ids)
{
	return ids->text_bytes + ids->cap * sizeof *ids->all + ids->nslots * sizeof *ids->slots;
}

static uint32_t slot_of(const struct baseline_ids *ids, struct slice id)
{
	uint32_t at = (uint32_t)XXH3_64bits(id.p, id.len) & (ids->nslots - 1);
	while (ids->slots[at] && !slice_eq(ids->all[ids->slots[at] - 1].id, id))
		at = (at + 1) & (ids->nslots - 1);
	return at;
}

static void grow(struct baseline_ids *ids)
{
	ids->cap = ids->cap ? 2 * ids->cap : 1024;
	ids->all = xrealloc(ids->all, ids->cap * sizeof *ids->all);
	free(ids->slots);
	ids->nslots = 2 * ids->cap;
	ids->slots = xcalloc(ids->nslots, sizeof *ids->slots);
	for (uint32_t i = 0; i < ids->n; i++)
		ids->slots[slot_of(ids, ids->all[i].id)] = i + 1;
}

static bool id_of(
        struct baseline_ids *ids, const struct column *id, const struct column *number)
{
	if (id->null[0] || number->null[0])
		return false;
	struct value v = column_get(id, 0);
	ids->text.len = 0;
	entity_write(&ids->text, &id->type, &v, 1);
	return true;
}

static double number_of(const struct column *c)
{
	switch (type_form(c->type)) {
	case FORM_I64:
		return (double)c->i64[0];
	case FORM_F64:
		return c->f64[0];
	case FORM_I128:
		return (double)c->i128[0] / pow(10, c->type->scale);
	default:
		return NAN;
	}
}

void baseline_score(struct baseline_ids *ids, const struct column *id,
        const struct column *score, uint32_t group, int64_t window_end)
{
	if (!id_of(ids, id, score))
		return;
	if (ids->n == ids->cap)
		grow(ids);
	uint32_t at = slot_of(ids, buf_view(&ids->text));
	if (ids->slots[at])
		return;
	ids->all[ids->n] = (struct scored){.id = arena_slice(&ids->texts, buf_view(&ids->text)),
	        .score = number_of(score),
	        .window_end = window_end,
	        .group = group};
	ids->text_bytes += ids->text.len;
	ids->slots[at] = ++ids->n;
}

void baseline_label(struct baseline_ids *ids, const struct column *id,
        const struct column *label, int64_t event_time)
{
	if (!ids->n || !id_of(ids, id, label))
		return;
	uint32_t slot = ids->slots[slot_of(ids, buf_view(&ids->text))];
	if (!slot || ids->all[slot - 1].state)
		return;
	struct scored *x = &ids->all[slot - 1];
	int64_t wait_ms = ids->m->labels->wait_ms;
	bool in_time = event_time <= x->window_end + wait_ms &&
	               x->window_end - ids->m->window_ms <= event_time + wait_ms;
	x->state = in_time ? 1 : 2;
	x->label = number_of(label);
}

void baseline_met(
        struct baseline_ids *ids, struct errors_sums *all, struct errors_sums *groups)
{
	for (uint32_t i = 0; i < ids->n; i++) {
		const struct scored *x = &ids->all[i];
		double label = x->state == 1 ? x->label : NAN; // NaN is skipped, and counted
		errors_add(all, x->score, label);
		errors_add(&groups[x->group], x->score, label);
	}
	ids->n = 0;
}
