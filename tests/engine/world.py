# SPDX-License-Identifier: Apache-2.0
"""What the checks share: a scratch folder, names of their own, the shared servers, a usual job."""
import itertools
import json
import os
import shutil
import tempfile
import threading
import time

import redis

from kafka_topics import Kafka
from nodes import DONE, Node, exits, weir
from servers import Sandbox, shared
from until import until

TMP = tempfile.mkdtemp(prefix="engine.", dir=os.environ.get("WEIR_TMP"))
RUN = os.urandom(3).hex()
NOW = int(time.time() * 1000)
_numbers = itertools.count()
_lock = threading.Lock()


def fresh(word="t"):
    """A name nobody else has: for topics, prefixes, jobs."""
    with _lock:
        return f"{word}-{RUN}-{next(_numbers)}"


def folder(word="d"):
    path = os.path.join(TMP, fresh(word))
    os.makedirs(path)
    return path


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def own_sandbox(**more):
    return Sandbox(os.path.join(TMP, fresh("sandbox")), **more)


def store(servers):
    host, port = servers.redis.split(":")
    return redis.Redis(host, int(port), socket_timeout=10)


def cleanup():
    shutil.rmtree(TMP, ignore_errors=True)


EVENT = json.dumps({"type": "record", "name": "event", "fields": [
    {"name": "user", "type": "string"},
    {"name": "shop", "type": ["null", "string"], "default": None},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "n", "type": "int"},
    {"name": "amount", "type": ["null", "double"], "default": None}]})

# One view keyed like its topic, one that goes through a repartition topic.
JOB = """job: {job}
sources:
  events: {{ topic: {topic}, format: json, schema: event.avsc, time: at, key: user, lateness: 10m }}
views:
  {view}:
    entity: [user]
    from: events
    features:
      n: count()
      total: sum(n)
      total_1h: sum(n) over 1h
      mean_1h: avg(amount) over 1h
      last_n: last(n)
{more}"""
BY_SHOP = """  {view}_shop:
    entity: [shop]
    from: events
    expiry: none
    features:
      n: count()
      total: sum(n)
"""


class Case:
    """A prefix, a topic, a job of our own on some servers."""

    def __init__(self, servers, partitions=2, more="", view="by_user", topic=None):
        self.servers, self.kafka, self.redis = servers, Kafka(servers.brokers), store(servers)
        self.folder = folder()
        self.prefix, self.job, self.view = fresh("p"), "j", view
        self.topic = topic or self.kafka.make(fresh("events"), partitions)
        self.group = f"{self.prefix}.{self.job}"
        write(os.path.join(self.folder, "event.avsc"), EVENT)
        self.file = self.write(JOB.format(job=self.job, topic=self.topic, view=view,
                                          more=more.format(view=view)))

    def write(self, text, name="job.yaml"):
        return write(os.path.join(self.folder, name), text)

    def node(self, *more, state="state", servers=None):
        return Node(servers or self.servers, self.prefix, os.path.join(self.folder, state), *more)

    def options(self):
        return "--brokers", self.servers.brokers, "--prefix", self.prefix

    def deploy(self, file=None, want=DONE):
        return exits(want, "deploy", file or self.file, *self.options())

    def command(self, *args, want=DONE):
        return exits(want, *args, *self.options())

    def produce(self, events, topic=None):
        """Events {user, n, at, …}, each user always in the same partition."""
        until(lambda: self.kafka.partitions(topic or self.topic), 20, lambda: "the topic just made")
        n = len(self.kafka.partitions(topic or self.topic))
        self.kafka.produce(topic or self.topic, [
            {"key": e["user"], "value": json.dumps(e), "partition": sum(e["user"].encode()) % n}
            for e in events])

    def await_consumed(self, seconds=60, node=None, topic=None):
        until(lambda: self.kafka.consumed(self.group, topic or self.topic), seconds,
              lambda: (self.kafka.committed(self.group, topic or self.topic),
                       self.kafka.ends(topic or self.topic), node and node.log()[-3000:]))

    def key(self, entity, view=None, version=1):
        return f"{self.prefix}:{view or self.view}:{version}:{entity}"

    def row(self, entity, view=None, version=1):
        """The online row, as text."""
        raw = self.redis.hgetall(self.key(entity, view, version))
        return {k.decode(): v.decode() for k, v in raw.items()}

    def offline(self, view=None, version=1):
        return self.kafka.read(f"{self.prefix}.{view or self.view}.v{version}")

    def sequences(self, view=None):
        """Per entity its rows, (key, value), in order."""
        out = {}
        for m in self.offline(view):
            out.setdefault(m.key().rsplit(b"|", 2)[0], []).append((m.key(), m.value()))
        return out


def events(count, users=10, step=1000, since=NOW - 86_400_000, **more):
    """Events in order of time: user u<i mod users>, n = i."""
    return [{"user": f"u{i % users}", "shop": f"s{i % 3}", "at": since + i * step, "n": i,
             "amount": i / 4, **more} for i in range(count)]


def totals(list_of_events, by="user"):
    out = {}
    for e in list_of_events:
        n, total = out.get(e[by], (0, 0))
        out[e[by]] = (n + 1, total + e["n"])
    return out


def right_online(case, want, view=None):
    """Whether Redis has exactly these (n, total) by entity."""
    return all((r := case.row(u, view)) and (int(r["n"]), int(r["total"])) == w for u, w in want.items())


def await_online(case, want, view=None, seconds=30, node=None):
    until(lambda: right_online(case, want, view), seconds,
          lambda: ({u: (w, case.row(u, view)) for u, w in list(want.items())[:5]}, node and node.log()[-3000:]))
