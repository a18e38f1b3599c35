/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of run/online.h that do not depend on the store: version text, and each task's way
 * between in step, behind and in repair.
 *
 * Invariants: a record is only sent with the version queued before it (prev), so the store can
 * refuse it when it stands below; a task that fell behind tells its caller before it accepts a
 * repair, so that a repair under way when rows were lost is started anew. Does no I/O and knows
 * no lock.
 */
#include "run/online_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/arena.h"

static void digits(char *out, int n, uint64_t v)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		out[i] = (char)('0' + v % 10);
	INVARIANT(v == 0);
}

void online_version_format(char out[ONLINE_VERSION_BYTES + 1], int64_t incarnation_ms,
        int64_t epoch, uint32_t sequence)
{
	INVARIANT(incarnation_ms >= 0 && epoch >= 0);
	digits(out, 14, (uint64_t)incarnation_ms);
	digits(out + 14, 14, (uint64_t)epoch);
	digits(out + 28, 6, sequence);
	out[ONLINE_VERSION_BYTES] = 0;
}

struct online_task *online_tasks_get(struct online_tasks *ts, const char *name)
{
	uint64_t hash = XXH64(name, strlen(name), 0);
	for (uint32_t i = 0; i < ts->n; i++)
		if (ts->v[i]->hash == hash && strcmp(ts->v[i]->name, name) == 0)
			return ts->v[i];
	if (ts->n == ts->cap) {
		ts->cap = ts->cap ? ts->cap * 2 : 16;
		ts->v = xrealloc(ts->v, ts->cap * sizeof(*ts->v));
	}
	struct online_task *t = xcalloc(1, sizeof(*t));
	t->name = xstrdup(name);
	t->hash = hash;
	ts->v[ts->n++] = t;
	return t;
}

void online_tasks_release(struct online_tasks *ts)
{
	for (uint32_t i = 0; i < ts->n; i++) {
		free(ts->v[i]->name);
		free(ts->v[i]);
	}
	free(ts->v);
	memset(ts, 0, sizeof(*ts));
}

void online_task_step(struct online_task *t, const struct online_epoch *ep, uint64_t nonce,
        struct online_step *out)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(ep->record.version, t->tried) > 0)
		memcpy(t->tried, ep->record.version, sizeof(t->tried));
	if (t->state == ONLINE_BEHIND && (!t->told || !ep->repair)) {
		t->told = true;
		return;
	}
	out->accept = true;
	if (ep->repair && t->state != ONLINE_REPAIR) {
		t->state = ONLINE_REPAIR;
		snprintf(t->token, sizeof(t->token), "%016llx%08x", (unsigned long long)nonce,
		        ++t->repairs);
		out->first = true;
	}
	out->record =
	        ep->record.offsets[0] && (ep->repair || (t->known && t->state == ONLINE_SYNC));
	if (ep->repair)
		memcpy(out->token, t->token, sizeof(out->token));
	else
		memcpy(out->prev, t->last, sizeof(out->prev));
}

void online_task_queued(struct online_task *t, const struct online_epoch *ep,
        const struct online_step *s, uint64_t seq)
{
	t->queued_seq = seq;
	if (!s->record)
		return;
	memcpy(t->last, ep->record.version, sizeof(t->last));
	if (ep->repair) {
		t->state = ONLINE_SYNC;
		t->known = true;
		t->repaired_seq = seq;
	}
}

void online_task_lost(struct online_task *t, bool told)
{
	t->state = ONLINE_BEHIND;
	t->told = told;
}

void online_task_gap(struct online_task *t, uint64_t seq)
{
	/* A repair queued after that call has its own answer to come. */
	if (seq >= t->repaired_seq && t->state != ONLINE_BEHIND)
		online_task_lost(t, false);
}

void online_task_read(struct online_task *t, const char *version)
{
	t->known = true;
	if (t->state == ONLINE_BEHIND)
		t->told = true;
	if (version && strcmp(version, t->tried) >= 0)
		t->state = ONLINE_SYNC;
	if (version && strcmp(version, t->last) > 0)
		snprintf(t->last, sizeof(t->last), "%s", version);
}

enum online_answer online_guard(const struct online_step *s, const char *version, bool last,
        const char *stored, const char *stored_token)
{
	bool ours = s->token[0] && strcmp(stored_token, s->token) == 0;
	if (!s->record || !last)
		return s->token[0] && !ours ? ONLINE_GAP : ONLINE_NONE;
	int order = strcmp(stored, version);
	if (order > 0)
		return ONLINE_STALE;
	bool whole = s->token[0] ? order == 0 || ours : strcmp(stored, s->prev) >= 0;
	return whole ? ONLINE_WRITTEN : ONLINE_GAP;
}

bool online_row_allowed(const char *version, bool repair, const char *stored)
{
	int order = strcmp(stored, version);
	return order < 0 || (repair && order == 0);
}
