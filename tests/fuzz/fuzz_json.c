// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the JSON decoder. With no column wanted it takes exactly the objects that jansson
// takes, but for the differences named below; with all columns wanted it takes no more than
// that.
#include <jansson.h>
#include <stdint.h>

#include "connectors/json/decode.h"
#include "connectors/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
        "{\"name\":\"i\",\"type\":[\"null\",\"int\"]},{\"name\":\"l\",\"type\":[\"null\","
        "\"long\"]},"
        "{\"name\":\"f\",\"type\":[\"null\",\"float\"]},{\"name\":\"d\",\"type\":[\"null\","
        "\"double\"]},"
        "{\"name\":\"b\",\"type\":[\"null\",\"boolean\"]},{\"name\":\"s\",\"type\":[\"null\","
        "\"string\"]},"
        "{\"name\":\"y\",\"type\":[\"null\",\"bytes\"]},"
        "{\"name\":\"e\",\"type\":[\"null\",{\"type\":\"enum\",\"name\":\"c\",\"symbols\":["
        "\"A\",\"B\"]}]},"
        "{\"name\":\"n\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\","
        "\"precision\":38,\"scale\":2}]},"
        "{\"name\":\"tm\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}]},"
        "{\"name\":\"dt\",\"type\":[\"null\",{\"type\":\"int\",\"logicalType\":\"date\"}]},"
        "{\"name\":\"ti\",\"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"time-"
        "micros\"}]},"
        "{\"name\":\"a\",\"type\":[\"null\",{\"type\":\"array\",\"items\":[\"null\",\"int\"]}]}"
        ","
        "{\"name\":\"m\",\"type\":[\"null\",{\"type\":\"map\",\"values\":{\"type\":\"array\","
        "\"items\":{"
        "\"type\":\"record\",\"name\":\"q\",\"fields\":[{\"name\":\"p\",\"type\":\"int\"},"
        "{\"name\":\"q\",\"type\":\"string\",\"default\":\"z\"}]}}}]},"
        "{\"name\":\"o\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"o\",\"fields\":["
        "{\"name\":\"x\",\"type\":\"double\"},{\"name\":\"long_name_y\",\"type\":[\"null\","
        "\"int\"]}]}]}]}";

#define FIELDS 16
#define VALUE_BYTES_MAX (1 << 20)

static struct decoder *all, *none;

static void prepare(void)
{
	static struct arena a;
	static bool yes[FIELDS], no[FIELDS];
	struct schema *s;
	struct error e;
	INVARIANT(schema_parse(&a, slice_of(schema_text), &s, &e) == ST_OK);
	INVARIANT(s->nfields == FIELDS);
	memset(yes, 1, sizeof yes);
	struct decoder_conf conf = {s, yes, NULL, VALUE_BYTES_MAX};
	INVARIANT(format_json.decoder_new(&conf, &all, &e) == ST_OK);
	conf.wanted = no;
	INVARIANT(format_json.decoder_new(&conf, &none, &e) == ST_OK);
}

/* jansson refuses numbers beyond its own types and names with a NUL; we refuse deep nesting. */
static bool documented(const json_error_t *theirs, const struct bad_record *ours)
{
	return strstr(theirs->text, "too big") || strstr(theirs->text, "overflow") ||
	       strstr(theirs->text, "NUL byte in object key") ||
	       (ours->bad && strstr(ours->detail, "too deeply"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena a;
	static struct column cols[FIELDS];
	struct bad_record bare, full;
	struct error e;
	json_error_t theirs;
	if (!all)
		prepare();
	if (!size || size > VALUE_BYTES_MAX)
		return 0;
	struct slice text = {data, (uint32_t)size};
	format_json.decode(none, &text, 1, cols, &bare, &a, &e);
	format_json.decode(all, &text, 1, cols, &full, &a, &e);
	json_t *j = json_loadb((const char *)data, size, JSON_ALLOW_NUL, &theirs);
	/* jansson passes over a raw NUL behind a value. */
	INVARIANT((bare.bad == BAD_NONE) == json_is_object(j) || documented(&theirs, &bare) ||
	          (bare.bad != BAD_NONE && memchr(data, 0, size)));
	INVARIANT(bare.bad == BAD_NONE || full.bad != BAD_NONE);
	INVARIANT(full.bad == BAD_NONE || full.detail);
	json_decref(j);
	arena_reset(&a);
	return 0;
}
