/* SPDX-License-Identifier: Apache-2.0
 *
 * What librdkafka may hold, as its own settings, from a budget in bytes: it counts a record's
 * value (a fetched one's key neither), and not the 350 to 550 bytes that each costs beside.
 */
#ifndef WEIR_KAFKA_LIMITS_H
#define WEIR_KAFKA_LIMITS_H

#include <stdint.h>

#define LIMITS_FETCH_BYTES_MAX ((uint64_t)16 << 20) /* more is not faster */

struct limits {
	char kb[24], records[24];  /* waiting, whichever is reached first */
	char answer[24], part[24]; /* one fetch's answer, and a partition's share of it */
	char batch[24];            /* one produce request's, per partition */
};

/* A consumer's (batch is not set): fetching stops above kb or records, after one more answer.
 */
void limits_fetch(struct limits *l, uint64_t bytes);
/* A producer's; answer and part are not set. topics_take: the bytes that all topics take in one
 * batch; 0: not known. */
void limits_produce(struct limits *l, uint64_t bytes, uint64_t topics_take);

#endif
