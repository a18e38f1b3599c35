// SPDX-License-Identifier: Apache-2.0
//
// The format "avro": binary records. With a source of schemas each record must say its writer's
// schema, in a single-object frame (C3 01, fingerprint) or a registry frame (00, id); without
// one the reader's schema is the writer's, and a record is either bare or in a single-object
// frame with that schema's fingerprint. One program per writer's schema is kept.
#include "connectors/avro/decode.h"

#include <stdio.h>
#include <stdlib.h>

#include "connectors/avro/run.h"
#include "data/avro.h"

/* Programs kept; the oldest gives way. A topic rarely has more living schemas. */
#define AVRO_WRITERS_MAX 64

struct writer {
	bool by_id;
	uint64_t key; /* id or fingerprint */
	struct reading *program;
};

struct decoder {
	const struct schema *reader;
	bool *wanted;
	int *fields; /* the wanted ones */
	uint32_t nfields;
	bool has_source;
	struct schema_source source;
	uint32_t value_bytes_max;
	struct reading *own; /* the writer's schema is the reader's */
	struct writer writers[AVRO_WRITERS_MAX];
	uint32_t nwriters, last, victim;
	struct buf scratch;
};

static enum status avro_new(
        const struct decoder_conf *conf, struct decoder **out, struct error *e)
{
	(void)e;
	struct decoder *d = xcalloc(1, sizeof *d);
	size_t n = conf->schema->nfields;
	d->reader = conf->schema;
	d->value_bytes_max = conf->value_bytes_max;
	d->has_source = conf->schemas != NULL;
	if (conf->schemas)
		d->source = *conf->schemas;
	d->wanted = xcalloc(n, sizeof *d->wanted);
	d->fields = xcalloc(n, sizeof *d->fields);
	for (size_t i = 0; i < n; i++) {
		d->wanted[i] = conf->wanted[i];
		if (conf->wanted[i])
			d->fields[d->nfields++] = (int)i;
	}
	d->own = reading_new(d->reader, d->reader, d->wanted);
	*out = d;
	return ST_OK;
}

static void avro_free(struct decoder *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->nwriters; i++)
		reading_free(d->writers[i].program);
	reading_free(d->own);
	buf_release(&d->scratch);
	free(d->wanted);
	free(d->fields);
	free(d);
}

/* ---- writers ---- */

static const struct reading *writer_find(struct decoder *d, bool by_id, uint64_t key)
{
	struct writer *w = &d->writers[d->last];
	if (d->nwriters && w->key == key && w->by_id == by_id)
		return w->program;
	for (uint32_t i = 0; i < d->nwriters; i++) {
		w = &d->writers[i];
		if (w->key != key || w->by_id != by_id)
			continue;
		d->last = i;
		return w->program;
	}
	return NULL;
}

static const struct reading *writer_add(
        struct decoder *d, bool by_id, uint64_t key, const struct schema *schema)
{
	uint32_t at = d->nwriters;
	if (at == AVRO_WRITERS_MAX) {
		at = d->victim++ % AVRO_WRITERS_MAX;
		reading_free(d->writers[at].program);
	} else {
		d->nwriters++;
	}
	d->writers[at] = (struct writer){by_id, key, reading_new(schema, d->reader, d->wanted)};
	d->last = at;
	return d->writers[at].program;
}

/* *out stays NULL when the record is bad. */
static enum status writer_program(struct decoder *d, struct run *x, bool by_id, uint64_t key,
        const struct reading **out, struct error *e)
{
	*out = !by_id && key == d->reader->fingerprint ? d->own : writer_find(d, by_id, key);
	if (*out)
		return ST_OK;
	const struct schema *schema = NULL;
	struct error why = {0};
	enum status st = ST_END;
	if (by_id && d->source.by_id)
		st = d->source.by_id(d->source.arg, (uint32_t)key, &schema, &why);
	else if (!by_id && d->source.by_fingerprint)
		st = d->source.by_fingerprint(d->source.arg, key, &schema, &why);
	if (st == ST_ERR) {
		if (e)
			*e = why;
		return ST_ERR;
	}
	if (st == ST_OK) {
		*out = writer_add(d, by_id, key, schema);
		return ST_OK;
	}
	char name[40];
	snprintf(name, sizeof name, by_id ? "schema id %llu" : "schema fingerprint %016llx",
	        (unsigned long long)key);
	run_bad(x, BAD_UNKNOWN_SCHEMA, name, why.msg[0] ? why.msg : "no such schema");
	return ST_OK;
}

/* ---- frames ---- */

static bool is_single_object(struct slice v)
{
	return v.len >= AVRO_SINGLE_OBJECT_BYTES && v.p[0] == 0xc3 && v.p[1] == 0x01;
}

static uint64_t frame_fingerprint(struct slice v)
{
	uint64_t fp;
	memcpy(&fp, v.p + 2, sizeof fp);
	return fp;
}

static uint32_t frame_id(struct slice v)
{
	return (uint32_t)v.p[1] << 24 | (uint32_t)v.p[2] << 16 | (uint32_t)v.p[3] << 8 | v.p[4];
}

/* Without a registry a record may be bare: it then has the source's own schema. */
static bool may_be_bare(const struct decoder *d)
{
	return !d->has_source || !d->source.by_id;
}

/* The program for the record, and x->p behind its frame. */
static enum status frame(struct decoder *d, struct slice v, struct run *x,
        const struct reading **out, struct error *e)
{
	*out = NULL;
	if (is_single_object(v) &&
	        (d->has_source || frame_fingerprint(v) == d->reader->fingerprint)) {
		x->p += AVRO_SINGLE_OBJECT_BYTES;
		return writer_program(d, x, false, frame_fingerprint(v), out, e);
	}
	if (may_be_bare(d)) {
		*out = d->own;
		return ST_OK;
	}
	if (v.len >= AVRO_REGISTRY_BYTES && v.p[0] == 0) {
		x->p += AVRO_REGISTRY_BYTES;
		return writer_program(d, x, true, frame_id(v), out, e);
	}
	run_bad(x, BAD_SYNTAX, NULL, "neither a single-object nor a registry frame");
	return ST_OK;
}

/* A bare record that does not decode may be a framed one: say so. */
static void hint_frame(const struct decoder *d, struct slice v, struct run *x)
{
	if (!may_be_bare(d) || x->bad->bad != BAD_SYNTAX || x->p == v.p)
		return;
	if (!d->has_source && is_single_object(v) &&
	        frame_fingerprint(v) != d->reader->fingerprint) {
		x->bad->bad = BAD_UNKNOWN_SCHEMA;
		x->bad->detail = arena_printf(x->a,
		        "schema fingerprint %016llx: not the schema of this source",
		        (unsigned long long)frame_fingerprint(v));
	} else if (v.p[0] == 0) {
		x->bad->detail = arena_printf(x->a,
		        "%s (if it has a registry frame: no schema registry is configured)",
		        x->bad->detail);
	}
}

static enum status decode_one(struct decoder *d, struct slice v, struct run *x, struct error *e)
{
	const struct reading *g;
	if (!v.p || !v.len) {
		run_bad(x, BAD_EMPTY, NULL, "the value is empty");
		return ST_OK;
	}
	if (v.len > d->value_bytes_max) {
		run_bad(x, BAD_TOO_LARGE, NULL,
		        arena_printf(
		                x->a, "%u bytes, the limit is %u", v.len, d->value_bytes_max));
		return ST_OK;
	}
	if (frame(d, v, x, &g, e) != ST_OK)
		return ST_ERR;
	if (g && !reading_run(g, x))
		hint_frame(d, v, x);
	return ST_OK;
}

static enum status avro_decode(struct decoder *d, const struct slice *values, uint32_t n,
        struct column *cols, struct bad_record *bad, struct arena *a, struct error *e)
{
	for (uint32_t i = 0; i < d->nfields; i++)
		column_init(&cols[d->fields[i]], &d->reader->fields[d->fields[i]].type, n, a);
	for (uint32_t row = 0; row < n; row++) {
		struct slice v = values[row];
		struct run x = {.p = v.p,
		        .end = v.p + v.len,
		        .reader = d->reader,
		        .cols = cols,
		        .row = row,
		        .a = a,
		        .scratch = &d->scratch,
		        .bad = &bad[row]};
		bad[row] = (struct bad_record){BAD_NONE, NULL};
		if (decode_one(d, v, &x, e) != ST_OK)
			return ST_ERR;
		if (bad[row].bad == BAD_NONE)
			continue;
		for (uint32_t i = 0; i < d->nfields; i++)
			cols[d->fields[i]].null[row] = 1;
	}
	return ST_OK;
}

const struct format format_avro = {
        .name = "avro",
        .summary = "one Avro record, binary, in a single-object or registry frame",
        .decoder_new = avro_new,
        .decoder_free = avro_free,
        .decode = avro_decode,
};
