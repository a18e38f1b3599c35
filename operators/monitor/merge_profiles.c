// SPDX-License-Identifier: Apache-2.0
//
// A window of profiles: one for each column, added up in the order of partitions.
// Not here: when it is over (merge.c).
#include "operators/monitor/groups.h"
#include "operators/monitor/merge.h"
#include "operators/monitor/segment.h"

static enum status column_tell(struct merge *g, struct slice name, uint32_t column, bool alerts,
        struct arena *a, struct error *e)
{
	const struct profile *p = &g->profiles[column];
	struct drift_pair pair = {.base = p->base, .now = p};
	struct verdict *v = arena_calloc(a, 1, sizeof *v);
	*v = (struct verdict){.column = column,
	        .segment = row_segment(name),
	        .window = row_window(name),
	        .rows = p->rows,
	        .nulls = p->nulls,
	        .reference_rows = p->base->rows};
	verdict_bins(&pair, v, a);
	return merge_tell(g, &pair, p->rows, v, alerts, a, e);
}

static enum status window_load(struct merge *g, struct entry *en,
        const struct baseline_column *base, struct arena *a, struct error *e)
{
	struct slice body;
	uint32_t at = 0;
	const struct heap *h = entry_read(en, a);
	while (gathered_next(h, &at, &body))
		if (!body_merge(body, g->profiles, base, g->channel.m))
			return merge_damaged(g, e);
	return ST_OK;
}

static enum status profiles_tell(
        struct merge *g, struct entry *en, bool alerts, struct arena *a, struct error *e)
{
	const struct monitor *m = g->channel.m;
	struct slice name = entry_entity(en);
	const struct baseline_column *base = segment_baseline(m, row_segment(name), a)->columns;
	profiles_open(g->profiles, base, m);
	enum status st = window_load(g, en, base, a, e);
	for (uint32_t i = 0; !st && i < m->ncolumns; i++)
		st = column_tell(g, name, i, alerts, a, e);
	if (!st)
		body_write(g->profiles, m, &g->body);
	profiles_close(g->profiles, m);
	return st;
}

const struct merge_kind merge_profiles = {.part = PART_PROFILE, .close = profiles_tell};
