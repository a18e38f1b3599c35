/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of a schema registry (Confluent's HTTP interface): schemas by id for decoding, and
 * registering our own. Calls block for at most the timeout; any thread may call.
 */
#ifndef WEIR_CONNECTORS_REGISTRY_H
#define WEIR_CONNECTORS_REGISTRY_H

#include "base/clock.h"
#include "data/codec.h"

#define REGISTRY_TIMEOUT_MS 5000     /* of one request, by default */
#define REGISTRY_BODY_MAX (4u << 20) /* bytes of an answer */
#define REGISTRY_SCHEMAS_MAX 1024    /* kept for the registry's life */
#define REGISTRY_UNKNOWN_MAX 256     /* ids remembered as unknown */
#define REGISTRY_UNKNOWN_MS 10000    /* for so long */

struct registry;

struct registry_conf {
	const char *url;     /* "http://host:8081", may end in a path; no credentials in it */
	const char *auth;    /* "user:password" or NULL; never logged */
	int64_t timeout_ms;  /* 0: REGISTRY_TIMEOUT_MS */
	struct clock *clock; /* NULL: the system's */
	/* Answers by fingerprint (weir's own rows have no id); may be NULL, outlives the
	 * registry. */
	const struct schema_source *by_fingerprint;
};

/* Makes no request. The strings are copied. */
enum status registry_open(
        const struct registry_conf *conf, struct registry **out, struct error *e);
void registry_close(struct registry *r);

/* ST_END (unknown id, or a schema that is not usable: the error says why) is for a
 * dead letter; anything that a repair of the registry or its configuration cures is ST_ERR,
 * ERR_RETRIABLE. */
struct schema_source registry_source(struct registry *r);

/* Registers a schema under a subject ("topic-value") and gives its id; harmless to repeat.
 * ERR_USER when the registry refuses it, else ERR_RETRIABLE. */
enum status registry_register(struct registry *r, const char *subject, struct slice schema_json,
        uint32_t *id, struct error *e);

/* "user:password" from the variable WEIR_REGISTRY_AUTH, or from the first line of the file that
 * WEIR_REGISTRY_AUTH_FILE names. *out is NULL without either; free it. */
enum status registry_auth(char **out, struct error *e);

#endif
