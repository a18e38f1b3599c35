// SPDX-License-Identifier: Apache-2.0
//
// Opens the listening socket ourselves, not through the HTTP library, so that a failure can say
// which address and why.
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 32

static enum status split(const char *address, char host[128], char port[8], struct error *e)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;
	bool brackets = n > 1 && address[0] == '[' && address[n - 1] == ']';
	if (!colon || n == 0 || n >= 128 || strlen(colon + 1) > 5 || !colon[1] ||
	        strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return error_set(e, ERR_USER, 0,
		        "HTTP address %s: should be HOST:PORT, as in 127.0.0.1:8080", address);
	snprintf(host, 128, "%.*s", (int)(brackets ? n - 2 : n), address + brackets);
	snprintf(port, 8, "%s", colon + 1);
	return ST_OK;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static void describe(struct listener *l)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof a;
	getsockname(l->fd, (struct sockaddr *)&a, &len);
	char host[64] = "", port[8] = "";
	getnameinfo((struct sockaddr *)&a, len, host, sizeof host, port, sizeof port,
	        NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(l->address, sizeof l->address, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
	        host, port);
	l->loopback = is_loopback(&a);
}

enum status listener_open(struct listener *l, const char *address, struct error *e)
{
	char host[128], port[8];
	if (split(address, host, port, e) != ST_OK)
		return ST_ERR;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	int rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return error_set(
		        e, ERR_USER, rc, "HTTP address %s: %s", address, gai_strerror(rc));
	int one = 1;
	l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = l->fd >= 0 &&
	          setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	          bind(l->fd, found->ai_addr, found->ai_addrlen) == 0 &&
	          listen(l->fd, LISTEN_BACKLOG) == 0;
	int err = errno;
	freeaddrinfo(found);
	if (!ok) {
		if (l->fd >= 0)
			close(l->fd);
		return error_set(
		        e, ERR_USER, err, "HTTP address %s: %s", address, strerror(err));
	}
	describe(l);
	return ST_OK;
}
