/* SPDX-License-Identifier: Apache-2.0
 *
 * The checksum by tables, and which way this processor takes.
 */
#include "connectors/redis/crc64.h"

#include <pthread.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5u /* the lowest power in the highest bit */

static uint64_t table[8][256];
static crc64_fn fast;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (uint32_t i = 0; i < 256; i++)
			table[t][i] = table[0][table[t - 1][i] & 0xff] ^ table[t - 1][i] >> 8;
	fast = crc64_fast();
}

/* Kounavis and Berry 2005. */
uint64_t crc64_table(uint64_t c, struct slice s)
{
	pthread_once(&once, begin);
	for (; s.len >= 8; s.p += 8, s.len -= 8) {
		uint64_t v;
		memcpy(&v, s.p, 8);
		c ^= v;
		c = table[7][c & 0xff] ^ table[6][c >> 8 & 0xff] ^ table[5][c >> 16 & 0xff] ^
		    table[4][c >> 24 & 0xff] ^ table[3][c >> 32 & 0xff] ^
		    table[2][c >> 40 & 0xff] ^ table[1][c >> 48 & 0xff] ^ table[0][c >> 56];
	}
	for (; s.len; s.p++, s.len--)
		c = table[0][(c ^ *s.p) & 0xff] ^ c >> 8;
	return c;
}

uint64_t crc64(struct slice s)
{
	pthread_once(&once, begin);
	return fast && s.len >= CRC64_FAST_MIN ? fast(s) : crc64_table(0, s);
}
