// SPDX-License-Identifier: Apache-2.0
//
// Views: their keys, and what they say about a row. Expressions are check_feature.c's.
#include "lang/check.h"

#include <stdio.h>

#define SHARDS_MAX 1024
#define VERSION_MAX 1000000

struct view_check {
	struct view *v;
	const struct source *s;    /* NULL: from was wrong */
	struct features *features; /* NULL as well */
	const struct yaml_node *map;
};

static void read_from(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct view_check *vc = object;
	vc->s = check_source_named(c, key, v, &vc->v->source);
	if (!vc->s)
		return;
	vc->v->used = arena_calloc(c->a, vc->s->schema->nfields, sizeof *vc->v->used);
	vc->features = features_new(c, vc->v, vc->s, yaml_get(vc->map, "features"));
}

static bool can_be_entity(const struct type *t)
{
	return t->kind != KIND_FLOAT && t->kind != KIND_DOUBLE && t->kind != KIND_ARRAY &&
	       t->kind != KIND_MAP;
}

static void add_entity(struct check *c, struct view_check *vc, const struct yaml_node *v)
{
	struct view *view = vc->v;
	char name[TYPE_NAME_MAX];
	int field = check_column(c, vc->s, v);
	if (field < 0)
		return;
	const struct type *t = &vc->s->schema->fields[field].type;
	if (!can_be_entity(t)) {
		check_error(c, v, NULL, "an entity column cannot be a %s", type_name(t, name));
		return;
	}
	for (uint32_t i = 0; i < view->nentity; i++)
		if (view->entity[i] == (uint32_t)field) {
			check_error(c, v, NULL, "this column is in the entity already");
			return;
		}
	view->entity[view->nentity++] = (uint32_t)field;
	vc->s->used[field] = true;
	view->used[field] = true;
}

static void read_entity(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct view_check *vc = object;
	if (v->kind == YAML_MAP || yaml_is_null(v) || (v->kind == YAML_LIST && !v->n)) {
		check_error(c, v->kind == YAML_SCALAR ? key : v, NULL,
		        "'entity' needs a list of columns, like [tailnum]");
		return;
	}
	if (!vc->s)
		return;
	uint32_t n = v->kind == YAML_LIST ? v->n : 1;
	if (n > ENTITY_FIELDS_MAX) {
		check_error(c, v->items[ENTITY_FIELDS_MAX], NULL,
		        "an entity has at most %d columns", ENTITY_FIELDS_MAX);
		n = ENTITY_FIELDS_MAX;
	}
	vc->v->entity = arena_alloc(c->a, n * sizeof *vc->v->entity);
	for (uint32_t i = 0; i < n; i++)
		add_entity(c, vc, v->kind == YAML_LIST ? v->items[i] : v);
}

static void read_where(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct view_check *vc = object;
	if (v->kind != YAML_SCALAR || yaml_is_null(v))
		check_error(
		        c, v->kind == YAML_SCALAR ? key : v, NULL, "'where' needs a condition");
	else if (vc->features)
		features_where(vc->features, v);
}

static void read_version(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int64_t n;
	if (check_integer(c, key, v, 1, VERSION_MAX, &n))
		((struct view_check *)object)->v->version = (uint32_t)n;
}

static void read_owner(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	((struct view_check *)object)->v->owner = check_text(c, key, v);
}

static void read_description(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	((struct view_check *)object)->v->description = check_text(c, key, v);
}

static void read_ttl(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 1000, &((struct view_check *)object)->v->ttl_ms);
}

static void read_expiry(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct view *view = ((struct view_check *)object)->v;
	const char *word = check_text(c, key, v);
	if (!word)
		return;
	view->expiry = strcmp(word, "emit") == 0;
	if (view->expiry || strcmp(word, "none") == 0)
		return;
	struct suggest near = suggest_for(v->text);
	suggest_offer(&near, "emit");
	suggest_offer(&near, "none");
	check_error(c, v, near.best, "'expiry' is emit or none");
}

static void read_forget(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 1000, &((struct view_check *)object)->v->forget_ms);
}

static void read_freshness(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 1000, &((struct view_check *)object)->v->freshness_ms);
}

static void read_shards(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	int64_t n;
	if (check_integer(c, key, v, 1, SHARDS_MAX, &n))
		((struct view_check *)object)->v->shards = (uint32_t)n;
}

static void read_retention(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(c, key, v, 3600 * 1000,
	        &((struct view_check *)object)->v->offline_retention_ms);
}

static void layout_set(
        struct check *c, struct view *view, const struct yaml_node *v, const char *word)
{
	struct suggest near = suggest_for(v->text);
	view->blocks = strcmp(word, "blocks") == 0;
	if (view->blocks || strcmp(word, "rows") == 0)
		return;
	suggest_offer(&near, "rows");
	suggest_offer(&near, "blocks");
	check_error(c, v, near.best, "the layout of an offline topic is rows or blocks");
}

static void read_layout(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	const char *word = check_text(c, key, v);
	if (word)
		layout_set(c, ((struct view_check *)object)->v, v, word);
}

const struct key offline_keys[] = {
        {"layout", "rows or blocks", "rows",
                "rows: each update is a record of its own. blocks: the rows of one partition and "
                "epoch share records, which costs the engine and the brokers less; see Formats.",
                false, read_layout},
        {"retention", "duration", "for ever",
                "Rows older than this are deleted from the offline topic.", false,
                read_retention},
        {NULL, NULL, NULL, NULL, false, NULL},
};

static void read_offline(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	if (v->kind == YAML_SCALAR)
		read_layout(c, object, key, v);
	else
		check_map(c, key, v, offline_keys, object, "'offline'");
}

static void read_features(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct view_check *vc = object;
	if (v->kind != YAML_MAP || !v->n)
		check_error(c, v->kind == YAML_LIST ? v : key, NULL,
		        "'features' needs at least one line like `flights_7d: count() over "
		        "7d`");
	else if (vc->features)
		features_read(vc->features, v);
}

const struct key view_keys[] = {
        {"from", "source", NULL, "The source whose events are taken.", true, read_from},
        {"entity", "columns", NULL,
                "What a row is about: columns of the source. An event with a null there gives "
                "no row.",
                true, read_entity},
        {"join", "map", NULL, "Tables to join as of the event's time. Not supported yet.",
                false, check_not_yet},
        {"where", "condition", NULL, "Only events for which this is true.", false, read_where},
        {"version", "integer", "1", "A changed plan needs another version.", false,
                read_version},
        {"owner", "text", NULL, "Who answers for it.", false, read_owner},
        {"description", "text", NULL, "What it is.", false, read_description},
        {"ttl", "duration", "none",
                "Online rows expire after this; point-in-time joins look no further back.",
                false, read_ttl},
        {"expiry", "emit or none", "emit",
                "Whether rows are emitted when time empties a window.", false, read_expiry},
        {"forget", "duration", "never",
                "A view with lifetime features drops an entity that is silent for this long.",
                false, read_forget},
        {"freshness", "duration", "no promise",
                "The promise; its breach is a metric and an alert.", false, read_freshness},
        {"shards", "integer", "the larger of 12 and the source's partitions",
                "Partitions of the repartition topic; fixed for life.", false, read_shards},
        {"offline", "rows, blocks or map", "rows", "The offline topic: its layout, or see Offline.",
                false, read_offline},
        {"features", "map", NULL, "Name and expression of each feature.", true, read_features},
        {NULL, NULL, NULL, NULL, false, NULL},
};

void check_view(struct check *c, const struct yaml_node *key, const struct yaml_node *map)
{
	struct view *v = &c->job->views[c->job->nviews++];
	*v = (struct view){.version = 1, .where = -1, .expiry = true};
	const char *name = check_name(c, key, false, "view");
	v->name = name ? name : arena_strndup(c->a, (const char *)key->text.p, key->text.len);
	v->line = yaml_line(&c->doc, key->start);
	struct view_check vc = {.v = v, .map = map};
	check_map(c, key, map, view_keys, &vc, arena_printf(c->a, "view '%.60s'", v->name));
	if (vc.features)
		features_finish(vc.features, key);
}
