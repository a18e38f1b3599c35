/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of the stream W, one after the other; see stream.c. */
#ifndef WEIR_BENCH_STREAM_H
#define WEIR_BENCH_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define STREAM_SPAN_MS (INT64_C(26) * 3600 * 1000)
#define STREAM_START_MS INT64_C(1735689600000) /* 2025-01-01 */
#define STREAM_USERS 1000000

struct stream_conf {
	uint64_t users;
	uint32_t hot_percent; /* of the events are of one user */
	bool each;            /* not zipf: event i is of user each_from + i */
	uint64_t each_from;
	bool first_each; /* the first `users` events are of one user each, the others zipf */
	bool avro;       /* bare Avro of w.avsc; JSON otherwise */
};

struct stream {
	struct stream_conf conf;
	uint64_t state; /* of the random numbers */
	double zeta, eta, alpha, half;
};

struct stream_event {
	uint64_t user;
	uint32_t rank, item; /* rank: how frequent the user is, 0 the most */
	char key[24];
	uint32_t key_len;
	struct buf value;
};

void stream_init(struct stream *s, const struct stream_conf *conf);
/* Event i, to be asked for in order; ts is its time but for the disorder. ev->value is the
 * caller's to release. */
void stream_next(struct stream *s, uint64_t i, int64_t ts, struct stream_event *ev);

#endif
