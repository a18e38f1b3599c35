/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of the views that an online store writes. Two definitions of one view version with
 * different features (removed, deployed anew) get two numbers; ones that differ in nothing that
 * shows in a row share one.
 */
#include "run/online_view.h"

#include <string.h>

static const struct type *type_copy(struct arena *a, const struct type *t)
{
	struct type *out = arena_alloc(a, sizeof(*out));
	*out = *t;
	if (t->element)
		out->element = type_copy(a, t->element);
	if (t->symbols) {
		size_t n = 0;
		while (t->symbols[n])
			n++;
		const char **symbols = arena_calloc(a, n + 1, sizeof(*symbols));
		for (size_t i = 0; i < n; i++)
			symbols[i] = arena_strdup(a, t->symbols[i]);
		out->symbols = symbols;
	}
	return out;
}

static bool same(const struct online_view *a, const struct online_view *b)
{
	if (strcmp(a->name, b->name) != 0 || a->version != b->version ||
	        a->ttl_ms != b->ttl_ms || a->nfeatures != b->nfeatures)
		return false;
	for (uint32_t i = 0; i < a->nfeatures; i++) {
		const struct field *x = &a->features[i], *y = &b->features[i];
		if (strcmp(x->name, y->name) != 0 || x->nullable != y->nullable ||
		        !type_equal(&x->type, &y->type))
			return false;
	}
	return true;
}

void online_views_init(struct online_views *vs)
{
	memset(vs, 0, sizeof(*vs));
	arena_init(&vs->arena);
}

void online_views_release(struct online_views *vs)
{
	arena_release(&vs->arena);
}

uint32_t online_views_add(struct online_views *vs, const struct online_view *v, bool *added)
{
	for (uint32_t i = 0; i < vs->n; i++)
		if (same(vs->v[i], v)) {
			if (added)
				*added = false;
			return i;
		}
	INVARIANT(vs->n < ONLINE_VIEWS_MAX && v->nfeatures <= ONLINE_FEATURES_MAX);
	struct arena *a = &vs->arena;
	struct online_view *out = arena_alloc(a, sizeof(*out));
	struct field *fields = arena_calloc(a, v->nfeatures, sizeof(*fields));
	*out = *v;
	out->name = arena_strdup(a, v->name);
	out->features = fields;
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		fields[i].name = arena_strdup(a, v->features[i].name);
		fields[i].type = *type_copy(a, &v->features[i].type);
		fields[i].nullable = v->features[i].nullable;
	}
	vs->v[vs->n] = out;
	if (added)
		*added = true;
	return vs->n++;
}

int64_t online_row_expires(const struct online_view *v, const struct online_row *row)
{
	int64_t at;
	if (v->ttl_ms <= 0)
		return 0;
	if (__builtin_add_overflow(row->known_at, v->ttl_ms, &at) || at > ONLINE_EXPIRES_MAX)
		return ONLINE_EXPIRES_MAX;
	return at < 1 ? 1 : at;
}
