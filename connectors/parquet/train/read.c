// SPDX-License-Identifier: Apache-2.0
//
// Reading the export with several threads: each takes every n-th file through a connection of
// its own to a DuckDB without threads. DuckDB's own threads would leave the caller, who takes
// the chunks one by one, as the only one to work on them, and spinning while it waits.
#include "connectors/parquet/train/pass.h"

#include <pthread.h>
#include <stdlib.h>

struct share {
	struct pass *pass;
	const struct plan_view *view;
	const struct pass_reader *reader;
	uint32_t thread;
	bool *pick;
	uint32_t *file_of, nfiles; /* of the query's files: the view's */
	enum status status;
	struct error e;
};

static enum status share_read(struct share *s)
{
	struct buf b = {0};
	struct duck_stream in;
	duckdb_data_chunk chunk;
	struct duck *d = &s->pass->readers[s->thread];
	s->reader->query(s->view, &b);
	buf_str(&b, " FROM ");
	plan_files_sql(s->view, s->pick, &b);
	enum status st = duck_stream_open(d, buf_cstr(&b), "reading the export", &in, &s->e);
	while (st == ST_OK && (st = duck_stream_next(&in, &chunk, &s->e)) == ST_OK) {
		s->reader->chunk(s->reader->arg, s->thread, chunk, s->file_of);
		pass_progress(s->pass, duckdb_data_chunk_get_size(chunk));
		duckdb_destroy_data_chunk(&chunk);
	}
	duck_stream_close(&in);
	buf_release(&b);
	return st == ST_END ? ST_OK : st;
}

static void *share_run(void *arg)
{
	struct share *s = arg;
	s->status = s->nfiles ? share_read(s) : ST_OK;
	return NULL;
}

/* Files one after the other to the threads: a day's files are alike in size. */
static void share_out(struct share *s, uint32_t n, const bool *pick)
{
	const struct plan_view *v = s[0].view;
	uint32_t next = 0;
	for (uint32_t i = 0; i < n; i++) {
		s[i].pick = xcalloc(v->nfiles + 1, sizeof *s[i].pick);
		s[i].file_of = xcalloc(v->nfiles + 1, sizeof *s[i].file_of);
	}
	for (uint32_t i = 0; i < v->nfiles; i++) {
		struct share *at = &s[next % n];
		if (!pick[i])
			continue;
		at->pick[i] = true;
		at->file_of[at->nfiles++] = i;
		next++;
	}
}

enum status pass_read(struct pass *p, const struct plan_view *v, const bool *pick,
        const struct pass_reader *reader, struct error *e)
{
	uint32_t n = p->nreaders;
	struct share *s = xcalloc(n, sizeof *s);
	pthread_t *threads = xcalloc(n, sizeof *threads);
	bool *runs = xcalloc(n, sizeof *runs);
	enum status st = ST_OK;
	for (uint32_t i = 0; i < n; i++)
		s[i] = (struct share){.pass = p, .view = v, .reader = reader, .thread = i};
	share_out(s, n, pick);
	for (uint32_t i = 1; i < n; i++)
		runs[i] = pthread_create(&threads[i], NULL, share_run, &s[i]) == 0;
	for (uint32_t i = 0; i < n; i++)
		if (!runs[i]) /* the first, and those that the system has no thread for */
			share_run(&s[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (runs[i])
			pthread_join(threads[i], NULL);
		if (s[i].status && st == ST_OK) {
			*e = s[i].e;
			st = s[i].status;
		}
		free(s[i].pick);
		free(s[i].file_of);
	}
	free(runs);
	free(threads);
	free(s);
	return st;
}
