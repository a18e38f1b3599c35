// SPDX-License-Identifier: Apache-2.0
//
// A window of served values that met computed ones: the shards' counts, added up.
// Not here: when it is over (merge.c), what was compared (skew_join.c).
#include "operators/monitor/merge.h"
#include "operators/monitor/skew.h"

static double share(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

/* Where it all is equal the reference is, so that the two can be laid over each other. */
static void bins_set(
        const struct skew_window *w, const struct skew_column *c, struct verdict *v)
{
	for (int k = 0; k < SKEW_KINDS; k++)
		if (k == SKEW_EQUAL || c->kinds[k])
			v->bins[v->nbins++] = (struct verdict_bin){
			        skew_kinds[k], k == SKEW_EQUAL, share(c->kinds[k], w->rows)};
	if (w->unknown)
		v->bins[v->nbins++] =
		        (struct verdict_bin){"unknown", 0, share(w->unknown, w->rows)};
}

static enum status column_tell(struct merge *g, struct slice name, uint32_t column, bool alerts,
        struct arena *a, struct error *e)
{
	const struct skew_window *w = g->skew;
	const struct skew_column *c = &w->columns[column];
	uint64_t compared = w->rows - w->unknown;
	struct skew_counts counts = {w->rows, w->unknown, compared - c->kinds[SKEW_EQUAL]};
	struct drift_pair pair = {.skew = &counts};
	struct verdict *v = arena_calloc(a, 1, sizeof *v);
	*v = (struct verdict){.column = column,
	        .segment = row_segment(name),
	        .window = row_window(name),
	        .rows = w->rows,
	        .nulls = w->unknown,
	        .reference_rows = compared,
	        .skew = c};
	bins_set(w, c, v);
	return merge_tell(g, &pair, compared, v, alerts, a, e);
}

static enum status skew_tell(
        struct merge *g, struct entry *en, bool alerts, struct arena *a, struct error *e)
{
	const struct monitor *m = g->channel.m;
	const struct heap *h = entry_read(en, a);
	struct slice body;
	uint32_t at = 0;
	skew_window_clear(g->skew, m);
	while (gathered_next(h, &at, &body))
		if (!skew_window_merge(body, g->skew, m))
			return merge_damaged(g, e);
	for (uint32_t i = 0; i < m->ncolumns; i++)
		if (column_tell(g, entry_entity(en), i, alerts, a, e))
			return ST_ERR;
	skew_window_write(g->skew, m, &g->body);
	return ST_OK;
}

const struct merge_kind merge_skew = {.part = PART_SKEW, .close = skew_tell};
