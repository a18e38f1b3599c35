/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: counters, gauges and histograms, read as Prometheus text.
 *
 * What exists is one table in metrics_table.c; enum metric_id names its rows. A caller asks
 * once for a series (cold: a lock and a search) and keeps the pointer; updating it is one or
 * two relaxed atomic operations and takes no lock. Labels are job, view, task, reason,
 * version, monitor, column and test: never an entity or a segment, so the number of series is bounded by what is deployed, and by
 * METRICS_SERIES_MAX.
 */
#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define METRICS_SERIES_MAX 50000 /* further ones share a series that is not shown */
#define METRICS_BOUNDS_MAX 16
#define METRICS_LABEL_BYTES_MAX 256 /* a longer label value is cut */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* In the order in which they are shown. */
enum metric_id {
	/* the node */
	METRIC_BUILD_INFO,
	METRIC_START_TIME,
	METRIC_READY,
	METRIC_MEMORY_BUDGET,
	METRIC_MEMORY_USED,
	METRIC_BROKER_UP,
	METRIC_SERIES,
	METRIC_SERIES_REFUSED,
	METRIC_HTTP_REQUESTS,
	METRIC_HTTP_CUT,
	METRIC_HTTP_EVENT_CLIENTS,
	/* a job: input */
	METRIC_JOB_UP,
	METRIC_RECORDS,
	METRIC_INPUT_BYTES,
	METRIC_LATE,
	METRIC_DEAD,
	METRIC_MISPLACED,
	METRIC_LAG,
	METRIC_STREAM_TIME,
	METRIC_WATERMARK,
	METRIC_PAUSED_PARTITIONS,
	METRIC_LIMIT_HITS,
	/* a job: views */
	METRIC_ROWS,
	METRIC_EXPIRY_ROWS,
	METRIC_NULL_ENTITIES,
	METRIC_NOT_FINITE,
	METRIC_OVERFLOWS,
	METRIC_FAILED_CASTS,
	METRIC_CAPPED,
	METRIC_FRESHNESS_AGE,
	METRIC_FRESHNESS_BREACHED,
	/* a job: where the time goes */
	METRIC_POLL_TIME,
	METRIC_DECODE_TIME,
	METRIC_PROCESS_TIME,
	METRIC_OUTPUT_TIME,
	/* a job: commits and state */
	METRIC_EPOCHS,
	METRIC_EPOCHS_ABORTED,
	METRIC_COMMIT_TIME,
	METRIC_LAST_COMMIT,
	METRIC_REBALANCES,
	METRIC_STATE_ENTITIES,
	METRIC_STATE_BYTES,
	METRIC_STATE_LOOKUPS,
	METRIC_STATE_MISSES,
	METRIC_FLUSH_TIME,
	METRIC_LONGEST_STALL,
	METRIC_RESTORED_ROWS,
	METRIC_RESTORE_REMAINING,
	METRIC_TASK_ERRORS,
	METRIC_RETRIES,
	METRIC_STANDBY_TASKS,
	METRIC_STANDBY_LAG,
	/* a job: the online store */
	METRIC_ONLINE_UP,
	METRIC_ONLINE_ROWS,
	METRIC_ONLINE_STALE,
	METRIC_ONLINE_DROPPED,
	METRIC_ONLINE_CALLS,
	METRIC_ONLINE_ERRORS,
	METRIC_ONLINE_RECONNECTS,
	METRIC_ONLINE_BACKLOG,
	METRIC_ONLINE_REPAIRS,
	/* monitors */
	METRIC_DRIFT_WINDOW,
	METRIC_DRIFT_ROWS,
	METRIC_DRIFT_VALUE,
	METRIC_DRIFT_BREACHED,
	METRIC_ALERTS_FIRING,
	METRIC_ALERTS_FAILING,
	METRIC_COUNT,
};

enum {
	LABEL_JOB = 1 << 0,
	LABEL_VIEW = 1 << 1,
	LABEL_TASK = 1 << 2,
	LABEL_REASON = 1 << 3,
	LABEL_VERSION = 1 << 4,
	LABEL_MONITOR = 1 << 5,
	LABEL_COLUMN = 1 << 6,
	LABEL_TEST = 1 << 7,
};
#define LABEL_COUNT 8

/* A row of the table. A value kept as an integer in the caller's unit is divided by per_unit
 * when shown: nanoseconds with 1e9 become seconds. */
struct metric_family {
	const char *name, *help;
	const char *unit; /* "seconds", "bytes", … as the reference shows it; "" for a count */
	enum metric_kind kind;
	unsigned labels; /* LABEL_… */
	double per_unit; /* 0: 1 */
	const double *
	        bounds; /* histogram: upper bounds in the unit shown, ascending, without +Inf */
	uint32_t nbounds;
};
extern const struct metric_family metric_families[METRIC_COUNT];

/* Exactly the family's labels are set, the others NULL. */
struct metric_labels {
	const char *job, *view, *task, *reason, *version, *monitor, *column, *test;
};

struct metric;
struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* The series, made at its first use; the same labels give the same pointer. Never NULL. It is
 * valid until metrics_free or until it is removed. */
struct metric *metrics_get(struct metrics *m, enum metric_id id, struct metric_labels labels);

/* Drops a job's series, or one task's of it; their pointers must not be used any more. */
void metrics_remove_job(struct metrics *m, const char *job);
void metrics_remove_task(struct metrics *m, const char *job, const char *task);

/* Any thread, any time. add: counters, in whole units or 1/per_unit. set: gauges, in the unit
 * shown. observe: histograms, in 1/per_unit. Using the wrong one is a bug and aborts. */
void metric_add(struct metric *s, uint64_t n);
void metric_set(struct metric *s, double v);
void metric_observe(struct metric *s, uint64_t n);
/* A counter's or gauge's value as shown, a histogram's number of observations. */
double metric_value(const struct metric *s);

/* Prometheus text exposition format 0.0.4, in the table's order and then by labels. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_text(struct metrics *m, struct buf *out);
/* docs/reference/metrics.md. */
void metrics_reference(struct buf *out);

#endif
