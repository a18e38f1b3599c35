/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node is doing, at an instant, as plain data. The engine fills one about once a second
 * and publishes it; HTTP, the status page and `weir status` read it. Nothing here points into
 * the engine: everything lives in the snapshot's own arena and never changes once published.
 *
 * Conventions: times are ms since the epoch UTC, SNAPSHOT_NONE when there is none (null in
 * JSON); rates are per second over a few seconds of the caller's choosing; counts are since the
 * node started unless they say otherwise; text may be NULL (null in JSON). An array and its
 * count stand side by side. No record's value ever appears here.
 *
 * JSON field names are the struct's names unless said otherwise below, and are a contract:
 *   GET /jobs              {node:{…}, jobs:[{job summary}…]}
 *   GET /jobs/{job}        {job summary…, task_counts, nodes, edges, tasks, views,
 *                           dead_by_reason:{reason: count}, dead_samples, recent}
 *   GET /jobs/{job}/tasks  {job, tasks:[…]}
 *   GET /jobs/{job}/drift  {job, alerts:[{monitor, segment, column, test, state, since, window_end,
 *                           value, threshold, windows}…], series:[{monitor, segment, column,
 *                           reference_rows, tests:[{test, threshold}…], windows:[{window_start,
 *                           window_end, rows, nulls, values:[…], breached:[…]}…], bins:[[label,
 *                           reference, current]…]}…]}; values and breached in the order of tests
 *   /events                {node, jobs:[summary…], job: detail of the one asked for, or null,
 *                           recent: the node's}
 * A job summary is {name, state, error, source, commit_ms, started_ms, records_per_s,
 * rows_per_s, lag_records, stream_time_ms, watermark_ms, last_commit_ms, state_entities,
 * state_bytes, records, rows, late, dead, monitors, alerts_firing,
 * drift_breached, tasks:{total, running, restoring, failed}, views,
 * findings:[…]}; in a detail `tasks` and `views` are the arrays and the counts are in
 * `task_counts`. findings are run/findings.h. A view also has age_ms (now - known_at_ms) and
 * stale. Enums are their names in lower case, -1 for unknown is null.
 */
#ifndef WEIR_RUN_SNAPSHOT_H
#define WEIR_RUN_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define SNAPSHOT_NONE INT64_MIN
#define SNAPSHOT_RECENT_MAX 50 /* shown of a job and of the node, newest first */
#define SNAPSHOT_DEAD_MAX 20   /* samples shown, newest first */

enum job_state { JOB_STARTING, JOB_RUNNING, JOB_PAUSED, JOB_RESTORING, JOB_FAILED };

enum task_state {
	TASK_WAITING,   /* assigned, not yet processing: fetching offsets, checking */
	TASK_RESTORING, /* replaying its changelog */
	TASK_RUNNING,
	TASK_PAUSED,
	TASK_FAILED,
	TASK_ELSEWHERE, /* owned by another node: known from the group only */
};

/* A step of the topology. */
enum step_kind { STEP_SOURCE, STEP_REPARTITION, STEP_VIEW, STEP_SINK };

struct snapshot_node {
	enum step_kind kind;
	const char *name; /* source or view as in the job file; a sink: "online", "late", … */
	const char *detail; /* its topic, or what it is: "Redis", "weir.aircraft.v1" */
	double records_per_s;
	int64_t lag_records; /* sources and repartitions; -1: none or unknown */
	const char *problem; /* one short sentence; NULL when all is well */
};

struct snapshot_edge {
	uint32_t from, to; /* indices into the job's nodes */
	double records_per_s;
};

/* An input partition of a task. */
struct snapshot_input {
	const char *topic;
	int32_t partition;
	int64_t offset, end; /* next to be read, high watermark; -1 unknown */
	int64_t stream_time_ms;
	bool idle;   /* silent for longer than the source's idle */
	bool paused; /* not fetched now: a queue behind it is full */
};

struct snapshot_task {
	const char *name;  /* "<stage>:<partition>", as in metrics */
	const char *stage; /* the source or repartition it reads */
	int32_t partition;
	const char *owner;      /* "<node>.<worker>" */
	const char *owner_http; /* TASK_ELSEWHERE: the owner's address; else NULL */
	enum task_state state;
	const char *waits_for; /* what stops it now: "online backlog is full"; NULL: nothing */
	struct snapshot_input *inputs;
	uint32_t ninputs;
	double records_per_s;
	int64_t lag_records; /* -1: unknown */
	int64_t stream_time_ms, watermark_ms;
	const char *held_by; /* the input that its watermark is the time of: "arrivals[3]" */
	uint64_t state_entities, state_bytes;
	int64_t epoch; /* -1: none yet */
	int64_t last_commit_ms;
	double commit_took_ms; /* of the last epoch; below 0: none yet */
	uint64_t restore_rows, restore_rows_total, restore_bytes; /* while restoring */
	int64_t restore_eta_ms; /* a duration; SNAPSHOT_NONE: unknown */
	const char *last_error;
	int64_t last_error_ms;
};

struct snapshot_feature {
	const char *name, *type; /* type_name's text */
	const char *text;        /* as written: "count() over 7d" */
};

struct snapshot_view {
	const char *name;
	uint32_t version;
	const char *owner, *description;
	const char *const *entity; /* column names */
	uint32_t nentity;
	struct snapshot_feature *features;
	uint32_t nfeatures;
	const char *topic; /* offline */
	uint64_t rows;     /* since the node started */
	double rows_per_s;
	int64_t event_time_ms; /* of its newest row */
	int64_t known_at_ms;   /* of its newest row; the age of its values is now - this */
	int64_t freshness_ms;  /* the promise; 0: none. Broken when the age exceeds it */
	uint64_t null_entities, overflows, failed_casts, not_finite, capped;
	uint64_t online_rows, online_dropped;
};

struct snapshot_count {
	const char *reason;
	uint64_t count;
};

struct snapshot_dead {
	const char *topic; /* the source's */
	int32_t partition;
	int64_t offset;
	int64_t time_ms;             /* when it was sent to the dead letters */
	const char *reason, *detail; /* the detail names the column, never the value */
};

struct snapshot_recent {
	int64_t time_ms;
	const char *level;     /* "error" or "warn" */
	const char *component; /* as in the log; a job's lines carry the job's name in it */
	const char *text;
};

struct snapshot_job {
	const char *name;
	enum job_state state;
	const char *error;  /* why it is failed or not yet running */
	const char *source; /* where the definition came from: "weir.jobs@12", a file's path */
	int64_t commit_ms;  /* the commit interval */
	int64_t started_ms;
	uint64_t records, late; /* read from the sources; of these, too late */
	uint32_t standby_tasks;  /* copies of other nodes' tasks kept here … */
	int64_t standby_lag;     /* … how many changelog records they lack; -1: not known … */
	uint64_t standby_rows;   /* … rows applied to them since the start … */
	uint64_t standby_rounds; /* … and how often all were looked at */
	struct snapshot_node *nodes;
	uint32_t nnodes;
	struct snapshot_edge *edges;
	uint32_t nedges;
	struct snapshot_task *tasks;
	uint32_t ntasks;
	struct snapshot_view *views;
	uint32_t nviews;
	struct snapshot_count *dead; /* by reason, counts of letters */
	uint32_t ndead;
	struct snapshot_dead *dead_samples; /* newest first */
	uint32_t ndead_samples;
	struct snapshot_recent *recent; /* newest first */
	uint32_t nrecent;
	uint32_t nmonitors, alerts_firing;
	uint32_t drift_breached; /* tests of newest windows */
	const char *drift_json;  /* what GET /jobs/{job}/drift answers; NULL: no monitors here */
};

/* Another node that runs some of the same jobs. */
struct snapshot_peer {
	const char *id, *http;
};

struct snapshot {
	struct arena arena; /* everything below is in it */
	const char *id, *version, *http, *prefix;
	int64_t now_ms, started_ms;
	uint64_t memory_budget_bytes, memory_used_bytes;
	bool ready;
	const char *const *reasons; /* why it is not ready */
	uint32_t nreasons;
	bool broker_up, online_up;
	const char *broker_error, *online_error;
	uint64_t online_backlog_bytes;
	struct snapshot_peer *peers;
	uint32_t npeers;
	struct snapshot_job *jobs; /* by name */
	uint32_t njobs;
	struct snapshot_recent *recent; /* of no job, or of all: newest first */
	uint32_t nrecent;
	atomic_uint refs; /* snapshot_ref, snapshot_unref */
};

const char *job_state_name(enum job_state s);
const char *task_state_name(enum task_state s);
const char *step_kind_name(enum step_kind k);

/* Empty, with one reference; all times SNAPSHOT_NONE. Fill it, then publish it. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */

/* NULL: there is no such job. */
const struct snapshot_job *snapshot_job_find(const struct snapshot *s, const char *name);

/* What a job's parts add up to. */
struct snapshot_totals {
	double records_per_s, rows_per_s;
	int64_t lag_records;                  /* -1: unknown for every task */
	int64_t stream_time_ms, watermark_ms; /* largest; smallest */
	int64_t last_commit_ms;               /* newest */
	uint64_t state_entities, state_bytes, rows, dead;
	uint32_t running, restoring, failed;
};
void snapshot_totals(const struct snapshot_job *j, struct snapshot_totals *out);

/* The place where the newest snapshot is found. Any thread may take, any may publish. */
struct snapshot_cell;
struct snapshot_cell *snapshot_cell_new(void);
void snapshot_cell_free(struct snapshot_cell *c);
/* Takes over the caller's reference and wakes those who wait. */
void snapshot_publish(struct snapshot_cell *c, struct snapshot *s);
/* The newest one, to be given back with snapshot_unref; NULL: none yet. */
struct snapshot *snapshot_take(struct snapshot_cell *c);
/* Waits at most timeout_ms for a snapshot newer than *seen (0 at first) and moves *seen to it.
 * NULL: none came, or the cell was closed. */
struct snapshot *snapshot_wait(struct snapshot_cell *c, uint64_t *seen, int timeout_ms);
/* Wakes everybody who waits, for good: for the end of the program. */
void snapshot_cell_close(struct snapshot_cell *c);

#endif
