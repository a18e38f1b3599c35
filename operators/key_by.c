// SPDX-License-Identifier: Apache-2.0
//
// The key-by operator: sends records to a repartition topic, keyed by another entity, inside the
// same transaction. A record goes along when at least one of the views behind it takes it. It
// carries what the views need: the columns in use, event time, known-at, source position, and the
// source partition's stream time. Stateless.
#include <stdlib.h>

#include "data/avro.h"
#include "data/entity.h"
#include "operators/operators.h"

struct op {
	struct op_conf conf;
	const struct repartition *rp;
	const struct type **types;
	struct value *values;
	struct arena arena;
	struct op_counts counts, committed;
	struct buf key, value;
};

static enum status key_by_open(const struct op_conf *conf, struct op **out, struct error *e)
{
	(void)e;
	struct op *op = xcalloc(1, sizeof *op);
	op->conf = *conf;
	op->rp = conf->repartition;
	op->counts.newest_event_time = op->counts.newest_known_at = INT64_MIN;
	op->committed = op->counts;
	const struct schema *s = conf->plan->job->sources[op->rp->source].schema;
	op->types = arena_alloc(&op->arena, op->rp->nentity * sizeof *op->types);
	op->values = arena_alloc(&op->arena, op->rp->nentity * sizeof *op->values);
	for (uint32_t i = 0; i < op->rp->nentity; i++)
		op->types[i] = &s->fields[op->rp->entity[i]].type;
	*out = op;
	return ST_OK;
}

static void key_by_close(struct op *op)
{
	if (!op)
		return;
	buf_release(&op->key);
	buf_release(&op->value);
	arena_release(&op->arena);
	free(op);
}

/* takes[i]: some view behind the topic wants row i. */
static uint8_t *rows_wanted(struct op *op, const struct batch *b, struct arena *a)
{
	uint8_t *takes = arena_calloc(a, b->n, 1);
	for (uint32_t k = 0; k < op->rp->nviews; k++) {
		const struct view *v = &op->conf.plan->job->views[op->rp->views[k]];
		if (v->where < 0) {
			memset(takes, 1, b->n);
			return takes;
		}
		struct column *in = arena_alloc(a, program_outputs(v->input) * sizeof *in);
		struct program_counts ignored = {0}; /* counted where the view is computed */
		program_run(v->input, b->cols, b->n, in, a, &ignored);
		for (uint32_t i = 0; i < b->n; i++)
			takes[i] |= !in[v->where].null[i] && in[v->where].i64[i];
	}
	return takes;
}

static bool key_write(struct op *op, const struct batch *b, uint32_t i)
{
	for (uint32_t k = 0; k < op->rp->nentity; k++) {
		op->values[k] = column_get(&b->cols[op->rp->entity[k]], i);
		if (op->values[k].null)
			return false;
	}
	op->key.len = 0;
	entity_write(&op->key, op->types, op->values, op->rp->nentity);
	return true;
}

static void value_write(struct op *op, const struct batch *b, uint32_t i)
{
	struct buf *out = &op->value;
	out->len = 0;
	avro_frame_single_object(out, op->rp->schema->fingerprint);
	buf_varint(out, b->event_time[i]);
	buf_varint(out, b->known_at[i]);
	buf_varint(out, b->src_partition[i]);
	buf_varint(out, b->src_offset[i]);
	buf_varint(out, b->src_stream_time[i]);
	for (uint32_t k = 0; k < op->rp->nfields; k++) {
		const struct field *f = &op->rp->schema->fields[REPARTITION_HEAD + k];
		struct value v = column_get(&b->cols[op->rp->fields[k]], i);
		avro_write(out, &f->type, f->nullable, &v);
	}
}

static enum status key_by_batch(struct op *op, const struct batch *b, const int64_t *stream_time,
	struct arena *a, struct error *e)
{
	(void)stream_time;
	const uint8_t *takes = rows_wanted(op, b, a);
	for (uint32_t i = 0; i < b->n; i++) {
		if (!takes[i])
			continue;
		if (!key_write(op, b, i)) {
			op->counts.null_entity++;
			continue;
		}
		value_write(op, b, i);
		struct slice value = buf_view(&op->value);
		op->counts.rows++;
		*op->conf.src_offset = b->src_offset[i];
		if (op->conf.output.append(op->conf.output.arg, op->conf.topic,
			    log_partition_of(buf_view(&op->key), op->rp->shards),
			    buf_view(&op->key), &value, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status key_by_expire(struct op *op, int64_t stream_time, struct arena *a,
	struct error *e)
{
	(void)op, (void)stream_time, (void)a, (void)e;
	return ST_END;
}

static void key_by_epoch_end(struct op *op, bool committed)
{
	if (committed)
		op->committed = op->counts;
	else
		op->counts = op->committed;
}

static const struct op_counts *key_by_counts(struct op *op)
{
	return &op->counts;
}

const struct operator operator_key_by = {
	.name = "key_by",
	.open = key_by_open,
	.close = key_by_close,
	.batch = key_by_batch,
	.expire = key_by_expire,
	.epoch_end = key_by_epoch_end,
	.counts = key_by_counts,
};
