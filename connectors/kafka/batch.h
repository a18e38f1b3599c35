/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of one poll. librdkafka hands each message to a callback and takes it back when
 * that returns, so key and value are copied here: for records of a few hundred bytes the copy
 * is a tenth of what its own batch call costs in locks, and it keeps librdkafka's position
 * exactly at what was handed over (the batch call moves it only at the end, and never
 * backwards).
 */
#ifndef WEIR_KAFKA_BATCH_H
#define WEIR_KAFKA_BATCH_H

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "run/log.h"

struct batch {
	struct arena arena;
	struct log_record *out;
	uint32_t n, max;
	size_t bytes, bytes_max; /* a poll ends early once it holds this much */
	bool headers;            /* records come with theirs */
};

void batch_init(struct batch *b, size_t bytes_max);
void batch_release(struct batch *b);
/* Forgets the records of the poll before. */
void batch_begin(struct batch *b, struct log_record *out, uint32_t max);
/* Adds a message; true when the poll must end after it. */
bool batch_add(struct batch *b, uint32_t topic, const rd_kafka_message_t *m);

#endif
