/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact sums of integers: two's complement numbers of two or three 64-bit limbs, lowest first.
 * Two limbs hold 2^63 values of 64 bits, or of decimals up to LIMBS_SHORT_DIGITS; three hold as
 * many of any 128-bit value. So a sum that does not fit its result type now may fit later.
 */
#ifndef WEIR_OPERATORS_AGGREGATES_LIMBS_H
#define WEIR_OPERATORS_AGGREGATES_LIMBS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/aggregate.h"

#define LIMBS_MAX 3
#define LIMBS_SHORT_DIGITS 18

/* Limbs that sums of this spec's argument need. */
uint32_t limbs_for(const struct type *arg);

void limbs_add(uint64_t *l, uint32_t n, __int128 v);
void limbs_add_limbs(uint64_t *l, uint32_t n, const uint64_t *other);
void limbs_negate(uint64_t *l, uint32_t n);
/* False when it does not fit. */
bool limbs_i128(const uint64_t *l, uint32_t n, __int128 *out);
/* Correctly rounded up to 2^53, within two units in the last place beyond. */
double limbs_f64(const uint64_t *l, uint32_t n);
/* The quotient by count > 0, as near. */
double limbs_mean(const uint64_t *l, uint32_t n, int64_t count);

/* The integer or decimal that an event or an accumulator brings. */
static inline __int128 limbs_value(const struct agg_spec *s, const struct value *v)
{
	return s->form == FORM_I128 ? v->i128 : v->i64;
}

#endif
