// SPDX-License-Identifier: Apache-2.0
//
// The transactional producer of a session: each step of the transaction as one call, each
// failure with what it means for the epoch. The order of the calls is run/commit.c's.
//
// Ambiguity (I5): the interceptor sees every request of the transaction's protocol end, before
// its answer is read. err is 0 when an answer came, whatever it says; it is set when none will:
// the connection broke, the request timed out in flight or before it was sent, or the answer
// could not be parsed. Any of these counts, and stays for the handle's life. Two ends are not
// counted: the handle's own destruction, and a request the broker's version does not know.
// A transaction with a request that may still be under way is not aborted but left to the next
// handle's init_transactions, and this one is ambiguous: abort_transaction waits for no answer
// but its own, so another one may come, or its request arrive, in the next transaction.
// (librdkafka 2.15.1 also dies of it, by an assertion on txn_req_cnt, when it comes after the
// abort's.)
//
// Classes: before commit_transaction was called the epoch cannot have committed, so whatever a
// retry inside librdkafka did not heal is ERR_ABORT; fencing by another engine is ERR_FATAL.
// Afterwards everything but OK is ERR_UNKNOWN.
#include "append.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "broker.h"
#include "limits.h"

#define INIT_MS 5000    /* one producer_init; the caller calls again */
#define INIT_TRIES 3    /* handles, when initialising itself was ambiguous */
#define FLUSH_MS 10000  /* above message.timeout.ms: every record has its report by then */
#define OFFSETS_MS 8000 /* send_offsets, librdkafka's own retries included */

enum {
	API_INIT_PRODUCER_ID = 22,
	API_ADD_PARTITIONS = 24,
	API_ADD_OFFSETS = 25,
	API_END_TXN = 26,
	API_TXN_OFFSET_COMMIT = 28
};

// ---- ambiguity ----

static rd_kafka_resp_err_t on_response(rd_kafka_t *h, int fd, const char *broker, int32_t id,
        int16_t api, int16_t version, int32_t corrid, size_t size, int64_t rtt,
        rd_kafka_resp_err_t err, void *opaque)
{
	(void)h, (void)fd, (void)broker, (void)id, (void)version, (void)corrid;
	(void)size, (void)rtt;
	struct client *c = opaque;
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR__DESTROY ||
	        err == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	switch (api) {
	case API_INIT_PRODUCER_ID:
	case API_ADD_PARTITIONS:
	case API_ADD_OFFSETS:
	case API_END_TXN:
	case API_TXN_OFFSET_COMMIT:
		atomic_store(&c->ambiguous, true);
		break;
	default:
		break;
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
        rd_kafka_t *h, const rd_kafka_conf_t *conf, void *opaque, char *why, size_t size)
{
	(void)conf, (void)why, (void)size;
	return rd_kafka_interceptor_add_on_response_received(h, "weir", on_response, opaque);
}

bool producer_ambiguous(struct log_session *s)
{
	return atomic_load(&s->producer.ambiguous) && rule_kept(FP_RULE_REINIT);
}

// ---- delivery reports ----

static void on_delivered(rd_kafka_t *h, const rd_kafka_message_t *m, void *opaque)
{
	(void)h;
	struct log_session *s = ((struct client *)opaque)->owner;
	uint32_t records;
	struct part *p = append_reported(s, m->_private, &records);
	if (m->err)
		session_unwritten(s, p, m->err, records);
	else if (m->offset >= p->delivered)
		p->delivered = m->offset + 1;
}

void session_unwritten(
        struct log_session *s, struct part *p, rd_kafka_resp_err_t err, uint32_t records)
{
	bool refused = refusal_no_retry_heals(err);
	/* With one that is refused for good librdkafka drops the others, and may say so first. */
	if (s->nfailed == 0 || (refused && !refusal_no_retry_heals(s->failure))) {
		s->failure = err;
		s->failed_at = p;
	}
	s->nfailed += records;
	s->unanswered |= err < 0 && !refused;
}

int64_t producer_delivered(struct log_session *s, uint32_t topic, int32_t partition)
{
	return session_part(s, topic, partition)->delivered;
}

// ---- the handle ----

static void callbacks(struct client *c, rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	rd_kafka_conf_interceptor_add_on_new(conf, "weir", on_new, c);
}

static enum status open_handle(struct client *c, const char *transactional_id,
        const char *client_id, uint64_t queue_bytes, struct error *e)
{
	struct limits l;
	limits_produce(&l, queue_bytes);
	/* A message is a chunk of records (append.c): it has waited for others as long as it
	 * should. Compressing costs more than all the rest of producing. */
	const char *settings[] = {"client.id", client_id, "transactional.id", transactional_id,
	        "transaction.timeout.ms", "10000", "enable.idempotence", "true", "acks", "all",
	        "message.timeout.ms", "8000", "retry.backoff.ms", "5", "retry.backoff.max.ms",
	        "5", "compression.type", "none", "message.max.bytes",
	        KAFKA_PRODUCE_BYTES_MAX_TEXT, "linger.ms", "0", "queue.buffering.max.kbytes",
	        l.kb, NULL};
	atomic_store(&c->ambiguous, false);
	return client_open(c, RD_KAFKA_PRODUCER, settings, callbacks, e);
}

void producer_drop(struct log_session *s)
{
	rd_kafka_t *h = s->producer.rk;
	s->ready = false;
	append_drop(s);
	if (!h)
		return;
	for (uint32_t i = 0; i < s->ntopics; i++) {
		if (s->topics[i]->produced)
			rd_kafka_topic_destroy(s->topics[i]->produced);
		s->topics[i]->produced = NULL;
	}
	/* What was not sent need not be: destroying would otherwise not wait for it either, but
	 * hold its memory until the connections are closed. */
	rd_kafka_purge(h, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
	                          RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_destroy(h);
	append_returned(s);
	s->producer.rk = NULL;
	s->nfailed = 0;
	atomic_store(&s->producer.ambiguous, false);
}

bool producer_ready(struct log_session *s)
{
	return s->ready;
}

/* Why a handle can no longer be used. A transaction that was open for longer than its time-out
 * was ended by the broker, which looks the same as being fenced by a namesake. */
static enum status fatal(struct log_session *s, rd_kafka_resp_err_t err, const char *why,
        const char *what, struct error *e)
{
	int64_t open_ms = (clock_mono_ns(&clock_system) - s->began_ns) / 1000000;
	bool fenced = err == RD_KAFKA_RESP_ERR__FENCED ||
	              err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	              err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
	if (fenced && s->began_ns && open_ms >= TXN_TIMEOUT_MS)
		return error_set(e, ERR_ABORT, err,
		        "%s: the transaction of %s was open for %" PRId64
		        " ms: the broker has ended it",
		        what, s->transactional_id, open_ms);
	if (fenced)
		return error_set(e, ERR_FATAL, err,
		        "%s: another engine uses transactional id %s", what,
		        s->transactional_id);
	if (err == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
	        err == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
		return error_set(e, ERR_FATAL, err,
		        "%s: no permission to use transactional id %s", what,
		        s->transactional_id);
	return error_set(e, ERR_ABORT, err, "%s: %s", what, why);
}

/* Before the commit: what an error means. Destroys it. */
static enum status refused(
        struct log_session *s, rd_kafka_error_t *error, const char *what, struct error *e)
{
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);
	if (rd_kafka_error_is_fatal(error)) {
		fatal(s, err, rd_kafka_error_string(error), what, e);
	} else {
		client_error(&s->producer, e, err, rd_kafka_error_string(error), "%s", what);
		if (e)
			e->class = ERR_ABORT;
	}
	rd_kafka_error_destroy(error);
	return ST_ERR;
}

static enum status init_once(struct log_session *s, struct error *e)
{
	struct client *c = &s->producer;
	if (!c->rk) {
		if (open_handle(c, s->transactional_id, s->client_id ? s->client_id : "weir",
		            s->memory_bytes / 2, e) != ST_OK)
			return ST_ERR;
		atomic_fetch_add(&s->producers, 1);
		s->began_ns = 0;
	}
	rd_kafka_error_t *error = rd_kafka_init_transactions(c->rk, INIT_MS);
	if (!error) {
		client_ok(c);
		return ST_OK;
	}
	rd_kafka_resp_err_t err = rd_kafka_error_code(error);
	if (rd_kafka_error_is_retriable(error)) {
		client_error(c, e, err, rd_kafka_error_string(error),
		        "initialising transactional id %s", s->transactional_id);
		if (e)
			e->class = ERR_RETRIABLE;
	} else {
		if (fatal(s, err, rd_kafka_error_string(error), "initialising", e) && e &&
		        e->class == ERR_ABORT)
			e->class = ERR_FATAL; /* nothing to abort, nothing to retry */
		producer_drop(s);
	}
	rd_kafka_error_destroy(error);
	return ST_ERR;
}

static bool written(void *arg, int32_t partition)
{
	const struct topic *t = arg;
	return partition < t->nparts && t->parts[partition] && t->parts[partition]->written;
}

/* A broker that ends a transaction while it knows no leader of one of its partitions takes that
 * one for deleted and writes no end marker there (4.3.1): an aborted epoch's rows would be
 * committed with the next. Aborting and initialising end what is open, so they wait until all that
 * this session has written to is led. (A commit has just had all its records acknowledged.) What the
 * broker ends by itself after the transaction's time-out, and what a process before this one has
 * left open, is not held back by this. */
static bool all_led(struct log_session *s, struct error *e)
{
	for (uint32_t i = 0; i < s->ntopics; i++) {
		struct topic *t = s->topics[i];
		bool any = false;
		for (int32_t k = 0; k < t->nparts; k++)
			any |= written(t, k);
		if (any && !broker_led(s->broker, t->name, written, t, e))
			return false;
	}
	return true;
}

enum status producer_init(struct log_session *s, struct error *e)
{
	if (s->ready && !producer_ambiguous(s))
		return ST_OK;
	if (!all_led(s, e)) {
		if (e)
			e->class = ERR_RETRIABLE;
		return ST_ERR;
	}
	for (int i = 0; i < INIT_TRIES; i++) {
		if (s->ready || producer_ambiguous(s))
			producer_drop(s);
		if (init_once(s, e) != ST_OK)
			return ST_ERR;
		s->ready = !producer_ambiguous(s);
		if (s->ready)
			return ST_OK;
	}
	producer_drop(s);
	return error_set(e, ERR_RETRIABLE, 0,
	        "initialising transactional id %s: connections to %s break",
	        s->transactional_id, s->broker->brokers);
}

// ---- the transaction ----

enum status producer_begin(struct log_session *s, struct error *e)
{
	if (!s->ready || producer_ambiguous(s))
		return error_set(e, ERR_ABORT, 0,
		        "the producer of %s must be initialised first", s->transactional_id);
	s->nfailed = 0;
	s->unsure = s->unanswered = s->refused = false;
	s->failure = 0;
	client_txn_begins(&s->producer);
	s->began_ns = clock_mono_ns(&clock_system);
	rd_kafka_error_t *error = rd_kafka_begin_transaction(s->producer.rk);
	return error ? refused(s, error, "beginning a transaction", e) : ST_OK;
}

/* A record that could not be written; where is not always known. */
static enum status unwritten(
        struct log_session *s, rd_kafka_resp_err_t err, struct part *p, struct error *e)
{
	char what[400] = "writing", why[300];
	refusal_find(s, &err, &p);
	if (p)
		snprintf(what, sizeof what, "writing to %s[%" PRId32 "]", p->topic->name,
		        p->partition);
	rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->producer.rk, why, sizeof why);
	if (code)
		return fatal(s, code, why, what, e);
	client_txn_error(&s->producer, why, sizeof why);
	bool purged = err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
		      err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT || err == RD_KAFKA_RESP_ERR__STATE;
	client_error(&s->producer, e, err, purged ? why : NULL, "%s", what);
	s->refused = refusal_no_retry_heals(err);
	s->refused_at = p;
	if (e)
		e->class = s->refused ? ERR_FATAL : ERR_ABORT;
	return ST_ERR;
}

enum status producer_append(struct log_session *s, uint32_t topic, int32_t partition,
        struct slice key, const struct slice *value, const struct log_header *headers,
        uint32_t nheaders, int64_t timestamp, struct error *e)
{
	INVARIANT(partition >= 0);
	struct part *p = session_part(s, topic, partition);
	if (!s->producer.rk)
		return error_set(e, ERR_ABORT, 0, "no producer");
	p->written = true;
	rd_kafka_resp_err_t err = append_record(s, p, key, value, headers, nheaders, timestamp);
	if (err)
		return unwritten(s, err, p, e);
	atomic_fetch_add_explicit(&s->appended, 1, memory_order_relaxed);
	return ST_OK;
}

enum status producer_flush(struct log_session *s, struct error *e)
{
	if (!s->producer.rk)
		return error_set(e, ERR_ABORT, 0, "no producer");
	append_flush(s);
	rd_kafka_resp_err_t err = rd_kafka_flush(s->producer.rk, FLUSH_MS);
	if (s->nfailed) {
		unwritten(s, s->failure, s->failed_at, e);
		return s->nfailed > 1 ? error_context(e, "%" PRIu32 " records", s->nfailed)
		                      : ST_ERR;
	}
	if (!err)
		return ST_OK;
	client_error(&s->producer, e, err, NULL, "waiting for %d batches to be acknowledged",
	        rd_kafka_outq_len(s->producer.rk));
	if (e)
		e->class = ERR_ABORT;
	return ST_ERR;
}

enum status producer_send_offsets(
        struct log_session *s, const struct log_position *next, uint32_t n, struct error *e)
{
	INVARIANT(n > 0); /* librdkafka would do nothing and say OK */
	if (!s->producer.rk)
		return error_set(e, ERR_ABORT, 0, "no producer");
	bool fenced = rule_kept(FP_RULE_GENERATION);
	rd_kafka_consumer_group_metadata_t *group =
	        fenced ? rd_kafka_consumer_group_metadata(s->consumer.rk)
	               : rd_kafka_consumer_group_metadata_new(s->group);
	if (!group || (fenced && rd_kafka_consumer_group_metadata_generation_id(group) < 0)) {
		if (group)
			rd_kafka_consumer_group_metadata_destroy(group);
		return error_set(e, ERR_ABORT, 0, "not a member of group %s now", s->group);
	}
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
	for (uint32_t i = 0; i < n; i++) {
		INVARIANT(next[i].offset >= 0);
		rd_kafka_topic_partition_list_add(
		        list, session_topic(s, next[i].topic)->name, next[i].partition)
		        ->offset = next[i].offset;
	}
	rd_kafka_error_t *error =
	        rd_kafka_send_offsets_to_transaction(s->producer.rk, list, group, OFFSETS_MS);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_group_metadata_destroy(group);
	s->unsure = error && rd_kafka_error_code(error) < 0; /* not the broker's answer */
	return error ? refused(s, error, "adding the input offsets", e) : ST_OK;
}

enum status producer_commit(struct log_session *s, struct error *e)
{
	if (!s->producer.rk)
		return error_set(e, ERR_UNKNOWN, 0, "no producer");
	append_flush(s);
	if (s->nfailed) {
		unwritten(s, s->failure, s->failed_at, e);
		if (e)
			e->class = ERR_UNKNOWN; /* of whatever was not flushed before */
		return ST_ERR;
	}
	rd_kafka_error_t *error = rd_kafka_commit_transaction(s->producer.rk, -1);
	if (!error) {
		client_ok(&s->producer);
		return ST_OK;
	}
	client_error_take(&s->producer, e, error, "committing");
	if (e)
		e->class = ERR_UNKNOWN;
	return ST_ERR;
}

/* Whether a request of this transaction may be. A handle that has failed for good sends no
 * more. */
static bool under_way(const struct log_session *s)
{
	return !rd_kafka_fatal_error(s->producer.rk, NULL, 0) &&
	       (s->unsure || s->unanswered || rd_kafka_outq_len(s->producer.rk) > 0);
}

enum status producer_abort(struct log_session *s, struct error *e)
{
	if (!s->producer.rk)
		return error_set(e, ERR_ABORT, 0, "no producer");
	append_drop(s);
	bool unsure = under_way(s) || !all_led(s, NULL); /* then init ends it, when they are */
	s->nfailed = 0;
	if (unsure) {
		atomic_store(&s->producer.ambiguous, true);
		return ST_OK;
	}
	rd_kafka_error_t *error = rd_kafka_abort_transaction(s->producer.rk, TXN_TIMEOUT_MS);
	return error ? refused(s, error, "aborting", e) : ST_OK;
}

enum status producer_fence(struct log_broker *b, const char *transactional_id, struct error *e)
{
	struct client c;
	client_init(&c, b, NULL, "fence of %s", transactional_id);
	enum status st = open_handle(&c, transactional_id, b->client_id, 1 << 20, e);
	if (st == ST_OK) {
		rd_kafka_error_t *error = rd_kafka_init_transactions(c.rk, INIT_MS);
		if (error)
			st = client_error_take(
			        &c, e, error, "fencing transactional id %s", transactional_id);
	}
	client_close(&c);
	return st;
}
