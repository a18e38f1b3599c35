// SPDX-License-Identifier: Apache-2.0
//
// Options from the command line, the environment and defaults; options_file.c reads the node
// file. A value is checked where it is set, so that the error names where it came from. Does
// not print: suggestions and help are the command line's business.
#include "base/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/options_inside.h"

void options_init(struct options *o, const struct option *const *tables, uint32_t ntables)
{
	*o = (struct options){0};
	arena_init(&o->arena);
	for (uint32_t t = 0; t < ntables; t++) {
		for (const struct option *opt = tables[t]; opt && opt->name; opt++) {
			INVARIANT(o->n < OPTIONS_MAX);
			o->values[o->n++].option = opt;
		}
	}
}

void options_release(struct options *o)
{
	arena_release(&o->arena);
}

static bool name_same(const char *name, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = p[i] == '_' ? '-' : p[i];
		if (!name[i] || name[i] != c)
			return false;
	}
	return !name[n];
}

struct option_value *options_find(struct options *o, const char *name, size_t n)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (name_same(o->values[i].option->name, name, n))
			return &o->values[i];
	return NULL;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* "<number><unit>"; a fraction is allowed, the result is whole. */
static bool parse_units(const char *text, const struct unit *units, int64_t *out)
{
	size_t digits = strspn(text, "0123456789.");
	double v;
	if (!digits || !num_parse_double(text, digits, &v))
		return false;
	for (const struct unit *u = units; u->name; u++) {
		if (strcmp(text + digits, u->name))
			continue;
		double r = v * (double)u->factor;
		if (r > 9e15)
			return false;
		*out = (int64_t)r;
		return (double)*out == r;
	}
	return false;
}

bool option_parse_bytes(const char *text, int64_t *out)
{
	static const struct unit units[] = {{"", 1}, {"B", 1}, {"K", 1 << 10}, {"M", 1 << 20},
	        {"G", 1 << 30}, {"T", INT64_C(1) << 40}, {"KiB", 1 << 10}, {"MiB", 1 << 20},
	        {"GiB", 1 << 30}, {"TiB", INT64_C(1) << 40}, {"kB", 1000}, {"MB", 1000000},
	        {"GB", 1000000000}, {"TB", INT64_C(1000000000000)}, {0}};
	return parse_units(text, units, out);
}

bool option_parse_duration(const char *text, int64_t *ms)
{
	static const struct unit units[] = {
	        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {0}};
	return parse_units(text, units, ms);
}

static bool choice_has(const char *choices, const char *text)
{
	size_t n = strlen(text);
	for (const char *p = choices; p && *p;) {
		size_t len = strcspn(p, "|");
		if (len == n && !memcmp(p, text, n))
			return true;
		p += len + (p[len] == '|');
	}
	return false;
}

static bool flag_parse(const char *text, int64_t *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "0", "1"};
	for (unsigned i = 0; i < 6; i++) {
		if (!strcmp(text, words[i])) {
			*out = i % 2;
			return true;
		}
	}
	return false;
}

/* NULL: fine; else what would be right. */
static const char *value_check(const struct option *opt, const char *text, int64_t *out)
{
	switch (opt->type) {
	case OPT_FLAG:
		return flag_parse(text, out) ? NULL : "true or false";
	case OPT_INT:
		return num_parse_int(text, strlen(text), out) ? NULL : "a whole number";
	case OPT_BYTES:
		return option_parse_bytes(text, out) ? NULL : "a size such as 512M or 2G";
	case OPT_DURATION:
		return option_parse_duration(text, out) ? NULL
		                                        : "a duration such as 100ms, 90s or 5m";
	case OPT_CHOICE:
		return choice_has(opt->value, text) ? NULL : opt->value;
	default:
		return *text ? NULL : "";
	}
}

static enum status range_check(const struct option *opt, int64_t v, const char *text,
        const char *where, struct error *e)
{
	if (opt->type != OPT_INT && opt->type != OPT_BYTES && opt->type != OPT_DURATION)
		return ST_OK;
	if (v < opt->min)
		return error_set(e, ERR_USER, 0, "%s: %s is below the least allowed, %lld%s",
		        where, text, (long long)opt->min,
		        opt->type == OPT_DURATION ? " ms" : "");
	if (opt->max && v > opt->max)
		return error_set(e, ERR_USER, 0, "%s: %s is above the most allowed, %lld%s",
		        where, text, (long long)opt->max,
		        opt->type == OPT_DURATION ? " ms" : "");
	return ST_OK;
}

enum status option_set(struct options *o, struct option_value *v, const char *text,
        enum option_origin origin, const char *where, struct error *e)
{
	int64_t number = 0;
	const char *want = value_check(v->option, text, &number);
	if (want && (v->option->type == OPT_SECRET || v->option->type == OPT_TEXT))
		return error_set(e, ERR_USER, 0, "%s: it is empty", where);
	if (want)
		return error_set(e, ERR_USER, 0, "%s: '%s' is not %s%s", where, text,
		        v->option->type == OPT_CHOICE ? "one of " : "", want);
	if (range_check(v->option, number, text, where, e))
		return ST_ERR;
	v->text = arena_strdup(&o->arena, text);
	v->number = number;
	v->origin = origin;
	return ST_OK;
}

/* -- command line -- */

static void text_add(struct options *o, const char *name, const char *text)
{
	const char **t = arena_alloc(&o->arena, (o->ntexts + 2) * sizeof *t);
	if (o->ntexts)
		memcpy(t, o->texts, o->ntexts * sizeof *t);
	t[o->ntexts] = name;
	t[o->ntexts + 1] = arena_strdup(&o->arena, text);
	o->texts = t;
	o->ntexts += 2;
}

static enum status secret_refuse(const struct option *opt, struct error *e)
{
	char env[OPTION_ENV_MAX];
	return error_set(e, ERR_USER, 0,
	        "--%s: a secret on the command line can be seen by every user of the machine; "
	        "set %s, or name a file with --%s-file",
	        opt->name, option_env(opt, env), opt->name);
}

/* word is "--name" or "--name=value"; *used is set when next was its value. */
static enum status word_take(
        struct options *o, const char *word, const char *next, bool *used, struct error *e)
{
	size_t n = strcspn(word + 2, "=");
	const char *text = word[2 + n] ? word + 3 + n : NULL;
	struct option_value *v = options_find(o, word + 2, n);
	const char *where = arena_printf(&o->arena, "--%.*s", (int)n, word + 2);
	*used = false;
	if (!v) {
		o->unknown = arena_strndup(&o->arena, word + 2, n);
		return error_set(e, ERR_USER, 0, "there is no option %s", where);
	}
	if (v->option->type == OPT_SECRET)
		return secret_refuse(v->option, e);
	if (v->origin == FROM_COMMAND && !v->option->repeat)
		return error_set(e, ERR_USER, 0, "%s is given twice", where);
	if (!text && v->option->type == OPT_FLAG)
		text = "true";
	if (!text) {
		if (!next)
			return error_set(e, ERR_USER, 0, "%s needs a value: %s", where,
			        v->option->value ? v->option->value : "VALUE");
		text = next;
		*used = true;
	}
	if (v->option->repeat)
		text_add(o, v->option->name, text);
	return option_set(o, v, text, FROM_COMMAND, where, e);
}

enum status options_command_line(struct options *o, int argc, char **argv, struct error *e)
{
	o->args = arena_calloc(&o->arena, (size_t)argc + 1, sizeof *o->args);
	bool ended = false;
	if (argc > OPTIONS_ARGS_MAX)
		return error_set(e, ERR_USER, 0, "more than %d arguments", OPTIONS_ARGS_MAX);
	for (int i = 0; i < argc; i++) {
		const char *w = argv[i];
		bool used;
		if (ended || w[0] != '-' || !w[1]) {
			o->args[o->nargs++] = w;
		} else if (!strcmp(w, "--")) {
			ended = true;
		} else if (w[1] != '-') {
			o->unknown = w + 1;
			return error_set(e, ERR_USER, 0, "there is no option %s", w);
		} else {
			if (word_take(o, w, i + 1 < argc ? argv[i + 1] : NULL, &used, e))
				return ST_ERR;
			i += used;
		}
	}
	return ST_OK;
}

/* -- the rest -- */

const char *option_env(const struct option *opt, char out[OPTION_ENV_MAX])
{
	int n = snprintf(out, OPTION_ENV_MAX, "WEIR_%s", opt->name);
	for (int i = 0; i < n; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
	return out;
}

static enum status environment(struct options *o, struct error *e)
{
	for (uint32_t i = 0; i < o->n; i++) {
		struct option_value *v = &o->values[i];
		char env[OPTION_ENV_MAX];
		if (v->origin || v->option->own)
			continue;
		const char *text = getenv(option_env(v->option, env));
		if (text && *text && option_set(o, v, text, FROM_ENVIRONMENT, env, e))
			return ST_ERR;
	}
	return ST_OK;
}

static enum status defaults(struct options *o, struct error *e)
{
	for (uint32_t i = 0; i < o->n; i++) {
		struct option_value *v = &o->values[i];
		if (!v->origin && v->option->fallback &&
		        option_set(o, v, v->option->fallback, FROM_DEFAULT, v->option->name, e))
			return ST_ERR;
	}
	return ST_OK;
}

enum status options_complete(struct options *o, const char *path, struct error *e)
{
	if (environment(o, e))
		return ST_ERR;
	if (!path && access(OPTIONS_NODE_FILE, R_OK) == 0)
		path = OPTIONS_NODE_FILE;
	if (path && options_file(o, path, e))
		return ST_ERR;
	return defaults(o, e);
}

const struct option_value *options_get(const struct options *o, const char *name)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (!strcmp(o->values[i].option->name, name))
			return &o->values[i];
	INVARIANT(!"an option that is in a table");
	return NULL;
}

const char *options_text(const struct options *o, const char *name)
{
	return options_get(o, name)->text;
}

int64_t options_number(const struct options *o, const char *name)
{
	return options_get(o, name)->number;
}

bool options_flag(const struct options *o, const char *name)
{
	return options_get(o, name)->number != 0;
}

const char *options_nth(const struct options *o, const char *name, uint32_t i)
{
	for (uint32_t k = 0; k < o->ntexts; k += 2)
		if (!strcmp(o->texts[k], name) && i-- == 0)
			return o->texts[k + 1];
	return NULL;
}

void option_usage(const struct option *opt, struct buf *out)
{
	buf_printf(out, "--%s", opt->name);
	if (opt->type != OPT_FLAG)
		buf_printf(out, " %s", opt->value ? opt->value : "VALUE");
}
