// SPDX-License-Identifier: Apache-2.0
//
// Membership and consuming. What is owned (the group says so) and what is assigned (librdkafka
// fetches it) are two things here: on assignment librdkafka is given an empty list, restore
// runs while polling goes on, and fetch() assigns the partition with its offset.
//
// Invariants
// - Exactly one incremental_assign or incremental_unassign per rebalance callback, naming only
//   what is assigned: librdkafka refuses others, and then the group would wait for ever.
// - incremental_unassign is called only there: elsewhere it would end a revocation that the
//   worker has not been told of. Moving a partition is a seek.
// - unassign is followed by settle(), so that no fetcher is still stopping when the callback
//   ends: to stop one twice is an assertion in librdkafka, to seek one is an error.
// - librdkafka delivers no record fetched before a seek or unassign (it bumps the partition's
//   version in that very call); those already in this poll's batch are dropped by drop_moved().
// - A record below the partition's floor is never shown: pausing, which librdkafka also does by
//   itself around a rebalance, can race with a delivery and deliver that record again.
//
// Messages, rebalances and errors are callbacks of one queue call: it costs half of what
// polling message by message does, because the queue's lock is taken once.
// (consume_callback_queue, made for that, knows messages only and asserts on a rebalance.)
//
// It never commits offsets: they go with the transaction.
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker.h"
#include "limits.h"

#define OFFSETS_HELD                                                                              \
	" (is it in a transaction that stays open? kafka-transactions.sh find-hanging tells)"
#define COMMITTED_MS 2000 /* one try; the caller fences a stalled owner after 3 s */
#define SEEK_MS 10000
#define METADATA_MS "10000" /* until new partitions of a topic are seen */

static rd_kafka_t *rk(struct log_session *s)
{
	return s->consumer.rk;
}

static rd_kafka_topic_partition_list_t *one(const struct part *p, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, p->topic->name, p->partition)->offset = offset;
	return list;
}

/* Returns once the fetchers that an unassign told to stop have stopped. Both questions and the
 * stopping go through the main thread's one queue, in order: when the first is answered the
 * stops have been carried out and their replies queued, when the second is, these are handled.
 */
static void settle(struct log_session *s)
{
	rd_kafka_rebalance_protocol(rk(s));
	rd_kafka_rebalance_protocol(rk(s));
}

/* True: the partition has records in a batch that is under way. */
static bool has_rest(const struct log_session *s, const struct part *p)
{
	return fetched_has_rest(&s->batch, p->topic->number, p->partition);
}

static void moved(struct log_session *s, struct part *p, int64_t floor)
{
	if (has_rest(s, p))
		fetched_drop_rest(&s->batch);
	p->behind = false;
	p->placed = true;
	p->floor = floor;
	p->moved = s->polls;
	p->moved_at = s->batch.n;
}

static void note(struct log_session *s, bool for_ever)
{
	s->noted = true;
	s->failed = s->failed || for_ever;
}

// ---- rebalance ----

static uint32_t positions(struct log_session *s, const rd_kafka_topic_partition_list_t *list,
        struct log_position *out)
{
	for (int i = 0; i < list->cnt; i++)
		out[i] = (struct log_position){session_topic_number(s, list->elems[i].topic),
		        list->elems[i].partition, LOG_OFFSET_NONE};
	return (uint32_t)list->cnt;
}

static void check_assign(struct log_session *s, rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return;
	/* Every case known is closed by the table; what is left is a client that is closing. */
	LOG_WARN("kafka", "%s: %s: %s", s->consumer.name, what, rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
}

/* A closing client takes the first call for an unassign of everything, whatever it was, and waits
 * for no other: it ends as soon as the group has been left. A second call that comes just then is
 * dropped without an answer (rd_kafka_cgrp_op_serve), and would be waited for for ever. There is
 * one when an assignment had not been seen yet: its callback comes, then the revocation's. */
static bool still_calls(struct log_session *s)
{
	bool first = !s->let_go;
	s->let_go = s->closing;
	return first;
}

static void on_assign(struct log_session *s, const struct log_position *pos, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		session_part(s, pos[i].topic, pos[i].partition)->owned = true;
	if (s->orphans == ORPHANS_WAIT)
		s->orphans = s->instance_id ? ORPHANS_LOOK : ORPHANS_SEEN;
	rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
	if (still_calls(s))
		check_assign(s, rd_kafka_incremental_assign(rk(s), none), "assigning");
	rd_kafka_topic_partition_list_destroy(none);
	if (n && s->events.assigned)
		s->events.assigned(s->events.arg, pos, n);
}

/* Everything assigned that is neither owned nor read beside: revoked, or ended by unfetch. */
static rd_kafka_topic_partition_list_t *leaving(struct log_session *s)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	for (uint32_t t = 0; t < s->ntopics; t++) {
		struct topic *topic = s->topics[t];
		for (int32_t i = 0; i < topic->nparts; i++) {
			struct part *p = topic->parts[i];
			if (!p || !p->assigned || !p->ending)
				continue;
			p->placed = true;
			consume_resume(s, t, i); /* the flag would outlive the assignment */
			rd_kafka_topic_partition_list_add(list, topic->name, i);
			p->assigned = p->ending = false;
			moved(s, p, INT64_MAX);
		}
	}
	return list;
}

static void on_revoke(struct log_session *s, const struct log_position *pos, uint32_t n)
{
	bool lost = s->lost || rd_kafka_assignment_lost(rk(s));
	s->lost = false;
	if (lost)
		atomic_fetch_add(&s->losses, 1);
	if (n && s->events.revoked)
		s->events.revoked(s->events.arg, pos, n, lost);
	for (uint32_t i = 0; i < n; i++) {
		struct part *p = session_part(s, pos[i].topic, pos[i].partition);
		p->owned = false;
		p->ending = p->assigned;
	}
	rd_kafka_topic_partition_list_t *list = leaving(s);
	if (still_calls(s))
		check_assign(s, rd_kafka_incremental_unassign(rk(s), list), "unassigning");
	if (list->cnt && !s->closing)
		settle(s); /* a closing member's main thread may not answer any more */
	rd_kafka_topic_partition_list_destroy(list);
}

/* librdkafka pauses everything while it rebalances, which throws away what was fetched but not
 * yet delivered. A transaction's control record among it still counts as consumed
 * (op_handle_std looks at no version), and the next pause makes that the position: the whole
 * transaction would be passed over. So after each rebalance every partition goes on by a seek
 * to the record that is next. */
static void refetch(struct log_session *s)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	for (uint32_t t = 0; t < s->ntopics; t++) {
		struct topic *topic = s->topics[t];
		for (int32_t i = 0; i < topic->nparts; i++) {
			const struct part *p = topic->parts[i];
			if (p && p->assigned && !p->ending)
				rd_kafka_topic_partition_list_add(list, topic->name, i)
				        ->offset = p->floor;
		}
	}
	rd_kafka_error_t *error =
	        list->cnt ? rd_kafka_seek_partitions(rk(s), list, SEEK_MS) : NULL;
	rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : 0;
	for (int i = 0; i < list->cnt && !err; i++)
		err = list->elems[i].err;
	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
	if (!err || s->failed)
		return;
	client_error(&s->consumer, &s->pending, err, NULL, "going on after a rebalance");
	s->pending.class = ERR_FATAL; /* where is not known */
	note(s, true);
}

static void on_rebalance(rd_kafka_t *h, rd_kafka_resp_err_t err,
        rd_kafka_topic_partition_list_t *list, void *opaque)
{
	(void)h;
	struct log_session *s = ((struct client *)opaque)->owner;
	atomic_fetch_add(&s->rebalances, 1);
	struct log_position *pos = xcalloc((size_t)list->cnt + 1, sizeof *pos);
	uint32_t n = positions(s, list, pos);
	LOG_DEBUG("kafka", "%s: %s of %u partitions", s->consumer.name, rd_kafka_err2name(err),
	        n);
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		on_assign(s, pos, n);
	else
		on_revoke(s, pos, n);
	if (!s->closing)
		refetch(s);
	free(pos);
}

// ---- poll ----

static const struct topic *topic_of(struct log_session *s, const rd_kafka_topic_t *h)
{
	if (s->last && s->last->consumed == h)
		return s->last;
	for (uint32_t i = 0; i < s->ntopics; i++)
		if (s->topics[i]->consumed == h)
			return s->last = s->topics[i];
	return NULL;
}

/* An error event; librdkafka's callback does not say of which partition. */
static void on_failure(struct client *c, rd_kafka_resp_err_t err, const char *why)
{
	struct log_session *s = c->owner;
	if (s->failed)
		return;
	switch (err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
	case RD_KAFKA_RESP_ERR__FATAL:             /* asked for after each poll */
	case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: /* the lost assignment follows */
		return;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__LOG_TRUNCATION:
		s->truncated = true;
		error_set(&s->pending, ERR_FATAL, err, "the input was truncated: %s", why);
		break;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC: /* may yet be created */
		error_set(&s->pending, ERR_RETRIABLE, err, "%s", why);
		break;
	default:
		client_error(c, &s->pending, err, why, "consuming");
	}
	note(s, s->pending.class == ERR_FATAL);
}

/* Which of the partitions being read does not have the offset that we are to read next. */
static void name_truncated(struct log_session *s)
{
	s->truncated = false;
	for (uint32_t t = 0; t < s->ntopics; t++) {
		struct topic *topic = s->topics[t];
		for (int32_t i = 0; i < topic->nparts; i++) {
			struct part *p = topic->parts[i];
			int64_t begin, end;
			if (!p || !p->assigned || p->ending ||
			        broker_bounds(s->broker, topic->name, i, &begin, &end, NULL) !=
			                ST_OK ||
			        (p->floor >= begin && p->floor <= end))
				continue;
			error_set(&s->pending, ERR_FATAL, s->pending.code,
			        "the input was truncated or recreated: %s[%" PRId32
			        "] has offsets from %" PRId64 " to %" PRId64 ", not %" PRId64,
			        topic->name, i, begin, end, p->floor);
			return;
		}
	}
}

/* False: the poll ends. */
static bool added(struct log_session *s, const struct part *p, enum fetched_end end)
{
	if (end == FETCHED_BAD) {
		error_set(&s->pending, ERR_FATAL, RD_KAFKA_RESP_ERR__BAD_MSG,
		        "%s[%" PRId32 "] has a malformed batch: the record at %" PRId64
		        " cannot be read",
		        p->topic->name, p->partition, p->floor);
		note(s, true);
	}
	return end == FETCHED_MORE;
}

static void on_message(rd_kafka_message_t *m, void *opaque)
{
	struct log_session *s = ((struct client *)opaque)->owner;
	if (s->failed)
		return; /* the next poll says so; rebalances go on */
	if (m->err) {
		on_failure(opaque, m->err, rd_kafka_message_errstr(m));
		return;
	}
	const struct topic *t = topic_of(s, m->rkt);
	struct part *p = t && m->partition < t->nparts ? t->parts[m->partition] : NULL;
	if (!p || !p->assigned || p->ending || p->behind || m->offset < p->floor) {
		atomic_fetch_add_explicit(&s->stale, 1, memory_order_relaxed);
		return;
	}
	if (!added(s, p, fetched_add(&s->batch, t->number, m, &p->floor)))
		rd_kafka_yield(rk(s));
}

/* What of a batch did not fit into the poll before. False: it fills this one, too. */
static bool rest_take(struct log_session *s)
{
	const struct fetched_batch *t = &s->batch.rest;
	if (!t->at)
		return true;
	struct part *p = session_part(s, t->topic, t->partition);
	return added(s, p, fetched_add_rest(&s->batch, &p->floor));
}

/* Takes out the records of partitions that were moved or taken away after they were added. */
static void drop_moved(struct log_session *s)
{
	struct fetched *b = &s->batch;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct log_record *r = &b->out[i];
		const struct part *p = session_part(s, r->topic, r->partition);
		if (p->moved == s->polls && i < p->moved_at)
			continue;
		b->out[kept++] = *r;
	}
	atomic_fetch_add(&s->stale, b->n - kept);
	b->n = kept;
}

static enum status poll_failure(struct log_session *s, struct error *e)
{
	char why[300];
	rd_kafka_resp_err_t err = rd_kafka_fatal_error(rk(s), why, sizeof why);
	if (err && !s->failed) {
		error_set(&s->pending, ERR_FATAL, err,
		        err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
		                ? "another engine uses group.instance.id of %s: %s"
		                : "consumer of %s: %s",
		        s->group, why);
		note(s, true);
	}
	if (!s->noted && client_all_down(&s->consumer)) {
		client_error(&s->consumer, &s->pending, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
		        NULL, "consuming");
		note(s, false);
	}
	if (!s->noted)
		return ST_OK;
	if (s->truncated)
		name_truncated(s);
	s->noted = s->failed;
	if (e)
		*e = s->pending;
	return ST_ERR;
}

enum status consume_poll(struct log_session *s, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e)
{
	s->polls++;
	if (s->orphans == ORPHANS_LOOK)
		orphans_look(s);
	fetched_begin(&s->batch, out, max);
	unsigned long long before = atomic_load(&s->rebalances);
	if (rest_take(s))
		rd_kafka_queue_poll_callback(s->queue, s->batch.n ? 0 : timeout_ms);
	s->polling = false;
	if (atomic_load(&s->rebalances) != before)
		drop_moved(s);
	*n = s->batch.n;
	if (*n == 0)
		return poll_failure(s, e);
	atomic_fetch_add_explicit(&s->records, *n, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->bytes, s->batch.bytes, memory_order_relaxed);
	return ST_OK;
}

// ---- open, close ----

static void callbacks(struct client *c, rd_kafka_conf_t *conf)
{
	c->failed = on_failure;
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_consume_cb(conf, on_message);
}

static enum status open_client(struct log_session *s, struct error *e)
{
	struct limits l;
	limits_fetch(&l, s->memory_bytes / 4);
	const char *settings[] = {"group.id", s->group, "client.id",
	        s->client_id ? s->client_id : s->broker->client_id, "group.protocol", "classic",
	        "partition.assignment.strategy", "cooperative-sticky", "enable.auto.commit",
	        "false", "enable.auto.offset.store", "false", "auto.offset.reset", "error",
	        "isolation.level", "read_committed", "session.timeout.ms", "10000",
	        "heartbeat.interval.ms", "500", "max.poll.interval.ms", "300000",
	        "queued.max.messages.kbytes", l.kb, "queued.min.messages", l.records,
	        "fetch.max.bytes", l.answer, "fetch.message.max.bytes", l.part,
	        "fetch.wait.max.ms", "100", "fetch.queue.backoff.ms", "5",
	        "fetch.error.backoff.ms", "100", "check.crcs", "true",
	        "consume.records", "true", "topic.metadata.refresh.interval.ms", METADATA_MS,
	        s->instance_id ? "group.instance.id" : NULL, s->instance_id, NULL};
	return client_open(&s->consumer, RD_KAFKA_CONSUMER, settings, callbacks, e);
}

enum status consume_open(struct log_session *s, const char *const *subscribe, struct error *e)
{
	if (open_client(s, e) != ST_OK)
		return ST_ERR;
	rd_kafka_poll_set_consumer(rk(s));
	s->queue = rd_kafka_queue_get_consumer(rk(s));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
	for (uint32_t i = 0; subscribe && subscribe[i]; i++) {
		session_topic_number(s, subscribe[i]);
		rd_kafka_topic_partition_list_add(list, subscribe[i], RD_KAFKA_PARTITION_UA);
	}
	s->subscription = list;
	rd_kafka_resp_err_t err = list->cnt ? rd_kafka_subscribe(rk(s), list) : 0;
	if (err)
		return client_error(&s->consumer, e, err, NULL, "subscribing");
	return ST_OK;
}

/* librdkafka tells a fenced member nothing of its partitions, not even at the end. */
static void revoke_rest(struct log_session *s)
{
	struct log_position *pos = NULL;
	uint32_t n = 0;
	for (uint32_t t = 0; t < s->ntopics; t++) {
		struct topic *topic = s->topics[t];
		for (int32_t i = 0; i < topic->nparts; i++) {
			if (!topic->parts[i] || !topic->parts[i]->owned)
				continue;
			topic->parts[i]->owned = topic->parts[i]->assigned = false;
			pos = xrealloc(pos, (n + 1) * sizeof *pos);
			pos[n++] = (struct log_position){t, i, LOG_OFFSET_NONE};
		}
	}
	if (n && s->events.revoked)
		s->events.revoked(s->events.arg, pos, n, true);
	free(pos);
}

void consume_close(struct log_session *s)
{
	if (s->queue)
		rd_kafka_queue_destroy(s->queue);
	s->queue = NULL;
	s->closing = true;
	if (rk(s))
		rd_kafka_consumer_close(rk(s)); /* calls on_rebalance for what is owned */
	revoke_rest(s);
	for (uint32_t t = 0; t < s->ntopics; t++)
		if (s->topics[t]->consumed)
			rd_kafka_topic_destroy(s->topics[t]->consumed);
	if (s->subscription)
		rd_kafka_topic_partition_list_destroy(s->subscription);
	client_close(&s->consumer);
}

// ---- partitions ----

static enum status begin_fetch(
        struct log_session *s, struct part *p, int64_t at, struct error *e)
{
	if (!p->topic->consumed)
		p->topic->consumed = rd_kafka_topic_new(rk(s), p->topic->name, NULL);
	rd_kafka_topic_partition_list_t *list = one(p, at);
	rd_kafka_error_t *error = rd_kafka_incremental_assign(rk(s), list);
	rd_kafka_topic_partition_list_destroy(list);
	if (error)
		return client_error_take(&s->consumer, e, error, "fetching %s[%" PRId32 "]",
		        p->topic->name, p->partition);
	p->assigned = true;
	moved(s, p, at);
	return ST_OK;
}

enum status consume_fetch(struct log_session *s, struct log_position at, struct error *e)
{
	INVARIANT(at.offset >= 0); /* librdkafka's -1 is the end of the partition */
	struct part *p = session_part(s, at.topic, at.partition);
	if (p->assigned) {
		bool ended = p->ending;
		p->ending = false;
		if (consume_seek(s, at, e) != ST_OK)
			return ST_ERR;
		if (ended)
			consume_resume(s, at.topic, at.partition);
		return ST_OK;
	}
	/* Assigning makes librdkafka forget that the assignment was lost; the revocation is
	 * still to come and must say so. */
	if (rd_kafka_assignment_lost(rk(s))) {
		s->lost = true;
		return error_set(e, ERR_RETRIABLE, 0, "fetching %s[%" PRId32 "]: %s",
		        p->topic->name, p->partition, "the assignment was lost");
	}
	return begin_fetch(s, p, at.offset, e);
}

void consume_unfetch(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct part *p = session_part(s, topic, partition);
	if (!p->assigned || p->ending)
		return;
	/* Leaves with the next revocation; until then it is held, and shows nothing. */
	consume_pause(s, topic, partition);
	p->ending = true;
	moved(s, p, INT64_MAX);
}

static enum status librdkafka_seek(struct log_session *s, struct log_position to, struct error *e)
{
	struct part *p = session_part(s, to.topic, to.partition);
	INVARIANT(to.offset >= 0 && p->assigned);
	rd_kafka_topic_partition_list_t *list = one(p, to.offset);
	rd_kafka_error_t *error = rd_kafka_seek_partitions(rk(s), list, SEEK_MS);
	rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : list->elems[0].err;
	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
	if (!err)
		return ST_OK;
	/* Where it would go on is not known: that must not be retried blindly. */
	client_error(&s->consumer, e, err, NULL, "seeking %s[%" PRId32 "] to %" PRId64,
	        p->topic->name, p->partition, to.offset);
	if (e)
		e->class = ERR_FATAL;
	return ST_ERR;
}

enum status consume_seek(struct log_session *s, struct log_position to, struct error *e)
{
	if (librdkafka_seek(s, to, e) != ST_OK)
		return ST_ERR;
	moved(s, session_part(s, to.topic, to.partition), to.offset);
	return ST_OK;
}

static void pause_resume(struct log_session *s, uint32_t topic, int32_t partition, bool pause)
{
	struct part *p = session_part(s, topic, partition);
	/* Only what is paused may be resumed: it makes librdkafka fetch again from its
	 * position. */
	if (!p->assigned || p->paused == pause)
		return;
	rd_kafka_topic_partition_list_t *list = one(p, 0);
	rd_kafka_resp_err_t err = pause ? rd_kafka_pause_partitions(rk(s), list)
	                                : rd_kafka_resume_partitions(rk(s), list);
	if (!err)
		err = list->elems[0].err;
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		LOG_WARN("kafka", "%s: %s %s[%" PRId32 "]: %s", s->consumer.name,
		        pause ? "pausing" : "resuming", p->topic->name, partition,
		        rd_kafka_err2str(err));
	else
		p->paused = pause;
}

void consume_pause(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct part *p = session_part(s, topic, partition);
	if (has_rest(s, p)) {
		fetched_drop_rest(&s->batch);
		p->behind = true;
	}
	if (!p->paused)
		p->placed = false;
	pause_resume(s, topic, partition, true);
}

/* By a seek to the floor, as after a rebalance (refetch): a pause makes librdkafka's position the
 * next one, which may be that of a control record it has thrown away, or after a batch whose rest
 * was dropped here. */
void consume_resume(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct part *p = session_part(s, topic, partition);
	struct log_position at = {topic, partition, p->floor};
	if (p->assigned && (p->paused || p->behind) && !p->placed) {
		if (librdkafka_seek(s, at, &s->pending) != ST_OK) {
			note(s, true); /* where it would go on is not known */
			return;
		}
		p->behind = false; /* what this poll has of it stands before the floor, and stays */
		p->placed = true;
	}
	pause_resume(s, topic, partition, false);
}

enum status consume_committed(
        struct log_session *s, struct log_position *pos, uint32_t n, struct error *e)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
	for (uint32_t i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(
		        list, session_topic(s, pos[i].topic)->name, pos[i].partition);
	/* Stable offsets only, because the handle is read_committed. */
	rd_kafka_resp_err_t err = rd_kafka_committed(rk(s), list, COMMITTED_MS);
	int at = 0;
	for (int i = 0; i < list->cnt && !err; i++) {
		err = list->elems[i].err;
		at = i;
		int64_t offset = list->elems[i].offset;
		pos[i].offset = offset >= 0 ? offset : LOG_OFFSET_NONE;
	}
	if (err)
		client_error(&s->consumer, e, err, NULL, "committed offset of %s[%" PRId32 "]%s",
		        n ? list->elems[at].topic : "", n ? list->elems[at].partition : 0,
		        err == RD_KAFKA_RESP_ERR__TIMED_OUT ? OFFSETS_HELD : "");
	else
		client_ok(&s->consumer);
	rd_kafka_topic_partition_list_destroy(list);
	return err ? ST_ERR : ST_OK;
}

/* librdkafka's, which a seek sets to unknown until the first record, and which is after a batch
 * that is under way. */
int64_t consume_position(struct log_session *s, uint32_t topic, int32_t partition)
{
	struct part *p = session_part(s, topic, partition);
	if (p->behind || has_rest(s, p))
		return p->floor;
	rd_kafka_topic_partition_list_t *list = one(p, 0);
	rd_kafka_resp_err_t err = rd_kafka_position(rk(s), list);
	int64_t at = err || list->elems[0].err ? -1 : list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return at >= 0 ? at : -1;
}

int64_t consume_high_watermark(struct log_session *s, uint32_t topic, int32_t partition)
{
	int64_t low = -1, high = -1;
	if (rd_kafka_get_watermark_offsets(
	            rk(s), session_topic(s, topic)->name, partition, &low, &high))
		return -1;
	return high >= 0 ? high : -1;
}
