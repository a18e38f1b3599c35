/* SPDX-License-Identifier: Apache-2.0
 *
 * Failpoints: named places in the protocol (EXACTLY-ONCE in docs/decisions/commit.md) where a
 * test may kill, stop, delay or fail the process, and named rules of it that a test may switch
 * off to see that their absence is noticed. Compiled in, off unless WEIR_FAILPOINT asks:
 *
 *   WEIR_FAILPOINT=name:action[:nth], several separated by commas
 *
 *   kill       SIGKILL to itself          error      the step fails, retriable
 *   stop       SIGSTOP to itself          delay:MS   it waits first
 *   off        of a rule: it is not kept
 *
 * nth: at the nth time only (default 1); `*`: every time. While none is asked for, one costs a
 * load and a branch that is never taken.
 */
#ifndef WEIR_BASE_FAILPOINT_H
#define WEIR_BASE_FAILPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum failpoint {
	/* Start or takeover, by its step. */
	FP_START_LOCKED,
	FP_START_INIT,
	FP_START_INITED,
	FP_START_OFFSETS,
	FP_START_BOUNDS,
	FP_START_REPLAY,
	FP_START_REPLAYED,
	FP_START_CHECK,
	FP_START_FIRST,
	FP_START_RUN,
	FP_START_FENCE,
	FP_START_WIPE,
	FP_START_WIPED,
	/* The epoch, by its step. */
	FP_EPOCH_PROCESSED,
	FP_EPOCH_BEGIN,
	FP_EPOCH_BEGUN,
	FP_EPOCH_CHANGELOG,
	FP_EPOCH_MARKER,
	FP_EPOCH_FLUSH,
	FP_EPOCH_OFFSETS,
	FP_EPOCH_COMMIT,
	FP_EPOCH_ANSWER,
	FP_EPOCH_COMMITTED,
	FP_EPOCH_OVERLAY,
	FP_EPOCH_ONLINE,
	FP_EPOCH_REINIT,
	FP_EPOCH_ABORT,
	FP_EPOCH_ABORTED,
	FP_EPOCH_UNKNOWN,
	/* The flush of the table to the local store. */
	FP_FLUSH_FROZEN,
	FP_FLUSH_WRITE,
	FP_FLUSH_WRITTEN,
	FP_FLUSH_COLLECTED,
	/* Beside the epoch. */
	FP_REPARTITION_DELETE,
	FP_REPARTITION_DELETED,
	FP_CHANGELOG_TRIM,
	FP_CHANGELOG_TRIMMED,
	FP_ONLINE_SEND,
	FP_ONLINE_SENT,
	FP_ONLINE_ANSWERED,
	FP_REBALANCE_ASSIGN,
	FP_REBALANCE_REVOKE,
	FP_REBALANCE_REVOKED,
	/* Rules. */
	FP_RULE_REINIT,
	FP_RULE_READ_UNKNOWN,
	FP_RULE_COMMIT_FIRST,
	FP_RULE_GENERATION,
	FP_RULE_HIGH_WATERMARK,
	FP_RULE_IDLE_OFFSETS,
	FP_RULE_ONLINE_LAST,
	FP_RULE_ONE_WRITE,
	FP_RULE_VERSION,
	FP_RULE_RECORD_TIME,
	FP_RULE_REPARTITION_KEEP,
	FP_RULE_FLUSH_INTERVAL,
	FP_COUNT
};

/* What is asked for; false and a message when it names nothing that there is. Call it once,
 * before there are threads. NULL: nothing. */
enum status failpoint_set(const char *text, struct error *e);
/* NULL past the last. */
const char *failpoint_name(int i);
const char *failpoint_help(int i);
bool failpoint_is_rule(int i);

extern bool failpoint_any;
enum status failpoint_hit(enum failpoint f, struct error *e);
bool failpoint_rule_off(enum failpoint f);

/* At a step that can fail. */
static inline enum status failpoint(enum failpoint f, struct error *e)
{
	return __builtin_expect(failpoint_any, 0) ? failpoint_hit(f, e) : ST_OK;
}

/* At a place that cannot: `error` does nothing there. */
static inline void failpoint_at(enum failpoint f)
{
	if (__builtin_expect(failpoint_any, 0))
		(void)failpoint_hit(f, NULL);
}

/* Whether a rule is kept: always, but in tests that show what it is for. */
static inline bool rule_kept(enum failpoint f)
{
	return !__builtin_expect(failpoint_any, 0) || !failpoint_rule_off(f);
}

#endif
