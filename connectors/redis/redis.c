/* SPDX-License-Identifier: Apache-2.0
 *
 * What callers of the Redis store do on their own threads: format rows, queue calls, wait for
 * them, read counters. None of it touches the network.
 *
 * Invariants: calls are written in the order they were queued, over one connection at a time,
 * and an unanswered one is sent again before any later one; an epoch is queued whole or not at
 * all. The backlog's bytes include the calls in flight.
 */
#include "connectors/redis/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BACKLOG_BYTES_DEFAULT (UINT64_C(32) << 20)
#define DOWN_MS_DEFAULT 60000
#define PIPELINE_DEFAULT 32
#define CONNECT_MS_DEFAULT 2000
#define COMMAND_MS_DEFAULT 3000
#define TASK_KEY_MAX 1024

bool online_wait(struct online *o, int64_t until_ns)
{
	struct timespec ts = {until_ns / 1000000000, until_ns % 1000000000};
	return pthread_cond_timedwait(&o->changed, &o->lock, &ts) == 0;
}

/* Who waits is woken once, not by every call before: each wake costs as much as ten rows. */
bool online_wait_call(struct online *o, uint64_t seq, int64_t until_ns)
{
	if (seq < o->awaited)
		o->awaited = seq;
	return online_wait(o, until_ns);
}

static int64_t after_ms(int64_t ms)
{
	return clock_mono_ns(&clock_system) + ms * 1000000;
}

/* -- open and close -- */

static void redis_free(struct online *o)
{
	calls_free(o->head);
	while (o->encoders) {
		struct encoder *c = o->encoders;
		o->encoders = c->next;
		encoder_free(c);
	}
	online_tasks_release(&o->tasks);
	online_views_release(&o->views);
	wire_close(&o->wire);
	wire_close(&o->ask);
	if (o->wake_fd >= 0)
		close(o->wake_fd);
	pthread_cond_destroy(&o->changed);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->ask_lock);
	explicit_bzero(o->address.password, sizeof(o->address.password));
	free(o->prefix);
	free(o);
}

static void locks_init(struct online *o)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->ask_lock, NULL);
}

static void conf_take(struct online *o, const struct redis_conf *conf)
{
	uint32_t down_ms = conf->down_ms_max ? conf->down_ms_max : DOWN_MS_DEFAULT;
	o->prefix = xstrdup(conf->prefix ? conf->prefix : "weir");
	o->backlog_bytes_max =
	        conf->backlog_bytes_max ? conf->backlog_bytes_max : BACKLOG_BYTES_DEFAULT;
	o->down_ns_max = (int64_t)down_ms * 1000000;
	o->pipeline = conf->pipeline ? conf->pipeline : PIPELINE_DEFAULT;
	o->connect_ms = (int)(conf->connect_ms ? conf->connect_ms : CONNECT_MS_DEFAULT);
	o->command_ms = (int)(conf->command_ms ? conf->command_ms : COMMAND_MS_DEFAULT);
	o->wire = o->ask = (struct wire){NULL, &o->address, o->connect_ms, o->command_ms};
}

static enum status address_take(
        struct online *o, const struct redis_conf *conf, struct error *e)
{
	struct address *a = &o->address;
	if (address_parse(a, conf->address, e) != ST_OK)
		return ST_ERR;
	if ((conf->user && strlen(conf->user) >= sizeof(a->user)) ||
	        (conf->password && strlen(conf->password) >= sizeof(a->password)))
		return error_set(e, ERR_USER, 0, "redis: user or password too long");
	if (conf->user)
		snprintf(a->user, sizeof(a->user), "%s", conf->user);
	if (conf->password)
		snprintf(a->password, sizeof(a->password), "%s", conf->password);
	return ST_OK;
}

enum status redis_open(const struct redis_conf *conf, struct online **out, struct error *e)
{
	struct online *o = xcalloc(1, sizeof(*o));
	*out = NULL;
	o->wake_fd = -1;
	o->awaited = UINT64_MAX;
	locks_init(o);
	online_views_init(&o->views);
	conf_take(o, conf);
	if (address_take(o, conf, e) != ST_OK) {
		redis_free(o);
		return ST_ERR;
	}
	o->down_since_ns = clock_mono_ns(&clock_system);
	o->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (getrandom(&o->nonce, sizeof(o->nonce), 0) != sizeof(o->nonce))
		o->nonce =
		        (uint64_t)o->down_since_ns * 0x9e3779b97f4a7c15u + (uint64_t)getpid();
	if (o->wake_fd < 0 || pthread_create(&o->thread, NULL, writer_run, o) != 0) {
		redis_free(o);
		return error_set(e, ERR_FATAL, 0, "redis: no thread or file descriptor left");
	}
	*out = o;
	return ST_OK;
}

static void redis_close(struct online *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	o->idle = true; /* wake it in any case */
	writer_wake(o);
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	redis_free(o);
}

/* -- views -- */

static uint32_t view_add(struct online *o, const struct online_view *v)
{
	bool added;
	pthread_mutex_lock(&o->lock);
	uint32_t n = online_views_add(&o->views, v, &added);
	if (added) {
		o->encoded[n] = arena_alloc(&o->views.arena, sizeof(**o->encoded));
		encode_view_init(o->encoded[n], o->views.v[n], o->prefix, &o->views.arena);
	}
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* -- put -- */

/* Under the lock. */
static struct encoder *encoder_take(struct online *o)
{
	struct encoder *c = o->encoders;
	if (!c)
		return encoder_new();
	o->encoders = c->next;
	return c;
}

static void encoder_give(struct online *o, struct encoder *c)
{
	c->next = o->encoders;
	o->encoders = c;
}

/* Room for one more epoch; any one fits when nothing is queued. */
static size_t room(const struct online *o)
{
	uint64_t used = o->stats.backlog_bytes;
	if (!used)
		return SIZE_MAX;
	return used < o->backlog_bytes_max ? (size_t)(o->backlog_bytes_max - used) : 0;
}

static bool down_too_long(const struct online *o)
{
	return o->link != LINK_UP &&
	       clock_mono_ns(&clock_system) - o->down_since_ns > o->down_ns_max;
}

/* Under the lock: numbers the calls and hangs them on. */
static void queue_append(struct online *o, struct call *list, struct call *last, size_t bytes)
{
	for (struct call *c = list; c; c = c->next)
		c->seq = ++o->queued_seq;
	if (o->tail)
		o->tail->next = list;
	else
		o->head = list;
	o->tail = last;
	o->stats.backlog_bytes += bytes;
	writer_wake(o);
}

/* Formats without the lock, queues with it. Entered and left with the lock held. */
static bool put_queue(struct online *o, struct online_task *t, const struct online_epoch *ep,
        const struct online_step *step)
{
	char key[TASK_KEY_MAX];
	struct call *last;
	size_t bytes;
	uint32_t ncalls;
	struct encoder *c = encoder_take(o);
	struct encode_epoch in = {.epoch = ep,
	        .step = step,
	        .views = (const struct encode_view *const *)o->encoded,
	        .task = t,
	        .record_key = key,
	        .room = room(o)};
	pthread_mutex_unlock(&o->lock);
	int n = snprintf(key, sizeof(key), "%s:_task:%s", o->prefix, ep->task);
	INVARIANT(n > 0 && (size_t)n < sizeof(key));
	struct call *list = encode_calls(c, &in, &last, &bytes, &ncalls);
	pthread_mutex_lock(&o->lock);
	encoder_give(o, c);
	if (!list || bytes > room(o) || t->state == ONLINE_BEHIND) {
		calls_free(list);
		return false;
	}
	queue_append(o, list, last, bytes);
	online_task_queued(t, ep, step, last->seq);
	return true;
}

static enum status put(struct online *o, const struct online_epoch *ep)
{
	struct online_step step;
	pthread_mutex_lock(&o->lock);
	struct online_task *t = online_tasks_get(&o->tasks, ep->task);
	online_task_step(t, ep, o->nonce, &step);
	bool queued = step.accept && !down_too_long(o) && put_queue(o, t, ep, &step);
	if (step.accept && !queued)
		online_task_lost(t, true);
	if (!queued)
		o->stats.rows_dropped += ep->nrows;
	pthread_mutex_unlock(&o->lock);
	return queued ? ST_OK : ST_END;
}

/* -- waiting and counters -- */

/* The call after which at most left_bytes are queued. Under the lock. */
static uint64_t call_before(const struct online *o, uint64_t left_bytes)
{
	uint64_t seq = o->done_seq, queued = o->stats.backlog_bytes;
	for (const struct call *c = o->head; c && queued > left_bytes; c = c->next) {
		queued -= call_bytes(c);
		seq = c->seq;
	}
	return seq;
}

static enum status drain(struct online *o, uint64_t left_bytes, int timeout_ms)
{
	int64_t until = after_ms(timeout_ms > 0 ? timeout_ms : 0);
	pthread_mutex_lock(&o->lock);
	uint64_t seq = call_before(o, left_bytes), discarded = o->discarded;
	while (o->done_seq < seq && online_wait_call(o, seq, until))
		;
	bool done = o->done_seq >= seq && o->discarded == discarded;
	pthread_mutex_unlock(&o->lock);
	return done ? ST_OK : ST_END;
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
	out->up = o->link == LINK_UP;
	pthread_mutex_unlock(&o->lock);
}

const struct online_ops redis_online = {
        .name = "redis",
        .close = redis_close,
        .view_add = view_add,
        .put = put,
        .drain = drain,
        .record_get = ask_record_get,
        .generation = generation,
        .live_set = ask_live_set,
        .live_get = ask_live_get,
        .get = ask_get,
        .view_delete = ask_view_delete,
        .stats = stats,
};
