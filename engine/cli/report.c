// SPDX-License-Identifier: Apache-2.0
//
// How commands speak: answers on standard output, everything else on standard error, one place
// where an error becomes an exit status.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

bool cli_colour(int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	return !(none && *none) && term && strcmp(term, "dumb") && isatty(fd);
}

static void say(const struct cli *c, const char *kind, const char *text)
{
	bool colour = *kind && cli_colour(STDERR_FILENO);
	fprintf(stderr, "weir%s%s: %s%s%s%s\n", c->command ? " " : "",
	        c->command ? c->command->name : "", colour ? "\033[31m" : "", kind,
	        colour ? "\033[0m" : "", text);
}

void cli_say(const struct cli *c, const char *fmt, ...)
{
	char text[1500];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	say(c, "", text);
}

static enum answer answer_of(const struct error *e)
{
	return e->class == ERR_USER ? ANSWER_USAGE : ANSWER_OUTSIDE;
}

static void say_json(const struct error *e, const char *code)
{
	struct buf b = {0};
	buf_printf(&b, "{\"error\":{\"code\":\"%s\",\"message\":", code);
	buf_json(&b, slice_of(e->msg));
	buf_str(&b, ",\"where\":null}}\n");
	cli_print(&b);
	buf_release(&b);
}

enum answer cli_fail(const struct cli *c, const struct error *e)
{
	enum answer a = answer_of(e);
	say(c, "error: ", e->msg);
	if (c->json)
		say_json(e, a == ANSWER_USAGE ? "usage" : "unavailable");
	return a;
}

void cli_print(const struct buf *b)
{
	if (b->len)
		fwrite(b->p, 1, b->len, stdout);
}

void cli_diagnostics(const struct cli *c, const struct diagnostics *d)
{
	struct buf b = {0};
	diagnostics_print(d, &b);
	fwrite(b.p, 1, b.len, stderr);
	if (c->json) {
		b.len = 0;
		buf_str(&b, "{\"ok\":false,\"diagnostics\":");
		diagnostics_json(d, &b);
		buf_str(&b, "}\n");
		cli_print(&b);
	}
	buf_release(&b);
}

enum answer cli_job(struct cli *c, const char *path, struct job **out)
{
	struct error e = {0};
	struct diagnostics d;
	FILE *f = fopen(path, "re");
	char first;
	if (!f || (fread(&first, 1, 1, f) != 1 && ferror(f))) {
		error_set(&e, ERR_USER, errno, "cannot read %s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		return cli_fail(c, &e);
	}
	fclose(f);
	diagnostics_init(&d);
	enum status st = job_load(path, &c->env, out, &d);
	if (st)
		cli_diagnostics(c, &d);
	diagnostics_release(&d);
	return st ? ANSWER_NO : ANSWER_DONE;
}

enum status cli_control(struct cli *c, struct control *out, struct error *e)
{
	if (cli_log(c, e))
		return ST_ERR;
	*out = (struct control){.log = c->log,
	        .broker = c->broker,
	        .prefix = options_text(&c->options, "prefix"),
	        .env = &c->env,
	        .clock = &clock_system};
	return ST_OK;
}

enum answer cli_control_answer(const struct cli *c, enum control_answer a,
        const struct buf *diff, const struct error *e)
{
	if (a == CONTROL_OK || a == CONTROL_UNCHANGED)
		return ANSWER_DONE;
	if (a == CONTROL_OUTSIDE)
		return cli_fail(c, e);
	say(c, a == CONTROL_CONFLICT ? "refused: " : "", e->msg);
	if (diff && diff->len)
		fwrite(diff->p, 1, diff->len, stderr);
	if (c->json)
		say_json(e, a == CONTROL_CONFLICT ? "conflict" : "no_job");
	return ANSWER_NO;
}
