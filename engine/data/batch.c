// SPDX-License-Identifier: Apache-2.0
//
// Columns and batches over one arena. Data starts zeroed, so that code which computes over null
// rows too reads something harmless.
#include "data/batch.h"

#include "base/error.h"

static size_t form_bytes(enum form f)
{
	static const size_t bytes[] = {
	        [FORM_I64] = sizeof(int64_t),
	        [FORM_F64] = sizeof(double),
	        [FORM_I128] = sizeof(__int128),
	        [FORM_BYTES] = sizeof(struct slice),
	};
	return bytes[f];
}

void column_init(struct column *c, const struct type *t, uint32_t n, struct arena *a)
{
	c->type = t;
	c->null = arena_calloc(a, n, 1);
	c->data = arena_calloc(a, n, form_bytes(type_form(t)));
}

struct value column_get(const struct column *c, uint32_t i)
{
	struct value v = {.null = c->null[i]};
	if (v.null)
		return v;
	switch (type_form(c->type)) {
	case FORM_I64:
		v.i64 = c->i64[i];
		break;
	case FORM_F64:
		v.f64 = c->f64[i];
		break;
	case FORM_I128:
		v.i128 = c->i128[i];
		break;
	case FORM_BYTES:
		v.bytes = c->bytes[i];
		break;
	}
	return v;
}

void column_set(struct column *c, uint32_t i, const struct value *v)
{
	c->null[i] = v->null;
	if (v->null)
		return;
	switch (type_form(c->type)) {
	case FORM_I64:
		c->i64[i] = v->i64;
		break;
	case FORM_F64:
		c->f64[i] = v->f64;
		break;
	case FORM_I128:
		c->i128[i] = v->i128;
		break;
	case FORM_BYTES:
		c->bytes[i] = v->bytes;
		break;
	}
}

void batch_init(struct batch *b, uint32_t n, uint32_t ncols, struct arena *a)
{
	INVARIANT(n <= BATCH_ROWS_MAX);
	*b = (struct batch){
	        .n = n,
	        .op = arena_calloc(a, n, sizeof *b->op),
	        .event_time = arena_calloc(a, n, sizeof *b->event_time),
	        .known_at = arena_calloc(a, n, sizeof *b->known_at),
	        .src_partition = arena_calloc(a, n, sizeof *b->src_partition),
	        .src_offset = arena_calloc(a, n, sizeof *b->src_offset),
	        .src_stream_time = arena_calloc(a, n, sizeof *b->src_stream_time),
	        .cols = arena_calloc(a, ncols, sizeof *b->cols),
	        .ncols = ncols,
	};
}

static void move_row(void *data, size_t bytes, uint32_t to, uint32_t from)
{
	memcpy((char *)data + to * bytes, (char *)data + from * bytes, bytes);
}

static void filter_column(void *data, size_t bytes, uint32_t n, const uint8_t *keep)
{
	uint32_t to = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!keep[i])
			continue;
		if (to != i)
			move_row(data, bytes, to, i);
		to++;
	}
}

void batch_filter(struct batch *b, const uint8_t *keep)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < b->n; i++)
		kept += keep[i] != 0;
	if (kept == b->n)
		return;
	filter_column(b->op, sizeof *b->op, b->n, keep);
	filter_column(b->event_time, sizeof *b->event_time, b->n, keep);
	filter_column(b->known_at, sizeof *b->known_at, b->n, keep);
	filter_column(b->src_partition, sizeof *b->src_partition, b->n, keep);
	filter_column(b->src_offset, sizeof *b->src_offset, b->n, keep);
	filter_column(b->src_stream_time, sizeof *b->src_stream_time, b->n, keep);
	for (uint32_t c = 0; c < b->ncols; c++) {
		struct column *col = &b->cols[c];
		if (!col->data)
			continue;
		filter_column(col->null, 1, b->n, keep);
		filter_column(col->data, form_bytes(type_form(col->type)), b->n, keep);
	}
	b->n = kept;
}

/* NaN after everything and equal to itself, so that sorting is total. */
static int f64_cmp(double a, double b)
{
	bool na = a != a, nb = b != b;
	if (na || nb)
		return na - nb;
	return (a > b) - (a < b);
}

int value_cmp(const struct type *t, const struct value *a, const struct value *b)
{
	switch (type_form(t)) {
	case FORM_I64:
		return (a->i64 > b->i64) - (a->i64 < b->i64);
	case FORM_F64:
		return f64_cmp(a->f64, b->f64);
	case FORM_I128:
		return (a->i128 > b->i128) - (a->i128 < b->i128);
	case FORM_BYTES:
		break;
	}
	int c = slice_cmp(a->bytes, b->bytes);
	return (c > 0) - (c < 0);
}
