// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: their life, the cell they are published in, and sums over a job.
//
// A published snapshot is immutable; whoever takes it holds a reference, so a slow reader keeps
// its own snapshot and delays nobody. The cell's lock is held for a pointer's swap only.
#include "run/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct snapshot_cell {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct snapshot *now;
	uint64_t seq; /* of now; 0: none yet */
	bool closed;
};

const char *job_state_name(enum job_state s)
{
	static const char *const names[] = {[JOB_STARTING] = "starting",
	        [JOB_RUNNING] = "running",
	        [JOB_PAUSED] = "paused",
	        [JOB_RESTORING] = "restoring",
	        [JOB_FAILED] = "failed"};
	return names[s];
}

const char *task_state_name(enum task_state s)
{
	static const char *const names[] = {[TASK_WAITING] = "waiting",
	        [TASK_RESTORING] = "restoring",
	        [TASK_RUNNING] = "running",
	        [TASK_PAUSED] = "paused",
	        [TASK_FAILED] = "failed",
	        [TASK_ELSEWHERE] = "elsewhere"};
	return names[s];
}

const char *step_kind_name(enum step_kind k)
{
	static const char *const names[] = {[STEP_SOURCE] = "source",
	        [STEP_REPARTITION] = "repartition",
	        [STEP_VIEW] = "view",
	        [STEP_SINK] = "sink"};
	return names[k];
}

struct snapshot *snapshot_new(void)
{
	struct snapshot *s = xcalloc(1, sizeof *s);
	arena_init(&s->arena);
	s->now_ms = s->started_ms = SNAPSHOT_NONE;
	atomic_init(&s->refs, 1);
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_release(&s->arena);
	free(s);
}

const struct snapshot_job *snapshot_job_find(const struct snapshot *s, const char *name)
{
	for (uint32_t i = 0; i < s->njobs; i++)
		if (strcmp(s->jobs[i].name, name) == 0)
			return &s->jobs[i];
	return NULL;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b; /* SNAPSHOT_NONE is the smallest */
}

static int64_t earlier(int64_t a, int64_t b)
{
	if (a == SNAPSHOT_NONE || b == SNAPSHOT_NONE)
		return later(a, b);
	return a < b ? a : b;
}

static void totals_add_task(const struct snapshot_task *t, struct snapshot_totals *out)
{
	if (t->lag_records >= 0)
		out->lag_records =
		        (out->lag_records < 0 ? 0 : out->lag_records) + t->lag_records;
	out->stream_time_ms = later(out->stream_time_ms, t->stream_time_ms);
	out->watermark_ms = earlier(out->watermark_ms, t->watermark_ms);
	out->last_commit_ms = later(out->last_commit_ms, t->last_commit_ms);
	out->state_entities += t->state_entities;
	out->state_bytes += t->state_bytes;
	out->running += t->state == TASK_RUNNING;
	out->restoring += t->state == TASK_RESTORING;
	out->failed += t->state == TASK_FAILED;
}

/* What comes in from outside: a repartitioned record counts once. */
static double source_rate(const struct snapshot_job *j)
{
	double sum = 0;
	for (uint32_t i = 0; i < j->nnodes; i++)
		sum += j->nodes[i].kind == STEP_SOURCE ? j->nodes[i].records_per_s : 0;
	return sum;
}

void snapshot_totals(const struct snapshot_job *j, struct snapshot_totals *out)
{
	*out = (struct snapshot_totals){.lag_records = -1,
	        .stream_time_ms = SNAPSHOT_NONE,
	        .watermark_ms = SNAPSHOT_NONE,
	        .last_commit_ms = SNAPSHOT_NONE};
	out->records_per_s = source_rate(j);
	for (uint32_t i = 0; i < j->ntasks; i++)
		totals_add_task(&j->tasks[i], out);
	for (uint32_t i = 0; i < j->nviews; i++) {
		out->rows += j->views[i].rows;
		out->rows_per_s += j->views[i].rows_per_s;
	}
	for (uint32_t i = 0; i < j->ndead; i++)
		out->dead += j->dead[i].count;
}

struct snapshot_cell *snapshot_cell_new(void)
{
	struct snapshot_cell *c = xcalloc(1, sizeof *c);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

void snapshot_cell_free(struct snapshot_cell *c)
{
	if (!c)
		return;
	snapshot_unref(c->now);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void snapshot_publish(struct snapshot_cell *c, struct snapshot *s)
{
	pthread_mutex_lock(&c->lock);
	struct snapshot *old = c->now;
	c->now = s;
	c->seq++;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	snapshot_unref(old);
}

struct snapshot *snapshot_take(struct snapshot_cell *c)
{
	pthread_mutex_lock(&c->lock);
	struct snapshot *s = c->now ? snapshot_ref(c->now) : NULL;
	pthread_mutex_unlock(&c->lock);
	return s;
}

static struct timespec deadline_in(int timeout_ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

struct snapshot *snapshot_wait(struct snapshot_cell *c, uint64_t *seen, int timeout_ms)
{
	struct timespec until = deadline_in(timeout_ms);
	struct snapshot *s = NULL;
	pthread_mutex_lock(&c->lock);
	while (!c->closed && c->seq == *seen)
		if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
			break;
	if (!c->closed && c->seq != *seen) {
		*seen = c->seq;
		s = snapshot_ref(c->now);
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}

void snapshot_cell_close(struct snapshot_cell *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}
