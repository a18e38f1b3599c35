/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of one poll. librdkafka hands over whole batches, still encoded (consume.records,
 * .ci/librdkafka.patch), one after the other to a callback, and takes them back when that returns:
 * so key and value are copied here, which for records of a few hundred bytes is a tenth of what a
 * message of its own each would cost in allocations and locks. What of a batch does not fit into a
 * poll is kept, copied once, for the polls after it.
 */
#ifndef WEIR_KAFKA_FETCHED_H
#define WEIR_KAFKA_FETCHED_H

#include <librdkafka/rdkafka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "run/log.h"

/* A batch under way, in message format v2. */
struct fetched_batch {
	uint32_t topic;
	int32_t partition;
	int64_t base_offset, base_timestamp;
	int64_t append_timestamp; /* of all its records; -1: each has its own */
	int64_t next_offset;      /* after the batch */
	const uint8_t *at, *end;  /* its records that are still to come; at NULL: none is under way */
};

struct fetched {
	struct arena arena;
	struct log_record *out;
	uint32_t n, max;
	size_t bytes, bytes_max; /* a poll ends early once it holds this much */
	bool headers;            /* records come with theirs */
	struct fetched_batch rest;
	struct buf kept[2]; /* rest's bytes; the other one may still be this poll's records */
	uint32_t kept_in;
};

void fetched_init(struct fetched *b, size_t bytes_max);
void fetched_release(struct fetched *b);
/* Forgets the records of the poll before. */
void fetched_begin(struct fetched *b, struct log_record *out, uint32_t max);

enum fetched_end {
	FETCHED_MORE, /* there is room for more */
	FETCHED_FULL, /* the poll must end after it */
	FETCHED_BAD,  /* malformed, though its checksum is right: none of its rest was added */
};
/* Adds the records of a message that are at or above *floor, which is moved behind what was added,
 * and behind the batch when all of it was. */
enum fetched_end fetched_add(
        struct fetched *b, uint32_t topic, const rd_kafka_message_t *m, int64_t *floor);
/* The same of a batch, whose bytes are not needed any more afterwards. */
enum fetched_end fetched_add_batch(struct fetched *b, struct fetched_batch t, int64_t *floor);
/* Whether a batch is under way that is of the partition; its records come next. */
bool fetched_has_rest(const struct fetched *b, uint32_t topic, int32_t partition);
enum fetched_end fetched_add_rest(struct fetched *b, int64_t *floor);
void fetched_drop_rest(struct fetched *b);

#endif
