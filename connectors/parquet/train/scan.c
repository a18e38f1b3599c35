// SPDX-License-Identifier: Apache-2.0
//
// The first look at the offline files: keys, times and places of their rows, no values. Days
// that no spine row can see are not opened.
#include "connectors/parquet/train/pass.h"

#include <stdlib.h>

#define DAY_US (INT64_C(86400) * 1000000)
enum { AT_EVENT, AT_KNOWN, AT_PARTITION, AT_OFFSET, AT_FILE, AT_ROW };

struct scratch {
	struct arena arena;
	struct slice *keys;
	bool *has;
	uint32_t *hashes;
};

struct scan {
	struct pass *pass;
	const struct plan_view *view;
	struct train_index *index;
	struct scratch scratch[PASS_THREADS_MAX];
};

static int64_t floor_day(int64_t us)
{
	return us / DAY_US - (us % DAY_US < 0);
}

/* The days that a row can come from: (T's ttl, T]. */
static bool *days_pick(struct pass *p, const struct plan_view *v, uint32_t *n)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	bool *pick = xcalloc(v->nfiles + 1, sizeof *pick);
	for (uint32_t i = 0; i < p->rows; i++) {
		min = p->t[i] < min ? p->t[i] : min;
		max = p->t[i] > max ? p->t[i] : max;
	}
	int64_t from = v->ttl_ms && min > INT64_MIN / 2 ? floor_day(min - v->ttl_ms * 1000)
	                                                : INT64_MIN;
	for (uint32_t i = *n = 0; i < v->nfiles; i++) {
		int64_t day = v->files[i].day;
		pick[i] = day == PLAN_NO_DAY || (day >= from && day <= floor_day(max));
		*n += pick[i];
		if (!pick[i])
			p->done += (int64_t)v->files[i].rows;
	}
	return pick;
}

static void *data_at(duckdb_data_chunk chunk, uint32_t column)
{
	return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));
}

static uint64_t *valid_at(duckdb_data_chunk chunk, uint32_t column)
{
	return duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, column));
}

static void rows_offer(struct scan *s, const struct scratch *k, duckdb_data_chunk chunk,
        uint32_t n, const uint32_t *file_of)
{
	uint32_t at = s->view->nentity;
	const struct train_conf *conf = s->pass->plan->conf;
	const int64_t *event = data_at(chunk, at + AT_EVENT),
	              *known = data_at(chunk, at + AT_KNOWN),
	              *offset = data_at(chunk, at + AT_OFFSET),
	              *row = data_at(chunk, at + AT_ROW);
	const int32_t *partition = data_at(chunk, at + AT_PARTITION);
	const uint64_t *file = data_at(chunk, at + AT_FILE);
	uint64_t *has_offset = valid_at(chunk, at + AT_OFFSET),
	         *has_partition = valid_at(chunk, at + AT_PARTITION);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id =
		        k->has[i] ? index_find(s->index, k->keys[i], k->hashes[i]) : INDEX_NONE;
		if (id == INDEX_NONE)
			continue;
		struct candidate c = {.event_us = event[i],
		        .known_us = known[i],
		        .offset = -1,
		        .row = row[i],
		        .partition = -1,
		        .file = file_of[file[i]]};
		if (!has_offset || duckdb_validity_row_is_valid(has_offset, i))
			c.offset = offset[i];
		if (!has_partition || duckdb_validity_row_is_valid(has_partition, i))
			c.partition = partition[i];
		int64_t least = event[i] + conf->exclusive;
		if (conf->known && known[i] > least)
			least = known[i];
		index_offer(s->index, id, least, &c);
	}
}

static void chunk_offer(
        void *arg, uint32_t thread, duckdb_data_chunk chunk, const uint32_t *file_of)
{
	struct scan *s = arg;
	struct scratch *k = &s->scratch[thread];
	uint32_t n = (uint32_t)duckdb_data_chunk_get_size(chunk);
	arena_reset(&k->arena);
	pass_keys(chunk, 0, s->view->nentity, k->keys, k->has, &k->arena);
	for (uint32_t i = 0; i < n; i++)
		if (k->has[i]) {
			k->hashes[i] = index_hash(k->keys[i]);
			index_prefetch(s->index, k->hashes[i]);
		}
	rows_offer(s, k, chunk, n, file_of);
}

static void query(const struct plan_view *v, struct buf *b)
{
	buf_str(b, "SELECT ");
	for (uint32_t i = 0; i < v->nentity; i++) {
		duck_name(b, v->columns[i].name);
		buf_byte(b, ',');
	}
	buf_str(b, "epoch_us(event_time), epoch_us(known_at), "
	           "CAST(source_partition AS INTEGER), CAST(source_offset AS BIGINT), "
	           "CAST(file_index AS UBIGINT), CAST(file_row_number AS BIGINT)");
}

static void scratch_init(struct scratch *k)
{
	idx_t width = duckdb_vector_size();
	arena_init(&k->arena);
	k->keys = xcalloc(width, sizeof *k->keys);
	k->has = xcalloc(width, sizeof *k->has);
	k->hashes = xcalloc(width, sizeof *k->hashes);
}

static void scratch_release(struct scratch *k)
{
	arena_release(&k->arena);
	free(k->keys);
	free(k->has);
	free(k->hashes);
}

enum status pass_scan(struct pass *p, uint32_t i, struct train_index *x, struct error *e)
{
	struct scan s = {.pass = p, .view = &p->plan->views[i], .index = x};
	struct pass_reader reader = {query, chunk_offer, &s};
	uint32_t n;
	bool *pick = days_pick(p, s.view, &n);
	for (uint32_t k = 0; k < p->nreaders; k++)
		scratch_init(&s.scratch[k]);
	enum status st = n && x->nkeys ? pass_read(p, s.view, pick, &reader, e) : ST_OK;
	for (uint32_t k = 0; k < p->nreaders; k++)
		scratch_release(&s.scratch[k]);
	free(pick);
	return st;
}
