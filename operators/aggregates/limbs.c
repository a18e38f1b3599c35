// SPDX-License-Identifier: Apache-2.0
//
// Multi-limb integers for exact sums. Addition wraps at the top limb, which limbs_for makes
// unreachable.
#include "operators/aggregates/limbs.h"

#include <string.h>

#include "data/aggregate_kernels.h"

uint32_t limbs_for(const struct type *arg)
{
	return arg->kind == KIND_DECIMAL && arg->precision > LIMBS_SHORT_DIGITS ? 3 : 2;
}

void limbs_add_limbs(uint64_t *l, uint32_t n, const uint64_t *other)
{
	uint64_t carry = 0;
	for (uint32_t i = 0; i < n; i++) {
		unsigned __int128 sum = (unsigned __int128)l[i] + other[i] + carry;
		l[i] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
}

void limbs_add(uint64_t *l, uint32_t n, __int128 v)
{
	uint64_t wide[LIMBS_MAX] = {
	        (uint64_t)v, (uint64_t)((unsigned __int128)v >> 64), v < 0 ? UINT64_MAX : 0};
	limbs_add_limbs(l, n, wide);
}

void limbs_negate(uint64_t *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		l[i] = ~l[i];
	limbs_add(l, n, 1);
}

bool limbs_i128(const uint64_t *l, uint32_t n, __int128 *out)
{
	*out = (__int128)((unsigned __int128)l[1] << 64 | l[0]);
	return n == 2 || l[2] == (*out < 0 ? UINT64_MAX : 0);
}

static double magnitude_f64(const uint64_t *l, uint32_t n)
{
	double v = 0;
	for (uint32_t i = n; i-- > 0;)
		v = v * 0x1p64 + (double)l[i];
	return v;
}

double limbs_f64(const uint64_t *l, uint32_t n)
{
	if ((int64_t)l[n - 1] >= 0)
		return magnitude_f64(l, n);
	uint64_t positive[LIMBS_MAX];
	memcpy(positive, l, n * sizeof *l);
	limbs_negate(positive, n);
	return -magnitude_f64(positive, n);
}

double limbs_mean(const uint64_t *l, uint32_t n, int64_t count)
{
	__int128 sum;
	if (!limbs_i128(l, n, &sum))
		return limbs_f64(l, n) / (double)count;
	return whole_mean(sum, count);
}
