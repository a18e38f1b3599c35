// SPDX-License-Identifier: Apache-2.0
//
// The language reference as Markdown. What is a list here comes from the checker's tables; only
// the sentences between them are written by hand. A test compares the committed page with this
// output.
#include "lang/reference.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "lang/check.h"

/* A table cell: | would end it. */
static void cell(struct buf *out, const char *text, bool code)
{
	buf_str(out, code ? " `" : " ");
	for (const char *p = text ? text : ""; *p; p++) {
		if (*p == '|' && !code)
			buf_byte(out, '\\');
		buf_byte(out, (uint8_t)*p);
	}
	buf_str(out, code ? "` |" : " |");
}

static void keys(struct buf *out, const char *title, const char *intro, const struct key *k)
{
	buf_printf(out,
	        "\n### %s\n\n%s\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n",
	        title, intro);
	for (; k->name; k++) {
		buf_byte(out, '|');
		cell(out, k->name, true);
		cell(out, k->type, false);
		cell(out, k->required ? "required" : k->standard ? k->standard : "", false);
		cell(out, k->summary, false);
		buf_byte(out, '\n');
	}
}

static void tests(struct buf *out)
{
	char number[NUM_MAX + 1];
	buf_str(out, "\n### Tests\n\nBelow `tests` of a monitor: a name and its threshold. The "
	             "usual threshold is only a proposal.\n\n| Test | Of | Usual | Meaning "
	             "|\n|---|---|---|---|\n");
	for (int i = 0; i < DRIFT_TESTS; i++) {
		const struct drift_test_info *t = &drift_tests[i];
		double usual = t->thresholds[MODE_WEIR];
		number[isnan(usual) ? 0 : num_format_double(number, usual)] = 0;
		buf_byte(out, '|');
		cell(out, t->name, true);
		cell(out,
		        t->errors                       ? "scores and labels"
		        : t->skew                     ? "`skew`"
		        : t->numbers && t->categories ? "every column"
		        : t->numbers                  ? "numbers"
		                                      : "categories",
		        false);
		cell(out, number, false);
		cell(out, t->help, false);
		buf_byte(out, '\n');
	}
}

static void job_file(struct buf *out)
{
	buf_str(out, "## The job file\n\nYAML, one document, at most 1 MiB, with the files it names at "
	             "most 4 MiB. Names "
	             "are letters, digits and `_`, a letter first; names that start with `_` "
	             "are reserved. A duration "
	             "is a whole number and one of `ms s m h d`.\n");
	keys(out, "Top level", "", job_keys);
	keys(out, "Sources", "Each entry of `sources` is an append-only topic.", source_keys);
	keys(out, "Views", "Each entry of `views` is a set of features of one kind of entity.",
	        view_keys);
	keys(out, "Features",
	        "Each entry of `features` is an expression, or a map with these keys. No two "
	        "names of a view may differ in "
	        "case alone, and `event_time`, `known_at`, `source_partition`, `source_offset` "
	        "and the entity's columns are "
	        "taken.",
	        feature_keys);
	keys(out, "Offline", "Below `offline` of a view.", offline_keys);
	keys(out, "Monitors",
	        "Each entry of `monitors` compares logged predictions with a baseline, in "
	        "tumbling windows of event time.",
	        monitor_keys);
	keys(out, "Labels", "Below `labels` of a monitor.", label_keys);
	keys(out, "Skew",
	        "Below `skew` of a monitor, which then has no `columns`, `baseline`, `mode`, "
	        "`id`, `score` or `labels`: served values are compared with what a view of the same job computed, "
	        "as of the prediction's time.",
	        skew_keys);
	tests(out);
}

static void expressions(struct buf *out)
{
	buf_str(out, "\n## Expressions\n\nIn YAML, " YAML_QUOTE_HINT ".\n\nColumns by name (dotted inside records), integers, "
	             "decimals, texts in "
	             "single quotes (`''` is a quote), `true`, `false`, `null`. Keywords are "
	             "lower case: `");
	for (const char *const *k = expr_keywords; *k; k++)
		buf_printf(out, "%s%s", k == expr_keywords ? "" : " ", *k);
	buf_str(out, "`.\n\nInside an aggregate and in a view's `where`, a name is a column of "
	             "the source; elsewhere it is "
	             "a feature further up in the same view. Unless said otherwise a null "
	             "operand makes a null result, and a "
	             "result that does not fit (a long, 38 digits, a finite double) is null "
	             "and counted. A literal with a "
	             "point is a double, beside a decimal it is a decimal.\n\n### "
	             "Operators\n\nLoosest first.\n\n"
	             "| Syntax | Operands | Meaning |\n|---|---|---|\n");
	for (const struct operator_doc *o = operator_docs; o->syntax; o++) {
		buf_byte(out, '|');
		cell(out, o->syntax, true);
		cell(out, o->types, false);
		cell(out, o->summary, false);
		buf_byte(out, '\n');
	}
}

static void function_table(struct buf *out)
{
	buf_str(out, "\n### Functions\n\n| Function | Types | Meaning |\n|---|---|---|\n");
	for (const struct function *f = functions; f->name; f++) {
		buf_byte(out, '|');
		cell(out, f->signature, true);
		cell(out, f->types, false);
		cell(out, f->summary, false);
		buf_byte(out, '\n');
	}
}

static void types(struct buf *out)
{
	buf_str(out, "\n### Types\n\nAvro's, with its logical types. A source's schema may use "
	             "all but unions other than "
	             "with null.\n\n| Type | Values |\n|---|---|\n");
	for (const struct type_doc *t = type_docs; t->name; t++) {
		buf_byte(out, '|');
		cell(out, t->name, true);
		cell(out, t->summary, false);
		buf_byte(out, '\n');
	}
	buf_str(out, "\n### Casts\n\n`cast(x as type)`; what cannot be done for a value is "
	             "null and counted.\n\n"
	             "| From | To | How |\n|---|---|---|\n");
	for (const struct cast_doc *c = cast_docs; c->from; c++) {
		buf_byte(out, '|');
		cell(out, c->from, false);
		cell(out, c->to, false);
		cell(out, c->how, false);
		buf_byte(out, '\n');
	}
}

static void aggregates(struct buf *out, const struct lang_env *env)
{
	buf_printf(out,
	        "\n## Aggregates\n\n`agg(args) [over WINDOW] [where COND]`. A `where` takes "
	        "all that follows it: in "
	        "arithmetic, put the aggregate in parentheses. Nulls are left out; NaN and "
	        "infinities count as null. "
	        "The same aggregate in two features is kept once.\n\n| Window | Covers at time "
	        "t |\n|---|---|\n"
	        "| none | every event of the entity |\n"
	        "| `over W [every h]` | floor((t - W) / h) * h <= event time <= t |\n"
	        "| `over tumbling D` | the events of the current [k * D, (k + 1) * D) |\n\n"
	        "h is 1d from 12d on, 1h from 12h on, 5m from 1h on, else W / 12 rounded down "
	        "to a millisecond, at least "
	        "1s. A window is at least 1s long, moves by at most its own length, and has at "
	        "most %d tiles (W / h). "
	        "`session` and `last N` are not supported yet.\n\n| Aggregate | Error | "
	        "Meaning |\n|---|---|---|\n",
	        WINDOW_TILES_MAX);
	for (const struct aggregate *const *a = env->aggregates; *a; a++) {
		buf_byte(out, '|');
		cell(out, (*a)->signature, true);
		cell(out, (*a)->error, false);
		cell(out, (*a)->summary, false);
		buf_byte(out, '\n');
	}
}

static void formats(struct buf *out, const struct lang_env *env)
{
	buf_str(out, "\n## Formats\n\n| Format | Meaning |\n|---|---|\n");
	for (const struct format *const *f = env->formats; *f; f++) {
		buf_byte(out, '|');
		cell(out, (*f)->name, true);
		cell(out, (*f)->summary, false);
		buf_byte(out, '\n');
	}
}

static void limits(struct buf *out)
{
	const struct {
		const char *what;
		long value;
	} rows[] = {
	        {"Bytes of a job file", JOB_FILE_BYTES_MAX},
	        {"Bytes of a job with the files it names", JOB_STORED_BYTES_MAX},
	        {"Bytes of a schema file", SCHEMA_BYTES_MAX},
	        {"Sources of a job", JOB_VIEWS_MAX},
	        {"Views of a job", JOB_VIEWS_MAX},
	        {"Features of a view", JOB_FEATURES_MAX},
	        {"Monitors of a job", JOB_MONITORS_MAX},
	        {"Different aggregates of a view", CALLS_MAX},
	        {"Columns of an entity", ENTITY_FIELDS_MAX},
	        {"Bytes of a name", NAME_BYTES_MAX},
	        {"Bytes of an expression", EXPR_BYTES_MAX},
	        {"Nesting of an expression", EXPR_DEPTH_MAX},
	        {"Arguments of a call, values of an `in`, links of a chain", EXPR_ARGS_MAX},
	        {"Nesting of the YAML", YAML_DEPTH_MAX},
	        {"Anchors of the YAML", YAML_ANCHORS_MAX},
	        {"Nodes that aliases repeat", YAML_ALIASED_MAX},
	        {"Errors shown", DIAGNOSTICS_MAX},
	};
	buf_str(out, "\n## Limits\n\n| What | At most |\n|---|---|\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		buf_printf(out, "| %s | %ld |\n", rows[i].what, rows[i].value);
}

void job_reference(struct buf *out, const struct lang_env *env)
{
	buf_str(out, "<!-- Generated from the checker's tables. Change those, then run the "
	             "lang_reference test with "
	             "WEIR_WRITE=1. -->\n# The job language\n\n");
	job_file(out);
	expressions(out);
	function_table(out);
	types(out);
	aggregates(out, env);
	formats(out, env);
	limits(out);
}
