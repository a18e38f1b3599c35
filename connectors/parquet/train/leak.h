/* SPDX-License-Identifier: Apache-2.0
 *
 * Features that know too much: one of them alone tells the label. Looked for in an evenly
 * spaced sample of the rows, numbers and booleans only, against a label that is one.
 *
 * Two-valued labels: AUC, the area under the ROC curve (Mann-Whitney U / (n0 n1), ties count
 * half); it or 1 - it. Others: Pearson's correlation.
 */
#ifndef WEIR_PARQUET_TRAIN_LEAK_H
#define WEIR_PARQUET_TRAIN_LEAK_H

#include "connectors/parquet/train/pass.h"

#define LEAK_ROWS_MAX 65536
#define LEAK_ROWS_MIN 50 /* with a value; fewer tell nothing */
#define LEAK_AUC 0.95
#define LEAK_CORRELATION 0.95

struct leak {
	const struct pass *pass;
	uint32_t
	        *columns; /* per sampled column: view << 16 | feature; the first is the label */
	uint32_t ncolumns;
	double *values; /* column by column, LEAK_ROWS_MAX each; NaN: null */
	uint32_t n;
	uint64_t stride, seen;
};

/* Does nothing, then and later, when the plan has no label or it is no number. */
void leak_init(struct leak *l, const struct pass *p);
void leak_release(struct leak *l);
void leak_add(struct leak *l, const struct pass_chunk *c);
/* Into the result. */
void leak_judge(struct leak *l, struct train_result *r);

#endif
