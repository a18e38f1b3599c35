// SPDX-License-Identifier: Apache-2.0
//
// weir list: the deployed jobs, from the jobs topic alone. What they are doing is status's.
#include <stdio.h>

#include "base/human.h"
#include "cli/cli.h"
#include "cli/table.h"

static uint32_t live_views(const struct control_job *j)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < j->nviews; i++)
		n += j->views[i].live;
	return n;
}

static void table(const struct control_jobs *jobs, struct buf *out)
{
	static const char *const heads[] = {"JOB", "STATE", ">VIEWS", "DEPLOYED", NULL};
	struct text_table t;
	char when[HUMAN_MAX];
	text_table_init(&t, heads);
	for (uint32_t i = 0; i < jobs->n; i++) {
		const struct control_job *j = &jobs->items[i];
		text_table_row(&t);
		text_table_cell(&t, "%s", j->name);
		text_table_cell(&t, "%s", j->paused ? "paused" : "active");
		text_table_cell(&t, "%u", live_views(j));
		text_table_cell(&t, "%s", human_time(when, j->updated_ms));
	}
	text_table_print(&t, out);
	text_table_release(&t);
}

static void json(const struct control_jobs *jobs, struct buf *out)
{
	buf_str(out, "{\"jobs\":[");
	for (uint32_t i = 0; i < jobs->n; i++) {
		const struct control_job *j = &jobs->items[i];
		uint32_t n = 0;
		buf_printf(out, "%s{\"name\":", i ? "," : "");
		buf_json(out, slice_of(j->name));
		buf_printf(out, ",\"paused\":%s,\"updated_ms\":%lld,\"views\":[",
		        j->paused ? "true" : "false", (long long)j->updated_ms);
		for (uint32_t k = 0; k < j->nviews; k++) {
			if (!j->views[k].live)
				continue;
			buf_str(out, n++ ? ",{\"name\":" : "{\"name\":");
			buf_json(out, slice_of(j->views[k].name));
			buf_printf(out, ",\"version\":%u}", j->views[k].version);
		}
		buf_str(out, "]}");
	}
	buf_str(out, "]}\n");
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct control control;
	struct control_jobs jobs;
	struct buf b = {0};
	if (cli_control(c, &control, &e) || control_list(&control, &jobs, &e))
		return cli_fail(c, &e);
	if (c->json)
		json(&jobs, &b);
	else if (jobs.n)
		table(&jobs, &b);
	else
		cli_say(c, "no job is deployed under the prefix %s", control.prefix);
	cli_print(&b);
	buf_release(&b);
	control_jobs_release(&jobs);
	return ANSWER_DONE;
}

static const char *const uses[] = {"brokers", "kafka-config", "prefix", "format", NULL};
const struct command command_list = {
        .name = "list",
        .args = "",
        .summary = "list the deployed jobs",
        .about = "Lists what stands in <prefix>.jobs. It asks Kafka alone, no node.",
        .examples = "weir list\nweir list --format json",
        .uses = uses,
        .run = run,
};
