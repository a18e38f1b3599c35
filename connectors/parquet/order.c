// SPDX-License-Identifier: Apache-2.0
//
// Rows of a batch come nearly in the order of time, of many entities in turns. So they are put
// into groups of one day and entity by a hash table, the groups are sorted, and inside a group
// the rows stand as they came unless that is not their order. DuckDB's sort, which knows
// nothing of that, took a third of an export's time.
//
// The order is DuckDB's own: text by its bytes, an absent value last (source_offset's first).
#include "connectors/parquet/order.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/arena.h"

#define NONE UINT32_MAX

struct group {
	int64_t day;
	uint64_t prefix; /* of the first entity column, as a number of the same order */
	uint32_t first;  /* row */
	uint32_t n;
	uint32_t number;
};

struct order {
	const struct order_rows *r;
	uint32_t *slots; /* numbers of groups; open addressing, at most half full */
	uint32_t mask;
	struct group *groups;
	uint32_t ngroups, cap;
};

// ---- values ----

static int number_cmp(__int128 a, __int128 b)
{
	return (a > b) - (a < b);
}

static int column_cmp(const struct vector_column *c, uint32_t a, uint32_t b)
{
	bool null_a = vector_null(c, a), null_b = vector_null(c, b);
	if (null_a || null_b)
		return null_a - null_b;
	if (c->form == VECTOR_TEXT)
		return slice_cmp(vector_text(c, a), vector_text(c, b));
	return number_cmp(vector_number(c, a), vector_number(c, b));
}

static int entity_cmp(const struct order_rows *r, uint32_t a, uint32_t b)
{
	int c = 0;
	for (uint32_t i = 0; i < r->nentity && !c; i++)
		c = column_cmp(&r->columns[i], a, b);
	return c;
}

static uint64_t value_hash(const struct vector_column *c, uint32_t row, uint64_t seed)
{
	if (vector_null(c, row))
		return seed + 1;
	if (c->form == VECTOR_TEXT) {
		struct slice s = vector_text(c, row);
		return XXH3_64bits_withSeed(s.p, s.len, seed);
	}
	__int128 v = vector_number(c, row);
	return XXH3_64bits_withSeed(&v, sizeof v, seed);
}

static uint64_t prefix_of(const struct vector_column *c, uint32_t row)
{
	if (vector_null(c, row))
		return UINT64_MAX;
	if (c->form == VECTOR_TEXT) {
		struct slice s = vector_text(c, row);
		uint64_t v = 0;
		memcpy(&v, s.p, s.len < 8 ? s.len : 8);
		return __builtin_bswap64(v);
	}
	if (c->form == VECTOR_I128)
		return 0; /* says nothing */
	return (uint64_t)vector_number(c, row) ^ (UINT64_C(1) << 63);
}

// ---- groups ----

static void slots_make(struct order *o, uint32_t n)
{
	free(o->slots);
	o->slots = xmalloc(n * sizeof *o->slots);
	memset(o->slots, 0xff, n * sizeof *o->slots);
	o->mask = n - 1;
}

static uint64_t row_hash(const struct order_rows *r, uint32_t row)
{
	uint64_t h = (uint64_t)vector_number(r->days, row);
	for (uint32_t i = 0; i < r->nentity; i++)
		h = value_hash(&r->columns[i], row, h);
	return h;
}

static void groups_grow(struct order *o)
{
	o->cap = o->cap ? 2 * o->cap : 1024;
	o->groups = xrealloc(o->groups, o->cap * sizeof *o->groups);
	slots_make(o, 2 * o->cap);
	for (uint32_t g = 0; g < o->ngroups; g++) {
		uint32_t i = (uint32_t)row_hash(o->r, o->groups[g].first) & o->mask;
		while (o->slots[i] != NONE)
			i = (i + 1) & o->mask;
		o->slots[i] = g;
	}
}

static uint32_t group_of(struct order *o, uint32_t row)
{
	const struct order_rows *r = o->r;
	int64_t day = (int64_t)vector_number(r->days, row);
	if (o->ngroups == o->cap)
		groups_grow(o);
	uint32_t i = (uint32_t)row_hash(r, row) & o->mask;
	for (; o->slots[i] != NONE; i = (i + 1) & o->mask) {
		struct group *g = &o->groups[o->slots[i]];
		if (g->day == day && !entity_cmp(r, g->first, row))
			return g->number;
	}
	o->groups[o->ngroups] = (struct group){.day = day,
	        .prefix = prefix_of(&r->columns[0], row),
	        .first = row,
	        .number = o->ngroups};
	return o->slots[i] = o->ngroups++;
}

static int group_cmp(const void *pa, const void *pb, void *arg)
{
	const struct group *a = pa, *b = pb;
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	return entity_cmp(arg, a->first, b->first);
}

// ---- rows of a group ----

static int row_cmp(const void *pa, const void *pb, void *arg)
{
	const struct order_rows *r = arg;
	const struct vector_column *head =
	        r->columns + r->nentity; /* time, known, part., offset */
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	int c = column_cmp(&head[0], a, b);
	if (!c)
		c = column_cmp(&head[1], a, b);
	if (!c && vector_null(&head[3], a) != vector_null(&head[3], b))
		return vector_null(&head[3], a) ? -1 : 1;
	if (!c)
		c = column_cmp(&head[3], a, b);
	if (!c)
		c = column_cmp(&head[2], a, b);
	return c ? c : (a > b) - (a < b);
}

static void group_sort(const struct order_rows *r, uint32_t *rows, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (row_cmp(&rows[i - 1], &rows[i], (void *)(uintptr_t)r) > 0) {
			qsort_r(rows, n, sizeof *rows, row_cmp, (void *)(uintptr_t)r);
			return;
		}
}

uint32_t *order_make(const struct order_rows *r, uint32_t *n)
{
	struct order o = {.r = r};
	uint32_t *of = xmalloc((r->n + 1) * sizeof *of), *rows;
	*n = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		bool gone = vector_number(r->gone, i) != 0;
		of[i] = gone ? NONE : group_of(&o, i);
		if (gone)
			continue;
		o.groups[of[i]].n++;
		++*n;
	}
	if (o.ngroups)
		qsort_r(o.groups, o.ngroups, sizeof *o.groups, group_cmp, (void *)(uintptr_t)r);
	rows = xmalloc((*n + 1) * sizeof *rows);
	uint32_t *next = xmalloc((o.ngroups + 1) * sizeof *next), at = 0;
	for (uint32_t g = 0; g < o.ngroups; at += o.groups[g++].n)
		next[o.groups[g].number] = at;
	for (uint32_t i = 0; i < r->n; i++)
		if (of[i] != NONE)
			rows[next[of[i]]++] = i;
	at = 0;
	for (uint32_t g = 0; g < o.ngroups; at += o.groups[g++].n)
		group_sort(r, rows + at, o.groups[g].n);
	free(next);
	free(of);
	free(o.slots);
	free(o.groups);
	return rows;
}
