/* SPDX-License-Identifier: Apache-2.0
 *
 * What drift_watch.c and its parts share: drift_seen.c keeps windows and shows them,
 * drift_alerts.c keeps alerts and posts them. Nobody else includes it.
 */
#ifndef WEIR_RUN_DRIFT_WATCH_INSIDE_H
#define WEIR_RUN_DRIFT_WATCH_INSIDE_H

#include "data/drift/tests.h"
#include "run/drift_record.h"
#include "run/drift_watch.h"

struct seen_point {
	int64_t window_start, window_end, rows, nulls;
	double values[DRIFT_TESTS];
	uint32_t breached; /* a bit a test */
};

/* A monitor's segment and column. */
struct seen_series {
	char *monitor, *segment, *column; /* segment: JSON */
	char *tests[DRIFT_TESTS];
	double thresholds[DRIFT_TESTS];
	uint32_t ntests;
	struct seen_point points[WATCH_POINTS_MAX]; /* ascending */
	uint32_t n;
	int64_t reference_rows;
	char *bins; /* JSON, of the newest window */
};

struct seen_job {
	char *name;
	int64_t position; /* in its topic; -1: not looked at yet */
	struct seen_series **series;
	uint32_t nseries;
	uint64_t refused; /* records of series beyond WATCH_SERIES_MAX */
	bool listed;
};

void seen_job_free(struct seen_job *j);
void seen_record(struct seen_job *j, const struct drift_record *r);
/* Tests of newest windows that breached. */
uint32_t seen_breached(const struct seen_job *j);
void seen_json(const struct seen_job *j, struct buf *out);
void seen_metrics(const struct seen_job *j, struct metrics *m);

struct seen_alert {
	char *job, *monitor, *segment, *column, *test;
	bool firing, delivered;
	bool mine; /* its job runs here: who runs it tells */
	int64_t since, window_start, window_end;
	int64_t changed_ms; /* wall clock, when it was read */
	double value, threshold;
	int32_t windows;
	int64_t next_ns; /* posted again from then on */
};

struct alerts {
	struct seen_alert *items;
	uint32_t n;
	uint64_t posts, failures;
	uint32_t failed; /* in a row */
	int64_t retry_ns;
	char said[256];
};

void alerts_release(struct alerts *a);
void alerts_record(struct alerts *a, const struct alert_record *r, int64_t now_ms);
uint32_t alerts_firing(const struct alerts *a, const char *job);
void alerts_json(const struct alerts *a, const char *job, struct buf *out);
/* What is due to be posted now, as JSON; false: nothing. marks: their numbers, *n of them. */
bool alerts_due(struct alerts *a, const char *http, int64_t now_ns, int64_t now_ms,
        struct buf *out, uint32_t **marks, uint32_t *n);
void alerts_posted(
        struct alerts *a, const uint32_t *marks, uint32_t n, bool ok, int64_t now_ns);

#endif
