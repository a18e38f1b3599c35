/* SPDX-License-Identifier: Apache-2.0
 *
 * A view's offline topic into Parquet files:
 * DIR/VIEW/vN/dt=YYYY-MM-DD/part-P-FIRST-LAST.parquet, dt the UTC day of event_time, FIRST and
 * LAST the offsets of the file's own first and last row in partition P. Incremental:
 * DIR/VIEW/vN/_export.json remembers how far each partition is, so a second run writes only
 * what has come since. Killed at any moment, nothing half-written is visible, and the next run
 * goes on (manifest.h says how).
 *
 * The only door to this folder.
 */
#ifndef WEIR_PARQUET_EXPORT_H
#define WEIR_PARQUET_EXPORT_H

#include "base/clock.h"
#include "data/codec.h"
#include "run/log.h"

#define EXPORT_MEMORY_BYTES_MIN ((uint64_t)64 << 20)
#define EXPORT_BATCH_ROWS_MAX (2u << 20) /* rows written together, before they part by day */
#define EXPORT_AGAIN_STALL_MS 10000      /* as LOG_SILENT_MS_MAX, of a run that comes again */

struct export_counts {
	uint64_t rows, files, bytes; /* written by this run; bytes of the files */
	uint64_t superseded;         /* left out: the same key came again in the same batch */
	uint64_t tombstones;
	uint64_t nulled; /* timestamps that no file holds (docs/decisions/far-times.md) */
	int64_t done, total; /* offsets, of all partitions, that this run goes over */
	int32_t partitions;
};

/* Where a run may be killed, in this order, once per batch. For tests. */
enum export_step {
	EXPORT_WRITTEN, /* a file is there under its temporary name */
	EXPORT_PLANNED, /* all are, and the manifest says so */
	EXPORT_RENAMED, /* one more has its name */
	EXPORT_DONE,    /* the manifest says so */
	EXPORT_COMPACT, /* a compaction is a step further */
};

struct export_conf {
	const struct log_ops *log;
	struct log_broker *broker;
	const char *prefix, *view;
	uint32_t version;
	const char *dir;       /* made if need be */
	bool defined;          /* ttl_ms and source are the deployed view's */
	int64_t ttl_ms;        /* 0: none */
	const char *source;    /* topic */
	uint64_t memory_bytes; /* for everything */
	uint32_t threads;      /* for sorting and compressing; 0: one per core */
	uint32_t batch_rows;   /* 0: EXPORT_BATCH_ROWS_MAX, or what fits in memory */
	const struct schema_source *schemas; /* of the rows' writers */
	const struct format *avro;
	struct clock *clock;
	void *arg;
	void (*progress)(void *arg, const struct export_counts *c); /* may be NULL */
	void (*step)(void *arg, enum export_step s);                /* may be NULL */
	/* May be NULL. True: end soon, with what was read until now; from any thread. */
	bool (*stop)(void *arg);
	bool wait; /* for another export into the folder, instead of an error */
	bool again; /* the run comes again: others wait for their turn, and a topic may still come */
};

struct export_compacted {
	uint64_t days;          /* whose folder was exchanged */
	uint64_t before, after; /* files that became files */
};

/* The highest version of the view that has an offline topic; ST_END: there is none, and *near
 * is the nearest name among the views that have one (in a), or NULL. */
enum status export_newest(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, const char *view, uint32_t *version, struct arena *a,
        const char **near, struct error *e);

/* Up to the end of the topic as of the call. counts is right after an error too: what was
 * written stays. ERR_USER: dir is not an export of this topic, another export is writing to it,
 * or there is no such topic (again: ERR_RETRIABLE); ERR_FATAL: rows that were not exported are gone from the topic, or
 * a record in it is no row; ERR_RETRIABLE: the broker, or what a schema is fetched from, is
 * away. */
enum status export_run(
        const struct export_conf *conf, struct export_counts *counts, struct error *e);

/* Of each day and partition one file (compact.h). Needs no broker: of conf view, version, dir,
 * memory_bytes, threads, step, arg and wait count. ERR_USER: there is no export. */
enum status export_compact(
        const struct export_conf *conf, struct export_compacted *out, struct error *e);

#endif
