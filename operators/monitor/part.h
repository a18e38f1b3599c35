/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the channels between monitors' steps: what a step has found out, and how far its
 * input is. Lost or doubled parts do not exist: they travel inside the epochs' transactions.
 */
#ifndef WEIR_OPERATORS_MONITOR_PART_H
#define WEIR_OPERATORS_MONITOR_PART_H

#include "run/operator.h"

enum part_kind {
	PART_NOTE = 1, /* this origin has told all up to event_time */
	PART_IDLE,     /* the same, and nobody should wait for it until its next note */
	PART_PROFILE,  /* of a window of one partition; final, unless the partition was idle */
	PART_SCORE,    /* of the prediction id */
	PART_LABEL,    /* for the prediction id */
	PART_ERRORS,   /* of a window's labelled predictions of one shard; replaces its last one
	                */
	PART_SERVED,   /* a prediction's served values, by entity */
	PART_VALUE,    /* a row of the view, by entity: known_at, until when it lasts by itself,
	                  then    the compared features */
	PART_SKEW,     /* of a window of one shard where they met; final */
	PART_KINDS
};

/* p NULL in id or body: none. Slices are borrowed. */
struct part {
	enum part_kind kind;
	struct slice origin; /* stage */
	int32_t partition;   /* of that stage */
	int64_t event_time;
	int64_t window; /* its start */
	struct slice segment, id, body;
	double number; /* score, label */
};

struct sender {
	const struct op_conf *conf;
	const struct monitor *m;
	const struct repartition *to; /* a channel, or a view's repartition topic for notes */
	int64_t since;                /* ROLE_VALUES: goes with notes as their window */
	struct buf key, value;
};

void sender_init(struct sender *s, const struct op_conf *conf, const struct repartition *to);
void sender_release(struct sender *s);
/* To the id's partition, or to all of them when there is no id. Fills in the origin. */
enum status part_send(struct sender *s, const struct part *p, struct error *e);

/* Row i of a channel's batch. False: of another monitor, of another state of it, or not known.
 */
bool part_read(const struct monitor *m, const struct batch *b, uint32_t i, struct part *out);

/* Start of the window that t is in. */
static inline int64_t window_start(const struct monitor *m, int64_t t)
{
	return floor_div(t, m->window_ms) * m->window_ms;
}

/* When the last label for the window has come: a multiple of the window. */
int64_t labels_end(const struct monitor *m, int64_t window);

/* What an operator's row holds, in head.reserved. */
enum {
	ROW_NOTED = 1,
	ROW_INPUTS,
	ROW_GROUP,
	ROW_GATHERED,
	ROW_ALERTS,
	ROW_ID,
	ROW_ERRORS,
	ROW_SINCE,
	ROW_WAITING,
	ROW_VERSIONS,
	ROW_SKEW
};

/* Rows that gather parts: bodies by the partition that sent them, in its order. */
struct gathered_row {
	struct row_head head;
	uint64_t closed; /* its record was given out */
	uint64_t parts;  /* each: partition and length, 4 bytes each, then the body */
};
/* The row with the body put in, for row_set; replaced: instead of the partition's last one. */
void gathered_put(const struct heap *row, int32_t partition, struct slice body, bool replace,
        struct buf *out);
/* The next body; *at starts at 0. False: there is none. */
bool gathered_next(const struct heap *row, uint32_t *at, struct slice *body);

/* The window and the segment that a row's name says. */
int64_t row_window(struct slice name);
static inline struct slice row_segment(struct slice name)
{
	return (struct slice){name.p + 9, name.len - 9};
}

/* Names of rows: a letter, then the window's start and the segment. */
void row_name(struct buf *out, char letter, int64_t window, struct slice segment);
/* Sets a row's bytes. */
void row_set(struct heap *h, const void *p, uint32_t len);
void row_pack_none(void *op, struct heap *h);
/* One row by name, made when it is not there. */
enum status row_resolve(const struct op_conf *conf, struct slice name, struct entry **out,
        struct arena *a, struct error *e);

#endif
