// SPDX-License-Identifier: Apache-2.0
//
// Rows out: columns, derived features, Avro, the offline topic.
// Not here: when a row is due (window.c).
#include "operators/window/rows.h"

#include <stdlib.h>

#include "data/avro.h"
#include "data/entity.h"

static void columns_init(struct rows *r, struct column *cols, uint32_t n, struct arena *a)
{
	const struct view *v = r->layout->view;
	for (uint32_t c = 0; c < v->ncalls; c++)
		column_init(&cols[c], &v->calls[c].spec.result, n, a);
}

void rows_init(struct rows *r, const struct op_conf *conf, const struct layout *l,
	struct op_counts *counts)
{
	*r = (struct rows){.conf = conf, .layout = l, .counts = counts,
		.plan = &conf->plan->views[conf->view]};
	struct arena *a = &r->fixed;
	r->calls = arena_calloc(a, l->view->ncalls, sizeof *r->calls);
	columns_init(r, r->calls, ROWS_MAX, a);
	r->event_time = arena_alloc(a, ROWS_MAX * sizeof *r->event_time);
	r->known_at = arena_alloc(a, ROWS_MAX * sizeof *r->known_at);
	r->src_offset = arena_alloc(a, ROWS_MAX * sizeof *r->src_offset);
	r->src_partition = arena_alloc(a, ROWS_MAX * sizeof *r->src_partition);
	r->entries = arena_alloc(a, ROWS_MAX * sizeof *r->entries);
}

void rows_release(struct rows *r)
{
	arena_release(&r->arena);
	arena_release(&r->epoch);
	arena_release(&r->fixed);
	buf_release(&r->key);
	buf_release(&r->value);
}

static void result_set(struct rows *r, const struct call_place *p, struct column *col, uint32_t at,
	const struct heap *h, struct arena *a)
{
	struct value val = {0};
	p->spec->agg->result(p->spec, h, p->off, a, &val, &r->counts->agg);
	/* The heap may move or change before the row is encoded. */
	if (!val.null && p->spec->result.kind != KIND_NULL &&
		type_form(&p->spec->result) == FORM_BYTES)
		val.bytes = arena_slice(a, val.bytes);
	column_set(col, at, &val);
}

static void results_set(struct rows *r, struct column *cols, uint32_t at, const struct heap *h,
	struct arena *a)
{
	for (uint32_t c = 0; c < r->layout->view->ncalls; c++) {
		const struct call_place *p = &r->layout->calls[c];
		union agg_word word = {0};
		if (!p->kernel) {
			result_set(r, p, &cols[c], at, h, a);
			continue;
		}
		cols[c].null[at] = !kernel_result(
			p->kernel, p->spec, h->base + p->off, &word, &r->counts->agg);
		memcpy(&cols[c].i64[at], &word, sizeof word);
	}
}

enum status rows_add(struct rows *r, struct entry *en, const struct heap *h,
	const struct row_cause *cause, struct error *e)
{
	uint32_t i = r->n++;
	results_set(r, r->calls, i, h, &r->arena);
	r->entries[i] = en;
	r->event_time[i] = cause->event_time;
	r->known_at[i] = cause->known_at;
	r->src_partition[i] = cause->src_partition;
	r->src_offset[i] = cause->src_offset;
	return r->n == ROWS_MAX ? rows_send(r, e) : ST_OK;
}

/* Which column holds each feature. */
static struct column **features_compute(struct rows *r, struct column *calls, uint32_t n,
	struct arena *a)
{
	const struct view *v = r->layout->view;
	struct column *made = NULL;
	if (v->row) {
		made = arena_alloc(a, program_outputs(v->row) * sizeof *made);
		program_run(v->row, calls, n, made, a, &r->counts->program);
	}
	struct column **cols = arena_alloc(a, v->nfeatures * sizeof *cols);
	for (uint32_t i = 0; i < v->nfeatures; i++)
		cols[i] = v->features[i].call >= 0 ? &calls[v->features[i].call]
						   : &made[v->features[i].output];
	return cols;
}

static void features_write(struct rows *r, struct column **cols, uint32_t at, struct buf *b)
{
	for (uint32_t i = 0; i < r->layout->view->nfeatures; i++) {
		const struct field *f = &r->plan->features[i];
		struct value v = column_get(cols[i], at);
		/* A real result that is no number (0/0 of doubles) is no value. */
		if (!v.null && type_form(&f->type) == FORM_F64 && !__builtin_isfinite(v.f64)) {
			v.null = true;
			r->counts->not_finite++;
		}
		avro_write(b, &f->type, f->nullable, &v);
	}
}

static void head_write(struct rows *r, uint32_t i, struct buf *b)
{
	bool expiry = r->src_partition[i] < 0;
	buf_varint(b, r->event_time[i]);
	buf_varint(b, r->known_at[i]);
	struct type t_int = {.kind = KIND_INT}, t_long = {.kind = KIND_LONG};
	struct value p = {.null = expiry, .i64 = r->src_partition[i]};
	struct value o = {.null = expiry, .i64 = r->src_offset[i]};
	avro_write(b, &t_int, true, &p);
	avro_write(b, &t_long, true, &o);
}

static void entity_columns_write(struct rows *r, struct slice entity, struct buf *b)
{
	const struct view *v = r->layout->view;
	struct value *values = arena_alloc(&r->arena, v->nentity * sizeof *values);
	bool ok = entity_read(entity, r->plan->entity_types, v->nentity, values, &r->arena);
	INVARIANT(ok);
	for (uint32_t i = 0; i < v->nentity; i++)
		avro_write(b, r->plan->entity_types[i], false, &values[i]);
}

static void key_write(struct rows *r, uint32_t i, struct buf *b)
{
	b->len = 0;
	buf_slice(b, entry_entity(r->entries[i]));
	buf_byte(b, '|');
	buf_int(b, r->event_time[i]);
	buf_byte(b, '|');
	if (r->src_partition[i] < 0) {
		buf_byte(b, 'x');
		return;
	}
	buf_int(b, r->src_partition[i]);
	buf_byte(b, ':');
	buf_int(b, r->src_offset[i]);
}

static void last_row_keep(struct rows *r, uint32_t i, struct slice features)
{
	struct last_row **note = (struct last_row **)entry_note(r->entries[i]);
	if (!*note)
		*note = arena_calloc(&r->epoch, 1, sizeof **note);
	struct last_row *last = *note;
	if (last->cap < features.len) {
		last->cap = features.len + features.len / 4 + 16;
		last->features = arena_alloc(&r->epoch, last->cap);
	}
	memcpy(last->features, features.p, features.len);
	last->len = features.len;
	last->event_time = r->event_time[i];
	last->known_at = r->known_at[i];
}

static enum status row_send(struct rows *r, uint32_t i, struct column **cols, struct error *e)
{
	struct buf *b = &r->value;
	b->len = 0;
	if (r->conf->schema_id)
		avro_frame_registry(b, r->conf->schema_id);
	else
		avro_frame_single_object(b, r->plan->schema->fingerprint);
	entity_columns_write(r, entry_entity(r->entries[i]), b);
	head_write(r, i, b);
	size_t from = b->len;
	features_write(r, cols, i, b);
	key_write(r, i, &r->key);
	if (r->conf->online)
		last_row_keep(r, i, (struct slice){b->p + from, (uint32_t)(b->len - from)});
	struct slice value = buf_view(b);
	return r->conf->output.append(r->conf->output.arg, r->conf->topic, r->conf->partition,
		buf_view(&r->key), &value, e);
}

enum status rows_send(struct rows *r, struct error *e)
{
	uint32_t n = r->n;
	if (!n)
		return ST_OK;
	r->n = 0;
	struct column **cols = features_compute(r, r->calls, n, &r->arena);
	for (uint32_t i = 0; i < n; i++)
		if (row_send(r, i, cols, e))
			return ST_ERR;
	arena_reset(&r->arena);
	return ST_OK;
}

struct slice rows_features(struct rows *r, const struct heap *h, struct arena *a)
{
	struct column *calls =
		arena_alloc(a, r->layout->view->ncalls * sizeof *calls);
	columns_init(r, calls, 1, a);
	results_set(r, calls, 0, h, a);
	struct column **cols = features_compute(r, calls, 1, a);
	struct buf b = {0};
	features_write(r, cols, 0, &b);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}
