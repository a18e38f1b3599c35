// SPDX-License-Identifier: Apache-2.0
//
// Partitions that nobody owns. In a cooperative rebalance a partition that is to move is in no
// assignment until its old owner has given it up and joined again. A static member that is
// killed in between comes back without a rebalance (that is what static membership is for),
// gets what it was assigned, and never joins again of itself: the partition would be nobody's
// until the next member comes or goes. So a static member looks once, after its first
// assignment, whether all partitions of its subscription have an owner; if not, it leaves and
// joins, which makes the group assign anew.
//
// Members without a static id need not: their return is always a rebalance.
#include "session.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker.h"

#define LOOK_AGAIN_NS INT64_C(1000000000)
#define LOOKS_MAX 30

/* The first partition that is in nobody's assignment; NULL: there is none. */
static enum status orphan_find(struct log_session *s,
        const rd_kafka_topic_partition_list_t *owned, const char **topic, int32_t *partition,
        struct error *e)
{
	*topic = NULL;
	for (int t = 0; t < s->subscription->cnt; t++) {
		struct log_topic_info info;
		const char *name = s->subscription->elems[t].topic;
		if (admin_topic_info(s->broker, name, &info, e))
			return ST_ERR;
		for (int32_t p = 0; p < info.partitions; p++) {
			if (rd_kafka_topic_partition_list_find(owned, name, p))
				continue;
			*topic = name;
			*partition = p;
			return ST_OK;
		}
	}
	return ST_OK;
}

/* The revocation comes with the next poll, as any other does. */
static void rejoin(struct log_session *s)
{
	rd_kafka_resp_err_t err = rd_kafka_unsubscribe(s->consumer.rk);
	if (!err)
		err = rd_kafka_subscribe(s->consumer.rk, s->subscription);
	if (!err)
		return;
	client_error(&s->consumer, &s->pending, err, NULL, "joining group %s again", s->group);
	s->noted = true;
}

static enum status look(struct log_session *s, struct error *e)
{
	const char *topic;
	int32_t partition = 0;
	rd_kafka_topic_partition_list_t *owned = rd_kafka_topic_partition_list_new(64);
	enum status st = admin_group_owned(s->broker, s->group, owned, e);
	if (!st)
		st = orphan_find(s, owned, &topic, &partition, e);
	if (!st && topic) {
		LOG_WARN("kafka",
		        "%s: nobody owns %s[%" PRId32 "]: a member was killed while it gave "
		        "partitions up; joining again",
		        s->consumer.name, topic, partition);
		rejoin(s);
	}
	rd_kafka_topic_partition_list_destroy(owned);
	return st;
}

void orphans_look(struct log_session *s)
{
	struct error e;
	int64_t now = clock_mono_ns(&clock_system);
	if (now < s->orphans_next_ns)
		return;
	/* ST_END, a rebalance under way: it goes by what members own now. */
	if (look(s, &e) >= 0 || ++s->orphans_looks == LOOKS_MAX)
		s->orphans = ORPHANS_SEEN;
	s->orphans_next_ns = now + LOOK_AGAIN_NS;
}
