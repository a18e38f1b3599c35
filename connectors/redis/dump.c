/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the payload of RESTORE. Every entry of a listpack is its encoding, its data, and its
 * length once more, backwards; integers have encodings of their own, so that most features are
 * never made into digits here or read as such by the server.
 */
#include "connectors/redis/dump.h"

#include <pthread.h>
#include <string.h>

#define TYPE_HASH_LISTPACK 16
#define RDB_VERSION 10 /* Redis 7.0, the first with functions */
#define LENGTH_32 0x80 /* of a string in RDB: four bytes follow, the highest first */
#define LP_END 0xff
#define LP_COUNT_UNKNOWN 65535
#define HEAD_BYTES (1 + 5 + 6) /* type, length, the listpack's own header */
#define ENTRY_MORE 10          /* of an entry, at most, beside its text */

// ---- CRC64 ----

static uint64_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void table_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x95ac9329ac4bc9b5u : c >> 1;
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (uint32_t i = 0; i < 256; i++)
			table[t][i] = table[0][table[t - 1][i] & 0xff] ^ table[t - 1][i] >> 8;
}

/* Eight bytes at a time (Kounavis and Berry 2005). */
uint64_t dump_crc64(struct slice s)
{
	uint64_t c = 0;
	pthread_once(&once, table_make);
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

// ---- entries; all into reserved room ----

static void put(struct buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		b->p[b->len++] = (uint8_t)(v >> (8 * i));
}

/* The length of the entry that began at from: seven bits a byte, the last byte the lowest, all
 * but the first marked. */
static void put_back(struct buf *b, size_t from)
{
	uint64_t n = b->len - from;
	int bytes = n < 1u << 7    ? 1
	            : n < 1u << 14 ? 2
	            : n < 1u << 21 ? 3
	            : n < 1u << 28 ? 4
	                           : 5;
	for (int i = bytes - 1; i >= 0; i--)
		b->p[b->len++] = (uint8_t)((n >> (7 * i) & 127) | (i < bytes - 1 ? 128 : 0));
}

void dump_entry(struct buf *b, struct slice text)
{
	buf_reserve(b, text.len + ENTRY_MORE);
	size_t from = b->len;
	if (text.len < 64) {
		put(b, 0x80 | text.len, 1);
	} else if (text.len < 4096) {
		put(b, 0xe0 | text.len >> 8, 1);
		put(b, text.len & 0xff, 1);
	} else {
		put(b, 0xf0, 1);
		put(b, text.len, 4);
	}
	if (text.len)
		memcpy(b->p + b->len, text.p, text.len);
	b->len += text.len;
	put_back(b, from);
}

static void int_entry(struct buf *b, int64_t v)
{
	buf_reserve(b, ENTRY_MORE);
	size_t from = b->len;
	if (v >= 0 && v <= 127) {
		put(b, (uint64_t)v, 1);
	} else if (v >= -4096 && v <= 4095) {
		uint64_t bits = (uint64_t)v & 0x1fff;
		put(b, 0xc0 | bits >> 8, 1);
		put(b, bits, 1);
	} else {
		int bytes = v == (int16_t)v                         ? 2
		            : v >= -(1 << 23) && v <= (1 << 23) - 1 ? 3
		            : v == (int32_t)v                       ? 4
		                                                    : 8;
		put(b, bytes == 8 ? 0xf4u : 0xefu + (unsigned)bytes, 1);
		put(b, (uint64_t)v, bytes);
	}
	put_back(b, from);
}

// ---- a hash ----

void dump_init(struct dump *d)
{
	buf_init(&d->b);
	d->n = 0;
}

void dump_release(struct dump *d)
{
	buf_release(&d->b);
}

void dump_begin(struct dump *d)
{
	d->n = 0;
	d->b.len = 0;
	buf_reserve(&d->b, HEAD_BYTES);
	d->b.len = HEAD_BYTES;
}

void dump_text(struct dump *d, struct slice text)
{
	dump_entry(&d->b, text);
	d->n++;
}

void dump_int(struct dump *d, int64_t v)
{
	int_entry(&d->b, v);
	d->n++;
}

void dump_raw(struct dump *d, struct slice entry)
{
	buf_slice(&d->b, entry);
	d->n++;
}

struct slice dump_end(struct dump *d)
{
	struct buf *b = &d->b;
	buf_reserve(b, 1 + 2 + 8);
	put(b, LP_END, 1);
	uint64_t len = b->len - 6; /* of the listpack, its header with it */
	struct buf head = {.p = b->p, .cap = HEAD_BYTES};
	put(&head, TYPE_HASH_LISTPACK, 1);
	put(&head, LENGTH_32, 1);
	put(&head, __builtin_bswap32((uint32_t)len), 4);
	put(&head, len, 4);
	put(&head, d->n < LP_COUNT_UNKNOWN ? d->n : LP_COUNT_UNKNOWN, 2);
	put(b, RDB_VERSION, 2);
	put(b, dump_crc64(buf_view(b)), 8);
	return buf_view(b);
}
