// SPDX-License-Identifier: Apache-2.0
//
// Finding a view's offline topic, <prefix>.<view>.v<version>, among the broker's.
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "connectors/parquet/export.h"
#include "lang/suggest.h"

struct search {
	const char *view;
	size_t skip;      /* the prefix and its dot */
	uint32_t version; /* 0: none yet */
	struct arena *a;
	struct suggest suggest;
};

/* "<view>.v<version>": how long the view's name is; 0: no such name. */
static size_t parse(const char *s, uint32_t *version)
{
	const char *dot = strrchr(s, '.');
	int64_t n;
	if (!dot || dot == s || dot[1] != 'v' || dot[2] == '0' ||
	        !num_parse_int(dot + 2, strlen(dot + 2), &n) || n < 1 || n > UINT32_MAX)
		return 0;
	*version = (uint32_t)n;
	return (size_t)(dot - s);
}

static void each(void *arg, const char *topic)
{
	struct search *s = arg;
	uint32_t version;
	const char *name = topic + s->skip;
	size_t n = parse(name, &version);
	if (!n)
		return;
	if (n == strlen(s->view) && strncmp(name, s->view, n) == 0) {
		if (version > s->version)
			s->version = version;
	} else if (!memchr(name, '.', n)) { /* with a dot it is not a view's */
		suggest_offer(&s->suggest, arena_strndup(s->a, name, n));
	}
}

enum status export_newest(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, const char *view, uint32_t *version, struct arena *a,
        const char **near, struct error *e)
{
	char begins[256];
	int n = snprintf(begins, sizeof begins, "%s.", prefix);
	struct search s = {.view = view,
	        .skip = (size_t)n,
	        .a = a,
	        .suggest = suggest_for(slice_of(view))};
	*near = NULL;
	if (n < 0 || (size_t)n >= sizeof begins)
		return error_set(e, ERR_USER, 0, "the prefix is too long");
	if (log->topics_list(broker, begins, each, &s, e))
		return ST_ERR;
	*version = s.version;
	*near = s.suggest.best;
	return s.version ? ST_OK : ST_END;
}
