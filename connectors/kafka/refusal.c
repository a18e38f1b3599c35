// SPDX-License-Identifier: Apache-2.0
//
// Why records of a transaction were not written, when no retry heals it. Of a record that the
// broker refuses (too large, say) librdkafka says so. Where a topic is gone, or may not be
// written to, the broker refuses to add its partitions to the transaction; librdkafka then
// tries until the records' time is up, or drops what was not sent, and says no more than that,
// of all records of whatever topic. So the broker is asked.
//
// Not here: what follows from it (run/commit.c).
#include "session.h"

#include <stdlib.h>

bool refusal_no_retry_heals(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		return true;
	default:
		return false;
	}
}

/* What the broker says of a topic; false: nothing, in time. */
static bool topic_ask(struct log_session *s, struct topic *t, rd_kafka_resp_err_t *err)
{
	const struct rd_kafka_metadata *md;
	if (rd_kafka_metadata(s->producer.rk, 0, t->produced, &md, KAFKA_ASK_MS))
		return false;
	*err = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	rd_kafka_metadata_destroy(md);
	return true;
}

/* Of those written to, one that is not there, or that we are not to know of. */
static bool topic_find(struct log_session *s, rd_kafka_resp_err_t *err, struct part **at)
{
	for (uint32_t i = 0; i < s->ntopics; i++) {
		rd_kafka_resp_err_t found;
		if (!s->topics[i]->produced)
			continue;
		if (!topic_ask(s, s->topics[i], &found))
			return false;
		if (!refusal_no_retry_heals(found))
			continue;
		*err = found;
		if (!*at || (*at)->topic != s->topics[i])
			*at = session_part(s, i, 0);
		return true;
	}
	return false;
}

/* The error that the transaction must be aborted for: beginning another one tells it, and does
 * nothing else while this one is open. */
static rd_kafka_resp_err_t transaction_error(struct log_session *s)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(s->producer.rk);
	bool abort = error && rd_kafka_error_txn_requires_abort(error);
	rd_kafka_resp_err_t err =
	        abort ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_error_destroy(error);
	return err;
}

void refusal_find(struct log_session *s, rd_kafka_resp_err_t *err, struct part **at)
{
	if (*err > 0 || refusal_no_retry_heals(*err) ||
	        rd_kafka_fatal_error(s->producer.rk, NULL, 0))
		return;
	rd_kafka_resp_err_t why = transaction_error(s);
	bool late = *err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && !client_down(&s->producer);
	if ((why <= 0 && !late) || topic_find(s, err, at) || !refusal_no_retry_heals(why))
		return;
	*err = why;
	*at = NULL;
}

bool refusal_at(struct log_session *s, struct log_position *at)
{
	*at = (struct log_position){.topic = LOG_TOPIC_NONE};
	if (s->refused && s->refused_at)
		*at = (struct log_position){.topic = s->refused_at->topic->number,
		        .partition = s->refused_at->partition};
	return s->refused;
}
