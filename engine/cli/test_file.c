// SPDX-License-Identifier: Apache-2.0
//
// Reads test files. What is wrong in one is reported like in a job file: place, line,
// suggestion; a misspelt field would otherwise pass for one that is not compared. Comparing is
// test_compare.c's.
#include "cli/test_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/wide_json.h"
#include "lang/civil.h"
#include "lang/suggest.h"
#include "lang/yaml.h"

struct reading {
	struct test_file *t;
	const struct job *job;
	struct diagnostics *d;
	struct yaml_doc doc;
	bool failed;
};

static void fault(struct reading *r, const struct yaml_node *n, const char *near,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void fault(
        struct reading *r, const struct yaml_node *n, const char *near, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct place p = yaml_place(&r->doc, n, r->d);
	place_error(&p, 0, n->kind == YAML_SCALAR ? n->text.len : 1, near, "%s", text);
	r->failed = true;
}

static bool is(const struct yaml_node *n, const char *word)
{
	return slice_eq(n->text, slice_of(word));
}

static char *text_of(struct reading *r, const struct yaml_node *n)
{
	return arena_strndup(&r->t->arena, (const char *)n->text.p, n->text.len);
}

static json_t *json_of(const struct yaml_node *n)
{
	struct buf b = {0};
	yaml_json(&b, n);
	json_t *j = wide_json(buf_view(&b));
	buf_release(&b);
	return j ? j : json_null();
}

/* -- events -- */

/* A time may be written in words: try wants milliseconds. */
static void timestamp_write(struct reading *r, const struct yaml_node *n, struct buf *out)
{
	int64_t micros;
	struct buf b = {0};
	yaml_json(&b, n);
	if (n->kind != YAML_SCALAR || !b.len || b.p[0] != '"')
		buf_slice(out, buf_view(&b));
	else if (civil_parse(n->text, &micros))
		buf_printf(out, "%lld", (long long)(micros / 1000));
	else
		fault(r, n, NULL, "'%.*s' is no time: 2013-01-31T05:20:00Z is",
		        (int)n->text.len, (const char *)n->text.p);
	buf_release(&b);
}

/* Numbers go as they are written: 0.1 of a decimal column is not 0.10000000000000001. */
static void event_write(struct reading *r, const struct yaml_node *n)
{
	struct buf line = {0};
	if (n->kind != YAML_MAP) {
		fault(r, n, NULL, "an event is a map {source, timestamp, key, value, ...}");
		return;
	}
	buf_byte(&line, '{');
	for (uint32_t i = 0; i < n->n; i++) {
		if (i)
			buf_byte(&line, ',');
		buf_json(&line, n->keys[i]->text);
		buf_byte(&line, ':');
		if (is(n->keys[i], "timestamp"))
			timestamp_write(r, n->items[i], &line);
		else
			yaml_json(&line, n->items[i]);
	}
	buf_str(&line, "}\n");
	fwrite(line.p, 1, line.len, r->t->events);
	buf_release(&line);
}

static const char *beside(struct reading *r, const char *name)
{
	const char *slash = strrchr(r->t->path, '/');
	if (*name == '/' || !slash)
		return name;
	return arena_printf(
	        &r->t->arena, "%.*s/%s", (int)(slash - r->t->path), r->t->path, name);
}

static void events_read(struct reading *r, const struct yaml_node *n)
{
	if (n->kind == YAML_SCALAR && n->text.len) {
		r->t->events_name = beside(r, text_of(r, n));
		r->t->events = fopen(r->t->events_name, "re");
		if (!r->t->events)
			fault(r, n, NULL, "cannot read %s: %s", r->t->events_name,
			        strerror(errno));
		return;
	}
	if (n->kind != YAML_LIST || n->n > TEST_EVENTS_MAX) {
		fault(r, n, NULL,
		        "events is a list of at most %d events, or the name of a file",
		        TEST_EVENTS_MAX);
		return;
	}
	r->t->events_name = arena_printf(&r->t->arena, "%s: events", r->t->path);
	r->t->events = tmpfile();
	if (!r->t->events) {
		fault(r, n, NULL, "no temporary file: %s", strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < n->n; i++)
		event_write(r, n->items[i]);
	rewind(r->t->events);
}

/* -- rows -- */

static const char *const row_heads[] = {
        "event_time", "known_at", "source_partition", "source_offset", NULL};
static const char *const drift_fields[] = {"segment", "column", "window_start", "window_end",
        "rows", "nulls", "reference_rows", "tests", "p_values", "breached", "bins", "examples",
        NULL};
static const char *const alert_fields[] = {"segment", "column", "test", "state", "since",
        "window_start", "window_end", "value", "threshold", "windows", NULL};
static const char *const bad_fields[] = {
        "reason", "detail", "source", "partition", "offset", NULL};

static void offer_list(struct suggest *s, const char *const *names, bool *found)
{
	for (; *names; names++) {
		*found |= slice_eq(s->wrong, slice_of(*names));
		suggest_offer(s, *names);
	}
}

/* fields: of what is no row of a view. */
static void field_check(struct reading *r, const struct view *v, const char *const *fields,
        const struct yaml_node *key)
{
	struct suggest s = suggest_for(key->text);
	bool found = false;
	if (!v) {
		offer_list(&s, fields, &found);
	} else {
		const struct schema *in = r->job->sources[v->source].schema;
		offer_list(&s, row_heads, &found);
		for (uint32_t i = 0; i < v->nentity; i++) {
			found |= is(key, in->fields[v->entity[i]].name);
			suggest_offer(&s, in->fields[v->entity[i]].name);
		}
		for (uint32_t i = 0; i < v->nfeatures; i++) {
			found |= is(key, v->features[i].name);
			suggest_offer(&s, v->features[i].name);
		}
	}
	if (!found)
		fault(r, key, s.best, "%s has no '%.*s'",
		        v                        ? "a row of this view"
		        : fields == drift_fields ? "a drift record"
		        : fields == alert_fields ? "an alert"
		                                 : "a bad record",
		        (int)key->text.len, (const char *)key->text.p);
}

static void entity_check(struct reading *r, const struct view *v, const struct yaml_node *row)
{
	const struct schema *in = r->job->sources[v->source].schema;
	for (uint32_t i = 0; i < v->nentity; i++)
		if (!yaml_get(row, in->fields[v->entity[i]].name))
			fault(r, row, NULL, "a final row says which entity: '%s' is missing",
			        in->fields[v->entity[i]].name);
}

/* Names of tests below a drift record: those of the monitor. */
static void tests_check(struct reading *r, const struct monitor *m, const char *key,
        const struct yaml_node *row)
{
	const struct yaml_node *tests = yaml_get(row, key);
	if (!tests || tests->kind != YAML_MAP)
		return;
	for (uint32_t i = 0; i < tests->n; i++) {
		struct suggest s = suggest_for(tests->keys[i]->text);
		bool found = false;
		for (uint32_t k = 0; k < m->ntests; k++) {
			const char *name = drift_tests[m->tests[k].test].name;
			found |= is(tests->keys[i], name);
			suggest_offer(&s, name);
		}
		if (!found)
			fault(r, tests->keys[i], s.best, "the monitor has no test '%.*s'",
			        (int)tests->keys[i]->text.len,
			        (const char *)tests->keys[i]->text.p);
	}
}

static void rows_read(struct reading *r, const struct view *v, const char *const *fields,
        const struct yaml_node *list, bool final, struct test_rows *out)
{
	out->view = v;
	out->line = yaml_line(&r->doc, list->start);
	if (yaml_is_null(list))
		return;
	if (list->kind != YAML_LIST) {
		fault(r, list, NULL,
		        "a list of rows is expected here: '- {field: value, ...}'");
		return;
	}
	out->items = arena_calloc(&r->t->arena, list->n + 1, sizeof *out->items);
	for (uint32_t i = 0; i < list->n; i++) {
		const struct yaml_node *row = list->items[i];
		if (row->kind != YAML_MAP) {
			fault(r, row, NULL, "a row is a map {field: value, ...}");
			continue;
		}
		for (uint32_t k = 0; k < row->n; k++)
			field_check(r, v, fields, row->keys[k]);
		if (out->monitor) {
			tests_check(r, out->monitor, "tests", row);
			tests_check(r, out->monitor, "p_values", row);
		}
		if (final)
			entity_check(r, v, row);
		out->items[out->n++] =
		        (struct test_row){json_of(row), yaml_line(&r->doc, row->start)};
	}
}

static const struct view *view_named(struct reading *r, const struct yaml_node *key)
{
	struct suggest s = suggest_for(key->text);
	for (uint32_t i = 0; i < r->job->nviews; i++) {
		if (is(key, r->job->views[i].name))
			return &r->job->views[i];
		suggest_offer(&s, r->job->views[i].name);
	}
	fault(r, key, s.best, "the job has no view '%.*s'", (int)key->text.len,
	        (const char *)key->text.p);
	return NULL;
}

static void views_read(struct reading *r, const struct yaml_node *n, bool final,
        struct test_rows **out, uint32_t *nout)
{
	if (n->kind != YAML_MAP) {
		fault(r, n, NULL, "views and their rows are expected here: 'view: [{...}]'");
		return;
	}
	*out = arena_calloc(&r->t->arena, n->n + 1, sizeof **out);
	for (uint32_t i = 0; i < n->n; i++) {
		const struct view *v = view_named(r, n->keys[i]);
		if (v)
			rows_read(r, v, NULL, n->items[i], final, &(*out)[(*nout)++]);
	}
}

static const struct monitor *monitor_named(struct reading *r, const struct yaml_node *key)
{
	struct suggest s = suggest_for(key->text);
	for (uint32_t i = 0; i < r->job->nmonitors; i++) {
		if (is(key, r->job->monitors[i].name))
			return &r->job->monitors[i];
		suggest_offer(&s, r->job->monitors[i].name);
	}
	fault(r, key, s.best, "the job has no monitor '%.*s'", (int)key->text.len,
	        (const char *)key->text.p);
	return NULL;
}

static void monitors_read(struct reading *r, const struct yaml_node *n,
        const char *const *fields, struct test_rows **out, uint32_t *nout)
{
	if (n->kind != YAML_MAP) {
		fault(r, n, NULL,
		        "monitors and their records are expected here: 'monitor: [{...}]'");
		return;
	}
	*out = arena_calloc(&r->t->arena, n->n + 1, sizeof **out);
	for (uint32_t i = 0; i < n->n; i++) {
		const struct monitor *m = monitor_named(r, n->keys[i]);
		if (!m)
			continue;
		(*out)[*nout].monitor = m;
		rows_read(r, NULL, fields, n->items[i], false, &(*out)[(*nout)++]);
	}
}

static void counts_read(struct reading *r, const struct yaml_node *n)
{
	static const char *const names[] = {
	        "records", "late", "dead", "rows", "expiry_rows", "drift", "alerts", NULL};
	if (n->kind != YAML_MAP) {
		fault(r, n, NULL,
		        "counts is a map {records, late, dead, rows, expiry_rows, drift, "
		        "alerts}");
		return;
	}
	for (uint32_t i = 0; i < n->n; i++) {
		struct suggest s = suggest_for(n->keys[i]->text);
		bool found = false;
		offer_list(&s, names, &found);
		if (!found)
			fault(r, n->keys[i], s.best, "there is no count '%.*s'",
			        (int)n->keys[i]->text.len, (const char *)n->keys[i]->text.p);
	}
	r->t->counts = json_of(n);
	r->t->counts_line = yaml_line(&r->doc, n->start);
}

/* -- the file -- */

static void member_read(
        struct reading *r, const struct yaml_node *key, const struct yaml_node *n)
{
	struct test_file *t = r->t;
	if (is(key, "description")) {
		t->description = text_of(r, n);
	} else if (is(key, "events")) {
		events_read(r, n);
	} else if (is(key, "rows")) {
		views_read(r, n, false, &t->rows, &t->nrows);
	} else if (is(key, "final")) {
		views_read(r, n, true, &t->final, &t->nfinal);
	} else if (is(key, "bad")) {
		t->has_bad = true;
		rows_read(r, NULL, bad_fields, n, false, &t->bad);
	} else if (is(key, "drift")) {
		monitors_read(r, n, drift_fields, &t->drift, &t->ndrift);
	} else if (is(key, "alerts")) {
		monitors_read(r, n, alert_fields, &t->alerts, &t->nalerts);
	} else if (is(key, "counts")) {
		counts_read(r, n);
	} else {
		static const char *const names[] = {"description", "events", "rows", "final",
		        "drift", "alerts", "bad", "counts", NULL};
		struct suggest s = suggest_for(key->text);
		bool found = false;
		offer_list(&s, names, &found);
		fault(r, key, s.best, "a test has no '%.*s'", (int)key->text.len,
		        (const char *)key->text.p);
	}
}

static void document_read(struct reading *r)
{
	const struct yaml_node *root = r->doc.root;
	struct diagnostic whole = {.file = r->t->path};
	if (!root || root->kind != YAML_MAP) {
		whole.message =
		        "a test file is a map: events, rows, final, drift, alerts, bad, "
		        "counts";
		diagnostics_add(r->d, &whole);
		r->failed = true;
		return;
	}
	for (uint32_t i = 0; i < root->n; i++)
		member_read(r, root->keys[i], root->items[i]);
	if (r->failed)
		return;
	if (!r->t->events)
		whole.message = "a test needs events";
	else if (!r->t->nrows && !r->t->nfinal && !r->t->ndrift && !r->t->nalerts &&
	         !r->t->has_bad && !r->t->counts)
		whole.message =
		        "a test expects something: rows, final, drift, alerts, bad or counts";
	if (whole.message) {
		diagnostics_add(r->d, &whole);
		r->failed = true;
	}
}

static bool slurp(struct test_file *t, struct diagnostics *d, struct slice *out)
{
	FILE *f = fopen(t->path, "re");
	uint8_t *p = arena_alloc(&t->arena, TEST_FILE_BYTES_MAX + 1);
	size_t n = f ? fread(p, 1, TEST_FILE_BYTES_MAX + 1, f) : 0;
	const char *why = !f || ferror(f) ? strerror(errno)
	                  : n > TEST_FILE_BYTES_MAX
	                          ? "larger than 4 MB; put the events into a file of their own"
	                          : NULL;
	if (f)
		fclose(f);
	*out = (struct slice){p, (uint32_t)n};
	if (why) {
		struct diagnostic one = {.file = t->path,
		        .message = arena_printf(&t->arena, "cannot be read: %s", why)};
		diagnostics_add(d, &one);
	}
	return !why;
}

enum status test_file_read(
        struct test_file *t, const char *path, const struct job *job, struct diagnostics *d)
{
	struct slice text;
	*t = (struct test_file){0};
	arena_init(&t->arena);
	t->path = arena_strdup(&t->arena, path);
	struct reading r = {.t = t, .job = job, .d = d};
	uint32_t errors = d->n;
	if (!slurp(t, d, &text) || yaml_parse(&r.doc, text, t->path, &t->arena, d))
		return ST_ERR;
	document_read(&r);
	return r.failed || d->n > errors ? ST_ERR : ST_OK; /* a key twice is a diagnostic alone */
}

static void rows_release(struct test_rows *rows, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < rows[i].n; k++)
			json_decref(rows[i].items[k].fields);
}

void test_file_release(struct test_file *t)
{
	rows_release(t->rows, t->nrows);
	rows_release(t->final, t->nfinal);
	rows_release(t->drift, t->ndrift);
	rows_release(t->alerts, t->nalerts);
	rows_release(&t->bad, 1);
	json_decref(t->counts);
	if (t->events)
		fclose(t->events);
	arena_release(&t->arena);
}
