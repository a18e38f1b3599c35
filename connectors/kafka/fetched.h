/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of one poll. librdkafka hands each message to a callback and takes it back when
 * that returns, so key and value are copied here: for records of a few hundred bytes the copy
 * is a tenth of what its own batch call costs in locks, and it keeps librdkafka's position
 * exactly at what was handed over (the batch call moves it only at the end, and never
 * backwards).
 */
#ifndef WEIR_KAFKA_FETCHED_H
#define WEIR_KAFKA_FETCHED_H

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "run/log.h"

struct fetched {
	struct arena arena;
	struct log_record *out;
	uint32_t n, max;
	size_t bytes, bytes_max; /* a poll ends early once it holds this much */
	bool headers;            /* records come with theirs */
};

void fetched_init(struct fetched *b, size_t bytes_max);
void fetched_release(struct fetched *b);
/* Forgets the records of the poll before. */
void fetched_begin(struct fetched *b, struct log_record *out, uint32_t max);
/* Adds a message; true when the poll must end after it. */
bool fetched_add(struct fetched *b, uint32_t topic, const rd_kafka_message_t *m);

#endif
