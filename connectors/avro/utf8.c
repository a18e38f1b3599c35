// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 validation, fast where text is ASCII.
#include "connectors/avro/utf8.h"

/* Length of the character at p, 0 when it is malformed. Table 3-7 of the Unicode standard. */
static uint32_t character(const uint8_t *p, uint32_t left)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	uint32_t n = c < 0x80   ? 1
	             : c < 0xc2 ? 0
	             : c < 0xe0 ? 2
	             : c < 0xf0 ? 3
	             : c < 0xf5 ? 4
	                        : 0;
	if (n > left)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (uint32_t i = 1; i < n; i++) {
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

bool utf8_valid(struct slice s)
{
	uint32_t i = 0;
	while (i < s.len) {
		uint64_t eight;
		if (s.len - i >= sizeof eight) {
			memcpy(&eight, s.p + i, sizeof eight);
			if (!(eight & UINT64_C(0x8080808080808080))) {
				i += sizeof eight;
				continue;
			}
		}
		uint32_t n = character(s.p + i, s.len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}
