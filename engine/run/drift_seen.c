// SPDX-License-Identifier: Apache-2.0
//
// Newest windows of a job's monitors, as JSON for people and as metrics.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/drift_watch_inside.h"

static void series_free(struct seen_series *s)
{
	for (uint32_t i = 0; i < s->ntests; i++)
		free(s->tests[i]);
	free(s->monitor);
	free(s->segment);
	free(s->column);
	free(s->bins);
	free(s);
}

void seen_job_free(struct seen_job *j)
{
	for (uint32_t i = 0; i < j->nseries; i++)
		series_free(j->series[i]);
	free(j->series);
	free(j->name);
	free(j);
}

static char *text_of(struct buf *b)
{
	char *s = xstrdup(buf_cstr(b));
	b->len = 0;
	return s;
}

static struct seen_series *series_of(struct seen_job *j, const struct drift_record *r)
{
	struct buf b = {0};
	drift_segment_json(r->segment, r->nsegment, &b);
	char *segment = text_of(&b);
	buf_release(&b);
	for (uint32_t i = 0; i < j->nseries; i++) {
		struct seen_series *s = j->series[i];
		if (strcmp(s->monitor, r->monitor) || strcmp(s->column, r->column) ||
		        strcmp(s->segment, segment))
			continue;
		free(segment);
		return s;
	}
	if (j->nseries == WATCH_SERIES_MAX) {
		free(segment);
		j->refused++;
		return NULL;
	}
	struct seen_series *s = xcalloc(1, sizeof *s);
	*s = (struct seen_series){.monitor = xstrdup(r->monitor),
	        .segment = segment,
	        .column = xstrdup(r->column)};
	j->series = xrealloc(j->series, (j->nseries + 1) * sizeof *j->series);
	return j->series[j->nseries++] = s;
}

/* Other tests than before, or other thresholds: what was measured before is not shown. */
static void tests_set(struct seen_series *s, const struct drift_record *r)
{
	bool same = s->ntests == r->ntests;
	for (uint32_t i = 0; same && i < r->ntests; i++)
		same = !strcmp(s->tests[i], r->tests[i].test);
	for (uint32_t i = 0; same && i < r->ntests; i++)
		s->thresholds[i] = r->tests[i].threshold;
	if (same)
		return;
	for (uint32_t i = 0; i < s->ntests; i++)
		free(s->tests[i]);
	s->n = s->ntests = 0;
	for (uint32_t i = 0; i < r->ntests && i < DRIFT_TESTS; i++) {
		s->tests[i] = xstrdup(r->tests[i].test);
		s->thresholds[i] = r->tests[i].threshold;
		s->ntests++;
	}
}

/* The window's place; NULL: it is older than what is kept. */
static struct seen_point *point_of(struct seen_series *s, int64_t window)
{
	uint32_t at = s->n;
	while (at && s->points[at - 1].window_start > window)
		at--;
	if (at && s->points[at - 1].window_start == window)
		return &s->points[at - 1];
	if (s->n == WATCH_POINTS_MAX) {
		if (!at)
			return NULL;
		memmove(s->points, s->points + 1, --at * sizeof *s->points);
		return &s->points[at];
	}
	memmove(s->points + at + 1, s->points + at, (s->n++ - at) * sizeof *s->points);
	return &s->points[at];
}

static void bins_json(const struct drift_record *r, struct buf *out)
{
	buf_byte(out, '[');
	for (uint32_t i = 0; i < r->nbins; i++) {
		buf_str(out, i ? ",[" : "[");
		buf_json(out, slice_of(r->bins[i].label));
		buf_byte(out, ',');
		buf_num(out, r->bins[i].reference);
		buf_byte(out, ',');
		buf_num(out, r->bins[i].current);
		buf_byte(out, ']');
	}
	buf_byte(out, ']');
}

void seen_record(struct seen_job *j, const struct drift_record *r)
{
	struct seen_series *s = series_of(j, r);
	if (!s)
		return;
	tests_set(s, r);
	struct seen_point *p = point_of(s, r->window_start);
	if (!p)
		return;
	*p = (struct seen_point){.window_start = r->window_start,
	        .window_end = r->window_end,
	        .rows = r->rows,
	        .nulls = r->nulls};
	for (uint32_t i = 0; i < s->ntests; i++) {
		p->values[i] = r->tests[i].value;
		p->breached |= (uint32_t)r->tests[i].breached << i;
	}
	if (p != &s->points[s->n - 1])
		return;
	struct buf b = {0};
	bins_json(r, &b);
	free(s->bins);
	s->bins = text_of(&b);
	buf_release(&b);
	s->reference_rows = r->reference_rows;
}

uint32_t seen_breached(const struct seen_job *j)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < j->nseries; i++)
		if (j->series[i]->n)
			n += (uint32_t)__builtin_popcount(
			        j->series[i]->points[j->series[i]->n - 1].breached);
	return n;
}

static void number_json(struct buf *out, double x)
{
	if (isfinite(x))
		buf_num(out, x);
	else
		buf_str(out, "null");
}

static void points_json(const struct seen_series *s, struct buf *out)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct seen_point *p = &s->points[i];
		buf_printf(out,
		        "%s{\"window_start\":%lld,\"window_end\":%lld,\"rows\":%lld,"
		        "\"nulls\":%lld,\"values\":[",
		        i ? "," : "", (long long)p->window_start, (long long)p->window_end,
		        (long long)p->rows, (long long)p->nulls);
		for (uint32_t k = 0; k < s->ntests; k++) {
			if (k)
				buf_byte(out, ',');
			number_json(out, p->values[k]);
		}
		buf_str(out, "],\"breached\":[");
		for (uint32_t k = 0; k < s->ntests; k++)
			buf_printf(out, "%s%s", k ? "," : "",
			        p->breached >> k & 1 ? "true" : "false");
		buf_str(out, "]}");
	}
}

void seen_json(const struct seen_job *j, struct buf *out)
{
	for (uint32_t i = 0; i < j->nseries; i++) {
		const struct seen_series *s = j->series[i];
		buf_str(out, i ? ",{\"monitor\":" : "{\"monitor\":");
		buf_json(out, slice_of(s->monitor));
		buf_printf(out, ",\"segment\":%s,\"column\":", s->segment);
		buf_json(out, slice_of(s->column));
		buf_printf(out, ",\"reference_rows\":%lld,\"tests\":[",
		        (long long)s->reference_rows);
		for (uint32_t k = 0; k < s->ntests; k++) {
			buf_str(out, k ? ",{\"test\":" : "{\"test\":");
			buf_json(out, slice_of(s->tests[k]));
			buf_str(out, ",\"threshold\":");
			number_json(out, s->thresholds[k]);
			buf_byte(out, '}');
		}
		buf_str(out, "],\"windows\":[");
		points_json(s, out);
		buf_printf(out, "],\"bins\":%s}", s->bins ? s->bins : "[]");
	}
}

/* -- metrics: of all segments of a monitor together -- */

static bool is_first(const struct seen_job *j, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (!strcmp(j->series[k]->monitor, j->series[i]->monitor))
			return false;
	return true;
}

static void monitor_metrics(const struct seen_job *j, const char *monitor, struct metrics *m)
{
	struct metric_labels l = {.job = j->name, .monitor = monitor};
	int64_t newest = INT64_MIN;
	double breached = 0, rows = 0;
	for (uint32_t i = 0; i < j->nseries; i++) {
		const struct seen_series *s = j->series[i];
		if (strcmp(s->monitor, monitor) || !s->n)
			continue;
		const struct seen_point *p = &s->points[s->n - 1];
		newest = p->window_end > newest ? p->window_end : newest;
		breached += __builtin_popcount(p->breached);
	}
	for (uint32_t i = 0; i < j->nseries; i++) {
		const struct seen_series *s = j->series[i];
		if (!strcmp(s->monitor, monitor) && s->n &&
		        s->points[s->n - 1].window_end == newest &&
		        (double)s->points[s->n - 1].rows > rows)
			rows = (double)s->points[s->n - 1].rows;
	}
	if (newest == INT64_MIN)
		return;
	metric_set(metrics_get(m, METRIC_DRIFT_WINDOW, l), (double)newest / 1000);
	metric_set(metrics_get(m, METRIC_DRIFT_BREACHED, l), breached);
	metric_set(metrics_get(m, METRIC_DRIFT_ROWS, l), rows);
}

/* The largest of the segments. */
static void value_metric(
        const struct seen_job *j, const struct seen_series *s, uint32_t test, struct metrics *m)
{
	double worst = NAN;
	for (uint32_t i = 0; i < j->nseries; i++) {
		const struct seen_series *o = j->series[i];
		if (strcmp(o->monitor, s->monitor) || strcmp(o->column, s->column) || !o->n)
			continue;
		for (uint32_t k = 0; k < o->ntests; k++)
			if (!strcmp(o->tests[k], s->tests[test]))
				worst = fmax(worst, o->points[o->n - 1].values[k]);
	}
	if (!isnan(worst))
		metric_set(metrics_get(m, METRIC_DRIFT_VALUE,
		                   (struct metric_labels){.job = j->name,
		                           .monitor = s->monitor,
		                           .column = s->column,
		                           .test = s->tests[test]}),
		        worst);
}

void seen_metrics(const struct seen_job *j, struct metrics *m)
{
	for (uint32_t i = 0; i < j->nseries; i++) {
		if (is_first(j, i))
			monitor_metrics(j, j->series[i]->monitor, m);
		for (uint32_t k = 0; k < j->series[i]->ntests; k++)
			value_metric(j, j->series[i], k, m);
	}
}
