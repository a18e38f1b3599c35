// SPDX-License-Identifier: Apache-2.0
//
// Packed rows: any row comes back as it was, the same row gives the same bytes, a row of few
// numbers is small, and bytes that are no packed row are refused without reading past their end.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "state/pack.h"
#include "state/table.h"

static uint64_t seed = 4711;
static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* A word as rows have them: small numbers, times, doubles of all lengths, repetitions. */
static uint64_t word_make(const uint64_t *before, uint32_t n)
{
	double real = (double)(int64_t)rnd(100000) / (double)(1 + rnd(100));
	uint64_t bits;
	switch (rnd(8)) {
	case 0:
		return 0;
	case 1:
		return rnd(256);
	case 2:
		return 1700000000000 + rnd(1000000);
	case 3:
		memcpy(&bits, &real, 8);
		return bits;
	case 4:
		return rnd(UINT64_MAX) >> rnd(64);
	case 5:
		return (rnd(65536)) << 48;
	case 6:
		return (uint64_t)-1 - rnd(10);
	default:
		return n ? before[rnd(n)] : 1;
	}
}

static struct slice row_make(uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		words[i] = word_make(words, i);
	((struct row_head *)words)->due = rnd(4) ? (int64_t)rnd(INT64_MAX) : STORE_NO_DUE;
	return (struct slice){(uint8_t *)words, n * 8};
}

/* In a block of exactly its length, so that reading past it is seen by the sanitizer. */
static struct slice exact(struct slice s)
{
	uint8_t *p = xmalloc(s.len);
	memcpy(p, s.p, s.len);
	return (struct slice){p, s.len};
}

START_TEST(round_trip)
{
	static uint64_t words[600];
	static uint8_t back[sizeof words];
	struct buf a = {0}, b = {0};
	for (int i = 0; i < 20000; i++) {
		uint32_t n = 2 + (uint32_t)rnd(i % 100 ? 100 : 598);
		struct slice row = row_make(words, n);
		a.len = b.len = 0;
		pack_write(row, &a);
		pack_write(row, &b);
		ck_assert(slice_eq(buf_view(&a), buf_view(&b)));
		ck_assert_uint_le(a.len, PACK_HEAD + 5 + (n + 1) / 2 + 8 * n);
		struct slice packed = exact(buf_view(&a));
		ck_assert(pack_check(packed));
		ck_assert_uint_eq(pack_row_bytes(packed), row.len);
		ck_assert_int_eq(pack_due(packed.p), ((struct row_head *)words)->due);
		ck_assert(pack_read(packed, back));
		ck_assert_mem_eq(back, row.p, row.len);
		free((void *)(uintptr_t)packed.p);
	}
	buf_release(&a);
	buf_release(&b);
}
END_TEST

/* What an entity with one event looks like: the same few numbers again and again. */
START_TEST(repetition_is_small)
{
	uint64_t words[60];
	struct buf b = {0};
	double amount = 123.45;
	memset(words, 0, sizeof words);
	for (int i = 6; i < 60; i += 3) {
		words[i] = 1;
		memcpy(&words[i + 1], &amount, 8);
	}
	pack_write((struct slice){(uint8_t *)words, sizeof words}, &b);
	ck_assert_uint_le(b.len, PACK_HEAD + 1 + 30 + 18 + 8);
	buf_release(&b);
}
END_TEST

/* Damaged bytes: any answer but a crash or a read out of bounds. */
START_TEST(damage)
{
	static uint64_t words[100];
	struct buf b = {0};
	for (int i = 0; i < 50000; i++) {
		struct slice row = row_make(words, 2 + (uint32_t)rnd(40));
		b.len = 0;
		pack_write(row, &b);
		for (uint64_t k = rnd(4); k; k--)
			b.p[rnd(b.len)] = (uint8_t)rnd(256);
		b.len -= rnd(3) ? 0 : rnd(b.len);
		struct slice packed = exact(buf_view(&b));
		if (pack_check(packed)) {
			uint8_t *out = xmalloc(pack_row_bytes(packed));
			pack_read(packed, out);
			free(out);
		}
		free((void *)(uintptr_t)packed.p);
	}
	buf_release(&b);
}
END_TEST

/* Rows cut short anywhere: refused, but for those that happen to make sense. */
START_TEST(truncation)
{
	static uint64_t words[40];
	static uint8_t out[sizeof words];
	struct buf b = {0};
	uint32_t refused = 0, all = 0;
	for (int i = 0; i < 200; i++) {
		b.len = 0;
		pack_write(row_make(words, 40), &b);
		for (uint32_t len = 0; len < b.len; len++, all++) {
			struct slice packed = exact((struct slice){b.p, len});
			refused += !pack_read(packed, out);
			free((void *)(uintptr_t)packed.p);
		}
	}
	ck_assert_uint_gt(refused, all / 4 * 3);
	buf_release(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pack");
	TCase *tc = tcase_create("pack");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, repetition_is_small);
	tcase_add_test(tc, damage);
	tcase_add_test(tc, truncation);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
