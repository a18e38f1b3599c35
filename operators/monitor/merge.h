/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows put together from parts: what merge.c leaves to the kind of monitor.
 */
#ifndef WEIR_OPERATORS_MONITOR_MERGE_H
#define WEIR_OPERATORS_MONITOR_MERGE_H

#include "data/drift/profile.h"
#include "operators/monitor/channel.h"
#include "operators/monitor/verdict.h"

struct merge {
	struct channel channel;
	struct verdicts verdicts;
	struct profile *profiles; /* of the window in hand */
	struct skew_window *skew; /* the same of a monitor of skew */
	struct buf body;
};

struct merge_kind {
	enum part_kind part;
	/* Puts the entry's parts together, gives out the window's records (alerts: it is its
	 * turn in the row of windows), and leaves all as one part in body. */
	enum status (*close)(struct merge *g, struct entry *en, bool alerts, struct arena *a,
	        struct error *e);
};

extern const struct merge_kind merge_profiles, merge_skew;

/* A part cannot be read. */
enum status merge_damaged(const struct merge *g, struct error *e);
/* Measures v with so many rows and gives its record out. */
enum status merge_tell(struct merge *g, const struct drift_pair *pair, uint64_t rows,
        struct verdict *v, bool alerts, struct arena *a, struct error *e);

#endif
