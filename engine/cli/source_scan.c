// SPDX-License-Identifier: Apache-2.0
//
// Reads a source's topic as a monitor would: bad records, records from the future and late ones
// are left out, as the engine leaves them out. An event is at most max_ahead past its Kafka
// timestamp, which bounds where reading begins; it ends at the end of the topic as of now,
// since an event may come as late as it likes. What cannot be read up to there is an error: the
// ranges say what was read, and less would pass for all. Stream time is as of where reading
// began.
#include "cli/source_scan.h"

#include <string.h>

#include "cli/scan.h"
#include "lang/event_time.h"

#define PROGRESS_EVERY 4096

struct scanning {
	struct source_scan *scan;
	struct decoder *decoder;
	struct arena arena; // of one record
	int64_t stream_time, done, total;
	struct error *e;
	bool failed;
};

// Whether the engine would take it; stream time moves on with it.
static bool on_time(struct scanning *r, const struct log_record *rec, int64_t ts)
{
	const struct source *s = r->scan->source;
	if (rec->timestamp >= 0 && ts > rec->timestamp + s->max_ahead_ms)
		return false;
	if (r->stream_time != INT64_MIN && ts < r->stream_time - s->lateness_ms)
		return false;
	r->stream_time = ts > r->stream_time ? ts : r->stream_time;
	return true;
}

static bool record_read(void *arg, const struct log_record *rec)
{
	struct scanning *r = arg;
	const struct source *s = r->scan->source;
	const struct baseline_topic *t = r->scan->topic;
	struct slice value = rec->has_value ? rec->value : (struct slice){0};
	struct bad_record bad = {0};
	int64_t ts;
	arena_reset(&r->arena);
	struct column *cols = arena_calloc(&r->arena, s->schema->nfields, sizeof *cols);
	if (s->format->decode(r->decoder, &value, 1, cols, &bad, &r->arena, r->e)) {
		r->failed = true;
		return false;
	}
	if (++r->done % PROGRESS_EVERY == 0 && t->progress)
		t->progress(t->arg, r->done, r->total);
	if (bad.bad || !event_time_of(&cols[s->time_field], 0, &ts) || !on_time(r, rec, ts))
		return true;
	return r->scan->row(r->scan->arg, cols, ts);
}

static enum status bounds_find(struct scanning *r, int32_t p, int64_t *from, int64_t *to)
{
	const struct source_scan *scan = r->scan;
	const struct baseline_topic *t = scan->topic;
	const struct source *s = scan->source;
	int64_t begin, at;
	if (t->log->bounds(t->broker, s->topic, p, &begin, to, r->e))
		return ST_ERR;
	*from = begin;
	if (scan->from_ms == INT64_MIN)
		return ST_OK;
	if (t->log->offset_at(
	            t->broker, s->topic, p, scan->from_ms - s->max_ahead_ms, &at, r->e))
		return ST_ERR;
	*from = at > begin ? at : begin;
	return ST_OK;
}

static enum status ranges_find(struct scanning *r)
{
	struct source_scan *scan = r->scan;
	const struct baseline_topic *t = scan->topic;
	struct log_topic_info info;
	if (t->log->topic_info(t->broker, scan->source->topic, &info, r->e))
		return ST_ERR;
	if (!info.partitions)
		return error_set(
		        r->e, ERR_USER, 0, "there is no topic %s", scan->source->topic);
	scan->ranges = arena_calloc(scan->arena, (size_t)info.partitions, sizeof *scan->ranges);
	for (int32_t p = 0; p < info.partitions; p++) {
		int64_t from, to;
		if (bounds_find(r, p, &from, &to))
			return ST_ERR;
		if (from < to)
			scan->ranges[scan->nranges++] =
			        (struct baseline_range){p, from, to - 1};
		r->total += to > from ? to - from : 0;
	}
	return ST_OK;
}

static enum status ranges_read(struct scanning *r)
{
	const struct source_scan *scan = r->scan;
	const struct baseline_topic *t = scan->topic;
	for (uint32_t i = 0; i < scan->nranges; i++) {
		const struct baseline_range *g = &scan->ranges[i];
		r->stream_time = INT64_MIN;
		struct scan_range range = {.log = t->log,
		        .broker = t->broker,
		        .clock = scan->clock ? scan->clock : &clock_system,
		        .topic = scan->source->topic,
		        .partition = g->partition,
		        .from = g->first,
		        .to = g->last + 1,
		        .patient = true,
		        .each = record_read,
		        .arg = r};
		if (scan_range(&range, r->e) || r->failed)
			return ST_ERR;
		if (range.reached < range.to)
			return scan_cut(&range, r->e);
	}
	return ST_OK;
}

enum status source_scan(struct source_scan *scan, struct error *e)
{
	const struct source *s = scan->source;
	struct scanning r = {.scan = scan, .e = e};
	bool *wanted = arena_calloc(scan->arena, s->schema->nfields + 1, sizeof *wanted);
	memcpy(wanted, scan->wanted, s->schema->nfields * sizeof *wanted);
	wanted[s->time_field] = true;
	struct decoder_conf conf = {.schema = s->schema,
	        .wanted = wanted,
	        .schemas = scan->topic->schemas,
	        .value_bytes_max = RECORD_BYTES_MAX};
	if (s->format->decoder_new(&conf, &r.decoder, e))
		return ST_ERR;
	arena_init(&r.arena);
	enum status st = ranges_find(&r);
	if (st == ST_OK)
		st = ranges_read(&r);
	s->format->decoder_free(r.decoder);
	arena_release(&r.arena);
	return st;
}
