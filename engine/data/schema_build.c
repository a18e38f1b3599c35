// SPDX-License-Identifier: Apache-2.0
//
// Schemas of weir's own rows: writes the JSON for a list of fields and parses it, so that there
// is one way for a schema to come into being.
#include "data/schema_internal.h"

struct build {
	struct buf json;
	size_t nenums; /* each enum is a type with a name of its own */
};

static bool build_type(struct build *b, const struct type *t, const char *field);

static void build_logical(struct build *b, const char *base, const struct type *t)
{
	char name[TYPE_NAME_MAX];
	buf_printf(
	        &b->json, "{\"type\":\"%s\",\"logicalType\":\"%s\"}", base, type_name(t, name));
}

static void build_enum(struct build *b, const struct type *t, const char *field)
{
	buf_printf(&b->json, "{\"type\":\"enum\",\"name\":\"%s_enum%zu\",\"symbols\":[", field,
	        b->nenums++);
	for (size_t i = 0; t->symbols[i]; i++)
		buf_printf(&b->json, "%s\"%s\"", i ? "," : "", t->symbols[i]);
	buf_str(&b->json, "]}");
}

static bool build_collection(struct build *b, const struct type *t, const char *field)
{
	if (!t->element)
		return false;
	buf_str(&b->json, t->kind == KIND_ARRAY ? "{\"type\":\"array\",\"items\":"
	                                        : "{\"type\":\"map\",\"values\":");
	buf_str(&b->json, t->element_nullable ? "[\"null\"," : "");
	if (!build_type(b, t->element, field))
		return false;
	buf_str(&b->json, t->element_nullable ? "]}" : "}");
	return true;
}

static bool build_type(struct build *b, const struct type *t, const char *field)
{
	char name[TYPE_NAME_MAX];
	switch (t->kind) {
	case KIND_NULL:
		return false;
	case KIND_DATE:
	case KIND_TIME_MILLIS:
		build_logical(b, "int", t);
		return true;
	case KIND_TIME_MICROS:
	case KIND_TIMESTAMP_MILLIS:
	case KIND_TIMESTAMP_MICROS:
		build_logical(b, "long", t);
		return true;
	case KIND_DECIMAL:
		buf_printf(&b->json,
		        "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%u,"
		        "\"scale\":%u}",
		        t->precision, t->scale);
		return true;
	case KIND_ENUM:
		build_enum(b, t, field);
		return true;
	case KIND_ARRAY:
	case KIND_MAP:
		return build_collection(b, t, field);
	default:
		buf_json(&b->json, slice_of(type_name(t, name)));
		return true;
	}
}

static const char *avro_name(struct arena *a, const char *dotted)
{
	struct buf b = {0};
	for (; *dotted; dotted++)
		buf_str(&b, *dotted == '.' ? "__" : (char[]){*dotted, 0});
	const char *name = arena_strdup(a, buf_cstr(&b));
	buf_release(&b);
	return name;
}

static bool build_field(struct build *b, struct arena *a, const struct field *f)
{
	const char *name = avro_name(a, f->name);
	buf_str(&b->json, "{\"name\":");
	buf_json(&b->json, slice_of(name));
	buf_str(&b->json, f->nullable ? ",\"type\":[\"null\"," : ",\"type\":");
	if (!build_type(b, &f->type, name))
		return false;
	buf_str(&b->json, f->nullable ? "],\"default\":null" : "");
	if (f->doc) {
		buf_str(&b->json, ",\"doc\":");
		buf_json(&b->json, slice_of(f->doc));
	}
	buf_byte(&b->json, '}');
	return true;
}

static enum status build(struct build *b, struct arena *a, const char *name,
        const struct field *fields, size_t n, struct error *e)
{
	buf_str(&b->json, "{\"type\":\"record\",\"name\":");
	buf_json(&b->json, slice_of(name));
	buf_str(&b->json, ",\"fields\":[");
	for (size_t i = 0; i < n; i++) {
		char type[TYPE_NAME_MAX];
		if (i)
			buf_byte(&b->json, ',');
		if (!build_field(b, a, &fields[i]))
			return error_set(e, ERR_USER, 0,
			        "%s: a column of type %s cannot be written", fields[i].name,
			        type_name(&fields[i].type, type));
	}
	buf_str(&b->json, "]}");
	return ST_OK;
}

enum status schema_build(struct arena *a, const char *name, const struct field *fields,
        size_t n, struct schema **out, struct error *e)
{
	struct build b = {0};
	enum status st = build(&b, a, name, fields, n, e);
	if (st == ST_OK)
		st = schema_parse(a, buf_view(&b.json), out, e);
	buf_release(&b.json);
	for (size_t i = 0; st == ST_OK && i < n; i++)
		(*out)->fields[i].name = arena_strdup(a, fields[i].name);
	return st;
}
