// SPDX-License-Identifier: Apache-2.0
//
// Start or takeover of a partition. The order is the protocol's: offsets before the high
// watermark, the high watermark (not the last stable offset) before the replay, then the check
// that the marker and the group agree. The marker is the authority; the group's offsets only
// tell that somebody else went on.
#include "run/takeover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "run/changelog.h"
#include "run/growth.h"
#include "run/publish.h"
#include "run/round.h"
#include "run/worker.h"

#define RESTORE_RECORDS 2048
/* Rows replayed become state in small parts: what lies between is then read from the cache, in
 * buffers that are kept (state/rows.c). A third of a restore was new pages for them. */
#define RESTORE_COMMIT_BYTES ((uint64_t)448 << 10)
#define RESTORE_AHEAD 32 /* rows whose places in the table are asked for early */
#define RESTORES_MAX 4 /* of a worker at a time: each is a client with queues of its own */
#define STALL_NS INT64_C(3000000000)
#define RETRY_NS INT64_C(100000000)
#define MISMATCH_MAX 3
/* Between two: an evicted member hears of it with its next heartbeat, 3 s away at most. */
#define MISMATCH_NS INT64_C(2000000000)

struct takeover {
	struct takeover_progress progress;
	struct log_reader *reader;
	struct log_record *records;
	int64_t group_offset, end;
	struct marker found;     /* newest marker seen */
	bool has_marker, wiped;
	bool local;       /* found is the local copy's */
	bool recreated;   /* the changelog speaks of another incarnation than the local copy */
	uint64_t uncommitted_bytes;
	struct table_restored ahead[RESTORE_AHEAD];
	uint32_t nahead;
	uint32_t mismatches;
	int64_t stalled_since_ns;
	int64_t next_try_ns;
};

void takeover_start(struct task *t)
{
	takeover_free(t);
	t->takeover = xcalloc(1, sizeof *t->takeover);
	t->takeover->progress.started_ns = clock_mono_ns(t->worker->conf.clock);
	t->phase = PHASE_OFFSETS;
	t->held_until_ns = 0; /* it begins to fetch anew */
	round_void(t, true);
}

static void reader_drop(struct task *t)
{
	struct takeover *k = t->takeover;
	if (k->reader)
		t->worker->conf.log->reader_close(k->reader);
	k->reader = NULL;
}

void takeover_free(struct task *t)
{
	if (!t->takeover)
		return;
	reader_drop(t);
	free(t->takeover->records);
	free(t->takeover);
	t->takeover = NULL;
}

/* A previous owner that holds its offsets in an open transaction is barred; its id is in the
 * marker. Without one the transaction time-out does it. */
static void stalled(struct task *t)
{
	struct takeover *k = t->takeover;
	const struct worker_conf *c = &t->worker->conf;
	int64_t now = clock_mono_ns(c->clock);
	if (!k->stalled_since_ns)
		k->stalled_since_ns = now;
	if (now - k->stalled_since_ns < STALL_NS || !k->has_marker)
		return;
	k->stalled_since_ns = now;
	if (strcmp(k->found.transactional_id, t->worker->transactional_id) == 0)
		return;
	struct error e;
	LOG_WARN("takeover", "%s: the previous owner %s holds a transaction open: fencing it",
		t->name, k->found.transactional_id);
	failpoint_at(FP_START_FENCE);
	if (c->log->fence(c->broker, k->found.transactional_id, &e))
		LOG_WARN("takeover", "%s: fencing failed: %s", t->name, e.msg);
}

/* Step 3. */
static enum status step_offsets(struct task *t, struct error *e)
{
	if (growth_prepare(t, e))
		return ST_ERR;
	struct log_position pos = {t->topic, t->partition, LOG_OFFSET_NONE};
	if (failpoint(FP_START_OFFSETS, e) ||
		t->worker->conf.log->committed(t->worker->session, &pos, 1, e)) {
		if (e->class == ERR_RETRIABLE)
			stalled(t);
		return ST_ERR;
	}
	t->takeover->stalled_since_ns = 0;
	t->takeover->group_offset = pos.offset;
	t->phase = PHASE_BOUNDS;
	return ST_OK;
}

static void table_make(struct task *t)
{
	const struct worker_conf *c = &t->worker->conf;
	uint64_t all = 0;
	for (uint32_t i = 0; i < c->plan->nstages; i++)
		all += (uint64_t)c->plan->stages[i].partitions;
	/* Tasks may gather here up to all of them: each has its share from the start. */
	uint64_t share = c->memory_bytes / (all ? all : 1);
	struct table_conf conf = {.clock = c->clock, .store = t->store, .spaces = t->spaces,
		.nspaces = t->nspaces, .memory_bytes = share};
	t->table = table_new(&conf);
	for (uint32_t i = 0; i < t->nops; i++)
		if (t->ops[i].def->table_set)
			t->ops[i].def->table_set(t->ops[i].op, t->table);
}

/* Where the local copy stands; 0 when there is none. */
static enum status local_position(struct task *t, int64_t *out, struct error *e)
{
	struct takeover *k = t->takeover;
	*out = 0;
	k->has_marker = k->local = false;
	if (!t->store)
		return ST_OK;
	struct slice meta;
	arena_reset(&t->worker->batch);
	if (t->store->ops->meta(t->store, &meta, &t->worker->batch, e))
		return ST_ERR;
	if (!meta.len)
		return ST_OK;
	if (!store_meta_read(meta, out, &k->found)) {
		LOG_WARN("takeover", "%s: the local state is of another format: restoring",
			t->name);
		*out = 0;
		return t->store->ops->wipe(t->store, e);
	}
	k->has_marker = k->local = k->found.epoch > 0;
	return ST_OK;
}

/* A flush that is under way must have ended before the store is read or wiped. */
static void table_drop(struct task *t)
{
	table_free(t->table);
	t->table = NULL;
}

static enum status local_wipe(struct task *t, const char *why, struct error *e)
{
	table_drop(t);
	LOG_WARN("takeover", "%s: %s: dropping the local copy and restoring it from %s", t->name,
		why, t->stage->changelog);
	t->takeover->has_marker = t->takeover->local = false;
	failpoint_at(FP_START_WIPE);
	enum status st = t->store ? t->store->ops->wipe(t->store, e) : ST_OK;
	failpoint_at(FP_START_WIPED);
	return st;
}

/* Step 4: the high watermark, after the offsets. */
static enum status step_bounds(struct task *t, struct error *e)
{
	struct takeover *k = t->takeover;
	const struct worker_conf *c = &t->worker->conf;
	int64_t begin, position;
	table_drop(t);
	if (failpoint(FP_START_BOUNDS, e) ||
		c->log->bounds(c->broker, t->stage->changelog, t->partition, &begin, &k->end, e) ||
		local_position(t, &position, e))
		return ST_ERR;
	if (position > k->end) {
		if (local_wipe(t, "its position is past the changelog's end (was the changelog "
				  "recreated?)", e))
			return ST_ERR;
		position = begin;
	} else if (position < begin) {
		if (position && local_wipe(t, "the changelog starts after its position", e))
			return ST_ERR;
		position = begin;
	}
	table_make(t);
	k->progress.from = k->progress.position = position;
	k->progress.end = k->end;
	k->progress.rows = 0;
	k->uncommitted_bytes = 0;
	k->stalled_since_ns = 0;
	if (position >= k->end) {
		t->phase = PHASE_CHECK;
		return ST_OK;
	}
	if (!k->records)
		k->records = xmalloc(RESTORE_RECORDS * sizeof *k->records);
	if (c->log->reader_open(c->broker, t->stage->changelog, t->partition, position,
		    c->memory_bytes / 16, &k->reader, e))
		return ST_ERR;
	t->phase = PHASE_RESTORE;
	return ST_OK;
}

static int space_of(const struct task *t, struct slice name)
{
	for (uint32_t i = 0; i < t->nspaces; i++)
		if (slice_eq(t->spaces[i].name, name))
			return (int)i;
	return -1; /* a view or monitor that the job no longer has */
}

static void rows_apply(struct task *t)
{
	struct takeover *k = t->takeover;
	for (uint32_t i = 0; i < k->nahead; i++)
		table_restore(t->table, &k->ahead[i]);
	k->progress.rows += k->nahead;
	t->restored_rows += k->nahead;
	k->nahead = 0;
}

static enum status row_take(void *arg, const struct changelog_row *row, struct error *e)
{
	struct task *t = arg;
	struct takeover *k = t->takeover;
	(void)e;
	int space = space_of(t, row->space);
	if (space < 0)
		return ST_OK;
	if (k->nahead == RESTORE_AHEAD)
		rows_apply(t);
	k->ahead[k->nahead] = (struct table_restored){
		.entity = row->entity, .row = row->row, .space = (uint32_t)space};
	table_restore_ahead(t->table, &k->ahead[k->nahead++]);
	return ST_OK;
}

static enum status changelog_apply(struct task *t, const struct log_record *r, struct error *e)
{
	struct takeover *k = t->takeover;
	struct marker m;
	uint8_t kind = r->key.len == 1 ? r->key.p[0] : 0;
	k->progress.bytes += r->key.len + r->value.len;
	k->uncommitted_bytes += r->key.len + r->value.len;
	if (kind == CHANGELOG_BLOCK && r->has_value) {
		enum status st = changelog_rows(r->value, row_take, t, e);
		rows_apply(t); /* they lie in the block */
		return st ? error_context(e, "%s[%d]@%lld", t->stage->changelog,
				    (int)t->partition, (long long)r->offset)
			  : ST_OK;
	}
	if (kind != CHANGELOG_MARKER || !marker_read(r->value, &m))
		return error_set(e, ERR_FATAL, 0,
			"%s[%d]@%lld is no changelog record that this weir reads: run the version "
			"that wrote it, or give the views new versions",
			t->stage->changelog, (int)t->partition, (long long)r->offset);
	k->recreated |= k->local && m.incarnation_ms != k->found.incarnation_ms;
	k->found = m;
	k->has_marker = true;
	return ST_OK;
}

/* What has been replayed so far is a committed prefix: the store may have it. */
static enum status restore_commit(struct task *t, struct error *e)
{
	struct takeover *k = t->takeover;
	struct buf meta = {0};
	store_meta_write(k->progress.position, &k->found, &meta);
	table_commit(t->table, buf_view(&meta));
	buf_release(&meta);
	failpoint_at(FP_START_REPLAYED);
	k->uncommitted_bytes = 0;
	return table_tidy(t->table, false, true, e);
}

/* Whether a failed read was of what the owner before has deleted since, after a snapshot that it
 * had finished: then it begins again, where the changelog does now. */
static bool trimmed_meanwhile(struct task *t)
{
	const struct worker_conf *c = &t->worker->conf;
	struct error ignored;
	int64_t begin, end;
	if (c->log->bounds(c->broker, t->stage->changelog, t->partition, &begin, &end, &ignored) ||
		begin <= t->takeover->progress.position)
		return false;
	reader_drop(t);
	t->phase = PHASE_OFFSETS;
	return true;
}

/* Step 5: by position, since control records and aborted ones are never seen. */
static enum status step_restore(struct task *t, struct error *e)
{
	struct takeover *k = t->takeover;
	const struct log_ops *log = t->worker->conf.log;
	int64_t from = k->progress.position;
	uint32_t n = 0;
	if (failpoint(FP_START_REPLAY, e))
		return ST_ERR;
	if (log->reader_poll(k->reader, 20, k->records, RESTORE_RECORDS, &n, e))
		return trimmed_meanwhile(t) ? ST_OK : ST_ERR;
	for (uint32_t i = 0; i < n; i++)
		if (changelog_apply(t, &k->records[i], e))
			return ST_ERR;
	if (k->recreated) {
		reader_drop(t);
		k->recreated = false;
		t->phase = PHASE_OFFSETS;
		return local_wipe(t, "the changelog was recreated", e);
	}
	k->progress.position = log->reader_position(k->reader);
	bool done = k->progress.position >= k->end;
	if ((k->uncommitted_bytes > RESTORE_COMMIT_BYTES || done) && restore_commit(t, e))
		return ST_ERR;
	if (done) {
		reader_drop(t);
		t->phase = PHASE_CHECK;
	} else if (k->progress.position == from) {
		stalled(t);
	} else {
		k->stalled_since_ns = 0;
	}
	return ST_OK;
}

/* A job's first start at this partition: where its source says. One that came later is read from its
 * first record on. */
static enum status start_fresh(struct task *t, struct error *e)
{
	const struct worker_conf *c = &t->worker->conf;
	const struct source *s = &c->plan->job->sources[t->stage->source];
	struct marker_input *in = &t->marker.inputs[0];
	int64_t begin, end;
	if (failpoint(FP_START_FIRST, e) ||
		c->log->bounds(c->broker, t->stage->topic, t->partition, &begin, &end, e))
		return ST_ERR;
	in->next_offset = begin;
	bool all = t->stage->in || s->start == START_EARLIEST;
	if (!all && growth_is_new(t, &all, e))
		return ST_ERR;
	if (!all && s->start == START_LATEST)
		in->next_offset = end;
	if (!all && s->start == START_TIME &&
		c->log->offset_at(c->broker, t->stage->topic, t->partition, s->start_ms,
			&in->next_offset, e))
		return ST_ERR;
	t->marker.incarnation_ms = clock_wall_ms(c->clock);
	t->marker.ninputs = 1;
	t->marker.snapshot.floor = -1;
	in->stream_time = in->idle_time = in->last_timestamp = MARKER_NO_TIME;
	t->first_marker = true;
	return ST_OK;
}

static bool same_id(const uint8_t a[16], const uint8_t b[16])
{
	static const uint8_t none[16];
	return !memcmp(a, none, 16) || !memcmp(b, none, 16) || !memcmp(a, b, 16);
}

/* The input must be the topic the marker speaks of, with as many partitions. */
static enum status input_check(struct task *t, struct error *e)
{
	const struct worker_conf *c = &t->worker->conf;
	struct marker_input *in = &t->marker.inputs[0];
	struct log_topic_info info;
	int64_t begin, end;
	if (c->log->topic_info(c->broker, t->stage->topic, &info, e) ||
		c->log->bounds(c->broker, t->stage->topic, t->partition, &begin, &end, e))
		return ST_ERR;
	if (!same_id(in->topic_id, info.id))
		return error_set(e, ERR_FATAL, 0,
			"topic %s was deleted and created again: its offsets mean other records; "
			"give the job a new name or its views new versions", t->stage->topic);
	if (in->partitions && in->partitions != info.partitions && !growth_allowed(t->stage))
		return error_set(e, ERR_FATAL, 0,
			"topic %s has %d partitions, the state was made from %d: keys have moved "
			"between partitions; give its views new versions and backfill",
			t->stage->topic, (int)info.partitions, (int)in->partitions);
	if (t->first_marker && in->next_offset < begin)
		in->next_offset = begin; /* deleted since it was chosen: nothing was read yet */
	if (in->next_offset < begin)
		return error_set(e, ERR_FATAL, 0,
			"%s[%d]: offsets %lld to %lld were deleted by retention before they were "
			"read; restore them, or start the job anew", t->stage->topic,
			(int)t->partition, (long long)in->next_offset, (long long)begin - 1);
	if (in->next_offset > end)
		return error_set(e, ERR_FATAL, 0,
			"%s[%d] ends at offset %lld, but %lld was read already: the topic was "
			"truncated or recreated", t->stage->topic, (int)t->partition,
			(long long)end, (long long)in->next_offset - 1);
	memcpy(in->topic_id, info.id, sizeof in->topic_id);
	if (!in->partitions)
		in->partitions = info.partitions; /* pinned: growth.c goes by it */
	return ST_OK;
}

/* Step 6. ST_END: not yet settled, go back. */
static enum status self_check(struct task *t, struct error *e)
{
	struct takeover *k = t->takeover;
	if (!k->has_marker) {
		if (k->group_offset == LOG_OFFSET_NONE)
			return start_fresh(t, e);
		return error_set(e, ERR_FATAL, 0,
			"%s[%d] is empty, but the group %s has offset %lld for %s[%d]: the state is "
			"lost. Recreate it by a new version of the views and a backfill, or delete "
			"the group's offsets to start from nothing", t->stage->changelog,
			(int)t->partition, t->worker->conf.plan->group, (long long)k->group_offset,
			t->stage->topic, (int)t->partition);
	}
	t->marker = k->found;
	t->first_marker = false;
	int64_t marker = t->marker.inputs[0].next_offset;
	if (k->group_offset == LOG_OFFSET_NONE || k->group_offset == marker)
		return ST_OK;
	if (++k->mismatches < MISMATCH_MAX) {
		k->next_try_ns = clock_mono_ns(t->worker->conf.clock) + MISMATCH_NS;
		t->phase = PHASE_OFFSETS;
		return ST_END;
	}
	if (!k->wiped) {
		k->wiped = true;
		k->mismatches = 0;
		if (local_wipe(t, "its marker and the group's offset differ", e))
			return ST_ERR;
		t->phase = PHASE_OFFSETS;
		return ST_END;
	}
	LOG_ERROR("takeover", "%s: the changelog's marker says offset %lld of %s[%d], the group "
			      "%lld: going on from the marker", t->name, (long long)marker,
		t->stage->topic, (int)t->partition, (long long)k->group_offset);
	return ST_OK;
}

/* A rolling snapshot leaves out what has changed since its floor, as that is in the log behind it.
 * So it is gone on with only where the restore began at or after the floor: what an older store
 * has not, is in memory now, changed before the floor and about to be deleted with the log there.
 * And only under the plan whose spaces it counts. Otherwise it begins anew. */
static void snapshot_inherit(struct task *t)
{
	struct marker_snapshot *s = &t->marker.snapshot;
	bool same_plan = t->marker.plan_hash == t->worker->conf.plan->hash;
	if (same_plan && s->floor <= t->takeover->progress.from && s->space <= t->nspaces)
		return;
	s->floor = -1;
	s->tail_bytes = s->done_bytes = 0;
	s->space = s->cursor_len = 0;
}

static enum status step_check(struct task *t, struct error *e)
{
	if (failpoint(FP_START_CHECK, e))
		return ST_ERR;
	enum status st = self_check(t, e);
	if (st)
		return st < 0 ? ST_ERR : ST_OK;
	if (input_check(t, e))
		return ST_ERR;
	const struct marker_input *in = &t->marker.inputs[0];
	t->next_offset = in->next_offset;
	t->stream_time = in->stream_time;
	t->idle_time = in->idle_time;
	t->last_event_time = in->stream_time;
	t->last_timestamp = in->last_timestamp;
	snprintf(t->marker.transactional_id, sizeof t->marker.transactional_id, "%s",
		t->worker->transactional_id);
	snapshot_inherit(t);
	t->marker.plan_hash = t->worker->conf.plan->hash;
	t->progressed = t->first_marker;
	changelog_abandoned(t);
	struct log_position at = {t->topic, t->partition, t->next_offset};
	const struct log_ops *log = t->worker->conf.log;
	failpoint_at(FP_START_RUN);
	if (t->fetching ? log->seek(t->worker->session, at, e)
			: log->fetch(t->worker->session, at, e))
		return ST_ERR;
	if (t->fetching)
		log->resume(t->worker->session, t->topic, t->partition);
	t->fetching = true;
	LOG_DEBUG("takeover", "%s: running from offset %lld, %lld rows restored", t->name,
		(long long)t->next_offset, (long long)t->takeover->progress.rows);
	takeover_free(t);
	t->phase = PHASE_RUNNING;
	return ST_OK;
}

static enum status phase_step(struct task *t, struct error *e)
{
	switch (t->phase) {
	case PHASE_OFFSETS:
		return step_offsets(t, e);
	case PHASE_BOUNDS:
		return step_bounds(t, e);
	case PHASE_RESTORE:
		return step_restore(t, e);
	case PHASE_CHECK:
		return step_check(t, e);
	case PHASE_RUNNING:
	case PHASE_FAILED:
		break;
	}
	return ST_OK;
}

enum status takeover_step(struct task *t, struct error *e)
{
	enum status st = phase_step(t, e);
	if (st && e->class == ERR_RETRIABLE)
		t->takeover->next_try_ns = clock_mono_ns(t->worker->conf.clock) + RETRY_NS;
	return st;
}

static uint32_t restores(const struct worker *w)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < w->ntasks; i++)
		n += w->tasks[i]->phase == PHASE_RESTORE;
	return n;
}

bool takeover_waits(const struct task *t)
{
	if (t->phase >= PHASE_RUNNING ||
		clock_mono_ns(t->worker->conf.clock) < t->takeover->next_try_ns)
		return false;
	return t->phase != PHASE_BOUNDS || restores(t->worker) < RESTORES_MAX;
}

void takeover_progress(const struct task *t, struct takeover_progress *out)
{
	*out = t->takeover ? t->takeover->progress : (struct takeover_progress){0};
}
