// SPDX-License-Identifier: Apache-2.0
//
// The plan of a view as lines of text: all that changes results, and nothing else, in one order
// and one spelling. Two versions of a job are compared line by line with it. Owner, description
// and freshness are not in it, nor columns that no expression uses.
#include "lang/check.h"

#include <xxhash.h>

#include "base/num.h"
#include "lang/civil.h"
#include "lang/duration.h"

static void duration_line(struct buf *b, const char *key, int64_t ms)
{
	buf_printf(b, "%s: ", key);
	if (ms)
		duration_print(b, ms);
	else
		buf_str(b, "none");
	buf_byte(b, '\n');
}

static void print_start(struct buf *b, const struct source *s)
{
	char text[CIVIL_TEXT_MAX];
	if (s->start == START_TIME)
		buf_printf(b, "start: %.*s\n",
		        (int)civil_format_time(text, s->start_ms * 1000, 3), text);
	else
		buf_str(b, s->start == START_LATEST ? "start: latest\n" : "start: earliest\n");
}

static const char *field_name(const struct source *s, int field)
{
	return field < 0 ? "none" : s->schema->fields[field].name;
}

static void print_source(struct buf *b, const struct source *s)
{
	buf_printf(b, "source: %s\ntopic: %s\nformat: %s\n", s->name, s->topic ? s->topic : "",
	        s->format ? s->format->name : "");
	buf_printf(b, "time: %s\nkey: %s\n", field_name(s, s->time_field),
	        field_name(s, s->key_field));
	duration_line(b, "lateness", s->lateness_ms);
	duration_line(b, "idle", s->idle_ms);
	duration_line(b, "max_ahead", s->max_ahead_ms);
	print_start(b, s);
}

static void print_column(struct buf *b, const struct field *f)
{
	char name[TYPE_NAME_MAX];
	buf_printf(b, "column: %s %s%s", f->name, type_name(&f->type, name),
	        f->nullable ? " null" : "");
	for (const char *const *p = f->type.kind == KIND_ENUM ? f->type.symbols : NULL; p && *p;
	        p++)
		buf_printf(b, " %s", *p);
	buf_byte(b, '\n');
}

static void print_features(struct buf *b, const struct view *v)
{
	char name[TYPE_NAME_MAX];
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		const struct feature *f = &v->features[i];
		buf_printf(b, "feature: %s %s%s = ", f->name, type_name(&f->type, name),
		        f->nullable ? " null" : "");
		buf_str(b, f->canonical);
		buf_byte(b, '\n');
	}
}

const char *plan_text(
        const struct job *j, const struct view *v, const char *where_text, struct arena *a)
{
	struct buf b;
	const struct source *s = &j->sources[v->source];
	buf_init(&b);
	buf_printf(&b, "view: %s\nversion: %u\n", v->name, v->version);
	print_source(&b, s);
	buf_str(&b, "entity:");
	for (uint32_t i = 0; i < v->nentity; i++)
		buf_printf(&b, " %s", s->schema->fields[v->entity[i]].name);
	buf_printf(&b, "\nwhere: %s\n", where_text ? where_text : "true");
	buf_printf(&b, "expiry: %s\n", v->expiry ? "emit" : "none");
	duration_line(&b, "ttl", v->ttl_ms);
	duration_line(&b, "forget", v->forget_ms);
	duration_line(&b, "offline.retention", v->offline_retention_ms);
	if (v->blocks)
		buf_str(&b, "offline.layout: blocks\n");
	if (v->shards)
		buf_printf(&b, "shards: %u\n", v->shards);
	for (size_t i = 0; i < s->schema->nfields; i++)
		if (v->used[i])
			print_column(&b, &s->schema->fields[i]);
	print_features(&b, v);
	const char *text = arena_strndup(a, (const char *)b.p, b.len);
	buf_release(&b);
	return text;
}

static void print_skew(struct buf *b, const struct job *j, const struct monitor *m)
{
	const struct monitor_skew *k = m->skew;
	const struct view *v = &j->views[k->view];
	const struct source *s = &j->sources[m->source];
	char number[NUM_MAX + 1], name[TYPE_NAME_MAX];
	number[num_format_double(number, k->tolerance)] = 0;
	buf_printf(b, "view: %s %u\n", v->name, v->version);
	for (uint32_t i = 0; i < v->nentity; i++)
		buf_printf(b, "entity: %s\n", s->schema->fields[k->entity[i]].name);
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		const struct feature *f = &v->features[k->features[i]];
		buf_printf(b, "feature: %s %s\n", f->name, type_name(&f->type, name));
	}
	buf_printf(b, "tolerance: %s\nknown_at: %d\n", number, k->known_at);
	duration_line(b, "within", k->within_ms);
}

/* The first part is what state is made of: another one starts from nothing. The baseline is in
 * it by its content. */
static void print_monitor_state(struct buf *b, const struct job *j, const struct monitor *m)
{
	struct buf base = {0};
	const struct source *s = &j->sources[m->source];
	print_source(b, s);
	for (uint32_t i = 0; i < m->nby; i++)
		buf_printf(b, "by: %s\n", s->schema->fields[m->by[i]].name);
	for (uint32_t i = 0; i < m->ncolumns; i++)
		print_column(b, &s->schema->fields[m->columns[i]]);
	duration_line(b, "window", m->window_ms);
	if (m->labels) {
		const struct source *l = &j->sources[m->labels->source];
		buf_printf(b, "id: %s\nscore: %s\n", field_name(s, m->id),
		        field_name(s, m->score));
		print_source(b, l);
		buf_printf(b, "label: %s %s\n", l->schema->fields[m->labels->id].name,
		        l->schema->fields[m->labels->value].name);
		duration_line(b, "wait", m->labels->wait_ms);
		/* Its sums in the form of another version are not read: they begin anew. */
		buf_printf(b, "errors: version %d\n", ERRORS_VERSION);
	}
	if (m->skew) {
		print_skew(b, j, m);
		return;
	}
	if (m->baseline)
		baseline_write(m->baseline, &base);
	buf_printf(b, "baseline: %016llx\n", (unsigned long long)XXH3_64bits(base.p, base.len));
	buf_release(&base);
}

void monitor_plan(const struct job *j, struct monitor *m, struct arena *a)
{
	struct buf b = {0};
	char number[NUM_MAX + 1];
	buf_printf(&b, "monitor: %s\n", m->name);
	print_monitor_state(&b, j, m);
	m->state_hash = XXH3_64bits(b.p, b.len);
	buf_printf(&b, "mode: %s\nsustain: %u\nmin_rows: %u\n", drift_modes[m->mode],
	        m->sustain, m->min_rows);
	for (uint32_t i = 0; i < m->ntests; i++) {
		number[num_format_double(number, m->tests[i].threshold)] = 0;
		buf_printf(&b, "test: %s %s\n", drift_tests[m->tests[i].test].name, number);
	}
	m->plan_text = arena_strndup(a, (const char *)b.p, b.len);
	buf_release(&b);
}
