/* SPDX-License-Identifier: Apache-2.0
 *
 * The epoch marker: the last record of an epoch in a changelog partition (I1), and the position
 * record beside the rows in the local store (I2). Both say which prefix of the input the state is
 * the fold of.
 */
#ifndef WEIR_RUN_MARKER_H
#define WEIR_RUN_MARKER_H

#include "base/buf.h"
#include "run/log.h"

#define MARKER_INPUTS_MAX 8
#define MARKER_NO_TIME INT64_MIN

struct marker_input {
	int64_t next_offset;
	int64_t stream_time;  /* MARKER_NO_TIME before the first record */
	int64_t idle_time;    /* stream time as moved by `idle`, for expiry; MARKER_NO_TIME */
	int64_t last_timestamp; /* Kafka's, of the newest record taken in; MARKER_NO_TIME */
	uint8_t topic_id[16]; /* the input's fingerprint; zero: the broker has none */
	int32_t partitions;   /* of the input topic, pinned */
};

#define MARKER_CURSOR_MAX 64

/* How far the changelog's rolling snapshot is (changelog.h). */
struct marker_snapshot {
	int64_t floor;       /* the changelog is whole from here on, once it is done; -1: none runs */
	uint64_t log_bytes;  /* of rows in the changelog since where it begins, nearly … */
	uint64_t tail_bytes; /* … and since floor */
	uint64_t state_bytes; /* of the rows that the last finished one wrote, and this one so far */
	uint64_t done_bytes;
	uint32_t space;      /* the next rows: of this space, after the entity that begins so */
	uint32_t cursor_len;
	uint8_t cursor[MARKER_CURSOR_MAX];
};

struct marker {
	int64_t incarnation_ms; /* creation time of the job's state */
	int64_t epoch;          /* 0: none yet */
	uint64_t plan_hash;
	uint32_t ninputs;
	struct marker_input inputs[MARKER_INPUTS_MAX];
	struct marker_snapshot snapshot;
	char transactional_id[256];
};

void marker_write(const struct marker *m, struct buf *b);
/* False when it is malformed or of a newer format. */
bool marker_read(struct slice s, struct marker *m);

/* The store's meta record: changelog position, then the marker. */
void store_meta_write(int64_t changelog_next, const struct marker *m, struct buf *b);
bool store_meta_read(struct slice s, int64_t *changelog_next, struct marker *m);

#endif
