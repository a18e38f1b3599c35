// SPDX-License-Identifier: Apache-2.0
//
// Tasks: records to batches to operators. Bad records go to the dead-letter topic and late ones
// to the late topic, inside the epoch's transaction.
// Not here: commit, takeover, the online store.
#include "run/task.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "lang/event_time.h"
#include "run/changelog.h"
#include "run/moved.h"
#include "run/publish.h"
#include "run/round.h"
#include "run/takeover.h"
#include "run/worker.h"

static const struct source *task_source(const struct task *t)
{
	return &t->worker->conf.plan->job->sources[t->stage->source];
}

static enum status output_append(void *arg, uint32_t topic, int32_t partition, struct slice key,
	const struct slice *value, struct error *e)
{
	return worker_append(arg, topic, partition, key, value, NULL, 0, e);
}

/* Where a view's rows are asked for. */
static enum status tapped_append(void *arg, uint32_t topic, int32_t partition, struct slice key,
	const struct slice *value, struct error *e)
{
	return output_append(((struct row_tap *)arg)->task->worker, topic, partition, key, value, e);
}

static enum status tapped_row(void *arg, struct slice key, struct slice value, struct error *e)
{
	struct row_tap *tap = arg;
	struct task *t = tap->task;
	for (uint32_t i = t->stage->nviews; i < t->nops; i++)
		if (t->ops[i].def->row &&
			t->ops[i].def->row(t->ops[i].op, tap->view, key, value, &t->worker->batch, e))
			return ST_ERR;
	return ST_OK;
}

static bool is_watched(const struct task *t, uint32_t view)
{
	const struct job *job = t->worker->conf.plan->job;
	for (uint32_t i = 0; i < t->stage->nsteps; i++)
		if (t->stage->steps[i].role == ROLE_VALUES &&
			job->monitors[t->stage->steps[i].monitor].skew->view == view)
			return true;
	return false;
}

static enum status window_add(struct task *t, uint32_t view, struct error *e)
{
	struct worker *w = t->worker;
	const struct view_plan *vp = &w->conf.plan->views[view];
	const struct view *v = &w->conf.plan->job->views[view];
	struct op_slot *slot = &t->ops[t->nops];
	struct op_conf conf = {.plan = w->conf.plan, .stage = t->stage, .partition = t->partition,
		.view = view, .topic = w->conf.log->topic(w->session, vp->topic),
		.output = {w, output_append, NULL}, .space = t->nspaces, .marker = &t->marker,
		.keys = task_source(t)->key_field >= 0 && !t->stage->in && t->stage->partitions > 1
				? w->keys
				: NULL,
		.schema_id = w->conf.schema_ids ? w->conf.schema_ids[view] : 0,
		.online = w->conf.online_ops != NULL};
	if (is_watched(t, view)) {
		struct row_tap *tap = &t->taps[t->nops];
		*tap = (struct row_tap){t, view};
		conf.output = (struct output){tap, tapped_append, tapped_row};
	}
	*slot = (struct op_slot){.def = w->conf.operators->window, .view = view};
	if (slot->def->open(&conf, &slot->op, e))
		return ST_ERR;
	t->nops++;
	t->spaces[t->nspaces++] = (struct table_space){vp->space, slot->def->pack, slot->op};
	if (!w->conf.online_ops)
		return ST_OK;
	struct online_view ov = {.name = v->name, .version = v->version,
		.features = vp->features, .nfeatures = v->nfeatures, .ttl_ms = v->ttl_ms};
	slot->online_view = w->conf.online_ops->view_add(w->conf.online, &ov);
	return ST_OK;
}

static enum status key_by_add(struct task *t, uint32_t out, struct error *e)
{
	struct worker *w = t->worker;
	const struct repartition *r = t->stage->out[out];
	struct moved *m = &t->moved[out];
	struct op_slot *slot = &t->ops[t->nops];
	m->worker = w;
	struct op_conf conf = {.plan = w->conf.plan, .stage = t->stage, .partition = t->partition,
		.repartition = r, .topic = w->conf.log->topic(w->session, r->topic),
		.output = {m, moved_append, NULL}, .src_offset = &m->src_offset};
	*slot = (struct op_slot){.def = w->conf.operators->key_by};
	if (slot->def->open(&conf, &slot->op, e))
		return ST_ERR;
	t->nops++;
	return ST_OK;
}

/* The topic that a step appends to. */
static const char *step_topic(const struct plan *p, const struct monitor_step *s)
{
	switch (s->role) {
	case ROLE_SERVED:
	case ROLE_VALUES:
		return p->skew->topic;
	case ROLE_PASS:
		return plan_view_repartition(p, p->job->monitors[s->monitor].skew->view)->topic;
	case ROLE_SCORES:
	case ROLE_LABELS:
		return p->ids->topic;
	case ROLE_MERGE:
	case ROLE_MERGE_ERRORS:
		return p->drift_topic;
	default:
		return p->parts->topic;
	}
}

static void beside_conf(struct task *t, struct op_conf *conf)
{
	const struct job *job = t->worker->conf.plan->job;
	uint32_t view = job->monitors[conf->step->monitor].skew->view;
	for (uint32_t i = 0; i < t->stage->nviews; i++)
		if (t->stage->views[i] == view) { /* views are opened first, in this order */
			conf->beside = t->ops[i].def;
			conf->beside_op = t->ops[i].op;
			conf->beside_space = i;
		}
}

/* Its notes come behind what key_by has appended before them. */
static void pass_conf(struct task *t, struct op_conf *conf)
{
	const struct plan *p = t->worker->conf.plan;
	conf->repartition =
		plan_view_repartition(p, p->job->monitors[conf->step->monitor].skew->view);
	for (uint32_t i = 0; i < t->stage->nout; i++)
		if (t->stage->out[i] == conf->repartition) {
			conf->output = (struct output){&t->moved[i], moved_append, NULL};
			conf->src_offset = &t->moved[i].src_offset;
		}
}

static enum status step_open(struct task *t, const struct monitor_step *s, struct error *e)
{
	struct worker *w = t->worker;
	const struct plan *p = w->conf.plan;
	const uint32_t *ids = w->conf.schema_ids ? w->conf.schema_ids + p->job->nviews : NULL;
	struct op_slot *slot = &t->ops[t->nops];
	struct op_conf conf = {.plan = p, .stage = t->stage, .partition = t->partition, .step = s,
		.topic = w->conf.log->topic(w->session, step_topic(p, s)),
		.alerts = w->conf.log->topic(w->session, p->alerts_topic),
		.output = {w, output_append, NULL}, .space = t->nspaces, .schema_id = ids ? ids[0] : 0,
		.alert_schema_id = ids ? ids[1] : 0, .marker = &t->marker};
	if (s->role == ROLE_PASS)
		pass_conf(t, &conf);
	if (s->role == ROLE_VALUES)
		beside_conf(t, &conf);
	*slot = (struct op_slot){.def = w->conf.operators->monitor[s->role]};
	if (slot->def->open(&conf, &slot->op, e))
		return ST_ERR;
	t->nops++;
	t->spaces[t->nspaces++] = (struct table_space){s->space, slot->def->pack, slot->op};
	return ST_OK;
}

static enum status ops_open(struct task *t, struct error *e)
{
	uint32_t nspaces = t->stage->nviews + t->stage->nsteps;
	t->ops = xcalloc(nspaces + t->stage->nout, sizeof *t->ops);
	t->spaces = xcalloc(nspaces, sizeof *t->spaces);
	t->taps = xcalloc(t->stage->nviews, sizeof *t->taps);
	t->moved = xcalloc(t->stage->nout, sizeof *t->moved);
	for (uint32_t i = 0; i < t->stage->nviews; i++)
		if (window_add(t, t->stage->views[i], e))
			return ST_ERR;
	for (uint32_t i = 0; i < t->stage->nout; i++)
		if (key_by_add(t, i, e))
			return ST_ERR;
	for (uint32_t i = 0; i < t->stage->nsteps; i++)
		if (step_open(t, &t->stage->steps[i], e))
			return ST_ERR;
	return ST_OK;
}

/* A source is decoded for the columns the job uses, a repartition topic in full. */
static enum status decoder_open(struct task *t, struct error *e)
{
	const struct worker_conf *wc = &t->worker->conf;
	const struct source *s = task_source(t);
	struct decoder_conf conf = {.schema = s->schema, .wanted = s->used,
		.schemas = wc->schemas, .value_bytes_max = wc->value_bytes_max};
	t->format = s->format;
	if (t->stage->in) {
		conf.schema = t->stage->in->schema;
		conf.value_bytes_max = UINT32_MAX;
		t->wanted = xmalloc(conf.schema->nfields);
		memset(t->wanted, 1, conf.schema->nfields);
		conf.wanted = t->wanted;
		t->format = wc->avro;
	}
	return t->format->decoder_new(&conf, &t->decoder, e);
}

static void names_make(struct task *t)
{
	const struct plan *p = t->worker->conf.plan;
	plan_task_name(p, t->stage, t->partition, t->name, sizeof t->name);
	snprintf(t->online_name, sizeof t->online_name, "%s:%s:%d", p->job->name, t->stage->name,
		(int)t->partition);
}

enum status task_new(struct worker *w, const struct stage *stage, int32_t partition,
	struct task **out, struct error *e)
{
	struct task *t = xcalloc(1, sizeof *t);
	t->worker = w;
	t->stage = stage;
	t->partition = partition;
	t->topic = w->conf.log->topic(w->session, stage->topic);
	t->changelog = w->conf.log->topic(w->session, stage->changelog);
	t->stream_time = t->idle_time = MARKER_NO_TIME;
	t->last_event_time = t->last_timestamp = t->newest_stream_of_source = MARKER_NO_TIME;
	t->next_trim = t->trim = -1;
	names_make(t);
	enum status st = ST_OK;
	if (w->conf.store)
		st = w->conf.store->ops->task_open(w->conf.store, t->name, &t->store, e);
	if (st || ops_open(t, e) || decoder_open(t, e)) {
		task_free(t);
		return ST_ERR;
	}
	publish_open(t);
	takeover_start(t);
	round_join(t);
	*out = t;
	return ST_OK;
}

void task_free(struct task *t)
{
	if (!t)
		return;
	round_leave(t);
	for (uint32_t i = 0; t->moved && i < t->stage->nout; i++)
		moved_release(&t->moved[i]);
	takeover_free(t);
	publish_close(t);
	table_free(t->table);
	for (uint32_t i = 0; i < t->nops; i++)
		t->ops[i].def->close(t->ops[i].op);
	if (t->decoder)
		t->format->decoder_free(t->decoder);
	if (t->store)
		t->store->ops->task_close(t->store);
	buf_release(&t->snapshot_cursor);
	free(t->wanted);
	free(t->moved);
	free(t->taps);
	free(t->ops);
	free(t->spaces);
	free(t);
}

/* -- bad and late records -- */

#define SIDE_VALUE_BYTES_MAX 7000000

static uint32_t int_text(char *out, size_t room, int64_t v)
{
	return (uint32_t)snprintf(out, room, "%lld", (long long)v);
}

static enum status side_append(struct task *t, uint32_t topic, const struct log_record *r,
	enum bad bad, const char *detail, struct error *e)
{
	char partition[16], offset[32], timestamp[32];
	struct log_header h[] = {
		{"reason", slice_of(bad_reason[bad])},
		{"detail", slice_of(detail ? detail : "")},
		{"source_topic", slice_of(t->stage->topic)},
		{"source_partition", {(uint8_t *)partition,
			int_text(partition, sizeof partition, r->partition)}},
		{"source_offset", {(uint8_t *)offset, int_text(offset, sizeof offset, r->offset)}},
		{"source_timestamp", {(uint8_t *)timestamp,
			int_text(timestamp, sizeof timestamp, r->timestamp)}},
		{"job_version", slice_of(t->worker->job_version)},
	};
	struct slice none = {NULL, 0};
	/* Larger than any topic of ours takes: the position tells where the value is. */
	bool fits = r->has_value && r->value.len <= SIDE_VALUE_BYTES_MAX;
	return worker_append(t->worker, topic, 0, r->has_key ? r->key : none,
		fits ? &r->value : NULL, h, sizeof h / sizeof *h, e);
}

static void sample_keep(struct task *t, const struct log_record *r, const struct bad_record *b)
{
	struct dead_sample *s = &t->dead[t->ndead++ % DEAD_SAMPLES];
	*s = (struct dead_sample){.offset = r->offset, .bad = b->bad,
		.at_ms = clock_wall_ms(t->worker->conf.clock)};
	snprintf(s->detail, sizeof s->detail, "%s", b->detail ? b->detail : "");
}

static enum status bad_out(struct task *t, const struct log_record *r, const struct bad_record *b,
	struct error *e)
{
	t->counts.bad[b->bad]++;
	if (b->bad == BAD_LATE)
		return side_append(t, t->worker->late_topic, r, b->bad, b->detail, e);
	sample_keep(t, r, b);
	return side_append(t, t->worker->dead_topic, r, b->bad, b->detail, e);
}

/* -- time -- */

/* Decides bad time, future time and late, in record order, and moves stream time. */
static void source_times(struct task *t, const struct log_record *r, struct batch *b,
	struct bad_record *bad, struct arena *a)
{
	const struct source *s = task_source(t);
	const struct column *c = &b->cols[s->time_field];
	const char *name = s->schema->fields[s->time_field].name;
	for (uint32_t i = 0; i < b->n; i++) {
		int64_t ts = 0;
		if (bad[i].bad)
			continue;
		if (!event_time_of(c, i, &ts)) {
			bad[i] = (struct bad_record){BAD_TIME,
				arena_printf(a, "%s: %s", name,
					c->null[i] ? "no event time"
						   : "not a time between the years 1 and 9999")};
			continue;
		}
		if (r[i].timestamp >= 0 && ts > r[i].timestamp + s->max_ahead_ms) {
			bad[i] = (struct bad_record){BAD_FUTURE_TIME,
				arena_printf(a, "%s: %lld ms past the record's Kafka timestamp",
					name, (long long)(ts - r[i].timestamp))};
			continue;
		}
		if (t->stream_time != MARKER_NO_TIME && ts < t->stream_time - s->lateness_ms) {
			bad[i] = (struct bad_record){BAD_LATE,
				arena_printf(a, "%s: %lld ms behind stream time", name,
					(long long)(t->stream_time - ts))};
			continue;
		}
		if (ts > t->stream_time)
			t->stream_time = ts;
		if (ts >= t->last_event_time)
			t->last_event_time = ts;
		t->last_timestamp = r[i].timestamp;
		b->event_time[i] = ts;
		b->known_at[i] = r[i].timestamp >= 0 ? r[i].timestamp : ts;
		if (!rule_kept(FP_RULE_RECORD_TIME))
			b->known_at[i] = clock_wall_ms(t->worker->conf.clock);
		b->src_partition[i] = r[i].partition;
		b->src_offset[i] = r[i].offset;
		b->src_stream_time[i] = t->stream_time;
	}
}

/* The head columns of a repartition record, and its columns in their places. A note is no row:
 * it moves no time, and has a source offset below 0. */
static void repartition_unpack(struct task *t, struct batch *b, struct column *decoded,
	const struct bad_record *bad, int64_t *stream_time, struct arena *a)
{
	const struct repartition *rp = t->stage->in;
	struct batch_note *notes = arena_alloc(a, b->n * sizeof *notes);
	b->notes = notes;
	for (uint32_t i = 0; i < rp->nfields; i++)
		b->cols[rp->fields[i]] = decoded[REPARTITION_HEAD + i];
	for (uint32_t i = 0; i < b->n; i++) {
		bool note = !bad[i].bad && rp->nviews && decoded[3].i64[i] < 0;
		if (note) {
			b->src_offset[i] = decoded[3].i64[i];
			notes[b->nnotes++] = (struct batch_note){
				.partition = (int32_t)decoded[2].i64[i],
				.time = decoded[4].i64[i],
				.idle = decoded[3].i64[i] == REPARTITION_NOTE_IDLE};
		} else if (!bad[i].bad) {
			b->event_time[i] = decoded[0].i64[i];
			b->known_at[i] = decoded[1].i64[i];
			b->src_partition[i] = (int32_t)decoded[2].i64[i];
			b->src_offset[i] = decoded[3].i64[i];
			b->src_stream_time[i] = decoded[4].i64[i];
			if (b->src_stream_time[i] > t->newest_stream_of_source)
				t->newest_stream_of_source = b->src_stream_time[i];
			if (b->event_time[i] > t->stream_time)
				t->stream_time = b->event_time[i];
		}
		stream_time[i] = t->stream_time;
	}
}

/* -- batches -- */

#define HOLD_NS INT64_C(1000000000)

static enum status bads_out(struct task *t, const struct log_record *r, const struct batch *b,
	const struct bad_record *bad, uint8_t *keep, bool *any, struct error *e)
{
	for (uint32_t i = 0; i < b->n; i++) {
		bool note = b->nnotes && !bad[i].bad && b->src_offset[i] < 0;
		keep[i] = !bad[i].bad && !note;
		if (keep[i])
			continue;
		*any = true;
		if (!note && bad_out(t, &r[i], &bad[i], e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status ops_run(struct task *t, struct batch *b, const int64_t *stream_time,
	struct error *e)
{
	uint32_t from = b->n ? 0 : b->nnotes ? t->nops - t->stage->nsteps : t->nops;
	for (uint32_t i = from; i < t->nops; i++)
		if (t->ops[i].def->batch(t->ops[i].op, b, stream_time, &t->worker->batch, e))
			return ST_ERR;
	return ST_OK;
}

static void times_filter(int64_t *stream_time, uint32_t n, const uint8_t *keep)
{
	uint32_t out = 0;
	for (uint32_t i = 0; i < n; i++)
		if (keep[i])
			stream_time[out++] = stream_time[i];
}

static enum status batch_process(struct task *t, const struct log_record *r, uint32_t n,
	struct error *e)
{
	struct arena *a = &t->worker->batch;
	arena_reset(a);
	struct slice *values = arena_alloc(a, n * sizeof *values);
	for (uint32_t i = 0; i < n; i++) {
		values[i] = r[i].has_value ? r[i].value : (struct slice){NULL, 0};
		t->counts.bytes += r[i].key.len + r[i].value.len;
	}
	const struct schema *s = t->stage->schema;
	const struct schema *in = t->stage->in ? t->stage->in->schema : s;
	struct column *decoded = arena_calloc(a, in->nfields, sizeof *decoded);
	struct bad_record *bad = arena_calloc(a, n, sizeof *bad);
	int64_t from = clock_mono_ns(t->worker->conf.clock);
	enum status st = t->format->decode(t->decoder, values, n, decoded, bad, a, e);
	t->worker->spent.decode_ns += (uint64_t)(clock_mono_ns(t->worker->conf.clock) - from);
	if (st) {
		/* Nothing of the batch was taken: only this input has to wait. */
		if (e->class == ERR_RETRIABLE)
			t->held_until_ns = clock_mono_ns(t->worker->conf.clock) + HOLD_NS;
		return ST_ERR;
	}
	struct batch b;
	batch_init(&b, n, (uint32_t)s->nfields, a);
	b.n = n;
	int64_t *stream_time = b.src_stream_time;
	if (t->stage->in) {
		stream_time = arena_alloc(a, n * sizeof *stream_time);
		repartition_unpack(t, &b, decoded, bad, stream_time, a);
	} else {
		memcpy(b.cols, decoded, s->nfields * sizeof *decoded);
		source_times(t, r, &b, bad, a);
	}
	uint8_t *keep = arena_alloc(a, n);
	bool any = false;
	if (bads_out(t, r, &b, bad, keep, &any, e))
		return ST_ERR;
	if (any) {
		if (stream_time != b.src_stream_time)
			times_filter(stream_time, n, keep);
		batch_filter(&b, keep);
	}
	return ops_run(t, &b, stream_time, e);
}

enum status task_process(struct task *t, const struct log_record *records, uint32_t n,
	struct error *e)
{
	for (uint32_t i = 0; i < n;) {
		uint32_t m = n - i < BATCH_ROWS_MAX ? n - i : BATCH_ROWS_MAX;
		invariant_note("%s[%d]@%lld", t->stage->topic, (int)t->partition,
			(long long)records[i].offset);
		if (batch_process(t, records + i, m, e))
			return error_context(e, "%s[%d]@%lld", t->stage->topic, (int)t->partition,
				(long long)records[i].offset);
		i += m;
		t->counts.records += m;
		t->next_offset = records[i - 1].offset + 1;
		t->progressed = true;
	}
	t->quiet_since_ns = 0;
	return ST_OK;
}

/* A partition silent for longer than `idle` goes by the wall clock, for expiry alone. */
static void idle_move(struct task *t)
{
	const struct source *s = task_source(t);
	struct clock *clock = t->worker->conf.clock;
	int64_t now_ns = clock_mono_ns(clock);
	if (!t->quiet_since_ns)
		t->quiet_since_ns = now_ns;
	if (!t->worker->conf.wall_idle || !s->idle_ms || t->stage->in ||
		t->last_event_time == MARKER_NO_TIME || t->last_timestamp < 0)
		return;
	int64_t silent = clock_wall_ms(clock) - t->last_timestamp;
	if (silent <= s->idle_ms || (now_ns - t->quiet_since_ns) / 1000000 < s->idle_ms)
		return;
	int64_t moved = t->last_event_time + silent;
	if (moved > t->idle_time)
		t->idle_time = moved;
}

/* Nothing was ever read, and nothing is there. */
static bool input_is_empty(const struct task *t)
{
	return !t->stage->in &&
	       t->worker->conf.log->high_watermark(t->worker->session, t->topic, t->partition) ==
		       t->next_offset;
}

enum status task_idle(struct task *t, struct error *e)
{
	int64_t was = t->idle_time;
	idle_move(t);
	int64_t now = task_expiry_time(t);
	bool fired = false;
	if (now == MARKER_NO_TIME && !(t->stage->nsteps && input_is_empty(t)))
		return ST_END;
	arena_reset(&t->worker->batch);
	uint32_t first = now == MARKER_NO_TIME ? t->nops - t->stage->nsteps : 0;
	for (uint32_t i = first; i < t->nops; i++) {
		uint32_t before = t->table ? table_changed(t->table) : 0;
		enum status st =
			t->ops[i].def->expire(t->ops[i].op, now, &t->worker->batch, e);
		if (st < 0)
			return ST_ERR;
		fired |= st == ST_OK || (t->table && table_changed(t->table) != before);
	}
	if (!fired) {
		t->idle_time = was; /* nothing depends on it: an idle engine appends nothing */
		return ST_END;
	}
	t->progressed = true;
	return ST_OK;
}

bool task_passed(const struct task *t, int64_t end)
{
	const struct worker *w = t->worker;
	return w->conf.log->position(w->session, t->topic, t->partition) >= end;
}

void task_rewind(struct task *t)
{
	round_void(t, false);
	table_abort(t->table);
	for (uint32_t i = 0; i < t->nops; i++)
		t->ops[i].def->epoch_end(t->ops[i].op, false);
	t->next_offset = t->marker.inputs[0].next_offset;
	t->stream_time = t->marker.inputs[0].stream_time;
	t->idle_time = t->marker.inputs[0].idle_time;
	t->last_event_time = t->stream_time;
	t->last_timestamp = t->marker.inputs[0].last_timestamp;
	t->counts = t->committed_counts;
	t->progressed = t->first_marker;
	changelog_abandoned(t);
}

enum status task_reopen(struct task *t, struct error *e)
{
	(void)e;
	if (t->table)
		task_rewind(t);
	table_free(t->table);
	t->table = NULL;
	publish_reopen(t);
	takeover_start(t);
	return ST_OK;
}
