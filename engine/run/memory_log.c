// SPDX-License-Identifier: Apache-2.0
//
// The log in memory: topics, offsets, readers. Offsets behave as Kafka's: a transaction's records
// take theirs when they become visible, and a control record follows them in each partition it
// touched. Not thread-safe: one thread drives producers and sessions alike.
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "run/memory_log_inside.h"

struct log_broker *memory_log_new(void)
{
	return xcalloc(1, sizeof(struct log_broker));
}

void mem_record_free(struct mem_record *r)
{
	free(r->bytes);
	free(r->headers);
}

static void mem_close(struct log_broker *b)
{
	for (uint32_t t = 0; t < b->ntopics; t++) {
		for (int32_t p = 0; p < b->topics[t].nparts; p++) {
			struct mem_partition *part = &b->topics[t].parts[p];
			for (uint32_t i = 0; i < part->n; i++)
				mem_record_free(&part->records[i]);
			free(part->records);
		}
		free(b->topics[t].parts);
		free(b->topics[t].name);
	}
	for (uint32_t i = 0; i < b->noffsets; i++)
		free(b->offsets[i].group);
	for (uint32_t i = 0; i < b->ndiscard; i++)
		free(b->discard[i]);
	free(b->topics);
	free(b->offsets);
	free(b);
}

struct mem_topic *mem_topic_find(struct log_broker *b, const char *name)
{
	for (uint32_t i = 0; i < b->ntopics; i++)
		if (strcmp(b->topics[i].name, name) == 0)
			return &b->topics[i];
	return NULL;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static enum status mem_topics_ensure(struct log_broker *b, const struct log_topic_conf *t,
	uint32_t n, struct error *e)
{
	(void)e;
	for (uint32_t i = 0; i < n; i++) {
		if (mem_topic_find(b, t[i].name))
			continue;
		b->topics = xrealloc(b->topics, (b->ntopics + 1) * sizeof *b->topics);
		struct mem_topic *m = &b->topics[b->ntopics++];
		*m = (struct mem_topic){.name = xstrdup(t[i].name), .nparts = t[i].partitions,
			.parts = xcalloc((size_t)t[i].partitions, sizeof *m->parts)};
		for (uint32_t k = 0; k < b->ndiscard; k++)
			m->discard |= ends_with(t[i].name, b->discard[k]);
	}
	return ST_OK;
}

static enum status mem_partitions_ensure(struct log_broker *b, const char *topic,
	int32_t partitions, struct error *e)
{
	struct mem_topic *t = mem_topic_find(b, topic);
	if (!t)
		return error_set(e, ERR_FATAL, 0, "there is no topic %s", topic);
	if (t->nparts >= partitions)
		return ST_OK;
	t->parts = xrealloc(t->parts, (size_t)partitions * sizeof *t->parts);
	memset(t->parts + t->nparts, 0, (size_t)(partitions - t->nparts) * sizeof *t->parts);
	t->nparts = partitions;
	return ST_OK;
}

static enum status mem_topic_info(struct log_broker *b, const char *topic,
	struct log_topic_info *out, struct error *e)
{
	(void)e;
	struct mem_topic *t = mem_topic_find(b, topic);
	*out = (struct log_topic_info){.partitions = t ? t->nparts : 0};
	if (t)
		out->id[0] = (uint8_t)(t - b->topics + 1);
	return ST_OK;
}

static enum status mem_topics_list(struct log_broker *b, const char *begins,
	void (*each)(void *, const char *), void *arg, struct error *e)
{
	(void)e;
	for (uint32_t i = 0; i < b->ntopics; i++)
		if (strncmp(b->topics[i].name, begins, strlen(begins)) == 0)
			each(arg, b->topics[i].name);
	return ST_OK;
}

static struct mem_partition *part_find(struct log_broker *b, const char *topic, int32_t partition)
{
	struct mem_topic *t = mem_topic_find(b, topic);
	return t && partition >= 0 && partition < t->nparts ? &t->parts[partition] : NULL;
}

static enum status no_partition(struct error *e, const char *topic, int32_t partition)
{
	return error_set(e, ERR_FATAL, 0, "no such partition: %s[%d]", topic, (int)partition);
}

static enum status mem_bounds(struct log_broker *b, const char *topic, int32_t partition,
	int64_t *begin, int64_t *end, struct error *e)
{
	struct mem_partition *p = part_find(b, topic, partition);
	if (!p)
		return no_partition(e, topic, partition);
	*begin = p->begin;
	*end = p->end;
	return ST_OK;
}

static enum status mem_offset_at(struct log_broker *b, const char *topic, int32_t partition,
	int64_t ts_ms, int64_t *out, struct error *e)
{
	struct mem_partition *p = part_find(b, topic, partition);
	if (!p)
		return no_partition(e, topic, partition);
	*out = p->end;
	for (uint32_t i = 0; i < p->n; i++)
		if (p->records[i].timestamp >= ts_ms) {
			*out = p->records[i].offset;
			break;
		}
	return ST_OK;
}

static struct log_record record_view(const struct mem_record *r, uint32_t topic, int32_t partition)
{
	return (struct log_record){topic, partition, r->offset, r->timestamp, r->has_key,
		r->has_value, r->key, r->value, r->headers, r->nheaders};
}

struct mem_record mem_record_copy(const struct slice *key, const struct slice *value,
	int64_t timestamp)
{
	uint32_t klen = key ? key->len : 0, vlen = value ? value->len : 0;
	uint8_t *bytes = xmalloc((size_t)klen + vlen + 1);
	if (klen)
		memcpy(bytes, key->p, klen);
	if (vlen)
		memcpy(bytes + klen, value->p, vlen);
	return (struct mem_record){.timestamp = timestamp, .has_key = key, .has_value = value,
		.key = {bytes, klen}, .value = {bytes + klen, vlen}, .bytes = bytes};
}

void mem_headers_copy(struct mem_record *r, const struct log_header *headers, uint32_t n)
{
	size_t bytes = n * sizeof *headers;
	for (uint32_t i = 0; i < n; i++)
		bytes += strlen(headers[i].name) + 1 + headers[i].value.len;
	if (!n)
		return;
	r->headers = xmalloc(bytes);
	r->nheaders = n;
	char *at = (char *)(r->headers + n);
	for (uint32_t i = 0; i < n; i++) {
		r->headers[i].name = strcpy(at, headers[i].name);
		at += strlen(at) + 1;
		r->headers[i].value = (struct slice){(uint8_t *)at, headers[i].value.len};
		if (headers[i].value.len)
			memcpy(at, headers[i].value.p, headers[i].value.len);
		at += headers[i].value.len;
	}
}

/* Takes the record over. */
int64_t mem_part_append(struct log_broker *b, uint32_t topic, int32_t partition,
	struct mem_record r)
{
	struct mem_topic *t = &b->topics[topic];
	struct mem_partition *p = &t->parts[partition];
	r.offset = p->end++;
	struct log_record view = record_view(&r, topic, partition);
	if (b->tap)
		b->tap(b->tap_arg, t->name, partition, &view);
	if (t->discard) {
		mem_record_free(&r);
		p->begin = p->end;
		return r.offset;
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->records = xrealloc(p->records, p->cap * sizeof *p->records);
	}
	p->records[p->n++] = r;
	return r.offset;
}

int64_t memory_log_produce(struct log_broker *b, const char *topic, int32_t partition,
	const struct slice *key, const struct slice *value, int64_t timestamp)
{
	struct mem_topic *t = mem_topic_find(b, topic);
	INVARIANT(t && partition >= 0 && partition < t->nparts);
	return mem_part_append(b, (uint32_t)(t - b->topics), partition,
		mem_record_copy(key, value, timestamp));
}

void memory_log_skip_to(struct log_broker *b, const char *topic, int32_t partition,
	int64_t offset)
{
	struct mem_partition *p = part_find(b, topic, partition);
	INVARIANT(p);
	if (offset > p->end)
		p->end = offset;
}

void memory_log_discard(struct log_broker *b, const char *suffix)
{
	INVARIANT(b->ndiscard < sizeof b->discard / sizeof *b->discard);
	b->discard[b->ndiscard++] = xstrdup(suffix);
}

void memory_log_tap(struct log_broker *b,
	void (*tap)(void *, const char *, int32_t, const struct log_record *), void *arg)
{
	b->tap = tap;
	b->tap_arg = arg;
}

void memory_log_delivery(struct log_broker *b,
	uint32_t (*room)(void *, const char *, int32_t), void *arg)
{
	b->room = room;
	b->room_arg = arg;
}

void memory_log_faults(struct log_broker *b, enum memory_fault (*fn)(void *, enum memory_step),
	void *arg)
{
	b->fault = fn;
	b->fault_arg = arg;
}

enum status memory_log_read(struct log_broker *b, const char *topic, int32_t partition,
	uint32_t index, struct log_record *out)
{
	struct mem_topic *t = mem_topic_find(b, topic);
	struct mem_partition *p = part_find(b, topic, partition);
	if (!p || index >= p->n)
		return ST_END;
	*out = record_view(&p->records[index], (uint32_t)(t - b->topics), partition);
	return ST_OK;
}

static enum status mem_put(struct log_broker *b, const char *topic, int32_t partition,
	struct slice key, const struct slice *value, int64_t *offset, struct error *e)
{
	struct mem_topic *t = mem_topic_find(b, topic);
	if (t && partition < 0)
		partition = log_partition_of(key, t->nparts);
	if (!part_find(b, topic, partition))
		return no_partition(e, topic, partition);
	int64_t at = mem_part_append(b, (uint32_t)(t - b->topics), partition,
		mem_record_copy(&key, value, 0));
	if (offset)
		*offset = at;
	return ST_OK;
}

static enum status mem_delete_before(struct log_broker *b, const char *topic, int32_t partition,
	int64_t offset, struct error *e)
{
	struct mem_partition *p = part_find(b, topic, partition);
	if (!p)
		return no_partition(e, topic, partition);
	uint32_t gone = 0;
	while (gone < p->n && p->records[gone].offset < offset)
		mem_record_free(&p->records[gone++]);
	p->n -= gone;
	if (gone)
		memmove(p->records, p->records + gone, p->n * sizeof *p->records);
	if (offset > p->begin)
		p->begin = offset < p->end ? offset : p->end;
	return ST_OK;
}

struct mem_offset *mem_offset_find(struct log_broker *b, const char *group, uint32_t topic,
	int32_t partition)
{
	for (uint32_t i = 0; i < b->noffsets; i++)
		if (b->offsets[i].topic == topic && b->offsets[i].partition == partition &&
			strcmp(b->offsets[i].group, group) == 0)
			return &b->offsets[i];
	return NULL;
}

void mem_offset_store(struct log_broker *b, const char *group, struct log_position at)
{
	struct mem_offset *o = mem_offset_find(b, group, at.topic, at.partition);
	if (!o) {
		b->offsets = xrealloc(b->offsets, (b->noffsets + 1) * sizeof *b->offsets);
		o = &b->offsets[b->noffsets++];
		*o = (struct mem_offset){xstrdup(group), at.topic, at.partition, 0};
	}
	o->offset = at.offset;
}

static enum status mem_group_offsets(struct log_broker *b, const char *group,
	const char *const *names, struct log_position *pos, uint32_t n, struct error *e)
{
	(void)e;
	for (uint32_t i = 0; i < n; i++) {
		struct mem_topic *t = mem_topic_find(b, names[i]);
		struct mem_offset *o = t ? mem_offset_find(b, group, (uint32_t)(t - b->topics),
						   pos[i].partition)
					 : NULL;
		pos[i].offset = o ? o->offset : LOG_OFFSET_NONE;
	}
	return ST_OK;
}

static enum status mem_group_members(struct log_broker *b, const char *group, char (*out)[256],
	uint32_t *n, struct error *e)
{
	(void)b, (void)group, (void)out, (void)e;
	*n = 0;
	return ST_OK;
}

enum status mem_injected(struct error *e, enum memory_fault f, enum error_class class,
	const char *what)
{
	return error_set(e, f == MEM_REFUSE ? ERR_FATAL : class, 0, "injected: %s failed", what);
}

static enum status mem_reader_open(struct log_broker *b, const char *topic, int32_t partition,
	int64_t offset, uint64_t memory_bytes, struct log_reader **out, struct error *e)
{
	(void)memory_bytes;
	struct mem_partition *p = part_find(b, topic, partition);
	if (!p)
		return no_partition(e, topic, partition);
	if (b->fault && b->fault(b->fault_arg, MEM_READER) == MEM_FAIL)
		return mem_injected(e, MEM_FAIL, ERR_RETRIABLE, "opening a reader");
	if (offset < p->begin || offset > p->end)
		return error_set(e, ERR_FATAL, 0, "%s[%d]: offset %lld is out of range", topic,
			(int)partition, (long long)offset);
	*out = xcalloc(1, sizeof **out);
	**out = (struct log_reader){b, (uint32_t)(mem_topic_find(b, topic) - b->topics), partition,
		offset};
	return ST_OK;
}

/* First record at or after the offset. */
static uint32_t part_lower(const struct mem_partition *p, int64_t offset)
{
	uint32_t lo = 0, hi = p->n;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (p->records[mid].offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t mem_part_read(struct log_broker *b, uint32_t topic, int32_t partition,
	int64_t *position, struct log_record *out, uint32_t max)
{
	struct mem_partition *p = &b->topics[topic].parts[partition];
	uint32_t n = 0, i = part_lower(p, *position);
	for (; i < p->n && n < max; i++)
		out[n++] = record_view(&p->records[i], topic, partition);
	*position = i < p->n ? p->records[i].offset : p->end;
	return n;
}

static enum status mem_reader_poll(struct log_reader *r, int timeout_ms, struct log_record *out,
	uint32_t max, uint32_t *n, struct error *e)
{
	(void)timeout_ms;
	const struct mem_topic *t = &r->b->topics[r->topic];
	*n = 0;
	if (r->position < t->parts[r->partition].begin)
		return error_set(e, ERR_FATAL, 0, "%s[%d] does not have offset %lld any more",
			t->name, (int)r->partition, (long long)r->position);
	*n = mem_part_read(r->b, r->topic, r->partition, &r->position, out, max);
	return ST_OK;
}

static int64_t mem_reader_position(struct log_reader *r)
{
	return r->position;
}

static void mem_reader_close(struct log_reader *r)
{
	free(r);
}

static enum status mem_fence(struct log_broker *b, const char *transactional_id, struct error *e)
{
	(void)b, (void)transactional_id, (void)e;
	return ST_OK;
}

const struct log_ops memory_log = {
	.name = "memory",
	.close = mem_close,
	.topics_ensure = mem_topics_ensure,
	.partitions_ensure = mem_partitions_ensure,
	.topic_info = mem_topic_info,
	.topics_list = mem_topics_list,
	.bounds = mem_bounds,
	.offset_at = mem_offset_at,
	.put = mem_put,
	.delete_before = mem_delete_before,
	.group_offsets = mem_group_offsets,
	.group_members = mem_group_members,
	.reader_open = mem_reader_open,
	.reader_poll = mem_reader_poll,
	.reader_position = mem_reader_position,
	.reader_close = mem_reader_close,
	.session_open = mem_session_open,
	.session_close = mem_session_close,
	.topic = mem_topic,
	.poll = mem_poll,
	.fetch = mem_fetch,
	.unfetch = mem_unfetch,
	.seek = mem_fetch,
	.pause = mem_pause,
	.resume = mem_resume,
	.committed = mem_committed,
	.position = mem_position,
	.high_watermark = mem_high_watermark,
	.producer_init = mem_producer_init,
	.producer_drop = mem_producer_drop,
	.producer_ready = mem_producer_ready,
	.producer_ambiguous = mem_producer_ambiguous,
	.begin = mem_begin,
	.append = mem_append,
	.flush = mem_flush,
	.refused = mem_refused,
	.delivered = mem_delivered,
	.send_offsets = mem_send_offsets,
	.commit = mem_commit,
	.abort = mem_abort,
	.fence = mem_fence,
};
