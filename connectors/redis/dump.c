/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the payload of RESTORE. Every entry of a listpack is its encoding, its data, and its
 * length once more, backwards; integers have encodings of their own, so that most features are
 * never made into digits here or read as such by the server.
 */
#include "connectors/redis/dump.h"

#include <string.h>

#include "connectors/redis/crc64.h"

#define TYPE_HASH_LISTPACK 16
#define RDB_VERSION 10 /* Redis 7.0, the first with functions */
#define LENGTH_32 0x80 /* of a string in RDB: four bytes follow, the highest first */
#define LP_END 0xff
#define LP_COUNT_UNKNOWN 65535
#define HEAD_BYTES (1 + 5 + 6) /* type, length, the listpack's own header */
#define ENTRY_MORE 10          /* of an entry, at most, beside its text */

// ---- entries; all into reserved room ----

static void put(struct buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		b->p[b->len++] = (uint8_t)(v >> (8 * i));
}

/* The length of the entry that began at from: seven bits a byte, the last byte the lowest, all
 * but the first marked. Redis gives the largest number of two bytes or more one byte too many
 * (lpEncodeBacklen in listpack.c), and finds the next entry by that. */
static void put_back(struct buf *b, size_t from)
{
	uint64_t n = b->len - from;
	int bytes = n < 1u << 7          ? 1
	            : n < (1u << 14) - 1 ? 2
	            : n < (1u << 21) - 1 ? 3
	            : n < (1u << 28) - 1 ? 4
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
	buf_reserve(&d->b, DUMP_INT_ROOM);
	d->b.len = (size_t)(dump_put_int(d->b.p + d->b.len, v) - d->b.p);
	d->n++;
}

void dump_raw(struct dump *d, struct slice entries, uint32_t n)
{
	buf_slice(&d->b, entries);
	d->n += n;
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
	put(b, crc64(buf_view(b)), 8);
	return buf_view(b);
}
