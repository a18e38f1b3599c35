// SPDX-License-Identifier: Apache-2.0
//
// What a baseline answers: which segment, which column, which category, which bin. Reading and
// writing it is baseline_json.c's; making it from data sample.c's.
#include "data/drift/baseline.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "data/drift/baseline_inside.h"

bool drift_kind_of(const struct type *t, enum drift_kind *out)
{
	switch (t->kind) {
	case KIND_BOOLEAN:
	case KIND_STRING:
	case KIND_ENUM:
		*out = DRIFT_CATEGORY;
		return true;
	case KIND_NULL:
	case KIND_BYTES:
	case KIND_ARRAY:
	case KIND_MAP:
		return false;
	default:
		*out = DRIFT_NUMBER;
		return true;
	}
}

void baseline_free(struct baseline *b)
{
	if (!b)
		return;
	arena_release(&b->arena);
	free(b);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

const struct baseline_segment *baseline_segment(
        const struct baseline *b, const char *const *values, uint32_t n)
{
	for (uint32_t s = 1; s < b->nsegments && n == b->nby; s++) {
		uint32_t i = 0;
		while (i < n && same(b->segments[s].values[i], values[i]))
			i++;
		if (i == n)
			return &b->segments[s];
	}
	return &b->segments[0];
}

int32_t baseline_column(const struct baseline *b, const char *name)
{
	for (uint32_t i = 0; i < b->ncolumns; i++)
		if (!strcmp(b->segments[0].columns[i].name, name))
			return (int32_t)i;
	return -1;
}

double baseline_width_edge(const struct baseline_column *c, uint32_t i)
{
	double first = c->moments.min, last = c->moments.max;
	if (first == last) { // as numpy widens an empty range
		first -= 0.5;
		last += 0.5;
	}
	return i == c->nwidth ? last : first + i * ((last - first) / c->nwidth);
}

int32_t baseline_category(const struct baseline_column *c, struct slice value)
{
	if (!c->ncategories)
		return -1;
	uint64_t h = XXH3_64bits(value.p, value.len);
	for (uint32_t at = (uint32_t)h & c->slot_mask;; at = (at + 1) & c->slot_mask) {
		uint32_t slot = c->slots[at];
		if (!slot)
			return -1;
		if (slice_eq(c->categories[slot - 1].value, value))
			return (int32_t)slot - 1;
	}
}

static uint64_t mix(uint64_t id, const void *p, size_t bytes)
{
	return XXH3_64bits_withSeed(p, bytes, id);
}

static uint64_t identity(const struct baseline_column *c)
{
	uint64_t id = mix(c->kind, &c->ngrid, sizeof c->ngrid);
	id = mix(id, c->grid, c->ngrid * sizeof *c->grid);
	id = mix(id, &c->nwidth, sizeof c->nwidth);
	id = mix(id, &c->moments.min, sizeof c->moments.min);
	id = mix(id, &c->moments.max, sizeof c->moments.max);
	for (uint32_t i = 0; i < c->ncategories; i++) {
		struct slice v = c->categories[i].value;
		id = mix(mix(id, &v.len, sizeof v.len), v.p, v.len);
	}
	return id;
}

static void index_categories(struct baseline_column *c, struct arena *a)
{
	uint32_t size = 4;
	while (size < 2 * c->ncategories)
		size *= 2;
	c->slot_mask = size - 1;
	c->slots = arena_calloc(a, size, sizeof *c->slots);
	for (uint32_t i = 0; i < c->ncategories; i++) {
		struct slice v = c->categories[i].value;
		uint32_t at = (uint32_t)XXH3_64bits(v.p, v.len) & c->slot_mask;
		while (c->slots[at])
			at = (at + 1) & c->slot_mask;
		c->slots[at] = i + 1;
	}
}

// The smallest grid point that k of parts of the values are at or below.
static uint32_t quantile_at(const struct baseline_column *c, uint64_t k, uint64_t parts)
{
	uint64_t n = c->moments.n;
	uint64_t rank = (uint64_t)(((unsigned __int128)k * n + parts - 1) / parts);
	uint32_t low = 0, high = c->ngrid - 1;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (c->upto[mid] >= rank)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

void baseline_column_index(struct baseline_column *c, struct arena *a)
{
	c->ncuts = 0;
	for (uint32_t k = 1; c->ngrid && k <= BASELINE_DECILES; k++) {
		uint32_t at = quantile_at(c, k, BASELINE_DECILES + 1);
		if (!c->ncuts || c->cut_at[c->ncuts - 1] != at)
			c->cut_at[c->ncuts++] = at;
	}
	if (c->kind == DRIFT_CATEGORY)
		index_categories(c, a);
	c->id = identity(c);
}
