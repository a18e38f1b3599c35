/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that make a plan share. Nobody else includes it.
 */
#ifndef WEIR_RUN_PLAN_INSIDE_H
#define WEIR_RUN_PLAN_INSIDE_H

#include "run/plan.h"

#define CHANNELS_MAX 3

/* Monitors' topics, channels (into rs) and schemas; before the stages are made. */
enum status plan_monitors_make(struct plan *p, struct repartition *rs, struct error *e);
/* The steps of a source's stage, and of one behind a repartition topic; their views are set. */
void plan_monitors_source(struct plan *p, struct stage *st);
void plan_monitors_behind(struct plan *p, struct stage *st);
/* The channels' stages into st; returns how many. */
uint32_t plan_monitors_stages(struct plan *p, struct stage *st);
/* Their lines for the plan's hash. */
void plan_monitors_hash(const struct plan *p, struct buf *b);
/* Their topics into t; returns how many, MONITOR_TOPICS_MAX at most. */
#define MONITOR_TOPICS_MAX 2
uint32_t plan_monitors_topics(const struct plan *p, struct log_topic_conf *t);

#endif
