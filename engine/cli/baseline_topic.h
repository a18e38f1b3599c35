/* SPDX-License-Identifier: Apache-2.0
 *
 * A baseline out of a monitor's topic: the predictions of a stretch of event time.
 */
#ifndef WEIR_CLI_BASELINE_TOPIC_H
#define WEIR_CLI_BASELINE_TOPIC_H

#include "cli/drift_ask.h"
#include "lang/job.h"
#include "run/log.h"

struct baseline_topic {
	const struct job *job;
	const struct monitor *monitor;
	const struct log_ops *log;
	struct log_broker *broker;
	const struct schema_source *schemas;
	struct names by, categories;
	const char *from, *to;  /* as given, for the file; NULL: not */
	int64_t from_ms, to_ms; /* event times in [from, to) */
	uint64_t memory_bytes;  /* for values; ERR_USER when they do not fit */
	void *arg;
	void (*progress)(void *arg, int64_t done, int64_t total); /* offsets; may be NULL */
};

enum status baseline_from_topic(
        const struct baseline_topic *t, struct baseline **out, struct error *e);

#endif
