// SPDX-License-Identifier: Apache-2.0
//
// Runs of a segment's windows, in one row of the step's state: an alert fires with the
// sustain-th breaching window in a row and resolves with the sustain-th quiet one. Only these
// two are said. A window whose value is not defined (too few rows, all nulls) is passed over.
#include <math.h>

#include "data/avro.h"
#include "operators/monitor/verdict_inside.h"

struct run {
	uint32_t column, test;
	uint32_t breaching, quiet; /* windows in a row; one of them is 0 */
	int64_t since; /* start of the run's first window; while firing: of the alert */
	uint64_t firing;
};

struct runs_row {
	struct row_head head;
	uint64_t n;
	struct run runs[];
};

static struct run *run_at(struct heap *h, uint32_t column, uint32_t test)
{
	struct runs_row *r = (struct runs_row *)h->base;
	for (uint64_t i = 0; i < r->n; i++)
		if (r->runs[i].column == column && r->runs[i].test == test)
			return &r->runs[i];
	uint32_t len = (uint32_t)(sizeof *r + (r->n + 1) * sizeof r->runs[0]);
	if (h->cap < len) {
		h->base = xrealloc(h->base, len);
		h->cap = len;
		r = (struct runs_row *)h->base;
	}
	h->len = len;
	r->runs[r->n] = (struct run){.column = column, .test = test};
	return &r->runs[r->n++];
}

static double measured(const struct verdict_test *t)
{
	bool p = t->test == TEST_KS_P || t->test == TEST_CHI2_P;
	return p && isfinite(t->v.p_value) ? t->v.p_value : t->v.value;
}

static enum status alert_send(struct verdicts *vs, const struct verdict *v,
        const struct verdict_test *t, const struct run *r, uint32_t windows, struct arena *a,
        struct error *e)
{
	const struct op_conf *c = vs->conf;
	const struct monitor *m = vs->m;
	const struct source *s = &c->plan->job->sources[m->source];
	const char *column = verdict_column(m, s, v->column), *test = drift_tests[t->test].name;
	vs->key.len = vs->value.len = 0;
	buf_printf(&vs->key, "%s|%s|", c->plan->job->name, m->name);
	buf_slice(&vs->key, v->segment);
	buf_printf(&vs->key, "|%s|%s", column, test);
	struct buf *out = &vs->value;
	verdict_frame(out, c->alert_schema_id, c->plan->alert_schema);
	buf_bytes(out, slice_of(c->plan->job->name));
	buf_bytes(out, slice_of(m->name));
	verdict_segment(m, s, v->segment, out, a);
	buf_bytes(out, slice_of(column));
	buf_bytes(out, slice_of(test));
	buf_varint(out, r->firing ? 0 : 1);
	buf_varint(out, r->since);
	buf_varint(out, v->window);
	buf_varint(out, v->window + m->window_ms);
	buf_double(out, measured(t));
	buf_double(out, t->threshold);
	buf_varint(out, windows);
	struct slice value = buf_view(out);
	return c->output.append(c->output.arg, c->alerts, 0, buf_view(&vs->key), &value, e);
}

/* Fires with the sustain-th breaching window in a row, resolves with the sustain-th quiet one.
 */
static enum status run_step(struct verdicts *vs, const struct verdict *v,
        const struct verdict_test *t, struct run *r, struct arena *a, struct error *e)
{
	if (t->breached) {
		if (!r->breaching && !r->firing)
			r->since = v->window;
		r->quiet = 0;
		r->breaching++;
	} else {
		r->breaching = 0;
		r->quiet++;
	}
	if (!r->firing && r->breaching >= vs->m->sustain)
		r->firing = 1;
	else if (r->firing && r->quiet >= vs->m->sustain)
		r->firing = 0;
	else
		return ST_OK;
	return alert_send(vs, v, t, r, t->breached ? r->breaching : r->quiet, a, e);
}

enum status verdict_alerts(
        struct verdicts *vs, const struct verdict *v, struct arena *a, struct error *e)
{
	struct entry *en;
	struct buf name = {0};
	buf_byte(&name, 'a');
	buf_slice(&name, v->segment);
	enum status st = row_resolve(vs->conf, arena_slice(a, buf_view(&name)), &en, a, e);
	buf_release(&name);
	if (st)
		return st;
	struct heap *h = NULL;
	for (uint32_t i = 0; i < v->ntests; i++) {
		const struct verdict_test *t = &v->tests[i];
		if (isnan(measured(t))) /* not defined: no window in the row of windows */
			continue;
		if (!h) {
			h = entry_write(vs->conf->table, en);
			struct runs_row fresh = {
			        .head = {ROW_FORMAT, ROW_ALERTS, STORE_NO_DUE}};
			if (!h->len)
				row_set(h, &fresh, sizeof fresh);
			entry_due_changed(vs->conf->table, en);
		}
		if (run_step(vs, v, t, run_at(h, v->column, t->test), a, e))
			return ST_ERR;
	}
	return ST_OK;
}
