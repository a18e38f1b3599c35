// SPDX-License-Identifier: Apache-2.0
//
// Window arithmetic against the definition: over W with hop h covers, at time t, the events
// with floor((t-W)/h)*h <= ts <= t; a tumbling D those of the current [k*D, (k+1)*D). A tile
// leaves at the first instant at which its window no longer covers it.
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "data/window.h"

#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static const struct {
	int64_t size, hop;
} hops[] = {
        {365 * D, D},
        {30 * D, D},
        {12 * D, D},
        {12 * D - 1, H},
        {7 * D, H},
        {D, H},
        {12 * H, H},
        {12 * H - 1, 5 * M},
        {3 * H, 5 * M},
        {H, 5 * M},
        {H - 1, (H - 1) / 12},
        {5 * M, 25 * S},
        {90 * S, 7500},
        {100 * S, 8333},
        {12 * S, S},
        {11 * S, S},
        {S, S},
};

START_TEST(test_hop_default)
{
	ck_assert_int_eq(window_hop_default(hops[_i].size), hops[_i].hop);
}
END_TEST

static const struct {
	struct window w;
	int64_t t, ts;
	bool in;
} covers[] = {
        /* 24h by hours, at 12:30 of day 100: from 12:00 of day 99 on. */
        {{WINDOW_HOP, D, H}, 100 * D + 12 * H + 30 * M, 99 * D + 12 * H, true},
        {{WINDOW_HOP, D, H}, 100 * D + 12 * H + 30 * M, 99 * D + 12 * H - 1, false},
        {{WINDOW_HOP, D, H}, 100 * D + 12 * H + 30 * M, 100 * D + 12 * H + 30 * M, true},
        /* At a full hour the window is exactly W and its own instant. */
        {{WINDOW_HOP, D, H}, 100 * D, 99 * D, true},
        {{WINDOW_HOP, D, H}, 100 * D, 99 * D - 1, false},
        {{WINDOW_HOP, D, H}, 100 * D - 1, 99 * D - 1, true},
        {{WINDOW_HOP, D, H}, 100 * D - 1, 99 * D - H, true},
        {{WINDOW_HOP, D, H}, 100 * D - 1, 99 * D - H - 1, false},
        /* A hop that does not divide W. */
        {{WINDOW_HOP, 10 * S, 3 * S}, 30 * S, 18 * S, true},
        {{WINDOW_HOP, 10 * S, 3 * S}, 30 * S, 18 * S - 1, false},
        {{WINDOW_HOP, 10 * S, 3 * S}, 31 * S, 21 * S, true},
        {{WINDOW_HOP, 10 * S, 3 * S}, 31 * S, 21 * S - 1, false},
        /* Before 1970 floors go down. */
        {{WINDOW_HOP, 10 * S, 3 * S}, -1, -12 * S, true},
        {{WINDOW_HOP, 10 * S, 3 * S}, -1, -12 * S - 1, false},
        {{WINDOW_HOP, H, 5 * M}, 0, -H, true},
        {{WINDOW_HOP, H, 5 * M}, 0, -H - 1, false},
        {{WINDOW_HOP, H, 5 * M}, -1, -H - 5 * M, true},
        {{WINDOW_HOP, H, 5 * M}, -1, -H - 5 * M - 1, false},
        {{WINDOW_TUMBLING, D, D}, D - 1, 0, true},
        {{WINDOW_TUMBLING, D, D}, D - 1, -1, false},
        {{WINDOW_TUMBLING, D, D}, D, D - 1, false},
        {{WINDOW_TUMBLING, D, D}, D, D, true},
        {{WINDOW_TUMBLING, D, D}, -1, -D, true},
        {{WINDOW_TUMBLING, D, D}, -1, -D - 1, false},
        {{WINDOW_TUMBLING, D, D}, 0, -1, false},
};

static bool covered(const struct window *w, int64_t t, int64_t ts)
{
	return window_tile(w, ts) >= window_first_tile(w, t) && ts <= t;
}

START_TEST(test_covers)
{
	ck_assert_int_eq(covered(&covers[_i].w, covers[_i].t, covers[_i].ts), covers[_i].in);
}
END_TEST

static const struct {
	struct window w;
	int64_t tile, leaves;
} leaving[] = {
        {{WINDOW_HOP, D, H}, 0, D + H},
        {{WINDOW_HOP, D, H}, -1, D},
        {{WINDOW_HOP, D, H}, -25, 0},
        {{WINDOW_HOP, D, H}, -26, -H},
        {{WINDOW_HOP, 10 * S, 3 * S}, 2, 19 * S},
        {{WINDOW_TUMBLING, D, D}, 0, D},
        {{WINDOW_TUMBLING, D, D}, -1, 0},
        {{WINDOW_TUMBLING, D, D}, -2, -D},
};

START_TEST(test_leaves)
{
	ck_assert_int_eq(window_leaves(&leaving[_i].w, leaving[_i].tile), leaving[_i].leaves);
}
END_TEST

static int64_t floor_exact(int64_t a, int64_t b)
{
	return (int64_t)floor((double)a / (double)b);
}

/* The definition, written out. */
static bool defined(const struct window *w, int64_t t, int64_t ts)
{
	if (w->kind == WINDOW_TUMBLING)
		return floor_exact(t, w->size_ms) == floor_exact(ts, w->size_ms) && ts <= t;
	return floor_exact(t - w->size_ms, w->hop_ms) * w->hop_ms <= ts && ts <= t;
}

static const struct window small[] = {
        {WINDOW_HOP, 12, 1},
        {WINDOW_HOP, 12, 5},
        {WINDOW_HOP, 5, 5},
        {WINDOW_HOP, 3, 7},
        {WINDOW_HOP, 1, 1},
        {WINDOW_TUMBLING, 7, 7},
        {WINDOW_TUMBLING, 1, 1},
};

/* Every t and ts around zero; and a tile is in its window until the instant before it leaves.
 */
START_TEST(test_against_definition)
{
	const struct window *w = &small[_i];
	for (int64_t t = -60; t <= 60; t++) {
		for (int64_t ts = -90; ts <= 60; ts++)
			ck_assert_msg(covered(w, t, ts) == defined(w, t, ts), "%d %d", (int)t,
			        (int)ts);
	}
	for (int64_t k = -20; k <= 20; k++) {
		int64_t out = window_leaves(w, k);
		ck_assert_int_le(window_first_tile(w, out - 1), k);
		ck_assert_int_gt(window_first_tile(w, out), k);
		ck_assert_int_eq(window_tile(w, k * w->hop_ms), k);
		ck_assert_int_eq(window_tile(w, (k + 1) * w->hop_ms - 1), k);
	}
}
END_TEST

START_TEST(test_floor_div)
{
	static const int64_t at[][3] = {{7, 2, 3}, {-7, 2, -4}, {-8, 2, -4}, {0, 5, 0},
	        {-1, 5, -1}, {INT64_MAX, 1, INT64_MAX}, {INT64_MIN, 1, INT64_MIN},
	        {INT64_MIN, INT64_MAX, -2}, {INT64_MAX, INT64_MAX, 1}};
	for (size_t i = 0; i < sizeof at / sizeof *at; i++)
		ck_assert_int_eq(floor_div(at[i][0], at[i][1]), at[i][2]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("data_window");
	TCase *t = tcase_create("all");
	tcase_add_loop_test(t, test_hop_default, 0, sizeof hops / sizeof *hops);
	tcase_add_loop_test(t, test_covers, 0, sizeof covers / sizeof *covers);
	tcase_add_loop_test(t, test_leaves, 0, sizeof leaving / sizeof *leaving);
	tcase_add_loop_test(t, test_against_definition, 0, sizeof small / sizeof *small);
	tcase_add_test(t, test_floor_div);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
