// SPDX-License-Identifier: Apache-2.0
//
// Packing and unpacking, word by word. Both sides keep the same table of words seen, so nothing of
// it is written. The tags come last, so that eight bytes can be read wherever a word begins.
// Words are little-endian, as is every machine this is built for.
#include "state/pack.h"

#include <string.h>

#include "state/table.h"

#define SEEN 8
#define TAG_SEEN 8 /* and above: the word at that place */

/* How many bytes of a word there are, by its tag. TAG_TOP: the two upper bytes, as of a double with
 * a short mantissa. */
static const uint8_t tag_bytes[16] = {0, 1, 2, 3, 4, 6, 2, 8};
#define TAG_TOP 6
static const uint64_t tag_mask[16] = {0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffffff,
        0xffff, UINT64_MAX};
/* By the number of bytes up to the highest that is not zero. */
static const uint8_t tag_of_bytes[9] = {0, 1, 2, 3, 4, 5, 5, 7, 7};

static uint32_t place_of(uint64_t word)
{
	return (uint32_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> 61);
}

/* The due instant is in the head already: it counts as seen. */
static void seen_init(uint64_t seen[SEEN + 1], int64_t due)
{
	memset(seen, 0, (SEEN + 1) * sizeof *seen); /* the last: of what is not to be kept */
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

/* Stores eight bytes at *bytes, of which those that count remain. Returns the tag. */
static inline uint8_t word_write(uint64_t word, uint64_t seen[SEEN + 1], uint8_t **bytes)
{
	if (word < 256) {
		**bytes = (uint8_t)word;
		*bytes += word != 0;
		return word != 0;
	}
	uint32_t place = place_of(word);
	if (seen[place] == word)
		return (uint8_t)(TAG_SEEN + place);
	seen[place] = word;
	uint8_t tag = tag_of_bytes[(71 - __builtin_clzll(word)) / 8];
	if (!(word << 16)) {
		tag = TAG_TOP;
		word >>= 48;
	}
	memcpy(*bytes, &word, sizeof word);
	*bytes += tag_bytes[tag];
	return tag;
}

static inline uint64_t word_at(const uint8_t *p, uint32_t i)
{
	uint64_t word;
	memcpy(&word, p + (size_t)i * 8, sizeof word);
	return word;
}

void pack_write(struct slice row, struct buf *out)
{
	uint32_t words = row.len / 8, tagged = (words + 1) / 2;
	uint64_t seen[SEEN + 1];
	INVARIANT(row.len % 8 == 0 && row.len >= sizeof(struct row_head));
	int64_t due = ((const struct row_head *)row.p)->due;
	/* The tags are made behind the room for all bytes, then moved down to where those end. */
	size_t room = PACK_HEAD + 5 + (size_t)words * 8 + 8;
	buf_reserve(out, room + tagged);
	uint8_t *p = out->p + out->len, *tags = p + room;
	p[0] = PACK_FORMAT;
	memcpy(p + 1, &due, sizeof due);
	uint8_t *bytes = p + PACK_HEAD + varint_write(p + PACK_HEAD, words);
	seen_init(seen, due);
	for (uint32_t i = 0; i + 1 < words; i += 2) {
		uint8_t low = word_write(word_at(row.p, i), seen, &bytes);
		uint8_t high = word_write(word_at(row.p, i + 1), seen, &bytes);
		tags[i / 2] = (uint8_t)(low | high << 4);
	}
	if (words % 2)
		tags[tagged - 1] = word_write(word_at(row.p, words - 1), seen, &bytes);
	memmove(bytes, tags, tagged);
	out->len = (size_t)(bytes + tagged - out->p);
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

/* Eight bytes from p on, or those that there are. */
static uint64_t bytes_read(const uint8_t *p, const uint8_t *end)
{
	uint64_t word = 0;
	memcpy(&word, p, end - p < 8 ? (size_t)(end - p) : 8);
	return word;
}

/* tags: where the bytes end. roomy: eight bytes can be read from there, too. Nothing branches
 * on the tag: which of the cases it is cannot be foretold. */
static inline uint64_t word_read(uint8_t tag, uint64_t seen[SEEN + 1], const uint8_t **bytes,
        const uint8_t *tags, const uint8_t *end, bool roomy)
{
	const uint8_t *from = *bytes;
	uint64_t word = roomy ? word_at(from, 0) : bytes_read(from, end);
	word &= tag_mask[tag];
	word = tag == TAG_TOP ? word << 48 : word;
	uint64_t known = seen[tag % SEEN];
	word = tag >= TAG_SEEN ? known : word;
	seen[tag > 1 ? place_of(word) : SEEN] = word;
	from += tag_bytes[tag];
	*bytes = from < tags ? from : tags; /* beyond: damaged */
	return word;
}

static inline const uint8_t *words_read(uint8_t *out, uint32_t words, const uint8_t *bytes,
        const uint8_t *tags, const uint8_t *end, int64_t due, bool roomy)
{
	uint64_t seen[SEEN + 1], pair[2];
	uint32_t i = 0;
	seen_init(seen, due);
	for (; i + 1 < words; i += 2) {
		pair[0] = word_read(tags[i / 2] & 15, seen, &bytes, tags, end, roomy);
		pair[1] = word_read(tags[i / 2] >> 4, seen, &bytes, tags, end, roomy);
		memcpy(out + (size_t)i * 8, pair, sizeof pair);
	}
	if (i < words) {
		pair[0] = word_read(tags[i / 2] & 15, seen, &bytes, tags, end, roomy);
		memcpy(out + (size_t)i * 8, pair, 8);
	}
	return bytes;
}

bool pack_read(struct slice packed, uint8_t *out)
{
	if (!pack_check(packed))
		return false;
	uint32_t at, words = words_of(packed, &at);
	const uint8_t *bytes = packed.p + at, *end = packed.p + packed.len;
	const uint8_t *tags = end - (words + 1) / 2;
	int64_t due = pack_due(packed.p);
	bool roomy = end - tags >= 8;
	bytes = roomy ? words_read(out, words, bytes, tags, end, due, true)
		      : words_read(out, words, bytes, tags, end, due, false);
	return bytes == tags;
}
