/* SPDX-License-Identifier: Apache-2.0
 *
 * What a training set is made of: the views, their files, the columns of each, and what the
 * spine's columns are to them.
 */
#ifndef WEIR_PARQUET_TRAIN_PLAN_H
#define WEIR_PARQUET_TRAIN_PLAN_H

#include "connectors/parquet/duck.h"
#include "connectors/parquet/manifest.h"
#include "connectors/parquet/train/train.h"

#define PLAN_ENTITY_MAX 16
#define PLAN_NO_DAY INT64_MIN

struct plan_column {
	const char *name, *type; /* type as DuckDB writes it */
};

struct plan_file {
	const char *path;
	int64_t day; /* since the epoch; PLAN_NO_DAY: its path does not say */
	uint64_t rows;
};

struct plan_feature {
	const char *name; /* in the view's files */
	const char *out;  /* view__feature */
};

struct plan_view {
	const char *name;
	uint32_t version;
	const char *dir;
	struct manifest manifest;
	int64_t ttl_ms; /* 0: none */
	struct plan_file *files;
	uint32_t nfiles;
	uint64_t rows;
	struct plan_column *columns;
	uint32_t ncolumns;
	uint32_t nentity;                  /* its first columns */
	const char *keys[PLAN_ENTITY_MAX]; /* the spine's columns for them */
	struct plan_feature *features;
	uint32_t nfeatures;
	const char *age; /* view___age_ms */
};

struct plan {
	struct arena *arena;
	const struct train_conf *conf;
	struct plan_column *spine;
	uint32_t nspine;
	bool csv;
	int time;  /* column of the spine; -1: not chosen yet */
	int label; /* -1: none */
	struct plan_view views[TRAIN_VIEWS_MAX];
	uint32_t nviews;
};

/* Reads manifests and schemas. p->arena and p->conf are set. */
enum status plan_make(struct plan *p, struct duck *d, struct error *e);
/* After files were taken out of the views' manifests. */
void plan_files_again(struct plan *p);
void plan_release(struct plan *p);

/* -1: none; names are compared as DuckDB does, without case, unless exact is there. */
int plan_column_find(const struct plan_column *c, uint32_t n, const char *name);
/* Columns of a query's rows. */
enum status plan_describe(struct plan *p, struct duck *d, const char *query, const char *what,
        struct plan_column **out, uint32_t *n, struct error *e);
/* "read_parquet(['…', …], hive_partitioning = false)" over the view's files that pick (NULL:
 * all) marks. */
void plan_files_sql(const struct plan_view *v, const bool *pick, struct buf *b);

#endif
