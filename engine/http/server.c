// SPDX-License-Identifier: Apache-2.0
//
// The HTTP server: the only file that knows libmicrohttpd. It turns the library's calls into a
// struct http_request, asks http/routes.c, and sends the struct http_response.
//
// One thread per connection, of which there are HTTP_CONNECTIONS_MAX: calls to the node and
// /events may block, and a thread that waits costs less than making both of them asynchronous.
// The library must be answered on its second call (on the first one only the headers are there,
// and an answer then closes the connection under the client's unread body), so what is refused
// early is remembered while the body is read and dropped, up to HTTP_DRAIN_BYTES_MAX.
//
// Malformed HTTP itself (request line, header syntax, too large a head) is answered by the
// library, as 400, 414 or 431 with its own text.
#include "http/server.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "http/deadlines.h"
#include "http/events.h"
#include "http/exchange.h"
#include "http/listen.h"

#define STACK_BYTES ((size_t)256 << 10)
#define EVENT_BLOCK_BYTES ((size_t)16 << 10)

struct http_server {
	struct http_context context;
	struct listener listener;
	struct MHD_Daemon *daemon;
	struct deadlines *deadlines;
	atomic_bool stop;
	atomic_int event_clients;
	struct metric *answered[6], *event_clients_metric; /* answered[status / 100] */
};

/* One request on its way. */
struct exchange {
	struct http_server *server;
	char *target; /* as sent; cut in two at the '?' */
	struct http_request request;
	struct http_response response;
	struct buf body;
	uint64_t received;
	bool begun, refused;
};

struct event_client {
	struct http_server *server;
	struct event_stream *stream;
};

static struct deadline *deadline_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *i =
	        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return i ? i->socket_context : NULL;
}

/* Called first, with the request's target before any decoding. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *conn)
{
	(void)conn;
	struct exchange *x = xcalloc(1, sizeof *x);
	x->server = arg;
	x->target = xstrdup(target);
	char *query = strchr(x->target, '?');
	if (query)
		*query++ = 0;
	x->request.path = x->target;
	x->request.query = query ? query : "";
	return x;
}

static void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	buf_release(&x->body);
	buf_release(&x->response.body);
	free(x->target);
	free(x);
}

/* Nothing is ever decoded: see guard_path_ok. */
static size_t on_unescape(void *arg, struct MHD_Connection *conn, char *s)
{
	(void)arg, (void)conn;
	return strlen(s);
}

static const char *header(struct MHD_Connection *conn, const char *name)
{
	return MHD_lookup_connection_value(conn, MHD_HEADER_KIND, name);
}

static bool too_large(struct exchange *x)
{
	if (x->received <= HTTP_BODY_BYTES_MAX)
		return false;
	if (!x->refused)
		http_error(&x->response, 413, "too_large", NULL,
		        "The body is larger than %u bytes.", HTTP_BODY_BYTES_MAX);
	return x->refused = true;
}

/* The headers are in. True when the answer must not wait for the body. */
static bool exchange_begin(struct exchange *x, struct MHD_Connection *conn, const char *method)
{
	struct http_request *q = &x->request;
	q->method = method;
	q->host = header(conn, "Host");
	q->origin = header(conn, "Origin");
	q->fetch_site = header(conn, "Sec-Fetch-Site");
	q->accept = header(conn, "Accept");
	q->content_type = header(conn, "Content-Type");
	q->content_encoding = header(conn, "Content-Encoding");
	x->begun = true;
	x->refused = !http_admit(&x->server->context, q, &x->response);
	const char *length = header(conn, "Content-Length");
	uint64_t bytes = length ? strtoull(length, NULL, 10) : 0;
	uint64_t before = x->received;
	x->received = bytes; /* only to judge it; what arrives is counted below */
	too_large(x);
	x->received = before;
	return x->refused && (bytes > HTTP_DRAIN_BYTES_MAX || header(conn, "Expect"));
}

static ssize_t on_events_read(void *arg, uint64_t pos, char *out, size_t size)
{
	(void)pos;
	struct event_client *c = arg;
	ssize_t n = event_stream_read(c->stream, out, size);
	return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void event_clients_add(struct http_server *s, int n)
{
	int now = atomic_fetch_add(&s->event_clients, n) + n;
	metric_set(s->event_clients_metric, now);
}

static void on_events_end(void *arg)
{
	struct event_client *c = arg;
	event_clients_add(c->server, -1);
	event_stream_free(c->stream);
	free(c);
}

static struct MHD_Response *events_response(struct http_server *s, struct http_response *r)
{
	event_clients_add(s, 1);
	if (atomic_load(&s->event_clients) > HTTP_EVENT_CLIENTS_MAX) {
		event_clients_add(s, -1);
		r->events = false;
		r->retry_after_s = 10;
		http_error(r, 503, "too_many_clients", NULL,
		        "%d clients follow the events already; ask /jobs instead.",
		        HTTP_EVENT_CLIENTS_MAX);
		return NULL;
	}
	struct event_client *c = xcalloc(1, sizeof *c);
	c->server = s;
	c->stream = event_stream_new(s->context.node->cell, r->event_job, &s->stop);
	return MHD_create_response_from_callback(
	        MHD_SIZE_UNKNOWN, EVENT_BLOCK_BYTES, on_events_read, c, on_events_end);
}

static struct MHD_Response *body_response(struct http_response *r)
{
	if (r->fixed)
		return MHD_create_response_from_buffer(
		        r->fixed_len, (void *)(uintptr_t)r->fixed, MHD_RESPMEM_PERSISTENT);
	struct buf *b = &r->body;
	if (!b->p)
		return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	struct MHD_Response *m =
	        MHD_create_response_from_buffer(b->len, b->p, MHD_RESPMEM_MUST_FREE);
	if (m)
		buf_init(b); /* the library frees it */
	return m;
}

/* No script, style or connection but our own, in no frame; no CORS headers: other origins see
 * nothing. */
static void add_headers(struct MHD_Response *m, const struct http_response *r)
{
	MHD_add_response_header(m, "Content-Type", r->type);
	MHD_add_response_header(m, "Cache-Control", r->cache ? r->cache : "no-store");
	MHD_add_response_header(m, "Content-Security-Policy",
	        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors "
	        "'none'");
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(m, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
	if (r->status == 405)
		MHD_add_response_header(m, "Allow", r->allow);
	if (r->retry_after_s) {
		char seconds[16];
		snprintf(seconds, sizeof seconds, "%d", r->retry_after_s);
		MHD_add_response_header(m, "Retry-After", seconds);
	}
}

static enum MHD_Result exchange_answer(struct exchange *x, struct MHD_Connection *conn)
{
	struct http_response *r = &x->response;
	struct MHD_Response *m = r->events ? events_response(x->server, r) : NULL;
	if (!m)
		m = body_response(r);
	if (!m)
		return MHD_NO;
	add_headers(m, r);
	metric_add(x->server->answered[r->status / 100], 1);
	enum MHD_Result ok = MHD_queue_response(conn, (unsigned)r->status, m);
	MHD_destroy_response(m);
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **context)
{
	(void)arg, (void)url, (void)version;
	struct exchange *x = *context;
	if (!x->begun) {
		if (!exchange_begin(x, conn, method))
			return MHD_YES;
		deadline_clear(x->server->deadlines, deadline_of(conn));
		return exchange_answer(x, conn);
	}
	if (*size) {
		x->received += *size;
		if (!too_large(x) && !x->refused)
			buf_add(&x->body, data, *size);
		*size = 0;
		return x->received > HTTP_DRAIN_BYTES_MAX ? MHD_NO : MHD_YES;
	}
	deadline_clear(x->server->deadlines, deadline_of(conn));
	x->request.body = buf_view(&x->body);
	if (!x->refused)
		http_handle(&x->server->context, &x->request, &x->response);
	return exchange_answer(x, conn);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **context,
        enum MHD_RequestTerminationCode why)
{
	(void)why;
	struct http_server *s = arg;
	exchange_free(*context);
	*context = NULL;
	deadline_again(s->deadlines, deadline_of(conn), (int64_t)HTTP_IDLE_S_MAX * 1000);
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **socket_context,
        enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = arg;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		deadline_end(s->deadlines, *socket_context);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *i =
	        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	*socket_context = i ? deadline_begin(s->deadlines, i->connect_fd) : NULL;
}

static void metrics_init(struct http_server *s)
{
	static const char *const classes[] = {"1xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
	struct metrics *m = s->context.node->metrics;
	for (int i = 2; i < 6; i++)
		s->answered[i] = metrics_get(
		        m, METRIC_HTTP_REQUESTS, (struct metric_labels){.reason = classes[i]});
	s->event_clients_metric =
	        metrics_get(m, METRIC_HTTP_EVENT_CLIENTS, (struct metric_labels){0});
}

static struct MHD_Daemon *daemon_start(struct http_server *s)
{
	return MHD_start_daemon(
	        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION,
	        0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listener.fd,
	        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
	        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S_MAX,
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_BYTES_MAX,
	        MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
	        on_unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
	        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}

enum status http_open(const struct http_conf *conf, const struct http_node *node,
        struct http_server **out, struct error *e)
{
	struct http_server *s = xcalloc(1, sizeof *s);
	s->context = (struct http_context){.node = node, .version = conf->version};
	if (listener_open(&s->listener, conf->address, e) != ST_OK) {
		free(s);
		return ST_ERR;
	}
	s->context.loopback = s->listener.loopback;
	metrics_init(s);
	s->deadlines =
	        deadlines_new(conf->request_ms_max ? conf->request_ms_max : HTTP_REQUEST_MS_MAX,
	                metrics_get(node->metrics, METRIC_HTTP_CUT, (struct metric_labels){0}));
	s->daemon = s->deadlines ? daemon_start(s) : NULL;
	if (!s->daemon) {
		close(s->listener.fd);
		deadlines_free(s->deadlines);
		free(s);
		return error_set(e, ERR_FATAL, 0, "HTTP server at %s: cannot start a thread",
		        conf->address);
	}
	*out = s;
	return ST_OK;
}

void http_close(struct http_server *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, true);
	MHD_stop_daemon(s->daemon); /* closes the listening socket */
	deadlines_free(s->deadlines);
	free(s);
}

const char *http_address(const struct http_server *s)
{
	return s->listener.address;
}
