// SPDX-License-Identifier: Apache-2.0
//
// The schema registry client against a small HTTP server in a thread of the test.
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "connectors/registry/registry.h"

#define SCHEMA_TEXT                                                                            \
	"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"r\\\",\\\"fields\\\":[{\\\"name\\\":"   \
	"\\\"x\\\",\\\"type\\\":\\\"int\\\"}]}"

static const struct {
	const char *request; /* begins so */
	int code;
	const char *body;
} answers[] = {
        {"GET /schemas/ids/1 ", 200, "{\"schema\":\"" SCHEMA_TEXT "\"}"},
        {"GET /base/schemas/ids/1 ", 200, "{\"schema\":\"" SCHEMA_TEXT "\"}"},
        {"GET /schemas/ids/2 ", 404,
                "{\"error_code\":40403,\"message\":\"Schema 2 not found\"}"},
        {"GET /schemas/ids/3 ", 500, "{\"error_code\":50001,\"message\":\"store\"}"},
        {"GET /schemas/ids/4 ", 404, "<html>not here</html>"},
        {"GET /schemas/ids/5 ", 401, "{\"error_code\":401,\"message\":\"Unauthorized\"}"},
        {"GET /schemas/ids/6 ", 200, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"syntax\"}"},
        {"GET /schemas/ids/7 ", 200, "{\"schema\":\"[\\\"int\\\",\\\"string\\\"]\"}"},
        {"GET /schemas/ids/8 ", 200, "[]"},
        {"GET /schemas/ids/10 ", 301, ""},
        {"POST /subjects/a%2Fb-value/versions ", 200, "{\"id\":42}"},
        {"POST /subjects/bad/versions ", 409,
                "{\"error_code\":409,\"message\":\"incompatible\"}"},
        {"POST /subjects/odd/versions ", 200, "{\"id\":-1}"},
};

struct server {
	int fd;
	int port;
	pthread_t thread;
	int requests;
	char last[4096];
};

static size_t read_request(int fd, char *out, size_t room)
{
	size_t n = 0;
	for (;;) {
		ssize_t got = read(fd, out + n, room - 1 - n);
		if (got <= 0)
			return n;
		n += (size_t)got;
		out[n] = 0;
		const char *end = strstr(out, "\r\n\r\n"),
		           *length = strcasestr(out, "content-length:");
		size_t body = length ? strtoul(length + 15, NULL, 10) : 0;
		if (end && (size_t)(out + n - end) >= 4 + body)
			return n;
	}
}

static void serve_one(struct server *s, int fd)
{
	char reply[4096];
	read_request(fd, s->last, sizeof s->last);
	s->requests++;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		if (strncmp(s->last, answers[i].request, strlen(answers[i].request)) != 0)
			continue;
		int n = snprintf(reply, sizeof reply,
		        "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n"
		        "Location: /schemas/ids/1\r\n\r\n%s",
		        answers[i].code, strlen(answers[i].body), answers[i].body);
		if (write(fd, reply, (size_t)n) != n)
			return;
	}
	/* Anything else is never answered: the client's time runs out when we close late. */
	if (strncmp(s->last, "GET /schemas/ids/9 ", 19) == 0)
		read_request(fd, s->last, sizeof s->last);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	for (;;) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		serve_one(s, fd);
		close(fd);
	}
}

static struct server *server_new(void)
{
	struct server *s = calloc(1, sizeof *s);
	struct sockaddr_in at = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(s->fd, 8), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	pthread_create(&s->thread, NULL, serve, s);
	return s;
}

static void server_free(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	free(s);
}

static struct clock_manual manual;
static struct error err;

static struct registry *open_registry(
        const struct server *s, const char *path, const char *auth)
{
	char url[100];
	struct registry *r;
	clock_manual_init(&manual, 1000);
	snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, path);
	struct registry_conf conf = {url, auth, 200, &manual.clock, NULL};
	ck_assert_msg(registry_open(&conf, &r, &err) == ST_OK, "%s", err.msg);
	return r;
}

START_TEST(known)
{
	struct server *s = server_new();
	struct registry *r = open_registry(s, "/", "who:secret");
	struct schema_source source = registry_source(r);
	const struct schema *schema, *again;
	ck_assert_msg(source.by_id(source.arg, 1, &schema, &err) == ST_OK, "%s", err.msg);
	ck_assert_str_eq(schema->name, "r");
	ck_assert_ptr_nonnull(strstr(s->last, "Authorization: Basic d2hvOnNlY3JldA=="));
	ck_assert_int_eq(source.by_id(source.arg, 1, &again, NULL), ST_OK);
	ck_assert_ptr_eq(schema, again);
	ck_assert_int_eq(s->requests, 1);
	registry_close(r);
	r = open_registry(s, "/base/", NULL);
	source = registry_source(r);
	ck_assert_int_eq(source.by_id(source.arg, 1, &schema, &err), ST_OK);
	ck_assert_ptr_null(strstr(s->last, "Authorization"));
	registry_close(r);
	server_free(s);
}
END_TEST

START_TEST(unknown_is_remembered_for_a_while)
{
	struct server *s = server_new();
	struct registry *r = open_registry(s, "", NULL);
	struct schema_source source = registry_source(r);
	const struct schema *schema;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(source.by_id(source.arg, 2, &schema, &err), ST_END);
		ck_assert_ptr_nonnull(strstr(err.msg, "no such schema"));
	}
	ck_assert_int_eq(s->requests, 1);
	manual.now_ms += REGISTRY_UNKNOWN_MS;
	ck_assert_int_eq(source.by_id(source.arg, 2, &schema, &err), ST_END);
	ck_assert_int_eq(s->requests, 2);
	registry_close(r);
	server_free(s);
}
END_TEST

/* What a repair of the registry cures is no dead letter; what it does not cure is one. */
START_TEST(classes)
{
	static const struct {
		uint32_t id;
		enum status status;
		const char *message;
	} t[] = {
	        {3, ST_ERR, "500: store"},
	        {4, ST_ERR, "answers 404"},
	        {5, ST_ERR, "WEIR_REGISTRY_AUTH"},
	        {6, ST_END, "not Avro"},
	        {7, ST_END, "only unions supported"},
	        {8, ST_ERR, "not a registry's answer"},
	        {9, ST_ERR, "imeout"},
	        {10, ST_ERR, "answers 301"},
	};
	struct server *s = server_new();
	struct registry *r = open_registry(s, "", "who:secret");
	struct schema_source source = registry_source(r);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		const struct schema *schema;
		err = (struct error){0};
		ck_assert_int_eq(source.by_id(source.arg, t[i].id, &schema, &err), t[i].status);
		ck_assert_msg(
		        strstr(err.msg, t[i].message) != NULL, "%u: %s", t[i].id, err.msg);
		ck_assert_ptr_null(strstr(err.msg, "secret"));
		ck_assert_int_eq(err.class == ERR_RETRIABLE, t[i].status == ST_ERR);
	}
	registry_close(r);
	server_free(s);
}
END_TEST

START_TEST(down)
{
	struct server *s = server_new();
	struct registry *r = open_registry(s, "", NULL);
	struct schema_source source = registry_source(r);
	const struct schema *schema;
	uint32_t id;
	server_free(s);
	ck_assert_int_eq(source.by_id(source.arg, 1, &schema, &err), ST_ERR);
	ck_assert_int_eq(err.class, ERR_RETRIABLE);
	ck_assert_int_eq(registry_register(r, "x", slice_of("{}"), &id, &err), ST_ERR);
	ck_assert_int_eq(err.class, ERR_RETRIABLE);
	registry_close(r);
}
END_TEST

START_TEST(registers)
{
	struct server *s = server_new();
	struct registry *r = open_registry(s, "", NULL);
	uint32_t id = 0;
	ck_assert_int_eq(
	        registry_register(r, "a/b-value", slice_of("{\"type\":\"int\"}"), &id, &err),
	        ST_OK);
	ck_assert_uint_eq(id, 42);
	ck_assert_ptr_nonnull(
	        strstr(s->last, "\r\n\r\n{\"schema\":\"{\\\"type\\\":\\\"int\\\"}\"}"));
	ck_assert_int_eq(registry_register(r, "bad", slice_of("{}"), &id, &err), ST_ERR);
	ck_assert_int_eq(err.class, ERR_USER);
	ck_assert_ptr_nonnull(strstr(err.msg, "incompatible"));
	ck_assert_int_eq(registry_register(r, "odd", slice_of("{}"), &id, &err), ST_ERR);
	registry_close(r);
	server_free(s);
}
END_TEST

START_TEST(addresses_and_credentials)
{
	struct registry *r;
	static const char *const bad[] = {
	        "", "localhost:8081", "file:///etc/passwd", "http://u:p@h"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct registry_conf conf = {.url = bad[i]};
		ck_assert_int_eq(registry_open(&conf, &r, &err), ST_ERR);
		ck_assert_int_eq(err.class, ERR_USER);
	}
	char *auth, path[] = "/tmp/weir-auth-XXXXXX";
	unsetenv("WEIR_REGISTRY_AUTH");
	unsetenv("WEIR_REGISTRY_AUTH_FILE");
	ck_assert_int_eq(registry_auth(&auth, &err), ST_OK);
	ck_assert_ptr_null(auth);
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, "a:b\n", 4), 4);
	close(fd);
	setenv("WEIR_REGISTRY_AUTH_FILE", path, 1);
	ck_assert_int_eq(registry_auth(&auth, &err), ST_OK);
	ck_assert_str_eq(auth, "a:b");
	free(auth);
	unlink(path);
	ck_assert_int_eq(registry_auth(&auth, &err), ST_ERR);
	setenv("WEIR_REGISTRY_AUTH", "c:d", 1);
	ck_assert_int_eq(registry_auth(&auth, &err), ST_OK);
	ck_assert_str_eq(auth, "c:d");
	free(auth);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("registry");
	tcase_add_test(c, known);
	tcase_add_test(c, unknown_is_remembered_for_a_while);
	tcase_add_test(c, classes);
	tcase_add_test(c, down);
	tcase_add_test(c, registers);
	tcase_add_test(c, addresses_and_credentials);
	Suite *s = suite_create("codecs_registry");
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
