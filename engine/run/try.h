/* SPDX-License-Identifier: Apache-2.0
 *
 * A job over a file of events, with no server at all: the same plan, worker, operators and
 * commit as a node, on the log in memory. For `weir try` and `weir test`.
 *
 * An event is a JSON line {source, partition, offset, timestamp, key, value}; all but value may
 * be left out: the job's one source, 0, counting, the event time. A value that is a text stands
 * for those bytes (so that a broken record can be written down); null is a null value. Whatever
 * the source's format, values are JSON here.
 */
#ifndef WEIR_RUN_TRY_H
#define WEIR_RUN_TRY_H

#include <stdio.h>

#include "run/drift_record.h"
#include "run/operator.h"
#include "run/plan.h"

struct try_row {
	const struct view *view;
	const struct view_plan *plan;
	const struct value *entity;   /* typed by plan->entity_types */
	int64_t event_time, known_at;
	bool expiry;                  /* then no source position */
	int32_t src_partition;
	int64_t src_offset;
	const struct value *features; /* typed by plan->features */
};

struct try_bad {
	const char *reason, *detail;
	const char *source_topic;
	int32_t partition;
	int64_t offset;
	bool late;
};

struct try_counts {
	uint64_t records, late, dead, rows, expiry_rows, drift, alerts;
};

struct try_conf {
	struct job *job;              /* its sources' formats are set to json */
	FILE *events;                 /* seekable */
	const char *events_name;      /* for messages */
	const struct operators *operators;
	const struct format *json, *avro;
	void (*row)(void *arg, const struct try_row *r);
	void (*bad)(void *arg, const struct try_bad *b); /* may be NULL */
	/* Of monitors; both may be NULL. */
	void (*drift)(void *arg, const struct drift_record *r);
	void (*alert)(void *arg, const struct alert_record *r);
	void *arg;
};

/* ERR_USER: a line is no event; the message has file and line. */
enum status try_run(const struct try_conf *conf, struct try_counts *counts, struct error *e);

/* {"view", entity columns, event_time, known_at, source_partition, source_offset, features}. */
void try_row_json(const struct try_row *r, struct buf *out);

#endif
