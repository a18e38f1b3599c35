// SPDX-License-Identifier: Apache-2.0
//
// The log in memory: sessions, their partitions, transactions, and the faults that tests inject
// at every step of the protocol.
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/failpoint.h"
#include "run/memory_log_inside.h"

enum status mem_session_open(struct log_broker *b, const struct log_session_conf *conf,
	struct log_session **out, struct error *e)
{
	struct log_session *s = xcalloc(1, sizeof *s);
	s->b = b;
	s->group = xstrdup(conf->group);
	s->events = conf->events;
	for (uint32_t i = 0; conf->subscribe[i]; i++) {
		struct mem_topic *t = mem_topic_find(b, conf->subscribe[i]);
		if (!t)
			return error_set(e, ERR_FATAL, 0, "there is no topic %s",
				conf->subscribe[i]);
		s->subscribed = xrealloc(s->subscribed, (i + 1) * sizeof *s->subscribed);
		s->subscribed[s->nsubscribed++] = (uint32_t)(t - b->topics);
	}
	s->next_session = b->sessions;
	b->sessions = s;
	*out = s;
	return ST_OK;
}

static struct mem_fetch *fetch_find(struct log_session *s, uint32_t topic, int32_t partition)
{
	for (uint32_t i = 0; i < s->nfetches; i++)
		if (s->fetches[i].topic == topic && s->fetches[i].partition == partition)
			return &s->fetches[i];
	return NULL;
}

static struct mem_fetch *fetch_add(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct mem_fetch *f = fetch_find(s, topic, partition);
	if (f)
		return f;
	s->fetches = xrealloc(s->fetches, (s->nfetches + 1) * sizeof *s->fetches);
	f = &s->fetches[s->nfetches++];
	*f = (struct mem_fetch){.topic = topic, .partition = partition, .delivered = -1};
	return f;
}

static void session_assign(struct log_session *s)
{
	for (uint32_t i = 0; i < s->nsubscribed; i++) {
		struct mem_topic *t = &s->b->topics[s->subscribed[i]];
		for (int32_t p = 0; p < t->nparts; p++) {
			if (t->parts[p].owned)
				continue;
			t->parts[p].owned = true;
			fetch_add(s, s->subscribed[i], p)->owned = true;
			struct log_position at = {s->subscribed[i], p, LOG_OFFSET_NONE};
			s->events.assigned(s->events.arg, &at, 1);
		}
	}
}

void memory_log_take(struct log_broker *b, const char *topic, int32_t partition, bool lost)
{
	uint32_t number = (uint32_t)(mem_topic_find(b, topic) - b->topics);
	for (struct log_session *s = b->sessions; s; s = s->next_session) {
		struct mem_fetch *f = fetch_find(s, number, partition);
		if (!f || !f->owned)
			continue;
		f->taken = true;
		f->lost = lost;
		if (lost)
			b->topics[number].parts[partition].owned = false;
	}
}

/* What was taken goes, and the callback runs, before anything is given or read. */
static bool session_revoke(struct log_session *s)
{
	bool any = false;
	for (uint32_t i = 0; i < s->nfetches; i++) {
		struct mem_fetch f = s->fetches[i];
		if (!f.taken)
			continue;
		struct log_position at = {f.topic, f.partition, LOG_OFFSET_NONE};
		any = true;
		s->events.revoked(s->events.arg, &at, 1, f.lost);
		struct mem_fetch *gone = fetch_find(s, f.topic, f.partition);
		gone->owned = gone->fetching = gone->paused = gone->taken = gone->lost = false;
		if (!f.lost)
			s->b->topics[f.topic].parts[f.partition].owned = false;
	}
	return any;
}

static void pending_drop(struct log_session *s)
{
	for (uint32_t i = 0; i < s->npending; i++)
		mem_record_free(&s->pending[i].record);
	s->npending = s->nsent = 0;
	s->begun = false;
}

void mem_session_close(struct log_session *s)
{
	if (!s)
		return;
	session_revoke(s);
	struct log_session **link = &s->b->sessions;
	while (*link != s)
		link = &(*link)->next_session;
	*link = s->next_session;
	for (uint32_t i = 0; i < s->nfetches; i++) {
		struct mem_fetch *f = &s->fetches[i];
		if (!f->owned)
			continue;
		struct log_position at = {f->topic, f->partition, LOG_OFFSET_NONE};
		s->events.revoked(s->events.arg, &at, 1, false);
		s->b->topics[f->topic].parts[f->partition].owned = false;
	}
	pending_drop(s);
	free(s->pending);
	free(s->sent);
	free(s->fetches);
	free(s->subscribed);
	free(s->group);
	free(s);
}

uint32_t mem_topic(struct log_session *s, const char *name)
{
	struct mem_topic *t = mem_topic_find(s->b, name);
	INVARIANT(t);
	return (uint32_t)(t - s->b->topics);
}

static uint32_t room_of(struct log_session *s, const struct mem_fetch *f, uint32_t max)
{
	struct log_broker *b = s->b;
	uint32_t room =
		b->room ? b->room(b->room_arg, b->topics[f->topic].name, f->partition) : max;
	return room < max ? room : max;
}

enum status mem_poll(struct log_session *s, int timeout_ms, struct log_record *out,
	uint32_t max, uint32_t *n, struct error *e)
{
	(void)timeout_ms, (void)e;
	if (!session_revoke(s))
		session_assign(s);
	*n = 0;
	for (uint32_t i = 0; i < s->nfetches && *n < max; i++) {
		struct mem_fetch *f = &s->fetches[(s->next + i) % s->nfetches];
		if (f->fetching && !f->paused)
			*n += mem_part_read(s->b, f->topic, f->partition, &f->position, out + *n,
				room_of(s, f, max - *n));
	}
	s->next = s->nfetches ? (s->next + 1) % s->nfetches : 0;
	return ST_OK;
}

enum status mem_fetch(struct log_session *s, struct log_position at, struct error *e)
{
	struct mem_partition *p = &s->b->topics[at.topic].parts[at.partition];
	if (at.offset < p->begin || at.offset > p->end)
		return error_set(e, ERR_FATAL, 0, "%s[%d]: offset %lld is out of range",
			s->b->topics[at.topic].name, (int)at.partition, (long long)at.offset);
	struct mem_fetch *f = fetch_add(s, at.topic, at.partition);
	f->fetching = true;
	f->position = at.offset;
	return ST_OK;
}

void mem_unfetch(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct mem_fetch *f = fetch_find(s, topic, partition);
	if (f)
		f->fetching = false;
}

void mem_pause(struct log_session *s, uint32_t topic, int32_t partition)
{
	fetch_add(s, topic, partition)->paused = true;
}

void mem_resume(struct log_session *s, uint32_t topic, int32_t partition)
{
	fetch_add(s, topic, partition)->paused = false;
}

enum status mem_committed(struct log_session *s, struct log_position *pos, uint32_t n,
	struct error *e)
{
	(void)e;
	for (uint32_t i = 0; i < n; i++) {
		struct mem_offset *o =
			mem_offset_find(s->b, s->group, pos[i].topic, pos[i].partition);
		pos[i].offset = o ? o->offset : LOG_OFFSET_NONE;
	}
	return ST_OK;
}

int64_t mem_position(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct mem_fetch *f = fetch_find(s, topic, partition);
	return f && f->fetching ? f->position : -1;
}

int64_t mem_high_watermark(struct log_session *s, uint32_t topic, int32_t partition)
{
	return s->b->topics[topic].parts[partition].end;
}

static enum memory_fault fault_at(struct log_session *s, enum memory_step step)
{
	enum memory_fault f = s->b->fault ? s->b->fault(s->b->fault_arg, step) : MEM_PASS;
	if (f == MEM_AMBIGUOUS)
		s->ambiguous = true;
	return f == MEM_AMBIGUOUS ? MEM_PASS : f;
}

enum status mem_producer_init(struct log_session *s, struct error *e)
{
	enum memory_fault f = fault_at(s, MEM_INIT);
	if (f)
		return mem_injected(e, f, ERR_RETRIABLE, "init_transactions");
	pending_drop(s);
	s->ready = true;
	s->ambiguous = false;
	return ST_OK;
}

void mem_producer_drop(struct log_session *s)
{
	pending_drop(s);
	s->ready = s->ambiguous = false;
}

bool mem_producer_ready(struct log_session *s)
{
	return s->ready;
}

bool mem_producer_ambiguous(struct log_session *s)
{
	return s->ambiguous && rule_kept(FP_RULE_REINIT);
}

enum status mem_begin(struct log_session *s, struct error *e)
{
	INVARIANT(s->ready && !s->begun && !s->ambiguous);
	enum memory_fault f = fault_at(s, MEM_BEGIN);
	if (f)
		return mem_injected(e, f, ERR_ABORT, "begin");
	s->begun = true;
	s->refused = false;
	return ST_OK;
}

enum status mem_append(struct log_session *s, uint32_t topic, int32_t partition,
	struct slice key, const struct slice *value, const struct log_header *headers,
	uint32_t nheaders, int64_t timestamp, struct error *e)
{
	INVARIANT(s->begun && nheaders <= LOG_HEADERS_MAX);
	enum memory_fault f = fault_at(s, MEM_APPEND);
	if (f)
		return mem_injected(e, f, ERR_ABORT, "append");
	if (s->npending == s->cap_pending) {
		s->cap_pending = s->cap_pending ? 2 * s->cap_pending : 64;
		s->pending = xrealloc(s->pending, s->cap_pending * sizeof *s->pending);
	}
	s->pending[s->npending++] = (struct mem_pending){topic, partition,
		mem_record_copy(key.p ? &key : NULL, value, timestamp)};
	mem_headers_copy(&s->pending[s->npending - 1].record, headers, nheaders);
	return ST_OK;
}

enum status mem_flush(struct log_session *s, struct error *e)
{
	enum memory_fault f = fault_at(s, MEM_FLUSH);
	s->refused = f == MEM_REFUSE;
	return f ? mem_injected(e, f, ERR_ABORT, "flush") : ST_OK;
}

/* The last record: the tasks' changelogs come after all else. */
bool mem_refused(struct log_session *s, struct log_position *at)
{
	*at = (struct log_position){.topic = LOG_TOPIC_NONE};
	if (s->refused && s->npending) {
		const struct mem_pending *p = &s->pending[s->npending - 1];
		*at = (struct log_position){p->topic, p->partition, 0};
	}
	return s->refused;
}

int64_t mem_delivered(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct mem_fetch *f = fetch_find(s, topic, partition);
	return f ? f->delivered : -1;
}

enum status mem_send_offsets(struct log_session *s, const struct log_position *next,
	uint32_t n, struct error *e)
{
	INVARIANT(s->begun && n);
	enum memory_fault f = fault_at(s, MEM_OFFSETS);
	if (f)
		return mem_injected(e, f, ERR_ABORT, "send_offsets");
	for (uint32_t i = 0; i < n; i++)
		if (fetch_add(s, next[i].topic, next[i].partition)->lost &&
			rule_kept(FP_RULE_GENERATION))
			return error_set(e, ERR_ABORT, 0, "of an earlier generation");
	s->sent = xrealloc(s->sent, n * sizeof *s->sent);
	memcpy(s->sent, next, n * sizeof *s->sent);
	s->nsent = n;
	return ST_OK;
}

static void transaction_apply(struct log_session *s)
{
	for (uint32_t i = 0; i < s->npending; i++) {
		struct mem_pending *p = &s->pending[i];
		int64_t at = mem_part_append(s->b, p->topic, p->partition, p->record);
		fetch_add(s, p->topic, p->partition)->delivered = at + 1;
	}
	for (uint32_t i = 0; i < s->npending; i++) { /* a control record in each, once */
		struct mem_fetch *f =
			fetch_find(s, s->pending[i].topic, s->pending[i].partition);
		struct mem_partition *p = &s->b->topics[f->topic].parts[f->partition];
		if (f->delivered == p->end)
			p->end++;
	}
	for (uint32_t i = 0; i < s->nsent; i++)
		mem_offset_store(s->b, s->group, s->sent[i]);
	s->npending = s->nsent = 0;
	s->begun = false;
}

enum status mem_commit(struct log_session *s, struct error *e)
{
	INVARIANT(s->begun && (s->nsent || !rule_kept(FP_RULE_IDLE_OFFSETS)));
	enum memory_fault f = fault_at(s, MEM_COMMIT);
	if (f == MEM_FAIL || f == MEM_REFUSE) {
		pending_drop(s);
		return mem_injected(e, f, ERR_UNKNOWN, "commit");
	}
	transaction_apply(s);
	return f == MEM_FAIL_DONE ? mem_injected(e, f, ERR_UNKNOWN, "commit") : ST_OK;
}

enum status mem_abort(struct log_session *s, struct error *e)
{
	enum memory_fault f = fault_at(s, MEM_ABORT);
	if (f)
		return mem_injected(e, f, ERR_ABORT, "abort");
	pending_drop(s);
	return ST_OK;
}
