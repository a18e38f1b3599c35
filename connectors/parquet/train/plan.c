// SPDX-License-Identifier: Apache-2.0
//
// From "view:feature" to columns of files. Every name that is not there gets the nearest one
// that is. Not here: which files an earlier run used (again.c), reading rows.
#include "connectors/parquet/train/plan.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/options.h"
#include "connectors/parquet/files.h"
#include "connectors/parquet/train/spine.h"
#include "lang/civil.h"
#include "lang/suggest.h"

#define HEAD_COLUMNS 4 /* event_time, known_at, source_partition, source_offset */

int plan_column_find(const struct plan_column *c, uint32_t n, const char *name)
{
	int near = -1;
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(c[i].name, name) == 0)
			return (int)i;
		if (near < 0 && strcasecmp(c[i].name, name) == 0)
			near = (int)i;
	}
	return near;
}

enum status plan_describe(struct plan *p, struct duck *d, const char *query, const char *what,
        struct plan_column **out, uint32_t *n, struct error *e)
{
	struct buf b = {0};
	duckdb_result r = {0};
	buf_printf(&b, "DESCRIBE %s", query);
	enum status st = duck_query(d, buf_cstr(&b), what, &r, e);
	*n = st ? 0 : (uint32_t)duckdb_row_count(&r);
	if (*n > TRAIN_COLUMNS_MAX)
		st = error_set(
		        e, ERR_USER, 0, "%s: more than %d columns", what, TRAIN_COLUMNS_MAX);
	*out = arena_calloc(p->arena, *n + 1, sizeof **out);
	for (uint32_t i = 0; st == ST_OK && i < *n; i++) {
		char *name = duckdb_value_varchar(&r, 0, i),
		     *type = duckdb_value_varchar(&r, 1, i);
		(*out)[i] = (struct plan_column){
		        arena_strdup(p->arena, name), arena_strdup(p->arena, type)};
		duckdb_free(name);
		duckdb_free(type);
	}
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st;
}

void plan_files_sql(const struct plan_view *v, const bool *pick, struct buf *b)
{
	const char *comma = "";
	buf_str(b, "read_parquet([");
	for (uint32_t i = 0; i < v->nfiles; i++) {
		if (pick && !pick[i])
			continue;
		buf_str(b, comma);
		duck_text(b, v->files[i].path);
		comma = ",";
	}
	buf_str(b, "], hive_partitioning = false)");
}

static enum status unknown(struct error *e, const char *what, const char *wrong,
        const char *where, const struct suggest *s)
{
	return error_set(e, ERR_USER, 0, "%s has no %s %s%s%s%s", where, what, wrong,
	        s->best ? "; did you mean " : "", s->best ? s->best : "", s->best ? "?" : "");
}

// ---- views ----

static int64_t version_of(const char *name)
{
	int64_t n;
	return name[0] == 'v' && num_parse_int(name + 1, strlen(name + 1), &n) && n > 0 &&
	                       n <= UINT32_MAX
	               ? n
	               : 0;
}

static enum status no_view(struct plan *p, const char *view, struct error *e)
{
	const char *data = p->conf->data;
	struct suggest s = suggest_for(slice_of(view));
	DIR *d = opendir(data);
	if (!d)
		return error_set(e, ERR_USER, 0,
		        "--data %s cannot be read: it is the folder that weir export wrote to",
		        data);
	for (const struct dirent *f; (f = readdir(d));)
		if (f->d_name[0] != '.')
			suggest_offer(&s, arena_strdup(p->arena, f->d_name));
	closedir(d);
	return unknown(e, "export of view", view, data, &s);
}

/* The newest version that was exported. */
static enum status newest(struct plan *p, const char *view, uint32_t *version, struct error *e)
{
	DIR *d = opendir(arena_printf(p->arena, "%s/%s", p->conf->data, view));
	*version = 0;
	if (!d)
		return no_view(p, view, e);
	for (const struct dirent *f; (f = readdir(d));) {
		int64_t v = version_of(f->d_name);
		if (v > *version)
			*version = (uint32_t)v;
	}
	closedir(d);
	return *version ? ST_OK : no_view(p, view, e);
}

static int64_t day_of(const char *path)
{
	int64_t us;
	const char *slash = strchr(path, '/');
	uint32_t n = slash ? (uint32_t)(slash - path) : 0;
	if (n > 3 && civil_parse((struct slice){(const uint8_t *)path + 3, n - 3}, &us))
		return us / (DAY_MS * 1000);
	return PLAN_NO_DAY;
}

static int file_cmp(const void *a, const void *b)
{
	return strcmp(((const struct plan_file *)a)->path, ((const struct plan_file *)b)->path);
}

static void files_list(struct plan *p, struct plan_view *v)
{
	uint32_t n = 0;
	for (int32_t i = 0; i < v->manifest.npartitions; i++)
		n += v->manifest.partitions[i].nfiles;
	v->files = arena_calloc(p->arena, n + 1, sizeof *v->files);
	for (int32_t i = 0; i < v->manifest.npartitions; i++)
		for (uint32_t k = 0; k < v->manifest.partitions[i].nfiles; k++) {
			const struct manifest_file *f = &v->manifest.partitions[i].files[k];
			v->files[v->nfiles++] = (struct plan_file){
			        arena_printf(p->arena, "%s/%s", v->dir, f->path),
			        day_of(f->path), f->rows};
			v->rows += f->rows;
		}
	/* In an order of its own: which file comes first must not hang on partitions. */
	qsort(v->files, v->nfiles, sizeof *v->files, file_cmp);
}

void plan_files_again(struct plan *p)
{
	for (uint32_t i = 0; i < p->nviews; i++) {
		p->views[i].nfiles = 0;
		p->views[i].rows = 0;
		files_list(p, &p->views[i]);
	}
}

static enum status view_columns(
        struct plan *p, struct plan_view *v, struct duck *d, struct error *e)
{
	struct buf b = {0};
	buf_str(&b, "FROM read_parquet(");
	duck_text(&b, v->files[0].path);
	buf_str(&b, ", hive_partitioning = false)");
	enum status st = plan_describe(
	        p, d, buf_cstr(&b), "reading the export", &v->columns, &v->ncolumns, e);
	buf_release(&b);
	if (st)
		return st;
	int at = plan_column_find(v->columns, v->ncolumns, "event_time");
	if (at < 1 || at > PLAN_ENTITY_MAX || (uint32_t)at + HEAD_COLUMNS > v->ncolumns)
		return error_set(e, ERR_USER, 0, "%s has not the columns of an export",
		        v->files[0].path);
	v->nentity = (uint32_t)at;
	return ST_OK;
}

static enum status view_load(
        struct plan *p, struct plan_view *v, struct duck *d, struct error *e)
{
	v->dir = arena_printf(p->arena, "%s/%s/v%" PRIu32, p->conf->data, v->name, v->version);
	manifest_init(&v->manifest, v->dir);
	if (manifest_load(&v->manifest, e))
		return ST_ERR;
	if (!v->manifest.loaded)
		return error_set(e, ERR_USER, 0,
		        "%s has no " MANIFEST_NAME ": weir export writes it beside the files",
		        v->dir);
	v->ttl_ms = v->manifest.about.ttl_ms;
	files_list(p, v);
	if (!v->nfiles)
		return error_set(e, ERR_USER, 0,
		        "%s has no rows: export it again when the view "
		        "has some",
		        v->dir);
	return view_columns(p, v, d, e);
}

/* "view" or "view.v2" as a view of the plan. */
static enum status view_take(struct plan *p, struct duck *d, const char *text,
        struct plan_view **out, struct error *e)
{
	char *name = arena_strdup(p->arena, text), *dot = strrchr(name, '.');
	uint32_t version = dot ? (uint32_t)version_of(dot + 1) : 0;
	if (version)
		*dot = 0;
	if (!*name || strchr(name, '/') || name[0] == '.')
		return error_set(e, ERR_USER, 0, "\"%s\" is no name of a view", text);
	for (uint32_t i = 0; i < p->nviews; i++) {
		*out = &p->views[i];
		if (strcmp((*out)->name, name) != 0)
			continue;
		if (version && (*out)->version != version)
			return error_set(e, ERR_USER, 0,
			        "two versions of %s: take one, the columns would have the same "
			        "names",
			        name);
		return ST_OK;
	}
	if (p->nviews == TRAIN_VIEWS_MAX)
		return error_set(e, ERR_USER, 0, "more than %d views", TRAIN_VIEWS_MAX);
	if (!version && newest(p, name, &version, e))
		return ST_ERR;
	*out = &p->views[p->nviews];
	**out = (struct plan_view){.name = name, .version = version};
	(*out)->age = arena_printf(p->arena, "%s___age_ms", name);
	p->nviews++;
	return view_load(p, *out, d, e);
}

// ---- features ----

static void feature_add(struct plan *p, struct plan_view *v, const char *name)
{
	for (uint32_t i = 0; i < v->nfeatures; i++)
		if (strcmp(v->features[i].name, name) == 0)
			return;
	if (!v->features)
		v->features = arena_calloc(p->arena, v->ncolumns, sizeof *v->features);
	v->features[v->nfeatures++] =
	        (struct plan_feature){name, arena_printf(p->arena, "%s__%s", v->name, name)};
}

static enum status features_add(
        struct plan *p, struct plan_view *v, const char *name, struct error *e)
{
	uint32_t first = v->nentity + HEAD_COLUMNS;
	const struct plan_column *c = v->columns + first;
	uint32_t n = v->ncolumns - first;
	if (strcmp(name, "*") == 0) {
		for (uint32_t i = 0; i < n; i++)
			feature_add(p, v, c[i].name);
		return ST_OK;
	}
	int at = plan_column_find(c, n, name);
	if (at >= 0) {
		feature_add(p, v, c[at].name);
		return ST_OK;
	}
	struct suggest s = suggest_for(slice_of(name));
	for (uint32_t i = 0; i < n; i++)
		suggest_offer(&s, c[i].name);
	return unknown(e, "feature", name,
	        arena_printf(p->arena, "view %s v%" PRIu32, v->name, v->version), &s);
}

static enum status feature_text(struct plan *p, struct duck *d, char *text, struct error *e)
{
	char *colon = strchr(text, ':');
	struct plan_view *v = NULL;
	if (!colon || colon == text || !colon[1])
		return error_set(e, ERR_USER, 0,
		        "\"%s\" is no feature: write view:feature, or view:* for all of a view",
		        text);
	*colon = 0;
	return view_take(p, d, text, &v, e) ? ST_ERR : features_add(p, v, colon + 1, e);
}

static enum status features_take(struct plan *p, struct duck *d, struct error *e)
{
	for (uint32_t i = 0; i < p->conf->nfeatures; i++) {
		char *rest = arena_strdup(p->arena, p->conf->features[i]);
		for (char *at; (at = strsep(&rest, ", ")) != NULL;)
			if (*at && feature_text(p, d, at, e))
				return ST_ERR;
	}
	if (!p->nviews)
		return error_set(e, ERR_USER, 0, "--features names none");
	return ST_OK;
}

// ---- entities, ttls ----

static struct plan_view *view_named(struct plan *p, const char *name, size_t n)
{
	for (uint32_t i = 0; i < p->nviews; i++)
		if (strlen(p->views[i].name) == n && strncmp(p->views[i].name, name, n) == 0)
			return &p->views[i];
	return NULL;
}

static enum status not_a_view(
        struct plan *p, const char *option, const char *text, const char *name, struct error *e)
{
	struct suggest s = suggest_for(slice_of(name));
	for (uint32_t i = 0; i < p->nviews; i++)
		suggest_offer(&s, p->views[i].name);
	return unknown(
	        e, "view", name, arena_printf(p->arena, "%s %s: --features", option, text), &s);
}

/* "[view:]column=spine column" */
static enum status entity_map(struct plan *p, const char *text, struct error *e)
{
	char *view = NULL, *column = arena_strdup(p->arena, text);
	char *equals = strchr(column, '='), *colon = strchr(column, ':');
	bool any = false;
	if (!equals || equals == column || !equals[1])
		return error_set(e, ERR_USER, 0,
		        "--entity %s: write column=SPINE-COLUMN or view:column=SPINE-COLUMN",
		        text);
	*equals = 0;
	if (colon && colon < equals) {
		*colon = 0;
		view = column;
		column = colon + 1;
		if (!view_named(p, view, strlen(view)))
			return not_a_view(p, "--entity", text, view, e);
	}
	for (uint32_t i = 0; i < p->nviews; i++) {
		struct plan_view *v = &p->views[i];
		int at = plan_column_find(v->columns, v->nentity, column);
		if ((view && strcmp(view, v->name) != 0) || at < 0)
			continue;
		any = true;
		if (view || !v->keys[at])
			v->keys[at] = equals + 1;
	}
	return any ? ST_OK
	           : error_set(e, ERR_USER, 0, "--entity %s: no view has the entity column %s",
	                     text, column);
}

static enum status key_check(
        struct plan *p, const struct plan_view *v, uint32_t i, struct error *e)
{
	if (plan_column_find(p->spine, p->nspine, v->keys[i]) >= 0)
		return ST_OK;
	struct suggest s = suggest_for(slice_of(v->keys[i]));
	for (uint32_t k = 0; k < p->nspine; k++)
		suggest_offer(&s, p->spine[k].name);
	return error_set(e, ERR_USER, 0,
	        "the spine has no column %s, which view %s is keyed by%s%s%s. "
	        "--entity %s:%s=COLUMN says which column holds it",
	        v->keys[i], v->name, s.best ? "; did you mean " : "", s.best ? s.best : "",
	        s.best ? "?" : "", v->name, v->columns[i].name);
}

static enum status entities_take(struct plan *p, struct error *e)
{
	for (uint32_t i = 0; i < p->conf->nentities; i++)
		if (entity_map(p, p->conf->entities[i], e))
			return ST_ERR;
	for (uint32_t i = 0; i < p->nviews; i++)
		for (uint32_t k = 0; k < p->views[i].nentity; k++) {
			struct plan_view *v = &p->views[i];
			if (!v->keys[k])
				v->keys[k] = v->columns[k].name;
			if (key_check(p, v, k, e))
				return ST_ERR;
		}
	return ST_OK;
}

static enum status ttls_take(struct plan *p, struct error *e)
{
	for (uint32_t i = 0; i < p->conf->nttls; i++) {
		const char *text = p->conf->ttls[i], *equals = strchr(text, '=');
		size_t n = equals ? (size_t)(equals - text) : 0;
		struct plan_view *v = view_named(p, text, n);
		if (!equals)
			return error_set(e, ERR_USER, 0, "--ttl %s: write view=DURATION", text);
		if (!v)
			return not_a_view(
			        p, "--ttl", text, arena_strndup(p->arena, text, n), e);
		if (strcmp(equals + 1, "none") == 0)
			v->ttl_ms = 0;
		else if (!option_parse_duration(equals + 1, &v->ttl_ms) || v->ttl_ms <= 0)
			return error_set(e, ERR_USER, 0,
			        "--ttl %s: \"%s\" is no duration, such as 30d, 24h, or none",
			        text, equals + 1);
	}
	return ST_OK;
}

// ---- the whole ----

static enum status label_take(struct plan *p, struct error *e)
{
	p->label = -1;
	if (!p->conf->label)
		return ST_OK;
	p->label = plan_column_find(p->spine, p->nspine, p->conf->label);
	if (p->label >= 0)
		return ST_OK;
	struct suggest s = suggest_for(slice_of(p->conf->label));
	for (uint32_t k = 0; k < p->nspine; k++)
		suggest_offer(&s, p->spine[k].name);
	return unknown(e, "column", p->conf->label, "--label: the spine", &s);
}

static int name_cmp(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every column of the output has a name of its own. */
static enum status names_check(struct plan *p, struct error *e)
{
	uint32_t n = p->nspine;
	for (uint32_t i = 0; i < p->nviews; i++)
		n += p->views[i].nfeatures + 1;
	if (n > TRAIN_COLUMNS_MAX)
		return error_set(e, ERR_USER, 0, "%" PRIu32 " columns are more than %d", n,
		        TRAIN_COLUMNS_MAX);
	const char **names = arena_calloc(p->arena, n, sizeof *names);
	uint32_t at = 0;
	for (uint32_t i = 0; i < p->nspine; i++)
		names[at++] = p->spine[i].name;
	for (uint32_t i = 0; i < p->nviews; i++) {
		for (uint32_t k = 0; k < p->views[i].nfeatures; k++)
			names[at++] = p->views[i].features[k].out;
		names[at++] = p->views[i].age;
	}
	qsort(names, n, sizeof *names, name_cmp);
	for (uint32_t i = 1; i < n; i++)
		if (strcasecmp(names[i - 1], names[i]) == 0)
			return error_set(e, ERR_USER, 0,
			        "two columns would be called %s: rename the spine's, or leave "
			        "one "
			        "of the features out",
			        names[i]);
	return ST_OK;
}

enum status plan_make(struct plan *p, struct duck *d, struct error *e)
{
	if (features_take(p, d, e) || spine_describe(p, d, e) || entities_take(p, e) ||
	        ttls_take(p, e) || spine_time(p, e))
		return ST_ERR;
	/* Of a CSV it is known only now which columns are not what they look like. */
	if (p->csv && spine_describe(p, d, e))
		return ST_ERR;
	return label_take(p, e) || names_check(p, e) ? ST_ERR : ST_OK;
}

void plan_release(struct plan *p)
{
	for (uint32_t i = 0; i < p->nviews; i++)
		manifest_release(&p->views[i].manifest);
	p->nviews = 0;
}
