/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator contract: what stands between decoded batches and outputs in a task. An operator
 * is one const struct in the table of operators/; a task opens one instance per view or
 * repartition. Single-threaded, deterministic: no clock, no hash order, no batch or epoch
 * boundary may show in what it appends.
 */
#ifndef WEIR_RUN_OPERATOR_H
#define WEIR_RUN_OPERATOR_H

#include "data/batch.h"
#include "run/key_sample.h"
#include "run/log.h"
#include "run/marker.h"
#include "run/online.h"
#include "run/plan.h"
#include "state/table.h"

/* Where an operator's records go; the task passes them into the epoch's transaction. topic is
 * the session's number. */
struct output {
	void *arg;
	enum status (*append)(void *arg, uint32_t topic, int32_t partition, struct slice key,
		const struct slice *value, struct error *e);
	/* A view's: told of each row, with the key and the framed value that it has as a record of
	 * its own. NULL: nobody asks. */
	enum status (*row)(void *arg, struct slice key, struct slice value, struct error *e);
};

struct op_counts {
	uint64_t rows;         /* event rows out */
	uint64_t expiry_rows;  /* rows because time passed */
	uint64_t null_entity;  /* records without an entity */
	uint64_t not_finite;   /* NaN or infinite arguments taken as null */
	uint64_t forgotten;    /* entities dropped */
	uint64_t misplaced;    /* new entities that another partition has too (sampled) */
	int64_t newest_event_time, newest_known_at; /* of rows out; INT64_MIN: none yet */
	struct program_counts program;
	struct agg_counts agg;
};

struct op;
struct operator;

struct op_conf {
	const struct plan *plan;
	const struct stage *stage;
	int32_t partition;
	uint32_t view;            /* window: index of the view */
	const struct repartition *repartition; /* key_by */
	const struct monitor_step *step;       /* a monitor's */
	uint32_t topic;           /* session's number of the topic it appends to */
	uint32_t alerts;          /* monitor: the same of the topic of alerts */
	struct output output;
	const struct marker *marker; /* of the task's last commit */
	const struct operator *beside; /* ROLE_VALUES: the view's operator, its state's space */
	struct op *beside_op;
	uint32_t beside_space;
	int64_t *src_offset;      /* key_by, ROLE_PASS: told where the record it appends next came from */
	struct table *table;      /* of what has state; set before the first batch */
	uint32_t space;
	uint32_t schema_id;       /* registry id of its rows; 0: single-object framing */
	uint32_t alert_schema_id; /* monitor */
	struct key_sample *keys;  /* NULL: entities are not keyed like the topic */
	bool online;              /* remember each entity's last row of the epoch */
};

struct operator {
	const char *name;
	enum status (*open)(const struct op_conf *conf, struct op **out, struct error *e);
	void (*close)(struct op *op);
	/* The rows' packer for the table's space; NULL: stateless. arg is the op. */
	void (*pack)(void *op, struct heap *h);
	void (*table_set)(struct op *op, struct table *t);
	/* Takes the rows of b in order. b->src_stream_time[i] is what time it is after row i for
	 * a source stage; stream_time[i] for this task's input. */
	enum status (*batch)(struct op *op, const struct batch *b, const int64_t *stream_time,
		struct arena *a, struct error *e);
	/* Input is idle: does what is due at stream_time without limit, at most EXPIRE_CHUNK
	 * entities a call. ST_END: nothing more is due. stream_time INT64_MIN: the input is empty
	 * and always was; only steps of monitors are told. */
	enum status (*expire)(struct op *op, int64_t stream_time, struct arena *a,
		struct error *e);
	/* The last row of a changed entity in this epoch, for the online store; false: none. */
	bool (*online)(struct op *op, struct entry *en, struct online_row *out);
	/* The same from a committed state row, for rewriting the online store. Into a. */
	bool (*online_from_state)(struct op *op, struct slice entity, struct slice row,
		struct online_row *out, struct arena *a);
	/* When time alone will next change the entity's row; INT64_MAX: it will not. */
	int64_t (*lasts)(struct op *op, const struct entry *en, struct arena *a);
	/* A row that a view beside it has appended, as it is in the offline topic. NULL: it does not
	 * ask for rows. */
	enum status (*row)(struct op *op, uint32_t view, struct slice key, struct slice value,
		struct arena *a, struct error *e);
	/* The epoch is about to be committed: appends what was held back of it. NULL: nothing is. */
	enum status (*epoch_flush)(struct op *op, struct error *e);
	/* The epoch is over. After an abort the counts are again those of its start. */
	void (*epoch_end)(struct op *op, bool committed);
	const struct op_counts *(*counts)(struct op *op);
};

/* Other entities' expiry rows after one input record: a midnight with a million expiries must
 * not stall the stream. */
#define EXPIRE_PER_RECORD 64
/* Where no such rows go out, entities that time lets be forgotten: each was looked at because an event
 * came, so two a record are enough to keep up with any number of them. */
#define FORGET_PER_RECORD 2
#define EXPIRE_CHUNK 4096

/* What main.c hands to the engine. */
struct operators {
	const struct operator *window, *key_by;
	const struct operator *const *monitor; /* by enum monitor_role */
};

#endif
