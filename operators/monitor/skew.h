/* SPDX-License-Identifier: Apache-2.0
 *
 * Served values beside computed ones: when two are the same, and what a window holds of those
 * that are not. A window is also a row of the state of the step where they meet.
 */
#ifndef WEIR_OPERATORS_MONITOR_SKEW_H
#define WEIR_OPERATORS_MONITOR_SKEW_H

#include "operators/monitor/part.h"

#define SKEW_EXAMPLES_MAX 3
#define SKEW_ENTITY_BYTES 88 /* longer ones are cut */
#define SKEW_VALUE_BYTES 56

/* Not lower, not higher: of texts. */
enum skew_kind {
	SKEW_EQUAL,
	SKEW_LOWER,
	SKEW_HIGHER,
	SKEW_OTHER,
	SKEW_NOT_SERVED,   /* null; a value was computed */
	SKEW_NOT_COMPUTED, /* null; a value was served */
	SKEW_KINDS
};
extern const char *const skew_kinds[SKEW_KINDS];

/* The earliest ones of a window; among equals the first by entity, then by value. */
struct skew_example {
	int64_t time;
	char entity[SKEW_ENTITY_BYTES];
	char served[SKEW_VALUE_BYTES], computed[SKEW_VALUE_BYTES];
	uint32_t served_null, computed_null;
};

struct skew_column {
	uint64_t kinds[SKEW_KINDS];
	uint64_t nexamples;
	struct skew_example examples[SKEW_EXAMPLES_MAX];
};

struct skew_window {
	struct row_head head;
	uint64_t rows, unknown;       /* unknown: no computed value can be told */
	struct skew_column columns[]; /* of the monitor */
};

uint32_t skew_window_bytes(const struct monitor *m);
struct skew_window *skew_window_new(const struct monitor *m); /* free() it */
void skew_window_clear(struct skew_window *w, const struct monitor *m);
void skew_example_add(struct skew_column *c, const struct skew_example *x);
/* As a part's body and back, added to w. False: damaged. */
void skew_window_write(const struct skew_window *w, const struct monitor *m, struct buf *out);
bool skew_window_merge(struct slice body, struct skew_window *w, const struct monitor *m);

enum skew_kind skew_compare(const struct type *served_type, const struct value *served,
        const struct type *made_type, const struct value *made, double tolerance);
/* The value as text into out, cut; *null says that there is none. */
void skew_text(const struct type *t, const struct value *v, char out[SKEW_VALUE_BYTES],
        uint32_t *null);
/* Up to room - 1 bytes of s, whole characters, with a NUL. */
void skew_cut(char *out, uint32_t room, struct slice s);

/* An entity that is not there; no name of one is like it. */
#define SKEW_NO_ENTITY "%n"

#endif
