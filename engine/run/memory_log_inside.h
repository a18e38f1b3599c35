/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the log in memory share: memory_log.c is the broker and its readers,
 * memory_session.c the sessions and their transactions. Nobody else includes it.
 */
#ifndef WEIR_RUN_MEMORY_LOG_INSIDE_H
#define WEIR_RUN_MEMORY_LOG_INSIDE_H

#include "run/memory_log.h"

struct mem_record {
	int64_t offset, timestamp;
	bool has_key, has_value;
	struct slice key, value; /* one allocation, at key.p or value.p */
	void *bytes;
	struct log_header *headers; /* one allocation with their names and values */
	uint32_t nheaders;
};

struct mem_partition {
	struct mem_record *records;
	uint32_t n, cap;
	int64_t begin, end;
	bool owned;
};

struct mem_topic {
	char *name;
	struct mem_partition *parts;
	int32_t nparts;
	bool discard;
};

struct mem_offset {
	char *group;
	uint32_t topic;
	int32_t partition;
	int64_t offset;
};

struct log_broker {
	struct mem_topic *topics;
	uint32_t ntopics;
	struct mem_offset *offsets;
	uint32_t noffsets;
	char *discard[8];
	uint32_t ndiscard;
	void (*tap)(void *, const char *, int32_t, const struct log_record *);
	void *tap_arg;
	enum memory_fault (*fault)(void *, enum memory_step);
	void *fault_arg;
	uint32_t (*room)(void *, const char *, int32_t);
	void *room_arg;
	struct log_session *sessions;
};

struct mem_fetch {
	uint32_t topic;
	int32_t partition;
	int64_t position, delivered;
	bool owned, fetching, paused;
	bool taken, lost; /* told at the next poll */
};

struct mem_pending {
	uint32_t topic;
	int32_t partition;
	struct mem_record record;
};

struct log_session {
	struct log_broker *b;
	char *group;
	uint32_t *subscribed;
	uint32_t nsubscribed;
	struct log_events events;
	struct mem_fetch *fetches;
	uint32_t nfetches, next;
	struct mem_pending *pending;
	uint32_t npending, cap_pending;
	struct log_position *sent;
	uint32_t nsent;
	bool ready, ambiguous, begun, refused;
	struct log_session *next_session; /* of the broker */
};

struct log_reader {
	struct log_broker *b;
	uint32_t topic;
	int32_t partition;
	int64_t position;
};

struct mem_topic *mem_topic_find(struct log_broker *b, const char *name);
struct mem_record mem_record_copy(const struct slice *key, const struct slice *value,
	int64_t timestamp);
void mem_record_free(struct mem_record *r);
void mem_headers_copy(struct mem_record *r, const struct log_header *headers, uint32_t n);
/* Takes the record over. Returns its offset. */
int64_t mem_part_append(struct log_broker *b, uint32_t topic, int32_t partition,
	struct mem_record r);
/* Visible records from *position on, which is moved. */
uint32_t mem_part_read(struct log_broker *b, uint32_t topic, int32_t partition,
	int64_t *position, struct log_record *out, uint32_t max);
struct mem_offset *mem_offset_find(struct log_broker *b, const char *group, uint32_t topic,
	int32_t partition);
void mem_offset_store(struct log_broker *b, const char *group, struct log_position at);
enum status mem_injected(struct error *e, enum memory_fault f, enum error_class class,
	const char *what);

/* The session's calls of run/log.h. */
enum status mem_session_open(struct log_broker *b, const struct log_session_conf *conf,
	struct log_session **out, struct error *e);
void mem_session_close(struct log_session *s);
uint32_t mem_topic(struct log_session *s, const char *name);
enum status mem_poll(struct log_session *s, int timeout_ms, struct log_record *out,
	uint32_t max, uint32_t *n, struct error *e);
enum status mem_fetch(struct log_session *s, struct log_position at, struct error *e);
void mem_unfetch(struct log_session *s, uint32_t topic, int32_t partition);
void mem_pause(struct log_session *s, uint32_t topic, int32_t partition);
void mem_resume(struct log_session *s, uint32_t topic, int32_t partition);
enum status mem_committed(struct log_session *s, struct log_position *pos, uint32_t n,
	struct error *e);
int64_t mem_position(struct log_session *s, uint32_t topic, int32_t partition);
int64_t mem_high_watermark(struct log_session *s, uint32_t topic, int32_t partition);
enum status mem_producer_init(struct log_session *s, struct error *e);
void mem_producer_drop(struct log_session *s);
bool mem_producer_ready(struct log_session *s);
bool mem_producer_ambiguous(struct log_session *s);
enum status mem_begin(struct log_session *s, struct error *e);
enum status mem_append(struct log_session *s, uint32_t topic, int32_t partition,
	struct slice key, const struct slice *value, const struct log_header *headers,
	uint32_t nheaders, int64_t timestamp, struct error *e);
enum status mem_flush(struct log_session *s, struct error *e);
bool mem_refused(struct log_session *s, struct log_position *at);
int64_t mem_delivered(struct log_session *s, uint32_t topic, int32_t partition);
enum status mem_send_offsets(struct log_session *s, const struct log_position *next,
	uint32_t n, struct error *e);
enum status mem_commit(struct log_session *s, struct error *e);
enum status mem_abort(struct log_session *s, struct error *e);

#endif
