// SPDX-License-Identifier: Apache-2.0
//
// The registry of metric series and its Prometheus text.
//
// Series of a family are kept sorted by their label text, so that a look-up is a binary search
// and the text comes out in the same order every time. The lock guards the lists, never a
// value: values are relaxed atomics, so a reader may see one update of a moment before another.
//
// It does not push, keep history or aggregate: Prometheus does.
#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/error.h"

struct metric {
	const struct metric_family *family;
	char *labels;     /* 'job="flights",task="a:0"'; "" without labels */
	char *job, *task; /* for removal; NULL when not a label */
	/* counter: [0]; gauge: [0], a double's bits; histogram: [0] the sum, [1 + i] bucket i
	 */
	_Atomic uint64_t v[];
};

struct family_series {
	struct metric **items;
	uint32_t n, cap;
};

struct metrics {
	pthread_mutex_t lock;
	struct family_series families[METRIC_COUNT];
	struct metric *hidden[METRIC_COUNT]; /* what is handed out beyond the limit */
	uint32_t nseries;
	uint64_t refused;
};

static const char *const label_names[LABEL_COUNT] = {
        "job", "view", "task", "reason", "version", "monitor", "column", "test"};

static uint32_t family_slots(const struct metric_family *f)
{
	return f->kind == METRIC_HISTOGRAM ? f->nbounds + 2 : 1;
}

static double family_per_unit(const struct metric_family *f)
{
	return f->per_unit > 0 ? f->per_unit : 1;
}

static void label_escape(struct buf *out, const char *s)
{
	for (uint32_t i = 0; s[i] && i < METRICS_LABEL_BYTES_MAX; i++) {
		if (s[i] == '\\' || s[i] == '"')
			buf_byte(out, '\\');
		if (s[i] == '\n')
			buf_str(out, "\\n");
		else
			buf_byte(out, (uint8_t)s[i]);
	}
}

static void labels_text(
        const struct metric_family *f, const struct metric_labels *l, struct buf *out)
{
	const char *values[LABEL_COUNT] = {l->job, l->view, l->task, l->reason,
	        l->version, l->monitor, l->column, l->test};
	for (uint32_t i = 0; i < LABEL_COUNT; i++) {
		INVARIANT(!(f->labels >> i & 1) == !values[i]);
		if (!values[i])
			continue;
		buf_printf(out, "%s%s=\"", out->len ? "," : "", label_names[i]);
		label_escape(out, values[i]);
		buf_byte(out, '"');
	}
}

static struct metric *series_new(
        const struct metric_family *f, const char *labels, const struct metric_labels *l)
{
	struct metric *s = xcalloc(1, sizeof *s + family_slots(f) * sizeof(_Atomic uint64_t));
	s->family = f;
	s->labels = xstrdup(labels);
	s->job = l->job ? xstrdup(l->job) : NULL;
	s->task = l->task ? xstrdup(l->task) : NULL;
	return s;
}

static void series_free(struct metric *s)
{
	if (!s)
		return;
	free(s->labels);
	free(s->job);
	free(s->task);
	free(s);
}

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof *m);
	pthread_mutex_init(&m->lock, NULL);
	for (uint32_t id = 0; id < METRIC_COUNT; id++)
		m->hidden[id] =
		        series_new(&metric_families[id], "", &(struct metric_labels){0});
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (uint32_t id = 0; id < METRIC_COUNT; id++) {
		for (uint32_t i = 0; i < m->families[id].n; i++)
			series_free(m->families[id].items[i]);
		free(m->families[id].items);
		series_free(m->hidden[id]);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Where labels are, or would be put. */
static uint32_t family_find(const struct family_series *f, const char *labels, bool *found)
{
	uint32_t lo = 0, hi = f->n;
	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = strcmp(f->items[mid]->labels, labels);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void family_insert(struct family_series *f, uint32_t at, struct metric *s)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 8;
		f->items = xrealloc(f->items, f->cap * sizeof *f->items);
	}
	memmove(f->items + at + 1, f->items + at, (f->n - at) * sizeof *f->items);
	f->items[at] = s;
	f->n++;
}

struct metric *metrics_get(struct metrics *m, enum metric_id id, struct metric_labels labels)
{
	INVARIANT(id < METRIC_COUNT);
	const struct metric_family *f = &metric_families[id];
	struct buf text;
	buf_init(&text);
	labels_text(f, &labels, &text);
	pthread_mutex_lock(&m->lock);
	bool found;
	uint32_t at = family_find(&m->families[id], buf_cstr(&text), &found);
	struct metric *s;
	if (found) {
		s = m->families[id].items[at];
	} else if (m->nseries == METRICS_SERIES_MAX) {
		s = m->hidden[id];
		m->refused++;
	} else {
		s = series_new(f, buf_cstr(&text), &labels);
		family_insert(&m->families[id], at, s);
		m->nseries++;
	}
	pthread_mutex_unlock(&m->lock);
	buf_release(&text);
	return s;
}

static bool series_is(const struct metric *s, const char *job, const char *task)
{
	return s->job && strcmp(s->job, job) == 0 &&
	       (!task || (s->task && strcmp(s->task, task) == 0));
}

static void series_remove(struct metrics *m, const char *job, const char *task)
{
	pthread_mutex_lock(&m->lock);
	for (uint32_t id = 0; id < METRIC_COUNT; id++) {
		struct family_series *f = &m->families[id];
		uint32_t kept = 0;
		for (uint32_t i = 0; i < f->n; i++) {
			if (series_is(f->items[i], job, task))
				series_free(f->items[i]);
			else
				f->items[kept++] = f->items[i];
		}
		m->nseries -= f->n - kept;
		f->n = kept;
	}
	pthread_mutex_unlock(&m->lock);
}

void metrics_remove_job(struct metrics *m, const char *job)
{
	series_remove(m, job, NULL);
}

void metrics_remove_task(struct metrics *m, const char *job, const char *task)
{
	series_remove(m, job, task);
}

void metric_add(struct metric *s, uint64_t n)
{
	INVARIANT(s->family->kind == METRIC_COUNTER);
	atomic_fetch_add_explicit(&s->v[0], n, memory_order_relaxed);
}

void metric_set(struct metric *s, double v)
{
	INVARIANT(s->family->kind == METRIC_GAUGE);
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	atomic_store_explicit(&s->v[0], bits, memory_order_relaxed);
}

void metric_observe(struct metric *s, uint64_t n)
{
	const struct metric_family *f = s->family;
	INVARIANT(f->kind == METRIC_HISTOGRAM);
	double shown = (double)n / family_per_unit(f);
	uint32_t i = 0;
	while (i < f->nbounds && shown > f->bounds[i])
		i++;
	atomic_fetch_add_explicit(&s->v[0], n, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->v[1 + i], 1, memory_order_relaxed);
}

static uint64_t slot(const struct metric *s, uint32_t i)
{
	return atomic_load_explicit(&s->v[i], memory_order_relaxed);
}

double metric_value(const struct metric *s)
{
	const struct metric_family *f = s->family;
	uint64_t raw = slot(s, 0);
	if (f->kind == METRIC_COUNTER)
		return (double)raw / family_per_unit(f);
	if (f->kind == METRIC_GAUGE) {
		double v;
		memcpy(&v, &raw, sizeof v);
		return v;
	}
	uint64_t n = 0;
	for (uint32_t i = 0; i <= f->nbounds; i++)
		n += slot(s, 1 + i);
	return (double)n;
}

static void number_text(struct buf *out, double v)
{
	if (isnan(v))
		buf_str(out, "NaN");
	else if (isinf(v))
		buf_str(out, v > 0 ? "+Inf" : "-Inf");
	else
		buf_num(out, v);
}

static void sample_text(
        struct buf *out, const char *name, const char *suffix, const char *labels, double v)
{
	buf_str(out, name);
	buf_str(out, suffix);
	if (*labels) {
		buf_byte(out, '{');
		buf_str(out, labels);
		buf_byte(out, '}');
	}
	buf_byte(out, ' ');
	number_text(out, v);
	buf_byte(out, '\n');
}

static void histogram_text(struct buf *out, const struct metric *s)
{
	const struct metric_family *f = s->family;
	struct buf labels;
	buf_init(&labels);
	uint64_t n = 0;
	for (uint32_t i = 0; i <= f->nbounds; i++) {
		n += slot(s, 1 + i);
		labels.len = 0;
		buf_printf(&labels, "%s%sle=\"", s->labels, *s->labels ? "," : "");
		number_text(&labels, i < f->nbounds ? f->bounds[i] : INFINITY);
		buf_byte(&labels, '"');
		sample_text(out, f->name, "_bucket", buf_cstr(&labels), (double)n);
	}
	sample_text(out, f->name, "_sum", s->labels, (double)slot(s, 0) / family_per_unit(f));
	sample_text(out, f->name, "_count", s->labels, (double)n);
	buf_release(&labels);
}

static const char *kind_name(enum metric_kind kind)
{
	return kind == METRIC_COUNTER ? "counter"
	       : kind == METRIC_GAUGE ? "gauge"
	                              : "histogram";
}

static void family_head(struct buf *out, const struct metric_family *f)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
	        kind_name(f->kind));
}

static void family_text(struct buf *out, const struct family_series *f)
{
	if (!f->n)
		return;
	family_head(out, f->items[0]->family);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct metric *s = f->items[i];
		if (s->family->kind == METRIC_HISTOGRAM)
			histogram_text(out, s);
		else
			sample_text(out, s->family->name, "", s->labels, metric_value(s));
	}
}

/* The registry's own two metrics are its fields, not series. */
static void own_text(struct buf *out, enum metric_id id, double v)
{
	family_head(out, &metric_families[id]);
	sample_text(out, metric_families[id].name, "", "", v);
}

void metrics_text(struct metrics *m, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	for (uint32_t id = 0; id < METRIC_COUNT; id++) {
		if (id == METRIC_SERIES)
			own_text(out, id, m->nseries);
		else if (id == METRIC_SERIES_REFUSED)
			own_text(out, id, (double)m->refused);
		else
			family_text(out, &m->families[id]);
	}
	pthread_mutex_unlock(&m->lock);
}

static void reference_row(struct buf *out, const struct metric_family *f)
{
	buf_printf(out, "| `%s` | %s | ", f->name, kind_name(f->kind));
	bool first = true;
	for (uint32_t i = 0; i < LABEL_COUNT; i++) {
		if (!(f->labels >> i & 1))
			continue;
		buf_printf(out, "%s%s", first ? "" : ", ", label_names[i]);
		first = false;
	}
	buf_printf(out, " | %s | %s |\n", f->unit, f->help);
}

void metrics_reference(struct buf *out)
{
	buf_str(out, "# Metrics\n\n"
	             "<!-- Generated from engine/base/metrics_table.c; a test compares. -->\n\n"
	             "`GET /metrics` answers in Prometheus' text format. Units are base units; "
	             "times are "
	             "seconds since the\nepoch. Labels are the job, the view, the task "
	             "(`<stage>:<partition>`), a reason out of a fixed list, the\nmonitor with "
	             "its column and test, and the version; never an entity. A series appears when it is first used and goes with its job or "
	             "task.\n\n"
	             "| Name | Kind | Labels | Unit | Meaning |\n|---|---|---|---|---|\n");
	for (uint32_t id = 0; id < METRIC_COUNT; id++)
		reference_row(out, &metric_families[id]);
}
