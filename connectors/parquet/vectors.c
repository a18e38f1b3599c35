// SPDX-License-Identifier: Apache-2.0
//
// From weir's columns to DuckDB's vectors. Fixed-width columns are copied in one loop per
// column; arrays and maps, which are held as Avro binary, go value by value. Timestamps stay
// integers of their own unit in DuckDB (TIMESTAMP_MS, TIMESTAMP): that they are UTC is put into
// the file afterwards (footer.h).
#include "connectors/parquet/vectors.h"

#include "data/avro.h"

/* Arrays of records, whose elements only a decoder reads, are written as bytes. */
static bool is_list(const struct type *t)
{
	return t->element != NULL;
}

static void null_put(duckdb_vector v, idx_t i, const struct type *t)
{
	duckdb_vector_ensure_validity_writable(v);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(v), i);
	if (is_list(t)) /* its place in the child must be defined */
		((duckdb_list_entry *)duckdb_vector_get_data(v))[i] =
		        (duckdb_list_entry){duckdb_list_vector_get_size(v), 0};
}

static bool decimal_put(void *data, idx_t i, const struct type *t, __int128 v)
{
	unsigned __int128 bound = 1, u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
	for (int d = 0; d < t->precision; d++)
		bound *= 10;
	if (u >= bound)
		return false;
	if (t->precision <= 4)
		((int16_t *)data)[i] = (int16_t)v;
	else if (t->precision <= 9)
		((int32_t *)data)[i] = (int32_t)v;
	else if (t->precision <= 18)
		((int64_t *)data)[i] = (int64_t)v;
	else
		((duckdb_hugeint *)data)[i] = (duckdb_hugeint){(uint64_t)v, (int64_t)(v >> 64)};
	return true;
}

static void bytes_put(duckdb_vector v, idx_t i, struct slice s)
{
	/* Unchecked: the decoder has seen to it that text is UTF-8. */
	duckdb_unsafe_vector_assign_string_element_len(
	        v, i, s.len ? (const char *)s.p : "", s.len);
}

/* DuckDB's calendar: from 290309-12-22 BC, its first whole day in microseconds, to the last
 * millisecond but one, since it makes no day and hour of the last. */
#define MILLIS_MIN INT64_C(-9223372022400000)
#define MILLIS_MAX (INT64_MAX / 1000 - 1)

static bool readable(int64_t millis)
{
	return millis >= MILLIS_MIN && millis <= MILLIS_MAX;
}

static void millis_put(
        duckdb_vector v, idx_t i, const struct type *t, int64_t millis, uint64_t *nulled)
{
	bool fits = readable(millis);
	((int64_t *)duckdb_vector_get_data(v))[i] = fits ? millis : 0;
	if (!fits)
		null_put(v, i, t);
	*nulled += !fits;
}

static bool elements_put(
        duckdb_vector v, idx_t i, const struct type *t, struct slice avro, uint64_t *nulled);

/* One value that is not null. False: a decimal that does not fit. */
static bool value_put(duckdb_vector v, idx_t i, const struct type *t, const struct value *x,
        uint64_t *nulled)
{
	void *data = duckdb_vector_get_data(v);
	switch (t->kind) {
	case KIND_BOOLEAN:
		((bool *)data)[i] = x->i64 != 0;
		return true;
	case KIND_INT:
	case KIND_DATE:
		((int32_t *)data)[i] = (int32_t)x->i64;
		return true;
	case KIND_TIME_MILLIS:
		((int64_t *)data)[i] = x->i64 * 1000;
		return true;
	case KIND_TIMESTAMP_MILLIS:
		millis_put(v, i, t, x->i64, nulled);
		return true;
	case KIND_FLOAT:
		((float *)data)[i] = (float)x->f64;
		return true;
	case KIND_DOUBLE:
		((double *)data)[i] = x->f64;
		return true;
	case KIND_DECIMAL:
		return decimal_put(data, i, t, x->i128);
	case KIND_STRING:
	case KIND_ENUM:
	case KIND_BYTES:
		bytes_put(v, i, x->bytes);
		return true;
	case KIND_ARRAY:
	case KIND_MAP:
		if (is_list(t))
			return elements_put(v, i, t, x->bytes, nulled);
		bytes_put(v, i, x->bytes);
		return true;
	default:
		((int64_t *)data)[i] = x->i64;
		return true;
	}
}

/* Appends one block of elements to the list vector's child. */
static bool block_put(duckdb_vector v, const struct type *t, struct reader *r, int64_t n,
        uint64_t *nulled)
{
	idx_t at = duckdb_list_vector_get_size(v);
	duckdb_list_vector_reserve(v, at + (idx_t)n);
	duckdb_list_vector_set_size(v, at + (idx_t)n);
	duckdb_vector child = duckdb_list_vector_get_child(v), keys = NULL;
	if (t->kind == KIND_MAP) {
		keys = duckdb_struct_vector_get_child(child, 0);
		child = duckdb_struct_vector_get_child(child, 1);
	}
	bool ok = true;
	for (; n > 0 && ok; n--, at++) {
		struct value x;
		if (keys)
			bytes_put(keys, at, reader_bytes(r));
		avro_read(r, t->element, t->element_nullable, &x);
		if (x.null)
			null_put(child, at, t->element);
		else
			ok = value_put(child, at, t->element, &x, nulled);
	}
	return ok;
}

static bool elements_put(
        duckdb_vector v, idx_t i, const struct type *t, struct slice avro, uint64_t *nulled)
{
	struct reader r = reader_of(avro);
	idx_t from = duckdb_list_vector_get_size(v);
	bool ok = true;
	for (int64_t n; ok && (n = avro_block(&r)) > 0;)
		ok = block_put(v, t, &r, n, nulled);
	((duckdb_list_entry *)duckdb_vector_get_data(v))[i] =
	        (duckdb_list_entry){from, duckdb_list_vector_get_size(v) - from};
	return ok;
}

static void nulls_fill(
        duckdb_vector v, idx_t at, const struct column *c, uint32_t from, uint32_t n)
{
	if (!memchr(c->null + from, 1, n))
		return;
	duckdb_vector_ensure_validity_writable(v);
	for (uint32_t i = 0; i < n; i++)
		if (c->null[from + i])
			null_put(v, at + i, c->type);
}

/* True: c's kind is of those that are copied in one loop. */
static bool fill_fixed(void *data, idx_t at, const struct column *c, uint32_t from, uint32_t n)
{
	switch (c->type->kind) {
	case KIND_INT:
	case KIND_DATE:
		for (uint32_t i = 0; i < n; i++)
			((int32_t *)data)[at + i] = (int32_t)c->i64[from + i];
		return true;
	case KIND_LONG:
	case KIND_TIME_MICROS:
	case KIND_TIMESTAMP_MILLIS:
	case KIND_TIMESTAMP_MICROS:
	case KIND_DOUBLE:
		memcpy((int64_t *)data + at, c->i64 + from, n * sizeof(int64_t));
		return true;
	case KIND_FLOAT:
		for (uint32_t i = 0; i < n; i++)
			((float *)data)[at + i] = (float)c->f64[from + i];
		return true;
	default:
		return false;
	}
}

static void millis_null(duckdb_vector v, idx_t at, const struct column *c, uint32_t from,
        uint32_t n, uint64_t *nulled)
{
	for (uint32_t i = from; i < from + n; i++)
		if (!c->null[i] && !readable(c->i64[i]))
			millis_put(v, at + i - from, c->type, c->i64[i], nulled);
}

enum status vector_fill(duckdb_vector v, uint32_t at, const struct field *f,
        const struct column *c, uint32_t from, uint32_t n, uint64_t *nulled, uint32_t *row,
        struct error *e)
{
	nulls_fill(v, at, c, from, n);
	if (fill_fixed(duckdb_vector_get_data(v), at, c, from, n)) {
		if (c->type->kind == KIND_TIMESTAMP_MILLIS)
			millis_null(v, at, c, from, n, nulled);
		return ST_OK;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct value x = column_get(c, from + i);
		if (x.null || value_put(v, at + i, &f->type, &x, nulled))
			continue;
		char name[TYPE_NAME_MAX];
		*row = from + i;
		return error_set(e, ERR_FATAL, 0, "%s: more digits than a %s has", f->name,
		        type_name(&f->type, name));
	}
	return ST_OK;
}

uint32_t vector_row_bytes(const struct schema *s)
{
	uint32_t n = 24; /* offset, day, share of nulls */
	for (size_t i = 0; i < s->nfields; i++)
		n += type_form(&s->fields[i].type) == FORM_BYTES ||
		                     type_form(&s->fields[i].type) == FORM_I128
		             ? 16
		             : 8;
	return n;
}

// ---- a column of many chunks ----

enum vector_form vector_form(const struct type *t)
{
	switch (t->kind) {
	case KIND_BOOLEAN:
		return VECTOR_I8;
	case KIND_NULL:
	case KIND_INT:
	case KIND_DATE:
	case KIND_FLOAT:
		return VECTOR_I32;
	case KIND_DECIMAL:
		return t->precision <= 4    ? VECTOR_I16
		       : t->precision <= 9  ? VECTOR_I32
		       : t->precision <= 18 ? VECTOR_I64
		                            : VECTOR_I128;
	case KIND_STRING:
	case KIND_ENUM:
	case KIND_BYTES:
		return VECTOR_TEXT;
	case KIND_ARRAY:
	case KIND_MAP:
		return is_list(t) ? VECTOR_NESTED : VECTOR_TEXT;
	default:
		return VECTOR_I64;
	}
}

struct vector_part vector_part(duckdb_vector v)
{
	return (struct vector_part){
	        v, duckdb_vector_get_data(v), duckdb_vector_get_validity(v)};
}

static void nested_gather(
        duckdb_vector v, const struct vector_column *c, const uint32_t *rows, uint32_t n)
{
	duckdb_selection_vector sel = duckdb_create_selection_vector(1);
	for (uint32_t i = 0; i < n; i++) {
		*duckdb_selection_vector_get_data_ptr(sel) = (sel_t)(rows[i] % VECTOR_ROWS);
		duckdb_vector_copy_sel(c->parts[rows[i] / VECTOR_ROWS].v, v, sel, 1, 0, i);
	}
	duckdb_destroy_selection_vector(sel);
}

/* Rows in order stand anywhere in the batch: each value is asked for this many rows ahead. */
#define GATHER_AHEAD 24

#define CELL(type, row)                                                                        \
	((const type *)c->parts[(row) / VECTOR_ROWS].data + (row) % VECTOR_ROWS)
#define GATHER(type)                                                                           \
	for (uint32_t i = 0; i < n; i++) {                                                     \
		__builtin_prefetch(CELL(type, rows[i + GATHER_AHEAD < n ? i + GATHER_AHEAD : i])); \
		((type *)to)[i] = *CELL(type, rows[i]);                                        \
	}

void vector_gather(
        duckdb_vector v, const struct vector_column *c, const uint32_t *rows, uint32_t n)
{
	void *to = duckdb_vector_get_data(v);
	switch (c->form) {
	case VECTOR_I8:
		GATHER(int8_t)
		break;
	case VECTOR_I16:
		GATHER(int16_t)
		break;
	case VECTOR_I32:
		GATHER(int32_t)
		break;
	case VECTOR_I64:
		GATHER(int64_t)
		break;
	case VECTOR_I128:
		GATHER(duckdb_hugeint)
		break;
	case VECTOR_TEXT:
		GATHER(duckdb_string_t)
		break;
	case VECTOR_NESTED:
		nested_gather(v, c, rows, n); /* nulls too */
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		if (vector_null(c, rows[i])) {
			duckdb_vector_ensure_validity_writable(v);
			duckdb_validity_set_row_invalid(duckdb_vector_get_validity(v), i);
		}
}
