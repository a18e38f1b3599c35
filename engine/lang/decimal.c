// SPDX-License-Identifier: Apache-2.0
//
// Decimal arithmetic on 128-bit integers. Every function is exact or says that it cannot be;
// rounding happens only where its name says so.
#include "lang/decimal.h"

#include <math.h>
#include <stdlib.h>

typedef unsigned __int128 u128;

__int128 decimal_pow10(uint32_t digits)
{
	__int128 p = 1;
	while (digits--)
		p *= 10;
	return p;
}

static u128 magnitude(__int128 v)
{
	return v < 0 ? -(u128)v : (u128)v;
}

bool decimal_fits(__int128 v, uint32_t precision)
{
	return magnitude(v) < (u128)decimal_pow10(precision);
}

bool decimal_add(__int128 a, __int128 b, __int128 *out)
{
	return !__builtin_add_overflow(a, b, out) && decimal_fits(*out, DECIMAL_DIGITS_MAX);
}

bool decimal_mul(__int128 a, __int128 b, __int128 *out)
{
	return !__builtin_mul_overflow(a, b, out) && decimal_fits(*out, DECIMAL_DIGITS_MAX);
}

__int128 decimal_cut(__int128 v, uint32_t digits, enum rounding how)
{
	if (digits > DECIMAL_DIGITS_MAX)
		digits = DECIMAL_DIGITS_MAX;
	__int128 unit = decimal_pow10(digits), q = v / unit, r = v % unit;
	if (r == 0)
		return q;
	if (how == ROUND_FLOOR)
		return v < 0 ? q - 1 : q;
	if (how == ROUND_CEIL)
		return v > 0 ? q + 1 : q;
	bool up = magnitude(r) >= (u128)unit - magnitude(r);
	return !up ? q : v < 0 ? q - 1 : q + 1;
}

bool decimal_rescale(__int128 v, uint32_t from, uint32_t to, __int128 *out)
{
	if (to >= from)
		return decimal_mul(v, decimal_pow10(to - from), out);
	*out = decimal_cut(v, from - to, ROUND_HALF_AWAY);
	return true;
}

int decimal_cmp(__int128 a, uint32_t a_scale, __int128 b, uint32_t b_scale)
{
	if (a_scale > b_scale)
		return -decimal_cmp(b, b_scale, a, a_scale);
	__int128 wide;
	if (!decimal_rescale(a, a_scale, b_scale, &wide)) /* larger than any 38 digits */
		return a < 0 ? -1 : 1;
	return (wide > b) - (wide < b);
}

uint32_t decimal_format(char *out, __int128 v, uint32_t scale)
{
	char digits[40];
	uint32_t n = 0, len = 0;
	u128 m = magnitude(v);
	do {
		digits[n++] = (char)('0' + (int)(m % 10));
		m /= 10;
	} while (m || n <= scale);
	if (v < 0)
		out[len++] = '-';
	while (n) {
		out[len++] = digits[--n];
		if (n && n == scale)
			out[len++] = '.';
	}
	return len;
}

double decimal_double(__int128 v, uint32_t scale)
{
	/* Both exact: one correctly rounded division. Otherwise let strtod round once. */
	if (scale <= 22 && magnitude(v) < ((u128)1 << 53))
		return (double)(int64_t)v / (double)decimal_pow10(scale);
	char text[DECIMAL_TEXT_MAX + 1];
	text[decimal_format(text, v, scale)] = 0;
	return strtod(text, NULL);
}

bool decimal_of_double(double v, uint32_t scale, __int128 *out)
{
	if (!isfinite(v) || fabs(v) >= 1e38)
		return false;
	double whole = trunc(v), part = v - whole; /* exact */
	__int128 w = (__int128)whole;
	for (uint32_t i = 0; i < scale; i++) {
		part *= 10; /* at most a rounding in the last bit, far below half a unit */
		double digit = trunc(part);
		part -= digit;
		if (__builtin_mul_overflow(w, (__int128)10, &w) ||
		        __builtin_add_overflow(w, (__int128)digit, &w))
			return false;
	}
	if (part >= 0.5)
		w++;
	else if (part <= -0.5)
		w--;
	*out = w;
	return decimal_fits(w, DECIMAL_DIGITS_MAX);
}

bool decimal_parse(struct slice text, uint32_t scale, __int128 *out)
{
	uint32_t i = 0, digits = 0, after = 0;
	bool negative = text.len && text.p[0] == '-', point = false, up = false;
	__int128 v = 0;
	for (i = negative; i < text.len; i++) {
		uint8_t c = text.p[i];
		if (c == '.' && !point) {
			point = true;
			continue;
		}
		if (c < '0' || c > '9')
			return false;
		digits++;
		if (point && after == scale) {
			up = c >= '5'; /* the first digit that falls away decides */
			after++;
			continue;
		}
		if (point && after > scale)
			continue;
		after += point;
		if (__builtin_mul_overflow(v, (__int128)10, &v) ||
		        __builtin_add_overflow(v, (__int128)(c - '0'), &v))
			return false;
	}
	uint32_t written = after > scale ? scale : after;
	if (!digits || !decimal_rescale(v, written, scale, &v))
		return false;
	v += up;
	*out = negative ? -v : v;
	return decimal_fits(v, DECIMAL_DIGITS_MAX);
}
