// SPDX-License-Identifier: Apache-2.0
//
// The topology that people look at: sources, repartitions, views, sinks, and what flows between
// them. A flow into a step is what the step takes in (a repartition's edge carries what is read
// from its topic), so that a step that falls behind shows it. Rates are this node's alone.
#include <stdio.h>
#include <string.h>

#include "base/human.h"
#include "run/findings.h"
#include "run/observe_inside.h"

struct steps {
	const struct job_seen *j;
	const struct job_view *v;
	struct arena *a;
	int64_t now_ms;
	struct snapshot_job *out;
	const char *online;
	uint32_t offline_at, online_at, late_at, dead_at;
};

static uint32_t repartition_at(const struct steps *s, const struct repartition *r)
{
	return s->v->job->nsources + (uint32_t)(r - s->v->plan->repartitions);
}

static uint32_t view_at(const struct steps *s, uint32_t view)
{
	return s->v->job->nsources + s->v->plan->nrepartitions +
	       s->v->plan->nchannels + view;
}

/* The step that a stage reads. */
static uint32_t stage_at(const struct steps *s, const struct stage *st)
{
	return st->in ? repartition_at(s, st->in) : st->source;
}

static uint32_t node_add(struct steps *s, struct snapshot_node n)
{
	s->out->nodes[s->out->nnodes] = n;
	return s->out->nnodes++;
}

/* Adds to what the target takes in, too. */
static void edge_add(struct steps *s, uint32_t from, uint32_t to, double rate)
{
	s->out->edges[s->out->nedges++] = (struct snapshot_edge){from, to, rate};
	if (s->out->nodes[to].kind == STEP_SINK)
		s->out->nodes[to].records_per_s += rate;
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static void sources_add(struct steps *s)
{
	const struct job *job = s->v->job;
	for (uint32_t i = 0; i < job->nsources; i++) {
		int32_t partitions = 0;
		for (uint32_t k = 0; k < s->v->plan->nstages; k++)
			if (!s->v->plan->stages[k].in && s->v->plan->stages[k].source == i)
				partitions = s->v->plan->stages[k].partitions;
		node_add(s, (struct snapshot_node){.kind = STEP_SOURCE,
		                    .name = arena_strdup(s->a, job->sources[i].name),
		                    .lag_records = -1,
		                    .detail = partitions ? arena_printf(s->a,
		                                                   "topic %s, %d partition%s",
		                                                   job->sources[i].topic,
		                                                   (int)partitions,
		                                                   plural((uint32_t)partitions))
		                                         : arena_printf(s->a,
		                                                   "topic %s, not read",
		                                                   job->sources[i].topic)});
	}
}

static void repartitions_add(struct steps *s)
{
	const struct plan *p = s->v->plan;
	for (uint32_t i = 0; i < p->nrepartitions + p->nchannels; i++) {
		const char *name = p->repartitions[i].topic;
		for (uint32_t k = 0; k < p->nstages; k++)
			if (p->stages[k].in == &p->repartitions[i])
				name = p->stages[k].name;
		node_add(s, (struct snapshot_node){.kind = STEP_REPARTITION,
		                    .lag_records = -1,
		                    .name = arena_strdup(s->a, name),
		                    .detail = arena_strdup(s->a, p->repartitions[i].topic)});
	}
}

static const char *view_problem(const struct steps *s, const struct snapshot_view *v)
{
	char age[HUMAN_MAX];
	if (!v->freshness_ms)
		return NULL;
	human_duration(age, v->freshness_ms);
	if (v->known_at_ms == SNAPSHOT_NONE)
		return arena_printf(s->a, "no row yet; it promises %s", age);
	if (s->now_ms - v->known_at_ms > v->freshness_ms)
		return arena_printf(s->a, "older than its promise of %s", age);
	return NULL;
}

static void views_add(struct steps *s)
{
	for (uint32_t i = 0; i < s->out->nviews; i++) {
		const struct snapshot_view *v = &s->out->views[i];
		struct buf entity;
		buf_init(&entity);
		for (uint32_t k = 0; k < v->nentity; k++)
			buf_printf(&entity, "%s%s", k ? ", " : "", v->entity[k]);
		node_add(s, (struct snapshot_node){.kind = STEP_VIEW,
		                    .name = v->name,
		                    .lag_records = -1,
		                    .problem = view_problem(s, v),
		                    .detail = arena_printf(s->a, "by %s, %u feature%s",
		                            buf_cstr(&entity), v->nfeatures,
		                            plural(v->nfeatures))});
		buf_release(&entity);
	}
}

static uint32_t sink_add(struct steps *s, const char *name, const char *detail)
{
	return node_add(s, (struct snapshot_node){.kind = STEP_SINK,
	                           .name = name,
	                           .detail = arena_strdup(s->a, detail),
	                           .lag_records = -1});
}

static void sinks_add(struct steps *s)
{
	const struct plan *p = s->v->plan;
	const char *topics = s->out->nviews == 1
	                             ? p->views[0].topic
	                             : arena_printf(s->a, "%s.<view>.v<version>", p->prefix);
	s->offline_at = sink_add(s, "offline", topics);
	if (s->online)
		s->online_at = sink_add(
		        s, "online", strcmp(s->online, "redis") == 0 ? "Redis" : s->online);
	s->late_at = sink_add(s, "late", p->late_topic);
	s->dead_at = sink_add(s, "dead", p->dead_topic);
}

/* -- rates and lags -- */

static const char *task_problem(const struct steps *s, const struct snapshot_task *t)
{
	char n[HUMAN_MAX];
	if (t->state == TASK_FAILED)
		return arena_printf(s->a, "%s has stopped", t->name);
	if (t->state == TASK_RESTORING)
		return arena_printf(s->a, "%s restores its state", t->name);
	if (t->lag_records > FINDING_LAG_RECORDS)
		return arena_printf(s->a, "%s is %s behind", t->name,
		        human_count(n, (uint64_t)t->lag_records));
	return NULL;
}

/* Failed, then restoring, then the farthest behind. */
static bool worse(const struct snapshot_task *t, const struct snapshot_task *than)
{
	int a = t->state == TASK_FAILED ? 2 : t->state == TASK_RESTORING;
	int b = than->state == TASK_FAILED ? 2 : than->state == TASK_RESTORING;
	return a != b ? a > b : t->lag_records > than->lag_records;
}

static void stage_sum(struct steps *s, const struct stage *st, double *late, double *dead)
{
	const struct snapshot_task *worst = NULL;
	struct snapshot_node *n = &s->out->nodes[stage_at(s, st)];
	*late = *dead = 0;
	for (uint32_t i = 0; i < s->out->ntasks; i++) {
		const struct snapshot_task *t = &s->out->tasks[i];
		if (strcmp(t->stage, st->name) != 0)
			continue;
		const struct task_seen *seen =
		        task_seen_find(s->j, (uint32_t)(st - s->v->plan->stages), t->partition);
		n->records_per_s += t->records_per_s;
		if (t->lag_records >= 0)
			n->lag_records =
			        (n->lag_records < 0 ? 0 : n->lag_records) + t->lag_records;
		*late += seen ? seen->late_per_s : 0;
		*dead += seen ? seen->dead_per_s : 0;
		if (!worst || worse(t, worst))
			worst = t;
	}
	n->problem = worst ? task_problem(s, worst) : NULL;
}

static void stage_edges(struct steps *s, const struct stage *st, double late, double dead)
{
	uint32_t from = stage_at(s, st);
	double rate = s->out->nodes[from].records_per_s;
	for (uint32_t i = 0; i < st->nviews; i++) {
		edge_add(s, from, view_at(s, st->views[i]), rate);
		s->out->nodes[view_at(s, st->views[i])].records_per_s = rate;
	}
	if (!st->in)
		edge_add(s, from, s->late_at, late);
	if (!st->in || dead > 0)
		edge_add(s, from, s->dead_at, dead);
}

static void repartition_edges(struct steps *s)
{
	const struct plan *p = s->v->plan;
	for (uint32_t i = 0; i < p->nrepartitions + p->nchannels; i++) {
		uint32_t to = repartition_at(s, &p->repartitions[i]);
		edge_add(s, p->repartitions[i].source, to, s->out->nodes[to].records_per_s);
	}
}

static void view_edges(struct steps *s)
{
	for (uint32_t i = 0; i < s->out->nviews; i++) {
		double rate = s->out->views[i].rows_per_s;
		edge_add(s, view_at(s, i), s->offline_at, rate);
		if (s->online)
			edge_add(s, view_at(s, i), s->online_at, rate);
	}
}

void observe_steps(const struct job_seen *j, const struct job_view *v, const char *online,
        int64_t now_ms, struct arena *a, struct snapshot_job *out)
{
	struct steps s = {
	        .j = j, .v = v, .a = a, .now_ms = now_ms, .out = out, .online = online};
	const struct plan *p = v->plan;
	uint32_t topics = p->nrepartitions + p->nchannels;
	uint32_t steps = v->job->nsources + topics + out->nviews;
	out->nodes = arena_calloc(a, steps + 4, sizeof *out->nodes);
	out->edges = arena_calloc(
	        a, topics + 3 * out->nviews + 2 * p->nstages, sizeof *out->edges);
	sources_add(&s);
	repartitions_add(&s);
	views_add(&s);
	sinks_add(&s);
	for (uint32_t i = 0; i < p->nstages; i++) {
		double late, dead;
		stage_sum(&s, &p->stages[i], &late, &dead);
		stage_edges(&s, &p->stages[i], late, dead);
	}
	repartition_edges(&s);
	view_edges(&s);
}

void observe_steps_online(struct snapshot_job *j, double share, const char *problem)
{
	for (uint32_t i = 0; i < j->nnodes; i++) {
		struct snapshot_node *n = &j->nodes[i];
		if (n->kind != STEP_SINK || strcmp(n->name, "online") != 0)
			continue;
		n->problem = problem;
		n->records_per_s *= share;
		for (uint32_t k = 0; k < j->nedges; k++)
			if (j->edges[k].to == i)
				j->edges[k].records_per_s *= share;
	}
}
