/* SPDX-License-Identifier: Apache-2.0
 *
 * A task's changelog partition: what an epoch writes there, how it is read, how it stays
 * bounded.
 *
 * An epoch appends blocks of rows (key 'B'; many rows a record, since a record costs more than
 * its bytes) and then its marker (key 'M'). The state is the last row of each entity, in the
 * order of the log: a row is whole, and packed (state/pack.h).
 *
 *   block   format, then per row: space, entity, row
 *   space   the number of a name in this block, from 1; 0: the next name follows
 *   row     length + 1 and bytes; 0: the entity was forgotten
 *
 * Bounded growth: once enough has been written, epochs also carry a slice of the rows that did
 * not change, in the store's order, until all have come by (a rolling snapshot). Then what lies
 * before its floor, the position of the flush it began with, is deleted. How far it is stands
 * in the marker, so a new owner goes on with it where it may (takeover.c). Not here: when an
 * epoch ends (commit.h), what is read when (takeover.h).
 */
#ifndef WEIR_RUN_CHANGELOG_H
#define WEIR_RUN_CHANGELOG_H

#include "run/log.h"
#include "run/marker.h"

struct task;

#define CHANGELOG_BLOCK 'B'
#define CHANGELOG_MARKER 'M'
#define CHANGELOG_FORMAT 1

#define CHANGELOG_BLOCK_BYTES (64u << 10) /* a block ends with the row that reaches it */

/* Appends the epoch of a task: changed rows, a slice of the snapshot if one runs, and the
 * marker t->next, whose snapshot is moved on. */
enum status changelog_epoch(struct task *t, struct error *e);
/* The epoch was committed, or given up. */
void changelog_committed(struct task *t);
void changelog_abandoned(struct task *t);
/* Between epochs: deletes what a finished snapshot made superfluous. */
void changelog_trim(struct task *t);

struct changelog_row {
	struct slice space, entity;
	struct slice row; /* packed; p NULL: forgotten */
};

/* Calls fn for each row of a block, in order. Its errors are passed on; a block that cannot be
 * read is ERR_FATAL, without its place. */
enum status changelog_rows(struct slice block,
        enum status (*fn)(void *arg, const struct changelog_row *row, struct error *e),
        void *arg, struct error *e);

#endif
