/* SPDX-License-Identifier: Apache-2.0
 *
 * Training-serving skew: features as a model was served them, in a file of logged predictions,
 * beside the engine's own values as of each prediction's time, by the join of train/train.h.
 */
#ifndef WEIR_PARQUET_SKEW_H
#define WEIR_PARQUET_SKEW_H

#include "connectors/parquet/train/train.h"

#define SKEW_PAIRS_MAX 1024
#define SKEW_BY_MAX 8
#define SKEW_SEGMENTS_MAX 10000 /* of a feature: those with the largest shares */
#define SKEW_EXAMPLES 10 /* of a feature */

struct skew_pair {
	const char *served;  /* column of the predictions */
	const char *feature; /* "view:feature" */
};

struct skew_conf {
	struct train_conf
	        train; /* spine: the predictions; features and out are set by skew_run */
	const struct skew_pair *pairs;
	uint32_t npairs;
	const char *const *by; /* columns of the predictions */
	uint32_t nby;
	double tolerance;   /* relative, of numbers */
	const char *folder; /* for what is temporary */
};

/* Of one feature and segment. */
struct skew_cell {
	uint32_t pair;
	const char *segment; /* "carrier=AA, origin=JFK"; "" without by */
	uint64_t rows, differ;
	double ratio; /* median of served / engine's where numbers differ; NaN: none */
};

/* Of one feature, of all segments, those beyond SKEW_SEGMENTS_MAX too. */
struct skew_total {
	uint64_t rows, differ;
};

struct skew_example {
	uint32_t pair;
	uint64_t row;                          /* of the predictions, from 0 */
	const char *segment, *served, *engine; /* as text; NULL: null */
};

struct skew_result {
	struct arena arena;
	uint64_t rows;
	struct skew_total *totals; /* by pair */
	struct skew_cell *cells; /* by pair, the largest share first */
	uint32_t ncells;
	struct skew_example *examples;
	uint32_t nexamples;
};

enum status skew_run(const struct skew_conf *conf, struct skew_result *out, struct error *e);
void skew_result_release(struct skew_result *r);

#endif
