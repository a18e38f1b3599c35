// SPDX-License-Identifier: Apache-2.0
//
// Reading blocks of a changelog: what is written by hand here, damaged and cut short blocks. What
// the engine itself writes is read back in run_engine.c.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run/changelog.h"
#include "state/pack.h"
#include "state/table.h"

static struct slice packed_row(struct buf *b, int64_t due)
{
	struct row_head head = {ROW_FORMAT, 0, due};
	b->len = 0;
	pack_write((struct slice){(uint8_t *)&head, sizeof head}, b);
	return buf_view(b);
}

/* Two spaces, three rows, one of them forgotten. */
static void block_make(struct buf *out)
{
	struct buf row = {0};
	out->len = 0;
	buf_byte(out, CHANGELOG_FORMAT);
	buf_varint(out, 0);
	buf_bytes(out, slice_of("a.v1:"));
	buf_bytes(out, slice_of("one"));
	buf_varint(out, (int64_t)packed_row(&row, 5).len + 1);
	buf_slice(out, packed_row(&row, 5));
	buf_varint(out, 0);
	buf_bytes(out, slice_of("b.v2:"));
	buf_bytes(out, slice_of("two"));
	buf_varint(out, 0);
	buf_varint(out, 1);
	buf_bytes(out, slice_of(""));
	buf_varint(out, (int64_t)packed_row(&row, 7).len + 1);
	buf_slice(out, packed_row(&row, 7));
	buf_release(&row);
}

static enum status print(void *arg, const struct changelog_row *row, struct error *e)
{
	(void)e;
	buf_printf(arg, "%.*s%.*s", (int)row->space.len, row->space.p, (int)row->entity.len,
		row->entity.p);
	if (row->row.p)
		buf_printf(arg, "@%d", (int)pack_due(row->row.p));
	buf_byte(arg, ' ');
	return ST_OK;
}

static enum status refuse(void *arg, const struct changelog_row *row, struct error *e)
{
	(void)arg, (void)row;
	return error_set(e, ERR_FATAL, 0, "no more");
}

START_TEST(rows_in_order)
{
	struct buf block = {0}, text = {0};
	struct error e;
	block_make(&block);
	ck_assert_int_eq(changelog_rows(buf_view(&block), print, &text, &e), ST_OK);
	ck_assert_str_eq(buf_cstr(&text), "a.v1:one@5 b.v2:two a.v1:@7 ");
	ck_assert_int_eq(changelog_rows(buf_view(&block), refuse, NULL, &e), ST_ERR);
	ck_assert_str_eq(e.msg, "no more");
	block.p[0] = CHANGELOG_FORMAT + 1;
	ck_assert_int_eq(changelog_rows(buf_view(&block), print, &text, &e), ST_ERR);
	ck_assert_str_eq(e.msg, "a block of format 2, this weir reads 1");
	buf_release(&block);
	buf_release(&text);
}
END_TEST

static bool reads(const uint8_t *p, size_t len)
{
	struct buf text = {0};
	struct error e;
	uint8_t *copy = xmalloc(len ? len : 1);
	memcpy(copy, p, len);
	bool ok = changelog_rows((struct slice){copy, (uint32_t)len}, print, &text, &e) == ST_OK;
	free(copy);
	buf_release(&text);
	return ok;
}

START_TEST(cut_short)
{
	struct buf block = {0};
	uint32_t whole = 0;
	block_make(&block);
	for (size_t len = 0; len <= block.len; len++)
		whole += reads(block.p, len);
	/* The format alone, one row, two rows, all. */
	ck_assert_uint_eq(whole, 4);
	buf_release(&block);
}
END_TEST

/* Any answer but a crash or a read out of bounds. */
START_TEST(damaged)
{
	struct buf block = {0};
	uint64_t seed = 99;
	for (int i = 0; i < 100000; i++) {
		block_make(&block);
		for (int k = 0; k < 3; k++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			block.p[(seed >> 33) % block.len] = (uint8_t)(seed >> 25);
		}
		reads(block.p, block.len);
	}
	buf_release(&block);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("changelog");
	TCase *tc = tcase_create("changelog");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rows_in_order);
	tcase_add_test(tc, cut_short);
	tcase_add_test(tc, damaged);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
