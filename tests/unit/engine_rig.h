/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole engine over the log in memory, for unit tests: a job of two views, one of them
 * repartitioned, a worker, an online store, state on disk or not, and another node's state.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_RIG_H

#include "data/avro.h"
#include "data/block.h"
#include "data/entity.h"
#include "run/memory_online.h"
#include "run/standby.h"
#include "run_rig.h"

#define PARTITIONS 3
#define COPIES_MAX 8

static const char job_text[] =
	"job: t\n"
	USER_EVENTS(",{\"name\":\"item\",\"type\":[\"null\",\"string\"]},"
		"{\"name\":\"amount\",\"type\":\"double\"}")
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
	if (blocks)
		blocks_text(&text);
	else
		buf_str(&text, job_text);
	struct job *job = job_of(buf_view(&text));
	buf_release(&text);
	return job;
}

static inline enum memory_fault fault(void *arg, enum memory_step step)
{
	return fault_random(((struct world *)arg)->faults, step);
}

static inline void worker_start(struct world *w)
{
	struct worker_conf c = conf_of(w->plan, w->broker, &w->clock);
	c.online_ops = &memory_online;
	c.online = w->online;
	c.store = w->store;
	c.memory_bytes = w->memory;
	c.memory_now = &w->memory_now;
	c.changelog_bytes_min = 2000; /* so that many snapshots are made */
	worker_begin(&c, &w->worker);
}

static inline void world_open(struct world *w, bool disk, uint64_t memory, bool blocks)
{
	*w = (struct world){.job = job_make(blocks), .broker = memory_log_new(), .memory = memory};
	atomic_store(&w->memory_now, memory);
	int32_t partitions = PARTITIONS;
	clock_manual_init(&w->clock, 1000000000);
	w->plan = plan_of(w->job, w->broker, &partitions);
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
	store_lose(&w->store, w->dir);
	store_lose(&w->standby, w->standby_dir);
	memory_online.close(w->online);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static inline void step(struct world *w)
{
	worker_go(w->worker, &w->clock);
}

static inline bool settled(struct world *w)
{
	return worker_settled(w->worker, w->broker);
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
