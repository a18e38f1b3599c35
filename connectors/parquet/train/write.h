/* SPDX-License-Identifier: Apache-2.0
 *
 * The output: one Parquet file, made beside and renamed.
 */
#ifndef WEIR_PARQUET_TRAIN_WRITE_H
#define WEIR_PARQUET_TRAIN_WRITE_H

#include "connectors/parquet/train/leak.h"

#define WRITE_GROUP_ROWS 122880 /* of a row group, which DuckDB holds whole */

/* Pulls passes until the spine ends and writes their rows to path, whole and synced, under its
 * temporary name. */
enum status write_rows(
        struct duck *d, struct pass *p, struct leak *l, const char *path, struct error *e);
/* Without an output: passes until the row to be explained was met, or to the end. */
enum status write_nothing(struct pass *p, struct error *e);

/* "DIR/.NAME.tmp" */
enum status write_temp(const char *path, char *out, struct error *e);
enum status write_visible(const char *path, struct error *e);
/* XXH3's 128 bits over a file, in hex. */
enum status write_hash(const char *path, char out[33], uint64_t *bytes, struct error *e);

#endif
