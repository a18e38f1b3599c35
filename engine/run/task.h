/* SPDX-License-Identifier: Apache-2.0
 *
 * A task: one partition of a stage, single-threaded. It turns records into batches, decides what
 * is bad and what is late, keeps stream time, and runs the stage's operators over its state.
 * Everything it appends goes into the worker's transaction; when that ends is the commit module's
 * business (commit.h), how a task comes to own its state is takeover.h's.
 */
#ifndef WEIR_RUN_TASK_H
#define WEIR_RUN_TASK_H

#include "base/clock.h"
#include "run/log.h"
#include "run/marker.h"
#include "run/online.h"
#include "run/operator.h"
#include "run/plan.h"

struct worker;
struct merge_queue;
struct moved;

enum phase {
	PHASE_OFFSETS,  /* asking for the group's offsets, RequireStable */
	PHASE_BOUNDS,   /* asking for the changelog's high watermark */
	PHASE_RESTORE,  /* replaying the changelog's tail */
	PHASE_CHECK,    /* marker against group offset */
	PHASE_RUNNING,
	PHASE_FAILED,
};

struct task_counts {
	uint64_t records; /* taken in, bad and late ones too */
	uint64_t bytes;   /* of their keys and values */
	uint64_t bad[BAD_COUNT];
};

/* A sample of what died, for people. */
struct dead_sample {
	int64_t offset, at_ms;
	enum bad bad;
	char detail[160];
};
#define DEAD_SAMPLES 8

struct op_slot {
	const struct operator *def;
	struct op *op;
	uint32_t view;        /* index in the job; only of a window */
	uint32_t online_view; /* number in the online store */
};

/* A view's output, for those who watch its rows. */
struct row_tap {
	struct task *task;
	uint32_t view;
};

struct task {
	struct worker *worker;
	const struct stage *stage;
	int32_t partition;
	char name[256];        /* "<job>/<stage>/<partition>": the store's */
	char online_name[256]; /* "<job>:<stage>:<partition>" */
	enum phase phase;
	struct error error;    /* of PHASE_FAILED, or the last one */

	struct merge_queue *queue; /* before the stage's merge; NULL: there is none (round.h) */
	struct moved *moved;       /* per repartition */
	struct row_tap *taps;      /* per view */
	struct op_slot *ops;       /* the stage's views, its repartitions, its monitors' steps */
	uint32_t nops;
	const struct format *format;
	struct decoder *decoder;
	bool *wanted;
	struct store_task *store;
	struct table *table;
	struct table_space *spaces; /* of its views, then of its monitors' steps */
	uint32_t nspaces;

	/* The epoch: positions as processed, and as of the last commit. */
	uint32_t topic, changelog; /* the session's numbers */
	struct marker marker;      /* of the last commit; inputs[0] is the only one */
	struct marker next;        /* of the epoch that is ending */
	uint64_t snapshot_row_bytes; /* of a row of the changelog's last page; 0: not known */
	struct buf snapshot_cursor; /* the changelog's rolling snapshot: after which entity */
	int64_t next_trim, trim;   /* delete the changelog up to here once that epoch is committed,
				    * and now; -1: nothing */
	int64_t next_offset, stream_time, idle_time;
	int64_t last_event_time, last_timestamp; /* of the newest record by event time, Kafka time */
	int64_t quiet_since_ns;    /* no record since; 0: not quiet */
	uint64_t looked_records;   /* counts.records when it was last seen whether it is quiet */
	bool progressed;           /* has something to commit */
	int64_t held_until_ns;     /* its decoder waits for a schema; 0: not held */
	bool fetching;             /* the session reads its input */
	bool first_marker;         /* its first marker is still to be written */
	bool refused;              /* of the last epoch: the log does not take its records */
	struct task_counts counts, committed_counts;
	struct dead_sample dead[DEAD_SAMPLES];
	uint32_t ndead;
	int64_t newest_stream_of_source; /* repartition stage: the records' source stream time */

	struct takeover *takeover; /* while PHASE_OFFSETS … PHASE_CHECK */
	struct publish *publish;   /* the online store's side */
	int64_t last_commit_ms;
	double last_commit_took_ms;
	uint64_t repairs; /* of its online rows, begun */
	uint64_t restored_rows; /* of its state, from the changelog */
	int64_t trimmed; /* repartition stage: the input is deleted up to here */
};

enum status task_new(struct worker *w, const struct stage *stage, int32_t partition,
	struct task **out, struct error *e);
void task_free(struct task *t);

/* Takes records of the task's input, in order. ERR_RETRIABLE: nothing of the rest was taken;
 * next_offset says from where on. */
enum status task_process(struct task *t, const struct log_record *records, uint32_t n,
	struct error *e);
/* Input is quiet: moves idle time, does what is due. ST_END: nothing was due. */
enum status task_idle(struct task *t, struct error *e);

/* Whether the client has passed all up to end: what the task has not taken before it are control
 * records, which are never shown. */
bool task_passed(const struct task *t, int64_t end);

/* Position and time are those of the last commit again. */
void task_rewind(struct task *t);
/* Forgets the state in memory and starts the takeover again (Start 3-6). */
enum status task_reopen(struct task *t, struct error *e);

/* The stream time that expiry goes by. */
static inline int64_t task_expiry_time(const struct task *t)
{
	return t->idle_time > t->stream_time ? t->idle_time : t->stream_time;
}

#endif
