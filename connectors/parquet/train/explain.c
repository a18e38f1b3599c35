// SPDX-License-Identifier: Apache-2.0
//
// The winner of one spine row, read again as text. One query for its row and no other.
#include "connectors/parquet/train/explain.h"

#include <inttypes.h>
#include <string.h>

/* The row's cell in column; NULL: null. */
static const char *cell(struct arena *a, duckdb_result *r, idx_t column)
{
	char *text = duckdb_value_varchar(r, column, 0);
	const char *out = text ? arena_strdup(a, text) : NULL;
	duckdb_free(text);
	return out;
}

static void row_query(const struct plan_view *v, const struct candidate *c, struct buf *b)
{
	buf_str(b, "SELECT ");
	for (uint32_t k = 0; k < v->nfeatures; k++) {
		buf_str(b, k ? "," : "");
		duck_name(b, v->features[k].name);
	}
	buf_str(b, " FROM read_parquet(");
	duck_text(b, v->files[c->file].path);
	buf_printf(b, ", hive_partitioning = false) WHERE file_row_number = %" PRId64, c->row);
}

static enum status values_take(struct pass *p, const struct plan_view *v,
        const struct candidate *c, struct train_origin *o, struct error *e)
{
	struct arena *a = &p->result->arena;
	struct buf b = {0};
	duckdb_result r = {0};
	row_query(v, c, &b);
	enum status st = duck_query(&p->readers[0], buf_cstr(&b), "reading the export", &r, e);
	const char **values = arena_calloc(a, v->nfeatures + 1, sizeof *values);
	for (uint32_t k = 0; st == ST_OK && k < v->nfeatures; k++) {
		const char *text = cell(a, &r, k);
		values[k] =
		        arena_printf(a, "%s = %s", v->features[k].name, text ? text : "null");
	}
	o->values = values;
	o->nvalues = v->nfeatures;
	duckdb_destroy_result(&r);
	buf_release(&b);
	return st;
}

static void origin_fill(const struct pass *p, const struct plan_view *v,
        const struct candidate *c, int64_t t, struct train_origin *o)
{
	int64_t age_us = t - c->event_us;
	o->has = true;
	o->event_time = c->event_us / 1000;
	o->known_at = c->known_us / 1000;
	o->age_ms = age_us / 1000;
	o->expiry = c->offset < 0;
	o->source_partition = c->partition;
	o->source_offset = c->offset;
	o->source = v->manifest.about.source
	                    ? arena_strdup(&p->result->arena, v->manifest.about.source)
	                    : NULL;
	o->topic = arena_strdup(&p->result->arena, v->manifest.topic);
	o->file = arena_strdup(&p->result->arena, v->files[c->file].path);
	o->state = v->ttl_ms && age_us > v->ttl_ms * 1000 ? "expired" : "found";
}

/* The spine's key columns as text, joined as everywhere. */
static const char *entity_text(const struct pass *p, uint32_t view, uint32_t pos)
{
	const struct pass_chunk *c = &p->chunks[p->chunk_of[pos]];
	const struct plan_view *v = &p->plan->views[view];
	struct buf b = {0};
	for (uint32_t k = 0; k < v->nentity; k++) {
		duckdb_vector at =
		        duckdb_data_chunk_get_vector(c->spine, p->spine->entity_at[view] + k);
		duckdb_logical_type type = duckdb_vector_get_column_type(at);
		const uint8_t *data = duckdb_vector_get_data(at);
		uint32_t width = pass_width(type), row = pos - c->first;
		int64_t n = 0;
		if (k)
			buf_byte(&b, ':');
		if (!width) {
			duckdb_string_t *s = (duckdb_string_t *)data + row;
			const char *text = duckdb_string_t_data(s);
			for (uint32_t i = 0; i < duckdb_string_t_length(*s); i++)
				if (strchr("%:|", text[i]) && text[i])
					buf_printf(&b, "%%%02X", (unsigned)text[i]);
				else
					buf_byte(&b, (uint8_t)text[i]);
		} else if (width <= 8) {
			memcpy(&n, data + (size_t)width * row, width);
			if (width == 4) /* the only narrow width that is signed in Avro */
				n = (int32_t)n;
			buf_int(&b, n);
		} else {
			buf_byte(&b, '?');
		}
		duckdb_destroy_logical_type(&type);
	}
	const char *out = arena_strdup(&p->result->arena, buf_cstr(&b));
	buf_release(&b);
	return out;
}

enum status explain_view(
        struct pass *p, uint32_t view, const struct train_index *x, struct error *e)
{
	struct train_result *r = p->result;
	const struct plan_view *v = &p->plan->views[view];
	int64_t pos = p->plan->conf->explain - (int64_t)p->first;
	if (p->plan->conf->explain < 0 || pos < 0 || pos >= p->rows)
		return ST_OK;
	if (!r->origins)
		r->origins = arena_calloc(&r->arena, p->plan->nviews, sizeof *r->origins);
	struct train_origin *o = &r->origins[r->norigins++];
	r->time_explained = p->t[pos];
	*o = (struct train_origin){.view = arena_strdup(&r->arena, v->name),
	        .version = v->version,
	        .state = "no entity"};
	if (x->ids[pos] == INDEX_NONE)
		return ST_OK;
	o->entity = entity_text(p, view, (uint32_t)pos);
	o->state = "none";
	uint32_t id = x->ids[pos], place = x->start[id];
	while (place < x->start[id + 1] && x->row[place] != (uint32_t)pos)
		place++;
	INVARIANT(place < x->start[id + 1]);
	const struct candidate *c = &x->best[place];
	if (c->row < 0)
		return ST_OK;
	origin_fill(p, v, c, p->t[pos], o);
	return values_take(p, v, c, o, e);
}
