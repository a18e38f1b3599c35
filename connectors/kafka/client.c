// SPDX-License-Identifier: Apache-2.0
//
// A librdkafka handle with what every use of one needs: configuration from three layers (weir's
// settings, the user's properties, never the other way round for the reserved ones), its log
// lines as ours, and errors that say what failed and why the broker cannot be reached.
//
// Values of the user's properties appear in no log line and no error. A handle's own threads
// call only on_log; everything else runs on the thread that polls it.
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

#define LOG_REPEAT_NS                                                                          \
	((int64_t)30 * 1000000000) /* a repeated line is written again after it                \
	                            */

const char *const client_reserved[] = {"bootstrap.servers", "metadata.broker.list", "client.id",
        "group.id", "group.instance.id", "group.protocol", "partition.assignment.strategy",
        "enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms",
        "enable.auto.offset.store", "auto.offset.reset", "isolation.level",
        "enable.partition.eof", "transactional.id", "transaction.timeout.ms",
        "enable.idempotence", "acks", "request.required.acks", "message.timeout.ms",
        "delivery.timeout.ms", "partitioner", "offset.store.method", "plugin.library.paths",
        "retries", "message.send.max.retries", "delivery.report.only.error",
        "produce.offset.report", "consume.records", "log.queue", "opaque", NULL};

bool client_property_secret(const char *name)
{
	static const char *const words[] = {"password", "secret", "token", "key", "jaas",
	        "certificate", "credential", "oauthbearer.config", NULL};
	for (int i = 0; words[i]; i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

// ---- log ----

static bool quiet(const char *fac)
{
	/* CONFWARN: one list of properties serves consumers and producers alike. The others
	 * tell of retries that librdkafka makes as a matter of course. */
	static const char *const facs[] = {"CONFWARN", "GETPID", "REQTMOUT", "MAXPOLL",
	        "TERMINATE", "TOPICERR", "TXNERR", "ADDOFFSETS", "ADDPARTS", "TXNCOMMIT",
	        "TXNABORT", "ENDTXN", NULL};
	for (int i = 0; facs[i]; i++)
		if (strcmp(fac, facs[i]) == 0)
			return true;
	return false;
}

/* "[thrd:x]: host/boot: Connect to … failed: WHY (after 0ms in …)" -> WHY */
static void reason(const char *line, char *out, size_t size)
{
	const char *p = strstr(line, "failed: ");
	if (p) {
		p += strlen("failed: ");
	} else {
		p = line;
		if (*p == '[' && (p = strstr(line, "]: ")))
			p += 3;
		else
			p = line;
	}
	const char *end = strstr(p, " (after ");
	size_t n = end ? (size_t)(end - p) : strlen(p);
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), p);
}

static bool repeated(struct client *c, const char *fac, const char *text)
{
	int64_t now = clock_mono_ns(&clock_system);
	char line[sizeof c->last_log];
	/* Connections fail in turn, to each broker under each of its names. */
	bool failed = strcmp(fac, "FAIL") == 0;
	snprintf(line, sizeof line, "%s %s", fac, failed ? "" : text);
	if (strcmp(line, c->last_log) == 0 && now - c->last_log_ns < LOG_REPEAT_NS)
		return true;
	memcpy(c->last_log, line, sizeof line);
	c->last_log_ns = now;
	return false;
}

/* Without the name of the thread. */
static const char *told(const char *line)
{
	const char *p = *line == '[' ? strstr(line, "]: ") : NULL;
	return p ? p + 3 : line;
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
	struct client *c = rd_kafka_opaque(rk);
	char why[sizeof c->down];
	reason(text, why, sizeof why);
	pthread_mutex_lock(&c->lock);
	if (level <= 4 && (strcmp(fac, "FAIL") == 0 || strcmp(fac, "ERROR") == 0)) {
		if (strcmp(fac, "FAIL") == 0)
			memcpy(c->down, why, sizeof why);
		memcpy(c->last_error, why, sizeof why);
	}
	if (level <= 3 && strcmp(fac, "TXNERR") == 0) { /* "Current transaction failed in state X: WHY" */
		const char *p = strstr(text, "state ");
		p = p ? strstr(p, ": ") : NULL;
		snprintf(c->txn_error, sizeof c->txn_error, "%s", p ? p + 2 : text);
	}
	bool again = repeated(c, fac, why);
	pthread_mutex_unlock(&c->lock);
	if (level >= 5 || quiet(fac) || again)
		LOG_DEBUG("kafka", "%s: %s: %s", c->name, fac, text);
	else
		LOG_WARN("kafka", "%s: %s", c->name, told(text));
}

static bool unreachable(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
		return true;
	default:
		return false;
	}
}

static void on_error(rd_kafka_t *rk, int err, const char *text, void *opaque)
{
	(void)rk;
	struct client *c = opaque;
	atomic_fetch_add(&c->errors, 1);
	pthread_mutex_lock(&c->lock);
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		c->all_down = true;
	else
		snprintf(c->last_error, sizeof c->last_error, "%s", text);
	pthread_mutex_unlock(&c->lock);
	LOG_DEBUG("kafka", "%s: %s: %s", c->name, rd_kafka_err2name(err), text);
	if (c->failed && !unreachable(err))
		c->failed(c, err, text);
}

bool client_all_down(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	bool down = c->all_down;
	c->all_down = false;
	pthread_mutex_unlock(&c->lock);
	return down;
}

bool client_down(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	bool down = c->down[0] != 0;
	pthread_mutex_unlock(&c->lock);
	return down;
}

void client_ok(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	c->down[0] = 0;
	pthread_mutex_unlock(&c->lock);
}

// ---- errors ----

enum error_class client_error_class(rd_kafka_resp_err_t err)
{
	if (unreachable(err))
		return ERR_RETRIABLE;
	switch (err) {
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
	case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
	case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
	case RD_KAFKA_RESP_ERR__IN_PROGRESS:
	case RD_KAFKA_RESP_ERR__DESTROY_BROKER: /* a connection given up for another to the same */
		return ERR_RETRIABLE;
	default:
		return ERR_FATAL;
	}
}

enum status client_error(struct client *c, struct error *e, rd_kafka_resp_err_t err,
        const char *why, const char *fmt, ...)
{
	char what[400], down[sizeof c->down];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	if (!why || !*why)
		why = rd_kafka_err2str(err);
	pthread_mutex_lock(&c->lock);
	memcpy(down, c->down, sizeof down);
	pthread_mutex_unlock(&c->lock);
	if (unreachable(err) && down[0])
		return error_set(e, ERR_RETRIABLE, err, "%s: no broker at %s answers: %s", what,
		        c->broker->brokers, down);
	return error_set(e, client_error_class(err), err, "%s: %s", what, why);
}

enum status client_error_take(
        struct client *c, struct error *e, rd_kafka_error_t *err, const char *fmt, ...)
{
	char what[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	client_error(c, e, rd_kafka_error_code(err), rd_kafka_error_string(err), "%s", what);
	rd_kafka_error_destroy(err);
	return ST_ERR;
}

// ---- handle ----

void client_init(struct client *c, struct log_broker *b, void *owner, const char *fmt, ...)
{
	memset(c, 0, sizeof *c);
	c->broker = b;
	c->owner = owner;
	pthread_mutex_init(&c->lock, NULL);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->name, sizeof c->name, fmt, ap);
	va_end(ap);
}

static enum status set(
        rd_kafka_conf_t *conf, const char *name, const char *value, bool ours, struct error *e)
{
	char why[300];
	if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
		return ST_OK;
	/* librdkafka's text may quote the value. */
	if (strcmp(name, "sasl.jaas.config") == 0)
		snprintf(why, sizeof why, "is Java's; write sasl.username and sasl.password");
	else if (client_property_secret(name))
		snprintf(why, sizeof why, "librdkafka refuses its value");
	return error_set(e, ours ? ERR_FATAL : ERR_USER, 0, "kafka property %s: %s", name, why);
}

static enum status set_all(
        rd_kafka_conf_t *conf, const char *const *list, bool ours, struct error *e)
{
	enum status st = ST_OK;
	for (uint32_t i = 0; list && list[i] && st == ST_OK; i += 2)
		st = set(conf, list[i], list[i + 1], ours, e);
	return st;
}

static enum status configure(
        struct client *c, rd_kafka_conf_t *conf, const char *const *settings, struct error *e)
{
	struct log_broker *b = c->broker;
	const char *common[] = {"bootstrap.servers", b->brokers, "client.id", b->client_id,
	        "topic.metadata.refresh.interval.ms", "60000", "reconnect.backoff.ms", "50",
	        "reconnect.backoff.max.ms", "1000", "socket.keepalive.enable", "true",
	        "allow.auto.create.topics", "false", "enable.metrics.push", "false", NULL};
	enum status st = set_all(conf, common, true, e);
	if (st == ST_OK)
		st = set_all(conf, settings, true, e);
	if (st == ST_OK)
		st = set_all(conf, (const char *const *)b->properties, false, e);
	return st;
}

enum status client_open(struct client *c, rd_kafka_type_t type, const char *const *settings,
        void (*more)(struct client *c, rd_kafka_conf_t *conf), struct error *e)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	if (configure(c, conf, settings, e) != ST_OK) {
		rd_kafka_conf_destroy(conf);
		return ST_ERR;
	}
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (more)
		more(c, conf);
	char why[400];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		/* A combination of properties, or no threads left; it may quote a value only
		 * in the first case, and then of a property that is no secret. */
		return error_set(e, ERR_USER, rd_kafka_last_error(), "kafka client: %s", why);
	}
	c->rk = rk;
	return ST_OK;
}

void client_txn_begins(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	c->txn_error[0] = 0;
	pthread_mutex_unlock(&c->lock);
}

void client_txn_error(struct client *c, char *out, size_t size)
{
	pthread_mutex_lock(&c->lock);
	snprintf(out, size, "%s", c->txn_error);
	pthread_mutex_unlock(&c->lock);
}

void client_close(struct client *c)
{
	if (c->rk)
		rd_kafka_destroy(c->rk);
	c->rk = NULL;
	pthread_mutex_destroy(&c->lock);
}
