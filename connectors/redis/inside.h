/* SPDX-License-Identifier: Apache-2.0
 *
 * The object behind redis.h, shared by its three files: redis.c (what callers do), writer.c
 * (the background thread), ask.c (questions on a second connection). Not for others.
 */
#ifndef WEIR_CONNECTORS_REDIS_INSIDE_H
#define WEIR_CONNECTORS_REDIS_INSIDE_H

#include <pthread.h>

#include "connectors/redis/encode.h"
#include "connectors/redis/redis.h"
#include "connectors/redis/wire.h"

/* The connection as others see it. */
enum link {
	LINK_UNKNOWN, /* not tried yet */
	LINK_DOWN,
	LINK_OPEN, /* logged in; whether it takes writes is to be seen */
	LINK_UP,   /* and it does, or there is nothing to write */
};

struct online {
	/* fixed after open */
	struct address address;
	char *prefix;
	uint64_t backlog_bytes_max;
	int64_t down_ns_max;
	uint32_t pipeline;
	int connect_ms, command_ms;
	uint64_t nonce;
	int wake_fd;
	pthread_t thread;

	/* Only appended to, under the lock; read without it by who has a number. */
	struct encode_view *encoded[ONLINE_VIEWS_MAX];

	pthread_mutex_t lock;   /* for all down to stats; never held over I/O */
	pthread_cond_t changed; /* the call awaited is done, or the link changed */
	struct online_views views;
	struct online_tasks tasks;
	struct encoder *encoders;
	struct call *head, *tail; /* appended by callers, taken off by the writer alone */
	uint64_t queued_seq, done_seq, discarded;
	uint64_t awaited; /* somebody waits for this call, or one after it */
	enum link link;
	int64_t down_since_ns; /* while not LINK_UP */
	uint64_t generation;
	bool stopping, idle; /* idle: the writer sleeps until woken */
	struct online_stats stats;

	/* the writer's alone */
	struct wire wire;
	struct call *sent; /* last call wholly sent and not answered; NULL: none is */
	size_t sent_bytes; /* of the call after it */
	uint32_t inflight; /* calls up to sent */
	bool loaded;       /* the function, over this connection */
	bool lost;         /* a connection that was up; generation grows when it is again */
	int wake_bytes; /* so many bytes of answers end a wait */
	int64_t progress_ns;
	uint32_t failures; /* since it was up */

	pthread_mutex_t ask_lock; /* for the rest */
	struct wire ask;
	int64_t ask_pause_ns; /* no attempt before */
	char delete_key[512]; /* view_delete under way */
	char delete_cursor[32];
};

void *writer_run(void *online);
/* Under the lock: gives the writer's thread something to look at. */
void writer_wake(struct online *o);

enum status ask_record_get(
        struct online *o, const char *task, struct online_record *out, struct error *e);
enum status ask_live_set(struct online *o, const char *view, uint32_t version, struct error *e);
enum status ask_live_get(
        struct online *o, const char *view, uint32_t *version, struct error *e);
enum status ask_get(struct online *o, const char *view, uint32_t version, struct slice entity,
        struct buf *out, struct error *e);
enum status ask_view_delete(
        struct online *o, const char *view, uint32_t version, struct error *e);

/* Waits on changed until then (clock_mono_ns); false: the time is over. Under the lock. */
bool online_wait(struct online *o, int64_t until_ns);
/* The same, of one who waits for a call to be done. */
bool online_wait_call(struct online *o, uint64_t seq, int64_t until_ns);

#endif
