/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the open transaction on their way into librdkafka, in groups of one partition: a
 * call of rd_kafka_produce looks at two clocks, looks the partition up and takes four locks,
 * rd_kafka_produce_batch does most of that once a group.
 *
 * Errors of a record that was taken come at the flush, as those of its delivery do.
 */
#ifndef WEIR_KAFKA_APPEND_H
#define WEIR_KAFKA_APPEND_H

#include "session.h"

/* Takes a record; what cannot wait in a group goes at once. librdkafka's error of that. */
rd_kafka_resp_err_t append_record(struct log_session *s, struct part *p, struct slice key,
        const struct slice *value, const struct log_header *headers, uint32_t nheaders,
        int64_t timestamp);
/* Hands over everything taken. */
void append_flush(struct log_session *s);
/* Forgets what was taken and not handed over. */
void append_drop(struct log_session *s);
void append_release(struct log_session *s);

#endif
