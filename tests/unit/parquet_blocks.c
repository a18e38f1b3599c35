// SPDX-License-Identifier: Apache-2.0
//
// The export of a topic of blocks: the same rows as of a topic with a record each, and what
// becomes of blocks and rows that come again.
#include "parquet_rig.h"

#include "data/block.h"

#define DAY INT64_C(86400000)
#define T0 INT64_C(1356998400000) /* 2013-01-01 00:00:00 UTC, a midnight */

static struct rig rig;
static struct schema *of_blocks;
static struct block block;

static const struct field one[] = {
        {.name = "n", .type = {.kind = KIND_LONG}, .nullable = true}};

static void blocks_publish(struct rig *r)
{
	ck_assert_int_eq(block_schema(&r->arena, r->schema, &of_blocks, &r->e), ST_OK);
	const struct schema *list = of_blocks;
	ck_assert_int_eq(schemas_publish(&memory_log, r->broker, "t", &list, 1, &r->e), ST_OK);
}

static void setup(void)
{
	block = (struct block){0};
	rig_open(&rig, 2, one, 1);
	blocks_publish(&rig);
}

static void teardown(void)
{
	block_release(&block);
	rig_close(&rig);
}

/* As rig_row, into the block. */
static void held(const char *tailnum, int64_t event_time, int64_t src_offset, int64_t n)
{
	struct value v[] = {{.bytes = slice_of(tailnum)}, {.i64 = event_time},
	        {.i64 = event_time + 5}, {.i64 = 3, .null = src_offset < 0},
	        {.i64 = src_offset, .null = src_offset < 0}, {.i64 = n}};
	struct buf frame = {0};
	avro_frame_single_object(&frame, of_blocks->fingerprint);
	block_row_begin(&block, frame.p, (uint32_t)frame.len);
	buf_release(&frame);
	for (uint32_t i = 0; i < 6; i++)
		avro_write(&block.buf, &rig.schema->fields[i].type,
		        rig.schema->fields[i].nullable, &v[i]);
	block_row_end(&block, src_offset < 0 ? -1 : 3, src_offset);
}

static void sent(int32_t partition, const char *key)
{
	if (!block.rows) /* of a block whose rows were all erased */
		avro_frame_single_object(&block.buf, of_blocks->fingerprint);
	struct slice k = slice_of(key), v = block_value(&block);
	memory_log_produce(rig.broker, RIG_TOPIC, partition, &k, &v, 0);
	block_sent(&block);
	ck_assert_uint_eq(block.rows, 0); /* none was one too many */
}

static void gone(const char *key)
{
	struct slice k = slice_of(key);
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &k, NULL, 0);
}

#define ALL "SELECT * FROM FILES ORDER BY ALL"

/* The same rows, one by one into the one rig, in blocks of all sizes into the other. */
START_TEST(test_same_as_rows)
{
	struct rig rows;
	rig_open(&rows, 2, one, 1);
	for (int i = 0; i < 6000; i++) {
		const char *who = i % 3 ? "N1" : i % 2 ? "N2" : "\xc3\xa9%";
		int64_t t = T0 + i / 2 * 30000, offset = i % 7 ? i : -1;
		int32_t partition = i / 3000;
		struct value v = {.i64 = i};
		rig_row(&rows, partition, who, t, offset, &v);
		held(who, t, offset, i);
		if (i % (1 + i / 100) == 0 || i == 2999 || i == 5999)
			sent(partition, arena_printf(&rig.arena, "x|1.2.%d", i));
	}
	rig_export(&rows);
	rig_export(&rig);
	ck_assert_uint_gt(rig.counts.rows, 5000);
	ck_assert_uint_eq(rig.counts.rows, rows.counts.rows);
	ck_assert_uint_eq(rig.counts.superseded, rows.counts.superseded);
	ck_assert_str_eq(rig_sql(&rig, ALL), rig_sql(&rows, ALL));
	rig_close(&rows);
}
END_TEST

/* A block is in one batch as a whole. */
START_TEST(test_batches)
{
	rig.conf.batch_rows = 1500;
	for (int i = 0; i < 9000; i++) {
		held(i % 2 ? "N1" : "N2", T0 + i % 3 * DAY, i, i);
		if (i % 1000 == 999)
			sent(0, arena_printf(&rig.arena, "3:%d|1.2.3", i));
	}
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 9000);
	ck_assert_uint_eq(rig.counts.files, 15); /* 5 batches of 3 days */
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*), count(DISTINCT n), min(n), max(n) "
	                               "FROM FILES"),
	        "9000|9000|0|8999");
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 0);
	held("N3", T0, 1, 1);
	sent(0, "3:1|1.3.0");
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 1);
}
END_TEST

/* More rows than are decoded at once. */
START_TEST(test_long_block)
{
	for (int i = 0; i < 2000; i++)
		held("N1", T0 + i, i, i);
	sent(1, "3:0|1.2.0");
	rig_export(&rig);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*), count(DISTINCT n), min(n), max(n) "
	                               "FROM FILES"),
	        "2000|2000|0|1999");
	ck_assert_str_eq(rig_files(&rig), "_export.json\ndt=2013-01-01/part-1-0-0.parquet");
}
END_TEST

START_TEST(test_erased)
{
	held("N1", T0, 1, 1);
	held("N2", T0, 2, 2);
	sent(0, "3:1|1.2.0");
	held("N2", T0 + 1, 3, 3);
	sent(0, "3:3|1.2.1");
	held("N2", T0 + 2, 4, 4);
	sent(0, "3:4|1.2.2");
	held("N4", T0 + 2, 5, 5);
	sent(0, "3:5|1.2.3");
	held("N1", T0, 1, 1); /* the first again, without N2 */
	sent(0, "3:1|1.2.0");
	sent(0, "3:3|1.2.1"); /* empty */
	gone("3:4|1.2.2");
	held("N5", T0 + 2, 6, 6);
	sent(0, "3:6|1.3.0");
	rig_export(&rig);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT tailnum, n FROM FILES ORDER BY ALL"), "N1|1\nN4|5\nN5|6");
	ck_assert_uint_eq(rig.counts.superseded, 4);
	ck_assert_uint_eq(rig.counts.tombstones, 1);
}
END_TEST

/* Rows have the keys that they would have as records. */
START_TEST(test_row_again)
{
	held("N1", T0, 1, 1);
	held("N1", T0, -1, 2);
	held("N1", T0, 1, 3);
	sent(0, "3:1|1.2.0");
	held("N2", T0, 1, 4);
	held("N1", T0, -1, 5);
	sent(0, "3:1|9.2.0");
	rig_export(&rig);
	ck_assert_str_eq(rig_sql(&rig, "SELECT n FROM FILES ORDER BY ALL"), "3\n4\n5");
	ck_assert_uint_eq(rig.counts.superseded, 2);
}
END_TEST

START_TEST(test_beside_rows)
{
	struct value v = {.i64 = 1};
	rig_row(&rig, 0, "N1", T0, 1, &v);
	held("N1", T0, 2, 2);
	held("N2", T0, 3, 3);
	sent(0, "3:2|1.2.0");
	v.i64 = 4;
	rig_row(&rig, 0, "N1", T0, 4, &v);
	rig_export(&rig);
	ck_assert_str_eq(rig_sql(&rig, "SELECT tailnum, n FROM FILES ORDER BY ALL"),
	        "N1|1\nN1|2\nN1|4\nN2|3");
}
END_TEST

/* Ends in the middle of a row, of which nothing may be seen. */
START_TEST(test_torn)
{
	held("N1", T0, 1, 1);
	held("N1", T0, 2, 2);
	struct slice k = slice_of("3:1|1.2.0"), v = block_value(&block);
	v.len -= 3;
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &k, &v, 0);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "t.v.v1[0]@0 is no row of the view"));
	ck_assert_str_eq(rig_files(&rig), "");
}
END_TEST

/* The size says less than the row is. */
START_TEST(test_wrong_size)
{
	held("N1", T0, 1, 1);
	struct slice k = slice_of("3:1|1.2.0"), v = block_value(&block);
	uint8_t *body = arena_alloc(&rig.arena, v.len);
	memcpy(body, v.p, v.len);
	body[AVRO_SINGLE_OBJECT_BYTES + 1] -= 2; /* the size, zigzag */
	body[v.len - 2] = 0;
	v = (struct slice){body, v.len - 1};
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &k, &v, 0);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "t.v.v1[0]@0 is no row of the view"));
}
END_TEST

static enum status id_seven(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	(void)arg, (void)e;
	*out = of_blocks;
	return id == 7 ? ST_OK : ST_END;
}

START_TEST(test_registry_frame)
{
	struct schema_source source = {.arg = rig.conf.schemas->arg, .by_id = id_seven};
	struct buf b = {0};
	rig.conf.schemas = &source;
	held("N1", T0, 1, 1);
	held("N2", T0, 2, 2);
	struct slice k = slice_of("3:1|1.2.0"), v = block_value(&block);
	avro_frame_registry(&b, 7);
	buf_add(&b, v.p + AVRO_SINGLE_OBJECT_BYTES, v.len - AVRO_SINGLE_OBJECT_BYTES);
	v = buf_view(&b);
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &k, &v, 0);
	buf_release(&b);
	rig_export(&rig);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT tailnum, n FROM FILES ORDER BY ALL"), "N1|1\nN2|2");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parquet_blocks");
	TCase *tc = tcase_create("blocks");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_same_as_rows);
	tcase_add_test(tc, test_batches);
	tcase_add_test(tc, test_long_block);
	tcase_add_test(tc, test_erased);
	tcase_add_test(tc, test_row_again);
	tcase_add_test(tc, test_beside_rows);
	tcase_add_test(tc, test_torn);
	tcase_add_test(tc, test_wrong_size);
	tcase_add_test(tc, test_registry_frame);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
