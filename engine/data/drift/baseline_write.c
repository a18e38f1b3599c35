// SPDX-License-Identifier: Apache-2.0
//
// A baseline as JSON: keys in a fixed order, a line per column, numbers as the shortest text
// that reads back to the same double. The same baseline is the same bytes.
#include <inttypes.h>
#include <math.h>

#include "data/drift/baseline.h"

static void key(struct buf *out, const char *name)
{
	buf_json(out, slice_of(name));
	buf_byte(out, ':');
}

static void text(struct buf *out, const char *name, const char *value)
{
	key(out, name);
	if (value)
		buf_json(out, slice_of(value));
	else
		buf_str(out, "null");
}

// What overflowed has no number in JSON.
static void number(struct buf *out, double v)
{
	if (isfinite(v))
		buf_num(out, v);
	else
		buf_str(out, "null");
}

static void count(struct buf *out, const char *name, uint64_t v)
{
	key(out, name);
	buf_int(out, (int64_t)v);
}

static void numbers(struct buf *out, const char *name, const double *v, uint32_t n)
{
	buf_byte(out, ',');
	key(out, name);
	buf_byte(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		buf_str(out, i ? "," : "");
		number(out, v[i]);
	}
	buf_byte(out, ']');
}

static void counts(struct buf *out, const char *name, const uint64_t *v, uint32_t n)
{
	buf_byte(out, ',');
	key(out, name);
	buf_byte(out, '[');
	for (uint32_t i = 0; i < n; i++) {
		buf_str(out, i ? "," : "");
		buf_int(out, (int64_t)v[i]);
	}
	buf_byte(out, ']');
}

static void moments(struct buf *out, const char *name, const struct moments *m)
{
	const double v[] = {moments_mean(m), sqrt(moments_var(m)), m->origin, m->offset, m->m2,
	        m->min, m->max};
	static const char *const names[] = {
	        "mean", "stddev", "origin", "offset", "squares", "min", "max"};
	key(out, name);
	buf_byte(out, '{');
	count(out, "n", m->n);
	for (int i = 0; m->n && i < 7; i++) {
		buf_byte(out, ',');
		key(out, names[i]);
		number(out, v[i]);
	}
	buf_byte(out, '}');
}

// Whether the grid can be told from the quantiles: it is just the distinct ones.
static bool grid_is_quantiles(const struct baseline_column *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < BASELINE_QUANTILES; i++)
		n += i == 0 || c->quantiles[i] != c->quantiles[i - 1];
	return n == c->ngrid;
}

static void number_column(struct buf *out, const struct baseline_column *c)
{
	double deciles[BASELINE_DECILES];
	buf_byte(out, ',');
	moments(out, "moments", &c->moments);
	if (!c->moments.n)
		return;
	buf_byte(out, ',');
	count(out, "distinct", c->distinct);
	for (int i = 0; i < BASELINE_DECILES; i++)
		deciles[i] = c->quantiles[(i + 1) * (BASELINE_QUANTILES - 1) / 10];
	numbers(out, "deciles", deciles, BASELINE_DECILES);
	numbers(out, "quantiles", c->quantiles, BASELINE_QUANTILES);
	if (!grid_is_quantiles(c))
		numbers(out, "grid", c->grid, c->ngrid);
	counts(out, "at", c->at, c->ngrid);
	counts(out, "upto", c->upto, c->ngrid);
	counts(out, "bins", c->width, c->nwidth);
}

static void category_column(struct buf *out, const struct baseline_column *c)
{
	buf_str(out, ",\"categories\":{");
	for (uint32_t i = 0; i < c->ncategories; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, c->categories[i].value);
		buf_byte(out, ':');
		buf_int(out, (int64_t)c->categories[i].count);
	}
	buf_str(out, "},");
	count(out, "other", c->other);
}

static void column(struct buf *out, const struct baseline_column *c)
{
	buf_str(out, "      {");
	text(out, "name", c->name);
	buf_byte(out, ',');
	text(out, "type", c->kind == DRIFT_NUMBER ? "number" : "category");
	buf_byte(out, ',');
	count(out, "rows", c->rows);
	buf_byte(out, ',');
	count(out, "nulls", c->nulls);
	buf_byte(out, ',');
	count(out, "non_finite", c->non_finite);
	buf_printf(out, ",\"integer\":%s", c->integer ? "true" : "false");
	(c->kind == DRIFT_NUMBER ? number_column : category_column)(out, c);
	buf_byte(out, '}');
}

static void errors(struct buf *out, const struct errors *x)
{
	buf_str(out, "     \"errors\":{");
	count(out, "skipped", x->skipped);
	buf_byte(out, ',');
	count(out, "beyond", x->beyond);
	buf_byte(out, ',');
	moments(out, "absolute", &x->absolute);
	buf_byte(out, ',');
	moments(out, "squared", &x->squared);
	buf_str(out, ",\"bins\":[");
	for (int i = 0; i < ERRORS_BINS; i++) {
		buf_printf(out, "%s[%" PRIu64 ",", i ? "," : "", x->bins[i].n);
		number(out, x->bins[i].score);
		buf_byte(out, ',');
		number(out, x->bins[i].label);
		buf_byte(out, ']');
	}
	buf_str(out, "]},\n");
}

static void segment(struct buf *out, const struct baseline *b, const struct baseline_segment *s)
{
	buf_str(out, "    {\"segment\":");
	if (!s->values)
		buf_str(out, "null");
	for (uint32_t i = 0; s->values && i < b->nby; i++) {
		buf_str(out, i ? "," : "{");
		text(out, b->by[i], s->values[i]);
	}
	buf_str(out, s->values ? "}," : ",");
	count(out, "rows", s->rows);
	buf_str(out, ",\n");
	if (s->has_errors)
		errors(out, &s->errors);
	buf_str(out, "     \"columns\":[\n");
	for (uint32_t i = 0; i < b->ncolumns; i++) {
		column(out, &s->columns[i]);
		buf_str(out, i + 1 < b->ncolumns ? ",\n" : "\n");
	}
	buf_str(out, "     ]}");
}

static void origin(struct buf *out, const struct baseline_origin *o)
{
	buf_str(out, "  \"origin\":{");
	if (o->data) {
		text(out, "data", o->data);
		buf_str(out, "},\n");
		return;
	}
	text(out, "topic", o->topic);
	buf_byte(out, ',');
	text(out, "from", o->from);
	buf_byte(out, ',');
	text(out, "to", o->to);
	buf_str(out, ",\"offsets\":[");
	for (uint32_t i = 0; i < o->nranges; i++)
		buf_printf(out,
		        "%s{\"partition\":%" PRId32 ",\"first\":%" PRId64 ",\"last\":%" PRId64
		        "}",
		        i ? "," : "", o->ranges[i].partition, o->ranges[i].first,
		        o->ranges[i].last);
	buf_str(out, "]},\n");
}

static void line(struct buf *out, const char *name, const char *value)
{
	buf_str(out, "  ");
	text(out, name, value);
	buf_str(out, ",\n");
}

void baseline_write(const struct baseline *b, struct buf *out)
{
	buf_printf(out, "{\n  \"format\":\"weir-baseline\",\n  \"version\":%d,\n",
	        BASELINE_VERSION);
	line(out, "weir", b->weir);
	line(out, "job", b->job);
	line(out, "monitor", b->monitor);
	line(out, "view", b->view);
	buf_printf(out, "  \"view_version\":%" PRId64 ",\n", b->view_version);
	origin(out, &b->origin);
	buf_str(out, "  \"by\":[");
	for (uint32_t i = 0; i < b->nby; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, slice_of(b->by[i]));
	}
	buf_str(out, "],\n");
	line(out, "score", b->score);
	line(out, "label", b->label);
	buf_str(out, "  \"segments\":[\n");
	for (uint32_t i = 0; i < b->nsegments; i++) {
		segment(out, b, &b->segments[i]);
		buf_str(out, i + 1 < b->nsegments ? ",\n" : "\n");
	}
	buf_str(out, "  ]\n}\n");
}
