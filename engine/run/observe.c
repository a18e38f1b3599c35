// SPDX-License-Identifier: Apache-2.0
//
// The node's snapshot: its jobs, whether it is ready and what keeps it from that, the online
// store; and the metrics that go with it.
//
// A job is looked at under its lock, which its workers take to hand over a report: so
// everything is copied, and nothing here waits for anything else meanwhile but the lines of the
// log's ring. Not here: how reports add up (observe_seen.c), what a job shows (observe_job.c),
// gauges (snapshot_metrics.h); other nodes, which are known to the group alone.
#include "run/observe.h"

#include <stdlib.h>
#include <string.h>

#include "run/observe_inside.h"
#include "run/snapshot_metrics.h"

enum online_count {
	ONLINE_ROWS,
	ONLINE_STALE,
	ONLINE_DROPPED,
	ONLINE_CALLS,
	ONLINE_ERRORS,
	ONLINE_RECONNECTS,
	ONLINE_COUNTS
};

struct observe {
	struct metrics *metrics;
	struct job_seen **jobs;
	uint32_t njobs;
	struct tally online[ONLINE_COUNTS];
	struct rate online_rows;
};

struct observe *observe_new(struct metrics *m)
{
	struct observe *o = xcalloc(1, sizeof *o);
	o->metrics = m;
	return o;
}

void observe_free(struct observe *o)
{
	if (!o)
		return;
	for (uint32_t i = 0; i < o->njobs; i++)
		job_seen_free(o->jobs[i]);
	free(o->jobs);
	free(o);
}

/* -- jobs -- */

static struct job_seen *seen_of(struct observe *o, const char *name)
{
	for (uint32_t i = 0; i < o->njobs; i++)
		if (strcmp(o->jobs[i]->name, name) == 0)
			return o->jobs[i];
	o->jobs = xrealloc(o->jobs, (o->njobs + 1) * sizeof(struct job_seen *));
	return o->jobs[o->njobs++] = job_seen_new(name);
}

/* Jobs that were removed. */
static void jobs_forget(struct observe *o)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < o->njobs; i++) {
		struct job_seen *j = o->jobs[i];
		if (j->listed) {
			j->listed = false;
			o->jobs[kept++] = j;
			continue;
		}
		metrics_remove_job(o->metrics, j->name);
		job_seen_free(j);
	}
	o->njobs = kept;
}

void observe_job_view(struct observe *o, const struct observe_node *node,
        const struct job_view *v, struct snapshot *s, struct snapshot_job *out)
{
	struct job_seen *j = seen_of(o, v->job->name);
	j->listed = true;
	job_seen_take(j, v, o->metrics, clock_mono_ns(node->clock) / 1000000);
	observe_job_show(j, v, node->recent, s->now_ms, &s->arena, out);
	if (v->plan)
		observe_steps(j, v, node->online_ops ? node->online_ops->name : NULL, s->now_ms,
		        &s->arena, out);
	out->nmonitors = v->job->nmonitors;
	if (!node->drift || !out->nmonitors)
		return;
	drift_watch_show(node->drift, out->name, &s->arena, out);
	drift_watch_metrics(node->drift, out->name, o->metrics);
}

static void job_make(struct observe *o, const struct observe_node *node,
        const struct observe_job *job, struct snapshot *s, struct snapshot_job *out)
{
	if (job->run) {
		struct job_view v;
		job_run_lock(job->run, &v);
		observe_job_view(o, node, &v, s, out);
		job_run_unlock(job->run);
		return;
	}
	struct job_seen *j = seen_of(o, job->name);
	j->listed = true;
	job_seen_stop(j, o->metrics);
	observe_job_idle(j, job, node->recent, &s->arena, out);
}

static int by_name(const void *a, const void *b)
{
	const struct snapshot_job *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static void jobs_make(struct observe *o, const struct observe_node *node,
        const struct observe_job *jobs, uint32_t njobs, struct snapshot *s)
{
	s->jobs = arena_calloc(&s->arena, njobs, sizeof *s->jobs);
	s->njobs = njobs;
	for (uint32_t i = 0; i < njobs; i++)
		job_make(o, node, &jobs[i], s, &s->jobs[i]);
	qsort(s->jobs, njobs, sizeof *s->jobs, by_name);
	jobs_forget(o);
}

/* -- the online store -- */

static void online_count(struct observe *o, const struct online_stats *st)
{
	static const enum metric_id ids[ONLINE_COUNTS] = {[ONLINE_ROWS] = METRIC_ONLINE_ROWS,
	        [ONLINE_STALE] = METRIC_ONLINE_STALE,
	        [ONLINE_DROPPED] = METRIC_ONLINE_DROPPED,
	        [ONLINE_CALLS] = METRIC_ONLINE_CALLS,
	        [ONLINE_ERRORS] = METRIC_ONLINE_ERRORS,
	        [ONLINE_RECONNECTS] = METRIC_ONLINE_RECONNECTS};
	const uint64_t now[ONLINE_COUNTS] = {[ONLINE_ROWS] = st->rows_written,
	        [ONLINE_STALE] = st->rows_stale,
	        [ONLINE_DROPPED] = st->rows_dropped,
	        [ONLINE_CALLS] = st->calls,
	        [ONLINE_ERRORS] = st->errors,
	        [ONLINE_RECONNECTS] = st->reconnects};
	for (int i = 0; i < ONLINE_COUNTS; i++)
		metric_add(metrics_get(o->metrics, ids[i], (struct metric_labels){0}),
		        tally_take(&o->online[i], now[i]));
}

/* The store counts the rows of all views together: each view's edge gets its part by its rows.
 * Of several rows of an entity in an epoch only the last one goes there. */
static void online_shares(struct snapshot *s, double rows_per_s)
{
	double all = 0;
	for (uint32_t i = 0; i < s->njobs; i++)
		for (uint32_t k = 0; k < s->jobs[i].nviews; k++)
			all += s->jobs[i].views[k].rows_per_s;
	double share = all > 0 ? rows_per_s / all : 0;
	for (uint32_t i = 0; i < s->njobs; i++)
		observe_steps_online(&s->jobs[i], share < 1 ? share : 1,
		        s->online_up ? NULL : "it does not answer");
}

static void online_make(struct observe *o, const struct observe_node *node, struct snapshot *s)
{
	s->online_up = true; /* when there is none, nothing is wrong with it */
	if (!node->online_ops)
		return;
	struct online_stats st = {0};
	node->online_ops->stats(node->online, &st);
	s->online_up = st.up;
	s->online_backlog_bytes = st.backlog_bytes;
	if (!st.up && st.last_error[0])
		s->online_error = arena_strdup(&s->arena, st.last_error);
	online_count(o, &st);
	online_shares(s, rate_take(&o->online_rows, clock_mono_ns(node->clock) / 1000000,
	                         o->online[ONLINE_ROWS].total));
}

/* -- readiness -- */

static const char *not_ready(struct snapshot *s, const struct snapshot_job *j)
{
	uint32_t busy = 0, mine = 0;
	for (uint32_t i = 0; i < j->ntasks; i++) {
		enum task_state st = j->tasks[i].state;
		busy += st == TASK_RESTORING || st == TASK_WAITING;
		mine += st != TASK_ELSEWHERE;
	}
	const char *colon = j->error ? ": " : "", *error = j->error ? j->error : "";
	switch (j->state) {
	case JOB_FAILED:
		return arena_printf(&s->arena, "%s has failed%s%s", j->name, colon, error);
	case JOB_STARTING:
		return arena_printf(&s->arena, "%s is starting%s%s", j->name, colon, error);
	case JOB_RESTORING:
		if (!mine)
			return arena_printf(&s->arena, "%s is joining its group", j->name);
		return arena_printf(
		        &s->arena, "%s is restoring: %u of %u tasks", j->name, busy, mine);
	default:
		return NULL;
	}
}

static void ready_make(const struct observe_node *node, struct snapshot *s)
{
	const char **reasons = arena_calloc(&s->arena, s->njobs + 2, sizeof *reasons);
	uint32_t n = 0;
	if (!node->broker_up)
		reasons[n++] = s->broker_error
		                       ? arena_printf(&s->arena, "no Kafka broker answers: %s",
		                                 s->broker_error)
		                       : "no Kafka broker answers";
	if (!node->caught_up)
		reasons[n++] = "the deployed jobs have not all been read yet";
	for (uint32_t i = 0; i < s->njobs; i++) {
		const char *why = not_ready(s, &s->jobs[i]);
		if (why)
			reasons[n++] = why;
	}
	s->reasons = reasons;
	s->nreasons = n;
	s->ready = n == 0;
}

/* -- the node -- */

static const char *copy(struct snapshot *s, const char *text)
{
	return text && *text ? arena_strdup(&s->arena, text) : NULL;
}

static void node_make(const struct observe_node *node, struct snapshot *s)
{
	s->id = copy(s, node->id);
	s->version = copy(s, node->version ? node->version : "unknown");
	s->http = copy(s, node->http);
	s->prefix = copy(s, node->prefix);
	s->now_ms = clock_wall_ms(node->clock);
	s->started_ms = node->started_ms;
	s->memory_budget_bytes = node->memory_budget_bytes;
	s->memory_used_bytes = node->memory_used_bytes;
	s->broker_up = node->broker_up;
	s->broker_error = node->broker_up ? NULL : copy(s, node->broker_error);
	if (node->recent)
		s->nrecent = recent_copy(
		        node->recent, NULL, &s->arena, &s->recent, SNAPSHOT_RECENT_MAX);
}

struct snapshot *observe_make(struct observe *o, const struct observe_node *node,
        const struct observe_job *jobs, uint32_t njobs)
{
	struct snapshot *s = snapshot_new();
	node_make(node, s);
	jobs_make(o, node, jobs, njobs, s);
	online_make(o, node, s);
	ready_make(node, s);
	snapshot_metrics(s, o->metrics);
	return s;
}
