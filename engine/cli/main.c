// SPDX-License-Identifier: Apache-2.0
//
// The program: builds the context that commands get, and runs one. The only place that joins
// the engine, the operators and the connectors; everything else knows contracts alone.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "cli/cli.h"
#include "connectors/formats.h"
#include "connectors/kafka/kafka.h"
#include "connectors/redis/redis.h"
#include "connectors/alertmanager/alertmanager.h"
#include "connectors/registry/registry.h"
#include "operators/aggregates.h"
#include "operators/operators.h"
#include "run/schemas.h"

#define CLIENT_ID "weir"
#define PREFIX_MAX 64
#define BACKLOG_PART 16 /* of a node's memory: rows on their way to the online store */

/* -- the outside world -- */

static enum status need(const struct cli *c, const char *name, struct error *e)
{
	if (options_text(&c->options, name))
		return ST_OK;
	char env[OPTION_ENV_MAX];
	return error_set(e, ERR_USER, 0, "no %s given: --%s, %s or '%s:' in the node file",
	        name, name, option_env(options_get(&c->options, name)->option, env), name);
}

enum status cli_log(struct cli *c, struct error *e)
{
	const char *file = options_text(&c->options, "kafka-config");
	if (c->broker)
		return ST_OK;
	if (need(c, "brokers", e))
		return ST_ERR;
	if (file && !c->kafka_properties &&
	        kafka_properties_read(file, &c->kafka_properties, e))
		return ST_ERR;
	struct kafka_conf conf = {.brokers = options_text(&c->options, "brokers"),
	        .client_id = CLIENT_ID,
	        .properties = (const char *const *)c->kafka_properties};
	if (kafka_open(&conf, &c->broker, e))
		return ST_ERR;
	c->log = &kafka_log;
	return ST_OK;
}

static const char *first_line(struct cli *c, const char *path, struct error *e)
{
	char line[1000];
	FILE *f = fopen(path, "re");
	if (!f || !fgets(line, sizeof line, f)) {
		error_set(e, ERR_USER, errno, "cannot read %s: %s", path,
		        f ? "it is empty" : strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	fclose(f);
	line[strcspn(line, "\r\n")] = 0;
	return arena_strdup(&c->options.arena, line);
}

enum status cli_online(struct cli *c, struct error *e)
{
	const char *file = options_text(&c->options, "redis-password-file");
	if (c->online)
		return ST_OK;
	if (need(c, "redis", e))
		return ST_ERR;
	struct redis_conf conf = {.address = options_text(&c->options, "redis"),
	        .password = options_text(&c->options, "redis-password"),
	        .prefix = options_text(&c->options, "prefix")};
	if (c->command->node)
		conf.backlog_bytes_max =
		        (uint64_t)options_number(&c->options, "memory") / BACKLOG_PART;
	if (!conf.password && file && !(conf.password = first_line(c, file, e)))
		return ST_ERR;
	if (redis_open(&conf, &c->online, e))
		return ST_ERR;
	c->online_ops = &redis_online;
	return ST_OK;
}

/* By id from the registry, by fingerprint from weir's own topic. */
static enum status schema_by_id(
        void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	struct schema_source s = registry_source(((struct cli *)arg)->registry);
	return s.by_id(s.arg, id, out, e);
}

static enum status schema_by_fingerprint(
        void *arg, uint64_t fp, const struct schema **out, struct error *e)
{
	struct cli *c = arg;
	const struct schema_source *s = schemas_source(c->known);
	return s->by_fingerprint(s->arg, fp, out, e);
}

static enum status schema_add(
        void *arg, const char *subject, struct slice schema_json, uint32_t *id, struct error *e)
{
	return registry_register(((struct cli *)arg)->registry, subject, schema_json, id, e);
}

static enum status registry_make(struct cli *c, const char *url, struct error *e)
{
	const char *auth = options_text(&c->options, "registry-auth"),
	           *file = options_text(&c->options, "registry-auth-file");
	if (!auth && file && !(auth = first_line(c, file, e)))
		return ST_ERR;
	struct registry_conf conf = {.url = url, .auth = auth};
	return registry_open(&conf, &c->registry, e);
}

enum status cli_alerts(struct cli *c, struct error *e)
{
	const char *auth = options_text(&c->options, "alertmanager-auth"),
	           *file = options_text(&c->options, "alertmanager-auth-file");
	if (!auth && file && !(auth = first_line(c, file, e)))
		return ST_ERR;
	if (alertmanager_open(options_text(&c->options, "alertmanager"), auth, &c->alertmanager, e))
		return ST_ERR;
	c->alerts = (struct alert_sink){c->alertmanager, alertmanager_post};
	return ST_OK;
}

enum status cli_schemas(struct cli *c, struct error *e)
{
	const char *url = options_text(&c->options, "registry");
	if (c->schemas)
		return ST_OK;
	if (cli_log(c, e) || (url && !c->registry && registry_make(c, url, e)))
		return ST_ERR;
	c->known = schemas_open(
	        c->log, c->broker, options_text(&c->options, "prefix"), &clock_system);
	struct schema_source *both = arena_alloc(&c->options.arena, sizeof *both);
	*both = (struct schema_source){
	        c, c->registry ? schema_by_id : NULL, schema_by_fingerprint};
	c->schemas = both;
	c->registrar = (struct schema_registrar){c, schema_add};
	return ST_OK;
}

static void context_init(struct cli *c)
{
	*c = (struct cli){.env = {formats, aggregates},
	        .operators = {&operator_window, &operator_key_by, monitor_operators},
	        .version = WEIR_VERSION};
}

static void context_release(struct cli *c)
{
	if (c->known)
		schemas_close(c->known);
	registry_close(c->registry);
	alertmanager_close(c->alertmanager);
	if (c->broker)
		c->log->close(c->broker);
	if (c->online)
		c->online_ops->close(c->online);
	kafka_properties_free(c->kafka_properties);
	options_release(&c->options);
}

/* -- dispatch -- */

static enum answer usage(const struct cli *c, const struct error *e)
{
	const char *near =
	        c->options.unknown ? suggest_option(&c->options, c->options.unknown) : NULL;
	if (near)
		cli_say(c, "%s; did you mean %s%s?", e->msg, c->options.node_file ? "" : "--",
		        near);
	else
		cli_say(c, "%s", e->msg);
	fprintf(stderr, "See 'weir help %s'.\n", c->command->name);
	return ANSWER_USAGE;
}

static enum answer print_help(const struct command *cmd)
{
	struct buf b = {0};
	if (cmd)
		help_command(cmd, &b);
	else
		help_program(&b);
	cli_print(&b);
	buf_release(&b);
	return ANSWER_DONE;
}

/* "dead" alone: the commands that begin with it. False: none does. */
static bool print_family(const char *word)
{
	size_t n = strlen(word);
	bool any = false;
	for (const struct command *const *c = commands; *c; c++) {
		if (strncmp((*c)->name, word, n) || (*c)->name[n] != ' ')
			continue;
		fprintf(stderr, "%s  weir %s %s\n", any ? "" : "usage:\n", (*c)->name,
		        (*c)->args);
		any = true;
	}
	return any;
}

static enum answer unknown_command(const char *word)
{
	if (print_family(word))
		return ANSWER_USAGE;
	const char *near = suggest_command(word);
	fprintf(stderr, "weir: there is no command %s%s%s%s\nSee 'weir --help'.\n", word,
	        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return ANSWER_USAGE;
}

static bool asks_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static void log_level(const struct cli *c)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	if (!c->command->node &&
	        options_get(&c->options, "log-level")->origin == FROM_DEFAULT) {
		log_level_set(LOG_LVL_ERROR);
		return;
	}
	for (int i = 0; i < 4; i++)
		if (!strcmp(names[i], options_text(&c->options, "log-level")))
			log_level_set((enum log_level)i);
}

/* Needed before the environment is looked at as a whole. */
static const char *node_file(const struct cli *c)
{
	const char *given = options_text(&c->options, "config"), *env = getenv("WEIR_CONFIG");
	return given ? given : env && *env ? env : NULL;
}

/* It becomes part of topics' names. */
static enum status prefix_check(const struct cli *c, struct error *e)
{
	const char *p = options_text(&c->options, "prefix");
	size_t n =
	        strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (!p[n] && n <= PREFIX_MAX)
		return ST_OK;
	return error_set(e, ERR_USER, 0,
	        "the prefix '%s' cannot begin a topic's name: letters, digits, '.', '_' and "
	        "'-', at "
	        "most %d",
	        p, PREFIX_MAX);
}

static enum answer options_take(struct cli *c, int argc, char **argv)
{
	const struct command *cmd = c->command;
	const struct option *tables[] = {common_options, cmd->options};
	struct error e = {0};
	options_init(&c->options, tables, 2);
	if (options_command_line(&c->options, argc, argv, &e) ||
	        options_complete(&c->options, node_file(c), &e) || prefix_check(c, &e))
		return usage(c, &e);
	if (c->options.nargs < cmd->args_min || c->options.nargs > cmd->args_max) {
		cli_say(c, "%s",
		        c->options.nargs < cmd->args_min ? "something is missing"
		                                         : "too many arguments");
		fprintf(stderr, "usage: weir %s %s\nSee 'weir help %s'.\n", cmd->name,
		        cmd->args, cmd->name);
		return ANSWER_USAGE;
	}
	c->json = !strcmp(options_text(&c->options, "format"), "json");
	log_level(c);
	/* For tests alone; a wrong word must not go unnoticed. */
	if (cmd->node && failpoint_set(getenv("WEIR_FAILPOINT"), &e))
		return usage(c, &e);
	return ANSWER_DONE;
}

/* What was printed must have arrived; a reader that went away is no error of ours. */
static enum answer output_end(enum answer a)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return a;
	if (errno == EPIPE)
		return a;
	fprintf(stderr, "weir: standard output: %s\n", strerror(errno));
	return ANSWER_OUTSIDE;
}

/* Becomes the program of a node, which is beside this one or, installed, in lib/weir: the same
 * commands without what reads Parquet, whose library alone costs 10 MB. Returns if it is not there:
 * this program can do it as well. */
static void node_become(char **argv)
{
	static const char *const places[] = {"", "../lib/weir/"};
	char self[4000], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (!node_program || n <= 0)
		return;
	self[n] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s%s%s", self, places[i], node_program);
		execv(path, argv);
	}
}

static enum answer run(int argc, char **argv)
{
	int words;
	if (argc == 0) {
		struct buf b = {0};
		help_program(&b);
		fwrite(b.p, 1, b.len, stderr);
		buf_release(&b);
		return ANSWER_USAGE;
	}
	if (!strcmp(argv[0], "--version")) {
		printf("weir %s\n", WEIR_VERSION);
		return ANSWER_DONE;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return print_help(NULL);
	const struct command *cmd = command_find(argc, argv, &words);
	if (!cmd)
		return unknown_command(argv[0]);
	if (asks_help(argc - words, argv + words))
		return print_help(cmd);
	if (cmd->node)
		node_become(argv - 1);
	struct cli c;
	context_init(&c);
	c.command = cmd;
	enum answer a = options_take(&c, argc - words, argv + words);
	if (a == ANSWER_DONE)
		a = cmd->run(&c);
	context_release(&c);
	return a;
}

/* jemalloc reads it, where it is linked: freed pages go back soon. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true,narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0";

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return (int)output_end(run(argc - 1, argv + 1));
}
