// SPDX-License-Identifier: Apache-2.0
//
// Merging tiles is the same as adding their events: for every function and type, random events
// in random parts, merged in a random tree, in a heap that moves at every growth. Exact for
// what is exact, 1e-12 relative for sums of doubles. The merged-from side never changes.
#include <check.h>
#include <math.h>

#include "aggregate_rig.h"

#define ROUNDS 60
#define EVENTS_MAX 400
#define PARTS_MAX 12

static const char *const symbols[] = {"UA", "AA", "B6", NULL};
static const struct type t_boolean = {.kind = KIND_BOOLEAN}, t_int = {.kind = KIND_INT},
                         t_long = {.kind = KIND_LONG}, t_float = {.kind = KIND_FLOAT},
                         t_double = {.kind = KIND_DOUBLE}, t_string = {.kind = KIND_STRING},
                         t_bytes = {.kind = KIND_BYTES},
                         t_millis = {.kind = KIND_TIMESTAMP_MILLIS},
                         t_enum = {.kind = KIND_ENUM, .symbols = symbols},
                         t_money = {.kind = KIND_DECIMAL, .precision = 12, .scale = 2},
                         t_huge = {.kind = KIND_DECIMAL, .precision = 38, .scale = 4};

static const struct type *const all_types[] = {&t_boolean, &t_int, &t_long, &t_float, &t_double,
        &t_string, &t_bytes, &t_millis, &t_enum, &t_money, &t_huge, NULL};

/* same_state: the state is a function of the values alone. */
static const struct {
	const char *call;
	bool same_state;
} calls[] = {{"count", true}, {"sum", false}, {"avg", false}, {"min", true}, {"max", true},
        {"var", false}, {"stddev", false}, {"var_pop", false}, {"stddev_pop", false},
        {"first", true}, {"last", true}, {"distinct", false}, {"distinct(20)", false},
        {"approx_distinct", true}, {"quantile(0.9)", true}, {"quantile(0)", true},
        {"median", true}, {"top(5)", false}};

struct run {
	const struct type *type;
	struct agg_event ev[EVENTS_MAX];
	uint8_t part[EVENTS_MAX];
	char text[EVENTS_MAX][40];
	uint32_t n, parts;
};

static double random_real(uint64_t *seed, int mode)
{
	double u = rig_uniform(seed) * 2 - 1;
	switch (mode) {
	case 0:
		return floor(u * 20);
	case 1:
		return u * pow(10, floor(rig_uniform(seed) * 16) - 8);
	default:
		return u * 1000 + 1e6;
	}
}

static struct slice random_text(uint64_t *seed, const struct type *t, char *buf, int mode)
{
	if (t->kind == KIND_ENUM)
		return slice_of(symbols[rig_random(seed) % 3]);
	uint32_t len = (uint32_t)(rig_random(seed) % (mode == 0 ? 3 : 39));
	for (uint32_t i = 0; i < len; i++)
		buf[i] = "ab\xc3\xa9z"[rig_random(seed) % (mode == 0 ? 2 : 5)];
	return (struct slice){(const uint8_t *)buf, len};
}

static struct value random_value(uint64_t *seed, const struct type *t, char *buf, int mode)
{
	struct value v = {0};
	switch (type_form(t)) {
	case FORM_I64:
		v.i64 = mode == 0 ? (int64_t)(rig_random(seed) % 40) - 20
		                  : (int64_t)(rig_random(seed) >> 8);
		v.i64 = t->kind == KIND_INT ? (int32_t)v.i64 : v.i64;
		v.i64 = t->kind == KIND_BOOLEAN ? v.i64 & 1 : v.i64;
		break;
	case FORM_F64:
		v.f64 = random_real(seed, mode);
		v.f64 = t->kind == KIND_FLOAT ? (double)(float)v.f64 : v.f64;
		break;
	case FORM_I128:
		v.i128 = (int64_t)rig_random(seed) >> (mode == 0 ? 58 : 28);
		v.i128 *= t == &t_huge && mode == 1 ? INT64_MAX / 16 : 1;
		break;
	case FORM_BYTES:
		v.bytes = random_text(seed, t, buf, mode);
	}
	return v;
}

static void run_fill(struct run *x, const struct type *t, uint64_t *seed, int mode)
{
	x->type = t;
	x->n = (uint32_t)(rig_random(seed) % (mode == 0 ? 40 : EVENTS_MAX));
	x->parts = 1 + (uint32_t)(rig_random(seed) % PARTS_MAX);
	for (uint32_t i = 0; i < x->n; i++) {
		x->ev[i].value = random_value(seed, t, x->text[i], mode);
		x->ev[i].event_time = (int64_t)(rig_random(seed) % 50) - 25;
		x->ev[i].arrival = i;
		x->part[i] = (uint8_t)(rig_random(seed) % x->parts);
	}
}

static void check_same(struct rig *r, uint32_t all, uint32_t merged, const char *what)
{
	struct value a = rig_result(r, all), b = rig_result(r, merged);
	if (!a.null && !b.null && type_form(&r->spec.result) == FORM_F64) {
		double room = 1e-12 * fmax(fabs(a.f64), 1e-300);
		ck_assert_msg(fabs(a.f64 - b.f64) <= room, "%s: %.17g, merged %.17g", what,
		        a.f64, b.f64);
		return;
	}
	ck_assert_msg(strcmp(rig_text(r, all), rig_text(r, merged)) == 0, "%s: %s, merged %s",
	        what, rig_text(r, all), rig_text(r, merged));
}

/* Merges off[0..n) in random pairs into off[0]; what was merged from must stay as it was. */
static void merge_tree(struct rig *r, uint32_t *off, uint32_t n, uint64_t *seed)
{
	for (; n > 1; n--) {
		uint32_t from = (uint32_t)(rig_random(seed) % n);
		uint32_t src = off[from];
		off[from] = off[n - 1];
		uint32_t into = (uint32_t)(rig_random(seed) % (n - 1));
		struct slice before = rig_state(r, src);
		rig_merge(r, off[into], src);
		ck_assert(slice_eq(before, rig_state(r, src)));
	}
}

/* first, the parts merged into an empty one oldest first; then, into a reset one, as a tree. */
static void check_run(const struct run *x, const char *call, bool same_state, uint64_t *seed)
{
	struct rig r;
	struct error e = {0};
	uint32_t part[PARTS_MAX];
	char what[200], name[TYPE_NAME_MAX];
	if (rig_open(&r, call, x->type, &e)) {
		rig_close(&r);
		return;
	}
	snprintf(what, sizeof what, "%s of %u %s in %u parts", call, x->n,
	        type_name(x->type, name), x->parts);
	r.tight = true;
	uint32_t all = rig_new(&r), merged = rig_new(&r);
	for (uint32_t p = 0; p < x->parts; p++)
		part[p] = rig_new(&r);
	for (uint32_t i = 0; i < x->n; i++) {
		rig_add(&r, all, &x->ev[i]);
		rig_add(&r, part[x->part[i]], &x->ev[i]);
	}
	for (uint32_t p = 0; p < x->parts; p++)
		rig_merge(&r, merged, part[p]);
	check_same(&r, all, merged, what);
	if (same_state)
		ck_assert_msg(slice_eq(rig_state(&r, all), rig_state(&r, merged)), "%s", what);
	rig_reset(&r, merged);
	uint32_t fresh = rig_new(&r);
	ck_assert(slice_eq(rig_state(&r, merged), rig_state(&r, fresh)));
	merge_tree(&r, part, x->parts, seed);
	rig_merge(&r, merged, part[0]);
	check_same(&r, all, merged, what);
	if (same_state)
		ck_assert_msg(slice_eq(rig_state(&r, all), rig_state(&r, merged)), "%s", what);
	rig_close(&r);
}

START_TEST(test_merge)
{
	static struct run x;
	uint64_t seed = 1000 + (uint64_t)_i;
	for (int t = 0; all_types[t]; t++) {
		for (int round = 0; round < ROUNDS; round++) {
			run_fill(&x, all_types[t], &seed, round % 3);
			check_run(&x, calls[_i].call, calls[_i].same_state, &seed);
		}
	}
}
END_TEST

/* The running value: tiles merged, then events added on top. */
START_TEST(test_merge_then_add)
{
	static struct run x;
	uint64_t seed = 99;
	for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
		for (int mode = 0; mode < 3; mode++) {
			struct rig r;
			rig_must_open(&r, calls[c].call, &t_double);
			r.tight = true;
			run_fill(&x, &t_double, &seed, mode);
			uint32_t all = rig_new(&r), tile = rig_new(&r), window = rig_new(&r);
			uint32_t half = x.n / 2;
			for (uint32_t i = 0; i < x.n; i++)
				rig_add(&r, all, &x.ev[i]);
			for (uint32_t i = 0; i < half; i++)
				rig_add(&r, tile, &x.ev[i]);
			rig_merge(&r, window, tile);
			for (uint32_t i = half; i < x.n; i++)
				rig_add(&r, window, &x.ev[i]);
			check_same(&r, all, window, calls[c].call);
			rig_close(&r);
		}
	}
}
END_TEST

static void put_int(struct rig *r, uint32_t off, int64_t v)
{
	struct agg_event ev = {.value.i64 = v};
	rig_add(r, off, &ev);
}

/* What a tile's sum of doubles lost to rounding is carried into the window. */
START_TEST(test_sum_of_tiles)
{
	static const double values[] = {1e100, 3, -1e100, 2};
	static const struct {
		const char *call, *want;
	} sums[] = {{"sum", "5"}, {"avg", "1.25"}};
	for (int f = 0; f < 2; f++) {
		struct rig r;
		rig_must_open(&r, sums[f].call, &t_double);
		uint32_t a = rig_new(&r), b = rig_new(&r), window = rig_new(&r);
		for (int i = 0; i < 4; i++) {
			struct agg_event ev = {.value.f64 = values[i]};
			rig_add(&r, i < 2 ? a : b, &ev);
		}
		rig_merge(&r, window, a);
		rig_merge(&r, window, b);
		ck_assert_str_eq(rig_text(&r, window), sums[f].want);
		rig_close(&r);
	}
}
END_TEST

/* Beyond its cap a window is null, and exact again once the tile that did it has left. */
START_TEST(test_distinct_cap_in_tiles)
{
	struct rig r;
	rig_must_open(&r, "distinct(10)", &t_long);
	uint32_t full = rig_new(&r), a = rig_new(&r), b = rig_new(&r), window = rig_new(&r);
	for (int i = 0; i < 11; i++)
		put_int(&r, full, i);
	for (int i = 0; i < 6; i++)
		put_int(&r, a, i);
	for (int i = 4; i < 10; i++)
		put_int(&r, b, i);
	ck_assert_uint_eq(r.counts.capped, 1);
	rig_merge(&r, window, full);
	rig_merge(&r, window, a);
	ck_assert_str_eq(rig_text(&r, window), "null");
	ck_assert_uint_eq(heap_blob_len(&r.heap, window), 0);
	rig_reset(&r, window);
	rig_merge(&r, window, a);
	rig_merge(&r, window, b);
	ck_assert_str_eq(rig_text(&r, window), "10");
	put_int(&r, window, 10);
	ck_assert_str_eq(rig_text(&r, window), "null");
	rig_reset(&r, window);
	put_int(&r, a, 77);
	rig_merge(&r, window, a);
	rig_merge(&r, window, b);
	ck_assert_str_eq(rig_text(&r, window), "null");
	rig_close(&r);
}
END_TEST

/* Long texts make a set full before its cap does: an entity's row stays bounded. */
START_TEST(test_text_bytes_are_bounded)
{
	static const char *const names[] = {"distinct", "top(3)"};
	enum { BIG = 300000 };
	char *text = xmalloc(BIG);
	memset(text, 'x', BIG);
	for (int f = 0; f < 2; f++) {
		struct rig r;
		rig_must_open(&r, names[f], &t_string);
		uint32_t a = rig_new(&r), b = rig_new(&r);
		for (int i = 0; i < 40; i++) {
			struct agg_event ev = {.value.bytes = {(uint8_t *)text, BIG}};
			text[0] = (char)('A' + i);
			rig_add(&r, i % 2 ? a : b, &ev);
			rig_merge(&r, i % 2 ? a : b, i % 2 ? b : a);
		}
		ck_assert_uint_gt(r.counts.capped, 0);
		uint32_t bytes = 0;
		for (uint32_t i = 0; i < r.spec.nblobs; i++)
			bytes += heap_blob_len(&r.heap, a + r.spec.blob_at[i]);
		ck_assert_uint_le(bytes, 3u << 20);
		struct value v = rig_result(&r, a);
		ck_assert_int_eq(v.null, f == 0);
		rig_close(&r);
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("operators_merge");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_merge, 0, sizeof calls / sizeof *calls);
	tcase_add_test(t, test_merge_then_add);
	tcase_add_test(t, test_sum_of_tiles);
	tcase_add_test(t, test_distinct_cap_in_tiles);
	tcase_add_test(t, test_text_bytes_are_bounded);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
