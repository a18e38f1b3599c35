// SPDX-License-Identifier: Apache-2.0
//
// The node: deployed jobs in, job runs out. One thread follows the control topic and publishes
// what there is to see; everything that touches records is in the workers' threads.
//
// Memory: how --memory is divided is in budget.h; RocksDB and the online store serve all jobs, the
// rest is shared by them.
#include "run/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "run/budget.h"
#include "run/control.h"
#include "run/observe.h"
#include "run/state_dir.h"

#define SNAPSHOT_NS INT64_C(1000000000)
#define CONTROL_WAIT_MS 200
#define RECONNECT_MS 1000
#define DRAIN_MS 5000
#define DRIFT_LOOK_MS 2000 /* at what monitors have committed */
#define JOBS_EXPECTED 4 /* jobs' memory is shared out for at least so many */

struct node_job {
	char *name, *yaml, *source;
	char error[1000];
	bool paused;
	struct job_run *run;
};

struct node {
	struct node_conf conf;
	struct state_dir dir;
	struct store *store;
	char http[128];
	struct node_job *jobs;
	uint32_t njobs;
	struct control_reader *control;
	struct snapshot_cell *cell;
	struct metrics *metrics;
	struct observe *observe;
	struct recent *recent;
	struct drift_watch *drift;
	int64_t started_ms, published_ns;
	bool broker_up;
	char broker_error[1000];
};

enum status node_open(const struct node_conf *conf, struct node **out, struct error *e)
{
	struct node *n = xcalloc(1, sizeof *n);
	char db[4200];
	n->conf = *conf;
	n->started_ms = clock_wall_ms(conf->clock);
	if (state_dir_open(&n->dir, conf->state_dir, e)) {
		free(n);
		return ST_ERR;
	}
	failpoint_at(FP_START_LOCKED);
	snprintf(db, sizeof db, "%s/db", conf->state_dir);
	if (rocks_store_open(db, budget_store(conf->memory_bytes), &n->store, e)) {
		state_dir_close(&n->dir);
		free(n);
		return ST_ERR;
	}
	n->cell = snapshot_cell_new();
	n->metrics = metrics_new();
	n->observe = observe_new(n->metrics);
	n->recent = recent_new(conf->clock);
	log_tap_set(recent_tap, n->recent);
	*out = n;
	return ST_OK;
}

const char *node_id(const struct node *n)
{
	return n->dir.node;
}

struct snapshot_cell *node_cell(struct node *n)
{
	return n->cell;
}

struct metrics *node_metrics(struct node *n)
{
	return n->metrics;
}

void node_http_set(struct node *n, const char *address)
{
	snprintf(n->http, sizeof n->http, "%s", address);
}

/* -- jobs -- */

static struct node_job *job_find(struct node *n, const char *name)
{
	for (uint32_t i = 0; i < n->njobs; i++)
		if (strcmp(n->jobs[i].name, name) == 0)
			return &n->jobs[i];
	return NULL;
}

static struct node_job *job_add(struct node *n, const char *name)
{
	n->jobs = xrealloc(n->jobs, (n->njobs + 1) * sizeof *n->jobs);
	struct node_job *j = &n->jobs[n->njobs++];
	*j = (struct node_job){.name = xstrdup(name)};
	return j;
}

static uint64_t job_memory(const struct node *n)
{
	uint32_t jobs = n->njobs > JOBS_EXPECTED ? n->njobs : JOBS_EXPECTED;
	return budget_jobs(n->conf.memory_bytes) / (n->conf.only ? 1 : jobs);
}

/* There are more jobs, or fewer. */
static void memory_share(struct node *n)
{
	for (uint32_t i = 0; i < n->njobs; i++)
		job_run_memory(n->jobs[i].run, job_memory(n));
}

static void job_run_new(struct node *n, struct node_job *j, struct job *job)
{
	const struct node_conf *c = &n->conf;
	struct job_run_conf rc = {.job = job, .source = j->source, .prefix = c->prefix,
		.log = c->log, .broker = c->broker, .online_ops = c->online_ops,
		.online = c->online, .operators = c->operators, .avro = c->avro,
		.schemas = c->schemas, .registrar = c->registrar, .store = n->store, .clock = c->clock,
		.node = n->dir.node, .http = n->http, .static_member = c->static_member,
		.commit_ms = c->commit_ms, .memory_bytes = job_memory(n), .at_disk = c->at_disk,
		.changelog_bytes_min = c->changelog_bytes_min, .standbys = c->standbys};
	LOG_INFO(j->name, "starting, as of %s", j->source);
	j->run = job_run_start(&rc);
	memory_share(n);
}

static void job_halt(struct node_job *j)
{
	if (j->run)
		LOG_INFO(j->name, "stopping");
	job_run_stop(j->run);
	j->run = NULL;
}

static void job_forget(struct node *n, struct node_job *j)
{
	job_halt(j);
	free(j->name);
	free(j->yaml);
	free(j->source);
	*j = n->jobs[--n->njobs];
	memory_share(n);
}

static void job_launch(struct node *n, struct node_job *j)
{
	struct diagnostics d;
	struct job *job = NULL;
	diagnostics_init(&d);
	j->error[0] = 0;
	if (job_parse(slice_of(j->yaml), j->source, NULL, n->conf.env, &job, &d)) {
		struct buf b = {0};
		diagnostics_print(&d, &b);
		snprintf(j->error, sizeof j->error, "%s", buf_cstr(&b));
		LOG_ERROR(j->name, "cannot run as deployed: %s", j->error);
		buf_release(&b);
	} else {
		job_run_new(n, j, job);
	}
	diagnostics_release(&d);
}

static void change_apply(struct node *n, const struct control_change *c)
{
	struct node_job *j = job_find(n, c->name);
	if (c->removed) {
		if (j)
			job_forget(n, j);
		return;
	}
	if (!j)
		j = job_add(n, c->name);
	if (c->problem) {
		snprintf(j->error, sizeof j->error, "%s", c->problem);
		LOG_ERROR(c->name, "its record in the control topic: %s", c->problem);
		return;
	}
	bool same = j->yaml && strcmp(j->yaml, c->job.yaml) == 0;
	if (same && j->paused == c->job.paused && (j->run || j->paused))
		return;
	char source[300], topic[256];
	snprintf(source, sizeof source, "%s@%lld", control_topic(n->conf.prefix, topic),
		(long long)c->job.offset);
	job_halt(j);
	free(j->yaml);
	free(j->source);
	j->yaml = xstrdup(c->job.yaml);
	j->source = xstrdup(source);
	j->paused = c->job.paused;
	if (!j->paused)
		job_launch(n, j);
}

/* -- the loop -- */

static void broker_down(struct node *n, const struct error *e)
{
	if (n->broker_up || strcmp(n->broker_error, e->msg) != 0)
		LOG_WARN("node", "%s", e->msg);
	n->broker_up = false;
	snprintf(n->broker_error, sizeof n->broker_error, "%s", e->msg);
}

static bool control_follow(struct node *n)
{
	struct control c = {n->conf.log, n->conf.broker, n->conf.prefix, n->conf.env,
		n->conf.clock};
	struct error e;
	if (!n->control && control_open(&c, true, &n->control, &e)) {
		broker_down(n, &e);
		return false;
	}
	n->broker_up = true;
	struct control_change change;
	enum status st;
	while ((st = control_next(n->control, CONTROL_WAIT_MS, &change, &e)) == ST_OK &&
		!atomic_load(n->conf.stop))
		change_apply(n, &change);
	if (st == ST_ERR) {
		broker_down(n, &e);
		control_close(n->control);
		n->control = NULL;
		return false;
	}
	return true;
}

static uint64_t memory_used(void)
{
	unsigned long long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &pages, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The running jobs that have monitors. */
static void drift_jobs(struct node *n)
{
	const char **names = xcalloc(n->njobs + 1, sizeof *names);
	uint32_t with = 0;
	for (uint32_t i = 0; i < n->njobs; i++) {
		struct job_view v;
		if (!n->jobs[i].run)
			continue;
		job_run_lock(n->jobs[i].run, &v);
		if (v.job->nmonitors)
			names[with++] = n->jobs[i].name;
		job_run_unlock(n->jobs[i].run);
	}
	drift_watch_jobs(n->drift, names, with);
	free(names);
}

static void publish(struct node *n)
{
	struct observe_job *jobs = xcalloc(n->njobs, sizeof *jobs);
	for (uint32_t i = 0; i < n->njobs; i++) {
		const struct node_job *j = &n->jobs[i];
		jobs[i] = (struct observe_job){j->name, j->source ? j->source : "",
			j->error[0] ? j->error : NULL, j->paused, j->run};
	}
	drift_jobs(n);
	struct observe_node on = {.id = n->dir.node, .version = n->conf.version,
		.http = n->http, .prefix = n->conf.prefix, .started_ms = n->started_ms,
		.memory_budget_bytes = n->conf.memory_bytes, .memory_used_bytes = memory_used(),
		.broker_up = n->broker_up,
		.caught_up = n->conf.only || (n->control && control_caught_up(n->control)),
		.broker_error = n->broker_error, .online_ops = n->conf.online_ops,
		.online = n->conf.online, .recent = n->recent, .drift = n->drift,
		.clock = n->conf.clock};
	snapshot_publish(n->cell, observe_make(n->observe, &on, jobs, n->njobs));
	free(jobs);
	n->published_ns = clock_mono_ns(n->conf.clock);
}

static void only_start(struct node *n)
{
	struct node_job *j = job_add(n, n->conf.only->name);
	j->source = xstrdup(n->conf.only_source);
	j->yaml = xstrdup(n->conf.only->text);
	job_run_new(n, j, n->conf.only);
}

/* Whether the broker answers, asked where no control topic is followed. */
static void broker_ask(struct node *n)
{
	struct log_topic_info info;
	struct error e;
	char topic[256];
	if (n->conf.log->topic_info(n->conf.broker, control_topic(n->conf.prefix, topic), &info,
		    &e))
		broker_down(n, &e);
	else
		n->broker_up = true;
}

enum status node_run(struct node *n, struct error *e)
{
	(void)e;
	struct drift_watch_conf watch = {.log = n->conf.log, .broker = n->conf.broker,
		.prefix = n->conf.prefix, .http = n->http, .clock = n->conf.clock,
		.sink = n->conf.alerts, .every_ms = DRIFT_LOOK_MS};
	n->drift = drift_watch_open(&watch);
	publish(n);
	if (n->conf.only)
		only_start(n);
	while (!atomic_load(n->conf.stop)) {
		if (n->conf.only)
			broker_ask(n);
		bool quiet = n->conf.only || !control_follow(n);
		if (clock_mono_ns(n->conf.clock) - n->published_ns >= SNAPSHOT_NS)
			publish(n);
		if (quiet)
			usleep((n->broker_up ? CONTROL_WAIT_MS : RECONNECT_MS / 2) * 1000);
	}
	return ST_OK;
}

void node_close(struct node *n)
{
	if (!n)
		return;
	for (uint32_t i = 0; i < n->njobs; i++)
		job_run_stop_ask(n->jobs[i].run); /* side by side */
	drift_watch_close(n->drift);
	while (n->njobs)
		job_forget(n, &n->jobs[n->njobs - 1]);
	if (n->conf.online_ops && n->conf.online_ops->drain(n->conf.online, 0, DRAIN_MS) == ST_END)
		LOG_WARN("node", "the online store does not answer: what is missing there is "
				 "written at the next start");
	if (n->control)
		control_close(n->control);
	log_tap_set(NULL, NULL);
	snapshot_cell_close(n->cell);
	snapshot_cell_free(n->cell);
	observe_free(n->observe);
	metrics_free(n->metrics);
	recent_free(n->recent);
	if (n->conf.at_disk)
		atomic_fetch_add(n->conf.at_disk, 1);
	n->store->ops->close(n->store);
	state_dir_close(&n->dir);
	free(n->jobs);
	free(n);
}
