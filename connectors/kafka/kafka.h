/* SPDX-License-Identifier: Apache-2.0
 *
 * Kafka as the log contract (run/log.h). The only door to this folder: engine/cli opens a
 * broker here and hands it to the engine together with kafka_log.
 */
#ifndef WEIR_KAFKA_KAFKA_H
#define WEIR_KAFKA_KAFKA_H

#include "run/log.h"

struct kafka_conf {
	const char *brokers;   /* host:port,… */
	const char *client_id; /* of what is not a session: administration, control topics */
	/* librdkafka properties of the user's: name, value, name, value, …, NULL; may be NULL.
	 * Security and tuning; those that weir's guarantees rest on are refused. */
	const char *const *properties;
	uint64_t memory_bytes; /* for the client shared by administration and put; 0: 8 MB */
};

extern const struct log_ops kafka_log;

/* Does not need a broker that answers. ERR_USER when a property is refused. */
enum status kafka_open(const struct kafka_conf *conf, struct log_broker **out, struct error *e);

/* Reads a properties file: name=value lines, # comments; a value ${env:NAME} is taken from the
 * environment and ${file:PATH} from a file's first line, so that no secret need be in it.
 * ERR_USER names file and line, never a value. Free with kafka_properties_free. */
enum status kafka_properties_read(const char *path, char ***out, struct error *e);
void kafka_properties_free(char **properties);

/* Counters of one session since it was opened, for diagnosis; any thread. */
struct kafka_stats {
	uint64_t records, bytes; /* consumed */
	uint64_t stale;          /* dropped: delivered twice by the client or moved away from */
	uint64_t appended;       /* produced, acknowledged or not */
	uint64_t rebalances, lost; /* callbacks; of these, assignment already lost */
	uint64_t producers;        /* handles created */
	uint64_t errors;           /* error events of both clients */
	char last_error[240];      /* "" when there was none */
};
void kafka_session_stats(struct log_session *s, struct kafka_stats *out);

#endif
