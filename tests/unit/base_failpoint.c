// SPDX-License-Identifier: Apache-2.0
//
// Failpoints: what may be asked of them, when they happen, and that none of the table has lost
// its place in the code.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/failpoint.h"
#include "base/log.h"

static const struct {
	const char *text;
	bool good;
} asks[] = {
        {"epoch.commit:kill", true},
        {"epoch.commit:kill:7", true},
        {"epoch.commit:error:*", true},
        {"epoch.commit:delay:20", true},
        {"epoch.commit:delay:20:3", true},
        {"epoch.commit:stop,flush.write:error:2", true},
        {"rule.generation:off", true},
        {"", true},
        {"epoch.commit", false},
        {"epoch.commit:explode", false},
        {"epoch.commit:kill:0", false},
        {"epoch.commit:kill:x", false},
        {"epoch.commit:delay", false},
        {"epoch.commit:delay:x", false},
        {"epoch.commit:off", false},
        {"rule.generation:kill", false},
        {"nowhere:kill", false},
        {"epoch.commit:kill,", false},
};

START_TEST(what_may_be_asked)
{
	struct error e = {0};
	ck_assert_msg((failpoint_set(asks[_i].text, &e) == ST_OK) == asks[_i].good, "%s: %s",
	        asks[_i].text, e.msg);
	if (!asks[_i].good)
		ck_assert_ptr_nonnull(strstr(e.msg, "WEIR_FAILPOINT"));
}
END_TEST

START_TEST(happens_at_the_nth_time)
{
	struct error e;
	ck_assert(failpoint(FP_EPOCH_COMMIT, &e) == ST_OK);
	ck_assert(!failpoint_set("epoch.commit:error:3", &e));
	for (int i = 1; i < 10; i++)
		ck_assert_int_eq(failpoint(FP_EPOCH_COMMIT, &e), i == 3 ? ST_ERR : ST_OK);
	ck_assert_str_eq(e.msg, "failpoint epoch.commit");
	ck_assert_int_eq(e.class, ERR_RETRIABLE);
	ck_assert_int_eq(failpoint(FP_EPOCH_FLUSH, &e), ST_OK);
	ck_assert(!failpoint_set("epoch.commit:error:*", &e));
	for (int i = 1; i < 10; i++)
		ck_assert_int_eq(failpoint(FP_EPOCH_COMMIT, &e), ST_ERR);
}
END_TEST

START_TEST(kills_itself)
{
	struct error e;
	ck_assert(!failpoint_set("epoch.commit:kill:2", &e));
	failpoint_at(FP_EPOCH_COMMIT);
	failpoint_at(FP_EPOCH_COMMIT);
	_exit(0);
}
END_TEST

START_TEST(rules_are_kept_unless_asked)
{
	struct error e;
	ck_assert(rule_kept(FP_RULE_GENERATION));
	ck_assert(!failpoint_set("rule.generation:off", &e));
	ck_assert(!rule_kept(FP_RULE_GENERATION));
	ck_assert(rule_kept(FP_RULE_REINIT));
	ck_assert(!failpoint_set(NULL, &e));
	ck_assert(rule_kept(FP_RULE_GENERATION));
}
END_TEST

/* -- every name stands for a place -- */

static void file_read(const char *path, struct buf *out)
{
	char block[65536];
	size_t n;
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, block, n);
	fclose(f);
}

static void tree_read(const char *path, struct buf *out)
{
	DIR *d = opendir(path);
	struct dirent *en;
	ck_assert_ptr_nonnull(d);
	while ((en = readdir(d))) {
		char sub[4096];
		size_t n = strlen(en->d_name);
		snprintf(sub, sizeof sub, "%s/%s", path, en->d_name);
		if (en->d_type == DT_DIR && en->d_name[0] != '.')
			tree_read(sub, out);
		else if (n > 2 && !strcmp(en->d_name + n - 2, ".c") &&
		         strcmp(en->d_name, "failpoint.c") != 0)
			file_read(sub, out);
	}
	closedir(d);
}

/* "FP_EPOCH_COMMIT" for number i, from the header: they stand there in order. */
static bool constant_name(struct buf *header, int i, char out[100])
{
	const char *p = strstr(buf_cstr(header), "enum failpoint {");
	for (int k = -1; p && k < i; k++)
		p = strstr(p + 1, "\tFP_");
	return p && sscanf(p, "\t%99[A-Z_]", out) == 1;
}

START_TEST(none_has_lost_its_place)
{
	struct buf code = {0}, header = {0};
	file_read(WEIR_SOURCE_DIR "/engine/base/failpoint.h", &header);
	tree_read(WEIR_SOURCE_DIR "/engine", &code);
	tree_read(WEIR_SOURCE_DIR "/connectors", &code);
	for (int i = 0; i < FP_COUNT; i++) {
		char name[100];
		ck_assert(constant_name(&header, i, name));
		strcat(name, failpoint_is_rule(i) ? ")" : "");
		ck_assert_msg(strstr(buf_cstr(&code), name), "%s (%s) is nowhere in the code",
		        name, failpoint_name(i));
	}
	buf_release(&code);
	buf_release(&header);
}
END_TEST

START_TEST(each_has_a_name_of_its_own)
{
	for (int i = 0; i < FP_COUNT; i++) {
		ck_assert_msg(failpoint_name(i) && failpoint_help(i), "number %d", i);
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(failpoint_name(i), failpoint_name(k));
	}
	ck_assert_ptr_null(failpoint_name(FP_COUNT));
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("failpoint");
	TCase *tc = tcase_create("failpoint");
	tcase_add_loop_test(tc, what_may_be_asked, 0, sizeof asks / sizeof *asks);
	tcase_add_test(tc, happens_at_the_nth_time);
	tcase_add_test_raise_signal(tc, kills_itself, 9);
	tcase_add_test(tc, rules_are_kept_unless_asked);
	tcase_add_test(tc, none_has_lost_its_place);
	tcase_add_test(tc, each_has_a_name_of_its_own);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
