// SPDX-License-Identifier: Apache-2.0
//
// A worker's report: copies, no pointers into tasks.
#include "run/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "run/worker.h"

static void counts_add(struct op_counts *to, const struct op_counts *c)
{
	to->rows += c->rows;
	to->expiry_rows += c->expiry_rows;
	to->null_entity += c->null_entity;
	to->not_finite += c->not_finite;
	to->forgotten += c->forgotten;
	to->misplaced += c->misplaced;
	to->program.overflow += c->program.overflow;
	to->program.failed_cast += c->program.failed_cast;
	to->agg.overflow += c->agg.overflow;
	to->agg.capped += c->agg.capped;
	if (c->newest_event_time > to->newest_event_time)
		to->newest_event_time = c->newest_event_time;
	if (c->newest_known_at > to->newest_known_at)
		to->newest_known_at = c->newest_known_at;
}

static void views_init(struct view_report *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		v[i].counts.newest_event_time = v[i].counts.newest_known_at = INT64_MIN;
}

/* A repartition's records without an entity count for the views behind it. */
static void task_views_add(struct view_report *views, const struct task *t)
{
	for (uint32_t i = 0; i < t->stage->nviews + t->stage->nout; i++) {
		const struct op_counts *c = t->ops[i].def->counts(t->ops[i].op);
		if (i < t->stage->nviews) {
			counts_add(&views[t->stage->views[i]].counts, c);
			continue;
		}
		const struct repartition *r = t->stage->out[i - t->stage->nviews];
		for (uint32_t k = 0; k < r->nviews; k++)
			views[r->views[k]].counts.null_entity += c->null_entity;
	}
}

void gone_counts_add(struct gone_counts *g, const struct task *t, uint32_t nviews)
{
	if (!g->views) {
		g->views = xcalloc(nviews, sizeof *g->views);
		views_init(g->views, nviews);
	}
	task_views_add(g->views, t);
	if (t->stage->in)
		return;
	g->records += t->counts.records;
	for (int b = 0; b < BAD_COUNT; b++)
		g->bad[b] += t->counts.bad[b];
}

static void task_fill(struct worker *w, const struct task *t, struct task_report *r)
{
	*r = (struct task_report){.stage = (uint32_t)(t->stage - w->conf.plan->stages),
		.partition = t->partition, .phase = t->phase, .next_offset = t->next_offset,
		.end = w->conf.log->high_watermark(w->session, t->topic, t->partition),
		.stream_time = t->stream_time, .idle_time = t->idle_time,
		.source_stream_time = t->newest_stream_of_source, .epoch = t->marker.epoch,
		.last_commit_ms = t->last_commit_ms,
		.last_commit_took_ms = t->last_commit_took_ms, .records = t->counts.records,
		.bytes = t->counts.bytes, .held = t->held_until_ns != 0, .repairs = t->repairs,
		.restored_rows = t->restored_rows};
	r->late = t->counts.bad[BAD_LATE];
	for (int b = 0; b < BAD_COUNT; b++)
		r->dead += b == BAD_LATE ? 0 : t->counts.bad[b];
	if (t->table)
		table_stats(t->table, &r->table);
	takeover_progress(t, &r->restore);
	if (r->restore.started_ns)
		r->restore_since_ns = clock_mono_ns(w->conf.clock) - r->restore.started_ns;
	snprintf(r->error, sizeof r->error, "%s", t->error.class ? t->error.msg : "");
}

static void dead_fill(struct worker_report *r, const struct task *t, uint32_t stage)
{
	uint32_t n = t->ndead < DEAD_SAMPLES ? t->ndead : DEAD_SAMPLES;
	for (uint32_t i = 0; i < n; i++)
		r->dead[r->ndead++] = (struct dead_report){stage, t->partition, t->dead[i]};
}

struct worker_report *report_make(struct worker *w)
{
	uint32_t nviews = w->conf.plan->job->nviews;
	struct worker_report *r = xcalloc(1, sizeof *r);
	snprintf(r->owner, sizeof r->owner, "%s.%u", w->conf.node, w->conf.number);
	r->at_ms = clock_wall_ms(w->conf.clock);
	r->tasks = arena_calloc(&r->arena, w->ntasks, sizeof *r->tasks);
	r->views = arena_calloc(&r->arena, nviews, sizeof *r->views);
	r->dead = arena_calloc(&r->arena, (size_t)w->ntasks * DEAD_SAMPLES, sizeof *r->dead);
	views_init(r->views, nviews);
	r->records = w->gone.records;
	memcpy(r->bad, w->gone.bad, sizeof r->bad);
	for (uint32_t i = 0; w->gone.views && i < nviews; i++)
		counts_add(&r->views[i].counts, &w->gone.views[i].counts);
	for (uint32_t i = 0; i < w->ntasks; i++) {
		const struct task *t = w->tasks[i];
		struct task_report *tr = &r->tasks[r->ntasks++];
		task_fill(w, t, tr);
		task_views_add(r->views, t);
		dead_fill(r, t, tr->stage);
		if (t->stage->in)
			continue;
		r->records += t->counts.records;
		for (int b = 0; b < BAD_COUNT; b++)
			r->bad[b] += t->counts.bad[b];
	}
	r->epochs = w->commit.epochs;
	r->aborts = w->commit.aborts;
	r->unknowns = w->commit.unknowns;
	memcpy(r->stall_ns_max, w->spent.stall_ns_max, sizeof r->stall_ns_max);
	r->poll_ns = w->spent.poll_ns;
	r->decode_ns = w->spent.decode_ns;
	r->process_ns = w->spent.process_ns;
	r->output_ns = w->spent.output_ns;
	r->rebalances = w->spent.rebalances;
	r->retries = w->spent.retries;
	r->early_epochs = w->spent.early_epochs;
	r->last_error_ms = w->last_error_ms;
	snprintf(r->last_error, sizeof r->last_error, "%s",
		w->last_error.class ? w->last_error.msg : "");
	return r;
}

void report_free(struct worker_report *r)
{
	if (!r)
		return;
	arena_release(&r->arena);
	free(r);
}
