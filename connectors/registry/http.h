/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request to the registry.
 */
#ifndef WEIR_CONNECTORS_REGISTRY_HTTP_H
#define WEIR_CONNECTORS_REGISTRY_HTTP_H

#include "base/buf.h"
#include "base/error.h"

struct http;

struct http *http_new(const char *auth, int64_t timeout_ms);
void http_free(struct http *h);

/* GET, or POST when body is given. ST_ERR: no answer (ERR_RETRIABLE). */
enum status http_request(struct http *h, const char *url, const struct buf *body, long *code,
        struct buf *answer, struct error *e);
/* Percent-escapes one path segment; free it with http_escaped_free. */
char *http_escape(struct http *h, const char *segment);
void http_escaped_free(char *s);

#endif
