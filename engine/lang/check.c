// SPDX-License-Identifier: Apache-2.0
//
// Reading keys and plain values of a job file.
#include "lang/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "lang/duration.h"

void check_error(struct check *c, const struct yaml_node *at, const char *suggestion,
        const char *fmt, ...)
{
	if (diagnostics_full(c->d))
		return;
	char msg[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	struct place p = yaml_place(&c->doc, at, c->d);
	uint32_t len = at->kind == YAML_SCALAR ? at->text.len : 1;
	place_error(&p, 0, len ? len : at->end - at->start, suggestion, "%s", msg);
}

static const struct key *key_find(const struct key *keys, struct slice name)
{
	for (; keys->name; keys++)
		if (slice_eq(name, slice_of(keys->name)))
			return keys;
	return NULL;
}

/* Reports a key that is not in the table; returns the one it was probably meant to be. */
static const char *unknown_key(
        struct check *c, const struct yaml_node *key, const struct key *keys, const char *what)
{
	if (diagnostics_full(c->d))
		return NULL;
	struct suggest s = suggest_for(key->text);
	for (; keys->name; keys++)
		suggest_offer(&s, keys->name);
	check_error(c, key, s.best, "%s has no key '%.*s'", what,
	        key->text.len > 60 ? 60 : (int)key->text.len, (const char *)key->text.p);
	return s.best;
}

static const struct yaml_node *key_of(
        const struct yaml_node *map, const struct yaml_node *value)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (map->items[i] == value)
			return map->keys[i];
	return map;
}

void check_map(struct check *c, const struct yaml_node *at, const struct yaml_node *map,
        const struct key *keys, void *object, const char *what)
{
	if (map->kind != YAML_MAP) {
		check_error(c, yaml_is_null(map) ? at : map, NULL,
		        "%s needs keys and values below it", what);
		return;
	}
	uint64_t misspelt = 0; /* by number in the table: one error is enough for these */
	for (uint32_t i = 0; i < map->n; i++) {
		if (key_find(keys, map->keys[i]->text))
			continue;
		const char *meant = unknown_key(c, map->keys[i], keys, what);
		if (meant)
			misspelt |= UINT64_C(1) << (key_find(keys, slice_of(meant)) - keys);
	}
	for (const struct key *k = keys; k->name; k++) {
		const struct yaml_node *v = yaml_get(map, k->name);
		if (v)
			k->read(c, object, key_of(map, v), v);
		else if (k->required && !(misspelt >> (k - keys) & 1))
			check_error(c, at, NULL, "%s needs the key '%s'", what, k->name);
	}
}

void check_not_yet(struct check *c, void *object, const struct yaml_node *key,
        const struct yaml_node *value)
{
	(void)object, (void)value;
	check_error(c, key, NULL, "'%.*s' is not supported yet", (int)key->text.len,
	        (const char *)key->text.p);
}

const char *check_text(struct check *c, const struct yaml_node *key, const struct yaml_node *v)
{
	if (v->kind == YAML_SCALAR && !yaml_is_null(v) && v->text.len)
		return arena_strndup(c->a, (const char *)v->text.p, v->text.len);
	check_error(c, yaml_is_null(v) ? key : v, NULL, "'%.*s' needs one text",
	        (int)key->text.len, (const char *)key->text.p);
	return NULL;
}

static void print_ms(char out[DURATION_TEXT_MAX], int64_t ms)
{
	struct buf b;
	buf_init(&b);
	duration_print(&b, ms);
	snprintf(out, DURATION_TEXT_MAX, "%s", buf_cstr(&b));
	buf_release(&b);
}

bool check_duration(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        int64_t min_ms, int64_t *out)
{
	char text[DURATION_TEXT_MAX];
	if (v->kind != YAML_SCALAR || yaml_is_null(v)) {
		check_error(c, v->kind == YAML_SCALAR ? key : v, NULL,
		        "'%.*s' needs a duration like 10m", (int)key->text.len,
		        (const char *)key->text.p);
		return false;
	}
	int64_t ms;
	if (!duration_parse(v->text, &ms)) {
		check_error(c, v, duration_suggest(v->text, text),
		        "not a duration: a whole number and one of ms, s, m, h, d, a hundred "
		        "years at most");
		return false;
	}
	if (ms < min_ms) {
		print_ms(text, min_ms);
		check_error(c, v, NULL, "'%.*s' must be at least %s", (int)key->text.len,
		        (const char *)key->text.p, text);
		return false;
	}
	*out = ms;
	return true;
}

bool check_integer(struct check *c, const struct yaml_node *key, const struct yaml_node *v,
        int64_t min, int64_t max, int64_t *out)
{
	int64_t number;
	bool is_number = v->kind == YAML_SCALAR &&
	                 num_parse_int((const char *)v->text.p, v->text.len, &number);
	if (is_number && number >= min && number <= max) {
		*out = number;
		return true;
	}
	check_error(c, v->kind == YAML_SCALAR && !v->text.len ? key : v, NULL,
	        "'%.*s' needs a whole number from %lld to %lld", (int)key->text.len,
	        (const char *)key->text.p, (long long)min, (long long)max);
	return false;
}

static bool name_byte(uint8_t ch, bool first, bool dash)
{
	bool lower = ch >= 'a' && ch <= 'z', upper = ch >= 'A' && ch <= 'Z',
	     digit = ch >= '0' && ch <= '9';
	if (first)
		return lower || (upper && !dash);
	return lower || digit || ch == '_' || (dash ? ch == '-' : upper);
}

/* The name with everything that is not allowed made _, or NULL. */
static const char *repaired(struct check *c, struct slice s, bool dash)
{
	char *out = arena_strndup(c->a, (const char *)s.p, s.len), *p = out;
	while (*p && !((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
		p++;
	for (char *q = p; *q; q++) {
		if (dash && *q >= 'A' && *q <= 'Z')
			*q = (char)(*q + 32);
		if (!name_byte((uint8_t)*q, q == p, dash))
			*q = '_';
	}
	return *p ? p : NULL;
}

const char *check_name(
        struct check *c, const struct yaml_node *key, bool dash, const char *what)
{
	struct slice s = key->text;
	bool good = s.len > 0 && s.len <= NAME_BYTES_MAX;
	if (s.len && s.p[0] == '_') {
		check_error(
		        c, key, repaired(c, s, dash), "names that start with _ are reserved");
		return NULL;
	}
	for (uint32_t i = 0; good && i < s.len; i++)
		good = name_byte(s.p[i], i == 0, dash);
	if (good)
		return arena_strndup(c->a, (const char *)s.p, s.len);
	check_error(c, key, s.len <= NAME_BYTES_MAX ? repaired(c, s, dash) : NULL,
	        dash ? "a %s's name is a lower-case letter, then lower-case letters, digits, _ "
	               "and -, "
	               "%d at most"
	             : "a %s's name is a letter, then letters, digits and _, %d at most",
	        what, NAME_BYTES_MAX);
	return NULL;
}
