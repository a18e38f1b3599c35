/* SPDX-License-Identifier: Apache-2.0
 *
 * A task's rows on their way to the online store, after their epoch has committed: the ordinary
 * puts, and the two ways of repair of run/online.h. Nothing here may hold the stream up.
 */
#ifndef WEIR_RUN_PUBLISH_H
#define WEIR_RUN_PUBLISH_H

#include "run/task.h"

struct publish;

void publish_open(struct task *t);
void publish_close(struct task *t);
/* The task is taken over again: an epoch may have committed whose rows were never put. */
void publish_reopen(struct task *t);
/* Before table_commit of a committed epoch: collects each changed entity's last row. */
void publish_collect(struct task *t);
/* After it: hands them over under the epoch's version. */
void publish_epoch(struct task *t);
/* Between epochs: compares records after a reconnection, does a piece of a repair. True: there is
 * more of it to do at once. */
bool publish_step(struct task *t);
/* Nothing is left to repair and everything put is written (for a clean stop and for tests). */
bool publish_settled(const struct task *t);

#endif
