// SPDX-License-Identifier: Apache-2.0
//
// Schema resolution (Avro 1.11 specification, "Schema Resolution") into steps. Beyond it: names
// of records, enums and fixed need not agree, only their fields and symbols; timestamps in
// millis and micros are converted; a nullable column that the writer lacks is null.
// Not done: aliases, and the reader's own default of an enum.
#include "connectors/avro/program.h"

#include <stdlib.h>

struct compile {
	struct reading *g;
	const struct schema *reader;
	const bool *wanted;
	uint32_t cap;
	uint32_t
	        barrier; /* a jump ends here: the step before may not be merged with the next */
};

static bool emit_value(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path);

static bool refuse(struct compile *c, const char *path, const char *why)
{
	if (!c->g->refused)
		c->g->refused = arena_printf(&c->g->arena, "%s: %s", path, why);
	return false;
}

static struct step *emit(struct compile *c, enum step_op op)
{
	struct reading *g = c->g;
	if (g->nsteps == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 32;
		g->steps = xrealloc(g->steps, c->cap * sizeof *g->steps);
	}
	struct step *s = &g->steps[g->nsteps++];
	memset(s, 0, sizeof *s);
	s->op = (uint8_t)op;
	s->field = -1;
	return s;
}

static void land(struct compile *c, uint32_t jump)
{
	c->g->steps[jump].n = c->g->nsteps;
	c->barrier = c->g->nsteps;
}

static const struct schema_node *held(const struct schema_node *n)
{
	return n->kind == NODE_UNION ? &n->children[!n->null_branch] : n;
}

static const struct schema_node *child_named(const struct schema_node *n, const char *name)
{
	for (size_t i = 0; i < n->nchildren; i++)
		if (strcmp(n->children[i].name, name) == 0)
			return &n->children[i];
	return NULL;
}

/* ---- leaves ---- */

static bool mismatch(struct compile *c, const char *path, const struct schema_node *w,
        const struct schema_node *r)
{
	char from[TYPE_NAME_MAX], to[TYPE_NAME_MAX];
	const char *fw = w->kind == NODE_RECORD ? "record" : type_name(&w->type, from);
	const char *fr = r->kind == NODE_RECORD ? "record" : type_name(&r->type, to);
	return refuse(c, path,
	        arena_printf(&c->g->arena, "the writer's %s cannot be read as %s", fw, fr));
}

static enum step_op long_step(const struct type *from, const struct type *to)
{
	if (from->kind == KIND_TIMESTAMP_MICROS && to->kind == KIND_TIMESTAMP_MILLIS)
		return STEP_LONG_DIV;
	if (from->kind == KIND_TIMESTAMP_MILLIS && to->kind == KIND_TIMESTAMP_MICROS)
		return STEP_LONG_MUL;
	return STEP_LONG;
}

static bool real_step(const struct schema_node *w, const struct schema_node *r, struct step *s)
{
	s->narrow = r->avro == KIND_FLOAT;
	s->op = w->avro == KIND_INT     ? STEP_INT_F64
	        : w->avro == KIND_LONG  ? STEP_LONG_F64
	        : w->avro == KIND_FLOAT ? STEP_FLOAT
	                                : STEP_DOUBLE;
	return w->avro == KIND_INT || w->avro == KIND_LONG || w->avro == KIND_FLOAT ||
	       (w->avro == KIND_DOUBLE && !s->narrow);
}

static bool bytes_step(const struct schema_node *w, const struct schema_node *r, struct step *s)
{
	if (r->type.kind == KIND_DECIMAL) {
		bool decimal = w->type.kind == KIND_DECIMAL;
		s->op = STEP_DECIMAL;
		s->n = w->kind == NODE_FIXED ? w->fixed_bytes : 0;
		s->precision = r->type.precision;
		return w->avro == KIND_BYTES && (!decimal || w->type.scale == r->type.scale);
	}
	if (w->kind == NODE_FIXED || r->kind == NODE_FIXED) {
		s->op = STEP_FIXED;
		s->n = w->fixed_bytes;
		return w->kind == r->kind && w->fixed_bytes == r->fixed_bytes;
	}
	s->op = r->avro == KIND_STRING ? STEP_TEXT : STEP_BYTES;
	return w->avro == KIND_STRING || w->avro == KIND_BYTES;
}

static uint32_t symbol_count(const struct type *t)
{
	uint32_t n = 0;
	while (t->symbols[n])
		n++;
	return n;
}

static void enum_step(
        struct compile *c, const struct type *w, const struct type *r, struct step *s)
{
	s->op = STEP_ENUM;
	s->n = symbol_count(w);
	struct slice *out = arena_calloc(&c->g->arena, s->n, sizeof *out);
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = 0; r->symbols[k]; k++)
			if (strcmp(w->symbols[i], r->symbols[k]) == 0)
				out[i] = slice_of(r->symbols[k]);
	s->symbols = out;
}

static bool leaf_step(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, struct step *s)
{
	switch (r->avro) {
	case KIND_BOOLEAN:
		s->op = STEP_BOOLEAN;
		return w->avro == KIND_BOOLEAN;
	case KIND_INT:
		s->op = STEP_INT;
		return w->avro == KIND_INT;
	case KIND_LONG:
		s->op = (uint8_t)(w->avro == KIND_INT ? STEP_INT
		                                      : long_step(&w->type, &r->type));
		return w->avro == KIND_INT || w->avro == KIND_LONG;
	case KIND_FLOAT:
	case KIND_DOUBLE:
		return real_step(w, r, s);
	case KIND_STRING:
	case KIND_BYTES:
		return bytes_step(w, r, s);
	case KIND_ENUM:
		if (w->avro == KIND_ENUM)
			enum_step(c, &w->type, &r->type, s);
		return w->avro == KIND_ENUM;
	default:
		return false;
	}
}

/* ---- arrays and maps ---- */

static bool copy_compile(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path, struct copy *out);

static bool copy_record(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path, struct copy *out)
{
	struct arena *a = &c->g->arena;
	out->writer = w;
	out->nchildren = (uint32_t)r->nchildren;
	out->children = arena_calloc(a, r->nchildren, sizeof *out->children);
	out->from = arena_calloc(a, r->nchildren, sizeof *out->from);
	out->absent = arena_calloc(a, r->nchildren, sizeof *out->absent);
	for (size_t i = 0; i < r->nchildren; i++) {
		const struct schema_node *rc = &r->children[i], *wc = child_named(w, rc->name);
		out->from[i] = wc ? (int)(wc - w->children) : -1;
		if (wc) {
			if (!copy_compile(c, wc, rc, path, &out->children[i]))
				return false;
			continue;
		}
		struct buf b = {0};
		enum status st = schema_default_avro(rc, &b, NULL);
		out->absent[i] = arena_slice(a, buf_view(&b));
		buf_release(&b);
		if (st != ST_OK)
			return refuse(c, path,
			        arena_printf(a, "the writer has no field %s", rc->name));
	}
	return true;
}

static bool copy_compile(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path, struct copy *out)
{
	out->writer_null = w->kind == NODE_UNION ? w->null_branch : -1;
	out->reader_nullable = r->kind == NODE_UNION;
	w = held(w);
	r = held(r);
	out->kind = r->kind == NODE_FIXED ? NODE_LEAF : r->kind;
	if ((w->kind == NODE_FIXED ? NODE_LEAF : w->kind) != out->kind)
		return mismatch(c, path, w, r);
	if (out->kind == NODE_RECORD)
		return copy_record(c, w, r, path, out);
	if (out->kind == NODE_LEAF) {
		out->type = &r->type;
		out->leaf.field = -1;
		return leaf_step(c, w, r, &out->leaf) || mismatch(c, path, w, r);
	}
	out->nchildren = 1;
	out->children = arena_calloc(&c->g->arena, 1, sizeof *out->children);
	return copy_compile(c, &w->children[0], &r->children[0], path, out->children);
}

/* ---- passing over ---- */

static void emit_skip(struct compile *c, const struct schema_node *w);

static void emit_skip_bytes(struct compile *c, uint32_t n)
{
	struct reading *g = c->g;
	struct step *last = g->nsteps ? &g->steps[g->nsteps - 1] : NULL;
	if (last && last->op == STEP_SKIP && c->barrier != g->nsteps)
		last->n += n;
	else
		emit(c, STEP_SKIP)->n = n;
}

static void emit_skip_leaf(struct compile *c, const struct schema_node *w)
{
	switch (w->avro) {
	case KIND_BOOLEAN:
		emit(c, STEP_SKIP_BOOLEAN);
		break;
	case KIND_INT:
		emit(c, STEP_SKIP_INT);
		break;
	case KIND_LONG:
		emit(c, STEP_SKIP_LONG);
		break;
	case KIND_FLOAT:
		emit_skip_bytes(c, 4);
		break;
	case KIND_DOUBLE:
		emit_skip_bytes(c, 8);
		break;
	case KIND_ENUM:
		emit(c, STEP_SKIP_ENUM)->n = symbol_count(&w->type);
		break;
	default:
		if (w->kind == NODE_FIXED)
			emit_skip_bytes(c, w->fixed_bytes);
		else
			emit(c, STEP_SKIP_BYTES);
	}
}

static void emit_skip_union(struct compile *c, const struct schema_node *w)
{
	uint32_t at = c->g->nsteps;
	emit(c, STEP_UNION)->null_branch = (uint8_t)w->null_branch;
	emit_skip(c, held(w));
	land(c, at);
}

static void emit_skip(struct compile *c, const struct schema_node *w)
{
	switch (w->kind) {
	case NODE_RECORD:
		for (size_t i = 0; i < w->nchildren; i++)
			emit_skip(c, &w->children[i]);
		break;
	case NODE_UNION:
		emit_skip_union(c, w);
		break;
	case NODE_ARRAY:
	case NODE_MAP:
		emit(c, STEP_SKIP_NODE)->node = w;
		break;
	default:
		emit_skip_leaf(c, w);
	}
}

/* ---- columns ---- */

static bool is_wanted(const struct compile *c, const struct schema_node *r)
{
	if (r->field >= 0)
		return c->wanted[r->field];
	if (r->kind == NODE_ARRAY || r->kind == NODE_MAP)
		return false;
	for (size_t i = 0; i < r->nchildren; i++)
		if (is_wanted(c, &r->children[i]))
			return true;
	return false;
}

static void emit_nulls(struct compile *c, const struct schema_node *r)
{
	static const struct value null = {.null = true};
	if (r->field >= 0 && c->wanted[r->field]) {
		struct step *s = emit(c, STEP_SET);
		s->field = r->field;
		s->constant = &null;
	}
	if (r->field >= 0)
		return;
	for (size_t i = 0; i < r->nchildren; i++)
		emit_nulls(c, &r->children[i]);
}

static void emit_absent_fields(struct compile *c, const struct schema_node *r,
        const struct value *values, const bool *has)
{
	if (r->field >= 0 && c->wanted[r->field]) {
		struct step *s = emit(c, has[r->field] ? STEP_SET : STEP_MISSING);
		s->field = r->field;
		if (has[r->field])
			s->constant = memcpy(arena_alloc(&c->g->arena, sizeof *values),
			        &values[r->field], sizeof *values);
		else
			s->column = c->reader->fields[r->field].name;
	}
	for (size_t i = 0; r->field < 0 && i < r->nchildren; i++)
		emit_absent_fields(c, &r->children[i], values, has);
}

/* What a reader's field is when the writer has none of that name. */
static bool emit_absent(struct compile *c, const struct schema_node *r)
{
	size_t n = c->reader->nfields;
	struct value *values = xcalloc(n, sizeof *values);
	bool *has = xcalloc(n, sizeof *has);
	struct error e;
	bool ok = schema_default(r, &c->g->arena, values, has, &e) == ST_OK;
	if (ok)
		emit_absent_fields(c, r, values, has);
	free(values);
	free(has);
	return ok || refuse(c, r->name, e.msg);
}

static bool emit_union(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path)
{
	uint32_t at = c->g->nsteps;
	emit(c, STEP_UNION)->null_branch = (uint8_t)w->null_branch;
	if (!emit_value(c, held(w), r, path))
		return false;
	uint32_t over = c->g->nsteps;
	emit(c, STEP_JUMP);
	land(c, at);
	if (r->kind == NODE_UNION)
		emit_nulls(c, held(r));
	else
		emit(c, STEP_NULL)->column = path;
	land(c, over);
	return true;
}

static bool emit_record(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path)
{
	for (size_t i = 0; i < w->nchildren; i++) {
		const struct schema_node *wc = &w->children[i], *rc = child_named(r, wc->name);
		if (!rc || !is_wanted(c, rc)) {
			emit_skip(c, wc);
			continue;
		}
		const char *column =
		        path[0] ? arena_printf(&c->g->arena, "%s.%s", path, rc->name)
		                : rc->name;
		if (!emit_value(c, wc, rc, column))
			return false;
	}
	for (size_t i = 0; i < r->nchildren; i++) {
		const struct schema_node *rc = &r->children[i];
		if (is_wanted(c, rc) && !child_named(w, rc->name) && !emit_absent(c, rc))
			return false;
	}
	return true;
}

static bool emit_copy(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path)
{
	struct copy *copy = arena_calloc(&c->g->arena, 1, sizeof *copy);
	if (!copy_compile(c, w, r, path, copy))
		return false;
	struct step *s = emit(c, STEP_COPY);
	s->field = r->field;
	s->copy = copy;
	return true;
}

/* r is wanted. */
static bool emit_value(struct compile *c, const struct schema_node *w,
        const struct schema_node *r, const char *path)
{
	if (w->kind == NODE_UNION)
		return emit_union(c, w, r, path);
	r = held(r);
	bool nested = r->kind == NODE_RECORD || r->kind == NODE_ARRAY || r->kind == NODE_MAP;
	if (nested && w->kind != r->kind)
		return mismatch(c, path, w, r);
	if (r->kind == NODE_RECORD)
		return emit_record(c, w, r, path);
	if (nested)
		return emit_copy(c, w, r, path);
	struct step s = {.field = r->field};
	if (!leaf_step(c, w, r, &s))
		return mismatch(c, path, w, r);
	*emit(c, (enum step_op)s.op) = s;
	return true;
}

struct reading *reading_new(
        const struct schema *writer, const struct schema *reader, const bool *wanted)
{
	struct reading *g = xcalloc(1, sizeof *g);
	struct compile c = {.g = g, .reader = reader, .wanted = wanted, .barrier = UINT32_MAX};
	arena_init(&g->arena);
	emit_record(&c, writer->root, reader->root, "");
	emit(&c, STEP_END);
	return g;
}

void reading_free(struct reading *g)
{
	if (!g)
		return;
	free(g->steps);
	arena_release(&g->arena);
	free(g);
}
