// SPDX-License-Identifier: Apache-2.0
//
// The sample keeps every stride-th row; when it is full, every second of it goes and the stride
// doubles, so it depends on the rows alone. Not here: what was known after T (gather.c counts).
#include "connectors/parquet/train/leak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_number(duckdb_logical_type type)
{
	duckdb_type id = duckdb_get_type_id(type);
	return id >= DUCKDB_TYPE_BOOLEAN && id <= DUCKDB_TYPE_DOUBLE;
}

static double number_at(duckdb_vector v, idx_t i)
{
	uint64_t *valid = duckdb_vector_get_validity(v);
	const void *p = duckdb_vector_get_data(v);
	if (valid && !duckdb_validity_row_is_valid(valid, i))
		return NAN;
	duckdb_logical_type type = duckdb_vector_get_column_type(v);
	duckdb_type id = duckdb_get_type_id(type);
	duckdb_destroy_logical_type(&type);
	switch (id) {
	case DUCKDB_TYPE_BOOLEAN:
		return ((const bool *)p)[i];
	case DUCKDB_TYPE_TINYINT:
		return ((const int8_t *)p)[i];
	case DUCKDB_TYPE_SMALLINT:
		return ((const int16_t *)p)[i];
	case DUCKDB_TYPE_INTEGER:
		return ((const int32_t *)p)[i];
	case DUCKDB_TYPE_BIGINT:
		return (double)((const int64_t *)p)[i];
	case DUCKDB_TYPE_UTINYINT:
		return ((const uint8_t *)p)[i];
	case DUCKDB_TYPE_USMALLINT:
		return ((const uint16_t *)p)[i];
	case DUCKDB_TYPE_UINTEGER:
		return ((const uint32_t *)p)[i];
	case DUCKDB_TYPE_UBIGINT:
		return (double)((const uint64_t *)p)[i];
	case DUCKDB_TYPE_FLOAT:
		return (double)((const float *)p)[i];
	default:
		return ((const double *)p)[i];
	}
}

static bool label_is_number(const struct plan *p)
{
	static const char *const list[] = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER",
	        "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE",
	        NULL};
	for (int i = 0; p->label >= 0 && list[i]; i++)
		if (strcmp(p->spine[p->label].type, list[i]) == 0)
			return true;
	return false;
}

void leak_init(struct leak *l, const struct pass *p)
{
	uint32_t n = 1;
	*l = (struct leak){.pass = p, .stride = 1};
	if (!label_is_number(p->plan))
		return;
	for (uint32_t i = 0; i < p->plan->nviews; i++)
		n += p->plan->views[i].nfeatures;
	l->columns = xcalloc(n, sizeof *l->columns);
	l->ncolumns = 1;
	for (uint32_t i = 0; i < p->plan->nviews; i++)
		for (uint32_t k = 0; k < p->plan->views[i].nfeatures; k++)
			if (is_number(p->types[i][k]))
				l->columns[l->ncolumns++] = i << 16 | k;
	l->values = xmalloc((size_t)l->ncolumns * LEAK_ROWS_MAX * sizeof *l->values);
}

void leak_release(struct leak *l)
{
	free(l->columns);
	free(l->values);
	*l = (struct leak){0};
}

static void thin(struct leak *l)
{
	for (uint32_t c = 0; c < l->ncolumns; c++) {
		double *v = l->values + (size_t)c * LEAK_ROWS_MAX;
		for (uint32_t i = 0; i < l->n / 2; i++)
			v[i] = v[2 * i];
	}
	l->n /= 2;
	l->stride *= 2;
}

void leak_add(struct leak *l, const struct pass_chunk *chunk)
{
	if (!l->ncolumns)
		return;
	for (uint32_t i = 0; i < chunk->n; i++, l->seen++) {
		if (l->n == LEAK_ROWS_MAX)
			thin(l);
		if (l->seen % l->stride)
			continue;
		for (uint32_t c = 0; c < l->ncolumns; c++) {
			uint32_t at = l->columns[c];
			duckdb_data_chunk from = c ? chunk->views[at >> 16] : chunk->spine;
			uint32_t column = c ? at & 0xffff : (uint32_t)l->pass->plan->label;
			l->values[(size_t)c * LEAK_ROWS_MAX + l->n] =
			        number_at(duckdb_data_chunk_get_vector(from, column), i);
		}
		l->n++;
	}
}

// ---- judging ----

struct pair {
	double value, label;
};

static int pair_cmp(const void *a, const void *b)
{
	double x = ((const struct pair *)a)->value, y = ((const struct pair *)b)->value;
	return x < y ? -1 : x > y;
}

/* p by value, labels low and high. */
static double auc(struct pair *p, uint32_t n, double high)
{
	double positives = 0, u = 0;
	qsort(p, n, sizeof *p, pair_cmp);
	for (uint32_t i = 0, end; i < n; i = end) {
		double ones = 0;
		for (end = i; end < n && p[end].value == p[i].value; end++)
			ones += p[end].label == high;
		double zeros = (double)(end - i) - ones;
		double below = (double)i - positives; /* zeros before this run */
		u += ones * (below + zeros / 2);
		positives += ones;
	}
	double negatives = (double)n - positives;
	double a = positives && negatives ? u / (positives * negatives) : 0.5;
	return a < 0.5 ? 1 - a : a;
}

static double correlation(const struct pair *p, uint32_t n)
{
	double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
	for (uint32_t i = 0; i < n; i++) {
		mx += p[i].value / n;
		my += p[i].label / n;
	}
	for (uint32_t i = 0; i < n; i++) {
		double dx = p[i].value - mx, dy = p[i].label - my;
		xx += dx * dx;
		yy += dy * dy;
		xy += dx * dy;
	}
	return xx > 0 && yy > 0 ? fabs(xy) / sqrt(xx * yy) : 0;
}

/* The number of different labels, at most 3. */
static int distinct(const double *v, uint32_t n, double *high)
{
	double seen[2];
	int k = 0;
	for (uint32_t i = 0; i < n && k < 3; i++) {
		if (isnan(v[i]) || (k > 0 && v[i] == seen[0]) || (k > 1 && v[i] == seen[1]))
			continue;
		if (k < 2)
			seen[k] = v[i];
		k++;
	}
	*high = k == 2 && seen[1] > seen[0] ? seen[1] : k ? seen[0] : 0;
	return k;
}

static const char *name_of(const struct leak *l, uint32_t column, struct arena *a)
{
	uint32_t at = l->columns[column];
	return arena_strdup(a, l->pass->plan->views[at >> 16].features[at & 0xffff].out);
}

static void judge(struct leak *l, uint32_t column, int labels, double high, struct pair *p,
        struct train_result *r)
{
	const double *label = l->values, *v = l->values + (size_t)column * LEAK_ROWS_MAX;
	uint32_t n = 0, equal = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		if (isnan(label[i]) || !isfinite(v[i]))
			continue;
		equal += label[i] == v[i];
		p[n++] = (struct pair){v[i], label[i]};
	}
	if (n < LEAK_ROWS_MIN)
		return;
	struct train_suspect s = {name_of(l, column, &r->arena), TRAIN_IS_LABEL, 1};
	if (equal < n) {
		s.what = labels == 2 ? TRAIN_AUC : TRAIN_CORRELATION;
		s.value = labels == 2 ? auc(p, n, high) : correlation(p, n);
		if (s.value < (labels == 2 ? LEAK_AUC : LEAK_CORRELATION))
			return;
	}
	r->suspects[r->nsuspects++] = s;
}

/* Of any type. */
static void named_like(const struct plan *p, struct train_result *r)
{
	for (uint32_t i = 0; i < p->nviews; i++)
		for (uint32_t k = 0; k < p->views[i].nfeatures; k++) {
			const struct plan_feature *f = &p->views[i].features[k];
			if (strcasecmp(f->name, p->spine[p->label].name) == 0)
				r->suspects[r->nsuspects++] = (struct train_suspect){
				        arena_strdup(&r->arena, f->out), TRAIN_NAMED, 0};
		}
}

void leak_judge(struct leak *l, struct train_result *r)
{
	const struct plan *plan = l->pass->plan;
	double high;
	if (plan->label < 0)
		return;
	r->suspects = arena_calloc(&r->arena, 2 * TRAIN_COLUMNS_MAX, sizeof *r->suspects);
	named_like(plan, r);
	int labels = l->ncolumns ? distinct(l->values, l->n, &high) : 0;
	if (labels < 2)
		return;
	r->judged_rows = l->n;
	struct pair *p = xmalloc((size_t)l->n * sizeof *p);
	for (uint32_t c = 1; c < l->ncolumns; c++)
		judge(l, c, labels, high, p, r);
	free(p);
}
