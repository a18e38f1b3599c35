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
/* An entry made before, by dump_entry. */
void dump_raw(struct dump *d, struct slice entry);
/* The whole payload; valid until the next begin. */
struct slice dump_end(struct dump *d);

/* Appends the entry of a text, for dump_raw. */
void dump_entry(struct buf *b, struct slice text);

/* Redis's CRC64 (Jones), as its test has it: e9c6d914c4b8d9ca of "123456789". */
uint64_t dump_crc64(struct slice s);

#endif
