// SPDX-License-Identifier: Apache-2.0
//
// From a topic to files and back: every type, nulls, days, order, what a second run does, keys
// that come again, gaps and other topics, and a kill at every step.
#include "parquet_rig.h"

#include <signal.h>
#include <sys/wait.h>

#define DAY INT64_C(86400000)
#define T0 INT64_C(1356998400000) /* 2013-01-01 00:00:00 UTC, a midnight */

static struct rig rig;

static const struct field one[] = {
        {.name = "n", .type = {.kind = KIND_LONG}, .nullable = true}};

static void setup(void)
{
	rig_open(&rig, 2, one, 1);
}

static void teardown(void)
{
	rig_close(&rig);
}

static int64_t row(
        int32_t partition, const char *tailnum, int64_t event_time, int64_t offset, int64_t n)
{
	struct value v = {.i64 = n};
	return rig_row(&rig, partition, tailnum, event_time, offset, &v);
}

// ---- types ----

static const char *const symbols[] = {"ON_TIME", "LATE", NULL};
static const struct type t_string = {.kind = KIND_STRING}, t_long = {.kind = KIND_LONG},
                         t_decimal = {.kind = KIND_DECIMAL, .precision = 10, .scale = 2},
                         t_strings = {.kind = KIND_ARRAY, .element = &t_string};
static const struct field typed[] = {
        {.name = "a_bool", .type = {.kind = KIND_BOOLEAN}, .nullable = true},
        {.name = "a_int", .type = {.kind = KIND_INT}, .nullable = true},
        {.name = "a_long", .type = {.kind = KIND_LONG}, .nullable = true},
        {.name = "a_float", .type = {.kind = KIND_FLOAT}, .nullable = true},
        {.name = "a_double", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "a_dec",
                .type = {.kind = KIND_DECIMAL, .precision = 10, .scale = 2},
                .nullable = true},
        {.name = "a_big",
                .type = {.kind = KIND_DECIMAL, .precision = 38, .scale = 3},
                .nullable = true},
        {.name = "a_text", .type = {.kind = KIND_STRING}, .nullable = true},
        {.name = "a_bytes", .type = {.kind = KIND_BYTES}, .nullable = true},
        {.name = "a_enum", .type = {.kind = KIND_ENUM, .symbols = symbols}, .nullable = true},
        {.name = "a_date", .type = {.kind = KIND_DATE}, .nullable = true},
        {.name = "a_ms", .type = {.kind = KIND_TIMESTAMP_MILLIS}, .nullable = true},
        {.name = "a_us", .type = {.kind = KIND_TIMESTAMP_MICROS}, .nullable = true},
        {.name = "a_list",
                .type = {.kind = KIND_ARRAY, .element = &t_long, .element_nullable = true},
                .nullable = true},
        {.name = "a_lists",
                .type = {.kind = KIND_ARRAY, .element = &t_strings},
                .nullable = true},
        {.name = "a_map", .type = {.kind = KIND_MAP, .element = &t_decimal}, .nullable = true},
};
#define TYPED (sizeof typed / sizeof *typed)

static struct slice avro_long_list(struct arena *a)
{
	struct buf b = {0};
	struct value five = {.i64 = 5}, none = {.null = true};
	buf_varint(&b, 2);
	avro_write(&b, &t_long, true, &five);
	avro_write(&b, &t_long, true, &none);
	buf_varint(&b, 0);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}

static struct slice avro_nested(struct arena *a)
{
	struct buf b = {0};
	buf_varint(&b, 2); /* [["x","y"],[]] */
	buf_varint(&b, 2);
	buf_bytes(&b, slice_of("x"));
	buf_bytes(&b, slice_of("y"));
	buf_varint(&b, 0);
	buf_varint(&b, 0);
	buf_varint(&b, 0);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}

static struct slice avro_map(struct arena *a)
{
	struct buf b = {0};
	struct value v = {.i128 = -1234};
	buf_varint(&b, 1);
	buf_bytes(&b, slice_of("k"));
	avro_write(&b, &t_decimal, false, &v);
	buf_varint(&b, 0);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}

static void typed_row(const char *tailnum, int64_t t)
{
	struct value v[TYPED] = {{.i64 = 1}, {.i64 = -2147483647 - 1}, {.i64 = INT64_MAX},
	        {.f64 = 0.5}, {.f64 = 0.1}, {.i128 = -999},
	        {.i128 = (__int128)INT64_MAX * 1000}, {.bytes = slice_of("it's “fine”")},
	        {.bytes = {(const uint8_t *)"\0\xff", 2}}, {.bytes = slice_of("LATE")},
	        {.i64 = -1}, {.i64 = 1500}, {.i64 = INT64_C(1356998400000001)},
	        {.bytes = avro_long_list(&rig.arena)}, {.bytes = avro_nested(&rig.arena)},
	        {.bytes = avro_map(&rig.arena)}};
	rig_row(&rig, 0, tailnum, t, 1, v);
}

START_TEST(test_types)
{
	rig_close(&rig);
	rig_open(&rig, 1, typed, TYPED);
	struct value nulls[TYPED];
	for (size_t i = 0; i < TYPED; i++)
		nulls[i] = (struct value){.null = true};
	typed_row("N1", T0);
	rig_row(&rig, 0, "N2", T0, -1, nulls);
	typed_row("N3", T0);
	rig_export(&rig);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT string_agg(column_name || ' ' || column_type, ', ') "
	                      "FROM (DESCRIBE FROM FILES)"),
	        "tailnum VARCHAR, event_time TIMESTAMP WITH TIME ZONE, known_at TIMESTAMP WITH "
	        "TIME "
	        "ZONE, source_partition INTEGER, source_offset BIGINT, a_bool BOOLEAN, a_int "
	        "INTEGER, a_long BIGINT, a_float FLOAT, a_double DOUBLE, a_dec DECIMAL(10,2), "
	        "a_big "
	        "DECIMAL(38,3), a_text VARCHAR, a_bytes BLOB, a_enum VARCHAR, a_date DATE, "
	        "a_ms "
	        "TIMESTAMP WITH TIME ZONE, a_us TIMESTAMP WITH TIME ZONE, a_list BIGINT[], "
	        "a_lists "
	        "VARCHAR[][], a_map MAP(VARCHAR, DECIMAL(10,2)), dt DATE");
	const char *want =
	        "N1|1356998400000|1356998400005|3|1|true|-2147483648|9223372036854775807|0.5|0."
	        "1|"
	        "-9.99|9223372036854775807.000|it's “fine”|\\x00\\xFF|LATE|1969-12-31|1500|"
	        "1356998400000001|[5, NULL]|[[x, y], []]|{k=-12.34}\n"
	        "N2|1356998400000|1356998400005|null|null|null|null|null|null|null|null|null|"
	        "null|"
	        "null|null|null|null|null|null|null|null\n";
	const char *got = rig_sql(&rig,
	        "SELECT * EXCLUDE dt REPLACE (epoch_ms(event_time) AS event_time, "
	        "epoch_ms(known_at) AS known_at, epoch_ms(a_ms) AS a_ms, epoch_us(a_us) AS "
	        "a_us, "
	        "a_list::VARCHAR AS a_list, a_lists::VARCHAR AS a_lists, a_map::VARCHAR AS "
	        "a_map, "
	        "a_bytes::VARCHAR AS a_bytes) FROM FILES ORDER BY tailnum");
	ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "%s", got);
	ck_assert_ptr_nonnull(strstr(got, "\nN3|"));
	/* Milliseconds stay milliseconds, and are instants. */
	ck_assert_str_eq(
	        rig_sql(&rig,
	                "SELECT count(*) FROM parquet_schema(FILES) WHERE "
	                "logical_type LIKE '%isAdjustedToUTC=1, unit=TimeUnit(MILLIS=Mill%'"),
	        "3");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM parquet_schema(FILES) WHERE "
	                               "logical_type LIKE 'Timestamp%isAdjustedToUTC=0%'"),
	        "0");
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT DISTINCT compression FROM parquet_metadata(FILES)"),
	        "ZSTD");
}
END_TEST

START_TEST(test_decimal_too_large)
{
	rig_close(&rig);
	rig_open(&rig, 1, &typed[5], 1);
	struct value v = {.i128 = INT64_C(9999999999)};
	rig_row(&rig, 0, "N1", T0, 1, &v);
	rig_export(&rig);
	v.i128++;
	rig_row(&rig, 0, "N1", T0, 2, &v);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(
	        strstr(rig.e.msg, "t.v.v1[0]@1 is no row of the view: out_of_range: a_dec"));
}
END_TEST

// ---- days, order, a second run ----

START_TEST(test_days_and_order)
{
	row(0, "N2", T0 - 1, 10, 1);
	row(0, "N1", T0, 12, 2);
	row(0, "N2", T0 + DAY - 1, 13, 3);
	row(0, "N1", T0, -1, 4);
	row(1, "N9", T0 + DAY, 14, 5);
	rig_export(&rig);
	ck_assert_str_eq(rig_files(&rig), "_export.json\n"
	                                  "dt=2012-12-31/part-0-0-0.parquet\n"
	                                  "dt=2013-01-01/part-0-1-3.parquet\n"
	                                  "dt=2013-01-02/part-1-0-0.parquet");
	ck_assert_uint_eq(rig.counts.rows, 5);
	ck_assert_uint_eq(rig.counts.files, 3);
	ck_assert_int_eq(rig.counts.done, rig.counts.total);
	/* As they stand in the file: an entity's expiry row before its event's. */
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT n FROM FILES WHERE dt = '2013-01-01'"), "4\n2\n3");
}
END_TEST

START_TEST(test_negative_days)
{
	row(0, "N1", -1, 1, 1);
	row(0, "N1", -DAY, 2, 2);
	row(0, "N1", -DAY - 1, 3, 3);
	rig_export(&rig);
	ck_assert_str_eq(rig_files(&rig), "_export.json\ndt=1969-12-30/part-0-2-2.parquet\n"
	                                  "dt=1969-12-31/part-0-0-1.parquet");
}
END_TEST

START_TEST(test_again_changes_nothing)
{
	struct stat before, after;
	row(0, "N1", T0, 1, 1);
	rig_export(&rig);
	const char *path = arena_printf(&rig.arena, "%s/v/v1/_export.json", rig.dir);
	ck_assert_int_eq(stat(path, &before), 0);
	const char *files = rig_files(&rig);
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 0);
	ck_assert_uint_eq(rig.counts.files, 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert(before.st_ino == after.st_ino &&
	          before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	ck_assert_str_eq(rig_files(&rig), files);
}
END_TEST

START_TEST(test_incremental)
{
	row(0, "N1", T0, 1, 1);
	rig_export(&rig);
	row(0, "N1", T0 + 1, 2, 2);
	memory_log_skip_to(rig.broker, RIG_TOPIC, 0, 7); /* control records */
	row(0, "N1", T0 + 2, 3, 3);
	row(1, "N2", T0, 1, 4);
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 3);
	ck_assert_str_eq(rig_files(&rig), "_export.json\n"
	                                  "dt=2013-01-01/part-0-0-0.parquet\n"
	                                  "dt=2013-01-01/part-0-1-7.parquet\n"
	                                  "dt=2013-01-01/part-1-0-0.parquet");
	ck_assert_str_eq(rig_sql(&rig, "SELECT n FROM FILES ORDER BY n"), "1\n2\n3\n4");
}
END_TEST

START_TEST(test_empty_topic)
{
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 0);
	rig_export(&rig);
	row(1, "N1", T0, 1, 1);
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 1);
}
END_TEST

START_TEST(test_batches)
{
	for (int i = 0; i < 5000; i++)
		row(0, i % 2 ? "N1" : "N2", T0 + i % 3 * DAY, i, i);
	rig.conf.batch_rows = 1500;
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 5000);
	ck_assert_uint_eq(rig.counts.files, 12); /* 4 batches of 3 days */
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*), count(DISTINCT n), min(n), max(n), "
	                               "count(DISTINCT dt) FROM FILES"),
	        "5000|5000|0|4999|3");
}
END_TEST

// ---- keys ----

START_TEST(test_key_again)
{
	row(0, "N1", T0, 1, 1);
	row(0, "N2", T0, 1, 2);
	row(0, "N1", T0, 1, 3); /* the same key: the last one counts */
	row(0, "N3", T0, 1, 4);
	struct slice erased = slice_of("N2|1356998400000|3:1");
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &erased, NULL, 0);
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &erased, NULL, 0);
	rig_export(&rig);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT tailnum, n FROM FILES ORDER BY ALL"), "N1|3\nN3|4");
	ck_assert_uint_eq(rig.counts.superseded, 2);
	ck_assert_uint_eq(rig.counts.tombstones, 2);
	/* The file is named by what is in it. */
	ck_assert_str_eq(rig_files(&rig), "_export.json\ndt=2013-01-01/part-0-2-3.parquet");
}
END_TEST

START_TEST(test_many_keys_again)
{
	for (int i = 0; i < 9000; i++)
		row(0, "N1", T0, i % 3000, i);
	rig_export(&rig);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*), min(n), max(n) FROM FILES"), "3000|6000|8999");
	ck_assert_uint_eq(rig.counts.superseded, 6000);
}
END_TEST

// ---- schemas ----

START_TEST(test_schema_changes_in_the_topic)
{
	static const struct field two[] = {
	        {.name = "n", .type = {.kind = KIND_LONG}, .nullable = true},
	        {.name = "m", .type = {.kind = KIND_DOUBLE}, .nullable = true}};
	struct value v[2] = {{.i64 = 2}, {.f64 = 0.25}};
	row(0, "N1", T0, 1, 1);
	rig.schema = rig_schema(&rig, two, 2);
	schemas_publish(&memory_log, rig.broker, "t", &rig.schema, 1, &rig.e);
	rig_row(&rig, 0, "N1", T0, 2, v);
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.files, 2);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT n, m FROM read_parquet(FILES, union_by_name = true) "
	                      "ORDER BY n"),
	        "1|null\n2|0.25");
}
END_TEST

START_TEST(test_schema_unknown)
{
	static const struct field other[] = {{.name = "z", .type = {.kind = KIND_LONG}}};
	struct value v = {.i64 = 2};
	rig.schema = rig_schema(&rig, other, 1);
	rig_row(&rig, 0, "N1", T0, 2, &v);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "which is not in t.schemas"));
}
END_TEST

static enum status id_seven(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	(void)arg;
	if (id != 7) {
		error_set(e, ERR_SKIP, 0, "no schema %u here", id);
		return ST_END;
	}
	*out = rig.schema;
	return ST_OK;
}

static void row_framed(uint32_t id, const char *key)
{
	struct log_record r;
	struct buf b = {0};
	row(1, "N1", T0, 1, 1);
	ck_assert_int_eq(memory_log_read(rig.broker, RIG_TOPIC, 1, 0, &r), ST_OK);
	avro_frame_registry(&b, id);
	buf_add(&b, r.value.p + AVRO_SINGLE_OBJECT_BYTES,
	        r.value.len - AVRO_SINGLE_OBJECT_BYTES);
	struct slice k = slice_of(key), v = buf_view(&b);
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &k, &v, 0);
	buf_release(&b);
}

START_TEST(test_registry_frames)
{
	struct schema_source source = {.by_fingerprint = rig.conf.schemas->by_fingerprint,
	        .arg = rig.conf.schemas->arg,
	        .by_id = id_seven};
	rig.conf.schemas = &source;
	row_framed(7, "a");
	row(0, "N1", T0, 2, 2); /* both kinds in one topic */
	rig_export(&rig);
	ck_assert_str_eq(rig_sql(&rig, "SELECT n FROM FILES ORDER BY n"), "1\n1\n2");
	row_framed(8, "b");
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_str_eq(rig.e.msg,
	        "rows of t.v.v1 have schema id 8, which is not known: no schema 8 here");
}
END_TEST

static int polls_failing;

static enum status poll_failing(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e)
{
	if (polls_failing-- > 0) {
		*n = 0;
		return error_set(e, ERR_RETRIABLE, 0, "the broker is away");
	}
	return memory_log.reader_poll(r, timeout_ms, out, max, n, e);
}

/* A clock that runs a second each time it is looked at. */
static int64_t running_ns(struct clock *c)
{
	struct clock_manual *m = (struct clock_manual *)c;
	return (m->now_ms += 1000) * 1000000;
}

START_TEST(test_broker_away)
{
	struct log_ops ops = memory_log;
	struct clock_manual clock;
	clock_manual_init(&clock, 0);
	clock.clock.mono_ns = running_ns;
	ops.reader_poll = poll_failing;
	rig.conf.log = &ops;
	rig.conf.clock = &clock.clock;
	row(0, "N1", T0, 1, 1);
	polls_failing = 20;
	rig_export(&rig); /* it came back in time */
	ck_assert_uint_eq(rig.counts.rows, 1);
	row(0, "N1", T0, 2, 2);
	polls_failing = 1000000;
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_RETRIABLE);
	ck_assert_str_eq(rig.e.msg, "the broker is away");
	ck_assert_int_gt(polls_failing, 1000000 - 200);
}
END_TEST

/* A parquet file's readers hold microseconds; "never" may be later than those reach. */
START_TEST(test_never)
{
	static const struct type t_ms = {.kind = KIND_TIMESTAMP_MILLIS};
	static const struct field two[] = {
	        {.name = "until", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	        {.name = "list", .type = {.kind = KIND_ARRAY, .element = &t_ms}, .nullable = true}};
	static const int64_t first = -9223372022400000, last = 9223372036854774,
	                     values[] = {T0, last, last + 1, 9999999999999999, first, first - 1,
	                             INT64_MAX, INT64_MIN};
	struct rig r;
	rig_open(&r, 1, two, 2);
	for (int i = 0; i < 8; i++) {
		struct buf list = {0};
		struct value elements[] = {{.i64 = values[i]}, {.i64 = T0}};
		buf_varint(&list, 2);
		avro_write(&list, &t_ms, false, &elements[0]);
		avro_write(&list, &t_ms, false, &elements[1]);
		buf_varint(&list, 0);
		struct value v[2] = {{.i64 = values[i]}, {.bytes = buf_view(&list)}};
		rig_row(&r, 0, "N1", T0, i, v);
		buf_release(&list);
		if (i == 3)
			rig_export(&r); /* two files, for the compaction */
	}
	ck_assert_uint_eq(r.counts.nulled, 4);
	rig_export(&r);
	ck_assert_uint_eq(r.counts.nulled, 6);
	const char *sql = "SELECT source_offset, epoch_ms(until), epoch_ms(list[1]), epoch_ms(list[2]) "
	                  "= 1356998400000 FROM FILES ORDER BY 1";
	const char *want = "0|1356998400000|1356998400000|true\n"
	                   "1|9223372036854774|9223372036854774|true\n"
	                   "2|null|null|true\n3|null|null|true\n"
	                   "4|-9223372022400000|-9223372022400000|true\n"
	                   "5|null|null|true\n6|null|null|true\n7|null|null|true";
	ck_assert_str_eq(rig_sql(&r, sql), want);
	struct export_compacted n;
	ck_assert_msg(export_compact(&r.conf, &n, &r.e) == ST_OK, "%s", r.e.msg);
	ck_assert_uint_eq(n.days, 1);
	ck_assert_str_eq(rig_sql(&r, sql), want);
	rig_close(&r);
}
END_TEST

static int32_t reader_partition;

static enum status reader_open_noted(struct log_broker *b, const char *topic, int32_t partition,
        int64_t offset, uint64_t memory_bytes, struct log_reader **out, struct error *e)
{
	reader_partition = partition;
	return memory_log.reader_open(b, topic, partition, offset, memory_bytes, out, e);
}

/* Behind offset 1 of partition 0 a transaction is open. */
static enum status poll_stuck(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e)
{
	*n = 0;
	if (reader_partition == 0 && memory_log.reader_position(r) > 0)
		return ST_OK;
	return memory_log.reader_poll(r, timeout_ms, out, reader_partition ? max : 1, n, e);
}

START_TEST(test_again)
{
	struct log_ops ops = memory_log;
	struct clock_manual clock;
	clock_manual_init(&clock, 0);
	clock.clock.mono_ns = running_ns;
	ops.reader_open = reader_open_noted;
	ops.reader_poll = poll_stuck;
	rig.conf.log = &ops;
	rig.conf.clock = &clock.clock;
	row(0, "N1", T0, 1, 1);
	row(0, "N1", T0, 2, 2);
	row(1, "N2", T0, 1, 1);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "longer than 90 s"));
	rig.conf.again = true; /* the silence holds up neither what was before it nor beside it */
	clock.now_ms = 0;
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_RETRIABLE);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "gives nothing from offset 1 on, its end is 2: a "
	                                        "transaction is open for longer than 10 s"));
	ck_assert_int_lt(clock.now_ms, 2 * EXPORT_AGAIN_STALL_MS);
	ck_assert_uint_eq(rig.counts.rows, 2);
	rig.conf.log = &memory_log;
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 1);
	rig.conf.version = 2; /* a node makes its topic soon */
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_RETRIABLE);
	ck_assert_str_eq(rig.e.msg, "there is no topic t.v.v2 yet");
}
END_TEST

START_TEST(test_no_row)
{
	struct slice key = slice_of("k"), junk = slice_of("{\"n\":1}");
	row(0, "N1", T0, 1, 1);
	memory_log_produce(rig.broker, RIG_TOPIC, 0, &key, &junk, 0);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "t.v.v1[0]@1 is no row of the view"));
	ck_assert_str_eq(rig_files(&rig), "");
}
END_TEST

// ---- refusals ----

START_TEST(test_gap)
{
	for (int i = 0; i < 5; i++)
		row(0, "N1", T0, i, i);
	memory_log.delete_before(rig.broker, RIG_TOPIC, 0, 2, NULL);
	rig_export(&rig); /* a first export begins where the topic begins */
	ck_assert_uint_eq(rig.counts.rows, 3);
	for (int i = 5; i < 10; i++)
		row(0, "N1", T0, i, i);
	memory_log.delete_before(rig.broker, RIG_TOPIC, 0, 5, NULL);
	rig.conf.batch_rows = 2;
	rig_export(&rig); /* all that went was exported */
	ck_assert_uint_eq(rig.counts.rows, 5);
	row(0, "N1", T0, 10, 10);
	row(0, "N1", T0, 11, 11);
	memory_log.delete_before(rig.broker, RIG_TOPIC, 0, 11, NULL);
	const char *before = rig_files(&rig);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_FATAL);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "t.v.v1[0] begins at offset 11"));
	ck_assert_str_eq(rig_files(&rig), before);
}
END_TEST

START_TEST(test_topic_made_again)
{
	row(0, "N1", T0, 1, 1);
	rig_export(&rig);
	memory_log.close(rig.broker);
	rig.broker = memory_log_new();
	struct log_topic_conf t[] = {
	        {.name = "another", .partitions = 1}, {.name = RIG_TOPIC, .partitions = 2}};
	memory_log.topics_ensure(rig.broker, t, 2, &rig.e);
	rig.conf.broker = rig.broker;
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_USER);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "made again"));
}
END_TEST

START_TEST(test_manifest_lost)
{
	row(0, "N1", T0, 1, 1);
	rig_export(&rig);
	unlink(arena_printf(&rig.arena, "%s/v/v1/_export.json", rig.dir));
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_USER);
	ck_assert_ptr_nonnull(strstr(rig.e.msg, "1 part files but no _export.json"));
}
END_TEST

static const char *const manifests[] = {"", "{", "[]", "{\"format\":1}", "{\"format\":2}",
        "{\"format\":1,\"view\":\"v\",\"version\":1,\"topic\":\"t.v.v1\",\"topic_id\":\"\"}",
        "{\"format\":1,\"view\":\"v\",\"version\":1,\"topic\":\"t.v.v1\","
        "\"topic_id\":\"01000000000000000000000000000000\",\"partitions\":[{\"partition\":0,"
        "\"next\":1,\"files\":[]}],\"pending\":{\"partition\":0,\"next\":1,\"files\":"
        "[{\"path\":\"dt=1/../../x\",\"first\":0,\"last\":0,\"rows\":1,\"bytes\":1}]}}",
        "{\"format\":1,\"view\":\"v\",\"version\":1,\"topic\":\"t.v.v1\","
        "\"topic_id\":\"01000000000000000000000000000000\",\"partitions\":[],"
        "\"pending\":{\"partition\":0,\"next\":1,\"files\":[]}}"};

START_TEST(test_manifest_broken)
{
	rig_export(&rig);
	FILE *f = fopen(arena_printf(&rig.arena, "%s/v/v1/_export.json", rig.dir), "we");
	fputs(manifests[_i], f);
	fclose(f);
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_USER);
}
END_TEST

START_TEST(test_no_topic)
{
	rig.conf.version = 2;
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_USER);
	ck_assert_str_eq(rig.e.msg, "there is no topic t.v.v2");
	rig.conf.view = "../v";
	ck_assert_int_eq(export_run(&rig.conf, &rig.counts, &rig.e), ST_ERR);
	ck_assert_int_eq(rig.e.class, ERR_USER);
}
END_TEST

static void lock_and_wait(void *arg, enum export_step s)
{
	(void)arg, (void)s;
	struct export_counts counts;
	struct error e;
	struct export_conf second = rig.conf;
	second.step = NULL;
	ck_assert_int_eq(export_run(&second, &counts, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_USER);
	ck_assert_ptr_nonnull(strstr(e.msg, "another export"));
}

START_TEST(test_two_at_once)
{
	row(0, "N1", T0, 1, 1);
	rig.conf.step = lock_and_wait;
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 1);
}
END_TEST

START_TEST(test_newest_version)
{
	static const struct log_topic_conf t[] = {{.name = "t.v.v10", .partitions = 1},
	        {.name = "t.v.v9", .partitions = 1}, {.name = "t.v.v011", .partitions = 1},
	        {.name = "t.v.vx", .partitions = 1}, {.name = "t.job.src.v99", .partitions = 1},
	        {.name = "t.vv.v12", .partitions = 1}, {.name = "u.v.v13", .partitions = 1},
	        {.name = "t.aircraft.v1", .partitions = 1}};
	uint32_t version;
	const char *near;
	memory_log.topics_ensure(rig.broker, t, 8, &rig.e);
	ck_assert_int_eq(export_newest(&memory_log, rig.broker, "t", "v", &version, &rig.arena,
	                         &near, &rig.e),
	        ST_OK);
	ck_assert_uint_eq(version, 10);
	ck_assert_int_eq(export_newest(&memory_log, rig.broker, "t", "aircarft", &version,
	                         &rig.arena, &near, &rig.e),
	        ST_END);
	ck_assert_str_eq(near, "aircraft");
}
END_TEST

// ---- kills ----

static int kill_at;

static void kill_self(void *arg, enum export_step s)
{
	(void)arg, (void)s;
	if (--kill_at == 0)
		raise(SIGKILL);
}

/* Runs the export in a child that dies at its n-th step; false: it came to its end. */
static bool killed_export(int n)
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		kill_at = n;
		rig.conf.step = kill_self;
		_exit(export_run(&rig.conf, &rig.counts, &rig.e) == ST_OK ? 0 : 9);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	else
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	return WIFSIGNALED(status);
}

/* What a reader sees at any moment: whole files, and no row twice. */
static void readable_check(void)
{
	if (!strstr(rig_files(&rig), "/part-"))
		return;
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*) - count(DISTINCT (tailnum, n)) FROM FILES"),
	        "0");
}

static void kill_rows(int from, int n)
{
	for (int i = from; i < from + n; i++)
		row(i % 2, i % 3 ? "N1" : "N2", T0 + i % 2 * DAY + i % 5, i, i);
}

static void folder_copy(const char *from, const char *to)
{
	nftw(to, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(system(arena_printf(&rig.arena, "cp -a %s %s", from, to)), 0);
}

/* Two partitions, two days a batch: every step of every batch is a place to die, over a first
 * export and over a second one that finds a first. */
START_TEST(test_kill_at_every_step)
{
	int kills = 0;
	size_t len;
	const char *before = arena_printf(&rig.arena, "%s.before", rig.dir);
	rig.conf.batch_rows = 8;
	if (_i) {
		kill_rows(0, 16);
		rig_export(&rig);
	}
	folder_copy(rig.dir, before);
	kill_rows(_i ? 16 : 0, _i ? 44 : 60);
	for (int n = 1; killed_export(n); n++, kills++) {
		readable_check();
		rig_export(&rig);
		ck_assert_str_eq(
		        rig_sql(&rig, "SELECT count(*), count(DISTINCT n), min(n), max(n) "
		                      "FROM FILES"),
		        "60|60|0|59");
		ck_assert_ptr_null(strstr(rig_files(&rig), ".tmp"));
		ck_assert_ptr_nonnull(
		        strstr(rig_read(&rig, "_export.json", &len), "\"pending\":null"));
		folder_copy(before, rig.dir);
	}
	nftw(before, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_ge(kills, 20);
}
END_TEST

/* Killed again and again at its first, second, third … step, it still comes to the end. */
START_TEST(test_kill_after_kill)
{
	kill_rows(0, 60);
	rig.conf.batch_rows = 7;
	int steps = 0;
	for (int n = 3; killed_export(n); n = 2 + steps % 4) {
		readable_check();
		ck_assert_int_lt(++steps, 500);
	}
	ck_assert_int_ge(steps, 5);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*), count(DISTINCT n) FROM FILES"), "60|60");
}
END_TEST

/* The decided batch's temporary file is deleted by somebody: its offsets are read again. */
START_TEST(test_pending_file_lost)
{
	row(0, "N1", T0, 1, 1);
	row(0, "N1", T0 + DAY, 2, 2);
	ck_assert(killed_export(4)); /* two written, planned, one renamed */
	ck_assert_str_eq(rig_files(&rig), "_export.json\ndt=2013-01-01/part-0-0-0.parquet\n"
	                                  "dt=2013-01-02/.part-0-1-1.parquet.tmp");
	unlink(arena_printf(
	        &rig.arena, "%s/v/v1/dt=2013-01-02/.part-0-1-1.parquet.tmp", rig.dir));
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 2);
	ck_assert_str_eq(rig_sql(&rig, "SELECT n FROM FILES ORDER BY n"), "1\n2");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parquet_export");
	TCase *t = tcase_create("export");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_types);
	tcase_add_test(t, test_decimal_too_large);
	tcase_add_test(t, test_days_and_order);
	tcase_add_test(t, test_negative_days);
	tcase_add_test(t, test_again_changes_nothing);
	tcase_add_test(t, test_incremental);
	tcase_add_test(t, test_empty_topic);
	tcase_add_test(t, test_batches);
	tcase_add_test(t, test_key_again);
	tcase_add_test(t, test_many_keys_again);
	tcase_add_test(t, test_schema_changes_in_the_topic);
	tcase_add_test(t, test_schema_unknown);
	tcase_add_test(t, test_registry_frames);
	tcase_add_test(t, test_broker_away);
	tcase_add_test(t, test_no_row);
	tcase_add_test(t, test_gap);
	tcase_add_test(t, test_topic_made_again);
	tcase_add_test(t, test_manifest_lost);
	tcase_add_loop_test(t, test_manifest_broken, 0, sizeof manifests / sizeof *manifests);
	tcase_add_test(t, test_no_topic);
	tcase_add_test(t, test_two_at_once);
	tcase_add_test(t, test_newest_version);
	tcase_add_test(t, test_again);
	tcase_add_test(t, test_never);
	tcase_add_loop_test(t, test_kill_at_every_step, 0, 2);
	tcase_add_test(t, test_kill_after_kill);
	tcase_add_test(t, test_pending_file_lost);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
