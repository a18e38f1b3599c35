// SPDX-License-Identifier: Apache-2.0
//
// Writer schemas through the topic: what is published is found by another client, once; what is
// not there is ST_END without asking again at once; an unreachable broker is retriable.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/memory_log.h"
#include "run/schemas.h"

static struct arena arena;
static struct log_broker *broker;
static struct clock_manual clock_test;
static bool broker_down;
static int asked;

static enum status info_counted(
        struct log_broker *b, const char *topic, struct log_topic_info *out, struct error *e)
{
	asked++;
	if (broker_down)
		return error_set(e, ERR_RETRIABLE, 0, "no broker answers");
	return memory_log.topic_info(b, topic, out, e);
}

static struct log_ops ops;

static void setup(void)
{
	arena_init(&arena);
	broker = memory_log_new();
	ops = memory_log;
	ops.topic_info = info_counted;
	clock_manual_init(&clock_test, 1000000);
	broker_down = false;
	asked = 0;
}

static void teardown(void)
{
	memory_log.close(broker);
	arena_release(&arena);
}

static const struct schema *parse(const char *json)
{
	struct schema *s;
	struct error e = {0};
	ck_assert_msg(schema_parse(&arena, slice_of(json), &s, &e) == ST_OK, "%s", e.msg);
	return s;
}

#define REC(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define LONG(name) "{\"name\":\"" name "\",\"type\":\"long\"}"
#define TIME(name)                                                                             \
	"{\"name\":\"" name                                                                    \
	"\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}"

static int64_t topic_end(void)
{
	int64_t begin, end;
	ck_assert_int_eq(memory_log.bounds(broker, "t.schemas", 0, &begin, &end, NULL), ST_OK);
	return end;
}

START_TEST(test_publish_and_find)
{
	const struct schema *list[] = {parse(REC("a", LONG("x"))), parse(REC("b", LONG("x")))};
	const struct schema *got;
	struct error e = {0};
	ck_assert_int_eq(schemas_publish(&ops, broker, "t", list, 2, &e), ST_OK);
	ck_assert_int_eq(topic_end(), 2);
	struct log_record r;
	char key[20];
	snprintf(key, sizeof key, "%016llx", (unsigned long long)list[0]->fingerprint);
	ck_assert_int_eq(memory_log_read(broker, "t.schemas", 0, 0, &r), ST_OK);
	ck_assert(slice_eq(r.key, slice_of(key)));
	ck_assert(slice_eq(r.value, slice_of(list[0]->json)));
	/* Again: nothing to write. One more: only that. */
	ck_assert_int_eq(schemas_publish(&ops, broker, "t", list, 2, &e), ST_OK);
	ck_assert_int_eq(topic_end(), 2);
	const struct schema *more[] = {list[1], parse(REC("c", LONG("x")))};
	ck_assert_int_eq(schemas_publish(&ops, broker, "t", more, 2, &e), ST_OK);
	ck_assert_int_eq(topic_end(), 3);

	struct schemas *s = schemas_open(&ops, broker, "t", &clock_test.clock);
	const struct schema_source *src = schemas_source(s);
	ck_assert(!src->by_id);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
		        src->by_fingerprint(src->arg, list[i]->fingerprint, &got, &e), ST_OK);
		ck_assert_str_eq(got->name, list[i]->name);
		ck_assert_uint_eq(got->fingerprint, list[i]->fingerprint);
	}
	schemas_close(s);
}
END_TEST

START_TEST(test_unknown_is_not_asked_for_again_at_once)
{
	const struct schema *a = parse(REC("a", LONG("x"))), *got;
	struct schemas *s = schemas_open(&ops, broker, "t", &clock_test.clock);
	const struct schema_source *src = schemas_source(s);
	struct error e = {0};
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
		        src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_END);
	ck_assert_int_eq(asked, 1);
	ck_assert_int_eq(schemas_publish(&memory_log, broker, "t", &a, 1, &e), ST_OK);
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_END);
	clock_test.now_ms += SCHEMAS_AGAIN_MS;
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_OK);
	ck_assert_int_eq(asked, 2);
	schemas_close(s);
}
END_TEST

START_TEST(test_broker_away)
{
	const struct schema *a = parse(REC("a", LONG("x"))), *got;
	struct schemas *s = schemas_open(&ops, broker, "t", &clock_test.clock);
	const struct schema_source *src = schemas_source(s);
	struct error e = {0};
	ck_assert_int_eq(schemas_publish(&memory_log, broker, "t", &a, 1, &e), ST_OK);
	broker_down = true;
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_RETRIABLE);
	broker_down = false; /* no waiting after a failure */
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_OK);
	schemas_close(s);
}
END_TEST

/* The same fingerprint with another logical type: the last one published counts. */
START_TEST(test_last_of_equals)
{
	const struct schema *a = parse(REC("a", LONG("x"))), *b = parse(REC("a", TIME("x"))),
	                    *got;
	struct error e = {0};
	ck_assert_uint_eq(a->fingerprint, b->fingerprint);
	ck_assert_int_eq(schemas_publish(&ops, broker, "t", &a, 1, &e), ST_OK);
	ck_assert_int_eq(schemas_publish(&ops, broker, "t", &b, 1, &e), ST_OK);
	struct schemas *s = schemas_open(&ops, broker, "t", &clock_test.clock);
	const struct schema_source *src = schemas_source(s);
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_OK);
	ck_assert_int_eq(got->fields[0].type.kind, KIND_TIMESTAMP_MILLIS);
	schemas_close(s);
}
END_TEST

START_TEST(test_foreign_records_are_passed_over)
{
	const struct schema *a = parse(REC("a", LONG("x"))), *got;
	struct error e = {0};
	struct log_topic_conf t = {.name = "t.schemas", .partitions = 1};
	ck_assert_int_eq(memory_log.topics_ensure(broker, &t, 1, &e), ST_OK);
	struct slice key = slice_of("0000000000000000"), junk = slice_of("{\"type\":"),
	             text = slice_of(a->json);
	memory_log_produce(broker, "t.schemas", 0, &key, &junk, 0);
	memory_log_produce(broker, "t.schemas", 0, &key, &text, 0);
	memory_log_produce(broker, "t.schemas", 0, &key, NULL, 0);
	struct schemas *s = schemas_open(&ops, broker, "t", &clock_test.clock);
	const struct schema_source *src = schemas_source(s);
	ck_assert_int_eq(src->by_fingerprint(src->arg, a->fingerprint, &got, &e), ST_END);
	ck_assert_int_eq(src->by_fingerprint(src->arg, 0, &got, &e), ST_END);
	schemas_close(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run_schemas");
	TCase *t = tcase_create("schemas");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_publish_and_find);
	tcase_add_test(t, test_unknown_is_not_asked_for_again_at_once);
	tcase_add_test(t, test_broker_away);
	tcase_add_test(t, test_last_of_equals);
	tcase_add_test(t, test_foreign_records_are_passed_over);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
