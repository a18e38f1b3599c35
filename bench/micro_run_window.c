// SPDX-License-Identifier: Apache-2.0
//
// A view by itself, over the memory-only table: CPU nanoseconds per event of the expressions,
// of the window operator (lookup, update, the row's values and its Avro bytes; what it appends
// is dropped) and of the epoch's end (changed rows packed, committed). Events as in the stream W
// (generate.c): a million users by a zipf law of 0.99, count, sum, avg and max over 5 minutes,
// 1 hour and 24 hours. As in a job that has a lot to read, an epoch's events are those of one of four
// partitions, and so of one task; the first 40 % of the events, of which many make an entity, are not
// measured.
//
//   micro_run_window [EVENTS [EVENTS-OF-AN-EPOCH]]      default 2,000,000 and 10,000
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "connectors/formats.h"
#include "data/entity.h"
#include "operators/aggregates.h"
#include "operators/operators.h"

#define USERS 1000000
#define TASKS 4
#define WARM 0.4 /* of the events */
#define SPAN_MS (26.0 * 3600 * 1000)
#define START_MS INT64_C(1735689600000)

static const char job_text[] =
        "job: w\n"
        "sources:\n"
        "  events:\n"
        "    topic: w\n"
        "    format: json\n"
        "    schema: {\"type\":\"record\",\"name\":\"e\",\"fields\":["
        "{\"name\":\"user_id\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":\"double\"},"
        "{\"name\":\"ts\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}\n"
        "    time: ts\n"
        "    key: user_id\n"
        "views:\n"
        "  users:\n"
        "    entity: [user_id]\n"
        "    from: events\n"
        "    expiry: none\n"
        "    features:\n"
        "      c5: count() over 5m every 25s\n"
        "      s5: sum(amount) over 5m every 25s\n"
        "      a5: avg(amount) over 5m every 25s\n"
        "      m5: max(amount) over 5m every 25s\n"
        "      c1: count() over 1h\n"
        "      s1: sum(amount) over 1h\n"
        "      a1: avg(amount) over 1h\n"
        "      m1: max(amount) over 1h\n"
        "      c24: count() over 24h\n"
        "      s24: sum(amount) over 24h\n"
        "      a24: avg(amount) over 24h\n"
        "      m24: max(amount) over 24h\n"
        "  expressions:\n"
        "    entity: [user_id]\n"
        "    from: events\n"
        "    where: amount >= 0\n"
        "    features:\n"
        "      taxed: sum(amount * 1.19 + 0.5) over 1h where amount > 10 and amount < 900\n";

static void must(enum status st, const struct error *e)
{
	if (st == ST_OK)
		return;
	fprintf(stderr, "micro_run_window: %s\n", e->msg);
	exit(1);
}

static double cpu(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct job *job_make(void)
{
	struct lang_env env = {.formats = formats, .aggregates = aggregates};
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (job_parse(slice_of(job_text), "w.yaml", NULL, &env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		fprintf(stderr, "%s\n", buf_cstr(&b));
		exit(1);
	}
	diagnostics_release(&d);
	return job;
}

static uint64_t appended;

static enum status append(void *arg, uint32_t topic, int32_t partition, struct slice key,
        const struct slice *value, struct error *e)
{
	(void)arg, (void)topic, (void)partition, (void)e;
	appended += key.len + (value ? value->len : 0);
	return ST_OK;
}

static enum status change(
        void *arg, uint32_t space, struct entry *en, struct slice row, struct error *e)
{
	(void)space, (void)en, (void)e;
	*(uint64_t *)arg += row.len;
	return ST_OK;
}

/* -- events -- */

static uint64_t rnd(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;
	uint64_t z = (state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Close to a zipf law of 0.99: the inverse of its continuous distribution. */
static uint32_t user(void)
{
	double u = (double)(rnd() >> 11) * 0x1p-53, s = 0.01;
	double rank = pow(u * (pow(USERS, s) - 1) + 1, 1 / s) - 1;
	return (uint32_t)((uint64_t)rank * UINT64_C(2654435761) % USERS);
}

struct input {
	struct batch b;
	char (*names)[16];
	uint64_t events, epoch, done, of_task[TASKS];
};

static void input_init(struct input *in, const struct schema *s, struct arena *a)
{
	batch_init(&in->b, BATCH_ROWS_MAX, (uint32_t)s->nfields, a);
	for (uint32_t i = 0; i < s->nfields; i++)
		column_init(&in->b.cols[i], &s->fields[i].type, BATCH_ROWS_MAX, a);
	in->names = arena_alloc(a, BATCH_ROWS_MAX * sizeof *in->names);
}

static uint32_t user_of(uint32_t task)
{
	uint32_t u;
	do
		u = user();
	while (u % TASKS != task);
	return u;
}

static void input_next(struct input *in, uint32_t task)
{
	struct batch *b = &in->b;
	b->n = BATCH_ROWS_MAX;
	for (uint32_t i = 0; i < b->n; i++, in->done++) {
		double part = (double)in->of_task[task]++ * TASKS / (double)in->events;
		int64_t ts = START_MS + (int64_t)(part * SPAN_MS);
		int len = snprintf(in->names[i], sizeof *in->names, "u%06u", user_of(task));
		b->cols[0].bytes[i] = (struct slice){(uint8_t *)in->names[i], (uint32_t)len};
		b->cols[1].f64[i] = (double)(rnd() % 100000) / 100;
		b->cols[2].i64[i] = ts;
		b->event_time[i] = b->known_at[i] = b->src_stream_time[i] = ts;
		b->src_partition[i] = 0;
		b->src_offset[i] = (int64_t)in->done;
	}
}

/* -- measuring -- */

struct rig {
	const struct operator *def;
	struct op *op;
	struct table *table;
	struct table_space space;
};

static void rig_open(struct rig *r, const struct plan *p, struct error *e)
{
	struct op_conf conf = {.plan = p, .stage = &p->stages[0], .output = {NULL, append, NULL},
	        .online = true};
	r->def = &operator_window;
	must(r->def->open(&conf, &r->op, e), e);
	r->space = (struct table_space){p->views[0].space, r->def->pack, r->op};
	struct table_conf tc = {.clock = &clock_system, .spaces = &r->space, .nspaces = 1,
	        .memory_bytes = UINT64_MAX / 2};
	r->table = table_new(&tc);
	r->def->table_set(r->op, r->table);
}

/* The end of a task's turn, and of an epoch. */
static void epoch_end(struct rig *r, uint64_t *changed, uint64_t *changelog, struct error *e)
{
	*changed += table_changed(r->table);
	must(table_changes(r->table, change, changelog, e), e);
	table_commit(r->table, slice_of("m"));
	r->def->epoch_end(r->op, true);
}

static void window_measure(
        struct rig *tasks, struct input *in, struct arena *a, struct error *e)
{
	uint32_t task = 0;
	double batch = 0, end = 0;
	uint64_t since = 0, changelog = 0, changed = 0, from = 0;
	while (in->done < in->events) {
		struct rig *r = &tasks[task];
		input_next(in, task);
		arena_reset(a);
		double t0 = cpu();
		must(r->def->batch(r->op, &in->b, in->b.src_stream_time, a, e), e);
		double t1 = cpu();
		batch += t1 - t0;
		since += in->b.n;
		if (since < in->epoch && in->done < in->events)
			continue;
		epoch_end(r, &changed, &changelog, e);
		end += cpu() - t1;
		since = 0;
		task = (task + 1) % TASKS;
		if (!from && (double)in->done >= WARM * (double)in->events) {
			from = in->done;
			batch = end = 0;
			changelog = changed = appended = 0;
		}
	}
	double entities = 0, bytes = 0;
	for (int i = 0; i < TASKS; i++) {
		struct table_stats st;
		table_stats(tasks[i].table, &st);
		entities += (double)st.entities_in_memory;
		bytes += (double)st.bytes;
	}
	double n = (double)(in->done - from);
	printf("window_update: %.1f ns per event\n", batch * 1e9 / n);
	printf("epoch_end: %.1f ns per event\n", end * 1e9 / n);
	printf("entities: %.0f, %.0f bytes each; rows changed: %.2f per event; offline %.0f and "
	       "changelog %.0f bytes per event\n",
	        entities, bytes / entities, (double)changed / n, (double)appended / n,
	        (double)changelog / n);
}

#define EXPRESSION_ROUNDS 2000

static void expression_measure(const struct job *job, struct input *in, struct arena *a)
{
	const struct program *p = job->views[1].input;
	struct program_counts counts = {0};
	struct column *out = calloc(program_outputs(p), sizeof *out);
	double t0 = cpu();
	for (int i = 0; i < EXPRESSION_ROUNDS; i++) {
		arena_reset(a);
		program_run(p, in->b.cols, in->b.n, out, a, &counts);
	}
	printf("expression: %.1f ns per event\n",
	        (cpu() - t0) * 1e9 / EXPRESSION_ROUNDS / in->b.n);
	free(out);
}

int main(int argc, char **argv)
{
	struct input in = {.events = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000,
	        .epoch = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000};
	struct arena fixed, batch;
	struct error e = {0};
	struct plan *plan;
	struct rig tasks[TASKS];
	int32_t partitions = 1;
	arena_init(&fixed);
	arena_init(&batch);
	struct job *job = job_make();
	must(plan_new(job, "weir", &partitions, &plan, &e), &e);
	input_init(&in, job->sources[0].schema, &fixed);
	for (int i = 0; i < TASKS; i++)
		rig_open(&tasks[i], plan, &e);
	window_measure(tasks, &in, &batch, &e);
	expression_measure(job, &in, &batch);
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("peak memory: %.1f MB\n", (double)u.ru_maxrss / 1024);
	for (int i = 0; i < TASKS; i++) {
		table_free(tasks[i].table);
		tasks[i].def->close(tasks[i].op);
	}
	plan_free(plan);
	arena_release(&batch);
	arena_release(&fixed);
	return 0;
}
