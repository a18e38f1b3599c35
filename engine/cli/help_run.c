// SPDX-License-Identifier: Apache-2.0
//
// weir help [COMMAND]: see help.c. It also prints docs/reference/cli.md, which a test compares.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct option own[] = {
        {"reference", OPT_FLAG, true,
                .help = "The whole reference, as in docs/reference/cli.md."},
        {0}};

static enum answer run(struct cli *c)
{
	struct buf b = {0};
	const struct command *cmd = NULL;
	int words;
	char *args[2] = {(char *)c->options.args[0], NULL};
	uint32_t n = c->options.nargs;
	if (n > 1)
		args[1] = (char *)c->options.args[1];
	if (options_flag(&c->options, "reference")) {
		help_reference(&b);
	} else if (n == 0) {
		help_program(&b);
	} else if ((cmd = command_find((int)n, args, &words)) && words == (int)n) {
		help_command(cmd, &b);
	} else {
		const char *near = suggest_command(args[0]);
		cli_say(c, "there is no command %s%s%s%s%s%s", args[0], n > 1 ? " " : "",
		        n > 1 ? args[1] : "", near ? "; did you mean " : "", near ? near : "",
		        near ? "?" : "");
		return ANSWER_USAGE;
	}
	cli_print(&b);
	buf_release(&b);
	return ANSWER_DONE;
}

const struct command command_help = {
        .name = "help",
        .args = "[COMMAND]",
        .summary = "show help for a command",
        .about = "Prints the help of a command, or the list of commands.",
        .examples = "weir help check\nweir help dead list",
        .args_max = 2,
        .options = own,
        .run = run,
};
