// SPDX-License-Identifier: Apache-2.0
//
// weir engine and weir run: a node with its HTTP server, until a signal. The first SIGINT or
// SIGTERM ends the epoch and flushes; a second one ends the program at once.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/node_http.h"
#include "run/node.h"

/* The signal flag: one of the two globals there are. */
static atomic_bool stop;

static void on_signal(int number)
{
	atomic_store(&stop, true);
	signal(number, SIG_DFL);
}

/* -- the end within bounds -- */

#define STOP_MS_MAX 9000
#define AFTER_DISK_MS 2000 /* there may be more to write */
#define WATCH_MS 50

/* A broker that is frozen answers nothing, and librdkafka's calls wait for it. Leaving without it
 * is as safe as a kill: what was not committed is read again. State that is being written to disk
 * is waited for, since it saves the next start a restore. */
struct watch {
	pthread_t thread;
	bool started;
	atomic_bool over;
	atomic_int at_disk;
};

static void *watch_main(void *arg)
{
	struct watch *w = arg;
	for (int ms = 0; ms < STOP_MS_MAX; ms += WATCH_MS) {
		if (atomic_load(&w->over))
			return NULL;
		if (!atomic_load(&stop))
			ms = 0;
		else if (atomic_load(&w->at_disk) && ms > STOP_MS_MAX - AFTER_DISK_MS)
			ms = STOP_MS_MAX - AFTER_DISK_MS;
		usleep(WATCH_MS * 1000);
	}
	LOG_WARN("node", "Kafka does not answer: leaving without it; what was not committed is "
			 "read again at the next start");
	_exit(ANSWER_DONE);
}

static void watch_start(struct watch *w)
{
	w->started = pthread_create(&w->thread, NULL, watch_main, w) == 0;
}

static void watch_end(struct watch *w)
{
	atomic_store(&w->over, true);
	if (w->started)
		pthread_join(w->thread, NULL);
}

static const struct format *avro(const struct cli *c)
{
	for (const struct format *const *f = c->env.formats; *f; f++)
		if (!strcmp((*f)->name, "avro"))
			return *f;
	INVARIANT(!"a format that is in the table");
	return NULL;
}

static enum status outside_open(struct cli *c, struct node_conf *conf, struct error *e)
{
	if (cli_log(c, e) || cli_schemas(c, e))
		return ST_ERR;
	if (options_text(&c->options, "redis") && cli_online(c, e))
		return ST_ERR;
	if (options_text(&c->options, "alertmanager") && cli_alerts(c, e))
		return ST_ERR;
	*conf = (struct node_conf){.prefix = options_text(&c->options, "prefix"),
	        .log = c->log,
	        .broker = c->broker,
	        .online_ops = c->online_ops,
	        .online = c->online,
	        .operators = &c->operators,
	        .env = &c->env,
	        .avro = avro(c),
	        .schemas = c->schemas,
	        .registrar = c->registry ? &c->registrar : NULL,
	        .alerts = c->alertmanager ? &c->alerts : NULL,
	        .clock = &clock_system,
	        .state_dir = options_text(&c->options, "state"),
	        .version = c->version,
	        .memory_bytes = (uint64_t)options_number(&c->options, "memory"),
	        .commit_ms = options_number(&c->options, "commit-interval"),
	        .changelog_bytes_min = (uint64_t)options_number(&c->options, "changelog-min"),
	        .standbys = (uint32_t)options_number(&c->options, "standbys"),
	        .static_member = options_flag(&c->options, "static-member"),
	        .stop = &stop};
	return ST_OK;
}

/* Where others find the server: a wildcard address means nothing to them. */
static const char *advertised(struct cli *c, const char *address)
{
	char host[256];
	const char *port = strrchr(address, ':');
	bool any = !strncmp(address, "0.0.0.0:", 8) || !strncmp(address, "[::]:", 5);
	if (!any || gethostname(host, sizeof host))
		return address;
	host[sizeof host - 1] = 0;
	return arena_printf(&c->options.arena, "%s%s", host, port);
}

/* With the server up; returns when the node has stopped. */
static enum status serve(
        struct cli *c, struct node *node, struct node_http *nh, struct error *e)
{
	struct http_server *server;
	struct http_node calls = {.cell = node_cell(node), .metrics = node_metrics(node)};
	struct http_conf conf = {
	        .address = options_text(&c->options, "http"), .version = c->version};
	node_http_calls(nh, &calls);
	if (http_open(&conf, &calls, &server, e))
		return ST_ERR;
	node_http_set(node, advertised(c, http_address(server)));
	LOG_INFO("node", "weir %s, node %s, http://%s/", c->version, node_id(node),
	        http_address(server));
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	enum status st = node_run(node, e);
	http_close(server);
	return st;
}

/* job is taken over; NULL: the deployed ones. */
static enum answer node_of(struct cli *c, struct job *job)
{
	struct error e = {0};
	struct node_conf conf;
	struct node_http nh = {0};
	struct node *node;
	struct watch watch = {0};
	if (outside_open(c, &conf, &e)) {
		job_free(job);
		return cli_fail(c, &e);
	}
	conf.at_disk = &watch.at_disk;
	conf.only = job;
	conf.only_source = job ? job->path : NULL;
	if (job) {
		nh.only = arena_strdup(&c->options.arena, job->name);
		nh.only_yaml = arena_strdup(&c->options.arena, job->text);
		conf.only_source = arena_strdup(&c->options.arena, job->path);
	}
	if (cli_control(c, &nh.control, &e) || node_open(&conf, &node, &e)) {
		job_free(job);
		return cli_fail(c, &e);
	}
	watch_start(&watch);
	enum status st = serve(c, node, &nh, &e);
	node_close(node);
	watch_end(&watch);
	return st ? cli_fail(c, &e) : ANSWER_DONE;
}

static enum answer engine_run(struct cli *c)
{
	return node_of(c, NULL);
}

static enum answer run_run(struct cli *c)
{
	struct job *job;
	enum answer a = cli_job(c, c->options.args[0], &job);
	return a ? a : node_of(c, job);
}

static const char *const uses[] = {"brokers", "redis", "redis-password-file", "registry",
        "registry-auth-file", "alertmanager", "alertmanager-auth-file", "kafka-config",
        "commit-interval", "changelog-min", "standbys",
        "static-member", "prefix",
        "state", "memory", "http", "log-level", NULL};

const struct command command_engine = {
        .name = "engine",
        .args = "",
        .summary = "run a node",
        .about = "Runs the deployed jobs, side by side with every other node that has the same "
                 "brokers and prefix: to scale, start another one. It keeps its state, and a "
                 "node id, "
                 "in the folder --state, which no two nodes may share. Without --redis no "
                 "online rows "
                 "are written.\n\n"
                 "It serves a status page, metrics, and deploying over HTTP at --http: on "
                 "loopback "
                 "unless told otherwise, as there is no log-in. Brokers that are down are "
                 "tried again "
                 "for ever, and GET /readyz says so.\n\n"
                 "SIGINT and SIGTERM end the epoch, flush, and leave; a second one ends it at "
                 "once, "
                 "which loses nothing either.",
        .examples = "weir engine --brokers localhost:9092 --redis localhost:6379\n"
                    "WEIR_BROKERS=localhost:9092 weir engine --state /var/lib/weir --memory 2G",
        .uses = uses,
        .node = true,
        .run = engine_run,
};

const struct command command_run = {
        .name = "run",
        .args = "JOB",
        .summary = "run a node with one job, in the foreground",
        .about = "Runs the job of the file JOB as a node of its own, without deploying it: for "
                 "trying "
                 "things out against real topics, and where something else decides what runs "
                 "where. "
                 "Several such processes share the job like nodes do. Everything else is as in "
                 "'weir "
                 "engine'.",
        .exits = "0  Stopped by a signal.\n1  The job file has errors.",
        .examples = "weir run job.yaml --brokers localhost:9092 --prefix mine",
        .args_min = 1,
        .args_max = 1,
        .uses = uses,
        .node = true,
        .run = run_run,
};
