/* SPDX-License-Identifier: Apache-2.0
 *
 * What key_by sends on, held back until it is its turn: partitions are processed in batches,
 * one after the other, and their records reach the repartition topic in the merged order all
 * the same.
 */
#ifndef WEIR_RUN_MOVED_H
#define WEIR_RUN_MOVED_H

#include "base/buf.h"
#include "run/log.h"

struct worker;
struct moved_record;

/* Of one task and one repartition topic. */
struct moved {
	struct worker *worker;
	uint32_t topic;     /* the session's number */
	bool held;          /* kept here, not appended at once */
	int64_t src_offset; /* of the record that is appended next: key_by says so */
	struct moved_record *records;
	uint32_t n, cap, next;
	struct buf bytes;
};

/* An operator's output: arg is the moved. */
enum status moved_append(void *arg, uint32_t topic, int32_t partition, struct slice key,
        const struct slice *value, struct error *e);
/* Appends what came from records up to the offset, which rises from call to call. */
enum status moved_emit(struct moved *m, int64_t upto, struct error *e);
void moved_clear(struct moved *m);
void moved_release(struct moved *m);

#endif
