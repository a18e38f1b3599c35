/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns into DuckDB's vectors, column by column, and from vectors into others in another
 * order.
 */
#ifndef WEIR_PARQUET_VECTORS_H
#define WEIR_PARQUET_VECTORS_H

#include <duckdb.h>
#include <string.h>

#include "base/error.h"
#include "base/slice.h"
#include "data/batch.h"
#include "data/schema.h"

/* Rows from..from+n-1 of c into v's rows at.. on. A timestamp in milliseconds that has no
 * microseconds in 64 bits becomes null, and *nulled counts up: whoever reads the file, DuckDB
 * too, makes microseconds of it. ERR_FATAL: a decimal has more digits than its type; *row is its
 * row. */
enum status vector_fill(duckdb_vector v, uint32_t at, const struct field *f,
        const struct column *c, uint32_t from, uint32_t n, uint64_t *nulled, uint32_t *row,
        struct error *e);

/* About how many bytes a row of s takes in a DuckDB table, without texts longer than 12 bytes.
 */
uint32_t vector_row_bytes(const struct schema *s);

/* -- a column of many chunks -- */

#define VECTOR_ROWS                                                                            \
	2048 /* of a chunk: DuckDB's STANDARD_VECTOR_SIZE; all but the last are full */

enum vector_form {
	VECTOR_I8,
	VECTOR_I16,
	VECTOR_I32, /* FLOAT too */
	VECTOR_I64, /* DOUBLE too */
	VECTOR_I128,
	VECTOR_TEXT, /* bytes too */
	VECTOR_NESTED
};

struct vector_part {
	duckdb_vector v;
	const void *data;
	const uint64_t *valid; /* a bit per row; NULL: all are */
};

struct vector_column {
	enum vector_form form;
	struct vector_part *parts; /* by chunk */
};

enum vector_form vector_form(const struct type *t);
struct vector_part vector_part(duckdb_vector v);

static inline bool vector_null(const struct vector_column *c, uint32_t row)
{
	const uint64_t *valid = c->parts[row / VECTOR_ROWS].valid;
	uint32_t i = row % VECTOR_ROWS;
	return valid && !(valid[i / 64] >> (i % 64) & 1);
}

/* Not of text, not of nested ones. */
static inline __int128 vector_number(const struct vector_column *c, uint32_t row)
{
	const void *data = c->parts[row / VECTOR_ROWS].data;
	uint32_t i = row % VECTOR_ROWS;
	switch (c->form) {
	case VECTOR_I8:
		return ((const int8_t *)data)[i];
	case VECTOR_I16:
		return ((const int16_t *)data)[i];
	case VECTOR_I32:
		return ((const int32_t *)data)[i];
	case VECTOR_I64:
		return ((const int64_t *)data)[i];
	default:
		break;
	}
	__int128 v;
	memcpy(&v, (const uint8_t *)data + i * sizeof v, sizeof v);
	return v;
}

static inline struct slice vector_text(const struct vector_column *c, uint32_t row)
{
	const duckdb_string_t *s = c->parts[row / VECTOR_ROWS].data;
	s += row % VECTOR_ROWS;
	uint32_t len = s->value.inlined.length;
	const char *p = len <= sizeof s->value.inlined.inlined ? s->value.inlined.inlined
	                                                       : s->value.pointer.ptr;
	return (struct slice){(const uint8_t *)p, len};
}

/* The rows of these numbers into v's first n. Texts stay where they are: c's chunks must. */
void vector_gather(
        duckdb_vector v, const struct vector_column *c, const uint32_t *rows, uint32_t n);

#endif
