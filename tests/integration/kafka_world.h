/* SPDX-License-Identifier: Apache-2.0
 *
 * For integration tests of the Kafka log: a broker from WEIR_BROKERS, names of the test's own,
 * and a member that follows the rebalance protocol as a worker does, keeping what it consumed.
 * Every wait has a deadline.
 */
#ifndef WEIR_TESTS_KAFKA_WORLD_H
#define WEIR_TESTS_KAFKA_WORLD_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connectors/kafka/kafka.h"

#define PARTS_MAX 8
#define SEEN_MAX 20000
#define WAIT_MS 90000 /* against hanging: the machine has other things to do */

static struct error ok_error;
#define E (&ok_error)
#define OK(call)                                                                               \
	do {                                                                                   \
		enum status st_ = (call);                                                      \
		ck_assert_msg(st_ == ST_OK, "%s: %s", #call, ok_error.msg);                    \
	} while (0)

static const struct log_ops *const k = &kafka_log;

static inline int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A name that no other test and no other run has. */
static inline const char *unique(char *out, const char *what)
{
	static int n;
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	sprintf(out, "it.%s.%d.%d.%lld", what, (int)getpid(), n++,
	        (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
	return out;
}

static inline struct log_broker *broker_at(const char *brokers, const char *const *properties)
{
	struct log_broker *b = NULL;
	struct kafka_conf conf = {
	        .brokers = brokers, .client_id = "it", .properties = properties};
	OK(kafka_open(&conf, &b, E));
	return b;
}

static inline struct log_broker *broker(void)
{
	const char *brokers = getenv("WEIR_BROKERS");
	ck_assert_msg(brokers != NULL, "WEIR_BROKERS is not set");
	return broker_at(brokers, NULL);
}

static inline void make_topic(struct log_broker *b, const char *name, int32_t partitions)
{
	struct log_topic_conf t = {.name = name, .partitions = partitions};
	OK(k->topics_ensure(b, &t, 1, E));
}

/* n records "<from>", "<from + 1>", …, one a partition in turn, outside any transaction. */
static inline void put_numbers(
        struct log_broker *b, const char *topic, int32_t partitions, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char text[16];
		sprintf(text, "%d", i);
		struct slice value = slice_of(text);
		OK(k->put(b, topic, i % partitions, slice_of(text), &value, NULL, E));
	}
}

/* ---- a member ---- */

struct member {
	struct log_broker *b;
	struct log_session *s;
	uint32_t topic;
	bool owned[PARTS_MAX], fetching[PARTS_MAX];
	bool fetch_at_zero; /* instead of the committed offset */
	int64_t next[PARTS_MAX];
	int assigned, revoked, lost;
	void (*on_revoked)(struct member *m, bool lost);
	void *arg;

	int nseen;
	struct {
		int32_t partition;
		int64_t offset;
		int value;
	} seen[SEEN_MAX];
};

static inline void member_assigned(void *arg, const struct log_position *parts, uint32_t n)
{
	struct member *m = arg;
	m->assigned++;
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_uint_eq(parts[i].topic, m->topic);
		ck_assert(!m->owned[parts[i].partition]);
		m->owned[parts[i].partition] = true;
	}
}

static inline void member_revoked(
        void *arg, const struct log_position *parts, uint32_t n, bool lost)
{
	struct member *m = arg;
	m->revoked++;
	m->lost += lost;
	if (m->on_revoked)
		m->on_revoked(m, lost);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert(m->owned[parts[i].partition]);
		m->owned[parts[i].partition] = m->fetching[parts[i].partition] = false;
	}
}

static inline void member_open(struct member *m, struct log_broker *b, const char *group,
        const char *txn, const char *instance, const char *topic)
{
	const char *subscribe[] = {topic, NULL};
	struct log_session_conf conf = {
	        .group = group,
	        .transactional_id = txn,
	        .client_id = "node.0@http://127.0.0.1:1",
	        .instance_id = instance,
	        .subscribe = subscribe,
	        .memory_bytes = 16 << 20,
	        .events = {m, member_assigned, member_revoked},
	};
	m->b = b;
	OK(k->session_open(b, &conf, &m->s, E));
	m->topic = k->topic(m->s, topic);
}

/* Starts fetching what is owned and not fetched yet, where the group stands. */
static inline void member_fetch(struct member *m)
{
	for (int p = 0; p < PARTS_MAX; p++) {
		struct error e = {0};
		struct log_position pos = {m->topic, p, 0};
		if (!m->owned[p] || m->fetching[p])
			continue;
		if (!m->fetch_at_zero && k->committed(m->s, &pos, 1, &e) != ST_OK) {
			ck_assert_msg(e.class == ERR_RETRIABLE, "%s", e.msg);
			continue;
		}
		if (pos.offset == LOG_OFFSET_NONE)
			pos.offset = 0;
		m->next[p] = pos.offset;
		enum status st = k->fetch(m->s, pos, &e);
		ck_assert_msg(st == ST_OK || e.class == ERR_RETRIABLE, "%s", e.msg);
		m->fetching[p] = st == ST_OK;
	}
}

static inline enum status member_poll(struct member *m, int timeout_ms, struct error *e)
{
	struct log_record r[50];
	uint32_t n = 0;
	enum status st = k->poll(m->s, timeout_ms, r, 50, &n, e);
	for (uint32_t i = 0; st == ST_OK && i < n; i++) {
		char text[16] = "";
		ck_assert(m->owned[r[i].partition] && m->fetching[r[i].partition]);
		ck_assert_int_eq(r[i].offset >= m->next[r[i].partition], 1);
		ck_assert_uint_lt(r[i].value.len, sizeof text);
		memcpy(text, r[i].value.p, r[i].value.len);
		ck_assert_int_lt(m->nseen, SEEN_MAX);
		m->seen[m->nseen].partition = r[i].partition;
		m->seen[m->nseen].offset = r[i].offset;
		m->seen[m->nseen++].value = atoi(text);
		m->next[r[i].partition] = r[i].offset + 1;
	}
	member_fetch(m);
	return st;
}

static inline int member_owns(const struct member *m)
{
	int n = 0;
	for (int p = 0; p < PARTS_MAX; p++)
		n += m->owned[p];
	return n;
}

/* Polls until the condition (over m) holds. */
#define UNTIL(m, cond)                                                                         \
	do {                                                                                   \
		int64_t end_ = now_ms() + WAIT_MS;                                             \
		while (!(cond)) {                                                              \
			struct error pe_ = {0};                                                \
			enum status ps_ = member_poll((m), 50, &pe_);                          \
			ck_assert_msg(                                                         \
			        ps_ == ST_OK || pe_.class == ERR_RETRIABLE, "%s", pe_.msg);    \
			ck_assert_msg(now_ms() < end_, "in vain: %s", #cond);                  \
		}                                                                              \
	} while (0)

static inline void offsets_of(const struct member *m, struct log_position *pos, uint32_t *n)
{
	*n = 0;
	for (int p = 0; p < PARTS_MAX; p++)
		if (m->owned[p] && m->fetching[p])
			pos[(*n)++] = (struct log_position){m->topic, p, m->next[p]};
}

/* ---- reading back ---- */

struct read_back {
	int n;
	int value[SEEN_MAX];
	int64_t offset[SEEN_MAX];
	int64_t position;
};

/* Everything committed in one partition, up to its high watermark. */
static inline void read_all(
        struct log_broker *b, const char *topic, int32_t partition, struct read_back *out)
{
	int64_t begin, end;
	OK(k->bounds(b, topic, partition, &begin, &end, E));
	struct log_reader *r = NULL;
	OK(k->reader_open(b, topic, partition, begin, 4 << 20, &r, E));
	out->n = 0;
	int64_t deadline = now_ms() + WAIT_MS;
	while (k->reader_position(r) < end) {
		struct log_record rec[100];
		uint32_t n;
		OK(k->reader_poll(r, 100, rec, 100, &n, E));
		for (uint32_t i = 0; i < n; i++) {
			char text[16] = "";
			memcpy(text, rec[i].value.p,
			        rec[i].value.len < 15 ? rec[i].value.len : 15);
			ck_assert_int_lt(out->n, SEEN_MAX);
			out->offset[out->n] = rec[i].offset;
			out->value[out->n++] = atoi(text);
		}
		ck_assert_msg(now_ms() < deadline, "%s[%d] never reached %lld, at %lld", topic,
		        partition, (long long)end, (long long)k->reader_position(r));
	}
	out->position = k->reader_position(r);
	k->reader_close(r);
}

static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int passed = srunner_ntests_run(r) - srunner_ntests_failed(r);
	int failed = srunner_ntests_failed(r);
	printf("checks: %d passed, %d failed\n", passed, failed);
	srunner_free(r);
	return failed != 0;
}

#endif
