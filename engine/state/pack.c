// SPDX-License-Identifier: Apache-2.0
//
// Packing and unpacking, word by word, without a branch that depends on the data where that can
// be had. Both sides keep the same table of words seen, so nothing of it is written.
// Words are little-endian, as is every machine this is built for.
#include "state/pack.h"

#include <string.h>

#include "state/table.h"

#define SEEN 8
#define TAG_SEEN 8 /* and above: the word at that place */

/* How many bytes follow a tag, and what to keep of eight bytes read. */
static const uint8_t tag_bytes[16] = {0, 1, 2, 3, 4, 6, 2, 8};
#define TAG_TOP 6 /* the two upper bytes: a double with a short mantissa */
#define TAG_FULL 7
static const uint64_t tag_mask[16] = {
        0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffffff, 0xffff, UINT64_MAX};
/* By the number of bytes up to the highest that is not zero. */
static const uint8_t tag_of_bytes[9] = {0, 1, 2, 3, 4, 5, 5, TAG_FULL, TAG_FULL};

static uint32_t place_of(uint64_t word)
{
	return (uint32_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> 61);
}

static uint8_t tag_of(uint64_t word)
{
	if (!word)
		return 0;
	if (!(word << 16))
		return TAG_TOP;
	return tag_of_bytes[8 - __builtin_clzll(word) / 8];
}

/* The due instant is in the head already: it counts as seen. */
static void seen_init(uint64_t seen[SEEN], int64_t due)
{
	memset(seen, 0, SEEN * sizeof *seen);
	seen[place_of((uint64_t)due)] = (uint64_t)due;
}

static uint32_t varint_write(uint8_t *out, uint32_t v)
{
	uint32_t n = 0;
	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

void pack_write(struct slice row, struct buf *out)
{
	uint32_t words = row.len / 8;
	int64_t due = ((const struct row_head *)row.p)->due;
	uint64_t seen[SEEN];
	INVARIANT(row.len % 8 == 0 && row.len >= sizeof(struct row_head));
	/* Eight bytes are stored at a time, so up to eight beyond the last. */
	buf_reserve(out, PACK_HEAD + 5 + (words + 1) / 2 + (size_t)words * 8 + 8);
	uint8_t *p = out->p + out->len;
	p[0] = PACK_FORMAT;
	memcpy(p + 1, &due, sizeof due);
	uint8_t *tags = p + PACK_HEAD + varint_write(p + PACK_HEAD, words);
	uint8_t *bytes = tags + (words + 1) / 2;
	memset(tags, 0, (words + 1) / 2);
	seen_init(seen, due);
	for (uint32_t i = 0; i < words; i++) {
		uint64_t word;
		memcpy(&word, row.p + (size_t)i * 8, sizeof word);
		uint32_t place = place_of(word);
		uint8_t tag = tag_of(word);
		if (tag > 1) {
			bool again = seen[place] == word;
			seen[place] = word;
			tag = again ? (uint8_t)(TAG_SEEN + place) : tag;
		}
		tags[i / 2] |= (uint8_t)(tag << (i % 2 * 4));
		word = tag == TAG_TOP ? word >> 48 : word;
		memcpy(bytes, &word, sizeof word);
		bytes += tag_bytes[tag];
	}
	out->len = (size_t)(bytes - out->p);
}

int64_t pack_due(const uint8_t *packed)
{
	int64_t due;
	memcpy(&due, packed + 1, sizeof due);
	return due;
}

/* The number of words; *at: where the tags begin. UINT32_MAX: malformed. */
static uint32_t words_of(struct slice packed, uint32_t *at)
{
	uint32_t words = 0;
	*at = PACK_HEAD;
	for (uint32_t shift = 0; shift < 32 && *at < packed.len; shift += 7) {
		uint8_t c = packed.p[(*at)++];
		words |= (uint32_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return words <= UINT32_MAX / 8 ? words : UINT32_MAX;
	}
	return UINT32_MAX;
}

uint32_t pack_row_bytes(struct slice packed)
{
	uint32_t at, words = words_of(packed, &at);
	INVARIANT(words != UINT32_MAX);
	return words * 8;
}

bool pack_check(struct slice packed)
{
	if (packed.len < PACK_HEAD + 1 || packed.p[0] != PACK_FORMAT)
		return false;
	uint32_t at, words = words_of(packed, &at);
	return words != UINT32_MAX && words >= sizeof(struct row_head) / 8 &&
	       (words + 1) / 2 <= packed.len - at;
}

bool pack_read(struct slice packed, uint8_t *out)
{
	if (!pack_check(packed))
		return false;
	uint32_t at, words = words_of(packed, &at);
	uint64_t seen[SEEN];
	const uint8_t *tags = packed.p + at, *end = packed.p + packed.len;
	const uint8_t *bytes = tags + (words + 1) / 2;
	seen_init(seen, pack_due(packed.p));
	for (uint32_t i = 0; i < words; i++) {
		uint8_t tag = tags[i / 2] >> (i % 2 * 4) & 15;
		uint32_t n = tag_bytes[tag];
		uint64_t word = 0;
		if (end - bytes >= 8)
			memcpy(&word, bytes, sizeof word);
		else if ((size_t)(end - bytes) >= n)
			memcpy(&word, bytes, n);
		else
			return false;
		word &= tag_mask[tag];
		word = tag == TAG_TOP ? word << 48 : word;
		word = tag >= TAG_SEEN ? seen[tag - TAG_SEEN] : word;
		if (tag > 1)
			seen[place_of(word)] = word;
		bytes += n;
		memcpy(out + (size_t)i * 8, &word, sizeof word);
	}
	return bytes == end;
}
