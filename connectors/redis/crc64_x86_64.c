/* SPDX-License-Identifier: Apache-2.0
 *
 * By folding (Gopal et al., Fast CRC Computation Using PCLMULQDQ, Intel 2009): 16 bytes are
 * carried over the next 16, or 64, by two multiplications without carries, and only the last 16
 * go through the tables. The lowest byte holds the highest powers, so a product of two such
 * words comes out one power too high; hence the odd exponents.
 */
#include "connectors/redis/crc64.h"

#include <immintrin.h>

/* x^n mod P, bits reversed. A block's first eight bytes stand 64 powers above the others. */
#define X_127 0x381d0015c96f4444
#define X_191 0xd9d7be7d505da32c
#define X_511 0xf49784a634f014e4
#define X_575 0xaf86efb16d9ab4fb

#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i fold(__m128i v, __m128i by, __m128i next)
{
	__m128i first = _mm_clmulepi64_si128(v, by, 0x00);
	__m128i second = _mm_clmulepi64_si128(v, by, 0x11);
	return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

CLMUL static inline __m128i load(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* The first len % 16 bytes behind zeros, which change nothing at the beginning. */
CLMUL static inline __m128i first_block(const uint8_t *p, uint32_t part)
{
	uint8_t room[32] = {0};
	memcpy(room + 16, p, 16);
	return load(room + part);
}

CLMUL static uint64_t by_folding(struct slice s)
{
	const __m128i by_16 = _mm_set_epi64x((long long)X_127, (long long)X_191);
	const __m128i by_64 = _mm_set_epi64x((long long)X_511, (long long)X_575);
	__m128i v = first_block(s.p, s.len % 16);
	const uint8_t *p = s.p + s.len % 16, *end = s.p + s.len;
	if (end - p >= 128) {
		__m128i a = fold(v, by_16, load(p)), b = load(p + 16), c = load(p + 32),
			d = load(p + 48);
		for (p += 64; end - p >= 64; p += 64) {
			a = fold(a, by_64, load(p));
			b = fold(b, by_64, load(p + 16));
			c = fold(c, by_64, load(p + 32));
			d = fold(d, by_64, load(p + 48));
		}
		v = fold(fold(fold(a, by_16, b), by_16, c), by_16, d);
	}
	for (; p < end; p += 16)
		v = fold(v, by_16, load(p));
	uint8_t rest[16];
	_mm_storeu_si128((__m128i *)(void *)rest, v);
	return crc64_table(0, (struct slice){rest, 16});
}

crc64_fn crc64_fast(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1") ? by_folding
										    : NULL;
}
