// SPDX-License-Identifier: Apache-2.0
//
// A monitor by itself, over the memory-only table: CPU seconds per million predictions of the
// profile step with 20 number columns (what every prediction costs; closing windows costs per
// window) in windows of an hour, one segment or ten, 10,000 predictions an epoch. The target is
// 1 s.
//
//   micro_run_monitor [PREDICTIONS]      default 1,000,000
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "connectors/formats.h"
#include "data/drift/sample.h"
#include "operators/aggregates.h"
#include "operators/operators.h"

#define COLUMNS 20
#define EPOCH_ROWS 10000
#define SEGMENTS 10
#define START_MS INT64_C(1735689600000)

static uint64_t seed = 7;
static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform());
}

static void baseline_write_text(struct buf *out)
{
	struct baseline b = {.ncolumns = COLUMNS, .nsegments = 1, .weir = "bench"};
	struct baseline_segment *s = arena_calloc(&b.arena, 1, sizeof *s);
	struct buf text = {0};
	b.segments = s;
	s->rows = 100000;
	s->columns = arena_calloc(&b.arena, COLUMNS, sizeof *s->columns);
	for (int c = 0; c < COLUMNS; c++) {
		struct sample v;
		sample_init(&v, DRIFT_NUMBER);
		for (int i = 0; i < 100000; i++)
			sample_add_number(&v, normal(), 1);
		sample_finish(&v);
		sample_baseline(&v, arena_printf(&b.arena, "f%d", c), &b.arena, &s->columns[c]);
		sample_release(&v);
	}
	baseline_write(&b, &text);
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != '\n')
			buf_byte(out, text.p[i]);
	buf_release(&text);
	arena_release(&b.arena);
}

static struct job *job_make(bool segments)
{
	struct lang_env env = {.formats = formats, .aggregates = aggregates};
	struct diagnostics d;
	struct job *job = NULL;
	struct buf t = {0};
	buf_str(&t,
	        "job: b\nsources:\n  p:\n    topic: p\n    format: json\n    time: at\n"
	        "    schema: {type: record, name: p, fields: [{name: at, type: {type: long, "
	        "logicalType: timestamp-millis}}, {name: version, type: string}");
	for (int c = 0; c < COLUMNS; c++)
		buf_printf(&t, ", {name: f%d, type: double}", c);
	buf_str(&t, "]}\nmonitors:\n  m:\n    from: p\n    window: 1h\n    columns: [f0");
	for (int c = 1; c < COLUMNS; c++)
		buf_printf(&t, ", f%d", c);
	buf_printf(&t, "]\n%s    baseline: '", segments ? "    by: [version]\n" : "");
	baseline_write_text(&t);
	buf_str(&t, "'\n");
	diagnostics_init(&d);
	if (job_parse(buf_view(&t), "b.yaml", NULL, &env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		fprintf(stderr, "%.500s", buf_cstr(&b));
		exit(1);
	}
	diagnostics_release(&d);
	buf_release(&t);
	return job;
}

static double cpu_s(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static uint64_t sent;
static enum status append(void *arg, uint32_t topic, int32_t partition, struct slice key,
        const struct slice *value, struct error *e)
{
	(void)arg, (void)topic, (void)partition, (void)key, (void)value, (void)e;
	sent++;
	return ST_OK;
}

static void batch_fill(struct batch *b, const struct schema *s, int64_t *at, struct arena *a)
{
	static char names[SEGMENTS][4];
	batch_init(b, BATCH_ROWS_MAX, (uint32_t)s->nfields, a);
	b->n = BATCH_ROWS_MAX;
	for (uint32_t c = 0; c < s->nfields; c++)
		column_init(&b->cols[c], &s->fields[c].type, b->n, a);
	for (uint32_t i = 0; i < b->n; i++) {
		int k = (int)(uniform() * SEGMENTS);
		snprintf(names[k], sizeof names[k], "v%d", k);
		*at += 10;
		b->event_time[i] = b->known_at[i] = b->src_stream_time[i] = *at;
		b->cols[0].i64[i] = *at;
		b->cols[1].bytes[i] = slice_of(names[k]);
		for (uint32_t c = 2; c < s->nfields; c++)
			b->cols[c].f64[i] = normal();
	}
}

static enum status change(
        void *arg, uint32_t space, struct entry *en, struct slice row, struct error *e)
{
	(void)space, (void)en, (void)e;
	*(uint64_t *)arg += row.len;
	return ST_OK;
}

static void run(bool segments, uint64_t predictions)
{
	struct error e;
	struct plan *plan;
	int32_t partitions = 1;
	struct job *job = job_make(segments);
	if (plan_new(job, "weir", &partitions, &plan, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	const struct operator* def = monitor_operators[ROLE_PROFILE];
	struct op_conf conf = {.plan = plan,
	        .stage = &plan->stages[0],
	        .step = &plan->stages[0].steps[0],
	        .output = {NULL, append, NULL}};
	struct op *op;
	if (def->open(&conf, &op, &e))
		exit(1);
	struct table_space space = {conf.step->space, def->pack, op};
	struct table_conf tc = {.clock = &clock_system,
	        .spaces = &space,
	        .nspaces = 1,
	        .memory_bytes = UINT64_C(1) << 30};
	struct table *table = table_new(&tc);
	def->table_set(op, table);
	struct arena values = {0}, work = {0};
	int64_t at = START_MS;
	double spent = 0;
	uint64_t changelog = 0, rows = 0, epoch = 0;
	sent = 0;
	while (rows < predictions) {
		struct batch b;
		arena_reset(&values);
		arena_reset(&work);
		batch_fill(&b, job->sources[0].schema, &at, &values);
		double from = cpu_s();
		if (def->batch(op, &b, b.src_stream_time, &work, &e))
			exit(1);
		rows += b.n;
		epoch += b.n;
		if (epoch >= EPOCH_ROWS) {
			table_changes(table, change, &changelog, &e);
			table_commit(table, slice_of(""));
			def->epoch_end(op, true);
			epoch = 0;
		}
		spent += cpu_s() - from;
	}
	printf("%-12s %6.3f s CPU per million predictions of %d columns, %5.1f bytes of "
	       "changelog each, "
	       "%llu parts and notes\n",
	        segments ? "10 segments" : "one segment", spent / (double)rows * 1e6, COLUMNS,
	        (double)changelog / (double)rows, (unsigned long long)sent);
	def->close(op);
	table_free(table);
	plan_free(plan);
	job_free(job);
	arena_release(&values);
	arena_release(&work);
}

int main(int argc, char **argv)
{
	uint64_t predictions = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	run(false, predictions);
	run(true, predictions);
	return 0;
}
