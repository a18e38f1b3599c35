/* SPDX-License-Identifier: Apache-2.0
 *
 * Value types: Avro's, with its logical types. Many kinds share one of four physical forms, so
 * that code over values switches on the form, not on the kind.
 */
#ifndef WEIR_DATA_TYPE_H
#define WEIR_DATA_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum kind {
	KIND_NULL, /* the type of the literal null alone */
	KIND_BOOLEAN,
	KIND_INT,
	KIND_LONG,
	KIND_FLOAT,
	KIND_DOUBLE,
	KIND_DECIMAL, /* unscaled 128-bit integer; precision, scale */
	KIND_STRING,
	KIND_BYTES,
	KIND_ENUM, /* a string out of symbols */
	KIND_DATE, /* days since the epoch */
	KIND_TIME_MILLIS,
	KIND_TIME_MICROS,
	KIND_TIMESTAMP_MILLIS, /* UTC */
	KIND_TIMESTAMP_MICROS,
	KIND_ARRAY, /* of element */
	KIND_MAP,   /* of string to element */
};

/* How a value is held. */
enum form {
	FORM_I64,   /* boolean 0/1, int, long, date, times, timestamps */
	FORM_F64,   /* float (already rounded to float), double */
	FORM_I128,  /* decimal: unscaled value */
	FORM_BYTES, /* string (UTF-8), enum, bytes as they are; array and map as Avro binary */
};

#define DECIMAL_PRECISION_MAX 38 /* digits that surely fit in 128 bits */

struct type {
	enum kind kind;
	uint8_t precision, scale;   /* decimal */
	bool element_nullable;      /* array, map: an element is ["null", T] */
	const struct type *element; /* array, map; NULL: of records, bytes that only a decoder reads */
	const char *const *symbols; /* enum: NULL-terminated */
};

enum form type_form(const struct type *t);
bool type_equal(const struct type *a, const struct type *b);
bool type_is_integer(const struct type *t); /* int, long */
bool type_is_number(const struct type *t);  /* int, long, float, double, decimal */
bool type_is_text(const struct type *t);    /* string, enum */
bool type_is_time(const struct type *t);    /* timestamp-millis, timestamp-micros */

/* "long", "decimal(10,2)", "array<string>"; out holds at least TYPE_NAME_MAX bytes. Returns out. */
#define TYPE_NAME_MAX 96
const char *type_name(const struct type *t, char *out);
/* Finds a scalar type by its job-file name ("long", "timestamp-millis", "decimal(10,2)"): false
 * when there is none. */
bool type_parse(struct slice name, struct type *out);

#endif
