/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a step's inputs are: one row with the newest note of every origin's partition. The
 * watermark is the smallest over those that are not idle, once all have told; it never goes
 * back.
 */
#ifndef WEIR_OPERATORS_MONITOR_INPUTS_H
#define WEIR_OPERATORS_MONITOR_INPUTS_H

#include "operators/monitor/part.h"

#define INPUT_ORIGINS_MAX 2
#define INPUTS_NO_TIME INT64_MIN

struct inputs {
	const struct op_conf *conf;
	const struct stage *origins[INPUT_ORIGINS_MAX];
	uint32_t norigins;
};

/* The stage that reads a source. */
const struct stage *stage_of_source(const struct plan *p, uint32_t source);

/* Takes a note in; *watermark is as of then. ST_END: it did not move. */
enum status inputs_note(struct inputs *in, const struct part *p, int64_t *watermark,
        struct arena *a, struct error *e);
/* Whether nobody should wait for any of them: all have told, and none is awake. */
enum status inputs_idle(struct inputs *in, bool *idle, struct arena *a, struct error *e);
/* As it stands. */
enum status inputs_watermark(
        struct inputs *in, int64_t *watermark, struct arena *a, struct error *e);

#endif
