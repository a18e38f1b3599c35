// SPDX-License-Identifier: Apache-2.0
//
// Help, made from the command and option tables: the program's, a command's (laid out like a
// man page), and docs/reference/cli.md. Also what a misspelt word was perhaps meant to be.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lang/suggest.h"

#define WIDTH 78
#define INDENT 7

const struct command *command_find(int argc, char **argv, int *words)
{
	for (int n = argc > 1 ? 2 : argc; n > 0; n--) {
		char name[64];
		snprintf(name, sizeof name, "%s%s%s", argv[0], n > 1 ? " " : "",
		        n > 1 ? argv[1] : "");
		for (const struct command *const *c = commands; *c; c++) {
			if (!strcmp((*c)->name, name)) {
				*words = n;
				return *c;
			}
		}
	}
	return NULL;
}

/* Words of text filled into lines of WIDTH, indented. */
static void fill(struct buf *out, const char *text, size_t len, int indent)
{
	int col = 0;
	for (size_t at = 0; at < len;) {
		size_t n = strcspn(text + at, " \n");
		if (n > len - at)
			n = len - at;
		if (col && col + 1 + (int)n > WIDTH) {
			buf_byte(out, '\n');
			col = 0;
		}
		if (n) {
			buf_printf(out, "%*s%.*s", col ? 1 : indent, "", (int)n, text + at);
			col += (col ? 1 : indent) + (int)n;
		}
		at += n + 1;
	}
	buf_byte(out, '\n');
}

static void paragraphs(struct buf *out, const char *text, int indent)
{
	for (;;) {
		const char *end = strstr(text, "\n\n");
		fill(out, text, end ? (size_t)(end - text) : strlen(text), indent);
		if (!end)
			return;
		buf_byte(out, '\n');
		text = end + 2;
	}
}

static void lines(struct buf *out, const char *text, int indent)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		buf_printf(out, "%*s%.*s\n", indent, "", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static bool uses(const struct command *cmd, const char *name)
{
	for (const char *const *u = cmd->uses; u && *u; u++)
		if (!strcmp(*u, name))
			return true;
	return !strcmp(name, "config");
}

static void option_says(struct buf *out, const struct option *opt)
{
	char env[OPTION_ENV_MAX];
	buf_str(out, opt->help);
	if (opt->fallback) /* "." and a full stop would be the folder above */
		buf_printf(out, " Default: %s.",
		        strcmp(opt->fallback, ".") ? opt->fallback : "the working folder");
	if (!opt->own)
		buf_printf(out, " Environment: %s.", option_env(opt, env));
}

static void option_help(struct buf *out, const struct option *opt)
{
	struct buf says = {0};
	if (opt->type == OPT_SECRET)
		return;
	buf_printf(out, "%*s", INDENT, "");
	option_usage(opt, out);
	buf_byte(out, '\n');
	option_says(&says, opt);
	fill(out, buf_cstr(&says), says.len, INDENT + 7);
	buf_release(&says);
}

static void synopsis(struct buf *out, const struct command *cmd)
{
	buf_printf(out, "weir %s", cmd->name);
	if (*cmd->args)
		buf_printf(out, " %s", cmd->args);
	for (const struct option *opt = cmd->options; opt && opt->name; opt++) {
		buf_str(out, " [");
		option_usage(opt, out);
		buf_str(out, opt->repeat ? "]..." : "]");
	}
	buf_str(out, " [OPTION]...");
}

static void exits(struct buf *out, const struct command *cmd, int indent)
{
	lines(out, cmd->exits ? cmd->exits : "0  Done.", indent);
	lines(out, "2  Wrong use.\n3  The outside world failed: Kafka, Redis, a node, a file.",
	        indent);
}

void help_command(const struct command *cmd, struct buf *out)
{
	buf_printf(out, "NAME\n%*sweir %s - %s\n\nSYNOPSIS\n", INDENT, "", cmd->name,
	        cmd->summary);
	struct buf s = {0};
	synopsis(&s, cmd);
	fill(out, buf_cstr(&s), s.len, INDENT);
	buf_release(&s);
	buf_str(out, "\nDESCRIPTION\n");
	paragraphs(out, cmd->about, INDENT);
	buf_str(out, "\nOPTIONS\n");
	for (const struct option *opt = cmd->options; opt && opt->name; opt++)
		option_help(out, opt);
	for (const struct option *opt = common_options; opt->name; opt++)
		if (uses(cmd, opt->name))
			option_help(out, opt);
	buf_str(out, "\nEXIT STATUS\n");
	exits(out, cmd, INDENT);
	if (cmd->examples) {
		buf_str(out, "\nEXAMPLES\n");
		lines(out, cmd->examples, INDENT);
	}
}

void help_program(struct buf *out)
{
	buf_str(out, "weir computes machine-learning features from Kafka topics.\n\n"
	             "usage: weir COMMAND [ARGUMENT]... [OPTION]...\n\ncommands:\n");
	for (const struct command *const *c = commands; *c; c++)
		buf_printf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
	buf_str(out, "\noptions that every command understands:\n");
	for (const struct option *opt = common_options; opt->name; opt++) {
		if (opt->type == OPT_SECRET)
			continue;
		struct buf u = {0};
		option_usage(opt, &u);
		size_t n = strcspn(opt->help, ".:;,");
		buf_printf(out, "  %-29s %.*s\n", buf_cstr(&u), (int)n, opt->help);
		buf_release(&u);
	}
	buf_str(out,
	        "  --help                        A command's help; also: weir help COMMAND\n"
	        "  --version                     The program's version\n\n"
	        "Each is also an environment variable (WEIR_BROKERS for --brokers) and a line "
	        "of the\n"
	        "node file weir.yaml (brokers: ...). The command line wins, then the "
	        "environment.\n\n"
	        "exit status: 0 done, 1 the answer is no, 2 wrong use, 3 the outside world "
	        "failed\n");
}

/* -- the reference -- */

static void option_row(struct buf *out, const struct option *opt)
{
	buf_str(out, "| `");
	struct buf u = {0};
	option_usage(opt, &u);
	for (const char *p = buf_cstr(&u); *p; p++)
		buf_printf(out, *p == '|' ? "\\|" : "%c", *p); /* a cell's end */
	buf_release(&u);
	buf_str(out, "` | ");
	option_says(out, opt);
	buf_str(out, " |\n");
}

static void reference_command(struct buf *out, const struct command *cmd)
{
	buf_printf(out, "\n## weir %s\n\n", cmd->name);
	buf_printf(out, "%s.\n\n```\n", cmd->summary);
	synopsis(out, cmd);
	buf_printf(out, "\n```\n\n%s\n", cmd->about);
	if (cmd->options && cmd->options->name)
		buf_str(out, "\n| option | |\n|-|-|\n");
	for (const struct option *opt = cmd->options; opt && opt->name; opt++)
		option_row(out, opt);
	const char *sep = "\nCommon options it heeds: ";
	for (const struct option *opt = common_options; opt->name; opt++) {
		if (!uses(cmd, opt->name) || opt->type == OPT_SECRET)
			continue;
		buf_printf(out, "%s`--%s`", sep, opt->name);
		sep = ", ";
	}
	buf_str(out, ".\n\nExit status:\n\n```\n");
	exits(out, cmd, 0);
	buf_str(out, "```\n");
	if (cmd->examples)
		buf_printf(out, "\nExamples:\n\n```sh\n%s\n```\n", cmd->examples);
}

void help_reference(struct buf *out)
{
	buf_str(out,
	        "# Commands\n\n<!-- Made by `weir help --reference`: edit the tables in "
	        "engine/cli instead. -->\n\n"
	        "`weir COMMAND --help` and `weir help COMMAND` print what stands here.\n\n"
	        "Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 the outside world "
	        "failed.\n\n## Common options\n\n"
	        "A value comes from the command line, else from the environment, else from the "
	        "node file (`weir.yaml` in the working folder, or `--config FILE`: flat "
	        "`name: value` lines), else it is the default. A secret is taken from the "
	        "environment or from the file that its `-file` option names, never from the "
	        "command line or the node file. Sizes: `512M` (K, M, G are powers of 1024; kB, "
	        "MB, GB of 1000). Durations: `100ms 90s 5m 24h 7d`.\n\n| option | |\n|-|-|\n");
	for (const struct option *opt = common_options; opt->name; opt++)
		if (opt->type != OPT_SECRET) /* its -file option tells of it */
			option_row(out, opt);
	for (const struct command *const *c = commands; *c; c++)
		reference_command(out, *c);
}

/* -- suggestions -- */

const char *suggest_command(const char *wrong)
{
	struct suggest s = suggest_for(slice_of(wrong));
	for (const struct command *const *c = commands; *c; c++)
		suggest_offer(&s, (*c)->name);
	suggest_offer(&s, "help");
	return s.best;
}

const char *suggest_option(const struct options *o, const char *wrong)
{
	struct suggest s = suggest_for(slice_of(wrong));
	for (uint32_t i = 0; i < o->n; i++)
		suggest_offer(&s, o->values[i].option->name);
	suggest_offer(&s, "help");
	return s.best;
}
