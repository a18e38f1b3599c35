#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends events as `weir try` reads them to a Kafka topic, made when it is not there.

    produce.py --brokers HOST:PORT --topic NAME [--partitions N] FILE

Each line is {"key": …, "value": …}. The record's Kafka timestamp is the event's `timestamp` in ms, or the time in
the value's column --time (`at`), as if every event had been sent when it happened: a producer of your own sets nothing.
Needs the package confluent_kafka.
"""
import argparse
import datetime
import json
import sys

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def create(brokers, topic, partitions):
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 3})
    try:
        # The example's clicks are older than Kafka's usual week of retention, by their own time stamps.
        admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1,
                                      config={"retention.ms": "-1"})])[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def millis(event, column):
    if "timestamp" in event:
        return event["timestamp"]
    text = event["value"][column].replace("Z", "+00:00")
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def main():
    parser = argparse.ArgumentParser(description="Sends events to a Kafka topic.")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, default=3)
    parser.add_argument("--time", default="at", help="the column with the event time, ISO-8601")
    parser.add_argument("file")
    args = parser.parse_args()

    create(args.brokers, args.topic, args.partitions)
    # One request at a time: a partition made just now may refuse one and take the next, and the one refused would be
    # reported as delivered (docs/decisions/kafka-client.md).
    producer = Producer({"bootstrap.servers": args.brokers, "enable.idempotence": True, "log_level": 3,
                         "max.in.flight.requests.per.connection": 1})
    failed, sent = [], 0
    with open(args.file, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            producer.produce(args.topic, key=event.get("key"), value=json.dumps(event["value"]),
                             timestamp=millis(event, args.time),
                             on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0)
            sent += 1
    producer.flush(30)
    if failed or len(producer):
        print(f"produce.py: {failed[0] if failed else 'the brokers did not answer in 30 s'}", file=sys.stderr)
        return 3
    print(f"{sent} events to {args.topic}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
