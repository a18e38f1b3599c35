// SPDX-License-Identifier: Apache-2.0
//
// Monitors in the plan. Every partition of the predictions makes profiles of its own rows, and
// only these, a few kilobytes a window, travel: through one channel topic of one partition to
// the task that closes windows. So a segment that has all the rows costs no more than many
// small ones. Labels meet their scores by prediction id, behind a channel topic of its own, and
// so do served values and the view's rows by entity.
// Not here: what the steps do (operators/monitor).
#include <string.h>

#include "run/plan_inside.h"

static const char drift_json[] =
        "{\"type\":\"record\",\"name\":\"weir.drift\",\"fields\":["
        "{\"name\":\"monitor\",\"type\":\"string\"},"
        "{\"name\":\"segment\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"string\"]}},"
        "{\"name\":\"column\",\"type\":\"string\"},"
        "{\"name\":\"window_start\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"window_end\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"rows\",\"type\":\"long\"},"
        "{\"name\":\"nulls\",\"type\":\"long\"},"
        "{\"name\":\"reference_rows\",\"type\":\"long\"},"
        "{\"name\":\"tests\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
        "\"name\":\"weir.drift_test\",\"fields\":["
        "{\"name\":\"test\",\"type\":\"string\"},"
        "{\"name\":\"value\",\"type\":[\"null\",\"double\"]},"
        "{\"name\":\"p_value\",\"type\":[\"null\",\"double\"]},"
        "{\"name\":\"threshold\",\"type\":\"double\"},"
        "{\"name\":\"breached\",\"type\":\"boolean\"}]}}},"
        "{\"name\":\"bins\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
        "\"name\":\"weir.drift_bin\",\"fields\":["
        "{\"name\":\"label\",\"type\":\"string\"},"
        "{\"name\":\"reference\",\"type\":\"double\"},"
        "{\"name\":\"current\",\"type\":\"double\"}]}}},"
        "{\"name\":\"examples\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","
        "\"name\":\"weir.drift_example\",\"fields\":["
        "{\"name\":\"entity\",\"type\":\"string\"},"
        "{\"name\":\"event_time\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"served\",\"type\":[\"null\",\"string\"]},"
        "{\"name\":\"computed\",\"type\":[\"null\",\"string\"]}]}},\"default\":[]}]}";

static const char alert_json[] =
        "{\"type\":\"record\",\"name\":\"weir.alert\",\"fields\":["
        "{\"name\":\"job\",\"type\":\"string\"},"
        "{\"name\":\"monitor\",\"type\":\"string\"},"
        "{\"name\":\"segment\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"string\"]}},"
        "{\"name\":\"column\",\"type\":\"string\"},"
        "{\"name\":\"test\",\"type\":\"string\"},"
        "{\"name\":\"state\",\"type\":{\"type\":\"enum\",\"name\":\"weir.alert_state\","
        "\"symbols\":[\"firing\",\"resolved\"]}},"
        "{\"name\":\"since\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}"
        ","
        "{\"name\":\"window_start\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"window_end\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
        "millis\"}},"
        "{\"name\":\"value\",\"type\":\"double\"},"
        "{\"name\":\"threshold\",\"type\":\"double\"},"
        "{\"name\":\"windows\",\"type\":\"int\"}]}";

static enum status channel_schema(struct plan *p, const struct schema **out, struct error *e)
{
	static const struct type t_int = {.kind = KIND_INT}, t_long = {.kind = KIND_LONG},
	                         t_text = {.kind = KIND_STRING}, t_bytes = {.kind = KIND_BYTES},
	                         t_double = {.kind = KIND_DOUBLE};
	const struct field fields[REPARTITION_HEAD + CHANNEL_FIELDS] = {
	        {.name = "_event_time", .type = t_long},
	        {.name = "_known_at", .type = t_long},
	        {.name = "_source_partition", .type = t_int},
	        {.name = "_source_offset", .type = t_long},
	        {.name = "_stream_time", .type = t_long},
	        [REPARTITION_HEAD + CHANNEL_MONITOR] = {.name = "monitor", .type = t_text},
	        [REPARTITION_HEAD + CHANNEL_STATE] = {.name = "state", .type = t_long},
	        [REPARTITION_HEAD + CHANNEL_KIND] = {.name = "kind", .type = t_int},
	        [REPARTITION_HEAD + CHANNEL_ORIGIN] = {.name = "origin", .type = t_text},
	        [REPARTITION_HEAD + CHANNEL_SEGMENT] = {.name = "segment", .type = t_bytes},
	        [REPARTITION_HEAD + CHANNEL_WINDOW] = {.name = "window", .type = t_long},
	        [REPARTITION_HEAD +
	                CHANNEL_ID] = {.name = "id", .type = t_bytes, .nullable = true},
	        [REPARTITION_HEAD + CHANNEL_NUMBER] = {.name = "number",
	                .type = t_double,
	                .nullable = true},
	        [REPARTITION_HEAD +
	                CHANNEL_BODY] = {.name = "body", .type = t_bytes, .nullable = true},
	};
	struct field *copy = arena_alloc(&p->arena, sizeof fields);
	memcpy(copy, fields, sizeof fields);
	struct schema *s;
	if (schema_build(&p->arena, "weir.monitor_part", copy,
	            REPARTITION_HEAD + CHANNEL_FIELDS, &s, e))
		return ST_ERR;
	*out = s;
	return ST_OK;
}

static const struct repartition *channel_add(struct plan *p, struct repartition *r,
        const struct schema *s, const char *name, int32_t partitions, uint32_t source)
{
	uint32_t *fields = arena_alloc(&p->arena, CHANNEL_FIELDS * sizeof *fields);
	for (uint32_t i = 0; i < CHANNEL_FIELDS; i++)
		fields[i] = i;
	/* No source or view can be called so: neither name has a dot. */
	*r = (struct repartition){
	        .topic = arena_printf(&p->arena, "%s.monitors.%s", p->group, name),
	        .source = source,
	        .shards = partitions,
	        .schema = s,
	        .fields = fields,
	        .nfields = CHANNEL_FIELDS};
	p->nchannels++;
	return r;
}

enum status plan_monitors_make(struct plan *p, struct repartition *rs, struct error *e)
{
	const struct schema *s;
	struct schema *drift, *alert;
	const struct monitor *labelled = NULL, *skewed = NULL;
	if (!p->job->nmonitors)
		return ST_OK;
	for (uint32_t i = p->job->nmonitors; i-- > 0;) {
		labelled = p->job->monitors[i].labels ? &p->job->monitors[i] : labelled;
		skewed = p->job->monitors[i].skew ? &p->job->monitors[i] : skewed;
	}
	if (channel_schema(p, &s, e) ||
	        schema_parse(&p->arena, slice_of(drift_json), &drift, e) ||
	        schema_parse(&p->arena, slice_of(alert_json), &alert, e))
		return ST_ERR;
	p->drift_schema = drift;
	p->alert_schema = alert;
	p->parts = channel_add(p, rs++, s, "parts", 1, p->job->monitors[0].source);
	if (labelled)
		p->ids = channel_add(p, rs++, s, "ids", SHARDS_DEFAULT, labelled->source);
	if (skewed)
		p->skew = channel_add(p, rs, s, "skew", SHARDS_DEFAULT, skewed->source);
	p->drift_topic = arena_printf(&p->arena, "%s.drift", p->group);
	p->alerts_topic = arena_printf(&p->arena, "%s.alerts", p->prefix);
	return ST_OK;
}

/* View names are letters, digits and _: none begins with ~. */
static struct slice step_space(struct plan *p, const struct monitor *m, enum monitor_role role)
{
	struct buf b = {0};
	buf_be16(&b, (uint16_t)(strlen(m->name) + 1));
	buf_byte(&b, '~');
	buf_str(&b, m->name);
	buf_byte(&b, (uint8_t)('0' + role));
	buf_be64(&b, m->state_hash);
	struct slice s = arena_slice(&p->arena, buf_view(&b));
	buf_release(&b);
	return s;
}

static void step_add(struct plan *p, struct stage *st, enum monitor_role role, uint32_t monitor)
{
	struct monitor_step *steps = arena_alloc(&p->arena, (st->nsteps + 1) * sizeof *steps);
	if (st->nsteps)
		memcpy(steps, st->steps, st->nsteps * sizeof *steps);
	steps[st->nsteps++] = (struct monitor_step){
	        role, monitor, step_space(p, &p->job->monitors[monitor], role)};
	st->steps = steps;
}

static bool has_view(const struct stage *st, uint32_t view)
{
	for (uint32_t i = 0; i < st->nviews; i++)
		if (st->views[i] == view)
			return true;
	return false;
}

/* A view's step comes behind the one that sends predictions: its notes then stand for both. */
void plan_monitors_source(struct plan *p, struct stage *st)
{
	for (uint32_t i = 0; i < p->job->nmonitors; i++) {
		const struct monitor *m = &p->job->monitors[i];
		if (m->source == st->source)
			step_add(p, st, m->skew ? ROLE_SERVED : ROLE_PROFILE, i);
		if (m->source == st->source && m->labels)
			step_add(p, st, ROLE_SCORES, i);
		if (m->labels && m->labels->source == st->source)
			step_add(p, st, ROLE_LABELS, i);
		if (m->skew && p->job->views[m->skew->view].source == st->source)
			step_add(p, st, has_view(st, m->skew->view) ? ROLE_VALUES : ROLE_PASS, i);
	}
}

void plan_monitors_behind(struct plan *p, struct stage *st)
{
	for (uint32_t i = 0; i < p->job->nmonitors; i++) {
		const struct monitor *m = &p->job->monitors[i];
		if (m->skew && has_view(st, m->skew->view))
			step_add(p, st, ROLE_VALUES, i);
	}
}

static void stage_channel(struct plan *p, struct stage *st, const struct repartition *r)
{
	*st = (struct stage){.name = r->topic + strlen(p->group) + 1,
	        .topic = r->topic,
	        .partitions = r->shards,
	        .source = r->source,
	        .in = r};
	st->changelog = arena_printf(&p->arena, "%s.%s.changelog", p->group, st->name);
	/* Its batches are the records without their head. */
	struct schema *s = arena_calloc(&p->arena, 1, sizeof *s);
	*s = (struct schema){.name = r->schema->name,
	        .fields = r->schema->fields + REPARTITION_HEAD,
	        .nfields = CHANNEL_FIELDS};
	st->schema = s;
}

uint32_t plan_monitors_stages(struct plan *p, struct stage *st)
{
	uint32_t n = 0;
	if (!p->parts)
		return 0;
	stage_channel(p, &st[n], p->parts);
	for (uint32_t i = 0; i < p->job->nmonitors; i++) {
		step_add(p, &st[n], ROLE_MERGE, i);
		if (p->job->monitors[i].labels)
			step_add(p, &st[n], ROLE_MERGE_ERRORS, i);
	}
	n++;
	if (p->ids)
		stage_channel(p, &st[n++], p->ids);
	for (uint32_t i = 0; p->ids && i < p->job->nmonitors; i++)
		if (p->job->monitors[i].labels)
			step_add(p, &st[n - 1], ROLE_JOIN, i);
	if (p->skew)
		stage_channel(p, &st[n++], p->skew);
	for (uint32_t i = 0; p->skew && i < p->job->nmonitors; i++)
		if (p->job->monitors[i].skew)
			step_add(p, &st[n - 1], ROLE_SKEW, i);
	return n;
}

void plan_monitors_hash(const struct plan *p, struct buf *b)
{
	for (uint32_t i = 0; i < p->job->nmonitors; i++)
		buf_printf(b, "%s\n", p->job->monitors[i].plan_text);
}

uint32_t plan_monitors_topics(const struct plan *p, struct log_topic_conf *t)
{
	/* A restated window replaces its record; what is old is not asked for any more. */
	static const char *const drift[] = {"cleanup.policy", "compact,delete", "retention.ms",
	        "34560000000", "message.timestamp.type", "LogAppendTime", NULL};
	static const char *const alerts[] = {"cleanup.policy", "delete", "retention.ms",
	        "34560000000", "message.timestamp.type", "LogAppendTime", NULL};
	if (!p->drift_topic)
		return 0;
	t[0] = (struct log_topic_conf){.name = p->drift_topic, .partitions = 1, .conf = drift};
	t[1] = (struct log_topic_conf){
	        .name = p->alerts_topic, .partitions = 1, .conf = alerts};
	return MONITOR_TOPICS_MAX;
}
