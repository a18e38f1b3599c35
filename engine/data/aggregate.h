/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of an aggregate function. Each is one const struct in its own file under
 * operators/aggregates/, listed in the table operators/aggregates.c. An accumulator is a
 * fixed number of bytes inside an entity's heap (data/heap.h), zeroed before init; what grows
 * goes into blobs whose struct blob sits inside the accumulator at the declared places.
 *
 * Everything is deterministic: the result depends only on the order of add and merge calls.
 * merge(dst, src) is called oldest tile first, into an initialised dst; src is never changed.
 */
#ifndef WEIR_DATA_AGGREGATE_H
#define WEIR_DATA_AGGREGATE_H

#include "base/error.h"
#include "data/batch.h"
#include "data/heap.h"
#include "data/type.h"

#define AGG_ARGS_MAX 2
#define AGG_BLOBS_MAX 2

/* Constant arguments after the values, e.g. 0.95 of quantile(x, 0.95). */
struct agg_const {
	bool is_int;
	int64_t i64; /* when is_int */
	double f64;  /* always */
};

/* Functions that have inline code beside the contract's (data/aggregate_kernels.h): over values of
 * 8 bytes, with an accumulator of fixed size. */
#define AGG_KERNELS(X)                                                                             \
	X(COUNT)                                                                                   \
	X(SUM_F64)                                                                                 \
	X(SUM_I64)                                                                                 \
	X(AVG_F64)                                                                                 \
	X(AVG_I64)                                                                                 \
	X(MIN_F64)                                                                                 \
	X(MAX_F64)                                                                                 \
	X(MIN_I64)                                                                                 \
	X(MAX_I64)                                                                                 \
	X(FIRST)                                                                                   \
	X(LAST)                                                                                    \
	X(SPREAD_F64)                                                                              \
	X(SPREAD_I64)
#define AGG_KERNEL_NAME(K) AGG_##K,
enum agg_kernel { AGG_NO_KERNEL, AGG_KERNELS(AGG_KERNEL_NAME) };
#undef AGG_KERNEL_NAME

/* What resolve works out for one call in a job; immutable afterwards. */
struct agg_spec {
	const struct aggregate *agg; /* set by the caller; resolve keeps it */
	struct type arg_type;     /* of the value argument; KIND_NULL when there is none */
	enum form form;           /* of arg_type */
	struct type result;       /* may point into static or arena memory */
	bool result_nullable;     /* false for count, sum, distinct … */
	uint16_t acc_bytes;       /* multiple of 8 */
	uint8_t kernel;           /* enum agg_kernel: does what add and merge do */
	uint8_t nblobs;
	uint16_t blob_at[AGG_BLOBS_MAX]; /* offsets of struct blob inside the accumulator */
	int64_t k;                /* an integer constant: top's k, distinct's cap */
	double q;                 /* a real constant: quantile's rank */
};

/* One event as an accumulator sees it. The value is never null, NaN or infinite: those are
 * counted and left out before. */
struct agg_event {
	struct value value;  /* of arg_type; unset when the aggregate takes no value */
	int64_t event_time;  /* ms */
	uint64_t arrival;    /* grows with every event of the entity: breaks ties of event_time */
};

/* Things worth a metric that an aggregate saw. */
struct agg_counts {
	uint64_t overflow; /* results that did not fit: null */
	uint64_t capped;   /* adds to a set that is at its cap */
};

/* An accumulator of another function, over the same argument and condition, that lies inside
 * one's own: the two need be kept once. */
struct agg_part {
	const struct aggregate *of; /* NULL: the end of a list */
	uint16_t at;
};

struct aggregate {
	const char *name;
	const char *signature; /* "quantile(x, q)" */
	const char *summary;   /* one line for the reference and for check's suggestions */
	const char *error;     /* "exact", "value within 1 %", … */
	uint8_t nvalues;       /* 0 or 1 value arguments */
	bool value_optional;   /* the value may be left out: count() beside count(x) */
	uint8_t nconst_min, nconst_max;
	const struct agg_part *parts; /* NULL: none */
	/* Checks the argument's type (arg is NULL when there is none) and the constants, whose
	 * number the caller has checked. On failure the error says what would be
	 * right ("sum needs a number, not string"); the caller adds the place. a: for types. */
	enum status (*resolve)(struct agg_spec *s, const struct type *arg,
		const struct agg_const *consts, uint32_t nconsts, struct arena *a,
		struct error *e);
	void (*init)(const struct agg_spec *s, void *acc);
	/* off: of the accumulator in h. */
	void (*add)(const struct agg_spec *s, struct heap *h, uint32_t off,
		const struct agg_event *ev, struct agg_counts *n);
	void (*merge)(const struct agg_spec *s, struct heap *h, uint32_t dst, uint32_t src,
		struct agg_counts *n);
	/* Bytes in out point into h or into a. */
	void (*result)(const struct agg_spec *s, const struct heap *h, uint32_t off,
		struct arena *a, struct value *out, struct agg_counts *n);
	/* Takes an event back, for changes (CDC); NULL: cannot. */
	void (*retract)(const struct agg_spec *s, struct heap *h, uint32_t off,
		const struct agg_event *ev, struct agg_counts *n);
};

#endif
