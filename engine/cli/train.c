// SPDX-License-Identifier: Apache-2.0
//
// weir train: a training set from labels and an export. What it was made of and what looks
// wrong with it are said here; the work is connectors/parquet/train's.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/train_say.h"

#define LIST_MAX 1024 /* of a repeated option */

static const struct option own[] = {
        {"spine", OPT_TEXT, true, .value = "FILE",
                .help = "The examples: a .parquet or .csv file, a row each, with the entity "
                        "columns, the time, and whatever else is to be kept."},
        {"features", OPT_TEXT, true, .repeat = true, .value = "VIEW:FEATURE,...",
                .help = "What to join: view:feature, view:* for all of a view, "
                        "view.v2:feature for a version that is not the newest. May be given "
                        "more than once."},
        {"out", OPT_TEXT, true, .value = "FILE",
                .help = "The Parquet file to write; FILE" TRAIN_MANIFEST " is written beside "
                        "it."},
        {"data", OPT_TEXT, true, .fallback = ".", .value = "DIR",
                .help = "The folder that weir export wrote to."},
        {"time", OPT_TEXT, true, .value = "COLUMN",
                .help = "The spine's column with the time T of each row. Default: event_time, "
                        "timestamp, or the only column of times."},
        {"entity", OPT_TEXT, true, .repeat = true, .value = "[VIEW:]COLUMN=SPINE-COLUMN",
                .help = "Which column of the spine holds a view's entity column, when it is "
                        "called otherwise."},
        {"exclusive", OPT_FLAG, true,
                .help = "Rows with event_time < T instead of <= T: not the label's own event."},
        {"known-at", OPT_FLAG, true,
                .help = "Only rows that were known at T: known_at <= T too."},
        {"ttl", OPT_TEXT, true, .repeat = true, .value = "VIEW=DURATION",
                .help = "How far back a view's rows count, or none, instead of the view's own "
                        "ttl, which the export has noted."},
        {"label", OPT_TEXT, true, .value = "COLUMN",
                .help = "The spine's column that is to be predicted: features that alone tell "
                        "it are reported."},
        {"explain", OPT_INT, true, .value = "ROW",
                .help = "Which offline row gave this spine row (the first is 0) its values. "
                        "Without --out nothing is written."},
        {"again", OPT_TEXT, true, .value = "MANIFEST",
                .help = "The training set of this manifest once more: the same bytes, or what "
                        "has changed. --spine, --data and --out name where things are now."},
        {"threads", OPT_INT, true, .min = 1, .max = 64, .value = "N",
                .help = "Threads that read and decompress. Default: one per core."},
        {0}};

static const char *const *list(struct cli *c, const char *name, uint32_t *n)
{
	const char **out = arena_calloc(&c->options.arena, LIST_MAX + 1, sizeof *out);
	for (*n = 0; *n < LIST_MAX; ++*n)
		if (!(out[*n] = options_nth(&c->options, name, *n)))
			break;
	return out;
}

static bool given(const struct cli *c, const char *name)
{
	return options_get(&c->options, name)->origin == FROM_COMMAND;
}

static void conf_take(struct cli *c, struct train_conf *conf)
{
	const struct options *o = &c->options;
	*conf = (struct train_conf){.spine = options_text(o, "spine"),
	        .data = options_text(o, "data"),
	        .out = options_text(o, "out"),
	        .time = options_text(o, "time"),
	        .label = options_text(o, "label"),
	        .again = options_text(o, "again"),
	        .exclusive = options_flag(o, "exclusive"),
	        .known = options_flag(o, "known-at"),
	        .explain = given(c, "explain") ? options_number(o, "explain") : -1,
	        .memory_bytes = (uint64_t)options_number(o, "memory"),
	        .threads = (uint32_t)options_number(o, "threads"),
	        .weir = c->version};
	conf->features = list(c, "features", &conf->nfeatures);
	conf->entities = list(c, "entity", &conf->nentities);
	conf->ttls = list(c, "ttl", &conf->nttls);
	if (conf->again && !given(c, "data"))
		conf->data = NULL;
}

static enum status missing(const char *what, struct error *e)
{
	return error_set(e, ERR_USER, 0, "%s", what);
}

static enum status conf_check(
        const struct cli *c, const struct train_conf *conf, struct error *e)
{
	static const char *const fixed[] = {"features", "entity", "ttl", "time", "label",
	        "exclusive", "known-at", "explain"};
	if (!conf->again) {
		if (!conf->spine)
			return missing("--spine FILE is missing: the rows to join to", e);
		if (!conf->nfeatures)
			return missing("--features VIEW:FEATURE,... is missing", e);
		if (!conf->out && conf->explain < 0)
			return missing(
			        "--out FILE is missing: where does the training set go?", e);
		return ST_OK;
	}
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (given(c, fixed[i]))
			return error_set(e, ERR_USER, 0,
			        "--%s with --again: the manifest decides that", fixed[i]);
	return ST_OK;
}

static void show(void *arg, int64_t done, int64_t total)
{
	char rows[HUMAN_MAX], note[HUMAN_MAX + 20];
	snprintf(note, sizeof note, "%s rows read", human_count(rows, (uint64_t)done));
	progress_show(arg, done, total, note);
}

static enum answer answer(
        struct cli *c, const struct train_conf *conf, enum status st, struct train_result *r)
{
	struct buf b = {0};
	if (c->json)
		train_say_json(conf, r, &b);
	else
		train_say_table(conf, r, &b);
	cli_print(&b);
	buf_release(&b);
	return st == ST_END ? ANSWER_NO : ANSWER_DONE;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct train_conf conf;
	struct train_result r;
	struct progress p;
	conf_take(c, &conf);
	if (conf_check(c, &conf, &e))
		return cli_fail(c, &e);
	conf.arg = &p;
	conf.progress = show;
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO), "joining", &clock_system);
	enum status st = train_run(&conf, &r, &e);
	progress_end(&p);
	enum answer a = st == ST_ERR ? cli_fail(c, &e) : answer(c, &conf, st, &r);
	train_result_release(&r);
	return a;
}

static const char *const uses[] = {"memory", "format", NULL};
const struct command command_train = {
        .name = "train",
        .args = "",
        .summary = "join labels with exported features as of their time",
        .about =
                "Takes every row of the spine, in order, and adds the features as they were at "
                "its time T: of each view the row of its entity with the largest event_time <= "
                "T, the last emitted among equals; a row older than the view's ttl gives null, "
                "one exactly as old still counts. Columns are view__feature, and "
                "view___age_ms: how old that row was at T. It reads what weir export wrote; "
                "no server is needed.\n\n"
                "Times are timestamps (UTC where they have no zone), dates, integers "
                "(milliseconds since 1970) or ISO-8601 text. A row whose entity is null, or is "
                "not in the view, gets nulls and is counted; a row without a time is an "
                "error.\n\n"
                "What cannot be right is said: values that became known only after T, a "
                "feature that is named like the label, or that alone tells it (with --label). "
                "The manifest beside the output has all of it; --again MANIFEST makes the same "
                "bytes again, from an export that may have grown since, or says what has "
                "changed.",
        .exits = "0  The file is there; with --again: and equal.\n"
                 "1  With --again: it is not the same, and why.",
        .examples =
                "weir train --spine labels.parquet --features 'aircraft:*' --data features/ "
                "--out t.parquet\n"
                "weir train --spine l.csv --entity tail=id --features 'aircraft:*' "
                "--data f/ --out t.parquet\n"
                "weir train --again t.parquet.manifest.json",
        .options = own,
        .uses = uses,
        .run = run,
};
