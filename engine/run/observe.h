/* SPDX-License-Identifier: Apache-2.0
 *
 * From what the workers report to what people see: the node's snapshot and its metrics. Rates
 * are taken between two calls. Used by the node's main thread only.
 */
#ifndef WEIR_RUN_OBSERVE_H
#define WEIR_RUN_OBSERVE_H

#include "base/metrics.h"
#include "run/drift_watch.h"
#include "run/job_run.h"
#include "run/recent.h"
#include "run/snapshot.h"

struct observe_node {
	const char *id, *version, *http, *prefix;
	int64_t started_ms;
	uint64_t memory_budget_bytes, memory_used_bytes;
	bool broker_up, caught_up; /* caught_up: the control topic has been read to its end */
	const char *broker_error;
	const struct online_ops *online_ops;
	struct online *online;
	struct recent *recent;
	struct drift_watch *drift; /* NULL: nobody watches */
	struct clock *clock;
};

/* A paused or unusable job has no run. */
struct observe_job {
	const char *name, *source, *error;
	bool paused;
	struct job_run *run;
};

struct observe;
struct observe *observe_new(struct metrics *m);
void observe_free(struct observe *o);
/* Builds a snapshot (the caller publishes it) and brings the metrics up to date. */
struct snapshot *observe_make(struct observe *o, const struct observe_node *node,
	const struct observe_job *jobs, uint32_t njobs);

#endif
