// SPDX-License-Identifier: Apache-2.0
//
// Which views, and which version of each: the deployed one; else the newest that has a topic.
#include "cli/export_views.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

/* What of the definition goes with the files. A job that this weir cannot read says nothing. */
static void definition_take(struct cli *c, const struct control_job *stored,
        struct export_conf *conf, struct arena *a)
{
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (job_parse(slice_of(stored->yaml), stored->name, NULL, &c->env, &job, &d) == ST_OK)
		for (uint32_t i = 0; i < job->nviews; i++) {
			const struct view *v = &job->views[i];
			if (strcmp(v->name, conf->view) || v->version != conf->version)
				continue;
			conf->defined = true;
			conf->ttl_ms = v->ttl_ms;
			conf->source = arena_strdup(a, job->sources[v->source].topic);
		}
	job_free(job);
	diagnostics_release(&d);
}

static const struct format *avro(const struct cli *c)
{
	for (const struct format *const *f = c->env.formats; *f; f++)
		if (!strcmp((*f)->name, "avro"))
			return *f;
	return NULL;
}

static struct export_conf conf_of(struct cli *c, const char *view)
{
	return (struct export_conf){.log = c->log,
	        .broker = c->broker,
	        .prefix = options_text(&c->options, "prefix"),
	        .view = view,
	        .dir = options_text(&c->options, "to"),
	        .memory_bytes = (uint64_t)options_number(&c->options, "memory"),
	        .threads = (uint32_t)options_number(&c->options, "threads"),
	        .schemas = c->schemas,
	        .avro = avro(c),
	        .clock = &clock_system};
}

static enum status add(struct export_views *v, const struct export_conf *conf, struct error *e)
{
	if (v->n == EXPORT_VIEWS_MAX)
		return error_set(e, ERR_USER, 0, "more than %d views", EXPORT_VIEWS_MAX);
	v->items[v->n++] = *conf;
	return ST_OK;
}

static void list_init(struct export_views *v)
{
	*v = (struct export_views){0};
	arena_init(&v->arena);
	v->items = arena_calloc(&v->arena, EXPORT_VIEWS_MAX, sizeof *v->items);
}

void export_views_release(struct export_views *v)
{
	arena_release(&v->arena);
	*v = (struct export_views){0};
}

// ---- by what is deployed ----

static enum status named(struct cli *c, const struct control_jobs *jobs, const char *view,
        struct export_views *out, struct error *e)
{
	struct export_conf conf = conf_of(c, view);
	uint32_t live = 0;
	const char *near = NULL;
	const struct control_job *job = control_find_view(jobs, view, &live);
	conf.version = (uint32_t)options_number(&c->options, "view-version");
	if (job && !conf.version)
		conf.version = live;
	if (job)
		definition_take(c, job, &conf, &out->arena);
	if (conf.version)
		return add(out, &conf, e);
	enum status st = export_newest(c->log, c->broker, conf.prefix, view, &conf.version,
	        &out->arena, &near, e);
	if (st == ST_OK)
		return add(out, &conf, e);
	if (st != ST_END)
		return st;
	return error_set(e, ERR_USER, 0, "no view %s has an offline topic%s%s%s", view,
	        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static enum status deployed(struct cli *c, const struct control_jobs *jobs,
        struct export_views *out, struct error *e)
{
	for (uint32_t i = 0; i < jobs->n; i++)
		for (uint32_t k = 0; k < jobs->items[i].nviews; k++) {
			const struct control_view *v = &jobs->items[i].views[k];
			if (v->live &&
			        named(c, jobs, arena_strdup(&out->arena, v->name), out, e))
				return ST_ERR;
		}
	if (out->n)
		return ST_OK;
	return error_set(e, options_flag(&c->options, "follow") ? ERR_RETRIABLE : ERR_USER, 0,
	        "no view is deployed");
}

enum status export_views_deployed(struct cli *c, struct export_views *out, struct error *e)
{
	struct control control;
	struct control_jobs jobs;
	list_init(out);
	if (cli_schemas(c, e) || cli_control(c, &control, e) ||
	        control_list(&control, &jobs, e))
		return ST_ERR;
	enum status st = ST_OK;
	if (options_flag(&c->options, "all"))
		st = deployed(c, &jobs, out, e);
	for (uint32_t i = 0; st == ST_OK && i < c->options.nargs; i++)
		st = named(c, &jobs, c->options.args[i], out, e);
	control_jobs_release(&jobs);
	return st;
}

// ---- by what is in a folder ----

static int conf_cmp(const void *a, const void *b)
{
	const struct export_conf *x = a, *y = b;
	int order = strcmp(x->view, y->view);
	return order ? order : x->version < y->version ? -1 : x->version > y->version;
}

static enum status versions_found(
        struct cli *c, const char *view, struct export_views *out, struct error *e)
{
	struct export_conf conf = conf_of(c, view);
	int64_t n, wanted = options_number(&c->options, "view-version");
	DIR *d = opendir(arena_printf(&out->arena, "%s/%s", conf.dir, view));
	enum status st = ST_OK;
	for (const struct dirent *f; d && st == ST_OK && (f = readdir(d));) {
		if (f->d_name[0] != 'v' ||
		        !num_parse_int(f->d_name + 1, strlen(f->d_name + 1), &n) || n < 1 ||
		        n > UINT32_MAX || (wanted && n != wanted))
			continue;
		conf.version = (uint32_t)n;
		if (access(arena_printf(&out->arena, "%s/%s/%s/_export.json", conf.dir,
		                   view, f->d_name),
		            F_OK) == 0)
			st = add(out, &conf, e);
	}
	if (d)
		closedir(d);
	return st;
}

enum status export_views_found(struct cli *c, struct export_views *out, struct error *e)
{
	const char *dir = options_text(&c->options, "to");
	enum status st = ST_OK;
	list_init(out);
	for (uint32_t i = 0; st == ST_OK && i < c->options.nargs; i++)
		st = versions_found(c, c->options.args[i], out, e);
	DIR *d = c->options.nargs ? NULL : opendir(dir);
	for (const struct dirent *f; d && st == ST_OK && (f = readdir(d));)
		if (f->d_name[0] != '.')
			st = versions_found(
			        c, arena_strdup(&out->arena, f->d_name), out, e);
	if (d)
		closedir(d);
	if (st)
		return st;
	if (!out->n)
		return error_set(e, ERR_USER, 0, "%s has no export of %s", dir,
		        c->options.nargs ? c->options.args[0] : "any view");
	qsort(out->items, out->n, sizeof *out->items, conf_cmp);
	return ST_OK;
}
