// SPDX-License-Identifier: Apache-2.0
//
// Trying a job: events are produced to the log in memory in the order of the file, a worker takes
// them, and the rows are read off its transactions as they commit.
// Not here: partitions of real topics, the online store, wall-clock idleness.
#include "run/try.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "data/avro.h"
#include "run/event_line.h"
#include "run/memory_log.h"
#include "run/worker.h"

#define LINES_PER_STEP 2048
#define TRY_PARTITIONS_MAX 1024
#define TRY_MEMORY_BYTES (UINT64_C(1) << 30)

struct try {
	const struct try_conf *conf;
	struct plan *plan;
	struct log_broker *broker;
	struct worker *worker;
	struct arena line, row;
	struct try_counts *counts;
	char *text;
	size_t room;
	uint64_t lineno;
	int32_t *partitions;
};

static enum status at_line(struct try *t, struct error *e)
{
	return error_context(e, "%s:%llu", t->conf->events_name, (unsigned long long)t->lineno);
}

static enum status source_of(struct try *t, const struct event_line *ev, uint32_t *out,
	struct error *e)
{
	const struct job *job = t->conf->job;
	if (!ev->source.p && job->nsources == 1) {
		*out = 0;
		return ST_OK;
	}
	if (!ev->source.p)
		return error_set(e, ERR_USER, 0,
			"the job has %u sources: say which, {\"source\": \"%s\", …}",
			job->nsources, job->sources[0].name);
	for (*out = 0; *out < job->nsources; ++*out)
		if (slice_eq(ev->source, slice_of(job->sources[*out].name)))
			return ST_OK;
	return error_set(e, ERR_USER, 0, "the job has no source \"%.*s\"", (int)ev->source.len,
		ev->source.p);
}

/* ST_END at the end of the file. Blank lines are passed over. */
static enum status line_next(struct try *t, struct event_line *ev, uint32_t *source,
	struct error *e)
{
	for (;;) {
		ssize_t n = getline(&t->text, &t->room, t->conf->events);
		if (n < 0)
			return ST_END;
		t->lineno++;
		while (n && (t->text[n - 1] == '\n' || t->text[n - 1] == '\r'))
			n--;
		if (!n)
			continue;
		arena_reset(&t->line);
		struct slice s = {(uint8_t *)t->text, (uint32_t)n};
		if (event_line_parse(s, ev, &t->line, e) || source_of(t, ev, source, e))
			return at_line(t, e);
		if (ev->partition < 0 || ev->partition >= TRY_PARTITIONS_MAX) {
			error_set(e, ERR_USER, 0, "partition must be from 0 to %d",
				TRY_PARTITIONS_MAX - 1);
			return at_line(t, e);
		}
		return ST_OK;
	}
}

/* First pass: how many partitions each source has. */
static enum status partitions_count(struct try *t, struct error *e)
{
	struct event_line ev;
	uint32_t source;
	enum status st;
	t->partitions = xcalloc(t->conf->job->nsources, sizeof *t->partitions);
	for (uint32_t i = 0; i < t->conf->job->nsources; i++)
		t->partitions[i] = 1;
	while ((st = line_next(t, &ev, &source, e)) == ST_OK)
		if (ev.partition >= t->partitions[source])
			t->partitions[source] = (int32_t)ev.partition + 1;
	rewind(t->conf->events);
	t->lineno = 0;
	return st == ST_END ? ST_OK : ST_ERR;
}

static bool row_decode(struct try *t, uint32_t view, const struct log_record *r,
	struct try_row *out)
{
	const struct view *v = &t->conf->job->views[view];
	const struct view_plan *vp = &t->plan->views[view];
	struct value *entity = arena_calloc(&t->row, v->nentity, sizeof *entity);
	struct value *features = arena_calloc(&t->row, v->nfeatures, sizeof *features);
	const struct type t_long = {.kind = KIND_LONG};
	struct reader in = reader_of((struct slice){r->value.p + AVRO_SINGLE_OBJECT_BYTES,
		r->value.len - AVRO_SINGLE_OBJECT_BYTES});
	struct value head[ROW_HEAD];
	for (uint32_t i = 0; i < v->nentity; i++)
		avro_read(&in, vp->entity_types[i], false, &entity[i]);
	for (uint32_t i = 0; i < ROW_HEAD; i++)
		avro_read(&in, &t_long, i >= 2, &head[i]);
	for (uint32_t i = 0; i < v->nfeatures; i++)
		avro_read(&in, &vp->features[i].type, vp->features[i].nullable, &features[i]);
	*out = (struct try_row){.view = v, .plan = vp, .entity = entity, .features = features,
		.event_time = head[0].i64, .known_at = head[1].i64, .expiry = head[2].null,
		.src_partition = head[2].null ? -1 : (int32_t)head[2].i64,
		.src_offset = head[3].null ? -1 : head[3].i64};
	return !in.failed;
}

static int64_t header_number(struct slice s)
{
	int64_t n;
	return num_parse_int((const char *)s.p, s.len, &n) ? n : -1;
}

static void bad_tell(struct try *t, const struct log_record *r, bool late)
{
	struct try_bad bad = {.late = late, .reason = "", .detail = "", .source_topic = ""};
	arena_reset(&t->row);
	for (uint32_t i = 0; i < r->nheaders; i++) {
		const char *name = r->headers[i].name;
		struct slice v = r->headers[i].value;
		const char *text = arena_strndup(&t->row, (const char *)v.p, v.len);
		if (strcmp(name, "reason") == 0)
			bad.reason = text;
		else if (strcmp(name, "detail") == 0)
			bad.detail = text;
		else if (strcmp(name, "source_topic") == 0)
			bad.source_topic = text;
		else if (strcmp(name, "source_partition") == 0)
			bad.partition = (int32_t)header_number(v);
		else if (strcmp(name, "source_offset") == 0)
			bad.offset = header_number(v);
	}
	t->conf->bad(t->conf->arg, &bad);
}

static void drift_tell(struct try *t, const struct log_record *r)
{
	struct drift_record d;
	arena_reset(&t->row);
	bool ok = drift_record_read(r->value, &d, &t->row);
	INVARIANT(ok);
	t->counts->drift++;
	if (t->conf->drift)
		t->conf->drift(t->conf->arg, &d);
}

static void alert_tell(struct try *t, const struct log_record *r)
{
	struct alert_record d;
	arena_reset(&t->row);
	bool ok = alert_record_read(r->value, &d, &t->row);
	INVARIANT(ok);
	t->counts->alerts++;
	if (t->conf->alert)
		t->conf->alert(t->conf->arg, &d);
}

static void tap(void *arg, const char *topic, int32_t partition, const struct log_record *r)
{
	(void)partition;
	struct try *t = arg;
	bool late = strcmp(topic, t->plan->late_topic) == 0;
	if (t->conf->bad && (late || strcmp(topic, t->plan->dead_topic) == 0)) {
		bad_tell(t, r, late);
		return;
	}
	if (t->plan->drift_topic && strcmp(topic, t->plan->drift_topic) == 0)
		drift_tell(t, r);
	else if (t->plan->alerts_topic && strcmp(topic, t->plan->alerts_topic) == 0)
		alert_tell(t, r);
	for (uint32_t i = 0; i < t->conf->job->nviews; i++) {
		struct try_row row;
		if (strcmp(topic, t->plan->views[i].topic) != 0)
			continue;
		arena_reset(&t->row);
		bool ok = row_decode(t, i, r, &row);
		INVARIANT(ok);
		t->counts->rows++;
		t->counts->expiry_rows += row.expiry;
		t->conf->row(t->conf->arg, &row);
	}
}

static enum status topics_make(struct try *t, struct error *e)
{
	const struct job *job = t->conf->job;
	struct log_topic_conf *topics;
	for (uint32_t i = 0; i < job->nsources; i++) {
		struct log_topic_conf source = {.name = job->sources[i].topic,
			.partitions = t->partitions[i]};
		if (memory_log.topics_ensure(t->broker, &source, 1, e))
			return ST_ERR;
	}
	memory_log_discard(t->broker, ".changelog");
	for (uint32_t i = 0; i < job->nviews; i++)
		memory_log_discard(t->broker, t->plan->views[i].topic);
	uint32_t n = plan_topics(t->plan, &topics, &t->line);
	return memory_log.topics_ensure(t->broker, topics, n, e);
}

static enum status start(struct try *t, struct error *e)
{
	const struct try_conf *c = t->conf;
	static atomic_bool never;
	for (uint32_t i = 0; i < c->job->nsources; i++)
		c->job->sources[i].format = c->json;
	for (uint32_t i = 0; i < c->job->nviews; i++)
		c->job->views[i].blocks = false; /* a row is told when it is written */
	if (plan_new(c->job, "weir", t->partitions, &t->plan, e))
		return ST_ERR;
	t->broker = memory_log_new();
	if (topics_make(t, e))
		return ST_ERR;
	memory_log_tap(t->broker, tap, t);
	struct worker_conf wc = {.plan = t->plan, .log = &memory_log, .broker = t->broker,
		.operators = c->operators, .avro = c->avro, .clock = &clock_system, .node = "try",
		.commit_ms = 0, .memory_bytes = TRY_MEMORY_BYTES, .value_bytes_max = RECORD_BYTES_MAX,
		.stop = &never};
	return worker_open(&wc, &t->worker, e);
}

static void counts_take(struct try *t)
{
	*t->counts = (struct try_counts){.rows = t->counts->rows,
		.expiry_rows = t->counts->expiry_rows, .drift = t->counts->drift,
		.alerts = t->counts->alerts};
	for (uint32_t i = 0; i < t->worker->ntasks; i++) {
		const struct task *k = t->worker->tasks[i];
		if (k->stage->in)
			continue;
		t->counts->records += k->counts.records;
		t->counts->late += k->counts.bad[BAD_LATE];
		for (int b = BAD_NONE + 1; b < BAD_COUNT; b++)
			t->counts->dead += b == BAD_LATE ? 0 : k->counts.bad[b];
	}
}

/* Until two rounds in a row have nothing to do: the first one assigns, which is no work. */
static enum status drain(struct try *t, struct error *e)
{
	for (int quiet = 0; quiet < 2;) {
		bool busy;
		if (worker_step(t->worker, 0, &busy, e))
			return ST_ERR;
		quiet = busy || t->worker->commit.dirty ? 0 : quiet + 1;
	}
	for (uint32_t i = 0; i < t->worker->ntasks; i++)
		if (t->worker->tasks[i]->phase == PHASE_FAILED) {
			*e = t->worker->tasks[i]->error;
			return ST_ERR;
		}
	return ST_OK;
}

static enum status feed(struct try *t, const struct event_line *ev, uint32_t source,
	struct error *e)
{
	const char *topic = t->conf->job->sources[source].topic;
	int64_t begin, end;
	if (memory_log.bounds(t->broker, topic, (int32_t)ev->partition, &begin, &end, e))
		return ST_ERR;
	if (ev->has_offset && ev->offset < end) {
		error_set(e, ERR_USER, 0, "offset %lld of partition %lld does not rise",
			(long long)ev->offset, (long long)ev->partition);
		return at_line(t, e);
	}
	if (ev->has_offset)
		memory_log_skip_to(t->broker, topic, (int32_t)ev->partition, ev->offset);
	memory_log_produce(t->broker, topic, (int32_t)ev->partition,
		ev->has_key ? &ev->key : NULL, ev->has_value ? &ev->value : NULL,
		ev->has_timestamp ? ev->timestamp : -1);
	return ST_OK;
}

/* What has been read is not needed any more. */
static enum status forget(struct try *t, struct error *e)
{
	for (uint32_t i = 0; i < t->worker->ntasks; i++) {
		const struct task *k = t->worker->tasks[i];
		if (memory_log.delete_before(t->broker, k->stage->topic, k->partition,
			    k->next_offset, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status run(struct try *t, struct error *e)
{
	struct event_line ev;
	uint32_t source;
	enum status st;
	if (partitions_count(t, e) || start(t, e))
		return ST_ERR;
	for (uint64_t n = 1; (st = line_next(t, &ev, &source, e)) == ST_OK; n++) {
		if (feed(t, &ev, source, e))
			return ST_ERR;
		if (n % LINES_PER_STEP == 0 && (drain(t, e) || forget(t, e)))
			return ST_ERR;
	}
	if (st < 0 || drain(t, e))
		return ST_ERR;
	counts_take(t);
	return ST_OK;
}

enum status try_run(const struct try_conf *conf, struct try_counts *counts, struct error *e)
{
	struct try t = {.conf = conf, .counts = counts};
	*counts = (struct try_counts){0};
	enum status st = run(&t, e);
	worker_close(t.worker);
	if (t.broker)
		memory_log.close(t.broker);
	plan_free(t.plan);
	arena_release(&t.line);
	arena_release(&t.row);
	free(t.text);
	free(t.partitions);
	return st;
}

static void member(struct buf *out, const char *name, const struct type *t,
	const struct value *v)
{
	buf_byte(out, ',');
	buf_json(out, slice_of(name));
	buf_byte(out, ':');
	value_json(out, t, v);
}

void try_row_json(const struct try_row *r, struct buf *out)
{
	const struct type t_long = {.kind = KIND_LONG};
	struct value event_time = {.i64 = r->event_time}, known_at = {.i64 = r->known_at};
	struct value partition = {.null = r->expiry, .i64 = r->src_partition};
	struct value offset = {.null = r->expiry, .i64 = r->src_offset};
	buf_str(out, "{\"view\":");
	buf_json(out, slice_of(r->view->name));
	for (uint32_t i = 0; i < r->view->nentity; i++)
		member(out, r->plan->schema->fields[i].name, r->plan->entity_types[i],
			&r->entity[i]);
	member(out, "event_time", &t_long, &event_time);
	member(out, "known_at", &t_long, &known_at);
	member(out, "source_partition", &t_long, &partition);
	member(out, "source_offset", &t_long, &offset);
	for (uint32_t i = 0; i < r->view->nfeatures; i++)
		member(out, r->plan->features[i].name, &r->plan->features[i].type, &r->features[i]);
	buf_byte(out, '}');
}
