// SPDX-License-Identifier: Apache-2.0
//
// weir export VIEW --to DIR: a view's offline topic into Parquet files. Which version, how far
// it is, and what came of it are said here; the work is connectors/parquet's.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "connectors/parquet/export.h"

static const struct option own[] = {
        {"to", OPT_TEXT, true, .value = "DIR",
                .help = "The folder that the files go below, as VIEW/vN/dt=YYYY-MM-DD. Made "
                        "if need be; with files of an earlier export, only what has come "
                        "since is written."},
        {"view-version", OPT_INT, true, .min = 1, .max = UINT32_MAX, .value = "N",
                .help = "This version of the view instead of the one that is deployed (or, "
                        "when none is, the newest that has a topic)."},
        {"threads", OPT_INT, true, .min = 1, .max = 64, .value = "N",
                .help = "Threads that sort and compress. Default: one per core."},
        {0}};

/* What of the definition goes with the files. A job that this weir cannot read says nothing. */
static void definition_take(
        struct cli *c, const struct control_job *stored, struct export_conf *conf)
{
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	if (job_parse(slice_of(stored->yaml), stored->name, NULL, &c->env, &job, &d) == ST_OK)
		for (uint32_t i = 0; i < job->nviews; i++) {
			const struct view *v = &job->views[i];
			if (strcmp(v->name, conf->view) || v->version != conf->version)
				continue;
			conf->defined = true;
			conf->ttl_ms = v->ttl_ms;
			conf->source =
			        arena_strdup(&c->options.arena, job->sources[v->source].topic);
		}
	job_free(job);
	diagnostics_release(&d);
}

/* The deployed version; else the newest that has a topic. */
static enum status version_find(struct cli *c, struct export_conf *conf, struct error *e)
{
	struct control control;
	struct control_jobs jobs;
	const char *near, *view = conf->view;
	uint32_t live, *version = &conf->version;
	if (cli_control(c, &control, e) || control_list(&control, &jobs, e))
		return ST_ERR;
	const struct control_job *job = control_find_view(&jobs, view, &live);
	*version = (uint32_t)options_number(&c->options, "view-version");
	if (job && !*version)
		*version = live;
	if (job)
		definition_take(c, job, conf);
	control_jobs_release(&jobs);
	if (*version)
		return ST_OK;
	enum status st = export_newest(c->log, c->broker, options_text(&c->options, "prefix"),
	        view, version, &c->options.arena, &near, e);
	if (st != ST_END)
		return st;
	return error_set(e, ERR_USER, 0, "no view %s has an offline topic%s%s%s", view,
	        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

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
	        ",\"folder\":",
	        conf->version, n->rows, n->files, n->bytes, n->superseded, n->tombstones);
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

static const struct format *avro(const struct cli *c)
{
	for (const struct format *const *f = c->env.formats; *f; f++)
		if (!strcmp((*f)->name, "avro"))
			return *f;
	return NULL;
}

static enum status export(struct cli *c, struct export_conf *conf, struct error *e) {
	struct export_counts n = {0}; struct progress p; struct buf b = {0}; conf->arg = &p;
	conf->progress = show;
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO),
	        arena_printf(
	                &c->options.arena, "exporting %s v%" PRIu32, conf->view, conf->version),
	        &clock_system);
	enum status st = export_run(conf, &n, e);
	progress_end(&p);
	if (st && n.files) cli_say(c,
	        "%" PRIu64 " files with %" PRIu64 " rows were written before it failed",
	        n.files, n.rows);
	if (st) return st;
	(c->json ? say_json : say_table)(conf, &n, &b);
	cli_print(&b);
	buf_release(&b);
	return ST_OK;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct export_conf conf = {.prefix = options_text(&c->options, "prefix"),
	        .view = c->options.args[0],
	        .dir = options_text(&c->options, "to"),
	        .memory_bytes = (uint64_t)options_number(&c->options, "memory"),
	        .threads = (uint32_t)options_number(&c->options, "threads"),
	        .avro = avro(c),
	        .clock = &clock_system};
	if (!conf.dir) {
		error_set(&e, ERR_USER, 0, "--to DIR is missing: where do the files go?");
		return cli_fail(c, &e);
	}
	if (cli_schemas(c, &e) || version_find(c, &conf, &e))
		return cli_fail(c, &e);
	conf.log = c->log;
	conf.broker = c->broker;
	conf.schemas = c->schemas;
	return export(c, &conf, &e) ? cli_fail(c, &e) : ANSWER_DONE;
}

static const char *const uses[] = {"brokers", "registry", "registry-auth-file", "kafka-config",
        "prefix", "memory", "format", NULL};
const struct command command_export = {
        .name = "export",
        .args = "VIEW",
        .summary = "write a view's rows to Parquet files",
        .about =
                "Reads the view's offline topic up to its end as of now and writes its rows to "
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
                "from the topic.",
        .exits = "0  The files have every row that was committed when it started.",
        .examples = "weir export aircraft --to features/\n"
                    "weir export aircraft --to features/ --view-version 1 --memory 2G",
        .args_min = 1,
        .args_max = 1,
        .options = own,
        .uses = uses,
        .run = run,
};
