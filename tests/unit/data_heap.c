// SPDX-License-Identifier: Apache-2.0
//
// Blobs in a heap against plain copies: random growth, shrinking, setting and freeing, with the
// heap in a block of exactly its length so that growth moves it.
#include <check.h>
#include <stdlib.h>

#include "base/arena.h"
#include "data/heap.h"

#define BLOBS 5
#define STEPS 3000
#define BYTES_MAX 700

static uint64_t seed = 17;
static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed % below);
}

static void heap_start(struct heap *h, uint32_t len)
{
	*h = (struct heap){.base = xcalloc(1, len), .len = len, .cap = len};
}

static void tighten(struct heap *h)
{
	uint8_t *p = xmalloc(h->len);
	memcpy(p, h->base, h->len);
	free(h->base);
	h->base = p;
	h->cap = h->len;
}

static uint32_t place(uint32_t i)
{
	return i * 16 + 4;
}

/* Garbage and what the blobs own are all there is behind the fixed part. */
static void check_account(const struct heap *h, uint32_t fixed)
{
	uint32_t owned = 0;
	for (uint32_t i = 0; i < BLOBS; i++) {
		const struct blob *b = heap_at(h, place(i));
		ck_assert_uint_eq(b->off % 8, 0);
		ck_assert_uint_eq(b->cap % 8, 0);
		ck_assert_uint_le(b->len, b->cap);
		ck_assert_uint_le(b->off + b->cap, h->len);
		owned += b->cap;
	}
	ck_assert_uint_eq(fixed + owned + h->garbage, h->len);
}

START_TEST(test_against_copies)
{
	static uint8_t want[BLOBS][BYTES_MAX], bytes[BYTES_MAX];
	uint32_t len[BLOBS] = {0};
	struct heap h;
	heap_start(&h, 16 * BLOBS);
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = rnd(BLOBS), n = rnd(BYTES_MAX);
		tighten(&h);
		switch (rnd(4)) {
		case 0:
			for (uint32_t k = 0; k < n; k++)
				bytes[k] = (uint8_t)rnd(256);
			heap_blob_set(&h, place(i), (struct slice){bytes, n});
			memcpy(want[i], bytes, n);
			len[i] = n;
			break;
		case 1:
			heap_blob_free(&h, place(i));
			len[i] = 0;
			break;
		default:
			ck_assert_ptr_eq(
			        heap_blob_resize(&h, place(i), n), heap_blob(&h, place(i)));
			if (n > len[i])
				memset(want[i] + len[i], 0, n - len[i]);
			len[i] = n;
		}
		for (uint32_t k = 0; k < BLOBS; k++) {
			ck_assert_uint_eq(heap_blob_len(&h, place(k)), len[k]);
			ck_assert_mem_eq(heap_blob(&h, place(k)), want[k], len[k]);
		}
		check_account(&h, 16 * BLOBS);
	}
	free(h.base);
}
END_TEST

/* Appending to the blob that ends the heap costs no garbage; to another, a constant share. */
START_TEST(test_growth)
{
	struct heap h;
	heap_start(&h, 16 * BLOBS);
	for (uint32_t n = 1; n <= 100000; n++)
		heap_blob_resize(&h, place(0), n);
	ck_assert_uint_eq(h.garbage, 0);
	for (uint32_t n = 1; n <= 100000; n++) {
		heap_blob_resize(&h, place(1), n);
		heap_blob_resize(&h, place(2), n);
	}
	ck_assert_uint_le(h.len, 1500000);
	free(h.base);
}
END_TEST

/* A row whose length is no multiple of 8, as one may come from a log. */
START_TEST(test_odd_length)
{
	struct heap h;
	heap_start(&h, 16 * BLOBS + 3);
	heap_blob_resize(&h, place(0), 5)[4] = 7;
	ck_assert_uint_eq(((struct blob *)heap_at(&h, place(0)))->off % 8, 0);
	ck_assert_uint_eq(heap_blob(&h, place(0))[4], 7);
	free(h.base);
}
END_TEST

/* Bytes put in and taken out in the middle, against a plain copy. */
START_TEST(test_open_close)
{
	struct heap h;
	uint8_t want[4096];
	uint32_t len = 64;
	heap_start(&h, len);
	memset(want, 0, len);
	for (int i = 0; i < STEPS; i++) {
		uint32_t at = 8 * rnd(len / 8 + 1), bytes = 8 * (1 + rnd(4));
		if (i % 3)
			tighten(&h);
		if (len + bytes <= sizeof want && rnd(2)) {
			heap_open(&h, at, bytes);
			memset(h.base + at, i & 0xff, bytes);
			memmove(want + at + bytes, want + at, len - at);
			memset(want + at, i & 0xff, bytes);
			len += bytes;
		} else if (at + bytes <= len && len > 64) {
			heap_close(&h, at, bytes);
			memmove(want + at, want + at + bytes, len - at - bytes);
			len -= bytes;
		}
		ck_assert_uint_eq(h.len, len);
		ck_assert_mem_eq(h.base, want, len);
	}
	free(h.base);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("data_heap");
	TCase *t = tcase_create("all");
	tcase_add_test(t, test_against_copies);
	tcase_add_test(t, test_growth);
	tcase_add_test(t, test_odd_length);
	tcase_add_test(t, test_open_close);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
