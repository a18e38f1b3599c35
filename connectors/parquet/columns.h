/* SPDX-License-Identifier: Apache-2.0
 *
 * The columns of a Parquet or CSV file (or of a folder of Parquet files), one by one, as
 * samples for drift statistics: values with their counts, by segment. Independent of the order
 * of rows and of threads. Sorting and grouping spill to a temporary folder; what is held is one
 * column's distinct values of one segment.
 */
#ifndef WEIR_PARQUET_COLUMNS_H
#define WEIR_PARQUET_COLUMNS_H

#include "data/drift/sample.h"

#define COLUMNS_BY_MAX 8 /* segment columns */

struct columns_conf {
	const char *path; /* .csv, .tsv (also .gz): CSV with a header; else Parquet */
	uint64_t memory_bytes;
	uint32_t threads; /* 0: one per core */
};

struct columns;

/* ERR_USER: there is no such file, or it is none. */
enum status columns_open(
        const struct columns_conf *conf, struct columns **out, struct error *e);
void columns_close(struct columns *c);

uint32_t columns_count(const struct columns *c);
const char *columns_name(const struct columns *c, uint32_t i);
/* -1: no such column. */
int32_t columns_find(const struct columns *c, const char *name);
/* False: a column of this type is not watched; type (never NULL) names it. A whole-number
 * column is a number, and may be asked for as categories. */
bool columns_kind(const struct columns *c, uint32_t i, enum drift_kind *out, bool *integer);
const char *columns_type(const struct columns *c, uint32_t i);

/* Columns whose values part the rows into segments. */
struct columns_by {
	uint32_t at[COLUMNS_BY_MAX];
	uint32_t n; /* 0: all rows are one segment */
};

/* Calls each for every segment that has rows, in the order of values (NULLs first), with the
 * segment's values as text (NULL: null) and its sample; each may take that by leaving an empty
 * one. */
enum status columns_samples(struct columns *c, uint32_t column, enum drift_kind as,
        const struct columns_by *by,
        enum status (*each)(
                void *arg, const char *const *values, struct sample *s, struct error *e),
        void *arg, struct error *e);

/* The same for the errors of a score against a label, added in the order of their values. */
enum status columns_errors(struct columns *c, uint32_t score, uint32_t label,
        const struct columns_by *by,
        enum status (*each)(
                void *arg, const char *const *values, const struct errors *x, struct error *e),
        void *arg, struct error *e);

#endif
