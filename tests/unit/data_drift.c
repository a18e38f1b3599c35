// SPDX-License-Identifier: Apache-2.0
//
// Profiles, baselines and drift tests: what must not depend on how rows arrive, what is defined
// for windows with nothing sensible in them, and files that are not to be believed. That the
// numbers are scipy's, Evidently's and NannyML's is tests/drift's.
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "data/drift/sample.h"
#include "data/drift/special.h"
#include "data/drift/tests.h"

#define UNDEFINED NAN

static struct arena arena;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

// The same sequence everywhere: Lehmer's generator.
static double next(uint64_t *seed)
{
	*seed = *seed * 48271 % 2147483647;
	return (double)*seed / 2147483647;
}

static struct sample numbers(const double *v, size_t n)
{
	struct sample s;
	sample_init(&s, DRIFT_NUMBER);
	for (size_t i = 0; i < n; i++)
		if (v[i] == HUGE_VAL && n == 1)
			sample_add_null(&s, 1);
		else
			sample_add_number(&s, v[i], 1);
	sample_finish(&s);
	return s;
}

static struct sample generated(uint64_t seed, size_t n, double scale)
{
	struct sample s;
	sample_init(&s, DRIFT_NUMBER);
	for (size_t i = 0; i < n; i++)
		sample_add_number(&s, scale * next(&seed) * next(&seed), 1);
	sample_finish(&s);
	return s;
}

static struct sample words(const char *text)
{
	struct sample s;
	sample_init(&s, DRIFT_CATEGORY);
	for (; *text; text++)
		if (*text == '-')
			sample_add_null(&s, 1);
		else
			sample_add_category(&s, (struct slice){(const uint8_t *)text, 1}, 1);
	sample_finish(&s);
	return s;
}

static struct drift_value measured(const struct sample *base, const struct sample *now,
        enum drift_mode mode, enum drift_test test, bool raw)
{
	struct baseline_column c;
	struct profile p;
	struct drift_value v;
	sample_baseline(base, "x", &arena, &c);
	profile_init(&p, &c);
	sample_profile(now, &p);
	struct drift_pair pair = {.base = &c, .now = &p};
	if (raw) {
		pair.raw_base = base;
		pair.raw_now = now;
	}
	drift_measure(&pair, mode, test, &v);
	profile_release(&p);
	return v;
}

// -- defined for everything --

#define NONE                                                                                   \
	{                                                                                      \
		0                                                                              \
	}
static const struct {
	const char *what;
	double base[8], now[8];
	int nbase, nnow; // values; -1: one null
	enum drift_test test;
	double want;
} edges[] = {
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_PSI, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_KS, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_WASSERSTEIN, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_JS, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_MEAN_SHIFT, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_NULL_RATE, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_OUT_OF_RANGE, UNDEFINED},
        {"no rows", {1, 2, 3}, NONE, 3, 0, TEST_ROWS, 0},
        {"all null", {1, 2, 3}, NONE, 3, -1, TEST_PSI, UNDEFINED},
        {"all null", {1, 2, 3}, NONE, 3, -1, TEST_KS, UNDEFINED},
        {"all null", {1, 2, 3}, NONE, 3, -1, TEST_NULL_RATE, 1},
        {"all null", {1, 2, 3}, NONE, 3, -1, TEST_ROWS, 1},
        {"all infinite", {1, 2, 3}, {INFINITY, -INFINITY, NAN}, 3, 3, TEST_NULL_RATE, 1},
        {"all infinite", {1, 2, 3}, {INFINITY, -INFINITY, NAN}, 3, 3, TEST_KS, UNDEFINED},
        {"one infinite", {1, 2, 3}, {INFINITY, 1, 2, 3}, 3, 4, TEST_KS, 0},
        {"one infinite", {1, 2, 3}, {INFINITY, 1, 2, 3}, 3, 4, TEST_NULL_RATE, 0.25},
        {"null reference", NONE, {1, 2}, -1, 2, TEST_PSI, UNDEFINED},
        {"null reference", NONE, {1, 2}, -1, 2, TEST_KS, UNDEFINED},
        {"null reference", NONE, {1, 2}, -1, 2, TEST_OUT_OF_RANGE, UNDEFINED},
        {"null reference", NONE, {1, 2}, -1, 2, TEST_NULL_RATE, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_PSI, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_KS, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_JS, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_WASSERSTEIN, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_MEAN_SHIFT, 0},
        {"same constant", {5, 5, 5}, {5, 5}, 3, 2, TEST_OUT_OF_RANGE, 0},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_KS, 1},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_JS, 1},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_WASSERSTEIN, 2},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_MEAN_SHIFT, UNDEFINED},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_OUT_OF_RANGE, 1},
        {"constant up", {5, 5, 5}, {7, 7}, 3, 2, TEST_PSI, 18.41883867587797},
        {"constant down", {5, 5, 5}, {3, 3}, 3, 2, TEST_PSI, 18.41883867587797},
        {"constant down", {5, 5, 5}, {3, 3}, 3, 2, TEST_KS, 1},
        {"constant down", {5, 5, 5}, {3, 3}, 3, 2, TEST_JS, 1},
        {"one value each", {5}, {5}, 1, 1, TEST_MEAN_SHIFT, UNDEFINED},
        {"one value each", {5}, {6}, 1, 1, TEST_WASSERSTEIN, 1},
        {"range overflows", {-1e308, 1e308}, {0}, 2, 1, TEST_KS, 0.5},
        {"zeroes are one", {0.0, 1}, {-0.0, 1}, 2, 2, TEST_KS, 0},
};

static struct sample side(const double *v, int n)
{
	double null = HUGE_VAL;
	return n < 0 ? numbers(&null, 1) : numbers(v, (size_t)n);
}

static void same_number(double got, double want, const char *what, const char *test)
{
	if (isnan(want))
		ck_assert_msg(isnan(got), "%s, %s: %g is not undefined", what, test, got);
	else
		ck_assert_msg(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)),
		        "%s, %s: %.17g is not %.17g", what, test, got, want);
}

START_TEST(numbers_of_windows_without_sense)
{
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
		struct sample a = side(edges[i].base, edges[i].nbase);
		struct sample b = side(edges[i].now, edges[i].nnow);
		for (int raw = 0; raw < 2; raw++) {
			struct drift_value v = measured(&a, &b, MODE_WEIR, edges[i].test, raw);
			same_number(v.value, edges[i].want, edges[i].what,
			        drift_tests[edges[i].test].name);
			ck_assert(!isinf(v.value) && !isinf(v.p_value));
		}
		sample_release(&a);
		sample_release(&b);
	}
}
END_TEST

static const struct {
	const char *what, *base, *now;
	enum drift_mode mode;
	enum drift_test test;
	double want, p_value;
} category_edges[] = {
        {"no rows", "aab", "", MODE_WEIR, TEST_CHI2, UNDEFINED, UNDEFINED},
        {"no rows", "aab", "", MODE_WEIR, TEST_NEW_CATEGORY, UNDEFINED, UNDEFINED},
        {"all null", "aab", "--", MODE_WEIR, TEST_PSI, UNDEFINED, UNDEFINED},
        {"all null", "aab", "--", MODE_WEIR, TEST_NULL_RATE, 1, UNDEFINED},
        {"one category", "aaa", "aa", MODE_WEIR, TEST_CHI2, 0, 1},
        {"one category", "aaa", "aa", MODE_WEIR, TEST_PSI, 0, UNDEFINED},
        {"one category", "aaa", "aa", MODE_EVIDENTLY, TEST_CHI2, 0, UNDEFINED},
        {"another category", "aaa", "bb", MODE_WEIR, TEST_NEW_CATEGORY, 1, UNDEFINED},
        {"another category", "aaa", "bb", MODE_WEIR, TEST_JS, 1, UNDEFINED},
        {"another category", "aaa", "bb", MODE_EVIDENTLY, TEST_CHI2, UNDEFINED, 0},
        {"new category", "aab", "abcd", MODE_WEIR, TEST_NEW_CATEGORY, 0.5, UNDEFINED},
        {"null reference", "--", "ab", MODE_WEIR, TEST_NEW_CATEGORY, UNDEFINED, UNDEFINED},
        {"null reference", "--", "ab", MODE_WEIR, TEST_CHI2, UNDEFINED, UNDEFINED},
        {"not for numbers", "aab", "ab", MODE_WEIR, TEST_KS, UNDEFINED, UNDEFINED},
};

START_TEST(categories_of_windows_without_sense)
{
	for (size_t i = 0; i < sizeof category_edges / sizeof *category_edges; i++) {
		struct sample a = words(category_edges[i].base),
		              b = words(category_edges[i].now);
		const char *test = drift_tests[category_edges[i].test].name;
		for (int raw = 0; raw < 2; raw++) {
			struct drift_value v = measured(
			        &a, &b, category_edges[i].mode, category_edges[i].test, raw);
			same_number(
			        v.value, category_edges[i].want, category_edges[i].what, test);
			same_number(v.p_value, category_edges[i].p_value,
			        category_edges[i].what, test);
		}
		sample_release(&a);
		sample_release(&b);
	}
}
END_TEST

// -- a profile is what its rows are --

static void add_all(struct profile *p, const double *v, uint32_t from, uint32_t to)
{
	static const struct type real = {.kind = KIND_DOUBLE};
	struct column c;
	column_init(&c, &real, to - from, &arena);
	for (uint32_t i = from; i < to; i++) {
		c.f64[i - from] = v[i];
		c.null[i - from] = i % 17 == 0;
	}
	profile_add(p, &c, NULL, to - from);
}

static struct buf packed(const struct profile *p)
{
	struct buf b = {0};
	profile_pack(p, &b);
	return b;
}

static void same_bytes(struct buf *a, struct buf *b)
{
	ck_assert(slice_eq(buf_view(a), buf_view(b)));
	buf_release(b);
}

static void fill(double *v, uint32_t n)
{
	uint64_t seed = 7;
	for (uint32_t i = 0; i < n; i++)
		v[i] = i % 31 == 0 ? NAN : i % 5 == 0 ? 3 : 10 * next(&seed) - 2;
}

START_TEST(batches_do_not_show)
{
	enum { N = 3000 };
	double v[N];
	struct baseline_column c;
	struct profile p, q;
	struct sample s = generated(3, 5000, 8);
	fill(v, N);
	sample_baseline(&s, "x", &arena, &c);
	profile_init(&p, &c);
	profile_init(&q, &c);
	add_all(&p, v, 0, N);
	for (uint32_t i = 0; i < N; i++)
		if (i % 17 == 0)
			profile_add_null(&q);
		else
			profile_add_number(&q, v[i]);
	struct buf a = packed(&p), b = packed(&q);
	same_bytes(&a, &b);
	ck_assert_uint_eq(p.rows, N);
	ck_assert_uint_eq(p.rows, p.nulls + p.non_finite + p.moments.n);
	buf_release(&a);
	profile_release(&p);
	profile_release(&q);
	sample_release(&s);
}
END_TEST

START_TEST(rows_are_picked)
{
	static const struct type real = {.kind = KIND_DOUBLE};
	const uint32_t rows[] = {0, 2, 3};
	struct baseline_column c;
	struct profile p;
	struct column col;
	struct sample s = generated(3, 50, 8);
	sample_baseline(&s, "x", &arena, &c);
	profile_init(&p, &c);
	column_init(&col, &real, 4, &arena);
	for (int i = 0; i < 4; i++)
		col.f64[i] = i;
	col.null[2] = 1;
	profile_add(&p, &col, rows, 3);
	ck_assert_uint_eq(p.rows, 3);
	ck_assert_uint_eq(p.nulls, 1);
	ck_assert_double_eq(moments_mean(&p.moments), 1.5);
	profile_release(&p);
	sample_release(&s);
}
END_TEST

START_TEST(merged_is_the_same_counts)
{
	enum { N = 2000 };
	double v[N];
	struct baseline_column c;
	struct profile p, q, whole;
	struct sample s = generated(3, 5000, 8);
	fill(v, N);
	sample_baseline(&s, "x", &arena, &c);
	profile_init(&p, &c);
	profile_init(&q, &c);
	profile_init(&whole, &c);
	add_all(&p, v, 0, 17 * 50);
	add_all(&q, v, 17 * 50, N);
	add_all(&whole, v, 0, N);
	profile_merge(&p, &q);
	ck_assert_uint_eq(p.rows, whole.rows);
	ck_assert_uint_eq(p.moments.n, whole.moments.n);
	for (uint32_t i = 0; i < 2 * c.ngrid + 1; i++)
		ck_assert_uint_eq(p.cells[i], whole.cells[i]);
	ck_assert_double_eq_tol(moments_difference(&p.moments, &whole.moments), 0, 1e-12);
	ck_assert_double_eq_tol(p.moments.m2, whole.moments.m2, 1e-9);
	for (int t = TEST_PSI; t <= TEST_WASSERSTEIN; t++) {
		struct drift_value a, b;
		struct drift_pair one = {.base = &c, .now = &p},
		                  two = {.base = &c, .now = &whole};
		drift_measure(&one, MODE_WEIR, (enum drift_test)t, &a);
		drift_measure(&two, MODE_WEIR, (enum drift_test)t, &b);
		ck_assert_double_eq_tol(a.value, b.value, 1e-12);
	}
	profile_release(&p);
	profile_release(&q);
	profile_release(&whole);
	sample_release(&s);
}
END_TEST

static void round_trip(const struct profile *p)
{
	struct profile q;
	struct buf a = packed(p);
	profile_init(&q, p->base);
	profile_add_null(&q); // what it held before is gone
	struct reader r = reader_of(buf_view(&a));
	ck_assert(profile_unpack(&q, &r));
	ck_assert(r.p == r.end);
	struct buf b = packed(&q);
	same_bytes(&a, &b);
	ck_assert_uint_le(a.len, PROFILE_BYTES_MAX);
	for (uint32_t cut = 0; cut < a.len; cut += 1 + cut / 16) { // damaged: false, no harm
		r = reader_of((struct slice){a.p, cut});
		ck_assert(!profile_unpack(&q, &r));
	}
	buf_release(&a);
	profile_release(&q);
}

START_TEST(packed_and_back)
{
	double v[500];
	struct baseline_column c, other;
	struct profile p;
	struct sample s = generated(3, 5000, 8), t = words("aabbbc-");
	fill(v, 500);
	sample_baseline(&s, "x", &arena, &c);
	profile_init(&p, &c);
	round_trip(&p);
	add_all(&p, v, 0, 500);
	round_trip(&p);
	struct buf a = packed(&p);
	profile_release(&p);
	sample_baseline(&t, "x", &arena, &other);
	profile_init(&p, &other);
	struct reader r = reader_of(buf_view(&a)); // another baseline's
	ck_assert(!profile_unpack(&p, &r));
	for (int i = 0; i < 100; i++) {
		char text[300] = {0};
		memset(text, 'a' + i % 7, i == 50 ? 299 : 1 + (size_t)i % 20);
		profile_add_category(&p, slice_of(text));
	}
	ck_assert_uint_gt(p.other, 0); // too many new ones, and one too long
	ck_assert_uint_eq(p.nfresh, PROFILE_NEW_MAX);
	round_trip(&p);
	buf_release(&a);
	profile_release(&p);
	sample_release(&s);
	sample_release(&t);
}
END_TEST

// -- exactness of what a monitor has --

START_TEST(cells_are_right_to_a_thousandth)
{
	for (uint64_t seed = 1; seed < 40; seed++) {
		struct sample a = generated(seed, 200 + 400 * seed, 10);
		struct sample b = generated(seed + 1000, 100 + 97 * seed, 9 + (double)seed / 8);
		double exact = measured(&a, &b, MODE_WEIR, TEST_KS, true).value;
		double cells = measured(&a, &b, MODE_WEIR, TEST_KS, false).value;
		ck_assert_double_le(fabs(exact - cells), a.n <= GRID_MAX ? 1e-12 : 1e-3);
		exact = measured(&a, &b, MODE_WEIR, TEST_WASSERSTEIN, true).value;
		cells = measured(&a, &b, MODE_WEIR, TEST_WASSERSTEIN, false).value;
		ck_assert_double_le(fabs(exact - cells), 0.02);
		exact = measured(&a, &b, MODE_NANNYML, TEST_JS, true).value;
		ck_assert_double_eq(
		        exact, measured(&a, &b, MODE_NANNYML, TEST_JS, false).value);
		sample_release(&a);
		sample_release(&b);
	}
}
END_TEST

START_TEST(quantiles_are_order_statistics)
{
	struct baseline_column c;
	struct sample s;
	sample_init(&s, DRIFT_NUMBER);
	for (int i = 1; i <= 2500; i++)
		sample_add_number(&s, 2501 - i, 1);
	sample_finish(&s);
	sample_baseline(&s, "x", &arena, &c);
	for (int k = 0; k <= 1000; k++)
		ck_assert_double_eq(c.quantiles[k], k ? ceil(k * 2.5) : 1);
	ck_assert_uint_eq(c.ngrid, 1001);
	ck_assert_uint_eq(c.distinct, GRID_MAX + 1);
	ck_assert_uint_eq(c.ncuts, BASELINE_DECILES);
	for (uint32_t i = 0; i < 9; i++)
		ck_assert_double_eq(c.grid[c.cut_at[i]], 250 * (i + 1));
	sample_release(&s);
}
END_TEST

// -- labels --

static void errors_same(const struct errors_sums *x, const struct errors_sums *y)
{
	struct errors a = errors_total(x), b = errors_total(y);
	ck_assert_mem_eq(&a, &b, sizeof a);
}

START_TEST(errors_of_scores)
{
	struct errors_sums x = {0}, y = {0}, z;
	struct errors is;
	errors_add(&x, 0.25, 0);
	errors_add(&x, 0.75, 1);
	errors_add(&x, NAN, 1);
	errors_add(&y, 0.85, 0);
	is = errors_total(&x);
	ck_assert(errors_classifier(&is));
	ck_assert_double_eq_tol(errors_brier(&is), 0.0625, 1e-15);
	ck_assert_double_eq_tol(errors_ece(&is), 0.25, 1e-15);
	errors_merge(&x, &y);
	is = errors_total(&x);
	ck_assert_double_eq_tol(errors_ece(&is), (0.25 + 0.25 + 0.85) / 3, 1e-15);
	ck_assert_uint_eq(is.skipped, 1);
	struct buf b = {0};
	errors_pack(&x, &b);
	struct reader r = reader_of(buf_view(&b));
	ck_assert(errors_unpack(&z, &r));
	errors_same(&z, &x);
	errors_add(&x, 3, 5); // a regression's
	is = errors_total(&x);
	ck_assert(isnan(errors_ece(&is)) && isnan(errors_brier(&is)));
	ck_assert_double_eq_tol(errors_mae(&is), (0.25 + 0.25 + 0.85 + 2) / 4, 1e-15);
	buf_release(&b);
}
END_TEST

// Two topics are read side by side: labels come in another order each time, and are merged from
// another number of shards.
START_TEST(errors_in_any_order)
{
	enum { ROWS = 1500, SHARDS = 7 };
	struct errors_sums up = {0}, down = {0}, shards[SHARDS] = {0}, merged = {0};
	struct moments want = {0};
	double score[ROWS], label[ROWS];
	uint64_t seed = 29 + (uint64_t)_i;
	for (int i = 0; i < ROWS; i++) {
		score[i] = next(&seed) * next(&seed);
		label[i] = next(&seed) < score[i];
	}
	for (int i = 0; i < ROWS; i++) {
		double off = fabs(score[i] - label[i]);
		errors_add(&up, score[i], label[i]);
		errors_add(&down, score[ROWS - 1 - i], label[ROWS - 1 - i]);
		errors_add(&shards[i * 31 % SHARDS], score[i], label[i]);
		moments_add(&want, off * off);
	}
	for (int i = 0; i < SHARDS; i++)
		errors_merge(&merged, &shards[i]);
	errors_same(&up, &down);
	errors_same(&up, &merged);
	struct errors is = errors_total(&up);
	ck_assert_double_eq_tol(errors_brier(&is), moments_mean(&want), 1e-15);
	ck_assert_double_eq_tol(moments_var(&is.squared), moments_var(&want), 1e-15);
	ck_assert_double_eq(is.squared.min, want.min);
	ck_assert_double_eq(is.squared.max, want.max);
}
END_TEST

// What cancels: a mean far from 0 beside its spread; a constant has none.
START_TEST(errors_far_from_zero)
{
	struct errors_sums far = {0}, constant = {0};
	for (int i = 0; i < 1000; i++) {
		errors_add(&far, 1000 + i % 2 * 0.001, 0);
		errors_add(&constant, 0.1, 0);
	}
	struct errors is = errors_total(&far);
	ck_assert_double_eq_tol(moments_var_pop(&is.absolute), 2.5e-7, 1e-16);
	is = errors_total(&constant);
	ck_assert_double_eq(moments_mean(&is.absolute), 0.1);
	ck_assert_double_eq_tol(moments_var_pop(&is.absolute), 0, 1e-29);
	errors_add(&constant, 1e200, 0); // its square is beyond a double
	is = errors_total(&constant);
	ck_assert(isnan(moments_var_pop(&is.absolute)) && moments_mean(&is.absolute) > 1e190);
	constant = (struct errors_sums){0};
	is = errors_total(&constant);
	ck_assert(isnan(errors_mae(&is)));
}
END_TEST

// -- thresholds --

START_TEST(breaches)
{
	const struct drift_value v = {0.25, 0.05}, none = {NAN, NAN};
	ck_assert(!drift_breached(TEST_PSI, MODE_WEIR, &v, 0.25));
	ck_assert(drift_breached(TEST_PSI, MODE_EVIDENTLY, &v, 0.25));
	ck_assert(!drift_breached(TEST_PSI, MODE_NANNYML, &v, 0.25));
	ck_assert(drift_breached(TEST_PSI, MODE_WEIR, &v, 0.2));
	ck_assert(drift_breached(TEST_KS_P, MODE_WEIR, &v, 0.06));
	ck_assert(!drift_breached(TEST_KS_P, MODE_WEIR, &v, 0.05));
	ck_assert(drift_breached(TEST_KS_P, MODE_EVIDENTLY, &v, 0.05));
	ck_assert(!drift_breached(TEST_CHI2_P, MODE_EVIDENTLY, &v, 0.05));
	ck_assert(drift_breached(TEST_ROWS, MODE_WEIR, &v, 1));
	for (int t = 0; t < DRIFT_TESTS; t++)
		ck_assert(!drift_breached((enum drift_test)t, MODE_WEIR, &none, 0));
	ck_assert(!drift_breached(TEST_PSI, MODE_WEIR, &v, NAN));
	for (int t = 0; t < DRIFT_TESTS; t++)
		ck_assert_int_eq(drift_test_find(slice_of(drift_tests[t].name)), t);
	ck_assert_int_eq(drift_test_find(slice_of("psy")), -1);
	ck_assert_int_eq(drift_mode_find(slice_of("nannyml")), MODE_NANNYML);
}
END_TEST

// -- baseline files --

static struct baseline *made(void)
{
	struct baseline *b = calloc(1, sizeof *b);
	struct sample s = generated(3, 5000, 8), few = numbers((double[]){1, 1, 2, 1e300}, 4);
	struct sample t = words("aabbbc-\"\\");
	arena_init(&b->arena);
	b->weir = "1";
	b->origin.data = "train.parquet";
	b->by = arena_calloc(&b->arena, 1, sizeof *b->by);
	b->by[0] = "version";
	b->nby = 1;
	b->ncolumns = 3;
	b->nsegments = 2;
	b->segments = arena_calloc(&b->arena, 2, sizeof *b->segments);
	for (int i = 0; i < 2; i++) {
		struct baseline_segment *g = &b->segments[i];
		g->rows = 7;
		g->columns = arena_calloc(&b->arena, 3, sizeof *g->columns);
		sample_baseline(&s, "score", &b->arena, &g->columns[0]);
		sample_baseline(&few, "few", &b->arena, &g->columns[1]);
		sample_baseline(&t, "carrier", &b->arena, &g->columns[2]);
	}
	b->segments[0].has_errors = true;
	struct errors_sums sums = {0};
	errors_add(&sums, 0.3, 1);
	b->segments[0].errors = errors_total(&sums);
	b->segments[1].values = arena_calloc(&b->arena, 1, sizeof(char *));
	b->segments[1].values[0] = "v2";
	sample_release(&s);
	sample_release(&few);
	sample_release(&t);
	return b;
}

START_TEST(baselines_are_read_as_written)
{
	struct buf a = {0}, again = {0};
	struct baseline *b = made(), *read;
	struct error e = {0};
	baseline_write(b, &a);
	ck_assert_msg(baseline_parse(buf_view(&a), "f", &read, &e) == ST_OK, "%s", e.msg);
	baseline_write(read, &again);
	ck_assert(slice_eq(buf_view(&a), buf_view(&again)));
	for (uint32_t i = 0; i < 3; i++) {
		struct baseline_column *x = &b->segments[0].columns[i];
		struct baseline_column *y = &read->segments[0].columns[i];
		ck_assert_uint_eq(x->id, y->id);
		ck_assert_uint_eq(x->ncuts, y->ncuts);
	}
	const char *v2[] = {"v2"}, *v3[] = {"v3"};
	ck_assert_ptr_eq(baseline_segment(read, v2, 1), &read->segments[1]);
	ck_assert_ptr_eq(baseline_segment(read, v3, 1), &read->segments[0]);
	ck_assert_ptr_eq(baseline_segment(read, NULL, 0), &read->segments[0]);
	ck_assert_int_eq(baseline_column(read, "carrier"), 2);
	ck_assert_int_eq(baseline_column(read, "nothing"), -1);
	ck_assert_int_eq(baseline_category(&read->segments[0].columns[2], slice_of("\"")), 0);
	baseline_free(b);
	baseline_free(read);
	buf_release(&a);
	buf_release(&again);
}
END_TEST

static const struct {
	const char *from, *to, *says;
} edits[] = {
        {"weir-baseline", "other", "no weir baseline"},
        {"\"version\":1", "\"version\":2", "version is 2, this program reads 1"},
        {"\"segments\":[", "\"segmints\":[", "segments is missing"},
        {"\"type\":\"number\"", "\"type\":\"vector\"", "type is vector"},
        {"\"nulls\":0", "\"nulls\":1", "rows is not the sum"},
        {"\"nulls\":0", "\"nulls\":-1", "nulls is something else"},
        {"\"upto\":[1,", "\"upto\":[0,", "do not fit at 0"},
        {"\"quantiles\":[", "\"quantiles\":[-5,", "more than 1001"},
        {"\"name\":\"few\"", "\"name\":\"score\"", "columns[0] has the same name"},
        {"\"other\":0", "\"other\":2", "rows is not the sum"},
        {"{\"version\":\"v2\"}", "null", "the first segment, and no other"},
        {"\"bins\":[[0,", "\"bins\":[[\"x\",", "bins[0] is not"},
        {"]}\n  ]\n}", "", "line"},
};

START_TEST(edited_baselines_are_refused)
{
	struct buf a = {0};
	struct baseline *b = made(), *read;
	baseline_write(b, &a);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct buf c = {0};
		struct error e = {0};
		const char *text = buf_cstr(&a), *at = strstr(text, edits[i].from);
		ck_assert_msg(at != NULL, "%s", edits[i].from);
		buf_add(&c, text, (size_t)(at - text));
		buf_str(&c, edits[i].to);
		buf_str(&c, at + strlen(edits[i].from));
		ck_assert_msg(baseline_parse(buf_view(&c), "b.json", &read, &e) == ST_ERR, "%s",
		        edits[i].to);
		ck_assert_msg(strstr(e.msg, edits[i].says) && strstr(e.msg, "b.json"), "%s: %s",
		        edits[i].to, e.msg);
		buf_release(&c);
	}
	buf_release(&a);
	baseline_free(b);
}
END_TEST

// -- survival functions: scipy 1.17's values --

static const struct {
	double x, df, want;
} chi2[] = {{0, 1, 1}, {3.841458820694124, 1, 0.05}, {100, 100, 0.48119168452795674},
        {1100, 1000, 0.014614408126295192}, {50, 2, 1.3887943864964e-11}, {INFINITY, 3, 0}};
static const struct {
	uint64_t n;
	double d, want;
} kolmogorov[] = {{1, 0.75, 0.5}, {10, 0.3, 0.27053557479999946},
        {100, 0.1, 0.2526927570063874}, {1000, 0.05, 0.013012074781090332},
        {1000, 0.02, 0.8108971656895577}, {5, 0.08, 1}, {7, 1, 0}};

START_TEST(survival_functions)
{
	for (size_t i = 0; i < sizeof chi2 / sizeof *chi2; i++)
		ck_assert_double_eq_tol(
		        special_chi2_sf(chi2[i].x, chi2[i].df), chi2[i].want, 1e-12);
	for (size_t i = 0; i < sizeof kolmogorov / sizeof *kolmogorov; i++)
		ck_assert_double_eq_tol(special_ks_sf(kolmogorov[i].n, kolmogorov[i].d),
		        kolmogorov[i].want, 1e-10);
	ck_assert_double_eq_tol(special_ks2_exact(3, 3, 1), 0.1, 1e-15);
	ck_assert_double_eq_tol(special_ks2_exact(2, 3, 1), 0.2, 1e-15);
	ck_assert_double_eq(special_ks2_exact(4, 9, 0), 1);
	ck_assert(isnan(special_chi2_sf(1, 0)));
	ck_assert(isnan(special_ks2_sf(0, 3, 0.5)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("drift");
	TCase *t = tcase_create("drift");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, numbers_of_windows_without_sense);
	tcase_add_test(t, categories_of_windows_without_sense);
	tcase_add_test(t, batches_do_not_show);
	tcase_add_test(t, rows_are_picked);
	tcase_add_test(t, merged_is_the_same_counts);
	tcase_add_test(t, packed_and_back);
	tcase_add_test(t, cells_are_right_to_a_thousandth);
	tcase_add_test(t, quantiles_are_order_statistics);
	tcase_add_test(t, errors_of_scores);
	tcase_add_loop_test(t, errors_in_any_order, 0, 300);
	tcase_add_test(t, errors_far_from_zero);
	tcase_add_test(t, breaches);
	tcase_add_test(t, baselines_are_read_as_written);
	tcase_add_test(t, edited_baselines_are_refused);
	tcase_add_test(t, survival_functions);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
