/* SPDX-License-Identifier: Apache-2.0
 *
 * DuckDB in memory, for this folder: opened with a memory limit and a place to spill to.
 */
#ifndef WEIR_PARQUET_DUCK_H
#define WEIR_PARQUET_DUCK_H

#include <duckdb.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "data/type.h"

struct duck {
	duckdb_database db;
	duckdb_connection conn;
};

/* spill: a folder, made when it is needed. */
enum status duck_open(struct duck *d, uint64_t memory_bytes, uint32_t threads,
        const char *spill, struct error *e);
void duck_close(struct duck *d);
/* Another memory limit from now on. */
enum status duck_memory(struct duck *d, uint64_t memory_bytes, struct error *e);
/* what says what is being done, for the message. */
enum status duck_run(struct duck *d, const char *sql, const char *what, struct error *e);
/* The caller destroys out, after an error too. */
enum status duck_query(
        struct duck *d, const char *sql, const char *what, duckdb_result *out, struct error *e);

/* A result that is not held as a whole: chunk after chunk, made as they are fetched. Rows come
 * in no order unless the database keeps one (duck_unordered). */
struct duck_stream {
	duckdb_result result;
	bool open, ended;
	const char *what; /* borrowed */
};
enum status duck_stream_open(struct duck *d, const char *sql, const char *what,
        struct duck_stream *s, struct error *e);
/* The caller destroys *out. ST_END: no more. */
enum status duck_stream_next(struct duck_stream *s, duckdb_data_chunk *out, struct error *e);
void duck_stream_close(struct duck_stream *s);
/* Queries that start after it may give rows in any order, and so use all threads. */
enum status duck_unordered(struct duck *d, struct error *e);

/* "name", 'text'. */
void duck_name(struct buf *b, const char *name);
void duck_text(struct buf *b, const char *text);

#endif
