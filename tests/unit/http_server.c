// SPDX-License-Identifier: Apache-2.0
//
// The HTTP server on a free port with a node that does not exist, asked through raw sockets:
// each endpoint, and everything a bad client can do. Run with --serve PORT it serves the status
// page with lively numbers instead, to look at it.
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#include "fake_node.h"
#include "http/server.h"

#define READ_MS_MAX 10000 /* a test that waits longer has failed */

static struct snapshot_cell *cell;
static struct metrics *metrics;
static struct http_server *server;
static char last_call[2000];

static enum http_result fake_put(
        void *arg, const char *job, struct slice yaml, struct http_reply *r)
{
	(void)arg;
	snprintf(last_call, sizeof last_call, "put %s %u", job, yaml.len);
	if (strcmp(job, "broken") == 0) {
		snprintf(r->message, sizeof r->message, "unknown word \"lenght\"");
		snprintf(r->where, sizeof r->where, "job.yaml:3:5");
		buf_str(&r->diagnostics, "[{\"line\":3}]");
		return HTTP_INVALID;
	}
	if (strcmp(job, "changed") == 0) {
		buf_str(&r->diff, "-  a: count()\n+  a: sum(x)\n");
		return HTTP_CONFLICT;
	}
	return HTTP_OK;
}

static enum http_result fake_get(
        void *arg, const char *job, struct buf *yaml, struct http_reply *r)
{
	(void)arg, (void)r;
	if (strcmp(job, "flights") != 0)
		return HTTP_NO_JOB;
	buf_str(yaml, "job: flights\n");
	return HTTP_OK;
}

static enum http_result fake_delete(void *arg, const char *job, struct http_reply *r)
{
	(void)arg, (void)r;
	snprintf(last_call, sizeof last_call, "delete %s", job);
	return strcmp(job, "flights") == 0 ? HTTP_OK : HTTP_NO_JOB;
}

static enum http_result fake_pause(void *arg, const char *job, struct http_reply *r)
{
	(void)arg;
	snprintf(last_call, sizeof last_call, "pause %s", job);
	snprintf(r->message, sizeof r->message, "no broker answers");
	return strcmp(job, "flights") == 0 ? HTTP_OK : HTTP_UNAVAILABLE;
}

static enum http_result fake_resume(void *arg, const char *job, struct http_reply *r)
{
	(void)arg, (void)r;
	snprintf(last_call, sizeof last_call, "resume %s", job);
	return HTTP_OK;
}

static struct http_node node = {.job_put = fake_put,
        .job_get = fake_get,
        .job_delete = fake_delete,
        .job_pause = fake_pause,
        .job_resume = fake_resume};

static void start(int64_t request_ms_max)
{
	struct error e = {0};
	node.cell = cell = snapshot_cell_new();
	node.metrics = metrics = metrics_new();
	struct http_conf conf = {"127.0.0.1:0", "0.1.0", request_ms_max};
	ck_assert_msg(http_open(&conf, &node, &server, &e) == ST_OK, "%s", e.msg);
	last_call[0] = 0;
}

static void setup(void)
{
	start(0);
	snapshot_publish(cell, fake_snapshot(3));
}

static void setup_starting(void)
{
	start(0);
}

static void setup_impatient(void)
{
	start(150);
	snapshot_publish(cell, fake_snapshot(3));
}

static void teardown(void)
{
	http_close(server);
	snapshot_cell_free(cell);
	metrics_free(metrics);
}

/* -- a client -- */

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	        .sin_port = htons((uint16_t)atoi(strrchr(http_address(server), ':') + 1))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void send_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent < 0)
			return; /* the server may have had enough: what it answered counts */
		p += sent;
		n -= (size_t)sent;
	}
}

/* Reads until the text is there (NULL: until the end of the stream). */
static void read_until(int fd, struct buf *out, const char *text)
{
	while (!text || !strstr(buf_cstr(out), text)) {
		struct pollfd p = {fd, POLLIN, 0};
		ck_assert_msg(poll(&p, 1, READ_MS_MAX) > 0, "no answer: %s", buf_cstr(out));
		buf_reserve(out, 65536);
		ssize_t n = recv(fd, out->p + out->len, 65535, 0);
		if (n <= 0)
			return;
		out->len += (size_t)n;
	}
}

/* Sends bytes as they are, reads to the end of the stream, returns the status (0: none). */
static int ask_raw(const void *request, size_t n, struct buf *out)
{
	int fd = dial();
	send_all(fd, request, n);
	read_until(fd, out, NULL);
	close(fd);
	int status = 0;
	sscanf(buf_cstr(out), "HTTP/1.1 %d", &status);
	return status;
}

__attribute__((format(printf, 2, 3))) static int ask(struct buf *out, const char *fmt, ...)
{
	struct buf request;
	buf_init(&request);
	char line[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	buf_str(&request, line);
	buf_init(out);
	int status = ask_raw(request.p, request.len, out);
	buf_release(&request);
	return status;
}

#define END "Host: localhost\r\nConnection: close\r\n\r\n"

static const char *body_of(struct buf *answer)
{
	const char *at = strstr(buf_cstr(answer), "\r\n\r\n");
	ck_assert_ptr_nonnull(at);
	return at + 4;
}

/* The error code of a JSON error answer; checks its shape. */
static const char *error_code(struct buf *answer)
{
	static char code[64];
	json_error_t why;
	json_t *j = json_loads(body_of(answer), 0, &why);
	ck_assert_msg(j != NULL, "%s: %s", why.text, buf_cstr(answer));
	const char *text = NULL, *message = NULL;
	json_t *where = NULL;
	ck_assert_int_eq(json_unpack(j, "{s:{s:s,s:s,s:o}}", "error", "code", &text, "message",
	                         &message, "where", &where),
	        0);
	ck_assert(*message && (json_is_null(where) || json_is_string(where)));
	snprintf(code, sizeof code, "%s", text);
	json_decref(j);
	return code;
}

/* -- what it answers -- */

static const struct {
	const char *method, *path;
	int status;
	const char *text; /* somewhere in the answer */
} answers[] = {
        {"GET", "/healthz", 200, "ok"},
        {"GET", "/readyz", 503, "sessions is restoring"},
        {"GET", "/metrics", 200, "# TYPE weir_http_requests_total counter"},
        {"GET", "/version", 200, "{\"name\":\"weir\",\"version\":\"0.1.0\"}"},
        {"GET", "/jobs", 200, "\"name\":\"sessions\",\"state\":\"restoring\""},
        {"GET", "/jobs/flights", 200, "\"dead_by_reason\":{\"bad_json\":5"},
        {"GET", "/jobs/flights/tasks", 200, "{\"job\":\"flights\",\"tasks\":[{\"name\":"},
        {"GET", "/", 200, "Content-Security-Policy: default-src 'none'"},
        {"GET", "/?x=1", 200, "text/html; charset=utf-8"},
        {"GET", "/app.js", 200, "Content-Type: text/javascript"},
        {"GET", "/style.css", 200, "prefers-color-scheme"},
        {"HEAD", "/jobs", 200, "Content-Type: application/json"},
        {"HEAD", "/events", 200, "text/event-stream"},
        {"DELETE", "/jobs/flights", 200,
                "{\"job\":\"flights\",\"result\":\"removed\",\"message\":\"\"}"},
        {"POST", "/jobs/flights/pause", 200, "\"result\":\"paused\""},
        {"POST", "/jobs/flights/resume", 200, "\"result\":\"resumed\""},
        {"GET", "/jobs/nothing", 404, "no_such_job"},
        {"GET", "/jobs/nothing/tasks", 404, "no_such_job"},
        {"DELETE", "/jobs/nothing", 404, "no_such_job"},
        {"POST", "/jobs/nothing/pause", 503, "no broker answers"},
        {"GET", "/nothing", 404, "not_found"},
        {"GET", "/jobs/", 404, "not_found"},
        {"GET", "/jobs/flights/", 404, "not_found"},
        {"GET", "/jobs/flights/tasks/x", 404, "not_found"},
        {"GET", "/index.html", 404, "not_found"},
        /* names */
        {"GET", "/jobs/Flights", 400, "bad_name"},
        {"PUT", "/jobs/1x", 400, "bad_name"},
        {"PUT", "/jobs/a.b", 400, "bad_name"},
        {"GET", "/events?job=../x", 400, "bad_name"},
        {"GET", "/events?user=1", 400, "bad_query"},
        /* methods */
        {"POST", "/jobs", 405, "Allow: GET, HEAD\r\n"},
        {"PATCH", "/jobs/flights", 405, "Allow: GET, HEAD, PUT, DELETE\r\n"},
        {"GET", "/jobs/flights/pause", 405, "Allow: POST\r\n"},
        {"OPTIONS", "/", 405, "method_not_allowed"},
        {"TRACE", "/metrics", 405, "method_not_allowed"},
        {"BREW", "/healthz", 405, "method_not_allowed"},
        /* paths */
        {"GET", "/jobs/%66lights", 400, "bad_path"},
        {"GET", "/jobs/flights%00", 400, "bad_path"},
        {"GET", "/%2e%2e/%2e%2e/etc/passwd", 400, "bad_path"},
        {"GET", "/../../etc/passwd", 400, "bad_path"},
        {"GET", "/jobs/../metrics", 400, "bad_path"},
        {"GET", "/./jobs", 400, "bad_path"},
        {"GET", "//jobs", 400, "bad_path"},
        {"GET", "/jobs//flights", 400, "bad_path"},
        {"GET", "/jobs\\flights", 400, "bad_path"},
        {"GET", "/jobs/<script>", 400, "bad_path"},
        {"GET", "http://elsewhere/jobs", 400, "bad_path"},
        {"GET", "jobs", 400, ""},
        {"GET", "*", 400, ""},
};

START_TEST(test_answer)
{
	struct buf out;
	int status = ask(&out, "%s %s HTTP/1.1\r\n" END, answers[_i].method, answers[_i].path);
	ck_assert_msg(status == answers[_i].status && strstr(buf_cstr(&out), answers[_i].text),
	        "%s %s: %s", answers[_i].method, answers[_i].path, buf_cstr(&out));
	if (strcmp(answers[_i].method, "HEAD") == 0)
		ck_assert_str_eq(body_of(&out), "");
	else if (status >= 400)
		error_code(&out);
	ck_assert_ptr_null(strstr(buf_cstr(&out), "Access-Control"));
	buf_release(&out);
}
END_TEST

START_TEST(test_json_is_valid)
{
	static const char *const paths[] = {
	        "/jobs", "/jobs/flights", "/jobs/sessions", "/jobs/flights/tasks", "/version"};
	struct buf out;
	ck_assert_int_eq(ask(&out, "GET %s HTTP/1.1\r\n" END, paths[_i]), 200);
	json_error_t why;
	json_t *j = json_loads(body_of(&out), JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(j != NULL, "%s: %s at %d", paths[_i], why.text, why.position);
	json_decref(j);
	buf_release(&out);
}
END_TEST

START_TEST(test_starting)
{
	static const char *const paths[] = {
	        "/readyz", "/jobs", "/jobs/flights", "/jobs/flights/tasks"};
	struct buf out;
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(ask(&out, "GET %s HTTP/1.1\r\n" END, paths[i]), 503);
		ck_assert_str_eq(error_code(&out), "not_ready");
		buf_release(&out);
	}
	ck_assert_int_eq(ask(&out, "GET /healthz HTTP/1.1\r\n" END), 200);
	buf_release(&out);
}
END_TEST

START_TEST(test_ready)
{
	struct snapshot *s = fake_snapshot(1);
	s->ready = true;
	snapshot_publish(cell, s);
	struct buf out;
	ck_assert_int_eq(ask(&out, "GET /readyz HTTP/1.1\r\n" END), 200);
	ck_assert_str_eq(body_of(&out), "{\"ready\":true}\n");
	buf_release(&out);
}
END_TEST

/* -- deploying -- */

static int put(struct buf *out, const char *job, const char *headers, const char *body)
{
	return ask(out, "PUT /jobs/%s HTTP/1.1\r\n%sContent-Length: %zu\r\n" END "%s", job,
	        headers, strlen(body), body);
}

static const struct {
	const char *job, *headers, *body;
	int status;
	const char *text;
} puts_[] = {
        {"flights", "", "job: flights\n", 200, "\"result\":\"deployed\""},
        {"flights", "Content-Type: application/x-www-form-urlencoded\r\n", "job: flights\n",
                200, ""},
        {"flights", "Content-Type: application/yaml\r\n", "job: flights\n", 200, ""},
        {"broken", "", "job: x\n", 400,
                "{\"error\":{\"code\":\"invalid_job\",\"message\":\"unknown word "
                "\\\"lenght\\\"\","
                "\"where\":\"job.yaml:3:5\",\"diagnostics\":[{\"line\":3}]}}\n"},
        {"changed", "", "job: x\n", 409, "\"diff\":\"-  a: count()\\n+  a: sum(x)\\n\"}}\n"},
        {"flights", "", "", 400, "empty_body"},
        {"flights", "Content-Type: multipart/form-data; boundary=x\r\n", "--x--", 415,
                "unsupported_media_type"},
        {"flights", "Content-Encoding: gzip\r\n", "xx", 415, "unsupported_media_type"},
        {"flights", "Origin: http://evil.example\r\n", "job: flights\n", 403,
                "forbidden_origin"},
        {"flights", "Origin: null\r\n", "job: flights\n", 403, "forbidden_origin"},
        {"flights", "Sec-Fetch-Site: cross-site\r\n", "job: flights\n", 403,
                "forbidden_origin"},
        {"flights", "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", "job: x\n",
                200, ""},
};

START_TEST(test_put)
{
	struct buf out;
	int status = put(&out, puts_[_i].job, puts_[_i].headers, puts_[_i].body);
	ck_assert_msg(status == puts_[_i].status && strstr(buf_cstr(&out), puts_[_i].text),
	        "%s", buf_cstr(&out));
	bool called = strncmp(last_call, "put", 3) == 0;
	ck_assert(called == (status == 200 || status == 409 || puts_[_i].job[0] == 'b'));
	buf_release(&out);
}
END_TEST

START_TEST(test_put_nul)
{
	static const char request[] =
	        "PUT /jobs/flights HTTP/1.1\r\nContent-Length: 9\r\n" END "job: \0 x\n";
	struct buf out;
	buf_init(&out);
	ck_assert_int_eq(ask_raw(request, sizeof request - 1, &out), 400);
	ck_assert_str_eq(error_code(&out), "bad_body");
	ck_assert_str_eq(last_call, "");
	buf_release(&out);
}
END_TEST

/* Chunked, in three chunks: the handler sees one body. */
START_TEST(test_put_chunked)
{
	struct buf out;
	ck_assert_int_eq(
	        ask(&out, "PUT /jobs/flights HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
	                  "4\r\njob:\r\n3\r\n fl\r\n2\r\nx\n\r\n0\r\n\r\n"),
	        200);
	ck_assert_str_eq(last_call, "put flights 9");
	buf_release(&out);
}
END_TEST

START_TEST(test_get_yaml)
{
	struct buf out;
	ck_assert_int_eq(
	        ask(&out, "GET /jobs/flights HTTP/1.1\r\nAccept: application/yaml\r\n" END),
	        200);
	ck_assert_str_eq(body_of(&out), "job: flights\n");
	buf_release(&out);
	ck_assert_int_eq(
	        ask(&out, "GET /jobs/other HTTP/1.1\r\nAccept: text/yaml\r\n" END), 404);
	buf_release(&out);
}
END_TEST

/* -- bad clients -- */

static int put_of_size(size_t bytes, const char *headers, struct buf *out)
{
	struct buf request;
	buf_init(&request);
	buf_init(out);
	buf_printf(&request, "PUT /jobs/flights HTTP/1.1\r\nContent-Length: %zu\r\n%s" END,
	        bytes, headers);
	for (size_t i = 0; i < bytes && bytes <= HTTP_DRAIN_BYTES_MAX; i++)
		buf_byte(&request, 'x');
	int status = ask_raw(request.p, request.len, out);
	buf_release(&request);
	return status;
}

START_TEST(test_body_limits)
{
	static const struct {
		size_t bytes;
		const char *headers;
		int status;
	} rows[] = {
	        {HTTP_BODY_BYTES_MAX, "", 200},
	        {HTTP_BODY_BYTES_MAX + 1, "", 413},
	        {HTTP_DRAIN_BYTES_MAX, "", 413},
	        {(size_t)10 << 30, "", 413}, /* announced, never sent */
	        {HTTP_BODY_BYTES_MAX + 1, "Expect: 100-continue\r\n", 413},
	};
	struct buf out;
	int status = put_of_size(rows[_i].bytes, rows[_i].headers, &out);
	ck_assert_msg(status == rows[_i].status, "%d: %.300s", _i, buf_cstr(&out));
	if (status == 413)
		ck_assert_str_eq(error_code(&out), "too_large");
	ck_assert((strncmp(last_call, "put", 3) == 0) == (status == 200));
	buf_release(&out);
}
END_TEST

/* An endless chunked body is cut off at the drain limit. */
START_TEST(test_endless_body)
{
	struct buf request, out;
	buf_init(&request);
	buf_init(&out);
	buf_str(&request, "PUT /jobs/flights HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END);
	for (int i = 0; i < 12; i++) {
		buf_str(&request, "100000\r\n");
		buf_reserve(&request, 1 << 20);
		memset(request.p + request.len, 'x', 1 << 20);
		request.len += 1 << 20;
		buf_str(&request, "\r\n");
	}
	ask_raw(request.p, request.len, &out);
	ck_assert_str_eq(last_call, "");
	buf_release(&request);
	buf_release(&out);
	ck_assert_int_eq(ask(&out, "GET /healthz HTTP/1.1\r\n" END), 200);
	buf_release(&out);
}
END_TEST

static const struct {
	const char *what, *before;
	size_t fill; /* this many 'a' between before and after */
	const char *after;
	int status, or_status;
} heads[] = {
        {"long target", "GET /", 40000, " HTTP/1.1\r\n" END, 414, 431},
        {"long header", "GET /healthz HTTP/1.1\r\nX: ", 40000, "\r\n" END, 431, 413},
        {"endless header name", "GET /healthz HTTP/1.1\r\n", 40000, "", 431, 400},
        {"no version", "GET /healthz\r\n\r\n", 0, "", 0, 400},
        {"version of tomorrow", "GET /healthz HTTP/9.9\r\n" END, 0, "", 505, 400},
        {"no host", "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 0, "", 400, 400},
        {"garbage", "\x16\x03\x01\x02\r\n\r\n", 0, "", 0, 400},
        {"bad length", "PUT /jobs/flights HTTP/1.1\r\nContent-Length: -5\r\n" END, 0, "", 400,
                413},
        {"two lengths",
                "PUT /jobs/flights HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" END
                "xx",
                0, "", 400, 200},
        {"bad chunk",
                "PUT /jobs/flights HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
                "zz\r\nx\r\n",
                0, "", 400, 0},
        {"rebinding", "GET /jobs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
                0, "", 403, 403},
        {"rebinding with port",
                "GET /jobs HTTP/1.1\r\nHost: evil.example:80\r\nConnection: close\r\n\r\n", 0,
                "", 403, 403},
        {"numeric host",
                "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:99\r\nConnection: close\r\n\r\n", 0,
                "", 200, 200},
};

START_TEST(test_bad_head)
{
	struct buf request, out;
	buf_init(&request);
	buf_init(&out);
	buf_str(&request, heads[_i].before);
	for (size_t i = 0; i < heads[_i].fill; i++)
		buf_byte(&request, 'a');
	buf_str(&request, heads[_i].after);
	int fd = dial();
	send_all(fd, request.p, request.len);
	shutdown(fd, SHUT_WR);
	read_until(fd, &out, NULL);
	close(fd);
	int status = 0;
	sscanf(buf_cstr(&out), "HTTP/1.1 %d", &status);
	ck_assert_msg(status == heads[_i].status || status == heads[_i].or_status, "%s: %.200s",
	        heads[_i].what, buf_cstr(&out));
	buf_release(&out);
	buf_release(&request);
	ck_assert_int_eq(ask(&out, "GET /healthz HTTP/1.1\r\n" END), 200);
	buf_release(&out);
}
END_TEST

/* A raw NUL in the target never reaches another path than the one before it. */
START_TEST(test_nul_in_target)
{
	static const char request[] = "DELETE /jobs/flights\0x HTTP/1.1\r\n" END;
	struct buf out;
	buf_init(&out);
	int status = ask_raw(request, sizeof request - 1, &out);
	ck_assert(status == 0 || status == 400 || strcmp(last_call, "delete flights") == 0);
	buf_release(&out);
}
END_TEST

/* Two requests at once on one connection, both answered in order. */
START_TEST(test_keep_alive)
{
	struct buf out;
	ck_assert_int_eq(ask(&out, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	                           "GET /version HTTP/1.1\r\n" END),
	        200);
	const char *second = strstr(buf_cstr(&out) + 5, "HTTP/1.1 200");
	ck_assert(second && strstr(second, "\"weir\""));
	buf_release(&out);
}
END_TEST

/* A refused PUT with a body leaves the connection usable: the body was read. */
START_TEST(test_refused_then_next)
{
	struct buf out;
	ck_assert_int_eq(
	        ask(&out, "PUT /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
	                  "abcGET /version HTTP/1.1\r\n" END),
	        405);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"weir\""));
	buf_release(&out);
}
END_TEST

static double cut_connections(void)
{
	return metric_value(metrics_get(metrics, METRIC_HTTP_CUT, (struct metric_labels){0}));
}

/* A byte now and then is no way to hold a connection. */
START_TEST(test_slow_request)
{
	static const char *const starts[] = {"", "GET /healthz HTTP/1.1\r\nHo",
	        "PUT /jobs/flights HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
	        "9\r\n\r\njob"};
	int fd = dial();
	send_all(fd, starts[_i], strlen(starts[_i]));
	struct buf out;
	buf_init(&out);
	for (int i = 0; i < 1000; i++) { /* as long as it is let, a byte at a time */
		struct pollfd p = {fd, POLLIN, 0};
		if (poll(&p, 1, 20) > 0)
			break;
		send_all(fd, i % 2 ? "\n" : "x", _i == 0 ? 0 : 0 + (i % 50 == 49));
	}
	read_until(fd, &out, NULL);
	close(fd);
	ck_assert_str_eq(last_call, "");
	ck_assert_double_eq(cut_connections(), 1);
	buf_release(&out);
}
END_TEST

/* All connections held by silence: they are cut, and others get their turn. */
START_TEST(test_crowd)
{
	int fds[HTTP_CONNECTIONS_MAX];
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		fds[i] = dial();
	/* One that comes while all places are taken may be cut itself: it comes again. */
	int64_t end = clock_mono_ns(&clock_system) + INT64_C(20000000000);
	int status = 0;
	while (status != 200 && clock_mono_ns(&clock_system) < end) {
		struct buf out;
		status = ask(&out, "GET /healthz HTTP/1.1\r\n" END);
		buf_release(&out);
	}
	ck_assert_int_eq(status, 200);
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		close(fds[i]);
}
END_TEST

/* -- live events -- */

static int follow(const char *query, struct buf *out)
{
	int fd = dial();
	char request[200];
	int n = snprintf(request, sizeof request,
	        "GET /events%s HTTP/1.1\r\nHost: localhost\r\n\r\n", query);
	send_all(fd, request, (size_t)n);
	buf_init(out);
	return fd;
}

START_TEST(test_events)
{
	struct buf out;
	int fd = follow("?job=flights", &out);
	read_until(fd, &out, "event: snapshot\ndata: {\"node\"");
	read_until(fd, &out, "\n\n\r\n");
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "text/event-stream"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"job\":{\"name\":\"flights\""));
	out.len = 0;
	snapshot_publish(cell, fake_snapshot(77));
	char now[64];
	snprintf(now, sizeof now, "\"now_ms\":%" PRId64, FAKE_NOW_MS + 77000);
	read_until(fd, &out, now);
	close(fd);
	buf_release(&out);
	fd = follow("", &out);
	read_until(fd, &out, "\"job\":null");
	close(fd);
	buf_release(&out);
}
END_TEST

START_TEST(test_events_are_bounded)
{
	int fds[HTTP_EVENT_CLIENTS_MAX];
	struct buf out;
	for (int i = 0; i < HTTP_EVENT_CLIENTS_MAX; i++) {
		fds[i] = follow("", &out);
		read_until(fds[i], &out, "retry:");
		buf_release(&out);
	}
	ck_assert_int_eq(ask(&out, "GET /events HTTP/1.1\r\n" END), 503);
	ck_assert_str_eq(error_code(&out), "too_many_clients");
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "Retry-After: 10"));
	buf_release(&out);
	for (int i = 0; i < HTTP_EVENT_CLIENTS_MAX; i++)
		close(fds[i]);
	/* They are noticed when the next events are sent. */
	struct metric *clients =
	        metrics_get(metrics, METRIC_HTTP_EVENT_CLIENTS, (struct metric_labels){0});
	for (int i = 0; i < 200 && metric_value(clients) > 0; i++) {
		snapshot_publish(cell, fake_snapshot(i));
		ck_assert_int_eq(ask(&out, "GET /healthz HTTP/1.1\r\n" END), 200);
		buf_release(&out);
	}
	ck_assert_double_eq(metric_value(clients), 0);
}
END_TEST

/* The server ends while clients follow. */
START_TEST(test_close_with_clients)
{
	struct buf out;
	int fd = follow("", &out);
	read_until(fd, &out, "retry:");
	http_close(server);
	server = NULL;
	read_until(fd, &out, NULL);
	close(fd);
	buf_release(&out);
}
END_TEST

/* -- addresses -- */

START_TEST(test_bad_address)
{
	static const char *const addresses[] = {"", "8080", "127.0.0.1",
	        "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999999", ":80", "192.0.2.1:0",
	        "no such host.invalid:80"};
	struct http_conf conf = {addresses[_i], "0", 0};
	struct http_server *s = NULL;
	struct error e = {0};
	ck_assert_int_eq(http_open(&conf, &node, &s, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_USER);
	ck_assert_ptr_nonnull(strstr(e.msg, addresses[_i]));
}
END_TEST

START_TEST(test_port_in_use)
{
	struct http_conf conf = {http_address(server), "0", 0};
	struct http_server *s = NULL;
	struct error e = {0};
	ck_assert_int_eq(http_open(&conf, &node, &s, &e), ST_ERR);
	ck_assert_int_eq(e.class, ERR_USER);
	ck_assert_int_eq(e.code, EADDRINUSE);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

static Suite *suite(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("server");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, test_answer, 0, COUNT(answers));
	tcase_add_loop_test(t, test_json_is_valid, 0, 5);
	tcase_add_test(t, test_ready);
	tcase_add_loop_test(t, test_put, 0, COUNT(puts_));
	tcase_add_test(t, test_put_nul);
	tcase_add_test(t, test_put_chunked);
	tcase_add_test(t, test_get_yaml);
	tcase_add_loop_test(t, test_body_limits, 0, 5);
	tcase_add_test(t, test_endless_body);
	tcase_add_loop_test(t, test_bad_head, 0, COUNT(heads));
	tcase_add_test(t, test_nul_in_target);
	tcase_add_test(t, test_keep_alive);
	tcase_add_test(t, test_refused_then_next);
	tcase_add_test(t, test_events);
	tcase_add_test(t, test_events_are_bounded);
	tcase_add_test(t, test_close_with_clients);
	tcase_add_loop_test(t, test_bad_address, 0, 9);
	tcase_add_test(t, test_port_in_use);
	suite_add_tcase(s, t);
	t = tcase_create("starting");
	tcase_add_checked_fixture(t, setup_starting, teardown);
	tcase_add_test(t, test_starting);
	suite_add_tcase(s, t);
	t = tcase_create("impatient");
	tcase_add_checked_fixture(t, setup_impatient, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, test_slow_request, 0, 3);
	tcase_add_test(t, test_crowd);
	suite_add_tcase(s, t);
	return s;
}

/* For looking at the page: a snapshot every `pace` ms, until killed. */
static int serve(const char *port, int pace)
{
	struct error e = {0};
	char address[40];
	snprintf(address, sizeof address, "127.0.0.1:%s", port);
	node.cell = cell = snapshot_cell_new();
	node.metrics = metrics_new();
	struct http_conf conf = {address, "0.1.0", 0};
	if (http_open(&conf, &node, &server, &e) != ST_OK) {
		fprintf(stderr, "%s\n", e.msg);
		return 3;
	}
	fprintf(stderr, "http://%s/\n", http_address(server));
	for (int tick = 0;; tick++) {
		snapshot_publish(cell, fake_snapshot(tick));
		poll(NULL, 0, pace);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2], argc > 3 ? atoi(argv[3]) : 1000);
	SRunner *r = srunner_create(suite());
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
