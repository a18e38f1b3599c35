// SPDX-License-Identifier: Apache-2.0
//
// Lists of names and tests.
#include "cli/drift_ask.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "lang/suggest.h"

static struct slice trimmed(const char *p, size_t n)
{
	while (n && *p == ' ') {
		p++;
		n--;
	}
	while (n && p[n - 1] == ' ')
		n--;
	return (struct slice){(const uint8_t *)p, (uint32_t)n};
}

/* The next word before a comma; false when there is none. */
static bool word(const char **text, struct slice *out)
{
	if (!*text || !**text)
		return false;
	size_t n = strcspn(*text, ",");
	*out = trimmed(*text, n);
	*text += n + ((*text)[n] == ',');
	return true;
}

enum status names_split(struct names *out, const char *text, const char *option,
        struct arena *a, struct error *e)
{
	struct slice w;
	out->n = 0;
	while (word(&text, &w)) {
		if (!w.len || out->n == NAMES_MAX)
			return error_set(e, ERR_USER, 0, "--%s: %s", option,
			        w.len ? "more than 1000 names" : "an empty name");
		const char *name = arena_strndup(a, (const char *)w.p, w.len);
		if (names_have(out, name))
			return error_set(e, ERR_USER, 0, "--%s has %s twice", option, name);
		out->v[out->n++] = name;
	}
	return ST_OK;
}

bool names_have(const struct names *n, const char *name)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (!strcmp(n->v[i], name))
			return true;
	return false;
}

/* -- tests -- */

static enum status test_unknown(struct slice name, struct error *e)
{
	struct suggest s = suggest_for(name);
	for (int i = 0; i < DRIFT_TESTS; i++)
		suggest_offer(&s, drift_tests[i].skew ? NULL : drift_tests[i].name);
	return error_set(e, ERR_USER, 0, "--tests: there is no test %.*s%s%s%s", (int)name.len,
	        (const char *)name.p, s.best ? "; did you mean " : "", s.best ? s.best : "",
	        s.best ? "?" : "");
}

static enum status test_read(struct drift_ask *ask, struct slice w, struct error *e)
{
	const char *p = (const char *)w.p, *is = memchr(p, '=', w.len);
	struct slice name = trimmed(p, is ? (size_t)(is - p) : w.len);
	int test = drift_test_find(name);
	if (test < 0 || drift_tests[test].skew) /* that is `weir skew` */
		return test_unknown(name, e);
	double threshold = drift_tests[test].thresholds[ask->mode];
	if (is) {
		struct slice number = trimmed(is + 1, w.len - (size_t)(is + 1 - p));
		if (!num_parse_double((const char *)number.p, number.len, &threshold) ||
		        !isfinite(threshold))
			return error_set(e, ERR_USER, 0, "--tests: %.*s is no number",
			        (int)number.len, (const char *)number.p);
	}
	for (uint32_t i = 0; i < ask->n; i++)
		if ((int)ask->tests[i].test == test)
			return error_set(
			        e, ERR_USER, 0, "--tests has %s twice", drift_tests[test].name);
	ask->tests[ask->n++] = (struct drift_asked){(enum drift_test)test, threshold};
	return ST_OK;
}

enum status drift_ask_tests(
        struct drift_ask *ask, const char *text, struct arena *a, struct error *e)
{
	struct slice w;
	(void)a;
	ask->n = 0;
	for (int i = 0; !text && i < DRIFT_TESTS; i++) {
		double threshold = drift_tests[i].thresholds[ask->mode];
		bool shown =
		        drift_tests[i].p_value && drift_tests[i].below; // beside its statistic
		if (!drift_tests[i].skew && (!shown || !isnan(threshold)))
			ask->tests[ask->n++] =
			        (struct drift_asked){(enum drift_test)i, threshold};
	}
	while (word(&text, &w))
		if (test_read(ask, w, e))
			return ST_ERR;
	return ask->n ? ST_OK : error_set(e, ERR_USER, 0, "--tests names no test");
}

/* -- columns -- */

enum status columns_need(const struct columns *c, const char *name, const char *file,
        uint32_t *out, struct error *e)
{
	int32_t at = columns_find(c, name);
	struct suggest s = suggest_for(slice_of(name));
	*out = at < 0 ? 0 : (uint32_t)at;
	if (at >= 0)
		return ST_OK;
	for (uint32_t i = 0; i < columns_count(c); i++)
		suggest_offer(&s, columns_name(c, i));
	return error_set(e, ERR_USER, 0, "%s has no column %s%s%s%s", file, name,
	        s.best ? "; did you mean " : "", s.best ? s.best : "", s.best ? "?" : "");
}

enum status columns_need_by(const struct columns *c, const struct names *by, const char *file,
        struct columns_by *out, struct error *e)
{
	*out = (struct columns_by){0};
	if (by->n > COLUMNS_BY_MAX)
		return error_set(e, ERR_USER, 0, "--by: at most %d columns", COLUMNS_BY_MAX);
	for (; out->n < by->n; out->n++)
		if (columns_need(c, by->v[out->n], file, &out->at[out->n], e))
			return ST_ERR;
	return ST_OK;
}

enum status columns_need_kind(const struct columns *c, uint32_t i, const char *file,
        const struct names *categories, enum drift_kind *out, struct error *e)
{
	bool integer;
	if (!columns_kind(c, i, out, &integer))
		return error_set(e, ERR_USER, 0, "%s: column %s is %s, which is not watched",
		        file, columns_name(c, i), columns_type(c, i));
	if (!names_have(categories, columns_name(c, i)) || *out == DRIFT_CATEGORY)
		return ST_OK;
	if (!integer)
		return error_set(e, ERR_USER, 0,
		        "%s: column %s is of type %s; only whole numbers can be categories",
		        file, columns_name(c, i), columns_type(c, i));
	*out = DRIFT_CATEGORY;
	return ST_OK;
}

enum status file_slurp(const char *path, size_t bytes_max, struct buf *out, struct error *e)
{
	FILE *f = fopen(path, "re");
	size_t n = 1;
	if (!f)
		return error_set(
		        e, ERR_USER, errno, "cannot read %s: %s", path, strerror(errno));
	while (n && out->len <= bytes_max) {
		buf_reserve(out, 65536);
		n = fread(out->p + out->len, 1, 65536, f);
		out->len += n;
	}
	bool bad = ferror(f) != 0;
	fclose(f);
	if (bad)
		return error_set(
		        e, ERR_USER, errno, "cannot read %s: %s", path, strerror(errno));
	if (out->len > bytes_max)
		return error_set(
		        e, ERR_USER, 0, "%s is larger than %zu bytes", path, bytes_max);
	return ST_OK;
}
