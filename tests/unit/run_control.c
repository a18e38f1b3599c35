// SPDX-License-Identifier: Apache-2.0
//
// The jobs topic on the log in memory: records, listing, what may be deployed over what.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/formats.h"
#include "operators/aggregates.h"
#include "run/control.h"
#include "run/memory_log.h"

static const struct lang_env env = {.formats = formats, .aggregates = aggregates};
static struct clock_manual now;
static struct control c;
static struct error e;
static struct buf diff;
static char dir[] = "/tmp/weir-control-XXXXXX";

static void setup(void)
{
	clock_manual_init(&now, 1000);
	c = (struct control){&memory_log, memory_log_new(), "weir", &env, &now.clock};
	memset(&e, 0, sizeof e);
	diff = (struct buf){0};
}

static void teardown(void)
{
	memory_log.close(c.broker);
	buf_release(&diff);
}

static struct job *job_of(
        const char *job, const char *view, const char *rest, const char *feature)
{
	char path[100], text[1000];
	snprintf(path, sizeof path, "%s/s.avsc", dir);
	FILE *f = fopen(path, "w");
	fputs("{\"type\":\"record\",\"name\":\"e\",\"fields\":[{\"name\":\"id\",\"type\":"
	      "\"string\"},"
	      "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
	      "millis\"}},"
	      "{\"name\":\"v\",\"type\":\"int\"}]}",
	        f);
	fclose(f);
	snprintf(text, sizeof text,
	        "job: %s\nsources:\n  ev: {topic: ev, format: json, schema: s.avsc, time: at}\n"
	        "views:\n  %s:\n    entity: [id]\n    from: ev\n%s    features:\n      n: %s\n",
	        job, view, rest, feature);
	struct job *j = NULL;
	struct diagnostics d;
	struct buf why = {0};
	diagnostics_init(&d);
	enum status st = job_parse(slice_of(text), "job.yaml", dir, &env, &j, &d);
	diagnostics_print(&d, &why);
	ck_assert_msg(st == ST_OK, "%s", buf_cstr(&why));
	buf_release(&why);
	diagnostics_release(&d);
	return j;
}

static enum control_answer deploy(
        const char *job, const char *view, const char *rest, const char *feature)
{
	struct job *j = job_of(job, view, rest, feature);
	diff.len = 0;
	enum control_answer a = control_deploy(&c, j, &diff, &e);
	job_free(j);
	return a;
}

START_TEST(record_round_trip)
{
	struct control_view views[] = {{"a", 3, true, "plan \"a\"\nline"}, {"a", 2, false, ""}};
	struct control_job in = {"flights", "job: flights\n# \xc3\xa9\n", true, 42, views, 2,
	                           0},
	                   out;
	struct buf b = {0};
	struct arena a;
	arena_init(&a);
	control_encode(&in, &b);
	ck_assert_int_eq(memcmp(b.p, "{\"format\":1,", 12), 0);
	ck_assert_msg(control_decode(buf_view(&b), &a, &out, &e) == ST_OK, "%s", e.msg);
	ck_assert_str_eq(out.name, in.name);
	ck_assert_str_eq(out.yaml, in.yaml);
	ck_assert(out.paused);
	ck_assert_int_eq(out.updated_ms, 42);
	ck_assert_int_eq(out.nviews, 2);
	ck_assert_str_eq(out.views[0].plan, views[0].plan);
	ck_assert_int_eq(out.views[1].version, 2);
	ck_assert(out.views[0].live && !out.views[1].live);
	arena_release(&a);
	buf_release(&b);
}
END_TEST

static const struct {
	const char *value, *error;
} bad_records[] = {
        {"", "the job's record is not a JSON object"},
        {"[]", "the job's record is not a JSON object"},
        {"{\"format\":1", "the job's record is not a JSON object"},
        {"{}", "the job's record is malformed"},
        {"{\"format\":1,\"job\":\"a\",\"yaml\":\"b\"}", "the job's record is malformed"},
        {"{\"format\":1,\"job\":\"a\",\"yaml\":\"b\",\"views\":[{\"name\":\"x\"}]}",
                "the job's record is malformed"},
        {"{\"format\":2,\"job\":\"a\",\"yaml\":\"b\",\"views\":[]}",
                "the job's record has format 2, which a newer weir wrote; this one knows 1"},
};

START_TEST(record_that_is_bad)
{
	struct control_job out;
	struct arena a;
	arena_init(&a);
	ck_assert_int_eq(control_decode(slice_of(bad_records[_i].value), &a, &out, &e), ST_ERR);
	ck_assert_str_eq(e.msg, bad_records[_i].error);
	arena_release(&a);
}
END_TEST

START_TEST(nothing_deployed)
{
	struct control_jobs jobs;
	struct log_topic_info info;
	ck_assert_int_eq(control_list(&c, &jobs, &e), ST_OK);
	ck_assert_int_eq(jobs.n, 0);
	control_jobs_release(&jobs);
	ck_assert_int_eq(control_pause(&c, "flights", true, &e), CONTROL_NO_JOB);
	ck_assert_str_eq(e.msg, "no job flights is deployed");
	ck_assert_int_eq(control_remove(&c, "flights", &e), CONTROL_NO_JOB);
	memory_log.topic_info(c.broker, "weir.jobs", &info, &e);
	ck_assert_int_eq(info.partitions, 0); /* asking creates nothing */
}
END_TEST

START_TEST(life_of_a_job)
{
	struct control_jobs jobs;
	uint32_t version = 0;
	ck_assert_int_eq(deploy("two", "b", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_UNCHANGED);
	ck_assert_int_eq(control_pause(&c, "one", true, &e), CONTROL_OK);
	ck_assert_int_eq(control_pause(&c, "one", true, &e), CONTROL_UNCHANGED);
	now.now_ms = 2000;
	ck_assert_int_eq(deploy("one", "a", "    version: 2\n", "sum(v)"), CONTROL_OK);
	ck_assert_int_eq(control_list(&c, &jobs, &e), ST_OK);
	ck_assert_int_eq(jobs.n, 2);
	ck_assert_str_eq(jobs.items[0].name, "one"); /* by name */
	ck_assert(jobs.items[0].paused);             /* a deploy does not resume */
	ck_assert_int_eq(jobs.items[0].updated_ms, 2000);
	ck_assert_int_eq(jobs.items[0].nviews, 2); /* version 1 is remembered */
	ck_assert_ptr_eq(control_find_view(&jobs, "a", &version), &jobs.items[0]);
	ck_assert_int_eq(version, 2);
	ck_assert_ptr_null(control_find_view(&jobs, "c", NULL));
	ck_assert_ptr_null(strstr(jobs.items[0].yaml, "s.avsc")); /* self-contained */
	control_jobs_release(&jobs);
	ck_assert_int_eq(control_remove(&c, "one", &e), CONTROL_OK);
	ck_assert_int_eq(control_list(&c, &jobs, &e), ST_OK);
	ck_assert_int_eq(jobs.n, 1);
	ck_assert_ptr_null(control_find(&jobs, "one"));
	control_jobs_release(&jobs);
}
END_TEST

START_TEST(plan_under_the_same_version)
{
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "", "sum(v)"), CONTROL_CONFLICT);
	ck_assert_ptr_nonnull(strstr(e.msg, "a v1"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&diff), "--- a v1 as deployed\n+++ a v1\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&diff), "count()"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&diff), "sum(v)"));
	ck_assert_int_eq(deploy("one", "a", "    version: 2\n", "sum(v)"), CONTROL_OK);
	/* An old version keeps its meaning. */
	ck_assert_int_eq(deploy("one", "a", "    version: 1\n", "max(v)"), CONTROL_CONFLICT);
	/* And does not come back: it has missed events. */
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_CONFLICT);
	ck_assert_str_eq(e.msg,
	        "job one: view a v1 was taken out of it by a later deploy and has missed events "
	        "since; give it a new version");
	ck_assert_int_eq(deploy("one", "a", "    version: 3\n", "count()"), CONTROL_OK);
	ck_assert_int_eq(control_remove(&c, "one", &e), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
}
END_TEST

START_TEST(what_may_change)
{
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "    owner: me\n", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "    description: words\n", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "    freshness: 10m\n", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("one", "a", "    where: v > 1\n", "count()"), CONTROL_CONFLICT);
	ck_assert_int_eq(deploy("one", "a", "    expiry: none\n", "count()"), CONTROL_CONFLICT);
}
END_TEST

START_TEST(view_of_another_job)
{
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(deploy("two", "a", "", "count()"), CONTROL_CONFLICT);
	ck_assert_str_eq(e.msg, "view a belongs to job one already: view names are unique");
	ck_assert_int_eq(control_remove(&c, "one", &e), CONTROL_OK);
	ck_assert_int_eq(deploy("two", "a", "", "count()"), CONTROL_OK);
}
END_TEST

START_TEST(following)
{
	struct control_reader *r;
	struct control_change ch;
	ck_assert_int_eq(control_open(&c, false, &r, &e), ST_END);
	ck_assert_int_eq(deploy("one", "a", "", "count()"), CONTROL_OK);
	ck_assert_int_eq(control_open(&c, true, &r, &e), ST_OK);
	ck_assert(!control_caught_up(r));
	ck_assert_int_eq(control_next(r, 0, &ch, &e), ST_OK);
	ck_assert_str_eq(ch.name, "one");
	ck_assert(!ch.removed && !ch.problem);
	ck_assert(control_caught_up(r));
	ck_assert_int_eq(control_next(r, 0, &ch, &e), ST_END);
	struct slice junk = slice_of("junk"), key = slice_of("odd");
	memory_log_produce(c.broker, "weir.jobs", 0, &key, &junk, 0);
	memory_log_produce(c.broker, "weir.jobs", 0, &key, NULL, 0);
	ck_assert_int_eq(control_next(r, 0, &ch, &e), ST_OK);
	ck_assert_ptr_nonnull(ch.problem);
	ck_assert_int_eq(control_next(r, 0, &ch, &e), ST_OK);
	ck_assert(ch.removed);
	ck_assert_str_eq(ch.name, "odd");
	control_close(r);
}
END_TEST

START_TEST(differences)
{
	control_diff(&diff, "a\nb\nc\n", "a\nx\nc\nd\n");
	ck_assert_str_eq(buf_cstr(&diff), " a\n-b\n+x\n c\n+d\n");
	diff.len = 0;
	control_diff(&diff, "", "a");
	ck_assert_str_eq(buf_cstr(&diff), "+a\n");
	diff.len = 0;
	control_diff(&diff, "a\nb", "");
	ck_assert_str_eq(buf_cstr(&diff), "-a\n-b\n");
}
END_TEST

int main(void)
{
	if (!mkdtemp(dir))
		return 2;
	Suite *s = suite_create("control");
	TCase *t = tcase_create("control");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, record_round_trip);
	tcase_add_loop_test(t, record_that_is_bad, 0, sizeof bad_records / sizeof *bad_records);
	tcase_add_test(t, nothing_deployed);
	tcase_add_test(t, life_of_a_job);
	tcase_add_test(t, plan_under_the_same_version);
	tcase_add_test(t, what_may_change);
	tcase_add_test(t, view_of_another_job);
	tcase_add_test(t, following);
	tcase_add_test(t, differences);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	char path[100];
	snprintf(path, sizeof path, "%s/s.avsc", dir);
	unlink(path);
	rmdir(dir);
	return failed != 0;
}
