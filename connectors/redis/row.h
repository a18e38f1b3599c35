/* SPDX-License-Identifier: Apache-2.0
 *
 * A row's features, from the Avro bytes that the engine keeps to the fields of a hash.
 */
#ifndef WEIR_CONNECTORS_REDIS_ROW_H
#define WEIR_CONNECTORS_REDIS_ROW_H

#include "base/arena.h"
#include "connectors/redis/dump.h"
#include "data/schema.h"

/* What is the same in each row of a view. */
struct row_field;
struct row_plan {
	const struct field *features;
	const struct row_field *fields; /* per feature */
	uint32_t n;
	size_t room; /* of a row's entries, but for texts */
};
void row_plan_init(
	struct row_plan *p, const struct field *features, uint32_t n, struct arena *a);

/* Entries of doubles made before, by their bits: the windows of a quiet entity hold the same
 * numbers, and shortest digits are the dearest part of a row. */
#define ROW_MEMO 64
struct row_memo {
	uint64_t bits[ROW_MEMO];
	uint8_t len[ROW_MEMO]; /* 0: none yet */
	uint8_t entry[ROW_MEMO][32];
};

/* Appends the fields that are not null, and their values. Text is scratch. */
void row_features(const struct row_plan *p, struct slice bytes, struct row_memo *memo,
	struct buf *text, struct dump *out);

#endif
