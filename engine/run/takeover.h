/* SPDX-License-Identifier: Apache-2.0
 *
 * How a task comes to own its state: EXACTLY-ONCE.md, "Start or takeover of a partition", steps
 * 3 to 6, one bounded piece a call, so that the worker goes on polling meanwhile.
 */
#ifndef WEIR_RUN_TAKEOVER_H
#define WEIR_RUN_TAKEOVER_H

#include "run/task.h"

struct takeover_progress {
	int64_t rows;                /* state rows applied */
	int64_t from, position, end; /* changelog offsets */
	uint64_t bytes;
	int64_t started_ns;
};

/* Begins again at step 3. */
void takeover_start(struct task *t);
/* One piece. The task is PHASE_RUNNING when it is done. ERR_RETRIABLE: call again later;
 * ERR_FATAL: the task is PHASE_FAILED and says why. */
enum status takeover_step(struct task *t, struct error *e);
/* It has something to do now. */
bool takeover_waits(const struct task *t);
void takeover_free(struct task *t);
void takeover_progress(const struct task *t, struct takeover_progress *out);

#endif
