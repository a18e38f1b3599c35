// SPDX-License-Identifier: Apache-2.0
//
// What each endpoint answers. Reading endpoints use the newest snapshot only; the others call
// the node. Nothing here knows sockets or the HTTP library.
#include <stdio.h>
#include <string.h>

#include "http/page.h"
#include "http/routes.h"
#include "run/snapshot_json.h"

static void answer_json(struct http_response *r)
{
	r->status = 200;
	r->type = "application/json";
	buf_byte(&r->body, '\n');
}

void handle_health(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)c, (void)q;
	r->status = 200;
	r->type = "text/plain; charset=utf-8";
	buf_str(&r->body, "ok\n");
}

static void not_ready(struct http_response *r, const struct snapshot *s)
{
	const char *reason = s && s->nreasons ? s->reasons[0] : "the node is starting";
	http_error(r, 503, "not_ready", NULL, "%s", reason);
	if (!s || s->nreasons < 2)
		return;
	r->body.len -= 3; /* "}}\n": put the others inside */
	buf_str(&r->body, ",\"reasons\":[");
	for (uint32_t i = 0; i < s->nreasons; i++) {
		buf_str(&r->body, i ? "," : "");
		buf_json(&r->body, slice_of(s->reasons[i]));
	}
	buf_str(&r->body, "]}}\n");
}

void handle_ready(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)q;
	struct snapshot *s = snapshot_take(c->node->cell);
	if (s && s->ready) {
		buf_str(&r->body, "{\"ready\":true}");
		answer_json(r);
	} else {
		not_ready(r, s);
	}
	snapshot_unref(s);
}

void handle_metrics(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)q;
	r->status = 200;
	r->type = METRICS_CONTENT_TYPE;
	metrics_text(c->node->metrics, &r->body);
}

void handle_version(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)q;
	buf_str(&r->body, "{\"name\":\"weir\",\"version\":");
	buf_json(&r->body, slice_of(c->version));
	buf_byte(&r->body, '}');
	answer_json(r);
}

/* The newest snapshot, or NULL with the answer in r. */
static struct snapshot *need_snapshot(const struct http_context *c, struct http_response *r)
{
	struct snapshot *s = snapshot_take(c->node->cell);
	if (!s)
		http_error(r, 503, "not_ready", NULL, "The node is starting.");
	return s;
}

static void no_such_job(struct http_response *r, const char *job)
{
	http_error(r, 404, "no_such_job", job, "No job of this name is deployed.");
}

void handle_jobs(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)q;
	struct snapshot *s = need_snapshot(c, r);
	if (!s)
		return;
	snapshot_json_jobs(s, &r->body);
	answer_json(r);
	snapshot_unref(s);
}

/* A call's failure as an answer. */
static void answer_failure(struct http_response *r, const char *job, enum http_result result,
        struct http_reply *reply)
{
	static const struct {
		int status;
		const char *code, *message;
	} rows[] = {
	        [HTTP_INVALID] = {400, "invalid_job", "The job file is not valid."},
	        [HTTP_CONFLICT] = {409, "plan_changed",
	                "The plan differs from the one deployed under the same view version."},
	        [HTTP_UNAVAILABLE] = {503, "unavailable", "The node cannot do this now."},
	};
	if (result == HTTP_NO_JOB) {
		no_such_job(r, job);
		return;
	}
	http_error(r, rows[result].status, rows[result].code,
	        *reply->where ? reply->where : NULL, "%s",
	        *reply->message ? reply->message : rows[result].message);
	r->body.len -= 3; /* "}}\n": put the details inside */
	if (reply->diagnostics.len) {
		buf_str(&r->body, ",\"diagnostics\":");
		buf_slice(&r->body, buf_view(&reply->diagnostics));
	}
	if (reply->diff.len) {
		buf_str(&r->body, ",\"diff\":");
		buf_json(&r->body, buf_view(&reply->diff));
	}
	buf_str(&r->body, "}}\n");
}

static void reply_release(struct http_reply *reply)
{
	buf_release(&reply->diagnostics);
	buf_release(&reply->diff);
}

static void answer_call(struct http_response *r, const char *job, const char *done,
        enum http_result result, struct http_reply *reply)
{
	if (result == HTTP_OK) {
		buf_printf(
		        &r->body, "{\"job\":\"%s\",\"result\":\"%s\",\"message\":", job, done);
		buf_json(&r->body, slice_of(reply->message));
		buf_byte(&r->body, '}');
		answer_json(r);
	} else {
		answer_failure(r, job, result, reply);
	}
	reply_release(reply);
}

static void answer_yaml(const struct http_context *c, const char *job, struct http_response *r)
{
	struct http_reply reply = {0};
	enum http_result result = c->node->job_get(c->node->arg, job, &r->body, &reply);
	if (result == HTTP_OK) {
		r->status = 200;
		r->type = "application/yaml";
	} else {
		answer_failure(r, job, result, &reply);
	}
	reply_release(&reply);
}

/* JSON of what it does; its definition for those who ask for YAML. */
void handle_job(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	if (q->accept && strstr(q->accept, "yaml")) {
		answer_yaml(c, q->job, r);
		return;
	}
	struct snapshot *s = need_snapshot(c, r);
	if (!s)
		return;
	const struct snapshot_job *j = snapshot_job_find(s, q->job);
	if (j) {
		snapshot_json_job(s, j, &r->body);
		answer_json(r);
	} else {
		no_such_job(r, q->job);
	}
	snapshot_unref(s);
}

void handle_job_tasks(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct snapshot *s = need_snapshot(c, r);
	if (!s)
		return;
	const struct snapshot_job *j = snapshot_job_find(s, q->job);
	if (j) {
		snapshot_json_tasks(j, &r->body);
		answer_json(r);
	} else {
		no_such_job(r, q->job);
	}
	snapshot_unref(s);
}

void handle_job_drift(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct snapshot *s = need_snapshot(c, r);
	if (!s)
		return;
	const struct snapshot_job *j = snapshot_job_find(s, q->job);
	if (j) {
		snapshot_json_drift(j, &r->body);
		answer_json(r);
	} else {
		no_such_job(r, q->job);
	}
	snapshot_unref(s);
}

static bool begins(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

/* Any content type but those that are surely something else: curl sends form data by default.
 */
static bool body_is_text(const struct http_request *q, struct http_response *r)
{
	bool encoded = q->content_encoding && strcmp(q->content_encoding, "identity") != 0;
	bool other = begins(q->content_type, "multipart/") || begins(q->content_type, "image/");
	if (encoded || other)
		http_error(r, 415, "unsupported_media_type", NULL,
		        "Send the job file itself, as application/yaml, not packed.");
	else if (!q->body.len)
		http_error(r, 400, "empty_body", NULL, "The body is empty; send the job file.");
	else if (memchr(q->body.p, 0, q->body.len))
		http_error(r, 400, "bad_body", NULL, "The body has a NUL byte: it is no YAML.");
	else
		return true;
	return false;
}

void handle_job_put(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	if (!body_is_text(q, r))
		return;
	struct http_reply reply = {0};
	enum http_result result = c->node->job_put(c->node->arg, q->job, q->body, &reply);
	answer_call(r, q->job, "deployed", result, &reply);
}

void handle_job_delete(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct http_reply reply = {0};
	enum http_result result = c->node->job_delete(c->node->arg, q->job, &reply);
	answer_call(r, q->job, "removed", result, &reply);
}

void handle_job_pause(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct http_reply reply = {0};
	enum http_result result = c->node->job_pause(c->node->arg, q->job, &reply);
	answer_call(r, q->job, "paused", result, &reply);
}

void handle_job_resume(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	struct http_reply reply = {0};
	enum http_result result = c->node->job_resume(c->node->arg, q->job, &reply);
	answer_call(r, q->job, "resumed", result, &reply);
}

/* ?job=NAME asks for that job's detail in each event. */
void handle_events(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	static const char prefix[] = "job=";
	(void)c;
	r->event_job[0] = 0;
	if (strncmp(q->query, prefix, sizeof prefix - 1) == 0) {
		const char *name = q->query + sizeof prefix - 1;
		if (!http_job_name_ok(name, strlen(name))) {
			http_error(r, 400, "bad_name", NULL, "job= must be a job's name.");
			return;
		}
		snprintf(r->event_job, sizeof r->event_job, "%s", name);
	} else if (*q->query) {
		http_error(r, 400, "bad_query", NULL, "The only parameter is job=NAME.");
		return;
	}
	r->status = 200;
	r->type = "text/event-stream";
	r->events = strcmp(q->method, "HEAD") != 0;
}

void handle_page(
        const struct http_context *c, const struct http_request *q, struct http_response *r)
{
	(void)c;
	for (const struct page_file *f = page_files; f->path; f++) {
		if (strcmp(f->path, q->path) != 0)
			continue;
		r->status = 200;
		r->type = f->type;
		r->cache = "no-cache";
		r->fixed = f->data;
		r->fixed_len = f->size;
		return;
	}
	http_error(r, 404, "not_found", q->path, "There is nothing here.");
}
