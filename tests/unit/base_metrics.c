// SPDX-License-Identifier: Apache-2.0
//
// The metrics registry: values, labels, limits and removal; and its text, read by a strict
// parser of the exposition format (by promtool too where there is one).
// docs/reference/metrics.md is compared with what the table says; WEIR_WRITE_DOCS=1 writes it.
#include <check.h>
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"

#define LABELS(...) ((struct metric_labels){__VA_ARGS__})

static struct metrics *m;

static void setup(void)
{
	m = metrics_new();
}

static void teardown(void)
{
	metrics_free(m);
}

static struct metric *any_series(enum metric_id id, const char *job)
{
	unsigned l = metric_families[id].labels;
	return metrics_get(m, id,
	        LABELS(.job = l & LABEL_JOB ? job : NULL,
	                .view = l & LABEL_VIEW ? "aircraft" : NULL,
	                .task = l & LABEL_TASK ? "arrivals:0" : NULL,
	                .reason = l & LABEL_REASON ? "bad_json" : NULL,
	                .version = l & LABEL_VERSION ? "0.1.0" : NULL,
	                .monitor = l & LABEL_MONITOR ? "model" : NULL,
	                .column = l & LABEL_COLUMN ? "score" : NULL,
	                .test = l & LABEL_TEST ? "psi" : NULL));
}

static void touch(enum metric_id id, const char *job)
{
	struct metric *s = any_series(id, job);
	if (metric_families[id].kind == METRIC_COUNTER)
		metric_add(s, 3);
	else if (metric_families[id].kind == METRIC_GAUGE)
		metric_set(s, 1.5);
	else
		metric_observe(s, 7000000);
}

static char *text_of(void)
{
	struct buf b;
	buf_init(&b);
	metrics_text(m, &b);
	buf_cstr(&b);
	return (char *)b.p;
}

static bool has(const char *line)
{
	char *text = text_of();
	char want[400];
	snprintf(want, sizeof want, "\n%s\n", line);
	bool found = strstr(text, want) != NULL;
	free(text);
	return found;
}

/* -- a strict parser -- */

struct parsed {
	char family[128], kind[16];
	double last_bucket; /* of the series being read; -1: none */
	unsigned samples, families;
};

static const char *name_end(const char *p)
{
	ck_assert_msg(isalpha((unsigned char)*p) || *p == '_' || *p == ':', "name: %.60s", p);
	while (isalnum((unsigned char)*p) || *p == '_' || *p == ':')
		p++;
	return p;
}

static const char *labels_end(const char *p)
{
	ck_assert(*p == '{');
	do {
		p = name_end(p + 1);
		ck_assert(p[0] == '=' && p[1] == '"');
		for (p += 2; *p != '"'; p++) {
			ck_assert(*p && *p != '\n');
			if (*p == '\\')
				ck_assert(strchr("\\\"n", *++p));
		}
		p++;
	} while (*p == ',');
	ck_assert_msg(*p == '}', "labels: %.60s", p);
	return p + 1;
}

static void parse_sample(struct parsed *s, const char *p)
{
	const char *end = name_end(p), *suffix = p + strlen(s->family);
	ck_assert_msg(
	        strncmp(p, s->family, strlen(s->family)) == 0, "not of its family: %.80s", p);
	bool histogram = strcmp(s->kind, "histogram") == 0;
	bool bucket = strncmp(suffix, "_bucket{", 8) == 0;
	if (histogram)
		ck_assert(bucket || strncmp(suffix, "_sum", 4) == 0 ||
		          strncmp(suffix, "_count", 6) == 0);
	else
		ck_assert_ptr_eq(end, suffix);
	end = *end == '{' ? labels_end(end) : end;
	ck_assert_msg(*end == ' ', "no value: %.80s", p);
	char *rest;
	double v = strtod(end + 1, &rest);
	ck_assert_msg(*rest == '\n' && rest > end + 1, "value: %.80s", p);
	if (strcmp(s->kind, "counter") == 0)
		ck_assert(v >= 0);
	if (bucket) {
		ck_assert_msg(v >= s->last_bucket, "buckets fall: %.80s", p);
		s->last_bucket = v;
	}
	if (histogram && strncmp(suffix, "_count", 6) == 0) {
		ck_assert_double_eq(v, s->last_bucket);
		s->last_bucket = -1;
	}
	s->samples++;
}

static void parse(const char *text, struct parsed *s)
{
	*s = (struct parsed){.last_bucket = -1};
	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		char help[128], type[128];
		ck_assert_ptr_nonnull(strchr(p, '\n'));
		if (sscanf(p, "# HELP %127s", help) == 1) {
			ck_assert_msg(sscanf(strchr(p, '\n') + 1, "# TYPE %127s %15s\n", type,
			                      s->kind) == 2,
			        "HELP without TYPE: %s", help);
			ck_assert_str_eq(help, type);
			ck_assert_msg(strcmp(s->family, help) != 0, "twice: %s", help);
			strcpy(s->family, help);
			s->families++;
		} else if (*p != '#') {
			parse_sample(s, p);
		}
	}
}

/* -- tests -- */

START_TEST(test_every_family_reads_back)
{
	for (int id = 0; id < METRIC_COUNT; id++)
		touch((enum metric_id)id, "flights");
	char *text = text_of();
	struct parsed s;
	parse(text, &s);
	ck_assert_uint_eq(s.families, METRIC_COUNT);
	ck_assert_uint_gt(s.samples, METRIC_COUNT);
	free(text);
}
END_TEST

START_TEST(test_promtool)
{
	if (system("command -v promtool >/dev/null 2>&1") != 0)
		return;
	for (int id = 0; id < METRIC_COUNT; id++)
		touch((enum metric_id)id, "flights");
	char *text = text_of();
	FILE *p = popen("promtool check metrics", "w");
	ck_assert_ptr_nonnull(p);
	fputs(text, p);
	ck_assert_int_eq(pclose(p), 0);
	free(text);
}
END_TEST

/* The names are a contract. */
START_TEST(test_names)
{
	const struct metric_family *f = &metric_families[_i];
	size_t n = strlen(f->name);
	bool total = n > 6 && strcmp(f->name + n - 6, "_total") == 0;
	ck_assert_msg(strncmp(f->name, "weir_", 5) == 0, "%s", f->name);
	ck_assert_msg(
	        total == (f->kind == METRIC_COUNTER), "%s: _total is for counters", f->name);
	if (*f->unit)
		ck_assert_msg(strstr(f->name, f->unit) != NULL, "%s lacks its unit", f->name);
	ck_assert_msg(f->help[strlen(f->help) - 1] == '.', "%s: help is a sentence", f->name);
	ck_assert_ptr_null(strpbrk(f->help, "\\\n|"));
	for (uint32_t i = 1; i < f->nbounds; i++)
		ck_assert(f->bounds[i] > f->bounds[i - 1]);
	ck_assert_uint_le(f->nbounds, METRICS_BOUNDS_MAX);
}
END_TEST

START_TEST(test_values)
{
	struct metric *late =
	        metrics_get(m, METRIC_LATE, LABELS(.job = "flights", .task = "arrivals:0"));
	ck_assert_ptr_eq(late,
	        metrics_get(m, METRIC_LATE, LABELS(.job = "flights", .task = "arrivals:0")));
	ck_assert_ptr_ne(late,
	        metrics_get(m, METRIC_LATE, LABELS(.job = "flights", .task = "arrivals:1")));
	metric_add(late, 2);
	metric_add(late, 40);
	ck_assert(has("weir_late_records_total{job=\"flights\",task=\"arrivals:0\"} 42"));
	ck_assert(has("weir_late_records_total{job=\"flights\",task=\"arrivals:1\"} 0"));
	metric_add(metrics_get(m, METRIC_POLL_TIME, LABELS(.job = "flights")), 1500000000);
	ck_assert(has("weir_poll_seconds_total{job=\"flights\"} 1.5"));
	struct metric *up = metrics_get(m, METRIC_ONLINE_UP, LABELS(0));
	metric_set(up, 1);
	metric_set(up, -0.25);
	ck_assert(has("weir_online_up -0.25"));
	metric_set(up, INFINITY);
	ck_assert(has("weir_online_up +Inf"));
	metric_set(up, NAN);
	ck_assert(has("weir_online_up NaN"));
}
END_TEST

START_TEST(test_histogram)
{
	struct metric *h = metrics_get(m, METRIC_COMMIT_TIME, LABELS(.job = "j"));
	metric_observe(h, 1000000); /* on a bound: 1 ms is in le 0.001 */
	metric_observe(h, 1000001);
	metric_observe(h, 40000000000); /* above them all */
	ck_assert(has("weir_commit_seconds_bucket{job=\"j\",le=\"0.001\"} 1"));
	ck_assert(has("weir_commit_seconds_bucket{job=\"j\",le=\"0.0025\"} 2"));
	ck_assert(has("weir_commit_seconds_bucket{job=\"j\",le=\"30\"} 2"));
	ck_assert(has("weir_commit_seconds_bucket{job=\"j\",le=\"+Inf\"} 3"));
	ck_assert(has("weir_commit_seconds_count{job=\"j\"} 3"));
	ck_assert(has("weir_commit_seconds_sum{job=\"j\"} 40.002000001"));
	ck_assert_double_eq(metric_value(h), 3);
}
END_TEST

START_TEST(test_escapes)
{
	metric_add(metrics_get(m, METRIC_DEAD, LABELS(.job = "a\"b\\c\nd", .reason = "x")), 1);
	ck_assert(has("weir_dead_letters_total{job=\"a\\\"b\\\\c\\nd\",reason=\"x\"} 1"));
	char *text = text_of();
	struct parsed s;
	parse(text, &s);
	free(text);
}
END_TEST

START_TEST(test_removal)
{
	for (int id = 0; id < METRIC_COUNT; id++) {
		touch((enum metric_id)id, "flights");
		touch((enum metric_id)id, "flights2");
	}
	metrics_get(m, METRIC_LAG, LABELS(.job = "flights2", .task = "arrivals:1"));
	metrics_remove_job(m, "flights");
	metrics_remove_task(m, "flights2", "arrivals:0");
	char *text = text_of();
	ck_assert_ptr_null(strstr(text, "job=\"flights\""));
	ck_assert_ptr_null(strstr(text, "task=\"arrivals:0\""));
	ck_assert_ptr_nonnull(strstr(text, "task=\"arrivals:1\""));
	ck_assert_ptr_nonnull(strstr(text, "weir_epochs_total{job=\"flights2\"} 3"));
	ck_assert_ptr_nonnull(strstr(text, "weir_online_rows_total 6"));
	free(text);
	metric_add(metrics_get(m, METRIC_EPOCHS, LABELS(.job = "flights")), 1);
	ck_assert(has("weir_epochs_total{job=\"flights\"} 1"));
}
END_TEST

START_TEST(test_limit)
{
	char task[32];
	for (int i = 0; i < METRICS_SERIES_MAX; i++) {
		snprintf(task, sizeof task, "t:%d", i);
		metrics_get(m, METRIC_LAG, LABELS(.job = "j", .task = task));
	}
	struct metric *beyond = metrics_get(m, METRIC_EPOCHS, LABELS(.job = "j"));
	metric_add(beyond, 1);
	ck_assert(!has("weir_epochs_total{job=\"j\"} 1"));
	ck_assert(has("weir_metric_series 50000"));
	ck_assert(has("weir_metric_series_refused_total 1"));
	metrics_remove_job(m, "j");
	metric_add(metrics_get(m, METRIC_EPOCHS, LABELS(.job = "j")), 1);
	ck_assert(has("weir_epochs_total{job=\"j\"} 1"));
}
END_TEST

static void *add_many(void *arg)
{
	struct metric *s = any_series(METRIC_RECORDS, "flights");
	for (int i = 0; i < 100000; i++) {
		metric_add(s, 1);
		metric_observe(arg, 1);
	}
	return NULL;
}

START_TEST(test_threads)
{
	struct metric *h = metrics_get(m, METRIC_FLUSH_TIME, LABELS(.job = "flights"));
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, add_many, h), 0);
	free(text_of());
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_double_eq(metric_value(any_series(METRIC_RECORDS, "flights")), 400000);
	ck_assert_double_eq(metric_value(h), 400000);
}
END_TEST

START_TEST(test_reference_is_current)
{
	static const char path[] = WEIR_SOURCE_DIR "/docs/reference/metrics.md";
	struct buf want, have;
	buf_init(&want);
	buf_init(&have);
	metrics_reference(&want);
	FILE *f = fopen(path, getenv("WEIR_WRITE_DOCS") ? "w+" : "r");
	ck_assert_msg(f != NULL, "%s: missing; WEIR_WRITE_DOCS=1 writes it", path);
	if (getenv("WEIR_WRITE_DOCS"))
		fwrite(want.p, 1, want.len, f);
	rewind(f);
	for (int c; (c = getc(f)) != EOF;)
		buf_byte(&have, (uint8_t)c);
	fclose(f);
	ck_assert_msg(strcmp(buf_cstr(&have), buf_cstr(&want)) == 0,
	        "%s is not what the table says; WEIR_WRITE_DOCS=1 writes it", path);
	buf_release(&want);
	buf_release(&have);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_every_family_reads_back);
	tcase_add_test(t, test_promtool);
	tcase_add_loop_test(t, test_names, 0, METRIC_COUNT);
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_histogram);
	tcase_add_test(t, test_escapes);
	tcase_add_test(t, test_removal);
	tcase_add_test(t, test_limit);
	tcase_add_test(t, test_threads);
	tcase_add_test(t, test_reference_is_current);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
