// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the Avro decoder: the first byte chooses what is read, the rest is a record. With no
// column wanted a record must be bad whenever it is bad in its layout, so a good record with
// all columns is a good one without; what is decoded can be shown as text.
#include <stdint.h>

#include "connectors/avro/decode.h"
#include "data/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS_MAX 16
#define VALUE_BYTES_MAX (1 << 20)

static const char writer_text[] =
        "{\"type\":\"record\",\"name\":\"w\",\"fields\":["
        "{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"l\",\"type\":[\"long\",\"null\"]},"
        "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"s\",\"type\":[\"null\",\"string\"]},"
        "{\"name\":\"y\",\"type\":\"bytes\"},{\"name\":\"x\",\"type\":{\"type\":\"fixed\","
        "\"name\":\"x\",\"size\":3}},"
        "{\"name\":\"b\",\"type\":\"boolean\"},"
        "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"c\",\"symbols\":[\"A\",\"B\"]}}"
        ","
        "{\"name\":\"n\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\","
        "\"precision\":9,\"scale\":2}]},"
        "{\"name\":\"o\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"o\",\"fields\":["
        "{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"z\",\"type\":[\"int\",\"null\"]}]}]},"
        "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"int\"]}},"
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":{"
        "\"type\":\"record\",\"name\":\"q\",\"fields\":[{\"name\":\"p\",\"type\":\"int\"},"
        "{\"name\":\"q\",\"type\":\"string\"}]}}}}]}";

/* Another order, promotions, a field less and one more. */
static const char reader_text[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":{"
        "\"type\":\"record\",\"name\":\"q\",\"fields\":[{\"name\":\"q\",\"type\":\"bytes\"},"
        "{\"name\":\"new\",\"type\":\"long\",\"default\":5},{\"name\":\"p\",\"type\":[\"null\","
        "\"double\"]}]}}}},"
        "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":[\"long\",\"null\"]}},"
        "{\"name\":\"o\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"o\",\"fields\":["
        "{\"name\":\"z\",\"type\":\"long\"},{\"name\":\"d\",\"type\":\"double\"}]}]},"
        "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"c\",\"symbols\":[\"B\",\"C\"]}}"
        ","
        "{\"name\":\"i\",\"type\":\"double\"},{\"name\":\"l\",\"type\":[\"null\",\"double\"]},"
        "{\"name\":\"n\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\","
        "\"precision\":5,\"scale\":2}]},"
        "{\"name\":\"y\",\"type\":\"string\"},{\"name\":\"u\",\"type\":[\"null\",\"int\"]}]}";

static struct schema *writer, *reader;
static struct decoder *bare_all, *bare_none, *framed_all, *framed_none;

static enum status by_id(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	(void)arg, (void)e;
	*out = id % 2 ? writer : reader;
	return id < 4 ? ST_OK : ST_END;
}

static struct decoder *open_decoder(
        const struct schema *s, const struct schema_source *source, bool wanted)
{
	static bool flags[2][FIELDS_MAX];
	struct error e;
	struct decoder *d;
	memset(flags[1], 1, sizeof flags[1]);
	struct decoder_conf conf = {s, flags[wanted], source, VALUE_BYTES_MAX};
	INVARIANT(s->nfields <= FIELDS_MAX);
	INVARIANT(format_avro.decoder_new(&conf, &d, &e) == ST_OK);
	return d;
}

static void prepare(void)
{
	static struct arena a;
	static const struct schema_source source = {.by_id = by_id};
	struct error e;
	INVARIANT(schema_parse(&a, slice_of(writer_text), &writer, &e) == ST_OK);
	INVARIANT(schema_parse(&a, slice_of(reader_text), &reader, &e) == ST_OK);
	bare_all = open_decoder(writer, NULL, true);
	bare_none = open_decoder(writer, NULL, false);
	framed_all = open_decoder(reader, &source, true);
	framed_none = open_decoder(reader, &source, false);
}

static void show(const struct schema *s, const struct column *cols)
{
	struct buf b = {0};
	for (size_t i = 0; i < s->nfields; i++) {
		struct value v = column_get(&cols[i], 0);
		value_text(&b, &s->fields[i].type, &v);
		value_json(&b, &s->fields[i].type, &v);
	}
	buf_release(&b);
}

static void one(
        const struct schema *s, struct decoder *all, struct decoder *none, struct slice text)
{
	static struct arena a;
	struct column cols[FIELDS_MAX] = {0};
	struct bad_record full, bare;
	struct error e;
	INVARIANT(format_avro.decode(none, &text, 1, cols, &bare, &a, &e) == ST_OK);
	INVARIANT(format_avro.decode(all, &text, 1, cols, &full, &a, &e) == ST_OK);
	INVARIANT(full.bad != BAD_NONE || bare.bad == BAD_NONE);
	INVARIANT(full.bad == BAD_NONE || full.detail);
	show(s, cols);
	arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!writer)
		prepare();
	if (size < 2 || size > VALUE_BYTES_MAX)
		return 0;
	struct slice rest = {data + 1, (uint32_t)size - 1};
	if (data[0] & 1) {
		one(writer, bare_all, bare_none, rest);
		return 0;
	}
	struct buf b = {0};
	avro_frame_registry(&b, data[0] / 2);
	buf_slice(&b, rest);
	one(reader, framed_all, framed_none, buf_view(&b));
	buf_release(&b);
	return 0;
}
