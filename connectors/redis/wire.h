/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to Redis: hiredis connects and parses, the sending and waiting are ours, because
 * hiredis 0.14 can neither time out per answer nor write without SIGPIPE. Not thread-safe.
 */
#ifndef WEIR_CONNECTORS_REDIS_WIRE_H
#define WEIR_CONNECTORS_REDIS_WIRE_H

#include <hiredis/hiredis.h>

#include "base/slice.h"
#include "connectors/redis/address.h"

#define WIRE_WORDS_MAX 1100

struct wire {
	redisContext *c; /* NULL: closed */
	const struct address *address;
	int connect_ms, command_ms;
};

/* Closes what was open; connects, authenticates, selects the database. */
enum status wire_open(struct wire *w, struct error *e);
void wire_close(struct wire *w);
static inline int wire_fd(const struct wire *w)
{
	return w->c ? w->c->fd : -1;
}

/* One command and its answer, waiting at most command_ms. NULL: the connection broke and was
 * closed. The answer may be REDIS_REPLY_ERROR; freeReplyObject frees it. */
redisReply *wire_command(
        struct wire *w, const struct slice *words, uint32_t nwords, struct error *e);
/* The same, an error answer being a failure: ERR_RETRIABLE with its text. */
redisReply *wire_ask(
        struct wire *w, const struct slice *words, uint32_t nwords, struct error *e);

/* Reads what has come, without waiting. ST_END: nothing. ST_ERR: broken (not closed). */
enum status wire_read(struct wire *w, struct error *e);
/* The next whole answer, NULL when there is none yet. ST_ERR: not Redis's protocol. */
enum status wire_reply(struct wire *w, redisReply **out, struct error *e);

#endif
