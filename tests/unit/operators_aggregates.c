// SPDX-License-Identifier: Apache-2.0
//
// Aggregate functions one by one: what they answer for each type, what they refuse and how they
// say it. Values of a case are words; "v@t" gives an event time (default: its place), "_" is an
// empty text.
#include <check.h>
#include <errno.h>

#include "aggregate_rig.h"

static const char *const symbols[] = {"UA", "AA", "B6", NULL};
static const struct type t_boolean = {.kind = KIND_BOOLEAN}, t_int = {.kind = KIND_INT},
                         t_long = {.kind = KIND_LONG}, t_float = {.kind = KIND_FLOAT},
                         t_double = {.kind = KIND_DOUBLE}, t_string = {.kind = KIND_STRING},
                         t_bytes = {.kind = KIND_BYTES}, t_date = {.kind = KIND_DATE},
                         t_millis = {.kind = KIND_TIMESTAMP_MILLIS},
                         t_null = {.kind = KIND_NULL},
                         t_enum = {.kind = KIND_ENUM, .symbols = symbols},
                         t_money = {.kind = KIND_DECIMAL, .precision = 6, .scale = 2},
                         t_huge = {.kind = KIND_DECIMAL, .precision = 38, .scale = 0},
                         t_array = {.kind = KIND_ARRAY, .element = &t_long};

#define NINES38 "99999999999999999999999999999999999999"
#define NO &t_null

static const struct {
	const char *call;
	const struct type *type;
	const char *values, *want;
	uint64_t overflow, capped;
} cases[] = {
        {"count", NO, "", "0", 0, 0},
        {"count", NO, "1 1 1", "3", 0, 0},
        {"count", &t_string, "a b", "2", 0, 0},

        {"sum", &t_int, "", "0", 0, 0},
        {"sum", &t_int, "2147483647 1", "2147483648", 0, 0},
        {"sum", &t_int, "-3 1", "-2", 0, 0},
        {"sum", &t_long, "9223372036854775807", "9223372036854775807", 0, 0},
        {"sum", &t_long, "9223372036854775807 1", "null", 1, 0},
        {"sum", &t_long, "9223372036854775807 1 -1", "9223372036854775807", 0, 0},
        {"sum", &t_long, "-9223372036854775808 -1", "null", 1, 0},
        {"sum", &t_long, "-9223372036854775808 -1 2", "-9223372036854775807", 0, 0},
        {"sum", &t_double, "", "0", 0, 0},
        {"sum", &t_double, "0.1 0.2 0.3", "0.6", 0, 0},
        {"sum", &t_double, "1e100 1 -1e100", "1", 0, 0},
        {"sum", &t_double, "1 1e100 1 -1e100", "2", 0, 0},
        {"sum", &t_double, "1.7e308 1.7e308", "null", 1, 0},
        {"sum", &t_float, "0.5 0.25", "0.75", 0, 0},
        {"sum", &t_float, "3e38 3e38", "null", 1, 0},
        {"sum", &t_float, "16777216 1 1", "16777218", 0, 0},
        {"sum", &t_money, "", "0.00", 0, 0},
        {"sum", &t_money, "0.10 0.20 -0.05", "0.25", 0, 0},
        {"sum", &t_money, "9999.99 0.01", "null", 1, 0},
        {"sum", &t_money, "9999.99 0.01 -0.02", "9999.98", 0, 0},
        {"sum", &t_money, "-9999.99 -0.01", "null", 1, 0},
        {"sum", &t_huge, NINES38 " " NINES38 " " NINES38, "null", 1, 0},
        {"sum", &t_huge, NINES38 " " NINES38 " -" NINES38 " -1",
                "99999999999999999999999999999999999998", 0, 0},
        {"sum", &t_huge, "-" NINES38 " -" NINES38 " " NINES38, "-" NINES38, 0, 0},

        {"avg", &t_int, "", "null", 0, 0},
        {"avg", &t_int, "1 2", "1.5", 0, 0},
        {"avg", &t_int, "-1 -1 -1", "-1", 0, 0},
        {"avg", &t_long, "9223372036854775807 9223372036854775807 9223372036854775805",
                "9223372036854775808", 0, 0},
        {"avg", &t_long, "9007199254740993 9007199254740993", "9007199254740992", 0, 0},
        {"avg", &t_double, "", "null", 0, 0},
        {"avg", &t_double, "1e100 3 -1e100", "1", 0, 0},
        {"avg", &t_double, "0.1 0.1 0.1", "0.1", 0, 0},
        {"avg", &t_double, "1e308 1e308", "null", 1, 0},
        {"avg", &t_money, "0.10 0.20", "0.15", 0, 0},
        {"avg", &t_huge, NINES38 " " NINES38 " " NINES38, "1e+38", 0, 0},

        {"min", &t_int, "", "null", 0, 0},
        {"min", &t_int, "3 1 2", "1", 0, 0},
        {"max", &t_int, "3 1 2", "3", 0, 0},
        {"min", &t_long, "9223372036854775807", "9223372036854775807", 0, 0},
        {"max", &t_long, "-9223372036854775808", "-9223372036854775808", 0, 0},
        {"max", &t_long, "", "null", 0, 0},
        {"min", &t_double, "", "null", 0, 0},
        {"min", &t_double, "0 -0", "0", 0, 0},
        {"min", &t_double, "-0 0", "0", 0, 0},
        {"max", &t_double, "-1e308 -2", "-2", 0, 0},
        {"max", &t_float, "0.5 0.25", "0.5", 0, 0},
        {"min", &t_money, "", "null", 0, 0},
        {"min", &t_money, "1.10 -1.10", "-1.10", 0, 0},
        {"max", &t_huge, "-" NINES38, "-" NINES38, 0, 0},
        {"min", &t_string, "", "null", 0, 0},
        {"min", &t_string, "b _ a", "", 0, 0},
        {"max", &t_string, "_", "", 0, 0},
        {"max", &t_string, "a abc ab b", "b", 0, 0},
        {"min", &t_string, "JFK JFKX JF", "JF", 0, 0},
        {"max", &t_bytes, "\x7f \xff \x80", "/w==", 0, 0},
        {"max", &t_boolean, "0 1 0", "1", 0, 0},
        {"min", &t_boolean, "1", "1", 0, 0},
        {"min", &t_millis, "1700000000000 1600000000000", "1600000000000", 0, 0},
        {"max", &t_enum, "UA AA B6", "UA", 0, 0},

        {"var", &t_int, "", "null", 0, 0},
        {"var", &t_int, "5", "null", 0, 0},
        {"var", &t_int, "5 7", "2", 0, 0},
        {"var_pop", &t_int, "", "null", 0, 0},
        {"var_pop", &t_int, "5", "0", 0, 0},
        {"var_pop", &t_int, "5 7", "1", 0, 0},
        {"stddev", &t_int, "5", "null", 0, 0},
        {"stddev", &t_int, "2 4 4 4 5 5 7 9 5", "2", 0, 0},
        {"stddev_pop", &t_int, "2 4 4 4 5 5 7 9", "2", 0, 0},
        {"stddev_pop", &t_int, "", "null", 0, 0},
        {"var", &t_double, "0.1 0.1 0.1", "0", 0, 0},
        {"var", &t_double, "1000000000004 1000000000007 1000000000013 1000000000016", "30", 0,
                0},
        {"var", &t_long,
                "9000000000000000004 9000000000000000007 9000000000000000013 "
                "9000000000000000016",
                "30", 0, 0},
        {"var_pop", &t_long, "9223372036854775807 -9223372036854775808",
                "8.507059173023462e+37", 0, 0},
        {"var", &t_huge, NINES38 " 99999999999999999999999999999999999997", "2", 0, 0},
        {"stddev_pop", &t_huge, NINES38 " -" NINES38, "1e+38", 0, 0},
        {"var", &t_money, "0.25 0.75", "0.125", 0, 0},
        {"var", &t_double, "1e200 -1e200", "null", 1, 0},

        {"first", &t_int, "", "null", 0, 0},
        {"last", &t_int, "", "null", 0, 0},
        {"first", &t_int, "1@5 2@3 3@4", "2", 0, 0},
        {"last", &t_int, "1@5 2@3 3@4", "1", 0, 0},
        {"first", &t_int, "1@3 2@3 3@3", "1", 0, 0},
        {"last", &t_int, "1@3 2@3 3@3", "3", 0, 0},
        {"last", &t_int, "1@-3 2@-5", "1", 0, 0},
        {"first", &t_double, "0.5@1 0.25@0", "0.25", 0, 0},
        {"last", &t_string, "", "null", 0, 0},
        {"last", &t_string, "JFK _", "", 0, 0},
        {"last", &t_string, "a looooooooooooooooooooooooooooooooooooooooooong b@0",
                "looooooooooooooooooooooooooooooooooooooooooong", 0, 0},
        {"first", &t_string, "a@2 bcdefghijklmnop@1", "bcdefghijklmnop", 0, 0},
        {"last", &t_huge, "1 -" NINES38, "-" NINES38, 0, 0},
        {"last", &t_boolean, "1 0", "0", 0, 0},
        {"last", &t_millis, "1700000000000", "1700000000000", 0, 0},

        {"distinct", &t_int, "", "0", 0, 0},
        {"distinct", &t_int, "1 2 1 -1", "3", 0, 0},
        {"distinct", &t_double, "0 -0 1", "2", 0, 0},
        {"distinct", &t_string, "a _ a b ab _", "4", 0, 0},
        {"distinct", &t_huge, "1 " NINES38 " 1", "2", 0, 0},
        {"distinct(3)", &t_int, "1 2 3 3 1", "3", 0, 0},
        {"distinct(3)", &t_int, "1 2 3 4", "null", 0, 1},
        {"distinct(3)", &t_int, "1 2 3 4 1 5", "null", 0, 3},
        {"distinct(1)", &t_string, "a a b", "null", 0, 1},

        {"approx_distinct", &t_int, "", "0", 0, 0},
        {"approx_distinct", &t_int, "1 2 1 -1", "3", 0, 0},
        {"approx_distinct", &t_double, "0 -0 1", "2", 0, 0},
        {"approx_distinct", &t_string, "a _ a b ab _", "4", 0, 0},
        {"approx_distinct", &t_huge, "1 " NINES38 " 1", "2", 0, 0},

        {"quantile(0.5)", &t_int, "", "null", 0, 0},
        {"quantile(0.5)", &t_int, "7", "7", 0, 0},
        {"quantile(0.5)", &t_int, "3 1 2", "2", 0, 0},
        {"median", &t_int, "3 1 2 4", "2", 0, 0},
        {"median", &t_double, "-1.5 -2.5 0", "-1.5", 0, 0},
        {"median", &t_money, "1.25", "1.25", 0, 0},
        {"quantile(0)", &t_int, "3 1 2 4", "1", 0, 0},
        {"quantile(1)", &t_int, "3 1 2 4", "4", 0, 0},
        {"quantile(0.95)", &t_int, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21",
                "20", 0, 0},

        {"top(2)", &t_int, "", "[]", 0, 0},
        {"top(2)", &t_int, "5", "[5]", 0, 0},
        {"top(2)", &t_int, "1 2 3 2 3 1 4", "[1,2]", 0, 0},
        {"top(2)", &t_int, "4 3 3 -2 -2 1", "[-2,3]", 0, 0},
        {"top(100)", &t_int, "3 3 1", "[3,1]", 0, 0},
        {"top(2)", &t_string, "b a _ b _ a c", "[\"\",\"a\"]", 0, 0},
        {"top(3)", &t_double, "0 -0 0.5 2", "[0,0.5,2]", 0, 0},
        {"top(1)", &t_boolean, "1 0 1", "[true]", 0, 0},
        {"top(1)", &t_enum, "B6 AA B6", "[\"B6\"]", 0, 0},
        {"top(1)", &t_millis, "1 2 2", "[2]", 0, 0},
        {"top(2)", &t_date, "9 9 -1", "[9,-1]", 0, 0},
};

static __int128 parse_decimal(const char *s, uint8_t scale)
{
	bool minus = *s == '-';
	__int128 v = 0;
	int after = -1;
	for (s += minus; *s; s++) {
		if (*s == '.') {
			after = 0;
			continue;
		}
		v = v * 10 + (*s - '0');
		after += after >= 0;
	}
	for (after = after < 0 ? 0 : after; after < scale; after++)
		v *= 10;
	return minus ? -v : v;
}

static struct value parse(const struct type *t, const char *word)
{
	struct value v = {0};
	switch (type_form(t)) {
	case FORM_I64:
		v.i64 = strtoll(word, NULL, 10);
		break;
	case FORM_F64:
		v.f64 = t->kind == KIND_FLOAT ? strtof(word, NULL) : strtod(word, NULL);
		break;
	case FORM_I128:
		v.i128 = parse_decimal(word, t->scale);
		break;
	case FORM_BYTES:
		v.bytes = slice_of(strcmp(word, "_") == 0 ? "" : word);
	}
	return v;
}

static uint32_t parse_events(
        const struct type *t, char *words, struct agg_event *out, uint32_t max)
{
	uint32_t n = 0;
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
		ck_assert_uint_lt(n, max);
		char *at = strchr(w, '@');
		out[n].event_time = at ? strtoll(at + 1, NULL, 10) : n;
		if (at)
			*at = 0;
		out[n].value = parse(t, w);
		out[n].arrival = n;
		n++;
	}
	return n;
}

/* Adds all to one accumulator, or (split) each to its own and merges them. */
static void check_case(int i, bool split)
{
	struct agg_event ev[32];
	struct rig r;
	char *words = xstrdup(cases[i].values);
	uint32_t n = parse_events(cases[i].type, words, ev, 32);
	rig_must_open(&r, cases[i].call, cases[i].type);
	r.tight = true;
	uint32_t total = rig_new(&r);
	for (uint32_t k = 0; k < n; k++) {
		if (split) {
			uint32_t one = rig_new(&r);
			rig_add(&r, one, &ev[k]);
			rig_merge(&r, total, one);
		} else {
			rig_add(&r, total, &ev[k]);
		}
	}
	const char *got = rig_text(&r, total);
	ck_assert_msg(strcmp(got, cases[i].want) == 0, "%s of %s (split %d): %s, not %s",
	        cases[i].call, cases[i].values, split, got, cases[i].want);
	ck_assert_uint_eq(r.counts.overflow, cases[i].overflow);
	if (!split)
		ck_assert_uint_eq(r.counts.capped, cases[i].capped);
	ck_assert_uint_eq(r.spec.acc_bytes % 8, 0);
	rig_close(&r);
	free(words);
}

START_TEST(test_cases)
{
	check_case(_i, false);
	check_case(_i, true);
}
END_TEST

static const struct {
	const char *call;
	const struct type *type;
	const char *error; /* NULL: fine */
} resolves[] = {
        {"sum", &t_string, "sum needs a number, not string"},
        {"sum", &t_null, "sum needs a number, not null"},
        {"sum", &t_boolean,
                "sum needs a number, not boolean: count() where … counts what is true"},
        {"avg", &t_millis, "avg needs a number, not timestamp-millis"},
        {"stddev_pop", &t_array, "stddev_pop needs a number, not array<long>"},
        {"var", &t_bytes, "var needs a number, not bytes"},
        {"quantile(0.5)", &t_string, "quantile needs a number, not string"},
        {"median", &t_date, "median needs a number, not date"},
        {"quantile(95)", &t_int, "quantile's rank must be between 0 and 1, not 95: write 0.95"},
        {"quantile(99.9)", &t_int,
                "quantile's rank must be between 0 and 1, not 99.9: write 0.999"},
        {"quantile(-0.5)", &t_int, "quantile's rank must be between 0 and 1, not -0.5"},
        {"quantile(101)", &t_int, "quantile's rank must be between 0 and 1, not 101"},
        {"quantile(nan)", &t_int, "quantile's rank must be between 0 and 1, not nan"},
        {"min", &t_array, "min needs a plain value, not array<long>"},
        {"max", &t_null, "max needs a plain value, not null"},
        {"distinct", &t_array, "distinct needs a plain value, not array<long>"},
        {"distinct(0)", &t_int,
                "distinct's cap must be a whole number between 1 and 65536, not 0: "
                "approx_distinct has no cap"},
        {"distinct(2.5)", &t_int,
                "distinct's cap must be a whole number between 1 and 65536, not 2.5: "
                "approx_distinct has no cap"},
        {"distinct(65537)", &t_int,
                "distinct's cap must be a whole number between 1 and 65536, not 65537: "
                "approx_distinct has no cap"},
        {"approx_distinct", &t_array, "approx_distinct needs a plain value, not array<long>"},
        {"top(0)", &t_int, "top's k must be a whole number between 1 and 100, not 0"},
        {"top(1.5)", &t_int, "top's k must be a whole number between 1 and 100, not 1.5"},
        {"top(3)", &t_array, "top needs a plain value, not array<long>"},
        {"first", &t_null, "first needs a value, not null"},
        {"last", &t_array, NULL},
        {"min", &t_enum, NULL},
        {"count", NULL, NULL},
        {"count", &t_array, NULL},
        {"distinct(65536)", &t_bytes, NULL},
};

START_TEST(test_resolve)
{
	struct rig r;
	struct error e = {0};
	enum status st = rig_open(&r, resolves[_i].call, resolves[_i].type, &e);
	if (resolves[_i].error) {
		ck_assert_int_eq(st, ST_ERR);
		ck_assert_str_eq(e.msg, resolves[_i].error);
		ck_assert_int_eq(e.class, ERR_USER);
	} else {
		ck_assert_msg(st == ST_OK, "%s", e.msg);
		ck_assert_ptr_eq(r.spec.agg, rig_find(r.spec.agg->name));
	}
	rig_close(&r);
}
END_TEST

/* The type of each result and the bytes of each accumulator: dozens of tiles hold them. */
static const struct {
	const char *call;
	const struct type *type;
	const char *result;
	bool nullable;
	uint16_t bytes;
} shapes[] = {
        {"count", NO, "long", false, 8},
        {"sum", &t_int, "long", true, 16},
        {"sum", &t_float, "float", true, 16},
        {"sum", &t_money, "decimal(6,2)", true, 16},
        {"sum", &t_huge, "decimal(38,0)", true, 24},
        {"avg", &t_int, "double", true, 24},
        {"avg", &t_double, "double", true, 24},
        {"min", &t_int, "int", true, 16},
        {"max", &t_double, "double", true, 8},
        {"min", &t_string, "string", true, 16},
        {"min", &t_enum, "enum", true, 16},
        {"var", &t_money, "double", true, 40},
        {"stddev", &t_double, "double", true, 32},
        {"first", &t_int, "int", true, 24},
        {"last", &t_string, "string", true, 32},
        {"last", &t_array, "array<long>", true, 32},
        {"distinct", &t_string, "long", true, 32},
        {"distinct", &t_int, "long", true, 16},
        {"approx_distinct", &t_string, "long", false, 16},
        {"quantile(0.5)", &t_int, "double", true, 16},
        {"top(5)", &t_enum, "array<string>", false, 40},
        {"top(5)", &t_money, "array<decimal(6,2)>", false, 24},
};

START_TEST(test_shape)
{
	struct rig r;
	char name[TYPE_NAME_MAX];
	rig_must_open(&r, shapes[_i].call, shapes[_i].type);
	ck_assert_str_eq(type_name(&r.spec.result, name), shapes[_i].result);
	ck_assert_int_eq(r.spec.result_nullable, shapes[_i].nullable);
	ck_assert_uint_eq(r.spec.acc_bytes, shapes[_i].bytes);
	rig_close(&r);
}
END_TEST

START_TEST(test_retract)
{
	static const struct {
		const char *call;
		const struct type *type;
		const char *keep, *take, *want;
	} retracts[] = {
	        {"count", NO, "1 1 1", "1", "2"},
	        {"sum", &t_int, "5 7", "7", "5"},
	        {"sum", &t_long, "9223372036854775807 9223372036854775807",
	                "9223372036854775807", "9223372036854775807"},
	        {"sum", &t_huge, NINES38 " " NINES38, NINES38, NINES38},
	        {"avg", &t_int, "1 2 6", "6", "1.5"},
	        {"avg", &t_int, "1", "1", "null"},
	        {"avg", &t_money, "0.10 0.30", "0.30", "0.1"},
	};
	struct agg_event ev[32];
	for (size_t i = 0; i < sizeof retracts / sizeof *retracts; i++) {
		struct rig r;
		rig_must_open(&r, retracts[i].call, retracts[i].type);
		uint32_t off = rig_new(&r);
		char *words = xstrdup(retracts[i].keep);
		uint32_t n = parse_events(retracts[i].type, words, ev, 32);
		for (uint32_t k = 0; k < n; k++)
			rig_add(&r, off, &ev[k]);
		free(words);
		words = xstrdup(retracts[i].take);
		n = parse_events(retracts[i].type, words, ev, 32);
		for (uint32_t k = 0; k < n; k++)
			r.spec.agg->retract(&r.spec, &r.heap, off, &ev[k], &r.counts);
		free(words);
		ck_assert_str_eq(rig_text(&r, off), retracts[i].want);
		rig_close(&r);
	}
}
END_TEST

START_TEST(test_table)
{
	for (int i = 0; aggregates[i]; i++) {
		const struct aggregate *g = aggregates[i];
		size_t n = strlen(g->name);
		ck_assert(strncmp(g->signature, g->name, n) == 0 && g->signature[n] == '(');
		ck_assert(g->summary[0] && g->error[0]);
		ck_assert(g->resolve && g->init && g->add && g->merge && g->result);
		ck_assert_uint_le(g->nvalues, 1);
		ck_assert_uint_le(g->nvalues + g->nconst_max, AGG_ARGS_MAX);
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(g->name, aggregates[k]->name);
	}
}
END_TEST

/* An int and an equal long are the same value to every set. */
START_TEST(test_hash_of_int_and_long)
{
	struct rig a, b;
	struct agg_event ev = {.value.i64 = -42};
	rig_must_open(&a, "approx_distinct", &t_int);
	rig_must_open(&b, "approx_distinct", &t_long);
	uint32_t x = rig_new(&a), y = rig_new(&b);
	rig_add(&a, x, &ev);
	rig_add(&b, y, &ev);
	ck_assert(slice_eq(rig_state(&a, x), rig_state(&b, y)));
	rig_close(&a);
	rig_close(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("operators_aggregates");
	TCase *t = tcase_create("all");
	tcase_add_loop_test(t, test_cases, 0, sizeof cases / sizeof *cases);
	tcase_add_loop_test(t, test_resolve, 0, sizeof resolves / sizeof *resolves);
	tcase_add_loop_test(t, test_shape, 0, sizeof shapes / sizeof *shapes);
	tcase_add_test(t, test_retract);
	tcase_add_test(t, test_table);
	tcase_add_test(t, test_hash_of_int_and_long);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
