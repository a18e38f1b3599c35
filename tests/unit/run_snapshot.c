// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: sums, JSON, findings, the cell they are published in, and recent log lines.
#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fake_node.h"
#include "run/findings.h"
#include "run/recent.h"
#include "run/snapshot_json.h"
#include "run/snapshot_metrics.h"

static json_t *load(struct buf *b)
{
	json_error_t why;
	json_t *j = json_loadb((char *)b->p, b->len, JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(j != NULL, "%s at %d: %.*s", why.text, why.position, (int)b->len, b->p);
	buf_release(b);
	return j;
}

/* The fields are a contract: docs/reference/http.md, `weir status` and the page rely on them.
 */
static void expect_keys(json_t *object, const char *keys)
{
	char have[1000] = "";
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value) snprintf(
	        have + strlen(have), sizeof have - strlen(have), "%s%s", *have ? " " : "", key);
	ck_assert_str_eq(have, keys);
}

START_TEST(test_json_fields)
{
	struct snapshot *s = fake_snapshot(5);
	struct buf b;
	buf_init(&b);
	snapshot_json_event(s, &s->jobs[0], &b);
	json_t *j = load(&b), *job = json_object_get(j, "job");
	expect_keys(j, "node jobs job recent");
	expect_keys(json_object_get(j, "node"), "id version http prefix now_ms started_ms "
	                                        "memory_budget_bytes memory_used_bytes ready "
	                                        "reasons broker_up broker_error online_up "
	                                        "online_error online_backlog_bytes peers");
	expect_keys(json_array_get(json_object_get(j, "jobs"), 0),
	        "name state error source commit_ms started_ms records_per_s rows_per_s "
	        "lag_records "
	        "stream_time_ms watermark_ms last_commit_ms state_entities state_bytes records "
	        "rows late "
	        "dead standby_tasks standby_lag_records standby_rows standby_rounds monitors alerts_firing drift_breached findings tasks views");
	expect_keys(job, "name state error source commit_ms started_ms records_per_s "
	                 "rows_per_s lag_records "
	                 "stream_time_ms watermark_ms last_commit_ms state_entities "
	                 "state_bytes records rows late "
	                 "dead standby_tasks standby_lag_records standby_rows standby_rounds monitors alerts_firing drift_breached findings task_counts nodes edges tasks views dead_by_reason "
	                 "dead_samples recent");
	expect_keys(json_array_get(json_object_get(job, "tasks"), 0),
	        "name stage partition owner owner_http state waits_for inputs records_per_s "
	        "lag_records "
	        "stream_time_ms watermark_ms held_by state_entities state_bytes epoch "
	        "last_commit_ms "
	        "commit_took_ms restore_rows restore_rows_total restore_bytes restore_eta_ms "
	        "last_error "
	        "last_error_ms");
	expect_keys(json_array_get(json_object_get(job, "views"), 0),
	        "name version owner description entity features topic rows rows_per_s "
	        "event_time_ms "
	        "known_at_ms age_ms freshness_ms stale null_entities overflows failed_casts "
	        "not_finite "
	        "capped online_rows online_dropped");
	expect_keys(json_array_get(json_object_get(job, "nodes"), 0),
	        "kind name detail records_per_s lag_records problem");
	expect_keys(json_array_get(json_object_get(job, "dead_samples"), 0),
	        "topic partition offset time_ms reason detail");
	expect_keys(json_array_get(json_object_get(job, "findings"), 0),
	        "kind level subject text why");
	expect_keys(json_array_get(json_object_get(job, "recent"), 0),
	        "time_ms level component text");
	json_decref(j);
	snapshot_unref(s);
}
END_TEST

/* Nothing known at all, and text that is no UTF-8. */
START_TEST(test_json_of_nothing)
{
	struct snapshot *s = snapshot_new();
	struct snapshot_task task = {.name = "a:0",
	        .stage = "a",
	        .lag_records = -1,
	        .epoch = -1,
	        .commit_took_ms = -1,
	        .stream_time_ms = SNAPSHOT_NONE,
	        .watermark_ms = SNAPSHOT_NONE,
	        .last_commit_ms = SNAPSHOT_NONE,
	        .restore_eta_ms = SNAPSHOT_NONE,
	        .last_error_ms = SNAPSHOT_NONE,
	        .last_error = "caf\xc3\xa9 \xff\xc3\x28 \"\\\x01\n"};
	struct snapshot_view view = {
	        .name = "v", .known_at_ms = SNAPSHOT_NONE, .event_time_ms = SNAPSHOT_NONE};
	struct snapshot_job job = {.name = "j",
	        .tasks = &task,
	        .ntasks = 1,
	        .views = &view,
	        .nviews = 1,
	        .commit_ms = 1,
	        .started_ms = SNAPSHOT_NONE};
	s->jobs = &job;
	s->njobs = 1;
	struct buf b;
	buf_init(&b);
	snapshot_json_event(s, &job, &b);
	json_t *j = load(&b), *detail = json_object_get(j, "job");
	json_t *t = json_array_get(json_object_get(detail, "tasks"), 0);
	static const char *const nulls[] = {"lag_records", "epoch", "commit_took_ms",
	        "stream_time_ms", "watermark_ms", "last_commit_ms", "restore_eta_ms",
	        "last_error_ms", "held_by", "owner"};
	for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
		ck_assert_msg(json_is_null(json_object_get(t, nulls[i])), "%s", nulls[i]);
	ck_assert_str_eq(json_string_value(json_object_get(t, "last_error")), "caf\xc3\xa9 ?"
	                                                                      "?( \"\\\x01\n");
	ck_assert(json_is_null(json_object_get(detail, "lag_records")));
	ck_assert(json_is_null(json_object_get(detail, "watermark_ms")));
	json_decref(j);
	snapshot_unref(s);
}
END_TEST

START_TEST(test_totals)
{
	struct snapshot *s = fake_snapshot(0);
	struct snapshot_totals t;
	snapshot_totals(&s->jobs[0], &t);
	ck_assert_double_eq_tol(t.records_per_s, 3100 * 2.08, 1e-6);
	ck_assert_int_eq(t.lag_records, 12431 + (3 + 6 + 9) + (3 + 6) + 3 * (3 + 6));
	ck_assert_int_eq(t.stream_time_ms, FAKE_EVENT_MS);
	ck_assert_int_eq(t.watermark_ms, FAKE_EVENT_MS - 3 * 1700 - 600000 - 7380000);
	ck_assert_uint_eq(t.dead, 45);
	ck_assert_uint_eq(t.running, 18);
	snapshot_unref(s);
}
END_TEST

/* -- findings: one small job, one trouble each -- */

struct case_ {
	struct snapshot *s;
	struct snapshot_job job;
	struct snapshot_task tasks[2];
	struct snapshot_input inputs[2];
	struct snapshot_view view;
	struct snapshot_count dead;
	struct snapshot_dead sample;
};

static void case_init(struct case_ *c)
{
	memset(c, 0, sizeof *c);
	c->s = snapshot_new();
	c->s->now_ms = 1000000;
	c->s->broker_up = c->s->online_up = true;
	c->job = (struct snapshot_job){.name = "j",
	        .state = JOB_RUNNING,
	        .commit_ms = 1000,
	        .records = 100000,
	        .tasks = c->tasks,
	        .ntasks = 2,
	        .views = &c->view,
	        .nviews = 1};
	for (int i = 0; i < 2; i++) {
		c->inputs[i] = (struct snapshot_input){.topic = "a",
		        .partition = i,
		        .offset = 50,
		        .end = 50,
		        .stream_time_ms = 500000};
		c->tasks[i] = (struct snapshot_task){.name = i ? "a:1" : "a:0",
		        .stage = "a",
		        .partition = i,
		        .state = TASK_RUNNING,
		        .inputs = &c->inputs[i],
		        .ninputs = 1,
		        .records_per_s = 100,
		        .stream_time_ms = 500000,
		        .watermark_ms = 500000,
		        .last_commit_ms = 999500,
		        .commit_took_ms = 8,
		        .held_by = i ? "a[1]" : "a[0]",
		        .restore_eta_ms = SNAPSHOT_NONE,
		        .last_error_ms = SNAPSHOT_NONE};
	}
	c->view = (struct snapshot_view){
	        .name = "v", .known_at_ms = 999000, .freshness_ms = 60000};
}

static void well(struct case_ *c)
{
	(void)c;
}

static void small_lag(struct case_ *c)
{
	c->tasks[0].lag_records = 900;
}

static void lag(struct case_ *c)
{
	c->tasks[0].lag_records = c->tasks[1].lag_records = 40000;
}

static void hot(struct case_ *c)
{
	c->tasks[1].lag_records = 40000;
}

static void stuck(struct case_ *c)
{
	c->tasks[1].lag_records = 5;
	c->tasks[1].records_per_s = 0;
	c->tasks[1].last_commit_ms = 900000;
	c->tasks[1].last_error = "boom";
}

static void backpressure(struct case_ *c)
{
	lag(c);
	c->inputs[0].paused = c->inputs[1].paused = true;
}

static void waiting(struct case_ *c)
{
	hot(c);
	c->tasks[1].waits_for = "the online backlog is full";
}

static void slow_commit(struct case_ *c)
{
	hot(c);
	c->tasks[1].commit_took_ms = 700;
}

static void restoring(struct case_ *c)
{
	hot(c);
	c->tasks[1].state = TASK_RESTORING;
	c->tasks[1].records_per_s = 0;
	c->tasks[1].restore_rows = 25;
	c->tasks[1].restore_rows_total = 100;
	c->tasks[1].restore_eta_ms = 61000;
}

static void paused(struct case_ *c)
{
	hot(c);
	c->job.state = JOB_PAUSED;
	c->tasks[1].records_per_s = 0;
}

static void held(struct case_ *c)
{
	c->tasks[1].watermark_ms -= 120000;
	c->inputs[1].stream_time_ms -= 120000;
}

static void dead(struct case_ *c)
{
	c->dead = (struct snapshot_count){"bad_json", 3};
	c->sample = (struct snapshot_dead){"a", 1, 42, 0, "bad_json", "line 1"};
	c->job.dead = &c->dead;
	c->job.dead_samples = &c->sample;
	c->job.ndead = c->job.ndead_samples = 1;
}

static void much_dead(struct case_ *c)
{
	dead(c);
	c->job.records = 100;
}

static void late(struct case_ *c)
{
	c->job.late = 100;
}

static void much_late(struct case_ *c)
{
	c->job.late = 2000;
}

static void stale(struct case_ *c)
{
	c->view.known_at_ms = 900000;
}

static void never_fresh(struct case_ *c)
{
	c->view.known_at_ms = SNAPSHOT_NONE;
	hot(c);
	c->tasks[1].state = TASK_ELSEWHERE;
}

static void online_down(struct case_ *c)
{
	c->s->online_up = false;
	c->s->online_error = "connection refused";
	c->s->online_backlog_bytes = 1500000;
}

static void task_failed(struct case_ *c)
{
	c->tasks[0].state = TASK_FAILED;
	c->tasks[0].last_error = "disk full";
}

static void job_failed(struct case_ *c)
{
	c->job.state = JOB_FAILED;
	c->job.error = "topic a is missing";
}

static void broker_down(struct case_ *c)
{
	c->s->broker_up = false;
	c->s->broker_error = "connection refused";
}

static const struct {
	void (*trouble)(struct case_ *c);
	const char *first; /* "kind level subject | text | why" of the worst; "" none at all */
} cases[] = {
        {well, ""},
        {small_lag, ""},
        {lag, "lag warn a:0 | a:0 is 40,000 records behind, 6 min 40 s of work at its present "
              "rate. | "
              "It works at 100 records a second, which is less than what has come in."},
        {hot, "lag warn a:1 | a:1 is 40,000 records behind, 6 min 40 s of work at its present "
              "rate. | "
              "Nearly all of its stage's lag is in this partition: its keys are hotter than "
              "the "
              "others'."},
        {stuck, "lag bad a:1 | a:1 is 5 records behind and does not move. | Its last commit "
                "was 1 min "
                "40 s ago; the interval is 1.0 s. Last error: boom"},
        {backpressure, "lag warn a:0 | a:0 is 40,000 records behind, 6 min 40 s of work at its "
                       "present "
                       "rate. | Its input is not fetched now: a queue behind it is full."},
        {waiting, "lag warn a:1 | a:1 is 40,000 records behind, 6 min 40 s of work at its "
                  "present rate. "
                  "| It waits: the online backlog is full."},
        {slow_commit, "lag warn a:1 | a:1 is 40,000 records behind, 6 min 40 s of work at its "
                      "present "
                      "rate. | Commits take 700 ms of every 1.0 s."},
        {restoring, "lag note a:1 | a:1 is 40,000 records behind. | It restores its state: 25 "
                    "% of 100 "
                    "rows, 1 min 1 s to go."},
        {paused, "lag note a:1 | a:1 is 40,000 records behind. | The job is paused."},
        {held, "held note a:1 | a:1, through a[1] holds time back: it is 2 min behind the "
               "newest "
               "watermark. | a[1] is read to its end: its newest event is of 1970-01-01 "
               "00:06:20Z."},
        {dead, "died warn dead letters | 3 dead letters: 3 bad_json. | The last one, a[1]@42: "
               "bad_json: "
               "line 1"},
        {much_dead,
                "died bad dead letters | 3 dead letters: 3 bad_json. | The last one, a[1]@42: "
                "bad_json: line 1"},
        {late, "late note late records | 100 late records, 0.1 % of 100,000. | "},
        {much_late, "late warn late records | 2,000 late records, 2 % of 100,000. | They were "
                    "older "
                    "than their source's `lateness` allows."},
        {stale, "stale bad v | v is 1 min 40 s old; it promises 1 min. | Its input is read to "
                "the end: "
                "no event has come for it."},
        {never_fresh, "stale bad v | v has no row yet; it promises 1 min. | Its job is 40,000 "
                      "records "
                      "behind."},
        {online_down, "online bad online store | The online store does not answer; 1.5 MB wait "
                      "for it. "
                      "Kafka goes on. | connection refused"},
        {task_failed, "failed bad a:0 | a:0 has stopped. | disk full"},
        {job_failed, "failed bad j | The job has stopped. | topic a is missing"},
        {broker_down, "failed bad Kafka | No broker answers; it is being retried. | connection "
                      "refused"},
};

START_TEST(test_finding)
{
	struct case_ c;
	case_init(&c);
	cases[_i].trouble(&c);
	struct finding found[FINDINGS_MAX];
	uint32_t n = findings_of(c.s, &c.job, found);
	char got[1000] = "";
	if (n)
		snprintf(got, sizeof got, "%s %s %s | %s | %s",
		        finding_kind_name(found[0].kind), finding_level_name(found[0].level),
		        found[0].subject, found[0].text, found[0].why);
	ck_assert_str_eq(got, cases[_i].first);
	snapshot_unref(c.s);
}
END_TEST

/* More troubles than places. */
START_TEST(test_findings_are_bounded)
{
	struct case_ c;
	case_init(&c);
	struct snapshot_task many[100];
	for (int i = 0; i < 100; i++) {
		many[i] = c.tasks[0];
		many[i].state = TASK_FAILED;
	}
	c.job.tasks = many;
	c.job.ntasks = 100;
	struct finding found[FINDINGS_MAX];
	ck_assert_uint_eq(findings_of(c.s, &c.job, found), FINDINGS_MAX);
	snapshot_unref(c.s);
}
END_TEST

START_TEST(test_gauges)
{
	struct snapshot *s = fake_snapshot(0);
	s->jobs[0].tasks[1].state = TASK_ELSEWHERE;
	s->jobs[0].tasks[2].lag_records = -1;
	s->jobs[0].tasks[2].watermark_ms = SNAPSHOT_NONE;
	s->jobs[0].tasks[3].inputs[0].paused = true;
	struct metrics *m = metrics_new();
	snapshot_metrics(s, m);
	struct buf b;
	buf_init(&b);
	metrics_text(m, &b);
	static const char *const present[] = {
	        "weir_build_info{version=\"0.1.0\"} 1\n",
	        "weir_ready 0\n",
	        "weir_job_up{job=\"flights\"} 1\n",
	        "weir_job_up{job=\"baskets\"} 0\n",
	        "weir_lag_records{job=\"flights\",task=\"arrivals:3\"} 12431\n",
	        "weir_watermark_seconds{job=\"flights\",task=\"departures:0\"} 1370999400\n",
	        "weir_paused_partitions{job=\"flights\"} 1\n",
	        "weir_restore_remaining_rows{job=\"sessions\",task=\"clicks:0\"} 800000\n",
	        "weir_freshness_age_seconds{job=\"flights\",view=\"destination\"} 840\n",
	        "weir_freshness_breached{job=\"flights\",view=\"destination\"} 1\n",
	        "weir_freshness_breached{job=\"flights\",view=\"aircraft\"} 0\n",
	};
	static const char *const absent[] = {
	        "task=\"departures:1\"",
	        "weir_lag_records{job=\"flights\",task=\"departures:2\"}",
	        "weir_watermark_seconds{job=\"flights\",task=\"departures:2\"}",
	        "weir_freshness_breached{job=\"flights\",view=\"origin\"}",
	};
	for (size_t i = 0; i < sizeof present / sizeof *present; i++)
		ck_assert_msg(strstr(buf_cstr(&b), present[i]) != NULL, "no %s", present[i]);
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		ck_assert_msg(strstr(buf_cstr(&b), absent[i]) == NULL, "has %s", absent[i]);
	buf_release(&b);
	metrics_free(m);
	snapshot_unref(s);
}
END_TEST

/* -- the cell -- */

static void *publish_later(void *arg)
{
	snapshot_publish(arg, snapshot_new());
	return NULL;
}

START_TEST(test_cell)
{
	struct snapshot_cell *c = snapshot_cell_new();
	uint64_t seen = 0;
	ck_assert_ptr_null(snapshot_take(c));
	ck_assert_ptr_null(snapshot_wait(c, &seen, 0));
	struct snapshot *first = snapshot_new();
	snapshot_publish(c, first);
	struct snapshot *s = snapshot_wait(c, &seen, 0);
	ck_assert_ptr_eq(s, first);
	ck_assert_ptr_null(snapshot_wait(c, &seen, 0));
	snapshot_publish(c, snapshot_new()); /* s stays ours */
	ck_assert_int_eq(s->now_ms, SNAPSHOT_NONE);
	snapshot_unref(s);
	s = snapshot_wait(c, &seen, 0);
	ck_assert_ptr_ne(s, NULL);
	snapshot_unref(s);
	pthread_t t;
	ck_assert_int_eq(pthread_create(&t, NULL, publish_later, c), 0);
	s = snapshot_wait(c, &seen, 20000);
	ck_assert_ptr_ne(s, NULL);
	snapshot_unref(s);
	pthread_join(t, NULL);
	snapshot_cell_close(c);
	snapshot_publish(c, snapshot_new());
	ck_assert_ptr_null(snapshot_wait(c, &seen, 20000));
	snapshot_cell_free(c);
}
END_TEST

/* -- recent lines -- */

START_TEST(test_recent)
{
	struct clock_manual clock;
	clock_manual_init(&clock, 1000);
	struct recent *r = recent_new(&clock.clock);
	struct arena a;
	arena_init(&a);
	struct snapshot_recent *lines;
	ck_assert_uint_eq(recent_copy(r, NULL, &a, &lines, 10), 0);
	char text[32];
	for (int i = 0; i < RECENT_LINES + 7; i++) {
		snprintf(text, sizeof text, "line %d", i);
		clock.now_ms++;
		recent_tap(r, LOG_LVL_WARN, "kafka", text);
	}
	recent_tap(r, LOG_LVL_ERROR, "flights/a:0", "stopped");
	recent_tap(r, LOG_LVL_ERROR, "flights/a:0", "stopped");
	recent_tap(r, LOG_LVL_ERROR, "flights2", "other");
	ck_assert_uint_eq(recent_copy(r, NULL, &a, &lines, 1000), RECENT_LINES);
	ck_assert_str_eq(lines[0].text, "other");
	ck_assert_str_eq(lines[1].text, "stopped (2 times)");
	ck_assert_str_eq(lines[1].level, "error");
	ck_assert_str_eq(lines[2].text, "line 206");
	ck_assert_str_eq(lines[RECENT_LINES - 1].text, "line 9");
	ck_assert_uint_eq(recent_copy(r, "flights", &a, &lines, 10), 1);
	ck_assert_str_eq(lines[0].component, "flights/a:0");
	char longer[RECENT_TEXT_BYTES * 2];
	memset(longer, 'a', sizeof longer);
	memcpy(longer + RECENT_TEXT_BYTES - 2, "\xe2\x82\xac", 3);
	longer[sizeof longer - 1] = 0;
	recent_tap(r, LOG_LVL_WARN, "x", longer);
	ck_assert_uint_eq(recent_copy(r, "x", &a, &lines, 10), 1);
	ck_assert_uint_eq(strlen(lines[0].text), RECENT_TEXT_BYTES - 2);
	arena_release(&a);
	recent_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("snapshot");
	TCase *t = tcase_create("snapshot");
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_json_fields);
	tcase_add_test(t, test_json_of_nothing);
	tcase_add_test(t, test_totals);
	tcase_add_loop_test(t, test_finding, 0, sizeof cases / sizeof *cases);
	tcase_add_test(t, test_findings_are_bounded);
	tcase_add_test(t, test_gauges);
	tcase_add_test(t, test_cell);
	tcase_add_test(t, test_recent);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
