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

/* Our own statements are no help to anybody. */
static enum status failed(const char *what, const char *why, struct error *e)
{
	const char *line = why ? strstr(why, "\nLINE ") : NULL;
	size_t n = !why ? 0 : line ? (size_t)(line - why) : strlen(why);
	while (n > 0 && why[n - 1] == '\n')
		n--;
	return error_set(e, ERR_FATAL, 0, "%s: %.*s", what, why ? (int)n : 13,
	        why ? why : "DuckDB failed");
}

enum status duck_query(
        struct duck *d, const char *sql, const char *what, duckdb_result *out, struct error *e)
{
	if (duckdb_query(d->conn, sql, out) == DuckDBSuccess)
		return ST_OK;
	return failed(what, duckdb_result_error(out), e);
}

enum status duck_run(struct duck *d, const char *sql, const char *what, struct error *e)
{
	duckdb_result r = {0};
	enum status st = duck_query(d, sql, what, &r, e);
	duckdb_destroy_result(&r);
	return st;
}

enum status duck_memory(struct duck *d, uint64_t memory_bytes, struct error *e)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SET memory_limit = '%" PRIu64 "B'", memory_bytes);
	return duck_run(d, sql, "opening DuckDB", e);
}

enum status duck_unordered(struct duck *d, struct error *e)
{
	return duck_run(d, "SET preserve_insertion_order = false", "opening DuckDB", e);
}

// ---- streams ----

static enum status stream_start(
        duckdb_prepared_statement p, struct duck_stream *s, struct error *e)
{
	duckdb_pending_result pending = NULL;
	enum status st = ST_OK;
	if (duckdb_pending_prepared_streaming(p, &pending) == DuckDBError)
		st = failed(s->what, duckdb_pending_error(pending), e);
	else if (duckdb_execute_pending(pending, &s->result) == DuckDBError)
		st = failed(s->what, duckdb_result_error(&s->result), e);
	duckdb_destroy_pending(&pending);
	s->open = true; /* the result is there after an error too */
	return st;
}

enum status duck_stream_open(struct duck *d, const char *sql, const char *what,
        struct duck_stream *s, struct error *e)
{
	duckdb_prepared_statement p = NULL;
	*s = (struct duck_stream){.what = what};
	enum status st;
	if (duckdb_prepare(d->conn, sql, &p) == DuckDBError)
		st = failed(what, duckdb_prepare_error(p), e);
	else
		st = stream_start(p, s, e);
	duckdb_destroy_prepare(&p);
	return st;
}

enum status duck_stream_next(struct duck_stream *s, duckdb_data_chunk *out, struct error *e)
{
	if (s->ended)
		return ST_END;
	*out = duckdb_fetch_chunk(s->result);
	if (*out && duckdb_data_chunk_get_size(*out) > 0)
		return ST_OK;
	if (*out)
		duckdb_destroy_data_chunk(out);
	const char *why = duckdb_result_error(&s->result);
	s->ended = true;
	return why ? failed(s->what, why, e) : ST_END;
}

void duck_stream_close(struct duck_stream *s)
{
	if (s->open)
		duckdb_destroy_result(&s->result);
	*s = (struct duck_stream){0};
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
