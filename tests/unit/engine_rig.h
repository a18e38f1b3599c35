/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole engine over the log in memory, for unit tests: a job of two views, one of them
 * repartitioned, a worker, an online store, state on disk or not, and another node's state.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "connectors/formats.h"
#include "data/avro.h"
#include "data/block.h"
#include "data/entity.h"
#include "operators/aggregates.h"
#include "operators/operators.h"
#include "run/memory_log.h"
#include "run/memory_online.h"
#include "run/publish.h"
#include "run/standby.h"
#include "run/worker.h"

#define PARTITIONS 3
#define COPIES_MAX 8

static const char job_text[] =
	"job: t\n"
	"sources:\n"
	"  events:\n"
	"    topic: events\n"
	"    format: json\n"
	"    schema: {\"type\":\"record\",\"name\":\"e\",\"fields\":["
	"{\"name\":\"user\",\"type\":\"string\"},{\"name\":\"item\",\"type\":[\"null\",\"string\"]},"
	"{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
	"{\"name\":\"amount\",\"type\":\"double\"}]}\n"
	"    time: at\n"
	"    key: user\n"
	"    lateness: 1m\n"
	"views:\n"
	"  users:\n"
	"    entity: [user]\n"
	"    from: events\n"
	"    features:\n"
	"      n_5m: count() over 5m\n"
	"      sum_1h: sum(amount) over 1h\n"
	"      big_1h: count() over 1h where amount > 50\n"
	"      share: big_1h / n_5m\n"
	"      p90: quantile(amount, 0.9) over 1h\n"
	"      items: approx_distinct(item) over 1h\n"
	"      last_item: last(item) over 1h\n"
	"  items:\n"
	"    entity: [item]\n"
	"    from: events\n"
	"    shards: 2\n"
	"    features:\n"
	"      n: count()\n"
	"      total: sum(amount) over 1h\n"
	"      users: distinct(user)\n";

static uint64_t seed;
static inline uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

struct world {
	struct job *job;
	struct plan *plan;
	struct log_broker *broker;
	struct online *online;
	struct store *store;
	char dir[64];
	struct store *standby; /* another node's */
	char standby_dir[64];
	struct standby_copy copies[COPIES_MAX]; /* by stage and partition */
	uint32_t left_behind; /* visits that were cut short */
	struct worker *worker;
	struct clock_manual clock;
	int faults; /* in a thousand calls; -1: everything fails */
	uint64_t memory;
	atomic_ullong memory_now;
};

/* The job with every view's rows in blocks. */
static inline void blocks_text(struct buf *out)
{
	static const char mark[] = "    from: events\n";
	const char *from = job_text, *at;
	while ((at = strstr(from, mark))) {
		at += strlen(mark);
		buf_slice(out, (struct slice){(const uint8_t *)from, (uint32_t)(at - from)});
		buf_str(out, "    offline: blocks\n");
		from = at;
	}
	buf_str(out, from);
}

static inline struct job *job_make(bool blocks)
{
	struct buf text = {0};
	struct lang_env env = {.formats = formats, .aggregates = aggregates};
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (blocks)
		blocks_text(&text);
	else
		buf_str(&text, job_text);
	if (job_parse(buf_view(&text), "t.yaml", NULL, &env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		ck_abort_msg("%s", buf_cstr(&b));
	}
	diagnostics_release(&d);
	buf_release(&text);
	return job;
}

static inline enum memory_fault fault(void *arg, enum memory_step step)
{
	struct world *w = arg;
	if (w->faults < 0)
		return MEM_FAIL;
	if (rnd(1000) >= (uint64_t)w->faults)
		return MEM_PASS;
	if (step == MEM_COMMIT && rnd(2))
		return MEM_FAIL_DONE;
	if (step == MEM_APPEND && rnd(50))
		return MEM_PASS;
	return rnd(4) ? MEM_FAIL : MEM_AMBIGUOUS;
}

static inline void worker_start(struct world *w)
{
	static const struct operators ops = {&operator_window, &operator_key_by, monitor_operators};
	static atomic_bool never;
	const struct format *avro = formats[1];
	struct error e;
	ck_assert_str_eq(avro->name, "avro");
	struct worker_conf c = {.plan = w->plan, .log = &memory_log, .broker = w->broker,
		.online_ops = &memory_online, .online = w->online, .operators = &ops,
		.avro = avro, .store = w->store, .clock = &w->clock.clock, .node = "n",
		.commit_ms = 5, .memory_bytes = w->memory, .memory_now = &w->memory_now, .value_bytes_max = 1 << 20,
		.changelog_bytes_min = 2000, /* so that many snapshots are made */
		.stop = &never};
	ck_assert_msg(!worker_open(&c, &w->worker, &e), "%s", e.msg);
}

static inline void store_open(struct store **store, char dir[64])
{
	struct error e;
	strcpy(dir, "/tmp/weir-engine-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_msg(!rocks_store_open(dir, 8 << 20, store, &e), "%s", e.msg);
}

static inline void store_lose(struct store **store, const char *dir)
{
	char cmd[100];
	(*store)->ops->close(*store);
	*store = NULL;
	sprintf(cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static inline void world_open(struct world *w, bool disk, uint64_t memory, bool blocks)
{
	*w = (struct world){.job = job_make(blocks), .broker = memory_log_new(), .memory = memory};
	atomic_store(&w->memory_now, memory);
	struct error e;
	struct arena a = {0};
	int32_t partitions = PARTITIONS;
	struct log_topic_conf source = {.name = "events", .partitions = PARTITIONS}, *topics;
	clock_manual_init(&w->clock, 1000000000);
	ck_assert_msg(!plan_new(w->job, "weir", &partitions, &w->plan, &e), "%s", e.msg);
	memory_log.topics_ensure(w->broker, &source, 1, &e);
	uint32_t n = plan_topics(w->plan, &topics, &a);
	memory_log.topics_ensure(w->broker, topics, n, &e);
	arena_release(&a);
	w->online = memory_online_new(&w->clock.clock, "weir");
	memory_log_faults(w->broker, fault, w);
	if (disk) {
		store_open(&w->store, w->dir);
		store_open(&w->standby, w->standby_dir);
	}
	worker_start(w);
}

static inline void world_close(struct world *w)
{
	worker_close(w->worker);
	if (w->store) {
		store_lose(&w->store, w->dir);
		store_lose(&w->standby, w->standby_dir);
	}
	memory_online.close(w->online);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static inline void step(struct world *w)
{
	struct error e = {0};
	bool busy;
	ck_assert_msg(!worker_step(w->worker, 0, &busy, &e), "%s", e.msg);
	w->clock.now_ms += 3;
}

static inline bool settled(struct world *w)
{
	if (w->worker->commit.dirty || !w->worker->ntasks)
		return false;
	for (uint32_t i = 0; i < w->worker->ntasks; i++) {
		struct task *t = w->worker->tasks[i];
		int64_t begin, end;
		struct error e;
		ck_assert_msg(t->phase != PHASE_FAILED, "%s", t->error.msg);
		memory_log.bounds(w->broker, t->stage->topic, t->partition, &begin, &end, &e);
		if (t->phase != PHASE_RUNNING || !publish_settled(t))
			return false;
		/* What is left may be control records only. */
		struct log_record r;
		for (uint32_t k = 0;
			memory_log_read(w->broker, t->stage->topic, t->partition, k, &r) == ST_OK;
			k++)
			if (r.offset >= t->next_offset)
				return false;
	}
	return true;
}

static inline void online_text(struct world *w, const char *view, struct slice entity, struct buf *out)
{
	struct buf raw = {0};
	struct error e;
	out->len = 0;
	ck_assert_msg(memory_online.get(w->online, view, 1, entity, &raw, &e) == ST_OK,
		"no online row of %s %.*s", view, (int)entity.len, entity.p);
	for (size_t i = 0; i < raw.len;) {
		const char *name = (char *)raw.p + i, *value = name + strlen(name) + 1;
		if (strcmp(name, "_v") != 0)
			buf_printf(out, "%s=%s ", name, value);
		i += strlen(name) + strlen(value) + 2;
	}
	buf_release(&raw);
}

#endif
