// SPDX-License-Identifier: Apache-2.0
//
// Avro schema text -> tree and flat fields. jansson reads it, because Avro C drops logical
// types and defaults; Avro C must accept it as well. A named type is expanded again at each
// use, so that every leaf of the record is a field of its own; recursion is refused and the
// number of nodes bounded, which keeps that finite.
#include "data/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/schema_internal.h"

#define NAMED_MAX 1024

struct named {
	const char *full;
	json_t *def;
	bool open; /* being expanded: meeting it again is recursion */
};

struct parse {
	struct arena *a;
	struct error *e;
	struct named named[NAMED_MAX];
	size_t nnamed;
	struct field *fields;
	size_t nfields;
	size_t nnodes;
};

/* Where the walk is. */
struct place {
	const char *path; /* dotted name of the field; "" at the top */
	const char *ns;
	const char *doc;
	bool nullable;
	bool leaf; /* inside an array or map: nothing below is a field */
	int depth;
};

static bool parse_type(struct parse *p, json_t *json, struct place at, struct schema_node *out);

__attribute__((format(printf, 3, 4))) static bool fail(
        struct parse *p, struct place at, const char *fmt, ...)
{
	char text[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	error_set(p->e, ERR_USER, 0, "%s%s%s", at.path, at.path[0] ? ": " : "", text);
	return false;
}

bool schema_is_primitive(const char *name)
{
	static const char *const names[] = {
	        "null", "boolean", "int", "long", "float", "double", "bytes", "string"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

const char *schema_full_name(struct arena *a, const char *ns, const char *name)
{
	if (strchr(name, '.') || !ns[0])
		return name[0] == '.' ? name + 1 : name;
	return arena_printf(a, "%s.%s", ns, name);
}

const char *schema_namespace(struct arena *a, const char *full)
{
	const char *dot = strrchr(full, '.');
	return dot ? arena_strndup(a, full, (size_t)(dot - full)) : "";
}

const char *schema_defined_name(struct arena *a, const char *ns, json_t *def)
{
	const char *own = json_string_value(json_object_get(def, "namespace"));
	return schema_full_name(
	        a, own ? own : ns, json_string_value(json_object_get(def, "name")));
}

static bool is_name(const char *s, bool dots)
{
	bool start = true;
	for (; *s; s++) {
		if (dots && *s == '.' && !start) {
			start = true;
			continue;
		}
		if (*s != '_' && !isalpha((unsigned char)*s) &&
		        (start || !isdigit((unsigned char)*s)))
			return false;
		start = false;
	}
	return !start;
}

/* ---- named types ---- */

static struct named *named_find(struct parse *p, const char *full)
{
	for (size_t i = 0; i < p->nnamed; i++)
		if (strcmp(p->named[i].full, full) == 0)
			return &p->named[i];
	return NULL;
}

/* The entry for definition def, entered at its first sight; NULL after an error. */
static struct named *named_enter(struct parse *p, json_t *def, struct place at)
{
	json_t *ns = json_object_get(def, "namespace");
	const char *name = json_string_value(json_object_get(def, "name"));
	if (!name || !is_name(name, true))
		return fail(p, at, "a named type needs a \"name\" of letters, digits and _"),
		       NULL;
	if (ns && (!json_is_string(ns) ||
	                  (json_string_value(ns)[0] && !is_name(json_string_value(ns), true))))
		return fail(p, at, "\"namespace\" must be names joined by dots"), NULL;
	const char *full = arena_strdup(p->a, schema_defined_name(p->a, at.ns, def));
	const char *last = strrchr(full, '.');
	if (schema_is_primitive(last ? last + 1 : full))
		return fail(p, at, "\"%.100s\" is the name of a primitive type", full), NULL;
	struct named *n = named_find(p, full);
	if (n && n->def != def)
		return fail(p, at, "type \"%.100s\" is defined twice", full), NULL;
	if (n)
		return n;
	if (p->nnamed == NAMED_MAX)
		return fail(p, at, "more than %d named types", NAMED_MAX), NULL;
	n = &p->named[p->nnamed++];
	*n = (struct named){full, def, false};
	return n;
}

/* ---- leaves ---- */

static bool add_field(struct parse *p, struct place at, struct schema_node *n)
{
	n->field = -1;
	if (at.leaf)
		return true;
	if (!at.path[0])
		return fail(p, at, "the top must be a record");
	if (p->nfields == SCHEMA_FIELDS_MAX)
		return fail(p, at, "more than %d fields", SCHEMA_FIELDS_MAX);
	if (p->nfields % 64 == 0) {
		struct field *more = arena_alloc(p->a, (p->nfields + 64) * sizeof *more);
		if (p->nfields)
			memcpy(more, p->fields, p->nfields * sizeof *more);
		p->fields = more;
	}
	n->field = (int)p->nfields;
	p->fields[p->nfields++] = (struct field){
	        .name = at.path, .type = n->type, .nullable = at.nullable, .doc = at.doc};
	return true;
}

static const struct {
	const char *name;
	enum kind on, kind;
} logicals[] = {
        {"date", KIND_INT, KIND_DATE},
        {"time-millis", KIND_INT, KIND_TIME_MILLIS},
        {"time-micros", KIND_LONG, KIND_TIME_MICROS},
        {"timestamp-millis", KIND_LONG, KIND_TIMESTAMP_MILLIS},
        {"timestamp-micros", KIND_LONG, KIND_TIMESTAMP_MICROS},
        {"uuid", KIND_STRING, KIND_STRING},
};

static bool decimal_type(struct parse *p, json_t *def, struct place at, struct schema_node *n)
{
	json_t *scale = json_object_get(def, "scale");
	json_int_t precision = json_integer_value(json_object_get(def, "precision"));
	if (n->avro != KIND_BYTES)
		return fail(p, at, "a decimal must be bytes or fixed");
	if (precision < 1 || precision > DECIMAL_PRECISION_MAX)
		return fail(
		        p, at, "a decimal's precision must be 1 to %d", DECIMAL_PRECISION_MAX);
	if ((scale && !json_is_integer(scale)) || json_integer_value(scale) < 0 ||
	        json_integer_value(scale) > precision)
		return fail(p, at, "a decimal's scale must be 0 to its precision");
	n->type = (struct type){.kind = KIND_DECIMAL,
	        .precision = (uint8_t)precision,
	        .scale = (uint8_t)json_integer_value(scale)};
	return true;
}

/* Unknown logical types mean their base type, as the Avro specification says. */
static bool logical_type(struct parse *p, json_t *def, struct place at, struct schema_node *n)
{
	const char *name = json_string_value(json_object_get(def, "logicalType"));
	if (!name)
		return true;
	if (strcmp(name, "decimal") == 0)
		return decimal_type(p, def, at, n);
	if (strcmp(name, "duration") == 0)
		return fail(p, at, "duration is not supported");
	for (size_t i = 0; i < sizeof logicals / sizeof *logicals; i++) {
		if (strcmp(name, logicals[i].name) != 0)
			continue;
		char base[TYPE_NAME_MAX];
		if (n->avro == KIND_STRING && logicals[i].on == KIND_STRING)
			return true;
		if (logicals[i].on == KIND_STRING)
			return true; /* uuid on a fixed: its bytes */
		if (n->avro != logicals[i].on || n->kind == NODE_FIXED)
			return fail(p, at, "%s must be on %s", name,
			        type_name(&(struct type){.kind = logicals[i].on}, base));
		n->type.kind = logicals[i].kind;
	}
	return true;
}

static bool parse_primitive(
        struct parse *p, const char *name, json_t *def, struct place at, struct schema_node *n)
{
	n->kind = NODE_LEAF;
	if (strcmp(name, "null") == 0)
		return fail(p, at, "null is a type only in a union [\"null\", T]");
	if (!type_parse(slice_of(name), &n->type))
		return fail(p, at, "unknown type \"%.100s\"", name);
	n->avro = n->type.kind;
	return (!def || logical_type(p, def, at, n)) && add_field(p, at, n);
}

static bool parse_enum(struct parse *p, struct named *d, struct place at, struct schema_node *n)
{
	json_t *symbols = json_object_get(d->def, "symbols");
	size_t count = json_array_size(symbols);
	if (!count)
		return fail(p, at, "an enum needs an array of \"symbols\"");
	const char **out = arena_calloc(p->a, count + 1, sizeof *out);
	for (size_t i = 0; i < count; i++) {
		const char *s = json_string_value(json_array_get(symbols, i));
		if (!s || !is_name(s, false))
			return fail(p, at, "symbol %zu is not a name", i + 1);
		out[i] = arena_strdup(p->a, s);
		for (size_t j = 0; j < i && count <= NAMED_MAX; j++)
			if (strcmp(out[j], out[i]) == 0)
				return fail(p, at, "symbol %.100s appears twice", s);
	}
	if (count > NAMED_MAX)
		return fail(p, at, "more than %d symbols", NAMED_MAX);
	n->kind = NODE_LEAF;
	n->avro = KIND_ENUM;
	n->type = (struct type){.kind = KIND_ENUM, .symbols = out};
	return add_field(p, at, n);
}

static bool parse_fixed(
        struct parse *p, struct named *d, struct place at, struct schema_node *n)
{
	json_t *size = json_object_get(d->def, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 1 ||
	        json_integer_value(size) > (json_int_t)SCHEMA_BYTES_MAX)
		return fail(p, at, "a fixed needs a \"size\" of 1 to %zu", SCHEMA_BYTES_MAX);
	n->kind = NODE_FIXED;
	n->avro = KIND_BYTES;
	n->fixed_bytes = (uint32_t)json_integer_value(size);
	n->type = (struct type){.kind = KIND_BYTES};
	return logical_type(p, d->def, at, n) && add_field(p, at, n);
}

/* ---- records ---- */

static bool parse_default(
        struct parse *p, json_t *field, struct place at, struct schema_node *n)
{
	json_t *value = json_object_get(field, "default");
	if (!value)
		return true;
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!text)
		return fail(p, at, "default is nested too deeply");
	n->has_default = true;
	n->default_json = arena_strdup(p->a, text);
	free(text);
	return true;
}

static bool parse_field(struct parse *p, json_t *field, struct place at, struct schema_node *n)
{
	const char *name = json_string_value(json_object_get(field, "name"));
	if (!name || !is_name(name, false))
		return fail(p, at, "each field needs a \"name\" of letters, digits and _");
	const char *doc = json_string_value(json_object_get(field, "doc"));
	n->name = arena_strdup(p->a, name);
	at.path = at.path[0] ? arena_printf(p->a, "%s.%s", at.path, name) : n->name;
	at.doc = doc ? arena_strdup(p->a, doc) : NULL;
	if (strlen(at.path) > SCHEMA_NAME_MAX)
		return fail(p, at, "the name is above %d bytes", SCHEMA_NAME_MAX);
	json_t *type = json_object_get(field, "type");
	if (!type)
		return fail(p, at, "the field has no \"type\"");
	return parse_type(p, type, at, n) && parse_default(p, field, at, n);
}

static struct schema_node *children_new(
        struct parse *p, struct place at, struct schema_node *n, size_t count)
{
	p->nnodes += count;
	if (p->nnodes > SCHEMA_NODES_MAX)
		return fail(p, at, "more than %d types", SCHEMA_NODES_MAX), NULL;
	n->nchildren = count;
	n->children = arena_calloc(p->a, count, sizeof *n->children);
	for (size_t i = 0; i < count; i++) {
		n->children[i].field = n->children[i].null_branch = -1;
		n->children[i].name = n->name;
	}
	return n->children;
}

static bool parse_record(
        struct parse *p, struct named *d, struct place at, struct schema_node *n)
{
	json_t *fields = json_object_get(d->def, "fields");
	if (!json_is_array(fields) || !json_array_size(fields))
		return fail(p, at, "a record needs an array of \"fields\"");
	if (d->open)
		return fail(p, at, "recursive types are not supported (%.100s)", d->full);
	n->kind = NODE_RECORD;
	if (!children_new(p, at, n, json_array_size(fields)))
		return false;
	d->open = true;
	at.ns = schema_namespace(p->a, d->full);
	json_t *seen = json_object();
	bool ok = true;
	for (size_t i = 0; ok && i < n->nchildren; i++) {
		ok = parse_field(p, json_array_get(fields, i), at, &n->children[i]);
		if (ok && json_object_get(seen, n->children[i].name))
			ok = fail(p, at, "field %s appears twice", n->children[i].name);
		if (ok)
			json_object_set_new(seen, n->children[i].name, json_true());
	}
	json_decref(seen);
	d->open = false;
	return ok;
}

static bool parse_named(struct parse *p, struct named *d, const char *kind, struct place at,
        struct schema_node *n)
{
	n->type_name = d->full;
	if (strcmp(kind, "record") == 0)
		return parse_record(p, d, at, n);
	return strcmp(kind, "enum") == 0 ? parse_enum(p, d, at, n) : parse_fixed(p, d, at, n);
}

/* ---- the rest ---- */

/* The name of a logical type is the commonest one that is no type. */
static bool unknown_type(struct parse *p, const char *name, struct place at)
{
	char base[TYPE_NAME_MAX];
	if (strcmp(name, "decimal") == 0)
		return fail(p, at,
		        "decimal is a logical type: write {\"type\": \"bytes\", \"logicalType\": "
		        "\"decimal\", \"precision\": 10, \"scale\": 2}");
	for (size_t i = 0; i < sizeof logicals / sizeof *logicals; i++)
		if (strcmp(name, logicals[i].name) == 0)
			return fail(p, at,
			        "%s is a logical type: write {\"type\": \"%s\", "
			        "\"logicalType\": \"%s\"}",
			        name, type_name(&(struct type){.kind = logicals[i].on}, base),
			        name);
	return fail(p, at, "unknown type \"%.100s\"", name);
}

static bool parse_reference(
        struct parse *p, const char *name, struct place at, struct schema_node *n)
{
	if (schema_is_primitive(name))
		return parse_primitive(p, name, NULL, at, n);
	struct named *d = named_find(p, schema_full_name(p->a, at.ns, name));
	if (!d)
		return unknown_type(p, name, at);
	return parse_named(p, d, json_string_value(json_object_get(d->def, "type")), at, n);
}

static bool parse_union(struct parse *p, json_t *json, struct place at, struct schema_node *n)
{
	int null_at = -1;
	for (int i = 0; i < 2; i++) {
		const char *s = json_string_value(json_array_get(json, (size_t)i));
		if (s && strcmp(s, "null") == 0)
			null_at = i;
	}
	if (json_array_size(json) != 2 || null_at < 0)
		return fail(
		        p, at, "the only unions supported are [\"null\", T] and [T, \"null\"]");
	json_t *other = json_array_get(json, (size_t)!null_at);
	const char *other_name = json_string_value(other);
	if (json_is_array(other) || (other_name && strcmp(other_name, "null") == 0))
		return fail(p, at, "a union cannot hold a union or null twice");
	n->kind = NODE_UNION;
	n->null_branch = null_at;
	if (!children_new(p, at, n, 2))
		return false;
	n->children[null_at].kind = NODE_LEAF;
	at.nullable = true;
	struct schema_node *child = &n->children[!null_at];
	if (!parse_type(p, other, at, child))
		return false;
	n->type = child->type;
	n->avro = child->avro;
	return true;
}

/* Array or map; both are leaves whatever they hold. */
static bool parse_collection(
        struct parse *p, json_t *def, enum kind kind, struct place at, struct schema_node *n)
{
	const char *of = kind == KIND_ARRAY ? "items" : "values";
	json_t *element = json_object_get(def, of);
	if (!element)
		return fail(p, at, "%s needs \"%s\"", kind == KIND_ARRAY ? "an array" : "a map",
		        of);
	n->kind = kind == KIND_ARRAY ? NODE_ARRAY : NODE_MAP;
	n->avro = kind;
	if (!children_new(p, at, n, 1))
		return false;
	struct place inner = at;
	inner.leaf = true;
	struct schema_node *child = &n->children[0];
	if (!parse_type(p, element, inner, child))
		return false;
	bool opt = child->kind == NODE_UNION;
	struct schema_node *held = opt ? &child->children[!child->null_branch] : child;
	bool opaque =
	        held->kind == NODE_RECORD ||
	        ((held->kind == NODE_ARRAY || held->kind == NODE_MAP) && !held->type.element);
	n->type = (struct type){
	        .kind = kind, .element_nullable = opt, .element = opaque ? NULL : &held->type};
	return add_field(p, at, n);
}

/* {"user_id": "string"}: columns without the record around them. */
static bool no_type(struct parse *p, json_t *def, struct place at)
{
	void *first = json_object_iter(def);
	const char *type = first ? json_string_value(json_object_iter_value(first)) : NULL;
	if (!type || json_object_get(def, "fields"))
		return fail(p, at, "a type needs \"type\"");
	return fail(p, at,
	        "a type needs \"type\"; columns are the fields of a record: {type: record, name: "
	        "NAME, fields: [{name: %.60s, type: %.60s}]}",
	        json_object_iter_key(first), type);
}

static bool parse_object(struct parse *p, json_t *def, struct place at, struct schema_node *n)
{
	json_t *type = json_object_get(def, "type");
	const char *s = json_string_value(type);
	if (!type)
		return no_type(p, def, at);
	if (!s) /* {"type": {...}}: an extra pair of braces */
		return parse_type(p, type, at, n);
	if (strcmp(s, "array") == 0)
		return parse_collection(p, def, KIND_ARRAY, at, n);
	if (strcmp(s, "map") == 0)
		return parse_collection(p, def, KIND_MAP, at, n);
	if (strcmp(s, "record") == 0 || strcmp(s, "enum") == 0 || strcmp(s, "fixed") == 0) {
		struct named *d = named_enter(p, def, at);
		return d && parse_named(p, d, s, at, n);
	}
	if (schema_is_primitive(s))
		return parse_primitive(p, s, def, at, n);
	return parse_reference(p, s, at, n);
}

static bool parse_type(struct parse *p, json_t *json, struct place at, struct schema_node *n)
{
	if (++at.depth > SCHEMA_DEPTH_MAX)
		return fail(p, at, "types are nested more than %d deep", SCHEMA_DEPTH_MAX);
	n->field = n->null_branch = -1;
	if (json_is_string(json))
		return parse_reference(p, json_string_value(json), at, n);
	if (json_is_array(json))
		return parse_union(p, json, at, n);
	if (json_is_object(json))
		return parse_object(p, json, at, n);
	return fail(p, at, "a type is a name, an object or a union");
}

/* Every default must be a value of its type: found here, not at the first record that lacks it.
 * values and has are scratch. */
static bool check_defaults(
        struct parse *p, const struct schema_node *n, struct value *values, bool *has)
{
	for (size_t i = 0; i < n->nchildren; i++) {
		const struct schema_node *c = &n->children[i];
		if (c->has_default && schema_default(c, p->a, values, has, p->e) != ST_OK)
			return false;
		if (!check_defaults(p, c, values, has))
			return false;
	}
	return true;
}

static enum status fingerprint(struct parse *p, json_t *json, struct schema *s)
{
	struct buf canonical = {0};
	schema_canonical(p->a, json, &canonical);
	s->fingerprint = schema_crc64(buf_view(&canonical));
	enum status st = schema_check_library(buf_view(&canonical), p->e);
	buf_release(&canonical);
	return st;
}

static enum status parse_top(struct parse *p, json_t *json, struct schema *s)
{
	struct place top = {.path = "", .ns = ""};
	s->root = arena_calloc(p->a, 1, sizeof *s->root);
	s->root->name = "";
	if (!parse_type(p, json, top, s->root))
		return ST_ERR;
	if (s->root->kind != NODE_RECORD)
		return error_set(p->e, ERR_USER, 0, "the top must be a record");
	struct value *values = xcalloc(p->nfields, sizeof *values);
	bool *has = xcalloc(p->nfields, sizeof *has);
	bool ok = check_defaults(p, s->root, values, has);
	free(values);
	free(has);
	if (!ok)
		return ST_ERR;
	s->name = s->root->type_name;
	s->fields = p->fields;
	s->nfields = p->nfields;
	return fingerprint(p, json, s);
}

enum status schema_parse(
        struct arena *a, struct slice text, struct schema **out, struct error *e)
{
	if (text.len > SCHEMA_BYTES_MAX)
		return error_set(e, ERR_USER, 0, "schema: above %zu bytes", SCHEMA_BYTES_MAX);
	json_error_t at;
	json_t *json = json_loadb((const char *)text.p, text.len,
	        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
	if (!json)
		return error_set(e, ERR_USER, 0, "schema: line %d, column %d: %s", at.line,
		        at.column, at.text);
	struct schema *s = arena_calloc(a, 1, sizeof *s);
	s->json = arena_strndup(a, (const char *)text.p, text.len);
	struct parse *p = xcalloc(1, sizeof *p);
	p->a = a;
	p->e = e;
	enum status st = parse_top(p, json, s);
	free(p);
	json_decref(json);
	if (st != ST_OK)
		return error_context(e, "schema");
	*out = s;
	return ST_OK;
}

int schema_find(const struct schema *s, struct slice name)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (slice_eq(slice_of(s->fields[i].name), name))
			return (int)i;
	return -1;
}
