// SPDX-License-Identifier: Apache-2.0
//
// weir deploy JOB: checks the file and writes it to the jobs topic. What may be deployed over
// what is run/control_deploy.c's.
#include "cli/cli.h"

static void print(const struct cli *c, const struct job *job, bool changed)
{
	struct buf b = {0};
	if (c->json) {
		buf_str(&b, "{\"job\":");
		buf_json(&b, slice_of(job->name));
		buf_printf(&b, ",\"changed\":%s}\n", changed ? "true" : "false");
	} else {
		buf_printf(&b, "job %s %s\n", job->name,
		        changed ? "deployed" : "is deployed already");
	}
	cli_print(&b);
	buf_release(&b);
}

static enum answer run(struct cli *c)
{
	struct job *job;
	struct error e = {0};
	struct control control;
	struct buf diff = {0};
	enum answer a = cli_job(c, c->options.args[0], &job);
	if (a)
		return a;
	if (cli_control(c, &control, &e)) {
		a = cli_fail(c, &e);
	} else {
		enum control_answer ans = control_deploy(&control, job, &diff, &e);
		a = cli_control_answer(c, ans, &diff, &e);
		if (!a)
			print(c, job, ans != CONTROL_UNCHANGED);
	}
	buf_release(&diff);
	job_free(job);
	return a;
}

static const char *const uses[] = {"brokers", "kafka-config", "prefix", "format", NULL};
const struct command command_deploy = {
        .name = "deploy",
        .args = "JOB",
        .summary = "check a job file and hand it to the nodes",
        .about = "Checks the job file and writes it, with the schemas it names, to the "
                 "compacted "
                 "topic <prefix>.jobs, from which every node takes it. Deploying the same file "
                 "again changes nothing; a paused job stays paused.\n\n"
                 "A view's version stands for one plan for ever. A deploy that changes the "
                 "plan of "
                 "a view under a version that was deployed before is refused, with the "
                 "difference: only owner, description and freshness may change. So is a view "
                 "whose name another job uses.",
        .exits = "0  Deployed, or there already.\n1  The file has errors, or the deploy is "
                 "refused.",
        .examples = "weir deploy job.yaml --brokers localhost:9092",
        .args_min = 1,
        .args_max = 1,
        .uses = uses,
        .run = run,
};
