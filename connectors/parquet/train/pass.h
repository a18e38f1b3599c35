/* SPDX-License-Identifier: Apache-2.0
 *
 * As many of the spine's rows as memory holds, with what the views give them. The offline files
 * are gone over once per pass, once more for the values of the rows that won.
 */
#ifndef WEIR_PARQUET_TRAIN_PASS_H
#define WEIR_PARQUET_TRAIN_PASS_H

#include <pthread.h>

#include "connectors/parquet/train/index.h"
#include "connectors/parquet/train/spine.h"

struct pass_chunk {
	duckdb_data_chunk spine;
	duckdb_data_chunk *views; /* per view: its features, then the age */
	uint32_t first, n;        /* rows of the pass */
};

struct pass {
	const struct plan *plan;
	struct duck *readers; /* of the offline files: a connection per thread */
	uint32_t nreaders;
	pthread_mutex_t lock; /* of the progress */
	struct spine *spine;
	struct pass_chunk *chunks;
	uint32_t nchunks, cap_chunks;
	uint32_t *chunk_of; /* per row */
	int64_t *t;         /* per row, µs */
	uint32_t rows, cap_rows;
	uint32_t rows_max;
	uint64_t first;              /* the spine's row that is the pass's first */
	duckdb_logical_type **types; /* per view: of its features and the age */
	struct train_result *result;
	int64_t done, total; /* offline rows gone over, for the progress */
};

/* types is filled here. */
enum status pass_init(struct pass *p, struct error *e);
void pass_release(struct pass *p);
/* The next rows of the spine, joined. ST_END: there are none. */
enum status pass_next(struct pass *p, struct error *e);
/* Before the last chunk is needed no more. */
void pass_chunk_free(struct pass *p, struct pass_chunk *c);
/* What a row takes in memory, about: of a pass, with its indexes; of the output. */
uint64_t pass_row_bytes(const struct plan *p);
uint64_t pass_output_bytes(const struct plan *p);

/* -- read.c -- */
#define PASS_THREADS_MAX 16
struct pass_reader {
	/* "SELECT …", file_index and file_row_number among it. */
	void (*query)(const struct plan_view *v, struct buf *b);
	/* From any of the threads, thread < nreaders. file_of: of a file_index, the view's
	 * file. */
	void (*chunk)(void *arg, uint32_t thread, duckdb_data_chunk c, const uint32_t *file_of);
	void *arg;
};
enum status pass_read(struct pass *p, const struct plan_view *v, const bool *pick,
        const struct pass_reader *reader, struct error *e);
/* -- scan.c -- */
/* Offers every offline row of view i to its index. */
enum status pass_scan(struct pass *p, uint32_t i, struct train_index *x, struct error *e);
/* -- gather.c -- */
/* Takes the winners' values into the chunks. */
enum status pass_gather(
        struct pass *p, uint32_t i, const struct train_index *x, struct error *e);
/* -- row_key.c -- */
/* n columns of a chunk as one key per row; has is false where one of them is null. Keys are
 * valid until the arena's reset or the chunk's end. */
void pass_keys(duckdb_data_chunk chunk, uint32_t first, uint32_t n, struct slice *keys,
        bool *has, struct arena *a);
/* Bytes of a value of a fixed width; 0: text and the like. */
uint32_t pass_width(duckdb_logical_type type);
void pass_progress(struct pass *p, uint64_t rows);

#endif
