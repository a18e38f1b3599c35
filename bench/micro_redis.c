// SPDX-License-Identifier: Apache-2.0
//
// Guarded online rows into a real Redis, ten features each: rows a second, and the CPU per row
// of the caller's thread (formatting), of this process (with the writer's thread) and of the
// server. Epochs of new rows for a fixed set of entities, so every row is read, compared and
// replaced.
//
//   micro_redis HOST:PORT [ROWS [ENTITIES]]      (writes keys weir-bench:*, deletes them at the
//   end)
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "connectors/redis/address.h"
#include "connectors/redis/redis.h"
#include "data/avro.h"

#define FEATURES 10
#define EPOCH_ROWS 10000

static const struct online_ops *const ops = &redis_online;

static double seconds(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The server's own CPU seconds; -1 when it does not say. */
static double server_seconds(const struct address *a)
{
	redisContext *c =
	        a->path[0] ? redisConnectUnix(a->path) : redisConnect(a->host, a->port);
	redisReply *r = c && !c->err ? redisCommand(c, "INFO cpu") : NULL;
	double s = -1;
	if (r && r->type == REDIS_REPLY_STRING) {
		const char *sys = strstr(r->str, "used_cpu_sys:");
		const char *user = strstr(r->str, "used_cpu_user:");
		if (sys && user)
			s = strtod(sys + 13, NULL) + strtod(user + 14, NULL);
	}
	if (r)
		freeReplyObject(r);
	if (c)
		redisFree(c);
	return s;
}

static void fields_init(struct field *f, char (*names)[16])
{
	for (int i = 0; i < FEATURES; i++) {
		snprintf(names[i], sizeof(names[i]), "feature_%02d", i);
		f[i] = (struct field){.name = names[i],
		        .type = {.kind = i % 2 ? KIND_DOUBLE : KIND_LONG},
		        .nullable = i % 2};
	}
}

static void row_fill(struct buf *b, const struct field *f, uint64_t x)
{
	b->len = 0;
	for (int i = 0; i < FEATURES; i++) {
		struct value v = {.null = false};
		if (i % 2)
			v.f64 = (double)(x * 31 % 10007) / 7;
		else
			v.i64 = (int64_t)(x * 17 % 100003);
		avro_write(b, &f[i].type, f[i].nullable, &v);
	}
}

struct bench {
	struct online *o;
	struct buf bytes[EPOCH_ROWS], names[EPOCH_ROWS];
	struct online_row rows[EPOCH_ROWS];
	double caller; /* CPU seconds inside put */
};

static void run_epoch(struct bench *b, const struct field *f, uint64_t epoch, uint64_t entities)
{
	struct online_epoch ep = {.task = "bench:s:0", .rows = b->rows, .nrows = EPOCH_ROWS};
	for (uint32_t i = 0; i < EPOCH_ROWS; i++) {
		uint64_t x = (epoch * EPOCH_ROWS + i) * 2654435761u % entities;
		row_fill(&b->bytes[i], f, x + epoch);
		b->names[i].len = 0;
		buf_printf(&b->names[i], "user%llu", (unsigned long long)x);
		b->rows[i] = (struct online_row){.entity = buf_view(&b->names[i]),
		        .event_time = 1700000000000 + (int64_t)x,
		        .known_at = 1700000000000 + (int64_t)x,
		        .features = buf_view(&b->bytes[i])};
	}
	online_version_format(ep.record.version, 1700000000000, (int64_t)epoch, 0);
	strcpy(ep.record.offsets, "bench=1");
	double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
	while (ops->put(b->o, &ep) != ST_OK) /* never behind: each epoch is drained */
		exit(1);
	b->caller += seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
	if (ops->drain(b->o, 0, 60000) != ST_OK)
		exit(1);
}

static void report(const char *name, double s, double rows)
{
	printf("%-28s %8.3f us/row\n", name, s / rows * 1e6);
}

static enum status bench(const char *address, uint64_t rows, uint64_t entities, struct error *e)
{
	static struct bench b;
	struct field f[FEATURES];
	char names[FEATURES][16];
	struct address a;
	struct redis_conf conf = {.address = address, .prefix = "weir-bench"};
	if (address_parse(&a, address, e) != ST_OK || redis_open(&conf, &b.o, e) != ST_OK)
		return ST_ERR;
	fields_init(f, names);
	struct online_view v = {
	        .name = "bench", .version = 1, .features = f, .nfeatures = FEATURES};
	ops->view_add(b.o, &v);
	run_epoch(&b, f, 1, entities); /* warm */
	b.caller = 0;
	double wall = 0, cpu = 0, server = server_seconds(&a);
	uint64_t done = 0;
	for (uint64_t epoch = 2; done < rows; epoch++, done += EPOCH_ROWS) {
		double w = seconds(CLOCK_MONOTONIC), c = seconds(CLOCK_PROCESS_CPUTIME_ID);
		run_epoch(&b, f, epoch, entities);
		wall += seconds(CLOCK_MONOTONIC) - w;
		cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - c;
	}
	printf("%llu guarded rows of %d features, %llu entities: %.0f rows/s\n",
	        (unsigned long long)done, FEATURES, (unsigned long long)entities,
	        (double)done / wall);
	report("caller, formatting", b.caller, (double)done);
	report("client, with making rows", cpu, (double)done);
	report("server", server_seconds(&a) - server, (double)done);
	enum status st = ST_OK;
	while (st == ST_OK)
		st = ops->view_delete(b.o, "bench", 1, e);
	ops->close(b.o);
	return st == ST_ERR ? ST_ERR : ST_OK;
}

int main(int argc, char **argv)
{
	struct error e = {0};
	if (argc < 2) {
		fprintf(stderr, "usage: micro_redis HOST:PORT [ROWS [ENTITIES]]\n");
		return 2;
	}
	uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
	uint64_t entities = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;
	if (!rows || !entities || bench(argv[1], rows, entities, &e) != ST_OK) {
		fprintf(stderr, "micro_redis: %s\n", e.msg);
		return 3;
	}
	return 0;
}
