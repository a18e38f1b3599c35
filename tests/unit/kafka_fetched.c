// SPDX-License-Identifier: Apache-2.0
//
// Batches into polls: every record at or above the floor once and in order, however few a poll
// takes; what is malformed ends a batch, and never the process.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/fetched.h"

#define RECORDS 1000
#define POLL_MAX 64

static void put_varint(struct buf *b, int64_t v)
{
	uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
	uint8_t c;
	for (; u >= 0x80; u >>= 7) {
		c = (uint8_t)(u | 0x80);
		buf_add(b, &c, 1);
	}
	c = (uint8_t)u;
	buf_add(b, &c, 1);
}

static void put_text(struct buf *b, const char *text)
{
	put_varint(b, text ? (int64_t)strlen(text) : -1);
	if (text)
		buf_str(b, text);
}

static void put_record(struct buf *b, int64_t offset, int64_t timestamp, const char *key,
        const char *value, uint32_t nheaders)
{
	struct buf r = {0};
	buf_add(&r, "", 1);
	put_varint(&r, timestamp);
	put_varint(&r, offset);
	put_text(&r, key);
	put_text(&r, value);
	put_varint(&r, nheaders);
	for (uint32_t i = 0; i < nheaders; i++) {
		put_text(&r, "name");
		put_text(&r, i % 2 ? NULL : "of it");
	}
	put_varint(b, (int64_t)r.len);
	buf_slice(b, buf_view(&r));
	buf_release(&r);
}

static struct fetched_batch batch_of(const struct buf *b, int64_t base, int64_t next)
{
	return (struct fetched_batch){.topic = 3, .partition = 2, .base_offset = base,
	        .base_timestamp = 5000, .append_timestamp = -1, .next_offset = next, .at = b->p,
	        .end = b->p + b->len};
}

/* Offsets with gaps, as compaction leaves them: 100, 103, 106, … and the batch goes on to 4000. */
static void batch_make(struct buf *b)
{
	char text[16];
	for (int i = 0; i < RECORDS; i++) {
		sprintf(text, "%d", i);
		put_record(b, 3 * i, i - 7, i % 5 ? text : NULL, i % 7 ? text : NULL, 0);
	}
}

static void record_check(const struct log_record *r, int i)
{
	char text[16];
	int len = sprintf(text, "%d", i);
	ck_assert_uint_eq(r->topic, 3);
	ck_assert_int_eq(r->partition, 2);
	ck_assert_int_eq(r->offset, 100 + 3 * i);
	ck_assert_int_eq(r->timestamp, 5000 + i - 7);
	ck_assert(r->has_key == (i % 5 != 0) && r->has_value == (i % 7 != 0));
	if (r->has_key)
		ck_assert(r->key.len == (uint32_t)len && !memcmp(r->key.p, text, r->key.len));
	if (r->has_value)
		ck_assert(r->value.len == (uint32_t)len && !memcmp(r->value.p, text, r->value.len));
}

/* From each floor on, by polls of one record and of many. */
START_TEST(batch_over_polls)
{
	static struct log_record out[POLL_MAX];
	struct buf bytes = {0};
	struct fetched f;
	batch_make(&bytes);
	fetched_init(&f, _i % 2 ? 100 : 1 << 20);
	uint32_t max = _i < 2 ? POLL_MAX : 1;
	for (int from = 0; from <= RECORDS; from += 125) {
		int64_t floor = 100 + 3 * from - 1;
		int at = from;
		struct buf copy = {0};
		buf_slice(&copy, buf_view(&bytes));
		fetched_begin(&f, out, max);
		enum fetched_end end = fetched_add_batch(&f, batch_of(&copy, 100, 4101), &floor);
		memset(copy.p, 0xee, copy.len); /* not needed any more */
		for (;;) {
			ck_assert_int_ne(end, FETCHED_BAD);
			for (uint32_t i = 0; i < f.n; i++)
				record_check(&out[i], at++);
			if (!fetched_has_rest(&f, 3, 2))
				break;
			ck_assert_int_eq(end, FETCHED_FULL);
			ck_assert_int_eq(floor, out[f.n - 1].offset + 1);
			fetched_begin(&f, out, max);
			end = fetched_add_rest(&f, &floor);
		}
		ck_assert_int_eq(at, RECORDS);
		ck_assert_int_eq(floor, 4101);
		buf_release(&copy);
	}
	fetched_release(&f);
	buf_release(&bytes);
}
END_TEST

/* A poll that ends one batch and begins the next: the first one's bytes are still its records. */
START_TEST(rest_and_next_batch)
{
	static struct log_record out[POLL_MAX];
	struct buf first = {0}, second = {0};
	struct fetched f;
	int64_t floor = 0;
	char text[16];
	for (int i = 0; i < POLL_MAX + 10; i++) {
		sprintf(text, "a%d", i);
		put_record(&first, i, 0, NULL, text, 0);
		sprintf(text, "b%d", i);
		put_record(&second, i, 0, NULL, text, 0);
	}
	fetched_init(&f, 1 << 20);
	fetched_begin(&f, out, POLL_MAX);
	ck_assert_int_eq(fetched_add_batch(&f, batch_of(&first, 0, 74), &floor), FETCHED_FULL);
	ck_assert(!fetched_has_rest(&f, 3, 1) && fetched_has_rest(&f, 3, 2));
	fetched_begin(&f, out, POLL_MAX);
	ck_assert_int_eq(fetched_add_rest(&f, &floor), FETCHED_MORE);
	ck_assert_uint_eq(f.n, 10);
	ck_assert_int_eq(fetched_add_batch(&f, batch_of(&second, 74, 148), &floor), FETCHED_FULL);
	ck_assert_uint_eq(f.n, POLL_MAX);
	for (int i = 0; i < POLL_MAX; i++) {
		int len = sprintf(text, "%s%d", i < 10 ? "a" : "b", i < 10 ? i + POLL_MAX : i - 10);
		ck_assert(out[i].value.len == (uint32_t)len && !memcmp(out[i].value.p, text, (size_t)len));
	}
	fetched_drop_rest(&f);
	ck_assert(!fetched_has_rest(&f, 3, 2));
	fetched_release(&f);
	buf_release(&first);
	buf_release(&second);
}
END_TEST

START_TEST(headers_and_times)
{
	struct log_record out[2];
	struct buf bytes = {0};
	struct fetched f;
	int64_t floor = 0;
	put_record(&bytes, 0, -3, "k", "", 2);
	put_record(&bytes, 1, 9, "", "v", LOG_HEADERS_MAX + 4);
	struct fetched_batch t = batch_of(&bytes, 10, 12);
	fetched_init(&f, 1 << 20);
	f.headers = true;
	fetched_begin(&f, out, 2);
	fetched_add_batch(&f, t, &floor);
	ck_assert_uint_eq(f.n, 2);
	ck_assert_int_eq(out[0].timestamp, 4997);
	ck_assert(out[0].has_value && !out[0].value.len && out[1].has_key && !out[1].key.len);
	ck_assert_uint_eq(out[0].nheaders, 2);
	ck_assert_str_eq(out[0].headers[0].name, "name");
	ck_assert(!memcmp(out[0].headers[0].value.p, "of it", 5) && !out[0].headers[1].value.len);
	ck_assert_uint_eq(out[1].nheaders, LOG_HEADERS_MAX);
	t.append_timestamp = 77;
	floor = 11;
	fetched_begin(&f, out, 2);
	fetched_add_batch(&f, t, &floor);
	ck_assert_uint_eq(f.n, 1);
	ck_assert_int_eq(out[0].timestamp, 77);
	fetched_release(&f);
	buf_release(&bytes);
}
END_TEST

/* Cut anywhere, or with any byte changed: what comes out is of the records before that. */
START_TEST(malformed)
{
	static struct log_record out[POLL_MAX];
	struct buf bytes = {0};
	struct fetched f;
	int bad = 0;
	for (int i = 0; i < 5; i++)
		put_record(&bytes, i, i, "key", "value", 1);
	fetched_init(&f, 1 << 20);
	f.headers = true;
	for (size_t cut = 0; cut <= bytes.len; cut++)
		for (int change = 0; change < 256; change += cut < bytes.len ? 51 : 256) {
			uint8_t *copy = malloc(bytes.len); /* to its size: for AddressSanitizer */
			struct buf b = {.p = copy, .len = bytes.len};
			int64_t floor = 0;
			memcpy(copy, bytes.p, bytes.len);
			if (!change)
				b.len = cut;
			else
				copy[cut] = (uint8_t)change;
			fetched_begin(&f, out, POLL_MAX);
			enum fetched_end end = fetched_add_batch(&f, batch_of(&b, 0, 5), &floor);
			ck_assert(end == FETCHED_MORE || end == FETCHED_BAD);
			ck_assert(!fetched_has_rest(&f, 3, 2));
			bad += end == FETCHED_BAD;
			free(copy);
		}
	ck_assert_int_gt(bad, (int)bytes.len);
	/* Whole records, but not of this batch. */
	struct fetched_batch other[] = {batch_of(&bytes, 0, 4), batch_of(&bytes, INT64_MAX - 2, INT64_MAX)};
	other[1].base_timestamp = INT64_MAX - 1;
	for (int i = 0; i < 2; i++) {
		int64_t floor = 0;
		fetched_begin(&f, out, POLL_MAX);
		ck_assert_int_eq(fetched_add_batch(&f, other[i], &floor), FETCHED_BAD);
		ck_assert_uint_eq(f.n, i ? 2 : 4);
	}
	fetched_release(&f);
	buf_release(&bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kafka_fetched");
	TCase *t = tcase_create("fetched");
	tcase_add_loop_test(t, batch_over_polls, 0, 4);
	tcase_add_test(t, rest_and_next_batch);
	tcase_add_test(t, headers_and_times);
	tcase_add_test(t, malformed);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
