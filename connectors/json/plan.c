// SPDX-License-Identifier: Apache-2.0
//
// Compiling a schema for the walk. Each record becomes a table of members in the schema's
// order, since most producers write in that order, with a small hash table for those that do
// not.
#include "connectors/json/plan.h"

#include <stdlib.h>

struct compile {
	struct decoder *d;
	const bool *wanted;
	bool inside; /* an array or map: everything is wanted, nothing is a column */
	struct error *e;
};

static bool compile_member(
        struct compile *c, const struct schema_node *n, const char *path, struct member *m);

/* ---- names ---- */

static uint32_t name_hash(struct slice s)
{
	uint64_t h = s.len * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h >> 32);
}

/* The first bytes of "name" with its quotes, as they lie in memory. */
static void quote_name(struct member *m)
{
	uint8_t text[8] = {'"'}, mask[8] = {0};
	for (uint32_t i = 1; i < 8 && i <= m->name.len + 1; i++)
		text[i] = i <= m->name.len ? m->name.p[i - 1] : '"';
	memset(mask, 0xff, m->name.len + 2 < 8 ? m->name.len + 2 : 8);
	memcpy(&m->quoted, text, 8);
	memcpy(&m->quoted_mask, mask, 8);
}

static void index_names(struct object *o, struct arena *a)
{
	uint32_t size = 4;
	while (size < o->nmembers * 2)
		size *= 2;
	o->mask = size - 1;
	o->slots = arena_calloc(a, size, sizeof *o->slots);
	for (uint32_t i = 0; i < o->nmembers; i++) {
		quote_name(&o->members[i]);
		uint32_t at = name_hash(o->members[i].name) & o->mask;
		while (o->slots[at])
			at = (at + 1) & o->mask;
		o->slots[at] = (uint16_t)(i + 1);
	}
}

struct member *object_find(const struct object *o, struct slice name, uint32_t *hint)
{
	if (*hint < o->nmembers && slice_eq(o->members[*hint].name, name))
		return &o->members[(*hint)++];
	/* At least half of the slots are empty, so this ends. */
	for (uint32_t at = name_hash(name) & o->mask; o->slots[at]; at = (at + 1) & o->mask) {
		uint32_t i = o->slots[at] - 1u;
		if (!slice_eq(o->members[i].name, name))
			continue;
		*hint = i + 1;
		return &o->members[i];
	}
	return NULL;
}

/* ---- members ---- */

static struct object *compile_object(
        struct compile *c, const struct schema_node *n, const char *path)
{
	struct arena *a = &c->d->arena;
	struct object *o = arena_calloc(a, 1, sizeof *o);
	o->nmembers = (uint32_t)n->nchildren;
	o->members = arena_calloc(a, o->nmembers, sizeof *o->members);
	for (uint32_t i = 0; i < o->nmembers; i++) {
		const struct schema_node *child = &n->children[i];
		const char *column =
		        path[0] ? arena_printf(a, "%s.%s", path, child->name) : child->name;
		if (!compile_member(c, child, column, &o->members[i]))
			return NULL;
		o->nwanted += o->members[i].kind != MEMBER_SKIP;
	}
	index_names(o, a);
	return o;
}

/* Is a column at or below n wanted? */
static bool is_wanted(const struct compile *c, const struct schema_node *n)
{
	if (c->inside)
		return true;
	if (n->field >= 0)
		return c->wanted[n->field];
	for (size_t i = 0; i < n->nchildren; i++)
		if (is_wanted(c, &n->children[i]))
			return true;
	return false;
}

static void count_fields(const struct compile *c, const struct schema_node *n,
        struct absent *out, uint32_t *count)
{
	if (n->field >= 0) {
		if (c->wanted[n->field]) {
			if (out)
				out[*count].field = n->field;
			++*count;
		}
		return;
	}
	for (size_t i = 0; i < n->nchildren; i++)
		count_fields(c, &n->children[i], out, count);
}

/* What its wanted columns are when the member is not there. */
static bool compile_absent(struct compile *c, const struct schema_node *n, struct member *m)
{
	struct arena *a = &c->d->arena;
	size_t nfields = c->d->schema->nfields;
	struct value *values = xcalloc(nfields, sizeof *values);
	bool *has = xcalloc(nfields, sizeof *has);
	bool ok = schema_default(n, a, values, has, c->e) == ST_OK;
	count_fields(c, n, NULL, &m->nabsent);
	m->absent = arena_calloc(a, m->nabsent, sizeof *m->absent);
	uint32_t count = 0;
	count_fields(c, n, m->absent, &count);
	for (uint32_t i = 0; i < count; i++) {
		m->absent[i].has = has[m->absent[i].field];
		m->absent[i].value = values[m->absent[i].field];
	}
	free(values);
	free(has);
	return ok;
}

static bool compile_absent_avro(
        struct compile *c, const struct schema_node *n, struct member *m)
{
	struct buf b = {0};
	enum status st = schema_default_avro(n, &b, c->e);
	if (st == ST_OK)
		m->absent_avro = arena_slice(&c->d->arena, buf_view(&b));
	buf_release(&b);
	return st != ST_ERR;
}

static bool compile_value(
        struct compile *c, const struct schema_node *n, const char *path, struct member *m)
{
	m->field = n->field;
	switch (n->kind) {
	case NODE_RECORD:
		m->kind = MEMBER_OBJECT;
		m->object = compile_object(c, n, path);
		return m->object != NULL;
	case NODE_ARRAY:
	case NODE_MAP:
		m->kind = n->kind == NODE_ARRAY ? MEMBER_ARRAY : MEMBER_MAP;
		m->element = arena_calloc(&c->d->arena, 1, sizeof *m->element);
		m->leaf.type = n->type;
		bool outer = c->inside;
		c->inside = true;
		bool ok = compile_member(c, &n->children[0], path, m->element);
		c->inside = outer;
		return ok;
	default:
		m->kind = MEMBER_LEAF;
		m->leaf.type = n->type;
		m->leaf.fixed_bytes = n->kind == NODE_FIXED && n->type.kind == KIND_BYTES
		                              ? n->fixed_bytes
		                              : 0;
		leaf_init(&m->leaf, &c->d->arena);
		return true;
	}
}

static bool compile_member(
        struct compile *c, const struct schema_node *n, const char *path, struct member *m)
{
	m->name = slice_of(n->name ? n->name : "");
	m->column = path;
	m->field = -1;
	m->nullable = n->kind == NODE_UNION;
	const struct schema_node *held = m->nullable ? &n->children[!n->null_branch] : n;
	if (!is_wanted(c, n))
		return true;
	if (!compile_value(c, held, path, m))
		return false;
	return c->inside ? compile_absent_avro(c, n, m) : compile_absent(c, n, m);
}

/* ---- the whole ---- */

enum status json_plan_new(const struct decoder_conf *conf, struct decoder **out, struct error *e)
{
	struct decoder *d = xcalloc(1, sizeof *d);
	struct compile c = {.d = d, .wanted = conf->wanted, .e = e};
	d->schema = conf->schema;
	d->value_bytes_max = conf->value_bytes_max;
	arena_init(&d->arena);
	tokens_init(&d->tokens);
	d->wanted = arena_alloc(&d->arena, (d->schema->nfields + 1) * sizeof *d->wanted);
	for (size_t i = 0; i < d->schema->nfields; i++)
		if (conf->wanted[i])
			d->wanted[d->nwanted++] = (int)i;
	d->top = compile_object(&c, d->schema->root, "");
	if (!d->top) {
		json_plan_free(d);
		return ST_ERR;
	}
	*out = d;
	return ST_OK;
}

void json_plan_free(struct decoder *d)
{
	if (!d)
		return;
	tokens_release(&d->tokens);
	buf_release(&d->scratch);
	arena_release(&d->arena);
	free(d);
}
