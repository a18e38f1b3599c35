/* SPDX-License-Identifier: Apache-2.0
 *
 * A schema and the wanted columns, compiled for the walk over a record's text.
 */
#ifndef WEIR_CONNECTORS_JSON_PLAN_H
#define WEIR_CONNECTORS_JSON_PLAN_H

#include "data/codec.h"
#include "connectors/json/leaf.h"

/* What the JSON object of a record may hold: its fields by name. Also the element of an array
 * or map: then all is wanted and nothing is a column. */
struct object {
	struct member *members; /* in the schema's order */
	uint32_t nmembers;
	uint32_t nwanted;
	uint16_t *slots; /* hash table: member index + 1, 0 empty */
	uint32_t mask;
};

enum member_kind { MEMBER_SKIP, MEMBER_LEAF, MEMBER_OBJECT, MEMBER_ARRAY, MEMBER_MAP };

struct member {
	struct slice name;
	uint64_t quoted,
	        quoted_mask; /* the first 8 bytes of the name in quotes, to compare at once */
	enum member_kind kind;
	bool nullable;
	const char *column; /* dotted name, for messages */
	int field;          /* of the schema; -1 inside an array or map */
	struct leaf leaf;
	struct object *object;  /* MEMBER_OBJECT */
	struct member *element; /* MEMBER_ARRAY, MEMBER_MAP */
	uint64_t seen;          /* the last record that had it */
	/* When it is absent: the wanted columns below it, and for a member inside an array or
	 * map its default as Avro binary (p NULL: there is none). */
	struct absent *absent;
	uint32_t nabsent;
	struct slice absent_avro;
};

struct absent {
	int field;
	bool has; /* else the record is bad: a required column is missing */
	struct value value;
};

struct decoder {
	struct arena arena; /* all of the plan */
	const struct schema *schema;
	uint32_t value_bytes_max;
	struct object *top;
	int *wanted; /* field numbers */
	uint32_t nwanted;
	struct tokens tokens;
	struct buf scratch;
	uint64_t record; /* counts up */
};

enum status json_plan_new(const struct decoder_conf *conf, struct decoder **out, struct error *e);
void json_plan_free(struct decoder *d);

/* The member called name, looked for at *hint first; NULL if the schema has none. */
struct member *object_find(const struct object *o, struct slice name, uint32_t *hint);

#endif
