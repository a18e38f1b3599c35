/* SPDX-License-Identifier: Apache-2.0
 *
 * A writer's schema, resolved against the reader's and the wanted columns, as a program: one
 * step per value in the order of the writer's bytes. Branches only at unions.
 */
#ifndef WEIR_CONNECTORS_AVRO_PROGRAM_H
#define WEIR_CONNECTORS_AVRO_PROGRAM_H

#include "data/codec.h"

enum step_op {
	/* Values into a column. */
	STEP_BOOLEAN,
	STEP_INT,
	STEP_LONG,
	STEP_LONG_DIV, /* micros to millis, toward minus infinity */
	STEP_LONG_MUL, /* millis to micros */
	STEP_INT_F64,
	STEP_LONG_F64,
	STEP_FLOAT,
	STEP_DOUBLE,
	STEP_TEXT, /* checked to be UTF-8 */
	STEP_BYTES,
	STEP_FIXED,   /* n bytes */
	STEP_DECIMAL, /* n bytes of a fixed; 0: bytes with their length; below 10^precision */
	STEP_ENUM,    /* one of n symbols: the reader's, by the writer's number */
	STEP_COPY,    /* an array or map */
	/* Values passed over. */
	STEP_SKIP, /* n bytes */
	STEP_SKIP_BOOLEAN,
	STEP_SKIP_INT,
	STEP_SKIP_LONG,
	STEP_SKIP_BYTES,
	STEP_SKIP_ENUM, /* of n symbols */
	STEP_SKIP_NODE, /* an array or map */
	/* The rest. */
	STEP_UNION,   /* null: go to n, else on */
	STEP_JUMP,    /* to n */
	STEP_SET,     /* the column gets a constant: a null or a default */
	STEP_NULL,    /* the record is bad: a null in a required column */
	STEP_MISSING, /* the record is bad: the writer lacks a required column */
	STEP_END,
};

struct copy;

struct step {
	uint8_t op;
	uint8_t null_branch; /* union */
	bool narrow;         /* round to float */
	uint8_t precision;   /* decimal */
	int field;           /* of the reader's schema, -1 inside an array or map */
	uint32_t n;
	union {
		const struct slice
		        *symbols; /* by writer's number; p NULL: the reader lacks it */
		const struct schema_node *node; /* writer's, to pass over */
		const struct copy *copy;
		const struct value *constant;
		const char *column; /* dotted name, for messages */
	};
};

/* How an element of an array or map is rewritten into the one layout that columns have. */
struct copy {
	enum node_kind kind; /* RECORD, ARRAY, MAP or LEAF, below any union */
	int writer_null;     /* branch number of null, -1: not a union */
	bool reader_nullable;
	const struct type *type; /* reader's, LEAF */
	struct step leaf;
	uint32_t nchildren; /* 1 element, or the reader's fields of a record */
	struct copy *children;
	int *from;            /* record: per reader's field the writer's, -1: none */
	struct slice *absent; /* then this default */
	const struct schema_node *writer; /* record */
};

struct reading {
	struct arena arena;
	struct step *steps;
	uint32_t nsteps;
	const char *refused; /* not NULL: the schemas do not fit, every record is bad */
};

/* Always gives a program, maybe one that refuses. */
struct reading *reading_new(
        const struct schema *writer, const struct schema *reader, const bool *wanted);
void reading_free(struct reading *g);

#endif
