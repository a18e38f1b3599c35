// SPDX-License-Identifier: Apache-2.0
//
// What every log shares: where Kafka puts a key. The hash is murmur2 as in Kafka's own client
// (org.apache.kafka.common.utils.Utils.murmur2), of which any change would move keys.
#include "run/log.h"

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint32_t murmur2(struct slice s)
{
	const uint32_t m = 0x5bd1e995;
	const uint8_t *p = s.p;
	uint32_t h = 0x9747b28c ^ s.len, left = s.len;
	for (; left >= 4; left -= 4, p += 4) {
		uint32_t k = word(p) * m;
		h = h * m ^ (k ^ k >> 24) * m;
	}
	for (uint32_t i = left; i > 0; i--)
		h ^= (uint32_t)p[i - 1] << (8 * (i - 1));
	if (left > 0)
		h *= m;
	h = (h ^ h >> 13) * m;
	return h ^ h >> 15;
}

int32_t log_partition_of(struct slice key, int32_t partitions)
{
	return (int32_t)((murmur2(key) & 0x7fffffff) % (uint32_t)partitions);
}
