/* SPDX-License-Identifier: Apache-2.0
 *
 * From what was polled to the tasks: at once, or, for the partitions of a source that records
 * are repartitioned from, through the merge (merge.h), round by round.
 */
#ifndef WEIR_RUN_ROUND_H
#define WEIR_RUN_ROUND_H

#include "run/task.h"

/* Opens a merge for each stage that has something to merge. */
void round_open(struct worker *w);
void round_close(struct worker *w);
/* A task comes to its stage's merge; the queue goes with it. */
void round_join(struct task *t);
void round_leave(struct task *t);
/* Takes polled records in. False: a failure, which has been dealt with, and nothing more of
 * them may be taken in. */
bool round_process(struct worker *w, uint32_t n);
/* Records are waiting for their turn. */
bool round_pending(const struct worker *w);
/* How long to wait for records before the next round, at most; given up after timeout_ms. */
int round_timeout(const struct worker *w, int timeout_ms);
/* The task's position moved, or it is taken over anew: what is queued is void. forget: so is
 * the pause that the merge made. */
void round_void(struct task *t, bool forget);
/* After the move: the partition goes on if the merge had paused it. */
void round_resume(struct task *t);
/* A sign of life of a task that is being taken over. */
void round_alive(struct task *t);

#endif
