# SPDX-License-Identifier: Apache-2.0
"""Kafka as other software sees it: topics made, records produced, committed ones read."""
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic,
                                   ResourceType)

from until import until

QUICK = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}  # brokers go and come here


class Kafka:
    def __init__(self, brokers):
        self.brokers = brokers
        self.admin = self._client()
        self.producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "log_level": 0, **QUICK,
                                  "enable.idempotence": True,  # a retry must not reorder what is sent
                                  "message.max.bytes": 20_000_000, "queue.buffering.max.messages": 2_000_000})

    def _client(self):
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0, **QUICK})

    def make(self, topic, partitions=1, **config):
        config = {k.replace("_", "."): str(v) for k, v in config.items()}
        for last in (False, False, True):  # a broker that has just come back may leave a request unanswered
            made = self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)], request_timeout=10)
            try:
                made[topic].result(15)
                break
            except (KafkaException, TimeoutError) as e:
                if isinstance(e, KafkaException) and e.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    break  # the answer alone was lost
                if last:
                    raise
        self._await_leaders(topic, partitions)
        return topic

    def _await_leaders(self, topic, count):
        """Until a broker answers for each partition. One that has only just come to lead it refuses what arrives before
        and takes what is sent next; librdkafka without weir's patch then calls delivered what was refused."""
        def led():
            try:
                parts = self.partitions(topic)
                for p in parts:
                    c.get_watermark_offsets(TopicPartition(topic, p), timeout=5)
            except KafkaException:
                return False
            return len(parts) >= count

        c = self._reader("read_uncommitted")
        try:
            until(led, 20, lambda: f"a leader for each partition of {topic}")
        finally:
            c.close()

    def produce(self, topic, records):
        """Records of {key, value, partition, timestamp}, all but value optional; waits until they stand."""
        failed = []

        def done(error, _):
            if error:
                failed.append(error)

        for r in records:
            self.producer.produce(topic, on_delivery=done, **r)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0, "not all records were taken"
        assert not failed, failed[:3]

    def _metadata(self, *topic):
        def answer():
            """A broker that has just come back may hang up on what it was asked, or have been fenced for a moment: then
            it names no broker, and this client, librdkafka without weir's patch, has none left to ask."""
            try:
                return self.admin.list_topics(*topic, timeout=10)
            except KafkaException as e:
                failed.append(e)
                self.admin = self._client()
                return None

        failed = []
        return until(answer, 20, lambda: failed[-1]).topics

    def topics(self):
        return set(self._metadata())

    def partitions(self, topic):
        t = self._metadata(topic)[topic]
        return sorted(t.partitions) if t.error is None else []

    def config(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        got = self.admin.describe_configs([resource])[resource].result(20)
        return {name: entry.value for name, entry in got.items()}

    def alter(self, topic, config):
        """These settings of the topic; its others stay."""
        entries = [ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
                   for name, value in config.items()]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(20)

    def groups(self):
        return {g.group_id for g in self.admin.list_consumer_groups().result().valid}

    def _reader(self, isolation="read_committed"):
        return Consumer({"bootstrap.servers": self.brokers, "group.id": "reader", "log_level": 0, **QUICK,
                         "enable.auto.commit": False, "enable.partition.eof": True,
                         "auto.offset.reset": "error", "isolation.level": isolation,
                         "fetch.message.max.bytes": 20_000_000, "fetch.wait.max.ms": 10})

    def ends(self, topic):
        """High watermarks: control records count too."""
        c = self._reader("read_uncommitted")  # read committed it would be the last stable offset
        try:
            return {p: c.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1]
                    for p in self.partitions(topic)}
        finally:
            c.close()

    def read(self, topic):
        """All committed records, by partition and offset."""
        parts, ends = self.partitions(topic), self.ends(topic)
        c, out = self._reader(), []
        try:
            c.assign([TopicPartition(topic, p, c.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[0])
                      for p in parts])
            left = set(parts)
            while left:
                for m in c.consume(10000, 0.05):
                    if m.error() is None:
                        out.append(m)
                    elif m.error().name() == "_PARTITION_EOF":
                        # Before the high watermark it is the end of what is stable: the markers of
                        # a transaction that has committed may still be on their way.
                        if m.offset() >= ends[m.partition()]:
                            left.discard(m.partition())
                    else:
                        raise AssertionError(m.error())
        finally:
            c.close()
        return sorted(out, key=lambda m: (m.partition(), m.offset()))

    def committed(self, group, topic):
        # By a consumer that never joins: librdkafka's admin request for the same crashes the process
        # while a group's coordinator loads, as it does after a restart of Kafka.
        c = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0, **QUICK,
                      "enable.auto.commit": False})
        try:
            got = c.committed([TopicPartition(topic, p) for p in self.partitions(topic)], timeout=5)
            return {t.partition: t.offset for t in got}
        finally:
            c.close()

    def consumed(self, group, topic):
        """Whether the group has committed the end of the topic; not so while Kafka is away."""
        try:
            done = self.committed(group, topic)
        except (KafkaException, TimeoutError):
            return False
        return all(done.get(p, -1) >= end or end == 0 for p, end in self.ends(topic).items())
