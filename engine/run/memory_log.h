/* SPDX-License-Identifier: Apache-2.0
 *
 * The log contract in memory, for `weir try`, `weir test` and unit tests: topics, transactions
 * (their records appear at commit, with a control record's gap after them), committed offsets.
 * One session of a group owns everything that is free when it polls; between live sessions a
 * partition moves when it is told to. Faults can be injected at every step of the protocol.
 */
#ifndef WEIR_RUN_MEMORY_LOG_H
#define WEIR_RUN_MEMORY_LOG_H

#include "run/log.h"

extern const struct log_ops memory_log;

struct log_broker *memory_log_new(void);

/* Appends to a topic that exists, as a producer outside would. Returns its offset. */
int64_t memory_log_produce(struct log_broker *b, const char *topic, int32_t partition,
	const struct slice *key, const struct slice *value, int64_t timestamp);
/* Moves the end of a partition, for records whose offsets are given. */
void memory_log_skip_to(struct log_broker *b, const char *topic, int32_t partition,
	int64_t offset);
/* Topics whose names end so keep offsets but not records. */
void memory_log_discard(struct log_broker *b, const char *suffix);
/* Called for every record that becomes visible, in order. */
void memory_log_tap(struct log_broker *b,
	void (*tap)(void *arg, const char *topic, int32_t partition, const struct log_record *r),
	void *arg);

/* Takes a partition from its owner, who hears of it in its next poll, and does not get it again
 * in that one. lost: it is free at once, and the owner's open transaction must not commit. */
void memory_log_take(struct log_broker *b, const char *topic, int32_t partition, bool lost);

/* How many records of a partition a poll shows at most, asked anew each time; 0: none this time. */
void memory_log_delivery(struct log_broker *b,
	uint32_t (*room)(void *arg, const char *topic, int32_t partition), void *arg);

enum memory_step {
	MEM_INIT, MEM_BEGIN, MEM_APPEND, MEM_FLUSH, MEM_OFFSETS, MEM_COMMIT, MEM_ABORT,
	MEM_READER, /* opening one */
};
enum memory_fault {
	MEM_PASS,
	MEM_FAIL,      /* nothing happened */
	MEM_REFUSE,    /* nothing happened, and no retry heals it */
	MEM_FAIL_DONE, /* it happened, and the answer was lost (commit) */
	MEM_AMBIGUOUS, /* passes, but the handle's flag is set */
};
void memory_log_faults(struct log_broker *b, enum memory_fault (*fn)(void *arg, enum memory_step s),
	void *arg);

/* The visible records of a partition, for tests; ST_END past the last. */
enum status memory_log_read(struct log_broker *b, const char *topic, int32_t partition,
	uint32_t index, struct log_record *out);

#endif
