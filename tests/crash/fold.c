// SPDX-License-Identifier: Apache-2.0
//
// What a job's state is, for the crash tests: restores every task as a node would, with the
// engine's own takeover, and prints its rows. With a copy of a node's store it begins there and
// replays the rest of the changelog; without one it folds the whole changelog. Both must print
// the same, and the rows must be the oracle's.
//
//   fold BROKERS PREFIX JOB.yaml [STORE]
//
// A line per entity: view, entity, event_time, known_at, the row's features as they are sent
// (hex), the state row's hash; tabs between.
//
// It joins no group, takes no transactional id, writes nothing: the session is one of its own
// that owns every partition and has no committed offsets (the marker is the authority).
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "connectors/formats.h"
#include "connectors/kafka/kafka.h"
#include "lang/job.h"
#include "operators/aggregates.h"
#include "operators/operators.h"
#include "run/memory_online.h"
#include "run/worker.h"

#define TOPICS_MAX 100
#define STEPS_MAX 2000000
#define MEMORY_BYTES (UINT64_C(256) << 20)

/* -- a session that only owns -- */

struct log_session {
	const struct plan *plan;
	struct log_events events;
	char *names[TOPICS_MAX];
	uint32_t nnames;
	bool assigned;
};

static const struct plan *the_plan; /* session_open is not told */

static uint32_t own_topic(struct log_session *s, const char *name)
{
	for (uint32_t i = 0; i < s->nnames; i++)
		if (strcmp(s->names[i], name) == 0)
			return i;
	INVARIANT(s->nnames < TOPICS_MAX);
	s->names[s->nnames] = xstrdup(name);
	return s->nnames++;
}

static enum status own_open(struct log_broker *b, const struct log_session_conf *conf,
        struct log_session **out, struct error *e)
{
	(void)b, (void)e;
	*out = xcalloc(1, sizeof **out);
	(*out)->plan = the_plan;
	(*out)->events = conf->events;
	return ST_OK;
}

static void own_close(struct log_session *s)
{
	for (uint32_t i = 0; i < s->nnames; i++)
		free(s->names[i]);
	free(s);
}

static enum status own_poll(struct log_session *s, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e)
{
	(void)timeout_ms, (void)out, (void)max, (void)e;
	*n = 0;
	for (uint32_t i = 0; !s->assigned && i < s->plan->nstages; i++) {
		const struct stage *st = &s->plan->stages[i];
		for (int32_t p = 0; p < st->partitions; p++) {
			struct log_position at = {own_topic(s, st->topic), p, LOG_OFFSET_NONE};
			s->events.assigned(s->events.arg, &at, 1);
		}
	}
	s->assigned = true;
	return ST_OK;
}

static enum status own_at(struct log_session *s, struct log_position at, struct error *e)
{
	(void)s, (void)at, (void)e;
	return ST_OK;
}

static void own_part(struct log_session *s, uint32_t topic, int32_t partition)
{
	(void)s, (void)topic, (void)partition;
}

static enum status own_committed(
        struct log_session *s, struct log_position *pos, uint32_t n, struct error *e)
{
	(void)s, (void)e;
	for (uint32_t i = 0; i < n; i++)
		pos[i].offset = LOG_OFFSET_NONE;
	return ST_OK;
}

static int64_t own_watermark(struct log_session *s, uint32_t topic, int32_t partition)
{
	(void)s, (void)topic, (void)partition;
	return -1;
}

static enum status own_ok(struct log_session *s, struct error *e)
{
	(void)s, (void)e;
	return ST_OK;
}

static void own_drop(struct log_session *s)
{
	(void)s;
}

static bool own_ready(struct log_session *s)
{
	(void)s;
	return true;
}

static bool own_ambiguous(struct log_session *s)
{
	(void)s;
	return false;
}

static enum status own_begin(struct log_session *s, struct error *e)
{
	(void)s;
	return error_set(e, ERR_ABORT, 0, "nothing is written here");
}

static struct log_ops own_ops(void)
{
	struct log_ops o = kafka_log;
	o.session_open = own_open;
	o.session_close = own_close;
	o.topic = own_topic;
	o.poll = own_poll;
	o.fetch = o.seek = own_at;
	o.unfetch = o.pause = o.resume = own_part;
	o.committed = own_committed;
	o.high_watermark = o.position = own_watermark;
	o.producer_init = o.abort = own_ok;
	o.producer_drop = own_drop;
	o.producer_ready = own_ready;
	o.producer_ambiguous = own_ambiguous;
	o.begin = own_begin;
	return o;
}

/* -- restoring and printing -- */

static _Noreturn void die(const struct error *e)
{
	fprintf(stderr, "fold: %s\n", e->msg);
	exit(3);
}

static struct job *job_read(const char *path)
{
	struct lang_env env = {.formats = formats, .aggregates = aggregates};
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (job_load(path, &env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		fprintf(stderr, "%s", buf_cstr(&b));
		exit(2);
	}
	diagnostics_release(&d);
	return job;
}

static struct plan *plan_of(const struct job *job, const char *prefix, struct log_broker *b)
{
	struct error e;
	struct plan *plan;
	int32_t *partitions = xcalloc(job->nsources, sizeof *partitions);
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_info info;
		if (kafka_log.topic_info(b, job->sources[i].topic, &info, &e))
			die(&e);
		partitions[i] = info.partitions;
	}
	if (plan_new(job, prefix, partitions, &plan, &e))
		die(&e);
	free(partitions);
	return plan;
}

static bool restored(const struct worker *w)
{
	for (uint32_t i = 0; i < w->ntasks; i++) {
		if (w->tasks[i]->phase == PHASE_FAILED)
			die(&w->tasks[i]->error);
		if (w->tasks[i]->phase != PHASE_RUNNING)
			return false;
	}
	return w->ntasks > 0;
}

struct printing {
	struct task *task;
	uint32_t space;
	struct arena arena;
};

static enum status row_print(void *arg, struct slice entity, struct slice row, struct error *e)
{
	(void)e;
	struct printing *p = arg;
	const struct op_slot *slot = &p->task->ops[p->space];
	struct online_row r;
	arena_reset(&p->arena);
	if (!slot->def->online_from_state(slot->op, entity, row, &r, &p->arena))
		return ST_OK;
	printf("%s\t%.*s\t%" PRId64 "\t%" PRId64 "\t",
	        p->task->worker->conf.plan->job->views[slot->view].name, (int)entity.len,
	        (const char *)entity.p, r.event_time, r.known_at);
	for (uint32_t i = 0; i < r.features.len; i++)
		printf("%02x", r.features.p[i]);
	printf("\t%016" PRIx64 "\n", (uint64_t)XXH64(row.p, row.len, 0));
	return ST_OK;
}

static void task_print(struct task *t)
{
	struct printing p = {.task = t};
	struct arena page = {0};
	struct error e;
	for (p.space = 0; p.space < t->stage->nviews; p.space++) {
		struct buf cursor = {0};
		enum status st;
		do {
			arena_reset(&page);
			st = table_scan(t->table, p.space, &cursor, row_print, &p, &page, &e);
		} while (st == ST_OK);
		if (st < 0)
			die(&e);
		buf_release(&cursor);
	}
	arena_release(&page);
	arena_release(&p.arena);
}

static void fold(struct log_broker *b, struct plan *plan, struct store *store)
{
	static const struct operators ops = {&operator_window, &operator_key_by, monitor_operators};
	static atomic_bool never;
	struct log_ops log = own_ops();
	struct error e = {0};
	struct worker *w;
	bool busy;
	struct online *online = memory_online_new(&clock_system, "fold");
	struct worker_conf c = {.plan = plan, .log = &log, .broker = b,
	        .online_ops = &memory_online, .online = online, .operators = &ops,
	        .avro = formats[1], .store = store, .clock = &clock_system, .node = "fold",
	        .commit_ms = 1000, .memory_bytes = MEMORY_BYTES, .value_bytes_max = 1 << 20,
	        .stop = &never};
	the_plan = plan;
	if (worker_open(&c, &w, &e))
		die(&e);
	for (int i = 0; i < STEPS_MAX && !restored(w); i++)
		if (worker_step(w, 0, &busy, &e))
			die(&e);
	INVARIANT(restored(w));
	for (uint32_t i = 0; i < w->ntasks; i++)
		task_print(w->tasks[i]);
	worker_close(w);
	memory_online.close(online);
}

int main(int argc, char **argv)
{
	struct error e = {0};
	struct log_broker *b;
	struct store *store = NULL;
	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: fold BROKERS PREFIX JOB.yaml [STORE]\n");
		return 2;
	}
	log_level_set(LOG_LVL_WARN);
	struct kafka_conf conf = {.brokers = argv[1], .client_id = "fold"};
	if (kafka_open(&conf, &b, &e))
		die(&e);
	if (argc == 5 && rocks_store_open(argv[4], MEMORY_BYTES / 4, &store, &e))
		die(&e);
	struct job *job = job_read(argv[3]);
	struct plan *plan = plan_of(job, argv[2], b);
	fold(b, plan, store);
	plan_free(plan);
	job_free(job);
	if (store)
		store->ops->close(store);
	kafka_log.close(b);
	return 0;
}
