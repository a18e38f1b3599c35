/* SPDX-License-Identifier: Apache-2.0
 *
 * A record schema: an Avro schema (.avsc), flattened to fields with dotted names, beside the tree
 * that decoders are compiled from. The same schema is the contract of a source whatever its wire
 * format. Immutable once built; lives in the arena it was built in.
 */
#ifndef WEIR_DATA_SCHEMA_H
#define WEIR_DATA_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "data/batch.h"
#include "data/type.h"

/* A leaf: a value that a column can hold. A record inside an array or map is not flattened: the
 * array or map is the leaf. */
struct field {
	const char *name; /* dotted path: "customer.address.city" */
	struct type type;
	bool nullable; /* it, or a record on its path, is a union with null */
	const char *doc;
};

/* The tree, in the order of the writer's bytes. */
enum node_kind { NODE_RECORD, NODE_UNION, NODE_ARRAY, NODE_MAP, NODE_FIXED, NODE_LEAF };

/* Bounds of a schema; beyond them it is an error. A named type counts at each use. */
#define SCHEMA_BYTES_MAX ((size_t)1 << 20)
#define SCHEMA_DEPTH_MAX 32
#define SCHEMA_NODES_MAX 16384
#define SCHEMA_FIELDS_MAX 2048
#define SCHEMA_NAME_MAX 512 /* bytes of a dotted name */

struct schema_node {
	enum node_kind kind;
	const char *name;             /* field name inside its record */
	const char *type_name;        /* full name of a record, enum or fixed */
	struct type type;             /* leaf, fixed (bytes or decimal), array, map */
	enum kind avro;               /* leaf: the wire kind below a logical type (INT, LONG, BYTES…) */
	uint32_t fixed_bytes;         /* fixed */
	int field;                    /* index into fields; -1 when not a leaf of the record */
	struct schema_node *children; /* record fields, union branches, array or map element */
	size_t nchildren;
	int null_branch;              /* union: index of "null", -1 if none */
	bool has_default;
	const char *default_json;     /* the default as JSON text */
};

struct schema {
	const char *name; /* full name of the top record */
	struct schema_node *root;
	struct field *fields;
	size_t nfields;
	const char *json;     /* the schema's text as given */
	uint64_t fingerprint; /* CRC-64-AVRO of the parsing canonical form */
};

/* Parses an Avro schema. The top must be a record. Unions other than [null, T], recursive types
 * and duration are errors that name the place. Everything lives in a. */
enum status schema_parse(struct arena *a, struct slice json, struct schema **out,
	struct error *e);

/* CRC-64-AVRO, as the Avro specification defines it. */
uint64_t schema_crc64(struct slice canonical);

/* -1 if there is no such field. */
int schema_find(const struct schema *s, struct slice name);

/* What the leaf fields at or below node are when a record lacks node: its default, or null where a
 * null is allowed. Sets values[field]; a field that must be there is left alone and has[field]
 * false. ST_ERR if the default does not fit its type (schema_parse has then refused it). */
enum status schema_default(const struct schema_node *node, struct arena *a, struct value *values,
	bool *has, struct error *e);

/* The same for a node inside an array or map, as the Avro binary that arrays and maps are held as
 * (below). ST_END: there is no default and null is not allowed. */
enum status schema_default_avro(const struct schema_node *node, struct buf *out, struct error *e);

/* How a value of an array or map column is laid out, whatever its writer did: one block (count,
 * elements; none when empty) and the end 0; a nullable element is a union with null first; a fixed
 * is written as bytes, a decimal as bytes; a record as its fields in order. */

/* Builds a flat record schema (weir's own rows) from fields: nullable ones become ["null", T]
 * with default null. name is a full name. A dotted field keeps its name here; in the JSON its dots
 * are "__", as Avro's names have none. Same lifetime rules as schema_parse. */
enum status schema_build(struct arena *a, const char *name, const struct field *fields, size_t n,
	struct schema **out, struct error *e);

#endif
