// SPDX-License-Identifier: Apache-2.0
//
// The Avro format against Avro C's generic values on random schemas, resolution, framing,
// damage, and records that Debezium wrote.
/* Two names that data/avro.h has too, and that this test does not use. */
#define avro_read avro_c_read
#define avro_write avro_c_write
#include <avro.h>
#undef avro_read
#undef avro_write
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/avro/decode.h"
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

static uint64_t random_state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % n;
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

/* every: 1 all columns, 2 every second one, 0 none. */
static struct fixture *open_decoder(const struct schema *s, int every)
{
	static bool wanted[FIELDS_MAX];
	struct fixture *f = arena_calloc(&arena, 1, sizeof *f);
	f->schema = s;
	ck_assert_uint_le(s->nfields, FIELDS_MAX);
	for (size_t i = 0; i < s->nfields; i++)
		wanted[i] = every && i % (size_t)every == 0;
	struct decoder_conf conf = {s, wanted, NULL, VALUE_BYTES_MAX};
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

/* ---- random schemas ---- */

static int names;

static void random_type(struct buf *b, int depth);

static void random_record(struct buf *b, int depth)
{
	buf_printf(b, "{\"type\":\"record\",\"name\":\"r%d\",\"fields\":[", names++);
	int n = 1 + (int)below(5);
	for (int i = 0; i < n; i++) {
		buf_printf(b, "%s{\"name\":\"f%d\",\"type\":", i ? "," : "", i);
		random_type(b, depth - 1);
		buf_str(b, "}");
	}
	buf_str(b, "]}");
}

static void random_plain(struct buf *b, int depth)
{
	static const char *const simple[] = {"\"boolean\"", "\"int\"", "\"long\"", "\"float\"",
	        "\"double\"", "\"bytes\"", "\"string\"",
	        "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}",
	        "{\"type\":\"int\",\"logicalType\":\"date\"}"};
	uint32_t kind = below(depth > 0 ? 14 : 11);
	if (kind < 9) {
		buf_str(b, simple[kind]);
	} else if (kind == 9) {
		buf_printf(b,
		        "{\"type\":\"enum\",\"name\":\"e%d\",\"symbols\":[\"A\",\"B\",\"C\"]}",
		        names++);
	} else if (kind == 10) {
		buf_printf(b, "{\"type\":\"fixed\",\"name\":\"x%d\",\"size\":%u}", names++,
		        1 + below(20));
	} else if (kind == 11) {
		random_record(b, depth);
	} else {
		buf_str(b, kind == 12 ? "{\"type\":\"array\",\"items\":"
		                      : "{\"type\":\"map\",\"values\":");
		random_type(b, depth - 1);
		buf_byte(b, '}');
	}
}

static void random_type(struct buf *b, int depth)
{
	uint32_t how = below(4);
	buf_str(b, how == 0 ? "[\"null\"," : how == 1 ? "[" : "");
	random_plain(b, depth);
	buf_str(b, how == 0 ? "]" : how == 1 ? ",\"null\"]" : "");
}

/* ---- random values ---- */

static void random_text(char *out, uint32_t room)
{
	static const char *const letters[] = {
	        "a", "Z", "0", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	out[0] = 0;
	for (uint32_t n = below(room / 5); n > 0; n--)
		strcat(out, letters[below(6)]);
}

static int64_t random_long(void)
{
	uint64_t v =
	        (uint64_t)below(1u << 31) << 33 ^ (uint64_t)below(1u << 31) << 2 ^ below(4);
	return (int64_t)v >> below(64);
}

static void random_value(avro_value_t *v);

static void random_children(avro_value_t *v, bool map)
{
	avro_value_t child;
	for (uint32_t i = 0, n = below(4); i < n; i++) {
		char key[40];
		snprintf(key, sizeof key, "%u-%u", i, below(100));
		if (map)
			avro_value_add(v, key, &child, NULL, NULL);
		else
			avro_value_append(v, &child, NULL);
		random_value(&child);
	}
}

static void random_fields(avro_value_t *v)
{
	size_t n;
	avro_value_t child;
	avro_value_get_size(v, &n);
	for (size_t i = 0; i < n; i++) {
		avro_value_get_by_index(v, i, &child, NULL);
		random_value(&child);
	}
}

static void random_value(avro_value_t *v)
{
	char text[100], raw[32];
	avro_value_t branch;
	for (size_t i = 0; i < sizeof raw; i++)
		raw[i] = (char)below(256);
	switch (avro_value_get_type(v)) {
	case AVRO_BOOLEAN:
		avro_value_set_boolean(v, (int)below(2));
		break;
	case AVRO_INT32:
		avro_value_set_int(v, (int32_t)random_long());
		break;
	case AVRO_INT64:
		avro_value_set_long(v, random_long());
		break;
	case AVRO_FLOAT:
		avro_value_set_float(v, (float)random_long() / 7);
		break;
	case AVRO_DOUBLE:
		avro_value_set_double(v, (double)random_long() / 7);
		break;
	case AVRO_BYTES:
		avro_value_set_bytes(v, raw, below(sizeof raw));
		break;
	case AVRO_STRING:
		random_text(text, sizeof text);
		avro_value_set_string(v, text);
		break;
	case AVRO_ENUM:
		avro_value_set_enum(v, (int)below(3));
		break;
	case AVRO_FIXED: {
		avro_schema_t s = avro_value_get_schema(v);
		avro_value_set_fixed(v, raw, (size_t)avro_schema_fixed_size(s));
		break;
	}
	case AVRO_NULL:
		avro_value_set_null(v);
		break;
	case AVRO_UNION:
		avro_value_set_branch(v, (int)below(2), &branch);
		random_value(&branch);
		break;
	case AVRO_RECORD:
		random_fields(v);
		break;
	default:
		random_children(v, avro_value_get_type(v) == AVRO_MAP);
	}
}

/* ---- what Avro C holds, in the layout of our columns ---- */

static void lay_out(struct buf *b, avro_value_t *v, const struct schema_node *n)
{
	avro_value_t child;
	const char *text;
	const void *raw;
	size_t size;
	int number;
	int64_t wide;
	float f;
	double d;
	switch (avro_value_get_type(v)) {
	case AVRO_UNION:
		avro_value_get_current_branch(v, &child);
		buf_varint(b, avro_value_get_type(&child) != AVRO_NULL);
		if (avro_value_get_type(&child) != AVRO_NULL)
			lay_out(b, &child, &n->children[!n->null_branch]);
		break;
	case AVRO_RECORD:
		for (size_t i = 0; i < n->nchildren; i++) {
			avro_value_get_by_index(v, i, &child, NULL);
			lay_out(b, &child, &n->children[i]);
		}
		break;
	case AVRO_ARRAY:
	case AVRO_MAP:
		avro_value_get_size(v, &size);
		if (size)
			buf_varint(b, (int64_t)size);
		for (size_t i = 0; i < size; i++) {
			avro_value_get_by_index(v, i, &child, &text);
			if (n->kind == NODE_MAP)
				buf_bytes(b, slice_of(text));
			lay_out(b, &child, &n->children[0]);
		}
		buf_varint(b, 0);
		break;
	case AVRO_BOOLEAN:
		avro_value_get_boolean(v, &number);
		buf_byte(b, (uint8_t)number);
		break;
	case AVRO_INT32:
		avro_value_get_int(v, &number);
		buf_varint(b, number);
		break;
	case AVRO_INT64:
		avro_value_get_long(v, &wide);
		buf_varint(b, wide);
		break;
	case AVRO_FLOAT:
		avro_value_get_float(v, &f);
		buf_add(b, &f, 4);
		break;
	case AVRO_DOUBLE:
		avro_value_get_double(v, &d);
		buf_double(b, d);
		break;
	case AVRO_ENUM:
		avro_value_get_enum(v, &number);
		buf_varint(b, number);
		break;
	case AVRO_STRING:
		avro_value_get_string(v, &text, &size);
		buf_bytes(b, slice_of(text));
		break;
	case AVRO_FIXED:
		avro_value_get_fixed(v, &raw, &size);
		buf_bytes(b, (struct slice){raw, (uint32_t)size});
		break;
	default:
		avro_value_get_bytes(v, &raw, &size);
		buf_bytes(b, (struct slice){raw, (uint32_t)size});
	}
}

static void check_column(
        struct fixture *f, int field, avro_value_t *v, const struct schema_node *n)
{
	struct buf ours = {0}, theirs = {0};
	if (!f->cols[field].data)
		return;
	struct value value = column_get(&f->cols[field], 0);
	ck_assert_int_eq(value.null, v == NULL);
	if (v) {
		lay_out(&theirs, v, n);
		avro_write(&ours, &f->schema->fields[field].type, false, &value);
		ck_assert_uint_eq(ours.len, theirs.len);
		if (ours.len)
			ck_assert_mem_eq(ours.p, theirs.p, ours.len);
	}
	buf_release(&ours);
	buf_release(&theirs);
}

/* v NULL: at or above n is a null. */
static void check_node(struct fixture *f, avro_value_t *v, const struct schema_node *n)
{
	avro_value_t child;
	if (n->kind == NODE_UNION) {
		if (v)
			avro_value_get_current_branch(v, &child);
		bool null = !v || avro_value_get_type(&child) == AVRO_NULL;
		check_node(f, null ? NULL : &child, &n->children[!n->null_branch]);
	} else if (n->kind == NODE_RECORD) {
		for (size_t i = 0; i < n->nchildren; i++) {
			if (v)
				avro_value_get_by_index(v, i, &child, NULL);
			check_node(f, v ? &child : NULL, &n->children[i]);
		}
	} else {
		check_column(f, n->field, v, n);
	}
}

/* A record cut or grown by a byte is bad; a flipped one is judged the same whatever is wanted,
 * but for the content of columns. */
static void damage(struct fixture *all, struct fixture *none, struct slice good)
{
	uint8_t *p = arena_alloc(&arena, good.len + 1);
	memcpy(p, good.p, good.len);
	p[good.len] = 0;
	ck_assert_int_eq(decode(all, (struct slice){p, good.len + 1}), BAD_SYNTAX);
	for (uint32_t cut = 1; cut < good.len; cut++)
		ck_assert_int_ne(decode(none, (struct slice){p, cut}), BAD_NONE);
	for (int i = 0; i < 20; i++) {
		uint32_t at = below(good.len);
		uint8_t was = p[at];
		p[at] = (uint8_t)below(256);
		struct slice s = {p, good.len};
		enum bad full = decode(all, s), bare = decode(none, s);
		if (bare != BAD_NONE)
			ck_assert_int_ne(full, BAD_NONE);
		else
			ck_assert(full == BAD_NONE || full == BAD_TYPE || full == BAD_RANGE);
		p[at] = was;
	}
}

static void one_schema(const char *json)
{
	const struct schema *s = parse(json);
	avro_schema_t theirs;
	ck_assert_int_eq(avro_schema_from_json_length(json, strlen(json), &theirs), 0);
	avro_value_iface_t *iface = avro_generic_class_from_schema(theirs);
	struct fixture *all = open_decoder(s, 1), *some = open_decoder(s, 2),
	               *none = open_decoder(s, 0);
	for (int i = 0; i < 20; i++) {
		avro_value_t v;
		avro_generic_value_new(iface, &v);
		random_value(&v);
		size_t size;
		avro_value_sizeof(&v, &size);
		char *bytes = arena_alloc(&arena, size);
		avro_writer_t w = avro_writer_memory(bytes, (int64_t)size);
		ck_assert_int_eq(avro_value_write(w, &v), 0);
		struct slice text = {(uint8_t *)bytes, (uint32_t)size};
		ck_assert_msg(decode(all, text) == BAD_NONE, "%s: %s", json, all->bad.detail);
		check_node(all, &v, s->root);
		ck_assert_int_eq(decode(some, text), BAD_NONE);
		check_node(some, &v, s->root);
		ck_assert_int_eq(decode(none, text), BAD_NONE);
		if (i < 3)
			damage(all, none, text);
		avro_writer_free(w);
		avro_value_decref(&v);
	}
	format_avro.decoder_free(all->decoder);
	format_avro.decoder_free(some->decoder);
	format_avro.decoder_free(none->decoder);
	avro_value_iface_decref(iface);
	avro_schema_decref(theirs);
}

START_TEST(against_avro_c)
{
	for (int i = 0; i < 300; i++) {
		struct buf b = {0};
		random_record(&b, 3);
		one_schema(buf_cstr(&b));
		buf_release(&b);
		arena_reset(&arena);
	}
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("avro_oracle");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, against_avro_c);
	Suite *s = suite_create("codecs_avro_oracle");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
