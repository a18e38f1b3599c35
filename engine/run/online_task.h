/* SPDX-License-Identifier: Apache-2.0
 *
 * What every online store does alike: who may move a task's record, and when a task counts as
 * behind (the rules are in run/online.h). Pure state, no I/O, no locks: the store guards it.
 *
 *   SYNC --put dropped, or the store answered "gap"--> BEHIND
 *   BEHIND --the caller was told, then a repair put--> REPAIR    (SYNC --repair put--> REPAIR)
 *   REPAIR --repair put with a record--> SYNC        REPAIR --dropped, or "gap"--> BEHIND
 *   BEHIND, REPAIR --a record not below all that was put was read (another's repair)--> SYNC
 */
#ifndef WEIR_RUN_ONLINE_TASK_H
#define WEIR_RUN_ONLINE_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "run/online.h"

#define ONLINE_TOKEN_BYTES 32

enum online_state { ONLINE_SYNC, ONLINE_BEHIND, ONLINE_REPAIR };

struct online_task {
	char *name;
	uint64_t hash;
	enum online_state state;
	bool told;                           /* BEHIND: the caller knows */
	bool known;                          /* the record was read, or a repair made it true */
	char last[ONLINE_VERSION_BYTES + 1]; /* record queued or read last; "": there is none */
	char tried[ONLINE_VERSION_BYTES + 1]; /* the highest version put, taken or dropped */
	char token[ONLINE_TOKEN_BYTES + 1];   /* of the repair going on */
	uint32_t repairs;
	uint64_t repaired_seq; /* the call that ended the last repair */
	uint64_t queued_seq;   /* the task's last call */
	uint64_t done_seq;     /* the last of its calls answered or dropped */
};

/* Tasks by name; never forgotten (their number is that of the job stages' partitions). */
struct online_tasks {
	struct online_task **v;
	uint32_t n, cap;
};
struct online_task *online_tasks_get(struct online_tasks *ts, const char *name);
void online_tasks_release(struct online_tasks *ts);

/* What a put comes to. */
struct online_step {
	bool accept;                         /* false: answer ST_END, write nothing */
	bool record;                         /* the record goes with the epoch's last call */
	bool first;                          /* first put of a repair: leaves the token */
	char prev[ONLINE_VERSION_BYTES + 1]; /* the stored record must not be below it */
	char token[ONLINE_TOKEN_BYTES + 1];  /* "": not a repair */
};

/* Called for every put, also one that is then dropped (online_task_lost). nonce: different for
 * every store object ever opened. */
void online_task_step(struct online_task *t, const struct online_epoch *ep, uint64_t nonce,
        struct online_step *out);
/* The step was queued; seq is its last call. */
void online_task_queued(struct online_task *t, const struct online_epoch *ep,
        const struct online_step *s, uint64_t seq);
/* Rows of the task did not and will not arrive. told: put answers so right now. */
void online_task_lost(struct online_task *t, bool told);
/* The store answered the call seq with ONLINE_GAP. */
void online_task_gap(struct online_task *t, uint64_t seq);
/* The caller was given the record; version NULL: there is none. */
void online_task_read(struct online_task *t, const char *version);

/* What the store says of the record after a call. */
enum online_answer {
	ONLINE_NONE,    /* it was not to be written */
	ONLINE_WRITTEN, /* or there already */
	ONLINE_STALE,   /* a newer one is there */
	ONLINE_GAP,     /* the store lost rows: not written */
};
/* The guard on the record, as Redis's function has it. stored, stored_token: "" when absent
 * (the token of a first step counts as stored). last: this is the epoch's last call. */
enum online_answer online_guard(const struct online_step *s, const char *version, bool last,
        const char *stored, const char *stored_token);
/* The guard on a row. stored: "" when there is none. */
bool online_row_allowed(const char *version, bool repair, const char *stored);

#endif
