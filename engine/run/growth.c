// SPDX-License-Identifier: Apache-2.0
//
// New partitions. How many there were at a stage's first start is pinned in its markers; those
// of partition 0 are the judge, because it was there then. A partition above that count is new:
// it is read from its first record on, whatever `start` says, or what was produced to it before
// anyone looked would be lost.
//
// The group hands a new partition out by itself, once some member has seen it (the client asks
// every few seconds). Its changelog partition is made before it is used, by whoever comes
// first.
#include "run/growth.h"

#include <stdlib.h>

#include "base/log.h"
#include "run/changelog.h"
#include "run/commit.h"
#include "run/worker.h"

#define TAIL_FIRST INT64_C(64) /* offsets at the end of a changelog; then eight times as many  \
	                        */
#define TAIL_RECORDS 256
#define TAIL_POLLS_MAX 100
#define TAIL_POLL_MS 20
#define TAIL_MEMORY (UINT64_C(1) << 20)
#define LOOK_AGAIN_NS INT64_C(1000000000)

static enum status keys_moved(const struct stage *st, int32_t now, struct error *e)
{
	return error_set(e, ERR_FATAL, 0,
	        "topic %s has %d partitions, the state was made from %d: keys have moved "
	        "between "
	        "partitions; give its views new versions and backfill",
	        st->topic, (int)now, (int)st->partitions);
}

enum status growth_prepare(struct task *t, struct error *e)
{
	const struct worker_conf *c = &t->worker->conf;
	if (t->partition < t->stage->partitions)
		return ST_OK;
	if (!growth_allowed(t->stage))
		return keys_moved(t->stage, t->partition + 1, e);
	return c->log->partitions_ensure(c->broker, t->stage->changelog, t->partition + 1, e);
}

/* -- the pinned count -- */

/* The newest marker between the reader's position and end. */
static enum status tail_read(const struct worker_conf *c, struct log_reader *r, int64_t end,
        struct marker *out, bool *found, struct error *e)
{
	struct log_record *records = xmalloc(TAIL_RECORDS * sizeof *records);
	enum status st = ST_OK;
	int quiet = 0;
	while (!st && quiet < TAIL_POLLS_MAX && c->log->reader_position(r) < end) {
		uint32_t n;
		st = c->log->reader_poll(r, TAIL_POLL_MS, records, TAIL_RECORDS, &n, e);
		quiet = !st && n ? 0 : quiet + 1;
		for (uint32_t i = 0; !st && i < n; i++)
			if (records[i].has_value && records[i].key.len &&
			        records[i].key.p[0] == CHANGELOG_MARKER)
				*found |= marker_read(records[i].value, out);
	}
	if (!st && quiet == TAIL_POLLS_MAX && !*found)
		st = error_set(e, ERR_RETRIABLE, 0, "a transaction is open at its end");
	free(records);
	return st;
}

/* The newest marker of the stage's partition 0. */
static enum status first_partition(
        struct task *t, struct marker *out, bool *found, struct error *e)
{
	const struct worker_conf *c = &t->worker->conf;
	const char *topic = t->stage->changelog;
	int64_t begin, end, from;
	*found = false;
	if (c->log->bounds(c->broker, topic, 0, &begin, &end, e))
		return ST_ERR;
	for (int64_t span = TAIL_FIRST;; span *= 8) {
		struct log_reader *r;
		from = end - begin > span ? end - span : begin;
		if (c->log->reader_open(c->broker, topic, 0, from, TAIL_MEMORY, &r, e))
			return ST_ERR;
		enum status st = tail_read(c, r, end, out, found, e);
		c->log->reader_close(r);
		if (st)
			return error_context(e, "%s[0]", topic);
		if (*found || from == begin)
			return ST_OK;
	}
}

enum status growth_is_new(struct task *t, bool *out, struct error *e)
{
	struct marker m;
	bool found;
	*out = false;
	if (!growth_allowed(t->stage) || t->partition == 0)
		return ST_OK;
	if (first_partition(t, &m, &found, e))
		return ST_ERR;
	*out = found && m.inputs[0].partitions && t->partition >= m.inputs[0].partitions;
	return ST_OK;
}

/* -- while it runs -- */

static bool has_tasks(const struct worker *w, const struct stage *st)
{
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (w->tasks[i]->stage == st && w->tasks[i]->phase != PHASE_FAILED)
			return true;
	return false;
}

static void stage_stop(struct worker *w, const struct stage *st, const struct error *e)
{
	commit_abandon(w); /* what was taken in since may be of keys that have moved */
	for (uint32_t i = 0; i < w->ntasks; i++)
		if (w->tasks[i]->stage == st && w->tasks[i]->phase != PHASE_FAILED)
			worker_task_fail(w, w->tasks[i], e);
}

bool growth_look(struct worker *w)
{
	const struct plan *p = w->conf.plan;
	int64_t now = clock_mono_ns(w->conf.clock);
	bool stopped = false;
	if (w->grown_looked == w->spent.rebalances || now < w->grown_next_ns)
		return false;
	uint64_t rebalances = w->spent.rebalances;
	for (uint32_t i = 0; i < p->nstages; i++) {
		const struct stage *st = &p->stages[i];
		struct log_topic_info info;
		struct error e;
		if (growth_allowed(st) || !has_tasks(w, st))
			continue;
		if (w->conf.log->topic_info(w->conf.broker, st->topic, &info, &e)) {
			LOG_DEBUG("worker", "%s", e.msg);
			w->grown_next_ns = now + LOOK_AGAIN_NS;
			return stopped;
		}
		if (info.partitions <= st->partitions)
			continue;
		keys_moved(st, info.partitions, &e);
		stage_stop(w, st, &e);
		stopped = true;
	}
	w->grown_looked = rebalances;
	return stopped;
}
