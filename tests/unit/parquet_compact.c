// SPDX-License-Identifier: Apache-2.0
//
// Compaction: the same rows, types and order in fewer files; again nothing; an export goes on
// after it; a kill at every step.
#include "parquet_rig.h"

#include <signal.h>
#include <sys/wait.h>

#define DAY INT64_C(86400000)
#define T0 INT64_C(1356998400000)

static struct rig rig;
static struct export_compacted compacted;

static const struct type t_us = {.kind = KIND_TIMESTAMP_MICROS};
static const struct field fields[] = {
        {.name = "n", .type = {.kind = KIND_LONG}},
        {.name = "ms", .type = {.kind = KIND_TIMESTAMP_MILLIS}, .nullable = true},
        {.name = "us", .type = {.kind = KIND_TIMESTAMP_MICROS}, .nullable = true},
        {.name = "list",
                .type = {.kind = KIND_ARRAY, .element = &t_us, .element_nullable = true},
                .nullable = true},
        {.name = "price",
                .type = {.kind = KIND_DECIMAL, .precision = 10, .scale = 2},
                .nullable = true},
        {.name = "raw", .type = {.kind = KIND_BYTES}, .nullable = true},
};
#define FIELDS (sizeof fields / sizeof *fields)

static struct slice us_list(int64_t a)
{
	struct buf b = {0};
	struct value one = {.i64 = a}, none = {.null = true};
	buf_varint(&b, 2);
	avro_write(&b, &t_us, true, &one);
	avro_write(&b, &t_us, true, &none);
	buf_varint(&b, 0);
	struct slice s = arena_slice(&rig.arena, buf_view(&b));
	buf_release(&b);
	return s;
}

/* Rows from..from+n-1, over three days and both partitions; each call an export of its own. */
static void batch(int from, int n)
{
	for (int i = from; i < from + n; i++) {
		struct value v[FIELDS] = {{.i64 = i}, {.i64 = T0 + i, .null = i % 3 == 0},
		        {.i64 = T0 * 1000 + i, .null = i % 4 == 0},
		        {.bytes = us_list(T0 * 1000 + i), .null = i % 5 == 0},
		        {.i128 = i, .null = i % 2 == 0},
		        {.bytes = {(const uint8_t *)"\0\xff", 2}}};
		rig_row(&rig, i % 2, i % 7 ? "N1" : "N2", T0 + i % 3 * DAY + i, i % 6 ? i : -1,
		        v);
	}
	rig_export(&rig);
}

static void setup(void)
{
	rig_open(&rig, 2, fields, FIELDS);
	batch(0, 30);
	batch(30, 30);
	batch(60, 7); /* and not every partition and day */
}

static void teardown(void)
{
	rig_close(&rig);
}

static void compact(void)
{
	ck_assert_msg(export_compact(&rig.conf, &compacted, &rig.e) == ST_OK, "%s", rig.e.msg);
}

static const char *rows_sorted(void)
{
	return rig_sql(&rig, "SELECT md5(string_agg(r::VARCHAR, ';' ORDER BY r::VARCHAR)) || "
	                     "count(*) FROM FILES r");
}

static const char *types(void)
{
	return rig_sql(&rig, "SELECT DISTINCT name, type, logical_type, repetition_type FROM "
	                     "parquet_schema(FILES) ORDER BY ALL");
}

static const char *files_out_of_order(void)
{
	return rig_sql(&rig, "SELECT count(*) FROM (SELECT (tailnum, epoch_ms(event_time), "
	                     "epoch_ms(known_at), coalesce(source_offset, -1)) AS k, lag(k) "
	                     "OVER (PARTITION BY "
	                     "filename ORDER BY file_row_number) AS before FROM "
	                     "read_parquet(FILES, filename = "
	                     "true, file_row_number = true)) WHERE before > k");
}

static int count_files(void)
{
	int n = 0;
	for (const char *at = rig_files(&rig); (at = strstr(at, "/part-")); at++)
		n++;
	return n;
}

START_TEST(test_same_rows)
{
	const char *rows = rows_sorted(), *kinds = types();
	ck_assert_int_gt(count_files(), 12);
	compact();
	ck_assert_int_eq(count_files(), 6); /* three days of two partitions */
	ck_assert_uint_eq(compacted.days, 3);
	ck_assert_uint_eq(compacted.after, 6);
	ck_assert_str_eq(rows_sorted(), rows);
	ck_assert_str_eq(types(), kinds);
	ck_assert_str_eq(files_out_of_order(), "0");
	ck_assert_ptr_null(strstr(rig_files(&rig), "tmp"));
	const char *files = rig_files(&rig);
	compact();
	ck_assert_uint_eq(compacted.days, 0);
	ck_assert_str_eq(rig_files(&rig), files);
}
END_TEST

/* Its manifest lists what is there; what comes later comes beside. */
START_TEST(test_export_goes_on)
{
	compact();
	batch(67, 33);
	ck_assert_uint_eq(rig.counts.rows, 33);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*), count(DISTINCT n) FROM FILES"), "100|100");
	compact();
	ck_assert_int_eq(count_files(), 6);
	rig_export(&rig);
	ck_assert_uint_eq(rig.counts.rows, 0);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*), count(DISTINCT n) FROM FILES"), "100|100");
}
END_TEST

/* A day with one file of each partition is left alone, to its inode. */
START_TEST(test_others_untouched)
{
	struct stat before, after;
	compact();
	struct value v[FIELDS] = {{.i64 = 1000}};
	for (size_t i = 1; i < FIELDS; i++)
		v[i].null = true;
	rig_row(&rig, 0, "N9", T0 + DAY + 5, 1000, v);
	rig_export(&rig);
	const char *dir = arena_printf(&rig.arena, "%s/v/v1/dt=2013-01-01", rig.dir);
	ck_assert_int_eq(stat(dir, &before), 0);
	compact();
	ck_assert_uint_eq(compacted.days, 1);
	ck_assert_uint_eq(compacted.before, 2);
	ck_assert_int_eq(stat(dir, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_str_eq(
	        rig_sql(&rig, "SELECT count(*), count(DISTINCT n) FROM FILES"), "68|68");
}
END_TEST

START_TEST(test_no_export)
{
	rig.conf.view = "w";
	ck_assert_int_eq(export_compact(&rig.conf, &compacted, &rig.e), ST_ERR);
	rig.conf.view = "v";
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

static bool killed(int n)
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		kill_at = n;
		rig.conf.step = kill_self;
		_exit(export_compact(&rig.conf, &compacted, &rig.e) == ST_OK ? 0 : 9);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

/* Killed at its n-th step: a reader sees every row once at once; then either the next export or
 * the next compaction, by turns, finishes or forgets it. */
START_TEST(test_kill_at_every_step)
{
	const char *rows = rows_sorted();
	char *kept = arena_printf(&rig.arena, "%s.kept", rig.dir);
	int steps = 0;
	ck_assert_int_eq(system(arena_printf(&rig.arena, "cp -a %s %s", rig.dir, kept)), 0);
	for (int n = 1; killed(n); n++, steps++) {
		ck_assert_str_eq(rows_sorted(), rows);
		if (n % 2)
			rig_export(&rig);
		ck_assert_str_eq(rows_sorted(), rows);
		compact();
		ck_assert_int_eq(count_files(), 6);
		ck_assert_str_eq(rows_sorted(), rows);
		ck_assert_int_ne(
		        access(arena_printf(&rig.arena, "%s/v/.v1.compact", rig.dir), F_OK), 0);
		nftw(rig.dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
		ck_assert_int_eq(
		        system(arena_printf(&rig.arena, "cp -a %s %s", kept, rig.dir)), 0);
	}
	ck_assert_int_ge(steps, 5);
	nftw(kept, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parquet_compact");
	TCase *t = tcase_create("compact");
	tcase_set_timeout(t, 240);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_same_rows);
	tcase_add_test(t, test_export_goes_on);
	tcase_add_test(t, test_others_untouched);
	tcase_add_test(t, test_no_export);
	tcase_add_test(t, test_kill_at_every_step);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
