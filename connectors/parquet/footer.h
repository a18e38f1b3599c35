/* SPDX-License-Identifier: Apache-2.0
 *
 * What DuckDB does not write: that a timestamp is an instant in UTC.
 */
#ifndef WEIR_PARQUET_FOOTER_H
#define WEIR_PARQUET_FOOTER_H

#include "base/error.h"

/* Sets isAdjustedToUTC in every TIMESTAMP of the schema of the Parquet file fd, in place. The
 * file must not be visible yet: this is not atomic. ERR_FATAL: not a Parquet file as we know
 * it. */
enum status footer_times_utc(int fd, struct error *e);

#endif
