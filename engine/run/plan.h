/* SPDX-License-Identifier: Apache-2.0
 *
 * How a job maps to topics: stages (sets of co-partitioned topics, one task per partition),
 * repartitions between them, topics' names, the schemas of the rows that weir writes. Made from
 * a checked job and the partition counts of its sources. Immutable.
 */
#ifndef WEIR_RUN_PLAN_H
#define WEIR_RUN_PLAN_H

#include "base/buf.h"
#include "lang/job.h"
#include "run/log.h"

#define SHARDS_DEFAULT 12

/* A repartition topic: all views of one source with the same entity columns. */
struct repartition {
	const char *topic;            /* weir.<job>.<source>.by.<columns> */
	uint32_t source;
	const uint32_t *entity;       /* fields of the source */
	uint32_t nentity;
	int32_t shards;
	bool shards_given;            /* by the job */
	const struct schema *schema;  /* of its records: REPARTITION_HEAD fields, then the columns */
	const uint32_t *fields;       /* source field of schema field REPARTITION_HEAD + i */
	uint32_t nfields;
	const uint32_t *views;
	uint32_t nviews;
};
/* event_time, known_at, source_partition, source_offset, stream_time */
#define REPARTITION_HEAD 5
/* In place of a source offset: no record, but a note of how far the source's partition is. */
#define REPARTITION_NOTE (-1)
#define REPARTITION_NOTE_IDLE (-2)

/* Drift records, alerts. */
#define MONITOR_SCHEMAS 2

/* What monitors (lang/job.h) do, each step an operator of its own. */
enum monitor_role {
	ROLE_PROFILE,     /* in the predictions' stage: profiles of this partition's windows */
	ROLE_SCORES,      /* in the predictions' stage: scores on their way to their labels */
	ROLE_LABELS,      /* in the labels' stage: labels on their way to their scores */
	ROLE_JOIN,        /* by prediction id: scores meet labels */
	ROLE_MERGE,       /* one task: partitions' profiles become windows, records, alerts */
	ROLE_MERGE_ERRORS, /* the same of scores with labels */
	ROLE_SERVED,      /* in the predictions' stage: served values on their way to computed ones */
	ROLE_VALUES,      /* in the view's stage: its rows on their way to served values */
	ROLE_PASS,        /* in the stage of a repartitioned view's source: tells the view's stage
			   * how far this partition is */
	ROLE_SKEW,        /* by entity: served values meet the view's */
	MONITOR_ROLES
};
struct monitor_step {
	enum monitor_role role;
	uint32_t monitor;
	struct slice space;
};

/* Fields of a channel's records behind REPARTITION_HEAD; _source_partition is the origin's. */
enum channel_field {
	CHANNEL_MONITOR, CHANNEL_STATE, CHANNEL_KIND, CHANNEL_ORIGIN, CHANNEL_SEGMENT,
	CHANNEL_WINDOW, CHANNEL_ID, CHANNEL_NUMBER, CHANNEL_BODY, CHANNEL_FIELDS
};

struct stage {
	const char *name;             /* <source>, or <source>.by.<columns> */
	const char *topic;            /* the lead topic */
	const char *changelog;
	int32_t partitions;
	uint32_t source;
	const struct repartition *in; /* NULL: reads the source itself */
	const uint32_t *views;        /* computed here */
	uint32_t nviews;
	const struct repartition *const *out;
	uint32_t nout;
	const struct schema *schema;  /* of its batches */
	const struct monitor_step *steps;
	uint32_t nsteps;
};

struct view_plan {
	const char *topic;            /* offline: weir.<view>.v<version> */
	const struct schema *schema;  /* ROW_HEAD fields after the entity columns, then features */
	const struct schema *record;  /* of the topic's records: schema, or that of its blocks */
	struct slice space;           /* state and changelog keys start with it */
	uint32_t stage;
	const struct type *const *entity_types;
	const struct field *features; /* the schema's feature fields */
};
/* event_time, known_at, source_partition, source_offset */
#define ROW_HEAD 4

struct plan {
	struct arena arena;
	const struct job *job;
	const char *prefix;
	const char *group;            /* <prefix>.<job> */
	const char *late_topic, *dead_topic;
	const struct stage *stages;
	uint32_t nstages;
	const struct repartition *repartitions; /* then the nchannels channels: parts, ids, skew */
	uint32_t nrepartitions, nchannels;
	/* Channels, between monitors' steps: windows' parts (one partition), scores and labels by
	 * id, served and computed values by entity. NULL: no monitor needs it. They have no views;
	 * source is their first monitor's. */
	const struct repartition *parts, *ids, *skew;
	const char *drift_topic, *alerts_topic; /* NULL: no monitors */
	const struct schema *drift_schema, *alert_schema;
	const struct view_plan *views; /* as job->views */
	uint64_t hash;                /* of all that changes results or state */
};

/* partitions[i]: of the job's source i, all above 0. */
enum status plan_new(const struct job *job, const char *prefix, const int32_t *partitions,
	struct plan **out, struct error *e);
void plan_free(struct plan *p);
/* Before the plan is used: a repartition topic that exists keeps its partitions. */
void plan_shards_set(struct plan *p, uint32_t repartition, int32_t shards);

/* The repartition topic that the view is behind; NULL: its stage reads the source. */
const struct repartition *plan_view_repartition(const struct plan *p, uint32_t view);

/* A task's name in the local store: a copy that a standby keeps is found by it. */
void plan_task_name(const struct plan *p, const struct stage *st, int32_t partition, char *out,
	size_t room);

/* Every topic the plan writes, with its settings, for log topics_ensure. In a. */
uint32_t plan_topics(const struct plan *p, struct log_topic_conf **out, struct arena *a);

/* For people: sources, columns read, stages, topics, windows and tiles, bytes per entity. */
void plan_print(const struct plan *p, struct buf *out);

#endif
