// SPDX-License-Identifier: Apache-2.0
//
// The node file: flat "key: value" lines, which are YAML, with # comments and quotes. Nothing
// nested, no anchors, no lists: what a node needs is a dozen settings, and whatever else stands
// there is refused with its line instead of being read in some way. Secrets are refused too.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/options_inside.h"

static char *blanks_skip(char *p)
{
	return p + strspn(p, " \t\r");
}

static void blanks_trim(char *p)
{
	size_t n = strlen(p);
	while (n && strchr(" \t\r", p[n - 1]))
		p[--n] = 0;
}

/* The value of a line, unquoted in place; NULL: not one scalar. */
static char *value_read(char *p)
{
	p = blanks_skip(p);
	if (*p == '"' || *p == '\'') {
		char *end = strchr(p + 1, *p);
		if (!end)
			return NULL;
		char *rest = blanks_skip(end + 1);
		if ((*rest && *rest != '#') || memchr(p + 1, '\\', (size_t)(end - p - 1)))
			return NULL;
		*end = 0;
		return p + 1;
	}
	if (*p && strchr("{[&*!|>%@`", *p))
		return NULL;
	if (*p == '#')
		*p = 0;
	char *comment = strstr(p, " #");
	if (comment)
		*comment = 0;
	blanks_trim(p);
	return p;
}

static enum status key_take(struct options *o, const char *key, const char *text,
        const char *where, bool *seen, struct error *e)
{
	struct option_value *v = options_find(o, key, strlen(key));
	if (!v || v->option->own) {
		o->unknown = arena_strdup(&o->arena, key);
		return error_set(e, ERR_USER, 0, "%s: there is no setting '%s'", where, key);
	}
	if (v->option->type == OPT_SECRET)
		return error_set(e, ERR_USER, 0,
		        "%s: a secret does not go into this file: name a file with %s_file",
		        where, key);
	bool *twice = &seen[v - o->values];
	if (*twice)
		return error_set(e, ERR_USER, 0, "%s: '%s' is set twice", where, key);
	*twice = true;
	if (v->origin)
		return ST_OK;
	return option_set(
	        o, v, text, FROM_FILE, arena_printf(&o->arena, "%s: %s", where, key), e);
}

static enum status line_take(
        struct options *o, char *line, const char *where, bool *seen, struct error *e)
{
	char *p = blanks_skip(line);
	if (!*p || *p == '#' || !strcmp(p, "---"))
		return ST_OK;
	size_t n = strcspn(p, ": \t");
	char *colon = blanks_skip(p + n);
	char *value =
	        p == line && n && *colon == ':' && (!colon[1] || strchr(" \t\r", colon[1]))
	                ? value_read(colon + 1)
	                : NULL;
	if (!value)
		return error_set(
		        e, ERR_USER, 0, "%s: a line is 'key: value', nothing nested", where);
	p[n] = 0;
	return key_take(o, p, value, where, seen, e);
}

static enum status file_read(struct options *o, const char *path, char **out, struct error *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return error_set(
		        e, ERR_USER, errno, "cannot read %s: %s", path, strerror(errno));
	char *text = arena_alloc(&o->arena, OPTIONS_FILE_BYTES_MAX + 1);
	size_t n = fread(text, 1, OPTIONS_FILE_BYTES_MAX, f);
	bool failed = ferror(f), longer = fgetc(f) != EOF;
	fclose(f);
	text[n] = 0;
	if (failed || longer || strlen(text) != n)
		return error_set(e, ERR_USER, 0, "%s is not a node file: %s", path,
		        failed   ? "it cannot be read"
		        : longer ? "it is larger than 64 kB"
		                 : "it holds a zero byte");
	*out = text;
	return ST_OK;
}

enum status options_file(struct options *o, const char *path, struct error *e)
{
	char *text = NULL, *rest;
	bool seen[OPTIONS_MAX] = {false};
	if (file_read(o, path, &text, e))
		return ST_ERR;
	o->node_file = arena_strdup(&o->arena, path);
	int line = 0;
	for (; text; text = rest) {
		rest = strchr(text, '\n');
		if (rest)
			*rest++ = 0;
		const char *where = arena_printf(&o->arena, "%s:%d", path, ++line);
		if (line_take(o, text, where, seen, e))
			return ST_ERR;
	}
	return ST_OK;
}
