// SPDX-License-Identifier: Apache-2.0
//
// The Redis store against real servers of its own: the guard, the comparison with the store in
// memory call by call, and every way of losing the server. No fixed waits: a thing is waited
// for.
#include <check.h>
#include <pthread.h>

#include "base/log.h"
#include "base/num.h"
#include "connectors/redis/redis.h"
#include "run/memory_online.h"
#include "tests/lib/online_rows.h"
#include "tests/lib/redis_server.h"

#define OPS (&redis_online)
#define T "j:s:0"
#define DRAIN_MS 60000

static struct redis_server server;
static struct online *o;
static uint32_t view;
static struct rows rows;

static void store_open(struct redis_conf conf)
{
	struct error e = {0};
	struct online_view v = rows_view("vw", 0);
	if (!conf.address)
		conf.address = server.address;
	if (!conf.command_ms)
		conf.command_ms = 1000;
	ck_assert_msg(redis_open(&conf, &o, &e) == ST_OK, "%s", e.msg);
	view = OPS->view_add(o, &v);
}

static void setup(void)
{
	ck_assert(redis_server_init(&server));
}

static void teardown(void)
{
	OPS->close(o);
	o = NULL;
	redis_server_release(&server);
	rows_release(&rows);
}

/* The server, the store, and a task that knows its record. */
static void start_with(struct redis_conf conf)
{
	ck_assert(redis_server_start(&server));
	store_open(conf);
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -1);
}

static void start(void)
{
	start_with((struct redis_conf){0});
}

static void start_durable(void)
{
	static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always"};
	memcpy(server.args, args, sizeof(args));
	start();
}

/* A command by hand; its answer as text. */
static const char *cli(const char *command)
{
	static char text[512];
	redisReply *r = redis_server_ask(&server, NULL, command);
	ck_assert_msg(r, "%s: no answer", command);
	if (r->type == REDIS_REPLY_INTEGER)
		snprintf(text, sizeof(text), "%lld", r->integer);
	else
		snprintf(text, sizeof(text), "%s", r->str ? r->str : "");
	freeReplyObject(r);
	return text;
}

static struct online_stats stats(void)
{
	struct online_stats s;
	OPS->stats(o, &s);
	return s;
}

static enum status put(
        int64_t epoch, const char *offsets, bool repair, const char *entity, int64_t n)
{
	rows.n = 0;
	if (entity)
		rows_add(&rows, view, entity, n, 0.5, "x", 100);
	return rows_put(OPS, o, T, epoch, offsets, repair, &rows);
}

static void drained(void)
{
	ck_assert_msg(OPS->drain(o, 0, DRAIN_MS) == ST_OK, "%s", stats().last_error);
}

/* The record, once the store answers. */
static int64_t record(void)
{
	int64_t epoch = -2;
	ck_assert_msg(TEST_WAIT((epoch = rows_record(OPS, o, T, NULL)) != -2), "%s",
	        stats().last_error);
	return epoch;
}

/* Many epochs of 50 entities each; entity k's last row has n = the epoch. Returns the last
 * epoch that put took, and goes on to the end. */
#define STREAM_ENTITIES 50
static int64_t stream(int64_t from, int64_t to, bool *behind)
{
	int64_t taken = 0;
	for (int64_t epoch = from; epoch <= to; epoch++) {
		char name[16], offsets[32];
		rows.n = 0;
		for (int k = 0; k < STREAM_ENTITIES; k++) {
			snprintf(name, sizeof(name), "E%d", k);
			rows_add(&rows, view, name, epoch, k / 7.0, "abc", epoch);
		}
		snprintf(offsets, sizeof(offsets), "vw=%lld", (long long)epoch);
		enum status st = rows_put(OPS, o, T, epoch, offsets, false, &rows);
		if (st == ST_OK)
			taken = epoch;
		else if (behind)
			*behind = true;
	}
	return taken;
}

static void stream_is_there(int64_t epoch, int64_t version)
{
	char name[16], expect[200];
	for (int k = 0; k < STREAM_ENTITIES; k++) {
		char mean[NUM_MAX + 1] = {0};
		num_format_double(mean, k / 7.0);
		snprintf(name, sizeof(name), "E%d", k);
		snprintf(expect, sizeof(expect),
		        "_k=%lld _t=%lld _v=%014lld last=abc mean=%s n=%lld", (long long)epoch,
		        (long long)epoch - 5, (long long)version, mean, (long long)epoch);
		ck_assert_str_eq(rows_get(OPS, o, "vw", name), expect);
	}
}

/* The way of run/online.h with the state at epoch c, tried again until the store takes it. */
static void repair(int64_t c)
{
	int64_t until = test_now_ms() + DRAIN_MS;
	for (;;) {
		ck_assert_msg(test_now_ms() < until, "%s", stats().last_error);
		if (record() == c)
			return;
		bool ok = rows_put(OPS, o, T, c, NULL, true, NULL) == ST_OK;
		char name[16];
		for (int k = 0; k < STREAM_ENTITIES && ok; k++) {
			snprintf(name, sizeof(name), "E%d", k);
			rows.n = 0;
			rows_add(&rows, view, name, c, k / 7.0, "abc", c);
			ok = rows_put(OPS, o, T, c, NULL, true, &rows) == ST_OK;
		}
		if (ok && rows_put(OPS, o, T, c, "vw=now", true, NULL) == ST_OK)
			OPS->drain(o, 0, DRAIN_MS);
	}
}

START_TEST(guard_refuses_stale_and_equal)
{
	static const struct {
		int64_t epoch;
		bool repair;
		int64_t n, expect;
	} t[] = {{5, false, 1, 1}, {4, false, 2, 1}, {5, false, 3, 1}, {5, true, 4, 4},
	        {4, true, 5, 4}, {6, false, 6, 6}, {10, false, 7, 7}, {9, false, 8, 7}};
	char expect[200];
	int64_t version = 0;
	start();
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		ck_assert_int_eq(put(t[i].epoch, NULL, t[i].repair, "E", t[i].n), ST_OK);
		drained();
		if (t[i].n == t[i].expect)
			version = t[i].epoch;
		snprintf(expect, sizeof(expect),
		        "_k=100 _t=95 _v=%014lld last=x mean=0.5 n=%lld", (long long)version,
		        (long long)t[i].expect);
		ck_assert_str_eq(rows_get(OPS, o, "vw", "E"), expect);
	}
	ck_assert_uint_eq(stats().rows_written, 4);
	ck_assert_uint_eq(stats().rows_stale, 4);
	ck_assert_str_eq(cli("HGET weir:vw:1:E n"), "7"); /* the key is the contract */
	ck_assert_str_eq(cli("PTTL weir:vw:1:E"), "-1");
}
END_TEST

START_TEST(a_row_replaces_the_whole_hash)
{
	start();
	put(1, "a", false, "E", 1);
	rows.n = 0;
	rows_add(&rows, view, "E", 2, 0, NULL, 200);
	ck_assert_int_eq(rows_put(OPS, o, T, 2, "b", false, &rows), ST_OK);
	drained();
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E"), "_k=200 _t=195 _v=00000000000002 n=2");
}
END_TEST

START_TEST(a_key_of_another_type_gives_way)
{
	start();
	cli("SET weir:vw:1:E something");
	put(1, "a", false, "E", 1);
	drained();
	ck_assert_str_eq(cli("HGET weir:vw:1:E n"), "1");
}
END_TEST

START_TEST(rows_expire)
{
	struct timespec now;
	start();
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_ms = (int64_t)now.tv_sec * 1000;
	struct online_view v = rows_view("short", 100000);
	uint32_t n = OPS->view_add(o, &v);
	rows.n = 0;
	rows_add(&rows, n, "live", 1, 0, NULL, now_ms);
	rows_add(&rows, n, "born_dead", 1, 0, NULL, now_ms - 200000);
	rows_add(&rows, n, "far", 1, 0, NULL, INT64_MAX - 5);
	ck_assert_int_eq(rows_put(OPS, o, T, 1, "a", false, &rows), ST_OK);
	drained();
	char expect[32];
	snprintf(expect, sizeof(expect), "%lld", (long long)now_ms + 100000);
	ck_assert_str_eq(cli("PEXPIRETIME weir:short:1:live"), expect);
	ck_assert_str_eq(cli("EXISTS weir:short:1:born_dead"), "0");
	ck_assert_str_eq(cli("EXISTS weir:short:1:far"), "1");
	ck_assert_int_eq(record(), 1);
}
END_TEST

START_TEST(an_epoch_of_many_rows)
{
	start();
	for (int k = 0; k < ROWS_MAX; k++) {
		char name[16];
		snprintf(name, sizeof(name), "E%d", k);
		rows_add(&rows, view, name, k, 0, NULL, 1);
	}
	ck_assert_int_eq(rows_put(OPS, o, T, 9, "vw=3", false, &rows), ST_OK);
	drained();
	ck_assert_uint_eq(stats().calls, 4);
	ck_assert_uint_eq(stats().rows_written, ROWS_MAX);
	ck_assert_uint_eq(stats().backlog_bytes, 0);
	ck_assert_str_eq(cli("DBSIZE"), "1001");
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E999"), "_k=1 _t=-4 _v=00000000000009 n=999");
	ck_assert_int_eq(record(), 9);
}
END_TEST

START_TEST(a_row_of_many_features)
{
	enum { N = 9001 };
	static struct field f[N];
	struct online_view v = {.name = "wide", .version = 1, .features = f, .nfeatures = N};
	struct buf b;
	start();
	buf_init(&b);
	for (int i = 0; i < N; i++) {
		char name[16];
		struct value x = {.i64 = i};
		snprintf(name, sizeof(name), "f%d", i);
		f[i] = (struct field){.name = strdup(name), .type = {.kind = KIND_LONG}};
		avro_write(&b, &f[i].type, false, &x);
	}
	rows.n = 0;
	rows.v[rows.n++] = (struct online_row){.view = OPS->view_add(o, &v),
	        .entity = slice_of("E"),
	        .features = buf_view(&b)};
	ck_assert_int_eq(rows_put(OPS, o, T, 1, "a", false, &rows), ST_OK);
	drained();
	ck_assert_str_eq(cli("HLEN weir:wide:1:E"), "9004");
	ck_assert_str_eq(cli("HGET weir:wide:1:E f9000"), "9000");
	buf_release(&b);
	for (int i = 0; i < N; i++)
		free((char *)f[i].name);
}
END_TEST

/* Around the length where Redis gives an entry's length another byte, it finds what follows. */
START_TEST(a_row_with_a_long_text)
{
	static const struct field f[] = {
	        {.name = "text", .type = {.kind = KIND_STRING}},
	        {.name = "n", .type = {.kind = KIND_LONG}},
	};
	struct online_view v = {.name = "texts", .version = 1, .features = f, .nfeatures = 2};
	static char text[16400];
	struct buf b;
	char length[16];
	uint32_t len = 16374 + (uint32_t)_i;
	start();
	buf_init(&b);
	memset(text, 'y', sizeof text);
	struct value values[] = {{.bytes = {(uint8_t *)text, len}}, {.i64 = _i}};
	for (int i = 0; i < 2; i++)
		avro_write(&b, &f[i].type, false, &values[i]);
	rows.n = 0;
	rows.v[rows.n++] = (struct online_row){.view = OPS->view_add(o, &v),
	        .entity = slice_of("E"),
	        .features = buf_view(&b)};
	ck_assert_int_eq(rows_put(OPS, o, T, 1, "a", false, &rows), ST_OK);
	drained();
	snprintf(length, sizeof length, "%d", _i);
	ck_assert_str_eq(cli("HGET weir:texts:1:E n"), length);
	snprintf(length, sizeof length, "%u", len);
	ck_assert_str_eq(cli("HSTRLEN weir:texts:1:E text"), length);
	ck_assert_str_eq(cli("HLEN weir:texts:1:E"), "5");
	buf_release(&b);
}
END_TEST

/* -- both stores, call by call -- */

static uint64_t seed;
static uint32_t dice(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static void both_put(struct online *m, int64_t *epochs)
{
	static const char *const tasks[] = {"j:s:0", "j:s:1", "j:s:2"};
	uint32_t task = dice(3), n = dice(5);
	int64_t epoch = epochs[task] + (int64_t)dice(4) - 1;
	bool fix = dice(4) == 0;
	const char *offsets = dice(3) ? "vw=1" : NULL;
	if (epoch > epochs[task])
		epochs[task] = epoch;
	rows.n = 0;
	for (uint32_t i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof(name), "E%u.%u", task, dice(4));
		rows_add(&rows, view, name, dice(1000), dice(100) / 7.0, dice(3) ? "x" : NULL,
		        epoch);
	}
	enum status a = rows_put(OPS, o, tasks[task], epoch, offsets, fix, &rows);
	enum status b = rows_put(&memory_online, m, tasks[task], epoch, offsets, fix, &rows);
	ck_assert_int_eq(a, b);
	OPS->drain(o, 0, DRAIN_MS);
	for (uint32_t i = 0; i < n; i++) {
		char name[16], text[4096];
		snprintf(name, sizeof(name), "%.*s", (int)rows.v[i].entity.len,
		        (const char *)rows.v[i].entity.p);
		strcpy(text, rows_get(OPS, o, "vw", name));
		ck_assert_str_eq(text, rows_get(&memory_online, m, "vw", name));
	}
}

START_TEST(agrees_with_the_store_in_memory)
{
	static const char *const tasks[] = {"j:s:0", "j:s:1", "j:s:2"};
	struct clock_manual clk;
	int64_t epochs[3] = {1, 1, 1};
	struct online_view v = rows_view("vw", 0);
	start();
	clock_manual_init(&clk, 0);
	struct online *m = memory_online_new(&clk.clock, "weir");
	ck_assert_uint_eq(memory_online.view_add(m, &v), view);
	ck_assert_int_eq(rows_record(&memory_online, m, T, NULL), -1); /* as start did */
	seed = 7 + (uint64_t)_i;
	for (int step = 0; step < 1500; step++) {
		uint32_t task = dice(3);
		char a[4096] = "", b[4096] = "";
		switch (dice(60)) {
		case 0:
			cli("FLUSHALL");
			memory_online_wipe(m);
			break;
		case 1 ... 8:
			ck_assert_int_eq(rows_record(OPS, o, tasks[task], a),
			        rows_record(&memory_online, m, tasks[task], b));
			ck_assert_str_eq(a, b);
			break;
		default:
			both_put(m, epochs);
		}
	}
	struct online_stats x = stats(), y;
	memory_online.stats(m, &y);
	ck_assert_uint_eq(x.rows_written, y.rows_written);
	ck_assert_uint_eq(x.rows_stale, y.rows_stale);
	ck_assert_uint_eq(x.rows_dropped, y.rows_dropped);
	ck_assert_uint_gt(y.rows_dropped, 0);
	ck_assert_uint_eq(strtoull(cli("DBSIZE"), NULL, 10), memory_online_keys(m));
	memory_online.close(m);
}
END_TEST

/* -- the server goes away -- */

START_TEST(a_killed_server_with_data_loses_nothing)
{
	bool behind = false;
	start_durable();
	stream(1, 100, &behind);
	drained();
	stream(101, 200, &behind);
	redis_server_kill(&server);
	stream(201, 400, &behind);
	ck_assert(redis_server_start(&server));
	stream(401, 500, &behind);
	drained();
	ck_assert(!behind);
	ck_assert_int_eq(record(), 500);
	stream_is_there(500, 500);
	ck_assert_uint_ge(OPS->generation(o), 1);
	ck_assert(stats().up);
}
END_TEST

START_TEST(a_server_that_comes_back_empty_is_repaired)
{
	start();
	stream(1, 200, NULL);
	drained();
	uint64_t g = OPS->generation(o);
	redis_server_kill(&server);
	stream(201, 300, NULL);
	ck_assert(redis_server_start(&server));
	ck_assert(TEST_WAIT(OPS->generation(o) > g));
	OPS->drain(o, 0, DRAIN_MS);
	/* what was in flight was sent again, and yet nobody may believe it whole */
	ck_assert_int_eq(record(), -1);
	ck_assert_int_eq(put(301, "a", false, "E0", 1), ST_END);
	repair(301);
	ck_assert_int_eq(record(), 301);
	stream_is_there(301, 301);
	ck_assert_int_eq(stream(302, 310, NULL), 310);
	drained();
	ck_assert_int_eq(record(), 310);
}
END_TEST

START_TEST(a_server_that_went_back_in_time_is_repaired)
{
	start();
	stream(1, 50, NULL);
	drained();
	ck_assert_str_eq(cli("SAVE"), "OK");
	stream(51, 100, NULL);
	drained();
	redis_server_kill(&server);
	ck_assert(redis_server_start(&server)); /* with the snapshot of epoch 50 */
	ck_assert_int_eq(put(101, "a", false, "other", 1), ST_OK);
	OPS->drain(o, 0, DRAIN_MS);
	ck_assert_int_eq(record(), 50);
	repair(101);
	stream_is_there(101, 101);
}
END_TEST

START_TEST(emptied_without_a_lost_connection)
{
	start();
	stream(1, 10, NULL);
	drained();
	cli("FLUSHALL");
	ck_assert_int_eq(put(11, "a", false, "E0", 1), ST_OK);
	OPS->drain(o, 0, DRAIN_MS);
	ck_assert_int_eq(put(12, "a", false, "E0", 1), ST_END);
	repair(12);
	stream_is_there(12, 12);
	ck_assert_uint_eq(OPS->generation(o), 0);
}
END_TEST

START_TEST(another_owner_repairs)
{
	start();
	stream(1, 10, NULL);
	drained();
	cli("FLUSHALL");
	ck_assert_int_eq(put(11, "a", false, "E0", 1), ST_OK);
	OPS->drain(o, 0, DRAIN_MS);
	ck_assert_int_eq(put(12, "a", false, "E0", 1), ST_END);
	struct online *mine = o;
	store_open((struct redis_conf){0});
	repair(20);
	ck_assert_int_eq(put(21, "a", false, "E0", 21), ST_OK);
	drained();
	OPS->close(o);
	o = mine;
	ck_assert_int_eq(put(12, "a", false, "E0", 12), ST_END); /* a zombie is still behind */
	ck_assert_int_eq(record(), 21);
	ck_assert_int_eq(put(22, "a", false, "E0", 22), ST_OK); /* the owner again */
	drained();
	ck_assert_int_eq(record(), 22);
	ck_assert_str_eq(cli("HGET weir:vw:1:E0 n"), "22");
}
END_TEST

START_TEST(a_lost_function_is_loaded_again)
{
	bool behind = false;
	start();
	for (int i = 0; i < 5; i++) {
		stream(i * 10 + 1, i * 10 + 10, &behind);
		cli("FUNCTION FLUSH");
	}
	drained();
	ck_assert(!behind);
	ck_assert_int_eq(record(), 50);
	stream_is_there(50, 50);
}
END_TEST

START_TEST(a_frozen_server_never_blocks_a_put)
{
	bool behind = false;
	start_with((struct redis_conf){.backlog_bytes_max = 1 << 20, .command_ms = 500});
	stream(1, 10, NULL);
	drained();
	kill(server.pid, SIGSTOP);
	int64_t begin = test_now_ms();
	int64_t taken = stream(11, 1000, &behind);
	/* 990 epochs against a time-out of 500 ms each, had one of them waited */
	ck_assert_int_lt(test_now_ms() - begin, 30000);
	ck_assert(behind);
	ck_assert_int_gt(taken, 10);
	ck_assert_int_lt(taken, 1000);
	ck_assert_uint_le(stats().backlog_bytes, 1 << 20);
	ck_assert_uint_gt(stats().rows_dropped, 0);
	ck_assert(TEST_WAIT(!stats().up));
	begin = test_now_ms();
	ck_assert_int_eq(rows_record(OPS, o, T, NULL), -2); /* without asking */
	ck_assert_int_lt(test_now_ms() - begin, 450);
	kill(server.pid, SIGCONT);
	OPS->drain(o, 0, DRAIN_MS);
	ck_assert_int_eq(record(), taken);
	stream_is_there(taken, taken);
	ck_assert_int_eq(put(1000, "a", false, "E0", 1), ST_END);
	repair(1000);
	stream_is_there(1000, 1000);
}
END_TEST

START_TEST(down_for_too_long_drops_what_is_queued)
{
	bool behind = false;
	store_open((struct redis_conf){.down_ms_max = 300});
	stream(1, 5, &behind);
	ck_assert(!behind);
	ck_assert_uint_gt(stats().backlog_bytes, 0);
	ck_assert(TEST_WAIT(stats().backlog_bytes == 0));
	ck_assert_uint_eq(stats().rows_dropped, 5 * STREAM_ENTITIES);
	ck_assert_int_eq(OPS->drain(o, 0, 0), ST_OK); /* nothing is queued */
	ck_assert_int_eq(put(6, "a", false, "E0", 1), ST_END);
	ck_assert(redis_server_start(&server));
	ck_assert(TEST_WAIT(stats().up));
	repair(6);
	stream_is_there(6, 6);
}
END_TEST

START_TEST(opened_before_the_server_is_up)
{
	struct online_record rec;
	struct error e = {0};
	store_open((struct redis_conf){0});
	ck_assert_int_eq(OPS->record_get(o, T, &rec, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_RETRIABLE);
	ck_assert_ptr_nonnull(strstr(e.msg, server.address));
	ck_assert_int_eq(stream(1, 20, NULL), 20);
	ck_assert(redis_server_start(&server));
	drained();
	stream_is_there(20, 20);
	ck_assert_int_eq(record(), -1); /* written as rows only: nobody knows of older ones */
	repair(20);
	ck_assert_int_eq(stream(21, 30, NULL), 30);
	drained();
	ck_assert_int_eq(record(), 30);
	ck_assert_uint_eq(OPS->generation(o), 0);
}
END_TEST

START_TEST(errors_that_pass)
{
	static const struct {
		const char *on, *off, *text;
	} t[] = {{"REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"},
	        {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"}};
	start();
	stream(1, 10, NULL);
	drained();
	cli(t[_i].on);
	ck_assert_int_eq(stream(11, 20, NULL), 20);
	ck_assert(TEST_WAIT(strstr(stats().last_error, t[_i].text)));
	ck_assert(!stats().up);
	ck_assert_int_eq(stream(21, 30, NULL), 30);
	cli(t[_i].off);
	drained();
	ck_assert_int_eq(record(), 30);
	stream_is_there(30, 30);
	ck_assert_uint_ge(OPS->generation(o), 1);
}
END_TEST

START_TEST(a_call_that_can_never_work_does_not_block_the_rest)
{
	start();
	cli("SET weir:_task:" T " something"); /* not a hash */
	ck_assert_int_eq(put(1, "a", false, "E", 1), ST_OK);
	rows.n = 0;
	rows_add(&rows, view, "F", 1, 0, NULL, 1);
	ck_assert_int_eq(rows_record(OPS, o, "j:s:1", NULL), -1);
	ck_assert_int_eq(rows_put(OPS, o, "j:s:1", 1, "a", false, &rows), ST_OK);
	OPS->drain(o, 0, DRAIN_MS);
	ck_assert_int_eq(rows_record(OPS, o, "j:s:1", NULL), 1);
	ck_assert_ptr_nonnull(strstr(stats().last_error, "WRONGTYPE"));
	ck_assert_int_eq(put(2, "b", false, "E", 1), ST_END);
	cli("DEL weir:_task:" T);
	repair(2);
	ck_assert_int_eq(record(), 2);
}
END_TEST

/* -- passwords -- */

static bool leaked;
static void tap(void *arg, enum log_level level, const char *component, const char *line)
{
	(void)arg, (void)level, (void)component;
	leaked |= strstr(line, "hunter2") || strstr(line, "s3cret");
}

START_TEST(passwords)
{
	char url[128];
	struct error e = {0};
	struct online_record rec;
	log_tap_set(tap, NULL);
	server.args[0] = "--requirepass";
	server.args[1] = "s3cret";
	ck_assert(redis_server_start(&server));
	store_open((struct redis_conf){.password = "hunter2"});
	ck_assert_int_eq(OPS->record_get(o, T, &rec, &e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(e.msg, "WRONGPASS"));
	ck_assert_ptr_null(strstr(e.msg, "hunter2"));
	ck_assert(!stats().up);
	ck_assert_int_eq(put(1, "a", false, "E", 1), ST_OK);
	OPS->close(o);
	store_open((struct redis_conf){0});
	ck_assert_int_eq(OPS->record_get(o, T, &rec, &e), ST_ERR);
	ck_assert_ptr_nonnull(strstr(e.msg, "NOAUTH"));
	OPS->close(o);
	snprintf(url, sizeof(url), "redis://default:s3cret@%s/3", server.address);
	store_open((struct redis_conf){.address = url});
	ck_assert_int_eq(record(), -1);
	ck_assert_int_eq(put(1, "a", false, "E", 1), ST_OK);
	drained();
	ck_assert_int_eq(record(), 1);
	OPS->close(o);
	store_open((struct redis_conf){.password = "s3cret"});
	ck_assert_int_eq(record(), -1); /* another database */
	ck_assert(!leaked);
	log_tap_set(NULL, NULL);
}
END_TEST

/* -- the rest -- */

START_TEST(live_versions_and_removal)
{
	uint32_t v = 0;
	struct error e;
	start_with((struct redis_conf){.prefix = "a*b"});
	ck_assert_int_eq(OPS->live_get(o, "vw", &v, &e), ST_END);
	ck_assert_int_eq(OPS->live_set(o, "vw", 7, &e), ST_OK);
	ck_assert_int_eq(OPS->live_get(o, "vw", &v, &e), ST_OK);
	ck_assert_uint_eq(v, 7);
	ck_assert_str_eq(cli("GET a*b:vw"), "7");
	for (int k = 0; k < ROWS_MAX; k++) {
		char name[16];
		snprintf(name, sizeof(name), "E%d", k);
		rows_add(&rows, view, name, k, 0, NULL, 1);
	}
	ck_assert_int_eq(rows_put(OPS, o, T, 9, "vw=3", false, &rows), ST_OK);
	drained();
	cli("HSET axxb:vw:1:E n 1"); /* not ours: the * is no wildcard */
	cli("HSET a*b:vw:12:E n 1"); /* another version */
	enum status st;
	int calls = 0;
	while ((st = OPS->view_delete(o, "vw", 1, &e)) == ST_OK)
		ck_assert_int_lt(++calls, 100);
	ck_assert_int_eq(st, ST_END);
	ck_assert_str_eq(cli("DBSIZE"), "4"); /* live version, record, and those two */
	ck_assert_str_eq(rows_get(OPS, o, "vw", "E1"), "");
}
END_TEST

START_TEST(over_a_unix_socket)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/s.sock", server.dir);
	server.args[0] = "--unixsocket";
	server.args[1] = path;
	start_with((struct redis_conf){.address = path});
	stream(1, 10, NULL);
	drained();
	ck_assert_int_eq(record(), 10);
}
END_TEST

struct worker {
	pthread_t thread;
	int n;
	struct rows rows;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	char task[16], name[16];
	snprintf(task, sizeof(task), "j:s:%d", w->n);
	if (rows_record(OPS, o, task, NULL) != -1)
		return "a record";
	for (int epoch = 1; epoch <= 300; epoch++) {
		w->rows.n = 0;
		for (int k = 0; k < 20; k++) {
			snprintf(name, sizeof(name), "W%d.%d", w->n, k);
			rows_add(&w->rows, view, name, epoch, 0, NULL, 1);
		}
		if (rows_put(OPS, o, task, epoch, "a", false, &w->rows) != ST_OK)
			return "dropped";
		if (epoch % 50 == 0 && rows_record(OPS, o, task, NULL) == -1)
			return "no record";
	}
	return NULL;
}

START_TEST(many_workers_share_a_store)
{
	static struct worker w[4];
	void *trouble;
	start();
	for (int i = 0; i < 4; i++) {
		w[i].n = i;
		ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		char task[16], name[16];
		pthread_join(w[i].thread, &trouble);
		ck_assert_msg(!trouble, "%s", (const char *)trouble);
		drained();
		snprintf(task, sizeof(task), "j:s:%d", i);
		snprintf(name, sizeof(name), "W%d.19", i);
		ck_assert_int_eq(rows_record(OPS, o, task, NULL), 300);
		ck_assert_str_eq(
		        rows_get(OPS, o, "vw", name), "_k=1 _t=-4 _v=00000000000300 n=300");
		rows_release(&w[i].rows);
	}
	ck_assert_uint_eq(stats().rows_written, 4 * 300 * 20);
}
END_TEST

START_TEST(closes_at_once_with_a_queue_and_no_server)
{
	store_open((struct redis_conf){0});
	stream(1, 20, NULL);
	int64_t begin = test_now_ms();
	OPS->close(o);
	o = NULL;
	ck_assert_int_lt(test_now_ms() - begin, 2500);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis_online");
	TCase *t = tcase_create("online");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, guard_refuses_stale_and_equal);
	tcase_add_test(t, a_row_replaces_the_whole_hash);
	tcase_add_test(t, a_key_of_another_type_gives_way);
	tcase_add_test(t, rows_expire);
	tcase_add_test(t, an_epoch_of_many_rows);
	tcase_add_test(t, a_row_of_many_features);
	tcase_add_loop_test(t, a_row_with_a_long_text, 0, 10);
	tcase_add_loop_test(t, agrees_with_the_store_in_memory, 0, 3);
	tcase_add_test(t, a_killed_server_with_data_loses_nothing);
	tcase_add_test(t, a_server_that_comes_back_empty_is_repaired);
	tcase_add_test(t, a_server_that_went_back_in_time_is_repaired);
	tcase_add_test(t, emptied_without_a_lost_connection);
	tcase_add_test(t, another_owner_repairs);
	tcase_add_test(t, a_lost_function_is_loaded_again);
	tcase_add_test(t, a_frozen_server_never_blocks_a_put);
	tcase_add_test(t, down_for_too_long_drops_what_is_queued);
	tcase_add_test(t, opened_before_the_server_is_up);
	tcase_add_loop_test(t, errors_that_pass, 0, 2);
	tcase_add_test(t, a_call_that_can_never_work_does_not_block_the_rest);
	tcase_add_test(t, passwords);
	tcase_add_test(t, live_versions_and_removal);
	tcase_add_test(t, over_a_unix_socket);
	tcase_add_test(t, many_workers_share_a_store);
	tcase_add_test(t, closes_at_once_with_a_queue_and_no_server);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
