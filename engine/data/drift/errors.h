/* SPDX-License-Identifier: Apache-2.0
 *
 * How wrong a model was: scores against the labels that came later. Sums are mergeable and
 * bounded, a label that comes late is one more add, and in which order labels come does not
 * show: two topics are read side by side, never twice alike. All zero is empty.
 *
 * When every label is 0 or 1 and every score within [0, 1] it is a classifier's: the error of a
 * row is its squared error (Brier 1950) and there is a calibration error (ECE over ten equal
 * bins of the score, Naeini et al. 2015). Else it is a regression's: the error of a row is
 * |score - label|.
 */
#ifndef WEIR_DATA_DRIFT_ERRORS_H
#define WEIR_DATA_DRIFT_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "data/drift/moments.h"
#include "data/neumaier.h"

#define ERRORS_BINS 10
#define ERRORS_VERSION 2

/* In which order values were added shows in a total as seldom as the digits beyond a second
 * double's decide its last one. */
struct errors_sums {
	uint64_t skipped;   /* rows whose score or label is null or not finite */
	uint64_t beyond;    /* rows that no classifier makes */
	uint64_t n;         /* rows that are not skipped */
	double least, most; /* |score - label| */
	struct neumaier absolute, squared, fourth; /* powers of |score - label| */
	struct errors_sums_bin {
		uint64_t n;
		struct neumaier score;
		double label;
	} bins[ERRORS_BINS];
};

/* What the sums say. */
struct errors {
	uint64_t skipped, beyond;
	struct moments absolute, squared; /* of score - label */
	struct errors_bin {
		uint64_t n;
		double score, label; /* sums */
	} bins[ERRORS_BINS];
};

/* Either may be NaN: skipped. */
void errors_add(struct errors_sums *x, double score, double label);
void errors_merge(struct errors_sums *x, const struct errors_sums *other);
/* format version, then the rest. Unpack is false for bytes of another version or damaged. */
void errors_pack(const struct errors_sums *x, struct buf *out);
bool errors_unpack(struct errors_sums *x, struct reader *r);

struct errors errors_total(const struct errors_sums *x);
bool errors_classifier(const struct errors *x); /* has rows, and all fit a classifier */
double errors_ece(const struct errors *x);      /* NaN: no rows, or no classifier's */
double errors_brier(const struct errors *x);    /* NaN likewise */
double errors_mae(const struct errors *x);      /* NaN: no rows */

#endif
