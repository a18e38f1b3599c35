// SPDX-License-Identifier: Apache-2.0
//
// Good job files: what comes out of them. Every file is also read again from its own stored
// text, which must need no other file and give the same plans.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lang/job.h"
#include "operators/aggregates.h"

static const struct format json = {.name = "json"}, avro = {.name = "avro"};
static const struct format *const formats[] = {&json, &avro, NULL};
static const struct lang_env env = {.formats = formats, .aggregates = aggregates};

#define SCHEMA                                                                                 \
	"{type: record, name: r, fields: [{name: at, type: {type: long, logicalType: "         \
	"timestamp-millis}}, {name: id, type: string}, {name: i, type: [\"null\", int]}, "     \
	"{name: "                                                                              \
	"x, type: double}, {name: b, type: boolean}, {name: unused, type: string}, {name: p, " \
	"type: {type: record, name: p, fields: [{name: year, type: int}]}}]}"

static const char head[] =
        "job: j\nsources:\n  s:\n    topic: t\n    format: json\n    time: at\n"
        "    schema: " SCHEMA "\nviews:\n  v:\n    from: s\n    entity: [id]\n";

static struct job *parse(const char *text, const char *base_dir)
{
	struct diagnostics d;
	struct job *j;
	struct buf b;
	diagnostics_init(&d);
	buf_init(&b);
	enum status s = job_parse(slice_of(text), "x.yaml", base_dir, &env, &j, &d);
	diagnostics_print(&d, &b);
	ck_assert_msg(s == ST_OK && d.n == 0, "%s", buf_cstr(&b));
	buf_release(&b);
	diagnostics_release(&d);
	return j;
}

static void check_again(const struct job *j)
{
	struct job *again = parse(j->text, NULL);
	ck_assert_str_eq(again->name, j->name);
	ck_assert_uint_eq(again->nviews, j->nviews);
	for (uint32_t i = 0; i < j->nviews; i++)
		ck_assert_str_eq(again->views[i].plan_text, j->views[i].plan_text);
	for (uint32_t i = 0; i < j->nsources; i++)
		ck_assert_uint_eq(again->sources[i].schema->fingerprint,
		        j->sources[i].schema->fingerprint);
	ck_assert_str_eq(again->text, j->text);
	job_free(again);
}

static struct job *view_job(const char *rest)
{
	struct buf b;
	buf_init(&b);
	buf_str(&b, head);
	buf_str(&b, rest);
	struct job *j = parse(buf_cstr(&b), NULL);
	buf_release(&b);
	check_again(j);
	return j;
}

START_TEST(test_defaults)
{
	struct job *j = view_job("    features: {n: count()}\n");
	const struct source *s = &j->sources[0];
	const struct view *v = &j->views[0];
	ck_assert_str_eq(j->name, "j");
	ck_assert_str_eq(j->path, "x.yaml");
	ck_assert_uint_eq(j->workers, 1);
	ck_assert_int_eq(j->commit_ms, 0);
	ck_assert_str_eq(s->name, "s");
	ck_assert_str_eq(s->topic, "t");
	ck_assert_ptr_eq(s->format, &json);
	ck_assert_int_eq(s->time_field, 0);
	ck_assert_int_eq(s->key_field, -1);
	ck_assert_int_eq(s->lateness_ms, 0);
	ck_assert_int_eq(s->idle_ms, 0);
	ck_assert_int_eq(s->max_ahead_ms, 86400000);
	ck_assert_int_eq(s->start, START_EARLIEST);
	ck_assert_str_eq(v->name, "v");
	ck_assert_uint_eq(v->version, 1);
	ck_assert(v->expiry);
	ck_assert_int_eq(v->where, -1);
	ck_assert_ptr_null(v->input); /* nothing to compute per event */
	ck_assert_ptr_null(v->row);
	ck_assert_int_eq(v->ttl_ms, 0);
	ck_assert_uint_eq(v->nentity, 1);
	ck_assert_uint_eq(v->entity[0], 1);
	ck_assert_uint_eq(v->nwindows, 1);
	ck_assert_int_eq(v->windows[0].kind, WINDOW_LIFETIME);
	ck_assert_int_eq(v->line, 9);
	ck_assert_int_eq(v->features[0].call, 0);
	ck_assert_int_eq(v->features[0].line, 12);
	job_free(j);
}
END_TEST

START_TEST(test_keys)
{
	struct job *j = parse("job: a-b_1\nworkers: 4\ncommit: 250ms\nsources:\n  s:\n    "
	                      "topic: t\n    format: avro\n    schema: " SCHEMA
	                      "\n    time: at\n    key: id\n    lateness: 90s\n    idle: 30s\n "
	                      "   max_ahead: 2h\n    start: "
	                      "2013-01-01T00:00:00Z\nviews:\n  v:\n    from: s\n    entity: "
	                      "[id, p.year]\n    where: b\n    version: 3\n"
	                      "    owner: ops\n    description: >\n      two\n      lines\n    "
	                      "ttl: 30d\n    expiry: none\n    forget: 60d\n"
	                      "    freshness: 10m\n    shards: 24\n    offline: {retention: "
	                      "400d}\n    features:\n      n:\n        expr: "
	                      "count() over 5m\n        description: how many\n",
	        NULL);
	check_again(j);
	const struct source *s = &j->sources[0];
	const struct view *v = &j->views[0];
	ck_assert_str_eq(j->name, "a-b_1");
	ck_assert_uint_eq(j->workers, 4);
	ck_assert_int_eq(j->commit_ms, 250);
	ck_assert_int_eq(s->key_field, 1);
	ck_assert_int_eq(s->lateness_ms, 90000);
	ck_assert_int_eq(s->idle_ms, 30000);
	ck_assert_int_eq(s->max_ahead_ms, 7200000);
	ck_assert_int_eq(s->start, START_TIME);
	ck_assert_int_eq(s->start_ms, 1356998400000);
	ck_assert_uint_eq(v->version, 3);
	ck_assert_str_eq(v->owner, "ops");
	ck_assert_str_eq(v->description, "two lines\n");
	ck_assert_int_eq(v->ttl_ms, INT64_C(30) * 86400000);
	ck_assert(!v->expiry);
	ck_assert_int_eq(v->forget_ms, INT64_C(60) * 86400000);
	ck_assert_int_eq(v->freshness_ms, 600000);
	ck_assert_uint_eq(v->shards, 24);
	ck_assert_int_eq(v->offline_retention_ms, INT64_C(400) * 86400000);
	ck_assert_uint_eq(v->nentity, 2);
	ck_assert_str_eq(s->schema->fields[v->entity[1]].name, "p.year");
	ck_assert_str_eq(v->features[0].description, "how many");
	ck_assert_int_eq(v->windows[0].hop_ms, 25000);
	job_free(j);
}
END_TEST

START_TEST(test_sharing)
{
	struct job *j = view_job("    where: x > 0\n    features:\n"
	                         "      a: sum(i) over 7d\n"
	                         "      b: sum( i ) over 168h\n"
	                         "      c: sum(i) over 7d / count() over 7d\n"
	                         "      d: a + 1\n"
	                         "      e: a\n"
	                         "      f: count() over 7d where x > 0\n"
	                         "      g: count() over tumbling 1h where x>0\n"
	                         "      h: last(i + 1)\n"
	                         "      i: first(i + 1)\n"
	                         "      j: (count() over 7d where b) / (count() over 7d)\n");
	const struct view *v = &j->views[0];
	ck_assert_uint_eq(v->nfeatures, 10);
	ck_assert_uint_eq(v->ncalls, 7);
	ck_assert_uint_eq(v->nwindows, 3);
	ck_assert_int_eq(v->features[0].call, v->features[1].call);
	ck_assert_int_eq(v->features[0].call, v->features[4].call);
	ck_assert_int_eq(v->features[2].call, -1);
	ck_assert_int_eq(v->features[2].type.kind, KIND_DOUBLE);
	ck_assert(v->features[2].nullable);
	ck_assert_int_eq(v->features[3].type.kind, KIND_LONG);
	const struct agg_call *f = &v->calls[v->features[5].call],
	                      *g = &v->calls[v->features[6].call];
	ck_assert_int_eq(f->where, v->where); /* one condition, computed once */
	ck_assert_int_eq(g->where, v->where);
	ck_assert_int_eq(v->windows[g->window].kind, WINDOW_TUMBLING);
	ck_assert_int_eq(v->calls[v->features[7].call].arg, v->calls[v->features[8].call].arg);
	ck_assert_str_eq(v->calls[0].text, "sum(i) over 7d");
	ck_assert_str_eq(f->text, "count() over 7d where x > 0");
	ck_assert_int_eq(f->arg, -1);
	/* outputs: where, i, i + 1, b; of rows: c, d, j */
	ck_assert_uint_eq(program_outputs(v->input), 4);
	ck_assert_uint_eq(program_outputs(v->row), 3);
	ck_assert_str_eq(v->features[1].text, "sum( i ) over 168h");
	ck_assert_str_eq(v->features[1].canonical, "sum(i) over 7d");
	job_free(j);
}
END_TEST

/* What lies in what: a sum and a count of x in avg(x), in the same ring and condition. */
START_TEST(test_holders)
{
	struct job *j = view_job("    features:\n"
	                         "      a: sum(x) over 1h\n"
	                         "      b: count(x) over 1h\n"
	                         "      c: avg(x) over 2h\n"
	                         "      d: count() over 1h\n"
	                         "      e: sum(x) over 24h\n"
	                         "      f: sum(x) over 1h where b\n"
	                         "      g: quantile(x, 0.5) over 1h\n"
	                         "      h: median(x) over 1h\n"
	                         "      i: stddev(i)\n"
	                         "      j: var_pop(i)\n"
	                         "      k: top(i, 2)\n"
	                         "      l: top(i, 3)\n"
	                         "      m: avg(i)\n"
	                         "      n: sum(i)\n"
	                         "      o: min(x)\n"
	                         "      p: max(x)\n"
	                         "      q: sum(i) over tumbling 1h\n");
	static const struct {
		uint32_t holder, at;
	} want[] = {{2, 8}, {2, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {6, 0}, {8, 0},
	        {8, 0}, {10, 0}, {11, 0}, {12, 0}, {12, 8}, {14, 0}, {15, 0}, {16, 0}};
	const struct view *v = &j->views[0];
	ck_assert_uint_eq(v->ncalls, sizeof want / sizeof *want);
	for (uint32_t i = 0; i < v->ncalls; i++) {
		uint32_t at = 99, holder = view_call_holder(v, i, &at);
		ck_assert_msg(holder == want[i].holder && at == want[i].at,
		        "%s: in %u at %u, not in %u at %u", v->calls[i].text, holder, at,
		        want[i].holder, want[i].at);
	}
	job_free(j);
}
END_TEST

START_TEST(test_used)
{
	struct job *j = view_job("    features:\n      a: sum(x) over 7d where p.year > 2000\n"
	                         "  w:\n    from: s\n    entity: id\n    features: {n: count() "
	                         "over 1h where b}\n");
	const bool source[] = {true, true, false, true, true, false, true};
	const bool view[] = {false, true, false, true, false, false, true};
	for (size_t i = 0; i < j->sources[0].schema->nfields; i++) {
		ck_assert_msg(j->sources[0].used[i] == source[i], "source column %zu", i);
		ck_assert_msg(j->views[0].used[i] == view[i], "view column %zu", i);
	}
	job_free(j);
}
END_TEST

/* The row program over results of calls. */
START_TEST(test_row_program)
{
	struct job *j = view_job(
	        "    features:\n      n: count() over 7d\n      m: count() over 7d where b\n"
	        "      share: m / n\n      pct: round(share * 100, 1)\n");
	const struct view *v = &j->views[0];
	struct arena a;
	struct column calls[2], out[2];
	struct program_counts counts = {0};
	arena_init(&a);
	for (uint32_t i = 0; i < 2; i++)
		column_init(&calls[i], &v->calls[i].spec.result, 2, &a);
	calls[0].i64[0] = 3;
	calls[1].i64[0] = 1;
	calls[0].i64[1] = calls[1].i64[1] = 0;
	ck_assert_uint_eq(program_outputs(v->row), 2);
	program_run(v->row, calls, 2, out, &a, &counts);
	ck_assert_double_eq(out[v->features[3].output].f64[0], 33.3);
	ck_assert_int_eq(out[v->features[2].output].null[1], 1);
	ck_assert_int_eq(out[v->features[3].output].null[1], 1);
	arena_release(&a);
	job_free(j);
}
END_TEST

/* Ways to write the same: the plan does not see them. */
static const struct same {
	const char *a, *b;
} sames[] = {
        {"    features: {n: sum(x) over 24h}\n",
                "    features:\n      n: >-\n        sum(x)\n        over 1d\n"},
        {"    features: {n: count() over 7d}\n",
                "    owner: me\n    freshness: 1h\n    description: d\n    features: {n: "
                "{expr: count() over 7d every 1h, "
                "description: x}}\n"},
        {"    where: b\n    features: {n: count()}\n",
                "    features: {n: count()}\n    where: \"(b)\"\n"},
        {"    expiry: emit\n    version: 1\n    features: {n: count()}\n",
                "    features: {\"n\": 'count()'}\n"},
        {"    offline: rows\n    features: {n: count()}\n", "    features: {n: count()}\n"},
        {"    offline: blocks\n    features: {n: count()}\n",
                "    offline: {layout: \"blocks\"}\n    features: {n: count()}\n"},
        {"    features: {n: last(x) where b}\n",
                "    features:\n      n: last( x )  where  ( b )\n"},
};

START_TEST(test_same_plan)
{
	struct job *a = view_job(sames[_i].a), *b = view_job(sames[_i].b);
	ck_assert_str_eq(a->views[0].plan_text, b->views[0].plan_text);
	job_free(a);
	job_free(b);
}
END_TEST

/* What changes a result changes the plan. */
static const char *const differents[] = {
        "    features: {n: count() over 7d}\n",
        "    features: {n: count() over 8d}\n",
        "    features: {n: count() over 7d every 2h}\n",
        "    features: {m: count() over 7d}\n",
        "    features: {n: count() over tumbling 7d}\n",
        "    features: {n: count() over 7d where b}\n",
        "    features: {n: count() over 7d where not b}\n",
        "    where: b\n    features: {n: count() over 7d}\n",
        "    version: 2\n    features: {n: count() over 7d}\n",
        "    ttl: 1d\n    features: {n: count() over 7d}\n",
        "    expiry: none\n    features: {n: count() over 7d}\n",
        "    forget: 1d\n    features: {n: count() over 7d}\n",
        "    shards: 3\n    features: {n: count() over 7d}\n",
        "    offline: {retention: 9d}\n    features: {n: count() over 7d}\n",
        "    offline: blocks\n    features: {n: count() over 7d}\n",
        "    offline: {layout: blocks, retention: 9d}\n    features: {n: count() over 7d}\n",
        "    features: {n: count() over 7d, m: n + 1}\n",
        "    features: {n: count() over 7d, m: n + 2}\n",
        "    features:\n      n: quantile(x, 0.5) over 7d\n",
        "    features:\n      n: quantile(x, 0.6) over 7d\n",
};
#define DIFFERENTS ((int)(sizeof differents / sizeof *differents))

START_TEST(test_different_plans)
{
	struct job *jobs[DIFFERENTS];
	for (int i = 0; i < DIFFERENTS; i++)
		jobs[i] = view_job(differents[i]);
	for (int i = 0; i < DIFFERENTS; i++)
		for (int k = 0; k < i; k++)
			ck_assert_msg(strcmp(jobs[i]->views[0].plan_text,
			                      jobs[k]->views[0].plan_text) != 0,
			        "%s and %s", differents[i], differents[k]);
	for (int i = 0; i < DIFFERENTS; i++)
		job_free(jobs[i]);
}
END_TEST

/* Schemas by name, as text, as YAML, behind an alias; line ends and a byte-order mark. */
static const char *const files[] = {
        "job: j\nsources:\n  s: {topic: t, format: json, schema: schemas/arrival.avsc, time: "
        "arrived_at}\nviews:\n"
        "  v: {from: s, entity: [tailnum], features: {n: count() over 7d}}\n",
        "job: j\nsources:\n  s:\n    topic: t\n    format: json\n    schema: "
        "'schemas/arrival.avsc' # quoted\n    time: "
        "arrived_at\nviews:\n  v: {from: s, entity: [tailnum], features: {n: count() over "
        "7d}}\n",
        "job: j\nsources:\n  s:\n    topic: t\n    format: json\n    schema: |\n      "
        "{\"type\": \"record\", \"name\": "
        "\"r\",\n       \"fields\": [{\"name\": \"arrived_at\", \"type\": \"string\"}]}\n    "
        "time: arrived_at\nviews:\n"
        "  v: {from: s, entity: [arrived_at], features: {n: count() over 7d}}\n",
        "job: j\nsources:\n  s: {topic: t, format: json, schema: &f schemas/arrival.avsc, "
        "time: arrived_at}\n"
        "  u: {topic: u, format: avro, schema: *f, time: arrived_at, key: tailnum}\nviews:\n"
        "  v: &v {from: s, entity: [tailnum], features: {n: count() over 7d}}\n  w: *v\n",
        "\xef\xbb\xbfjob: j\r\nsources:\r\n  s: {topic: t, format: json, schema: "
        "schemas/arrival.avsc, time: "
        "arrived_at}\r\nviews:\r\n  v: {from: s, entity: [tailnum], features: {n: count() over "
        "7d}}\r\n",
        "{\"job\": \"j\", \"sources\": {\"s\": {\"topic\": \"t\", \"format\": \"json\", "
        "\"schema\": "
        "\"schemas/arrival.avsc\", \"time\": \"arrived_at\"}}, \"views\": {\"v\": {\"from\": "
        "\"s\", \"entity\": "
        "[\"tailnum\"], \"features\": {\"n\": \"count() over 7d\"}}}}",
};

START_TEST(test_files)
{
	struct job *j = parse(files[_i], WEIR_SOURCE_DIR "/jobs/flights");
	ck_assert_ptr_null(strstr(j->text, ".avsc"));
	check_again(j);
	job_free(j);
}
END_TEST

START_TEST(test_flights)
{
	struct diagnostics d;
	struct job *j;
	struct buf b;
	diagnostics_init(&d);
	buf_init(&b);
	enum status s = job_load(WEIR_SOURCE_DIR "/jobs/flights/job.yaml", &env, &j, &d);
	diagnostics_print(&d, &b);
	ck_assert_msg(s == ST_OK, "%s", buf_cstr(&b));
	ck_assert_uint_ge(j->nviews, 3);
	check_again(j);
	job_free(j);
	buf_release(&b);
	diagnostics_release(&d);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("lang_job");
	TCase *t = tcase_create("all");
	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_keys);
	tcase_add_test(t, test_sharing);
	tcase_add_test(t, test_holders);
	tcase_add_test(t, test_used);
	tcase_add_test(t, test_row_program);
	tcase_add_loop_test(t, test_same_plan, 0, COUNT(sames));
	tcase_add_test(t, test_different_plans);
	tcase_add_loop_test(t, test_files, 0, COUNT(files));
	tcase_add_test(t, test_flights);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
