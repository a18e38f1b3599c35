/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker says of itself, about once a second: plain data, made on the worker's thread and
 * handed over whole, so that whoever builds the node's snapshot and metrics (observe.h) never
 * touches a task. Counts are since the worker was opened, tasks that have moved away included.
 */
#ifndef WEIR_RUN_REPORT_H
#define WEIR_RUN_REPORT_H

#include "base/arena.h"
#include "run/task.h"
#include "run/takeover.h"
#include "state/table.h"

struct task_report {
	uint32_t stage;          /* index in the plan */
	int32_t partition;
	enum phase phase;
	int64_t next_offset, end; /* end: high watermark as last seen, -1 unknown */
	int64_t stream_time, idle_time; /* MARKER_NO_TIME: none */
	int64_t source_stream_time; /* repartition stage: newest one its records carried */
	int64_t epoch, last_commit_ms;
	double last_commit_took_ms;
	uint64_t records;         /* by this owner */
	uint64_t bytes;
	bool held;                /* its input is paused */
	uint64_t repairs;         /* of its online rows */
	uint64_t restored_rows;   /* of its state */
	uint64_t late, dead;      /* of them */
	struct table_stats table;
	struct takeover_progress restore;
	int64_t restore_since_ns; /* elapsed, ns */
	char error[400];          /* "" when there is none */
};

struct view_report {
	struct op_counts counts;  /* summed over tasks; newest_… their maximum */
};

struct dead_report {
	uint32_t stage;
	int32_t partition;
	struct dead_sample sample;
};

/* What keeps records waiting that have come. */
enum stall {
	STALL_COMMIT, /* the epoch's end, until its outcome is known */
	STALL_FLUSH,  /* freezing what is to be written, evicting, waiting for the flusher */
	STALL_ONLINE, /* an online store that is behind */
	STALL_COUNT
};

struct worker_report {
	struct arena arena;
	char owner[64];           /* "<node>.<worker>" */
	int64_t at_ms;
	struct task_report *tasks;
	uint32_t ntasks;
	struct view_report *views; /* as the job's views */
	uint64_t records, bad[BAD_COUNT];
	uint64_t epochs, aborts, unknowns;
	int64_t stall_ns_max[STALL_COUNT];
	uint64_t poll_ns, decode_ns, process_ns, output_ns, rebalances, retries, early_epochs;
	struct dead_report *dead;
	uint32_t ndead;
	char last_error[400];
	int64_t last_error_ms;
};

/* Counts of tasks that a worker no longer has. */
struct gone_counts {
	uint64_t records, bad[BAD_COUNT];
	struct view_report *views;
};
void gone_counts_add(struct gone_counts *g, const struct task *t, uint32_t nviews);

struct worker;
/* A new report; report_free it. On the worker's thread. */
struct worker_report *report_make(struct worker *w);
void report_free(struct worker_report *r);

#endif
