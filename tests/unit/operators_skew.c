// SPDX-License-Identifier: Apache-2.0
//
// A value as served beside the one computed: when they are equal, and which is the higher.
#include <check.h>
#include <math.h>

#include "operators/monitor/skew.h"

#define TOLERANCE 1e-6

static const struct type f64 = {.kind = KIND_DOUBLE}, f32 = {.kind = KIND_FLOAT},
			 i64 = {.kind = KIND_LONG}, text = {.kind = KIND_STRING};

static struct value real(double x)
{
	return (struct value){.f64 = x};
}

static struct value whole(int64_t x)
{
	return (struct value){.i64 = x};
}

static struct value words(const char *s)
{
	return (struct value){.bytes = {(const uint8_t *)s, (uint32_t)strlen(s)}};
}

static enum skew_kind compared(
        const struct type *ts, struct value served, const struct type *tm, struct value made)
{
	return skew_compare(ts, &served, tm, &made, TOLERANCE);
}

START_TEST(numbers_within_a_share_of_the_larger)
{
	ck_assert_int_eq(compared(&f64, real(100), &f64, real(100.00009)), SKEW_EQUAL);
	ck_assert_int_eq(compared(&f64, real(100), &f64, real(100.0002)), SKEW_LOWER);
	ck_assert_int_eq(compared(&f64, real(-100), &f64, real(-100.0002)), SKEW_HIGHER);
	ck_assert_int_eq(compared(&f64, real(0), &f64, real(1e-300)), SKEW_LOWER);
	ck_assert_int_eq(compared(&f64, real(3), &i64, whole(3)), SKEW_EQUAL);
	ck_assert_int_eq(compared(&f64, real(1e308), &f64, real(-1e308)), SKEW_HIGHER);
}
END_TEST

START_TEST(whole_numbers_to_the_last_digit)
{
	int64_t big = (int64_t)1 << 53;
	ck_assert_int_eq(compared(&i64, whole(big), &i64, whole(big)), SKEW_EQUAL);
	ck_assert_int_eq(compared(&i64, whole(big), &i64, whole(big + 1)), SKEW_LOWER);
}
END_TEST

START_TEST(a_float_has_a_floats_digits_and_range)
{
	ck_assert_int_eq(compared(&f32, real((float)0.1), &f64, real(0.1)), SKEW_EQUAL);
	ck_assert_int_eq(compared(&f32, real(1), &f64, real(1e300)), SKEW_LOWER);
	ck_assert_int_eq(compared(&f64, real(1e300), &f32, real(1)), SKEW_HIGHER);
	ck_assert_int_eq(compared(&f64, real(-1e300), &f32, real(1)), SKEW_LOWER);
}
END_TEST

START_TEST(what_is_missing_is_told_by_side)
{
	struct value none = {.null = true};
	ck_assert_int_eq(compared(&f64, none, &f64, none), SKEW_EQUAL);
	ck_assert_int_eq(compared(&f64, none, &f64, real(1)), SKEW_NOT_SERVED);
	ck_assert_int_eq(compared(&f64, real(1), &f64, none), SKEW_NOT_COMPUTED);
	ck_assert_int_eq(compared(&f64, real(NAN), &f64, real(INFINITY)), SKEW_EQUAL);
}
END_TEST

START_TEST(texts_are_equal_or_not)
{
	ck_assert_int_eq(compared(&text, words("UA"), &text, words("UA")), SKEW_EQUAL);
	ck_assert_int_eq(compared(&text, words("UA"), &text, words("UAL")), SKEW_OTHER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("skew");
	TCase *t = tcase_create("skew");
	tcase_add_test(t, numbers_within_a_share_of_the_larger);
	tcase_add_test(t, whole_numbers_to_the_last_digit);
	tcase_add_test(t, a_float_has_a_floats_digits_and_range);
	tcase_add_test(t, what_is_missing_is_told_by_side);
	tcase_add_test(t, texts_are_equal_or_not);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
