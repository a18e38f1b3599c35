// SPDX-License-Identifier: Apache-2.0
//
// Rows to FCALLs, read back with hiredis's own parser, and their hashes with one of ours: no
// server (integration_redis_online has one).
#include <check.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "connectors/redis/crc64.h"
#include "connectors/redis/encode.h"
#include "connectors/redis/function.h"
#include "tests/lib/online_rows.h"

static struct arena arena;
static struct encode_view small, wide;
static const struct encode_view *views[2] = {&small, &wide};
static struct rows rows;
static struct encoder *encoder;
static struct online_task task;

static const char *const colours[] = {"RED", "GREEN", NULL};
static const struct type t_long = {.kind = KIND_LONG};
static const struct field wide_features[] = {
        {.name = "flag", .type = {.kind = KIND_BOOLEAN}},
        {.name = "i", .type = {.kind = KIND_INT}},
        {.name = "d", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "s", .type = {.kind = KIND_STRING}, .nullable = true},
        {.name = "b", .type = {.kind = KIND_BYTES}},
        {.name = "at", .type = {.kind = KIND_TIMESTAMP_MILLIS}},
        {.name = "at_us", .type = {.kind = KIND_TIMESTAMP_MICROS}},
        {.name = "c", .type = {.kind = KIND_ENUM, .symbols = colours}},
        {.name = "m", .type = {.kind = KIND_DECIMAL, .precision = 10, .scale = 2}},
        {.name = "list", .type = {.kind = KIND_ARRAY, .element = &t_long}},
};

static void setup(void)
{
	static struct online_view v, w;
	v = rows_view("vw", 1000);
	w = (struct online_view){
	        .name = "wide", .version = 12, .features = wide_features, .nfeatures = 10};
	arena_init(&arena);
	encode_view_init(&small, &v, "pre", &arena);
	encode_view_init(&wide, &w, "pre", &arena);
	encoder = encoder_new();
}

static void teardown(void)
{
	encoder_free(encoder);
	arena_release(&arena);
	rows_release(&rows);
}

static struct call *encode(const struct online_epoch *ep, const struct online_step *step,
        size_t room, uint32_t *ncalls)
{
	struct call *last;
	size_t bytes;
	struct encode_epoch in = {.epoch = ep,
	        .step = step,
	        .views = views,
	        .task = &task,
	        .record_key = "pre:_task:j:s:0",
	        .room = room};
	struct call *list = encode_calls(encoder, &in, &last, &bytes, ncalls);
	size_t sum = 0;
	for (struct call *c = list; c; c = c->next) {
		sum += sizeof(*c) + c->len;
		ck_assert(c->next || c == last);
	}
	if (list)
		ck_assert_uint_eq(sum, bytes);
	return list;
}

/* The call's words; nothing may be left over. */
static redisReply *parse(const struct call *c)
{
	void *reply = NULL, *rest = NULL;
	redisReader *r = redisReaderCreate();
	r->maxbuf = 0;
	ck_assert_int_eq(redisReaderFeed(r, (const char *)c->bytes, c->len), REDIS_OK);
	ck_assert_int_eq(redisReaderGetReply(r, &reply), REDIS_OK);
	ck_assert_ptr_nonnull(reply);
	ck_assert_int_eq(redisReaderGetReply(r, &rest), REDIS_OK);
	ck_assert_ptr_null(rest);
	ck_assert_uint_eq(r->len, r->pos);
	redisReaderFree(r);
	return reply;
}

/* The entry at p of a listpack, as text; the next one. */
static const uint8_t *entry(const uint8_t *p, char *out, size_t size)
{
	const uint8_t *data = p + 1;
	size_t len = 0, head = 1;
	int64_t v = 0;
	if (*p < 0x80 || *p >> 5 == 6 || (*p >= 0xf1 && *p <= 0xf4)) {
		int bytes = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p == 0xf4 ? 8 : *p - 0xef;
		uint64_t bits = 0;
		for (int i = bytes - 1; i >= 0; i--)
			bits = bits << 8 | data[i];
		v = *p < 0x80 ? *p
		    : bytes == 1
		            ? (int64_t)((uint64_t)(*p & 31) << 8 | bits) - (*p & 16 ? 8192 : 0)
		            : (int64_t)(bits << (64 - 8 * bytes)) >> (64 - 8 * bytes);
		snprintf(out, size, "%lld", (long long)v);
		head = 1 + (size_t)bytes;
	} else {
		head = *p >> 6 == 2 ? 1 : *p >> 4 == 14 ? 2 : 5;
		len = head == 1   ? *p & 63
		      : head == 2 ? (size_t)(*p & 15) << 8 | p[1]
		                  : p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16;
		ck_assert_uint_lt(len, size);
		memcpy(out, p + head, len);
		out[len] = 0;
	}
	size_t back = head + len, bytes = back < 128 ? 1 : back < 16383 ? 2 : 3, said = 0; /* as Redis counts */
	for (size_t i = 0; i < bytes; i++)
		said = said << 7 | (p[back + i] & 127);
	ck_assert_uint_eq(said, back);
	return p + back + bytes;
}

/* A row's hash, as it goes into RESTORE: its fields and values in order. */
static void hash_eq(const redisReply *r, const char *const *expect)
{
	static char text[CALL_BYTES_MAX];
	const uint8_t *p = (const uint8_t *)r->str, *end = p + r->len - 10;
	uint64_t sum;
	memcpy(&sum, end + 2, 8);
	ck_assert(sum == crc64((struct slice){p, (uint32_t)(r->len - 8)}));
	ck_assert_int_eq(p[0], 16);
	ck_assert_uint_eq((size_t)p[4] << 8 | p[5], r->len - 16);
	ck_assert_uint_eq(p[6] | (size_t)p[7] << 8, r->len - 16);
	uint32_t n = p[10] | (uint32_t)p[11] << 8;
	for (p += 12; *expect; expect++, n--) {
		ck_assert_int_ne(*p, 0xff);
		p = entry(p, text, sizeof(text));
		ck_assert_str_eq(text, *expect);
	}
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(*p, 0xff);
	ck_assert_ptr_eq(p + 1, end);
}

static void words_eq(const redisReply *r, size_t from, const char *const *expect)
{
	for (; *expect; expect++, from++) {
		ck_assert_uint_lt(from, r->elements);
		if (**expect != '#')
			ck_assert_str_eq(r->element[from]->str, *expect);
	}
	ck_assert_uint_eq(from, r->elements);
}

START_TEST(a_call_has_keys_then_words)
{
	struct online_epoch ep = {.task = "j:s:0", .rows = rows.v, .record = {"0042", "x:7"}};
	struct online_step step = {.accept = true, .record = true, .prev = "0041"};
	uint32_t n;
	rows_add(&rows, 0, "N%3A1", -3, 0.1, "JFK", 2000);
	rows_add(&rows, 0, "", 0, 0, NULL, 7);
	ep.nrows = rows.n;
	struct call *c = encode(&ep, &step, SIZE_MAX, &n);
	redisReply *r = parse(c);
	static const char *const expect[] = {"FCALL", FUNCTION_PUT, "3", "pre:vw:1:N%3A1",
	        "pre:vw:1:", "pre:_task:j:s:0", "0042", "", "0", "0041", "x:7", "3000", "#",
	        "1007", "#", NULL};
	static const char *const one[] = {"_v", "0042", "_t", "1995", "_k", "2000", "n", "-3",
	        "mean", "0.1", "last", "JFK", NULL};
	static const char *const two[] = {"_v", "0042", "_t", "2", "_k", "7", "n", "0", NULL};
	words_eq(r, 0, expect);
	hash_eq(r->element[12], one);
	hash_eq(r->element[14], two);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(c->nrows, 2);
	freeReplyObject(r);
	calls_free(c);
}
END_TEST

START_TEST(every_kind_has_its_text)
{
	static const uint8_t raw[] = {0, 255, 13, 10};
	struct buf list, b;
	buf_init(&list);
	buf_init(&b);
	buf_varint(&list, 2);
	buf_varint(&list, 5);
	buf_varint(&list, -6);
	buf_varint(&list, 0);
	struct value v[10] = {{.i64 = 1}, {.i64 = -2}, {.f64 = 1e-7},
	        {.bytes = slice_of("é\r\n")}, {.bytes = {raw, 4}}, {.i64 = 1700000000123},
	        {.i64 = 1700000000123456}, {.bytes = slice_of("GREEN")}, {.i128 = -1234},
	        {.bytes = buf_view(&list)}};
	for (int i = 0; i < 10; i++)
		avro_write(&b, &wide_features[i].type, wide_features[i].nullable, &v[i]);
	struct online_row row = {.view = 1, .entity = slice_of("E"), .features = buf_view(&b)};
	struct online_epoch ep = {
	        .task = "j:s:0", .rows = &row, .nrows = 1, .record = {"1", ""}};
	struct online_step step = {.accept = true};
	uint32_t n;
	struct call *c = encode(&ep, &step, SIZE_MAX, &n);
	redisReply *r = parse(c);
	static const char *const expect[] = {"_v", "1", "_t", "0", "_k", "0", "flag", "1", "i",
	        "-2", "d", "1e-07", "s", "é\r\n", "b", "AP8NCg==", "at", "1700000000123",
	        "at_us", "1700000000123", "c", "GREEN", "m", "-12.34", "list", "[5,-6]", NULL};
	ck_assert_uint_eq(r->elements, 12);
	ck_assert_str_eq(r->element[10]->str, "0");
	hash_eq(r->element[11], expect);
	ck_assert_str_eq(r->element[3]->str, "pre:wide:12:E");
	freeReplyObject(r);
	calls_free(c);
	buf_release(&list);
	buf_release(&b);
}
END_TEST

START_TEST(numbers_and_texts_of_every_width)
{
	static const double numbers[] = {0, -1, 127, 128, -4096, 4095, 4096, -4097, 32767,
	        -32768, 32768, -32769, 8388607, -8388608, 8388608, -8388609, 2147483647.0,
	        -2147483648.0, 2147483648.0, -2147483649.0, 999999999999999.0, 1e15, -0.0, 0.1,
	        1e300};
	static char text[5000];
	static const uint32_t lengths[] = {0, 1, 63, 64, 126, 127, 4095, 4096, 4999};
	struct dump d;
	struct buf b;
	dump_init(&d);
	buf_init(&b);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct online_epoch ep = {.task = "j:s:0", .rows = rows.v, .record = {"1", ""}};
		struct online_step step = {.accept = true};
		uint32_t n;
		bool whole = numbers[i] == (double)(int64_t)numbers[i];
		int64_t v = whole ? (int64_t)numbers[i] : INT64_MIN;
		char digits[32];
		rows.n = 0;
		rows_add(&rows, 0, "E", v, numbers[i], "x", 5);
		ep.nrows = 1;
		struct call *c = encode(&ep, &step, SIZE_MAX, &n);
		redisReply *r = parse(c);
		b.len = 0;
		buf_num(&b, numbers[i]);
		snprintf(digits, sizeof digits, "%lld", (long long)v);
		const char *expect[] = {"_v", "1", "_t", "0", "_k", "5", "n", digits, "mean",
		        buf_cstr(&b), "last", "x", NULL};
		hash_eq(r->element[11], expect);
		freeReplyObject(r);
		calls_free(c);
	}
	memset(text, 'y', sizeof text);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		static char whole[5001];
		snprintf(whole, sizeof whole, "%.*s", (int)lengths[i], text);
		dump_begin(&d);
		dump_text(&d, slice_of(whole));
		dump_int(&d, INT64_MAX);
		struct slice s = dump_end(&d);
		redisReply r = {.str = (char *)(uintptr_t)s.p, .len = s.len};
		const char *expect[] = {whole, "9223372036854775807", NULL};
		hash_eq(&r, expect);
	}
	ck_assert(crc64(slice_of("123456789")) == 0xe9c6d914c4b8d9cau);
	dump_release(&d);
	buf_release(&b);
}
END_TEST

START_TEST(an_epoch_of_many_rows_is_several_calls)
{
	struct online_epoch ep = {
	        .task = "j:s:0", .rows = rows.v, .record = {"0042", "x:7"}, .repair = true};
	struct online_step step = {
	        .accept = true, .record = true, .first = true, .token = "abc"};
	uint32_t n, seen = 0, i = 0;
	for (int k = 0; k < 600; k++) {
		char name[16];
		snprintf(name, sizeof(name), "E%d", k);
		rows_add(&rows, 0, name, k, k, "x", 1);
	}
	ep.nrows = rows.n;
	struct call *list = encode(&ep, &step, SIZE_MAX, &n);
	ck_assert_uint_eq(n, 3);
	for (struct call *c = list; c; c = c->next, i++) {
		redisReply *r = parse(c);
		size_t args = 3 + (size_t)atoi(r->element[2]->str);
		ck_assert_uint_le(c->nrows, CALL_ROWS_MAX);
		ck_assert_uint_eq(args, 3 + c->nrows + 1);
		ck_assert_str_eq(r->element[args + 1]->str, "abc");
		ck_assert_str_eq(r->element[args + 2]->str, i == 0 ? "1" : "0");
		ck_assert_str_eq(r->element[args + 4]->str, c->next ? "" : "x:7");
		seen += c->nrows;
		freeReplyObject(r);
	}
	ck_assert_uint_eq(seen, 600);
	calls_free(list);
}
END_TEST

START_TEST(long_rows_make_short_calls)
{
	static char text[CALL_BYTES_MAX / 2 + 1];
	struct online_epoch ep = {.task = "j:s:0", .rows = rows.v, .record = {"0042", "x:7"}};
	struct online_step step = {.accept = true, .record = true};
	uint32_t n;
	memset(text, 'y', sizeof(text) - 1);
	for (int k = 0; k < 6; k++)
		rows_add(&rows, 0, "E", k, k, text, 1);
	ep.nrows = rows.n;
	struct call *list = encode(&ep, &step, SIZE_MAX, &n);
	ck_assert_uint_eq(n, 3);
	for (struct call *c = list; c; c = c->next) {
		ck_assert_uint_eq(c->nrows, 2);
		ck_assert_uint_lt(c->len, CALL_BYTES_MAX * 2);
	}
	calls_free(list);
	ck_assert_ptr_null(encode(&ep, &step, CALL_BYTES_MAX * 2, &n));
}
END_TEST

START_TEST(an_epoch_without_rows_is_one_call)
{
	struct online_epoch ep = {.task = "j:s:0", .record = {"0042", "x:7"}};
	struct online_step step = {.accept = true, .record = true};
	uint32_t n;
	struct call *c = encode(&ep, &step, SIZE_MAX, &n);
	redisReply *r = parse(c);
	static const char *const expect[] = {"FCALL", FUNCTION_PUT, "1", "pre:_task:j:s:0",
	        "0042", "", "0", "", "x:7", NULL};
	words_eq(r, 0, expect);
	freeReplyObject(r);
	calls_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis_encode");
	TCase *t = tcase_create("encode");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_call_has_keys_then_words);
	tcase_add_test(t, every_kind_has_its_text);
	tcase_add_test(t, numbers_and_texts_of_every_width);
	tcase_add_test(t, an_epoch_of_many_rows_is_several_calls);
	tcase_add_test(t, long_rows_make_short_calls);
	tcase_add_test(t, an_epoch_without_rows_is_one_call);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
