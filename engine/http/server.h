/* SPDX-License-Identifier: Apache-2.0
 *
 * The node's HTTP server: health, metrics, the jobs, the status page and its live events. It
 * reads the node through published snapshots and a table of calls, so that no request ever
 * touches a task; a slow or hostile client costs a connection, never processing.
 *
 * The endpoints are the table in http/routes.c; docs/reference/http.md describes them.
 */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/metrics.h"
#include "run/snapshot.h"

#define HTTP_BODY_BYTES_MAX (1u << 20)  /* larger: 413; as large as a job file may be */
#define HTTP_DRAIN_BYTES_MAX (8u << 20) /* a too large body is read this far to be answered */
#define HTTP_HEAD_BYTES_MAX (16u << 10) /* request line and headers: 414 or 431 */
#define HTTP_CONNECTIONS_MAX 64         /* further ones wait to be accepted, then are cut */
#define HTTP_EVENT_CLIENTS_MAX 16       /* of /events; further ones get 503 */
#define HTTP_REQUEST_MS_MAX 15000       /* to send a whole request */
#define HTTP_IDLE_S_MAX 30              /* of a silent connection */
#define HTTP_KEEPALIVE_MS 10000         /* between signs of life on /events */
#define HTTP_JOB_NAME_MAX 128           /* [a-z][a-z0-9_-]* */

/* What a call to the node came to. */
enum http_result {
	HTTP_OK,
	HTTP_NO_JOB,      /* 404 */
	HTTP_INVALID,     /* 400: diagnostics say why */
	HTTP_CONFLICT,    /* 409: another plan under the same version; diff says what */
	HTTP_UNAVAILABLE, /* 503: the outside world failed; message says what */
};

/* Filled by the node; released by the server. */
struct http_reply {
	char message[1000];     /* one sentence; for HTTP_OK what was done, may be "" */
	char where[256];        /* "job.yaml:3:5"; "" when there is no place */
	struct buf diagnostics; /* a JSON array (diagnostics_json), or empty */
	struct buf diff;        /* text, or empty */
};

/* The calls may come from several threads at once and may block for seconds. */
struct http_node {
	void *arg;
	struct snapshot_cell *cell;
	struct metrics *metrics;
	/* Deploys the job file. It must name the same job as the path: else HTTP_INVALID. */
	enum http_result (*job_put)(
	        void *arg, const char *job, struct slice yaml, struct http_reply *r);
	/* The definition as deployed, self-contained YAML. */
	enum http_result (*job_get)(
	        void *arg, const char *job, struct buf *yaml, struct http_reply *r);
	enum http_result (*job_delete)(void *arg, const char *job, struct http_reply *r);
	enum http_result (*job_pause)(void *arg, const char *job, struct http_reply *r);
	enum http_result (*job_resume)(void *arg, const char *job, struct http_reply *r);
};

struct http_conf {
	const char *address; /* "127.0.0.1:8080", "[::1]:0", "0.0.0.0:80"; port 0: a free one */
	const char *version; /* weir's, for /version */
	int64_t request_ms_max; /* 0: HTTP_REQUEST_MS_MAX */
};

struct http_server;
/* Answers from its return on. node and what it points to must outlive the server. A port in use
 * or a bad address is ERR_USER. */
enum status http_open(const struct http_conf *conf, const struct http_node *node,
        struct http_server **out, struct error *e);
/* Cuts every connection and returns when no call is running. NULL is fine. */
void http_close(struct http_server *s);
/* "127.0.0.1:41234", with the port it got. */
const char *http_address(const struct http_server *s);

#endif
