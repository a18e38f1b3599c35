/* SPDX-License-Identifier: Apache-2.0
 *
 * What librdkafka may hold, as its own settings, from a budget in bytes: it counts a record's
 * value (a fetched one's key neither), and not the 550 bytes that each fetched one costs
 * beside.
 */
#ifndef WEIR_KAFKA_LIMITS_H
#define WEIR_KAFKA_LIMITS_H

#include <stdint.h>

#define LIMITS_FETCH_BYTES_MAX ((uint64_t)16 << 20) /* more is not faster */

struct limits {
	char kb[24], records[24];  /* waiting, whichever is reached first */
	char answer[24], part[24]; /* one fetch's answer, and a partition's share of it */
};

/* A consumer's: fetching stops above kb or records, after one more answer. */
void limits_fetch(struct limits *l, uint64_t bytes);
/* A producer's: only kb is set. */
void limits_produce(struct limits *l, uint64_t bytes);
/* A producer's batch of one partition. topics_take: the bytes that all topics take in one; 0:
 * not known. */
uint64_t limits_batch(uint64_t topics_take);

#endif
