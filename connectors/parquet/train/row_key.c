// SPDX-License-Identifier: Apache-2.0
//
// An entity as bytes: equal when all of its values are. One column of text stands for itself;
// everything else is copied, each text with its length before it.
#include "connectors/parquet/train/pass.h"

#include <string.h>

uint32_t pass_width(duckdb_logical_type type)
{
	static const uint8_t widths[] = {
	        [DUCKDB_TYPE_BOOLEAN] = 1,
	        [DUCKDB_TYPE_TINYINT] = 1,
	        [DUCKDB_TYPE_SMALLINT] = 2,
	        [DUCKDB_TYPE_INTEGER] = 4,
	        [DUCKDB_TYPE_BIGINT] = 8,
	        [DUCKDB_TYPE_UTINYINT] = 1,
	        [DUCKDB_TYPE_USMALLINT] = 2,
	        [DUCKDB_TYPE_UINTEGER] = 4,
	        [DUCKDB_TYPE_UBIGINT] = 8,
	        [DUCKDB_TYPE_FLOAT] = 4,
	        [DUCKDB_TYPE_DOUBLE] = 8,
	        [DUCKDB_TYPE_TIMESTAMP] = 8,
	        [DUCKDB_TYPE_DATE] = 4,
	        [DUCKDB_TYPE_TIME] = 8,
	        [DUCKDB_TYPE_HUGEINT] = 16,
	        [DUCKDB_TYPE_TIMESTAMP_S] = 8,
	        [DUCKDB_TYPE_TIMESTAMP_MS] = 8,
	        [DUCKDB_TYPE_TIMESTAMP_NS] = 8,
	        [DUCKDB_TYPE_TIMESTAMP_TZ] = 8,
	};
	duckdb_type id = duckdb_get_type_id(type);
	if (id == DUCKDB_TYPE_DECIMAL)
		id = duckdb_decimal_internal_type(type);
	return (size_t)id < sizeof widths ? widths[id] : 0;
}

static struct slice text_of(const duckdb_string_t *s)
{
	return (struct slice){(const uint8_t *)duckdb_string_t_data((duckdb_string_t *)s),
	        duckdb_string_t_length(*s)};
}

struct key_column {
	const uint8_t *data;
	uint64_t *valid;
	uint32_t width; /* 0: text */
};

static struct slice key_of(
        const struct key_column *c, uint32_t n, idx_t row, bool *has, struct arena *a)
{
	uint32_t bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].valid && !duckdb_validity_row_is_valid(c[i].valid, row)) {
			*has = false;
			return (struct slice){0};
		}
		bytes += c[i].width ? c[i].width
		                    : 4 + text_of((const duckdb_string_t *)c[i].data + row).len;
	}
	uint8_t *p = arena_alloc(a, bytes), *at = p;
	for (uint32_t i = 0; i < n; i++) {
		struct slice s = {c[i].data + row * c[i].width, c[i].width};
		if (!c[i].width) {
			s = text_of((const duckdb_string_t *)c[i].data + row);
			memcpy(at, &s.len, 4);
			at += 4;
		}
		memcpy(at, s.p, s.len);
		at += s.len;
	}
	*has = true;
	return (struct slice){p, bytes};
}

void pass_keys(duckdb_data_chunk chunk, uint32_t first, uint32_t n, struct slice *keys,
        bool *has, struct arena *a)
{
	struct key_column c[PLAN_ENTITY_MAX];
	idx_t rows = duckdb_data_chunk_get_size(chunk);
	INVARIANT(n <= PLAN_ENTITY_MAX);
	for (uint32_t i = 0; i < n; i++) {
		duckdb_vector v = duckdb_data_chunk_get_vector(chunk, first + i);
		duckdb_logical_type type = duckdb_vector_get_column_type(v);
		c[i] = (struct key_column){duckdb_vector_get_data(v),
		        duckdb_vector_get_validity(v), pass_width(type)};
		duckdb_destroy_logical_type(&type);
	}
	for (idx_t r = 0; r < rows; r++) {
		if (n > 1 || c[0].width) {
			keys[r] = key_of(c, n, r, &has[r], a);
			continue;
		}
		has[r] = !c[0].valid || duckdb_validity_row_is_valid(c[0].valid, r);
		keys[r] = has[r] ? text_of((const duckdb_string_t *)c[0].data + r)
		                 : (struct slice){0};
	}
}
