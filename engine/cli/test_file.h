/* SPDX-License-Identifier: Apache-2.0
 *
 * A test file of a job: events in, rows expected (docs/guide/testing-jobs.md).
 */
#ifndef WEIR_CLI_TEST_FILE_H
#define WEIR_CLI_TEST_FILE_H

#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"
#include "lang/job.h"

#define TEST_FILE_BYTES_MAX (4 << 20)
#define TEST_EVENTS_MAX 100000

/* One expected row: the fields that are compared. */
struct test_row {
	json_t *fields;
	int line; /* in the test file */
};

struct test_rows {
	const struct view *view;       /* NULL: bad records, or a monitor's */
	const struct monitor *monitor; /* of drift and alerts */
	struct test_row *items;
	uint32_t n;
	int line;
};

struct test_file {
	struct arena arena;
	const char *path;
	const char *description; /* may be NULL */
	FILE *events;            /* JSON lines, as for `weir try` */
	const char *events_name; /* for messages */
	struct test_rows *rows;  /* every row of a view, in order */
	uint32_t nrows;
	struct test_rows *final; /* the last row of each entity named */
	uint32_t nfinal;
	struct test_rows *drift; /* every drift record of a monitor, in order */
	uint32_t ndrift;
	struct test_rows *alerts; /* its alerts, in order */
	uint32_t nalerts;
	bool has_bad;
	struct test_rows bad; /* late and dead records, in order */
	json_t *counts;       /* NULL: not given */
	int counts_line;
};

/* ST_ERR with diagnostics. Names of views and fields are checked against the job. */
enum status test_file_read(
        struct test_file *t, const char *path, const struct job *job, struct diagnostics *d);
void test_file_release(struct test_file *t);

#endif
