// SPDX-License-Identifier: Apache-2.0
//
// The watch's thread: looks at each topic's end, reads what is new, posts alerts. The lock
// covers what was seen, never a call to the outside.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "run/drift_watch_inside.h"

#define READ_BATCH 256
#define READ_POLL_MS 100
#define READ_SILENT_MAX 20 /* polls without a record before the topic is left for this round   \
	                    */
#define READ_MEMORY_BYTES ((uint64_t)8 << 20)

struct drift_watch {
	struct drift_watch_conf conf;
	char prefix[128], http[128];
	struct alert_sink sink;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	pthread_mutex_t lock; /* everything below */
	struct seen_job **jobs;
	uint32_t njobs;
	struct alerts alerts;
	int64_t alerts_position; /* -1: not looked at yet */
};

static struct seen_job *job_find(struct drift_watch *w, const char *name)
{
	for (uint32_t i = 0; i < w->njobs; i++)
		if (!strcmp(w->jobs[i]->name, name))
			return w->jobs[i];
	return NULL;
}

static struct seen_job *job_add(struct drift_watch *w, const char *name)
{
	struct seen_job *j = xcalloc(1, sizeof *j);
	j->name = xstrdup(name);
	j->position = -1;
	w->jobs = xrealloc(w->jobs, (w->njobs + 1) * sizeof *w->jobs);
	return w->jobs[w->njobs++] = j;
}

void drift_watch_jobs(struct drift_watch *w, const char *const *names, uint32_t n)
{
	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < w->njobs; i++)
		w->jobs[i]->listed = false;
	for (uint32_t i = 0; i < n; i++) {
		struct seen_job *j = job_find(w, names[i]);
		(j ? j : job_add(w, names[i]))->listed = true;
	}
	for (uint32_t i = 0; i < w->njobs;)
		if (w->jobs[i]->listed) {
			i++;
		} else {
			seen_job_free(w->jobs[i]);
			w->jobs[i] = w->jobs[--w->njobs];
		}
	pthread_mutex_unlock(&w->lock);
}

/* -- reading -- */

typedef void take_fn(
        struct drift_watch *w, const char *job, const struct log_record *r, struct arena *a);

static void take_drift(
        struct drift_watch *w, const char *job, const struct log_record *r, struct arena *a)
{
	struct drift_record d;
	struct seen_job *j = job_find(w, job);
	if (j && r->has_value && drift_record_read(r->value, &d, a))
		seen_record(j, &d);
}

static void take_alert(
        struct drift_watch *w, const char *job, const struct log_record *r, struct arena *a)
{
	struct alert_record d;
	(void)job;
	if (r->has_value && alert_record_read(r->value, &d, a))
		alerts_record(&w->alerts, &d, clock_wall_ms(w->conf.clock));
}

/* To the end as of now, or until nothing comes: the end of what is committed. */
static enum status drain(struct drift_watch *w, const char *job, struct log_reader *r,
        int64_t end, take_fn *take, struct error *e)
{
	struct log_record records[READ_BATCH];
	struct arena a = {0};
	enum status st = ST_OK;
	for (int silent = 0; !st && silent < READ_SILENT_MAX && !atomic_load(&w->stop) &&
	                     w->conf.log->reader_position(r) < end;) {
		uint32_t n = 0;
		st = w->conf.log->reader_poll(r, READ_POLL_MS, records, READ_BATCH, &n, e);
		silent = n ? 0 : silent + 1;
		pthread_mutex_lock(&w->lock);
		for (uint32_t i = 0; !st && i < n; i++) {
			take(w, job, &records[i], &a);
			arena_reset(&a);
		}
		pthread_mutex_unlock(&w->lock);
	}
	arena_release(&a);
	return st;
}

static enum status topic_read(struct drift_watch *w, const char *topic, const char *job,
        int64_t *position, int64_t back, take_fn *take, struct error *e)
{
	const struct log_ops *log = w->conf.log;
	struct log_topic_info info;
	struct log_reader *r;
	int64_t begin, end;
	if (log->topic_info(w->conf.broker, topic, &info, e))
		return ST_ERR;
	if (!info.partitions) /* its job has not made it yet */
		return ST_OK;
	if (log->bounds(w->conf.broker, topic, 0, &begin, &end, e))
		return ST_ERR;
	if (*position < 0)
		*position = back && end - begin > back ? end - back : begin;
	if (*position < begin || *position > end)
		*position = begin;
	if (*position == end)
		return ST_OK;
	if (log->reader_open(w->conf.broker, topic, 0, *position, READ_MEMORY_BYTES, &r, e))
		return ST_ERR;
	enum status st = drain(w, job, r, end, take, e);
	*position = log->reader_position(r);
	log->reader_close(r);
	return st;
}

/* Names are copied: the list may change meanwhile. */
static char **names_copy(struct drift_watch *w, uint32_t *n)
{
	pthread_mutex_lock(&w->lock);
	*n = w->njobs;
	char **names = xcalloc(*n, sizeof *names);
	for (uint32_t i = 0; i < *n; i++)
		names[i] = xstrdup(w->jobs[i]->name);
	pthread_mutex_unlock(&w->lock);
	return names;
}

static int64_t position_of(struct drift_watch *w, const char *job)
{
	pthread_mutex_lock(&w->lock);
	struct seen_job *j = job_find(w, job);
	int64_t at = j ? j->position : 0;
	pthread_mutex_unlock(&w->lock);
	return at;
}

static void position_set(struct drift_watch *w, const char *job, int64_t at)
{
	pthread_mutex_lock(&w->lock);
	struct seen_job *j = job_find(w, job);
	if (j)
		j->position = at;
	pthread_mutex_unlock(&w->lock);
}

static void read_all(struct drift_watch *w)
{
	char topic[400];
	uint32_t n;
	struct error e = {0};
	char **names = names_copy(w, &n);
	enum status st = ST_OK;
	for (uint32_t i = 0; i < n && !st; i++) {
		int64_t at = position_of(w, names[i]);
		snprintf(topic, sizeof topic, "%s.%s.drift", w->prefix, names[i]);
		st = topic_read(w, topic, names[i], &at, WATCH_BACK, take_drift, &e);
		position_set(w, names[i], at);
	}
	snprintf(topic, sizeof topic, "%s.alerts", w->prefix);
	if (!st && n)
		st = topic_read(w, topic, NULL, &w->alerts_position, 0, take_alert, &e);
	if (st)
		LOG_DEBUG("monitors", "reading drift records: %s", e.msg);
	for (uint32_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* -- posting -- */

static void post(struct drift_watch *w)
{
	struct buf json = {0};
	struct error e = {0};
	uint32_t *marks = NULL, n;
	if (!w->conf.sink)
		return;
	pthread_mutex_lock(&w->lock);
	for (uint32_t i = 0; i < w->alerts.n; i++)
		w->alerts.items[i].mine = job_find(w, w->alerts.items[i].job) != NULL;
	bool due = alerts_due(&w->alerts, w->http, clock_mono_ns(w->conf.clock),
	        clock_wall_ms(w->conf.clock), &json, &marks, &n);
	pthread_mutex_unlock(&w->lock);
	if (due) {
		bool ok = w->sink.post(w->sink.arg, buf_view(&json), &e) == ST_OK;
		pthread_mutex_lock(&w->lock);
		alerts_posted(&w->alerts, marks, n, ok, clock_mono_ns(w->conf.clock));
		pthread_mutex_unlock(&w->lock);
		if (!ok && strcmp(w->alerts.said, e.msg))
			LOG_WARN("monitors", "%s; trying again", e.msg);
		snprintf(w->alerts.said, sizeof w->alerts.said, "%s", ok ? "" : e.msg);
		free(marks);
	}
	buf_release(&json);
}

void drift_watch_round(struct drift_watch *w)
{
	read_all(w);
	post(w);
}

static void *watch_main(void *arg)
{
	struct drift_watch *w = arg;
	while (!atomic_load(&w->stop)) {
		drift_watch_round(w);
		for (int ms = 0; ms < w->conf.every_ms && !atomic_load(&w->stop); ms += 50)
			usleep(50 * 1000);
	}
	return NULL;
}

struct drift_watch *drift_watch_open(const struct drift_watch_conf *conf)
{
	struct drift_watch *w = xcalloc(1, sizeof *w);
	w->conf = *conf;
	w->alerts_position = -1;
	snprintf(w->prefix, sizeof w->prefix, "%s", conf->prefix);
	snprintf(w->http, sizeof w->http, "%s", conf->http ? conf->http : "");
	if (conf->sink)
		w->sink = *conf->sink;
	pthread_mutex_init(&w->lock, NULL);
	if (conf->every_ms)
		w->started = pthread_create(&w->thread, NULL, watch_main, w) == 0;
	return w;
}

void drift_watch_close(struct drift_watch *w)
{
	if (!w)
		return;
	atomic_store(&w->stop, true);
	if (w->started)
		pthread_join(w->thread, NULL);
	for (uint32_t i = 0; i < w->njobs; i++)
		seen_job_free(w->jobs[i]);
	free(w->jobs);
	alerts_release(&w->alerts);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* -- showing -- */

void drift_watch_show(
        struct drift_watch *w, const char *job, struct arena *a, struct snapshot_job *out)
{
	struct buf b = {0};
	pthread_mutex_lock(&w->lock);
	struct seen_job *j = job_find(w, job);
	if (j) {
		out->alerts_firing = alerts_firing(&w->alerts, job);
		out->drift_breached = seen_breached(j);
		buf_str(&b, "{\"job\":");
		buf_json(&b, slice_of(job));
		buf_str(&b, ",\"alerts\":[");
		alerts_json(&w->alerts, job, &b);
		buf_str(&b, "],\"series\":[");
		seen_json(j, &b);
		buf_str(&b, "]}");
		out->drift_json = arena_strndup(a, (const char *)b.p, b.len);
	}
	pthread_mutex_unlock(&w->lock);
	buf_release(&b);
}

void drift_watch_metrics(struct drift_watch *w, const char *job, struct metrics *m)
{
	pthread_mutex_lock(&w->lock);
	struct seen_job *j = job_find(w, job);
	if (j) {
		seen_metrics(j, m);
		metric_set(metrics_get(
		                   m, METRIC_ALERTS_FIRING, (struct metric_labels){.job = job}),
		        alerts_firing(&w->alerts, job));
	}
	if (w->conf.sink)
		metric_set(metrics_get(m, METRIC_ALERTS_FAILING, (struct metric_labels){0}),
		        w->alerts.failed);
	pthread_mutex_unlock(&w->lock);
}
