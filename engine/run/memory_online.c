/* SPDX-License-Identifier: Apache-2.0
 *
 * The online store in memory. One chained hash map from key to hash fields, as Redis has it:
 * rows under <prefix>:<view>:<version>:<entity>, records under <prefix>:_task:<task>, live
 * versions under <prefix>:<view>. One lock around everything; nothing is queued, so an outage
 * drops at once. Not made for speed or size.
 */
#include "run/memory_online.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "data/avro.h"
#include "run/online_task.h"
#include "run/online_view.h"

#define BUCKETS 4096

struct entry {
	struct entry *next;
	char *key;
	char version[ONLINE_VERSION_BYTES + 1]; /* row: _v; record: v */
	char token[ONLINE_TOKEN_BYTES + 1];     /* record: of a repair going on */
	struct buf text;                        /* row: fields; record: offsets; live: number */
	int64_t expires;                        /* 0: never */
};

struct map {
	struct entry *bucket[BUCKETS];
	uint32_t n;
};

struct online {
	pthread_mutex_t lock;
	struct clock *clock;
	char *prefix;
	struct online_views views;
	struct online_tasks tasks;
	struct map map, kept;
	bool down;
	uint64_t generation, seq;
	struct buf key;
	struct online_stats stats;
};

/* -- the map -- */

static struct entry **map_slot(struct map *m, const char *key)
{
	struct entry **at = &m->bucket[XXH64(key, strlen(key), 0) % BUCKETS];
	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static void entry_free(struct entry *x)
{
	free(x->key);
	buf_release(&x->text);
	free(x);
}

static void map_delete(struct map *m, struct entry **at)
{
	struct entry *x = *at;
	*at = x->next;
	entry_free(x);
	m->n--;
}

static struct entry *map_find(struct online *o, const char *key)
{
	struct entry **at = map_slot(&o->map, key);
	if (*at && (*at)->expires && (*at)->expires <= clock_wall_ms(o->clock))
		map_delete(&o->map, at);
	return *at;
}

static struct entry *map_make(struct map *m, const char *key)
{
	struct entry **at = map_slot(m, key);
	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->key = xstrdup(key);
		buf_init(&(*at)->text);
		m->n++;
	}
	return *at;
}

static void map_clear(struct map *m)
{
	for (int i = 0; i < BUCKETS; i++)
		while (m->bucket[i])
			map_delete(m, &m->bucket[i]);
}

static void map_copy(struct map *to, const struct map *from)
{
	map_clear(to);
	for (int i = 0; i < BUCKETS; i++)
		for (const struct entry *x = from->bucket[i]; x; x = x->next) {
			struct entry *y = map_make(to, x->key);
			memcpy(y->version, x->version, sizeof(y->version));
			memcpy(y->token, x->token, sizeof(y->token));
			y->expires = x->expires;
			buf_add(&y->text, x->text.p, x->text.len);
		}
}

/* -- keys, valid until the next one -- */

static const char *row_key(
        struct online *o, const char *view, uint32_t version, struct slice entity)
{
	o->key.len = 0;
	buf_printf(&o->key, "%s:%s:%u:", o->prefix, view, version);
	buf_slice(&o->key, entity);
	return buf_cstr(&o->key);
}

static const char *name_key(struct online *o, const char *kind, const char *name)
{
	o->key.len = 0;
	buf_printf(&o->key, "%s:%s%s", o->prefix, kind, name);
	return buf_cstr(&o->key);
}

/* -- writing -- */

static void text_field(struct buf *b, const char *name)
{
	buf_str(b, name);
	buf_byte(b, 0);
}

static void row_text(struct buf *b, const struct online_view *v, const struct online_row *row,
        const char *version)
{
	struct reader r = reader_of(row->features);
	b->len = 0;
	text_field(b, "_v");
	text_field(b, version);
	text_field(b, "_t");
	buf_int(b, row->event_time);
	buf_byte(b, 0);
	text_field(b, "_k");
	buf_int(b, row->known_at);
	buf_byte(b, 0);
	for (uint32_t i = 0; i < v->nfeatures; i++) {
		struct value value;
		avro_read(&r, &v->features[i].type, v->features[i].nullable, &value);
		if (value.null)
			continue;
		text_field(b, v->features[i].name);
		value_text(b, &v->features[i].type, &value);
		buf_byte(b, 0);
	}
	INVARIANT(!r.failed && r.p == r.end);
}

static void row_put(
        struct online *o, const struct online_epoch *ep, const struct online_row *row)
{
	const struct online_view *v = o->views.v[row->view];
	const char *key = row_key(o, v->name, v->version, row->entity);
	struct entry *x = map_find(o, key);
	if (!online_row_allowed(ep->record.version, ep->repair, x ? x->version : "")) {
		o->stats.rows_stale++;
		return;
	}
	o->stats.rows_written++;
	x = map_make(&o->map, key);
	memcpy(x->version, ep->record.version, sizeof(x->version));
	x->expires = online_row_expires(v, row);
	row_text(&x->text, v, row, ep->record.version);
	map_find(o, key); /* a row that is born expired goes at once */
}

static void record_put(struct online *o, struct online_task *t, const struct online_epoch *ep,
        const struct online_step *s)
{
	const char *key = name_key(o, "_task:", t->name);
	struct entry *x = s->first ? map_make(&o->map, key) : map_find(o, key);
	if (s->first)
		memcpy(x->token, s->token, sizeof(x->token));
	enum online_answer a = online_guard(
	        s, ep->record.version, true, x ? x->version : "", x ? x->token : "");
	if (a == ONLINE_GAP)
		online_task_gap(t, t->queued_seq);
	if (a != ONLINE_WRITTEN)
		return;
	x = map_make(&o->map, key);
	memcpy(x->version, ep->record.version, sizeof(x->version));
	x->text.len = 0;
	buf_str(&x->text, ep->record.offsets);
	if (ep->repair)
		x->token[0] = 0;
}

static enum status put(struct online *o, const struct online_epoch *ep)
{
	struct online_step step;
	pthread_mutex_lock(&o->lock);
	struct online_task *t = online_tasks_get(&o->tasks, ep->task);
	online_task_step(t, ep, (uint64_t)(uintptr_t)o, &step);
	if (o->down)
		online_task_lost(t, true);
	if (o->down || !step.accept) {
		o->stats.rows_dropped += ep->nrows;
		pthread_mutex_unlock(&o->lock);
		return ST_END;
	}
	for (uint32_t i = 0; i < ep->nrows; i++)
		row_put(o, ep, &ep->rows[i]);
	online_task_queued(t, ep, &step, ++o->seq);
	t->done_seq = o->seq;
	record_put(o, t, ep, &step);
	o->stats.calls++;
	pthread_mutex_unlock(&o->lock);
	return ST_OK;
}

/* -- reading -- */

/* Locks; ST_ERR (unlocked) while down. */
static enum status enter(struct online *o, struct error *e)
{
	pthread_mutex_lock(&o->lock);
	if (!o->down)
		return ST_OK;
	pthread_mutex_unlock(&o->lock);
	return error_set(e, ERR_RETRIABLE, 0, "online store in memory: down");
}

static enum status record_get(
        struct online *o, const char *task, struct online_record *out, struct error *e)
{
	if (enter(o, e) != ST_OK)
		return ST_ERR;
	struct online_task *t = online_tasks_get(&o->tasks, task);
	struct entry *x = map_find(o, name_key(o, "_task:", task));
	bool found = x && x->version[0];
	memset(out, 0, sizeof(*out));
	if (found) {
		memcpy(out->version, x->version, sizeof(out->version));
		memcpy(out->offsets, x->text.p, x->text.len);
	}
	online_task_read(t, found ? out->version : NULL);
	pthread_mutex_unlock(&o->lock);
	return found ? ST_OK : ST_END;
}

static enum status live_set(
        struct online *o, const char *view, uint32_t version, struct error *e)
{
	if (enter(o, e) != ST_OK)
		return ST_ERR;
	struct entry *x = map_make(&o->map, name_key(o, "", view));
	x->text.len = 0;
	buf_int(&x->text, version);
	pthread_mutex_unlock(&o->lock);
	return ST_OK;
}

static enum status live_get(
        struct online *o, const char *view, uint32_t *version, struct error *e)
{
	if (enter(o, e) != ST_OK)
		return ST_ERR;
	struct entry *x = map_find(o, name_key(o, "", view));
	if (x)
		*version = (uint32_t)strtoul(buf_cstr(&x->text), NULL, 10);
	pthread_mutex_unlock(&o->lock);
	return x ? ST_OK : ST_END;
}

static enum status get(struct online *o, const char *view, uint32_t version,
        struct slice entity, struct buf *out, struct error *e)
{
	if (enter(o, e) != ST_OK)
		return ST_ERR;
	struct entry *x = map_find(o, row_key(o, view, version, entity));
	if (x)
		buf_add(out, x->text.p, x->text.len);
	pthread_mutex_unlock(&o->lock);
	return x ? ST_OK : ST_END;
}

static enum status view_delete(
        struct online *o, const char *view, uint32_t version, struct error *e)
{
	if (enter(o, e) != ST_OK)
		return ST_ERR;
	const char *key = row_key(o, view, version, (struct slice){0});
	for (int i = 0; i < BUCKETS; i++)
		for (struct entry **at = &o->map.bucket[i]; *at;)
			if (strncmp((*at)->key, key, strlen(key)) == 0)
				map_delete(&o->map, at);
			else
				at = &(*at)->next;
	pthread_mutex_unlock(&o->lock);
	return ST_END;
}

/* -- the rest -- */

static uint32_t view_add(struct online *o, const struct online_view *v)
{
	pthread_mutex_lock(&o->lock);
	uint32_t n = online_views_add(&o->views, v, NULL);
	pthread_mutex_unlock(&o->lock);
	return n;
}

static enum status drain(struct online *o, uint64_t left_bytes, int timeout_ms)
{
	(void)o, (void)left_bytes, (void)timeout_ms;
	return ST_OK;
}

static uint64_t generation(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	uint64_t g = o->generation;
	pthread_mutex_unlock(&o->lock);
	return g;
}

static void stats(struct online *o, struct online_stats *out)
{
	pthread_mutex_lock(&o->lock);
	*out = o->stats;
	out->up = !o->down;
	out->reconnects = o->generation;
	pthread_mutex_unlock(&o->lock);
}

static void online_close(struct online *o)
{
	if (!o)
		return;
	map_clear(&o->map);
	map_clear(&o->kept);
	online_tasks_release(&o->tasks);
	online_views_release(&o->views);
	buf_release(&o->key);
	pthread_mutex_destroy(&o->lock);
	free(o->prefix);
	free(o);
}

struct online *memory_online_new(struct clock *clock, const char *prefix)
{
	struct online *o = xcalloc(1, sizeof(*o));
	pthread_mutex_init(&o->lock, NULL);
	o->clock = clock;
	o->prefix = xstrdup(prefix);
	online_views_init(&o->views);
	buf_init(&o->key);
	return o;
}

void memory_online_down(struct online *o, bool down)
{
	pthread_mutex_lock(&o->lock);
	o->generation += o->down && !down;
	o->down = down;
	pthread_mutex_unlock(&o->lock);
}

void memory_online_wipe(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	map_clear(&o->map);
	o->generation++;
	pthread_mutex_unlock(&o->lock);
}

void memory_online_snapshot(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	map_copy(&o->kept, &o->map);
	pthread_mutex_unlock(&o->lock);
}

void memory_online_rollback(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	map_copy(&o->map, &o->kept);
	o->generation++;
	pthread_mutex_unlock(&o->lock);
}

uint32_t memory_online_keys(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	uint32_t n = o->map.n;
	pthread_mutex_unlock(&o->lock);
	return n;
}

const struct online_ops memory_online = {
        .name = "memory",
        .close = online_close,
        .view_add = view_add,
        .put = put,
        .drain = drain,
        .record_get = record_get,
        .generation = generation,
        .live_set = live_set,
        .live_get = live_get,
        .get = get,
        .view_delete = view_delete,
        .stats = stats,
};
