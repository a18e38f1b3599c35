// SPDX-License-Identifier: Apache-2.0
//
// Rows of a table: live copies while an epoch changes them, packed when it ends, committed or
// dropped as a whole. Live buffers and the room for packed rows are kept from epoch to epoch.
// Not here: which entities are in memory (table.c), when rows reach the store (flush.c).
#include <stdlib.h>
#include <string.h>

#include "state/table_inside.h"

#define NEW_ROW_BYTES 200            /* room for changes, beside an eighth of the row */
#define FIRST_ROW_BYTES 384          /* for a new entity's */
#define PACKED_KEEP_BYTES (1u << 20) /* kept between epochs */
#define DIRTY_MIN 256
#define DIRTY_GROWTH 4 /* by a quarter */
#define LIVE_LOOK_CHANGES 64
#define LIVE_LOOK_EVERY 32
#define AHEAD_CHANGES 4       /* fetched that many before their turn */
#define AHEAD_ROW_BYTES 512u  /* of a row; what follows comes by itself */

/* -- committed rows -- */

/* In steps as the allocator has them, so that a row that grows a little stays where it is. */
static uint32_t row_room(uint32_t len)
{
	uint32_t step = 16;
	while (step * 8 < len)
		step *= 2;
	return (len + step - 1) & ~(step - 1);
}

uint64_t row_bytes(uint32_t len)
{
	return len ? row_room(len) : 0;
}

enum status row_damaged(struct error *e)
{
	return error_set(e, ERR_FATAL, 0,
	        "a state row of the local copy is damaged; delete the state directory: it is "
	        "restored from the changelog");
}

void row_replace(struct table *t, struct entry *en, struct slice packed)
{
	uint32_t len = packed.p ? packed.len : 0;
	t->bytes += row_bytes(len) - row_bytes(en->row_len);
	bool stays = en->row && !en->frozen && len && row_room(len) == row_room(en->row_len);
	if (!stays) {
		if (en->frozen)
			flush_disown(t, en);
		else
			free(en->row);
		en->row = len ? xmalloc(row_room(len)) : NULL;
	}
	if (len)
		memcpy(en->row, packed.p, len);
	en->row_len = len;
}

void dirty_add(struct table *t, struct entry *en, int64_t stored_due)
{
	if (t->ndirty == t->dirty_cap) {
		t->dirty_cap += t->dirty_cap / DIRTY_GROWTH + DIRTY_MIN;
		t->dirty = xrealloc(t->dirty, t->dirty_cap * sizeof *t->dirty);
	}
	t->dirty[t->ndirty++] = (struct dirty){en, stored_due};
	en->dirty = true;
}

/* -- buffers of live rows -- */

static uint32_t class_bytes(uint32_t class)
{
	return (4 + class % 4) << (SPARE_LOG_MIN - 2 + class / 4);
}

/* The largest class of at most so many bytes. */
static uint32_t class_within(uint32_t bytes)
{
	uint32_t log = 31 - (uint32_t)__builtin_clz(bytes);
	return 4 * (log - SPARE_LOG_MIN) + (bytes >> (log - 2)) - 4;
}

/* The smallest class of at least so many; SPARE_CLASSES or more: none has. */
static uint32_t class_for(uint32_t bytes)
{
	return bytes <= class_bytes(0) ? 0 : class_within(bytes - 1) + 1;
}

static uint8_t *spare_take(struct table *t, uint32_t need, uint32_t *cap)
{
	uint32_t class = class_for(need);
	*cap = class < SPARE_CLASSES ? class_bytes(class) : need;
	if (class >= SPARE_CLASSES || !t->spare[class])
		return xmalloc(*cap);
	uint8_t *p = t->spare[class];
	memcpy(&t->spare[class], p, sizeof p);
	t->spare_bytes -= *cap;
	return p;
}

static void spare_give(struct table *t, struct heap *h)
{
	uint8_t *p = h->base;
	uint32_t class = h->cap < class_bytes(0) ? SPARE_CLASSES : class_within(h->cap);
	*h = (struct heap){0};
	if (class >= SPARE_CLASSES || t->spare_bytes + class_bytes(class) > SPARE_BYTES_MAX) {
		free(p);
		return;
	}
	memcpy(p, &t->spare[class], sizeof p);
	t->spare[class] = p;
	t->spare_bytes += class_bytes(class);
}

void rows_free(struct table *t)
{
	for (uint32_t i = 0; i < SPARE_CLASSES; i++)
		while (t->spare[i]) {
			uint8_t *p = t->spare[i];
			memcpy(&t->spare[i], p, sizeof p);
			free(p);
		}
	for (uint32_t i = 0; i < t->nchunks; i++)
		free(t->changes[i]);
	free(t->changes);
	free(t->dirty);
	buf_release(&t->packed);
}

/* -- changes -- */

static struct change *change_add(struct table *t, struct entry *en)
{
	if (t->nchanges == t->nchunks * CHANGE_CHUNK) {
		t->changes = xrealloc(t->changes, (t->nchunks + 1) * sizeof *t->changes);
		t->changes[t->nchunks++] = xmalloc(CHANGE_CHUNK * sizeof **t->changes);
	}
	struct change *c = change_at(t, t->nchanges++);
	*c = (struct change){.en = en};
	en->change = c;
	return c;
}

int64_t entry_due(const struct entry *en)
{
	const struct change *c = en->change;
	if (!c)
		return entry_row_due(en);
	return c->dropped ? STORE_NO_DUE : ((const struct row_head *)c->live.base)->due;
}

static uint32_t unpack(const struct entry *en, uint8_t *out)
{
	struct slice packed = {en->row, en->row_len};
	bool ok = pack_read(packed, out);
	INVARIANT(ok);
	return pack_row_bytes(packed);
}

const struct heap *entry_read(const struct entry *en, struct arena *a)
{
	if (en->change)
		return en->change->dropped ? NULL : &en->change->live;
	if (!en->row)
		return NULL;
	struct heap *h = arena_alloc(a, sizeof *h);
	uint32_t cap = pack_row_bytes((struct slice){en->row, en->row_len});
	uint8_t *base = arena_alloc(a, cap);
	*h = (struct heap){base, unpack(en, base), cap, 0};
	return h;
}

struct heap *entry_write(struct table *t, struct entry *en)
{
	struct change *c = en->change;
	bool first = !c;
	if (first)
		c = change_add(t, en);
	c->dropped = c->packed = false;
	if (c->live.base)
		return &c->live;
	uint32_t cap = 0, len = 0; /* it was dropped, if this is not the first time: from nothing */
	if (en->row && first)
		len = pack_row_bytes((struct slice){en->row, en->row_len});
	uint8_t *p = spare_take(t, len ? len + len / 8 + NEW_ROW_BYTES : FIRST_ROW_BYTES, &cap);
	c->live = (struct heap){p, len ? unpack(en, p) : 0, cap, 0};
	return &c->live;
}

void entry_drop(struct table *t, struct entry *en)
{
	struct change *c = en->change ? en->change : change_add(t, en);
	c->dropped = true;
	c->packed = false;
	spare_give(t, &c->live);
	due_set(&t->spaces[en->space], en, STORE_NO_DUE);
}

void entry_due_changed(struct table *t, struct entry *en)
{
	const struct row_head *head = (const struct row_head *)en->change->live.base;
	due_set(&t->spaces[en->space], en, head->due);
}

void **entry_note(struct entry *en)
{
	return &en->change->note;
}

uint32_t table_changed(const struct table *t)
{
	return t->nchanges;
}

/* Asked for after every batch: counted again once there are more changes by a quarter, and now
 * and then, since rows grow where the table does not see it. */
uint64_t table_live_bytes(struct table *t)
{
	bool more = t->nchanges > t->live_counted + t->live_counted / 4 + LIVE_LOOK_CHANGES;
	if (!more && t->nchanges >= t->live_counted && ++t->live_asked % LIVE_LOOK_EVERY)
		return t->live_bytes;
	t->live_counted = t->nchanges;
	t->live_bytes = 0;
	for (uint32_t i = 0; i < t->nchanges; i++)
		t->live_bytes += change_at(t, i)->live.cap;
	return t->live_bytes;
}

/* -- what is fetched before its turn: an epoch's rows are more than the nearer caches hold -- */

/* gcc takes a function that does nothing but this for one without effects, and drops its calls. */
#define FETCH static inline __attribute__((always_inline)) void

FETCH fetch(const uint8_t *p, uint32_t len)
{
	len = len < AHEAD_ROW_BYTES ? len : AHEAD_ROW_BYTES;
	for (uint32_t at = 0; p && at < len; at += 64)
		__builtin_prefetch(p + at);
}

FETCH fetch_entry(const struct entry *en)
{
	if (!en)
		return;
	__builtin_prefetch(en);
	__builtin_prefetch(en->key); /* often on the next line */
}

void entry_fetch(const struct entry *en)
{
	fetch_entry(en);
}

void entry_fetch_change(const struct entry *en)
{
	if (en->change)
		__builtin_prefetch(en->change);
}

void entry_fetch_row(const struct entry *en)
{
	if (en->change)
		fetch(en->change->live.base, en->change->live.len);
	else
		fetch(en->row, en->row_len);
}

/* Change i is next: the entry of a later one, and of one before it the row that it reads. */
FETCH changes_fetch(const struct table *t, uint32_t i, bool live)
{
	if (i + 2 * AHEAD_CHANGES < t->nchanges)
		fetch_entry(change_at(t, i + 2 * AHEAD_CHANGES)->en);
	if (i + AHEAD_CHANGES >= t->nchanges)
		return;
	const struct change *c = change_at(t, i + AHEAD_CHANGES);
	if (live)
		fetch(c->live.base, c->live.len);
	else
		fetch(c->en->row, c->en->row_len);
}

/* -- the epoch's end -- */

static void change_pack(struct table *t, struct change *c)
{
	const struct table_space *conf = &t->spaces[c->en->space].conf;
	if (c->packed)
		return;
	c->packed = true;
	c->packed_at = t->packed.len;
	if (!c->dropped) {
		conf->pack(conf->arg, &c->live);
		pack_write((struct slice){c->live.base, c->live.len}, &t->packed);
	}
	c->packed_len = (uint32_t)(t->packed.len - c->packed_at);
}

static struct slice change_row(const struct table *t, const struct change *c)
{
	if (c->dropped)
		return (struct slice){NULL, 0};
	return (struct slice){t->packed.p + c->packed_at, c->packed_len};
}

enum status table_changes(struct table *t,
        enum status (*fn)(
                void *arg, uint32_t space, struct entry *en, struct slice row, struct error *e),
        void *arg, struct error *e)
{
	for (uint32_t i = 0; i < t->nchanges; i++) {
		struct change *c = change_at(t, i);
		changes_fetch(t, i, true);
		change_pack(t, c);
		if (fn(arg, c->en->space, c->en, change_row(t, c), e))
			return ST_ERR;
	}
	return ST_OK;
}

enum status table_changes_read(struct table *t,
        enum status (*fn)(void *arg, uint32_t space, struct entry *en, struct error *e),
        void *arg, struct error *e)
{
	for (uint32_t i = 0; i < t->nchanges; i++) {
		if (i + AHEAD_CHANGES < t->nchanges)
			fetch_entry(change_at(t, i + AHEAD_CHANGES)->en);
		if (fn(arg, change_at(t, i)->en->space, change_at(t, i)->en, e))
			return ST_ERR;
	}
	return ST_OK;
}

static void changes_end(struct table *t)
{
	t->nchanges = t->live_counted = 0;
	t->live_bytes = 0;
	t->epoch++;
	t->packed.len = 0;
	if (t->packed.cap > PACKED_KEEP_BYTES)
		buf_release(&t->packed);
}

static void change_commit(struct table *t, struct change *c)
{
	struct entry *en = c->en;
	change_pack(t, c);
	struct slice row = change_row(t, c);
	bool restored = !c->live.base;
	if (t->conf.store && en->dirty)
		t->dirty_bytes -= en->row_len;
	else if (t->conf.store)
		dirty_add(t, en, entry_row_due(en));
	if (t->conf.store)
		t->dirty_bytes += row.len;
	row_replace(t, en, row);
	spare_give(t, &c->live);
	en->change = NULL;
	if (restored)
		due_set(&t->spaces[en->space], en, entry_row_due(en));
}

void table_commit(struct table *t, struct slice meta)
{
	for (uint32_t i = 0; i < t->nchanges; i++) {
		changes_fetch(t, i, false);
		change_commit(t, change_at(t, i));
	}
	changes_end(t);
	t->meta.len = 0;
	buf_slice(&t->meta, meta);
	t->meta_dirty = true;
}

void table_abort(struct table *t)
{
	for (uint32_t i = 0; i < t->nchanges; i++) {
		struct change *c = change_at(t, i);
		spare_give(t, &c->live);
		c->en->change = NULL;
		due_set(&t->spaces[c->en->space], c->en, entry_row_due(c->en));
	}
	changes_end(t);
}

void table_restore_ahead(struct table *t, struct table_restored *r)
{
	const struct space *s = &t->spaces[r->space];
	r->hash = entity_hash(r->entity);
	__builtin_prefetch(&s->slots[r->hash & s->mask]);
}

void table_restore(struct table *t, const struct table_restored *r)
{
	struct entry *en = space_find(&t->spaces[r->space], r->entity, r->hash);
	if (!en)
		en = space_add(t, r->space, r->entity, r->hash);
	en->loading = false;
	struct change *c = en->change ? en->change : change_add(t, en);
	c->packed = true;
	c->dropped = !r->row.p;
	c->packed_at = t->packed.len;
	c->packed_len = r->row.p ? r->row.len : 0;
	buf_slice(&t->packed, (struct slice){r->row.p, c->packed_len});
}
