// SPDX-License-Identifier: Apache-2.0
//
// Settings of librdkafka's queues from a budget. The floors let the largest record through, and
// are reached only by records of that size.
#include "limits.h"

#include <inttypes.h>
#include <stdio.h>

#define FETCHED_BYTES 550 /* of a batch that waits for a poll, beside its records; it may be of one */
#define FETCHED_MIN 1000
#define ANSWER_BYTES                                                                           \
	2000000 /* librdkafka refuses less than the largest record it may produce */
#define PART_BYTES_MIN ((uint64_t)64 << 10) /* a record above it still comes, by itself */
#define PART_BYTES_MAX ((uint64_t)512 << 10)

#define PRODUCED_KB_MIN 8192 /* one of KAFKA_PRODUCE_BYTES_MAX must fit */
#define PRODUCED_KB_MAX (1u << 20)

/* A reader holds a batch whole. Topics take 1 MiB unless told otherwise; those that weir makes
 * 8 (run/plan.c). */
#define BATCH_BYTES 1000000
#define BATCH_HEAD 4096 /* of a batch, and room for its last record's sizes */

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

static void set(char out[24], uint64_t v)
{
	snprintf(out, 24, "%" PRIu64, v);
}

void limits_fetch(struct limits *l, uint64_t bytes)
{
	if (bytes > LIMITS_FETCH_BYTES_MAX)
		bytes = LIMITS_FETCH_BYTES_MAX;
	/* A quarter waits, by either count. The rest is for answers: unpacked they are several
	 * times their size, and while a poll serves the queue librdkafka sees it empty and asks
	 * once more. */
	set(l->kb, clamp(bytes / 4 / 1024, 256, UINT64_MAX));
	set(l->records, clamp(bytes / 4 / FETCHED_BYTES, FETCHED_MIN, UINT64_MAX));
	set(l->answer, ANSWER_BYTES);
	set(l->part, clamp(bytes / 32, PART_BYTES_MIN, PART_BYTES_MAX));
}

uint64_t limits_batch(uint64_t topics_take)
{
	uint64_t most = topics_take > BATCH_HEAD ? topics_take - BATCH_HEAD : BATCH_BYTES;
	return most < BATCH_BYTES ? most : BATCH_BYTES;
}

void limits_produce(struct limits *l, uint64_t bytes)
{
	set(l->kb, clamp(bytes / 2 / 1024, PRODUCED_KB_MIN, PRODUCED_KB_MAX));
}
