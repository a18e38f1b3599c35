// SPDX-License-Identifier: Apache-2.0
//
// The user's properties file: name=value lines for librdkafka, with secrets taken from the
// environment or from files. Errors name file, line and property, never a value.
#include "kafka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define PROPERTIES_MAX 200
#define LINE_BYTES_MAX 4096

static char *trim(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	size_t n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = 0;
	return s;
}

static char *first_line(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	char line[LINE_BYTES_MAX];
	char *got = fgets(line, sizeof line, f);
	fclose(f);
	return got ? xstrdup(trim(line)) : NULL;
}

/* ${env:NAME} and ${file:PATH}, each the whole value; else the value itself. */
static char *expand(const char *value, char *why, size_t size)
{
	size_t n = strlen(value);
	char ref[LINE_BYTES_MAX];
	if (n < 3 || strncmp(value, "${", 2) != 0 || value[n - 1] != '}')
		return xstrdup(value);
	snprintf(ref, sizeof ref, "%.*s", (int)(n - 3), value + 2);
	if (strncmp(ref, "env:", 4) == 0) {
		const char *v = getenv(ref + 4);
		snprintf(why, size, "%s is not in the environment", ref + 4);
		return v ? xstrdup(v) : NULL;
	}
	if (strncmp(ref, "file:", 5) == 0) {
		char *v = first_line(ref + 5);
		snprintf(why, size, "%s cannot be read or is empty", ref + 5);
		return v;
	}
	snprintf(why, size, "${env:NAME} or ${file:PATH} expected");
	return NULL;
}

static enum status add_line(char **out, uint32_t *n, char *line, struct error *e)
{
	char why[300];
	char *name = trim(line);
	if (!*name || *name == '#' || *name == '!')
		return ST_OK;
	char *eq = strchr(name, '=');
	if (!eq)
		return error_set(e, ERR_USER, 0, "name=value expected");
	*eq = 0;
	name = trim(name);
	if (*n >= PROPERTIES_MAX * 2)
		return error_set(e, ERR_USER, 0, "more than %d properties", PROPERTIES_MAX);
	char *value = expand(trim(eq + 1), why, sizeof why);
	if (!value)
		return error_set(e, ERR_USER, 0, "%s: %s", name, why);
	out[(*n)++] = xstrdup(name);
	out[(*n)++] = value;
	return ST_OK;
}

enum status kafka_properties_read(const char *path, char ***out, struct error *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return error_set(e, ERR_USER, errno, "%s: %s", path, strerror(errno));
	char **list = xcalloc(PROPERTIES_MAX * 2 + 1, sizeof *list);
	uint32_t n = 0;
	int at = 0;
	char line[LINE_BYTES_MAX];
	enum status st = ST_OK;
	while (st == ST_OK && fgets(line, sizeof line, f)) {
		at++;
		st = add_line(list, &n, line, e);
	}
	fclose(f);
	if (st != ST_OK) {
		kafka_properties_free(list);
		return error_context(e, "%s:%d", path, at);
	}
	*out = list;
	return ST_OK;
}

void kafka_properties_free(char **properties)
{
	for (uint32_t i = 0; properties && properties[i]; i++)
		free(properties[i]);
	free(properties);
}
