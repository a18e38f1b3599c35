// SPDX-License-Identifier: Apache-2.0
//
// The worker loop: takeover steps, poll, process, idle work, commit. Rebalance events come from
// inside poll, on this thread: a revoked partition's epoch is committed before it goes, a lost
// one's is dropped.
//
// The policy on errors: a failed epoch is given up or read back (commit.c) and tried again with a
// growing pause; ERR_FATAL of a task stops that task and says why; ERR_FATAL of the session ends
// the worker, and the node decides.
#include "run/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "run/budget.h"
#include "run/changelog.h"
#include "run/growth.h"
#include "run/merge.h"
#include "run/publish.h"
#include "run/standby.h"
#include "run/round.h"
#include "run/takeover.h"

#define RETRY_FIRST_NS INT64_C(50000000)
#define RETRY_MAX_NS INT64_C(5000000000)
#define BATCH_KEEP_BYTES ((size_t)8 << 20)
#define REPAIR_TURN_NS INT64_C(2000000)
#define ONLINE_WAIT_MS 200
#define TAKEOVER_ROUND_NS INT64_C(1000000000)
#define IDLE_LOOK_NS INT64_C(100000000) /* at silent inputs beside busy ones */
#define REPARTITION_KEEP INT64_C(500000) /* records of a partition */
#define REPARTITION_KEEP_TEST INT64_C(200)
#define FLUSHING_ROWS_MAX 100000         /* of all tasks at a time, but for a larger one alone */

struct task *worker_task(struct worker *w, uint32_t topic, int32_t partition)
{
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (w->tasks[i]->topic == topic && w->tasks[i]->partition == partition)
			return w->tasks[i];
	return NULL;
}

static void error_note(struct worker *w, const struct error *e)
{
	w->last_error = *e;
	w->last_error_ms = clock_wall_ms(w->conf.clock);
}

void worker_task_fail(struct worker *w, struct task *t, const struct error *e)
{
	t->error = *e;
	t->phase = PHASE_FAILED;
	LOG_ERROR("worker", "%s stopped: %s", t->name, e->msg);
	if (t->fetching)
		w->conf.log->pause(w->session, t->topic, t->partition);
	round_void(t, true);
	error_note(w, e);
}

/* -- rebalance -- */

static const struct stage *stage_of(struct worker *w, uint32_t topic)
{
	for (uint32_t i = 0; i < w->conf.plan->nstages; i++)
		if (w->conf.log->topic(w->session, w->conf.plan->stages[i].topic) == topic)
			return &w->conf.plan->stages[i];
	return NULL;
}

static void on_assigned(void *arg, const struct log_position *parts, uint32_t n)
{
	struct worker *w = arg;
	w->spent.rebalances++;
	failpoint_at(FP_REBALANCE_ASSIGN);
	for (uint32_t i = 0; i < n; i++) {
		const struct stage *st = stage_of(w, parts[i].topic);
		struct error e;
		struct task *t;
		if (!st || worker_task(w, parts[i].topic, parts[i].partition))
			continue;
		standbys_take(w->conf.standbys, st, parts[i].partition);
		if (task_new(w, st, parts[i].partition, &t, &e)) {
			LOG_ERROR("worker", "%s[%d]: %s", st->topic, (int)parts[i].partition,
				e.msg);
			error_note(w, &e);
			standbys_give(w->conf.standbys, st, parts[i].partition);
			continue;
		}
		w->tasks = xrealloc(w->tasks, (w->ntasks + 1) * sizeof *w->tasks);
		w->tasks[w->ntasks++] = t;
	}
}

static void task_flush(struct worker *w, struct task *t)
{
	struct error e;
	if (w->conf.at_disk)
		atomic_fetch_add(w->conf.at_disk, 1);
	if (table_flush(t->table, &e))
		LOG_WARN("worker", "%s: the last flush failed, the changelog has it: %s", t->name,
			e.msg);
	if (w->conf.at_disk)
		atomic_fetch_sub(w->conf.at_disk, 1);
}

/* lost: another worker, of this process too, may be using the store already. */
static void task_remove(struct worker *w, uint32_t topic, int32_t partition, bool lost)
{
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		if (t->topic != topic || t->partition != partition)
			continue;
		if (!lost && t->table && t->phase == PHASE_RUNNING)
			task_flush(w, t);
		gone_counts_add(&w->gone, t, w->conf.plan->job->nviews);
		const struct stage *stage = t->stage;
		task_free(t);
		standbys_give(w->conf.standbys, stage, partition);
		w->tasks[i] = w->tasks[--w->ntasks];
		return;
	}
}

static void on_revoked(void *arg, const struct log_position *parts, uint32_t n, bool lost)
{
	struct worker *w = arg;
	struct error e;
	w->spent.rebalances++;
	failpoint_at(FP_REBALANCE_REVOKE);
	if (w->commit.dirty || w->commit.begun) {
		if (lost)
			commit_abandon(w);
		else if (commit_epoch(w, &e)) {
			LOG_WARN("worker", "the epoch at a rebalance: %s", e.msg);
			error_note(w, &e);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		task_remove(w, parts[i].topic, parts[i].partition, lost);
	failpoint_at(FP_REBALANCE_REVOKED);
}

/* -- the transaction's entry -- */

enum status worker_append(struct worker *w, uint32_t topic, int32_t partition, struct slice key,
	const struct slice *value, const struct log_header *headers, uint32_t nheaders,
	struct error *e)
{
	if (!w->commit.begun) {
		if (commit_ready(w, e))
			return ST_ERR;
		if (failpoint(FP_EPOCH_BEGIN, e) || w->conf.log->begin(w->session, e)) {
			w->conf.log->producer_drop(w->session); /* there is nothing to abort */
			return ST_ERR;
		}
		w->commit.begun = true;
		failpoint_at(FP_EPOCH_BEGUN);
	}
	w->commit.appended_bytes += key.len + (value ? value->len : 0);
	return w->conf.log->append(w->session, topic, partition, key, value, headers, nheaders, 0,
		e);
}

void worker_epoch_touch(struct worker *w)
{
	if (w->commit.dirty)
		return;
	w->commit.dirty = true;
	w->commit.started_ns = clock_mono_ns(w->conf.clock);
}

/* -- failures -- */

static void retry_later(struct worker *w, const struct error *e)
{
	int64_t pause = RETRY_FIRST_NS << (w->failures < 8 ? w->failures : 8);
	if (pause > RETRY_MAX_NS)
		pause = RETRY_MAX_NS;
	w->failures++;
	w->spent.retries++;
	w->retry_at_ns = clock_mono_ns(w->conf.clock) + pause;
	error_note(w, e);
	LOG_WARN("worker", "%s; trying again in %lld ms", e->msg, (long long)(pause / 1000000));
}

/* The registry does not answer: this input pauses, the others go on. False when they do not. */
bool worker_hold(struct worker *w, struct task *t, const struct error *e)
{
	struct log_position at = {t->topic, t->partition, t->next_offset};
	struct error seek;
	t->error = *e;
	error_note(w, e);
	LOG_WARN("worker", "%s waits: %s", t->name, e->msg);
	w->conf.log->pause(w->session, t->topic, t->partition);
	round_void(t, true);
	if (w->conf.log->seek(w->session, at, &seek) == ST_OK)
		return true;
	LOG_WARN("worker", "%s: going back failed: %s", t->name, seek.msg);
	commit_abandon(w); /* which tries again, and takes the task over anew if need be */
	return false;
}

static void holds_end(struct worker *w)
{
	int64_t now = clock_mono_ns(w->conf.clock);
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		if (!t->held_until_ns || now < t->held_until_ns)
			continue;
		t->held_until_ns = 0;
		w->conf.log->resume(w->session, t->topic, t->partition);
	}
}

/* A producer that is gone after the epoch was given up was fenced, or broke: that is the session's
 * error, whatever call met it, and a new producer heals it. */
static bool is_tasks_own(const struct worker *w, const struct error *e)
{
	return e->class == ERR_FATAL && w->conf.log->producer_ready(w->session);
}

/* Stops those whose records the log refuses for good; false: there are none. */
static bool refused_stop(struct worker *w, const struct error *e)
{
	bool any = false;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		if (t->refused && t->phase == PHASE_RUNNING)
			worker_task_fail(w, t, e);
		any |= t->refused;
		t->refused = false;
	}
	return any;
}

/* A batch could not be taken in: nothing of this epoch may commit. */
void worker_process_failed(struct worker *w, struct task *t, const struct error *e)
{
	commit_blame(w, t, e);
	commit_abandon(w);
	if (refused_stop(w, e))
		return;
	if (is_tasks_own(w, e)) {
		worker_task_fail(w, t, e);
		return;
	}
	t->error = *e;
	retry_later(w, e);
}

/* -- one round -- */

static void takeover_failed(struct worker *w, struct task *t, const struct error *e)
{
	if (e->class == ERR_RETRIABLE) {
		t->error = *e;
		error_note(w, e);
		LOG_DEBUG("worker", "%s: %s", t->name, e->msg);
		return;
	}
	takeover_free(t);
	worker_task_fail(w, t, e);
}

/* A round of them, each in its turn: those that wait for a broker must not keep the worker from its
 * poll, its open transaction or a stop. Returns whether there is more to do at once. */
static bool takeovers_step(struct worker *w)
{
	int64_t from = clock_mono_ns(w->conf.clock);
	bool going = false;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[(w->takeover_next + i) % w->ntasks];
		struct error e = {0};
		if (!takeover_waits(t))
			continue;
		if (clock_mono_ns(w->conf.clock) - from > TAKEOVER_ROUND_NS ||
			atomic_load_explicit(w->conf.stop, memory_order_relaxed)) {
			w->takeover_next = (w->takeover_next + i) % w->ntasks;
			return true;
		}
		going = true;
		enum phase was = t->phase;
		if (takeover_step(t, &e)) {
			takeover_failed(w, t, &e);
			continue;
		}
		if (t->phase != was)
			round_alive(t);
		if (t->phase == PHASE_RUNNING && t->progressed)
			worker_epoch_touch(w);
		if (t->phase == PHASE_RUNNING)
			publish_step(t); /* its record, before its first put */
	}
	return going;
}

static bool process(struct worker *w, uint32_t n)
{
	uint64_t decoding = w->spent.decode_ns;
	int64_t from = clock_mono_ns(w->conf.clock);
	bool ok = round_process(w, n);
	w->spent.process_ns += (uint64_t)(clock_mono_ns(w->conf.clock) - from) -
			       (w->spent.decode_ns - decoding);
	return ok;
}

/* all: no input had a record. Otherwise those that had none since the last look. */
static void idle(struct worker *w, bool all, bool *busy)
{
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		struct error e;
		bool quiet = all || t->looked_records == t->counts.records;
		t->looked_records = t->counts.records;
		/* An input is not silent whose records wait, held or for their turn. */
		if (!quiet || t->phase != PHASE_RUNNING || t->held_until_ns ||
			(t->queue && t->queue->n))
			continue;
		enum status st = task_idle(t, &e);
		if (st < 0) {
			worker_process_failed(w, t, &e);
			return;
		}
		if (t->progressed)
			worker_epoch_touch(w);
		*busy |= st == ST_OK;
	}
}

static void idle_step(struct worker *w, bool all, bool *busy)
{
	int64_t now = clock_mono_ns(w->conf.clock);
	if (!all && now - w->idle_looked_ns < IDLE_LOOK_NS)
		return;
	w->idle_looked_ns = now;
	idle(w, all, busy);
}

/* Tables share the worker's budget: above it, each gives back its part. Their flushes take
 * turns, as each needs memory while it runs. */
static void tables_tidy(struct worker *w)
{
	uint64_t total = 0, flushing = 0, budget = budget_tables(worker_memory(w));
	struct table_stats st;
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (w->tasks[i]->table) {
			table_stats(w->tasks[i]->table, &st);
			total += st.bytes;
			flushing += st.flushing_rows;
		}
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		struct error e;
		if (!t->table || t->phase != PHASE_RUNNING)
			continue;
		table_stats(t->table, &st);
		table_budget_set(t->table,
			total <= budget ? UINT64_MAX / 2
					: (uint64_t)((double)st.bytes * (double)budget / (double)total));
		bool may_flush = !flushing || flushing + st.dirty_rows <= FLUSHING_ROWS_MAX;
		if (table_tidy(t->table, false, may_flush, &e)) {
			/* The changelog has everything: the task stops, nothing is lost. */
			worker_task_fail(w, t, &e);
			continue;
		}
		table_stats(t->table, &st);
		flushing += st.flushing_rows;
	}
}

/* A repartition topic has no retention: what was taken in is deleted, but for the newest, which
 * show people in which order records arrived. */
static void repartitions_trim(struct worker *w)
{
	int64_t keep = rule_kept(FP_RULE_REPARTITION_KEEP) ? REPARTITION_KEEP
							   : REPARTITION_KEEP_TEST;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		int64_t upto = t->marker.inputs[0].next_offset - keep;
		struct error e;
		if (!t->stage->in || t->phase != PHASE_RUNNING || upto - t->trimmed < keep)
			continue;
		t->trimmed = upto;
		failpoint_at(FP_REPARTITION_DELETE);
		if (w->conf.log->delete_before(w->conf.broker, t->stage->topic, t->partition, upto,
			    &e))
			LOG_WARN("worker", "%s[%d]: deleting what was read: %s", t->stage->topic,
				(int)t->partition, e.msg);
		failpoint_at(FP_REPARTITION_DELETED);
	}
}

/* An online store that answers but is behind is waited for, a little in each epoch: what a full
 * backlog drops costs a repair, which is more work than the rows were. Never until all is written:
 * the epoch's own rows have only just been queued. One that is down is not waited for. */
static void online_wait(struct worker *w)
{
	uint64_t behind = budget_behind(w->conf.memory_bytes);
	struct online_stats st;
	if (!w->conf.online_ops)
		return;
	w->conf.online_ops->stats(w->conf.online, &st);
	if (st.up && st.backlog_bytes > behind)
		w->conf.online_ops->drain(w->conf.online, behind, ONLINE_WAIT_MS);
}

/* A repair goes on in short turns: records waiting are never held up for longer. */
static bool repair_pieces(struct worker *w, struct task *t)
{
	int64_t until = clock_mono_ns(w->conf.clock) + REPAIR_TURN_NS;
	bool more;
	while ((more = publish_step(t)) && clock_mono_ns(w->conf.clock) < until)
		;
	return more;
}

static int64_t stall_note(struct worker *w, enum stall why, int64_t from)
{
	int64_t now = clock_mono_ns(w->conf.clock), *max = &w->spent.stall_ns_max[why];
	if (now - from > *max)
		*max = now - from;
	return now;
}

static void between_epochs(struct worker *w)
{
	int64_t from = clock_mono_ns(w->conf.clock);
	online_wait(w);
	stall_note(w, STALL_ONLINE, from);
	repartitions_trim(w);
	for (uint32_t i = 0; i < w->ntasks; i++)
		changelog_trim(w->tasks[i]);
	w->repairing = false;
	from = clock_mono_ns(w->conf.clock);
	tables_tidy(w);
	stall_note(w, STALL_FLUSH, from);
	for (uint32_t i = 0; i < w->ntasks; i++)
		w->repairing |= repair_pieces(w, w->tasks[i]);
}

static int poll_timeout(const struct worker *w, int timeout_ms, bool taking_over)
{
	if (taking_over || w->repairing)
		return 0;
	timeout_ms = round_timeout(w, timeout_ms);
	if (!w->commit.dirty)
		return timeout_ms;
	int64_t left = (commit_due_ns(w) - clock_mono_ns(w->conf.clock) + 999999) / 1000000;
	return left < 0 ? 0 : left < timeout_ms ? (int)left : timeout_ms;
}

static enum status commit_try(struct worker *w)
{
	struct error e;
	int64_t from = clock_mono_ns(w->conf.clock);
	enum status st = commit_epoch(w, &e);
	w->spent.output_ns += (uint64_t)(stall_note(w, STALL_COMMIT, from) - from);
	if (st && refused_stop(w, &e))
		return ST_ERR;
	if (st && w->commit.failed && is_tasks_own(w, &e)) {
		worker_task_fail(w, w->commit.failed, &e);
		return ST_ERR;
	}
	if (st) {
		retry_later(w, &e);
		return ST_ERR;
	}
	w->failures = 0;
	return ST_OK;
}

static enum status poll_timed(struct worker *w, int timeout_ms, uint32_t *n, struct error *e)
{
	int64_t from = clock_mono_ns(w->conf.clock);
	enum status st =
		w->conf.log->poll(w->session, timeout_ms, w->records, POLL_RECORDS_MAX, n, e);
	w->spent.poll_ns += (uint64_t)(clock_mono_ns(w->conf.clock) - from);
	return st;
}

enum status worker_step(struct worker *w, int timeout_ms, bool *busy, struct error *e)
{
	uint32_t n = 0;
	*busy = false;
	bool waiting = clock_mono_ns(w->conf.clock) < w->retry_at_ns;
	/* While waiting, membership is kept up but nothing is taken in: records are few, since
	 * only what was fetched before arrives, and those are read again after the seek. */
	if (!waiting && w->ntasks && !w->commit.begun && commit_ready(w, e)) {
		if (e->class == ERR_FATAL)
			return ST_ERR;
		retry_later(w, e);
		waiting = true;
	}
	holds_end(w);
	bool taking_over = !waiting && takeovers_step(w);
	if (poll_timed(w, waiting ? 50 : poll_timeout(w, timeout_ms, taking_over), &n, e)) {
		if (e->class == ERR_FATAL)
			return ST_ERR;
		if (!waiting) /* else it was told already */
			retry_later(w, e);
		return ST_OK;
	}
	if (waiting) {
		if (n)
			commit_abandon(w);
		return ST_OK;
	}
	if (growth_look(w)) /* what was polled is read again, by those who go on */
		return ST_OK;
	*busy = n || taking_over || round_pending(w);
	if ((n || round_pending(w)) && !process(w, n))
		return ST_OK;
	idle_step(w, !n && !round_pending(w), busy);
	if (commit_is_due(w) && commit_try(w))
		return ST_OK;
	if (!w->commit.dirty)
		between_epochs(w);
	return ST_OK;
}

static uint32_t subscription(struct worker *w, const char **out)
{
	const struct plan *p = w->conf.plan;
	for (uint32_t i = 0; i < p->nstages; i++)
		out[i] = p->stages[i].topic;
	out[p->nstages] = NULL;
	return p->nstages;
}

enum status worker_open(const struct worker_conf *conf, struct worker **out, struct error *e)
{
	struct worker *w = xcalloc(1, sizeof *w);
	w->conf = *conf;
	w->records = xmalloc(POLL_RECORDS_MAX * sizeof *w->records);
	w->keys = xcalloc(1, sizeof *w->keys);
	w->batch.keep_bytes = BATCH_KEEP_BYTES;
	round_open(w);
	snprintf(w->transactional_id, sizeof w->transactional_id, "%s.%s.%u", conf->plan->group,
		conf->node, conf->number);
	snprintf(w->client_id, sizeof w->client_id, "%s.%u@%s", conf->node, conf->number,
		conf->http ? conf->http : "");
	snprintf(w->job_version, sizeof w->job_version, "%016" PRIx64, conf->plan->hash);
	const char **topics = xcalloc(conf->plan->nstages + 1, sizeof *topics);
	subscription(w, topics);
	struct log_session_conf sc = {.group = conf->plan->group,
		.transactional_id = w->transactional_id, .client_id = w->client_id,
		.instance_id = conf->static_member ? w->transactional_id : NULL,
		.subscribe = topics,
		.memory_bytes = budget_session(conf->memory_bytes),
		.batch_bytes_max = conf->batch_bytes_max,
		.events = {w, on_assigned, on_revoked}};
	enum status st = conf->log->session_open(conf->broker, &sc, &w->session, e);
	free(topics);
	if (st) {
		worker_close(w);
		return ST_ERR;
	}
	w->late_topic = conf->log->topic(w->session, conf->plan->late_topic);
	w->dead_topic = conf->log->topic(w->session, conf->plan->dead_topic);
	*out = w;
	return ST_OK;
}

void worker_close(struct worker *w)
{
	if (!w)
		return;
	struct error e;
	if (w->session && w->commit.dirty && commit_epoch(w, &e))
		LOG_WARN("worker", "the last epoch: %s", e.msg);
	if (w->session)
		w->conf.log->session_close(w->session);
	while (w->ntasks)
		task_remove(w, w->tasks[0]->topic, w->tasks[0]->partition, true);
	round_close(w);
	free(w->gone.views);
	free(w->tasks);
	free(w->keys);
	free(w->records);
	arena_release(&w->batch);
	buf_release(&w->block);
	free(w);
}
