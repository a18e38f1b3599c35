// SPDX-License-Identifier: Apache-2.0
//
// weir drift REFERENCE NOW: the monitors' statistics between two files.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/human.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/drift_compare.h"
#include "cli/table.h"

static const struct option own[] = {
        {"tests", OPT_TEXT, true, .value = "TEST=THRESHOLD,...",
                .help = "These tests; one without a number has the mode's own threshold or "
                        "decides nothing. Default: all, with the mode's own thresholds."},
        {"mode", OPT_CHOICE, true, .fallback = "weir", .value = "weir|evidently|nannyml",
                .help = "Whose binning, handling of zeroes and norms."},
        {"columns", OPT_TEXT, true, .value = "NAME,...",
                .help = "These columns. Default: all that both have and that can be watched, "
                        "but for those of --by and --label."},
        {"categories", OPT_TEXT, true, .value = "NAME,...",
                .help = "Whole-number columns whose values are categories."},
        {"by", OPT_TEXT, true, .value = "NAME,...",
                .help = "Compare each combination of these columns' values by itself."},
        {"score", OPT_TEXT, true, .value = "NAME",
                .help = "The model's score; with --label its calibration and errors are "
                        "compared too."},
        {"label", OPT_TEXT, true, .value = "NAME", .help = "What the score was to predict."},
        {0}};

static void show(void *arg, uint32_t done, uint32_t total)
{
	progress_show(arg, done, total, "columns");
}

/* -- answers -- */

static void number_json(struct buf *out, const char *key, double v)
{
	buf_printf(out, ",\"%s\":", key);
	if (isfinite(v))
		buf_num(out, v);
	else
		buf_str(out, "null");
}

static void segment_json(struct buf *out, const struct drift_compare *d, const char **values)
{
	buf_str(out, ",\"segment\":{");
	for (uint32_t i = 0; values && i < d->by.n; i++) {
		buf_str(out, i ? "," : "");
		buf_json(out, slice_of(d->by.v[i]));
		buf_byte(out, ':');
		if (values[i])
			buf_json(out, slice_of(values[i]));
		else
			buf_str(out, "null");
	}
	buf_byte(out, '}');
}

static void row_json(struct buf *out, const struct drift_compare *d, const struct drift_row *r)
{
	buf_str(out, "{\"column\":");
	buf_json(out, slice_of(r->column));
	segment_json(out, d, r->segment);
	buf_printf(out,
	        ",\"rows\":%" PRIu64 ",\"nulls\":%" PRIu64 ",\"reference_rows\":%" PRIu64
	        ",\"drifted\":%s,\"tests\":[",
	        r->rows, r->nulls, r->reference_rows, r->drifted ? "true" : "false");
	for (uint32_t i = 0; i < r->n; i++) {
		const struct drift_found *f = &r->tests[i];
		buf_printf(out, "%s{\"test\":\"%s\"", i ? "," : "", drift_tests[f->test].name);
		number_json(out, "value", f->value.value);
		number_json(out, "p_value", f->value.p_value);
		number_json(out, "threshold", f->threshold);
		buf_printf(out, ",\"breached\":%s}", f->breached ? "true" : "false");
	}
	buf_str(out, "]}");
}

static void say_json(struct buf *out, const struct drift_compare *d, bool drifted)
{
	buf_printf(out, "{\"mode\":\"%s\",\"drifted\":%s,\"columns\":[\n",
	        drift_modes[d->ask.mode], drifted ? "true" : "false");
	for (uint32_t i = 0; i < d->n; i++) {
		row_json(out, d, d->rows[i]);
		buf_str(out, i + 1 < d->n ? ",\n" : "\n");
	}
	buf_str(out, "]}\n");
}

static void cell(struct text_table *t, double v)
{
	if (isfinite(v))
		text_table_cell(t, "%.6g", v);
	else
		text_table_cell(t, "-");
}

static const char *segment_text(
        const struct drift_compare *d, const char **values, struct arena *a)
{
	struct buf b = {0};
	for (uint32_t i = 0; values && i < d->by.n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", values[i] ? values[i] : "null");
	const char *out = arena_strdup(a, buf_cstr(&b));
	buf_release(&b);
	return out;
}

static void say_table(struct buf *out, const struct drift_compare *d, uint32_t drifted)
{
	static const char *const plain[] = {
	        "COLUMN", "TEST", ">VALUE", ">P-VALUE", ">THRESHOLD", "DRIFTED", NULL};
	static const char *const parted[] = {"COLUMN", "SEGMENT", "TEST", ">VALUE", ">P-VALUE",
	        ">THRESHOLD", "DRIFTED", NULL};
	struct text_table t;
	text_table_init(&t, d->by.n ? parted : plain);
	for (uint32_t i = 0; i < d->n; i++) {
		const struct drift_row *r = d->rows[i];
		for (uint32_t k = 0; k < r->n; k++) {
			const struct drift_found *f = &r->tests[k];
			text_table_row(&t);
			text_table_cell(&t, "%s", r->column);
			if (d->by.n)
				text_table_cell(
				        &t, "%s", segment_text(d, r->segment, d->arena));
			text_table_cell(&t, "%s", drift_tests[f->test].name);
			cell(&t, f->value.value);
			cell(&t, f->value.p_value);
			cell(&t, f->threshold);
			text_table_cell(&t, "%s",
			        isnan(f->threshold) ? ""
			        : f->breached       ? "yes"
			                            : "no");
		}
	}
	text_table_print(&t, out);
	text_table_release(&t);
	buf_printf(out, "\n%u of %u %s drifted\n", drifted, d->n,
	        d->by.n ? "columns and segments have" : "columns have");
}

static enum answer say(const struct cli *c, const struct drift_compare *d)
{
	struct buf out = {0};
	uint32_t drifted = 0;
	for (uint32_t i = 0; i < d->n; i++)
		drifted += d->rows[i]->drifted;
	if (c->json)
		say_json(&out, d, drifted > 0);
	else
		say_table(&out, d, drifted);
	cli_print(&out);
	buf_release(&out);
	return drifted ? ANSWER_NO : ANSWER_DONE;
}

/* -- questions -- */

static bool is_baseline(const char *path)
{
	size_t n = strlen(path);
	return n > 5 && !strcmp(path + n - 5, ".json");
}

static enum status read_baseline(const char *path, struct baseline **out, struct error *e)
{
	struct buf text = {0};
	enum status st = file_slurp(path, BASELINE_BYTES_MAX, &text, e);
	if (st == ST_OK)
		st = baseline_parse(buf_view(&text), path, out, e);
	buf_release(&text);
	return st;
}

static enum status open_side(
        struct cli *c, const char *path, struct columns **out, struct error *e)
{
	struct columns_conf conf = {.path = path,
	        .memory_bytes = (uint64_t)options_number(&c->options, "memory") / 2};
	if (is_baseline(path))
		return error_set(e, ERR_USER, 0,
		        "%s: a baseline can only be the reference, the first of the two", path);
	return columns_open(&conf, out, e);
}

static enum status asked(struct cli *c, struct drift_compare *d, struct error *e)
{
	struct options *o = &c->options;
	d->base_path = o->args[0];
	d->now_path = o->args[1];
	d->score = options_text(o, "score");
	d->label = options_text(o, "label");
	d->arena = &o->arena;
	d->ask.mode = (enum drift_mode)drift_mode_find(slice_of(options_text(o, "mode")));
	if (!d->score != !d->label)
		return error_set(e, ERR_USER, 0, "--score and --label go together");
	if (drift_ask_tests(&d->ask, options_text(o, "tests"), &o->arena, e) ||
	        names_split(&d->columns, options_text(o, "columns"), "columns", &o->arena, e) ||
	        names_split(&d->categories, options_text(o, "categories"), "categories",
	                &o->arena, e) ||
	        names_split(&d->by, options_text(o, "by"), "by", &o->arena, e))
		return ST_ERR;
	return ST_OK;
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct baseline *baseline = NULL;
	struct drift_compare d = {0};
	struct progress p;
	enum status st = asked(c, &d, &e);
	if (st == ST_OK)
		st = is_baseline(d.base_path) ? read_baseline(d.base_path, &baseline, &e)
		                              : open_side(c, d.base_path, &d.base, &e);
	if (st == ST_OK)
		st = open_side(c, d.now_path, &d.now, &e);
	d.baseline = baseline;
	d.arg = &p;
	d.progress = show;
	if (st == ST_OK) {
		progress_init(
		        &p, STDERR_FILENO, isatty(STDERR_FILENO), "comparing", &clock_system);
		st = drift_compare_run(&d, &e);
		progress_end(&p);
	}
	enum answer a = st ? cli_fail(c, &e) : say(c, &d);
	columns_close(d.base);
	columns_close(d.now);
	baseline_free(baseline);
	free(d.rows);
	return a;
}

static const char *const uses[] = {"memory", "format", NULL};
const struct command command_drift = {
        .name = "drift",
        .args = "REFERENCE NOW",
        .summary = "compare two files' columns",
        .about =
                "Compares each column of NOW, a Parquet or CSV file or a folder of Parquet "
                "files, with the same column of REFERENCE, another such file or a baseline "
                "(.json) that weir baseline made, and prints a line per column and test. The "
                "statistics are the monitors' own; between two files those that a baseline "
                "only approximates are exact.\n\n"
                "Numbers, dates and times are compared as numbers; booleans, text and enums as "
                "categories. --mode evidently and --mode nannyml give those tools' numbers. "
                "docs/reference/drift.md has the formulas.",
        .exits = "0  Nothing has drifted.\n1  A test is beyond its threshold.",
        .examples = "weir drift train.parquet last-week.parquet\n"
                    "weir drift baseline.json last-week.parquet --tests psi=0.25,ks=0.2\n"
                    "weir drift train.parquet last-week.parquet --mode evidently --format json",
        .args_min = 2,
        .args_max = 2,
        .options = own,
        .uses = uses,
        .run = run,
};
