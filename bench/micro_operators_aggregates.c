// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds per add, per merge of a tile and per result of each aggregate function, and the
// bytes of a window, as a table. Values: a long per event out of 200 or out of a million; texts
// likewise. Merging is 24 tiles of EVENTS / 24 events into an empty window.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "operators/aggregates.h"

#define EVENTS 24000
#define TILES 24
#define ROUNDS 20
#define RESULTS 2000

static const struct type t_long = {.kind = KIND_LONG}, t_double = {.kind = KIND_DOUBLE},
                         t_string = {.kind = KIND_STRING};

static const struct {
	const char *name;
	const struct type *type;
	double constant;
} calls[] = {
        {"count", &t_long, 0},
        {"sum", &t_long, 0},
        {"sum", &t_double, 0},
        {"avg", &t_long, 0},
        {"avg", &t_double, 0},
        {"min", &t_long, 0},
        {"max", &t_double, 0},
        {"max", &t_string, 0},
        {"stddev", &t_long, 0},
        {"stddev", &t_double, 0},
        {"last", &t_long, 0},
        {"last", &t_string, 0},
        {"distinct", &t_long, 65536},
        {"distinct", &t_string, 65536},
        {"approx_distinct", &t_long, 0},
        {"approx_distinct", &t_string, 0},
        {"quantile", &t_double, 0.95},
        {"top", &t_long, 10},
        {"top", &t_string, 10},
};

static struct agg_event events[EVENTS];
static char texts[EVENTS][16];

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fill(const struct type *t, uint64_t values)
{
	uint64_t seed = 88172645463325252;
	for (uint32_t i = 0; i < EVENTS; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		int64_t v = (int64_t)(seed % values);
		events[i] = (struct agg_event){.event_time = i, .arrival = i};
		if (t == &t_double)
			events[i].value.f64 = (double)v * 0.37;
		else if (t == &t_long)
			events[i].value.i64 = v;
		else
			events[i].value.bytes = (struct slice){(uint8_t *)texts[i],
			        (uint32_t)snprintf(texts[i], 16, "key-%lld", (long long)v)};
	}
}

static const struct aggregate *find(const char *name)
{
	int i = 0;
	while (strcmp(aggregates[i]->name, name) != 0)
		i++;
	return aggregates[i];
}

static uint32_t acc_new(const struct agg_spec *s, struct heap *h)
{
	uint32_t off = h->len;
	h->base = xrealloc(h->base, off + s->acc_bytes);
	memset(h->base + off, 0, s->acc_bytes);
	h->len = h->cap = off + s->acc_bytes;
	s->agg->init(s, h->base + off);
	return off;
}

static void acc_reset(const struct agg_spec *s, struct heap *h, uint32_t off)
{
	for (uint32_t i = 0; i < s->nblobs; i++)
		heap_blob_free(h, off + s->blob_at[i]);
	memset(heap_at(h, off), 0, s->acc_bytes);
	s->agg->init(s, heap_at(h, off));
}

struct times {
	double add, merge, result;
	uint32_t bytes;
};

static void round_run(const struct agg_spec *s, struct arena *a, struct times *t)
{
	struct heap h = {0};
	struct agg_counts n = {0};
	struct value out;
	uint32_t window = acc_new(s, &h), tile[TILES];
	for (int i = 0; i < TILES; i++)
		tile[i] = acc_new(s, &h);
	for (int i = 0; i < EVENTS; i++)
		s->agg->add(s, &h, tile[i * TILES / EVENTS], &events[i], &n);
	double t0 = now_ns();
	for (int i = 0; i < EVENTS; i++)
		s->agg->add(s, &h, window, &events[i], &n);
	double t1 = now_ns();
	acc_reset(s, &h, window);
	double t2 = now_ns();
	for (int i = 0; i < TILES; i++)
		s->agg->merge(s, &h, window, tile[i], &n);
	double t3 = now_ns();
	for (int i = 0; i < RESULTS; i++)
		s->agg->result(s, &h, window, a, &out, &n);
	double t4 = now_ns();
	arena_reset(a);
	t->add += (t1 - t0) / EVENTS / ROUNDS;
	t->merge += (t3 - t2) / TILES / ROUNDS;
	t->result += (t4 - t3) / RESULTS / ROUNDS;
	t->bytes = s->acc_bytes;
	for (uint32_t i = 0; i < s->nblobs; i++)
		t->bytes += heap_blob_len(&h, window + s->blob_at[i]);
	free(h.base);
}

static void call_run(int i, uint64_t values)
{
	struct agg_const c = {.is_int = calls[i].constant >= 1,
	        .i64 = (int64_t)calls[i].constant,
	        .f64 = calls[i].constant};
	struct agg_spec s = {.agg = find(calls[i].name)};
	struct times t = {0};
	struct error e;
	struct arena a;
	char type[TYPE_NAME_MAX], call[128];
	arena_init(&a);
	INVARIANT(s.agg->resolve(&s, calls[i].type, &c, c.f64 != 0, &a, &e) == ST_OK);
	fill(calls[i].type, values);
	for (int r = 0; r < ROUNDS; r++)
		round_run(&s, &a, &t);
	snprintf(call, sizeof call, "%s(%s)", calls[i].name, type_name(calls[i].type, type));
	printf("%-26s %9llu %9.1f %9.0f %9.1f %9u\n", call, (unsigned long long)values, t.add,
	        t.merge, t.result, t.bytes);
	arena_release(&a);
}

int main(void)
{
	printf("%-26s %9s %9s %9s %9s %9s\n", "", "values", "ns/add", "ns/merge", "ns/result",
	        "bytes");
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		call_run((int)i, 200);
		call_run((int)i, 1000000);
	}
	return 0;
}
