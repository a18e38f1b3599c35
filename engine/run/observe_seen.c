// SPDX-License-Identifier: Apache-2.0
//
// What the workers' reports add up to over time: totals that outlive a worker that was opened
// again and a job that was paused, rates over a few seconds, and the counters made from both.
//
// A worker's counts begin at 0 when it is opened, and step back to the last commit when an
// epoch is aborted. Both look like a decrease. The first is told by the worker's own counts of
// epochs, which never step back; after the second, counts are taken up again where they had
// been before. Not here: gauges (snapshot_metrics.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/observe_inside.h"

uint64_t tally_take(struct tally *t, uint64_t now)
{
	if (now <= t->seen)
		return 0;
	uint64_t grown = now - t->seen;
	t->seen = now;
	t->total += grown;
	return grown;
}

uint64_t tally_take_restarting(struct tally *t, uint64_t now)
{
	if (now < t->seen)
		t->seen = 0;
	return tally_take(t, now);
}

static void tallies_restart(struct tally *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		t[i].seen = 0;
}

double rate_take(struct rate *r, int64_t at_ms, uint64_t total)
{
	uint32_t old = 0;
	while (old + 1 < r->n && r->at_ms[old + 1] <= at_ms - RATE_MS)
		old++;
	if (!old && r->n == RATE_POINTS)
		old = 1;
	memmove(r->at_ms, r->at_ms + old, (r->n - old) * sizeof *r->at_ms);
	memmove(r->totals, r->totals + old, (r->n - old) * sizeof *r->totals);
	r->n -= old;
	double rate = 0;
	if (r->n && at_ms > r->at_ms[0])
		rate = (double)(total - r->totals[0]) * 1000 / (double)(at_ms - r->at_ms[0]);
	if (!r->n || at_ms - r->at_ms[r->n - 1] >= RATE_GAP_MS) {
		r->at_ms[r->n] = at_ms;
		r->totals[r->n++] = total;
	}
	return rate;
}

/* -- life -- */

struct job_seen *job_seen_new(const char *name)
{
	struct job_seen *j = xcalloc(1, sizeof *j);
	j->name = xstrdup(name);
	return j;
}

static void views_free(struct view_seen *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(v[i].name);
	free(v);
}

static void run_free(struct job_seen *j)
{
	for (uint32_t i = 0; i < j->nstages; i++)
		free(j->stages[i].tasks);
	for (uint32_t i = 0; i < j->nworkers; i++)
		free(j->workers[i].views);
	free(j->stages);
	free(j->workers);
	j->stages = NULL;
	j->workers = NULL;
	j->nstages = j->nworkers = 0;
	j->running = false;
}

void job_seen_free(struct job_seen *j)
{
	if (!j)
		return;
	run_free(j);
	views_free(j->views, j->nviews);
	free(j->name);
	free(j);
}

/* The old run's series go: the next one's tasks may be others. */
void job_seen_stop(struct job_seen *j, struct metrics *m)
{
	if (!j->running)
		return;
	metrics_remove_job(m, j->name);
	run_free(j);
	for (uint32_t i = 0; i < j->nviews; i++)
		j->views[i].rows_per_s = 0;
}

/* Views that were there before go on counting. */
static void views_begin(struct job_seen *j, const struct job *job)
{
	struct view_seen *views = xcalloc(job->nviews, sizeof *views);
	for (uint32_t i = 0; i < job->nviews; i++) {
		const struct view *v = &job->views[i];
		views[i].newest_event_time = views[i].newest_known_at = SNAPSHOT_NONE;
		for (uint32_t k = 0; k < j->nviews; k++)
			if (j->views[k].version == v->version &&
			        strcmp(j->views[k].name, v->name) == 0)
				views[i] = j->views[k];
		views[i].name = xstrdup(v->name);
		views[i].version = v->version;
	}
	views_free(j->views, j->nviews);
	j->views = views;
	j->nviews = job->nviews;
}

static void run_begin(struct job_seen *j, const struct job_view *v)
{
	j->running = true;
	j->started_ms = v->started_ms;
	j->nstages = v->plan->nstages;
	j->stages = xcalloc(j->nstages, sizeof *j->stages);
	j->nworkers = v->nreports;
	j->workers = xcalloc(j->nworkers, sizeof *j->workers);
	for (uint32_t i = 0; i < j->nworkers; i++)
		j->workers[i].views = xcalloc(v->job->nviews, sizeof *j->workers[i].views);
	views_begin(j, v->job);
}

/* -- counting -- */

static void count(struct metrics *m, enum metric_id id, struct metric_labels l, uint64_t n)
{
	struct metric *series =
	        metrics_get(m, id, l); /* a counter is there from its first 0 on */
	if (n)
		metric_add(series, n);
}

static struct task_seen *task_at(struct job_seen *j, uint32_t stage, int32_t partition)
{
	struct stage_seen *s = &j->stages[stage];
	uint32_t p = (uint32_t)partition;
	if (p >= s->n) {
		s->tasks = xrealloc(s->tasks, (p + 1) * sizeof *s->tasks);
		memset(s->tasks + s->n, 0, (p + 1 - s->n) * sizeof *s->tasks);
		s->n = p + 1;
	}
	return &s->tasks[p];
}

const struct task_seen *task_seen_find(
        const struct job_seen *j, uint32_t stage, int32_t partition)
{
	if (stage >= j->nstages || (uint32_t)partition >= j->stages[stage].n)
		return NULL;
	return &j->stages[stage].tasks[partition];
}

static void task_error_take(
        struct task_seen *t, const struct task_report *r, const struct worker_report *w)
{
	if (strcmp(t->error, r->error) == 0)
		return;
	snprintf(t->error, sizeof t->error, "%s", r->error);
	t->error_ms = strcmp(r->error, w->last_error) == 0 ? w->last_error_ms : w->at_ms;
}

static void task_counts_take(struct task_seen *t, const struct task_report *r,
        struct metrics *m, struct metric_labels task, struct metric_labels job)
{
	count(m, METRIC_RECORDS, task, tally_take(&t->counts[TASK_RECORDS], r->records));
	count(m, METRIC_INPUT_BYTES, task, tally_take(&t->counts[TASK_BYTES], r->bytes));
	count(m, METRIC_LATE, task, tally_take(&t->counts[TASK_LATE], r->late));
	tally_take(&t->counts[TASK_DEAD], r->dead); /* shown by reason, from the worker's */
	count(m, METRIC_RESTORED_ROWS, task,
	        tally_take_restarting(&t->counts[TASK_RESTORED], r->restored_rows));
	count(m, METRIC_STATE_LOOKUPS, job,
	        tally_take_restarting(&t->counts[TASK_LOOKUPS], r->table.lookups));
	count(m, METRIC_STATE_MISSES, job,
	        tally_take_restarting(&t->counts[TASK_LOADS], r->table.loads));
	count(m, METRIC_ONLINE_REPAIRS, task,
	        tally_take_restarting(&t->counts[TASK_REPAIRS], r->repairs));
	/* The newest flush of each report: they are seconds apart. */
	if (r->table.flushes > t->flushes)
		metric_observe(metrics_get(m, METRIC_FLUSH_TIME, job),
		        (uint64_t)r->table.flush_ns_last);
	t->flushes = r->table.flushes;
}

static void task_take(struct job_seen *j, const struct job_view *v,
        const struct worker_report *w, const struct task_report *r, struct metrics *m,
        int64_t at_ms)
{
	char name[300];
	snprintf(name, sizeof name, "%s:%d", v->plan->stages[r->stage].name, (int)r->partition);
	struct task_seen *t = task_at(j, r->stage, r->partition);
	if (strcmp(t->owner, w->owner) != 0) {
		tallies_restart(t->counts, TASK_COUNTS);
		snprintf(t->owner, sizeof t->owner, "%s", w->owner);
	}
	t->here = true;
	task_counts_take(t, r, m, (struct metric_labels){.job = j->name, .task = name},
	        (struct metric_labels){.job = j->name});
	t->records_per_s = rate_take(&t->records, at_ms, t->counts[TASK_RECORDS].total);
	t->late_per_s = rate_take(&t->late, at_ms, t->counts[TASK_LATE].total);
	t->dead_per_s = rate_take(&t->dead, at_ms, t->counts[TASK_DEAD].total);
	task_error_take(t, r, w);
	if (r->phase == PHASE_FAILED && t->phase != PHASE_FAILED)
		count(m, METRIC_TASK_ERRORS,
		        (struct metric_labels){.job = j->name, .reason = "fatal"}, 1);
	t->phase = r->phase;
}

static void view_counts_of(const struct op_counts *c, uint64_t out[VIEW_COUNTS])
{
	out[VIEW_ROWS] = c->rows + c->expiry_rows;
	out[VIEW_EXPIRY_ROWS] = c->expiry_rows;
	out[VIEW_NULL_ENTITIES] = c->null_entity;
	out[VIEW_NOT_FINITE] = c->not_finite;
	out[VIEW_OVERFLOWS] = c->program.overflow + c->agg.overflow;
	out[VIEW_FAILED_CASTS] = c->program.failed_cast;
	out[VIEW_CAPPED] = c->agg.capped;
	out[VIEW_MISPLACED] = c->misplaced;
}

static void views_take(struct job_seen *j, struct worker_seen *w, const struct worker_report *r,
        struct metrics *m)
{
	static const enum metric_id ids[VIEW_COUNTS] = {[VIEW_ROWS] = METRIC_ROWS,
	        [VIEW_EXPIRY_ROWS] = METRIC_EXPIRY_ROWS,
	        [VIEW_NULL_ENTITIES] = METRIC_NULL_ENTITIES,
	        [VIEW_NOT_FINITE] = METRIC_NOT_FINITE,
	        [VIEW_OVERFLOWS] = METRIC_OVERFLOWS,
	        [VIEW_FAILED_CASTS] = METRIC_FAILED_CASTS,
	        [VIEW_CAPPED] = METRIC_CAPPED,
	        [VIEW_MISPLACED] = METRIC_MISPLACED};
	for (uint32_t i = 0; i < j->nviews; i++) {
		struct view_seen *v = &j->views[i];
		const struct op_counts *c = &r->views[i].counts;
		uint64_t now[VIEW_COUNTS];
		view_counts_of(c, now);
		for (int k = 0; k < VIEW_COUNTS; k++) {
			uint64_t grown = tally_take(&w->views[i][k], now[k]);
			v->totals[k] += grown;
			count(m, ids[k],
			        (struct metric_labels){.job = j->name, .view = v->name}, grown);
		}
		if (c->newest_event_time > v->newest_event_time)
			v->newest_event_time = c->newest_event_time;
		if (c->newest_known_at > v->newest_known_at)
			v->newest_known_at = c->newest_known_at;
	}
}

static void bad_take(struct job_seen *j, struct worker_seen *w, const struct worker_report *r,
        struct metrics *m)
{
	for (int b = 1; b < BAD_COUNT; b++) {
		uint64_t grown = tally_take(&w->bad[b], r->bad[b]);
		j->bad[b] += grown;
		if (b != BAD_LATE && j->bad[b])
			count(m, METRIC_DEAD,
			        (struct metric_labels){.job = j->name, .reason = bad_reason[b]},
			        grown);
	}
}

/* One observation for each commit that is the newest when a report is made: with the usual
 * intervals that is every one, with shorter ones a fair sample. */
static void commit_take(struct job_seen *j, struct worker_seen *w,
        const struct worker_report *r, struct metrics *m)
{
	const struct task_report *last = NULL;
	for (uint32_t i = 0; i < r->ntasks; i++)
		if (!last || r->tasks[i].last_commit_ms > last->last_commit_ms)
			last = &r->tasks[i];
	if (!last || last->last_commit_ms <= w->last_commit_ms)
		return;
	w->last_commit_ms = last->last_commit_ms;
	metric_observe(
	        metrics_get(m, METRIC_COMMIT_TIME, (struct metric_labels){.job = j->name}),
	        (uint64_t)(last->last_commit_took_ms * 1e6));
}

/* Its counts begin again; so do those of the tasks that it had. */
static void worker_restart(struct job_seen *j, struct worker_seen *w, const char *owner)
{
	tallies_restart(w->counts, WORKER_COUNTS);
	tallies_restart(w->bad, BAD_COUNT);
	for (uint32_t i = 0; i < j->nviews; i++)
		tallies_restart(w->views[i], VIEW_COUNTS);
	for (uint32_t s = 0; s < j->nstages; s++)
		for (uint32_t p = 0; p < j->stages[s].n; p++)
			if (strcmp(j->stages[s].tasks[p].owner, owner) == 0)
				tallies_restart(j->stages[s].tasks[p].counts, TASK_COUNTS);
}

static void spent_take(struct job_seen *j, struct worker_seen *w, const struct worker_report *r,
        struct metrics *m)
{
	const struct {
		enum metric_id id;
		enum worker_count at;
		uint64_t now;
	} all[] = {
	        {METRIC_POLL_TIME, WORKER_POLL, r->poll_ns},
	        {METRIC_DECODE_TIME, WORKER_DECODE, r->decode_ns},
	        {METRIC_PROCESS_TIME, WORKER_PROCESS, r->process_ns},
	        {METRIC_OUTPUT_TIME, WORKER_OUTPUT, r->output_ns},
	        {METRIC_REBALANCES, WORKER_REBALANCES, r->rebalances},
	        {METRIC_RETRIES, WORKER_RETRIES, r->retries},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		count(m, all[i].id, (struct metric_labels){.job = j->name},
		        tally_take(&w->counts[all[i].at], all[i].now));
	count(m, METRIC_LIMIT_HITS,
	        (struct metric_labels){.job = j->name, .reason = "overlay"},
	        tally_take(&w->counts[WORKER_EARLY], r->early_epochs));
}

/* Of the job's workers here, the longest. */
static void stalls_take(const struct job_seen *j, const struct job_view *v, struct metrics *m)
{
	static const char *const why[] = {[STALL_COMMIT] = "commit",
	        [STALL_FLUSH] = "flush", [STALL_ONLINE] = "online"};
	for (int s = 0; s < STALL_COUNT; s++) {
		int64_t max = 0;
		for (uint32_t i = 0; i < v->nreports; i++)
			if (v->reports[i] && v->reports[i]->stall_ns_max[s] > max)
				max = v->reports[i]->stall_ns_max[s];
		struct metric_labels l = {.job = j->name, .reason = why[s]};
		metric_set(metrics_get(m, METRIC_LONGEST_STALL, l), (double)max / 1e9);
	}
}

static void worker_take(struct job_seen *j, struct worker_seen *w,
        const struct worker_report *r, struct metrics *m)
{
	struct metric_labels job = {.job = j->name};
	if (r->epochs < w->counts[WORKER_EPOCHS].seen ||
	        r->aborts < w->counts[WORKER_ABORTS].seen ||
	        r->unknowns < w->counts[WORKER_UNKNOWNS].seen)
		worker_restart(j, w, r->owner);
	j->records += tally_take(&w->counts[WORKER_RECORDS], r->records);
	count(m, METRIC_EPOCHS, job, tally_take(&w->counts[WORKER_EPOCHS], r->epochs));
	uint64_t aborts = tally_take(&w->counts[WORKER_ABORTS], r->aborts);
	count(m, METRIC_EPOCHS_ABORTED, job, aborts);
	count(m, METRIC_TASK_ERRORS, (struct metric_labels){.job = j->name, .reason = "abort"},
	        aborts);
	count(m, METRIC_TASK_ERRORS,
	        (struct metric_labels){.job = j->name, .reason = "unknown"},
	        tally_take(&w->counts[WORKER_UNKNOWNS], r->unknowns));
	spent_take(j, w, r, m);
	bad_take(j, w, r, m);
	views_take(j, w, r, m);
	commit_take(j, w, r, m);
}

/* Tasks that moved away lose their series: their new owner shows them. */
static void gone_forget(struct job_seen *j, const struct plan *p, struct metrics *m)
{
	for (uint32_t s = 0; s < j->nstages; s++)
		for (uint32_t i = 0; i < j->stages[s].n; i++) {
			struct task_seen *t = &j->stages[s].tasks[i];
			char name[300];
			if (t->here || !t->owner[0])
				continue;
			snprintf(name, sizeof name, "%s:%u", p->stages[s].name, i);
			metrics_remove_task(m, j->name, name);
			*t = (struct task_seen){0};
		}
}

void job_seen_take(
        struct job_seen *j, const struct job_view *v, struct metrics *m, int64_t at_ms)
{
	if (j->running && (!v->plan || j->started_ms != v->started_ms))
		job_seen_stop(j, m);
	if (!v->plan)
		return;
	if (!j->running)
		run_begin(j, v);
	for (uint32_t s = 0; s < j->nstages; s++)
		for (uint32_t i = 0; i < j->stages[s].n; i++)
			j->stages[s].tasks[i].here = false;
	for (uint32_t i = 0; i < v->nreports; i++) {
		const struct worker_report *r = v->reports[i];
		if (!r)
			continue;
		worker_take(j, &j->workers[i], r, m);
		for (uint32_t k = 0; k < r->ntasks; k++)
			task_take(j, v, r, &r->tasks[k], m, at_ms);
	}
	stalls_take(j, v, m);
	gone_forget(j, v->plan, m);
	for (uint32_t i = 0; i < j->nviews; i++)
		j->views[i].rows_per_s =
		        rate_take(&j->views[i].rows, at_ms, j->views[i].totals[VIEW_ROWS]);
}
