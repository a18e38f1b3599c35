// SPDX-License-Identifier: Apache-2.0
//
// Doubles as text: it reads back as the same double, no text with fewer digits does, and the
// forms that people see stay what they are.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static uint64_t seed = 12345;
static uint64_t rnd(void)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return seed >> 11;
}

static const char *text_of(double v)
{
	static char text[NUM_MAX + 1];
	text[num_format_double(text, v)] = 0;
	return text;
}

static int digits_of(const char *s)
{
	char digits[64];
	int n = 0;
	for (; *s && *s != 'e'; s++)
		if (*s >= '0' && *s <= '9' && (n || *s != '0'))
			digits[n++] = *s;
	while (n && digits[n - 1] == '0')
		n--;
	return n;
}

/* The digits that printf needs for the same double. */
static int digits_needed(double v)
{
	char text[64];
	for (int p = 1; p < DBL_DECIMAL_DIG; p++) {
		snprintf(text, sizeof text, "%.*e", p - 1, v);
		if (strtod(text, NULL) == v)
			return digits_of(text);
	}
	return DBL_DECIMAL_DIG;
}

static void check_shortest(double v)
{
	const char *text = text_of(v);
	ck_assert_msg(strtod(text, NULL) == v, "%s is not %.17g", text, v);
	if (fabs(v) < 1e15) /* larger ones without an exponent have all their digits */
		ck_assert_msg(digits_of(text) <= digits_needed(v), "%s for %.17g", text, v);
}

START_TEST(shortest)
{
	for (int i = 0; i < 200000; i++) {
		double k = (double)(int64_t)(rnd() % 2000000000) - 1e9;
		check_shortest(k / 1000);
		check_shortest(k / 100);
		check_shortest(k / 10000);
		check_shortest(k / 3);
		check_shortest(k * 1000.1);
		check_shortest(nextafter(k / 1000, i % 2 ? 1e300 : -1e300));
		uint64_t bits = rnd() << 11 ^ rnd();
		double v;
		memcpy(&v, &bits, sizeof v);
		if (isfinite(v))
			check_shortest(v);
	}
}
END_TEST

static const struct {
	double v;
	const char *text;
} forms[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-15, "-15"},
        {0.5, "0.5"},
        {-0.5, "-0.5"},
        {0.001, "0.001"},
        {0.01, "0.01"},
        {0.0001, "1e-04"},
        {0.1 + 0.2, "0.30000000000000004"},
        {123.45, "123.45"},
        {1e3 / 3, "333.3333333333333"},
        {100000.125, "100000.125"},
        {-7.25, "-7.25"},
        {999999999999.999, "999999999999.999"},
        {1e15, "1e+15"},
        {123456789012345678.0, "123456789012345680"},
        {1e22, "1e+22"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
};

START_TEST(form)
{
	ck_assert_str_eq(text_of(forms[_i].v), forms[_i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("num");
	TCase *tc = tcase_create("num");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, shortest);
	tcase_add_loop_test(tc, form, 0, sizeof forms / sizeof *forms);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
