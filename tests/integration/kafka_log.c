// SPDX-License-Identifier: Apache-2.0
//
// The Kafka log against a real broker: administration, reading, membership, consuming. The
// transaction is in kafka_txn.c.
#include "kafka_world.h"

// ---- broker ----

START_TEST(topics)
{
	char name[100], other[100];
	struct log_broker *b = broker();
	const char *conf[] = {"cleanup.policy", "compact", "segment.bytes", "1048576", NULL};
	struct log_topic_conf t[2] = {{.name = unique(name, "t"), .partitions = 3},
	        {.name = unique(other, "c"), .partitions = 1, .replication = 1, .conf = conf}};
	OK(k->topics_ensure(b, t, 2, E));
	t[0].partitions = 7; /* exists: left as it is */
	OK(k->topics_ensure(b, t, 2, E));
	struct log_topic_info i, j;
	static const uint8_t zero[16];
	OK(k->topic_info(b, name, &i, E));
	OK(k->topic_info(b, other, &j, E));
	ck_assert_int_eq(i.partitions, 3);
	ck_assert(!i.compacted);
	ck_assert(memcmp(i.id, zero, 16) != 0 && memcmp(i.id, j.id, 16) != 0);
	ck_assert_int_eq(j.partitions, 1);
	ck_assert(j.compacted);
	OK(k->topic_info(b, "it.there-is-none", &i, E));
	ck_assert_int_eq(i.partitions, 0);
	struct error e = {0};
	struct log_topic_conf bad = {.name = "no spaces please", .partitions = 1};
	ck_assert_int_eq(k->topics_ensure(b, &bad, 1, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "no spaces please") != NULL, "%s", e.msg);
	k->close(b);
}
END_TEST

START_TEST(put_and_offsets)
{
	char name[100];
	struct log_broker *b = broker();
	make_topic(b, unique(name, "put"), 5);
	for (int i = 0; i < 40; i++) {
		char key[16];
		sprintf(key, "key-%d", i * 37);
		int32_t p = log_partition_of(slice_of(key), 5);
		int64_t begin, end, at;
		struct slice value = slice_of("v");
		OK(k->bounds(b, name, p, &begin, &end, E));
		OK(k->put(b, name, -1, slice_of(key), &value, &at, E));
		ck_assert_int_eq(at, end); /* so it went to the partition that we say */
	}
	int64_t at, begin, end;
	struct slice empty = {(const uint8_t *)"", 0};
	OK(k->bounds(b, name, 0, &begin, &end, E));
	OK(k->put(b, name, 0, slice_of("gone"), NULL, &at, E));
	OK(k->put(b, name, 0, slice_of("empty"), &empty, NULL, E));
	struct log_reader *r;
	struct log_record rec[2];
	uint32_t n = 0, more;
	OK(k->reader_open(b, name, 0, at, 1 << 20, &r, E));
	for (int i = 0; i < 100 && n < 2; i++, n += more)
		OK(k->reader_poll(r, 200, rec + n, 1, &more, E)); /* borrowed until the next */
	ck_assert_uint_eq(n, 2);
	ck_assert(rec[0].has_key && !rec[0].has_value);
	ck_assert(rec[1].has_key && rec[1].has_value && rec[1].value.len == 0);
	ck_assert_int_eq(k->reader_position(r), at + 2);
	k->reader_close(r);

	OK(k->offset_at(b, name, 0, 0, &begin, E));
	ck_assert_int_eq(begin, 0);
	OK(k->bounds(b, name, 0, &begin, &end, E));
	OK(k->offset_at(b, name, 0, 4102444800000, &at, E)); /* 2100 */
	ck_assert_int_eq(at, end);
	OK(k->delete_before(b, name, 0, 1, E));
	OK(k->bounds(b, name, 0, &begin, &at, E));
	ck_assert_int_eq(begin, 1);
	ck_assert_int_eq(at, end);
	k->close(b);
}
END_TEST

START_TEST(groups_unknown)
{
	char name[100], group[100], out[4][256];
	struct log_broker *b = broker();
	make_topic(b, unique(name, "g"), 2);
	const char *names[] = {name, name};
	struct log_position pos[2] = {{0, 0, 77}, {0, 1, 77}};
	OK(k->group_offsets(b, unique(group, "none"), names, pos, 2, E));
	ck_assert_int_eq(pos[0].offset, LOG_OFFSET_NONE);
	ck_assert_int_eq(pos[1].offset, LOG_OFFSET_NONE);
	uint32_t n = 4;
	OK(k->group_members(b, group, out, &n, E));
	ck_assert_uint_eq(n, 0);
	k->close(b);
}
END_TEST

static void expect_unreachable(enum status st, const struct error *e)
{
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_msg(e->class == ERR_RETRIABLE, "%d %s", e->class, e->msg);
	ck_assert_msg(strstr(e->msg, "no broker at 127.0.0.1:9 answers: Connection refused"),
	        "%s", e->msg);
}

START_TEST(nobody_there)
{
	struct log_broker *b = broker_at("127.0.0.1:9", NULL);
	struct error e = {0};
	struct log_topic_info info;
	int64_t begin, end;
	struct log_record r[1];
	uint32_t n;
	expect_unreachable(k->topic_info(b, "t", &info, &e), &e);
	expect_unreachable(k->bounds(b, "t", 0, &begin, &end, &e), &e);

	struct log_reader *reader;
	enum status st = ST_OK;
	OK(k->reader_open(b, "t", 0, 0, 1 << 20, &reader, E));
	for (int64_t until = now_ms() + WAIT_MS; st == ST_OK && now_ms() < until;)
		st = k->reader_poll(reader, 50, r, 1, &n, &e);
	expect_unreachable(st, &e);
	k->reader_close(reader);

	struct member *m = calloc(1, sizeof *m);
	member_open(m, b, "g", "x", NULL, "t");
	st = ST_OK;
	for (int64_t until = now_ms() + WAIT_MS; st == ST_OK && now_ms() < until;)
		st = k->poll(m->s, 50, r, 1, &n, &e);
	expect_unreachable(st, &e);
	struct log_position pos = {m->topic, 0, 0};
	expect_unreachable(k->committed(m->s, &pos, 1, &e), &e);
	expect_unreachable(k->producer_init(m->s, &e), &e);
	ck_assert(!k->producer_ready(m->s));
	int64_t before = now_ms();
	k->producer_drop(m->s);
	k->session_close(m->s);
	k->close(b);
	ck_assert_int_lt(now_ms() - before, 10000);
	free(m);
}
END_TEST

START_TEST(properties)
{
	static const struct {
		const char *name, *value, *says;
	} bad[] = {
	        {"transactional.id", "x", "transactional.id is weir's to decide"},
	        {"isolation.level", "read_uncommitted", "isolation.level is weir's to decide"},
	        {"no.such.thing", "1", "no.such.thing"},
	        {"ssl.key.pem", "hunter2", "ssl"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *list[] = {
		        "security.protocol", "ssl", bad[i].name, bad[i].value, NULL};
		struct kafka_conf conf = {.brokers = "127.0.0.1:9", .properties = list};
		struct log_broker *b = NULL;
		struct error e = {0};
		ck_assert_int_eq(kafka_open(&conf, &b, &e), ST_ERR);
		ck_assert_int_eq(e.class, ERR_USER);
		ck_assert_msg(strstr(e.msg, bad[i].says) != NULL, "%s", e.msg);
		ck_assert_msg(strstr(e.msg, "hunter2") == NULL, "%s", e.msg);
	}
}
END_TEST

// ---- reader ----

START_TEST(reader_out_of_range)
{
	char name[100];
	struct log_broker *b = broker();
	make_topic(b, unique(name, "oor"), 1);
	put_numbers(b, name, 1, 0, 10);
	OK(k->delete_before(b, name, 0, 5, E));
	struct log_reader *r;
	struct error e = {0};
	struct log_record rec[20];
	uint32_t n = 0;
	OK(k->reader_open(b, name, 0, 2, 1 << 20, &r, E));
	enum status st = ST_OK;
	for (int i = 0; i < 100 && st == ST_OK; i++) {
		st = k->reader_poll(r, 100, rec, 20, &n, &e);
		ck_assert_uint_eq(n, 0);
	}
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, name) && strstr(e.msg, "offset 2"), "%s", e.msg);
	ck_assert_int_eq(k->reader_poll(r, 10, rec, 20, &n, &e), ST_ERR); /* and stays so */
	k->reader_close(r);
	k->close(b);
}
END_TEST

START_TEST(reader_in_order)
{
	char name[100];
	struct log_broker *b = broker();
	struct read_back *got = malloc(sizeof *got);
	make_topic(b, unique(name, "order"), 1);
	put_numbers(b, name, 1, 0, 500);
	read_all(b, name, 0, got);
	ck_assert_int_eq(got->n, 500);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(got->value[i], i);
	ck_assert_int_eq(got->position, 500);
	free(got);
	k->close(b);
}
END_TEST

// ---- session ----

static void check_sequence(const struct member *m, int partitions, int total)
{
	int64_t next[PARTS_MAX] = {0};
	ck_assert_int_eq(m->nseen, total);
	for (int i = 0; i < m->nseen; i++) {
		int p = m->seen[i].partition;
		ck_assert_int_eq(m->seen[i].offset, next[p]++);
		ck_assert_int_eq(m->seen[i].value % partitions, p);
	}
}

START_TEST(consume)
{
	char name[100], group[100], out[4][256];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "in"), 4);
	put_numbers(b, name, 4, 0, 400);
	member_open(m, b, unique(group, "grp"), "txn.consume", NULL, name);
	ck_assert_uint_eq(k->topic(m->s, name), m->topic);
	ck_assert_uint_eq(k->topic(m->s, "another"), m->topic + 1);
	UNTIL(m, m->nseen >= 400);
	check_sequence(m, 4, 400);
	ck_assert_int_eq(k->high_watermark(m->s, m->topic, 1), 100);
	ck_assert_int_eq(k->position(m->s, m->topic, 1), 100);
	uint32_t n = 4;
	OK(k->group_members(b, group, out, &n, E));
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(out[0], "node.0@http://127.0.0.1:1");
	struct kafka_stats stats;
	kafka_session_stats(m->s, &stats);
	ck_assert_uint_eq(stats.records, 400);
	k->session_close(m->s);
	ck_assert_int_eq(member_owns(m), 0); /* revoked() was called for all */
	n = 4;
	OK(k->group_members(b, group, out, &n, E));
	ck_assert_uint_eq(n, 0);
	free(m);
	k->close(b);
}
END_TEST

START_TEST(seek_back)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "seek"), 2);
	put_numbers(b, name, 2, 0, 1000);
	member_open(m, b, unique(group, "grp"), "txn.seek", NULL, name);
	srand(7);
	/* Over and over, from the middle of whatever is queued: what follows a seek is exactly
	 * what is there from it on. member_poll checks that no offset is below next. */
	UNTIL(m, m->nseen > 0);
	for (int i = 0; i < 60; i++) {
		int p = rand() % 2;
		int64_t to = rand() % 500;
		OK(k->seek(m->s, (struct log_position){m->topic, p, to}, E));
		if (i % 3 == 0) { /* before anything is consumed there */
			k->pause(m->s, m->topic, p);
			k->resume(m->s, m->topic, p);
		}
		m->next[p] = to;
		int from = m->nseen;
		bool first = false;
		UNTIL(m, ({
			for (; from < m->nseen && !first; from++)
				if (m->seen[from].partition == p) {
					ck_assert_int_eq(m->seen[from].offset, to);
					first = true;
				}
			first;
		}));
		m->nseen = 0;
	}
	k->session_close(m->s);
	free(m);
	k->close(b);
}
END_TEST

/* n numbers in one transaction, which leaves a control record behind them in each partition. */
static void put_in_transaction(
        struct log_broker *b, const char *topic, int32_t partitions, int n)
{
	char name[100], group[100], text[16];
	struct member *w = calloc(1, sizeof *w);
	make_topic(b, unique(name, "writer"), 1);
	member_open(w, b, unique(group, "grp"), name, NULL, name);
	UNTIL(w, w->fetching[0]);
	uint32_t number = k->topic(w->s, topic);
	OK(k->producer_init(w->s, E));
	OK(k->begin(w->s, E));
	for (int i = 0; i < n; i++) {
		sprintf(text, "%d", i);
		struct slice value = slice_of(text);
		OK(k->append(w->s, number, i % partitions, value, &value, NULL, 0, 0, E));
	}
	OK(k->flush(w->s, E));
	OK(k->send_offsets(w->s, &(struct log_position){w->topic, 0, 0}, 1, E));
	OK(k->commit(w->s, E));
	k->session_close(w->s);
	free(w);
}

/* A rebalance while a transaction's records are fetched and none of them is polled yet: none is
 * passed over. */
START_TEST(rebalance_before_the_first_record)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m), *other = calloc(1, sizeof *other);
	make_topic(b, unique(name, "first"), 4);
	member_open(m, b, unique(group, "grp"), "txn.first", NULL, name);
	UNTIL(m, member_owns(m) == 4 && m->fetching[0] && m->fetching[3]);
	put_in_transaction(b, name, 4, 400); /* m fetches them, and does not poll */
	member_open(other, b, group, "txn.other", NULL, name);
	int64_t until = now_ms() + 5000;
	UNTIL(other, now_ms() > until);
	until = now_ms() + WAIT_MS;
	while (m->nseen + other->nseen < 400) {
		struct error e = {0};
		ck_assert_int_eq(member_poll(m, 20, &e), ST_OK);
		ck_assert_int_eq(member_poll(other, 20, &e), ST_OK);
		ck_assert_msg(now_ms() < until, "%d and %d records of 400", m->nseen,
		        other->nseen);
	}
	ck_assert_int_eq(member_owns(m), 2);
	k->session_close(m->s);
	k->session_close(other->s);
	free(m);
	free(other);
	k->close(b);
}
END_TEST

static void linger(struct member *m, bool lost)
{
	(void)lost;
	usleep((unsigned)m->next[0]);
}

/* Both callbacks, for the assignment and for its end, come while the client closes; it may have
 * left the group by the second. */
START_TEST(closed_before_its_assignment_was_seen)
{
	enum { MEMBERS = 16 };
	char name[100], txn[100], group[MEMBERS][100], (*ids)[256] = calloc(4, 256);
	struct log_broker *b = broker();
	struct member *m = calloc(MEMBERS, sizeof *m);
	make_topic(b, unique(name, "closed"), 1);
	for (int i = 0; i < MEMBERS; i++)
		member_open(&m[i], b, unique(group[i], "grp"), unique(txn, "txn"), NULL, name);
	for (int i = 0; i < MEMBERS; i++)
		for (int64_t until = now_ms() + WAIT_MS;;) {
			uint32_t n = 4;
			struct error e = {0};
			ck_assert_int_lt(now_ms(), until);
			if (k->group_members(b, group[i], ids, &n, &e) == ST_OK && n)
				break;
		}
	usleep(500000); /* nothing shows that an assignment has come, but a poll */
	for (int i = 0; i < MEMBERS; i++) {
		m[i].next[0] = i * 200; /* us: until LeaveGroup is answered, or longer */
		m[i].on_revoked = linger;
		k->session_close(m[i].s);
		ck_assert_int_eq(m[i].assigned, m[i].revoked);
	}
	free(ids);
	free(m);
	k->close(b);
}
END_TEST

/* Clients that know the topic already find partitions that come later. */
START_TEST(partitions_come_later)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *w = calloc(1, sizeof *w);
	struct slice value = slice_of("1");
	struct log_topic_info info;
	int64_t begin, end;
	make_topic(b, unique(name, "grows"), 2);
	member_open(w, b, unique(group, "grp"), name, NULL, name);
	UNTIL(w, w->fetching[0] && w->fetching[1]);
	OK(k->bounds(b, name, 1, &begin, &end, E));
	OK(k->producer_init(w->s, E));
	OK(k->begin(w->s, E));
	OK(k->append(w->s, w->topic, 0, value, &value, NULL, 0, 0, E));
	OK(k->flush(w->s, E));
	OK(k->partitions_ensure(b, name, 5, E));
	OK(k->partitions_ensure(b, name, 4, E)); /* there are more already */
	OK(k->topic_info(b, name, &info, E));
	ck_assert_int_eq(info.partitions, 5);
	OK(k->bounds(b, name, 4, &begin, &end, E));
	ck_assert_int_eq(end, 0);
	struct log_header h = {"h", value};
	OK(k->append(w->s, w->topic, 3, value, &value, NULL, 0, 0, E));
	OK(k->append(w->s, w->topic, 4, value, &value, &h, 1, 0, E));
	OK(k->flush(w->s, E));
	OK(k->send_offsets(w->s, &(struct log_position){w->topic, 0, 0}, 1, E));
	OK(k->commit(w->s, E));
	UNTIL(w, member_owns(w) == 5); /* the group hears of them by itself */
	UNTIL(w, w->nseen == 3);
	struct error e = {0};
	ck_assert_int_eq(k->partitions_ensure(b, "no-such-topic", 2, &e), ST_ERR);
	k->session_close(w->s);
	free(w);
	k->close(b);
}
END_TEST

/* As the merge does it: whatever was fetched when a partition is paused, it goes on by a seek to where
 * it stopped, and what a transaction left at the end counts as read. */
START_TEST(pause_and_seek_among_transactions)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "merged"), 2);
	for (int i = 0; i < 10; i++)
		put_in_transaction(b, name, 2, 40);
	member_open(m, b, unique(group, "grp"), "txn.merged", NULL, name);
	int64_t until = now_ms() + WAIT_MS;
	while (m->nseen < 400) {
		struct error e = {0};
		int before = m->nseen;
		ck_assert_int_eq(member_poll(m, 20, &e), ST_OK);
		ck_assert_msg(now_ms() < until, "%d records of 400", m->nseen);
		if (m->nseen == before)
			continue;
		for (int pauses = 0; pauses < 2; pauses++) { /* the second before any record */
			k->pause(m->s, m->topic, 0);
			ck_assert_int_eq(member_poll(m, 0, &e), ST_OK);
			int64_t next = m->next[0];
			OK(k->seek(m->s, (struct log_position){m->topic, 0, next}, E));
			k->resume(m->s, m->topic, 0);
		}
	}
	for (int32_t p = 0; p < 2; p++) { /* 200 records and 10 control records */
		UNTIL(m, k->position(m->s, m->topic, p) == 210);
		ck_assert_int_eq(k->high_watermark(m->s, m->topic, p), 210);
		ck_assert_int_eq(m->next[p], 209);
	}
	ck_assert_int_eq(m->nseen, 400);
	k->session_close(m->s);
	free(m);
	k->close(b);
}
END_TEST

/* Records in batches of their own, and in one of a thousand that takes many polls. */
START_TEST(pause_resume)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "pause"), 3);
	if (_i == 0)
		put_numbers(b, name, 3, 0, 3000);
	else
		put_in_transaction(b, name, 3, 3000);
	member_open(m, b, unique(group, "grp"), "txn.pause", NULL, name);
	UNTIL(m, m->nseen > 0);
	srand(11);
	bool paused[3] = {false};
	for (int i = 0; m->nseen < 3000 && i < 3000; i++) {
		int p = rand() % 3, before = m->nseen;
		if (rand() % 4 == 0)
			k->resume(m->s, m->topic, (p + 1) % 3), paused[(p + 1) % 3] = false;
		k->pause(m->s, m->topic, p);
		paused[p] = true;
		struct error e = {0};
		ck_assert_int_eq(member_poll(m, 5, &e), ST_OK);
		for (int j = before; j < m->nseen; j++)
			ck_assert(!paused[m->seen[j].partition]);
		k->resume(m->s, m->topic, p);
		paused[p] = false;
	}
	for (int p = 0; p < 3; p++)
		k->resume(m->s, m->topic, p);
	UNTIL(m, m->nseen >= 3000);
	check_sequence(m, 3, 3000);
	k->session_close(m->s);
	free(m);
	k->close(b);
}
END_TEST

#define LARGE_KEY 900000 /* more than a partition's part of an answer: one batch comes all the same */
#define LARGE_EACH 100

/* While a consumer is slower than the broker, its queue is full again and again. A turn is of 32
 * answers, in which others have what room the first one leaves: some turns each, then. */
START_TEST(full_queue_in_turn)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	uint8_t *noise = malloc(LARGE_KEY);
	struct slice key = {noise, LARGE_KEY};
	srand(12);
	for (int i = 0; i < LARGE_KEY; i++)
		noise[i] = (uint8_t)(rand() >> 7); /* that no compression makes small */
	make_topic(b, unique(name, "turn"), 4);
	for (int i = 0; i < 4 * LARGE_EACH; i++) {
		struct slice value = slice_of("7");
		OK(k->put(b, name, i % 4, key, &value, NULL, E));
	}
	member_open(m, b, unique(group, "grp"), "txn.turn", NULL, name);
	int counts[4] = {0}, most = 0;
	for (int64_t until = now_ms() + WAIT_MS; most < LARGE_EACH && now_ms() < until;) {
		int before = m->nseen;
		struct error e = {0};
		ck_assert_int_eq(member_poll(m, 50, &e), ST_OK);
		for (int i = before; i < m->nseen; i++) {
			int n = ++counts[m->seen[i].partition];
			most = n > most ? n : most;
		}
		usleep((useconds_t)(m->nseen - before) * 10000); /* the work of a slow one */
	}
	ck_assert_int_eq(most, LARGE_EACH);
	for (int p = 0; p < 4; p++)
		ck_assert_msg(counts[p] >= LARGE_EACH / 2, "partition %d had %d of %d when another was through",
		        p, counts[p], LARGE_EACH);
	k->session_close(m->s);
	free(noise);
	free(m);
	k->close(b);
}
END_TEST

START_TEST(truncated_input)
{
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "trunc"), 1);
	put_numbers(b, name, 1, 0, 20);
	OK(k->delete_before(b, name, 0, 10, E));
	m->fetch_at_zero = true;
	member_open(m, b, unique(group, "grp"), "txn.trunc", NULL, name);
	struct error e = {0};
	enum status st = ST_OK;
	for (int64_t until = now_ms() + WAIT_MS; st == ST_OK && now_ms() < until;)
		st = member_poll(m, 50, &e);
	ck_assert_int_eq(m->nseen, 0);
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "truncated") && strstr(e.msg, name) && strstr(e.msg, "[0]"),
	        "%s", e.msg);
	k->session_close(m->s);
	free(m);
	k->close(b);
}
END_TEST

START_TEST(beside)
{
	/* A partition read beside the owned ones ends with unfetch, alone and in revoked(). */
	char name[100], extra[100], group[100];
	struct log_broker *b = broker();
	struct log_session *s;
	struct member *m = calloc(1, sizeof *m);
	make_topic(b, unique(name, "lead"), 2);
	make_topic(b, unique(extra, "beside"), 2);
	put_numbers(b, name, 2, 0, 10);
	put_numbers(b, extra, 2, 0, 10);
	member_open(m, b, unique(group, "grp"), "txn.beside", NULL, name);
	s = m->s;
	UNTIL(m, member_owns(m) == 2 && m->nseen == 10);
	uint32_t t = k->topic(s, extra);
	struct log_record r[20];
	uint32_t n, got = 0;
	for (int round = 0; round < 3; round++) {
		OK(k->fetch(s, (struct log_position){t, 1, 2}, E));
		got = 0;
		for (int i = 0; i < 100 && got < 3; i++) {
			OK(k->poll(s, 50, r, 20, &n, E));
			for (uint32_t j = 0; j < n; j++) {
				ck_assert_uint_eq(r[j].topic, t);
				ck_assert_int_eq(r[j].offset, 2 + got++);
			}
		}
		ck_assert_uint_eq(got, 3);
		k->unfetch(s, t, 1);
	}
	put_numbers(b, extra, 2, 10, 10);
	for (int i = 0; i < 10; i++) {
		OK(k->poll(s, 20, r, 20, &n, E));
		ck_assert_uint_eq(n, 0);
	}
	/* A second member takes one lead partition: the ended one goes in that callback. */
	struct member *other = calloc(1, sizeof *other);
	member_open(other, b, group, "txn.beside2", NULL, name);
	for (int64_t until = now_ms() + WAIT_MS; now_ms() < until && member_owns(other) < 1;) {
		struct error e = {0};
		ck_assert_int_eq(member_poll(m, 20, &e), ST_OK);
		ck_assert_int_eq(member_poll(other, 20, &e), ST_OK);
	}
	ck_assert_int_eq(member_owns(m), 1);
	ck_assert_int_eq(member_owns(other), 1);
	OK(k->fetch(s, (struct log_position){t, 1, 0}, E)); /* and can be fetched again */
	got = 0;
	for (int i = 0; i < 100 && got < 10; i++) {
		OK(k->poll(s, 50, r, 20, &n, E));
		got += n;
	}
	ck_assert_uint_eq(got, 10);
	k->session_close(other->s);
	k->session_close(s);
	free(other);
	free(m);
	k->close(b);
}
END_TEST

START_TEST(same_instance)
{
	/* Two processes with one static identity: the first is told, and by name. */
	char name[100], group[100];
	struct log_broker *b = broker();
	struct member *m = calloc(1, sizeof *m), *twin = calloc(1, sizeof *twin);
	make_topic(b, unique(name, "static"), 1);
	put_numbers(b, name, 1, 0, 5);
	member_open(m, b, unique(group, "grp"), "txn.static", "node-1.0", name);
	UNTIL(m, m->nseen == 5);
	member_open(twin, b, group, "txn.static2", "node-1.0", name);
	struct error e = {0};
	enum status st = ST_OK;
	for (int64_t until = now_ms() + WAIT_MS; st == ST_OK && now_ms() < until;) {
		st = member_poll(m, 50, &e);
		ck_assert_int_eq(member_poll(twin, 50, NULL), ST_OK);
	}
	ck_assert_int_eq(st, ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, "another engine") && strstr(e.msg, group), "%s", e.msg);
	UNTIL(twin, member_owns(twin) == 1);
	ck_assert_int_eq(member_poll(m, 50, &e), ST_ERR); /* it says so for ever */
	ck_assert_int_eq(e.class, ERR_FATAL);
	k->session_close(m->s);
	ck_assert_int_eq(m->revoked, 1);
	ck_assert_int_eq(m->lost, 1);
	k->session_close(twin->s);
	free(m);
	free(twin);
	k->close(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kafka_log");
	TCase *t = tcase_create("log");
	tcase_set_timeout(t, 90);
	tcase_add_test(t, topics);
	tcase_add_test(t, put_and_offsets);
	tcase_add_test(t, groups_unknown);
	tcase_add_test(t, nobody_there);
	tcase_add_test(t, properties);
	tcase_add_test(t, reader_out_of_range);
	tcase_add_test(t, reader_in_order);
	tcase_add_test(t, consume);
	tcase_add_test(t, rebalance_before_the_first_record);
	tcase_add_test(t, closed_before_its_assignment_was_seen);
	tcase_add_test(t, seek_back);
	tcase_add_test(t, partitions_come_later);
	tcase_add_test(t, pause_and_seek_among_transactions);
	tcase_add_loop_test(t, pause_resume, 0, 2);
	tcase_add_test(t, full_queue_in_turn);
	tcase_add_test(t, truncated_input);
	tcase_add_test(t, beside);
	tcase_add_test(t, same_instance);
	suite_add_tcase(s, t);
	return run_suite(s);
}
