/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks: many of a view's rows in one record of its offline topic (`offline: blocks`). The value
 * is an Avro record with one field, `rows`, an array of the row's record, framed as a row is; the
 * key is unique for the life of the topic (block_key). Each row is an array block of its own, of
 * one item and with its size in bytes: so rows are found, passed over and taken out without their
 * schema. A reader takes any other array that Avro allows as well.
 */
#ifndef WEIR_DATA_BLOCK_H
#define WEIR_DATA_BLOCK_H

#include "base/buf.h"
#include "base/error.h"
#include "data/schema.h"

/* Of a block; a larger row is a block of its own. One buffer of about this size is held per view
 * and partition. */
#define BLOCK_BYTES_MAX (64u << 10)
#define BLOCK_ROWS_MAX 4096

/* -- schemas -- */

/* The schema of blocks of such rows, named <row>Block. In a. */
enum status block_schema(struct arena *a, const struct schema *row, struct schema **out,
	struct error *e);
/* The schema of a block's rows. In a. ST_END: these are no blocks. */
enum status block_row_schema(struct arena *a, const struct schema *block, struct schema **out,
	struct error *e);

/* -- writing -- */

struct block_source {
	int32_t partition; /* below 0: none */
	int64_t offset;
};

struct block {
	struct buf buf;
	uint32_t frame_len;
	uint32_t rows;            /* whole ones */
	size_t row;               /* where the last begins */
	struct block_source last; /* the last row's */
	struct block_source first; /* of those before it, the first that some row has */
};

void block_release(struct block *b);
/* Empties it. What is held stays. */
void block_clear(struct block *b);
/* The row's Avro bytes are then added to b->buf. frame begins the block. */
void block_row_begin(struct block *b, const uint8_t *frame, uint32_t frame_len);
void block_row_end(struct block *b, int32_t partition, int64_t offset);
/* It is to be sent before another row begins; again, if it then still is. */
bool block_is_full(const struct block *b);
/* What is to be sent: all rows, but for the last where that is one too many beside the others. Key:
 * <partition>:<offset>|<incarnation>.<epoch>.<n>, x for the position where no row has one; n is the
 * block's number in the epoch, of one view and partition. It replaces what is in key. */
struct slice block_value(struct block *b);
void block_key(const struct block *b, int64_t incarnation_ms, int64_t epoch, uint32_t n,
	struct buf *key);
/* It was: a row that was left out is now the first. */
void block_sent(struct block *b);

/* -- reading -- */

/* Whether a record's key is a block's and not a row's. */
bool block_key_is(struct slice key);
/* What stands behind a value's frame; empty where there is none. */
struct slice block_unframe(struct slice value);

struct block_reader {
	struct reader in;
	const struct schema *row; /* NULL: rows must say how long they are */
	int64_t left;             /* items of the array block under way */
	uint32_t size;            /* of its one item; UINT32_MAX: not said */
};

void block_read(struct block_reader *r, struct slice body, const struct schema *row);
/* The next row's Avro bytes. ST_END: there is none. ST_ERR: it is no block (without e, which the
 * caller words: it knows where). */
enum status block_next(struct block_reader *r, struct slice *row);

#endif
