// SPDX-License-Identifier: Apache-2.0
//
// Every metric that weir has. Adding one takes a name in enum metric_id and a row here. Names
// are a contract with dashboards and alerts: base units, _total for counters, and they stay.
#include "base/metrics.h"

#define JOB LABEL_JOB
#define JOB_VIEW (LABEL_JOB | LABEL_VIEW)
#define JOB_TASK (LABEL_JOB | LABEL_TASK)
#define JOB_MONITOR (LABEL_JOB | LABEL_MONITOR)
#define JOB_REASON (LABEL_JOB | LABEL_REASON)
#define NS 1e9

static const double latency_s[] = {
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
#define LATENCY                                                                                \
	.kind = METRIC_HISTOGRAM, .unit = "seconds", .per_unit = NS, .bounds = latency_s,      \
	.nbounds = sizeof latency_s / sizeof *latency_s

#define COUNTER(n, l, h)                                                                       \
	{                                                                                      \
		.name = n, .labels = l, .help = h, .kind = METRIC_COUNTER, .unit = ""          \
	}
#define GAUGE(n, l, u, h)                                                                      \
	{                                                                                      \
		.name = n, .labels = l, .help = h, .kind = METRIC_GAUGE, .unit = u             \
	}
#define BYTES(n, l, h)                                                                         \
	{                                                                                      \
		.name = n, .labels = l, .help = h, .kind = METRIC_COUNTER, .unit = "bytes"     \
	}
#define SPENT(n, l, h)                                                                         \
	{                                                                                      \
		.name = n, .labels = l, .help = h, .kind = METRIC_COUNTER, .unit = "seconds",  \
		.per_unit = NS                                                                 \
	}

const struct metric_family metric_families[METRIC_COUNT] = {
        [METRIC_BUILD_INFO] = GAUGE(
                "weir_build_info", LABEL_VERSION, "", "1; the label says which version runs."),
        [METRIC_START_TIME] = GAUGE("weir_start_time_seconds", 0, "seconds",
                "When the node started, since the epoch."),
        [METRIC_READY] = GAUGE("weir_ready", 0, "",
                "1 when the node is ready: brokers answer and no task is restoring or failed."),
        [METRIC_MEMORY_BUDGET] = GAUGE("weir_memory_budget_bytes", 0, "bytes",
                "The whole memory budget of the node (--memory)."),
        [METRIC_MEMORY_USED] =
                GAUGE("weir_memory_used_bytes", 0, "bytes", "Resident memory of the node."),
        [METRIC_BROKER_UP] = GAUGE("weir_broker_up", 0, "",
                "1 while a Kafka broker answers, 0 while it is being retried."),
        [METRIC_SERIES] = GAUGE("weir_metric_series", 0, "", "Series shown on this page."),
        [METRIC_SERIES_REFUSED] = COUNTER("weir_metric_series_refused_total", 0,
                "Series not made because the limit of 50000 was reached."),
        [METRIC_HTTP_REQUESTS] = COUNTER("weir_http_requests_total", LABEL_REASON,
                "HTTP requests answered, by class of status (2xx, 4xx, 5xx)."),
        [METRIC_HTTP_CUT] = COUNTER("weir_http_connections_cut_total", 0,
                "HTTP connections cut because a request took too long to arrive."),
        [METRIC_HTTP_EVENT_CLIENTS] =
                GAUGE("weir_http_event_clients", 0, "", "Clients that follow /events now."),

        [METRIC_JOB_UP] = GAUGE("weir_job_up", JOB, "",
                "1 while the job runs on this node; 0 when it is paused, restoring or failed."),
        [METRIC_RECORDS] = COUNTER("weir_records_total", JOB_TASK,
                "Records read from Kafka, bad and late ones too."),
        [METRIC_INPUT_BYTES] = BYTES("weir_input_bytes_total", JOB_TASK,
                "Bytes of the keys and values of records read."),
        [METRIC_LATE] = COUNTER("weir_late_records_total", JOB_TASK,
                "Records older than stream time - lateness; they went to the late topic."),
        [METRIC_DEAD] = COUNTER("weir_dead_letters_total", JOB_REASON,
                "Records that went to the dead-letter topic, by reason."),
        [METRIC_MISPLACED] = COUNTER("weir_misplaced_keys_total", JOB_VIEW,
                "Entities found in two partitions of a source that names its key, among one "
                "in 16 that are looked at."),
        [METRIC_LAG] = GAUGE("weir_lag_records", JOB_TASK, "",
                "Records between the next input offset and the end of the task's partitions."),
        [METRIC_STREAM_TIME] = GAUGE("weir_stream_time_seconds", JOB_TASK, "seconds",
                "Largest event time that the task has seen, since the epoch."),
        [METRIC_WATERMARK] = GAUGE("weir_watermark_seconds", JOB_TASK, "seconds",
                "The task's watermark, since the epoch."),
        [METRIC_PAUSED_PARTITIONS] = GAUGE("weir_paused_partitions", JOB, "",
                "Input partitions not fetched now, because a schema cannot be had."),
        [METRIC_LIMIT_HITS] = COUNTER("weir_limit_hits_total", JOB_REASON,
                "Times a named limit was reached: overlay (an epoch ended early for its size)."),

        [METRIC_ROWS] = COUNTER("weir_rows_total", JOB_VIEW,
                "Rows written to the view's offline topic, expiry rows too."),
        [METRIC_EXPIRY_ROWS] = COUNTER("weir_expiry_rows_total", JOB_VIEW,
                "Rows written because time emptied part of a window."),
        [METRIC_NULL_ENTITIES] = COUNTER("weir_null_entities_total", JOB_VIEW,
                "Events without a row because an entity column was null."),
        [METRIC_NOT_FINITE] = COUNTER("weir_not_finite_total", JOB_VIEW,
                "NaN and infinite values taken as null by an aggregate."),
        [METRIC_OVERFLOWS] = COUNTER("weir_overflows_total", JOB_VIEW,
                "Results that did not fit their type and became null."),
        [METRIC_FAILED_CASTS] = COUNTER(
                "weir_failed_casts_total", JOB_VIEW, "Casts that failed and gave null."),
        [METRIC_CAPPED] = COUNTER("weir_capped_total", JOB_VIEW,
                "Values not added to a set because it was at its cap."),
        [METRIC_FRESHNESS_AGE] = GAUGE("weir_freshness_age_seconds", JOB_VIEW, "seconds",
                "Now minus the known_at of the view's newest row."),
        [METRIC_FRESHNESS_BREACHED] = GAUGE("weir_freshness_breached", JOB_VIEW, "",
                "1 while the view's freshness promise is broken; absent without a promise."),

        [METRIC_POLL_TIME] = SPENT(
                "weir_poll_seconds_total", JOB, "Time spent waiting for and taking records."),
        [METRIC_DECODE_TIME] = SPENT(
                "weir_decode_seconds_total", JOB, "Time spent decoding records into columns."),
        [METRIC_PROCESS_TIME] = SPENT("weir_process_seconds_total", JOB,
                "Time spent aggregating, expiring and encoding rows."),
        [METRIC_OUTPUT_TIME] = SPENT("weir_output_seconds_total", JOB,
                "Time spent ending epochs: changelog, flush, commit."),

        [METRIC_EPOCHS] = COUNTER("weir_epochs_total", JOB, "Epochs committed."),
        [METRIC_EPOCHS_ABORTED] = COUNTER(
                "weir_epochs_aborted_total", JOB, "Epochs aborted and processed again."),
        [METRIC_COMMIT_TIME] = {.name = "weir_commit_seconds",
                .labels = JOB,
                LATENCY,
                .help = "Time from the end of processing to the known commit of an epoch."},
        [METRIC_LAST_COMMIT] = GAUGE("weir_last_commit_time_seconds", JOB_TASK, "seconds",
                "When the task last committed, since the epoch."),
        [METRIC_REBALANCES] = COUNTER(
                "weir_rebalances_total", JOB, "Times partitions were assigned or revoked."),
        [METRIC_STATE_ENTITIES] = GAUGE("weir_state_entities", JOB_TASK, "",
                "State rows of the task: one per view and entity."),
        [METRIC_STATE_BYTES] = GAUGE("weir_state_bytes", JOB_TASK, "bytes",
                "State of the task on disk and in memory."),
        [METRIC_STATE_LOOKUPS] =
                COUNTER("weir_state_lookups_total", JOB, "State rows looked for."),
        [METRIC_STATE_MISSES] = COUNTER(
                "weir_state_misses_total", JOB, "State rows that were not in memory: read from the store, or new."),
        [METRIC_FLUSH_TIME] = {.name = "weir_flush_seconds",
                .labels = JOB,
                LATENCY,
                .help = "Time to write dirty state rows to the store."},
        [METRIC_LONGEST_STALL] = GAUGE("weir_longest_stall_seconds", JOB_REASON, "seconds",
                "The longest that records had to wait at one time since the job started, by what kept them: "
                "commit, flush, online."),
        [METRIC_RESTORED_ROWS] = COUNTER("weir_restored_rows_total", JOB_TASK,
                "State rows applied while restoring."),
        [METRIC_RESTORE_REMAINING] = GAUGE("weir_restore_remaining_rows", JOB_TASK, "",
                "State rows still to be applied, estimated; 0 when the task is restored."),
        [METRIC_TASK_ERRORS] = COUNTER("weir_task_errors_total", JOB_REASON,
                "Errors of tasks, by class: retriable, abort, unknown, fatal."),
        [METRIC_RETRIES] = COUNTER("weir_retries_total", JOB,
                "Epochs and calls to Kafka that failed and were tried again."),
        [METRIC_STANDBY_TASKS] = GAUGE("weir_standby_tasks", JOB, "",
                "Tasks that run elsewhere and whose state is kept warm here."),
        [METRIC_STANDBY_LAG] = GAUGE("weir_standby_lag_records", JOB, "",
                "Changelog records that the copies lacked when each was last looked at."),

        [METRIC_ONLINE_UP] =
                GAUGE("weir_online_up", 0, "", "1 while the online store answers."),
        [METRIC_ONLINE_ROWS] =
                COUNTER("weir_online_rows_total", 0, "Rows written to the online store."),
        [METRIC_ONLINE_STALE] = COUNTER("weir_online_stale_rows_total", 0,
                "Rows the online store refused because it held the same or a newer version."),
        [METRIC_ONLINE_DROPPED] = COUNTER("weir_online_dropped_rows_total", 0,
                "Rows dropped from a full backlog; a repair writes them later."),
        [METRIC_ONLINE_CALLS] = COUNTER("weir_online_calls_total", 0,
                "Calls to the online store; each writes many rows."),
        [METRIC_ONLINE_ERRORS] = COUNTER(
                "weir_online_errors_total", 0, "Calls to the online store that failed."),
        [METRIC_ONLINE_RECONNECTS] = COUNTER("weir_online_reconnects_total", 0,
                "Times the connection to the online store was lost and came back."),
        [METRIC_ONLINE_BACKLOG] = GAUGE(
                "weir_online_backlog_bytes", 0, "bytes", "Rows waiting for the online store."),
        [METRIC_ONLINE_REPAIRS] = COUNTER("weir_online_repairs_total", JOB_TASK,
                "Times a task's rows in the online store were repaired."),

        [METRIC_DRIFT_WINDOW] = GAUGE("weir_drift_window_end_seconds", JOB_MONITOR, "seconds",
                "End of the newest window that the monitor has closed."),
        [METRIC_DRIFT_ROWS] = GAUGE("weir_drift_rows", JOB_MONITOR, "",
                "Rows of the newest window's largest segment."),
        [METRIC_DRIFT_VALUE] = GAUGE("weir_drift_value", JOB_MONITOR | LABEL_COLUMN | LABEL_TEST,
                "", "A test's value in the newest window, the largest of all segments."),
        [METRIC_DRIFT_BREACHED] = GAUGE("weir_drift_breached_tests", JOB_MONITOR, "",
                "Tests of the newest windows, of all segments and columns, that are past their "
                "threshold."),
        [METRIC_ALERTS_FIRING] =
                GAUGE("weir_alerts_firing", JOB, "", "Alerts of the job's monitors that fire."),
        [METRIC_ALERTS_FAILING] = GAUGE("weir_alerts_failed_posts", 0, "",
                "Posts to Alertmanager that have failed in a row; 0 when the last one was "
                "taken."),
};
