/* SPDX-License-Identifier: Apache-2.0
 *
 * A growable byte buffer, with the encodings used everywhere: text, big-endian keys, Avro varints,
 * JSON strings. Reading back is struct reader: bounds-checked, sticky failure.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	uint8_t *p;
	size_t len, cap;
};

void buf_init(struct buf *b);
void buf_release(struct buf *b);
void buf_reserve(struct buf *b, size_t more); /* p[len .. len+more) is writable after it */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_byte(struct buf *b, uint8_t c);
void buf_str(struct buf *b, const char *s);
void buf_slice(struct buf *b, struct slice s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_cstr(struct buf *b); /* NUL-terminated view; the NUL is not counted in len */

void buf_be16(struct buf *b, uint16_t v);
void buf_be32(struct buf *b, uint32_t v);
void buf_be64(struct buf *b, uint64_t v);
void buf_varint(struct buf *b, int64_t v);  /* zigzag, as Avro's int and long */
void buf_bytes(struct buf *b, struct slice s); /* length as varint, then the bytes: Avro bytes */
void buf_double(struct buf *b, double v);   /* 8 bytes little-endian: Avro double */
void buf_json(struct buf *b, struct slice s);  /* a quoted, escaped JSON string */
void buf_base64(struct buf *b, struct slice s);
void buf_num(struct buf *b, double v);      /* shortest text that reads back to the same double */
void buf_int(struct buf *b, int64_t v);

static inline struct slice buf_view(const struct buf *b)
{
	return (struct slice){b->p, (uint32_t)b->len};
}

struct reader {
	const uint8_t *p, *end;
	bool failed; /* set by the first read past the end or malformed value; then all return 0 */
};

struct reader reader_of(struct slice s);
uint8_t reader_byte(struct reader *r);
uint64_t reader_be64(struct reader *r);
int64_t reader_varint(struct reader *r);
double reader_double(struct reader *r);
struct slice reader_take(struct reader *r, size_t n);
struct slice reader_bytes(struct reader *r);

#endif
