/* SPDX-License-Identifier: Apache-2.0
 *
 * Several of a view's files as one, sorted as each of them is.
 */
#ifndef WEIR_PARQUET_COMPACT_MERGE_H
#define WEIR_PARQUET_COMPACT_MERGE_H

#include "connectors/parquet/duck.h"
#include "connectors/parquet/manifest.h"

/* Files below dir into to, with their types; *bytes is its size. */
enum status compact_merge(struct duck *d, const char *dir, const struct manifest_file **files,
        uint32_t n, const char *to, uint64_t *bytes, struct error *e);

#endif
