// SPDX-License-Identifier: Apache-2.0
//
// The table of drift tests and what each measures. Where a formula is from: docs/reference/
// drift.md. Invariant: a value that is not a finite number is NaN, which stands for "not
// defined"; nothing is ever breached by it.
#include "data/drift/tests.h"

#include <math.h>

#include "data/drift/special.h"
#include "data/drift/tests_inside.h"

#define PSI_SHARE_MIN 1e-4 // a smaller share counts as this

const char *const drift_modes[DRIFT_MODES + 1] = {"weir", "evidently", "nannyml", NULL};

// Shares of what Evidently compares: those of zero become 0.0001, or a millionth of the
// smallest when that is smaller still.
static void fill_zeroes(double *shares, uint32_t n)
{
	double smallest = INFINITY;
	for (uint32_t i = 0; i < n; i++)
		smallest = shares[i] > 0 ? fmin(smallest, shares[i]) : smallest;
	for (uint32_t i = 0; i < n; i++)
		if (shares[i] == 0)
			shares[i] = smallest <= 1e-4 ? smallest / 1e6 : 1e-4;
}

static void to_shares(struct bins *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		b->base[i] /= b->base_total;
		b->now[i] /= b->now_total;
	}
}

static double psi(const struct drift_pair *pair, enum drift_mode mode)
{
	struct bins b;
	double sum = NAN;
	if (bins_for_psi(&b, pair, mode)) {
		to_shares(&b);
		if (mode == MODE_EVIDENTLY) {
			fill_zeroes(b.base, b.n);
			fill_zeroes(b.now, b.n);
		}
		sum = 0;
		for (uint32_t i = 0; i < b.n; i++) {
			double least = mode == MODE_EVIDENTLY ? 0 : PSI_SHARE_MIN;
			double p = fmax(b.base[i], least), q = fmax(b.now[i], least);
			sum += (p - q) * log(p / q);
		}
	}
	bins_release(&b);
	return sum;
}

static double relative_entropy(double p, double m)
{
	return p > 0 ? p * log(p / m) : 0;
}

// As scipy's jensenshannon: both sides are normalised first.
static double js(const struct drift_pair *pair, enum drift_mode mode)
{
	struct bins b;
	double sum = NAN, base = 0, now = 0;
	if (bins_for_js(&b, pair, mode)) {
		for (uint32_t i = 0; i < b.n; i++) {
			base += b.base[i];
			now += b.now[i];
		}
		sum = 0;
		for (uint32_t i = 0; i < b.n; i++) {
			double p = b.base[i] / base, q = b.now[i] / now, m = (p + q) / 2;
			sum += relative_entropy(p, m) + relative_entropy(q, m);
		}
		sum = mode == MODE_EVIDENTLY ? sum : sum / log(2);
		sum = sqrt(fmax(sum, 0) / 2);
	}
	bins_release(&b);
	return sum;
}

// Pearson's, of the 2 x k table; with NannyML's Yates correction for k = 2, as scipy's
// chi2_contingency has it.
static void contingency(const struct bins *b, bool yates, struct drift_value *out)
{
	double all = b->base_total + b->now_total, sum = 0;
	uint32_t k = 0;
	for (uint32_t i = 0; i < b->n; i++)
		k += b->base[i] + b->now[i] > 0;
	for (uint32_t i = 0; i < b->n; i++) {
		double both = b->base[i] + b->now[i];
		double want = both * b->now_total / all, want_base = both * b->base_total / all;
		double off = fabs(b->now[i] - want);
		if (both == 0)
			continue;
		if (yates && k == 2)
			off -= fmin(0.5, off);
		sum += off * off / want + off * off / want_base;
	}
	out->value = k < 2 ? 0 : sum;
	out->p_value = k < 2 ? 1 : special_chi2_sf(sum, k - 1);
}

// Evidently's: the window's counts against the reference's, scaled to the window's total. A
// category that the reference lacks makes it infinite.
static void goodness_of_fit(const struct bins *b, struct drift_value *out)
{
	double sum = 0, scale = b->now_total / b->base_total;
	uint32_t k = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		double want = b->base[i] * scale, off = b->now[i] - want;
		if (b->base[i] + b->now[i] == 0)
			continue;
		k++;
		sum += off * off / want;
	}
	out->value = sum;
	out->p_value = k < 2 ? NAN : special_chi2_sf(sum, k - 1);
}

static void measure_chi2(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	struct bins b;
	if (bins_for_chi2(&b, pair, mode)) {
		if (mode == MODE_EVIDENTLY)
			goodness_of_fit(&b, out);
		else
			contingency(&b, mode == MODE_NANNYML, out);
	}
	bins_release(&b);
}

static bool both_numbers(const struct drift_pair *pair)
{
	return pair->base->moments.n && pair->now->moments.n;
}

static void measure_ks(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	if (!both_numbers(pair))
		return;
	out->value = distance_ks(pair, mode);
	out->p_value = distance_ks_p(pair, mode, out->value);
}

// Welch's: the difference of means over the root of the sum of their squared standard errors.
static double shift(const struct moments *base, const struct moments *now)
{
	if (base->n < 2 || now->n < 2)
		return NAN;
	double difference = moments_difference(base, now);
	double error =
	        sqrt(moments_var(base) / (double)base->n + moments_var(now) / (double)now->n);
	return difference == 0 ? 0 : difference / error;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

// Not defined when the baseline does not list all categories of the reference.
static double new_category(const struct drift_pair *pair)
{
	const struct profile *now = pair->now;
	uint64_t fresh = now->other;
	for (uint32_t i = 0; i < now->nfresh; i++)
		fresh += now->fresh[i].count;
	if (pair->base->other || pair->base->rows == pair->base->nulls)
		return NAN;
	return share(fresh, now->rows - now->nulls);
}

static double error_shift(const struct errors *base, const struct errors *now)
{
	if (!base || !now)
		return NAN;
	if (errors_classifier(base) && errors_classifier(now))
		return shift(&base->squared, &now->squared);
	return shift(&base->absolute, &now->absolute);
}

static void measure_psi(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	out->value = psi(pair, mode);
}

static void measure_js(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	out->value = js(pair, mode);
}

static void measure_wasserstein(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	if (both_numbers(pair))
		out->value = distance_wasserstein(pair, mode);
}

static void measure_mean_shift(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = fabs(shift(&pair->base->moments, &pair->now->moments));
}

static void measure_null_rate(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = share(pair->now->nulls + pair->now->non_finite, pair->now->rows);
}

static void measure_out_of_range(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	const uint64_t *cells = pair->now->cells;
	if (both_numbers(pair))
		out->value =
		        share(cells[0] + cells[2 * pair->base->ngrid], pair->now->moments.n);
}

static void measure_new_category(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = new_category(pair);
}

static void measure_rows(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = (double)pair->now->rows;
}

static void measure_ece(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	if (pair->errors_now)
		out->value = errors_ece(pair->errors_now);
}

static void measure_brier(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	if (pair->errors_now)
		out->value = errors_brier(pair->errors_now);
}

static void measure_error_shift(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = error_shift(pair->errors_base, pair->errors_now);
}

static void measure_skew(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = share(pair->skew->differ, pair->skew->rows - pair->skew->unknown);
}

static void measure_skew_unknown(
        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out)
{
	(void)mode;
	out->value = share(pair->skew->unknown, pair->skew->rows);
}

const struct drift_test_info drift_tests[DRIFT_TESTS] = {
        [TEST_PSI] = {.name = "psi",
                .measure = measure_psi,
                .title = "population stability index",
                .numbers = true,
                .categories = true,
                .thresholds = {0.25, NAN, NAN},
                .help = "How far shares have moved between the reference's deciles, or between "
                        "categories."},
        [TEST_KS] = {.name = "ks",
                .measure = measure_ks,
                .title = "Kolmogorov-Smirnov statistic",
                .numbers = true,
                .p_value = true,
                .thresholds = {0.2, NAN, NAN},
                .help = "The largest difference between the two distribution functions."},
        [TEST_KS_P] = {.name = "ks_p",
                .measure = measure_ks,
                .title = "Kolmogorov-Smirnov p-value",
                .numbers = true,
                .p_value = true,
                .below = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The same statistic, judged by its p-value."},
        [TEST_JS] = {.name = "js",
                .measure = measure_js,
                .title = "Jensen-Shannon distance",
                .numbers = true,
                .categories = true,
                .thresholds = {NAN, 0.1, 0.1},
                .help = "The root of the divergence of both from their middle; 0 to 1 (base "
                        "2)."},
        [TEST_WASSERSTEIN] = {.name = "wasserstein",
                .measure = measure_wasserstein,
                .title = "Wasserstein distance",
                .numbers = true,
                .thresholds = {NAN, 0.1, NAN},
                .help = "How far values have to be moved on average, in the column's unit."},
        [TEST_CHI2] = {.name = "chi2",
                .measure = measure_chi2,
                .title = "chi-square statistic",
                .categories = true,
                .p_value = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "Of the table of categories against reference and window."},
        [TEST_CHI2_P] = {.name = "chi2_p",
                .measure = measure_chi2,
                .title = "chi-square p-value",
                .categories = true,
                .p_value = true,
                .below = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The same statistic, judged by its p-value."},
        [TEST_MEAN_SHIFT] = {.name = "mean_shift",
                .measure = measure_mean_shift,
                .title = "mean shift",
                .numbers = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "How far the mean has moved, in standard errors of the difference."},
        [TEST_NULL_RATE] = {.name = "null_rate",
                .measure = measure_null_rate,
                .title = "null rate",
                .numbers = true,
                .categories = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The share of rows that are null, NaN or infinite."},
        [TEST_OUT_OF_RANGE] = {.name = "out_of_range",
                .measure = measure_out_of_range,
                .title = "out-of-range share",
                .numbers = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The share of values below the reference's smallest or above its "
                        "largest."},
        [TEST_NEW_CATEGORY] = {.name = "new_category",
                .measure = measure_new_category,
                .title = "new-category share",
                .categories = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The share of values whose category the reference never had."},
        [TEST_ROWS] = {.name = "rows",
                .measure = measure_rows,
                .title = "row count",
                .numbers = true,
                .categories = true,
                .below = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "How many rows there are, nulls too."},
        [TEST_ECE] = {.name = "ece",
                .measure = measure_ece,
                .title = "expected calibration error",
                .errors = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "How far scores are from the frequency of the label, over ten equal "
                        "bins of the score."},
        [TEST_BRIER] = {.name = "brier",
                .measure = measure_brier,
                .title = "Brier score",
                .errors = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The mean squared difference of score and label."},
        [TEST_ERROR_SHIFT] = {.name = "error_shift",
                .measure = measure_error_shift,
                .title = "error shift",
                .errors = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "How far the mean error has grown, in standard errors of the "
                        "difference."},
        [TEST_SKEW] = {.name = "skew",
                .measure = measure_skew,
                .title = "training-serving skew",
                .skew = true,
                .thresholds = {0, NAN, NAN},
                .help = "The share of served values that are not what the engine computed, of "
                        "those whose computed value is known."},
        [TEST_SKEW_UNKNOWN] = {.name = "skew_unknown",
                .measure = measure_skew_unknown,
                .title = "share not compared",
                .skew = true,
                .thresholds = {NAN, NAN, NAN},
                .help = "The share of served values whose computed value is not known: without "
                        "an entity, or of a time that is not kept."},
};

int drift_test_find(struct slice name)
{
	for (int i = 0; i < DRIFT_TESTS; i++)
		if (slice_eq(slice_of(drift_tests[i].name), name))
			return i;
	return -1;
}

int drift_mode_find(struct slice name)
{
	for (int i = 0; i < DRIFT_MODES; i++)
		if (slice_eq(slice_of(drift_modes[i]), name))
			return i;
	return -1;
}

bool drift_test_for(enum drift_test test, enum drift_kind kind)
{
	return kind == DRIFT_NUMBER ? drift_tests[test].numbers : drift_tests[test].categories;
}

static bool can_measure(enum drift_test test, const struct drift_pair *pair)
{
	const struct drift_test_info *t = &drift_tests[test];
	if (t->errors || t->skew)
		return t->errors || pair->skew;
	return pair->base && drift_test_for(test, pair->base->kind);
}

void drift_measure(const struct drift_pair *pair, enum drift_mode mode, enum drift_test test,
        struct drift_value *out)
{
	*out = (struct drift_value){NAN, NAN};
	if (!can_measure(test, pair))
		return;
	drift_tests[test].measure(pair, mode, out);
	if (!isfinite(out->value))
		out->value = NAN;
}

// Evidently's own are >= and <=, but for chi-square's p-value.
bool drift_breached(enum drift_test test, enum drift_mode mode, const struct drift_value *v,
        double threshold)
{
	bool closed = mode == MODE_EVIDENTLY && test != TEST_CHI2_P && test != TEST_ROWS;
	bool p_value = test == TEST_KS_P || test == TEST_CHI2_P;
	double value = p_value ? v->p_value : v->value;
	if (isnan(value) || isnan(threshold))
		return false;
	if (closed && value == threshold)
		return true;
	return drift_tests[test].below ? value < threshold : value > threshold;
}
