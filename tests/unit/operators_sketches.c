// SPDX-License-Identifier: Apache-2.0
//
// The approximate functions against the truth: quantiles within 1 % of the value at that rank
// on distributions chosen to hurt, distinct counts within four standard errors, top beyond its
// counters within its bound.
#include <check.h>
#include <float.h>
#include <math.h>

#include "aggregate_rig.h"
#include "operators/aggregates/ddsketch.h"
#include "operators/aggregates/set.h"

static const struct type t_long = {.kind = KIND_LONG}, t_double = {.kind = KIND_DOUBLE};

#define SAMPLE 20000
#define TILES 24

static double normal(uint64_t *seed)
{
	double r = sqrt(-2 * log(rig_uniform(seed)));
	return r * cos(6.283185307179586 * rig_uniform(seed));
}

static double uniform(uint64_t *seed)
{
	return rig_uniform(seed) * 1000;
}

static double lognormal(uint64_t *seed)
{
	return exp(2 * normal(seed));
}

static double pareto(uint64_t *seed)
{
	return pow(rig_uniform(seed), -1 / 0.8);
}

static double constant(uint64_t *seed)
{
	(void)seed;
	return 0.1;
}

static double symmetric(uint64_t *seed)
{
	return normal(seed) * 50;
}

static double negative(uint64_t *seed)
{
	return -lognormal(seed);
}

static double mostly_zero(uint64_t *seed)
{
	return rig_random(seed) % 10 ? 0 : normal(seed);
}

static double delays(uint64_t *seed)
{
	return floor(normal(seed) * 30) - 5;
}

static double two_peaks(uint64_t *seed)
{
	return rig_random(seed) % 2 ? 1e-6 : 1e6;
}

static double tiny(uint64_t *seed)
{
	return 1e-290 * (1 + rig_uniform(seed));
}

static double huge(uint64_t *seed)
{
	return 1.7e308 * (2 * rig_uniform(seed) - 1);
}

static double bucket_edges(uint64_t *seed)
{
	return pow(1.02, (double)(rig_random(seed) % 500) - 250);
}

static double powers_of_two(uint64_t *seed)
{
	return ldexp(rig_random(seed) % 2 ? 1 : -1, (int)(rig_random(seed) % 40) - 20);
}

static double wide(uint64_t *seed)
{
	return pow(10, rig_uniform(seed) * 17 - 3);
}

static const struct {
	const char *name;
	double (*draw)(uint64_t *seed);
} shapes[] = {
        {"uniform", uniform},
        {"lognormal", lognormal},
        {"pareto", pareto},
        {"constant", constant},
        {"symmetric", symmetric},
        {"negative", negative},
        {"mostly zero", mostly_zero},
        {"delays", delays},
        {"two peaks", two_peaks},
        {"tiny", tiny},
        {"huge", huge},
        {"bucket edges", bucket_edges},
        {"powers of two", powers_of_two},
        {"wide", wide},
};

static const char *const ranks[] = {"quantile(0)", "quantile(0.01)", "quantile(0.25)",
        "quantile(0.5)", "quantile(0.9)", "quantile(0.95)", "quantile(0.999)", "quantile(1)"};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void add_real(struct rig *r, uint32_t off, double v)
{
	struct agg_event ev = {.value.f64 = v};
	rig_add(r, off, &ev);
}

static void check_quantile(const char *call, const double *values, const double *sorted,
        uint32_t n, const char *shape)
{
	struct rig r;
	uint32_t tile[TILES];
	rig_must_open(&r, call, &t_double);
	uint32_t all = rig_new(&r), merged = rig_new(&r);
	for (int i = 0; i < TILES; i++)
		tile[i] = rig_new(&r);
	for (uint32_t i = 0; i < n; i++) {
		add_real(&r, all, values[i]);
		add_real(&r, tile[i % TILES], values[i]);
	}
	for (int i = 0; i < TILES; i++)
		rig_merge(&r, merged, tile[i]);
	struct value got = rig_result(&r, all);
	double want = sorted[(uint32_t)(r.spec.q * (n - 1))];
	ck_assert(!got.null);
	ck_assert_msg(fabs(got.f64 - want) <= 0.01 * fabs(want),
	        "%s of %u %s: %.17g, not %.17g", call, n, shape, got.f64, want);
	ck_assert(slice_eq(rig_state(&r, all), rig_state(&r, merged)));
	ck_assert_uint_le(heap_blob_len(&r.heap, all), 8 * (DDSKETCH_BUCKETS_MAX + 1));
	rig_close(&r);
}

START_TEST(test_quantile_error)
{
	static const uint32_t sizes[] = {
	        1, 2, DDSKETCH_EXACT_MAX, DDSKETCH_EXACT_MAX + 1, 1000, SAMPLE};
	static double values[SAMPLE], sorted[SAMPLE];
	uint64_t seed = 7 + (uint64_t)_i;
	for (uint32_t i = 0; i < SAMPLE; i++)
		values[i] = shapes[_i].draw(&seed);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		memcpy(sorted, values, sizes[s] * sizeof *sorted);
		qsort(sorted, sizes[s], sizeof *sorted, ascending);
		for (size_t q = 0; q < sizeof ranks / sizeof *ranks; q++)
			check_quantile(ranks[q], values, sorted, sizes[s], shapes[_i].name);
	}
}
END_TEST

/* Every bucket's value is within the bound of all the bucket holds, over all magnitudes. */
START_TEST(test_buckets_over_all_magnitudes)
{
	uint64_t seed = 3;
	struct rig r;
	rig_must_open(&r, "median", &t_double);
	uint32_t off = rig_new(&r);
	for (int i = 0; i < 20000; i++) {
		double v =
		        ldexp(1 + rig_uniform(&seed), (int)(rig_random(&seed) % 2045) - 1022);
		v = i == 0 ? DBL_MAX : i == 1 ? DBL_MIN : i % 2 ? -v : v;
		rig_reset(&r, off);
		for (int k = 0; k <= DDSKETCH_EXACT_MAX; k++)
			add_real(&r, off, v);
		double got = rig_result(&r, off).f64;
		ck_assert_msg(fabs(got - v) <= 0.00991 * fabs(v), "%.17g: %.17g", v, got);
		r.heap.len = off + r.spec.acc_bytes;
	}
	rig_close(&r);
}
END_TEST

/* With more magnitudes than buckets the lowest fold, the same way whatever the grouping, and
 * what lies above keeps its bound. */
START_TEST(test_quantile_collapse)
{
	static double values[SAMPLE], sorted[SAMPLE];
	uint64_t seed = 11;
	for (uint32_t i = 0; i < SAMPLE; i++) {
		values[i] = pow(10, rig_uniform(&seed) * 600 - 300);
		values[i] *= rig_random(&seed) % 4 ? 1 : -1;
		sorted[i] = values[i];
	}
	qsort(sorted, SAMPLE, sizeof *sorted, ascending);
	for (size_t q = 5; q < sizeof ranks / sizeof *ranks; q++)
		check_quantile(ranks[q], values, sorted, SAMPLE, "too wide");
	struct rig r;
	rig_must_open(&r, "quantile(0.01)", &t_double);
	uint32_t off = rig_new(&r);
	for (uint32_t i = 0; i < SAMPLE; i++)
		add_real(&r, off, values[i]);
	ck_assert_uint_eq(heap_blob_len(&r.heap, off), 8 * (DDSKETCH_BUCKETS_MAX + 1));
	ck_assert_double_ge(rig_result(&r, off).f64, sorted[SAMPLE / 100]);
	rig_close(&r);
}
END_TEST

static void add_long(struct rig *r, uint32_t off, int64_t v)
{
	struct agg_event ev = {.value.i64 = v};
	rig_add(r, off, &ev);
}

/* Sequential numbers, random ones and texts, from 1 to a million. */
START_TEST(test_distinct_error)
{
	static const int64_t sizes[] = {
	        1, 10, 100, 999, 1000, 1001, 2000, 5000, 10000, 30000, 100000, 1000000};
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		for (int64_t start = 0; start < 3; start++) {
			struct rig r;
			uint64_t seed = (uint64_t)start;
			rig_must_open(&r, "approx_distinct", &t_long);
			uint32_t off = rig_new(&r);
			for (int64_t i = 0; i < sizes[s]; i++)
				add_long(&r, off,
				        start == 2 ? (int64_t)rig_random(&seed)
				                   : i + start * 1000000000);
			double got = (double)rig_result(&r, off).i64, n = (double)sizes[s];
			double room = sizes[s] <= 1000 ? 0.5 : 4 * 1.04 / 64 * n;
			ck_assert_msg(fabs(got - n) <= room, "%g values: %g", n, got);
			rig_close(&r);
		}
	}
}
END_TEST

/* The mean error over many sets is small: no bias, in particular near the change to dense. */
START_TEST(test_distinct_bias)
{
	static const int sizes[] = {1200, 3000, 8000, 12000, 20000};
	enum { SETS = 60 };
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		double total = 0, squares = 0;
		for (uint64_t set = 1; set <= SETS; set++) {
			struct rig r;
			uint64_t seed = set * 1000003;
			rig_must_open(&r, "approx_distinct", &t_long);
			uint32_t off = rig_new(&r);
			for (int i = 0; i < sizes[s]; i++)
				add_long(&r, off, (int64_t)rig_random(&seed));
			double e = (double)rig_result(&r, off).i64 / sizes[s] - 1;
			total += e;
			squares += e * e;
			rig_close(&r);
		}
		ck_assert_double_le(fabs(total / SETS), 4 * 0.01625 / sqrt(SETS));
		ck_assert_double_le(sqrt(squares / SETS), 0.01625 * 1.4);
	}
}
END_TEST

/* Sparse, dense and every mix of them merge to the state that adding gives. */
START_TEST(test_distinct_grouping)
{
	static const int sizes[] = {500, 999, 1000, 1001, 1500, 20000};
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		for (uint32_t parts = 2; parts <= 5; parts++) {
			struct rig r;
			uint32_t part[5];
			uint64_t seed = parts;
			rig_must_open(&r, "approx_distinct", &t_long);
			r.tight = sizes[s] < 2000;
			uint32_t all = rig_new(&r), merged = rig_new(&r);
			for (uint32_t p = 0; p < parts; p++)
				part[p] = rig_new(&r);
			for (int i = 0; i < sizes[s]; i++) {
				uint64_t x = rig_random(&seed);
				add_long(&r, all, i);
				add_long(&r, part[x % 3 ? 0 : x % parts], i);
				add_long(&r, part[x >> 32 & 1], i);
			}
			for (uint32_t p = parts; p-- > 0;)
				rig_merge(&r, merged, part[p]);
			ck_assert(slice_eq(rig_state(&r, all), rig_state(&r, merged)));
			rig_close(&r);
		}
	}
}
END_TEST

/* Which values were hashed while the set was still sparse does not show: forwards, backwards
 * and halves merged give the same registers. Many sets, since the rarest case of carrying an
 * entry over is one in 8,192. */
START_TEST(test_distinct_order)
{
	enum { SETS = 300, VALUES = 3000 };
	for (int64_t set = 0; set < SETS; set++) {
		struct rig r;
		rig_must_open(&r, "approx_distinct", &t_long);
		uint32_t forwards = rig_new(&r), backwards = rig_new(&r), half = rig_new(&r);
		for (int64_t i = 0; i < VALUES; i++) {
			add_long(&r, forwards, set * VALUES + i);
			add_long(&r, backwards, set * VALUES + VALUES - 1 - i);
			if (i % 4 == 0)
				add_long(&r, half, set * VALUES + i);
		}
		struct slice want = rig_state(&r, forwards);
		ck_assert(slice_eq(want, rig_state(&r, backwards)));
		rig_merge(&r, half, backwards);
		ck_assert(slice_eq(want, rig_state(&r, half)));
		rig_close(&r);
	}
}
END_TEST

/* No count is too high, none is low by more than what the summary says it missed. */
static void check_counters(
        struct rig *r, uint32_t off, const uint32_t *truth, uint32_t values, uint64_t events)
{
	struct set t = set_of(&r->spec, &r->heap, off, true);
	uint64_t missed;
	memcpy(&missed, (uint8_t *)heap_at(&r->heap, off) + r->spec.acc_bytes - 8, 8);
	ck_assert_uint_gt(missed, 0);
	ck_assert_uint_le(missed, events / 1001);
	ck_assert_uint_le(set_len(&t), 1000);
	for (uint32_t v = 0; v < values; v++) {
		struct value key = {.i64 = v};
		uint32_t pos;
		uint64_t count = set_find(&t, &key, &pos) ? set_count(&t, pos) : 0;
		ck_assert_uint_le(count, truth[v]);
		ck_assert_uint_ge(count + missed, truth[v]);
	}
}

/* A few heavy values in a stream of rare ones, far more of them than counters: the heavy ones
 * lead by more than the bound, so they are found in order, also through tiles. */
START_TEST(test_top_beyond_counters)
{
	enum { EVENTS = 60000, VALUES = 41000 };
	static uint32_t truth[VALUES];
	struct rig r;
	uint32_t tile[TILES];
	uint64_t seed = 5;
	rig_must_open(&r, "top(5)", &t_long);
	uint32_t all = rig_new(&r), merged = rig_new(&r);
	for (int i = 0; i < TILES; i++)
		tile[i] = rig_new(&r);
	for (int i = 0; i < EVENTS; i++) {
		uint64_t x = rig_random(&seed) % 100;
		int64_t heavy = x < 10 ? 1 : x < 18 ? 2 : x < 24 ? 3 : x < 28 ? 4 : 5;
		int64_t v = x < 30 ? heavy : 1000 + (int64_t)(rig_random(&seed) % 40000);
		truth[v]++;
		add_long(&r, all, v);
		add_long(&r, tile[i * TILES / EVENTS], v);
	}
	for (int i = 0; i < TILES; i++)
		rig_merge(&r, merged, tile[i]);
	ck_assert_uint_gt(r.counts.capped, 0);
	ck_assert_str_eq(rig_text(&r, all), "[1,2,3,4,5]");
	ck_assert_str_eq(rig_text(&r, merged), "[1,2,3,4,5]");
	check_counters(&r, all, truth, VALUES, EVENTS);
	check_counters(&r, merged, truth, VALUES, EVENTS);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("operators_sketches");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_quantile_error, 0, sizeof shapes / sizeof *shapes);
	tcase_add_test(t, test_buckets_over_all_magnitudes);
	tcase_add_test(t, test_quantile_collapse);
	tcase_add_test(t, test_distinct_error);
	tcase_add_test(t, test_distinct_bias);
	tcase_add_test(t, test_distinct_grouping);
	tcase_add_test(t, test_distinct_order);
	tcase_add_test(t, test_top_beyond_counters);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
