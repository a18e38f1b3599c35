// SPDX-License-Identifier: Apache-2.0
//
// The schema registry. Schemas are immutable under their id, so what was fetched is kept for
// ever (up to a bound); that an id is unknown may change and is remembered for seconds only, so
// that one bad producer does not make a request per record. One lock: decoders ask once per
// schema.
//
// The line between a dead letter and a pause is drawn here: only the registry's own "schema not
// found" (its error code 40403) means that the id does not exist. A plain 404 is a wrong
// address, a 401 a wrong password: records wait for the repair.
#include "connectors/registry/registry.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/registry/http.h"

#define CODE_SCHEMA_NOT_FOUND 40403

struct known {
	uint32_t id;
	const struct schema *schema;
	struct arena arena;
};

struct unknown {
	uint32_t id;
	int64_t until_ms; /* 0: free */
	char why[200];
};

struct registry {
	char *url; /* without a slash at its end */
	struct clock *clock;
	const struct schema_source *rows; /* by fingerprint; may be NULL */
	struct http *http;
	pthread_mutex_t lock;
	struct known known[REGISTRY_SCHEMAS_MAX];
	uint32_t nknown;
	struct unknown unknown[REGISTRY_UNKNOWN_MAX];
	uint32_t next_unknown;
	struct buf answer, request;
};

enum status registry_open(
        const struct registry_conf *conf, struct registry **out, struct error *e)
{
	const char *url = conf->url;
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return error_set(e, ERR_USER, 0,
		        "schema registry: the address must begin with http:// or https://");
	if (strchr(url, '@'))
		return error_set(e, ERR_USER, 0,
		        "schema registry: no credentials in the address; set "
		        "WEIR_REGISTRY_AUTH "
		        "or WEIR_REGISTRY_AUTH_FILE");
	struct registry *r = xcalloc(1, sizeof *r);
	r->url = xstrdup(url);
	for (size_t n = strlen(r->url); n && r->url[n - 1] == '/'; n--)
		r->url[n - 1] = 0;
	r->clock = conf->clock ? conf->clock : &clock_system;
	r->http =
	        http_new(conf->auth, conf->timeout_ms ? conf->timeout_ms : REGISTRY_TIMEOUT_MS);
	pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return ST_OK;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	http_free(r->http);
	pthread_mutex_destroy(&r->lock);
	for (uint32_t i = 0; i < r->nknown; i++)
		arena_release(&r->known[i].arena);
	buf_release(&r->answer);
	buf_release(&r->request);
	free(r->url);
	free(r);
}

/* ---- answers ---- */

static json_t *parse(const struct buf *b)
{
	return json_loadb((const char *)b->p, b->len, JSON_REJECT_DUPLICATES, NULL);
}

/* "40403: Schema not found": what the registry says of its refusal. */
static int refusal(const struct buf *answer, char *out, size_t room)
{
	json_t *j = parse(answer);
	int code = (int)json_integer_value(json_object_get(j, "error_code"));
	const char *message = json_string_value(json_object_get(j, "message"));
	snprintf(out, room, "%s", message ? message : "no reason given");
	json_decref(j);
	return code;
}

static enum status unexpected(long code, const struct buf *answer, struct error *e)
{
	char why[300];
	refusal(answer, why, sizeof why);
	return error_set(e, ERR_RETRIABLE, (int)code, "schema registry: answers %ld: %s%s",
	        code, why, code == 401 || code == 403 ? " (check WEIR_REGISTRY_AUTH)" : "");
}

/* ---- by id ---- */

static enum status remember_unknown(struct registry *r, uint32_t id, struct error *e)
{
	struct unknown *u = &r->unknown[r->next_unknown++ % REGISTRY_UNKNOWN_MAX];
	u->id = id;
	u->until_ms = clock_wall_ms(r->clock) + REGISTRY_UNKNOWN_MS;
	snprintf(u->why, sizeof u->why, "%s", e->msg);
	return ST_END;
}

static enum status not_usable(struct registry *r, uint32_t id, struct error *e, const char *why)
{
	error_set(e, ERR_SKIP, 0, "%s", why);
	return remember_unknown(r, id, e);
}

static enum status keep(struct registry *r, uint32_t id, json_t *answer,
        const struct schema **out, struct error *e)
{
	const char *text = json_string_value(json_object_get(answer, "schema"));
	const char *type = json_string_value(json_object_get(answer, "schemaType"));
	struct schema *s;
	if (!text)
		return error_set(
		        e, ERR_RETRIABLE, 0, "schema registry: not a registry's answer");
	if (type && strcmp(type, "AVRO") != 0)
		return not_usable(r, id, e, "the schema is not Avro");
	if (json_array_size(json_object_get(answer, "references")))
		return not_usable(r, id, e, "schemas with references are not supported");
	if (r->nknown == REGISTRY_SCHEMAS_MAX)
		return error_set(e, ERR_RETRIABLE, 0,
		        "schema registry: more than %d schemas in use", REGISTRY_SCHEMAS_MAX);
	struct known *k = &r->known[r->nknown];
	*k = (struct known){.id = id};
	if (schema_parse(&k->arena, slice_of(text), &s, e) != ST_OK) {
		arena_release(&k->arena);
		return remember_unknown(r, id, e);
	}
	k->schema = s;
	r->nknown++;
	*out = s;
	return ST_OK;
}

static enum status fetch(
        struct registry *r, uint32_t id, const struct schema **out, struct error *e)
{
	long code;
	char why[200];
	r->request.len = 0;
	buf_printf(&r->request, "%s/schemas/ids/%u", r->url, id);
	if (http_request(r->http, buf_cstr(&r->request), NULL, &code, &r->answer, e) != ST_OK)
		return ST_ERR;
	if (code == 404 && refusal(&r->answer, why, sizeof why) == CODE_SCHEMA_NOT_FOUND)
		return not_usable(r, id, e, "no such schema in the registry");
	if (code != 200)
		return unexpected(code, &r->answer, e);
	json_t *answer = parse(&r->answer);
	enum status st = keep(r, id, answer, out, e);
	json_decref(answer);
	return st;
}

static enum status lookup(
        struct registry *r, uint32_t id, const struct schema **out, struct error *e)
{
	for (uint32_t i = 0; i < r->nknown; i++) {
		if (r->known[i].id != id)
			continue;
		*out = r->known[i].schema;
		return ST_OK;
	}
	int64_t now = clock_wall_ms(r->clock);
	for (uint32_t i = 0; i < REGISTRY_UNKNOWN_MAX; i++) {
		const struct unknown *u = &r->unknown[i];
		if (u->id != id || u->until_ms <= now)
			continue;
		error_set(e, ERR_SKIP, 0, "%s", u->why);
		return ST_END;
	}
	return fetch(r, id, out, e);
}

static enum status by_id(void *arg, uint32_t id, const struct schema **out, struct error *e)
{
	struct registry *r = arg;
	struct error own;
	pthread_mutex_lock(&r->lock);
	enum status st = lookup(r, id, out, e ? e : &own);
	pthread_mutex_unlock(&r->lock);
	return st;
}

static enum status by_fingerprint(
        void *arg, uint64_t fp, const struct schema **out, struct error *e)
{
	struct registry *r = arg;
	return r->rows->by_fingerprint(r->rows->arg, fp, out, e);
}

struct schema_source registry_source(struct registry *r)
{
	bool rows = r->rows && r->rows->by_fingerprint;
	return (struct schema_source){
	        .arg = r, .by_id = by_id, .by_fingerprint = rows ? by_fingerprint : NULL};
}

/* ---- registering ---- */

static enum status registered(
        long code, const struct buf *answer, const char *subject, uint32_t *id, struct error *e)
{
	char why[300];
	if (code == 409 || code == 422) {
		refusal(answer, why, sizeof why);
		return error_set(e, ERR_USER, (int)code, "schema registry refuses %.100s: %s",
		        subject, why);
	}
	if (code != 200)
		return unexpected(code, answer, e);
	json_t *j = parse(answer);
	json_t *n = json_object_get(j, "id");
	bool ok = json_is_integer(n) && json_integer_value(n) >= 0 &&
	          json_integer_value(n) <= UINT32_MAX;
	*id = ok ? (uint32_t)json_integer_value(n) : 0;
	json_decref(j);
	if (!ok)
		return error_set(
		        e, ERR_RETRIABLE, 0, "schema registry: not a registry's answer");
	return ST_OK;
}

static enum status post(struct registry *r, const char *subject, struct slice schema_json,
        uint32_t *id, struct error *e)
{
	long code;
	struct buf body = {0};
	char *escaped = http_escape(r->http, subject);
	r->request.len = 0;
	buf_printf(&r->request, "%s/subjects/%s/versions", r->url, escaped ? escaped : "");
	http_escaped_free(escaped);
	buf_str(&body, "{\"schema\":");
	buf_json(&body, schema_json);
	buf_byte(&body, '}');
	enum status st =
	        http_request(r->http, buf_cstr(&r->request), &body, &code, &r->answer, e);
	buf_release(&body);
	return st == ST_OK ? registered(code, &r->answer, subject, id, e) : st;
}

enum status registry_register(struct registry *r, const char *subject, struct slice schema_json,
        uint32_t *id, struct error *e)
{
	pthread_mutex_lock(&r->lock);
	enum status st = post(r, subject, schema_json, id, e);
	pthread_mutex_unlock(&r->lock);
	return st;
}

/* ---- credentials ---- */

enum status registry_auth(char **out, struct error *e)
{
	const char *direct = getenv("WEIR_REGISTRY_AUTH"),
	           *path = getenv("WEIR_REGISTRY_AUTH_FILE");
	char line[512];
	*out = direct && *direct ? xstrdup(direct) : NULL;
	if (*out || !path || !*path)
		return ST_OK;
	FILE *f = fopen(path, "re");
	if (!f || !fgets(line, sizeof line, f)) {
		if (f)
			fclose(f);
		return error_set(e, ERR_USER, 0,
		        "%.300s: cannot be read (WEIR_REGISTRY_AUTH_FILE)", path);
	}
	fclose(f);
	line[strcspn(line, "\r\n")] = 0;
	*out = xstrdup(line);
	return ST_OK;
}
