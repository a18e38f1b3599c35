/* SPDX-License-Identifier: Apache-2.0
 *
 * One job on this node: its topics, its plan, its worker threads. Starting goes on in the
 * background and is tried again until it works; nothing here blocks the caller but job_run_stop.
 */
#ifndef WEIR_RUN_JOB_RUN_H
#define WEIR_RUN_JOB_RUN_H

#include "run/report.h"
#include "run/snapshot.h"
#include "run/standby.h"
#include "run/worker.h"

struct job_run_conf {
	struct job *job; /* taken over: freed by job_run_stop */
	const char *source; /* where the definition came from, copied */
	const char *prefix;
	const struct log_ops *log;
	struct log_broker *broker;
	const struct online_ops *online_ops;
	struct online *online;
	const struct operators *operators;
	const struct format *avro;
	const struct schema_source *schemas;
	const struct schema_registrar *registrar;
	struct store *store;
	struct clock *clock;
	const char *node, *http;
	bool static_member;
	int64_t commit_ms; /* when the job does not say */
	uint64_t memory_bytes; /* of the job on this node */
	uint32_t standbys;     /* copies that others keep of each task's state */
	atomic_int *at_disk;   /* as in node.h */
	uint64_t changelog_bytes_min; /* a changelog partition is not rewritten below */
};

struct job_run;

struct job_run *job_run_start(const struct job_run_conf *conf);
/* Asks the job to end, and goes on; job_run_stop follows. */
void job_run_stop_ask(struct job_run *r);
/* What the job's tables and epochs may hold from now on, as jobs come and go. */
void job_run_memory(struct job_run *r, uint64_t bytes);
/* Ends the epochs, leaves the group, waits. */
void job_run_stop(struct job_run *r);

/* What there is to see, for observe.c: everything is copied or referenced under a lock held
 * between these two calls. */
struct job_view {
	const struct job *job;
	const struct plan *plan; /* NULL: not started yet */
	const char *source;
	enum job_state state;
	const char *error;
	int64_t started_ms, commit_ms;
	struct worker_report *const *reports; /* entries may be NULL */
	uint32_t nreports;
	struct standby_stats standby;
};
void job_run_lock(struct job_run *r, struct job_view *out);
void job_run_unlock(struct job_run *r);

#endif
