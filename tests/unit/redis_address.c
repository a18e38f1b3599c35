// SPDX-License-Identifier: Apache-2.0
//
// Redis addresses out of text, good and bad.
#include <check.h>
#include <stdlib.h>

#include "connectors/redis/address.h"

static const struct {
	const char *text, *host, *path;
	int port, db;
	const char *user, *password, *shown;
} good[] = {
        {"127.0.0.1:6380", "127.0.0.1", "", 6380, 0, "", "", "127.0.0.1:6380"},
        {"cache", "cache", "", 6379, 0, "", "", "cache:6379"},
        {"[::1]:7000", "::1", "", 7000, 0, "", "", "[::1]:7000"},
        {"[::1]", "::1", "", 6379, 0, "", "", "[::1]:6379"},
        {"/run/redis.sock", "", "/run/redis.sock", 6379, 0, "", "", "/run/redis.sock"},
        {"unix:/run/r.sock", "", "/run/r.sock", 6379, 0, "", "", "/run/r.sock"},
        {"unix:///run/r.sock", "", "/run/r.sock", 6379, 0, "", "", "/run/r.sock"},
        {"redis://h", "h", "", 6379, 0, "", "", "h:6379"},
        {"redis://h:1/", "h", "", 1, 0, "", "", "h:1"},
        {"redis://h:1/15", "h", "", 1, 15, "", "", "h:1"},
        {"redis://:secret@h:1/2", "h", "", 1, 2, "", "secret", "h:1"},
        {"redis://me:p%40ss%3a@h", "h", "", 6379, 0, "me", "p@ss:", "h:6379"},
        {"redis://me:p@x@h:2", "h", "", 2, 0, "me", "p@x", "h:2"},
        {"redis://u:p/w@[fe80::1]:9/1", "fe80::1", "", 9, 1, "u", "p/w", "[fe80::1]:9"},
};

static const char *const bad[] = {"", "h:", "h:0", "h:65536", "h:12x", ":6379", "[::1", "[]:1",
        "[::1]x", "redis://", "redis://h:1/x", "redis://h:1/-1", "redis://u:%zz@h",
        "redis://u:%00@h", "redis://u:secret%2@h", "rediss://u:secret@h", "unix:"};

START_TEST(reads)
{
	struct address a;
	struct error e = {0};
	ck_assert_msg(
	        address_parse(&a, good[_i].text, &e) == ST_OK, "%s: %s", good[_i].text, e.msg);
	ck_assert_str_eq(a.host, good[_i].host);
	ck_assert_str_eq(a.path, good[_i].path);
	ck_assert_int_eq(a.port, good[_i].port);
	ck_assert_int_eq(a.db, good[_i].db);
	ck_assert_str_eq(a.user, good[_i].user);
	ck_assert_str_eq(a.password, good[_i].password);
	ck_assert_str_eq(a.shown, good[_i].shown);
}
END_TEST

START_TEST(refuses)
{
	struct address a;
	struct error e = {0};
	ck_assert_msg(address_parse(&a, bad[_i], &e) == ST_ERR, "%s", bad[_i]);
	ck_assert_int_eq(e.class, ERR_USER);
	ck_assert_ptr_null(strstr(e.msg, "secret"));
}
END_TEST

START_TEST(refuses_what_is_too_long)
{
	static char text[5000];
	struct address a;
	struct error e;
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_int_eq(address_parse(&a, text, &e), ST_ERR);
	text[0] = '/';
	ck_assert_int_eq(address_parse(&a, text, &e), ST_ERR);
	memcpy(text, "redis://u:", 10);
	memcpy(text + sizeof(text) - 3, "@h", 2);
	ck_assert_int_eq(address_parse(&a, text, &e), ST_ERR);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis_address");
	TCase *t = tcase_create("address");
	tcase_add_loop_test(t, reads, 0, sizeof(good) / sizeof(*good));
	tcase_add_loop_test(t, refuses, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, refuses_what_is_too_long);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
