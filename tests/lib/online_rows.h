/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a small view for the tests of online stores: a long, a nullable double and a nullable
 * string, so that a hash can lose fields.
 */
#ifndef WEIR_TESTS_LIB_ONLINE_ROWS_H
#define WEIR_TESTS_LIB_ONLINE_ROWS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/avro.h"
#include "run/online.h"

static const struct field rows_features[] = {
        {.name = "n", .type = {.kind = KIND_LONG}},
        {.name = "mean", .type = {.kind = KIND_DOUBLE}, .nullable = true},
        {.name = "last", .type = {.kind = KIND_STRING}, .nullable = true},
};

static inline struct online_view rows_view(const char *name, int64_t ttl_ms)
{
	return (struct online_view){.name = name,
	        .version = 1,
	        .features = rows_features,
	        .nfeatures = 3,
	        .ttl_ms = ttl_ms};
}

#define ROWS_MAX 1000
struct rows {
	struct online_row v[ROWS_MAX];
	struct buf text[ROWS_MAX]; /* entity, then features */
	uint32_t n;
};

static inline void rows_release(struct rows *r)
{
	for (uint32_t i = 0; i < ROWS_MAX; i++)
		buf_release(&r->text[i]);
	memset(r, 0, sizeof(*r));
}

/* last NULL: mean and last are null. */
static inline void rows_add(struct rows *r, uint32_t view, const char *entity, int64_t n,
        double mean, const char *last, int64_t known_at)
{
	struct buf *b = &r->text[r->n];
	struct online_row *row = &r->v[r->n++];
	struct value v[3] = {{.i64 = n}, {.null = !last, .f64 = mean}, {.null = !last}};
	if (last)
		v[2].bytes = slice_of(last);
	b->len = 0;
	buf_str(b, entity);
	size_t at = b->len;
	for (int i = 0; i < 3; i++)
		avro_write(b, &rows_features[i].type, rows_features[i].nullable, &v[i]);
	*row = (struct online_row){.view = view,
	        .entity = {b->p, (uint32_t)at},
	        .event_time = known_at - 5,
	        .known_at = known_at,
	        .features = {b->p + at, (uint32_t)(b->len - at)}};
}

/* Puts the rows at (epoch); offsets NULL: rows only. */
static inline enum status rows_put(const struct online_ops *ops, struct online *o,
        const char *task, int64_t epoch, const char *offsets, bool repair, const struct rows *r)
{
	struct online_epoch ep = {
	        .task = task, .repair = repair, .rows = r ? r->v : NULL, .nrows = r ? r->n : 0};
	online_version_format(ep.record.version, 1700000000000, epoch, 0);
	snprintf(ep.record.offsets, sizeof(ep.record.offsets), "%s", offsets ? offsets : "");
	return ops->put(o, &ep);
}

static inline int rows_field_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The row as "field=value field=value" in the order of the names, "" when there is none; "_v"
 * as the epoch's number. Valid until the next call. */
static inline const char *rows_get(
        const struct online_ops *ops, struct online *o, const char *view, const char *entity)
{
	static char text[4096];
	static struct buf out;
	struct error e = {0};
	char *fields[64];
	uint32_t n = 0;
	out.len = 0;
	text[0] = 0;
	if (ops->get(o, view, 1, slice_of(entity), &out, &e) != ST_OK)
		return e.msg[0] ? "error" : text;
	for (char *p = (char *)out.p, *end = p + out.len; p < end && n < 64; n++) {
		fields[n] = p;
		p += strlen(p);
		*p++ = '=';
		p += strlen(p) + 1;
	}
	qsort(fields, n, sizeof(*fields), rows_field_cmp);
	for (uint32_t i = 0; i < n; i++) {
		size_t at = strlen(text);
		if (strncmp(fields[i], "_v=", 3) == 0)
			snprintf(text + at, sizeof(text) - at, " _v=%.14s", fields[i] + 3 + 14);
		else
			snprintf(text + at, sizeof(text) - at, " %s", fields[i]);
	}
	return text[0] ? text + 1 : text;
}

/* The epoch of the task's record; -1: there is none, -2: an error. */
static inline int64_t rows_record(
        const struct online_ops *ops, struct online *o, const char *task, char *offsets)
{
	struct online_record rec;
	struct error e = {0};
	enum status st = ops->record_get(o, task, &rec, &e);
	if (st != ST_OK)
		return st == ST_END ? -1 : -2;
	if (offsets)
		strcpy(offsets, rec.offsets);
	rec.version[28] = 0;
	return strtoll(rec.version + 14, NULL, 10);
}

#endif
