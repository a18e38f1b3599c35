// SPDX-License-Identifier: Apache-2.0
//
// Two columns are compared as one kind, which their types choose: the feature's, or, if that is
// text, the served one's, as a CSV file's columns are typed by their contents. A value that
// cannot be had as that kind differs from all. The file's columns have any name, and DuckDB
// takes a column before an alias: the first clause alone sees them, the others see its names.
#include "connectors/parquet/skew_sql.h"

#include <string.h>

#include "base/num.h"
#include "connectors/parquet/duck.h"

#define SERVED "s_there"
#define ENGINE "x_there"

enum shape { WHOLE, REAL, LOGICAL, INSTANT, DAY, CLOCK, TEXT, OTHER };

static enum shape shape_of(const char *type)
{
	static const struct {
		const char *begin;
		enum shape shape;
		bool all; /* the whole name */
	} list[] = {{"TINYINT", WHOLE, true}, {"SMALLINT", WHOLE, true},
	        {"INTEGER", WHOLE, true}, {"BIGINT", WHOLE, true}, {"HUGEINT", WHOLE, true},
	        {"UTINYINT", WHOLE, true}, {"USMALLINT", WHOLE, true},
	        {"UINTEGER", WHOLE, true}, {"UBIGINT", WHOLE, true}, {"FLOAT", REAL, true},
	        {"DOUBLE", REAL, true}, {"BOOLEAN", LOGICAL, true}, {"DATE", DAY, true},
	        {"TIME", CLOCK, true}, {"TIMESTAMP", INSTANT, true},
	        {"TIMESTAMP_S", INSTANT, true}, {"TIMESTAMP_MS", INSTANT, true},
	        {"TIMESTAMP_NS", INSTANT, true}, {"TIMESTAMP WITH TIME ZONE", INSTANT, true},
	        {"VARCHAR", TEXT, true}, {"DECIMAL(", REAL, false}, {"ENUM(", TEXT, false}};
	size_t n = strlen(type);
	bool nested = n && type[n - 1] == ']';
	for (size_t i = 0; !nested && i < sizeof list / sizeof *list; i++)
		if (list[i].all ? !strcmp(type, list[i].begin)
		                : !strncmp(type, list[i].begin, strlen(list[i].begin)))
			return list[i].shape;
	return OTHER;
}

static enum shape shape_compared(const struct skew_sql *q)
{
	enum shape s = shape_of(q->served_type), x = shape_of(q->engine_type);
	if (s == OTHER || x == OTHER)
		return OTHER;
	if (x == WHOLE && s == REAL)
		return REAL;
	return x == TEXT ? s : x;
}

bool skew_sql_numbers(const struct skew_sql *q)
{
	return shape_compared(q) <= REAL;
}

static bool floats(const struct skew_sql *q)
{
	return !strcmp(q->served_type, "FLOAT") || !strcmp(q->engine_type, "FLOAT");
}

/* The column of the first clause: null where it is no finite number. */
static void finite_sql(struct buf *b, const char *col, enum shape from, const char *type,
        enum shape to)
{
	bool text = from == TEXT && to <= LOGICAL;
	if (text || !strcmp(type, "FLOAT") || !strcmp(type, "DOUBLE"))
		buf_printf(b,
		        "CASE WHEN coalesce(isfinite(TRY_CAST(%s AS DOUBLE)), true) THEN %s END",
		        col, col);
	else if (from == INSTANT || from == DAY)
		buf_printf(b, "CASE WHEN isfinite(%s) THEN %s END", col, col);
	else
		buf_str(b, col);
}

/* -- a column as the kind that is compared -- */

static void whole(struct buf *b, const char *col, enum shape from)
{
	if (from == TEXT) /* a cast alone would round */
		buf_printf(b,
		        "CASE WHEN trunc(TRY_CAST(%s AS DOUBLE)) = TRY_CAST(%s AS DOUBLE) THEN "
		        "TRY_CAST(%s AS HUGEINT) END",
		        col, col, col);
	else if (from <= LOGICAL)
		buf_printf(b, "TRY_CAST(%s AS HUGEINT)", col);
	else
		buf_str(b, "NULL::HUGEINT");
}

/* What was put through a float has a float's digits. */
static void real(struct buf *b, const char *col, enum shape from, bool rounded)
{
	if (from > LOGICAL && from != TEXT)
		buf_str(b, "NULL::DOUBLE");
	else if (rounded)
		buf_printf(b, "TRY_CAST(TRY_CAST(%s AS DOUBLE) AS FLOAT)::DOUBLE", col);
	else
		buf_printf(b, "TRY_CAST(%s AS DOUBLE)", col);
}

static void logical(struct buf *b, const char *col, enum shape from)
{
	if (from <= REAL)
		buf_printf(b, "CASE %s WHEN 0 THEN false WHEN 1 THEN true END", col);
	else if (from == LOGICAL || from == TEXT)
		buf_printf(b, "TRY_CAST(%s AS BOOLEAN)", col);
	else
		buf_str(b, "NULL::BOOLEAN");
}

/* An integer as the online store has it: days, or milliseconds, or microseconds, which of the
 * two a file does not tell. They are a factor of 1000 apart: an instant is never both. */
static void counted(struct buf *b, const char *col, enum shape to)
{
	bool served = !strcmp(col, SERVED); /* then b, the engine's, is there */
	if (to == DAY)
		buf_printf(b, "TRY_CAST(%s AS BIGINT)::HUGEINT * 86400000000", col);
	else if (served)
		buf_printf(b,
		        "CASE WHEN TRY_CAST(%s AS BIGINT) = b THEN b ELSE TRY_CAST(%s AS "
		        "BIGINT)::HUGEINT * 1000 END",
		        col, col);
	else
		buf_printf(b, "TRY_CAST(%s AS BIGINT)::HUGEINT * 1000", col);
}

/* Microseconds: of the epoch, or of the day. */
static void micros(struct buf *b, const char *col, enum shape from, enum shape to)
{
	const char *type = to == CLOCK     ? "TIME"
	                   : from == TEXT ? "TIMESTAMPTZ" /* with a zone or without */
	                                  : "TIMESTAMP";
	if (from <= REAL) {
		counted(b, col, to);
	} else if (from == TEXT) {
		buf_str(b, "coalesce(");
		counted(b, col, to);
		buf_printf(b, ", epoch_us(TRY_CAST(%s AS %s))::HUGEINT)", col, type);
	} else if (from == to || (to != CLOCK && (from == INSTANT || from == DAY))) {
		buf_printf(b, "epoch_us(TRY_CAST(%s AS %s))::HUGEINT", col, type);
	} else {
		buf_str(b, "NULL::HUGEINT");
	}
}

static void value(struct buf *b, const struct skew_sql *q, const char *col, enum shape from)
{
	enum shape to = shape_compared(q);
	if (to == WHOLE)
		whole(b, col, from);
	else if (to == REAL)
		real(b, col, from, floats(q));
	else if (to == LOGICAL)
		logical(b, col, from);
	else if (to <= CLOCK)
		micros(b, col, from, to);
	else
		buf_printf(b, "%s::VARCHAR", col);
}

/* -- the clauses -- */

static void segment(const struct skew_sql *q, struct buf *b)
{
	buf_str(b, "concat(''");
	for (uint32_t i = 0; i < q->nby; i++) {
		struct buf label = {0};
		buf_printf(&label, "%s%s=", i ? ", " : "", q->by[i]);
		buf_str(b, ", ");
		duck_text(b, buf_cstr(&label));
		buf_str(b, ", coalesce(");
		duck_name(b, q->by[i]);
		buf_str(b, "::VARCHAR, 'null')");
		buf_release(&label);
	}
	buf_byte(b, ')');
}

static void given(const struct skew_sql *q, struct buf *b)
{
	buf_str(b, "WITH given AS (SELECT file_row_number AS n, ");
	segment(q, b);
	buf_str(b, " AS seg, ");
	duck_name(b, q->served);
	buf_str(b, " AS s_given, ");
	duck_name(b, q->engine);
	buf_str(b, " AS x_given FROM read_parquet(");
	duck_text(b, q->file);
	buf_str(b, ", file_row_number = true)), ");
}

void skew_sql_rows(const struct skew_sql *q, struct buf *b)
{
	char tolerance[NUM_MAX + 1];
	enum shape s = shape_of(q->served_type), x = shape_of(q->engine_type);
	enum shape to = shape_compared(q);
	tolerance[num_format_double(tolerance, q->tolerance)] = 0;
	given(q, b);
	buf_str(b, "there AS (SELECT n, seg, s_given::VARCHAR AS s, x_given::VARCHAR AS x, ");
	finite_sql(b, "s_given", s, q->served_type, to);
	buf_str(b, " AS " SERVED ", ");
	finite_sql(b, "x_given", x, q->engine_type, to);
	buf_str(b, " AS " ENGINE " FROM given), compared AS (SELECT *, ");
	value(b, q, ENGINE, x);
	buf_str(b, " AS b, ");
	value(b, q, SERVED, s);
	buf_str(b, " AS a FROM there), d AS (SELECT *, (" SERVED " IS NULL) <> (" ENGINE
	           " IS NULL) OR (" SERVED " IS NOT NULL AND coalesce(a <> b");
	if (to == REAL)
		buf_printf(b, " AND abs(a - b) > %s * greatest(abs(a), abs(b))", tolerance);
	buf_str(b, ", true)) AS differs FROM compared) ");
}
