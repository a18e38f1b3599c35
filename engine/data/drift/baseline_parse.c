// SPDX-License-Identifier: Apache-2.0
//
// Reads a baseline file. It may have been edited or made by another version, so nothing in it
// is believed: sizes, order and sums are checked, and the first thing wrong is said with its
// place. Keys that are not known are ignored: a later version may add some.
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/drift/baseline_inside.h"

#define COUNT_MAX 9007199254740992.0 // 2^53: whole numbers that a double holds

struct parse {
	struct baseline *b;
	struct arena *a;
	const char *name; // of the file
	char where[300];  // segments[0].columns[2] (score)
	struct error *e;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct parse *p, const char *fmt, ...)
{
	char what[300];
	va_list args;
	if (p->failed)
		return;
	p->failed = true;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	error_set(p->e, ERR_USER, 0, "baseline %s: %s%s%s; make it anew with weir baseline",
	        p->name, p->where, p->where[0] ? ": " : "", what);
}

static json_t *need(struct parse *p, json_t *object, const char *key, bool (*is)(json_t *),
        const char *what)
{
	json_t *v = json_object_get(object, key);
	if (v && is(v))
		return v;
	wrong(p, "%s is %s, not %s", key, v ? "something else" : "missing", what);
	return NULL;
}

static bool is_array(json_t *v)
{
	return json_is_array(v);
}

static bool is_object(json_t *v)
{
	return json_is_object(v);
}

static bool is_text(json_t *v)
{
	return json_is_string(v);
}

static bool is_count(json_t *v)
{
	double x = json_number_value(v);
	return json_is_number(v) && x >= 0 && x <= COUNT_MAX && x == floor(x);
}

static bool is_number(json_t *v)
{
	return json_is_number(v) || json_is_null(v);
}

static uint64_t count(struct parse *p, json_t *object, const char *key)
{
	json_t *v = need(p, object, key, is_count, "a whole number");
	return v ? (uint64_t)json_number_value(v) : 0;
}

static double number(struct parse *p, json_t *object, const char *key)
{
	json_t *v = need(p, object, key, is_number, "a number");
	return !v || json_is_null(v) ? NAN : json_number_value(v);
}

// NULL when absent or null.
static const char *text(struct parse *p, json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);
	if (!v || json_is_null(v))
		return NULL;
	v = need(p, object, key, is_text, "a text");
	return v ? arena_strdup(p->a, json_string_value(v)) : NULL;
}

static uint32_t numbers(
        struct parse *p, json_t *object, const char *key, double *out, uint32_t max)
{
	json_t *v = need(p, object, key, is_array, "a list"), *item;
	size_t i, n = v ? json_array_size(v) : 0;
	if (n > max) {
		wrong(p, "%s has %zu numbers, more than %u", key, n, max);
		return 0;
	}
	json_array_foreach(v, i, item)
	{
		if (!json_is_number(item))
			wrong(p, "%s[%zu] is no number", key, i);
		out[i] = json_number_value(item);
	}
	return (uint32_t)n;
}

static uint64_t *counts(struct parse *p, json_t *object, const char *key, uint32_t n)
{
	uint64_t *out = arena_calloc(p->a, n + 1, sizeof *out);
	json_t *v = need(p, object, key, is_array, "a list"), *item;
	size_t i;
	if (v && json_array_size(v) != n) {
		wrong(p, "%s has %zu numbers, not %u", key, json_array_size(v), n);
		return out;
	}
	json_array_foreach(v, i, item)
	{
		if (is_count(item))
			out[i] = (uint64_t)json_number_value(item);
		else
			wrong(p, "%s[%zu] is no whole number", key, i);
	}
	return out;
}

static struct moments moments(struct parse *p, json_t *object, const char *key)
{
	struct moments m = {0};
	json_t *v = need(p, object, key, is_object, "an object");
	if (!v)
		return m;
	m.n = count(p, v, "n");
	if (m.n == 0)
		return m;
	m.origin = number(p, v, "origin");
	m.offset = number(p, v, "offset");
	m.m2 = number(p, v, "squares");
	m.min = number(p, v, "min");
	m.max = number(p, v, "max");
	return m;
}

static void grid(struct parse *p, json_t *json, struct baseline_column *c)
{
	c->grid = arena_alloc(p->a, GRID_MAX * sizeof *c->grid);
	if (json_object_get(json, "grid")) {
		c->ngrid = numbers(p, json, "grid", c->grid, GRID_MAX);
		return;
	}
	for (uint32_t i = 0; i < BASELINE_QUANTILES; i++)
		if (i == 0 || c->quantiles[i] != c->quantiles[i - 1])
			c->grid[c->ngrid++] = c->quantiles[i];
}

static void check_grid(struct parse *p, const struct baseline_column *c)
{
	uint64_t was = 0;
	for (uint32_t i = 0; i < c->ngrid; i++) {
		if (i && !(c->grid[i - 1] < c->grid[i]))
			wrong(p, "its quantiles or its grid do not ascend");
		if (!c->at[i] || c->upto[i] < was || c->upto[i] - was < c->at[i])
			wrong(p, "at and upto do not fit at %u", i);
		was = c->upto[i];
	}
	if (!c->ngrid || was != c->moments.n || c->grid[0] != c->moments.min ||
	        c->grid[c->ngrid - 1] != c->moments.max)
		wrong(p, "its grid does not fit its moments");
}

static void number_column(struct parse *p, json_t *json, struct baseline_column *c)
{
	c->moments = moments(p, json, "moments");
	if (c->nulls + c->non_finite + c->moments.n != c->rows)
		wrong(p, "rows is not the sum of nulls, non_finite and moments.n");
	if (!c->moments.n || p->failed)
		return;
	c->distinct = (uint32_t)fmin((double)count(p, json, "distinct"), GRID_MAX + 1);
	uint32_t n = numbers(p, json, "quantiles", c->quantiles, BASELINE_QUANTILES);
	if (n != BASELINE_QUANTILES)
		wrong(p, "quantiles has %u numbers, not %d", n, BASELINE_QUANTILES);
	grid(p, json, c);
	c->at = counts(p, json, "at", c->ngrid);
	c->upto = counts(p, json, "upto", c->ngrid);
	json_t *bins = need(p, json, "bins", is_array, "a list");
	c->nwidth = bins ? (uint32_t)json_array_size(bins) : 0;
	c->width = counts(p, json, "bins", c->nwidth);
	if (!p->failed)
		check_grid(p, c);
}

static int category_cmp(const void *a, const void *b)
{
	return slice_cmp(((const struct baseline_category *)a)->value,
	        ((const struct baseline_category *)b)->value);
}

static void category_column(struct parse *p, json_t *json, struct baseline_column *c)
{
	json_t *all = need(p, json, "categories", is_object, "an object"), *v;
	const char *value;
	size_t n = json_object_size(all), bytes;
	uint64_t sum = c->other = count(p, json, "other");
	if (n > BASELINE_CATEGORIES_MAX) {
		wrong(p, "%zu categories are more than %d", n, BASELINE_CATEGORIES_MAX);
		return;
	}
	c->categories = arena_calloc(p->a, n + 1, sizeof *c->categories);
	json_object_keylen_foreach(all, value, bytes, v)
	{
		if (!is_count(v) || bytes > BASELINE_CATEGORY_BYTES_MAX)
			wrong(p, "categories: %.40s is too long or has no count", value);
		struct slice s = {(const uint8_t *)value, (uint32_t)bytes};
		c->categories[c->ncategories++] = (struct baseline_category){
		        arena_slice(p->a, s), (uint64_t)json_number_value(v)};
		sum += (uint64_t)json_number_value(v);
	}
	if (c->ncategories)
		qsort(c->categories, c->ncategories, sizeof *c->categories, category_cmp);
	if (c->nulls + sum != c->rows)
		wrong(p, "rows is not the sum of nulls, other and the categories");
}

static void column(struct parse *p, json_t *json, struct baseline_column *c)
{
	json_t *type = need(p, json, "type", is_text, "a text");
	const char *kind = type ? json_string_value(type) : "";
	if (strcmp(kind, "number") && strcmp(kind, "category"))
		wrong(p, "type is %s, not number or category", kind);
	c->kind = strcmp(kind, "category") ? DRIFT_NUMBER : DRIFT_CATEGORY;
	c->rows = count(p, json, "rows");
	c->nulls = count(p, json, "nulls");
	c->non_finite = count(p, json, "non_finite");
	c->integer = json_is_true(json_object_get(json, "integer"));
	if (p->failed)
		return;
	(c->kind == DRIFT_NUMBER ? number_column : category_column)(p, json, c);
	if (!p->failed)
		baseline_column_index(c, p->a);
}

static void errors(struct parse *p, json_t *json, struct errors *x)
{
	json_t *bins, *bin;
	size_t i;
	x->skipped = count(p, json, "skipped");
	x->beyond = count(p, json, "beyond");
	x->absolute = moments(p, json, "absolute");
	x->squared = moments(p, json, "squared");
	bins = need(p, json, "bins", is_array, "a list");
	if (bins && json_array_size(bins) != ERRORS_BINS)
		wrong(p, "errors.bins has %zu bins, not %d", json_array_size(bins),
		        ERRORS_BINS);
	json_array_foreach(bins, i, bin)
	{
		if (p->failed)
			return;
		if (json_array_size(bin) != 3 || !is_count(json_array_get(bin, 0)))
			wrong(p, "errors.bins[%zu] is not [n, score, label]", i);
		x->bins[i] =
		        (struct errors_bin){(uint64_t)json_number_value(json_array_get(bin, 0)),
		                json_number_value(json_array_get(bin, 1)),
		                json_number_value(json_array_get(bin, 2))};
	}
}

static void segment_values(struct parse *p, json_t *json, struct baseline_segment *s, size_t at)
{
	json_t *values = json_object_get(json, "segment");
	if ((at == 0) != (!values || json_is_null(values)))
		wrong(p, "the first segment, and no other, is null: all rows together");
	if (at == 0 || p->failed)
		return;
	s->values = arena_calloc(p->a, p->b->nby + 1, sizeof *s->values);
	for (uint32_t i = 0; i < p->b->nby; i++)
		s->values[i] = text(p, values, p->b->by[i]);
}

static void columns(struct parse *p, json_t *list, struct baseline_segment *s, size_t at)
{
	json_t *json;
	size_t i;
	s->columns = arena_calloc(p->a, p->b->ncolumns + 1, sizeof *s->columns);
	if (json_array_size(list) != p->b->ncolumns)
		wrong(p, "it has %zu columns, the first segment %u", json_array_size(list),
		        p->b->ncolumns);
	json_array_foreach(list, i, json)
	{
		struct baseline_column *c = &s->columns[i];
		if (p->failed)
			return;
		json_t *name = need(p, json, "name", is_text, "a text");
		c->name = arena_strdup(p->a, name ? json_string_value(name) : "");
		snprintf(p->where, sizeof p->where, "segments[%zu].columns[%zu] (%.200s)", at,
		        i, c->name);
		column(p, json, c);
		const struct baseline_column *first = &p->b->segments[0].columns[i];
		if (at && !p->failed &&
		        (strcmp(first->name, c->name) || first->kind != c->kind))
			wrong(p, "the first segment has another column here");
		for (size_t j = 0; at == 0 && j < i && !p->failed; j++)
			if (!strcmp(s->columns[j].name, c->name))
				wrong(p, "columns[%zu] has the same name", j);
	}
}

static void segment(struct parse *p, json_t *json, size_t at)
{
	struct baseline_segment *s = &p->b->segments[at];
	snprintf(p->where, sizeof p->where, "segments[%zu]", at);
	s->rows = count(p, json, "rows");
	segment_values(p, json, s, at);
	json_t *list = need(p, json, "columns", is_array, "a list");
	json_t *wrongs = json_object_get(json, "errors");
	if (json_is_object(wrongs)) {
		s->has_errors = true;
		errors(p, wrongs, &s->errors);
	}
	if (p->failed)
		return;
	if (at == 0)
		p->b->ncolumns = (uint32_t)json_array_size(list);
	if (p->b->ncolumns > BASELINE_COLUMNS_MAX)
		wrong(p, "%u columns are more than %d", p->b->ncolumns, BASELINE_COLUMNS_MAX);
	else
		columns(p, list, s, at);
}

static void origin(struct parse *p, json_t *root)
{
	struct baseline_origin *o = &p->b->origin;
	json_t *json = need(p, root, "origin", is_object, "an object"), *list, *one;
	size_t i;
	if (!json)
		return;
	o->data = text(p, json, "data");
	o->topic = text(p, json, "topic");
	o->from = text(p, json, "from");
	o->to = text(p, json, "to");
	list = json_object_get(json, "offsets");
	o->ranges = arena_calloc(p->a, json_array_size(list) + 1, sizeof *o->ranges);
	json_array_foreach(list, i, one)
	{
		o->ranges[o->nranges++] = (struct baseline_range){
		        (int32_t)count(p, one, "partition"), (int64_t)count(p, one, "first"),
		        (int64_t)count(p, one, "last")};
	}
}

static void head(struct parse *p, json_t *root)
{
	struct baseline *b = p->b;
	json_t *v = json_object_get(root, "format"), *by;
	size_t i;
	if (!json_is_string(v) || strcmp(json_string_value(v), "weir-baseline")) {
		wrong(p, "this is no weir baseline: format is not \"weir-baseline\"");
		return;
	}
	double version = json_number_value(json_object_get(root, "version"));
	if (version != BASELINE_VERSION) {
		wrong(p, "its version is %g, this program reads %d", version, BASELINE_VERSION);
		return;
	}
	b->weir = text(p, root, "weir");
	b->job = text(p, root, "job");
	b->monitor = text(p, root, "monitor");
	b->view = text(p, root, "view");
	b->view_version = (int64_t)count(p, root, "view_version");
	b->score = text(p, root, "score");
	b->label = text(p, root, "label");
	origin(p, root);
	by = need(p, root, "by", is_array, "a list");
	b->by = arena_calloc(p->a, json_array_size(by) + 1, sizeof *b->by);
	json_array_foreach(by, i, v)
	{
		if (!json_is_string(v))
			wrong(p, "by[%zu] is no text", i);
		else
			b->by[b->nby++] = arena_strdup(p->a, json_string_value(v));
	}
}

static void whole(struct parse *p, json_t *root)
{
	json_t *list, *json;
	size_t i;
	head(p, root);
	if (p->failed)
		return;
	list = need(p, root, "segments", is_array, "a list");
	size_t n = json_array_size(list);
	if (n < 1 || n > BASELINE_SEGMENTS_MAX)
		wrong(p, "%zu segments: it must have 1 to %d", n, BASELINE_SEGMENTS_MAX);
	if (p->failed)
		return;
	p->b->segments = arena_calloc(p->a, n, sizeof *p->b->segments);
	p->b->nsegments = (uint32_t)n;
	json_array_foreach(list, i, json)
	{
		if (!p->failed)
			segment(p, json, i);
	}
}

enum status baseline_parse(
        struct slice json, const char *name, struct baseline **out, struct error *e)
{
	json_error_t why;
	struct baseline *b = xcalloc(1, sizeof *b);
	struct parse p = {.b = b, .a = &b->arena, .name = name, .e = e};
	arena_init(&b->arena);
	// Counts fit a double; so large numbers without a point read too.
	json_t *root = json_loadb((const char *)json.p, json.len,
	        JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);
	if (!root)
		wrong(&p, "line %d, column %d: %s", why.line, why.column, why.text);
	else
		whole(&p, root);
	json_decref(root);
	if (p.failed) {
		baseline_free(b);
		return ST_ERR;
	}
	*out = b;
	return ST_OK;
}
