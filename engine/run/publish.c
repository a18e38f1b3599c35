// SPDX-License-Identifier: Apache-2.0
//
// The online side of a task. Ordinary epochs are put as they commit. After a start, and whenever
// the store was lost and is back, the task's record there is compared with its marker, and what
// is missing is written again: from the offline topic's tail when the store is behind, from the
// task's own state when it has no record. Repairs go one page at a time between epochs.
// Not here: the guard on versions, the backlog (the online store's).
#include "run/publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "data/avro.h"
#include "data/block.h"
#include "data/entity.h"
#include "run/worker.h"

#define CHECK_EVERY_NS INT64_C(1000000000)
#define REPAIR_ROWS 1000
#define REPAIR_BACKLOG_BYTES (8u << 20) /* no repair while more than this is queued */

enum publish_state { PUBLISH_CHECK, PUBLISH_SYNC, PUBLISH_TAIL, PUBLISH_STATE, PUBLISH_FINISH };

struct publish {
	enum publish_state state;
	struct arena arena; /* rows of the epoch under way */
	struct online_row *rows;
	uint32_t nrows, cap;
	int64_t *offsets; /* per view: the offline topic's end as of the last commit */
	bool has_offsets;
	bool fresh; /* the task began with nothing: its first record is no repair worth a word */
	uint64_t generation;
	int64_t next_check_ns;
	/* A repair. */
	char fixed[ONLINE_VERSION_BYTES + 1];
	int64_t *from; /* per view */
	uint32_t view; /* the one under repair */
	struct log_reader *reader;
	struct log_record *records; /* polled, and so many of them taken */
	uint32_t nrecords, taken;
	struct buf cursor;
	uint64_t repaired;
};

static bool wanted(const struct task *t)
{
	return t->worker->conf.online_ops != NULL;
}

void publish_open(struct task *t)
{
	if (!wanted(t))
		return;
	struct publish *p = xcalloc(1, sizeof *p);
	p->offsets = xcalloc(t->stage->nviews, sizeof *p->offsets);
	p->from = xcalloc(t->stage->nviews, sizeof *p->from);
	t->publish = p;
}

static void reader_drop(struct task *t)
{
	if (t->publish->reader)
		t->worker->conf.log->reader_close(t->publish->reader);
	t->publish->reader = NULL;
	t->publish->nrecords = t->publish->taken = 0;
}

void publish_close(struct task *t)
{
	struct publish *p = t->publish;
	if (!p)
		return;
	reader_drop(t);
	arena_release(&p->arena);
	buf_release(&p->cursor);
	free(p->rows);
	free(p->offsets);
	free(p->from);
	free(p->records);
	free(p);
	t->publish = NULL;
}

void publish_reopen(struct task *t)
{
	struct publish *p = t->publish;
	if (!p)
		return;
	reader_drop(t);
	p->state = PUBLISH_CHECK;
	p->next_check_ns = 0;
	p->has_offsets = false;
	p->nrows = 0;
}

static struct online_row *row_new(struct publish *p)
{
	if (p->nrows == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 256;
		p->rows = xrealloc(p->rows, p->cap * sizeof *p->rows);
	}
	return &p->rows[p->nrows++];
}

static enum status row_collect(void *arg, uint32_t space, struct entry *en, struct error *e)
{
	(void)e;
	struct task *t = arg;
	struct publish *p = t->publish;
	struct online_row r;
	if (space >= t->stage->nviews) /* of a monitor */
		return ST_OK;
	if (!t->ops[space].def->online(t->ops[space].op, en, &r))
		return ST_OK;
	r.view = t->ops[space].online_view;
	*row_new(p) = r; /* bytes live until the operators' epoch ends */
	return ST_OK;
}

void publish_collect(struct task *t)
{
	if (!wanted(t))
		return;
	t->publish->nrows = 0;
	struct error e;
	table_changes_read(t->table, row_collect, t, &e);
}

static const struct view_plan *view_plan_of(const struct task *t, uint32_t i)
{
	return &t->worker->conf.plan->views[t->stage->views[i]];
}

static void version_of(const struct marker *m, char out[ONLINE_VERSION_BYTES + 1])
{
	online_version_format(out, m->incarnation_ms, rule_kept(FP_RULE_VERSION) ? m->epoch : 1, 0);
}

/* "aircraft.v1=123;": where the offline topics end after this epoch. */
static void offsets_text(struct task *t, char *out, size_t room)
{
	const struct job *job = t->worker->conf.plan->job;
	size_t n = 0;
	out[0] = 0;
	for (uint32_t i = 0; i < t->stage->nviews; i++) {
		const struct view *v = &job->views[t->stage->views[i]];
		int len = snprintf(out + n, room - n, "%s.v%u=%" PRId64 ";", v->name, v->version,
			t->publish->offsets[i]);
		if (len < 0 || (size_t)len >= room - n) {
			snprintf(out, room, "-"); /* too many views: repaired from state */
			return;
		}
		n += (size_t)len;
	}
	if (!n)
		snprintf(out, room, "-");
}

static void offsets_update(struct task *t)
{
	const struct worker_conf *c = &t->worker->conf;
	for (uint32_t i = 0; i < t->stage->nviews; i++) {
		int64_t at = c->log->delivered(t->worker->session,
			c->log->topic(t->worker->session, view_plan_of(t, i)->topic),
			t->partition);
		if (at > t->publish->offsets[i])
			t->publish->offsets[i] = at;
	}
}

static void record_now(struct task *t, struct online_record *r)
{
	version_of(&t->marker, r->version);
	offsets_text(t, r->offsets, sizeof r->offsets);
}

void publish_epoch(struct task *t)
{
	struct publish *p = t->publish;
	if (!p)
		return;
	offsets_update(t);
	if (!p->nrows)
		return;
	static _Thread_local struct online_epoch ep;
	ep = (struct online_epoch){.task = t->online_name, .rows = p->rows, .nrows = p->nrows};
	record_now(t, &ep.record);
	/* In a repair too: its rows carry the version of its start, so they cannot stand in for
	 * rows dropped after it where the store already has a newer one. */
	if (t->worker->conf.online_ops->put(t->worker->conf.online, &ep) == ST_END)
		p->state = PUBLISH_CHECK;
	p->nrows = 0;
}

/* -- comparing -- */

static enum status offsets_init(struct task *t, struct error *e)
{
	const struct worker_conf *c = &t->worker->conf;
	for (uint32_t i = 0; i < t->stage->nviews; i++) {
		int64_t begin, end;
		if (c->log->bounds(c->broker, view_plan_of(t, i)->topic, t->partition, &begin,
			    &end, e))
			return ST_ERR;
		if (end > t->publish->offsets[i])
			t->publish->offsets[i] = end;
	}
	t->publish->has_offsets = true;
	return ST_OK;
}

/* Where the record says each view's topic ended; false: it does not say for all of them. */
static bool offsets_parse(struct task *t, const char *text, int64_t *out)
{
	const struct job *job = t->worker->conf.plan->job;
	for (uint32_t i = 0; i < t->stage->nviews; i++) {
		const struct view *v = &job->views[t->stage->views[i]];
		char name[300];
		int len = snprintf(name, sizeof name, "%s.v%u=", v->name, v->version);
		const char *at = strstr(text, name);
		while (at && at != text && at[-1] != ';')
			at = strstr(at + 1, name);
		if (!at)
			return false;
		out[i] = strtoll(at + len, NULL, 10);
	}
	return true;
}

/* Opens a repair: from here on ordinary puts are rows only, until it is finished. */
static void repair_start(struct task *t, enum publish_state how)
{
	struct publish *p = t->publish;
	const struct worker_conf *c = &t->worker->conf;
	static _Thread_local struct online_epoch ep;
	ep = (struct online_epoch){.task = t->online_name, .repair = true};
	version_of(&t->marker, p->fixed);
	memcpy(ep.record.version, p->fixed, sizeof p->fixed);
	p->view = 0;
	p->cursor.len = 0;
	p->repaired = 0;
	reader_drop(t);
	if (c->online_ops->put(c->online, &ep) == ST_END) {
		p->state = PUBLISH_CHECK;
		return;
	}
	p->state = how;
	bool silent = how == PUBLISH_FINISH || p->fresh;
	p->fresh = false;
	t->repairs += !silent;
	if (!silent)
		LOG_INFO("publish", "%s: the online store %s: writing it again from %s", t->name,
			how == PUBLISH_TAIL ? "is behind" : "has no record of this task",
			how == PUBLISH_TAIL ? "the offline topic" : "state");
}

static void compare(struct task *t, const struct online_record *r)
{
	struct publish *p = t->publish;
	char ours[ONLINE_VERSION_BYTES + 1];
	version_of(&t->marker, ours);
	if (strcmp(r->version, ours) >= 0) {
		p->state = PUBLISH_SYNC;
		return;
	}
	if (!offsets_parse(t, r->offsets, p->from)) {
		repair_start(t, PUBLISH_STATE);
		return;
	}
	bool same = true;
	for (uint32_t i = 0; i < t->stage->nviews; i++)
		same &= p->from[i] >= p->offsets[i];
	repair_start(t, same ? PUBLISH_FINISH : PUBLISH_TAIL);
}

static void check(struct task *t)
{
	struct publish *p = t->publish;
	const struct worker_conf *c = &t->worker->conf;
	struct error e;
	static _Thread_local struct online_record r;
	int64_t now = clock_mono_ns(c->clock);
	struct online_stats st;
	c->online_ops->stats(c->online, &st);
	if (now < p->next_check_ns || !st.up)
		return;
	p->next_check_ns = now + CHECK_EVERY_NS;
	if (!p->has_offsets && offsets_init(t, &e))
		return;
	enum status got = c->online_ops->record_get(c->online, t->online_name, &r, &e);
	if (got < 0)
		return;
	if (got == ST_OK) {
		compare(t, &r);
	} else if (t->marker.epoch == 0) {
		p->fresh = false;
		p->state = PUBLISH_SYNC;
	} else {
		repair_start(t, PUBLISH_STATE);
	}
}

/* -- repairing -- */

static enum status repair_put(struct task *t, bool last)
{
	struct publish *p = t->publish;
	const struct worker_conf *c = &t->worker->conf;
	static _Thread_local struct online_epoch ep;
	ep = (struct online_epoch){.task = t->online_name, .repair = true, .rows = p->rows,
		.nrows = last ? 0 : p->nrows};
	if (last)
		record_now(t, &ep.record);
	else
		memcpy(ep.record.version, p->fixed, sizeof p->fixed);
	p->repaired += ep.nrows;
	p->nrows = 0;
	enum status st = c->online_ops->put(c->online, &ep);
	arena_reset(&p->arena);
	if (st == ST_END)
		p->state = PUBLISH_CHECK; /* start again, later */
	return st;
}

static void state_row_add(struct task *t, uint32_t space, struct slice entity, struct slice row)
{
	struct publish *p = t->publish;
	struct online_row r;
	if (!t->ops[space].def->online_from_state(t->ops[space].op, arena_slice(&p->arena, entity),
		    row, &r, &p->arena))
		return;
	r.view = t->ops[space].online_view;
	*row_new(p) = r;
}

static enum status scan_row(void *arg, struct slice entity, struct slice row, struct error *e)
{
	(void)e;
	struct task *t = arg;
	state_row_add(t, t->publish->view, entity, row);
	return ST_OK;
}

/* (b): every entity of the views, from state, a page a call. */
static enum status repair_state(struct task *t, struct error *e)
{
	struct publish *p = t->publish;
	if (p->view == t->stage->nviews) {
		p->state = PUBLISH_FINISH;
		return ST_OK;
	}
	arena_reset(&t->worker->batch);
	enum status st = table_scan(t->table, p->view, &p->cursor, scan_row, t,
		&t->worker->batch, e);
	if (st < 0)
		return ST_ERR;
	if (p->nrows && repair_put(t, false))
		return ST_OK;
	if (st == ST_END) {
		p->view++;
		p->cursor.len = 0;
	}
	return ST_OK;
}

/* The name of the entity whose columns these are, into the arena. */
static struct slice entity_name(struct publish *p, const struct view_plan *vp,
	const struct value *values, uint32_t n)
{
	struct buf b = {0};
	entity_write(&b, vp->entity_types, values, n);
	struct slice s = arena_slice(&p->arena, buf_view(&b));
	buf_release(&b);
	return s;
}

/* The row as it was sent, of an offline row's Avro bytes; false: it is none. */
static bool offline_row(struct task *t, struct slice row, struct online_row *out)
{
	struct publish *p = t->publish;
	const struct view *v = &t->worker->conf.plan->job->views[t->stage->views[p->view]];
	const struct view_plan *vp = view_plan_of(t, p->view);
	struct reader in = reader_of(row);
	struct value skip, event_time, known_at;
	struct value *entity = arena_calloc(&t->worker->batch, v->nentity, sizeof *entity);
	const struct type t_long = {.kind = KIND_LONG};
	for (uint32_t i = 0; i < v->nentity; i++)
		avro_read(&in, vp->entity_types[i], false, &entity[i]);
	avro_read(&in, &t_long, false, &event_time);
	avro_read(&in, &t_long, false, &known_at);
	avro_read(&in, &t_long, true, &skip);
	avro_read(&in, &t_long, true, &skip);
	if (in.failed)
		return false;
	struct slice features = {in.p, (uint32_t)(in.end - in.p)};
	*out = (struct online_row){.view = t->ops[p->view].online_view,
		.entity = entity_name(p, vp, entity, v->nentity), .event_time = event_time.i64,
		.known_at = known_at.i64, .features = arena_slice(&p->arena, features)};
	return true;
}

/* An entity that still has state gets its row of now; one that was forgotten its last one. */
static enum status tail_row(struct task *t, struct slice row, struct error *e)
{
	struct publish *p = t->publish;
	struct online_row out;
	struct entry *en;
	if (!offline_row(t, row, &out))
		return ST_OK;
	uint64_t hash = entity_hash(out.entity);
	if (table_resolve(t->table, p->view, &out.entity, &hash, 1, &en, &t->worker->batch, e))
		return ST_ERR;
	const struct heap *h = entry_read(en, &t->worker->batch);
	if (h)
		state_row_add(t, p->view, out.entity, (struct slice){h->base, h->len});
	else
		*row_new(p) = out;
	return ST_OK;
}

/* A row, or a block of rows. */
static enum status tail_record(struct task *t, const struct log_record *r, struct error *e)
{
	struct slice row, body = block_unframe(r->value);
	struct block_reader rows;
	enum status st;
	if (!r->has_key || !r->has_value)
		return ST_OK;
	if (!block_key_is(r->key))
		return tail_row(t, body, e);
	block_read(&rows, body, view_plan_of(t, t->publish->view)->schema);
	while ((st = block_next(&rows, &row)) == ST_OK)
		if (tail_row(t, row, e))
			return ST_ERR;
	if (st < 0)
		LOG_WARN("publish", "%s: %s[%d]@%" PRId64
				    " is no whole block of rows: what follows in it is not repaired",
			t->name, view_plan_of(t, t->publish->view)->topic, (int)t->partition,
			r->offset);
	return ST_OK;
}

static enum status tail_open(struct task *t, struct error *e)
{
	struct publish *p = t->publish;
	const struct worker_conf *c = &t->worker->conf;
	int64_t begin, end;
	const char *topic = view_plan_of(t, p->view)->topic;
	if (c->log->bounds(c->broker, topic, t->partition, &begin, &end, e))
		return ST_ERR;
	if (p->from[p->view] < begin) {
		repair_start(t, PUBLISH_STATE); /* the tail is gone */
		return ST_END;
	}
	if (!p->records)
		p->records = xmalloc(REPAIR_ROWS * sizeof *p->records);
	return c->log->reader_open(c->broker, topic, t->partition, p->from[p->view],
		c->memory_bytes / 32, &p->reader, e);
}

/* (a): what came after the record, a page a call. */
static enum status repair_tail(struct task *t, struct error *e)
{
	struct publish *p = t->publish;
	const struct log_ops *log = t->worker->conf.log;
	while (p->view < t->stage->nviews && p->from[p->view] >= p->offsets[p->view])
		p->view++;
	if (p->view == t->stage->nviews) {
		p->state = PUBLISH_FINISH;
		return ST_OK;
	}
	if (!p->reader) {
		enum status st = tail_open(t, e);
		if (st)
			return st < 0 ? ST_ERR : ST_OK;
	}
	if (p->taken == p->nrecords) {
		p->taken = p->nrecords = 0;
		if (log->reader_poll(p->reader, 5, p->records, REPAIR_ROWS, &p->nrecords, e))
			return ST_ERR;
	}
	arena_reset(&t->worker->batch);
	while (p->taken < p->nrecords && p->nrows < REPAIR_ROWS) /* a record may be many rows */
		if (tail_record(t, &p->records[p->taken++], e))
			return ST_ERR;
	if (p->nrows && repair_put(t, false))
		return ST_OK;
	if (p->taken == p->nrecords && log->reader_position(p->reader) >= p->offsets[p->view]) {
		reader_drop(t);
		p->view++;
	}
	return ST_OK;
}

static void repair_finish(struct task *t)
{
	struct publish *p = t->publish;
	if (repair_put(t, true))
		return;
	p->state = PUBLISH_SYNC;
	if (p->repaired)
		LOG_DEBUG("publish", "%s: %" PRIu64 " rows written again", t->name, p->repaired);
}

bool publish_step(struct task *t)
{
	struct publish *p = t->publish;
	if (!p || t->phase != PHASE_RUNNING)
		return false;
	const struct worker_conf *c = &t->worker->conf;
	uint64_t generation = c->online_ops->generation(c->online);
	p->fresh |= t->first_marker;
	if (generation != p->generation) {
		p->generation = generation;
		p->state = PUBLISH_CHECK;
		reader_drop(t);
	}
	if (p->state == PUBLISH_SYNC)
		return false;
	if (p->state == PUBLISH_CHECK) {
		check(t);
		return false;
	}
	struct online_stats st;
	c->online_ops->stats(c->online, &st);
	if (!st.up || st.backlog_bytes > REPAIR_BACKLOG_BYTES)
		return false;
	struct error e = {0};
	enum status rc = ST_OK;
	if (p->state == PUBLISH_TAIL)
		rc = repair_tail(t, &e);
	else if (p->state == PUBLISH_STATE)
		rc = repair_state(t, &e);
	else
		repair_finish(t);
	if (rc < 0) {
		LOG_WARN("publish", "%s: repair of the online store: %s", t->name, e.msg);
		p->state = PUBLISH_CHECK;
		reader_drop(t);
	}
	return p->state != PUBLISH_SYNC && p->state != PUBLISH_CHECK;
}

bool publish_settled(const struct task *t)
{
	return !t->publish || t->phase != PHASE_RUNNING || t->publish->state == PUBLISH_SYNC;
}
