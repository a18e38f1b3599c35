// SPDX-License-Identifier: Apache-2.0
//
// A row's features in place beside the plain way: each value read by avro_read, its text by
// value_text. The checksum with the processor's help beside the tables.
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "connectors/redis/crc64.h"
#include "connectors/redis/row.h"
#include "data/avro.h"

#define ROWS 20000

static const char *const colours[] = {"RED", "GREEN", NULL};
static const char long_name[] = "a_name_that_is_longer_than_what_one_step_copies_and_than_a_short_"
				"entry_of_a_listpack_may_be";
static const struct field features[] = {
	{.name = "n", .type = {.kind = KIND_LONG}},
	{.name = "a", .type = {.kind = KIND_DOUBLE}, .nullable = true},
	{.name = "exactly_14_of_", .type = {.kind = KIND_DOUBLE}, .nullable = true},
	{.name = "s", .type = {.kind = KIND_STRING}, .nullable = true},
	{.name = long_name, .type = {.kind = KIND_LONG}, .nullable = true},
	{.name = "i", .type = {.kind = KIND_INT}, .nullable = true},
	{.name = "b", .type = {.kind = KIND_DOUBLE}},
	{.name = "c", .type = {.kind = KIND_ENUM, .symbols = colours}},
	{.name = "f", .type = {.kind = KIND_FLOAT}},
	{.name = "at", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
	{.name = "d", .type = {.kind = KIND_DOUBLE}, .nullable = true},
};
#define FEATURES (sizeof features / sizeof *features)

static uint64_t state;

static uint64_t rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int64_t some_long(void)
{
	return (int64_t)rnd() >> rnd() % 64;
}

/* Amounts and their means, whole numbers, any bits at all, and some that were there before. */
static double some_double(void)
{
	static double last;
	static const double edges[] = {0, -0.0, 1e15, -1e15, 999999999999999.0, 5e-324,
		-1.7976931348623157e308, 0.1, INFINITY};
	uint64_t bits = rnd();
	double v;
	switch (rnd() % 8) {
	case 0:
		return last;
	case 1:
		return last = edges[rnd() % (sizeof edges / sizeof *edges)];
	case 2:
		memcpy(&v, &bits, sizeof v);
		return last = v;
	case 3:
		return last = (double)some_long();
	case 4:
		return last = (double)(bits % 102400) / 100;
	default:
		return last = (double)(bits % 102400) / 100 / (double)(1 + bits % 7);
	}
}

static struct value some_value(const struct field *f)
{
	static char text[5000];
	struct value v = {.null = f->nullable && rnd() % 4 == 0};
	if (f->type.kind == KIND_STRING) {
		memset(text, 'y', sizeof text);
		v.bytes = (struct slice){(uint8_t *)text,
			(uint32_t)(rnd() % (rnd() % 16 ? 80 : sizeof text))};
	} else if (f->type.kind == KIND_ENUM) {
		v.bytes = slice_of(colours[rnd() % 2]);
	} else if (f->type.kind == KIND_DOUBLE) {
		v.f64 = some_double();
	} else if (f->type.kind == KIND_FLOAT) {
		v.f64 = (double)(rnd() % 1000) / 8;
	} else {
		v.i64 = f->type.kind == KIND_INT ? (int32_t)some_long() : some_long();
	}
	return v;
}

static void plain_value(struct dump *d, const struct type *t, const struct value *v)
{
	struct buf b = {0};
	double x = v->f64;
	bool whole = t->kind == KIND_DOUBLE && fabs(x) < 1e15 && trunc(x) == x &&
		     !(x == 0 && signbit(x));
	if (t->kind == KIND_LONG || t->kind == KIND_INT) {
		dump_int(d, v->i64);
	} else if (whole) {
		dump_int(d, (int64_t)x);
	} else {
		value_text(&b, t, v);
		dump_text(d, buf_view(&b));
	}
	buf_release(&b);
}

START_TEST(a_row_is_what_the_plain_way_makes_of_it)
{
	struct arena a;
	struct row_plan plan;
	static struct row_memo memo;
	struct buf avro = {0}, text = {0};
	struct dump got, expect;
	arena_init(&a);
	row_plan_init(&plan, features, FEATURES, &a);
	dump_init(&got);
	dump_init(&expect);
	state = 42;
	for (int k = 0; k < ROWS; k++) {
		avro.len = 0;
		dump_begin(&got);
		dump_begin(&expect);
		for (size_t i = 0; i < FEATURES; i++) {
			struct value v = some_value(&features[i]);
			avro_write(&avro, &features[i].type, features[i].nullable, &v);
			if (v.null)
				continue;
			dump_text(&expect, slice_of(features[i].name));
			plain_value(&expect, &features[i].type, &v);
		}
		row_features(&plan, buf_view(&avro), &memo, &text, &got);
		struct slice g = dump_end(&got), e = dump_end(&expect);
		ck_assert_uint_eq(got.n, expect.n);
		ck_assert_msg(slice_eq(g, e), "row %d differs", k);
	}
	dump_release(&got);
	dump_release(&expect);
	buf_release(&avro);
	buf_release(&text);
	arena_release(&a);
}
END_TEST

START_TEST(a_row_that_ends_early_is_a_bug)
{
	struct arena a;
	struct row_plan plan;
	static struct row_memo memo;
	struct buf text = {0};
	struct dump d;
	static const uint8_t bytes[] = {2, 2, 1, 2, 3, 4, 5, 6, 7};
	uint8_t *cut = malloc((size_t)_i + 1); /* nothing behind it is ours */
	arena_init(&a);
	row_plan_init(&plan, features, 2, &a);
	dump_init(&d);
	dump_begin(&d);
	memcpy(cut, bytes, (size_t)_i);
	row_features(&plan, (struct slice){cut, (uint32_t)_i}, &memo, &text, &d);
}
END_TEST

START_TEST(a_checksum_with_the_processors_help_is_the_tables)
{
	static uint8_t bytes[4096 + 16];
	state = 7;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)rnd();
	ck_assert(crc64(slice_of("123456789")) == 0xe9c6d914c4b8d9cau);
	crc64_fn fast = crc64_fast();
	for (uint32_t len = 0; len <= 4096; len += len < 700 ? 1 : 61) {
		struct slice s = {bytes + len % 17 % 16, len};
		uint64_t c = crc64_table(0, s);
		ck_assert(crc64(s) == c);
		if (fast && len >= CRC64_FAST_MIN)
			ck_assert(fast(s) == c);
	}
	memset(bytes, 0, sizeof bytes);
	ck_assert(crc64((struct slice){bytes, 1000}) == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis_row");
	TCase *t = tcase_create("row");
	tcase_add_test(t, a_row_is_what_the_plain_way_makes_of_it);
	tcase_add_loop_test_raise_signal(t, a_row_that_ends_early_is_a_bug, SIGABRT, 0, 9);
	tcase_add_test(t, a_checksum_with_the_processors_help_is_the_tables);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
