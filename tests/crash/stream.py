# SPDX-License-Identifier: Apache-2.0
"""The input: events with ids that no other has, from one idempotent producer, at a steady rate.

Every user is in one partition. Event times grow in each partition, so that a user's rows, expiry among
them, are known from the order of the partition alone.
"""
import json
import random
import threading
import time

from confluent_kafka import Producer

from kafka_topics import QUICK

PARTITIONS, SHARDS = 4, 3
USERS, SHOPS = 3000, 400
STEP_MS = 100            # of event time, in a partition
WINDOW_MS = 10_000
BASE = 1_600_000_000_000 - 1_600_000_000_000 % WINDOW_MS
PIECE_SECONDS = 0.02

SCHEMA = json.dumps({"type": "record", "name": "event", "fields": [
    {"name": "user", "type": "string"},
    {"name": "shop", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "id", "type": "long"},
    {"name": "n", "type": "int"}]})

JOB = """job: j
sources:
  events: {{ topic: {topic}, format: json, schema: event.avsc, time: at, key: user, lateness: 10m }}
views:
  by_user:
    entity: [user]
    from: events
    features:
      n: count()
      total: sum(n)
      last_id: last(id)
      kinds: distinct(n)
      n_10s: count() over tumbling 10s
      ids_10s: distinct(id) over tumbling 10s
      first_10s: first(id) over tumbling 10s
  by_shop:
    entity: [shop]
    from: events
    expiry: none
    shards: {shards}
    features:
      n: count()
      total: sum(n)
      last_id: last(id)
      kinds: distinct(n)
"""

# by_shop in blocks: many rows a record, with keys of another kind.
JOB_BLOCKS = JOB.replace("    expiry: none\n", "    expiry: none\n    offline: blocks\n")


class Stream(threading.Thread):
    """Produces until it is closed; pause() returns when all that was produced stands."""

    def __init__(self, brokers, topic, rng, rate):
        super().__init__(daemon=True)
        self.topic, self.rate, self.rng = topic, rate, random.Random(rng.random())
        self.users = USERS
        self.id, self.at = 0, [BASE] * PARTITIONS
        self.refused = []
        self.wanted, self.closed = threading.Event(), False
        self.quiet = threading.Event()
        self.quiet.set()
        # Longer than any outage here: nothing is given up, and nothing is sent twice.
        self.producer = Producer({"bootstrap.servers": brokers, "log_level": 0, **QUICK, "linger.ms": 5,
                                  "enable.idempotence": True, "message.timeout.ms": 600_000,
                                  "queue.buffering.max.messages": 1_000_000})
        self.start()

    def event(self, user, shop):
        partition = user % PARTITIONS
        self.at[partition] += STEP_MS
        event = {"user": f"u{user}", "shop": f"s{shop}", "at": self.at[partition], "id": self.id, "n": self.id % 97}
        self.id += 1
        self.producer.produce(self.topic, json.dumps(event), f"u{user}", partition,
                              on_delivery=lambda error, _: error and self.refused.append(error))

    def produce(self, count):
        for _ in range(count):
            self.event(self.rng.randrange(self.users), self.rng.randrange(SHOPS))
        self.producer.poll(0)

    def run(self):
        due = 0.0
        while not self.closed:
            if not self.wanted.wait(0.2):
                continue
            self.quiet.clear()
            if self.wanted.is_set():
                due += self.rate * PIECE_SECONDS
                self.produce(int(due))
                due -= int(due)
                time.sleep(PIECE_SECONDS)
            self.quiet.set()

    def go(self):
        self.wanted.set()

    def pause(self, seconds=120):
        self.wanted.clear()
        self.quiet.wait()
        left = self.producer.flush(seconds)
        assert left == 0 and not self.refused, (left, self.refused[:3])

    def close(self):
        self.wanted.clear()
        self.closed = True
        self.join()
