/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a stretch of one partition, for commands that look something up.
 */
#ifndef WEIR_CLI_SCAN_H
#define WEIR_CLI_SCAN_H

#include "run/log.h"

/* Calls each for every committed record in [from, to), until it returns false. Ends early, with
 * ST_OK, when nothing more comes: what stands behind an open transaction is not committed yet.
 */
enum status scan_range(const struct log_ops *log, struct log_broker *broker, const char *topic,
        int32_t partition, int64_t from, int64_t to,
        bool (*each)(void *arg, const struct log_record *r), void *arg, struct error *e);

/* NULL: the record has no such header. */
const struct slice *record_header(const struct log_record *r, const char *name);

#endif
