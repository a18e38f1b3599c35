/* SPDX-License-Identifier: Apache-2.0
 *
 * The online store contract (Redis): a guarded view of the offline topic. Writes are handed over
 * after an epoch has committed and never block the worker: a bounded backlog, then they are
 * dropped and the task is marked, to be repaired from the offline topic or from state.
 */
#ifndef WEIR_RUN_ONLINE_H
#define WEIR_RUN_ONLINE_H

#include "base/error.h"
#include "base/buf.h"
#include "data/schema.h"

/* A view's rows online: Redis hash <prefix>:<view>:<version>:<entity>. */
struct online_view {
	const char *name;
	uint32_t version;
	const struct field *features; /* in row order */
	uint32_t nfeatures;
	int64_t ttl_ms;               /* 0: none; else the key expires at known_at + ttl */
};

/* A row: the last of its entity in an epoch. Replaces the whole hash. */
struct online_row {
	uint32_t view;        /* number given by view_add */
	struct slice entity;  /* escaped, as in keys */
	int64_t event_time, known_at;
	struct slice features; /* Avro-encoded feature values, each ["null", T] if nullable */
};

/* Fixed-width digits, so that text order is version order: Lua numbers fail at 2^53. */
#define ONLINE_VERSION_BYTES 34 /* 14 incarnation, 14 epoch, 6 sequence */
void online_version_format(char out[ONLINE_VERSION_BYTES + 1], int64_t incarnation_ms,
	int64_t epoch, uint32_t sequence);

/* The task's record: where Redis stands. offsets is text of the caller's making (the offline
 * position per view after that epoch). */
struct online_record {
	char version[ONLINE_VERSION_BYTES + 1];
	char offsets[4096];
};

struct online_epoch {
	const char *task;       /* "<job>:<stage>:<partition>" */
	struct online_record record;
	bool repair;            /* rows equal in version are written too */
	const struct online_row *rows;
	uint32_t nrows;
};

struct online_stats {
	bool up;
	uint64_t rows_written, rows_stale, rows_dropped, calls, errors, reconnects;
	uint64_t backlog_bytes;
	char last_error[256];
};

struct online;
struct online_ops {
	const char *name;
	void (*close)(struct online *o);
	uint32_t (*view_add)(struct online *o, const struct online_view *v); /* copies */
	/* Copies and queues. ST_END: the backlog is full or the store is down for too long, and
	 * the rows were dropped; the task must be repaired. */
	enum status (*put)(struct online *o, const struct online_epoch *epoch);
	/* Waits until everything queued is written, at most timeout_ms. ST_END: not yet. */
	enum status (*drain)(struct online *o, int timeout_ms);
	/* The task's record. ST_END: there is none. ERR_RETRIABLE: the store does not answer. */
	enum status (*record_get)(struct online *o, const char *task, struct online_record *out,
		struct error *e);
	/* Grows by one whenever the connection was lost and is back: records must be compared. */
	uint64_t (*generation)(struct online *o);
	/* Sets the string <prefix>:<view> to the live version. */
	enum status (*live_set)(struct online *o, const char *view, uint32_t version,
		struct error *e);
	enum status (*live_get)(struct online *o, const char *view, uint32_t *version,
		struct error *e);
	/* One row as text: field, value, field, value … into out, NUL-separated. ST_END: no row. */
	enum status (*get)(struct online *o, const char *view, uint32_t version,
		struct slice entity, struct buf *out, struct error *e);
	/* Deletes a view version's rows (weir remove); bounded work per call, ST_END when done. */
	enum status (*view_delete)(struct online *o, const char *view, uint32_t version,
		struct error *e);
	void (*stats)(struct online *o, struct online_stats *out);
};

#endif
