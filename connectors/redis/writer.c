/* SPDX-License-Identifier: Apache-2.0
 *
 * The background thread of a Redis store: connects, loads the function, sends queued calls
 * ahead of their answers, and takes each off the queue when it is answered. Whatever goes wrong
 * has one of two ends: the connection is dropped and, after a pause that doubles up to
 * BACKOFF_MS_MAX, everything unanswered is sent again (the guard makes that harmless); or, for
 * an answer that says the call itself is wrong, the call is dropped and its task is behind.
 * Down for longer than down_ms_max, the whole queue is dropped.
 *
 * Only this thread takes calls off the queue, so it may read them without the lock; the next
 * pointers it reads under it.
 */
#include "connectors/redis/inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "connectors/redis/function.h"

#define BACKOFF_MS_MIN 25
#define BACKOFF_MS_MAX 5000
#define SEND_CALLS_MAX 16
#define ANSWER_BYTES_MIN 16 /* "*3\r\n:1\r\n:0\r\n:0\r\n"; all errors are longer */
#define IDLE_POLL_MS 10000

void writer_wake(struct online *o)
{
	uint64_t one = 1;
	if (!o->idle)
		return;
	o->idle = false;
	if (write(o->wake_fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is awake already */
}

static int64_t now_ns(void)
{
	return clock_mono_ns(&clock_system);
}

static bool stopping(struct online *o)
{
	pthread_mutex_lock(&o->lock);
	bool s = o->stopping;
	pthread_mutex_unlock(&o->lock);
	return s;
}

/* -- up and down -- */

/* Under the lock. */
static void link_up(struct online *o)
{
	if (o->link == LINK_UP)
		return;
	o->link = LINK_UP;
	o->failures = 0;
	if (o->lost) {
		o->lost = false;
		o->generation++;
		o->stats.reconnects++;
	}
	pthread_cond_broadcast(&o->changed);
}

static void link_lost(struct online *o, const struct error *e)
{
	wire_close(&o->wire);
	pthread_mutex_lock(&o->lock);
	bool news = o->link == LINK_UP || o->link == LINK_UNKNOWN ||
	            strcmp(o->stats.last_error, e->msg) != 0;
	if (o->link == LINK_UP) {
		o->lost = true;
		o->down_since_ns = now_ns();
	}
	o->link = LINK_DOWN;
	o->failures++;
	o->stats.errors++;
	snprintf(o->stats.last_error, sizeof(o->stats.last_error), "%.*s",
	        (int)sizeof(o->stats.last_error) - 1, e->msg);
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	if (news)
		LOG_WARN("redis", "%s; trying again", e->msg);
}

static enum status link_open(struct online *o, struct error *e)
{
	if (wire_open(&o->wire, e) != ST_OK)
		return ST_ERR;
	o->sent = NULL;
	o->sent_bytes = 0;
	o->inflight = 0;
	o->loaded = false;
	o->wake_bytes = 1; /* a socket's own */
	o->progress_ns = now_ns();
	pthread_mutex_lock(&o->lock);
	o->link = LINK_OPEN;
	if (!o->head)
		link_up(o);
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	return ST_OK;
}

/* -- the queue's head -- */

/* Under the lock; the caller frees. */
static struct call *queue_pop(struct online *o)
{
	struct call *c = o->head;
	o->head = c->next;
	if (!o->head)
		o->tail = NULL;
	if (o->sent == c)
		o->sent = NULL;
	o->done_seq = c->task->done_seq = c->seq;
	o->stats.backlog_bytes -= call_bytes(c);
	if (o->done_seq >= o->awaited) {
		o->awaited = UINT64_MAX; /* who waits for a later one says so again */
		pthread_cond_broadcast(&o->changed);
	}
	return c;
}

/* Under the lock. */
static void queue_discard(struct online *o)
{
	struct call *c = queue_pop(o);
	online_task_lost(c->task, false);
	o->stats.rows_dropped += c->nrows;
	o->discarded++;
	free(c);
}

static void discard_all(struct online *o)
{
	uint64_t n = 0;
	pthread_mutex_lock(&o->lock);
	if (o->link != LINK_UP && now_ns() - o->down_since_ns > o->down_ns_max)
		for (; o->head; n++)
			queue_discard(o);
	pthread_mutex_unlock(&o->lock);
	if (n)
		LOG_WARN("redis",
		        "%s: down too long; %llu queued calls dropped, their tasks will be "
		        "repaired",
		        o->address.shown, (unsigned long long)n);
}

static void backoff(struct online *o)
{
	uint32_t doubled = o->failures > 8 ? 8 : o->failures;
	int64_t ms = (int64_t)BACKOFF_MS_MIN << doubled;
	int64_t until = now_ns() + (ms < BACKOFF_MS_MAX ? ms : BACKOFF_MS_MAX) * 1000000;
	pthread_mutex_lock(&o->lock);
	while (!o->stopping && now_ns() < until)
		online_wait(o, until);
	pthread_mutex_unlock(&o->lock);
	discard_all(o);
}

/* -- answers -- */

/* Errors that end by themselves or by an operator's hand: keep the call, come back. */
static bool passes(const char *msg)
{
	static const char *const prefixes[] = {"LOADING ", "BUSY ", "READONLY ", "OOM ",
	        "MISCONF ", "MASTERDOWN ", "NOREPLICAS ", "NOAUTH ", "WRONGPASS ", "NOPERM ",
	        "MOVED ", "ASK ", "CLUSTERDOWN ", "TRYAGAIN ", "CROSSSLOT ", "UNKILLABLE ",
	        "ERR Function not found", "ERR max number of clients"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncmp(msg, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static const char *advice(const char *msg)
{
	if (strncmp(msg, "MOVED ", 6) == 0 || strncmp(msg, "CROSSSLOT ", 10) == 0)
		return " (a Redis cluster: not supported, give a single primary)";
	if (strncmp(msg, "READONLY ", 9) == 0)
		return " (a replica: give the primary)";
	if (strncmp(msg, "OOM ", 4) == 0)
		return " (maxmemory is reached)";
	return "";
}

static enum status answer_error(struct online *o, const redisReply *r, struct error *e)
{
	error_set(e, ERR_RETRIABLE, 0, "redis %s: %s%s", o->address.shown, r->str,
	        advice(r->str));
	if (passes(r->str))
		return ST_ERR;
	LOG_ERROR("redis", "%s; the call is dropped", e->msg);
	pthread_mutex_lock(&o->lock);
	o->stats.errors++;
	snprintf(o->stats.last_error, sizeof(o->stats.last_error), "%.*s",
	        (int)sizeof(o->stats.last_error) - 1, e->msg);
	queue_discard(o);
	pthread_mutex_unlock(&o->lock);
	o->inflight--;
	return ST_OK;
}

static enum status answer(struct online *o, const redisReply *r, struct error *e)
{
	if (o->inflight && r->type == REDIS_REPLY_ERROR)
		return answer_error(o, r, e);
	if (!o->inflight || r->type != REDIS_REPLY_ARRAY || r->elements != 3)
		return error_set(e, ERR_RETRIABLE, 0, "redis %s: an unexpected answer%s%s",
		        o->address.shown, r->str ? ": " : "", r->str ? r->str : "");
	failpoint_at(FP_ONLINE_ANSWERED);
	pthread_mutex_lock(&o->lock);
	struct call *c = queue_pop(o);
	o->stats.calls++;
	o->stats.rows_written += (uint64_t)r->element[0]->integer;
	o->stats.rows_stale += (uint64_t)r->element[1]->integer;
	bool gap = r->element[2]->integer == ONLINE_GAP;
	if (gap)
		online_task_gap(c->task, c->seq);
	link_up(o);
	pthread_mutex_unlock(&o->lock);
	if (gap)
		LOG_WARN("redis", "%s: rows of task %s are missing there; to be repaired",
		        o->address.shown, c->task->name);
	free(c);
	o->inflight--;
	return ST_OK;
}

/* One read a turn: it holds more answers than a pipeline has, and poll tells of any rest. */
static enum status receive(struct online *o, struct error *e)
{
	redisReply *r;
	enum status st = wire_read(&o->wire, e);
	enum status parsed = wire_reply(&o->wire, &r, e);
	while (parsed == ST_OK && r) {
		parsed = answer(o, r, e);
		freeReplyObject(r);
		o->progress_ns = now_ns();
		if (parsed == ST_OK)
			parsed = wire_reply(&o->wire, &r, e);
	}
	return st == ST_ERR || parsed != ST_OK ? ST_ERR : ST_OK;
}

/* -- sending -- */

static enum status load(struct online *o, struct error *e)
{
	struct slice words[] = {slice_of("FUNCTION"), slice_of("LOAD"), slice_of("REPLACE"),
	        slice_of(function_library)};
	redisReply *r = wire_ask(&o->wire, words, 4, e);
	if (!r)
		return error_context(e, "load the function");
	freeReplyObject(r);
	o->loaded = true;
	o->progress_ns = now_ns();
	return ST_OK;
}

/* The calls to send next. When there is none, and more may come, the writer counts as idle. */
static int gather(struct online *o, struct call **calls, struct iovec *iov)
{
	int n = 0;
	pthread_mutex_lock(&o->lock);
	struct call *c = o->sent ? o->sent->next : o->head;
	for (; c && n < SEND_CALLS_MAX && o->inflight + (uint32_t)n < o->pipeline;
	        c = c->next) {
		size_t from = n ? 0 : o->sent_bytes;
		calls[n] = c;
		iov[n++] = (struct iovec){c->bytes + from, c->len - from};
	}
	o->idle = !c && !n && !o->stopping;
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* Notes what the socket took; true: all of it. */
static bool sent_note(struct online *o, struct call *const *calls, const struct iovec *iov,
        int n, size_t sent)
{
	for (int i = 0; i < n; i++) {
		size_t part = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		sent -= part;
		o->sent_bytes += part;
		if (part < iov[i].iov_len)
			return false;
		o->sent = calls[i];
		o->sent_bytes = 0;
		o->inflight++;
	}
	return true;
}

/* Until nothing is left or the pipeline is full; full: until the socket is. */
static enum status send_some(struct online *o, bool *full, struct error *e)
{
	struct call *calls[SEND_CALLS_MAX];
	struct iovec iov[SEND_CALLS_MAX];
	int n;
	*full = false;
	while (!*full && (n = gather(o, calls, iov)) > 0) {
		if (!o->loaded && load(o, e) != ST_OK)
			return ST_ERR;
		if (!o->inflight && !o->sent_bytes)
			o->progress_ns = now_ns();
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
		failpoint_at(FP_ONLINE_SEND);
		ssize_t sent = sendmsg(wire_fd(&o->wire), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return error_set(e, ERR_RETRIABLE, errno, "redis %s: %s",
			        o->address.shown, strerror(errno));
		failpoint_at(FP_ONLINE_SENT);
		*full = !sent_note(o, calls, iov, n, sent > 0 ? (size_t)sent : 0);
	}
	return ST_OK;
}

/* Half of the answers under way are worth a turn: a wake for each costs more than it tells,
 * and the server has the other half to do meanwhile. What waits for the last one is woken by it,
 * and a time-out comes after a last look at what is there. On a unix socket it is no matter. */
static void wake_at(struct online *o)
{
	int bytes = o->inflight > 1 ? (int)(o->inflight / 2) * ANSWER_BYTES_MIN : 1;
	if (bytes == o->wake_bytes)
		return;
	o->wake_bytes = bytes;
	setsockopt(wire_fd(&o->wire), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

static enum status wait_turn(struct online *o, bool full, struct error *e)
{
	bool busy = full || o->inflight || o->sent_bytes;
	int64_t left =
	        busy ? o->command_ms - (now_ns() - o->progress_ns) / 1000000 : IDLE_POLL_MS;
	if (left <= 0)
		return error_set(e, ERR_RETRIABLE, ETIMEDOUT, "redis %s: no answer for %d ms",
		        o->address.shown, o->command_ms);
	short out = full ? POLLOUT : 0;
	wake_at(o);
	struct pollfd p[2] = {{.fd = wire_fd(&o->wire), .events = (short)(POLLIN | out)},
	        {.fd = o->wake_fd, .events = POLLIN}};
	uint64_t count;
	if (poll(p, 2, (int)left) < 0 && errno != EINTR)
		return error_set(e, ERR_RETRIABLE, errno, "redis: poll: %s", strerror(errno));
	if ((p[1].revents & POLLIN) && read(o->wake_fd, &count, sizeof(count)) < 0)
		return ST_OK; /* taken already */
	return ST_OK;
}

void *writer_run(void *online)
{
	struct online *o = online;
	sigset_t all;
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!stopping(o)) {
		struct error e = {0};
		bool full;
		if (!o->wire.c && link_open(o, &e) != ST_OK) {
			link_lost(o, &e);
			backoff(o);
		} else if (send_some(o, &full, &e) != ST_OK ||
		           wait_turn(o, full, &e) != ST_OK || receive(o, &e) != ST_OK) {
			link_lost(o, &e);
			backoff(o);
		}
	}
	return NULL;
}
