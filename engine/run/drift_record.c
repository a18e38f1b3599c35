// SPDX-License-Identifier: Apache-2.0
//
// Reading drift records and alerts back. Written by operators/monitor/verdict.c and alerts.c by
// the schemas in plan_monitors.c: this is the same order of fields.
#include "run/drift_record.h"

#include <math.h>

#include "data/avro.h"

#define ITEMS_MAX 4096 /* of one array */

static bool unframe(struct slice value, struct reader *r)
{
	uint32_t head =
	        value.len && value.p[0] == 0 ? AVRO_REGISTRY_BYTES : AVRO_SINGLE_OBJECT_BYTES;
	if (!value.p || value.len < head)
		return false;
	*r = reader_of((struct slice){value.p + head, value.len - head});
	return true;
}

static const char *text_read(struct reader *r, struct arena *a)
{
	struct slice s = reader_bytes(r);
	return arena_strndup(a, (const char *)s.p, s.len);
}

static double optional_read(struct reader *r)
{
	return reader_varint(r) ? reader_double(r) : NAN;
}

/* An array's one block; weir writes no more. */
static uint32_t count_read(struct reader *r)
{
	int64_t n = avro_block(r);
	if (n > ITEMS_MAX)
		r->failed = true;
	return r->failed ? 0 : (uint32_t)n;
}

static void end_read(struct reader *r, uint32_t n)
{
	if (n && avro_block(r))
		r->failed = true;
}

static struct drift_segment *segment_read(struct reader *r, uint32_t *n, struct arena *a)
{
	*n = count_read(r);
	struct drift_segment *s = arena_calloc(a, *n + 1, sizeof *s);
	for (uint32_t i = 0; i < *n && !r->failed; i++) {
		s[i].column = text_read(r, a);
		if (reader_varint(r))
			s[i].value = text_read(r, a);
	}
	end_read(r, *n);
	return s;
}

static void tests_read(struct reader *r, struct drift_record *out, struct arena *a)
{
	out->ntests = count_read(r);
	out->tests = arena_calloc(a, out->ntests + 1, sizeof *out->tests);
	for (uint32_t i = 0; i < out->ntests && !r->failed; i++) {
		struct drift_result *t = &out->tests[i];
		t->test = text_read(r, a);
		t->value = optional_read(r);
		t->p_value = optional_read(r);
		t->threshold = reader_double(r);
		t->breached = reader_byte(r);
	}
	end_read(r, out->ntests);
}

static void bins_read(struct reader *r, struct drift_record *out, struct arena *a)
{
	out->nbins = count_read(r);
	out->bins = arena_calloc(a, out->nbins + 1, sizeof *out->bins);
	for (uint32_t i = 0; i < out->nbins && !r->failed; i++) {
		out->bins[i].label = text_read(r, a);
		out->bins[i].reference = reader_double(r);
		out->bins[i].current = reader_double(r);
	}
	end_read(r, out->nbins);
}

static const char *optional_text_read(struct reader *r, struct arena *a)
{
	return reader_varint(r) ? text_read(r, a) : NULL;
}

/* Records of before there were examples end here. */
static void examples_read(struct reader *r, struct drift_record *out, struct arena *a)
{
	if (r->p == r->end)
		return;
	out->nexamples = count_read(r);
	out->examples = arena_calloc(a, out->nexamples + 1, sizeof *out->examples);
	for (uint32_t i = 0; i < out->nexamples && !r->failed; i++) {
		out->examples[i].entity = text_read(r, a);
		out->examples[i].event_time = reader_varint(r);
		out->examples[i].served = optional_text_read(r, a);
		out->examples[i].computed = optional_text_read(r, a);
	}
	end_read(r, out->nexamples);
}

bool drift_record_read(struct slice value, struct drift_record *out, struct arena *a)
{
	struct reader r;
	*out = (struct drift_record){0};
	if (!unframe(value, &r))
		return false;
	out->monitor = text_read(&r, a);
	out->segment = segment_read(&r, &out->nsegment, a);
	out->column = text_read(&r, a);
	out->window_start = reader_varint(&r);
	out->window_end = reader_varint(&r);
	out->rows = reader_varint(&r);
	out->nulls = reader_varint(&r);
	out->reference_rows = reader_varint(&r);
	tests_read(&r, out, a);
	bins_read(&r, out, a);
	examples_read(&r, out, a);
	return !r.failed;
}

bool alert_record_read(struct slice value, struct alert_record *out, struct arena *a)
{
	struct reader r;
	*out = (struct alert_record){0};
	if (!unframe(value, &r))
		return false;
	out->job = text_read(&r, a);
	out->monitor = text_read(&r, a);
	out->segment = segment_read(&r, &out->nsegment, a);
	out->column = text_read(&r, a);
	out->test = text_read(&r, a);
	out->firing = reader_varint(&r) == 0;
	out->since = reader_varint(&r);
	out->window_start = reader_varint(&r);
	out->window_end = reader_varint(&r);
	out->value = reader_double(&r);
	out->threshold = reader_double(&r);
	out->windows = (int32_t)reader_varint(&r);
	return !r.failed;
}

/* -- JSON -- */

static void text_json(struct buf *out, const char *s)
{
	if (s)
		buf_json(out, slice_of(s));
	else
		buf_str(out, "null");
}

static void number_json(struct buf *out, double x)
{
	if (isfinite(x))
		buf_num(out, x);
	else
		buf_str(out, "null");
}

void drift_segment_json(const struct drift_segment *s, uint32_t n, struct buf *out)
{
	buf_byte(out, '{');
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			buf_byte(out, ',');
		text_json(out, s[i].column);
		buf_byte(out, ':');
		text_json(out, s[i].value);
	}
	buf_byte(out, '}');
}

static void tests_json(const struct drift_record *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->ntests; i++) {
		const struct drift_result *t = &r->tests[i];
		buf_str(out, i ? ",{\"test\":" : "{\"test\":");
		text_json(out, t->test);
		buf_str(out, ",\"value\":");
		number_json(out, t->value);
		buf_str(out, ",\"p_value\":");
		number_json(out, t->p_value);
		buf_str(out, ",\"threshold\":");
		number_json(out, t->threshold);
		buf_printf(out, ",\"breached\":%s}", t->breached ? "true" : "false");
	}
}

static void bins_json(const struct drift_record *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->nbins; i++) {
		buf_str(out, i ? ",{\"label\":" : "{\"label\":");
		text_json(out, r->bins[i].label);
		buf_str(out, ",\"reference\":");
		number_json(out, r->bins[i].reference);
		buf_str(out, ",\"current\":");
		number_json(out, r->bins[i].current);
		buf_byte(out, '}');
	}
}

void drift_examples_json(const struct drift_record *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->nexamples; i++) {
		const struct drift_example *x = &r->examples[i];
		buf_str(out, i ? ",{\"entity\":" : "{\"entity\":");
		text_json(out, x->entity);
		buf_printf(out, ",\"event_time\":%lld,\"served\":", (long long)x->event_time);
		text_json(out, x->served);
		buf_str(out, ",\"computed\":");
		text_json(out, x->computed);
		buf_byte(out, '}');
	}
}

void drift_record_json(const struct drift_record *r, struct buf *out)
{
	buf_str(out, "{\"monitor\":");
	text_json(out, r->monitor);
	buf_str(out, ",\"segment\":");
	drift_segment_json(r->segment, r->nsegment, out);
	buf_str(out, ",\"column\":");
	text_json(out, r->column);
	buf_printf(out,
	        ",\"window_start\":%lld,\"window_end\":%lld,\"rows\":%lld,\"nulls\":%lld,"
	        "\"reference_rows\":%lld,\"tests\":[",
	        (long long)r->window_start, (long long)r->window_end, (long long)r->rows,
	        (long long)r->nulls, (long long)r->reference_rows);
	tests_json(r, out);
	buf_str(out, "],\"bins\":[");
	bins_json(r, out);
	buf_str(out, "],\"examples\":[");
	drift_examples_json(r, out);
	buf_str(out, "]}");
}

void alert_record_json(const struct alert_record *r, struct buf *out)
{
	buf_str(out, "{\"job\":");
	text_json(out, r->job);
	buf_str(out, ",\"monitor\":");
	text_json(out, r->monitor);
	buf_str(out, ",\"segment\":");
	drift_segment_json(r->segment, r->nsegment, out);
	buf_str(out, ",\"column\":");
	text_json(out, r->column);
	buf_str(out, ",\"test\":");
	text_json(out, r->test);
	buf_printf(out,
	        ",\"state\":\"%s\",\"since\":%lld,\"window_start\":%lld,\"window_end\":%lld,"
	        "\"value\":",
	        r->firing ? "firing" : "resolved", (long long)r->since,
	        (long long)r->window_start, (long long)r->window_end);
	number_json(out, r->value);
	buf_str(out, ",\"threshold\":");
	number_json(out, r->threshold);
	buf_printf(out, ",\"windows\":%d}", (int)r->windows);
}
