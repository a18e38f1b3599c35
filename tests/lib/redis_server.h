/* SPDX-License-Identifier: Apache-2.0
 *
 * A private redis-server for a test: free port, own folder, killed with the process that
 * started it. Debian's redis-tools holds the server under the name redis-check-rdb; what it is,
 * it learns from the name it is called by.
 */
#ifndef WEIR_TESTS_LIB_REDIS_SERVER_H
#define WEIR_TESTS_LIB_REDIS_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
	int port;
	pid_t pid; /* 0: not running */
	char dir[64], address[32];
	const char *args[16]; /* beside port and folder, NULL-terminated */
};

static inline int64_t test_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the condition holds, at most a minute; false when it never does. */
#define TEST_WAIT(cond)                                                                        \
	({                                                                                     \
		int64_t test_until = test_now_ms() + 60000;                                    \
		while (!(cond) && test_now_ms() < test_until)                                  \
			usleep(1000);                                                          \
		(cond);                                                                        \
	})

static inline bool redis_server_init(struct redis_server *s)
{
	struct sockaddr_in a = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	memset(s, 0, sizeof(*s));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 ||
	        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return false;
	close(fd);
	s->port = ntohs(a.sin_port);
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", s->port);
	strcpy(s->dir, "/tmp/weir-redis.XXXXXX");
	return mkdtemp(s->dir);
}

static inline void redis_server_exec(const struct redis_server *s)
{
	static const char *const programs[] = {"/usr/bin/redis-server",
	        "/usr/local/bin/redis-server", "/usr/bin/redis-check-rdb"};
	char port[16];
	const char *argv[32] = {"redis-server", "--port", port, "--bind", "127.0.0.1", "--dir",
	        s->dir, "--save", "", "--logfile", "log"};
	int n = 11;
	for (int i = 0; s->args[i]; i++)
		argv[n++] = s->args[i];
	snprintf(port, sizeof(port), "%d", s->port);
	for (int i = 0; i < 3; i++)
		execv(programs[i], (char *const *)argv);
	_exit(127);
}

/* An answer of the server, to be freed; NULL when it does not answer. password may be NULL. */
static inline redisReply *redis_server_ask(
        const struct redis_server *s, const char *password, const char *command)
{
	struct timeval tv = {1, 0};
	redisReply *r = NULL;
	redisContext *c = redisConnectWithTimeout("127.0.0.1", s->port, tv);
	if (c && !c->err) {
		redisSetTimeout(c, tv);
		if (password)
			freeReplyObject(redisCommand(c, "AUTH %s", password));
		r = redisCommand(c, command);
	}
	if (c)
		redisFree(c);
	return r;
}

static inline bool redis_server_pong(const struct redis_server *s)
{
	redisReply *r = redis_server_ask(s, NULL, "PING");
	bool ok = r && (r->type == REDIS_REPLY_STATUS || strncmp(r->str, "NOAUTH", 6) == 0);
	freeReplyObject(r);
	return ok;
}

/* Starts it on the same port and folder as before. */
static inline bool redis_server_start(struct redis_server *s)
{
	signal(SIGPIPE, SIG_IGN); /* for the helpers above; the connector needs no such thing */
	s->pid = fork();
	if (s->pid == 0) {
		int null = open("/dev/null", O_RDWR);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		redis_server_exec(s);
	}
	return s->pid > 0 && TEST_WAIT(redis_server_pong(s));
}

static inline void redis_server_kill(struct redis_server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
}

/* Removes what it stored. */
static inline void redis_server_wipe(struct redis_server *s)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s && mkdir %s", s->dir, s->dir);
	if (system(command) != 0)
		abort();
}

static inline void redis_server_release(struct redis_server *s)
{
	char command[128];
	redis_server_kill(s);
	snprintf(command, sizeof(command), "rm -rf %s", s->dir);
	if (system(command) != 0)
		abort();
}

#endif
