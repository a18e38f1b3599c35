// SPDX-License-Identifier: Apache-2.0
//
// Comparing a served with a computed value, and a window's counts and examples. Which examples
// are kept depends on their contents alone, so that no order of arrival shows.
// Not here: which computed value is the right one (skew_join.c).
#include "operators/monitor/skew.h"

#include <math.h>
#include <stdlib.h>

#include "data/avro.h"

const char *const skew_kinds[SKEW_KINDS] = {
        "equal", "lower", "higher", "other", "not served", "not computed"};

/* -- values -- */

static double number_of(const struct type *t, const struct value *v)
{
	switch (type_form(t)) {
	case FORM_F64:
		return v->f64;
	case FORM_I128:
		return (double)v->i128 / pow(10, t->scale);
	default:
		return (double)v->i64;
	}
}

static bool is_null(const struct type *t, const struct value *v)
{
	return v->null || (type_form(t) == FORM_F64 && !isfinite(v->f64));
}

static enum skew_kind by_order(int cmp)
{
	return cmp < 0 ? SKEW_LOWER : cmp > 0 ? SKEW_HIGHER : SKEW_EQUAL;
}

/* What was put through a float has a float's digits. */
static enum skew_kind by_number(double a, double b, bool floats, double tolerance)
{
	if (floats) {
		a = (float)a;
		b = (float)b;
	}
	/* Beyond a float's range it is infinite, and any other is within a share of that. */
	bool finite = isfinite(a) && isfinite(b);
	if (a == b || (finite && fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b))))
		return SKEW_EQUAL;
	return by_order(a < b ? -1 : 1);
}

enum skew_kind skew_compare(const struct type *served_type, const struct value *served,
        const struct type *made_type, const struct value *made, double tolerance)
{
	bool no_served = is_null(served_type, served), no_made = is_null(made_type, made);
	enum form s = type_form(served_type), m = type_form(made_type);
	if (no_served || no_made)
		return no_served && no_made ? SKEW_EQUAL
		       : no_served          ? SKEW_NOT_SERVED
		                            : SKEW_NOT_COMPUTED;
	if (s == FORM_BYTES)
		return slice_eq(served->bytes, made->bytes) ? SKEW_EQUAL : SKEW_OTHER;
	if (s == FORM_I64 && m == FORM_I64)
		return by_order(served->i64 < made->i64 ? -1 : served->i64 > made->i64);
	return by_number(number_of(served_type, served), number_of(made_type, made),
	        served_type->kind == KIND_FLOAT || made_type->kind == KIND_FLOAT, tolerance);
}

void skew_cut(char *out, uint32_t room, struct slice s)
{
	uint32_t n = s.len < room ? s.len : room - 1;
	while (n && n < s.len && (s.p[n] & 0xC0) == 0x80)
		n--;
	if (n)
		memcpy(out, s.p, n);
	memset(out + n, 0, room - n);
}

void skew_text(
        const struct type *t, const struct value *v, char out[SKEW_VALUE_BYTES], uint32_t *null)
{
	struct buf b = {0};
	*null = is_null(t, v);
	if (!*null)
		value_text(&b, t, v);
	skew_cut(out, SKEW_VALUE_BYTES, buf_view(&b));
	buf_release(&b);
}

/* -- windows -- */

uint32_t skew_window_bytes(const struct monitor *m)
{
	return (uint32_t)(sizeof(struct skew_window) +
	                  m->ncolumns * sizeof(struct skew_column));
}

void skew_window_clear(struct skew_window *w, const struct monitor *m)
{
	memset(w, 0, skew_window_bytes(m));
	w->head = (struct row_head){ROW_FORMAT, ROW_SKEW, STORE_NO_DUE};
}

struct skew_window *skew_window_new(const struct monitor *m)
{
	struct skew_window *w = xcalloc(1, skew_window_bytes(m));
	skew_window_clear(w, m);
	return w;
}

static int example_cmp(const struct skew_example *a, const struct skew_example *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	int cmp = strcmp(a->entity, b->entity);
	return cmp ? cmp : strcmp(a->served, b->served);
}

void skew_example_add(struct skew_column *c, const struct skew_example *x)
{
	uint64_t at = c->nexamples;
	while (at && example_cmp(x, &c->examples[at - 1]) < 0)
		at--;
	if (at == SKEW_EXAMPLES_MAX)
		return;
	if (c->nexamples < SKEW_EXAMPLES_MAX)
		c->nexamples++;
	memmove(&c->examples[at + 1], &c->examples[at],
	        (c->nexamples - at - 1) * sizeof c->examples[0]);
	c->examples[at] = *x;
}

static void example_write(const struct skew_example *x, struct buf *out)
{
	buf_varint(out, x->time);
	buf_bytes(out, slice_of(x->entity));
	buf_byte(out, (uint8_t)(x->served_null | x->computed_null << 1));
	buf_bytes(out, slice_of(x->served));
	buf_bytes(out, slice_of(x->computed));
}

void skew_window_write(const struct skew_window *w, const struct monitor *m, struct buf *out)
{
	buf_varint(out, (int64_t)w->rows);
	buf_varint(out, (int64_t)w->unknown);
	buf_varint(out, SKEW_KINDS);
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		const struct skew_column *c = &w->columns[i];
		for (uint32_t k = 0; k < SKEW_KINDS; k++)
			buf_varint(out, (int64_t)c->kinds[k]);
		buf_varint(out, (int64_t)c->nexamples);
		for (uint64_t k = 0; k < c->nexamples; k++)
			example_write(&c->examples[k], out);
	}
}

static bool example_read(struct reader *r, struct skew_example *x)
{
	*x = (struct skew_example){.time = reader_varint(r)};
	skew_cut(x->entity, sizeof x->entity, reader_bytes(r));
	uint8_t nulls = reader_byte(r);
	x->served_null = nulls & 1;
	x->computed_null = nulls >> 1 & 1;
	skew_cut(x->served, sizeof x->served, reader_bytes(r));
	skew_cut(x->computed, sizeof x->computed, reader_bytes(r));
	return !r->failed;
}

bool skew_window_merge(struct slice body, struct skew_window *w, const struct monitor *m)
{
	struct reader r = reader_of(body);
	struct skew_example x;
	w->rows += (uint64_t)reader_varint(&r);
	w->unknown += (uint64_t)reader_varint(&r);
	if (reader_varint(&r) != SKEW_KINDS)
		return false;
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		struct skew_column *c = &w->columns[i];
		for (uint32_t k = 0; k < SKEW_KINDS; k++)
			c->kinds[k] += (uint64_t)reader_varint(&r);
		for (int64_t n = reader_varint(&r); n > 0 && !r.failed; n--)
			if (example_read(&r, &x))
				skew_example_add(c, &x);
	}
	return !r.failed;
}
