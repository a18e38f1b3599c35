/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics that get more partitions. A source that is read for repartitioned views alone takes
 * them in: its stage has no state of keys that could have moved. Views keyed like their topic
 * stop, and so do monitors, which count on what each partition told them.
 */
#ifndef WEIR_RUN_GROWTH_H
#define WEIR_RUN_GROWTH_H

#include "run/plan.h"

struct task;
struct worker;

static inline bool growth_allowed(const struct stage *st)
{
	return !st->in && !st->nviews && !st->nsteps;
}

/* Before a task of a partition that came after the plan is taken over: its changelog gets the
 * partition. ERR_FATAL where keys have moved. */
enum status growth_prepare(struct task *t, struct error *e);
/* Whether the partition came after the stage's first start, so that all its records count. */
enum status growth_is_new(struct task *t, bool *out, struct error *e);
/* After a rebalance: stops the tasks whose topic has another number of partitions than their
 * state was made from. True when it did, and gave the epoch up. */
bool growth_look(struct worker *w);

#endif
