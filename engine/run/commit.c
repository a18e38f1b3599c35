// SPDX-License-Identifier: Apache-2.0
//
// The epoch's end, step by step as EXACTLY-ONCE.md has it:
//
//   1 the tasks have processed into their overlays      (task.c)
//   2 begin; outputs (as they come), changelog rows, markers
//   3 flush, every delivery report OK
//   4 send_offsets under the group's generation of now
//   5 commit
//   6 the overlays become the committed state
//   7 the online store, from memory                      (publish.c)
//   8 a producer that saw an ambiguous call is replaced before the next begin
//
// Two ways out of a failure. Before commit was called the epoch cannot have committed: abort,
// drop the overlays, go back to the epoch's first offsets. Once it was called, everything but OK
// means not known: drop the overlays and the producer, and read the truth (Start 2 to 6); the
// return code never decides.
#include "run/commit.h"

#include "base/failpoint.h"
#include "base/human.h"
#include "base/log.h"
#include "run/budget.h"
#include "run/changelog.h"
#include "run/publish.h"
#include "run/round.h"
#include "run/worker.h"

#define EPOCH_PART_MIN 4 /* an epoch takes records in for this part of the interval at least */
#define TOOK_WEIGHT 8    /* of what commits took before, beside one for the last */
/* An epoch's end that takes so long is told of, with what took how long. */
#define SLOW_COMMIT_NS INT64_C(500000000)
#define SLOW_TOLD_EVERY_NS INT64_C(10000000000)

enum status commit_ready(struct worker *w, struct error *e)
{
	const struct log_ops *log = w->conf.log;
	if (log->producer_ready(w->session) && !log->producer_ambiguous(w->session))
		return ST_OK;
	INVARIANT(!w->commit.begun);
	log->producer_drop(w->session);
	if (failpoint(FP_START_INIT, e) || log->producer_init(w->session, e))
		return ST_ERR;
	failpoint_at(FP_START_INITED);
	return ST_OK;
}

/* More waits than this epoch has taken so far. */
static bool is_behind(const struct worker *w)
{
	int64_t waiting = 0;
	uint64_t taken = 0;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		const struct task *t = w->tasks[i];
		if (t->phase != PHASE_RUNNING)
			continue;
		int64_t end = w->conf.log->high_watermark(w->session, t->topic, t->partition);
		if (end > t->next_offset && !task_passed(t, end))
			waiting += end - t->next_offset;
		taken += t->counts.records - t->committed_counts.records;
	}
	return waiting > (int64_t)taken;
}

int64_t commit_due_ns(const struct worker *w)
{
	const struct commit *c = &w->commit;
	int64_t interval = w->conf.commit_ms * 1000000;
	int64_t earliest = c->started_ns + interval / EPOCH_PART_MIN;
	int64_t latest = c->started_ns + interval;
	int64_t lead = c->took_ns < interval / 2 ? c->took_ns : interval / 2;
	int64_t due = c->cut_ns + interval - lead;
	if (due >= latest || is_behind(w))
		return latest;
	return due > earliest ? due : earliest;
}

bool commit_is_due(struct worker *w)
{
	if (!w->commit.dirty)
		return false;
	if (clock_mono_ns(w->conf.clock) >= commit_due_ns(w))
		return true;
	uint64_t live = w->commit.appended_bytes / 4;
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (w->tasks[i]->table)
			live += table_live_bytes(w->tasks[i]->table);
	if (live <= budget_overlay(worker_memory(w)))
		return false;
	w->spent.early_epochs++;
	return true;
}

/* The marker of the epoch that is ending. */
static void marker_next(struct task *t)
{
	struct marker *m = &t->next;
	*m = t->marker;
	m->epoch++;
	m->inputs[0].next_offset = t->next_offset;
	m->inputs[0].stream_time = t->stream_time;
	m->inputs[0].idle_time = t->idle_time;
	m->inputs[0].last_timestamp = t->last_timestamp;
}

static enum status task_append(struct task *t, struct error *e)
{
	for (uint32_t i = 0; i < t->nops; i++)
		if (t->ops[i].def->epoch_flush && t->ops[i].def->epoch_flush(t->ops[i].op, e))
			return ST_ERR;
	marker_next(t);
	return changelog_epoch(t, e);
}

static bool task_takes_part(const struct task *t)
{
	return t->phase == PHASE_RUNNING && t->progressed;
}

/* -- whose records were refused -- */

static bool stage_topic(const struct worker *w, struct log_position at, const char *name)
{
	return w->conf.log->topic(w->session, name) == at.topic;
}

/* Whether a record there may be the task's. */
static bool may_write(const struct task *t, struct log_position at)
{
	const struct worker *w = t->worker;
	const struct plan *p = w->conf.plan;
	if (at.topic == t->changelog)
		return t->partition == at.partition;
	for (uint32_t i = 0; i < t->stage->nviews; i++)
		if (stage_topic(w, at, p->views[t->stage->views[i]].topic))
			return t->partition == at.partition;
	for (uint32_t i = 0; i < t->stage->nout; i++)
		if (stage_topic(w, at, t->stage->out[i]->topic))
			return true;
	return false;
}

static void blame_clear(struct worker *w)
{
	for (uint32_t i = 0; i < w->ntasks; i++)
		w->tasks[i]->refused = false;
}

void commit_blame(struct worker *w, struct task *t, const struct error *e)
{
	struct log_position at;
	uint32_t n = 0;
	blame_clear(w);
	if (e->class != ERR_FATAL || !w->conf.log->refused(w->session, &at))
		return;
	for (uint32_t i = 0; at.topic != LOG_TOPIC_NONE && i < w->ntasks; i++) {
		struct task *k = w->tasks[i];
		k->refused = k->phase == PHASE_RUNNING && may_write(k, at);
		n += k->refused;
	}
	if (n)
		return;
	/* A topic that several write to: whoever called, or else all that run. */
	for (uint32_t i = 0; i < w->ntasks; i++)
		w->tasks[i]->refused = w->tasks[i]->phase == PHASE_RUNNING &&
				       (!t || at.topic == LOG_TOPIC_NONE || t == w->tasks[i]);
}

static void step_end(struct worker *w, enum commit_step step)
{
	int64_t now = clock_mono_ns(w->conf.clock);
	w->commit.step_ns[step] = now - w->commit.step_from_ns;
	w->commit.step_from_ns = now;
}

/* One that took long, as when a broker stood still, counts for an interval. */
static void took_note(struct worker *w, int64_t took_ns)
{
	struct commit *c = &w->commit;
	int64_t interval_ns = w->conf.commit_ms * 1000000;
	if (took_ns > interval_ns)
		took_ns = interval_ns;
	c->took_ns = c->took_ns ? (c->took_ns * TOOK_WEIGHT + took_ns) / (TOOK_WEIGHT + 1) : took_ns;
}

static void slow_tell(struct worker *w, int64_t from)
{
	int64_t now = w->commit.step_from_ns;
	char s[1 + COMMIT_STEPS][HUMAN_MAX];
	if (now - from < SLOW_COMMIT_NS ||
		(w->commit.told_slow_ns && now - w->commit.told_slow_ns < SLOW_TOLD_EVERY_NS))
		return;
	w->commit.told_slow_ns = now;
	for (int i = 0; i < COMMIT_STEPS; i++)
		human_duration(s[i], w->commit.step_ns[i] / 1000000);
	LOG_INFO("commit",
		"%s: a commit took %s: changed rows %s, until Kafka had all records %s, offsets %s, "
		"transaction %s, state and online rows %s",
		w->conf.plan->job->name, human_duration(s[COMMIT_STEPS], (now - from) / 1000000),
		s[COMMIT_ROWS], s[COMMIT_FLUSH], s[COMMIT_OFFSETS], s[COMMIT_END], s[COMMIT_KEEP]);
}

/* Steps 2 to 4. */
static enum status epoch_produce(struct worker *w, struct error *e)
{
	struct log_position *next = arena_alloc(&w->batch, (w->ntasks + 1) * sizeof *next);
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		if (!task_takes_part(t))
			continue;
		if (task_append(t, e)) {
			w->commit.failed = t;
			commit_blame(w, t, e);
			return ST_ERR;
		}
		if (t->next_offset != t->marker.inputs[0].next_offset || t->first_marker ||
			rule_kept(FP_RULE_IDLE_OFFSETS))
			next[n++] = (struct log_position){t->topic, t->partition, t->next_offset};
	}
	INVARIANT(n || !rule_kept(FP_RULE_IDLE_OFFSETS));
	step_end(w, COMMIT_ROWS);
	if (failpoint(FP_EPOCH_FLUSH, e))
		return ST_ERR;
	if (w->conf.log->flush(w->session, e)) {
		commit_blame(w, NULL, e);
		return ST_ERR;
	}
	step_end(w, COMMIT_FLUSH);
	if (failpoint(FP_EPOCH_OFFSETS, e))
		return ST_ERR;
	if (n && w->conf.log->send_offsets(w->session, next, n, e))
		return ST_ERR;
	step_end(w, COMMIT_OFFSETS);
	return ST_OK;
}

/* Step 6, and the operators' side of it. */
static void task_committed(struct task *t, int64_t took_ns)
{
	const struct log_ops *log = t->worker->conf.log;
	failpoint_at(FP_EPOCH_COMMITTED);
	t->marker = t->next;
	changelog_committed(t);
	struct buf meta = {0};
	store_meta_write(log->delivered(t->worker->session, t->changelog, t->partition),
		&t->marker, &meta);
	publish_collect(t);
	table_commit(t->table, buf_view(&meta));
	buf_release(&meta);
	failpoint_at(FP_EPOCH_OVERLAY);
	publish_epoch(t);
	failpoint_at(FP_EPOCH_ONLINE);
	for (uint32_t i = 0; i < t->nops; i++)
		t->ops[i].def->epoch_end(t->ops[i].op, true);
	t->committed_counts = t->counts;
	t->progressed = t->first_marker = false;
	t->last_commit_ms = clock_wall_ms(t->worker->conf.clock);
	t->last_commit_took_ms = (double)took_ns / 1e6;
}

/* What happens in a test when a rule is switched off: the state moves, or the rows are online,
 * while the transaction may still fail. */
static void rules_broken(struct worker *w)
{
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		struct error e;
		struct buf meta = {0};
		if (!task_takes_part(t))
			continue;
		publish_collect(t);
		if (!rule_kept(FP_RULE_ONLINE_LAST)) {
			struct marker was = t->marker;
			t->marker = t->next;
			publish_epoch(t);
			t->marker = was;
		}
		if (rule_kept(FP_RULE_COMMIT_FIRST))
			continue;
		store_meta_write(w->conf.log->delivered(w->session, t->changelog, t->partition),
			&t->marker, &meta);
		table_commit(t->table, buf_view(&meta));
		table_flush(t->table, &e);
		buf_release(&meta);
	}
}

static void epoch_committed(struct worker *w, int64_t took_ns)
{
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (task_takes_part(w->tasks[i]))
			task_committed(w->tasks[i], took_ns);
	w->commit.begun = w->commit.dirty = false;
	w->commit.appended_bytes = 0;
	w->commit.epochs++;
}

static void worker_rewind(struct worker *w)
{
	const struct log_ops *log = w->conf.log;
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		struct error e;
		if (t->phase != PHASE_RUNNING)
			continue;
		task_rewind(t);
		struct log_position at = {t->topic, t->partition, t->next_offset};
		if (log->seek(w->session, at, &e)) {
			/* Where it would go on is not known: it must not run until it is. */
			t->error = e;
			LOG_WARN("commit", "%s: going back failed: %s", t->name, e.msg);
			log->pause(w->session, t->topic, t->partition);
			task_reopen(t, &e);
			continue;
		}
		round_resume(t);
	}
	w->commit.begun = w->commit.dirty = false;
	w->commit.appended_bytes = 0;
}

/* The producer is kept only if the abort is known to have worked and no call was ambiguous. */
void commit_abandon(struct worker *w)
{
	const struct log_ops *log = w->conf.log;
	struct error e;
	failpoint_at(FP_EPOCH_ABORT);
	if (w->commit.begun &&
		(log->abort(w->session, &e) || log->producer_ambiguous(w->session)))
		log->producer_drop(w->session);
	failpoint_at(FP_EPOCH_ABORTED);
	w->commit.aborts++;
	worker_rewind(w);
	for (uint32_t i = 0; i < w->ntasks; i++)
		w->commit.dirty |= task_takes_part(w->tasks[i]); /* first markers */
}

/* Commit was called and did not say OK: read what happened. */
static void commit_unknown(struct worker *w)
{
	const struct log_ops *log = w->conf.log;
	failpoint_at(FP_EPOCH_UNKNOWN);
	w->commit.unknowns++;
	w->commit.begun = w->commit.dirty = false;
	w->commit.appended_bytes = 0;
	log->producer_drop(w->session);
	for (uint32_t i = 0; i < w->ntasks; i++) {
		struct task *t = w->tasks[i];
		struct error e;
		if (t->phase != PHASE_RUNNING)
			continue;
		log->pause(w->session, t->topic, t->partition);
		task_reopen(t, &e);
	}
}

static bool nobody_takes_part(const struct worker *w)
{
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (task_takes_part(w->tasks[i]))
			return false;
	return true;
}

enum status commit_epoch(struct worker *w, struct error *e)
{
	w->commit.failed = NULL;
	blame_clear(w);
	if (w->commit.dirty && nobody_takes_part(w)) {
		/* Those who did were revoked, or have failed, after their epoch was given up. */
		w->commit.dirty = false;
		if (w->commit.begun)
			commit_abandon(w);
	}
	if (!w->commit.dirty)
		return ST_OK;
	int64_t from = w->commit.step_from_ns = clock_mono_ns(w->conf.clock);
	w->commit.cut_ns = from;
	if (epoch_produce(w, e) || failpoint(FP_EPOCH_COMMIT, e)) {
		commit_abandon(w);
		return ST_ERR;
	}
	if (!rule_kept(FP_RULE_ONLINE_LAST) || !rule_kept(FP_RULE_COMMIT_FIRST))
		rules_broken(w);
	if (w->conf.log->commit(w->session, e) || failpoint(FP_EPOCH_ANSWER, e)) {
		if (rule_kept(FP_RULE_READ_UNKNOWN))
			commit_unknown(w);
		else
			commit_abandon(w);
		return ST_ERR;
	}
	step_end(w, COMMIT_END);
	epoch_committed(w, w->commit.step_from_ns - from);
	step_end(w, COMMIT_KEEP);
	took_note(w, w->commit.step_from_ns - from);
	slow_tell(w, from);
	if (w->conf.log->producer_ambiguous(w->session)) {
		failpoint_at(FP_EPOCH_REINIT);
		w->conf.log->producer_drop(w->session);
	}
	return ST_OK;
}
