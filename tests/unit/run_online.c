// SPDX-License-Identifier: Apache-2.0
//
// Versions, the way of repair, and the online store in memory.
#include <check.h>

#include "run/memory_online.h"
#include "run/online_task.h"
#include "run/online_view.h"
#include "tests/lib/online_rows.h"

#define OPS (&memory_online)
#define T "j:s:0"

static struct clock_manual clk;
static struct online *o;
static uint32_t view;
static struct rows rows;

static void setup(void)
{
	struct online_view v = rows_view("vw", 0);
	clock_manual_init(&clk, 1000000);
	o = memory_online_new(&clk.clock, "weir");
	view = OPS->view_add(o, &v);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
}

static void teardown(void)
{
	OPS->close(o);
	rows_release(&rows);
}

static enum status put(
        int64_t epoch, const char *offsets, bool repair, const char *entity, int64_t n)
{
	rows.n = 0;
	if (entity)
		rows_add(&rows, view, entity, n, 0.5, "x", 100);
	return rows_put(OPS, o, T, epoch, offsets, repair, &rows);
}

START_TEST(versions_sort_as_text)
{
	static const struct {
		int64_t inc, epoch;
		uint32_t seq;
	} v[] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 9, 999999}, {0, 10, 0}, {1, 0, 0},
	        {1, (INT64_C(1) << 46), 0}, {1700000000000, 3, 2},
	        {99999999999999, 99999999999999, 999999}};
	char a[ONLINE_VERSION_BYTES + 1] = "", b[ONLINE_VERSION_BYTES + 1];
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		online_version_format(b, v[i].inc, v[i].epoch, v[i].seq);
		ck_assert_uint_eq(strlen(b), ONLINE_VERSION_BYTES);
		ck_assert_int_lt(strcmp(a, b), 0);
		memcpy(a, b, sizeof(a));
	}
	ck_assert_str_eq(b, "9999999999999999999999999999999999");
}
END_TEST

START_TEST(guard_refuses_stale_and_equal)
{
	static const struct {
		int64_t epoch;
		bool repair;
		int64_t n, expect;
	} t[] = {{5, false, 1, 1}, {4, false, 2, 1}, {5, false, 3, 1}, {5, true, 4, 4},
	        {4, true, 5, 4}, {6, false, 6, 6}, {10, false, 7, 7}, {9, false, 8, 7}};
	char expect[200];
	int64_t version = 0;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ck_assert_int_eq(put(t[i].epoch, NULL, t[i].repair, "E", t[i].n), ST_OK);
		if (t[i].n == t[i].expect)
			version = t[i].epoch;
		snprintf(expect, sizeof(expect),
		        "_k=100 _t=95 _v=%014lld last=x mean=0.5 n=%lld", (long long)version,
		        (long long)t[i].expect);
		ck_assert_str_eq(rows_get(OPS, o, "vw", "E"), expect);
	}
	struct online_stats s;
	OPS->stats(o, &s);
	ck_assert_uint_eq(s.rows_written, 4);
	ck_assert_uint_eq(s.rows_stale, 4);
}
END_TEST

START_TEST(a_row_replaces_the_whole_hash)
{
	put(1, "a", false, "E", 1);
	rows.n = 0;
	rows_add(&rows, view, "E", 2, 0, NULL, 200);
	ck_assert_int_eq(rows_put(OPS, o, T, 2, "b", false, &rows), ST_OK);
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E"), "_k=200 _t=195 _v=00000000000002 n=2");
}
END_TEST

START_TEST(rows_expire)
{
	struct online_view v = rows_view("short", 50);
	uint32_t n = OPS->view_add(o, &v);
	ck_assert_uint_ne(n, view);
	rows.n = 0;
	rows_add(&rows, n, "live", 1, 0, NULL, clk.now_ms);
	rows_add(&rows, n, "born_dead", 1, 0, NULL, clk.now_ms - 50);
	ck_assert_int_eq(rows_put(OPS, o, T, 1, "a", false, &rows), ST_OK);
	ck_assert_str_eq(rows_get(OPS, o, "short", "born_dead"), "");
	clk.now_ms += 49;
	ck_assert_str_ne(rows_get(OPS, o, "short", "live"), "");
	clk.now_ms += 1;
	ck_assert_str_eq(rows_get(OPS, o, "short", "live"), "");
}
END_TEST

START_TEST(expiry_saturates)
{
	struct online_view v = {.ttl_ms = INT64_MAX};
	struct online_row r = {.known_at = 5};
	ck_assert_int_eq(online_row_expires(&v, &r), ONLINE_EXPIRES_MAX);
	v.ttl_ms = 7;
	ck_assert_int_eq(online_row_expires(&v, &r), 12);
	r.known_at = -100;
	ck_assert_int_eq(online_row_expires(&v, &r), 1);
	v.ttl_ms = 0;
	ck_assert_int_eq(online_row_expires(&v, &r), 0);
}
END_TEST

START_TEST(views_are_found_again)
{
	struct online_view v = rows_view("vw", 0);
	ck_assert_uint_eq(OPS->view_add(o, &v), view);
	v.nfeatures = 2;
	ck_assert_uint_ne(OPS->view_add(o, &v), view);
}
END_TEST

START_TEST(records_move_with_epochs)
{
	char offsets[4096];
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
	put(3, "v=7", false, "E", 1);
	ck_assert_int_eq(rows_record(OPS, o, T, offsets), 3);
	ck_assert_str_eq(offsets, "v=7");
	put(4, NULL, false, "E", 1); /* rows only */
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 3);
	put(2, "v=5", false, NULL, 0); /* a zombie */
	ck_assert_int_eq(rows_record(OPS, o, T, offsets), 3);
	ck_assert_str_eq(offsets, "v=7");
}
END_TEST

START_TEST(a_record_never_read_is_never_moved)
{
	rows.n = 0;
	ck_assert_int_eq(rows_put(OPS, o, "j:s:1", 3, "a", false, &rows), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, "j:s:1", NULL), -1);
	ck_assert_int_eq(rows_put(OPS, o, "j:s:1", 4, "a", false, &rows), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, "j:s:1", NULL), 4);
}
END_TEST

START_TEST(an_outage_ends_in_repair)
{
	put(1, "a", false, "E", 1);
	memory_online_down(o, true);
	ck_assert_int_eq(put(2, "b", false, "E", 2), ST_END);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -2);
	memory_online_down(o, false);
	ck_assert_uint_eq(OPS->generation(o), 1);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 1);
	/* dropped until repaired, or the record would pass what is missing */
	ck_assert_int_eq(put(3, "c", false, "F", 3), ST_END);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 1);
	/* from the record's offsets, under C = 3; epoch 4 meanwhile */
	ck_assert_int_eq(put(3, NULL, true, NULL, 0), ST_OK);
	ck_assert_int_eq(put(3, NULL, true, "E", 2), ST_OK);
	ck_assert_int_eq(put(4, "d", false, "E", 4), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 1);
	ck_assert_int_eq(put(3, NULL, true, "F", 3), ST_OK);
	ck_assert_int_eq(put(4, "d", true, NULL, 0), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 4);
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E"),
	        "_k=100 _t=95 _v=00000000000004 last=x mean=0.5 n=4");
	ck_assert_str_eq(rows_get(OPS, o, "vw", "F"),
	        "_k=100 _t=95 _v=00000000000003 last=x mean=0.5 n=3");
	ck_assert_int_eq(put(5, "e", false, "E", 5), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 5);
}
END_TEST

START_TEST(an_empty_store_never_claims_to_be_whole)
{
	put(1, "a", false, "E", 1);
	memory_online_wipe(o);
	ck_assert_int_eq(put(2, "b", false, "F", 2), ST_OK); /* found out by this one */
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
	ck_assert_int_eq(put(3, "c", false, "F", 3), ST_END);
	ck_assert_int_eq(put(3, NULL, true, "E", 1), ST_OK);
	ck_assert_int_eq(put(3, "c", true, "F", 3), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 3);
}
END_TEST

START_TEST(a_loss_during_a_repair_starts_it_anew)
{
	put(1, "a", false, "E", 1);
	memory_online_wipe(o);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
	ck_assert_int_eq(put(1, NULL, true, "E", 1), ST_OK);
	memory_online_wipe(o);
	put(1, "a", true, NULL, 0);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
	ck_assert_int_eq(put(1, NULL, true, "E", 1), ST_OK);
	ck_assert_int_eq(put(1, "a", true, NULL, 0), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 1);
	ck_assert_int_eq(put(2, "b", false, "E", 2), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 2);
}
END_TEST

START_TEST(the_caller_hears_of_a_loss_before_a_repair_goes_on)
{
	put(1, "a", false, "E", 1);
	memory_online_wipe(o);
	ck_assert_int_eq(put(2, NULL, true, "E", 1), ST_OK);
	memory_online_wipe(o);
	ck_assert_int_eq(put(2, NULL, true, "F", 1), ST_OK); /* the store answers: gap */
	ck_assert_int_eq(put(2, "b", true, NULL, 0), ST_END);
	ck_assert_int_eq(put(2, NULL, true, "E", 1), ST_OK); /* anew */
}
END_TEST

START_TEST(a_rolled_back_store_is_behind)
{
	put(1, "a", false, "E", 1);
	memory_online_snapshot(o);
	put(2, "b", false, "E", 2);
	memory_online_rollback(o);
	ck_assert_int_eq(put(3, "c", false, "F", 3), ST_OK);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), 1);
	ck_assert_int_eq(put(4, "d", false, "F", 4), ST_END);
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E"),
	        "_k=100 _t=95 _v=00000000000001 last=x mean=0.5 n=1");
}
END_TEST

START_TEST(an_owner_goes_on_from_the_record_it_read)
{
	put(7, "a", false, "E", 1);
	struct online_task t = {.name = NULL};
	struct online_epoch ep = {.task = T, .record = {.offsets = "b"}};
	struct online_step s;
	online_version_format(ep.record.version, 1700000000000, 8, 0);
	char read[ONLINE_VERSION_BYTES + 1];
	online_version_format(read, 1700000000000, 7, 0);
	online_task_read(&t, read);
	online_task_step(&t, &ep, 1, &s);
	ck_assert(s.accept && s.record && !s.token[0]);
	ck_assert_str_eq(s.prev, read);
	ck_assert_int_eq(online_guard(&s, ep.record.version, true, "", ""), ONLINE_GAP);
	ck_assert_int_eq(online_guard(&s, ep.record.version, true, read, ""), ONLINE_WRITTEN);
	ck_assert_int_eq(online_guard(&s, ep.record.version, true, ep.record.version, ""),
	        ONLINE_WRITTEN);
	ck_assert_int_eq(online_guard(&s, read, true, ep.record.version, ""), ONLINE_STALE);
}
END_TEST

START_TEST(live_versions_and_removal)
{
	uint32_t v = 0;
	struct error e;
	ck_assert_int_eq(OPS->live_get(o, "vw", &v, &e), ST_END);
	ck_assert_int_eq(OPS->live_set(o, "vw", 1, &e), ST_OK);
	put(1, "a", false, "E", 1);
	ck_assert_int_eq(OPS->view_delete(o, "vw", 1, &e), ST_END);
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E"), "");
	ck_assert_int_eq(OPS->live_get(o, "vw", &v, &e), ST_OK);
	ck_assert_uint_eq(v, 1);
	ck_assert_uint_eq(memory_online_keys(o), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run_online");
	TCase *t = tcase_create("online");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, versions_sort_as_text);
	tcase_add_test(t, guard_refuses_stale_and_equal);
	tcase_add_test(t, a_row_replaces_the_whole_hash);
	tcase_add_test(t, rows_expire);
	tcase_add_test(t, expiry_saturates);
	tcase_add_test(t, views_are_found_again);
	tcase_add_test(t, records_move_with_epochs);
	tcase_add_test(t, a_record_never_read_is_never_moved);
	tcase_add_test(t, an_outage_ends_in_repair);
	tcase_add_test(t, an_empty_store_never_claims_to_be_whole);
	tcase_add_test(t, a_loss_during_a_repair_starts_it_anew);
	tcase_add_test(t, the_caller_hears_of_a_loss_before_a_repair_goes_on);
	tcase_add_test(t, a_rolled_back_store_is_behind);
	tcase_add_test(t, an_owner_goes_on_from_the_record_it_read);
	tcase_add_test(t, live_versions_and_removal);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
