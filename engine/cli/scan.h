/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a stretch of one partition, for commands that look something up.
 */
#ifndef WEIR_CLI_SCAN_H
#define WEIR_CLI_SCAN_H

#include "base/clock.h"
#include "run/log.h"

struct scan_range {
	const struct log_ops *log;
	struct log_broker *broker;
	struct clock *clock;
	const char *topic;
	int32_t partition;
	int64_t from, to;
	/* Up to LOG_SILENT_MS_MAX; else some seconds of silence are enough, and an error of the
	 * broker is one. */
	bool patient;
	int32_t tail_ms; /* of silence after the first record, when not patient; 0: 1.5 s */
	/* A committed record in [from, to). False: that is enough. */
	bool (*each)(void *arg, const struct log_record *r);
	void *arg;
	/* Out: to; less when nothing came from there on, since what stands behind an open
	 * transaction is not shown. Whether that will do is for the caller to say. */
	int64_t reached;
};

enum status scan_range(struct scan_range *s, struct error *e);
/* That it was cut short: ERR_RETRIABLE, where, and what to do. */
enum status scan_cut(const struct scan_range *s, struct error *e);

/* NULL: the record has no such header. */
const struct slice *record_header(const struct log_record *r, const char *name);

#endif
