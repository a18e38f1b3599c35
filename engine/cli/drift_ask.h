/* SPDX-License-Identifier: Apache-2.0
 *
 * What weir drift and weir baseline are asked for: columns, segments and tests, from lists on
 * the command line, held against a file's columns. Every error is ERR_USER and suggests.
 */
#ifndef WEIR_CLI_DRIFT_ASK_H
#define WEIR_CLI_DRIFT_ASK_H

#include "base/arena.h"
#include "connectors/parquet/columns.h"
#include "data/drift/tests.h"

#define NAMES_MAX 1000

struct names {
	const char *v[NAMES_MAX];
	uint32_t n;
};

/* "a, b" into names; NULL is none. */
enum status names_split(struct names *out, const char *text, const char *option,
        struct arena *a, struct error *e);
bool names_have(const struct names *n, const char *name);

struct drift_ask {
	enum drift_mode mode;
	uint32_t n;
	struct drift_asked {
		enum drift_test test;
		double threshold; /* NaN: shown, decides nothing */
	} tests[DRIFT_TESTS];
};

/* "psi=0.25,ks" : a test without a number has the mode's own threshold, if there is one. NULL:
 * every test, with the mode's own; those of p-values, which stand beside their statistic, only
 * when that is one. */
enum status drift_ask_tests(
        struct drift_ask *ask, const char *text, struct arena *a, struct error *e);

/* A file's column by name; file for messages. */
enum status columns_need(const struct columns *c, const char *name, const char *file,
        uint32_t *out, struct error *e);
enum status columns_need_by(const struct columns *c, const struct names *by, const char *file,
        struct columns_by *out, struct error *e);
/* How a column is watched; as categories when the user says so. */
enum status columns_need_kind(const struct columns *c, uint32_t i, const char *file,
        const struct names *categories, enum drift_kind *out, struct error *e);

/* A whole file into out. */
enum status file_slurp(const char *path, size_t bytes_max, struct buf *out, struct error *e);

#endif
