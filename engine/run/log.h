/* SPDX-License-Identifier: Apache-2.0
 *
 * The log contract: what weir needs of Kafka, and nothing more. Two implementations: Kafka
 * (connectors/kafka) and memory (run/memory_log.c), so that the whole engine, commit included,
 * runs without a broker in unit tests, `weir try` and `weir test`.
 *
 * A broker is the outside as one client sees it (topics, plain reads and writes). A session is
 * one worker: a member of the job's consumer group with one transactional producer. A session is
 * used by one thread; a broker by any.
 *
 * The order of calls that makes an epoch exactly-once is not decided here but in run/commit.c,
 * which reads like EXACTLY-ONCE.md. This contract only keeps each step visible.
 */
#ifndef WEIR_RUN_LOG_H
#define WEIR_RUN_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

#define LOG_OFFSET_NONE (-1) /* no committed offset */
#define LOG_TOPIC_NONE UINT32_MAX
#define LOG_HEADERS_MAX 32   /* of one record */
/* Without a record or an answer, until a command that may miss nothing gives up. */
#define LOG_SILENT_MS_MAX 90000

struct log_header {
	const char *name;
	struct slice value;
};

/* A consumed record; borrowed until the next poll of the same session or reader. */
struct log_record {
	uint32_t topic; /* the session's number for the topic */
	int32_t partition;
	int64_t offset;
	int64_t timestamp; /* ms; -1 when the broker gives none */
	bool has_key, has_value;
	struct slice key, value;
	/* Of a reader's records, at most LOG_HEADERS_MAX; a session's records come without. */
	const struct log_header *headers;
	uint32_t nheaders;
};

struct log_position {
	uint32_t topic;
	int32_t partition;
	int64_t offset; /* next to be read, or LOG_OFFSET_NONE */
};

struct log_topic_conf {
	const char *name;
	int32_t partitions;       /* to create with */
	int16_t replication;      /* 0: the broker's default */
	const char *const *conf;  /* name, value, name, value, …, NULL */
};

struct log_topic_info {
	int32_t partitions;   /* 0: there is no such topic */
	uint8_t id[16];       /* topic id; all zero when the broker has none */
	bool compacted;
	uint64_t record_bytes_max; /* of a record, or a batch of them; 0: not told */
};

/* Plain reading of one partition, outside any group. */
struct log_reader;
struct log_broker;
struct log_session;

/* Called on the worker's thread, from inside poll. Nothing of an assigned partition is fetched
 * until fetch() is called for it. After revoked() returns the partitions are gone; when lost is
 * true they were taken away already and nothing may be committed for them. */
struct log_events {
	void *arg;
	void (*assigned)(void *arg, const struct log_position *parts, uint32_t n);
	void (*revoked)(void *arg, const struct log_position *parts, uint32_t n, bool lost);
};

struct log_session_conf {
	const char *group;            /* weir.<job> */
	const char *transactional_id; /* weir.<job>.<node>.<worker> */
	const char *client_id;        /* <node>.<worker>@<http address> */
	const char *instance_id;      /* static membership; NULL: dynamic */
	const char *const *subscribe; /* lead topics, NULL-terminated */
	uint64_t memory_bytes;        /* for all queues of the session's clients together */
	uint64_t batch_bytes_max;     /* what every topic takes at once; 0: not known */
	struct log_events events;
};

struct log_ops {
	const char *name;

	/* -- broker -- */
	void (*close)(struct log_broker *b);
	/* Creates the topics that are missing; those that exist are left as they are. */
	enum status (*topics_ensure)(struct log_broker *b, const struct log_topic_conf *t,
		uint32_t n, struct error *e);
	/* Makes a topic that exists have at least so many partitions, and waits, within bounds, until
	 * the brokers show them. */
	enum status (*partitions_ensure)(struct log_broker *b, const char *topic,
		int32_t partitions, struct error *e);
	/* ERR_RETRIABLE while no broker answers. A missing topic is ST_OK, partitions 0. */
	enum status (*topic_info)(struct log_broker *b, const char *topic,
		struct log_topic_info *out, struct error *e);
	/* Calls each for every topic whose name begins so, in no order, before it returns. */
	enum status (*topics_list)(struct log_broker *b, const char *begins,
		void (*each)(void *arg, const char *topic), void *arg, struct error *e);
	/* First offset, and the high watermark: not the last stable offset. */
	enum status (*bounds)(struct log_broker *b, const char *topic, int32_t partition,
		int64_t *begin, int64_t *end, struct error *e);
	/* First offset whose timestamp is >= ts_ms; the end when there is none. */
	enum status (*offset_at)(struct log_broker *b, const char *topic, int32_t partition,
		int64_t ts_ms, int64_t *out, struct error *e);
	/* One idempotent write, acknowledged by all replicas. value NULL: tombstone. partition -1:
	 * by Kafka's default hash of the key (murmur2). Outside any transaction: control topics. */
	enum status (*put)(struct log_broker *b, const char *topic, int32_t partition,
		struct slice key, const struct slice *value, int64_t *offset, struct error *e);
	enum status (*delete_before)(struct log_broker *b, const char *topic, int32_t partition,
		int64_t offset, struct error *e);
	/* Committed group offsets of topics' partitions, outside a session (status, lag). Fills
	 * offset of each; names[i] belongs to pos[i]. */
	enum status (*group_offsets)(struct log_broker *b, const char *group,
		const char *const *names, struct log_position *pos, uint32_t n, struct error *e);
	/* Client ids of the group's members, as JSON-free text lines into out (status finds the
	 * nodes by them). *n in: room; out: found. Each at most 256 bytes with its NUL. */
	enum status (*group_members)(struct log_broker *b, const char *group, char (*out)[256],
		uint32_t *n, struct error *e);

	/* -- reader: read_committed, from an offset; topic and partition fixed -- */
	enum status (*reader_open)(struct log_broker *b, const char *topic, int32_t partition,
		int64_t offset, uint64_t memory_bytes, struct log_reader **out,
		struct error *e);
	/* Up to max records, waiting at most timeout_ms for the first. *n may be 0. An offset
	 * that is out of range is ERR_FATAL, never a silent reset. */
	enum status (*reader_poll)(struct log_reader *r, int timeout_ms, struct log_record *out,
		uint32_t max, uint32_t *n, struct error *e);
	/* The next offset: counts control records and aborted ones, which poll never shows. */
	int64_t (*reader_position)(struct log_reader *r);
	void (*reader_close)(struct log_reader *r);

	/* -- session: membership and consuming -- */
	enum status (*session_open)(struct log_broker *b, const struct log_session_conf *conf,
		struct log_session **out, struct error *e);
	/* Leaves the group; revoked() is called for what is still owned, as lost when the client
	 * has closed already, which answers nothing more. Never commits. */
	void (*session_close)(struct log_session *s);
	/* The session's number for a topic, dense from 0; the same name gives the same number. */
	uint32_t (*topic)(struct log_session *s, const char *name);
	enum status (*poll)(struct log_session *s, int timeout_ms, struct log_record *out,
		uint32_t max, uint32_t *n, struct error *e);
	/* Starts fetching an owned partition (or one read beside it) at the offset. */
	enum status (*fetch)(struct log_session *s, struct log_position at, struct error *e);
	/* Ends what fetch() began for a partition read beside the owned ones; in revoked() it
	 * goes together with them. Owned partitions end by themselves when they are revoked. */
	void (*unfetch)(struct log_session *s, uint32_t topic, int32_t partition);
	/* Moves a partition that is being fetched; records already queued are dropped. */
	enum status (*seek)(struct log_session *s, struct log_position to, struct error *e);
	void (*pause)(struct log_session *s, uint32_t topic, int32_t partition);
	void (*resume)(struct log_session *s, uint32_t topic, int32_t partition);
	/* RequireStable: ERR_RETRIABLE while another transaction holds these offsets. Fills
	 * pos[i].offset; checks each partition's own error. */
	enum status (*committed)(struct log_session *s, struct log_position *pos, uint32_t n,
		struct error *e);
	/* Where reading a fetched partition stands: like the next offset to be shown, but counts the
	 * control records after what was shown, which poll never shows; -1 unknown. */
	int64_t (*position)(struct log_session *s, uint32_t topic, int32_t partition);
	/* High watermark of a fetched partition as last seen, without asking; -1 unknown. */
	int64_t (*high_watermark)(struct log_session *s, uint32_t topic, int32_t partition);

	/* -- session: the transaction -- */
	/* Creates the producer if there is none and runs InitTransactions until it answers.
	 * ERR_RETRIABLE when it should be called again; ERR_FATAL when fenced. */
	enum status (*producer_init)(struct log_session *s, struct error *e);
	/* Destroys the producer handle, whatever state it is in. */
	void (*producer_drop)(struct log_session *s);
	bool (*producer_ready)(struct log_session *s);
	/* I5: an RPC of kind 22, 24, 25, 26 or 28 ended in a transport error or time-out on this
	 * handle. Sticky until producer_drop. */
	bool (*producer_ambiguous)(struct log_session *s);
	enum status (*begin)(struct log_session *s, struct error *e);
	/* Copies. value NULL: tombstone. When the queue is full it waits for room while serving
	 * delivery reports. timestamp 0: now. */
	enum status (*append)(struct log_session *s, uint32_t topic, int32_t partition,
		struct slice key, const struct slice *value, const struct log_header *headers,
		uint32_t nheaders, int64_t timestamp, struct error *e);
	/* Every delivery report in and OK, or an error. ERR_FATAL: see refused. */
	enum status (*flush)(struct log_session *s, struct error *e);
	/* After append or flush said ERR_FATAL, before abort: whether it is that records were
	 * refused, so that no producer will write them, and where; topic LOG_TOPIC_NONE: not told.
	 * False: it is the producer's end (fenced, say). */
	bool (*refused)(struct log_session *s, struct log_position *at);
	/* Offset after the last record delivered to the partition on this session; -1 if none. */
	int64_t (*delivered)(struct log_session *s, uint32_t topic, int32_t partition);
	/* Takes the group metadata now; generation < 0 is ERR_ABORT. n must not be 0. */
	enum status (*send_offsets)(struct log_session *s, const struct log_position *next,
		uint32_t n, struct error *e);
	/* Anything but ST_OK is ERR_UNKNOWN: the outcome must be read, not guessed. */
	enum status (*commit)(struct log_session *s, struct error *e);
	/* ST_OK: aborted, the producer is usable unless ambiguous; ambiguous: it will be when the
	 * next one initialises. */
	enum status (*abort)(struct log_session *s, struct error *e);
	/* Bars a previous owner's producer: init_transactions from a throwaway handle. */
	enum status (*fence)(struct log_broker *b, const char *transactional_id,
		struct error *e);
};

/* Kafka's default partitioner for keys: murmur2, sign bit off, modulo. */
int32_t log_partition_of(struct slice key, int32_t partitions);

#endif
