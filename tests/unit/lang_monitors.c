// SPDX-License-Identifier: Apache-2.0
//
// Monitors in job files: a good one, what comes out of it and of its stored text; and broken
// ones, each a good file with one text replaced: what is said, where, and what is suggested.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lang/job.h"
#include "operators/aggregates.h"
#include "tests/unit/baseline_rig.h"

static const struct format json = {.name = "json"};
static const struct format *const formats[] = {&json, NULL};
static const struct lang_env env = {.formats = formats, .aggregates = aggregates};

#define AT "{name: at, type: {type: long, logicalType: timestamp-millis}}"
static const char good[] =
        /*  1 */ "job: j\n"
                 /*  2 */ "sources:\n"
                 /*  3 */ "  predictions:\n"
                 /*  4 */ "    topic: p\n"
                 /*  5 */ "    format: json\n"
                 /*  6 */ "    time: at\n"
                 /*  7 */ "    schema: {type: record, name: p, fields: [" AT
                 ", {name: id, type: string}, {name: version, type: int}, "
                 "{name: x, type: [\"null\", double]}, {name: score, type: double}, "
                 "{name: color, type: string}, {name: raw, type: bytes}, "
                 "{name: w, type: double}]}\n"
                 /*  8 */ "  outcomes:\n"
                 /*  9 */ "    topic: o\n"
                 /* 10 */ "    format: json\n"
                 /* 11 */ "    time: at\n"
                 /* 12 */ "    schema: {type: record, name: o, fields: [" AT
                 ", {name: id, type: string}, {name: n, type: long}, "
                 "{name: late, type: boolean}, {name: why, type: string}]}\n"
                 /* 13 */ "monitors:\n"
                 /* 14 */ "  model:\n"
                 /* 15 */ "    from: predictions\n"
                 /* 16 */ "    by: [version]\n"
                 /* 17 */ "    columns: [x, score, color]\n"
                 /* 18 */ "    window: 1h\n"
                 /* 19 */ "    mode: weir\n"
                 /* 20 */ "    tests: {psi: 0.2, brier: 0.3}\n"
                 /* 21 */ "    sustain: 3\n"
                 /* 22 */ "    min_rows: 100\n"
                 /* 23 */ "    id: id\n"
                 /* 24 */ "    score: score\n"
                 /* 25 */ "    labels: {from: outcomes, id: id, value: late, wait: 2h}\n"
                 /* 26 */ "    baseline: ";

static void good_write(struct buf *out)
{
	buf_str(out, good);
	baseline_text(out);
	buf_byte(out, '\n');
}

static struct job *parse(const char *text, const char *base_dir)
{
	struct diagnostics d;
	struct job *j;
	struct buf b = {0};
	diagnostics_init(&d);
	enum status s = job_parse(slice_of(text), "x.yaml", base_dir, &env, &j, &d);
	diagnostics_print(&d, &b);
	ck_assert_msg(s == ST_OK && d.n == 0, "%.1000s", buf_cstr(&b));
	buf_release(&b);
	diagnostics_release(&d);
	return j;
}

START_TEST(good_file)
{
	struct buf b = {0};
	good_write(&b);
	struct job *j = parse(buf_cstr(&b), NULL);
	const struct monitor *m = &j->monitors[0];
	ck_assert_uint_eq(j->nmonitors, 1);
	ck_assert_str_eq(m->name, "model");
	ck_assert_uint_eq(m->nby, 1);
	ck_assert_uint_eq(m->ncolumns, 3);
	ck_assert_int_eq(m->window_ms, 3600000);
	ck_assert_uint_eq(m->ntests, 2);
	ck_assert_int_eq(m->tests[1].test, TEST_BRIER);
	ck_assert_double_eq(m->tests[1].threshold, 0.3);
	ck_assert_uint_eq(m->sustain, 3);
	ck_assert_uint_eq(m->min_rows, 100);
	ck_assert_int_eq(m->labels->wait_ms, 7200000);
	ck_assert_uint_eq(m->baseline->segments[0].rows, 1000);
	ck_assert(!m->by_baseline);
	ck_assert(j->sources[0].used[3] && j->sources[0].used[2] && j->sources[0].used[1]);
	ck_assert(!j->sources[0].used[7]);
	job_free(j);
	buf_release(&b);
}
END_TEST

START_TEST(defaults)
{
	struct buf b = {0};
	buf_add(&b, good, (size_t)(strstr(good, "    by:") - good));
	buf_str(&b, "    columns: x\n    window: 5m\n    baseline: ");
	baseline_text(&b);
	struct job *j = parse(buf_cstr(&b), NULL);
	const struct monitor *m = &j->monitors[0];
	ck_assert_uint_eq(m->nby, 0);
	ck_assert_uint_eq(m->ntests, 1);
	ck_assert_int_eq(m->tests[0].test, TEST_PSI);
	ck_assert_double_eq(m->tests[0].threshold, 0.25);
	ck_assert_uint_eq(m->sustain, 1);
	ck_assert_uint_eq(m->min_rows, 1);
	ck_assert_ptr_null(m->labels);
	job_free(j);
	buf_release(&b);
}
END_TEST

/* The baseline's file is in the stored text, which needs it no more; thresholds are no state.
 */
START_TEST(inlined)
{
	struct buf b = {0}, base = {0};
	char dir[] = "/tmp/weir-lang-XXXXXX", path[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/b.json", dir);
	baseline_text(&base);
	FILE *f = fopen(path, "w");
	fwrite(base.p + 1, 1, base.len - 2, f); /* without its quotes */
	fclose(f);
	buf_printf(&b, "%sb.json # by hand\n", good);
	struct job *j = parse(buf_cstr(&b), dir);
	unlink(path);
	rmdir(dir);
	ck_assert_ptr_nonnull(strstr(j->text, "# by hand"));
	struct job *again = parse(j->text, NULL);
	ck_assert_str_eq(again->text, j->text);
	ck_assert_str_eq(again->monitors[0].plan_text, j->monitors[0].plan_text);
	char *other = xstrdup(j->text), *at = strstr(other, "psi: 0.2");
	at[7] = '3';
	struct job *third = parse(other, NULL);
	ck_assert_str_ne(third->monitors[0].plan_text, j->monitors[0].plan_text);
	ck_assert_uint_eq(third->monitors[0].state_hash, j->monitors[0].state_hash);
	strstr(other, "window: 1h")[8] = '2';
	job_free(third);
	third = parse(other, NULL);
	ck_assert_uint_ne(third->monitors[0].state_hash, j->monitors[0].state_hash);
	job_free(third);
	job_free(again);
	job_free(j);
	free(other);
	buf_release(&b);
	buf_release(&base);
}
END_TEST

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static const struct broken {
	const char *from, *to;
	int line, column;
	const char *message, *suggestion; /* message: a part of it */
	uint32_t errors;                  /* 0: one */
} brokens[] = {
        {"    window:", "    windw:", 18, 5, "monitor 'model' has no key 'windw'", "window"},
        {"    window: 1h\n", "", 14, 3, "monitor 'model' needs the key 'window'", NULL},
        {"    columns: [x, score, color]\n", "", 14, 3, "needs the key 'columns'", NULL},
        {"monitors:\n  model:", "monitors:\n  _model:", 14, 3, "reserved", "model"},
        {"from: predictions", "from: prediction", 15, 11, "there is no source 'prediction'",
                "predictions"},
        {"by: [version]", "by: [verson]", 16, 10, "source 'predictions' has no column 'verson'",
                "version"},
        {"by: [version]", "by: [x]", 16, 10, "a segment is made of texts, enums, booleans and",
                NULL},
        {"by: [version]", "by: [version, version]", 16, 19, "here already", NULL},
        {"by: [version]", "by: []", 16, 9, "'by' needs a list of columns", NULL},
        {"[x, score, color]", "[x, scor, color]", 17, 18, "has no column 'scor'", "score"},
        {"[x, score, color]", "[x, raw]", 17, 18, "'raw' is a bytes", NULL},
        {"[x, score, color]", "[x, w]", 17, 18, "the baseline has no column 'w'", NULL},
        {"[x, score, color]", "[x, version]", 17, 18, "the baseline has no column 'version'",
                NULL},
        {"window: 1h", "window: 10", 18, 13, "not a duration", "10s"},
        {"window: 1h", "window: 10ms", 18, 13, "'window' must be at least 1s", NULL},
        {"mode: weir", "mode: evidentl", 19, 11, "'mode' is weir, evidently or nannyml",
                "evidently"},
        {"psi: 0.2", "pis: 0.2", 20, 13, "there is no test 'pis'", "psi"},
        {"psi: 0.2", "psi: -1", 20, 18, "'psi' needs a number from 0 up", NULL},
        {"psi: 0.2", "skew: 0.5", 20, 13, "'skew' compares served values with computed ones",
                NULL},
        {"psi: 0.2", "ks: 1.5", 20, 17, "'ks' needs a number from 0 to 1", NULL},
        {"psi: 0.2", "psi: high", 20, 18, "'psi' needs a number", NULL},
        {"{psi: 0.2, brier: 0.3}", "psi", 20, 5, "'tests' needs names and thresholds", NULL},
        {"{psi: 0.2, brier: 0.3}", "{}", 20, 12, "'tests' needs names and thresholds", NULL},
        {"sustain: 3", "sustain: 0", 21, 14, "'sustain' needs a whole number from 1", NULL},
        {"min_rows: 100", "min_rows: many", 22, 15, "'min_rows' needs a whole number", NULL},
        {"    id: id\n", "    id: idd\n", 23, 9, "has no column 'idd'", "id"},
        {"    id: id\n", "    id: x\n", 23, 9, "an id is a text or an integer, not a double",
                NULL},
        {"    id: id\n", "", 24, 5, "'labels' needs the key 'id' beside it", NULL},
        {"score: score", "score: color", 24, 12, "a score is a number, not a string", NULL},
        {"    score: score\n", "", 24, 5, "'labels' needs the key 'score' beside it", NULL},
        {"from: outcomes", "from: outcome", 25, 20, "there is no source 'outcome'", "outcomes"},
        {"{from: outcomes, id: id,", "{from: outcomes, id: n,", 25, 34,
                "'n' is a long, the monitor's id a string: they never match", NULL},
        {"value: late", "value: lates", 25, 45, "source 'outcomes' has no column 'lates'",
                "late"},
        {"value: late", "value: why", 25, 45, "a label is a number or a boolean, not a string",
                NULL},
        {"value: late, ", "", 25, 5, "'labels' needs the key 'value'", NULL},
        {"wait: 2h", "wait: soon", 25, 57, "not a duration", NULL},
        {"    labels: {from: outcomes, id: id, value: late, wait: 2h}\n", "", 20, 23,
                "'brier' compares scores with labels", NULL},
        {"    baseline: ", "    baseline: none.json\n#", 26, 15,
                "the baseline file 'none.json' cannot be opened", NULL},
        {"    baseline: ", "    baseline: '{\"version\": 1}'\n#", 26, 16,
                "the baseline is wrong", NULL},
        {"    baseline: ", "    baseline: '{'\n#", 26, 16, "the baseline is not JSON", NULL},
};

/* The text with one replaced is refused so. */
static void broken_is(const struct broken *x, const char *text)
{
	struct buf said = {0};
	struct diagnostics d;
	struct job *j;
	const char *at = strstr(text, x->from);
	ck_assert_msg(at != NULL, "'%s' is not in the good file", x->from);
	struct buf t = {0};
	buf_add(&t, text, (size_t)(at - text));
	buf_str(&t, x->to);
	buf_str(&t, at + strlen(x->from));
	diagnostics_init(&d);
	ck_assert_msg(job_parse(buf_view(&t), "x.yaml", "/nowhere", &env, &j, &d) == ST_ERR,
	        "%s: accepted", x->to);
	diagnostics_print(&d, &said);
	ck_assert_msg(d.n == (x->errors ? x->errors : 1), "%s: %u errors:\n%.2000s", x->to, d.n,
	        buf_cstr(&said));
	const struct diagnostic *e = &d.items[0];
	ck_assert_msg(strstr(e->message, x->message) != NULL, "%s: %s", x->to, e->message);
	ck_assert_msg(e->line == x->line && e->column == x->column, "%s: %d:%d, not %d:%d (%s)",
	        x->to, e->line, e->column, x->line, x->column, e->message);
	ck_assert_msg((e->suggestion == NULL) == (x->suggestion == NULL) &&
	                      (!e->suggestion || strcmp(e->suggestion, x->suggestion) == 0),
	        "%s: suggests %s", x->to, e->suggestion ? e->suggestion : "nothing");
	diagnostics_release(&d);
	buf_release(&said);
	buf_release(&t);
}

START_TEST(broken)
{
	struct buf b = {0};
	good_write(&b);
	broken_is(&brokens[_i], buf_cstr(&b));
	buf_release(&b);
}
END_TEST

/* -- skew -- */

static const char good_skew[] =
        /*  1 */ "job: j\n"
                 /*  2 */ "sources:\n"
                 /*  3 */ "  arrivals:\n"
                 /*  4 */ "    topic: a\n"
                 /*  5 */ "    format: json\n"
                 /*  6 */ "    time: at\n"
                 /*  7 */ "    schema: {type: record, name: a, fields: [" AT
                 ", {name: tailnum, type: string}, {name: delay, type: double}]}\n"
                 /*  8 */ "  predictions:\n"
                 /*  9 */ "    topic: p\n"
                 /* 10 */ "    format: json\n"
                 /* 11 */ "    time: at\n"
                 /* 12 */ "    schema: {type: record, name: p, fields: [" AT
                 ", {name: tailnum, type: string}, {name: plane, type: string}, {name: number, "
                 "type: int}, {name: mean, type: [\"null\", double]}, {name: n, type: int}, "
                 "{name: raw, type: bytes}]}\n"
                 /* 13 */ "views:\n"
                 /* 14 */ "  planes:\n"
                 /* 15 */ "    entity: [tailnum]\n"
                 /* 16 */ "    from: arrivals\n"
                 /* 17 */ "    features: {mean_delay: avg(delay) over 2h, n: count() over 2h}\n"
                 /* 18 */ "monitors:\n"
                 /* 19 */ "  served:\n"
                 /* 20 */ "    from: predictions\n"
                 /* 21 */ "    window: 1h\n"
                 /* 22 */ "    tests: {skew: 0.01, skew_unknown: 1}\n"
                 /* 23 */ "    skew:\n"
                 /* 24 */ "      view: planes\n"
                 /* 25 */ "      entity: plane\n"
                 /* 26 */ "      features: {mean: mean_delay, n: n}\n"
                 /* 27 */ "      tolerance: 1e-6\n"
                 /* 28 */ "      within: 5s\n"
                 /* 29 */ "      known_at: true\n";

START_TEST(good_skew_file)
{
	struct job *j = parse(good_skew, NULL);
	const struct monitor *m = &j->monitors[0];
	ck_assert_ptr_nonnull(m->skew);
	ck_assert_uint_eq(m->ncolumns, 2);
	ck_assert_uint_eq(m->columns[0], 4);
	ck_assert_uint_eq(m->skew->features[0], 0);
	ck_assert_uint_eq(m->skew->features[1], 1);
	ck_assert_uint_eq(m->skew->entity[0], 2);
	ck_assert_double_eq(m->skew->tolerance, 1e-6);
	ck_assert_int_eq(m->skew->within_ms, 5000);
	ck_assert(m->skew->known_at);
	ck_assert_int_eq(m->tests[0].test, TEST_SKEW);
	ck_assert(j->sources[1].used[2] && j->sources[1].used[4] && !j->sources[1].used[6]);
	job_free(j);
}
END_TEST

/* The entity by its own name, the usual test, names that are alike. */
START_TEST(skew_defaults)
{
	struct buf b = {0};
	buf_add(&b, good_skew, (size_t)(strstr(good_skew, "    tests:") - good_skew));
	buf_str(&b, "    skew: {view: planes, features: n}\n");
	struct job *j = parse(buf_cstr(&b), NULL);
	const struct monitor *m = &j->monitors[0];
	ck_assert_uint_eq(m->skew->entity[0], 1);
	ck_assert_double_eq(m->skew->tolerance, 1e-9);
	ck_assert_int_eq(m->skew->within_ms, 0);
	ck_assert(!m->skew->known_at);
	ck_assert_uint_eq(m->ntests, 1);
	ck_assert_int_eq(m->tests[0].test, TEST_SKEW);
	ck_assert_double_eq(m->tests[0].threshold, 0);
	job_free(j);
	buf_release(&b);
}
END_TEST

static const struct broken broken_skews[] = {
        {"view: planes", "view: plane", 24, 13, "this job has no view 'plane'", "planes"},
        {"      view: planes\n", "", 23, 5, "'skew' needs the key 'view'", NULL},
        {"entity: plane", "entity: plan", 25, 15, "has no column 'plan'", "plane"},
        {"entity: plane", "entity: number", 25, 15,
                "'number' is a int, the view's entity column 'tailnum' a string", NULL},
        {"entity: plane", "entity: [plane, number]", 25, 15,
                "the entity of view 'planes' has 1 column", NULL},
        {"{mean: mean_delay,", "{mean: mean_dela,", 26, 24,
                "view 'planes' has no feature 'mean_dela'", "mean_delay"},
        {"{mean: mean_delay,", "{mea: mean_delay,", 26, 18, "has no column 'mea'", "mean"},
        {"{mean: mean_delay,", "{raw: mean_delay,", 26, 18,
                "'raw' is a bytes, the feature 'mean_delay' a double", NULL},
        {"{mean: mean_delay, n: n}", "{plane: mean_delay}", 26, 18, "cannot be compared", NULL},
        {"{mean: mean_delay, n: n}", "[n, n]", 26, 21, "here already", NULL},
        {"features: {mean: mean_delay, n: n}", "features: {}", 26, 7,
                "'features' needs served columns", NULL},
        {"tolerance: 1e-6", "tolerance: 2", 27, 18, "'tolerance' needs a number from 0 to 1",
                NULL},
        {"within: 5s", "within: soon", 28, 15, "not a duration", NULL},
        {"known_at: true", "known_at: 1", 29, 17, "'known_at' is true or false", NULL},
        {"known_at: true", "know_at: true", 29, 7, "'skew' has no key 'know_at'", "known_at"},
        {"{skew: 0.01, skew_unknown: 1}", "{psi: 0.1}", 22, 13,
                "'psi' is not for a monitor with 'skew'", NULL},
        {"{skew: 0.01, skew_unknown: 1}", "{skew: 2}", 22, 19,
                "'skew' needs a number from 0 to 1", NULL},
        {"    window: 1h\n", "    window: 1h\n    columns: [mean]\n", 22, 14,
                "a monitor with 'skew' has no 'columns'", NULL},
};

START_TEST(broken_skew)
{
	broken_is(&broken_skews[_i], good_skew);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lang_monitors");
	TCase *tc = tcase_create("lang_monitors");
	tcase_add_test(tc, good_file);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, inlined);
	tcase_add_loop_test(tc, broken, 0, sizeof brokens / sizeof *brokens);
	tcase_add_test(tc, good_skew_file);
	tcase_add_test(tc, skew_defaults);
	tcase_add_loop_test(tc, broken_skew, 0, sizeof broken_skews / sizeof *broken_skews);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
