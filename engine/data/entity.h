/* SPDX-License-Identifier: Apache-2.0
 *
 * An entity as text: its column values joined by ':', with '%', ':' and '|' percent-escaped.
 * It is the entity's name everywhere: state, changelog, offline keys, Redis keys.
 */
#ifndef WEIR_DATA_ENTITY_H
#define WEIR_DATA_ENTITY_H

#include "base/arena.h"
#include "base/buf.h"
#include "data/batch.h"

/* Appends. No value may be null. */
void entity_write(struct buf *b, const struct type *const *types, const struct value *values,
	uint32_t n);
/* The values back; bytes in a or pointing into text. False if text is not such a name. */
bool entity_read(struct slice text, const struct type *const *types, uint32_t n,
	struct value *out, struct arena *a);

#endif
