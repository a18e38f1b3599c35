// SPDX-License-Identifier: Apache-2.0
//
// Samples topics. The key is what the job says it is, the decoded column, not the record's key
// bytes: those may be framed or absent. Records that cannot be decoded count for nothing here.
// Does not decide what to do about a misplaced key at run time: the task counts it.
#include "cli/check_topics.h"

#include <stdlib.h>
#include <xxhash.h>

#include "data/avro.h"
#include "data/entity.h"

#define POLL_RECORDS 256
#define POLLS_EMPTY_MAX 50 /* of 200 ms, in a row */
#define READER_BYTES ((uint64_t)8 << 20)
#define KEYS_MAX (1u << 22) /* distinct ones remembered per source */
#define VALUE_BYTES_MAX (8u << 20)

/* Where a key was seen: open addressing by its hash. */
struct seen {
	uint64_t *hash; /* 0: empty */
	int32_t *partition;
	uint32_t n, cap;
};

struct sampler {
	const struct log_ops *log;
	struct log_broker *broker;
	const struct source *source;
	struct decoder *decoder;
	bool *wanted;
	struct seen seen;
	struct arena arena;
	struct log_record records[POLL_RECORDS];
	struct buf *found;
	bool misplaced; /* said once per source */
};

static void seen_grow(struct seen *s)
{
	struct seen old = *s;
	s->cap = old.cap ? 2 * old.cap : 1024;
	s->hash = xcalloc(s->cap, sizeof *s->hash);
	s->partition = xcalloc(s->cap, sizeof *s->partition);
	for (uint32_t i = 0; i < old.cap; i++) {
		if (!old.hash[i])
			continue;
		uint32_t at = (uint32_t)old.hash[i] & (s->cap - 1);
		while (s->hash[at])
			at = (at + 1) & (s->cap - 1);
		s->hash[at] = old.hash[i];
		s->partition[at] = old.partition[i];
	}
	free(old.hash);
	free(old.partition);
}

/* The partition where the key was seen first. */
static int32_t seen_put(struct seen *s, struct slice key, int32_t partition)
{
	uint64_t h = XXH3_64bits(key.p, key.len) | 1;
	if (s->n * 2 >= s->cap)
		seen_grow(s);
	uint32_t at = (uint32_t)h & (s->cap - 1);
	for (; s->hash[at]; at = (at + 1) & (s->cap - 1))
		if (s->hash[at] == h)
			return s->partition[at];
	if (s->n < KEYS_MAX) {
		s->hash[at] = h;
		s->partition[at] = partition;
		s->n++;
	}
	return partition;
}

static void keys_check(struct sampler *s, const struct column *key,
        const struct bad_record *bad, uint32_t n, const struct log_record *records)
{
	const struct type *type = &s->source->schema->fields[s->source->key_field].type;
	struct buf text = {0};
	for (uint32_t i = 0; i < n && !s->misplaced; i++) {
		if (bad[i].bad || key->null[i])
			continue;
		struct value v = column_get(key, i);
		text.len = 0;
		entity_write(&text, &type, &v, 1);
		int32_t first = seen_put(&s->seen, buf_view(&text), records[i].partition);
		if (first == records[i].partition)
			continue;
		s->misplaced = true;
		buf_printf(s->found,
		        "source %s: key '%s' = %s is in two partitions of topic %s, %d and %d "
		        "(offset %lld): its producer does not partition by that column\n",
		        s->source->name, s->source->schema->fields[s->source->key_field].name,
		        buf_cstr(&text), s->source->topic, (int)first,
		        (int)records[i].partition, (long long)records[i].offset);
	}
	buf_release(&text);
}

static enum status batch_check(struct sampler *s, uint32_t n, struct error *e)
{
	arena_reset(&s->arena);
	const struct schema *schema = s->source->schema;
	struct slice *values = arena_calloc(&s->arena, n, sizeof *values);
	struct bad_record *bad = arena_calloc(&s->arena, n, sizeof *bad);
	struct column *cols = arena_calloc(&s->arena, schema->nfields, sizeof *cols);
	for (uint32_t i = 0; i < n; i++)
		values[i] = s->records[i].has_value ? s->records[i].value : (struct slice){0};
	if (s->source->format->decode(s->decoder, values, n, cols, bad, &s->arena, e))
		return ST_ERR;
	keys_check(s, &cols[s->source->key_field], bad, n, s->records);
	return ST_OK;
}

static enum status partition_read(
        struct sampler *s, int32_t partition, int64_t from, int64_t to, struct error *e)
{
	struct log_reader *r;
	if (s->log->reader_open(
	            s->broker, s->source->topic, partition, from, READER_BYTES, &r, e))
		return ST_ERR;
	enum status st = ST_OK;
	int empty = 0;
	while (!st && !s->misplaced && s->log->reader_position(r) < to &&
	        empty < POLLS_EMPTY_MAX) {
		uint32_t n;
		st = s->log->reader_poll(r, 200, s->records, POLL_RECORDS, &n, e);
		empty = n ? 0 : empty + 1;
		if (!st && n)
			st = batch_check(s, n, e);
	}
	s->log->reader_close(r);
	return st;
}

static enum status partitions_read(
        struct sampler *s, int32_t partitions, uint32_t sample, struct error *e)
{
	for (int32_t p = 0; p < partitions; p++) {
		int64_t begin, end;
		if (s->log->bounds(s->broker, s->source->topic, p, &begin, &end, e))
			return ST_ERR;
		int64_t from = end - sample > begin ? end - sample : begin;
		if (from < end && partition_read(s, p, from, end, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status source_sample(
        struct sampler *s, int32_t partitions, uint32_t sample, struct error *e)
{
	const struct schema *schema = s->source->schema;
	s->wanted = xcalloc(schema->nfields, sizeof *s->wanted);
	s->wanted[s->source->key_field] = true;
	struct decoder_conf conf = {
	        .schema = schema, .wanted = s->wanted, .value_bytes_max = VALUE_BYTES_MAX};
	enum status st = s->source->format->decoder_new(&conf, &s->decoder, e);
	arena_init(&s->arena);
	if (!st)
		st = partitions_read(s, partitions, sample, e);
	if (s->decoder)
		s->source->format->decoder_free(s->decoder);
	arena_release(&s->arena);
	free(s->wanted);
	free(s->seen.hash);
	free(s->seen.partition);
	return st;
}

enum status check_topics(const struct log_ops *log, struct log_broker *broker,
        const struct job *job, uint32_t sample, struct buf *found, struct error *e)
{
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_info info;
		struct sampler *s = xcalloc(1, sizeof *s);
		*s = (struct sampler){.log = log,
		        .broker = broker,
		        .source = &job->sources[i],
		        .found = found};
		enum status st = log->topic_info(broker, s->source->topic, &info, e);
		if (!st && !info.partitions)
			buf_printf(found, "source %s: there is no topic %s\n", s->source->name,
			        s->source->topic);
		else if (!st && s->source->key_field >= 0 && info.partitions > 1)
			st = source_sample(s, info.partitions, sample, e);
		free(s);
		if (st)
			return ST_ERR;
	}
	return found->len ? ST_END : ST_OK;
}
