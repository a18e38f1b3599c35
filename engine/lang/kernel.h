/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels: the instructions of compiled expressions. Each computes one whole column from
 * others. A kernel sets data and null of its result for every row; where a result is null its
 * data is unspecified, and so it must not follow pointers of null rows. What became null
 * although no argument was is counted. Kernels are pure: same arguments, same result.
 */
#ifndef WEIR_LANG_KERNEL_H
#define WEIR_LANG_KERNEL_H

#include "lang/program.h"

struct insn;
struct frame {
	struct column *r; /* registers */
	uint32_t n;
	struct arena *a;
	struct program_counts *counts;
};

typedef void kernel(const struct insn *op, struct frame *f);

struct insn {
	kernel *run;
	uint32_t dst, nargs;
	const uint32_t *args;    /* registers */
	const struct type *type; /* of dst */
	int64_t imm;             /* a constant of the kernel's own */
	const void *data;        /* constant too, e.g. an in-list */
};

static inline const struct column *op_arg(
        const struct insn *op, const struct frame *f, uint32_t i)
{
	return &f->r[op->args[i]];
}

/* The result column: data for n values of width bytes, null taken from the arguments (a row is
 * null when any of them is). */
struct column *op_result(const struct insn *op, struct frame *f);

/* A constant list of `in`. */
struct in_list {
	struct value *sorted; /* by value_cmp */
	uint32_t n;
	bool has_null;
};

/* arithmetic: imm of the decimal ones unused, their scales already agree */
extern kernel kernel_alias, kernel_add_i64, kernel_sub_i64, kernel_mul_i64, kernel_mod_i64,
        kernel_neg_i64, kernel_abs_i64;
extern kernel kernel_add_f64, kernel_sub_f64, kernel_mul_f64, kernel_div_f64, kernel_mod_f64,
        kernel_neg_f64, kernel_abs_f64, kernel_ceil_f64, kernel_floor_f64, kernel_round_f64,
        kernel_sqrt_f64, kernel_ln_f64, kernel_exp_f64, kernel_pow_f64;
extern kernel kernel_add_dec, kernel_sub_dec, kernel_mul_dec, kernel_mod_dec, kernel_neg_dec,
        kernel_abs_dec;
/* imm: digits to keep (may be negative) */
extern kernel kernel_round_i64;
/* imm: how many digits of the scale to clear */
extern kernel kernel_round_dec, kernel_ceil_dec, kernel_floor_dec;

/* comparisons: imm = enum compare */
extern kernel kernel_cmp_i64, kernel_cmp_f64, kernel_cmp_dec, kernel_cmp_bytes, kernel_in;
/* logic and nulls */
extern kernel kernel_and, kernel_or, kernel_not, kernel_is_null, kernel_is_not_null;
extern kernel kernel_select;                 /* condition, then, else */
extern kernel kernel_coalesce;               /* a, b */
extern kernel kernel_nullif;                 /* a, and whether a = b */
extern kernel kernel_least, kernel_greatest; /* a, b: nulls are left out */

/* conversions; imm as said */
extern kernel kernel_i64_f64, kernel_i64_f32, kernel_f64_f32, kernel_f64_i64, kernel_i64_int,
        kernel_i64_bool, kernel_f64_bool;
extern kernel kernel_i64_dec; /* imm: scale of the result */
extern kernel kernel_f64_dec, kernel_dec_f64, kernel_dec_i64, kernel_dec_dec;
extern kernel kernel_scale_i64, kernel_floor_i64; /* imm: factor, divisor */
extern kernel kernel_text_i64, kernel_text_f64, kernel_text_dec, kernel_text_bool,
        kernel_text_time, kernel_text_enum;
extern kernel kernel_to_text; /* by the argument's type */

/* texts */
extern kernel kernel_lower, kernel_upper, kernel_length, kernel_length_bytes, kernel_substr,
        kernel_concat, kernel_split_part, kernel_starts_with, kernel_hash;

/* times: arguments in ms */
extern kernel kernel_year, kernel_month, kernel_day, kernel_hour, kernel_dow;
extern kernel kernel_date_diff;          /* imm: unit in ms */
extern kernel kernel_date_diff_calendar; /* imm: months in the unit */

#endif
