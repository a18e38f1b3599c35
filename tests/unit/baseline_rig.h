/* SPDX-License-Identifier: Apache-2.0
 *
 * A baseline for tests of monitors.
 */
#ifndef WEIR_TESTS_UNIT_BASELINE_RIG_H
#define WEIR_TESTS_UNIT_BASELINE_RIG_H

#include "data/drift/sample.h"

/* 1,000 rows: x is 0, 0.1, … 99.9, score x / 100, color red, green or blue; scores are labelled
 * 1 every other time. As a quoted text of YAML, on one line. */
static inline void baseline_text(struct buf *out)
{
	struct sample x, score, color;
	static const char *const colors[] = {"red", "green", "blue"};
	struct baseline b = {.monitor = "m",
	        .weir = "test",
	        .ncolumns = 3,
	        .nsegments = 1,
	        .score = "score",
	        .label = "late"};
	struct baseline_segment *s = arena_calloc(&b.arena, 1, sizeof *s);
	sample_init(&x, DRIFT_NUMBER);
	sample_init(&score, DRIFT_NUMBER);
	sample_init(&color, DRIFT_CATEGORY);
	struct errors_sums errors = {0};
	s->has_errors = true;
	for (int i = 0; i < 1000; i++) {
		sample_add_number(&x, i / 10.0, 1);
		sample_add_number(&score, i / 1000.0, 1);
		sample_add_category(&color, slice_of(colors[i % 3]), 1);
		errors_add(&errors, i / 1000.0, i % 2);
	}
	s->errors = errors_total(&errors);
	sample_finish(&x);
	sample_finish(&score);
	sample_finish(&color);
	b.segments = s;
	s->rows = 1000;
	s->columns = arena_calloc(&b.arena, 3, sizeof *s->columns);
	sample_baseline(&x, "x", &b.arena, &s->columns[0]);
	sample_baseline(&score, "score", &b.arena, &s->columns[1]);
	sample_baseline(&color, "color", &b.arena, &s->columns[2]);
	struct buf text = {0};
	baseline_write(&b, &text);
	buf_byte(out, '\'');
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != '\n')
			buf_byte(out, text.p[i]);
	buf_byte(out, '\'');
	buf_release(&text);
	arena_release(&b.arena);
	sample_release(&x);
	sample_release(&score);
	sample_release(&color);
}

#endif
