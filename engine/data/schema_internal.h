/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the schema*.c files only.
 */
#ifndef WEIR_DATA_SCHEMA_INTERNAL_H
#define WEIR_DATA_SCHEMA_INTERNAL_H

#include <jansson.h>

#include "base/buf.h"
#include "data/schema.h"

/* The full name that a name means inside namespace ns ("" for none); in a. */
const char *schema_full_name(struct arena *a, const char *ns, const char *name);
/* The namespace of a full name; in a. */
const char *schema_namespace(struct arena *a, const char *full);
/* The full name of the definition def of a named type inside ns. */
const char *schema_defined_name(struct arena *a, const char *ns, json_t *def);
bool schema_is_primitive(const char *name);

/* The parsing canonical form of a schema that schema_parse has accepted. */
void schema_canonical(struct arena *a, json_t *json, struct buf *out);

/* Avro C's opinion. */
enum status schema_check_library(struct slice canonical, struct error *e);

#endif
