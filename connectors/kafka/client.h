/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: one librdkafka handle with its log, last failure and
 * counters (struct client), and the broker that owns the configuration.
 */
#ifndef WEIR_KAFKA_CLIENT_H
#define WEIR_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How long a question to the cluster may take before it is ERR_RETRIABLE. */
#define KAFKA_ASK_MS 5000
/* Creating topics makes many partitions on every replica. */
#define KAFKA_CREATE_MS 30000
#define KAFKA_PRODUCE_BYTES_MAX 8000000 /* weir's own topics take as much (run/plan.c) */
#define KAFKA_PRODUCE_BYTES_MAX_TEXT "8000000"

struct log_broker;

struct client {
	rd_kafka_t *rk; /* NULL: not created */
	struct log_broker *broker;
	void *owner; /* for callbacks: the session, the reader */
	/* Error events beside connections; on the polling thread; may be NULL. */
	void (*failed)(struct client *c, rd_kafka_resp_err_t err, const char *why);
	char name[100];

	/* Set by the interceptor, from librdkafka's threads; see I5 in producer.c. */
	atomic_bool ambiguous;
	atomic_ullong errors;

	pthread_mutex_t lock; /* guards what follows; log lines come from any thread */
	char down[240];       /* why the last connection failed; "" after a success */
	char last_error[240];
	char txn_error[240]; /* why librdkafka gave up the transaction; "": it did not */
	char last_log[240]; /* to write a repeated line once */
	int64_t last_log_ns;
	bool all_down; /* no broker was reachable, and nobody was told yet */
};

struct log_broker {
	char *brokers, *client_id;
	char **properties; /* name, value, …, NULL */
	uint64_t memory_bytes;
	struct client admin; /* a consumer without a group, read_uncommitted; any thread */
	struct client putter;
	pthread_mutex_t put_lock; /* serialises put and guards putter's creation */
};

void client_init(struct client *c, struct log_broker *b, void *owner, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* Creates c->rk. settings: name, value, …, NULL; the user's properties come after them. more
 * (may be NULL) sets callbacks. */
enum status client_open(struct client *c, rd_kafka_type_t type, const char *const *settings,
        void (*more)(struct client *c, rd_kafka_conf_t *conf), struct error *e);
void client_close(struct client *c); /* also of one never opened */

/* Fills e from a librdkafka error: class by its kind, message "what: why", and for a broker
 * that cannot be reached "what: no broker at … answers: why". Returns ST_ERR. */
enum status client_error(struct client *c, struct error *e, rd_kafka_resp_err_t err,
        const char *why, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same for an error object, which it destroys. */
enum status client_error_take(struct client *c, struct error *e, rd_kafka_error_t *err,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));
enum error_class client_error_class(rd_kafka_resp_err_t err);
bool client_down(struct client *c); /* no connection has worked since one failed */
void client_ok(struct client *c);   /* an operation succeeded: forget why it was down */
/* True once after all brokers went away. */
bool client_all_down(struct client *c);
void client_txn_begins(struct client *c); /* forgets txn_error */
void client_txn_error(struct client *c, char *out, size_t size);

/* Every property that is weir's to decide; NULL-terminated. */
extern const char *const client_reserved[];
bool client_property_secret(const char *name);

#endif
