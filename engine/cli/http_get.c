// SPDX-License-Identifier: Apache-2.0
//
// The smallest HTTP/1.0 client that a node's answers need: one request, read to the end of the
// connection. No redirects, no TLS, no chunks (a 1.0 request gets none).
#include "cli/http_get.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static enum status parts(
        const char *address, char *host, size_t room, const char **port, struct error *e)
{
	const char *colon = strrchr(address, ':');
	const char *from = address + (*address == '['), *to = colon;
	if (colon && colon > address && colon[-1] == ']')
		to--;
	if (!colon || to <= from || (size_t)(to - from) >= room || !colon[1])
		return error_set(e, ERR_USER, 0, "'%s' is no address: HOST:PORT is", address);
	memcpy(host, from, (size_t)(to - from));
	host[to - from] = 0;
	*port = colon + 1;
	return ST_OK;
}

static int dial(const struct addrinfo *a)
{
	struct timeval limit = {.tv_sec = HTTP_GET_MS / 1000};
	for (; a; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		int why = errno;
		close(fd);
		errno = why;
	}
	return -1;
}

static bool send_all(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = send(fd, b->p + at, b->len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, struct buf *out)
{
	for (;;) {
		if (out->len > HTTP_GET_BYTES_MAX)
			return errno = EMSGSIZE, false;
		buf_reserve(out, 65536);
		ssize_t n = recv(fd, out->p + out->len, 65536, 0);
		if (n <= 0)
			return n == 0;
		out->len += (size_t)n;
	}
}

static enum status ask(const char *address, const char *host, const char *port,
        const char *path, struct buf *out, struct error *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int why = getaddrinfo(host, port, &hints, &list);
	if (why)
		return error_set(
		        e, ERR_RETRIABLE, why, "http %s: %s", address, gai_strerror(why));
	int fd = dial(list);
	freeaddrinfo(list);
	struct buf request = {0};
	buf_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n\r\n",
	        path, address);
	bool ok = fd >= 0 && send_all(fd, &request) && receive_all(fd, out);
	if (!ok)
		error_set(e, ERR_RETRIABLE, errno, "http %s: %s", address,
		        errno == EAGAIN ? "no answer in time" : strerror(errno));
	buf_release(&request);
	if (fd >= 0)
		close(fd);
	return ok ? ST_OK : ST_ERR;
}

enum status http_get(
        const char *address, const char *path, int *status, struct buf *out, struct error *e)
{
	char host[256];
	const char *port = NULL;
	struct buf raw = {0};
	if (parts(address, host, sizeof host, &port, e) ||
	        ask(address, host, port, path, &raw, e)) {
		buf_release(&raw);
		return ST_ERR;
	}
	const char *text = buf_cstr(&raw), *body = strstr(text, "\r\n\r\n");
	enum status st = ST_OK;
	if (!body || sscanf(text, "HTTP/1.%*d %d", status) != 1)
		st = error_set(e, ERR_RETRIABLE, 0, "http %s: that is no HTTP server", address);
	else
		buf_add(out, body + 4, raw.len - (size_t)(body + 4 - text));
	buf_release(&raw);
	return st;
}
