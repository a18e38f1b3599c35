// SPDX-License-Identifier: Apache-2.0
//
// Reads one partition from an offset, read_committed, outside any group. The position counts
// what poll never shows (control records, aborted ones): librdkafka's own position does not, so
// it is taken from each record and from the end-of-partition events, which carry the offset
// that the next fetch would ask for. Under read_committed that end is the last stable offset:
// while a transaction is open the position stays below the high watermark.
//
// librdkafka's simple consumer is used, because assign() wants a group and asks its
// coordinator.
#include "reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker.h"
#include "fetched.h"
#include "limits.h"

#define BATCH_BYTES_MAX ((size_t)384 << 10) /* what a processor's cache holds beside other things */

struct log_reader {
	struct client client;
	struct fetched batch;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_t *topic;
	char *name;
	int32_t partition;
	int64_t position;
	bool failed; /* pending holds an error that no retry heals */
	bool noted;  /* pending holds an error for the next empty poll */
	struct error pending;
};

static void on_failure(struct log_reader *r, const rd_kafka_message_t *m)
{
	const char *why = rd_kafka_message_errstr(m);
	struct error *e = &r->pending;
	if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	        m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		error_set(e, ERR_FATAL, m->err,
		        "%s[%" PRId32 "] does not have offset %" PRId64
		        " any more: it was deleted (retention), truncated, or recreated (%s)",
		        r->name, r->partition, r->position, why);
	else
		client_error(&r->client, e, m->err, why, "reading %s[%" PRId32 "] at %" PRId64,
		        r->name, r->partition, r->position);
	r->noted = true;
	r->failed = e->class == ERR_FATAL;
}

/* False: the poll ends. */
static bool added(struct log_reader *r, enum fetched_end end)
{
	if (end == FETCHED_BAD) {
		error_set(&r->pending, ERR_FATAL, RD_KAFKA_RESP_ERR__BAD_MSG,
		        "%s[%" PRId32 "] has a malformed batch: the record at %" PRId64
		        " cannot be read",
		        r->name, r->partition, r->position);
		r->noted = r->failed = true;
	}
	return end == FETCHED_MORE;
}

static void on_message(rd_kafka_message_t *m, void *arg)
{
	struct log_reader *r = arg;
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (m->offset > r->position)
			r->position = m->offset;
		client_ok(&r->client);
		return;
	}
	if (m->err) {
		on_failure(r, m);
		rd_kafka_yield(r->client.rk);
		return;
	}
	if (m->offset < r->position)
		return;
	if (!added(r, fetched_add(&r->batch, 0, m, &r->position)))
		rd_kafka_yield(r->client.rk);
}

static enum status start(struct log_reader *r, uint64_t memory_bytes, struct error *e)
{
	struct limits l;
	limits_fetch(&l, memory_bytes);
	const char *settings[] = {"isolation.level", "read_committed", "enable.auto.commit",
	        "false", "enable.partition.eof", "true", "auto.offset.reset", "error",
	        "queued.max.messages.kbytes", l.kb, "queued.min.messages", l.records,
	        "fetch.max.bytes", l.answer, "fetch.message.max.bytes", l.part,
	        "fetch.queue.backoff.ms", "5", "fetch.wait.max.ms", "100",
	        "fetch.error.backoff.ms", "100", "check.crcs", "true",
	        "consume.records", "true", NULL};
	if (client_open(&r->client, RD_KAFKA_CONSUMER, settings, NULL, e) != ST_OK)
		return ST_ERR;
	r->topic = rd_kafka_topic_new(r->client.rk, r->name, NULL);
	r->queue = rd_kafka_queue_new(r->client.rk);
	if (!r->topic || rd_kafka_consume_start_queue(
	                         r->topic, r->partition, r->position, r->queue) != 0)
		return client_error(&r->client, e, rd_kafka_last_error(), NULL,
		        "reading %s[%" PRId32 "]", r->name, r->partition);
	return ST_OK;
}

enum status reader_open(struct log_broker *b, const char *topic, int32_t partition,
        int64_t offset, uint64_t memory_bytes, struct log_reader **out, struct error *e)
{
	INVARIANT(offset >= 0); /* librdkafka's special offsets are negative */
	struct log_reader *r = xcalloc(1, sizeof *r);
	client_init(&r->client, b, r, "reader %s[%" PRId32 "]", topic, partition);
	size_t bytes = memory_bytes / 4;
	fetched_init(&r->batch, bytes > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : bytes + 1);
	r->batch.headers = true;
	r->name = xstrdup(topic);
	r->partition = partition;
	r->position = offset;
	if (start(r, memory_bytes, e) != ST_OK) {
		reader_close(r);
		return ST_ERR;
	}
	*out = r;
	return ST_OK;
}

enum status reader_poll(struct log_reader *r, int timeout_ms, struct log_record *out,
        uint32_t max, uint32_t *n, struct error *e)
{
	fetched_begin(&r->batch, out, max);
	bool more = !r->failed && max > 0;
	if (more && fetched_has_rest(&r->batch, 0, r->partition))
		more = added(r, fetched_add_rest(&r->batch, &r->position));
	if (more)
		rd_kafka_consume_callback_queue(
		        r->queue, r->batch.n ? 0 : timeout_ms, on_message, r);
	*n = r->batch.n;
	if (*n > 0) {
		client_ok(&r->client);
		return ST_OK;
	}
	rd_kafka_poll(r->client.rk, 0);
	if (!r->noted && client_all_down(&r->client)) {
		r->noted = true;
		client_error(&r->client, &r->pending, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL,
		        "reading %s[%" PRId32 "]", r->name, r->partition);
	}
	if (!r->noted)
		return ST_OK;
	r->noted = r->failed;
	if (e)
		*e = r->pending;
	return ST_ERR;
}

int64_t reader_position(struct log_reader *r)
{
	return r->position;
}

void reader_close(struct log_reader *r)
{
	if (!r)
		return;
	if (r->queue)
		rd_kafka_consume_stop(r->topic, r->partition);
	if (r->topic)
		rd_kafka_topic_destroy(r->topic);
	if (r->queue)
		rd_kafka_queue_destroy(r->queue);
	client_close(&r->client);
	fetched_release(&r->batch);
	free(r->name);
	free(r);
}
