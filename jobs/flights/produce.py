#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the events of data.py to Kafka, as the producers of an airline would.

    produce.py --brokers HOST:PORT --events FILE [--kafka-config FILE] [--plain] [--partitions 4,4,2]

It creates the topics departures, arrivals and weather if they are missing: CreateTime, because known_at
is the record's Kafka timestamp; no retention, because 2013 is older than any; and one segment for all
years, because segments would else be cut by the records' time. Topics that have records already are an
error: weir would count a flight twice.

Keys go where every Kafka client sends them (murmur2). A record without one goes to the partition
crc32(value) mod partitions, so the same file always makes the same topics. departures and arrivals are
the file's JSON, byte for byte; weather is Avro, single-object encoding, with the fingerprint of
schemas/weather.avsc.

It needs confluent_kafka and fastavro (`.ci/deps test`). Exit 0 done, 2 wrong use, 3 Kafka failed.
"""
import argparse
import io
import json
import os
import re
import sys
import time
import zlib

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ("departures", "arrivals", "weather")
TOPIC = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
         "message.timestamp.type": "CreateTime", "segment.ms": str(20 * 365 * 86_400_000)}
TICK = 20_000        # records between two looks at the clock
LEADER_WAIT = 30     # seconds
# Of a partition made a moment ago: from the broker, and from a client whose metadata is older.
LEADERLESS = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART,
              KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC)


class Bar:
    """A progress bar on a terminal; nothing elsewhere (run prints what is worth a line)."""

    def __init__(self, total, plain):
        self.total, self.shown = total, not plain and sys.stderr.isatty()

    def show(self, done):
        if self.shown:
            full = 30 * done // max(1, self.total)
            sys.stderr.write(f"\r  {'━' * full}{'─' * (30 - full)} {100 * done // max(1, self.total):3d} %  "
                             f"{done:,} records ")
            sys.stderr.flush()

    def end(self):
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Weather:
    """JSON value -> Avro single object."""

    def __init__(self):
        with open(os.path.join(HERE, "schemas", "weather.avsc"), encoding="utf-8") as file:
            schema = json.load(file)
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        # Little-endian, as the encoding wants it.
        self.head = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        self.schema = fastavro.parse_schema(schema)

    def encode(self, value):
        out = io.BytesIO()
        out.write(self.head)
        fastavro.schemaless_writer(out, self.schema, json.loads(value))
        return out.getvalue()


LINE = re.compile(rb'\{"source":"([a-z_]+)","key":(?:"([^"\\]*)"|null),"timestamp":(\d+),"value":(.*)\}\n')


def records(path):
    """Yields (source, key or None, timestamp, value as JSON bytes). The lines are data.py's, one form."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            form = LINE.fullmatch(line)
            if form is None:
                raise RuntimeError(f"{path}:{number}: not a line of data.py")
            source, key, timestamp, value = form.groups()
            yield source.decode(), None if key is None else key.decode(), int(timestamp), value


def make_topics(config, topics, partitions):
    """Creates those that are missing. ({source: partitions}, {source: records it has already})."""
    admin = AdminClient({**config, "log_level": 3})
    there = admin.list_topics(timeout=15).topics
    new = [NewTopic(topics[s], num_partitions=partitions[s], config=TOPIC) for s in topics if topics[s] not in there]
    if new:
        for future in admin.create_topics(new, operation_timeout=15).values():
            future.result()
    partitions = {s: len(there[topics[s]].partitions) if topics[s] in there else partitions[s] for s in topics}
    # Of the new ones, too: who asks waits for a leader. Without one a partition can refuse a batch and take the next,
    # and librdkafka then reports the one refused as delivered (docs/decisions/kafka-client.md).
    return partitions, {s: held_by(config, topics[s], partitions[s]) for s in topics}


def held_by(config, topic, partitions):
    consumer = Consumer({**config, "group.id": "unused"})
    try:
        ends = [bounds(consumer, TopicPartition(topic, p)) for p in range(partitions)]
        return sum(high - low for low, high in ends)
    finally:
        consumer.close()


def bounds(consumer, partition):
    """(low, high). A partition made a moment ago has no leader yet."""
    until = time.monotonic() + LEADER_WAIT
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=15)
        except KafkaException as error:
            if error.args[0].code() not in LEADERLESS or time.monotonic() > until:
                raise
            time.sleep(0.05)


class Failures:
    def __init__(self):
        self.count, self.first = 0, None

    def __call__(self, error, message):
        if error is not None:
            self.count += 1
            self.first = self.first or f"{message.topic()}[{message.partition()}]: {error}"


def producer_open(config, failures):
    return Producer({**config, "on_delivery": failures, "delivery.report.only.error": True,
                     "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 20,
                     "batch.size": 1_000_000, "compression.type": "lz4", "log_level": 3,
                     "queue.buffering.max.messages": 400_000, "queue.buffering.max.kbytes": 128 << 10})


def send(producer, topic, value, key, **more):
    while True:
        try:
            return producer.produce(topic, value, key, **more)
        except BufferError:
            producer.poll(0.1)


def finish(producer, failures, bar):
    while producer.flush(1) and not failures.count:
        pass
    bar.end()
    if failures.count:
        raise RuntimeError(f"{failures.count} records were not taken; {failures.first}")


def produce(config, path, topics, partitions, total=0, plain=True):
    """Sends all records of the file whose source is in topics; {source: how many}. In order per partition."""
    weather, failures, counts, bar = Weather(), Failures(), dict.fromkeys(topics, 0), Bar(total, plain)
    producer, done = producer_open(config, failures), 0
    for source, key, timestamp, value in records(path):
        topic = topics.get(source)
        if topic is None:
            continue
        if source == "weather":
            value = weather.encode(value)
        elif value == b"null":
            value = None
        where = {} if key is not None else {"partition": zlib.crc32(value or b"") % partitions[source]}
        send(producer, topic, value, key, timestamp=timestamp, **where)
        counts[source] += 1
        done += 1
        if done % TICK == 0:
            producer.poll(0)
            bar.show(done)
            if failures.count:
                break
    finish(producer, failures, bar)
    return counts


def properties(path):
    """librdkafka properties, name=value lines, as weir's --kafka-config takes them."""
    found = {}
    if path:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    value = value.strip()
                    if value.startswith("${env:") and value.endswith("}"):
                        value = os.environ[value[6:-1]]
                    elif value.startswith("${file:") and value.endswith("}"):
                        with open(value[7:-1], encoding="utf-8") as secret:
                            value = secret.read().strip()
                    found[name.strip()] = value
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(description="Writes the events of the flights job to Kafka.")
    parser.add_argument("--brokers", required=True, metavar="HOST:PORT")
    parser.add_argument("--events", required=True, metavar="FILE", help="events.jsonl, as data.py writes it")
    parser.add_argument("--kafka-config", metavar="FILE", help="librdkafka properties, name=value lines")
    parser.add_argument("--partitions", default="4,4,2", metavar="N,N,N",
                        help="of departures, arrivals and weather, when they are made (default 4,4,2)")
    parser.add_argument("--total", type=int, default=0, metavar="N", help="how many records, for the progress bar")
    parser.add_argument("--topic-prefix", default="", metavar="TEXT", help="in front of the topics' names")
    parser.add_argument("--sources", type=lambda t: t.split(","), default=SOURCES, metavar="A,B")
    parser.add_argument("--plain", action="store_true", help="no progress bar")
    args = parser.parse_args(argv)
    try:
        wanted = dict(zip(SOURCES, (int(n) for n in args.partitions.split(","))))
    except ValueError:
        parser.error("--partitions takes three numbers, such as 4,4,2")
    topics = {s: args.topic_prefix + s for s in args.sources}
    try:
        config = {"bootstrap.servers": args.brokers, **properties(args.kafka_config)}
        partitions, held = make_topics(config, topics, wanted)
        for source, count in held.items():
            if count:
                raise RuntimeError(f"topic {topics[source]} has {count} records already; delete it first")
        since = time.monotonic()
        counts = produce(config, args.events, topics, partitions, args.total, args.plain)
    except (KafkaException, OSError, KeyError, RuntimeError) as error:
        print(f"produce.py: {error}", file=sys.stderr)
        return 3
    print(json.dumps({"records": counts, "seconds": round(time.monotonic() - since, 2), "partitions": partitions}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
