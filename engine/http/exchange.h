/* SPDX-License-Identifier: Apache-2.0
 *
 * A request and its response as plain data, between the server (which knows the HTTP library)
 * and the handlers (which do not).
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "http/server.h"

/* Borrowed from the connection, valid while it is handled. Headers are NULL when absent. */
struct http_request {
	const char *method; /* HEAD is routed as GET */
	const char *path;   /* as sent: nothing is decoded; no query */
	const char *query;  /* after the '?', as sent; "" */
	const char *host, *origin, *fetch_site, *accept, *content_type, *content_encoding;
	struct slice body;
	char job[HTTP_JOB_NAME_MAX + 1]; /* of the path, checked; "" when it has none */
};

struct http_response {
	int status;
	const char *type;  /* content type; static */
	const char *cache; /* Cache-Control; NULL: no-store */
	char allow[64];    /* of a 405 */
	int retry_after_s; /* 0: no such header */
	struct buf body;
	const void *fixed; /* static body instead of body */
	size_t fixed_len;
	bool events; /* then live events of the job in event_job ("": none) follow */
	char event_job[HTTP_JOB_NAME_MAX + 1];
};

/* What handlers need; lives as long as the server. */
struct http_context {
	const struct http_node *node;
	const char *version;
	bool loopback; /* bound to a loopback address */
};

/* Refusals that need no body: the path, the host, the origin, the route, the method. True when
 * the request may go on; else r is the answer. Sets q->job. */
bool http_admit(const struct http_context *c, struct http_request *q, struct http_response *r);
/* The answer to an admitted request, with its body. */
void http_handle(
        const struct http_context *c, const struct http_request *q, struct http_response *r);

/* {"error":{code, message, where}}; where may be NULL. */
void http_error(struct http_response *r, int status, const char *code, const char *where,
        const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* [a-z][a-z0-9_-]*, at most HTTP_JOB_NAME_MAX. */
bool http_job_name_ok(const char *name, size_t n);

#endif
