/* SPDX-License-Identifier: Apache-2.0
 *
 * A node: one process that runs the deployed jobs (or one job of a file). It follows the control
 * topic, owns the state directory and the store, starts and stops job runs, and publishes a
 * snapshot and metrics about once a second. HTTP and the command line see only those.
 */
#ifndef WEIR_RUN_NODE_H
#define WEIR_RUN_NODE_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "run/drift_watch.h"
#include "run/job_run.h"
#include "run/recent.h"
#include "run/snapshot.h"

struct node_conf {
	const char *prefix;
	const struct log_ops *log;
	struct log_broker *broker;
	const struct online_ops *online_ops; /* NULL: no online store */
	struct online *online;
	const struct operators *operators;
	const struct lang_env *env;
	const struct format *avro;
	const struct schema_source *schemas; /* writer schemas by registry id; may be NULL */
	const struct schema_registrar *registrar; /* NULL: rows in single-object framing */
	struct clock *clock;
	const char *state_dir;
	const char *version;
	uint64_t memory_bytes;  /* of the process */
	uint32_t standbys; /* copies of each task's state on other nodes */
	uint64_t changelog_bytes_min; /* a changelog partition is not rewritten below */
	int64_t commit_ms;      /* default of jobs */
	bool static_member;
	const struct alert_sink *alerts; /* NULL: alerts go to their topic alone */
	struct job *only;       /* run this job and no deployed one; taken over */
	const char *only_source;
	const atomic_bool *stop;
	atomic_int *at_disk;    /* counts who is writing state at the end, and must be waited for */
};

struct node;

/* Locks and opens the state directory, takes or makes the node id kept in it. ERR_USER when
 * another process has the directory. */
enum status node_open(const struct node_conf *conf, struct node **out, struct error *e);
const char *node_id(const struct node *n);
struct snapshot_cell *node_cell(struct node *n);
struct metrics *node_metrics(struct node *n);
/* The address others find the node's HTTP server at; before node_run. */
void node_http_set(struct node *n, const char *address);
/* Until *stop is set. Jobs come and go with the control topic. */
enum status node_run(struct node *n, struct error *e);
/* Stops the jobs (their last epochs commit), drains the online store, closes the state. */
void node_close(struct node *n);

#endif
