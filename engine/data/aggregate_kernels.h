/* SPDX-License-Identifier: Apache-2.0
 *
 * Accumulators of fixed size over values of 8 bytes, as inline code: what the functions under
 * operators/aggregates/ do in these cases, and what the window operator runs for them without a
 * call for each accumulator and event. With a constant kernel each function below comes down to
 * one case.
 */
#ifndef WEIR_DATA_AGGREGATE_KERNELS_H
#define WEIR_DATA_AGGREGATE_KERNELS_H

#include "data/aggregate.h"
#include "data/neumaier.h"

#define AGG_INLINE static inline __attribute__((always_inline))

/* A value of FORM_I64 or FORM_F64. */
union agg_word {
	int64_t i64;
	double f64;
};

struct agg_input {
	union agg_word value;
	int64_t event_time;
	uint64_t arrival;
};

/* Two limbs of 64 bits, lowest first: accumulators are aligned to 8, an __int128 to 16. */
struct acc_whole {
	uint64_t limbs[2];
};

AGG_INLINE __int128 acc_whole_get(const struct acc_whole *acc)
{
	return (__int128)((unsigned __int128)acc->limbs[1] << 64 | acc->limbs[0]);
}

AGG_INLINE void acc_whole_add(struct acc_whole *acc, __int128 v)
{
	unsigned __int128 sum = (unsigned __int128)acc_whole_get(acc) + (unsigned __int128)v;
	acc->limbs[0] = (uint64_t)sum;
	acc->limbs[1] = (uint64_t)(sum >> 64);
}

/* Correctly rounded while the sum is below 2^53, within two units in the last place beyond. */
static inline double whole_mean(__int128 sum, int64_t count)
{
	const __int128 exact = (__int128)1 << 53;
	if (sum < exact && sum > -exact)
		return (double)(int64_t)sum / (double)count;
	__int128 whole = sum / count;
	return (double)whole + (double)(sum % count) / (double)count;
}

/* A sum, and over how many: its parts are a count's and a sum's accumulator. */
struct acc_avg {
	int64_t count;
	union {
		struct neumaier real;
		struct acc_whole whole;
		uint64_t limbs[3]; /* of wide decimals; as many as acc_bytes has room for */
	};
};

struct acc_best_i64 {
	int64_t value, has;
};

/* The first or last event; text and wide decimals lie where the value does. */
#define ACC_EDGE_NONE INT64_MIN /* no event has this time */
struct acc_edge {
	int64_t event_time; /* ACC_EDGE_NONE: empty */
	uint64_t arrival;
	union agg_word value;
};

/* Whether an event at (event_time, arrival) takes the place of the one held: before it for
 * first, after it for last. */
AGG_INLINE bool acc_edge_wins(
        const struct acc_edge *have, int64_t event_time, uint64_t arrival, bool last)
{
	if (have->event_time == ACC_EDGE_NONE)
		return true;
	if (event_time != have->event_time)
		return (event_time > have->event_time) == last;
	return arrival != have->arrival && (arrival > have->arrival) == last;
}

AGG_INLINE void acc_edge_add(struct acc_edge *acc, const struct agg_input *in, bool last)
{
	if (!acc_edge_wins(acc, in->event_time, in->arrival, last))
		return;
	acc->event_time = in->event_time;
	acc->arrival = in->arrival;
	acc->value = in->value;
}

AGG_INLINE void acc_edge_merge(struct acc_edge *to, const struct acc_edge *from, bool last)
{
	if (from->event_time != ACC_EDGE_NONE &&
	        acc_edge_wins(to, from->event_time, from->arrival, last))
		*to = *from;
}

/* Nothing yet is NaN, which compares false both ways; zero has one sign. */
AGG_INLINE void acc_best_f64(double *acc, double v, bool max)
{
	if (max ? !(v <= *acc) : !(v >= *acc))
		*acc = v + 0.0;
}

AGG_INLINE void acc_best_i64(struct acc_best_i64 *acc, int64_t v, bool max)
{
	if (acc->has && (max ? v <= acc->value : v >= acc->value))
		return;
	acc->value = v;
	acc->has = 1;
}

/* Spread about the first value seen (operators/aggregates/var.c); mean and squares are about
 * origin, and 0 while count is. */
struct acc_spread {
	int64_t count;
	double mean, squares;
	union agg_word origin; /* a wide decimal's has 16 bytes */
};

AGG_INLINE double acc_spread_difference(union agg_word a, union agg_word b, bool real)
{
	int64_t d;
	if (real)
		return a.f64 - b.f64;
	if (__builtin_sub_overflow(a.i64, b.i64, &d))
		return (double)((__int128)a.i64 - b.i64);
	return (double)d;
}

/* x: from the origin. */
AGG_INLINE void acc_spread_step(struct acc_spread *acc, double x)
{
	double delta = x - acc->mean;
	acc->mean += delta / (double)acc->count;
	acc->squares += delta * (x - acc->mean);
}

AGG_INLINE void acc_spread_add(struct acc_spread *acc, union agg_word v, bool real)
{
	if (acc->count++ == 0) {
		if (real)
			v.f64 += 0.0;
		acc->origin = v;
		return;
	}
	acc_spread_step(acc, acc_spread_difference(v, acc->origin, real));
}

/* origins: from->origin - to->origin. Both hold something. */
AGG_INLINE void acc_spread_join(
        struct acc_spread *to, const struct acc_spread *from, double origins)
{
	double delta = (from->mean - to->mean) + origins;
	double nt = (double)to->count, nf = (double)from->count;
	to->squares += from->squares + delta * delta * (nt / (nt + nf)) * nf;
	to->mean += delta * (nf / (nt + nf));
	to->count += from->count;
}

AGG_INLINE void acc_spread_merge(
        struct acc_spread *to, const struct acc_spread *from, bool real)
{
	if (from->count == 0)
		return;
	if (to->count == 0)
		*to = *from;
	else
		acc_spread_join(
		        to, from, acc_spread_difference(from->origin, to->origin, real));
}

AGG_INLINE void kernel_add(enum agg_kernel k, void *acc, const struct agg_input *in)
{
	struct acc_avg *avg = acc;
	switch (k) {
	case AGG_COUNT:
		++*(int64_t *)acc;
		break;
	case AGG_SUM_F64:
		neumaier_add(acc, in->value.f64);
		break;
	case AGG_SUM_I64:
		acc_whole_add(acc, in->value.i64);
		break;
	case AGG_AVG_F64:
		avg->count++;
		neumaier_add(&avg->real, in->value.f64);
		break;
	case AGG_AVG_I64:
		avg->count++;
		acc_whole_add(&avg->whole, in->value.i64);
		break;
	case AGG_MIN_F64:
	case AGG_MAX_F64:
		acc_best_f64(acc, in->value.f64, k == AGG_MAX_F64);
		break;
	case AGG_MIN_I64:
	case AGG_MAX_I64:
		acc_best_i64(acc, in->value.i64, k == AGG_MAX_I64);
		break;
	case AGG_FIRST:
	case AGG_LAST:
		acc_edge_add(acc, in, k == AGG_LAST);
		break;
	case AGG_SPREAD_F64:
	case AGG_SPREAD_I64:
		acc_spread_add(acc, in->value, k == AGG_SPREAD_F64);
		break;
	case AGG_NO_KERNEL:
		break;
	}
}

AGG_INLINE void kernel_merge(enum agg_kernel k, void *dst, const void *src)
{
	struct acc_avg *avg = dst;
	const struct acc_avg *avg_from = src;
	const struct acc_best_i64 *best_from = src;
	switch (k) {
	case AGG_COUNT:
		*(int64_t *)dst += *(const int64_t *)src;
		break;
	case AGG_SUM_F64:
		neumaier_merge(dst, src);
		break;
	case AGG_SUM_I64:
		acc_whole_add(dst, acc_whole_get(src));
		break;
	case AGG_AVG_F64:
		avg->count += avg_from->count;
		neumaier_merge(&avg->real, &avg_from->real);
		break;
	case AGG_AVG_I64:
		avg->count += avg_from->count;
		acc_whole_add(&avg->whole, acc_whole_get(&avg_from->whole));
		break;
	case AGG_MIN_F64:
	case AGG_MAX_F64:
		if (!isnan(*(const double *)src))
			acc_best_f64(dst, *(const double *)src, k == AGG_MAX_F64);
		break;
	case AGG_MIN_I64:
	case AGG_MAX_I64:
		if (best_from->has)
			acc_best_i64(dst, best_from->value, k == AGG_MAX_I64);
		break;
	case AGG_FIRST:
	case AGG_LAST:
		acc_edge_merge(dst, src, k == AGG_LAST);
		break;
	case AGG_SPREAD_F64:
	case AGG_SPREAD_I64:
		acc_spread_merge(dst, src, k == AGG_SPREAD_F64);
		break;
	case AGG_NO_KERNEL:
		break;
	}
}

/* A result that does not fit, or is not finite, is null and counted. */
AGG_INLINE bool kernel_fits(bool fits, struct agg_counts *n)
{
	if (__builtin_expect(fits, true))
		return true;
	n->overflow++;
	return false;
}

AGG_INLINE bool kernel_avg(
        enum agg_kernel k, const struct acc_avg *acc, double *out, struct agg_counts *n)
{
	if (acc->count == 0)
		return false;
	*out = k == AGG_AVG_F64 ? neumaier_mean(&acc->real, (double)acc->count)
	                        : whole_mean(acc_whole_get(&acc->whole), acc->count);
	return kernel_fits(isfinite(*out), n);
}

/* Kernels whose result is a word too. */
AGG_INLINE bool kernel_has_result(enum agg_kernel k)
{
	return k != AGG_NO_KERNEL && k != AGG_SPREAD_F64 && k != AGG_SPREAD_I64;
}

/* False: null. */
AGG_INLINE bool kernel_result(enum agg_kernel k, const struct agg_spec *s, const void *acc,
        union agg_word *out, struct agg_counts *n)
{
	const struct acc_edge *edge = acc;
	const struct acc_best_i64 *best = acc;
	__int128 whole;
	switch (k) {
	case AGG_COUNT:
		out->i64 = *(const int64_t *)acc;
		return true;
	case AGG_SUM_F64:
		out->f64 = neumaier_total(acc);
		if (s->result.kind == KIND_FLOAT)
			out->f64 = (double)(float)out->f64;
		return kernel_fits(isfinite(out->f64), n);
	case AGG_SUM_I64:
		whole = acc_whole_get(acc);
		out->i64 = (int64_t)whole;
		return kernel_fits(out->i64 == whole, n);
	case AGG_AVG_F64:
	case AGG_AVG_I64:
		return kernel_avg(k, acc, &out->f64, n);
	case AGG_MIN_F64:
	case AGG_MAX_F64:
		out->f64 = *(const double *)acc;
		return !isnan(out->f64);
	case AGG_MIN_I64:
	case AGG_MAX_I64:
		out->i64 = best->value;
		return best->has;
	case AGG_FIRST:
	case AGG_LAST:
		*out = edge->value;
		return edge->event_time != ACC_EDGE_NONE;
	default:
		return false;
	}
}

#endif
