/* SPDX-License-Identifier: Apache-2.0
 *
 * Two sides, column by column and test by test.
 */
#ifndef WEIR_CLI_DRIFT_COMPARE_H
#define WEIR_CLI_DRIFT_COMPARE_H

#include "cli/drift_ask.h"

struct drift_found {
	enum drift_test test;
	double threshold; /* NaN: none */
	struct drift_value value;
	bool breached;
};

struct drift_row {
	const char *column;
	const char **segment; /* values of by; NULL: all rows */
	bool errors;          /* of score and label, not of a column */
	uint64_t rows, nulls, reference_rows;
	struct drift_found tests[DRIFT_TESTS];
	uint32_t n;
	bool drifted;
};

struct drift_compare {
	/* The reference: a baseline, or a file. */
	const struct baseline *baseline;
	struct columns *base;
	const char *base_path;
	struct columns *now;
	const char *now_path;
	struct names columns, categories, by;
	const char *score, *label; /* NULL: no errors */
	struct drift_ask ask;
	void *arg;
	void (*progress)(void *arg, uint32_t done, uint32_t total); /* columns; may be NULL */
	/* found, in order of columns, then segments */
	struct arena *arena;
	struct drift_row **rows;
	uint32_t n, cap;
};

/* Without columns: those that both have. rows is the caller's to free. */
enum status drift_compare_run(struct drift_compare *d, struct error *e);

#endif
