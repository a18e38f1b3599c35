/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays and maps: JSON to the Avro binary that their columns hold (data/schema.h).
 */
#ifndef WEIR_CONNECTORS_JSON_COLLECT_H
#define WEIR_CONNECTORS_JSON_COLLECT_H

#include "connectors/json/plan.h"

/* The next value, for a member of kind array or map; bytes in the batch's arena. */
bool collect(struct walk *w, const struct member *m, struct slice *out);

#endif
