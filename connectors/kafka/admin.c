// SPDX-License-Identifier: Apache-2.0
//
// Administration: topics, retention by offset, and what groups hold. Every question is one
// request on a queue of its own, answered or given up within a bound.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "broker.h"

#define ASK_DOWN_MS 100
#define PARTITIONS_TRIES_MAX 60
#define PARTITIONS_RETRY_US 50000
#define GROUP_TRIES_MAX 50
#define GROUP_RETRY_US 100000

/* One admin request: options with time-outs, a queue, and its answer. */
struct ask {
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *answer;
	int timeout_ms;
};

/* librdkafka spins while a request waits for a controller that it knows and cannot reach (2.15.1,
 * rd_kafka_admin_worker). So where nobody answered last, this waits for any broker first, which
 * does not spin, and the request gets a moment alone when that was in vain. */
static bool nobody_answers(struct log_broker *b, int timeout_ms)
{
	const struct rd_kafka_metadata *md;
	if (!client_down(&b->admin))
		return false;
	if (rd_kafka_metadata(b->admin.rk, 0, NULL, &md, timeout_ms))
		return true;
	rd_kafka_metadata_destroy(md);
	return false;
}

static void ask_init(
        struct ask *a, struct log_broker *b, rd_kafka_admin_op_t op, int timeout_ms)
{
	if (nobody_answers(b, timeout_ms))
		timeout_ms = ASK_DOWN_MS;
	char why[200];
	a->options = rd_kafka_AdminOptions_new(b->admin.rk, op);
	a->queue = rd_kafka_queue_new(b->admin.rk);
	a->answer = NULL;
	a->timeout_ms = timeout_ms;
	rd_kafka_AdminOptions_set_request_timeout(a->options, timeout_ms, why, sizeof why);
}

static void ask_release(struct ask *a)
{
	if (a->answer)
		rd_kafka_event_destroy(a->answer);
	rd_kafka_queue_destroy(a->queue);
	rd_kafka_AdminOptions_destroy(a->options);
}

/* Waits for the answer; the request's own time-out comes first. */
static enum status ask_wait(
        struct ask *a, struct log_broker *b, const char *what, struct error *e)
{
	a->answer = rd_kafka_queue_poll(a->queue, a->timeout_ms + 2000);
	rd_kafka_resp_err_t err =
	        a->answer ? rd_kafka_event_error(a->answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (err)
		return client_error(&b->admin, e, err,
		        a->answer ? rd_kafka_event_error_string(a->answer) : NULL, "%s", what);
	client_ok(&b->admin);
	return ST_OK;
}

// ---- topics ----

static rd_kafka_NewTopic_t *new_topic(const struct log_topic_conf *t, struct error *e)
{
	char why[300];
	/* -1: the broker's default.replication.factor. */
	rd_kafka_NewTopic_t *nt = rd_kafka_NewTopic_new(
	        t->name, t->partitions, t->replication ? t->replication : -1, why, sizeof why);
	if (!nt) {
		error_set(e, ERR_FATAL, 0, "topic %s: %s", t->name, why);
		return NULL;
	}
	for (uint32_t i = 0; t->conf && t->conf[i]; i += 2)
		rd_kafka_NewTopic_set_config(nt, t->conf[i], t->conf[i + 1]);
	return nt;
}

static enum status created(struct log_broker *b, rd_kafka_event_t *answer, struct error *e)
{
	size_t n;
	const rd_kafka_topic_result_t **r = rd_kafka_CreateTopics_result_topics(
	        rd_kafka_event_CreateTopics_result(answer), &n);
	for (size_t i = 0; i < n; i++) {
		rd_kafka_resp_err_t err = rd_kafka_topic_result_error(r[i]);
		if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			return client_error(&b->admin, e, err,
			        rd_kafka_topic_result_error_string(r[i]), "creating topic %s",
			        rd_kafka_topic_result_name(r[i]));
	}
	return ST_OK;
}

enum status admin_topics_ensure(
        struct log_broker *b, const struct log_topic_conf *t, uint32_t n, struct error *e)
{
	if (n == 0)
		return ST_OK;
	rd_kafka_NewTopic_t **list = xcalloc(n, sizeof *list);
	enum status st = ST_OK;
	for (uint32_t i = 0; i < n && st == ST_OK; i++)
		st = (list[i] = new_topic(&t[i], e)) ? ST_OK : ST_ERR;
	if (st == ST_OK) {
		struct ask a;
		char why[200];
		ask_init(&a, b, RD_KAFKA_ADMIN_OP_CREATETOPICS, KAFKA_ASK_MS);
		/* The brokers answer once the topics can be used, or after this time. */
		rd_kafka_AdminOptions_set_operation_timeout(
		        a.options, KAFKA_CREATE_MS, why, sizeof why);
		a.timeout_ms = KAFKA_CREATE_MS;
		rd_kafka_CreateTopics(b->admin.rk, list, n, a.options, a.queue);
		st = ask_wait(&a, b, "creating topics", e);
		if (st == ST_OK)
			st = created(b, a.answer, e);
		ask_release(&a);
	}
	for (uint32_t i = 0; i < n; i++)
		if (list[i])
			rd_kafka_NewTopic_destroy(list[i]);
	free(list);
	return st;
}

static void put_be64(uint8_t *out, int64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
}

static enum status described(struct log_broker *b, rd_kafka_event_t *answer, const char *topic,
        struct log_topic_info *out, struct error *e)
{
	size_t n;
	const rd_kafka_TopicDescription_t **t = rd_kafka_DescribeTopics_result_topics(
	        rd_kafka_event_DescribeTopics_result(answer), &n);
	const rd_kafka_error_t *error = n ? rd_kafka_TopicDescription_error(t[0]) : NULL;
	rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : 0;
	if (n == 0 || err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return ST_OK;
	if (err)
		return client_error(
		        &b->admin, e, err, rd_kafka_error_string(error), "topic %s", topic);
	rd_kafka_TopicDescription_partitions(t[0], &n);
	out->partitions = (int32_t)n;
	const rd_kafka_Uuid_t *id = rd_kafka_TopicDescription_topic_id(t[0]);
	if (id) {
		put_be64(out->id, rd_kafka_Uuid_most_significant_bits(id));
		put_be64(out->id + 8, rd_kafka_Uuid_least_significant_bits(id));
	}
	return ST_OK;
}

static enum status describe(
        struct log_broker *b, const char *topic, struct log_topic_info *out, struct error *e)
{
	struct ask a;
	char what[300];
	const char *names[] = {topic};
	rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(names, 1);
	ask_init(&a, b, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, KAFKA_ASK_MS);
	rd_kafka_DescribeTopics(b->admin.rk, topics, a.options, a.queue);
	snprintf(what, sizeof what, "asking about topic %s", topic);
	enum status st = ask_wait(&a, b, what, e);
	if (st == ST_OK)
		st = described(b, a.answer, topic, out, e);
	ask_release(&a);
	rd_kafka_TopicCollection_destroy(topics);
	return st;
}

static void settings_read(rd_kafka_event_t *answer, struct log_topic_info *out)
{
	size_t n, entries;
	const rd_kafka_ConfigResource_t **r = rd_kafka_DescribeConfigs_result_resources(
	        rd_kafka_event_DescribeConfigs_result(answer), &n);
	if (n == 0 || rd_kafka_ConfigResource_error(r[0]))
		return;
	const rd_kafka_ConfigEntry_t **entry = rd_kafka_ConfigResource_configs(r[0], &entries);
	for (size_t i = 0; i < entries; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entry[i]),
		           *value = rd_kafka_ConfigEntry_value(entry[i]);
		if (value && strcmp(name, "cleanup.policy") == 0)
			out->compacted = strstr(value, "compact") != NULL;
		else if (value && strcmp(name, "max.message.bytes") == 0)
			out->record_bytes_max = strtoull(value, NULL, 10);
	}
}

/* Without permission to describe configurations a source counts as not compacted, and what a topic
 * takes at once as not known: the plain, cautious way is taken either way. */
static enum status settings(
        struct log_broker *b, const char *topic, struct log_topic_info *out, struct error *e)
{
	struct ask a;
	char what[300];
	rd_kafka_ConfigResource_t *r =
	        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	ask_init(&a, b, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, KAFKA_ASK_MS);
	rd_kafka_DescribeConfigs(b->admin.rk, &r, 1, a.options, a.queue);
	snprintf(what, sizeof what, "asking for the settings of topic %s", topic);
	enum status st = ask_wait(&a, b, what, e);
	if (st == ST_OK)
		settings_read(a.answer, out);
	ask_release(&a);
	rd_kafka_ConfigResource_destroy(r);
	return st;
}

enum status admin_topic_info(
        struct log_broker *b, const char *topic, struct log_topic_info *out, struct error *e)
{
	memset(out, 0, sizeof *out);
	enum status st = describe(b, topic, out, e);
	if (st == ST_OK && out->partitions > 0)
		st = settings(b, topic, out, e);
	return st;
}

static enum status partitions_made(
        struct log_broker *b, rd_kafka_event_t *answer, const char *topic, struct error *e)
{
	size_t n;
	const rd_kafka_topic_result_t **r = rd_kafka_CreatePartitions_result_topics(
	        rd_kafka_event_CreatePartitions_result(answer), &n);
	rd_kafka_resp_err_t err = n ? rd_kafka_topic_result_error(r[0]) : 0;
	if (!err || err == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS) /* another was quicker */
		return ST_OK;
	return client_error(&b->admin, e, err, rd_kafka_topic_result_error_string(r[0]),
	        "adding partitions to topic %s", topic);
}

static enum status partitions_make(
        struct log_broker *b, const char *topic, int32_t partitions, struct error *e)
{
	char why[300];
	struct ask a;
	rd_kafka_NewPartitions_t *more =
	        rd_kafka_NewPartitions_new(topic, (size_t)partitions, why, sizeof why);
	if (!more)
		return error_set(e, ERR_FATAL, 0, "topic %s: %s", topic, why);
	ask_init(&a, b, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, KAFKA_ASK_MS);
	rd_kafka_CreatePartitions(b->admin.rk, &more, 1, a.options, a.queue);
	enum status st = ask_wait(&a, b, "adding partitions", e);
	if (st == ST_OK)
		st = partitions_made(b, a.answer, topic, e);
	ask_release(&a);
	rd_kafka_NewPartitions_destroy(more);
	return st;
}

enum status admin_partitions_ensure(
        struct log_broker *b, const char *topic, int32_t partitions, struct error *e)
{
	for (int tries = 0; tries < PARTITIONS_TRIES_MAX; tries++) {
		struct log_topic_info info = {0};
		if (tries)
			usleep(PARTITIONS_RETRY_US);
		if (describe(b, topic, &info, e))
			return ST_ERR;
		if (info.partitions >= partitions)
			return ST_OK;
		if (!info.partitions)
			return error_set(e, ERR_FATAL, 0, "there is no topic %s", topic);
		if (tries == 0 && partitions_make(b, topic, partitions, e))
			return ST_ERR;
	}
	return error_set(e, ERR_RETRIABLE, 0,
	        "topic %s got %d partitions, but the brokers do not show them yet", topic,
	        (int)partitions);
}

enum status admin_topics_list(struct log_broker *b, const char *begins,
        void (*each)(void *arg, const char *topic), void *arg, struct error *e)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err = rd_kafka_metadata(b->admin.rk, 1, NULL, &md, KAFKA_ASK_MS);
	if (err)
		return client_error(&b->admin, e, err, NULL, "listing topics");
	client_ok(&b->admin);
	for (int i = 0; i < md->topic_cnt; i++)
		if (strncmp(md->topics[i].topic, begins, strlen(begins)) == 0)
			each(arg, md->topics[i].topic);
	rd_kafka_metadata_destroy(md);
	return ST_OK;
}

enum status admin_delete_before(struct log_broker *b, const char *topic, int32_t partition,
        int64_t offset, struct error *e)
{
	struct ask a;
	char what[300];
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	rd_kafka_DeleteRecords_t *del = rd_kafka_DeleteRecords_new(list);
	rd_kafka_topic_partition_list_destroy(list);
	ask_init(&a, b, RD_KAFKA_ADMIN_OP_DELETERECORDS, KAFKA_ASK_MS);
	rd_kafka_DeleteRecords(b->admin.rk, &del, 1, a.options, a.queue);
	snprintf(what, sizeof what, "deleting %s[%d] before %lld", topic, partition,
	        (long long)offset);
	enum status st = ask_wait(&a, b, what, e);
	if (st == ST_OK) {
		const rd_kafka_topic_partition_list_t *got =
		        rd_kafka_DeleteRecords_result_offsets(
		                rd_kafka_event_DeleteRecords_result(a.answer));
		rd_kafka_resp_err_t err = got->cnt ? got->elems[0].err : 0;
		if (err)
			st = client_error(&b->admin, e, err, NULL, "%s", what);
	}
	ask_release(&a);
	rd_kafka_DeleteRecords_destroy(del);
	return st;
}

// ---- groups ----

static enum status offsets_found(struct client *c, const char *group,
        rd_kafka_topic_partition_list_t *list, struct log_position *pos, struct error *e)
{
	rd_kafka_resp_err_t err = rd_kafka_committed(c->rk, list, KAFKA_ASK_MS);
	if (err)
		return client_error(
		        c, e, err, NULL, "asking for the offsets of group %s", group);
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *p = &list->elems[i];
		if (p->err)
			return client_error(c, e, p->err, NULL, "offset of group %s in %s[%d]",
			        group, p->topic, p->partition);
		pos[i].offset = p->offset >= 0 ? p->offset : LOG_OFFSET_NONE;
	}
	return ST_OK;
}

/* By a consumer named for the group that never joins it. ListConsumerGroupOffsets, made for
 * this, dereferences NULL when a coordinator moves or loads (2.15.1, on a client without a
 * group). */
enum status admin_group_offsets(struct log_broker *b, const char *group,
        const char *const *names, struct log_position *pos, uint32_t n, struct error *e)
{
	struct client c;
	const char *settings[] = {"group.id", group, "enable.auto.commit", "false",
	        "isolation.level", "read_uncommitted", NULL};
	if (n == 0)
		return ST_OK;
	client_init(&c, b, NULL, "offsets of %s", group);
	enum status st = client_open(&c, RD_KAFKA_CONSUMER, settings, NULL, e);
	if (st == ST_OK) {
		rd_kafka_topic_partition_list_t *list =
		        rd_kafka_topic_partition_list_new((int)n);
		for (uint32_t i = 0; i < n; i++)
			rd_kafka_topic_partition_list_add(list, names[i], pos[i].partition);
		st = offsets_found(&c, group, list, pos, e);
		rd_kafka_topic_partition_list_destroy(list);
	}
	client_close(&c);
	return st;
}

/* ST_END: there is no such group. */
static enum status group_found(struct log_broker *b, const char *group, rd_kafka_event_t *answer,
        const rd_kafka_ConsumerGroupDescription_t **out, struct error *e)
{
	size_t groups;
	const rd_kafka_ConsumerGroupDescription_t **g =
	        rd_kafka_DescribeConsumerGroups_result_groups(
	                rd_kafka_event_DescribeConsumerGroups_result(answer), &groups);
	if (groups == 0)
		return ST_END;
	const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(g[0]);
	rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : 0;
	if (err == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
		return ST_END;
	if (err) /* librdkafka's own text may be empty here */
		return client_error(&b->admin, e, err, NULL, "group %s", group);
	*out = g[0];
	return ST_OK;
}

/* Asks what the group is like; the caller releases a, whatever came of it. */
static enum status group_ask(struct log_broker *b, const char *group, struct ask *a,
        const rd_kafka_ConsumerGroupDescription_t **out, struct error *e)
{
	char what[300];
	ask_init(a, b, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, KAFKA_ASK_MS);
	rd_kafka_DescribeConsumerGroups(b->admin.rk, &group, 1, a->options, a->queue);
	snprintf(what, sizeof what, "asking for the members of group %s", group);
	enum status st = ask_wait(a, b, what, e);
	return st ? st : group_found(b, group, a->answer, out, e);
}

static enum status members_ask(
        struct log_broker *b, const char *group, char (*out)[256], uint32_t *n, struct error *e)
{
	struct ask a;
	uint32_t room = *n;
	const rd_kafka_ConsumerGroupDescription_t *g;
	enum status st = group_ask(b, group, &a, &g, e);
	size_t members = st ? 0 : rd_kafka_ConsumerGroupDescription_member_count(g);
	*n = 0;
	for (size_t i = 0; i < members && *n < room; i++) {
		const rd_kafka_MemberDescription_t *m =
		        rd_kafka_ConsumerGroupDescription_member(g, i);
		snprintf(out[(*n)++], 256, "%s", rd_kafka_MemberDescription_client_id(m));
	}
	ask_release(&a);
	return st < 0 ? st : ST_OK;
}

static void owned_add(const rd_kafka_MemberDescription_t *m, rd_kafka_topic_partition_list_t *out)
{
	const rd_kafka_MemberAssignment_t *as = rd_kafka_MemberDescription_assignment(m);
	const rd_kafka_topic_partition_list_t *list =
	        as ? rd_kafka_MemberAssignment_partitions(as) : NULL;
	for (int i = 0; list && i < list->cnt; i++)
		rd_kafka_topic_partition_list_add(
		        out, list->elems[i].topic, list->elems[i].partition);
}

enum status admin_group_owned(struct log_broker *b, const char *group,
        rd_kafka_topic_partition_list_t *out, struct error *e)
{
	struct ask a;
	const rd_kafka_ConsumerGroupDescription_t *g;
	enum status st = group_ask(b, group, &a, &g, e);
	if (!st && rd_kafka_ConsumerGroupDescription_state(g) != RD_KAFKA_CONSUMER_GROUP_STATE_STABLE)
		st = ST_END;
	size_t members = st ? 0 : rd_kafka_ConsumerGroupDescription_member_count(g);
	for (size_t i = 0; i < members; i++)
		owned_add(rd_kafka_ConsumerGroupDescription_member(g, i), out);
	ask_release(&a);
	return st;
}

/* A group's first use, and a coordinator that moves, take the brokers a moment. */
enum status admin_group_members(
        struct log_broker *b, const char *group, char (*out)[256], uint32_t *n, struct error *e)
{
	uint32_t room = *n;
	for (int tries = 1;; tries++) {
		*n = room;
		enum status st = members_ask(b, group, out, n, e);
		if (st == ST_OK || tries == GROUP_TRIES_MAX ||
		        (e->code != RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS &&
		                e->code != RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE &&
		                e->code != RD_KAFKA_RESP_ERR_NOT_COORDINATOR))
			return st;
		usleep(GROUP_RETRY_US);
	}
}
