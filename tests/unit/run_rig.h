/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of a whole engine over the log in memory share: the way from a job's text to a worker
 * and to its end, and random faults. Not here: the job, the faults that are not random, the records
 * and what must come of them, which are each test's own.
 */
#ifndef WEIR_TESTS_UNIT_RUN_RIG_H
#define WEIR_TESTS_UNIT_RUN_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "connectors/formats.h"
#include "operators/aggregates.h"
#include "operators/operators.h"
#include "run/memory_log.h"
#include "run/publish.h"
#include "run/worker.h"

static uint64_t seed;
static inline uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* So many in a thousand calls fail; -1: all. */
static inline enum memory_fault fault_random(int faults, enum memory_step step)
{
	if (faults < 0)
		return MEM_FAIL;
	if (rnd(1000) >= (uint64_t)faults)
		return MEM_PASS;
	if (step == MEM_COMMIT && rnd(2))
		return MEM_FAIL_DONE;
	if (step == MEM_APPEND && rnd(50))
		return MEM_PASS;
	return rnd(4) ? MEM_FAIL : MEM_AMBIGUOUS;
}

/* A job's sources: events of users, with more fields behind theirs. */
#define USER_EVENTS(more)                                                                      \
	"sources:\n"                                                                           \
	"  events:\n"                                                                          \
	"    topic: events\n"                                                                  \
	"    format: json\n"                                                                   \
	"    schema: {\"type\":\"record\",\"name\":\"e\",\"fields\":["                           \
	"{\"name\":\"user\",\"type\":\"string\"},"                                                \
	"{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}" more  \
	"]}\n"                                                                                 \
	"    time: at\n"                                                                       \
	"    key: user\n"                                                                      \
	"    lateness: 1m\n"

static inline void user_comes(
        struct log_broker *broker, int32_t partition, int user, int64_t at)
{
	char value[100];
	int n = sprintf(value, "{\"user\":\"u%d\",\"at\":%lld}", user, (long long)at);
	struct slice v = {(uint8_t *)value, (uint32_t)n};
	memory_log_produce(broker, "events", partition, NULL, &v, at);
}

static inline struct job *job_of(struct slice text)
{
	struct lang_env env = {.formats = formats, .aggregates = aggregates};
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (job_parse(text, "t.yaml", NULL, &env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		ck_abort_msg("%.2000s", buf_cstr(&b));
	}
	diagnostics_release(&d);
	return job;
}

/* For so many partitions of each source. Topics that are not there yet are made. */
static inline struct plan *plan_of(
        struct job *job, struct log_broker *broker, const int32_t *partitions)
{
	struct plan *plan;
	struct error e;
	struct arena a = {0};
	struct log_topic_conf *topics;
	ck_assert_msg(!plan_new(job, "weir", partitions, &plan, &e), "%s", e.msg);
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_conf source = {
		        .name = job->sources[i].topic, .partitions = partitions[i]};
		memory_log.topics_ensure(broker, &source, 1, &e);
	}
	uint32_t n = plan_topics(plan, &topics, &a);
	memory_log.topics_ensure(broker, topics, n, &e);
	arena_release(&a);
	return plan;
}

static inline void store_open(struct store **store, char dir[64])
{
	struct error e;
	strcpy(dir, "/tmp/weir-engine-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_msg(!rocks_store_open(dir, 8 << 20, store, &e), "%s", e.msg);
}

/* There may be none. */
static inline void store_lose(struct store **store, const char *dir)
{
	char cmd[100];
	if (!*store)
		return;
	(*store)->ops->close(*store);
	*store = NULL;
	sprintf(cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* A worker's, to be completed. */
static inline struct worker_conf conf_of(
        const struct plan *plan, struct log_broker *broker, struct clock_manual *clock)
{
	static const struct operators ops = {
	        &operator_window, &operator_key_by, monitor_operators};
	static atomic_bool never;
	ck_assert_str_eq(formats[1]->name, "avro");
	return (struct worker_conf){.plan = plan,
	        .log = &memory_log,
	        .broker = broker,
	        .operators = &ops,
	        .avro = formats[1],
	        .clock = &clock->clock,
	        .node = "n",
	        .commit_ms = 5,
	        .memory_bytes = 64 << 20,
	        .value_bytes_max = 1 << 20,
	        .stop = &never};
}

static inline void worker_begin(const struct worker_conf *c, struct worker **out)
{
	struct error e;
	ck_assert_msg(!worker_open(c, out, &e), "%s", e.msg);
}

/* A step, of 3 ms. */
static inline void worker_go(struct worker *k, struct clock_manual *clock)
{
	struct error e = {0};
	bool busy;
	ck_assert_msg(!worker_step(k, 0, &busy, &e), "%s", e.msg);
	clock->now_ms += 3;
}

/* It dies: nothing of what it was doing gets through. */
static inline void worker_kill(struct worker *k, int *faults)
{
	int before = *faults;
	*faults = -1;
	worker_close(k);
	*faults = before;
}

/* Everything was taken in, committed and published. */
static inline bool worker_settled(const struct worker *k, struct log_broker *broker)
{
	if (k->commit.dirty || !k->ntasks)
		return false;
	for (uint32_t i = 0; i < k->ntasks; i++) {
		const struct task *t = k->tasks[i];
		struct log_record r;
		ck_assert_msg(t->phase != PHASE_FAILED, "%s", t->error.msg);
		if (t->phase != PHASE_RUNNING || !publish_settled(t))
			return false;
		/* What is left may be control records only. */
		for (uint32_t at = 0; memory_log_read(broker, t->stage->topic, t->partition, at,
		                              &r) == ST_OK;
		        at++)
			if (r.offset >= t->next_offset)
				return false;
	}
	return true;
}

#endif
