// SPDX-License-Identifier: Apache-2.0
//
// A plan for people. State sizes are the packed row's fixed parts, worked out from the same
// facts that operators/window lays rows out by: what sketches, sets and texts hold grows with
// the data and is named, not guessed.
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "lang/duration.h"
#include "run/plan.h"
#include "state/table.h"

#define VIEW_ROW_BYTES (sizeof(struct row_head) + 4 * sizeof(int64_t))
#define TILE_BYTES sizeof(int64_t) /* a tile's number */
#define HANDLE_BYTES 16             /* a ring's */
#define HANDLE_PLAIN_BYTES 8        /* … of a row without blobs */

static void names_print(
        struct buf *out, const struct schema *s, const uint32_t *fields, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i ? ", " : "", s->fields[fields[i]].name);
}

/* -- sources -- */

static void columns_print(const struct source *s, struct buf *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->schema->nfields; i++) {
		char type[TYPE_NAME_MAX];
		if (!s->used[i])
			continue;
		buf_printf(out, "%s%s %s%s", n++ ? ", " : "", s->schema->fields[i].name,
		        type_name(&s->schema->fields[i].type, type),
		        s->schema->fields[i].nullable ? " or null" : "");
	}
	buf_printf(out, " (%u of %zu)\n", n, s->schema->nfields);
}

static void source_print(const struct source *s, struct buf *out)
{
	buf_printf(out, "source %s\n  topic       %s, %s\n  time        %s, lateness ", s->name,
	        s->topic, s->format->name, s->schema->fields[s->time_field].name);
	duration_print(out, s->lateness_ms);
	if (s->idle_ms) {
		buf_str(out, ", idle after ");
		duration_print(out, s->idle_ms);
	}
	buf_printf(out, "\n  key         %s\n  columns     ",
	        s->key_field < 0 ? "not named" : s->schema->fields[s->key_field].name);
	columns_print(s, out);
}

/* -- stages -- */

static const char *monitor_role_name(enum monitor_role r)
{
	static const char *const names[MONITOR_ROLES] = {[ROLE_PROFILE] = "profiles of this partition",
	        [ROLE_SCORES] = "scores by id",
	        [ROLE_LABELS] = "labels by id",
	        [ROLE_JOIN] = "scores meet labels",
	        [ROLE_MERGE] = "closes windows",
	        [ROLE_MERGE_ERRORS] = "closes windows of scores with labels",
        [ROLE_SERVED] = "served values by entity",
        [ROLE_VALUES] = "the view's values by entity",
        [ROLE_PASS] = "tells the view how far this partition is",
        [ROLE_SKEW] = "served values meet the view's"};
	return names[r];
}

static void stage_print(const struct plan *p, const struct stage *st, struct buf *out)
{
	buf_printf(out, "stage %s: %d task%s\n  reads       %s\n  changelog   %s\n", st->name,
	        (int)st->partitions, st->partitions == 1 ? "" : "s", st->topic, st->changelog);
	if (st->nviews)
		buf_str(out, "  computes    ");
	for (uint32_t i = 0; i < st->nviews; i++)
		buf_printf(out, "%s%s", i ? ", " : "", p->job->views[st->views[i]].name);
	if (st->nviews)
		buf_byte(out, '\n');
	for (uint32_t i = 0; i < st->nsteps; i++)
		buf_printf(out, "  monitor     %s: %s\n",
		        p->job->monitors[st->steps[i].monitor].name,
		        monitor_role_name(st->steps[i].role));
	for (uint32_t i = 0; i < st->nout; i++) {
		const struct repartition *r = st->out[i];
		const struct schema *s = p->job->sources[r->source].schema;
		buf_printf(out, "  repartition %s by ", r->topic);
		names_print(out, s, r->entity, r->nentity);
		buf_printf(out, ", %d partitions, columns ", (int)r->shards);
		names_print(out, s, r->fields, r->nfields);
		buf_byte(out, '\n');
	}
}

/* -- views -- */

static void window_print(const struct window *w, struct buf *out)
{
	if (w->kind == WINDOW_LIFETIME) {
		buf_str(out, "lifetime");
		return;
	}
	if (w->kind == WINDOW_TUMBLING)
		buf_str(out, "tumbling ");
	duration_print(out, w->size_ms);
	if (w->kind == WINDOW_TUMBLING)
		return;
	buf_str(out, " in tiles of ");
	duration_print(out, w->hop_ms);
}

static void windows_print(const struct view *v, struct buf *out)
{
	buf_str(out, "  windows     ");
	for (uint32_t i = 0; i < v->nwindows; i++) {
		buf_str(out, i ? "; " : "");
		window_print(&v->windows[i], out);
	}
	buf_str(out, v->nwindows ? "\n" : "none\n");
}

static uint32_t bounded_windows(const struct view *v)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < v->nwindows; i++)
		n += v->windows[i].kind != WINDOW_LIFETIME;
	return n;
}

static void expiry_print(const struct view *v, struct buf *out)
{
	uint32_t n = bounded_windows(v);
	if (!v->expiry || !n)
		buf_printf(out, "  expiry      no rows because of time%s\n",
		        n ? "; values change with the entity's next event"
		          : ": no window ends");
	else
		buf_printf(out, "  expiry      a sparse event may cause up to %u row%s later\n",
		        n, n == 1 ? "" : "s");
}

/* Tiles that a window can hold: both ends are covered in part. */
static uint64_t window_tiles(const struct window *w)
{
	return w->kind == WINDOW_TUMBLING ? 1 : (uint64_t)(w->size_ms / w->hop_ms) + 1;
}

/* Whether call i is the first of its window, or of any window of its ring, with its
 * accumulator: calls share those (lang/job.h). holders: of each call. */
static bool acc_first(const struct view *v, const uint32_t *holders, uint32_t i, bool of_window)
{
	for (uint32_t k = 0; k < i; k++)
		if (holders[k] == holders[i] &&
		        (!of_window || v->calls[k].window == v->calls[i].window))
			return false;
	return true;
}

/* Bytes of one tile of the ring with this hop. */
static uint64_t tile_bytes(const struct view *v, const uint32_t *holders, int64_t hop_ms)
{
	uint64_t bytes = TILE_BYTES;
	for (uint32_t i = 0; i < v->ncalls; i++) {
		const struct window *w = &v->windows[v->calls[i].window];
		if (w->kind != WINDOW_LIFETIME && w->hop_ms == hop_ms &&
		        acc_first(v, holders, i, false))
			bytes += v->calls[holders[i]].spec.acc_bytes;
	}
	return bytes;
}

static bool hop_first(const struct view *v, uint32_t window)
{
	for (uint32_t i = 0; i < window; i++)
		if (v->windows[i].kind != WINDOW_LIFETIME &&
		        v->windows[i].hop_ms == v->windows[window].hop_ms)
			return false;
	return v->windows[window].kind != WINDOW_LIFETIME;
}

static uint64_t ring_tiles(const struct view *v, int64_t hop_ms)
{
	uint64_t most = 0;
	for (uint32_t i = 0; i < v->nwindows; i++) {
		const struct window *w = &v->windows[i];
		if (w->kind != WINDOW_LIFETIME && w->hop_ms == hop_ms && window_tiles(w) > most)
			most = window_tiles(w);
	}
	return most;
}

static void growing_print(const struct view *v, struct buf *out)
{
	const char *sep = "; beside it what these hold: ";
	for (uint32_t i = 0; i < v->ncalls; i++) {
		const struct aggregate *agg = v->calls[i].spec.agg;
		bool first = v->calls[i].spec.nblobs > 0;
		for (uint32_t k = 0; first && k < i; k++)
			first = v->calls[k].spec.agg != agg || !v->calls[k].spec.nblobs;
		if (!first)
			continue;
		buf_printf(out, "%s%s", sep, agg->name);
		sep = ", ";
	}
}

static void state_print(const struct view *v, struct buf *out)
{
	uint64_t fixed = VIEW_ROW_BYTES, one = 0, full = 0;
	uint32_t at, *holders = xcalloc(v->ncalls, sizeof *holders);
	bool plain = true;
	for (uint32_t i = 0; i < v->ncalls; i++) {
		holders[i] = view_call_holder(v, i, &at);
		plain &= !v->calls[i].spec.nblobs;
	}
	for (uint32_t i = 0; i < v->ncalls; i++)
		if (acc_first(v, holders, i, true))
			fixed += v->calls[holders[i]].spec.acc_bytes;
	for (uint32_t i = 0; i < v->nwindows; i++) {
		if (!hop_first(v, i))
			continue;
		uint64_t tile = tile_bytes(v, holders, v->windows[i].hop_ms);
		fixed += plain ? HANDLE_PLAIN_BYTES : HANDLE_BYTES;
		one += tile;
		full += tile * ring_tiles(v, v->windows[i].hop_ms);
	}
	buf_printf(out, "  state       %llu bytes per entity with one event, at most %llu",
	        (unsigned long long)(fixed + one), (unsigned long long)(fixed + full));
	free(holders);
	growing_print(v, out);
	buf_byte(out, '\n');
}

static void features_print(const struct view *v, struct buf *out)
{
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		const struct feature *f = &v->features[i];
		char type[TYPE_NAME_MAX];
		buf_printf(out, "  %-11s %s %s%s = %s\n", i ? "" : "features", f->name,
		        type_name(&f->type, type), f->nullable ? " or null" : "", f->text);
	}
}

static void view_print(const struct plan *p, uint32_t i, struct buf *out)
{
	const struct view *v = &p->job->views[i];
	const struct view_plan *vp = &p->views[i];
	const struct source *s = &p->job->sources[v->source];
	buf_printf(out, "view %s v%u\n  entity      ", v->name, v->version);
	names_print(out, s->schema, v->entity, v->nentity);
	buf_printf(out, "\n  from        %s, in stage %s\n  offline     %s%s\n", s->name,
	        p->stages[vp->stage].name, vp->topic, v->blocks ? ", in blocks" : "");
	buf_printf(out, "  online      %s:%s:%u:<entity>", p->prefix, v->name, v->version);
	if (v->ttl_ms) {
		buf_str(out, ", for ");
		duration_print(out, v->ttl_ms);
	}
	buf_byte(out, '\n');
	windows_print(v, out);
	expiry_print(v, out);
	state_print(v, out);
	features_print(v, out);
}

static void skew_print(const struct job *job, const struct monitor *m, struct buf *out)
{
	const struct view *v = &job->views[m->skew->view];
	buf_printf(out, " past its end, and of view %s ", v->name);
	duration_print(out, job->sources[v->source].lateness_ms);
	buf_str(out, "\n  compared    ");
	for (uint32_t i = 0; i < m->ncolumns; i++)
		buf_printf(out, "%s%s with %s:%s", i ? ", " : "",
		        job->sources[m->source].schema->fields[m->columns[i]].name, v->name,
		        v->features[m->skew->features[i]].name);
	buf_str(out, m->skew->known_at ? ", as of the prediction's time and known by then"
	                               : ", as of the prediction's time");
}

static void monitor_print(const struct job *job, const struct monitor *m, struct buf *out)
{
	const struct source *s = &job->sources[m->source];
	char number[NUM_MAX + 1];
	buf_printf(out, "monitor %s of %s\n  columns     ", m->name, s->name);
	names_print(out, s->schema, m->columns, m->ncolumns);
	buf_str(out, "\n  segments    ");
	names_print(out, s->schema, m->by, m->nby);
	buf_printf(out, "%s\n  window      ", m->nby ? "" : "one");
	duration_print(out, m->window_ms);
	buf_printf(out, ", closed when every partition is ");
	duration_print(out, s->lateness_ms);
	if (m->skew)
		skew_print(job, m, out);
	else
		buf_printf(out, " past its end\n  baseline    %llu rows%s",
		        (unsigned long long)m->baseline->segments[0].rows,
		        m->by_baseline ? ", one for each segment" : "");
	buf_str(out, "\n  tests       ");
	for (uint32_t i = 0; i < m->ntests; i++) {
		number[num_format_double(number, m->tests[i].threshold)] = 0;
		buf_printf(out, "%s%s %s", i ? ", " : "", drift_tests[m->tests[i].test].name,
		        number);
	}
	buf_printf(out, " (mode %s)\n  alerts      after %u window%s in a row, of at least %u row%s\n",
	        drift_modes[m->mode], m->sustain, m->sustain == 1 ? "" : "s", m->min_rows,
	        m->min_rows == 1 ? "" : "s");
	if (!m->labels)
		return;
	buf_printf(out, "  labels      from %s, for ", job->sources[m->labels->source].name);
	duration_print(out, m->labels->wait_ms);
	buf_byte(out, '\n');
}

static void topics_print(const struct plan *p, struct buf *out)
{
	struct log_topic_conf *t;
	struct arena a;
	arena_init(&a);
	uint32_t n = plan_topics(p, &t, &a);
	buf_str(out, "topics that weir writes\n");
	for (uint32_t i = 0; i < n; i++)
		buf_printf(out, "  %s, %d partition%s%s%s\n", t[i].name, (int)t[i].partitions,
		        t[i].partitions == 1 ? "" : "s",
		        t[i].conf && !strcmp(t[i].conf[0], "cleanup.policy") ? ", " : "",
		        t[i].conf && !strcmp(t[i].conf[0], "cleanup.policy") ? t[i].conf[1]
		                                                             : "");
	arena_release(&a);
}

void plan_print(const struct plan *p, struct buf *out)
{
	buf_printf(out, "job %s, group %s\n\n", p->job->name, p->group);
	for (uint32_t i = 0; i < p->job->nsources; i++)
		source_print(&p->job->sources[i], out);
	buf_byte(out, '\n');
	for (uint32_t i = 0; i < p->nstages; i++)
		stage_print(p, &p->stages[i], out);
	for (uint32_t i = 0; i < p->job->nviews; i++) {
		buf_byte(out, '\n');
		view_print(p, i, out);
	}
	for (uint32_t i = 0; i < p->job->nmonitors; i++) {
		buf_byte(out, '\n');
		monitor_print(p->job, &p->job->monitors[i], out);
	}
	buf_byte(out, '\n');
	topics_print(p, out);
}
