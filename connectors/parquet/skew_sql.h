/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQL that says whether a served value is the engine's: by their types, as
 * operators/monitor/skew.h decides it for a stream.
 */
#ifndef WEIR_PARQUET_SKEW_SQL_H
#define WEIR_PARQUET_SKEW_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Types are DuckDB's names for them, as DESCRIBE has them. */
struct skew_sql {
	const char *file; /* Parquet, with both columns and those of by */
	const char *served, *served_type;
	const char *engine, *engine_type;
	const char *const *by;
	uint32_t nby;
	double tolerance;
};

/* WITH clauses, the last of which is d: n (the row, from 0), seg, s and x (the values as text),
 * a and b (as they were compared) and differs. For a session in UTC. */
void skew_sql_rows(const struct skew_sql *q, struct buf *b);
/* Whether a and b are numbers. */
bool skew_sql_numbers(const struct skew_sql *q);

#endif
