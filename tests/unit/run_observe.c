// SPDX-License-Identifier: Apache-2.0
//
// What a node shows of its jobs: a real job and plan with reports made by hand, a second apart.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/formats.h"
#include "operators/aggregates.h"
#include "run/memory_online.h"
#include "run/observe_inside.h"

#define NOW INT64_C(1700000000000)
#define LATENESS 600000
#define PARTS 2

static const char text[] =
        "job: flights\n"
        "sources:\n"
        "  arrivals:\n"
        "    topic: arrivals\n"
        "    format: json\n"
        "    schema: {type: record, name: arrival, fields: [{name: at, type: {type: long, "
        "logicalType: timestamp-millis}}, {name: tailnum, type: string}, {name: dest, type: "
        "string}]}\n"
        "    time: at\n"
        "    key: tailnum\n"
        "    lateness: 10m\n"
        "views:\n"
        "  planes:\n"
        "    entity: [tailnum]\n"
        "    from: arrivals\n"
        "    owner: ops\n"
        "    freshness: 1m\n"
        "    features:\n"
        "      n_7d: count() over 7d\n"
        "  places:\n"
        "    entity: [dest]\n"
        "    from: arrivals\n"
        "    shards: 2\n"
        "    features:\n"
        "      n: count()\n"
        "      planes: approx_distinct(tailnum)\n";

enum { SOURCE, BY_DEST }; /* stages */
enum { PLANES, PLACES };  /* views */

static struct clock_manual clk;
static struct metrics *metrics;
static struct observe *o;
static struct job *job;
static struct plan *plan;
static struct task_report tasks[2][PARTS * 2];
static struct view_report views[2][2];
static struct dead_report dead[2][4];
static struct worker_report reports[2];
static struct worker_report *handed[2];
static struct job_view view;
static struct snapshot *snap;
static struct snapshot_job *shown;
static struct observe_node node;

static struct task_report task(uint32_t stage, int32_t partition, uint64_t records)
{
	return (struct task_report){.stage = stage,
	        .partition = partition,
	        .phase = PHASE_RUNNING,
	        .next_offset = (int64_t)records,
	        .end = (int64_t)records,
	        .stream_time = NOW - 5000,
	        .idle_time = MARKER_NO_TIME,
	        .source_stream_time = MARKER_NO_TIME,
	        .epoch = 7,
	        .last_commit_ms = NOW - 100,
	        .last_commit_took_ms = 20,
	        .records = records,
	        .table = {.entities_in_memory = 10, .bytes = 1000, .loads = 3}};
}

/* Two workers: the first has partition 0 of both stages, the second partition 1 of the source.
 */
static void reports_make(void)
{
	memset(reports, 0, sizeof reports);
	memset(views, 0, sizeof views);
	memset(dead, 0, sizeof dead);
	for (uint32_t i = 0; i < 2; i++) {
		struct worker_report *r = &reports[i];
		snprintf(r->owner, sizeof r->owner, "n1.%u", i);
		r->at_ms = NOW;
		r->tasks = tasks[i];
		r->views = views[i];
		r->dead = dead[i];
		for (int v = 0; v < 2; v++)
			views[i][v].counts.newest_event_time =
			        views[i][v].counts.newest_known_at = INT64_MIN;
		r->epochs = 5;
		handed[i] = r;
	}
	tasks[0][0] = task(SOURCE, 0, 1000);
	tasks[0][1] = task(BY_DEST, 0, 500);
	tasks[1][0] = task(SOURCE, 1, 300);
	reports[0].ntasks = 2;
	reports[1].ntasks = 1;
	reports[0].records = 1000;
	reports[1].records = 300;
}

static void setup(void)
{
	static const struct lang_env env = {.formats = formats, .aggregates = aggregates};
	const int32_t partitions[] = {PARTS};
	struct diagnostics d;
	struct error e = {0};
	diagnostics_init(&d);
	enum status st = job_parse(slice_of(text), "flights.yaml", NULL, &env, &job, &d);
	ck_assert_msg(st == ST_OK, "%s", d.n ? d.items[0].message : "no error");
	diagnostics_release(&d);
	ck_assert_msg(plan_new(job, "weir", partitions, &plan, &e) == ST_OK, "%s", e.msg);
	ck_assert_uint_eq(plan->nstages, 2);
	ck_assert(!plan->stages[SOURCE].in && plan->stages[BY_DEST].in);
	ck_assert_str_eq(job->views[PLANES].name, "planes");
	clock_manual_init(&clk, NOW);
	metrics = metrics_new();
	o = observe_new(metrics);
	reports_make();
	view = (struct job_view){.job = job,
	        .plan = plan,
	        .source = "weir.jobs@3",
	        .state = JOB_RUNNING,
	        .started_ms = NOW - 60000,
	        .commit_ms = 1000,
	        .reports = handed,
	        .nreports = 2};
	node = (struct observe_node){.id = "n1",
	        .version = "1",
	        .prefix = "weir",
	        .started_ms = NOW - 90000,
	        .broker_up = true,
	        .caught_up = true,
	        .clock = &clk.clock};
	snap = NULL;
}

static void teardown(void)
{
	snapshot_unref(snap);
	observe_free(o);
	metrics_free(metrics);
	plan_free(plan);
	job_free(job);
}

/* Looks ms later; the workers have just reported. */
static void look(int64_t ms)
{
	clk.now_ms += ms;
	for (int i = 0; i < 2; i++)
		reports[i].at_ms = clk.now_ms;
	snapshot_unref(snap);
	snap = snapshot_new();
	snap->now_ms = clk.now_ms;
	snap->njobs = 1;
	snap->jobs = shown = arena_calloc(&snap->arena, 1, sizeof *shown);
	observe_job_view(o, &node, &view, snap, shown);
}

static void more(uint32_t worker, uint32_t t, uint64_t n)
{
	tasks[worker][t].records += n;
	tasks[worker][t].next_offset += (int64_t)n;
	tasks[worker][t].end += (int64_t)n;
	if (tasks[worker][t].stage == SOURCE)
		reports[worker].records += n;
}

static const struct snapshot_task *shown_task(const char *name)
{
	for (uint32_t i = 0; i < shown->ntasks; i++)
		if (strcmp(shown->tasks[i].name, name) == 0)
			return &shown->tasks[i];
	ck_abort_msg("no task %s", name);
}

static double counter(
        enum metric_id id, const char *task_name, const char *view_name, const char *reason)
{
	return metric_value(metrics_get(metrics, id,
	        (struct metric_labels){.job = "flights",
	                .task = task_name,
	                .view = view_name,
	                .reason = reason}));
}

/* Whether the page of metrics has this line. */
static bool metrics_say(const char *line)
{
	struct buf b;
	buf_init(&b);
	metrics_text(metrics, &b);
	bool found = strstr(buf_cstr(&b), line) != NULL;
	buf_release(&b);
	return found;
}

START_TEST(tallies)
{
	static const struct {
		uint64_t now, total;
	} high[] = {{10, 10}, {12, 12}, {9, 12}, {11, 12}, {15, 15}},
	  restarting[] = {{10, 10}, {12, 12}, {4, 16}, {4, 16}, {0, 16}, {2, 18}};
	struct tally a = {0}, b = {0};
	for (size_t i = 0; i < sizeof high / sizeof *high; i++) {
		tally_take(&a, high[i].now);
		ck_assert_uint_eq(a.total, high[i].total);
	}
	for (size_t i = 0; i < sizeof restarting / sizeof *restarting; i++) {
		tally_take_restarting(&b, restarting[i].now);
		ck_assert_uint_eq(b.total, restarting[i].total);
	}
}
END_TEST

START_TEST(rates_over_five_seconds)
{
	static const struct {
		int64_t at;
		uint64_t total;
		double rate;
	} c[] = {{0, 1000, 0}, {1000, 1100, 100}, {2000, 1400, 200}, {2010, 1402, 200},
	        {5000, 2000, 200}, {6000, 2000, 180}, {10000, 2000, 0}, {60000, 2600, 12},
	        {60100, 2600, 600 / 50.1}};
	struct rate r = {0};
	for (size_t i = 0; i < sizeof c / sizeof *c; i++)
		ck_assert_double_eq_tol(rate_take(&r, c[i].at, c[i].total), c[i].rate, 1e-9);
	/* Called far more often than points are kept. */
	for (int i = 0; i < 1000; i++)
		ck_assert_double_ge(rate_take(&r, 70000 + i * 10, 2600), 0);
	ck_assert_uint_le(r.n, RATE_POINTS);
}
END_TEST

START_TEST(tasks_of_here_and_elsewhere)
{
	tasks[0][0].end = 1500;
	tasks[0][1].source_stream_time = NOW - 9000;
	tasks[0][1].end = 501; /* the control record of the last transaction */
	look(0);
	ck_assert_str_eq(shown->name, "flights");
	ck_assert_str_eq(shown->source, "weir.jobs@3");
	ck_assert_uint_eq(shown->ntasks,
	        (uint32_t)(plan->stages[SOURCE].partitions + plan->stages[BY_DEST].partitions));
	const struct snapshot_task *t = shown_task("arrivals:0");
	ck_assert_str_eq(t->owner, "n1.0");
	ck_assert_int_eq(t->state, TASK_RUNNING);
	ck_assert_int_eq(t->lag_records, 500);
	ck_assert_int_eq(t->inputs[0].offset, 1000);
	ck_assert_int_eq(t->inputs[0].end, 1500);
	ck_assert_int_eq(t->stream_time_ms, NOW - 5000);
	ck_assert_int_eq(t->watermark_ms, NOW - 5000 - LATENESS);
	ck_assert_str_eq(t->held_by, "arrivals[0]");
	ck_assert_uint_eq(t->state_entities, 10);
	ck_assert_uint_eq(t->state_bytes, 1000);
	ck_assert_int_eq(t->epoch, 7);
	ck_assert_int_eq(t->last_commit_ms, NOW - 100);
	ck_assert_double_eq(t->commit_took_ms, 20);
	ck_assert_int_eq(t->restore_eta_ms, SNAPSHOT_NONE);
	t = shown_task("arrivals.by.dest:0");
	ck_assert_int_eq(t->lag_records, 0);
	ck_assert_int_eq(t->watermark_ms, NOW - 9000 - LATENESS);
	ck_assert_str_eq(t->held_by, "weir.flights.arrivals.by.dest[0]");
	t = shown_task("arrivals.by.dest:1");
	ck_assert_int_eq(t->state, TASK_ELSEWHERE);
	ck_assert_ptr_null(t->owner);
	ck_assert_int_eq(t->lag_records, -1);
	ck_assert_int_eq(t->watermark_ms, SNAPSHOT_NONE);
}
END_TEST

START_TEST(a_restore)
{
	struct task_report *t = &tasks[0][0];
	t->phase = PHASE_RESTORE;
	t->next_offset = 0;
	t->last_commit_ms = 0;
	t->epoch = 0;
	t->restore = (struct takeover_progress){
	        .rows = 250, .from = 1000, .position = 1025, .end = 1100, .bytes = 9999};
	t->restored_rows = 250;
	t->restore_since_ns = INT64_C(5000000000);
	look(0);
	const struct snapshot_task *s = shown_task("arrivals:0");
	ck_assert_int_eq(s->state, TASK_RESTORING);
	ck_assert_int_eq(s->lag_records, -1);
	ck_assert_uint_eq(s->restore_rows, 250);
	ck_assert_uint_eq(s->restore_rows_total, 1000);
	ck_assert_uint_eq(s->restore_bytes, 9999);
	ck_assert_int_eq(s->restore_eta_ms, 15000);
	ck_assert_int_eq(s->epoch, -1);
	ck_assert_int_eq(s->last_commit_ms, SNAPSHOT_NONE);
	ck_assert_double_lt(s->commit_took_ms, 0);
	ck_assert_int_eq(shown->state, JOB_RESTORING);
	ck_assert_double_eq(counter(METRIC_RESTORED_ROWS, "arrivals:0", NULL, NULL), 250);
	t->phase = PHASE_RUNNING;
	t->restore = (struct takeover_progress){0};
	look(1000);
	ck_assert_int_eq(shown->state, JOB_RUNNING);
	t->phase = PHASE_RESTORE; /* by another owner: these rows count, too */
	t->restored_rows = 40;
	look(1000);
	ck_assert_double_eq(counter(METRIC_RESTORED_ROWS, "arrivals:0", NULL, NULL), 290);
}
END_TEST

START_TEST(a_failed_task_fails_the_job)
{
	tasks[1][0].phase = PHASE_FAILED;
	snprintf(tasks[1][0].error, sizeof tasks[1][0].error, "offsets are gone");
	snprintf(reports[1].last_error, sizeof reports[1].last_error, "offsets are gone");
	reports[1].last_error_ms = NOW - 3000;
	look(0);
	const struct snapshot_task *t = shown_task("arrivals:1");
	ck_assert_int_eq(t->state, TASK_FAILED);
	ck_assert_str_eq(t->last_error, "offsets are gone");
	ck_assert_int_eq(t->last_error_ms, NOW - 3000);
	ck_assert_int_eq(shown->state, JOB_FAILED);
	ck_assert_str_eq(shown->error, "offsets are gone");
	ck_assert_str_eq(shown->nodes[0].problem, "arrivals:1 has stopped");
	look(1000);
	ck_assert_double_eq(counter(METRIC_TASK_ERRORS, NULL, NULL, "fatal"), 1);
}
END_TEST

START_TEST(rates_and_steps)
{
	node.online_ops = &memory_online;
	look(0);
	ck_assert_double_eq(shown_task("arrivals:0")->records_per_s, 0);
	for (int i = 0; i < 8; i++) {
		more(0, 0, 100);
		more(1, 0, 50);
		more(0, 1, 40);
		tasks[0][0].late += 2;
		tasks[0][0].dead += 1;
		views[0][PLANES].counts.rows += 90;
		views[0][PLANES].counts.expiry_rows += 10;
		look(1000);
	}
	ck_assert_double_eq_tol(shown_task("arrivals:0")->records_per_s, 100, 1e-6);
	ck_assert_uint_eq(shown->records, 1000 + 300 + 8 * 150);
	static const struct {
		const char *name, *detail;
		enum step_kind kind;
		double rate;
		int64_t lag;
	} n[] = {{"arrivals", "topic arrivals, 2 partitions", STEP_SOURCE, 150, 0},
	        {"arrivals.by.dest", "weir.flights.arrivals.by.dest", STEP_REPARTITION, 40, 0},
	        {"planes", "by tailnum, 1 feature", STEP_VIEW, 150, -1},
	        {"places", "by dest, 2 features", STEP_VIEW, 40, -1},
	        {"offline", "weir.<view>.v<version>", STEP_SINK, 100, -1},
	        {"online", "memory", STEP_SINK, 100, -1},
	        {"late", "weir.flights.late", STEP_SINK, 2, -1},
	        {"dead", "weir.flights.dead", STEP_SINK, 1, -1}};
	ck_assert_uint_eq(shown->nnodes, sizeof n / sizeof *n);
	for (uint32_t i = 0; i < shown->nnodes; i++) {
		const struct snapshot_node *s = &shown->nodes[i];
		ck_assert_str_eq(s->name, n[i].name);
		ck_assert_str_eq(s->detail, n[i].detail);
		ck_assert_int_eq(s->kind, n[i].kind);
		ck_assert_double_eq_tol(s->records_per_s, n[i].rate, 1e-6);
		ck_assert_int_eq(s->lag_records, n[i].lag);
	}
	static const struct snapshot_edge e[] = {{0, 2, 150}, {0, 6, 2}, {0, 7, 1}, {1, 3, 40},
	        {0, 1, 40}, {2, 4, 100}, {2, 5, 100}, {3, 4, 0}, {3, 5, 0}};
	ck_assert_uint_eq(shown->nedges, sizeof e / sizeof *e);
	for (uint32_t i = 0; i < shown->nedges; i++) {
		ck_assert_uint_eq(shown->edges[i].from, e[i].from);
		ck_assert_uint_eq(shown->edges[i].to, e[i].to);
		ck_assert_double_eq_tol(
		        shown->edges[i].records_per_s, e[i].records_per_s, 1e-6);
	}
	observe_steps_online(shown, 0.25, "down");
	ck_assert_double_eq_tol(shown->nodes[5].records_per_s, 25, 1e-6);
	ck_assert_double_eq_tol(shown->edges[6].records_per_s, 25, 1e-6);
	ck_assert_double_eq_tol(shown->edges[5].records_per_s, 100, 1e-6);
	ck_assert_str_eq(shown->nodes[5].problem, "down");
}
END_TEST

START_TEST(views_and_freshness)
{
	struct op_counts *c = &views[0][PLANES].counts;
	*c = (struct op_counts){.rows = 10,
	        .expiry_rows = 2,
	        .null_entity = 3,
	        .not_finite = 4,
	        .newest_event_time = NOW - 10,
	        .newest_known_at = NOW - 20,
	        .program = {.overflow = 1, .failed_cast = 5},
	        .agg = {.overflow = 2, .capped = 6}};
	views[1][PLANES].counts.rows = 5;
	views[1][PLANES].counts.newest_known_at = NOW - 15;
	look(0);
	const struct snapshot_view *v = &shown->views[PLANES];
	ck_assert_str_eq(v->name, "planes");
	ck_assert_str_eq(v->topic, "weir.planes.v1");
	ck_assert_str_eq(v->entity[0], "tailnum");
	ck_assert_str_eq(v->owner, "ops");
	ck_assert_str_eq(v->features[0].text, "count() over 7d");
	ck_assert_str_eq(v->features[0].type, "long");
	ck_assert_uint_eq(v->rows, 17);
	ck_assert_int_eq(v->event_time_ms, NOW - 10);
	ck_assert_int_eq(v->known_at_ms, NOW - 15);
	ck_assert_int_eq(v->freshness_ms, 60000);
	ck_assert_uint_eq(v->null_entities, 3);
	ck_assert_uint_eq(v->not_finite, 4);
	ck_assert_uint_eq(v->overflows, 3);
	ck_assert_uint_eq(v->failed_casts, 5);
	ck_assert_uint_eq(v->capped, 6);
	ck_assert_int_eq(shown->views[PLACES].known_at_ms, SNAPSHOT_NONE);
	ck_assert_ptr_null(shown->nodes[2].problem);
	ck_assert_double_eq(counter(METRIC_ROWS, NULL, "planes", NULL), 17);
	ck_assert_double_eq(counter(METRIC_EXPIRY_ROWS, NULL, "planes", NULL), 2);
	look(60000);
	ck_assert_str_eq(shown->nodes[2].problem, "older than its promise of 1 min");
}
END_TEST

START_TEST(what_died)
{
	reports[0].bad[BAD_TYPE] = 3;
	reports[1].bad[BAD_TYPE] = 1;
	reports[1].bad[BAD_FUTURE_TIME] = 2;
	reports[0].bad[BAD_LATE] = 9;
	dead[0][0] = (struct dead_report){SOURCE, 0, {11, NOW - 500, BAD_TYPE, "tailnum: 6"}};
	dead[0][1] = (struct dead_report){SOURCE, 0, {12, NOW - 100, BAD_TYPE, ""}};
	dead[1][0] = (struct dead_report){SOURCE, 1, {7, NOW - 300, BAD_FUTURE_TIME, "at: x"}};
	reports[0].ndead = 2;
	reports[1].ndead = 1;
	look(0);
	ck_assert_uint_eq(shown->late, 9);
	ck_assert_uint_eq(shown->ndead, 2);
	ck_assert_str_eq(shown->dead[0].reason, "wrong_type");
	ck_assert_uint_eq(shown->dead[0].count, 4);
	ck_assert_str_eq(shown->dead[1].reason, "future_time");
	ck_assert_uint_eq(shown->ndead_samples, 3);
	static const int64_t offsets[] = {12, 7, 11};
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(shown->dead_samples[i].offset, offsets[i]);
	ck_assert_ptr_null(shown->dead_samples[0].detail);
	ck_assert_str_eq(shown->dead_samples[1].detail, "at: x");
	ck_assert_str_eq(shown->dead_samples[1].topic, "arrivals");
	ck_assert_int_eq(shown->dead_samples[1].partition, 1);
	ck_assert(metrics_say(
	        "weir_dead_letters_total{job=\"flights\",reason=\"wrong_type\"} 4\n"));
	ck_assert(!metrics_say("reason=\"late\""));
}
END_TEST

START_TEST(totals_go_on_over_restarts_and_aborts)
{
	look(0);
	ck_assert_double_eq(counter(METRIC_RECORDS, "arrivals:0", NULL, NULL), 1000);
	/* An epoch is aborted: its 100 records are read again, and then 50 more. */
	tasks[0][0].records = reports[0].records = 900;
	reports[0].aborts = 1;
	look(1000);
	ck_assert_uint_eq(shown->records, 1300);
	tasks[0][0].records = reports[0].records = 1050;
	look(1000);
	ck_assert_uint_eq(shown->records, 1350);
	ck_assert_double_eq(counter(METRIC_RECORDS, "arrivals:0", NULL, NULL), 1050);
	ck_assert_double_eq(counter(METRIC_EPOCHS_ABORTED, NULL, NULL, NULL), 1);
	/* The worker is opened again: everything of its begins at 0. */
	tasks[0][0].records = reports[0].records = 30;
	reports[0].aborts = 0;
	reports[0].epochs = 2;
	look(1000);
	ck_assert_uint_eq(shown->records, 1380);
	ck_assert_double_eq(counter(METRIC_RECORDS, "arrivals:0", NULL, NULL), 1080);
	ck_assert_double_eq(counter(METRIC_EPOCHS, NULL, NULL, NULL), 12);
	/* The job is: its series begin again, what people see goes on. */
	views[0][PLACES].counts.rows = 8;
	look(1000);
	view.started_ms += 30000;
	tasks[0][0].records = reports[0].records = 5;
	views[0][PLACES].counts.rows = 1;
	look(1000);
	ck_assert_uint_eq(shown->records, 1380 + 5 + 300);
	ck_assert_uint_eq(shown->views[PLACES].rows, 9);
	ck_assert_double_eq(counter(METRIC_RECORDS, "arrivals:0", NULL, NULL), 5);
}
END_TEST

START_TEST(a_task_that_moves)
{
	look(0);
	ck_assert(metrics_say("weir_records_total{job=\"flights\",task=\"arrivals:1\"} 300\n"));
	reports[1].ntasks = 0; /* to another node; its records stay in the worker's sum */
	look(1000);
	ck_assert(!metrics_say("task=\"arrivals:1\""));
	ck_assert_int_eq(shown_task("arrivals:1")->state, TASK_ELSEWHERE);
	ck_assert_uint_eq(shown->records, 1300);
	/* To the node's other worker: a new owner counts from 0, the series goes on. */
	tasks[1][0] = task(SOURCE, 0, 20);
	reports[1].ntasks = 1;
	reports[0].ntasks = 0;
	look(1000);
	ck_assert_double_eq(counter(METRIC_RECORDS, "arrivals:0", NULL, NULL), 1020);
	ck_assert_str_eq(shown_task("arrivals:0")->owner, "n1.1");
	/* A partition that the plan does not know of yet. */
	tasks[1][0].partition = 5;
	look(1000);
	ck_assert_str_eq(shown_task("arrivals:5")->owner, "n1.1");
	ck_assert_int_eq(shown_task("arrivals:4")->state, TASK_ELSEWHERE);
}
END_TEST

START_TEST(commits_are_observed_once)
{
	look(0);
	look(1000);
	ck_assert_double_eq(counter(METRIC_COMMIT_TIME, NULL, NULL, NULL), 2); /* two workers */
	tasks[1][0].last_commit_ms = NOW + 900;
	tasks[1][0].last_commit_took_ms = 400;
	look(1000);
	ck_assert_double_eq(counter(METRIC_COMMIT_TIME, NULL, NULL, NULL), 3);
	ck_assert(metrics_say("weir_commit_seconds_sum{job=\"flights\"} 0.44\n"));
}
END_TEST

START_TEST(silent_and_absent_workers)
{
	handed[1] = NULL;
	look(0);
	ck_assert_int_eq(shown_task("arrivals:1")->state, TASK_ELSEWHERE);
	ck_assert_ptr_null(shown_task("arrivals:0")->waits_for);
	clk.now_ms += 12000;
	snapshot_unref(snap);
	snap = snapshot_new();
	snap->now_ms = clk.now_ms;
	shown = arena_calloc(&snap->arena, 1, sizeof *shown);
	observe_job_view(o, &node, &view, snap, shown);
	ck_assert_str_eq(
	        shown_task("arrivals:0")->waits_for, "its worker has said nothing for 12 s");
}
END_TEST

START_TEST(a_job_that_has_not_started)
{
	view.plan = NULL;
	view.state = JOB_STARTING;
	view.error = "there is no topic arrivals";
	look(0);
	ck_assert_int_eq(shown->state, JOB_STARTING);
	ck_assert_str_eq(shown->error, "there is no topic arrivals");
	ck_assert_int_eq(shown->started_ms, SNAPSHOT_NONE);
	ck_assert_uint_eq(shown->ntasks + shown->nnodes, 0);
	ck_assert_uint_eq(shown->nviews, 2);
}
END_TEST

/* The whole node; jobs without a run need no workers. */
START_TEST(a_node)
{
	const struct observe_job jobs[] = {
	        {.name = "b", .source = "weir.jobs@2", .paused = true},
	        {.name = "a", .source = "weir.jobs@1", .error = "no such column"}};
	struct recent *recent = recent_new(&clk.clock);
	recent_tap(recent, LOG_LVL_WARN, "a", "cannot start yet");
	recent_tap(recent, LOG_LVL_ERROR, "kafka", "refused");
	node.recent = recent;
	node.broker_up = node.caught_up = false;
	node.broker_error = "refused";
	struct snapshot *s = observe_make(o, &node, jobs, 2);
	static const char *const reasons[] = {"no Kafka broker answers: refused",
	        "the deployed jobs have not all been read yet", "a has failed: no such column"};
	ck_assert(!s->ready);
	ck_assert_uint_eq(s->nreasons, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(s->reasons[i], reasons[i]);
	ck_assert_str_eq(s->jobs[0].name, "a");
	ck_assert_int_eq(s->jobs[0].state, JOB_FAILED);
	ck_assert_uint_eq(s->jobs[0].nrecent, 1);
	ck_assert_int_eq(s->jobs[1].state, JOB_PAUSED);
	ck_assert_uint_eq(s->nrecent, 2);
	ck_assert(s->online_up);
	snapshot_unref(s);
	ck_assert(metrics_say("weir_ready 0\n"));
	ck_assert(metrics_say("weir_job_up{job=\"a\"} 0\n"));
	node.broker_up = node.caught_up = true;
	s = observe_make(o, &node, jobs, 1); /* a was removed */
	ck_assert(s->ready && !s->broker_error);
	snapshot_unref(s);
	ck_assert(metrics_say("weir_ready 1\n"));
	ck_assert(!metrics_say("job=\"a\""));
	recent_free(recent);
}
END_TEST

START_TEST(a_node_with_an_online_store)
{
	node.online_ops = &memory_online;
	node.online = memory_online_new(&clk.clock, "weir");
	struct snapshot *s = observe_make(o, &node, NULL, 0);
	ck_assert(s->online_up);
	snapshot_unref(s);
	ck_assert(metrics_say("weir_online_up 1\n"));
	ck_assert(metrics_say("weir_online_rows_total 0\n"));
	memory_online.close(node.online);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("observe");
	TCase *t = tcase_create("observe");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, tallies);
	tcase_add_test(t, rates_over_five_seconds);
	tcase_add_test(t, tasks_of_here_and_elsewhere);
	tcase_add_test(t, a_restore);
	tcase_add_test(t, a_failed_task_fails_the_job);
	tcase_add_test(t, rates_and_steps);
	tcase_add_test(t, views_and_freshness);
	tcase_add_test(t, what_died);
	tcase_add_test(t, totals_go_on_over_restarts_and_aborts);
	tcase_add_test(t, a_task_that_moves);
	tcase_add_test(t, commits_are_observed_once);
	tcase_add_test(t, silent_and_absent_workers);
	tcase_add_test(t, a_job_that_has_not_started);
	tcase_add_test(t, a_node);
	tcase_add_test(t, a_node_with_an_online_store);
	suite_add_tcase(suite, t);
	SRunner *r = srunner_create(suite);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
