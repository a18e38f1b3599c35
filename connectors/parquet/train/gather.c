// SPDX-License-Identifier: Apache-2.0
//
// The second look at the offline files: the values of rows that won, put where their spine rows
// stand. Files without a winner are not opened. Values of a fixed width are copied as bytes,
// text as text, nested ones by DuckDB.
#include "connectors/parquet/train/pass.h"

#include <stdlib.h>
#include <string.h>

#define LOCKS 64

struct winner {
	uint32_t file, pos; /* pos: row of the pass */
	int64_t row;        /* of the file */
};

/* Of a chunk: what goes where. A thread's own. */
struct moves {
	uint32_t *from, *to;
	uint32_t n, cap;
	duckdb_selection_vector one;
};

struct gather {
	struct pass *pass;
	uint32_t view;
	const struct plan_view *v;
	struct winner *winners; /* by file and row */
	uint32_t n;
	uint32_t *widths; /* per feature */
	bool *text;
	struct moves moves[PASS_THREADS_MAX];
	/* Cells of a fixed width are a thread's own, and bits are set atomically; texts and
	 * nested values share their vector's memory: a lock for some of the pass's chunks each.
	 */
	pthread_mutex_t locks[LOCKS];
};

static int winner_cmp(const void *a, const void *b)
{
	const struct winner *x = a, *y = b;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

// ---- who won ----

static void *cells(const struct gather *g, uint32_t pos, uint32_t column, uint32_t *at)
{
	const struct pass_chunk *c = &g->pass->chunks[g->pass->chunk_of[pos]];
	*at = pos - c->first;
	return duckdb_data_chunk_get_vector(c->views[g->view], column);
}

static void age_put(const struct gather *g, uint32_t pos, int64_t ms)
{
	uint32_t at;
	duckdb_vector v = cells(g, pos, g->v->nfeatures, &at);
	((int64_t *)duckdb_vector_get_data(v))[at] = ms;
	duckdb_validity_set_row_valid(duckdb_vector_get_validity(v), at);
}

/* One spine row: counted, and if it has a row of the view, among the winners. */
static void place_take(struct gather *g, const struct train_index *x, uint32_t place)
{
	const struct candidate *c = &x->best[place];
	struct train_view_counts *n = &g->pass->result->views[g->view];
	int64_t age_us = x->t[place] - c->event_us, after_us = c->known_us - x->t[place];
	if (c->row < 0) {
		n->none++;
		return;
	}
	if (g->v->ttl_ms && age_us > g->v->ttl_ms * 1000) {
		n->expired++;
		return;
	}
	n->found++;
	if (after_us > 0) {
		n->after++;
		if (after_us / 1000 > n->after_ms_max)
			n->after_ms_max = after_us / 1000;
	}
	if (age_us / 1000 > n->age_ms_max)
		n->age_ms_max = age_us / 1000;
	age_put(g, x->row[place], age_us / 1000);
	g->winners[g->n++] = (struct winner){c->file, x->row[place], c->row};
}

static void winners_list(struct gather *g, const struct train_index *x)
{
	g->winners = xmalloc((x->nplaces + 1) * sizeof *g->winners);
	for (uint32_t i = 0; i < x->nplaces; i++)
		place_take(g, x, i);
	g->pass->result->views[g->view].no_key += x->nrows - x->nplaces;
	qsort(g->winners, g->n, sizeof *g->winners, winner_cmp);
}

// ---- values ----

static void fixed_copy(
        uint8_t *to, const uint8_t *from, uint32_t width, uint32_t at, uint32_t source)
{
	switch (width) {
	case 8:
		memcpy(to + 8 * (size_t)at, from + 8 * (size_t)source, 8);
		break;
	case 4:
		memcpy(to + 4 * (size_t)at, from + 4 * (size_t)source, 4);
		break;
	default:
		memcpy(to + (size_t)width * at, from + (size_t)width * source, width);
	}
}

static void other_copy(const struct moves *m, bool text, duckdb_vector to, duckdb_vector from,
        uint32_t at, uint32_t source)
{
	if (text) {
		duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(from) + source;
		duckdb_unsafe_vector_assign_string_element_len(
		        to, at, duckdb_string_t_data(s), duckdb_string_t_length(*s));
		return;
	}
	duckdb_selection_vector_get_data_ptr(m->one)[0] = source;
	duckdb_vector_copy_sel(from, to, m->one, 1, 0, at);
}

static void bit_set(uint64_t *valid, uint32_t at)
{
	__atomic_fetch_or(&valid[at / 64], UINT64_C(1) << at % 64, __ATOMIC_RELAXED);
}

struct target {
	uint32_t chunk, first;
	duckdb_vector vector;
	uint8_t *data;
	uint64_t *valid;
};

/* Neighbours often go to the same chunk. */
static void target_find(const struct gather *g, uint32_t pos, uint32_t column, struct target *t)
{
	uint32_t in = g->pass->chunk_of[pos];
	if (in == t->chunk)
		return;
	const struct pass_chunk *c = &g->pass->chunks[in];
	t->chunk = in;
	t->first = c->first;
	t->vector = duckdb_data_chunk_get_vector(c->views[g->view], column);
	t->data = duckdb_vector_get_data(t->vector);
	t->valid = duckdb_vector_get_validity(t->vector);
}

static void column_move(
        struct gather *g, const struct moves *m, duckdb_data_chunk chunk, uint32_t column)
{
	duckdb_vector from = duckdb_data_chunk_get_vector(chunk, 2 + column);
	uint64_t *valid = duckdb_vector_get_validity(from);
	const uint8_t *data = duckdb_vector_get_data(from);
	uint32_t width = g->widths[column];
	struct target t = {.chunk = UINT32_MAX};
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t source = m->from[i];
		if (valid && !duckdb_validity_row_is_valid(valid, source))
			continue;
		target_find(g, m->to[i], column, &t);
		uint32_t at = m->to[i] - t.first;
		if (width) {
			fixed_copy(t.data, data, width, at, source);
			bit_set(t.valid, at);
			continue;
		}
		pthread_mutex_t *lock = &g->locks[t.chunk % LOCKS];
		pthread_mutex_lock(lock);
		other_copy(m, g->text[column], t.vector, from, at, source);
		bit_set(t.valid, at);
		pthread_mutex_unlock(lock);
	}
}

static uint32_t lower_bound(const struct gather *g, uint32_t file, int64_t row)
{
	uint32_t low = 0, high = g->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct winner *w = &g->winners[mid];
		if (w->file < file || (w->file == file && w->row < row))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void move_add(struct moves *m, uint32_t from, uint32_t to)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 4096;
		m->from = xrealloc(m->from, m->cap * sizeof *m->from);
		m->to = xrealloc(m->to, m->cap * sizeof *m->to);
	}
	m->from[m->n] = from;
	m->to[m->n++] = to;
}

/* Rows of a chunk follow each other in a file; where they do not, the winner is looked up. */
static void moves_find(const struct gather *g, struct moves *m, duckdb_data_chunk chunk,
        const uint32_t *file_of)
{
	uint32_t n = (uint32_t)duckdb_data_chunk_get_size(chunk), at = 0;
	const uint64_t *file = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
	const int64_t *row = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
	m->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t f = file_of[file[i]];
		if (i == 0 || file[i] != file[i - 1] || row[i] != row[i - 1] + 1)
			at = lower_bound(g, f, row[i]);
		for (; at < g->n && g->winners[at].file == f && g->winners[at].row == row[i];
		        at++)
			move_add(m, i, g->winners[at].pos);
	}
}

static void chunk_take(
        void *arg, uint32_t thread, duckdb_data_chunk chunk, const uint32_t *file_of)
{
	struct gather *g = arg;
	struct moves *m = &g->moves[thread];
	moves_find(g, m, chunk, file_of);
	for (uint32_t c = 0; m->n && c < g->v->nfeatures; c++)
		column_move(g, m, chunk, c);
}

static void query(const struct plan_view *v, struct buf *b)
{
	buf_str(b, "SELECT CAST(file_index AS UBIGINT), CAST(file_row_number AS BIGINT)");
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		buf_byte(b, ',');
		duck_name(b, v->features[i].name);
	}
}

static enum status values_read(struct gather *g, struct error *e)
{
	bool *pick = xcalloc(g->v->nfiles + 1, sizeof *pick);
	struct pass_reader reader = {query, chunk_take, g};
	for (uint32_t i = 0; i < g->n; i++)
		pick[g->winners[i].file] = true;
	for (uint32_t i = 0; i < g->v->nfiles; i++)
		if (!pick[i])
			g->pass->done += (int64_t)g->v->files[i].rows;
	enum status st = g->n ? pass_read(g->pass, g->v, pick, &reader, e) : ST_OK;
	free(pick);
	return st;
}

static void gather_init(struct gather *g, struct pass *p, uint32_t i)
{
	*g = (struct gather){.pass = p, .view = i, .v = &p->plan->views[i]};
	g->widths = xcalloc(g->v->nfeatures + 1, sizeof *g->widths);
	g->text = xcalloc(g->v->nfeatures + 1, sizeof *g->text);
	for (uint32_t k = 0; k < g->v->nfeatures; k++) {
		duckdb_type id = duckdb_get_type_id(p->types[i][k]);
		g->widths[k] = pass_width(p->types[i][k]);
		g->text[k] = id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_BLOB;
	}
	for (uint32_t k = 0; k < p->nreaders; k++)
		g->moves[k].one = duckdb_create_selection_vector(1);
	for (int k = 0; k < LOCKS; k++)
		pthread_mutex_init(&g->locks[k], NULL);
}

static void gather_release(struct gather *g)
{
	for (uint32_t k = 0; k < g->pass->nreaders; k++) {
		free(g->moves[k].from);
		free(g->moves[k].to);
		duckdb_destroy_selection_vector(g->moves[k].one);
	}
	for (int k = 0; k < LOCKS; k++)
		pthread_mutex_destroy(&g->locks[k]);
	free(g->winners);
	free(g->widths);
	free(g->text);
}

enum status pass_gather(
        struct pass *p, uint32_t i, const struct train_index *x, struct error *e)
{
	struct gather g;
	gather_init(&g, p, i);
	winners_list(&g, x);
	enum status st = values_read(&g, e);
	gather_release(&g);
	return st;
}
