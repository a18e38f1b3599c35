/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that survive a crash: made beside, synced, renamed, their folder synced.
 */
#ifndef WEIR_PARQUET_FILES_H
#define WEIR_PARQUET_FILES_H

#include "base/error.h"
#include "base/slice.h"

/* Path of at most this many bytes, its NUL counted; longer is ERR_USER. */
#define FILES_PATH_MAX 4096

enum status files_path(char out[FILES_PATH_MAX], struct error *e, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
enum status files_error(struct error *e, const char *what, const char *path);

/* mkdir -p, not synced. */
enum status files_mkdirs(const char *path, struct error *e);
enum status files_sync_dir(const char *path, struct error *e);
/* Everything written to the file system that path is on: one call for a batch's hundreds of
 * files and folders, where one sync each took most of an export's time. */
enum status files_sync_all(const char *path, struct error *e);
/* Replaces dir/name by bytes, atomically. */
enum status files_replace(
        const char *dir, const char *name, struct slice bytes, struct error *e);

#endif
