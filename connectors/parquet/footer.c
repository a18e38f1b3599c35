// SPDX-License-Identifier: Apache-2.0
//
// DuckDB writes its TIMESTAMP_MS as timestamp(ms) without a zone, and the only type that it
// writes with UTC has microseconds. The files promise timestamp(ms, UTC), so the flag is set
// afterwards: Thrift's compact protocol keeps a boolean in the type bits of its field's header,
// 1 for true and 2 for false, so one byte changes and nothing moves. Writing the files
// ourselves, or microseconds instead, would cost more.
//
// The walk goes over FileMetaData's schema only (field 2, a list of SchemaElement; its field 10
// is the LogicalType union; of that, field 8 the TimestampType, whose field 1 is
// isAdjustedToUTC). https://github.com/apache/parquet-format, parquet.thrift;
// thrift-compact-protocol.md.
#include "connectors/parquet/footer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"

#define FOOTER_BYTES_MAX (64u << 20)
#define DEPTH_MAX 16

enum {
	T_STOP,
	T_TRUE,
	T_FALSE,
	T_BYTE,
	T_I16,
	T_I32,
	T_I64,
	T_DOUBLE,
	T_BINARY,
	T_LIST,
	T_SET,
	T_MAP,
	T_STRUCT
};

static uint64_t varint(struct reader *r)
{
	uint64_t v = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t b = reader_byte(r);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	r->failed = true;
	return 0;
}

/* The next field of a struct: its type, T_STOP at the end. *id in: the last one's, 0 at first.
 */
static int field_next(struct reader *r, int *id)
{
	uint8_t b = reader_byte(r);
	if (r->failed || b == 0)
		return T_STOP;
	if (b >> 4) {
		*id += b >> 4;
	} else {
		uint64_t z = varint(r);
		*id = (int)(z >> 1) ^ -(int)(z & 1);
	}
	return b & 0xf;
}

static uint64_t list_begin(struct reader *r, int *type)
{
	uint8_t b = reader_byte(r);
	*type = b & 0xf;
	uint64_t n = b >> 4;
	return n == 15 ? varint(r) : n;
}

static void skip(struct reader *r, int type, int depth);

static void skip_list(struct reader *r, int depth)
{
	int type;
	uint64_t n = list_begin(r, &type);
	for (; n > 0 && !r->failed; n--) {
		if (type == T_TRUE || type == T_FALSE)
			reader_byte(r); /* in a list a boolean takes a byte */
		else
			skip(r, type, depth + 1);
	}
}

static void skip(struct reader *r, int type, int depth)
{
	int id = 0;
	if (depth > DEPTH_MAX) {
		r->failed = true;
		return;
	}
	switch (type) {
	case T_TRUE:
	case T_FALSE:
		break;
	case T_BYTE:
		reader_byte(r);
		break;
	case T_I16:
	case T_I32:
	case T_I64:
		varint(r);
		break;
	case T_DOUBLE:
		reader_take(r, 8);
		break;
	case T_BINARY:
		reader_take(r, varint(r));
		break;
	case T_LIST:
	case T_SET:
		skip_list(r, depth);
		break;
	case T_STRUCT:
		for (int t; (t = field_next(r, &id)) != T_STOP;)
			skip(r, t, depth + 1);
		break;
	default:
		r->failed = true; /* the schema has no maps */
	}
}

static void timestamp_utc(struct reader *r)
{
	int id = 0;
	for (int type;;) {
		uint8_t *head = (uint8_t *)(uintptr_t)r->p;
		type = field_next(r, &id);
		if (type == T_STOP)
			return;
		if (id == 1 && type == T_FALSE)
			*head = (uint8_t)((*head & 0xf0) | T_TRUE);
		skip(r, type, 0);
	}
}

static void element_utc(struct reader *r)
{
	int id = 0, logical;
	for (int type; (type = field_next(r, &id)) != T_STOP;) {
		if (id != 10 || type != T_STRUCT) {
			skip(r, type, 0);
			continue;
		}
		logical = 0;
		for (int t; (t = field_next(r, &logical)) != T_STOP;) {
			if (logical == 8 && t == T_STRUCT)
				timestamp_utc(r);
			else
				skip(r, t, 0);
		}
	}
}

static bool schema_utc(struct reader *r)
{
	int id = 0, of;
	for (int type; (type = field_next(r, &id)) != T_STOP;) {
		if (id != 2 || type != T_LIST) {
			skip(r, type, 0);
			continue;
		}
		uint64_t n = list_begin(r, &of);
		for (; n > 0 && of == T_STRUCT && !r->failed; n--)
			element_utc(r);
		return !r->failed && of == T_STRUCT;
	}
	return false;
}

static enum status bad(struct error *e, const char *why)
{
	return error_set(e, ERR_FATAL, 0, "the Parquet file's footer %s", why);
}

static enum status patch(int fd, uint8_t *p, uint32_t len, off_t at, struct error *e)
{
	if (pread(fd, p, len, at) != (ssize_t)len)
		return bad(e, "cannot be read");
	struct reader r = reader_of((struct slice){p, len});
	if (!schema_utc(&r))
		return bad(e, "is not understood");
	/* The schema comes first; what lies behind it has not changed. */
	size_t changed = (size_t)(r.p - p);
	if (pwrite(fd, p, changed, at) != (ssize_t)changed)
		return error_set(e, ERR_RETRIABLE, errno, "the Parquet file's footer: %s",
		        strerror(errno));
	return ST_OK;
}

enum status footer_times_utc(int fd, struct error *e)
{
	uint8_t tail[8];
	off_t size = lseek(fd, 0, SEEK_END);
	if (size < 12 || pread(fd, tail, 8, size - 8) != 8 || memcmp(tail + 4, "PAR1", 4) != 0)
		return bad(e, "is not there");
	uint32_t len = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
	               (uint32_t)tail[3] << 24;
	if (len > FOOTER_BYTES_MAX || (off_t)len > size - 12)
		return bad(e, "has no such length");
	uint8_t *p = xmalloc(len + 1);
	enum status st = patch(fd, p, len, size - 8 - (off_t)len, e);
	free(p);
	return st;
}
