// SPDX-License-Identifier: Apache-2.0
//
// The top of a job file and its sources.
#include "lang/check.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/civil.h"

#define COMMIT_MS_MIN 10
#define WORKERS_MAX 64
#define MAX_AHEAD_MS INT64_C(86400000)

/* ---- source */

struct source_check {
	struct source *s;
	const struct yaml_node *schema_node;
};

static void read_topic(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct source *s = ((struct source_check *)object)->s;
	s->topic = check_text(c, key, v);
	size_t n = s->topic ? strlen(s->topic) : 0;
	if (n && (n > 249 || strspn(s->topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	                                      "WXYZ0123456789._-") != n))
		check_error(c, v, NULL,
		        "a Kafka topic's name is letters, digits, '.', '_' and '-', 249 at "
		        "most");
}

static void read_format(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	static const char *const planned[] = {"debezium-json", "debezium-avro", NULL};
	struct source *s = ((struct source_check *)object)->s;
	const char *name = check_text(c, key, v);
	if (!name)
		return;
	struct suggest near = suggest_for(v->text);
	for (const struct format *const *f = c->env->formats; *f; f++) {
		if (strcmp((*f)->name, name) == 0) {
			s->format = *f;
			return;
		}
		suggest_offer(&near, (*f)->name);
	}
	for (const char *const *p = planned; *p; p++)
		if (strcmp(*p, name) == 0) {
			check_error(c, v, NULL, "format '%s' is not supported yet", name);
			return;
		}
	check_error(c, v, near.best, "there is no format '%s'", name);
}

/* The whole file; NULL with a message in why. */
static char *read_file(const char *path, size_t bytes_max, size_t *len, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	*why = "cannot be opened";
	if (fd < 0)
		return NULL;
	char *p = NULL;
	*why = "is no ordinary file";
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*why = "is too large";
		if ((size_t)st.st_size <= bytes_max) {
			p = xmalloc((size_t)st.st_size);
			ssize_t n = read(fd, p, (size_t)st.st_size);
			*len = n > 0 ? (size_t)n : 0;
		}
	}
	close(fd);
	return p;
}

/* JSON on one line, which is also YAML; NULL when it is no JSON. */
static const char *one_line(struct check *c, const char *text, size_t len, json_error_t *e)
{
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, e);
	if (!j)
		return NULL;
	char *line = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(17));
	json_decref(j);
	const char *kept = line ? arena_strdup(c->a, line) : NULL;
	free(line);
	return kept;
}

static const char *json_from_file(
        struct check *c, const struct yaml_node *v, const char *what, size_t bytes_max)
{
	const char *name = arena_strndup(c->a, (const char *)v->text.p, v->text.len);
	if (!c->base_dir) {
		check_error(c, v, NULL,
		        "this job comes without its files: give the %s itself, not the "
		        "name of a file",
		        what);
		return NULL;
	}
	if (v->style == YAML_LITERAL || v->style == YAML_FOLDED) {
		check_error(c, v, NULL, "the name of a %s file stands on the line of its key",
		        what);
		return NULL;
	}
	const char *path =
	        name[0] == '/' ? name : arena_printf(c->a, "%s/%s", c->base_dir, name);
	const char *why;
	size_t len;
	char *text = read_file(path, bytes_max, &len, &why);
	if (!text) {
		check_error(c, v, NULL, "the %s file '%s' %s", what, name, why);
		return NULL;
	}
	json_error_t e;
	const char *json = one_line(c, text, len, &e);
	free(text);
	if (!json) {
		check_error(c, v, NULL, "the %s file '%s' is not JSON: line %d: %s", what, name,
		        e.line, e.text);
		return NULL;
	}
	struct inlined *in = arena_alloc(c->a, sizeof *in);
	*in = (struct inlined){v, json, strcmp(what, "schema") != 0, c->inlined};
	c->inlined = in;
	return json;
}

const char *check_json(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        const char *what, size_t bytes_max)
{
	if (v->kind != YAML_SCALAR) {
		struct buf b;
		buf_init(&b);
		yaml_json(&b, v);
		const char *json = arena_strndup(c->a, (const char *)b.p, b.len);
		buf_release(&b);
		return json;
	}
	const char *text = check_text(c, key, v);
	if (!text)
		return NULL;
	if (text[strspn(text, " \t\r\n")] != '{')
		return json_from_file(c, v, what, bytes_max);
	json_error_t e;
	const char *json = one_line(c, text, strlen(text), &e);
	if (!json)
		check_error(c, v, NULL, "the %s is not JSON: %s", what, e.text);
	return json;
}

static void read_schema(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct source *s = ((struct source_check *)object)->s;
	const char *json = check_json(c, key, v, "schema", SCHEMA_BYTES_MAX);
	struct error e = {0};
	struct schema *schema;
	if (!json)
		return;
	if (schema_parse(c->a, slice_of(json), &schema, &e) != ST_OK) {
		check_error(c, v, NULL, "the schema is wrong: %s", e.msg);
		return;
	}
	if (!schema->nfields) {
		check_error(c, v, NULL, "the schema has no fields");
		return;
	}
	s->schema = schema;
	s->used = arena_calloc(c->a, schema->nfields, sizeof *s->used);
	struct names *columns = &c->columns[s - c->job->sources];
	names_init(columns, (uint32_t)schema->nfields, c->a);
	for (uint32_t i = 0; i < schema->nfields; i++)
		names_add(columns, i, slice_of(schema->fields[i].name));
}

int check_column(struct check *c, const struct source *s, const struct yaml_node *v)
{
	if (v->kind != YAML_SCALAR || yaml_is_null(v)) {
		check_error(c, v, NULL, "the name of a column is expected here");
		return -1;
	}
	int field = names_find(&c->columns[s - c->job->sources], v->text);
	if (field >= 0)
		return field;
	struct suggest near = suggest_for(v->text);
	for (size_t i = 0; i < s->schema->nfields; i++)
		suggest_offer(&near, s->schema->fields[i].name);
	check_error(c, v, near.best, "source '%s' has no column '%.*s'", s->name,
	        v->text.len > 60 ? 60 : (int)v->text.len, (const char *)v->text.p);
	return -1;
}

static void read_time(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct source *s = ((struct source_check *)object)->s;
	char name[TYPE_NAME_MAX];
	(void)key;
	int field = s->schema ? check_column(c, s, v) : -1;
	if (field < 0)
		return;
	const struct type *t = &s->schema->fields[field].type;
	if (!type_is_time(t) && t->kind != KIND_STRING) {
		check_error(c, v, NULL,
		        "event time is a timestamp-millis, a timestamp-micros or an ISO-8601 "
		        "text, not %s",
		        type_name(t, name));
		return;
	}
	s->time_field = field;
	s->used[field] = true;
}

static void read_key(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct source *s = ((struct source_check *)object)->s;
	(void)key;
	int field = s->schema ? check_column(c, s, v) : -1;
	if (field < 0)
		return;
	s->key_field = field;
	s->used[field] = true;
}

static void read_lateness(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 0, &((struct source_check *)object)->s->lateness_ms);
}

static void read_idle(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 1000, &((struct source_check *)object)->s->idle_ms);
}

static void read_max_ahead(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 0, &((struct source_check *)object)->s->max_ahead_ms);
}

static void read_start(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct source *s = ((struct source_check *)object)->s;
	const char *text = check_text(c, key, v);
	int64_t micros;
	if (!text)
		return;
	if (strcmp(text, "earliest") == 0) {
		s->start = START_EARLIEST;
	} else if (strcmp(text, "latest") == 0) {
		s->start = START_LATEST;
	} else if (civil_parse(v->text, &micros)) {
		s->start = START_TIME;
		s->start_ms = floor_div(micros, 1000);
	} else {
		struct suggest near = suggest_for(v->text);
		suggest_offer(&near, "earliest");
		suggest_offer(&near, "latest");
		check_error(c, v, near.best, "'start' is earliest, latest or an ISO-8601 time");
	}
}

const struct key source_keys[] = {
        {"topic", "text", NULL, "The Kafka topic.", true, read_topic},
        {"format", "word", NULL, "How records are written: see Formats.", true, read_format},
        {"schema", "file, JSON or YAML", NULL,
                "An Avro schema: names, types and nullability, for every format. A file's name "
                "is relative to the job "
                "file.",
                true, read_schema},
        {"time", "column", NULL,
                "Event time: a timestamp-millis or timestamp-micros column, or ISO-8601 text.",
                true, read_time},
        {"key", "column", NULL, "The column that the producer partitions by.", false, read_key},
        {"lateness", "duration", "0s",
                "Watermark = largest event time - lateness. What comes later is late.", false,
                read_lateness},
        {"idle", "duration", NULL,
                "Time goes on in a partition that is silent for longer than this.", false,
                read_idle},
        {"max_ahead", "duration", "1d",
                "An event time further than this past the record's Kafka timestamp is a dead "
                "letter.",
                false, read_max_ahead},
        {"start", "earliest, latest or a time", "earliest", "Where a new job starts to read.",
                false, read_start},
        {NULL, NULL, NULL, NULL, false, NULL},
};

void check_source(struct check *c, const struct yaml_node *key, const struct yaml_node *map)
{
	struct source *s = &c->job->sources[c->job->nsources++];
	*s = (struct source){.time_field = -1, .key_field = -1, .max_ahead_ms = MAX_AHEAD_MS};
	const char *name = check_name(c, key, false, "source");
	s->name = name ? name : arena_strndup(c->a, (const char *)key->text.p, key->text.len);
	struct source_check sc = {.s = s};
	check_map(c, key, map, source_keys, &sc, arena_printf(c->a, "source '%.60s'", s->name));
}

const struct source *check_source_named(
        struct check *c, const struct yaml_node *key, const struct yaml_node *v, uint32_t *out)
{
	const char *name = check_text(c, key, v);
	if (!name)
		return NULL;
	struct suggest near = suggest_for(v->text);
	for (uint32_t i = 0; i < c->job->nsources; i++) {
		const struct source *s = &c->job->sources[i];
		if (strcmp(s->name, name) == 0) {
			*out = i;
			return s->schema ? s : NULL;
		}
		suggest_offer(&near, s->name);
	}
	if (c->job->nsources) /* else that is the error */
		check_error(c, v, near.best, "there is no source '%s'", name);
	return NULL;
}

/* ---- job */

static void read_job(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	(void)object;
	if (check_text(c, key, v))
		c->job->name = check_name(c, v, true, "job");
}

static bool is_map(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        const char *what)
{
	if (v->kind == YAML_MAP && v->n)
		return true;
	check_error(c, v->kind == YAML_SCALAR || v->kind == YAML_MAP ? key : v, NULL,
	        "'%.*s' needs at least one %s: its name, then its keys below",
	        (int)key->text.len, (const char *)key->text.p, what);
	return false;
}

static void read_sources(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	(void)object;
	if (!is_map(c, key, v, "source"))
		return;
	if (v->n > JOB_VIEWS_MAX)
		check_error(
		        c, v->keys[JOB_VIEWS_MAX], NULL, "more than %d sources", JOB_VIEWS_MAX);
	uint32_t n = v->n > JOB_VIEWS_MAX ? JOB_VIEWS_MAX : v->n;
	c->job->sources = arena_calloc(c->a, n, sizeof *c->job->sources);
	c->columns = arena_calloc(c->a, n, sizeof *c->columns);
	for (uint32_t i = 0; i < n; i++)
		check_source(c, v->keys[i], v->items[i]);
}

static void read_views(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	(void)object;
	if (!is_map(c, key, v, "view"))
		return;
	if (v->n > JOB_VIEWS_MAX)
		check_error(
		        c, v->keys[JOB_VIEWS_MAX], NULL, "more than %d views", JOB_VIEWS_MAX);
	uint32_t n = v->n > JOB_VIEWS_MAX ? JOB_VIEWS_MAX : v->n;
	c->job->views = arena_calloc(c->a, n, sizeof *c->job->views);
	for (uint32_t i = 0; i < n; i++)
		check_view(c, v->keys[i], v->items[i]);
}

static void read_monitors(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	(void)object;
	if (!is_map(c, key, v, "monitor"))
		return;
	if (v->n > JOB_MONITORS_MAX)
		check_error(c, v->keys[JOB_MONITORS_MAX], NULL, "more than %d monitors",
		        JOB_MONITORS_MAX);
	uint32_t n = v->n > JOB_MONITORS_MAX ? JOB_MONITORS_MAX : v->n;
	c->job->monitors = arena_calloc(c->a, n, sizeof *c->job->monitors);
	for (uint32_t i = 0; i < n; i++)
		check_monitor(c, v->keys[i], v->items[i]);
}

static void read_commit(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	(void)object;
	check_duration(c, key, v, COMMIT_MS_MIN, &c->job->commit_ms);
	if (c->job->commit_ms > 3600 * 1000)
		check_error(c, v, NULL, "'commit' must be at most 1h");
}

static void read_workers(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int64_t n;
	(void)object;
	if (check_integer(c, key, v, 1, WORKERS_MAX, &n))
		c->job->workers = (uint32_t)n;
}

const struct key job_keys[] = {
        {"job", "name", NULL,
                "The job's name: a lower-case letter, then lower-case letters, digits, _ and "
                "-.",
                true, read_job},
        {"sources", "map", NULL, "The topics that are read, by name.", true, read_sources},
        {"tables", "map", NULL, "Change-data-capture topics to join with. Not supported yet.",
                false, check_not_yet},
        {"views", "map", NULL, "What is computed, by name. A job has views, or monitors, or both.", false,
                read_views},
        {"monitors", "map", NULL, "What is watched, by name.", false, read_monitors},
        {"commit", "duration", "the node's",
                "Length of an epoch: how often results are committed.", false, read_commit},
        {"workers", "integer", "1", "Worker threads per node.", false, read_workers},
        {NULL, NULL, NULL, NULL, false, NULL},
};
