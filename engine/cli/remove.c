// SPDX-License-Identifier: Apache-2.0
//
// weir remove JOB: a tombstone in the jobs topic. Topics are never deleted: the offline topic
// is somebody's training data, and weir asks for no right to delete topics. The online rows are
// a view of it that can be made again, so --purge may delete those, once no node writes them
// any more.
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"

#define LEAVE_MS 30000 /* for the nodes to leave the group */
#define MEMBERS_MAX 64

static const struct option own[] = {
        {"purge", OPT_FLAG, true,
                .help = "Also delete the online rows of the job's views, all versions, from "
                        "Redis, "
                        "after its nodes have left (waits at most 30 s). Topics stay."},
        {0}};

static enum status members_wait(
        struct cli *c, const struct control *control, const char *job, struct error *e)
{
	char group[512], members[MEMBERS_MAX][256];
	snprintf(group, sizeof group, "%s.%s", control->prefix, job);
	int64_t until = clock_mono_ns(&clock_system) + (int64_t)LEAVE_MS * 1000000;
	for (;;) {
		uint32_t n = MEMBERS_MAX;
		if (c->log->group_members(c->broker, group, members, &n, e))
			return ST_ERR;
		if (!n)
			return ST_OK;
		if (clock_mono_ns(&clock_system) > until)
			return error_set(e, ERR_RETRIABLE, 0,
			        "%s has not left group %s: its online rows stay", members[0],
			        group);
		nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
	}
}

static enum status purge(struct cli *c, const struct control_job *job, struct error *e)
{
	for (uint32_t i = 0; i < job->nviews; i++) {
		enum status st;
		do
			st = c->online_ops->view_delete(
			        c->online, job->views[i].name, job->views[i].version, e);
		while (st == ST_OK);
		if (st == ST_ERR)
			return ST_ERR;
	}
	return ST_OK;
}

static void print(const struct cli *c, const char *name, bool purged)
{
	struct buf b = {0};
	if (c->json) {
		buf_str(&b, "{\"job\":");
		buf_json(&b, slice_of(name));
		buf_printf(&b, ",\"removed\":true,\"purged\":%s}\n", purged ? "true" : "false");
	} else {
		buf_printf(&b, "job %s removed; its topics%s stay\n", name,
		        purged ? "" : ", state and online rows");
	}
	cli_print(&b);
	buf_release(&b);
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct control control;
	struct control_jobs jobs;
	const char *name = c->options.args[0];
	bool purging = options_flag(&c->options, "purge");
	if (purging && cli_online(c, &e))
		return cli_fail(c, &e);
	if (cli_control(c, &control, &e) || control_list(&control, &jobs, &e))
		return cli_fail(c, &e);
	enum answer a = cli_control_answer(c, control_remove(&control, name, &e), NULL, &e);
	const struct control_job *job = control_find(&jobs, name);
	if (!a && job && purging && (members_wait(c, &control, name, &e) || purge(c, job, &e)))
		a = cli_fail(c, &e);
	if (!a)
		print(c, name, purging);
	control_jobs_release(&jobs);
	return a;
}

static const char *const uses[] = {
        "brokers", "redis", "redis-password-file", "kafka-config", "prefix", "format", NULL};
const struct command command_remove = {
        .name = "remove",
        .args = "JOB",
        .summary = "take a job away from the nodes",
        .about = "Writes a tombstone for the job to <prefix>.jobs: its nodes end the epoch and "
                 "leave. Topics, committed offsets and state stay, and so do the online rows "
                 "unless "
                 "--purge is given; deploying the job again goes on where it stopped. weir "
                 "never "
                 "deletes a topic: what is not wanted any more is deleted with Kafka's own "
                 "tools.",
        .exits = "0  Removed.\n1  No such job is deployed.",
        .examples = "weir remove flights\nweir remove flights --purge --redis localhost:6379",
        .args_min = 1,
        .args_max = 1,
        .options = own,
        .uses = uses,
        .run = run,
};
