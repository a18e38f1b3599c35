// SPDX-License-Identifier: Apache-2.0
//
// Which failures make a producer ambiguous (I5), on librdkafka's own mock cluster: it can break
// a connection in the middle of a given request, and answer with a given error. It does not
// fence, nor hide aborted records: nothing about exactly-once is shown here. And how records
// are gathered on their way into librdkafka: in order, none twice, none of an aborted
// transaction.
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "connectors/kafka/kafka.h"

#define POLLS_MAX 400
#define MANY 20 /* partitions: more than are gathered for at a time */
#define RECORDS 6000

static const struct log_ops *const k = &kafka_log;

struct rig {
	rd_kafka_t *host;
	rd_kafka_mock_cluster_t *mock;
	struct log_broker *b;
	struct log_session *s;
	uint32_t in, out;
	int assigned;
};

static void assigned(void *arg, const struct log_position *parts, uint32_t n)
{
	(void)parts;
	((struct rig *)arg)->assigned += (int)n;
}

static void revoked(void *arg, const struct log_position *parts, uint32_t n, bool lost)
{
	(void)arg, (void)parts, (void)n, (void)lost;
}

static void rig_open(struct rig *r)
{
	char why[200];
	struct error e = {0};
	memset(r, 0, sizeof *r);
	log_level_set(LOG_LVL_ERROR);
	rd_kafka_conf_t *quiet = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(quiet, NULL);
	r->host = rd_kafka_new(RD_KAFKA_PRODUCER, quiet, why, sizeof why);
	r->mock = rd_kafka_mock_cluster_new(r->host, 1);
	rd_kafka_mock_group_initial_rebalance_delay_ms(r->mock, 0);
	rd_kafka_mock_topic_create(r->mock, "in", 1, 1);
	rd_kafka_mock_topic_create(r->mock, "out", 1, 1);
	rd_kafka_mock_topic_create(r->mock, "many", MANY, 1);
	struct kafka_conf conf = {
	        .brokers = rd_kafka_mock_cluster_bootstraps(r->mock), .client_id = "ut"};
	ck_assert_msg(kafka_open(&conf, &r->b, &e) == ST_OK, "%s", e.msg);
	const char *subscribe[] = {"in", NULL};
	struct log_session_conf sc = {.group = "g",
	        .transactional_id = "t",
	        .subscribe = subscribe,
	        .memory_bytes = 8 << 20,
	        .events = {r, assigned, revoked}};
	ck_assert_msg(k->session_open(r->b, &sc, &r->s, &e) == ST_OK, "%s", e.msg);
	r->in = k->topic(r->s, "in");
	r->out = k->topic(r->s, "out");
	struct log_record rec[1];
	uint32_t n;
	for (int i = 0; i < POLLS_MAX && !r->assigned; i++)
		k->poll(r->s, 50, rec, 1, &n, &e);
	ck_assert_int_eq(r->assigned, 1);
}

static void rig_close(struct rig *r)
{
	k->session_close(r->s);
	k->close(r->b);
	rd_kafka_mock_cluster_destroy(r->mock);
	rd_kafka_destroy(r->host);
}

/* One epoch, as far as it goes; true when it was committed. */
static bool epoch(struct rig *r, struct error *e)
{
	struct slice v = slice_of("v");
	struct log_position next = {r->in, 0, 1};
	return k->begin(r->s, e) == ST_OK &&
	       k->append(r->s, r->out, 0, v, &v, NULL, 0, 0, e) == ST_OK &&
	       k->flush(r->s, e) == ST_OK && k->send_offsets(r->s, &next, 1, e) == ST_OK &&
	       k->commit(r->s, e) == ST_OK;
}

static const struct {
	int16_t api;
	const char *name;
	rd_kafka_resp_err_t err;
	bool ambiguous;
} table[] = {
        {24, "AddPartitionsToTxn", RD_KAFKA_RESP_ERR__TRANSPORT, true},
        {25, "AddOffsetsToTxn", RD_KAFKA_RESP_ERR__TRANSPORT, true},
        {26, "EndTxn", RD_KAFKA_RESP_ERR__TRANSPORT, true},
        {28, "TxnOffsetCommit", RD_KAFKA_RESP_ERR__TRANSPORT, true},
        {24, "AddPartitionsToTxn", RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, false},
        {25, "AddOffsetsToTxn", RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, false},
        {26, "EndTxn", RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, false},
        {28, "TxnOffsetCommit", RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, false},
        {0, "Produce", RD_KAFKA_RESP_ERR__TRANSPORT, false},
        {10, "FindCoordinator", RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, false},
};

START_TEST(ambiguity)
{
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	ck_assert(!k->producer_ambiguous(r.s));
	rd_kafka_mock_push_request_errors(r.mock, table[_i].api, 1, table[_i].err);
	epoch(&r, &e); /* librdkafka's retry may well succeed: the flag stays */
	ck_assert_msg(k->producer_ambiguous(r.s) == table[_i].ambiguous, "%s, %s",
	        table[_i].name, rd_kafka_err2name(table[_i].err));
	if (table[_i].ambiguous) {
		ck_assert_int_eq(k->begin(r.s, &e), ST_ERR);
		ck_assert_int_eq(e.class, ERR_ABORT);
		k->producer_drop(r.s);
		ck_assert(!k->producer_ambiguous(r.s) && !k->producer_ready(r.s));
		ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	}
	struct kafka_stats stats;
	kafka_session_stats(r.s, &stats);
	ck_assert_uint_eq(stats.producers, table[_i].ambiguous ? 2 : 1);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

START_TEST(ambiguous_init)
{
	/* Initialising was ambiguous itself: the handle is not handed out, another is made. */
	struct rig r;
	struct error e = {0};
	struct kafka_stats stats;
	rig_open(&r);
	rd_kafka_mock_push_request_errors(r.mock, 22, 1, RD_KAFKA_RESP_ERR__TRANSPORT);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	kafka_session_stats(r.s, &stats);
	ck_assert_uint_eq(stats.producers, 2);
	ck_assert(!k->producer_ambiguous(r.s));
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

START_TEST(leaderless)
{
	/* What was open is not ended while a partition that it may have written to has no leader. */
	struct rig r;
	struct error e = {0};
	struct kafka_stats stats;
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	struct slice v = slice_of("v");
	ck_assert_int_eq(k->begin(r.s, &e), ST_OK);
	ck_assert_int_eq(k->append(r.s, r.out, 0, v, &v, NULL, 0, 0, &e), ST_OK);
	ck_assert_msg(k->flush(r.s, &e) == ST_OK, "%s", e.msg);
	rd_kafka_mock_partition_set_leader(r.mock, "out", 0, -1);
	ck_assert_int_eq(k->abort(r.s, &e), ST_OK);
	ck_assert(k->producer_ambiguous(r.s)); /* left to the next producer's init */
	k->producer_drop(r.s);
	ck_assert_int_eq(k->producer_init(r.s, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_RETRIABLE);
	ck_assert_ptr_nonnull(strstr(e.msg, "out[0] has no leader"));
	kafka_session_stats(r.s, &stats);
	ck_assert_uint_eq(stats.producers, 1); /* none was made */
	rd_kafka_mock_partition_set_leader(r.mock, "many", 0, -1); /* written to by nobody */
	rd_kafka_mock_partition_set_leader(r.mock, "out", 0, 1);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	/* What was never acknowledged may be there all the same. */
	uint32_t many = k->topic(r.s, "many");
	ck_assert_int_eq(k->begin(r.s, &e), ST_OK);
	ck_assert_int_eq(k->append(r.s, many, 0, v, &v, NULL, 0, 0, &e), ST_OK);
	ck_assert_int_eq(k->abort(r.s, &e), ST_OK);
	ck_assert(k->producer_ambiguous(r.s));
	k->producer_drop(r.s);
	ck_assert_int_eq(k->producer_init(r.s, &e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(e.msg, "many[0] has no leader"));
	rig_close(&r);
}
END_TEST

static const struct {
	int16_t api;
	rd_kafka_resp_err_t err;
	enum error_class class;
	bool aborts; /* abort answers OK: the producer is kept */
} refused[] = {
        {28, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, ERR_ABORT, true},
        {28, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, ERR_ABORT, true},
        {28, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, ERR_ABORT, true},
        {25, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ERR_FATAL, false},
        {24, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERR_FATAL, false},
        {0, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_FATAL, true},
        {26, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, ERR_UNKNOWN, false},
        {26, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ERR_UNKNOWN, false},
        {26, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, ERR_UNKNOWN, false},
};

START_TEST(classes)
{
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	rd_kafka_mock_push_request_errors(r.mock, refused[_i].api, 1, refused[_i].err);
	ck_assert(!epoch(&r, &e));
	ck_assert_msg(e.class == refused[_i].class, "class %d: %s", e.class, e.msg);
	ck_assert(!k->producer_ambiguous(r.s));
	if (refused[_i].class != ERR_UNKNOWN) {
		struct error why = {0};
		ck_assert_msg(
		        (k->abort(r.s, &why) == ST_OK) == refused[_i].aborts, "%s", why.msg);
	}
	if (!refused[_i].aborts || refused[_i].class == ERR_FATAL)
		k->producer_drop(r.s);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

#define OFFSET_FETCH 9 /* number of the request */

START_TEST(offsets_asked_again)
{
	/* What passes by itself, also the library's own giving up of a connection. */
	static const rd_kafka_resp_err_t passes[] = {RD_KAFKA_RESP_ERR__DESTROY_BROKER,
	        RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT};
	struct rig r;
	rig_open(&r);
	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		struct log_position pos = {r.in, 0, 0};
		struct error e = {0};
		rd_kafka_mock_push_request_errors(r.mock, OFFSET_FETCH, 1, passes[i]);
		enum status st = ST_ERR;
		for (int j = 0; j < POLLS_MAX && st != ST_OK; j++) {
			st = k->committed(r.s, &pos, 1, &e);
			ck_assert_msg(st == ST_OK || e.class == ERR_RETRIABLE, "class %d: %s",
			        e.class, e.msg);
		}
		ck_assert_int_eq(st, ST_OK);
		ck_assert_int_eq(pos.offset, LOG_OFFSET_NONE);
	}
	rig_close(&r);
}
END_TEST

// ---- records on their way ----

/* A record's form follows from its number: mostly small, some too large to wait with others,
 * some with headers, some with a time, some deleting. */
static void append_number(struct rig *r, uint32_t topic, uint32_t i)
{
	static uint8_t bytes[20000];
	struct error e = {0};
	struct log_header h = {"n", slice_of("1")};
	uint32_t len = i % 37 == 0 ? 20000 : i % 301;
	struct slice key = {(const uint8_t *)&i, sizeof i}, value = {bytes, len};
	memset(bytes, (int)(i & 0xff), len);
	ck_assert_msg(
	        k->append(r->s, topic, (int32_t)(i % MANY), key, i % 11 == 0 ? NULL : &value,
	                &h, i % 41 == 0, i % 43 == 0 ? 7 : 0, &e) == ST_OK,
	        "%s", e.msg);
}

static void check_number(const struct log_record *rec, uint32_t i)
{
	uint32_t len = i % 11 == 0 ? 0 : i % 37 == 0 ? 20000 : i % 301;
	ck_assert_uint_eq(rec->key.len, sizeof i);
	ck_assert_msg(memcmp(rec->key.p, &i, sizeof i) == 0, "record %u is not next", i);
	ck_assert_int_eq(rec->has_value, i % 11 != 0);
	ck_assert_uint_eq(rec->value.len, len);
	bool same = true; /* check tells its parent of each assertion: not of each byte */
	for (uint32_t at = 0; at < len; at++)
		same &= rec->value.p[at] == (i & 0xff);
	ck_assert_msg(same, "the value of record %u", i);
	ck_assert_uint_eq(rec->nheaders, i % 41 == 0);
	ck_assert_int_eq(rec->timestamp == 7, i % 43 == 0);
}

/* The partition's records are the numbers from, from + MANY, … below end, and no others. */
static void check_partition(struct rig *r, const char *topic, int32_t p, uint32_t end)
{
	struct error e = {0};
	struct log_reader *reader;
	struct log_record rec[100];
	uint32_t n, at = (uint32_t)p;
	int64_t begin, high;
	ck_assert_msg(k->bounds(r->b, topic, p, &begin, &high, &e) == ST_OK, "%s", e.msg);
	ck_assert(k->reader_open(r->b, topic, p, 0, 1 << 20, &reader, &e) == ST_OK);
	for (int i = 0; i < POLLS_MAX && k->reader_position(reader) < high; i++) {
		ck_assert_msg(
		        k->reader_poll(reader, 100, rec, 100, &n, &e) == ST_OK, "%s", e.msg);
		for (uint32_t j = 0; j < n; j++, at += MANY)
			check_number(&rec[j], at);
	}
	ck_assert_int_eq(k->reader_position(reader), high);
	ck_assert_uint_ge(at, end);
	ck_assert_uint_lt(at, end + MANY);
	k->reader_close(reader);
}

START_TEST(order)
{
	/* Each partition has its records in the order they were appended, whatever their form.
	 */
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	uint32_t topic = k->topic(r.s, "many");
	ck_assert(k->begin(r.s, &e) == ST_OK);
	for (uint32_t i = 0; i < RECORDS; i++)
		append_number(&r, topic, i);
	ck_assert_msg(k->flush(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_int_eq(k->delivered(r.s, topic, 3), RECORDS / MANY);
	for (int32_t p = 0; p < MANY; p++)
		check_partition(&r, "many", p, RECORDS);
	rig_close(&r);
}
END_TEST

#define PRODUCE 0 /* number of the request */

static size_t requests_of(struct rig *r, int16_t api)
{
	size_t n, found = 0;
	rd_kafka_mock_request_t **all = rd_kafka_mock_get_requests(r->mock, &n);
	for (size_t i = 0; i < n; i++)
		found += rd_kafka_mock_request_api_key(all[i]) == api;
	rd_kafka_mock_request_destroy_array(all, n);
	return found;
}

START_TEST(one_request)
{
	/* Batches of many partitions go together: a broker answers one request of a connection
	 * after another. What is refused as a whole, or lost on its way, is sent again, each
	 * partition's records in their order, and none twice. */
	static const rd_kafka_resp_err_t met[] = {RD_KAFKA_RESP_ERR_NO_ERROR,
	        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR__TRANSPORT};
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	uint32_t topic = k->topic(r.s, "many"), sent = 0;
	rd_kafka_mock_start_request_tracking(r.mock);
	ck_assert_msg(k->begin(r.s, &e) == ST_OK, "%s", e.msg);
	for (size_t i = 0; i < sizeof met / sizeof *met; i++) {
		if (met[i])
			rd_kafka_mock_push_request_errors(r.mock, PRODUCE, 1, met[i]);
		for (uint32_t j = 0; j < 5 * MANY; j++)
			append_number(&r, topic, sent++);
		ck_assert_msg(k->flush(r.s, &e) == ST_OK, "%s", e.msg);
		/* The mock does not tell where what it has already is, as Kafka does. */
		for (int32_t p = 0; p < MANY && met[i] != RD_KAFKA_RESP_ERR__TRANSPORT; p++)
			ck_assert_int_eq(k->delivered(r.s, topic, p), sent / MANY);
		if (!met[i])
			ck_assert_uint_lt(requests_of(&r, PRODUCE), MANY / 2);
	}
	for (int32_t p = 0; p < MANY; p++)
		check_partition(&r, "many", p, sent);
	rig_close(&r);
}
END_TEST

static void append_everywhere(struct rig *r, uint32_t topic)
{
	struct error e = {0};
	struct slice v = slice_of("v");
	/* What was begun first is handed over last: with all the others, or after them. */
	ck_assert(k->append(r->s, r->out, 0, v, &v, NULL, 0, 0, &e) == ST_OK);
	for (int32_t p = 0; p < MANY; p++)
		ck_assert(k->append(r->s, topic, p, v, &v, NULL, 0, 0, &e) == ST_OK);
}

START_TEST(one_of_them_refused)
{
	/* One partition's refusal is its own, whatever was sent with it. */
	struct rig r;
	struct error e = {0};
	struct log_position at;
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	uint32_t topic = k->topic(r.s, "many");
	ck_assert_msg(k->begin(r.s, &e) == ST_OK, "%s", e.msg);
	append_everywhere(&r, topic);
	ck_assert_msg(k->flush(r.s, &e) == ST_OK, "%s", e.msg); /* all are in the transaction */
	rd_kafka_mock_partition_push_request_errors(r.mock, "out", 0, PRODUCE, 1,
	        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	append_everywhere(&r, topic);
	ck_assert_int_eq(k->flush(r.s, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "writing to out[0]") != NULL, "%s", e.msg);
	ck_assert(k->refused(r.s, &at) && at.topic == r.out && at.partition == 0);
	for (int32_t p = 0; p < MANY; p++)
		ck_assert_int_eq(k->delivered(r.s, topic, p), 2);
	ck_assert_msg(k->abort(r.s, &e) == ST_OK, "%s", e.msg);
	k->producer_drop(r.s);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

START_TEST(given_up)
{
	/* What an aborted transaction appended is in no later one; nor when its producer was
	 * dropped. */
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	uint32_t topic = k->topic(r.s, "many");
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_msg(k->begin(r.s, &e) == ST_OK, "%s", e.msg);
		append_number(&r, topic, 5 + i * MANY);
		if (i == 0)
			ck_assert_msg(k->abort(r.s, &e) == ST_OK, "%s", e.msg);
		if (i == 1)
			k->producer_drop(r.s);
		ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	}
	ck_assert_msg(k->flush(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_int_eq(k->delivered(r.s, topic, 5), 1);
	rig_close(&r);
}
END_TEST

START_TEST(refused_late)
{
	/* A record that librdkafka does not take is an error of the flush at the latest, and of
	 * that transaction alone. */
	struct rig r;
	struct error e = {0};
	struct slice v = slice_of("v");
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	ck_assert_msg(k->begin(r.s, &e) == ST_OK, "%s", e.msg);
	enum status st = k->append(r.s, r.out, 77, v, &v, NULL, 0, 0, &e);
	if (st == ST_OK)
		st = k->flush(r.s, &e);
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "out[77]") != NULL, "%s", e.msg);
	ck_assert_msg(k->abort(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

/* A transaction with more records than one batch holds: what is small waits in the session. */
static void begin_much(struct rig *r)
{
	static uint8_t bytes[20000];
	struct error e = {0};
	struct slice v = {bytes, sizeof bytes};
	ck_assert_msg(k->begin(r->s, &e) == ST_OK, "%s", e.msg);
	for (int i = 0; i < 500; i++)
		ck_assert_msg(k->append(r->s, r->out, 0, v, &v, NULL, 0, 0, &e) == ST_OK, "%s",
		        e.msg);
}

/* A broker that does not know the producer yet takes a batch whatever its number, also when it has
 * refused the one before it: that one is not to pass for delivered, and the order not to be another. */
START_TEST(refused_before_taken)
{
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	rd_kafka_mock_broker_set_rtt(r.mock, 1, 200); /* the next is on its way before the answer */
	rd_kafka_mock_push_request_errors(
	        r.mock, 0, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
	begin_much(&r);
	ck_assert_int_eq(k->flush(r.s, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_ABORT);
	ck_assert_msg(strstr(e.msg, "may have refused messages"), "%s", e.msg);
	rd_kafka_mock_broker_set_rtt(r.mock, 1, 0);
	ck_assert_msg(k->abort(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

/* What retention took away is told: reading on from elsewhere would leave records out. */
START_TEST(offset_that_is_gone)
{
	struct rig r;
	struct error e = {0};
	struct log_record rec[10];
	struct log_reader *reader;
	uint32_t n = 0;
	enum status st = ST_OK;
	rig_open(&r);
	struct slice value = slice_of("v");
	ck_assert_msg(
	        k->put(r.b, "out", 0, slice_of("k"), &value, NULL, &e) == ST_OK, "%s", e.msg);
	ck_assert(k->reader_open(r.b, "out", 0, 50, 1 << 20, &reader, &e) == ST_OK);
	for (int i = 0; i < POLLS_MAX && st == ST_OK; i++)
		st = k->reader_poll(reader, 100, rec, 10, &n, &e);
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "out[0] does not have offset 50"), "%s", e.msg);
	k->reader_close(reader);
	rig_close(&r);
}
END_TEST

/* An abort does not wait for AddPartitionsToTxn: the handle must not begin another transaction. */
START_TEST(aborted_while_unanswered)
{
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	rd_kafka_mock_broker_set_rtt(r.mock, 1, 500);
	begin_much(&r);
	k->abort(r.s, &e);
	ck_assert(k->producer_ambiguous(r.s));
	ck_assert_int_eq(k->begin(r.s, &e), ST_ERR);
	rd_kafka_mock_broker_set_rtt(r.mock, 1, 0);
	ck_assert_msg(k->producer_init(r.s, &e) == ST_OK, "%s", e.msg);
	ck_assert_msg(epoch(&r, &e), "%s", e.msg);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kafka_mock");
	TCase *t = tcase_create("mock");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, ambiguity, 0, sizeof table / sizeof *table);
	tcase_add_test(t, ambiguous_init);
	tcase_add_test(t, leaderless);
	tcase_add_loop_test(t, classes, 0, sizeof refused / sizeof *refused);
	tcase_add_test(t, offsets_asked_again);
	tcase_add_test(t, order);
	tcase_add_test(t, one_request);
	tcase_add_test(t, one_of_them_refused);
	tcase_add_test(t, given_up);
	tcase_add_test(t, refused_late);
	tcase_add_test(t, refused_before_taken);
	tcase_add_test(t, offset_that_is_gone);
	tcase_add_test(t, aborted_while_unanswered);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
