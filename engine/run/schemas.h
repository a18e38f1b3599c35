/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer schemas of weir's own rows, for clusters without a schema registry: the compacted
 * topic <prefix>.schemas, one partition; key = 16 hex digits of the fingerprint, value = the
 * Avro schema as JSON. Published before the first row is written with them.
 *
 * A fingerprint leaves out logical types. Where two schemas share one, the topic keeps the last
 * that was published, so names must tell apart what only logical types do (the rows of a view
 * carry its version in their schema's name).
 */
#ifndef WEIR_RUN_SCHEMAS_H
#define WEIR_RUN_SCHEMAS_H

#include "base/clock.h"
#include "data/codec.h"
#include "run/log.h"

#define SCHEMAS_MAX 16384     /* kept by a reader; more is an error */
#define SCHEMAS_READ_MS 20000 /* for reading the topic to its end */
#define SCHEMAS_AGAIN_MS                                                                       \
	1000 /* a fingerprint that is not there is looked for again after this */

const char *schemas_topic(const char *prefix, char out[256]);

/* Creates the topic if need be and writes those of list that are not in it yet, or are there
 * with another text. ERR_RETRIABLE when no broker answers. */
enum status schemas_publish(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, const struct schema *const *list, uint32_t n, struct error *e);

/* A source of schemas by fingerprint, for decoders. Asks nothing until the first need, and
 * reads on when a fingerprint is not known. Any thread. A topic that does not exist is empty.
 */
struct schemas;
struct schemas *schemas_open(const struct log_ops *log, struct log_broker *broker,
        const char *prefix, struct clock *clock);
void schemas_close(struct schemas *s);
/* Lives as long as s, and so do the schemas it gives. by_id is NULL. */
const struct schema_source *schemas_source(struct schemas *s);

#endif
