// SPDX-License-Identifier: Apache-2.0
//
// Running one job: a thread that prepares (partition counts, topics, schemas, live versions) and
// then is worker 0; further workers are threads of their own. A worker that fails for good is
// closed, and opened again after a pause that grows: what was committed stands, so that is safe.
#include "run/job_run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "run/budget.h"
#include "run/growth.h"
#include "run/schemas.h"

#define POLL_MS 100
#define REPORT_NS INT64_C(500000000)
#define PREPARE_RETRY_MS 2000
#define REOPEN_FIRST_MS 1000
#define REOPEN_MAX_MS 30000

struct seat { /* a worker's thread */
	struct job_run *run;
	uint32_t number;
	pthread_t thread;
	bool started;
	struct worker_report *report;
};

struct job_run {
	struct job_run_conf conf;
	char source[300], node[64], http[128];
	uint64_t batch_bytes_max;  /* that all of the plan's topics take */
	struct plan *plan;
	struct standbys *standbys; /* once the plan is there; NULL: no copies */
	uint32_t *schema_ids; /* in the registry; NULL: there is none */
	atomic_ullong memory_now; /* of a worker */
	struct seat *seats;
	uint32_t nseats;
	struct worker_report **reports; /* as handed out by job_run_lock */
	atomic_bool stop;
	pthread_mutex_t lock; /* plan (once set, constant), state, error, reports */
	enum job_state state;
	char error[1000];
	int64_t started_ms;
	int64_t live_next_ns; /* when the live versions are looked at again */
	bool live_pending; /* a new version waits for having caught up */
};

static void state_set(struct job_run *r, enum job_state state, const char *error)
{
	pthread_mutex_lock(&r->lock);
	r->state = state;
	snprintf(r->error, sizeof r->error, "%s", error ? error : "");
	pthread_mutex_unlock(&r->lock);
}

/* In short pieces, so that a stop is heard. */
static void pause_ms(struct job_run *r, int ms)
{
	for (; ms > 0 && !atomic_load(&r->stop); ms -= 50)
		usleep(50 * 1000);
}

/* -- preparing -- */

static enum status partitions_ask(struct job_run *r, int32_t *out, struct error *e)
{
	const struct job *job = r->conf.job;
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_info info;
		if (r->conf.log->topic_info(r->conf.broker, job->sources[i].topic, &info, e))
			return ST_ERR;
		if (!info.partitions)
			return error_set(e, ERR_RETRIABLE, 0,
				"there is no topic %s, which source %s reads: create it, or start "
				"its producer", job->sources[i].topic, job->sources[i].name);
		out[i] = info.partitions;
	}
	return ST_OK;
}

#define LIVE_LOOK_NS INT64_C(10000000000)
#define TOPIC_BYTES_DEFAULT 1048588 /* max.message.bytes */
#define TOPIC_KNOWN_MS_MAX 5000 /* until every broker knows a topic that was just made */

static enum status topic_known(struct job_run *r, const char *topic, struct log_topic_info *info,
	struct error *e)
{
	for (int ms = 0;; ms += 50) {
		if (r->conf.log->topic_info(r->conf.broker, topic, info, e))
			return ST_ERR;
		if (info->partitions)
			return ST_OK;
		if (ms >= TOPIC_KNOWN_MS_MAX || atomic_load(&r->stop))
			return error_set(e, ERR_RETRIABLE, 0,
				"topic %s was made, but the brokers do not show it yet", topic);
		pause_ms(r, 50);
	}
}

/* A repartition topic is made once; its default would follow its source. */
static enum status shards_keep(struct job_run *r, struct plan *p, struct error *e)
{
	for (uint32_t i = 0; i < p->nrepartitions; i++) {
		const struct repartition *rp = &p->repartitions[i];
		struct log_topic_info info;
		if (r->conf.log->topic_info(r->conf.broker, rp->topic, &info, e))
			return ST_ERR;
		if (info.partitions && !rp->shards_given)
			plan_shards_set(p, i, info.partitions);
	}
	return ST_OK;
}

/* A changelog whose source may grow. */
static bool may_grow(const struct plan *p, const char *topic)
{
	for (uint32_t i = 0; i < p->nstages; i++)
		if (strcmp(p->stages[i].changelog, topic) == 0)
			return growth_allowed(&p->stages[i]);
	return false;
}

static enum status topics_grow(struct job_run *r, const struct plan *p,
	const struct log_topic_conf *t, uint32_t n, struct error *e)
{
	for (uint32_t i = 0; i < n; i++)
		if (may_grow(p, t[i].name) &&
			r->conf.log->partitions_ensure(r->conf.broker, t[i].name, t[i].partitions,
				e))
			return ST_ERR;
	return ST_OK;
}

/* A topic that somebody made by hand may take less at once than those the engine makes; one that
 * does not tell counts as the brokers' default. */
static void batch_note(struct job_run *r, const struct log_topic_info *info)
{
	uint64_t takes = info->record_bytes_max ? info->record_bytes_max : TOPIC_BYTES_DEFAULT;
	if (!r->batch_bytes_max || takes < r->batch_bytes_max)
		r->batch_bytes_max = takes;
}

/* A topic that exists must have the partitions the plan counts on. */
static enum status topics_check(struct job_run *r, const struct plan *p,
	const struct log_topic_conf *t, uint32_t n, struct error *e)
{
	for (uint32_t i = 0; i < n; i++) {
		struct log_topic_info info;
		if (topic_known(r, t[i].name, &info, e))
			return ST_ERR;
		batch_note(r, &info);
		if (info.partitions < t[i].partitions && may_grow(p, t[i].name))
			continue;
		if (info.partitions != t[i].partitions)
			return error_set(e, ERR_FATAL, 0,
				"topic %s has %d partitions, the job needs %d: was a source's "
				"partition count changed? Give its views new versions and backfill",
				t[i].name, (int)info.partitions, (int)t[i].partitions);
	}
	return ST_OK;
}

static enum status schemas_write(struct job_run *r, const struct plan *p, struct error *e)
{
	uint32_t n = 0;
	const struct schema **list = xcalloc(p->job->nviews + p->nrepartitions + 4, sizeof *list);
	for (uint32_t i = 0; i < p->job->nviews; i++)
		list[n++] = p->views[i].record;
	for (uint32_t i = 0; i < p->nrepartitions; i++)
		list[n++] = p->repartitions[i].schema;
	if (p->parts)
		list[n++] = p->parts->schema; /* the one of all channels */
	if (p->drift_topic) {
		list[n++] = p->drift_schema;
		list[n++] = p->alert_schema;
	}
	enum status st =
		schemas_publish(r->conf.log, r->conf.broker, r->conf.prefix, list, n, e);
	free(list);
	return st;
}

/* With a registry, rows go out in its framing, under the subject <topic>-value. */
static enum status schemas_register(struct job_run *r, const struct plan *p, struct error *e)
{
	const struct schema_registrar *reg = r->conf.registrar;
	if (!reg)
		return ST_OK;
	if (!r->schema_ids)
		r->schema_ids = xcalloc(p->job->nviews + MONITOR_SCHEMAS, sizeof *r->schema_ids);
	for (uint32_t i = 0; i < p->job->nviews; i++) {
		char subject[512];
		snprintf(subject, sizeof subject, "%s-value", p->views[i].topic);
		if (reg->add(reg->arg, subject, slice_of(p->views[i].record->json),
			    &r->schema_ids[i], e))
			return error_context(e, "registering the rows of view %s",
				p->job->views[i].name);
	}
	const char *const topics[MONITOR_SCHEMAS] = {p->drift_topic, p->alerts_topic};
	const struct schema *const schemas[MONITOR_SCHEMAS] = {p->drift_schema, p->alert_schema};
	for (uint32_t i = 0; p->drift_topic && i < MONITOR_SCHEMAS; i++) {
		char subject[512];
		snprintf(subject, sizeof subject, "%s-value", topics[i]);
		if (reg->add(reg->arg, subject, slice_of(schemas[i]->json),
			    &r->schema_ids[p->job->nviews + i], e))
			return error_context(e, "registering the records of monitors");
	}
	return ST_OK;
}

static enum status prepare(struct job_run *r, struct error *e)
{
	int32_t *partitions = xcalloc(r->conf.job->nsources, sizeof *partitions);
	struct plan *p = NULL;
	struct arena a = {0};
	struct log_topic_conf *topics;
	enum status st = partitions_ask(r, partitions, e);
	if (!st)
		st = plan_new(r->conf.job, r->conf.prefix, partitions, &p, e);
	if (!st)
		st = shards_keep(r, p, e);
	if (!st) {
		uint32_t n = plan_topics(p, &topics, &a);
		st = r->conf.log->topics_ensure(r->conf.broker, topics, n, e);
		if (!st)
			st = topics_check(r, p, topics, n, e);
		if (!st)
			st = topics_grow(r, p, topics, n, e);
	}
	if (!st)
		st = schemas_write(r, p, e);
	if (!st)
		st = schemas_register(r, p, e);
	arena_release(&a);
	free(partitions);
	if (st) {
		plan_free(p);
		return ST_ERR;
	}
	pthread_mutex_lock(&r->lock);
	r->plan = p;
	r->started_ms = clock_wall_ms(r->conf.clock);
	pthread_mutex_unlock(&r->lock);
	return ST_OK;
}

static bool prepare_until(struct job_run *r)
{
	struct error e = {0};
	char said[sizeof e.msg] = "";
	while (!atomic_load(&r->stop)) {
		if (prepare(r, &e) == ST_OK)
			return true;
		state_set(r, e.class == ERR_RETRIABLE ? JOB_STARTING : JOB_FAILED, e.msg);
		if (strcmp(said, e.msg) != 0)
			LOG_WARN(r->conf.job->name, "cannot start yet: %s", e.msg);
		snprintf(said, sizeof said, "%s", e.msg);
		pause_ms(r, PREPARE_RETRY_MS);
	}
	return false;
}

/* -- live versions -- */

/* At first deploy at once; another version when it has caught up. */
static void live_versions(struct job_run *r, bool caught_up)
{
	const struct job *job = r->conf.job;
	struct error e;
	r->live_pending = false;
	if (!r->conf.online_ops)
		return;
	for (uint32_t i = 0; i < job->nviews; i++) {
		uint32_t live = 0;
		enum status st = r->conf.online_ops->live_get(r->conf.online, job->views[i].name,
			&live, &e);
		if (st == ST_OK && live == job->views[i].version)
			continue;
		bool now = st == ST_END || (st == ST_OK && caught_up);
		if (!now || r->conf.online_ops->live_set(r->conf.online, job->views[i].name,
				    job->views[i].version, &e))
			r->live_pending = true;
	}
}

/* A store that was emptied has lost the names of the live versions too. What stands there is
 * left alone: somebody may have gone back to an older version by hand. */
static void live_restore(struct job_run *r)
{
	const struct online_ops *ops = r->conf.online_ops;
	struct online_stats st;
	struct error e;
	int64_t now = clock_mono_ns(r->conf.clock);
	if (!ops || now < r->live_next_ns)
		return;
	ops->stats(r->conf.online, &st);
	r->live_next_ns = now + LIVE_LOOK_NS;
	for (uint32_t i = 0; st.up && i < r->conf.job->nviews; i++) {
		const struct view *v = &r->conf.job->views[i];
		uint32_t live;
		if (ops->live_get(r->conf.online, v->name, &live, &e) != ST_END)
			continue;
		LOG_WARN(r->conf.job->name, "the online store has lost the live version of view "
					    "%s: it is %u again", v->name, (unsigned)v->version);
		if (ops->live_set(r->conf.online, v->name, v->version, &e))
			LOG_WARN(r->conf.job->name, "%s", e.msg);
	}
}

/* A transaction's control record may end a topic, and is never read. */
static bool caught_up(const struct worker_report *w)
{
	for (uint32_t i = 0; i < w->ntasks; i++) {
		const struct task_report *t = &w->tasks[i];
		if (t->phase != PHASE_RUNNING || t->end < 0 || t->next_offset + 1 < t->end)
			return false;
	}
	return w->ntasks > 0;
}

/* -- workers -- */

static uint64_t worker_share(const struct job_run *r, uint64_t bytes)
{
	return (bytes - (r->conf.standbys ? budget_standby(bytes) : 0)) / r->nseats;
}

void job_run_memory(struct job_run *r, uint64_t bytes)
{
	if (r)
		atomic_store(&r->memory_now, worker_share(r, bytes));
}

static struct worker_conf worker_conf_of(struct seat *s)
{
	struct job_run *r = s->run;
	const struct job_run_conf *c = &r->conf;
	return (struct worker_conf){.plan = r->plan, .log = c->log, .broker = c->broker,
		.online_ops = c->online_ops, .online = c->online, .operators = c->operators,
		.avro = c->avro, .schemas = c->schemas, .schema_ids = r->schema_ids, .store = c->store, .clock = c->clock,
		.node = r->node, .number = s->number, .http = r->http,
		.static_member = c->static_member,
		.commit_ms = c->job->commit_ms ? c->job->commit_ms : c->commit_ms,
		.memory_bytes = worker_share(r, c->memory_bytes),
		.memory_now = &r->memory_now, .value_bytes_max = RECORD_BYTES_MAX,
		.batch_bytes_max = r->batch_bytes_max,
		.changelog_bytes_min = c->changelog_bytes_min, .standbys = r->standbys,
		.wall_idle = true, .stop = &r->stop, .at_disk = c->at_disk};
}

static enum job_state state_of(const struct worker *w, const char **error)
{
	bool restoring = false;
	*error = "";
	for (uint32_t i = 0; i < w->ntasks; i++) {
		if (w->tasks[i]->phase == PHASE_FAILED) {
			*error = w->tasks[i]->error.msg;
			return JOB_FAILED;
		}
		restoring |= w->tasks[i]->phase != PHASE_RUNNING;
	}
	return restoring ? JOB_RESTORING : JOB_RUNNING;
}

static void report_hand_over(struct seat *s, struct worker *w)
{
	struct worker_report *report = report_make(w);
	struct job_run *r = s->run;
	const char *error;
	enum job_state state = state_of(w, &error);
	pthread_mutex_lock(&r->lock);
	struct worker_report *old = s->report;
	s->report = report;
	if (s->number == 0 || state == JOB_FAILED) {
		r->state = state;
		snprintf(r->error, sizeof r->error, "%s", error);
	}
	pthread_mutex_unlock(&r->lock);
	report_free(old);
	if (s->number == 0 && r->live_pending)
		live_versions(r, caught_up(report));
	else if (s->number == 0)
		live_restore(r);
}

static enum status worker_loop(struct seat *s, struct worker *w, struct error *e)
{
	struct job_run *r = s->run;
	int64_t reported = 0;
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		bool busy;
		if (worker_step(w, POLL_MS, &busy, e))
			return ST_ERR;
		int64_t now = clock_mono_ns(r->conf.clock);
		if (now - reported > REPORT_NS) {
			report_hand_over(s, w);
			reported = now;
		}
	}
	return ST_OK;
}

static void worker_serve(struct seat *s)
{
	struct job_run *r = s->run;
	int pause = REOPEN_FIRST_MS;
	while (!atomic_load(&r->stop)) {
		struct worker *w = NULL;
		struct error e = {0};
		struct worker_conf conf = worker_conf_of(s);
		int64_t from = clock_mono_ns(r->conf.clock);
		enum status st = worker_open(&conf, &w, &e);
		if (!st)
			st = worker_loop(s, w, &e);
		if (w)
			worker_close(w);
		if (!st)
			return;
		LOG_ERROR(r->conf.job->name, "worker %u stopped: %s; starting it again in %d s",
			s->number, e.msg, pause / 1000);
		state_set(r, JOB_FAILED, e.msg);
		if (clock_mono_ns(r->conf.clock) - from > INT64_C(60000000000))
			pause = REOPEN_FIRST_MS;
		pause_ms(r, pause);
		pause = pause * 2 < REOPEN_MAX_MS ? pause * 2 : REOPEN_MAX_MS;
	}
}

static void *seat_main(void *arg)
{
	worker_serve(arg);
	return NULL;
}

static void copies_keep(struct job_run *r)
{
	const struct job_run_conf *c = &r->conf;
	struct standby_conf sc = {.plan = r->plan, .log = c->log, .broker = c->broker,
		.store = c->store, .clock = c->clock, .node = r->node, .copies = c->standbys,
		.memory_bytes = budget_standby(c->memory_bytes), .stop = &r->stop};
	if (!c->standbys || !c->store)
		return;
	struct standbys *s = standbys_start(&sc);
	pthread_mutex_lock(&r->lock);
	r->standbys = s;
	pthread_mutex_unlock(&r->lock);
}

static void *run_main(void *arg)
{
	struct job_run *r = ((struct seat *)arg)->run;
	if (!prepare_until(r))
		return NULL;
	state_set(r, JOB_RESTORING, NULL);
	live_versions(r, false);
	copies_keep(r);
	for (uint32_t i = 1; i < r->nseats; i++)
		r->seats[i].started = pthread_create(&r->seats[i].thread, NULL, seat_main,
					      &r->seats[i]) == 0;
	worker_serve(arg);
	return NULL;
}

struct job_run *job_run_start(const struct job_run_conf *conf)
{
	struct job_run *r = xcalloc(1, sizeof *r);
	r->conf = *conf;
	snprintf(r->source, sizeof r->source, "%s", conf->source ? conf->source : "");
	snprintf(r->node, sizeof r->node, "%s", conf->node);
	snprintf(r->http, sizeof r->http, "%s", conf->http ? conf->http : "");
	r->nseats = conf->job->workers ? conf->job->workers : 1;
	r->seats = xcalloc(r->nseats, sizeof *r->seats);
	r->reports = xcalloc(r->nseats, sizeof *r->reports);
	r->state = JOB_STARTING;
	job_run_memory(r, conf->memory_bytes);
	pthread_mutex_init(&r->lock, NULL);
	for (uint32_t i = 0; i < r->nseats; i++)
		r->seats[i] = (struct seat){.run = r, .number = i};
	r->seats[0].started =
		pthread_create(&r->seats[0].thread, NULL, run_main, &r->seats[0]) == 0;
	if (!r->seats[0].started)
		state_set(r, JOB_FAILED, "no thread to be had from the system");
	return r;
}

void job_run_stop_ask(struct job_run *r)
{
	if (r)
		atomic_store(&r->stop, true);
}

void job_run_stop(struct job_run *r)
{
	if (!r)
		return;
	job_run_stop_ask(r);
	if (r->seats[0].started) /* it starts the others: first */
		pthread_join(r->seats[0].thread, NULL);
	for (uint32_t i = 1; i < r->nseats; i++)
		if (r->seats[i].started)
			pthread_join(r->seats[i].thread, NULL);
	standbys_stop(r->standbys);
	for (uint32_t i = 0; i < r->nseats; i++)
		report_free(r->seats[i].report);
	plan_free(r->plan);
	job_free(r->conf.job);
	pthread_mutex_destroy(&r->lock);
	free(r->schema_ids);
	free(r->reports);
	free(r->seats);
	free(r);
}

void job_run_lock(struct job_run *r, struct job_view *out)
{
	pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->nseats; i++)
		r->reports[i] = r->seats[i].report;
	*out = (struct job_view){.job = r->conf.job, .plan = r->plan, .source = r->source,
		.state = r->state, .error = r->error[0] ? r->error : NULL,
		.started_ms = r->started_ms,
		.commit_ms = r->conf.job->commit_ms ? r->conf.job->commit_ms : r->conf.commit_ms,
		.reports = r->reports, .nreports = r->nseats};
	standbys_stats(r->standbys, &out->standby);
}

void job_run_unlock(struct job_run *r)
{
	pthread_mutex_unlock(&r->lock);
}
