// SPDX-License-Identifier: Apache-2.0
//
// Avro C as the second judge of a schema's text. It runs after our own checks, which are the
// ones with a good message, on the parsing canonical form, because the library's JSON reader
// takes no
// "\u0000", which defaults of bytes hold. Beside the tests this is the only use of the library.
#include <avro.h>

#include "data/schema_internal.h"

enum status schema_check_library(struct slice json, struct error *e)
{
	avro_schema_t parsed;
	if (avro_schema_from_json_length((const char *)json.p, json.len, &parsed) != 0)
		return error_set(e, ERR_USER, 0, "%s", avro_strerror());
	avro_schema_decref(parsed);
	return ST_OK;
}
