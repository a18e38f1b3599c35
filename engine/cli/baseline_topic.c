// SPDX-License-Identifier: Apache-2.0
//
// The predictions of a stretch of event time, by segment; with labels, as the monitor joins
// them. All values are held until the end, within a budget; equal ones are put together whenever
// it is used up. Not here: which records of a topic the engine would take (source_scan.c).
#include "cli/baseline_topic.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "cli/baseline_labels.h"
#include "cli/source_scan.h"
#include "data/window.h"

#define ROWS_BETWEEN_COUNTS 65536 // records between two looks at the memory

struct group {
	struct buf key; // values, each behind a 1 and before a 0; a lone 0: null
	const char **values;
	struct sample *samples; // per column
	uint32_t number;        // in order of coming
};

struct reading {
	const struct baseline_topic *t;
	const struct source *s;
	struct baseline *b;
	uint32_t *by; // fields
	enum drift_kind *kinds;
	bool *wanted;
	struct baseline_ids *ids; // NULL: the monitor has no labels
	struct group **groups;
	uint32_t n, cap;
	uint32_t *slots, nslots; // number + 1
	uint64_t rows;
	struct error *e;
	bool failed;
};

// -- groups --

static void slot_put(struct reading *r, uint32_t i)
{
	const struct buf *key = &r->groups[i]->key;
	uint32_t at = (uint32_t)XXH3_64bits(key->p, key->len) & (r->nslots - 1);
	while (r->slots[at])
		at = (at + 1) & (r->nslots - 1);
	r->slots[at] = i + 1;
}

static void slots_grow(struct reading *r)
{
	free(r->slots);
	r->nslots = r->nslots ? 2 * r->nslots : 64;
	r->slots = xcalloc(r->nslots, sizeof *r->slots);
	for (uint32_t i = 0; i < r->n; i++)
		slot_put(r, i);
}

static struct group *group_new(struct reading *r, struct slice key)
{
	struct group *g = xcalloc(1, sizeof *g);
	buf_slice(&g->key, key);
	g->number = r->n;
	g->samples = xcalloc(r->b->ncolumns, sizeof *g->samples);
	for (uint32_t i = 0; i < r->b->ncolumns; i++)
		sample_init(&g->samples[i], r->kinds[i]);
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 16;
		r->groups = xrealloc(r->groups, r->cap * sizeof(struct group *));
	}
	r->groups[r->n++] = g;
	if (2 * r->n > r->nslots)
		slots_grow(r);
	else
		slot_put(r, r->n - 1);
	return g;
}

static void group_free(struct reading *r, struct group *g)
{
	for (uint32_t i = 0; i < r->b->ncolumns; i++)
		sample_release(&g->samples[i]);
	free(g->samples);
	buf_release(&g->key);
	free(g);
}

static struct group *group_find(struct reading *r, struct slice key)
{
	uint64_t h = XXH3_64bits(key.p, key.len);
	for (uint32_t at = (uint32_t)h & (r->nslots - 1); r->slots[at];
	        at = (at + 1) & (r->nslots - 1))
		if (slice_eq(buf_view(&r->groups[r->slots[at] - 1]->key), key))
			return r->groups[r->slots[at] - 1];
	return NULL;
}

static void key_of(const struct reading *r, const struct column *cols, struct buf *out)
{
	char digits[32];
	for (uint32_t i = 0; i < r->b->nby; i++) {
		const struct column *c = &cols[r->by[i]];
		struct value v = column_get(c, 0);
		if (!v.null) {
			buf_byte(out, 1);
			struct slice text = drift_category(c->type, &v, digits);
			buf_add(out, text.p, strnlen((const char *)text.p, text.len));
		}
		buf_byte(out, 0);
	}
}

static const char **values_of(const struct reading *r, const struct group *g)
{
	const char **out = arena_calloc(&r->b->arena, r->b->nby + 1, sizeof *out);
	const uint8_t *p = g->key.p;
	for (uint32_t i = 0; i < r->b->nby; i++) {
		bool there = *p == 1;
		const char *text = (const char *)p + there;
		out[i] = there ? arena_strdup(&r->b->arena, text) : NULL;
		p = (const uint8_t *)text + (there ? strlen(text) : 0) + 1;
	}
	return out;
}

// -- records --

static bool fail(struct reading *r)
{
	r->failed = true;
	return false;
}

static uint64_t samples_bytes(const struct reading *r)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < r->n; g++)
		for (uint32_t i = 0; i < r->b->ncolumns; i++)
			bytes += sample_bytes(&r->groups[g]->samples[i]);
	return bytes;
}

// A copy, as neither a sample's arrays nor its texts shrink.
static void compact(struct sample *s)
{
	struct sample small;
	sample_finish(s);
	sample_init(&small, s->kind);
	sample_add_sample(&small, s);
	sample_release(s);
	*s = small;
}

// Equal values are put together; what then does not fit is too much. Half must be free again, or
// everything would be sorted for each few records more.
static bool fits(struct reading *r)
{
	if (++r->rows % ROWS_BETWEEN_COUNTS)
		return true;
	uint64_t ids = r->ids ? baseline_ids_bytes(r->ids) : 0, budget = r->t->memory_bytes;
	uint64_t left = budget > ids ? budget - ids : 0;
	if (samples_bytes(r) <= left)
		return true;
	for (uint32_t g = 0; left && g < r->n; g++)
		for (uint32_t i = 0; i < r->b->ncolumns; i++)
			compact(&r->groups[g]->samples[i]);
	if (samples_bytes(r) <= left / 2)
		return true;
	error_set(r->e, ERR_USER, 0,
	        "the values of these predictions need more than --memory: give it more, choose "
	        "a shorter time, or export them to Parquet and use --data");
	return fail(r);
}

// NULL: it failed.
static struct group *record_add(struct reading *r, const struct column *cols)
{
	struct buf key = {0};
	key_of(r, cols, &key);
	struct group *g = group_find(r, buf_view(&key));
	if (!g && r->n == BASELINE_SEGMENTS_MAX) {
		buf_release(&key);
		error_set(r->e, ERR_USER, 0, "more than %d segments: --by fewer columns",
		        BASELINE_SEGMENTS_MAX);
		r->failed = true;
		return NULL;
	}
	if (!g)
		g = group_new(r, buf_view(&key));
	buf_release(&key);
	for (uint32_t i = 0; i < r->b->ncolumns; i++) {
		const struct column *c = &cols[r->t->monitor->columns[i]];
		struct value v = column_get(c, 0);
		sample_add_value(&g->samples[i], c->type, &v);
	}
	return g;
}

static int64_t window_end(const struct monitor *m, int64_t ts)
{
	return floor_div(ts, m->window_ms) * m->window_ms + m->window_ms;
}

static bool prediction_take(void *arg, const struct column *cols, int64_t ts)
{
	struct reading *r = arg;
	const struct monitor *m = r->t->monitor;
	if (ts < r->t->from_ms || ts >= r->t->to_ms)
		return true;
	struct group *g = record_add(r, cols);
	if (g && r->ids)
		baseline_score(
		        r->ids, &cols[m->id], &cols[m->score], g->number, window_end(m, ts));
	return g && fits(r);
}

static bool label_take(void *arg, const struct column *cols, int64_t ts)
{
	struct reading *r = arg;
	const struct monitor_labels *l = r->t->monitor->labels;
	baseline_label(r->ids, &cols[l->id], &cols[l->value], ts);
	return true;
}

// -- the topics --

static enum status predictions_read(struct reading *r)
{
	const struct baseline_topic *t = r->t;
	struct source_scan scan = {.topic = t,
	        .source = r->s,
	        .from_ms = t->from_ms,
	        .wanted = r->wanted,
	        .row = prediction_take,
	        .arg = r,
	        .arena = &r->b->arena};
	if (source_scan(&scan, r->e) || r->failed)
		return ST_ERR;
	r->b->origin.ranges = scan.ranges;
	r->b->origin.nranges = scan.nranges;
	return ST_OK;
}

// A label may be told long before its prediction, or after.
static enum status labels_read(struct reading *r)
{
	const struct baseline_topic *t = r->t;
	const struct monitor_labels *l = t->monitor->labels;
	if (!r->ids)
		return ST_OK;
	const struct source *s = &t->job->sources[l->source];
	bool *wanted = arena_calloc(&r->b->arena, s->schema->nfields + 1, sizeof *wanted);
	wanted[l->id] = wanted[l->value] = true;
	struct source_scan scan = {.topic = t,
	        .source = s,
	        .from_ms =
	                t->from ? t->from_ms - l->wait_ms - t->monitor->window_ms : INT64_MIN,
	        .wanted = wanted,
	        .row = label_take,
	        .arg = r,
	        .arena = &r->b->arena};
	return source_scan(&scan, r->e);
}

// The first segment is of all, the others as the groups are sorted.
static void errors_set(struct reading *r)
{
	const struct monitor *m = r->t->monitor;
	if (!r->ids)
		return;
	r->b->score = arena_strdup(&r->b->arena, r->s->schema->fields[m->score].name);
	r->b->label = arena_strdup(&r->b->arena,
	        r->t->job->sources[m->labels->source].schema->fields[m->labels->value].name);
	struct errors_sums all = {0}, *groups = xcalloc(r->n + 1, sizeof *groups);
	baseline_met(r->ids, &all, groups);
	for (uint32_t i = 0; i < r->b->nsegments; i++) {
		struct baseline_segment *g = &r->b->segments[i];
		g->has_errors = true;
		g->errors = errors_total(i ? &groups[r->groups[i - 1]->number] : &all);
	}
	free(groups);
}

// -- the baseline --

static int group_cmp(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	return slice_cmp(buf_view(&x->key), buf_view(&y->key));
}

static const char *column_name(const struct reading *r, uint32_t i)
{
	return r->s->schema->fields[r->t->monitor->columns[i]].name;
}

static struct baseline_segment *segment_next(struct reading *r)
{
	struct baseline_segment *g = &r->b->segments[r->b->nsegments++];
	g->columns = arena_calloc(&r->b->arena, r->b->ncolumns + 1, sizeof *g->columns);
	return g;
}

static void pooled(struct reading *r)
{
	struct baseline_segment *g = segment_next(r);
	for (uint32_t i = 0; i < r->b->ncolumns; i++) {
		struct sample all;
		sample_init(&all, r->kinds[i]);
		for (uint32_t k = 0; k < r->n; k++)
			sample_add_sample(&all, &r->groups[k]->samples[i]);
		all.integer = r->n && r->groups[0]->samples[i].integer;
		sample_finish(&all);
		sample_baseline(&all, column_name(r, i), &r->b->arena, &g->columns[i]);
		g->rows = all.rows;
		sample_release(&all);
	}
}

static void segments(struct reading *r)
{
	r->b->segments = arena_calloc(&r->b->arena, r->n + 1, sizeof *r->b->segments);
	for (uint32_t k = 0; k < r->n; k++)
		for (uint32_t i = 0; i < r->b->ncolumns; i++) {
			struct sample *s = &r->groups[k]->samples[i];
			uint32_t field = r->t->monitor->columns[i];
			s->integer = s->kind == DRIFT_NUMBER &&
			             type_is_integer(&r->s->schema->fields[field].type);
			sample_finish(s);
		}
	if (r->n)
		qsort(r->groups, r->n, sizeof *r->groups, group_cmp);
	pooled(r);
	for (uint32_t k = 0; r->b->nby && k < r->n; k++) {
		struct baseline_segment *g = segment_next(r);
		g->values = values_of(r, r->groups[k]);
		for (uint32_t i = 0; i < r->b->ncolumns; i++) {
			sample_baseline(&r->groups[k]->samples[i], column_name(r, i),
			        &r->b->arena, &g->columns[i]);
			g->rows = g->columns[i].rows;
		}
	}
}

// -- what is read --

static enum status by_find(struct reading *r)
{
	const struct monitor *m = r->t->monitor;
	r->by = arena_calloc(&r->b->arena, r->t->by.n + 1, sizeof *r->by);
	r->b->by = arena_calloc(&r->b->arena, r->t->by.n + 1, sizeof *r->b->by);
	for (uint32_t i = 0; i < r->t->by.n; i++) {
		uint32_t k = 0;
		while (k < m->nby && strcmp(r->s->schema->fields[m->by[k]].name, r->t->by.v[i]))
			k++;
		if (k == m->nby)
			return error_set(r->e, ERR_USER, 0,
			        "--by: monitor %s has no %s among the columns of its 'by'",
			        m->name, r->t->by.v[i]);
		r->by[r->b->nby] = m->by[k];
		r->b->by[r->b->nby++] = arena_strdup(&r->b->arena, r->t->by.v[i]);
	}
	return ST_OK;
}

static enum status kinds_find(struct reading *r)
{
	const struct monitor *m = r->t->monitor;
	r->b->ncolumns = m->ncolumns;
	r->kinds = arena_calloc(&r->b->arena, m->ncolumns + 1, sizeof *r->kinds);
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		const struct field *f = &r->s->schema->fields[m->columns[i]];
		drift_kind_of(&f->type, &r->kinds[i]);
		if (!names_have(&r->t->categories, f->name) || r->kinds[i] == DRIFT_CATEGORY)
			continue;
		if (!type_is_integer(&f->type))
			return error_set(r->e, ERR_USER, 0,
			        "--categories: %s is not of whole numbers", f->name);
		r->kinds[i] = DRIFT_CATEGORY;
	}
	return ST_OK;
}

static void wanted_set(struct reading *r)
{
	const struct monitor *m = r->t->monitor;
	r->wanted = arena_calloc(&r->b->arena, r->s->schema->nfields + 1, sizeof *r->wanted);
	for (uint32_t i = 0; i < r->b->ncolumns; i++)
		r->wanted[m->columns[i]] = true;
	for (uint32_t i = 0; i < r->b->nby; i++)
		r->wanted[r->by[i]] = true;
	if (r->ids)
		r->wanted[m->id] = r->wanted[m->score] = true;
}

static void head(struct reading *r)
{
	struct arena *a = &r->b->arena;
	r->b->job = arena_strdup(a, r->t->job->name);
	r->b->monitor = arena_strdup(a, r->t->monitor->name);
	r->b->origin.topic = arena_strdup(a, r->s->topic);
	r->b->origin.from = r->t->from ? arena_strdup(a, r->t->from) : NULL;
	r->b->origin.to = r->t->to ? arena_strdup(a, r->t->to) : NULL;
}

static void release(struct reading *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		group_free(r, r->groups[i]);
	free(r->groups);
	free(r->slots);
	baseline_ids_free(r->ids);
}

enum status baseline_from_topic(
        const struct baseline_topic *t, struct baseline **out, struct error *e)
{
	struct reading r = {.t = t,
	        .s = &t->job->sources[t->monitor->source],
	        .b = xcalloc(1, sizeof *r.b),
	        .e = e};
	arena_init(&r.b->arena);
	slots_grow(&r);
	if (t->monitor->labels)
		r.ids = baseline_ids_new(t->monitor);
	head(&r);
	enum status st = by_find(&r);
	if (st == ST_OK)
		st = kinds_find(&r);
	if (st == ST_OK) {
		wanted_set(&r);
		st = predictions_read(&r);
	}
	if (st == ST_OK) {
		segments(&r);
		st = labels_read(&r);
	}
	if (st == ST_OK)
		errors_set(&r);
	release(&r);
	if (st)
		baseline_free(r.b);
	else
		*out = r.b;
	return st;
}
