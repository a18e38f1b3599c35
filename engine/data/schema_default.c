// SPDX-License-Identifier: Apache-2.0
//
// Defaults: JSON as the Avro specification writes them -> values. A leaf's default goes through
// Avro binary, so that arrays and maps are the same bytes as decoded ones.
#include <math.h>

#include "data/avro.h"
#include "data/schema_internal.h"

static bool write_default(struct buf *b, const struct schema_node *n, json_t *j);

static bool write_bytes(struct buf *b, const struct schema_node *n, json_t *j)
{
	/* One character U+0000 to U+00FF per byte. */
	const unsigned char *s = (const unsigned char *)json_string_value(j);
	size_t len = json_string_length(j);
	struct buf raw = {0};
	__int128 number;
	bool ok = s != NULL;
	for (size_t i = 0; ok && i < len; i++) {
		if (s[i] < 0x80)
			buf_byte(&raw, s[i]);
		else if (s[i] <= 0xc3 && i + 1 < len)
			buf_byte(&raw, (uint8_t)(s[i] << 6 | (s[i + 1] & 0x3f))), i++;
		else
			ok = false;
	}
	ok = ok && (n->kind != NODE_FIXED || raw.len == n->fixed_bytes);
	if (n->type.kind != KIND_DECIMAL)
		buf_bytes(b, buf_view(&raw));
	else if (avro_decimal(buf_view(&raw), &number))
		avro_write(b, &n->type, false, &(struct value){.i128 = number});
	else
		ok = false;
	buf_release(&raw);
	return ok;
}

static bool write_enum(struct buf *b, const struct schema_node *n, json_t *j)
{
	const char *s = json_string_value(j);
	for (int64_t i = 0; s && n->type.symbols[i]; i++) {
		if (strcmp(n->type.symbols[i], s) != 0)
			continue;
		buf_varint(b, i);
		return true;
	}
	return false;
}

static bool write_integer(struct buf *b, const struct schema_node *n, json_t *j)
{
	json_int_t v = json_integer_value(j);
	if (!json_is_integer(j) || (n->avro == KIND_INT && (v < INT32_MIN || v > INT32_MAX)))
		return false;
	buf_varint(b, v);
	return true;
}

static bool write_real(struct buf *b, const struct schema_node *n, json_t *j)
{
	if (!json_is_number(j))
		return false;
	avro_write(b, &(struct type){.kind = n->avro}, false,
	        &(struct value){.f64 = json_number_value(j)});
	return true;
}

static bool write_leaf(struct buf *b, const struct schema_node *n, json_t *j)
{
	switch (n->avro) {
	case KIND_BOOLEAN:
		buf_byte(b, json_is_true(j));
		return json_is_boolean(j);
	case KIND_INT:
	case KIND_LONG:
		return write_integer(b, n, j);
	case KIND_FLOAT:
	case KIND_DOUBLE:
		return write_real(b, n, j);
	case KIND_ENUM:
		return write_enum(b, n, j);
	case KIND_BYTES:
		return write_bytes(b, n, j);
	case KIND_STRING:
		if (!json_is_string(j))
			return false;
		buf_bytes(b, (struct slice){(const uint8_t *)json_string_value(j),
		                     (uint32_t)json_string_length(j)});
		return true;
	default:
		return false;
	}
}

static bool write_collection(struct buf *b, const struct schema_node *n, json_t *j)
{
	bool map = n->kind == NODE_MAP;
	size_t count = map ? json_object_size(j) : json_array_size(j), i;
	const char *key;
	json_t *v;
	if (map ? !json_is_object(j) : !json_is_array(j))
		return false;
	if (count)
		buf_varint(b, (int64_t)count);
	if (map)
		json_object_foreach(j, key, v)
		{
			buf_bytes(b, slice_of(key));
			if (!write_default(b, &n->children[0], v))
				return false;
		}
	else
		json_array_foreach(
		        j, i, v) if (!write_default(b, &n->children[0], v)) return false;
	buf_varint(b, 0);
	return true;
}

static bool write_record(struct buf *b, const struct schema_node *n, json_t *j)
{
	for (size_t i = 0; i < n->nchildren; i++) {
		const struct schema_node *c = &n->children[i];
		json_t *v = json_object_get(j, c->name);
		json_t *own = !v && c->has_default
		                      ? json_loads(c->default_json,
		                                JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
		                      : NULL;
		bool ok = (v || own) && write_default(b, c, v ? v : own);
		json_decref(own);
		if (!ok)
			return false;
	}
	return json_is_object(j);
}

static bool write_default(struct buf *b, const struct schema_node *n, json_t *j)
{
	switch (n->kind) {
	case NODE_UNION:
		buf_varint(b, !json_is_null(j));
		return json_is_null(j) || write_default(b, &n->children[!n->null_branch], j);
	case NODE_RECORD:
		return write_record(b, n, j);
	case NODE_ARRAY:
	case NODE_MAP:
		return write_collection(b, n, j);
	default:
		return write_leaf(b, n, j);
	}
}

static bool leaf_value(
        const struct schema_node *n, json_t *j, struct arena *a, struct value *out)
{
	struct buf b = {0};
	bool ok = write_default(&b, n, j);
	struct slice bytes = arena_slice(a, buf_view(&b));
	buf_release(&b);
	if (!ok)
		return false;
	if ((n->kind == NODE_ARRAY || n->kind == NODE_MAP) && !n->type.element) {
		*out = (struct value){.bytes = bytes};
		return true;
	}
	struct reader r = reader_of(bytes);
	avro_read(&r, &n->type, false, out);
	return !r.failed;
}

static void all_null(const struct schema_node *n, struct value *values, bool *has)
{
	if (n->field >= 0) {
		values[n->field] = (struct value){.null = true};
		has[n->field] = true;
		return;
	}
	for (size_t i = 0; i < n->nchildren; i++)
		if (n->kind != NODE_ARRAY && n->kind != NODE_MAP)
			all_null(&n->children[i], values, has);
}

/* j: the value given, NULL when there is none. */
static enum status fill(const struct schema_node *n, json_t *j, struct arena *a,
        struct value *values, bool *has, struct error *e)
{
	if (!j && n->has_default) {
		json_t *own =
		        json_loads(n->default_json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		INVARIANT(own);
		enum status st = fill(n, own, a, values, has, e);
		json_decref(own);
		return st;
	}
	if (n->kind == NODE_UNION) {
		if (!j || json_is_null(j)) {
			all_null(n, values, has);
			return ST_OK;
		}
		return fill(&n->children[!n->null_branch], j, a, values, has, e);
	}
	if (n->kind == NODE_RECORD) {
		if (j && !json_is_object(j))
			return error_set(
			        e, ERR_USER, 0, "%s: the default is not a record", n->name);
		for (size_t i = 0; i < n->nchildren; i++) {
			const struct schema_node *c = &n->children[i];
			if (fill(c, json_object_get(j, c->name), a, values, has, e) != ST_OK)
				return ST_ERR;
		}
		return ST_OK;
	}
	if (n->field >= 0)
		has[n->field] = j != NULL;
	if (!j)
		return ST_OK;
	char name[TYPE_NAME_MAX];
	struct value ignored;
	if (!leaf_value(n, j, a, n->field >= 0 ? &values[n->field] : &ignored))
		return error_set(e, ERR_USER, 0, "%s: the default is not a value of type %s",
		        n->name, type_name(&n->type, name));
	return ST_OK;
}

enum status schema_default(const struct schema_node *node, struct arena *a,
        struct value *values, bool *has, struct error *e)
{
	return fill(node, NULL, a, values, has, e);
}

enum status schema_default_avro(
        const struct schema_node *node, struct buf *out, struct error *e)
{
	if (!node->has_default && node->kind == NODE_UNION) {
		buf_varint(out, 0);
		return ST_OK;
	}
	if (!node->has_default)
		return ST_END;
	json_t *j = json_loads(node->default_json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	INVARIANT(j);
	bool ok = write_default(out, node, j);
	json_decref(j);
	if (!ok)
		return error_set(
		        e, ERR_USER, 0, "%s: the default does not fit its type", node->name);
	return ST_OK;
}
