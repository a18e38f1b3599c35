/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's part of log_ops, for the table in kafka.c.
 */
#ifndef WEIR_KAFKA_READER_H
#define WEIR_KAFKA_READER_H

#include "client.h"
#include "run/log.h"

enum status reader_open(struct log_broker *b, const char *topic, int32_t partition,
        int64_t offset, uint64_t memory_bytes, struct log_reader **out, struct error *e);
enum status reader_poll(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e);
int64_t reader_position(struct log_reader *r);
void reader_close(struct log_reader *r);

#endif
