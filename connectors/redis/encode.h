/* SPDX-License-Identifier: Apache-2.0
 *
 * Committed rows to the bytes of FCALLs, many rows a call, a call small enough to hold Redis up
 * for a millisecond or two. Knows nothing of connections.
 */
#ifndef WEIR_CONNECTORS_REDIS_ENCODE_H
#define WEIR_CONNECTORS_REDIS_ENCODE_H

#include "connectors/redis/dump.h"
#include "connectors/redis/row.h"
#include "run/online_task.h"
#include "run/online_view.h"

#define CALL_ROWS_MAX 256
#define CALL_BYTES_MAX (64 * 1024) /* a single row may be longer */

/* One encoded call; a list by next. */
struct call {
	struct call *next;
	struct online_task *task;
	uint64_t seq;
	uint32_t nrows;
	size_t len;
	uint8_t bytes[];
};

/* As counted towards the backlog. */
static inline size_t call_bytes(const struct call *c)
{
	return sizeof *c + c->len;
}

/* A view with what is the same in each of its rows. */
struct encode_view {
	const struct online_view *view;
	struct slice key; /* "<prefix>:<view>:<version>:" */
	struct row_plan row;
};
void encode_view_init(struct encode_view *ev, const struct online_view *v, const char *prefix,
        struct arena *a);

/* Buffers for one thread at a time, used again and again. */
struct encoder {
	struct encoder *next;
	struct buf keys, args, text;
	struct dump row;
	struct buf begin; /* the fields that all rows of an epoch begin with */
	struct row_memo memo;
	uint32_t nkeys, nargs;
};
struct encoder *encoder_new(void);
void encoder_free(struct encoder *c);

struct encode_epoch {
	const struct online_epoch *epoch;
	const struct online_step *step;
	const struct encode_view *const *views; /* by number */
	struct online_task *task;
	const char *record_key;
	size_t room; /* give up above so many bytes */
};
/* The epoch's calls in order, oldest first, at least one; NULL: more than room. */
struct call *encode_calls(struct encoder *c, const struct encode_epoch *in, struct call **last,
        size_t *bytes, uint32_t *ncalls);
void calls_free(struct call *list);

#endif
