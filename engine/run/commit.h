/* SPDX-License-Identifier: Apache-2.0
 *
 * The epoch: one Kafka transaction that holds outputs, changelog rows, markers and input offsets
 * of all the worker's tasks that went on. Reads like EXACTLY-ONCE.md, "Epoch".
 */
#ifndef WEIR_RUN_COMMIT_H
#define WEIR_RUN_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct task;
struct worker;

/* What an epoch's end is made of. */
enum commit_step { COMMIT_ROWS, COMMIT_FLUSH, COMMIT_OFFSETS, COMMIT_END, COMMIT_KEEP, COMMIT_STEPS };

struct commit {
	bool begun;            /* a transaction is open */
	bool dirty;            /* some task has something to commit */
	int64_t started_ns;    /* of the epoch's first record */
	int64_t cut_ns;        /* when the last epoch's end began */
	int64_t took_ns;       /* an epoch's end, on average */
	uint64_t appended_bytes;
	uint64_t epochs, aborts, unknowns;
	struct task *failed;   /* of the last epoch: its rows or its marker could not be appended */
	int64_t step_from_ns, step_ns[COMMIT_STEPS]; /* of the last epoch that got so far */
	int64_t told_slow_ns;  /* when the log was last told of a slow one */
};

/* Makes sure there is a usable producer: none that saw an ambiguous call (I5). */
enum status commit_ready(struct worker *w, struct error *e);
/* When the epoch that is open is to end: an interval after its first record where the engine is
 * behind. Where it keeps up, early enough for all that came since the last one ended to be
 * committed within the interval; of long commits, as early as leaves a quarter to take records in. */
int64_t commit_due_ns(const struct worker *w);
/* The epoch is old enough, or its overlay has reached its share of memory. */
bool commit_is_due(struct worker *w);
/* Ends the epoch. On failure everything has been put right (rewound, or taken over again) and
 * the error says why. */
enum status commit_epoch(struct worker *w, struct error *e);
/* Gives the epoch up: it cannot have committed. */
void commit_abandon(struct worker *w);
/* Before it is given up: marks the tasks whose records the log refused for good. t: whose call met
 * it, or NULL. */
void commit_blame(struct worker *w, struct task *t, const struct error *e);

#endif
