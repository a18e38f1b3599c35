// SPDX-License-Identifier: Apache-2.0
//
// One thread that shuts down sockets whose request is overdue; the HTTP library then finds them
// closed and cleans up as always. The lock makes sure that a socket is never shut down after
// its number was given back.
#include "http/deadlines.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "http/server.h"

#define DEADLINE_SLOTS (2 * HTTP_CONNECTIONS_MAX) /* some are closing while others come */
#define DEADLINE_NEVER INT64_MAX

struct deadline {
	bool used;
	int fd;
	int64_t due_ms; /* monotonic */
};

struct deadlines {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool stop;
	int64_t request_ms;
	struct metric *cut;
	struct deadline slots[DEADLINE_SLOTS];
};

static int64_t now_ms(void)
{
	return clock_mono_ns(&clock_system) / 1000000;
}

/* Cuts what is due; returns when the next one is. */
static int64_t sweep(struct deadlines *d, int64_t now)
{
	int64_t next = DEADLINE_NEVER;
	for (uint32_t i = 0; i < DEADLINE_SLOTS; i++) {
		struct deadline *one = &d->slots[i];
		if (!one->used)
			continue;
		if (one->due_ms <= now) {
			metric_add(d->cut, 1);
			shutdown(one->fd, SHUT_RDWR);
			one->due_ms = DEADLINE_NEVER;
		}
		next = one->due_ms < next ? one->due_ms : next;
	}
	return next;
}

static void *run(void *arg)
{
	struct deadlines *d = arg;
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		int64_t next = sweep(d, now_ms());
		if (next == DEADLINE_NEVER) {
			pthread_cond_wait(&d->wake, &d->lock);
			continue;
		}
		struct timespec t = {next / 1000, next % 1000 * 1000000};
		pthread_cond_timedwait(&d->wake, &d->lock, &t);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

struct deadlines *deadlines_new(int64_t request_ms, struct metric *cut)
{
	struct deadlines *d = xcalloc(1, sizeof *d);
	d->request_ms = request_ms;
	d->cut = cut;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&d->thread, NULL, run, d) != 0) {
		pthread_cond_destroy(&d->wake);
		pthread_mutex_destroy(&d->lock);
		free(d);
		return NULL;
	}
	return d;
}

void deadlines_free(struct deadlines *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void set_due(struct deadlines *d, struct deadline *one, int64_t due_ms)
{
	if (!one)
		return;
	pthread_mutex_lock(&d->lock);
	one->due_ms = due_ms;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

struct deadline *deadline_begin(struct deadlines *d, int fd)
{
	struct deadline *one = NULL;
	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < DEADLINE_SLOTS && !one; i++)
		if (!d->slots[i].used)
			one = &d->slots[i];
	if (one) {
		*one = (struct deadline){true, fd, now_ms() + d->request_ms};
		pthread_cond_signal(&d->wake);
	}
	pthread_mutex_unlock(&d->lock);
	return one;
}

void deadline_clear(struct deadlines *d, struct deadline *one)
{
	set_due(d, one, DEADLINE_NEVER);
}

void deadline_again(struct deadlines *d, struct deadline *one, int64_t idle_ms)
{
	set_due(d, one, now_ms() + idle_ms + d->request_ms);
}

void deadline_end(struct deadlines *d, struct deadline *one)
{
	if (!one)
		return;
	pthread_mutex_lock(&d->lock);
	one->used = false;
	pthread_mutex_unlock(&d->lock);
}
