// SPDX-License-Identifier: Apache-2.0
//
// weir completion bash: a completion script made from the tables.
#include <string.h>

#include "cli/cli.h"

static void words_print(struct buf *b)
{
	for (const struct command *const *c = commands; *c; c++) {
		size_t n = strcspn((*c)->name, " ");
		bool said = c != commands && !strncmp((*c)->name, c[-1]->name, n + 1);
		if (!said)
			buf_printf(b, " %.*s", (int)n, (*c)->name);
	}
}

static void options_print(struct buf *b, const struct option *o)
{
	for (; o && o->name; o++)
		if (o->type != OPT_SECRET)
			buf_printf(b, " --%s", o->name);
}

static void command_print(struct buf *b, const struct command *c)
{
	const char *second = strchr(c->name, ' ');
	size_t first = strcspn(c->name, " ");
	buf_printf(b, "    '%.*s%s') words=\"", (int)first, c->name, second ? second : "");
	options_print(b, c->options);
	buf_str(b, "$common\" ;;\n");
}

static void choices_print(struct buf *b, const struct option *o)
{
	for (; o && o->name; o++) {
		if (o->type != OPT_CHOICE)
			continue;
		buf_printf(b, "    --%s) COMPREPLY=($(compgen -W '", o->name);
		for (const char *p = o->value; *p; p++)
			buf_byte(b, *p == '|' ? ' ' : (uint8_t)*p);
		buf_str(b, "' -- \"$cur\")); return ;;\n");
	}
}

static void script(struct buf *b)
{
	buf_str(b, "# bash completion of weir: source <(weir completion bash)\n"
	           "_weir() {\n  local cur=${COMP_WORDS[COMP_CWORD]} "
	           "prev=${COMP_WORDS[COMP_CWORD-1]} words common cmd=${COMP_WORDS[1]}\n"
	           "  COMPREPLY=()\n  common=\"");
	options_print(b, common_options);
	buf_str(b, " --help\"\n  case $prev in\n");
	choices_print(b, common_options);
	buf_str(b, "  esac\n  if [ \"$COMP_CWORD\" = 1 ]; then\n    COMPREPLY=($(compgen -W '");
	words_print(b);
	buf_str(b, " --help --version' -- \"$cur\")); return\n  fi\n");
	for (const struct command *const *c = commands; *c; c++) {
		const char *second = strchr((*c)->name, ' ');
		if (second)
			buf_printf(b,
			        "  if [ \"$cmd\" = %.*s ]; then\n"
			        "    if [ \"$COMP_CWORD\" = 2 ]; then COMPREPLY+=($(compgen -W "
			        "'%s' "
			        "-- \"$cur\")); fi\n"
			        "    [ \"${COMP_WORDS[2]}\" = '%s' ] && cmd='%s'\n  fi\n",
			        (int)(second - (*c)->name), (*c)->name, second + 1, second + 1,
			        (*c)->name);
	}
	buf_str(b, "  case $cmd in\n    help) words='");
	words_print(b);
	buf_str(b, "' ;;\n");
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, "help"))
			command_print(b, *c);
	buf_str(b, "  esac\n  if [[ $cur == -* || $cmd == help ]]; then\n"
	           "    COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n"
	           "  fi\n}\ncomplete -o default -F _weir weir\n");
}

static enum answer run(struct cli *c)
{
	struct buf b = {0};
	if (strcmp(c->options.args[0], "bash")) {
		cli_say(c, "there is completion for bash only");
		return ANSWER_USAGE;
	}
	script(&b);
	cli_print(&b);
	buf_release(&b);
	return ANSWER_DONE;
}

const struct command command_completion = {
        .name = "completion",
        .args = "bash",
        .summary = "print a shell completion script",
        .about = "Prints a script that completes weir's commands and options in bash.",
        .examples = "source <(weir completion bash)",
        .args_min = 1,
        .args_max = 1,
        .run = run,
};
