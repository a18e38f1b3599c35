// SPDX-License-Identifier: Apache-2.0
//
// Deploys, pauses and removes over HTTP. A node changes nothing of its own here: it writes the
// jobs topic, as the commands do, and follows it, as every node does.
#include "cli/node_http.h"

#include <stdio.h>
#include <string.h>

#include "http/diagnostics.h"

static enum http_result result_of(
        enum control_answer a, const struct error *e, struct http_reply *r)
{
	if (a != CONTROL_OK && a != CONTROL_UNCHANGED)
		snprintf(r->message, sizeof r->message, "%s", e->msg);
	switch (a) {
	case CONTROL_OK:
	case CONTROL_UNCHANGED:
		return HTTP_OK;
	case CONTROL_NO_JOB:
		return HTTP_NO_JOB;
	case CONTROL_CONFLICT:
		return HTTP_CONFLICT;
	default:
		return HTTP_UNAVAILABLE;
	}
}

/* A node in the foreground follows no deployed jobs: changing those through it would surprise.
 */
static bool foreground(const struct node_http *nh, struct http_reply *r)
{
	if (nh->only)
		snprintf(r->message, sizeof r->message,
		        "this node was started by 'weir run %s' and has that one job",
		        nh->only);
	return nh->only != NULL;
}

static enum http_result deploy(
        struct node_http *nh, const char *name, const struct job *job, struct http_reply *r)
{
	struct error e = {0};
	if (strcmp(job->name, name)) {
		snprintf(r->message, sizeof r->message, "the file is of job %s, not of %s",
		        job->name, name);
		return HTTP_INVALID;
	}
	enum control_answer a = control_deploy(&nh->control, job, &r->diff, &e);
	enum http_result result = result_of(a, &e, r);
	if (result == HTTP_OK)
		snprintf(r->message, sizeof r->message, "%s",
		        a == CONTROL_UNCHANGED ? "is deployed already" : "deployed");
	return result;
}

static enum http_result put(
        void *arg, const char *name, struct slice yaml, struct http_reply *r)
{
	struct node_http *nh = arg;
	struct diagnostics d;
	struct job *job;
	char path[HTTP_JOB_NAME_MAX + 16];
	enum http_result result;
	if (foreground(nh, r))
		return HTTP_CONFLICT;
	snprintf(path, sizeof path, "%s.yaml", name);
	diagnostics_init(&d);
	if (job_parse(yaml, path, NULL, nh->control.env, &job, &d)) {
		result = http_reply_diagnostics(r, &d);
	} else {
		result = deploy(nh, name, job, r);
		job_free(job);
	}
	diagnostics_release(&d);
	return result;
}

static enum http_result get(void *arg, const char *name, struct buf *yaml, struct http_reply *r)
{
	struct node_http *nh = arg;
	struct error e = {0};
	struct control_jobs jobs;
	if (nh->only) {
		if (strcmp(nh->only, name))
			return HTTP_NO_JOB;
		buf_str(yaml, nh->only_yaml);
		return HTTP_OK;
	}
	if (control_list(&nh->control, &jobs, &e))
		return result_of(CONTROL_OUTSIDE, &e, r);
	const struct control_job *j = control_find(&jobs, name);
	if (j)
		buf_str(yaml, j->yaml);
	control_jobs_release(&jobs);
	return j ? HTTP_OK : HTTP_NO_JOB;
}

static enum http_result delete (void *arg, const char *name, struct http_reply *r) {
	struct node_http *nh = arg; struct error e = {0};
	if (foreground(nh, r)) return HTTP_CONFLICT;
	return result_of(control_remove(&nh->control, name, &e), &e, r);
}

static enum http_result set_paused(
        struct node_http *nh, const char *name, bool paused, struct http_reply *r)
{
	struct error e = {0};
	if (foreground(nh, r))
		return HTTP_CONFLICT;
	return result_of(control_pause(&nh->control, name, paused, &e), &e, r);
}

static enum http_result pause_job(void *arg, const char *name, struct http_reply *r)
{
	return set_paused(arg, name, true, r);
}

static enum http_result resume_job(void *arg, const char *name, struct http_reply *r)
{
	return set_paused(arg, name, false, r);
}

void node_http_calls(struct node_http *nh, struct http_node *out)
{
	out->arg = nh;
	out->job_put = put;
	out->job_get = get;
	out->job_delete = delete;
	out->job_pause = pause_job;
	out->job_resume = resume_job;
}
