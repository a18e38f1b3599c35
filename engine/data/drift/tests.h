/* SPDX-License-Identifier: Apache-2.0
 *
 * The drift tests: one table, one function. docs/reference/drift.md has the formulas and where
 * they are from; it is checked against this table.
 *
 *     struct drift_pair pair = {.base = column, .now = &profile};
 *     struct drift_value v;
 *     drift_measure(&pair, MODE_WEIR, test, &v);
 *     bool breached = drift_breached(test, MODE_WEIR, &v, threshold);
 */
#ifndef WEIR_DATA_DRIFT_TESTS_H
#define WEIR_DATA_DRIFT_TESTS_H

#include "data/drift/profile.h"

/* Whose binning, zero handling and norms. */
enum drift_mode { MODE_WEIR, MODE_EVIDENTLY, MODE_NANNYML, DRIFT_MODES };

enum drift_test {
	TEST_PSI,
	TEST_KS,   /* the statistic against the threshold, p-value beside it */
	TEST_KS_P, /* breached when the p-value is below the threshold */
	TEST_JS,
	TEST_WASSERSTEIN,
	TEST_CHI2,
	TEST_CHI2_P,
	TEST_MEAN_SHIFT, /* in standard errors, absolute */
	TEST_NULL_RATE,
	TEST_OUT_OF_RANGE,
	TEST_NEW_CATEGORY,
	TEST_ROWS, /* breached when there are fewer */
	TEST_ECE,
	TEST_BRIER,
	TEST_ERROR_SHIFT, /* in standard errors, upward */
	TEST_SKEW,        /* of served values against computed ones */
	TEST_SKEW_UNKNOWN,
	DRIFT_TESTS
};

/* A NaN value or p-value is "not defined": null in records. */
struct drift_value {
	double value, p_value;
};

struct sample; /* raw values, sample.h */

/* Served values against those that the engine computed. */
struct skew_counts {
	uint64_t rows, unknown, differ; /* unknown: there is nothing to compare with */
};

struct drift_pair {
	const struct baseline_column *base;
	const struct profile *now;
	/* Raw values of both sides, when they are at hand: what the profile only approximates
	 * (KS, Wasserstein, Evidently's bins) is then exact. NULL in a monitor. */
	const struct sample *raw_base, *raw_now;
	/* Only for tests of errors; may be NULL for others. */
	const struct errors *errors_base, *errors_now;
	/* Only for tests of skew; then all else is NULL. */
	const struct skew_counts *skew;
};

struct drift_test_info {
	const char *name;               /* "psi": in job files, records, options */
	const char *title;              /* "Population stability index" */
	bool numbers, categories;       /* what columns it is for */
	bool errors;                    /* for scores with labels instead of a column */
	bool skew;                      /* for served values beside computed ones */
	bool p_value;                   /* has one */
	bool below;                     /* breached below the threshold, not above */
	double thresholds[DRIFT_MODES]; /* by default; NaN: decides nothing unless asked to */
	const char *help;               /* a sentence */
	/* Sets what is defined; drift_measure is the way to call it. */
	void (*measure)(
	        const struct drift_pair *pair, enum drift_mode mode, struct drift_value *out);
};

extern const struct drift_test_info drift_tests[DRIFT_TESTS];
extern const char
        *const drift_modes[DRIFT_MODES + 1]; /* "weir", "evidently", "nannyml", NULL */

/* -1: no such name. */
int drift_test_find(struct slice name);
int drift_mode_find(struct slice name);
bool drift_test_for(enum drift_test test, enum drift_kind kind);

void drift_measure(const struct drift_pair *pair, enum drift_mode mode, enum drift_test test,
        struct drift_value *out);
/* Not defined is not breached. */
bool drift_breached(enum drift_test test, enum drift_mode mode, const struct drift_value *v,
        double threshold);

#endif
