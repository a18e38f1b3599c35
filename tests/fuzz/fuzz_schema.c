// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the schema parser, and the compilers of both decoders with what it accepts: a schema
// is one again when it is read from its own text, and resolves with itself.
#include <stdint.h>

#include "connectors/avro/decode.h"
#include "connectors/json/decode.h"
#include "connectors/avro/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compile(const struct format *f, const struct schema *s, const bool *wanted)
{
	static const char text[] = "{\"a\":[1,{}],\"b\":null}";
	struct decoder_conf conf = {s, wanted, NULL, 1000};
	struct decoder *d;
	struct error e;
	struct arena a = {0};
	struct bad_record bad;
	struct slice value = slice_of(text);
	struct column *cols = arena_calloc(&a, s->nfields, sizeof *cols);
	INVARIANT(f->decoder_new(&conf, &d, &e) == ST_OK);
	INVARIANT(f->decode(d, &value, 1, cols, &bad, &a, &e) == ST_OK);
	f->decoder_free(d);
	arena_release(&a);
}

static void accepted(const struct schema *s)
{
	struct arena a = {0};
	struct error e;
	struct schema *again, *built;
	INVARIANT(schema_parse(&a, slice_of(s->json), &again, &e) == ST_OK);
	INVARIANT(again->fingerprint == s->fingerprint && again->nfields == s->nfields);
	bool *wanted = arena_calloc(&a, s->nfields, sizeof *wanted);
	memset(wanted, 1, s->nfields);
	for (size_t i = 0; i < s->nfields; i++) {
		INVARIANT(type_equal(&s->fields[i].type, &again->fields[i].type));
		INVARIANT(schema_find(s, slice_of(s->fields[i].name)) == (int)i);
	}
	struct reading *g = reading_new(s, again, wanted);
	INVARIANT(!g->refused);
	reading_free(g);
	compile(&format_json, s, wanted);
	compile(&format_avro, s, wanted);
	if (schema_build(&a, "weir.row", s->fields, s->nfields, &built, &e) == ST_OK)
		for (size_t i = 0; i < s->nfields; i++)
			INVARIANT(type_equal(&built->fields[i].type, &s->fields[i].type));
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	struct error e;
	struct schema *s;
	if (size > SCHEMA_BYTES_MAX)
		return 0;
	if (memchr(data, 0, size))
		return 0; /* s->json is NUL-terminated text */
	if (schema_parse(&a, (struct slice){data, (uint32_t)size}, &s, &e) == ST_OK)
		accepted(s);
	else
		INVARIANT(e.class == ERR_USER && e.msg[0]);
	arena_release(&a);
	return 0;
}
