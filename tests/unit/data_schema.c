// SPDX-License-Identifier: Apache-2.0
//
// schema_parse, fingerprints, defaults, schema_build.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "data/schema.h"

static struct arena arena;
static struct error err;

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

static struct schema *parse(const char *json)
{
	struct schema *s = NULL;
	enum status st = schema_parse(&arena, slice_of(json), &s, &err);
	ck_assert_msg(st == ST_OK, "%s: %s", json, err.msg);
	return s;
}

/* Values from the Avro project's share/test/data/schema-tests.txt and specification. */
START_TEST(fingerprints)
{
	static const struct {
		const char *text;
		int64_t fp;
	} t[] = {
	        {"\"null\"", 7195948357588979594},
	        {"\"boolean\"", -6970731678124411036},
	        {"\"int\"", 8247732601305521295},
	        {"\"string\"", -8142146995180207161},
	        {"{\"name\":\"foo\",\"type\":\"record\",\"fields\":[]}", -4824392279771201922},
	        {"{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f1\",\"type\":"
	         "\"boolean\"}]}",
	                7843277075252814651},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		ck_assert_int_eq((int64_t)schema_crc64(slice_of(t[i].text)), t[i].fp);
}
END_TEST

START_TEST(canonical_form)
{
	/* Two spellings of one schema have one fingerprint: that of the canonical text. */
	const struct schema *s = parse(
	        "{\"doc\":\"x\",\"fields\":["
	        "{\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"},\"name\":"
	        "\"t\"},"
	        "{\"name\":\"e\",\"type\":{\"symbols\":[\"A\",\"B\"],\"name\":\"E\",\"type\":"
	        "\"enum\"},"
	        "\"default\":\"A\"},"
	        "{\"name\":\"e2\",\"type\":[\"null\",\"E\"],\"default\":null},"
	        "{\"name\":\"f\",\"type\":{\"size\":4,\"type\":\"fixed\",\"name\":\"o.F\"}},"
	        "{\"name\":\"m\",\"type\":{\"values\":{\"items\":\"E\",\"type\":\"array\"},"
	        "\"type\":\"map\"}}],"
	        "\"aliases\":[\"r\"],\"namespace\":\"a.b\",\"name\":\"R\",\"type\":"
	        "\"record\"}");
	ck_assert_uint_eq(s->fingerprint,
	        schema_crc64(slice_of("{\"name\":\"a.b.R\",\"type\":\"record\",\"fields\":[{"
	                              "\"name\":\"t\",\"type\":\"long\"},"
	                              "{\"name\":\"e\",\"type\":{\"name\":\"a.b.E\",\"type\":"
	                              "\"enum\",\"symbols\":[\"A\",\"B\"]}},"
	                              "{\"name\":\"e2\",\"type\":[\"null\",\"a.b.E\"]},"
	                              "{\"name\":\"f\",\"type\":{\"name\":\"o.F\",\"type\":"
	                              "\"fixed\",\"size\":4}},"
	                              "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":{"
	                              "\"type\":\"array\",\"items\":\"a.b.E\"}}}]}")));
}
END_TEST

START_TEST(fields_flattened)
{
	const struct schema *s = parse(
	        "{\"type\":\"record\",\"name\":\"order\",\"namespace\":\"shop\",\"fields\":["
	        "{\"name\":\"id\",\"type\":\"long\",\"doc\":\"number\"},"
	        "{\"name\":\"bill\",\"type\":{\"type\":\"record\",\"name\":\"address\","
	        "\"fields\":["
	        "{\"name\":\"city\",\"type\":\"string\"},{\"name\":\"zip\",\"type\":[\"int\","
	        "\"null\"]}]}},"
	        "{\"name\":\"ship\",\"type\":[\"null\",\"address\"]},"
	        "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
	        "\"precision\":10,\"scale\":2}},"
	        "{\"name\":\"key\",\"type\":{\"type\":\"fixed\",\"name\":\"k\",\"size\":16}},"
	        "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":[\"null\","
	        "\"string\"]}},"
	        "{\"name\":\"more\",\"type\":{\"type\":\"map\",\"values\":\"shop.address\"}}]"
	        "}");
	static const struct {
		const char *name, *type;
		bool nullable;
	} t[] = {
	        {"id", "long", false},
	        {"bill.city", "string", false},
	        {"bill.zip", "int", true},
	        {"ship.city", "string", true},
	        {"ship.zip", "int", true},
	        {"price", "decimal(10,2)", false},
	        {"key", "bytes", false},
	        {"tags", "array<string>", false},
	        {"more", "map<record>", false},
	};
	ck_assert_str_eq(s->name, "shop.order");
	ck_assert_uint_eq(s->nfields, sizeof t / sizeof *t);
	for (size_t i = 0; i < s->nfields; i++) {
		char name[TYPE_NAME_MAX];
		ck_assert_str_eq(s->fields[i].name, t[i].name);
		ck_assert_str_eq(type_name(&s->fields[i].type, name), t[i].type);
		ck_assert_int_eq(s->fields[i].nullable, t[i].nullable);
		ck_assert_int_eq(schema_find(s, slice_of(t[i].name)), (int)i);
	}
	ck_assert_str_eq(s->fields[0].doc, "number");
	ck_assert(s->fields[7].type.element_nullable);
	ck_assert_int_eq(schema_find(s, slice_of("bill")), -1);
	ck_assert_int_eq(s->root->children[2].children[1].children[0].field, 3);
}
END_TEST

#define REC(fields) "{\"type\":\"record\",\"name\":\"r\",\"fields\":[" fields "]}"
#define FIELD(type) REC("{\"name\":\"x\",\"type\":" type "}")

START_TEST(refused)
{
	static const struct {
		const char *json, *message;
	} t[] = {
	        {"", "line 1"},
	        {"{\"type\":\"record\",", "line 1"},
	        {"\"int\"", "the top must be a record"},
	        {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\"]}",
	                "the top must be a record"},
	        {REC(""), "\"fields\""},
	        {FIELD("\"strin\""), "x: unknown type \"strin\""},
	        {FIELD("\"timestamp-millis\""),
	                "x: timestamp-millis is a logical type: write {\"type\": \"long\", "
	                "\"logicalType\": \"timestamp-millis\"}"},
	        {FIELD("{\"type\":\"date\"}"),
	                "x: date is a logical type: write {\"type\": \"int\", \"logicalType\": "
	                "\"date\"}"},
	        {FIELD("[\"null\",\"decimal\"]"),
	                "x: decimal is a logical type: write {\"type\": \"bytes\", \"logicalType\": "
	                "\"decimal\", \"precision\": 10, \"scale\": 2}"},
	        {"{\"user_id\":\"string\",\"n\":\"int\"}",
	                "a type needs \"type\"; columns are the fields of a record: {type: record, "
	                "name: NAME, fields: [{name: user_id, type: string}]}"},
	        {"{\"name\":\"r\",\"fields\":[]}", "a type needs \"type\""},
	        {FIELD("\"null\""), "x: null is a type only in a union"},
	        {FIELD("[\"int\",\"string\"]"), "x: the only unions supported"},
	        {FIELD("[\"null\",\"int\",\"string\"]"), "x: the only unions supported"},
	        {FIELD("[\"null\",\"null\"]"), "x: a union cannot hold"},
	        {FIELD("[\"null\",[\"null\",\"int\"]]"), "x: a union cannot hold"},
	        {FIELD("[\"null\",\"r\"]"), "x: recursive types are not supported"},
	        {FIELD("{\"type\":\"array\",\"items\":\"r\"}"), "x: recursive types"},
	        {FIELD("{\"type\":\"fixed\",\"name\":\"d\",\"size\":12,\"logicalType\":"
	               "\"duration\"}"),
	                "x: duration is not supported"},
	        {FIELD("{\"type\":\"int\",\"logicalType\":\"timestamp-millis\"}"),
	                "x: timestamp-millis must be on long"},
	        {FIELD("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":39}"),
	                "x: a decimal's precision"},
	        {FIELD("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":3,"
	               "\"scale\":4}"),
	                "x: a decimal's scale"},
	        {FIELD("{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"A\"]}"),
	                "appears twice"},
	        {FIELD("{\"type\":\"enum\",\"name\":\"int\",\"symbols\":[\"A\"]}"),
	                "primitive"},
	        {FIELD("{\"type\":\"fixed\",\"name\":\"f\",\"size\":0}"), "\"size\""},
	        {REC("{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"x\",\"type\":\"int\"}"),
	                "field x appears twice"},
	        {REC("{\"name\":\"x y\",\"type\":\"int\"}"), "\"name\""},
	        {REC("{\"name\":\"x\"}"), "x: the field has no \"type\""},
	        {REC("{\"name\":\"x\",\"type\":\"int\",\"default\":\"5\"}"),
	                "x: the default is not a value of type int"},
	        {REC("{\"name\":\"x\",\"type\":\"int\",\"default\":3000000000}"),
	                "x: the default"},
	        {FIELD("{\"type\":\"record\",\"name\":\"q\",\"fields\":[{\"name\":\"y\","
	               "\"type\":7}]}"),
	                "x.y: a type is a name"},
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct schema *s;
		ck_assert_msg(schema_parse(&arena, slice_of(t[i].json), &s, &err) == ST_ERR,
		        "%s", t[i].json);
		ck_assert_msg(
		        strstr(err.msg, t[i].message) != NULL, "%s: %s", t[i].json, err.msg);
		ck_assert_int_eq(err.class, ERR_USER);
	}
}
END_TEST

/* 2^n records from n definitions, and nesting: both end at a bound, quickly. */
START_TEST(bounds)
{
	struct buf b = {0};
	struct schema *s;
	buf_str(&b, "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
	            "{\"name\":\"a\",\"type\":{\"type\":\"record\",\"name\":\"r0\",\"fields\":["
	            "{\"name\":\"i\",\"type\":\"int\"}]}}");
	for (int i = 1; i < 30; i++)
		buf_printf(&b,
		        ",{\"name\":\"f%d\",\"type\":{\"type\":\"record\",\"name\":\"r%d\","
		        "\"fields\":["
		        "{\"name\":\"x\",\"type\":\"r%d\"},{\"name\":\"y\",\"type\":\"r%d\"}]}"
		        "}",
		        i, i, i - 1, i - 1);
	buf_str(&b, "]}");
	ck_assert_int_eq(schema_parse(&arena, buf_view(&b), &s, &err), ST_ERR);
	ck_assert_ptr_nonnull(strstr(err.msg, "more than"));
	b.len = 0;
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "{\"type\":\"array\",\"items\":");
	buf_str(&b, "\"int\"");
	for (int i = 0; i < 1000; i++)
		buf_byte(&b, '}');
	char *deep = malloc(b.len + 100);
	sprintf(deep, FIELD("%s"), buf_cstr(&b));
	ck_assert_int_eq(schema_parse(&arena, slice_of(deep), &s, &err), ST_ERR);
	ck_assert_ptr_nonnull(strstr(err.msg, "deep"));
	free(deep);
	buf_release(&b);
}
END_TEST

START_TEST(defaults)
{
	const struct schema *s = parse(
	        REC("{\"name\":\"i\",\"type\":\"int\",\"default\":-7},"
	            "{\"name\":\"n\",\"type\":[\"null\",\"string\"],\"default\":null},"
	            "{\"name\":\"s\",\"type\":[\"string\",\"null\"],\"default\":\"\\u00e9\"},"
	            "{\"name\":\"b\",\"type\":\"bytes\",\"default\":\"\\u0000\\u00ff\"},"
	            "{\"name\":\"d\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\","
	            "\"precision\":5,\"scale\":2},"
	            "\"default\":\"\\u00ff\"},"
	            "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"int\"},"
	            "\"default\":[1,2]},"
	            "{\"name\":\"q\",\"type\":{\"type\":\"record\",\"name\":\"q\",\"fields\":["
	            "{\"name\":\"y\",\"type\":\"double\",\"default\":1},"
	            "{\"name\":\"z\",\"type\":\"boolean\"}]},\"default\":{\"z\":true}},"
	            "{\"name\":\"must\",\"type\":\"int\"}"));
	struct value v[9] = {0};
	bool has[9] = {0};
	for (size_t i = 0; i < s->root->nchildren; i++)
		ck_assert_int_eq(
		        schema_default(&s->root->children[i], &arena, v, has, &err), ST_OK);
	ck_assert_int_eq(v[0].i64, -7);
	ck_assert(v[1].null);
	ck_assert(slice_eq(v[2].bytes, slice_of("\xc3\xa9")));
	ck_assert(slice_eq(v[3].bytes, (struct slice){(const uint8_t *)"\0\xff", 2}));
	ck_assert(v[4].i128 == -1);
	ck_assert(slice_eq(v[5].bytes, (struct slice){(const uint8_t *)"\x04\x02\x04\0", 4}));
	ck_assert_double_eq(v[6].f64, 1);
	ck_assert_int_eq(v[7].i64, 1);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(has[i], i != 8);
}
END_TEST

START_TEST(built)
{
	static const char *const symbols[] = {"A", "B", NULL};
	static const struct type element = {.kind = KIND_LONG};
	static const struct field f[] = {
	        {.name = "tailnum", .type = {.kind = KIND_STRING}},
	        {.name = "a.b",
	                .type = {.kind = KIND_DECIMAL, .precision = 9, .scale = 3},
	                .nullable = true},
	        {.name = "e", .type = {.kind = KIND_ENUM, .symbols = symbols}},
	        {.name = "e2",
	                .type = {.kind = KIND_ENUM, .symbols = symbols},
	                .nullable = true},
	        {.name = "l",
	                .type = {.kind = KIND_ARRAY,
	                        .element = &element,
	                        .element_nullable = true}},
	        {.name = "t", .type = {.kind = KIND_TIMESTAMP_MICROS}, .doc = "a \"time\""},
	        {.name = "d", .type = {.kind = KIND_DATE}},
	};
	const size_t n = sizeof f / sizeof *f;
	struct schema *s;
	ck_assert_msg(schema_build(&arena, "weir.v1", f, n, &s, &err) == ST_OK, "%s", err.msg);
	ck_assert_str_eq(s->name, "weir.v1");
	ck_assert_uint_eq(s->nfields, n);
	const struct schema *again = parse(s->json);
	ck_assert_uint_eq(again->fingerprint, s->fingerprint);
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(s->fields[i].name, f[i].name);
		ck_assert_int_eq(s->fields[i].nullable, f[i].nullable);
		ck_assert(type_equal(&s->fields[i].type, &f[i].type));
		ck_assert(type_equal(&again->fields[i].type, &f[i].type));
	}
	ck_assert_str_eq(again->fields[1].name, "a__b");
	ck_assert(s->root->children[1].has_default);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("schema");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, fingerprints);
	tcase_add_test(c, canonical_form);
	tcase_add_test(c, fields_flattened);
	tcase_add_test(c, refused);
	tcase_add_test(c, bounds);
	tcase_add_test(c, defaults);
	tcase_add_test(c, built);
	Suite *s = suite_create("data_schema");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
