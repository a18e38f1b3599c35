// SPDX-License-Identifier: Apache-2.0
//
// Blocks of rows: what goes in comes out, in order; bounds; keys; arrays as other writers lay them
// out; torn ones.
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "data/avro.h"
#include "data/block.h"

static struct arena a;
static struct schema *row;
static const uint8_t frame[] = {0, 1, 2, 3, 4}; /* a registry's */

static void setup(void)
{
	static const struct field f[] = {{.name = "who", .type = {.kind = KIND_STRING}},
	        {.name = "n", .type = {.kind = KIND_LONG}, .nullable = true},
	        {.name = "x", .type = {.kind = KIND_DOUBLE}}};
	struct error e;
	arena_init(&a);
	ck_assert_int_eq(schema_build(&a, "weir.v.v1", f, 3, &row, &e), ST_OK);
}

static void teardown(void)
{
	arena_release(&a);
}

/* Row number i: text of so many bytes, then i. */
static void row_bytes(struct buf *b, uint32_t len, int64_t i)
{
	buf_varint(b, len);
	for (uint32_t k = 0; k < len; k++)
		buf_byte(b, (uint8_t)('a' + (i + k) % 26));
	buf_varint(b, 1);
	buf_varint(b, i);
	buf_double(b, (double)i / 2);
}

static void add(struct block *b, uint32_t len, int64_t i, int32_t partition)
{
	block_row_begin(b, frame, sizeof frame);
	row_bytes(&b->buf, len, i);
	block_row_end(b, partition, i);
}

static void check_row(struct slice got, uint32_t len, int64_t i)
{
	struct buf want = {0};
	row_bytes(&want, len, i);
	ck_assert(slice_eq(got, buf_view(&want)));
	buf_release(&want);
}

/* That the block's rows are those from number from to number to, of len bytes. */
static void check_block(struct slice value, uint32_t len, int64_t from, int64_t to)
{
	struct block_reader r;
	struct slice got;
	ck_assert_uint_eq(memcmp(value.p, frame, sizeof frame), 0);
	block_read(&r, block_unframe(value), NULL);
	for (int64_t i = from; i < to; i++) {
		ck_assert_int_eq(block_next(&r, &got), ST_OK);
		check_row(got, len, i);
	}
	ck_assert_int_eq(block_next(&r, &got), ST_END);
}

static const char *key_of(const struct block *b)
{
	struct buf key = {0};
	block_key(b, 1700, 8, 3, &key);
	ck_assert(block_key_is(buf_view(&key)));
	const char *text = arena_strdup(&a, buf_cstr(&key));
	buf_release(&key);
	return text;
}

/* Sizes of one, two and three bytes. */
START_TEST(rows_come_back)
{
	static const uint32_t lens[] = {0, 1, 49, 50, 51, 52, 53, 8176, 8177, 8178, 8179, 9000};
	struct block b = {0};
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		add(&b, lens[i], 7, -1);
		add(&b, lens[i], 8, -1);
		ck_assert(!block_is_full(&b));
		check_block(block_value(&b), lens[i], 7, 9);
		block_sent(&b);
		ck_assert_uint_eq(b.rows, 0);
	}
	block_release(&b);
}
END_TEST

/* Every row is in one block, in order, and no block is above the bounds. */
START_TEST(bounds)
{
	static const uint32_t lens[] = {1, 100, 5000, 60000, BLOCK_BYTES_MAX + 1000};
	struct block b = {0};
	uint32_t len = lens[_i];
	int64_t sent = 0, end = len < 1000 ? 20000 : 100;
	for (int64_t i = 0; i < end; i++) {
		add(&b, len, i, -1);
		while (block_is_full(&b)) {
			uint32_t rows = b.rows;
			struct slice v = block_value(&b);
			ck_assert(v.len <= BLOCK_BYTES_MAX + 1 || rows == 1);
			int64_t next = i + 1;
			if (rows > 1 && b.buf.len > BLOCK_BYTES_MAX)
				next = i; /* the last did not fit */
			ck_assert_int_le(next - sent, BLOCK_ROWS_MAX);
			check_block(v, len, sent, next);
			block_sent(&b);
			ck_assert_int_eq(b.rows, i + 1 - next);
			sent = next;
		}
	}
	if (b.rows)
		check_block(block_value(&b), len, sent, end);
	block_release(&b);
}
END_TEST

START_TEST(keys)
{
	struct block b = {0};
	add(&b, 3, 5, -1);
	ck_assert_str_eq(key_of(&b), "x|1700.8.3");
	add(&b, 3, 6, 2);
	ck_assert_str_eq(key_of(&b), "2:6|1700.8.3");
	add(&b, 3, 7, 1);
	add(&b, 3, 8, -1);
	ck_assert_str_eq(key_of(&b), "2:6|1700.8.3");
	block_value(&b);
	block_sent(&b);
	add(&b, 3, 9, -1);
	ck_assert_str_eq(key_of(&b), "x|1700.8.3");
	block_release(&b);
	ck_assert(!block_key_is(slice_of("a|1357000000000|0:1")));
	ck_assert(!block_key_is(slice_of("a%7Cb|1357000000000|x")));
	ck_assert(!block_key_is(slice_of("")));
	ck_assert(!block_key_is(slice_of("a")));
}
END_TEST

/* The row that does not fit is the only one with a source: the position is of the next block. */
START_TEST(key_of_what_is_left_out)
{
	struct block b = {0};
	add(&b, 10, 5, -1);
	add(&b, BLOCK_BYTES_MAX, 6, 4);
	ck_assert(block_is_full(&b));
	ck_assert_str_eq(key_of(&b), "x|1700.8.3");
	check_block(block_value(&b), 10, 5, 6);
	block_sent(&b);
	ck_assert(block_is_full(&b));
	ck_assert_str_eq(key_of(&b), "4:6|1700.8.3");
	check_block(block_value(&b), BLOCK_BYTES_MAX, 6, 7);
	block_sent(&b);
	ck_assert(!block_is_full(&b));
	block_release(&b);
}
END_TEST

/* What was in it is gone with the epoch. */
START_TEST(cleared)
{
	struct block b = {0};
	add(&b, 10, 5, 1);
	block_clear(&b);
	add(&b, 10, 6, -1);
	ck_assert_str_eq(key_of(&b), "x|1700.8.3");
	check_block(block_value(&b), 10, 6, 7);
	block_release(&b);
}
END_TEST

START_TEST(schemas)
{
	struct schema *block, *back;
	struct error e;
	ck_assert_int_eq(block_schema(&a, row, &block, &e), ST_OK);
	ck_assert_str_eq(block->name, "weir.v.v1Block");
	ck_assert_uint_ne(block->fingerprint, row->fingerprint);
	ck_assert_int_eq(block_row_schema(&a, block, &back, &e), ST_OK);
	ck_assert_str_eq(back->name, "weir.v.v1");
	ck_assert_uint_eq(back->fingerprint, row->fingerprint);
	ck_assert_uint_eq(back->nfields, 3);
	ck_assert_int_eq(block_row_schema(&a, row, &back, &e), ST_END);
}
END_TEST

/* One array block of several rows, without and with its size, then one of ours. */
static void other_layout(struct buf *b, bool sized)
{
	struct buf items = {0};
	row_bytes(&items, 5, 0);
	row_bytes(&items, 0, 1);
	buf_varint(b, sized ? -2 : 2);
	if (sized)
		buf_varint(b, (int64_t)items.len);
	buf_slice(b, buf_view(&items));
	items.len = 0;
	row_bytes(&items, 9, 2);
	buf_varint(b, -1);
	buf_varint(b, (int64_t)items.len);
	buf_slice(b, buf_view(&items));
	buf_varint(b, 0);
	buf_release(&items);
}

START_TEST(other_writers)
{
	static const uint32_t lens[] = {5, 0, 9};
	struct buf b = {0};
	struct block_reader r;
	struct slice got;
	other_layout(&b, _i);
	block_read(&r, buf_view(&b), row);
	for (int64_t i = 0; i < 3; i++) {
		ck_assert_int_eq(block_next(&r, &got), ST_OK);
		check_row(got, lens[i], i);
	}
	ck_assert_int_eq(block_next(&r, &got), ST_END);
	block_read(&r, buf_view(&b), NULL); /* says nothing of its rows' length */
	ck_assert_int_eq(block_next(&r, &got), ST_ERR);
	buf_release(&b);
}
END_TEST

/* However much is missing, it is not taken for a whole one. */
START_TEST(torn)
{
	struct buf b = {0};
	other_layout(&b, _i);
	for (uint32_t len = 0; len < b.len; len++) {
		struct block_reader r;
		struct slice got;
		enum status st;
		block_read(&r, (struct slice){b.p, len}, row);
		while ((st = block_next(&r, &got)) == ST_OK)
			;
		ck_assert_int_eq(st, ST_ERR);
	}
	buf_byte(&b, 0); /* something follows */
	struct block_reader r;
	struct slice got;
	block_read(&r, buf_view(&b), row);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(block_next(&r, &got), ST_OK);
	ck_assert_int_eq(block_next(&r, &got), ST_ERR);
	buf_release(&b);
}
END_TEST

START_TEST(empty)
{
	struct block_reader r;
	struct slice got;
	block_read(&r, (struct slice){(const uint8_t *)"", 1}, row); /* all rows erased */
	ck_assert_int_eq(block_next(&r, &got), ST_END);
	ck_assert_uint_eq(block_unframe((struct slice){frame, 3}).len, 0);
	ck_assert_uint_eq(block_unframe((struct slice){NULL, 0}).len, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("block");
	TCase *tc = tcase_create("block");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rows_come_back);
	tcase_add_loop_test(tc, bounds, 0, 5);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, key_of_what_is_left_out);
	tcase_add_test(tc, cleared);
	tcase_add_test(tc, schemas);
	tcase_add_loop_test(tc, other_writers, 0, 2);
	tcase_add_loop_test(tc, torn, 0, 2);
	tcase_add_test(tc, empty);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
