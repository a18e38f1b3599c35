// SPDX-License-Identifier: Apache-2.0
//
// The Avro format against Avro C's generic values on random schemas, resolution, framing,
// damage, and records that Debezium wrote.
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/avro/decode.h"
#include "connectors/avro/utf8.h"
#include "data/avro.h"

#define VALUE_BYTES_MAX (1 << 20)
#define FIELDS_MAX 512

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
	ck_assert_msg(schema_parse(&arena, slice_of(json), &s, &err) == ST_OK, "%s: %s", json,
	        err.msg);
	return s;
}

struct fixture {
	const struct schema *schema;
	struct decoder *decoder;
	struct column cols[FIELDS_MAX];
	struct bad_record bad;
};

static struct fixture *open_decoder(const struct schema *s, const struct schema_source *source)
{
	static bool wanted[FIELDS_MAX];
	struct fixture *f = arena_calloc(&arena, 1, sizeof *f);
	f->schema = s;
	ck_assert_uint_le(s->nfields, FIELDS_MAX);
	for (size_t i = 0; i < s->nfields; i++)
		wanted[i] = true;
	struct decoder_conf conf = {s, wanted, source, VALUE_BYTES_MAX};
	ck_assert_int_eq(format_avro.decoder_new(&conf, &f->decoder, &err), ST_OK);
	return f;
}

static enum bad decode(struct fixture *f, struct slice text)
{
	ck_assert_int_eq(
	        format_avro.decode(f->decoder, &text, 1, f->cols, &f->bad, &arena, &err),
	        ST_OK);
	ck_assert_int_eq(f->bad.bad == BAD_NONE, f->bad.detail == NULL);
	return f->bad.bad;
}

/* ---- resolution ---- */

/* A source of two writers: 1 is writer, everything else is unknown, 9 is out of reach. */
struct writers {
	struct schema_source source;
	const struct schema *writer;
	int calls;
};

static enum status by_id(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	struct writers *w = arg;
	w->calls++;
	if (id == 9)
		return error_set(e, ERR_RETRIABLE, 0, "registry is down");
	*out = w->writer;
	return id == 1 ? ST_OK : ST_END;
}

static enum status by_fingerprint(
        void *arg, uint64_t fp, const struct schema **out, struct error *e)
{
	struct writers *w = arg;
	(void)e;
	w->calls++;
	*out = w->writer;
	return fp == w->writer->fingerprint ? ST_OK : ST_END;
}

static struct writers *writers_of(const char *json)
{
	struct writers *w = arena_calloc(&arena, 1, sizeof *w);
	w->writer = parse(json);
	w->source = (struct schema_source){w, by_id, by_fingerprint};
	return w;
}

#define ONE(type)                                                                              \
	"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"x\",\"type\":" type "}]}"
#define LOGICAL(base, name) "{\"type\":\"" base "\",\"logicalType\":\"" name "\"}"
#define DECIMAL(p, s)                                                                          \
	"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" #p ",\"scale\":" #s "}"
#define ENUM(symbols) "{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[" symbols "]}"

static const struct {
	const char *writer, *reader;
	const char *bytes;
	uint32_t n;
	enum bad bad;
	const char *expect; /* JSON of column x, or a piece of the detail */
} resolutions[] = {
#define B(s) s, sizeof(s) - 1
        {ONE("\"int\""), ONE("\"long\""), B("\x03"), BAD_NONE, "-2"},
        {ONE("\"int\""), ONE("\"double\""), B("\x03"), BAD_NONE, "-2"},
        {ONE("\"long\""), ONE("\"float\""), B("\x82\x80\x80\x10"), BAD_NONE, "16777216"},
        {ONE("\"float\""), ONE("\"double\""), B("\0\0\0\x3f"), BAD_NONE, "0.5"},
        {ONE("\"double\""), ONE("\"float\""), B("\0\0\0\0\0\0\0\0"), BAD_TYPE,
                "x: the writer's double"},
        {ONE("\"long\""), ONE("\"int\""), B("\x02"), BAD_TYPE,
                "x: the writer's long cannot be read as int"},
        {ONE("\"string\""), ONE("\"int\""),
                B("\x02"
                  "5"),
                BAD_TYPE, "x: the writer's string"},
        {ONE("\"string\""), ONE("\"bytes\""),
                B("\x02"
                  "a"),
                BAD_NONE, "\"YQ==\""},
        {ONE("\"bytes\""), ONE("\"string\""),
                B("\x02"
                  "a"),
                BAD_NONE, "\"a\""},
        {ONE("\"bytes\""), ONE("\"string\""), B("\x02\xff"), BAD_TYPE, "x: is not UTF-8"},
        {ONE("[\"int\",\"null\"]"), ONE("[\"null\",\"long\"]"), B("\x02"), BAD_NONE, "null"},
        {ONE("[\"int\",\"null\"]"), ONE("[\"null\",\"long\"]"), B("\0\x08"), BAD_NONE, "4"},
        {ONE("[\"int\",\"null\"]"), ONE("\"int\""), B("\0\x08"), BAD_NONE, "4"},
        {ONE("[\"int\",\"null\"]"), ONE("\"int\""), B("\x02"), BAD_MISSING, "x: is null"},
        {ONE("\"int\""), ONE("[\"null\",\"int\"]"), B("\x08"), BAD_NONE, "4"},
        {ONE("[\"int\",\"null\"]"), ONE("\"int\""), B("\x04"), BAD_SYNTAX, "union"},
        {ONE(LOGICAL("long", "timestamp-micros")), ONE(LOGICAL("long", "timestamp-millis")),
                B("\x01"), BAD_NONE, "-1"},
        {ONE(LOGICAL("long", "timestamp-millis")), ONE(LOGICAL("long", "timestamp-micros")),
                B("\x04"), BAD_NONE, "2"},
        {ONE("\"long\""), ONE(LOGICAL("long", "timestamp-millis")), B("\x04"), BAD_NONE, "2"},
        {ONE(DECIMAL(4, 2)), ONE(DECIMAL(10, 2)), B("\x02\x80"), BAD_NONE, "-1.28"},
        {ONE(DECIMAL(10, 2)), ONE(DECIMAL(2, 2)), B("\x02\x7f"), BAD_RANGE,
                "x: has more digits"},
        {ONE(DECIMAL(10, 3)), ONE(DECIMAL(10, 2)), B("\x02\x7f"), BAD_TYPE,
                "x: the writer's decimal(10,3)"},
        {ONE(ENUM("\"A\",\"B\"")), ONE(ENUM("\"B\",\"C\"")), B("\x02"), BAD_NONE, "\"B\""},
        {ONE(ENUM("\"A\",\"B\"")), ONE(ENUM("\"B\",\"C\"")), B("\0"), BAD_RANGE, "x: a symbol"},
        {ONE(ENUM("\"A\",\"B\"")), ONE(ENUM("\"B\",\"C\"")), B("\x04"), BAD_SYNTAX, "enum"},
        {ONE("{\"type\":\"array\",\"items\":\"int\"}"),
                ONE("{\"type\":\"array\",\"items\":[\"null\",\"double\"]}"),
                B("\x03\x04\x02\x04\x02\x06\0"), BAD_NONE, "[1,2,3]"},
        {ONE("{\"type\":\"array\",\"items\":[\"int\",\"null\"]}"),
                ONE("{\"type\":\"array\",\"items\":\"int\"}"), B("\x02\x02\0"), BAD_MISSING,
                "x: holds a null"},
        {ONE("{\"type\":\"map\",\"values\":\"int\"}"),
                ONE("{\"type\":\"map\",\"values\":\"string\"}"), B("\0"), BAD_TYPE,
                "x: the writer's int cannot be read as string"},
        /* Other fields, other order, defaults. */
        {"{\"type\":\"record\",\"name\":\"w\",\"fields\":[{\"name\":\"a\",\"type\":\"string\"},"
         "{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"b\",\"type\":{\"type\":\"array\","
         "\"items\":\"long\"}}]}",
                ONE("\"int\""), B("\x04zz\x0a\x02\x02\0"), BAD_NONE, "5"},
        {ONE("\"int\""),
                "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"y\",\"type\":"
                "\"int\"},"
                "{\"name\":\"x\",\"type\":\"int\"}]}",
                B("\x02"), BAD_MISSING, "y: is missing"},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"y\",\"type\":\"int\"}]}",
                "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"x\",\"type\":"
                "\"int\",\"default\":7}]}",
                B("\x02"), BAD_NONE, "7"},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"y\",\"type\":\"int\"}]}",
                ONE("[\"null\",\"int\"]"), B("\x02"), BAD_NONE, "null"},
        {ONE("{\"type\":\"record\",\"name\":\"q\",\"fields\":[{\"name\":\"z\",\"type\":\"int\"}"
             "]}"),
                ONE("\"int\""), B("\x02"), BAD_TYPE, "x: the writer's record"},
};

START_TEST(resolution)
{
	for (size_t i = 0; i < sizeof resolutions / sizeof *resolutions; i++) {
		struct writers *w = writers_of(resolutions[i].writer);
		struct fixture *f = open_decoder(parse(resolutions[i].reader), &w->source);
		struct buf b = {0};
		avro_frame_registry(&b, 1);
		buf_add(&b, resolutions[i].bytes, resolutions[i].n);
		enum bad bad = decode(f, buf_view(&b));
		ck_assert_msg(bad == resolutions[i].bad, "%zu: %s %s", i, bad_reason[bad],
		        f->bad.detail ? f->bad.detail : "");
		if (bad == BAD_NONE) {
			int x = schema_find(f->schema, slice_of("x"));
			struct value v = column_get(&f->cols[x], 0);
			b.len = 0;
			value_json(&b, &f->schema->fields[x].type, &v);
			ck_assert_msg(strcmp(buf_cstr(&b), resolutions[i].expect) == 0,
			        "%zu: %s", i, buf_cstr(&b));
		} else {
			ck_assert_msg(strstr(f->bad.detail, resolutions[i].expect) != NULL,
			        "%zu: %s", i, f->bad.detail);
		}
		buf_release(&b);
		format_avro.decoder_free(f->decoder);
	}
}
END_TEST

/* Every shape of array element, between schemas that differ. */
START_TEST(resolved_records_in_arrays)
{
	struct writers *w = writers_of(ONE(
	        "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"q\",\"fields\":["
	        "{\"name\":\"gone\",\"type\":\"string\"},{\"name\":\"b\",\"type\":[\"null\","
	        "\"int\"]},"
	        "{\"name\":\"a\",\"type\":{\"type\":\"map\",\"values\":\"bytes\"}}]}}"));
	struct fixture *f = open_decoder(
	        parse(ONE("{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"q\","
	                  "\"fields\":["
	                  "{\"name\":\"a\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},"
	                  "{\"name\":\"fresh\",\"type\":\"int\",\"default\":-1},"
	                  "{\"name\":\"b\",\"type\":[\"long\",\"null\"]}]}}")),
	        &w->source);
	static const char in[] = "\0\0\0\0\x01"
	                         "\x04"
	                         "\x04hi\x02\x0e\x02\x02k\x02v\0"
	                         "\0\0\0"
	                         "\0";
	static const char out[] = "\x04"
	                          "\x02\x02k\x02v\0\x01\x02\x0e"
	                          "\0\x01\0"
	                          "\0";
	ck_assert_int_eq(
	        decode(f, (struct slice){(const uint8_t *)in, sizeof in - 1}), BAD_NONE);
	ck_assert_uint_eq(f->cols[0].bytes[0].len, sizeof out - 1);
	ck_assert_mem_eq(f->cols[0].bytes[0].p, out, sizeof out - 1);
	format_avro.decoder_free(f->decoder);
}
END_TEST

START_TEST(frames)
{
	struct writers *w = writers_of(ONE("\"int\""));
	const struct schema *reader = parse(ONE("\"long\""));
	struct fixture *f = open_decoder(reader, &w->source),
	               *bare = open_decoder(reader, NULL);
	struct buf b = {0};
	uint32_t len;
#define FRAMED(frame) (b.len = 0, frame, buf_varint(&b, 21), buf_view(&b))
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
		        decode(f, FRAMED(avro_frame_single_object(&b, w->writer->fingerprint))),
		        BAD_NONE);
		ck_assert_int_eq(f->cols[0].i64[0], 21);
		ck_assert_int_eq(decode(f, FRAMED(avro_frame_registry(&b, 1))), BAD_NONE);
		ck_assert_int_eq(f->cols[0].i64[0], 21);
	}
	ck_assert_int_eq(w->calls, 2); /* each way once */
	ck_assert_int_eq(
	        decode(f, FRAMED(avro_frame_single_object(&b, reader->fingerprint))), BAD_NONE);
	ck_assert_int_eq(w->calls, 2);
	ck_assert_int_eq(decode(f, FRAMED(avro_frame_registry(&b, 2))), BAD_UNKNOWN_SCHEMA);
	ck_assert_ptr_nonnull(strstr(f->bad.detail, "schema id 2"));
	ck_assert_int_eq(
	        decode(f, FRAMED(avro_frame_single_object(&b, 5))), BAD_UNKNOWN_SCHEMA);
	ck_assert_ptr_nonnull(strstr(f->bad.detail, "0000000000000005"));
	ck_assert_int_eq(decode(f, FRAMED((void)0)), BAD_SYNTAX);
	ck_assert_int_eq(decode(f, (struct slice){NULL, 0}), BAD_EMPTY);
	struct slice down = FRAMED(avro_frame_registry(&b, 9));
	ck_assert_int_eq(
	        format_avro.decode(f->decoder, &down, 1, f->cols, &f->bad, &arena, &err),
	        ST_ERR);
	ck_assert_int_eq(err.class, ERR_RETRIABLE);
	/* Torn frames. */
	struct slice whole = FRAMED(avro_frame_registry(&b, 1));
	for (len = 1; len < whole.len; len++)
		ck_assert_int_ne(decode(f, (struct slice){whole.p, len}), BAD_NONE);
	/* No source: bare, or framed with the reader's own fingerprint. */
	ck_assert_int_eq(decode(bare, FRAMED((void)0)), BAD_NONE);
	ck_assert_int_eq(
	        decode(bare, FRAMED(avro_frame_single_object(&b, reader->fingerprint))),
	        BAD_NONE);
	ck_assert_int_eq(bare->cols[0].i64[0], 21);
	ck_assert_int_eq(
	        decode(bare, FRAMED(avro_frame_single_object(&b, 5))), BAD_UNKNOWN_SCHEMA);
	ck_assert_int_eq(decode(bare, FRAMED(avro_frame_registry(&b, 1))), BAD_SYNTAX);
	ck_assert_ptr_nonnull(strstr(bare->bad.detail, "no schema registry is configured"));
	buf_release(&b);
	format_avro.decoder_free(f->decoder);
	format_avro.decoder_free(bare->decoder);
}
END_TEST

/* More writers than are kept: the oldest are compiled again, nothing breaks. */
static enum status any_id(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	(void)id, (void)e;
	struct writers *w = arg;
	w->calls++;
	*out = w->writer;
	return ST_OK;
}

START_TEST(many_writers)
{
	struct writers *w = writers_of(ONE("\"int\""));
	w->source.by_id = any_id;
	struct fixture *f = open_decoder(parse(ONE("\"int\"")), &w->source);
	struct buf b = {0};
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t id = 0; id < 200; id++) {
			ck_assert_int_eq(
			        decode(f, FRAMED(avro_frame_registry(&b, id))), BAD_NONE);
			ck_assert_int_eq(f->cols[0].i64[0], 21);
		}
	}
	ck_assert_int_eq(w->calls, 400);
	buf_release(&b);
	format_avro.decoder_free(f->decoder);
}
END_TEST

START_TEST(utf8)
{
	static const struct {
		const char *text;
		bool valid;
	} t[] = {{"", true}, {"plain ascii, longer than eight", true}, {"\xc3\xa9", true},
	        {"aaaaaaa\xe2\x82\xac", true}, {"\xf4\x8f\xbf\xbf", true},
	        {"\xf4\x90\x80\x80", false}, {"\xed\x9f\xbf", true}, {"\xed\xa0\x80", false},
	        {"\xc0\x80", false}, {"\xc1\xbf", false}, {"\xe0\x80\x80", false},
	        {"\xf0\x80\x80\x80", false}, {"\x80", false}, {"\xc3", false},
	        {"aaaaaaaaaaaaaaa\xe2\x82", false}, {"\xff", false}, {"\xc3(", false}};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		ck_assert_msg(utf8_valid(slice_of(t[i].text)) == t[i].valid, "case %zu", i);
}
END_TEST

/* ---- Debezium ---- */

static enum status captured(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	char key[16];
	snprintf(key, sizeof key, "%u", id);
	json_t *schema = json_object_get(arg, key);
	if (!schema)
		return ST_END;
	char *text = json_dumps(schema, JSON_COMPACT);
	struct schema *s;
	enum status st = schema_parse(&arena, slice_of(text), &s, e);
	ck_assert_msg(st == ST_OK, "%s", e->msg);
	free(text);
	*out = s;
	return ST_OK;
}

static struct slice unhex(const char *hex)
{
	size_t n = strlen(hex) / 2;
	uint8_t *p = arena_alloc(&arena, n);
	for (size_t i = 0; i < n; i++)
		sscanf(hex + 2 * i, "%2hhx", &p[i]);
	return (struct slice){p, (uint32_t)n};
}

/* "after.x" of the record as a string: JSON, but a decimal without its quotes. */
static const char *expected(json_t *record, const char *path)
{
	json_t *at = record;
	char *copy = arena_strdup(&arena, path), *save = NULL;
	for (char *part = strtok_r(copy, ".", &save); part && at;
	        part = strtok_r(NULL, ".", &save))
		at = json_object_get(at, part);
	if (!at)
		return "null";
	if (strcmp(path, "after.amount") == 0 && json_is_string(at))
		return json_string_value(at);
	char *text = json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *out = arena_strdup(&arena, text);
	free(text);
	return out;
}

static const char DEBEZIUM_READER[] =
        "{\"type\":\"record\",\"name\":\"change\",\"fields\":["
        "{\"name\":\"after\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"row\","
        "\"fields\":["
        "{\"name\":\"id\",\"type\":[\"null\",\"long\"],\"default\":null},"
        "{\"name\":\"customer\",\"type\":[\"null\",\"string\"],\"default\":null},"
        "{\"name\":\"amount\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":"
        "\"decimal\",\"precision\":10,\"scale\":2}],\"default\":null},"
        "{\"name\":\"qty\",\"type\":[\"null\",\"long\"],\"default\":null},"
        "{\"name\":\"ratio\",\"type\":[\"null\",\"double\"],\"default\":null},"
        "{\"name\":\"ok\",\"type\":[\"null\",\"boolean\"],\"default\":null},"
        "{\"name\":\"created\",\"type\":[\"null\",\"string\"],\"default\":null},"
        "{\"name\":\"local_ts\",\"type\":[\"null\",\"long\"],\"default\":null},"
        "{\"name\":\"d\",\"type\":[\"null\",{\"type\":\"int\",\"logicalType\":\"date\"}],"
        "\"default\":null},"
        "{\"name\":\"tags\",\"type\":[\"null\",{\"type\":\"array\",\"items\":[\"null\","
        "\"string\"]}],\"default\":null},"
        "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}]},"
        "{\"name\":\"op\",\"type\":\"string\"},"
        "{\"name\":\"ts_ms\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}"
        "]}";

START_TEST(debezium)
{
	json_error_t e;
	json_t *file =
	        json_load_file(WEIR_SOURCE_DIR "/tests/data/debezium-avro/records.json", 0, &e);
	ck_assert_msg(file != NULL, "%s", e.text);
	struct schema_source source = {json_object_get(file, "schemas"), captured, NULL};
	struct fixture *f = open_decoder(parse(DEBEZIUM_READER), &source);
	size_t i, compared = 0;
	json_t *record;
	json_array_foreach(json_object_get(file, "records"), i, record)
	{
		struct slice value = unhex(json_string_value(json_object_get(record, "value")));
		ck_assert_msg(decode(f, value) == BAD_NONE, "record %zu: %s", i, f->bad.detail);
		for (size_t c = 0; c < f->schema->nfields; c++) {
			const struct field *field = &f->schema->fields[c];
			struct value v = column_get(&f->cols[c], 0);
			struct buf b = {0};
			value_json(&b, &field->type, &v);
			ck_assert_msg(strcmp(buf_cstr(&b), expected(record, field->name)) == 0,
			        "record %zu %s: %s, expected %s", i, field->name, buf_cstr(&b),
			        expected(record, field->name));
			compared += !v.null;
			buf_release(&b);
		}
	}
	ck_assert_uint_gt(i, 10);
	ck_assert_uint_gt(compared, 90);
	json_decref(file);
	format_avro.decoder_free(f->decoder);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("avro");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, resolution);
	tcase_add_test(c, resolved_records_in_arrays);
	tcase_add_test(c, frames);
	tcase_add_test(c, many_writers);
	tcase_add_test(c, utf8);
	tcase_add_test(c, debezium);
	Suite *s = suite_create("codecs_avro");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
