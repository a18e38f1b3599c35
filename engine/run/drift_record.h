/* SPDX-License-Identifier: Apache-2.0
 *
 * Drift records and alerts as read back from their topics; formats.md has their fields.
 */
#ifndef WEIR_RUN_DRIFT_RECORD_H
#define WEIR_RUN_DRIFT_RECORD_H

#include "base/arena.h"
#include "base/buf.h"

struct drift_segment {
	const char *column, *value; /* NULL: null */
};

struct drift_result {
	const char *test;
	double value, p_value; /* NaN: null */
	double threshold;
	bool breached;
};

struct drift_bin {
	const char *label;
	double reference, current;
};

/* Of a monitor of skew: a served value that is not what was computed. */
struct drift_example {
	const char *entity;
	int64_t event_time;
	const char *served, *computed; /* NULL: null */
};

struct drift_record {
	const char *monitor, *column;
	struct drift_segment *segment;
	uint32_t nsegment;
	int64_t window_start, window_end, rows, nulls, reference_rows;
	struct drift_result *tests;
	uint32_t ntests;
	struct drift_bin *bins;
	uint32_t nbins;
	struct drift_example *examples;
	uint32_t nexamples;
};

struct alert_record {
	const char *job, *monitor, *column, *test;
	struct drift_segment *segment;
	uint32_t nsegment;
	bool firing; /* else resolved */
	int64_t since, window_start, window_end;
	double value, threshold;
	int32_t windows;
};

/* Of a record's value, framed. Everything in a. False: it is none. */
bool drift_record_read(struct slice value, struct drift_record *out, struct arena *a);
bool alert_record_read(struct slice value, struct alert_record *out, struct arena *a);

/* One object each. */
void drift_record_json(const struct drift_record *r, struct buf *out);
void alert_record_json(const struct alert_record *r, struct buf *out);
/* Objects, without the brackets around them. */
void drift_examples_json(const struct drift_record *r, struct buf *out);
/* {"model_version": "3"} */
void drift_segment_json(const struct drift_segment *s, uint32_t n, struct buf *out);

#endif
