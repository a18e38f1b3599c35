// SPDX-License-Identifier: Apache-2.0
//
// Numbers for people.
#include <check.h>
#include <stdlib.h>

#include "base/human.h"

static const char *count(char *out, int64_t n)
{
	return human_count(out, (uint64_t)n);
}

static const char *bytes(char *out, int64_t n)
{
	return human_bytes(out, (uint64_t)n);
}

static const struct {
	const char *(*fn)(char *, int64_t);
	int64_t in;
	const char *out;
} cases[] = {
        {count, 0, "0"},
        {count, 999, "999"},
        {count, 1000, "1,000"},
        {count, 1234567, "1,234,567"},
        {count, -1, "18,446,744,073,709,551,615"},
        {bytes, 0, "0 B"},
        {bytes, 999, "999 B"},
        {bytes, 1000, "1.0 kB"},
        {bytes, 9949, "9.9 kB"},
        {bytes, 9950, "10 kB"},
        {bytes, 999600, "1.0 MB"},
        {bytes, 1536000000, "1.5 GB"},
        {human_duration, 0, "0 ms"},
        {human_duration, 999, "999 ms"},
        {human_duration, 1000, "1.0 s"},
        {human_duration, 40000, "40 s"},
        {human_duration, 60000, "1 min"},
        {human_duration, 61000, "1 min 1 s"},
        {human_duration, 600000, "10 min"},
        {human_duration, 659000, "10 min"},
        {human_duration, 7380000, "2 h 3 min"},
        {human_duration, 86400000 + 7200000, "1 d 2 h"},
        {human_duration, 40 * INT64_C(86400000), "40 d"},
        {human_duration, -61000, "-1 min 1 s"},
        {human_duration, INT64_MIN, "-106751991167 d"},
        {human_time, 0, "1970-01-01 00:00:00Z"},
        {human_time, 1357048800999, "2013-01-01 14:00:00Z"},
        {human_time, -1, "1969-12-31 23:59:59Z"},
        {human_time, INT64_MIN, "-292275055-05-16 16:47:04Z"},
};

START_TEST(test_human)
{
	char out[HUMAN_MAX];
	ck_assert_str_eq(cases[_i].fn(out, cases[_i].in), cases[_i].out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("human");
	TCase *t = tcase_create("human");
	tcase_add_loop_test(t, test_human, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
