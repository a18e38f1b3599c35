// SPDX-License-Identifier: Apache-2.0
//
// A server that is slow, which a real one is only by chance: one of ours, that reads calls as
// Redis does and answers as many of them as the test says.
#include <check.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "base/clock.h"
#include "connectors/redis/redis.h"
#include "tests/lib/online_rows.h"

#define CALLS 10
#define ANSWERED_FIRST 3 /* less than half, which is what ends a wait */
#define DEADLINE_MS 20000

static const struct online_ops *const ops = &redis_online;

struct server {
	int listener, link;
	pthread_t thread;
	redisReader *reader;
	uint32_t calls, answered; /* its own */
	atomic_uint may_answer;
};

static void say(struct server *s, const char *text)
{
	ck_assert_int_eq(send(s->link, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

static void answer(struct server *s)
{
	for (; s->calls == CALLS && s->answered < atomic_load(&s->may_answer); s->answered++)
		say(s, "*3\r\n:1\r\n:0\r\n:0\r\n");
}

static void read_words(struct server *s)
{
	void *words;
	while (redisReaderGetReply(s->reader, &words) == REDIS_OK && words) {
		const char *name = ((redisReply *)words)->element[0]->str;
		if (strcmp(name, "FCALL") == 0)
			s->calls++;
		else
			say(s, "+OK\r\n");
		freeReplyObject(words);
	}
}

/* Until the store goes; looks at may_answer each time that nothing comes for a while. */
static void *serve(void *arg)
{
	struct server *s = arg;
	struct timeval tv = {0, 10000};
	char in[65536];
	s->link = accept(s->listener, NULL, NULL);
	setsockopt(s->link, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	for (ssize_t n; (n = recv(s->link, in, sizeof in, 0)) != 0;) {
		if (n > 0) {
			redisReaderFeed(s->reader, in, (size_t)n);
			read_words(s);
		}
		answer(s);
	}
	close(s->link);
	return NULL;
}

static void server_start(struct server *s, char *address, size_t size)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	*s = (struct server){.reader = redisReaderCreate()};
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(s->listener, 1), 0);
	ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	snprintf(address, size, "127.0.0.1:%d", ntohs(at.sin_port));
	ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	pthread_join(s->thread, NULL);
	redisReaderFree(s->reader);
	close(s->listener);
}

/* CALLS epochs of one row are queued, and none is answered yet. */
static void queue_fill(struct server *s, struct online **o)
{
	struct rows rows = {0};
	struct error e = {0};
	char address[32];
	server_start(s, address, sizeof address);
	struct redis_conf conf = {.address = address, .command_ms = 1500};
	ck_assert_int_eq(redis_open(&conf, o, &e), ST_OK);
	struct online_view v = rows_view("vw", 0);
	rows_add(&rows, ops->view_add(*o, &v), "E", 1, 1, "x", 1);
	for (int64_t epoch = 1; epoch <= CALLS; epoch++)
		ck_assert_int_eq(rows_put(ops, *o, "j:s:0", epoch, NULL, false, &rows), ST_OK);
	rows_release(&rows);
}

static void queue_empty(struct server *s, struct online *o)
{
	struct online_stats st;
	atomic_store(&s->may_answer, CALLS);
	ck_assert_int_eq(ops->drain(o, 0, DEADLINE_MS), ST_OK);
	ops->stats(o, &st);
	ck_assert_uint_eq(st.calls, CALLS);
	ck_assert_uint_eq(st.backlog_bytes, 0);
	ck_assert_msg(st.errors == 0, "%s", st.last_error);
	ops->close(o);
	server_stop(s);
}

/* Answers that were too few to wake anybody are seen before the time for them is over. */
START_TEST(few_answers_are_no_silence)
{
	struct server s;
	struct online *o;
	struct online_stats st = {0};
	queue_fill(&s, &o);
	atomic_store(&s.may_answer, ANSWERED_FIRST);
	int64_t until = clock_mono_ns(&clock_system) + DEADLINE_MS * INT64_C(1000000);
	while (st.calls < ANSWERED_FIRST && clock_mono_ns(&clock_system) < until) {
		ops->drain(o, 0, 5);
		ops->stats(o, &st);
	}
	ck_assert_uint_eq(st.calls, ANSWERED_FIRST);
	queue_empty(&s, o);
}
END_TEST

/* Who can do with a short queue waits for no more than that. */
START_TEST(a_part_is_waited_for)
{
	struct server s;
	struct online *o;
	struct online_stats st;
	queue_fill(&s, &o);
	ops->stats(o, &st);
	uint64_t call = st.backlog_bytes / CALLS, left = (CALLS - ANSWERED_FIRST) * call;
	ck_assert_int_eq(ops->drain(o, st.backlog_bytes, 0), ST_OK);
	ck_assert_int_eq(ops->drain(o, left, 5), ST_END);
	atomic_store(&s.may_answer, ANSWERED_FIRST);
	ck_assert_int_eq(ops->drain(o, left, DEADLINE_MS), ST_OK);
	ops->stats(o, &st);
	ck_assert_uint_eq(st.backlog_bytes, left);
	ck_assert_int_eq(ops->drain(o, left - 1, 5), ST_END);
	queue_empty(&s, o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis_slow");
	TCase *t = tcase_create("slow");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, few_answers_are_no_silence);
	tcase_add_test(t, a_part_is_waited_for);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
