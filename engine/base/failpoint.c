// SPDX-License-Identifier: Apache-2.0
//
// The failpoints' table, what is asked of each, and doing it. What is asked for is set once at
// the start and only counted down afterwards, by any thread. Beside the log's sink and the
// signal flag this is the one global: a failpoint must be reachable where no context is. Not
// here: when to use them (tests/crash, tests/unit).
#include "base/failpoint.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define TEXT_MAX 2000

static const struct {
	const char *name, *help;
} points[FP_COUNT + 1] = {
        [FP_START_LOCKED] = {"start.locked",
                "the state directory is locked, its store not open"},
        [FP_START_INIT] = {"start.init", "before init_transactions"},
        [FP_START_INITED] = {"start.inited", "after init_transactions"},
        [FP_START_OFFSETS] = {"start.offsets", "before the group's offsets are asked for"},
        [FP_START_BOUNDS] = {"start.bounds",
                "before the changelog's high watermark is asked for"},
        [FP_START_REPLAY] = {"start.replay", "between two pages of the changelog"},
        [FP_START_REPLAYED] = {"start.replayed",
                "a replayed prefix becomes the committed state"},
        [FP_START_CHECK] = {"start.check",
                "before the marker is compared with the group's offset"},
        [FP_START_FIRST] = {"start.first", "a partition that has neither begins from nothing"},
        [FP_START_RUN] = {"start.run", "before a restored partition is fetched"},
        [FP_START_FENCE] = {"start.fence", "before a previous owner is fenced on demand"},
        [FP_START_WIPE] = {"start.wipe", "before the local copy is wiped"},
        [FP_START_WIPED] = {"start.wiped", "after it"},
        [FP_EPOCH_PROCESSED] = {"epoch.processed", "a batch is in the overlay"},
        [FP_EPOCH_BEGIN] = {"epoch.begin", "before the transaction begins"},
        [FP_EPOCH_BEGUN] = {"epoch.begun", "after it"},
        [FP_EPOCH_CHANGELOG] = {"epoch.changelog",
                "before a task's changelog rows are produced"},
        [FP_EPOCH_MARKER] = {"epoch.marker", "after its rows, before its marker"},
        [FP_EPOCH_FLUSH] = {"epoch.flush", "before all that was produced is waited for"},
        [FP_EPOCH_OFFSETS] = {"epoch.offsets", "before the offsets are added"},
        [FP_EPOCH_COMMIT] = {"epoch.commit", "after that, before the commit"},
        [FP_EPOCH_ANSWER] = {"epoch.answer",
                "the commit was called; as an error, its answer is lost"},
        [FP_EPOCH_COMMITTED] = {"epoch.committed", "committed, nothing of it done here yet"},
        [FP_EPOCH_OVERLAY] = {"epoch.overlay", "a task's overlay is its state; not yet online"},
        [FP_EPOCH_ONLINE] = {"epoch.online", "its online rows are handed over"},
        [FP_EPOCH_REINIT] = {"epoch.reinit", "before an ambiguous producer is replaced"},
        [FP_EPOCH_ABORT] = {"epoch.abort", "before the transaction is aborted"},
        [FP_EPOCH_ABORTED] = {"epoch.aborted", "after it, before going back"},
        [FP_EPOCH_UNKNOWN] = {"epoch.unknown", "a commit's outcome is not known"},
        [FP_FLUSH_FROZEN] = {"flush.frozen", "the dirty rows are frozen"},
        [FP_FLUSH_WRITE] = {"flush.write", "before they are written to the local store"},
        [FP_FLUSH_WRITTEN] = {"flush.written", "after it"},
        [FP_FLUSH_COLLECTED] = {"flush.collected", "the worker has taken notice"},
        [FP_REPARTITION_DELETE] = {"repartition.delete", "before what was taken in is deleted"},
        [FP_REPARTITION_DELETED] = {"repartition.deleted", "after it"},
        [FP_CHANGELOG_TRIM] = {"changelog.trim", "before what a snapshot replaced is deleted"},
        [FP_CHANGELOG_TRIMMED] = {"changelog.trimmed", "after it"},
        [FP_ONLINE_SEND] = {"online.send", "before calls are sent to Redis"},
        [FP_ONLINE_SENT] = {"online.sent", "after it"},
        [FP_ONLINE_ANSWERED] = {"online.answered", "Redis has answered a call"},
        [FP_REBALANCE_ASSIGN] = {"rebalance.assign", "partitions were assigned"},
        [FP_REBALANCE_REVOKE] = {"rebalance.revoke", "before a rebalance ends the epoch"},
        [FP_REBALANCE_REVOKED] = {"rebalance.revoked", "after the tasks were removed"},
        [FP_RULE_REINIT] = {"rule.reinit-after-ambiguity",
                "no transaction on a producer that saw an ambiguous call"},
        [FP_RULE_READ_UNKNOWN] = {"rule.read-unknown",
                "a commit's outcome is read, never taken from its return code"},
        [FP_RULE_COMMIT_FIRST] = {"rule.commit-first",
                "nothing is in the store before it committed"},
        [FP_RULE_GENERATION] = {"rule.generation", "offsets go with the group's generation"},
        [FP_RULE_HIGH_WATERMARK] = {"rule.high-watermark",
                "a replay ends at the high watermark, not at what is stable"},
        [FP_RULE_IDLE_OFFSETS] = {"rule.idle-offsets",
                "an epoch that consumed nothing sends its offsets again"},
        [FP_RULE_ONLINE_LAST] = {"rule.online-last", "nothing is online before it committed"},
        [FP_RULE_ONE_WRITE] = {"rule.one-write",
                "rows go into the store together with the marker of their epoch"},
        [FP_RULE_VERSION] = {"rule.version", "versions go up with every epoch"},
        [FP_RULE_RECORD_TIME] = {"rule.record-time",
                "times are the records', never the clock's"},
        [FP_RULE_REPARTITION_KEEP] = {"rule.repartition-keep",
                "a repartition topic keeps the newest of what was taken in"},
        [FP_RULE_FLUSH_INTERVAL] = {"rule.flush-interval",
                "changed rows are written to the local store every ten seconds"},
};

enum action { NONE, KILL, FAIL, STOP, DELAY, OFF };

static struct {
	enum action action;
	int delay_ms;
	atomic_int left; /* hits until it happens; INT_MAX: at each */
} asked[FP_COUNT];

bool failpoint_any;

const char *failpoint_name(int i)
{
	return points[i].name;
}

const char *failpoint_help(int i)
{
	return points[i].help;
}

bool failpoint_is_rule(int i)
{
	return strncmp(points[i].name, "rule.", 5) == 0;
}

static int find(const char *name)
{
	for (int i = 0; i < FP_COUNT; i++)
		if (strcmp(points[i].name, name) == 0)
			return i;
	return -1;
}

static enum action action_of(const char *word)
{
	static const char *const words[] = {"", "kill", "error", "stop", "delay", "off"};
	for (int i = 1; word && i < (int)(sizeof words / sizeof *words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum action)i;
	return NONE;
}

/* A whole number above 0; 0: it is none. */
static int number(const char *text)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;
	return text && *text && !*end && n > 0 && n < INT_MAX ? (int)n : 0;
}

static enum status ask(char *item, struct error *e)
{
	char *rest = item;
	const char *name = strsep(&rest, ":"), *word = strsep(&rest, ":");
	int i = find(name);
	enum action a = action_of(word);
	if (i < 0)
		return error_set(
		        e, ERR_USER, 0, "WEIR_FAILPOINT: there is no failpoint %s", name);
	if (a == NONE || (a == OFF) != failpoint_is_rule(i))
		return error_set(e, ERR_USER, 0, "WEIR_FAILPOINT: %s cannot be asked to %s",
		        name, word ? word : "do nothing");
	int delay = a == DELAY ? number(strsep(&rest, ":")) : 0;
	bool each = rest && strcmp(rest, "*") == 0;
	int nth = each ? INT_MAX : rest ? number(rest) : 1;
	if (!nth || (a == DELAY && !delay))
		return error_set(e, ERR_USER, 0, "WEIR_FAILPOINT: %s: not a number", name);
	asked[i].action = a;
	asked[i].delay_ms = delay;
	atomic_store(&asked[i].left, nth);
	failpoint_any = true;
	return ST_OK;
}

enum status failpoint_set(const char *text, struct error *e)
{
	char copy[TEXT_MAX], *rest = copy, *item;
	failpoint_any = false;
	for (int i = 0; i < FP_COUNT; i++)
		asked[i].action = NONE;
	if (!text || !*text)
		return ST_OK;
	if (strlen(text) >= sizeof copy)
		return error_set(
		        e, ERR_USER, 0, "WEIR_FAILPOINT is longer than %zu bytes", sizeof copy);
	strcpy(copy, text);
	while ((item = strsep(&rest, ",")))
		if (ask(item, e))
			return ST_ERR;
	return ST_OK;
}

static bool is_time(enum failpoint f)
{
	if (atomic_load(&asked[f].left) == INT_MAX)
		return true;
	return atomic_fetch_sub(&asked[f].left, 1) == 1;
}

enum status failpoint_hit(enum failpoint f, struct error *e)
{
	if (asked[f].action == NONE || !is_time(f))
		return ST_OK;
	LOG_WARN("failpoint", "%s", points[f].name); /* the last line of one that is killed */
	switch (asked[f].action) {
	case KILL:
		kill(getpid(), SIGKILL);
		break;
	case STOP:
		kill(getpid(), SIGSTOP);
		break;
	case DELAY:
		usleep((useconds_t)asked[f].delay_ms * 1000);
		break;
	case FAIL:
		return error_set(e, ERR_RETRIABLE, 0, "failpoint %s", points[f].name);
	case NONE:
	case OFF:
		break;
	}
	return ST_OK;
}

bool failpoint_rule_off(enum failpoint f)
{
	return asked[f].action == OFF;
}
