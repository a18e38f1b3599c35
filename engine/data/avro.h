/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing weir's own rows as Avro binary. A flat record only: one leaf after the other, nullable
 * ones behind a union branch. Decoding is the avro format's (data/codec.h).
 */
#ifndef WEIR_DATA_AVRO_H
#define WEIR_DATA_AVRO_H

#include <endian.h>

#include "base/buf.h"
#include "data/batch.h"
#include "data/schema.h"

#define AVRO_SINGLE_OBJECT_BYTES 10
#define AVRO_REGISTRY_BYTES 5

/* C3 01 + fingerprint, little-endian. */
void avro_frame_single_object(struct buf *b, uint64_t fingerprint);
/* 00 + id, big-endian. */
void avro_frame_registry(struct buf *b, uint32_t id);

/* One value of type t; nullable writes the branch of ["null", T] first. A null in a field that is
 * not nullable is a bug. */
void avro_write(struct buf *b, const struct type *t, bool nullable, const struct value *v)
	__asm__("avro_write_value"); /* Avro C calls an avro_write of its own: it must not be this */

/* For a writer that has made room already; where they end. A long takes at most AVRO_LONG_BYTES, a
 * union's branch one, a double eight. */
#define AVRO_LONG_BYTES 10
static inline uint8_t *avro_put_long(uint8_t *p, int64_t v)
{
	uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
	for (; z >= 0x80; z >>= 7)
		*p++ = (uint8_t)(z | 0x80);
	*p++ = (uint8_t)z;
	return p;
}

static inline uint8_t *avro_put_branch(uint8_t *p, bool null)
{
	*p = null ? 0 : 2;
	return p + 1;
}

static inline uint8_t *avro_put_double(uint8_t *p, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, 8);
	bits = htole64(bits);
	memcpy(p, &bits, 8);
	return p + 8;
}

/* Reads back one value written by avro_write. Bytes point into the reader's input. Sets r->failed
 * on malformed input. */
void avro_read(struct reader *r, const struct type *t, bool nullable, struct value *out)
	__asm__("avro_read_value"); /* as above */

/* The next block's element count, 0 at the end; sets r->failed (and returns 0) on a count that the
 * rest of the input cannot hold. A block's byte size, if it has one, is read and not needed. */
int64_t avro_block(struct reader *r);
/* Big-endian two's complement of any length to 128 bits; false if it does not fit. */
bool avro_decimal(struct slice s, __int128 *out);

/* A value as text for Redis and people: shortest round-trip doubles, timestamps in ms, 0/1 for
 * booleans, bytes base64, decimals plain, arrays JSON. Null writes nothing. */
void value_text(struct buf *b, const struct type *t, const struct value *v);
/* The same as JSON: text quoted, booleans true/false, non-finite doubles and null as null. */
void value_json(struct buf *b, const struct type *t, const struct value *v);

#endif
