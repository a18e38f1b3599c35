/* SPDX-License-Identifier: Apache-2.0
 *
 * The online store in Redis 7 (RESP2, one server or one primary with replicas; not a cluster):
 * run/online.h over a server-side function that guards versions. One background thread per
 * object writes; all calls may come from any thread.
 */
#ifndef WEIR_CONNECTORS_REDIS_REDIS_H
#define WEIR_CONNECTORS_REDIS_REDIS_H

#include "run/online.h"

struct redis_conf {
	/* "host:port", "host", "[::1]:port", an absolute path or "unix:path" of a socket, or
	 * "redis://[[user]:password@]host[:port][/db]" with percent escapes. */
	const char *address;
	const char *user, *password; /* NULL: from the URL, or none. Never logged */
	const char *prefix;          /* NULL: "weir" */
	/* 0 stands for the default in each of these: */
	uint64_t backlog_bytes_max; /* 32 MB; one epoch may exceed it when nothing else is
	                               queued */
	uint32_t down_ms_max;       /* 60000: then what is queued is dropped */
	uint32_t pipeline;          /* 32 calls sent ahead of their answers */
	uint32_t connect_ms;        /* 2000 */
	uint32_t command_ms;        /* 3000: an answer that takes longer is a lost connection */
};

extern const struct online_ops redis_online;

/* ERR_USER: the address makes no sense. Redis need not be up, now or later. */
enum status redis_open(const struct redis_conf *conf, struct online **out, struct error *e);

#endif
