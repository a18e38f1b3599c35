// SPDX-License-Identifier: Apache-2.0
//
// Words of other languages. The tables stay small: a word is here when people do write it and
// the nearest spelling is wrong, or there is none.
#include "lang/habits.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "lang/expr.h"

static const struct {
	const char *word, *ours;
} functions_elsewhere[] = {
        {"mean", "avg"},
        {"average", "avg"},
        {"count_distinct", "distinct"},
        {"nunique", "distinct"},
        {"uniq", "distinct"},
        {"percentile", "quantile"},
        {"percentile_cont", "quantile"},
        {"variance", "var"},
        {"std", "stddev"},
        {"stdev", "stddev"},
        {"first_value", "first"},
        {"last_value", "last"},
        {"ifnull", "coalesce"},
        {"nvl", "coalesce"},
        {NULL, NULL},
};

static const char *const clocks[] = {"now", "current_timestamp", "current_date",
        "current_time", "getdate", "sysdate", NULL};

static bool same(struct slice a, const char *b)
{
	return a.len == strlen(b) && strncasecmp((const char *)a.p, b, a.len) == 0;
}

const char *habit_function(struct slice name)
{
	size_t i = 0;
	while (functions_elsewhere[i].word && !same(name, functions_elsewhere[i].word))
		i++;
	return functions_elsewhere[i].ours;
}

const char *habit_keyword(struct slice word)
{
	for (const char *const *k = expr_keywords; *k; k++)
		if (same(word, *k) && !slice_eq(word, slice_of(*k)))
			return *k;
	return NULL;
}

bool habit_clock(struct slice name)
{
	for (const char *const *c = clocks; *c; c++)
		if (same(name, *c))
			return true;
	return false;
}
