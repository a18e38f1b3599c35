/* SPDX-License-Identifier: Apache-2.0
 *
 * The format "json", and the walk's small steps that its files share.
 */
#ifndef WEIR_CONNECTORS_JSON_DECODE_H
#define WEIR_CONNECTORS_JSON_DECODE_H

#include "connectors/json/leaf.h"

extern const struct format format_json;

int walk_null_word(struct walk *w);
int walk_more_fault(struct walk *w);

/* Takes a null if one is next. 1 taken, 0 something else, -1 a fault. */
static inline int walk_null(struct walk *w)
{
	return scan_peek(&w->scan) == 'n' ? walk_null_word(w) : 0;
}

/* A name and its colon. */
bool walk_name(struct walk *w, struct slice *name);
/* Behind a value: 1 another follows, 0 the end, -1 a fault. */
static inline int walk_more(struct walk *w, uint8_t end)
{
	uint8_t c = scan_peek(&w->scan);
	if (c != ',' && c != end)
		return walk_more_fault(w);
	w->scan.next++;
	return c == ',';
}

/* Passes a bracket. */
bool walk_open(struct walk *w);

#endif
