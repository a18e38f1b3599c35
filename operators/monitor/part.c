// SPDX-License-Identifier: Apache-2.0
//
// Writing and reading channel records, and the names of rows that all steps share.
#include "operators/monitor/part.h"

#include "data/avro.h"

void sender_init(struct sender *s, const struct op_conf *conf, const struct repartition *to)
{
	*s = (struct sender){.conf = conf,
	        .m = &conf->plan->job->monitors[conf->step->monitor],
	        .to = to,
	        .since = INT64_MIN};
}

void sender_release(struct sender *s)
{
	buf_release(&s->key);
	buf_release(&s->value);
}

static void value_write(struct sender *s, const struct part *p)
{
	const struct schema *schema = s->to->schema;
	const struct value values[CHANNEL_FIELDS] = {
	        [CHANNEL_MONITOR] = {.bytes = slice_of(s->m->name)},
	        [CHANNEL_STATE] = {.i64 = (int64_t)s->m->state_hash},
	        [CHANNEL_KIND] = {.i64 = p->kind},
	        [CHANNEL_ORIGIN] = {.bytes = slice_of(s->conf->stage->name)},
	        [CHANNEL_SEGMENT] = {.bytes = p->segment},
	        [CHANNEL_WINDOW] = {.i64 = p->window},
	        [CHANNEL_ID] = {.null = !p->id.p, .bytes = p->id},
	        [CHANNEL_NUMBER] = {.null = p->kind != PART_SCORE && p->kind != PART_LABEL,
	                .f64 = p->number},
	        [CHANNEL_BODY] = {.null = !p->body.p, .bytes = p->body},
	};
	struct buf *out = &s->value;
	out->len = 0;
	avro_frame_single_object(out, schema->fingerprint);
	buf_varint(out, p->event_time);
	buf_varint(out, p->event_time);
	buf_varint(out, s->conf->partition);
	buf_varint(out, 0);
	buf_varint(out, p->event_time);
	for (uint32_t i = 0; i < CHANNEL_FIELDS; i++) {
		const struct field *f = &schema->fields[REPARTITION_HEAD + i];
		struct value v = values[i];
		if (!v.null && type_form(&f->type) == FORM_BYTES && !v.bytes.p)
			v.bytes = slice_of("");
		avro_write(out, &f->type, f->nullable, &v);
	}
}

/* Through a view's repartition topic: a record without columns, behind those it speaks of. */
static void note_write(struct sender *s, const struct part *p)
{
	static const struct value none = {.null = true};
	struct buf *out = &s->value;
	out->len = 0;
	avro_frame_single_object(out, s->to->schema->fingerprint);
	buf_varint(out, p->event_time);
	buf_varint(out, p->event_time);
	buf_varint(out, s->conf->partition);
	buf_varint(out, p->kind == PART_IDLE ? REPARTITION_NOTE_IDLE : REPARTITION_NOTE);
	buf_varint(out, p->event_time);
	for (uint32_t i = 0; i < s->to->nfields; i++)
		avro_write(out, &s->to->schema->fields[REPARTITION_HEAD + i].type, true, &none);
}

static enum status send_to(struct sender *s, int32_t partition, struct error *e)
{
	struct slice value = buf_view(&s->value);
	return s->conf->output.append(
	        s->conf->output.arg, s->conf->topic, partition, buf_view(&s->key), &value, e);
}

enum status part_send(struct sender *s, const struct part *p, struct error *e)
{
	s->key.len = 0;
	if (p->id.p)
		buf_slice(&s->key, p->id);
	else
		buf_str(&s->key, s->m->name);
	if (s->to->nviews)
		note_write(s, p);
	else
		value_write(s, p);
	if (p->id.p)
		return send_to(s, log_partition_of(p->id, s->to->shards), e);
	for (int32_t i = 0; i < s->to->shards; i++)
		if (send_to(s, i, e))
			return ST_ERR;
	return ST_OK;
}

bool part_read(const struct monitor *m, const struct batch *b, uint32_t i, struct part *out)
{
	const struct column *c = b->cols;
	if (!slice_eq(c[CHANNEL_MONITOR].bytes[i], slice_of(m->name)) ||
	        (uint64_t)c[CHANNEL_STATE].i64[i] != m->state_hash ||
	        c[CHANNEL_KIND].i64[i] < PART_NOTE || c[CHANNEL_KIND].i64[i] >= PART_KINDS)
		return false;
	static const struct slice none = {NULL, 0};
	*out = (struct part){.kind = (enum part_kind)c[CHANNEL_KIND].i64[i],
	        .origin = c[CHANNEL_ORIGIN].bytes[i],
	        .partition = b->src_partition[i],
	        .event_time = b->event_time[i],
	        .window = c[CHANNEL_WINDOW].i64[i],
	        .segment = c[CHANNEL_SEGMENT].bytes[i],
	        .id = c[CHANNEL_ID].null[i] ? none : c[CHANNEL_ID].bytes[i],
	        .body = c[CHANNEL_BODY].null[i] ? none : c[CHANNEL_BODY].bytes[i],
	        .number = c[CHANNEL_NUMBER].null[i] ? 0 : c[CHANNEL_NUMBER].f64[i]};
	return true;
}

int64_t labels_end(const struct monitor *m, int64_t window)
{
	int64_t t = window + m->window_ms + m->labels->wait_ms;
	return window_start(m, t + m->window_ms - 1);
}

void row_name(struct buf *out, char letter, int64_t window, struct slice segment)
{
	out->len = 0;
	buf_byte(out, (uint8_t)letter);
	buf_be64(out, (uint64_t)window ^ UINT64_C(1) << 63); /* so that names sort by time */
	buf_slice(out, segment);
}

int64_t row_window(struct slice name)
{
	struct reader in = reader_of((struct slice){name.p + 1, 8});
	return (int64_t)(reader_be64(&in) ^ UINT64_C(1) << 63);
}

struct gathered_part {
	int32_t partition;
	uint32_t len;
};

static bool part_at(const struct heap *row, uint32_t at, struct gathered_part *out)
{
	if (at + sizeof *out > row->len)
		return false;
	memcpy(out, row->base + at, sizeof *out);
	return out->len > 0; /* behind the last part the row is filled up with zeroes */
}

bool gathered_next(const struct heap *row, uint32_t *at, struct slice *body)
{
	struct gathered_part p;
	if (!*at)
		*at = sizeof(struct gathered_row);
	if (!part_at(row, *at, &p))
		return false;
	*body = (struct slice){row->base + *at + sizeof p, p.len};
	*at += (uint32_t)sizeof p + p.len;
	return true;
}

void gathered_put(const struct heap *row, int32_t partition, struct slice body, bool replace,
        struct buf *out)
{
	const struct gathered_part fresh = {partition, body.len};
	struct gathered_row head = {.head = {ROW_FORMAT, ROW_GATHERED, STORE_NO_DUE}};
	struct gathered_part p;
	uint32_t at = sizeof head;
	bool put = false;
	out->len = 0;
	if (row && row->len)
		head = *(const struct gathered_row *)row->base;
	head.parts++;
	buf_add(out, &head, sizeof head);
	for (; row && row->len && part_at(row, at, &p); at += (uint32_t)sizeof p + p.len) {
		if (!put && p.partition > partition) {
			put = true;
			buf_add(out, &fresh, sizeof fresh);
			buf_slice(out, body);
		}
		if (replace && p.partition == partition)
			head.parts--;
		else
			buf_add(out, row->base + at, sizeof p + p.len);
	}
	if (!put) {
		buf_add(out, &fresh, sizeof fresh);
		buf_slice(out, body);
	}
	while (out->len % 8)
		buf_byte(out, 0);
	memcpy(out->p, &head, sizeof head);
}

void row_set(struct heap *h, const void *p, uint32_t len)
{
	if (h->cap < len) {
		h->base = xrealloc(h->base, len);
		h->cap = len;
	}
	memcpy(h->base, p, len);
	h->len = len;
	h->garbage = 0;
}

void row_pack_none(void *op, struct heap *h)
{
	(void)op, (void)h;
}

enum status row_resolve(const struct op_conf *conf, struct slice name, struct entry **out,
        struct arena *a, struct error *e)
{
	uint64_t hash = entity_hash(name);
	return table_resolve(conf->table, conf->space, &name, &hash, 1, out, a, e);
}
