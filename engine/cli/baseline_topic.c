// SPDX-License-Identifier: Apache-2.0
//
// Reads a source's topic as a monitor would: bad records, records from the future and late ones
// are left out, as the engine leaves them out. An event is at most max_ahead past its Kafka
// timestamp, which bounds where reading begins; it ends at the end of the topic as of now,
// since an event may come as late as it likes. Stream time is as of where reading began.
//
// All values are held until the end, a compaction of equal ones now and then, within a budget.
#include "cli/baseline_topic.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "cli/scan.h"
#include "lang/event_time.h"

#define VALUE_BYTES_MAX (16u << 20)
#define ROWS_BETWEEN_COUNTS 65536 // records between two looks at the memory

struct group {
	struct buf key; // values, each behind a 1 and before a 0; a lone 0: null
	const char **values;
	struct sample *samples; // per column
};

struct reading {
	const struct baseline_topic *t;
	const struct source *s;
	struct baseline *b;
	uint32_t *by; // fields
	enum drift_kind *kinds;
	struct decoder *decoder;
	struct arena arena; // of one record
	struct group **groups;
	uint32_t n, cap;
	uint32_t *slots, nslots; // number + 1
	int64_t stream_time, done, total;
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

// Equal values are put together; what then does not fit is too much.
static bool fits(struct reading *r)
{
	uint64_t bytes = 0;
	if (++r->rows % ROWS_BETWEEN_COUNTS)
		return true;
	for (uint32_t g = 0; g < r->n; g++)
		for (uint32_t i = 0; i < r->b->ncolumns; i++)
			bytes += sample_bytes(&r->groups[g]->samples[i]);
	if (bytes <= r->t->memory_bytes)
		return true;
	error_set(r->e, ERR_USER, 0,
	        "the values of these predictions need more than --memory: give it more, choose "
	        "a "
	        "shorter time, or export them to Parquet and use --data");
	return fail(r);
}

static bool record_add(struct reading *r, const struct column *cols)
{
	struct buf key = {0};
	key_of(r, cols, &key);
	struct group *g = group_find(r, buf_view(&key));
	if (!g && r->n == BASELINE_SEGMENTS_MAX) {
		buf_release(&key);
		error_set(r->e, ERR_USER, 0, "more than %d segments: --by fewer columns",
		        BASELINE_SEGMENTS_MAX);
		return fail(r);
	}
	if (!g)
		g = group_new(r, buf_view(&key));
	buf_release(&key);
	for (uint32_t i = 0; i < r->b->ncolumns; i++) {
		const struct column *c = &cols[r->t->monitor->columns[i]];
		struct value v = column_get(c, 0);
		sample_add_value(&g->samples[i], c->type, &v);
	}
	return fits(r);
}

// Whether the engine would take it; stream time moves on with it.
static bool on_time(struct reading *r, const struct log_record *rec, int64_t ts)
{
	if (rec->timestamp >= 0 && ts > rec->timestamp + r->s->max_ahead_ms)
		return false;
	if (r->stream_time != INT64_MIN && ts < r->stream_time - r->s->lateness_ms)
		return false;
	r->stream_time = ts > r->stream_time ? ts : r->stream_time;
	return true;
}

static bool record_read(void *arg, const struct log_record *rec)
{
	struct reading *r = arg;
	const struct schema *schema = r->s->schema;
	struct slice value = rec->has_value ? rec->value : (struct slice){0};
	struct bad_record bad = {0};
	int64_t ts;
	arena_reset(&r->arena);
	struct column *cols = arena_calloc(&r->arena, schema->nfields, sizeof *cols);
	if (r->s->format->decode(r->decoder, &value, 1, cols, &bad, &r->arena, r->e))
		return fail(r);
	if (++r->done % 4096 == 0 && r->t->progress)
		r->t->progress(r->t->arg, r->done, r->total);
	const struct column *time = &cols[r->s->time_field];
	if (bad.bad || !event_time_of(time, 0, &ts) || !on_time(r, rec, ts))
		return true;
	return ts < r->t->from_ms || ts >= r->t->to_ms || record_add(r, cols);
}

// -- the topic --

static enum status partition_bounds(struct reading *r, int32_t p, int64_t *from, int64_t *to)
{
	const struct baseline_topic *t = r->t;
	int64_t begin, at;
	if (t->log->bounds(t->broker, r->s->topic, p, &begin, to, r->e))
		return ST_ERR;
	*from = begin;
	if (!t->from)
		return ST_OK;
	if (t->log->offset_at(
	            t->broker, r->s->topic, p, t->from_ms - r->s->max_ahead_ms, &at, r->e))
		return ST_ERR;
	*from = at > begin ? at : begin;
	return ST_OK;
}

static enum status partitions_read(struct reading *r)
{
	const struct baseline_topic *t = r->t;
	struct baseline_origin *o = &r->b->origin;
	struct log_topic_info info;
	if (t->log->topic_info(t->broker, r->s->topic, &info, r->e))
		return ST_ERR;
	if (!info.partitions)
		return error_set(r->e, ERR_USER, 0, "there is no topic %s", r->s->topic);
	o->ranges = arena_calloc(&r->b->arena, (size_t)info.partitions, sizeof *o->ranges);
	for (int32_t p = 0; p < info.partitions; p++) {
		int64_t from, to;
		if (partition_bounds(r, p, &from, &to))
			return ST_ERR;
		if (from < to)
			o->ranges[o->nranges++] = (struct baseline_range){p, from, to - 1};
		r->total += to > from ? to - from : 0;
	}
	for (uint32_t i = 0; i < o->nranges; i++) {
		const struct baseline_range *g = &o->ranges[i];
		r->stream_time = INT64_MIN;
		if (scan_range(t->log, t->broker, r->s->topic, g->partition, g->first,
		            g->last + 1, record_read, r, r->e) ||
		        r->failed)
			return ST_ERR;
	}
	return ST_OK;
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

static enum status decoder_open(struct reading *r)
{
	const struct schema *schema = r->s->schema;
	bool *wanted = arena_calloc(&r->b->arena, schema->nfields + 1, sizeof *wanted);
	wanted[r->s->time_field] = true;
	for (uint32_t i = 0; i < r->b->ncolumns; i++)
		wanted[r->t->monitor->columns[i]] = true;
	for (uint32_t i = 0; i < r->b->nby; i++)
		wanted[r->by[i]] = true;
	struct decoder_conf conf = {.schema = schema,
	        .wanted = wanted,
	        .schemas = r->t->schemas,
	        .value_bytes_max = VALUE_BYTES_MAX};
	return r->s->format->decoder_new(&conf, &r->decoder, r->e);
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
	if (r->decoder)
		r->s->format->decoder_free(r->decoder);
	arena_release(&r->arena);
}

enum status baseline_from_topic(
        const struct baseline_topic *t, struct baseline **out, struct error *e)
{
	struct reading r = {.t = t,
	        .s = &t->job->sources[t->monitor->source],
	        .b = xcalloc(1, sizeof *r.b),
	        .e = e};
	arena_init(&r.b->arena);
	arena_init(&r.arena);
	slots_grow(&r);
	head(&r);
	enum status st = by_find(&r);
	if (st == ST_OK)
		st = kinds_find(&r);
	if (st == ST_OK)
		st = decoder_open(&r);
	if (st == ST_OK)
		st = partitions_read(&r);
	if (st == ST_OK)
		segments(&r);
	release(&r);
	if (st)
		baseline_free(r.b);
	else
		*out = r.b;
	return st;
}
