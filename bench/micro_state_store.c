// SPDX-License-Identifier: Apache-2.0
//
// The local store alone: what a flushed row costs (the flusher's thread, and the whole process
// with background compaction), bytes written and kept, and what a row read in sorted batches
// costs, there or not, with a block cache smaller than the data. Rows are random bytes, as
// compressed ones look.
//
//   micro_state_store DIR [ENTITIES [ROW_BYTES [FLUSH_ROWS [FLUSHES [MEMORY_MB [TIMERS]]]]]]
//
// TIMERS: of 100 rows flushed, how many have another next instant than before. DIR is made and
// removed.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "state/store.h"

#define GET_ROUNDS 200
#define GET_KEYS 500
#define IDLE_NS 20000000
#define IDLE_ROUNDS 25

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static double seconds(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct bench {
	struct store *store;
	struct store_task *task;
	uint32_t entities, row_bytes, flush_rows, flushes, memory_mb, timers;
	char (*names)[24];
	int64_t *dues;
	uint8_t *noise; /* rows are taken from it at random places */
	uint32_t *picked;
	struct store_write *writes;
	struct error e;
};

static void check(const struct bench *b, enum status st)
{
	if (!st)
		return;
	fprintf(stderr, "%s\n", b->e.msg);
	exit(3);
}

static long proc_number(const char *file, const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			v = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return v;
}

/* Until compaction has come to rest. */
static void settle(void)
{
	struct timespec pause = {0, IDLE_NS};
	double last = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (int still = 0; still < IDLE_ROUNDS; still++) {
		nanosleep(&pause, NULL);
		double now = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (now - last > 0.0005)
			still = 0;
		last = now;
	}
}

static int number_cmp(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;
	return (*a > *b) - (*a < *b);
}

/* n different entities in key order. */
static uint32_t pick(struct bench *b, uint32_t n)
{
	uint32_t k = 0;
	for (uint32_t i = 0; i < n; i++)
		b->picked[i] = (uint32_t)(rnd() % b->entities);
	qsort(b->picked, n, sizeof *b->picked, number_cmp);
	for (uint32_t i = 0; i < n; i++)
		if (!k || b->picked[i] != b->picked[k - 1])
			b->picked[k++] = b->picked[i];
	return k;
}

static uint32_t fill(struct bench *b, bool all, uint32_t from)
{
	uint32_t n = b->flush_rows;
	if (all) {
		n = b->entities - from < n ? b->entities - from : n;
		for (uint32_t i = 0; i < n; i++)
			b->picked[i] = from + i;
	} else {
		n = pick(b, n);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = b->picked[i];
		int64_t old = b->dues[k];
		if (old == STORE_NO_DUE || rnd() % 100 < b->timers)
			b->dues[k] = (int64_t)(1700000000000 + rnd() % 3600000);
		b->writes[i] =
		        (struct store_write){{slice_of("users:1:"), slice_of(b->names[k])},
		                {b->noise + rnd() % (1 << 20), b->row_bytes}, b->dues[k], old};
	}
	return n;
}

static void flushes(struct bench *b, const char *what, bool all, uint32_t times)
{
	double thread = 0, rows = 0, settled = 0, sec = 0;
	long written = proc_number("/proc/self/io", "write_bytes:");
	for (uint32_t i = 0; i < times; i++) {
		uint32_t n = fill(b, all, i * b->flush_rows);
		double p = seconds(CLOCK_PROCESS_CPUTIME_ID);
		double t = seconds(CLOCK_THREAD_CPUTIME_ID), w = seconds(CLOCK_MONOTONIC);
		check(b, b->task->ops->write(b->task, b->writes, n, slice_of("meta"), &b->e));
		thread += seconds(CLOCK_THREAD_CPUTIME_ID) - t;
		sec += seconds(CLOCK_MONOTONIC) - w;
		if (!all || i == times - 1)
			settle();
		settled += seconds(CLOCK_PROCESS_CPUTIME_ID) - p;
		rows += n;
	}
	struct store_stats st;
	b->store->ops->stats(b->store, &st);
	written = proc_number("/proc/self/io", "write_bytes:") - written;
	printf("%-7s %9.0f rows: flusher %.3f us CPU (%.3f us of time), process %.3f us CPU a "
	       "row; "
	       "%.0f bytes written a row; %llu MB on disk, RSS %ld MB\n",
	        what, rows, thread / rows * 1e6, sec / rows * 1e6, settled / rows * 1e6,
	        (double)written / rows, (unsigned long long)(st.bytes_on_disk >> 20),
	        proc_number("/proc/self/status", "VmRSS:") >> 10);
}

static void gets(struct bench *b, const char *what, bool there)
{
	static struct store_key keys[GET_KEYS];
	static struct slice values[GET_KEYS];
	static char names[GET_KEYS][32];
	struct arena a;
	double cpu = 0, found = 0, n = 0;
	arena_init(&a);
	for (int r = 0; r < GET_ROUNDS; r++) {
		uint32_t k = pick(b, GET_KEYS);
		for (uint32_t i = 0; i < k; i++) {
			snprintf(names[i], sizeof names[i], "%s%s", b->names[b->picked[i]],
			        there ? "" : "x");
			keys[i] = (struct store_key){slice_of("users:1:"), slice_of(names[i])};
		}
		double p = seconds(CLOCK_PROCESS_CPUTIME_ID);
		check(b, b->task->ops->get(b->task, keys, k, values, &a, &b->e));
		cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - p;
		for (uint32_t i = 0; i < k; i++)
			found += values[i].p != NULL;
		n += k;
		arena_reset(&a);
	}
	arena_release(&a);
	struct store_stats st;
	b->store->ops->stats(b->store, &st);
	printf("get     %9.0f %s: %.3f us CPU a key, %.0f found; cache %llu MB, RSS %ld MB\n",
	        n, what, cpu / n * 1e6, found, (unsigned long long)(st.cache_bytes >> 20),
	        proc_number("/proc/self/status", "VmRSS:") >> 10);
}

static void init(struct bench *b)
{
	b->names = xcalloc(b->entities, sizeof *b->names);
	b->dues = xcalloc(b->entities, sizeof *b->dues);
	for (uint32_t i = 0; i < b->entities; i++) {
		snprintf(b->names[i], sizeof b->names[i], "user-%08u", i);
		b->dues[i] = STORE_NO_DUE;
	}
	b->noise = xcalloc(1, (1 << 20) + b->row_bytes + 8);
	for (uint32_t i = 0; i < (1 << 20) + b->row_bytes; i += 8) {
		uint64_t v = rnd();
		memcpy(b->noise + i, &v, 8);
	}
	uint32_t most = b->flush_rows > GET_KEYS ? b->flush_rows : GET_KEYS;
	b->picked = xcalloc(most, sizeof *b->picked);
	b->writes = xcalloc(most, sizeof *b->writes);
}

static uint32_t arg(int argc, char **argv, int i, uint32_t otherwise)
{
	return i < argc ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	struct bench b = {.entities = arg(argc, argv, 2, 1000000),
	        .row_bytes = arg(argc, argv, 3, 150),
	        .flush_rows = arg(argc, argv, 4, 110000),
	        .flushes = arg(argc, argv, 5, 20),
	        .memory_mb = arg(argc, argv, 6, 64),
	        .timers = arg(argc, argv, 7, 100)};
	if (argc < 2 || !b.entities || !b.flush_rows) {
		fprintf(stderr, "usage: micro_state_store DIR [ENTITIES [ROW_BYTES [FLUSH_ROWS "
		                "[FLUSHES [MEMORY_MB [TIMERS]]]]]]\n");
		return 2;
	}
	init(&b);
	long before = proc_number("/proc/self/status", "VmRSS:");
	check(&b, rocks_store_open(argv[1], (uint64_t)b.memory_mb << 20, &b.store, &b.e));
	check(&b, b.store->ops->task_open(b.store, "bench/users/0", &b.task, &b.e));
	printf("idle store: %ld KB of RSS\n",
	        proc_number("/proc/self/status", "VmRSS:") - before);
	flushes(&b, "first", true, (b.entities + b.flush_rows - 1) / b.flush_rows);
	flushes(&b, "update", false, b.flushes);
	gets(&b, "there", true);
	gets(&b, "there, warm", true);
	gets(&b, "absent", false);
	b.task->ops->task_close(b.task);
	b.store->ops->close(b.store);
	char cmd[4300];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", argv[1]);
	return system(cmd) ? 3 : 0;
}
