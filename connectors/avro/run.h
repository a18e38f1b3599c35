/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a program over one record's bytes.
 */
#ifndef WEIR_CONNECTORS_AVRO_RUN_H
#define WEIR_CONNECTORS_AVRO_RUN_H

#include "connectors/avro/program.h"

struct run {
	const uint8_t *p, *end;
	const struct schema *reader; /* for messages */
	struct column *cols;
	uint32_t row;
	struct arena *a;
	struct buf *scratch;
	struct bad_record *bad;
};

/* True when the record is good and read to its last byte; else x->bad is filled. */
bool reading_run(const struct reading *g, struct run *x);

/* The first fault is kept. column may be NULL. Returns false. */
bool run_bad(struct run *x, enum bad bad, const char *column, const char *why);

/* ---- shared by run.c and copy.c ---- */

/* A zigzag varint; false: torn or longer than 64 bits. */
bool run_long_slow(struct run *x, int64_t *out);

static inline bool run_long(struct run *x, int64_t *out)
{
	if (x->p == x->end || *x->p >= 0x80)
		return run_long_slow(x, out);
	uint8_t z = *x->p++;
	*out = (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
	return true;
}

/* Length and bytes. */
bool run_bytes(struct run *x, struct slice *out);
/* Reads a leaf's value. */
bool run_leaf(struct run *x, const struct step *s, struct value *out);
/* The next block's element count, 0 at the end. */
bool run_block(struct run *x, int64_t *n);
/* Passes over a value of the writer's type. */
bool run_skip(struct run *x, const struct schema_node *w);
/* Appends the value in the layout of array and map columns. */
bool run_copy(struct run *x, const struct copy *c, struct buf *out);

#endif
