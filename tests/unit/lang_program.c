// SPDX-License-Identifier: Apache-2.0
//
// Expressions: type and value of each over three rows: an ordinary one, one of nulls, one of
// edges. Every expression is run over the three rows, over each alone, and over a full batch;
// results must not depend on that.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/avro.h"
#include "lang/compile.h"

#define ROWS 3

static const char *const colours[] = {"RED", "GREEN", NULL};

static struct column_def {
	const char *name;
	struct type type;
	const char *text[ROWS]; /* NULL: null */
} defs[] = {
        {"i", {.kind = KIND_LONG}, {"7", NULL, "9223372036854775807"}},
        {"n", {.kind = KIND_INT}, {"-3", NULL, "-2147483648"}},
        {"x", {.kind = KIND_DOUBLE}, {"2.5", NULL, "1e308"}},
        {"f", {.kind = KIND_FLOAT}, {"0.5", NULL, "0"}},
        {"s", {.kind = KIND_STRING}, {"Ab,cd", NULL, ""}},
        {"u", {.kind = KIND_STRING}, {"h\xc3\xa9\xe2\x86\x92!", NULL, " 12 "}},
        {"b", {.kind = KIND_BOOLEAN}, {"1", NULL, "0"}},
        {"t", {.kind = KIND_TIMESTAMP_MILLIS}, {"1362463628009", NULL, "-1"}},
        {"w", {.kind = KIND_TIMESTAMP_MICROS}, {"1362463628009500", NULL, "-1"}},
        {"g", {.kind = KIND_DATE}, {"15769", NULL, "-1"}},
        {"m", {.kind = KIND_DECIMAL, .precision = 10, .scale = 2},
                {"1234", NULL, "-9999999999"}},
        {"h", {.kind = KIND_DECIMAL, .precision = 38, .scale = 0},
                {"3", NULL, "99999999999999999999999999999999999999"}},
        {"e", {.kind = KIND_ENUM, .symbols = colours}, {"RED", NULL, "GREEN"}},
        {"k", {.kind = KIND_BYTES}, {"ab", NULL, ""}},
        {"r", {.kind = KIND_LONG}, {"2", "2", "2"}}, /* never null */
};
#define NDEFS (sizeof defs / sizeof *defs)

static struct value value_of(const struct column_def *d, int row)
{
	struct value v = {.null = d->text[row] == NULL};
	if (v.null)
		return v;
	switch (type_form(&d->type)) {
	case FORM_F64:
		v.f64 = strtod(d->text[row], NULL);
		break;
	case FORM_I128:
		for (const char *p = d->text[row]; *p; p++)
			v.i128 = *p == '-' ? v.i128 : v.i128 * 10 + (*p - '0');
		v.i128 = d->text[row][0] == '-' ? -v.i128 : v.i128;
		break;
	case FORM_BYTES:
		v.bytes = slice_of(d->text[row]);
		break;
	default:
		v.i64 = strtoll(d->text[row], NULL, 10);
	}
	return v;
}

static int name(void *arg, struct compiler *c, const struct expr *e)
{
	(void)arg;
	for (uint32_t i = 0; i < NDEFS; i++)
		if (slice_eq(e->text, slice_of(defs[i].name)))
			return builder_input(
			        c->b, i, &defs[i].type, strcmp(defs[i].name, "r") != 0);
	return compile_error(c, e, NULL, "no column");
}

static const struct scope scope = {NULL, name, NULL, NULL};

struct session {
	struct arena a;
	struct diagnostics d;
	struct program *p;
	bool nullable;
};

static void session_open(struct session *s, const char *text)
{
	arena_init(&s->a);
	diagnostics_init(&s->d);
	struct place place = {.d = &s->d, .text = slice_of(text)};
	struct compiler c = {builder_new(&s->a, NDEFS), &s->a, &place, &scope};
	const struct expr *e = expr_parse(&s->a, slice_of(text), &place);
	int reg = e ? compile(&c, e) : REG_BAD;
	s->p = NULL;
	if (reg < 0)
		return;
	s->nullable = builder_reg(c.b, reg)->nullable;
	builder_output(c.b, reg);
	s->p = builder_finish(c.b);
}

static void session_close(struct session *s)
{
	diagnostics_release(&s->d);
	arena_release(&s->a);
}

/* Runs over n rows, of which row i is row (from + i) % ROWS of the table. */
static struct column run(struct session *s, int from, uint32_t n, struct program_counts *counts)
{
	struct column cols[NDEFS], out;
	for (uint32_t k = 0; k < NDEFS; k++) {
		column_init(&cols[k], &defs[k].type, n, &s->a);
		for (uint32_t i = 0; i < n; i++) {
			struct value v = value_of(&defs[k], (from + (int)i) % ROWS);
			column_set(&cols[k], i, &v);
		}
	}
	*counts = (struct program_counts){0};
	program_run(s->p, cols, n, &out, &s->a, counts);
	return out;
}

static void text_of(struct buf *b, const struct column *c, uint32_t i)
{
	b->len = 0;
	struct value v = column_get(c, i);
	if (v.null)
		buf_str(b, "null");
	else
		value_text(b, c->type, &v);
}

/* expected: type, then a text per row. */
static const struct good {
	const char *text, *type, *rows[ROWS];
} goods[] = {
        /* arithmetic */
        {"i + 1", "long", {"8", "null", "null"}},
        {"n + n", "long", {"-6", "null", "-4294967296"}},
        {"i - n", "long", {"10", "null", "null"}},
        {"i * 2", "long", {"14", "null", "null"}},
        {"-n", "long", {"3", "null", "2147483648"}},
        {"-(-i)", "long", {"7", "null", "9223372036854775807"}},
        {"- - 5 + r", "long", {"7", "7", "7"}},
        {"i / 2", "double", {"3.5", "null", "4611686018427387904"}},
        {"i / 0", "double", {"null", "null", "null"}},
        {"x / f", "double", {"5", "null", "null"}},
        {"i % 4", "long", {"3", "null", "3"}},
        {"n % 2", "long", {"-1", "null", "0"}},
        {"i % 0", "long", {"null", "null", "null"}},
        {"i % -1", "long", {"0", "null", "0"}},
        {"x % 2", "double", {"0.5", "null", "0"}},
        {"x * 10", "double", {"25", "null", "null"}},
        {"x + i", "double", {"9.5", "null", "1e+308"}},
        {"f + f", "double", {"1", "null", "0"}},
        {"2 + 3 * 4 - 1", "long", {"13", "13", "13"}},
        {"(2 + 3) * 4", "long", {"20", "20", "20"}},
        {"7 - 2 - 1", "long", {"4", "4", "4"}},
        {"12 / 4 / 3", "double", {"1", "1", "1"}},
        {"null + 1", "long", {"null", "null", "null"}},
        {"1.5 + r", "double", {"3.5", "3.5", "3.5"}},
        {"1e3", "double", {"1000", "1000", "1000"}},
        {".5 * r", "double", {"1", "1", "1"}},
        /* decimals: exact */
        {"m + 1", "decimal(22,2)", {"13.34", "null", "-99999998.99"}},
        {"m + 0.005", "decimal(12,3)", {"12.345", "null", "-99999999.985"}},
        {"m * 1.1", "decimal(12,3)", {"13.574", "null", "-109999999.989"}},
        {"m * m", "decimal(20,4)", {"152.2756", "null", "9999999998000000.0001"}},
        {"m * 2", "decimal(29,2)", {"24.68", "null", "-199999999.98"}},
        {"m / 2", "double", {"6.17", "null", "-49999999.995"}},
        {"m % 5", "decimal(21,2)", {"2.34", "null", "-4.99"}},
        {"-m", "decimal(10,2)", {"-12.34", "null", "99999999.99"}},
        {"h + 1", "decimal(38,0)", {"4", "null", "null"}},
        {"h * h", "decimal(38,0)", {"9", "null", "null"}},
        {"m + x", "double", {"14.84", "null", "1e+308"}},
        {"m = 12.34", "boolean", {"1", "null", "0"}},
        {"m = 12.340", "boolean", {"1", "null", "0"}},
        {"m > -99999999.995", "boolean", {"1", "null", "1"}},
        {"m < h", "boolean", {"0", "null", "1"}},
        {"h > i", "boolean", {"0", "null", "1"}},
        {"m > -5", "boolean", {"1", "null", "0"}},
        {"m in (12.34, 5)", "boolean", {"1", "null", "0"}},
        {"abs(m)", "decimal(10,2)", {"12.34", "null", "99999999.99"}},
        {"round(m, 1)", "decimal(10,2)", {"12.30", "null", "-100000000.00"}},
        {"round(m)", "decimal(10,2)", {"12.00", "null", "-100000000.00"}},
        {"ceil(m)", "decimal(10,2)", {"13.00", "null", "-99999999.00"}},
        {"floor(m)", "decimal(10,2)", {"12.00", "null", "-100000000.00"}},
        /* comparison */
        {"i = 7", "boolean", {"1", "null", "0"}},
        {"i != 7", "boolean", {"0", "null", "1"}},
        {"i < n", "boolean", {"0", "null", "0"}},
        {"i <= 7", "boolean", {"1", "null", "0"}},
        {"x > 2", "boolean", {"1", "null", "1"}},
        {"x >= 2.5", "boolean", {"1", "null", "1"}},
        {"i = cast(null as int)", "boolean", {"null", "null", "null"}},
        {"i > 6.5", "boolean", {"1", "null", "1"}},
        {"s = 'Ab,cd'", "boolean", {"1", "null", "0"}},
        {"s < 'B'", "boolean", {"1", "null", "1"}},
        {"s >= u", "boolean", {"0", "null", "0"}},
        {"b = true", "boolean", {"1", "null", "0"}},
        {"k = k", "boolean", {"1", "null", "1"}},
        {"e = 'RED'", "boolean", {"1", "null", "0"}},
        {"'RED' != e", "boolean", {"0", "null", "1"}},
        {"e = s", "boolean", {"0", "null", "0"}},
        {"e in ('RED', 'GREEN')", "boolean", {"1", "null", "1"}},
        {"t > '2013-01-01'", "boolean", {"1", "null", "0"}},
        {"t = '2013-03-05T06:07:08.009Z'", "boolean", {"1", "null", "0"}},
        {"t = '2013-03-05T08:07:08.009+02:00'", "boolean", {"1", "null", "0"}},
        {"'2013-03-05 06:07' < t", "boolean", {"1", "null", "0"}},
        {"t < w", "boolean", {"1", "null", "1"}},
        {"w >= t", "boolean", {"1", "null", "1"}},
        {"g = '2013-03-05'", "boolean", {"1", "null", "0"}},
        {"g < t", "boolean", {"1", "null", "1"}},
        {"t in ('2013-03-05T06:07:08.009', '1969-12-31T23:59:59.999')", "boolean",
                {"1", "null", "1"}},
        /* logic */
        {"b and true", "boolean", {"1", "null", "0"}},
        {"b and false", "boolean", {"0", "0", "0"}},
        {"b or true", "boolean", {"1", "1", "1"}},
        {"b or false", "boolean", {"1", "null", "0"}},
        {"b and null", "boolean", {"null", "null", "0"}},
        {"b or null", "boolean", {"1", "null", "null"}},
        {"not b", "boolean", {"0", "null", "1"}},
        {"not not b", "boolean", {"1", "null", "0"}},
        {"not null", "boolean", {"null", "null", "null"}},
        {"i = 7 or n = 7 and b", "boolean", {"1", "null", "0"}},
        {"not i = 7", "boolean", {"0", "null", "1"}},
        {"i is null", "boolean", {"0", "1", "0"}},
        {"i is not null", "boolean", {"1", "0", "1"}},
        {"i = 7 is null", "boolean", {"0", "1", "0"}},
        {"null is null", "boolean", {"1", "1", "1"}},
        {"i in (1, 7)", "boolean", {"1", "null", "0"}},
        {"i in (7)", "boolean", {"1", "null", "0"}},
        {"i in (1, 2, null)", "boolean", {"null", "null", "null"}},
        {"i in (7, null)", "boolean", {"1", "null", "null"}},
        {"i not in (7, 8)", "boolean", {"0", "null", "1"}},
        {"n in (i, r, -3)", "boolean", {"1", "null", "0"}},
        {"x in (2.5, 1)", "boolean", {"1", "null", "0"}},
        {"s in ('', 'q', 'Ab,cd', 'z')", "boolean", {"1", "null", "1"}},
        {"i between 1 and 7", "boolean", {"1", "null", "0"}},
        {"i not between 1 and 7", "boolean", {"0", "null", "1"}},
        {"i between null and 5", "boolean", {"0", "null", "0"}},
        {"x between 2 and 3 and b", "boolean", {"1", "null", "0"}},
        /* case */
        {"case when i = 7 then 'a' when b then 'b' else 'c' end", "string", {"a", "c", "c"}},
        {"case when b then 1 end", "long", {"1", "null", "null"}},
        {"case when b then i else x end", "double", {"7", "null", "1e+308"}},
        {"case when null then 1 else 2 end", "long", {"2", "2", "2"}},
        {"case when b then e else 'none' end", "string", {"RED", "none", "none"}},
        {"case when b then null else s end", "string", {"null", "null", ""}},
        /* casts */
        {"cast(i as int)", "int", {"7", "null", "null"}},
        {"cast(x as long)", "long", {"3", "null", "null"}},
        {"cast(-2.5 as int)", "int", {"-3", "-3", "-3"}},
        {"cast(x as int)", "int", {"3", "null", "null"}},
        {"cast(x as float)", "float", {"2.5", "null", "null"}},
        {"cast(i as double)", "double", {"7", "null", "9223372036854775808"}},
        {"cast(b as int)", "int", {"1", "null", "0"}},
        {"cast(i as boolean)", "boolean", {"1", "null", "1"}},
        {"cast(f as boolean)", "boolean", {"1", "null", "0"}},
        {"cast(m as long)", "long", {"12", "null", "-100000000"}},
        {"cast(m as double)", "double", {"12.34", "null", "-99999999.99"}},
        {"cast(m as decimal(10,1))", "decimal(10,1)", {"12.3", "null", "-100000000.0"}},
        {"cast(m as decimal(5,2))", "decimal(5,2)", {"12.34", "null", "null"}},
        {"cast(i as decimal(10,2))", "decimal(10,2)", {"7.00", "null", "null"}},
        {"cast(x as decimal(6,1))", "decimal(6,1)", {"2.5", "null", "null"}},
        {"cast(0.1 as decimal(20,18))", "decimal(20,18)",
                {"0.100000000000000000", "0.100000000000000000", "0.100000000000000000"}},
        {"cast(u as long)", "long", {"null", "null", "12"}},
        {"cast(u as double)", "double", {"null", "null", "12"}},
        {"cast('1.5' as decimal(3,1))", "decimal(3,1)", {"1.5", "1.5", "1.5"}},
        {"cast('1.25' as decimal(3,1))", "decimal(3,1)", {"1.3", "1.3", "1.3"}},
        {"cast('-1.25' as decimal(3,1))", "decimal(3,1)", {"-1.3", "-1.3", "-1.3"}},
        {"cast('1.24999' as decimal(3,1))", "decimal(3,1)", {"1.2", "1.2", "1.2"}},
        {"cast('true' as boolean)", "boolean", {"1", "1", "1"}},
        {"cast('yes' as boolean)", "boolean", {"null", "null", "null"}},
        {"cast(i as string)", "string", {"7", "null", "9223372036854775807"}},
        {"cast(x as string)", "string", {"2.5", "null", "1e+308"}},
        {"cast(b as string)", "string", {"true", "null", "false"}},
        {"cast(m as string)", "string", {"12.34", "null", "-99999999.99"}},
        {"cast(e as string)", "string", {"RED", "null", "GREEN"}},
        {"cast(t as string)", "string",
                {"2013-03-05T06:07:08.009Z", "null", "1969-12-31T23:59:59.999Z"}},
        {"cast(w as string)", "string",
                {"2013-03-05T06:07:08.009500Z", "null", "1969-12-31T23:59:59.999999Z"}},
        {"cast(g as string)", "string", {"2013-03-05", "null", "1969-12-31"}},
        {"cast(t as long)", "long", {"1362463628009", "null", "-1"}},
        {"cast(t as timestamp-micros)", "timestamp-micros", {"1362463628009", "null", "-1"}},
        {"cast(w as timestamp-millis)", "timestamp-millis", {"1362463628009", "null", "-1"}},
        {"cast(t as date)", "date", {"15769", "null", "-1"}},
        {"cast(g as timestamp-millis)", "timestamp-millis",
                {"1362441600000", "null", "-86400000"}},
        {"cast(i as timestamp-millis)", "timestamp-millis",
                {"7", "null", "9223372036854775807"}},
        {"cast('2013-03-05' as timestamp-millis)", "timestamp-millis",
                {"1362441600000", "1362441600000", "1362441600000"}},
        {"cast('2013-02-30' as date)", "date", {"null", "null", "null"}},
        {"cast(null as double)", "double", {"null", "null", "null"}},
        /* numbers */
        {"abs(n)", "long", {"3", "null", "2147483648"}},
        {"abs(-2.5)", "double", {"2.5", "2.5", "2.5"}},
        {"ceil(x)", "double", {"3", "null", "1e+308"}},
        {"floor(-x)", "double", {"-3", "null", "-1e+308"}},
        {"ceil(i)", "long", {"7", "null", "9223372036854775807"}},
        {"round(x)", "double", {"3", "null", "1e+308"}},
        {"round(-x)", "double", {"-3", "null", "-1e+308"}},
        {"round(2.345, 2)", "double", {"2.35", "2.35", "2.35"}},
        {"round(i, -1)", "long", {"10", "null", "null"}},
        {"round(1234.5, -2)", "double", {"1200", "1200", "1200"}},
        {"sqrt(i + 2)", "double", {"3", "null", "null"}},
        {"sqrt(n)", "double", {"null", "null", "null"}},
        {"ln(1)", "double", {"0", "0", "0"}},
        {"ln(0)", "double", {"null", "null", "null"}},
        {"exp(0)", "double", {"1", "1", "1"}},
        {"exp(x)", "double", {"12.182493960703473", "null", "null"}},
        {"pow(r, 10)", "double", {"1024", "1024", "1024"}},
        {"pow(-8, 0.5)", "double", {"null", "null", "null"}},
        {"pow(0, -1)", "double", {"null", "null", "null"}},
        {"least(i, n, 3)", "long", {"-3", "3", "-2147483648"}},
        {"greatest(i, x)", "double", {"7", "null", "1e+308"}},
        {"least(s, u)", "string", {"Ab,cd", "null", ""}},
        {"greatest(t, w)", "timestamp-micros", {"1362463628009", "null", "-1"}},
        {"coalesce(i, n, 5)", "long", {"7", "5", "9223372036854775807"}},
        {"coalesce(e, 'none')", "string", {"RED", "none", "GREEN"}},
        {"coalesce(m, 0)", "decimal(21,2)", {"12.34", "0.00", "-99999999.99"}},
        {"nullif(i, 7)", "long", {"null", "null", "9223372036854775807"}},
        {"nullif(n, i)", "int", {"-3", "null", "-2147483648"}},
        /* texts */
        {"lower(s)", "string", {"ab,cd", "null", ""}},
        {"upper(u)", "string", {"H\xc3\xa9\xe2\x86\x92!", "null", " 12 "}},
        {"length(u)", "long", {"4", "null", "4"}},
        {"length(k)", "long", {"2", "null", "0"}},
        {"length(e)", "long", {"3", "null", "5"}},
        {"substr(u, 2)", "string", {"\xc3\xa9\xe2\x86\x92!", "null", "12 "}},
        {"substr(u, 2, 2)", "string", {"\xc3\xa9\xe2\x86\x92", "null", "12"}},
        {"substr(s, 0, 3)", "string", {"Ab", "null", ""}},
        {"substr(s, -5, 7)", "string", {"A", "null", ""}},
        {"substr(s, 9)", "string", {"", "null", ""}},
        {"substr(s, 1, -1)", "string", {"", "null", ""}},
        {"substr(s, i, i)", "string", {"", "null", ""}},
        {"concat(s, '-', i)", "string", {"Ab,cd-7", "-", "-9223372036854775807"}},
        {"concat(b, null, x)", "string", {"true2.5", "", "false1e+308"}},
        {"split_part(s, ',', 2)", "string", {"cd", "null", ""}},
        {"split_part(s, ',', 3)", "string", {"", "null", ""}},
        {"split_part(s, ',', 0)", "string", {"", "null", ""}},
        {"split_part(s, '', 1)", "string", {"null", "null", "null"}},
        {"split_part('a--b--c', '--', 2)", "string", {"b", "b", "b"}},
        {"starts_with(s, 'Ab')", "boolean", {"1", "null", "0"}},
        {"starts_with(s, '')", "boolean", {"1", "null", "1"}},
        {"hash('')", "long",
                {"-1205034819632174695", "-1205034819632174695", "-1205034819632174695"}},
        {"hash('abc')", "long",
                {"4952883123889572249", "4952883123889572249", "4952883123889572249"}},
        {"hash(n) = hash(cast(n as long))", "boolean", {"1", "null", "1"}},
        {"hash(s, i) = hash(s)", "boolean", {"0", "null", "0"}},
        {"hash(0.0) = hash(-0.0)", "boolean", {"1", "1", "1"}},
        {"'it''s'", "string", {"it's", "it's", "it's"}},
        /* times */
        {"year(t)", "long", {"2013", "null", "1969"}},
        {"month(t)", "long", {"3", "null", "12"}},
        {"day(g)", "long", {"5", "null", "31"}},
        {"hour(w)", "long", {"6", "null", "23"}},
        {"dow(t)", "long", {"2", "null", "3"}},
        {"dow('2013-03-03')", "long", {"0", "0", "0"}},
        {"year('0001-01-01')", "long", {"1", "1", "1"}},
        {"date_diff('day', g, t)", "long", {"0", "null", "0"}},
        {"date_diff('hour', '2013-03-05', t)", "long", {"6", "null", "-378456"}},
        {"date_diff('second', t, '2013-03-05T06:07:10Z')", "long", {"1", "null", "1362463630"}},
        {"date_diff('month', '2012-12-31', '2013-01-01')", "long", {"1", "1", "1"}},
        {"date_diff('year', t, '2012-12-31')", "long", {"-1", "null", "43"}},
        {"date_diff('week', '2013-01-01', '2013-01-15')", "long", {"2", "2", "2"}},
};

START_TEST(test_good)
{
	const struct good *g = &goods[_i];
	struct session s;
	struct buf b;
	struct program_counts counts, one = {0}, sum = {0};
	char type[TYPE_NAME_MAX];
	buf_init(&b);
	session_open(&s, g->text);
	ck_assert_msg(
	        s.p != NULL, "%s: %s", g->text, s.d.n ? s.d.items[0].message : "no error");
	ck_assert_msg(strcmp(type_name(program_type(s.p, 0), type), g->type) == 0,
	        "%s: type %s, not %s", g->text, type, g->type);
	struct column out = run(&s, 0, BATCH_ROWS_MAX, &counts);
	for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
		text_of(&b, &out, i);
		ck_assert_msg(strcmp(buf_cstr(&b), g->rows[i % ROWS]) == 0,
		        "%s row %u: %s, not %s", g->text, i % ROWS, buf_cstr(&b),
		        g->rows[i % ROWS]);
		ck_assert_msg(
		        !out.null[i] || s.nullable, "%s: null, but declared not null", g->text);
	}
	for (int i = 0; i < ROWS; i++) {
		out = run(&s, i, 1, &one);
		text_of(&b, &out, 0);
		ck_assert_str_eq(buf_cstr(&b), g->rows[i]);
		sum.overflow += one.overflow;
		sum.failed_cast += one.failed_cast;
	}
	out = run(&s, 0, ROWS, &counts);
	ck_assert_msg(counts.overflow == sum.overflow && counts.failed_cast == sum.failed_cast,
	        "%s", g->text);
	out = run(&s, 0, 0, &counts);
	ck_assert_ptr_nonnull(out.type);
	buf_release(&b);
	session_close(&s);
}
END_TEST

/* A canonical text parses to the same program and the same canonical text. */
START_TEST(test_canonical)
{
	struct session s;
	struct buf one, two;
	buf_init(&one);
	buf_init(&two);
	session_open(&s, "1");
	struct place place = {.d = &s.d, .text = slice_of(goods[_i].text)};
	expr_print(&one, expr_parse(&s.a, slice_of(goods[_i].text), &place));
	const struct expr *again = expr_parse(&s.a, buf_view(&one), &place);
	ck_assert_msg(again != NULL, "%s does not parse", buf_cstr(&one));
	expr_print(&two, again);
	ck_assert_str_eq(buf_cstr(&one), buf_cstr(&two));
	session_close(&s);
	session_open(&s, buf_cstr(&two));
	ck_assert_msg(s.p != NULL, "%s does not compile", buf_cstr(&two));
	struct program_counts counts;
	struct column out = run(&s, 0, ROWS, &counts);
	for (uint32_t i = 0; i < ROWS; i++) {
		one.len = 0;
		text_of(&one, &out, i);
		ck_assert_str_eq(buf_cstr(&one), goods[_i].rows[i]);
	}
	buf_release(&one);
	buf_release(&two);
	session_close(&s);
}
END_TEST

static const struct canonical {
	const char *text, *canonical;
} canonicals[] = {
        {"a+b *  c", "a + b * c"},
        {"(a + b) * c", "(a + b) * c"},
        {"((a) + (b))", "a + b"},
        {"a - (b - c)", "a - (b - c)"},
        {"not (a and b)", "not (a and b)"},
        {"(not a) and b", "not a and b"},
        {"sum(x) over 168h", "sum(x) over 7d"},
        {"sum(x) over 7d every 120m", "sum(x) over 7d every 2h"},
        {"sum(x) over 24h every 1h", "sum(x) over 1d"},
        {"sum(x) over tumbling 60s where (a)", "sum(x) over tumbling 1m where a"},
        {"(count() where a) / count()", "(count() where a) / count()"},
        {"'a''b'", "'a''b'"},
        {"a   not in( 1,2 )", "a not in (1, 2)"},
        {"cast( a as decimal( 10 , 2 ) )", "cast(a as decimal(10,2))"},
        {"case when a then -b end", "case when a then -b end"},
        {"-(-a)", "-(-a)"},
        {"-(a + b)", "-(a + b)"},
};

START_TEST(test_canonical_text)
{
	struct session s;
	struct buf b;
	buf_init(&b);
	session_open(&s, "1");
	struct place place = {.d = &s.d, .text = slice_of(canonicals[_i].text)};
	const struct expr *e = expr_parse(&s.a, slice_of(canonicals[_i].text), &place);
	ck_assert_msg(
	        e != NULL, "%s: %s", canonicals[_i].text, s.d.n ? s.d.items[0].message : "");
	expr_print(&b, e);
	ck_assert_str_eq(buf_cstr(&b), canonicals[_i].canonical);
	buf_release(&b);
	session_close(&s);
}
END_TEST

static const struct counted {
	const char *text;
	uint64_t overflow, failed_cast; /* over the three rows */
} counteds[] = {
        {"i + 1", 1, 0},
        {"i / 0", 0, 0},
        {"x * 10", 1, 0},
        {"h + 1", 1, 0},
        {"cast(i as int)", 0, 1},
        {"cast(u as long)", 0, 1},
        {"sqrt(n)", 0, 2},
        {"exp(x)", 1, 0},
        {"abs(i)", 0, 0},
        {"split_part(s, '', 1)", 0, 2},
        {"m % 0", 0, 0},
};

START_TEST(test_counts)
{
	struct session s;
	struct program_counts counts;
	session_open(&s, counteds[_i].text);
	ck_assert_ptr_nonnull(s.p);
	run(&s, 0, ROWS, &counts);
	ck_assert_msg(counts.overflow == counteds[_i].overflow &&
	                      counts.failed_cast == counteds[_i].failed_cast,
	        "%s: overflow %llu, failed %llu", counteds[_i].text,
	        (unsigned long long)counts.overflow, (unsigned long long)counts.failed_cast);
	session_close(&s);
}
END_TEST

/* Errors of an expression alone: where, what, and what is suggested. */
static const struct broken {
	const char *text;
	int column;
	uint32_t width;
	const char *message, *suggestion; /* message: a part of it */
} bads[] = {
        {"", 1, 1, "an expression is expected", NULL},
        {"i +", 4, 1, "a value expected, not the end", NULL},
        {"i + + ", 7, 1, "a value expected", NULL},
        {"(i", 3, 1, "')' expected", NULL},
        {"i)", 2, 1, "an operator or the end expected, not ')'", NULL},
        {"i == 7", 3, 2, "no such operator", "="},
        {"i <> 7", 3, 2, "no such operator", "!="},
        {"b && b", 3, 1, "expected", "and"},
        {"b || b", 3, 1, "expected", "or"},
        {"!b", 1, 1, "a value expected", "not"},
        {"b AND b", 3, 3, "expected, not 'AND'", "and"},
        {"b an b", 3, 2, "expected", "and"},
        {"s = \"x\"", 5, 1, "single quotes", NULL},
        {"s = 'x", 5, 2, "no closing quote", NULL},
        {"i is nul", 6, 3, "'null' expected", "null"},
        {"i is not nll", 10, 3, "'null' expected", "null"},
        {"i in ()", 6, 2, "at least one value", NULL},
        {"i between 1 or 2", 13, 2, "'and' expected", NULL},
        {"case b then 1 end", 6, 1, "'when' expected", NULL},
        {"case when b then 1", 19, 1, "'end' expected", NULL},
        {"case when b then 1 esle 2 end", 20, 4, "'when', 'else' or 'end'", "else"},
        {"cast(i an long)", 8, 2, "'as' expected", "as"},
        {"cast(i as lnog)", 11, 4, "no type 'lnog'", "long"},
        {"cast(i as timestamp)", 11, 9, "no type 'timestamp'", "timestamp-millis"},
        {"cast(b as date)", 1, 15, "boolean cannot be cast to date", NULL},
        {"lenght(s)", 1, 6, "no function 'lenght'", "length"},
        {"coalece(i, 1)", 1, 7, "no function", "coalesce"},
        {"zzzzzz(i)", 1, 6, "no function", NULL},
        {"abs(i, 2)", 1, 9, "wrong number of arguments for abs", "abs(x)"},
        {"abs()", 1, 5, "wrong number", "abs(x)"},
        {"abs(s)", 5, 1, "abs needs a number, not string", NULL},
        {"s + 'x'", 1, 1, "+ needs a number, not string", "concat(a, b)"},
        {"t - t", 1, 1, "- needs a number, not timestamp-millis",
                "date_diff('second', from, to)"},
        {"i + b", 5, 1, "+ needs a number, not boolean", NULL},
        {"-s", 2, 1, "- needs a number", NULL},
        {"i and b", 1, 1, "and needs a condition, not long", NULL},
        {"not i", 5, 1, "not needs a condition, not long", NULL},
        {"i = 'x'", 1, 7, "cannot compare long with string", NULL},
        {"i < b", 1, 5, "cannot compare long with boolean", NULL},
        {"i in (1, 'x')", 10, 3, "cannot compare long with string", NULL},
        {"e = 'GREN'", 5, 6, "'GREN' is not a symbol", "'GREEN'"},
        {"e in ('RED', 'BLUE')", 14, 6, "'BLUE' is not a symbol", NULL},
        {"t > 'yesterday'", 5, 11, "no ISO-8601 time", "'2013-01-31T05:20:00Z'"},
        {"t > 5", 1, 5, "cannot compare timestamp-millis with long", NULL},
        {"case when i then 1 end", 11, 1, "when needs a condition, not long", NULL},
        {"case when b then 1 else 'x' end", 18, 1, "branches of a case are long and string",
                NULL},
        {"coalesce(i, 's')", 13, 3, "no type in common", NULL},
        {"least(i, s)", 10, 1, "no type in common", NULL},
        {"year(s)", 6, 1, "year needs a timestamp or a date", "cast(... as timestamp-millis)"},
        {"date_diff('days', t, t)", 11, 6, "no such unit", "'day'"},
        {"date_diff(s, t, t)", 11, 1, "needs its unit", "'day'"},
        {"round(x, i)", 10, 1, "constant integer", NULL},
        {"abs(i) over 7d", 8, 4, "'abs' is not an aggregate", NULL},
        {"i + 7d", 5, 2, "a duration can only stand", NULL},
        {"9223372036854775808", 1, 19, "does not fit in a long", NULL},
        {"1e999", 1, 5, "does not fit in a double", NULL},
        {"i # 2", 3, 1, "expected, not '#'", NULL},
        {"s = '\xc3\xa9' x", 9, 1, "expected, not 'x'", NULL},
        {"m * m * m * m * m * m * m * m * m * m * m * m * m * m * m * m * m * m * m * m", 1, 77,
                "more than 38 digits", NULL},
};

START_TEST(test_bad)
{
	const struct broken *x = &bads[_i];
	struct session s;
	session_open(&s, x->text);
	ck_assert_msg(s.d.n >= 1, "%s: no error", x->text);
	ck_assert_ptr_null(s.p);
	const struct diagnostic *d = &s.d.items[0];
	ck_assert_msg(strstr(d->message, x->message) != NULL, "%s: %s", x->text, d->message);
	ck_assert_msg(d->line == 1 && d->column == x->column && d->width == x->width,
	        "%s: %d:%d width %u", x->text, d->line, d->column, d->width);
	ck_assert_msg((d->suggestion == NULL) == (x->suggestion == NULL) &&
	                      (!d->suggestion || strcmp(d->suggestion, x->suggestion) == 0),
	        "%s: suggests %s", x->text, d->suggestion ? d->suggestion : "nothing");
	session_close(&s);
}
END_TEST

static void expect_error(const char *text)
{
	struct session s;
	session_open(&s, text);
	ck_assert_uint_ge(s.d.n, 1);
	ck_assert_ptr_null(s.p);
	session_close(&s);
}

/* Hostile sizes: an error, and soon. */
START_TEST(test_limits)
{
	enum { N = 12000 };
	static char text[8 * N];
	memset(text, '(', N);
	text[N] = 0;
	expect_error(text);
	memset(text, '-', N);
	strcpy(text + N, "1");
	expect_error(text);
	text[0] = 0;
	for (int i = 0; i < N / 4; i++)
		memcpy(text + 4 * i, "not ", 5);
	strcpy(text + N, "b");
	expect_error(text);
	for (int i = 0; i < N / 2; i++)
		memcpy(text + 2 * i, "i+", 3);
	strcpy(text + N, "i");
	expect_error(text);
	memset(text, 'x', EXPR_BYTES_MAX + 1);
	text[EXPR_BYTES_MAX + 1] = 0;
	expect_error(text);
}
END_TEST

/* A chain as long as it may be still works. */
START_TEST(test_long_chain)
{
	static char text[4 * EXPR_ARGS_MAX];
	for (int i = 0; i < EXPR_ARGS_MAX; i++)
		memcpy(text + 2 * i, "r+", 3);
	strcpy(text + 2 * EXPR_ARGS_MAX, "r");
	struct session s;
	struct buf b;
	struct program_counts counts;
	buf_init(&b);
	session_open(&s, text);
	ck_assert_ptr_nonnull(s.p);
	struct column out = run(&s, 0, 1, &counts);
	text_of(&b, &out, 0);
	ck_assert_str_eq(buf_cstr(&b), "2050");
	buf_release(&b);
	session_close(&s);
}
END_TEST

/* Two outputs with a part in common, and the same output twice. */
START_TEST(test_sharing)
{
	struct session s;
	session_open(&s, "1");
	struct place place = {.d = &s.d};
	struct compiler c = {builder_new(&s.a, NDEFS), &s.a, &place, &scope};
	int a = compile(&c, expr_parse(&s.a, slice_of("(i + n) * 2.5 > 3"), &place));
	int b = compile(&c, expr_parse(&s.a, slice_of("(i+n)*2.5 > 3"), &place));
	int sum = compile(&c, expr_parse(&s.a, slice_of("i + n"), &place));
	ck_assert_int_ge(a, 0);
	ck_assert_int_eq(a, b);
	ck_assert_int_ge(sum, 0);
	ck_assert_uint_eq(builder_output(c.b, a), 0);
	ck_assert_uint_eq(builder_output(c.b, b), 0);
	ck_assert_uint_eq(builder_output(c.b, sum), 1);
	ck_assert_uint_eq(program_outputs(builder_finish(c.b)), 2);
	session_close(&s);
}
END_TEST

/* Columns that the program does not use have no data. */
START_TEST(test_unloaded_columns)
{
	struct session s;
	struct column cols[NDEFS] = {0}, out;
	struct program_counts counts = {0};
	session_open(&s, "i + 1");
	column_init(&cols[0], &defs[0].type, 1, &s.a);
	cols[0].i64[0] = 41;
	program_run(s.p, cols, 1, &out, &s.a, &counts);
	ck_assert_int_eq(out.i64[0], 42);
	session_close(&s);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *suite = suite_create("lang_program");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_good, 0, COUNT(goods));
	tcase_add_loop_test(t, test_canonical, 0, COUNT(goods));
	tcase_add_loop_test(t, test_canonical_text, 0, COUNT(canonicals));
	tcase_add_loop_test(t, test_counts, 0, COUNT(counteds));
	tcase_add_loop_test(t, test_bad, 0, COUNT(bads));
	tcase_add_test(t, test_limits);
	tcase_add_test(t, test_long_chain);
	tcase_add_test(t, test_sharing);
	tcase_add_test(t, test_unloaded_columns);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
