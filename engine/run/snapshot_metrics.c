// SPDX-License-Identifier: Apache-2.0
//
// From a snapshot to gauges. What is not known sets nothing, so its series stays absent.
#include "run/snapshot_metrics.h"

static void set_node(struct metrics *m, enum metric_id id, double v)
{
	metric_set(metrics_get(m, id, (struct metric_labels){0}), v);
}

static void set_time(struct metrics *m, enum metric_id id, struct metric_labels l, int64_t ms)
{
	if (ms != SNAPSHOT_NONE)
		metric_set(metrics_get(m, id, l), (double)ms / 1000);
}

static void task_gauges(struct metrics *m, const char *job, const struct snapshot_task *t)
{
	struct metric_labels l = {.job = job, .task = t->name};
	if (t->lag_records >= 0)
		metric_set(metrics_get(m, METRIC_LAG, l), (double)t->lag_records);
	set_time(m, METRIC_STREAM_TIME, l, t->stream_time_ms);
	set_time(m, METRIC_WATERMARK, l, t->watermark_ms);
	set_time(m, METRIC_LAST_COMMIT, l, t->last_commit_ms);
	metric_set(metrics_get(m, METRIC_STATE_ENTITIES, l), (double)t->state_entities);
	metric_set(metrics_get(m, METRIC_STATE_BYTES, l), (double)t->state_bytes);
	bool restoring = t->state == TASK_RESTORING && t->restore_rows < t->restore_rows_total;
	metric_set(metrics_get(m, METRIC_RESTORE_REMAINING, l),
	        restoring ? (double)(t->restore_rows_total - t->restore_rows) : 0);
}

static void view_gauges(
        struct metrics *m, const char *job, const struct snapshot_view *v, int64_t now_ms)
{
	struct metric_labels l = {.job = job, .view = v->name};
	int64_t age = v->known_at_ms == SNAPSHOT_NONE ? SNAPSHOT_NONE : now_ms - v->known_at_ms;
	set_time(m, METRIC_FRESHNESS_AGE, l, age);
	if (v->freshness_ms)
		metric_set(metrics_get(m, METRIC_FRESHNESS_BREACHED, l),
		        age == SNAPSHOT_NONE || age > v->freshness_ms);
}

static void job_gauges(struct metrics *m, const struct snapshot_job *j, int64_t now_ms)
{
	struct metric_labels l = {.job = j->name};
	double paused = 0;
	metric_set(metrics_get(m, METRIC_JOB_UP, l), j->state == JOB_RUNNING);
	metric_set(metrics_get(m, METRIC_STANDBY_TASKS, l), j->standby_tasks);
	if (j->standby_lag >= 0)
		metric_set(metrics_get(m, METRIC_STANDBY_LAG, l), (double)j->standby_lag);
	for (uint32_t i = 0; i < j->ntasks; i++) {
		const struct snapshot_task *t = &j->tasks[i];
		if (t->state == TASK_ELSEWHERE)
			continue;
		task_gauges(m, j->name, t);
		for (uint32_t k = 0; k < t->ninputs; k++)
			paused += t->inputs[k].paused;
	}
	metric_set(metrics_get(m, METRIC_PAUSED_PARTITIONS, l), paused);
	for (uint32_t i = 0; i < j->nviews; i++)
		view_gauges(m, j->name, &j->views[i], now_ms);
}

void snapshot_metrics(const struct snapshot *s, struct metrics *m)
{
	metric_set(metrics_get(
	                   m, METRIC_BUILD_INFO, (struct metric_labels){.version = s->version}),
	        1);
	set_time(m, METRIC_START_TIME, (struct metric_labels){0}, s->started_ms);
	set_node(m, METRIC_READY, s->ready);
	set_node(m, METRIC_MEMORY_BUDGET, (double)s->memory_budget_bytes);
	set_node(m, METRIC_MEMORY_USED, (double)s->memory_used_bytes);
	set_node(m, METRIC_BROKER_UP, s->broker_up);
	set_node(m, METRIC_ONLINE_UP, s->online_up);
	set_node(m, METRIC_ONLINE_BACKLOG, (double)s->online_backlog_bytes);
	for (uint32_t i = 0; i < s->njobs; i++)
		job_gauges(m, &s->jobs[i], s->now_ms);
}
