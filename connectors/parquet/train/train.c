// SPDX-License-Identifier: Apache-2.0
//
// The run: two databases (one gives the spine and takes the output, in order; one reads the
// export, in any order), the plan, passes, the manifest.
//
// Memory: five eighths for a pass's rows, indexes and values, three sixteenths for reading the
// export, as much for the spine and the output, or what a row group of the output needs: that
// comes out of the pass's part. What a pass does not hold is the next pass's, at the price of
// going over the export again.
#include "connectors/parquet/train/train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/parquet/files.h"
#include "connectors/parquet/train/record.h"
#include "connectors/parquet/train/write.h"

#define PASS_ROWS_MIN 4096
#define DUCK_BYTES_MIN ((uint64_t)64 << 20)
#define WRITER_BYTES ((uint64_t)16 << 20) /* what it encodes, beside its row group */

struct train {
	struct train_conf conf;
	struct train_result *result;
	struct record record;
	bool again;
	struct plan plan;
	struct duck readers[PASS_THREADS_MAX], writer; /* readers are of one database */
	struct spine spine;
	struct pass pass;
	struct leak leak;
};

static uint32_t threads(const struct train_conf *c)
{
	long n = c->threads ? (long)c->threads : sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > PASS_THREADS_MAX ? PASS_THREADS_MAX : (uint32_t)n;
}

/* Without threads: its callers are the threads. */
static enum status duck_start(
        struct train *t, struct duck *d, uint64_t memory, const char *spill, struct error *e)
{
	char dir[FILES_PATH_MAX];
	const struct train_conf *c = &t->conf;
	if (files_path(dir, e, "%s.%s", c->out ? c->out : c->spine, spill) ||
	        duck_open(d, memory, 1, dir, e))
		return ST_ERR;
	return duck_run(d, "SET TimeZone = 'UTC'", "opening DuckDB", e);
}

static uint64_t duck_part(const struct train *t)
{
	uint64_t part = t->conf.memory_bytes / 16 * 3;
	return part < DUCK_BYTES_MIN ? DUCK_BYTES_MIN : part;
}

/* What the writer needs above its part, now that the columns are known. */
static enum status writer_grow(struct train *t, uint64_t *more, struct error *e)
{
	uint64_t part = duck_part(t);
	uint64_t need = WRITE_GROUP_ROWS * pass_output_bytes(&t->plan) * 2 + WRITER_BYTES;
	*more = need > part ? need - part : 0;
	return *more ? duck_memory(&t->writer, need, e) : ST_OK;
}

static enum status ducks_open(struct train *t, struct error *e)
{
	uint64_t part = duck_part(t);
	if (duck_start(t, &t->readers[0], part, "spill-in", e) ||
	        duck_unordered(&t->readers[0], e) ||
	        duck_start(t, &t->writer, part, "spill-out", e))
		return ST_ERR;
	t->pass.nreaders = threads(&t->conf);
	for (uint32_t i = 1; i < t->pass.nreaders; i++) {
		if (duckdb_connect(t->readers[0].db, &t->readers[i].conn) == DuckDBError)
			return error_set(e, ERR_FATAL, 0, "DuckDB gives no connection");
		if (duck_run(&t->readers[i], "SET TimeZone = 'UTC'", "opening DuckDB", e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status passes_open(struct train *t, struct error *e)
{
	uint64_t part = t->conf.memory_bytes / 8 * 5, more;
	if (writer_grow(t, &more, e))
		return ST_ERR;
	uint64_t rows = (part > more ? part - more : 0) / pass_row_bytes(&t->plan);
	t->pass = (struct pass){.plan = &t->plan,
	        .readers = t->readers,
	        .nreaders = t->pass.nreaders,
	        .spine = &t->spine,
	        .result = t->result,
	        .rows_max = rows > UINT32_MAX / 2  ? UINT32_MAX / 2
	                    : rows < PASS_ROWS_MIN ? PASS_ROWS_MIN
	                                           : (uint32_t)rows};
	for (uint32_t i = 0; i < t->plan.nviews; i++)
		t->result->offline_rows += t->plan.views[i].rows;
	t->pass.total = 2 * (int64_t)t->result->offline_rows;
	if (spine_open(&t->spine, &t->plan, &t->writer, e) || pass_init(&t->pass, e))
		return ST_ERR;
	leak_init(&t->leak, &t->pass);
	return ST_OK;
}

static void counts_init(struct train *t)
{
	struct train_result *r = t->result;
	r->nviews = t->plan.nviews;
	r->views = arena_calloc(&r->arena, r->nviews + 1, sizeof *r->views);
	r->columns = t->plan.nspine;
	for (uint32_t i = 0; i < r->nviews; i++) {
		const struct plan_view *v = &t->plan.views[i];
		r->views[i] =
		        (struct train_view_counts){.view = arena_strdup(&r->arena, v->name),
		                .version = v->version,
		                .ttl_ms = v->ttl_ms};
		r->features += v->nfeatures;
		r->columns += v->nfeatures + 1;
	}
}

static enum status explained(const struct train *t, struct error *e)
{
	if (t->conf.explain < 0 || t->result->norigins)
		return ST_OK;
	return error_set(e, ERR_USER, 0,
	        "the spine has no row %" PRId64 ": it has %" PRIu64 ", the first is 0",
	        t->conf.explain, t->spine.rows);
}

static enum status rows_write(struct train *t, struct error *e)
{
	struct train_result *r = t->result;
	uint64_t bytes;
	if (write_hash(t->conf.spine, r->spine_hash, &bytes, e))
		return ST_ERR;
	if (!t->conf.out)
		return write_nothing(&t->pass, e) ? ST_ERR : explained(t, e);
	if (write_rows(&t->writer, &t->pass, &t->leak, t->conf.out, e))
		return ST_ERR;
	leak_judge(&t->leak, r);
	if (explained(t, e) || write_visible(t->conf.out, e) ||
	        write_hash(t->conf.out, r->out_hash, &r->bytes, e))
		return ST_ERR;
	r->out = arena_strdup(&r->arena, t->conf.out);
	return record_write(&t->plan, r, e);
}

// ---- again ----

static enum status again_read(struct train *t, const struct train_conf *given, struct error *e)
{
	if (record_read(given->again, t->plan.arena, &t->record, e))
		return ST_ERR;
	t->again = true;
	t->conf = t->record.conf;
	t->conf.memory_bytes = given->memory_bytes;
	t->conf.threads = given->threads;
	t->conf.weir = given->weir;
	t->conf.arg = given->arg;
	t->conf.progress = given->progress;
	if (given->spine)
		t->conf.spine = given->spine;
	if (given->data)
		t->conf.data = given->data;
	if (given->out)
		t->conf.out = given->out;
	return ST_OK;
}

static enum status spine_compare(struct train *t, struct error *e)
{
	struct train_result *r = t->result;
	uint64_t bytes;
	if (!t->again)
		return ST_OK;
	if (write_hash(t->conf.spine, r->spine_hash, &bytes, e))
		return ST_ERR;
	if (strcmp(r->spine_hash, t->record.spine_hash) != 0)
		record_change(r, "the spine %s is another: its hash is %s, it was %s",
		        t->conf.spine, r->spine_hash, t->record.spine_hash);
	return ST_OK;
}

/* The rows are the same ones, and yet. */
static void bytes_compare(struct train *t)
{
	struct train_result *r = t->result;
	if (!t->again || strcmp(r->out_hash, t->record.out_hash) == 0)
		return;
	if (strcmp(t->record.weir, t->conf.weir) != 0)
		record_change(r, "weir is %s, it was %s: %s holds the same rows in other bytes",
		        t->conf.weir, t->record.weir, t->conf.out);
	else
		record_change(r,
		        "%s has other bytes, from what look like the same rows: a file of the "
		        "export was changed by hand",
		        t->conf.out);
}

// ---- the whole ----

static enum status run(struct train *t, struct error *e)
{
	if (ducks_open(t, e) || plan_make(&t->plan, &t->readers[0], e) || spine_compare(t, e))
		return ST_ERR;
	if (t->again) {
		record_restrict(&t->record, &t->plan, t->result);
		plan_files_again(&t->plan);
		if (t->result->nchanges)
			return ST_END;
	}
	counts_init(t);
	if (passes_open(t, e) || rows_write(t, e))
		return ST_ERR;
	bytes_compare(t);
	return t->result->nchanges ? ST_END : ST_OK;
}

static void release(struct train *t)
{
	leak_release(&t->leak);
	pass_release(&t->pass);
	spine_close(&t->spine);
	for (uint32_t i = PASS_THREADS_MAX; i-- > 0;)
		duck_close(&t->readers[i]);
	duck_close(&t->writer);
	plan_release(&t->plan);
	record_release(&t->record);
	free(t);
}

enum status train_run(const struct train_conf *conf, struct train_result *out, struct error *e)
{
	struct train *t = xcalloc(1, sizeof *t);
	struct arena arena;
	arena_init(&arena);
	*out = (struct train_result){0};
	arena_init(&out->arena);
	t->conf = *conf;
	t->result = out;
	t->plan.arena = &arena;
	t->plan.conf = &t->conf;
	t->pass.plan = &t->plan;
	enum status st = conf->again ? again_read(t, conf, e) : ST_OK;
	if (st == ST_OK)
		st = run(t, e);
	release(t);
	arena_release(&arena);
	return st;
}

void train_result_release(struct train_result *r)
{
	arena_release(&r->arena);
}
