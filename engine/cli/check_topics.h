/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job's topics say about it: they exist, their records can be read as the job says, and a
 * source's key stands in one partition only.
 */
#ifndef WEIR_CLI_CHECK_TOPICS_H
#define WEIR_CLI_CHECK_TOPICS_H

#include "base/buf.h"
#include "lang/job.h"
#include "run/log.h"

struct check_topics {
	const struct log_ops *log;
	struct log_broker *broker;
	const struct schema_source *schemas; /* of writers */
	uint32_t sample;                     /* of the newest records of each partition */
};

/* ST_OK; ST_END: the job cannot work with its topics; ST_ERR: it could not be found out. found
 * has what there is to say, in sentences, notes among them that alone are ST_OK. */
enum status check_topics(const struct check_topics *conf, const struct job *job, struct buf *found,
        struct error *e);

#endif
