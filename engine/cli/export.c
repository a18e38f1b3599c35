// SPDX-License-Identifier: Apache-2.0
//
// weir export VIEW... --to DIR: views' offline topics into Parquet files, once or again and
// again, and their compaction. Which views and versions (export_views.c), how far it is, and
// what came of it are said here; the work is connectors/parquet's.
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/export_views.h"
#include "connectors/parquet/export.h"

/* The signal flag of --follow. */
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	stopping = 1;
	signal(number, SIG_DFL); /* the second ends it at once */
}

static const struct option own[] = {
        {"to", OPT_TEXT, true, .value = "DIR",
                .help = "The folder that the files go below, as VIEW/vN/dt=YYYY-MM-DD. Made "
                        "if need be; with files of an earlier export, only what has come "
                        "since is written."},
        {"all", OPT_FLAG, true,
                .help = "Every view that is deployed; with --compact: that is in DIR."},
        {"follow", OPT_FLAG, true,
                .help = "Go on until SIGTERM or SIGINT: what has come since goes into new "
                        "files, every --every. Best with a --compact now and then."},
        {"every", OPT_DURATION, true, .fallback = "1m", .min = 100, .max = 86400000,
                .value = "DURATION",
                .help = "With --follow: the time between two looks, and so about the most that "
                        "the files are behind."},
        {"compact", OPT_FLAG, true,
                .help = "Write nothing new, but merge each day's files of a partition into "
                        "one. Needs no server."},
        {"view-version", OPT_INT, true, .min = 1, .max = UINT32_MAX, .value = "N",
                .help = "This version of the view instead of the one that is deployed (or, "
                        "when none is, the newest that has a topic; with --compact: all)."},
        {"threads", OPT_INT, true, .min = 1, .max = 64, .value = "N",
                .help = "Partitions that are read and written at the same time. Default: one "
                        "per core."},
        {0}};

static void show(void *arg, const struct export_counts *n)
{
	char rows[HUMAN_MAX], note[2 * HUMAN_MAX + 40];
	snprintf(note, sizeof note, "%s rows written, %" PRIu64 " files",
	        human_count(rows, n->rows), n->files);
	progress_show(arg, n->done, n->total, note);
}

static void say_json(
        const struct export_conf *conf, const struct export_counts *n, struct buf *out)
{
	buf_str(out, "{\"view\":");
	buf_json(out, slice_of(conf->view));
	buf_printf(out,
	        ",\"version\":%" PRIu32 ",\"rows\":%" PRIu64 ",\"files\":%" PRIu64
	        ",\"bytes\":%" PRIu64 ",\"superseded\":%" PRIu64 ",\"tombstones\":%" PRIu64
	        ",\"nulled\":%" PRIu64 ",\"folder\":",
	        conf->version, n->rows, n->files, n->bytes, n->superseded, n->tombstones,
	        n->nulled);
	buf_json(out, slice_of(conf->dir));
	buf_str(out, "}\n");
}

static void say_table(
        const struct export_conf *conf, const struct export_counts *n, struct buf *out)
{
	char rows[HUMAN_MAX], bytes[HUMAN_MAX];
	if (!n->files) {
		buf_printf(out, "%s v%" PRIu32 ": no new rows\n", conf->view, conf->version);
		return;
	}
	buf_printf(out,
	        "%s v%" PRIu32 ": %s rows in %" PRIu64 " files, %s, in %s/%s/v%" PRIu32 "\n",
	        conf->view, conf->version, human_count(rows, n->rows), n->files,
	        human_bytes(bytes, n->bytes), conf->dir, conf->view, conf->version);
}

static bool stop(void *arg)
{
	(void)arg;
	return stopping != 0;
}

static enum status view_export(struct cli *c, struct export_conf *conf, struct arena *a,
        bool follow, struct error *e)
{
	struct export_counts n = {0};
	struct progress p;
	struct buf b = {0};
	conf->arg = &p;
	conf->progress = follow ? NULL : show;
	conf->stop = stop;
	conf->wait = conf->again = follow;
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO),
	        arena_printf(a, "exporting %s v%" PRIu32, conf->view, conf->version),
	        &clock_system);
	enum status st = export_run(conf, &n, e);
	if (!follow)
		progress_end(&p);
	if (st && n.files)
		cli_say(c,
		        "%" PRIu64 " files with %" PRIu64 " rows were written before it failed",
		        n.files, n.rows);
	if (n.nulled)
		cli_say(c,
		        "%s v%" PRIu32 ": %" PRIu64
		        " timestamps are past the year 294247 or as long before 1970, where the "
		        "files' readers do not reach: they are null in the files",
		        conf->view, conf->version, n.nulled);
	if (st || (follow && !n.files))
		return st;
	(c->json ? say_json : say_table)(conf, &n, &b);
	cli_print(&b);
	fflush(stdout);
	buf_release(&b);
	return ST_OK;
}

static enum status views_export(struct cli *c, struct error *e)
{
	struct export_views v;
	enum status st = export_views_deployed(c, &v, e);
	for (uint32_t i = 0; st == ST_OK && i < v.n; i++)
		st = view_export(c, &v.items[i], &v.arena, false, e);
	export_views_release(&v);
	return st;
}

/* The signals come while we wait, and at no moment before it unseen. */
static void rest(int64_t ms)
{
	sigset_t block, before;
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	if (!stopping)
		ppoll(NULL, 0, &t, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* What the outside world fails at is tried again, at the next look: then it is said, and over.
 */
static enum status tried(const struct cli *c, enum status st, const struct error *e)
{
	if (st == ST_OK || e->class != ERR_RETRIABLE)
		return st;
	if (!stopping)
		cli_say(c, "%s; it goes on trying", e->msg);
	return ST_OK;
}

/* The views as they are deployed now: others than at the last look, perhaps. One that fails
 * keeps none of the others from its turn. */
static enum status views_look(struct cli *c, struct error *e)
{
	struct export_views v;
	enum status st = tried(c, export_views_deployed(c, &v, e), e);
	for (uint32_t i = 0; st == ST_OK && i < v.n && !stopping; i++)
		st = tried(c, view_export(c, &v.items[i], &v.arena, true, e), e);
	export_views_release(&v);
	return st;
}

static enum status views_follow(struct cli *c, struct error *e)
{
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	while (!stopping) {
		if (views_look(c, e))
			return ST_ERR;
		if (!stopping)
			rest(options_number(&c->options, "every"));
	}
	return ST_OK;
}

static void say_compacted(struct cli *c, const struct export_conf *conf,
        const struct export_compacted *n, struct buf *out)
{
	if (c->json) {
		buf_str(out, "{\"view\":");
		buf_json(out, slice_of(conf->view));
		buf_printf(out,
		        ",\"version\":%" PRIu32 ",\"days\":%" PRIu64
		        ",\"files_before\":%" PRIu64 ",\"files_after\":%" PRIu64 "}\n",
		        conf->version, n->days, n->before, n->after);
	} else if (n->days) {
		buf_printf(out,
		        "%s v%" PRIu32 ": %" PRIu64 " files became %" PRIu64 ", on %" PRIu64
		        " days\n",
		        conf->view, conf->version, n->before, n->after, n->days);
	} else {
		buf_printf(
		        out, "%s v%" PRIu32 ": nothing to merge\n", conf->view, conf->version);
	}
}

static enum status views_compact(struct cli *c, struct error *e)
{
	struct buf b = {0};
	struct export_views v;
	enum status st = export_views_found(c, &v, e);
	for (uint32_t i = 0; st == ST_OK && i < v.n; i++) {
		struct export_compacted n;
		v.items[i].wait = true; /* for a service that writes there */
		st = export_compact(&v.items[i], &n, e);
		if (st == ST_OK)
			say_compacted(c, &v.items[i], &n, &b);
	}
	export_views_release(&v);
	cli_print(&b);
	buf_release(&b);
	return st;
}

static enum status check(const struct cli *c, struct error *e)
{
	bool all = options_flag(&c->options, "all"),
	     compact = options_flag(&c->options, "compact"),
	     follow = options_flag(&c->options, "follow");
	if (!options_text(&c->options, "to"))
		return error_set(e, ERR_USER, 0, "--to DIR is missing: where do the files go?");
	if (all == (c->options.nargs > 0))
		return error_set(e, ERR_USER, 0,
		        all ? "--all and a view: which of the two?"
		            : "which view? Name one or more, or --all");
	if (compact && follow)
		return error_set(e, ERR_USER, 0,
		        "--compact with --follow: run it beside, it waits for its turn");
	if (options_number(&c->options, "view-version") && (all || c->options.nargs > 1))
		return error_set(e, ERR_USER, 0, "--view-version is of one view");
	return ST_OK;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	enum status st = check(c, &e);
	if (st == ST_OK)
		st = options_flag(&c->options, "compact")  ? views_compact(c, &e)
		     : options_flag(&c->options, "follow") ? views_follow(c, &e)
		                                           : views_export(c, &e);
	return st ? cli_fail(c, &e) : ANSWER_DONE;
}

static const char *const uses[] = {"brokers", "registry", "registry-auth-file", "kafka-config",
        "prefix", "memory", "format", NULL};
const struct command command_export = {
        .name = "export",
        .args = "[VIEW...]",
        .summary = "write views' rows to Parquet files",
        .about =
                "Reads each view's offline topic up to its end as of now and writes its rows "
                "to "
                "DIR/VIEW/vN/dt=YYYY-MM-DD/part-PARTITION-FIRST-LAST.parquet: dt is the UTC "
                "day "
                "of event_time, FIRST and LAST are the offsets of the file's first and last "
                "row. Rows are sorted by entity and event time, compressed with zstd, and "
                "times are timestamps in milliseconds, UTC.\n\n"
                "Running it again writes what has come since into new files and changes "
                "no other: DIR/VIEW/vN/_export.json remembers how far each partition is. It "
                "may "
                "be killed at any moment: no half-written file is ever visible, and the next "
                "run goes on. It refuses to go on where rows that it has not exported are gone "
                "from the topic.\n\n"
                "With --follow it is a service: what has come since goes into new files, until "
                "a signal ends it cleanly. Each look takes the views, and of each the version, "
                "that are deployed then; rows that a version got after its last look are left "
                "to --view-version. A view that gives nothing for 10 s, or has no topic yet, is "
                "said, tried again at the next look, and holds up none of the others. Small "
                "files that gather are merged by --compact, "
                "also beside a running export: a day's folder is exchanged as a whole, so a "
                "reader sees no row twice and misses none.",
        .exits = "0  The files have every row that was committed when it started; --follow: "
                 "stopped.",
        .examples = "weir export aircraft --to features/\n"
                    "weir export --all --to features/ --follow --every 30s\n"
                    "weir export --all --to features/ --compact\n"
                    "weir export aircraft --to features/ --view-version 1 --memory 2G",
        .args_min = 0,
        .args_max = EXPORT_VIEWS_MAX,
        .options = own,
        .uses = uses,
        .run = run,
};
