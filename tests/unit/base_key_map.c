// SPDX-License-Identifier: Apache-2.0
//
// Keys and their numbers beside a plain array, from none to many more than there is room for.
#include <check.h>
#include <stdio.h>

#include "base/key_map.h"

#define KEYS 100000 /* beyond where pages get large */

static struct key_hash hash_of(int key, uint64_t kind)
{
	char text[20];
	snprintf(text, sizeof text, "k%d", key);
	return key_hash_of(slice_of(text), kind);
}

START_TEST(keys_have_their_numbers)
{
	static int64_t want[KEYS];
	struct key_map m = {0};
	int wrong = 0;
	ck_assert_int_eq(key_map_get(&m, hash_of(0, 0)), KEY_NONE);
	for (int round = 0; round < 2; round++) { /* in what is held, too */
		for (int i = 0; i < KEYS; i++)
			want[i] = KEY_NONE;
		for (int i = 0; i < 2 * KEYS; i++) {
			int key = (int)((int64_t)i * 7919 % KEYS);
			int64_t number = i % 5 ? i : -2 - i; /* below KEY_NONE too */
			wrong += key_map_put(&m, hash_of(key, 0), number) != want[key];
			want[key] = number;
		}
		ck_assert_uint_eq(m.n, KEYS);
		for (int i = 0; i < KEYS; i++)
			wrong += key_map_get(&m, hash_of(i, 0)) != want[i];
		ck_assert_int_eq(wrong, 0);
		ck_assert_int_eq(key_map_get(&m, hash_of(KEYS, 0)), KEY_NONE);
		key_map_clear(&m);
		ck_assert_uint_eq(m.n, 0);
		ck_assert_int_eq(key_map_get(&m, hash_of(0, 0)), KEY_NONE);
	}
	key_map_release(&m);
	ck_assert_ptr_null(m.slots);
	key_map_release(&m);
}
END_TEST

START_TEST(kinds_are_apart)
{
	struct key_map m = {0};
	for (uint64_t kind = 0; kind < 1000; kind++)
		ck_assert_int_eq(key_map_put(&m, hash_of(1, kind), (int64_t)kind), KEY_NONE);
	for (uint64_t kind = 0; kind < 1000; kind++)
		ck_assert_int_eq(key_map_get(&m, hash_of(1, kind)), (int64_t)kind);
	struct key_hash none = key_hash_of((struct slice){0}, 0);
	ck_assert_int_eq(key_map_put(&m, none, 1), KEY_NONE);
	ck_assert_int_eq(key_map_put(&m, none, 2), 1);
	key_map_release(&m);
}
END_TEST

START_TEST(reserved_places_do_not_move)
{
	struct key_map m = {0};
	for (int have = 0, n = 1; have < KEYS; n *= 3) {
		key_map_reserve(&m, (uint32_t)n);
		const void *slots = m.slots;
		for (int end = have + n; have < end; have++) {
			key_map_fetch(&m, hash_of(have, 0));
			key_map_put(&m, hash_of(have, 0), have);
		}
		ck_assert_ptr_eq(m.slots, slots);
		ck_assert_uint_ge(m.cap, 2 * m.n);
	}
	int wrong = 0;
	for (uint32_t i = 0; i < m.n; i++)
		wrong += key_map_get(&m, hash_of((int)i, 0)) != i;
	ck_assert_int_eq(wrong, 0);
	key_map_release(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("key_map");
	TCase *tc = tcase_create("key_map");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, keys_have_their_numbers);
	tcase_add_test(tc, kinds_are_apart);
	tcase_add_test(tc, reserved_places_do_not_move);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
