// SPDX-License-Identifier: Apache-2.0
//
// weir baseline: what reference data looks like, as one JSON file that monitors and weir drift
// compare with.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/progress.h"
#include "cli/baseline_data.h"
#include "cli/baseline_topic.h"
#include "cli/cli.h"
#include "lang/civil.h"
#include "lang/suggest.h"

static const struct option own[] = {
        {"data", OPT_TEXT, true, .value = "FILE",
                .help = "The reference is a Parquet or CSV file, or a folder of Parquet files, "
                        "instead of the monitor's topic."},
        {"from", OPT_TEXT, true, .value = "TIME",
                .help = "Predictions of the topic from this event time on, in ISO 8601 "
                        "(2013-01-31 or 2013-01-31T14:00:00Z). Default: all."},
        {"to", OPT_TEXT, true, .value = "TIME", .help = "And before this one."},
        {"out", OPT_TEXT, true, .value = "FILE", .help = "Where the baseline goes."},
        {"columns", OPT_TEXT, true, .value = "NAME,...",
                .help = "These columns of the file. Default: the monitor's; without a job, all "
                        "of a type that can be watched, but for those of --by and --label."},
        {"categories", OPT_TEXT, true, .value = "NAME,...",
                .help = "Whole-number columns whose values are categories."},
        {"by", OPT_TEXT, true, .value = "NAME,...",
                .help = "Also one reference for each combination of these columns' values."},
        {"score", OPT_TEXT, true, .value = "NAME",
                .help = "The file's column with the model's score; with --label its errors are "
                        "kept too. Default: the monitor's."},
        {"label", OPT_TEXT, true, .value = "NAME",
                .help = "The file's column with what the score was to predict."},
        {0}};

static void show_columns(void *arg, uint32_t done, uint32_t total)
{
	progress_show(arg, done, total, "columns");
}

static void show_offsets(void *arg, int64_t done, int64_t total)
{
	progress_show(arg, done, total, "records");
}

/* The job, of which only what the monitor watches counts: its baseline may not be there yet. */
static enum answer monitor_find(struct cli *c, struct job **job, const struct monitor **out)
{
	if (!c->options.nargs)
		return ANSWER_DONE;
	const char *name = c->options.nargs > 1 ? c->options.args[1] : "";
	c->env.without_baselines = true;
	enum answer a = cli_job(c, c->options.args[0], job);
	if (a)
		return a;
	struct suggest near = suggest_for(slice_of(name));
	for (uint32_t i = 0; i < (*job)->nmonitors; i++) {
		suggest_offer(&near, (*job)->monitors[i].name);
		if (!strcmp((*job)->monitors[i].name, name))
			*out = &(*job)->monitors[i];
	}
	if (*out && (*out)->skew) {
		cli_say(c,
		        "monitor %s compares served values with computed ones: it has no "
		        "baseline",
		        name);
		return ANSWER_USAGE;
	}
	if (*out)
		return ANSWER_DONE;
	cli_say(c, "job %s has no monitor %s%s%s%s", (*job)->name, name,
	        near.best ? "; did you mean " : "", near.best ? near.best : "",
	        near.best ? "?" : "");
	return ANSWER_USAGE;
}

/* -- from a file -- */

static void monitor_columns(const struct job *job, const struct monitor *m, struct names *out)
{
	const struct schema *s = job->sources[m->source].schema;
	for (uint32_t i = 0; !out->n && i < m->ncolumns; i++)
		out->v[i] = s->fields[m->columns[i]].name;
	out->n = out->n ? out->n : m->ncolumns;
}

static enum status file_asked(struct cli *c, const struct job *job, const struct monitor *m,
        struct baseline_data *d, struct error *e)
{
	struct options *o = &c->options;
	d->path = options_text(o, "data");
	d->score = options_text(o, "score");
	d->label = options_text(o, "label");
	if (options_text(o, "from") || options_text(o, "to"))
		return error_set(
		        e, ERR_USER, 0, "--from and --to are for a topic, not for --data");
	if (m && m->score >= 0 && d->label && !d->score)
		d->score = job->sources[m->source].schema->fields[m->score].name;
	if (!d->score != !d->label)
		return error_set(e, ERR_USER, 0, "--score and --label go together");
	if (names_split(&d->columns, options_text(o, "columns"), "columns", &o->arena, e) ||
	        names_split(&d->categories, options_text(o, "categories"), "categories",
	                &o->arena, e) ||
	        names_split(&d->by, options_text(o, "by"), "by", &o->arena, e))
		return ST_ERR;
	if (m)
		monitor_columns(job, m, &d->columns);
	struct columns_conf conf = {
	        .path = d->path, .memory_bytes = (uint64_t)options_number(o, "memory")};
	return columns_open(&conf, &d->file, e);
}

static enum status from_file(struct cli *c, const struct job *job, const struct monitor *m,
        struct baseline **out, struct error *e)
{
	struct progress p;
	struct baseline_data d = {.arg = &p, .progress = show_columns};
	enum status st = file_asked(c, job, m, &d, e);
	if (st == ST_OK) {
		progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO),
		        arena_printf(&c->options.arena, "reading %s", d.path), &clock_system);
		st = baseline_from_data(&d, out, e);
		progress_end(&p);
	}
	columns_close(d.file);
	if (st == ST_OK && m) {
		(*out)->job = arena_strdup(&(*out)->arena, job->name);
		(*out)->monitor = arena_strdup(&(*out)->arena, m->name);
	}
	return st;
}

/* -- from the topic -- */

static enum status time_read(
        const struct options *o, const char *name, int64_t none, int64_t *out, struct error *e)
{
	const char *text = options_text(o, name);
	int64_t us;
	*out = none;
	if (!text)
		return ST_OK;
	if (!civil_parse(slice_of(text), &us))
		return error_set(e, ERR_USER, 0,
		        "--%s: %s is no time in ISO 8601, such as 2013-01-31 or "
		        "2013-01-31T14:00:00Z",
		        name, text);
	*out = us / 1000;
	return ST_OK;
}

static enum status topic_asked(struct cli *c, struct baseline_topic *t, struct error *e)
{
	static const char *const of_files[] = {"columns", "score", "label", NULL};
	struct options *o = &c->options;
	for (int i = 0; of_files[i]; i++)
		if (options_text(o, of_files[i]))
			return error_set(e, ERR_USER, 0, "--%s is for --data", of_files[i]);
	t->from = options_text(o, "from");
	t->to = options_text(o, "to");
	t->memory_bytes = (uint64_t)options_number(o, "memory");
	if (time_read(o, "from", INT64_MIN, &t->from_ms, e) ||
	        time_read(o, "to", INT64_MAX, &t->to_ms, e) ||
	        names_split(&t->categories, options_text(o, "categories"), "categories",
	                &o->arena, e) ||
	        names_split(&t->by, options_text(o, "by"), "by", &o->arena, e))
		return ST_ERR;
	if (t->from_ms >= t->to_ms)
		return error_set(e, ERR_USER, 0, "--from is not before --to");
	if (cli_schemas(c, e))
		return ST_ERR;
	t->log = c->log;
	t->broker = c->broker;
	t->schemas = c->schemas;
	return ST_OK;
}

static enum status from_topic(struct cli *c, const struct job *job, const struct monitor *m,
        struct baseline **out, struct error *e)
{
	struct progress p;
	struct baseline_topic t = {
	        .job = job, .monitor = m, .arg = &p, .progress = show_offsets};
	if (topic_asked(c, &t, e))
		return ST_ERR;
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO),
	        arena_printf(&c->options.arena, "reading %s", job->sources[m->source].topic),
	        &clock_system);
	enum status st = baseline_from_topic(&t, out, e);
	progress_end(&p);
	return st;
}

/* -- the file -- */

/* Written beside and renamed: a monitor may be reading the old one. */
static enum status save(const char *path, const struct buf *b, struct error *e)
{
	char beside[1000];
	snprintf(beside, sizeof beside, "%.980s.%ld", path, (long)getpid());
	FILE *f = fopen(beside, "we");
	bool ok = f && fwrite(b->p, 1, b->len, f) == b->len && fflush(f) == 0 &&
	          fsync(fileno(f)) == 0;
	int why = errno;
	if (f && fclose(f))
		ok = false;
	if (ok && rename(beside, path) == 0)
		return ST_OK;
	why = ok ? errno : why;
	unlink(beside);
	return error_set(e, ERR_FATAL, why, "cannot write %s: %s", path, strerror(why));
}

static void say(const struct cli *c, const struct baseline *b, const char *path)
{
	char rows[HUMAN_MAX];
	struct buf out = {0};
	if (c->json) {
		buf_str(&out, "{\"file\":");
		buf_json(&out, slice_of(path));
		buf_printf(&out, ",\"rows\":%llu,\"columns\":%u,\"segments\":%u}\n",
		        (unsigned long long)b->segments[0].rows, b->ncolumns, b->nsegments - 1);
	} else {
		buf_printf(&out, "%s: %s rows, %u columns", path,
		        human_count(rows, b->segments[0].rows), b->ncolumns);
		if (b->nby)
			buf_printf(&out, ", %u segments", b->nsegments - 1);
		buf_str(&out, "\n");
	}
	cli_print(&out);
	buf_release(&out);
}

static enum status make(
        struct cli *c, const struct job *job, const struct monitor *m, struct error *e)
{
	struct baseline *b = NULL;
	struct buf json = {0};
	const char *out = options_text(&c->options, "out");
	bool data = options_text(&c->options, "data") != NULL;
	if ((!m && !data) || !out)
		return error_set(e, ERR_USER, 0,
		        "say what to read and where to write: JOB MONITOR --out FILE, or "
		        "--data FILE --out FILE");
	if (data ? from_file(c, job, m, &b, e) : from_topic(c, job, m, &b, e))
		return ST_ERR;
	b->weir = c->version;
	baseline_write(b, &json);
	enum status st = save(out, &json, e);
	if (st == ST_OK)
		say(c, b, out);
	buf_release(&json);
	baseline_free(b);
	return st;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct job *job = NULL;
	const struct monitor *m = NULL;
	enum answer a = monitor_find(c, &job, &m);
	if (a == ANSWER_DONE && make(c, job, m, &e))
		a = cli_fail(c, &e);
	job_free(job);
	return a;
}

static const char *const uses[] = {"brokers", "registry", "registry-auth-file", "kafka-config",
        "prefix", "memory", "format", NULL};
const struct command command_baseline = {
        .name = "baseline",
        .args = "[JOB MONITOR]",
        .summary = "keep what reference data looks like",
        .about = "Writes one JSON file of what reference data looks like: per column counts, "
                 "nulls, moments, 1,001 quantiles, deciles and category frequencies, over all "
                 "rows and, with --by, per segment. Monitors and weir drift compare with it. "
                 "The same data give the same bytes, in whatever order the rows are.\n\n"
                 "With JOB and MONITOR the columns are the monitor's, and the data the "
                 "predictions of its topic whose event time lies within --from and --to, less "
                 "those that a monitor would not take: bad and late ones. A monitor with "
                 "labels has "
                 "them read from their topic, and its errors kept. The baseline that the "
                 "job file names need not be there yet. With --data the data are a training "
                 "set's or an export's.\n\n"
                 "Numbers, dates and times are watched as numbers; booleans, text and enums as "
                 "categories. docs/reference/drift.md has the file's format.",
        .exits = "0  The file is written.\n1  The job file has errors.",
        .examples = "weir baseline flights.yaml delay_model --from 2013-01-01 --to 2013-04-01 "
                    "--out base.json\n"
                    "weir baseline --data train.parquet --columns score --by model_version "
                    "--out base.json",
        .args_min = 0,
        .args_max = 2,
        .options = own,
        .uses = uses,
        .run = run,
};
