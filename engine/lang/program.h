/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled expressions: a straight-line list of typed column operations. Nulls as in SQL
 * (three-valued and/or/not; anything else with a null argument is null). Immutable and shared
 * by threads once compiled; all working memory is the arena passed to program_run.
 */
#ifndef WEIR_LANG_PROGRAM_H
#define WEIR_LANG_PROGRAM_H

#include "base/arena.h"
#include "data/batch.h"

struct program; /* several expressions over the same input columns, common parts computed once
                 */

struct program_counts {
	uint64_t overflow;    /* integer or decimal overflow: null */
	uint64_t failed_cast; /* cast or function that has no answer: null */
};

/* Number of expressions compiled into p, and the type of each. */
uint32_t program_outputs(const struct program *p);
const struct type *program_type(const struct program *p, uint32_t output);

/* Evaluates every output for rows 0..n-1. cols is indexed like the columns the program was
 * compiled against; only those it uses need data. out[i] gets a column in a (or aliases an
 * input). n may be 0. */
void program_run(const struct program *p, const struct column *cols, uint32_t n,
        struct column *out, struct arena *a, struct program_counts *counts);

#endif
