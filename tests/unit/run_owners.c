// SPDX-License-Identifier: Apache-2.0
//
// Partitions that change hands while something is under way: a rolling snapshot of the changelog
// that the next owner finds, a worker that learns last that another has its partition.
#include "engine_rig.h"

/* -- a rolling snapshot under way that another owner goes on with -- */

#define COLD_USERS 300
#define FLUSH_MS 11000

static void user_event(struct world *w, const char *user, int64_t at)
{
	char value[200];
	int n = sprintf(value, "{\"user\":\"%s\",\"item\":\"i\",\"at\":%lld,\"amount\":1}", user,
		(long long)at);
	struct slice v = {(uint8_t *)value, (uint32_t)n}, k = slice_of(user);
	memory_log_produce(w->broker, "events", 0, &k, &v, at);
}

static void settle(struct world *w)
{
	for (int i = 0; i < 20000 && !settled(w); i++)
		step(w);
	ck_assert(settled(w));
}

static void cold_events(struct world *w, int64_t at)
{
	char user[20];
	for (int i = 0; i < COLD_USERS; i++) {
		sprintf(user, "cold%d", i);
		user_event(w, user, at + i);
	}
	settle(w);
}

/* The task of the users of partition 0, when it runs. */
static struct task *users_task(struct world *w)
{
	for (uint32_t i = 0; i < w->worker->ntasks; i++) {
		struct task *t = w->worker->tasks[i];
		if (!t->stage->in && t->partition == 0 && t->phase == PHASE_RUNNING)
			return t;
	}
	return NULL;
}

/* Events of one user until what is waited for: flushes happen in a thread of their own. */
static void hot_events_until(struct world *w, bool (*reached)(struct world *w), int64_t *at)
{
	for (int i = 0; i < 20000 && !reached(w); i++) {
		user_event(w, "hot", (*at)++);
		step(w);
		usleep(100);
		if (i % 100 == 50)
			w->clock.now_ms += FLUSH_MS;
	}
	ck_assert(reached(w));
}

static bool snapshot_runs(struct world *w)
{
	struct task *t = users_task(w);
	return t && t->marker.snapshot.floor >= 0 && !w->worker->commit.dirty;
}

static bool trimmed(struct world *w)
{
	struct error e;
	int64_t begin, end;
	memory_log.bounds(w->broker, users_task(w) ? users_task(w)->stage->changelog : "weir.t.events.changelog",
		0, &begin, &end, &e);
	return begin > 0;
}

static void lose_state(struct world *w)
{
	worker_close(w->worker);
	store_lose(&w->store, w->dir);
	store_open(&w->store, w->dir);
	worker_start(w);
}

/* The next owner has nothing on disk yet when the snapshot that it found ends: what the owner
 * before had flushed, and nobody has written since, must not go with the log. */
START_TEST(snapshot_of_an_owner_with_more)
{
	struct world w;
	int64_t at = 1700000000000;
	struct buf text = {0};
	char user[20];
	seed = 1;
	world_open(&w, true, 64 << 20, false);
	cold_events(&w, at);
	at += COLD_USERS;
	hot_events_until(&w, snapshot_runs, &at);
	ck_assert(!trimmed(&w));
	lose_state(&w);
	hot_events_until(&w, trimmed, &at);
	lose_state(&w);
	cold_events(&w, at);
	for (int i = 0; i < COLD_USERS; i++) {
		sprintf(user, "cold%d", i);
		online_text(&w, "users", slice_of(user), &text);
		ck_assert_msg(strstr(buf_cstr(&text), "n_5m=2 "), "%s: %s", user, buf_cstr(&text));
	}
	buf_release(&text);
	world_close(&w);
}
END_TEST

/* Its place is the number of a view among those of the plan before. */
START_TEST(snapshot_of_another_plan)
{
	struct world w;
	int64_t at = 1700000000000;
	seed = 1;
	world_open(&w, true, 64 << 20, false);
	cold_events(&w, at);
	at += COLD_USERS;
	hot_events_until(&w, snapshot_runs, &at);
	worker_close(w.worker);
	w.plan->hash++;
	worker_start(&w);
	while (!users_task(&w))
		step(&w);
	ck_assert_int_eq(users_task(&w)->marker.snapshot.floor, -1);
	ck_assert_uint_eq(users_task(&w)->marker.snapshot.space, 0);
	hot_events_until(&w, trimmed, &at);
	world_close(&w);
}
END_TEST

/* -- a log that is cut while it is read -- */

#define HOT_EVENTS 1000

static struct task *restoring(struct world *w)
{
	for (uint32_t i = 0; i < w->worker->ntasks; i++) {
		struct task *t = w->worker->tasks[i];
		if (!t->stage->in && t->partition == 0 && t->phase == PHASE_RESTORE)
			return t;
	}
	return NULL;
}

/* The owner before has finished a snapshot, and is slow to delete what it made superfluous. */
START_TEST(log_cut_while_it_is_restored)
{
	struct world w;
	struct error e;
	struct buf text = {0};
	int64_t at = 1700000000000, begin, end;
	seed = 1;
	world_open(&w, true, 64 << 20, false);
	for (int i = 0; i < HOT_EVENTS; i++) {
		user_event(&w, "hot", at++);
		step(&w);
	}
	settle(&w);
	lose_state(&w);
	while (!restoring(&w))
		step(&w);
	const char *log = restoring(&w)->stage->changelog;
	memory_log.bounds(w.broker, log, 0, &begin, &end, &e);
	ck_assert_int_gt(end - begin, 20);
	/* All that it holds is the one user's row, again and again. */
	ck_assert_msg(!memory_log.delete_before(w.broker, log, 0, end - 10, &e), "%s", e.msg);
	user_event(&w, "hot", at++);
	settle(&w);
	online_text(&w, "users", slice_of("hot"), &text);
	ck_assert_msg(strstr(buf_cstr(&text), "n_5m=1001 "), "%s", buf_cstr(&text));
	buf_release(&text);
	world_close(&w);
}
END_TEST

/* -- who follows what -- */

static enum status one_member(struct log_broker *b, const char *group, char (*out)[256], uint32_t *n,
	struct error *e)
{
	(void)b, (void)group, (void)e;
	strcpy(out[0], "n.0@127.0.0.1:1");
	*n = 1;
	return ST_OK;
}

/* After two more rounds of looking. */
static uint32_t copies_kept(struct standbys *s)
{
	struct standby_stats st;
	standbys_stats(s, &st);
	uint64_t until = st.rounds + 2;
	for (int i = 0; i < 60000 && st.rounds < until; i++) {
		usleep(1000);
		standbys_stats(s, &st);
	}
	ck_assert_uint_ge(st.rounds, until);
	return st.copies;
}

/* A worker may learn last that another one of its process has its partition now. */
START_TEST(what_a_worker_runs_has_no_standby)
{
	struct world w;
	static atomic_bool stop;
	struct log_ops ops = memory_log;
	ops.group_members = one_member;
	seed = 1;
	world_open(&w, true, 64 << 20, false);
	worker_close(w.worker);
	atomic_store(&stop, false);
	const struct stage *st = &w.plan->stages[0];
	uint32_t all = 0;
	for (uint32_t i = 0; i < w.plan->nstages; i++)
		all += (uint32_t)w.plan->stages[i].partitions;
	struct standby_conf c = {.plan = w.plan, .log = &ops, .broker = w.broker, .store = w.standby,
		.clock = &w.clock.clock, .node = "n", .copies = 1, .memory_bytes = 1 << 20, .stop = &stop};
	struct standbys *s = standbys_start(&c);
	ck_assert_uint_eq(copies_kept(s), all);
	standbys_take(s, st, 0);
	standbys_take(s, st, 0);
	standbys_give(s, st, 0);
	ck_assert_uint_eq(copies_kept(s), all - 1);
	standbys_give(s, st, 0);
	ck_assert_uint_eq(copies_kept(s), all);
	atomic_store(&stop, true);
	standbys_stop(s);
	worker_start(&w);
	world_close(&w);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("owners");
	TCase *tc = tcase_create("owners");
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, snapshot_of_an_owner_with_more);
	tcase_add_test(tc, snapshot_of_another_plan);
	tcase_add_test(tc, log_cut_while_it_is_restored);
	tcase_add_test(tc, what_a_worker_runs_has_no_standby);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
