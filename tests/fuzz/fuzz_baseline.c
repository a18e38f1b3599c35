// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes baseline files, and packed profiles: a file that is taken is taken again as it is
// written, and every test of it against a window has a number or none; a profile that is taken
// packs to itself. Input: a baseline, or a NUL and a profile of a small baseline.
#include <math.h>
#include <stdint.h>

#include "data/drift/sample.h"
#include "data/drift/tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void measure_all(const struct baseline_column *c)
{
	struct profile p;
	struct drift_value v;
	profile_init(&p, c);
	for (int i = 0; i < 20; i++)
		if (c->kind == DRIFT_NUMBER)
			profile_add_number(&p, i * 0.37);
		else
			profile_add_category(&p, slice_of(i % 2 ? "a" : "b"));
	for (int m = 0; m < DRIFT_MODES; m++)
		for (int t = 0; t < DRIFT_TESTS; t++) {
			drift_measure(&(struct drift_pair){.base = c, .now = &p},
			        (enum drift_mode)m, (enum drift_test)t, &v);
			INVARIANT(!isinf(v.value) && !isinf(v.p_value));
		}
	profile_release(&p);
}

static void file_taken(struct slice text)
{
	struct baseline *b, *again;
	struct error e;
	struct buf one = {0}, two = {0};
	if (baseline_parse(text, "f", &b, &e)) {
		INVARIANT(e.class == ERR_USER && e.msg[0]);
		return;
	}
	baseline_write(b, &one);
	INVARIANT(baseline_parse(buf_view(&one), "f", &again, &e) == ST_OK);
	baseline_write(again, &two);
	INVARIANT(slice_eq(buf_view(&one), buf_view(&two)));
	for (uint32_t i = 0; i < b->ncolumns; i++)
		measure_all(&b->segments[0].columns[i]);
	baseline_free(b);
	baseline_free(again);
	buf_release(&one);
	buf_release(&two);
}

static void profile_taken(struct slice packed)
{
	struct arena a = {0};
	struct sample s;
	struct baseline_column c;
	struct profile p;
	struct buf one = {0};
	sample_init(&s, packed.len % 2 ? DRIFT_NUMBER : DRIFT_CATEGORY);
	for (int i = 0; i < 30; i++)
		if (s.kind == DRIFT_NUMBER)
			sample_add_number(&s, i / 3, 1);
		else
			sample_add_category(&s, slice_of(i % 3 ? "a" : "b"), 1);
	sample_finish(&s);
	sample_baseline(&s, "x", &a, &c);
	c.id = 0; // so that it can be guessed
	profile_init(&p, &c);
	struct reader r = reader_of(packed);
	if (profile_unpack(&p, &r)) {
		struct reader back;
		profile_pack(&p, &one);
		back = reader_of(buf_view(&one));
		INVARIANT(profile_unpack(&p, &back) && back.p == back.end);
	}
	profile_release(&p);
	sample_release(&s);
	buf_release(&one);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = {data, (uint32_t)size};
	if (size && data[0] == 0)
		profile_taken((struct slice){data + 1, (uint32_t)size - 1});
	else
		file_taken(s);
	return 0;
}
