// SPDX-License-Identifier: Apache-2.0
//
// The write-back table against a plain model: random writes, commits, aborts, drops, flushes and
// a budget far too small for the data, over the real RocksDB store. What is read back, which
// entity is due, and in which order, must not depend on what happens to be in memory.
#include <check.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/table.h"
#include "state/table_inside.h"

#define KEYS 3000
#define STEPS 400

struct row {
	struct row_head head;
	int64_t value;
};

struct model {
	bool there;
	int64_t due, value;
};

static void pack(void *arg, struct heap *h)
{
	(void)arg;
	h->garbage = 0;
}

static uint64_t seed = 42;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct slice key_of(char *out, int k)
{
	sprintf(out, "key-%05d", k);
	return slice_of(out);
}

static struct table_space space;

static struct table *open_table(struct store_task *task, uint64_t memory)
{
	space = (struct table_space){slice_of("v1:"), pack, NULL};
	struct table_conf conf = {&clock_system, task, &space, 1, memory};
	return table_new(&conf);
}

static void write_row(struct table *t, struct entry *en, int64_t due, int64_t value)
{
	struct heap *h = entry_write(t, en);
	if (h->cap < sizeof(struct row)) {
		h->base = xrealloc(h->base, sizeof(struct row));
		h->cap = sizeof(struct row);
	}
	h->len = sizeof(struct row);
	*(struct row *)h->base = (struct row){{ROW_FORMAT, 0, due}, value};
	entry_due_changed(t, en);
}

static void check_all(struct table *t, const struct model *m)
{
	struct arena a = {0};
	struct error e;
	char text[32];
	for (int k = 0; k < KEYS; k++) {
		struct slice s = key_of(text, k);
		uint64_t h = entity_hash(s);
		struct entry *en;
		ck_assert_int_eq(table_resolve(t, 0, &s, &h, 1, &en, &a, &e), ST_OK);
		const struct heap *row = entry_read(en, &a);
		ck_assert_int_eq(row != NULL, m[k].there);
		if (row)
			ck_assert_int_eq(((struct row *)row->base)->value, m[k].value);
	}
	arena_release(&a);
}

/* The model's smallest (due, key) at or below upto; -1. */
static int model_due(const struct model *m, int64_t upto)
{
	int best = -1;
	for (int k = 0; k < KEYS; k++)
		if (m[k].there && m[k].due <= upto && (best < 0 || m[k].due < m[best].due))
			best = k;
	return best;
}

static void one_epoch(struct table *t, struct model *m, int64_t *now)
{
	struct arena a = {0};
	struct error e;
	char text[32];
	static struct model before[KEYS];
	memcpy(before, m, sizeof before);
	for (int i = 0; i < 40; i++) {
		int k = (int)(rnd() % KEYS);
		struct slice s = key_of(text, k);
		uint64_t h = entity_hash(s);
		struct entry *en;
		ck_assert_int_eq(table_resolve(t, 0, &s, &h, 1, &en, &a, &e), ST_OK);
		if (rnd() % 10 == 0) {
			entry_drop(t, en);
			m[k].there = false;
			continue;
		}
		m[k] = (struct model){true, *now + (int64_t)(rnd() % 5000), (int64_t)rnd()};
		write_row(t, en, m[k].due, m[k].value);
	}
	*now += (int64_t)(rnd() % 200);
	struct entry *en;
	for (int i = 0; i < 30 && table_due(t, 0, *now, &en, &a, &e) == ST_OK; i++) {
		int k = model_due(m, *now);
		ck_assert_int_ge(k, 0);
		ck_assert(slice_eq(entry_entity(en), key_of(text, k)));
		m[k].due = *now + 1 + (int64_t)(rnd() % 5000);
		write_row(t, en, m[k].due, m[k].value);
	}
	if (rnd() % 4 == 0) {
		table_abort(t);
		memcpy(m, before, sizeof before);
	} else {
		char meta[32];
		sprintf(meta, "at %ld", (long)*now);
		table_commit(t, slice_of(meta));
	}
	ck_assert_int_eq(table_tidy(t, rnd() % 3 == 0, true, &e), ST_OK);
	arena_release(&a);
}

static void run(bool disk, uint64_t memory)
{
	static struct model m[KEYS];
	memset(m, 0, sizeof m);
	char dir[] = "/tmp/weir-table-XXXXXX";
	ck_assert_ptr_nonnull(mkdtemp(dir));
	struct store *store = NULL;
	struct store_task *task = NULL;
	struct error e;
	if (disk) {
		ck_assert_msg(!rocks_store_open(dir, 8 << 20, &store, &e), "%s", e.msg);
		ck_assert_int_eq(store->ops->task_open(store, "job/stage/0", &task, &e), ST_OK);
	}
	struct table *t = open_table(task, memory);
	int64_t now = 1000;
	uint64_t evicted = 0;
	struct table_stats st;
	for (int i = 0; i < STEPS; i++) {
		one_epoch(t, m, &now);
		if (disk && i % 100 == 99) { /* a restart: everything comes back from the store */
			ck_assert_int_eq(table_flush(t, &e), ST_OK);
			table_stats(t, &st);
			evicted += st.evicted;
			table_free(t);
			t = open_table(task, memory);
		}
	}
	check_all(t, m);
	if (disk)
		ck_assert_uint_gt(evicted, 0);
	table_free(t);
	if (disk) {
		ck_assert_int_eq(task->ops->wipe(task, &e), ST_OK);
		t = open_table(task, memory);
		memset(m, 0, sizeof m);
		check_all(t, m);
		table_free(t);
		task->ops->task_close(task);
		store->ops->close(store);
	}
	char cmd[64];
	sprintf(cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(memory_only)
{
	run(false, 1 << 30);
}
END_TEST

START_TEST(over_store_with_room)
{
	run(true, 256 << 10);
}
END_TEST

START_TEST(over_store_squeezed)
{
	run(true, 20 << 10);
}
END_TEST

#define LIVE_ROWS 300
#define LIVE_EPOCHS 4
#define LIVE_ROOM 200 /* for changes, beside an eighth of the row */

static uint32_t live_len(int k)
{
	return (uint32_t)(sizeof(struct row) + (unsigned)(k * k) / 16 * 8);
}

/* Writes row k as it should be at the end of an epoch; every word another. */
static void live_write(struct heap *h, int k, uint64_t epoch)
{
	uint32_t len = live_len(k);
	if (h->cap < len) {
		h->base = xrealloc(h->base, len);
		h->cap = len;
	}
	h->len = len;
	*(struct row *)h->base = (struct row){{ROW_FORMAT, 0, STORE_NO_DUE}, 0};
	for (uint32_t i = sizeof(struct row_head); i < len; i += 8)
		memcpy(h->base + i, &(uint64_t){epoch << 32 | (uint32_t)k << 20 | i}, 8);
}

static void live_check(const struct heap *h, int k, uint64_t epoch)
{
	uint32_t len = live_len(k), most = len + len / 8 + LIVE_ROOM;
	ck_assert_uint_eq(h->len, len);
	ck_assert_uint_ge(h->cap, len + LIVE_ROOM);
	ck_assert_uint_le(h->cap, most + most / 4 + 1);
	for (uint32_t i = sizeof(struct row_head); i < len; i += 8)
		ck_assert(!memcmp(h->base + i,
		        &(uint64_t){epoch << 32 | (uint32_t)k << 20 | i}, 8));
}

/* A live row's buffer, kept from the epoch before or not, is never much larger than the row. */
START_TEST(live_buffers_fit)
{
	struct table *t = open_table(NULL, 1 << 30);
	struct arena a = {0};
	struct error e;
	char text[32];
	for (uint64_t epoch = 1; epoch <= LIVE_EPOCHS; epoch++) {
		for (int k = 0; k < LIVE_ROWS; k++) {
			struct slice s = key_of(text, k);
			uint64_t hash = entity_hash(s);
			struct entry *en;
			ck_assert_int_eq(
			        table_resolve(t, 0, &s, &hash, 1, &en, &a, &e), ST_OK);
			struct heap *h = entry_write(t, en);
			if (epoch > 1)
				live_check(h, k, epoch - 1);
			live_write(h, k, epoch);
			entry_due_changed(t, en);
		}
		table_commit(t, slice_of("meta"));
		arena_reset(&a);
	}
	table_free(t);
	arena_release(&a);
}
END_TEST

#define FORGOTTEN 2000

/* A midnight forgets many at once: each is looked at live, and none is kept so. Another row may come
 * to one in the same epoch. */
START_TEST(forgotten_rows_are_not_live)
{
	struct table *t = open_table(NULL, 1 << 30);
	struct arena a = {0};
	struct error e;
	struct entry *en[FORGOTTEN];
	char text[32];
	for (int epoch = 1; epoch <= 2; epoch++) {
		for (int k = 0; k < FORGOTTEN; k++) {
			struct slice s = key_of(text, k);
			uint64_t hash = entity_hash(s);
			ck_assert_int_eq(
			        table_resolve(t, 0, &s, &hash, 1, &en[k], &a, &e), ST_OK);
			live_write(entry_write(t, en[k]), k % 100, epoch);
			entry_due_changed(t, en[k]);
			if (epoch == 2)
				entry_drop(t, en[k]);
		}
		if (epoch == 2)
			break;
		ck_assert_uint_gt(table_live_bytes(t), FORGOTTEN * sizeof(struct row));
		table_commit(t, slice_of("meta"));
	}
	ck_assert_uint_eq(table_changed(t), FORGOTTEN);
	ck_assert_uint_eq(table_live_bytes(t), 0);
	ck_assert_ptr_null(entry_read(en[7], &a));
	ck_assert_uint_eq(entry_write(t, en[7])->len, 0);
	live_write(entry_write(t, en[7]), 7, 9);
	entry_due_changed(t, en[7]);
	table_commit(t, slice_of("meta"));
	live_check(entry_write(t, en[7]), 7, 9);
	ck_assert_ptr_null(entry_read(en[8], &a));
	table_free(t);
	arena_release(&a);
}
END_TEST

/* A store whose write waits until it may go on, and then fails or not. */
struct gate {
	struct store_task task;
	struct store_task *store;
	sem_t go;
	bool fails;
};

static enum status gate_meta(
        struct store_task *t, struct slice *out, struct arena *a, struct error *e)
{
	struct store_task *store = ((struct gate *)t)->store;
	return store->ops->meta(store, out, a, e);
}

static enum status gate_write(struct store_task *t, const struct store_write *writes,
        uint32_t n, struct slice meta, struct error *e)
{
	struct gate *g = (struct gate *)t;
	sem_wait(&g->go);
	if (g->fails)
		return error_set(e, ERR_RETRIABLE, 0, "it was told to");
	return g->store->ops->write(g->store, writes, n, meta, e);
}

static const struct store_ops gate_ops = {.meta = gate_meta, .write = gate_write};

#define GATE_ROWS 40

/* An epoch that writes every step-th row, due at base and its number. */
static void gate_epoch(struct table *t, int step, int64_t base)
{
	struct arena a = {0};
	struct error e;
	char text[32];
	for (int k = 0; k < GATE_ROWS; k += step) {
		struct slice s = key_of(text, k);
		uint64_t hash = entity_hash(s);
		struct entry *en;
		ck_assert_int_eq(table_resolve(t, 0, &s, &hash, 1, &en, &a, &e), ST_OK);
		write_row(t, en, base + k, k);
	}
	table_commit(t, slice_of("meta"));
	arena_release(&a);
}

/* The store has a timer for each row, at the base of its last epoch, and no others. */
static void gate_timers(struct gate *g, int step, int64_t base, int64_t others)
{
	struct store_timer timers[3 * GATE_ROWS];
	struct arena a = {0};
	struct error e;
	uint32_t n = 0;
	ck_assert_int_eq(
	        g->store->ops->timers(g->store, slice_of("v1:"), INT64_MIN, (struct slice){0},
	                STORE_NO_DUE, timers, 3 * GATE_ROWS, &n, &a, &e),
	        ST_OK);
	ck_assert_uint_eq(n, GATE_ROWS);
	for (uint32_t i = 0; i < n; i++) {
		char text[32] = {0};
		int k = 0;
		ck_assert_uint_lt(timers[i].entity.len, sizeof text);
		memcpy(text, timers[i].entity.p, timers[i].entity.len);
		ck_assert_int_eq(sscanf(text, "key-%d", &k), 1);
		ck_assert_int_eq(timers[i].due, (k % step ? others : base) + k);
	}
	arena_release(&a);
}

/* Rows that change while a flush is under way which then fails: their timers in the store are those
 * from before it, and the next flush takes them out. */
START_TEST(a_flush_that_fails)
{
	struct gate g = {.task = {&gate_ops}};
	struct store *store;
	struct error e;
	char dir[] = "/tmp/weir-table-XXXXXX", cmd[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	sem_init(&g.go, 0, 0);
	ck_assert_int_eq(rocks_store_open(dir, 8 << 20, &store, &e), ST_OK);
	ck_assert_int_eq(store->ops->task_open(store, "job/stage/0", &g.store, &e), ST_OK);
	struct table *t = open_table(&g.task, 1 << 30);

	gate_epoch(t, 1, 1000);
	sem_post(&g.go);
	ck_assert_int_eq(table_flush(t, &e), ST_OK);
	gate_timers(&g, 1, 1000, 0);

	g.fails = true;
	gate_epoch(t, 1, 2000);
	ck_assert_int_eq(table_tidy(t, true, true, &e), ST_OK); /* it waits for us */
	gate_epoch(t, 2, 3000);
	sem_post(&g.go);
	ck_assert_int_eq(table_flush(t, &e), ST_ERR);
	gate_timers(&g, 1, 1000, 0);

	g.fails = false;
	sem_post(&g.go);
	ck_assert_int_eq(table_flush(t, &e), ST_OK);
	gate_timers(&g, 2, 3000, 2000);

	table_free(t);
	g.store->ops->task_close(g.store);
	store->ops->close(store);
	sem_destroy(&g.go);
	sprintf(cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST

#define CROWD_EPOCHS 300
#define CROWD_ROWS 500 /* of an epoch, all new */
#define CROWD_BYTES (6 << 20)
#define CROWD_RUN_MAX 300 /* slots; chance alone makes runs of 100 */

static uint64_t longest_run(const struct space *s)
{
	uint64_t longest = 0, run = 0;
	for (uint64_t i = 0; i <= s->mask; i++) {
		run = s->slots[i] ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* What eviction leaves is spread over the slots, so that no run of them grows long: taking one out
 * of a run costs its length. */
START_TEST(evicted_everywhere)
{
	struct store *store;
	struct store_task *task;
	struct arena a = {0};
	struct error e;
	char dir[] = "/tmp/weir-table-XXXXXX", cmd[64], text[32];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(rocks_store_open(dir, 8 << 20, &store, &e), ST_OK);
	ck_assert_int_eq(store->ops->task_open(store, "job/stage/0", &task, &e), ST_OK);
	struct table *t = open_table(task, CROWD_BYTES);
	double fullest = 0;
	for (int epoch = 0, k = 0; epoch < CROWD_EPOCHS; epoch++) {
		for (int i = 0; i < CROWD_ROWS; i++, k++) {
			struct slice s = key_of(text, k);
			uint64_t h = entity_hash(s);
			struct entry *en;
			ck_assert_int_eq(table_resolve(t, 0, &s, &h, 1, &en, &a, &e), ST_OK);
			write_row(t, en, STORE_NO_DUE, k);
		}
		table_commit(t, slice_of("meta"));
		ck_assert_int_eq(table_flush(t, &e), ST_OK);
		ck_assert_int_eq(table_tidy(t, false, true, &e), ST_OK);
		const struct space *s = &t->spaces[0];
		double full = (double)s->count / (double)(s->mask + 1);
		fullest = full > fullest ? full : fullest;
		ck_assert_uint_le(longest_run(s), CROWD_RUN_MAX);
		arena_reset(&a);
	}
	ck_assert_uint_gt(t->stats.evicted, CROWD_EPOCHS * CROWD_ROWS / 2);
	ck_assert_double_gt(fullest, 0.5);
	table_free(t);
	arena_release(&a);
	task->ops->task_close(task);
	store->ops->close(store);
	sprintf(cmd, "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *tc = tcase_create("table");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, memory_only);
	tcase_add_test(tc, over_store_with_room);
	tcase_add_test(tc, over_store_squeezed);
	tcase_add_test(tc, live_buffers_fit);
	tcase_add_test(tc, forgotten_rows_are_not_live);
	tcase_add_test(tc, a_flush_that_fails);
	tcase_add_test(tc, evicted_everywhere);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
