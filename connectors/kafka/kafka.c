// SPDX-License-Identifier: Apache-2.0
//
// The table: Kafka's functions in the order of the log contract.
#include "kafka.h"

#include "broker.h"
#include "reader.h"
#include "session.h"

const struct log_ops kafka_log = {
        .name = "kafka",
        .close = broker_close,
        .topics_ensure = admin_topics_ensure,
        .partitions_ensure = admin_partitions_ensure,
        .topic_info = admin_topic_info,
        .topics_list = admin_topics_list,
        .bounds = broker_bounds,
        .offset_at = broker_offset_at,
        .put = broker_put,
        .delete_before = admin_delete_before,
        .group_offsets = admin_group_offsets,
        .group_members = admin_group_members,
        .reader_open = reader_open,
        .reader_poll = reader_poll,
        .reader_position = reader_position,
        .reader_close = reader_close,
        .session_open = session_open,
        .session_close = session_close,
        .topic = session_topic_number,
        .poll = consume_poll,
        .fetch = consume_fetch,
        .unfetch = consume_unfetch,
        .seek = consume_seek,
        .pause = consume_pause,
        .resume = consume_resume,
        .committed = consume_committed,
        .position = consume_position,
        .high_watermark = consume_high_watermark,
        .producer_init = producer_init,
        .producer_drop = producer_drop,
        .producer_ready = producer_ready,
        .producer_ambiguous = producer_ambiguous,
        .begin = producer_begin,
        .append = producer_append,
        .flush = producer_flush,
        .refused = refusal_at,
        .delivered = producer_delivered,
        .send_offsets = producer_send_offsets,
        .commit = producer_commit,
        .abort = producer_abort,
        .fence = producer_fence,
};
