// SPDX-License-Identifier: Apache-2.0
//
// A pass: rows of the spine until memory is full, then view after view its index, the scan that
// finds the winners, and their values. Not here: writing what came of it.
#include "connectors/parquet/train/pass.h"

#include <stdlib.h>
#include <string.h>

#include "connectors/parquet/train/explain.h"

#define TEXT_BYTES 32 /* about what a text takes beside its place */
#define PLACE_BYTES 16

// ---- sizes ----

static enum status types_read(struct pass *p, uint32_t i, struct error *e)
{
	const struct plan_view *v = &p->plan->views[i];
	struct buf b = {0};
	duckdb_prepared_statement q = NULL;
	buf_str(&b, "SELECT ");
	for (uint32_t k = 0; k < v->nfeatures; k++) {
		duck_name(&b, v->features[k].name);
		buf_byte(&b, ',');
	}
	buf_str(&b, "CAST(0 AS BIGINT) FROM read_parquet(");
	duck_text(&b, v->files[0].path);
	buf_byte(&b, ')');
	enum status st = ST_OK;
	if (duckdb_prepare(p->readers[0].conn, buf_cstr(&b), &q) == DuckDBError)
		st = error_set(
		        e, ERR_FATAL, 0, "reading the export: %s", duckdb_prepare_error(q));
	p->types[i] = xcalloc(v->nfeatures + 1, sizeof *p->types[i]);
	for (uint32_t k = 0; st == ST_OK && k <= v->nfeatures; k++)
		p->types[i][k] = duckdb_prepared_statement_column_logical_type(q, k);
	duckdb_destroy_prepare(&q);
	buf_release(&b);
	return st;
}

static uint64_t column_bytes(const char *type)
{
	if (strcmp(type, "VARCHAR") == 0 || strcmp(type, "BLOB") == 0)
		return PLACE_BYTES + TEXT_BYTES;
	return strchr(type, '[') || strchr(type, '(') ? PLACE_BYTES + 2 * TEXT_BYTES : 8;
}

uint64_t pass_output_bytes(const struct plan *p)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < p->nspine; i++)
		n += column_bytes(p->spine[i].type);
	for (uint32_t i = 0; i < p->nviews; i++) {
		const struct plan_view *v = &p->views[i];
		n += 8; /* the age */
		for (uint32_t k = 0; k < v->nfeatures; k++) {
			int at = plan_column_find(v->columns, v->ncolumns, v->features[k].name);
			n += column_bytes(v->columns[at].type);
		}
	}
	return n;
}

uint64_t pass_row_bytes(const struct plan *p)
{
	uint64_t n = INDEX_ROW_BYTES + 12 + 8; /* the index; t and chunk_of; T */
	for (uint32_t i = 0; i < p->nviews; i++)
		n += PLACE_BYTES * p->views[i].nentity;
	return n + pass_output_bytes(p);
}

enum status pass_init(struct pass *p, struct error *e)
{
	pthread_mutex_init(&p->lock, NULL);
	p->types = xcalloc(p->plan->nviews + 1, sizeof *p->types);
	for (uint32_t i = 0; i < p->plan->nviews; i++)
		if (types_read(p, i, e))
			return ST_ERR;
	return ST_OK;
}

void pass_chunk_free(struct pass *p, struct pass_chunk *c)
{
	if (c->spine)
		duckdb_destroy_data_chunk(&c->spine);
	for (uint32_t i = 0; c->views && i < p->plan->nviews; i++)
		if (c->views[i])
			duckdb_destroy_data_chunk(&c->views[i]);
	free(c->views);
	*c = (struct pass_chunk){0};
}

static void clear(struct pass *p)
{
	for (uint32_t i = 0; i < p->nchunks; i++)
		pass_chunk_free(p, &p->chunks[i]);
	p->nchunks = p->rows = 0;
}

void pass_release(struct pass *p)
{
	clear(p);
	for (uint32_t i = 0; p->types && i < p->plan->nviews; i++) {
		for (uint32_t k = 0; p->types[i] && k <= p->plan->views[i].nfeatures; k++)
			if (p->types[i][k])
				duckdb_destroy_logical_type(&p->types[i][k]);
		free(p->types[i]);
	}
	free(p->types);
	free(p->chunks);
	free(p->chunk_of);
	free(p->t);
}

void pass_progress(struct pass *p, uint64_t rows)
{
	const struct train_conf *c = p->plan->conf;
	pthread_mutex_lock(&p->lock);
	p->done += (int64_t)rows;
	if (c->progress)
		c->progress(c->arg, p->done < p->total ? p->done : p->total, p->total);
	pthread_mutex_unlock(&p->lock);
}

// ---- the spine's rows ----

/* All null: a row that finds nothing stays so. */
static duckdb_data_chunk view_chunk(const struct pass *p, uint32_t i)
{
	const struct plan_view *v = &p->plan->views[i];
	duckdb_data_chunk c = duckdb_create_data_chunk(p->types[i], v->nfeatures + 1);
	size_t words = duckdb_vector_size() / 64;
	for (uint32_t k = 0; k <= v->nfeatures; k++) {
		duckdb_vector at = duckdb_data_chunk_get_vector(c, k);
		duckdb_type id = duckdb_get_type_id(p->types[i][k]);
		duckdb_vector_ensure_validity_writable(at);
		memset(duckdb_vector_get_validity(at), 0, words * sizeof(uint64_t));
		if (id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_MAP)
			memset(duckdb_vector_get_data(at), 0,
			        duckdb_vector_size() * sizeof(duckdb_list_entry));
	}
	return c;
}

static void chunk_add(struct pass *p, duckdb_data_chunk spine)
{
	uint32_t n = (uint32_t)duckdb_data_chunk_get_size(spine);
	const int64_t *t =
	        duckdb_vector_get_data(duckdb_data_chunk_get_vector(spine, p->spine->columns));
	if (p->nchunks == p->cap_chunks) {
		p->cap_chunks = p->cap_chunks ? 2 * p->cap_chunks : 64;
		p->chunks = xrealloc(p->chunks, p->cap_chunks * sizeof *p->chunks);
	}
	if (p->rows + n > p->cap_rows) {
		p->cap_rows = 2 * (p->rows + n);
		p->t = xrealloc(p->t, p->cap_rows * sizeof *p->t);
		p->chunk_of = xrealloc(p->chunk_of, p->cap_rows * sizeof *p->chunk_of);
	}
	struct pass_chunk *c = &p->chunks[p->nchunks];
	*c = (struct pass_chunk){spine, xcalloc(p->plan->nviews, sizeof *c->views), p->rows, n};
	for (uint32_t i = 0; i < p->plan->nviews; i++)
		c->views[i] = view_chunk(p, i);
	memcpy(p->t + p->rows, t, n * sizeof *t);
	for (uint32_t i = 0; i < n; i++)
		p->chunk_of[p->rows + i] = p->nchunks;
	p->rows += n;
	p->nchunks++;
}

static enum status rows_take(struct pass *p, struct error *e)
{
	duckdb_data_chunk chunk;
	enum status st = ST_OK;
	while (p->rows < p->rows_max && (st = spine_next(p->spine, &chunk, e)) == ST_OK)
		chunk_add(p, chunk);
	return st == ST_ERR ? ST_ERR : p->rows ? ST_OK : ST_END;
}

// ---- the join ----

static void index_fill(const struct pass *p, uint32_t view, struct train_index *x)
{
	const struct plan_view *v = &p->plan->views[view];
	struct slice *keys = xcalloc(duckdb_vector_size(), sizeof *keys);
	bool *has = xcalloc(duckdb_vector_size(), sizeof *has);
	struct arena a;
	arena_init(&a);
	for (uint32_t i = 0; i < p->nchunks; i++) {
		arena_reset(&a);
		pass_keys(p->chunks[i].spine, p->spine->entity_at[view], v->nentity, keys, has,
		        &a);
		for (uint32_t k = 0; k < p->chunks[i].n; k++)
			index_add(x, keys[k], has[k]);
	}
	arena_release(&a);
	free(keys);
	free(has);
	index_sort(x, p->t);
}

static enum status view_join(struct pass *p, uint32_t view, struct error *e)
{
	struct train_index x;
	index_init(&x);
	index_fill(p, view, &x);
	enum status st = pass_scan(p, view, &x, e);
	if (st == ST_OK) {
		index_settle(&x);
		st = explain_view(p, view, &x, e);
	}
	if (st == ST_OK)
		st = pass_gather(p, view, &x, e);
	index_release(&x);
	return st;
}

enum status pass_next(struct pass *p, struct error *e)
{
	clear(p);
	p->first = p->spine->rows;
	enum status st = rows_take(p, e);
	if (st)
		return st;
	p->result->rows += p->rows;
	if (p->first) /* the progress knew of one pass only */
		p->total += 2 * (int64_t)p->result->offline_rows;
	for (uint32_t i = 0; i < p->plan->nviews; i++)
		if (view_join(p, i, e))
			return ST_ERR;
	return ST_OK;
}
