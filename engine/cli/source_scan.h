/* SPDX-License-Identifier: Apache-2.0
 *
 * A source's topic as a monitor would read it.
 */
#ifndef WEIR_CLI_SOURCE_SCAN_H
#define WEIR_CLI_SOURCE_SCAN_H

#include "base/clock.h"
#include "cli/baseline_topic.h"

struct source_scan {
	const struct baseline_topic *topic; /* where, and whom to tell of progress */
	const struct source *source;
	int64_t from_ms;    /* only events from then on are needed; INT64_MIN: all */
	const bool *wanted; /* fields; the time comes with them */
	/* A record that the engine would take. False: that is enough. */
	bool (*row)(void *arg, const struct column *cols, int64_t event_time);
	void *arg;
	struct clock *clock;           /* NULL: the system's */
	struct arena *arena;           /* of the ranges */
	struct baseline_range *ranges; /* out: what was read */
	uint32_t nranges;
};

/* ERR_RETRIABLE: the broker is away, or something keeps the end from being read. */
enum status source_scan(struct source_scan *s, struct error *e);

#endif
