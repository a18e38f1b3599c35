// SPDX-License-Identifier: Apache-2.0
//
// Live groups: found by the name of their row, tied to the row by a number in it. A row with
// number 0 is whole in itself; one with a number is right only together with its live group,
// and never leaves the epoch so: pack puts the group's profiles into it. After an abort all
// live groups are dropped: they hold what the epoch added.
#include "operators/monitor/groups.h"

#include <stdlib.h>

#include "operators/monitor/segment.h"

#define LIVE_BYTES_MAX ((size_t)64 << 20)
#define BUCKETS 1024

struct group_row {
	struct row_head head;
	uint64_t live;
	uint64_t body; /* bytes that follow */
};

struct group {
	struct group *next;
	uint64_t number, hash;
	struct buf name;
	struct entry
	        *en; /* changed in this epoch, and the row refers to the group; NULL: not */
	struct profile *profiles;
	size_t bytes;
};

struct groups {
	const struct op_conf *conf;
	const struct monitor *m;
	struct group *buckets[BUCKETS];
	uint64_t next;
	size_t bytes;
	struct buf body;
};

struct groups *groups_new(const struct op_conf *conf)
{
	struct groups *g = xcalloc(1, sizeof *g);
	g->conf = conf;
	g->m = &conf->plan->job->monitors[conf->step->monitor];
	return g;
}

void profiles_open(
        struct profile *p, const struct baseline_column *base, const struct monitor *m)
{
	for (uint32_t i = 0; i < m->ncolumns; i++)
		profile_init(&p[i], &base[m->base_columns[i]]);
}

void profiles_close(struct profile *p, const struct monitor *m)
{
	for (uint32_t i = 0; i < m->ncolumns; i++)
		profile_release(&p[i]);
}

static void group_free(struct groups *g, struct group *x)
{
	g->bytes -= x->bytes;
	profiles_close(x->profiles, g->m);
	free(x->profiles);
	buf_release(&x->name);
	free(x);
}

static void groups_clear(struct groups *g)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		while (g->buckets[i]) {
			struct group *x = g->buckets[i];
			g->buckets[i] = x->next;
			group_free(g, x);
		}
}

void groups_free(struct groups *g)
{
	if (!g)
		return;
	groups_clear(g);
	buf_release(&g->body);
	free(g);
}

static struct group *group_find(struct groups *g, struct slice name, uint64_t hash)
{
	struct group *x = g->buckets[hash % BUCKETS];
	while (x && (x->hash != hash || !slice_eq(buf_view(&x->name), name)))
		x = x->next;
	return x;
}

static size_t profiles_bytes(const struct profile *p, const struct monitor *m)
{
	size_t n = sizeof(struct group);
	for (uint32_t i = 0; i < m->ncolumns; i++)
		n += sizeof p[i] + (2 * (size_t)p[i].base->ngrid + 1 + p[i].base->nwidth +
		                           p[i].base->ncategories) *
		                           sizeof(uint64_t);
	return n;
}

bool body_merge(struct slice body, struct profile *profiles, const struct baseline_column *base,
        const struct monitor *m)
{
	struct reader r = reader_of(body);
	if (reader_varint(&r) != m->ncolumns)
		return false;
	for (uint32_t i = 0; i < m->ncolumns; i++) {
		struct profile one;
		profile_init(&one, &base[m->base_columns[i]]);
		bool ok = profile_unpack(&one, &r);
		if (ok)
			profile_merge(&profiles[i], &one);
		profile_release(&one);
		if (!ok)
			return false;
	}
	return !r.failed;
}

/* Into fresh profiles: merging into an empty one could round. */
static bool body_load(struct slice body, struct profile *profiles, const struct monitor *m)
{
	struct reader r = reader_of(body);
	if (reader_varint(&r) != m->ncolumns)
		return false;
	for (uint32_t i = 0; i < m->ncolumns; i++)
		if (!profile_unpack(&profiles[i], &r))
			return false;
	return !r.failed;
}

void body_write(const struct profile *profiles, const struct monitor *m, struct buf *out)
{
	buf_varint(out, m->ncolumns);
	for (uint32_t i = 0; i < m->ncolumns; i++)
		profile_pack(&profiles[i], out);
}

static enum status group_load(struct groups *g, struct entry *en, struct slice segment,
        struct group **out, struct arena *a, struct error *e)
{
	struct slice name = entry_entity(en);
	const struct heap *h = entry_read(en, a);
	struct group *x = xcalloc(1, sizeof *x);
	x->hash = entity_hash(name);
	buf_slice(&x->name, name);
	x->profiles = xcalloc(g->m->ncolumns, sizeof *x->profiles);
	profiles_open(x->profiles, segment_baseline(g->m, segment, a)->columns, g->m);
	x->bytes = profiles_bytes(x->profiles, g->m);
	g->bytes += x->bytes;
	x->number = ++g->next;
	if (h && h->len) {
		const struct group_row *r = (const struct group_row *)h->base;
		INVARIANT(!r->live);
		struct slice body = {h->base + sizeof *r, (uint32_t)r->body};
		if (!body_load(body, x->profiles, g->m)) {
			group_free(g, x);
			return error_set(e, ERR_FATAL, 0,
			        "monitor %s: an open window's state cannot be read: was it "
			        "written "
			        "by a newer weir?",
			        g->m->name);
		}
	}
	x->next = g->buckets[x->hash % BUCKETS];
	g->buckets[x->hash % BUCKETS] = x;
	*out = x;
	return ST_OK;
}

enum status groups_open(struct groups *g, struct entry *en, int64_t window,
        struct slice segment, struct group **out, struct arena *a, struct error *e)
{
	struct slice name = entry_entity(en);
	struct group *x = group_find(g, name, entity_hash(name));
	if (!x && group_load(g, en, segment, &x, a, e))
		return ST_ERR;
	*out = x;
	if (x->en)
		return ST_OK;
	struct heap *h = entry_write(g->conf->table, en);
	struct group_row r = {
	        .head = {ROW_FORMAT, ROW_GROUP, window + g->m->window_ms}, .live = x->number};
	row_set(h, &r, sizeof r);
	x->en = en;
	entry_due_changed(g->conf->table, en);
	return ST_OK;
}

void group_add(struct groups *g, struct group *x, const struct batch *b, const uint32_t *rows,
        uint32_t n)
{
	for (uint32_t i = 0; i < g->m->ncolumns; i++)
		profile_add(&x->profiles[i], &b->cols[g->m->columns[i]], rows, n);
}

void groups_body(struct groups *g, struct entry *en, struct buf *out, struct arena *a)
{
	struct slice name = entry_entity(en);
	struct group *x = group_find(g, name, entity_hash(name));
	if (x) {
		body_write(x->profiles, g->m, out);
		return;
	}
	const struct heap *h = entry_read(en, a);
	const struct group_row *r = (const struct group_row *)h->base;
	buf_add(out, h->base + sizeof *r, r->body);
}

static void group_remove(struct groups *g, struct group *x)
{
	struct group **at = &g->buckets[x->hash % BUCKETS];
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	group_free(g, x);
}

void groups_forget(struct groups *g, struct entry *en)
{
	struct slice name = entry_entity(en);
	struct group *x = group_find(g, name, entity_hash(name));
	if (x)
		group_remove(g, x);
}

static void row_finish(struct groups *g, struct group *x, struct heap *h)
{
	struct group_row r = *(struct group_row *)h->base;
	g->body.len = 0;
	buf_add(&g->body, &r, sizeof r);
	body_write(x->profiles, g->m, &g->body);
	while (g->body.len % 8)
		buf_byte(&g->body, 0);
	r.live = 0;
	r.body = g->body.len - sizeof r;
	memcpy(g->body.p, &r, sizeof r);
	row_set(h, g->body.p, (uint32_t)g->body.len);
	x->en = NULL;
}

static struct group *group_numbered(struct groups *g, uint64_t number)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (struct group *x = g->buckets[i]; x; x = x->next)
			if (x->number == number)
				return x;
	INVARIANT(!"a row's live group is there");
	return NULL;
}

void groups_pack(struct groups *g, struct heap *h)
{
	const struct group_row *r = (const struct group_row *)h->base;
	if (r->head.reserved == ROW_GROUP && r->live)
		row_finish(g, group_numbered(g, r->live), h);
}

void groups_trim(struct groups *g)
{
	for (uint32_t i = 0; i < BUCKETS && g->bytes > LIVE_BYTES_MAX; i++)
		while (g->buckets[i]) {
			struct group *x = g->buckets[i];
			if (x->en)
				row_finish(g, x, entry_write(g->conf->table, x->en));
			group_remove(g, x);
		}
}

void groups_epoch_end(struct groups *g, bool committed)
{
	if (!committed)
		groups_clear(g);
	groups_trim(g);
	INVARIANT(!committed || g->bytes <= LIVE_BYTES_MAX);
}
