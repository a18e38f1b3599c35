// SPDX-License-Identifier: Apache-2.0
//
// One COPY. Files of a newer writer may have columns that older ones have not: null there.
#include "connectors/parquet/compact_merge.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/parquet/files.h"
#include "connectors/parquet/footer.h"

#define ROW_GROUP_ROWS 122880
#define ZONED "TIMESTAMP WITH TIME ZONE"

static void files_sql(
        const char *dir, const struct manifest_file **files, uint32_t n, struct buf *b)
{
	char path[FILES_PATH_MAX];
	struct error ignored;
	buf_str(b, "read_parquet([");
	for (uint32_t i = 0; i < n; i++) {
		if (files_path(path, &ignored, "%s/%s", dir, files[i]->path))
			path[0] = 0; /* DuckDB says that it is not there */
		buf_str(b, i ? "," : "");
		duck_text(b, path);
	}
	buf_str(b, "], hive_partitioning = false, union_by_name = true)");
}

/* type with its instants as they are to be written. */
static void type_write(struct buf *b, const char *type, const char *instant)
{
	for (const char *at; (at = strstr(type, ZONED)); type = at + strlen(ZONED))
		buf_printf(b, "%.*s%s", (int)(at - type), type, instant);
	buf_str(b, type);
}

static void column_sql(struct buf *b, const char *name, const char *type, bool millis)
{
	if (!strstr(type, ZONED)) {
		duck_name(b, name);
		return;
	}
	buf_str(b, "CAST(CAST(");
	duck_name(b, name);
	buf_str(b, " AS ");
	type_write(b, type, "TIMESTAMP");
	buf_str(b, ") AS ");
	type_write(b, type, millis ? "TIMESTAMP_MS" : "TIMESTAMP");
	buf_str(b, ") AS ");
	duck_name(b, name);
}

/* Whether the instants of each column have milliseconds: by the last file's own schema, where a
 * column is followed by what lies below it. */
static enum status columns_sql(
        struct duck *d, const char *files, const char *last, struct buf *b, struct error *e)
{
	struct buf q = {0};
	duckdb_result r = {0};
	buf_printf(&q, "WITH s AS (SELECT *, row_number() OVER () AS n FROM parquet_schema(");
	duck_text(&q, last);
	buf_printf(&q,
	        ")), c AS (SELECT column_name, column_type, row_number() OVER () AS n FROM "
	        "(DESCRIBE FROM %s)) SELECT c.column_name, c.column_type, EXISTS (FROM s "
	        "WHERE s.n > (SELECT min(n) FROM s t WHERE t.n > 1 AND t.name = c.column_name) "
	        "- 1 AND s.n < coalesce((SELECT min(t.n) FROM s t JOIN c AS x ON t.name = "
	        "x.column_name WHERE x.n = c.n + 1 AND t.n > 1), 1000000) AND "
	        "s.logical_type LIKE '%%MILLIS=Milli%%') FROM c ORDER BY c.n",
	        files);
	enum status st = duck_query(d, buf_cstr(&q), "reading the types of a file", &r, e);
	for (idx_t i = 0; st == ST_OK && i < duckdb_row_count(&r); i++) {
		char *name = duckdb_value_varchar(&r, 0, i),
		     *type = duckdb_value_varchar(&r, 1, i);
		buf_str(b, i ? "," : "");
		column_sql(b, name, type, duckdb_value_boolean(&r, 2, i));
		duckdb_free(name);
		duckdb_free(type);
	}
	duckdb_destroy_result(&r);
	buf_release(&q);
	return st;
}

/* The entity columns stand before event_time. */
static enum status order_sql(struct duck *d, const char *files, struct buf *b, struct error *e)
{
	struct buf q = {0};
	duckdb_result r = {0};
	buf_printf(&q, "DESCRIBE FROM %s", files);
	enum status st = duck_query(d, buf_cstr(&q), "reading the types of a file", &r, e);
	for (idx_t i = 0; st == ST_OK && i < duckdb_row_count(&r); i++) {
		char *name = duckdb_value_varchar(&r, 0, i);
		bool head = strcmp(name, "event_time") == 0;
		if (!head) {
			duck_name(b, name);
			buf_byte(b, ',');
		}
		duckdb_free(name);
		if (head)
			break;
	}
	buf_str(b, "event_time, known_at, source_offset NULLS FIRST, source_partition");
	duckdb_destroy_result(&r);
	buf_release(&q);
	return st;
}

static enum status utc(const char *path, uint64_t *bytes, struct error *e)
{
	struct stat info;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return files_error(e, "opening", path);
	enum status st = footer_times_utc(fd, e);
	if (st)
		error_context(e, "%s", path);
	else if (fstat(fd, &info))
		st = files_error(e, "reading", path);
	else
		*bytes = (uint64_t)info.st_size;
	close(fd);
	return st;
}

enum status compact_merge(struct duck *d, const char *dir, const struct manifest_file **files,
        uint32_t n, const char *to, uint64_t *bytes, struct error *e)
{
	char last[FILES_PATH_MAX];
	struct buf from = {0}, b = {0};
	files_sql(dir, files, n, &from);
	buf_str(&b, "COPY (SELECT ");
	enum status st = files_path(last, e, "%s/%s", dir, files[n - 1]->path);
	if (st == ST_OK)
		st = columns_sql(d, buf_cstr(&from), last, &b, e);
	buf_printf(&b, " FROM %s ORDER BY ", buf_cstr(&from));
	if (st == ST_OK)
		st = order_sql(d, buf_cstr(&from), &b, e);
	buf_str(&b, ") TO ");
	duck_text(&b, to);
	buf_printf(&b,
	        " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, USE_TMP_FILE false)",
	        ROW_GROUP_ROWS);
	if (st == ST_OK)
		st = duck_run(d, buf_cstr(&b), "merging files", e);
	if (st == ST_OK)
		st = utc(to, bytes, e);
	buf_release(&from);
	buf_release(&b);
	return st;
}
