// SPDX-License-Identifier: Apache-2.0
//
// weir status [JOB]: what nodes say of themselves. Which nodes there are is known from the
// members of the jobs' groups, whose client ids end in "@<http address>"; with --http one is
// asked directly. It prints their answers; conclusions (findings) are the nodes' own.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "cli/cli.h"
#include "cli/http_get.h"
#include "cli/table.h"

#define NODES_MAX 64
#define MEMBERS_MAX 256

struct node_answer {
	const char *http;
	json_t *body;      /* NULL: error says why */
	const char *error; /* of the last attempt */
	int status;
};

struct report {
	struct arena arena;
	struct cli *c;
	const char *job; /* NULL: all */
	struct control_jobs jobs;
	bool know_jobs; /* the jobs topic was read */
	struct node_answer nodes[NODES_MAX];
	uint32_t n;
};

/* -- who is there -- */

static void node_add(struct report *r, const char *http)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (!strcmp(r->nodes[i].http, http))
			return;
	if (r->n < NODES_MAX)
		r->nodes[r->n++] = (struct node_answer){.http = arena_strdup(&r->arena, http)};
}

static enum status members_add(
        struct report *r, const struct control *k, const char *job, struct error *e)
{
	char group[512];
	char(*members)[256] = arena_calloc(&r->arena, MEMBERS_MAX, sizeof *members);
	uint32_t n = MEMBERS_MAX;
	snprintf(group, sizeof group, "%s.%s", k->prefix, job);
	if (k->log->group_members(k->broker, group, members, &n, e))
		return ST_ERR;
	for (uint32_t i = 0; i < n && i < MEMBERS_MAX; i++) {
		const char *at = strrchr(members[i], '@');
		if (at && at[1])
			node_add(r, at + 1);
	}
	return ST_OK;
}

static enum answer nodes_find(struct report *r)
{
	struct error e = {0};
	struct control k;
	if (cli_control(r->c, &k, &e) || control_list(&k, &r->jobs, &e))
		return cli_fail(r->c, &e);
	r->know_jobs = true;
	if (r->job && !control_find(&r->jobs, r->job)) {
		cli_say(r->c, "no job %s is deployed", r->job);
		return ANSWER_NO;
	}
	for (uint32_t i = 0; i < r->jobs.n; i++) {
		const char *name = r->jobs.items[i].name;
		if ((!r->job || !strcmp(name, r->job)) && members_add(r, &k, name, &e))
			return cli_fail(r->c, &e);
	}
	return ANSWER_DONE;
}

static void ask(struct report *r, struct node_answer *n)
{
	struct error e = {0};
	struct buf body = {0};
	const char *path = r->job ? arena_printf(&r->arena, "/jobs/%s", r->job) : "/jobs";
	if (http_get(n->http, path, &n->status, &body, &e)) {
		n->error = arena_strdup(&r->arena, e.msg);
	} else if (n->status != 200) {
		n->error = arena_printf(&r->arena, "http %s: answered %d", n->http, n->status);
	} else {
		n->body = json_loadb((const char *)body.p, body.len, 0, NULL);
		n->error =
		        n->body ? NULL
		                : arena_printf(&r->arena, "http %s: answered no JSON", n->http);
	}
	buf_release(&body);
}

/* -- printing -- */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "-";
}

static void cell_count(struct text_table *t, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	char out[HUMAN_MAX];
	if (!json_is_number(v) || json_number_value(v) < 0)
		text_table_cell(t, "-");
	else
		text_table_cell(
		        t, "%s", human_count(out, (uint64_t)(json_number_value(v) + 0.5)));
}

static void cell_bytes(struct text_table *t, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	char out[HUMAN_MAX];
	text_table_cell(t, "%s",
	        json_is_number(v) ? human_bytes(out, (uint64_t)json_number_value(v)) : "-");
}

static void cell_time(struct text_table *t, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	char out[HUMAN_MAX];
	text_table_cell(
	        t, "%s", json_is_integer(v) ? human_time(out, json_integer_value(v)) : "-");
}

static void findings(const json_t *job, struct buf *out)
{
	size_t i;
	json_t *f;
	json_array_foreach(json_object_get(job, "findings"), i, f)
	{
		const char *why = json_string_value(json_object_get(f, "why"));
		buf_printf(out, "  %s %s: %s%s%s\n", text(f, "level"), text(f, "subject"),
		        text(f, "text"), why && *why ? " - " : "", why ? why : "");
	}
}

static void summary_row(struct text_table *t, const json_t *job, const char *http)
{
	text_table_row(t);
	text_table_cell(t, "%s", text(job, "name"));
	text_table_cell(t, "%s", text(job, "state"));
	text_table_cell(t, "%s", http);
	cell_count(t, job, "records_per_s");
	cell_count(t, job, "rows_per_s");
	cell_count(t, job, "lag_records");
	cell_count(t, job, "late");
	cell_count(t, job, "dead");
	cell_bytes(t, job, "state_bytes");
	cell_time(t, job, "watermark_ms");
	cell_time(t, job, "last_commit_ms");
}

static bool shown(const struct report *r, const char *name)
{
	size_t i;
	json_t *j;
	for (uint32_t n = 0; n < r->n; n++)
		json_array_foreach(json_object_get(r->nodes[n].body, "jobs"), i,
		        j) if (!strcmp(text(j, "name"), name)) return true;
	return false;
}

static void all_table(const struct report *r, struct buf *out)
{
	static const char *const heads[] = {"JOB", "STATE", "NODE", ">RECORDS/S", ">ROWS/S",
	        ">LAG", ">LATE", ">DEAD", ">STATE", "WATERMARK", "LAST COMMIT", NULL};
	struct text_table t;
	struct buf notes = {0};
	size_t k;
	json_t *j;
	text_table_init(&t, heads);
	for (uint32_t i = 0; i < r->n; i++)
		json_array_foreach(json_object_get(r->nodes[i].body, "jobs"), k, j)
		{
			summary_row(&t, j, r->nodes[i].http);
			struct buf f = {0};
			findings(j, &f);
			if (f.len)
				buf_printf(&notes, "%s on %s\n%s", text(j, "name"),
				        r->nodes[i].http, buf_cstr(&f));
			buf_release(&f);
		}
	for (uint32_t i = 0; i < r->jobs.n; i++) {
		if (shown(r, r->jobs.items[i].name))
			continue;
		text_table_row(&t);
		text_table_cell(&t, "%s", r->jobs.items[i].name);
		text_table_cell(
		        &t, "%s", r->jobs.items[i].paused ? "paused" : "no node runs it");
	}
	if (t.n > 1)
		text_table_print(&t, out);
	buf_slice(out, buf_view(&notes));
	buf_release(&notes);
	text_table_release(&t);
}

static void tasks_table(const json_t *job, bool alone, struct buf *out)
{
	static const char *const heads[] = {"TASK", "STATE", "OWNER", ">RECORDS/S", ">LAG",
	        ">ENTITIES", ">STATE", "WATERMARK", "LAST COMMIT", "WAITS FOR / ERROR", NULL};
	struct text_table t;
	size_t i;
	json_t *k;
	text_table_init(&t, heads);
	json_array_foreach(json_object_get(job, "tasks"), i, k)
	{
		if (!alone && !strcmp(text(k, "state"), "elsewhere"))
			continue;
		const char *waits = text(k, "waits_for"), *error = text(k, "last_error");
		text_table_row(&t);
		text_table_cell(&t, "%s", text(k, "name"));
		text_table_cell(&t, "%s", text(k, "state"));
		text_table_cell(&t, "%s", text(k, "owner"));
		cell_count(&t, k, "records_per_s");
		cell_count(&t, k, "lag_records");
		cell_count(&t, k, "state_entities");
		cell_bytes(&t, k, "state_bytes");
		cell_time(&t, k, "watermark_ms");
		cell_time(&t, k, "last_commit_ms");
		text_table_cell(&t, "%s", strcmp(waits, "-") ? waits : error);
	}
	if (t.n > 1)
		text_table_print(&t, out);
	text_table_release(&t);
}

static void job_table(const struct report *r, struct buf *out)
{
	static const char *const heads[] = {"JOB", "STATE", "NODE", ">RECORDS/S", ">ROWS/S",
	        ">LAG", ">LATE", ">DEAD", ">STATE", "WATERMARK", "LAST COMMIT", NULL};
	for (uint32_t i = 0; i < r->n; i++) {
		struct text_table t;
		if (!r->nodes[i].body)
			continue;
		text_table_init(&t, heads);
		summary_row(&t, r->nodes[i].body, r->nodes[i].http);
		text_table_print(&t, out);
		text_table_release(&t);
		findings(r->nodes[i].body, out);
		tasks_table(r->nodes[i].body, r->n == 1, out);
	}
	const struct control_job *k = r->know_jobs ? control_find(&r->jobs, r->job) : NULL;
	if (!r->n && k)
		buf_printf(
		        out, "job %s: %s\n", r->job, k->paused ? "paused" : "no node runs it");
}

/* {"job": name or null, "jobs": [{name, paused}…] or null, "nodes": [{http, status, error}…]}:
 * status is what the node answered to GET /jobs or /jobs/JOB. */
static void json(const struct report *r, struct buf *out)
{
	buf_str(out, "{\"job\":");
	if (r->job)
		buf_json(out, slice_of(r->job));
	else
		buf_str(out, "null");
	buf_str(out, r->know_jobs ? ",\"jobs\":[" : ",\"jobs\":null");
	for (uint32_t i = 0; i < r->jobs.n; i++) {
		buf_str(out, i ? ",{\"name\":" : "{\"name\":");
		buf_json(out, slice_of(r->jobs.items[i].name));
		buf_printf(out, ",\"paused\":%s}", r->jobs.items[i].paused ? "true" : "false");
	}
	buf_str(out, r->know_jobs ? "],\"nodes\":[" : ",\"nodes\":[");
	for (uint32_t i = 0; i < r->n; i++) {
		const struct node_answer *n = &r->nodes[i];
		char *body = n->body ? json_dumps(n->body, JSON_COMPACT) : NULL;
		buf_str(out, i ? ",{\"http\":" : "{\"http\":");
		buf_json(out, slice_of(n->http));
		buf_printf(out, ",\"status\":%s,\"error\":", body ? body : "null");
		if (n->error)
			buf_json(out, slice_of(n->error));
		else
			buf_str(out, "null");
		buf_byte(out, '}');
		free(body);
	}
	buf_str(out, "]}\n");
}

/* Nobody answered: unknown job, or no node. */
static enum answer verdict(const struct report *r)
{
	uint32_t answered = 0, unknown = 0;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct node_answer *n = &r->nodes[i];
		answered += n->body != NULL;
		unknown += n->status == 404;
		if (n->error && !(n->status == 404 && !r->know_jobs))
			cli_say(r->c, "%s", n->error);
	}
	if (!r->n || answered)
		return ANSWER_DONE;
	if (unknown == r->n && !r->know_jobs)
		cli_say(r->c, "no job %s there", r->job);
	return unknown == r->n && !r->know_jobs ? ANSWER_NO : ANSWER_OUTSIDE;
}

static enum answer run(struct cli *c)
{
	struct report *r = xcalloc(1, sizeof *r);
	struct buf out = {0};
	enum answer a = ANSWER_DONE;
	arena_init(&r->arena);
	r->c = c;
	r->job = c->options.nargs ? c->options.args[0] : NULL;
	bool direct = options_get(&c->options, "http")->origin == FROM_COMMAND ||
	              !options_text(&c->options, "brokers");
	if (direct)
		node_add(r, options_text(&c->options, "http"));
	else
		a = nodes_find(r);
	for (uint32_t i = 0; i < r->n; i++)
		ask(r, &r->nodes[i]);
	if (!a) {
		a = verdict(r);
		if (c->json)
			json(r, &out);
		else if (r->job)
			job_table(r, &out);
		else
			all_table(r, &out);
		if (!a && !out.len)
			cli_say(c, "no job is deployed");
	}
	cli_print(&out);
	buf_release(&out);
	for (uint32_t i = 0; i < r->n; i++)
		json_decref(r->nodes[i].body);
	if (r->know_jobs)
		control_jobs_release(&r->jobs);
	arena_release(&r->arena);
	free(r);
	return a;
}

static const char *const uses[] = {"brokers", "http", "kafka-config", "prefix", "format", NULL};
const struct command command_status = {
        .name = "status",
        .args = "[JOB]",
        .summary = "show what the nodes are doing",
        .about =
                "Asks every node that runs a job what it is doing: rates, lag, watermark, "
                "state, "
                "last commit, late and dead records, and what is wrong, in sentences; with JOB "
                "also task by task. Nodes are found as members of the jobs' consumer groups. "
                "With "
                "--http on the command line, or without brokers, that one node is asked.\n\n"
                "--format json prints {job, jobs: [{name, paused}], nodes: [{http, status, "
                "error}]}, status being the node's answer to GET /jobs or GET /jobs/JOB.",
        .exits = "0  There is an answer, or no node runs the job.\n1  No such job is deployed.",
        .examples = "weir status\nweir status flights\n"
                    "weir status flights --http 127.0.0.1:8080 --format json",
        .args_max = 1,
        .uses = uses,
        .run = run,
};
