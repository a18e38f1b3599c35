/* SPDX-License-Identifier: Apache-2.0
 *
 * Decimals: an unscaled 128-bit integer of at most 38 digits, and a scale kept in the type.
 * False means that the answer has more than 38 digits (or than the type's precision).
 */
#ifndef WEIR_LANG_DECIMAL_H
#define WEIR_LANG_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define DECIMAL_DIGITS_MAX 38
#define DECIMAL_TEXT_MAX 48

enum rounding { ROUND_HALF_AWAY, ROUND_FLOOR, ROUND_CEIL };

__int128 decimal_pow10(uint32_t digits); /* digits <= 38 */
bool decimal_fits(__int128 v, uint32_t precision);
bool decimal_add(__int128 a, __int128 b, __int128 *out);
bool decimal_mul(__int128 a, __int128 b, __int128 *out);
/* From one scale to another; digits that fall away are rounded half away from zero. */
bool decimal_rescale(__int128 v, uint32_t from, uint32_t to, __int128 *out);
/* v / 10^digits, rounded. */
__int128 decimal_cut(__int128 v, uint32_t digits, enum rounding how);
/* -1, 0, 1: exact, whatever the scales. */
int decimal_cmp(__int128 a, uint32_t a_scale, __int128 b, uint32_t b_scale);
double decimal_double(__int128 v, uint32_t scale);
/* Rounds the double's exact value half away from zero. */
bool decimal_of_double(double v, uint32_t scale, __int128 *out);
/* "-12.50"; false when it is no number or does not fit. Extra digits are rounded. An exponent
 * is not accepted. */
bool decimal_parse(struct slice text, uint32_t scale, __int128 *out);
/* Writes at most DECIMAL_TEXT_MAX bytes, no NUL; returns the length. */
uint32_t decimal_format(char *out, __int128 v, uint32_t scale);

#endif
