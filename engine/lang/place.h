/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in the job file something stands, for errors. A place is a scalar (or any node) of a
 * YAML document, or a bare text in tests; an offset into its decoded text is mapped back to the
 * line and column where that byte was written.
 */
#ifndef WEIR_LANG_PLACE_H
#define WEIR_LANG_PLACE_H

#include "base/slice.h"
#include "lang/job.h"

struct yaml_doc;
struct yaml_node;

struct place {
	struct diagnostics *d;
	const struct yaml_doc *doc; /* NULL: text alone */
	const struct yaml_node *node;
	struct slice text; /* when doc is NULL */
	uint32_t skip;     /* offsets are relative to this byte of the node's text */
};

/* Reports an error at len bytes from off on. suggestion may be NULL; it is copied. */
void place_error(const struct place *p, uint32_t off, uint32_t len, const char *suggestion,
        const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Adds one diagnostic; everything is copied. Keeps DIAGNOSTICS_MAX, then says so once. */
void diagnostics_add(struct diagnostics *d, const struct diagnostic *one);
/* No further diagnostic will be kept: no need to work one out. */
bool diagnostics_full(const struct diagnostics *d);

#endif
