// SPDX-License-Identifier: Apache-2.0
//
// A table's committed rows in key order: all of them, for rewriting the online store, and those
// that only the store tells of, for the changelog's rolling snapshot.
#include <stdlib.h>
#include <string.h>

#include "state/table_inside.h"

struct scan_item {
	struct slice entity, row;
};

static int scan_item_cmp(const void *pa, const void *pb)
{
	const struct scan_item *a = pa, *b = pb;
	return slice_cmp(a->entity, b->entity);
}

static enum status row_give(
        enum status (*fn)(void *, struct slice, struct slice, struct error *), void *arg,
        struct slice entity, struct slice packed, struct arena *a, struct error *e)
{
	bool ok = pack_check(packed);
	uint8_t *row = ok ? arena_alloc(a, pack_row_bytes(packed)) : NULL;
	if (!ok || !pack_read(packed, row))
		return row_damaged(e);
	return fn(arg, entity, (struct slice){row, pack_row_bytes(packed)}, e);
}

/* Without a store everything is in memory: one page. */
static enum status scan_memory(struct space *s,
        enum status (*fn)(void *, struct slice, struct slice, struct error *), void *arg,
        struct arena *a, struct error *e)
{
	struct scan_item *items = arena_alloc(a, (s->count + 1) * sizeof *items);
	uint64_t n = 0;
	for (uint64_t k = 0; k <= s->mask; k++) {
		struct entry *en = slot_entry(s->slots[k]);
		if (en && en->row)
			items[n++] =
			        (struct scan_item){entry_entity(en), {en->row, en->row_len}};
	}
	qsort(items, n, sizeof *items, scan_item_cmp);
	for (uint64_t i = 0; i < n; i++)
		if (row_give(fn, arg, items[i].entity, items[i].row, a, e))
			return ST_ERR;
	return ST_END;
}

#define SCAN_PAGE 1024

enum status table_scan(struct table *t, uint32_t space, struct buf *cursor,
        enum status (*fn)(void *arg, struct slice entity, struct slice row, struct error *e),
        void *arg, struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	if (!t->conf.store)
		return scan_memory(s, fn, arg, a, e);
	if (!cursor->len && table_flush(t, e))
		return ST_ERR;
	struct slice *entities = arena_alloc(a, SCAN_PAGE * sizeof *entities);
	struct slice *rows = arena_alloc(a, SCAN_PAGE * sizeof *rows);
	uint32_t n = 0;
	if (t->conf.store->ops->scan(t->conf.store, s->conf.name, buf_view(cursor), entities,
	            rows, SCAN_PAGE, &n, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n; i++) {
		struct entry *en = space_find(s, entities[i], entity_hash(entities[i]));
		bool known = en && !en->loading;
		struct slice row = known ? (struct slice){en->row, en->row_len} : rows[i];
		if (row.p && row_give(fn, arg, entities[i], row, a, e))
			return ST_ERR;
	}
	if (n) {
		cursor->len = 0;
		buf_slice(cursor, entities[n - 1]);
	}
	return n < SCAN_PAGE ? ST_END : ST_OK;
}

/* A row that has changed since the last finished flush is in the changelog after it. */
static bool changed_since(const struct entry *en)
{
	return en->dirty || en->frozen || en->change;
}

enum status table_snapshot(struct table *t, uint32_t space, struct buf *cursor, uint32_t max,
        enum status (*fn)(void *arg, struct slice entity, struct slice row, struct error *e),
        void *arg, struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	uint32_t n = 0;
	INVARIANT(t->conf.store);
	struct slice *entities = arena_alloc(a, max * sizeof *entities);
	struct slice *rows = arena_alloc(a, max * sizeof *rows);
	if (t->conf.store->ops->scan(t->conf.store, s->conf.name, buf_view(cursor), entities,
	            rows, max, &n, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n; i++) {
		struct entry *en = space_find(s, entities[i], entity_hash(entities[i]));
		if (en && !en->loading && changed_since(en))
			continue;
		if (fn(arg, entities[i], rows[i], e))
			return ST_ERR;
	}
	if (n) {
		cursor->len = 0;
		buf_slice(cursor, entities[n - 1]);
	}
	return n < max ? ST_END : ST_OK;
}

struct slice table_flushed_meta(const struct table *t)
{
	return buf_view(&t->flushed_meta);
}
