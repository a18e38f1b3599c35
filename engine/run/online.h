/* SPDX-License-Identifier: Apache-2.0
 *
 * The online store contract (Redis): a guarded view of the offline topic. Writes are handed
 * over after an epoch has committed and never block the worker: a bounded backlog, then they
 * are dropped and the task is marked, to be repaired from the offline topic or from state.
 *
 * The store keeps one record per task: "every row up to this version is here". It moves only
 * in the same atomic call as the last rows of its epoch, and only if it still stands at (or
 * past) the record this owner wrote before: so a store that lost data, in whatever way, never
 * claims to be complete again by itself. What the caller has to do about it, all of it:
 *
 *   When a task starts:      record_get; compare with the version of the task's marker.
 *   After each epoch:        put. ST_END: the task is behind.
 *   When generation() grew:  record_get of each task; compare with the version last put.
 *   ERR_RETRIABLE:           the store does not answer: ask again later, the stream goes on;
 *                            until the first answer puts are written as rows only.
 *   Record equal or newer: nothing to do. Lower: repair (a). None (ST_END): repair (b), unless
 *   the task has never emitted a row. A lower record whose offsets are the current ones needs
 *   only steps 1 and 3 (epochs without rows need not be put).
 *
 * Repair, started while stats().up, epochs going on meanwhile:
 *   1. At once, before the next ordinary put of the task: C = the version last committed;
 *      put(repair = true, record.version = C, record.offsets = "", nrows = 0). From here on
 *      ordinary puts are written as rows only (an empty offsets means the same); between the
 *      task falling behind and this they are dropped (ST_END).
 *   2. As slowly as one likes (say, while backlog_bytes is below a quarter of its bound), in
 *      pieces of some 1000 rows: put(repair = true, record.version = C, record.offsets = "").
 *      A row put under C never replaces one of a later epoch.
 *      (a) Record behind: the offline topic from the record's offsets to its end as of C or
 *          later, the last row of each entity (collected before it is put: a row put early
 *          would show an older value for a moment).
 *      (b) No record, or the offline topic is gone from there: the last row of every entity of
 *          the task's views, made from its state as of C or later.
 *   3. put(repair = true, record = the current version and its offsets, nrows = 0): the record
 *      becomes true again, and the task is in step. It may carry rows only if its version is C.
 *   ST_END from a repair put (backlog full, or the store lost data again, between any two
 *   steps): start at 1 again, later, with a fresh record_get.
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
	int64_t ttl_ms; /* 0: none; else the key expires at known_at + ttl */
};

/* A row: the last of its entity in an epoch. Replaces the whole hash. */
struct online_row {
	uint32_t view;       /* number given by view_add */
	struct slice entity; /* escaped, as in keys */
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
	char offsets[4096]; /* "" in a put: rows only, the record stays */
};

struct online_epoch {
	const char *task; /* "<job>:<stage>:<partition>" */
	struct online_record record;
	bool repair; /* rows equal in version are written too */
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
	void (*close)(struct online *o); /* what is queued is dropped: drain first */
	uint32_t (*view_add)(struct online *o, const struct online_view *v); /* copies */
	/* Copies and queues; the rows' version is record.version. Never waits for the store.
	 * ST_END: the rows were dropped (backlog full, store down for too long), or the store
	 * was found to have lost rows: the task must be repaired. */
	enum status (*put)(struct online *o, const struct online_epoch *epoch);
	/* Waits until of what was queued before the call at most left_bytes are not written, at
	 * most timeout_ms. ST_END: not yet, or dropped. */
	enum status (*drain)(struct online *o, uint64_t left_bytes, int timeout_ms);
	/* The task's record, after everything this object has queued for the task (it waits for
	 * that, a bounded time). ST_END: there is none. ERR_RETRIABLE: the store does not
	 * answer. */
	enum status (*record_get)(
	        struct online *o, const char *task, struct online_record *out, struct error *e);
	/* Grows by one whenever the connection was lost and is back: records must be compared.
	 */
	uint64_t (*generation)(struct online *o);
	/* Sets the string <prefix>:<view> to the live version. */
	enum status (*live_set)(
	        struct online *o, const char *view, uint32_t version, struct error *e);
	enum status (*live_get)(
	        struct online *o, const char *view, uint32_t *version, struct error *e);
	/* One row as text: field, value, field, value … into out, NUL-separated. ST_END: no
	 * row. */
	enum status (*get)(struct online *o, const char *view, uint32_t version,
	        struct slice entity, struct buf *out, struct error *e);
	/* Deletes a view version's rows (weir remove); bounded work per call. ST_OK: call
	 * again, ST_END: done. */
	enum status (*view_delete)(
	        struct online *o, const char *view, uint32_t version, struct error *e);
	void (*stats)(struct online *o, struct online_stats *out);
};

#endif
