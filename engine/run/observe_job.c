// SPDX-License-Identifier: Apache-2.0
//
// A job's part of the snapshot: its tasks as the workers report them, its views, what died. All
// text is copied into the snapshot's arena, as the plan and the reports may be gone a moment
// later. A task of the plan that no report names belongs to another node, or to nobody yet.
// Not here: the steps (observe_steps.c); who the other nodes are, which takes asking the group.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/observe_inside.h"

static const char *copy(struct arena *a, const char *s)
{
	return s && *s ? arena_strdup(a, s) : NULL;
}

/* -- tasks -- */

static enum task_state task_state_of(enum phase p)
{
	switch (p) {
	case PHASE_RESTORE:
		return TASK_RESTORING;
	case PHASE_RUNNING:
		return TASK_RUNNING;
	case PHASE_FAILED:
		return TASK_FAILED;
	default:
		return TASK_WAITING;
	}
}

static const char *waits_for(const struct worker_report *w, const struct task_report *r,
        int64_t now_ms, struct arena *a)
{
	if (now_ms - w->at_ms > REPORT_SILENT_MS)
		return arena_printf(a, "its worker has said nothing for %lld s",
		        (long long)((now_ms - w->at_ms) / 1000));
	if (r->phase == PHASE_OFFSETS)
		return r->error[0] ? arena_strdup(a, r->error) : "the group's committed offset";
	if (r->phase == PHASE_BOUNDS)
		return r->error[0] ? arena_strdup(a, r->error) : "the end of its changelog";
	if (r->phase == PHASE_CHECK)
		return r->error[0] ? arena_strdup(a, r->error) : "the check of its position";
	return NULL;
}

/* Weir's own transactions fill a repartition topic, and each ends with a control record that is
 * never read: one offset there is no record to come. */
static int64_t lag_of(const struct stage *st, const struct snapshot_input *in)
{
	if (in->offset < 0 || in->end < 0)
		return -1;
	int64_t lag = in->end - in->offset - (st->in ? 1 : 0);
	return lag > 0 ? lag : 0;
}

static int64_t watermark_of(
        const struct job_view *v, const struct stage *st, const struct task_report *r)
{
	/* A channel of monitors goes by windows' ends: it is behind by nature, and holds up nothing. */
	bool channel = st->in && !st->nviews;
	int64_t time = channel ? MARKER_NO_TIME : st->in ? r->source_stream_time : r->stream_time;
	return time == MARKER_NO_TIME ? SNAPSHOT_NONE
	                              : time - v->job->sources[st->source].lateness_ms;
}

static void restore_show(const struct task_report *r, struct snapshot_task *t)
{
	const struct takeover_progress *p = &r->restore;
	t->restore_eta_ms = SNAPSHOT_NONE;
	if (r->phase != PHASE_RESTORE)
		return;
	/* A record of the changelog holds many rows: what is left goes by those so far. */
	double left = p->end > p->position ? (double)(p->end - p->position) : 0;
	double done = (double)(p->position - p->from);
	t->restore_rows = t->restore_rows_total = (uint64_t)p->rows;
	t->restore_bytes = p->bytes;
	if (done <= 0)
		return;
	t->restore_rows_total += (uint64_t)((double)p->rows * left / done);
	t->restore_eta_ms = (int64_t)(left * (double)r->restore_since_ns / 1e6 / done);
}

static void input_show(const struct stage *st, const struct task_report *r, struct arena *a,
        struct snapshot_task *t)
{
	t->inputs = arena_calloc(a, 1, sizeof *t->inputs);
	t->ninputs = 1;
	bool placed = r->phase == PHASE_RUNNING || r->phase == PHASE_FAILED;
	*t->inputs = (struct snapshot_input){.topic = arena_strdup(a, st->topic),
	        .partition = r->partition,
	        .offset = placed ? r->next_offset : -1,
	        .end = r->end,
	        .stream_time_ms = r->stream_time,
	        .idle = r->idle_time != MARKER_NO_TIME && r->idle_time > r->stream_time,
	        .paused = r->held};
}

static void task_show(const struct job_view *v, const struct worker_report *w,
        const struct task_report *r, const struct task_seen *seen, int64_t now_ms,
        struct arena *a, struct snapshot_task *t)
{
	const struct stage *st = &v->plan->stages[r->stage];
	t->owner = arena_strdup(a, w->owner);
	t->state = task_state_of(r->phase);
	t->waits_for = waits_for(w, r, now_ms, a);
	input_show(st, r, a, t);
	t->records_per_s = seen ? seen->records_per_s : 0;
	if (r->held)
		t->waits_for = "a writer schema that cannot be had now";
	t->lag_records = lag_of(st, t->inputs);
	t->stream_time_ms = r->stream_time;
	t->watermark_ms = watermark_of(v, st, r);
	if (t->watermark_ms != SNAPSHOT_NONE)
		t->held_by = arena_printf(a, "%s[%d]", st->topic, (int)r->partition);
	t->state_entities = r->table.entities_in_memory;
	t->state_bytes = r->table.bytes;
	t->epoch = r->epoch > 0 ? r->epoch : -1;
	if (r->last_commit_ms > 0) {
		t->last_commit_ms = r->last_commit_ms;
		t->commit_took_ms = r->last_commit_took_ms;
	}
	restore_show(r, t);
	t->last_error = copy(a, r->error);
	if (t->last_error && seen)
		t->last_error_ms = seen->error_ms;
}

/* As it is when no report names it. */
static void task_blank(
        const struct stage *st, int32_t partition, struct arena *a, struct snapshot_task *t)
{
	*t = (struct snapshot_task){.name = arena_printf(a, "%s:%d", st->name, (int)partition),
	        .stage = arena_strdup(a, st->name),
	        .partition = partition,
	        .state = TASK_ELSEWHERE,
	        .lag_records = -1,
	        .stream_time_ms = SNAPSHOT_NONE,
	        .watermark_ms = SNAPSHOT_NONE,
	        .epoch = -1,
	        .last_commit_ms = SNAPSHOT_NONE,
	        .commit_took_ms = -1,
	        .restore_eta_ms = SNAPSHOT_NONE,
	        .last_error_ms = SNAPSHOT_NONE};
}

/* A source may have got partitions since the plan was made. */
static uint32_t stage_tasks(const struct job_seen *j, const struct plan *p, uint32_t stage)
{
	uint32_t planned = (uint32_t)p->stages[stage].partitions;
	uint32_t seen = stage < j->nstages ? j->stages[stage].n : 0;
	return seen > planned ? seen : planned;
}

static void reports_show(const struct job_seen *j, const struct job_view *v,
        const uint32_t *first, int64_t now_ms, struct arena *a, struct snapshot_job *out)
{
	for (uint32_t i = 0; i < v->nreports; i++) {
		const struct worker_report *w = v->reports[i];
		for (uint32_t k = 0; w && k < w->ntasks; k++) {
			const struct task_report *r = &w->tasks[k];
			task_show(v, w, r, task_seen_find(j, r->stage, r->partition), now_ms, a,
			        &out->tasks[first[r->stage] + (uint32_t)r->partition]);
		}
	}
}

static void tasks_show(const struct job_seen *j, const struct job_view *v, int64_t now_ms,
        struct arena *a, struct snapshot_job *out)
{
	const struct plan *p = v->plan;
	uint32_t *first = arena_calloc(a, p->nstages + 1, sizeof *first);
	for (uint32_t s = 0; s < p->nstages; s++)
		first[s + 1] = first[s] + stage_tasks(j, p, s);
	out->ntasks = first[p->nstages];
	out->tasks = arena_calloc(a, out->ntasks, sizeof *out->tasks);
	for (uint32_t s = 0; s < p->nstages; s++)
		for (uint32_t i = 0; i < first[s + 1] - first[s]; i++)
			task_blank(&p->stages[s], (int32_t)i, a, &out->tasks[first[s] + i]);
	reports_show(j, v, first, now_ms, a, out);
}

/* -- views -- */

static void features_show(const struct view *v, struct arena *a, struct snapshot_view *out)
{
	char type[TYPE_NAME_MAX];
	out->nfeatures = v->nfeatures;
	out->features = arena_calloc(a, v->nfeatures, sizeof *out->features);
	for (uint32_t i = 0; i < v->nfeatures; i++)
		out->features[i] =
		        (struct snapshot_feature){.name = arena_strdup(a, v->features[i].name),
		                .type = arena_strdup(a, type_name(&v->features[i].type, type)),
		                .text = copy(a, v->features[i].text)};
}

static void definition_show(
        const struct job *job, const struct view *v, struct arena *a, struct snapshot_view *out)
{
	const struct source *s = &job->sources[v->source];
	const char **entity = arena_calloc(a, v->nentity, sizeof *entity);
	for (uint32_t i = 0; i < v->nentity; i++)
		entity[i] = arena_strdup(a, s->schema->fields[v->entity[i]].name);
	*out = (struct snapshot_view){.name = arena_strdup(a, v->name),
	        .version = v->version,
	        .owner = copy(a, v->owner),
	        .description = copy(a, v->description),
	        .entity = entity,
	        .nentity = v->nentity,
	        .event_time_ms = SNAPSHOT_NONE,
	        .known_at_ms = SNAPSHOT_NONE,
	        .freshness_ms = v->freshness_ms};
	features_show(v, a, out);
}

static void view_counts_show(const struct view_seen *seen, struct snapshot_view *out)
{
	out->rows = seen->totals[VIEW_ROWS];
	out->rows_per_s = seen->rows_per_s;
	out->event_time_ms = seen->newest_event_time;
	out->known_at_ms = seen->newest_known_at;
	out->null_entities = seen->totals[VIEW_NULL_ENTITIES];
	out->overflows = seen->totals[VIEW_OVERFLOWS];
	out->failed_casts = seen->totals[VIEW_FAILED_CASTS];
	out->not_finite = seen->totals[VIEW_NOT_FINITE];
	out->capped = seen->totals[VIEW_CAPPED];
}

static void views_show(const struct job_seen *j, const struct job_view *v, struct arena *a,
        struct snapshot_job *out)
{
	out->nviews = v->job->nviews;
	out->views = arena_calloc(a, out->nviews, sizeof *out->views);
	for (uint32_t i = 0; i < out->nviews; i++) {
		definition_show(v->job, &v->job->views[i], a, &out->views[i]);
		if (v->plan)
			out->views[i].topic = arena_strdup(a, v->plan->views[i].topic);
		if (j->running)
			view_counts_show(&j->views[i], &out->views[i]);
	}
}

/* -- what died -- */

static void dead_counts_show(
        const struct job_seen *j, struct arena *a, struct snapshot_job *out)
{
	out->records = j->records;
	out->late = j->bad[BAD_LATE];
	out->dead = arena_calloc(a, BAD_COUNT, sizeof *out->dead);
	for (int b = 1; b < BAD_COUNT; b++)
		if (b != BAD_LATE && j->bad[b])
			out->dead[out->ndead++] =
			        (struct snapshot_count){bad_reason[b], j->bad[b]};
}

static int newest_first(const void *a, const void *b)
{
	const struct dead_report *const *x = a, *const *y = b;
	const struct dead_sample *s = &(*x)->sample, *t = &(*y)->sample;
	if (s->at_ms != t->at_ms)
		return s->at_ms < t->at_ms ? 1 : -1;
	return (s->offset < t->offset) - (s->offset > t->offset);
}

static void dead_samples_show(
        const struct job_view *v, struct arena *a, struct snapshot_job *out)
{
	uint32_t all = 0, n = 0;
	for (uint32_t i = 0; i < v->nreports; i++)
		all += v->reports[i] ? v->reports[i]->ndead : 0;
	const struct dead_report **sorted = arena_calloc(a, all, sizeof *sorted);
	for (uint32_t i = 0; i < v->nreports; i++)
		for (uint32_t k = 0; v->reports[i] && k < v->reports[i]->ndead; k++)
			sorted[n++] = &v->reports[i]->dead[k];
	qsort(sorted, n, sizeof *sorted, newest_first);
	out->ndead_samples = n < SNAPSHOT_DEAD_MAX ? n : SNAPSHOT_DEAD_MAX;
	out->dead_samples = arena_calloc(a, out->ndead_samples, sizeof *out->dead_samples);
	for (uint32_t i = 0; i < out->ndead_samples; i++) {
		const struct dead_sample *s = &sorted[i]->sample;
		out->dead_samples[i] = (struct snapshot_dead){
		        .topic = arena_strdup(a, v->plan->stages[sorted[i]->stage].topic),
		        .partition = sorted[i]->partition,
		        .offset = s->offset,
		        .time_ms = s->at_ms,
		        .reason = bad_reason[s->bad],
		        .detail = copy(a, s->detail)};
	}
}

/* -- the job -- */

/* Worker 0 speaks for the job; here all of them do. */
static void state_show(const struct job_view *v, struct arena *a, struct snapshot_job *out)
{
	out->state = v->state;
	out->error = copy(a, v->error);
	if (v->state != JOB_RUNNING && v->state != JOB_RESTORING)
		return;
	for (uint32_t i = 0; i < out->ntasks; i++) {
		const struct snapshot_task *t = &out->tasks[i];
		if (t->state == TASK_FAILED) {
			out->state = JOB_FAILED;
			out->error = t->last_error;
			return;
		}
		if (t->state == TASK_RESTORING || t->state == TASK_WAITING)
			out->state = JOB_RESTORING;
	}
}

static void recent_show(
        struct recent *recent, const char *name, struct arena *a, struct snapshot_job *out)
{
	if (recent)
		out->nrecent = recent_copy(recent, name, a, &out->recent, SNAPSHOT_RECENT_MAX);
}

void observe_job_show(const struct job_seen *j, const struct job_view *v, struct recent *recent,
        int64_t now_ms, struct arena *a, struct snapshot_job *out)
{
	*out = (struct snapshot_job){.name = arena_strdup(a, v->job->name),
	        .source = copy(a, v->source),
	        .commit_ms = v->commit_ms,
	        .started_ms = v->plan ? v->started_ms : SNAPSHOT_NONE,
	        .standby_tasks = v->standby.copies,
	        .standby_lag = v->standby.lag,
	        .standby_rows = v->standby.rows,
	        .standby_rounds = v->standby.rounds};
	views_show(j, v, a, out);
	dead_counts_show(j, a, out);
	recent_show(recent, out->name, a, out);
	if (v->plan) {
		tasks_show(j, v, now_ms, a, out);
		dead_samples_show(v, a, out);
	}
	state_show(v, a, out);
}

void observe_job_idle(const struct job_seen *j, const struct observe_job *job,
        struct recent *recent, struct arena *a, struct snapshot_job *out)
{
	*out = (struct snapshot_job){.name = arena_strdup(a, job->name),
	        .source = copy(a, job->source),
	        .error = copy(a, job->error),
	        .state = job->error    ? JOB_FAILED
	                 : job->paused ? JOB_PAUSED
	                               : JOB_STARTING,
	        .started_ms = SNAPSHOT_NONE};
	dead_counts_show(j, a, out);
	recent_show(recent, out->name, a, out);
}
