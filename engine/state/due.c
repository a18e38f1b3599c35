// SPDX-License-Identifier: Apache-2.0
//
// Which entity is due next: a binary heap over the entities in memory, and the store's timers
// for those that are not, read ahead in (due, entity) order. A resident entity's timer in the
// store may be stale and is skipped. So the order of due entities is the same whatever is in
// memory.
#include <stdlib.h>

#include "state/table_inside.h"

#define DUE_MIN 64
#define DUE_GROWTH 4 /* by a quarter: of many entities, a doubled heap stays half empty */
#define COLD_CHUNK 256
#define COLD_AHEAD_MS 60000 /* beyond what is due: the next are likely to be so soon */

static int due_cmp(int64_t da, struct slice a, int64_t db, struct slice b)
{
	if (da != db)
		return da < db ? -1 : 1;
	return slice_cmp(a, b);
}

/* The instant lies beside the pointer: comparing two touches the entities in a tie alone. */
static bool due_before(const struct due_item *a, const struct due_item *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return slice_cmp(entry_entity(a->en), entry_entity(b->en)) < 0;
}

static void due_place(struct space *s, uint32_t pos, struct due_item item)
{
	s->due[pos] = item;
	item.en->due_pos = pos;
}

static void due_up(struct space *s, uint32_t pos)
{
	struct due_item item = s->due[pos];
	while (pos) {
		uint32_t parent = (pos - 1) / 2;
		if (!due_before(&item, &s->due[parent]))
			break;
		due_place(s, pos, s->due[parent]);
		pos = parent;
	}
	due_place(s, pos, item);
}

static void due_down(struct space *s, uint32_t pos)
{
	struct due_item item = s->due[pos];
	for (;;) {
		uint32_t child = 2 * pos + 1;
		if (child >= s->ndue)
			break;
		if (child + 1 < s->ndue && due_before(&s->due[child + 1], &s->due[child]))
			child++;
		if (!due_before(&s->due[child], &item))
			break;
		due_place(s, pos, s->due[child]);
		pos = child;
	}
	due_place(s, pos, item);
}

void due_remove(struct space *s, struct entry *en)
{
	if (en->due_pos == DUE_NONE)
		return;
	uint32_t pos = en->due_pos;
	struct due_item last = s->due[--s->ndue];
	en->due_pos = DUE_NONE;
	if (last.en == en)
		return;
	due_place(s, pos, last);
	due_up(s, pos);
	due_down(s, last.en->due_pos);
}

static void due_add(struct space *s, struct entry *en, int64_t due)
{
	if (s->ndue == s->due_cap) {
		s->due_cap += s->due_cap / DUE_GROWTH + DUE_MIN;
		s->due = xrealloc(s->due, s->due_cap * sizeof *s->due);
	}
	due_place(s, s->ndue++, (struct due_item){due, en});
	due_up(s, en->due_pos);
}

int64_t due_of(const struct space *s, const struct entry *en)
{
	return en->due_pos == DUE_NONE ? STORE_NO_DUE : s->due[en->due_pos].due;
}

void due_set(struct space *s, struct entry *en, int64_t due)
{
	if (due == due_of(s, en))
		return;
	if (due == STORE_NO_DUE) {
		due_remove(s, en);
	} else if (en->due_pos == DUE_NONE) {
		due_add(s, en, due);
	} else {
		s->due[en->due_pos].due = due;
		due_up(s, en->due_pos);
		due_down(s, en->due_pos);
	}
}

static void cold_from_set(struct space *s, int64_t due, struct slice entity)
{
	s->cold_from_due = due;
	s->cold_from_entity.len = 0;
	buf_slice(&s->cold_from_entity, entity);
}

/* Brings the next chunk of cold entities that are due, or soon will be, into memory: time often
 * goes on by a little, and each reading of the store costs a seek. */
static enum status cold_load(
        struct table *t, uint32_t space, int64_t upto, struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	struct store_timer *timers = arena_alloc(a, COLD_CHUNK * sizeof *timers);
	struct entry **load = arena_alloc(a, COLD_CHUNK * sizeof *load);
	uint32_t n = 0, nload = 0, i;
	if (t->conf.store->ops->timers(t->conf.store, s->conf.name, s->cold_from_due,
	            buf_view(&s->cold_from_entity), STORE_NO_DUE, timers, COLD_CHUNK, &n, a, e))
		return ST_ERR;
	int64_t ahead = upto < STORE_NO_DUE - COLD_AHEAD_MS ? upto + COLD_AHEAD_MS : upto;
	for (i = 0; i < n && timers[i].due <= ahead; i++) {
		uint64_t hash = entity_hash(timers[i].entity);
		struct entry *en = space_find(s, timers[i].entity, hash);
		if (!en) {
			en = space_add(t, space, timers[i].entity, hash);
			en->loading = true;
			en->used = (uint32_t)t->epoch;
		}
		if (en->loading)
			load[nload++] = en;
	}
	if (entries_load(t, load, nload, a, e))
		return ST_ERR;
	if (i)
		cold_from_set(s, timers[i - 1].due, timers[i - 1].entity);
	if (i < n)
		s->cold_next = timers[i].due;
	else
		s->cold_next = n < COLD_CHUNK ? STORE_NO_DUE : timers[n - 1].due;
	return ST_OK;
}

/* Everything up to cold_from is in memory: a heap top at or before it is the smallest of all.
 */
static bool cold_needed(const struct space *s, int64_t upto)
{
	if (s->cold_next > upto)
		return false;
	if (!s->ndue)
		return true;
	const struct due_item *top = &s->due[0];
	return due_cmp(top->due, entry_entity(top->en), s->cold_from_due,
	               buf_view(&s->cold_from_entity)) > 0;
}

enum status table_due(struct table *t, uint32_t space, int64_t upto, struct entry **out,
        struct arena *a, struct error *e)
{
	struct space *s = &t->spaces[space];
	while (cold_needed(s, upto))
		if (cold_load(t, space, upto, a, e))
			return ST_ERR;
	if (!s->ndue || s->due[0].due > upto)
		return ST_END;
	*out = s->due[0].en;
	(*out)->used = (uint32_t)t->epoch;
	return ST_OK;
}
