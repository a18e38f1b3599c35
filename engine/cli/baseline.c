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
#include "cli/cli.h"

static const struct option own[] = {
        {"data", OPT_TEXT, true, .value = "FILE",
                .help = "The reference: a Parquet or CSV file, or a folder of Parquet files."},
        {"out", OPT_TEXT, true, .value = "FILE", .help = "Where the baseline goes."},
        {"columns", OPT_TEXT, true, .value = "NAME,...",
                .help = "These columns. Default: all of a type that can be watched, but for "
                        "those of --by and --label."},
        {"categories", OPT_TEXT, true, .value = "NAME,...",
                .help = "Whole-number columns whose values are categories."},
        {"by", OPT_TEXT, true, .value = "NAME,...",
                .help = "Also one reference for each combination of these columns' values."},
        {"score", OPT_TEXT, true, .value = "NAME",
                .help = "The model's score; with --label its errors are kept too."},
        {"label", OPT_TEXT, true, .value = "NAME", .help = "What the score was to predict."},
        {0}};

static void show(void *arg, uint32_t done, uint32_t total)
{
	progress_show(arg, done, total, "columns");
}

static enum status asked(struct cli *c, struct baseline_data *d, struct error *e)
{
	struct options *o = &c->options;
	d->path = options_text(o, "data");
	d->score = options_text(o, "score");
	d->label = options_text(o, "label");
	if (!d->path || !options_text(o, "out"))
		return error_set(e, ERR_USER, 0,
		        "say what to read and where to write: --data FILE --out FILE");
	if (!d->score != !d->label)
		return error_set(e, ERR_USER, 0, "--score and --label go together");
	if (names_split(&d->columns, options_text(o, "columns"), "columns", &o->arena, e) ||
	        names_split(&d->categories, options_text(o, "categories"), "categories",
	                &o->arena, e) ||
	        names_split(&d->by, options_text(o, "by"), "by", &o->arena, e))
		return ST_ERR;
	struct columns_conf conf = {
	        .path = d->path, .memory_bytes = (uint64_t)options_number(o, "memory")};
	return columns_open(&conf, &d->file, e);
}

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

static enum status make(struct cli *c, struct baseline_data *d, struct error *e)
{
	struct progress p;
	struct baseline *b = NULL;
	struct buf json = {0};
	const char *out = options_text(&c->options, "out");
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO),
	        arena_printf(&c->options.arena, "reading %s", d->path), &clock_system);
	d->arg = &p;
	d->progress = show;
	enum status st = baseline_from_data(d, &b, e);
	progress_end(&p);
	if (st)
		return st;
	b->weir = c->version;
	baseline_write(b, &json);
	st = save(out, &json, e);
	if (st == ST_OK)
		say(c, b, out);
	buf_release(&json);
	baseline_free(b);
	return st;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct baseline_data d = {0};
	enum status st = asked(c, &d, &e);
	if (st == ST_OK)
		st = make(c, &d, &e);
	columns_close(d.file);
	return st ? cli_fail(c, &e) : ANSWER_DONE;
}

static const char *const uses[] = {"memory", "format", NULL};
const struct command command_baseline = {
        .name = "baseline",
        .args = "",
        .summary = "keep what reference data looks like",
        .about = "Reads a training set or an export and writes one JSON file: per column "
                 "counts, "
                 "nulls, moments, 1,001 quantiles, deciles and category frequencies, over all "
                 "rows and, with --by, per segment. Monitors and weir drift compare with it. "
                 "The "
                 "same data give the same bytes, in whatever order the rows are.\n\n"
                 "Numbers, dates and times are watched as numbers; booleans, text and enums as "
                 "categories. docs/reference/drift.md has the file's format.",
        .exits = "0  The file is written.",
        .examples = "weir baseline --data train.parquet --out baseline.json\n"
                    "weir baseline --data train.parquet --columns score,mean_delay_24h "
                    "--by model_version --out baseline.json",
        .args_min = 0,
        .args_max = 0,
        .options = own,
        .uses = uses,
        .run = run,
};
