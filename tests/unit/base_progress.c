// SPDX-License-Identifier: Apache-2.0
//
// Progress, as a terminal and a log file see it, under a clock that stands still.
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"

static struct clock_manual clock_test;
static int fds[2];
static char seen[4000];

static void setup(void)
{
	clock_manual_init(&clock_test, 1000);
	ck_assert_int_eq(pipe(fds), 0);
}

static void teardown(void)
{
	close(fds[0]);
}

static const char *written(void)
{
	close(fds[1]);
	ssize_t n = read(fds[0], seen, sizeof seen - 1);
	seen[n > 0 ? n : 0] = 0;
	return seen;
}

START_TEST(test_terminal)
{
	struct progress p;
	progress_init(&p, fds[1], true, "exporting v", &clock_test.clock);
	progress_show(&p, 0, 100, "0 rows"); /* too early */
	clock_test.now_ms += 100;
	progress_show(&p, 10, 100, "1 row");
	progress_show(&p, 11, 100, "2 rows");
	clock_test.now_ms += 9900;
	progress_show(&p, 50, 100, "3 rows");
	progress_end(&p);
	progress_end(&p);
	ck_assert_str_eq(written(),
	        "\r\033[Kexporting v [##..................]  10 %  1 row"
	        "\r\033[Kexporting v [##########..........]  50 %  3 rows  10 s left"
	        "\r\033[K");
}
END_TEST

START_TEST(test_elsewhere)
{
	struct progress p;
	progress_init(&p, fds[1], false, "exporting v", &clock_test.clock);
	for (int i = 0; i <= 25; i++) {
		progress_show(&p, 4 * i, 100, "some rows");
		clock_test.now_ms += 1000;
	}
	progress_end(&p);
	ck_assert_str_eq(written(), "exporting v:  40 %  some rows  15 s left\n"
	                            "exporting v:  80 %  some rows  5.0 s left\n");
}
END_TEST

START_TEST(test_total_unknown)
{
	struct progress p;
	progress_init(&p, fds[1], false, "reading", &clock_test.clock);
	clock_test.now_ms += PROGRESS_LINE_MS;
	progress_show(&p, 7, 0, "7 rows");
	clock_test.now_ms += PROGRESS_LINE_MS;
	progress_show(&p, 8, 4, "8 rows"); /* more than the total is all */
	ck_assert_str_eq(written(), "reading: 7 rows\nreading: 100 %  8 rows\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base_progress");
	TCase *t = tcase_create("progress");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_terminal);
	tcase_add_test(t, test_elsewhere);
	tcase_add_test(t, test_total_unknown);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
