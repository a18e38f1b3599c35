// SPDX-License-Identifier: Apache-2.0
//
// Planning: which view is computed where. A view is computed where its source is read when its
// entity includes the source's key, or the topic has one partition; otherwise behind a
// repartition topic that all views of the same source and entity share.
// Not here: creating topics, assigning tasks.
#include "run/plan_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "data/block.h"
#include "run/growth.h"

#define PLAN_FORMAT 1

static const struct type type_long = {.kind = KIND_LONG};
static const struct type type_int = {.kind = KIND_INT};
static const struct type type_ms = {.kind = KIND_TIMESTAMP_MILLIS};

static const struct source *view_source(const struct plan *p, uint32_t view)
{
	return &p->job->sources[p->job->views[view].source];
}

static bool view_in_place(const struct plan *p, uint32_t view, const int32_t *partitions)
{
	const struct view *v = &p->job->views[view];
	const struct source *s = view_source(p, view);
	if (partitions[v->source] == 1)
		return true;
	for (uint32_t i = 0; i < v->nentity; i++)
		if (s->key_field >= 0 && v->entity[i] == (uint32_t)s->key_field)
			return true;
	return false;
}

static bool same_entity(const struct view *v, const struct repartition *r)
{
	return v->source == r->source && v->nentity == r->nentity &&
	       memcmp(v->entity, r->entity, v->nentity * sizeof *v->entity) == 0;
}

/* The characters Kafka takes in a topic's name; others become '_'. */
static const char *topic_safe(struct arena *a, const char *s)
{
	char *t = arena_strdup(a, s);
	for (char *c = t; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			    (*c >= '0' && *c <= '9') || strchr("._-", *c)))
			*c = '_';
	return t;
}

static const char *avro_safe(struct arena *a, const char *s)
{
	char *t = arena_strdup(a, s);
	for (char *c = t; *c; c++)
		if (*c == '-' || *c == '.')
			*c = '_';
	return t;
}

static const char *columns_joined(struct arena *a, const struct source *s, const uint32_t *cols,
	uint32_t n)
{
	const char *out = s->schema->fields[cols[0]].name;
	for (uint32_t i = 1; i < n; i++)
		out = arena_printf(a, "%s-%s", out, s->schema->fields[cols[i]].name);
	return topic_safe(a, out);
}

static enum status repartition_schema(struct plan *p, struct repartition *r, struct error *e)
{
	static const char *const head[REPARTITION_HEAD] = {"_event_time", "_known_at",
		"_source_partition", "_source_offset", "_stream_time"};
	const struct source *s = &p->job->sources[r->source];
	struct field *f = arena_calloc(&p->arena, REPARTITION_HEAD + r->nfields, sizeof *f);
	for (uint32_t i = 0; i < REPARTITION_HEAD; i++)
		f[i] = (struct field){.name = head[i], .type = i == 2 ? type_int : type_long};
	for (uint32_t i = 0; i < r->nfields; i++) {
		f[REPARTITION_HEAD + i] = s->schema->fields[r->fields[i]];
		/* So that records from before a job's next version can be read by it. */
		f[REPARTITION_HEAD + i].nullable = true;
	}
	struct schema *schema;
	if (schema_build(&p->arena, arena_printf(&p->arena, "weir.by.%s", avro_safe(&p->arena, s->name)),
		    f, REPARTITION_HEAD + r->nfields, &schema, e))
		return ST_ERR;
	r->schema = schema;
	return ST_OK;
}

static struct repartition *repartition_find(struct repartition *rs, uint32_t n,
	const struct view *v)
{
	for (uint32_t i = 0; i < n; i++)
		if (same_entity(v, &rs[i]))
			return &rs[i];
	return NULL;
}

/* The union of what the views behind r read. */
static void repartition_fields(struct plan *p, struct repartition *r)
{
	const struct source *s = &p->job->sources[r->source];
	uint32_t *fields = arena_alloc(&p->arena, s->schema->nfields * sizeof *fields);
	for (uint32_t i = 0; i < s->schema->nfields; i++) {
		bool used = false;
		for (uint32_t k = 0; k < r->nviews; k++)
			used |= p->job->views[r->views[k]].used[i];
		if (used)
			fields[r->nfields++] = i;
	}
	r->fields = fields;
}

static void repartition_view_add(struct plan *p, struct repartition *r, uint32_t view)
{
	uint32_t *views = arena_alloc(&p->arena, (r->nviews + 1) * sizeof *views);
	if (r->nviews)
		memcpy(views, r->views, r->nviews * sizeof *views);
	views[r->nviews++] = view;
	r->views = views;
	if (p->job->views[view].shards) {
		r->shards = (int32_t)p->job->views[view].shards;
		r->shards_given = true;
	}
}

static enum status repartitions_make(struct plan *p, const int32_t *partitions, struct error *e)
{
	struct repartition *rs =
		arena_calloc(&p->arena, p->job->nviews + CHANNELS_MAX, sizeof *rs);
	for (uint32_t i = 0; i < p->job->nviews; i++) {
		const struct view *v = &p->job->views[i];
		if (view_in_place(p, i, partitions))
			continue;
		struct repartition *r = repartition_find(rs, p->nrepartitions, v);
		if (!r) {
			const struct source *s = view_source(p, i);
			int32_t n = partitions[v->source];
			r = &rs[p->nrepartitions++];
			*r = (struct repartition){.source = v->source, .entity = v->entity,
				.nentity = v->nentity,
				.shards = n > SHARDS_DEFAULT ? n : SHARDS_DEFAULT,
				.topic = arena_printf(&p->arena, "%s.%s.by.%s", p->group,
					topic_safe(&p->arena, s->name),
					columns_joined(&p->arena, s, v->entity, v->nentity))};
		}
		repartition_view_add(p, r, i);
	}
	for (uint32_t i = 0; i < p->nrepartitions; i++) {
		repartition_fields(p, &rs[i]);
		if (repartition_schema(p, &rs[i], e))
			return ST_ERR;
	}
	p->repartitions = rs;
	return plan_monitors_make(p, rs + p->nrepartitions, e);
}

static const char *changelog_name(struct plan *p, const char *stage)
{
	return arena_printf(&p->arena, "%s.%s.changelog", p->group, stage);
}

static void stage_source(struct plan *p, struct stage *st, uint32_t source,
	const int32_t *partitions)
{
	const struct source *s = &p->job->sources[source];
	uint32_t *views = arena_alloc(&p->arena, p->job->nviews * sizeof *views);
	const struct repartition **out =
		arena_alloc(&p->arena, (p->nrepartitions + 1) * sizeof *out);
	*st = (struct stage){.name = topic_safe(&p->arena, s->name), .topic = s->topic,
		.partitions = partitions[source], .source = source, .views = views, .out = out,
		.schema = s->schema};
	for (uint32_t i = 0; i < p->job->nviews; i++)
		if (p->job->views[i].source == source && view_in_place(p, i, partitions))
			views[st->nviews++] = i;
	for (uint32_t i = 0; i < p->nrepartitions; i++)
		if (p->repartitions[i].source == source)
			out[st->nout++] = &p->repartitions[i];
	plan_monitors_source(p, st);
	st->changelog = changelog_name(p, st->name);
}

static void stage_repartition(struct plan *p, struct stage *st, const struct repartition *r)
{
	*st = (struct stage){.name = r->topic + strlen(p->group) + 1, .topic = r->topic,
		.partitions = r->shards, .source = r->source, .in = r, .views = r->views,
		.nviews = r->nviews, .schema = p->job->sources[r->source].schema};
	plan_monitors_behind(p, st);
	st->changelog = changelog_name(p, st->name);
}

static void stages_make(struct plan *p, const int32_t *partitions)
{
	struct stage *st =
		arena_calloc(&p->arena, p->job->nsources + p->nrepartitions + CHANNELS_MAX,
			sizeof *st);
	for (uint32_t i = 0; i < p->job->nsources; i++) {
		struct stage made;
		stage_source(p, &made, i, partitions);
		if (made.nviews || made.nout || made.nsteps) /* a source that nothing reads is not consumed */
			st[p->nstages++] = made;
	}
	for (uint32_t i = 0; i < p->nrepartitions; i++)
		stage_repartition(p, &st[p->nstages++], &p->repartitions[i]);
	p->nstages += plan_monitors_stages(p, &st[p->nstages]);
	p->stages = st;
}

static enum status view_rows(struct plan *p, uint32_t view, struct view_plan *vp,
	struct error *e)
{
	const struct view *v = &p->job->views[view];
	const struct schema *in = view_source(p, view)->schema;
	uint32_t n = v->nentity + ROW_HEAD + v->nfeatures;
	struct field *f = arena_calloc(&p->arena, n, sizeof *f);
	const struct type **types = arena_alloc(&p->arena, v->nentity * sizeof *types);
	for (uint32_t i = 0; i < v->nentity; i++) {
		f[i] = in->fields[v->entity[i]];
		f[i].nullable = false;
		types[i] = &in->fields[v->entity[i]].type;
	}
	struct field *h = f + v->nentity;
	h[0] = (struct field){.name = "event_time", .type = type_ms};
	h[1] = (struct field){.name = "known_at", .type = type_ms};
	h[2] = (struct field){.name = "source_partition", .type = type_int, .nullable = true};
	h[3] = (struct field){.name = "source_offset", .type = type_long, .nullable = true};
	for (uint32_t i = 0; i < v->nfeatures; i++)
		h[ROW_HEAD + i] = (struct field){.name = v->features[i].name,
			.type = v->features[i].type,
			.nullable = v->features[i].nullable};
	struct schema *schema;
	/* The version is in the name because a fingerprint leaves out logical types: a long of
	 * version 1 that is a timestamp in version 2 must be another schema. */
	if (schema_build(&p->arena,
		    arena_printf(&p->arena, "weir.%s.v%u", avro_safe(&p->arena, v->name),
			    v->version),
		    f, n, &schema, e))
		return error_context(e, "view %s", v->name);
	vp->schema = vp->record = schema;
	if (v->blocks) {
		struct schema *block;
		if (block_schema(&p->arena, schema, &block, e))
			return error_context(e, "view %s", v->name);
		vp->record = block;
	}
	vp->features = schema->fields + v->nentity + ROW_HEAD;
	vp->entity_types = types;
	return ST_OK;
}

static struct slice view_space(struct arena *a, const struct view *v)
{
	struct buf b = {0};
	buf_be16(&b, (uint16_t)strlen(v->name));
	buf_str(&b, v->name);
	buf_be32(&b, v->version);
	struct slice s = arena_slice(a, buf_view(&b));
	buf_release(&b);
	return s;
}

static enum status views_make(struct plan *p, struct error *e)
{
	struct view_plan *vp = arena_calloc(&p->arena, p->job->nviews, sizeof *vp);
	for (uint32_t i = 0; i < p->job->nviews; i++) {
		const struct view *v = &p->job->views[i];
		vp[i].topic = arena_printf(&p->arena, "%s.%s.v%u", p->prefix, v->name,
			v->version);
		vp[i].space = view_space(&p->arena, v);
		if (view_rows(p, i, &vp[i], e))
			return ST_ERR;
	}
	for (uint32_t s = 0; s < p->nstages; s++)
		for (uint32_t i = 0; i < p->stages[s].nviews; i++)
			vp[p->stages[s].views[i]].stage = s;
	p->views = vp;
	return ST_OK;
}

static uint64_t plan_hash(const struct plan *p)
{
	struct buf b = {0};
	buf_byte(&b, PLAN_FORMAT);
	for (uint32_t i = 0; i < p->nstages; i++)
		buf_printf(&b, "%s %s %d\n", p->stages[i].name, p->stages[i].topic,
			growth_allowed(&p->stages[i]) ? 0 : (int)p->stages[i].partitions);
	for (uint32_t i = 0; i < p->job->nviews; i++)
		buf_printf(&b, "%s\n", p->job->views[i].plan_text);
	plan_monitors_hash(p, &b);
	uint64_t h = XXH3_64bits(b.p, b.len);
	buf_release(&b);
	return h;
}

enum status plan_new(const struct job *job, const char *prefix, const int32_t *partitions,
	struct plan **out, struct error *e)
{
	struct plan *p = xcalloc(1, sizeof *p);
	arena_init(&p->arena);
	p->job = job;
	p->prefix = arena_strdup(&p->arena, prefix);
	p->group = arena_printf(&p->arena, "%s.%s", prefix, job->name);
	p->late_topic = arena_printf(&p->arena, "%s.late", p->group);
	p->dead_topic = arena_printf(&p->arena, "%s.dead", p->group);
	if (repartitions_make(p, partitions, e)) {
		plan_free(p);
		return ST_ERR;
	}
	stages_make(p, partitions);
	if (views_make(p, e)) {
		plan_free(p);
		return ST_ERR;
	}
	p->hash = plan_hash(p);
	*out = p;
	return ST_OK;
}

const struct repartition *plan_view_repartition(const struct plan *p, uint32_t view)
{
	for (uint32_t i = 0; i < p->nrepartitions; i++)
		for (uint32_t k = 0; k < p->repartitions[i].nviews; k++)
			if (p->repartitions[i].views[k] == view)
				return &p->repartitions[i];
	return NULL;
}

void plan_shards_set(struct plan *p, uint32_t repartition, int32_t shards)
{
	struct repartition *r = (struct repartition *)(uintptr_t)&p->repartitions[repartition];
	r->shards = shards;
	for (uint32_t i = 0; i < p->nstages; i++) {
		struct stage *st = (struct stage *)(uintptr_t)&p->stages[i];
		if (st->in == r)
			st->partitions = shards;
	}
	p->hash = plan_hash(p);
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	arena_release(&p->arena);
	free(p);
}

/* Times that matter are in the values, so broker time is used. Offline topics are compacted; of
 * changelogs and repartition topics the engine itself deletes what is done with; the rest is kept
 * as long as the broker keeps topics. */
/* A dead letter is as large as what died; a state row may be larger than the events in it. */
#define MESSAGE_BYTES "max.message.bytes", "8388608"

static const char *const conf_offline[] = {"cleanup.policy", "compact",
	"message.timestamp.type", "LogAppendTime", "min.cleanable.dirty.ratio", "0.9",
	"min.compaction.lag.ms", "86400000", MESSAGE_BYTES, NULL};
static const char *const conf_ours[] = {"cleanup.policy", "delete", "retention.ms", "-1",
	"retention.bytes", "-1", "message.timestamp.type", "LogAppendTime", MESSAGE_BYTES, NULL};
static const char *const conf_side[] = {"message.timestamp.type", "LogAppendTime", MESSAGE_BYTES,
	NULL};

static const char *const *conf_offline_kept(struct arena *a, int64_t retention_ms)
{
	if (!retention_ms)
		return conf_offline;
	size_t n = sizeof conf_offline / sizeof *conf_offline;
	const char **c = arena_alloc(a, (n + 2) * sizeof *c);
	memcpy(c, conf_offline, sizeof conf_offline);
	c[1] = "compact,delete";
	c[n - 1] = "retention.ms";
	c[n] = arena_printf(a, "%lld", (long long)retention_ms);
	c[n + 1] = NULL;
	return c;
}

void plan_task_name(const struct plan *p, const struct stage *st, int32_t partition, char *out,
	size_t room)
{
	snprintf(out, room, "%s/%s/%d", p->job->name, st->name, (int)partition);
}

uint32_t plan_topics(const struct plan *p, struct log_topic_conf **out, struct arena *a)
{
	uint32_t n = 0;
	struct log_topic_conf *t = arena_calloc(a,
		p->nstages + p->nrepartitions + p->nchannels + p->job->nviews + 2 +
			MONITOR_TOPICS_MAX,
		sizeof *t);
	for (uint32_t i = 0; i < p->nrepartitions + p->nchannels; i++)
		t[n++] = (struct log_topic_conf){.name = p->repartitions[i].topic,
			.partitions = p->repartitions[i].shards, .conf = conf_ours};
	n += plan_monitors_topics(p, t + n);
	for (uint32_t i = 0; i < p->nstages; i++)
		t[n++] = (struct log_topic_conf){.name = p->stages[i].changelog,
			.partitions = p->stages[i].partitions, .conf = conf_ours};
	for (uint32_t i = 0; i < p->job->nviews; i++)
		t[n++] = (struct log_topic_conf){.name = p->views[i].topic,
			.partitions = p->stages[p->views[i].stage].partitions,
			.conf = conf_offline_kept(a, p->job->views[i].offline_retention_ms)};
	t[n++] = (struct log_topic_conf){.name = p->late_topic, .partitions = 1, .conf = conf_side};
	t[n++] = (struct log_topic_conf){.name = p->dead_topic, .partitions = 1, .conf = conf_side};
	*out = t;
	return n;
}
