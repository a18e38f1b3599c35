/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting, authenticating, and one command at a time. Messages name the server without user
 * and password. Resolving a host name may wait for the resolver's own time-out; everything else
 * is bounded by connect_ms and command_ms.
 */
#include "connectors/redis/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"

#define READ_BYTES 16384

static int64_t now_ms(void)
{
	return clock_mono_ns(&clock_system) / 1000000;
}

static enum status fail(struct wire *w, int code, const char *what, struct error *e)
{
	return error_set(e, ERR_RETRIABLE, code, "redis %s: %s", w->address->shown, what);
}

void wire_close(struct wire *w)
{
	if (w->c)
		redisFree(w->c);
	w->c = NULL;
}

static enum status wire_connect(struct wire *w, struct error *e)
{
	const struct address *a = w->address;
	struct timeval tv = {w->connect_ms / 1000, w->connect_ms % 1000 * 1000};
	w->c = a->path[0] ? redisConnectUnixWithTimeout(a->path, tv)
	                  : redisConnectWithTimeout(a->host, a->port, tv);
	if (!w->c)
		return fail(w, ENOMEM, "out of memory", e);
	if (w->c->err)
		return fail(w, errno, w->c->errstr, e);
	redisEnableKeepAlive(w->c); /* fails on a unix socket, which needs none */
	w->c->err = 0;
	return ST_OK;
}

static enum status wire_login(struct wire *w, struct error *e)
{
	const struct address *a = w->address;
	char db[16];
	struct slice auth[3] = {slice_of("AUTH")};
	uint32_t n = 1;
	if (a->user[0])
		auth[n++] = slice_of(a->user);
	auth[n++] = slice_of(a->password);
	if (a->user[0] || a->password[0]) {
		redisReply *r = wire_ask(w, auth, n, e);
		if (!r)
			return error_context(e, "log in");
		freeReplyObject(r);
	}
	snprintf(db, sizeof(db), "%d", a->db);
	struct slice select[2] = {slice_of("SELECT"), slice_of(db)};
	redisReply *r = wire_ask(w, select, 2, e);
	if (!r)
		return ST_ERR;
	freeReplyObject(r);
	return ST_OK;
}

enum status wire_open(struct wire *w, struct error *e)
{
	wire_close(w);
	if (wire_connect(w, e) == ST_OK && wire_login(w, e) == ST_OK)
		return ST_OK;
	wire_close(w);
	return ST_ERR;
}

/* ST_OK: ready. The deadline is in now_ms(). */
static enum status wait_for(struct wire *w, short events, int64_t deadline, struct error *e)
{
	for (;;) {
		int64_t left = deadline - now_ms();
		struct pollfd p = {.fd = w->c->fd, .events = events};
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n > 0)
			return ST_OK;
		if (n == 0)
			return fail(w, ETIMEDOUT, "no answer in time", e);
		if (errno != EINTR)
			return fail(w, errno, strerror(errno), e);
	}
}

static enum status send_all(struct wire *w, struct slice s, int64_t deadline, struct error *e)
{
	while (s.len) {
		ssize_t n = send(w->c->fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			s.p += n;
			s.len -= (uint32_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_for(w, POLLOUT, deadline, e) != ST_OK)
				return ST_ERR;
		} else if (errno != EINTR) {
			return fail(w, errno, strerror(errno), e);
		}
	}
	return ST_OK;
}

enum status wire_read(struct wire *w, struct error *e)
{
	char in[READ_BYTES];
	ssize_t n = recv(w->c->fd, in, sizeof(in), MSG_DONTWAIT);
	if (n > 0)
		return redisReaderFeed(w->c->reader, in, (size_t)n) == REDIS_OK
		               ? ST_OK
		               : fail(w, 0, w->c->reader->errstr, e);
	if (n == 0)
		return fail(w, ECONNRESET, "the server closed the connection", e);
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return ST_END;
	return fail(w, errno, strerror(errno), e);
}

enum status wire_reply(struct wire *w, redisReply **out, struct error *e)
{
	void *reply = NULL;
	*out = NULL;
	if (redisReaderGetReply(w->c->reader, &reply) != REDIS_OK)
		return fail(w, 0, w->c->reader->errstr, e);
	*out = reply;
	return ST_OK;
}

static enum status await_reply(
        struct wire *w, int64_t deadline, redisReply **out, struct error *e)
{
	for (;;) {
		if (wire_reply(w, out, e) != ST_OK)
			return ST_ERR;
		if (*out)
			return ST_OK;
		if (wait_for(w, POLLIN, deadline, e) != ST_OK || wire_read(w, e) == ST_ERR)
			return ST_ERR;
	}
}

redisReply *wire_command(
        struct wire *w, const struct slice *words, uint32_t nwords, struct error *e)
{
	struct buf b;
	redisReply *reply = NULL;
	int64_t deadline = now_ms() + w->command_ms;
	buf_init(&b);
	buf_printf(&b, "*%u\r\n", nwords);
	for (uint32_t i = 0; i < nwords; i++) {
		buf_printf(&b, "$%u\r\n", words[i].len);
		buf_slice(&b, words[i]);
		buf_add(&b, "\r\n", 2);
	}
	if (send_all(w, buf_view(&b), deadline, e) != ST_OK ||
	        await_reply(w, deadline, &reply, e) != ST_OK)
		wire_close(w);
	buf_release(&b);
	return reply;
}

redisReply *wire_ask(
        struct wire *w, const struct slice *words, uint32_t nwords, struct error *e)
{
	redisReply *r = wire_command(w, words, nwords, e);
	if (!r || r->type != REDIS_REPLY_ERROR)
		return r;
	fail(w, 0, r->str, e);
	freeReplyObject(r);
	return NULL;
}
