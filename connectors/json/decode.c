// SPDX-License-Identifier: Apache-2.0
//
// The format "json": one JSON object per record, walked once. Wanted members go into columns,
// everything else is passed over but held to the grammar, so that a record is good or bad as a
// whole whatever columns a job uses; types, nulls and duplicate names are judged in the wanted
// columns only. The first fault found is the reason.
//
// Not done here: NaN (it is not JSON), the time column's meaning, lateness.
#include "connectors/json/decode.h"

#include "connectors/json/collect.h"
#include "connectors/json/plan.h"

struct rows {
	struct column *cols;
	uint32_t row;
};

static bool read_object(struct walk *w, const struct object *o, const struct rows *r);

static const uint8_t JSON_NULL[4] = "null";

int walk_null_word(struct walk *w)
{
	struct slice t = scan_token(&w->scan);
	if (t.len != sizeof JSON_NULL || memcmp(t.p, JSON_NULL, sizeof JSON_NULL) != 0) {
		scan_fail(&w->scan, "not a JSON value");
		walk_syntax(w);
		return -1;
	}
	w->scan.next++;
	return 1;
}

static bool missing(struct walk *w, const char *column, const char *why)
{
	w->column = column;
	return walk_bad(w, BAD_MISSING, (struct slice){0}, why);
}

static void set_null(const struct member *m, const struct rows *r)
{
	for (uint32_t i = 0; i < m->nabsent; i++)
		r->cols[m->absent[i].field].null[r->row] = 1;
}

/* Fills the columns of a member that the object lacks. */
static bool fill_absent(
        struct walk *w, const struct decoder *d, const struct member *m, const struct rows *r)
{
	for (uint32_t i = 0; i < m->nabsent; i++) {
		const struct absent *x = &m->absent[i];
		if (!x->has)
			return missing(w, d->schema->fields[x->field].name, "is missing");
		column_set(&r->cols[x->field], r->row, &x->value);
	}
	return true;
}

static bool read_leaf(struct walk *w, const struct member *m, const struct rows *r)
{
	struct value v;
	struct column *c = &r->cols[m->field];
	if (!leaf_read(w, &m->leaf, &v))
		return false;
	/* column_set without its null and its search for the form. */
	switch (m->leaf.form) {
	case FORM_I64:
		c->i64[r->row] = v.i64;
		break;
	case FORM_F64:
		c->f64[r->row] = v.f64;
		break;
	case FORM_I128:
		c->i128[r->row] = v.i128;
		break;
	case FORM_BYTES:
		c->bytes[r->row] = v.bytes;
		break;
	}
	return true;
}

static bool read_nested(struct walk *w, const struct member *m, const struct rows *r)
{
	if (scan_peek(&w->scan) != '{')
		return walk_wrong(w, "is not a record");
	return read_object(w, m->object, r);
}

static bool read_member(struct walk *w, struct member *m, const struct rows *r)
{
	w->column = m->column;
	if (m->seen == w->record)
		return walk_bad(w, BAD_DUPLICATE, (struct slice){0}, "appears twice");
	m->seen = w->record;
	int null = walk_null(w);
	if (null < 0)
		return false;
	if (null) {
		set_null(m, r);
		return m->nullable || missing(w, m->column, "is null");
	}
	if (!scan_peek(&w->scan))
		return scan_fail(&w->scan, "the text ends too early"), walk_syntax(w);
	if (m->kind == MEMBER_LEAF)
		return read_leaf(w, m, r);
	if (m->kind == MEMBER_OBJECT)
		return read_nested(w, m, r);
	struct value v = {0};
	if (!collect(w, m, &v.bytes))
		return false;
	column_set(&r->cols[m->field], r->row, &v);
	return true;
}

/* A name and its colon. */
bool walk_name(struct walk *w, struct slice *name)
{
	struct scan *s = &w->scan;
	if (scan_peek(s) != '"')
		return scan_fail(s, "a name was expected"), walk_syntax(w);
	if (!scan_string(s, w->a, name))
		return walk_syntax(w);
	if (scan_peek(s) != ':')
		return scan_fail(s, "a colon was expected"), walk_syntax(w);
	s->next++;
	return true;
}

int walk_more_fault(struct walk *w)
{
	scan_fail(&w->scan, "a comma or an end was expected");
	walk_syntax(w);
	return -1;
}

bool walk_open(struct walk *w)
{
	w->scan.next++;
	if (++w->scan.depth > JSON_DEPTH_MAX)
		return scan_fail(&w->scan, "nested too deeply"), walk_syntax(w);
	return true;
}

/* The usual case: the member that the schema names next, without blanks before the colon. */
static struct member *expected(struct scan *s, const struct object *o, uint32_t *hint)
{
	if (*hint >= o->nmembers || s->next + 1 >= s->ntokens)
		return NULL;
	struct member *m = &o->members[*hint];
	uint32_t at = s->at[s->next], colon = s->at[s->next + 1], len = m->name.len;
	uint64_t first;
	if (colon != at + len + 2 || at + 8 > s->at[s->ntokens] || s->p[colon] != ':')
		return NULL;
	memcpy(&first, s->p + at, 8);
	if ((first & m->quoted_mask) != m->quoted)
		return NULL;
	if (len > 6 &&
	        (s->p[at + len + 1] != '"' || memcmp(s->p + at + 8, m->name.p + 7, len - 7)))
		return NULL;
	s->next += 2;
	++*hint;
	return m;
}

/* A name, its colon and what it names; *m is NULL when the schema does not know it. */
static bool read_name(struct walk *w, const struct object *o, uint32_t *hint, struct member **m)
{
	struct slice name;
	*m = expected(&w->scan, o, hint);
	if (*m)
		return true;
	if (!walk_name(w, &name))
		return false;
	*m = object_find(o, name, hint);
	return true;
}

static bool read_members(
        struct walk *w, const struct object *o, const struct rows *r, uint32_t *found)
{
	uint32_t hint = 0;
	int more;
	do {
		struct member *m;
		w->column = NULL;
		if (!read_name(w, o, &hint, &m))
			return false;
		if (m && m->kind != MEMBER_SKIP) {
			++*found;
			if (!read_member(w, m, r))
				return false;
		} else if (!scan_skip(&w->scan)) {
			return walk_syntax(w);
		}
		w->column = NULL;
		more = walk_more(w, '}');
	} while (more > 0);
	return more == 0;
}

static bool read_object(struct walk *w, const struct object *o, const struct rows *r)
{
	uint32_t found = 0;
	if (!walk_open(w))
		return false;
	if (scan_peek(&w->scan) == '}')
		w->scan.next++;
	else if (!read_members(w, o, r, &found))
		return false;
	w->scan.depth--;
	if (found == o->nwanted)
		return true;
	for (uint32_t i = 0; i < o->nmembers; i++) {
		const struct member *m = &o->members[i];
		if (m->kind != MEMBER_SKIP && m->seen != w->record &&
		        !fill_absent(w, w->d, m, r))
			return false;
	}
	return true;
}

static bool read_record(struct walk *w, struct slice text, const struct rows *r)
{
	struct decoder *d = w->d;
	if (!text.p || !text.len)
		return walk_bad(w, BAD_EMPTY, (struct slice){0}, "the value is empty");
	if (text.len > d->value_bytes_max)
		return walk_bad(w, BAD_TOO_LARGE, (struct slice){0},
		        arena_printf(w->a, "%u bytes, the limit is %u", text.len,
		                d->value_bytes_max));
	if (!scan_init(&w->scan, &d->tokens, text))
		return walk_syntax(w);
	if (scan_peek(&w->scan) != '{')
		return scan_fail(&w->scan, "not a JSON object"), walk_syntax(w);
	if (!read_object(w, d->top, r))
		return false;
	w->column = NULL;
	if (w->scan.next != w->scan.ntokens)
		return scan_fail(&w->scan, "something follows the object"), walk_syntax(w);
	return true;
}

static enum status json_decode(struct decoder *d, const struct slice *values, uint32_t n,
        struct column *cols, struct bad_record *bad, struct arena *a, struct error *e)
{
	(void)e;
	for (uint32_t i = 0; i < d->nwanted; i++)
		column_init(&cols[d->wanted[i]], &d->schema->fields[d->wanted[i]].type, n, a);
	for (uint32_t row = 0; row < n; row++) {
		bad[row] = (struct bad_record){BAD_NONE, NULL};
		struct walk w = {.a = a, .d = d, .bad = &bad[row], .record = ++d->record};
		if (read_record(&w, values[row], &(struct rows){cols, row}))
			continue;
		for (uint32_t i = 0; i < d->nwanted; i++)
			cols[d->wanted[i]].null[row] = 1;
	}
	return ST_OK;
}

const struct format format_json = {
        .name = "json",
        .summary = "one JSON object per record",
        .decoder_new = json_plan_new,
        .decoder_free = json_plan_free,
        .decode = json_decode,
};
