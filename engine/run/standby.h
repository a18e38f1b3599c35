/* SPDX-License-Identifier: Apache-2.0
 *
 * Warm copies of state whose tasks run on other nodes: one thread of a job follows the changelogs
 * of some partitions into the local store, one after the other, so that taking such a task over
 * needs but the last few seconds of its changelog.
 *
 * With N copies wanted, the N + 1 nodes that a partition prefers (by a hash of node and partition)
 * keep one, unless they run the task themselves. Kafka assigns partitions without looking at that:
 * with as many nodes as copies and one more, any node is a preferred one.
 *
 * A copy is never more than a materialised prefix of the changelog (I2): rows, position and the
 * last marker are written together. Whether it can be used is decided at the takeover.
 * Not here: taking over (takeover.h). Only what is local is written.
 */
#ifndef WEIR_RUN_STANDBY_H
#define WEIR_RUN_STANDBY_H

#include <stdatomic.h>

#include "base/clock.h"
#include "run/log.h"
#include "run/plan.h"
#include "state/store.h"

struct standby_conf {
	const struct plan *plan;
	const struct log_ops *log;
	struct log_broker *broker;
	struct store *store;
	struct clock *clock;
	const char *node;
	uint32_t copies;       /* at least 1 */
	uint64_t memory_bytes; /* of rows on their way, and of the reader */
	const atomic_bool *stop;
};

struct standbys;

/* NULL: no thread to be had. */
struct standbys *standbys_start(const struct standby_conf *conf);
/* conf.stop must be set. NULL is fine. */
void standbys_stop(struct standbys *s);

/* This process is about to run the task: waits until its copy is let go. NULL is fine. */
void standbys_take(struct standbys *s, const struct stage *stage, int32_t partition);
/* It does not run it any more. */
void standbys_give(struct standbys *s, const struct stage *stage, int32_t partition);

struct standby_stats {
	uint32_t copies; /* kept by this node */
	int64_t lag;     /* changelog records that they lack; -1: one was not looked at yet */
	uint64_t rows;   /* applied so far */
	uint64_t rounds; /* finished: each copy looked at */
};
void standbys_stats(struct standbys *s, struct standby_stats *out);

/* How far a copy is. Its thread writes it while it follows; others may read it. */
struct standby_copy {
	_Atomic int64_t lag;   /* records to the changelog's end as last seen; -1: not known */
	_Atomic uint64_t rows; /* applied, over all visits */
};

/* One copy brought up to its changelog's end, or to where stop was set. For the thread, and for
 * tests. */
enum status standby_follow(const struct standby_conf *c, const struct stage *stage,
	int32_t partition, const atomic_bool *let_go, struct standby_copy *copy, struct error *e);
/* Whether the node is one of those that the partition prefers. */
bool standby_wanted(const char *node, const char *const *nodes, uint32_t nnodes,
	const char *changelog, int32_t partition, uint32_t copies);

#endif
