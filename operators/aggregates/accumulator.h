/* SPDX-License-Identifier: Apache-2.0
 *
 * What the aggregate functions share: filling a spec, refusing a type in one voice, values in
 * and out of heap bytes, and order.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_ACCUMULATOR_H
#define WEIR_OPERATORS_AGGREGATES_ACCUMULATOR_H

#include <math.h>

#include "data/aggregate_kernels.h"

/* Starts a spec for an argument (NULL: none); keeps s->agg. Result null unless said otherwise,
 * of the argument's type. */
void spec_begin(struct agg_spec *s, const struct type *arg, uint16_t acc_bytes);
void spec_blob(struct agg_spec *s, uint16_t at);

/* "sum needs a number, not string", ERR_USER. */
enum status spec_need_number(const char *name, const struct type *arg, struct error *e);
enum status spec_need_ordered(const char *name, const struct type *arg, struct error *e);
/* Any type but that of a literal null. */
enum status spec_need_value(const char *name, const struct type *arg, struct error *e);

/* A number of arg's type as a double; decimals are scaled. */
double number_f64(const struct agg_spec *s, const struct value *v);
double pow10_f64(int exponent);    /* 0..38 */
__int128 pow10_i128(int exponent); /* 0..38 */

/* Of a spec with a kernel: what it does. */
void kernel_acc_add(const struct agg_spec *s, struct heap *h, uint32_t off,
        const struct agg_event *ev);
void kernel_acc_merge(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src);
void kernel_acc_result(const struct agg_spec *s, const struct heap *h, uint32_t off,
        struct value *out, struct agg_counts *n);

/* A double result: what is not finite is null and counted. */
void result_f64(double v, struct value *out, struct agg_counts *n);

/* Zero has one sign, so that what is stored does not depend on which came first. */
static inline double f64_canonical(double v)
{
	return v + 0.0;
}

/* Bytes of a value of this form in place; texts take 8 (an offset and a length). */
static inline uint32_t form_bytes(enum form f)
{
	return f == FORM_I128 ? 16 : 8;
}

/* Into 8-byte aligned memory; fixed forms only. By memcpy, since accumulators are aligned to 8
 * and a compiler may take an __int128 to be aligned to 16. */
static inline void form_store(enum form f, void *at, const struct value *v)
{
	if (f == FORM_I128) {
		memcpy(at, &v->i128, 16);
	} else if (f == FORM_F64) {
		double d = f64_canonical(v->f64);
		memcpy(at, &d, 8);
	} else {
		memcpy(at, &v->i64, 8);
	}
}

static inline struct value form_load(enum form f, const void *at)
{
	struct value v = {0};
	if (f == FORM_I128)
		memcpy(&v.i128, at, 16);
	else
		memcpy(&v.i64, at, 8);
	return v;
}

/* -1, 0, 1; texts bytewise. As value_cmp, without the way through the type. */
static inline int form_cmp(enum form f, const struct value *a, const struct value *b)
{
	switch (f) {
	case FORM_I64:
		return (a->i64 > b->i64) - (a->i64 < b->i64);
	case FORM_F64:
		return (a->f64 > b->f64) - (a->f64 < b->f64);
	case FORM_I128:
		return (a->i128 > b->i128) - (a->i128 < b->i128);
	case FORM_BYTES:
		break;
	}
	int c = slice_cmp(a->bytes, b->bytes);
	return (c > 0) - (c < 0);
}

/* The blob at blob_off gets the content of another blob of the same heap. */
void blob_copy(struct heap *h, uint32_t dst, uint32_t src);

static inline struct slice blob_view(const struct heap *h, uint32_t blob_off)
{
	return (struct slice){heap_blob(h, blob_off), heap_blob_len(h, blob_off)};
}

#endif
