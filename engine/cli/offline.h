/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding and reading an entity's newest row in a view's offline topic.
 */
#ifndef WEIR_CLI_OFFLINE_H
#define WEIR_CLI_OFFLINE_H

#include "run/plan.h"

struct offline_row {
	int32_t partition; /* in the offline topic */
	int64_t offset;
	int64_t event_time, known_at;
	bool expiry; /* then no source position */
	int32_t src_partition;
	int64_t src_offset;
	struct value *features; /* typed by the plan's features */
};

struct offline_query {
	const struct log_ops *log;
	struct log_broker *broker;
	const struct view_plan *plan;
	uint32_t nentity, nfeatures;
	const char *entity; /* as in keys */
	int64_t scan;       /* records of each partition at most */
	struct clock *clock;
};

struct offline_found {
	struct arena arena;
	struct offline_row row;
	bool has_event; /* event: the newest row in sight that an event caused */
	struct offline_row event;
	int64_t scanned; /* of each partition, at most */
	bool all;        /* there was nothing more to read */
	/* Something could not be read: there may be a newer row, or one at all. cut: the first
	 * such place, as an error to tell. */
	bool is_cut;
	struct error cut;
};

void offline_found_init(struct offline_found *f);
void offline_found_release(struct offline_found *f);
/* ST_END: no row within scan records. A row whose key was erased, or whose block was written
 * again, later in the topic, is none. ERR_USER: more than OFFLINE_KEYS_MAX of those. */
enum status offline_find(
        const struct offline_query *q, struct offline_found *out, struct error *e);
/* A row's Avro bytes into out; values in a. False: it is not one of this plan. */
bool offline_row_read(const struct offline_query *q, struct slice value,
        struct offline_row *out, struct arena *a);

#endif
