/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the open transaction on their way into librdkafka: encoded here, once, into chunks
 * of one partition, each of which becomes one batch on the wire. A call of rd_kafka_produce
 * costs 0.7 us a record in allocations, locks and clocks, on both of its threads;
 * rd_kafka_produce_records (.ci/librdkafka.patch) costs that once a chunk.
 *
 * Errors of a record that was taken come at the flush, as those of its delivery do.
 */
#ifndef WEIR_KAFKA_APPEND_H
#define WEIR_KAFKA_APPEND_H

#include "session.h"

/* Takes a record. An error: it can never be written (too large). */
rd_kafka_resp_err_t append_record(struct log_session *s, struct part *p, struct slice key,
        const struct slice *value, const struct log_header *headers, uint32_t nheaders,
        int64_t timestamp);
/* Hands over everything taken. */
void append_flush(struct log_session *s);
/* Forgets what was taken and not handed over. */
void append_drop(struct log_session *s);
/* A delivery report's opaque: the partition its chunk was of, and the count of its records. The
 * chunk is used again. */
struct part *append_reported(struct log_session *s, void *opaque, uint32_t *records);
/* The producer's handle is no more: what it held comes back. */
void append_returned(struct log_session *s);
void append_release(struct log_session *s);

#endif
