#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the job w.yaml made of the stream W, for the sampled users of generate.c.

    check.py --brokers HOST:PORT --redis HOST:PORT --sample FILE --events N [--prefix weir]

Every offline row of a sampled user must be what this file computes from the events alone: count, sum,
avg and max over each window, at the entity's clock, over the events so far. There must be one row per
event, for all users. The online row must be the last one. Doubles to 1e-9 relative.

It needs confluent_kafka, fastavro and redis (`.ci/deps test`). Exit 0 right, 1 wrong, 3 Kafka failed.
"""
import argparse
import collections
import io
import json
import math
import sys

import fastavro
import redis
from confluent_kafka import Consumer, KafkaError, TopicPartition

SHOWN = 3  # users that differ
WINDOWS = {"5m": (300_000, 25_000), "1h": (3_600_000, 300_000), "24h": (86_400_000, 3_600_000)}


def features_at(events, clock):
    """The row's features: (time, amount) pairs taken so far, at the clock."""
    row = {}
    for name, (width, hop) in WINDOWS.items():
        first = (clock - width) // hop * hop
        found = [amount for time, amount in events if first <= time <= clock]
        row[f"count_{name}"] = len(found)
        row[f"sum_{name}"] = math.fsum(found) if found else 0.0
        row[f"avg_{name}"] = math.fsum(found) / len(found) if found else None
        row[f"max_{name}"] = max(found) if found else None
    return row


def expected_rows(events):
    """A user's rows, in order: (event_time, features)."""
    rows, taken, clock = [], [], -math.inf
    for time, amount in events:
        taken.append((time, amount))
        if time > clock:
            clock = time
            oldest = clock - WINDOWS["24h"][0] - WINDOWS["24h"][1]
            if taken[0][0] < oldest - 10_000:
                taken = [pair for pair in taken if pair[0] >= oldest - 10_000]
        rows.append((clock, features_at(taken, clock)))
    return rows


def millis(time):
    return round(time.timestamp() * 1000)


def near(a, b):
    if a is None or b is None:
        return a is b
    return math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)


def same(want, got):
    return all(near(value, got[name]) for name, value in want.items())


def read_all(brokers, topic):
    """Every committed record of a topic, partition by partition."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench-check", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    parts = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in parts])
    open_parts = set(parts)
    while open_parts:
        for record in consumer.consume(10_000, timeout=1):
            if not record.error():
                yield record
            elif record.error().code() == KafkaError._PARTITION_EOF:
                open_parts.discard(record.partition())
            else:
                sys.exit(3)
    consumer.close()


def schema_reader(brokers, prefix):
    schemas = {r.key().decode(): fastavro.parse_schema(json.loads(r.value()))
               for r in read_all(brokers, f"{prefix}.schemas") if r.value()}

    def read(value):  # single-object encoding: c3 01, fingerprint
        fingerprint = int.from_bytes(value[2:10], "little")
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), schemas[f"{fingerprint:016x}"])
    return read


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--brokers", required=True)
    ask.add_argument("--redis", required=True)
    ask.add_argument("--sample", required=True)
    ask.add_argument("--events", type=int, required=True)
    ask.add_argument("--prefix", default="weir")
    ask.add_argument("--most", type=int, default=1500, help="events of a user above which only the first count")
    args = ask.parse_args()

    events = collections.defaultdict(list)
    with open(args.sample, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line.split("\t", 1)[1])
            if len(events[event["user_id"]]) < args.most:
                events[event["user_id"]].append((event["ts"], event["amount"]))
    sample = {user.encode(): user for user in events}
    actual, entities, total = collections.defaultdict(list), set(), 0
    read = schema_reader(args.brokers, args.prefix)
    for record in read_all(args.brokers, f"{args.prefix}.users.v1"):
        total += 1
        user = record.key().partition(b"|")[0]
        entities.add(user)
        if user in sample and len(actual[sample[user]]) < args.most:
            actual[sample[user]].append(read(record.value()))

    wrong = int(total != args.events)
    rows = 0
    online = redis.Redis(*args.redis.split(":"), decode_responses=True)
    for user, list_ in sorted(events.items()):
        want = expected_rows(list_)
        got = actual[user]
        rows += len(want)
        bad = [i for i, (w, g) in enumerate(zip(want, got)) if w[0] != millis(g["event_time"]) or not same(w[1], g)]
        last = online.hgetall(f"{args.prefix}:users:1:{user}")
        whole = len(list_) < args.most
        stale = whole and not same(want[-1][1], collections.defaultdict(lambda: None, last))
        if bad or len(want) != len(got) or stale:
            wrong += 1
            at = bad[0] if bad else -1
            if wrong > SHOWN:
                continue
            print(f"{user}: {len(bad)} rows differ, {len(got)} of {len(want)} rows, online "
                  f"{'differs' if stale else 'right'}; first: want {want[at]}, got {got[at] if got else None}")
    print(f"{total:,} rows of {len(entities)} entities for {args.events:,} events; every row of {len(events)} users "
          f"({rows:,} rows) and their online rows computed again: {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
