// SPDX-License-Identifier: Apache-2.0
//
// weir check JOB: everything that can be said about a job file without running it. With
// --brokers on the command line it also looks at the topics (check_topics.c); an address in the
// environment alone does not make it go there, because check is the offline command.
#include <stdio.h>
#include <stdlib.h>

#include "cli/check_topics.h"
#include "cli/cli.h"
#include "run/plan.h"

static const struct option own[] = {
        {"plan", OPT_FLAG, true,
                .help = "Print the plan: sources, columns read, stages, topics, "
                        "windows and tiles, rows that time causes, state per "
                        "entity, repartitions."},
        {"partitions", OPT_INT, true, .min = 1, .max = 100000, .value = "N",
                .help = "Assume that every source has N partitions. Default: what the brokers "
                        "say when they are asked, else 12."},
        {"sample", OPT_INT, true, .fallback = "10000", .min = 1, .max = 10000000, .value = "N",
                .help = "With --brokers: how many of the newest records to read of each "
                        "partition."},
        {0}};

static bool asks_brokers(const struct cli *c)
{
	return options_get(&c->options, "brokers")->origin == FROM_COMMAND;
}

/* Partition counts for the plan; NULL after e. */
static int32_t *partitions_of(struct cli *c, const struct job *job, struct error *e)
{
	int32_t *n = xcalloc(job->nsources + 1, sizeof *n);
	int64_t given = options_number(&c->options, "partitions");
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_info info = {.partitions = SHARDS_DEFAULT};
		if (asks_brokers(c) && !given &&
		        c->log->topic_info(c->broker, job->sources[i].topic, &info, e)) {
			free(n);
			return NULL;
		}
		n[i] = given             ? (int32_t)given
		       : info.partitions ? info.partitions
		                         : SHARDS_DEFAULT;
	}
	return n;
}

static enum answer plan_show(struct cli *c, const struct job *job, struct buf *out)
{
	struct error e = {0};
	struct plan *plan;
	int32_t *partitions = partitions_of(c, job, &e);
	if (!partitions)
		return cli_fail(c, &e);
	enum status st =
	        plan_new(job, options_text(&c->options, "prefix"), partitions, &plan, &e);
	free(partitions);
	if (st)
		return cli_fail(c, &e);
	plan_print(plan, out);
	plan_free(plan);
	return ANSWER_DONE;
}

/* What was said of the topics, in JSON. */
static void topics_put(struct buf *b, const struct buf *topics)
{
	if (!topics->len)
		return;
	buf_str(b, ",\"topics\":");
	buf_json(b, buf_view(topics));
}

static void print(const struct cli *c, const struct job *job, const struct buf *plan,
        const struct buf *topics)
{
	uint32_t features = 0;
	struct buf b = {0};
	for (uint32_t i = 0; i < job->nviews; i++)
		features += job->views[i].nfeatures;
	if (c->json) {
		buf_str(&b, "{\"ok\":true,\"job\":");
		buf_json(&b, slice_of(job->name));
		buf_printf(&b,
		        ",\"sources\":%u,\"views\":%u,\"features\":%u,\"diagnostics\":[]",
		        job->nsources, job->nviews, features);
		if (plan->len) {
			buf_str(&b, ",\"plan\":");
			buf_json(&b, buf_view(plan));
		}
		topics_put(&b, topics);
		buf_str(&b, "}\n");
	} else {
		buf_printf(&b, "%s: job %s is fine: %u source%s, %u view%s, %u feature%s\n",
		        job->path, job->name, job->nsources, job->nsources == 1 ? "" : "s",
		        job->nviews, job->nviews == 1 ? "" : "s", features,
		        features == 1 ? "" : "s");
		if (plan->len)
			buf_byte(&b, '\n');
		buf_slice(&b, buf_view(plan));
	}
	cli_print(&b);
	buf_release(&b);
}

static enum answer topics_look(struct cli *c, const struct job *job, struct buf *found)
{
	struct error e = {0};
	if (cli_schemas(c, &e))
		return cli_fail(c, &e);
	struct check_topics conf = {c->log, c->broker, c->schemas,
	        (uint32_t)options_number(&c->options, "sample")};
	enum status st = check_topics(&conf, job, found, &e);
	if (st == ST_ERR)
		return cli_fail(c, &e);
	fwrite(found->p, 1, found->len, stderr);
	if (st == ST_OK)
		return ANSWER_DONE;
	if (c->json) {
		struct buf b = {0};
		buf_str(&b, "{\"ok\":false,\"diagnostics\":[]");
		topics_put(&b, found);
		buf_str(&b, "}\n");
		cli_print(&b);
		buf_release(&b);
	}
	return ANSWER_NO;
}

static enum answer run(struct cli *c)
{
	struct job *job;
	struct buf plan = {0}, topics = {0};
	enum answer a = cli_job(c, c->options.args[0], &job);
	if (a)
		return a;
	if (asks_brokers(c))
		a = topics_look(c, job, &topics);
	if (!a && options_flag(&c->options, "plan"))
		a = plan_show(c, job, &plan);
	if (!a)
		print(c, job, &plan, &topics);
	buf_release(&plan);
	buf_release(&topics);
	job_free(job);
	return a;
}

static const char *const uses[] = {"brokers", "registry", "registry-auth-file", "kafka-config",
        "prefix", "format", NULL};
const struct command command_check = {
        .name = "check",
        .args = "JOB",
        .summary = "validate a job file, without any server",
        .about =
                "Reads the job file JOB and the schemas it names and reports every error: "
                "file, "
                "line, column, the line with a caret, and the nearest valid word. Errors go to "
                "standard error. --format json prints {ok, diagnostics: [{file, line, column, "
                "width, "
                "message, suggestion, source_line}]} to standard output, and for a job that is "
                "fine {ok, job, "
                "sources, views, features, diagnostics: []}, with --plan also plan.\n\n"
                "With --brokers on the command line it also reads the newest records of every "
                "source's topic, --sample of each partition, as the job would. It fails when a "
                "topic is missing, when not one record can be read with the source's schema, and "
                "when a key is found in two partitions of a source that names it as 'key:', "
                "because such a view would be computed in two places. It notes what would be a "
                "dead letter, and event times that look like seconds.",
        .exits = "0  The job is fine.\n1  It is not.",
        .examples = "weir check job.yaml\nweir check job.yaml --plan\n"
                    "weir check job.yaml --brokers localhost:9092 --sample 100000",
        .args_min = 1,
        .args_max = 1,
        .options = own,
        .uses = uses,
        .run = run,
};
