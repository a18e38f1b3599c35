// SPDX-License-Identifier: Apache-2.0
//
// What a monitor's profiles cost: 20 columns (16 numbers of various shapes, 4 of text) in
// batches of 500 rows, as CPU seconds per million predictions; then packing, unpacking and
// measuring one window.
//
//     micro_data_drift [ROWS]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "data/drift/sample.h"
#include "data/drift/tests.h"

#define COLUMNS 20
#define NUMBERS 16
#define REFERENCE 100000
#define BATCH 500
#define BATCHES 64 // of different values, taken in turn

static const struct type t_double = {.kind = KIND_DOUBLE}, t_string = {.kind = KIND_STRING};
static const char *const words[] = {"AA", "B6", "DL", "EV", "F9", "HA", "MQ", "OO", "UA", "US",
        "VX", "WN", "YV", "9E", "AS", "new"};

static uint64_t seed = 88172645463325252;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) * 0x1p-53;
}

// By column: normal, lognormal, mostly zero, small whole numbers.
static double number(int column)
{
	double z = sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
	switch (column % 4) {
	case 0:
		return z;
	case 1:
		return exp(2 * z);
	case 2:
		return uniform() < 0.6 ? 0 : z;
	default:
		return floor(5 * z);
	}
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void reference(int column, struct arena *a, struct baseline_column *out)
{
	struct sample s;
	sample_init(&s, column < NUMBERS ? DRIFT_NUMBER : DRIFT_CATEGORY);
	for (int i = 0; i < REFERENCE; i++)
		if (column < NUMBERS)
			sample_add_number(&s, number(column), 1);
		else
			sample_add_category(&s, slice_of(words[(int)(15 * uniform())]), 1);
	sample_finish(&s);
	sample_baseline(&s, "x", a, out);
	sample_release(&s);
}

static void fill(struct column *c, int column, struct arena *a)
{
	column_init(c, column < NUMBERS ? &t_double : &t_string, BATCH, a);
	for (int i = 0; i < BATCH; i++)
		if (uniform() < 0.02)
			c->null[i] = 1;
		else if (column < NUMBERS)
			c->f64[i] = 1.1 * number(column);
		else
			c->bytes[i] = slice_of(words[(int)(16 * uniform())]);
}

static void one_window(struct profile *p)
{
	struct buf b = {0};
	struct drift_value v;
	double start = cpu_s();
	for (int i = 0; i < COLUMNS; i++)
		profile_pack(&p[i], &b);
	double packed = cpu_s();
	struct reader r = reader_of(buf_view(&b));
	for (int i = 0; i < COLUMNS; i++)
		if (!profile_unpack(&p[i], &r))
			abort();
	double unpacked = cpu_s();
	for (int i = 0; i < COLUMNS; i++)
		for (int t = 0; t < DRIFT_TESTS; t++)
			drift_measure(&(struct drift_pair){.base = p[i].base, .now = &p[i]},
			        MODE_WEIR, (enum drift_test)t, &v);
	double measured = cpu_s();
	printf("a window of %d columns: %zu bytes packed, pack %.0f us, unpack %.0f us, "
	       "all tests %.1f ms\n",
	        COLUMNS, b.len, (packed - start) * 1e6, (unpacked - packed) * 1e6,
	        (measured - unpacked) * 1e3);
	buf_release(&b);
}

int main(int argc, char **argv)
{
	long rows = argc > 1 ? atol(argv[1]) : 1000000;
	static struct baseline_column base[COLUMNS];
	static struct profile p[COLUMNS];
	static struct column batch[BATCHES][COLUMNS];
	struct arena a;
	arena_init(&a);
	for (int i = 0; i < COLUMNS; i++) {
		reference(i, &a, &base[i]);
		profile_init(&p[i], &base[i]);
		for (int k = 0; k < BATCHES; k++)
			fill(&batch[k][i], i, &a);
	}
	double start = cpu_s();
	for (long done = 0; done < rows; done += BATCH)
		for (int i = 0; i < COLUMNS; i++)
			profile_add(&p[i], &batch[done / BATCH % BATCHES][i], NULL, BATCH);
	double spent = cpu_s() - start;
	printf("%ld predictions of %d columns: %.3f CPU s, %.3f per million, %.1f ns a value\n",
	        rows, COLUMNS, spent, spent * 1e6 / (double)rows,
	        spent * 1e9 / (double)rows / COLUMNS);
	one_window(p);
	for (int i = 0; i < COLUMNS; i++)
		profile_release(&p[i]);
	arena_release(&a);
	return 0;
}
