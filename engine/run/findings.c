// SPDX-License-Identifier: Apache-2.0
//
// From numbers to sentences. Each rule looks at one kind of trouble and adds at most a few
// findings; thresholds are named in the header. It never guesses: when the cause is not visible
// in the snapshot, `why` stays empty.
#include "run/findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"

#define LAG_TASKS_MAX 3 /* the worst ones; the page has the whole table */

struct findings {
	const struct snapshot *s;
	const struct snapshot_job *j;
	struct snapshot_totals totals;
	struct finding *out;
	uint32_t n;
};

const char *finding_kind_name(enum finding_kind k)
{
	static const char *const names[] = {[FIND_FAILED] = "failed",
	        [FIND_LAG] = "lag",
	        [FIND_HELD] = "held",
	        [FIND_DIED] = "died",
	        [FIND_LATE] = "late",
	        [FIND_STALE] = "stale",
	        [FIND_ONLINE] = "online",
	        [FIND_DRIFT] = "drift"};
	return names[k];
}

const char *finding_level_name(enum finding_level l)
{
	static const char *const names[] = {
	        [LEVEL_NOTE] = "note", [LEVEL_WARN] = "warn", [LEVEL_BAD] = "bad"};
	return names[l];
}

/* The place for a new finding; the last one is overwritten when there is no more room. */
static struct finding *add(struct findings *f, enum finding_kind kind, enum finding_level level,
        const char *subject)
{
	struct finding *n = &f->out[f->n < FINDINGS_MAX ? f->n++ : FINDINGS_MAX - 1];
	*n = (struct finding){.kind = kind, .level = level};
	snprintf(n->subject, sizeof n->subject, "%s", subject);
	return n;
}

__attribute__((format(printf, 3, 4))) static void say(
        char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(out, size, fmt, ap);
	va_end(ap);
}
#define TEXT(n, ...) say((n)->text, sizeof(n)->text, __VA_ARGS__)
#define WHY(n, ...) say((n)->why, sizeof(n)->why, __VA_ARGS__)

static void find_failed(struct findings *f)
{
	if (f->j->state == JOB_FAILED || (f->j->state == JOB_STARTING && f->j->error)) {
		bool failed = f->j->state == JOB_FAILED;
		struct finding *n =
		        add(f, FIND_FAILED, failed ? LEVEL_BAD : LEVEL_WARN, f->j->name);
		TEXT(n, failed ? "The job has stopped." : "The job cannot start yet.");
		WHY(n, "%s", f->j->error ? f->j->error : "");
	}
	if (!f->s->broker_up) {
		struct finding *n = add(f, FIND_FAILED, LEVEL_BAD, "Kafka");
		TEXT(n, "No broker answers; it is being retried.");
		WHY(n, "%s", f->s->broker_error ? f->s->broker_error : "");
	}
	for (uint32_t i = 0; i < f->j->ntasks; i++) {
		const struct snapshot_task *t = &f->j->tasks[i];
		if (t->state != TASK_FAILED)
			continue;
		struct finding *n = add(f, FIND_FAILED, LEVEL_BAD, t->name);
		TEXT(n, "%s has stopped.", t->name);
		WHY(n, "%s", t->last_error ? t->last_error : "");
	}
}

static bool task_fetch_paused(const struct snapshot_task *t)
{
	for (uint32_t i = 0; i < t->ninputs; i++)
		if (t->inputs[i].paused)
			return true;
	return false;
}

/* Most of the lag of its stage is here, and there are others. */
static bool task_is_hot(const struct snapshot_job *j, const struct snapshot_task *t)
{
	int64_t others = 0;
	uint32_t n = 0;
	for (uint32_t i = 0; i < j->ntasks; i++) {
		const struct snapshot_task *o = &j->tasks[i];
		if (o == t || strcmp(o->stage, t->stage) != 0 || o->lag_records < 0)
			continue;
		others += o->lag_records;
		n++;
	}
	return n > 0 && t->lag_records > 4 * others;
}

static void restore_why(struct finding *n, const struct snapshot_task *t)
{
	char left[HUMAN_MAX], rows[HUMAN_MAX];
	double share = t->restore_rows_total
	                       ? 100.0 * (double)t->restore_rows / (double)t->restore_rows_total
	                       : 0;
	WHY(n, "It restores its state: %.0f %% of %s rows%s%s%s.", share,
	        human_count(rows, t->restore_rows_total), t->restore_eta_ms >= 0 ? ", " : "",
	        t->restore_eta_ms >= 0 ? human_duration(left, t->restore_eta_ms) : "",
	        t->restore_eta_ms >= 0 ? " to go" : "");
}

static void lag_why(struct findings *f, struct finding *n, const struct snapshot_task *t)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];
	int64_t since =
	        t->last_commit_ms == SNAPSHOT_NONE ? -1 : f->s->now_ms - t->last_commit_ms;
	bool overdue =
	        f->j->commit_ms > 0 && since > FINDING_COMMIT_INTERVALS * f->j->commit_ms;
	if (t->state == TASK_FAILED)
		WHY(n, "It has stopped: %s",
		        t->last_error ? t->last_error : "no reason is known.");
	else if (f->j->state == JOB_PAUSED || t->state == TASK_PAUSED)
		WHY(n, "The job is paused.");
	else if (t->state == TASK_RESTORING)
		restore_why(n, t);
	else if (!f->s->broker_up)
		WHY(n, "No Kafka broker answers.");
	else if (t->waits_for)
		WHY(n, "It waits: %s.", t->waits_for);
	else if (task_fetch_paused(t))
		WHY(n, "Its input is not fetched now: a queue behind it is full.");
	else if (overdue)
		WHY(n, "Its last commit was %s ago; the interval is %s.%s%s",
		        human_duration(a, since), human_duration(b, f->j->commit_ms),
		        t->last_error ? " Last error: " : "",
		        t->last_error ? t->last_error : "");
	else if (f->j->commit_ms > 0 && t->commit_took_ms * 2 > (double)f->j->commit_ms)
		WHY(n, "Commits take %s of every %s.",
		        human_duration(a, (int64_t)t->commit_took_ms),
		        human_duration(b, f->j->commit_ms));
	else if (task_is_hot(f->j, t))
		WHY(n, "Nearly all of its stage's lag is in this partition: its keys are "
		       "hotter than "
		       "the others'.");
	else if (t->records_per_s > 0)
		WHY(n, "It works at %s records a second, which is less than what has come in.",
		        human_count(a, (uint64_t)t->records_per_s));
}

static double catch_up_s(const struct snapshot_task *t)
{
	if (t->lag_records <= 0)
		return 0;
	return t->records_per_s > 0 ? (double)t->lag_records / t->records_per_s : 1e9;
}

static bool task_lags(const struct snapshot_task *t)
{
	if (t->state == TASK_ELSEWHERE || t->lag_records <= 0)
		return false;
	return t->state == TASK_RESTORING || t->records_per_s <= 0 ||
	       (t->lag_records > FINDING_LAG_RECORDS && catch_up_s(t) > FINDING_LAG_S);
}

static void add_lag(struct findings *f, const struct snapshot_task *t)
{
	char lag[HUMAN_MAX], left[HUMAN_MAX];
	bool moves = t->records_per_s > 0;
	bool wanted = t->state == TASK_RESTORING || f->j->state == JOB_PAUSED;
	bool bad = !wanted && (!moves || catch_up_s(t) > 600);
	struct finding *n = add(f, FIND_LAG,
	        wanted ? LEVEL_NOTE
	        : bad  ? LEVEL_BAD
	               : LEVEL_WARN,
	        t->name);
	human_count(lag, (uint64_t)t->lag_records);
	const char *plural = t->lag_records == 1 ? "" : "s";
	if (moves)
		TEXT(n, "%s is %s record%s behind, %s of work at its present rate.", t->name,
		        lag, plural, human_duration(left, (int64_t)(catch_up_s(t) * 1000)));
	else
		TEXT(n, "%s is %s record%s behind%s.", t->name, lag, plural,
		        wanted ? "" : " and does not move");
	lag_why(f, n, t);
}

static int by_lag(const void *a, const void *b)
{
	const struct snapshot_task *const *x = a, *const *y = b;
	return ((*x)->lag_records < (*y)->lag_records) -
	       ((*x)->lag_records > (*y)->lag_records);
}

static void find_lag(struct findings *f)
{
	const struct snapshot_task **lags = xcalloc(f->j->ntasks, sizeof *lags);
	uint32_t n = 0;
	for (uint32_t i = 0; i < f->j->ntasks; i++)
		if (task_lags(&f->j->tasks[i]))
			lags[n++] = &f->j->tasks[i];
	qsort(lags, n, sizeof *lags, by_lag);
	for (uint32_t i = 0; i < n && i < LAG_TASKS_MAX; i++)
		add_lag(f, lags[i]);
	free(lags);
}

static void held_why(struct finding *n, const struct snapshot_task *t)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];
	const struct snapshot_input *slow = NULL;
	for (uint32_t i = 0; i < t->ninputs; i++)
		if (!slow || t->inputs[i].stream_time_ms < slow->stream_time_ms)
			slow = &t->inputs[i];
	if (!slow)
		return;
	if (slow->stream_time_ms == SNAPSHOT_NONE)
		WHY(n, "%s[%d] has had no record yet.", slow->topic, (int)slow->partition);
	else if (slow->end > slow->offset && slow->offset >= 0)
		WHY(n, "%s[%d] is at %s with %s records still to read.", slow->topic,
		        (int)slow->partition, human_time(a, slow->stream_time_ms),
		        human_count(b, (uint64_t)(slow->end - slow->offset)));
	else
		WHY(n, "%s[%d] is read to its end: its newest event is of %s.", slow->topic,
		        (int)slow->partition, human_time(a, slow->stream_time_ms));
}

static void find_held(struct findings *f)
{
	const struct snapshot_task *last = NULL;
	int64_t newest = SNAPSHOT_NONE;
	for (uint32_t i = 0; i < f->j->ntasks; i++) {
		const struct snapshot_task *t = &f->j->tasks[i];
		if (t->watermark_ms == SNAPSHOT_NONE)
			continue;
		newest = t->watermark_ms > newest ? t->watermark_ms : newest;
		if (!last || t->watermark_ms < last->watermark_ms)
			last = t;
	}
	if (!last || newest - last->watermark_ms <= FINDING_HELD_MS)
		return;
	char behind[HUMAN_MAX];
	struct finding *n = add(f, FIND_HELD, LEVEL_NOTE, last->name);
	TEXT(n, "%s%s%s holds time back: it is %s behind the newest watermark.", last->name,
	        last->held_by ? ", through " : "", last->held_by ? last->held_by : "",
	        human_duration(behind, newest - last->watermark_ms));
	held_why(n, last);
}

static int by_count(const void *a, const void *b)
{
	const struct snapshot_count *x = a, *y = b;
	return (x->count < y->count) - (x->count > y->count);
}

/* Most frequent first. */
static void dead_reasons(const struct snapshot_job *j, char *out, size_t size)
{
	char count[HUMAN_MAX];
	struct snapshot_count *sorted = xcalloc(j->ndead, sizeof *sorted);
	if (j->ndead)
		memcpy(sorted, j->dead, j->ndead * sizeof *sorted);
	qsort(sorted, j->ndead, sizeof *sorted, by_count);
	size_t at = 0;
	for (uint32_t i = 0; i < j->ndead && sorted[i].count && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s %s", at ? ", " : "",
		        human_count(count, sorted[i].count), sorted[i].reason);
	free(sorted);
}

static void find_died(struct findings *f)
{
	if (!f->totals.dead)
		return;
	char count[HUMAN_MAX], reasons[180] = "";
	bool many = f->totals.dead * 100 > f->j->records;
	struct finding *n = add(f, FIND_DIED, many ? LEVEL_BAD : LEVEL_WARN, "dead letters");
	dead_reasons(f->j, reasons, sizeof reasons);
	TEXT(n, "%s dead letter%s: %s.", human_count(count, f->totals.dead),
	        f->totals.dead == 1 ? "" : "s", reasons);
	if (f->j->ndead_samples) {
		const struct snapshot_dead *d = &f->j->dead_samples[0];
		WHY(n, "The last one, %s[%d]@%" PRId64 ": %s%s%s", d->topic, (int)d->partition,
		        d->offset, d->reason, d->detail ? ": " : "",
		        d->detail ? d->detail : "");
	}
}

static void find_late(struct findings *f)
{
	if (!f->j->late)
		return;
	char late[HUMAN_MAX], all[HUMAN_MAX];
	double share = f->j->records ? 100.0 * (double)f->j->late / (double)f->j->records : 100;
	struct finding *n =
	        add(f, FIND_LATE, share > 1 ? LEVEL_WARN : LEVEL_NOTE, "late records");
	TEXT(n, "%s late record%s, %.2g %% of %s.", human_count(late, f->j->late),
	        f->j->late == 1 ? "" : "s", share, human_count(all, f->j->records));
	if (share > 1)
		WHY(n, "They were older than their source's `lateness` allows.");
}

static void stale_why(struct findings *f, struct finding *n)
{
	char lag[HUMAN_MAX];
	if (f->j->state == JOB_PAUSED || f->j->state == JOB_FAILED ||
	        f->j->state == JOB_RESTORING)
		WHY(n, "The job is %s.", job_state_name(f->j->state));
	else if (!f->s->broker_up)
		WHY(n, "No Kafka broker answers.");
	else if (f->totals.lag_records > FINDING_LAG_RECORDS)
		WHY(n, "Its job is %s records behind.",
		        human_count(lag, (uint64_t)f->totals.lag_records));
	else if (f->totals.lag_records >= 0)
		WHY(n, "Its input is read to the end: no event has come for it.");
}

static void find_stale(struct findings *f)
{
	for (uint32_t i = 0; i < f->j->nviews; i++) {
		const struct snapshot_view *v = &f->j->views[i];
		int64_t age =
		        v->known_at_ms == SNAPSHOT_NONE ? -1 : f->s->now_ms - v->known_at_ms;
		if (!v->freshness_ms || (age >= 0 && age <= v->freshness_ms))
			continue;
		char is[HUMAN_MAX], promise[HUMAN_MAX];
		struct finding *n = add(f, FIND_STALE, LEVEL_BAD, v->name);
		human_duration(promise, v->freshness_ms);
		if (age < 0)
			TEXT(n, "%s has no row yet; it promises %s.", v->name, promise);
		else
			TEXT(n, "%s is %s old; it promises %s.", v->name,
			        human_duration(is, age), promise);
		stale_why(f, n);
	}
}

static void find_online(struct findings *f)
{
	char size[HUMAN_MAX];
	uint64_t dropped = 0;
	for (uint32_t i = 0; i < f->j->nviews; i++)
		dropped += f->j->views[i].online_dropped;
	if (!f->s->online_up) {
		struct finding *n = add(f, FIND_ONLINE, LEVEL_BAD, "online store");
		TEXT(n, "The online store does not answer; %s wait for it. Kafka goes on.",
		        human_bytes(size, f->s->online_backlog_bytes));
		WHY(n, "%s", f->s->online_error ? f->s->online_error : "");
	} else if (dropped) {
		struct finding *n = add(f, FIND_ONLINE, LEVEL_NOTE, "online store");
		TEXT(n, "%s rows did not fit the backlog; repair rewrites them.",
		        human_count(size, dropped));
	}
}

static void find_drift(struct findings *f)
{
	char n[HUMAN_MAX];
	uint32_t firing = f->j->alerts_firing;
	if (!firing)
		return;
	TEXT(add(f, FIND_DRIFT, LEVEL_WARN, "monitors"), "%s alert%s of its monitors fire%s.",
	        human_count(n, firing), firing == 1 ? "" : "s", firing == 1 ? "s" : "");
}

static int worst_first(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	if (x->level != y->level)
		return (int)y->level - (int)x->level;
	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return strcmp(x->subject, y->subject);
}

uint32_t findings_of(const struct snapshot *s, const struct snapshot_job *j,
        struct finding out[FINDINGS_MAX])
{
	struct findings f = {.s = s, .j = j, .out = out};
	snapshot_totals(j, &f.totals);
	find_lag(&f);
	find_held(&f);
	find_died(&f);
	find_late(&f);
	find_stale(&f);
	find_online(&f);
	find_drift(&f);
	find_failed(&f);
	qsort(out, f.n, sizeof *out, worst_first);
	return f.n;
}
