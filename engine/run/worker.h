/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: one thread, one member of the job's consumer group, one transactional producer, many
 * tasks. It owns poll, process and commit. The policy on errors is applied here and only here.
 */
#ifndef WEIR_RUN_WORKER_H
#define WEIR_RUN_WORKER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "run/commit.h"
#include "run/plan.h"
#include "run/report.h"
#include "run/task.h"

#define POLL_RECORDS_MAX 4096

struct worker_conf {
	const struct plan *plan;
	const struct log_ops *log;
	struct log_broker *broker;
	const struct online_ops *online_ops; /* NULL: no online store */
	struct online *online;
	const struct operators *operators;
	const struct format *avro;           /* the format of repartition topics */
	const struct schema_source *schemas; /* writer schemas; may be NULL */
	const uint32_t *schema_ids; /* in the registry; NULL: none. Per view, then MONITOR_SCHEMAS */
	struct store *store;                 /* NULL: state in memory only */
	struct clock *clock;
	const char *node;                    /* node id */
	uint32_t number;
	const char *http;                    /* for client.id; "" when none */
	bool static_member;                  /* group.instance.id = transactional id */
	int64_t commit_ms;
	uint64_t memory_bytes;               /* tables, overlay and the session's queues */
	const atomic_ullong *memory_now;     /* what is left of it to tables and epochs; NULL: all */
	uint64_t changelog_bytes_min;        /* no snapshot is begun below; 0: the usual */
	uint64_t batch_bytes_max;            /* what every topic written takes at once; 0: not known */
	uint32_t value_bytes_max;
	struct standbys *standbys;           /* copies of what others run; NULL: none */
	bool wall_idle;                      /* `idle` moves time (never in a replay) */
	const atomic_bool *stop;
	atomic_int *at_disk;                 /* counts flushes of what is given up; may be NULL */
};

/* Where a worker's time goes, and what it met. */
struct spent {
	uint64_t poll_ns, decode_ns, process_ns, output_ns;
	int64_t stall_ns_max[STALL_COUNT];
	uint64_t rebalances, retries, early_epochs;
};

struct worker {
	struct worker_conf conf;
	struct log_session *session;
	char transactional_id[256], client_id[256];
	struct task **tasks;
	uint32_t ntasks;
	struct commit commit;
	struct arena batch;      /* of the batch under way */
	struct buf block;        /* of the changelog, being filled */
	struct log_record *records;
	struct key_sample *keys;
	struct merge **merges; /* of the plan's stages; NULL: nothing to merge there (round.h) */
	bool rounds_left;      /* more can be taken in without a poll */
	uint64_t grown_looked; /* rebalances, when topics' partitions were last looked at */
	int64_t grown_next_ns;
	struct spent spent;
	bool repairing; /* some task's online rows are being written again */
	uint32_t late_topic, dead_topic; /* session's numbers */
	int64_t retry_at_ns;     /* after an aborted epoch: not before */
	uint32_t failures;       /* in a row */
	uint32_t takeover_next;  /* whose turn it is */
	int64_t idle_looked_ns;
	struct error last_error;
	int64_t last_error_ms;
	struct gone_counts gone; /* of tasks that moved away */
	char job_version[24];    /* of the plan, for dead letters */
};

/* Of its tables and epochs; the queues have what they were opened with. */
static inline uint64_t worker_memory(const struct worker *w)
{
	return w->conf.memory_now
	               ? atomic_load_explicit(w->conf.memory_now, memory_order_relaxed)
	               : w->conf.memory_bytes;
}

enum status worker_open(const struct worker_conf *conf, struct worker **out, struct error *e);
/* Ends the epoch, flushes, leaves the group. */
void worker_close(struct worker *w);
/* One round: takeover steps, poll, process, commit if it is time. ERR_FATAL: the worker cannot
 * go on; anything else has been dealt with. *busy: something was done. */
enum status worker_step(struct worker *w, int timeout_ms, bool *busy, struct error *e);

/* -- for round.c and growth.c -- */
/* This task alone; its epoch has been given up. */
void worker_task_fail(struct worker *w, struct task *t, const struct error *e);
struct task *worker_task(struct worker *w, uint32_t topic, int32_t partition);
/* The epoch has something to commit. */
void worker_epoch_touch(struct worker *w);
/* A batch could not be taken in: nothing of this epoch may commit. */
void worker_process_failed(struct worker *w, struct task *t, const struct error *e);
/* The task's decoder waits: this input pauses. False when nothing of the epoch may go on. */
bool worker_hold(struct worker *w, struct task *t, const struct error *e);

/* Operators' way into the transaction; begins it. */
enum status worker_append(struct worker *w, uint32_t topic, int32_t partition, struct slice key,
	const struct slice *value, const struct log_header *headers, uint32_t nheaders,
	struct error *e);

#endif
