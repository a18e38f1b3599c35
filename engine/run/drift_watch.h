/* SPDX-License-Identifier: Apache-2.0
 *
 * What monitors of the node's jobs have committed, followed from the topics: the newest windows
 * of each segment and column, and alerts, for metrics, the status page and the webhook. One
 * thread of its own, so that neither Kafka nor whoever takes alerts can hold a stream up.
 * Between two readings it holds no client. Nothing is seen here that is not committed.
 */
#ifndef WEIR_RUN_DRIFT_WATCH_H
#define WEIR_RUN_DRIFT_WATCH_H

#include "base/clock.h"
#include "base/metrics.h"
#include "run/log.h"
#include "run/snapshot.h"

/* Takes alerts: Alertmanager's POST /api/v2/alerts, or what is compatible with it. */
struct alert_sink {
	void *arg;
	/* json: an array of alerts. Bounded in time. */
	enum status (*post)(void *arg, struct slice json, struct error *e);
};

#define WATCH_POINTS_MAX 100   /* windows kept of a segment and column */
#define WATCH_SERIES_MAX 500   /* segments and columns of a job; further ones are not shown */
#define WATCH_BACK 20000       /* records of a job's topic that are read at first */
#define WATCH_ALERTS_MAX 10000 /* of all jobs */
#define WATCH_REPEAT_MS 60000  /* what fires is posted again; Alertmanager forgets after 5 min \
	                        */
#define WATCH_RESOLVED_MS 3600000 /* a resolved alert is tried so long */

struct drift_watch_conf {
	const struct log_ops *log;
	struct log_broker *broker;
	const char *prefix;
	const char *http; /* of the node, for alerts' links; may be "" */
	struct clock *clock;
	const struct alert_sink *sink; /* NULL: nobody takes them */
	int every_ms;
};

struct drift_watch;
struct drift_watch *drift_watch_open(const struct drift_watch_conf *conf);
void drift_watch_close(struct drift_watch *w);

/* The jobs with monitors that run here; others are forgotten. */
void drift_watch_jobs(struct drift_watch *w, const char *const *names, uint32_t n);
/* Fills monitors, alerts_firing, drift_breached and drift_json of a job. */
void drift_watch_show(
        struct drift_watch *w, const char *job, struct arena *a, struct snapshot_job *out);
void drift_watch_metrics(struct drift_watch *w, const char *job, struct metrics *m);

/* One round of reading and posting, for tests: no thread is started when every_ms is 0. */
void drift_watch_round(struct drift_watch *w);

#endif
