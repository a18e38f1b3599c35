// SPDX-License-Identifier: Apache-2.0
//
// Samples topics: reads their newest records as the job would. The key is what the job says it
// is, the decoded column, not the record's key bytes: those may be framed or absent. A record that
// does not fit is a note, for it would be a dead letter and no more; that none does is an error.
// Does not decide what to do about a misplaced key at run time: the task counts it.
#include "cli/check_topics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/key_map.h"
#include "data/avro.h"
#include "data/entity.h"
#include "lang/event_time.h"

#define POLL_RECORDS 256
#define POLLS_EMPTY_MAX 50 /* of 200 ms, in a row */
#define READER_BYTES ((uint64_t)8 << 20)
#define KEYS_MAX (1u << 22) /* distinct ones remembered per source */
#define DETAIL_MAX 300
#define SECONDS_BELOW INT64_C(10000000000) /* ms: 26 April 1970; as seconds, the year 2286 */

struct sampler {
	const struct check_topics *conf;
	const struct source *source;
	struct decoder *decoder;
	bool keyed; /* in several partitions, by a column */
	struct key_map seen; /* the partition where a key was first */
	uint64_t read, unfit, early; /* records; those of them with an event time like seconds */
	char first[DETAIL_MAX];      /* of the unfit ones: where, and why */
	struct arena arena;
	struct log_record records[POLL_RECORDS];
	struct buf *found;
	bool misplaced; /* said once per source */
};

/* The partition where the key was seen first. */
static int32_t seen_first(struct sampler *s, struct slice key, int32_t partition)
{
	struct key_hash h = key_hash_of(key, 0);
	int64_t first = key_map_get(&s->seen, h);
	if (first != KEY_NONE)
		return (int32_t)first;
	if (s->seen.n < KEYS_MAX)
		key_map_put(&s->seen, h, partition);
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
		int32_t first = seen_first(s, buf_view(&text), records[i].partition);
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

/* What would be a dead letter for its content. */
static void fit_check(struct sampler *s, const struct column *time, const struct bad_record *bad,
        uint32_t n)
{
	int64_t at;
	s->read += n;
	for (uint32_t i = 0; i < n; i++) {
		const struct log_record *r = &s->records[i];
		bool timed = !bad[i].bad && event_time_of(time, i, &at);
		s->early += timed && at > 0 && at < SECONDS_BELOW;
		if (timed || s->unfit++)
			continue;
		enum bad why = bad[i].bad ? bad[i].bad : BAD_TIME;
		snprintf(s->first, sizeof s->first, "%s[%d]@%lld: %s: %s", s->source->topic,
		        (int)r->partition, (long long)r->offset, bad_reason[why],
		        bad[i].bad ? bad[i].detail
		                   : s->source->schema->fields[s->source->time_field].name);
	}
}

/* True when the job can work with it. */
static bool fit_say(const struct sampler *s)
{
	const struct source *from = s->source;
	if (s->unfit && s->unfit == s->read)
		buf_printf(s->found,
		        "source %s: none of the newest %llu records of topic %s can be read as %s "
		        "with the source's schema; %s\n",
		        from->name, (unsigned long long)s->read, from->topic, from->format->name,
		        s->first);
	else if (s->unfit)
		buf_printf(s->found,
		        "source %s: note: %llu of the newest %llu records of topic %s would be dead "
		        "letters; %s\n",
		        from->name, (unsigned long long)s->unfit, (unsigned long long)s->read,
		        from->topic, s->first);
	if (s->early && s->early == s->read - s->unfit)
		buf_printf(s->found,
		        "source %s: note: all event times of topic %s are in early 1970: is %s in "
		        "seconds, where its type says milliseconds or microseconds?\n",
		        from->name, from->topic, from->schema->fields[from->time_field].name);
	return !s->misplaced && (!s->unfit || s->unfit < s->read);
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
	fit_check(s, &cols[s->source->time_field], bad, n);
	if (s->keyed)
		keys_check(s, &cols[s->source->key_field], bad, n, s->records);
	return ST_OK;
}

static enum status partition_read(
        struct sampler *s, int32_t partition, int64_t from, int64_t to, struct error *e)
{
	struct log_reader *r;
	const struct log_ops *log = s->conf->log;
	if (log->reader_open(
	            s->conf->broker, s->source->topic, partition, from, READER_BYTES, &r, e))
		return ST_ERR;
	enum status st = ST_OK;
	int empty = 0;
	while (!st && !s->misplaced && log->reader_position(r) < to &&
	        empty < POLLS_EMPTY_MAX) {
		uint32_t n;
		st = log->reader_poll(r, 200, s->records, POLL_RECORDS, &n, e);
		empty = n ? 0 : empty + 1;
		if (!st && n)
			st = batch_check(s, n, e);
	}
	log->reader_close(r);
	return st;
}

static enum status partitions_read(struct sampler *s, int32_t partitions, struct error *e)
{
	const struct check_topics *c = s->conf;
	for (int32_t p = 0; p < partitions; p++) {
		int64_t begin, end;
		if (c->log->bounds(c->broker, s->source->topic, p, &begin, &end, e))
			return ST_ERR;
		int64_t from = end - c->sample > begin ? end - c->sample : begin;
		if (from < end && partition_read(s, p, from, end, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status source_sample(struct sampler *s, int32_t partitions, struct error *e)
{
	struct decoder_conf conf = {.schema = s->source->schema,
	        .wanted = s->source->used,
	        .schemas = s->conf->schemas,
	        .value_bytes_max = RECORD_BYTES_MAX};
	enum status st = s->source->format->decoder_new(&conf, &s->decoder, e);
	arena_init(&s->arena);
	s->keyed = s->source->key_field >= 0 && partitions > 1;
	if (!st)
		st = partitions_read(s, partitions, e);
	if (s->decoder)
		s->source->format->decoder_free(s->decoder);
	arena_release(&s->arena);
	key_map_release(&s->seen);
	return st;
}

/* *fits stays true when the job can work with the topic. */
static enum status source_check(
        struct sampler *s, const struct check_topics *c, bool *fits, struct error *e)
{
	struct log_topic_info info;
	if (c->log->topic_info(c->broker, s->source->topic, &info, e))
		return ST_ERR;
	if (!info.partitions) {
		*fits = false;
		buf_printf(s->found, "source %s: there is no topic %s\n", s->source->name,
		        s->source->topic);
		return ST_OK;
	}
	if (source_sample(s, info.partitions, e))
		return ST_ERR;
	*fits &= fit_say(s);
	return ST_OK;
}

enum status check_topics(const struct check_topics *conf, const struct job *job, struct buf *found,
        struct error *e)
{
	bool fits = true;
	enum status st = ST_OK;
	for (uint32_t i = 0; !st && i < job->nsources; i++) {
		struct sampler *s = xcalloc(1, sizeof *s);
		*s = (struct sampler){.conf = conf, .source = &job->sources[i], .found = found};
		st = source_check(s, conf, &fits, e);
		free(s);
	}
	return st ? ST_ERR : fits ? ST_OK : ST_END;
}
