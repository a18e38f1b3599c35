// SPDX-License-Identifier: Apache-2.0
//
// The features of a view. Two programs come out: the input program over the source's columns
// (the view's where, the aggregates' arguments and conditions) and the row program over the
// results of the aggregate calls. Calls that print the same are one call.
//
// A name means a column of the source inside an aggregate and in the view's where, and a
// feature further up everywhere else: an event's columns are gone by the time a row is made.
#include "lang/check.h"

#include <stdio.h>
#include <strings.h>

#include "lang/duration.h"
#include "lang/habits.h"

enum feature_state { FEATURE_BELOW, FEATURE_HERE, FEATURE_BAD, FEATURE_GOOD };

struct entry {
	struct slice name; /* of the file */
	const struct yaml_node *key;
	enum feature_state state;
	int reg; /* of the row program, when good */
};

struct features {
	struct check *c;
	struct view *v;
	const struct source *s;
	struct builder *input, *row;
	struct scope columns, rows;
	const struct names *fields; /* the source's columns */
	struct entry *entries;
	struct names names; /* of the entries */
	uint32_t nentries;
	const char *where_text;
	bool in_aggregate; /* else in the view's where: which word an error uses */
};

/* ---- names */

static const struct entry *entry_find(const struct features *f, struct slice name)
{
	int i = names_find(&f->names, name);
	return i < 0 ? NULL : &f->entries[i];
}

static int column_reg(struct features *f, struct builder *b, int field)
{
	const struct field *fd = &f->s->schema->fields[field];
	f->s->used[field] = true;
	f->v->used[field] = true;
	return builder_input(b, (uint32_t)field, &fd->type, fd->nullable);
}

static void offer_columns(const struct features *f, struct suggest *s)
{
	for (size_t i = 0; i < f->s->schema->nfields; i++)
		suggest_offer(s, f->s->schema->fields[i].name);
}

#define SHORT(e) (e)->text.len > 60 ? 60 : (int)(e)->text.len, (const char *)(e)->text.p

/* What to suggest for a name that means nothing. */
static const char *foreign_name(const struct expr *e, const char *near)
{
	const char *keyword = habit_keyword(e->text);
	return habit_clock(e->text) ? NULL : keyword ? keyword : near;
}

static int column_name(void *arg, struct compiler *cc, const struct expr *e)
{
	struct features *f = arg;
	int field = names_find(f->fields, e->text);
	if (field >= 0)
		return column_reg(f, f->input, field);
	if (diagnostics_full(cc->place->d))
		return REG_BAD;
	if (entry_find(f, e->text))
		return compile_error(cc, e, NULL,
		        "'%.*s' is a feature: %s columns of source '%s'", SHORT(e),
		        f->in_aggregate ? "an aggregate takes" : "the view's where takes",
		        f->s->name);
	struct suggest s = suggest_for(e->text);
	offer_columns(f, &s);
	return compile_error(cc, e, foreign_name(e, s.best), "source '%s' has no column '%.*s'%s",
	        f->s->name, SHORT(e), habit_clock(e->text) ? "; " NO_CLOCK : "");
}

static int feature_name(void *arg, struct compiler *cc, const struct expr *e)
{
	struct features *f = arg;
	const struct entry *entry = entry_find(f, e->text);
	if (entry && entry->state == FEATURE_GOOD)
		return entry->reg;
	if (entry && entry->state == FEATURE_BAD)
		return REG_BAD; /* it has its error */
	if (diagnostics_full(cc->place->d))
		return REG_BAD;
	bool column = names_find(f->fields, e->text) >= 0;
	if (column)
		return compile_error(cc, e, arena_printf(cc->arena, "last(%.*s)", SHORT(e)),
		        "column '%.*s' stands outside an aggregate", SHORT(e));
	if (entry && entry->state == FEATURE_HERE)
		return compile_error(cc, e, NULL, "feature '%.*s' refers to itself", SHORT(e));
	if (entry)
		return compile_error(cc, e, NULL,
		        "feature '%.*s' comes further down: a feature may use those above it",
		        SHORT(e));
	struct suggest s = suggest_for(e->text);
	for (uint32_t i = 0; i < f->nentries; i++)
		if (f->entries[i].state == FEATURE_GOOD)
			suggest_offer(
			        &s, arena_strndup(cc->arena, (const char *)f->entries[i].name.p,
			                    f->entries[i].name.len));
	for (size_t i = 0; i < f->s->schema->nfields; i++) {
		const char *before = s.best;
		suggest_offer(&s, f->s->schema->fields[i].name);
		if (s.best != before)
			s.best = arena_printf(cc->arena, "last(%s)", s.best);
	}
	return compile_error(cc, e, foreign_name(e, s.best),
	        "there is no feature or column '%.*s'%s", SHORT(e),
	        habit_clock(e->text) ? "; " NO_CLOCK : "");
}

/* ---- aggregates */

static const struct aggregate *aggregate_find(const struct features *f, struct slice name)
{
	for (const struct aggregate *const *a = f->c->env->aggregates; *a; a++)
		if (slice_eq(name, slice_of((*a)->name)))
			return *a;
	return NULL;
}

static void offer_aggregates(void *arg, struct suggest *s)
{
	const struct features *f = arg;
	for (const struct aggregate *const *a = f->c->env->aggregates; *a; a++)
		suggest_offer(s, (*a)->name);
}

/* Aggregates do not stand inside aggregates. */
static int nested_call(void *arg, struct compiler *cc, const struct expr *e)
{
	struct features *f = arg;
	if (!aggregate_find(f, e->text))
		return REG_NONE;
	place_error(cc->place, e->name_off, e->name_len, NULL,
	        f->in_aggregate ? "aggregate '%.*s' stands inside an aggregate (a `where` "
	                          "takes all that "
	                          "follows: put it and its aggregate in parentheses)"
	                        : "aggregate '%.*s' stands in the view's where, which looks at "
	                          "one event",
	        SHORT(e));
	return REG_BAD;
}

static bool check_hop(struct compiler *cc, const struct expr_over *o, const struct window *w)
{
	uint32_t off = o->every_len ? o->every_off : o->off,
	         len = o->every_len ? o->every_len : o->len;
	if (w->hop_ms < WINDOW_MS_MIN)
		place_error(cc->place, off, len, "1s", "a window moves on by at least 1s");
	else if (w->hop_ms > w->size_ms)
		place_error(cc->place, off, len, NULL,
		        "a window moves on by at most its own length");
	else if (w->size_ms / w->hop_ms > WINDOW_TILES_MAX)
		place_error(cc->place, off, len, NULL,
		        "this window has %lld tiles, more than %d",
		        (long long)(w->size_ms / w->hop_ms), WINDOW_TILES_MAX);
	else
		return true;
	return false;
}

/* Index of the call's window, or -1 after an error. */
static int window_of(struct features *f, struct compiler *cc, const struct expr_over *o)
{
	struct window w = {.kind = WINDOW_LIFETIME};
	if (o && o->kind != OVER_LIFETIME) {
		w.kind = o->kind == OVER_TUMBLING ? WINDOW_TUMBLING : WINDOW_HOP;
		w.size_ms = o->size_ms;
		w.hop_ms = o->kind == OVER_TUMBLING ? o->size_ms
		           : o->every_len           ? o->every_ms
		                                    : window_hop_default(o->size_ms);
		if (w.size_ms < WINDOW_MS_MIN) {
			place_error(cc->place, o->off, o->len, "1s",
			        "a window is at least 1s long");
			return -1;
		}
		if (!check_hop(cc, o, &w))
			return -1;
	}
	struct view *v = f->v;
	for (uint32_t i = 0; i < v->nwindows; i++)
		if (v->windows[i].kind == w.kind && v->windows[i].size_ms == w.size_ms &&
		        v->windows[i].hop_ms == w.hop_ms)
			return (int)i;
	v->windows[v->nwindows] = w;
	return (int)v->nwindows++;
}

static bool constant_arg(struct compiler *cc, const struct expr *e, struct agg_const *out)
{
	bool negative = e->kind == EXPR_NEG;
	const struct expr *n = negative ? e->args[0] : e;
	if (n->kind != EXPR_INT && n->kind != EXPR_DECIMAL) {
		compile_error(cc, e, NULL, "a number is expected here, not an expression");
		return false;
	}
	*out = (struct agg_const){.is_int = n->kind == EXPR_INT,
	        .i64 = negative ? -n->i64 : n->i64,
	        .f64 = negative ? -n->f64 : n->f64};
	return true;
}

/* How many of the arguments are values: an optional one is there when anything is. */
static uint32_t values_of(const struct aggregate *agg, const struct expr *e)
{
	return agg->value_optional && !e->nargs ? 0 : agg->nvalues;
}

/* The value argument: an output of the input program, -1 when the aggregate takes none. */
static bool value_arg(struct features *f, struct compiler *in, const struct aggregate *agg,
        const struct expr *e, struct agg_call *call, struct type *type)
{
	*type = type_null;
	call->arg = -1;
	if (!values_of(agg, e))
		return true;
	int reg = compile(in, e->args[0]);
	if (reg < 0)
		return false;
	*type = *builder_reg(f->input, reg)->type;
	if (type->kind == KIND_NULL) {
		compile_error(in, e->args[0], NULL, "null alone has no type");
		return false;
	}
	call->arg = (int)builder_output(f->input, reg);
	return true;
}

static bool arity(struct compiler *cc, const struct aggregate *agg, const struct expr *e)
{
	uint32_t least = values_of(agg, e) + agg->nconst_min,
	         most = (uint32_t)agg->nvalues + agg->nconst_max;
	if (e->nargs >= least && e->nargs <= most)
		return true;
	uint32_t len = e->name_len;
	const char *hint = agg->signature;
	if (!agg->nvalues && e->nargs == 1)
		hint = arena_printf(cc->arena, "%s() ... where x is not null", agg->name);
	place_error(cc->place, e->name_off, len, hint, "wrong number of arguments for %s",
	        agg->name);
	return false;
}

/* count(a = b) counts false as well, which nobody means. A column may be meant, and so may what
 * makes a null on purpose. */
static bool counts_values(
        struct compiler *cc, const struct aggregate *agg, const struct expr *e, struct type type)
{
	struct expr *x = e->nargs ? e->args[0] : NULL;
	if (!agg->value_optional || !x || type.kind != KIND_BOOLEAN || x->kind == EXPR_NAME ||
	        x->kind == EXPR_CASE || x->kind == EXPR_CAST ||
	        (x->kind == EXPR_CALL && slice_eq(x->text, slice_of("nullif"))))
		return true;
	struct expr_over over = {.kind = OVER_LIFETIME};
	if (e->over)
		over = *e->over;
	struct expr *sides[] = {(struct expr *)over.where, x};
	const struct expr both = {.kind = EXPR_AND, .args = sides, .nargs = 2};
	over.where = over.where ? &both : x;
	const struct expr meant = {.kind = EXPR_CALL, .text = e->text, .over = &over};
	compile_error(cc, x, expr_text(cc->arena, &meant),
	        "%s counts false too: count() where … counts what is true", agg->name);
	return false;
}

/* Compiles what stands in the call; false after an error. */
static bool call_parts(struct features *f, struct compiler *in, const struct aggregate *agg,
        const struct expr *e, struct agg_call *call)
{
	struct agg_const consts[AGG_ARGS_MAX];
	struct type type;
	struct error err = {0};
	call->where = -1;
	bool good = arity(in, agg, e) && value_arg(f, in, agg, e, call, &type);
	uint32_t nvalues = values_of(agg, e), nconsts = 0;
	for (uint32_t i = nvalues; good && i < e->nargs; i++)
		good = constant_arg(in, e->args[i], &consts[nconsts++]);
	if (e->over && e->over->where) {
		int reg = compile_condition(in, e->over->where, "where");
		if (reg >= 0)
			call->where = (int)builder_output(f->input, reg);
		good = good && reg >= 0;
	}
	if (!good || !counts_values(in, agg, e, type))
		return false;
	call->spec.agg = agg;
	call->spec.arg_type = type;
	if (agg->resolve(&call->spec, &type, consts, nconsts, f->c->a, &err) == ST_OK)
		return true;
	uint32_t off = e->nargs ? e->args[0]->off : e->off;
	place_error(in->place, off,
	        e->nargs ? e->args[e->nargs - 1]->off + e->args[e->nargs - 1]->len - off : 1,
	        NULL, "%s", err.msg);
	return false;
}

static int call_reg(struct features *f, uint32_t i)
{
	const struct agg_spec *s = &f->v->calls[i].spec;
	return builder_input(f->row, i, &s->result, s->result_nullable);
}

static int aggregate_call(void *arg, struct compiler *cc, const struct expr *e)
{
	struct features *f = arg;
	struct view *v = f->v;
	const struct aggregate *agg = aggregate_find(f, e->text);
	if (!agg)
		return REG_NONE;
	const char *text = expr_text(f->c->a, e);
	for (uint32_t i = 0; i < v->ncalls; i++)
		if (strcmp(v->calls[i].text, text) == 0)
			return call_reg(f, i);
	if (v->ncalls == CALLS_MAX)
		return compile_error(
		        cc, e, NULL, "the view has more than %d aggregates", CALLS_MAX);
	struct compiler in = {f->input, cc->arena, cc->place, &f->columns};
	struct agg_call call = {.text = text};
	f->in_aggregate = true;
	bool good = call_parts(f, &in, agg, e, &call);
	int window = window_of(f, cc, e->over);
	if (!good || window < 0)
		return REG_BAD;
	call.window = (uint32_t)window;
	v->calls[v->ncalls] = call;
	return call_reg(f, v->ncalls++);
}

/* ---- the view */

/* All names are known before any expression is read, for its errors. */
static void index_names(struct features *f, const struct yaml_node *map)
{
	uint32_t n = map->n > JOB_FEATURES_MAX ? JOB_FEATURES_MAX : map->n;
	f->entries = arena_calloc(f->c->a, n, sizeof *f->entries);
	f->nentries = n;
	names_init(&f->names, n, f->c->a);
	for (uint32_t i = 0; i < n; i++) {
		struct slice name = map->keys[i]->text;
		f->entries[i] = (struct entry){name, map->keys[i], FEATURE_BELOW, REG_BAD};
		names_add(&f->names, i, name);
	}
}

struct features *features_new(
        struct check *c, struct view *v, const struct source *s, const struct yaml_node *map)
{
	struct features *f = arena_calloc(c->a, 1, sizeof *f);
	f->c = c;
	f->v = v;
	f->s = s;
	f->fields = &c->columns[s - c->job->sources];
	f->input = builder_new(c->a, (uint32_t)s->schema->nfields);
	f->row = builder_new(c->a, CALLS_MAX);
	f->columns = (struct scope){f, column_name, nested_call, offer_aggregates};
	f->rows = (struct scope){f, feature_name, aggregate_call, offer_aggregates};
	if (map && map->kind == YAML_MAP)
		index_names(f, map);
	return f;
}

/* The expression text of a node, without what is around it. */
static const struct expr *parse(struct features *f, const struct yaml_node *n, struct place *p)
{
	*p = yaml_place(&f->c->doc, n, f->c->d);
	return expr_parse(f->c->a, n->text, p);
}

void features_where(struct features *f, const struct yaml_node *value)
{
	struct place p;
	const struct expr *e = parse(f, value, &p);
	if (!e)
		return;
	struct compiler cc = {f->input, f->c->a, &p, &f->columns};
	f->in_aggregate = false;
	int reg = compile_condition(&cc, e, "where");
	if (reg < 0)
		return;
	f->v->where = (int)builder_output(f->input, reg);
	f->where_text = expr_text(f->c->a, e);
}

/* A line of `features`: an expression, or a map with `expr`. */
struct line {
	const struct yaml_node *expr;
	const char *description;
};

static void read_expr(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	if (v->kind != YAML_SCALAR || yaml_is_null(v))
		check_error(c, v->kind == YAML_SCALAR ? key : v, NULL,
		        "an expression is expected here");
	else
		((struct line *)object)->expr = v;
}

static void read_description(
        struct check *c, void *object, const struct yaml_node *key, const struct yaml_node *v)
{
	((struct line *)object)->description = check_text(c, key, v);
}

const struct key feature_keys[] = {
        {"expr", "expression", NULL, "What the feature is.", true, read_expr},
        {"description", "text", NULL, "What it means.", false, read_description},
        {NULL, NULL, NULL, NULL, false, NULL},
};

static struct line read_line(
        struct features *f, const struct yaml_node *key, const struct yaml_node *v)
{
	struct line l = {0};
	if (v->kind == YAML_MAP)
		check_map(f->c, key, v, feature_keys, &l,
		        arena_printf(f->c->a, "feature '%.*s'", SHORT(key)));
	else
		read_expr(f->c, &l, key, v);
	return l;
}

/* Names that an offline row has anyway. */
static bool taken_name(struct features *f, const struct yaml_node *key)
{
	static const char *const row[] = {
	        "event_time", "known_at", "source_partition", "source_offset", NULL};
	for (const char *const *p = row; *p; p++)
		if (slice_eq(key->text, slice_of(*p))) {
			check_error(f->c, key, NULL, "every row has a column '%s' already", *p);
			return true;
		}
	for (uint32_t i = 0; i < f->v->nentity; i++)
		if (slice_eq(key->text, slice_of(f->s->schema->fields[f->v->entity[i]].name))) {
			check_error(f->c, key, NULL, "'%.*s' is an entity column of this view",
			        SHORT(key));
			return true;
		}
	for (const struct entry *e = f->entries; e->key != key; e++)
		if (e->name.len == key->text.len &&
		        strncasecmp((const char *)e->name.p, (const char *)key->text.p,
		                e->name.len) == 0) {
			check_error(f->c, key, NULL,
			        "'%.*s' differs from the feature '%.*s' in case alone; Parquet "
			        "readers take them for "
			        "one",
			        SHORT(key), (int)e->name.len, (const char *)e->name.p);
			return true;
		}
	return false;
}

static int feature_reg(
        struct features *f, const struct yaml_node *value, const char **canonical)
{
	struct place p;
	const struct expr *e = parse(f, value, &p);
	if (!e)
		return REG_BAD;
	struct compiler cc = {f->row, f->c->a, &p, &f->rows};
	int reg = compile(&cc, e);
	*canonical = reg >= 0 ? expr_text(f->c->a, e) : NULL;
	if (reg >= 0 && builder_reg(f->row, reg)->type->kind == KIND_NULL)
		return compile_error(
		        &cc, e, "cast(null as double)", "this feature has no type");
	return reg;
}

static struct slice trimmed(struct slice s)
{
	while (s.len && s.p[s.len - 1] <= ' ')
		s.len--;
	return s;
}

static void add_feature(struct features *f, struct entry *entry, const struct yaml_node *value)
{
	const char *name = check_name(f->c, entry->key, false, "feature");
	struct line line = read_line(f, entry->key, value);
	const char *canonical = NULL;
	bool good = name && !taken_name(f, entry->key);
	entry->state = FEATURE_HERE;
	entry->reg = line.expr ? feature_reg(f, line.expr, &canonical) : REG_BAD;
	entry->state = entry->reg >= 0 ? FEATURE_GOOD : FEATURE_BAD;
	if (!good || entry->reg < 0)
		return;
	const struct reg *r = builder_reg(f->row, entry->reg);
	struct slice text = trimmed(line.expr->text);
	struct feature *out = &f->v->features[f->v->nfeatures++];
	*out = (struct feature){.name = name,
	        .type = *r->type,
	        .nullable = r->nullable,
	        .call = r->input,
	        .output = r->input < 0 ? (int)builder_output(f->row, entry->reg) : -1,
	        .text = arena_strndup(f->c->a, (const char *)text.p, text.len),
	        .canonical = canonical,
	        .line = yaml_line(&f->c->doc, entry->key->start),
	        .description = line.description};
}

void features_read(struct features *f, const struct yaml_node *map)
{
	uint32_t n = f->nentries;
	if (n < map->n)
		check_error(f->c, map->keys[n], NULL, "a view has at most %d features",
		        JOB_FEATURES_MAX);
	f->v->calls = arena_alloc(f->c->a, CALLS_MAX * sizeof *f->v->calls);
	f->v->windows = arena_alloc(f->c->a, (CALLS_MAX + 1) * sizeof *f->v->windows);
	f->v->features = arena_alloc(f->c->a, n * sizeof *f->v->features);
	for (uint32_t i = 0; i < n; i++)
		add_feature(f, &f->entries[i], map->items[i]);
}

void features_finish(struct features *f, const struct yaml_node *at)
{
	struct view *v = f->v;
	if (builder_full(f->input) || builder_full(f->row))
		check_error(f->c, at, NULL, "the expressions of this view are too large");
	v->input = builder_finish(f->input);
	v->row = builder_finish(f->row);
	if (f->nentries && v->nfeatures == f->nentries && !v->ncalls)
		check_error(f->c, at, NULL,
		        "this view has no aggregate: a row needs something to remember");
	v->plan_text = plan_text(f->c->job, v, f->where_text, f->c->a);
}
