// SPDX-License-Identifier: Apache-2.0
//
// Rows out: columns, derived features, Avro, the offline topic, one record each or in blocks.
// Not here: when a row is due (window.c).
#include "operators/window/rows.h"

#include <stdlib.h>

#include "base/num.h"
#include "data/entity.h"

static void columns_init(struct rows *r, struct column *cols, uint32_t n, struct arena *a)
{
	const struct view *v = r->layout->view;
	for (uint32_t c = 0; c < v->ncalls; c++)
		column_init(&cols[c], &v->calls[c].spec.result, n, a);
}

static enum field_how field_how(const struct type *t)
{
	if (t->kind == KIND_DOUBLE)
		return FIELD_DOUBLE;
	return type_form(t) == FORM_I64 && t->kind != KIND_BOOLEAN ? FIELD_LONG : FIELD_OTHER;
}

static void fields_init(struct rows *r)
{
	const struct view *v = r->layout->view;
	r->fields = arena_calloc(&r->fixed, v->nfeatures, sizeof *r->fields);
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		const struct field *f = &r->plan->features[i];
		int call = v->features[i].call;
		r->fields[i] = (struct row_field){field_how(&f->type), f->nullable,
			call >= 0 ? &r->layout->calls[call] : NULL};
	}
	r->entity = arena_calloc(&r->fixed, v->nentity, sizeof *r->entity);
}

/* Whether some features are made of others. */
static bool rows_collect(const struct rows *r)
{
	return r->layout->view->row != NULL;
}

void rows_init(struct rows *r, const struct op_conf *conf, const struct layout *l,
	struct op_counts *counts)
{
	*r = (struct rows){.conf = conf, .layout = l, .counts = counts,
		.plan = &conf->plan->views[conf->view]};
	struct arena *a = &r->fixed;
	uint32_t most = rows_collect(r) ? ROWS_MAX : 1;
	r->calls = arena_calloc(a, l->view->ncalls, sizeof *r->calls);
	columns_init(r, r->calls, most, a);
	fields_init(r);
	r->causes = arena_alloc(a, most * sizeof *r->causes);
	r->entries = arena_alloc(a, most * sizeof *r->entries);
	r->blocks = l->view->blocks;
}

void rows_release(struct rows *r)
{
	arena_release(&r->arena);
	arena_release(&r->epoch);
	arena_release(&r->fixed);
	buf_release(&r->key);
	buf_release(&r->value);
	block_release(&r->block);
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

/* A call's result into its column. */
static void call_set(struct rows *r, const struct call_place *p, struct column *col, uint32_t at,
	const struct heap *h, struct arena *a)
{
	union agg_word word = {0};
	if (!p->kernel) {
		result_set(r, p, col, at, h, a);
		return;
	}
	col->null[at] = !kernel_result(
		p->kernel, p->spec, h->base + p->off, &word, &r->counts->agg);
	memcpy(&col->i64[at], &word, sizeof word);
}

static void results_set(struct rows *r, struct column *cols, uint32_t at, const struct heap *h,
	struct arena *a)
{
	for (uint32_t c = 0; c < r->layout->view->ncalls; c++)
		call_set(r, &r->layout->calls[c], &cols[c], at, h, a);
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

/* Where a row's values are: in the state row, or in columns. */
struct row_values {
	const struct heap *h; /* NULL: in the columns */
	struct column **cols; /* per feature */
	uint32_t at;
};

/* A real result that is no number (0/0 of doubles) is no value. */
static bool is_number(struct rows *r, double v)
{
	if (__builtin_expect(__builtin_isfinite(v), true))
		return true;
	r->counts->not_finite++;
	return false;
}

/* The feature's column, and at which row of it; filled first, if the value is in the state row. */
static const struct column *feature_column(struct rows *r, uint32_t i, const struct row_values *from,
	uint32_t *at)
{
	const struct call_place *p = r->fields[i].place;
	*at = from->h ? 0 : from->at;
	if (!from->h)
		return from->cols[i];
	struct column *col = &r->calls[p - r->layout->calls];
	call_set(r, p, col, 0, from->h, &r->arena);
	return col;
}

static void other_write(struct rows *r, uint32_t i, const struct row_values *from, struct buf *b)
{
	const struct field *f = &r->plan->features[i];
	uint32_t at;
	const struct column *col = feature_column(r, i, from, &at);
	struct value v = column_get(col, at);
	if (type_form(&f->type) == FORM_F64)
		v.null = v.null || !is_number(r, col->f64[at]);
	avro_write(b, &f->type, f->nullable, &v);
}

/* False: null. */
static inline bool feature_word(struct rows *r, uint32_t i, const struct row_values *from,
	union agg_word *word)
{
	const struct call_place *p = r->fields[i].place;
	if (from->h && p->kernel)
		return kernel_result(
			p->kernel, p->spec, from->h->base + p->off, word, &r->counts->agg);
	uint32_t at;
	const struct column *col = feature_column(r, i, from, &at);
	memcpy(word, &col->i64[at], sizeof *word);
	return !col->null[at];
}

static void features_write(struct rows *r, const struct row_values *from, struct buf *b)
{
	uint32_t n = r->layout->view->nfeatures;
	size_t room = (size_t)n * (1 + AVRO_LONG_BYTES);
	buf_reserve(b, room);
	uint8_t *p = b->p + b->len;
	for (uint32_t i = 0; i < n; i++) {
		if (r->fields[i].how == FIELD_OTHER) {
			b->len = (size_t)(p - b->p);
			other_write(r, i, from, b);
			buf_reserve(b, room);
			p = b->p + b->len;
			continue;
		}
		bool real = r->fields[i].how == FIELD_DOUBLE;
		union agg_word word;
		bool has = feature_word(r, i, from, &word) && (!real || is_number(r, word.f64));
		INVARIANT(has || r->fields[i].nullable);
		if (r->fields[i].nullable)
			p = avro_put_branch(p, !has);
		if (has)
			p = real ? avro_put_double(p, word.f64) : avro_put_long(p, word.i64);
	}
	b->len = (size_t)(p - b->p);
}

static void head_write(const struct row_cause *c, struct buf *b)
{
	bool expiry = c->src_partition < 0;
	buf_reserve(b, ROW_HEAD * (1 + AVRO_LONG_BYTES));
	uint8_t *p = b->p + b->len;
	p = avro_put_long(p, c->event_time);
	p = avro_put_long(p, c->known_at);
	p = avro_put_branch(p, expiry);
	if (!expiry)
		p = avro_put_long(p, c->src_partition);
	p = avro_put_branch(p, expiry);
	if (!expiry)
		p = avro_put_long(p, c->src_offset);
	b->len = (size_t)(p - b->p);
}

static void entity_columns_write(struct rows *r, struct slice entity, struct buf *b)
{
	const struct view *v = r->layout->view;
	const struct type *const *types = r->plan->entity_types;
	if (v->nentity == 1 && types[0]->kind == KIND_STRING &&
		!memchr(entity.p, '%', entity.len)) {
		buf_bytes(b, entity); /* as it is */
		return;
	}
	bool ok = entity_read(entity, types, v->nentity, r->entity, &r->arena);
	INVARIANT(ok);
	for (uint32_t i = 0; i < v->nentity; i++)
		avro_write(b, types[i], false, &r->entity[i]);
}

static void key_write(const struct row_cause *c, struct slice entity, struct buf *b)
{
	b->len = 0;
	buf_reserve(b, entity.len + 3 * (1 + NUM_MAX));
	uint8_t *p = b->p;
	memcpy(p, entity.p, entity.len);
	p += entity.len;
	*p++ = '|';
	p += num_format_int((char *)p, c->event_time);
	*p++ = '|';
	if (c->src_partition < 0) {
		*p++ = 'x';
	} else {
		p += num_format_int((char *)p, c->src_partition);
		*p++ = ':';
		p += num_format_int((char *)p, c->src_offset);
	}
	b->len = (size_t)(p - b->p);
}

static void last_row_keep(struct rows *r, struct entry *en, const struct row_cause *c,
	struct slice features)
{
	struct last_row **note = (struct last_row **)entry_note(en), *last = *note;
	if (!last || last->cap < features.len) {
		uint32_t cap = features.len + features.len / 4 + 16;
		*note = last = arena_alloc(&r->epoch, sizeof *last + cap);
		last->cap = cap;
	}
	memcpy(last->features, features.p, features.len);
	last->len = features.len;
	last->event_time = c->event_time;
	last->known_at = c->known_at;
}

static void frame_set(struct rows *r)
{
	r->value.len = 0;
	if (r->conf->schema_id)
		avro_frame_registry(&r->value, r->conf->schema_id);
	else
		avro_frame_single_object(&r->value, r->plan->record->fingerprint);
	r->frame_len = (uint32_t)r->value.len;
	memcpy(r->frame, r->value.p, r->frame_len);
}

/* The row's Avro bytes. */
static void row_write(struct rows *r, struct entry *en, const struct row_cause *c,
	const struct row_values *from, struct buf *b)
{
	entity_columns_write(r, entry_entity(en), b);
	head_write(c, b);
	size_t at = b->len;
	features_write(r, from, b);
	if (r->conf->online)
		last_row_keep(r, en, c, (struct slice){b->p + at, (uint32_t)(b->len - at)});
}

static enum status row_tell(struct rows *r, struct slice key, struct slice value, struct error *e)
{
	return r->conf->output.row ? r->conf->output.row(r->conf->output.arg, key, value, e) : ST_OK;
}

static enum status row_send(struct rows *r, struct entry *en, const struct row_cause *c,
	const struct row_values *from, struct error *e)
{
	struct buf *b = &r->value;
	b->len = 0;
	buf_add(b, r->frame, r->frame_len);
	row_write(r, en, c, from, b);
	key_write(c, entry_entity(en), &r->key);
	struct slice key = buf_view(&r->key), value = buf_view(b);
	if (r->conf->output.append(r->conf->output.arg, r->conf->topic, r->conf->partition, key,
		    &value, e))
		return ST_ERR;
	return row_tell(r, key, value, e);
}

/* -- blocks -- */

static enum status block_send(struct rows *r, struct error *e)
{
	const struct marker *m = r->conf->marker;
	block_key(&r->block, m->incarnation_ms, m->epoch + 1, r->nblocks++, &r->key);
	struct slice value = block_value(&r->block);
	if (r->conf->output.append(r->conf->output.arg, r->conf->topic, r->conf->partition,
		    buf_view(&r->key), &value, e))
		return ST_ERR;
	block_sent(&r->block);
	return ST_OK;
}

/* As a record of its own, for those who ask. */
static enum status block_row_tell(struct rows *r, const struct row_cause *c, struct slice entity,
	size_t from, struct error *e)
{
	const struct buf *b = &r->block.buf;
	if (!r->conf->output.row)
		return ST_OK;
	r->value.len = 0;
	buf_add(&r->value, r->frame, r->frame_len);
	buf_add(&r->value, b->p + from, b->len - from);
	key_write(c, entity, &r->key);
	return row_tell(r, buf_view(&r->key), buf_view(&r->value), e);
}

static enum status row_hold(struct rows *r, struct entry *en, const struct row_cause *c,
	const struct row_values *from, struct error *e)
{
	struct block *b = &r->block;
	block_row_begin(b, r->frame, r->frame_len);
	size_t at = b->buf.len;
	row_write(r, en, c, from, &b->buf);
	if (block_row_tell(r, c, entry_entity(en), at, e))
		return ST_ERR;
	block_row_end(b, c->src_partition, c->src_offset);
	while (block_is_full(b))
		if (block_send(r, e))
			return ST_ERR;
	return ST_OK;
}

static enum status row_put(struct rows *r, struct entry *en, const struct row_cause *c,
	const struct row_values *from, struct error *e)
{
	if (!r->frame_len)
		frame_set(r);
	return r->blocks ? row_hold(r, en, c, from, e) : row_send(r, en, c, from, e);
}

enum status rows_flush(struct rows *r, struct error *e)
{
	return r->block.rows ? block_send(r, e) : ST_OK;
}

void rows_epoch_end(struct rows *r)
{
	r->n = r->frame_len = 0; /* of an aborted epoch, as what is in the block */
	block_clear(&r->block);
	r->nblocks = 0;
	arena_reset(&r->arena);
	arena_reset(&r->epoch);
}

enum status rows_add(struct rows *r, struct entry *en, const struct heap *h,
	const struct row_cause *cause, struct error *e)
{
	uint32_t i = r->n++;
	if (rows_collect(r)) {
		results_set(r, r->calls, i, h, &r->arena);
		r->entries[i] = en;
		r->causes[i] = *cause;
	} else if (row_put(r, en, cause, &(struct row_values){.h = h}, e)) {
		return ST_ERR;
	}
	return r->n == ROWS_MAX ? rows_send(r, e) : ST_OK;
}

static enum status collected_send(struct rows *r, uint32_t n, struct error *e)
{
	struct column **cols = features_compute(r, r->calls, n, &r->arena);
	for (uint32_t i = 0; i < n; i++) {
		struct row_values from = {.cols = cols, .at = i};
		if (i + AHEAD_ROWS < n)
			entry_fetch(r->entries[i + AHEAD_ROWS]);
		if (row_put(r, r->entries[i], &r->causes[i], &from, e))
			return ST_ERR;
	}
	return ST_OK;
}

enum status rows_send(struct rows *r, struct error *e)
{
	uint32_t n = r->n;
	r->n = r->frame_len = 0;
	if (n && rows_collect(r) && collected_send(r, n, e))
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
	struct row_values from = {.cols = features_compute(r, calls, 1, a)};
	struct buf b = {0};
	features_write(r, &from, &b);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}
