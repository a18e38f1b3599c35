/* SPDX-License-Identifier: Apache-2.0
 *
 * The merge: records of one topic's partitions, handed out in the order of (Kafka timestamp,
 * partition, offset), so that a replay takes them in the same order however the log delivers
 * them. A record is handed out once every partition that has more to come has shown its next
 * one; one that stays silent is waited for no longer than MERGE_WAIT_NS, or, where old records
 * are read again and nobody is waiting for them, MERGE_WAIT_OLD_NS.
 *
 * It hands out rounds: a prefix of the merged order, as so many records of each partition
 * (taken as batches, decoded once) and the runs in which they follow each other.
 */
#ifndef WEIR_RUN_MERGE_H
#define WEIR_RUN_MERGE_H

#include "run/log.h"

#define MERGE_WAIT_NS INT64_C(1000000000) /* of silence, and the others go on */
#define MERGE_WAIT_OLD_NS INT64_C(10000000000)
#define MERGE_OLD_MS 60000 /* behind the wall clock */
#define MERGE_ROUND_RECORDS 4096
#define MERGE_ROUND_BYTES (UINT64_C(8) << 20)
#define MERGE_BLOCK_MIN 2048 /* bytes; copies are kept in blocks, of one larger record too */
#define MERGE_BLOCK_MAX 131072

struct merge_block;
struct merge_queue {
	struct merge *merge;
	int32_t partition;
	void *owner;
	struct merge_block *first, *last;
	uint32_t head;           /* of first: the next record */
	uint32_t n;              /* records queued */
	uint64_t bytes;          /* of them, their descriptions included */
	int64_t next_offset;     /* after the last record put; -1: none since it was cleared */
	int64_t waited_since_ns; /* without a record, held against the others; 0: not */
	bool passed_over;        /* it was silent for too long; until its next record */
	bool told;               /* the caller's note: somebody was told so */
	bool paused;             /* by reason of its bytes: the caller's note */
	uint32_t picked;         /* of the round, not yet handed out */
	struct merge_block *at;  /* of the round being picked */
	uint32_t at_index;
};

/* Records of one queue that follow each other, up to an offset. */
struct merge_run {
	struct merge_queue *queue;
	int64_t last_offset;
};

struct merge {
	/* Whether the owner's partition has records that were not put yet. */
	bool (*more)(void *owner);
	struct merge_queue **queues; /* by partition */
	uint32_t nqueues;
	struct merge_entry *heap;
	struct merge_run *runs; /* of the round */
	uint32_t nruns, cap_runs;
	uint64_t bytes, bytes_max; /* above it, full queues are to be paused */
	int64_t patience_ns;       /* of the round */
	int64_t wait_until_ns;     /* 0: nobody is waited for */
	struct merge_block *done;  /* handed out, until merge_done */
};

struct merge *merge_new(bool (*more)(void *owner), uint64_t bytes_max);
void merge_free(struct merge *m);
struct merge_queue *merge_add(struct merge *m, int32_t partition, void *owner);
void merge_remove(struct merge_queue *q);
/* Copies. Records of the queue's partition, in order; those below next_offset are passed over.
 */
void merge_put(struct merge_queue *q, const struct log_record *r, uint32_t n);
/* Forgets what is queued. */
void merge_clear(struct merge_queue *q);
/* A queue above its share of a full merge should get no more; below half of it again. */
bool merge_full(const struct merge_queue *q);
bool merge_low(const struct merge_queue *q);

/* Picks a round: queues[].picked records of each, runs[]. 0: nothing can be handed out now. */
uint32_t merge_pick(struct merge *m, int64_t now_ns, int64_t wall_ms);
/* The queue's next picked records, until false. They stay until merge_done. */
bool merge_piece(struct merge_queue *q, const struct log_record **r, uint32_t *n);
void merge_done(struct merge *m);

#endif
