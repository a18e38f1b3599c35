// SPDX-License-Identifier: Apache-2.0
//
// Options: where values come from, in which order, and how each kind of mistake is named.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"

static const struct option common[] = {{"brokers", OPT_TEXT, .value = "HOST", .help = "h"},
        {"memory", OPT_BYTES, .fallback = "512M", .min = 64 << 20, .help = "h"},
        {"format", OPT_CHOICE, .fallback = "table", .value = "table|json", .help = "h"},
        {"commit-interval", OPT_DURATION, .fallback = "500ms", .min = 1, .max = 3600000,
                .help = "h"},
        {"static-member", OPT_FLAG, .help = "h"}, {"pass", OPT_SECRET, .help = "h"},
        {"pass-file", OPT_TEXT, .help = "h"}, {0}};
static const struct option own[] = {{"limit", OPT_INT, true, .min = 1, .max = 10, .help = "h"},
        {"feature", OPT_TEXT, true, .repeat = true, .help = "h"}, {0}};

static struct options o;
static struct error e;
static char file[] = "/tmp/weir-options-XXXXXX";

static void setup(void)
{
	const struct option *tables[] = {common, own};
	options_init(&o, tables, 2);
	memset(&e, 0, sizeof e);
	clearenv();
}

static void teardown(void)
{
	options_release(&o);
}

static enum status line_of(const char *text)
{
	static char words[20][100];
	static char *argv[20];
	int n = 0;
	char copy[1000];
	snprintf(copy, sizeof copy, "%s", text);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) {
		snprintf(words[n], sizeof words[n], "%s", w);
		argv[n] = words[n];
		n++;
	}
	return options_command_line(&o, n, argv, &e);
}

static const char *file_of(const char *text)
{
	FILE *f = fopen(file, "w");
	fputs(text, f);
	fclose(f);
	return file;
}

START_TEST(precedence)
{
	const char *path = file_of("# a node\nbrokers: file:1\nmemory: \"1G\" # plenty\n"
	                           "format: json\ncommit_interval: 2s\n---\n");
	setenv("WEIR_BROKERS", "env:1", 1);
	setenv("WEIR_MEMORY", "2G", 1);
	setenv("WEIR_LIMIT", "7", 1); /* an own option: only its command line */
	ck_assert_int_eq(line_of("a --brokers line:1 b"), ST_OK);
	ck_assert_msg(options_complete(&o, path, &e) == ST_OK, "%s", e.msg);
	ck_assert_str_eq(options_text(&o, "brokers"), "line:1");
	ck_assert_int_eq(options_number(&o, "memory"), INT64_C(2) << 30);
	ck_assert_str_eq(options_text(&o, "format"), "json");
	ck_assert_int_eq(options_number(&o, "commit-interval"), 2000);
	ck_assert_int_eq(options_number(&o, "limit"), 0);
	ck_assert_int_eq(options_get(&o, "brokers")->origin, FROM_COMMAND);
	ck_assert_int_eq(options_get(&o, "memory")->origin, FROM_ENVIRONMENT);
	ck_assert_int_eq(options_get(&o, "format")->origin, FROM_FILE);
	ck_assert_ptr_null(options_text(&o, "pass"));
	ck_assert_int_eq(o.nargs, 2);
	ck_assert_str_eq(o.args[1], "b");
}
END_TEST

START_TEST(defaults_and_forms)
{
	ck_assert_int_eq(
	        line_of("--static-member --limit=3 --feature a --feature=b -- --not-one -"),
	        ST_OK);
	setenv("WEIR_PASS", "secret", 1);
	ck_assert_int_eq(options_complete(&o, NULL, &e), ST_OK);
	ck_assert(options_flag(&o, "static-member"));
	ck_assert_int_eq(options_number(&o, "limit"), 3);
	ck_assert_str_eq(options_nth(&o, "feature", 0), "a");
	ck_assert_str_eq(options_nth(&o, "feature", 1), "b");
	ck_assert_ptr_null(options_nth(&o, "feature", 2));
	ck_assert_int_eq(options_number(&o, "memory"), 512 << 20);
	ck_assert_str_eq(options_text(&o, "format"), "table");
	ck_assert_str_eq(options_text(&o, "pass"), "secret");
	ck_assert_str_eq(o.args[0], "--not-one");
	ck_assert_str_eq(o.args[1], "-");
}
END_TEST

static const struct {
	const char *line, *error, *unknown;
} bad_lines[] = {
        {"--formt json", "there is no option --formt", "formt"},
        {"-x", "there is no option -x", "x"},
        {"--format", "--format needs a value: table|json", NULL},
        {"--format xml", "--format: 'xml' is not one of table|json", NULL},
        {"--format tab", "--format: 'tab' is not one of table|json", NULL},
        {"--memory 1M", "--memory: 1M is below the least allowed, 67108864", NULL},
        {"--memory much", "--memory: 'much' is not a size such as 512M or 2G", NULL},
        {"--limit 11", "--limit: 11 is above the most allowed, 10", NULL},
        {"--limit 0", "--limit: 0 is below the least allowed, 1", NULL},
        {"--limit 3x", "--limit: '3x' is not a whole number", NULL},
        {"--commit-interval 2h", "--commit-interval: 2h is above the most allowed, 3600000 ms",
                NULL},
        {"--commit-interval 5",
                "--commit-interval: '5' is not a duration such as 100ms, 90s or 5m", NULL},
        {"--brokers a --brokers b", "--brokers is given twice", NULL},
        {"--brokers=", "--brokers: it is empty", NULL},
        {"--static-member=maybe", "--static-member: 'maybe' is not true or false", NULL},
        {"--pass hunter2",
                "--pass: a secret on the command line can be seen by every user of the "
                "machine; set "
                "WEIR_PASS, or name a file with --pass-file",
                NULL},
};

START_TEST(mistakes_on_the_line)
{
	ck_assert_int_eq(line_of(bad_lines[_i].line), ST_ERR);
	ck_assert_str_eq(e.msg, bad_lines[_i].error);
	ck_assert_int_eq(e.class, ERR_USER);
	if (bad_lines[_i].unknown)
		ck_assert_str_eq(o.unknown, bad_lines[_i].unknown);
	else
		ck_assert_ptr_null(o.unknown);
}
END_TEST

static const struct {
	const char *text, *error; /* behind the file's name */
} bad_files[] = {
        {"brokers: a\nbroker: b\n", ":2: there is no setting 'broker'"},
        {"limit: 3\n", ":1: there is no setting 'limit'"},
        {"brokers: a\nbrokers: b\n", ":2: 'brokers' is set twice"},
        {"brokers:\n  - a\n", ":1: brokers: it is empty"},
        {"brokers: [a, b]\n", ":1: a line is 'key: value', nothing nested"},
        {"a: {b: c}\n", ":1: a line is 'key: value', nothing nested"},
        {" brokers: a\n", ":1: a line is 'key: value', nothing nested"},
        {"brokers\n", ":1: a line is 'key: value', nothing nested"},
        {"brokers: \"a\n", ":1: a line is 'key: value', nothing nested"},
        {"\n\nmemory: 12\n", ":3: memory: 12 is below the least allowed, 67108864"},
        {"pass: hunter2\n",
                ":1: a secret does not go into this file: name a file with pass_file"},
};

START_TEST(mistakes_in_the_file)
{
	char want[300];
	const char *path = file_of(bad_files[_i].text);
	snprintf(want, sizeof want, "%s%s", path, bad_files[_i].error);
	ck_assert_int_eq(options_complete(&o, path, &e), ST_ERR);
	ck_assert_str_eq(e.msg, want);
	ck_assert_int_eq(e.class, ERR_USER);
}
END_TEST

START_TEST(mistakes_in_the_environment)
{
	setenv("WEIR_MEMORY", "lots", 1);
	ck_assert_int_eq(options_complete(&o, NULL, &e), ST_ERR);
	ck_assert_str_eq(e.msg, "WEIR_MEMORY: 'lots' is not a size such as 512M or 2G");
}
END_TEST

START_TEST(file_that_is_not_there)
{
	ck_assert_int_eq(options_complete(&o, "/no/such/weir.yaml", &e), ST_ERR);
	ck_assert_str_eq(e.msg, "cannot read /no/such/weir.yaml: No such file or directory");
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	int64_t value;
} sizes[] =
        {
                {"0", true, 0},
                {"512M", true, 512 << 20},
                {"1.5K", true, 1536},
                {"2GiB", true, INT64_C(2) << 30},
                {"64kB", true, 64000},
                {"3TB", true, INT64_C(3000000000000)},
                {"0.3", false, 0},
                {"-1", false, 0},
                {"5X", false, 0},
                {"M", false, 0},
                {"", false, 0},
                {"9999999T", false, 0},
},
  durations[] = {
          {"100ms", true, 100},
          {"90s", true, 90000},
          {"1.5h", true, 5400000},
          {"7d", true, 604800000},
          {"7 d", false, 0},
          {"7", false, 0},
          {"s", false, 0},
          {"1e3s", false, 0},
};

START_TEST(byte_sizes)
{
	int64_t v = 0;
	ck_assert_int_eq(option_parse_bytes(sizes[_i].text, &v), sizes[_i].ok);
	if (sizes[_i].ok)
		ck_assert_int_eq(v, sizes[_i].value);
}
END_TEST

START_TEST(times)
{
	int64_t v = 0;
	ck_assert_int_eq(option_parse_duration(durations[_i].text, &v), durations[_i].ok);
	if (durations[_i].ok)
		ck_assert_int_eq(v, durations[_i].value);
}
END_TEST

START_TEST(environment_names)
{
	char env[OPTION_ENV_MAX];
	ck_assert_str_eq(option_env(&common[3], env), "WEIR_COMMIT_INTERVAL");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("options");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, precedence);
	tcase_add_test(t, defaults_and_forms);
	tcase_add_loop_test(t, mistakes_on_the_line, 0, sizeof bad_lines / sizeof *bad_lines);
	tcase_add_loop_test(t, mistakes_in_the_file, 0, sizeof bad_files / sizeof *bad_files);
	tcase_add_test(t, mistakes_in_the_environment);
	tcase_add_test(t, file_that_is_not_there);
	tcase_add_loop_test(t, byte_sizes, 0, sizeof sizes / sizeof *sizes);
	tcase_add_loop_test(t, times, 0, sizeof durations / sizeof *durations);
	tcase_add_test(t, environment_names);
	suite_add_tcase(s, t);
	close(mkstemp(file));
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	unlink(file);
	return failed != 0;
}
