// SPDX-License-Identifier: Apache-2.0
//
// weir pause, weir resume: a field of the job's record.
#include "cli/cli.h"

static enum answer set(struct cli *c, bool paused)
{
	struct error e = {0};
	struct control control;
	if (cli_control(c, &control, &e))
		return cli_fail(c, &e);
	const char *name = c->options.args[0];
	enum control_answer ans = control_pause(&control, name, paused, &e);
	enum answer a = cli_control_answer(c, ans, NULL, &e);
	if (a)
		return a;
	struct buf b = {0};
	if (c->json) {
		buf_str(&b, "{\"job\":");
		buf_json(&b, slice_of(name));
		buf_printf(&b, ",\"paused\":%s,\"changed\":%s}\n", paused ? "true" : "false",
		        ans == CONTROL_UNCHANGED ? "false" : "true");
	} else {
		buf_printf(&b, "job %s %s%s\n", name,
		        ans == CONTROL_UNCHANGED ? "was already " : "",
		        paused                     ? "paused"
		        : ans == CONTROL_UNCHANGED ? "running"
		                                   : "resumed");
	}
	cli_print(&b);
	buf_release(&b);
	return ANSWER_DONE;
}

static enum answer pause_run(struct cli *c)
{
	return set(c, true);
}

static enum answer resume_run(struct cli *c)
{
	return set(c, false);
}

static const char *const uses[] = {"brokers", "kafka-config", "prefix", "format", NULL};
const struct command command_pause = {
        .name = "pause",
        .args = "JOB",
        .summary = "let a deployed job stand still",
        .about =
                "Marks the job as paused in <prefix>.jobs. Its nodes end the epoch, commit and "
                "close "
                "their clients; positions and state stay, and 'weir resume' goes on from them. "
                "Mind the retention of the source topics.",
        .exits = "0  Paused, or it was already.\n1  No such job is deployed.",
        .examples = "weir pause flights",
        .args_min = 1,
        .args_max = 1,
        .uses = uses,
        .run = pause_run,
};

const struct command command_resume = {
        .name = "resume",
        .args = "JOB",
        .summary = "let a paused job go on",
        .about = "Takes back 'weir pause': the job goes on where it stopped.",
        .exits = "0  Resumed, or it was not paused.\n1  No such job is deployed.",
        .examples = "weir resume flights",
        .args_min = 1,
        .args_max = 1,
        .uses = uses,
        .run = resume_run,
};
