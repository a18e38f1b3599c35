// SPDX-License-Identifier: Apache-2.0
//
// Who may ask: paths, hosts, origins.
#include <check.h>
#include <stdlib.h>

#include "http/guard.h"

static const struct {
	const char *path;
	bool ok;
} paths[] = {
        {"/", true},
        {"/jobs/a-b_c9/tasks", true},
        {"/style.css", true},
        {"/a..b", true},
        {"/jobs/", true},
        {"", false},
        {"jobs", false},
        {"*", false},
        {"http://x/", false},
        {"//", false},
        {"/a//b", false},
        {"/.", false},
        {"/..", false},
        {"/a/../b", false},
        {"/.hidden", true},
        {"/%2e", false},
        {"/a\\b", false},
        {"/a b", false},
        {"/a\tb", false},
        {"/caf\xc3\xa9", false},
        {"/a\x7f", false},
        {"/<b>", false},
};

START_TEST(test_path)
{
	ck_assert_msg(guard_path_ok(paths[_i].path) == paths[_i].ok, "%s", paths[_i].path);
}
END_TEST

static const struct {
	const char *host;
	bool ok;
} hosts[] = {
        {NULL, true},
        {"localhost", true},
        {"LOCALHOST:8080", true},
        {"127.0.0.1", true},
        {"127.0.0.1:8080", true},
        {"10.0.0.1:1", true},
        {"[::1]:8080", true},
        {"[::1]", true},
        {"", false},
        {":80", false},
        {"evil.example", false},
        {"evil.example:80", false},
        {"localhost.evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1:80@evil", false},
        {"[evil]", false},
        {"localhost:", true},
};

START_TEST(test_host)
{
	ck_assert_msg(guard_host_ok(hosts[_i].host) == hosts[_i].ok, "%s", hosts[_i].host);
}
END_TEST

static const struct {
	const char *origin, *site, *host;
	bool ok;
} origins[] = {
        {NULL, NULL, "localhost:1", true}, /* a program */
        {NULL, NULL, NULL, true},
        {"http://localhost:1", "same-origin", "localhost:1", true},
        {"http://localhost:1", NULL, "localhost:1", true},
        {NULL, "none", "localhost:1", true},
        {"http://localhost:2", NULL, "localhost:1", false},
        {"http://evil.example", NULL, "localhost:1", false},
        {"http://evil.example", NULL, NULL, false},
        {"null", NULL, "localhost:1", false},
        {"", NULL, "localhost:1", false},
        {"http://localhost:1", "cross-site", "localhost:1", false},
        {"http://localhost:1", "same-site", "localhost:1", false},
        {"http://localhost:1.evil.example", NULL, "localhost:1", false},
};

START_TEST(test_origin)
{
	ck_assert_msg(guard_origin_ok(origins[_i].origin, origins[_i].site, origins[_i].host) ==
	                      origins[_i].ok,
	        "row %d", _i);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

int main(void)
{
	Suite *s = suite_create("guard");
	TCase *t = tcase_create("guard");
	tcase_add_loop_test(t, test_path, 0, COUNT(paths));
	tcase_add_loop_test(t, test_host, 0, COUNT(hosts));
	tcase_add_loop_test(t, test_origin, 0, COUNT(origins));
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
