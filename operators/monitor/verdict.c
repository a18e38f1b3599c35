// SPDX-License-Identifier: Apache-2.0
//
// Measuring a window, and its drift record.
// Not here: when a window is over (merge.c), runs of windows (alerts.c), formulas
// (data/drift/tests.c).
#include "operators/monitor/verdict_inside.h"

#include <math.h>

#include "data/avro.h"
#include "operators/monitor/segment.h"
#include "operators/monitor/skew.h"

#define CATEGORIES_SHOWN 20

void verdicts_init(struct verdicts *vs, const struct op_conf *conf)
{
	*vs = (struct verdicts){
	        .conf = conf, .m = &conf->plan->job->monitors[conf->step->monitor]};
}

void verdicts_release(struct verdicts *vs)
{
	buf_release(&vs->key);
	buf_release(&vs->value);
	buf_release(&vs->row);
}

static bool is_for(enum drift_test t, const struct drift_pair *pair)
{
	if (pair->skew)
		return drift_tests[t].skew;
	return pair->base ? drift_test_for(t, pair->base->kind) : drift_tests[t].errors;
}

void verdict_measure(const struct monitor *m, const struct drift_pair *pair, uint64_t rows,
        struct verdict *v)
{
	for (uint32_t i = 0; i < m->ntests; i++) {
		const struct monitor_test *t = &m->tests[i];
		if (!is_for(t->test, pair))
			continue;
		struct verdict_test *out = &v->tests[v->ntests++];
		*out = (struct verdict_test){
		        .test = t->test, .threshold = t->threshold, .v = {NAN, NAN}};
		/* How many rows there are is the one thing that few rows say. */
		if (rows < m->min_rows && t->test != TEST_ROWS)
			continue;
		drift_measure(pair, m->mode, t->test, &out->v);
		out->breached = drift_breached(t->test, m->mode, &out->v, t->threshold);
	}
}

/* -- histograms, for people -- */

static void bin_add(struct verdict *v, const char *label, double reference, double current)
{
	if (v->nbins < VERDICT_BINS_MAX)
		v->bins[v->nbins++] = (struct verdict_bin){label, reference, current};
}

static double share(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

/* The reference's equal-width bins, joined by neighbours until they are few enough; what lies
 * outside of them on either side. */
static void number_bins(const struct drift_pair *pair, struct verdict *v, struct arena *a)
{
	const struct baseline_column *base = pair->base;
	uint64_t nref = base->moments.n, nnow = pair->now->moments.n, inside = 0;
	uint32_t join = (base->nwidth + VERDICT_BINS_MAX - 3) / (VERDICT_BINS_MAX - 2);
	double width =
	        base->nwidth ? (base->moments.max - base->moments.min) / base->nwidth : 0;
	uint64_t below = base->ngrid ? pair->now->cells[0] : 0;
	bin_add(v, arena_printf(a, "< %.6g", base->moments.min), 0, share(below, nnow));
	for (uint32_t i = 0; i < base->nwidth; i += join) {
		uint64_t r = 0, n = 0;
		for (uint32_t k = i; k < i + join && k < base->nwidth; k++) {
			r += base->width[k];
			n += pair->now->width[k];
		}
		inside += n;
		bin_add(v, arena_printf(a, "%.6g", base->moments.min + i * width),
		        share(r, nref), share(n, nnow));
	}
	uint64_t above = nnow > inside + below ? nnow - inside - below : 0;
	bin_add(v, arena_printf(a, "> %.6g", base->moments.max), 0, share(above, nnow));
}

static uint64_t categories_sum(const struct baseline_column *base, const uint64_t *counts)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < base->ncategories; i++)
		n += counts ? counts[i] : base->categories[i].count;
	return n;
}

/* Those of the reference that are commonest there; the rest as one. */
static void category_bins(const struct drift_pair *pair, struct verdict *v, struct arena *a)
{
	const struct baseline_column *base = pair->base;
	uint64_t fresh = pair->now->other, rest_ref = base->other, rest_now = 0;
	for (uint32_t i = 0; i < pair->now->nfresh; i++)
		fresh += pair->now->fresh[i].count;
	uint64_t nref = categories_sum(base, NULL) + base->other;
	uint64_t nnow = categories_sum(base, pair->now->counts) + fresh;
	for (uint32_t i = 0; i < base->ncategories; i++) {
		uint32_t above = 0;
		for (uint32_t k = 0; k < base->ncategories && above < CATEGORIES_SHOWN; k++)
			above += base->categories[k].count > base->categories[i].count ||
			         (base->categories[k].count == base->categories[i].count &&
			                 k < i);
		if (above < CATEGORIES_SHOWN) {
			struct slice s = base->categories[i].value;
			bin_add(v, arena_strndup(a, (const char *)s.p, s.len),
			        share(base->categories[i].count, nref),
			        share(pair->now->counts[i], nnow));
			continue;
		}
		rest_ref += base->categories[i].count;
		rest_now += pair->now->counts[i];
	}
	if (rest_ref || rest_now)
		bin_add(v, "(other)", share(rest_ref, nref), share(rest_now, nnow));
	if (fresh)
		bin_add(v, "(new)", 0, share(fresh, nnow));
}

/* Mean label beside mean score, by score: what a calibrated model has equal. */
static void error_bins(const struct drift_pair *pair, struct verdict *v, struct arena *a)
{
	for (uint32_t i = 0; i < ERRORS_BINS; i++) {
		const struct errors_bin *b = &pair->errors_now->bins[i];
		if (b->n)
			bin_add(v, arena_printf(a, "%.1f", (double)i / ERRORS_BINS),
			        b->score / (double)b->n, b->label / (double)b->n);
	}
}

void verdict_bins(const struct drift_pair *pair, struct verdict *v, struct arena *a)
{
	if (!pair->base)
		error_bins(pair, v, a);
	else if (pair->base->kind == DRIFT_NUMBER)
		number_bins(pair, v, a);
	else
		category_bins(pair, v, a);
}

/* -- the record -- */

const char *verdict_column(const struct monitor *m, const struct source *s, uint32_t column)
{
	return column < m->ncolumns ? s->schema->fields[m->columns[column]].name
	                            : ERRORS_COLUMN;
}

void verdict_segment(const struct monitor *m, const struct source *s, struct slice segment,
        struct buf *out, struct arena *a)
{
	const char **values = segment_values(m, segment, a);
	if (m->nby)
		buf_varint(out, m->nby);
	for (uint32_t i = 0; i < m->nby; i++) {
		buf_bytes(out, slice_of(s->schema->fields[m->by[i]].name));
		buf_varint(out, values[i] ? 1 : 0);
		if (values[i])
			buf_bytes(out, slice_of(values[i]));
	}
	buf_varint(out, 0);
}

static void optional_write(struct buf *out, double x)
{
	buf_varint(out, isfinite(x) ? 1 : 0);
	if (isfinite(x))
		buf_double(out, x);
}

static void tests_write(const struct verdict *v, struct buf *out)
{
	if (v->ntests)
		buf_varint(out, v->ntests);
	for (uint32_t i = 0; i < v->ntests; i++) {
		const struct verdict_test *t = &v->tests[i];
		buf_bytes(out, slice_of(drift_tests[t->test].name));
		optional_write(out, t->v.value);
		optional_write(out, t->v.p_value);
		buf_double(out, t->threshold);
		buf_byte(out, t->breached);
	}
	buf_varint(out, 0);
}

static void bins_write(const struct verdict *v, struct buf *out)
{
	if (v->nbins)
		buf_varint(out, v->nbins);
	for (uint32_t i = 0; i < v->nbins; i++) {
		buf_bytes(out, slice_of(v->bins[i].label));
		buf_double(out, v->bins[i].reference);
		buf_double(out, v->bins[i].current);
	}
	buf_varint(out, 0);
}

static void optional_text(struct buf *out, const char *s, bool null)
{
	buf_varint(out, !null);
	if (!null)
		buf_bytes(out, slice_of(s));
}

static void examples_write(const struct skew_column *c, struct buf *out)
{
	if (c && c->nexamples)
		buf_varint(out, (int64_t)c->nexamples);
	for (uint64_t i = 0; c && i < c->nexamples; i++) {
		const struct skew_example *x = &c->examples[i];
		buf_bytes(out, slice_of(x->entity));
		buf_varint(out, x->time);
		optional_text(out, x->served, x->served_null);
		optional_text(out, x->computed, x->computed_null);
	}
	buf_varint(out, 0);
}

void verdict_frame(struct buf *out, uint32_t id, const struct schema *s)
{
	if (id)
		avro_frame_registry(out, id);
	else
		avro_frame_single_object(out, s->fingerprint);
}

enum status verdict_record(
        struct verdicts *vs, const struct verdict *v, struct arena *a, struct error *e)
{
	const struct op_conf *c = vs->conf;
	const struct monitor *m = vs->m;
	const struct source *s = &c->plan->job->sources[m->source];
	const char *column = verdict_column(m, s, v->column);
	vs->key.len = vs->value.len = 0;
	buf_printf(&vs->key, "%s|", m->name);
	buf_slice(&vs->key, v->segment);
	buf_printf(&vs->key, "|%s|%lld", column, (long long)v->window);
	struct buf *out = &vs->value;
	verdict_frame(out, c->schema_id, c->plan->drift_schema);
	buf_bytes(out, slice_of(m->name));
	verdict_segment(m, s, v->segment, out, a);
	buf_bytes(out, slice_of(column));
	buf_varint(out, v->window);
	buf_varint(out, v->window + m->window_ms);
	buf_varint(out, (int64_t)v->rows);
	buf_varint(out, (int64_t)v->nulls);
	buf_varint(out, (int64_t)v->reference_rows);
	tests_write(v, out);
	bins_write(v, out);
	examples_write(v->skew, out);
	for (uint32_t i = 0; i < v->ntests; i++)
		vs->breached += v->tests[i].breached;
	struct slice value = buf_view(out);
	return c->output.append(c->output.arg, c->topic, 0, buf_view(&vs->key), &value, e);
}
