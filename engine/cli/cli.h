/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command gets and what a command is. A command is one const struct in a file of its
 * own, listed in commands.c; help, completion and docs/reference/cli.md come from that table.
 * main.c opens the outside world for it, the first time it is asked for.
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "base/clock.h"
#include "base/options.h"
#include "lang/job.h"
#include "run/control.h"
#include "run/drift_watch.h"
#include "run/log.h"
#include "run/online.h"
#include "run/operator.h"

/* Exit statuses: a contract. */
enum answer {
	ANSWER_DONE = 0,
	ANSWER_NO = 1,      /* the check failed, there is no such row, the deploy is refused */
	ANSWER_USAGE = 2,   /* wrong use */
	ANSWER_OUTSIDE = 3, /* the outside world failed */
};

struct registry;
struct alertmanager;
struct schemas;

struct cli {
	const struct command *command;
	struct options options;
	struct lang_env env;
	struct operators operators;
	const struct log_ops *log; /* NULL until cli_log */
	struct log_broker *broker;
	const struct online_ops *online_ops; /* NULL until cli_online */
	struct online *online;
	struct schema_registrar registrar;   /* usable when there is a registry */
	struct alertmanager *alertmanager;   /* NULL: none, or not asked for yet */
	struct alert_sink alerts;            /* usable when there is one */
	struct registry *registry;           /* NULL: none, or not asked for yet */
	struct schemas *known;               /* of <prefix>.schemas */
	const struct schema_source *schemas; /* both; NULL until cli_schemas */
	const char *version;                 /* of the program */
	char **kafka_properties;
	bool json;
};

struct command {
	const char *name;    /* "check", "dead list" */
	const char *args;    /* "JOB", "VIEW KEY" */
	const char *summary; /* half a line, no full stop */
	const char *about;   /* DESCRIPTION: paragraphs parted by an empty line */
	const char *exits; /* what 0 and 1 mean here, a line each: "0  …\n1  …"; NULL: usual */
	const char *examples; /* lines: a command, or a comment that begins with # */
	uint32_t args_min, args_max;
	bool node; /* runs long, and logs at --log-level; the others log errors unless it is
	              given */
	const struct option *options; /* its own, all marked own; may be NULL */
	const char *const *uses;      /* common options it heeds, NULL-terminated */
	enum answer (*run)(struct cli *c);
};

extern const struct command *const commands[]; /* in the order of help; NULL-terminated */
extern const char *const node_program; /* which commands of a node become; NULL: it is this */
extern const struct option common_options[];

/* The command that argv's first words name; *words is how many they are. NULL: none. */
const struct command *command_find(int argc, char **argv, int *words);

/* -- in main.c, the only place that knows the connectors -- */

/* Opens what the options name; ERR_USER when they name nothing. Later calls do nothing. */
enum status cli_log(struct cli *c, struct error *e);
enum status cli_online(struct cli *c, struct error *e);
/* Where alerts are posted. */
enum status cli_alerts(struct cli *c, struct error *e);
/* Writer schemas, by registry id and by fingerprint. Opens the log. */
enum status cli_schemas(struct cli *c, struct error *e);

/* -- help.c -- */
void help_program(struct buf *out);
void help_command(const struct command *cmd, struct buf *out);
void help_reference(struct buf *out); /* docs/reference/cli.md */
/* The nearest command / option name, or NULL. */
const char *suggest_command(const char *wrong);
const char *suggest_option(const struct options *o, const char *wrong);

/* -- report.c: what commands say -- */

/* "weir check: message" on standard error. */
void cli_say(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for an error; with --format json as {"error":{code, message}} on standard output
 * too. Returns the exit status that its class stands for. */
enum answer cli_fail(const struct cli *c, const struct error *e);
/* "error: " in red on a terminal. */
bool cli_colour(int fd);
void cli_print(const struct buf *b); /* standard output */
/* Loads a job file; ANSWER_USAGE when it cannot be read, ANSWER_NO with its errors printed. */
enum answer cli_job(struct cli *c, const char *path, struct job **out);
void cli_diagnostics(const struct cli *c, const struct diagnostics *d);
/* What the control functions need. Opens the log. */
enum status cli_control(struct cli *c, struct control *out, struct error *e);
enum answer cli_control_answer(const struct cli *c, enum control_answer a,
        const struct buf *diff, const struct error *e);

#endif
