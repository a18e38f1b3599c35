/* SPDX-License-Identifier: Apache-2.0
 *
 * What a test's run gave, against what its file expects.
 */
#ifndef WEIR_CLI_TEST_COMPARE_H
#define WEIR_CLI_TEST_COMPARE_H

#include "cli/test_file.h"
#include "run/try.h"

#define TEST_SHOWN_MAX 20  /* differing rows shown of one test */
#define TEST_RELATIVE 1e-9 /* of numbers that are not whole */

struct test_got {
	const struct job *job;
	json_t *rows;           /* objects, as `weir try` prints them, in order */
	json_t *drift, *alerts; /* as well, of a drift record tests as {name: value} */
	json_t *bad;            /* {reason, detail, source, partition, offset, late} */
	struct try_counts counts;
};

struct test_result {
	struct buf text;  /* the differences, for people */
	json_t *failures; /* [{kind, view, row, line, expected, got, fields}] */
	uint32_t n;       /* of them */
};

void test_compare(const struct test_file *t, const struct job *job, const struct test_got *got,
        struct test_result *out);

#endif
