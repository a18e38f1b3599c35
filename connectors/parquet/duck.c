// SPDX-License-Identifier: Apache-2.0
//
// DuckDB's handle. It never looks for extensions: what is needed is built in, and an export
// must not reach for the network.
#include "connectors/parquet/duck.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum status settings(duckdb_config config, uint64_t memory_bytes, uint32_t threads,
        const char *spill, struct error *e)
{
	char memory[32], count[16];
	snprintf(memory, sizeof memory, "%" PRIu64 "B", memory_bytes);
	snprintf(count, sizeof count, "%" PRIu32, threads);
	const char *const pairs[] = {"memory_limit", memory, "threads", count, "temp_directory",
	        spill, "autoinstall_known_extensions", "false", "autoload_known_extensions",
	        "false", "preserve_insertion_order", "true", NULL};
	for (int i = 0; pairs[i]; i += 2)
		if (duckdb_set_config(config, pairs[i], pairs[i + 1]) == DuckDBError)
			return error_set(e, ERR_FATAL, 0, "DuckDB refuses %s = %s", pairs[i],
			        pairs[i + 1]);
	return ST_OK;
}

enum status duck_open(struct duck *d, uint64_t memory_bytes, uint32_t threads,
        const char *spill, struct error *e)
{
	duckdb_config config;
	char *why = NULL;
	*d = (struct duck){0};
	if (duckdb_create_config(&config) == DuckDBError)
		return error_set(e, ERR_FATAL, 0, "DuckDB does not start");
	enum status st = settings(config, memory_bytes, threads, spill, e);
	if (st == ST_OK && duckdb_open_ext(NULL, &d->db, config, &why) == DuckDBError)
		st = error_set(e, ERR_FATAL, 0, "DuckDB does not start: %s", why ? why : "?");
	if (st == ST_OK && duckdb_connect(d->db, &d->conn) == DuckDBError)
		st = error_set(e, ERR_FATAL, 0, "DuckDB gives no connection");
	duckdb_free(why);
	duckdb_destroy_config(&config);
	if (st)
		duck_close(d);
	return st;
}

void duck_close(struct duck *d)
{
	if (d->conn)
		duckdb_disconnect(&d->conn);
	if (d->db)
		duckdb_close(&d->db);
	*d = (struct duck){0};
}

enum status duck_query(
        struct duck *d, const char *sql, const char *what, duckdb_result *out, struct error *e)
{
	if (duckdb_query(d->conn, sql, out) == DuckDBSuccess)
		return ST_OK;
	const char *why = duckdb_result_error(out);
	return error_set(e, ERR_FATAL, 0, "%s: %s", what, why ? why : "DuckDB failed");
}

enum status duck_run(struct duck *d, const char *sql, const char *what, struct error *e)
{
	duckdb_result r = {0};
	enum status st = duck_query(d, sql, what, &r, e);
	duckdb_destroy_result(&r);
	return st;
}

static void quoted(struct buf *b, const char *s, char quote)
{
	buf_byte(b, (uint8_t)quote);
	for (; *s; s++) {
		if (*s == quote)
			buf_byte(b, (uint8_t)quote);
		buf_byte(b, (uint8_t)*s);
	}
	buf_byte(b, (uint8_t)quote);
}

void duck_name(struct buf *b, const char *name)
{
	quoted(b, name, '"');
}

void duck_text(struct buf *b, const char *text)
{
	quoted(b, text, '\'');
}
