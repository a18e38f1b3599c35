// SPDX-License-Identifier: Apache-2.0
//
// Snapshots as JSON text, written directly: the shape is fixed, so a document tree would only
// be copied out again. Bytes that are no UTF-8 (a broker's error text may hold some) become
// '?'.
#include "run/snapshot_json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "run/findings.h"

/* A value after "key": with the comma it needs. All writers below go through it. */
static void key(struct buf *out, const char *name)
{
	uint8_t last = out->len ? out->p[out->len - 1] : '{';
	if (last != '{' && last != '[')
		buf_byte(out, ',');
	if (name)
		buf_printf(out, "\"%s\":", name);
}

static void open_object(struct buf *out, const char *name)
{
	key(out, name);
	buf_byte(out, '{');
}

static void open_array(struct buf *out, const char *name)
{
	key(out, name);
	buf_byte(out, '[');
}

/* Length of the UTF-8 character at p, 0 when it is none. */
static size_t utf8_at(const uint8_t *p)
{
	size_t n = p[0] < 0x80                   ? 1
	           : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
	           : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
	           : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
	                                         : 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void put_text(struct buf *out, const char *name, const char *s)
{
	key(out, name);
	if (!s) {
		buf_str(out, "null");
		return;
	}
	struct buf clean;
	buf_init(&clean);
	for (const uint8_t *p = (const uint8_t *)s; *p;) {
		size_t n = utf8_at(p);
		if (n)
			buf_add(&clean, p, n);
		else
			buf_byte(&clean, '?');
		p += n ? n : 1;
	}
	buf_json(out, buf_view(&clean));
	buf_release(&clean);
}

static void put_int(struct buf *out, const char *name, int64_t v)
{
	key(out, name);
	if (v == SNAPSHOT_NONE)
		buf_str(out, "null");
	else
		buf_int(out, v);
}

static void put_count(struct buf *out, const char *name, uint64_t v)
{
	key(out, name);
	buf_printf(out, "%" PRIu64, v);
}

/* -1 is how the structs say unknown of a count. */
static void put_known(struct buf *out, const char *name, int64_t v)
{
	put_int(out, name, v < 0 ? SNAPSHOT_NONE : v);
}

/* To three decimals: rates and milliseconds need no more, and events stay small. */
static void put_num(struct buf *out, const char *name, double v)
{
	key(out, name);
	if (!isfinite(v))
		buf_str(out, "null");
	else
		buf_num(out, fabs(v) < 1e12 ? round(v * 1000) / 1000 : v);
}

static void put_bool(struct buf *out, const char *name, bool v)
{
	key(out, name);
	buf_str(out, v ? "true" : "false");
}

static void put_recent(struct buf *out, const struct snapshot_recent *r, uint32_t n)
{
	open_array(out, "recent");
	for (uint32_t i = 0; i < n && i < SNAPSHOT_RECENT_MAX; i++) {
		open_object(out, NULL);
		put_int(out, "time_ms", r[i].time_ms);
		put_text(out, "level", r[i].level);
		put_text(out, "component", r[i].component);
		put_text(out, "text", r[i].text);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

/* The fields of the node, from the brace on. */
static void put_node(struct buf *out, const struct snapshot *s)
{
	buf_byte(out, '{');
	put_text(out, "id", s->id);
	put_text(out, "version", s->version);
	put_text(out, "http", s->http);
	put_text(out, "prefix", s->prefix);
	put_int(out, "now_ms", s->now_ms);
	put_int(out, "started_ms", s->started_ms);
	put_count(out, "memory_budget_bytes", s->memory_budget_bytes);
	put_count(out, "memory_used_bytes", s->memory_used_bytes);
	put_bool(out, "ready", s->ready);
	open_array(out, "reasons");
	for (uint32_t i = 0; i < s->nreasons; i++)
		put_text(out, NULL, s->reasons[i]);
	buf_byte(out, ']');
	put_bool(out, "broker_up", s->broker_up);
	put_text(out, "broker_error", s->broker_error);
	put_bool(out, "online_up", s->online_up);
	put_text(out, "online_error", s->online_error);
	put_count(out, "online_backlog_bytes", s->online_backlog_bytes);
	open_array(out, "peers");
	for (uint32_t i = 0; i < s->npeers; i++) {
		open_object(out, NULL);
		put_text(out, "id", s->peers[i].id);
		put_text(out, "http", s->peers[i].http);
		buf_byte(out, '}');
	}
	buf_str(out, "]}");
}

static void put_findings(
        struct buf *out, const struct snapshot *s, const struct snapshot_job *j)
{
	struct finding found[FINDINGS_MAX];
	uint32_t n = findings_of(s, j, found);
	open_array(out, "findings");
	for (uint32_t i = 0; i < n; i++) {
		open_object(out, NULL);
		put_text(out, "kind", finding_kind_name(found[i].kind));
		put_text(out, "level", finding_level_name(found[i].level));
		put_text(out, "subject", found[i].subject);
		put_text(out, "text", found[i].text);
		put_text(out, "why", *found[i].why ? found[i].why : NULL);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

/* The fields of a summary, without the braces and without the counts of tasks and views. */
static void put_summary(struct buf *out, const struct snapshot *s, const struct snapshot_job *j,
        const struct snapshot_totals *t)
{
	put_text(out, "name", j->name);
	put_text(out, "state", job_state_name(j->state));
	put_text(out, "error", j->error);
	put_text(out, "source", j->source);
	put_int(out, "commit_ms", j->commit_ms);
	put_int(out, "started_ms", j->started_ms);
	put_num(out, "records_per_s", t->records_per_s);
	put_num(out, "rows_per_s", t->rows_per_s);
	put_known(out, "lag_records", t->lag_records);
	put_int(out, "stream_time_ms", t->stream_time_ms);
	put_int(out, "watermark_ms", t->watermark_ms);
	put_int(out, "last_commit_ms", t->last_commit_ms);
	put_count(out, "state_entities", t->state_entities);
	put_count(out, "state_bytes", t->state_bytes);
	put_count(out, "records", j->records);
	put_count(out, "rows", t->rows);
	put_count(out, "late", j->late);
	put_count(out, "dead", t->dead);
	put_count(out, "standby_tasks", j->standby_tasks);
	put_known(out, "standby_lag_records", j->standby_lag);
	put_count(out, "standby_rows", j->standby_rows);
	put_count(out, "standby_rounds", j->standby_rounds);
	put_count(out, "monitors", j->nmonitors);
	put_count(out, "alerts_firing", j->alerts_firing);
	put_count(out, "drift_breached", j->drift_breached);
	put_findings(out, s, j);
}

static void put_task_counts(struct buf *out, const char *name, const struct snapshot_job *j,
        const struct snapshot_totals *t)
{
	open_object(out, name);
	put_count(out, "total", j->ntasks);
	put_count(out, "running", t->running);
	put_count(out, "restoring", t->restoring);
	put_count(out, "failed", t->failed);
	buf_byte(out, '}');
}

static void put_jobs(struct buf *out, const struct snapshot *s)
{
	open_array(out, "jobs");
	for (uint32_t i = 0; i < s->njobs; i++) {
		const struct snapshot_job *j = &s->jobs[i];
		struct snapshot_totals t;
		snapshot_totals(j, &t);
		open_object(out, NULL);
		put_summary(out, s, j, &t);
		put_task_counts(out, "tasks", j, &t);
		put_count(out, "views", j->nviews);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_inputs(struct buf *out, const struct snapshot_task *t)
{
	open_array(out, "inputs");
	for (uint32_t i = 0; i < t->ninputs; i++) {
		const struct snapshot_input *in = &t->inputs[i];
		open_object(out, NULL);
		put_text(out, "topic", in->topic);
		put_int(out, "partition", in->partition);
		put_known(out, "offset", in->offset);
		put_known(out, "end", in->end);
		put_int(out, "stream_time_ms", in->stream_time_ms);
		put_bool(out, "idle", in->idle);
		put_bool(out, "paused", in->paused);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_task(struct buf *out, const struct snapshot_task *t)
{
	open_object(out, NULL);
	put_text(out, "name", t->name);
	put_text(out, "stage", t->stage);
	put_int(out, "partition", t->partition);
	put_text(out, "owner", t->owner);
	put_text(out, "owner_http", t->owner_http);
	put_text(out, "state", task_state_name(t->state));
	put_text(out, "waits_for", t->waits_for);
	put_inputs(out, t);
	put_num(out, "records_per_s", t->records_per_s);
	put_known(out, "lag_records", t->lag_records);
	put_int(out, "stream_time_ms", t->stream_time_ms);
	put_int(out, "watermark_ms", t->watermark_ms);
	put_text(out, "held_by", t->held_by);
	put_count(out, "state_entities", t->state_entities);
	put_count(out, "state_bytes", t->state_bytes);
	put_known(out, "epoch", t->epoch);
	put_int(out, "last_commit_ms", t->last_commit_ms);
	put_num(out, "commit_took_ms", t->commit_took_ms < 0 ? NAN : t->commit_took_ms);
	put_count(out, "restore_rows", t->restore_rows);
	put_count(out, "restore_rows_total", t->restore_rows_total);
	put_count(out, "restore_bytes", t->restore_bytes);
	put_int(out, "restore_eta_ms", t->restore_eta_ms);
	put_text(out, "last_error", t->last_error);
	put_int(out, "last_error_ms", t->last_error_ms);
	buf_byte(out, '}');
}

static void put_tasks(struct buf *out, const struct snapshot_job *j)
{
	open_array(out, "tasks");
	for (uint32_t i = 0; i < j->ntasks; i++)
		put_task(out, &j->tasks[i]);
	buf_byte(out, ']');
}

static void put_topology(struct buf *out, const struct snapshot_job *j)
{
	open_array(out, "nodes");
	for (uint32_t i = 0; i < j->nnodes; i++) {
		const struct snapshot_node *n = &j->nodes[i];
		open_object(out, NULL);
		put_text(out, "kind", step_kind_name(n->kind));
		put_text(out, "name", n->name);
		put_text(out, "detail", n->detail);
		put_num(out, "records_per_s", n->records_per_s);
		put_known(out, "lag_records", n->lag_records);
		put_text(out, "problem", n->problem);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
	open_array(out, "edges");
	for (uint32_t i = 0; i < j->nedges; i++) {
		open_object(out, NULL);
		put_count(out, "from", j->edges[i].from);
		put_count(out, "to", j->edges[i].to);
		put_num(out, "records_per_s", j->edges[i].records_per_s);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_features(struct buf *out, const struct snapshot_view *v)
{
	open_array(out, "entity");
	for (uint32_t i = 0; i < v->nentity; i++)
		put_text(out, NULL, v->entity[i]);
	buf_byte(out, ']');
	open_array(out, "features");
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		open_object(out, NULL);
		put_text(out, "name", v->features[i].name);
		put_text(out, "type", v->features[i].type);
		put_text(out, "text", v->features[i].text);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_view(struct buf *out, const struct snapshot *s, const struct snapshot_view *v)
{
	int64_t age = v->known_at_ms == SNAPSHOT_NONE || s->now_ms == SNAPSHOT_NONE
	                      ? SNAPSHOT_NONE
	                      : s->now_ms - v->known_at_ms;
	open_object(out, NULL);
	put_text(out, "name", v->name);
	put_count(out, "version", v->version);
	put_text(out, "owner", v->owner);
	put_text(out, "description", v->description);
	put_features(out, v);
	put_text(out, "topic", v->topic);
	put_count(out, "rows", v->rows);
	put_num(out, "rows_per_s", v->rows_per_s);
	put_int(out, "event_time_ms", v->event_time_ms);
	put_int(out, "known_at_ms", v->known_at_ms);
	put_int(out, "age_ms", age);
	put_int(out, "freshness_ms", v->freshness_ms ? v->freshness_ms : SNAPSHOT_NONE);
	put_bool(out, "stale",
	        v->freshness_ms && (age == SNAPSHOT_NONE || age > v->freshness_ms));
	put_count(out, "null_entities", v->null_entities);
	put_count(out, "overflows", v->overflows);
	put_count(out, "failed_casts", v->failed_casts);
	put_count(out, "not_finite", v->not_finite);
	put_count(out, "capped", v->capped);
	put_count(out, "online_rows", v->online_rows);
	put_count(out, "online_dropped", v->online_dropped);
	buf_byte(out, '}');
}

static void put_dead(struct buf *out, const struct snapshot_job *j)
{
	open_object(out, "dead_by_reason");
	for (uint32_t i = 0; i < j->ndead; i++)
		put_count(out, j->dead[i].reason, j->dead[i].count);
	buf_byte(out, '}');
	open_array(out, "dead_samples");
	for (uint32_t i = 0; i < j->ndead_samples && i < SNAPSHOT_DEAD_MAX; i++) {
		const struct snapshot_dead *d = &j->dead_samples[i];
		open_object(out, NULL);
		put_text(out, "topic", d->topic);
		put_int(out, "partition", d->partition);
		put_int(out, "offset", d->offset);
		put_int(out, "time_ms", d->time_ms);
		put_text(out, "reason", d->reason);
		put_text(out, "detail", d->detail);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void put_detail(struct buf *out, const struct snapshot *s, const struct snapshot_job *j)
{
	struct snapshot_totals t;
	snapshot_totals(j, &t);
	buf_byte(out, '{');
	put_summary(out, s, j, &t);
	put_task_counts(out, "task_counts", j, &t);
	put_topology(out, j);
	put_tasks(out, j);
	open_array(out, "views");
	for (uint32_t i = 0; i < j->nviews; i++)
		put_view(out, s, &j->views[i]);
	buf_byte(out, ']');
	put_dead(out, j);
	put_recent(out, j->recent, j->nrecent);
	buf_byte(out, '}');
}

void snapshot_json_node(const struct snapshot *s, struct buf *out)
{
	put_node(out, s);
}

void snapshot_json_jobs(const struct snapshot *s, struct buf *out)
{
	buf_byte(out, '{');
	key(out, "node");
	put_node(out, s);
	put_jobs(out, s);
	buf_byte(out, '}');
}

void snapshot_json_job(const struct snapshot *s, const struct snapshot_job *j, struct buf *out)
{
	put_detail(out, s, j);
}

void snapshot_json_tasks(const struct snapshot_job *j, struct buf *out)
{
	buf_byte(out, '{');
	put_text(out, "job", j->name);
	put_tasks(out, j);
	buf_byte(out, '}');
}

void snapshot_json_drift(const struct snapshot_job *j, struct buf *out)
{
	if (j->drift_json) {
		buf_str(out, j->drift_json);
		return;
	}
	buf_byte(out, '{');
	put_text(out, "job", j->name);
	buf_str(out, ",\"alerts\":[],\"series\":[]}");
}

void snapshot_json_event(
        const struct snapshot *s, const struct snapshot_job *j, struct buf *out)
{
	buf_byte(out, '{');
	key(out, "node");
	put_node(out, s);
	put_jobs(out, s);
	key(out, "job");
	if (j)
		put_detail(out, s, j);
	else
		buf_str(out, "null");
	put_recent(out, s->recent, s->nrecent);
	buf_byte(out, '}');
}
