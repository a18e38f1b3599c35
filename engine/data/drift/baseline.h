/* SPDX-License-Identifier: Apache-2.0
 *
 * A baseline: what the columns of a model looked like in the reference data. One JSON file,
 * documented in docs/reference/drift.md, its schema in schemas/baseline.schema.json; written
 * byte for byte the same from the same data. Read only once it is made or read: profiles keep
 * pointers into it.
 *
 * A number column is kept as a grid: ascending distinct reference values with how many
 * reference values are equal to each and at most each. A column of at most GRID_MAX distinct
 * values has them all; another has its 1,001 quantiles, so every grid point's rank is exact and
 * between two neighbours lies less than 0.1 % of the reference. The k-th quantile is the
 * smallest value with at least k/1000 of the reference at or below it, the first the minimum
 * (numpy's "inverted_cdf"); so the deciles are grid points.
 */
#ifndef WEIR_DATA_DRIFT_BASELINE_H
#define WEIR_DATA_DRIFT_BASELINE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "data/drift/errors.h"
#include "data/drift/moments.h"
#include "data/type.h"

#define BASELINE_VERSION 1
#define BASELINE_QUANTILES 1001
#define BASELINE_DECILES 9
#define BASELINE_CATEGORIES_MAX                                                                \
	1000 /* listed, the commonest first to be kept; then "other"                           \
	      */
#define BASELINE_CATEGORY_BYTES_MAX 256 /* longer ones count as other, and such with a NUL */
#define BASELINE_COLUMNS_MAX 1000
#define BASELINE_SEGMENTS_MAX 10000
#define BASELINE_BYTES_MAX (256u << 20)
#define GRID_MAX BASELINE_QUANTILES

enum drift_kind { DRIFT_NUMBER, DRIFT_CATEGORY };

/* How a column of type t is watched: numbers, dates and times as numbers; booleans, text and
 * enums as categories. False: not at all (bytes, arrays, maps). A user may ask for an integer's
 * values as categories. */
bool drift_kind_of(const struct type *t, enum drift_kind *out);

struct baseline_category {
	struct slice value; /* text; of a boolean "true"/"false", of an integer its digits */
	uint64_t count;
};

struct baseline_column {
	const char *name;
	enum drift_kind kind;
	uint64_t rows, nulls; /* nulls are of rows, non_finite too */
	uint64_t non_finite;  /* NaN and infinities: in no statistic but the null rate */
	/* number */
	struct moments moments;               /* of the finite values */
	double quantiles[BASELINE_QUANTILES]; /* all 0 when there is no finite value */
	double *grid;                         /* ngrid points */
	uint64_t *at, *upto;                  /* reference values = and <= each point */
	uint32_t ngrid;                       /* 0: no finite value */
	uint32_t cut_at[BASELINE_DECILES];    /* grid points of the distinct deciles, for PSI */
	uint32_t ncuts;
	uint32_t distinct; /* finite values; GRID_MAX + 1: more than GRID_MAX */
	uint32_t nwidth;   /* equal-width bins over [min, max], as many as Doane's rule says */
	uint64_t *width;   /* reference values in each */
	bool integer;      /* whole numbers by type, and no nulls */
	/* category */
	struct baseline_category *categories; /* in bytewise order */
	uint32_t ncategories;
	uint64_t other; /* rows of categories that are not listed */
	/* made when it is read */
	uint64_t id;     /* of grid, width and categories: whose profiles fit */
	uint32_t *slots; /* open addressing: a category's number + 1 */
	uint32_t slot_mask;
};

/* A segment's values are text, in the order of by. */
struct baseline_segment {
	const char **values; /* NULL: pooled over all */
	uint64_t rows;
	struct baseline_column *columns; /* in the file's order, the same in every segment */
	bool has_errors;
	struct errors errors; /* of scores against labels, when the reference has labels */
};

struct baseline_origin {
	const char *data;      /* base name of the file it was made from; NULL: from a topic */
	const char *topic;     /* NULL: from a file */
	const char *from, *to; /* as asked for; NULL: not */
	struct baseline_range {
		int32_t partition;
		int64_t first, last; /* offsets read, both included */
	} * ranges;
	uint32_t nranges;
};

struct baseline {
	struct arena arena;
	const char *job, *monitor, *view; /* NULL: not known */
	int64_t view_version;             /* with view */
	const char *weir;                 /* version of the program that made it */
	struct baseline_origin origin;
	const char **by; /* segment columns; nby 0: pooled only */
	uint32_t nby;
	const char *score, *label; /* columns behind errors; NULL: none */
	uint32_t ncolumns;
	struct baseline_segment *segments; /* [0] is pooled, then in order of values */
	uint32_t nsegments;
};

void baseline_free(struct baseline *b);

/* Reads a file's bytes; name for messages. Every error is ERR_USER and says what to do. */
enum status baseline_parse(
        struct slice json, const char *name, struct baseline **out, struct error *e);
void baseline_write(const struct baseline *b, struct buf *out);

/* The segment with these values; the pooled one when the file has none such. */
const struct baseline_segment *baseline_segment(
        const struct baseline *b, const char *const *values, uint32_t n);
/* Number of a column, or -1. */
int32_t baseline_column(const struct baseline *b, const char *name);

/* Edge i of nwidth + 1 of the equal-width bins: [e0, e1) ... [e_last-1, e_last]. */
double baseline_width_edge(const struct baseline_column *c, uint32_t i);
/* The category's number, or -1. */
int32_t baseline_category(const struct baseline_column *c, struct slice value);

#endif
