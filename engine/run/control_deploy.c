// SPDX-License-Identifier: Apache-2.0
//
// What may be deployed over what. A view's version stands for one plan, for ever: rows in its
// offline topic, state and Redis under that version all mean the same. So another plan needs
// another version; only what results do not depend on may change under the same one.
#include "run/control.h"

#include <stdlib.h>
#include <string.h>

#define DIFF_LINES_MAX 1000 /* of each text; further ones are not shown */

/* -- differences -- */

static uint32_t lines_of(const char *text, struct slice *out)
{
	uint32_t n = 0;
	while (*text && n < DIFF_LINES_MAX) {
		size_t len = strcspn(text, "\n");
		out[n++] = (struct slice){(const uint8_t *)text, (uint32_t)len};
		text += len + (text[len] == '\n');
	}
	return n;
}

static void line_add(struct buf *out, char sign, struct slice s)
{
	buf_printf(out, "%c%.*s\n", sign, (int)s.len, (const char *)s.p);
}

void control_diff(struct buf *out, const char *before, const char *after)
{
	struct slice *a = xcalloc(2 * DIFF_LINES_MAX, sizeof *a), *b = a + DIFF_LINES_MAX;
	uint32_t n = lines_of(before, a), m = lines_of(after, b);
	/* Longest common subsequence of what is left of both. */
	uint16_t *lcs = xcalloc((size_t)(n + 1) * (m + 1), sizeof *lcs);
	uint32_t w = m + 1, i, j;
	for (i = n; i-- > 0;)
		for (j = m; j-- > 0;) {
			uint16_t down = lcs[(i + 1) * w + j], right = lcs[i * w + j + 1];
			lcs[i * w + j] = slice_eq(a[i], b[j]) ? lcs[(i + 1) * w + j + 1] + 1
			                 : down > right       ? down
			                                      : right;
		}
	for (i = j = 0; i < n || j < m;) {
		if (i < n && j < m && slice_eq(a[i], b[j])) {
			line_add(out, ' ', a[i++]);
			j++;
		} else if (i < n && (j == m || lcs[(i + 1) * w + j] >= lcs[i * w + j + 1])) {
			line_add(out, '-', a[i++]);
		} else {
			line_add(out, '+', b[j++]);
		}
	}
	free(lcs);
	free(a);
}

/* -- the rule -- */

/* The plan that is deployed under this name and version; NULL: none. */
static const char *plan_deployed(
        const struct control_job *old, const struct job *parsed, const struct view *v)
{
	for (uint32_t i = 0; parsed && i < parsed->nviews; i++)
		if (!strcmp(parsed->views[i].name, v->name) &&
		        parsed->views[i].version == v->version)
			return parsed->views[i].plan_text;
	for (uint32_t i = 0; i < old->nviews; i++)
		if (!strcmp(old->views[i].name, v->name) && old->views[i].version == v->version)
			return old->views[i].plan;
	return NULL;
}

static void diff_view(struct buf *diff, const struct view *v, const char *before)
{
	if (!diff)
		return;
	buf_printf(diff, "--- %s v%u as deployed\n+++ %s v%u\n", v->name, v->version, v->name,
	        v->version);
	control_diff(diff, before, v->plan_text);
}

/* A view that was taken out of the job has missed events since: its state would go on as if they
 * had not been, and not the same way where it is local and where it is restored. */
static enum control_answer check_returned(
        const struct control_job *old, const struct job *job, struct error *e)
{
	for (uint32_t i = 0; i < job->nviews; i++)
		for (uint32_t k = 0; k < old->nviews; k++) {
			const struct view *v = &job->views[i];
			const struct control_view *was = &old->views[k];
			if (was->live || was->version != v->version || strcmp(was->name, v->name))
				continue;
			error_set(e, ERR_USER, 0,
			        "job %s: view %s v%u was taken out of it by a later deploy and has "
			        "missed events since; give it a new version",
			        job->name, v->name, v->version);
			return CONTROL_CONFLICT;
		}
	return CONTROL_OK;
}

enum control_answer control_check_update(const struct control_job *old, const struct job *job,
        const struct lang_env *env, struct buf *diff, struct error *e)
{
	if (!old)
		return CONTROL_OK;
	/* The stored text was written by the weir that deployed it: reading the definition anew
	 * compares what this program makes of both. */
	struct job *parsed = NULL;
	struct diagnostics d;
	diagnostics_init(&d);
	if (env && job_parse(slice_of(old->yaml), old->name, NULL, env, &parsed, &d))
		parsed = NULL;
	diagnostics_release(&d);
	const struct view *first = NULL;
	uint32_t n = 0;
	for (uint32_t i = 0; i < job->nviews; i++) {
		const struct view *v = &job->views[i];
		const char *before = plan_deployed(old, parsed, v);
		if (!before || !strcmp(before, v->plan_text))
			continue;
		first = n++ ? first : v;
		diff_view(diff, v, before);
	}
	job_free(parsed);
	if (!n)
		return check_returned(old, job, e);
	error_set(e, ERR_USER, 0,
	        "job %s: %u view%s changed the plan under the same version (%s v%u%s): only "
	        "owner, "
	        "description and freshness may change; give it a new version",
	        job->name, n, n > 1 ? "s" : "", first->name, first->version,
	        n > 1 ? ", …" : "");
	return CONTROL_CONFLICT;
}

static enum control_answer views_free(
        const struct control_jobs *jobs, const struct job *job, struct error *e)
{
	for (uint32_t i = 0; i < jobs->n; i++) {
		const struct control_job *other = &jobs->items[i];
		if (!strcmp(other->name, job->name))
			continue;
		for (uint32_t k = 0; k < other->nviews; k++)
			for (uint32_t v = 0; v < job->nviews; v++) {
				if (!other->views[k].live ||
				        strcmp(other->views[k].name, job->views[v].name))
					continue;
				error_set(e, ERR_USER, 0,
				        "view %s belongs to job %s already: view names are "
				        "unique",
				        job->views[v].name, other->name);
				return CONTROL_CONFLICT;
			}
	}
	return CONTROL_OK;
}

/* -- writing -- */

static bool version_of(const struct job *job, const struct control_view *old)
{
	for (uint32_t i = 0; i < job->nviews; i++)
		if (!strcmp(job->views[i].name, old->name) &&
		        job->views[i].version == old->version)
			return true;
	return false;
}

/* The definition's views, then the versions that were before it. */
static void views_merge(struct control_job *out, const struct job *job,
        const struct control_job *old, struct arena *a)
{
	uint32_t nold = old ? old->nviews : 0;
	out->views = arena_calloc(a, job->nviews + nold + 1, sizeof *out->views);
	for (uint32_t i = 0; i < job->nviews; i++)
		out->views[out->nviews++] = (struct control_view){job->views[i].name,
		        job->views[i].version, true, job->views[i].plan_text};
	for (uint32_t i = 0; i < nold && out->nviews < CONTROL_VERSIONS_MAX; i++) {
		if (version_of(job, &old->views[i]))
			continue;
		out->views[out->nviews] = old->views[i];
		out->views[out->nviews++].live = false;
	}
}

static enum control_answer job_write(
        const struct control *c, struct control_job *j, struct error *e)
{
	char topic[256];
	struct buf value = {0};
	j->updated_ms = clock_wall_ms(c->clock);
	control_encode(j, &value);
	struct slice v = buf_view(&value);
	enum status st = c->log->put(c->broker, control_topic(c->prefix, topic), 0,
	        slice_of(j->name), &v, &j->offset, e);
	buf_release(&value);
	return st ? CONTROL_OUTSIDE : CONTROL_OK;
}

static enum control_answer deploy_over(const struct control *c, const struct control_jobs *jobs,
        const struct job *job, struct buf *diff, struct error *e)
{
	const struct control_job *old = control_find(jobs, job->name);
	enum control_answer ans = views_free(jobs, job, e);
	if (ans == CONTROL_OK)
		ans = control_check_update(old, job, c->env, diff, e);
	if (ans != CONTROL_OK)
		return ans;
	if (old && !strcmp(old->yaml, job->text))
		return CONTROL_UNCHANGED;
	struct arena a;
	arena_init(&a);
	struct control_job j = {
	        .name = job->name, .yaml = job->text, .paused = old && old->paused};
	views_merge(&j, job, old, &a);
	ans = job_write(c, &j, e);
	arena_release(&a);
	return ans;
}

static bool topic_there(const struct control *c, struct error *e)
{
	struct control_reader *r;
	if (control_open(c, true, &r, e))
		return false;
	control_close(r);
	return true;
}

enum control_answer control_deploy(
        const struct control *c, const struct job *job, struct buf *diff, struct error *e)
{
	struct control_jobs jobs;
	if (!topic_there(c, e) || control_list(c, &jobs, e))
		return CONTROL_OUTSIDE;
	enum control_answer ans = deploy_over(c, &jobs, job, diff, e);
	control_jobs_release(&jobs);
	return ans;
}

/* NULL, with *ans set, when it is not there. */
static const struct control_job *find_or_say(const struct control *c, struct control_jobs *jobs,
        const char *name, enum control_answer *ans, struct error *e)
{
	*ans = CONTROL_OUTSIDE;
	if (control_list(c, jobs, e))
		return NULL;
	const struct control_job *j = control_find(jobs, name);
	if (!j) {
		*ans = CONTROL_NO_JOB;
		error_set(e, ERR_USER, 0, "no job %s is deployed", name);
		control_jobs_release(jobs);
	}
	return j;
}

enum control_answer control_pause(
        const struct control *c, const char *job, bool paused, struct error *e)
{
	struct control_jobs jobs;
	enum control_answer ans;
	const struct control_job *old = find_or_say(c, &jobs, job, &ans, e);
	if (!old)
		return ans;
	struct control_job j = *old;
	j.paused = paused;
	ans = old->paused == paused ? CONTROL_UNCHANGED : job_write(c, &j, e);
	control_jobs_release(&jobs);
	return ans;
}

enum control_answer control_remove(const struct control *c, const char *job, struct error *e)
{
	struct control_jobs jobs;
	enum control_answer ans;
	char topic[256];
	int64_t offset;
	if (!find_or_say(c, &jobs, job, &ans, e))
		return ans;
	ans = c->log->put(c->broker, control_topic(c->prefix, topic), 0, slice_of(job), NULL,
	              &offset, e)
	              ? CONTROL_OUTSIDE
	              : CONTROL_OK;
	control_jobs_release(&jobs);
	return ans;
}
