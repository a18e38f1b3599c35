/* SPDX-License-Identifier: Apache-2.0
 *
 * All values of a column, as distinct values with their counts: what a baseline is made of, and
 * what two files are compared by. What comes out is a function of the values alone, not of
 * their order. Memory: 16 bytes a distinct number; a category's text and 24 bytes.
 */
#ifndef WEIR_DATA_DRIFT_SAMPLE_H
#define WEIR_DATA_DRIFT_SAMPLE_H

#include "data/drift/baseline.h"
#include "data/drift/profile.h"

struct sample {
	enum drift_kind kind;
	bool integer; /* whole numbers by type */
	uint64_t rows, nulls, non_finite;
	/* number: ascending after sample_finish */
	double *values;
	uint64_t *counts;
	/* category: bytewise ascending after sample_finish */
	struct baseline_category *categories;
	size_t n, cap;
	uint64_t total; /* finite values, or rows with a category */
	struct arena text;
};

void sample_init(struct sample *s, enum drift_kind kind);
void sample_release(struct sample *s);
void sample_add_null(struct sample *s, uint64_t times);
void sample_add_number(struct sample *s, double v, uint64_t times);
void sample_add_category(struct sample *s, struct slice value, uint64_t times);
/* A value of a type that drift_kind_of takes, as the sample's kind. */
void sample_add_value(struct sample *s, const struct type *t, const struct value *v);
void sample_add_sample(struct sample *s, const struct sample *other);
void sample_finish(struct sample *s); /* sorts; then nothing is added */
size_t sample_bytes(const struct sample *s);

/* Memory is a's. */
void sample_baseline(
        const struct sample *s, const char *name, struct arena *a, struct baseline_column *out);
/* Everything in the sample into an initialised, empty profile. */
void sample_profile(const struct sample *s, struct profile *p);

/* A value as the number, or as the category, that the statistics see: timestamps and times in
 * milliseconds, dates in days; text as it is, booleans as true and false, integers as digits
 * (into digits). */
double drift_number(const struct type *t, const struct value *v);
struct slice drift_category(const struct type *t, const struct value *v, char digits[32]);

#endif
