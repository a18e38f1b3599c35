// SPDX-License-Identifier: Apache-2.0
//
// The transaction against a real broker: what is visible when, who is fenced, and a small
// consume-transform-produce engine that must lose and double nothing under rebalances, SIGKILL
// at each step, and a freeze beyond its session. That engine is this program itself, started as
// a child: "kafka_txn engine ...".
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "kafka_world.h"

// ---- a small engine: copies each record to the same partition of another topic ----

enum kill_at { NEVER, APPENDED, FLUSHED, OFFSETS, COMMITTING, COMMITTED, KILLS };

struct engine {
	struct member m;
	uint32_t out;
	int done;                 /* of m.seen: appended */
	int64_t start[PARTS_MAX]; /* of the open epoch */
	bool open;
	int epochs;
	enum kill_at kill_at;
	int kill_epoch, kill_us;
	bool freezes; /* SIGSTOP, once, instead */
	int unknown, aborted;
	bool fenced, leaving;
};

static void *kill_later(void *arg)
{
	usleep((useconds_t)((struct engine *)arg)->kill_us);
	raise(SIGKILL);
	return NULL;
}

static void kill_point(struct engine *en, enum kill_at at)
{
	if (en->kill_at != at || en->epochs != en->kill_epoch)
		return;
	if (at == COMMITTING) {
		pthread_t t;
		pthread_create(&t, NULL, kill_later, en);
		return;
	}
	raise(en->freezes ? SIGSTOP : SIGKILL);
	en->kill_at = NEVER;
}

static void engine_init(struct engine *en)
{
	struct error e = {0};
	int64_t until = now_ms() + WAIT_MS;
	while (k->producer_init(en->m.s, &e) != ST_OK) {
		ck_assert_msg(e.class == ERR_RETRIABLE, "%s", e.msg);
		ck_assert_int_lt(now_ms(), until);
	}
}

/* Back to where the group stands, after an epoch that did not happen, or of which that is not
 * known. */
static void engine_rewind(struct engine *en)
{
	struct member *m = &en->m;
	en->open = false;
	en->done = m->nseen;
	for (int p = 0; p < PARTS_MAX; p++) {
		struct log_position pos = {m->topic, p, 0};
		struct error e = {0};
		if (!m->owned[p] || !m->fetching[p])
			continue;
		int64_t until = now_ms() + WAIT_MS;
		while (k->committed(m->s, &pos, 1, &e) != ST_OK)
			ck_assert_msg(e.class == ERR_RETRIABLE && now_ms() < until, "%s", e.msg);
		pos.offset = pos.offset == LOG_OFFSET_NONE ? 0 : pos.offset;
		m->next[p] = pos.offset;
		OK(k->seek(m->s, pos, E));
	}
}

static void engine_abort(struct engine *en, const struct error *why)
{
	struct error e = {0};
	en->aborted++;
	if (why->class == ERR_FATAL)
		en->fenced = true;
	if (why->class == ERR_UNKNOWN)
		en->unknown++;
	if (why->class == ERR_UNKNOWN || k->abort(en->m.s, &e) != ST_OK ||
	        k->producer_ambiguous(en->m.s))
		k->producer_drop(en->m.s);
	en->open = false;
}

static bool engine_commit(struct engine *en)
{
	struct log_session *s = en->m.s;
	struct log_position pos[PARTS_MAX];
	uint32_t n;
	struct error e = {0};
	if (!en->open)
		return true;
	kill_point(en, APPENDED);
	offsets_of(&en->m, pos, &n);
	if (k->flush(s, &e) != ST_OK)
		goto failed;
	kill_point(en, FLUSHED);
	if (k->send_offsets(s, pos, n, &e) != ST_OK)
		goto failed;
	kill_point(en, OFFSETS);
	kill_point(en, COMMITTING);
	if (k->commit(s, &e) != ST_OK)
		goto failed;
	kill_point(en, COMMITTED);
	en->open = false;
	en->epochs++;
	if (k->producer_ambiguous(s))
		k->producer_drop(s);
	return true;
failed:
	engine_abort(en, &e);
	return false;
}

static void engine_revoked(struct member *m, bool lost)
{
	struct engine *en = m->arg;
	struct error e = {.class = ERR_ABORT};
	if (lost && en->open)
		engine_abort(en, &e);
	if ((lost || !engine_commit(en)) && !en->fenced && !en->leaving)
		engine_rewind(en);
	en->done = m->nseen;
}

static void engine_open(struct engine *en, struct log_broker *b, const char *group,
        const char *txn, const char *instance, const char *in, const char *out)
{
	en->m.on_revoked = engine_revoked;
	en->m.arg = en;
	member_open(&en->m, b, group, txn, instance, in);
	en->out = k->topic(en->m.s, out);
	engine_init(en);
}

/* What is revoked from within is not read again: the consumer may be closed already. */
static void engine_leave(struct engine *en)
{
	en->leaving = true;
	k->session_close(en->m.s);
}

/* One poll, its records into the open epoch, and a commit once it has enough. */
static void engine_step(struct engine *en, int per_epoch)
{
	struct member *m = &en->m;
	struct error e = {0};
	enum status st = member_poll(m, 5, &e);
	ck_assert_msg(st == ST_OK || e.class == ERR_RETRIABLE, "%s", e.msg);
	int held = 0;
	for (; en->done < m->nseen; en->done++, held++) {
		char text[16];
		sprintf(text, "%d", m->seen[en->done].value);
		struct slice value = slice_of(text);
		if (!en->open && !k->producer_ready(m->s))
			engine_init(en);
		if (!en->open && k->begin(m->s, &e) != ST_OK)
			goto failed;
		en->open = true;
		if (k->append(m->s, en->out, m->seen[en->done].partition, slice_of(text),
		            &value, NULL, 0, 0, &e) != ST_OK)
			goto failed;
	}
	if ((held == 0 || held >= per_epoch) && !engine_commit(en) && !en->fenced)
		engine_rewind(en);
	return;
failed:
	engine_abort(en, &e);
	if (!en->fenced)
		engine_rewind(en);
}

static int64_t engine_stands(const struct engine *en)
{
	int64_t sum = 0;
	for (int p = 0; p < PARTS_MAX; p++)
		sum += en->m.owned[p] && en->m.fetching[p] ? en->m.next[p] : 0;
	return sum;
}

/* Every input once, in order. */
static void check_copied(struct log_broker *b, const char *out, int partitions, int total)
{
	struct read_back *got = malloc(sizeof *got);
	for (int p = 0; p < partitions; p++) {
		read_all(b, out, p, got);
		for (int i = 0; i < got->n; i++)
			ck_assert_msg(got->value[i] == p + i * partitions,
			        "%s[%d]: %d-th is %d, not %d", out, p, i, got->value[i],
			        p + i * partitions);
		ck_assert_int_eq(got->n, total / partitions);
	}
	free(got);
}

// ---- visibility ----

struct rig {
	struct log_broker *b;
	struct member *m;
	char in[100], out[100], group[100], txn[100];
	uint32_t t;
};

static void rig_open(struct rig *r)
{
	r->b = broker();
	r->m = calloc(1, sizeof *r->m);
	make_topic(r->b, unique(r->in, "in"), 1);
	make_topic(r->b, unique(r->out, "out"), 2);
	put_numbers(r->b, r->in, 1, 0, 10);
	member_open(r->m, r->b, unique(r->group, "grp"), unique(r->txn, "txn"), NULL, r->in);
	r->t = k->topic(r->m->s, r->out);
	OK(k->producer_init(r->m->s, E));
	ck_assert(k->producer_ready(r->m->s) && !k->producer_ambiguous(r->m->s));
}

static void rig_close(struct rig *r)
{
	k->session_close(r->m->s);
	k->close(r->b);
	free(r->m);
}

static void append_n(struct rig *r, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		char text[16];
		sprintf(text, "%d", i);
		struct slice value = slice_of(text);
		OK(k->append(r->m->s, r->t, 0, slice_of("k"), &value, NULL, 0, 0, E));
	}
}

START_TEST(visibility)
{
	struct rig r;
	struct read_back *got = malloc(sizeof *got);
	rig_open(&r);
	struct log_session *s = r.m->s;
	UNTIL(r.m, r.m->nseen == 10);
	struct log_position at = {r.m->topic, 0, 10};
	ck_assert_int_eq(k->delivered(s, r.t, 0), -1);

	OK(k->begin(s, E));
	append_n(&r, 0, 10);
	OK(k->flush(s, E));
	ck_assert_int_eq(k->delivered(s, r.t, 0), 10);
	OK(k->send_offsets(s, &at, 1, E));
	OK(k->commit(s, E));

	OK(k->begin(s, E));
	append_n(&r, 1000, 7); /* never seen */
	OK(k->flush(s, E));
	OK(k->abort(s, E));
	ck_assert(k->producer_ready(s));
	/* The tail is aborted records and a marker: the reader must get past them. */
	int64_t begin, end;
	read_all(r.b, r.out, 0, got);
	OK(k->bounds(r.b, r.out, 0, &begin, &end, E));
	ck_assert_int_eq(end, 10 + 1 + 7 + 1);
	ck_assert_int_eq(got->n, 10);
	ck_assert_int_eq(got->position, end);

	OK(k->begin(s, E));
	append_n(&r, 10, 5);
	OK(k->send_offsets(s, &at, 1, E));
	OK(k->commit(s, E));
	read_all(r.b, r.out, 0, got);
	ck_assert_int_eq(got->n, 15);
	for (int i = 0; i < 15; i++)
		ck_assert_int_eq(got->value[i], i);
	ck_assert_int_eq(got->offset[10], 19);
	free(got);
	rig_close(&r);
}
END_TEST

START_TEST(open_transaction)
{
	/* A reader stands before an open transaction, below the high watermark, and goes on
	 * after its end, whichever it is. */
	struct rig r;
	struct log_record rec[20];
	struct log_reader *reader;
	uint32_t n, got = 0;
	int64_t begin, end;
	rig_open(&r);
	OK(k->begin(r.m->s, E));
	append_n(&r, 0, 3);
	OK(k->flush(r.m->s, E));
	OK(k->bounds(r.b, r.out, 0, &begin, &end, E));
	ck_assert_int_eq(end, 3);
	OK(k->reader_open(r.b, r.out, 0, 0, 1 << 20, &reader, E));
	for (int i = 0; i < 5; i++) {
		OK(k->reader_poll(reader, 50, rec, 20, &n, E));
		ck_assert_uint_eq(n, 0);
		ck_assert_int_eq(k->reader_position(reader), 0);
	}
	OK(k->abort(r.m->s, E));
	for (int i = 0; i < 200 && k->reader_position(reader) < 4; i++) {
		OK(k->reader_poll(reader, 50, rec, 20, &n, E));
		got += n;
	}
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(k->reader_position(reader), 4);
	k->reader_close(reader);
	rig_close(&r);
}
END_TEST

START_TEST(record_forms)
{
	struct rig r;
	rig_open(&r);
	struct log_session *s = r.m->s;
	struct slice empty = {(const uint8_t *)"", 0}, none = {NULL, 0}, v = slice_of("v");
	struct log_header h[2] = {{"reason", slice_of("late")}, {"n", slice_of("")}};
	OK(k->begin(s, E));
	OK(k->append(s, r.t, 1, slice_of("k"), NULL, NULL, 0, 0, E)); /* tombstone */
	OK(k->append(s, r.t, 1, none, &v, NULL, 0, 0, E));
	OK(k->append(s, r.t, 1, empty, &empty, NULL, 0, 0, E));
	OK(k->append(s, r.t, 1, slice_of("k"), &v, h, 2, 1234567890123, E));
	OK(k->append(s, r.t, 1, none, NULL, h, 1, 0, E));
	OK(k->flush(s, E));
	OK(k->commit(s, E));
	ck_assert_int_eq(k->delivered(s, r.t, 1), 5);
	struct log_reader *reader;
	struct log_record rec[5];
	uint32_t n = 0;
	OK(k->reader_open(r.b, r.out, 1, 0, 1 << 20, &reader, E));
	for (int i = 0; i < 100 && n == 0; i++)
		OK(k->reader_poll(reader, 100, rec, 5, &n, E));
	ck_assert_uint_eq(n, 5);
	static const bool keys[] = {true, false, true, true, false};
	static const bool values[] = {false, true, true, true, false};
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(rec[i].has_key, keys[i]);
		ck_assert_int_eq(rec[i].has_value, values[i]);
	}
	ck_assert(slice_eq(rec[3].value, v) && rec[2].key.len == 0);
	ck_assert_int_eq(rec[3].timestamp, 1234567890123);
	ck_assert_int_gt(rec[0].timestamp, 1600000000000);
	k->reader_close(reader);

	static uint8_t big[8100000];
	struct slice large = {big, sizeof big};
	struct error e = {0};
	OK(k->begin(s, E));
	ck_assert_int_eq(k->append(s, r.t, 1, none, &large, NULL, 0, 0, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_FATAL);
	ck_assert_msg(strstr(e.msg, r.out) != NULL, "%s", e.msg);
	OK(k->abort(s, E));
	rig_close(&r);
}
END_TEST

// ---- offsets ----

START_TEST(offsets_stable)
{
	struct rig r;
	rig_open(&r);
	struct log_session *s = r.m->s;
	struct error e = {0};
	struct log_position at = {r.m->topic, 0, 7};
	/* Not a member: such a commit would not be fenced. */
	const char *nothing[] = {NULL};
	struct log_session *stranger;
	struct log_session_conf conf = {.group = r.group,
	        .transactional_id = "stranger",
	        .subscribe = nothing,
	        .memory_bytes = 8 << 20};
	OK(k->session_open(r.b, &conf, &stranger, E));
	OK(k->producer_init(stranger, E));
	OK(k->begin(stranger, E));
	struct log_position theirs = {k->topic(stranger, r.in), 0, 7};
	ck_assert_int_eq(k->send_offsets(stranger, &theirs, 1, &e), ST_ERR);
	ck_assert_msg(e.class == ERR_ABORT && strstr(e.msg, "not a member"), "%s", e.msg);
	OK(k->abort(stranger, E));
	k->session_close(stranger);

	UNTIL(r.m, r.m->nseen == 10);
	struct log_position pos = {r.m->topic, 0, 0};
	OK(k->committed(s, &pos, 1, E));
	ck_assert_int_eq(pos.offset, LOG_OFFSET_NONE);
	OK(k->begin(s, E));
	append_n(&r, 1, 1);
	OK(k->send_offsets(s, &at, 1, E));
	ck_assert_int_eq(k->committed(s, &pos, 1, &e), ST_ERR); /* open: not stable */
	ck_assert_msg(e.class == ERR_RETRIABLE, "%s", e.msg);
	OK(k->commit(s, E));
	OK(k->committed(s, &pos, 1, E));
	ck_assert_int_eq(pos.offset, 7);
	const char *name = r.in;
	pos.offset = 0;
	OK(k->group_offsets(r.b, r.group, &name, &pos, 1, E));
	ck_assert_int_eq(pos.offset, 7);
	rig_close(&r);
}
END_TEST

START_TEST(fenced)
{
	/* By another engine of the same name, and on demand: the next call that asks the broker
	 * says so; an epoch that waits for its commit is of unknown outcome. */
	for (int i = 0; i < 3; i++) {
		struct rig r;
		struct error e = {0};
		rig_open(&r);
		struct log_session *s = r.m->s, *twin = NULL;
		UNTIL(r.m, r.m->nseen == 10);
		struct log_position at = {r.m->topic, 0, 10};
		OK(k->begin(s, E));
		append_n(&r, 0, 3);
		OK(k->flush(s, E));
		if (i == 2)
			OK(k->send_offsets(s, &at, 1, E));
		if (i == 0) {
			const char *none[] = {NULL};
			struct log_session_conf conf = {.group = "twin",
			        .transactional_id = r.txn,
			        .subscribe = none,
			        .memory_bytes = 8 << 20};
			OK(k->session_open(r.b, &conf, &twin, E));
			OK(k->producer_init(twin, E));
		} else {
			OK(k->fence(r.b, r.txn, E));
		}
		enum status st = i == 2 ? k->commit(s, &e) : k->send_offsets(s, &at, 1, &e);
		ck_assert_int_eq(st, ST_ERR);
		ck_assert_msg(e.class == (i == 2 ? ERR_UNKNOWN : ERR_FATAL), "%s", e.msg);
		if (i < 2)
			ck_assert_msg(strstr(e.msg, "another engine uses transactional id") &&
			                      strstr(e.msg, r.txn),
			        "%s", e.msg);
		ck_assert_int_eq(k->abort(s, &e), ST_ERR);
		k->producer_drop(s);
		struct read_back *got = malloc(sizeof *got);
		read_all(r.b, r.out, 0, got);
		ck_assert_int_eq(got->n, 0);
		free(got);
		k->session_close(twin);
		rig_close(&r);
	}
}
END_TEST

START_TEST(timed_out)
{
	/* Open for longer than its time-out: the broker has ended it, which looks like being
	 * fenced, but nobody else is there and a new handle goes on. */
	struct rig r;
	struct error e = {0};
	rig_open(&r);
	struct log_session *s = r.m->s;
	UNTIL(r.m, r.m->nseen == 10);
	struct log_position at = {r.m->topic, 0, 10};
	OK(k->begin(s, E));
	append_n(&r, 0, 3);
	OK(k->flush(s, E));
	int64_t until = now_ms() + 12500;
	UNTIL(r.m, now_ms() > until);
	ck_assert_int_eq(k->send_offsets(s, &at, 1, &e), ST_ERR);
	ck_assert_msg(
	        e.class == ERR_ABORT && strstr(e.msg, "the broker has ended it"), "%s", e.msg);
	ck_assert_int_eq(k->abort(s, &e), ST_ERR);
	k->producer_drop(s);
	OK(k->producer_init(s, E));
	OK(k->begin(s, E));
	append_n(&r, 0, 3);
	OK(k->flush(s, E));
	OK(k->send_offsets(s, &at, 1, E));
	OK(k->commit(s, E));
	struct read_back *got = malloc(sizeof *got);
	read_all(r.b, r.out, 0, got);
	ck_assert_int_eq(got->n, 3);
	free(got);
	rig_close(&r);
}
END_TEST

// ---- nothing lost, nothing doubled ----

START_TEST(rebalance)
{
	enum { PARTS = 6, TOTAL = 6000 };
	char in[100], out[100], group[100], a_txn[100], b_txn[100];
	struct log_broker *b = broker();
	struct engine *x = calloc(1, sizeof *x), *y = calloc(1, sizeof *y);
	make_topic(b, unique(in, "in"), PARTS);
	make_topic(b, unique(out, "out"), PARTS);
	put_numbers(b, in, PARTS, 0, TOTAL / 2);
	engine_open(x, b, unique(group, "grp"), unique(a_txn, "x"), NULL, in, out);
	while (x->m.nseen < TOTAL / 10)
		engine_step(x, 20);
	engine_open(y, b, group, unique(b_txn, "y"), NULL, in, out);
	int64_t until = now_ms() + 2 * WAIT_MS;
	while (member_owns(&y->m) < PARTS / 2) { /* x goes on meanwhile */
		engine_step(x, 20);
		engine_step(y, 20);
		ck_assert_int_lt(now_ms(), until);
	}
	ck_assert_int_eq(member_owns(&x->m), PARTS / 2);
	ck_assert_int_ge(x->m.revoked, 1);
	ck_assert_int_eq(x->m.lost, 0);
	put_numbers(b, in, PARTS, TOTAL / 2, TOTAL / 2);
	for (int i = 0; i < 20; i++) {
		engine_step(x, 20);
		engine_step(y, 20);
	}
	engine_leave(y); /* commits its epoch from within revoked() */
	ck_assert_int_eq(member_owns(&y->m), 0);
	while (engine_stands(x) < TOTAL || x->open) {
		engine_step(x, 20);
		ck_assert_int_lt(now_ms(), until);
	}
	engine_leave(x);
	check_copied(b, out, PARTS, TOTAL);
	free(x);
	free(y);
	k->close(b);
}
END_TEST

/* The child: kafka_txn engine IN OUT GROUP TXN INSTANCE TOTAL KILL_AT EPOCH US */
START_TEST(storm)
{
	/* Members come and go; one stays. */
	enum { PARTS = 6, TOTAL = 12000, ROUNDS = 6 };
	char in[100], out[100], group[100], txn[100], names[ROUNDS][100];
	struct log_broker *b = broker();
	struct engine *x = calloc(1, sizeof *x), *y[ROUNDS] = {NULL};
	make_topic(b, unique(in, "in"), PARTS);
	make_topic(b, unique(out, "out"), PARTS);
	engine_open(x, b, unique(group, "grp"), unique(txn, "x"), NULL, in, out);
	int64_t until = now_ms() + 3 * WAIT_MS;
	for (int i = 0; i < ROUNDS; i++) {
		put_numbers(b, in, PARTS, i * TOTAL / ROUNDS, TOTAL / ROUNDS);
		y[i] = calloc(1, sizeof *y[i]);
		engine_open(y[i], b, group, unique(names[i], "y"), NULL, in, out);
		for (int j = 0; j < 30 || member_owns(&y[i]->m) == 0; j++) {
			engine_step(x, 20);
			for (int l = i ? i - 1 : 0; l <= i; l++)
				engine_step(y[l], 20);
			ck_assert_int_lt(now_ms(), until);
		}
		if (i > 0) /* two overlap */
			engine_leave(y[i - 1]);
	}
	engine_leave(y[ROUNDS - 1]);
	while (engine_stands(x) < TOTAL || x->open) {
		engine_step(x, 20);
		ck_assert_int_lt(now_ms(), until);
	}
	ck_assert_int_ge(x->m.revoked, 1);
	engine_leave(x);
	check_copied(b, out, PARTS, TOTAL);
	for (int i = 0; i < ROUNDS; i++)
		free(y[i]);
	free(x);
	k->close(b);
}
END_TEST

static char **child_args;

START_TEST(child)
{
	char **a = child_args;
	struct engine *en = calloc(1, sizeof *en);
	struct log_broker *b = NULL;
	const char *quick[] = {
	        "session.timeout.ms", "3000", "heartbeat.interval.ms", "500", NULL};
	int total = atoi(a[5]);
	en->kill_at = (enum kill_at)atoi(a[6]);
	en->kill_epoch = atoi(a[7]);
	en->kill_us = atoi(a[8]);
	en->freezes = en->kill_us < 0;
	b = broker_at(getenv("WEIR_BROKERS"), en->freezes ? quick : NULL);
	engine_open(en, b, a[2], a[3], *a[4] ? a[4] : NULL, a[0], a[1]);
	int64_t until = now_ms() + 2 * WAIT_MS;
	while ((engine_stands(en) < total || en->open) && now_ms() < until && !en->fenced)
		engine_step(en, 40);
	engine_leave(en);
	k->close(b);
	ck_assert_int_lt(now_ms(), until);
}
END_TEST

/* A suite of one, so that its assertions speak. */
static int child_main(char **args)
{
	child_args = args;
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("engine");
	tcase_add_test(t, child);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

static pid_t engine_start(char **args)
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setenv("CK_VERBOSITY", "minimal", 1);
		execv("/proc/self/exe", args);
		_exit(127);
	}
	return pid;
}

START_TEST(killed)
{
	enum { PARTS = 3, TOTAL = 3000 };
	char in[100], out[100], group[100], txn[100], total[16], at[16], epoch[16], us[16];
	struct log_broker *b = broker();
	make_topic(b, unique(in, "in"), PARTS);
	make_topic(b, unique(out, "out"), PARTS);
	put_numbers(b, in, PARTS, 0, TOTAL);
	unique(group, "grp");
	unique(txn, "txn");
	sprintf(total, "%d", TOTAL);
	srand(5);
	char *args[] = {"kafka_txn", "engine", in, out, group, txn, "node.0", total, at, epoch,
	        us, NULL};
	int status = 0, kills = 0;
	for (int i = 0; i < 12; i++) {
		sprintf(at, "%d", i < 11 ? 1 + i % (KILLS - 1) : NEVER);
		sprintf(epoch, "%d", i % 3);
		sprintf(us, "%d", rand() % 8000);
		pid_t pid = engine_start(args);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			kills++;
		else
			ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			        "status %d", status);
	}
	ck_assert_msg(
	        WIFEXITED(status) && WEXITSTATUS(status) == 0, "the last one did not finish");
	ck_assert_int_ge(kills, 8);
	check_copied(b, out, PARTS, TOTAL);
	k->close(b);
}
END_TEST

/* Stopped beyond its session in the middle of an epoch; another takes over; then it wakes: its
 * epoch must not land. */
static void freeze_at(enum kill_at step)
{
	enum { PARTS = 2, TOTAL = 4000 };
	char in[100], out[100], group[100], txn[100], txn2[100], total[16], at[16];
	struct log_broker *b = broker();
	make_topic(b, unique(in, "in"), PARTS);
	make_topic(b, unique(out, "out"), PARTS);
	put_numbers(b, in, PARTS, 0, TOTAL);
	unique(group, "grp");
	unique(txn, "txn");
	sprintf(total, "%d", TOTAL);
	sprintf(at, "%d", step);
	char *args[] = {
	        "kafka_txn", "engine", in, out, group, txn, "", total, at, "3", "-1", NULL};
	pid_t pid = engine_start(args);
	int status;
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert_msg(WIFSTOPPED(status), "status %d", status);
	struct engine *y = calloc(1, sizeof *y);
	engine_open(y, b, group, unique(txn2, "y"), NULL, in, out);
	int64_t until = now_ms() + WAIT_MS;
	bool barred = false;
	while (member_owns(&y->m) < PARTS || y->epochs < 2) {
		engine_step(y, 20);
		/* Its transaction may hold the offsets. */
		if (member_owns(&y->m) == PARTS && !barred &&
		        now_ms() > until - WAIT_MS + 4000) {
			OK(k->fence(b, txn, E));
			barred = true;
		}
		ck_assert_int_lt(now_ms(), until);
	}
	kill(pid, SIGCONT);
	/* Both, until everything is there; the woken one may have found itself fenced. */
	for (int64_t stands = 0; stands < TOTAL;) {
		const char *names[PARTS] = {in, in};
		struct log_position pos[PARTS] = {{0, 0, 0}, {0, 1, 0}};
		for (int i = 0; i < 10; i++)
			engine_step(y, 20);
		OK(k->group_offsets(b, group, names, pos, PARTS, E));
		stands = pos[0].offset + pos[1].offset;
		ck_assert_int_lt(now_ms(), until);
	}
	engine_commit(y);
	engine_leave(y);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	OK(k->fence(b, txn, E));
	check_copied(b, out, PARTS, TOTAL);
	free(y);
	k->close(b);
}

START_TEST(frozen)
{
	freeze_at(_i == 0 ? FLUSHED : OFFSETS);
}
END_TEST

// ---- the broker goes away ----

/* kafka_txn outage CTL: CTL kills the broker and starts it again, over and over, while the
 * engine runs (kafka_outage.sh). */
START_TEST(outage)
{
	enum { PARTS = 3, TOTAL = 9000 };
	char in[100], out[100], group[100], txn[100];
	struct log_broker *b = broker();
	struct engine *en = calloc(1, sizeof *en);
	make_topic(b, unique(in, "in"), PARTS);
	make_topic(b, unique(out, "out"), PARTS);
	put_numbers(b, in, PARTS, 0, TOTAL);
	engine_open(en, b, unique(group, "grp"), unique(txn, "txn"), NULL, in, out);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", child_args[0], NULL);
		_exit(127);
	}
	int64_t until = now_ms() + 3 * WAIT_MS;
	int status;
	while (engine_stands(en) < TOTAL || en->open || waitpid(pid, &status, WNOHANG) == 0) {
		engine_step(en, 10);
		usleep(5000);
		ck_assert_int_lt(now_ms(), until);
		ck_assert(!en->fenced);
	}
	struct kafka_stats stats;
	kafka_session_stats(en->m.s, &stats);
	printf("%d epochs, %d aborted, %d of unknown outcome, %llu producers, %d lost\n",
	        en->epochs, en->aborted, en->unknown, (unsigned long long)stats.producers,
	        en->m.lost);
	ck_assert_uint_ge(stats.producers, 2); /* the outages were felt */
	engine_leave(en);
	check_copied(b, out, PARTS, TOTAL);
	free(en);
	k->close(b);
}
END_TEST

static int outage_main(char **args)
{
	child_args = args;
	Suite *s = suite_create("kafka_outage");
	TCase *t = tcase_create("outage");
	tcase_set_timeout(t, 150);
	tcase_add_test(t, outage);
	suite_add_tcase(s, t);
	return run_suite(s);
}

int main(int argc, char **argv)
{
	if (argc == 11 && strcmp(argv[1], "engine") == 0)
		return child_main(argv + 2);
	if (argc == 3 && strcmp(argv[1], "outage") == 0)
		return outage_main(argv + 2);
	Suite *s = suite_create("kafka_txn");
	TCase *t = tcase_create("txn");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, visibility);
	tcase_add_test(t, open_transaction);
	tcase_add_test(t, record_forms);
	tcase_add_test(t, offsets_stable);
	tcase_add_test(t, fenced);
	tcase_add_test(t, timed_out);
	tcase_add_test(t, rebalance);
	tcase_add_test(t, storm);
	tcase_add_test(t, killed);
	tcase_add_loop_test(t, frozen, 0, 2);
	suite_add_tcase(s, t);
	return run_suite(s);
}
