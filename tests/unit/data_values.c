// SPDX-License-Identifier: Apache-2.0
//
// Type names, values as Avro and as text, columns and batches.
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "data/avro.h"
#include "data/codec.h"

static const char *const symbols[] = {"RED", "GREEN", NULL};
static const struct type t_boolean = {.kind = KIND_BOOLEAN}, t_int = {.kind = KIND_INT},
                         t_long = {.kind = KIND_LONG}, t_float = {.kind = KIND_FLOAT},
                         t_double = {.kind = KIND_DOUBLE}, t_string = {.kind = KIND_STRING},
                         t_bytes = {.kind = KIND_BYTES}, t_date = {.kind = KIND_DATE},
                         t_millis = {.kind = KIND_TIMESTAMP_MILLIS},
                         t_micros = {.kind = KIND_TIMESTAMP_MICROS},
                         t_enum = {.kind = KIND_ENUM, .symbols = symbols},
                         t_dec = {.kind = KIND_DECIMAL, .precision = 38, .scale = 2},
                         t_dec0 = {.kind = KIND_DECIMAL, .precision = 5},
                         t_longs = {.kind = KIND_ARRAY, .element = &t_long},
                         t_texts = {.kind = KIND_MAP,
                                 .element = &t_string,
                                 .element_nullable = true};

#define I(x)                                                                                   \
	{                                                                                      \
		.i64 = (x)                                                                     \
	}
#define F(x)                                                                                   \
	{                                                                                      \
		.f64 = (x)                                                                     \
	}
#define D(x)                                                                                   \
	{                                                                                      \
		.i128 = (x)                                                                    \
	}
#define B(s)                                                                                   \
	{                                                                                      \
		.bytes = {(const uint8_t *)(s), sizeof(s) - 1 }                                \
	}

static const struct {
	const struct type *type;
	struct value v;
	const char *avro; /* with its length first, as it may hold NULs */
	size_t navro;
	const char *text, *json;
} values[] = {
#define A(s) s, sizeof(s) - 1
        {&t_boolean, I(1), A("\x01"), "1", "true"},
        {&t_boolean, I(0), A("\x00"), "0", "false"},
        {&t_int, I(-1), A("\x01"), "-1", "-1"},
        {&t_int, I(INT32_MIN), A("\xff\xff\xff\xff\x0f"), "-2147483648", "-2147483648"},
        {&t_long, I(64), A("\x80\x01"), "64", "64"},
        {&t_long, I(INT64_MAX), A("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                "9223372036854775807", "9223372036854775807"},
        {&t_float, F(0.5), A("\0\0\0\x3f"), "0.5", "0.5"},
        {&t_double, F(0.1), A("\x9a\x99\x99\x99\x99\x99\xb9\x3f"), "0.1", "0.1"},
        {&t_double, F(-INFINITY), A("\0\0\0\0\0\0\xf0\xff"), "-Infinity", "null"},
        {&t_string, B("a\"\n"),
                A("\x06"
                  "a\"\n"),
                "a\"\n", "\"a\\\"\\n\""},
        {&t_bytes, B("\0\xff"), A("\x04\0\xff"), "AP8=", "\"AP8=\""},
        {&t_enum, B("GREEN"), A("\x02"), "GREEN", "\"GREEN\""},
        {&t_date, I(15706), A("\xb4\xf5\x01"), "15706", "15706"},
        {&t_millis, I(-1), A("\x01"), "-1", "-1"},
        {&t_micros, I(-1), A("\x01"), "-1", "-1"},
        {&t_micros, I(1999), A("\x9e\x1f"), "1", "1"},
        {&t_dec, D(-5), A("\x02\xfb"), "-0.05", "-0.05"},
        {&t_dec, D(0), A("\x02\0"), "0.00", "0.00"},
        {&t_dec, D(128), A("\x04\0\x80"), "1.28", "1.28"},
        {&t_dec, D(-128), A("\x02\x80"), "-1.28", "-1.28"},
        {&t_dec, D((__int128)INT64_MAX * 10), A("\x12\x04\xff\xff\xff\xff\xff\xff\xff\xf6"),
                "922337203685477580.70", "922337203685477580.70"},
        {&t_dec0, D(120), A("\x02\x78"), "120", "120"},
        {&t_longs, B("\x04\x02\x05\0"), A("\x04\x02\x05\0"), "[1,-3]", "[1,-3]"},
        {&t_longs, B("\0"), A("\0"), "[]", "[]"},
        {&t_texts, B("\x04\x02x\x02\x02y\x02z\0\0"), A("\x04\x02x\x02\x02y\x02z\0\0"),
                "{\"x\":\"y\",\"z\":null}", "{\"x\":\"y\",\"z\":null}"},
};

static bool same(const struct type *t, const struct value *a, const struct value *b)
{
	return a->null == b->null && (a->null || value_cmp(t, a, b) == 0);
}

START_TEST(round_trip)
{
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		for (int nullable = 0; nullable < 2; nullable++) {
			struct buf b = {0};
			struct value back;
			avro_write(&b, values[i].type, nullable, &values[i].v);
			ck_assert_uint_eq(b.len, values[i].navro + (size_t)nullable);
			ck_assert_mem_eq(b.p + nullable, values[i].avro, values[i].navro);
			struct reader r = reader_of(buf_view(&b));
			avro_read(&r, values[i].type, nullable, &back);
			ck_assert(!r.failed && r.p == r.end);
			ck_assert(same(values[i].type, &values[i].v, &back));
			for (size_t cut = 0; cut < b.len; cut++) {
				r = reader_of((struct slice){b.p, (uint32_t)cut});
				avro_read(&r, values[i].type, nullable, &back);
				ck_assert(r.failed && back.null);
			}
			buf_release(&b);
		}
	}
}
END_TEST

/* What writes into room made before gives the bytes of the writer that makes it. */
START_TEST(put)
{
	static const int64_t longs[] = {
	        0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1735689600000, INT64_MAX, INT64_MIN};
	for (uint32_t i = 0; i < sizeof longs / sizeof *longs; i++) {
		struct value whole = {.i64 = longs[i]}, real = {.f64 = (double)longs[i] / 3};
		struct value null = {.null = true};
		uint8_t out[2 * (1 + AVRO_LONG_BYTES) + 1], *p = out;
		struct buf b = {0};
		avro_write(&b, &t_long, true, &whole);
		avro_write(&b, &t_double, false, &real);
		avro_write(&b, &t_double, true, &null);
		p = avro_put_long(avro_put_branch(p, false), whole.i64);
		p = avro_put_branch(avro_put_double(p, real.f64), true);
		ck_assert_uint_eq(b.len, (size_t)(p - out));
		ck_assert_mem_eq(b.p, out, b.len);
		buf_release(&b);
	}
}
END_TEST

START_TEST(as_text)
{
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct buf b = {0};
		value_text(&b, values[i].type, &values[i].v);
		ck_assert_str_eq(buf_cstr(&b), values[i].text);
		b.len = 0;
		value_json(&b, values[i].type, &values[i].v);
		ck_assert_str_eq(buf_cstr(&b), values[i].json);
		b.len = 0;
		value_text(&b, values[i].type, &(struct value){.null = true});
		ck_assert_uint_eq(b.len, 0);
		value_json(&b, values[i].type, &(struct value){.null = true});
		ck_assert_str_eq(buf_cstr(&b), "null");
		buf_release(&b);
	}
}
END_TEST

START_TEST(malformed)
{
	static const struct {
		const struct type *type;
		bool nullable;
		const char *bytes;
		size_t n;
	} t[] = {
	        {&t_int, false, A("\x80\x80\x80\x80\x10")}, /* 2^31 */
	        {&t_int, true, A("\x04\x02")},              /* branch 2 */
	        {&t_boolean, false, A("\x02")}, {&t_enum, false, A("\x04")},
	        {&t_enum, false, A("\x01")}, {&t_string, false, A("\x01")}, /* length -1 */
	        {&t_string, false, A("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
	        {&t_long, false, A("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")},
	        {&t_longs, false, A("\xfe\xff\xff\xff\x0f")}, /* more elements than bytes */
	        {&t_longs, false, A("\x01")},
	        {&t_dec, false, A("\x22\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")}, /* 2^128 */
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct value v;
		struct reader r = reader_of(
		        (struct slice){(const uint8_t *)t[i].bytes, (uint32_t)t[i].n});
		avro_read(&r, t[i].type, t[i].nullable, &v);
		ck_assert_msg(r.failed, "case %zu", i);
	}
}
END_TEST

START_TEST(frames)
{
	struct buf b = {0};
	avro_frame_single_object(&b, 0x0102030405060708);
	ck_assert_mem_eq(
	        b.p, "\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01", AVRO_SINGLE_OBJECT_BYTES);
	b.len = 0;
	avro_frame_registry(&b, 258);
	ck_assert_mem_eq(b.p, "\0\0\0\x01\x02", AVRO_REGISTRY_BYTES);
	buf_release(&b);
}
END_TEST

START_TEST(type_names)
{
	static const char *const names[] = {"boolean", "int", "long", "float", "double",
	        "string", "bytes", "date", "time-millis", "time-micros", "timestamp-millis",
	        "timestamp-micros", "decimal(10,2)", "decimal(38,0)"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct type t;
		char out[TYPE_NAME_MAX];
		ck_assert_msg(type_parse(slice_of(names[i]), &t), "%s", names[i]);
		ck_assert_str_eq(type_name(&t, out), names[i]);
		ck_assert(type_equal(&t, &t));
	}
	static const char *const bad[] = {"", "lon", "longs", "array", "enum", "null",
	        "decimal", "decimal()", "decimal(0)", "decimal(39,1)", "decimal(4,5)",
	        "decimal(4,-1)", "decimal(4,2", "decimal(4,2)x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct type t;
		ck_assert_msg(!type_parse(slice_of(bad[i]), &t), "%s", bad[i]);
	}
	struct type nest[40];
	char out[TYPE_NAME_MAX];
	nest[0] = t_long;
	for (int i = 1; i < 40; i++)
		nest[i] = (struct type){.kind = KIND_ARRAY, .element = &nest[i - 1]};
	ck_assert_uint_lt(strlen(type_name(&nest[39], out)), TYPE_NAME_MAX);
	ck_assert_str_eq(type_name(&nest[2], out), "array<array<long>>");
	ck_assert(!type_equal(&nest[2], &nest[3]));
	ck_assert(!type_equal(&t_dec, &t_dec0));
}
END_TEST

START_TEST(filter)
{
	struct arena a;
	struct batch b;
	arena_init(&a);
	batch_init(&b, 5, 3, &a);
	column_init(&b.cols[0], &t_dec, 5, &a);
	column_init(&b.cols[2], &t_string, 5, &a);
	static const char *const texts[] = {"a", "b", "c", "d", "e"};
	for (int i = 0; i < 5; i++) {
		struct value d = {.null = i == 3, .i128 = i}, s = {.bytes = slice_of(texts[i])};
		column_set(&b.cols[0], (uint32_t)i, &d);
		column_set(&b.cols[2], (uint32_t)i, &s);
		b.event_time[i] = 10 * i;
	}
	batch_filter(&b, (const uint8_t[]){0, 1, 0, 1, 7});
	ck_assert_uint_eq(b.n, 3);
	static const int expect[] = {1, 3, 4};
	for (uint32_t i = 0; i < 3; i++) {
		struct value d = column_get(&b.cols[0], i), s = column_get(&b.cols[2], i);
		ck_assert_int_eq(d.null, expect[i] == 3);
		ck_assert(d.null || d.i128 == expect[i]);
		ck_assert(slice_eq(s.bytes, slice_of(texts[expect[i]])));
		ck_assert_int_eq(b.event_time[i], 10 * expect[i]);
	}
	ck_assert_ptr_null(b.cols[1].data);
	arena_release(&a);
}
END_TEST

START_TEST(order)
{
	struct value nan = {.f64 = NAN}, one = {.f64 = 1}, inf = {.f64 = INFINITY};
	ck_assert_int_eq(value_cmp(&t_double, &nan, &inf), 1);
	ck_assert_int_eq(value_cmp(&t_double, &one, &nan), -1);
	ck_assert_int_eq(value_cmp(&t_double, &nan, &nan), 0);
	struct value ab = B("ab"), a = B("a"), z = B("z");
	ck_assert_int_eq(value_cmp(&t_string, &a, &ab), -1);
	ck_assert_int_eq(value_cmp(&t_string, &z, &ab), 1);
}
END_TEST

START_TEST(reasons)
{
	for (int i = 0; i < BAD_COUNT; i++)
		ck_assert_ptr_nonnull(bad_reason[i]);
	ck_assert_str_eq(bad_reason[BAD_FUTURE_TIME], "future_time");
	ck_assert_str_eq(bad_reason[BAD_LATE], "late");
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("values");
	tcase_add_test(c, round_trip);
	tcase_add_test(c, put);
	tcase_add_test(c, as_text);
	tcase_add_test(c, malformed);
	tcase_add_test(c, frames);
	tcase_add_test(c, type_names);
	tcase_add_test(c, filter);
	tcase_add_test(c, order);
	tcase_add_test(c, reasons);
	Suite *s = suite_create("data_values");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
