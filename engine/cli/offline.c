// SPDX-License-Identifier: Apache-2.0
//
// Looks for an entity in the offline topic. Which partition it lives in is known for
// repartitioned views only, so all are read; once a window holds a row, no other partition can.
// Windows do not overlap: each reads what lies before the last.
//
// What compaction would drop is no row, whether it has been dropped yet or not: a row whose key
// has a tombstone behind it, and the rows of a block behind which its key comes again. Such keys
// are remembered from window to window, newest first. In a window itself the newest row may turn
// out to be gone only when the window was read: then it is read again, now knowing.
#include "cli/offline.h"

#include <inttypes.h>
#include <string.h>

#include "base/key_map.h"
#include "base/log.h"
#include "cli/scan.h"
#include "data/avro.h"
#include "data/block.h"
#include "data/entity.h"

#define WINDOW_FIRST 10000
#define WINDOW_FIRST_BLOCKS 16 /* records of up to BLOCK_BYTES_MAX */
#define WINDOW_FACTOR 10
#define DROPS_MAX (1u << 21) /* records that drop others, remembered: 100 MB */
#define OPEN_MAX_MS 12000 /* an epoch's transaction ends by itself in 10 s: it is waited for */

void offline_found_init(struct offline_found *f)
{
	*f = (struct offline_found){0};
	arena_init(&f->arena);
}

void offline_found_release(struct offline_found *f)
{
	arena_release(&f->arena);
}

bool offline_row_read(const struct offline_query *q, struct slice row,
        struct offline_row *out, struct arena *a)
{
	struct slice own = arena_slice(a, row); /* texts point into it */
	struct reader r = reader_of(own);
	const struct field *f = q->plan->schema->fields;
	struct value v, *head[ROW_HEAD];
	struct value heads[ROW_HEAD];
	for (uint32_t i = 0; i < q->nentity; i++)
		avro_read(&r, &f[i].type, f[i].nullable, &v);
	f += q->nentity;
	for (uint32_t i = 0; i < ROW_HEAD; i++) {
		head[i] = &heads[i];
		avro_read(&r, &f[i].type, f[i].nullable, head[i]);
	}
	out->features = arena_calloc(a, q->nfeatures + 1, sizeof *out->features);
	for (uint32_t i = 0; i < q->nfeatures; i++)
		avro_read(
		        &r, &f[ROW_HEAD + i].type, f[ROW_HEAD + i].nullable, &out->features[i]);
	out->event_time = heads[0].i64;
	out->known_at = heads[1].i64;
	out->expiry = heads[2].null;
	out->src_partition = heads[2].null ? -1 : (int32_t)heads[2].i64;
	out->src_offset = heads[3].null ? -1 : heads[3].i64;
	return !r.failed && r.p == r.end;
}

struct search {
	const struct offline_query *q;
	struct slice prefix;   /* "<entity>|" */
	struct buf columns;    /* the entity's, as a row begins */
	struct buf row, event; /* Avro bytes of the newest so far */
	int64_t row_offset, event_offset;
	struct key_hash row_key, event_key; /* of their records */
	bool has_row, has_event;
	struct key_map last; /* where a key came last that drops what came before */
	struct error *e;
	bool failed;
};

/* "<entity>|<event_time>|x": time caused it. */
static bool key_expiry(struct slice key)
{
	return key.len > 2 && key.p[key.len - 1] == 'x' && key.p[key.len - 2] == '|';
}

static void row_note(struct search *s, struct slice row, struct key_hash key,
        int64_t offset, bool expiry)
{
	s->has_row = true;
	s->row.len = 0;
	buf_slice(&s->row, row);
	s->row_key = key;
	s->row_offset = offset;
	if (expiry)
		return;
	s->has_event = true;
	s->event.len = 0;
	buf_slice(&s->event, row);
	s->event_key = key;
	s->event_offset = offset;
}

/* False: there is no room to remember it. */
static bool drop_note(struct search *s, struct key_hash key, int64_t offset)
{
	int64_t last = key_map_get(&s->last, key);
	if (last != KEY_NONE || s->last.n < DROPS_MAX) {
		key_map_put(&s->last, key, offset > last ? offset : last);
		return true;
	}
	error_set(s->e, ERR_USER, 0,
	        "more than %u erased rows or blocks in the newest records of %s: give a smaller "
	        "--scan",
	        DROPS_MAX, s->q->plan->topic);
	s->failed = true;
	return false;
}

static bool dropped(const struct search *s, struct key_hash key, int64_t offset)
{
	return key_map_get(&s->last, key) > offset;
}

/* Behind the entity's columns and two times: whether there is no source position. */
static bool row_expiry(struct slice row, uint32_t entity_bytes)
{
	struct reader r = reader_of(row);
	reader_take(&r, entity_bytes);
	reader_varint(&r);
	reader_varint(&r);
	return reader_varint(&r) == 0;
}

/* The entity's rows of a block begin with its columns' bytes. */
static void block_look(
        struct search *s, const struct log_record *r, struct key_hash key)
{
	struct block_reader rows;
	struct slice row, entity = buf_view(&s->columns);
	block_read(&rows, block_unframe(r->value), s->q->plan->schema);
	enum status st;
	while ((st = block_next(&rows, &row)) == ST_OK)
		if (row.len > entity.len && !memcmp(row.p, entity.p, entity.len))
			row_note(s, row, key, r->offset, row_expiry(row, entity.len));
	if (st < 0)
		LOG_WARN("offline", "%s[%d]@%" PRId64 " is no whole block of rows: what follows in it is not seen",
		        s->q->plan->topic, (int)r->partition, r->offset);
}

static bool record_look(void *arg, const struct log_record *r)
{
	struct search *s = arg;
	if (!r->has_key)
		return true;
	/* A block's key may begin as the entity's rows' do. */
	bool block = block_key_is(r->key);
	if (!block && (r->key.len < s->prefix.len ||
	                      memcmp(r->key.p, s->prefix.p, s->prefix.len) != 0))
		return true;
	struct key_hash key = key_hash_of(r->key, (uint64_t)r->partition);
	/* The same row written again is that row: only rows that were erased have to be known. */
	if ((block || !r->has_value) && !drop_note(s, key, r->offset))
		return false;
	if (!r->has_value || dropped(s, key, r->offset))
		return true;
	if (block)
		block_look(s, r, key);
	else
		row_note(s, block_unframe(r->value), key, r->offset, key_expiry(r->key));
	return true;
}

static enum status found(
        struct search *s, int32_t partition, struct offline_found *out, struct error *e)
{
	if (!offline_row_read(s->q, buf_view(&s->row), &out->row, &out->arena))
		return error_set(e, ERR_FATAL, 0,
		        "%s[%d]@%lld is not a row of the deployed definition",
		        s->q->plan->topic, (int)partition, (long long)s->row_offset);
	out->row.partition = out->event.partition = partition;
	out->row.offset = s->row_offset;
	out->event.offset = s->event_offset;
	out->has_event = s->has_event &&
	                 offline_row_read(s->q, buf_view(&s->event), &out->event, &out->arena);
	return ST_OK;
}

struct bounds {
	int64_t begin, end;
};

static enum status range_read(struct search *s, int32_t partition, int64_t from, int64_t to,
        struct offline_found *out, struct error *e)
{
	const struct offline_query *q = s->q;
	struct scan_range scan = {.log = q->log,
	        .tail_ms = OPEN_MAX_MS,
	        .broker = q->broker,
	        .clock = q->clock,
	        .topic = q->plan->topic,
	        .partition = partition,
	        .from = from,
	        .to = to,
	        .each = record_look,
	        .arg = s};
	if (scan_range(&scan, e) || s->failed)
		return ST_ERR;
	if (scan.reached < to && !out->is_cut) {
		out->is_cut = true;
		scan_cut(&scan, &out->cut);
	}
	return ST_OK;
}

/* A partition's part of a window: again, if what was found in it is dropped further on. */
static enum status part_search(struct search *s, int32_t partition, int64_t from, int64_t to,
        struct offline_found *out, struct error *e)
{
	if (range_read(s, partition, from, to, out, e))
		return ST_ERR;
	if (!(s->has_row && dropped(s, s->row_key, s->row_offset)) &&
	        !(s->has_event && dropped(s, s->event_key, s->event_offset)))
		return ST_OK;
	s->has_row = s->has_event = false;
	return range_read(s, partition, from, to, out, e);
}

/* One window of every partition. ST_END: not in it. */
static enum status window_search(struct search *s, const struct bounds *b, int32_t n,
        int64_t near, int64_t far, struct offline_found *out, struct error *e)
{
	for (int32_t p = 0; p < n; p++) {
		int64_t from = b[p].end - far > b[p].begin ? b[p].end - far : b[p].begin;
		out->all &= from == b[p].begin;
		if (part_search(s, p, from, b[p].end - near, out, e))
			return ST_ERR;
		if (s->has_row)
			return found(s, p, out, e);
	}
	return ST_END;
}

static enum status search(struct search *s, const struct bounds *b, int32_t n,
        struct offline_found *out, struct error *e)
{
	int64_t near = 0;
	bool blocks = s->q->plan->record != s->q->plan->schema;
	for (int64_t far = blocks ? WINDOW_FIRST_BLOCKS : WINDOW_FIRST;; far *= WINDOW_FACTOR) {
		far = far > s->q->scan ? s->q->scan : far;
		out->scanned = far;
		out->all = true;
		enum status st = window_search(s, b, n, near, far, out, e);
		if (st != ST_END || out->all || far == s->q->scan)
			return st;
		near = far;
	}
}

/* An entity that is no name of one has no rows. */
static bool columns_write(struct search *s, struct arena *a)
{
	const struct offline_query *q = s->q;
	struct value *v = arena_calloc(a, q->nentity, sizeof *v);
	if (!entity_read(slice_of(q->entity), q->plan->entity_types, q->nentity, v, a))
		return false;
	for (uint32_t i = 0; i < q->nentity; i++)
		avro_write(&s->columns, q->plan->entity_types[i], false, &v[i]);
	return true;
}

enum status offline_find(
        const struct offline_query *q, struct offline_found *out, struct error *e)
{
	struct log_topic_info info;
	if (q->log->topic_info(q->broker, q->plan->topic, &info, e))
		return ST_ERR;
	struct bounds *b = arena_calloc(&out->arena, (size_t)info.partitions + 1, sizeof *b);
	for (int32_t p = 0; p < info.partitions; p++)
		if (q->log->bounds(q->broker, q->plan->topic, p, &b[p].begin, &b[p].end, e))
			return ST_ERR;
	struct search s = {
	        .q = q, .prefix = slice_of(arena_printf(&out->arena, "%s|", q->entity)), .e = e};
	out->all = !columns_write(&s, &out->arena);
	enum status st = out->all ? ST_END : search(&s, b, info.partitions, out, e);
	buf_release(&s.columns);
	buf_release(&s.row);
	buf_release(&s.event);
	key_map_release(&s.last);
	return st;
}
