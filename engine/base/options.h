/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: one table type for the commands, the node and the documentation. A table is an array
 * of struct option that ends with name NULL. A value comes from, in this order, the command
 * line
 * (--name VALUE, --name=VALUE, --flag), the environment (WEIR_NAME), the node file (name:
 * value), the default. Options marked own are a command's: only its command line sets them.
 */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define OPTIONS_MAX 64 /* in all tables of one program run */
#define OPTIONS_ARGS_MAX 1024
#define OPTIONS_FILE_BYTES_MAX (64 << 10)
#define OPTIONS_NODE_FILE "weir.yaml"

enum option_type {
	OPT_FLAG,
	OPT_TEXT,
	OPT_INT,
	OPT_BYTES,    /* 512M, 64kB: K M G of 1024, kB MB GB of 1000 */
	OPT_DURATION, /* 100ms 90s 5m 24h 7d */
	OPT_CHOICE,
	OPT_SECRET, /* only the environment; NAME-file, a row of its own, names a file elsewhere
	             */
};

struct option {
	const char *name; /* "kafka-config": --kafka-config, WEIR_KAFKA_CONFIG, kafka_config: */
	enum option_type type;
	bool own;
	bool repeat;          /* may be given more than once on the command line */
	const char *fallback; /* the default as it would be written; NULL: none */
	int64_t min, max;     /* INT, BYTES, DURATION (ms); both 0: any that is not negative */
	const char
	        *value;   /* what stands for the value in help: "FILE"; choices: "table|json" */
	const char *help; /* one sentence or two, no line ends */
};

enum option_origin { FROM_NOWHERE, FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_COMMAND };

struct option_value {
	const struct option *option;
	enum option_origin origin;
	const char *text; /* NULL: not set */
	int64_t number;   /* FLAG 0/1, INT, BYTES, DURATION in ms */
};

struct options {
	struct arena arena;
	struct option_value values[OPTIONS_MAX];
	uint32_t n;
	const char **args; /* what is no option, in order */
	uint32_t nargs;
	const char **texts; /* all values of a repeated option, in pairs name, value */
	uint32_t ntexts;
	const char *unknown; /* after an error: the name that no table has, for a suggestion */
	const char *node_file; /* that was read; NULL: none */
};

void options_init(struct options *o, const struct option *const *tables, uint32_t ntables);
void options_release(struct options *o);

/* argv[0] is the first word to look at. "--" ends the options. Every error is ERR_USER. */
enum status options_command_line(struct options *o, int argc, char **argv, struct error *e);
/* The rest, in order: environment, node file, defaults; never over what is set. The node file
 * is path, or OPTIONS_NODE_FILE in the working folder if there is one and path is NULL. */
enum status options_complete(struct options *o, const char *path, struct error *e);

/* Asking for a name that no table has is a bug. */
const struct option_value *options_get(const struct options *o, const char *name);
const char *options_text(const struct options *o, const char *name); /* NULL: not set */
int64_t options_number(const struct options *o, const char *name);   /* 0: not set */
bool options_flag(const struct options *o, const char *name);
/* The i-th value of an option that may be repeated; NULL past the last. */
const char *options_nth(const struct options *o, const char *name, uint32_t i);

/* "WEIR_KAFKA_CONFIG" into out, which holds OPTION_ENV_MAX. */
#define OPTION_ENV_MAX 64
const char *option_env(const struct option *opt, char out[OPTION_ENV_MAX]);
/* "--memory BYTES", "--plan". */
void option_usage(const struct option *opt, struct buf *out);

/* Whole text must be one; false otherwise. */
bool option_parse_bytes(const char *text, int64_t *out);
bool option_parse_duration(const char *text, int64_t *ms);

#endif
