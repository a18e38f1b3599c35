// SPDX-License-Identifier: Apache-2.0
//
// weir get VIEW KEY: one online row, as it stands in Redis. Values are the texts that are
// stored there; types are the job's business.
#include <string.h>

#include "base/human.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/row.h"
#include "cli/table.h"

static const struct option own[] = {
        {"view-version", OPT_INT, true, .min = 1, .max = UINT32_MAX, .value = "N",
                .help = "This version of the view "
                        "instead of the live one."},
        {0}};

static void json(
        const struct online_text *row, const char *view, const char *key, struct buf *out)
{
	buf_str(out, "{\"view\":");
	buf_json(out, slice_of(view));
	buf_printf(out, ",\"version\":%u,\"entity\":", row->version);
	buf_json(out, slice_of(key));
	buf_printf(out, ",\"event_time\":%lld,\"known_at\":%lld,\"features\":{",
	        (long long)row->event_time, (long long)row->known_at);
	for (uint32_t i = 0; i < row->n; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, slice_of(row->names[i]));
		buf_byte(out, ':');
		buf_json(out, slice_of(row->values[i]));
	}
	buf_str(out, "}}\n");
}

static void table(
        const struct online_text *row, const char *view, const char *key, struct buf *out)
{
	const char *const heads[] = {view, key, NULL};
	char when[HUMAN_MAX];
	struct text_table t;
	text_table_init(&t, heads);
	for (uint32_t i = 0; i < row->n; i++) {
		text_table_row(&t);
		text_table_cell(&t, "%s", row->names[i]);
		text_table_cell(&t, "%s", row->values[i]);
	}
	text_table_row(&t);
	text_table_cell(&t, "event time");
	text_table_cell(&t, "%s", human_time(when, row->event_time));
	text_table_row(&t);
	text_table_cell(&t, "known at");
	text_table_cell(&t, "%s", human_time(when, row->known_at));
	text_table_row(&t);
	text_table_cell(&t, "version");
	text_table_cell(&t, "%u", row->version);
	text_table_print(&t, out);
	text_table_release(&t);
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct online_text row;
	struct buf b = {0};
	const char *view = c->options.args[0], *key = c->options.args[1];
	if (cli_online(c, &e))
		return cli_fail(c, &e);
	enum status st = online_text_get(&row, c->online_ops, c->online, view,
	        (uint32_t)options_number(&c->options, "view-version"), key, &e);
	enum answer a = ANSWER_DONE;
	if (st == ST_ERR) {
		a = cli_fail(c, &e);
	} else if (st == ST_END) {
		cli_say(c, "%s", row.missing);
		a = ANSWER_NO;
	} else if (c->json) {
		json(&row, view, key, &b);
	} else {
		table(&row, view, key, &b);
	}
	cli_print(&b);
	buf_release(&b);
	online_text_release(&row);
	return a;
}

static const char *const uses[] = {"redis", "redis-password-file", "prefix", "format", NULL};
const struct command command_get = {
        .name = "get",
        .args = "VIEW KEY",
        .summary = "show an entity's online row",
        .about =
                "Prints the row of the view's live version as it is served from Redis now: its "
                "features, its event time, and when it became known. KEY is the entity's "
                "values "
                "joined by ':', with '%', ':' and '|' inside a value percent-escaped. A "
                "feature "
                "that is null is absent. Values are Redis's texts, in JSON too: times in ms, 0 "
                "and "
                "1 for booleans.",
        .exits = "0  There is a row.\n1  There is none, or the view has no live version.",
        .examples = "weir get aircraft N14228\nweir get route JFK:LAX --format json",
        .args_min = 2,
        .args_max = 2,
        .options = own,
        .uses = uses,
        .run = run,
};
