/* SPDX-License-Identifier: Apache-2.0
 *
 * One JSON value -> one typed value.
 */
#ifndef WEIR_CONNECTORS_JSON_LEAF_H
#define WEIR_CONNECTORS_JSON_LEAF_H

#include "data/codec.h"
#include "connectors/json/scan.h"

struct decoder;

/* What is being read, for one record. */
struct walk {
	struct scan scan;
	struct decoder *d;
	struct arena *a;        /* the batch's */
	struct bad_record *bad; /* of this record */
	uint64_t record;        /* a number that no earlier record had */
	const char *column; /* dotted name of the wanted column at hand, NULL outside of one */
};

/* Compiled from a scalar type. */
struct leaf {
	struct type type;
	enum form form;
	uint32_t fixed_bytes;  /* 0 unless a fixed */
	struct slice *symbols; /* enum */
	uint32_t nsymbols;
	bool (*read)(struct walk *w, const struct leaf *l, struct value *out);
};

/* The rest is filled from type and fixed_bytes; in a. */
void leaf_init(struct leaf *l, struct arena *a);

/* The next token is neither null nor the end. False: w->bad is filled. */
static inline bool leaf_read(struct walk *w, const struct leaf *l, struct value *out)
{
	out->null = false;
	return l->read(w, l, out);
}

/* Fills w->bad (only once): "column: 'excerpt' is not an int". why begins with a verb. */
bool walk_bad(struct walk *w, enum bad bad, struct slice excerpt, const char *why);
/* The next value is of another type than wanted, if it is JSON at all. */
bool walk_wrong(struct walk *w, const char *why);
/* The grammar's own fault, from w->scan.error. */
bool walk_syntax(struct walk *w);

#endif
