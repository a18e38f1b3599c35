// SPDX-License-Identifier: Apache-2.0
//
// Compares rows field by field, only those that the test names. Numbers agree within
// TEST_RELATIVE, a time may be expected in words, everything else must be the same. Rows are
// matched by their order, not by their looks: a row too many shows as the difference that it
// is.
#include "cli/test_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/civil.h"

/* -- values -- */

static bool time_same(const json_t *want, const json_t *got)
{
	int64_t micros;
	const char *s = json_string_value(want);
	if (!s || !json_is_integer(got) || !civil_parse(slice_of(s), &micros))
		return false;
	json_int_t v = json_integer_value(got);
	return v == micros / 1000 || v == micros;
}

static bool row_same(const json_t *want, const json_t *got);

static bool value_same(const json_t *want, const json_t *got)
{
	if (!got || json_is_null(want))
		return json_is_null(want) && (!got || json_is_null(got));
	if (json_is_integer(want) && json_is_integer(got))
		return json_integer_value(want) == json_integer_value(got);
	if (json_is_number(want) && json_is_number(got)) {
		double a = json_number_value(want), b = json_number_value(got);
		return a == b || fabs(a - b) <= TEST_RELATIVE * fmax(fabs(a), fabs(b));
	}
	if (json_is_array(want) && json_is_array(got)) {
		size_t n = json_array_size(want);
		bool same = n == json_array_size(got);
		for (size_t i = 0; same && i < n; i++)
			same = value_same(json_array_get(want, i), json_array_get(got, i));
		return same;
	}
	if (json_is_object(want) && json_is_object(got))
		return row_same(want, got);
	return json_equal(want, got) || time_same(want, got);
}

static bool row_same(const json_t *want, const json_t *got)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)want, key,
	        v) if (!value_same(v, json_object_get(got, key))) return false;
	return true;
}

/* -- telling -- */

static void dump(struct buf *b, const json_t *v)
{
	char *s = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15))
	            : NULL;
	buf_str(b, s ? s : "null");
	free(s);
}

static void fields_tell(struct buf *b, const json_t *want, const json_t *got)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)want, key, v)
	{
		const json_t *have = json_object_get(got, key);
		bool same = value_same(v, have);
		buf_printf(b, "    %c %s: ", same ? ' ' : '-', key);
		dump(b, v);
		buf_byte(b, '\n');
		if (same)
			continue;
		buf_printf(b, "    + %s: ", key);
		dump(b, have);
		buf_byte(b, '\n');
	}
}

static json_t *differing(const json_t *want, const json_t *got)
{
	json_t *list = json_array();
	const char *key;
	json_t *v;
	json_object_foreach(
	        (json_t *)want, key, v) if (!value_same(v, json_object_get(got, key)))
	        json_array_append_new(list, json_string(key));
	return list;
}

/* want or got is NULL when there is no such row. */
static void failure(struct test_result *out, const char *kind, const char *name, size_t row,
        int line, const json_t *want, const json_t *got)
{
	json_t *f = json_pack("{s:s, s:s?, s:I, s:i, s:O?, s:O?, s:o}", "kind", kind, "view",
	        name, "row", (json_int_t)row + 1, "line", line, "expected", (json_t *)want,
	        "got", (json_t *)got, "fields",
	        want && got ? differing(want, got) : json_array());
	json_array_append_new(out->failures, f);
	if (out->n++ == TEST_SHOWN_MAX)
		buf_str(&out->text, "  further differences are not shown\n");
	if (out->n > TEST_SHOWN_MAX)
		return;
	struct buf *b = &out->text;
	buf_printf(b, "  %s%s%s, row %zu", kind, name ? " of " : "", name ? name : "", row + 1);
	if (line)
		buf_printf(b, ", line %d", line);
	buf_str(b, !want ? ": not expected\n" : !got ? ": missing\n" : ":\n");
	if (want && got) {
		fields_tell(b, want, got);
		return;
	}
	buf_str(b, want ? "    - " : "    + ");
	dump(b, want ? want : got);
	buf_byte(b, '\n');
}

/* -- matching -- */

static void sequence(struct test_result *out, const char *kind, const char *name,
        const struct test_rows *want, const json_t *got)
{
	size_t n = json_array_size(got), most = n > want->n ? n : want->n;
	for (size_t i = 0; i < most; i++) {
		const json_t *g = json_array_get(got, i);
		const struct test_row *w = i < want->n ? &want->items[i] : NULL;
		if (!w)
			failure(out, kind, name, i, want->line, NULL, g);
		else if (!g || !row_same(w->fields, g))
			failure(out, kind, name, i, w->line, w->fields, g);
	}
}

static json_t *rows_of(const json_t *rows, const char *kind, const char *name)
{
	json_t *list = json_array(), *row;
	size_t i;
	json_array_foreach(
	        rows, i, row) if (!strcmp(json_string_value(json_object_get(row, kind)), name))
	        json_array_append(list, row);
	return list;
}

static bool entity_same(
        const struct view *v, const struct job *job, const json_t *want, const json_t *got)
{
	const struct schema *in = job->sources[v->source].schema;
	for (uint32_t i = 0; i < v->nentity; i++) {
		const char *name = in->fields[v->entity[i]].name;
		if (!value_same(json_object_get(want, name), json_object_get(got, name)))
			return false;
	}
	return true;
}

static void finals(struct test_result *out, const struct test_rows *want, const struct job *job,
        const json_t *got)
{
	for (uint32_t i = 0; i < want->n; i++) {
		const json_t *last = NULL;
		for (size_t k = json_array_size(got); !last && k-- > 0;)
			if (entity_same(want->view, job, want->items[i].fields,
			            json_array_get(got, k)))
				last = json_array_get(got, k);
		if (!last || !row_same(want->items[i].fields, last))
			failure(out, "final", want->view->name, i, want->items[i].line,
			        want->items[i].fields, last);
	}
}

static json_t *counts_json(const struct try_counts *n)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "records",
	        (json_int_t)n->records, "late", (json_int_t)n->late, "dead",
	        (json_int_t)n->dead, "rows", (json_int_t)n->rows, "expiry_rows",
	        (json_int_t)n->expiry_rows, "drift", (json_int_t)n->drift, "alerts",
	        (json_int_t)n->alerts);
}

static void of_monitors(struct test_result *out, const char *kind, const struct test_rows *want,
        uint32_t n, const json_t *got)
{
	for (uint32_t i = 0; i < n; i++) {
		json_t *records = rows_of(got, "monitor", want[i].monitor->name);
		sequence(out, kind, want[i].monitor->name, &want[i], records);
		json_decref(records);
	}
}

void test_compare(const struct test_file *t, const struct job *job, const struct test_got *got,
        struct test_result *out)
{
	*out = (struct test_result){.failures = json_array()};
	for (uint32_t i = 0; i < t->nrows; i++) {
		json_t *rows = rows_of(got->rows, "view", t->rows[i].view->name);
		sequence(out, "rows", t->rows[i].view->name, &t->rows[i], rows);
		json_decref(rows);
	}
	for (uint32_t i = 0; i < t->nfinal; i++) {
		json_t *rows = rows_of(got->rows, "view", t->final[i].view->name);
		finals(out, &t->final[i], job, rows);
		json_decref(rows);
	}
	of_monitors(out, "drift", t->drift, t->ndrift, got->drift);
	of_monitors(out, "alerts", t->alerts, t->nalerts, got->alerts);
	json_t *counts = counts_json(&got->counts);
	if (t->counts && !row_same(t->counts, counts))
		failure(out, "counts", NULL, 0, t->counts_line, t->counts, counts);
	json_decref(counts);
	/* A test that loses its records without saying so proves nothing. */
	bool said = t->counts &&
	            (json_object_get(t->counts, "dead") || json_object_get(t->counts, "late"));
	if (t->has_bad || !said)
		sequence(out, "bad", NULL, &t->bad, got->bad);
}
