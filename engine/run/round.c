// SPDX-License-Identifier: Apache-2.0
//
// Rounds: records polled are queued by partition, and each round is a prefix of the merged
// order. The partitions' parts of it are processed as batches; what goes to a repartition topic
// is held back meanwhile (moved.h) and appended in the merged order. Only that order needs
// merging: rows of views computed in place, and lateness, are matters of one partition alone.
//
// Invariants
// - A round begins and ends within one worker_step: offsets that are committed are those of
//   processed records, and all they sent on has been appended.
// - Only what the merge paused does it resume, and from where the queue ends: a pause throws
// away
//   what was fetched.
#include "run/round.h"

#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "run/budget.h"
#include "run/merge.h"
#include "run/moved.h"
#include "run/worker.h"

#define STARVING_NS INT64_C(200000000)
#define ROUNDS_MAX 4 /* of a stage and step: then poll again */

static bool more_to_come(void *owner)
{
	const struct task *t = owner;
	const struct worker *w = t->worker;
	if (t->phase == PHASE_FAILED || t->held_until_ns)
		return false;
	if (t->phase != PHASE_RUNNING)
		return true;
	int64_t end = w->conf.log->high_watermark(w->session, t->topic, t->partition);
	if (end < 0) /* nothing was fetched yet */
		return true;
	if (t->next_offset >= end || t->queue->next_offset >= end)
		return false;
	return !task_passed(t, end);
}

static bool merges(const struct stage *st)
{
	return st->nout && st->partitions > 1;
}

void round_open(struct worker *w)
{
	const struct plan *p = w->conf.plan;
	uint32_t n = 0;
	w->merges = xcalloc(p->nstages, sizeof(struct merge *));
	for (uint32_t i = 0; i < p->nstages; i++)
		n += merges(&p->stages[i]);
	for (uint32_t i = 0; i < p->nstages; i++)
		if (merges(&p->stages[i]))
			w->merges[i] =
			        merge_new(more_to_come, budget_merge(w->conf.memory_bytes) / n);
}

void round_close(struct worker *w)
{
	for (uint32_t i = 0; w->merges && i < w->conf.plan->nstages; i++)
		merge_free(w->merges[i]);
	free(w->merges);
}

void round_join(struct task *t)
{
	struct worker *w = t->worker;
	struct merge *m = w->merges[t->stage - w->conf.plan->stages];
	if (m)
		t->queue = merge_add(m, t->partition, t);
}

void round_leave(struct task *t)
{
	merge_remove(t->queue);
	t->queue = NULL;
}

void round_void(struct task *t, bool forget)
{
	if (!t->queue)
		return;
	merge_clear(t->queue);
	if (forget)
		t->queue->paused = false;
}

void round_resume(struct task *t)
{
	if (!t->queue || !t->queue->paused)
		return;
	t->queue->paused = false;
	t->worker->conf.log->resume(t->worker->session, t->topic, t->partition);
}

void round_alive(struct task *t)
{
	if (t->queue)
		t->queue->waited_since_ns = 0;
}

/* -- waiting -- */

bool round_pending(const struct worker *w)
{
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++)
		if (w->merges[i] && w->merges[i]->bytes)
			return true;
	return false;
}

int round_timeout(const struct worker *w, int timeout_ms)
{
	int64_t now = clock_mono_ns(w->conf.clock);
	if (w->rounds_left)
		return 0;
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++) {
		const struct merge *m = w->merges[i];
		if (!m || !m->bytes || !m->wait_until_ns)
			continue;
		int64_t left = (m->wait_until_ns - now + 999999) / 1000000;
		timeout_ms = left <= 0 ? 0 : left < timeout_ms ? (int)left : timeout_ms;
	}
	return timeout_ms;
}

/* -- back-pressure -- */

static bool queue_resume(struct worker *w, struct task *t)
{
	struct merge_queue *q = t->queue;
	int64_t next = q->next_offset > t->next_offset ? q->next_offset : t->next_offset;
	struct log_position at = {t->topic, t->partition, next};
	struct error e;
	if (w->conf.log->seek(w->session, at, &e)) {
		LOG_WARN("worker", "%s: going on failed: %s", t->name, e.msg);
		commit_abandon(
		        w); /* which tries again, and takes the task over anew if need be */
		return false;
	}
	round_resume(t);
	return true;
}

/* Somebody is waited for who has not been heard of for a while: of a full queue librdkafka
 * gives the room that comes free to the same partitions again and again. */
static bool starving(const struct worker *w, const struct merge *m)
{
	int64_t now = clock_mono_ns(w->conf.clock);
	for (uint32_t i = 0; i < m->nqueues; i++) {
		const struct merge_queue *q = m->queues[i];
		if (!q->n && q->waited_since_ns && !q->passed_over &&
		        now - q->waited_since_ns > STARVING_NS)
			return true;
	}
	return false;
}

static bool queue_pressure(struct worker *w, struct merge_queue *q, bool starved)
{
	struct task *t = q->owner;
	if (t->phase != PHASE_RUNNING || t->held_until_ns)
		return true;
	if (!q->paused && (merge_full(q) || (starved && q->n))) {
		q->paused = true;
		w->conf.log->pause(w->session, t->topic, t->partition);
	} else if (q->paused && (!q->n || (!starved && merge_low(q)))) {
		return queue_resume(w, t);
	}
	return true;
}

/* While somebody starves, those who have records fetch nothing. */
static bool pressure(struct worker *w)
{
	bool starved = false;
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++)
		starved |= w->merges[i] && starving(w, w->merges[i]);
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++)
		for (uint32_t k = 0; w->merges[i] && k < w->merges[i]->nqueues; k++)
			if (!queue_pressure(w, w->merges[i]->queues[k], starved))
				return false;
	return true;
}

/* -- rounds -- */

/* False: nothing may go on. */
static bool take(struct worker *w, struct task *t, const struct log_record *r, uint32_t n)
{
	struct error e;
	worker_epoch_touch(w);
	if (task_process(t, r, n, &e) == ST_OK) {
		failpoint_at(FP_EPOCH_PROCESSED);
		return true;
	}
	if (t->held_until_ns)
		return worker_hold(w, t, &e);
	worker_process_failed(w, t, &e);
	return false;
}

static bool queue_process(struct worker *w, struct task *t)
{
	const struct log_record *r;
	uint32_t n;
	for (uint32_t i = 0; i < t->stage->nout; i++)
		t->moved[i].held = true;
	bool ok = true;
	while (ok && merge_piece(t->queue, &r, &n))
		ok = take(w, t, r, n);
	for (uint32_t i = 0; i < t->stage->nout; i++)
		t->moved[i].held = false;
	return ok;
}

static bool runs_emit(struct worker *w, struct merge *m)
{
	for (uint32_t k = 0; k < m->nruns; k++) {
		struct task *t = m->runs[k].queue->owner;
		for (uint32_t i = 0; i < t->stage->nout; i++) {
			struct error e;
			if (moved_emit(&t->moved[i], m->runs[k].last_offset, &e) == ST_OK)
				continue;
			worker_process_failed(w, t, &e);
			return false;
		}
	}
	return true;
}

/* What a partition that must wait (worker_hold) had sent on before goes out in its turn, too.
 */
static bool round_run(struct worker *w, struct merge *m)
{
	bool ok = true;
	for (uint32_t i = 0; i < m->nqueues && ok; i++)
		if (m->queues[i]->picked)
			ok = queue_process(w, m->queues[i]->owner);
	ok = ok && runs_emit(w, m);
	for (uint32_t i = 0; i < m->nqueues; i++) {
		struct task *t = m->queues[i]->owner;
		for (uint32_t k = 0; k < t->stage->nout; k++)
			moved_clear(&t->moved[k]);
	}
	merge_done(m);
	return ok;
}

/* An order that depends on it is not that of another replay. */
static void silent_tell(const struct merge *m)
{
	for (uint32_t i = 0; i < m->nqueues; i++) {
		struct merge_queue *q = m->queues[i];
		const struct task *t = q->owner;
		if (!q->passed_over || q->told)
			continue;
		q->told = true;
		LOG_INFO("worker",
		        "%s[%d] is silent at offset %lld: records of other partitions "
		        "go before its own",
		        t->stage->topic, (int)t->partition, (long long)t->next_offset);
	}
}

static bool rounds_run(struct worker *w, struct merge *m)
{
	struct clock *c = w->conf.clock;
	for (int i = 0; i < ROUNDS_MAX; i++) {
		if (!merge_pick(m, clock_mono_ns(c), clock_wall_ms(c)))
			return true;
		silent_tell(m);
		if (!round_run(w, m))
			return false;
	}
	w->rounds_left = true;
	return true;
}

/* One partition alone needs no queue. */
static bool is_queued(const struct task *t)
{
	return t->queue && (t->queue->merge->nqueues > 1 || t->queue->n);
}

static bool records_take(struct worker *w, const struct log_record *r, uint32_t n)
{
	struct task *t = worker_task(w, r->topic, r->partition);
	if (!t || t->phase != PHASE_RUNNING || t->held_until_ns)
		return true;
	/* What was read before a rewind and surfaces after it. */
	while (n && r->offset < t->next_offset)
		r++, n--;
	if (n && is_queued(t))
		merge_put(t->queue, r, n);
	else if (n)
		return take(w, t, r, n);
	return true;
}

bool round_process(struct worker *w, uint32_t n)
{
	w->rounds_left = false;
	for (uint32_t i = 0; i < n;) {
		uint32_t from = i;
		const struct log_record *r = &w->records[from];
		while (i < n && w->records[i].topic == r->topic &&
		        w->records[i].partition == r->partition)
			i++;
		if (!records_take(w, r, i - from))
			return false;
	}
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++)
		if (w->merges[i] && !rounds_run(w, w->merges[i]))
			return false;
	return pressure(w);
}
