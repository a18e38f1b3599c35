// SPDX-License-Identifier: Apache-2.0
//
// Aggregates against tests/oracle/aggregates.py, which computes with exact integers: random
// values of several shapes, all at once and in two tiles. 1e-12 relative, but for integers
// beyond 2^53, which the table holds as doubles.
#include <check.h>
#include <math.h>

#include "aggregate_rig.h"

#define VALUES_MAX 24

static const struct type t_long = {.kind = KIND_LONG}, t_double = {.kind = KIND_DOUBLE};

struct oracle_case {
	const struct type *type;
	const char *shape;
	uint32_t n;
	int64_t longs[VALUES_MAX];
	double doubles[VALUES_MAX];
	int64_t times[VALUES_MAX];
	struct {
		const char *call;
		double want; /* NAN: null */
	} results[16];
};

/* The table is written so that one file serves both types. */
#define LIST(...) __VA_ARGS__
#define LONG(count, name, values, at)                                                          \
	{                                                                                      \
		.type = &t_long, .shape = name, .n = count, .longs = {LIST values},            \
		.times = {LIST at}, .results = {
#define DOUBLE(count, name, values, at)                                                        \
	{                                                                                      \
		.type = &t_double, .shape = name, .n = count, .doubles = {LIST values},        \
		.times = {LIST at}, .results = {
#define RESULT(c, w) {c, w},
#define END                                                                                    \
	}                                                                                      \
	}                                                                                      \
	,

static const struct oracle_case cases[] = {
#include "aggregate_cases.inc"
};

static struct value number(const struct oracle_case *c, uint32_t i)
{
	struct value v = {0};
	if (c->type == &t_long)
		v.i64 = c->longs[i];
	else
		v.f64 = c->doubles[i];
	return v;
}

static void check_result(struct rig *r, uint32_t off, double want, const char *what)
{
	struct value v = rig_result(r, off);
	ck_assert_msg(v.null == isnan(want), "%s: null %d", what, v.null);
	if (v.null)
		return;
	double got = type_form(&r->spec.result) == FORM_I64 ? (double)v.i64 : v.f64;
	ck_assert_msg(fabs(got - want) <= 1e-12 * fabs(want), "%s: %.17g, not %.17g", what, got,
	        want);
}

START_TEST(test_oracle)
{
	const struct oracle_case *c = &cases[_i];
	for (int k = 0; k < 16 && c->results[k].call; k++) {
		struct rig r;
		char what[100];
		rig_must_open(&r, c->results[k].call, c->type);
		uint32_t all = rig_new(&r), a = rig_new(&r), b = rig_new(&r);
		for (uint32_t i = 0; i < c->n; i++) {
			struct agg_event ev = {number(c, i), c->times[i], i};
			rig_add(&r, all, &ev);
			rig_add(&r, i % 3 ? a : b, &ev);
		}
		rig_merge(&r, a, b);
		snprintf(what, sizeof what, "%s of %u %s", c->results[k].call, c->n, c->shape);
		check_result(&r, all, c->results[k].want, what);
		check_result(&r, a, c->results[k].want, what);
		rig_close(&r);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("operators_oracle");
	TCase *t = tcase_create("all");
	tcase_add_loop_test(t, test_oracle, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
