// SPDX-License-Identifier: Apache-2.0
//
// Following changelogs. The copies are visited in turns, each with a reader of its own that is
// closed again: a client per partition, held open, would cost more than the rows do.
#include "run/standby.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "run/changelog.h"
#include "run/marker.h"
#include "state/pack.h"
#include "state/table.h"

#define TURN_MS 2000        /* from the end of a round of visits to the next */
#define MEMBERS_EVERY_NS INT64_C(5000000000)
#define MEMBERS_MAX 256
#define FOLLOW_RECORDS 512
#define POLL_MS 50
#define BATCH_SHARE 4       /* of the memory: rows kept before they are written */
#define SILENT_POLLS_MAX 60 /* a reader that shows nothing: come back later */

/* -- one copy -- */

struct kept_row {
	struct slice space, entity, row;
	uint32_t number; /* in the order of the log */
};

struct follow {
	const struct standby_conf *conf;
	const struct stage *stage;
	int32_t partition;
	struct store_task *task;
	struct arena arena; /* rows kept */
	struct kept_row *rows;
	uint32_t n, cap;
	struct marker marker;
	int64_t position, end; /* end: as seen at the start of the visit */
	struct standby_copy *copy;
};

static int kept_cmp(const void *pa, const void *pb)
{
	const struct kept_row *a = pa, *b = pb;
	int c = slice_cmp(a->space, b->space);
	if (!c)
		c = slice_cmp(a->entity, b->entity);
	return c ? c : (a->number > b->number) - (a->number < b->number);
}

static bool same_key(const struct kept_row *a, const struct kept_row *b)
{
	return slice_eq(a->space, b->space) && slice_eq(a->entity, b->entity);
}

/* The last row of each entity, in key order. */
static void rows_thin(struct follow *f)
{
	uint32_t n = 0;
	if (f->n)
		qsort(f->rows, f->n, sizeof *f->rows, kept_cmp);
	for (uint32_t i = 0; i < f->n; i++) {
		if (n && same_key(&f->rows[n - 1], &f->rows[i]))
			n--;
		f->rows[n++] = f->rows[i];
	}
	f->n = n;
}

static int64_t due_of_row(struct slice row)
{
	return row.p && pack_check(row) ? pack_due(row.p) : STORE_NO_DUE;
}

/* Rows, their timers, and the position, at once. The timers that these rows replace are told by
 * the rows that are there. */
static enum status rows_write(struct follow *f, struct error *e)
{
	rows_thin(f);
	struct arena *a = &f->arena;
	struct store_key *keys = arena_alloc(a, (f->n + 1) * sizeof *keys);
	struct slice *old = arena_calloc(a, f->n + 1, sizeof *old);
	struct store_write *writes = arena_alloc(a, (f->n + 1) * sizeof *writes);
	struct buf meta = {0};
	for (uint32_t i = 0; i < f->n; i++)
		keys[i] = (struct store_key){f->rows[i].space, f->rows[i].entity};
	if (f->n && f->task->ops->get(f->task, keys, f->n, old, a, e))
		return ST_ERR;
	for (uint32_t i = 0; i < f->n; i++)
		writes[i] = (struct store_write){.key = keys[i], .value = f->rows[i].row,
			.due = due_of_row(f->rows[i].row), .old_due = due_of_row(old[i])};
	store_meta_write(f->position, &f->marker, &meta);
	enum status st = f->task->ops->write(f->task, writes, f->n, buf_view(&meta), e);
	buf_release(&meta);
	f->n = 0;
	arena_reset(a);
	return st;
}

static enum status row_keep(void *arg, const struct changelog_row *row, struct error *e)
{
	struct follow *f = arg;
	(void)e;
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 1024;
		f->rows = xrealloc(f->rows, f->cap * sizeof *f->rows);
	}
	struct kept_row *k = &f->rows[f->n];
	*k = (struct kept_row){arena_slice(&f->arena, row->space),
		arena_slice(&f->arena, row->entity), {NULL, 0}, f->n};
	if (row->row.p)
		k->row = arena_slice(&f->arena, row->row);
	f->n++;
	atomic_fetch_add(&f->copy->rows, 1);
	return ST_OK;
}

static enum status record_take(struct follow *f, const struct log_record *r, struct error *e)
{
	uint8_t kind = r->key.len == 1 ? r->key.p[0] : 0;
	struct marker m;
	if (kind == CHANGELOG_BLOCK && r->has_value)
		return changelog_rows(r->value, row_keep, f, e);
	if (kind != CHANGELOG_MARKER || !marker_read(r->value, &m))
		return error_set(e, ERR_FATAL, 0, "offset %lld is no changelog record that this "
						  "weir reads", (long long)r->offset);
	if (f->marker.epoch && m.incarnation_ms != f->marker.incarnation_ms)
		return ST_END; /* the changelog was recreated */
	f->marker = m;
	return ST_OK;
}

static void lag_show(struct follow *f)
{
	atomic_store(&f->copy->lag, f->end > f->position ? f->end - f->position : 0);
}

/* Where the copy stands; it is dropped if it is no prefix of what the changelog has. */
static enum status start_at(struct follow *f, int64_t begin, struct error *e)
{
	struct slice meta;
	f->position = 0;
	f->marker = (struct marker){0};
	if (f->task->ops->meta(f->task, &meta, &f->arena, e))
		return ST_ERR;
	bool usable = meta.len && store_meta_read(meta, &f->position, &f->marker) &&
		      f->position >= begin && f->position <= f->end;
	if (!usable) {
		f->position = begin;
		f->marker = (struct marker){0};
	}
	return usable || !meta.len ? ST_OK : f->task->ops->wipe(f->task, e);
}

static enum status read_on(
	struct follow *f, struct log_reader *r, const atomic_bool *let_go, struct error *e)
{
	const struct standby_conf *c = f->conf;
	struct log_record *records = xmalloc(FOLLOW_RECORDS * sizeof *records);
	enum status st = ST_OK;
	uint32_t silent = 0;
	while (!st && f->position < f->end && silent < SILENT_POLLS_MAX && !atomic_load(let_go) &&
		!atomic_load(c->stop)) {
		uint32_t n = 0;
		st = c->log->reader_poll(r, POLL_MS, records, FOLLOW_RECORDS, &n, e);
		for (uint32_t i = 0; i < n && !st; i++)
			st = record_take(f, &records[i], e);
		if (st)
			break;
		int64_t at = c->log->reader_position(r);
		silent = at == f->position ? silent + 1 : 0;
		f->position = at;
		if (f->arena.used_bytes <= c->memory_bytes / BATCH_SHARE)
			continue;
		st = rows_write(f, e);
		if (!st)
			lag_show(f);
	}
	free(records);
	if (st == ST_END) {
		f->position = 0;
		return f->task->ops->wipe(f->task, e);
	}
	return st ? st : rows_write(f, e);
}

static enum status follow(struct follow *f, const atomic_bool *let_go, struct error *e)
{
	const struct standby_conf *c = f->conf;
	struct log_reader *r;
	int64_t begin;
	if (c->log->bounds(c->broker, f->stage->changelog, f->partition, &begin, &f->end, e) ||
		start_at(f, begin, e))
		return ST_ERR;
	arena_reset(&f->arena);
	lag_show(f);
	if (f->position >= f->end)
		return ST_OK;
	if (c->log->reader_open(c->broker, f->stage->changelog, f->partition, f->position,
		    c->memory_bytes / 2, &r, e))
		return ST_ERR;
	enum status st = read_on(f, r, let_go, e);
	c->log->reader_close(r);
	if (!st)
		lag_show(f);
	return st;
}

enum status standby_follow(const struct standby_conf *c, const struct stage *stage,
	int32_t partition, const atomic_bool *let_go, struct standby_copy *copy, struct error *e)
{
	struct follow f = {.conf = c, .stage = stage, .partition = partition, .copy = copy};
	char name[256];
	plan_task_name(c->plan, stage, partition, name, sizeof name);
	enum status st = c->store->ops->task_open(c->store, name, &f.task, e);
	if (!st)
		st = follow(&f, let_go, e);
	if (f.task)
		f.task->ops->task_close(f.task);
	arena_release(&f.arena);
	free(f.rows);
	return st;
}

/* -- which copies -- */

static uint64_t preference(const char *node, const char *changelog, int32_t partition)
{
	char text[600];
	int n = snprintf(text, sizeof text, "%s/%s/%d", node, changelog, (int)partition);
	return XXH3_64bits(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

bool standby_wanted(const char *node, const char *const *nodes, uint32_t nnodes,
	const char *changelog, int32_t partition, uint32_t copies)
{
	uint64_t mine = preference(node, changelog, partition);
	uint32_t before = 0;
	for (uint32_t i = 0; i < nnodes; i++) {
		uint64_t other = preference(nodes[i], changelog, partition);
		int c = strcmp(nodes[i], node);
		before += c && (other < mine || (other == mine && c < 0));
	}
	return before <= copies;
}

/* -- the thread -- */

struct seat_of { /* a partition of a stage */
	const struct stage *stage;
	int32_t partition;
	uint32_t ours; /* workers of this process that run it; two, while it goes from one to the other */
	bool kept; /* we keep a copy of it */
	struct standby_copy copy;
};

struct standbys {
	struct standby_conf conf;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct seat_of *seats;
	uint32_t nseats;
	struct seat_of *busy;  /* being followed */
	atomic_bool let_go;    /* somebody waits for it */
	uint64_t rounds;
	char (*members)[256];
	const char **nodes;
	uint32_t nnodes;
	int64_t members_at_ns;
};

static struct seat_of *seat_find(struct standbys *s, const struct stage *stage, int32_t partition)
{
	for (uint32_t i = 0; i < s->nseats; i++)
		if (s->seats[i].stage == stage && s->seats[i].partition == partition)
			return &s->seats[i];
	return NULL; /* one that was added since */
}

void standbys_take(struct standbys *s, const struct stage *stage, int32_t partition)
{
	struct seat_of *seat = s ? seat_find(s, stage, partition) : NULL;
	if (!seat)
		return;
	pthread_mutex_lock(&s->lock);
	seat->ours++;
	seat->kept = false;
	while (s->busy == seat) {
		atomic_store(&s->let_go, true);
		pthread_cond_wait(&s->freed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void standbys_give(struct standbys *s, const struct stage *stage, int32_t partition)
{
	struct seat_of *seat = s ? seat_find(s, stage, partition) : NULL;
	if (!seat)
		return;
	pthread_mutex_lock(&s->lock);
	INVARIANT(seat->ours > 0);
	seat->ours--;
	pthread_mutex_unlock(&s->lock);
}

void standbys_stats(struct standbys *s, struct standby_stats *out)
{
	*out = (struct standby_stats){0};
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	out->rounds = s->rounds;
	for (uint32_t i = 0; i < s->nseats; i++) {
		int64_t lag = atomic_load(&s->seats[i].copy.lag);
		out->rows += atomic_load(&s->seats[i].copy.rows);
		if (!s->seats[i].kept)
			continue;
		out->copies++;
		out->lag = out->lag < 0 || lag < 0 ? -1 : out->lag + lag;
	}
	pthread_mutex_unlock(&s->lock);
}

/* "<node>.<worker>@<http>": the nodes, each once. */
static void members_look(struct standbys *s)
{
	const struct standby_conf *c = &s->conf;
	int64_t now = clock_mono_ns(c->clock);
	uint32_t n = MEMBERS_MAX;
	struct error e;
	if (s->members_at_ns && now - s->members_at_ns < MEMBERS_EVERY_NS)
		return;
	s->members_at_ns = now;
	if (c->log->group_members(c->broker, c->plan->group, s->members, &n, &e))
		return; /* those of the last look, then */
	s->nnodes = 0;
	for (uint32_t i = 0; i < n; i++) {
		char *dot = strrchr(s->members[i], '@');
		for (dot = dot ? dot : s->members[i]; dot > s->members[i] && *dot != '.'; dot--)
			;
		*dot = 0;
		bool known = false;
		for (uint32_t k = 0; k < s->nnodes; k++)
			known |= !strcmp(s->nodes[k], s->members[i]);
		if (!known)
			s->nodes[s->nnodes++] = s->members[i];
	}
}

/* Which copies are kept from now on; of a new one it is not known how far it is. */
static void seats_choose(struct standbys *s)
{
	for (uint32_t i = 0; i < s->nseats; i++) {
		struct seat_of *seat = &s->seats[i];
		bool wanted = standby_wanted(s->conf.node, s->nodes, s->nnodes,
			seat->stage->changelog, seat->partition, s->conf.copies);
		pthread_mutex_lock(&s->lock);
		wanted = wanted && !seat->ours;
		if (wanted && !seat->kept)
			atomic_store(&seat->copy.lag, -1);
		seat->kept = wanted;
		pthread_mutex_unlock(&s->lock);
	}
}

/* True: it is to be followed now; busy is set. */
static bool seat_enter(struct standbys *s, struct seat_of *seat)
{
	pthread_mutex_lock(&s->lock);
	bool kept = seat->kept;
	if (kept) {
		s->busy = seat;
		atomic_store(&s->let_go, false);
	}
	pthread_mutex_unlock(&s->lock);
	return kept;
}

static void seat_visit(struct standbys *s, struct seat_of *seat)
{
	struct error e = {0};
	if (standby_follow(&s->conf, seat->stage, seat->partition, &s->let_go, &seat->copy, &e))
		LOG_WARN("standby", "%s[%d]: %s", seat->stage->changelog, (int)seat->partition,
			e.msg);
	pthread_mutex_lock(&s->lock);
	s->busy = NULL;
	pthread_cond_broadcast(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

static void pause_round(const struct standbys *s)
{
	struct timespec tick = {0, 50000000};
	for (int ms = 0; ms < TURN_MS && !atomic_load(s->conf.stop); ms += 50)
		nanosleep(&tick, NULL);
}

static void *standbys_run(void *arg)
{
	struct standbys *s = arg;
	while (!atomic_load(s->conf.stop)) {
		members_look(s);
		seats_choose(s);
		for (uint32_t i = 0; i < s->nseats && !atomic_load(s->conf.stop); i++)
			if (seat_enter(s, &s->seats[i]))
				seat_visit(s, &s->seats[i]);
		pthread_mutex_lock(&s->lock);
		s->rounds++;
		pthread_mutex_unlock(&s->lock);
		pause_round(s);
	}
	return NULL;
}

static void seats_make(struct standbys *s)
{
	const struct plan *p = s->conf.plan;
	uint32_t n = 0;
	for (uint32_t i = 0; i < p->nstages; i++)
		n += (uint32_t)p->stages[i].partitions;
	s->seats = xcalloc(n + 1, sizeof *s->seats);
	for (uint32_t i = 0; i < p->nstages; i++)
		for (int32_t k = 0; k < p->stages[i].partitions; k++)
			s->seats[s->nseats++] = (struct seat_of){.stage = &p->stages[i], .partition = k};
}

static void standbys_free(struct standbys *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->freed);
	free(s->seats);
	free(s->members);
	free(s->nodes);
	free(s);
}

struct standbys *standbys_start(const struct standby_conf *conf)
{
	struct standbys *s = xcalloc(1, sizeof *s);
	s->conf = *conf;
	s->members = xcalloc(MEMBERS_MAX, sizeof *s->members);
	s->nodes = xcalloc(MEMBERS_MAX, sizeof *s->nodes);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	seats_make(s);
	if (pthread_create(&s->thread, NULL, standbys_run, s) == 0)
		return s;
	LOG_WARN("standby", "no thread to be had: no copies are kept");
	standbys_free(s);
	return NULL;
}

void standbys_stop(struct standbys *s)
{
	if (!s)
		return;
	pthread_join(s->thread, NULL);
	standbys_free(s);
}
