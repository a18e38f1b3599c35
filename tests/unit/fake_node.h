/* SPDX-License-Identifier: Apache-2.0
 *
 * A node that does not exist, for the tests of HTTP and for looking at the status page: four
 * jobs, of which one has most of the troubles there are, one restores, one is paused, one is
 * well. The numbers move with `tick`, one a second.
 */
#ifndef WEIR_TESTS_FAKE_NODE_H
#define WEIR_TESTS_FAKE_NODE_H

#include <stdio.h>

#include "run/snapshot.h"

#define FAKE_NOW_MS INT64_C(1767265200000) /* 2026-01-01 11:00:00 */
#define FAKE_EVENT_MS INT64_C(1371000000000)

static inline double fake_wave(int tick, int period, double low, double high)
{
	int at = tick % period;
	double up = at * 2 < period ? at : period - at;
	return low + (high - low) * up * 2 / period;
}

static inline void fake_topology(struct arena *a, struct snapshot_job *j, double rate)
{
	static const struct snapshot_node nodes[] = {
	        {STEP_SOURCE, "departures", "topic departures, 4 partitions", 0, 0, NULL},
	        {STEP_SOURCE, "arrivals", "topic arrivals, 4 partitions", 0, 12431,
	                "arrivals:3 is 12,431 behind"},
	        {STEP_SOURCE, "weather", "topic weather, 1 partition", 0, 0, NULL},
	        {STEP_REPARTITION, "departures.by.origin", "weir.flights.departures.by.origin",
	                0, 17, NULL},
	        {STEP_REPARTITION, "arrivals.by.dest", "weir.flights.arrivals.by.dest", 0, 40,
	                NULL},
	        {STEP_REPARTITION, "arrivals.by.carrier", "weir.flights.arrivals.by.carrier", 0,
	                3, NULL},
	        {STEP_VIEW, "aircraft", "by tailnum, 12 features", 0, -1, NULL},
	        {STEP_VIEW, "aircraft_departures", "by tailnum, 7 features", 0, -1, NULL},
	        {STEP_VIEW, "destination", "by dest, 10 features", 0, -1,
	                "older than its promise of 10 min"},
	        {STEP_VIEW, "origin", "by origin, 10 features", 0, -1, NULL},
	        {STEP_VIEW, "carrier", "by carrier, 7 features", 0, -1, NULL},
	        {STEP_VIEW, "airport_weather", "by origin, 12 features", 0, -1, NULL},
	        {STEP_SINK, "offline", "weir.<view>.v<version>", 0, -1, NULL},
	        {STEP_SINK, "online", "Redis", 0, -1, NULL},
	        {STEP_SINK, "dead", "weir.flights.dead", 0, -1, NULL},
	};
	static const struct {
		uint32_t from, to;
		double share;
	} edges[] = {{0, 3, 1}, {1, 4, 1}, {1, 5, .98}, {1, 6, 1}, {0, 7, .97}, {4, 8, 1},
	        {3, 9, 1}, {5, 10, .98}, {2, 11, .08}, {6, 12, 1.7}, {7, 12, 1}, {8, 12, 1.4},
	        {9, 12, 1.2}, {10, 12, 1}, {11, 12, .08}, {6, 13, .6}, {7, 13, .5}, {8, 13, .1},
	        {9, 13, .01}, {10, 13, .01}, {11, 13, .01}, {1, 14, .0007}};
	j->nnodes = sizeof nodes / sizeof *nodes;
	j->nodes = arena_alloc(a, sizeof nodes);
	memcpy(j->nodes, nodes, sizeof nodes);
	j->nedges = sizeof edges / sizeof *edges;
	j->edges = arena_calloc(a, j->nedges, sizeof *j->edges);
	for (uint32_t i = 0; i < j->nedges; i++) {
		j->edges[i] = (struct snapshot_edge){
		        edges[i].from, edges[i].to, edges[i].share * rate};
		j->nodes[edges[i].to].records_per_s += edges[i].share * rate;
	}
	for (uint32_t i = 0; i < 3; i++)
		j->nodes[i].records_per_s = (i < 2 ? 1 : .08) * rate;
}

static inline struct snapshot_task fake_task(
        struct arena *a, const char *stage, int partition, int tick, double rate)
{
	struct snapshot_input *in = arena_calloc(a, 1, sizeof *in);
	int64_t at = 90000 * (partition + 1) + (int64_t)(rate * tick);
	*in = (struct snapshot_input){.topic = stage,
	        .partition = partition,
	        .offset = at,
	        .end = at + partition * 3,
	        .stream_time_ms = FAKE_EVENT_MS + tick * 600000LL - partition * 1700};
	return (struct snapshot_task){.name = arena_printf(a, "%s:%d", stage, partition),
	        .stage = stage,
	        .partition = partition,
	        .owner = arena_printf(a, "n1.%d", partition % 2),
	        .state = TASK_RUNNING,
	        .inputs = in,
	        .ninputs = 1,
	        .records_per_s = rate,
	        .lag_records = in->end - in->offset,
	        .stream_time_ms = in->stream_time_ms,
	        .watermark_ms = in->stream_time_ms - 600000,
	        .held_by = arena_printf(a, "%s[%d]", stage, partition),
	        .state_entities = 1011 + 13u * (unsigned)partition,
	        .state_bytes = 4300000 + 70000u * (unsigned)(partition + tick % 50),
	        .epoch = 4100 + tick,
	        .last_commit_ms = FAKE_NOW_MS + tick * 1000 - 420,
	        .commit_took_ms = 11.3 + partition,
	        .restore_eta_ms = SNAPSHOT_NONE,
	        .last_error_ms = SNAPSHOT_NONE};
}

static inline struct snapshot_view fake_view(
        struct arena *a, const char *name, const char *entity, int tick, double rate)
{
	static struct snapshot_feature features[] = {
	        {"flights_24h", "long", "count() over 24h"},
	        {"flights_30d", "long", "count() over 30d"},
	        {"mean_arr_delay_24h", "double", "avg(arr_delay) over 24h"},
	        {"p90_arr_delay_30d", "double", "quantile(arr_delay, 0.9) over 30d"},
	        {"late_30d", "long", "count() over 30d where arr_delay > 15"},
	        {"late_share_30d", "double", "late_30d / flights_30d"},
	        {"airports_30d", "long", "distinct(dest) over 30d"},
	        {"last_dest", "string", "last(dest)"},
	        {"last_arrived_at", "timestamp-millis", "last(arrived_at)"},
	};
	const char **names = arena_calloc(a, 1, sizeof *names);
	names[0] = entity;
	return (struct snapshot_view){.name = name,
	        .version = 1,
	        .owner = "ops-ml",
	        .description = "How busy and how punctual it has been",
	        .entity = names,
	        .nentity = 1,
	        .features = features,
	        .nfeatures = sizeof features / sizeof *features,
	        .topic = arena_printf(a, "weir.%s.v1", name),
	        .rows = 120000 + (uint64_t)(rate * tick),
	        .rows_per_s = rate,
	        .event_time_ms = FAKE_EVENT_MS + tick * 600000LL,
	        .known_at_ms = FAKE_NOW_MS + tick * 1000 - 1300,
	        .online_rows = 51234};
}

static inline void fake_troubles(struct arena *a, struct snapshot_job *j, int tick)
{
	struct snapshot_task *hot = &j->tasks[7];
	hot->lag_records = 12431 + 137 * tick;
	hot->inputs[0].end = hot->inputs[0].offset + hot->lag_records;
	hot->records_per_s = fake_wave(tick, 14, 240, 330);
	hot->stream_time_ms -= 7380000;
	hot->inputs[0].stream_time_ms = hot->stream_time_ms;
	hot->watermark_ms -= 7380000;
	hot->last_error = "UNKNOWN_MEMBER_ID from send_offsets: epoch 4102 was aborted and is "
	                  "processed again";
	hot->last_error_ms = FAKE_NOW_MS - 95000;
	j->views[2].known_at_ms = FAKE_NOW_MS - 840000;
	j->views[2].freshness_ms = 600000;
	j->views[0].freshness_ms = 60000;
	j->views[1].null_entities = 2512;
	j->late = 118 + (uint64_t)tick;
	static struct snapshot_count dead[] = {
	        {"bad_json", 5}, {"wrong_type", 31}, {"future_time", 7}, {"null_required", 2}};
	j->dead = dead;
	j->ndead = 4;
	struct snapshot_dead samples[] = {
	        {"arrivals", 2, 91233, FAKE_NOW_MS - 12000, "wrong_type",
	                "arr_delay: 6.5 is no int"},
	        {"arrivals", 0, 90021, FAKE_NOW_MS - 61000, "bad_json",
	                "unexpected end after <b>arrived_at</b> & \"tailnum\""},
	        {"departures", 1, 88212, FAKE_NOW_MS - 3600000, "future_time",
	                "at is 2 d 3 h past the record's timestamp"},
	        {"arrivals", 3, 77001, FAKE_NOW_MS - 7200000, "null_required", "tailnum"},
	};
	j->dead_samples = arena_alloc(a, sizeof samples);
	memcpy(j->dead_samples, samples, sizeof samples);
	j->ndead_samples = 4;
	struct snapshot_recent lines[] = {
	        {FAKE_NOW_MS - 95000, "error", "flights/arrivals:3",
	                "UNKNOWN_MEMBER_ID from send_offsets: epoch 4102 was aborted"},
	        {FAKE_NOW_MS - 94000, "warn", "flights",
	                "partitions were revoked: arrivals[3]"},
	        {FAKE_NOW_MS - 1800000, "warn", "kafka",
	                "Coordinator load in progress: retrying (3 times)"},
	};
	j->recent = arena_alloc(a, sizeof lines);
	memcpy(j->recent, lines, sizeof lines);
	j->nrecent = 3;
}

static inline void fake_flights(struct arena *a, struct snapshot_job *j, int tick)
{
	static const struct {
		const char *stage;
		int partitions;
		double share;
	} stages[] = {{"departures", 4, .25}, {"arrivals", 4, .25}, {"weather", 1, .08},
	        {"departures.by.origin", 3, .33}, {"arrivals.by.dest", 3, .33},
	        {"arrivals.by.carrier", 3, .33}};
	static const char *const views[][2] = {{"aircraft", "tailnum"},
	        {"aircraft_departures", "tailnum"}, {"destination", "dest"},
	        {"origin", "origin"}, {"carrier", "carrier"}, {"airport_weather", "origin"}};
	double rate = fake_wave(tick, 20, 3100, 4200);
	*j = (struct snapshot_job){.name = "flights",
	        .state = JOB_RUNNING,
	        .source = "weir.jobs@12",
	        .commit_ms = 1000,
	        .started_ms = FAKE_NOW_MS - 4000000,
	        .records = 336776 + 3000u * (unsigned)tick};
	j->tasks = arena_calloc(a, 32, sizeof *j->tasks);
	for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
		for (int p = 0; p < stages[s].partitions; p++)
			j->tasks[j->ntasks++] =
			        fake_task(a, stages[s].stage, p, tick, rate * stages[s].share);
	j->views = arena_calloc(a, 6, sizeof *j->views);
	for (; j->nviews < 6; j->nviews++)
		j->views[j->nviews] = fake_view(a, views[j->nviews][0], views[j->nviews][1],
		        tick, rate * (j->nviews == 5 ? .08 : 1));
	fake_topology(a, j, rate);
	fake_troubles(a, j, tick);
}

static inline void fake_small_job(struct arena *a, struct snapshot_job *j, const char *name,
        enum job_state state, int tick)
{
	*j = (struct snapshot_job){.name = name,
	        .state = state,
	        .source = "weir.jobs@14",
	        .commit_ms = 5000,
	        .started_ms = FAKE_NOW_MS - 40000,
	        .records = 1000000};
	bool runs = state == JOB_RUNNING;
	j->tasks = arena_calloc(a, 2, sizeof *j->tasks);
	for (; j->ntasks < 2; j->ntasks++) {
		struct snapshot_task *t = &j->tasks[j->ntasks];
		*t = fake_task(a, "clicks", (int)j->ntasks, tick, runs ? 800 : 0);
		if (state == JOB_PAUSED)
			t->state = TASK_PAUSED;
		if (state != JOB_RESTORING)
			continue;
		t->state = TASK_RESTORING;
		t->lag_records = 51000;
		t->restore_rows = 400000 + 9000u * (unsigned)tick;
		t->restore_rows_total = 1200000;
		t->restore_bytes = t->restore_rows * 310;
		t->restore_eta_ms = 89000 - tick * 1000;
	}
	j->views = arena_calloc(a, 1, sizeof *j->views);
	j->views[j->nviews++] = fake_view(a, "users", "user_id", tick, runs ? 1600 : 0);
	static struct snapshot_node nodes[] = {
	        {STEP_SOURCE, "clicks", "topic clicks", 1600, 0, NULL},
	        {STEP_VIEW, "users", "by user_id", 1600, -1, NULL},
	        {STEP_SINK, "offline", "weir.users.v1", 1600, -1, NULL},
	        {STEP_SINK, "online", "Redis", 900, -1, NULL}};
	static struct snapshot_edge edges[] = {{0, 1, 1600}, {1, 2, 1600}, {1, 3, 900}};
	j->nodes = nodes;
	j->nnodes = 4;
	j->edges = edges;
	j->nedges = 3;
}

static inline struct snapshot *fake_snapshot(int tick)
{
	static const char *const reasons[] = {"sessions is restoring: 2 of 2 tasks"};
	static struct snapshot_peer peers[] = {{"n2", "127.0.0.1:8091"}};
	struct snapshot *s = snapshot_new();
	s->id = "n1";
	s->version = "0.1.0";
	s->http = "127.0.0.1:8090";
	s->prefix = "weir";
	s->now_ms = FAKE_NOW_MS + tick * 1000;
	s->started_ms = FAKE_NOW_MS - 5000000;
	s->memory_budget_bytes = 1 << 30;
	s->memory_used_bytes = 412000000 + 1000000u * (unsigned)(tick % 40);
	s->reasons = reasons;
	s->nreasons = 1;
	s->broker_up = s->online_up = true;
	s->peers = peers;
	s->npeers = 1;
	s->jobs = arena_calloc(&s->arena, 4, sizeof *s->jobs);
	s->njobs = 4;
	fake_flights(&s->arena, &s->jobs[0], tick);
	fake_small_job(&s->arena, &s->jobs[1], "baskets", JOB_PAUSED, tick);
	fake_small_job(&s->arena, &s->jobs[2], "clicks", JOB_RUNNING, tick);
	fake_small_job(&s->arena, &s->jobs[3], "sessions", JOB_RESTORING, tick);
	s->recent = s->jobs[0].recent;
	s->nrecent = s->jobs[0].nrecent;
	return s;
}

#endif
