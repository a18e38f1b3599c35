// SPDX-License-Identifier: Apache-2.0
//
// From bytes to a checked job: size, YAML, keys, expressions, and the self-contained text that
// is stored. Limits come first, so that a hostile file costs no more than reading it.
#include "lang/check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An error about the file as a whole. */
static enum status fail(
        struct diagnostics *d, const char *path, const char *message, const char *suggestion)
{
	diagnostics_add(d, &(struct diagnostic){
	                           .file = path, .message = message, .suggestion = suggestion});
	return ST_ERR;
}

/* ---- the stored text */

static int by_start(const void *x, const void *y)
{
	const struct inlined *a = *(const struct inlined *const *)x,
	                     *b = *(const struct inlined *const *)y;
	return (a->node->start > b->node->start) - (a->node->start < b->node->start);
}

/* The bytes of a scalar with its quotes; block scalars end before their last line break. */
static void scalar_span(
        const struct check *c, const struct yaml_node *n, uint32_t *start, uint32_t *end)
{
	*start = n->start;
	*end = n->end;
	if (n->style == YAML_SINGLE || n->style == YAML_DOUBLE) {
		(*start)--;
		(*end)++;
	}
	while (*end > *start &&
	        (c->doc.text.p[*end - 1] == '\n' || c->doc.text.p[*end - 1] == '\r'))
		(*end)--;
}

static void inlined_write(struct buf *b, const struct inlined *in)
{
	if (!in->quoted) {
		buf_str(b, in->json);
		return;
	}
	buf_byte(b, '\'');
	for (const char *p = in->json; *p; p++) {
		if (*p == '\'')
			buf_byte(b, '\'');
		buf_byte(b, (uint8_t)*p);
	}
	buf_byte(b, '\'');
}

/* Each name of a file is replaced, where it stands, by its JSON on one line: comments and line
 * numbers stay as the user wrote them. */
const char *job_text(struct check *c)
{
	const struct inlined *all[JOB_VIEWS_MAX + JOB_MONITORS_MAX];
	uint32_t n = 0, at = 0, start, end;
	for (const struct inlined *i = c->inlined; i && n < JOB_VIEWS_MAX + JOB_MONITORS_MAX; i = i->next)
		all[n++] = i;
	qsort(all, n, sizeof *all, by_start);
	struct buf b;
	buf_init(&b);
	for (uint32_t i = 0; i < n; i++) {
		if (i && all[i]->node == all[i - 1]->node) /* behind an alias */
			continue;
		scalar_span(c, all[i]->node, &start, &end);
		buf_add(&b, c->doc.text.p + at, start - at);
		inlined_write(&b, all[i]);
		at = end;
	}
	buf_add(&b, c->doc.text.p + at, c->doc.text.len - at);
	const char *text = arena_strndup(c->a, (const char *)b.p, b.len);
	buf_release(&b);
	return text;
}

/* ---- parsing */

static int by_place(const struct diagnostic *a, const struct diagnostic *b)
{
	int la = a->line ? a->line : INT32_MAX, lb = b->line ? b->line : INT32_MAX;
	return la != lb ? (la > lb) - (la < lb)
	                : (a->column > b->column) - (a->column < b->column);
}

/* Errors from number `from` on, in the order of the file; stable, and few. */
static void sort_errors(struct diagnostics *d, uint32_t from)
{
	for (uint32_t i = from + 1; i < d->n; i++)
		for (uint32_t j = i; j > from && by_place(&d->items[j - 1], &d->items[j]) > 0;
		        j--) {
			struct diagnostic swap = d->items[j];
			d->items[j] = d->items[j - 1];
			d->items[j - 1] = swap;
		}
}

static struct slice without_bom(struct slice s)
{
	if (s.len >= 3 && memcmp(s.p, "\xEF\xBB\xBF", 3) == 0)
		return (struct slice){s.p + 3, s.len - 3};
	return s;
}

static void check_document(struct check *c)
{
	const struct yaml_node *root = c->doc.root;
	if (!root || yaml_is_null(root)) {
		fail(c->d, c->doc.path, "the job file is empty", NULL);
		return;
	}
	check_map(c, root, root, job_keys, c->job, "the job file");
	if (c->d->n == c->errors && !c->job->nviews && !c->job->nmonitors)
		check_error(c, root, NULL, "the job file needs the key 'views', or 'monitors'");
	if (c->d->n == c->errors)
		c->job->text = job_text(c);
	if (c->job->text && strlen(c->job->text) > JOB_STORED_BYTES_MAX)
		fail(c->d, c->doc.path, "the job is larger than 4 MiB with the files it names",
		        NULL);
}

static enum status parse(struct slice yaml, const char *path, const char *base_dir,
        const struct lang_env *env, struct job *j, struct diagnostics *d)
{
	struct check c = {.job = j,
	        .a = &j->arena,
	        .d = d,
	        .env = env,
	        .base_dir = base_dir,
	        .errors = d->n};
	j->path = arena_strdup(&j->arena, path);
	j->workers = 1;
	if (yaml.len > (base_dir ? JOB_FILE_BYTES_MAX : JOB_STORED_BYTES_MAX))
		return fail(d, path,
		        base_dir ? "the job file is larger than 1 MiB"
		                 : "the job is larger than 4 MiB with the files it names",
		        NULL);
	struct slice text = arena_slice(&j->arena, without_bom(yaml));
	if (yaml_parse(&c.doc, text, j->path, &j->arena, d) == ST_OK)
		check_document(&c);
	sort_errors(d, c.errors);
	return d->n == c.errors ? ST_OK : ST_ERR;
}

enum status job_parse(struct slice yaml, const char *path, const char *base_dir,
        const struct lang_env *env, struct job **out, struct diagnostics *d)
{
	struct job *j = xcalloc(1, sizeof *j);
	arena_init(&j->arena);
	*out = NULL;
	if (parse(yaml, path ? path : "job", base_dir, env, j, d) != ST_OK) {
		job_free(j);
		return ST_ERR;
	}
	*out = j;
	return ST_OK;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	for (uint32_t i = 0; i < j->nmonitors; i++)
		baseline_free(j->monitors[i].baseline);
	arena_release(&j->arena);
	free(j);
}

/* ---- loading */

/* Up to JOB_FILE_BYTES_MAX + 1 bytes: enough to see that there are too many. */
static enum status read_all(
        int fd, const char *path, uint8_t *p, uint32_t *len, struct diagnostics *d)
{
	for (*len = 0; *len <= JOB_FILE_BYTES_MAX;) {
		ssize_t n = read(fd, p + *len, JOB_FILE_BYTES_MAX + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(d, path, strerror(errno), NULL);
		if (n == 0)
			break;
		*len += (uint32_t)n;
	}
	return ST_OK;
}

enum status job_load(
        const char *path, const struct lang_env *env, struct job **out, struct diagnostics *d)
{
	*out = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return fail(d, path, strerror(errno), NULL);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		return fail(d, path, "this is a directory, not a job file", NULL);
	}
	uint8_t *p = xmalloc(JOB_FILE_BYTES_MAX + 1);
	uint32_t len;
	enum status s = read_all(fd, path, p, &len, d);
	close(fd);
	char *copy = xstrdup(path);
	if (s == ST_OK)
		s = job_parse((struct slice){p, len}, path, dirname(copy), env, out, d);
	free(copy);
	free(p);
	return s;
}
