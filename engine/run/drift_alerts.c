// SPDX-License-Identifier: Apache-2.0
//
// Alerts as last read, and what of them is to be posted: what fires every WATCH_REPEAT_MS,
// since Alertmanager takes an alert that it does not hear of any more for resolved; what has
// resolved until it was taken once. Failed posts are tried again after a pause that grows to a
// minute.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/civil.h"
#include "run/drift_watch_inside.h"

#define RETRY_FIRST_NS INT64_C(1000000000)
#define RETRY_MAX_NS INT64_C(60000000000)
#define POST_ALERTS_MAX 500 /* of one request */

static void alert_release(struct seen_alert *a)
{
	free(a->job);
	free(a->monitor);
	free(a->segment);
	free(a->column);
	free(a->test);
}

void alerts_release(struct alerts *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		alert_release(&a->items[i]);
	free(a->items);
	*a = (struct alerts){0};
}

static struct seen_alert *alert_of(struct alerts *a, const struct alert_record *r)
{
	struct buf b = {0};
	drift_segment_json(r->segment, r->nsegment, &b);
	for (uint32_t i = 0; i < a->n; i++) {
		struct seen_alert *x = &a->items[i];
		if (!strcmp(x->job, r->job) && !strcmp(x->monitor, r->monitor) &&
		        !strcmp(x->column, r->column) && !strcmp(x->test, r->test) &&
		        !strcmp(x->segment, buf_cstr(&b))) {
			buf_release(&b);
			return x;
		}
	}
	if (a->n == WATCH_ALERTS_MAX) {
		buf_release(&b);
		return NULL;
	}
	a->items = xrealloc(a->items, (a->n + 1) * sizeof *a->items);
	struct seen_alert *x = &a->items[a->n++];
	*x = (struct seen_alert){.job = xstrdup(r->job),
	        .monitor = xstrdup(r->monitor),
	        .column = xstrdup(r->column),
	        .test = xstrdup(r->test),
	        .segment = xstrdup(buf_cstr(&b))};
	buf_release(&b);
	return x;
}

/* What resolved long before the node read it is nobody's news. */
void alerts_record(struct alerts *a, const struct alert_record *r, int64_t now_ms)
{
	struct seen_alert *x = alert_of(a, r);
	if (!x)
		return;
	bool news = x->firing || r->firing;
	x->firing = r->firing;
	x->since = r->since;
	x->window_start = r->window_start;
	x->window_end = r->window_end;
	x->value = r->value;
	x->threshold = r->threshold;
	x->windows = r->windows;
	x->changed_ms = now_ms;
	x->next_ns = 0;
	x->delivered = !news;
}

uint32_t alerts_firing(const struct alerts *a, const char *job)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < a->n; i++)
		n += a->items[i].firing && !strcmp(a->items[i].job, job);
	return n;
}

static void number_json(struct buf *out, double x)
{
	if (isfinite(x))
		buf_num(out, x);
	else
		buf_str(out, "null");
}

void alerts_json(const struct alerts *a, const char *job, struct buf *out)
{
	bool first = true;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct seen_alert *x = &a->items[i];
		if (strcmp(x->job, job))
			continue;
		buf_str(out, first ? "{\"monitor\":" : ",{\"monitor\":");
		first = false;
		buf_json(out, slice_of(x->monitor));
		buf_printf(out, ",\"segment\":%s,\"column\":", x->segment);
		buf_json(out, slice_of(x->column));
		buf_str(out, ",\"test\":");
		buf_json(out, slice_of(x->test));
		buf_printf(out,
		        ",\"state\":\"%s\",\"since\":%lld,\"window_end\":%lld,\"value\":",
		        x->firing ? "firing" : "resolved", (long long)x->since,
		        (long long)x->window_end);
		number_json(out, x->value);
		buf_str(out, ",\"threshold\":");
		number_json(out, x->threshold);
		buf_printf(out, ",\"windows\":%d}", (int)x->windows);
	}
}

/* -- Alertmanager -- */

static void time_json(struct buf *out, const char *name, int64_t ms)
{
	char text[CIVIL_TEXT_MAX];
	size_t n = civil_format_time(text, ms * 1000, 3);
	buf_printf(out, ",\"%s\":\"%.*s\"", name, (int)n, text);
}

static void label_json(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json(out, slice_of(value));
}

static void alert_json(const struct seen_alert *x, const char *http, struct buf *out)
{
	char number[2][40];
	struct buf text = {0};
	snprintf(number[0], sizeof number[0], "%.4g", x->value);
	snprintf(number[1], sizeof number[1], "%.4g", x->threshold);
	buf_str(out, "{\"labels\":{\"alertname\":\"WeirDrift\"");
	label_json(out, "job", x->job);
	label_json(out, "monitor", x->monitor);
	label_json(out, "column", x->column);
	label_json(out, "test", x->test);
	label_json(out, "segment", x->segment);
	buf_str(out, "},\"annotations\":{\"summary\":");
	buf_printf(&text, "%s of %s in monitor %s of job %s is %s, its threshold %s", x->test,
	        x->column, x->monitor, x->job, number[0], number[1]);
	buf_json(out, buf_view(&text));
	label_json(out, "value", number[0]);
	label_json(out, "threshold", number[1]);
	buf_byte(out, '}');
	time_json(out, "startsAt", x->since);
	if (!x->firing)
		time_json(out, "endsAt", x->changed_ms);
	text.len = 0;
	buf_printf(&text, "http://%s/", http);
	if (*http)
		label_json(out, "generatorURL", buf_cstr(&text));
	buf_byte(out, '}');
	buf_release(&text);
}

static bool is_due(const struct seen_alert *x, int64_t now_ns, int64_t now_ms)
{
	if (!x->mine)
		return false;
	if (x->firing)
		return now_ns >= x->next_ns;
	return !x->delivered && now_ms - x->changed_ms < WATCH_RESOLVED_MS;
}

bool alerts_due(struct alerts *a, const char *http, int64_t now_ns, int64_t now_ms,
        struct buf *out, uint32_t **marks, uint32_t *n)
{
	*n = 0;
	if (now_ns < a->retry_ns)
		return false;
	*marks = xcalloc(POST_ALERTS_MAX, sizeof **marks);
	buf_byte(out, '[');
	for (uint32_t i = 0; i < a->n && *n < POST_ALERTS_MAX; i++) {
		if (!is_due(&a->items[i], now_ns, now_ms))
			continue;
		if (*n)
			buf_byte(out, ',');
		alert_json(&a->items[i], http, out);
		(*marks)[(*n)++] = i;
	}
	buf_byte(out, ']');
	if (*n)
		return true;
	free(*marks);
	return false;
}

void alerts_posted(struct alerts *a, const uint32_t *marks, uint32_t n, bool ok, int64_t now_ns)
{
	if (!ok) {
		int64_t pause = RETRY_FIRST_NS << (a->failed < 6 ? a->failed : 6);
		a->retry_ns = now_ns + (pause < RETRY_MAX_NS ? pause : RETRY_MAX_NS);
		a->failed++;
		a->failures++;
		return;
	}
	a->failed = 0;
	a->posts++;
	for (uint32_t i = 0; i < n; i++) {
		a->items[marks[i]].delivered = true;
		a->items[marks[i]].next_ns = now_ns + WATCH_REPEAT_MS * INT64_C(1000000);
	}
}
