// SPDX-License-Identifier: Apache-2.0
//
// The JSON format: what each type takes and refuses, and the grammar against jansson.
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "connectors/json/decode.h"
#include "data/avro.h"

#define VALUE_BYTES_MAX 100000

static struct arena arena;
static struct error err;

static const char SCHEMA[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
        "{\"name\":\"i\",\"type\":[\"null\",\"int\"],\"default\":null},"
        "{\"name\":\"l\",\"type\":[\"null\",\"long\"],\"default\":null},"
        "{\"name\":\"f\",\"type\":[\"null\",\"float\"],\"default\":null},"
        "{\"name\":\"d\",\"type\":[\"null\",\"double\"],\"default\":null},"
        "{\"name\":\"b\",\"type\":[\"null\",\"boolean\"],\"default\":null},"
        "{\"name\":\"s\",\"type\":[\"null\",\"string\"],\"default\":null},"
        "{\"name\":\"y\",\"type\":[\"null\",\"bytes\"],\"default\":null},"
        "{\"name\":\"x\",\"type\":[\"null\",{\"type\":\"fixed\",\"name\":\"x4\",\"size\":4}],"
        "\"default\":null},"
        "{\"name\":\"e\",\"type\":[\"null\",{\"type\":\"enum\",\"name\":\"col\",\"symbols\":["
        "\"RED\",\"BLUE\"]}],\"default\":null},"
        "{\"name\":\"n\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\","
        "\"precision\":6,\"scale\":2}],\"default\":null},"
        "{\"name\":\"big\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\","
        "\"precision\":38,\"scale\":0}],\"default\":null},"
        "{\"name\":\"tm\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}],\"default\":null},"
        "{\"name\":\"tu\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "micros\"}],\"default\":null},"
        "{\"name\":\"dt\",\"type\":[\"null\",{\"type\":\"int\",\"logicalType\":\"date\"}],"
        "\"default\":null},"
        "{\"name\":\"ti\",\"type\":[\"null\",{\"type\":\"int\",\"logicalType\":\"time-millis\"}"
        "],\"default\":null},"
        "{\"name\":\"a\",\"type\":[\"null\",{\"type\":\"array\",\"items\":\"int\"}],"
        "\"default\":null},"
        "{\"name\":\"an\",\"type\":[\"null\",{\"type\":\"array\",\"items\":[\"null\","
        "\"string\"]}],\"default\":null},"
        "{\"name\":\"m\",\"type\":[\"null\",{\"type\":\"map\",\"values\":{\"type\":\"array\","
        "\"items\":\"double\"}}],\"default\":null},"
        "{\"name\":\"ar\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":"
        "\"record\",\"name\":\"el\",\"fields\":["
        "{\"name\":\"p\",\"type\":\"int\"},{\"name\":\"q\",\"type\":\"string\",\"default\":"
        "\"z\"}]}}],\"default\":null},"
        "{\"name\":\"def\",\"type\":\"int\",\"default\":42},"
        "{\"name\":\"addr\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"ad\",\"fields\":"
        "["
        "{\"name\":\"city\",\"type\":\"string\"},{\"name\":\"zip\",\"type\":[\"null\",\"int\"]}"
        "]}],\"default\":null}"
        "]}";

static const char NEEDS[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
        "{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"who\",\"type\":\"string\"},"
        "{\"name\":\"skip\",\"type\":\"int\"},"
        "{\"name\":\"in\",\"type\":{\"type\":\"record\",\"name\":\"n\",\"fields\":["
        "{\"name\":\"v\",\"type\":\"double\"},{\"name\":\"w\",\"type\":[\"null\",\"int\"]}]}}]"
        "}";

struct fixture {
	struct schema *schema;
	struct decoder *decoder;
	struct column cols[32];
};

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

/* unwanted: a field that the decoder is told not to load, NULL for none. */
static void open_decoder(struct fixture *f, const char *schema, const char *unwanted)
{
	bool wanted[32];
	ck_assert_msg(schema_parse(&arena, slice_of(schema), &f->schema, &err) == ST_OK, "%s",
	        err.msg);
	for (size_t i = 0; i < f->schema->nfields; i++)
		wanted[i] = !unwanted || strcmp(f->schema->fields[i].name, unwanted) != 0;
	struct decoder_conf conf = {f->schema, wanted, NULL, VALUE_BYTES_MAX};
	ck_assert_int_eq(format_json.decoder_new(&conf, &f->decoder, &err), ST_OK);
	memset(f->cols, 0, sizeof f->cols);
}

static struct bad_record decode(struct fixture *f, struct slice text)
{
	struct bad_record bad;
	ck_assert_int_eq(
	        format_json.decode(f->decoder, &text, 1, f->cols, &bad, &arena, &err), ST_OK);
	ck_assert_int_eq(bad.bad == BAD_NONE, bad.detail == NULL);
	return bad;
}

/* The column as value_json shows it; records in arrays come as base64. */
static const char *shown(struct fixture *f, const char *name)
{
	int i = schema_find(f->schema, slice_of(name));
	ck_assert_int_ge(i, 0);
	struct value v = column_get(&f->cols[i], 0);
	struct buf b = {0};
	value_json(&b, &f->schema->fields[i].type, &v);
	const char *text = arena_strdup(&arena, buf_cstr(&b));
	buf_release(&b);
	return text;
}

static const struct {
	const char *column, *json;
	enum bad bad;
	const char *expect; /* the value, or a piece of the detail */
} leaves[] = {
        {"i", "5", BAD_NONE, "5"},
        {"i", "-0", BAD_NONE, "0"},
        {"i", "6.0", BAD_NONE, "6"},
        {"i", "1e3", BAD_NONE, "1000"},
        {"i", "1500E-2", BAD_NONE, "15"},
        {"i", "0e99999999999", BAD_NONE, "0"},
        {"i", "3.0000000000000000000000000000", BAD_NONE, "3"},
        {"i", "null", BAD_NONE, "null"},
        {"i", "6.5", BAD_TYPE, "i: 6.5 is not an int"},
        {"i", "1e-3", BAD_TYPE, "is not an int"},
        {"i", "\"5\"", BAD_TYPE, "i: \"5\" is not an int"},
        {"i", "true", BAD_TYPE, "i: true is not an int"},
        {"i", "[5]", BAD_TYPE, "is not an int"},
        {"i", "{}", BAD_TYPE, "is not an int"},
        {"i", "2147483647", BAD_NONE, "2147483647"},
        {"i", "-2147483648", BAD_NONE, "-2147483648"},
        {"i", "2147483648", BAD_RANGE, "i: 2147483648 is out of range"},
        {"i", "-2147483649", BAD_RANGE, "out of range"},
        {"i", "1e99999999999", BAD_RANGE, "out of range"},
        {"i", "NaN", BAD_SYNTAX, "i: NaN is not JSON"},
        {"i", "-Infinity", BAD_SYNTAX, "not JSON"},
        {"i", "nul", BAD_SYNTAX, "not a JSON value"},
        {"i", "01", BAD_SYNTAX, ""},
        {"i", "+1", BAD_SYNTAX, ""},
        {"i", "1.", BAD_SYNTAX, ""},
        {"i", ".5", BAD_SYNTAX, ""},
        {"i", "1e", BAD_SYNTAX, ""},
        {"i", "-", BAD_SYNTAX, ""},
        {"i", "0x10", BAD_SYNTAX, ""},
        {"i", "1 2", BAD_SYNTAX, ""},
        {"i", "", BAD_SYNTAX, ""},
        {"l", "9223372036854775807", BAD_NONE, "9223372036854775807"},
        {"l", "-9223372036854775808", BAD_NONE, "-9223372036854775808"},
        {"l", "9223372036854775808", BAD_RANGE, "out of range"},
        {"l", "-9223372036854775809", BAD_RANGE, "out of range"},
        {"l", "123456789012345678901234567890", BAD_RANGE, "out of range"},
        {"l", "9007199254740993", BAD_NONE, "9007199254740993"},
        {"l", "9223372036854775807.0", BAD_NONE, "9223372036854775807"},
        {"d", "1", BAD_NONE, "1"},
        {"d", "0.1", BAD_NONE, "0.1"},
        {"d", "-0", BAD_NONE, "-0"},
        {"d", "1e22", BAD_NONE, "1e+22"},
        {"d", "1.7976931348623157e308", BAD_NONE, "1.7976931348623157e+308"},
        {"d", "123456789012345678901234567890", BAD_NONE, "1.2345678901234568e+29"},
        {"d", "5e-324", BAD_NONE, "5e-324"},
        {"d", "1e-999", BAD_NONE, "0"},
        {"d", "1e999", BAD_RANGE, "d: 1e999 is out of range"},
        {"d", "NaN", BAD_SYNTAX, "NaN"},
        {"d", "\"1.5\"", BAD_TYPE, "is not a number"},
        {"f", "0.5", BAD_NONE, "0.5"},
        {"f", "0.1", BAD_NONE, "0.10000000149011612"},
        {"f", "1e39", BAD_RANGE, "float"},
        {"b", "true", BAD_NONE, "true"},
        {"b", "false", BAD_NONE, "false"},
        {"b", "1", BAD_TYPE, "is not a boolean"},
        {"b", "tru", BAD_SYNTAX, ""},
        {"b", "\"true\"", BAD_TYPE, "is not a boolean"},
        {"s", "\"\"", BAD_NONE, "\"\""},
        {"s", "\"a\\u00e9\\n\\\"\\ud83d\\ude00\"", BAD_NONE,
                "\"a\xc3\xa9\\n\\\"\xf0\x9f\x98\x80\""},
        {"s", "\"\\u0000x\"", BAD_NONE, "\"\\u0000x\""},
        {"s", "\"\\ud83d\"", BAD_SYNTAX, "escape"},
        {"s", "\"\\ude00\\ud83d\"", BAD_SYNTAX, "escape"},
        {"s", "\"\\x\"", BAD_SYNTAX, "escape"},
        {"s", "\"\\u12g4\"", BAD_SYNTAX, "escape"},
        {"s", "\"a\tb\"", BAD_SYNTAX, "control"},
        {"s", "\"\xc3\x28\"", BAD_SYNTAX, "UTF-8"},
        {"s", "\"\xed\xa0\x80\"", BAD_SYNTAX, "UTF-8"},
        {"s", "'a'", BAD_SYNTAX, ""},
        {"s", "\"a", BAD_SYNTAX, "does not end"},
        {"s", "5", BAD_TYPE, "s: 5 is not a string"},
        {"y", "\"AP8=\"", BAD_NONE, "\"AP8=\""},
        {"y", "\"\"", BAD_NONE, "\"\""},
        {"y", "\"AP8\"", BAD_TYPE, "base64"},
        {"y", "\"=AAA\"", BAD_TYPE, "base64"},
        {"y", "\"A===\"", BAD_TYPE, "base64"},
        {"x", "\"AAECAw==\"", BAD_NONE, "\"AAECAw==\""},
        {"x", "\"AAEC\"", BAD_RANGE, "fixed"},
        {"e", "\"BLUE\"", BAD_NONE, "\"BLUE\""},
        {"e", "\"blue\"", BAD_RANGE, "e: blue is not a symbol"},
        {"e", "1", BAD_TYPE, ""},
        {"n", "12.5", BAD_NONE, "12.50"},
        {"n", "\"12.50\"", BAD_NONE, "12.50"},
        {"n", "12.5000", BAD_NONE, "12.50"},
        {"n", "-9999.99", BAD_NONE, "-9999.99"},
        {"n", "1e3", BAD_NONE, "1000.00"},
        {"n", "0.01", BAD_NONE, "0.01"},
        {"n", "0e500", BAD_NONE, "0.00"},
        {"n", "0.001", BAD_RANGE, "scale"},
        {"n", "10000", BAD_RANGE, "precision"},
        {"n", "1e9999999", BAD_RANGE, "precision"},
        {"n", "\"\"", BAD_TYPE, "is not a decimal"},
        {"n", "\"1 \"", BAD_TYPE, "is not a decimal"},
        {"n", "\"abc1\"", BAD_TYPE, "is not a decimal"},
        {"n", "true", BAD_TYPE, "is not a decimal"},
        {"big", "99999999999999999999999999999999999999", BAD_NONE,
                "99999999999999999999999999999999999999"},
        {"big", "-99999999999999999999999999999999999999", BAD_NONE,
                "-99999999999999999999999999999999999999"},
        {"big", "100000000000000000000000000000000000000", BAD_RANGE, "precision"},
        {"big", "340282366920938463463374607431768211457", BAD_RANGE, "precision"},
        {"tm", "1357016400000", BAD_NONE, "1357016400000"},
        {"tm", "\"2013-01-01T05:00:00Z\"", BAD_NONE, "1357016400000"},
        {"tm", "\"2013-01-01T00:00:00-05:00\"", BAD_NONE, "1357016400000"},
        {"tm", "\"2013-01-01T05:00:00.1239Z\"", BAD_NONE, "1357016400123"},
        {"tm", "\"1969-12-31T23:59:59.9999Z\"", BAD_NONE, "-1"},
        {"tm", "\"2013-01-01T05:00:00\"", BAD_TIME, "zone"},
        {"tm", "\"2013-02-30T05:00:00Z\"", BAD_TIME, "tm: 2013-02-30"},
        {"tm", "\"yesterday\"", BAD_TIME, ""},
        {"tm", "1.5", BAD_TYPE, "is not a timestamp"},
        {"tm", "true", BAD_TYPE, "is not a timestamp"},
        {"tu", "\"1970-01-01T00:00:00.001234Z\"", BAD_NONE, "1"},
        {"dt", "\"2013-01-01\"", BAD_NONE, "15706"},
        {"dt", "\"1969-12-31\"", BAD_NONE, "-1"},
        {"dt", "15706", BAD_NONE, "15706"},
        {"dt", "\"2013-1-1\"", BAD_TIME, "date"},
        {"ti", "\"05:20:07.123\"", BAD_NONE, "19207123"},
        {"ti", "86400000", BAD_RANGE, ""},
        {"ti", "\"24:00\"", BAD_TIME, "time of day"},
        {"a", "[1, 2,3 ]", BAD_NONE, "[1,2,3]"},
        {"a", "[]", BAD_NONE, "[]"},
        {"a", "[1,]", BAD_SYNTAX, ""},
        {"a", "[1", BAD_SYNTAX, ""},
        {"a", "[1.5]", BAD_TYPE, "a: 1.5 is not an int"},
        {"a", "[null]", BAD_MISSING, "a: holds a null"},
        {"a", "{}", BAD_TYPE, "is not an array"},
        {"an", "[\"x\",null]", BAD_NONE, "[\"x\",null]"},
        {"m", "{\"k\":[1,2.5],\"\\u006a\":[]}", BAD_NONE, "{\"k\":[1,2.5],\"j\":[]}"},
        {"m", "{}", BAD_NONE, "{}"},
        {"m", "{\"k\":[],\"\\u006b\":[]}", BAD_DUPLICATE, "m: k appears twice"},
        {"m", "{\"k\":1}", BAD_TYPE, "is not an array"},
        {"ar", "[{\"q\":\"b\",\"p\":1,\"zz\":{}},{\"p\":-1}]", BAD_NONE, "\"BAICYgECegA=\""},
        {"ar", "[{\"q\":\"b\"}]", BAD_MISSING, "ar: p is missing"},
        {"ar", "[{\"p\":1,\"p\":1}]", BAD_DUPLICATE, "ar: p appears twice"},
        {"def", "7", BAD_NONE, "7"},
        {"def", "null", BAD_MISSING, "def: is null"},
        {"addr", "{\"city\":\"X\"}", BAD_NONE, NULL},
        {"addr", "{\"zip\":1}", BAD_MISSING, "addr.city: is missing"},
        {"addr", "{\"city\":null}", BAD_MISSING, "addr.city: is null"},
        {"addr", "{\"city\":\"X\",\"zip\":\"1\"}", BAD_TYPE, "addr.zip: \"1\" is not an int"},
        {"addr", "\"X\"", BAD_TYPE, "addr: \"X\" is not a record"},
        {"addr", "{\"city\":\"X\",\"city\":\"Y\"}", BAD_DUPLICATE, "addr.city"},
};

static void check_leaves(void)
{
	struct fixture f;
	open_decoder(&f, SCHEMA, NULL);
	for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
		char text[400];
		snprintf(text, sizeof text, " {\"%s\" : %s}\n", leaves[i].column,
		        leaves[i].json);
		struct bad_record bad = decode(&f, slice_of(text));
		ck_assert_msg(bad.bad == leaves[i].bad, "%s: %s, %s", text, bad_reason[bad.bad],
		        bad.detail ? bad.detail : "");
		if (bad.bad != BAD_NONE) {
			ck_assert_msg(strstr(bad.detail, leaves[i].expect) != NULL, "%s: %s",
			        text, bad.detail);
			for (size_t c = 0; c < f.schema->nfields; c++)
				ck_assert(f.cols[c].null[0]);
		} else if (leaves[i].expect) {
			ck_assert_str_eq(shown(&f, leaves[i].column), leaves[i].expect);
			if (strcmp(leaves[i].column, "def") != 0)
				ck_assert_str_eq(shown(&f, "def"), "42");
		}
	}
	format_json.decoder_free(f.decoder);
}

START_TEST(one_leaf)
{
	check_leaves();
}
END_TEST

/* The same on a machine without vector instructions. */
START_TEST(one_leaf_fallback)
{
	setenv("SIMDJSON_FORCE_IMPLEMENTATION", "fallback", 1);
	check_leaves();
}
END_TEST

static const struct {
	const char *json;
	enum bad bad;
	const char *detail;
} records[] = {
        {"{\"id\":1,\"who\":\"a\",\"skip\":2,\"in\":{\"v\":1.5}}", BAD_NONE, NULL},
        {"{\"in\":{\"w\":null,\"v\":1.5},\"who\":\"a\",\"id\":1}", BAD_NONE, NULL},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1.5},\"x\":[{\"y\":[1,{}]},\"z\"],\"t\":true}",
                BAD_NONE, NULL},
        /* The column that is not wanted: its type, range and duplicates do not matter. */
        {"{\"id\":1,\"who\":\"a\",\"skip\":\"no\",\"skip\":1e999,\"in\":{\"v\":1.5}}", BAD_NONE,
                NULL},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1.5,\"v2\":{\"v\":\"\"}}}", BAD_NONE, NULL},
        {"{\"\\u0069d\":1,\"who\":\"a\",\"in\":{\"v\":1.5}}", BAD_NONE, NULL},
        {"{\"id\":1,\"who\":\"a\"}", BAD_MISSING, "in.v: is missing"},
        {"{\"id\":1,\"who\":\"a\",\"in\":null}", BAD_MISSING, "in: is null"},
        {"{\"id\":1,\"who\":null,\"in\":{\"v\":1}}", BAD_MISSING, "who: is null"},
        {"{}", BAD_MISSING, "id: is missing"},
        {"{\"id\":1,\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_DUPLICATE,
                "id: appears twice"},
        {"{\"id\":1,\"\\u0069d\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_DUPLICATE,
                "id: appears twice"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1},\"in\":{\"v\":1}}", BAD_DUPLICATE,
                "in: appears twice"},
        {"", BAD_EMPTY, "empty"},
        {"  \n", BAD_SYNTAX, "no JSON object"},
        {"null", BAD_SYNTAX, "not a JSON object"},
        {"[{}]", BAD_SYNTAX, "not a JSON object"},
        {"5", BAD_SYNTAX, "not a JSON object"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}} x", BAD_SYNTAX, "something follows"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}{}", BAD_SYNTAX, "something follows"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}}", BAD_SYNTAX, "something follows"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1},}", BAD_SYNTAX, "name"},
        {"{\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}", BAD_SYNTAX, ""},
        {"{\"id\" 1}", BAD_SYNTAX, "colon"},
        {"{\"id\":1 \"who\":\"a\"}", BAD_SYNTAX, ""},
        {"{id:1}", BAD_SYNTAX, "name"},
        {"\xef\xbb\xbf{\"id\":1}", BAD_SYNTAX, ""},
        /* Skipped parts are held to the grammar. */
        {"{\"zz\":NaN,\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, "NaN is not JSON"},
        {"{\"zz\":[1 2],\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":[1,],\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":{\"a\"},\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":{\"a\":1,},\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":[},\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":\"\\q\",\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":truee,\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"zz\":12\"a,b\",\"id\":1,\"who\":\"a\",\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
        {"{\"id\":1,\"who\":\"a\"x,\"in\":{\"v\":1}}", BAD_SYNTAX, ""},
};

START_TEST(whole_record)
{
	struct fixture f;
	open_decoder(&f, NEEDS, "skip");
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		struct bad_record bad = decode(&f, slice_of(records[i].json));
		ck_assert_msg(bad.bad == records[i].bad, "%s: %s %s", records[i].json,
		        bad_reason[bad.bad], bad.detail ? bad.detail : "");
		if (bad.bad)
			ck_assert_msg(strstr(bad.detail, records[i].detail) != NULL, "%s: %s",
			        records[i].json, bad.detail);
		else
			ck_assert_str_eq(shown(&f, "id"), "1");
		ck_assert_ptr_null(f.cols[2].data);
	}
	ck_assert_int_eq(decode(&f, (struct slice){NULL, 0}).bad, BAD_EMPTY);
	format_json.decoder_free(f.decoder);
}
END_TEST

START_TEST(sizes)
{
	struct fixture f;
	open_decoder(&f, NEEDS, NULL);
	char *text = malloc(VALUE_BYTES_MAX + 10);
	memset(text, ' ', VALUE_BYTES_MAX + 10);
	static const char good[] = "{\"id\":1,\"who\":\"a\",\"skip\":2,\"in\":{\"v\":1.5}}";
	memcpy(text + VALUE_BYTES_MAX - strlen(good), good, strlen(good));
	ck_assert_int_eq(
	        decode(&f, (struct slice){(uint8_t *)text, VALUE_BYTES_MAX}).bad, BAD_NONE);
	ck_assert_int_eq(decode(&f, (struct slice){(uint8_t *)text, VALUE_BYTES_MAX + 1}).bad,
	        BAD_TOO_LARGE);
	/* JSON_DEPTH_MAX brackets in a skipped value, with the record's own one: one too many.
	 */
	for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX; depth++) {
		struct buf b = {0};
		buf_str(&b, "{\"id\":1,\"who\":\"a\",\"skip\":2,\"in\":{\"v\":1.5},\"z\":");
		for (int i = 0; i < depth; i++)
			buf_str(&b, i % 2 ? "[" : "{\"k\":");
		buf_str(&b, "1");
		for (int i = depth - 1; i >= 0; i--)
			buf_byte(&b, i % 2 ? ']' : '}');
		buf_byte(&b, '}');
		ck_assert_int_eq(decode(&f, buf_view(&b)).bad,
		        depth < JSON_DEPTH_MAX ? BAD_NONE : BAD_SYNTAX);
		buf_release(&b);
	}
	memset(text, '[', VALUE_BYTES_MAX);
	memcpy(text, "{\"z\":", 5);
	ck_assert_int_eq(
	        decode(&f, (struct slice){(uint8_t *)text, VALUE_BYTES_MAX}).bad, BAD_SYNTAX);
	free(text);
	format_json.decoder_free(f.decoder);
}
END_TEST

/* No byte behind the value is read: it ends where a page ends, and the next is not ours. */
START_TEST(no_padding)
{
	struct fixture f;
	open_decoder(&f, NEEDS, "skip");
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(
	        NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(p != MAP_FAILED);
	ck_assert_int_eq(mprotect(p + page, page, PROT_NONE), 0);
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		size_t len = strlen(records[i].json);
		if (!len)
			continue;
		uint8_t *at = p + page - len;
		memcpy(at, records[i].json, len);
		struct slice text = {at, (uint32_t)len};
		enum bad whole = decode(&f, text).bad;
		ck_assert_int_eq(whole, records[i].bad);
		for (uint32_t cut = 1; cut < len; cut++) /* and every torn one */
			decode(&f, (struct slice){at + cut, (uint32_t)len - cut});
	}
	munmap(p, 2 * page);
	format_json.decoder_free(f.decoder);
}
END_TEST

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % n;
}

/* Damaged texts: we take as JSON what jansson takes. jansson refuses numbers beyond its types
 * and names with NUL, which are JSON; we refuse deep nesting. */
static bool documented(const json_error_t *e)
{
	return strstr(e->text, "too big integer") || strstr(e->text, "real number overflow") ||
	       strstr(e->text, "NUL byte in object key");
}

static void against_jansson(void)
{
	static const char pieces[] =
	        "{}[]:,\"\\ \n\t0123456789.-+eEtrufalsn\x01\x7f\xc3\xa9\xff";
	struct fixture f;
	open_decoder(&f,
	        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
	        "{\"name\":\"none\",\"type\":[\"null\",\"int\"]}]}",
	        NULL);
	int good = 0;
	for (int round = 0; round < 60000; round++) {
		char text[300];
		size_t which = random_below(sizeof records / sizeof *records);
		size_t len = strlen(records[which].json);
		memcpy(text, records[which].json, len);
		for (uint32_t k = random_below(3); k > 0 && len; k--) {
			size_t at = random_below((uint32_t)len);
			if (random_below(3)) {
				text[at] = pieces[random_below(sizeof pieces - 1)];
			} else {
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
			}
		}
		json_error_t e;
		json_t *j = json_loadb(text, len, JSON_ALLOW_NUL, &e);
		struct bad_record bad =
		        decode(&f, (struct slice){(uint8_t *)text, (uint32_t)len});
		bool want = json_is_object(j), got = bad.bad == BAD_NONE;
		if (want != got && !(got && documented(&e)))
			ck_abort_msg("%.*s: jansson %s, we %s (%s)", (int)len, text,
			        want ? "takes it" : e.text, got ? "take it" : "refuse it",
			        bad.detail ? bad.detail : "");
		good += got;
		json_decref(j);
	}
	ck_assert_int_gt(good, 5000);
	format_json.decoder_free(f.decoder);
}

START_TEST(grammar)
{
	against_jansson();
}
END_TEST

START_TEST(grammar_fallback)
{
	setenv("SIMDJSON_FORCE_IMPLEMENTATION", "fallback", 1);
	against_jansson();
}
END_TEST

/* Doubles agree with strtod to the last bit, whatever way they are written. */
START_TEST(doubles)
{
	struct fixture f;
	open_decoder(&f,
	        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"d\",\"type\":"
	        "\"double\"}]}",
	        NULL);
	for (int i = 0; i < 20000; i++) {
		char number[64], text[80];
		snprintf(number, sizeof number, "%s%u%09u.%0*ue%d", i & 1 ? "-" : "",
		        1 + random_below(1u << (1 + random_below(20))),
		        random_below(1000000000), 1 + (int)random_below(9), random_below(10),
		        (int)random_below(600) - 310);
		if (i % 3 == 0)
			*strchr(number, 'e') = 0;
		snprintf(text, sizeof text, "{\"d\":%s}", number);
		double want = strtod(number, NULL);
		enum bad bad = decode(&f, slice_of(text)).bad;
		ck_assert_int_eq(bad, want - want != 0 ? BAD_RANGE : BAD_NONE);
		if (bad == BAD_NONE)
			ck_assert_msg(memcmp(&want, f.cols[0].f64, 8) == 0, "%s", number);
	}
	format_json.decoder_free(f.decoder);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("json");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, one_leaf);
	tcase_add_test(c, one_leaf_fallback);
	tcase_add_test(c, whole_record);
	tcase_add_test(c, sizes);
	tcase_add_test(c, no_padding);
	tcase_add_test(c, grammar);
	tcase_add_test(c, grammar_fallback);
	tcase_add_test(c, doubles);
	Suite *s = suite_create("codecs_json");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
