// SPDX-License-Identifier: Apache-2.0
//
// Reads an online row and parts its features from _t, _k and _v.
#include "cli/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/num.h"

static void field_take(struct online_text *row, const char *name, const char *value)
{
	int64_t n = 0;
	if (name[0] == '_') { /* reserved: no feature begins so */
		if (num_parse_int(value, strlen(value), &n) && !strcmp(name, "_t"))
			row->event_time = n;
		else if (!strcmp(name, "_k"))
			row->known_at = n;
		return;
	}
	if (row->n < ROW_FEATURES_MAX) {
		row->names[row->n] = name;
		row->values[row->n++] = value;
	}
}

static void fields_take(struct online_text *row)
{
	const char *p = (const char *)row->text.p, *end = p + row->text.len;
	row->names = xcalloc(2 * ROW_FEATURES_MAX, sizeof *row->names);
	row->values = row->names + ROW_FEATURES_MAX;
	while (p < end) {
		const char *name = p, *value = p + strlen(p) + 1;
		if (value >= end)
			break;
		p = value + strlen(value) + 1;
		field_take(row, name, value);
	}
}

enum status online_text_get(struct online_text *row, const struct online_ops *ops,
        struct online *online, const char *view, uint32_t version, const char *entity,
        struct error *e)
{
	*row = (struct online_text){.version = version};
	enum status st = version ? ST_OK : ops->live_get(online, view, &row->version, e);
	if (st == ST_END)
		snprintf(
		        row->missing, sizeof row->missing, "view %s has no live version", view);
	if (st)
		return st;
	st = ops->get(online, view, row->version, slice_of(entity), &row->text, e);
	if (st == ST_END)
		snprintf(row->missing, sizeof row->missing, "view %s v%u has no row of %s",
		        view, row->version, entity);
	if (!st)
		fields_take(row);
	return st;
}

void online_text_release(struct online_text *row)
{
	free(row->names);
	buf_release(&row->text);
}
