// SPDX-License-Identifier: Apache-2.0
//
// The parsing canonical form of a schema and its fingerprint (Avro 1.11 specification, "Parsing
// Canonical Form for Schemas" and "Schema Fingerprints"). The input was accepted by
// schema_parse, so its shape is not checked again.
#include "data/schema_internal.h"

static void canonical(struct arena *a, json_t *json, const char *ns, struct buf *out);

static void quoted(struct buf *out, const char *s)
{
	buf_byte(out, '"');
	buf_str(out, s);
	buf_byte(out, '"');
}

static void name_of(struct arena *a, const char *name, const char *ns, struct buf *out)
{
	quoted(out, schema_is_primitive(name) ? name : schema_full_name(a, ns, name));
}

static void fields(struct arena *a, json_t *list, const char *ns, struct buf *out)
{
	size_t i;
	json_t *field;
	buf_str(out, ",\"fields\":[");
	json_array_foreach(list, i, field)
	{
		buf_str(out, i ? ",{\"name\":" : "{\"name\":");
		quoted(out, json_string_value(json_object_get(field, "name")));
		buf_str(out, ",\"type\":");
		canonical(a, json_object_get(field, "type"), ns, out);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void symbols(json_t *list, struct buf *out)
{
	size_t i;
	json_t *symbol;
	buf_str(out, ",\"symbols\":[");
	json_array_foreach(list, i, symbol)
	{
		if (i)
			buf_byte(out, ',');
		quoted(out, json_string_value(symbol));
	}
	buf_byte(out, ']');
}

static void named(
        struct arena *a, json_t *def, const char *kind, const char *ns, struct buf *out)
{
	const char *full = schema_defined_name(a, ns, def);
	buf_str(out, "{\"name\":");
	quoted(out, full);
	buf_str(out, ",\"type\":");
	quoted(out, kind);
	if (kind[0] == 'r')
		fields(a, json_object_get(def, "fields"), schema_namespace(a, full), out);
	else if (kind[0] == 'e')
		symbols(json_object_get(def, "symbols"), out);
	else
		buf_printf(out, ",\"size\":%lld",
		        (long long)json_integer_value(json_object_get(def, "size")));
	buf_byte(out, '}');
}

static void object(struct arena *a, json_t *def, const char *ns, struct buf *out)
{
	json_t *type = json_object_get(def, "type");
	const char *s = json_string_value(type);
	if (!s) {
		canonical(a, type, ns, out);
	} else if (strcmp(s, "array") == 0 || strcmp(s, "map") == 0) {
		const char *of = s[0] == 'a' ? "items" : "values";
		buf_printf(out, "{\"type\":\"%s\",\"%s\":", s, of);
		canonical(a, json_object_get(def, of), ns, out);
		buf_byte(out, '}');
	} else if (strcmp(s, "record") == 0 || strcmp(s, "enum") == 0 ||
	           strcmp(s, "fixed") == 0) {
		named(a, def, s, ns, out);
	} else {
		name_of(a, s, ns, out);
	}
}

static void canonical(struct arena *a, json_t *json, const char *ns, struct buf *out)
{
	if (json_is_string(json)) {
		name_of(a, json_string_value(json), ns, out);
		return;
	}
	if (json_is_object(json)) {
		object(a, json, ns, out);
		return;
	}
	size_t i;
	json_t *branch;
	buf_byte(out, '[');
	json_array_foreach(json, i, branch)
	{
		if (i)
			buf_byte(out, ',');
		canonical(a, branch, ns, out);
	}
	buf_byte(out, ']');
}

void schema_canonical(struct arena *a, json_t *json, struct buf *out)
{
	canonical(a, json, "", out);
}

#define CRC64_EMPTY 0xc15d213aa4d7a795u

uint64_t schema_crc64(struct slice s)
{
	uint64_t fp = CRC64_EMPTY;
	for (uint32_t i = 0; i < s.len; i++) {
		fp ^= s.p[i];
		for (int bit = 0; bit < 8; bit++)
			fp = (fp >> 1) ^ (CRC64_EMPTY & -(fp & 1));
	}
	return fp;
}
