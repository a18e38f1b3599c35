/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of rows and of what is expected of them, for jansson, which refuses a whole number
 * beyond 64 bits: such a one is a double's text here, and becomes a real.
 */
#ifndef WEIR_CLI_WIDE_JSON_H
#define WEIR_CLI_WIDE_JSON_H

#include <jansson.h>

#include "base/buf.h"

/* NULL: text is no JSON. */
json_t *wide_json(struct slice text);

#endif
