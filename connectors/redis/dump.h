/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash as RESTORE takes it: what Redis 7 writes for DUMP of a small hash (RDB version 10, a
 * listpack of fields and values, a CRC64), so that the server copies a row instead of parsing
 * and inserting its fields one by one. A hash too large for a listpack is converted by the
 * server when it loads it.
 *
 * Formats: redis/src/listpack.c, rdb.h (RDB_TYPE_HASH_LISTPACK), cluster.c (createDumpPayload).
 */
#ifndef WEIR_CONNECTORS_REDIS_DUMP_H
#define WEIR_CONNECTORS_REDIS_DUMP_H

#include <endian.h>

#include "base/buf.h"

struct dump {
	struct buf b;
	uint32_t n; /* entries: fields and values in turns */
};

void dump_init(struct dump *d);
void dump_release(struct dump *d);
void dump_begin(struct dump *d);
void dump_text(struct dump *d, struct slice text);
void dump_int(struct dump *d, int64_t v); /* reads back as its digits */
/* Entries made before, by dump_entry. */
void dump_raw(struct dump *d, struct slice entries, uint32_t n);
/* The whole payload; valid until the next begin. */
struct slice dump_end(struct dump *d);

/* Appends the entry of a text, for dump_raw. */
void dump_entry(struct buf *b, struct slice text);

/* For a writer that has made room already: where the entry ends. Up to so many bytes are written,
 * be the entry shorter. */
#define DUMP_INT_ROOM 10
static inline uint8_t *dump_put_int(uint8_t *p, int64_t v)
{
	uint64_t bits = htole64((uint64_t)v);
	uint8_t bytes = 8, code = 0xf4;
	if (v >= 0 && v <= 127) {
		p[0] = (uint8_t)v;
		p[1] = 1;
		return p + 2;
	}
	if (v >= -4096 && v <= 4095) {
		p[0] = (uint8_t)(0xc0 | ((uint64_t)v >> 8 & 0x1f));
		p[1] = (uint8_t)v;
		p[2] = 2;
		return p + 3;
	}
	if (v == (int32_t)v) {
		bytes = v == (int16_t)v ? 2 : v >= -(1 << 23) && v < 1 << 23 ? 3 : 4;
		code = (uint8_t)(0xef + bytes);
	}
	p[0] = code;
	memcpy(p + 1, &bits, 8);
	p[1 + bytes] = (uint8_t)(1 + bytes);
	return p + 2 + bytes;
}

/* The same of a text of less than 64 bytes that stands at p + 1 already. */
#define DUMP_SHORT_MAX 63
static inline uint8_t *dump_put_short(uint8_t *p, size_t len)
{
	p[0] = (uint8_t)(0x80 | len);
	p[1 + len] = (uint8_t)(1 + len);
	return p + 2 + len;
}

#endif
