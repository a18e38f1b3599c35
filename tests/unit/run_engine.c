// SPDX-License-Identifier: Apache-2.0
//
// The whole engine over the log in memory: the same events once undisturbed, and once with every
// step of the protocol failing now and then, answers lost, producers ambiguous, the online store
// down, emptied or rolled back, and workers dying and coming back over the same or no local
// state. Rows, their order per entity, counts and the online store must come out the same, also
// when they are written in blocks and those of the undisturbed run one by one.
#include "engine_rig.h"

#define EVENTS 4000
#define USERS 40
#define ITEMS 12

/* The other node follows: all of it, or as far as it gets. */
static void standby_visit(struct world *w)
{
	static atomic_bool never;
	struct standby_conf c = {.plan = w->plan, .log = &memory_log, .broker = w->broker,
		.store = w->standby, .clock = &w->clock.clock, .node = "other", .copies = 1,
		.memory_bytes = 4000, .stop = &never};
	struct standby_copy *copy = w->copies;
	for (uint32_t i = 0; i < w->plan->nstages; i++)
		for (int32_t p = 0; p < w->plan->stages[i].partitions; p++, copy++) {
			ck_assert(copy < w->copies + COPIES_MAX);
			atomic_bool let_go = rnd(10) == 0;
			struct error e;
			if (standby_follow(&c, &w->plan->stages[i], p, &let_go, copy, &e))
				ck_assert_msg(strstr(e.msg, "injected"), "%s", e.msg);
			else if (let_go)
				w->left_behind += copy->lag > 0;
			else
				ck_assert_int_eq(copy->lag, 0);
		}
}

static uint64_t standby_rows(const struct world *w)
{
	uint64_t rows = 0;
	for (int i = 0; i < COPIES_MAX; i++)
		rows += w->copies[i].rows;
	return rows;
}

/* The other node takes over, with the copies that it has kept. */
static void stores_swap(struct world *w)
{
	struct store *store = w->store;
	char dir[sizeof w->dir];
	memcpy(dir, w->dir, sizeof dir);
	w->store = w->standby;
	memcpy(w->dir, w->standby_dir, sizeof dir);
	w->standby = store;
	memcpy(w->standby_dir, dir, sizeof dir);
}

/* Dies with whatever it was doing; comes back over its store, or none. */
static void kill_worker(struct world *w)
{
	worker_kill(w->worker, &w->faults);
	uint64_t luck = rnd(3);
	if (w->store && luck == 0) {
		store_lose(&w->store, w->dir);
		store_open(&w->store, w->dir);
	} else if (w->store && luck == 1) {
		stores_swap(w);
	}
	worker_start(w);
}

static void event(struct world *w, int i, uint64_t *event_seed)
{
	uint64_t keep = seed;
	seed = *event_seed;
	char value[200];
	uint64_t user = rnd(USERS), item = rnd(ITEMS);
	int64_t at = 1700000000000 + (int64_t)i * 4000 - (int64_t)rnd(rnd(50) ? 30000 : 90000);
	int n = sprintf(value,
		"{\"user\":\"u:%d|%%\",\"item\":%s%d%s,\"at\":%lld,\"amount\":%.2f}", (int)user,
		rnd(20) ? "\"i" : "null,\"x\":\"", (int)item, "\"", (long long)at,
		(double)rnd(10000) / 100);
	if (rnd(100) == 0)
		n = sprintf(value, "{\"user\":6.5}");
	struct slice v = {(uint8_t *)value, (uint32_t)n}, k = {(uint8_t *)value + 8, 6};
	memory_log_produce(w->broker, "events", (int32_t)(user % PARTITIONS), &k, &v,
		at + (int64_t)rnd(100000));
	*event_seed = seed;
	seed = keep;
}

static void disturb(struct world *w)
{
	switch (rnd(60)) {
	case 0:
		kill_worker(w);
		break;
	case 1:
		memory_online_down(w->online, true);
		break;
	case 2:
	case 3:
		memory_online_down(w->online, false);
		break;
	case 4:
		memory_online_snapshot(w->online);
		break;
	case 5:
		memory_online_rollback(w->online);
		break;
	case 6:
		if (rnd(4) == 0)
			memory_online_wipe(w->online);
		break;
	case 7:
	case 8:
		if (w->standby)
			standby_visit(w);
		break;
	}
}

static void run_all(struct world *w, uint64_t event_seed, bool disturbed)
{
	for (int i = 0; i < EVENTS; i++) {
		event(w, i, &event_seed);
		if (i % 10)
			continue;
		step(w);
		if (disturbed)
			disturb(w);
		if (w->standby && i == EVENTS / 2) {
			standby_visit(w);
			worker_close(w->worker);
			stores_swap(w);
			worker_start(w);
		}
	}
	w->faults = 0;
	memory_online_down(w->online, false);
	for (int i = 0; i < 20000 && !settled(w); i++)
		step(w);
	ck_assert(settled(w));
}

/* -- comparing -- */

struct row {
	char topic[32];
	int32_t partition;
	uint32_t index;
	struct slice key, value; /* Avro bytes without the frame */
};

static struct arena keys; /* of rows in blocks */

static int row_cmp(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	int c = strcmp(a->topic, b->topic);
	if (!c)
		c = a->partition - b->partition;
	const uint8_t *ea = memchr(a->key.p, '|', a->key.len), *eb = memchr(b->key.p, '|', b->key.len);
	if (!c)
		c = slice_cmp((struct slice){a->key.p, (uint32_t)(ea - a->key.p)},
			(struct slice){b->key.p, (uint32_t)(eb - b->key.p)});
	return c ? c : (a->index > b->index) - (a->index < b->index);
}

struct found {
	struct row *rows;
	uint32_t n, cap;
};

static void row_found(struct found *f, const char *topic, int32_t partition, struct slice key,
	struct slice value)
{
	if (f->n == f->cap)
		f->rows = xrealloc(f->rows, (f->cap = f->cap ? 2 * f->cap : 64) * sizeof *f->rows);
	f->rows[f->n] = (struct row){.partition = partition, .index = f->n, .key = key,
		.value = value};
	snprintf(f->rows[f->n++].topic, sizeof f->rows->topic, "%s", topic);
}

static const struct view_plan *view_of(struct world *w, const char *topic, uint32_t *nentity)
{
	for (uint32_t i = 0; i < w->job->nviews; i++)
		if (strcmp(w->plan->views[i].topic, topic) == 0) {
			*nentity = w->job->views[i].nentity;
			return &w->plan->views[i];
		}
	ck_abort_msg("no view %s", topic);
}

/* The key that the row would have as a record. */
static struct slice row_key(const struct view_plan *vp, uint32_t nentity, struct slice row)
{
	struct reader in = reader_of(row);
	struct value v[8];
	struct buf b = {0};
	for (uint32_t i = 0; i < nentity + ROW_HEAD; i++)
		avro_read(&in, &vp->schema->fields[i].type, vp->schema->fields[i].nullable, &v[i]);
	ck_assert(!in.failed);
	entity_write(&b, vp->entity_types, v, nentity);
	buf_printf(&b, "|%lld|", (long long)v[nentity].i64);
	if (v[nentity + 2].null)
		buf_str(&b, "x");
	else
		buf_printf(&b, "%d:%lld", (int)v[nentity + 2].i64, (long long)v[nentity + 3].i64);
	struct slice key = arena_slice(&keys, buf_view(&b));
	buf_release(&b);
	return key;
}

/* The key's first part is the first source position of the block. */
static void block_found(struct world *w, struct found *f, const char *topic, int32_t partition,
	const struct log_record *r)
{
	uint32_t nentity, n = 0;
	const struct view_plan *vp = view_of(w, topic, &nentity);
	struct block_reader in;
	struct slice row;
	enum status st;
	const char *first = "x";
	ck_assert_uint_le(r->value.len, BLOCK_BYTES_MAX + 16);
	block_read(&in, block_unframe(r->value), vp->schema);
	while ((st = block_next(&in, &row)) == ST_OK) {
		struct slice key = row_key(vp, nentity, row);
		row_found(f, topic, partition, key, row);
		const char *last = strrchr(arena_strndup(&keys, (const char *)key.p, key.len), '|') + 1;
		if (*first == 'x')
			first = last;
		n++;
	}
	ck_assert_int_eq(st, ST_END);
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, BLOCK_ROWS_MAX);
	ck_assert_uint_eq(memcmp(r->key.p, first, strlen(first)), 0);
	ck_assert_uint_eq(r->key.p[strlen(first)], '|');
}

static int slice_order(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* A topic that is compacted keeps one record of a key. */
static void check_unique(struct world *w, const char *topic, int32_t partition)
{
	struct slice all[EVENTS * 2];
	struct log_record r;
	uint32_t n = 0;
	for (; memory_log_read(w->broker, topic, partition, n, &r) == ST_OK; n++) {
		ck_assert_uint_lt(n, EVENTS * 2);
		all[n] = r.key;
	}
	qsort(all, n, sizeof *all, slice_order);
	for (uint32_t i = 1; i < n; i++)
		ck_assert_msg(slice_cmp(all[i - 1], all[i]) != 0, "%s[%d]: %.*s twice", topic,
			(int)partition, (int)all[i].len, all[i].p);
}

static uint32_t rows_of(struct world *w, const char *topic, int32_t partitions, struct row **out)
{
	struct found f = {0};
	for (int32_t p = 0; p < partitions; p++) {
		struct log_record r;
		check_unique(w, topic, p);
		for (uint32_t i = 0; memory_log_read(w->broker, topic, p, i, &r) == ST_OK; i++) {
			ck_assert(block_key_is(r.key) == w->job->views[0].blocks);
			if (block_key_is(r.key))
				block_found(w, &f, topic, p, &r);
			else
				row_found(&f, topic, p, r.key, block_unframe(r.value));
		}
	}
	qsort(f.rows, f.n, sizeof *f.rows, row_cmp);
	*out = f.rows;
	return f.n;
}

static void compare_topic(struct world *a, struct world *b, const char *topic, int32_t partitions)
{
	struct row *ra, *rb;
	uint32_t na = rows_of(a, topic, partitions, &ra), nb = rows_of(b, topic, partitions, &rb);
	ck_assert_uint_gt(na, 100);
	ck_assert_uint_eq(na, nb);
	for (uint32_t i = 0; i < na; i++) {
		ck_assert_msg(slice_eq(ra[i].key, rb[i].key), "%s row %u: %.*s, %.*s", topic, i,
			(int)ra[i].key.len, ra[i].key.p, (int)rb[i].key.len, rb[i].key.p);
		ck_assert_msg(slice_eq(ra[i].value, rb[i].value), "%s: the value of %.*s", topic,
			(int)ra[i].key.len, ra[i].key.p);
	}
	free(ra);
	free(rb);
}

/* Fields but _v, as text. */
static void compare_online(struct world *a, struct world *b, const char *view, const char *topic,
	int32_t partitions)
{
	struct row *r;
	struct buf ta = {0}, tb = {0};
	uint32_t n = rows_of(a, topic, partitions, &r);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *bar = memchr(r[i].key.p, '|', r[i].key.len);
		struct slice entity = {r[i].key.p, (uint32_t)(bar - r[i].key.p)};
		online_text(a, view, entity, &ta);
		online_text(b, view, entity, &tb);
		ck_assert_str_eq(buf_cstr(&ta), buf_cstr(&tb));
	}
	buf_release(&ta);
	buf_release(&tb);
	free(r);
}

static void counts_of(struct world *w, const char *topic, uint32_t *n)
{
	struct log_record r;
	for (*n = 0; memory_log_read(w->broker, topic, 0, *n, &r) == ST_OK; ++*n)
		;
}

/* Snapshots let the changelogs' beginnings be deleted. */
static void check_trimmed(struct world *w)
{
	struct error e;
	int trimmed = 0;
	for (uint32_t i = 0; i < w->plan->nstages; i++)
		for (int32_t p = 0; p < w->plan->stages[i].partitions; p++) {
			int64_t begin, end;
			memory_log.bounds(w->broker, w->plan->stages[i].changelog, p, &begin, &end,
				&e);
			trimmed += begin > 0;
		}
	ck_assert_int_gt(trimmed, 0);
}

static void one_seed(uint64_t s, bool disk, uint64_t memory, int faults, bool blocks)
{
	struct world calm, rough;
	seed = s * 7919 + 1;
	world_open(&calm, false, 64 << 20, false);
	run_all(&calm, s + 12345, false);
	world_open(&rough, disk, memory, blocks);
	rough.faults = faults;
	run_all(&rough, s + 12345, true);
	compare_topic(&calm, &rough, "weir.users.v1", PARTITIONS);
	compare_online(&calm, &rough, "users", "weir.users.v1", PARTITIONS);
	uint32_t a, b;
	counts_of(&calm, "weir.t.dead", &a);
	counts_of(&rough, "weir.t.dead", &b);
	ck_assert_uint_gt(a, 10);
	ck_assert_uint_eq(a, b);
	counts_of(&calm, "weir.t.late", &a);
	counts_of(&rough, "weir.t.late", &b);
	ck_assert_uint_gt(a, 0);
	ck_assert_uint_eq(a, b);
	if (disk && memory < 1 << 20)
		check_trimmed(&rough);
	if (disk) {
		ck_assert_uint_gt(standby_rows(&rough), 0);
		ck_assert_uint_gt(rough.left_behind, 0);
	}
	world_close(&calm);
	world_close(&rough);
	arena_reset(&keys);
}

START_TEST(memory_state)
{
	one_seed((uint64_t)_i, false, 64 << 20, 20, false);
}
END_TEST

START_TEST(disk_state)
{
	one_seed((uint64_t)_i + 100, true, 64 << 20, 20, false);
}
END_TEST

START_TEST(disk_state_squeezed)
{
	one_seed((uint64_t)_i + 200, true, 64 << 10, 40, false);
}
END_TEST

START_TEST(blocks)
{
	one_seed((uint64_t)_i + 300, false, 64 << 20, 20, true);
}
END_TEST

START_TEST(blocks_on_disk)
{
	one_seed((uint64_t)_i + 400, true, 64 << 10, 40, true);
}
END_TEST

static uint64_t table_bytes(struct world *w, uint64_t *evicted)
{
	uint64_t bytes = 0;
	*evicted = 0;
	for (uint32_t i = 0; i < w->worker->ntasks; i++) {
		struct table_stats st;
		table_stats(w->worker->tasks[i]->table, &st);
		bytes += st.bytes;
		*evicted += st.evicted;
	}
	return bytes;
}

/* More jobs have come to the node: this one's tables give memory back. */
START_TEST(share_of_memory_falls)
{
	struct world w;
	uint64_t evicted, small = 64 << 10;
	seed = 1;
	world_open(&w, true, 64 << 20, false);
	run_all(&w, 77, false);
	ck_assert_uint_gt(table_bytes(&w, &evicted), small);
	ck_assert_uint_eq(evicted, 0);
	atomic_store(&w.memory_now, small);
	for (int i = 0; i < 50; i++)
		step(&w);
	ck_assert_uint_le(table_bytes(&w, &evicted), small);
	ck_assert_uint_gt(evicted, 0);
	world_close(&w);
}
END_TEST

static const char forgetful_text[] =
	"job: f\n"
	USER_EVENTS("")
	"views:\n"
	"  users:\n"
	"    entity: [user]\n"
	"    from: events\n"
	"    expiry: none\n"
	"    features:\n"
	"      n: count() over 1h\n";

static uint64_t forgotten_after(struct worker *k, struct clock_manual *clock, int64_t offset)
{
	for (int i = 0; i < 1000 && (!k->ntasks || k->tasks[0]->next_offset < offset); i++)
		worker_go(k, clock);
	ck_assert_int_eq(k->tasks[0]->next_offset, offset);
	const struct op_slot *s = &k->tasks[0]->ops[0];
	return s->def->counts(s->op)->forgotten;
}

#define FORGETFUL_USERS 1000
#define FORGETFUL_RECORDS 10

/* The end of an hour makes all of its entities due: they go a few at a time, and the rest when nothing
 * comes. */
START_TEST(forgets_a_few_a_record)
{
	struct clock_manual clock;
	int32_t partitions = 1;
	struct worker *k;
	clock_manual_init(&clock, 1000000000);
	struct log_broker *broker = memory_log_new();
	struct job *job = job_of(slice_of(forgetful_text));
	struct plan *plan = plan_of(job, broker, &partitions);
	struct worker_conf c = conf_of(plan, broker, &clock);
	worker_begin(&c, &k);
	for (int i = 0; i < FORGETFUL_USERS; i++)
		user_comes(broker, 0, i, 1700000000000);
	ck_assert_uint_eq(forgotten_after(k, &clock, FORGETFUL_USERS), 0);
	for (int i = 0; i < FORGETFUL_RECORDS; i++)
		user_comes(broker, 0, FORGETFUL_USERS, 1700100000000);
	uint64_t n = forgotten_after(k, &clock, FORGETFUL_USERS + FORGETFUL_RECORDS);
	ck_assert_uint_ge(n, FORGETFUL_RECORDS);
	ck_assert_uint_le(n, FORGET_PER_RECORD * FORGETFUL_RECORDS);
	for (int i = 0; i < 1000 && n < FORGETFUL_USERS; i++) {
		clock.now_ms += 100;
		worker_go(k, &clock);
		n = forgotten_after(k, &clock, FORGETFUL_USERS + FORGETFUL_RECORDS);
	}
	ck_assert_uint_eq(n, FORGETFUL_USERS);
	worker_close(k);
	memory_log.close(broker);
	plan_free(plan);
	job_free(job);
}
END_TEST

int main(void)
{
	log_level_set(LOG_LVL_ERROR);
	Suite *s = suite_create("engine");
	TCase *tc = tcase_create("engine");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, memory_state, 0, 5);
	tcase_add_loop_test(tc, disk_state, 0, 5);
	tcase_add_loop_test(tc, disk_state_squeezed, 0, 5);
	tcase_add_loop_test(tc, blocks, 0, 5);
	tcase_add_loop_test(tc, blocks_on_disk, 0, 3);
	tcase_add_test(tc, share_of_memory_falls);
	tcase_add_test(tc, forgets_a_few_a_record);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
