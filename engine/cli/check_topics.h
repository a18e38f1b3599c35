/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job's topics say about it: they exist, and a source's key stands in one partition
 * only.
 */
#ifndef WEIR_CLI_CHECK_TOPICS_H
#define WEIR_CLI_CHECK_TOPICS_H

#include "base/buf.h"
#include "lang/job.h"
#include "run/log.h"

/* Reads up to sample of the newest records of each partition. ST_OK: nothing to say; ST_END:
 * something is wrong, in sentences in found; ST_ERR: it could not be found out. */
enum status check_topics(const struct log_ops *log, struct log_broker *broker,
        const struct job *job, uint32_t sample, struct buf *found, struct error *e);

#endif
