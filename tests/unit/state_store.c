// SPDX-License-Identifier: Apache-2.0
//
// The store on RocksDB against a plain model: its whole content (rows, timers, meta) after
// random sequences of small and large writes, deletes, wipes and reopenings, from several
// threads, after kills in the middle, on a full disk, and over a database of another layout.
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "state/store.h"

#define SPACES 2
#define KEYS 3000
#define SMALL 40   /* rows of a write through the log */
#define LARGE 2500 /* … and of one that becomes a file */
#define TASKS 3
#define MEMORY (UINT64_C(8) << 20)

static const char *const space_names[SPACES] = {"users:1:", "users:2:"};

struct cell {
	bool there;
	uint64_t version; /* of the row's bytes */
	int64_t due;
};

/* What a task's part of the store holds after nth writes; a function of the seed alone. */
struct model {
	char name[32];
	uint64_t seed, nth; /* nth 0: nothing was written since the wipe */
	struct cell cells[SPACES][KEYS];
};

static uint64_t rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static struct model *model_new(const char *name, uint64_t seed)
{
	struct model *m = xcalloc(1, sizeof *m);
	snprintf(m->name, sizeof m->name, "%s", name);
	m->seed = seed;
	for (int s = 0; s < SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			m->cells[s][k].due = STORE_NO_DUE;
	return m;
}

static void model_clear(struct model *m)
{
	memset(m->cells, 0, sizeof m->cells);
	for (int s = 0; s < SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			m->cells[s][k].due = STORE_NO_DUE;
	m->nth = 0;
}

static struct slice row_of(uint64_t version, uint8_t *out)
{
	uint32_t len = 8 + (uint32_t)(version * 2654435761u % 150);
	memset(out, (int)(version % 251), len);
	memcpy(out, &version, 8);
	return (struct slice){out, len};
}

static struct slice key_of(int k, char *out)
{
	return (struct slice){(uint8_t *)out, (uint32_t)sprintf(out, "key-%06d", k)};
}

struct batch {
	struct store_write writes[SPACES * KEYS];
	char keys[SPACES * KEYS][16];
	uint8_t rows[SPACES * KEYS][160];
	uint32_t n;
	char meta[32];
};

static void batch_add(struct batch *b, struct model *m, int s, int k)
{
	struct cell *c = &m->cells[s][k];
	int64_t old = c->due;
	bool drop = rnd(&m->seed) % 8 == 0;
	*c = (struct cell){!drop, m->seed, STORE_NO_DUE};
	if (!drop && rnd(&m->seed) % 4)
		c->due = (int64_t)(rnd(&m->seed) % 50) - 10;
	struct slice row = drop ? (struct slice){NULL, 0} : row_of(c->version, b->rows[b->n]);
	b->writes[b->n] = (struct store_write){
	        {slice_of(space_names[s]), key_of(k, b->keys[b->n])}, row, c->due, old};
	b->n++;
}

/* The model's next write: one in three large. */
static void batch_next(struct batch *b, struct model *m)
{
	uint64_t of = SPACES * KEYS, want = rnd(&m->seed) % 3 ? SMALL : LARGE;
	b->n = 0;
	m->nth++;
	for (int s = 0; s < SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			if (rnd(&m->seed) % of < want)
				batch_add(b, m, s, k);
	sprintf(b->meta, "at %llu", (unsigned long long)m->nth);
}

static void write_next(struct store_task *t, struct model *m, struct batch *b)
{
	struct error e;
	batch_next(b, m);
	ck_assert_msg(!t->ops->write(t, b->writes, b->n, slice_of(b->meta), &e), "%s", e.msg);
}

static uint64_t stored_nth(struct store_task *t)
{
	struct arena a = {0};
	struct slice meta;
	struct error e;
	unsigned long long nth = 0;
	ck_assert_int_eq(t->ops->meta(t, &meta, &a, &e), ST_OK);
	char text[32] = "";
	ck_assert_uint_lt(meta.len, sizeof text);
	if (meta.len)
		memcpy(text, meta.p, meta.len);
	if (meta.len)
		ck_assert_int_eq(sscanf(text, "at %llu", &nth), 1);
	arena_release(&a);
	return nth;
}

static void compare_rows(struct store_task *t, const struct model *m, int s)
{
	struct arena a = {0};
	struct error e;
	struct slice *keys = xcalloc(KEYS + 1, sizeof *keys),
	             *rows = xcalloc(KEYS + 1, sizeof *rows);
	uint32_t n = 0, at = 0;
	uint8_t want[160];
	char key[16];
	ck_assert_int_eq(t->ops->scan(t, slice_of(space_names[s]), (struct slice){NULL, 0},
	                         keys, rows, KEYS + 1, &n, &a, &e),
	        ST_OK);
	for (int k = 0; k < KEYS; k++) {
		if (!m->cells[s][k].there)
			continue;
		ck_assert_uint_lt(at, n);
		ck_assert(slice_eq(keys[at], key_of(k, key)));
		ck_assert(slice_eq(rows[at], row_of(m->cells[s][k].version, want)));
		at++;
	}
	ck_assert_uint_eq(at, n);
	free(keys);
	free(rows);
	arena_release(&a);
}

/* In pages, so that the continuation is tried too. */
static void compare_timers(struct store_task *t, const struct model *m, int s)
{
	struct arena a = {0};
	struct error e;
	struct store_timer page[100];
	uint32_t n = 0, at = 0;
	int64_t after = INT64_MIN;
	struct slice entity = {NULL, 0};
	char key[16];
	for (int64_t due = -10; due < 40; due++)
		for (int k = 0; k < KEYS; k++) {
			if (m->cells[s][k].due != due)
				continue;
			if (at == n) {
				ck_assert_int_eq(
				        t->ops->timers(t, slice_of(space_names[s]), after,
				                entity, STORE_NO_DUE, page, 100, &n, &a, &e),
				        ST_OK);
				ck_assert_uint_gt(n, 0);
				at = 0;
			}
			ck_assert_int_eq(page[at].due, due);
			ck_assert(slice_eq(page[at].entity, key_of(k, key)));
			after = due;
			entity = page[at++].entity;
		}
	ck_assert_uint_eq(at, n);
	ck_assert_int_eq(t->ops->timers(t, slice_of(space_names[s]), after, entity,
	                         STORE_NO_DUE, page, 100, &n, &a, &e),
	        ST_OK);
	ck_assert_uint_eq(n, 0);
	arena_release(&a);
}

static void compare_gets(struct store_task *t, const struct model *m, uint64_t *seed)
{
	struct arena a = {0};
	struct error e;
	struct store_key *keys = xcalloc(SPACES * KEYS, sizeof *keys);
	struct slice *rows = xcalloc(SPACES * KEYS, sizeof *rows);
	char(*names)[16] = xcalloc(SPACES * KEYS, sizeof *names);
	const struct cell **cells = xcalloc(SPACES * KEYS, sizeof *cells);
	uint8_t want[160];
	uint32_t n = 0;
	for (int s = 0; s < SPACES; s++)
		for (int k = 0; k < KEYS; k++)
			if (rnd(seed) % 8 == 0) {
				cells[n] = &m->cells[s][k];
				keys[n] = (struct store_key){
				        slice_of(space_names[s]), key_of(k, names[n])};
				n++;
			}
	ck_assert_int_eq(t->ops->get(t, keys, n, rows, &a, &e), ST_OK);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_int_eq(rows[i].p != NULL, cells[i]->there);
		if (rows[i].p)
			ck_assert(slice_eq(rows[i], row_of(cells[i]->version, want)));
	}
	free(keys);
	free(rows);
	free(names);
	free(cells);
	arena_release(&a);
}

static void compare(struct store_task *t, const struct model *m)
{
	uint64_t seed = m->seed;
	ck_assert_uint_eq(stored_nth(t), m->nth);
	for (int s = 0; s < SPACES; s++) {
		compare_rows(t, m, s);
		compare_timers(t, m, s);
	}
	compare_gets(t, m, &seed);
}

struct world {
	char dir[64];
	struct store *store;
	struct store_task *tasks[TASKS];
	struct model *models[TASKS];
};

static void world_open(struct world *w)
{
	struct error e;
	ck_assert_msg(!rocks_store_open(w->dir, MEMORY, &w->store, &e), "%s", e.msg);
	for (int i = 0; i < TASKS; i++)
		ck_assert_int_eq(w->store->ops->task_open(
		                         w->store, w->models[i]->name, &w->tasks[i], &e),
		        ST_OK);
}

static void world_close(struct world *w)
{
	for (int i = 0; i < TASKS; i++)
		w->tasks[i]->ops->task_close(w->tasks[i]);
	w->store->ops->close(w->store);
}

static void world_init(struct world *w)
{
	/* Names that begin with each other must not share anything. */
	static const char *const names[TASKS] = {"job/users/1", "job/users/10", "job/users/2"};
	strcpy(w->dir, "/tmp/weir-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	for (int i = 0; i < TASKS; i++)
		w->models[i] = model_new(names[i], 77 + (uint64_t)i);
}

static void world_release(struct world *w)
{
	char cmd[96];
	for (int i = 0; i < TASKS; i++)
		free(w->models[i]);
	sprintf(cmd, "rm -rf %s", w->dir);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(random_sequences)
{
	struct world w;
	struct error e;
	struct batch *b = xmalloc(sizeof *b);
	uint64_t seed = 4711;
	world_init(&w);
	world_open(&w);
	for (int i = 0; i < 240; i++) {
		int k = (int)(rnd(&seed) % TASKS);
		write_next(w.tasks[k], w.models[k], b);
		if (rnd(&seed) % 40 == 0) {
			k = (int)(rnd(&seed) % TASKS);
			ck_assert_int_eq(w.tasks[k]->ops->wipe(w.tasks[k], &e), ST_OK);
			model_clear(w.models[k]);
		}
		if (rnd(&seed) % 12 == 0) {
			world_close(&w);
			world_open(&w);
		}
		if (rnd(&seed) % 6 == 0)
			for (k = 0; k < TASKS; k++)
				compare(w.tasks[k], w.models[k]);
	}
	for (int k = 0; k < TASKS; k++)
		compare(w.tasks[k], w.models[k]);
	world_close(&w);
	world_release(&w);
	free(b);
}
END_TEST

struct flusher {
	pthread_t thread;
	struct store_task *task;
	struct model *model;
};

static void *flusher_run(void *arg)
{
	struct flusher *f = arg;
	struct batch *b = xmalloc(sizeof *b);
	for (int i = 0; i < 60; i++)
		write_next(f->task, f->model, b);
	free(b);
	return NULL;
}

START_TEST(writers_at_once)
{
	struct world w;
	struct flusher f[TASKS];
	world_init(&w);
	world_open(&w);
	for (int i = 0; i < TASKS; i++) {
		f[i] = (struct flusher){0, w.tasks[i], w.models[i]};
		ck_assert_int_eq(pthread_create(&f[i].thread, NULL, flusher_run, &f[i]), 0);
	}
	for (int i = 0; i < TASKS; i++)
		pthread_join(f[i].thread, NULL);
	for (int i = 0; i < TASKS; i++)
		compare(w.tasks[i], w.models[i]);
	world_close(&w);
	world_open(&w);
	for (int i = 0; i < TASKS; i++)
		compare(w.tasks[i], w.models[i]);
	world_close(&w);
	world_release(&w);
}
END_TEST

static void kill_myself(int sig)
{
	(void)sig;
	kill(getpid(), SIGKILL);
}

/* Writes on and on from where the store is, saying each write into fd, until the timer kills.
 */
static void child_run(struct world *w, uint64_t kill_us, int fd)
{
	struct batch *b = xmalloc(sizeof *b);
	world_open(w);
	for (int k = 0; k < TASKS; k++)
		while (w->models[k]->nth < stored_nth(w->tasks[k]))
			batch_next(b, w->models[k]);
	signal(SIGALRM, kill_myself);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, (suseconds_t)kill_us}}, NULL);
	for (uint64_t i = 0;; i++) {
		uint8_t k = (uint8_t)(i % TASKS);
		write_next(w->tasks[k], w->models[k], b);
		if (write(fd, &k, 1) != 1)
			_exit(1);
	}
}

static uint32_t leftovers(const char *dir)
{
	uint32_t n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *f; (f = readdir(d));)
		n += strncmp(f->d_name, "rows-", 5) == 0;
	closedir(d);
	return n;
}

#define KILLS 40

START_TEST(kills)
{
	struct world w;
	struct batch *b = xmalloc(sizeof *b);
	uint64_t seed = 9, done[TASKS] = {0}, torn = 0;
	world_init(&w);
	for (int round = 0; round < KILLS; round++) {
		int fd[2], how;
		uint8_t k;
		ck_assert_int_eq(pipe(fd), 0);
		pid_t child = fork();
		if (!child)
			child_run(&w, 1000 + rnd(&seed) % 60000, fd[1]);
		close(fd[1]);
		while (read(fd[0], &k, 1) == 1)
			done[k]++;
		close(fd[0]);
		waitpid(child, &how, 0);
		ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
		torn += leftovers(w.dir);
		world_open(&w);
		ck_assert_uint_eq(leftovers(w.dir), 0);
		for (int i = 0; i < TASKS; i++) {
			uint64_t nth = stored_nth(w.tasks[i]);
			/* At most the one write that was under way is there beside those. */
			ck_assert_uint_ge(nth, done[i]);
			ck_assert_uint_le(nth, done[i] + 1);
			done[i] = nth;
			while (w.models[i]->nth < nth)
				batch_next(b, w.models[i]);
			compare(w.tasks[i], w.models[i]);
		}
		world_close(&w);
	}
	ck_assert_uint_gt(torn, 0); /* some kill came in the middle of a file */
	world_release(&w);
	free(b);
}
END_TEST

/* A file that cannot be written to its end is an error, and nothing happened. */
START_TEST(a_file_that_does_not_fit)
{
	struct world w;
	struct error e;
	struct batch *b = xmalloc(sizeof *b);
	struct rlimit was;
	world_init(&w);
	world_open(&w);
	for (int i = 0; i < 4; i++)
		write_next(w.tasks[0], w.models[0], b);
	struct model *before = xmalloc(sizeof *before);
	*before = *w.models[0];
	do {
		*w.models[0] = *before;
		w.models[0]->seed += 1000;
		batch_next(b, w.models[0]);
		before->seed++;
	} while (b->n < LARGE / 2);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){64 << 10, was.rlim_max});
	struct store_task *t = w.tasks[0];
	ck_assert_int_eq(t->ops->write(t, b->writes, b->n, slice_of(b->meta), &e), ST_ERR);
	setrlimit(RLIMIT_FSIZE, &was);
	ck_assert_ptr_nonnull(strstr(e.msg, "writing a file of rows"));
	ck_assert_uint_eq(leftovers(w.dir), 0);
	compare(t, before);
	ck_assert_msg(!t->ops->write(t, b->writes, b->n, slice_of(b->meta), &e), "%s", e.msg);
	compare(t, w.models[0]);
	world_close(&w);
	world_release(&w);
	free(before);
	free(b);
}
END_TEST

/* Takes what is left of the disk but bytes. */
static void disk_fill(const char *dir, uint64_t leave)
{
	char path[96], zeros[4096] = {0};
	sprintf(path, "%s/ballast", dir);
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	uint64_t size = 0;
	for (ssize_t n; (n = write(fd, zeros, sizeof zeros)) > 0;)
		size += (uint64_t)n;
	ck_assert_int_eq(ftruncate(fd, (off_t)(size > leave ? size - leave : 0)), 0);
	close(fd);
}

/* A disk of its own, for this process alone. */
static void disk_mount(const char *dir)
{
	ck_assert_msg(!unshare(CLONE_NEWNS) || !unshare(CLONE_NEWUSER | CLONE_NEWNS),
	        "needs root, or user namespaces");
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", dir, "tmpfs", 0, "size=64m"), 0);
}

START_TEST(a_full_disk)
{
	struct world w;
	struct error e;
	struct batch *b = xmalloc(sizeof *b);
	struct model *before = xmalloc(sizeof *before);
	char path[96];
	world_init(&w);
	disk_mount(w.dir);
	world_open(&w);
	struct store_task *t = w.tasks[0];
	for (uint64_t leave = 0; leave < 24 << 20; leave += 3 << 20) {
		for (int i = 0; i < 3; i++)
			write_next(t, w.models[0], b);
		disk_fill(w.dir, leave);
		/* Small and large ones, until one does not fit, or for a while. */
		for (int i = 0; i < 20; i++) {
			*before = *w.models[0];
			batch_next(b, w.models[0]);
			if (!t->ops->write(t, b->writes, b->n, slice_of(b->meta), &e))
				continue;
			ck_assert_ptr_nonnull(strstr(e.msg, "o space left"));
			*w.models[0] = *before;
			compare(t, before);
			break;
		}
		sprintf(path, "%s/ballast", w.dir);
		unlink(path);
		compare(t, w.models[0]);
	}
	world_close(&w);
	world_open(&w);
	compare(w.tasks[0], w.models[0]);
	world_close(&w);
	ck_assert_int_eq(umount2(w.dir, MNT_DETACH), 0);
	world_release(&w);
	free(before);
	free(b);
}
END_TEST

static uint32_t tables(const char *dir)
{
	uint32_t n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *f; (f = readdir(d));)
		n += strstr(f->d_name, ".sst") != NULL;
	closedir(d);
	return n;
}

#define MERGE_WRITES 60
#define MERGE_DEADLINE_S 120 /* against hanging: the machine has other things to do */

/* Files gather while nobody reads, and are merged when somebody does: so many of each task that is
 * open, which is one here. */
START_TEST(reads_make_files_merge)
{
	struct world w;
	struct error e;
	struct batch *b = xmalloc(sizeof *b);
	uint32_t most = 0, n;
	world_init(&w);
	world_open(&w);
	for (int i = 1; i < TASKS; i++)
		w.tasks[i]->ops->task_close(w.tasks[i]);
	for (int i = 0; i < MERGE_WRITES; i++) {
		do
			write_next(w.tasks[0], w.models[0], b);
		while (b->n < LARGE / 2);
		n = tables(w.dir);
		most = n > most ? n : most;
	}
	ck_assert_uint_gt(most, 16);
	for (int i = 0; i < MERGE_WRITES; i++) {
		do
			write_next(w.tasks[0], w.models[0], b);
		while (b->n < LARGE / 2);
		compare_gets(w.tasks[0], w.models[0], &w.models[1]->seed);
		compare_gets(w.tasks[0], w.models[0], &w.models[1]->seed);
	}
	time_t until = time(NULL) + MERGE_DEADLINE_S;
	while ((n = tables(w.dir)) > 10 && time(NULL) < until)
		compare_gets(w.tasks[0], w.models[0], &w.models[1]->seed);
	ck_assert_uint_le(n, 10);
	compare(w.tasks[0], w.models[0]);
	for (int i = 1; i < TASKS; i++)
		ck_assert_int_eq(w.store->ops->task_open(
		                         w.store, w.models[i]->name, &w.tasks[i], &e),
		        ST_OK);
	world_close(&w);
	world_release(&w);
	free(b);
}
END_TEST

static uint64_t cached(const struct world *w)
{
	struct store_stats st;
	w->store->ops->stats(w->store, &st);
	return st.cache_bytes;
}

#define FILTERS_AND_INDEXES 32768 /* of more than 200 KB of rows */

/* The cache is for filters and indexes: going over all rows, as the changelog's snapshot does without
 * end, leaves no blocks of rows in memory, nor does reading some. */
START_TEST(rows_are_not_cached)
{
	struct world w;
	struct batch *b = xmalloc(sizeof *b);
	world_init(&w);
	world_open(&w);
	do
		write_next(w.tasks[0], w.models[0], b);
	while (b->n < LARGE / 2);
	for (int s = 0; s < SPACES; s++)
		compare_rows(w.tasks[0], w.models[0], s);
	compare_gets(w.tasks[0], w.models[0], &w.models[1]->seed);
	ck_assert_uint_gt(cached(&w), 0);
	ck_assert_uint_le(cached(&w), FILTERS_AND_INDEXES);
	world_close(&w);
	world_release(&w);
	free(b);
}
END_TEST

static const struct layout {
	const char *key, *value;
	size_t key_len;
} layouts[] = {
        {"Mjob/users/1", "at 9", 13}, /* of the first layout: the kind first, no number */
        {"\0layout", "1", 7},
        {"\0layout", "3 of a later version", 7},
};

START_TEST(another_layout_starts_over)
{
	const struct layout *l = &layouts[_i];
	struct world w;
	struct batch *b = xmalloc(sizeof *b);
	char *err = NULL;
	world_init(&w);
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_writeoptions_t *wo = rocksdb_writeoptions_create();
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_t *db = rocksdb_open(o, w.dir, &err);
	ck_assert_ptr_null(err);
	rocksdb_put(db, wo, l->key, l->key_len, l->value, strlen(l->value), &err);
	rocksdb_put(db, wo, "job/users/1\0M", 13, "at 5", 4, &err);
	ck_assert_ptr_null(err);
	rocksdb_close(db);
	rocksdb_options_destroy(o);
	rocksdb_writeoptions_destroy(wo);

	world_open(&w);
	for (int i = 0; i < TASKS; i++)
		compare(w.tasks[i], w.models[i]);
	write_next(w.tasks[0], w.models[0], b);
	world_close(&w);
	world_open(&w); /* now it is of this layout and stays */
	compare(w.tasks[0], w.models[0]);
	world_close(&w);
	world_release(&w);
	free(b);
}
END_TEST

/* Halves every file of rows; how many there were. */
static int files_halve(const char *dir)
{
	int n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *f; (f = readdir(d));) {
		char path[400];
		struct stat st;
		size_t len = strlen(f->d_name);
		if (len < 4 || strcmp(f->d_name + len - 4, ".sst") != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, f->d_name);
		ck_assert(!stat(path, &st) && st.st_size > 1000);
		ck_assert(!truncate(path, st.st_size / 2));
		n++;
	}
	closedir(d);
	return n;
}

static enum status rows_get(struct store_task *t, uint32_t n, struct slice *values,
        struct arena *a, struct error *e)
{
	static char text[LARGE][8];
	struct store_key *keys = arena_alloc(a, n * sizeof *keys);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof text[i], "%06u", i);
		keys[i] = (struct store_key){slice_of(space_names[0]), slice_of(text[i])};
	}
	return t->ops->get(t, keys, n, values, a, e);
}

START_TEST(a_damaged_one_starts_over)
{
	static char text[LARGE][8];
	static uint64_t noise[LARGE][20]; /* so that the files are large */
	uint64_t seed = 5;
	struct world w;
	struct store_write *writes = xcalloc(LARGE, sizeof *writes);
	struct slice *values = xcalloc(LARGE, sizeof *values), meta;
	struct arena a = {0};
	struct error e;
	world_init(&w);
	world_open(&w);
	for (uint32_t i = 0; i < LARGE; i++) {
		snprintf(text[i], sizeof text[i], "%06u", i);
		for (int k = 0; k < 20; k++)
			noise[i][k] = rnd(&seed);
		writes[i] = (struct store_write){{slice_of(space_names[0]), slice_of(text[i])},
		        {(const uint8_t *)noise[i], sizeof noise[i]}, STORE_NO_DUE,
		        STORE_NO_DUE};
	}
	ck_assert(!w.tasks[0]->ops->write(w.tasks[0], writes, LARGE, slice_of("at 7"), &e));
	world_close(&w);
	world_open(&w); /* what was in the log is in a file now */
	world_close(&w);
	ck_assert_int_ge(files_halve(w.dir), 1);
	world_open(&w);
	for (int again = 0; again < 2; again++) {
		ck_assert(!rows_get(w.tasks[0], LARGE, values, &a, &e));
		for (uint32_t i = 0; i < LARGE; i++)
			ck_assert((values[i].p != NULL) == (again == 1));
		ck_assert(!w.tasks[0]->ops->meta(w.tasks[0], &meta, &a, &e));
		ck_assert((meta.len > 0) == (again == 1));
		ck_assert(!w.tasks[0]->ops->write(
		        w.tasks[0], writes, LARGE, slice_of("at 9"), &e));
		world_close(&w);
		world_open(&w); /* and stays */
	}
	world_close(&w);
	world_release(&w);
	arena_release(&a);
	free(writes);
	free(values);
}
END_TEST

START_TEST(leftovers_go)
{
	struct world w;
	char path[128];
	world_init(&w);
	const char *const names[] = {"rows-7.new", "rows-8.txt"};
	for (int i = 0; i < 2; i++) {
		sprintf(path, "%s/%s", w.dir, names[i]);
		fclose(fopen(path, "w"));
	}
	world_open(&w);
	ck_assert_uint_eq(leftovers(w.dir), 1); /* what is not ours stays */
	world_close(&w);
	world_release(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, random_sequences);
	tcase_add_test(tc, writers_at_once);
	tcase_add_test(tc, reads_make_files_merge);
	tcase_add_test(tc, rows_are_not_cached);
	tcase_add_test(tc, kills);
	tcase_add_test(tc, a_file_that_does_not_fit);
	tcase_add_test(tc, a_full_disk);
	tcase_add_loop_test(
	        tc, another_layout_starts_over, 0, sizeof layouts / sizeof *layouts);
	tcase_add_test(tc, leftovers_go);
	tcase_add_test(tc, a_damaged_one_starts_over);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
