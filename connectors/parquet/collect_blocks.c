// SPDX-License-Identifier: Apache-2.0
//
// Blocks of rows (data/block.h) into a batch, decoded by columns. A block that comes again under its key takes the place of the one
// before it, with all of its rows; a row that comes again in another block takes the place of
// that row, as it would under a key of its own.
#include "connectors/parquet/collect_inside.h"
#include "data/avro.h"
#include "data/block.h"

/* Rows of a block that wait to be decoded together. */
struct gather {
	struct slice values[BATCH_ROWS_MAX];
	int64_t offsets[BATCH_ROWS_MAX];
	uint32_t n;
};

/* What is in a row's key: the entity, the event time, the source's position. They are a row's
 * first fields, but for the time in between at which it became known. No block's key begins so. */
static struct slice row_key(struct collect *c, struct slice row)
{
	const struct field *f = c->schema->fields;
	uint32_t nentity = c->table.nentity;
	struct reader r = reader_of(row);
	struct value ignored;
	for (uint32_t i = 0; i <= nentity; i++)
		avro_read(&r, &f[i].type, f[i].nullable, &ignored);
	const uint8_t *known = r.p;
	avro_read(&r, &f[nentity + 1].type, f[nentity + 1].nullable, &ignored);
	const uint8_t *source = r.p;
	for (uint32_t i = nentity + 2; i < nentity + 4; i++)
		avro_read(&r, &f[i].type, f[i].nullable, &ignored);
	c->key.len = 0;
	buf_byte(&c->key, 0);
	buf_add(&c->key, row.p, (size_t)(known - row.p));
	buf_add(&c->key, source, (size_t)(r.p - source));
	return buf_view(&c->key);
}

/* The rows from number first on have been added. */
static void row_keys_note(struct collect *c, const struct gather *g, uint32_t first)
{
	struct key_hash hashes[BATCH_ROWS_MAX];
	key_map_reserve(&c->keys, g->n);
	for (uint32_t i = 0; i < g->n; i++) {
		hashes[i] = key_hash_of(row_key(c, g->values[i]), 0);
		key_map_fetch(&c->keys, hashes[i]);
	}
	for (uint32_t i = 0; i < g->n; i++) {
		int64_t before = key_map_put(&c->keys, hashes[i], first + i);
		if (before >= 0)
			c->superseded += table_drop_row(&c->table, (uint32_t)before);
	}
}

static enum status gather_end(struct collect *c, struct gather *g, struct error *e)
{
	uint32_t first = c->rows;
	if (collect_rows(c, g->values, g->offsets, g->n, e))
		return ST_ERR;
	row_keys_note(c, g, first);
	g->n = 0;
	return ST_OK;
}

/* first is the number of the block's first row, or KEYS_GONE. */
static void block_key_note(struct collect *c, const struct log_record *r, int64_t first)
{
	if (!r->has_key)
		return;
	int64_t before = key_map_put(&c->keys, key_hash_of(r->key, 0), first);
	if (before >= 0)
		c->superseded += table_drop_block(&c->table, (uint32_t)before);
}

void collect_block_gone(struct collect *c, const struct log_record *r)
{
	block_key_note(c, r, KEYS_GONE);
}

static enum status block_add(
        struct collect *c, struct gather *g, const struct log_record *record, struct error *e)
{
	struct block_reader r;
	int64_t first = c->rows + g->n;
	enum status st;
	struct slice row;
	block_read(&r, block_unframe(record->value), c->schema);
	while ((st = block_next(&r, &row)) == ST_OK) {
		g->values[g->n] = row;
		g->offsets[g->n++] = record->offset;
		if (g->n == BATCH_ROWS_MAX && gather_end(c, g, e))
			return ST_ERR;
	}
	if (st != ST_END)
		return collect_bad(c, record->offset, "a block that is torn", NULL, e);
	bool empty = first == c->rows + g->n;
	if (g->n && gather_end(c, g, e))
		return ST_ERR;
	block_key_note(c, record, empty ? KEYS_GONE : first);
	return ST_OK;
}

enum status collect_blocks(struct collect *c, const struct log_record *records, uint32_t n,
        uint32_t *taken, struct error *e)
{
	struct gather g;
	g.n = 0;
	for (*taken = 0; *taken < n && !collect_is_full(c); ++*taken)
		if (block_add(c, &g, &records[*taken], e))
			return ST_ERR;
	return ST_OK;
}
