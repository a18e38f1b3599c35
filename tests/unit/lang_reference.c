// SPDX-License-Identifier: Apache-2.0
//
// The committed language reference is what the checker's tables say. WEIR_WRITE=1 writes it.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/avro/decode.h"
#include "connectors/json/decode.h"
#include "lang/reference.h"
#include "operators/aggregates.h"

#define PAGE WEIR_SOURCE_DIR "/docs/reference/language.md"

static const struct format *const formats[] = {&format_json, &format_avro, NULL};
static const struct lang_env env = {.formats = formats, .aggregates = aggregates};

static void write_page(const struct buf *b)
{
	FILE *f = fopen(PAGE, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(b->p, 1, b->len, f), b->len);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(test_page)
{
	struct buf b;
	buf_init(&b);
	job_reference(&b, &env);
	if (getenv("WEIR_WRITE"))
		write_page(&b);
	char *page = xcalloc(1, b.len + 2);
	FILE *f = fopen(PAGE, "r");
	ck_assert_msg(f != NULL, "no " PAGE);
	size_t n = fread(page, 1, b.len + 1, f);
	fclose(f);
	ck_assert_msg(n == b.len && memcmp(page, b.p, n) == 0,
	        "docs/reference/language.md is not what the tables say: run "
	        "test_lang_reference with WEIR_WRITE=1");
	free(page);
	buf_release(&b);
}
END_TEST

/* Everything that can be written is in it. */
START_TEST(test_complete)
{
	struct buf b;
	buf_init(&b);
	job_reference(&b, &env);
	const char *text = buf_cstr(&b);
	for (const struct aggregate *const *a = aggregates; *a; a++)
		ck_assert_msg(strstr(text, (*a)->signature) != NULL, "%s", (*a)->signature);
	static const char *const words[] = {"`date_diff(", "`timestamp-micros`", "`lateness`",
	        "`json`", "`avro`", "`retention`", "a not in (b, c)"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ck_assert_msg(strstr(text, words[i]) != NULL, "%s", words[i]);
	buf_release(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lang_reference");
	TCase *t = tcase_create("all");
	tcase_add_test(t, test_page);
	tcase_add_test(t, test_complete);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
