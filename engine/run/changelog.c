// SPDX-License-Identifier: Apache-2.0
//
// The rolling snapshot's invariant: every row that the state has is in the log at or after
// floor, once the cursor has passed all. At the floor the store was the fold of the log up to
// it. A row that changed since is in the log after it and is left out here; one that did not
// change is in the store as it stands, and is written when the cursor comes by.
#include "run/changelog.h"

#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "run/worker.h"
#include "state/pack.h"

/* A snapshot begins when the log has this much (unless told otherwise), and so many times the
 * state beside. It takes as many bytes an epoch as changes do: the log stays below twice this.
 */
#define SNAPSHOT_MIN_BYTES (UINT64_C(64) << 20)
#define SNAPSHOT_STATES 3
#define SNAPSHOT_SLICE_MIN 16384
#define SNAPSHOT_PAGE_MIN 256 /* rows of one reading, which looks into every file of the store */
#define SNAPSHOT_PAGE_MAX 2048
#define SPACES_MAX JOB_VIEWS_MAX /* of one block */

/* -- writing -- */

struct block_writer {
	struct task *task;
	struct buf *buf; /* the worker's */
	uint32_t *
	        numbers; /* per space of the task: its number in this block; 0: not named yet */
	uint32_t named;
	uint64_t bytes; /* of all rows so far */
	uint32_t rows;
};

static enum status block_send(struct block_writer *w, struct error *e)
{
	static const uint8_t key = CHANGELOG_BLOCK;
	struct task *t = w->task;
	struct slice value = buf_view(w->buf);
	if (!w->named)
		return ST_OK;
	enum status st = worker_append(t->worker, t->changelog, t->partition,
	        (struct slice){&key, 1}, &value, NULL, 0, e);
	memset(w->numbers, 0, t->nspaces * sizeof *w->numbers);
	w->named = 0;
	w->buf->len = 0;
	return st;
}

static void space_write(struct block_writer *w, uint32_t space)
{
	if (w->numbers[space]) {
		buf_varint(w->buf, w->numbers[space]);
		return;
	}
	w->numbers[space] = ++w->named;
	buf_varint(w->buf, 0);
	buf_bytes(w->buf, w->task->spaces[space].name);
}

static enum status row_write(struct block_writer *w, uint32_t space, struct slice entity,
        struct slice row, struct error *e)
{
	if (!w->named)
		buf_byte(w->buf, CHANGELOG_FORMAT);
	size_t from = w->buf->len;
	space_write(w, space);
	buf_bytes(w->buf, entity);
	buf_varint(w->buf, row.p ? (int64_t)row.len + 1 : 0);
	buf_slice(w->buf, row);
	w->bytes += w->buf->len - from;
	w->rows++;
	return w->buf->len >= CHANGELOG_BLOCK_BYTES ? block_send(w, e) : ST_OK;
}

static enum status change_write(
        void *arg, uint32_t space, struct entry *en, struct slice row, struct error *e)
{
	return row_write(arg, space, entry_entity(en), row, e);
}

/* -- the rolling snapshot -- */

static enum status snapshot_row(
        void *arg, struct slice entity, struct slice row, struct error *e)
{
	struct block_writer *w = arg;
	return row_write(w, w->task->next.snapshot.space, entity, row, e);
}

static void cursor_note(const struct buf *cursor, struct marker_snapshot *s)
{
	s->cursor_len =
	        cursor->len < MARKER_CURSOR_MAX ? (uint32_t)cursor->len : MARKER_CURSOR_MAX;
	if (s->cursor_len)
		memcpy(s->cursor, cursor->p, s->cursor_len);
}

static void snapshot_start(struct task *t, struct marker_snapshot *s)
{
	struct marker flushed;
	int64_t position;
	uint64_t min = t->worker->conf.changelog_bytes_min;
	struct slice meta = table_flushed_meta(t->table);
	min = min ? min : SNAPSHOT_MIN_BYTES;
	if (s->log_bytes < min + SNAPSHOT_STATES * s->state_bytes || !meta.len ||
	        !store_meta_read(meta, &position, &flushed))
		return;
	s->floor = position;
	s->tail_bytes = s->done_bytes = 0;
	s->space = s->cursor_len = 0;
	t->snapshot_cursor.len = 0;
}

/* All rows have come by. */
static void snapshot_finish(struct task *t, struct marker_snapshot *s)
{
	t->next_trim = s->floor;
	s->log_bytes = s->tail_bytes;
	s->state_bytes = s->done_bytes;
	s->floor = -1;
	s->space = s->cursor_len = 0;
}

/* As many rows as the bytes are, going by the page before. */
static uint32_t snapshot_page(const struct task *t, uint64_t bytes)
{
	uint64_t rows = t->snapshot_row_bytes ? bytes / t->snapshot_row_bytes : 0;
	return rows < SNAPSHOT_PAGE_MIN   ? SNAPSHOT_PAGE_MIN
	       : rows > SNAPSHOT_PAGE_MAX ? SNAPSHOT_PAGE_MAX
	                                  : (uint32_t)rows;
}

static enum status snapshot_slice(
        struct task *t, struct block_writer *w, uint64_t budget, struct error *e)
{
	struct marker_snapshot *s = &t->next.snapshot;
	uint64_t until = w->bytes + budget, from = w->bytes;
	struct arena page = {0};
	enum status st = ST_OK;
	while (st >= 0 && w->bytes < until && s->space < t->nspaces) {
		uint64_t before = w->bytes;
		uint32_t rows = w->rows;
		arena_reset(&page);
		st = table_snapshot(t->table, s->space, &t->snapshot_cursor,
		        snapshot_page(t, until - w->bytes), snapshot_row, w, &page, e);
		if (w->rows > rows)
			t->snapshot_row_bytes = 1 + (w->bytes - before) / (w->rows - rows);
		if (st == ST_END) {
			s->space++;
			t->snapshot_cursor.len = 0;
		}
	}
	arena_release(&page);
	s->done_bytes += w->bytes - from;
	return st < 0 ? ST_ERR : ST_OK;
}

static enum status snapshot_step(struct task *t, struct block_writer *w, struct error *e)
{
	struct marker_snapshot *s = &t->next.snapshot;
	uint64_t changed = w->bytes;
	if (!t->store)
		return ST_OK;
	if (s->floor < 0)
		snapshot_start(t, s);
	if (s->floor >= 0 &&
	        snapshot_slice(
	                t, w, changed > SNAPSHOT_SLICE_MIN ? changed : SNAPSHOT_SLICE_MIN, e))
		return ST_ERR;
	s->log_bytes += w->bytes;
	s->tail_bytes += w->bytes;
	if (s->floor < 0)
		return ST_OK;
	cursor_note(&t->snapshot_cursor, s);
	if (s->space == t->nspaces)
		snapshot_finish(t, s);
	return ST_OK;
}

static enum status marker_send(struct task *t, struct error *e)
{
	static const uint8_t key = CHANGELOG_MARKER;
	struct buf *b = &t->worker->block;
	b->len = 0;
	marker_write(&t->next, b);
	struct slice value = buf_view(b);
	return worker_append(t->worker, t->changelog, t->partition, (struct slice){&key, 1},
	        &value, NULL, 0, e);
}

enum status changelog_epoch(struct task *t, struct error *e)
{
	struct block_writer w = {.task = t, .buf = &t->worker->block};
	w.numbers = arena_calloc(&t->worker->batch, t->nspaces + 1, sizeof *w.numbers);
	w.buf->len = 0;
	t->next_trim = -1;
	if (failpoint(FP_EPOCH_CHANGELOG, e) || table_changes(t->table, change_write, &w, e) ||
	        snapshot_step(t, &w, e) || block_send(&w, e) || failpoint(FP_EPOCH_MARKER, e))
		return ST_ERR;
	return marker_send(t, e);
}

void changelog_committed(struct task *t)
{
	if (t->next_trim >= 0)
		t->trim = t->next_trim;
	t->next_trim = -1;
}

void changelog_abandoned(struct task *t)
{
	const struct marker_snapshot *s = &t->marker.snapshot;
	t->next_trim = -1;
	t->snapshot_cursor.len = 0;
	buf_slice(&t->snapshot_cursor, (struct slice){s->cursor, s->cursor_len});
}

void changelog_trim(struct task *t)
{
	const struct worker_conf *c = &t->worker->conf;
	struct error e;
	if (t->trim < 0)
		return;
	failpoint_at(FP_CHANGELOG_TRIM);
	if (c->log->delete_before(c->broker, t->stage->changelog, t->partition, t->trim, &e))
		LOG_WARN("changelog", "%s[%d]: deleting what a snapshot replaced: %s",
		        t->stage->changelog, (int)t->partition, e.msg);
	failpoint_at(FP_CHANGELOG_TRIMMED);
	t->trim = -1; /* the next one takes it along */
}

/* -- reading -- */

static struct slice space_read(struct reader *r, struct slice *names, uint32_t *n)
{
	int64_t number = reader_varint(r);
	if (number == 0 && *n < SPACES_MAX)
		return names[(*n)++] = reader_bytes(r);
	if (number < 1 || number > *n) {
		r->failed = true;
		return (struct slice){NULL, 0};
	}
	return names[number - 1];
}

static struct slice row_read(struct reader *r)
{
	int64_t len = reader_varint(r);
	if (len < 0 || len - 1 > r->end - r->p)
		r->failed = true;
	if (r->failed || !len)
		return (struct slice){NULL, 0};
	return reader_take(r, (size_t)len - 1);
}

enum status changelog_rows(struct slice block,
        enum status (*fn)(void *arg, const struct changelog_row *row, struct error *e),
        void *arg, struct error *e)
{
	struct slice names[SPACES_MAX];
	struct reader r = reader_of(block);
	uint32_t n = 0;
	uint8_t format = reader_byte(&r);
	if (r.failed || format != CHANGELOG_FORMAT)
		return error_set(e, ERR_FATAL, 0, "a block of format %u, this weir reads %u",
		        format, CHANGELOG_FORMAT);
	while (r.p < r.end) {
		struct changelog_row row;
		row.space = space_read(&r, names, &n);
		row.entity = reader_bytes(&r);
		row.row = row_read(&r);
		if (r.failed || (row.row.p && !pack_check(row.row)))
			return error_set(e, ERR_FATAL, 0, "a damaged block");
		if (fn(arg, &row, e))
			return ST_ERR;
	}
	return ST_OK;
}
