// SPDX-License-Identifier: Apache-2.0
//
// Monitors over the log in memory: a hand-written table of windows and the alerts they must
// give, windows that are odd (empty, all nulls, constants, one category, infinities), labels
// that come late, twice or never; and the same events once undisturbed and once with every step
// of the protocol failing now and then and workers dying with windows open: records and alerts
// must come out the same.
#include <math.h>

#include "run/drift_record.h"
#include "run/drift_watch.h"
#include "run_rig.h"
#include "tests/unit/baseline_rig.h"

/* -- jobs -- */

#define AT "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}"
static const char sources[] = "job: t\n"
                              "sources:\n"
                              "  predictions:\n"
                              "    topic: predictions\n"
                              "    format: json\n"
                              "    schema: {\"type\":\"record\",\"name\":\"p\",\"fields\":[" AT
                              ",{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"version\","
                              "\"type\":[\"null\",\"string\"]},"
                              "{\"name\":\"x\",\"type\":[\"null\",\"double\"]},{\"name\":"
                              "\"score\",\"type\":\"double\"},"
                              "{\"name\":\"color\",\"type\":[\"null\",\"string\"]}]}\n"
                              "    time: at\n"
                              "    lateness: 1s\n"
                              "    idle: 5s\n"
                              "  outcomes:\n"
                              "    topic: outcomes\n"
                              "    format: json\n"
                              "    schema: {\"type\":\"record\",\"name\":\"o\",\"fields\":[" AT
                              ",{\"name\":\"id\",\"type\":\"string\"},{\"name\":\"late\","
                              "\"type\":[\"null\",\"boolean\"]}]}\n"
                              "    time: at\n"
                              "    lateness: 1s\n"
                              "monitors:\n"
                              "  m:\n"
                              "    from: predictions\n"
                              "    window: 10s\n";

static struct job *job_make(const char *rest)
{
	struct buf text = {0};
	buf_str(&text, sources);
	buf_str(&text, rest);
	buf_str(&text, "    baseline: ");
	baseline_text(&text);
	buf_byte(&text, '\n');
	struct job *job = job_of(buf_view(&text));
	buf_release(&text);
	return job;
}

/* -- the world -- */

struct world {
	struct job *job;
	struct plan *plan;
	struct log_broker *broker;
	struct worker *worker;
	struct clock_manual clock;
	struct store *store;
	char dir[64];
	int faults; /* in a thousand calls; -1: everything fails */
};

static enum memory_fault fault(void *arg, enum memory_step s)
{
	return fault_random(((struct world *)arg)->faults, s);
}

static void worker_start(struct world *w)
{
	struct worker_conf c = conf_of(w->plan, w->broker, &w->clock);
	c.store = w->store;
	c.wall_idle = true;
	worker_begin(&c, &w->worker);
}

static void world_open(
        struct world *w, const char *rest, int32_t npredictions, int32_t noutcomes, bool disk)
{
	*w = (struct world){.job = job_make(rest), .broker = memory_log_new()};
	int32_t partitions[] = {npredictions, noutcomes};
	clock_manual_init(&w->clock, 1700000000000);
	w->plan = plan_of(w->job, w->broker, partitions);
	if (disk)
		store_open(&w->store, w->dir);
	memory_log_faults(w->broker, fault, w);
	worker_start(w);
}

static void world_close(struct world *w)
{
	worker_close(w->worker);
	store_lose(&w->store, w->dir);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static void settle(struct world *w)
{
	for (int quiet = 0, i = 0; quiet < 3; i++) {
		ck_assert_int_lt(i, 50000);
		worker_go(w->worker, &w->clock);
		quiet = worker_settled(w->worker, w->broker) ? quiet + 1 : 0;
	}
}

#define T0 INT64_C(1700000000000) /* a multiple of 10 s */

static void produce(
        struct world *w, const char *topic, int32_t partition, int64_t at, const char *text)
{
	struct slice v = slice_of(text);
	memory_log_produce(w->broker, topic, partition, NULL, &v, at);
}

/* -- what came out -- */

struct out {
	struct arena arena;
	struct drift_record
	        *records; /* the newest of each key, in order of keys' first records */
	struct slice *keys, *values;
	uint32_t n, told;
	struct alert_record *alerts;
	struct slice *alert_values;
	uint32_t nalerts;
};

#define OUT_MAX 4000

static void out_read(struct world *w, struct out *o)
{
	struct log_record r;
	*o = (struct out){0};
	o->records = arena_alloc(&o->arena, OUT_MAX * sizeof *o->records);
	o->keys = arena_alloc(&o->arena, OUT_MAX * sizeof *o->keys);
	o->values = arena_alloc(&o->arena, OUT_MAX * sizeof *o->values);
	o->alerts = arena_alloc(&o->arena, OUT_MAX * sizeof *o->alerts);
	o->alert_values = arena_alloc(&o->arena, OUT_MAX * sizeof *o->alert_values);
	for (uint32_t i = 0; memory_log_read(w->broker, "weir.t.drift", 0, i, &r) == ST_OK;
	        i++) {
		uint32_t k = 0;
		while (k < o->n && !slice_eq(o->keys[k], r.key))
			k++;
		ck_assert_uint_lt(k, OUT_MAX);
		if (k == o->n)
			o->keys[o->n++] = arena_slice(&o->arena, r.key);
		o->values[k] = arena_slice(&o->arena, r.value);
		ck_assert(drift_record_read(o->values[k], &o->records[k], &o->arena));
		o->told++;
	}
	for (; memory_log_read(w->broker, "weir.alerts", 0, o->nalerts, &r) == ST_OK;
	        o->nalerts++) {
		ck_assert_uint_lt(o->nalerts, OUT_MAX);
		o->alert_values[o->nalerts] = arena_slice(&o->arena, r.value);
		ck_assert(alert_record_read(
		        o->alert_values[o->nalerts], &o->alerts[o->nalerts], &o->arena));
	}
}

static const struct drift_record *record_of(
        const struct out *o, const char *column, int64_t window)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (!strcmp(o->records[i].column, column) &&
		        o->records[i].window_start == window)
			return &o->records[i];
	return NULL;
}

static double value_of(const struct drift_record *r, const char *test)
{
	ck_assert_ptr_nonnull(r);
	for (uint32_t i = 0; i < r->ntests; i++)
		if (!strcmp(r->tests[i].test, test))
			return r->tests[i].value;
	ck_abort_msg("no test %s", test);
	return 0;
}

/* -- alerts -- */

/* A window each: B breaches (all null), q is quiet, - has too few rows, _ has none. */
static const struct sequence {
	uint32_t sustain;
	const char *windows;
	const char *alerts; /* per alert: state, window, since, windows in a row */
} sequences[] = {
        {1, "qqBqBBq", "F2,2,1 R3,2,1 F4,4,1 R6,4,1"},
        {2, "qBqBBBqBqq", "F4,3,2 R9,3,2"},
        {3, "BBqBBB", "F5,3,3"},
        {3, "BBBqqBqqqBB", "F2,0,3 R8,0,3"},
        {2, "B-Bqq", "F2,0,2 R4,0,2"},
        {2, "B_Bq_q", "F2,0,2 R5,0,2"},
        {2, "-_-", ""},
        {2, "BqBqBq", ""},
};

START_TEST(alert_sequence)
{
	const struct sequence *s = &sequences[_i];
	struct world w;
	struct out o;
	struct buf got = {0};
	char rest[300];
	snprintf(rest, sizeof rest,
	        "    columns: [x]\n    tests: {null_rate: 0.5}\n    min_rows: 3\n    sustain: "
	        "%u\n",
	        s->sustain);
	world_open(&w, rest, 1, 1, false);
	for (uint32_t i = 0; s->windows[i]; i++) {
		uint32_t rows = s->windows[i] == '_' ? 0 : s->windows[i] == '-' ? 1 : 5;
		for (uint32_t k = 0; k < rows; k++) {
			char text[200];
			int64_t at = T0 + i * 10000 + k * 1000;
			snprintf(text, sizeof text,
			        "{\"at\":%lld,\"id\":\"a\",\"version\":null,\"x\":%s,\"score\":"
			        "0,"
			        "\"color\":null}",
			        (long long)at, s->windows[i] == 'q' ? "1" : "null");
			produce(&w, "predictions", 0, at, text);
		}
		settle(&w);
	}
	char end[200];
	int64_t at = T0 + 1000000;
	snprintf(end, sizeof end,
	        "{\"at\":%lld,\"id\":\"a\",\"version\":null,\"x\":1,\"score\":0,\"color\":"
	        "null}",
	        (long long)at);
	produce(&w, "predictions", 0, at, end);
	settle(&w);
	out_read(&w, &o);
	for (uint32_t i = 0; i < o.nalerts; i++) {
		const struct alert_record *a = &o.alerts[i];
		ck_assert_str_eq(a->job, "t");
		ck_assert_str_eq(a->monitor, "m");
		ck_assert_str_eq(a->column, "x");
		ck_assert_str_eq(a->test, "null_rate");
		ck_assert_double_eq(a->threshold, 0.5);
		ck_assert_double_eq(a->value, a->firing ? 1 : 0);
		ck_assert_int_eq(a->window_end, a->window_start + 10000);
		buf_printf(&got, "%s%c%d,%d,%d", i ? " " : "", a->firing ? 'F' : 'R',
		        (int)((a->window_start - T0) / 10000), (int)((a->since - T0) / 10000),
		        (int)a->windows);
	}
	ck_assert_str_eq(buf_cstr(&got), s->alerts);
	buf_release(&got);
	arena_release(&o.arena);
	world_close(&w);
}
END_TEST

/* -- what the node shows, and the webhook -- */

struct taker {
	int fails, posts;
	char last[4000];
};

static enum status take(void *arg, struct slice json, struct error *e)
{
	struct taker *t = arg;
	t->posts++;
	snprintf(t->last, sizeof t->last, "%.*s", (int)json.len, (const char *)json.p);
	return t->fails-- > 0 ? error_set(e, ERR_RETRIABLE, 0, "no") : ST_OK;
}

/* Windows of five rows each, B all null. */
static void windows_produce(struct world *w, int from, const char *windows)
{
	for (int i = 0; windows[i]; i++)
		for (int k = 0; k < 5; k++) {
			char text[200];
			int64_t at = T0 + (from + i) * 10000 + k * 1000;
			snprintf(text, sizeof text,
				"{\"at\":%lld,\"id\":\"a\",\"version\":\"v\",\"x\":%s,\"score\":0,"
				"\"color\":null}", (long long)at, windows[i] == 'B' ? "null" : "1");
			produce(w, "predictions", 0, at, text);
		}
	settle(w);
}

START_TEST(watched_and_posted)
{
	struct world w;
	struct taker t = {.fails = 2};
	struct alert_sink sink = {&t, take};
	const char *const jobs[] = {"t"};
	struct arena a = {0};
	struct snapshot_job shown = {0};
	world_open(&w, "    by: [version]\n    columns: [x]\n    tests: {null_rate: 0.5}\n", 1, 1,
		false);
	struct drift_watch_conf conf = {.log = &memory_log, .broker = w.broker, .prefix = "weir",
		.http = "h:1", .clock = &w.clock.clock, .sink = &sink};
	struct drift_watch *watch = drift_watch_open(&conf);
	drift_watch_jobs(watch, jobs, 1);
	drift_watch_round(watch);
	ck_assert_int_eq(t.posts, 0);

	windows_produce(&w, 0, "qBq");
	drift_watch_round(watch); /* refused */
	drift_watch_round(watch); /* not at once again */
	ck_assert_int_eq(t.posts, 1);
	w.clock.now_ms += 1000;
	drift_watch_round(watch); /* refused again: the pause grows */
	w.clock.now_ms += 1000;
	drift_watch_round(watch);
	ck_assert_int_eq(t.posts, 2);
	w.clock.now_ms += 1000;
	drift_watch_round(watch);
	ck_assert_int_eq(t.posts, 3);
	ck_assert_ptr_nonnull(strstr(t.last, "\"alertname\":\"WeirDrift\""));
	ck_assert_ptr_nonnull(strstr(t.last, "\"segment\":\"{\\\"version\\\":\\\"v\\\"}\""));
	ck_assert_ptr_nonnull(strstr(t.last, "\"startsAt\":\"2023-11-14T22:13:30.000Z\""));
	ck_assert_ptr_null(strstr(t.last, "endsAt"));
	drift_watch_show(watch, "t", &a, &shown);
	ck_assert_uint_eq(shown.alerts_firing, 1);
	ck_assert_uint_eq(shown.drift_breached, 1);
	ck_assert_ptr_nonnull(strstr(shown.drift_json, "\"column\":\"x\""));

	drift_watch_round(watch); /* said, and said again after a minute */
	ck_assert_int_eq(t.posts, 3);
	w.clock.now_ms += 61000;
	drift_watch_round(watch);
	ck_assert_int_eq(t.posts, 4);

	windows_produce(&w, 3, "qq");
	drift_watch_round(watch);
	ck_assert_int_eq(t.posts, 5);
	ck_assert_ptr_nonnull(strstr(t.last, "endsAt"));
	w.clock.now_ms += 61000;
	drift_watch_round(watch); /* what is over is said once */
	ck_assert_int_eq(t.posts, 5);
	shown = (struct snapshot_job){0};
	drift_watch_show(watch, "t", &a, &shown);
	ck_assert_uint_eq(shown.alerts_firing, 0);
	ck_assert_uint_eq(shown.drift_breached, 0);
	drift_watch_jobs(watch, jobs, 0);
	drift_watch_show(watch, "t", &a, &shown);
	drift_watch_close(watch);
	arena_release(&a);
	world_close(&w);
}
END_TEST

/* -- odd windows -- */

static void x_at(struct world *w, int32_t partition, int64_t s)
{
	char text[200];
	snprintf(text, sizeof text,
		"{\"at\":%lld,\"id\":\"a\",\"version\":null,\"x\":1,\"score\":0,\"color\":null}",
		(long long)(T0 + s * 1000));
	produce(w, "predictions", partition, T0 + s * 1000, text);
}

START_TEST(odd_windows)
{
	static const struct {
		const char *x, *color;
		int rows;
	} windows[] = {
	        {"null", "null", 5},  /* all null */
	        {"50", "\"red\"", 5}, /* a constant, one category */
	        {"1e308", "\"purple\"",
	                5}, /* far outside, a category that the reference never had */
	        {"-0.0", "\"\"", 1},
	};
	struct world w;
	struct out o;
	world_open(&w,
	        "    columns: [x, color]\n    tests: {psi: 0.25, ks: 0.2, null_rate: 0.5, "
	        "mean_shift: 3, out_of_range: 0.1, new_category: 0.1, wasserstein: 5, js: 0.1, "
	        "chi2_p: 0.01, rows: 2}\n",
	        1, 1, false);
	for (uint32_t i = 0; i < 4; i++)
		for (int k = 0; k < windows[i].rows; k++) {
			char text[300];
			int64_t at =
			        T0 + (int64_t)i * 20000 + k * 1000; /* every other has no row */
			snprintf(text, sizeof text,
			        "{\"at\":%lld,\"id\":\"a\",\"version\":null,\"x\":%s,\"score\":"
			        "0,"
			        "\"color\":%s}",
			        (long long)at, windows[i].x, windows[i].color);
			produce(&w, "predictions", 0, at, text);
		}
	/* Without the monitored columns, which may be null. */
	produce(&w, "predictions", 0, T0 + 200000,
	        "{\"at\":1700000200000,\"id\":\"a\",\"version\":null,\"score\":0}");
	x_at(&w, 0, 400);
	settle(&w);
	out_read(&w, &o);
	ck_assert_uint_eq(o.n, 10); /* a window without rows has no record */
	ck_assert_ptr_null(record_of(&o, "x", T0 + 10000));
	const struct drift_record *r = record_of(&o, "x", T0);
	ck_assert_int_eq(r->rows, 5);
	ck_assert_int_eq(r->nulls, 5);
	ck_assert_int_eq(r->reference_rows, 1000);
	ck_assert_double_eq(value_of(r, "null_rate"), 1);
	ck_assert(isnan(value_of(r, "ks")));
	ck_assert(isnan(value_of(r, "mean_shift")));
	r = record_of(&o, "x", T0 + 20000);
	ck_assert_double_gt(value_of(r, "psi"), 0.25);
	ck_assert_double_eq(value_of(r, "out_of_range"), 0);
	r = record_of(&o, "x", T0 + 40000);
	ck_assert_double_eq(value_of(r, "out_of_range"), 1);
	ck_assert_double_eq_tol(value_of(r, "ks"), 1, 1e-9);
	r = record_of(&o, "color", T0 + 40000);
	ck_assert_double_eq(value_of(r, "new_category"), 1);
	r = record_of(&o, "color", T0 + 60000);
	ck_assert_double_eq(value_of(r, "rows"), 1);
	r = record_of(&o, "x", T0 + 200000);
	ck_assert_int_eq(r->rows, 1);
	ck_assert_int_eq(r->nulls, 1);
	ck_assert_double_eq(value_of(r, "null_rate"), 1);
	ck_assert(isnan(value_of(r, "psi")));
	for (uint32_t i = 0; i < o.n; i++)
		for (uint32_t k = 0; k < o.records[i].ntests; k++)
			ck_assert(!isinf(o.records[i].tests[k].value));
	arena_release(&o.arena);
	world_close(&w);
}
END_TEST

/* -- partitions that fall silent -- */

static int64_t parts_end(struct world *w)
{
	struct error e;
	int64_t begin, end;
	ck_assert_int_eq(memory_log.bounds(w->broker, "weir.t.monitors.parts", 0, &begin, &end, &e), 0);
	return end;
}

static int64_t rows_in(const struct out *o, int64_t s)
{
	const struct drift_record *r = record_of(o, "x", T0 + s * 1000);
	return r ? r->rows : 0;
}

/* Partition 0 goes on, 1 falls silent in the first window, 2 never has a record. */
START_TEST(silent_partitions)
{
	struct world w;
	struct out o;
	world_open(&w, "    columns: [x]\n    tests: {rows: 2}\n", 3, 1, false);
	for (int s = 0; s < 40; s += 5)
		x_at(&w, 0, s);
	x_at(&w, 1, 3);
	settle(&w);
	out_read(&w, &o);
	ck_assert_uint_eq(o.n, 0); /* its records may come */
	arena_release(&o.arena);

	w.clock.now_ms += 16000; /* since its record at 3 s: for `idle` it is 19 s, window 0 is over */
	settle(&w);
	w.clock.now_ms += 8000; /* as long as `idle` says, after the last look */
	settle(&w);
	out_read(&w, &o);
	ck_assert_int_eq(rows_in(&o, 0), 3);
	ck_assert_int_eq(rows_in(&o, 10), 2); /* nobody waits for 1 any more */
	arena_release(&o.arena);

	w.clock.now_ms += 100000; /* 0 is silent too: its windows end by the clock */
	settle(&w);
	w.clock.now_ms += 8000;
	settle(&w);
	out_read(&w, &o);
	ck_assert_int_eq(rows_in(&o, 30), 2);
	uint32_t told = o.told;
	arena_release(&o.arena);
	int64_t end = parts_end(&w);
	for (int i = 0; i < 20; i++) {
		w.clock.now_ms += 30000;
		settle(&w);
	}
	ck_assert_int_eq(parts_end(&w), end); /* an idle engine appends nothing */

	x_at(&w, 1, 34); /* not late in its partition: the window that was over is restated */
	settle(&w);
	w.clock.now_ms += 100000;
	settle(&w);
	w.clock.now_ms += 8000;
	settle(&w);
	out_read(&w, &o);
	ck_assert_int_eq(rows_in(&o, 0), 3);
	ck_assert_uint_ge(o.told, told);
	arena_release(&o.arena);
	world_close(&w);
}
END_TEST

/* -- labels -- */

static void prediction(struct world *w, int64_t s, const char *id, double score)
{
	char text[200];
	snprintf(text, sizeof text,
	        "{\"at\":%lld,\"id\":\"%s\",\"version\":null,\"x\":1,\"score\":%g,\"color\":"
	        "null}",
	        (long long)(T0 + s * 1000), id, score);
	produce(w, "predictions", 0, T0 + s * 1000, text);
}

static void outcome(struct world *w, int64_t s, const char *id, const char *late)
{
	char text[200];
	snprintf(text, sizeof text, "{\"at\":%lld,\"id\":\"%s\",\"late\":%s}",
	        (long long)(T0 + s * 1000), id, late);
	produce(w, "outcomes", 0, T0 + s * 1000, text);
}

static void both(struct world *w, int64_t s)
{
	prediction(w, s, "clock", 0.5);
	outcome(w, s, "tick", "true");
	settle(w);
}

static const char labelled[] = "    columns: [x]\n    id: id\n    score: score\n"
                               "    labels: {from: outcomes, id: id, value: late, wait: 30s}\n"
                               "    tests: {psi: 100, brier: 0.3}\n";

START_TEST(late_labels)
{
	struct world w;
	struct out o;
	world_open(&w, labelled, 1, 1, false);
	outcome(&w, 0, "early", "true"); /* before its prediction */
	prediction(&w, 1, "a", 1);
	prediction(&w, 2, "b", 0);
	prediction(&w, 3, "c", 0);
	prediction(&w, 4, "a", 0.25); /* the first of an id counts */
	prediction(&w, 5, "early", 1);
	prediction(&w, 6, "never", 0.5);
	outcome(&w, 7, "a", "true");
	settle(&w);
	both(&w, 15);
	out_read(&w, &o);
	const struct drift_record *r = record_of(&o, "_error", T0);
	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(r->rows, 5);
	ck_assert_int_eq(r->nulls, 3);
	ck_assert_double_eq(value_of(r, "brier"), 0);
	ck_assert_uint_eq(o.nalerts, 0);
	arena_release(&o.arena);

	outcome(&w, 16, "b", "true");
	outcome(&w, 17, "b", "false"); /* the first counts */
	outcome(&w, 18, "c", "true");
	outcome(&w, 18, "none", "true"); /* of no prediction */
	outcome(&w, 18, "a", "null");
	settle(&w);
	both(&w, 25);
	out_read(&w, &o);
	r = record_of(&o, "_error", T0);
	ck_assert_int_eq(r->nulls, 1);
	ck_assert_double_eq(value_of(r, "brier"), 0.5);
	ck_assert_uint_eq(o.nalerts, 0); /* labels may still come */
	arena_release(&o.arena);

	both(&w, 45);
	outcome(&w, 44, "never",
	        "false"); /* too late: its window ended at 10, and the wait at 40 */
	both(&w, 55);
	out_read(&w, &o);
	r = record_of(&o, "_error", T0);
	ck_assert_int_eq(r->nulls, 1);
	ck_assert_uint_eq(o.nalerts, 1);
	ck_assert_str_eq(o.alerts[0].column, "_error");
	ck_assert_str_eq(o.alerts[0].test, "brier");
	ck_assert_int_eq(o.alerts[0].window_start, T0);
	ck_assert_double_eq(o.alerts[0].value, 0.5);
	arena_release(&o.arena);
	world_close(&w);
}
END_TEST

START_TEST(labels_never)
{
	struct world w;
	struct out o;
	world_open(&w, labelled, 1, 1, false);
	for (int i = 0; i < 9; i++) {
		char id[8];
		snprintf(id, sizeof id, "p%d", i);
		prediction(&w, i, id, 0.5);
	}
	for (int s = 15; s < 100; s += 10)
		both(&w, s);
	out_read(&w, &o);
	const struct drift_record *r = record_of(&o, "_error", T0);
	ck_assert_int_eq(r->rows, 9);
	ck_assert_int_eq(r->nulls, 9);
	ck_assert(isnan(value_of(r, "brier")));
	ck_assert_uint_eq(o.nalerts, 0);
	/* What is over leaves no state behind. */
	for (uint32_t i = 0; i < w.worker->ntasks; i++) {
		struct table_stats st;
		table_stats(w.worker->tasks[i]->table, &st);
		ck_assert_uint_lt(st.entities_in_memory, 40);
	}
	arena_release(&o.arena);
	world_close(&w);
}
END_TEST

/* -- disturbed -- */

#define EVENTS 3000
#define PARTITIONS 3

static const char watched[] =
        "    by: [version]\n    columns: [x, score, color]\n    id: id\n    score: score\n"
        "    labels: {from: outcomes, id: id, value: late, wait: 40s}\n"
        "    sustain: 2\n    min_rows: 5\n"
        "    tests: {psi: 0.5, ks: 0.3, null_rate: 0.2, mean_shift: 2, new_category: 0.05, "
        "brier: 0.3, ece: 0.2, error_shift: 1}\n";

/* Every partition has its first event before the worker looks, so that none is idle. */
static void event(struct world *w, int i, uint64_t *event_seed)
{
	uint64_t keep = seed;
	seed = *event_seed;
	char text[300];
	int64_t at = T0 + i * 100 - (int64_t)rnd(900);
	double drift = i / 600 % 2 ? 40 : 0;
	int version = (int)rnd(3);
	snprintf(text, sizeof text,
	        "{\"at\":%lld,\"id\":\"p%d\",\"version\":%s%d%s,\"x\":%s%.3f,\"score\":%.3f,"
	        "\"color\":\"%s\"}",
	        (long long)at, i, version ? "\"v|" : "null,\"y\":\"", version, "\"",
	        rnd(8) ? "" : "null,\"z\":", drift + (double)rnd(60000) / 1000,
	        (double)rnd(1000) / 1000, rnd(20) ? rnd(2) ? "red" : "blue" : "new");
	if (rnd(200) == 0)
		sprintf(text, "{");
	produce(w, "predictions", i % PARTITIONS, at, text);
	if (i >= 100) {
		snprintf(text, sizeof text, "{\"at\":%lld,\"id\":\"p%d\",\"late\":%s}",
		        (long long)(T0 + i * 100), (i - 100) ^ 7, rnd(3) ? "true" : "false");
		produce(w, "outcomes", i % 2, T0 + i * 100, text);
	} else {
		snprintf(text, sizeof text, "{\"at\":%lld,\"id\":\"none\",\"late\":true}",
		        (long long)(T0 + i * 100));
		produce(w, "outcomes", i % 2, T0 + i * 100, text);
	}
	*event_seed = seed;
	seed = keep;
}

static void kill_worker(struct world *w)
{
	worker_kill(w->worker, &w->faults);
	worker_start(w);
}

static void run_all(struct world *w, uint64_t event_seed, bool disturbed)
{
	for (int i = 0; i < 6; i++)
		event(w, i, &event_seed);
	for (int i = 6; i < EVENTS; i++) {
		event(w, i, &event_seed);
		if (i % 10)
			continue;
		worker_go(w->worker, &w->clock);
		if (disturbed && rnd(40) == 0)
			kill_worker(w);
	}
	w->faults = 0;
	settle(w);
}

/* The last event is at T0 + EVENTS * 100; lateness, a window, and 40 s of waiting before. */
#define FINAL_UPTO (T0 + EVENTS * 100 - 55000)

static void compare_records(const struct out *a, const struct out *b)
{
	ck_assert_uint_gt(a->n, 200);
	ck_assert_uint_eq(a->n, b->n);
	for (uint32_t i = 0; i < a->n; i++) {
		uint32_t k = 0;
		while (k < b->n && !slice_eq(a->keys[i], b->keys[k]))
			k++;
		ck_assert_msg(k < b->n, "no record %.*s", (int)a->keys[i].len, a->keys[i].p);
		const struct drift_record *x = &a->records[i], *y = &b->records[k];
		/* Labels of these are still awaited: how many have come is as it happens. */
		if (!strcmp(x->column, "_error") && x->window_end > FINAL_UPTO)
			continue;
		ck_assert_int_eq(x->rows, y->rows);
		ck_assert_int_eq(x->nulls, y->nulls);
		if (strcmp(x->column, "_error")) {
			/* Bit for bit: partitions are put together in their order. */
			ck_assert_msg(slice_eq(a->values[i], b->values[k]), "the value of %.*s",
			        (int)a->keys[i].len, a->keys[i].p);
			continue;
		}
		/* Joins take two topics as they come. */
		ck_assert_uint_eq(x->ntests, y->ntests);
		for (uint32_t t = 0; t < x->ntests; t++) {
			ck_assert_int_eq(isnan(x->tests[t].value), isnan(y->tests[t].value));
			if (!isnan(x->tests[t].value))
				ck_assert_double_eq_tol(
				        x->tests[t].value, y->tests[t].value, 1e-9);
		}
	}
}

static int alert_cmp(const void *pa, const void *pb)
{
	const struct alert_record *a = pa, *b = pb;
	int c = strcmp(a->column, b->column);
	if (!c)
		c = strcmp(a->test, b->test);
	const char *va = a->segment[0].value, *vb = b->segment[0].value;
	if (!c)
		c = strcmp(va ? va : "", vb ? vb : "");
	return c ? c
	         : (a->window_start > b->window_start) - (a->window_start < b->window_start);
}

static void compare_alerts(struct out *a, struct out *b)
{
	ck_assert_uint_gt(a->nalerts, 10);
	ck_assert_uint_eq(a->nalerts, b->nalerts);
	qsort(a->alerts, a->nalerts, sizeof *a->alerts, alert_cmp);
	qsort(b->alerts, b->nalerts, sizeof *b->alerts, alert_cmp);
	for (uint32_t i = 0; i < a->nalerts; i++) {
		const struct alert_record *x = &a->alerts[i], *y = &b->alerts[i];
		ck_assert_int_eq(alert_cmp(x, y), 0);
		ck_assert_int_eq(x->firing, y->firing);
		ck_assert_int_eq(x->since, y->since);
		ck_assert_int_eq(x->windows, y->windows);
		ck_assert_double_eq_tol(x->value, y->value, 1e-9);
	}
}

static void one_seed(uint64_t s, bool disk, int faults)
{
	struct world calm, rough;
	struct out a, b;
	seed = s * 7919 + 1;
	world_open(&calm, watched, PARTITIONS, 2, false);
	run_all(&calm, s + 12345, false);
	out_read(&calm, &a);
	world_open(&rough, watched, PARTITIONS, 2, disk);
	rough.faults = faults;
	run_all(&rough, s + 12345, true);
	out_read(&rough, &b);
	compare_records(&a, &b);
	compare_alerts(&a, &b);
	arena_release(&a.arena);
	arena_release(&b.arena);
	world_close(&calm);
	world_close(&rough);
}

START_TEST(disturbed_memory)
{
	one_seed((uint64_t)_i, false, 20);
}
END_TEST

START_TEST(disturbed_disk)
{
	one_seed((uint64_t)_i + 100, true, 20);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("monitors");
	TCase *tc = tcase_create("monitors");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, alert_sequence, 0, sizeof sequences / sizeof *sequences);
	tcase_add_test(tc, watched_and_posted);
	tcase_add_test(tc, odd_windows);
	tcase_add_test(tc, silent_partitions);
	tcase_add_test(tc, late_labels);
	tcase_add_test(tc, labels_never);
	tcase_add_loop_test(tc, disturbed_memory, 0, 4);
	tcase_add_loop_test(tc, disturbed_disk, 0, 3);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
