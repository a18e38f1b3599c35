/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of an events file, taken apart without changing a byte of its value: what is wrong
 * with the value is for the decoder to say.
 */
#ifndef WEIR_RUN_EVENT_LINE_H
#define WEIR_RUN_EVENT_LINE_H

#include "base/arena.h"
#include "base/error.h"

struct event_line {
	struct slice source;    /* p NULL: left out */
	bool has_partition, has_offset, has_timestamp, has_key, has_value;
	int64_t partition, offset, timestamp;
	struct slice key, value; /* has_…: not null */
};

/* Texts in a or in line. Errors have no place in them. */
enum status event_line_parse(struct slice line, struct event_line *out, struct arena *a,
	struct error *e);

#endif
