/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's half of log_ops, for the table in kafka.c.
 */
#ifndef WEIR_KAFKA_BROKER_H
#define WEIR_KAFKA_BROKER_H

#include "client.h"
#include "run/log.h"

void broker_close(struct log_broker *b);
/* Whether all those of a topic's partitions that are wanted have a leader, as a broker knows it now. */
bool broker_led(struct log_broker *b, const char *topic, bool (*wanted)(void *arg, int32_t partition),
        void *arg, struct error *e);
enum status broker_bounds(struct log_broker *b, const char *topic, int32_t partition,
        int64_t *begin, int64_t *end, struct error *e);
enum status broker_offset_at(struct log_broker *b, const char *topic, int32_t partition,
        int64_t ts_ms, int64_t *out, struct error *e);
enum status broker_put(struct log_broker *b, const char *topic, int32_t partition,
        struct slice key, const struct slice *value, int64_t *offset, struct error *e);

/* admin.c */
enum status admin_topics_ensure(
        struct log_broker *b, const struct log_topic_conf *t, uint32_t n, struct error *e);
enum status admin_partitions_ensure(
        struct log_broker *b, const char *topic, int32_t partitions, struct error *e);
enum status admin_topic_info(
        struct log_broker *b, const char *topic, struct log_topic_info *out, struct error *e);
enum status admin_topics_list(struct log_broker *b, const char *begins,
        void (*each)(void *arg, const char *topic), void *arg, struct error *e);
enum status admin_delete_before(struct log_broker *b, const char *topic, int32_t partition,
        int64_t offset, struct error *e);
enum status admin_group_offsets(struct log_broker *b, const char *group,
        const char *const *names, struct log_position *pos, uint32_t n, struct error *e);
enum status admin_group_members(struct log_broker *b, const char *group, char (*out)[256],
        uint32_t *n, struct error *e);
/* Adds what the group's members own. ST_END: it is rebalancing, or there is none. */
enum status admin_group_owned(struct log_broker *b, const char *group,
        rd_kafka_topic_partition_list_t *out, struct error *e);

#endif
