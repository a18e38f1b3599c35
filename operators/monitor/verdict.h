/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes out of a window: drift records, and alerts by how many windows in a row breached.
 */
#ifndef WEIR_OPERATORS_MONITOR_VERDICT_H
#define WEIR_OPERATORS_MONITOR_VERDICT_H

#include "operators/monitor/part.h"

#define VERDICT_BINS_MAX 40
#define ERRORS_COLUMN "_error" /* no column is called so: such names are reserved */

struct verdict_test {
	enum drift_test test;
	double threshold;
	struct drift_value v;
	bool breached;
};

struct verdict_bin {
	const char *label;
	double reference, current; /* shares */
};

/* Of one column, or of the scores with their labels (errors). */
struct verdict {
	uint32_t column; /* in m->columns; m->ncolumns: ERRORS_COLUMN */
	struct slice segment;
	int64_t window;
	uint64_t rows, nulls, reference_rows;
	struct verdict_test tests[DRIFT_TESTS];
	uint32_t ntests;
	struct verdict_bin bins[VERDICT_BINS_MAX];
	uint32_t nbins;
	const struct skew_column *skew; /* its examples; may be NULL */
};

struct verdicts {
	const struct op_conf *conf;
	const struct monitor *m;
	uint64_t breached; /* of all that were given out */
	struct buf key, value, row;
};

void verdicts_init(struct verdicts *vs, const struct op_conf *conf);
void verdicts_release(struct verdicts *vs);

/* Runs the monitor's tests that are for a column, or for errors, with at least min_rows rows.
 */
void verdict_measure(const struct monitor *m, const struct drift_pair *pair, uint64_t rows,
        struct verdict *v);
/* The column's histogram beside the reference's. Texts are in a. */
void verdict_bins(const struct drift_pair *pair, struct verdict *v, struct arena *a);
/* The drift record; given out again it replaces what it was. */
enum status verdict_record(
        struct verdicts *vs, const struct verdict *v, struct arena *a, struct error *e);
/* Takes the window into the runs of breaching and quiet ones; says what fires or resolves.
 * Windows of a segment come in order, a restated one does not come again. */
enum status verdict_alerts(
        struct verdicts *vs, const struct verdict *v, struct arena *a, struct error *e);

#endif
