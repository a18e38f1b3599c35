// SPDX-License-Identifier: Apache-2.0
//
// A source's topic gets more partitions, over the log in memory: while the engine runs and
// between two runs, with kills and faults at every step. Read for repartitioned views alone,
// each record of each partition counts once; beside a view keyed like the topic, the job stops
// and says why.
#include "run_rig.h"

#define T0 INT64_C(1700000000000)
#define BEFORE 2 /* partitions */
#define AFTER 5
#define SHARDS 3
#define MOVED "weir.t.events.by.item"
#define CHANGELOG "weir.t.events.changelog"

/* start, then a view keyed like the topic or nothing */
static const char job_text[] =
        "job: t\n"
        "sources:\n"
        "  events:\n"
        "    topic: events\n"
        "    format: json\n"
        "    schema: {\"type\":\"record\",\"name\":\"e\",\"fields\":["
        "{\"name\":\"user\",\"type\":\"string\"},{\"name\":\"item\",\"type\":\"string\"},"
        "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}"
        "\n"
        "    time: at\n"
        "    key: user\n"
        "    lateness: 1m\n"
        "    start: %s\n"
        "views:\n"
        "  items:\n"
        "    entity: [item]\n"
        "    from: events\n"
        "    shards: 3\n"
        "    features:\n"
        "      n: count()\n%s";
static const char in_place[] = "  users:\n"
                               "    entity: [user]\n"
                               "    from: events\n"
                               "    features:\n"
                               "      n: count()\n";

struct world {
	struct job *job;
	struct plan *plan;
	struct log_broker *broker;
	struct worker *worker;
	struct clock_manual clock;
	int faults; /* in a thousand calls; -1: everything fails */
	int produced[AFTER];
};

static enum memory_fault fault(void *arg, enum memory_step step)
{
	struct world *w = arg;
	if (w->faults < 0)
		return MEM_FAIL;
	if (rnd(1000) >= (uint64_t)w->faults)
		return MEM_PASS;
	return step == MEM_COMMIT && rnd(2) ? MEM_FAIL_DONE : MEM_FAIL;
}

static void worker_start(struct world *w)
{
	struct worker_conf c = conf_of(w->plan, w->broker, &w->clock);
	worker_begin(&c, &w->worker);
}

/* The plan for as many partitions of the source, and the topics that a start makes. */
static void plan_for(struct world *w, int32_t partitions)
{
	struct error e;
	plan_free(w->plan);
	w->plan = plan_of(w->job, w->broker, &partitions);
	ck_assert(!memory_log.partitions_ensure(w->broker, CHANGELOG, partitions, &e));
}

static void world_open(struct world *w, const char *start, const char *more)
{
	char text[2000];
	snprintf(text, sizeof text, job_text, start, more);
	*w = (struct world){.job = job_of(slice_of(text)), .broker = memory_log_new()};
	clock_manual_init(&w->clock, T0);
	memory_log_faults(w->broker, fault, w);
	plan_for(w, BEFORE);
}

static void world_close(struct world *w)
{
	worker_close(w->worker);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static void steps(struct world *w, int n)
{
	while (n--)
		worker_go(w->worker, &w->clock);
}

static void produce(struct world *w, int32_t from, int32_t to, int each)
{
	for (int i = 0; i < each; i++)
		for (int32_t p = from; p < to; p++) {
			char value[200];
			int n = sprintf(value,
			        "{\"user\":\"u%d\",\"item\":\"i%d\",\"at\":%lld}", (int)p,
			        i % 7, (long long)T0 + i);
			struct slice v = {(uint8_t *)value, (uint32_t)n};
			memory_log_produce(w->broker, "events", p, NULL, &v, T0 + i);
			w->produced[p]++;
		}
}

static void grow(struct world *w)
{
	struct error e;
	ck_assert(!memory_log.partitions_ensure(w->broker, "events", AFTER, &e));
}

/* Records of partition p from offset `from` on stand in the repartition topic once, no others.
 */
static void moved_once(struct world *w, const int *from)
{
	uint8_t seen[AFTER][1000] = {{0}};
	for (int32_t s = 0; s < SHARDS; s++) {
		struct log_record r;
		for (uint32_t i = 0; memory_log_read(w->broker, MOVED, s, i, &r) == ST_OK;
		        i++) {
			struct reader in =
			        reader_of((struct slice){r.value.p + 10, r.value.len - 10});
			reader_varint(&in);
			reader_varint(&in);
			int64_t p = reader_varint(&in), offset = reader_varint(&in);
			ck_assert_uint_eq(seen[p][offset]++, 0);
		}
	}
	for (int32_t p = 0; p < AFTER; p++)
		for (int o = 0; o < w->produced[p]; o++)
			ck_assert_msg(seen[p][o] == (o >= from[p]),
			        "partition %d, offset %d: %d", (int)p, o, seen[p][o]);
}

static const int all[AFTER];

/* -- taken in -- */

/* Killed `_i` steps after the topic grew, started again under the old plan or the new one. */
static void grown(int kill_after, bool new_plan, const char *start, int faults)
{
	struct world w;
	int from[AFTER] = {0};
	bool latest = strcmp(start, "latest") == 0;
	seed = (uint64_t)kill_after * 977 + 13;
	world_open(&w, start, "");
	produce(&w, 0, BEFORE, 20);
	if (latest)
		from[0] = from[1] = 20;
	worker_start(&w);
	steps(&w, 30);
	produce(&w, 0, BEFORE, 20);
	steps(&w, kill_after % 3);
	grow(&w);
	produce(&w, 0, AFTER, 20); /* before anybody has looked */
	w.faults = faults;
	steps(&w, kill_after);
	worker_kill(w.worker, &w.faults);
	if (new_plan)
		plan_for(&w, AFTER);
	worker_start(&w);
	steps(&w, 20);
	produce(&w, 0, AFTER, 20);
	steps(&w, 100);
	w.faults = 0;
	steps(&w, 2000);
	ck_assert_uint_eq(w.worker->ntasks, AFTER + SHARDS);
	moved_once(&w, from);
	world_close(&w);
}

START_TEST(grows_while_it_runs)
{
	grown(_i, false, "earliest", 0);
	grown(_i, false, "latest", 0);
}
END_TEST

START_TEST(grows_and_starts_again)
{
	grown(_i, true, "earliest", 0);
	grown(_i, true, "latest", 0);
}
END_TEST

START_TEST(grows_among_faults)
{
	grown(_i, _i % 2, _i % 4 < 2 ? "latest" : "earliest", 40);
}
END_TEST

/* `start` is meant for a job's first start, of all partitions that there were then. */
START_TEST(first_start_keeps_to_start)
{
	struct world w;
	int from[AFTER] = {20, 20, 0, 0, 0};
	world_open(&w, "latest", "");
	produce(&w, 0, BEFORE, 20);
	worker_start(&w);
	/* Partition 1 comes when partition 0 has a marker already. */
	steps(&w, 1);
	memory_log_take(w.broker, "events", 1, true);
	steps(&w, 50);
	produce(&w, 0, BEFORE, 20);
	steps(&w, 50);
	moved_once(&w, from);
	world_close(&w);
}
END_TEST

START_TEST(pinned_count_is_found_behind_much_else)
{
	struct world w;
	int from[AFTER] = {0};
	world_open(&w, "latest", "");
	worker_start(&w);
	steps(&w, 30);
	for (int i = 0; i < 100; i++) { /* a marker and a control record each */
		produce(&w, 0, 1, 1);
		steps(&w, 4);
	}
	/* What is not a marker, and more than one look at the end. */
	struct slice key = {(const uint8_t *)"B", 1}, value = slice_of("");
	for (int i = 0; i < 1000; i++)
		memory_log_produce(w.broker, CHANGELOG, 0, &key, &value, T0);
	grow(&w);
	produce(&w, BEFORE, AFTER, 5);
	steps(&w, 100);
	moved_once(&w, from);
	world_close(&w);
}
END_TEST

/* -- beside a view keyed like the topic -- */

START_TEST(keyed_view_stops)
{
	struct world w;
	world_open(&w, "earliest", in_place);
	produce(&w, 0, BEFORE, 20);
	worker_start(&w);
	steps(&w, 50);
	moved_once(&w, all);
	grow(&w);
	steps(&w, _i);
	produce(&w, 0, AFTER, 20);
	steps(&w, 500);
	uint32_t failed = 0, running = 0;
	for (uint32_t i = 0; i < w.worker->ntasks; i++) {
		const struct task *t = w.worker->tasks[i];
		failed += t->phase == PHASE_FAILED;
		running += t->phase == PHASE_RUNNING;
		if (t->phase == PHASE_FAILED)
			ck_assert_ptr_nonnull(strstr(t->error.msg, "keys have moved"));
	}
	ck_assert_uint_eq(failed, AFTER);
	ck_assert_uint_eq(running, SHARDS);
	/* Nothing was taken in after it was seen. */
	struct log_record r;
	uint32_t n = 0;
	for (int32_t p = 0; p < BEFORE; p++)
		for (uint32_t i = 0;
		        memory_log_read(w.broker, "weir.users.v1", p, i, &r) == ST_OK; i++)
			n++;
	ck_assert_uint_eq(n, 2 * 20);
	world_close(&w);
}
END_TEST

/* -- the plan -- */

START_TEST(plan_of_a_grown_source)
{
	struct world w;
	world_open(&w, "earliest", "");
	uint64_t hash = w.plan->hash;
	plan_for(&w, AFTER);
	ck_assert_uint_eq(w.plan->hash, hash); /* the same results, the same state */
	plan_shards_set(w.plan, 0, 7);
	ck_assert_int_eq(w.plan->repartitions[0].shards, 7);
	ck_assert_int_eq(w.plan->stages[w.plan->views[0].stage].partitions, 7);
	ck_assert_uint_ne(w.plan->hash, hash);
	memory_log.close(w.broker);
	plan_free(w.plan);
	job_free(w.job);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("growth");
	TCase *tc = tcase_create("growth");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, grows_while_it_runs, 0, 20);
	tcase_add_loop_test(tc, grows_and_starts_again, 0, 20);
	tcase_add_loop_test(tc, grows_among_faults, 0, 40);
	tcase_add_test(tc, first_start_keeps_to_start);
	tcase_add_test(tc, pinned_count_is_found_behind_much_else);
	tcase_add_loop_test(tc, keyed_view_stops, 0, 3);
	tcase_add_test(tc, plan_of_a_grown_source);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
