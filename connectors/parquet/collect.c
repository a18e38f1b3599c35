// SPDX-License-Identifier: Apache-2.0
//
// Collecting a batch. Records go through in runs of one writer's schema, so that each is
// decoded by columns. Not here: rows that were written twice and fell into two batches. They
// stand in two files and equal each other, so the point-in-time join may take either.
#include "connectors/parquet/collect_inside.h"

#include <inttypes.h>
#include <stdlib.h>

#include "connectors/parquet/vectors.h"
#include "data/avro.h"
#include "data/block.h"

#define VALUE_BYTES_MAX (16u << 20)

static void batch_close(struct collect *c)
{
	c->nulled += c->table.nulled;
	table_close(&c->table);
	if (c->decoder)
		c->conf->avro->decoder_free(c->decoder);
	free(c->cols);
	arena_reset(&c->schema_arena);
	c->decoder = NULL;
	c->cols = NULL;
	c->open = c->blocks = false;
	c->rows = 0;
	c->bytes = 0;
	key_map_clear(&c->keys);
}

void collect_release(struct collect *c)
{
	batch_close(c);
	key_map_release(&c->keys);
	arena_release(&c->arena);
	arena_release(&c->schema_arena);
	buf_release(&c->key);
}

// ---- writers ----

static uint64_t big_endian(const uint8_t *p, int n)
{
	uint64_t v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* False: the value has no frame. */
static bool writer_of(struct slice v, struct writer *out)
{
	if (v.len >= AVRO_SINGLE_OBJECT_BYTES && v.p[0] == 0xc3 && v.p[1] == 0x01) {
		*out = (struct writer){false, __builtin_bswap64(big_endian(v.p + 2, 8))};
		return true;
	}
	if (v.len >= AVRO_REGISTRY_BYTES && v.p[0] == 0) {
		*out = (struct writer){true, big_endian(v.p + 1, 4)};
		return true;
	}
	return false;
}

static bool same_writer(const struct writer *a, const struct writer *b)
{
	return a->by_id == b->by_id && a->key == b->key;
}

static enum status no_schema(
        const struct collect *c, const struct writer *w, const char *why, struct error *e)
{
	const char *colon = *why ? ": " : "";
	if (w->by_id)
		return error_set(e, ERR_FATAL, 0,
		        "rows of %s have schema id %" PRIu64 ", which is not known%s%s",
		        c->topic, w->key, colon, why);
	return error_set(e, ERR_FATAL, 0,
	        "rows of %s have schema fingerprint %016" PRIx64
	        ", which is not in %s.schemas%s%s",
	        c->topic, w->key, c->conf->prefix, colon, why);
}

/* Of rows, or (c->blocks) of the rows in blocks. */
static enum status schema_of(
        struct collect *c, const struct writer *w, const struct schema **out, struct error *e)
{
	const struct schema_source *s = c->conf->schemas;
	struct error why = {0};
	enum status st = ST_END;
	if (w->by_id && s->by_id)
		st = s->by_id(s->arg, (uint32_t)w->key, out, &why);
	else if (!w->by_id && s->by_fingerprint)
		st = s->by_fingerprint(s->arg, w->key, out, &why);
	if (st == ST_END)
		return no_schema(c, w, why.msg, e);
	*e = why;
	struct schema *row;
	if (st == ST_OK && (st = block_row_schema(&c->schema_arena, *out, &row, e)) == ST_OK) {
		c->blocks = true;
		*out = row;
	}
	st = st == ST_END ? ST_OK : st;
	if (st == ST_OK && table_entity_columns(*out) < 0)
		return error_set(e, ERR_FATAL, 0,
		        "rows of %s have schema %s: not a view's rows", c->topic, (*out)->name);
	return st;
}

static enum status batch_open(struct collect *c, const struct writer *w, struct error *e)
{
	const struct schema *schema;
	if (schema_of(c, w, &schema, e))
		return ST_ERR;
	bool *wanted = xmalloc(schema->nfields);
	memset(wanted, true, schema->nfields);
	struct decoder_conf dc = {.schema = schema,
	        .wanted = wanted,
	        .schemas = c->blocks ? NULL : c->conf->schemas, /* its rows have no frames */
	        .value_bytes_max = VALUE_BYTES_MAX};
	c->writer = *w;
	c->open = true;
	c->schema = schema;
	c->cols = xcalloc(schema->nfields, sizeof *c->cols);
	c->row_bytes = vector_row_bytes(schema);
	enum status st = c->conf->avro->decoder_new(&dc, &c->decoder, e);
	if (st == ST_OK)
		st = table_open(&c->table, c->duck, schema, e);
	free(wanted);
	return st;
}

// ---- records ----

enum status collect_bad(const struct collect *c, int64_t offset, const char *why,
        const char *detail, struct error *e)
{
	return error_set(e, ERR_FATAL, 0,
	        "%s[%" PRId32 "]@%" PRId64 " is no row of the view: %s%s%s", c->topic,
	        c->partition, offset, why, detail ? ": " : "", detail ? detail : "");
}

/* The earlier row of the same key, in this batch, gives way. */
static void key_note(struct collect *c, const struct log_record *r, struct key_hash h)
{
	int64_t before = key_map_put(&c->keys, h, r->has_value ? r->offset : KEYS_GONE);
	if (before < 0)
		return;
	c->superseded++;
	table_drop(&c->table, before);
}

/* A record without a key stands for itself. */
static void keys_take(struct collect *c, const struct log_record *records, uint32_t n)
{
	struct key_hash hashes[BATCH_ROWS_MAX];
	key_map_reserve(&c->keys, n);
	for (uint32_t i = 0; i < n; i++)
		if (records[i].has_key) {
			hashes[i] = key_hash_of(records[i].key, 0);
			key_map_fetch(&c->keys, hashes[i]);
		}
	for (uint32_t i = 0; i < n; i++)
		if (records[i].has_key)
			key_note(c, &records[i], hashes[i]);
}

enum status collect_rows(struct collect *c, const struct slice *values, const int64_t *offsets,
        uint32_t n, struct error *e)
{
	struct bad_record bad[BATCH_ROWS_MAX];
	uint32_t at;
	for (uint32_t i = 0; i < n; i++)
		c->bytes += c->row_bytes + values[i].len;
	arena_reset(&c->arena);
	if (c->conf->avro->decode(c->decoder, values, n, c->cols, bad, &c->arena, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n; i++)
		if (bad[i].bad)
			return collect_bad(
			        c, offsets[i], bad_reason[bad[i].bad], bad[i].detail, e);
	if (table_add(&c->table, c->cols, offsets, n, &at, e))
		return error_context(
		        e, "%s[%" PRId32 "]@%" PRId64, c->topic, c->partition, offsets[at]);
	c->rows += n;
	return ST_OK;
}

static enum status run_add(
        struct collect *c, const struct log_record *records, uint32_t n, struct error *e)
{
	struct slice values[BATCH_ROWS_MAX];
	int64_t offsets[BATCH_ROWS_MAX];
	for (uint32_t i = 0; i < n; i++) {
		values[i] = records[i].value;
		offsets[i] = records[i].offset;
	}
	if (collect_rows(c, values, offsets, n, e))
		return ST_ERR;
	keys_take(c, records, n);
	return ST_OK;
}

bool collect_is_full(const struct collect *c)
{
	return c->rows >= c->rows_max || c->bytes >= c->bytes_max;
}

/* How many of the records, from the first on, are rows by w. */
static uint32_t run_length(
        const struct collect *c, const struct log_record *r, uint32_t n, const struct writer *w)
{
	uint32_t i = 0, room = c->rows_max - c->rows;
	struct writer other;
	while (i < n && i < room && r[i].has_value && writer_of(r[i].value, &other) &&
	        same_writer(&other, w))
		i++;
	return i;
}

enum status collect_add(struct collect *c, const struct log_record *records, uint32_t n,
        uint32_t *taken, struct error *e)
{
	struct writer w;
	for (*taken = 0; *taken < n && !collect_is_full(c);) {
		const struct log_record *r = &records[*taken];
		if (!r->has_value) {
			c->tombstones++;
			if (c->blocks)
				collect_block_gone(c, r);
			else
				keys_take(c, r, 1);
			++*taken;
			continue;
		}
		if (!writer_of(r->value, &w))
			return collect_bad(c, r->offset,
			        "it has neither a single-object nor a registry frame", NULL, e);
		if (c->open && !same_writer(&c->writer, &w))
			return ST_OK;
		if (!c->open && batch_open(c, &w, e))
			return ST_ERR;
		uint32_t run = run_length(c, r, n - *taken, &w);
		if (c->blocks ? collect_blocks(c, r, run, &run, e) : run_add(c, r, run, e))
			return ST_ERR;
		*taken += run;
	}
	return ST_OK;
}

enum status collect_write(struct collect *c, const struct table_out *out, struct error *e)
{
	enum status st = ST_OK;
	if (c->open)
		st = table_write(&c->table, out, e);
	batch_close(c);
	return st;
}
