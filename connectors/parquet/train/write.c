// SPDX-License-Identifier: Apache-2.0
//
// DuckDB writes the file; it pulls the rows from a table function of ours, chunk by chunk, in
// order, so that nothing but a pass and a row group is in memory. Row groups have a fixed
// number of rows: the bytes do not hang on memory or threads.
#include "connectors/parquet/train/write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "connectors/parquet/files.h"

#define ROWS_NAME "weir_training_rows"
#define HASH_BYTES (1u << 20) /* read at a time */

struct output {
	struct pass *pass;
	struct leak *leak;
	uint32_t next; /* chunk of the pass */
	struct error e;
	bool failed;
};

// ---- the table function ----

static void bind(duckdb_bind_info info)
{
	struct output *o = duckdb_bind_get_extra_info(info);
	const struct plan *plan = o->pass->plan;
	struct spine *s = o->pass->spine;
	for (uint32_t i = 0; i < s->columns; i++) {
		duckdb_logical_type t = duckdb_column_logical_type(&s->stream.result, i);
		duckdb_bind_add_result_column(info, plan->spine[i].name, t);
		duckdb_destroy_logical_type(&t);
	}
	for (uint32_t i = 0; i < plan->nviews; i++) {
		const struct plan_view *v = &plan->views[i];
		for (uint32_t k = 0; k < v->nfeatures; k++)
			duckdb_bind_add_result_column(
			        info, v->features[k].out, o->pass->types[i][k]);
		duckdb_bind_add_result_column(info, v->age, o->pass->types[i][v->nfeatures]);
	}
}

static void start(duckdb_init_info info)
{
	duckdb_init_set_max_threads(info, 1);
}

static void chunk_give(struct output *o, struct pass_chunk *c, duckdb_data_chunk out)
{
	const struct plan *plan = o->pass->plan;
	idx_t at = 0;
	for (uint32_t i = 0; i < o->pass->spine->columns; i++)
		duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, at++),
		        duckdb_data_chunk_get_vector(c->spine, i));
	for (uint32_t i = 0; i < plan->nviews; i++)
		for (uint32_t k = 0; k <= plan->views[i].nfeatures; k++)
			duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, at++),
			        duckdb_data_chunk_get_vector(c->views[i], k));
	duckdb_data_chunk_set_size(out, c->n);
	leak_add(o->leak, c);
	pass_chunk_free(o->pass, c); /* DuckDB shares what it was given */
}

static void rows(duckdb_function_info info, duckdb_data_chunk out)
{
	struct output *o = duckdb_function_get_extra_info(info);
	duckdb_data_chunk_set_size(out, 0);
	if (o->next == o->pass->nchunks) {
		enum status st = pass_next(o->pass, &o->e);
		o->next = 0;
		if (st == ST_ERR) {
			o->failed = true;
			duckdb_function_set_error(info, o->e.msg);
		}
		if (st)
			return;
	}
	chunk_give(o, &o->pass->chunks[o->next++], out);
}

static enum status function_add(struct duck *d, struct output *o, struct error *e)
{
	duckdb_table_function f = duckdb_create_table_function();
	duckdb_table_function_set_name(f, ROWS_NAME);
	duckdb_table_function_set_extra_info(f, o, NULL);
	duckdb_table_function_set_bind(f, bind);
	duckdb_table_function_set_init(f, start);
	duckdb_table_function_set_function(f, rows);
	duckdb_state st = duckdb_register_table_function(d->conn, f);
	duckdb_destroy_table_function(&f);
	return st == DuckDBError ? error_set(e, ERR_FATAL, 0, "DuckDB takes no table function")
	                         : ST_OK;
}

// ---- the file ----

enum status write_temp(const char *path, char *out, struct error *e)
{
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path + 1) : 0;
	return files_path(out, e, "%.*s.%s.tmp", n, path, path + n);
}

static enum status sync_file(const char *path, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return files_error(e, "opening", path);
	enum status st = fsync(fd) ? files_error(e, "syncing", path) : ST_OK;
	close(fd);
	return st;
}

enum status write_visible(const char *path, struct error *e)
{
	char temp[FILES_PATH_MAX], dir[FILES_PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (write_temp(path, temp, e) ||
	        files_path(dir, e, "%.*s", slash ? (int)(slash - path + 1) : 1,
	                slash ? path : "."))
		return ST_ERR;
	if (rename(temp, path) != 0)
		return files_error(e, "renaming", temp);
	return files_sync_dir(dir, e);
}

enum status write_rows(
        struct duck *d, struct pass *p, struct leak *l, const char *path, struct error *e)
{
	char temp[FILES_PATH_MAX];
	struct output o = {.pass = p, .leak = l};
	struct buf b = {0};
	struct duck own = {.db = d->db}; /* the spine's connection is busy with the spine */
	if (write_temp(path, temp, e))
		return ST_ERR;
	if (duckdb_connect(d->db, &own.conn) == DuckDBError)
		return error_set(e, ERR_FATAL, 0, "DuckDB gives no connection");
	if (function_add(&own, &o, e)) {
		duckdb_disconnect(&own.conn);
		return ST_ERR;
	}
	buf_str(&b, "COPY (FROM " ROWS_NAME "()) TO ");
	duck_text(&b, temp);
	buf_printf(&b,
	        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, USE_TMP_FILE false)",
	        WRITE_GROUP_ROWS);
	enum status st = duck_run(&own, buf_cstr(&b), "writing Parquet", e);
	buf_release(&b);
	duckdb_disconnect(&own.conn);
	if (st && o.failed)
		*e = o.e;
	if (st == ST_OK)
		st = sync_file(temp, e);
	if (st)
		unlink(temp);
	return st;
}

enum status write_nothing(struct pass *p, struct error *e)
{
	enum status st;
	while ((st = pass_next(p, e)) == ST_OK)
		if (p->result->norigins)
			return ST_OK;
	return st == ST_END ? ST_OK : st;
}

static enum status hash_read(
        int fd, XXH3_state_t *state, uint64_t *bytes, const char *path, struct error *e)
{
	uint8_t *p = xmalloc(HASH_BYTES);
	ssize_t n;
	while ((n = read(fd, p, HASH_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		XXH3_128bits_update(state, p, (size_t)n);
		*bytes += (uint64_t)n;
	}
	free(p);
	return n < 0 ? files_error(e, "reading", path) : ST_OK;
}

enum status write_hash(const char *path, char out[33], uint64_t *bytes, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	*bytes = 0;
	if (fd < 0)
		return error_set(e, ERR_USER, errno, "reading %s: %s", path, strerror(errno));
	XXH3_state_t *state = XXH3_createState();
	XXH3_128bits_reset(state);
	enum status st = hash_read(fd, state, bytes, path, e);
	XXH128_hash_t h = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	close(fd);
	snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
	return st;
}
