// SPDX-License-Identifier: Apache-2.0
//
// weir test JOB [FILE]...: a job's own tests, run by the engine over the log in memory.
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/test_compare.h"
#include "cli/tried.h"
#include "cli/wide_json.h"

struct testing {
	struct cli *c;
	const char *job_path;
	uint32_t passed, failed;
	json_t *tests; /* for --format json */
};

/* -- running one -- */

static void row_keep(void *arg, const struct try_row *r)
{
	struct test_got *got = arg;
	struct buf b = {0};
	try_row_json(r, &b);
	json_t *row = wide_json(buf_view(&b));
	INVARIANT(row);
	json_array_append_new(got->rows, row);
	buf_release(&b);
}

static json_t *record_keep(json_t *list, const struct buf *text)
{
	json_t *record = wide_json(buf_view(text));
	INVARIANT(record);
	json_array_append_new(list, record);
	return record;
}

/* Its tests by name, since that is how they are asked for. */
static void drift_keep(void *arg, const struct drift_record *r)
{
	struct test_got *got = arg;
	struct buf b = {0};
	json_t *values = json_object(), *p_values = json_object(), *breached = json_array(), *t;
	size_t i;
	drift_record_json(r, &b);
	json_t *record = record_keep(got->drift, &b);
	json_array_foreach(json_object_get(record, "tests"), i, t)
	{
		const char *name = json_string_value(json_object_get(t, "test"));
		json_object_set(values, name, json_object_get(t, "value"));
		json_object_set(p_values, name, json_object_get(t, "p_value"));
		if (json_is_true(json_object_get(t, "breached")))
			json_array_append_new(breached, json_string(name));
	}
	json_object_set_new(record, "tests", values);
	json_object_set_new(record, "p_values", p_values);
	json_object_set_new(record, "breached", breached);
	buf_release(&b);
}

static void alert_keep(void *arg, const struct alert_record *r)
{
	struct buf b = {0};
	alert_record_json(r, &b);
	record_keep(((struct test_got *)arg)->alerts, &b);
	buf_release(&b);
}

static const char *source_named(const struct job *job, const char *topic)
{
	for (uint32_t i = 0; i < job->nsources; i++)
		if (!strcmp(job->sources[i].topic, topic))
			return job->sources[i].name;
	return topic;
}

static void bad_keep(void *arg, const struct try_bad *bad)
{
	struct test_got *got = arg;
	json_array_append_new(
	        got->bad, json_pack("{s:s, s:s, s:s, s:i, s:I}", "reason", bad->reason,
	                          "detail", bad->detail ? bad->detail : "", "source",
	                          source_named(got->job, bad->source_topic), "partition",
	                          (int)bad->partition, "offset", (json_int_t)bad->offset));
}

static void tell(struct testing *ts, const struct test_file *t, bool ok, const char *text)
{
	bool colour = cli_colour(STDOUT_FILENO);
	ts->passed += ok;
	ts->failed += !ok;
	if (ts->c->json)
		return;
	printf("%s%s%s  %s%s%s\n%s", colour ? (ok ? "\033[32m" : "\033[31m") : "",
	        ok ? "ok    " : "FAILED", colour ? "\033[0m" : "", t->path,
	        t->description ? ": " : "", t->description ? t->description : "", text);
}

static void record(struct testing *ts, const char *path, const char *error, json_t *failures)
{
	json_array_append_new(ts->tests, json_pack("{s:s, s:b, s:s?, s:o}", "file", path, "ok",
	                                         !error && json_array_size(failures) == 0,
	                                         "error", error, "failures", failures));
}

static void execute(struct testing *ts, struct test_file *t, struct job *job)
{
	struct error e = {0};
	struct test_got got = {.job = job,
	        .rows = json_array(),
	        .drift = json_array(),
	        .alerts = json_array(),
	        .bad = json_array()};
	struct try_conf conf = {.job = job,
	        .events = t->events,
	        .events_name = t->events_name,
	        .row = row_keep,
	        .drift = drift_keep,
	        .alert = alert_keep,
	        .bad = bad_keep,
	        .arg = &got};
	tried_conf(ts->c, &conf);
	if (try_run(&conf, &got.counts, &e)) {
		char text[sizeof e.msg + 16];
		snprintf(text, sizeof text, "  %s\n", e.msg);
		tell(ts, t, false, text);
		record(ts, t->path, e.msg, json_array());
	} else {
		struct test_result r;
		test_compare(t, job, &got, &r);
		tell(ts, t, r.n == 0, buf_cstr(&r.text));
		record(ts, t->path, NULL, r.failures);
		buf_release(&r.text);
	}
	json_decref(got.rows);
	json_decref(got.drift);
	json_decref(got.alerts);
	json_decref(got.bad);
}

/* The job is read anew for each test: a run changes its sources' formats. */
static enum answer test_one(struct testing *ts, const char *path)
{
	struct test_file t;
	struct diagnostics d;
	struct job *job;
	enum answer a = cli_job(ts->c, ts->job_path, &job);
	if (a)
		return a;
	diagnostics_init(&d);
	if (test_file_read(&t, path, job, &d)) {
		struct buf text = {0};
		diagnostics_print(&d, &text);
		tell(ts, &t, false, buf_cstr(&text));
		record(ts, path, buf_cstr(&text), json_array());
		buf_release(&text);
	} else {
		execute(ts, &t, job);
	}
	diagnostics_release(&d);
	test_file_release(&t);
	job_free(job);
	return ANSWER_DONE;
}

/* -- all of them -- */

static enum answer beside(struct testing *ts)
{
	const char *slash = strrchr(ts->job_path, '/');
	char pattern[4200];
	glob_t found;
	enum answer a = ANSWER_DONE;
	snprintf(pattern, sizeof pattern, "%.*stests/*.yaml",
	        slash ? (int)(slash + 1 - ts->job_path) : 0, ts->job_path);
	if (glob(pattern, 0, NULL, &found)) {
		cli_say(ts->c, "there are no tests: %s matches nothing", pattern);
		return ANSWER_USAGE;
	}
	for (size_t i = 0; i < found.gl_pathc && !a; i++)
		a = test_one(ts, found.gl_pathv[i]);
	globfree(&found);
	return a;
}

static void summary(const struct testing *ts)
{
	if (!ts->c->json) {
		printf("%u passed, %u failed\n", ts->passed, ts->failed);
		return;
	}
	json_t *all = json_pack("{s:i, s:i, s:O}", "passed", (int)ts->passed, "failed",
	        (int)ts->failed, "tests", ts->tests);
	char *text = json_dumps(all, JSON_COMPACT);
	puts(text);
	free(text);
	json_decref(all);
}

static enum answer run(struct cli *c)
{
	struct testing ts = {.c = c, .job_path = c->options.args[0], .tests = json_array()};
	enum answer a = ANSWER_DONE;
	for (uint32_t i = 1; i < c->options.nargs && !a; i++) {
		if (access(c->options.args[i], R_OK)) {
			cli_say(c, "cannot read %s: %s", c->options.args[i], strerror(errno));
			a = ANSWER_USAGE;
			break;
		}
		a = test_one(&ts, c->options.args[i]);
	}
	if (c->options.nargs == 1)
		a = beside(&ts);
	if (!a) {
		summary(&ts);
		a = ts.failed ? ANSWER_NO : ANSWER_DONE;
	}
	json_decref(ts.tests);
	return a;
}

static const char *const uses[] = {"format", NULL};
const struct command command_test = {
        .name = "test",
        .args = "JOB [FILE]...",
        .summary = "run a job's own tests, without any server",
        .about = "Runs each test file, or tests/*.yaml beside the job: its events go through "
                 "the "
                 "engine's own code, and the rows that come out are compared with those the "
                 "file "
                 "expects. For every row that differs it prints the fields, '-' for what was "
                 "expected and '+' for what came. docs/guide/testing-jobs.md describes the "
                 "files.",
        .exits = "0  All tests passed.\n1  Some did not, or the job file has errors.",
        .examples = "weir test job.yaml\nweir test job.yaml tests/late.yaml",
        .args_min = 1,
        .args_max = OPTIONS_ARGS_MAX,
        .uses = uses,
        .run = run,
};
