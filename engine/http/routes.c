// SPDX-License-Identifier: Apache-2.0
//
// The table of endpoints, and which row a request belongs to. Handlers are in http/handlers.c.
#include "http/routes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/guard.h"

static const struct http_route routes[] = {
        {"GET", "/healthz", handle_health},
        {"GET", "/readyz", handle_ready},
        {"GET", "/metrics", handle_metrics},
        {"GET", "/version", handle_version},
        {"GET", "/jobs", handle_jobs},
        {"GET", "/jobs/{job}", handle_job},
        {"PUT", "/jobs/{job}", handle_job_put},
        {"DELETE", "/jobs/{job}", handle_job_delete},
        {"POST", "/jobs/{job}/pause", handle_job_pause},
        {"POST", "/jobs/{job}/resume", handle_job_resume},
        {"GET", "/jobs/{job}/tasks", handle_job_tasks},
        {"GET", "/jobs/{job}/drift", handle_job_drift},
        {"GET", "/events", handle_events},
        {"GET", "/", handle_page},
        {"GET", "/style.css", handle_page},
        {"GET", "/app.js", handle_page},
        {"GET", "/dom.js", handle_page},
        {"GET", "/drift.js", handle_page},
        {"GET", "/format.js", handle_page},
        {"GET", "/graph.js", handle_page},
        {"GET", "/parts.js", handle_page},
};

bool http_job_name_ok(const char *name, size_t n)
{
	if (n < 1 || n > HTTP_JOB_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < n; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') ||
		            (name[i] >= '0' && name[i] <= '9') || name[i] == '_' ||
		            name[i] == '-'))
			return false;
	return true;
}

void http_error(struct http_response *r, int status, const char *code, const char *where,
        const char *fmt, ...)
{
	char message[1200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	r->status = status;
	r->type = "application/json";
	r->body.len = 0;
	buf_printf(&r->body, "{\"error\":{\"code\":\"%s\",\"message\":", code);
	buf_json(&r->body, slice_of(message));
	buf_str(&r->body, ",\"where\":");
	if (where)
		buf_json(&r->body, slice_of(where));
	else
		buf_str(&r->body, "null");
	buf_str(&r->body, "}}\n");
}

/* Matches a path with a pattern; *job and *n are what stands at {job}. */
static bool matches(const char *pattern, const char *path, const char **job, size_t *n)
{
	static const char hole[] = "{job}";
	*n = 0;
	while (*pattern) {
		if (strncmp(pattern, hole, sizeof hole - 1) == 0) {
			*job = path;
			*n = strcspn(path, "/");
			if (!*n)
				return false;
			pattern += sizeof hole - 1;
			path += *n;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

static void allow(struct http_response *r, const char *method)
{
	size_t at = strlen(r->allow);
	snprintf(r->allow + at, sizeof r->allow - at, "%s%s", at ? ", " : "", method);
	if (strcmp(method, "GET") == 0)
		allow(r, "HEAD");
}

static bool method_is(const char *sent, const char *method)
{
	return strcmp(sent, method) == 0 ||
	       (strcmp(method, "GET") == 0 && strcmp(sent, "HEAD") == 0);
}

/* The row; NULL with the answer in r. */
static const struct http_route *route_find(struct http_request *q, struct http_response *r)
{
	bool found = false;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const char *job = NULL;
		size_t n = 0;
		if (!matches(routes[i].pattern, q->path, &job, &n))
			continue;
		if (n && !http_job_name_ok(job, n)) {
			http_error(r, 400, "bad_name", NULL,
			        "A job's name is [a-z][a-z0-9_-]*, at most %d long.",
			        HTTP_JOB_NAME_MAX);
			return NULL;
		}
		if (method_is(q->method, routes[i].method)) {
			memcpy(q->job, n ? job : "", n);
			q->job[n] = 0;
			r->allow[0] = 0;
			return &routes[i];
		}
		found = true;
		allow(r, routes[i].method);
	}
	if (found)
		http_error(r, 405, "method_not_allowed", q->path, "Use one of: %s.", r->allow);
	else
		http_error(r, 404, "not_found", q->path, "There is nothing here.");
	return NULL;
}

static bool method_reads(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

bool http_admit(const struct http_context *c, struct http_request *q, struct http_response *r)
{
	if (!guard_path_ok(q->path)) {
		http_error(
		        r, 400, "bad_path", NULL, "The path has characters no path here has.");
		return false;
	}
	if (c->loopback && !guard_host_ok(q->host)) {
		http_error(r, 403, "forbidden_host", NULL,
		        "On a loopback address the host must be a number or localhost.");
		return false;
	}
	if (!method_reads(q->method) && !guard_origin_ok(q->origin, q->fetch_site, q->host)) {
		http_error(r, 403, "forbidden_origin", NULL,
		        "Another site's page must not change this node.");
		return false;
	}
	return route_find(q, r) != NULL;
}

void http_handle(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct http_request again = *q;
	const struct http_route *route = route_find(&again, r);
	if (route)
		route->handle(c, &again, r);
}
