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
	const struct schema *schema;  /* of its records: REPARTITION_HEAD fields, then the columns */
	const uint32_t *fields;       /* source field of schema field REPARTITION_HEAD + i */
	uint32_t nfields;
	const uint32_t *views;
	uint32_t nviews;
};
/* event_time, known_at, source_partition, source_offset, stream_time */
#define REPARTITION_HEAD 5

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
};

struct view_plan {
	const char *topic;            /* offline: weir.<view>.v<version> */
	const struct schema *schema;  /* ROW_HEAD fields after the entity columns, then features */
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
	const struct repartition *repartitions;
	uint32_t nrepartitions;
	const struct view_plan *views; /* as job->views */
	uint64_t hash;                /* of all that changes results or state */
};

/* partitions[i]: of the job's source i, all above 0. */
enum status plan_new(const struct job *job, const char *prefix, const int32_t *partitions,
	struct plan **out, struct error *e);
void plan_free(struct plan *p);

/* Every topic the plan writes, with its settings, for log topics_ensure. In a. */
uint32_t plan_topics(const struct plan *p, struct log_topic_conf **out, struct arena *a);

/* For people: sources, columns read, stages, topics, windows and tiles, bytes per entity. */
void plan_print(const struct plan *p, struct buf *out);

#endif
