/* SPDX-License-Identifier: Apache-2.0
 *
 * What observe.c and its parts share: what was seen so far (totals that outlive a worker,
 * rates), and the steps from one job's view to its snapshot. Not for anybody else but the test.
 */
#ifndef WEIR_RUN_OBSERVE_INSIDE_H
#define WEIR_RUN_OBSERVE_INSIDE_H

#include "base/metrics.h"
#include "run/observe.h"

#define RATE_MS 5000    /* rates are over about this long */
#define RATE_GAP_MS 900 /* points of a rate are at least this far apart */
#define RATE_POINTS 8
#define REPORT_SILENT_MS                                                                       \
	10000 /* a worker that has not reported for longer is said to be silent */

/* A count that may start again from 0, or step back when an epoch is aborted, as a total that
 * only grows. Records of an aborted epoch are not counted twice. */
struct tally {
	uint64_t seen, total;
};
/* Returns by how much the total grew. */
uint64_t tally_take(struct tally *t, uint64_t now);
/* Of a count that never steps back: less than before means that it began again. */
uint64_t tally_take_restarting(struct tally *t, uint64_t now);

struct rate {
	int64_t at_ms[RATE_POINTS];
	uint64_t totals[RATE_POINTS];
	uint32_t n;
};
/* Per second; 0 when first called. at_ms: of a clock that never goes back. */
double rate_take(struct rate *r, int64_t at_ms, uint64_t total);

enum task_count {
	TASK_RECORDS,
	TASK_BYTES,
	TASK_LATE,
	TASK_DEAD,
	TASK_RESTORED,
	TASK_LOOKUPS,
	TASK_LOADS,
	TASK_REPAIRS,
	TASK_COUNTS
};
struct task_seen {
	bool here;
	char owner[64];
	enum phase phase;
	struct tally counts[TASK_COUNTS];
	struct rate records, late, dead;
	double records_per_s, late_per_s, dead_per_s;
	char error[400];
	int64_t error_ms;
	uint64_t flushes;
};
struct stage_seen {
	struct task_seen *tasks; /* by partition */
	uint32_t n;
};

enum view_count {
	VIEW_ROWS,
	VIEW_EXPIRY_ROWS,
	VIEW_NULL_ENTITIES,
	VIEW_NOT_FINITE,
	VIEW_OVERFLOWS,
	VIEW_FAILED_CASTS,
	VIEW_CAPPED,
	VIEW_MISPLACED,
	VIEW_COUNTS
};
struct view_seen { /* since the node started */
	char *name;
	uint32_t version;
	uint64_t totals[VIEW_COUNTS];
	int64_t newest_event_time, newest_known_at;
	struct rate rows;
	double rows_per_s;
};

enum worker_count {
	WORKER_RECORDS,
	WORKER_EPOCHS,
	WORKER_ABORTS,
	WORKER_UNKNOWNS,
	WORKER_POLL,
	WORKER_DECODE,
	WORKER_PROCESS,
	WORKER_OUTPUT,
	WORKER_REBALANCES,
	WORKER_RETRIES,
	WORKER_EARLY,
	WORKER_COUNTS
};
struct worker_seen {
	struct tally counts[WORKER_COUNTS], bad[BAD_COUNT];
	struct tally (*views)[VIEW_COUNTS];
	int64_t last_commit_ms;
};

struct job_seen {
	char *name;
	bool listed;
	/* Since the node started. */
	uint64_t records, bad[BAD_COUNT];
	struct view_seen *views; /* as the running job's, or the last one's */
	uint32_t nviews;
	/* Of the present run; none: running is false. */
	bool running;
	int64_t started_ms;
	struct stage_seen *stages;
	uint32_t nstages;
	struct worker_seen *workers;
	uint32_t nworkers;
};

/* observe_seen.c. m may drop series of tasks that are gone. */
struct job_seen *job_seen_new(const char *name);
void job_seen_free(struct job_seen *j);
void job_seen_stop(struct job_seen *j, struct metrics *m);
/* Takes in what the reports say: totals, rates, counters. */
void job_seen_take(
        struct job_seen *j, const struct job_view *v, struct metrics *m, int64_t at_ms);
/* NULL: never seen here. */
const struct task_seen *task_seen_find(
        const struct job_seen *j, uint32_t stage, int32_t partition);

/* observe_job.c: everything of the job but its steps. */
void observe_job_show(const struct job_seen *j, const struct job_view *v, struct recent *recent,
        int64_t now_ms, struct arena *a, struct snapshot_job *out);
/* What is known of a job that does not run here. */
void observe_job_idle(const struct job_seen *j, const struct observe_job *job,
        struct recent *recent, struct arena *a, struct snapshot_job *out);

/* observe_steps.c: nodes and edges, after the tasks and views. online NULL: no online store.
 * The edges to it carry the views' rows until observe_steps_online has scaled them. */
void observe_steps(const struct job_seen *j, const struct job_view *v, const char *online,
        int64_t now_ms, struct arena *a, struct snapshot_job *out);
void observe_steps_online(struct snapshot_job *j, double share, const char *problem);

/* observe.c: one running job, all of the above. */
void observe_job_view(struct observe *o, const struct observe_node *node,
        const struct job_view *v, struct snapshot *s, struct snapshot_job *out);

#endif
