// SPDX-License-Identifier: Apache-2.0
//
// One fault at a time, at the place where it hurts: what run_engine.c's random ones do not reach.
// A partition taken while its first marker fails, records refused for good, an input held over a
// takeover, a commit whose answer was lost as the last thing, an owner that wakes up late.
#include "base/failpoint.h"
#include "run/memory_online.h"
#include "run_rig.h"

#define PARTITIONS 2
#define T0 INT64_C(1700000000000)

static const char job_text[] =
	"job: t\n"
	USER_EVENTS("")
	"    idle: 30s\n"
	"views:\n"
	"  users:\n"
	"    entity: [user]\n"
	"    from: events\n"
	"    features:\n"
	"      n: count()\n"
	"      n_5m: count() over 5m\n";

struct world {
	struct job *job;
	struct plan *plan;
	struct log_broker *broker;
	struct online *online;
	struct store *store;
	char dir[64];
	struct worker *workers[2];
	struct clock_manual clock;
	bool wall_idle;
	/* The next `times` calls of the step fail so, after `skip` that pass. */
	enum memory_step step;
	enum memory_fault fault;
	int skip, times;
	enum memory_fault abort_fault;
	/* Called once, at the next call of the step. */
	void (*meanwhile)(struct world *w);
};

static enum memory_fault fault(void *arg, enum memory_step step)
{
	struct world *w = arg;
	if (step == MEM_ABORT && w->abort_fault)
		return w->abort_fault;
	void (*meanwhile)(struct world *) = step == w->step ? w->meanwhile : NULL;
	if (meanwhile) {
		w->meanwhile = NULL;
		meanwhile(w);
	}
	if (step != w->step || !w->times)
		return MEM_PASS;
	if (w->skip) {
		w->skip--;
		return MEM_PASS;
	}
	w->times--;
	return w->fault;
}

static void fail_next(struct world *w, enum memory_step step, enum memory_fault how, int times)
{
	w->step = step;
	w->fault = how;
	w->times = times;
	w->skip = 0;
}

static void worker_start(struct world *w, uint32_t number)
{
	struct worker_conf c = conf_of(w->plan, w->broker, &w->clock);
	c.online_ops = &memory_online;
	c.online = w->online;
	c.store = w->store;
	c.number = number;
	c.wall_idle = w->wall_idle;
	worker_begin(&c, &w->workers[number]);
}

static void world_open(struct world *w, bool disk)
{
	*w = (struct world){.job = job_of(slice_of(job_text)), .broker = memory_log_new()};
	int32_t partitions = PARTITIONS;
	clock_manual_init(&w->clock, T0);
	w->plan = plan_of(w->job, w->broker, &partitions);
	w->online = memory_online_new(&w->clock.clock, "weir");
	memory_log_faults(w->broker, fault, w);
	if (disk)
		store_open(&w->store, w->dir);
}

static void world_close(struct world *w)
{
	for (int i = 0; i < 2; i++)
		worker_close(w->workers[i]);
	store_lose(&w->store, w->dir);
	memory_online.close(w->online);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static void step(struct world *w, int number)
{
	worker_go(w->workers[number], &w->clock);
}

static void steps(struct world *w, int number, int n)
{
	while (n--)
		step(w, number);
}

static void event(struct world *w, int32_t partition, int user, int64_t at)
{
	user_comes(w->broker, partition, user, at);
}

static uint32_t records(struct world *w, const char *topic, int32_t partition)
{
	struct log_record r;
	uint32_t n = 0;
	while (memory_log_read(w->broker, topic, partition, n, &r) == ST_OK)
		n++;
	return n;
}

static const struct task *task_of(struct world *w, int number, int32_t partition)
{
	struct worker *k = w->workers[number];
	for (uint32_t i = 0; i < k->ntasks; i++)
		if (k->tasks[i]->partition == partition)
			return k->tasks[i];
	ck_abort_msg("worker %d has no partition %d", number, (int)partition);
}

/* A field of the online row; "" when there is none. */
static const char *online_field(struct world *w, const char *entity, const char *field)
{
	static char out[100];
	struct buf raw = {0};
	struct error e;
	out[0] = 0;
	memory_online.get(w->online, "users", 1, slice_of(entity), &raw, &e);
	for (size_t i = 0; i < raw.len;) {
		const char *name = (char *)raw.p + i, *value = name + strlen(name) + 1;
		if (strcmp(name, field) == 0)
			snprintf(out, sizeof out, "%s", value);
		i += strlen(name) + strlen(value) + 2;
	}
	buf_release(&raw);
	return out;
}

/* -- a job's first epoch -- */

START_TEST(taken_while_the_first_marker_fails)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	fail_next(&w, MEM_OFFSETS, MEM_FAIL, 3);
	steps(&w, 0, 6);
	for (int32_t p = 0; p < PARTITIONS; p++)
		memory_log_take(w.broker, "events", p, _i);
	w.times = 1;
	steps(&w, 0, 200);
	event(&w, 0, 1, T0);
	steps(&w, 0, 200);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 1);
	world_close(&w);
}
END_TEST

START_TEST(refused_before_the_first_marker)
{
	struct world w;
	world_open(&w, false);
	event(&w, 0, 1, T0);
	event(&w, 1, 2, T0);
	worker_start(&w, 0);
	/* The first append of all is a row or a marker: both are refused. */
	fail_next(&w, MEM_APPEND, MEM_REFUSE, 2);
	steps(&w, 0, 2000);
	uint32_t failed = 0;
	for (int32_t p = 0; p < PARTITIONS; p++)
		failed += task_of(&w, 0, p)->phase == PHASE_FAILED;
	ck_assert_uint_ge(failed, 1);
	world_close(&w);
}
END_TEST

/* -- one task's fault is not the others' -- */

START_TEST(changelog_row_refused)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	/* The row goes, its changelog row is refused (too large, say) whenever it is tried. */
	fail_next(&w, MEM_APPEND, MEM_REFUSE, 1);
	w.skip = 1;
	steps(&w, 0, 50);
	event(&w, 1, 2, T0);
	steps(&w, 0, 2000);
	ck_assert_int_eq(task_of(&w, 0, 0)->phase, PHASE_FAILED);
	ck_assert_ptr_nonnull(strstr(task_of(&w, 0, 0)->error.msg, "append"));
	ck_assert_int_eq(task_of(&w, 0, 1)->phase, PHASE_RUNNING);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 0);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 1), 1);
	world_close(&w);
}
END_TEST

/* The flush finds that one partition's records are refused: that task stops, the other one goes on,
 * and nobody tries for ever. */
START_TEST(flush_refused)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_FLUSH, MEM_REFUSE, 1);
	steps(&w, 0, 50);
	ck_assert_int_eq(w.times, 0);
	ck_assert_int_eq(task_of(&w, 0, 0)->phase, PHASE_FAILED);
	ck_assert_ptr_nonnull(strstr(task_of(&w, 0, 0)->error.msg, "flush"));
	ck_assert_int_eq(task_of(&w, 0, 1)->phase, PHASE_RUNNING);
	event(&w, 1, 2, T0);
	steps(&w, 0, 2000);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 0);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 1), 1);
	world_close(&w);
}
END_TEST

/* Fenced: every call of the producer is refused, abort too. It is the producer's end, no task's. */
START_TEST(fenced_producer_is_replaced)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_APPEND, MEM_REFUSE, 1);
	w.abort_fault = MEM_REFUSE;
	steps(&w, 0, 5);
	w.abort_fault = MEM_PASS;
	steps(&w, 0, 200);
	ck_assert_int_eq(task_of(&w, 0, 0)->phase, PHASE_RUNNING);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 1);
	world_close(&w);
}
END_TEST

START_TEST(producer_that_cannot_begin_is_replaced)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_BEGIN, MEM_REFUSE, 1);
	steps(&w, 0, 200);
	ck_assert_int_eq(task_of(&w, 0, 0)->phase, PHASE_RUNNING);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 1);
	world_close(&w);
}
END_TEST

START_TEST(reader_that_does_not_open)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	event(&w, 0, 1, T0);
	steps(&w, 0, 50);
	worker_close(w.workers[0]);
	fail_next(&w, MEM_READER, MEM_FAIL, 3);
	worker_start(&w, 0);
	steps(&w, 0, 500);
	event(&w, 0, 1, T0 + 1);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), "2");
	world_close(&w);
}
END_TEST

/* -- holds -- */

static const struct format *held_format;
static int held;

static enum status held_decode(struct decoder *d, const struct slice *values, uint32_t n,
	struct column *cols, struct bad_record *bad, struct arena *a, struct error *e)
{
	if (held && held--)
		return error_set(e, ERR_RETRIABLE, 0, "no schema yet");
	return held_format->decode(d, values, n, cols, bad, a, e);
}

START_TEST(held_over_a_takeover)
{
	struct world w;
	struct format f;
	world_open(&w, false);
	worker_start(&w, 0);
	event(&w, 0, 9, T0);
	event(&w, 1, 9, T0);
	steps(&w, 0, 50);
	struct task *t = (struct task *)(uintptr_t)task_of(&w, 0, 0);
	held_format = t->format;
	f = *t->format;
	f.decode = held_decode;
	t->format = &f;
	held = 1;
	for (int i = 0; i < 10; i++)
		event(&w, 0, i, T0 + i);
	step(&w, 0);
	ck_assert(t->held_until_ns);
	/* Meanwhile the other one's epoch ends in the unknown, and all are taken over again. */
	event(&w, 1, 1, T0);
	fail_next(&w, MEM_COMMIT, _i ? MEM_FAIL : MEM_FAIL_DONE, 1);
	steps(&w, 0, 1000);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 11);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 1), 2);
	world_close(&w);
}
END_TEST

/* -- the online store -- */

START_TEST(lost_answer_of_the_last_commit)
{
	struct world w;
	world_open(&w, _i);
	worker_start(&w, 0);
	event(&w, 0, 1, T0);
	event(&w, 0, 2, T0);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), "1");
	event(&w, 0, 1, T0 + 1);
	fail_next(&w, MEM_COMMIT, MEM_FAIL_DONE, 1);
	steps(&w, 0, 1000);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 3);
	ck_assert_str_eq(online_field(&w, "u1", "n"), "2");
	event(&w, 0, 2, T0 + 2);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), "2");
	ck_assert_str_eq(online_field(&w, "u2", "n"), "2");
	world_close(&w);
}
END_TEST

/* -- rebalance -- */

START_TEST(moves_between_workers)
{
	struct world w;
	int n = 0;
	world_open(&w, _i & 1);
	worker_start(&w, 0);
	worker_start(&w, 1);
	for (int i = 0; i < 400; i++) {
		event(&w, 0, i % 7, T0 + i * 1000);
		n++;
		steps(&w, i % 2, 1 + i % 3);
		if (i % 23 == 0)
			memory_log_take(w.broker, "events", 0, _i & 2);
	}
	for (int i = 0; i < 2000; i++)
		step(&w, i % 2);
	ck_assert_uint_ge(records(&w, "weir.users.v1", 0), (uint32_t)n);
	uint32_t sum = 0;
	for (int u = 0; u < 7; u++) {
		char name[16];
		sprintf(name, "u%d", u);
		sum += (uint32_t)atoi(online_field(&w, name, "n"));
	}
	ck_assert_uint_eq(sum, (uint32_t)n);
	world_close(&w);
}
END_TEST

/* Worker 0 sleeps through its session; worker 1 of the same process goes on over the same store.
 * What worker 0 has not flushed by then is older than what is there. */
START_TEST(late_owner_leaves_the_store_alone)
{
	struct world w;
	world_open(&w, true);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	event(&w, 0, 2, T0);
	steps(&w, 0, 50);
	memory_log_take(w.broker, "events", 0, true);
	worker_start(&w, 1);
	steps(&w, 1, 50);
	event(&w, 0, 1, T0 + 1);
	steps(&w, 1, 50);
	w.clock.now_ms += 6000; /* it flushes */
	event(&w, 0, 3, T0 + 1);
	steps(&w, 1, 50);
	usleep(1000);
	steps(&w, 1, 50);
	steps(&w, 0, 10); /* wakes up */
	event(&w, 0, 3, T0 + 2);
	steps(&w, 1, 50);
	worker_close(w.workers[1]);
	w.workers[1] = NULL;
	steps(&w, 0, 500);
	event(&w, 0, 1, T0 + 3);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), "3");
	world_close(&w);
}
END_TEST

/* -- silent partitions -- */

START_TEST(silent_beside_a_busy_one)
{
	struct world w;
	world_open(&w, false);
	w.wall_idle = true;
	worker_start(&w, 0);
	event(&w, 0, 1, w.clock.now_ms);
	event(&w, 1, 2, w.clock.now_ms);
	steps(&w, 0, 50);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 1);
	for (int i = 0; i < 700; i++) { /* partition 1 never stops */
		w.clock.now_ms += 1000;
		event(&w, 1, 2, w.clock.now_ms);
		step(&w, 0);
	}
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 2);
	world_close(&w);
}
END_TEST

START_TEST(silent_over_a_restart)
{
	struct world w;
	world_open(&w, false);
	w.wall_idle = true;
	worker_start(&w, 0);
	event(&w, 0, 1, w.clock.now_ms);
	steps(&w, 0, 50);
	worker_close(w.workers[0]);
	worker_start(&w, 0);
	for (int i = 0; i < 700; i++) {
		w.clock.now_ms += 1000;
		step(&w, 0);
	}
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), 2);
	world_close(&w);
}
END_TEST

/* -- rules -- */

/* Each rule of the protocol, kept and switched off (failpoint.h): what is right with it must be seen
 * to be wrong without it, or these tests prove nothing. The rest of the rules need a broker that
 * delays and fences (tests/crash). */
static void rule_set(const char *rule, bool off)
{
	char text[100];
	struct error e;
	snprintf(text, sizeof text, "%s:off", rule);
	ck_assert_msg(!failpoint_set(off ? text : NULL, &e), "%s", e.msg);
}

/* The partition goes to worker 1, which does all there is to do, while worker 0 is in its commit. */
static void taken_over(struct world *w)
{
	memory_log_take(w->broker, "events", 0, true);
	steps(w, 1, 50);
}

static uint32_t rows_after_takeover_in_commit(struct world *w)
{
	w->step = MEM_FLUSH;
	w->meanwhile = taken_over;
	steps(w, 0, 50);
	ck_assert_ptr_null(w->meanwhile);
	return records(w, "weir.users.v1", 0);
}

START_TEST(rule_generation)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	worker_start(&w, 1);
	rule_set("rule.generation", _i);
	event(&w, 0, 1, T0);
	ck_assert_uint_eq(rows_after_takeover_in_commit(&w), _i ? 2 : 1);
	rule_set("rule.generation", false);
	world_close(&w);
}
END_TEST

START_TEST(rule_idle_offsets)
{
	struct world w;
	world_open(&w, false);
	w.wall_idle = true;
	worker_start(&w, 0);
	event(&w, 0, 1, w.clock.now_ms);
	steps(&w, 0, 50);
	worker_start(&w, 1);
	steps(&w, 1, 5);
	rule_set("rule.idle-offsets", _i);
	w.clock.now_ms += 600000; /* the window empties by the clock */
	rows_after_takeover_in_commit(&w);
	w.clock.now_ms += 600000;
	for (int i = 0; i < 100; i++)
		steps(&w, i % 2, 1);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), _i ? 3 : 2);
	rule_set("rule.idle-offsets", false);
	world_close(&w);
}
END_TEST

START_TEST(rule_read_unknown)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	rule_set("rule.read-unknown", _i);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_COMMIT, MEM_FAIL_DONE, 1);
	steps(&w, 0, 200);
	ck_assert_uint_eq(records(&w, "weir.users.v1", 0), _i ? 2 : 1);
	rule_set("rule.read-unknown", false);
	world_close(&w);
}
END_TEST

START_TEST(rule_commit_first)
{
	struct world w;
	world_open(&w, true);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	rule_set("rule.commit-first", _i);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_COMMIT, MEM_FAIL, 1);
	while (w.times)
		step(&w, 0);
	rule_set("rule.commit-first", false);
	steps(&w, 0, 200);
	event(&w, 0, 1, T0 + 1);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), _i ? "3" : "2");
	world_close(&w);
}
END_TEST

static char seen_online[100];

static void online_look(struct world *w)
{
	snprintf(seen_online, sizeof seen_online, "%s", online_field(w, "u1", "n"));
}

START_TEST(rule_online_last)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	rule_set("rule.online-last", _i);
	event(&w, 0, 1, T0);
	fail_next(&w, MEM_COMMIT, MEM_FAIL, 1);
	w.meanwhile = online_look;
	steps(&w, 0, 50);
	ck_assert_str_eq(seen_online, _i ? "1" : ""); /* in the middle of a commit that failed */
	rule_set("rule.online-last", false);
	steps(&w, 0, 200);
	world_close(&w);
}
END_TEST

/* A flush is torn: its marker is in the store, its rows are not. */
START_TEST(rule_one_write)
{
	struct world w;
	struct error e;
	world_open(&w, true);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	event(&w, 0, 1, T0);
	steps(&w, 0, 50);
	ck_assert(!failpoint_set(_i ? "flush.write:error:*,rule.one-write:off" : "flush.write:error:*", &e));
	w.clock.now_ms += 20000; /* it is due */
	const struct task *t = task_of(&w, 0, 0);
	for (int i = 0; i < 5000 && t->phase == PHASE_RUNNING; i++) {
		step(&w, 0);
		usleep(100);
	}
	ck_assert_int_eq(t->phase, PHASE_FAILED);
	worker_close(w.workers[0]);
	failpoint_set(NULL, &e);
	worker_start(&w, 0);
	steps(&w, 0, 200);
	event(&w, 0, 1, T0 + 1);
	steps(&w, 0, 50);
	ck_assert_str_eq(online_field(&w, "u1", "n"), _i ? "1" : "2");
	world_close(&w);
}
END_TEST

START_TEST(rule_version)
{
	struct world w;
	world_open(&w, false);
	worker_start(&w, 0);
	steps(&w, 0, 50);
	rule_set("rule.version", _i);
	for (int i = 0; i < 2; i++) {
		event(&w, 0, 1, T0 + i);
		steps(&w, 0, 50);
	}
	ck_assert_str_eq(online_field(&w, "u1", "n"), _i ? "1" : "2");
	rule_set("rule.version", false);
	world_close(&w);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("faults");
	TCase *tc = tcase_create("faults");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, taken_while_the_first_marker_fails, 0, 2);
	tcase_add_test(tc, refused_before_the_first_marker);
	tcase_add_test(tc, changelog_row_refused);
	tcase_add_test(tc, flush_refused);
	tcase_add_test(tc, fenced_producer_is_replaced);
	tcase_add_test(tc, producer_that_cannot_begin_is_replaced);
	tcase_add_test(tc, reader_that_does_not_open);
	tcase_add_loop_test(tc, held_over_a_takeover, 0, 2);
	tcase_add_loop_test(tc, lost_answer_of_the_last_commit, 0, 2);
	tcase_add_loop_test(tc, moves_between_workers, 0, 4);
	tcase_add_test(tc, late_owner_leaves_the_store_alone);
	tcase_add_test(tc, silent_beside_a_busy_one);
	tcase_add_test(tc, silent_over_a_restart);
	tcase_add_loop_test(tc, rule_generation, 0, 2);
	tcase_add_loop_test(tc, rule_idle_offsets, 0, 2);
	tcase_add_loop_test(tc, rule_read_unknown, 0, 2);
	tcase_add_loop_test(tc, rule_commit_first, 0, 2);
	tcase_add_loop_test(tc, rule_online_last, 0, 2);
	tcase_add_loop_test(tc, rule_one_write, 0, 2);
	tcase_add_loop_test(tc, rule_version, 0, 2);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
