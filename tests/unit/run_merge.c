// SPDX-License-Identifier: Apache-2.0
//
// The merge by Kafka timestamp: the queues alone, and a whole engine over the log in memory
// that replays one log however it is delivered, is killed, fails and is squeezed. What goes
// through a repartition topic must come out byte for byte the same; in a rebalance nothing may
// be lost.
#include "run/merge.h"
#include "run_rig.h"

#define T0 INT64_C(1700000000000)

/* -- the queues alone -- */

static bool owner_more(void *owner)
{
	return *(bool *)owner;
}

static void put(struct merge_queue *q, int64_t offset, int64_t ts)
{
	char text[40];
	int n = sprintf(text, "%d.%lld", (int)q->partition, (long long)offset);
	struct log_record r = {.partition = q->partition,
	        .offset = offset,
	        .timestamp = ts,
	        .has_value = true,
	        .value = {(uint8_t *)text, (uint32_t)n}};
	merge_put(q, &r, 1);
}

static int64_t wall_ms;

/* Takes a round; the runs as "partition:last ". */
static const char *round_text(struct merge *m, int64_t now_ns)
{
	static char out[1000];
	const struct log_record *r;
	uint32_t total = merge_pick(m, now_ns, wall_ms), n;
	out[0] = 0;
	for (uint32_t i = 0; i < m->nruns; i++)
		sprintf(out + strlen(out), "%d:%lld ", (int)m->runs[i].queue->partition,
		        (long long)m->runs[i].last_offset);
	for (uint32_t i = 0; i < m->nqueues && total; i++)
		while (merge_piece(m->queues[i], &r, &n))
			for (total -= n; n--; r++) {
				char text[40];
				sprintf(text, "%d.%lld", (int)r->partition,
				        (long long)r->offset);
				ck_assert(slice_eq(r->value, slice_of(text)));
			}
	ck_assert_uint_eq(total, 0);
	merge_done(m);
	return out;
}

START_TEST(by_timestamp_then_partition)
{
	bool more[3] = {false, false, false};
	struct merge *m = merge_new(owner_more, 1 << 20);
	struct merge_queue *q2 = merge_add(m, 2, &more[2]), *q0 = merge_add(m, 0, &more[0]),
	                   *q1 = merge_add(m, 1, &more[1]);
	put(q2, 7, 10), put(q2, 8, 20), put(q2, 9, 30);
	put(q0, 1, 20), put(q0, 2, 25);
	put(q1, 5, 10), put(q1, 6, 10);
	ck_assert_str_eq(round_text(m, 1), "1:6 2:7 0:1 2:8 0:2 2:9 ");
	ck_assert_uint_eq(m->bytes, 0);
	/* Within a partition its own order stands, whatever the timestamps. */
	put(q0, 3, 50), put(q0, 4, 5);
	put(q1, 7, 40), put(q1, 8, 51);
	ck_assert_str_eq(round_text(m, 1), "1:7 0:4 1:8 ");
	/* What is before the next offset was put already. */
	put(q0, 5, 60);
	put(q0, 5, 60);
	ck_assert_uint_eq(q0->n, 1);
	merge_clear(q0);
	ck_assert_uint_eq(m->bytes, 0);
	ck_assert_str_eq(round_text(m, 1), "");
	merge_free(m);
}
END_TEST

START_TEST(waits_a_second_for_what_is_to_come)
{
	const int64_t t0 = INT64_C(1000000000000), second = INT64_C(1000000000);
	bool more[2] = {false, true};
	struct merge *m = merge_new(owner_more, 1 << 20);
	struct merge_queue *a = merge_add(m, 0, &more[0]), *b = merge_add(m, 1, &more[1]);
	put(a, 0, 10), put(a, 1, 20);
	ck_assert_str_eq(round_text(m, t0), "");
	ck_assert_int_eq(m->wait_until_ns, t0 + second);
	ck_assert_str_eq(round_text(m, t0 + second - 1), "");
	put(b, 0, 15);
	/* b may have one that comes before a's second. */
	ck_assert_str_eq(round_text(m, t0 + second - 1), "0:0 1:0 ");
	ck_assert_str_eq(round_text(m, t0 + 2 * second - 2), "");
	ck_assert_str_eq(round_text(m, t0 + 2 * second - 1), "0:1 ");
	put(a, 2, 30); /* and is not waited for again until it speaks */
	ck_assert_str_eq(round_text(m, t0 + 2 * second), "0:2 ");
	put(b, 1, 16);
	put(a, 3, 31);
	more[1] = false;
	ck_assert_str_eq(round_text(m, t0 + 2 * second), "1:1 0:3 ");
	merge_free(m);
}
END_TEST

START_TEST(waits_longer_where_old_records_are_read_again)
{
	const int64_t t0 = INT64_C(1000000000000);
	bool more[2] = {false, true};
	struct merge *m = merge_new(owner_more, 1 << 20);
	struct merge_queue *a = merge_add(m, 0, &more[0]);
	merge_add(m, 1, &more[1]);
	wall_ms = T0 + MERGE_OLD_MS + 1;
	put(a, 0, T0), put(a, 1, T0 + 1);
	ck_assert_str_eq(round_text(m, t0), "");
	ck_assert_str_eq(round_text(m, t0 + MERGE_WAIT_OLD_NS - 1), "");
	ck_assert_str_eq(round_text(m, t0 + MERGE_WAIT_OLD_NS), "0:1 ");
	put(a, 2, T0 + 1);
	ck_assert_str_eq(round_text(m, t0 + MERGE_WAIT_OLD_NS + 1), "0:2 ");
	wall_ms = 0;
	merge_free(m);
}
END_TEST

START_TEST(rounds_and_blocks_have_bounds)
{
	bool more[2] = {false, false};
	struct merge *m = merge_new(owner_more, 100000);
	struct merge_queue *a = merge_add(m, 0, &more[0]), *b = merge_add(m, 1, &more[1]);
	static uint8_t large[3 * MERGE_BLOCK_MAX];
	struct log_record *r = xcalloc(5000, sizeof *r);
	for (uint32_t i = 0; i < 5000; i++)
		r[i] = (struct log_record){.offset = i,
		        .timestamp = i,
		        .has_value = true,
		        .value = {large, i % 300}};
	r[2500].value.len = sizeof large;
	merge_put(a, r, 5000);
	ck_assert(merge_full(a) && !merge_low(a) && !merge_full(b) && merge_low(b));
	const struct log_record *piece;
	uint32_t n, seen = 0;
	ck_assert_uint_eq(merge_pick(m, 1, 0), MERGE_ROUND_RECORDS);
	while (merge_piece(a, &piece, &n))
		for (uint32_t i = 0; i < n; i++, seen++) {
			ck_assert_int_eq(piece[i].offset, seen);
			ck_assert_uint_eq(piece[i].value.len, r[seen].value.len);
		}
	merge_done(m);
	ck_assert_uint_eq(seen, MERGE_ROUND_RECORDS);
	ck_assert_uint_eq(a->n, 5000 - MERGE_ROUND_RECORDS);
	free(r);
	merge_free(m);
}
END_TEST

/* -- a whole engine -- */

#define PARTITIONS 4
#define SHARDS 3
#define EVENTS 3000

static const char job_text[] = "job: t\n"
                               "sources:\n"
                               "  events:\n"
                               "    topic: events\n"
                               "    format: json\n"
                               "    schema: {\"type\":\"record\",\"name\":\"e\",\"fields\":["
                               "{\"name\":\"user\",\"type\":\"string\"},{\"name\":\"item\","
                               "\"type\":[\"null\",\"string\"]},"
                               "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":"
                               "\"timestamp-millis\"}}]}\n"
                               "    time: at\n"
                               "    key: user\n"
                               "    lateness: 1m\n"
                               "    idle: 1s\n"
                               "views:\n"
                               "  users:\n"
                               "    entity: [user]\n"
                               "    from: events\n"
                               "    features:\n"
                               "      n_5m: count() over 5m\n"
                               "  items:\n"
                               "    entity: [item]\n"
                               "    from: events\n"
                               "    shards: 3\n"
                               "    features:\n"
                               "      n_5m: count() over 5m\n"
                               "      last_user: last(user) over 1h\n"
                               "      users: distinct(user) over 1h\n"
                               "  ever:\n"
                               "    entity: [item]\n"
                               "    from: events\n"
                               "    shards: 3\n"
                               "    features:\n"
                               "      n: count()\n";

struct world {
	struct job *job;
	struct plan *plan;
	struct log_broker *broker;
	struct worker *worker;
	struct clock_manual clock;
	uint64_t memory;
	bool adversary, wall_idle;
	int stuck;  /* this partition shows nothing; -1: none */
	int faults; /* in a thousand calls; -1: everything fails */
	uint64_t queued_max;
	uint32_t paused;
};

static enum memory_fault fault(void *arg, enum memory_step step)
{
	struct world *w = arg;
	if (w->faults < 0)
		return MEM_FAIL;
	if (rnd(1000) >= (uint64_t)w->faults || (step == MEM_APPEND && rnd(50)))
		return MEM_PASS;
	return step == MEM_COMMIT && rnd(2) ? MEM_FAIL_DONE : MEM_FAIL;
}

static uint32_t room(void *arg, const char *topic, int32_t partition)
{
	struct world *w = arg;
	if (strcmp(topic, "events") != 0)
		return UINT32_MAX;
	if (partition == w->stuck)
		return 0;
	/* Nothing, a little or a lot. */
	return !w->adversary ? UINT32_MAX : rnd(2) ? 0 : rnd(4) ? (uint32_t)rnd(20) : 1000;
}

static void worker_start(struct world *w)
{
	struct worker_conf c = conf_of(w->plan, w->broker, &w->clock);
	c.memory_bytes = w->memory;
	c.wall_idle = w->wall_idle;
	worker_begin(&c, &w->worker);
}

static void world_open(struct world *w, uint64_t memory)
{
	int32_t partitions = PARTITIONS;
	*w = (struct world){.job = job_of(slice_of(job_text)),
	        .broker = memory_log_new(),
	        .memory = memory,
	        .stuck = -1};
	w->job->sources[0].idle_ms = 500; /* less than the merge waits */
	clock_manual_init(&w->clock, T0);
	w->plan = plan_of(w->job, w->broker, &partitions);
	memory_log_faults(w->broker, fault, w);
	memory_log_delivery(w->broker, room, w);
}

static void world_close(struct world *w)
{
	worker_close(w->worker);
	memory_log.close(w->broker);
	plan_free(w->plan);
	job_free(w->job);
}

static void event(
        struct world *w, int32_t partition, int user, int item, int64_t at, int64_t ts)
{
	char value[200];
	int n = sprintf(value, "{\"user\":\"u%d\",\"item\":\"i%d\",\"at\":%lld}", user, item,
	        (long long)at);
	struct slice v = {(uint8_t *)value, (uint32_t)n};
	memory_log_produce(w->broker, "events", partition, NULL, &v, ts);
}

/* The same log for the same seed: timestamps are distinct; one partition has most records. */
static void fill(struct world *w, uint64_t of)
{
	uint64_t keep = seed;
	seed = of * 7919 + 1;
	for (int i = 0; i < EVENTS; i++) {
		int user = (int)rnd(rnd(3) ? 4 : 40), item = (int)rnd(9);
		int64_t ts = T0 + i * 1000;
		event(w, user % PARTITIONS, user, item,
		        ts - (int64_t)rnd(rnd(50) ? 30000 : 90000), ts);
	}
	seed = keep;
}

static void step(struct world *w)
{
	worker_go(w->worker, &w->clock);
	const struct merge *m = w->worker->merges[0];
	if (m->bytes > w->queued_max)
		w->queued_max = m->bytes;
	for (uint32_t i = 0; i < m->nqueues; i++)
		w->paused += m->queues[i]->paused;
}

static struct task *task_of(struct world *w, int32_t partition)
{
	for (uint32_t i = 0; i < w->worker->ntasks; i++)
		if (!w->worker->tasks[i]->stage->in &&
		        w->worker->tasks[i]->partition == partition)
			return w->worker->tasks[i];
	ck_abort_msg("no partition %d", (int)partition);
}

static uint32_t records(struct world *w, const char *topic, int32_t partitions)
{
	struct log_record r;
	uint32_t n = 0;
	for (int32_t p = 0; p < partitions; p++)
		for (uint32_t i = 0; memory_log_read(w->broker, topic, p, i, &r) == ST_OK; i++)
			n++;
	return n;
}

static bool settled(struct world *w)
{
	return w->worker->ntasks == PARTITIONS + SHARDS && !w->worker->merges[0]->bytes &&
	       worker_settled(w->worker, w->broker);
}

static void run_to_end(struct world *w, void (*disturb)(struct world *w))
{
	for (int i = 0; i < 60000 && !settled(w); i++) {
		step(w);
		if (disturb && i < 3000)
			disturb(w);
		else
			w->faults = 0;
	}
	ck_assert(settled(w));
}

static void kill_worker(struct world *w)
{
	worker_kill(w->worker, &w->faults);
	worker_start(w);
}

static void same_topic(struct world *a, struct world *b, const char *topic, int32_t partitions)
{
	for (int32_t p = 0; p < partitions; p++) {
		struct log_record ra, rb;
		enum status sa, sb;
		for (uint32_t i = 0;; i++) {
			sa = memory_log_read(a->broker, topic, p, i, &ra);
			sb = memory_log_read(b->broker, topic, p, i, &rb);
			ck_assert_msg(sa == sb, "%s[%d]: %u records in one", topic, (int)p, i);
			if (sa)
				break;
			ck_assert_msg(slice_eq(ra.key, rb.key) && slice_eq(ra.value, rb.value),
			        "%s[%d] record %u: %.*s, %.*s", topic, (int)p, i,
			        (int)ra.key.len, ra.key.p, (int)rb.key.len, rb.key.p);
		}
	}
}

#define MOVED "weir.t.events.by.item"

/* Repartition records stand in the order of their timestamps. */
static void in_order(struct world *w)
{
	for (int32_t p = 0; p < SHARDS; p++) {
		struct log_record r;
		int64_t last = 0;
		for (uint32_t i = 0; memory_log_read(w->broker, MOVED, p, i, &r) == ST_OK;
		        i++) {
			struct reader in =
			        reader_of((struct slice){r.value.p + 10, r.value.len - 10});
			reader_varint(&in);
			int64_t known_at = reader_varint(&in);
			ck_assert_msg(known_at > last, "[%d] record %u: %lld after %lld",
			        (int)p, i, (long long)known_at, (long long)last);
			last = known_at;
		}
	}
}

static void aborts_and_kills(struct world *w)
{
	if (rnd(150) == 0)
		kill_worker(w);
}

static void two_replays(
        uint64_t s, uint64_t memory, int faults, void (*disturb)(struct world *w))
{
	struct world calm, rough;
	seed = s + 5;
	world_open(&calm, 64 << 20);
	fill(&calm, s);
	worker_start(&calm);
	run_to_end(&calm, NULL);
	in_order(&calm);
	world_open(&rough, memory);
	fill(&rough, s);
	rough.adversary = true;
	rough.faults = faults;
	worker_start(&rough);
	run_to_end(&rough, disturb);
	ck_assert_uint_gt(records(&calm, MOVED, SHARDS), EVENTS / 2);
	same_topic(&calm, &rough, MOVED, SHARDS);
	/* Between entities the order is no contract; here it happens to be the same. */
	same_topic(&calm, &rough, "weir.items.v1", SHARDS);
	same_topic(&calm, &rough, "weir.ever.v1", SHARDS);
	if (memory < 4 << 20) {
		const struct merge *m = rough.worker->merges[0];
		ck_assert_uint_gt(rough.paused, 0);
		ck_assert_uint_le(rough.queued_max, 2 * m->bytes_max + 4 * 1000 * 250);
		for (uint32_t i = 0; i < m->nqueues; i++)
			ck_assert(!m->queues[i]->paused);
	}
	world_close(&calm);
	world_close(&rough);
}

START_TEST(any_delivery)
{
	two_replays((uint64_t)_i, 64 << 20, 0, NULL);
}
END_TEST

START_TEST(any_delivery_squeezed)
{
	two_replays((uint64_t)_i + 100, 1 << 19, 0, NULL);
}
END_TEST

START_TEST(over_aborts_and_kills)
{
	two_replays((uint64_t)_i + 200, _i % 2 ? 1 << 19 : 64 << 20, 20, aborts_and_kills);
}
END_TEST

/* -- rebalances: nothing is lost, nothing comes twice -- */

static void takes_and_kills(struct world *w)
{
	if (rnd(20) == 0)
		memory_log_take(w->broker, "events", (int32_t)rnd(PARTITIONS), rnd(2));
	if (rnd(150) == 0)
		kill_worker(w);
}

/* Every source offset once. */
static void moved_once(struct world *w)
{
	uint8_t *seen = xcalloc((size_t)PARTITIONS * EVENTS, 1);
	uint32_t late = records(w, "weir.t.late", 1), n = 0;
	for (int32_t p = 0; p < SHARDS; p++) {
		struct log_record r;
		for (uint32_t i = 0; memory_log_read(w->broker, MOVED, p, i, &r) == ST_OK;
		        i++, n++) {
			struct reader in =
			        reader_of((struct slice){r.value.p + 10, r.value.len - 10});
			reader_varint(&in);
			reader_varint(&in);
			int64_t partition = reader_varint(&in), offset = reader_varint(&in);
			ck_assert_uint_eq(seen[partition * EVENTS + offset]++, 0);
		}
	}
	ck_assert_uint_gt(late, 0);
	ck_assert_uint_eq(n + late, EVENTS);
	free(seen);
}

START_TEST(taken_in_mid_merge)
{
	struct world w;
	seed = (uint64_t)_i * 31 + 7;
	world_open(&w, _i % 2 ? 1 << 19 : 64 << 20);
	fill(&w, (uint64_t)_i);
	w.adversary = true;
	w.faults = 10;
	worker_start(&w);
	run_to_end(&w, takes_and_kills);
	moved_once(&w);
	world_close(&w);
}
END_TEST

/* -- a decoder that waits for a schema -- */

static const struct format *held_format;
static int decodes; /* until one of them fails; -1: none */

static enum status held_decode(struct decoder *d, const struct slice *values, uint32_t n,
        struct column *cols, struct bad_record *bad, struct arena *a, struct error *e)
{
	if (decodes >= 0 && decodes-- == 0)
		return error_set(e, ERR_RETRIABLE, 0, "no schema yet");
	return held_format->decode(d, values, n, cols, bad, a, e);
}

START_TEST(held_in_mid_round)
{
	struct world w;
	struct format f;
	seed = 1;
	world_open(&w, 64 << 20);
	fill(&w, 1);
	w.stuck = 0;
	w.adversary = true; /* which makes small pieces */
	worker_start(&w);
	for (int i = 0; i < 20; i++)
		step(&w);
	ck_assert_uint_eq(records(&w, MOVED, SHARDS), 0);
	struct task *t = task_of(&w, _i % PARTITIONS);
	held_format = t->format;
	f = *t->format;
	f.decode = held_decode;
	t->format = &f;
	decodes = _i / PARTITIONS;
	w.stuck = -1;
	for (int i = 0; i < 200 && decodes >= 0; i++)
		step(&w);
	ck_assert_int_eq(decodes, -1);
	run_to_end(&w, NULL);
	moved_once(&w);
	world_close(&w);
}
END_TEST

/* -- the head of the log -- */

static void live_world(struct world *w)
{
	world_open(w, 64 << 20);
	worker_start(w);
	for (int i = 0; i < 50; i++)
		step(w);
	for (int32_t p = 0; p < PARTITIONS; p++)
		event(w, p, p, p, T0, T0);
	for (int i = 0; i < 20; i++)
		step(w);
	ck_assert_uint_eq(records(w, MOVED, SHARDS), PARTITIONS);
}

START_TEST(live_records_are_not_delayed)
{
	struct world w;
	live_world(&w);
	/* A transaction's control record ends partition 1: it is never shown. */
	memory_log_skip_to(w.broker, "events", 1, 10);
	event(&w, 0, 0, 0, T0 + 1, T0 + 1);
	for (int i = 0; i < 4; i++)
		step(&w);
	ck_assert_uint_eq(records(&w, MOVED, SHARDS), PARTITIONS + 1);
	world_close(&w);
}
END_TEST

START_TEST(silent_partition_is_waited_for_a_second)
{
	struct world w;
	live_world(&w);
	w.stuck = 1;
	event(&w, 1, 1, 1, T0 + 1, T0 + 1);
	event(&w, 0, 0, 0, T0 + 2, T0 + 2);
	for (int i = 0; i < 300; i++) /* 0.9 s */
		step(&w);
	ck_assert_uint_eq(records(&w, MOVED, SHARDS), PARTITIONS);
	for (int i = 0; i < 100; i++)
		step(&w);
	ck_assert_uint_eq(records(&w, MOVED, SHARDS), PARTITIONS + 1);
	w.stuck = -1;
	for (int i = 0; i < 10; i++)
		step(&w);
	ck_assert_uint_eq(records(&w, MOVED, SHARDS), PARTITIONS + 2);
	world_close(&w);
}
END_TEST

START_TEST(queued_is_not_idle)
{
	struct world w;
	world_open(&w, 64 << 20);
	w.wall_idle = true;
	w.clock.now_ms = T0 + 10 * 3600000;
	worker_start(&w);
	w.stuck = 1;
	event(&w, 0, 0, 0, T0, T0);
	event(&w, 1, 1, 1, T0 + 1, T0 + 1);
	event(&w, 0, 0, 0, T0 + 2, T0 + 2);
	for (int i = 0; i < 300; i++) { /* 0.9 s, of 0.5 that make a partition idle */
		step(&w);
		ck_assert_uint_eq(records(&w, "weir.users.v1", PARTITIONS), 0);
	}
	ck_assert_int_eq(task_of(&w, 0)->quiet_since_ns, 0);
	world_close(&w);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("merge");
	TCase *tc = tcase_create("merge");
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, by_timestamp_then_partition);
	tcase_add_test(tc, waits_a_second_for_what_is_to_come);
	tcase_add_test(tc, waits_longer_where_old_records_are_read_again);
	tcase_add_test(tc, rounds_and_blocks_have_bounds);
	tcase_add_loop_test(tc, any_delivery, 0, 5);
	tcase_add_loop_test(tc, any_delivery_squeezed, 0, 5);
	tcase_add_loop_test(tc, over_aborts_and_kills, 0, 8);
	tcase_add_loop_test(tc, taken_in_mid_merge, 0, 8);
	tcase_add_loop_test(tc, held_in_mid_round, 0, 2 * PARTITIONS);
	tcase_add_test(tc, live_records_are_not_delayed);
	tcase_add_test(tc, silent_partition_is_waited_for_a_second);
	tcase_add_test(tc, queued_is_not_idle);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
