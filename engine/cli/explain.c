// SPDX-License-Identifier: Apache-2.0
//
// weir explain VIEW KEY FEATURE: where a served value comes from. The offline topic has no
// index: the row is found by reading each partition backwards in growing windows, up to --scan
// records, and an entity that changed lately is found in the first of them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "cli/cli.h"
#include "cli/offline.h"
#include "cli/row.h"
#include "cli/table.h"
#include "data/avro.h"
#include "lang/suggest.h"

static const struct option own[] = {
        {"scan", OPT_BYTES, true, .fallback = "1000000", .min = 1, .value = "N",
                .help = "How many of the newest records of each partition of the offline topic "
                        "to "
                        "read at most."},
        {0}};

/* All that is known at the end. */
struct story {
	const char *view_name, *key, *feature_name;
	struct job *job;
	const struct view *view;
	const struct feature *feature;
	uint32_t feature_index;
	struct plan *plan;
	const struct view_plan *vp;
	struct online_text online;
	bool asked_online, has_online;
	const char *online_value; /* NULL: null, or no row */
	struct offline_found found;
};

static enum answer no(const struct cli *c, const char *near, const char *fmt, const char *a)
{
	char text[400];
	snprintf(text, sizeof text, fmt, a);
	cli_say(c, "%s%s%s%s", text, near ? "; did you mean " : "", near ? near : "",
	        near ? "?" : "");
	return ANSWER_NO;
}

/* -- the definition -- */

static enum answer view_find(struct cli *c, const struct control_jobs *jobs, struct story *s)
{
	const struct control_job *j = control_find_view(jobs, s->view_name, NULL);
	struct suggest near = suggest_for(slice_of(s->view_name));
	for (uint32_t i = 0; !j && i < jobs->n; i++)
		for (uint32_t k = 0; k < jobs->items[i].nviews; k++)
			suggest_offer(&near, jobs->items[i].views[k].name);
	if (!j)
		return no(c, near.best, "no deployed job has a view %s", s->view_name);
	struct diagnostics d;
	diagnostics_init(&d);
	enum status st = job_parse(slice_of(j->yaml), j->name, NULL, &c->env, &s->job, &d);
	if (st)
		cli_diagnostics(c, &d);
	diagnostics_release(&d);
	if (st)
		return ANSWER_NO;
	for (uint32_t i = 0; i < s->job->nviews; i++)
		if (!strcmp(s->job->views[i].name, s->view_name))
			s->view = &s->job->views[i];
	return s->view ? ANSWER_DONE : no(c, NULL, "job %s has no such view any more", j->name);
}

static enum answer feature_find(struct cli *c, struct story *s)
{
	struct suggest near = suggest_for(slice_of(s->feature_name));
	for (uint32_t i = 0; i < s->view->nfeatures; i++) {
		suggest_offer(&near, s->view->features[i].name);
		if (strcmp(s->view->features[i].name, s->feature_name))
			continue;
		s->feature = &s->view->features[i];
		s->feature_index = i;
		return ANSWER_DONE;
	}
	return no(c, near.best, "the view has no feature %s", s->feature_name);
}

static enum answer plan_make(struct cli *c, struct story *s)
{
	struct error e = {0};
	int32_t *one =
	        xcalloc(s->job->nsources, sizeof *one); /* topics' names do not depend on it */
	for (uint32_t i = 0; i < s->job->nsources; i++)
		one[i] = 1;
	enum status st =
	        plan_new(s->job, options_text(&c->options, "prefix"), one, &s->plan, &e);
	free(one);
	if (st)
		return cli_fail(c, &e);
	s->vp = &s->plan->views[s->view - s->job->views];
	return ANSWER_DONE;
}

static enum answer definition(struct cli *c, struct story *s)
{
	struct error e = {0};
	struct control control;
	struct control_jobs jobs;
	if (cli_control(c, &control, &e) || control_list(&control, &jobs, &e))
		return cli_fail(c, &e);
	enum answer a = view_find(c, &jobs, s);
	control_jobs_release(&jobs);
	if (!a)
		a = feature_find(c, s);
	return a ? a : plan_make(c, s);
}

/* -- the values -- */

static enum answer online_value(struct cli *c, struct story *s)
{
	struct error e = {0};
	if (!options_text(&c->options, "redis"))
		return ANSWER_DONE;
	if (cli_online(c, &e))
		return cli_fail(c, &e);
	enum status st = online_text_get(&s->online, c->online_ops, c->online, s->view_name,
	        s->view->version, s->key, &e);
	if (st == ST_ERR)
		return cli_fail(c, &e);
	s->asked_online = true;
	s->has_online = st == ST_OK;
	for (uint32_t i = 0; s->has_online && i < s->online.n; i++)
		if (!strcmp(s->online.names[i], s->feature_name))
			s->online_value = s->online.values[i];
	return ANSWER_DONE;
}

static enum answer offline_value(struct cli *c, struct story *s)
{
	struct error e = {0};
	struct offline_query q = {.log = c->log,
	        .broker = c->broker,
	        .plan = s->vp,
	        .nentity = s->view->nentity,
	        .nfeatures = s->view->nfeatures,
	        .entity = s->key,
	        .clock = &clock_system,
	        .scan = options_number(&c->options, "scan")};
	enum status st = offline_find(&q, &s->found, &e);
	if (st == ST_ERR)
		return cli_fail(c, &e);
	if (st == ST_END && s->found.is_cut) {
		error_context(&s->found.cut, "no row of %s in what could be read", s->key);
		return cli_fail(c, &s->found.cut);
	}
	if (st == ST_OK && s->found.is_cut)
		cli_say(c, "the read was cut short, there may be a newer row: %s",
		        s->found.cut.msg);
	if (st == ST_OK)
		return ANSWER_DONE;
	if (s->found.all)
		cli_say(c, "%s has no row of %s", s->vp->topic, s->key);
	else
		cli_say(c,
		        "no row of %s in the newest %" PRId64
		        " records of each partition of %s; --scan N reads further back",
		        s->key, s->found.scanned, s->vp->topic);
	return ANSWER_NO;
}

/* -- printing -- */

static const struct source *source_of(const struct story *s)
{
	return &s->job->sources[s->view->source];
}

/* Online has the row that was found. */
static bool in_step(const struct story *s)
{
	return s->has_online && s->online.event_time == s->found.row.event_time &&
	       s->online.known_at == s->found.row.known_at;
}

static void position_json(const struct story *s, const struct offline_row *r, struct buf *b)
{
	if (r->expiry) {
		buf_str(b, "null");
		return;
	}
	buf_str(b, "{\"topic\":");
	buf_json(b, slice_of(source_of(s)->topic));
	buf_printf(b, ",\"partition\":%d,\"offset\":%lld}", (int)r->src_partition,
	        (long long)r->src_offset);
}

static void json(const struct story *s, struct buf *b)
{
	const struct offline_row *r = &s->found.row;
	const struct field *f = &s->vp->features[s->feature_index];
	const char *const texts[][2] = {{"view", s->view_name}, {"entity", s->key},
	        {"feature", s->feature_name}, {"job", s->job->name},
	        {"definition", s->feature->text}};
	for (unsigned i = 0; i < 5; i++) {
		buf_printf(b, "%s\"%s\":", i ? "," : "{", texts[i][0]);
		buf_json(b, slice_of(texts[i][1]));
	}
	buf_printf(b, ",\"version\":%u,\"value\":", s->view->version);
	value_json(b, &f->type, &r->features[s->feature_index]);
	buf_printf(b, ",\"event_time\":%lld,\"known_at\":%lld,\"expiry\":%s,\"source\":",
	        (long long)r->event_time, (long long)r->known_at, r->expiry ? "true" : "false");
	position_json(s, r, b);
	if (r->expiry) {
		buf_str(b, ",\"last_event\":");
		if (s->found.has_event)
			position_json(s, &s->found.event, b);
		else
			buf_str(b, "null");
	}
	buf_str(b, ",\"offline\":{\"topic\":");
	buf_json(b, slice_of(s->vp->topic));
	buf_printf(b, ",\"partition\":%d,\"offset\":%lld},\"online\":", (int)r->partition,
	        (long long)r->offset);
	buf_str(b, !s->asked_online ? "null"
	           : !s->has_online ? "\"absent\""
	           : in_step(s)     ? "\"same\""
	                            : "\"differs\"");
	buf_str(b, "}\n");
}

static void line(struct text_table *t, const char *name)
{
	text_table_row(t);
	text_table_cell(t, "%s", name);
}

static void online_line(const struct story *s, struct text_table *t)
{
	char when[HUMAN_MAX];
	line(t, "online");
	if (!s->asked_online)
		text_table_cell(t, "not asked: no --redis");
	else if (!s->has_online)
		text_table_cell(t, "no row (expired, or not written yet)");
	else if (in_step(s))
		text_table_cell(
		        t, "the same row: %s", s->online_value ? s->online_value : "null");
	else
		text_table_cell(t, "another row: %s, of %s",
		        s->online_value ? s->online_value : "null",
		        human_time(when, s->online.event_time));
}

static void cause_lines(const struct story *s, struct text_table *t)
{
	char when[HUMAN_MAX];
	const struct offline_row *r = &s->found.row, *ev = &s->found.event;
	line(t, "caused by");
	if (!r->expiry) {
		text_table_cell(t, "record %s[%d]@%lld", source_of(s)->topic,
		        (int)r->src_partition, (long long)r->src_offset);
		return;
	}
	text_table_cell(
	        t, "time: something left a window at %s", human_time(when, r->event_time));
	if (!s->found.has_event)
		return;
	line(t, "last event");
	text_table_cell(t, "record %s[%d]@%lld, of %s", source_of(s)->topic,
	        (int)ev->src_partition, (long long)ev->src_offset,
	        human_time(when, ev->event_time));
}

static void table(const struct story *s, struct buf *b)
{
	char when[HUMAN_MAX];
	const struct offline_row *r = &s->found.row;
	const struct field *f = &s->vp->features[s->feature_index];
	const struct value *v = &r->features[s->feature_index];
	const char *const heads[] = {s->feature_name, s->key, NULL};
	struct buf value = {0};
	struct text_table t;
	if (v->null)
		buf_str(&value, "null");
	value_text(&value, &f->type, v);
	text_table_init(&t, heads);
	line(&t, "value");
	text_table_cell(&t, "%s", buf_cstr(&value));
	line(&t, "event time");
	text_table_cell(&t, "%s", human_time(when, r->event_time));
	line(&t, "known at");
	text_table_cell(&t, "%s", human_time(when, r->known_at));
	cause_lines(s, &t);
	line(&t, "definition");
	text_table_cell(&t, "%s = %s", s->feature_name, s->feature->text);
	line(&t, "version");
	text_table_cell(
	        &t, "view %s v%u of job %s", s->view_name, s->view->version, s->job->name);
	line(&t, "offline row");
	text_table_cell(
	        &t, "%s[%d]@%lld", s->vp->topic, (int)r->partition, (long long)r->offset);
	online_line(s, &t);
	text_table_print(&t, b);
	text_table_release(&t);
	buf_release(&value);
}

static enum answer run(struct cli *c)
{
	struct buf b = {0};
	struct story *s = xcalloc(1, sizeof *s);
	s->view_name = c->options.args[0];
	s->key = c->options.args[1];
	s->feature_name = c->options.args[2];
	offline_found_init(&s->found);
	enum answer a = definition(c, s);
	if (!a)
		a = online_value(c, s);
	if (!a)
		a = offline_value(c, s);
	if (!a && c->json)
		json(s, &b);
	else if (!a)
		table(s, &b);
	cli_print(&b);
	buf_release(&b);
	online_text_release(&s->online);
	offline_found_release(&s->found);
	plan_free(s->plan);
	job_free(s->job);
	free(s);
	return a;
}

static const char *const uses[] = {
        "brokers", "redis", "redis-password-file", "kafka-config", "prefix", "format", NULL};
const struct command command_explain = {
        .name = "explain",
        .args = "VIEW KEY FEATURE",
        .summary = "tell where a value comes from",
        .about =
                "Prints the newest value of a feature of an entity with its event time, when "
                "it "
                "became known, the topic, partition and offset of the record that caused it "
                "(or "
                "that time did), and the definition it was computed by, with its version. With "
                "--redis it also says whether the online row is the same.\n\n"
                "The offline topic has no index. Its partitions are read backwards in windows "
                "of "
                "10,000, 100,000, ... records until the entity is found, at most --scan "
                "records "
                "of each partition: quick for what changed lately, and as much as reading the "
                "whole topic for what did not. Rows that were erased by a tombstone are not shown.\n\n"
                "What stands behind a transaction that is still open cannot be read: that is "
                "said, and when no row was found before it, it is an error (exit 3) and not "
                "\"no row\".",
        .exits = "0  The value is explained.\n1  There is no such view, feature or row.",
        .examples = "weir explain aircraft N14228 late_share_30d",
        .args_min = 3,
        .args_max = 3,
        .options = own,
        .uses = uses,
        .run = run,
};
