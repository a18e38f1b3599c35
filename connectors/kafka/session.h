/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker's session: a group member (consume.c) and a transactional producer (producer.c)
 * over one table of topics and partitions (session.c). One thread.
 */
#ifndef WEIR_KAFKA_SESSION_H
#define WEIR_KAFKA_SESSION_H

#include "fetched.h"
#include "client.h"
#include "kafka.h"

#define SESSION_TOPICS_MAX 4096
#define SESSION_PARTITIONS_MAX 100000 /* of one topic */
#define SESSION_TIMEOUT_MS 10000
#define TXN_TIMEOUT_MS 10000 /* takeover waits for both: session, then transaction */

/* One partition, as member and as producer see it. Lives as long as the session: delivery
 * reports point at it. */
struct part {
	struct topic *topic;
	int32_t partition;

	bool owned;    /* the group gave it to us */
	bool assigned; /* librdkafka fetches it */
	bool paused;
	bool ending;       /* unfetch was called; leaves with the next unassign */
	bool behind; /* the rest of a batch was dropped: the floor is where it goes on */
	bool placed; /* moved since it was paused: resuming needs no seek */
	int64_t floor;     /* no record below it surfaces */
	uint64_t moved;    /* the poll in which it was last moved or taken away */
	uint32_t moved_at; /* and how many records of that poll came before */

	bool written;        /* records have been appended, whatever became of them */
	int64_t delivered;   /* offset after the last acknowledged record; -1 */
	struct chunk *chunk; /* of records not yet with librdkafka (append.c); may be NULL */
};

struct topic {
	char *name;
	uint32_t number;
	rd_kafka_topic_t *consumed; /* held, so that a message's rkt is told by its address */
	rd_kafka_topic_t *produced; /* of the present producer; NULL until used */
	struct part **parts;
	int32_t nparts; /* room */
};

struct log_session {
	struct log_broker *broker;
	struct client consumer, producer;
	char *group, *transactional_id, *client_id, *instance_id;
	uint64_t memory_bytes, batch_bytes_max;
	struct log_events events;

	struct topic **topics;
	uint32_t ntopics;

	/* consume.c */
	rd_kafka_queue_t *queue;
	rd_kafka_topic_partition_list_t *subscription;
	enum { ORPHANS_WAIT, ORPHANS_LOOK, ORPHANS_SEEN } orphans;
	int64_t orphans_next_ns;
	uint32_t orphans_looks;
	struct fetched batch;
	const struct topic *last; /* of the message before */
	uint64_t polls;           /* the present poll's number */
	bool polling;             /* poll is not entered from its own callbacks */
	bool closing, let_go; /* let_go: closing, and it has been told to let everything go */
	bool lost;          /* seen before fetch() made librdkafka forget it; until revoked() */
	bool failed, noted; /* pending: for ever, or for the next empty poll */
	bool truncated;     /* pending is to name the partition */
	struct error pending;

	/* producer.c */
	bool ready;            /* init_transactions answered OK */
	int64_t began_ns;      /* begin() of the open transaction */
	struct append *append; /* append.c's; NULL until used */
	bool unsure;           /* adding the offsets failed: its request may be under way */
	bool unanswered;       /* a record was given up, and its request may be */
	uint32_t nfailed;      /* records of this transaction that were not written */
	rd_kafka_resp_err_t failure;
	struct part *failed_at;
	/* refusal.c; of this transaction */
	bool refused;
	struct part *refused_at; /* NULL: not told */

	atomic_ullong records, bytes, stale, appended, rebalances, losses, producers;
};

/* Notes that records of the transaction were refused; the flush says so. */
void session_unwritten(
        struct log_session *s, struct part *p, rd_kafka_resp_err_t err, uint32_t records);
struct topic *session_topic(struct log_session *s, uint32_t number);
struct part *session_part(struct log_session *s, uint32_t topic, int32_t partition);

enum status session_open(struct log_broker *b, const struct log_session_conf *conf,
        struct log_session **out, struct error *e);
void session_close(struct log_session *s);
uint32_t session_topic_number(struct log_session *s, const char *name);

enum status consume_open(struct log_session *s, const char *const *subscribe, struct error *e);
void consume_close(struct log_session *s);
/* orphans.c */
void orphans_look(struct log_session *s);

enum status consume_poll(struct log_session *s, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e);
enum status consume_fetch(struct log_session *s, struct log_position at, struct error *e);
void consume_unfetch(struct log_session *s, uint32_t topic, int32_t partition);
enum status consume_seek(struct log_session *s, struct log_position to, struct error *e);
void consume_pause(struct log_session *s, uint32_t topic, int32_t partition);
void consume_resume(struct log_session *s, uint32_t topic, int32_t partition);
enum status consume_committed(
        struct log_session *s, struct log_position *pos, uint32_t n, struct error *e);
int64_t consume_position(struct log_session *s, uint32_t topic, int32_t partition);
int64_t consume_high_watermark(struct log_session *s, uint32_t topic, int32_t partition);

enum status producer_init(struct log_session *s, struct error *e);
void producer_drop(struct log_session *s);
bool producer_ready(struct log_session *s);
bool producer_ambiguous(struct log_session *s);
enum status producer_begin(struct log_session *s, struct error *e);
enum status producer_append(struct log_session *s, uint32_t topic, int32_t partition,
        struct slice key, const struct slice *value, const struct log_header *headers,
        uint32_t nheaders, int64_t timestamp, struct error *e);
enum status producer_flush(struct log_session *s, struct error *e);
int64_t producer_delivered(struct log_session *s, uint32_t topic, int32_t partition);
enum status producer_send_offsets(
        struct log_session *s, const struct log_position *next, uint32_t n, struct error *e);
enum status producer_commit(struct log_session *s, struct error *e);
enum status producer_abort(struct log_session *s, struct error *e);
enum status producer_fence(struct log_broker *b, const char *transactional_id, struct error *e);

/* refusal.c */
bool refusal_no_retry_heals(rd_kafka_resp_err_t err);
/* Why a record was not written and where, when librdkafka knows only that it was not. */
void refusal_find(struct log_session *s, rd_kafka_resp_err_t *err, struct part **at);
bool refusal_at(struct log_session *s, struct log_position *at);

#endif
