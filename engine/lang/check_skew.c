// SPDX-License-Identifier: Apache-2.0
//
// `skew` of a monitor: which columns of the predictions were served from which features of a
// view of the same job, and what counts as the same value.
// Not here: comparing (operators/monitor/skew_join.c).
#include <math.h>
#include <string.h>

#include "lang/check.h"

#define SKEW_COLUMNS_MAX 256
#define SKEW_TOLERANCE 1e-9
#define SKEW_WITHIN_MS_MIN 1

struct skew_check {
	struct monitor *m;
	struct monitor_skew *k;
	const struct source *s;
	const struct view *v; /* NULL: view was wrong */
};

static void read_view(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct skew_check *sc = object;
	const char *name = check_text(c, key, v);
	if (!name)
		return;
	struct suggest near = suggest_for(v->text);
	for (uint32_t i = 0; i < c->job->nviews; i++) {
		if (strcmp(c->job->views[i].name, name) == 0) {
			sc->k->view = i;
			sc->v = &c->job->views[i];
			return;
		}
		suggest_offer(&near, c->job->views[i].name);
	}
	check_error(c, v, near.best,
	        "this job has no view '%.60s': a monitor compares with a view of its own job",
	        name);
}

static int column_at(struct check *c, struct skew_check *sc, const struct yaml_node *v)
{
	int field = check_column(c, sc->s, v);
	if (field < 0)
		return -1;
	sc->s->used[field] = true;
	sc->m->used[field] = true;
	return field;
}

/* -- the entity -- */

static bool same_key(const struct type *a, const struct type *b)
{
	return (type_is_text(a) && type_is_text(b)) ||
	       (type_is_integer(a) && type_is_integer(b)) || type_equal(a, b);
}

static void entity_fits(struct check *c, struct skew_check *sc, const struct yaml_node *at,
        uint32_t i, int field)
{
	char a[TYPE_NAME_MAX], b[TYPE_NAME_MAX];
	const struct field *of =
	        &c->job->sources[sc->v->source].schema->fields[sc->v->entity[i]];
	const struct field *f = &sc->s->schema->fields[field];
	if (!same_key(&f->type, &of->type))
		check_error(c, at, NULL,
		        "'%s' is a %s, the view's entity column '%s' a %s: they never match",
		        f->name, type_name(&f->type, a), of->name, type_name(&of->type, b));
	sc->k->entity[i] = (uint32_t)field;
}

static void read_entity(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct skew_check *sc = object;
	uint32_t n = v->kind == YAML_LIST ? v->n : 1;
	if (v->kind == YAML_MAP || yaml_is_null(v)) {
		check_error(c, v->kind == YAML_MAP ? v : key, NULL,
		        "'entity' needs a list of columns");
		return;
	}
	if (!sc->v)
		return;
	if (n != sc->v->nentity) {
		check_error(c, v, NULL,
		        "the entity of view '%s' has %u column%s: name as many, in its order",
		        sc->v->name, sc->v->nentity, sc->v->nentity == 1 ? "" : "s");
		return;
	}
	sc->k->entity = arena_calloc(c->a, n, sizeof *sc->k->entity);
	for (uint32_t i = 0; i < n; i++) {
		const struct yaml_node *item = v->kind == YAML_LIST ? v->items[i] : v;
		int field = column_at(c, sc, item);
		if (field >= 0)
			entity_fits(c, sc, item, i, field);
	}
}

/* Columns of the same names. */
static void entity_usual(struct check *c, struct skew_check *sc, const struct yaml_node *key)
{
	const struct source *of = &c->job->sources[sc->v->source];
	sc->k->entity = arena_calloc(c->a, sc->v->nentity, sizeof *sc->k->entity);
	for (uint32_t i = 0; i < sc->v->nentity; i++) {
		const char *name = of->schema->fields[sc->v->entity[i]].name;
		int field = names_find(&c->columns[sc->s - c->job->sources], slice_of(name));
		if (field < 0) {
			check_error(c, key, NULL,
			        "source '%s' has no column '%s', the entity of view '%s': name "
			        "it with 'entity'",
			        sc->s->name, name, sc->v->name);
			return;
		}
		sc->s->used[field] = sc->m->used[field] = true;
		entity_fits(c, sc, key, i, field);
	}
}

/* -- features -- */

static bool whole(const struct type *t)
{
	return type_form(t) == FORM_I64 && t->kind != KIND_BOOLEAN;
}

/* Whether equal values of both can be told. */
static bool comparable(const struct type *served, const struct type *made)
{
	if (served->kind == KIND_ARRAY || served->kind == KIND_MAP)
		return false;
	if (type_is_number(served) && type_is_number(made))
		return true;
	if (type_is_text(served) && type_is_text(made))
		return true;
	if (whole(served) && whole(made)) /* a time as it is in the online store */
		return served->kind == made->kind || type_is_integer(served) ||
		       type_is_integer(made);
	return served->kind == made->kind;
}

static int feature_named(struct check *c, struct skew_check *sc, const struct yaml_node *at)
{
	struct suggest near = suggest_for(at->text);
	for (uint32_t i = 0; at->kind == YAML_SCALAR && i < sc->v->nfeatures; i++) {
		if (slice_eq(at->text, slice_of(sc->v->features[i].name)))
			return (int)i;
		suggest_offer(&near, sc->v->features[i].name);
	}
	if (at->kind != YAML_SCALAR || yaml_is_null(at))
		check_error(c, at, NULL, "the name of a feature is expected here");
	else
		check_error(c, at, near.best, "view '%s' has no feature '%.*s'", sc->v->name,
		        at->text.len > 60 ? 60 : (int)at->text.len, (const char *)at->text.p);
	return -1;
}

static void pair_add(struct check *c, struct skew_check *sc, const struct yaml_node *served,
        const struct yaml_node *feature)
{
	char a[TYPE_NAME_MAX], b[TYPE_NAME_MAX];
	int field = column_at(c, sc, served), of = feature_named(c, sc, feature);
	if (field < 0 || of < 0)
		return;
	const struct type *s = &sc->s->schema->fields[field].type;
	const struct type *made = &sc->v->features[of].type;
	for (uint32_t i = 0; i < sc->m->ncolumns; i++)
		if (sc->m->columns[i] == (uint32_t)field) {
			check_error(c, served, NULL, "this column is here already");
			return;
		}
	if (!comparable(s, made)) {
		check_error(c, served, NULL,
		        "'%s' is a %s, the feature '%s' a %s: they cannot be "
		        "compared",
		        sc->s->schema->fields[field].name, type_name(s, a),
		        sc->v->features[of].name, type_name(made, b));
		return;
	}
	sc->m->columns[sc->m->ncolumns] = (uint32_t)field;
	sc->k->features[sc->m->ncolumns++] = (uint32_t)of;
}

static void read_features(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	struct skew_check *sc = object;
	if ((v->kind == YAML_SCALAR && !v->text.len) || (v->kind != YAML_SCALAR && !v->n) ||
	        yaml_is_null(v)) {
		check_error(c, key, NULL,
		        "'features' needs served columns and their features, like "
		        "{delay_served: mean_delay}, or a list of names that are alike");
		return;
	}
	if (!sc->v)
		return;
	uint32_t n = v->kind == YAML_SCALAR ? 1 : v->n;
	if (n > SKEW_COLUMNS_MAX) {
		check_error(c, v->items[SKEW_COLUMNS_MAX], NULL,
		        "'features' has at most %d columns", SKEW_COLUMNS_MAX);
		n = SKEW_COLUMNS_MAX;
	}
	sc->m->columns = arena_calloc(c->a, n, sizeof *sc->m->columns);
	sc->k->features = arena_calloc(c->a, n, sizeof *sc->k->features);
	for (uint32_t i = 0; i < n; i++) {
		const struct yaml_node *feature = v->kind == YAML_SCALAR ? v : v->items[i];
		pair_add(c, sc, v->kind == YAML_MAP ? v->keys[i] : feature, feature);
	}
}

/* -- what is the same -- */

static void read_tolerance(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_number(c, key, v, 0, 1, &((struct skew_check *)object)->k->tolerance);
}

static void read_within(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	check_duration(
	        c, key, v, SKEW_WITHIN_MS_MIN, &((struct skew_check *)object)->k->within_ms);
}

static void read_known_at(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	bool yes = v->kind == YAML_SCALAR && slice_eq(v->text, slice_of("true"));
	if (!yes && !(v->kind == YAML_SCALAR && slice_eq(v->text, slice_of("false"))))
		check_error(c, yaml_is_null(v) ? key : v, NULL, "'known_at' is true or false");
	((struct skew_check *)object)->k->known_at = yes;
}

const struct key skew_keys[] = {
        {"view", "view", NULL, "The view of this job that computes the features.", true,
                read_view},
        {"entity", "columns", "of the same names",
                "The predictions' columns that hold the view's entity, in its order.", false,
                read_entity},
        {"features", "map or list", NULL,
                "Served columns and the features they were served from, `{served: feature}`; "
                "or "
                "names that are alike.",
                true, read_features},
        {"tolerance", "number", "1e-9",
                "Relative difference at which two numbers still agree, when one of them is a "
                "float, a double or a decimal; all else agrees when it is the same.",
                false, read_tolerance},
        {"within", "duration", "none",
                "A value agrees too when it was the right one at any time so long before the "
                "prediction: what the way to the online store takes.",
                false, read_within},
        {"known_at", "true or false", "false",
                "Only rows that were known at the prediction's time. For streams whose Kafka "
                "timestamps are of the same clock as their event times.",
                false, read_known_at},
        {NULL, NULL, NULL, NULL, false, NULL},
};

void check_skew(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        struct monitor *m, const struct source *s)
{
	struct skew_check sc = {.m = m, .s = s, .k = arena_calloc(c->a, 1, sizeof *sc.k)};
	sc.k->tolerance = SKEW_TOLERANCE;
	m->skew = sc.k;
	check_map(c, key, v, skew_keys, &sc, "'skew'");
	if (sc.v && !yaml_get(v, "entity"))
		entity_usual(c, &sc, key);
}
