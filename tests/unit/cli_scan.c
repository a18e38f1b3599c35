// SPDX-License-Identifier: Apache-2.0
//
// Bounded reads of a topic: what an open transaction hides is told, after a patience that a clock
// of the test's own runs through; and an entity's newest row is never one that was erased.
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cli/offline.h"
#include "cli/scan.h"
#include "cli/source_scan.h"
#include "connectors/json/decode.h"
#include "data/avro.h"
#include "data/block.h"
#include "run/memory_log.h"

#define TOPIC "t.v.v1"
#define T0 INT64_C(1356998400000)

static struct arena arena;
static struct log_broker *broker;
static struct log_ops ops;
static struct error e;
static int64_t stable; /* nothing from this offset on is shown: a transaction is open there */
static int64_t ends_at; /* of that transaction, on the clock; 0: never */
static struct clock_manual clock_test;

/* A second goes by each time it is looked at. */
static int64_t running_ns(struct clock *c)
{
	struct clock_manual *m = (struct clock_manual *)c;
	return (m->now_ms += 1000) * 1000000;
}

static bool is_open(void)
{
	return stable >= 0 && (!ends_at || clock_test.now_ms < ends_at);
}

static enum status poll_stable(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *err)
{
	int64_t left = stable - memory_log.reader_position(r);
	*n = 0;
	if (!is_open())
		return memory_log.reader_poll(r, timeout_ms, out, max, n, err);
	if (left <= 0)
		return ST_OK;
	return memory_log.reader_poll(
	        r, timeout_ms, out, left < max ? (uint32_t)left : max, n, err);
}

static void setup(void)
{
	arena_init(&arena);
	broker = memory_log_new();
	ops = memory_log;
	ops.reader_poll = poll_stable;
	stable = -1;
	ends_at = 0;
	clock_manual_init(&clock_test, 0);
	clock_test.clock.mono_ns = running_ns;
	struct log_topic_conf t = {.name = TOPIC, .partitions = 2};
	memory_log.topics_ensure(broker, &t, 1, &e);
}

static void teardown(void)
{
	memory_log.close(broker);
	arena_release(&arena);
}

static int64_t put(int32_t partition, const char *key, const char *value)
{
	struct slice k = slice_of(key), v = slice_of(value ? value : "");
	return memory_log_produce(broker, TOPIC, partition, &k, value ? &v : NULL, T0);
}

// ---- scan_range ----

static uint32_t seen, enough;

static bool count(void *arg, const struct log_record *r)
{
	(void)arg, (void)r;
	return ++seen != enough;
}

static struct scan_range scan_of(int64_t from, int64_t to, bool patient)
{
	seen = enough = 0;
	clock_test.now_ms = 0;
	return (struct scan_range){.log = &ops,
	        .broker = broker,
	        .clock = &clock_test.clock,
	        .topic = TOPIC,
	        .from = from,
	        .to = to,
	        .patient = patient,
	        .each = count};
}

START_TEST(test_scan_reached)
{
	for (int i = 0; i < 10; i++)
		put(0, "k", "v");
	struct scan_range s = scan_of(2, 8, true);
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 6 && s.reached == 8);
	s = scan_of(2, 8, true);
	enough = 3;
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 3 && s.reached == 8);
	stable = 5;
	s = scan_of(2, 8, false);
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 3 && s.reached == 5 && clock_test.now_ms < 10000);
	s = scan_of(2, 8, true);
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 3 && s.reached == 5);
	ck_assert_int_ge(clock_test.now_ms, LOG_SILENT_MS_MAX);
	ends_at = LOG_SILENT_MS_MAX / 2; /* it commits in time */
	s = scan_of(2, 8, true);
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 6 && s.reached == 8);
}
END_TEST

static int failing;

static enum status poll_failing(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *err)
{
	*n = 0;
	if (failing-- > 0)
		return error_set(err, ERR_RETRIABLE, 0, "the broker is away");
	return memory_log.reader_poll(r, timeout_ms, out, max, n, err);
}

START_TEST(test_scan_broker_away)
{
	put(0, "k", "v");
	ops.reader_poll = poll_failing;
	failing = 20;
	struct scan_range s = scan_of(0, 1, true);
	ck_assert_int_eq(scan_range(&s, &e), ST_OK);
	ck_assert(seen == 1 && s.reached == 1);
	failing = 1000;
	s = scan_of(0, 1, true);
	ck_assert_int_eq(scan_range(&s, &e), ST_ERR);
	ck_assert_str_eq(e.msg, "the broker is away");
	ck_assert_int_gt(failing, 800);
}
END_TEST

// ---- source_scan ----

static bool row_count(void *arg, const struct column *cols, int64_t event_time)
{
	(void)arg, (void)cols, (void)event_time;
	seen++;
	return true;
}

START_TEST(test_source_cut_short)
{
	static const struct field fields[] = {
	        {.name = "at", .type = {.kind = KIND_TIMESTAMP_MILLIS}}};
	static const bool wanted[] = {true};
	struct schema *schema;
	ck_assert_int_eq(schema_build(&arena, "event", fields, 1, &schema, &e), ST_OK);
	struct source source = {.name = "s",
	        .topic = TOPIC,
	        .format = &format_json,
	        .schema = schema,
	        .key_field = -1,
	        .max_ahead_ms = 86400000};
	struct baseline_topic topic = {.log = &ops, .broker = broker};
	struct source_scan scan = {.topic = &topic,
	        .source = &source,
	        .from_ms = INT64_MIN,
	        .wanted = wanted,
	        .row = row_count,
	        .clock = &clock_test.clock,
	        .arena = &arena};
	for (int i = 0; i < 10; i++)
		put(1, "k", arena_printf(&arena, "{\"at\": %" PRId64 "}", T0 + i));
	seen = 0;
	stable = 4;
	ends_at = 60000; /* what Kafka gives a transaction, if nobody says otherwise */
	ck_assert_int_eq(source_scan(&scan, &e), ST_OK);
	ck_assert_uint_eq(seen, 10);
	scan.nranges = 0;
	ends_at = 0;
	ck_assert_int_eq(source_scan(&scan, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_RETRIABLE);
	ck_assert_ptr_nonnull(strstr(e.msg, TOPIC "[1] gives nothing from offset 4 on, its end is 10"));
	ck_assert_ptr_nonnull(strstr(e.msg, "Try again"));
}
END_TEST

// ---- offline_find ----

static struct view_plan plan;
static struct offline_query query;
static struct offline_found found;

static void view_setup(bool blocks)
{
	static const struct field fields[] = {
	        {.name = "user", .type = {.kind = KIND_STRING}},
	        {.name = "event_time", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	        {.name = "known_at", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	        {.name = "source_partition", .type = {.kind = KIND_INT}, .nullable = true},
	        {.name = "source_offset", .type = {.kind = KIND_LONG}, .nullable = true},
	        {.name = "n", .type = {.kind = KIND_LONG}}};
	static const struct type *types[] = {&fields[0].type};
	struct schema *row, *block;
	ck_assert_int_eq(schema_build(&arena, "weir.v.v1", fields, 6, &row, &e), ST_OK);
	ck_assert_int_eq(block_schema(&arena, row, &block, &e), ST_OK);
	plan = (struct view_plan){.topic = TOPIC,
	        .schema = row,
	        .record = blocks ? block : row,
	        .entity_types = types,
	        .features = row->fields + 5};
	query = (struct offline_query){.log = &ops,
	        .broker = broker,
	        .plan = &plan,
	        .nentity = 1,
	        .nfeatures = 1,
	        .entity = "u1",
	        .scan = 1000000,
	        .clock = &clock_test.clock};
}

static void row_write(struct buf *b, const char *user, int64_t at, bool expiry, int64_t n)
{
	struct value v[6] = {{.bytes = slice_of(user)}, {.i64 = at}, {.i64 = at},
	        {.i64 = 0, .null = expiry}, {.i64 = n, .null = expiry}, {.i64 = n}};
	for (uint32_t i = 0; i < 6; i++)
		avro_write(b, &plan.schema->fields[i].type, plan.schema->fields[i].nullable, &v[i]);
}

static const char *row_key(const char *user, int64_t at, bool expiry, int64_t n)
{
	return expiry ? arena_printf(&arena, "%s|%" PRId64 "|x", user, at)
	              : arena_printf(&arena, "%s|%" PRId64 "|0:%" PRId64, user, at, n);
}

static int64_t row(int32_t partition, const char *user, int64_t at, bool expiry, int64_t n)
{
	struct buf b = {0};
	avro_frame_single_object(&b, plan.record->fingerprint);
	row_write(&b, user, at, expiry, n);
	struct slice key = slice_of(row_key(user, at, expiry, n)), value = buf_view(&b);
	int64_t offset = memory_log_produce(broker, TOPIC, partition, &key, &value, at);
	buf_release(&b);
	return offset;
}

static void erase(int32_t partition, const char *user, int64_t at, bool expiry, int64_t n)
{
	put(partition, row_key(user, at, expiry, n), NULL);
}

static void others(int32_t partition, int n)
{
	for (int i = 0; i < n; i++)
		row(partition, "u2", T0, false, i);
}

static enum status look(void)
{
	offline_found_release(&found);
	offline_found_init(&found);
	clock_test.now_ms = 0;
	return offline_find(&query, &found, &e);
}

static void finds(int64_t n)
{
	enum status st = look();
	ck_assert_msg(st == ST_OK, "no row");
	ck_assert_int_eq(found.row.features[0].i64, n);
}

START_TEST(test_erased)
{
	view_setup(false);
	row(1, "u1", T0, false, 1);
	row(1, "u1", T0, false, 2);
	finds(2);
	others(1, 25000); /* the rows are in another window than their tombstones */
	erase(1, "u1", T0, false, 1);
	erase(0, "u1", T0, false, 2); /* not the row's partition: nothing to compaction */
	finds(2);
	erase(1, "u1", T0, false, 2);
	ck_assert_int_eq(look(), ST_END);
	ck_assert(found.all && !found.is_cut);
	row(1, "u1", T0, false, 2); /* it is back */
	finds(2);
}
END_TEST

START_TEST(test_erased_beside_newer)
{
	view_setup(false);
	row(0, "u1", T0, false, 1);
	row(0, "u1", T0 + 1, false, 2);
	row(0, "u1", T0 + 2, true, 3);
	erase(0, "u1", T0, false, 1); /* of an old row: newer ones live */
	finds(3);
	ck_assert(found.row.expiry && found.has_event);
	ck_assert_int_eq(found.event.features[0].i64, 2);
	erase(0, "u1", T0 + 2, true, 3);
	finds(2);
	ck_assert(!found.row.expiry);
	row(0, "u1", T0 + 3, true, 4);
	erase(0, "u1", T0 + 1, false, 2); /* the event of what is in sight */
	finds(4);
	ck_assert(!found.has_event);
	erase(0, "u1", T0 + 3, true, 4);
	ck_assert_int_eq(look(), ST_END);
}
END_TEST

static void block(const char *key, const char *first, int64_t n, const char *second)
{
	struct block b = {0};
	struct buf frame = {0};
	avro_frame_single_object(&frame, plan.record->fingerprint);
	block_row_begin(&b, frame.p, (uint32_t)frame.len);
	row_write(&b.buf, first, T0, false, n);
	block_row_end(&b, 0, n);
	if (second) {
		block_row_begin(&b, frame.p, (uint32_t)frame.len);
		row_write(&b.buf, second, T0, false, n + 1);
		block_row_end(&b, 0, n + 1);
	}
	struct slice k = slice_of(key), v = block_value(&b);
	memory_log_produce(broker, TOPIC, 0, &k, &v, T0);
	block_release(&b);
	buf_release(&frame);
}

/* An entity is erased from blocks by writing them again without its rows. */
START_TEST(test_erased_from_blocks)
{
	view_setup(true);
	block("0:1|1.1.0", "u1", 1, "u2");
	block("0:3|1.2.0", "u1", 3, "u2");
	finds(3);
	block("0:3|1.2.0", "u2", 4, NULL);
	finds(1);
	for (int i = 0; i < 200; i++)
		block(arena_printf(&arena, "0:%d|1.3.0", 10 + i), "u2", 10 + i, NULL);
	put(0, "0:1|1.1.0", NULL);
	ck_assert_int_eq(look(), ST_END);
	query.entity = "u2";
	finds(209);
}
END_TEST

START_TEST(test_offline_cut_short)
{
	view_setup(false);
	stable = row(0, "u1", T0, false, 1);
	row(0, "u1", T0, false, 2);
	ck_assert_int_eq(look(), ST_END);
	ck_assert(found.is_cut);
	ck_assert_ptr_nonnull(strstr(found.cut.msg, TOPIC "[0] gives nothing from offset 0 on"));
	stable = 1;
	finds(1);
	ck_assert(found.is_cut);
	stable = -1;
	finds(2);
	ck_assert(!found.is_cut);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cli_scan");
	TCase *t = tcase_create("scan");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_scan_reached);
	tcase_add_test(t, test_scan_broker_away);
	tcase_add_test(t, test_source_cut_short);
	tcase_add_test(t, test_erased);
	tcase_add_test(t, test_erased_beside_newer);
	tcase_add_test(t, test_erased_from_blocks);
	tcase_add_test(t, test_offline_cut_short);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
