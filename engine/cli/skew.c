// SPDX-License-Identifier: Apache-2.0
//
// weir skew: features as served beside the engine's own values as of each prediction's time.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "connectors/parquet/skew.h"

#define CELLS_SHOWN 5 /* of a feature, in a table */
#define EXAMPLES_SHOWN 3

static const struct option own[] = {
        {"predictions", OPT_TEXT, true, .value = "FILE",
                .help = "The logged predictions: a .parquet or .csv file with the features as "
                        "served, the entity columns and the time of each."},
        {"served", OPT_TEXT, true, .repeat = true, .value = "COLUMN=VIEW:FEATURE",
                .help = "Which column holds which feature as it was served. May be given more "
                        "than once."},
        {"data", OPT_TEXT, true, .fallback = ".", .value = "DIR",
                .help = "The folder that weir export wrote to."},
        {"by", OPT_TEXT, true, .repeat = true, .value = "COLUMN",
                .help = "Segments: a line for each value of this column, at most 10,000 of a "
                        "feature, the largest shares first."},
        {"time", OPT_TEXT, true, .value = "COLUMN",
                .help = "The predictions' time. Default: event_time, timestamp, or the only "
                        "column of times."},
        {"entity", OPT_TEXT, true, .repeat = true, .value = "[VIEW:]COLUMN=PREDICTIONS-COLUMN",
                .help = "Which column holds a view's entity column, when it is called "
                        "otherwise."},
        {"exclusive", OPT_FLAG, true, .help = "Rows with event_time < T instead of <= T."},
        {"known-at", OPT_FLAG, true,
                .help = "Only rows that were known at T: what a store could have served."},
        {"tolerance", OPT_TEXT, true, .fallback = "1e-6", .value = "SHARE",
                .help = "How far numbers may be apart, relative to the larger one."},
        {"threshold", OPT_TEXT, true, .fallback = "0", .value = "SHARE",
                .help = "The share of rows of a feature that may differ."},
        {0}};

static enum status share_take(struct cli *c, const char *name, double *out, struct error *e)
{
	const char *text = options_text(&c->options, name);
	if (num_parse_double(text, strlen(text), out) && *out >= 0 && *out <= 1)
		return ST_OK;
	return error_set(e, ERR_USER, 0, "--%s is a share, from 0 to 1", name);
}

static const char **list(struct cli *c, const char *name, uint32_t max, uint32_t *n)
{
	const char **out = arena_calloc(&c->options.arena, max + 1, sizeof *out);
	for (*n = 0; *n < max && (out[*n] = options_nth(&c->options, name, *n)); ++*n)
		;
	return out;
}

static enum status pairs_take(struct cli *c, struct skew_conf *conf, struct error *e)
{
	uint32_t n;
	const char **served = list(c, "served", SKEW_PAIRS_MAX, &n);
	struct skew_pair *pairs = arena_calloc(&c->options.arena, n + 1, sizeof *pairs);
	for (uint32_t i = 0; i < n; i++) {
		char *text = arena_strdup(&c->options.arena, served[i]);
		char *equals = strchr(text, '='), *colon = equals ? strchr(equals, ':') : NULL;
		if (!equals || equals == text || !colon || colon == equals + 1 || !colon[1] ||
		        !strcmp(colon + 1, "*"))
			return error_set(e, ERR_USER, 0,
			        "--served '%s' is not of the form COLUMN=VIEW:FEATURE",
			        served[i]);
		*equals = 0;
		pairs[i] = (struct skew_pair){text, equals + 1};
	}
	conf->pairs = pairs;
	conf->npairs = n;
	return n ? ST_OK
	         : error_set(e, ERR_USER, 0,
	                   "which features were served? --served "
	                   "COLUMN=VIEW:FEATURE");
}

static enum status conf_take(
        struct cli *c, struct skew_conf *conf, double *threshold, struct error *e)
{
	const struct options *o = &c->options;
	const char *folder = getenv("TMPDIR");
	*conf = (struct skew_conf){
	        .train = {.spine = options_text(o, "predictions"),
	                .data = options_text(o, "data"),
	                .time = options_text(o, "time"),
	                .exclusive = options_flag(o, "exclusive"),
	                .known = options_flag(o, "known-at"),
	                .memory_bytes = (uint64_t)options_number(o, "memory"),
	                .weir = c->version},
	        .folder = folder && *folder ? folder : "/tmp"};
	if (!conf->train.spine)
		return error_set(e, ERR_USER, 0, "which predictions? --predictions FILE");
	conf->train.entities = list(c, "entity", SKEW_PAIRS_MAX, &conf->train.nentities);
	conf->by = list(c, "by", SKEW_BY_MAX, &conf->nby);
	if (share_take(c, "tolerance", &conf->tolerance, e) ||
	        share_take(c, "threshold", threshold, e))
		return ST_ERR;
	return pairs_take(c, conf, e);
}

/* -- the answer -- */

static void number(struct buf *out, double x)
{
	if (isnan(x))
		buf_str(out, "null");
	else
		buf_num(out, x);
}

static void text(struct buf *out, const char *s)
{
	if (s)
		buf_json(out, slice_of(s));
	else
		buf_str(out, "null");
}

static void json(
        const struct skew_conf *conf, const struct skew_result *r, bool skewed, struct buf *out)
{
	buf_printf(out, "{\"rows\":%llu,\"skewed\":%s,\"features\":[",
	        (unsigned long long)r->rows, skewed ? "true" : "false");
	for (uint32_t i = 0; i < r->ncells; i++) {
		const struct skew_cell *c = &r->cells[i];
		buf_str(out, i ? ",{\"served\":" : "{\"served\":");
		text(out, conf->pairs[c->pair].served);
		buf_str(out, ",\"feature\":");
		text(out, conf->pairs[c->pair].feature);
		buf_str(out, ",\"segment\":");
		text(out, c->segment);
		buf_printf(out, ",\"rows\":%llu,\"differ\":%llu,\"share\":",
		        (unsigned long long)c->rows, (unsigned long long)c->differ);
		number(out, (double)c->differ / (double)c->rows);
		buf_str(out, ",\"ratio\":");
		number(out, c->ratio);
		buf_byte(out, '}');
	}
	buf_str(out, "],\"examples\":[");
	for (uint32_t i = 0; i < r->nexamples; i++) {
		const struct skew_example *x = &r->examples[i];
		buf_str(out, i ? ",{\"feature\":" : "{\"feature\":");
		text(out, conf->pairs[x->pair].feature);
		buf_printf(out, ",\"row\":%llu,\"segment\":", (unsigned long long)x->row);
		text(out, x->segment);
		buf_str(out, ",\"served\":");
		text(out, x->served);
		buf_str(out, ",\"engine\":");
		text(out, x->engine);
		buf_byte(out, '}');
	}
	buf_str(out, "]}\n");
}

static void cell_row(struct text_table *t, const char *name, const struct skew_cell *c)
{
	text_table_row(t);
	text_table_cell(t, "%s", name);
	text_table_cell(t, "%s", *c->segment ? c->segment : "all");
	text_table_cell(t, "%llu", (unsigned long long)c->rows);
	text_table_cell(t, "%llu", (unsigned long long)c->differ);
	text_table_cell(t, "%.4g", (double)c->differ / (double)c->rows);
	if (isnan(c->ratio))
		text_table_cell(t, "-");
	else
		text_table_cell(t, "%.6g", c->ratio);
}

static void table(const struct skew_conf *conf, const struct skew_result *r, struct buf *out)
{
	static const char *const heads[] = {
	        "FEATURE", "SEGMENT", ">ROWS", ">DIFFER", ">SHARE", ">SERVED / ENGINE", NULL};
	struct text_table t;
	text_table_init(&t, heads);
	for (uint32_t p = 0, shown = 0; p < conf->npairs; p++, shown = 0)
		for (uint32_t i = 0; i < r->ncells && shown < CELLS_SHOWN; i++)
			if (r->cells[i].pair == p && (!shown++ || r->cells[i].differ))
				cell_row(&t, conf->pairs[p].feature, &r->cells[i]);
	text_table_print(&t, out);
	text_table_release(&t);
	for (uint32_t p = 0, shown = 0; p < conf->npairs; p++, shown = 0)
		for (uint32_t i = 0; i < r->nexamples && shown < EXAMPLES_SHOWN; i++) {
			const struct skew_example *x = &r->examples[i];
			if (x->pair != p)
				continue;
			shown++;
			buf_printf(out,
			        "row %llu%s%s: %s was served as %s, the engine's is %s\n",
			        (unsigned long long)x->row, *x->segment ? ", " : "", x->segment,
			        conf->pairs[p].feature, x->served ? x->served : "null",
			        x->engine ? x->engine : "null");
		}
}

static void show(void *arg, int64_t done, int64_t total)
{
	progress_show(arg, done, total, "rows read");
}

static enum answer run(struct cli *c)
{
	struct error e = {0};
	struct skew_conf conf;
	struct skew_result r;
	struct progress p;
	struct buf out = {0};
	double threshold;
	bool skewed = false;
	if (conf_take(c, &conf, &threshold, &e))
		return cli_fail(c, &e);
	conf.train.arg = &p;
	conf.train.progress = show;
	progress_init(&p, STDERR_FILENO, isatty(STDERR_FILENO), "joining", &clock_system);
	enum status st = skew_run(&conf, &r, &e);
	progress_end(&p);
	for (uint32_t i = 0; !st && i < conf.npairs; i++) {
		const struct skew_total *t = &r.totals[i];
		skewed |= t->rows && (double)t->differ > threshold * (double)t->rows;
	}
	if (!st && c->json)
		json(&conf, &r, skewed, &out);
	else if (!st)
		table(&conf, &r, &out);
	cli_print(&out);
	buf_release(&out);
	skew_result_release(&r);
	return st ? cli_fail(c, &e) : skewed ? ANSWER_NO : ANSWER_DONE;
}

static const char *const uses[] = {"memory", "format", NULL};
const struct command command_skew = {
        .name = "skew",
        .args = "",
        .summary = "compare features as served with the engine's own",
        .about = "Takes logged predictions that carry the features they were made with, joins "
                 "the engine's own values as of each prediction's time, as weir train does, "
                 "and says for every feature and segment what share of rows differs, the "
                 "median of served / engine's where numbers do, and examples. It reads what "
                 "weir export wrote; no server is needed.\n\n"
                 "A prediction that was made in the moment between an event and its row in the "
                 "online store was rightly served the row before: with --known-at only rows "
                 "that were known at its time count, and a threshold of a few rows in a "
                 "thousand covers what is left.",
        .exits = "0  No feature differs in more than the threshold.\n1  One does.",
        .examples = "weir skew --predictions p.parquet --data features/ --served "
                    "delay=planes:delay_24h",
        .options = own,
        .uses = uses,
        .run = run,
};
