// SPDX-License-Identifier: Apache-2.0
//
// The broker: one shared client for questions about topics and offsets, and one idempotent
// producer for control topics, made when first needed. Any thread may call. Administration is
// in admin.c.
#include "broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/failpoint.h"
#include "kafka.h"

#define PUT_MS 10000    /* until a put gives up */
#define LEADER_TRIES 40 /* a partition just made, or moving, has no leader for a moment */
#define LEADER_WAIT_US 50000

static char **copy_list(const char *const *list)
{
	uint32_t n = 0;
	while (list && list[n])
		n++;
	char **out = xcalloc(n + 1, sizeof *out);
	for (uint32_t i = 0; i < n; i++)
		out[i] = xstrdup(list[i]);
	return out;
}

static enum status properties_allowed(const char *const *list, struct error *e)
{
	for (uint32_t i = 0; list && list[i]; i += 2) {
		if (!list[i + 1])
			return error_set(
			        e, ERR_USER, 0, "kafka property %s has no value", list[i]);
		for (uint32_t k = 0; client_reserved[k]; k++)
			if (strcmp(list[i], client_reserved[k]) == 0)
				return error_set(e, ERR_USER, 0,
				        "kafka property %s is weir's to decide: leave it out",
				        list[i]);
	}
	return ST_OK;
}

enum status kafka_open(const struct kafka_conf *conf, struct log_broker **out, struct error *e)
{
	if (properties_allowed(conf->properties, e) != ST_OK)
		return ST_ERR;
	struct log_broker *b = xcalloc(1, sizeof *b);
	b->brokers = xstrdup(conf->brokers);
	b->client_id = xstrdup(conf->client_id ? conf->client_id : "weir");
	b->properties = copy_list(conf->properties);
	b->memory_bytes = conf->memory_bytes ? conf->memory_bytes : (uint64_t)8 << 20;
	pthread_mutex_init(&b->put_lock, NULL);
	client_init(&b->admin, b, b, "admin");
	client_init(&b->putter, b, b, "control");
	/* No group: bounds() must not be held back by open transactions. */
	const char *settings[] = {"isolation.level",
	        rule_kept(FP_RULE_HIGH_WATERMARK) ? "read_uncommitted" : "read_committed",
	        "enable.auto.commit", "false", NULL};
	if (client_open(&b->admin, RD_KAFKA_CONSUMER, settings, NULL, e) != ST_OK) {
		broker_close(b);
		return ST_ERR;
	}
	*out = b;
	return ST_OK;
}

void broker_close(struct log_broker *b)
{
	if (!b)
		return;
	client_close(&b->putter);
	client_close(&b->admin);
	pthread_mutex_destroy(&b->put_lock);
	kafka_properties_free(b->properties);
	free(b->brokers);
	free(b->client_id);
	free(b);
}

// ---- offsets ----

/* Or not known yet to the broker that was asked. */
static bool leaderless(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
	       err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
	       err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	       err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* Before another try: what the client knows may be older than the partition. */
static void wait_and_look(struct log_broker *b, const char *topic)
{
	const struct rd_kafka_metadata *md;
	usleep(LEADER_WAIT_US);
	rd_kafka_topic_t *t = rd_kafka_topic_new(b->admin.rk, topic, NULL);
	if (!t)
		return;
	if (!rd_kafka_metadata(b->admin.rk, 0, t, &md, KAFKA_ASK_MS))
		rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(t);
}

enum status broker_bounds(struct log_broker *b, const char *topic, int32_t partition,
        int64_t *begin, int64_t *end, struct error *e)
{
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	for (int i = 0; i < LEADER_TRIES && leaderless(err); i++) {
		if (i)
			wait_and_look(b, topic);
		err = rd_kafka_query_watermark_offsets(
		        b->admin.rk, topic, partition, begin, end, KAFKA_ASK_MS);
	}
	if (err)
		return client_error(
		        &b->admin, e, err, NULL, "bounds of %s[%d]", topic, partition);
	client_ok(&b->admin);
	return ST_OK;
}

enum status broker_offset_at(struct log_broker *b, const char *topic, int32_t partition,
        int64_t ts_ms, int64_t *out, struct error *e)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *p =
	        rd_kafka_topic_partition_list_add(list, topic, partition);
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	for (int i = 0; i < LEADER_TRIES && leaderless(err); i++) {
		if (i)
			wait_and_look(b, topic);
		p->offset = ts_ms;
		err = rd_kafka_offsets_for_times(b->admin.rk, list, KAFKA_ASK_MS);
		if (!err)
			err = p->err;
	}
	*out = p->offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		return client_error(&b->admin, e, err, NULL, "offset of %s[%d] at %lld", topic,
		        partition, (long long)ts_ms);
	client_ok(&b->admin);
	if (*out >= 0)
		return ST_OK;
	int64_t begin; /* librdkafka answers "end" for "none so late" */
	return broker_bounds(b, topic, partition, &begin, out, e);
}

bool broker_led(struct log_broker *b, const char *topic, bool (*wanted)(void *arg, int32_t partition),
        void *arg, struct error *e)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_t *t = rd_kafka_topic_new(b->admin.rk, topic, NULL);
	rd_kafka_resp_err_t err = t ? rd_kafka_metadata(b->admin.rk, 0, t, &md, KAFKA_ASK_MS)
	                            : rd_kafka_last_error();
	if (t)
		rd_kafka_topic_destroy(t);
	if (err) {
		client_error(&b->admin, e, err, NULL, "leaders of %s", topic);
		return false;
	}
	int32_t none = -1;
	for (int i = 0; i < md->topic_cnt; i++)
		for (int k = 0; k < md->topics[i].partition_cnt; k++) {
			const rd_kafka_metadata_partition_t *p = &md->topics[i].partitions[k];
			if (p->leader < 0 && wanted(arg, p->id))
				none = p->id;
		}
	rd_kafka_metadata_destroy(md);
	if (none >= 0)
		error_set(e, ERR_RETRIABLE, 0, "%s[%d] has no leader now", topic, (int)none);
	return none < 0;
}

// ---- put ----

struct put {
	bool done;
	rd_kafka_resp_err_t err;
	int64_t offset;
};

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	struct put *p = m->_private;
	p->done = true;
	p->err = m->err;
	p->offset = m->offset;
}

static void put_callbacks(struct client *c, rd_kafka_conf_t *conf)
{
	(void)c;
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
}

static enum status put_open(struct log_broker *b, struct error *e)
{
	if (b->putter.rk)
		return ST_OK;
	/* murmur2: where a Java producer puts the key, and log_partition_of says. */
	const char *settings[] = {"enable.idempotence", "true", "acks", "all", "linger.ms", "0",
	        "partitioner", "murmur2", "compression.type", "lz4", "message.timeout.ms",
	        "8000", "queue.buffering.max.kbytes", "16384", "message.max.bytes",
	        KAFKA_PRODUCE_BYTES_MAX_TEXT, "retry.backoff.ms", "20", NULL};
	return client_open(&b->putter, RD_KAFKA_PRODUCER, settings, put_callbacks, e);
}

/* One record at a time: control topics see a few a minute. */
static rd_kafka_resp_err_t put_wait(
        struct log_broker *b, rd_kafka_vu_t *vus, size_t n, struct put *p)
{
	rd_kafka_error_t *err = rd_kafka_produceva(b->putter.rk, vus, n);
	if (err) {
		rd_kafka_resp_err_t code = rd_kafka_error_code(err);
		rd_kafka_error_destroy(err);
		return code;
	}
	for (int waited = 0; !p->done && waited < PUT_MS; waited += 100)
		rd_kafka_poll(b->putter.rk, 100);
	return p->done ? p->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static rd_kafka_resp_err_t put_locked(struct log_broker *b, const char *topic,
        int32_t partition, struct slice key, const struct slice *value, struct put *p)
{
	rd_kafka_vu_t vus[6] = {
	        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
	        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
	        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	        {.vtype = RD_KAFKA_VTYPE_KEY,
	                .u.mem = {.ptr = (void *)(uintptr_t)key.p, .size = key.len}},
	        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = p},
	};
	size_t n = 5;
	if (value) {
		vus[n].vtype = RD_KAFKA_VTYPE_VALUE;
		vus[n].u.mem.ptr = value->len ? (void *)(uintptr_t)value->p : (void *)"";
		vus[n++].u.mem.size = value->len;
	}
	rd_kafka_resp_err_t err = put_wait(b, vus, n, p);
	if (err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
	        rd_kafka_fatal_error(b->putter.rk, NULL, 0)) {
		/* p is on our caller's stack: no report may come after this. An idempotent
		 * producer with a fatal error is of no more use. */
		rd_kafka_purge(
		        b->putter.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_destroy(b->putter.rk);
		b->putter.rk = NULL;
	}
	return err;
}

enum status broker_put(struct log_broker *b, const char *topic, int32_t partition,
        struct slice key, const struct slice *value, int64_t *offset, struct error *e)
{
	struct put p = {0};
	pthread_mutex_lock(&b->put_lock);
	enum status st = put_open(b, e);
	if (st == ST_OK) {
		rd_kafka_resp_err_t err = put_locked(b, topic, partition, key, value, &p);
		if (err)
			st = client_error(&b->putter, e, err, NULL, "writing to %s", topic);
		else
			client_ok(&b->putter);
	}
	pthread_mutex_unlock(&b->put_lock);
	if (st == ST_OK && offset)
		*offset = p.offset;
	return st;
}
