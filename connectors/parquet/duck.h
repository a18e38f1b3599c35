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
/* what says what is being done, for the message. */
enum status duck_run(struct duck *d, const char *sql, const char *what, struct error *e);
/* The caller destroys out, after an error too. */
enum status duck_query(
        struct duck *d, const char *sql, const char *what, duckdb_result *out, struct error *e);

/* "name", 'text'. */
void duck_name(struct buf *b, const char *name);
void duck_text(struct buf *b, const char *text);

#endif
